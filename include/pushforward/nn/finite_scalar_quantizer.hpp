// FiniteScalarQuantizer (FSQ): every feature is rounded to one of a few levels, and there is no codebook to learn.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include <pushforward/nn/module.hpp>
#include <pushforward/nn/quantizer.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

/// Finite scalar quantization (Mentzer et al. 2023, sec. 3.1): feature i is bounded by a tanh and rounded to one of L_i
/// whole numbers, those from -floor(L_i / 2) on, and divided by floor(L_i / 2).
///
///     q_i = round(h_i tanh(z_i + s_i) - o_i) / floor(L_i / 2),  h_i = (1 - 0.001) (L_i - 1) / 2,
///     o_i = 1/2 for even L_i, else 0,  s_i = artanh(o_i / h_i)
///
/// Codes [n, ..] are 0 .. L_1 L_2 .. - 1, the first feature's level running fastest. Gradients pass the rounding as
/// they are. Its loss is zero. `FiniteScalarQuantizer<>({8, 5, 5, 5})` has 1000 codes of 4 features.
template <class S = float>
class FiniteScalarQuantizer {
 public:
  using Scalar = S;

  FiniteScalarQuantizer() = default;
  /// Throws ValueError for no features, fewer than two levels, or more than 2^31 codes.
  explicit FiniteScalarQuantizer(std::vector<Index> levels) : lengths_(std::move(levels)) {
    if (lengths_.empty()) fail<ValueError>("FiniteScalarQuantizer: got no levels, expected a number for each feature");
    for (const Index length : lengths_) {
      if (length < 2)
        fail<ValueError>("FiniteScalarQuantizer: got ", length, " levels for a feature, expected at least 2");
      if (length > (Index{1} << 31) / levels_)  // before the product, which might not fit an Index
        fail<ValueError>("FiniteScalarQuantizer: ", length, " levels after ", levels_,
                         " codes give more than 2^31; take fewer features or levels");
      levels_ *= length;
    }
  }

  /// The number of codes: the product of all features' levels.
  Index levels() const { return levels_; }
  Index features() const { return static_cast<Index>(lengths_.size()); }
  const std::vector<Index>& levels_of_features() const { return lengths_; }

  /// Quantizes z [n, features, ..]. Throws ShapeError, ValueError for numbers that are not finite.
  Quantized<S> operator()(const Tensor<S>& z) const {
    const Tensor<S> soft = bounded(z), whole = rounded(soft);
    const Tensor<S> unit = per_feature(z.rank(), [](Index length) { return static_cast<double>(length / 2); });
    return {pass_gradient(whole / unit, soft / unit), to_codes(whole), Tensor<S>::zeros({z.size(0)})};
  }
  Quantized<S> operator()(const Tensor<S>& z, Rng&) const { return (*this)(z); }
  /// The codes of z [n, features, ..]: [n, ..].
  Tensor<Index> encode(const Tensor<S>& z) const { return to_codes(rounded(bounded(stop_gradient(z)))); }
  /// The vectors of codes [n, ..]: [n, features, ..]. Throws IndexError for codes outside.
  Tensor<S> decode(const Tensor<Index>& codes) const {
    check_built();
    detail::check_codes("FiniteScalarQuantizer::decode", codes, levels());
    const Shape shape = codes.shape().inserted(1, features());
    const detail::VectorLayout at(shape);
    return Tensor<S>::build(shape, [&](S* out) {
      for (Index v = 0; v < at.vectors(); ++v) {
        Index rest = codes.data()[v];
        for (Index c = 0; c < at.features; ++c) {
          const Index length = lengths_[static_cast<std::size_t>(c)];
          out[place(at, v, c)] = static_cast<S>(rest % length - length / 2) / static_cast<S>(length / 2);
          rest /= length;
        }
      }
    });
  }

  static void members(auto&, auto&&) {}

 private:
  static Index place(const detail::VectorLayout& at, Index vector, Index feature) {
    return (vector / at.positions * at.features + feature) * at.positions + vector % at.positions;
  }
  void check_built() const {
    if (lengths_.empty())
      fail<ValueError>("FiniteScalarQuantizer: there are no levels yet; build it as FiniteScalarQuantizer({8, 5, 5})");
  }
  // f(levels) for each feature, to be broadcast to z.
  template <class F>
  Tensor<S> per_feature(int rank, const F& f) const {
    Shape shape{features()};
    for (int axis = 2; axis < rank; ++axis) shape = shape.inserted(axis - 1, 1);
    return Tensor<S>::generate(shape,
                               [&](Index c) { return static_cast<S>(f(lengths_[static_cast<std::size_t>(c)])); });
  }
  Tensor<S> bounded(const Tensor<S>& z) const {
    check_built();
    detail::check_vectors("FiniteScalarQuantizer", z, features());
    const auto offset = [](Index length) { return length % 2 == 0 ? 0.5 : 0.0; };
    // Two levels leave no room for the margin: their border is at z = 0 without a shift.
    const auto half = [](Index length) { return length == 2 ? 0.5 : 0.999 * static_cast<double>(length - 1) / 2; };
    const Tensor<S> shift = per_feature(
        z.rank(), [&](Index length) { return length == 2 ? 0.0 : std::atanh(offset(length) / half(length)); });
    return tanh(z + shift) * per_feature(z.rank(), half) - per_feature(z.rank(), offset);
  }
  static Tensor<S> rounded(const Tensor<S>& soft) {
    return Tensor<S>::generate(soft.shape(), [&](Index i) { return std::round(soft.data()[i]); });
  }
  Tensor<Index> to_codes(const Tensor<S>& whole) const {
    const detail::VectorLayout at(whole.shape());
    return Tensor<Index>::generate(detail::without_features(whole.shape()), [&](Index v) {
      Index code = 0;
      for (Index c = at.features; c-- > 0;) {
        const Index length = lengths_[static_cast<std::size_t>(c)];
        code = code * length + static_cast<Index>(whole.data()[place(at, v, c)]) + length / 2;
      }
      return code;
    });
  }

  std::vector<Index> lengths_;
  Index levels_ = 1;
};

}  // namespace pushforward
