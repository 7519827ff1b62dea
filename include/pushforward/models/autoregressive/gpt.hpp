// Gpt: a transformer over sequences of tokens (characters, bytes, levels of grey), and the objective that trains it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/models/conditionals.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/transformer.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// How a Gpt is built.
struct GptOptions {
  Index vocabulary = 0;  ///< tokens are 0 to vocabulary - 1
  Index context = 0;     ///< the most tokens that it looks at, and the length of what `sample` draws
  Index features = 128;  ///< numbers for each position
  Index layers = 4;      ///< transformer blocks
  Index heads = 4;       ///< of attention in each block; they divide the features
  Index hidden = 0;      ///< units of the network at each position; 0: 4 features
  Activation activation = Activation::gelu;
  bool rotary = false;  ///< positions turn queries and keys, instead of a learned row for each
  bool tied = false;    ///< the rows that read tokens also score them
  Index classes = 0;    ///< sequences have a class each, which stands at their start; 0: none
  double dropout = 0;   ///< of what comes in and of what each part of a block adds, while training
};

/// What a Gpt knows of the tokens it has seen: see Gpt::step. It is a value: a copy goes on by itself.
template <class S = float>
class GptCache {
 public:
  /// How many positions are taken, the start among them, and of how many.
  Index length() const { return length_; }
  Index capacity() const { return blocks_.empty() ? 0 : blocks_[0].capacity(); }
  /// Forgets all tokens.
  void clear() {
    for (TransformerCache<S>& block : blocks_) block.truncate(0);
    length_ = 0;
  }

 private:
  template <class T>
  friend class Gpt;
  std::vector<TransformerCache<S>> blocks_;
  detail::StepLinear<S> head_;
  Tensor<Index> start_;  // [n], what stands before each sequence
  Index length_ = 0;
};

/// A transformer that predicts each token of a sequence from those before it (GPT; Radford et al. 2018, 2019):
///
///     p(x_0, .., x_{t-1}) = prod_i softmax(logits_i)[x_i],   logits_i = f(start, x_0, .., x_{i-1})
///
/// Tokens are whole numbers below the vocabulary, as Tensor<Index> [n, t] with t up to the context. A learned start
/// stands before the first token, one for each class if there are classes, so that this is an exact density over
/// sequences of any such length. Blocks are those of GPT-2, normalized before each part, and so are the first weights:
/// normal with standard deviation 0.02, that of the layers which add to the sum divided by sqrt(2 layers).
///
/// With dropout, training needs a generator: `next_token` and `log_prob(tokens, rng)` hand it in.
template <class S = float>
class Gpt {
 public:
  using Scalar = S;

  /// Throws ValueError for numbers that are not positive, ShapeError if the heads do not divide the features.
  Gpt(const GptOptions& options, Rng& rng) : options_(options), dropout_{options.dropout} {
    for (const Index number : {options.vocabulary, options.context, options.features, options.layers, options.heads})
      if (number < 1)
        fail<ValueError>("Gpt: .vocabulary is ", options.vocabulary, ", .context ", options.context, ", .features ",
                         options.features, ", .layers ", options.layers, ", .heads ", options.heads,
                         "; expected positive numbers");
    if (options.classes < 0)
      fail<ValueError>("Gpt: .classes is ", options.classes, ", expected 0 (none) or a positive number");
    const Index d = options.features;
    tokens_ = small({options.vocabulary, d}, rng);
    start_ = small({std::max(Index{1}, options.classes), d}, rng);
    if (!options.rotary) positions_ = small({options.context, d}, rng);
    for (Index i = 0; i < options.layers; ++i) {
      blocks_.emplace_back(d, options.heads, rng,
                           TransformerBlockOptions{.hidden = options.hidden,
                                                   .activation = options.activation,
                                                   .rotary = options.rotary,
                                                   .dropout = options.dropout});
      start_small(blocks_.back(), rng);
    }
    norm_ = LayerNorm<S>(d);
    if (options.tied) return;
    head_ = Linear<S>(d, options.vocabulary, rng);
    head_.weight = small(head_.weight.shape(), rng);
    head_.bias = Tensor<S>::zeros(head_.bias.shape());
  }

  const GptOptions& options() const { return options_; }
  Index vocabulary() const { return options_.vocabulary; }
  Index context() const { return options_.context; }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return options_.classes; }
  /// What the logits of a token stand for, of which there have to be two at least.
  CategoricalConditional conditional() const { return CategoricalConditional(vocabulary()); }

  /// The logits of every token given those before it, in one pass: tokens [n, t] -> [n, t, vocabulary], 1 <= t <=
  /// context. Row i does not depend on tokens from i on. Throws ShapeError, and IndexError for tokens outside of the
  /// vocabulary.
  Tensor<S> logits(const Tensor<Index>& tokens) const { return logits_of(tokens, unlabelled(tokens), nullptr); }
  Tensor<S> logits(const Tensor<Index>& tokens, const Tensor<Index>& labels) const {
    return logits_of(tokens, labelled(tokens, labels), nullptr);
  }
  /// The same with the randomness that dropout takes in training.
  Tensor<S> logits(const Tensor<Index>& tokens, Rng& rng) const { return logits_of(tokens, unlabelled(tokens), &rng); }
  Tensor<S> logits(const Tensor<Index>& tokens, const Tensor<Index>& labels, Rng& rng) const {
    return logits_of(tokens, labelled(tokens, labels), &rng);
  }

  /// log p of each sequence in nats: tokens [n, t] -> [n]; with a class for each if the model has classes, labels [n];
  /// with dropout from `rng` while training.
  Tensor<S> log_prob(const Tensor<Index>& tokens) const { return scores(tokens, logits(tokens)); }
  Tensor<S> log_prob(const Tensor<Index>& tokens, const Tensor<Index>& labels) const {
    return scores(tokens, logits(tokens, labels));
  }
  Tensor<S> log_prob(const Tensor<Index>& tokens, Rng& rng) const {
    return scores(tokens, logits_of(tokens, unlabelled(tokens), &rng));
  }
  Tensor<S> log_prob(const Tensor<Index>& tokens, const Tensor<Index>& labels, Rng& rng) const {
    return scores(tokens, logits_of(tokens, labelled(tokens, labels), &rng));
  }
  /// log p(tokens | y) of every class y in nats: tokens [n, t] -> [n, classes]. Throws ValueError for a model without.
  Tensor<S> log_prob_by_class(const Tensor<Index>& tokens) const {
    if (classes() == 0) fail<ValueError>("Gpt::log_prob_by_class: the model has no classes; build it with .classes");
    std::vector<Tensor<S>> each;
    for (Index label = 0; label < classes(); ++label)
      each.push_back(log_prob(tokens, Tensor<Index>::full(Shape{tokens.size(0)}, label)));
    return stack(each, 1);
  }

  /// n draws of `context` tokens, [n, context]: one token after the other from a cache, with the bits that full passes
  /// give. With labels [n]: a draw for each.
  Tensor<Index> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    const Tensor<Index> none = nothing("Gpt::sample", n);
    return draw_all(none, unlabelled(none), context(), rng, options);
  }
  Tensor<Index> sample(const Tensor<Index>& labels, Rng& rng, const DrawOptions& options = {}) const {
    if (labels.rank() != 1) fail<ShapeError>("Gpt::sample: got labels ", labels.shape(), ", expected [n]");
    const Tensor<Index> none = nothing("Gpt::sample", labels.size());
    return draw_all(none, labelled(none, labels), context(), rng, options);
  }

  /// A prefix [n, p] and `count` tokens drawn after it: [n, p + count]. The prefix may be empty, [n, 0].
  ///
  /// A token sees all those before it while they are fewer than the context. When it is full the older half goes, and
  /// half of the context is to be filled anew: of N tokens those from k h on are seen, with h = context - context / 2
  /// and the least k that leaves fewer than the context, also where the prefix is longer. Throws as `logits` does.
  Tensor<Index> generate(const Tensor<Index>& prefix, Index count, Rng& rng, const DrawOptions& options = {}) const {
    check_prefix(prefix, count);
    return draw_all(prefix, unlabelled(prefix), count, rng, options);
  }
  Tensor<Index> generate(const Tensor<Index>& prefix, const Tensor<Index>& labels, Index count, Rng& rng,
                         const DrawOptions& options = {}) const {
    check_prefix(prefix, count);
    return draw_all(prefix, labelled(prefix, labels), count, rng, options);
  }
  /// The first of N tokens that the next one sees in `generate`.
  Index first_seen(Index count) const {
    const Index hop = context() - context() / 2;
    return count < context() ? 0 : hop * detail::divide_up(count - context() + 1, hop);
  }

  /// x [n, t] with its unknown tokens drawn; `known` is 1 where x is given and 0 where not, and broadcasts to x.
  ///
  /// An unknown token is drawn given those before it: an exact draw of p(unknown | known) where the known come first.
  /// For each place one draw is made for every sequence, also where it is known. Throws as `logits` does, before
  /// anything is drawn; what x holds at unknown places does not matter.
  template <class K>
  Tensor<Index> complete(const Tensor<Index>& x, const Tensor<K>& known, Rng& rng,
                         const DrawOptions& options = {}) const {
    return complete_from(x, known, unlabelled(x), rng, options);
  }
  template <class K>
  Tensor<Index> complete(const Tensor<Index>& x, const Tensor<K>& known, const Tensor<Index>& labels, Rng& rng,
                         const DrawOptions& options = {}) const {
    return complete_from(x, known, labelled(x, labels), rng, options);
  }

  /// An empty cache for n sequences, or for one of each label.
  GptCache<S> cache(Index n) const { return cache_from(unlabelled(nothing("Gpt::cache", n))); }
  GptCache<S> cache(const Tensor<Index>& labels) const {
    return cache_from(labelled(nothing("Gpt::cache", labels.size()), labels));
  }
  /// The logits of what follows, [n, vocabulary], after the next r tokens [n, r], of which an empty cache takes 0 too;
  /// it grows by them. The bits that `logits` gives there in evaluation. Throws as `logits` does, ShapeError if the
  /// context is full, and ValueError for a cache that was not made by this model with the weights that it has; the
  /// cache is then as it was.
  Tensor<S> step(const Tensor<Index>& tokens, GptCache<S>& cache) const {
    check_step(tokens, cache);
    const NoGradient guard;
    Tensor<S> x = embed(cache.length_ == 0 ? &cache.start_ : nullptr, tokens, cache.length_);
    const Index r = x.size(1);
    for (std::size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i].step(x, cache.blocks_[i]);
    cache.length_ += r;
    const Tensor<S> last = reshape(r > 1 ? slice(x, 1, r - 1, r) : x, Shape{x.size(0), options_.features});
    return cache.head_(detail::norm_in_step(norm_, last), head_weight(), head_.bias);
  }

  static void members(auto& self, auto&& visit) {
    visit("tokens", self.tokens_);
    visit("start", self.start_);
    visit("positions", self.positions_);
    visit("blocks", self.blocks_);
    visit("norm", self.norm_);
    visit("head", self.head_);
    visit("dropout", self.dropout_);
  }

 private:
  static Tensor<S> small(const Shape& shape, Rng& rng, double factor = 1) {
    return normal<S>(shape, rng) * (0.02 * factor);
  }
  void start_small(TransformerBlock<S>& block, Rng& rng) const {
    const double share = 1 / std::sqrt(2 * static_cast<double>(options_.layers));
    auto& attention = block.self_attn;
    attention.in_proj_weight = small(attention.in_proj_weight.shape(), rng);
    attention.out_proj.weight = small(attention.out_proj.weight.shape(), rng, share);
    block.linear1.weight = small(block.linear1.weight.shape(), rng);
    block.linear2.weight = small(block.linear2.weight.shape(), rng, share);
    block.linear1.bias = Tensor<S>::zeros(block.linear1.bias.shape());
    block.linear2.bias = Tensor<S>::zeros(block.linear2.bias.shape());
  }

  void check_tokens(const char* name, const Tensor<Index>& tokens) const {
    for (const Index token : tokens)
      if (token < 0 || token >= vocabulary())
        fail<IndexError>(name, ": got the token ", token, ", expected 0 to ", vocabulary() - 1,
                         ", the vocabulary of the model");
  }
  void check_prefix(const Tensor<Index>& prefix, Index count) const {
    if (prefix.rank() != 2) fail<ShapeError>("Gpt::generate: got a prefix ", prefix.shape(), ", expected [n, p]");
    if (count < 0) fail<ValueError>("Gpt::generate: got count = ", count, ", expected 0 or more");
    check_tokens("Gpt::generate", prefix);
  }
  // Before a step changes anything.
  void check_step(const Tensor<Index>& tokens, const GptCache<S>& cache) const {
    if (cache.blocks_.size() != blocks_.size())
      fail<ValueError>("Gpt::step: got a cache of ", cache.blocks_.size(), " blocks for a model of ", blocks_.size(),
                       "; make one with cache(n)");
    const Index n = cache.start_.size(), start = cache.length_ == 0 ? 1 : 0;
    if (tokens.rank() != 2 || tokens.size(0) != n || tokens.size(1) < 1 - start)
      fail<ShapeError>("Gpt::step: got tokens ", tokens.shape(), " and a cache of ", n, " sequences, expected [", n,
                       ", r], r being 0 at the start only");
    check_tokens("Gpt::step", tokens);
    const Index r = tokens.size(1) + start;
    if (cache.length_ + r > context())
      fail<ShapeError>("Gpt::step: ", r, " positions after ", cache.length_, " are more than the context of ",
                       context(), ", of which the start takes one; clear the cache and give it fewer tokens");
    const Shape x{n, r, options_.features};
    for (std::size_t i = 0; i < blocks_.size(); ++i) blocks_[i].check_step(x, cache.blocks_[i]);
    cache.head_.check(head_weight(), head_.bias);
  }
  static Tensor<Index> nothing(const char* name, Index n) {
    if (n < 0) fail<ValueError>(name, ": got ", n, " sequences, expected 0 or more");
    return Tensor<Index>::zeros(Shape{n, 0});
  }

  // Which start stands before each sequence: [n].
  Tensor<Index> unlabelled(const Tensor<Index>& tokens) const {
    if (options_.classes > 0)
      fail<ValueError>("Gpt: the model has ", options_.classes, " classes; give a label for each sequence");
    return Tensor<Index>::zeros(Shape{tokens.rank() > 0 ? tokens.size(0) : 0});
  }
  Tensor<Index> labelled(const Tensor<Index>& tokens, const Tensor<Index>& labels) const {
    if (options_.classes == 0)
      fail<ValueError>("Gpt: got labels, but the model has no classes; build it with .classes");
    if (tokens.rank() == 0 || !(labels.shape() == Shape{tokens.size(0)}))
      fail<ShapeError>("Gpt: got labels ", labels.shape(), " for tokens ", tokens.shape(),
                       ", expected one for each sequence");
    for (const Index label : labels)
      if (label < 0 || label >= options_.classes)
        fail<ValueError>("Gpt: got the label ", label, ", expected 0 to ", options_.classes - 1);
    return labels;
  }

  const Tensor<S>& head_weight() const { return options_.tied ? tokens_.tensor() : head_.weight.tensor(); }

  // What enters the first block: the start, if it is given, and tokens [n, t], the first of them at position `first` ->
  // [n, .., features].
  Tensor<S> embed(const Tensor<Index>* start, const Tensor<Index>& tokens, Index first) const {
    const Index n = tokens.size(0), t = tokens.size(1), d = options_.features;
    Tensor<S> rows = reshape(index_select(tokens_.tensor(), 0, reshape(tokens, Shape{n * t})), Shape{n, t, d});
    if (start) rows = concat<S>({unsqueeze(index_select(start_.tensor(), 0, *start), 1), rows}, 1);
    return options_.rotary ? rows : rows + slice(positions_.tensor(), 0, first, first + rows.size(1));
  }

  Tensor<S> logits_of(const Tensor<Index>& tokens, const Tensor<Index>& start, Rng* rng) const {
    if (tokens.rank() != 2 || tokens.size(1) < 1 || tokens.size(1) > context())
      fail<ShapeError>("Gpt: got tokens ", tokens.shape(), ", expected [n, t] with t from 1 to the context of ",
                       context(), "; cut longer sequences, or build the model with a larger .context");
    check_tokens("Gpt", tokens);
    Tensor<S> x = embed(&start, slice(tokens, 1, 0, tokens.size(1) - 1), 0);
    x = rng ? dropout_(x, *rng) : dropout_(x);
    for (const TransformerBlock<S>& block : blocks_) x = rng ? block(x, *rng) : block(x);
    return detail::linear_in_order<S>(norm_(x), head_weight(), head_.bias);
  }

  static Tensor<S> scores(const Tensor<Index>& tokens, const Tensor<S>& logits) {
    const Tensor<S> chosen = squeeze(gather(logits, -1, unsqueeze(tokens, -1)), -1);  // [n, t]
    return sum(chosen - logsumexp(logits, -1), -1);
  }

  GptCache<S> cache_from(const Tensor<Index>& start) const {
    GptCache<S> made;
    for (const TransformerBlock<S>& block : blocks_) made.blocks_.push_back(block.cache(start.size(), context()));
    made.head_ = detail::StepLinear<S>(head_weight(), head_.bias.tensor());
    made.start_ = start;
    return made;
  }

  // Prefix [n, p] and `count` draws after it.
  Tensor<Index> draw_all(const Tensor<Index>& prefix, const Tensor<Index>& start, Index count, Rng& rng,
                         const DrawOptions& options) const {
    const NoGradient guard;
    const Index p = prefix.size(1), total = p + count;
    GptCache<S> cache = cache_from(start);
    return Tensor<Index>::build(prefix.shape().with(1, total), [&](Index* text) {
      for (Index i = 0; i < prefix.size(); ++i) text[i / p * total + i % p] = prefix.data()[i];
      Index seen = p;  // tokens from here on are not in the cache
      for (Index at = p; at < total; ++at) {
        const Index first = first_seen(at);
        if (at == p || first != first_seen(at - 1)) {
          cache.clear();
          seen = first;
        }
        const Tensor<Index> drawn = draw(step(columns(text, start.size(), total, seen, at), cache), rng, options);
        for (Index row = 0; row < start.size(); ++row) text[row * total + at] = drawn.data()[row];
        seen = at;
      }
    });
  }
  // Columns [first, last) of rows of `width` numbers.
  static Tensor<Index> columns(const Index* rows, Index n, Index width, Index first, Index last) {
    return Tensor<Index>::build(Shape{n, last - first}, [&](Index* out) {
      for (Index row = 0; row < n; ++row)
        std::copy_n(rows + row * width + first, last - first, out + row * (last - first));
    });
  }

  template <class K>
  Tensor<Index> complete_from(const Tensor<Index>& x, const Tensor<K>& known, const Tensor<Index>& start, Rng& rng,
                              const DrawOptions& options) const {
    if (x.rank() != 2 || x.size(1) < 1 || x.size(1) > context())
      fail<ShapeError>("Gpt::complete: got x ", x.shape(), ", expected [n, t] with t from 1 to the context of ",
                       context());
    const NoGradient guard;
    const Index n = x.size(0), t = x.size(1);
    const Tensor<K> given = expand(known, x.shape());
    check_tokens("Gpt::complete", Tensor<Index>::generate(x.shape(), [&](Index i) {
                   return given.data()[i] != K(0) ? x.data()[i] : Index{0};
                 }));
    GptCache<S> cache = cache_from(start);
    return Tensor<Index>::build(x.shape(), [&](Index* text) {
      for (Index at = 0; at < t; ++at) {
        const Index from = std::max(Index{0}, at - 1);
        const Tensor<Index> drawn = draw(step(columns(text, n, t, from, at), cache), rng, options);
        for (Index row = 0, i = at; row < n; ++row, i += t)
          text[i] = given.data()[i] != K(0) ? x.data()[i] : drawn.data()[row];
      }
    });
  }

  GptOptions options_;
  Parameter<S> tokens_, start_, positions_;  // [vocabulary, d], [max(1, classes), d], [context, d]
  std::vector<TransformerBlock<S>> blocks_;
  LayerNorm<S> norm_;
  Linear<S> head_;
  Dropout dropout_;
};

/// The objective of sequence models: - mean of log p of a token given those before it, in nats per token.
///
///     fit(gpt, windows, next_token, ..)                        windows [n, t]
///     fit(gpt, std::tuple(windows, labels), next_token, ..)    for a model with classes
///
/// It is - log_prob / t for the t elements of an example, so it serves every model with `log_prob`. Dropout takes its
/// numbers from fit's generator.
struct NextToken {
  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, Rng& rng, const ExampleMean& over = {}) const {
    if constexpr (requires { model.log_prob(x, rng); })
      return per_token(model.log_prob(x, rng), x, over);
    else
      return per_token(model.log_prob(x), x, over);
  }
  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, const ExampleMean& over = {}) const {
    return per_token(model.log_prob(x), x, over);
  }
  template <class Model, class T>
  auto operator()(const Model& model, const Tensor<T>& x, const Tensor<Index>& labels, Rng& rng,
                  const ExampleMean& over = {}) const {
    if constexpr (requires { model.log_prob(x, labels, rng); })
      return per_token(model.log_prob(x, labels, rng), x, over);
    else
      return per_token(model.log_prob(x, labels), x, over);
  }

 private:
  template <class S, class T>
  static Tensor<S> per_token(const Tensor<S>& log_prob, const Tensor<T>& x, const ExampleMean& over) {
    return over(log_prob) * (-static_cast<double>(x.size(0)) / static_cast<double>(x.size()));
  }
};

/// The objective `fit(gpt, windows, next_token, ...)`: see NextToken.
inline constexpr NextToken next_token{};

}  // namespace pushforward
