// MaskedLinear: a dense layer some of whose weights are not there.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// Lines [first, last) of a mask, and the part [low, high) of each outside of which they are zero.
struct MaskBand {
  Index first, last, low, high;
  Index area() const { return (last - first) * (high - low); }
};

// Bands that cover the ones of a mask [lines, length], whose element is at(line, i). Zeros beyond them cost nothing;
// neighbors are joined where the zeros between them are too few to pay for a product of their own, and short lines,
// which fit into the registers of one product, stay whole.
template <class At>
std::vector<MaskBand> mask_bands(Index lines, Index length, const At& at) {
  constexpr Index height = 32, short_line = 32, worthwhile = 256;
  std::vector<MaskBand> bands;
  for (Index first = 0; first < lines; first += height) {
    MaskBand band{first, std::min(lines, first + height), length, 0};
    for (Index line = first; line < band.last; ++line)
      for (Index i = 0; i < length; ++i)
        if (at(line, i)) band.low = std::min(band.low, i), band.high = std::max(band.high, i + 1);
    if (band.high == 0) band.low = 0;
    if (length <= short_line) band.low = 0, band.high = length;
    if (!bands.empty()) {
      MaskBand& before = bands.back();
      const MaskBand both{before.first, band.last, std::min(before.low, band.low), std::max(before.high, band.high)};
      if (both.area() - before.area() - band.area() < worthwhile) {
        before = both;
        continue;
      }
    }
    bands.push_back(band);
  }
  return bands;
}

// A mask [out, in] of zeros and ones, and where its ones are.
template <class S>
struct Mask {
  Tensor<S> values;
  std::vector<MaskBand> outputs, inputs;  // bands of its rows, and of its columns

  explicit Mask(const Tensor<S>& mask) : values(stop_gradient(mask)) {
    const Index out = mask.size(0), in = mask.size(1);
    outputs = mask_bands(out, in, [&](Index o, Index i) { return mask.data()[o * in + i] != S(0); });
    inputs = mask_bands(in, out, [&](Index i, Index o) { return mask.data()[o * in + i] != S(0); });
  }
};

// weight * mask, a constant. What is masked counts as zero even where it is infinite.
template <class S>
Tensor<S> masked_weight(const Tensor<S>& weight, const Mask<S>& mask) {
  Tensor<S> w = Access::allocate<S>(weight.shape());
  map_parallel([](S x, S m) { return m != S(0) ? x : S(0); }, w.size(), Access::data(w), data_or_null(weight),
               data_or_null(mask.values));
  return w;
}

// gemm whose sums run in order whatever the shape: a network that is evaluated step by step repeats its bits.
template <class S>
void gemm_in_order(Index m, Index n, Index k, const S* a, Index lda, const S* b, Index ldb, S* c, Index ldc,
                   GemmOptions options, const S* bias = nullptr, Epilogue epilogue = Epilogue::none) {
  const GemmProblem<S> problem{m, n, k, a, lda, b, ldb, c, ldc, options, bias, epilogue == Epilogue::relu, {}};
#if !defined(PUSHFORWARD_HAS_ONEDNN) && !defined(PUSHFORWARD_HAS_BLAS)
  if (k <= 0 || (m > gemm_few && n > gemm_few)) return gemm_run(problem);
#else
  if (k <= 0) return gemm_run(problem);
#endif
  if (m > 0 && n > 0) GemmTiling<S>(problem).run(gemm_threads(problem.flops()));
}

// y = x w^T + b, without the products that the mask makes zero.
template <class S>
void masked_product(const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias, const Mask<S>& mask,
                    Epilogue epilogue, Tensor<S>& y) {
  const Index out = w.size(0), in = w.size(1), rows = out ? y.size() / out : 0;
  for (const MaskBand& b : mask.outputs)
    gemm_in_order(rows, b.last - b.first, b.high - b.low, data_or_null(x) + b.low, in,
                  data_or_null(w) + b.first * in + b.low, in, Access::data(y) + b.first, out,
                  GemmOptions{.transpose_b = true}, bias.data() + b.first, epilogue);
}

// The cotangent g w of x, of shape `shape`.
template <class S>
Tensor<S> masked_product_to_input(const Tensor<S>& g, const Tensor<S>& w, const Mask<S>& mask, const Shape& shape) {
  const Index out = w.size(0), in = w.size(1), rows = out ? g.size() / out : 0;
  Tensor<S> gx = Access::allocate<S>(shape);
  if (rows == 0) return gx;
  for (const MaskBand& b : mask.inputs)
    gemm(rows, b.last - b.first, b.high - b.low, g.data() + b.low, out, w.data() + b.low * in + b.first, in,
         Access::data(gx) + b.first, in, GemmOptions{});
  return gx;
}

// The cotangent g^T x of the weight, zero where the mask is.
template <class S>
Tensor<S> masked_product_to_weight(const Tensor<S>& g, const Tensor<S>& x, const Mask<S>& mask) {
  const Index out = mask.values.size(0), in = mask.values.size(1), rows = out ? g.size() / out : 0;
  if (rows == 0) return Tensor<S>::zeros(mask.values.shape());
  Tensor<S> gw = Access::allocate<S>(mask.values.shape());
  for (const MaskBand& b : mask.outputs) {
    S* const to = Access::data(gw) + b.first * in;
    gemm(b.last - b.first, b.high - b.low, rows, data_or_null(g) + b.first, out, data_or_null(x) + b.low, in,
         to + b.low, in, GemmOptions{.transpose_a = true});
    vectorized_unless_double<S>([=, band = b, m = mask.values.data() + b.first * in] {
      for (Index r = 0; r < band.last - band.first; ++r) {
        S* const __restrict row = to + r * in;
        for (Index i = 0; i < band.low; ++i) row[i] = S(0);
        for (Index i = band.low; i < band.high; ++i) row[i] = m[r * in + i] != S(0) ? row[i] : S(0);
        for (Index i = band.high; i < in; ++i) row[i] = S(0);
      }
    });
  }
  return gw;
}

// The layer's result joined to the graph; `w` is the masked weight.
template <class S>
Tensor<S> record_masked_linear(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                               const Tensor<S>& w, const std::shared_ptr<const Mask<S>>& mask) {
  if (!recording_flag()) return values;
  auto dx = [weight, w, mask, shape = x.shape()](const Tensor<S>& g) {
    return is_recorded(g) || is_recorded(weight) ? matmul(g, weight * mask->values)
                                                 : masked_product_to_input(g, w, *mask, shape);
  };
  auto dw = [x, mask, out = weight.size(0), in = weight.size(1)](const Tensor<S>& g) {
    if (!is_recorded(g) && !is_recorded(x)) return masked_product_to_weight(g, x, *mask);
    const Index rows = x.shape().product(0, x.rank() - 1);
    return matmul(reshape(g, Shape{rows, out}), reshape(x, Shape{rows, in}), {.transpose_a = true}) * mask->values;
  };
  auto db = [shape = bias.shape()](const Tensor<S>& g) { return sum_to(g, shape); };
  return record("masked_linear", std::move(values), edge(x, dx), edge(weight, dw), edge(bias, db));
}

// activation(x (weight * mask)^T + bias).
template <class S>
Tensor<S> masked_linear(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                        const std::shared_ptr<const Mask<S>>& mask, Activation activation) {
  check_linear(x, weight, bias);
  const bool relu = activation == Activation::relu;
  const Tensor<S> w = masked_weight(weight, *mask);
  Tensor<S> y = Access::allocate<S>(x.shape().with(-1, weight.size(0)));
  if (!y.empty()) masked_product(x, w, bias, *mask, relu ? Epilogue::relu : Epilogue::none, y);
  if (!relu) return activate(record_masked_linear(std::move(y), x, weight, bias, w, mask), activation);
  const ActivationLoops<S> f = activation_loops<S>(activation);
  const Tensor<S> z = record_masked_linear(Access::shell(y), x, weight, bias, w, mask);
  return record_activation(f, z, std::move(y));
}

}  // namespace detail

/// The dense layer y = x (M * W)^T + b with a fixed mask M [out, in] of zeros and ones: [.., in] -> [.., out].
///
/// The mask is applied in every pass, so it holds whatever changes the weights: an optimizer, an average, a file.
/// Masked weights start as zero and get zero gradients. Products that the mask makes zero are left out where they come
/// in blocks. The weights of one output start uniform in (-1/sqrt(n), 1/sqrt(n)) for its n inputs.
/// Throws ShapeError if the mask is no matrix, ValueError if it has other numbers than 0 and 1.
template <class S = float>
struct MaskedLinear {
  Parameter<S> weight, bias;

  MaskedLinear() = default;
  MaskedLinear(const Tensor<S>& mask, Rng& rng) : mask_(checked(mask)) {
    const Index out = mask.size(0), in = mask.size(1);
    const Tensor<S> w = uniform<S>({out, in}, rng, -1, 1), b = uniform<S>({out}, rng, -1, 1);
    std::vector<S> bounds;
    for (Index o = 0; o < out; ++o) {
      S inputs = 0;
      for (Index i = 0; i < in; ++i) inputs += mask.data()[o * in + i];
      bounds.push_back(S(1) / std::sqrt(std::max(S(1), inputs)));
    }
    const Tensor<S> bound({out}, bounds);
    weight = w * unsqueeze(bound, 1) * mask;
    bias = b * bound;
  }

  /// The mask, [out, in].
  const Tensor<S>& mask() const {
    if (!mask_) fail<ValueError>("MaskedLinear: it is empty; build it from a mask before use");
    return mask_->values;
  }
  Tensor<S> operator()(const Tensor<S>& x) const { return (*this)(x, Activation::none); }
  /// activation(x (M * W)^T + b).
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    mask();
    return detail::masked_linear(x, weight.tensor(), bias.tensor(), mask_, activation);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }

 private:
  static std::shared_ptr<const detail::Mask<S>> checked(const Tensor<S>& mask) {
    if (mask.rank() != 2) fail<ShapeError>("MaskedLinear: mask of shape ", mask.shape(), ", expected [out, in]");
    for (S m : mask)
      if (m != S(0) && m != S(1)) fail<ValueError>("MaskedLinear: the mask holds ", m, ", expected zeros and ones");
    return std::make_shared<const detail::Mask<S>>(mask);
  }

  std::shared_ptr<const detail::Mask<S>> mask_;
};

}  // namespace pushforward
