#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/inverse_masked_flow.hpp>
#include <pushforward/models/masked_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

auto small_flow(Index d, pf::Rng& rng) {
  auto flow = pf::masked_autoregressive_flow<double>(
      {.features = d, .layers = 3, .hidden = {14}, .activation = pf::Activation::tanh}, rng);
  // Weights far enough from their start that the density has structure.
  pf::for_each_parameter<double>(flow, [&](const pf::Path&, pf::Parameter<double>& p) {
    p = p.tensor() * 1.5 + pf::normal<double>(p.shape(), rng) * 0.1;
  });
  return flow;
}

}  // namespace

TEST_CASE("the density of an autoregressive flow integrates to one, and its draws follow it") {
  pf::Rng rng(1);
  const auto flow = small_flow(2, rng);
  constexpr Index n = 500;
  constexpr double reach = 16, step = 2 * reach / n;
  const Tensor<double> x = Tensor<double>::generate({n * n, 2}, [](Index i) {
    return -reach + (static_cast<double>(i % 2 == 0 ? i / 2 / n : i / 2 % n) + 0.5) * step;
  });
  {
    pf::NoGradient guard;
    CHECK(pf::exp(flow.log_prob(x)).sum() * step * step == Approx(1.0).margin(1e-3));
  }
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
}

TEST_CASE("an autoregressive flow inverts, and draws come with the log-density of the draws") {
  pf::Rng rng(2);
  for (const Index d : {2, 3, 6}) {
    const auto flow = small_flow(d, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(flow.bijector(), pf::normal<double>({2, d}, rng)));
    for (const auto& draws : {flow.sample_and_log_prob(7, rng), flow.rsample_and_log_prob(7, rng)})
      CHECK(pf::max(pf::abs(draws.log_prob - flow.log_prob(draws.value))).item() < 1e-9);
    pf::Rng a(5), b(5);
    CHECK(pf::max(pf::abs(flow.sample(20, a) - flow.rsample(20, b))).item() < 1e-9);
  }
}

TEST_CASE("an autoregressive flow of splines is a density that its draws follow") {
  pf::Rng rng(12);
  auto flow = pf::masked_autoregressive_flow<double>({.features = 2,
                                                      .layers = 2,
                                                      .hidden = {12},
                                                      .map = pf::AutoregressiveMap::rational_quadratic,
                                                      .spline = {.bins = 6, .bound = 4}},
                                                     rng);
  pf::for_each_parameter<double>(flow, [&](const pf::Path&, pf::Parameter<double>& p) {
    p = p.tensor() + pf::normal<double>(p.shape(), rng) * 0.1;  // sharper ones are hard to integrate
  });
  CHECK_NOTHROW(pf::testing::check_bijector(flow.bijector(), pf::normal<double>({3, 2}, rng) * 2));
  const auto drawn_fast = pf::inverse_autoregressive_flow<double>(
      {.features = 3, .layers = 2, .hidden = {12}, .map = pf::AutoregressiveMap::rational_quadratic}, rng);
  CHECK_NOTHROW(pf::testing::check_bijector(drawn_fast.bijector(), pf::normal<double>({3, 3}, rng) * 2));
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  CHECK_THROWS_AS(pf::masked_autoregressive_flow(
                      {.features = 2, .map = pf::AutoregressiveMap::rational_quadratic, .spline = {.bins = 1}}, rng),
                  pf::ValueError);
}

TEST_CASE("the log-density of an autoregressive flow has gradients of order 2 in the data") {
  pf::Rng rng(3);
  const auto flow = small_flow(3, rng);
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return flow.log_prob(x); },
                                             pf::normal<double>({2, 3}, rng), {.order = 2}));
}

TEST_CASE("gradient steps on its likelihood teach an autoregressive flow a density that no normal has") {
  pf::Rng rng(4);
  auto flow = pf::masked_autoregressive_flow({.features = 2, .layers = 3, .hidden = {32}}, rng);
  // y = x^2 / 2 + noise: entropy 1.419 + 1.419 + log 0.2 = 1.23 nats.
  auto draw = [&](Index n) {
    const Tensor<> x = pf::normal({n, 1}, rng);
    return pf::concat({x, 0.5 * pf::square(x) + 0.2 * pf::normal({n, 1}, rng)}, 1);
  };
  std::vector<Tensor<>> velocity;
  for (int step = 0; step < 600; ++step) {
    const auto gradients = pf::gradient(pf::mle(flow, draw(256)), flow);
    if (velocity.empty()) velocity.assign(gradients.begin(), gradients.end());
    std::size_t i = 0;
    pf::for_each_parameter(flow, [&](const pf::Path&, pf::Parameter<>& p) {
      velocity[i] = 0.9 * velocity[i] + gradients[i];
      p = pf::stop_gradient(p.tensor()) - 0.01 * velocity[i];
      ++i;
    });
  }
  const double nats = pf::mle(flow, draw(4096)).item();
  CHECK(nats < 1.4);   // the best normal has 1.9
  CHECK(nats > 1.15);  // below the entropy would be a density above the truth
}

TEST_CASE("an outlier has a low density under an autoregressive flow, not NaN") {
  pf::Rng rng(5);
  const auto flow = pf::masked_autoregressive_flow({.features = 2, .layers = 5}, rng);
  const Tensor<> found = flow.log_prob(Tensor<>{{3, 2}, {3e38f, 0.0f, 1e20f, -1e20f, 1e6f, 1.0f}});
  for (float value : found) {
    CHECK_FALSE(std::isnan(value));
    CHECK(value < -1e8f);
  }
}

TEST_CASE("an autoregressive flow stands on a mixture, starts its ActNorm from data, and refuses what makes no flow") {
  pf::Rng rng(6);
  const pf::LearnedMixture<> bumps(4, 2, rng, 2.0);
  auto flow = pf::masked_autoregressive_flow({.features = 2, .layers = 2, .hidden = {8}, .act_norm = true}, bumps, rng);
  const Tensor<> data = pf::normal({200, 2}, rng) * 50 + 1000;
  const double before = flow.log_prob(data).mean();
  flow.initialize(data);
  CHECK(flow.log_prob(data).mean() > before + 100);
  CHECK(flow.sample(3, rng).shape() == pf::Shape{3, 2});
  CHECK_THROWS_AS(pf::masked_autoregressive_flow({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::masked_autoregressive_flow({.features = 2, .layers = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::ones({3, 3})), pf::ShapeError);
}
