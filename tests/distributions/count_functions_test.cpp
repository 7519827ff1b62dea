#include <pushforward/distributions/binomial.hpp>
#include <pushforward/distributions/negative_binomial.hpp>
#include <pushforward/distributions/poisson.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

Tensor<double> number(double x) { return Tensor<double>::scalar(x); }

// log masses of the textbook in long double, which the library computes in another way.
long double poisson_mass(long double k, long double rate) { return k * std::log(rate) - rate - std::lgamma(k + 1); }
long double binomial_mass(long double k, long double n, long double logit) {
  const long double log_p = -std::log1p(std::exp(-logit)), log_q = -std::log1p(std::exp(logit));
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * log_p + (n - k) * log_q;
}
long double negative_binomial_mass(long double k, long double r, long double logit) {
  const long double log_p = -std::log1p(std::exp(-logit)), log_q = -std::log1p(std::exp(logit));
  return std::lgamma(r + k) - std::lgamma(k + 1) - std::lgamma(r) + k * log_p + r * log_q;
}

// Sums over all counts up to `last`, from the small masses to the large.
struct Sums {
  long double below, entropy;  // P(X <= at)
};
template <class LogMass>
Sums sums(const LogMass& log_mass, long double last, long double at) {
  Sums s{0, 0};
  for (long double k = std::floor(last); k >= 0; --k) {
    const long double l = log_mass(k), mass = std::exp(l);
    if (mass > 0) s.entropy -= mass * l;
  }
  for (long double k = 0; k <= at; ++k) s.below += std::exp(log_mass(k));
  return s;
}

}  // namespace

TEST_CASE("cdf and entropy of counts are the sums over the masses") {
  for (const double rate : {1e-9, 0.02, 1.0, 7.3, 90.0, 2000.0, 9999.0, 10001.0, 40000.0})
    for (const double at : {0.0, 3.0, 0.5 * rate, 0.9 * rate, rate, 1.1 * rate, 1.5 * rate + 5}) {
      const Sums s =
          sums([&](long double k) { return poisson_mass(k, rate); }, rate + 15 * std::sqrt(rate) + 50, std::floor(at));
      const pf::Poisson<double> d(number(rate));
      CHECK(d.cdf(number(at)).item() == Approx(static_cast<double>(s.below)).epsilon(1e-10));
      CHECK(d.entropy().item() == Approx(static_cast<double>(s.entropy)).epsilon(1e-11));
    }
  for (const double n : {1.0, 13.0, 800.0, 30000.0, 90000.0})
    for (const double logit : {-12.0, -1.3, 0.0, 0.2, 3.0, 9.0})
      for (const double share : {0.01, 0.2, 0.55, 0.96}) {
        const double at = std::floor(share * n);
        const Sums s = sums([&](long double k) { return binomial_mass(k, n, logit); }, n, at);
        const pf::Binomial<double> d(number(n), number(logit));
        CHECK(d.cdf(number(at)).item() == Approx(static_cast<double>(s.below)).epsilon(1e-10).margin(1e-300));
        CHECK(d.entropy().item() == Approx(static_cast<double>(s.entropy)).epsilon(1e-11));
      }
  for (const double r : {1e-6, 0.3, 1.0, 6.5, 300.0, 50000.0})
    for (const double logit : {-9.0, -1.0, 0.0, 2.0}) {
      const double mean = r * std::exp(logit), spread = std::sqrt(mean * (1 + std::exp(logit)));
      const Sums s = sums([&](long double k) { return negative_binomial_mass(k, r, logit); },
                          mean + 16 * spread + 60 * (1 + std::exp(logit)), std::floor(0.8 * mean));
      const pf::NegativeBinomial<double> d(number(r), number(logit));
      CHECK(d.cdf(number(0.8 * mean)).item() == Approx(static_cast<double>(s.below)).epsilon(1e-10));
      CHECK(d.entropy().item() == Approx(static_cast<double>(s.entropy)).epsilon(1e-10));
    }
}

TEST_CASE("functions of counts keep their digits where sums would take forever") {
  // Geometric counts: P(X > k) = p^(k + 1), and the entropy is that of one trial times the mean number of them.
  for (const double logit : {3.0, 9.0, 17.0, 30.0}) {
    const pf::NegativeBinomial<double> geometric(number(1), number(logit));
    const double log_p = -std::log1p(std::exp(-logit)), log_q = -std::log1p(std::exp(logit)), k = std::exp(logit);
    CHECK(geometric.cdf(number(k)).item() == Approx(-std::expm1((std::floor(k) + 1) * log_p)).epsilon(1e-10));
    CHECK(geometric.entropy().item() == Approx(-log_q - std::exp(logit) * log_p).epsilon(1e-10));
    CHECK(geometric.log_prob(number(std::floor(k))).item() == Approx(log_q + std::floor(k) * log_p).epsilon(1e-10));
  }
  // Of many failures it is a Poisson, of a large scale a gamma: entropies (Johnson et al. 1992) and log scale.
  const pf::Poisson<double> twenty(number(20));
  const pf::NegativeBinomial<double> nearly(number(1e12), number(std::log(20.0 / 1e12)));
  CHECK(nearly.entropy().item() == Approx(twenty.entropy().item()).epsilon(1e-9));
  CHECK(nearly.cdf(number(15)).item() == Approx(twenty.cdf(number(15)).item()).epsilon(1e-9));
  const double r = 2.5, gamma = r + std::lgamma(r) + (1 - r) * pf::math::digamma(r);
  CHECK(pf::NegativeBinomial<double>(number(r), number(25)).entropy().item() == Approx(gamma + 25).epsilon(1e-10));
  const pf::Binomial<double> rare(number(1e12), number(std::log(20.0 / 1e12)));
  CHECK(rare.entropy().item() == Approx(twenty.entropy().item()).epsilon(1e-9));
  CHECK(rare.cdf(number(15)).item() == Approx(twenty.cdf(number(15)).item()).epsilon(1e-9));
  // Normal at last: P(X <= m) = 1/2 + 2 / (3 sqrt(2 pi m)) for a Poisson of mean m (Ramanujan), a coin by symmetry.
  const double pi = 3.14159265358979323846;
  CHECK(pf::Poisson<double>(number(1e10)).cdf(number(1e10)).item() - 0.5 ==
        Approx(2 / (3 * std::sqrt(2 * pi * 1e10))).epsilon(1e-3));  // exp(log(1e10)) is off by 1e-5
  CHECK(pf::Poisson<double>::from_log_rate(number(500)).entropy().item() == Approx(0.5 * (std::log(2 * pi) + 501)));
  CHECK(pf::Poisson<double>::from_log_rate(number(-800)).entropy().item() == 0);
  const pf::Binomial<double> coin(number(1e9 + 1), number(0));
  CHECK(coin.cdf(number(5e8)).item() == Approx(0.5).epsilon(1e-10));
  CHECK(pf::Binomial<double>(number(0), number(1)).entropy().item() == 0);
}

TEST_CASE("tails of counts keep their relative digits") {
  CHECK(pf::Poisson<double>(number(700)).cdf(number(0)).item() == Approx(std::exp(-700.0)).epsilon(1e-10));
  // P(X <= 2) = e^-m (1 + m + m^2 / 2).
  CHECK(pf::Poisson<double>(number(300)).cdf(number(2)).item() ==
        Approx(std::exp(-300.0) * (1 + 300 + 45000)).epsilon(1e-10));
  CHECK(pf::Binomial<double>(number(50), number(10)).cdf(number(0)).item() ==
        Approx(std::exp(-50 * std::log1p(std::exp(10.0)))).epsilon(1e-10));
  CHECK(pf::NegativeBinomial<double>(number(40), number(8)).cdf(number(0)).item() ==
        Approx(std::exp(-40 * std::log1p(std::exp(8.0)))).epsilon(1e-10));
  const Sums far = sums([](long double k) { return poisson_mass(k, 2e5L); }, 0, 2e5L - 9000);  // 20 deviations
  CHECK(pf::Poisson<double>(number(2e5)).cdf(number(2e5 - 9000)).item() ==
        Approx(static_cast<double>(far.below)).epsilon(1e-7));
}

TEST_CASE("quantiles of counts are where the cdf passes") {
  const auto check = [](const auto& d, double most) {
    for (const double p : {1e-200, 1e-6, 0.03, 0.5, 0.77, 0.999, 1 - 1e-12}) {
      const double k = d.icdf(number(p)).item();
      REQUIRE((k >= 0 && k <= most && k == std::floor(k)));
      CHECK(d.cdf(number(k)).item() >= p);
      if (k > 0 && k < 1e15) CHECK(d.cdf(number(k - 1)).item() < p);
      if (const double q = d.cdf(number(k)).item(); q < 1 && k < 1e15) CHECK(d.icdf(number(q)).item() == k);
    }
    CHECK(d.icdf(number(0)).item() == 0);
    CHECK(d.icdf(number(1)).item() == most);
    CHECK(std::isnan(d.icdf(number(1.01)).item()));
    CHECK(std::isnan(d.icdf(number(-0.1)).item()));
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double rate : {1e-5, 0.8, 20.0, 3e4, 1e8, 1e20}) check(pf::Poisson<double>(number(rate)), infinity);
  for (const double n : {1.0, 9.0, 1000.0, 1e7})
    for (const double logit : {-15.0, -1.0, 2.0, 11.0}) check(pf::Binomial<double>(number(n), number(logit)), n);
  for (const double r : {1e-3, 1.0, 70.0})
    for (const double logit : {-4.0, 1.0, 14.0})
      check(pf::NegativeBinomial<double>(number(r), number(logit)), infinity);
  CHECK(pf::Binomial<double>(number(0), number(1)).icdf(number(1)).item() == 0);
}

TEST_CASE("cdfs of counts are steps between 0 and 1, per component and broadcast") {
  const pf::Poisson<> d(Tensor<>{{2, 3}, {1, 2, 3, 20, 30, 40}});
  const Tensor<> below = d.cdf(Tensor<>::full({5, 1, 3}, 2.7f));
  REQUIRE(below.shape() == pf::Shape{5, 2, 3});
  CHECK(below(4, 0, 1) == Approx(5 * std::exp(-2.0)));
  CHECK(d.entropy().shape() == pf::Shape{2});
  const pf::Binomial<double> b(number(4), number(0.3));
  CHECK(b.cdf(number(2)).item() == b.cdf(number(2.999)).item());
  CHECK(b.cdf(number(-1e-9)).item() == 0);
  CHECK(b.cdf(number(4)).item() == 1);
  CHECK(pf::NegativeBinomial<double>(number(4), number(0.3)).cdf(number(INFINITY)).item() == 1);
  CHECK(std::isnan(pf::Poisson<double>(number(4)).cdf(number(NAN)).item()));
}

TEST_CASE("cdf and entropy of counts have the gradients of finite differences") {
  const Tensor<double> x{{2, 3}, {0, 3, 7.5, 2, -1, 4000}}, logits{-0.5, 0.8, 7.6}, r{0.7, 3.0, 2.0};
  auto poisson = [&](const auto& l) { return pf::Poisson<double>::from_log_rate(l).cdf(x); };
  auto binomial = [&](const auto& l) { return pf::Binomial<double>(Tensor<double>{7, 30, 6000}, l).cdf(x); };
  auto negative = [&](const auto& l) { return pf::NegativeBinomial<double>(r, l).cdf(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(poisson, logits, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(binomial, logits, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(negative, logits, {.order = 2}));

  auto poisson_entropy = [](const auto& l) { return pf::Poisson<double>::from_log_rate(l).entropy(); };
  CHECK_NOTHROW(pf::testing::check_gradients(poisson_entropy, Tensor<double>{-4.0, 1.0, 6.0, 10.0}));
  for (const double n : {3.0, 400.0, 1e6}) {
    auto entropy = [n](const auto& l) { return pf::Binomial<double>(number(n), l).entropy(); };
    CHECK_NOTHROW(pf::testing::check_gradients(entropy, Tensor<double>{-3.0, 0.4, 2.5}));
  }
  auto negative_entropy = [](const auto& f, const auto& l) { return pf::NegativeBinomial<double>(f, l).entropy(); };
  CHECK_NOTHROW(pf::testing::check_gradients(
      negative_entropy, {Tensor<double>{0.4, 3.0, 900.0, 1e6}, Tensor<double>{9.0, 0.5, 2.0, -1.0}}));
  const Tensor<double> v = pf::variable(number(1));
  const Tensor<double> slope = pf::gradient(poisson_entropy(v), v, {.create_graph = true});
  CHECK_THROWS_AS(pf::gradient(slope, v), pf::GradientError);
}
