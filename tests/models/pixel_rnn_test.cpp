#include <pushforward/models/autoregressive/pixel_rnn.hpp>

#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/image_models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Shape;
using pf::Tensor;

namespace {

template <class Model>
Model stirred(Model model, pf::Rng& rng) {
  support::stir<typename Model::Scalar>(model, 2, 0.2, rng);
  return model;
}

}  // namespace

TEST_CASE("PixelRNNs see none of their future, and caches give the bits of whole passes") {
  const pf::CategoricalConditional four(4);
  const auto check = [&](auto build, pf::PixelImages image, bool whole_past) {
    pf::Rng rng(1);
    // Enough channels for each color that relu does not cut all of them off.
    const auto model = stirred(build(pf::PixelRnnOptions{.colors = image.colors,
                                                         .height = image.height,
                                                         .width = image.width,
                                                         .features = 24,
                                                         .layers = 2,
                                                         .hidden = 48},
                                     rng),
                               rng);
    const Tensor<double> x = support::random_levels<double>({2, image.colors, image.height, image.width}, 4, rng);
    pf::testing::check_autoregressive(model, x, {.whole_past = whole_past});
  };
  const auto row = [&](const auto& o, auto& rng) { return pf::row_pixel_rnn<double>(four, o, rng); };
  const auto diagonal = [&](const auto& o, auto& rng) { return pf::diagonal_pixel_rnn<double>(four, o, rng); };
  check(row, {1, 3, 7}, false);  // a pixel does not see all of the rows above
  check(row, {3, 3, 2}, true);
  check(diagonal, {1, 5, 4}, true);
  check(diagonal, {1, 2, 9}, false);  // nor the last pixel of the row above from where the first layer does not reach
  check(diagonal, {3, 2, 3}, true);
  check(diagonal, {1, 5, 1}, true);
}

TEST_CASE("draws of PixelRNNs have the bits of whole passes in float, for any features, batch and threads") {
  pf::Rng rng(2);
  const Tensor<> x = support::random_levels<float>({3, 1, 5, 6}, 2, rng), known = pf::slice(x, 0, 0, 1);
  for (const Index features : {1, 5, 16}) {
    const pf::PixelRnnOptions options{
        .colors = 1, .height = 5, .width = 6, .features = features, .layers = 1, .hidden = 9};
    support::check_completions(stirred(pf::row_pixel_rnn(pf::BernoulliConditional{}, options, rng), rng), x, known);
    support::check_completions(stirred(pf::diagonal_pixel_rnn(pf::BernoulliConditional{}, options, rng), rng), x,
                               known);
  }
}

TEST_CASE("the probabilities of all images under PixelRNNs sum to one") {
  pf::Rng rng(3);
  const pf::CategoricalConditional three(3);
  const auto row =
      stirred(pf::row_pixel_rnn<double>(
                  three, {.colors = 2, .height = 1, .width = 3, .features = 4, .layers = 2, .hidden = 6}, rng),
              rng);
  CHECK(pf::exp(row.log_prob(support::all_images(2, 1, 3, 3))).sum() == Approx(1).epsilon(1e-12));
  const auto diagonal =
      stirred(pf::diagonal_pixel_rnn<double>(
                  three, {.colors = 1, .height = 3, .width = 2, .features = 4, .layers = 2, .hidden = 6}, rng),
              rng);
  CHECK(pf::exp(diagonal.log_prob(support::all_images(1, 3, 2, 3))).sum() == Approx(1).epsilon(1e-12));
}

TEST_CASE("PixelRNNs train all of their parameters, and draw given a class") {
  pf::Rng rng(4);
  const pf::BernoulliConditional binary;
  const pf::PixelRnnOptions options{
      .colors = 1, .height = 3, .width = 4, .features = 3, .layers = 2, .hidden = 8, .classes = 2};
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({2, 1, 3, 4}, 0.5), rng);
  const Tensor<Index> labels({2}, {1, 0}), others({2}, {0, 0});
  const auto row = stirred(pf::row_pixel_rnn<double>(binary, options, rng), rng);
  const auto diagonal = stirred(pf::diagonal_pixel_rnn<double>(binary, options, rng), rng);
  pf::testing::check_module(row, [&](const auto& m) { return m.log_prob(x, labels); });
  pf::testing::check_module(diagonal, [&](const auto& m) { return m.log_prob(x, labels); });
  CHECK(std::abs(row.log_prob(x, labels)(0) - row.log_prob(x, others)(0)) > 1e-6);
  support::check_class_draws(diagonal, labels);
}

TEST_CASE("PixelRNNs refuse what does not fit") {
  pf::Rng rng(5);
  const pf::BernoulliConditional binary;
  const pf::PixelRnnOptions options{.height = 3, .width = 4, .features = 3, .layers = 1, .hidden = 4};
  pf::PixelRnnOptions with_classes = options;
  with_classes.classes = 2;
  const auto row = pf::row_pixel_rnn(binary, options, rng);
  support::check_refused_labels(pf::row_pixel_rnn(binary, with_classes, rng), row, "RowPixelRnn");
  support::check_refused_labels(pf::diagonal_pixel_rnn(binary, with_classes, rng),
                                pf::diagonal_pixel_rnn(binary, options, rng), "DiagonalPixelRnn");
  support::check_refused_numbers(row, Tensor<>::zeros({2, 1, 3, 4}), 255);
  CHECK_THROWS_AS(row.log_prob(Tensor<>::full({2, 1, 3, 4}, 255.0f)), pf::ValueError);
  const auto levels = pf::row_pixel_rnn(pf::CategoricalConditional(4), options, rng);
  support::check_refused_numbers(levels, Tensor<>::zeros({2, 1, 3, 4}), 9);
  CHECK_THROWS_AS(pf::row_pixel_rnn(binary, {.colors = 3, .height = 4, .width = 4, .features = 4}, rng),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::row_pixel_rnn(binary, {.colors = 1, .height = 4, .width = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::diagonal_pixel_rnn(binary, {.colors = 1, .height = 4, .width = 4, .layers = 0}, rng),
                  pf::ValueError);
  CHECK_THROWS_WITH(pf::row_pixel_rnn(binary, {.features = 0}, rng),
                    Catch::Matchers::ContainsSubstring("RowPixelRnn: got 0 features"));
}
