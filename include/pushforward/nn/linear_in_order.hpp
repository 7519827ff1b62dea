// Dense layers whose rows have the same bits in whatever number of rows they come.
#pragma once

#include <pushforward/ops/attention_kernels.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward::detail {

// activation(x W^T + b) whose rows have the same bits in whatever number of rows they come: sums that run in order.
template <class S>
Tensor<S> linear_in_order(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                          Activation activation = Activation::none) {
  check_linear(x, weight, bias);
  const Index out = weight.size(0), in = weight.size(1), rows = x.shape().product(0, x.rank() - 1);
#if !defined(PUSHFORWARD_HAS_ONEDNN) && !defined(PUSHFORWARD_HAS_BLAS)
  if (rows > gemm_few && out > gemm_few) return linear(x, weight, bias, activation);  // its sums run in order, too
#endif
  Tensor<S> y = Access::allocate<S>(x.shape().with(-1, out));
  if (!y.empty())
    multiply_in_order(rows, out, in, x.data(), in, weight.data(), in, Access::data(y), out, {.transpose_b = true},
                      data_or_null(bias), num_threads());
  return activate(record_linear(std::move(y), x, weight, bias), activation);
}

// The columns of a weight [out, in] in panels of four vectors, [panels, in, 4 lanes]: a product with few rows, which
// costs what it reads, reads each panel from end to end.
template <class S>
class WeightPanels {
 public:
  WeightPanels() = default;
  explicit WeightPanels(const Tensor<S>& weight) : out_(weight.size(0)), in_(weight.size(1)), width_(4 * lanes()) {
    panels_ = Access::allocate<S>(Shape{divide_up(out_, width_), in_, width_});
    if (panels_.empty()) return;
    S* const to = Access::data(panels_);
    parallel_for(panels_.size(0), std::max(Index{1}, elementwise_grain / (in_ * width_)),
                 [=, this, &weight](Index begin, Index end) {
                   for (Index j = begin * width_; j < end * width_; j += lanes()) {
                     const Index first = std::min(j, out_ - 1);  // columns past the last one repeat it
                     gemm_kernels<S>().transpose(out_ - first, in_, weight.data() + first * in_, in_,
                                                 to + j / width_ * in_ * width_ + j % width_, width_);
                   }
                 });
  }

  // c [rows, out] = a [rows, in] W^T + bias (or null), each sum in order.
  void multiply(Index rows, const S* a, const S* bias, S* c) const {
    const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(out_) * static_cast<double>(in_);
    const Index panels = panels_.size(0);
    parallel_for(panels, divide_up(panels, gemm_threads(flops)), [=, this](Index begin, Index end) {
      for (Index panel = begin; panel < end; ++panel) multiply_panel(panel, rows, a, bias, c);
    });
  }

 private:
  static Index lanes() { return gemm_kernels<S>().lanes; }

  void multiply_panel(Index panel, Index rows, const S* a, const S* bias, S* c) const {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    alignas(64) S start[64] = {};  // the widest vectors hold 16 numbers
    const Index first = panel * width_, columns = std::min(width_, out_ - first);
    if (bias) std::copy_n(bias + first, columns, start);
    const Index wide = rows <= kernels.wide_rows ? 1 : 0;  // else tiles of two vectors, which hold more rows
    const Index most = wide ? kernels.wide_rows : kernels.rows, step = wide ? width_ : width_ / 2;
    for (Index row = 0; row < rows; row += most)
      for (Index j = 0; j < columns; j += step)
        multiply_tile(std::min(most, rows - row), std::min(step, columns - j), 1 + wide, a + row * in_,
                      panels_.data() + panel * in_ * width_ + j, start + j, c + row * out_ + first + j);
  }
  void multiply_tile(Index rows, Index columns, Index log_vectors, const S* a, const S* b, const S* start, S* c) const {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    alignas(64) S block[512];
    const Index width = kernels.lanes << log_vectors;
    const bool whole = columns == width;
    kernels.tile[log_vectors][rows - 1](
        {in_, a, in_, 1, b, width_, whole ? c : block, whole ? out_ : width, start, 0, false});
    if (!whole) kernels.copy(columns, rows, block, width, c, out_);
  }

  Index out_ = 0, in_ = 0, width_ = 0;
  Tensor<S> panels_;
};

// y + x in the place of y, which nobody else may hold.
template <class S>
Tensor<S> add_in_place(Tensor<S> y, const Tensor<S>& x) {
  parallel_for(y.size(), elementwise_grain, [to = Access::data(y), from = x.data()](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] += from[i];
  });
  return y;
}

// The same for a few rows at a time: with the weight laid out once, so that each call reads it as it lies.
template <class S>
class StepLinear {
 public:
  StepLinear() = default;
  StepLinear(const Tensor<S>& weight, const Tensor<S>& bias)
      : source_(stop_gradient(weight)), bias_(stop_gradient(bias)), panels_(source_) {}

  /// Throws ValueError unless the layer still has the weights that were given.
  void check(const Tensor<S>& weight, const Tensor<S>& bias) const {
    if (!same(weight, source_) || !same(bias, bias_))
      fail<ValueError>(
          "step: the cache was made for other weights than the layer has now; make a new one with layer.cache(..)");
  }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                       Activation activation = Activation::none) const {
    check(weight, bias);
    check_linear(x, weight, bias);
    const NoGradient guard;
    const Index rows = x.shape().product(0, x.rank() - 1);
    Tensor<S> y = Access::allocate<S>(x.shape().with(-1, weight.size(0)));
    if (y.empty()) return y;
    panels_.multiply(rows, x.data(), data_or_null(bias), Access::data(y));
    if (activation != Activation::none)
      activation_loops<S>(activation).values(y.size(), Access::data(y), y.data());  // in place
    return y;
  }

  /// Whether a tensor is still the one that was given: those that were are kept, so that no other has their place.
  static bool same(const Tensor<S>& now, const Tensor<S>& then) {
    return now.empty() ? then.empty() : now.data() == then.data();
  }

 private:
  Tensor<S> source_, bias_;  // [out, in] and [out] as they were given
  WeightPanels<S> panels_;
};

}  // namespace pushforward::detail
