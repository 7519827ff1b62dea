#include <pushforward/distributions/binomial.hpp>
#include <pushforward/distributions/negative_binomial.hpp>
#include <pushforward/distributions/one_hot_categorical.hpp>
#include <pushforward/distributions/poisson.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

const float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Draws of a distribution over plain counts by the frequencies of its masses: chi-square over cells of at least 20
// expected draws, below mean + 5 deviations of the statistic.
template <class D>
double chi_square_excess(const D& d, Index n, pf::Rng& rng) {
  const Tensor<double> x = d.sample(n, rng);
  const Index last = static_cast<Index>(x.max());
  std::vector<double> seen(static_cast<std::size_t>(last) + 1);
  for (double k : x) seen[static_cast<std::size_t>(k)] += 1;
  double statistic = 0, cells = 0, expected = 0, observed = 0;
  for (Index k = 0; k <= last; ++k) {
    expected += static_cast<double>(n) * std::exp(d.log_prob(Tensor<double>::scalar(static_cast<double>(k))).item());
    observed += seen[static_cast<std::size_t>(k)];
    if (expected < 20) continue;
    statistic += (observed - expected) * (observed - expected) / expected;
    cells += 1;
    expected = observed = 0;
  }
  return (statistic - cells) / std::sqrt(2 * cells);
}

Tensor<double> number(double x) { return Tensor<double>::scalar(x); }

}  // namespace

TEST_CASE("masses of counts are the formulas of the textbook") {
  for (double x : {0.0, 1.0, 4.0, 30.0}) {
    const double r = 3.7, l = -0.4, n = 30, q = 1 / (1 + std::exp(l)), p = 1 - q;
    CHECK(pf::Poisson<double>(number(r)).log_prob(number(x)).item() ==
          Approx(x * std::log(r) - r - std::lgamma(x + 1)).epsilon(1e-12));
    const double choose = std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1);
    CHECK(pf::Binomial<double>(number(n), number(l)).log_prob(number(x)).item() ==
          Approx(choose + x * std::log(p) + (n - x) * std::log(q)).epsilon(1e-12));
    const double ways = std::lgamma(r + x) - std::lgamma(x + 1) - std::lgamma(r);
    CHECK(pf::NegativeBinomial<double>(number(r), number(l)).log_prob(number(x)).item() ==
          Approx(ways + x * std::log(p) + r * std::log(q)).epsilon(1e-12));
  }
}

TEST_CASE("floats lose nothing where the terms of a mass are a million times the mass") {
  // log P(10^6) at the rate 10^6 is -log(2 pi 10^6) / 2 to 1e-7.
  const double at_mode = -0.5 * std::log(2 * M_PI * 1e6);
  CHECK(pf::Poisson<>(Tensor<>{1e6f}).log_prob(Tensor<>{1e6f}).item() == Approx(at_mode).epsilon(1e-4));
  const double half = -0.5 * std::log(2 * M_PI * 1e6 * 0.25);
  CHECK(pf::Binomial<>(Tensor<>{1e6f}, Tensor<>{0.0f}).log_prob(Tensor<>{5e5f}).item() == Approx(half).epsilon(1e-5));
  // A negative binomial of many failures is a Poisson.
  const pf::NegativeBinomial<double> wide(number(1e12), number(std::log(20.0 / 1e12)));
  CHECK(wide.log_prob(number(17)).item() == Approx(pf::Poisson<double>(number(20)).log_prob(number(17)).item()));
  CHECK(pf::NegativeBinomial<double>(number(1e-12), number(0.5)).log_prob(number(3)).item() ==
        Approx(std::log(1e-12 / 3) - 3 * std::log1p(std::exp(-0.5))).epsilon(1e-10));
  // Impossible and extreme events.
  CHECK(pf::Poisson<>(Tensor<>{2.0f}).log_prob(Tensor<>{-1.0f}).item() == -std::numeric_limits<float>::infinity());
  CHECK(pf::Poisson<>(Tensor<>{2.0f}).log_prob(Tensor<>{0.5f}).item() == -std::numeric_limits<float>::infinity());
  CHECK(pf::Binomial<>(Tensor<>{3.0f}, Tensor<>{0.0f}).log_prob(Tensor<>{4.0f}).item() ==
        -std::numeric_limits<float>::infinity());
  CHECK(pf::Binomial<>(Tensor<>{5.0f}, Tensor<>{-80.0f}).log_prob(Tensor<>{2.0f}).item() ==
        Approx(std::log(10.0) - 160));
  CHECK(pf::Poisson<double>::from_log_rate(number(-1000)).log_prob(number(2)).item() == Approx(-2000 - std::log(2.0)));
}

TEST_CASE("masses of counts sum to one and draws follow them") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Poisson<double>(Tensor<double>{{3, 1}, {0.3, 5.0, 40.0}}),
                                                {.discrete = true}, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(
      pf::Binomial<double>(Tensor<double>{{3, 1}, {7.0, 40.0, 300.0}}, Tensor<double>{{3, 1}, {-1.0, 0.3, 1.5}}),
      {.discrete = true}, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(
      pf::NegativeBinomial<double>(Tensor<double>{{2, 1}, {0.7, 8.0}}, Tensor<double>{{2, 1}, {1.0, -0.5}}),
      {.discrete = true}, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Poisson<float>(Tensor<>{2.0f, 11.0f}), {.discrete = true}, rng));
}

TEST_CASE("draws of counts pass a chi-square test on both sides of every change of method") {
  pf::Rng rng(2);
  const Index n = 200'000;
  for (double rate : {0.01, 1.0, 9.9, 10.1, 33.0, 1000.0})
    CHECK(chi_square_excess(pf::Poisson<double>(number(rate)), n, rng) < 5);
  for (double trials : {1.0, 12.0, 80.0, 1000.0})
    for (double logit : {-2.0, 0.0, 1.0})
      CHECK(chi_square_excess(pf::Binomial<double>(number(trials), number(logit)), n, rng) < 5);
  for (double r : {0.2, 3.5})
    CHECK(chi_square_excess(pf::NegativeBinomial<double>(number(r), number(1.2)), n, rng) < 5);
}

TEST_CASE("draws of counts are the same for the same seed, and of the asked shape") {
  const pf::Poisson<> rates(Tensor<>{{2, 3}, {1, 2, 3, 20, 30, 40}});
  pf::Rng a(3), b(3);
  CHECK(rates.sample(4, a).shape() == pf::Shape{4, 2, 3});
  CHECK(rates.sample(a).to_vector() != rates.sample(a).to_vector());
  pf::Rng c(3);
  CHECK(rates.sample(4, b).to_vector() == rates.sample(4, c).to_vector());
}

TEST_CASE("masses of counts are twice differentiable in the parameters") {
  pf::Rng rng(4);
  const Tensor<double> x{{2, 2}, {0, 3, 7, 2}}, logits{-0.5, 0.8};
  auto poisson = [&](const auto& l) { return pf::Poisson<double>::from_log_rate(l).log_prob(x); };
  auto binomial = [&](const auto& l) { return pf::Binomial<double>(Tensor<double>{7.0}, l).log_prob(x); };
  auto negative = [&](const auto& r, const auto& l) { return pf::NegativeBinomial<double>(r, l).log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(poisson, logits, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(binomial, logits, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(negative, {Tensor<double>{0.7, 3.0}, logits}, {.order = 2}));
}

TEST_CASE("divergences of counts are sums over their masses") {
  const pf::Poisson<double> q(number(3)), p(number(4.5));
  const pf::Binomial<double> bq(number(9), number(0.4)), bp(number(9), number(-1));
  double poisson = 0, binomial = 0;
  for (int k = 0; k < 60; ++k) {
    const auto x = number(k);
    poisson += std::exp(q.log_prob(x).item()) * (q.log_prob(x).item() - p.log_prob(x).item());
    if (k < 10) binomial += std::exp(bq.log_prob(x).item()) * (bq.log_prob(x).item() - bp.log_prob(x).item());
  }
  CHECK(pf::kl_divergence(q, p).item() == Approx(poisson));
  CHECK(pf::kl_divergence(bq, bp).item() == Approx(binomial));
  CHECK_THROWS_AS(pf::kl_divergence(bq, pf::Binomial<double>(number(8), number(0))), pf::ValueError);
}

TEST_CASE("a OneHotCategorical is a Categorical over unit vectors") {
  pf::Rng rng(5);
  const pf::OneHotCategorical<double> d(pf::normal<double>({2, 3}, rng));
  const Tensor<double> x = d.sample(1000, rng);
  REQUIRE(x.shape() == pf::Shape{1000, 2, 3});
  CHECK(pf::max(pf::abs(d.log_prob(x) - d.categorical().log_prob(pf::argmax(x, -1)))).item() < 1e-14);
  CHECK_NOTHROW(pf::testing::check_distribution(d, rng));
  const float infinity = std::numeric_limits<float>::infinity();
  const pf::OneHotCategorical<> excluded(Tensor<>{0.0f, -infinity});
  CHECK(excluded.log_prob(Tensor<>{{2, 2}, {1, 0, 0, 1}}).to_vector() == std::vector<float>{0.0f, -infinity});
  auto f = [&](const auto& l) { return pf::OneHotCategorical<double>(l).log_prob(Tensor<double>{0, 1, 0}); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, pf::normal<double>({2, 3}, rng), {.order = 2}));
  CHECK(pf::kl_divergence(d, d).max() == Approx(0.0).margin(1e-15));
}

TEST_CASE("distributions of counts refuse bad parameters") {
  CHECK_THROWS_AS(pf::Poisson<>(Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Poisson<>(Tensor<>{not_a_number}), pf::ValueError);
  CHECK_THROWS_AS(pf::Poisson<>::from_log_rate(Tensor<>{not_a_number}), pf::ValueError);
  CHECK_THROWS_AS(pf::Binomial<>(Tensor<>{2.5f}, Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Binomial<>(Tensor<>{2.0f}, Tensor<>{not_a_number}), pf::ValueError);
  CHECK_THROWS_AS(pf::Binomial<>::from_probabilities(Tensor<>{2.0f}, Tensor<>{1.5f}), pf::ValueError);
  CHECK_THROWS_AS(pf::NegativeBinomial<>(Tensor<>{-1.0f}, Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::NegativeBinomial<>(Tensor<>{1.0f, 2.0f}, Tensor<>{0.0f, 1.0f, 2.0f}), pf::ShapeError);
}

TEST_CASE("every Poisson count lies below infinity") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(pf::Poisson<double>(Tensor<double>{3.0}).cdf(Tensor<double>{infinity}).item() == 1);
}

TEST_CASE("the divergence of close binomials of many trials keeps its digits") {
  auto binomial = [](float n, float l) { return pf::Binomial<>(Tensor<>::scalar(n), Tensor<>::scalar(l)); };
  const double h = 3.16e-4F;
  CHECK(pf::kl_divergence(binomial(1e7F, 0), binomial(1e7F, 3.16e-4F)).item() ==
        Approx(1e7 * std::log(std::cosh(h / 2))).epsilon(1e-5));
  CHECK(pf::kl_divergence(binomial(1e7F, -2), binomial(1e7F, -2)).item() == 0);
  CHECK(pf::kl_divergence(binomial(1, 0), binomial(1, 1.5F)).item() == Approx(std::log(std::cosh(0.75))).epsilon(1e-6));
  CHECK(std::abs(pf::kl_divergence(binomial(1, -900), binomial(1, -900.5F)).item()) < 1e-30);
  pf::Rng rng(3);
  const Tensor<double> a = pf::normal<double>({4}, rng), b = a + 0.7 * pf::normal<double>({4}, rng);
  pf::testing::check_gradients(
      [](const Tensor<double>& x, const Tensor<double>& y) {
        const auto n = Tensor<double>::full({4}, 5);
        return pf::kl_divergence(pf::Binomial<double>(n, x), pf::Binomial<double>(n, y));
      },
      {a, b}, {.order = 2});
}
