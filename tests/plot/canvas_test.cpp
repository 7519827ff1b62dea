#include <pushforward/plot/canvas.hpp>

#include <set>

#include "support/catch.hpp"

namespace pf = pushforward;
namespace plot = pushforward::plot;

namespace {

// How much ink there is: 1 for a black pixel, 0 for a white one.
double ink_of(const plot::Canvas& canvas) {
  double total = 0;
  for (pf::Index y = 0; y < canvas.height(); ++y)
    for (pf::Index x = 0; x < canvas.width(); ++x) total += 1 - static_cast<double>(canvas.pixel(x, y).green);
  return total;
}

double ink_of_text(const std::string& words, double size = 20) {
  plot::Canvas canvas(400, 60);
  canvas.text({10, 40}, words, {.size = size, .color = plot::black});
  return ink_of(canvas);
}

}  // namespace

TEST_CASE("shapes cover the area that geometry gives them, wherever they lie between pixels") {
  for (double shift : {0.0, 0.3, 0.77}) {
    plot::Canvas rectangle(100, 100), disc(100, 100), line(100, 100), triangle(100, 100);
    rectangle.fill(plot::Rect{10 + shift, 20 + shift, 30.5, 12.25}, plot::black);
    CHECK(ink_of(rectangle) == Catch::Approx(30.5 * 12.25).epsilon(1e-5));
    disc.disc({50 + shift, 50 + shift}, 20, plot::black);
    CHECK(ink_of(disc) == Catch::Approx(3.14159265 * 400).epsilon(0.005));
    line.line({20 + shift, 30}, {80, 70 + shift}, 3, plot::black);
    CHECK(ink_of(line) == Catch::Approx(3 * std::hypot(60 - shift, 40 + shift) + 3.14159265 * 2.25).epsilon(0.02));
    const plot::Point corners[] = {{10 + shift, 10}, {90, 20 + shift}, {40, 80}};
    triangle.fill(corners, plot::black);
    const double twice = (80 - shift) * 70 - (30 - shift) * (10 + shift);
    CHECK(ink_of(triangle) == Catch::Approx(twice / 2).epsilon(0.005));
  }
}

TEST_CASE("what is fainter or smaller than a pixel keeps its ink") {
  plot::Canvas canvas(40, 40);
  for (int i = 0; i < 100; ++i) canvas.disc({20, 20}, 5, plot::black, 0.01);
  CHECK(static_cast<double>(canvas.pixel(20, 20).green) == Catch::Approx(std::pow(0.99, 100)).epsilon(1e-4));
  plot::Canvas thin(40, 40);
  thin.line({5, 20.5}, {35, 20.5}, 0.25, plot::black);
  CHECK(ink_of(thin) == Catch::Approx(30 * 0.25).epsilon(0.1));
}

TEST_CASE("a line that crosses itself is covered once") {
  plot::Canvas canvas(40, 40);
  const plot::Point bow[] = {{5, 5}, {35, 35}, {35, 5}, {5, 35}};
  canvas.line(bow, 4, plot::black, 0.5);
  CHECK(static_cast<double>(canvas.pixel(20, 20).green) == Catch::Approx(0.5));
}

TEST_CASE("nothing is drawn outside of the clip or the canvas") {
  plot::Canvas canvas(50, 50);
  canvas.clip({10, 10, 20, 20});
  canvas.fill(plot::Rect{-1e9, -1e9, 2e9, 2e9}, plot::black);
  CHECK(ink_of(canvas) == Catch::Approx(400));
  canvas.clear_clip();
  canvas.disc({-100, 25}, 30, plot::black);
  canvas.line({-1e6, -1e6}, {-10, 1e6}, 5, plot::black);
  canvas.text({1000, 1000}, "far away");
  canvas.text({-1000, 20}, "far away");
  CHECK(ink_of(canvas) == Catch::Approx(400));
}

TEST_CASE("a picture keeps its mean however it is scaled") {
  for (double size : {2.0, 7.0, 30.0, 33.3}) {
    plot::Canvas canvas(60, 60);
    canvas.picture({5, 5, size, size}, 10, 10,
                   [](pf::Index i, pf::Index j) { return (i + j) % 2 ? plot::black : plot::white; });
    CHECK(ink_of(canvas) == Catch::Approx(size * size / 2).epsilon(0.05));
  }
  plot::Canvas canvas(30, 20);
  canvas.picture({0, 0, 30, 20}, 3, 2,
                 [](pf::Index i, pf::Index j) { return i == 2 && j == 1 ? plot::black : plot::white; });
  CHECK(canvas.pixel(20, 10).green == 0);
  CHECK(canvas.pixel(19, 10).green == 1);
  CHECK(ink_of(canvas) == Catch::Approx(100));
}

TEST_CASE("every printable letter has a shape of its own") {
  CHECK(ink_of_text(" ") == 0);
  std::set<long> inks;
  for (char c = 33; c < 127; ++c) {
    const double amount = ink_of_text(std::string(1, c), 40);
    INFO(c);
    CHECK(amount > 5);
    inks.insert(std::lround(amount * 1000));
  }
  CHECK(inks.size() > 80);  // Mirrored letters such as ( and ) may have as much ink as each other.
}

TEST_CASE("text is as wide as it says, and stands where it is put") {
  for (const auto align : {plot::Align::left, plot::Align::center, plot::Align::right}) {
    plot::Canvas canvas(400, 60);
    const std::string words = "HamburgefonsH";
    const double width = plot::Canvas::text_width(words, 24);
    canvas.text({200, 40}, words, {.size = 24, .align = align});
    pf::Index left = 400, right = 0, top = 60, bottom = 0;
    for (pf::Index y = 0; y < 60; ++y)
      for (pf::Index x = 0; x < 400; ++x)
        if (canvas.pixel(x, y).green < 0.5f)
          left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    const double begin = align == plot::Align::left     ? 200
                         : align == plot::Align::center ? 200 - width / 2
                                                        : 200 - width;
    CHECK(static_cast<double>(left) == Catch::Approx(begin).margin(4));
    CHECK(static_cast<double>(right) == Catch::Approx(begin + width).margin(4));
    CHECK(static_cast<double>(top) == Catch::Approx(40 - 0.75 * 24).margin(3));
    CHECK(static_cast<double>(bottom) == Catch::Approx(40 + 0.22 * 24).margin(3));
  }
}

TEST_CASE("text that is no ASCII, or no UTF-8 at all, is drawn without harm") {
  CHECK(ink_of_text("\xce\xb1") != ink_of_text("\xce\xb2"));
  CHECK(ink_of_text("\xe4\xb8\xad") == ink_of_text("\xe4\xb8\xae"));
  CHECK(ink_of_text("\xff\xc3") == Catch::Approx(ink_of_text("\xe4\xb8\xad\xe4\xb8\xad")).epsilon(1e-3));
  CHECK(ink_of_text("\xe4\xb8") > 0);
  CHECK(ink_of_text("") == 0);
}

TEST_CASE("colormaps grow steadily in lightness, and their ends are far apart") {
  for (const auto map : {plot::Colormap::lagoon, plot::Colormap::ember, plot::Colormap::tide, plot::Colormap::grey}) {
    const auto light = [&](double t) {
      const plot::Color c = plot::color_of(map, t);
      const auto linear = [](float x) { return std::pow(static_cast<double>(x), 2.2); };
      return std::cbrt(0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue));
    };
    const double direction = map == plot::Colormap::tide ? -1 : 1;
    for (int i = 0; i < 50; ++i) CHECK(direction * (light((i + 1) / 50.0) - light(i / 50.0)) > 0);
    CHECK(std::abs(light(1) - light(0)) > 0.55);
    CHECK(plot::color_of(map, -3).red == plot::color_of(map, 0).red);
    CHECK(plot::color_of(map, 7).red == plot::color_of(map, 1).red);
  }
}

TEST_CASE("a canvas has at least a pixel and at most 2^28") {
  CHECK_THROWS_AS(plot::Canvas(0, 5), pf::ValueError);
  CHECK_THROWS_AS(plot::Canvas(5, -1), pf::ValueError);
  CHECK_THROWS_AS(plot::Canvas(pf::Index{1} << 40, pf::Index{1} << 40), pf::ValueError);
}
