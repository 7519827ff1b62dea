#include <pushforward/models/inverse_masked_flow.hpp>
#include <pushforward/models/planar_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

template <class Flow>
void check_flow(const Flow& flow, pf::Rng& rng) {
  CHECK(support::mass_on_grid(flow, 16, 400) == Approx(1.0).margin(1e-3));
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  CHECK_NOTHROW(pf::testing::check_bijector(flow.bijector(), pf::normal<double>({3, 2}, rng)));
  for (const auto& draws : {flow.sample_and_log_prob(7, rng), flow.rsample_and_log_prob(7, rng)})
    CHECK(pf::max(pf::abs(draws.log_prob - flow.log_prob(draws.value))).item() < 1e-9);
}

// y = x^2 / 2 + noise: entropy 1.419 + 1.419 + log 0.3 = 1.634 nats; the best normal has 2.57.
Tensor<> banana(Index n, pf::Rng& rng) {
  const Tensor<> x = pf::normal({n, 1}, rng);
  return pf::concat({x, 0.5 * pf::square(x) + 0.3 * pf::normal({n, 1}, rng)}, 1);
}
Tensor<> banana_log_prob(const Tensor<>& x) {
  const Tensor<> first = pf::select(x, -1, 0), second = pf::select(x, -1, 1) - 0.5 * pf::square(first);
  return -0.5 * pf::square(first) - 0.5 * pf::square(second / 0.3) - static_cast<float>(std::log(6.2831853 * 0.3));
}

}  // namespace

TEST_CASE("planar and inverse autoregressive flows integrate to one, and their draws follow their densities") {
  pf::Rng rng(1);
  check_flow(support::stirred<double>(pf::planar_flow<double>({.features = 2, .layers = 4}, rng), 1.5, 0.1, rng), rng);
  check_flow(support::stirred<double>(
                 pf::inverse_autoregressive_flow<double>(
                     {.features = 2, .layers = 3, .hidden = {14}, .activation = pf::Activation::tanh}, rng),
                 1.5, 0.1, rng),
             rng);
}

TEST_CASE("a planar flow learns a density that no normal has, through the gradients of its numerical inverse") {
  pf::Rng rng(2);
  const Tensor<> train = banana(2000, rng), test = banana(4000, rng);
  auto flow = pf::planar_flow({.features = 2, .layers = 8, .act_norm = true}, rng);
  pf::fit(
      flow, train, pf::mle,
      {.epochs = 30, .batch_size = 200, .optimizer = pf::Adam({.learning_rate = 2e-2}), .progress = pf::Progress::off},
      rng);
  const double nats = pf::mle(flow, test).item();
  INFO(nats);
  CHECK(nats < 1.95);
  CHECK(nats > 1.58);  // below the entropy would be a density above the truth
}

TEST_CASE("an inverse autoregressive flow learns a posterior from its own draws") {
  pf::Rng rng(3);
  auto flow = pf::inverse_autoregressive_flow({.features = 2, .layers = 3, .hidden = {32}}, rng);
  auto divergence = [&](const auto& model, Index n) {
    const auto draws = model.rsample_and_log_prob(n, rng);
    return pf::mean(draws.log_prob - banana_log_prob(draws.value));
  };
  const double before = divergence(flow, 4096).item();
  std::vector<Tensor<>> velocity;
  for (int step = 0; step < 600; ++step) {
    const auto gradients = pf::gradient(divergence(flow, 256), flow);
    if (velocity.empty()) velocity.assign(gradients.begin(), gradients.end());
    std::size_t i = 0;
    pf::for_each_parameter(flow, [&](const pf::Path&, pf::Parameter<>& p) {
      velocity[i] = 0.9 * velocity[i] + gradients[i];
      p = pf::stop_gradient(p.tensor()) - 0.003 * velocity[i];
      ++i;
    });
  }
  const double nats = divergence(flow, 4096).item();
  INFO(before << " " << nats);
  CHECK(before > 1);
  CHECK(nats < 0.1);
  CHECK(nats > -0.05);  // a divergence is not negative; 4096 draws leave an error of about 0.01
}

TEST_CASE("builders of planar and inverse autoregressive flows refuse what makes no flow") {
  pf::Rng rng(4);
  CHECK_THROWS_AS(pf::planar_flow({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::planar_flow({.features = 2, .layers = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::inverse_autoregressive_flow({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::inverse_autoregressive_flow({.features = 2, .layers = 0}, rng), pf::ValueError);
}
