#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/langevin.hpp>
#include <pushforward/nn/linear.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

double variance(const Tensor<double>& x) {
  const double mean = x.mean();
  double total = 0;
  for (double v : x) total += (v - mean) * (v - mean);
  return total / static_cast<double>(x.size());
}

// The largest distance of the empirical distribution function to that of the logistic distribution.
double distance_to_logistic(const Tensor<double>& x) {
  std::vector<double> values = x.to_vector();
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double cdf = 1 / (1 + std::exp(-values[i])), rank = static_cast<double>(i);
    largest = std::max({largest, cdf - rank / n, (rank + 1) / n - cdf});
  }
  return largest;
}

// Of one number: log p(x) = -x - 2 log(1 + e^-x), shifted by a constant that nobody knows.
constexpr auto logistic = [](const Tensor<double>& x) { return pf::sum(3.0 - x - 2 * pf::softplus(-x), -1); };

}  // namespace

TEST_CASE("unadjusted Langevin settles at the variance that its step size implies, not at the target's") {
  // For the score -x / v each step is x (1 - h / v) + noise: an autoregression, whose variance is known.
  constexpr double v = 0.5, h = 0.2;
  constexpr Index n = 20'000;
  const auto density = [](const Tensor<double>& x) { return pf::sum(pf::square(x), 1) * (-0.5 / v); };
  pf::Rng rng(1);
  const Tensor<double> start = Tensor<double>::full({n, 1}, 3.0);
  const double shrink = 1 - h / v, error = 5 * std::sqrt(2.0 / n);  // five standard errors of a variance

  const Tensor<double> exact_noise = pf::langevin(density, start, {.steps = 40, .step_size = h}, rng);
  CHECK(variance(exact_noise) == Approx(v / (1 - h / (2 * v))).epsilon(error));
  const Tensor<double> little_noise = pf::langevin(density, start, {.steps = 40, .step_size = h, .noise = 0.1}, rng);
  CHECK(variance(little_noise) == Approx(0.01 / (1 - shrink * shrink)).epsilon(error));
  const Tensor<double> no_noise = pf::langevin(density, start, {.steps = 3, .step_size = h, .noise = 0.0}, rng);
  CHECK(no_noise.max() == Approx(3 * std::pow(shrink, 3)));
  CHECK(no_noise.min() == no_noise.max());
}

TEST_CASE("Metropolis-adjusted Langevin draws from the density itself where the unadjusted one does not") {
  constexpr Index n = 4000;
  const double bound = 2.7 / std::sqrt(static_cast<double>(n));  // Kolmogorov-Smirnov at level 1e-6
  pf::Rng rng(2);
  const Tensor<double> start = 0.2 * pf::normal<double>({n, 1}, rng) - 4;
  const auto draws = pf::metropolis_langevin(logistic, start, {.steps = 150, .step_size = 1.5}, rng);
  CHECK(distance_to_logistic(draws.value) < bound);
  CHECK(draws.acceptance > 0.5);
  CHECK(draws.acceptance < 0.99);
  CHECK(pf::max(pf::abs(draws.log_density - logistic(draws.value))).item() == 0);
  CHECK(distance_to_logistic(pf::langevin(logistic, start, {.steps = 150, .step_size = 1.5}, rng)) > bound);
}

TEST_CASE("a proposal whose density is NaN is never accepted") {
  // Half of a normal, mean sqrt(2 / pi), variance 1 - 2 / pi; NaN below zero.
  const auto half = [](const Tensor<double>& x) { return pf::sum(0 * pf::log(x) - 0.5 * pf::square(x), 1); };
  pf::Rng rng(3);
  const auto draws =
      pf::metropolis_langevin(half, Tensor<double>::ones({2000, 1}), {.steps = 100, .step_size = 0.3}, rng);
  CHECK(draws.value.min() > 0);
  CHECK(draws.value.mean() == Approx(0.79788).margin(5 * std::sqrt(0.36338 / 2000)));
}

TEST_CASE("scores come from log_prob, from functions, and match differences") {
  pf::Rng rng(4);
  const pf::LearnedMixture<double> mixture(3, 2, rng, 1.0);
  const Tensor<double> x = pf::normal<double>({5, 2}, rng);
  const Tensor<double> found = pf::score(mixture, x);
  REQUIRE(found.shape() == x.shape());
  for (Index j = 0; j < 2; ++j) {
    const Tensor<double> h = Tensor<double>::generate(x.shape(), [&](Index i) { return i % 2 == j ? 1e-6 : 0.0; });
    const Tensor<double> slope = (mixture.log_prob(x + h) - mixture.log_prob(x - h)) / 2e-6;
    for (Index i = 0; i < 5; ++i) CHECK(found(i, j) == Approx(slope(i)).margin(1e-8));
  }
  const auto function = [&](const Tensor<double>& at) { return mixture.log_prob(at); };
  CHECK(pf::score(function, x).to_vector() == found.to_vector());
  CHECK(found.tracked());  // in the mixture's parameters
  pf::NoGradient guard;
  const Tensor<double> constant = pf::score(mixture, x);
  CHECK_FALSE(constant.tracked());
  CHECK(constant.to_vector() == found.to_vector());
}

TEST_CASE("the score and the box are limited where asked") {
  pf::Rng rng(5);
  const auto steep = [](const Tensor<double>& x) { return pf::sum(x, 1) * 1e6; };
  const Tensor<double> start = Tensor<double>::zeros({50, 2});
  CHECK(pf::langevin(steep, start, {.steps = 1, .step_size = 0.1, .noise = 0.0, .max_score = 2}, rng).max() ==
        Approx(0.2));
  const Tensor<double> boxed = pf::langevin(steep, start, {.steps = 3, .low = -1, .high = 1.5}, rng);
  CHECK(boxed.max() == 1.5);
  CHECK(boxed.min() >= -1);
}

TEST_CASE("chains have the same bits for any number of threads") {
  pf::Rng rng(6);
  const pf::Mlp<> net({2, 128, 128, 1}, rng, {.activation = pf::Activation::silu});
  const auto density = [&](const Tensor<>& x) { return pf::reshape(net(x), {x.size(0)}); };
  const Tensor<> start = pf::normal({700, 2}, rng);
  const auto run = [&](int threads) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    pf::Rng same(7);
    std::vector<float> found = pf::langevin(density, start, {.steps = 5}, same).to_vector();
    const auto adjusted = pf::metropolis_langevin(density, start, {.steps = 5}, same).value.to_vector();
    found.insert(found.end(), adjusted.begin(), adjusted.end());
    pf::set_num_threads(before);
    return found;
  };
  CHECK(run(1) == run(3));
}

TEST_CASE("Langevin dynamics refuses what it cannot do") {
  pf::Rng rng(8);
  const Tensor<double> x = Tensor<double>::zeros({3, 1});
  CHECK_THROWS_AS(pf::langevin(logistic, x, {.steps = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::langevin(logistic, x, {.step_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::langevin(logistic, x, {.noise = -1.0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::langevin(logistic, x, {.low = 1, .high = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::langevin(logistic, Tensor<double>::zeros({3}), {}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::metropolis_langevin(logistic, x, {.step_size = -1}, rng), pf::ValueError);
  const auto total = [](const Tensor<double>& at) { return pf::sum(at); };
  CHECK_THROWS_AS(pf::metropolis_langevin(total, x, {}, rng), pf::ShapeError);
}
