#include <pushforward/bijectors/transform_coupling.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/models/gaussianization_flow.hpp>
#include <pushforward/models/monotone_flows.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Calls visit(flow) with a small flow of each kind.
template <class S, class Visit>
void for_each_flow(Index d, pf::Rng& rng, const Visit& visit) {
  constexpr auto smooth = pf::Activation::tanh;
  visit(pf::neural_autoregressive_flow<S>(
      {.features = d, .layers = 2, .units = 4, .hidden = {16}, .activation = smooth}, rng));
  visit(pf::bernstein_flow<S>({.features = d, .layers = 2, .degree = 8, .hidden = {16}, .activation = smooth}, rng));
  visit(pf::sum_of_squares_flow<S>({.features = d, .layers = 2, .hidden = {16}, .activation = smooth}, rng));
  visit(pf::gaussianization_flow<S>({.features = d, .layers = 3, .components = 8}, rng));
}

// Two crescents: x normal, y = x^2 / 2 on one side or the other, with noise of 0.2.
template <class S = float>
Tensor<S> crescents(Index n, pf::Rng& rng) {
  const Tensor<S> x = pf::normal<S>({n, 1}, rng), side = 2 * (pf::uniform<S>({n, 1}, rng) < 0.5) - 1;
  return pf::concat({x, side * (0.5 + 0.5 * pf::square(x)) + 0.2 * pf::normal<S>({n, 1}, rng)}, 1);
}

pf::FitOptions short_training(Index epochs) {
  return {.epochs = epochs,
          .batch_size = 200,
          .optimizer = pf::Adam({.learning_rate = 5e-3}),
          .progress = pf::Progress::off};
}

// The integral of the density over [-reach, reach]^2, by the midpoint rule.
template <class Flow>
double total_mass(const Flow& flow, double reach, Index n) {
  using S = typename Flow::Scalar;
  const double step = 2 * reach / static_cast<double>(n);
  const Tensor<S> x = Tensor<S>::generate({n * n, 2}, [&](Index i) {
    return static_cast<S>(-reach + (static_cast<double>(i % 2 == 0 ? i / 2 / n : i / 2 % n) + 0.5) * step);
  });
  pf::NoGradient guard;
  return static_cast<double>(pf::exp(flow.log_prob(x)).sum()) * step * step;
}

}  // namespace

TEST_CASE("flows of monotone transforms learn, and their densities integrate to one") {
  pf::Rng rng(1);
  const Tensor<> train = crescents(2000, rng), test = crescents(4000, rng);
  for_each_flow<float>(2, rng, [&](auto flow) {
    flow.initialize(train);
    const double before = pf::mle(flow, test).item();
    pf::fit(flow, train, pf::mle, short_training(20), rng);
    const double nats = pf::mle(flow, test).item();
    INFO(before << " -> " << nats);
    CHECK(nats < before - 0.1);
    // The crescents do not overlap: 1.419 + 1.419 + log 0.2 + log 2 = 1.92 nats, less three standard errors.
    CHECK(nats > 1.87);
    CHECK(nats < 2.85);  // the best normal has 3.05
    CHECK(total_mass(flow, 12, 240) == Approx(1).margin(3e-3));
  });
}

TEST_CASE("flows of monotone transforms invert, draw what they score, and are distributions") {
  pf::Rng rng(2);
  for_each_flow<double>(3, rng, [&](auto flow) {
    flow.initialize(pf::normal<double>({200, 3}, rng) * 1.5 + 0.3);
    CHECK_NOTHROW(pf::testing::check_bijector(flow.bijector(), pf::normal<double>({2, 3}, rng)));
    for (const auto& draws : {flow.sample_and_log_prob(7, rng), flow.rsample_and_log_prob(7, rng)})
      CHECK(pf::max(pf::abs(draws.log_prob - flow.log_prob(draws.value))).item() < 1e-8);
    pf::Rng a(5), b(5);
    CHECK(pf::max(pf::abs(flow.sample(20, a) - flow.rsample(20, b))).item() < 1e-9);
  });
}

TEST_CASE("the log-densities of flows of monotone transforms have gradients of order 2 in the data") {
  pf::Rng rng(5);
  for_each_flow<double>(2, rng, [&](const auto& flow) {
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return flow.log_prob(x); },
                                               pf::normal<double>({2, 2}, rng), {.order = 2}));
  });
}

TEST_CASE("an outlier has a low density under flows of monotone transforms, not NaN") {
  pf::Rng rng(6);
  for_each_flow<float>(2, rng, [&](auto flow) {
    flow.initialize(pf::normal({200, 2}, rng));
    const Tensor<> found = flow.log_prob(Tensor<>{{3, 2}, {3e38f, 0.0f, 1e20f, -1e20f, 1e6f, 1.0f}});
    for (float value : found) {
      CHECK_FALSE(std::isnan(value));
      CHECK(value < -300);  // a Gaussianization has tails that fall as e^-|x| / scale only
    }
  });
}

TEST_CASE("a Gaussianization flow is worth having as soon as it is initialized, and better with more layers") {
  pf::Rng rng(7);
  const Tensor<> train = crescents(4000, rng), test = crescents(4000, rng);
  double last = 3.05;  // what the best normal has
  for (const Index layers : {2, 8}) {
    auto flow = pf::gaussianization_flow({.features = 2, .layers = layers}, rng);
    flow.initialize(train);
    const double nats = pf::mle(flow, test).item();
    INFO(nats);
    CHECK(nats < last - 0.1);
    last = nats;
  }
}

TEST_CASE("conditional layers of monotone transforms make a conditional flow") {
  pf::Rng rng(8);
  using Layer = pf::ConditionalTransformCoupling<pf::Mlp<double>, pf::SigmoidalTransform>;
  const pf::SigmoidalTransform transform({.units = 4});
  std::vector<Layer> layers;
  for (const auto keep : {pf::Keep::first_half, pf::Keep::second_half})
    layers.emplace_back(pf::Mlp<double>({1 + 1, 16, transform.numbers()}, rng, {.activation = pf::Activation::tanh}), 2,
                        transform, keep);
  pf::ConditionalFlow<Layer> flow(2, std::move(layers));
  // x = (c, -c) + 0.5 e: 2.838 + 2 log 0.5 = 1.45 nats, whatever c.
  auto draw = [&](Index n) {
    const Tensor<double> c = pf::normal<double>({n, 1}, rng);
    return std::tuple(pf::concat({c, -c}, 1) + 0.5 * pf::normal<double>({n, 2}, rng), c);
  };
  const auto train = draw(2000), test = draw(2000);
  auto objective = [](const auto& model, const auto& batch) {
    return -pf::mean(model.log_prob(std::get<0>(batch), std::get<1>(batch)));
  };
  pf::fit(flow, train, objective, short_training(15), rng);
  const double nats = objective(flow, test).item();
  INFO(nats);
  CHECK(nats < 1.6);
  CHECK(nats > 1.38);  // the entropy less three standard errors, sqrt(1 / 2000) each
  CHECK(total_mass(flow.given(Tensor<double>{0.7}), 12, 300) == Approx(1).margin(1e-3));
}

TEST_CASE("flows of monotone transforms stand on a mixture, start their ActNorm, and refuse what makes no flow") {
  pf::Rng rng(9);
  const pf::LearnedMixture<> bumps(4, 2, rng, 2.0);
  auto flow = pf::neural_autoregressive_flow({.features = 2, .layers = 2, .hidden = {8}, .act_norm = true}, bumps, rng);
  const Tensor<> data = pf::normal({200, 2}, rng) * 50 + 1000;
  const double before = flow.log_prob(data).mean();
  flow.initialize(data);
  CHECK(flow.log_prob(data).mean() > before + 100);
  CHECK(flow.sample(3, rng).shape() == pf::Shape{3, 2});
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::ones({3, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::neural_autoregressive_flow({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::neural_autoregressive_flow({.features = 2, .layers = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::neural_autoregressive_flow({.features = 2, .units = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::bernstein_flow({.features = 2, .degree = 2}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::sum_of_squares_flow({.features = 2, .squares = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::gaussianization_flow({.features = 2, .components = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::gaussianization_flow({.features = 2, .reflections = -1}, rng), pf::ValueError);
}
