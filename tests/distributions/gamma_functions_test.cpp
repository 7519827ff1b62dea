#include <pushforward/distributions/gamma_functions.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

// P(a, x) by quadrature, with t = x u^(1 / a): no singularity for a < 1.
double lower_gamma(double a, double x) {
  auto density = [&](double u) { return std::exp(-x * std::pow(u, 1 / a)); };
  return std::exp(a * std::log(x) - std::lgamma(a + 1)) * support::integrate(density, 0, 1);
}

// I_x(a, b) by quadrature.
double lower_beta(double a, double b, double x) {
  auto density = [&](double t) { return std::pow(t, a - 1) * std::pow(1 - t, b - 1); };
  return std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)) * support::integrate(density, 0, x);
}

}  // namespace

TEST_CASE("the remainder of Stirling's formula joins its series and its definition, in every derivative") {
  CHECK(pf::math::stirling_remainder(0, 0.5) ==
        Approx(0.5 * std::log(std::acos(-1.0)) + 0.5 - 0.5 * std::log(2 * std::acos(-1.0))));  // Gamma(1/2) = sqrt(pi)
  CHECK(pf::math::stirling_remainder(0, 1e8) == Approx(1 / 12e8).epsilon(1e-14));
  for (int n = 0; n <= 4; ++n) {
    const double cut = 16.0 + n, by = n == 0 ? 1 : -1 / cut;
    CHECK(pf::math::stirling_remainder(n, cut) == Approx(pf::math::stirling_remainder(n, std::nextafter(cut, 0.0)))
                                                      .epsilon(1e-9)
                                                      .margin(1e-12 * std::pow(std::fabs(by), n)));
  }
  auto f = [](const auto& x) { return pf::detail::stirling_remainder(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, Tensor<double>{0.3, 1.0, 7.0, 30.0, 500.0}, {.order = 3}));
}

TEST_CASE("half a step of the gamma function falls as 1 / (8 x)") {
  CHECK(pf::math::gamma_half_step(0, 0.5) == Approx(-0.5 * std::log(std::acos(-1.0)) + 0.5 * std::log(2.0)));
  CHECK(pf::math::gamma_half_step(0, 1e6) == Approx(-1 / 8e6).epsilon(1e-8));
  CHECK(pf::math::gamma_half_step(0, 16.0) == Approx(pf::math::gamma_half_step(0, std::nextafter(16.0, 17.0))));
  auto f = [](const auto& x) { return pf::detail::gamma_half_step(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, Tensor<double>{0.3, 1.0, 7.0, 30.0, 500.0}, {.order = 3}));
}

TEST_CASE("the regularized incomplete gamma function is the integral") {
  for (const double a : {0.01, 0.5, 1.0, 3.7, 60.0})
    for (const double ratio : {1e-4, 0.3, 0.9, 1.0, 1.3, 3.0}) {
      const double x = a * ratio, expected = lower_gamma(a, x);
      CHECK(pf::math::gamma_p(a, x) == Approx(expected).epsilon(1e-10));
      CHECK(pf::math::gamma_q(a, x) == Approx(1 - expected).epsilon(1e-10).margin(1e-10));
    }
  CHECK(pf::math::gamma_q(1.0, 500.0) == Approx(std::exp(-500.0)).epsilon(1e-12));
  CHECK(pf::math::gamma_q(3.0, 50.0) == Approx(std::exp(-50.0) * (1 + 50 + 1250)).epsilon(1e-12));
  CHECK(pf::math::gamma_p(1.0, 1e-30) == Approx(1e-30).epsilon(1e-12));
  CHECK(pf::math::gamma_p(2.0, 0.0) == 0);
  CHECK(pf::math::gamma_p(2.0, std::numeric_limits<double>::infinity()) == 1);
  // Normal far from zero: P(a, a) = 1/2 + 1 / (3 sqrt(2 pi a)) to order a^(-3/2) (Temme 1979).
  CHECK(pf::math::gamma_p(1e6, 1e6) == Approx(0.5 + 1 / (3 * std::sqrt(2 * std::acos(-1.0) * 1e6))).epsilon(1e-9));
}

TEST_CASE("the regularized incomplete beta function is the integral") {
  for (const double a : {0.3, 1.0, 4.5, 30.0})
    for (const double b : {0.5, 2.0, 50.0})
      for (const double x : {1e-3, 0.2, 0.5, 0.9})
        CHECK(pf::math::beta_p(a, b, x) == Approx(lower_beta(a, b, x)).epsilon(2e-9));
  CHECK(pf::math::beta_p(2, 3, 0) == 0);
  CHECK(pf::math::beta_p(2, 3, 1) == 1);
  CHECK(pf::math::beta_p(2, 1, 1e-100) == Approx(1e-200).epsilon(1e-12));
  CHECK(pf::math::beta_p(1e6, 1e6, 0.5) == Approx(0.5).epsilon(1e-9));
}

TEST_CASE("gamma quantiles move with the concentration as the integral says") {
  for (const double a : {0.05, 0.5, 1.0, 2.2, 9.0, 80.0})
    for (const double sigma : {-3.0, -1.0, 0.0, 1.0, 4.0}) {
      const double z = std::max(a + sigma * std::sqrt(a), 0.02 * a), h = 1e-4 * a;
      const double by_a = (8 * (lower_gamma(a + h, z) - lower_gamma(a - h, z)) -
                           (lower_gamma(a + 2 * h, z) - lower_gamma(a - 2 * h, z))) /
                          (12 * h);
      const double density = std::exp(a * std::log(z) - z - std::lgamma(a));  // of log z
      CHECK(pf::math::log_gamma_quantile_slope(a, std::log(z)) == Approx(-by_a / density).epsilon(1e-6));
    }
  // Gamma(1) is exponential, Gamma(a) for a -> 0 a power of a uniform: P = z^a / Gamma(a + 1).
  const double a = 0.001, log_z = -5000;
  CHECK(pf::math::log_gamma_quantile_slope(a, log_z) == Approx(-(log_z - pf::math::digamma(1 + a)) / a).epsilon(1e-12));
}

TEST_CASE("slopes of gamma quantiles for large concentrations join the others") {
  for (const double u : {-5.0, -2.0, 0.0, 0.5, 3.0, 6.0}) {
    const double a = 1e4, log_z = std::log(a + u * 100);
    CHECK(pf::math::log_gamma_quantile_slope(std::nextafter(a, 2e4), log_z) ==
          Approx(pf::math::log_gamma_quantile_slope(a, log_z)).epsilon(1e-8));
  }
}
