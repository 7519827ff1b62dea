#include <pushforward/models/autoregressive/discretized_logistic_conditional.hpp>

#include <pushforward/distributions/discretized_logistic.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("a mixture of discretized logistics has the masses of its components, which sum to one") {
  pf::Rng rng(1);
  const pf::DiscretizedLogisticMixtureConditional conditional(7, 3);
  CHECK(conditional.parameters() == 9);
  const Tensor<double> parameters = pf::normal<double>({4, 9}, rng);
  const Tensor<double> all = conditional.level_log_probs(parameters);
  CHECK(pf::abs(pf::sum(pf::exp(all), 1) - 1).max() < 1e-12);
  for (Index row = 0; row < 4; ++row)
    for (Index level = 0; level < 7; ++level) {
      double total = 0, weights = 0;
      for (Index j = 0; j < 3; ++j) {
        const pf::DiscretizedLogistic<double> part(Tensor<double>::scalar(parameters(row, 3 + j)),
                                                   Tensor<double>::scalar(parameters(row, 6 + j)), {.levels = 7});
        const double weight = std::exp(parameters(row, j));
        weights += weight;
        total += weight * std::exp(part.log_prob(Tensor<double>::scalar(static_cast<double>(level) / 3 - 1)).item());
      }
      CHECK(all(row, level) == Approx(std::log(total / weights)).epsilon(1e-9));
    }
  // One number for each row, x [n, 1] with parameters [n, P, 1].
  const Tensor<double> x({4, 1}, {0, 6, 3, 2});
  const Tensor<double> scores = conditional.log_prob(pf::unsqueeze(parameters, 2), x);
  for (Index row = 0; row < 4; ++row)
    CHECK(scores(row) == Approx(all(row, static_cast<Index>(x(row, 0)))).epsilon(1e-12));
}

TEST_CASE("discretized logistics far from the data keep their digits and their gradients") {
  const pf::DiscretizedLogisticMixtureConditional conditional(256, 1);
  // Far out the mass of a level falls by exp(-distance / scale), here 200 / 0.01, whatever the precision.
  const auto at = [&](auto zero, double mean, double log_scale, double x) {
    using S = decltype(zero);
    const Tensor<S> parameters({1, 3, 1}, {S(0), static_cast<S>(mean), static_cast<S>(log_scale)});
    return static_cast<double>(conditional.log_prob(parameters, Tensor<S>({1, 1}, {static_cast<S>(x)})).item());
  };
  const double scale = std::exp(-5.0), u = 2.0 * 100 / 255 - 1, h = 1.0 / 255;
  const double expected = (u + h - 200) / scale + std::log(-std::expm1(-2 * h / scale));
  CHECK(at(0.0, 200, -5, 100) == Approx(expected).epsilon(1e-12));
  CHECK(at(0.0f, 200, -5, 100) == Approx(expected).epsilon(1e-5));
  CHECK(at(0.0, 0.3, 20, 0) == Approx(std::log(0.5)).epsilon(1e-6));  // all mass beyond the ends
  for (const double mean : {-1e30, 1e30})
    for (const double log_scale : {-1e30, 1e30})
      for (const double x : {0.0, 128.0, 255.0}) CHECK(std::isfinite(at(0.0f, mean, log_scale, x)));
  pf::Rng rng(2);
  const Tensor<double> x({2, 3}, {0, 1, 255, 254, 100, 3});
  pf::testing::check_gradients([&](const Tensor<double>& p) { return conditional.log_prob(p, x); },
                               pf::normal<double>({2, 3, 3}, rng), {.order = 2});
}

TEST_CASE("draws of a mixture of discretized logistics follow its masses, with and without options") {
  pf::Rng rng(3);
  const pf::DiscretizedLogisticMixtureConditional conditional(6, 2);
  const Index n = 40'000;
  const Tensor<double> row({1, 6}, {0.3, -0.4, -0.6, 0.5, -1.2, -0.7});
  const Tensor<double> parameters = pf::expand(row, {n, 6});
  const auto statistic = [&](const pf::DrawOptions& options) {
    const Tensor<double> p = pf::softmax(pf::shaped_logits(conditional.level_log_probs(row), options), -1);
    std::vector<double> counts(6, 0);
    for (const double level : conditional.sample(parameters, rng, options))
      counts[static_cast<std::size_t>(level)] += 1;
    double total = 0;
    for (Index i = 0; i < 6; ++i) {
      const double expected = p(0, i) * static_cast<double>(n), got = counts[static_cast<std::size_t>(i)];
      if (expected == 0) CHECK(got == 0);
      if (expected > 0) total += (got - expected) * (got - expected) / expected;
    }
    return total;
  };
  // Chi-square with at most 5 degrees of freedom: above 27 with probability 6e-5.
  CHECK(statistic({}) < 27);
  CHECK(statistic({.temperature = 0.5}) < 27);
  CHECK(statistic({.top_k = 3}) < 27);
  CHECK(statistic({.temperature = 0}) < 27);
}

TEST_CASE("mixtures of discretized logistics refuse what is no level") {
  CHECK_THROWS_AS(pf::DiscretizedLogisticMixtureConditional(1, 3), pf::ValueError);
  CHECK_THROWS_AS(pf::DiscretizedLogisticMixtureConditional(4, 0), pf::ValueError);
  CHECK_THROWS_AS(pf::DiscretizedLogisticPixels(0), pf::ValueError);
  const pf::DiscretizedLogisticMixtureConditional conditional(4, 1);
  const Tensor<double> parameters = Tensor<double>::zeros({1, 3, 1});
  for (const double x : {-1.0, 4.0, 1.5, std::nan("")})
    CHECK_THROWS_AS(conditional.log_prob(parameters, Tensor<double>({1, 1}, {x})), pf::ValueError);
  CHECK(pf::DiscretizedLogisticPixels(3, 256, 10).outputs() == 100);
  CHECK(pf::DiscretizedLogisticPixels(1, 256, 5).outputs() == 15);
}
