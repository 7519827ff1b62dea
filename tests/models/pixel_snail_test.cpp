#include <pushforward/models/autoregressive/pixel_snail.hpp>

#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/image_models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Shape;
using pf::Tensor;

namespace {

template <class S>
pf::PixelSnail<S> small(pf::PixelSnailOptions options, pf::Rng& rng) {
  options.levels = 4;
  options.components = 2;
  options.keys = 4;
  options.values = 6;
  auto model = pf::pixel_snail<S>(options, rng);
  support::stir<S>(model, 2, 0.2, rng);
  return model;
}

}  // namespace

TEST_CASE("PixelSNAIL sees all pixels before and none after, and caches give the bits of whole passes") {
  pf::Rng rng(1);
  const auto check = [&](const pf::PixelSnailOptions& options) {
    const auto model = small<double>(options, rng);
    const Tensor<double> x = support::random_levels<double>({2, options.colors, options.height, options.width}, 4, rng);
    pf::testing::check_autoregressive(model, x, {.whole_past = true});
  };
  check({.colors = 1, .height = 3, .width = 9, .features = 3, .blocks = 1, .residuals = 1});  // wider than the
                                                                                              // convolutions reach
  check({.colors = 3, .height = 3, .width = 3, .features = 3, .blocks = 2, .residuals = 1, .heads = 2});
  check({.colors = 1, .height = 5, .width = 1, .features = 3, .blocks = 1, .residuals = 0});
  check({.colors = 1, .height = 1, .width = 5, .features = 3, .blocks = 1});
}

TEST_CASE("draws of PixelSNAIL have the bits of whole passes in float, for any features, batch and threads") {
  pf::Rng rng(2);
  for (const Index features : {1, 4, 20}) {
    const auto model = small<float>({.colors = 2, .height = 6, .width = 7, .features = features, .heads = 2}, rng);
    const Tensor<> x = support::random_levels<float>({3, 2, 6, 7}, 4, rng);
    support::check_completions(model, x, pf::bernoulli(Tensor<>::full(x.shape(), 0.4f), rng));
  }
}

TEST_CASE("the probabilities of all images under PixelSNAIL sum to one") {
  pf::Rng rng(3);
  auto model = small<double>({.colors = 1, .height = 2, .width = 3, .features = 4, .heads = 2}, rng);
  CHECK(pf::exp(model.log_prob(support::all_images(1, 2, 3, 4))).sum() == Approx(1).epsilon(1e-12));
}

TEST_CASE("PixelSNAIL trains all of its parameters, with second-order gradients, and draws given a class") {
  pf::Rng rng(4);
  const auto model =
      small<double>({.colors = 1, .height = 3, .width = 3, .features = 3, .dropout = 0.3, .classes = 2}, rng);
  const Tensor<double> x = support::random_levels<double>({2, 1, 3, 3}, 4, rng);
  const Tensor<Index> labels({2}, {1, 0}), others({2}, {0, 0});
  pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x, labels); });
  pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::sum(pf::square(model.net()(at, labels))); },
                               pf::normal<double>({2, 1, 3, 3}, rng), {.order = 2});
  const Tensor<double> given = model.log_prob(x, labels), otherwise = model.log_prob(x, others);
  CHECK(std::abs(given(0) - otherwise(0)) > 1e-6);
  CHECK(given(1) == otherwise(1));
  CHECK(pf::abs(model.log_prob(x, labels, rng) - given).max() > 1e-6);
  support::check_class_draws(model, labels);
}

TEST_CASE("PixelSNAIL refuses what does not fit") {
  pf::Rng rng(5);
  const auto model = small<float>({.colors = 1, .height = 3, .width = 3, .features = 3, .blocks = 1}, rng);
  const auto classes =
      small<float>({.colors = 1, .height = 3, .width = 3, .features = 3, .blocks = 1, .classes = 2}, rng);
  support::check_refused_labels(classes, model, "PixelSnail");
  support::check_refused_numbers(model, Tensor<>::zeros({2, 1, 3, 3}), 4);
  CHECK_THROWS_AS(pf::pixel_snail({.colors = 1, .height = 4, .width = 4, .heads = 3}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::pixel_snail({.colors = 0, .height = 4, .width = 4}, rng), pf::ValueError);
  CHECK_THROWS_WITH(pf::pixel_snail({.features = 0}, rng),
                    Catch::Matchers::ContainsSubstring("PixelSnail: got 0 features"));
}
