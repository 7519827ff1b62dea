#include <pushforward/core/threads.hpp>
#include <pushforward/models/annealed_importance.hpp>
#include <pushforward/ops/random.hpp>

#include "support/catch.hpp"
#include "support/linear_gaussian.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("annealing bounds the likelihood from below and from above, closely with many steps") {
  pf::Rng rng(1);
  const tests::LinearGaussian model;
  const Index n = 200;
  const Tensor<double> z = model.prior().sample(n, rng), x = model.decode(z).sample(rng);
  const double truth = model.log_prob(x).mean();
  auto gaps = [&](Index steps) {
    const pf::DecoderAnnealingOptions options{.chains = 4, .steps = steps, .leapfrogs = 5, .step_size = 0.15};
    const auto below = pf::annealed_log_likelihood(model, x, options, rng);
    const auto above = pf::annealed_upper_bound(model, x, z, options, rng);
    CHECK(below.acceptance > 0.8);
    CHECK(below.acceptance <= 1.0);
    CHECK_FALSE(below.value.tracked());
    return std::pair(truth - below.value.mean(), above.value.mean() - truth);
  };
  const auto [rough_below, rough_above] = gaps(4);
  const auto [below, above] = gaps(150);
  CHECK(rough_below > 0.05);
  CHECK(rough_above > 0.05);
  CHECK(std::fabs(below) < 0.02);
  CHECK(std::fabs(above) < 0.02);
}

TEST_CASE("the encoder plays no part, however wrong") {
  const tests::LinearGaussian model;
  tests::LinearGaussian wrong;
  wrong.shift = Tensor<double>{50.0};
  pf::Rng rng(2), first(3), second(3);
  const Tensor<double> x = model.sample(5, rng);
  const pf::DecoderAnnealingOptions options{.chains = 2, .steps = 10, .leapfrogs = 3};
  CHECK(pf::annealed_log_likelihood(model, x, options, first).value.to_vector() ==
        pf::annealed_log_likelihood(wrong, x, options, second).value.to_vector());
}

TEST_CASE("one step is importance sampling from the prior") {
  const tests::LinearGaussian model;
  pf::Rng rng(4), first(5), second(5);
  const Tensor<double> x = model.sample(3, rng);
  const Tensor<double> z = pf::reshape(model.prior().sample(7 * 3, first), {7, 3, 1});
  const Tensor<double> expected = pf::logsumexp(model.decode(z).log_prob(x), 0) - std::log(7.0);
  const Tensor<double> found = pf::annealed_log_likelihood(model, x, {.chains = 7, .steps = 1}, second).value;
  CHECK(pf::max(pf::abs(found - expected)).item() < 1e-12);
}

TEST_CASE("annealing gives the same bits for any number of threads, and refuses nonsense") {
  const tests::LinearGaussian model;
  const int before = pf::num_threads();
  auto value = [&](int threads) {
    pf::set_num_threads(threads);
    pf::Rng rng(6);
    const Tensor<double> x = model.sample(300, rng);
    return pf::annealed_log_likelihood(model, x, {.chains = 8, .steps = 5, .leapfrogs = 2}, rng).value.to_vector();
  };
  const auto one = value(1), three = value(3);
  pf::set_num_threads(before);
  CHECK(one == three);
  pf::Rng rng(7);
  const Tensor<double> x = Tensor<double>::zeros({2, 3});
  CHECK_THROWS_AS(pf::annealed_log_likelihood(model, Tensor<double>::zeros({3}), {}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::annealed_log_likelihood(model, x, {.chains = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::annealed_log_likelihood(model, x, {.step_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::annealed_upper_bound(model, x, Tensor<double>::zeros({3, 1}), {}, rng), pf::ShapeError);
}
