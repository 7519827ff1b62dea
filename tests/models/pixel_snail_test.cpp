#include <pushforward/models/autoregressive/pixel_snail.hpp>

#include <pushforward/models/autoregressive/full_completion.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Shape;
using pf::Tensor;

namespace {

template <class S>
Tensor<S> levels(const Shape& shape, Index count, pf::Rng& rng) {
  const Tensor<double> u = pf::uniform<double>(shape, rng, 0, static_cast<double>(count));
  return Tensor<S>::generate(shape, [&](Index i) { return static_cast<S>(std::floor(u.data()[i])); });
}

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
    const Tensor<double> x = levels<double>({2, options.colors, options.height, options.width}, 4, rng);
    pf::testing::check_autoregressive(model, x, {.whole_past = true});
  };
  check({.colors = 1, .height = 3, .width = 9, .filters = 3, .blocks = 1, .residuals = 1});  // wider than the
                                                                                             // convolutions reach
  check({.colors = 3, .height = 3, .width = 3, .filters = 3, .blocks = 2, .residuals = 1, .heads = 2});
  check({.colors = 1, .height = 5, .width = 1, .filters = 3, .blocks = 1, .residuals = 0});
  check({.colors = 1, .height = 1, .width = 5, .filters = 3, .blocks = 1});
}

TEST_CASE("draws of PixelSNAIL have the bits of whole passes in float, for any filters, batch and threads") {
  pf::Rng rng(2);
  const int before = pf::num_threads();
  for (const int threads : {1, 2}) {
    pf::set_num_threads(threads);
    for (const Index filters : {1, 4, 20}) {
      const auto model = small<float>({.colors = 2, .height = 6, .width = 7, .filters = filters, .heads = 2}, rng);
      const Tensor<> x = levels<float>({3, 2, 6, 7}, 4, rng),
                     known = pf::bernoulli(Tensor<>::full(x.shape(), 0.4f), rng);
      pf::Rng a(7), b(7);
      CHECK(model.complete(x, known, a).to_vector() == pf::full_completion(model, x, known, b).to_vector());
    }
  }
  pf::set_num_threads(before);
}

TEST_CASE("the probabilities of all images under PixelSNAIL sum to one") {
  pf::Rng rng(3);
  auto model = small<double>({.colors = 1, .height = 2, .width = 3, .filters = 4, .heads = 2}, rng);
  const Tensor<double> all = Tensor<double>::generate(
      {4096, 1, 2, 3}, [](Index i) { return static_cast<double>((i / 6) >> (2 * (i % 6)) & 3); });
  CHECK(pf::exp(model.log_prob(all)).sum() == Approx(1).epsilon(1e-12));
}

TEST_CASE("PixelSNAIL trains all of its parameters, with second-order gradients, and draws given a class") {
  pf::Rng rng(4);
  const auto model =
      small<double>({.colors = 1, .height = 3, .width = 3, .filters = 3, .dropout = 0.3, .classes = 2}, rng);
  const Tensor<double> x = levels<double>({2, 1, 3, 3}, 4, rng);
  const Tensor<Index> labels({2}, {1, 0}), others({2}, {0, 0});
  pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x, labels); });
  pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::sum(pf::square(model.net()(at, labels))); },
                               pf::normal<double>({2, 1, 3, 3}, rng), {.order = 2});
  const Tensor<double> given = model.log_prob(x, labels), otherwise = model.log_prob(x, others);
  CHECK(std::abs(given(0) - otherwise(0)) > 1e-6);
  CHECK(given(1) == otherwise(1));
  CHECK(pf::abs(model.log_prob(x, labels, rng) - given).max() > 1e-6);
  pf::Rng a(5), b(5);
  const Tensor<double> nothing = Tensor<double>::zeros({2, 1, 3, 3});
  const Tensor<double> slow = pf::full_completion([&](const auto& at) { return model.parameters(at, labels); },
                                                  model.conditional(), nothing, nothing, b);
  CHECK(model.sample(labels, a).to_vector() == slow.to_vector());
  CHECK_THROWS_AS(pf::pixel_snail({.colors = 1, .height = 4, .width = 4, .heads = 3}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::pixel_snail({.colors = 0, .height = 4, .width = 4}, rng), pf::ValueError);
  CHECK_THROWS_AS(model.complete(Tensor<double>::full({2, 1, 3, 3}, 4.0), Tensor<double>::ones({1}), labels, rng),
                  pf::ValueError);
}
