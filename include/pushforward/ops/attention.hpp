// Attention: softmax(scale q k^T) v as one operation, for heads as an axis or side by side in the features.
#pragma once

#include <array>
#include <cmath>

#include <pushforward/ops/attention_kernels.hpp>
#include <pushforward/ops/fused.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// How attention weighs.
struct AttentionOptions {
  bool causal = false;  ///< query i of t sees keys 0 .. s - t + i of s: all up to its own place, counted from the end
  double scale = 0;     ///< of the scores; 0: 1 / sqrt(features)
};

namespace detail {

inline double attention_scale(const AttentionOptions& options, Index features) {
  return options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(features));
}

inline void check_attention_sizes(const char* name, const AttentionSizes& sizes) {
  if (sizes.keys < 1 || sizes.features < 1)
    fail<ShapeError>(name, ": got ", sizes.keys, " keys of ", sizes.features,
                     " features, expected at least one of each: a softmax over nothing is not defined");
  if (sizes.causal && sizes.queries > sizes.keys)
    fail<ShapeError>(name, ": got ", sizes.queries, " causal queries for ", sizes.keys,
                     " keys, expected at most as many: the first queries would see no key");
}

// The definition in plain operations: q [.., t, d], k [.., s, d], v [.., s, n].
template <class S>
Tensor<S> plain_attention(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v, const AttentionSizes& sizes) {
  Tensor<S> scores = matmul(q, k, {.transpose_b = true}) * sizes.scale;
  if (sizes.causal) {
    const Tensor<S> all = Tensor<S>::ones(Shape{sizes.queries, sizes.keys});
    scores = where(tril(all, sizes.keys - sizes.queries), scores, -std::numeric_limits<S>::infinity());
  }
  return matmul(softmax(scores, -1), v);
}

// Heads as an axis of their own: x [.., t, d].
template <class S>
HeadRows<const S> head_rows(const Tensor<S>& x) {
  return {x.data(), x.size(-2) * x.size(-1), 0, x.size(-1)};
}
template <class S>
HeadRows<S> written_head_rows(const Tensor<S>& x) {
  return {Access::data(x), x.size(-2) * x.size(-1), 0, x.size(-1)};
}

template <class S>
struct Attention {
  AttentionSizes sizes;
  Tensor<S> logarithms;

  Tensor<S> values(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v) const {
    Tensor<S> y = Access::allocate<S>(q.shape().with(-1, v.size(-1)));
    if (!y.empty())
      attention_values(sizes, head_rows(q), head_rows(k), head_rows(v), written_head_rows(y), Access::data(logarithms));
    return y;
  }
  Tensor<S> plain(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v) const {
    return plain_attention(q, k, v, sizes);
  }
  std::array<Tensor<S>, 3> pull_back(const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& q, const Tensor<S>& k,
                                     const Tensor<S>& v) const {
    if (y.empty()) return {Tensor<S>::zeros(q.shape()), Tensor<S>::zeros(k.shape()), Tensor<S>::zeros(v.shape())};
    const Tensor<S> dq = Access::allocate<S>(q.shape()), dk = Access::allocate<S>(k.shape()),
                    dv = Access::allocate<S>(v.shape());
    AttentionAdjoint<S>{
        sizes,        head_rows(q),      head_rows(k),          head_rows(v),          head_rows(y),
        head_rows(g), logarithms.data(), written_head_rows(dq), written_head_rows(dk), written_head_rows(dv)}
        .run();
    return {dq, dk, dv};
  }
};

}  // namespace detail

/// Attention: y = softmax(scale q k^T) v over the keys (Vaswani et al. 2017, eq. 1), in one pass that keeps no scores.
///
/// q [.., t, d], k [.., s, d], v [.., s, n] with the same leading axes (batch and heads) -> [.., t, n]. With `causal`
/// query i sees the first s - t + i + 1 keys. A row of the result has the same bits whatever other queries, and later
/// keys, are computed with it. Throws ShapeError if the shapes do not fit, there are no keys, or causal queries
/// outnumber the keys.
template <class S>
Tensor<S> scaled_dot_product_attention(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v,
                                       const AttentionOptions& options = {}) {
  const char* const name = "scaled_dot_product_attention";
  const bool ranks = q.rank() >= 2 && k.rank() == q.rank() && v.rank() == q.rank();
  if (!ranks || !(detail::batch_axes(q.shape()) == detail::batch_axes(k.shape())) ||
      !(detail::batch_axes(q.shape()) == detail::batch_axes(v.shape())) || q.size(-1) != k.size(-1) ||
      k.size(-2) != v.size(-2))
    fail<ShapeError>(name, ": got queries ", q.shape(), ", keys ", k.shape(), " and values ", v.shape(),
                     ", expected [.., t, d], [.., s, d] and [.., s, n] with the same leading axes");
  detail::Attention<S> attention{{detail::batch_axes(q.shape()).size(), 1, q.size(-2), k.size(-2), q.size(-1),
                                  v.size(-1), detail::attention_scale(options, q.size(-1)), options.causal},
                                 {}};
  detail::check_attention_sizes(name, attention.sizes);
  if (detail::is_recorded(q) || detail::is_recorded(k) || detail::is_recorded(v))
    attention.logarithms = detail::Access::allocate<S>(q.shape().without(-1));
  return detail::record_fused(name, attention, attention.values(q, k, v), q, k, v);
}

namespace detail {

// [n, t, heads * d] <-> [n, heads, t, d].
template <class S>
Tensor<S> split_heads(const Tensor<S>& x, Index heads) {
  return permute(reshape(x, Shape{x.size(0), x.size(1), heads, x.size(2) / heads}), {0, 2, 1, 3});
}
template <class S>
Tensor<S> merge_heads(const Tensor<S>& x) {
  return reshape(permute(x, {0, 2, 1, 3}), Shape{x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// Attention among the positions of [n, t, q | k | v], each of heads * d features: [n, t, heads * d]. What a dense layer
// for all three gives is read where it lies.
template <class S>
struct SelfAttention {
  AttentionSizes sizes;
  Tensor<S> logarithms;

  Index width() const { return sizes.heads * sizes.features; }
  // The heads of q, k or v in [n, t, 3 width], or of the only part of [n, t, width].
  HeadRows<const S> part(const Tensor<S>& x, Index i) const {
    return {x.data() + i * width(), sizes.queries * x.size(2), sizes.features, x.size(2)};
  }
  HeadRows<S> written_part(const Tensor<S>& x, Index i) const {
    return {Access::data(x) + i * width(), sizes.queries * x.size(2), sizes.features, x.size(2)};
  }

  Tensor<S> values(const Tensor<S>& qkv) const {
    Tensor<S> y = Access::allocate<S>(qkv.shape().with(-1, width()));
    if (!y.empty())
      attention_values(sizes, part(qkv, 0), part(qkv, 1), part(qkv, 2), written_part(y, 0), Access::data(logarithms));
    return y;
  }
  Tensor<S> plain(const Tensor<S>& qkv) const {
    const auto parts = split<3>(qkv, -1);
    return merge_heads(plain_attention(split_heads(parts[0], sizes.heads), split_heads(parts[1], sizes.heads),
                                       split_heads(parts[2], sizes.heads), sizes));
  }
  std::array<Tensor<S>, 1> pull_back(const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& qkv) const {
    const Tensor<S> d = Access::allocate<S>(qkv.shape());
    if (!d.empty())
      AttentionAdjoint<S>{sizes,      part(qkv, 0),      part(qkv, 1),       part(qkv, 2),       part(y, 0),
                          part(g, 0), logarithms.data(), written_part(d, 0), written_part(d, 1), written_part(d, 2)}
          .run();
    return {d};
  }
};

template <class S>
Tensor<S> self_attention(const Tensor<S>& qkv, Index heads, const AttentionOptions& options) {
  const Index t = qkv.size(1), features = qkv.size(2) / 3 / heads;
  SelfAttention<S> attention{
      {qkv.size(0), heads, t, t, features, features, attention_scale(options, features), options.causal}, {}};
  check_attention_sizes("attention", attention.sizes);
  if (is_recorded(qkv)) attention.logarithms = Access::allocate<S>(Shape{qkv.size(0), heads, t});
  return record_fused("attention", attention, attention.values(qkv), qkv);
}

}  // namespace detail

}  // namespace pushforward
