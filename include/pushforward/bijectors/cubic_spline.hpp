// CubicSpline: trained monotone curves of cubic pieces, one for each number.
#pragma once

#include <pushforward/bijectors/piecewise_splines.hpp>

namespace pushforward {

namespace detail {

// The cubic on the unit square with end slopes a and b as u^3 + (3 - b) u^2 v + a u v^2, v = 1 - u: where a and b are
// at most 3 no term is negative, and it increases.
auto unit_cubic(const auto& u, const auto& a, const auto& b) {
  const auto v = 1 - u;
  return u * (u * (u + (3 - b) * v) + a * v * v);
}
auto unit_cubic_slope(const auto& u, const auto& a, const auto& b) {
  const auto v = 1 - u;
  return a * v * v + 2 * (3 - a - b) * u * v + b * u * u;
}

// Where the cubic is t: Newton steps inside brackets that are at most half as long as the step before, else halves.
inline double unit_cubic_root(double a, double b, double t) {
  double low = 0, high = 1, u = t, last = 1;
  for (int step = 0; step < 100; ++step) {
    const double miss = unit_cubic(u, a, b) - t;
    (miss < 0 ? low : high) = u;
    const double newton = u - miss / unit_cubic_slope(u, a, b);
    const bool fit = newton >= low && newton <= high && std::abs(newton - u) <= 0.5 * last;  // false for NaN
    const double next = fit ? newton : 0.5 * (low + high);
    last = std::abs(next - u);
    u = next;
    if (last <= 1e-16) break;
  }
  return u;
}

// The slopes at knots [.., bins + 1], from the mean slopes and widths of bins and two raw numbers: Steffen's inside
// (Steffen 1990, eq. 11), a trained share of up to 3 of the mean slope at the ends.
template <class S>
Tensor<S> steffen_slopes(const Tensor<S>& mean, const Tensor<S>& widths, const Tensor<S>& raw,
                         const SplineForm<S>& form) {
  const Index k = form.bins;
  const Tensor<S> before = slice(mean, -1, 0, k - 1), after = slice(mean, -1, 1, k);
  const Tensor<S> left = slice(widths, -1, 0, k - 1), right = slice(widths, -1, 1, k);
  const Tensor<S> parabola = (before * right + after * left) / (left + right);
  const Tensor<S> inner = minimum(2 * minimum(before, after), parabola);
  const double least = static_cast<double>(form.least_slope), at_start = (1 - least) / (3 - 2 * least);
  const double offset = std::log(at_start / (1 - at_start));
  const Tensor<S> ends = (least + (3 - 2 * least) * sigmoid(raw + offset)) *
                         concat({slice(mean, -1, 0, 1), slice(mean, -1, k - 1, k)}, -1);
  return concat({slice(ends, -1, 0, 1), inner, slice(ends, -1, 1, 2)}, -1);
}

struct CubicPieces {
  static constexpr const char* name = "CubicSpline";
  static Index numbers(Index bins) { return 2 * bins + 2; }

  template <bool Forward, class S>
  static WithLogSlope<S> curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
    const Index k = form.bins;
    const Tensor<S> widths = spline_sizes(slice(rows, -1, 0, k), form);
    const Tensor<S> heights = spline_sizes(slice(rows, -1, k, 2 * k), form), means = heights / widths;
    const Tensor<S> slopes = steffen_slopes(means, widths, slice(rows, -1, 2 * k, 2 * k + 2), form);
    const Tensor<S> lefts = spline_starts(widths, form), lows = spline_starts(heights, form);
    const Tensor<Index> bin = find_bins(at, Forward ? lefts : lows);
    const Tensor<S> width = at_bin(widths, bin), height = at_bin(heights, bin), mean = height / width;
    const Tensor<S> left = at_bin(lefts, bin), low = at_bin(lows, bin);
    const Tensor<S> a = minimum(at_bin(slopes, bin) / mean, S(3));  // rounding must not go beyond
    const Tensor<S> b = minimum(at_bin(slice(slopes, -1, 1, k + 1), bin) / mean, S(3));
    const Tensor<S> along = minimum(Forward ? (at - left) / width : (at - low) / height, S(1));
    const Tensor<S> u = Forward ? along : root(along, a, b);
    const Tensor<S> log_slope = log(mean * unit_cubic_slope(u, a, b));
    if constexpr (Forward) return {low + height * unit_cubic(u, a, b), log_slope};
    return {left + width * u, -log_slope};
  }

 private:
  template <class S>
  static Tensor<S> root(const Tensor<S>& t, const Tensor<S>& a, const Tensor<S>& b) {
    auto find = [](const Tensor<S>& to, const Tensor<S>& first, const Tensor<S>& last) {
      return Tensor<S>::generate(to.shape(), [&](Index i) {
        return static_cast<S>(unit_cubic_root(static_cast<double>(first.data()[i]), static_cast<double>(last.data()[i]),
                                              static_cast<double>(to.data()[i])));
      });
    };
    auto miss = [](const Tensor<S>& u, const Tensor<S>& to, const Tensor<S>& first, const Tensor<S>& last) {
      return Tensor<S>(unit_cubic(u, first, last) - to);
    };
    return implicit_root(find, miss, t, a, b);
  }
};

}  // namespace detail

/// Cubic pieces through knots of trained widths and heights, with slopes that keep every piece monotone and the whole
/// continuously differentiable (Durkan et al. 2019, "Cubic-spline flows"; slopes of Steffen 1990).
///
/// Raw numbers are `bins` widths and `bins` heights, each through a softmax, and the slopes at both ends through a
/// sigmoid. The inverse solves each cubic by guarded Newton steps in double; its gradients are implicit.
using CubicSplineTransform = PiecewiseTransform<detail::CubicPieces>;

/// One trained piecewise-cubic curve for each number of an event, the identity at first and outside of [-bound, bound].
/// x [.., d]. Throws ValueError for a spline that cannot be, ShapeError.
template <class S = float>
class CubicSpline : public LearnedTransform<CubicSplineTransform, S> {
 public:
  CubicSpline() = default;
  explicit CubicSpline(Index features, SplineOptions options = {})
      : LearnedTransform<CubicSplineTransform, S>(features, CubicSplineTransform(options)) {}
};

}  // namespace pushforward
