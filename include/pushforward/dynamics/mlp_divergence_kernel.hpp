// The fused pass of a network with two hidden layers and of the trace of its Jacobian, and the pass of its gradient.
#pragma once

#include <array>
#include <vector>

#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward::detail {

// Activations whose slope and curvature follow from the output h, and from one number v kept with it if `keeps`.
struct TwiceTanh {
  static constexpr bool keeps = false;
  template <class S>
  PUSHFORWARD_INLINE static S value(S z, S&) {
    return math::tanh(z);
  }
  template <class S>
  PUSHFORWARD_INLINE static S slope(S h, S) {
    return S(1) - h * h;
  }
  template <class S>
  PUSHFORWARD_INLINE static S curvature(S h, S) {
    return S(-2) * h * (S(1) - h * h);
  }
};
struct TwiceSigmoid {
  static constexpr bool keeps = false;
  template <class S>
  PUSHFORWARD_INLINE static S value(S z, S&) {
    return math::sigmoid(z);
  }
  template <class S>
  PUSHFORWARD_INLINE static S slope(S h, S) {
    return h * (S(1) - h);
  }
  template <class S>
  PUSHFORWARD_INLINE static S curvature(S h, S) {
    return h * (S(1) - h) * (S(1) - (h + h));
  }
};
struct TwiceSoftplus {
  static constexpr bool keeps = true;  // sigmoid(z)
  template <class S>
  PUSHFORWARD_INLINE static S value(S z, S& v) {
    v = math::sigmoid(z);
    return math::softplus(z);
  }
  template <class S>
  PUSHFORWARD_INLINE static S slope(S, S v) {
    return v;
  }
  template <class S>
  PUSHFORWARD_INLINE static S curvature(S, S v) {
    return v * (S(1) - v);
  }
};
struct TwiceSilu {
  static constexpr bool keeps = true;  // sigmoid(z)
  template <class S>
  PUSHFORWARD_INLINE static S value(S z, S& v) {
    v = math::sigmoid(z);
    return z * v;
  }
  template <class S>
  PUSHFORWARD_INLINE static S slope(S h, S v) {
    return v + h * (S(1) - v);
  }
  template <class S>
  PUSHFORWARD_INLINE static S curvature(S h, S v) {
    return (S(1) - v) * (v + v + h * (S(1) - (v + v)));
  }
};

// The elementwise loops of an activation A, as functions, so that the passes around them are compiled once.
template <class S>
struct TwoLayerLoops {
  bool keeps = false;
  // z -> h, v, slope
  void (*first)(Index n, const S* z, S* h, S* v, S* slope) = nullptr;
  // z, q -> h, v, slope * q
  void (*second)(Index n, const S* z, const S* q, S* h, S* v, S* terms) = nullptr;
  // The pull-back of `second` to z and q, row by row, for cotangents dh (replaced by dz) and g of the rows' sums of
  // terms, which lie `step` apart.
  void (*back_second)(Index rows, Index width, const S* h, const S* v, const S* q, const S* g, Index step, S* dh,
                      S* dq) = nullptr;
  // The pull-back of `first` to z for cotangents dh (replaced by dz) and ds (replaced by the slope).
  void (*back_first)(Index n, const S* h, const S* v, S* dh, S* ds) = nullptr;
};

template <class A, class S>
struct TwoLayerLoopsOf {
  static void first(Index n, const S* z, S* h, S* v, S* slope) {
    vectorized_unless_double<S>([=] { first_loop(n, z, h, v, slope); });
  }
  static void second(Index n, const S* z, const S* q, S* h, S* v, S* terms) {
    vectorized_unless_double<S>([=] { second_loop(n, z, q, h, v, terms); });
  }
  static void back_second(Index rows, Index width, const S* h, const S* v, const S* q, const S* g, Index step, S* dh,
                          S* dq) {
    vectorized_unless_double<S>([=] {
      for (Index r = 0; r < rows; ++r) {
        const Index at = r * width;
        back_second_row(width, h + at, A::keeps ? v + at : v, q + at, g[r * step], dh + at, dq + at);
      }
    });
  }
  static void back_first(Index n, const S* h, const S* v, S* dh, S* ds) {
    vectorized_unless_double<S>([=] { back_first_loop(n, h, v, dh, ds); });
  }

 private:
  PUSHFORWARD_INLINE static void first_loop(Index n, const S* __restrict z, S* __restrict h, S* __restrict v,
                                            S* __restrict slope) {
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) {
      S kept{};
      const S value = A::value(z[i], kept);
      h[i] = value;
      if constexpr (A::keeps) v[i] = kept;
      slope[i] = A::slope(value, kept);
    }
  }
  PUSHFORWARD_INLINE static void second_loop(Index n, const S* __restrict z, const S* __restrict q, S* __restrict h,
                                             S* __restrict v, S* __restrict terms) {
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) {
      S kept{};
      const S value = A::value(z[i], kept);
      h[i] = value;
      if constexpr (A::keeps) v[i] = kept;
      terms[i] = A::slope(value, kept) * q[i];
    }
  }
  PUSHFORWARD_INLINE static void back_second_row(Index n, const S* __restrict h, const S* __restrict v,
                                                 const S* __restrict q, S g, S* __restrict dh, S* __restrict dq) {
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) {
      const S kept = A::keeps ? v[i] : S(0), slope = A::slope(h[i], kept);
      dh[i] = dh[i] * slope + g * q[i] * A::curvature(h[i], kept);
      dq[i] = g * slope;
    }
  }
  PUSHFORWARD_INLINE static void back_first_loop(Index n, const S* __restrict h, const S* __restrict v,
                                                 S* __restrict dh, S* __restrict ds) {
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) {
      const S kept = A::keeps ? v[i] : S(0), slope = A::slope(h[i], kept);
      dh[i] = dh[i] * slope + ds[i] * A::curvature(h[i], kept);
      ds[i] = slope;
    }
  }
};

template <class A, class S>
TwoLayerLoops<S> make_two_layer_loops() {
  using Of = TwoLayerLoopsOf<A, S>;
  return {A::keeps, Of::first, Of::second, Of::back_second, Of::back_first};
}

// The loops of an activation; without functions if there are none.
template <class S>
TwoLayerLoops<S> two_layer_loops(Activation activation) {
  switch (activation) {
    case Activation::tanh:
      return make_two_layer_loops<TwiceTanh, S>();
    case Activation::sigmoid:
      return make_two_layer_loops<TwiceSigmoid, S>();
    case Activation::softplus:
      return make_two_layer_loops<TwiceSoftplus, S>();
    case Activation::silu:
      return make_two_layer_loops<TwiceSilu, S>();
    default:
      return {};
  }
}

// The sizes of the network, and where its weights lie in one flat tensor: each matrix as [in, out] but for the last.
struct TwoLayers {
  Index d = 0, h1 = 0, h2 = 0;
  Index times = 0;  // what the first layer sees beside x: features of the time, and the 1 of the bias

  static constexpr Index capacity = 8192;  // numbers that a block of rows has in a layer

  Index by_time() const { return d * h1; }                 // behind by_point [d, h1]: [times, h1]
  Index hidden() const { return by_time() + times * h1; }  // [h1, h2]
  Index mixed() const { return hidden() + h1 * h2; }       // [h1, h2], hidden * (W1 W3)
  Index hidden_bias() const { return mixed() + h1 * h2; }  // [h2]
  Index out() const { return hidden_bias() + h2; }         // [d, h2], the last layer's own
  Index out_bias() const { return out() + d * h2; }        // [d]
  Index size() const { return out_bias() + d; }
  bool fits() const { return h1 > 0 && h2 > 0 && std::max(h1, h2) <= capacity; }
};

// Rows cut into blocks, and blocks into chunks that have sums of their own: by the number of rows alone, so that no sum
// depends on the number of threads.
struct RowBlocks {
  Index rows, chunks, count;

  RowBlocks(Index n, const TwoLayers& shape) : rows(n) {
    const Index most = std::clamp<Index>(TwoLayers::capacity / std::max(shape.h1, shape.h2), 1, 64);
    chunks = std::clamp<Index>(n / 128, 1, 16);
    count = chunks * divide_up(divide_up(n, chunks), most);
  }
  Index first(Index block) const { return rows * block / count; }
};

// The values of the network at one time: [n, width >= d] -> [n, d + 1].
template <class S>
struct TwoLayerKernel {
  TwoLayers shape = {};
  TwoLayerLoops<S> loops = {};
  Tensor<S> hidden_rows = {}, mixed_rows = {};  // [h2, h1]: hidden and mixed transposed

  Index kept_size(Index n) const { return n * (loops.keeps ? 2 * shape.h1 + 3 * shape.h2 : shape.h1 + 2 * shape.h2); }

  // What the gradient needs of all rows.
  struct Kept {
    S *h1, *h2, *q, *v1, *v2;
    Kept(const TwoLayerKernel& kernel, S* memory, Index n)
        : h1(memory),
          h2(h1 + n * kernel.shape.h1),
          q(h2 + n * kernel.shape.h2),
          v1(q + n * kernel.shape.h2),
          v2(v1 + n * kernel.shape.h1) {
      if (!kernel.loops.keeps) v1 = v2 = nullptr;
    }
    S* first_v(Index at) const { return v1 ? v1 + at : nullptr; }
    S* second_v(Index at) const { return v2 ? v2 + at : nullptr; }
  };
  // Rows [row, row + count) of one evaluation.
  struct Block {
    Index row, count, width;
    const S *x, *weights;
    Kept kept;
  };

  // The share of the time in the first layer's input.
  std::vector<S> first_bias(const S* weights, const S* time) const {
    std::vector<S> bias(static_cast<std::size_t>(shape.h1));
    gemm(1, shape.h1, shape.times, time, shape.times, weights + shape.by_time(), shape.h1, bias.data(), shape.h1, {});
    return bias;
  }

  void forward(const Block& b, const S* bias, const S* ones, S* out) const {
    const auto [d, h1, h2, times] = shape;
    const S *x = b.x + b.row * b.width, *w = b.weights;
    S *a = b.kept.h1 + b.row * h1, *c = b.kept.h2 + b.row * h2, *q = b.kept.q + b.row * h2, *y = out + b.row * (d + 1);
    alignas(64) S z[TwoLayers::capacity], s[TwoLayers::capacity];
    gemm(b.count, h1, d, x, b.width, w, h1, z, h1, {}, bias);
    loops.first(b.count * h1, z, a, b.kept.first_v(b.row * h1), s);
    gemm(b.count, h2, h1, a, h1, w + shape.hidden(), h2, z, h2, {}, w + shape.hidden_bias());
    gemm(b.count, h2, h1, s, h1, w + shape.mixed(), h2, q, h2, {});
    loops.second(b.count * h2, z, q, c, b.kept.second_v(b.row * h2), s);
    gemm(b.count, d, h2, c, h2, w + shape.out(), h2, y, d + 1, {.transpose_b = true}, w + shape.out_bias());
    gemm(b.count, 1, h2, s, h2, ones, h2, y + d, d + 1, {.transpose_b = true});
  }

  // Adds to (or, if it is the first block of a chunk, sets) the cotangents of the weights; dx [n, width] may be null.
  void backward(const Block& b, const S* g, const S* ones, bool add, S* dw, S* dx) const {
    const auto [d, h1, h2, times] = shape;
    const S *x = b.x + b.row * b.width, *w = b.weights;
    const S *a = b.kept.h1 + b.row * h1, *c = b.kept.h2 + b.row * h2, *q = b.kept.q + b.row * h2;
    const Index n = b.count;
    alignas(64) S dz2[TwoLayers::capacity], dq[TwoLayers::capacity], dz1[TwoLayers::capacity], s[TwoLayers::capacity];
    const GemmOptions sums{.transpose_a = true, .accumulate = add}, plain{.accumulate = add};
    g += b.row * (d + 1);
    gemm(n, h2, d, g, d + 1, w + shape.out(), h2, dz2, h2, {});
    loops.back_second(n, h2, c, b.kept.second_v(b.row * h2), q, g + d, d + 1, dz2, dq);
    gemm(n, h1, h2, dz2, h2, hidden_rows.data(), h1, dz1, h1, {});
    gemm(n, h1, h2, dq, h2, mixed_rows.data(), h1, s, h1, {});
    loops.back_first(n * h1, a, b.kept.first_v(b.row * h1), dz1, s);
    if (dx) {
      gemm(n, d, h1, dz1, h1, w, h1, dx + b.row * b.width, b.width, {.transpose_b = true});
      for (Index r = b.row; b.width > d && r < b.row + n; ++r) dx[r * b.width + d] = S(0);
    }
    gemm(d, h1, n, x, b.width, dz1, h1, dw, h1, sums);
    gemm(1, h1, n, ones, n, dz1, h1, dw + shape.by_time(), h1, plain);  // of the bias; spread over times afterwards
    gemm(h1, h2, n, a, h1, dz2, h2, dw + shape.hidden(), h2, sums);
    gemm(h1, h2, n, s, h1, dq, h2, dw + shape.mixed(), h2, sums);
    gemm(1, h2, n, ones, n, dz2, h2, dw + shape.hidden_bias(), h2, plain);
    gemm(d, h2, n, g, d + 1, c, h2, dw + shape.out(), h2, sums);
    for (Index j = 0; j < d; ++j) {
      S total = add ? dw[shape.out_bias() + j] : S(0);
      for (Index r = 0; r < n; ++r) total += g[r * (d + 1) + j];
      dw[shape.out_bias() + j] = total;
    }
  }
  // by_time += time outer (the sum of dz1), which the blocks have left in its first row.
  void spread_over_times(const S* time, S* dw) const {
    S* const rows = dw + shape.by_time();
    for (Index k = shape.times; k-- > 0;)
      for (Index j = 0; j < shape.h1; ++j) rows[k * shape.h1 + j] = time[k] * rows[j];
  }

  // Multiplications and additions of the two large products for n rows.
  double flops(Index n) const {
    return 4.0 * static_cast<double>(n) * static_cast<double>(shape.h1) * static_cast<double>(shape.h2);
  }
};

template <class S>
Tensor<S> two_layer_values(const TwoLayerKernel<S>& kernel, const Tensor<S>& x, const Tensor<S>& weights,
                           const Tensor<S>& time, const Tensor<S>& kept) {
  const Index n = x.size(0), width = x.size(1), d = kernel.shape.d;
  Tensor<S> y = Access::allocate<S>(Shape{n, d + 1});
  if (n == 0) return y;
  const RowBlocks blocks(n, kernel.shape);
  const std::vector<S> bias = kernel.first_bias(weights.data(), time.data());
  const std::vector<S> ones(static_cast<std::size_t>(kernel.shape.h2), S(1));
  const typename TwoLayerKernel<S>::Kept all(kernel, Access::data(kept), n);
  parallel_for(blocks.count, divide_up(blocks.count, gemm_threads(kernel.flops(n))), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index row = blocks.first(i);
      kernel.forward({row, blocks.first(i + 1) - row, width, x.data(), weights.data(), all}, bias.data(), ones.data(),
                     Access::data(y));
    }
  });
  return y;
}

// The cotangents of x (empty if it is a constant) and of the weights.
template <class S>
std::array<Tensor<S>, 2> two_layer_rule(const TwoLayerKernel<S>& kernel, const Tensor<S>& g, const Tensor<S>& x,
                                        const Tensor<S>& weights, const Tensor<S>& time, const Tensor<S>& kept) {
  const Index n = x.size(0), width = x.size(1), size = kernel.shape.size();
  if (n == 0) return {Tensor<S>::zeros(x.shape()), Tensor<S>::zeros(weights.shape())};
  const RowBlocks blocks(n, kernel.shape);
  const Index per_chunk = blocks.count / blocks.chunks;
  const Tensor<S> dx = x.tracked() ? Access::allocate<S>(x.shape()) : Tensor<S>();
  const Tensor<S> sums = Access::allocate<S>(Shape{blocks.chunks, size});
  const std::vector<S> ones(64, S(1));
  const typename TwoLayerKernel<S>::Kept all(kernel, Access::data(kept), n);
  parallel_for(blocks.chunks, divide_up(blocks.chunks, gemm_threads(2 * kernel.flops(n))), [&](Index begin, Index end) {
    for (Index i = begin * per_chunk; i < end * per_chunk; ++i) {
      const Index row = blocks.first(i), chunk = i / per_chunk;
      kernel.backward({row, blocks.first(i + 1) - row, width, x.data(), weights.data(), all}, g.data(), ones.data(),
                      i % per_chunk != 0, Access::data(sums) + chunk * size, Access::data(dx));
    }
  });
  S* const total = Access::data(sums);
  for (Index chunk = 1; chunk < blocks.chunks; ++chunk)
    vectorized_unless_double<S>([total, part = total + chunk * size, size] {
      PUSHFORWARD_SIMD
      for (Index i = 0; i < size; ++i) total[i] += part[i];
    });
  kernel.spread_over_times(time.data(), total);
  return {dx, Access::view(sums, weights.shape())};
}

// The slope of an activation at its input z, in differentiable operations; h is its output.
template <class S>
Tensor<S> activation_slope(Activation activation, const Tensor<S>& z, const Tensor<S>& h) {
  switch (activation) {
    case Activation::none:
      return Tensor<S>::ones(z.shape());
    case Activation::relu:
      return h > 0;
    case Activation::tanh:
      return 1 - square(h);
    case Activation::sigmoid:
      return h * (1 - h);
    case Activation::softplus:
      return sigmoid(z);
    case Activation::silu: {
      const Tensor<S> s = sigmoid(z);
      return s + h * (1 - s);
    }
    case Activation::gelu:
      return 0.5 + 0.5 * erf(z * 0.70710678118654752440) + z * inverse_sqrt_2pi * exp(-0.5 * square(z));
  }
  return {};
}

// The same in differentiable operations.
template <class S>
Tensor<S> two_layer_reference(const TwoLayers& shape, Activation activation, const Tensor<S>& x,
                              const Tensor<S>& weights, const Tensor<S>& time) {
  const auto [d, h1, h2, times] = shape;
  auto part = [&](Index at, Index rows, Index columns) {
    return reshape(slice(weights, 0, at, at + rows * columns), Shape{rows, columns});
  };
  auto sloped = [&](const Tensor<S>& z) {
    const Tensor<S> h = activate(z, activation);
    return std::array<Tensor<S>, 2>{h, activation_slope(activation, z, h)};
  };
  const Tensor<S> bias = matmul(unsqueeze(time, 0), part(shape.by_time(), times, h1));  // [1, h1]
  const auto [a, first_slope] = sloped(matmul(slice(x, 1, 0, d), part(0, d, h1)) + bias);
  const auto [c, second_slope] = sloped(matmul(a, part(shape.hidden(), h1, h2)) + part(shape.hidden_bias(), 1, h2));
  const Tensor<S> trace = sum(second_slope * matmul(first_slope, part(shape.mixed(), h1, h2)), {1}, true);
  const Tensor<S> y = matmul(c, part(shape.out(), d, h2), {.transpose_b = true}) + part(shape.out_bias(), 1, d);
  return concat({y, trace}, 1);
}

// Velocity and divergence side by side, [n, d + 1], of points x [n, >= d] at a time with features `time`.
template <class S>
Tensor<S> two_layer_field(const TwoLayerKernel<S>& kernel, const Tensor<S>& x, const Tensor<S>& weights,
                          const Tensor<S>& time, Activation activation) {
  const Tensor<S> kept = Access::allocate<S>(Shape{kernel.kept_size(x.size(0))});
  auto value = [&](const Tensor<S>& at, const Tensor<S>& w) { return two_layer_values(kernel, at, w, time, kept); };
  auto rule = [kernel, time, kept](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& at, const Tensor<S>& w) {
    return two_layer_rule(kernel, g, at, w, time, kept);
  };
  auto reference = [shape = kernel.shape, activation, time](const Tensor<S>& at, const Tensor<S>& w) {
    return two_layer_reference(shape, activation, at, w, time);
  };
  return fused(value, rule, reference, x, weights);
}

}  // namespace pushforward::detail
