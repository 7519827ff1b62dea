#include <pushforward/distributions/cauchy.hpp>
#include <pushforward/distributions/gumbel.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/laplace.hpp>
#include <pushforward/distributions/logistic.hpp>
#include <pushforward/distributions/student_t.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr double pi = 3.14159265358979323846;

struct LaplaceCase {
  template <class S>
  using Type = pf::Laplace<S>;
  static double density(double z) { return 0.5 * std::exp(-std::fabs(z)); }
};
struct LogisticCase {
  template <class S>
  using Type = pf::Logistic<S>;
  static double density(double z) {
    const double e = std::exp(-std::fabs(z));
    return e / ((1 + e) * (1 + e));
  }
};
struct CauchyCase {
  template <class S>
  using Type = pf::Cauchy<S>;
  static double density(double z) { return 1 / (pi * (1 + z * z)); }
};
struct GumbelCase {
  template <class S>
  using Type = pf::Gumbel<S>;
  static double density(double z) { return std::exp(-z - std::exp(-z)); }
};

template <class S>
Tensor<S> scalar(double x) {
  return Tensor<S>::scalar(static_cast<S>(x));
}

}  // namespace

#define LOCATION_SCALE_CASES LaplaceCase, LogisticCase, CauchyCase, GumbelCase

TEMPLATE_TEST_CASE("a location-scale log-density is the closed form, summed over the last axis", "",
                   LOCATION_SCALE_CASES) {
  const Tensor<double> location{{3}, {0.5, -1.0, 2.0}}, scale{{3}, {1.0, 0.1, 3.0}};
  const Tensor<double> x{{2, 3}, {0.3, -1.2, 4.0, 1.5, -0.9, -2.0}};
  const typename TestType::template Type<double> d(location, scale);
  const Tensor<double> found = d.log_prob(x);
  REQUIRE(found.shape() == pf::Shape{2});
  for (Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (Index j = 0; j < 3; ++j)
      expected += std::log(TestType::density((x(i, j) - location(j)) / scale(j)) / scale(j));
    CHECK(found(i) == Approx(expected).epsilon(1e-12));
  }
}

TEMPLATE_TEST_CASE("location-scale draws follow the density and its moments", "", LOCATION_SCALE_CASES) {
  pf::Rng rng(1);
  using D = typename TestType::template Type<double>;
  CHECK_NOTHROW(pf::testing::check_distribution(D(Tensor<double>{1.5}, Tensor<double>{0.3}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(D(Tensor<double>{{2, 1}, {-1, 4}}, Tensor<double>{2.0}), rng));
  using F = typename TestType::template Type<float>;
  CHECK_NOTHROW(pf::testing::check_distribution(F(Tensor<>{-1.0f, 4.0f}, Tensor<>{2.0f, 0.5f}), rng));
  const D number(scalar<double>(1), scalar<double>(2));
  CHECK(number.log_prob(Tensor<double>{0.5, 2.0}).shape() == pf::Shape{2});
  CHECK(number.sample(5, rng).shape() == pf::Shape{5});
  CHECK(number.entropy().shape() == pf::Shape{});
}

TEMPLATE_TEST_CASE("a location-scale entropy, mean and cdf are integrals of the density", "", LOCATION_SCALE_CASES) {
  const double m = 0.7, s = 1.9;
  const typename TestType::template Type<double> d(scalar<double>(m), scalar<double>(s));
  const double entropy = support::integrate_line([](double z) {
    const double p = TestType::density(z);
    return p > 0 ? -p * std::log(p) : 0.0;
  });
  CHECK(d.entropy().item() == Approx(entropy + std::log(s)).epsilon(1e-8));
  if (!std::isnan(d.mean().item())) {
    const double first = support::integrate_line([](double z) { return z * TestType::density(z); });
    const double second = support::integrate_line([](double z) { return z * z * TestType::density(z); });
    CHECK(d.mean().item() == Approx(m + s * first).epsilon(1e-9));
    CHECK(d.variance().item() == Approx(s * s * (second - first * first)).epsilon(1e-9));
  }
  for (const double z : {-3.0, -0.2, 0.0, 0.4, 5.0}) {
    auto tail = [&](double u) { return TestType::density(std::min(z, 0.0) - u / (1 - u)) / ((1 - u) * (1 - u)); };
    const double below = support::integrate(tail, 0, 1) + (z > 0 ? support::integrate(TestType::density, 0, z) : 0);
    CHECK(d.cdf(scalar<double>(m + s * z)).item() == Approx(below).epsilon(1e-9));
  }
}

TEMPLATE_TEST_CASE("location-scale quantiles invert the cdf in both tails", "", LOCATION_SCALE_CASES) {
  const typename TestType::template Type<double> d(Tensor<double>{0.0}, Tensor<double>{3.0});
  for (const double p : {1e-12, 1e-3, 0.3, 0.5, 0.8, 1 - 1e-9})
    CHECK(d.cdf(d.icdf(Tensor<double>{p})).item() == Approx(p).epsilon(1e-6));
  CHECK(std::isnan(d.icdf(Tensor<double>{-0.1}).item()));
  CHECK(std::isnan(d.icdf(Tensor<double>{1.1}).item()));
}

TEMPLATE_TEST_CASE("location-scale distributions are differentiable twice, also at their center", "",
                   LOCATION_SCALE_CASES) {
  using D = typename TestType::template Type<double>;
  auto density = [](const auto& x, const auto& m, const auto& s) { return D(m, s).log_prob(x); };
  const Tensor<double> x{{2, 2}, {0.3, -1.2, 4.0, 1.5}}, m{0.5, -1.0}, s{0.8, 2.0};
  CHECK_NOTHROW(pf::testing::check_gradients(density, {x, m, s}, {.order = 2}));
  auto others = [](const auto& y, const auto& mean, const auto& scale) {
    const D d(mean, scale);
    return pf::sum(d.cdf(y)) + pf::sum(d.entropy()) + pf::sum(d.icdf(Tensor<double>{0.2, 0.7}));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(others, {x, m, s}, {.order = 2}));
  auto draws = [](const auto& mean, const auto& scale) {
    pf::Rng rng(3);
    return D(mean, scale).rsample(4, rng);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(draws, {m, s}));
  if constexpr (!std::is_same_v<TestType, LaplaceCase>)  // has a kink there
    CHECK_NOTHROW(pf::testing::check_gradients(density, {m, m, s}, {.order = 2}));
}

TEMPLATE_TEST_CASE("extreme arguments give no NaN", "", LOCATION_SCALE_CASES) {
  using D = typename TestType::template Type<float>;
  for (const float s : {1e-30f, 1e-10f, 1.0f, 1e10f}) {
    const Tensor<> far{{4}, {1e30f, -1e30f, 3e38f, -3e38f}}, zero = Tensor<>::scalar(0), spread = Tensor<>::scalar(s);
    for (const float value : D(zero, spread).log_prob(far)) CHECK_FALSE(std::isnan(value));
    for (const float value : D(zero, spread).cdf(far)) CHECK((value >= 0 && value <= 1));
    const Tensor<> x = pf::variable(Tensor<>::scalar(0)), scale = pf::variable(spread);
    const auto [by_x, by_scale] = pf::gradient(D(zero, scale).log_prob(x), {x, scale});
    CHECK(std::isfinite(by_x.item()));
    CHECK(by_scale.item() == Approx(-1 / s));
  }
}

TEMPLATE_TEST_CASE("location-scale distributions refuse bad parameters", "", LOCATION_SCALE_CASES) {
  using D = typename TestType::template Type<float>;
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const Tensor<> zero = Tensor<>::zeros({2}), one = Tensor<>::ones({2});
  CHECK_THROWS_AS(D(zero, -one), pf::ValueError);
  CHECK_THROWS_AS(D(zero, zero), pf::ValueError);
  CHECK_THROWS_AS(D(zero, one * nan), pf::ValueError);
  CHECK_THROWS_AS(D(zero, one * infinity), pf::ValueError);
  CHECK_THROWS_AS(D(zero * nan, one), pf::ValueError);
  CHECK_THROWS_AS(D(zero, Tensor<>::ones({3})), pf::ShapeError);
  CHECK_THROWS_AS(D(zero, one).log_prob(Tensor<>::ones({3})), pf::ShapeError);
  pf::Rng rng(0);
  CHECK_THROWS_AS(D(zero, one).sample(-1, rng), pf::ValueError);
}

TEST_CASE("log-densities keep their digits far out") {
  const Tensor<> zero = Tensor<>::scalar(0), tiny = Tensor<>::scalar(1e-20f);
  // log(s / (pi x^2)) at x = 1e30, s = 1e-20, whose quotient is no float.
  CHECK(pf::Cauchy<>(zero, tiny).log_prob(Tensor<>::scalar(1e30f)).item() ==
        Approx(-80 * std::log(10.0) - std::log(pi)).epsilon(1e-6));
  CHECK(pf::Laplace<>(zero, Tensor<>::scalar(1)).log_prob(Tensor<>::scalar(-1e30f)).item() == Approx(-1e30));
  CHECK(pf::Logistic<>(zero, Tensor<>::scalar(1)).log_prob(Tensor<>::scalar(-1e30f)).item() == Approx(-1e30));
  CHECK(pf::Gumbel<>(zero, Tensor<>::scalar(1)).log_prob(Tensor<>::scalar(1e30f)).item() == Approx(-1e30));
}

TEST_CASE("divergences of location-scale families are the integrals") {
  auto check = [](const auto& q, const auto& p) {
    const double found = pf::kl_divergence(q, p).item();
    const double expected = support::integrate_line(
        [&](double x) {
          const double log_q = q.log_prob(scalar<double>(x)).item(), log_p = p.log_prob(scalar<double>(x)).item();
          return std::exp(log_q) > 0 ? std::exp(log_q) * (log_q - log_p) : 0.0;
        },
        0.4);
    CHECK(found == Approx(expected).epsilon(1e-7));
    CHECK(pf::kl_divergence(q, q).item() == Approx(0).margin(1e-14));
  };
  const Tensor<double> a = scalar<double>(0.4), b = scalar<double>(-0.3), s = scalar<double>(0.7),
                       t = scalar<double>(1.6);
  check(pf::Laplace<double>(a, s), pf::Laplace<double>(a, t));
  check(pf::Cauchy<double>(a, s), pf::Cauchy<double>(b, t));
  check(pf::Gumbel<double>(a, s), pf::Gumbel<double>(b, t));
  STATIC_REQUIRE(pf::HasClosedKl<pf::Laplace<>, pf::Laplace<>>);
  STATIC_REQUIRE_FALSE(pf::HasClosedKl<pf::Logistic<>, pf::Logistic<>>);
  // By hand: 1 + e^-1 - 1.
  CHECK(pf::kl_divergence(pf::Laplace<double>(scalar<double>(0), scalar<double>(1)),
                          pf::Laplace<double>(scalar<double>(1), scalar<double>(1)))
            .item() == Approx(std::exp(-1.0)));
}
