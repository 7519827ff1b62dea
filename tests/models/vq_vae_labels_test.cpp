// Priors over codes with classes, with dropout and with too short a context; networks with dropout around a quantizer.
#include <array>
#include <cmath>
#include <vector>

#include <pushforward/models/autoregressive/gpt.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/normal_head.hpp>
#include <pushforward/models/vq_vae2.hpp>
#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

using Gpt = pf::Gpt<double>;

Gpt small_gpt(Index context, pf::Rng& rng, Index classes = 0, double dropout = 0, Index vocabulary = 5) {
  Gpt model({.vocabulary = vocabulary,
             .context = context,
             .features = 8,
             .layers = 1,
             .heads = 2,
             .classes = classes,
             .dropout = dropout},
            rng);
  // First weights are so small that all tokens are about as likely.
  pf::for_each_parameter<double>(model, [&](const pf::Path&, pf::Parameter<double>& p) {
    p = p.tensor() + 0.3 * pf::normal<double>(p.shape(), rng);
  });
  return model;
}

Tensor<Index> random_codes(const pf::Shape& shape, pf::Rng& rng, Index levels = 5) {
  return Tensor<Index>::generate(shape, [&](Index) { return rng.uniform_index(levels); });
}

double gap(const Tensor<double>& a, const Tensor<double>& b) { return pf::max(pf::abs(a - b)).item(); }

// A model of tokens that are all alike, which counts how often it is asked.
struct Counted {
  using Scalar = double;
  pf::Parameter<double> weight;
  int* passes;

  explicit Counted(int* count) : weight(Tensor<double>::zeros({5})), passes(count) {}

  Tensor<double> logits(const Tensor<Index>& tokens) const {
    ++*passes;
    return pf::expand(weight.tensor(), {tokens.size(0), tokens.size(1), 5});
  }
  Tensor<double> log_prob(const Tensor<Index>& tokens) const {
    ++*passes;
    return Tensor<double>::full({tokens.size(0)}, -std::log(5.0) * double(tokens.size(1)));
  }
  Tensor<Index> generate(const Tensor<Index>& prefix, Index, pf::Rng&) const { return prefix; }
  static void members(auto& self, auto&& visit) { visit("weight", self.weight); }
};

// Images [n, 1, 4, 6] with codes [2, 3], and with codes [2, 2] above [4, 4].
auto small_vae(pf::Rng& rng) {
  const pf::VqNetworkOptions network{.hidden = 4, .residual = 2, .halvings = 1, .features = 2};
  return pf::VqVae(pf::VqEncoder<double>(network, rng), pf::BernoulliHead(pf::VqDecoder<double>(network, rng)),
                   pf::VectorQuantizer<double>(5, 2, rng));
}
auto small_vae2(pf::Rng& rng) {
  const pf::VqNetworkOptions in{.hidden = 4, .residual = 2, .halvings = 1, .features = 4};
  const pf::VqNetworkOptions up{.channels = 4, .hidden = 4, .residual = 2, .halvings = 1, .features = 3};
  const pf::VqNetworkOptions last{.hidden = 4, .residual = 2, .halvings = 1, .features = 7};
  return pf::VqVae2(pf::VqEncoder<double>(in, rng), pf::VqEncoder<double>(up, rng), pf::VqDecoder<double>(up, rng),
                    pf::Conv2d<double>(8, 3, 1, rng), pf::BernoulliHead(pf::VqDecoder<double>(last, rng)),
                    pf::VectorQuantizer<double>(5, 3, rng), pf::VectorQuantizer<double>(5, 3, rng));
}
Tensor<double> bits(const pf::Shape& shape, pf::Rng& rng) {
  return pf::bernoulli(Tensor<double>::full(shape, 0.5), rng);
}

}  // namespace

TEST_CASE("a prior that cannot look at all codes is refused when the model is built") {
  pf::Rng rng(1);
  const auto vae = small_vae(rng);
  CHECK_THROWS_WITH(pf::VqGenerator(vae, small_gpt(5, rng), {2, 3}),
                    ContainsSubstring("looks at 5 tokens") && ContainsSubstring("there are 6 codes"));
  CHECK(pf::VqGenerator(vae, small_gpt(6, rng), {2, 3}).sample(2, rng).shape() == pf::Shape{2, 1, 4, 6});

  CHECK_THROWS_AS(pf::VqGenerator(vae, small_gpt(6, rng), {2, 3}).sample(-1, rng), pf::ValueError);

  CHECK_THROWS_AS(pf::TopThenBottom(small_gpt(16, rng), {4, 4}), pf::ValueError);  // no room for a single top code
  CHECK_THROWS_AS(pf::TopThenBottom(small_gpt(16, rng), {0, 4}), pf::ShapeError);
  const pf::TopThenBottom narrow(small_gpt(19, rng), {4, 4}), wide(small_gpt(20, rng), {4, 4});
  CHECK_THROWS_WITH(narrow.sample(random_codes({2, 2, 2}, rng), rng), ContainsSubstring("there are 20"));
  CHECK_THROWS_AS(narrow.sample(Tensor<Index>::scalar(1), rng), pf::ShapeError);
  const auto vae2 = small_vae2(rng);
  CHECK_THROWS_WITH(pf::VqGenerator2(vae2, small_gpt(4, rng), narrow, {2, 2}), ContainsSubstring("TopThenBottom"));
  CHECK_THROWS_WITH(pf::VqGenerator2(vae2, small_gpt(3, rng), wide, {2, 2}), ContainsSubstring("4 top codes"));
  CHECK(pf::VqGenerator2(vae2, small_gpt(4, rng), wide, {2, 2}).sample(2, rng).shape() == pf::Shape{2, 1, 8, 8});
}

TEST_CASE("bottom codes given top codes take one pass, and their probability is that of both over that of the top") {
  pf::Rng rng(2);
  const auto top = random_codes({7, 2, 2}, rng), bottom = random_codes({7, 4, 4}, rng),
             labels = random_codes({7}, rng, 3);
  const auto all = pf::TopThenBottom<Gpt>::tokens(bottom, top), first = pf::reshape(top, {7, 4});
  const pf::TopThenBottom plain(small_gpt(20, rng), {4, 4});
  CHECK(gap(plain.log_prob(bottom, top), plain.model().log_prob(all) - plain.model().log_prob(first)) < 1e-10);
  const pf::TopThenBottom classed(small_gpt(20, rng, 3), {4, 4});
  CHECK(gap(classed.log_prob(bottom, top, labels),
            classed.model().log_prob(all, labels) - classed.model().log_prob(first, labels)) < 1e-10);
  CHECK_FALSE(plain.takes_labels());
  CHECK(classed.takes_labels());

  int passes = 0;
  const pf::TopThenBottom counted(Counted(&passes), {4, 4});
  CHECK(counted.log_prob(bottom, top)(0) == Approx(-16 * std::log(5.0)));
  CHECK(passes == 1);
  CHECK_FALSE(counted.takes_labels());
}

TEST_CASE("a sequence model of bottom codes trains with dropout, and with labels") {
  pf::Rng rng(3);
  // Bottom codes are the top code, moved by the label.
  const auto top = random_codes({240, 1, 1}, rng), labels = random_codes({240}, rng, 3);
  const auto bottom =
      Tensor<Index>::generate({240, 2, 2}, [&](Index i) { return (top(i / 4, 0, 0) + labels(i / 4)) % 5; });
  const auto trained = [&](pf::TopThenBottom<Gpt> prior, const auto& data) {
    pf::fit(
        prior, data, pf::bottom_given_top,
        {.epochs = 60, .batch_size = 40, .optimizer = pf::Adam({.learning_rate = 0.02}), .progress = pf::Progress::off},
        rng);
    return prior;
  };
  const pf::TopThenBottom with_labels(small_gpt(5, rng, 3, 0.05), {2, 2});
  const auto knows = trained(with_labels, std::tuple(bottom, top, labels));
  CHECK(knows.log_prob(bottom, top, labels).mean() > -0.6);
  const auto drawn = knows.sample(top, labels, rng);
  CHECK(pf::mean(pf::equal(pf::cast<double>(drawn), pf::cast<double>(bottom))).item() > 0.8);
  // Without the labels there are three ways to go on: log 3 nats for the first code.
  const auto guesses = trained(pf::TopThenBottom(small_gpt(5, rng, 0, 0.05), {2, 2}), std::tuple(bottom, top));
  CHECK(guesses.log_prob(bottom, top).mean() == Approx(-std::log(3.0)).margin(0.4));
}

TEST_CASE("dropout in a sequence model of bottom codes is on in training only") {
  pf::Rng rng(4);
  const auto top = random_codes({9, 2, 2}, rng), bottom = random_codes({9, 4, 4}, rng);
  pf::TopThenBottom prior(small_gpt(20, rng, 0, 0.3), {4, 4});
  const auto loss = [&](std::uint64_t seed) {
    pf::Rng noise(seed);
    return pf::bottom_given_top(prior, bottom, top, noise).item();
  };
  CHECK(loss(1) == loss(1));
  CHECK(loss(1) != loss(2));
  pf::evaluate(prior);
  CHECK(loss(1) == loss(2));
  CHECK(loss(1) == Approx(-prior.log_prob(bottom, top).mean() / 16));
}

TEST_CASE("a prior with classes makes a generator with classes, and a bound for each label") {
  pf::Rng rng(5);
  const pf::VqGenerator model(small_vae(rng), small_gpt(10, rng, 3), {2, 3});  // a longer context than there are codes
  const auto x = bits({4, 1, 4, 6}, rng);
  const auto labels = random_codes({4}, rng, 3);
  const auto codes = model.autoencoder().codes(x);
  const auto expected = model.prior().log_prob(pf::reshape(codes, {4, 6}), labels) +
                        pf::sum(model.autoencoder().decode_codes(codes).log_prob(x), {1, 2});
  const auto bound = model.log_likelihood(x, labels, rng);
  CHECK(bound.kind == pf::LikelihoodKind::lower_bound);
  CHECK(gap(bound.value, expected) < 1e-10);
  CHECK(model.sample_codes(labels, rng).shape() == pf::Shape{4, 2, 3});
  CHECK(model.sample(labels, rng, pf::DrawOptions{.temperature = 0.5}).shape() == pf::Shape{4, 1, 4, 6});
  CHECK_THROWS_WITH(model.log_likelihood(x, rng), ContainsSubstring("classes"));
}

TEST_CASE("two-level generators take labels for the top codes, and for the bottom codes where that prior has classes") {
  pf::Rng rng(6);
  const auto vae = small_vae2(rng);
  const auto x = bits({4, 1, 8, 8}, rng);
  const auto labels = random_codes({4}, rng, 3);
  const auto codes = vae.codes(x);
  const Gpt top = small_gpt(4, rng, 3);
  const auto of_image = pf::sum(vae.decode_codes(codes).log_prob(x), {1, 2});
  const auto of_top = top.log_prob(pf::reshape(codes.top, {4, 4}), labels);
  for (const Index classes : {0, 3}) {
    const pf::TopThenBottom bottom(small_gpt(20, rng, classes), {4, 4});
    const pf::VqGenerator2 model(vae, top, bottom, {2, 2});
    const auto of_bottom =
        classes > 0 ? bottom.log_prob(codes.bottom, codes.top, labels) : bottom.log_prob(codes.bottom, codes.top);
    CHECK(gap(model.code_log_prob(x, labels), of_top + of_bottom) < 1e-10);
    CHECK(gap(model.log_likelihood(x, labels, rng).value, of_top + of_bottom + of_image) < 1e-10);
    CHECK(model.sample(labels, rng).shape() == x.shape());
    CHECK(model.sample_codes(labels, rng, pf::DrawOptions{.top_k = 2}).bottom.shape() == codes.bottom.shape());
    CHECK_THROWS_WITH(model.sample(4, rng), ContainsSubstring("classes"));
  }
}

namespace {

// Rows of six numbers by way of networks with dropout.
auto with_dropout(pf::Rng& rng) {
  return pf::VqVae(pf::Sequential(pf::Linear<>(6, 3, rng), pf::Dropout{0.5}),
                   pf::NormalHead(pf::Sequential(pf::Linear<>(3, 6, rng), pf::Dropout{0.5})),
                   pf::VectorQuantizer<>(5, 3, rng));
}

}  // namespace

TEST_CASE("dropout in the networks around a quantizer is on in training only") {
  pf::Rng rng(7);
  auto vae = with_dropout(rng);
  const auto x = pf::normal({30, 6}, rng);
  const auto loss = [&](std::uint64_t seed) {
    auto copy = vae;  // training moves the codebook
    pf::Rng noise(seed);
    return pf::vq_loss()(copy, x, noise).item();
  };
  CHECK(loss(1) == loss(1));
  CHECK(loss(1) != loss(2));
  pf::fit(vae, x, pf::vq_loss(), {.epochs = 3, .batch_size = 10, .progress = pf::Progress::off}, rng);
  CHECK(loss(1) == loss(2));  // fit ends in evaluation
  const auto codes = vae.codes(x);
  CHECK(pf::mean(vae.terms(x, rng).reconstruction).item() ==
        Approx(-vae.decode_codes(codes).log_prob(x).mean() / 6).epsilon(1e-5));
  pf::train(vae);
  CHECK_THROWS_WITH(vae.codes(x), ContainsSubstring("evaluate(model) first"));
}

TEST_CASE("dropout in the networks of two levels takes the numbers of the training") {
  pf::Rng rng(8);
  const pf::Dropout half{0.5};
  const auto conv = [&](Index in, Index out, Index stride) {
    return pf::Conv2d<>(in, out, pf::Size2(stride), rng, {.stride = stride});
  };
  const pf::VqNetworkOptions up{.channels = 4, .hidden = 4, .residual = 2, .halvings = 1, .features = 3};
  const pf::VqNetworkOptions last{.hidden = 4, .residual = 2, .halvings = 1, .features = 7};
  pf::VqVae2 vae(pf::Sequential(conv(1, 4, 2), half), pf::Sequential(conv(4, 3, 2), half),
                 pf::Sequential(pf::VqDecoder<>(up, rng), half), pf::Sequential(conv(8, 3, 1), half),
                 pf::BernoulliHead(pf::Sequential(pf::VqDecoder<>(last, rng), half)), pf::VectorQuantizer<>(5, 3, rng),
                 pf::VectorQuantizer<>(5, 3, rng));
  const auto x = pf::cast<float>(bits({6, 1, 8, 8}, rng));
  pf::fit(vae, x, pf::vq_loss(), {.epochs = 2, .batch_size = 3, .progress = pf::Progress::off}, rng);
  CHECK(vae.codes(x).bottom.shape() == pf::Shape{6, 4, 4});
  CHECK(std::isfinite(vae.terms(x, rng).reconstruction.sum()));
}
