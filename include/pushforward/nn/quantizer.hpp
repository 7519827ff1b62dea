// What a quantizer is: vectors to codes and back, with a gradient for the vectors; and how codes are used.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <vector>

#include <pushforward/autodiff/record.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// What a quantizer makes of vectors z [n, features, ..] in training.
template <class S = float>
struct Quantized {
  Tensor<S> value;      ///< [n, features, ..]: what `decode(codes)` gives, with a gradient for z
  Tensor<Index> codes;  ///< [n, ..], or [n, depth, ..] where each vector has several codes
  Tensor<S> loss;       ///< [n]: what z and the codebook pay for being apart, to be added to a loss per example
};

/// Something that turns vectors into codes 0 .. levels() - 1 and back.
///
/// Vectors are rows z [n, features], sequences [n, features, t] or images [n, features, h, w]. `quantizer(z, rng)` is
/// for training (a codebook may move), `encode(z)` gives the codes, `decode(codes)` the vectors of codes. With these a
/// quantizer serves in a VqVae.
template <class Q, class S = float>
concept Quantizer = requires(const Q& quantizer, const Tensor<S>& z, const Tensor<Index>& codes, Rng& rng) {
  { quantizer(z, rng) } -> std::convertible_to<Quantized<S>>;
  { quantizer.encode(z) } -> std::convertible_to<Tensor<Index>>;
  { quantizer.decode(codes) } -> std::convertible_to<Tensor<S>>;
  { quantizer.features() } -> std::convertible_to<Index>;
  { quantizer.levels() } -> std::convertible_to<Index>;
};

/// How the gradient of a quantized vector q becomes that of the vector z.
enum class QuantizerGradient {
  straight_through,  ///< as it is (Bengio et al. 2013; van den Oord et al. 2017, sec. 3.2)
  rotation           ///< turned and scaled as z to q, so that their angle stays (Fifty et al. 2024, eq. 4); as it is
                     ///< where either is zero, they are opposite, or z is shorter than a millionth of q
};

namespace detail {

// z [n, features, ..]: `positions` vectors in each of n examples, whose features are `positions` apart.
struct VectorLayout {
  Index examples, features, positions;
  explicit VectorLayout(const Shape& z) : examples(z[0]), features(z[1]), positions(z.product(2, z.rank())) {}
  Index vectors() const { return examples * positions; }
};

template <class S>
void check_vectors(const char* name, const Tensor<S>& z, Index features) {
  if (z.rank() < 2 || z.size(1) != features)
    fail<ShapeError>(name, ": got vectors of shape ", z.shape(), ", expected [n, ", features,
                     ", ..]: rows, sequences or images with a channel for each feature");
  if (z.empty()) fail<ShapeError>(name, ": got no vectors (shape ", z.shape(), "), expected at least one");
  for (const S value : z)
    if (!std::isfinite(value)) fail<ValueError>(name, ": got ", value, ", which no code is near to");
}

inline void check_codes(const char* name, const Tensor<Index>& codes, Index levels) {
  if (codes.rank() < 1 || codes.rank() > Shape::max_rank - 1)
    fail<ShapeError>(name, ": got codes of shape ", codes.shape(), ", expected [n, ..]");
  for (const Index code : codes)
    if (code < 0 || code >= levels)
      fail<IndexError>(name, ": got the code ", code, ", expected codes from 0 to ", levels - 1);
}

// [n, ..]: the shape of z [n, features, ..] without its features.
inline Shape without_features(const Shape& z) { return z.without(1); }

// The vectors of z [n, features, ..] as rows [vectors, features], constants.
template <class S>
Tensor<S> vector_rows(const Tensor<S>& z) {
  const VectorLayout at(z.shape());
  const Shape rows{at.vectors(), at.features};
  if (at.positions == 1) return Access::view(z, rows);
  return Tensor<S>::build(rows, [&](S* out) {
    const S* in = z.data();
    const Index d = at.features, p = at.positions;
    parallel_for(at.examples, std::max<Index>(1, 16384 / (d * p + 1)), [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        for (Index j = 0; j < p; ++j)
          for (Index c = 0; c < d; ++c) out[(i * p + j) * d + c] = in[(i * d + c) * p + j];
    });
  });
}

// Rows of `table` [levels, features] placed as vectors: codes [n, ..] -> [n, features, ..]. Gradients go to the table.
template <class S>
Tensor<S> place_vectors(const Tensor<S>& table, const Tensor<Index>& codes) {
  const Index d = table.size(1), n = codes.size(0), p = codes.shape().product(1, codes.rank());
  Tensor<S> y = Access::allocate<S>(codes.shape().inserted(1, d));
  S* out = Access::data(y);
  const S* from = table.data();
  const Index* code = codes.data();
  parallel_for(n, std::max<Index>(1, 16384 / (d * p + 1)), [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      for (Index c = 0; c < d; ++c)
        for (Index j = 0; j < p; ++j) out[(i * d + c) * p + j] = from[code[i * p + j] * d + c];
  });
  return record("place_vectors", std::move(y), edge(table, [codes, shape = table.shape()](const Tensor<S>& g) {
                  std::vector<int> order{0};
                  for (int axis = 2; axis < g.rank(); ++axis) order.push_back(axis);
                  order.push_back(1);
                  const Tensor<S> rows = reshape(permute(g, order), Shape{codes.size(), shape[1]});
                  return add_rows(rows, shape, 0, reshape(codes, Shape{codes.size()}));
                }));
}

// The mean of values [n, ..] over all but the first axis: [n].
template <class S>
Tensor<S> mean_of_examples(const Tensor<S>& values) {
  return mean(reshape(values, Shape{values.size(0), values.shape().product(1, values.rank())}), 1);
}

// Vectors [n, d, ..] without their lengths: [n, d, ..], and the lengths [n, 1, ..] as size * length, so that no square
// is too small or too large. Zeros stay zeros, of length 0.
template <class S>
struct UnitVectors {
  Tensor<S> unit, size, length;

  explicit UnitVectors(const Tensor<S>& x) {
    const auto or_one = [](const Tensor<S>& y) { return where(y > S(0), y, Tensor<S>::ones(y.shape())); };
    size = max(abs(x), {1}, true);
    const Tensor<S> scaled = x / or_one(size);
    length = norm(scaled, {1}, true);
    unit = scaled / or_one(length);
  }
};

// lambda R x for the rotation R of z to q in their plane and lambda = |q| / |z|, or lambda R^T x; the identity where
// there is no such plane.
template <class S>
struct Rotation {
  Tensor<S> from, to, middle, scale;  // unit vectors, and [n, 1, ..]

  Rotation(const Tensor<S>& z, const Tensor<S>& q) {
    const NoGradient guard;
    const UnitVectors<S> of_z(z), of_q(q);
    const Tensor<S> between = of_z.unit + of_q.unit, length = norm(between, {1}, true);
    const Tensor<S> ones = Tensor<S>::ones(length.shape());
    // Without a direction, or with opposite ones, the plane of the rotation is not known; and a z that is nothing
    // beside q would make gradients grow without bound.
    const Tensor<S> known =
        (of_q.size > S(0)) * (of_z.size > static_cast<S>(1e-6) * of_q.size) * (length > static_cast<S>(1e-3));
    middle = where(known, between / where(known, length, ones), Tensor<S>::zeros(between.shape()));
    from = known * of_z.unit, to = known * of_q.unit;
    scale = where(known, (of_q.size / where(known, of_z.size, ones)) * (of_q.length / where(known, of_z.length, ones)),
                  ones);
  }

  // x, z and q have one shape; the sums run over the features.
  Tensor<S> operator()(const Tensor<S>& x, bool transposed) const {
    const Tensor<S>& a = transposed ? from : to;
    const Tensor<S>& b = transposed ? to : from;
    const auto along = [&](const Tensor<S>& u) { return sum(u * x, {1}, true); };
    return scale * (x - 2 * middle * along(middle) + 2 * a * along(b));
  }
};

}  // namespace detail

/// The constant q with a gradient for z, both [n, features, ..]: what a quantizer hands on. Throws ShapeError.
template <class S>
Tensor<S> pass_gradient(const Tensor<S>& q, const Tensor<S>& z,
                        QuantizerGradient how = QuantizerGradient::straight_through) {
  if (!(q.shape() == z.shape()) || z.rank() < 2)
    fail<ShapeError>("pass_gradient: got shapes ", q.shape(), " and ", z.shape(),
                     ", expected [n, features, ..] for both");
  if (!detail::is_recorded(z)) return stop_gradient(q);
  if (how == QuantizerGradient::straight_through)
    return detail::record("straight_through", stop_gradient(q), detail::edge(z, [](const Tensor<S>& g) { return g; }));
  const detail::Rotation<S> rotation(stop_gradient(z), stop_gradient(q));
  return detail::record("rotation_trick", stop_gradient(q),
                        detail::edge(z, [rotation](const Tensor<S>& g) { return rotation(g, true); }));
}

/// How often each of `levels` codes occurs: [levels]. Throws IndexError for a code outside.
inline Tensor<Index> code_counts(const Tensor<Index>& codes, Index levels) {
  return Tensor<Index>::build(Shape{levels}, [&](Index* out) {
    std::fill_n(out, levels, Index{0});
    for (const Index code : codes) {
      if (code < 0 || code >= levels)
        fail<IndexError>("code_counts: got the code ", code, ", expected codes from 0 to ", levels - 1);
      ++out[code];
    }
  });
}

/// exp of the entropy of the codes' frequencies: `levels` where all are used alike, 1 where there is only one.
inline double code_perplexity(const Tensor<Index>& codes, Index levels) {
  if (codes.empty()) fail<ValueError>("code_perplexity: got no codes");
  double entropy = 0;
  for (const Index count : code_counts(codes, levels))
    if (count > 0) {
      const double share = static_cast<double>(count) / static_cast<double>(codes.size());
      entropy -= share * std::log(share);
    }
  return std::exp(entropy);
}

/// The share of the codes that occur at all, between 0 and 1.
inline double code_usage(const Tensor<Index>& codes, Index levels) {
  Index used = 0;
  for (const Index count : code_counts(codes, levels)) used += count > 0;
  return static_cast<double>(used) / static_cast<double>(levels);
}

}  // namespace pushforward
