#include <pushforward/distributions/beta.hpp>
#include <pushforward/distributions/dirichlet.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

double log_density(double x, double a, double b) {
  return std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + (a - 1) * std::log(x) + (b - 1) * std::log1p(-x);
}

template <class S = double>
pf::Beta<S> one(double a, double b) {
  return {Tensor<S>::scalar(static_cast<S>(a)), Tensor<S>::scalar(static_cast<S>(b))};
}

}  // namespace

TEST_CASE("the log-density of a Beta is the closed form, and there is none outside of (0, 1)") {
  const Tensor<double> a{{3}, {0.3, 1.0, 20.0}}, b{{3}, {2.0, 0.1, 30.0}};
  const Tensor<double> x{{4, 3}, {0.3, 0.2, 0.4, 1e-9, 0.999, 0.7, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0}};
  const Tensor<double> found = pf::Beta<double>(a, b).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{4});
  for (pf::Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (pf::Index j = 0; j < 3; ++j) expected += log_density(x(i, j), a(j), b(j));
    CHECK(found(i) == Approx(expected).epsilon(1e-12));
  }
  CHECK(found(2) == -std::numeric_limits<double>::infinity());
  CHECK(found(3) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a float Beta of large parameters keeps its digits") {
  for (const double n : {1e2, 1e4, 1e6})
    for (const double sigma : {-4.0, 0.0, 0.3, 4.0}) {
      const double a = 0.25 * n, b = 0.75 * n;
      const auto x = static_cast<float>(0.25 + sigma * std::sqrt(0.1875 / n));
      const double expected = one(a, b).log_prob(Tensor<double>::scalar(x)).item();
      CHECK(expected == Approx(log_density(x, a, b)).epsilon(1e-7));
      // n x - a is rounded by 6e-8 n / 4, and the log-density moves by sigma / sqrt(3 n / 16) times that.
      CHECK(one<float>(a, b).log_prob(Tensor<>::scalar(x)).item() ==
            Approx(expected).margin(3e-7 * std::sqrt(n) + 1e-5));
    }
}

TEST_CASE("draws of a Beta follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(
      pf::Beta<double>(Tensor<double>{{3, 1}, {0.7, 3.0, 200.0}}, Tensor<double>{1.5}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Beta<>(Tensor<>{2.0f, 0.9f}, Tensor<>{1.0f, 4.0f}), rng));
  CHECK(one(2, 3).sample(5, rng).shape() == pf::Shape{5});
  const auto extreme = one<float>(0.01, 0.02);
  for (const float value : extreme.log_prob(extreme.sample(1000, rng))) CHECK(std::isfinite(value));
}

TEST_CASE("moments, entropy, cdf and divergence of a Beta are integrals") {
  auto expect = [](double a, double b, auto f) {
    auto weighted = [&](double x) {
      const double log_p = log_density(x, a, b);
      return std::exp(log_p) * f(x, log_p);
    };
    return support::integrate(weighted, 0, 1);
  };
  for (const auto& [a, b] : {std::pair(2.7, 1.8), std::pair(0.8, 5.0), std::pair(40.0, 90.0)}) {
    const auto q = one(a, b);
    const double mean = expect(a, b, [](double x, double) { return x; });
    CHECK(q.mean().item() == Approx(mean).epsilon(1e-9));
    CHECK(q.variance().item() ==
          Approx(expect(a, b, [&](double x, double) { return (x - mean) * (x - mean); })).epsilon(1e-9));
    CHECK(q.entropy().item() == Approx(expect(a, b, [](double, double l) { return -l; })).epsilon(1e-8));
    CHECK(pf::kl_divergence(q, one(1.3, 0.9)).item() ==
          Approx(expect(a, b, [](double x, double l) { return l - log_density(x, 1.3, 0.9); })).epsilon(1e-8));
    const double below =
        support::integrate([&, a = a, b = b](double t) { return std::exp(log_density(t, a, b)); }, 0, 0.4);
    CHECK(q.cdf(Tensor<double>::scalar(0.4)).item() == Approx(below).epsilon(1e-9));
  }
  CHECK(pf::kl_divergence(one(3, 4), one(3, 4)).item() == Approx(0).margin(1e-13));
  CHECK(one(1, 1).entropy().item() == Approx(0).margin(1e-14));
  // Near a normal of variance 3 / (16 n): float keeps it.
  CHECK(one<float>(1e6, 3e6).entropy().item() ==
        Approx(0.5 * std::log(2 * std::acos(-1.0) * 3 / 16 / 4e6) + 0.5).epsilon(1e-6));
}

TEST_CASE("a Beta is differentiable twice") {
  auto f = [](const auto& x, const auto& a, const auto& b) {
    const pf::Beta<double> d(a, b);
    return pf::sum(d.log_prob(x)) + pf::sum(d.entropy()) + pf::sum(pf::kl_divergence(d, pf::Beta<double>(b, a)));
  };
  const Tensor<double> x{{2, 2}, {0.3, 0.2, 0.04, 0.95}}, a{0.7, 30.0}, b{0.8, 21.0};
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, a, b}, {.order = 2}));
}

TEST_CASE("beta draws carry the gradient of expectations, known in closed form") {
  for (const auto& [at_a, at_b] : {std::pair(0.5, 0.8), std::pair(3.0, 5.0), std::pair(200.0, 90.0)}) {
    const Tensor<double> a = pf::variable(Tensor<double>{at_a}), b = pf::variable(Tensor<double>{at_b});
    pf::Rng rng(4);
    const Tensor<double> x = pf::Beta<double>(a, b).rsample(100'000, rng);
    const auto [by_a, by_b] = pf::gradient(pf::mean(x), {a, b});  // of a / (a + b)
    const double n = at_a + at_b;
    CHECK(by_a.item() == Approx(at_b / (n * n)).epsilon(0.03));
    CHECK(by_b.item() == Approx(-at_a / (n * n)).epsilon(0.03));
  }
}

TEST_CASE("a Beta refuses bad parameters") {
  const Tensor<> zero = Tensor<>::zeros({2}), ones = Tensor<>::ones({2});
  CHECK_THROWS_AS(pf::Beta<>(zero, ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Beta<>(ones, -ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Beta<>(ones, ones * std::numeric_limits<float>::quiet_NaN()), pf::ValueError);
  CHECK_THROWS_AS(pf::Beta<>(ones, Tensor<>::ones({3})), pf::ShapeError);
}
