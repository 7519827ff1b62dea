#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/log_normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

double density(double x, double m, double s) {
  const double z = (std::log(x) - m) / s;
  return std::exp(-0.5 * z * z) / (x * s * std::sqrt(2 * std::acos(-1.0)));
}

}  // namespace

TEST_CASE("the log-density of a LogNormal is the closed form, and there is none below zero") {
  const Tensor<double> m{0.5, -1.0}, s{1.0, 0.3}, x{{3, 2}, {0.3, 1.2, 4.0, 0.2, -1.0, 1.0}};
  const Tensor<double> found = pf::LogNormal<double>(m, s).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{3});
  for (pf::Index i = 0; i < 2; ++i)
    CHECK(found(i) == Approx(std::log(density(x(i, 0), 0.5, 1.0) * density(x(i, 1), -1.0, 0.3))).epsilon(1e-12));
  CHECK(found(2) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("draws of a LogNormal follow its density and moments") {
  pf::Rng rng(1);
  const pf::LogNormal<double> batch(Tensor<double>{{2, 1}, {1.5, -3.0}}, Tensor<double>{0.3});
  CHECK_NOTHROW(pf::testing::check_distribution(batch, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::LogNormal<>(Tensor<>{0.0f, 2.0f}, Tensor<>{0.5f, 0.2f}), rng));
  CHECK(pf::LogNormal<>(Tensor<>::scalar(0), Tensor<>::scalar(1)).sample(5, rng).shape() == pf::Shape{5});
}

TEST_CASE("moments, entropy and cdf of a LogNormal are integrals of its density") {
  const double m = 0.4, s = 0.8;
  const pf::LogNormal<double> d(Tensor<double>::scalar(m), Tensor<double>::scalar(s));
  auto expect = [&](auto f) {
    return support::integrate(
        [&](double u) {
          const double x = u / (1 - u), p = density(x, m, s);
          return p > 0 ? p * f(x, p) / ((1 - u) * (1 - u)) : 0.0;
        },
        0, 1);
  };
  const double mean = expect([](double x, double) { return x; });
  CHECK(d.mean().item() == Approx(mean).epsilon(1e-9));
  CHECK(d.variance().item() == Approx(expect([&](double x, double) { return (x - mean) * (x - mean); })).epsilon(1e-9));
  CHECK(d.entropy().item() == Approx(expect([](double, double p) { return -std::log(p); })).epsilon(1e-9));
  for (const double x : {0.05, 0.9, 4.0}) {
    const double below = support::integrate([&](double u) { return density(u, m, s); }, 0, x);
    CHECK(d.cdf(Tensor<double>::scalar(x)).item() == Approx(below).epsilon(1e-9));
    CHECK(d.icdf(Tensor<double>::scalar(below)).item() == Approx(x).epsilon(1e-8));
  }
  CHECK(d.cdf(Tensor<double>::scalar(-1)).item() == 0);
}

TEST_CASE("a LogNormal is differentiable twice") {
  auto f = [](const auto& x, const auto& m, const auto& s) {
    const pf::LogNormal<double> d(m, s);
    return pf::sum(d.log_prob(x)) + pf::sum(d.cdf(x)) + pf::sum(d.entropy()) +
           pf::sum(d.icdf(Tensor<double>{0.2, 0.7}));
  };
  const Tensor<double> x{{2, 2}, {0.3, 1.2, 4.0, 1.5}}, m{0.5, -1.0}, s{0.8, 2.0};
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, m, s}, {.order = 2}));
  auto draws = [](const auto& log_mean, const auto& log_std) {
    pf::Rng rng(3);
    return pf::LogNormal<double>(log_mean, log_std).rsample(4, rng);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(draws, {m, Tensor<double>{0.8, 0.2}}, {.order = 2}));
}

TEST_CASE("extreme arguments give a LogNormal no NaN") {
  const Tensor<> x{0.0f, 1e-38f, 1e38f, std::numeric_limits<float>::infinity()};
  for (const float s : {1e-10f, 1.0f, 1e10f}) {
    const pf::LogNormal<> d(Tensor<>::scalar(0), Tensor<>::scalar(s));
    for (const float value : d.log_prob(x)) CHECK_FALSE(std::isnan(value));
    for (const float value : d.cdf(x)) CHECK((value >= 0 && value <= 1));
  }
}

TEST_CASE("quantiles of a LogNormal invert its cdf in both tails") {
  const pf::LogNormal<double> d(Tensor<double>{1.0}, Tensor<double>{0.5});
  for (const double p : {1e-300, 1e-40, 1e-5, 9.99e-4, 1.001e-3, 0.5, 0.99, 1 - 1e-12})
    CHECK(d.cdf(d.icdf(Tensor<double>{p})).item() == Approx(p).epsilon(1e-10));
  CHECK(d.icdf(Tensor<double>{0.0}).item() == 0);
  CHECK(std::isinf(d.icdf(Tensor<double>{1.0}).item()));
  CHECK(std::isnan(d.icdf(Tensor<double>{-0.1}).item()));
  CHECK(std::isnan(d.icdf(Tensor<double>{1.1}).item()));
  auto quantile = [&](const auto& p) { return d.icdf(p); };
  CHECK_NOTHROW(pf::testing::check_gradients(quantile, Tensor<double>{0.2, 0.9}, {.order = 2}));
}

TEST_CASE("the divergence of LogNormals is that of the normals") {
  const pf::LogNormal<double> q(Tensor<double>{0.3, 1.0}, Tensor<double>{0.5, 0.4});
  const pf::LogNormal<double> p(Tensor<double>{-0.2, 1.0}, Tensor<double>{0.7, 0.4});
  const pf::Normal<double> log_q(q.log_mean(), q.log_std()), log_p(p.log_mean(), p.log_std());
  CHECK(pf::kl_divergence(q, p).item() == Approx(pf::kl_divergence(log_q, log_p).item()));
}

TEST_CASE("a LogNormal refuses bad parameters") {
  const Tensor<> zero = Tensor<>::zeros({2}), one = Tensor<>::ones({2});
  CHECK_THROWS_AS(pf::LogNormal<>(zero, zero), pf::ValueError);
  CHECK_THROWS_AS(pf::LogNormal<>(zero * std::numeric_limits<float>::quiet_NaN(), one), pf::ValueError);
  CHECK_THROWS_AS(pf::LogNormal<>(zero, Tensor<>::ones({3})), pf::ShapeError);
}
