#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/plot/field.hpp>

#include <vector>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

bool dark(pf::plot::Figure& figure, double x, double y) {
  const auto& color = figure.canvas().pixel(static_cast<Index>(x), static_cast<Index>(y));
  return color.red + color.green + color.blue < 2.0f;
}

// Whether something is drawn near the middle of panel (0, 0), moved by (dx, dy) pixels.
bool marked(pf::plot::Figure& figure, double dx, double dy) {
  const pf::plot::Rect panel = figure.panel(0, 0);
  const double x = panel.x + panel.width / 2 + dx, y = panel.y + panel.height / 2 + dy;
  for (double i = -2; i <= 2; ++i)
    for (double j = -2; j <= 2; ++j)
      if (dark(figure, x + i, y + j)) return true;
  return false;
}

}  // namespace

TEST_CASE("a lattice has its points in the middles of cells") {
  const Tensor<double> points = pf::plot::lattice<double>({0, 4}, {-1, 1}, 2, 2);
  CHECK(points.to_vector() == std::vector<double>{1, -0.5, 3, -0.5, 1, 0.5, 3, 0.5});
  CHECK_THROWS_AS(pf::plot::lattice({0, 1}, {0, 1}, 0, 2), pf::ValueError);
}

TEST_CASE("an arrow points where its vector does") {
  pf::plot::Figure figure({.width = 300, .height = 300});
  pf::plot::arrows(figure, 0, 0, Tensor<>({1, 2}, {0, 0}), Tensor<>({1, 2}, {0, 5}),
                   {.x_range = {-1, 1}, .y_range = {-1, 1}, .length = 60, .line_width = 4, .axes = false});
  CHECK(marked(figure, 0, -20));
  CHECK(marked(figure, 0, -52));
  CHECK_FALSE(marked(figure, 0, -75));
  CHECK_FALSE(marked(figure, 0, 20));
  CHECK_FALSE(marked(figure, 30, 0));
}

TEST_CASE("a trajectory runs through its states, over what is there") {
  pf::plot::Figure figure({.width = 300, .height = 300});
  const pf::plot::Range range{-1, 1};
  figure.scatter(0, 0, Tensor<>({1, 2}, {-0.5f, -0.5f}),
                 {.x_range = range, .y_range = range, .point_size = 12, .axes = false});
  REQUIRE(marked(figure, -68, 68));
  pf::plot::trajectories(figure, 0, 0, Tensor<>({3, 1, 2}, {0, 0, 0.5f, 0, 0.5f, 0.5f}),
                         {.x_range = range, .y_range = range, .line_width = 4, .over = true, .axes = false});
  CHECK(marked(figure, -68, 68));
  CHECK(marked(figure, 34, 0));
  CHECK(marked(figure, 70, -34));
  CHECK_FALSE(marked(figure, 34, -34));
  CHECK_FALSE(marked(figure, -34, 0));
}

TEST_CASE("a field of zeros draws no arrows") {
  pf::plot::Figure figure({.width = 200, .height = 200});
  pf::plot::arrows(figure, 0, 0, Tensor<>({1, 2}, {0, 0}), Tensor<>::zeros({1, 2}),
                   {.x_range = {-1, 1}, .y_range = {-1, 1}, .even = true, .axes = false});
  CHECK_FALSE(marked(figure, 0, 0));
}

TEST_CASE("fields and trajectories of other shapes are refused") {
  pf::plot::Figure figure({.width = 200, .height = 200});
  const Tensor<> points = Tensor<>::zeros({3, 2});
  CHECK_THROWS_AS(pf::plot::arrows(figure, 0, 0, points, Tensor<>::zeros({2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::plot::arrows(figure, 0, 0, Tensor<>::zeros({3, 3}), Tensor<>::zeros({3, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::plot::arrows(figure, 0, 0, points, points / 0.0), pf::ValueError);
  CHECK_THROWS_AS(pf::plot::arrows(figure, 0, 0, Tensor<>::zeros({0, 2}), Tensor<>::zeros({0, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::plot::arrows(figure, 1, 0, points, points), pf::IndexError);
  CHECK_THROWS_AS(pf::plot::trajectories(figure, 0, 0, points), pf::ShapeError);
  CHECK_THROWS_AS(pf::plot::trajectories(figure, 0, 0, Tensor<>::zeros({1, 3, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::plot::trajectories(figure, 0, 0, Tensor<>::zeros({2, 0, 2})), pf::ValueError);
}
