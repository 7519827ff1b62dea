#include <pushforward/bijectors/affine.hpp>
#include <pushforward/metrics/likelihood.hpp>
#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/models/dequantization.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr Index levels = 3;

// Pairs of numbers 0, 1, 2 with given probabilities, and every pair once.
const std::vector<double> probabilities{0.30, 0.02, 0.08, 0.02, 0.25, 0.03, 0.10, 0.02, 0.18};
const Tensor<> every_pair = Tensor<>::generate(
    {9, 2}, [](Index i) { return static_cast<float>(i % 2 == 0 ? i / 2 / levels : i / 2 % levels); });
double entropy() {
  double total = 0;
  for (double p : probabilities) total -= p * std::log(p);
  return total;
}
// The mean of one number per pair.
double expected(const Tensor<>& values) {
  double total = 0;
  for (Index i = 0; i < 9; ++i) total += probabilities[static_cast<std::size_t>(i)] * static_cast<double>(values(i));
  return total;
}
Tensor<> pairs(Index n, pf::Rng& rng) {
  const Tensor<> logits = Tensor<>::generate(
      {n, 9}, [](Index i) { return static_cast<float>(std::log(probabilities[static_cast<std::size_t>(i % 9)])); });
  return pf::index_select(every_pair, 0, pf::categorical(logits, rng));
}

// A smooth flow on (0, 3)^2.
auto smooth_flow(pf::Rng& rng) {
  auto inner =
      pf::real_nvp({.features = 2, .layers = 4, .hidden = {24}, .activation = pf::Activation::tanh}, rng).bijector();
  return pf::Flow(pf::standard_normal(2), pf::Compose(std::move(inner), pf::SigmoidBijector(),
                                                      pf::Affine<>(Tensor<>::scalar(0), Tensor<>::scalar(levels))));
}
auto variational_noise(pf::Rng& rng) {
  return pf::VariationalNoise(
      pf::conditional_real_nvp({.features = 2, .layers = 4, .hidden = {24}, .activation = pf::Activation::tanh}, 2,
                               rng),
      pf::ScaleLevels{levels});
}

template <class Model>
void train(Model& model, pf::Rng& rng) {
  pf::fit(model, pairs(4000, rng), pf::mle,
          {.epochs = 25,
           .batch_size = 128,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .clip_norm = 1,
           .progress = pf::Progress::off},
          rng);
}

// log P(x) of every pair, by the midpoint rule over its cell; what they sum to should be 1.
template <class Density>
Tensor<> exact_log_probs(const Density& density) {
  const pf::NoGradient guard;
  const Index n = 120;
  return Tensor<>::generate({9}, [&](Index cell) {
    const Tensor<> y = Tensor<>::generate({n * n, 2}, [&](Index i) {
      const Index step = i % 2 == 0 ? i / 2 / n : i / 2 % n;
      return every_pair(cell, i % 2) + (static_cast<float>(step) + 0.5f) / static_cast<float>(n);
    });
    return std::log(static_cast<float>(pf::exp(density.log_prob(y)).mean()));
  });
}

// The mean bound under the true distribution, over many draws of the noise.
template <class Model>
double mean_bound(const Model& model, Index particles, pf::Rng& rng) {
  const pf::NoGradient guard;
  const Index repeats = 2000;
  const Tensor<> x = pf::reshape(pf::expand(pf::unsqueeze(every_pair, 0), {repeats, 9, 2}), {repeats * 9, 2});
  return expected(pf::mean(pf::reshape(model.bound(x, particles, rng), {repeats, 9}), 0));
}

// A density that is flat in each cell.
struct Flat {
  Tensor<> log_prob(const Tensor<>& y) const {
    return Tensor<>::generate({y.size(0)}, [&](Index i) {
      const Index cell = static_cast<Index>(y(i, 0)) * levels + static_cast<Index>(y(i, 1));
      return static_cast<float>(std::log(probabilities[static_cast<std::size_t>(cell)]));
    });
  }
  static void members(auto&, auto&&) {}
};

// Sees where the noise went.
struct Cells {
  mutable Tensor<> seen;
  Tensor<> log_prob(const Tensor<>& y) const {
    seen = y;
    return Tensor<>::zeros({y.size(0)});
  }
  static void members(auto&, auto&&) {}
};

}  // namespace

TEST_CASE("dequantized: bounds lie below the exact log-likelihood, and learned noise makes them tighter") {
  pf::Rng rng(1);
  pf::Dequantized uniform(smooth_flow(rng), pf::UniformNoise(), {.levels = levels});
  pf::Dequantized learned(smooth_flow(rng), variational_noise(rng), {.levels = levels});
  train(uniform, rng);
  train(learned, rng);
  auto check = [&](const auto& model, double least_gap, double most_gap) {
    const Tensor<> exact = exact_log_probs(model.density());
    CHECK(pf::exp(exact).sum() == Approx(1).margin(5e-3));
    const double log_likelihood = expected(exact), bound = mean_bound(model, 1, rng);
    CHECK(log_likelihood < -entropy() + 1e-3);  // no model is better than the truth
    CHECK(bound < log_likelihood - least_gap);
    CHECK(bound > log_likelihood - most_gap);
    const double tighter = mean_bound(model, 16, rng);
    CHECK(tighter > bound);
    CHECK(tighter < log_likelihood + 5e-3);  // the noise of 18 000 estimates
    return bound;
  };
  const double plain = check(uniform, 0.02, 0.5), better = check(learned, 0.0, 0.1);
  CHECK(better > plain + 0.03);
  CHECK(better > -entropy() - 0.2);
}

TEST_CASE("dequantized: with a density that is flat in each cell the bound is exact") {
  pf::Rng rng(2);
  const pf::Dequantized model(Flat(), pf::UniformNoise(), {.levels = levels, .particles = 3});
  const auto found = model.log_likelihood(every_pair, rng);
  CHECK(found.kind == pf::LikelihoodKind::lower_bound);
  CHECK(expected(found.value) == Approx(-entropy()).epsilon(1e-5));
  CHECK(pf::bits_per_dim(-expected(found.value), 2, 1) == Approx(entropy() / 2 / std::log(2)).epsilon(1e-5));
}

TEST_CASE("dequantized: noise stays within [0, 1) and in its cell, and its density integrates to one") {
  pf::Rng rng(3);
  auto noise = variational_noise(rng);
  pf::for_each_parameter(noise, [&](const pf::Path&, pf::Parameter<>& p) { p = p.tensor() * 1.5f; });
  const Tensor<> x = pf::reshape(pf::expand(pf::unsqueeze(every_pair, 0), {2000, 9, 2}), {18'000, 2});
  const auto u = noise(x, rng);
  CHECK(u.value.min() >= 0);
  CHECK(u.value.max() <= 1);
  // E_q[1 / q(u)] over a square is its area.
  const Tensor<> inside = pf::max(pf::abs(u.value - 0.5f), -1) < 0.35f;
  CHECK((inside * pf::exp(-u.log_prob)).mean() == Approx(0.49).margin(0.02));

  const pf::Dequantized model(Cells(), pf::UniformNoise(), {.levels = 256});
  const Tensor<> high = Tensor<>::full({200'000, 1}, 255);  // where x + u has 16 bits for u
  model.bound(high, 1, rng);
  CHECK(model.density().seen.max() < 256);
  CHECK(model.density().seen.min() >= 255);
}

TEST_CASE("dequantized: for each context of a conditional density the bound is that of its flow") {
  pf::Rng rng(4);
  const auto flow = pf::conditional_real_nvp({.features = 2, .layers = 2, .hidden = {8}}, 1, rng);
  const pf::Dequantized model(flow, pf::UniformNoise{}, {.levels = levels, .particles = 2});
  const Tensor<> x = pairs(3, rng), context{{3, 1}, {0.5f, -1, 2}};
  pf::Rng noise(5), same(5);
  const Tensor<> u = pf::uniform({6, 2}, same);
  const Tensor<> each = flow.log_prob(pf::concat({x, x}) + u, pf::concat({context, context}));
  const Tensor<> bound = pf::logsumexp(pf::reshape(each, {2, 3}), 0) - std::log(2.0);
  const Tensor<> found = model.log_likelihood(x, context, noise).value;
  for (Index i = 0; i < 3; ++i) CHECK(found(i) == Approx(bound(i)).epsilon(1e-5));
  const Tensor<> drawn = model.sample(context, rng);
  REQUIRE(drawn.shape() == pf::Shape{3, 2});
  for (const float v : drawn) CHECK((v >= 0 && v < levels && v == std::floor(v)));
  CHECK_THROWS_AS(model.log_prob(x, Tensor<>::ones({2, 1}), rng), pf::ShapeError);
}

TEST_CASE("dequantized models train all their parts, draw whole numbers, and refuse others") {
  pf::Rng rng(4);
  const pf::Dequantized model(smooth_flow(rng), variational_noise(rng), {.levels = levels});
  const auto gradients = pf::gradient(pf::mle(model, pairs(16, rng), rng), model);
  CHECK(gradients.size() == 4 * 4 + 4 * 4);
  for (const auto& g : gradients) CHECK(pf::max(pf::abs(g)).item() > 0);
  const Tensor<> x = model.sample(500, rng);
  for (float v : x) CHECK((v == 0 || v == 1 || v == 2));

  auto with_norm = pf::Dequantized(pf::real_nvp({.features = 2, .layers = 2, .act_norm = true}, rng));
  const double before = pf::mle(with_norm, 100 + pairs(100, rng), rng).item();
  with_norm.initialize(100 + pairs(100, rng), rng);
  CHECK(pf::mle(with_norm, 100 + pairs(100, rng), rng).item() < before - 100);

  CHECK_THROWS_AS(model.bound(Tensor<>({1, 2}, {0.5f, 1}), 1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.bound(Tensor<>({1, 2}, {3, 1}), 1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.bound(Tensor<>({1, 2}, {-1, 1}), 1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.bound(Tensor<>{1, 2}, 1, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.bound(every_pair, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::Dequantized(smooth_flow(rng), pf::UniformNoise(), {.particles = 0}), pf::ValueError);
}
