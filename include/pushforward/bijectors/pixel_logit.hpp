// PixelLogit: pixels of a bounded range spread over all numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <pushforward/bijectors/squeeze.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

// The maps of a PixelLogit between y and x in (-b, b). Next to an end b - x is the difference of numbers that hardly
// differ, so all of it is computed in double; `last` is the last number of the scalar inside.
struct PixelLogitBounds {
  double bound, last;

  template <class S>
  static PixelLogitBounds of(double margin) {
    const double bound = 0.5 / (1 - 2 * margin);
    S last = static_cast<S>(bound);
    while (static_cast<double>(last) >= bound) last = std::nextafter(last, S(0));
    return {bound, static_cast<double>(last)};
  }
};

// dy/dx = 2 b / (b^2 - x^2).
struct PixelLogitSlope : OfInput, PixelLogitBounds {
  double at(double x) const { return 2 * bound / ((bound - x) * (bound + x)); }
  template <class S>
  S value(S x) const {
    return static_cast<S>(at(static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    const double s = at(static_cast<double>(x));
    return static_cast<S>(s * s * static_cast<double>(x) / bound);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const Tensor<S> s = apply_function("pixel_logit_slope", *this, x);
    return square(s) * (1 + 2 * s * square(x) / bound) / bound;
  }
};

// y = log((b + x) / (b - x)).
struct PixelLogitValue : OfInput, PixelLogitBounds {
  template <class S>
  S value(S x) const {
    const double size = std::abs(static_cast<double>(x));
    return std::copysign(static_cast<S>(std::log1p(2 * size / (bound - size))), x);
  }
  template <class S>
  S slope(S x) const {
    return PixelLogitSlope{{}, *this}.value(x);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return square(apply_function("pixel_logit_slope", PixelLogitSlope{{}, *this}, x)) * x / bound;
  }
};

// log dy/dx.
struct PixelLogitLogSlope : OfInput, PixelLogitBounds {
  template <class S>
  S value(S x) const {
    return static_cast<S>(std::log(PixelLogitSlope{{}, *this}.at(static_cast<double>(x))));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(PixelLogitSlope{{}, *this}.at(static_cast<double>(x)) * static_cast<double>(x) / bound);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const Tensor<S> s = apply_function("pixel_logit_slope", PixelLogitSlope{{}, *this}, x);
    return s * (1 + s * square(x) / bound) / bound;
  }
};

// x = b tanh(y / 2), what rounds to an end the last number inside.
struct PixelOfLogit : OfInput, PixelLogitBounds {
  template <class S>
  S value(S y) const {
    const double x = bound * std::tanh(0.5 * static_cast<double>(y));
    return std::clamp(static_cast<S>(x), static_cast<S>(-last), static_cast<S>(last));
  }
  template <class S>
  S slope(S y) const {
    const double e = std::exp(-std::abs(static_cast<double>(y)));
    return static_cast<S>(2 * bound * e / ((1 + e) * (1 + e)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return (-2 * bound) * sigmoid(y) * sigmoid(-y) * tanh(0.5 * y);
  }
};

}  // namespace detail

/// Pixels x in [-1/2, 1/2] from unbounded numbers: y = logit(a + (1 - 2 a) (x + 1/2)) from data to noise (`inverse`), x
/// from y in `forward` (Dinh et al. 2017, sec. 4.1). It spreads the many pixels that are all black, or all white.
///
/// Any shape [n, ..] of images; log_det is one number each, [n]. x lies in (-b, b), b = 1 / (2 - 4 a). There are
/// numbers next to an end that y tells apart and x does not: what would round to the end becomes the last number
/// inside, so that every draw has a density, and comes back as the y of that number, not as its own. Numbers beyond the
/// range, to which nothing is mapped, have the log-determinant -inf. Throws ValueError unless 0 < a < 1/2.
template <class S = float>
class PixelLogit {
 public:
  using Scalar = S;

  explicit PixelLogit(double margin = 1e-6) {
    if (!(margin > 0 && margin < 0.5))
      fail<ValueError>("PixelLogit: got a margin of ", margin, ", expected more than 0 and less than 1/2");
    bounds_ = detail::PixelLogitBounds::of<S>(margin);
  }

  WithLogDet<S> forward(const Tensor<S>& y) const {
    return {detail::apply_function("pixel_of_logit", detail::PixelOfLogit{{}, bounds_}, y),
            total(std::log(2 * bounds_.bound) - softplus(y) - softplus(-y))};
  }
  WithLogDet<S> inverse(const Tensor<S>& x) const {
    const Tensor<S> at = clamp(x, -bounds_.last, bounds_.last);
    const Tensor<S> log_slope = where(abs(x) <= static_cast<S>(bounds_.bound),
                                      detail::apply_function("log_slope", detail::PixelLogitLogSlope{{}, bounds_}, at),
                                      -std::numeric_limits<S>::infinity());
    return {detail::apply_function("pixel_logit", detail::PixelLogitValue{{}, bounds_}, at), total(log_slope)};
  }

  static void members(auto&, auto&&) {}

 private:
  static Tensor<S> total(const Tensor<S>& each) {
    if (each.rank() == 0) fail<ShapeError>("PixelLogit: got a scalar, expected images [n, ..]");
    return sum(reshape(each, Shape{each.size(0), each.shape().product(1, each.rank())}), 1);
  }

  detail::PixelLogitBounds bounds_;
};

}  // namespace pushforward
