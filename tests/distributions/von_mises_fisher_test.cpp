#include <algorithm>

#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/von_mises.hpp>
#include <pushforward/distributions/von_mises_fisher.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Sphere = pf::VonMisesFisher<double>;

namespace {

Tensor<double> first_axis(Index d) {
  return Tensor<double>::generate({d}, [](Index i) { return i == 0 ? 1.0 : 0.0; });
}
Sphere along_first(Index d, double concentration) { return {first_axis(d), Tensor<double>::scalar(concentration)}; }

// The density of the angle from the mean direction: that of a point, times the area of the sphere of such points.
double angle_density(const Sphere& p, double angle) {
  const Index d = p.dimensions();
  const double k = p.concentration().item(), s = std::sin(0.5 * angle);
  return std::exp(-2 * k * s * s - p.log_constant().item() + pf::detail::log_sphere_area(d - 1) +
                  static_cast<double>(d - 2) * std::log(std::sin(angle)));
}
template <class F>
double over_angles(const Sphere& p, const F& f) {
  const double k = p.concentration().item(), dimensions = static_cast<double>(p.dimensions());
  const double end = std::min(M_PI, 9 * std::sqrt((dimensions + 8) / k));
  double total = 0;  // in pieces, as the density may be narrow
  for (int piece = 0; piece < 16; ++piece)
    total += support::integrate([&](double t) { return f(t) * angle_density(p, t); }, end * piece / 16,
                                end * (piece + 1) / 16);
  return total;
}

}  // namespace

TEST_CASE("the logarithm of a Bessel function is that of the standard library, and of its limits") {
  for (const double v : {0.0, 0.5, 1.0, 3.5, 12.0, 29.5, 31.0, 80.0})
    for (const double x : {1e-3, 0.1, 1.0, 7.0, 40.0, 200.0, 600.0}) {
      const double direct = std::cyl_bessel_i(v, x);
      if (direct > 1e-300 && std::isfinite(direct))
        CHECK(pf::math::log_bessel_i_scaled(v, x) ==
              Approx(std::log(direct) - x - v * std::log(x)).epsilon(3e-13).margin(3e-13));
    }
  for (const double v : {0.0, 4.5, 200.0, 1e4})
    CHECK(pf::math::log_bessel_i_scaled(v, 0) == Approx(-v * std::log(2.0) - std::lgamma(v + 1)).margin(1e-12));
  // I_(1/2) = sqrt(2 / (pi x)) sinh x, at arguments beyond what sinh bears.
  for (const double x : {1e3, 1e6, 1e10})
    CHECK(pf::math::log_bessel_i_scaled(0.5, x) == Approx(-0.5 * std::log(2 * M_PI) - std::log(x)).epsilon(1e-13));
}

TEST_CASE("the ratio of Bessel functions keeps its digits at both ends, with derivatives that are its differences") {
  for (const double x : {1e-8, 1e-3, 0.5, 3.0, 20.0, 33.0, 100.0, 1e6, 1e9}) {  // coth x - 1 / x in three dimensions
    const auto r = pf::math::bessel_ratio(0.5, x);
    CHECK(r.ratio == Approx(x < 1e-2 ? x / 3 - x * x * x / 45 : 1 / std::tanh(x) - 1 / x).epsilon(1e-11));
    CHECK(r.gap == Approx(x < 1e-2 ? 1 - x / 3 + x * x * x / 45 : 1 / x - 2 / std::expm1(2 * x)).epsilon(1e-11));
  }
  for (const double v : {0.0, 0.5, 7.0, 60.0, 500.0})
    for (const double x : {3e-4, 0.01, 0.5, 9.0, 35.0, 300.0, 3e3, 1e6})
      for (int n = 0; n < 3; ++n) {
        const double h = 1e-4 * x;
        const double slope =
            (pf::math::bessel_ratio_gap(n, v, x + h) - pf::math::bessel_ratio_gap(n, v, x - h)) / (2 * h);
        CAPTURE(v, x, n);
        CHECK(pf::math::bessel_ratio_gap(n + 1, v, x) == Approx(slope).epsilon(1e-4).margin(3e-9));
      }
}

TEST_CASE("in two dimensions a VonMisesFisher is a VonMises, in three it has its closed form") {
  for (const double k : {0.01, 1.0, 30.0, 1e5}) {
    const pf::VonMises<double> circle(Tensor<double>{0.3}, Tensor<double>{k});
    const Sphere q(Tensor<double>{std::cos(0.3), std::sin(0.3)}, Tensor<double>::scalar(k));
    for (const double x : {0.0, 0.31, 2.5, -3.0})
      CHECK(q.log_prob(Tensor<double>{std::cos(x), std::sin(x)}).item() ==
            Approx(circle.log_prob(Tensor<double>{x}).item()).epsilon(1e-10));
    CHECK(q.entropy().item() == Approx(circle.entropy().item()).epsilon(1e-11));
    CHECK(q.spread().item() == Approx(circle.circular_variance().item()).epsilon(1e-11));
    for (const double quantile : {0.02, 0.4, 1.5, 2.9}) {
      const double angle = quantile / std::sqrt(1 + k);
      CHECK(pf::detail::von_mises_fisher_angle_slope(2, k, angle) ==
            Approx(pf::detail::von_mises_drift(angle, k)).epsilon(1e-8));
    }
  }
  for (const double k : {0.01, 2.0, 50.0}) {
    const Tensor<double> m{2.0 / 3, -2.0 / 3, 1.0 / 3}, x{0.6, 0.0, 0.8};
    const double constant = std::log(k / (4 * M_PI * std::sinh(k)));
    CHECK(Sphere(m, Tensor<double>::scalar(k)).log_prob(x).item() ==
          Approx(k * pf::sum(m * x).item() + constant).epsilon(1e-11));
  }
}

TEST_CASE("a VonMisesFisher density integrates to one, with its mean, entropy and divergence from the uniform") {
  for (const Index d : {3, 4, 20, 300})
    for (const double k : {1e-3, 1.0, 40.0, 2e3, 1e6}) {
      const Sphere p = along_first(d, k);
      CAPTURE(d, k);
      CHECK(over_angles(p, [](double) { return 1.0; }) == Approx(1).epsilon(1e-9));
      CHECK(over_angles(p, [](double t) { return std::cos(t); }) == Approx(p.mean()(0)).epsilon(1e-9).margin(1e-12));
      const double entropy = over_angles(
          p, [&](double t) { return 2 * k * std::sin(0.5 * t) * std::sin(0.5 * t) + p.log_constant().item(); });
      CHECK(p.entropy().item() == Approx(entropy).epsilon(1e-9).margin(1e-9));
      const pf::SphericalUniform<double> uniform(d);
      CHECK(pf::kl_divergence(p, uniform).item() == Approx(uniform.entropy().item() - entropy).margin(1e-8));
    }
}

TEST_CASE("draws of a VonMisesFisher follow its distribution of angles, with no direction preferred around the mean") {
  pf::Rng rng(1);
  const Index n = 20'000;
  for (const Index d : {2, 3, 10, 100})
    for (const double k : {1e-2, 3.0, 80.0, 1e5}) {
      const Tensor<double> m = pf::detail::on_sphere(pf::normal<double>({d}, rng));
      const Sphere p(m, Tensor<double>::scalar(k));
      const Tensor<double> x = p.sample(n, rng);
      CAPTURE(d, k);
      CHECK(pf::max(pf::abs(pf::sum(pf::square(x), 1) - 1)).item() < 1e-12);
      std::vector<double> angles = pf::sqrt(pf::sum(pf::square(x - m), 1)).to_vector();  // chords
      for (double& a : angles) a = 2 * std::asin(std::min(1.0, a / 2));
      std::sort(angles.begin(), angles.end());
      double mass = 0, at = 0, before = 0, worst = 0;  // Kolmogorov and Smirnov at level 1e-6, by the trapezoidal rule
      for (Index i = 0; i < n; ++i) {
        const double next = angles[static_cast<std::size_t>(i)], density = angle_density(p, next);
        mass += i == 0 ? support::integrate([&](double t) { return angle_density(p, t); }, 0, next)
                       : 0.5 * (next - at) * (before + density);
        at = next, before = density;
        worst = std::max(worst, std::abs(mass - (static_cast<double>(i) + 0.5) / static_cast<double>(n)));
      }
      CHECK(worst * std::sqrt(static_cast<double>(n)) < 2.7);
      // The part across the mean direction has mean 0, and variance E[sin^2] / (d - 1) along any axis across.
      const Tensor<double> aside = x - pf::sum(x * m, 1, true) * m, other = pf::normal<double>({d}, rng);
      const Tensor<double> axis = pf::detail::on_sphere(other - pf::sum(other * m) * m);
      const Tensor<double> part = pf::sum(aside * axis, 1);
      const double variance = pf::mean(pf::sum(pf::square(aside), 1)).item() / static_cast<double>(d - 1);
      CHECK(std::abs(part.mean()) < 5 * std::sqrt(variance / n));
      CHECK(pf::mean(pf::square(part)).item() == Approx(variance).epsilon(0.06));
    }
}

TEST_CASE("draws move with the concentration as quantiles do, and with the direction") {
  // The angle at a fixed probability, by bisection on the integral of the density.
  auto quantile = [](Index d, double k, double probability) {
    const Sphere p = along_first(d, k);
    double low = 0, high = M_PI;
    for (int i = 0; i < 45; ++i) {
      const double middle = 0.5 * (low + high);
      const double mass = support::integrate([&](double t) { return angle_density(p, t); }, 0, middle);
      (mass < probability ? low : high) = middle;
    }
    return 0.5 * (low + high);
  };
  for (const Index d : {3, 12})
    for (const double k : {0.5, 30.0})
      for (const double u : {0.1, 0.6, 0.95}) {
        const double h = 1e-3 * k, slope = (quantile(d, k + h, u) - quantile(d, k - h, u)) / (2 * h);
        CHECK(pf::detail::von_mises_fisher_angle_slope(d, k, quantile(d, k, u)) == Approx(slope).epsilon(1e-5));
      }
  // E[a . x] = A(k) a . m: gradients of draws, on average, along the sphere.
  pf::Rng rng(2);
  const Index n = 40'000;
  const Tensor<double> m = pf::variable(pf::detail::on_sphere(Tensor<double>{0.5, -1.0, 0.2, 0.7}));
  const Tensor<double> k = pf::variable(Tensor<double>::scalar(3.0)), a{1.0, 0.5, -0.3, 0.2};
  const Sphere p(m, k);
  const auto [gm, gk] = pf::gradient(pf::mean(pf::sum(p.rsample(n, rng) * a, 1)), {m, k});
  const double ratio = 1 - p.spread().item(), change = -pf::math::bessel_ratio_gap(1, 1.0, 3.0);
  CHECK(gk.item() == Approx(change * pf::sum(a * m).item()).margin(0.01));
  const Tensor<double> across = (gm - ratio * a) - pf::sum((gm - ratio * a) * m) * m;
  CHECK(pf::max(pf::abs(across)).item() < 0.02);
  CHECK_THROWS_AS(pf::gradient(pf::sum(p.rsample(3, rng)), k, {.create_graph = true}), pf::GradientError);
  const auto draws = p.rsample_and_log_prob(50, rng);
  CHECK(pf::max(pf::abs(draws.log_prob - p.log_prob(draws.value))).item() < 1e-12);
}

TEST_CASE("the divergence of two VonMisesFisher distributions is the mean of its definition, and differentiable") {
  pf::Rng rng(3);
  const Tensor<double> m = pf::detail::on_sphere(pf::normal<double>({2, 5}, rng)), k{4.0, 20.0};
  const Sphere q(m, k), p(pf::detail::on_sphere(Tensor<double>{1.0, 0.5, 0.0, 0.3, -1.0}), Tensor<double>::scalar(2.0));
  const Tensor<double> exact = pf::kl_divergence(q, p);
  const auto x = q.sample_and_log_prob(100'000, rng);
  const Tensor<double> each = x.log_prob - p.log_prob(x.value);
  for (Index i = 0; i < 2; ++i) {
    const Tensor<double> column = pf::select(each, 1, i);
    CHECK(exact(i) == Approx(column.mean()).margin(5 * std::sqrt(pf::var(column, 0).item() / 1e5)));
  }
  CHECK(pf::max(pf::abs(pf::kl_divergence(q, q))).item() < 1e-12);
  CHECK_NOTHROW(pf::testing::check_gradients(
      [&](const Tensor<double>& at) {
        const Sphere s(m, at);
        return pf::sum(pf::kl_divergence(s, p) + s.entropy() + pf::sum(s.mean(), -1) + s.log_prob(p.direction()));
      },
      k, {.order = 2}));
}

TEST_CASE("points of a SphericalUniform lie on the sphere, no direction preferred") {
  pf::Rng rng(4);
  const pf::SphericalUniform<> uniform(3);
  const Tensor<> x = uniform.sample(20'000, rng);
  REQUIRE(x.shape() == pf::Shape{20'000, 3});
  CHECK(pf::max(pf::abs(pf::sum(pf::square(x), 1) - 1)).item() < 1e-5f);
  CHECK(pf::max(pf::abs(pf::mean(x, 0))).item() < 5 * std::sqrt(1.0 / 3 / 20'000));
  std::vector<float> z = pf::select(x, 1, 2).to_vector();  // Archimedes: each coordinate is uniform in [-1, 1]
  std::sort(z.begin(), z.end());
  double worst = 0;
  for (std::size_t i = 0; i < z.size(); ++i)
    worst = std::max(worst, std::abs(0.5 * (z[i] + 1.0) - (static_cast<double>(i) + 0.5) / 20'000));
  CHECK(worst * std::sqrt(20'000.0) < 2.7);
  CHECK(uniform.log_prob(x)(7) == Approx(-std::log(4 * M_PI)));
  CHECK(pf::SphericalUniform<double>(2).entropy().item() == Approx(std::log(2 * M_PI)));
}

TEST_CASE("spheres refuse what lies beside them") {
  CHECK_THROWS_AS(pf::SphericalUniform<>(1), pf::ValueError);
  CHECK_THROWS_AS(pf::SphericalUniform<>(3).log_prob(Tensor<>::zeros({2, 4})), pf::ShapeError);
  CHECK_THROWS_AS(Sphere(Tensor<double>{1.0}, Tensor<double>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(Sphere(Tensor<double>{1.0, 1.0}, Tensor<double>::scalar(1)), pf::ValueError);
  CHECK_THROWS_AS(Sphere(Tensor<double>{1.0, 0.0}, Tensor<double>::scalar(0)), pf::ValueError);
  CHECK_THROWS_AS(Sphere(Tensor<double>{1.0, 0.0}, Tensor<double>::scalar(std::nan(""))), pf::ValueError);
  CHECK_THROWS_AS(Sphere(Tensor<double>::zeros({3, 2}), Tensor<double>::ones({2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::kl_divergence(along_first(3, 1), pf::SphericalUniform<double>(4)), pf::ShapeError);
}
