// BottomPixelCnn: what a bottom code sees, draws against full passes, and what is learned of top codes and labels.
#include <cmath>
#include <vector>

#include <pushforward/models/autoregressive/bottom_pixel_cnn.hpp>
#include <pushforward/models/vq_vae2.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

Tensor<Index> drawn_codes(const pf::Shape& shape, pf::Rng& rng, Index levels) {
  return Tensor<Index>::generate(shape, [&](Index) { return rng.uniform_index(levels); });
}

pf::BottomPixelCnnOptions little(Index classes = 0, double dropout = 0) {
  return {.levels = 3,
          .height = 4,
          .width = 6,
          .top_levels = 5,
          .top_height = 2,
          .top_width = 3,
          .embedding = 3,
          .features = 4,
          .top_blocks = 1,
          .blocks = 2,
          .dropout = dropout,
          .classes = classes};
}

// Tokens that are all alike.
struct Uniform {
  Tensor<> log_prob(const Tensor<Index>& tokens) const { return Tensor<>::full({tokens.size(0)}, -4 * std::log(6.0f)); }
  Tensor<Index> sample(Index n, pf::Rng& random) const { return drawn_codes({n, 4}, random, 6); }
  static void members(auto&, auto&&) {}
};

// `codes` with the one at `at` moved on.
Tensor<Index> changed(const Tensor<Index>& codes, Index at, Index levels) {
  std::vector<Index> values = codes.to_vector();
  values[static_cast<std::size_t>(at)] = (values[static_cast<std::size_t>(at)] + 1) % levels;
  return Tensor<Index>(codes.shape(), values);
}

}  // namespace

TEST_CASE("a bottom code sees all bottom codes before it, none after, and all top codes around it") {
  pf::Rng rng(1);
  auto options = little();
  options.blocks = 6;  // far enough for all of 4 x 6
  options.top_blocks = 2;
  pf::BottomPixelCnn<double> prior(options, rng);
  const auto bottom = drawn_codes({1, 4, 6}, rng, 3), top = drawn_codes({1, 2, 3}, rng, 5);
  const auto here = prior.logits(bottom, top);
  REQUIRE(here.shape() == pf::Shape{1, 3, 4, 6});
  const auto moved = [&](const Tensor<double>& logits, Index place) {
    double most = 0;
    for (Index k = 0; k < 3; ++k)
      most = std::max(most, std::abs(logits.data()[k * 24 + place] - here.data()[k * 24 + place]));
    return most;
  };
  for (Index at = 0; at < 24; ++at) {
    const auto there = prior.logits(changed(bottom, at, 3), top);
    for (Index place = 0; place < 24; ++place) {
      if (place <= at)
        CHECK(moved(there, place) == 0);
      else
        CHECK(moved(there, place) > 0);
    }
  }
  for (Index at = 0; at < 6; ++at) {
    const auto there = prior.logits(bottom, changed(top, at, 5));
    for (Index place = 0; place < 24; ++place) CHECK(moved(there, place) > 0);
  }
}

TEST_CASE("probabilities of all bottom codes add up to one") {
  pf::Rng rng(2);
  const pf::BottomPixelCnn<double> prior({.levels = 3,
                                          .height = 2,
                                          .width = 2,
                                          .top_levels = 2,
                                          .top_height = 1,
                                          .top_width = 1,
                                          .embedding = 3,
                                          .features = 4,
                                          .blocks = 1},
                                         rng);
  const auto all = Tensor<Index>::generate({81, 2, 2}, [](Index i) {
    Index rest = i / 4;
    for (Index digit = 0; digit < i % 4; ++digit) rest /= 3;
    return rest % 3;
  });
  for (const Index top : {0, 1})
    CHECK(pf::sum(pf::exp(prior.log_prob(all, Tensor<Index>::full({81, 1, 1}, top)))).item() ==
          Approx(1).epsilon(1e-12));
}

TEMPLATE_TEST_CASE("draws of bottom codes have the bits of full passes, on any number of threads", "", float, double) {
  pf::Rng rng(3);
  const int before = pf::num_threads();
  for (const Index classes : {0, 4}) {
    pf::BottomPixelCnn<TestType> prior(little(classes), rng);
    pf::evaluate(prior);
    const auto top = drawn_codes({5, 2, 3}, rng, 5);
    const auto labels = classes > 0 ? drawn_codes({5}, rng, classes) : Tensor<Index>();
    for (const int threads : {1, 3}) {
      pf::set_num_threads(threads);
      pf::Rng a(7), b(7);
      const auto drawn = prior.sample(top, labels, a);
      std::vector<Index> slow(5 * 24, 0);
      for (Index p = 0; p < 24; ++p) {
        const auto logits = prior.logits(Tensor<Index>({5, 4, 6}, slow), top, labels);
        const auto next = pf::draw(pf::select(pf::reshape(logits, {5, 3, 24}), 2, p), b);
        for (Index i = 0; i < 5; ++i) slow[static_cast<std::size_t>(i * 24 + p)] = next(i);
      }
      CHECK(drawn.to_vector() == slow);
      CHECK(a.state() == b.state());
    }
    pf::set_num_threads(before);
  }
}

TEST_CASE("the parameters of a convolutional bottom prior have their gradients") {
  pf::Rng rng(4);
  auto options = little(2);
  options.blocks = 1;
  const pf::BottomPixelCnn<double> prior(options, rng);
  const auto bottom = drawn_codes({2, 4, 6}, rng, 3), top = drawn_codes({2, 2, 3}, rng, 5),
             labels = Tensor<Index>({2}, {1, 0});
  pf::testing::check_module(prior, [&](const auto& model) { return model.log_prob(bottom, top, labels); });
}

TEST_CASE("a convolutional prior learns bottom codes from top codes and labels, with dropout") {
  pf::Rng rng(5);
  // Each bottom code is the top code over it plus its column's parity plus the label.
  const auto top = drawn_codes({160, 2, 3}, rng, 3), labels = drawn_codes({160}, rng, 2);
  const auto bottom = Tensor<Index>::generate({160, 4, 6}, [&](Index i) {
    const Index n = i / 24, row = i / 6 % 4, column = i % 6;
    return (top(n, row / 2, column / 2) + column % 2 + labels(n)) % 3;
  });
  auto options = little(2, 0.05);
  options.top_levels = 0;  // as many as the bottom codes
  options.features = 12;
  pf::BottomPixelCnn<> prior(options, rng);
  const pf::History history = pf::fit(
      prior, std::tuple(bottom, top, labels), pf::bottom_given_top,
      {.epochs = 25, .batch_size = 20, .optimizer = pf::Adam({.learning_rate = 0.01}), .progress = pf::Progress::off},
      rng);
  CHECK(history.train_losses().back() < 0.1);  // nats a code; log 3 without knowledge
  CHECK(prior.log_prob(bottom, top, labels).mean() / 24 > -0.05);
  CHECK(pf::mean(pf::equal(pf::cast<double>(prior.sample(top, labels, rng)), pf::cast<double>(bottom))).item() > 0.97);
  // Dropout is on in training only.
  const auto loss = [&](std::uint64_t seed) {
    pf::Rng noise(seed);
    return pf::bottom_given_top(prior, bottom, top, labels, noise).item();
  };
  CHECK(loss(1) == loss(2));
  pf::train(prior);
  CHECK(loss(1) != loss(2));
}

TEST_CASE("a two-level generator draws its bottom codes from a convolutional prior") {
  pf::Rng rng(6);
  const auto vae = pf::vq_vae2({.hidden = 8, .residual = 4, .features = 3, .codes = 6}, rng);
  const pf::BottomPixelCnn<> bottom(
      {.levels = 6, .height = 4, .width = 4, .top_height = 2, .top_width = 2, .embedding = 4, .features = 6}, rng);
  const pf::VqGenerator2 model(vae, Uniform{}, bottom, {2, 2});
  CHECK(model.sample(3, rng).shape() == pf::Shape{3, 1, 8, 8});
  const auto x = pf::uniform({2, 1, 8, 8}, rng);
  const auto codes = vae.codes(x);
  const auto expected = bottom.log_prob(codes.bottom, codes.top) - 4 * std::log(6.0);
  CHECK(pf::max(pf::abs(model.code_log_prob(x) - expected)).item() < 1e-4);
}

TEST_CASE("a convolutional bottom prior says what it cannot do") {
  pf::Rng rng(7);
  using Prior = pf::BottomPixelCnn<>;
  CHECK_THROWS_WITH(Prior({.levels = 1}, rng), ContainsSubstring(".levels is 1"));
  CHECK_THROWS_WITH(Prior({.levels = 4, .top_height = 4}, rng), ContainsSubstring("same multiple"));
  CHECK_THROWS_AS(Prior({.levels = 4, .top_width = 14}, rng), pf::ValueError);
  CHECK_THROWS_AS(Prior({.levels = 4, .blocks = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(Prior({.levels = 4, .dropout = 1}, rng), pf::ValueError);
  const Prior prior(little(), rng), classed(little(2), rng);
  const auto top = Tensor<Index>::zeros({2, 2, 3}), bottom = Tensor<Index>::zeros({2, 4, 6});
  CHECK_THROWS_WITH(prior.log_prob(top, top), ContainsSubstring("bottom codes of shape [2, 2, 3]"));
  CHECK_THROWS_WITH(prior.log_prob(bottom, bottom), ContainsSubstring("top codes of shape [2, 4, 6]"));
  CHECK_THROWS_AS(prior.log_prob(bottom, pf::slice(top, 0, 0, 1)), pf::ShapeError);
  CHECK_THROWS_WITH(prior.log_prob(bottom + Index{3}, top), ContainsSubstring("got the code 3"));
  CHECK_THROWS_AS(prior.sample(top + Index{5}, rng), pf::IndexError);
  CHECK_THROWS_AS(prior.log_prob(bottom, top, Tensor<Index>::zeros({2})), pf::ValueError);
  CHECK_THROWS_WITH(classed.log_prob(bottom, top), ContainsSubstring("2 classes"));
  CHECK_THROWS_AS(classed.sample(top, Tensor<Index>::full({2}, 2), rng), pf::ValueError);
  CHECK_THROWS_AS(classed.sample(top, rng), pf::ValueError);
  CHECK_THROWS_AS(classed.sample(top, Tensor<Index>::zeros({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(prior.sample(top, rng, {.temperature = -1}), pf::ValueError);
  CHECK(prior.sample(Tensor<Index>::zeros({0, 2, 3}), rng).shape() == pf::Shape{0, 4, 6});
}
