// MultiHeadAttention, and the cache that lets it go on from where it stopped.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/nn/initializers.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/linear_in_order.hpp>
#include <pushforward/ops/attention.hpp>
#include <pushforward/ops/rotary.hpp>

namespace pushforward {

/// What a MultiHeadAttention knows of the positions it has seen: their keys and values, for the positions to come.
///
/// `layer.cache(sequences, capacity)` makes one, `layer.step(x, cache)` reads and extends it. It is a value: a copy
/// goes on by itself. It serves the weights that it was made with.
template <class S = float>
class KeyValueCache {
 public:
  KeyValueCache() = default;
  KeyValueCache(Index sequences, Index heads, Index features, Index capacity)
      : sequences_(sequences), heads_(heads), features_(features), capacity_(capacity) {
    if (sequences < 0 || heads < 1 || features < 1 || capacity < 1)
      fail<ShapeError>("KeyValueCache: got ", sequences, " sequences of ", capacity, " positions, ", heads,
                       " heads of ", features, " features, expected positive numbers");
    const double numbers_in_all = static_cast<double>(sequences) * static_cast<double>(heads) *
                                  static_cast<double>(features) * static_cast<double>(capacity);
    if (numbers_in_all > 1e15)
      fail<ShapeError>("KeyValueCache: ", sequences, " sequences of ", capacity, " positions with ", heads * features,
                       " features are more than any memory holds");
    const auto numbers = [&](Index keys) { return static_cast<std::size_t>(sequences * heads * features * keys); };
    keys_.resize(numbers(stride()));
    values_.resize(numbers(capacity));
  }

  /// How many positions it holds, and how many it can.
  Index length() const { return length_; }
  Index capacity() const { return capacity_; }
  Index sequences() const { return sequences_; }
  /// Forgets all positions from `length` on. Throws ValueError unless 0 <= length <= length().
  void truncate(Index length) {
    if (length < 0 || length > length_)
      fail<ValueError>("KeyValueCache::truncate: got ", length, ", expected 0 to the ", length_, " positions it holds");
    length_ = length;
  }

 private:
  template <class T>
  friend struct MultiHeadAttention;

  Index stride() const { return detail::score_stride(capacity_); }
  S* keys(Index sequence, Index head) { return keys_.data() + (sequence * heads_ + head) * features_ * stride(); }
  S* values(Index sequence, Index head) { return values_.data() + (sequence * heads_ + head) * features_ * capacity_; }

  // Writes the keys and values of qkv [sequences, positions, q | k | v] behind those that it holds.
  void write(const Tensor<S>& qkv) {
    const Index width = heads_ * features_, positions = qkv.size(1);
    for (Index n = 0; n < sequences_; ++n)
      for (Index t = 0; t < positions; ++t)
        for (Index head = 0; head < heads_; ++head) {
          const S* const key = qkv.data() + (n * positions + t) * 3 * width + width + head * features_;
          S* const to = keys(n, head) + length_ + t;
          for (Index i = 0; i < features_; ++i) to[i * stride()] = key[i];
          std::copy_n(key + width, features_, values(n, head) + (length_ + t) * features_);
        }
  }

  Index sequences_ = 0, heads_ = 0, features_ = 0, capacity_ = 0, length_ = 0;
  std::vector<S> keys_;    // [sequences, heads, features, stride]
  std::vector<S> values_;  // [sequences, heads, capacity, features]
  detail::StepLinear<S> in_, out_;
};

/// How a MultiHeadAttention is built.
struct MultiHeadAttentionOptions {
  bool causal = false;  ///< each position sees itself and those before it
  bool bias = true;     ///< of the projections
  bool rotary = false;  ///< queries and keys are turned by their positions: see rotary_embedding
  double rotary_base = 10'000;
};

/// Attention with several heads (Vaswani et al. 2017, section 3.2.2): [n, t, features] -> the same.
///
///     (q, k, v) = x W_in^T + b_in
///     y_h = softmax(q_h k_h^T / sqrt(d)) v_h for each head h
///     result = (y_1, y_2, ..) W_out^T + b_out
///
/// Each head has d = features / heads features: head h those from h d on. Weights are laid out and named as PyTorch's
/// MultiheadAttention does: `in_proj_weight` [3 features, features] with the rows of q, then k, then v, `in_proj_bias`
/// [3 features], `out_proj.weight` [features, features], `out_proj.bias`. They start as there: in_proj_weight uniform
/// by Glorot and Bengio, biases 0. Throws ShapeError if the heads do not divide the features, or for an odd d with
/// rotary positions.
template <class S = float>
struct MultiHeadAttention {
  Parameter<S> in_proj_weight, in_proj_bias;
  Linear<S> out_proj;
  Index heads = 1;
  MultiHeadAttentionOptions options;

  MultiHeadAttention() = default;
  MultiHeadAttention(Index features, Index head_count, Rng& rng, const MultiHeadAttentionOptions& how = {})
      : heads(head_count), options(how) {
    if (features < 1 || heads < 1 || features % heads != 0)
      fail<ShapeError>("MultiHeadAttention: got ", features, " features for ", heads,
                       " heads, expected a multiple of the number of heads");
    if (how.rotary && features / heads % 2 != 0)
      fail<ShapeError>("MultiHeadAttention: got heads of ", features / heads,
                       " features, expected an even number for rotary positions");
    if (how.rotary && !(how.rotary_base > 0))
      fail<ValueError>("MultiHeadAttention: .rotary_base is ", how.rotary_base, ", expected a positive number");
    in_proj_weight = init::xavier_uniform<S>({3 * features, features}, rng);
    out_proj = Linear<S>(features, features, rng);
    out_proj.bias = Parameter<S>();
    if (!how.bias) return;
    in_proj_bias = Tensor<S>::zeros(Shape{3 * features});
    out_proj.bias = Tensor<S>::zeros(Shape{features});
  }

  Index features() const { return in_proj_weight.size(1); }

  /// Among the positions of x [n, t, features].
  Tensor<S> operator()(const Tensor<S>& x) const {
    check_input(x.shape());
    const Tensor<S> qkv = turned(detail::linear_in_order<S>(x, in_proj_weight, in_proj_bias), 0);
    return project(detail::self_attention(qkv, heads, {.causal = options.causal}));
  }
  /// From the positions of x [n, t, features] to all of `context` [n, s, features]. Throws ValueError for a layer with
  /// causal or rotary positions, which have no meaning between two sequences.
  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& context) const {
    check_input(x.shape());
    check_input(context.shape());
    if (options.causal || options.rotary)
      fail<ValueError>(
          "MultiHeadAttention: called with a context, but built with .causal or .rotary; expected neither");
    const Index d = features();
    const auto part = [&](const Tensor<S>& from, Index first, Index last) {
      const Tensor<S> bias = in_proj_bias.empty() ? Tensor<S>() : slice(in_proj_bias.tensor(), 0, first, last);
      return detail::linear_in_order(from, slice(in_proj_weight.tensor(), 0, first, last), bias);
    };
    const Tensor<S> q = detail::split_heads(part(x, 0, d), heads);
    const auto kv = split<2>(part(context, d, 3 * d), -1);
    return project(detail::merge_heads(
        scaled_dot_product_attention(q, detail::split_heads(kv[0], heads), detail::split_heads(kv[1], heads))));
  }

  /// An empty cache for `sequences` sequences of up to `capacity` positions.
  KeyValueCache<S> cache(Index sequences, Index capacity) const {
    KeyValueCache<S> made(sequences, heads, features() / heads, capacity);
    made.in_ = detail::StepLinear<S>(in_proj_weight.tensor(), in_proj_bias.tensor());
    made.out_ = detail::StepLinear<S>(out_proj.weight.tensor(), out_proj.bias.tensor());
    return made;
  }
  /// The result at the next r positions x [n, r, features] of a causal layer, without a graph; the cache grows by them.
  ///
  /// The same bits as operator() gives at these positions for the whole sequence. Throws ValueError for a layer that is
  /// not causal, or weights that changed since the cache was made; ShapeError if the cache has no room. The cache is as
  /// it was if it throws.
  Tensor<S> step(const Tensor<S>& x, KeyValueCache<S>& cache) const {
    check_step(x.shape(), cache);
    const NoGradient guard;
    const Tensor<S> qkv = turned(cache.in_(x, in_proj_weight, in_proj_bias), cache.length_);
    cache.write(qkv);
    Tensor<S> y = cache.out_(attend(qkv, cache), out_proj.weight, out_proj.bias);
    cache.length_ += x.size(1);
    return y;
  }
  /// Throws what `step` throws for an input of this shape.
  void check_step(const Shape& x, const KeyValueCache<S>& cache) const {
    check_input(x);
    if (!options.causal) fail<ValueError>("MultiHeadAttention::step: expected a layer built with .causal = true");
    if (x[0] != cache.sequences_ || cache.heads_ != heads || cache.features_ * heads != features())
      fail<ShapeError>("MultiHeadAttention::step: got input ", x, " and a cache of ", cache.sequences_,
                       " sequences, expected a cache of this layer for ", x[0]);
    if (cache.length_ + x[1] > cache.capacity_)
      fail<ShapeError>("MultiHeadAttention::step: ", x[1], " positions after ", cache.length_,
                       " are more than the context of ", cache.capacity_,
                       "; make the cache larger or the prefix shorter");
    cache.in_.check(in_proj_weight, in_proj_bias);
    cache.out_.check(out_proj.weight, out_proj.bias);
  }

  static void members(auto& self, auto&& visit) {
    visit("in_proj_weight", self.in_proj_weight);
    visit("in_proj_bias", self.in_proj_bias);
    visit("out_proj", self.out_proj);
  }

 private:
  void check_input(const Shape& x) const {
    if (x.rank() != 3 || x[2] != features())
      fail<ShapeError>("MultiHeadAttention: got input ", x, ", expected [n, t, ", features(), "]");
  }
  Tensor<S> project(const Tensor<S>& y) const { return detail::linear_in_order<S>(y, out_proj.weight, out_proj.bias); }
  Tensor<S> turned(Tensor<S> qkv, Index first) const {
    if (!options.rotary) return qkv;
    return detail::rotate(
        qkv, {qkv.size(0), qkv.size(1), 3 * heads, 2 * heads, features() / heads, {options.rotary_base, first}}, S(1));
  }
  // From the positions of qkv to those of the cache and to themselves, all of which have been written.
  Tensor<S> attend(const Tensor<S>& qkv, KeyValueCache<S>& cache) const {
    const Index d = features() / heads, r = qkv.size(1), most_rows = detail::attention_rows<S>();
    const detail::AttentionSizes sizes{qkv.size(0), heads, r, cache.length_ + r, d, d, detail::attention_scale({}, d),
                                       true};
    Tensor<S> y = detail::Access::allocate<S>(qkv.shape().with(-1, features()));
    if (y.empty()) return y;
    sizes.for_heads(1, [&](Index n, Index head) {
      S* const scores = detail::GemmScratch::get<S>(1, most_rows * (cache.stride() + 1));
      const S* const q = qkv.data() + n * r * 3 * features() + head * d;
      S* const to = detail::Access::data(y) + n * r * features() + head * d;
      for (Index first = 0; first < r; first += most_rows)
        detail::attend_rows<S>(
            sizes, detail::score_rows(sizes, first, std::min(most_rows, r - first), scores, cache.stride()),
            q + first * 3 * features(), 3 * features(), cache.keys(n, head), cache.stride(), cache.values(n, head), d,
            to + first * features(), features(), scores + most_rows * cache.stride(), nullptr);
    });
    return y;
  }
};

}  // namespace pushforward
