// TransformerBlock: attention and a small network for each position, each added to what came in.
#pragma once

#include <pushforward/nn/attention.hpp>
#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/layer_norm.hpp>

namespace pushforward {

/// How a TransformerBlock is built.
struct TransformerBlockOptions {
  Index hidden = 0;  ///< units of the network at each position; 0: 4 features
  Activation activation = Activation::gelu;
  bool causal = true;
  bool rotary = false;  ///< see MultiHeadAttentionOptions
  double dropout = 0;   ///< of what each of the two parts adds
  double eps = 1e-5;    ///< of the normalizations
};

/// What a TransformerBlock knows of the positions it has seen: see KeyValueCache.
template <class S = float>
class TransformerCache {
 public:
  Index length() const { return attention_.length(); }
  Index capacity() const { return attention_.capacity(); }
  void truncate(Index length) { attention_.truncate(length); }

 private:
  template <class T>
  friend struct TransformerBlock;
  KeyValueCache<S> attention_;
  detail::StepLinear<S> inner_, outer_;
  Tensor<S> norms_[4];  // weight and bias of both normalizations, as they were when it was made
};

namespace detail {

// norm(x) without a graph.
template <class S>
Tensor<S> norm_in_step(const LayerNorm<S>& norm, const Tensor<S>& x) {
  if (x.rank() < 1 || x.size(-1) != norm.features || x.empty() || norm.weight.empty() || !(norm.eps > 0))
    return norm(x);
  const NormRows<S> rows(x.shape());
  Tensor<S> y = Access::allocate<S>(x.shape());
  normalize_rows(rows, x.data(), norm.weight.data(), norm.bias.data(), static_cast<S>(norm.eps), Access::data(y));
  return y;
}

}  // namespace detail

/// A transformer's layer, normalized before each part, as in GPT-2 (Radford et al. 2019): [n, t, features] -> the same.
///
///     h = x + attention(norm1(x)),   y = h + linear2(gelu(linear1(norm2(h))))
///
/// Parameters are laid out and named as in PyTorch's TransformerEncoderLayer with norm_first. With dropout, call it as
/// block(x, rng) while training. Throws ShapeError if the heads do not divide the features.
template <class S = float>
struct TransformerBlock {
  MultiHeadAttention<S> self_attn;
  Linear<S> linear1, linear2;
  LayerNorm<S> norm1, norm2;
  Dropout dropout{0};
  Activation activation = Activation::gelu;

  TransformerBlock() = default;
  TransformerBlock(Index features, Index heads, Rng& rng, const TransformerBlockOptions& options = {})
      : self_attn(features, heads, rng, {.causal = options.causal, .rotary = options.rotary}),
        linear1(features, options.hidden > 0 ? options.hidden : 4 * features, rng),
        linear2(linear1.weight.size(0), features, rng),
        norm1(features, {.eps = options.eps}),
        norm2(features, {.eps = options.eps}),
        dropout{options.dropout},
        activation(options.activation) {
    if (options.hidden < 0)
      fail<ValueError>("TransformerBlock: .hidden is ", options.hidden, ", expected 0 (for 4 features) or more");
    if (!(options.dropout >= 0 && options.dropout < 1))
      fail<ValueError>("TransformerBlock: .dropout is ", options.dropout, ", expected 0 or more and less than 1");
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    return run(x, [&](const Tensor<S>& part) { return dropout(part); });
  }
  Tensor<S> operator()(const Tensor<S>& x, Rng& rng) const {
    return run(x, [&](const Tensor<S>& part) { return dropout(part, rng); });
  }

  /// An empty cache for `sequences` sequences of up to `capacity` positions.
  TransformerCache<S> cache(Index sequences, Index capacity) const {
    TransformerCache<S> made;
    made.attention_ = self_attn.cache(sequences, capacity);
    made.inner_ = detail::StepLinear<S>(linear1.weight.tensor(), linear1.bias.tensor());
    made.outer_ = detail::StepLinear<S>(linear2.weight.tensor(), linear2.bias.tensor());
    for (int i = 0; i < 4; ++i) made.norms_[i] = stop_gradient(norm_parameter(i));
    return made;
  }
  /// The result at the next r positions x [n, r, features], without dropout and without a graph; the cache grows by
  /// them. The same bits as operator() gives there in evaluation. Throws as MultiHeadAttention::step does.
  Tensor<S> step(const Tensor<S>& x, TransformerCache<S>& cache) const {
    check_step(x.shape(), cache);
    const NoGradient guard;
    using detail::add_in_place, detail::norm_in_step;
    const Tensor<S> h = add_in_place(self_attn.step(norm_in_step(norm1, x), cache.attention_), x);
    const Tensor<S> inner = cache.inner_(norm_in_step(norm2, h), linear1.weight, linear1.bias, activation);
    return add_in_place(cache.outer_(inner, linear2.weight, linear2.bias), h);
  }
  /// Throws what `step` throws for an input of this shape.
  void check_step(const Shape& x, const TransformerCache<S>& cache) const {
    self_attn.check_step(x, cache.attention_);
    for (int i = 0; i < 4; ++i)
      if (!detail::StepLinear<S>::same(norm_parameter(i), cache.norms_[i]))
        fail<ValueError>(
            "TransformerBlock::step: the cache was made for another normalization than the block has now; make a new "
            "one");
    cache.inner_.check(linear1.weight, linear1.bias);
    cache.outer_.check(linear2.weight, linear2.bias);
  }

  static void members(auto& self, auto&& visit) {
    visit("self_attn", self.self_attn);
    visit("linear1", self.linear1);
    visit("linear2", self.linear2);
    visit("norm1", self.norm1);
    visit("norm2", self.norm2);
    visit("dropout", self.dropout);
  }

 private:
  const Tensor<S>& norm_parameter(int i) const {
    const LayerNorm<S>& norm = i < 2 ? norm1 : norm2;
    return i % 2 == 0 ? norm.weight.tensor() : norm.bias.tensor();
  }
  template <class Drop>
  Tensor<S> run(const Tensor<S>& x, const Drop& drop) const {
    const Tensor<S> h = x + drop(self_attn(norm1(x)));
    const Tensor<S> inner = detail::linear_in_order<S>(norm2(h), linear1.weight, linear1.bias, activation);
    return h + drop(detail::linear_in_order<S>(inner, linear2.weight, linear2.bias));
  }
};

}  // namespace pushforward
