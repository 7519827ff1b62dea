#include <pushforward/distributions/gamma.hpp>
#include <pushforward/distributions/inverse_gamma.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

double log_density(double x, double a, double rate) {
  return a * std::log(rate) + (a - 1) * std::log(x) - rate * x - std::lgamma(a);
}

template <class S = double>
pf::Gamma<S> one(double a, double rate) {
  return {Tensor<S>::scalar(static_cast<S>(a)), Tensor<S>::scalar(static_cast<S>(rate))};
}
template <class S = double>
pf::InverseGamma<S> inverse(double a, double scale) {
  return {Tensor<S>::scalar(static_cast<S>(a)), Tensor<S>::scalar(static_cast<S>(scale))};
}

// int_0^infinity f(x) dx
template <class F>
double integrate_positive(const F& f) {
  return support::integrate([&](double u) { return f(u / (1 - u)) / ((1 - u) * (1 - u)); }, 0, 1);
}

}  // namespace

TEST_CASE("the log-density of a Gamma is the closed form, and there is none below zero") {
  const Tensor<double> a{{3}, {0.3, 1.0, 20.0}}, rate{{3}, {2.0, 0.1, 3.0}};
  const Tensor<double> x{{3, 3}, {0.3, 1.2, 4.0, 1e-9, 50.0, 7.0, -1.0, 1.0, 1.0}};
  const Tensor<double> found = pf::Gamma<double>(a, rate).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{3});
  for (pf::Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (pf::Index j = 0; j < 3; ++j) expected += log_density(x(i, j), a(j), rate(j));
    CHECK(found(i) == Approx(expected).epsilon(1e-12));
  }
  CHECK(found(2) == -std::numeric_limits<double>::infinity());
  const Tensor<double> reciprocal = pf::InverseGamma<double>(a, rate).log_prob(x);
  for (pf::Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (pf::Index j = 0; j < 3; ++j) expected += log_density(1 / x(i, j), a(j), rate(j)) - 2 * std::log(x(i, j));
    CHECK(reciprocal(i) == Approx(expected).epsilon(1e-12));
  }
  CHECK(reciprocal(2) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a float Gamma of large concentration keeps its digits") {
  for (const double a : {1e2, 1e4, 1e6})
    for (const double sigma : {-4.0, 0.0, 0.3, 5.0}) {
      const auto x =
          static_cast<float>(a + sigma * std::sqrt(a));  // whose rounding moves the result by 6e-8 sigma sqrt(a)
      CHECK(one<float>(a, 1).log_prob(Tensor<>::scalar(x)).item() ==
            Approx(one(a, 1).log_prob(Tensor<double>::scalar(x)).item()).epsilon(3e-6));
      CHECK(one(a, 1).log_prob(Tensor<double>::scalar(x)).item() == Approx(log_density(x, a, 1)).epsilon(1e-7));
    }
  CHECK(one<float>(1e7, 1).entropy().item() == Approx(0.5 * std::log(2e7 * std::acos(-1.0)) + 0.5).epsilon(1e-6));
}

TEST_CASE("draws of a Gamma follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(
      pf::Gamma<double>(Tensor<double>{{3, 1}, {0.7, 3.0, 200.0}}, Tensor<double>{0.5}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Gamma<>(Tensor<>{2.0f, 0.9f}, Tensor<>{1.0f, 4.0f}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(
      pf::InverseGamma<double>(Tensor<double>{{3, 1}, {1.5, 6.0, 40.0}}, Tensor<double>{2.0}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::InverseGamma<>(Tensor<>{8.0f, 9.0f}, Tensor<>{1.0f, 4.0f}), rng));
  CHECK(one(2, 3).sample(5, rng).shape() == pf::Shape{5});
}

TEST_CASE("draws of a Gamma of tiny concentration stay positive and finite") {
  pf::Rng rng(2);
  const Tensor<> a = Tensor<>{1e-3f}, rate = Tensor<>{2.0f};
  for (const float value : pf::Gamma<>(a, rate).log_prob(pf::Gamma<>(a, rate).sample(1000, rng)))
    CHECK(std::isfinite(value));
  for (const float value : pf::InverseGamma<>(a, rate).log_prob(pf::InverseGamma<>(a, rate).sample(1000, rng)))
    CHECK(std::isfinite(value));
}

TEST_CASE("float gradients of gamma distributions are finite at draws, whatever the concentration") {
  pf::Rng rng(3);
  for (const float at : {1e-3f, 0.1f, 1.0f, 1e3f, 1e6f}) {
    const Tensor<> a = pf::variable(Tensor<>{at}), rate = pf::variable(Tensor<>{2.0f});
    auto check = [&](const auto& d) {
      const Tensor<> x = pf::variable(d.sample(500, rng));
      for (const Tensor<>& slope : pf::gradient(pf::sum(d.log_prob(x)), {x, a, rate}))
        for (const float value : slope) CHECK(std::isfinite(value));
      for (const Tensor<>& slope : pf::gradient(pf::mean(pf::log(d.rsample(500, rng))), {a, rate}))
        CHECK(std::isfinite(slope.item()));
    };
    check(pf::Gamma<>(a, rate));
    check(pf::InverseGamma<>(a, rate));
  }
}

TEST_CASE("moments, entropy and divergence of gamma distributions are integrals") {
  const double a = 2.7, rate = 1.8;
  auto expect = [](const auto& d, auto f) {
    return integrate_positive([&](double x) {
      const double log_p = d.log_prob(Tensor<double>::scalar(x)).item(), p = std::exp(log_p);
      return p > 0 ? p * f(x, log_p) : 0.0;
    });
  };
  auto check = [&](const auto& q, const auto& p, double precision) {
    const double mean = expect(q, [](double x, double) { return x; });
    CHECK(q.mean().item() == Approx(mean).epsilon(precision));
    CHECK(q.variance().item() ==
          Approx(expect(q, [&](double x, double) { return (x - mean) * (x - mean); })).epsilon(precision));
    CHECK(q.entropy().item() == Approx(expect(q, [](double, double log_q) { return -log_q; })).epsilon(precision));
    auto ratio = [&](double x, double log_q) { return log_q - p.log_prob(Tensor<double>::scalar(x)).item(); };
    CHECK(pf::kl_divergence(q, p).item() == Approx(expect(q, ratio)).epsilon(precision));
    CHECK(pf::kl_divergence(q, q).item() == Approx(0).margin(1e-14));
  };
  check(one(a, rate), one(0.8, 2.5), 1e-8);
  check(one(0.4, 0.6), one(3.0, 1.0), 1e-6);
  check(inverse(4.5, rate), inverse(3.0, 0.5), 1e-6);
  CHECK(std::isinf(inverse(1, 1).mean().item()));
  CHECK(std::isinf(inverse(2, 1).variance().item()));
  const double wide = 1e5, step = 1.01;  // by a normal, whose divergence follows from means and variances
  const pf::Normal<double> normal_q(Tensor<double>::scalar(wide), Tensor<double>::scalar(std::sqrt(wide)));
  const pf::Normal<double> normal_p(Tensor<double>::scalar(wide * step),
                                    Tensor<double>::scalar(std::sqrt(wide * step)));
  CHECK(pf::kl_divergence(one<float>(wide, 1), one<float>(wide * step, 1)).item() ==
        Approx(pf::kl_divergence(normal_q, normal_p).item()).epsilon(0.01));
}

TEST_CASE("the cdf of gamma distributions is the integral of their density") {
  for (const double x : {0.1, 0.9, 4.0}) {
    auto below = [&](const auto& d) {
      return support::integrate([&](double t) { return std::exp(d.log_prob(Tensor<double>::scalar(t)).item()); }, 0, x);
    };
    CHECK(one(2.7, 1.8).cdf(Tensor<double>::scalar(x)).item() == Approx(below(one(2.7, 1.8))).epsilon(1e-10));
    CHECK(inverse(2.7, 1.8).cdf(Tensor<double>::scalar(x)).item() == Approx(below(inverse(2.7, 1.8))).epsilon(1e-10));
  }
  CHECK(one(2, 1).cdf(Tensor<double>::scalar(-1)).item() == 0);
  CHECK(inverse(2, 1).cdf(Tensor<double>::scalar(-1)).item() == 0);
  auto f = [](const auto& x, const auto& a, const auto& rate) {
    return pf::Gamma<double>(a, rate).cdf(x) + 2 * pf::InverseGamma<double>(a, rate).cdf(x);
  };
  const Tensor<double> x{{2, 2}, {0.3, 1.2, 4.0, 1.5}}, a{0.7, 3.0}, rate{0.8, 2.0};
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, a, rate}));
}

TEST_CASE("gamma distributions are differentiable twice") {
  auto f = [](const auto& x, const auto& a, const auto& rate) {
    const pf::Gamma<double> d(a, rate);
    const pf::InverseGamma<double> i(a, rate);
    return pf::sum(d.log_prob(x) * 2) + pf::sum(d.entropy()) + pf::sum(i.log_prob(x)) + pf::sum(i.entropy() * 3);
  };
  const Tensor<double> x{{2, 2}, {0.3, 1.2, 4.0, 15.0}}, a{0.7, 30.0}, rate{0.8, 2.0};
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, a, rate}, {.order = 2}));
  auto kl = [](const auto& p, const auto& q, const auto& r) {
    return pf::kl_divergence(pf::Gamma<double>(p, q), pf::Gamma<double>(q, r));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(kl, {a, rate, Tensor<double>{2.0, 1.0}}, {.order = 2}));
}

TEST_CASE("gamma draws carry the gradient of expectations, known in closed form") {
  for (const double at : {0.3, 1.0, 7.0, 3e4}) {
    const Tensor<double> a = pf::variable(Tensor<double>{at}), rate = pf::variable(Tensor<double>{2.0});
    pf::Rng rng(4);
    const Tensor<double> x = pf::Gamma<double>(a, rate).rsample(100'000, rng);
    // E x = a / rate and E log x = psi(a) - log rate.
    const auto [mean_a, mean_rate] = pf::gradient(pf::mean(x), {a, rate});
    CHECK(mean_a.item() == Approx(0.5).epsilon(0.02));
    CHECK(mean_rate.item() == Approx(-at / 4).epsilon(0.03));
    CHECK(pf::gradient(pf::mean(pf::log(x)), a).item() == Approx(pf::math::trigamma(at)).epsilon(0.03));
    const Tensor<double> y = pf::InverseGamma<double>(a, rate).rsample(100'000, rng);
    CHECK(pf::gradient(pf::mean(pf::log(y)), a).item() == Approx(-pf::math::trigamma(at)).epsilon(0.03));
  }
}

TEST_CASE("a second derivative of gamma draws is refused, not wrong") {
  const Tensor<double> a = pf::variable(Tensor<double>{2.0});
  pf::Rng rng(4);
  const Tensor<double> x = pf::Gamma<double>(a, Tensor<double>{1.0}).rsample(10, rng);
  const Tensor<double> slope = pf::gradient(pf::sum(pf::square(x)), {a}, {.create_graph = true})[0];
  CHECK_THROWS_AS(pf::gradient(pf::sum(slope), a), pf::GradientError);
}

TEST_CASE("extreme arguments give gamma distributions no NaN") {
  const Tensor<> x{0.0f, 1e-38f, 1e30f, 3e38f, std::numeric_limits<float>::infinity()};
  for (const float a : {1e-6f, 1.0f, 1e10f})
    for (const float rate : {1e-30f, 1.0f, 1e30f}) {
      for (const float value : one<float>(a, rate).log_prob(x)) CHECK_FALSE(std::isnan(value));
      for (const float value : inverse<float>(a, rate).log_prob(x)) CHECK_FALSE(std::isnan(value));
    }
  CHECK(one<float>(2, 1).log_prob(Tensor<>::scalar(1e-30f)).item() == Approx(-30 * std::log(10.0)));
  CHECK(one<float>(2, 1).log_prob(Tensor<>::scalar(1e30f)).item() == Approx(-1e30));
  CHECK(inverse<float>(2, 1).log_prob(Tensor<>::scalar(1e30f)).item() == Approx(-90 * std::log(10.0)));
}

TEST_CASE("gamma distributions refuse bad parameters") {
  const Tensor<> zero = Tensor<>::zeros({2}), ones = Tensor<>::ones({2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(pf::Gamma<>(zero, ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Gamma<>(ones, -ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Gamma<>(ones * nan, ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Gamma<>(ones, Tensor<>::ones({3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::InverseGamma<>(zero, ones), pf::ValueError);
  CHECK_THROWS_AS(pf::InverseGamma<>(ones, ones * nan), pf::ValueError);
  CHECK_THROWS_AS(pf::InverseGamma<>(ones, Tensor<>::ones({3})), pf::ShapeError);
}

TEST_CASE("gamma distributions have no density at infinity, and gradients beside it are finite") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(one(3, 1).log_prob(Tensor<double>::scalar(infinity)).item() == -infinity);
  const auto three = Tensor<double>::scalar(3), unit = Tensor<double>::scalar(1);
  CHECK(pf::InverseGamma<double>(three, unit).log_prob(Tensor<double>::scalar(infinity)).item() == -infinity);
  const Tensor<double> a = pf::variable(three), x{{2, 1}, {2.0, infinity}};
  const Tensor<double> each = pf::Gamma<double>(pf::reshape(a, {1}), Tensor<double>{1.0}).log_prob(x);
  CHECK(pf::gradient(pf::sum(pf::slice(each, 0, 0, 1)), a).item() ==
        Approx(std::log(2.0) - pf::math::digamma(3.0)).epsilon(1e-12));
  CHECK(std::isfinite(pf::gradient(pf::sum(each), a).item()));
}

TEST_CASE("the divergence of gamma distributions of large concentration keeps its digits in float") {
  for (const double a : {1e2, 1e4, 1e6}) {
    const auto from = static_cast<float>(a), to = static_cast<float>(a * (1 + 1 / std::sqrt(a)));
    for (const float rate : {1.0F, 1.001F}) {
      const auto p = std::pair{Tensor<>::scalar(to), Tensor<>::scalar(rate)};
      auto wide = [](float x) { return Tensor<double>::scalar(static_cast<double>(x)); };
      const double expected =
          pf::kl_divergence(pf::Gamma<double>(wide(from), wide(1)), pf::Gamma<double>(wide(to), wide(rate))).item();
      CHECK(pf::kl_divergence(one<float>(from, 1), pf::Gamma<>(p.first, p.second)).item() ==
            Approx(expected).epsilon(2e-4).margin(1e-8));
      CHECK(pf::kl_divergence(pf::InverseGamma<>(Tensor<>::scalar(from), Tensor<>::scalar(1)),
                              pf::InverseGamma<>(p.first, p.second))
                .item() == Approx(expected).epsilon(2e-4).margin(1e-8));
    }
  }
  CHECK(pf::kl_divergence(one<float>(1e6, 1), one<float>(1.001e6, 1)).item() == Approx(0.49988).epsilon(2e-4));
}
