#include <pushforward/models/autoregressive/pixel_cnn_pp.hpp>

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
pf::PixelCnnPp<S> small(pf::PixelCnnPpOptions options, pf::Rng& rng) {
  options.levels = 5;
  options.components = 2;
  options.features = options.features == 64 ? 3 : options.features;
  auto model = pf::pixel_cnn_pp<S>(options, rng);
  support::stir<S>(model, 2, 0.2, rng);
  return model;
}

}  // namespace

TEST_CASE("PixelCNN++ sees all pixels before and none after, and caches give the bits of whole passes") {
  pf::Rng rng(1);
  const auto check = [&](const pf::PixelCnnPpOptions& options) {
    const auto model = small<double>(options, rng);
    const Tensor<double> x = support::random_levels<double>({2, options.colors, options.height, options.width}, 5, rng);
    pf::testing::check_autoregressive(model, x, {.whole_past = true});
  };
  check({.colors = 1, .height = 5, .width = 4, .blocks = 2});
  check({.colors = 3, .height = 3, .width = 3, .blocks = 1});
  check({.colors = 1, .height = 5, .width = 7, .blocks = 1, .scales = 3});
  check({.colors = 1, .height = 1, .width = 6, .blocks = 1});
  check({.colors = 1, .height = 6, .width = 1, .blocks = 1, .scales = 2});
}

TEST_CASE("draws of PixelCNN++ have the bits of whole passes in float, for any features, batch and threads") {
  pf::Rng rng(2);
  for (const Index features : {1, 4, 20}) {
    const auto model =
        small<float>({.colors = 2, .height = 5, .width = 4, .features = features, .blocks = 1, .scales = 2}, rng);
    const Tensor<> x = support::random_levels<float>({3, 2, 5, 4}, 5, rng);
    support::check_completions(model, x, pf::bernoulli(Tensor<>::full(x.shape(), 0.4f), rng), {},
                               {.temperature = 0.9, .top_k = 4});
  }
}

TEST_CASE("the probabilities of all images under PixelCNN++ sum to one") {
  pf::Rng rng(3);
  const auto total = [&](Index channels, Index height, Index width, Index count) {
    auto model = pf::pixel_cnn_pp<double>({.colors = channels,
                                           .height = height,
                                           .width = width,
                                           .levels = count,
                                           .components = 3,
                                           .features = 3,
                                           .blocks = 1,
                                           .scales = 2},
                                          rng);
    support::stir<double>(model, 2, 0.3, rng);
    return pf::exp(model.log_prob(support::all_images(channels, height, width, count))).sum();
  };
  CHECK(total(1, 2, 2, 4) == Approx(1).epsilon(1e-12));
  CHECK(total(3, 1, 2, 3) == Approx(1).epsilon(1e-12));
  CHECK(total(2, 3, 1, 2) == Approx(1).epsilon(1e-12));
}

TEST_CASE("PixelCNN++ scores images as the sum of its elements' conditionals, given their class") {
  pf::Rng rng(4);
  const auto model = small<double>({.colors = 3, .height = 4, .width = 3, .blocks = 1, .scales = 2, .classes = 3}, rng);
  const Tensor<double> x = support::random_levels<double>({3, 3, 4, 3}, 5, rng);
  const Tensor<Index> labels({3}, {2, 0, 1}), others({3}, {1, 0, 2});
  const Tensor<double> parameters = model.parameters(x, labels);
  CHECK(parameters.shape() == Shape{3, 6, 3, 4, 3});
  const Tensor<double> each =
      model.conditional().log_prob(pf::reshape(parameters, {3, 6, 36}), pf::reshape(x, {3, 36}));
  const Tensor<double> joint = model.log_prob(x, labels);
  CHECK(pf::abs(joint - each).max() < 1e-10);
  const Tensor<double> otherwise = model.log_prob(x, others);
  CHECK(std::abs(joint(0) - otherwise(0)) > 1e-6);
  CHECK(joint(1) == otherwise(1));
  support::check_class_draws(model, labels);
}

TEST_CASE("PixelCNN++ trains all of its parameters, with second-order gradients and dropout") {
  pf::Rng rng(5);
  auto model = small<double>(
      {.colors = 1, .height = 3, .width = 3, .blocks = 1, .scales = 2, .dropout = 0.4, .classes = 2}, rng);
  const Tensor<double> x = support::random_levels<double>({2, 1, 3, 3}, 5, rng);
  const Tensor<Index> labels({2}, {0, 1});
  pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x, labels); });
  pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::sum(pf::square(model.net()(at, labels))); },
                               pf::normal<double>({2, 1, 3, 3}, rng), {.order = 2});
  const Tensor<double> plain = model.log_prob(x, labels);
  CHECK(pf::abs(model.log_prob(x, labels, rng) - plain).max() > 1e-6);
  pf::evaluate(model);
  CHECK(model.log_prob(x, labels, rng).to_vector() == plain.to_vector());
}

TEST_CASE("PixelCNN++ refuses what does not fit") {
  pf::Rng rng(6);
  const auto model = small<float>({.colors = 1, .height = 4, .width = 4, .blocks = 1}, rng);
  const auto classes = small<float>({.colors = 1, .height = 4, .width = 4, .blocks = 1, .classes = 2}, rng);
  support::check_refused_labels(classes, model, "PixelCnnPp");
  support::check_refused_numbers(model, Tensor<>::zeros({2, 1, 4, 4}), 5);
  support::check_refused_numbers(model, Tensor<>::zeros({2, 1, 4, 4}), 0.5);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 1, 4, 5})), pf::ShapeError);
  CHECK_THROWS_WITH(model.log_prob(Tensor<>::zeros({2, 1, 4, 5})),
                    Catch::Matchers::ContainsSubstring("PixelCnnPp::log_prob"));
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 1, 4, 4}, 5.0f)), pf::ValueError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 1, 4, 4}, 0.5f)), pf::ValueError);
  CHECK_THROWS_AS(model.sample(2, rng, {.temperature = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::pixel_cnn_pp({.colors = 1, .height = 0, .width = 4}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::pixel_cnn_pp({.colors = 1, .height = 4, .width = 4, .scales = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::pixel_cnn_pp({.colors = 1, .height = 4, .width = 4, .dropout = 1}, rng), pf::ValueError);
  CHECK_THROWS_WITH(pf::pixel_cnn_pp({.features = 0}, rng),
                    Catch::Matchers::ContainsSubstring("PixelCnnPp: got 0 features"));
  CHECK(model.sample(0, rng).shape() == Shape{0, 1, 4, 4});
}
