#include <pushforward/models/conditional_masked_flow.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr pf::AutoregressiveMap maps[] = {pf::AutoregressiveMap::affine, pf::AutoregressiveMap::rational_quadratic};

pf::ConditionalMaskedAutoregressiveFlowOptions options(Index features, pf::AutoregressiveMap map) {
  return {.features = features,
          .layers = 3,
          .hidden = {14},
          .activation = pf::Activation::tanh,
          .map = map,
          .spline = {.bins = 4}};
}

// Calls visit(flow) with a flow of each kind for 2 numbers of context.
template <class Visit>
void for_each_flow(Index features, pf::Rng& rng, const Visit& visit) {
  for (const auto map : maps) {
    visit(pf::conditional_masked_autoregressive_flow<double>(options(features, map), 2, rng));
    visit(pf::conditional_inverse_autoregressive_flow<double>(options(features, map), 2, rng));
  }
}

// -log p(x | context) of a batch, in nats.
const auto objective = [](const auto& model, const auto& batch) {
  return -pf::mean(model.log_prob(std::get<0>(batch), std::get<1>(batch)));
};

}  // namespace

TEST_CASE("a conditional autoregressive flow is a flow for each context") {
  pf::Rng rng(1);
  for (const Index d : {1, 3})
    for_each_flow(d, rng, [&](const auto& flow) {
      CHECK_NOTHROW(pf::testing::check_distribution(flow.given(Tensor<double>{0.5, -1}), rng));
      const Tensor<double> x = pf::normal<double>({5, d}, rng), context = pf::normal<double>({5, 2}, rng);
      const Tensor<double> all = flow.log_prob(x, context);
      for (Index i = 0; i < 5; ++i)
        CHECK(all(i) ==
              Approx(flow.given(pf::select(context, 0, i)).log_prob(pf::select(x, 0, i)).item()).epsilon(1e-12));
      CHECK(std::abs(all(0) - flow.log_prob(x, pf::flip(context, 0))(0)) > 1e-6);  // the context matters
      CHECK(flow.sample(context, rng).shape() == pf::Shape{5, d});
      const auto given = flow.given(context);
      const auto draws = given.rsample_and_log_prob(5, rng);
      CHECK(pf::max(pf::abs(draws.log_prob - given.log_prob(draws.value))).item() < 1e-9);
      CHECK_NOTHROW(pf::testing::check_module(flow, [&](const auto& model) { return model.log_prob(x, context); }));
    });
}

TEST_CASE("a conditional autoregressive flow learns a conditional density whose first number is not linear") {
  // x0 = sin(2 c) + 0.2 e0, x1 = c x0 + 0.3 e1: entropy 2.838 + log 0.06 = 0.025 nats, whatever c.
  auto draw = [](Index n, pf::Rng& rng) {
    const Tensor<> c = pf::normal({n, 1}, rng), first = pf::sin(2 * c) + 0.2 * pf::normal({n, 1}, rng);
    return std::tuple(pf::concat({first, c * first + 0.3 * pf::normal({n, 1}, rng)}, 1), c);
  };
  for (const auto map : maps) {
    pf::Rng rng(2);
    const auto train = draw(4000, rng), test = draw(4000, rng);
    auto flow = pf::conditional_masked_autoregressive_flow(
        {.features = 2, .layers = 3, .hidden = {32, 32}, .activation = pf::Activation::silu, .map = map}, 1, rng);
    pf::fit(flow, train, objective,
            {.epochs = 24,
             .batch_size = 200,
             .optimizer = pf::Adam({.learning_rate = 1e-2}),
             .schedule = pf::cosine_decay(),
             .progress = pf::Progress::off},
            rng);
    const double nats = objective(flow, test).item();
    INFO(nats);
    CHECK(nats < 0.15);
    CHECK(nats > -0.03);  // the entropy less three standard errors, sqrt(1 / 4000) each
    const Tensor<> drawn = flow.sample(Tensor<>::full({4000, 1}, 0.8f), rng);
    CHECK(pf::mean(drawn, 0)(0) == Approx(std::sin(1.6)).margin(0.1));
    CHECK(pf::mean(drawn, 0)(1) == Approx(0.8 * std::sin(1.6)).margin(0.1));
  }
}

TEST_CASE("conditional autoregressive flows refuse options and contexts that do not fit") {
  pf::Rng rng(3);
  CHECK_THROWS_AS(pf::conditional_masked_autoregressive_flow({.features = 0}, 3, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_masked_autoregressive_flow({.features = 2, .layers = 0}, 3, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_masked_autoregressive_flow({.features = 2}, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_masked_autoregressive_flow({.features = 2, .max_log_scale = 0}, 3, rng),
                  pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_masked_autoregressive_flow(
                      {.features = 2, .map = pf::AutoregressiveMap::rational_quadratic, .spline = {.bins = 1}}, 3, rng),
                  pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_inverse_autoregressive_flow({.features = 0}, 3, rng), pf::ValueError);
  const auto flow = pf::conditional_masked_autoregressive_flow({.features = 2, .layers = 2}, 3, rng);
  const Tensor<> x = Tensor<>::ones({4, 2});
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::ones({5, 3})), pf::ShapeError);
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(flow.sample(Tensor<>::ones({3}), rng), pf::ShapeError);
}
