#include <pushforward/plot.hpp>

#include "io/png_decode.hpp"
#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
namespace plot = pushforward::plot;
using Catch::Matchers::ContainsSubstring;

namespace {

DecodedPng picture(const std::string& path) {
  const std::string bytes = Scratch::read(path);
  return decode_png({bytes.begin(), bytes.end()});
}

// The mean place, in parts of the picture, and the number of the pixels near a color.
struct Spot {
  double x = 0, y = 0;
  std::size_t count = 0;
};

Spot find(const DecodedPng& png, const plot::Color& color, double tolerance = 40) {
  Spot spot;
  const double wanted[] = {255.0 * static_cast<double>(color.red), 255.0 * static_cast<double>(color.green),
                           255.0 * static_cast<double>(color.blue)};
  for (std::size_t y = 0; y < png.height; ++y)
    for (std::size_t x = 0; x < png.width; ++x) {
      double distance = 0;
      for (std::size_t c = 0; c < 3; ++c) distance += std::abs(wanted[c] - static_cast<double>(png.at(x, y)[c]));
      if (distance > tolerance) continue;
      spot.x += static_cast<double>(x) / static_cast<double>(png.width);
      spot.y += static_cast<double>(y) / static_cast<double>(png.height);
      ++spot.count;
    }
  spot.x /= static_cast<double>(spot.count);
  spot.y /= static_cast<double>(spot.count);
  return spot;
}

pf::Tensor<> cloud(pf::Index n, float x, float y) {
  return pf::Tensor<>::generate({n, 2}, [=](pf::Index i) {
    const float angle = static_cast<float>(i / 2) * 2.4f;
    return i % 2 ? y + 0.3f * std::sin(angle) : x + 0.3f * std::cos(angle);
  });
}

// A normal density around a point, which remembers how it was asked.
struct Bump {
  double x = 0, y = 0;
  mutable pf::Index calls = 0, largest = 0;
  mutable bool recorded = false;

  pf::Tensor<> log_prob(const pf::Tensor<>& at) const {
    ++calls;
    largest = std::max(largest, at.size(0));
    recorded |= pf::detail::recording_flag();
    return pf::Tensor<>::generate({at.size(0)}, [&](pf::Index i) {
      const double dx = static_cast<double>(at(i, 0)) - x, dy = static_cast<double>(at(i, 1)) - y;
      return static_cast<float>(-2 * (dx * dx + dy * dy) + 1000);
    });
  }
};

}  // namespace

TEST_CASE("a scatter plot has its size, and its points where they belong") {
  const Scratch scratch;
  plot::scatter(scratch / "s.png",
                {{"left", cloud(200, -2, 1), plot::rgb(0xff0000)}, {"right", cloud(200, 2, -1), plot::rgb(0x0000ff)}},
                {.width = 500, .height = 400, .point_size = 8, .alpha = 1, .legend = plot::Legend::none});
  const DecodedPng png = picture(scratch / "s.png");
  CHECK((png.width == 500 && png.height == 400 && png.channels == 3));
  const Spot red = find(png, plot::rgb(0xff0000)), blue = find(png, plot::rgb(0x0000ff));
  CHECK((red.count > 500 && blue.count > 500));
  CHECK((red.x < 0.45 && blue.x > 0.6));
  CHECK((red.y < 0.45 && blue.y > 0.5));
}

TEST_CASE("the height of a scatter plot follows the shape of its data unless it is given") {
  const Scratch scratch;
  const pf::Tensor<> flat({3, 2}, {0, 0, 4, 1, 2, 2});
  plot::scatter(scratch / "flat.png", flat, {.width = 600});
  plot::scatter(scratch / "square.png", flat, {.width = 600, .x_range = {0, 1}, .y_range = {0, 1}});
  CHECK(picture(scratch / "flat.png").height < 360);
  CHECK(picture(scratch / "square.png").height > 540);
}

TEST_CASE("the legend shows every named series") {
  const Scratch scratch;
  const auto draw = [&](plot::Legend where) {
    plot::scatter(scratch / "l.png", {{"data", cloud(50, 0, 0)}, {"samples", cloud(50, 0, 0)}},
                  {.width = 500, .height = 500, .legend = where});
    return find(picture(scratch / "l.png"), plot::ink, 100).count;
  };
  const std::size_t none = draw(plot::Legend::none), inside = draw(plot::Legend::top_left),
                    outside = draw(plot::Legend::outside);
  CHECK(inside > none + 50);
  CHECK(outside > none + 50);
}

TEST_CASE("points that cannot be drawn are counted in the error") {
  const Scratch scratch;
  const float nan = std::nanf("");
  CHECK_THROWS_AS(plot::scatter(scratch / "x", pf::Tensor<>({3, 2}, {1, 2, nan, 4, 5, INFINITY})), pf::ValueError);
  CHECK_THROWS_WITH(plot::scatter(scratch / "x", pf::Tensor<>({3, 2}, {1, 2, nan, 4, 5, INFINITY})),
                    ContainsSubstring("2 of 3 points"));
  CHECK_THROWS_AS(plot::scatter(scratch / "x", pf::Tensor<>::zeros({0, 2})), pf::ValueError);
  CHECK_THROWS_AS(plot::scatter(scratch / "x", std::vector<plot::Series>{}), pf::ValueError);
  CHECK_THROWS_AS(plot::scatter(scratch / "x", pf::Tensor<>::zeros({5, 3})), pf::ShapeError);
  CHECK_THROWS_AS(plot::scatter(scratch / "x", pf::Tensor<>::zeros({5})), pf::ShapeError);
  CHECK_THROWS_AS(plot::scatter(scratch / "x", cloud(5, 0, 0), {.width = 0}), pf::ValueError);
  CHECK(scratch.files() == 0);
}

TEST_CASE("a density is bright where the model is, in batches and without a graph") {
  const Scratch scratch;
  const Bump bump{1, 1};
  plot::density(scratch / "d.png", bump, cloud(100, 0, 0),
                {.width = 400,
                 .height = 400,
                 .x_range = {-2, 2},
                 .y_range = {-2, 2},
                 .resolution = 50,
                 .batch_size = 300,
                 .points = 0,
                 .axes = false});
  const DecodedPng png = picture(scratch / "d.png");
  CHECK((png.width == 400 && png.height == 400));
  const Spot peak = find(png, plot::color_of(plot::Colormap::lagoon, 1), 30);
  CHECK(peak.count > 50);
  CHECK(peak.x == Catch::Approx(0.75).margin(0.02));
  CHECK(peak.y == Catch::Approx(0.25).margin(0.02));
  CHECK(find(png, plot::color_of(plot::Colormap::lagoon, 0), 30).count > 400 * 400 / 3);
  CHECK(bump.largest == 300);
  CHECK(bump.calls == (50 * 50 + 299) / 300);
  CHECK_FALSE(bump.recorded);
}

TEST_CASE("some of the data lie over the density, from every part of it") {
  const Scratch scratch;
  // Two classes that take turns, as data sets often have them.
  const pf::Tensor<> left = cloud(4000, -1, 0), right = cloud(4000, 1, 0);
  const pf::Tensor<> data =
      pf::Tensor<>::generate({4000, 2}, [&](pf::Index i) { return (i / 2 % 2 ? left : right).data()[i]; });
  plot::density(scratch / "d.png", Bump{0, 0}, data,
                {.width = 400,
                 .height = 400,
                 .points = 400,
                 .point_size = 5,
                 .point_alpha = 1,
                 .point_color = plot::rgb(0xff00ff),
                 .axes = false});
  const Spot spot = find(picture(scratch / "d.png"), plot::rgb(0xff00ff));
  CHECK(spot.count > 500);
  CHECK(spot.x == Catch::Approx(0.5).margin(0.03));
}

TEST_CASE("functions and models of doubles serve as densities too") {
  const Scratch scratch;
  const plot::DensityOptions options{.width = 200, .x_range = {-1, 1}, .y_range = {-1, 1}, .resolution = 20};
  plot::density(
      scratch / "a.png", [](const pf::Tensor<>& x) { return pf::Tensor<>::zeros({x.size(0)}); }, options);
  plot::density(
      scratch / "b.png", [](const pf::Tensor<double>& x) { return pf::Tensor<double>::zeros({x.size(0)}); }, options);
  CHECK(picture(scratch / "a.png").pixels == picture(scratch / "b.png").pixels);
  CHECK(picture(scratch / "a.png").width == 200);
}

TEST_CASE("a density that cannot be drawn says why") {
  const Scratch scratch;
  const pf::Tensor<> data = cloud(10, 0, 0);
  const auto with = [&](auto value, const plot::DensityOptions& options = {.resolution = 10}) {
    plot::density(
        scratch / "x", [=](const pf::Tensor<>& x) { return value(x); }, data, options);
  };
  const auto zeros = [](const pf::Tensor<>& x) { return pf::Tensor<>::zeros({x.size(0)}); };
  CHECK_NOTHROW(with(zeros));
  CHECK_THROWS_AS(with([](const pf::Tensor<>& x) { return pf::Tensor<>::full({x.size(0)}, std::nanf("")); }),
                  pf::ValueError);
  CHECK_THROWS_AS(with([](const pf::Tensor<>& x) { return pf::Tensor<>::full({x.size(0)}, -INFINITY); }),
                  pf::ValueError);
  CHECK_THROWS_AS(with([](const pf::Tensor<>& x) { return pf::Tensor<>::zeros({x.size(0), 1}); }), pf::ShapeError);
  CHECK_THROWS_AS(with([](const pf::Tensor<>&) { return pf::Tensor<>::zeros({1}); }), pf::ShapeError);
  CHECK_THROWS_AS(with(zeros, {.resolution = 1}), pf::ValueError);
  CHECK_THROWS_AS(with(zeros, {.batch_size = 0}), pf::ValueError);
  CHECK_THROWS_WITH(plot::density(scratch / "x", zeros, plot::DensityOptions{}), ContainsSubstring("x_range"));
  CHECK_THROWS_AS(plot::density(scratch / "x", zeros, pf::Tensor<>::zeros({4})), pf::ShapeError);
}

TEST_CASE("image grids have the size of their tiles, and the pixels of their images") {
  const Scratch scratch;
  const pf::Tensor<> images = pf::Tensor<>::generate({6, 4, 5}, [](pf::Index i) { return i / 20 == 4 ? 1.0f : 0.0f; });
  plot::image_grid(scratch / "g.png", images, {.columns = 3, .scale = 4, .padding = 2});
  const DecodedPng png = picture(scratch / "g.png");
  CHECK(png.width == 3 * 20 + 2 * 2 + 2 * 2);
  CHECK(png.height == 2 * 16 + 2 + 2 * 2);
  const auto tile = [&](std::size_t column, std::size_t row) {
    return png.at(2 + column * 22 + 10, 2 + row * 18 + 8)[0];
  };
  CHECK((tile(0, 0) == 0 && tile(2, 1) == 0 && tile(1, 1) == 255));
  CHECK(png.at(0, 0)[0] == 255);

  plot::image_grid(scratch / "i.png", images, {.columns = 3, .scale = 4, .inverted = true});
  CHECK(picture(scratch / "i.png").at(2 + 10, 2 + 8)[0] == 255);
  plot::image_grid(scratch / "l.png", images, {.columns = 3, .scale = 4, .labels = {"0", "1", "2", "3", "4", "5"}});
  CHECK(picture(scratch / "l.png").height > png.height + 20);
}

TEST_CASE("images come flat, with one channel, or in color") {
  const Scratch scratch;
  const pf::Tensor<> flat =
      pf::Tensor<>::generate({4, 784}, [](pf::Index i) { return static_cast<float>(i % 784) / 784; });
  plot::image_grid(scratch / "flat.png", flat);
  plot::image_grid(scratch / "channel.png", pf::Tensor<>({4, 1, 28, 28}, flat.to_vector()));
  CHECK(picture(scratch / "flat.png").pixels == picture(scratch / "channel.png").pixels);
  const pf::Tensor<> red = pf::Tensor<>::generate({1, 3, 2, 2}, [](pf::Index i) { return i < 4 ? 2.0f : -1.0f; });
  plot::image_grid(scratch / "red.png", red, {.scale = 5, .padding = 0});
  CHECK(find(picture(scratch / "red.png"), plot::rgb(0xff0000), 3).count == 100);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({4, 783})), pf::ShapeError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({784})), pf::ShapeError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({1, 2, 4, 4})), pf::ShapeError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({0, 4, 4})), pf::ValueError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::full({1, 4, 4}, std::nanf(""))), pf::ValueError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({2, 4, 4}), {.labels = {"one"}}), pf::ValueError);
  CHECK_THROWS_AS(plot::image_grid(scratch / "x", pf::Tensor<>::zeros({2, 4, 4}), {.columns = -1}), pf::ValueError);
}

TEST_CASE("curves go down when the numbers do, straight on a logarithmic axis when they decay") {
  const Scratch scratch;
  std::vector<double> decay;
  for (int i = 0; i < 50; ++i) decay.push_back(std::pow(10, -i / 10.0));
  const auto middle = [&](bool log) {
    plot::curve(scratch / "c.png", {{"", decay, plot::rgb(0xff0000)}}, {.width = 500, .height = 300, .log_y = log});
    const DecodedPng png = picture(scratch / "c.png");
    CHECK((png.width == 500 && png.height == 300));
    CHECK(find(png, plot::rgb(0xff0000), 60).count > 300);
    return find(png, plot::rgb(0xff0000), 60).y;
  };
  CHECK(middle(true) == Catch::Approx(0.46).margin(0.05));
  CHECK(middle(false) > 0.58);
  CHECK_THROWS_AS(plot::curve(scratch / "x", {{"bad", std::vector<double>{1, 0, 2}}}, {.log_y = true}), pf::ValueError);
  CHECK_THROWS_AS(plot::curve(scratch / "x", {{"bad", std::vector<float>{1, NAN}}}), pf::ValueError);
  CHECK_THROWS_AS(plot::Series("bad", std::vector<int>{1, 2}, std::vector<int>{1}), pf::ShapeError);
  CHECK_NOTHROW(plot::curve(scratch / "x", pf::Tensor<double>({5.0})));
  CHECK_NOTHROW(plot::curve(scratch / "x", pf::Tensor<>({2, 2}, {0, 1e30f, 1e30f, -1e30f})));
}

TEST_CASE("a figure puts every plot into its panel") {
  const Scratch scratch;
  plot::Figure figure({.rows = 2,
                       .columns = 2,
                       .title = "all",
                       .row_titles = {"a", "b"},
                       .column_titles = {"1", "2"},
                       .width = 600,
                       .height = 560});
  figure.scatter(0, 0, {{"", cloud(300, 0, 0), plot::rgb(0xff0000)}}, {.point_size = 6, .alpha = 1});
  figure.density(0, 1, Bump{0, 0}, cloud(10, 0, 0),
                 {.colormap = plot::Colormap::grey, .resolution = 30, .points = 0, .axes = false});
  figure.image_grid(1, 0, pf::Tensor<>::full({4, 8, 8}, 0.0f));
  figure.curve(1, 1, {{"", std::vector<double>{3, 2, 1}, plot::rgb(0x0000ff)}});
  figure.save(scratch / "f.png");
  const DecodedPng png = picture(scratch / "f.png");
  CHECK((png.width == 600 && png.height == 560));
  const Spot red = find(png, plot::rgb(0xff0000)), blue = find(png, plot::rgb(0x0000ff)),
             black = find(png, plot::black, 10);
  CHECK((red.count > 200 && red.x < 0.5 && red.y < 0.55));
  CHECK((blue.count > 100 && blue.x > 0.5 && blue.y > 0.5));
  CHECK(black.count > 10000);
  CHECK_THROWS_AS(figure.scatter(2, 0, cloud(3, 0, 0)), pf::IndexError);
  CHECK_THROWS_AS(figure.text(0, -1, "x"), pf::IndexError);
}

TEST_CASE("panels do not overlap and stay inside, for any number of them") {
  for (pf::Index rows : {1, 3, 8})
    for (pf::Index columns : {1, 4, 11}) {
      plot::Figure figure({.rows = rows, .columns = columns});
      const plot::Rect first = figure.panel(0, 0), last = figure.panel(rows - 1, columns - 1);
      CHECK((first.x >= 0 && first.y >= 0 && first.width > 100 && first.height > 100));
      CHECK((last.right() <= static_cast<double>(figure.canvas().width()) &&
             last.bottom() <= static_cast<double>(figure.canvas().height())));
      if (columns > 1) CHECK(figure.panel(0, 1).x >= first.right());
      if (rows > 1) CHECK(figure.panel(1, 0).y >= first.bottom());
    }
  CHECK_THROWS_AS(plot::Figure({.rows = 0}), pf::ValueError);
  CHECK_THROWS_AS(plot::Figure({.columns = 2, .column_titles = {"one"}}), pf::ValueError);
}

TEST_CASE("text in a figure shows, line by line") {
  plot::Figure figure({.width = 300, .height = 300});
  figure.text(0, 0, "one\ntwo\nthree");
  std::size_t rows_with_ink = 0;
  for (pf::Index y = 0; y < 300; ++y)
    for (pf::Index x = 0; x < 300; ++x)
      if (figure.canvas().pixel(x, y).green < 0.5f) {
        ++rows_with_ink;
        break;
      }
  CHECK(rows_with_ink > 20);
}

TEST_CASE("tiny plots and absurd options end in a picture or an error, never worse") {
  const Scratch scratch;
  for (pf::Index size : {1, 7, 40}) {
    CHECK_NOTHROW(
        plot::scatter(scratch / "x", {{"long name of a series", cloud(30, 0, 0)}},
                      {.title = "long title", .x_label = "x", .y_label = "y", .width = size, .height = size}));
    CHECK_NOTHROW(plot::curve(scratch / "x", {{"n", std::vector<double>{1, 2}}},
                              {.title = "t", .y_label = "y", .width = size, .height = size}));
    plot::Figure figure(
        {.rows = 3, .columns = 3, .title = "t", .row_titles = {"a", "b", "c"}, .width = size, .height = size});
    CHECK_NOTHROW(figure.image_grid(1, 1, pf::Tensor<>::zeros({9, 28, 28})));
  }
  CHECK_NOTHROW(
      plot::scatter(scratch / "x", pf::Tensor<>({2, 2}, {-3e38f, 0, 3e38f, 1}), {.width = 100, .height = 100}));
  CHECK_NOTHROW(plot::scatter(scratch / "x", cloud(20, 1e6f, 1e6f),
                              {.width = 100, .height = 100, .x_range = {0, 1e-6}, .y_range = {0, 1e-6}}));
}
