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

// The same for a few rows at a time: with the weight transposed once, so that each call reads it as it lies.
template <class S>
class StepLinear {
 public:
  StepLinear() = default;
  StepLinear(const Tensor<S>& weight, const Tensor<S>& bias)
      : source_(stop_gradient(weight)), bias_(stop_gradient(bias)), columns_(transpose(source_)) {}

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                       Activation activation = Activation::none) const {
    if (!same(weight, source_) || !same(bias, bias_))
      fail<ValueError>(
          "step: the cache was made for other weights than the layer has now; make a new one with layer.cache(..)");
    check_linear(x, weight, bias);
    const NoGradient guard;
    const Index out = weight.size(0), in = weight.size(1), rows = x.shape().product(0, x.rank() - 1);
    Tensor<S> y = Access::allocate<S>(x.shape().with(-1, out));
    if (!y.empty())
      multiply_in_order(rows, out, in, x.data(), in, columns_.data(), out, Access::data(y), out, {}, data_or_null(bias),
                        num_threads());
    return activate(y, activation);
  }

  /// Whether a tensor is still the one that was given: those that were are kept, so that no other has their place.
  static bool same(const Tensor<S>& now, const Tensor<S>& then) {
    return now.empty() ? then.empty() : now.data() == then.data();
  }

 private:
  Tensor<S> source_, bias_, columns_;  // [out, in] and [out] as they were given, [in, out]
};

}  // namespace pushforward::detail
