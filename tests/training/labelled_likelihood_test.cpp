// fit() with labels and dropout: mle and map hand the generator on to models that take it.
#include <tuple>

#include <pushforward/models/autoregressive/gpt.hpp>
#include <pushforward/models/autoregressive/pixel_cnn_pp.hpp>
#include <pushforward/models/autoregressive/pixel_snail.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

// The loss of the first step of a training, whose noise follows from `seed`; rows stay in their order.
template <class Model, class Data, class Objective>
double first_loss(Model model, const Data& data, const Objective& objective, std::uint64_t seed) {
  pf::Rng rng(seed);
  const pf::FitOptions options{
      .epochs = 1, .batch_size = 100, .shuffle = false, .progress = pf::Progress::off, .handle_interrupt = false};
  return pf::fit(model, data, objective, options, rng).epochs[0].train_loss;
}

// With dropout the loss depends on the generator, without it does not and is the likelihood itself.
template <class Build, class Data>
void check_dropout(const Build& build, const Data& data) {
  const auto dropped = build(0.5), plain = build(0.0);
  const Tensor<double> weights{1, 2, 0.5, 1};
  const auto weighted = std::tuple(std::get<0>(data), std::get<1>(data), weights);
  const auto prior = pf::map({.weight_std = 1, .examples = 1000});
  const auto check = [&](const auto& of, const auto& objective) {
    CHECK(first_loss(dropped, of, objective, 1) == first_loss(dropped, of, objective, 1));
    CHECK(first_loss(dropped, of, objective, 1) != first_loss(dropped, of, objective, 2));
    CHECK(first_loss(plain, of, objective, 1) == first_loss(plain, of, objective, 2));
  };
  check(data, pf::mle);
  check(data, prior);
  check(weighted, pf::weighted(pf::mle));
  check(weighted, pf::weighted(prior));
  const double likelihood = -plain.log_prob(std::get<0>(data), std::get<1>(data)).mean();
  CHECK(first_loss(plain, data, pf::mle, 1) == Catch::Approx(likelihood));
}

const Tensor<Index> labels{0, 2, 1, 1};

}  // namespace

TEST_CASE("a language model of classes trains by mle and map, with dropout from the generator of fit") {
  const Tensor<Index> tokens({4, 3}, {0, 1, 2, 3, 3, 0, 1, 1, 2, 2, 0, 3});
  check_dropout(
      [](double dropout) {
        pf::Rng rng(7);
        return pf::Gpt<double>(
            {.vocabulary = 4, .context = 3, .features = 4, .layers = 1, .heads = 2, .classes = 3, .dropout = dropout},
            rng);
      },
      std::tuple(tokens, labels));
}

TEST_CASE("image models of classes train by mle and map, with dropout from the generator of fit") {
  pf::Rng rng(8);
  const Tensor<double> images = Tensor<double>::generate({4, 1, 3, 3}, [](Index i) { return double((i * 7) % 8); });
  check_dropout(
      [](double dropout) {
        pf::Rng own(9);
        return pf::pixel_cnn_pp<double>({.height = 3,
                                         .width = 3,
                                         .levels = 8,
                                         .components = 2,
                                         .features = 4,
                                         .blocks = 1,
                                         .dropout = dropout,
                                         .classes = 3},
                                        own);
      },
      std::tuple(images, labels));
  check_dropout(
      [](double dropout) {
        pf::Rng own(10);
        return pf::pixel_snail<double>({.height = 3,
                                        .width = 3,
                                        .levels = 8,
                                        .components = 2,
                                        .features = 4,
                                        .blocks = 1,
                                        .residuals = 1,
                                        .keys = 2,
                                        .values = 2,
                                        .dropout = dropout,
                                        .classes = 3},
                                       own);
      },
      std::tuple(images, labels));
}
