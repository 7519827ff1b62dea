// VqGenerator and VqVae2: priors over codes, bounds against sums over all codes, draws against probabilities.
#include <cmath>
#include <vector>

#include <pushforward/models/concepts.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/vq_vae2.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

// A Markov chain of tokens: p(first), p(next | last) for each, from logits; a sequence model like a transformer.
struct Chain {
  using Scalar = double;
  pf::Parameter<double> first, next;  // [k], [k, k]

  Chain(Index k, pf::Rng& rng) : first(pf::normal<double>({k}, rng)), next(pf::normal<double>({k, k}, rng)) {}

  Tensor<double> log_prob(const Tensor<Index>& tokens) const {
    Tensor<double> total = pf::index_select(pf::log_softmax(first.tensor(), 0), 0, pf::select(tokens, 1, 0));
    const Index k = first.size();
    const auto table = pf::reshape(pf::log_softmax(next.tensor(), 1), {k * k});
    for (Index i = 1; i < tokens.size(1); ++i) {
      const auto pair =
          Tensor<Index>::generate({tokens.size(0)}, [&](Index row) { return tokens(row, i - 1) * k + tokens(row, i); });
      total = total + pf::index_select(table, 0, pair);
    }
    return total;
  }
  Tensor<Index> generate(const Tensor<Index>& prefix, Index count, pf::Rng& rng) const {
    Tensor<Index> tokens = prefix;
    for (Index i = 0; i < count; ++i) {
      const Index n = prefix.size(0), t = tokens.size(1);
      const auto logits = t == 0 ? pf::expand(pf::stop_gradient(first.tensor()), {n, first.size()})
                                 : pf::index_select(pf::stop_gradient(next.tensor()), 0, pf::select(tokens, 1, t - 1));
      tokens = pf::concat<Index>({tokens, pf::unsqueeze(pf::categorical(logits, rng), 1)}, 1);
    }
    return tokens;
  }
  static void members(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("next", self.next);
  }
};

// A density of images of numbers whose places are independent, like a PixelCNN without a view.
struct Places {
  using Scalar = double;
  Tensor<double> logits;  // [places, k]

  Tensor<double> log_prob(const Tensor<double>& x) const {
    if (x.rank() != 4) pf::fail<pf::ShapeError>("Places: got ", x.shape());
    const Index n = x.size(0);
    const auto at = pf::reshape(pf::cast<Index>(x), {n, logits.size(0), 1});
    return pf::sum(
        pf::reshape(pf::gather(pf::expand(pf::log_softmax(logits, 1), {n, logits.size(0), logits.size(1)}), 2, at),
                    {n, logits.size(0)}),
        1);
  }
  Tensor<double> sample(Index n, pf::Rng& rng) const {
    const auto drawn = pf::categorical(pf::expand(logits, {n, logits.size(0), logits.size(1)}), rng);
    return pf::cast<double>(pf::reshape(drawn, {n, 1, 1, logits.size(0)}));
  }
  static void members(auto&, auto&&) {}
};

// Vectors of three bits by way of one code of four, and of two residual codes of three.
using Plain = pf::VqVae<pf::Linear<double>, pf::BernoulliHead<pf::Linear<double>>, pf::VectorQuantizer<double>>;

Plain bits_by_code(pf::Rng& rng) {
  const pf::Linear<double> encoder(3, 2, rng), decoder(2, 3, rng);
  return Plain(encoder, pf::BernoulliHead(decoder), pf::VectorQuantizer<double>(4, 2, rng));
}

Tensor<double> all_bits() {
  return Tensor<double>::generate({8, 3}, [](Index i) { return double((i / 3) >> (i % 3) & 1); });
}

double largest_gap(const Tensor<double>& a, const Tensor<double>& b) { return pf::max(pf::abs(a - b)).item(); }

}  // namespace

TEST_CASE("the bound of a vector-quantized model is one term of its log-likelihood, and draws follow the whole") {
  pf::Rng rng(1);
  const pf::VqGenerator model(bits_by_code(rng), Chain(4, rng), pf::Shape{});
  const auto& vae = model.autoencoder();
  const Tensor<Index> every = Tensor<Index>::arange(0, 4);
  const auto log_code = model.prior().log_prob(pf::reshape(every, {4, 1}));                 // [4]
  const auto log_x = vae.decode_codes(every).log_prob(pf::reshape(all_bits(), {8, 1, 3}));  // [8, 4]
  const auto exact = pf::logsumexp(log_x + log_code, 1);
  CHECK(pf::sum(pf::exp(exact)).item() == Approx(1).epsilon(1e-12));

  const auto bound = pf::log_likelihood(model, all_bits(), rng);
  CHECK(bound.kind == pf::LikelihoodKind::lower_bound);
  const auto codes = vae.codes(all_bits());
  for (Index i = 0; i < 8; ++i) {
    CHECK(bound.value(i) == Approx(log_x(i, codes(i)) + log_code(codes(i))).epsilon(1e-12));
    CHECK(bound.value(i) < exact(i));
    CHECK(model.code_log_prob(all_bits())(i) == Approx(log_code(codes(i))).epsilon(1e-12));
  }

  const Index n = 20'000;
  const auto drawn = model.sample(n, rng);
  std::vector<double> counts(8);
  for (Index i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(drawn(i, 0) + 2 * drawn(i, 1) + 4 * drawn(i, 2))];
  double chi_square = 0;
  for (Index i = 0; i < 8; ++i) {
    const double expected = static_cast<double>(n) * std::exp(exact(i));
    chi_square += std::pow(counts[static_cast<std::size_t>(i)] - expected, 2) / expected;
  }
  CHECK(chi_square < 26);  // 7 degrees of freedom: exceeded by 1 in 2000
}

TEST_CASE("codes reach a prior as tokens or as images of numbers, and come back") {
  pf::Rng rng(2);
  const Chain chain(5, rng);
  const Places places{pf::normal<double>({6, 5}, rng)};
  const auto codes = Tensor<Index>::generate({4, 2, 3}, [&](Index) { return rng.uniform_index(5); });
  const Tensor<Index> tokens = pf::prior_data(chain, codes);
  CHECK(tokens.shape() == pf::Shape{4, 6});
  CHECK(tokens.to_vector() == codes.to_vector());
  const Tensor<double> numbers = pf::prior_data<double>(places, codes);
  CHECK(numbers.shape() == pf::Shape{4, 1, 2, 3});
  CHECK(pf::cast<Index>(numbers).to_vector() == codes.to_vector());
  CHECK(pf::prior_data<double>(places, pf::reshape(codes, {1, 4, 2, 3})).shape() == pf::Shape{1, 4, 2, 3});
  CHECK_THROWS_AS(pf::prior_data(chain, Tensor<Index>()), pf::ShapeError);

  const pf::VqNetworkOptions network{.hidden = 4, .residual = 2, .halvings = 1, .features = 2};
  const auto vae = pf::VqVae(pf::VqEncoder<double>(network, rng), pf::VqDecoder<double>(network, rng),
                             pf::VectorQuantizer<double>(5, 2, rng));
  const pf::VqGenerator by_tokens(vae, chain, {2, 3});
  const pf::VqGenerator by_numbers(vae, places, {2, 3});
  for (const auto& drawn : {by_tokens.sample_codes(7, rng), by_numbers.sample_codes(7, rng)}) {
    CHECK(drawn.shape() == pf::Shape{7, 2, 3});
    CHECK(drawn.max() < 5);
  }
  CHECK(by_tokens.sample(3, rng).shape() == pf::Shape{3, 1, 4, 6});
  CHECK(by_numbers.sample_mean(3, rng).shape() == pf::Shape{3, 1, 4, 6});
  const auto x = pf::normal<double>({3, 1, 4, 6}, rng);
  CHECK(largest_gap(by_tokens.code_log_prob(x), chain.log_prob(pf::reshape(vae.codes(x), {3, 6}))) < 1e-14);
  pf::Rng a(5), b(5);
  CHECK(by_tokens.sample(3, a).to_vector() == by_tokens.sample(3, b).to_vector());
  const pf::VqGenerator other(vae, places, {3, 3});
  CHECK_THROWS_WITH(other.sample(2, rng), ContainsSubstring("give the prior that size"));
  const pf::VqGenerator unknown(vae, Chain(9, rng), {2, 3});
  CHECK_THROWS_AS(unknown.sample(50, rng), pf::IndexError);  // a code that the quantizer does not have
  CHECK_THROWS_AS(pf::VqGenerator(vae, chain, {0, 3}), pf::ShapeError);
}

namespace {

pf::VqVae2Options two_levels(pf::Index hidden = 8) {
  return {.hidden = hidden, .residual = 4, .features = 3, .codes = 6, .quantizer = {.decay = 0.9}};
}

}  // namespace

TEST_CASE("two levels of codes learn to say more than the upper one alone") {
  pf::Rng rng(3);
  // A brightness for each quarter, and a grain.
  const auto coarse = pf::uniform({128, 1, 2, 1, 2, 1}, rng), fine = pf::uniform({128, 1, 2, 4, 2, 4}, rng);
  const auto images = pf::reshape(coarse + 0.3 * fine, {128, 1, 8, 8});
  auto vae = pf::vq_vae2(two_levels(16), rng);
  const auto error = [&] { return pf::mean(pf::square(vae.reconstruct(images) - images)).item(); };
  const double before = error();
  pf::fit(
      vae, images, pf::vq_loss(),
      {.epochs = 40, .batch_size = 32, .optimizer = pf::Adam({.learning_rate = 5e-3}), .progress = pf::Progress::off},
      rng);
  CHECK(before > 0.09);  // the variance of the images
  CHECK(error() < 0.015);
  const auto codes = vae.codes(images);
  CHECK(codes.top.shape() == pf::Shape{128, 2, 2});
  CHECK(codes.bottom.shape() == pf::Shape{128, 4, 4});
  CHECK(pf::code_perplexity(codes.top, 6) > 2);
  CHECK(pf::code_perplexity(codes.bottom, 6) > 2);
  CHECK(pf::max(pf::abs(vae.decode_codes(codes) - vae.reconstruct(images))).item() == 0);
  // Other top codes for the same bottom ones give another image.
  CHECK(pf::max(pf::abs(vae.decode_codes({pf::flip(codes.top, 0), codes.bottom}) - vae.reconstruct(images))).item() >
        0.1);
}

TEST_CASE("the bound of a two-level model is log p(top) + log p(bottom | top) + log p(x | both)") {
  pf::Rng rng(4);
  const pf::VqNetworkOptions last{.hidden = 8, .residual = 4, .halvings = 1, .features = 11};
  const pf::VqNetworkOptions up{.channels = 8, .hidden = 8, .residual = 4, .halvings = 1, .features = 3};
  const pf::VqNetworkOptions in{.hidden = 8, .residual = 4, .halvings = 1, .features = 8};
  const pf::VqVae2 vae(pf::VqEncoder<double>(in, rng), pf::VqEncoder<double>(up, rng), pf::VqDecoder<double>(up, rng),
                       pf::Conv2d<double>(16, 3, 1, rng), pf::BernoulliHead(pf::VqDecoder<double>(last, rng)),
                       pf::VectorQuantizer<double>(6, 3, rng), pf::VectorQuantizer<double>(6, 3, rng));
  const Chain chain(6, rng);
  const pf::VqGenerator2 model(vae, chain, pf::TopThenBottom(chain, {4, 4}), {2, 2});
  const auto x = pf::cast<double>(pf::cast<Index>(pf::uniform<double>({5, 1, 8, 8}, rng) * 2.0));
  const auto codes = vae.codes(x);
  const auto all = pf::concat<Index>({pf::reshape(codes.top, {5, 4}), pf::reshape(codes.bottom, {5, 16})}, 1);
  const auto bound = pf::log_likelihood(model, x, rng);
  CHECK(bound.kind == pf::LikelihoodKind::lower_bound);
  const auto fit = pf::sum(vae.decode_codes(codes).log_prob(x), {1, 2});
  CHECK(largest_gap(bound.value, chain.log_prob(all) + fit) < 1e-10);
  CHECK(largest_gap(model.code_log_prob(x), chain.log_prob(all)) < 1e-10);

  const auto drawn = model.sample_codes(400, rng);
  CHECK(drawn.top.shape() == pf::Shape{400, 2, 2});
  CHECK(drawn.bottom.shape() == pf::Shape{400, 4, 4});
  CHECK(model.sample(3, rng).shape() == pf::Shape{3, 1, 8, 8});
  // The first bottom code follows the last top one: how often it is code 0, 5 standard errors wide.
  const auto after = pf::softmax(chain.next.tensor(), 1);
  double expected = 0, found = 0;
  for (Index i = 0; i < 400; ++i) {
    expected += after(drawn.top(i, 1, 1), 0);
    found += drawn.bottom(i, 0, 0) == 0;
  }
  CHECK(std::abs(found - expected) < 5 * std::sqrt(400 * 0.25));
}

TEST_CASE("a sequence model learns bottom codes given top codes") {
  pf::Rng rng(5);
  // The chain goes up by one, modulo 4.
  const auto top = Tensor<Index>::generate({60, 1, 2}, [](Index i) { return (i / 2 + i % 2) % 4; });
  const auto bottom = Tensor<Index>::generate({60, 2, 2}, [](Index i) { return (i / 4 + 2 + i % 4) % 4; });
  pf::TopThenBottom prior(Chain(4, rng), {2, 2});
  pf::fit(
      prior, std::tuple(bottom, top), pf::bottom_given_top,
      {.epochs = 60, .batch_size = 20, .optimizer = pf::Adam({.learning_rate = 0.05}), .progress = pf::Progress::off},
      rng);
  CHECK(prior.log_prob(bottom, top).mean() > -0.2);
  CHECK(prior.sample(top, rng).shape() == pf::Shape{60, 2, 2});
  CHECK_THROWS_AS(prior.log_prob(bottom, pf::slice(top, 0, 0, 3)), pf::ShapeError);
}

TEST_CASE("two-level models say what they cannot do") {
  pf::Rng rng(6);
  const auto vae = pf::vq_vae2(two_levels(), rng);
  CHECK_THROWS_WITH(vae.reconstruct(Tensor<>::zeros({2, 1, 27, 29})), ContainsSubstring("multiples of 2"));
  CHECK_THROWS_WITH(vae.codes(Tensor<>::zeros({2, 1, 6, 6})), ContainsSubstring("multiples of 2"));
  CHECK_THROWS_AS(vae.codes(Tensor<>::zeros({2, 3, 8, 8})), pf::ShapeError);
  CHECK_THROWS_AS(vae.codes(Tensor<>::zeros({0, 1, 8, 8})), pf::ShapeError);
  const auto top = Tensor<Index>::zeros({2, 2, 2}), bottom = Tensor<Index>::zeros({2, 4, 4});
  CHECK_THROWS_AS(vae.decode_codes({Tensor<Index>::full({2, 2, 2}, 6), bottom}), pf::IndexError);
  CHECK_THROWS_WITH(vae.decode_codes({bottom, bottom}), ContainsSubstring("same number, height and width"));
  CHECK_THROWS_WITH(vae.decode_codes({pf::slice(top, 0, 0, 1), bottom}), ContainsSubstring("same number"));
  CHECK_THROWS_AS(pf::vq_vae2({.codes = 0}, rng), pf::ValueError);
}
