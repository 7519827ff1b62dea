// Modified Bessel functions of the first kind of any order, for the directions of von Mises and Fisher.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward::math {

/// log(I_v(x) e^-x x^-v) for v >= 0 and x >= 0, about 13 digits: at x = 0 it is - log(2^v Gamma(v + 1)).
///
/// Olver's expansion, uniform in x, at an order of 30 or more (Abramowitz and Stegun 1964, 9.7.7), and from there
/// downward by the recurrence of ratios, which is stable in that direction.
double log_bessel_i_scaled(double order, double x);

/// A = I_(v+1)(x) / I_v(x), and 1 - A, which has its digits where A is near 1.
struct BesselRatio {
  double ratio, gap;
};
/// For v >= 0 and x >= 0.
BesselRatio bessel_ratio(double order, double x);

/// d^n/dx^n of 1 - I_(v+1)(x) / I_v(x) for n up to 3, by the equation A' = 1 - (2 v + 1) A / x - A^2 of the ratio.
double bessel_ratio_gap(int derivative, double order, double x);

}  // namespace pushforward::math

namespace pushforward::detail {

// 1 - I_(v+1) / I_v as a differentiable function.
struct BesselRatioGap : OfInput {
  double order = 0;
  int derivative = 0;
  template <class S>
  S value(S x) const {
    return static_cast<S>(math::bessel_ratio_gap(derivative, order, static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(math::bessel_ratio_gap(derivative + 1, order, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    if (derivative > 0)
      fail<GradientError>("bessel_ratio_gap: derivatives exist up to order 3, and one more was asked for");
    return apply_function("bessel_ratio_gap", BesselRatioGap{{}, order, 2}, x);
  }
};

// log(I_v(x) e^-x x^-v), whose slope is -(1 - I_(v+1) / I_v).
struct LogBesselScaled : OfInput {
  double order = 0;
  template <class S>
  S value(S x) const {
    return static_cast<S>(math::log_bessel_i_scaled(order, static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(-math::bessel_ratio_gap(0, order, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -apply_function("bessel_ratio_gap", BesselRatioGap{{}, order, 1}, x);
  }
};

}  // namespace pushforward::detail

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/distributions/bessel.inl>
#endif
