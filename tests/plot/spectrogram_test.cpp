#include <numbers>

#include <pushforward/plot/spectrogram.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

Tensor<> sine(double hertz) {
  return Tensor<>::generate({8000}, [=](Index i) {
    return static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / 8000));
  });
}

// The row of the panel's middle column that is brightest.
double brightest_row(const pf::plot::Figure& figure, double x, double top, double bottom) {
  auto& canvas = const_cast<pf::plot::Figure&>(figure).canvas();
  double most = -1, at = 0;
  for (auto y = static_cast<Index>(top); y < static_cast<Index>(bottom); ++y) {
    const pf::plot::Color& c = canvas.pixel(static_cast<Index>(x), y);
    const double light = static_cast<double>(c.red + c.green + c.blue);
    if (light > most) most = light, at = static_cast<double>(y);
  }
  return at;
}

}  // namespace

TEST_CASE("a spectrogram is bright at the height of its frequency and dark elsewhere") {
  // Bare axes fill the panel but for a frame, so heights are parts of it.
  std::vector<double> heights;
  for (const double hertz : {1000.0, 2000.0, 3000.0}) {
    pf::plot::Figure figure({.width = 300, .height = 400});
    const pf::plot::Rect panel = figure.panel(0, 0);
    pf::plot::spectrogram(figure, 0, 0, sine(hertz), {.axes = false});
    heights.push_back(brightest_row(figure, panel.x + panel.width / 2, panel.y + 12, panel.bottom() - 12));
  }
  const double step = heights[0] - heights[1];
  CHECK(step > 70);
  CHECK(step == Catch::Approx(heights[1] - heights[2]).margin(4));
  // Linear from 0 Hz at the bottom to 4000 Hz at the top.
  CHECK(heights[0] + step - (heights[2] - step) == Catch::Approx(4 * step).margin(4));
}

TEST_CASE("spectrograms are written as pictures, by themselves and in figures") {
  const Scratch scratch;
  pf::plot::spectrogram(scratch / "a.png", sine(440), {.title = "a tone", .highest = 1000});
  CHECK(Scratch::read(scratch / "a.png").substr(1, 3) == "PNG");
  pf::plot::Figure figure({.columns = 2});
  pf::plot::spectrogram(figure, 0, 1, sine(440), {.loudest = 1, .colormap = pf::plot::Colormap::lagoon});
  CHECK_THROWS_AS(pf::plot::spectrogram(figure, 0, 2, sine(440)), pf::IndexError);
  CHECK_NOTHROW(pf::plot::spectrogram(figure, 0, 0, Tensor<>::zeros({300})));  // silence
}

TEST_CASE("a spectrogram's picture says what is wrong") {
  pf::plot::Figure figure({});
  const auto draw = [&](const pf::plot::SpectrogramOptions& options) {
    pf::plot::spectrogram(figure, 0, 0, sine(440), options);
  };
  CHECK_THROWS_AS(pf::plot::spectrogram(figure, 0, 0, Tensor<>::zeros({2, 300})), pf::ShapeError);
  CHECK_THROWS_AS(pf::plot::spectrogram(figure, 0, 0, Tensor<>::zeros({100})), pf::ValueError);
  CHECK_THROWS_AS(draw({.window = 100}), pf::ValueError);
  CHECK_THROWS_AS(draw({.lowest = 500, .highest = 400}), pf::ValueError);
  CHECK_THROWS_AS(draw({.highest = 5000}), pf::ValueError);
  CHECK_THROWS_AS(draw({.decibels = 0}), pf::ValueError);
  CHECK_THROWS_AS(draw({.loudest = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::plot::spectrogram("/dev/null/x.png", sine(440)), pf::IoError);
}
