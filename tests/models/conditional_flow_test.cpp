#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Calls visit(flow) with a flow of each kind for 3 features and 2 numbers of context.
template <class S, class Visit>
void for_each_flow(pf::Rng& rng, const Visit& visit) {
  visit(pf::conditional_real_nvp<S>({.features = 3, .layers = 4, .hidden = {12}, .activation = pf::Activation::tanh}, 2,
                                    rng));
  visit(pf::conditional_neural_spline_flow<S>(
      {.features = 3, .layers = 4, .bins = 4, .hidden = {12}, .activation = pf::Activation::tanh}, 2, rng));
}

}  // namespace

TEST_CASE("conditional couplings invert, and their log-determinant is the Jacobian's, for one context and for many") {
  pf::Rng rng(1);
  auto check = [&](const auto& layer, auto number) {
    using S = decltype(number);
    const Tensor<S> x = pf::normal<S>({4, 3}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(layer.given(pf::normal<S>({2}, rng)), x));
    const Tensor<S> contexts = pf::normal<S>({4, 2}, rng);
    const auto all = layer.given(contexts).forward(x);
    for (Index i = 0; i < 4; ++i) {
      const auto one = layer.given(pf::select(contexts, 0, i)).forward(pf::select(x, 0, i));
      CHECK(pf::max(pf::abs(one.value - pf::select(all.value, 0, i))).item() < 1e-5);
      CHECK(one.log_det.item() == Approx(all.log_det(i)).margin(1e-5));
    }
  };
  auto check_kinds = [&]<class S>(S number) {
    check(pf::ConditionalAffineCoupling<pf::Mlp<S>>(pf::Mlp<S>({1 + 2, 8, 4}, rng), 3), number);
    check(pf::ConditionalVolumePreservingCoupling<pf::Mlp<S>>(pf::Mlp<S>({1 + 2, 8, 4}, rng), 3), number);
    check(pf::ConditionalSplineCoupling<pf::Mlp<S>>(pf::Mlp<S>({1 + 2, 8, 2 * 11}, rng), 3, {.spline = {.bins = 4}}),
          number);
  };
  check_kinds(1.0);
  check_kinds(1.0f);
}

TEST_CASE("a conditional flow is a flow for each context") {
  pf::Rng rng(2);
  for_each_flow<double>(rng, [&](const auto& flow) {
    CHECK_NOTHROW(pf::testing::check_distribution(flow.given(Tensor<double>{0.5, -1}), rng));
    const Tensor<double> x = pf::normal<double>({5, 3}, rng), context = pf::normal<double>({5, 2}, rng);
    const Tensor<double> all = flow.log_prob(x, context);
    for (Index i = 0; i < 5; ++i)
      CHECK(all(i) ==
            Approx(flow.given(pf::select(context, 0, i)).log_prob(pf::select(x, 0, i)).item()).epsilon(1e-12));
    CHECK(std::abs(all(0) - flow.log_prob(x, pf::flip(context, 0))(0)) > 1e-6);  // the context matters
    CHECK(flow.sample(context, rng).shape() == pf::Shape{5, 3});
  });
}

TEST_CASE("the density of a conditional flow has gradients of order 2 in data and context, and in its parameters") {
  pf::Rng rng(3);
  for_each_flow<double>(rng, [&](const auto& flow) {
    const Tensor<double> x = pf::normal<double>({2, 3}, rng), context = pf::normal<double>({2, 2}, rng);
    auto score = [&](const auto& at, const auto& given) { return flow.log_prob(at, given); };
    CHECK_NOTHROW(pf::testing::check_gradients(score, {x, context}, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(flow, [&](const auto& model) { return model.log_prob(x, context); }));
  });
}

TEST_CASE("a conditional flow learns the conditional density of a linear model") {
  // x = (2 c, -c) + (0.5, 0.2) e with e normal: entropy 2.838 + log 0.1 = 0.535 nats, whatever c.
  pf::Rng rng(4);
  auto draw = [&](Index n) {
    const Tensor<> c = pf::normal({n, 1}, rng), mean = pf::concat({2 * c, -c}, 1);
    return std::tuple(mean + pf::normal({n, 2}, rng) * Tensor<>{0.5f, 0.2f}, c);
  };
  const auto train = draw(4000), test = draw(4000);
  auto flow = pf::conditional_real_nvp({.features = 2, .layers = 4, .hidden = {32}}, 1, rng);
  auto objective = [](const auto& model, const auto& batch) {
    return -pf::mean(model.log_prob(std::get<0>(batch), std::get<1>(batch)));
  };
  pf::fit(
      flow, train, objective,
      {.epochs = 25, .batch_size = 200, .optimizer = pf::Adam({.learning_rate = 5e-3}), .progress = pf::Progress::off},
      rng);
  const double nats = objective(flow, test).item();
  INFO(nats);
  CHECK(nats < 0.65);
  CHECK(nats > 0.48);  // the entropy less three standard errors, sqrt(1 / 4000) each
  const Tensor<> drawn = flow.sample(Tensor<>::full({4000, 1}, 1.5f), rng);
  CHECK(pf::mean(drawn, 0)(0) == Approx(3.0).margin(0.15));
  CHECK(pf::mean(drawn, 0)(1) == Approx(-1.5).margin(0.15));
}

TEST_CASE("conditional flows refuse contexts and options that do not fit") {
  pf::Rng rng(5);
  const auto flow = pf::conditional_real_nvp({.features = 2, .layers = 2}, 3, rng);
  const Tensor<> x = Tensor<>::ones({4, 2});
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_WITH(flow.log_prob(x, Tensor<>::ones({4, 2})), Catch::Contains("context of width 2, expected 3"));
  CHECK_THROWS_WITH(flow.sample(Tensor<>::ones({4, 5}), rng), Catch::Contains("context of width 5, expected 3"));
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::ones({5, 3})), pf::ShapeError);
  CHECK_THROWS_AS(flow.log_prob(x, Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(flow.sample(Tensor<>::ones({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::conditional_real_nvp({.features = 1}, 3, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_real_nvp({.features = 2}, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_real_nvp({.features = 2, .act_norm = true}, 3, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::conditional_neural_spline_flow({.features = 2, .bins = 1}, 3, rng), pf::ValueError);
}
