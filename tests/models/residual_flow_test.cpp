#include <pushforward/models/concepts.hpp>
#include <pushforward/models/residual_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Weights far enough from their start that the density has structure.
template <class Flow>
Flow stirred(Flow flow, pf::Rng& rng) {
  pf::for_each_parameter<double>(flow, [&](const pf::Path&, pf::Parameter<double>& p) {
    p = p.tensor() * 1.2 + pf::normal<double>(p.shape(), rng) * 0.1;
  });
  return flow;
}

// The integral of exp(log_prob) over [-12, 12]^2 by the midpoint rule.
template <class Model>
double mass_on_grid(const Model& model) {
  pf::NoGradient guard;
  constexpr Index n = 100;  // exact to 1e-9 for densities this smooth
  constexpr double reach = 12, step = 2 * reach / n;
  const Tensor<double> x = Tensor<double>::generate({n * n, 2}, [](Index i) {
    return -reach + (static_cast<double>(i % 2 == 0 ? i / 2 / n : i / 2 % n) + 0.5) * step;
  });
  return pf::exp(model.log_prob(x)).sum() * step * step;
}

// y = x^2 / 2 + noise: entropy 1.419 + 1.419 + log 0.3 = 1.634 nats; the best normal has 2.57.
Tensor<> banana(Index n, pf::Rng& rng) {
  const Tensor<> x = pf::normal({n, 1}, rng);
  return pf::concat({x, 0.5 * pf::square(x) + 0.3 * pf::normal({n, 1}, rng)}, 1);
}

// The largest slope of a block's network found among many pairs of points.
double steepest(const pf::ResidualBlock<>& block, pf::Rng& rng) {
  pf::NoGradient guard;
  const Tensor<> x = pf::normal({2000, 2}, rng) * 2, step = pf::normal({2000, 2}, rng) * 0.1;
  return pf::max(pf::norm(block.net()(x + step) - block.net()(x), {-1}) / pf::norm(step, {-1})).item();
}

}  // namespace

TEST_CASE("residual flows integrate to one, and their draws follow their densities") {
  pf::Rng rng(1);
  for (const bool act_norm : {false, true}) {
    const auto flow =
        stirred(pf::residual_flow<double>(
                    {.features = 2, .layers = act_norm ? 2 : 3, .hidden = {8}, .act_norm = act_norm}, rng),
                rng);
    CHECK(mass_on_grid(flow) == Approx(1.0).margin(1e-5));
    CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
    CHECK_NOTHROW(pf::testing::check_bijector(flow, pf::normal<double>({3, 2}, rng)));
    CHECK_NOTHROW(pf::testing::check_module(
        flow, [x = pf::normal<double>({3, 2}, rng)](const auto& model) { return model.log_prob(x); }));
    for (const auto& draws : {flow.sample_and_log_prob(7, rng), flow.rsample_and_log_prob(7, rng)})
      CHECK(pf::max(pf::abs(draws.log_prob - flow.log_prob(draws.value))).item() < 1e-9);
  }
}

TEST_CASE("a residual flow says whether its log-likelihood is exact, and estimates it without bias") {
  pf::Rng rng(2);
  const auto exact = pf::residual_flow<double>({.features = 2, .layers = 2, .hidden = {8}}, rng);
  const Tensor<double> x = pf::normal<double>({5, 2}, rng);
  const auto known = exact.log_likelihood(x, rng);
  CHECK(known.kind == pf::LikelihoodKind::exact);
  CHECK(known.value.to_vector() == exact.log_prob(x).to_vector());
  const auto flow = pf::residual_flow<double>({.features = 2,
                                               .layers = 2,
                                               .hidden = {8},
                                               .coefficient = 0.7,
                                               .log_det = {.method = pf::ResidualLogDet::roulette}},
                                              rng);
  CHECK(flow.log_likelihood(x, rng).kind == pf::LikelihoodKind::estimate);
  CHECK(pf::log_likelihood(flow, x, rng).kind == pf::LikelihoodKind::exact);  // log_prob(x) does not estimate
  pf::NoGradient guard;
  double sum = 0, squares = 0;
  constexpr int calls = 3000;
  for (int i = 0; i < calls; ++i) {
    const double v = flow.log_prob(x, rng).mean();
    sum += v, squares += v * v;
  }
  const double mean = sum / calls, error = std::sqrt((squares / calls - mean * mean) / calls);
  CHECK(std::abs(mean - flow.log_prob(x).mean()) < 5 * error);
  CHECK(error > 0);
}

TEST_CASE("a residual flow learns a density that no normal has, and stays invertible") {
  for (const auto method : {pf::ResidualLogDet::automatic, pf::ResidualLogDet::roulette}) {
    pf::Rng rng(3);
    const Tensor<> train = banana(3000, rng), test = banana(4000, rng);
    auto flow = pf::residual_flow(
        {.features = 2, .layers = 4, .hidden = {16}, .log_det = {.method = method}, .act_norm = true}, rng);
    pf::fit(flow, train, pf::mle,
            {.epochs = 10,
             .batch_size = 200,
             .optimizer = pf::Adam({.learning_rate = 2e-2}),
             .schedule = pf::cosine_decay(),
             .progress = pf::Progress::off},
            rng);
    const double nats = -flow.log_prob(test).mean();  // exact, however it was trained
    INFO(nats);
    CHECK(nats < 1.75);
    CHECK(nats > 1.58);  // the entropy less three standard errors: below it would be a density above the truth
    for (const auto& block : flow.blocks()) CHECK(steepest(block, rng) <= 0.9 * (1 + 1e-3));
    const Tensor<> z = pf::normal({500, 2}, rng), x = flow.forward(z).value;
    CHECK(pf::max(pf::abs(flow.inverse(x).value - z)).item() < 1e-4);
    pf::Rng one(7), same(7);
    CHECK(flow.sample(9, one).to_vector() == flow.sample_and_log_prob(9, same).value.to_vector());
  }
}

TEST_CASE("training a residual flow gives the same bits again") {
  auto trained = [] {
    pf::Rng rng(4);
    const Tensor<> data = banana(400, rng);
    auto flow = pf::residual_flow(
        {.features = 2, .layers = 2, .hidden = {8}, .log_det = {.method = pf::ResidualLogDet::roulette}}, rng);
    pf::fit(flow, data, pf::mle, {.epochs = 2, .progress = pf::Progress::off}, rng);
    return flow.log_prob(data).to_vector();
  };
  CHECK(trained() == trained());
}

TEST_CASE("residual flows refuse what makes no flow") {
  pf::Rng rng(5);
  CHECK_THROWS_AS(pf::residual_flow({.features = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::residual_flow({.features = 2, .layers = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::residual_flow({.features = 2, .coefficient = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::residual_flow({.features = 2, .activation = pf::Activation::relu}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::residual_flow({.features = 2, .log_det = {.terms = 0}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::residual_flow({.features = 2}, rng).log_prob(Tensor<>::ones({4, 3})), pf::ShapeError);
  const std::vector<pf::ResidualBlock<>> blocks(2, pf::ResidualBlock<>(2, rng));
  CHECK_THROWS_AS(pf::ResidualFlow(pf::standard_normal(2), blocks, {pf::ActNorm<>(2)}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualFlow<>(pf::standard_normal(2), {}), pf::ValueError);
}
