#include <pushforward/bijectors/piecewise_splines.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr double pi = 3.14159265358979323846;

// Calls visit(bijector) with one of each kind, on [-2, 2].
template <class S, class Visit>
void for_each_spline(Index d, Index bins, double size, pf::Rng& rng, const Visit& visit) {
  const pf::SplineOptions options{.bins = bins, .bound = 2};
  visit(support::stirred<S>(pf::LinearSpline<S>(d, options), 0, size, rng));
  visit(support::stirred<S>(pf::QuadraticSpline<S>(d, options), 0, size, rng));
  visit(support::stirred<S>(pf::CircularSpline<S>(d, options), 0, size, rng));
}

}  // namespace

TEST_CASE("linear, quadratic and circular splines invert, and their log-determinant is the Jacobian's") {
  pf::Rng rng(1);
  for (const Index bins : {2, 5, 16})
    for (const pf::Shape& shape : {pf::Shape{6, 3}, pf::Shape{2, 2, 3}, pf::Shape{3}}) {
      const Tensor<double> x = pf::uniform<double>(shape, rng, -2, 2);
      for_each_spline<double>(3, bins, 1.0, rng,
                              [&](const auto& b) { CHECK_NOTHROW(pf::testing::check_bijector(b, x)); });
      const Tensor<> narrow = pf::uniform(shape, rng, -2, 2);
      for_each_spline<float>(3, bins, 0.5, rng,
                             [&](const auto& b) { CHECK_NOTHROW(pf::testing::check_bijector(b, narrow)); });
    }
}

TEST_CASE("linear, quadratic and circular splines are the identity at first") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::uniform<double>({20, 2}, rng, -3, 3);
  auto check = [&](const auto& b) {
    for (const auto& y : {b.forward(x), b.inverse(x)}) {
      CHECK(pf::max(pf::abs(y.value - x)).item() < 1e-13);
      CHECK(pf::max(pf::abs(y.log_det)).item() < 1e-13);
    }
  };
  check(pf::LinearSpline<double>(2));
  check(pf::QuadraticSpline<double>(2));
  check(pf::CircularSpline<double>(2));
}

TEST_CASE("linear and quadratic splines map their interval onto itself, and nothing outside of it moves") {
  pf::Rng rng(3);
  const pf::SplineOptions options{.bins = 6, .bound = 2};
  const Tensor<double> ends{{4, 1}, {-2, 2, -7.5, 1e30}};
  auto check = [&](const auto& b) {
    for (const auto& y : {b.forward(ends), b.inverse(ends)}) {
      for (Index i = 0; i < 4; ++i) CHECK(y.value(i, 0) == Approx(ends(i, 0)).epsilon(1e-14));
      CHECK(y.log_det(2) == 0);
      CHECK(y.log_det(3) == 0);
    }
    // The density e^log_det integrates to the length of the interval.
    constexpr Index n = 200'000;
    const Tensor<double> grid =
        Tensor<double>::generate({n, 1}, [](Index i) { return -2 + 4 * (static_cast<double>(i) + 0.5) / n; });
    pf::NoGradient guard;
    CHECK(pf::exp(b.forward(grid).log_det).sum() * 4 / n == Approx(4).epsilon(1e-5));
  };
  check(support::stirred<double>(pf::LinearSpline<double>(1, options), 0, 1, rng));
  check(support::stirred<double>(pf::QuadraticSpline<double>(1, options), 0, 1, rng));
}

TEST_CASE("a circular spline closes: value and slope are the same on both sides of the seam, and after whole turns") {
  pf::Rng rng(4);
  const auto b = support::stirred<double>(pf::CircularSpline<double>(1), 0, 1.0, rng);
  auto angle_between = [](double p, double q) { return std::abs(std::remainder(p - q, 2 * pi)); };
  const Tensor<double> x{{4, 1}, {pi - 1e-9, -pi + 1e-9, 0.7, 0.7 + 4 * pi}};
  for (const auto& y : {b.forward(x), b.inverse(x)}) {
    CHECK(angle_between(y.value(0, 0), y.value(1, 0)) < 1e-6);
    CHECK(y.log_det(0) == Approx(y.log_det(1)).margin(1e-6));
    CHECK(y.value(2, 0) == Approx(y.value(3, 0)).epsilon(1e-12));
    for (double angle : y.value) CHECK(std::abs(angle) <= pi);
  }
  CHECK(std::abs(b.forward(x).log_det(0)) > 1e-3);  // the slope at the seam is not held at one
}

TEST_CASE("linear, quadratic and circular splines have gradients of order 2 and gradients in all parameters") {
  pf::Rng rng(5);
  const Tensor<double> x = pf::uniform<double>({2, 3}, rng, -1.9, 1.9);
  for_each_spline<double>(3, 4, 0.7, rng, [&](const auto& spline) {
    auto score = [](const auto& b, const Tensor<double>& y) {
      const auto z = b.inverse(y), back = b.forward(y);
      return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
    };
    CHECK_NOTHROW(
        pf::testing::check_gradients([&](const Tensor<double>& y) { return score(spline, y); }, x, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(spline, [&](const auto& b) { return score(b, x); }));
  });
}

TEST_CASE("no finite input or parameter makes a linear, quadratic or circular spline produce NaN") {
  pf::Rng rng(6);
  const Tensor<> x{{5, 2}, {1e30f, -1e30f, 0.0f, 3e38f, 0.0f, 2.0f, -2.0f, -3e38f, 1e-30f, 0.5f}};
  for (const double size : {1.0, 100.0, 1e30})
    for_each_spline<float>(2, 5, size, rng, [&](const auto& b) {
      const Tensor<> at = pf::variable(x);
      for (const auto& y : {b.forward(at), b.inverse(at)}) {
        for (float value : y.value) CHECK(std::isfinite(value));
        for (float value : y.log_det) CHECK(std::isfinite(value));
        for (float g : pf::gradient(pf::sum(y.log_det) + pf::sum(y.value), at)) CHECK_FALSE(std::isnan(g));
      }
    });
}

TEST_CASE("linear, quadratic and circular splines refuse events and options that do not fit") {
  pf::Rng rng(7);
  CHECK_THROWS_AS(pf::LinearSpline<>(2, {.bins = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::QuadraticSpline<>(2, {.bound = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::CircularSpline<>(2, {.min_size = 1}), pf::ValueError);
  for_each_spline<float>(3, 4, 1, rng, [&](const auto& b) {
    CHECK_THROWS_AS(b.forward(Tensor<>::ones({4, 2})), pf::ShapeError);
    CHECK_THROWS_AS(b.inverse(Tensor<>::scalar(1)), pf::ShapeError);
  });
}
