#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

#include <pushforward/data/toy_curves.hpp>
#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/energy.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Activation;
using pf::Index;
using pf::Tensor;

namespace {

pf::FitOptions options(Index epochs, double rate) {
  return {.epochs = epochs,
          .batch_size = 256,
          .optimizer = pf::Adam({.learning_rate = rate}),
          .schedule = pf::cosine_decay(),
          .progress = pf::Progress::off};
}

auto silu_energy(const std::vector<Index>& widths, pf::Rng& rng, const pf::EnergyOptions& how) {
  return pf::EnergyModel(pf::Mlp(widths, rng, {.activation = Activation::silu}), how);
}

template <class Model>
std::vector<float> all_numbers(const Model& model) {
  std::vector<float> numbers;
  for (const auto& [name, value] : pf::named_tensors(model))
    std::visit(
        [&](const auto& t) {
          for (const auto x : t) numbers.push_back(static_cast<float>(x));
        },
        value);
  return numbers;
}

static_assert(pf::GenerativeModel<pf::EnergyModel<pf::Mlp<>>>);
static_assert(pf::HasLikelihood<pf::EnergyModel<pf::Mlp<>>> && !pf::Density<pf::EnergyModel<pf::Mlp<>>>);

}  // namespace

TEST_CASE("persistent contrastive divergence teaches two moons; both ways to log Z agree") {
  pf::Rng rng(1);
  const pf::data::TwoMoons moons;
  auto model = silu_energy({2, 32, 32, 1}, rng, {.features = 2, .chains = 512, .sampler = {.steps = 50}});
  pf::FitOptions how = options(40, 2e-2);
  how.ema_decay = 0.99;  // the chains and the energy chase each other; their average stays
  pf::fit(model, moons.sample(5000, rng), pf::persistent_contrastive_divergence({.reinitialize = 0.02}), how, rng);

  const double by_grid = pf::log_partition_by_quadrature(model);
  const pf::LogPartition annealed = pf::log_partition_by_annealed_importance_sampling(
      model, pf::Normal<>(Tensor<>::zeros({2}), Tensor<>::full({2}, 1.5f)), {.chains = 400, .temperatures = 300}, rng);
  CHECK(annealed.value == Approx(by_grid).margin(5 * annealed.standard_error));
  CHECK(annealed.standard_error < 0.1);

  model.set_log_partition(by_grid);
  const Tensor<> test = moons.sample(2000, rng);
  const double nats = pf::log_likelihood(model, test, rng).value.mean(), truth = moons.log_prob(test).mean();
  CHECK(nats > truth - 0.25);  // the best normal is 0.6 below
  CHECK(nats < truth + 0.05);
  // Few draws lie where there is hardly any data: 2 % of the data do.
  const auto far = [&](const Tensor<>& x) { return pf::mean(moons.log_prob(x) < truth - 3).item(); };
  CHECK(far(test) < 0.05);
  CHECK(far(model.sample(2000, rng)) < 0.2);
  CHECK(far(model.start(2000, rng)) > 0.4);
}

TEST_CASE("an energy tilts a flow: the sum is a density, and scores better than the flow") {
  pf::Rng rng(2);
  const pf::data::Checkerboard board;
  const Tensor<> train = board.sample(8000, rng), test = board.sample(4000, rng);
  auto flow = pf::real_nvp({.features = 2, .layers = 4, .hidden = {32}, .act_norm = true}, rng);
  pf::fit(flow, train, pf::mle, options(10, 4e-3), rng);
  const auto before = all_numbers(flow);

  pf::EnergyModel model(pf::Mlp({2, 64, 64, 1}, rng, {.activation = Activation::silu}), flow,
                        {.features = 2, .sampler = {.steps = 20, .step_size = 0.005}});
  pf::fit(model, train, pf::noise_contrastive_estimation(flow, {.ratio = 2}), options(20, 4e-3), rng);
  CHECK(all_numbers(model.base()) == before);

  const double log_z = pf::log_partition_by_quadrature(model, {.x = {-10, 10}, .y = {-10, 10}});
  CHECK(model.log_partition().item() == Approx(log_z).margin(0.05));
  // Importance sampling from the flow itself: the mean of exp(-E) is Z.
  pf::NoGradient guard;
  const Tensor<> drawn = flow.sample(20'000, rng);
  CHECK(std::log(pf::exp(-model.energy(drawn)).mean()) == Approx(log_z).margin(0.05));

  model.set_log_partition(log_z);
  const double nats = pf::log_likelihood(model, test, rng).value.mean();
  CHECK(nats > flow.log_prob(test).mean() + 0.1);
  CHECK(nats < board.log_prob(test).mean() + 0.02);

  const auto on_board = [&](const Tensor<>& x) {
    return pf::exp(board.log_prob(x)).mean();  // 0 off the board
  };
  CHECK(on_board(model.resample(2000, 20, rng)) > on_board(flow.sample(2000, rng)));
  CHECK(model.sample(10, rng).shape() == pf::Shape{10, 2});
  CHECK(pf::log_likelihood(model, test, rng).kind == pf::LikelihoodKind::estimate);
}

TEST_CASE("denoising score matching teaches an energy") {
  pf::Rng rng(3);
  const pf::data::TwoMoons moons;
  auto model = silu_energy({2, 64, 64, 1}, rng, {.features = 2});
  pf::fit(model, moons.sample(5000, rng), pf::denoising_score_matching({.noise = 0.15}), options(30, 5e-3), rng);
  model.set_log_partition(pf::log_partition_by_quadrature(model));
  const Tensor<> test = moons.sample(2000, rng);
  CHECK(pf::log_likelihood(model, test, rng).value.mean() > moons.log_prob(test).mean() - 0.35);
}

TEST_CASE("energy and score have gradients of every order that training needs") {
  pf::Rng rng(4);
  const pf::LearnedMixture<double> base(3, 2, rng, 1.0);
  const pf::Mlp<double> net({2, 8, 8, 1}, rng, {.activation = Activation::silu});
  const pf::EnergyModel alone(net, {.features = 2});
  const pf::EnergyModel tilt(net, base, {.features = 2});
  const Tensor<double> x = pf::normal<double>({4, 2}, rng);
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& at) { return alone.energy(at); }, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& at) { return tilt.score(at); }, x));
  const Tensor<double> difference = tilt.unnormalized_log_prob(x) - base.log_prob(x) + tilt.energy(x);
  CHECK(pf::max(pf::abs(difference)).item() < 1e-14);
}

TEST_CASE("the score without a graph is the score with one, for every activation and shape") {
  for (const Activation a : {Activation::relu, Activation::tanh, Activation::sigmoid, Activation::softplus,
                             Activation::silu, Activation::gelu}) {
    for (const auto& widths : std::vector<std::vector<Index>>{{2, 128, 128, 1}, {1, 2, 3, 4, 1}, {20, 33, 17, 1}}) {
      for (const Index n : {1, 7, 300}) {
        pf::Rng rng(5);
        const pf::EnergyModel model(pf::Mlp<double>(widths, rng, {.activation = a}), {.features = widths[0]});
        const Tensor<double> x = 3 * pf::normal<double>({n, widths[0]}, rng);
        const Tensor<double> recorded = model.score(x);
        CHECK(recorded.tracked());
        pf::NoGradient guard;
        CHECK(pf::max(pf::abs(model.score(x) - recorded)).item() < 1e-13);
      }
    }
  }
}

TEST_CASE("a training that is resumed goes on with the same bits, chains included") {
  const std::string path = "/tmp/pushforward_energy_test_" + std::to_string(getpid()) + ".safetensors";
  const auto objective = pf::persistent_contrastive_divergence({.langevin = {.steps = 3}, .reinitialize = 0.1});
  pf::Rng data_rng(6);
  const Tensor<> data = pf::data::TwoMoons().sample(300, data_rng);
  const auto train = [&](Index epochs, bool resume) {
    pf::Rng rng(7);
    auto model = silu_energy({2, 16, 16, 1}, rng, {.features = 2, .chains = 100});
    pf::FitOptions how = options(epochs, 1e-3);
    how.batch_size = 64;
    how.schedule = {};
    how.ema_decay = 0.9;
    how.validation = data;
    how.checkpoint = path;
    how.resume = resume;
    pf::fit(model, data, objective, how, rng);
    return all_numbers(model);
  };
  const auto whole = train(4, false);
  train(2, false);
  CHECK(train(4, true) == whole);
  std::remove(path.c_str());
}

TEST_CASE("training and sampling have the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    pf::Rng rng(8);
    auto model = silu_energy({2, 128, 128, 1}, rng, {.features = 2, .chains = 600, .sampler = {.steps = 5}});
    pf::FitOptions how = options(2, 1e-3);
    how.batch_size = 500;
    pf::fit(model, pf::normal({1000, 2}, rng), pf::persistent_contrastive_divergence({.langevin = {.steps = 5}}), how,
            rng);
    std::vector<float> numbers = all_numbers(model);
    for (const float x : model.sample(700, rng)) numbers.push_back(x);
    pf::set_num_threads(before);
    return numbers;
  };
  CHECK(run(1) == run(3));
}

TEST_CASE("chains start where the data is, and draws go on from them") {
  pf::Rng rng(9);
  auto model = silu_energy({3, 8, 1}, rng, {.features = 3, .chains = 10, .sampler = {.steps = 0}});
  model.initialize(50 + 2 * pf::normal({4000, 3}, rng));
  const Tensor<> start = model.start(4000, rng);
  CHECK(start.mean() == Approx(50).margin(0.3));
  CHECK(std::sqrt(pf::mean(pf::square(start - 50)).item()) == Approx(2).margin(0.2));
  model.chains().fill(Tensor<>::full({10, 3}, 7.0f));
  CHECK(model.sample(25, rng).min() == 7);
  auto adjusted = silu_energy({3, 8, 1}, rng, {.features = 3, .sampler = {.steps = 5}, .metropolis = true});
  CHECK(adjusted.sample(4, rng).shape() == pf::Shape{4, 3});
}

TEST_CASE("an energy model refuses what makes none") {
  pf::Rng rng(10);
  CHECK_THROWS_AS(silu_energy({2, 8, 1}, rng, {}), pf::ValueError);
  CHECK_THROWS_AS(silu_energy({2, 8, 1}, rng, {.features = 2, .chains = -1}), pf::ValueError);
  const auto two = silu_energy({2, 8, 2}, rng, {.features = 2});
  CHECK_THROWS_WITH(two.energy(Tensor<>::zeros({3, 2})), ContainsSubstring("[n, 1] or [n]"));
  auto model = silu_energy({2, 8, 1}, rng, {.features = 2});
  CHECK_THROWS_WITH(model.log_likelihood(Tensor<>::zeros({3, 2}), rng), ContainsSubstring("set_log_partition"));
  CHECK_THROWS_AS(model.initialize(Tensor<>::zeros({3, 4})), pf::ShapeError);
  CHECK_THROWS_WITH(pf::persistent_contrastive_divergence()(model, Tensor<>::zeros({3, 2}), rng),
                    ContainsSubstring(".chains"));
}
