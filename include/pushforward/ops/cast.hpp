// cast(): between scalars; and the sentence for operations on two of them.
#pragma once

#include <type_traits>

#include <pushforward/autodiff/tensor.hpp>

namespace pushforward {

/// The same numbers as another scalar, float, double or Index (which drops fractions): cast<double>(x).
///
/// Throws GradientError for a tensor that gradients flow to: they do not cross from one scalar to another.
template <class To, class S>
Tensor<To> cast(const Tensor<S>& x) {
  if constexpr (std::is_same_v<To, S>) {
    return x;
  } else {
    if (detail::is_recorded(x))
      fail<GradientError>(
          "cast: x of shape ", x.shape(),
          " was computed from a variable, and gradients do not cross scalars; cast stop_gradient(x) instead");
    return Tensor<To>::generate(x.shape(), [&](Index i) { return static_cast<To>(x.data()[i]); });
  }
}

namespace detail {

template <class A, class B>
Tensor<A> refuse_mixed_scalars() {
  static_assert(std::is_same_v<A, B>,
                "pushforward: the two tensors hold different scalars (float, double or Index). Convert one of them: "
                "cast<double>(x), "
                "or make both of one scalar from the start.");
  return {};
}

}  // namespace detail

// Without these, an operation on two scalars would be refused with a list of all candidates.
template <class A, class B>
requires(!std::is_same_v<A, B>) Tensor<A>
operator+(const Tensor<A>&, const Tensor<B>&) { return detail::refuse_mixed_scalars<A, B>(); }
template <class A, class B>
requires(!std::is_same_v<A, B>) Tensor<A>
operator-(const Tensor<A>&, const Tensor<B>&) { return detail::refuse_mixed_scalars<A, B>(); }
template <class A, class B>
requires(!std::is_same_v<A, B>) Tensor<A>
operator*(const Tensor<A>&, const Tensor<B>&) { return detail::refuse_mixed_scalars<A, B>(); }
template <class A, class B>
requires(!std::is_same_v<A, B>) Tensor<A>
operator/(const Tensor<A>&, const Tensor<B>&) { return detail::refuse_mixed_scalars<A, B>(); }

}  // namespace pushforward
