#include <pushforward/models/autoregressive/pixel_rnn.hpp>

#include <pushforward/models/autoregressive/full_completion.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

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

// Every image of `count` levels.
Tensor<double> all_images(Index channels, Index height, Index width, Index count) {
  const Index d = channels * height * width, images = static_cast<Index>(std::llround(std::pow(count, d)));
  return Tensor<double>::generate({images, channels, height, width}, [&](Index i) {
    return static_cast<double>(i / d / static_cast<Index>(std::llround(std::pow(count, i % d))) % count);
  });
}

template <class S>
Tensor<S> levels(const Shape& shape, Index count, pf::Rng& rng) {
  const Tensor<double> u = pf::uniform<double>(shape, rng, 0, static_cast<double>(count));
  return Tensor<S>::generate(shape, [&](Index i) { return static_cast<S>(std::floor(u.data()[i])); });
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
                                                         .units = 24,
                                                         .layers = 2,
                                                         .hidden = 48},
                                     rng),
                               rng);
    const Tensor<double> x = levels<double>({2, image.colors, image.height, image.width}, 4, rng);
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

TEST_CASE("draws of PixelRNNs have the bits of whole passes in float, for any units, batch and threads") {
  pf::Rng rng(2);
  const int before = pf::num_threads();
  const auto check = [&](const auto& model) {
    const Tensor<> x = pf::bernoulli(Tensor<>::full({3, 1, 5, 6}, 0.5f), rng), known = slice(x, 0, 0, 1);
    pf::Rng a(7), b(7);
    CHECK(model.complete(x, known, a).to_vector() == pf::full_completion(model, x, known, b).to_vector());
  };
  for (const int threads : {1, 2}) {
    pf::set_num_threads(threads);
    for (const Index units : {1, 5, 16}) {
      const pf::PixelRnnOptions options{.colors = 1, .height = 5, .width = 6, .units = units, .layers = 1, .hidden = 9};
      check(stirred(pf::row_pixel_rnn(pf::BernoulliConditional{}, options, rng), rng));
      check(stirred(pf::diagonal_pixel_rnn(pf::BernoulliConditional{}, options, rng), rng));
    }
  }
  pf::set_num_threads(before);
}

TEST_CASE("the probabilities of all images under PixelRNNs sum to one") {
  pf::Rng rng(3);
  const pf::CategoricalConditional three(3);
  const auto row =
      stirred(pf::row_pixel_rnn<double>(
                  three, {.colors = 2, .height = 1, .width = 3, .units = 4, .layers = 2, .hidden = 6}, rng),
              rng);
  CHECK(pf::exp(row.log_prob(all_images(2, 1, 3, 3))).sum() == Approx(1).epsilon(1e-12));
  const auto diagonal =
      stirred(pf::diagonal_pixel_rnn<double>(
                  three, {.colors = 1, .height = 3, .width = 2, .units = 4, .layers = 2, .hidden = 6}, rng),
              rng);
  CHECK(pf::exp(diagonal.log_prob(all_images(1, 3, 2, 3))).sum() == Approx(1).epsilon(1e-12));
}

TEST_CASE("PixelRNNs train all of their parameters, and draw given a class") {
  pf::Rng rng(4);
  const pf::BernoulliConditional binary;
  const pf::PixelRnnOptions options{
      .colors = 1, .height = 3, .width = 4, .units = 3, .layers = 2, .hidden = 8, .classes = 2};
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({2, 1, 3, 4}, 0.5), rng);
  const Tensor<Index> labels({2}, {1, 0}), others({2}, {0, 0});
  const auto row = stirred(pf::row_pixel_rnn<double>(binary, options, rng), rng);
  const auto diagonal = stirred(pf::diagonal_pixel_rnn<double>(binary, options, rng), rng);
  pf::testing::check_module(row, [&](const auto& m) { return m.log_prob(x, labels); });
  pf::testing::check_module(diagonal, [&](const auto& m) { return m.log_prob(x, labels); });
  CHECK(std::abs(row.log_prob(x, labels)(0) - row.log_prob(x, others)(0)) > 1e-6);
  pf::Rng a(5), b(5);
  const Tensor<double> nothing = Tensor<double>::zeros({2, 1, 3, 4});
  const Tensor<double> slow = pf::full_completion([&](const auto& at) { return diagonal.parameters(at, labels); },
                                                  diagonal.conditional(), nothing, nothing, b);
  CHECK(diagonal.sample(labels, a).to_vector() == slow.to_vector());
  CHECK_THROWS_AS(row.log_prob(x), pf::ValueError);
  CHECK_THROWS_AS(pf::row_pixel_rnn(binary, {.colors = 3, .height = 4, .width = 4, .units = 4}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::row_pixel_rnn(binary, {.colors = 1, .height = 4, .width = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::diagonal_pixel_rnn(binary, {.colors = 1, .height = 4, .width = 4, .layers = 0}, rng),
                  pf::ValueError);
}
