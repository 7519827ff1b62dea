#include <algorithm>

#include <pushforward/distributions/von_mises.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Angles = pf::VonMises<double>;

namespace {

Angles around(double location, double concentration) {
  return {Tensor<double>{location}, Tensor<double>{concentration}};
}

// The mean over the circle of f(x) p(x), by the trapezoidal rule, which is exact up to rounding for periodic functions.
template <class F>
double integral(const Angles& d, const F& f) {
  const Index n = 20'000;
  const Tensor<double> x =
      Tensor<double>::generate({n, 1}, [&](Index i) { return -M_PI + 2 * M_PI * static_cast<double>(i) / n; });
  const Tensor<double> p = pf::exp(d.log_prob(x));
  double total = 0;
  for (Index i = 0; i < n; ++i) total += f(x(i, 0)) * p(i) * 2 * M_PI / n;
  return total;
}

}  // namespace

TEST_CASE("a VonMises density integrates to one at every concentration, with its entropy and circular variance") {
  for (double k : {1e-6, 0.009, 0.011, 1.0, 24.9, 25.1, 99.0, 101.0, 1e4}) {
    const Angles d = around(0.7, k);
    CHECK(integral(d, [](double) { return 1.0; }) == Approx(1.0).epsilon(1e-11));
    CHECK(integral(d, [](double x) { return 1 - std::cos(x - 0.7); }) ==
          Approx(d.circular_variance().item()).epsilon(1e-10));
    CHECK(integral(d, [&](double x) { return -d.log_prob(Tensor<double>{x}).item(); }) ==
          Approx(d.entropy().item()).epsilon(1e-10));
  }
  CHECK(around(0.7, 2).log_prob(Tensor<double>{0.2}).item() ==
        Approx(around(0.7, 2).log_prob(Tensor<double>{0.2 + 4 * M_PI}).item()));
  // Nearly a normal of variance 1 / k, in floats.
  const pf::VonMises<float> sharp(Tensor<>{0.5f}, Tensor<>{1e10f});
  CHECK(sharp.log_prob(Tensor<>{0.5f}).item() == Approx(0.5 * std::log(1e10 / (2 * M_PI))).epsilon(1e-6));
  CHECK(std::isfinite(sharp.log_prob(Tensor<>{-2.0f}).item()));
}

TEST_CASE("derivatives of the ratio of Bessel functions are its differences") {
  for (int order = 0; order < 3; ++order)
    for (double x : {0.003, 0.03, 0.5, 3.0, 20.0, 40.0, 150.0, 1e3}) {
      const double h = 1e-4 * x,
                   difference = (pf::detail::bessel_gap(order, x + h) - pf::detail::bessel_gap(order, x - h)) / (2 * h);
      CHECK(pf::detail::bessel_gap(order + 1, x) == Approx(difference).epsilon(2e-5).margin(1e-10));
    }
}

TEST_CASE("draws of a VonMises follow its distribution function") {
  pf::Rng rng(1);
  const Index n = 20'000;
  for (double k : {1e-9, 1e-3, 0.5, 4.0, 300.0, 1e6}) {
    const Angles d = around(0.0, k);
    std::vector<double> x = d.sample(n, rng).to_vector();
    std::sort(x.begin(), x.end());
    // Kolmogorov and Smirnov at level 1e-6: the distribution function by the trapezoidal rule between draws.
    double mass = 0, worst = 0, at = std::max(-M_PI, -12 / std::sqrt(k));
    double before = std::exp(d.log_prob(Tensor<double>{at}).item());
    const Tensor<double> density = pf::exp(d.log_prob(Tensor<double>({n, 1}, x)));
    for (Index i = 0; i < n; ++i) {
      const double next = x[static_cast<std::size_t>(i)];
      mass += 0.5 * (next - at) * (before + density(i));
      at = next, before = density(i);
      worst = std::max(worst, std::abs(mass - (static_cast<double>(i) + 0.5) / static_cast<double>(n)));
    }
    CHECK(worst * std::sqrt(static_cast<double>(n)) < 2.7);
    CHECK(x.front() >= -M_PI);
    CHECK(x.back() < M_PI);
  }
  CHECK(pf::VonMises<>(Tensor<>::zeros({2, 3}), Tensor<>::ones({3})).sample(4, rng).shape() == pf::Shape{4, 2, 3});
}

TEST_CASE("draws move with the parameters so that their distribution function stays") {
  // The reparameterization gradient of E[1 - cos(x - m)], the circular variance, against its derivative.
  pf::Rng rng(2);
  for (double concentration : {0.5, 3.0, 50.0}) {
    const Index n = 40'000;
    const Tensor<double> k = pf::variable(Tensor<double>{concentration}), location = pf::variable(Tensor<double>{0.4});
    const Tensor<double> x = Angles(location, k).rsample(n, rng);
    const auto [to_location, to_k] = pf::gradient(pf::mean(1 - pf::cos(x - 0.4)), {location, k});
    const double expected = pf::detail::bessel_gap(1, concentration);
    // Each draw's contribution is below 3 |expected| on average in square.
    CHECK(std::abs(to_k.item() - expected) < 5 * 3 * std::abs(expected) / std::sqrt(static_cast<double>(n)));
    CHECK(std::abs(to_location.item()) < 5 / std::sqrt(static_cast<double>(n)));
  }
  // The drift itself against differences of the quantile function, found by bisection.
  auto quantile = [](double u, double k) {
    double low = 0, high = M_PI;
    for (int step = 0; step < 60; ++step) {
      const double x = 0.5 * (low + high);
      double mass = 0;
      const int n = 2000;
      for (int i = 0; i < n; ++i)
        mass += std::exp(around(0, k).log_prob(Tensor<double>{x * (i + 0.5) / n}).item()) * x / n;
      (mass < u ? low : high) = x;
    }
    return 0.5 * (low + high);
  };
  const double h = 1e-3, slope = (quantile(0.3, 2 + h) - quantile(0.3, 2 - h)) / (2 * h);
  CHECK(pf::detail::von_mises_drift(quantile(0.3, 2), 2) == Approx(slope).epsilon(1e-4));
}

TEST_CASE("a VonMises is twice differentiable in data and parameters, its draws once") {
  const Tensor<double> x{0.3, -2.0, 3.0}, location{0.1, 1.0, -2.0}, k{0.5, 3.0, 150.0};
  auto f = [](const auto& at, const auto& m, const auto& c) {
    return Angles(m, c).log_prob(at) + Angles(m, c).entropy();
  };
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, location, k}, {.order = 2}));
  auto divergence = [&](const auto& a, const auto& b) {
    return pf::kl_divergence(Angles(location, a), Angles(pf::flip(location), b));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(divergence, {k, Tensor<double>{1.0, 2.0, 3.0}}, {.order = 2}));
  pf::Rng rng(3);
  const Tensor<double> c = pf::variable(k);
  const Tensor<double> draw = pf::sum(Angles(location, c).rsample(rng));
  CHECK_THROWS_AS(pf::gradient(draw, c, {.create_graph = true}), pf::GradientError);
}

TEST_CASE("the divergence of two VonMises distributions is the integral of its definition") {
  const Angles q = around(0.5, 3), p = around(-0.4, 1.2);
  const double expected =
      integral(q, [&](double x) { return (q.log_prob(Tensor<double>{x}) - p.log_prob(Tensor<double>{x})).item(); });
  CHECK(pf::kl_divergence(q, p).item() == Approx(expected).epsilon(1e-10));
}

TEST_CASE("a VonMises refuses bad parameters") {
  CHECK_THROWS_AS(pf::VonMises<>(Tensor<>{0.0f}, Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::VonMises<>(Tensor<>{std::nanf("")}, Tensor<>{1.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::VonMises<>(Tensor<>::zeros({2}), Tensor<>::ones({3})), pf::ShapeError);
}
