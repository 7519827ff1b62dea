#include <pushforward/distributions/cauchy.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/distributions/student_t.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

double density(double z, double f) {
  const double normalizer = std::exp(std::lgamma((f + 1) / 2) - std::lgamma(f / 2)) / std::sqrt(f * std::acos(-1.0));
  return normalizer * std::pow(1 + z * z / f, -(f + 1) / 2);
}

template <class S = double>
pf::StudentT<S> standard(double freedom) {
  return pf::StudentT<S>(Tensor<S>::scalar(static_cast<S>(freedom)), Tensor<S>::scalar(0), Tensor<S>::scalar(1));
}

}  // namespace

TEST_CASE("the log-density of a StudentT is the closed form, summed over the last axis") {
  const Tensor<double> f{1.0, 2.5, 40.0}, m{0.5, -1.0, 2.0}, s{1.0, 0.1, 3.0};
  const Tensor<double> x{{2, 3}, {0.3, -1.2, 4.0, 1.5, -0.9, -2.0}}, found = pf::StudentT<double>(f, m, s).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{2});
  for (pf::Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (pf::Index j = 0; j < 3; ++j) expected += std::log(density((x(i, j) - m(j)) / s(j), f(j)) / s(j));
    CHECK(found(i) == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("a StudentT lies between Cauchy and Normal, in float too") {
  for (const float x : {0.0f, 0.7f, -30.0f, 1e20f, 1e30f}) {
    const Tensor<> at = Tensor<>::scalar(x), zero = Tensor<>::scalar(0), one = Tensor<>::scalar(1);
    CHECK(standard<float>(1).log_prob(at).item() == Approx(pf::Cauchy<>(zero, one).log_prob(at).item()).epsilon(2e-6));
    if (std::fabs(x) < 5)
      CHECK(standard<float>(1e9).log_prob(at).item() ==
            Approx(pf::Normal<>(zero, one).log_prob(at).item()).epsilon(1e-6));
  }
  // (f + 1) / 2 times log(z^2 / f), far out.
  CHECK(standard<float>(3).log_prob(Tensor<>::scalar(1e30f)).item() ==
        Approx(std::log(density(1.0, 3) * std::pow(4.0 / 3, 2)) - 2 * (60 * std::log(10.0) - std::log(3.0))));
}

TEST_CASE("draws of a StudentT follow its density and moments") {
  pf::Rng rng(1);
  const Tensor<double> f{{3, 1}, {0.8, 3.0, 30.0}};
  CHECK_NOTHROW(
      pf::testing::check_distribution(pf::StudentT<double>(f, Tensor<double>{2.0}, Tensor<double>{0.5}), rng));
  const pf::StudentT<> plane(Tensor<>{12.0f, 9.0f}, Tensor<>{-1.0f, 4.0f}, Tensor<>{2.0f, 0.5f});
  CHECK_NOTHROW(pf::testing::check_distribution(plane, rng));
  CHECK(standard(7).sample(5, rng).shape() == pf::Shape{5});
}

TEST_CASE("draws of a StudentT with the heaviest tails are finite, and so are their densities and gradients") {
  pf::Rng rng(2);
  const Tensor<> freedom = pf::variable(Tensor<>{1e-3f}), scale = pf::variable(Tensor<>{2.0f});
  const pf::StudentT<> d(freedom, Tensor<>{1.0f}, scale);
  const Tensor<> x = d.rsample(1000, rng);
  for (const float value : d.log_prob(x)) CHECK(std::isfinite(value));
  for (const Tensor<>& slope : pf::gradient(pf::mean(d.log_prob(x)), {freedom, scale}))
    CHECK(std::isfinite(slope.item()));
}

TEST_CASE("moments of a StudentT are infinite or undefined where they do not exist") {
  CHECK(std::isnan(standard(1).mean().item()));
  CHECK(std::isnan(standard(0.5).variance().item()));
  CHECK(standard(1.5).mean().item() == 0);
  CHECK(std::isinf(standard(2).variance().item()));
  CHECK(standard(6).variance().item() == Approx(1.5));
}

TEST_CASE("entropy and cdf of a StudentT are integrals of its density") {
  for (const double f : {1.0, 2.5, 40.0}) {
    const double entropy = support::integrate_line([&](double z) {
      const double p = density(z, f);
      return p > 0 ? -p * std::log(p) : 0.0;
    });
    CHECK(standard(f).entropy().item() == Approx(entropy).epsilon(1e-8));
    for (const double z : {-20.0, -1.3, 0.0, 0.4, 3.0}) {
      auto tail = [&](double u) { return density(z - u / (1 - u), f) / ((1 - u) * (1 - u)); };
      CHECK(standard(f).cdf(Tensor<double>::scalar(z)).item() == Approx(support::integrate(tail, 0, 1)).epsilon(1e-8));
    }
  }
  CHECK(standard<float>(1e8).entropy().item() == Approx(1.418938533).epsilon(1e-6));  // the normal's
  // log z moves the tail probability by -f: 1e-3 at f = 1 is 1 / (pi tan).
  CHECK(standard(1).cdf(Tensor<double>::scalar(-1e12)).item() == Approx(1e-12 / std::acos(-1.0)).epsilon(1e-9));
}

TEST_CASE("a StudentT is differentiable twice in everything, also at its center") {
  auto f = [](const auto& x, const auto& freedom, const auto& m, const auto& s) {
    const pf::StudentT<double> d(freedom, m, s);
    return pf::sum(d.log_prob(x)) + pf::sum(d.entropy());
  };
  const Tensor<double> freedom{0.9, 35.0}, m{0.5, -1.0}, s{0.8, 2.0};
  CHECK_NOTHROW(
      pf::testing::check_gradients(f, {Tensor<double>{{2, 2}, {0.3, -1.2, 4.0, 1.5}}, freedom, m, s}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(f, {m, freedom, m, s}, {.order = 2}));
}

TEST_CASE("reparameterized draws of a StudentT carry the gradient of an expectation") {
  // E x^2 = m^2 + s^2 f / (f - 2); d/df = -2 s^2 / (f - 2)^2.
  const Tensor<double> f = pf::variable(Tensor<double>{12.0}), m = pf::variable(Tensor<double>{0.7}),
                       s = pf::variable(Tensor<double>{1.5});
  pf::Rng rng(4);
  const Tensor<double> x = pf::StudentT<double>(f, m, s).rsample(200'000, rng);
  const auto found = pf::gradient(pf::mean(pf::square(x)), {f, m, s});
  CHECK(found[0].item() == Approx(-2 * 2.25 / 100).epsilon(0.05));
  CHECK(found[1].item() == Approx(1.4).margin(0.03));
  CHECK(found[2].item() == Approx(3.6).margin(0.06));
}

TEST_CASE("a StudentT refuses bad parameters") {
  const Tensor<> zero = Tensor<>::zeros({2}), one = Tensor<>::ones({2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(pf::StudentT<>(zero, zero, one), pf::ValueError);
  CHECK_THROWS_AS(pf::StudentT<>(one, zero, -one), pf::ValueError);
  CHECK_THROWS_AS(pf::StudentT<>(one * nan, zero, one), pf::ValueError);
  CHECK_THROWS_AS(pf::StudentT<>(one, zero * nan, one), pf::ValueError);
  CHECK_THROWS_AS(pf::StudentT<>(one, zero, Tensor<>::ones({3})), pf::ShapeError);
}

TEST_CASE(
    "tails of the cdf of a StudentT keep their digits, for large freedom and beyond the square root of the largest") {
  for (const double f : {3.0, 100.0, 1e4, 1e6})
    for (const double t : {1.5, 8.0, 9.9}) {
      const double constant = pf::math::gamma_half_step(0, 0.5 * f) - 0.5 * std::log(2 * std::acos(-1.0));
      auto tail = [&](double u) {  // of z = t + u / (1 - u)
        const double z = t + u / (1 - u);
        return std::exp(constant - 0.5 * (f + 1) * std::log1p(z * z / f)) / ((1 - u) * (1 - u));
      };
      const double expected = support::integrate(tail, 0, 1),
                   found = standard(f).cdf(Tensor<double>::scalar(-t)).item();
      CHECK(found == Approx(expected).epsilon(1e-9));
      CHECK(standard(f).cdf(Tensor<double>::scalar(t)).item() == Approx(1 - expected).epsilon(1e-12));
    }
  for (const double f : {1.1e8, 1e12, 1e18, 1e308}) {  // the normal's, and the first term in 1 / f
    const double t = 8, slope = t * (t * t + 1) / (4 * f) * std::exp(-0.5 * t * t) / std::sqrt(2 * std::acos(-1.0));
    CHECK(standard(f).cdf(Tensor<double>::scalar(-t)).item() ==
          Approx(0.5 * std::erfc(t / std::sqrt(2.0)) + slope).epsilon(2e-10));
  }
  CHECK(standard(1).cdf(Tensor<double>::scalar(-1e200)).item() == Approx(1e-200 / std::acos(-1.0)).epsilon(1e-12));
  CHECK(standard(1).cdf(Tensor<double>::scalar(-std::numeric_limits<double>::infinity())).item() == 0);
  CHECK(standard(1).cdf(Tensor<double>::scalar(0)).item() == Approx(0.5).epsilon(1e-14));
}

TEST_CASE("the entropy of a StudentT of large freedom is the normal's and 1 / freedom, in double too") {
  const double normal = 0.5 + 0.5 * std::log(2 * std::acos(-1.0));
  for (const double f : {1e6, 1e10, 1e14}) CHECK(standard(f).entropy().item() == Approx(normal + 1 / f).epsilon(1e-12));
}

TEST_CASE("the divergence of Cauchy distributions far apart is finite in float") {
  auto cauchy = [](float m, float s) { return pf::Cauchy<>(Tensor<>::scalar(m), Tensor<>::scalar(s)); };
  auto far = pf::kl_divergence(cauchy(1e20F, 1), cauchy(0, 1));
  CHECK(far.item() == Approx(2 * std::log(0.5e20)).epsilon(1e-6));
  CHECK(pf::kl_divergence(cauchy(0, 1e30F), cauchy(0, 1e-30F)).item() ==
        Approx(60 * std::log(10.0) - std::log(4.0)).epsilon(1e-6));
  CHECK(pf::kl_divergence(cauchy(1, 2), cauchy(-2, 1)).item() == Approx(std::log(18.0 / 8)).epsilon(1e-6));
  const Tensor<> m = pf::variable(Tensor<>::scalar(1e20F));
  CHECK(pf::gradient(pf::kl_divergence(pf::Cauchy<>(m, Tensor<>::scalar(1)), cauchy(0, 1)), m).item() ==
        Approx(2e-20).epsilon(1e-5));
}
