#include <pushforward/models/autoregressive/pixel_cnn.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/image_models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::PixelCnnOptions;
using pf::Shape;
using pf::Tensor;

namespace {

template <class S>
auto binary(const PixelCnnOptions& options, pf::Rng& rng) {
  auto model = pf::pixel_cnn_bernoulli<S>(options, rng);
  support::stir<S>(model, 1.5, 0.1, rng);
  return model;
}

template <class S>
auto leveled(const PixelCnnOptions& options, pf::Rng& rng) {
  auto model = pf::pixel_cnn_categorical<S>(options, rng);
  support::stir<S>(model, 1.5, 0.1, rng);
  return model;
}

}  // namespace

TEST_CASE("pixel cnn: no number sees its future, and cached draws are whole passes") {
  pf::Rng rng(1);
  SECTION("binary") {
    const auto model = binary<double>({.height = 6, .width = 5, .features = 8, .blocks = 2, .first_kernel = 5}, rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 1, 6, 5}, 2, rng), rng);
  }
  SECTION("three colors, each of which sees those before it") {
    const auto model = leveled<double>({.colors = 3,
                                        .height = 3,
                                        .width = 3,
                                        .levels = 4,
                                        .features = 18,
                                        .blocks = 1,
                                        .first_kernel = 5,
                                        .kernel = 5},
                                       rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 3, 3, 3}, 4, rng), rng,
                                      {.whole_past = true});
  }
  SECTION("embedded codes, in float") {
    const auto model = leveled<float>(
        {.height = 4, .width = 5, .levels = 7, .embedding = 3, .features = 4, .blocks = 2, .kernel = 1}, rng);
    pf::testing::check_autoregressive(model, support::random_levels<float>({2, 1, 4, 5}, 7, rng), rng,
                                      {.gradients = false, .draw = {.temperature = 0.7, .top_p = 0.9}});
  }
}

TEST_CASE("pixel cnn: has the blind spot of stacked masked kernels") {
  pf::Rng rng(2);
  const auto model = binary<double>({.height = 4, .width = 6, .features = 8, .blocks = 5, .first_kernel = 3}, rng);
  const Tensor<double> x = support::random_levels<double>({1, 1, 4, 6}, 2, rng);
  CHECK_THROWS_WITH(pf::testing::check_autoregressive(model, x, {.whole_past = true}),
                    Catch::Matchers::ContainsSubstring("a blind spot"));
}

TEST_CASE("pixel cnn: cached completions have the bits of whole passes, whatever the size and the threads") {
  const auto check = [](auto zero, const PixelCnnOptions& options, Index n) {
    using S = decltype(zero);
    pf::Rng rng(3);
    const auto model = binary<S>(options, rng);
    const Tensor<S> x = support::random_levels<S>({n, 1, options.height, options.width}, 2, rng);
    const Tensor<S> known =
        Tensor<S>::generate(x.shape().without(0), [&](Index i) { return S(i % options.width < options.width / 2); });
    support::check_completions(model, x, known,
                               Tensor<Index>::generate({options.classes ? n : 0}, [](Index i) { return i % 3; }));
  };
  check(0.0f, {.height = 27, .width = 29, .features = 5, .blocks = 2}, 1);
  check(0.0f, {.height = 3, .width = 5, .features = 32, .blocks = 7}, 40);
  check(0.0, {.height = 3, .width = 4, .features = 32, .blocks = 7}, 41);
  check(0.0f, {.height = 5, .width = 4, .features = 6, .blocks = 3, .classes = 3}, 5);
  check(0.0, {.height = 1, .width = 9, .features = 3, .blocks = 1, .classes = 3}, 2);
}

TEST_CASE("pixel cnn: probabilities of all images of two colors sum to one") {
  pf::Rng rng(7);
  const auto model = binary<double>({.colors = 2, .height = 2, .width = 2, .features = 6, .blocks = 2}, rng);
  CHECK(pf::exp(model.log_prob(support::all_images(2, 2, 2, 2))).sum() == Approx(1).epsilon(1e-12));
}

TEST_CASE("pixel cnn: the density has the right gradients of two orders") {
  pf::Rng rng(13);
  const auto model =
      binary<double>({.height = 3, .width = 4, .features = 3, .blocks = 1, .first_kernel = 3, .classes = 2}, rng);
  const Tensor<double> x = pf::uniform<double>({2, 1, 3, 4}, rng, 0.1, 0.9);
  const Tensor<Index> labels{0, 1};
  pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::sum(model.log_prob(at, labels)); }, x,
                               {.order = 2});
  pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x, labels); });
}

TEST_CASE("pixel cnn: what does not fit is refused by name") {
  pf::Rng rng(17);
  const auto make = [&](const PixelCnnOptions& o) { return pf::pixel_cnn_bernoulli(o, rng); };
  CHECK_THROWS_AS(make({.width = 0}), pf::ValueError);
  CHECK_THROWS_AS(make({.blocks = 0}), pf::ValueError);
  CHECK_THROWS_AS(make({.features = 0}), pf::ValueError);
  CHECK_THROWS_AS(make({.first_kernel = 1}), pf::ValueError);
  CHECK_THROWS_AS(make({.kernel = 2}), pf::ValueError);
  CHECK_THROWS_AS(make({.colors = 3, .features = 32}), pf::ValueError);
  CHECK_THROWS_AS(make({.levels = 1}), pf::ValueError);
  const PixelCnnOptions small{.height = 5, .width = 4, .features = 3, .blocks = 1};
  PixelCnnOptions with_classes = small;
  with_classes.classes = 2;
  support::check_refused_labels(make(with_classes), make(small), "PixelCnn");
  support::check_refused_numbers(make(small), Tensor<>::zeros({2, 1, 5, 4}), 1.5);
  const auto model = make({.colors = 3, .height = 5, .width = 4, .features = 3, .blocks = 1});
  CHECK_THROWS_WITH(model.log_prob(Tensor<>::zeros({2, 1, 5, 4})),
                    Catch::Matchers::ContainsSubstring("expected [n, 3, 5, 4]"));
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 3, 5, 4}), Tensor<Index>{0, 0}), pf::ValueError);
  CHECK(model.sample(0, rng).shape() == Shape{0, 3, 5, 4});
  CHECK(model.sample(2, rng, {.temperature = 0}).shape() == Shape{2, 3, 5, 4});
}
