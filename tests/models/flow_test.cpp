#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {}  // namespace

TEST_CASE("the density of a flow integrates to one") {
  pf::Rng rng(1);
  auto affine =
      pf::real_nvp<double>({.features = 2, .layers = 4, .hidden = {16}, .activation = pf::Activation::tanh}, rng);
  support::stir<double>(affine, 1.5, 0.1, rng);
  CHECK(support::mass_on_grid(affine, 16, 500) == Approx(1.0).margin(1e-3));
  auto additive =
      pf::nice<double>({.features = 2, .layers = 3, .hidden = {16}, .activation = pf::Activation::tanh}, rng);
  support::stir<double>(additive, 1.5, 0.1, rng);
  CHECK(support::mass_on_grid(additive, 16, 500) == Approx(1.0).margin(1e-3));
}

TEST_CASE("draws of a flow follow its density") {
  pf::Rng rng(2);
  auto flow =
      pf::real_nvp<double>({.features = 2, .layers = 4, .hidden = {16}, .activation = pf::Activation::tanh}, rng);
  support::stir<double>(flow, 1.5, 0.1, rng);
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
}

TEST_CASE("log-densities that come with draws are those of the draws, in both directions") {
  pf::Rng rng(3);
  for (const Index d : {2, 5, 20}) {
    auto flow = pf::real_nvp<double>({.features = d, .layers = 5, .hidden = {16}, .act_norm = true}, rng);
    support::stir<double>(flow, 1.3, 0.1, rng);
    for (const auto& draws : {flow.sample_and_log_prob(7, rng), flow.rsample_and_log_prob(7, rng)}) {
      REQUIRE(draws.value.shape() == pf::Shape{7, d});
      CHECK(pf::max(pf::abs(draws.log_prob - flow.log_prob(draws.value))).item() < 1e-9);
    }
    CHECK_NOTHROW(pf::testing::check_bijector(flow.bijector(), pf::normal<double>({2, d}, rng)));
    CHECK(flow.log_prob(pf::normal<double>({3, 4, d}, rng)).shape() == pf::Shape{3, 4});
  }
}

TEST_CASE("the log-density of a flow has gradients of order 2 in the data: its score can be matched") {
  pf::Rng rng(4);
  auto flow =
      pf::real_nvp<double>({.features = 3, .layers = 4, .hidden = {8}, .activation = pf::Activation::tanh}, rng);
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return flow.log_prob(x); },
                                             pf::normal<double>({2, 3}, rng), {.order = 2}));
}

TEST_CASE("a flow stands on a mixture, and on another flow") {
  pf::Rng rng(5);
  const pf::LearnedMixture<double> bumps(4, 2, rng, 2.0);
  auto on_mixture = pf::real_nvp<double>({.features = 2, .layers = 2, .hidden = {8}}, bumps, rng);
  CHECK(support::mass_on_grid(on_mixture, 24, 600) == Approx(1.0).margin(1e-3));
  const auto gradients = pf::gradient(pf::mle(on_mixture, pf::normal<double>({8, 2}, rng)), on_mixture);
  CHECK(gradients.size() == 3 + 2 * 4);
  const auto on_flow = pf::nice<double>({.features = 2, .layers = 2, .hidden = {8}}, on_mixture, rng);
  CHECK(on_flow.sample(3, rng).shape() == pf::Shape{3, 2});
}

TEST_CASE("gradient steps on its likelihood teach a flow a density that no normal has") {
  pf::Rng rng(6);
  auto flow = pf::real_nvp({.features = 2, .layers = 4, .hidden = {32}}, rng);
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
  CHECK(nats < 1.6);   // the best normal has 1.9
  CHECK(nats > 1.15);  // below the entropy would be a density above the truth
}

TEST_CASE("a neural spline flow is a density, and its draws follow it") {
  pf::Rng rng(10);
  auto flow = pf::neural_spline_flow<double>(
      {.features = 2, .layers = 3, .bins = 5, .hidden = {16}, .activation = pf::Activation::tanh}, rng);
  support::stir<double>(flow, 1.3, 0.1, rng);
  CHECK(support::mass_on_grid(flow, 7, 500) == Approx(1.0).margin(1e-3));
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  for (const Index d : {3, 6}) {
    auto wide = pf::neural_spline_flow<double>({.features = d, .layers = 4, .hidden = {8}, .act_norm = true}, rng);
    support::stir<double>(wide, 1.3, 0.1, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(wide.bijector(), pf::normal<double>({2, d}, rng)));
    const auto draws = wide.sample_and_log_prob(7, rng);
    CHECK(pf::max(pf::abs(draws.log_prob - wide.log_prob(draws.value))).item() < 1e-7);
  }
}

TEST_CASE("a neural spline flow learns a checkerboard's sharp edges in seconds") {
  pf::Rng rng(11);
  auto flow = pf::neural_spline_flow({.features = 2, .layers = 4, .bins = 16, .hidden = {32, 32}}, rng);
  const pf::data::Checkerboard board;
  pf::fit(flow, board.sample(16'384, rng), pf::mle,
          {.epochs = 12,
           .batch_size = 256,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const double gap = pf::mle(flow, board.sample(10'000, rng)).item() - board.entropy();
  CHECK(gap < 0.15);
  CHECK(gap > 0.0);
}

TEST_CASE("an outlier has a low density, not NaN") {
  pf::Rng rng(7);
  const auto nvp = pf::real_nvp({.features = 2, .layers = 8}, rng);
  const auto spline = pf::neural_spline_flow({.features = 2}, rng);
  const Tensor<> x{{3, 2}, {3e38f, 0.0f, 1e20f, -1e20f, 1e6f, 1.0f}};
  for (const Tensor<>& found : {nvp.log_prob(x), spline.log_prob(x)})
    for (float value : found) {
      CHECK_FALSE(std::isnan(value));
      CHECK(value < -1e8f);
    }
}

TEST_CASE("ActNorm in a flow is initialized from the first data") {
  pf::Rng rng(8);
  auto flow = pf::real_nvp({.features = 2, .layers = 4, .act_norm = true}, rng);
  const Tensor<> data = pf::normal({500, 2}, rng) * 50 + 1000;
  const double before = flow.log_prob(data).mean();
  flow.initialize(data);
  const double entropy = 2 * (1.4189 + std::log(50.0));
  CHECK(flow.log_prob(data).mean() > before + 100);
  CHECK(flow.log_prob(data).mean() == Approx(-entropy).margin(1.0));
}

TEST_CASE("copies of a flow are independent, and builders refuse what makes no flow") {
  pf::Rng rng(9);
  const auto flow = pf::real_nvp({.features = 20, .layers = 4}, rng);
  auto copy = flow;
  support::stir<float>(copy, 0.0, 0.1, rng);
  const Tensor<> x = pf::normal({3, 20}, rng);
  CHECK_FALSE(flow.log_prob(x).to_vector() == copy.log_prob(x).to_vector());
  CHECK_THROWS_AS(pf::real_nvp({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::real_nvp({}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::nice({.features = 2, .layers = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::neural_spline_flow({.features = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::neural_spline_flow({.features = 2, .bins = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::neural_spline_flow({.features = 2, .bound = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::ones({3, 2})), pf::ShapeError);
}
