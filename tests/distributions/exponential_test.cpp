#include <pushforward/distributions/exponential.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

TEST_CASE("the log-density of an Exponential is the closed form, and there is none below zero") {
  const pf::Exponential<double> d(Tensor<double>{0.5, 20.0});
  const Tensor<double> found = d.log_prob(Tensor<double>{{3, 2}, {0.3, 0.1, 0.0, 4.0, -1e-9, 1.0}});
  REQUIRE(found.shape() == pf::Shape{3});
  CHECK(found(0) == Approx(std::log(0.5) - 0.15 + std::log(20.0) - 2));
  CHECK(found(1) == Approx(std::log(0.5) + std::log(20.0) - 80));
  CHECK(found(2) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("draws of an Exponential follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Exponential<double>(Tensor<double>{{2, 1}, {0.3, 50.0}}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Exponential<>(Tensor<>{2.0f, 0.5f}), rng));
  CHECK(pf::Exponential<>(Tensor<>::scalar(1)).sample(5, rng).shape() == pf::Shape{5});
}

TEST_CASE("cdf and quantile of an Exponential are exact near both ends") {
  const pf::Exponential<double> d(Tensor<double>{2.0});
  CHECK(d.cdf(Tensor<double>{1e-20}).item() == Approx(2e-20).epsilon(1e-14));
  CHECK(d.cdf(Tensor<double>{3.0}).item() == Approx(1 - std::exp(-6.0)));
  CHECK(d.cdf(Tensor<double>{-3.0}).item() == 0);
  for (const double p : {1e-18, 0.2, 0.999}) CHECK(d.cdf(d.icdf(Tensor<double>{p})).item() == Approx(p).epsilon(1e-13));
  CHECK(std::isnan(d.icdf(Tensor<double>{-0.5}).item()));
  CHECK(std::isnan(d.icdf(Tensor<double>{1.5}).item()));
  CHECK(pf::Exponential<>(Tensor<>{1e-10f}).log_prob(Tensor<>{1e30f}).item() == Approx(-1e20));
}

TEST_CASE("an Exponential is differentiable twice") {
  auto f = [](const auto& x, const auto& rate) {
    const pf::Exponential<double> d(rate);
    pf::Rng rng(3);
    return pf::sum(d.log_prob(x)) + pf::sum(d.cdf(x)) + pf::sum(d.entropy()) +
           pf::sum(d.icdf(Tensor<double>{0.2, 0.7}) * d.rsample(3, rng));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(
      f, {Tensor<double>{{2, 2}, {0.3, 1.2, 4.0, 1.5}}, Tensor<double>{0.5, 3.0}}, {.order = 2}));
}

TEST_CASE("entropy and divergence of Exponentials are the integrals") {
  const double a = 0.7, b = 2.5;
  const pf::Exponential<double> q(Tensor<double>::scalar(a)), p(Tensor<double>::scalar(b));
  auto expect = [&](auto f) {
    return support::integrate(
        [&](double u) { return a * std::exp(-a * u / (1 - u)) * f(u / (1 - u)) / ((1 - u) * (1 - u)); }, 0, 1);
  };
  CHECK(q.entropy().item() == Approx(expect([&](double x) { return a * x - std::log(a); })).epsilon(1e-10));
  CHECK(pf::kl_divergence(q, p).item() ==
        Approx(expect([&](double x) { return std::log(a / b) - (a - b) * x; })).epsilon(1e-10));
  CHECK(pf::kl_divergence(q, q).item() == 0);
}

TEST_CASE("an Exponential refuses bad rates") {
  CHECK_THROWS_AS(pf::Exponential<>(Tensor<>{-1.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Exponential<>(Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Exponential<>(Tensor<>{std::numeric_limits<float>::quiet_NaN()}), pf::ValueError);
  CHECK_THROWS_AS(pf::Exponential<>(Tensor<>::ones({2})).log_prob(Tensor<>::ones({3})), pf::ShapeError);
}
