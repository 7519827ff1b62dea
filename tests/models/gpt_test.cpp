#include <vector>

#include <pushforward/models/autoregressive/full_completion.hpp>
#include <pushforward/models/autoregressive/image_gpt.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::DrawOptions;
using pf::Gpt;
using pf::GptOptions;
using pf::ImageGpt;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;

static_assert(pf::ExactDensity<ImageGpt<>> && pf::ExactDensity<ImageGpt<double>, double>);

namespace {

// A model whose weights are far from their small start, so that tokens matter.
template <class S = double>
Gpt<S> gpt(const GptOptions& options, std::uint64_t seed = 1) {
  Rng rng(seed);
  Gpt<S> model(options, rng);
  support::stir<S>(model, 1, 0.4, rng);
  pf::evaluate(model);
  return model;
}
GptOptions tiny(Index vocabulary, Index context) {
  return {.vocabulary = vocabulary, .context = context, .features = 8, .layers = 2, .heads = 2};
}

// Every sequence of t tokens, [v^t, t].
Tensor<Index> all_sequences(Index v, Index t) {
  Index count = 1;
  for (Index i = 0; i < t; ++i) count *= v;
  return Tensor<Index>::generate({count, t}, [&](Index i) {
    Index code = i / t;
    for (Index j = t - 1; j > i % t; --j) code /= v;
    return code % v;
  });
}
Tensor<Index> random_tokens(Index n, Index t, Index v, Rng& rng) {
  return pf::categorical(Tensor<>::zeros({n, t, v}), rng);
}
Tensor<Index> columns(const Tensor<Index>& tokens, Index first, Index last) {
  return pf::slice(tokens, 1, first, last);
}

template <class S>
bool same_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

// The logits after tokens [n, t] by a whole pass: those of one more token, whatever it is.
template <class S>
Tensor<S> naive_logits(const Gpt<S>& model, const Tensor<Index>& tokens, const Tensor<Index>& labels) {
  const Tensor<Index> more = pf::concat<Index>({tokens, Tensor<Index>::zeros({tokens.size(0), 1})}, 1);
  const Tensor<S> all = labels.empty() ? model.logits(more) : model.logits(more, labels);
  return pf::squeeze(pf::slice(all, 1, tokens.size(1), more.size(1)), 1);
}
// generate() by whole passes.
template <class S>
Tensor<Index> naive_generate(const Gpt<S>& model, Tensor<Index> tokens, const Tensor<Index>& labels, Index count,
                             Rng& rng, const DrawOptions& options) {
  for (Index i = 0; i < count; ++i) {
    const Index seen = tokens.size(1), context = model.context(), hop = context - context / 2;
    Index first = 0;
    while (seen - first >= context) first += hop;
    const Tensor<Index> drawn = pf::draw(naive_logits(model, columns(tokens, first, seen), labels), rng, options);
    tokens = pf::concat<Index>({tokens, pf::unsqueeze(drawn, 1)}, 1);
  }
  return tokens;
}

template <class S>
void check_cached_bits(const GptOptions& options) {
  INFO(options.vocabulary << " tokens, context " << options.context << ", rotary " << options.rotary << ", tied "
                          << options.tied << ", " << options.classes << " classes");
  const Gpt<S> model = gpt<S>(options);
  constexpr Index n = 3;
  Rng seed(7);
  const Tensor<Index> labels = options.classes > 0 ? random_tokens(1, n, options.classes, seed) : Tensor<Index>();
  const Tensor<Index> row = labels.empty() ? labels : pf::squeeze(labels, 0);
  for (const int threads : {1, 2}) {
    pf::set_num_threads(threads);
    for (const DrawOptions draw : {DrawOptions{}, DrawOptions{.temperature = 0.7, .top_k = 3, .top_p = 0.9}}) {
      // From nothing, from a short prefix beyond the context, and from one that is longer than it.
      for (const Index p : {Index{0}, Index{2}, options.context + 3}) {
        const Index count = p == 0 ? options.context : options.context + 5;
        const Tensor<Index> prefix = random_tokens(n, p, options.vocabulary, seed);
        Rng a(3), b(3);
        const Tensor<Index> cached =
            row.empty() ? model.generate(prefix, count, a, draw) : model.generate(prefix, row, count, a, draw);
        CHECK(same_bits(cached, naive_generate(model, prefix, row, count, b, draw)));
        CHECK(a.state() == b.state());
        Rng c(3);
        if (p == 0) CHECK(same_bits(cached, row.empty() ? model.sample(n, c, draw) : model.sample(row, c, draw)));
      }
    }
    // The logits themselves, however the tokens are cut.
    const Tensor<Index> tokens = random_tokens(n, options.context - 1, options.vocabulary, seed);
    auto cache = row.empty() ? model.cache(n) : model.cache(row);
    Index at = 0;
    for (const Index piece : {Index{0}, Index{1}, Index{2}, options.context - 4}) {
      const Tensor<S> logits = model.step(columns(tokens, at, at + piece), cache);
      at += piece;
      CHECK(same_bits(logits, naive_logits(model, columns(tokens, 0, at), row)));
    }
    CHECK(cache.length() == options.context);
  }
  pf::set_num_threads(2);
}

}  // namespace

TEST_CASE("Gpt: probabilities of all sequences of a length sum to 1") {
  const auto model = gpt(tiny(3, 5));
  for (const Index t : {1, 3, 5}) CHECK(pf::exp(model.log_prob(all_sequences(3, t))).sum() == Approx(1).epsilon(1e-12));
  for (const bool rotary : {false, true}) {
    GptOptions options = tiny(2, 6);
    options.rotary = rotary;
    options.tied = !rotary;
    options.classes = 2;
    const auto labelled = gpt(options);
    const Tensor<Index> all = all_sequences(2, 6);
    double difference = 0;
    for (const Index label : {0, 1})
      CHECK(pf::exp(labelled.log_prob(all, Tensor<Index>::full({64}, label))).sum() == Approx(1).epsilon(1e-12));
    difference =
        pf::abs(labelled.log_prob(all, Tensor<Index>::zeros({64})) - labelled.log_prob(all, Tensor<Index>::ones({64})))
            .max();
    CHECK(difference > 0.1);  // the class matters
  }
}

TEST_CASE("Gpt: logits are those of its parts, put together by hand") {
  for (const bool tied : {false, true}) {
    GptOptions options = tiny(5, 4);
    options.tied = tied;
    const auto model = gpt(options);
    std::vector<std::pair<std::string, Tensor<double>>> parts;
    pf::for_each_parameter<double>(model, [&](const pf::Path& path, const pf::Parameter<double>& p) {
      parts.emplace_back(path.str(), p.tensor());
    });
    const auto part = [&](const std::string& name) {
      for (const auto& [known, tensor] : parts)
        if (known == name) return tensor;
      FAIL("there is no parameter " << name);
      return Tensor<double>();
    };
    // What enters the blocks: the start, then all tokens but the last, each with its position.
    const Tensor<Index> tokens({1, 4}, {3, 0, 4, 1});
    const auto table = part("tokens");
    auto x = pf::concat<double>({part("start"), pf::index_select(table, 0, Tensor<Index>{3, 0, 4})}, 0);
    x = pf::unsqueeze(x + part("positions"), 0);
    Rng rng(0);
    for (const std::string i : {"0", "1"}) {
      pf::TransformerBlock<double> block(8, 2, rng);
      pf::for_each_parameter<double>(
          block, [&](const pf::Path& path, pf::Parameter<double>& p) { p = part("blocks." + i + "." + path.str()); });
      x = block(x);
    }
    x = pf::layer_norm(x, part("norm.weight"), part("norm.bias"));
    const auto logits =
        tied ? pf::linear(x, table, Tensor<double>()) : pf::linear(x, part("head.weight"), part("head.bias"));
    CHECK(pf::abs(model.logits(tokens) - logits).max() < 1e-12);
    const auto log_p = pf::log_softmax(logits, -1);
    const double by_hand = log_p(0, 0, 3) + log_p(0, 1, 0) + log_p(0, 2, 4) + log_p(0, 3, 1);
    CHECK(model.log_prob(tokens).item() == Approx(by_hand).epsilon(1e-12));
    CHECK(parts.size() == (tied ? 29 : 31));
  }
}

TEST_CASE("Gpt: starts as GPT-2 does, and counts its parameters") {
  Rng rng(2);
  const Gpt<> model({.vocabulary = 65, .context = 128}, rng);
  CHECK(pf::count_parameters(model) == 826433 + 128);  // the start is one more row
  const Tensor<Index> tokens = random_tokens(4, 128, 65, rng);
  // Small weights make every token about equally likely at first.
  CHECK(pf::next_token(model, tokens).item() == Approx(std::log(65.0)).epsilon(0.02));
}

TEST_CASE("Gpt: no logits see their own token or the future, all see all of the past") {
  for (const bool rotary : {false, true}) {
    GptOptions options = tiny(4, 6);
    options.rotary = rotary;
    const auto model = gpt(options);
    Rng rng(3);
    const Tensor<Index> tokens = random_tokens(2, 6, 4, rng);
    CHECK_NOTHROW(pf::testing::check_autoregressive(model, tokens, {.whole_past = true}));
    const Tensor<double> before = model.logits(tokens);
    for (Index changed = 0; changed < 6; ++changed) {
      const Tensor<Index> other = Tensor<Index>::generate(
          tokens.shape(), [&](Index i) { return i % 6 == changed ? (tokens.data()[i] + 1) % 4 : tokens.data()[i]; });
      const auto difference = pf::sum(pf::abs(model.logits(other) - before), {0, 2});  // [t]
      for (Index i = 0; i < 6; ++i) CHECK((difference(i) != 0) == (i > changed));
    }
  }
}

TEST_CASE("Gpt: cached draws have the bits of whole passes, in float and double, for any number of threads") {
  for (const bool rotary : {false, true}) {
    GptOptions options{.vocabulary = 7, .context = 9, .features = 12, .layers = 2, .heads = 3, .hidden = 20};
    options.rotary = rotary;
    check_cached_bits<float>(options);
    options.classes = rotary ? 2 : 0;
    check_cached_bits<double>(options);
  }
  check_cached_bits<float>({.vocabulary = 2, .context = 5, .features = 6, .layers = 1, .heads = 1, .tied = true});
  check_cached_bits<double>({.vocabulary = 3, .context = 6, .features = 4, .layers = 1, .heads = 1, .classes = 3});
  // Wide enough for whole vectors, panels and threads.
  check_cached_bits<float>({.vocabulary = 70, .context = 40, .features = 128, .layers = 1, .heads = 4});
}

TEST_CASE("Gpt: what is generated goes on from where it stopped") {
  const auto model = gpt(tiny(5, 6));
  Rng a(4), b(4);
  const Tensor<Index> whole = model.generate(Tensor<Index>::zeros({2, 0}), 20, a);
  Tensor<Index> pieces = model.generate(Tensor<Index>::zeros({2, 0}), 3, b);
  for (const Index count : {1, 9, 0, 7}) pieces = model.generate(pieces, count, b);
  CHECK(same_bits(whole, pieces));
  // Of 5 tokens all are seen by the next one, of 6 the last 3; then the window fills again.
  const std::vector<Index> first{0, 0, 0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9};
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(model.first_seen(static_cast<Index>(i)) == first[i]);
  const auto single = gpt(tiny(5, 1));  // a context of one token: none is seen
  CHECK(single.generate(Tensor<Index>::zeros({2, 3}), 4, a).shape() == Shape{2, 7});
  CHECK(single.first_seen(3) == 3);
}

TEST_CASE("Gpt: samples follow the model's probabilities") {
  const auto model = gpt(tiny(3, 3), 5);
  const Tensor<Index> all = all_sequences(3, 3);
  const Tensor<double> p = pf::exp(model.log_prob(all));
  Rng rng(6);
  constexpr Index n = 4000;
  const Tensor<Index> drawn = model.sample(n, rng);
  std::vector<double> counts(27, 0);
  for (Index i = 0; i < n; ++i) counts[static_cast<std::size_t>(drawn(i, 0) * 9 + drawn(i, 1) * 3 + drawn(i, 2))] += 1;
  double chi_square = 0;
  for (Index i = 0; i < 27; ++i)
    chi_square += std::pow(counts[static_cast<std::size_t>(i)] - n * p.data()[i], 2) / (n * p.data()[i]);
  CHECK(chi_square < 26 + 6 * std::sqrt(52.0));  // mean 26, variance 52

  // Completions keep what is known, and draw the rest from p(x_2 | x_0, x_1).
  const Tensor<Index> x = pf::expand(Tensor<Index>{2, 0, -7}, {n, 3});
  const Tensor<Index> completed = model.complete(x, Tensor<double>{1, 1, 0}, rng);
  double total = 0, ones = 0;
  for (Index i = 0; i < 3; ++i) total += p.data()[18 + i];
  for (Index i = 0; i < n; ++i) {
    REQUIRE((completed(i, 0) == 2 && completed(i, 1) == 0));
    ones += completed(i, 2) == 1;
  }
  const double share = p.data()[19] / total;
  CHECK(std::abs(ones / n - share) < 5 * std::sqrt(share * (1 - share) / n));
}

TEST_CASE("Gpt: completion draws for every place, so that what is unknown does not change the others' numbers") {
  const auto model = gpt(tiny(4, 6));
  Rng rng(8), a(9), b(9);
  const Tensor<Index> x = random_tokens(3, 6, 4, rng);
  const Tensor<Index> drawn = model.complete(x, Tensor<Index>{0, 0, 0, 0, 0, 0}, a);
  CHECK(same_bits(drawn, model.sample(3, b)));
  CHECK(same_bits(model.complete(x, Tensor<Index>{1}, a), x));
  // Temperature 0: each unknown token is the most likely one.
  const Tensor<Index> likely = model.complete(x, Tensor<Index>{1, 1, 0, 1, 0, 0}, a, {.temperature = 0});
  const Tensor<Index> best = pf::argmax(model.logits(likely), -1);
  for (Index i = 0; i < 18; ++i) {
    const Index place = i % 6;
    CHECK(likely.data()[i] == (place == 2 || place > 3 ? best : x).data()[i]);
  }
}

TEST_CASE("next_token is the mean of - log p in nats per token, weighted or not, with labels or without") {
  const auto model = gpt(tiny(4, 5));
  Rng rng(10);
  const Tensor<Index> tokens = random_tokens(3, 5, 4, rng);
  const Tensor<double> log_p = model.log_prob(tokens);
  CHECK(pf::next_token(model, tokens).item() == Approx(-log_p.sum() / 15).epsilon(1e-12));
  CHECK(pf::next_token(model, tokens, rng).item() == pf::next_token(model, tokens).item());
  const Tensor<double> weights{1, 0, 3};
  CHECK(pf::weighted(pf::next_token)(model, tokens, weights, rng).item() ==
        Approx(-(log_p(0) + 3 * log_p(2)) / 20).epsilon(1e-12));
  CHECK(pf::mle(model, tokens).item() == Approx(-log_p.sum() / 3).epsilon(1e-12));

  GptOptions options = tiny(4, 5);
  options.classes = 2;
  const auto labelled = gpt(options);
  const Tensor<Index> labels{1, 0, 1};
  CHECK(pf::next_token(labelled, tokens, labels, rng).item() ==
        Approx(-labelled.log_prob(tokens, labels).sum() / 15).epsilon(1e-12));
  CHECK(pf::weighted(pf::next_token)(labelled, tokens, labels, weights, rng).item() > 0);
}

TEST_CASE("Gpt: gradients of every parameter are finite differences") {
  for (const bool tied : {false, true}) {
    GptOptions options = tiny(3, 4);
    options.features = 4;
    options.tied = tied;
    options.rotary = tied;
    auto model = gpt(options);
    const Tensor<Index> tokens = all_sequences(3, 2);
    const auto gradients = pf::gradient(pf::next_token(model, tokens), model);
    // Along a random direction.
    Rng rng(11);
    auto moved = [&](double step) {
      auto other = model;
      Rng same(12);
      pf::for_each_parameter<double>(other, [&](const pf::Path&, pf::Parameter<double>& p) {
        p = p.tensor() + step * pf::normal<double>(p.shape(), same);
      });
      return pf::next_token(other, tokens).item();
    };
    double slope = 0;
    Rng same(12);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      slope += (pf::normal<double>(gradients[i].shape(), same) * gradients[i]).sum();
    constexpr double h = 1e-5;
    CHECK(slope == Approx((moved(h) - moved(-h)) / (2 * h)).epsilon(1e-6));
    CHECK(std::abs(slope) > 1e-3);
  }
}

TEST_CASE("Gpt: dropout acts while training, with a generator") {
  GptOptions options = tiny(4, 5);
  options.dropout = 0.3;
  auto model = gpt(options);
  Rng rng(13);
  const Tensor<Index> tokens = random_tokens(3, 5, 4, rng);
  const double quiet = pf::next_token(model, tokens, rng).item();
  pf::train(model);
  CHECK_THROWS_WITH(model.log_prob(tokens), ContainsSubstring("generator"));
  Rng a(14), b(14);
  const double first = pf::next_token(model, tokens, a).item(), second = pf::next_token(model, tokens, a).item();
  CHECK(first != second);
  CHECK(first != quiet);
  CHECK(first == pf::next_token(model, tokens, b).item());
  pf::evaluate(model);
  CHECK(pf::next_token(model, tokens, a).item() == quiet);
}

TEST_CASE("Gpt refuses what does not fit, by name") {
  const auto model = gpt(tiny(4, 5));
  Rng rng(15);
  CHECK_THROWS_WITH(model.log_prob(Tensor<Index>({1, 2}, {1, 4})), ContainsSubstring("token 4, expected 0 to 3"));
  CHECK_THROWS_AS(model.log_prob(Tensor<Index>({1, 2}, {-1, 0})), pf::IndexError);
  CHECK_THROWS_WITH(model.logits(Tensor<Index>::zeros({2, 6})), ContainsSubstring("the context of 5"));
  CHECK_THROWS_AS(model.logits(Tensor<Index>::zeros({2, 0})), pf::ShapeError);
  CHECK_THROWS_AS(model.logits(Tensor<Index>::zeros({3})), pf::ShapeError);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.cache(-1), pf::ValueError);
  CHECK(model.sample(0, rng).shape() == Shape{0, 5});
  CHECK_THROWS_AS(model.generate(Tensor<Index>::zeros({3}), 2, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.generate(Tensor<Index>::zeros({1, 2}), -1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.generate(Tensor<Index>::full({1, 9}, 4), 1, rng), pf::IndexError);
  CHECK_THROWS_AS(model.generate(Tensor<Index>::zeros({1, 2}), 1, rng, {.temperature = -1}), pf::ValueError);
  CHECK_THROWS_AS(model.complete(Tensor<Index>::zeros({1, 6}), Tensor<Index>{1}, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<Index>::zeros({1, 5}), Tensor<Index>{1, 0}, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<Index>::full({1, 5}, 9), Tensor<Index>{1}, rng), pf::IndexError);
  CHECK_THROWS_AS(model.log_prob(Tensor<Index>::zeros({2, 3}), Tensor<Index>{0, 0}), pf::ValueError);
  GptOptions options = tiny(4, 5);
  options.classes = 2;
  const auto labelled = gpt(options);
  CHECK_THROWS_WITH(labelled.sample(3, rng), ContainsSubstring("2 classes"));
  CHECK_THROWS_AS(labelled.log_prob(Tensor<Index>::zeros({2, 3}), Tensor<Index>{0, 2}), pf::ValueError);
  CHECK_THROWS_AS(labelled.sample(Tensor<Index>{-1}, rng), pf::ValueError);
  CHECK_THROWS_WITH(model.log_prob_by_class(Tensor<Index>::zeros({2, 3})), ContainsSubstring("no classes"));
  CHECK_THROWS_AS(labelled.log_prob(Tensor<Index>::zeros({2, 3}), Tensor<Index>{0}), pf::ShapeError);
  auto cache = model.cache(2);
  CHECK_THROWS_AS(model.step(Tensor<Index>::zeros({3, 1}), cache), pf::ShapeError);
  CHECK_THROWS_WITH(model.step(Tensor<Index>::zeros({2, 5}), cache), ContainsSubstring("context of 5"));
  model.step(Tensor<Index>::zeros({2, 4}), cache);
  CHECK_THROWS_AS(model.step(Tensor<Index>::zeros({2, 1}), cache), pf::ShapeError);
  CHECK_THROWS_AS(model.step(Tensor<Index>::zeros({2, 0}), cache), pf::ShapeError);
  CHECK_THROWS_AS(Gpt<>({.vocabulary = 0, .context = 3}, rng), pf::ValueError);
  CHECK_THROWS_AS(Gpt<>({.vocabulary = 3, .context = 3, .features = 10, .heads = 4}, rng), pf::ShapeError);
  CHECK_THROWS_AS(Gpt<>({.vocabulary = 3, .context = 3, .classes = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(Gpt<>({.vocabulary = 3, .context = 3, .dropout = 1}, rng), pf::ValueError);
}

TEST_CASE("Gpt and ImageGpt: no sequences are a batch like any other") {
  Rng rng(20);
  for (const bool rotary : {false, true}) {
    GptOptions options = tiny(4, 5);
    options.rotary = rotary;
    const auto model = gpt(options);
    const Tensor<Index> none = Tensor<Index>::zeros({0, 3});
    CHECK(model.logits(none).shape() == Shape{0, 3, 4});
    CHECK(model.log_prob(none).shape() == Shape{0});
    CHECK(model.sample(0, rng).shape() == Shape{0, 5});
    CHECK(model.generate(none, 7, rng).shape() == Shape{0, 10});
    CHECK(model.complete(none, Tensor<Index>{0}, rng).shape() == Shape{0, 3});
    auto cache = model.cache(0);
    CHECK(model.step(none, cache).shape() == Shape{0, 4});
    CHECK(cache.length() == 4);
    options.classes = 2;
    const auto labelled = gpt(options);
    const Tensor<Index> nobody = Tensor<Index>::zeros({0});
    CHECK(labelled.log_prob(none, nobody).shape() == Shape{0});
    CHECK(labelled.log_prob_by_class(none).shape() == Shape{0, 2});
    CHECK(labelled.sample(nobody, rng).shape() == Shape{0, 5});
  }
  const ImageGpt<> images({.height = 3, .width = 2, .levels = 4, .features = 4, .layers = 1, .heads = 1}, rng);
  const Tensor<> none = Tensor<>::zeros({0, 1, 3, 2});
  CHECK(images.sample(0, rng).shape() == none.shape());
  CHECK(images.complete(none, Tensor<>{0}, rng).shape() == none.shape());
  CHECK(images.log_prob(none).shape() == Shape{0});
  CHECK(images.parameters(none).shape() == Shape{0, 4, 1, 3, 2});
  CHECK_THROWS_AS(images.sample(-1, rng), pf::ValueError);
}

TEST_CASE("Gpt: a step that throws leaves the cache as it was, in every block") {
  auto model = gpt(tiny(4, 6));
  Rng rng(21);
  const Tensor<Index> tokens = random_tokens(2, 2, 4, rng), next = columns(tokens, 0, 1);
  pf::GptCache<double> nothing;
  CHECK_THROWS_WITH(model.step(Tensor<Index>::zeros({0, 1}), nothing), ContainsSubstring("make one with cache(n)"));
  CHECK_THROWS_AS(model.step(tokens, nothing), pf::ValueError);
  GptOptions deeper = tiny(4, 6);
  deeper.layers = 3;
  auto other = gpt(deeper).cache(2);
  CHECK_THROWS_AS(model.step(tokens, other), pf::ValueError);

  auto cache = model.cache(2), untouched = cache;
  model.step(tokens, cache);
  model.step(tokens, untouched);
  const auto kept = model;
  // One parameter after the other becomes another tensor: of the last block, which steps last, or of the head.
  for (const std::string name : {"blocks.1.self_attn.out_proj.bias", "blocks.1.linear1.weight", "blocks.1.linear2.bias",
                                 "blocks.1.norm1.bias", "blocks.1.norm2.weight", "head.bias"}) {
    INFO(name);
    Tensor<double> before;
    const auto replace = [&](const auto& value) {
      pf::for_each_parameter<double>(model, [&](const pf::Path& path, pf::Parameter<double>& p) {
        if (path.str() == name) p = value(p);
      });
    };
    replace([&](const Tensor<double>& p) {
      before = p;
      return Tensor<double>(p + 1.0);
    });
    CHECK_THROWS_AS(model.step(next, cache), pf::ValueError);
    CHECK(cache.length() == 3);
    replace([&](const Tensor<double>&) { return before; });
    auto branch = cache, same = untouched;
    CHECK(same_bits(model.step(next, branch), model.step(next, same)));
  }
}

TEST_CASE("Gpt: known tokens outside of the vocabulary are refused before anything is drawn") {
  const auto model = gpt(tiny(4, 5));
  Rng rng(22);
  const Tensor<Index> x({1, 5}, {0, 1, 2, 3, 99});
  const auto before = rng.state();
  CHECK_THROWS_WITH(model.complete(x, Tensor<Index>{0, 0, 0, 0, 1}, rng), ContainsSubstring("token 99"));
  CHECK(rng.state() == before);
  CHECK(model.complete(x, Tensor<Index>{1, 1, 1, 1, 0}, rng)(0, 4) < 4);  // what is unknown may be anything
}

TEST_CASE("Gpt: the logits of a token are those of its conditional, and each class has a score") {
  GptOptions options = tiny(4, 5);
  options.classes = 3;
  const auto model = gpt(options);
  Rng rng(23);
  const Tensor<Index> tokens = random_tokens(2, 5, 4, rng), labels{2, 0};
  const Tensor<double> x =
      Tensor<double>::generate(tokens.shape(), [&](Index i) { return static_cast<double>(tokens.data()[i]); });
  const Tensor<double> log_p = model.log_prob(tokens, labels),
                       each = model.conditional().log_prob(pf::transpose(model.logits(tokens, labels), 1, 2), x);
  CHECK(pf::abs(log_p - each).max() < 1e-12);
  CHECK(model.classes() == 3);
  const Tensor<double> by_class = model.log_prob_by_class(tokens);
  REQUIRE(by_class.shape() == Shape{2, 3});
  CHECK(by_class(0, 2) == log_p(0));
  CHECK(by_class(1, 0) == log_p(1));

  ImageGpt<> images({.height = 2, .width = 2, .levels = 3, .features = 4, .layers = 1, .heads = 1, .classes = 2}, rng);
  support::stir<float>(images, 1, 0.3, rng);
  const Tensor<> pictures({2, 1, 2, 2}, {0, 1, 2, 2, 1, 0, 0, 2});
  CHECK(images.classes() == 2);
  const Tensor<> scores = images.log_prob_by_class(pictures);
  for (const Index label : {0, 1})
    CHECK(same_bits(pf::squeeze(pf::slice(scores, 1, label, label + 1), 1),
                    images.log_prob(pictures, Tensor<Index>::full({2}, label))));
}

TEST_CASE("Gpt and ImageGpt are modules") {
  Rng rng(16);
  const auto model = gpt(tiny(4, 5));
  auto copy = model;
  pf::for_each_parameter<double>(copy, [](const pf::Path&, pf::Parameter<double>& p) { p = p.tensor() * 0.0; });
  const Tensor<Index> tokens = random_tokens(2, 5, 4, rng);
  CHECK(model.log_prob(tokens).max() != copy.log_prob(tokens).max());
  CHECK(copy.log_prob(tokens).max() == Approx(-5 * std::log(4.0)));
}

TEST_CASE("ImageGpt: pixels see those before them only, and cached draws have the bits of whole passes") {
  Rng rng(17);
  ImageGpt<double> model({.height = 3, .width = 2, .levels = 3, .features = 8, .layers = 2, .heads = 2}, rng);
  support::stir<double>(model, 1, 0.4, rng);
  pf::evaluate(model);
  const Tensor<double> images =
      Tensor<double>::generate({4, 1, 3, 2}, [&](Index) { return static_cast<double>(rng.uniform_index(3)); });
  CHECK_NOTHROW(pf::testing::check_autoregressive(model, images, Rng(1), {.whole_past = true}));
  CHECK_NOTHROW(pf::testing::check_autoregressive(model, images, Rng(1), {.draw = {.temperature = 0.8, .top_k = 2}}));
  // The probabilities of all images sum to 1, and are those that parameters() says.
  const Tensor<Index> all = all_sequences(3, 6);
  const Tensor<double> each =
      Tensor<double>::generate({all.size(0), 1, 3, 2}, [&](Index i) { return static_cast<double>(all.data()[i]); });
  const Tensor<double> log_p = model.log_prob(each);
  CHECK(pf::exp(log_p).sum() == Approx(1).epsilon(1e-12));
  const Tensor<double> parameters = model.parameters(each);
  CHECK(parameters.shape() == Shape{729, 3, 1, 3, 2});
  const Tensor<double> again =
      model.conditional().log_prob(pf::reshape(parameters, {729, 3, 6}), pf::reshape(each, {729, 6}));
  CHECK(pf::abs(log_p - again).max() < 1e-12);
}

TEST_CASE("ImageGpt: with classes, in float, two levels") {
  Rng rng(18);
  ImageGpt<> model({.height = 4, .width = 3, .levels = 2, .features = 8, .layers = 1, .heads = 2, .classes = 3}, rng);
  support::stir<float>(model, 1, 0.2, rng);
  const Tensor<Index> labels{0, 2, 1, 1};
  const Tensor<> upper = Tensor<>::generate({4, 3}, [](Index i) { return i < 6 ? 1.0f : 0.0f; });
  Rng a(2), b(2);
  const Tensor<> drawn = model.sample(labels, a);
  CHECK(drawn.shape() == Shape{4, 1, 4, 3});
  CHECK((drawn.min() == 0 && drawn.max() == 1));
  const auto naive = [&](const Tensor<>& known, Rng& noise) {
    return pf::full_completion([&](const Tensor<>& x) { return model.parameters(x, labels); }, model.conditional(),
                               drawn, known, noise);
  };
  CHECK(same_bits(drawn, naive(Tensor<>::zeros({1}), b)));
  CHECK(same_bits(model.complete(drawn, upper, labels, a), naive(upper, b)));
  CHECK(model.log_prob(drawn, labels).max() < 0);
  CHECK(pf::mle(model, drawn, labels).item() ==
        Approx(12 * pf::next_token(model, drawn, labels, rng).item()).epsilon(1e-5));
}

TEST_CASE("ImageGpt refuses images and levels that do not fit") {
  Rng rng(19);
  const ImageGpt<> model({.height = 3, .width = 2, .levels = 4, .features = 4, .layers = 1, .heads = 1}, rng);
  CHECK_THROWS_WITH(model.log_prob(Tensor<>::zeros({2, 1, 2, 3})), ContainsSubstring("[n, 1, 3, 2]"));
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 3, 3, 2})), pf::ShapeError);
  CHECK_THROWS_WITH(model.log_prob(Tensor<>::full({1, 1, 3, 2}, 4)), ContainsSubstring("levels 0, 1, .., 3"));
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({1, 1, 3, 2}, 0.5f)), pf::ValueError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({1, 1, 3, 2}), Tensor<>::zeros({7}), rng), pf::ShapeError);
  // What is unknown may be anything.
  const Tensor<> nan = Tensor<>::full({1, 1, 3, 2}, std::nanf(""));
  CHECK(model.complete(nan, Tensor<>{0}, rng).max() < 4);
  CHECK_THROWS_AS(ImageGpt<>({.height = 3, .width = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(ImageGpt<>({.height = 3, .width = 3, .levels = 1}, rng), pf::ValueError);
}
