#include <pushforward/data/toy.hpp>
#include <pushforward/distributions/kernel_density.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/models/gaussianization_flow.hpp>
#include <pushforward/models/inverse_masked_flow.hpp>
#include <pushforward/models/monotone_flows.hpp>
#include <pushforward/models/planar_flow.hpp>
#include <pushforward/models/residual_flow.hpp>
#include <pushforward/models/tempered_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Two moons, each with its label.
std::pair<Tensor<>, Tensor<Index>> labelled_rows(Index n, pf::Rng& rng) {
  const Tensor<Index> label = Tensor<Index>::generate({n}, [](Index i) { return i % 2; });
  const Tensor<> turn = pf::uniform({n}, rng, 0, 3.14159265), noise = pf::normal({n, 2}, rng) * 0.1;
  const Tensor<> x = Tensor<>::generate({n, 2}, [&](Index i) {
    const float t = turn(i / 2), side = label(i / 2) == 0 ? 1.0f : -1.0f;
    return noise.data()[i] + (i % 2 == 0 ? side * (std::cos(t) - 0.5f) : side * (std::sin(t) - 0.25f));
  });
  return {x, label};
}

const pf::RealNvpOptions small{.features = 2, .layers = 4, .hidden = {32}, .activation = pf::Activation::tanh};

}  // namespace

TEST_CASE("a flow at a temperature is the flow on a narrower base, and a density") {
  pf::Rng rng(1);
  auto flow = pf::real_nvp<double>(small, rng);
  pf::for_each_parameter<double>(flow, [&](const pf::Path&, pf::Parameter<double>& p) {
    p = p.tensor() * 1.3 + pf::normal<double>(p.shape(), rng) * 0.1;
  });
  const auto cool = pf::tempered(flow, 0.6);
  CHECK_NOTHROW(pf::testing::check_distribution(cool, rng));
  pf::Rng one(2), same(2);
  const Tensor<double> z = 0.6 * pf::normal<double>({50, 2}, same);
  CHECK(pf::max(pf::abs(cool.sample(50, one) - flow.bijector().forward(z).value)).item() < 1e-12);
  CHECK(flow.log_prob(cool.sample(2000, rng)).mean() > flow.log_prob(flow.sample(2000, rng)).mean() + 0.3);

  // Where the bijector changes volumes alike everywhere, it is p^(1 / T^2), normalized.
  auto steady = pf::nice<double>({.features = 2, .layers = 3, .hidden = {8}}, rng);
  const auto warm = pf::tempered(steady, 1.5);
  const Tensor<double> x = pf::normal<double>({2, 2}, rng), was = steady.log_prob(x), is = warm.log_prob(x);
  CHECK((is(0) - is(1)) * 2.25 == Approx(was(0) - was(1)).epsilon(1e-9));

  // On a base of labels, and for one context of a conditional flow.
  const auto labelled = pf::real_nvp<double>(small, pf::LabelledNormal<double>(2, 2, rng), rng);
  CHECK(pf::tempered(labelled, 0.5).sample(Tensor<Index>{0, 1, 1}, rng).shape() == pf::Shape{3, 2});
  const auto given = pf::conditional_real_nvp<double>(small, 1, rng);
  CHECK(pf::tempered(given.given(Tensor<double>{0.5}), 0.5).sample(4, rng).shape() == pf::Shape{4, 2});
  CHECK_THROWS_AS(pf::tempered(flow, 0), pf::ValueError);
}

TEST_CASE("a flow on a base of labels learns each class, draws it, and classifies") {
  pf::Rng rng(3);
  const auto [x, label] = labelled_rows(3000, rng);
  const auto [test, truth] = labelled_rows(1000, rng);
  auto flow = pf::real_nvp(small, pf::LabelledNormal<>(2, 2, rng), rng);
  pf::fit(flow, std::tuple(x, label), pf::mle,
          {.epochs = 15,
           .batch_size = 128,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const Tensor<> posterior = flow.label_probabilities(test);
  Index right = 0;
  for (Index i = 0; i < 1000; ++i) right += posterior(i, truth(i)) > 0.5f;
  CHECK(right > 980);
  CHECK(pf::max(pf::abs(pf::sum(posterior, -1) - 1)).item() < 1e-5);
  // A moon has near log pi + log 0.1 + 1.42 = 0.26 nats, the best normal 1.37; both moons at once log 2 more.
  const double own = -flow.log_prob(test, truth).mean(), both = -flow.log_prob(test).mean();
  CHECK(own < 0.8);
  CHECK(own > 0.2);
  CHECK(both == Approx(own + std::log(2)).margin(0.05));

  const Tensor<> upper = flow.sample(Tensor<Index>::zeros({500}), rng);
  const Tensor<> lower = flow.sample(Tensor<Index>::ones({500}), rng);
  CHECK(flow.log_prob(upper, Tensor<Index>::zeros({500})).mean() >
        flow.log_prob(lower, Tensor<Index>::zeros({500})).mean() + 2);
  CHECK(pf::mean(upper, 0)(1) > pf::mean(lower, 0)(1) + 0.5f);
  CHECK(pf::LabelledDensity<decltype(flow)>);
  CHECK_FALSE(pf::LabelledDensity<pf::Flow<pf::Normal<>>>);
}

TEST_CASE("flows train on a learned normal and on a fixed mixture of normals") {
  pf::Rng rng(4);
  const Tensor<> x = pf::normal({2000, 2}, rng) * Tensor<>{0.5f, 2} + Tensor<>{1, -1};
  const pf::FitOptions options{.epochs = 10,
                               .optimizer = pf::Adam({.learning_rate = 5e-2}),
                               .schedule = pf::cosine_decay(),
                               .progress = pf::Progress::off};
  auto learned = pf::nice({.features = 2, .layers = 1, .hidden = {8}}, pf::LearnedNormal<>(2), rng);
  pf::fit(learned, x, pf::mle, options, rng);
  const double entropy = 2 * 1.4189385 + std::log(0.5 * 2);
  CHECK(pf::mle(learned, x).item() == Approx(entropy).margin(0.1));
  CHECK(learned.rsample(3, rng).shape() == pf::Shape{3, 2});

  const pf::Mixture<pf::Normal<>> two(Tensor<>{0, 0},
                                      pf::Normal<>(Tensor<>({2, 2}, {-2, 0, 2, 0}), Tensor<>::ones({2, 2})));
  auto fixed = pf::real_nvp(small, two, rng);
  CHECK(pf::count_parameters(fixed) == pf::count_parameters(fixed.bijector()));
  const double before = pf::mle(fixed, two.sample(500, rng)).item();
  pf::fit(fixed, two.sample(2000, rng), pf::mle,
          {.epochs = 5, .optimizer = pf::Adam({.learning_rate = 5e-3}), .progress = pf::Progress::off}, rng);
  CHECK(pf::mle(fixed, two.sample(2000, rng)).item() < before);
}

TEST_CASE("builders of flows refuse a base of other events, which would broadcast") {
  pf::Rng rng(5);
  const auto refuse = [&](const auto& build) {
    CHECK_THROWS_AS(build(pf::standard_normal(1)), pf::ShapeError);
    CHECK_THROWS_AS(build(pf::standard_normal(3)), pf::ShapeError);
    CHECK_THROWS_AS(build(pf::Normal<>(Tensor<>::scalar(0), Tensor<>::scalar(1))), pf::ShapeError);
    CHECK(build(pf::standard_normal(2)).log_prob(Tensor<>::zeros({4, 2})).shape() == pf::Shape{4});
  };
  refuse([&](auto base) { return pf::real_nvp(small, base, rng); });
  refuse([&](auto base) { return pf::nice({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::neural_spline_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::masked_autoregressive_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::inverse_autoregressive_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::planar_flow({.features = 2}, base, rng); });
  refuse([&](auto base) { return pf::residual_flow({.features = 2, .layers = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::neural_autoregressive_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::bernstein_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::sum_of_squares_flow({.features = 2, .hidden = {4}}, base, rng); });
  refuse([&](auto base) { return pf::gaussianization_flow({.features = 2, .layers = 2}, base, rng); });
  CHECK_THROWS_WITH(pf::real_nvp(small, pf::standard_normal(1), rng),
                    Catch::Contains("[1]") && Catch::Contains(".features = 2"));

  // The events of these, and a density without a shape, fit.
  const Tensor<> x = Tensor<>::zeros({4, 2});
  const auto fits = [&](auto base) { return pf::real_nvp(small, base, rng).log_prob(x).shape() == pf::Shape{4}; };
  CHECK(fits(pf::LearnedMixture<>(3, 2, rng)));
  CHECK(fits(
      pf::Mixture<pf::Normal<>>(Tensor<>::zeros({3}), pf::Normal<>(pf::normal({3, 2}, rng), Tensor<>::ones({2})))));
  CHECK(fits(pf::KernelDensity<>(pf::normal({20, 2}, rng))));
  CHECK(fits(pf::real_nvp(small, rng)));
}
