#include <pushforward/bijectors/cubic_spline.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

template <class S>
pf::CubicSpline<S> stirred(Index d, Index bins, double size, pf::Rng& rng) {
  pf::CubicSpline<S> spline(d, {.bins = bins, .bound = 2});
  pf::for_each_parameter<S>(spline,
                            [&](const pf::Path&, pf::Parameter<S>& p) { p = pf::normal<S>(p.shape(), rng) * size; });
  return spline;
}

// Knots and Steffen's slopes at the inner ones, written out with plain numbers from the raw numbers of one spline.
struct PlainKnots {
  std::vector<double> x, y, slope;

  PlainKnots(const Tensor<double>& raw, Index bins, double bound, double min_size) {
    const std::vector<double> widths = sizes(raw, 0, bins, bound, min_size);
    const std::vector<double> heights = sizes(raw, bins, bins, bound, min_size);
    x = y = {-bound};
    for (std::size_t k = 0; k < widths.size(); ++k) {
      x.push_back(x.back() + widths[k]);
      y.push_back(y.back() + heights[k]);
    }
    for (std::size_t k = 1; k < widths.size(); ++k) {
      const double s0 = heights[k - 1] / widths[k - 1], s1 = heights[k] / widths[k];
      const double p = (s0 * widths[k] + s1 * widths[k - 1]) / (widths[k - 1] + widths[k]);
      slope.push_back((std::copysign(1, s0) + std::copysign(1, s1)) *
                      std::min({std::abs(s0), std::abs(s1), 0.5 * std::abs(p)}));
    }
  }

  static std::vector<double> sizes(const Tensor<double>& raw, Index first, Index bins, double bound, double min_size) {
    double total = 0;
    for (Index k = 0; k < bins; ++k) total += std::exp(raw.data()[first + k]);
    std::vector<double> result;
    for (Index k = 0; k < bins; ++k)
      result.push_back(
          2 * bound *
          (min_size + (1 - static_cast<double>(bins) * min_size) * std::exp(raw.data()[first + k]) / total));
    return result;
  }
};

}  // namespace

TEST_CASE("cubic splines invert, and their log-determinant is the Jacobian's") {
  pf::Rng rng(1);
  for (const Index bins : {2, 5, 16})
    for (const pf::Shape& shape : {pf::Shape{6, 3}, pf::Shape{2, 2, 3}, pf::Shape{3}}) {
      CHECK_NOTHROW(
          pf::testing::check_bijector(stirred<double>(3, bins, 1.0, rng), pf::uniform<double>(shape, rng, -2.5, 2.5)));
      CHECK_NOTHROW(pf::testing::check_bijector(stirred<float>(3, bins, 0.5, rng), pf::uniform(shape, rng, -2.5, 2.5)));
    }
}

TEST_CASE("a cubic spline goes through its knots with Steffen's slopes, from both sides") {
  pf::Rng rng(2);
  constexpr Index bins = 7;
  const pf::CubicSplineTransform transform({.bins = bins, .bound = 2});
  const Tensor<double> raw = pf::normal<double>({transform.numbers()}, rng) * 1.5;
  const PlainKnots knots(raw, bins, 2, 1e-3);
  const auto count = static_cast<Index>(knots.x.size());
  const Tensor<double> x(pf::Shape{count}, knots.x), y(pf::Shape{count}, knots.y);
  const auto at = transform.forward(x, raw), back = transform.inverse(y, raw);
  for (Index i = 0; i < count; ++i) {
    CHECK(at.value(i) == Approx(y(i)).margin(1e-13));
    CHECK(back.value(i) == Approx(x(i)).margin(1e-12));
  }
  for (const double offset : {-1e-9, 0.0, 1e-9})
    for (Index i = 1; i + 1 < count; ++i) {
      const auto near = transform.forward(Tensor<double>::scalar(x(i) + offset), raw);
      CHECK(std::exp(near.log_slope.item()) == Approx(knots.slope[static_cast<std::size_t>(i - 1)]).epsilon(1e-6));
    }
}

TEST_CASE("a cubic spline is the identity at first and outside of its bound, and keeps the length of its interval") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::uniform<double>({20, 2}, rng, -7, 7);
  const pf::CubicSpline<double> identity(2);
  for (const auto& y : {identity.forward(x), identity.inverse(x)}) {
    CHECK(pf::max(pf::abs(y.value - x)).item() < 1e-13);
    CHECK(pf::max(pf::abs(y.log_det)).item() < 1e-13);
  }
  const auto spline = stirred<double>(1, 6, 1.0, rng);
  const Tensor<double> ends{{4, 1}, {-2, 2, -7.5, 1e30}};
  for (const auto& y : {spline.forward(ends), spline.inverse(ends)}) {
    for (Index i = 0; i < 4; ++i) CHECK(y.value(i, 0) == Approx(ends(i, 0)).epsilon(1e-14));
    CHECK(y.log_det(2) == 0);
    CHECK(y.log_det(3) == 0);
  }
  constexpr Index n = 100'000;
  const Tensor<double> grid =
      Tensor<double>::generate({n, 1}, [](Index i) { return -2 + 4 * (static_cast<double>(i) + 0.5) / n; });
  pf::NoGradient guard;
  CHECK(pf::exp(spline.forward(grid).log_det).sum() * 4 / n == Approx(4).epsilon(1e-7));
}

TEST_CASE("cubic splines have gradients of order 2 in both directions and gradients in all parameters") {
  pf::Rng rng(4);
  const auto spline = stirred<double>(3, 4, 0.7, rng);
  const Tensor<double> x = pf::uniform<double>({2, 3}, rng, -1.9, 1.9);
  auto score = [](const auto& b, const Tensor<double>& y) {
    const auto z = b.inverse(y), back = b.forward(y);
    return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
  };
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& y) { return score(spline, y); }, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_module(spline, [&](const auto& b) { return score(b, x); }));
  const pf::CubicSplineTransform transform({.bins = 3, .bound = 2});
  const Tensor<double> raw = pf::normal<double>({2, 3, transform.numbers()}, rng) * 0.5;
  CHECK_NOTHROW(pf::testing::check_gradients(
      [&](const Tensor<double>& y, const Tensor<double>& r) { return transform.inverse(y, r).log_slope; }, {x, raw},
      {.order = 2}));
}

TEST_CASE("the root of a cubic is found for all end slopes that a spline can have") {
  pf::Rng rng(5);
  const Tensor<double> draws = pf::uniform<double>({2000, 3}, rng);
  for (Index i = 0; i < draws.size(0); ++i) {
    const double a = 2 * std::pow(draws(i, 0), 8) + 1e-6, b = 3 * draws(i, 1), u = draws(i, 2);
    const double t = pf::detail::unit_cubic(u, a, b), found = pf::detail::unit_cubic_root(a, b, t);
    CHECK(pf::detail::unit_cubic(found, a, b) == Approx(t).epsilon(1e-14).margin(1e-15));
  }
  CHECK(pf::detail::unit_cubic_root(1e-6, 3, 0) == Approx(0).margin(1e-15));
  CHECK(pf::detail::unit_cubic_root(2, 1e-3, 1) == Approx(1));
}

TEST_CASE("no finite input or parameter makes a cubic spline produce NaN") {
  pf::Rng rng(6);
  const Tensor<> x{{5, 2}, {1e30f, -1e30f, 0.0f, 3e38f, 0.0f, 2.0f, -2.0f, -3e38f, 1e-30f, 0.5f}};
  for (const double size : {1.0, 100.0, 1e30}) {
    const auto spline = stirred<float>(2, 5, size, rng);
    const Tensor<> at = pf::variable(x);
    for (const auto& y : {spline.forward(at), spline.inverse(at)}) {
      for (float value : y.value) CHECK(std::isfinite(value));
      for (float value : y.log_det) CHECK(std::isfinite(value));
      for (float g : pf::gradient(pf::sum(y.log_det) + pf::sum(y.value), at)) CHECK_FALSE(std::isnan(g));
    }
  }
}

TEST_CASE("cubic splines refuse events and options that do not fit") {
  CHECK_THROWS_AS(pf::CubicSpline<>(2, {.bins = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::CubicSpline<>(2, {.bound = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::CubicSpline<>(0), pf::ValueError);
  const pf::CubicSpline<> spline(3);
  CHECK_THROWS_AS(spline.forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(spline.inverse(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::CubicSplineTransform().forward(Tensor<>::ones({4}), Tensor<>::ones({4, 3})), pf::ShapeError);
}
