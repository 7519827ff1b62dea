#include <functional>
#include <string>
#include <vector>

#include <pushforward/bijectors/bernstein.hpp>
#include <pushforward/bijectors/cubic_spline.hpp>
#include <pushforward/bijectors/sigmoidal.hpp>
#include <pushforward/bijectors/sum_of_squares.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// A transform behind one type, so that the tests are compiled once for all of them.
template <class S>
struct AnyTransform {
  using Map = std::function<pf::WithLogSlope<S>(const Tensor<S>&, const Tensor<S>&)>;
  std::string name;
  Index count;
  Map forward, inverse;

  template <class T>
  explicit AnyTransform(const T& t)
      : name(t.name),
        count(t.numbers()),
        forward([t](const Tensor<S>& x, const Tensor<S>& raw) { return t.forward(x, raw); }),
        inverse([t](const Tensor<S>& y, const Tensor<S>& raw) { return pf::inverse_transform(t, y, raw); }) {
    static_assert(pf::MonotoneTransform<T, S>);
  }
  Index numbers() const { return count; }
};

// One of each kind; all but the circular one, which has its seam at the bound and no outside.
template <class S>
std::vector<AnyTransform<S>> straight_transforms() {
  const pf::SplineOptions spline{.bins = 5, .bound = 3};
  return {AnyTransform<S>(pf::LinearSplineTransform(spline)),
          AnyTransform<S>(pf::QuadraticSplineTransform(spline)),
          AnyTransform<S>(pf::CubicSplineTransform(spline)),
          AnyTransform<S>(pf::RationalQuadraticTransform(spline)),
          AnyTransform<S>(pf::BernsteinTransform({.degree = 9, .bound = 3})),
          AnyTransform<S>(pf::SumOfSquaresTransform({.squares = 2, .degree = 3, .bound = 3})),
          AnyTransform<S>(pf::SigmoidalTransform({.units = 5}))};
}
template <class S>
std::vector<AnyTransform<S>> all_transforms() {
  auto all = straight_transforms<S>();
  all.emplace_back(pf::CircularSplineTransform({.bins = 5, .bound = 3}));
  return all;
}

double largest(const Tensor<double>& x) { return pf::max(pf::abs(x)).item(); }
float largest(const Tensor<float>& x) { return pf::max(pf::abs(x)).item(); }

}  // namespace

TEST_CASE("every transform increases with the slope that it says, and inverts") {
  pf::Rng rng(1);
  const auto narrow_transforms = all_transforms<float>();
  std::size_t kind = 0;
  for (const auto& transform : all_transforms<double>()) {
    INFO(transform.name);
    const auto& narrow_transform = narrow_transforms[kind++];
    for (const double size : {0.3, 1.5}) {
      const Tensor<double> x = pf::variable(pf::uniform<double>({40, 2}, rng, -2.9, 2.9));
      const Tensor<double> raw = pf::normal<double>({40, 2, transform.numbers()}, rng) * size;
      const auto y = transform.forward(x, raw);
      // Element i depends on x_i alone, so the gradient of the sum holds the slopes.
      CHECK(largest(pf::log(pf::gradient(pf::sum(y.value), x)) - y.log_slope) < 1e-11);
      const auto back = transform.inverse(y.value, raw);
      CHECK(largest(back.value - x) < 1e-10);
      CHECK(largest(back.log_slope + y.log_slope) < 1e-9);
      const Tensor<> narrow = pf::cast<float>(pf::stop_gradient(x)), narrow_raw = pf::cast<float>(raw);
      const auto there = narrow_transform.forward(narrow, narrow_raw);
      // The condition number of the inverse is up to the largest 1 / slope.
      const float condition = std::max(1.0f, pf::max(pf::exp(-there.log_slope)).item());
      CHECK(largest(narrow_transform.inverse(there.value, narrow_raw).value - narrow) < 3e-6f * condition);
    }
  }
}

TEST_CASE("every transform is the identity, or close to it, for raw numbers of 0") {
  const Tensor<double> x = Tensor<double>::linspace(-2.9, 2.9, 30);
  for (const auto& transform : all_transforms<double>()) {
    INFO(transform.name);
    const auto y = transform.forward(x, Tensor<double>::zeros({transform.numbers()}));
    const bool sigmoidal = transform.name == "SigmoidalTransform";
    // Five places with an even spread over [-1, 1] move the far ends by log mean e^m = 0.24.
    CHECK(largest(y.value - x) < (sigmoidal ? 0.25 : 1e-13));
    CHECK(largest(y.log_slope) < (sigmoidal ? 0.15 : 1e-13));
  }
}

TEST_CASE("every transform is continuous at its bound, and goes on beyond it") {
  pf::Rng rng(2);
  for (const auto& transform : straight_transforms<double>()) {
    INFO(transform.name);
    const Tensor<double> raw = pf::normal<double>({transform.numbers()}, rng);
    for (const double end : {-3.0, 3.0}) {
      const double h = 1e-7;
      const Tensor<double> x{end - h, end, end + h, end * 2, end * 2 + h};
      const auto y = transform.forward(x, raw);
      for (Index i = 0; i < 2; ++i) CHECK(std::abs(y.value(i + 1) - y.value(i)) < 1e-4);
      CHECK((y.value(4) - y.value(3)) / h == Approx(std::exp(y.log_slope(3))).epsilon(1e-6));
      const auto back = transform.inverse(y.value, raw);
      CHECK(largest(back.value - x) < 1e-9);
    }
  }
}

TEST_CASE("Bernstein and sum-of-squares transforms have a continuous slope at their bound") {
  pf::Rng rng(3);
  auto check = [&](const auto& transform) {
    const Tensor<double> raw = pf::normal<double>({transform.numbers()}, rng);
    for (const double end : {-3.0, 3.0}) {
      const auto y = transform.forward(Tensor<double>{end * (1 - 1e-10), end * (1 + 1e-10)}, raw);
      CHECK(y.log_slope(0) == Approx(y.log_slope(1)).margin(1e-7));
    }
  };
  check(pf::BernsteinTransform({.degree = 9, .bound = 3}));
  check(pf::SumOfSquaresTransform({.bound = 3}));
  const auto y =
      pf::BernsteinTransform({.degree = 9, .bound = 3}).forward(Tensor<double>{-3, 3}, pf::normal<double>({7}, rng));
  CHECK(largest(y.log_slope) < 1e-13);
}

TEST_CASE("a Bernstein transform is the sum of its definition") {
  pf::Rng rng(4);
  for (const Index degree : {4, 9, 40}) {
    const pf::BernsteinTransform transform({.degree = degree, .bound = 3, .min_size = 1e-3});
    const Tensor<double> raw = pf::normal<double>({degree - 2}, rng), x = pf::uniform<double>({20}, rng, -3, 3);
    const auto y = transform.forward(x, raw);
    const auto n = static_cast<double>(degree);
    std::vector<double> steps{6 / n};
    double total = 0;
    for (double r : raw) total += std::exp(r);
    for (double r : raw) steps.push_back(6e-3 + (n - 2) * (6 / n - 6e-3) * std::exp(r) / total);
    steps.push_back(6 / n);
    for (Index i = 0; i < x.size(); ++i) {
      const double u = (x(i) + 3) / 6;
      double value = 0, coefficient = -3;
      for (Index j = 0; j <= degree; ++j) {
        const auto k = static_cast<double>(j);
        const double log_binomial = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
        value += coefficient * std::exp(log_binomial + k * std::log(u) + (n - k) * std::log(1 - u));
        if (j < degree) coefficient += steps[static_cast<std::size_t>(j)];
      }
      CHECK(coefficient == Approx(3));
      CHECK(y.value(i) == Approx(value).margin(1e-12));
    }
  }
}

TEST_CASE("a sum-of-squares transform is the integral of its definition") {
  pf::Rng rng(5);
  const pf::SumOfSquaresTransform transform({.squares = 3, .degree = 4, .bound = 2, .min_slope = 1e-2});
  const Tensor<double> raw = pf::normal<double>({transform.numbers()}, rng);
  auto slope = [&](double x) {
    double total = 1e-2;
    for (Index k = 0; k < 3; ++k) {
      double p = std::sqrt((1 - 1e-2) * static_cast<double>(k + 1) / 6);
      for (Index j = 0; j <= 4; ++j)
        p += raw(1 + 5 * k + j) / static_cast<double>(j + 1) * std::cos(static_cast<double>(j) * std::acos(x / 2));
      total += p * p;
    }
    return total;
  };
  for (const double end : {-1.9, -0.3, 0.0, 1.1, 2.0}) {
    constexpr int pieces = 4000;  // Simpson's rule, to h^4
    double area = 0;
    for (int i = 0; i < pieces; ++i) {
      const double from = end * i / pieces, to = end * (i + 1) / pieces;
      area += (slope(from) + 4 * slope(0.5 * (from + to)) + slope(to)) * (to - from) / 6;
    }
    const auto y = transform.forward(Tensor<double>::scalar(end), raw);
    CHECK(y.value.item() == Approx(raw(0) + area).epsilon(1e-11));
    CHECK(y.log_slope.item() == Approx(std::log(slope(end))).epsilon(1e-11));
  }
}

TEST_CASE("the quadrature of a sum-of-squares transform is exact to degree 2 n - 1") {
  for (const Index n : {1, 2, 5, 17}) {
    const pf::detail::UnitQuadrature rule(n);
    for (const Index degree : {Index{0}, Index{1}, n, 2 * n - 1}) {
      double total = 0;
      for (std::size_t i = 0; i < rule.nodes.size(); ++i)
        total += rule.weights[i] * std::pow(rule.nodes[i], static_cast<double>(degree));
      CHECK(total == Approx(1 / static_cast<double>(degree + 1)).epsilon(1e-14));
    }
  }
}

TEST_CASE("a sigmoidal transform is the logit of its mixture of sigmoids, and stays exact where that rounds to 1") {
  pf::Rng rng(6);
  const pf::SigmoidalTransform transform({.units = 4});
  const Tensor<double> raw = pf::normal<double>({12}, rng), start = transform.start<double>();
  CHECK(start.to_vector() == std::vector<double>{-1, 2.0 / 3 - 1, 4.0 / 3 - 1, 1});
  double total = 0;
  for (Index j = 0; j < 4; ++j) total += std::exp(raw(j));
  for (const double x : {-4.0, -0.7, 0.0, 1.3, 5.0}) {
    double cdf = 0, density = 0;
    for (Index j = 0; j < 4; ++j) {
      const double w = std::exp(raw(j)) / total, a = std::exp(raw(4 + j));
      const double s = 1 / (1 + std::exp(-a * (x - raw(8 + j) - start(j))));
      cdf += w * s;
      density += w * a * s * (1 - s);
    }
    const auto y = transform.forward(Tensor<double>::scalar(x), raw);
    CHECK(y.value.item() == Approx(std::log(cdf / (1 - cdf))).epsilon(1e-9));
    CHECK(y.log_slope.item() == Approx(std::log(density / (cdf * (1 - cdf)))).epsilon(1e-9).margin(1e-9));
  }
  // Far out the flattest unit alone is left: its slope, and in float just as in double.
  double flattest = raw(4);
  for (Index j = 1; j < 4; ++j) flattest = std::min(flattest, raw(4 + j));
  for (const double x : {-1e4, 1e4, 1e9, -9e9}) {
    CHECK(transform.forward(Tensor<double>::scalar(x), raw).log_slope.item() == Approx(flattest).epsilon(1e-9));
    const auto narrow = transform.forward(Tensor<>::scalar(static_cast<float>(x)), pf::cast<float>(raw));
    CHECK(narrow.log_slope.item() == Approx(flattest).epsilon(1e-5));
  }
}

TEST_CASE("transforms have gradients of order 2 in numbers and raw numbers, and so have their inverses") {
  pf::Rng rng(7);
  const Tensor<double> x = pf::uniform<double>({3}, rng, -2.5, 2.5);
  auto check = [&](const AnyTransform<double>& transform) {
    INFO(transform.name);
    const Tensor<double> raw = pf::normal<double>({3, transform.numbers()}, rng) * 0.5;
    auto score = [&](const Tensor<double>& at, const Tensor<double>& numbers) {
      const auto y = transform.forward(at, numbers), back = transform.inverse(at, numbers);
      return pf::square(y.value) + y.log_slope - 2 * pf::square(back.value) + back.log_slope;
    };
    CHECK_NOTHROW(pf::testing::check_gradients(score, {x, raw}, {.order = 2}));
  };
  check(AnyTransform<double>(pf::QuadraticSplineTransform({.bins = 3, .bound = 3})));
  check(AnyTransform<double>(pf::CircularSplineTransform({.bins = 3, .bound = 3})));
  check(AnyTransform<double>(pf::BernsteinTransform({.degree = 6, .bound = 3})));
  check(AnyTransform<double>(pf::SumOfSquaresTransform({.squares = 2, .degree = 2, .bound = 3})));
  check(AnyTransform<double>(pf::SigmoidalTransform({.units = 3})));
}

TEST_CASE("the gradient of an inverse is the reciprocal slope, and in raw numbers that of the forward map by it") {
  pf::Rng rng(8);
  for (const auto& transform : straight_transforms<double>()) {
    INFO(transform.name);
    const Tensor<double> x = pf::uniform<double>({5}, rng, -2, 2);
    const Tensor<double> raw = pf::variable(pf::normal<double>({5, transform.numbers()}, rng));
    const auto y = transform.forward(x, raw);
    const Tensor<double> target = pf::variable(y.value);
    const Tensor<double> found = transform.inverse(target, pf::variable(raw)).value;
    const Tensor<double> slope = pf::exp(-y.log_slope);
    CHECK(largest(pf::gradient(pf::sum(found), target) / slope - 1) < 1e-9);
    const Tensor<double> numbers = pf::variable(raw);
    const Tensor<double> again = transform.inverse(pf::stop_gradient(y.value), numbers).value;
    const Tensor<double> expected = -pf::gradient(pf::sum(y.value * pf::stop_gradient(slope)), raw);
    CHECK(largest(pf::gradient(pf::sum(again), numbers) - expected) < 1e-8 * std::max(1.0, largest(expected)));
  }
}

TEST_CASE("no finite number makes a transform or its inverse produce NaN") {
  pf::Rng rng(9);
  const Tensor<> x{1e30f, -1e30f, 3e38f, -3e38f, 3.0f, -3.0f, 1e-30f, 0.0f, 12.0f, -1e6f};
  const Tensor<double> wide{1e300, -1e300, 1e308, 3, -3, 1e-300, 0, 12, -1e6, 1e30};
  auto check = [&]<class S>(const std::vector<AnyTransform<S>>& all, const Tensor<S>& given) {
    for (const double size : {1.0, 100.0, 1e30})
      for (const auto& transform : all) {
        INFO(transform.name << " " << size);
        const Tensor<S> raw = pf::variable(pf::normal<S>({10, transform.numbers()}, rng) * size);
        const Tensor<S> at = pf::variable(given);
        for (const auto& y : {transform.forward(at, raw), transform.inverse(at, raw)}) {
          CHECK(pf::min(pf::is_finite(y.value)).item() == 1);
          CHECK(pf::min(pf::is_finite(y.log_slope)).item() == 1);
          // Where a slope underflows, the gradient of the inverse is infinite.
          if (pf::max(y.log_slope).item() > 80) continue;
          const auto g = pf::gradient(pf::sum(y.value / 1e20) + pf::sum(y.log_slope), {at, raw});
          for (const auto& each : g)
            for (S number : each) CHECK_FALSE(std::isnan(number));
        }
      }
  };
  check(all_transforms<float>(), x);
  check(all_transforms<double>(), wide);
}

TEST_CASE("transforms refuse options and raw numbers that do not fit") {
  CHECK_THROWS_AS(pf::BernsteinTransform({.degree = 3}), pf::ValueError);
  CHECK_THROWS_AS(pf::BernsteinTransform({.degree = 65}), pf::ValueError);
  CHECK_THROWS_AS(pf::BernsteinTransform({.bound = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::BernsteinTransform({.degree = 20, .min_size = 0.05}), pf::ValueError);
  CHECK_THROWS_AS(pf::SumOfSquaresTransform({.squares = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::SumOfSquaresTransform({.degree = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::SumOfSquaresTransform({.degree = -3}), pf::ValueError);
  CHECK_THROWS_AS(pf::SumOfSquaresTransform({.bound = 1e9}), pf::ValueError);
  CHECK_THROWS_AS(pf::SumOfSquaresTransform({.min_slope = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::SigmoidalTransform({.units = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::CircularSplineTransform({.bins = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadraticTransform({.bound = 0}), pf::ValueError);
  for (const auto& transform : all_transforms<float>()) {
    INFO(transform.name);
    const Tensor<> x = Tensor<>::ones({4, 2});
    CHECK_THROWS_AS(transform.forward(x, Tensor<>::ones({4, 2, transform.numbers() + 1})), pf::ShapeError);
    CHECK_THROWS_AS(transform.inverse(x, Tensor<>::ones({3, 2, transform.numbers()})), pf::ShapeError);
  }
}
