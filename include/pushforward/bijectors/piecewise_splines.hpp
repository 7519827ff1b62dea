// Monotone splines of linear and quadratic pieces and on a circle, as transforms and as trained bijectors.
#pragma once

#include <pushforward/bijectors/monotone_transform.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>

namespace pushforward {

namespace detail {

// Element [.., bin] of `from` [.., bins].
template <class S>
Tensor<S> at_bin(const Tensor<S>& from, const Tensor<Index>& bin) {
  return squeeze(gather(from, -1, bin), -1);
}

// Widths or heights of bins [.., bins], and where each of them starts.
template <class S>
Tensor<S> spline_sizes(const Tensor<S>& raw, const SplineForm<S>& form) {
  return form.least_size + form.free_size * softmax(raw, -1);
}
template <class S>
Tensor<S> spline_starts(const Tensor<S>& sizes, const SplineForm<S>& form) {
  return cumsum(sizes, -1) - sizes - form.bound;
}

template <class S>
Tensor<S> spline_slopes(const Tensor<S>& raw, const SplineForm<S>& form) {
  return form.least_slope + softplus(minimum(raw, static_cast<S>(most_raw_slope)) + form.slope_offset);
}

struct LinearPieces {
  static constexpr const char* name = "LinearSpline";
  static Index numbers(Index bins) { return bins; }

  template <bool Forward, class S>
  static WithLogSlope<S> curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
    const S width = 2 * form.bound / static_cast<S>(form.bins);
    const Tensor<S> heights = spline_sizes(rows, form);
    const Tensor<S> lows = spline_starts(heights, form);
    const Tensor<S> lefts =
        expand(Tensor<S>::arange(S(0), static_cast<S>(form.bins)) * width - form.bound, lows.shape());
    const Tensor<Index> bin = find_bins(at, Forward ? lefts : lows);
    const Tensor<S> slope = at_bin(heights, bin) / width, left = at_bin(lefts, bin), low = at_bin(lows, bin);
    if constexpr (Forward) return {low + (at - left) * slope, log(slope)};
    return {left + (at - low) / slope, -log(slope)};
  }
};

struct QuadraticPieces {
  static constexpr const char* name = "QuadraticSpline";
  static Index numbers(Index bins) { return 2 * bins + 1; }

  template <bool Forward, class S>
  static WithLogSlope<S> curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
    const Index k = form.bins;
    const Tensor<S> widths = spline_sizes(slice(rows, -1, 0, k), form);
    const Tensor<S> free = spline_slopes(slice(rows, -1, k, 2 * k + 1), form);
    const Tensor<S> free_heights = 0.5 * widths * (slice(free, -1, 0, k) + slice(free, -1, 1, k + 1));
    const Tensor<S> rate = 2 * form.bound / sum(free_heights, -1, true);  // the curve ends at the bound
    const Tensor<S> slopes = free * rate, heights = free_heights * rate;
    const Tensor<S> lefts = spline_starts(widths, form), lows = spline_starts(heights, form);
    const Tensor<Index> bin = find_bins(at, Forward ? lefts : lows);
    const Tensor<S> width = at_bin(widths, bin), left = at_bin(lefts, bin), low = at_bin(lows, bin);
    const Tensor<S> first = at_bin(slopes, bin), last = at_bin(slice(slopes, -1, 1, k + 1), bin);
    // The slope is linear in x, its square in y: means of positive numbers, so that nothing cancels.
    if constexpr (Forward) {
      const Tensor<S> u = minimum((at - left) / width, S(1)), slope = first * (1 - u) + last * u;
      return {low + 0.5 * width * u * (first + slope), log(slope)};
    } else {
      const Tensor<S> t = minimum((at - low) / at_bin(heights, bin), S(1));
      const Tensor<S> slope = sqrt(square(first) * (1 - t) + square(last) * t);
      return {left + width * minimum(t * (first + last) / (first + slope), S(1)), -log(slope)};
    }
  }
};

// A rational-quadratic spline whose slope at both ends is one trained number: rows hold bins widths, bins heights and
// the slopes at the first `bins` knots.
template <bool Forward, class S>
WithLogSlope<S> circular_curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
  const Index k = form.bins;
  const SplineKnots<S> knots(slice(rows, -1, 0, 3 * k - 1), form);
  const Tensor<S> some = spline_slopes(slice(rows, -1, 2 * k, 3 * k), form);
  const Tensor<S> slopes = concat({some, slice(some, -1, 0, 1)}, -1);
  const Tensor<Index> bin = find_bins(at, Forward ? knots.left : knots.low);
  const Tensor<S> width = at_bin(knots.width, bin), height = at_bin(knots.height, bin), left = at_bin(knots.left, bin),
                  low = at_bin(knots.low, bin), mean_slope = height / width;
  const Tensor<S> a = at_bin(slopes, bin) / mean_slope, b = at_bin(slice(slopes, -1, 1, k + 1), bin) / mean_slope;
  const Tensor<S> along = minimum(Forward ? (at - left) / width : (at - low) / height, S(1)), rest = 1 - along;
  Tensor<S> u = along, v = rest;
  if constexpr (!Forward) {
    const Tensor<S> product = 4 * along * rest, p = a * rest - b * along;
    // Where p > 0 the sum does not cancel; elsewhere its conjugate does not, nor does it vanish.
    const Tensor<S> size = abs(p) + sqrt(square(p) + product);
    const Tensor<S> t = where(p > S(0), size, product / size);
    u = 2 * along / (2 * along + t);
    v = t / (2 * along + t);
  }
  const Tensor<S> n = square(u) + a * u * v, q = n + square(v) + b * u * v;
  const Tensor<S> log_slope = log(mean_slope * (a * square(v) + 2 * u * v + b * square(u)) / square(q));
  if constexpr (Forward) return {low + height * n / q, log_slope};
  return {left + width * u, -log_slope};
}

// x less whole turns of 2 bound, in [-bound, bound]; the turns have no gradient.
template <class S>
Tensor<S> wrapped_angle(const Tensor<S>& x, S bound) {
  const Tensor<S> turns = Tensor<S>::generate(
      x.shape(), [&](Index i) { return 2 * bound * std::floor((x.data()[i] / (2 * bound)) + S(0.5)); });
  return clamp(x - turns, -bound, bound);  // rounding of large numbers
}

}  // namespace detail

/// A monotone spline on [-bound, bound], the identity outside, as a MonotoneTransform in closed form.
///
/// `Pieces` says what a piece looks like: its `name`, how many raw `numbers(bins)` there are, and
/// `curve<Forward>(at, rows, form)`. raw = 0 is the identity. Throws ValueError for a spline that cannot be.
template <class Pieces>
class PiecewiseTransform {
 public:
  static constexpr const char* name = Pieces::name;

  explicit PiecewiseTransform(SplineOptions options = {}) : options_(options) {
    detail::spline_form<double>(name, options);
  }

  Index numbers() const { return Pieces::numbers(options_.bins); }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    return mapped<true>(x, raw);
  }
  template <class S>
  WithLogSlope<S> inverse(const Tensor<S>& y, const Tensor<S>& raw) const {
    return mapped<false>(y, raw);
  }

 private:
  template <bool Forward, class S>
  WithLogSlope<S> mapped(const Tensor<S>& x, const Tensor<S>& raw) const {
    const auto form = detail::spline_form<S>(name, options_);
    const Tensor<S> rows = detail::raw_rows(name, x, raw, numbers());
    return detail::within_bound(x, form.bound,
                                [&](const Tensor<S>& at) { return Pieces::template curve<Forward>(at, rows, form); });
  }

  SplineOptions options_;
};

/// Pieces of equal width and trained heights, a softmax of `bins` raw numbers (Mueller et al. 2019, sec. 4.1).
///
/// The density is a step function, so log-slopes have no gradient in x. Takes `.bins`, `.bound` and `.min_size`.
using LinearSplineTransform = PiecewiseTransform<detail::LinearPieces>;

/// Quadratic pieces: `bins` raw widths through a softmax and `bins` + 1 raw slopes at knots through a softplus, scaled
/// so that the curve ends at the bound (Mueller et al. 2019, sec. 4.2); the density is piecewise linear.
using QuadraticSplineTransform = PiecewiseTransform<detail::QuadraticPieces>;

/// A map of the circle to itself: a rational-quadratic spline with one slope at both ends, then a turn by a phase
/// (Rezende et al. 2020, sec. 2.2).
///
/// Numbers are angles with the period 2 bound, pi by default: x is wrapped to [-bound, bound] first, and so is y. Raw
/// numbers are `bins` widths, `bins` heights, `bins` slopes and the phase; raw = 0 is the identity. Throws ValueError
/// for a spline that cannot be.
class CircularSplineTransform {
 public:
  static constexpr const char* name = "CircularSpline";

  explicit CircularSplineTransform(SplineOptions options = {.bound = 3.14159265358979323846}) : options_(options) {
    detail::spline_form<double>(name, options);
  }

  Index numbers() const { return 3 * options_.bins + 1; }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const auto form = detail::spline_form<S>(name, options_);
    const Tensor<S> rows = detail::raw_rows(name, x, raw, numbers());
    const auto y = detail::circular_curve<true>(detail::wrapped_angle(x, form.bound), rows, form);
    return {detail::wrapped_angle(y.value + phase(rows), form.bound), y.log_slope};
  }
  template <class S>
  WithLogSlope<S> inverse(const Tensor<S>& y, const Tensor<S>& raw) const {
    const auto form = detail::spline_form<S>(name, options_);
    const Tensor<S> rows = detail::raw_rows(name, y, raw, numbers());
    const Tensor<S> at = detail::wrapped_angle(detail::wrapped_angle(y, form.bound) - phase(rows), form.bound);
    return detail::circular_curve<false>(at, rows, form);
  }

 private:
  template <class S>
  Tensor<S> phase(const Tensor<S>& rows) const {
    return select(rows, -1, numbers() - 1);
  }

  SplineOptions options_;
};

/// The rational-quadratic spline of `rational_quadratic` as a MonotoneTransform.
class RationalQuadraticTransform {
 public:
  static constexpr const char* name = "RationalQuadratic";

  explicit RationalQuadraticTransform(SplineOptions options = {}) : options_(options) {
    detail::spline_form<double>(name, options);
  }

  Index numbers() const { return spline_numbers(options_); }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    return mapped<true>(x, raw);
  }
  template <class S>
  WithLogSlope<S> inverse(const Tensor<S>& y, const Tensor<S>& raw) const {
    return mapped<false>(y, raw);
  }

 private:
  template <bool Forward, class S>
  WithLogSlope<S> mapped(const Tensor<S>& x, const Tensor<S>& raw) const {
    const Tensor<S> rows = detail::raw_rows(name, x, raw, numbers());
    const auto y = detail::unpacked_spline(detail::spline_packed<Forward>(
        unsqueeze(x, -1), rows, detail::Columns{1, 0, 1, 1}, detail::spline_form<S>(name, options_)));
    return {squeeze(y.value, -1), y.log_det};
  }

  SplineOptions options_;
};

/// One trained piecewise-linear curve for each number of an event, the identity at first. x [.., d]. Throws ValueError
/// for a spline that cannot be, ShapeError.
template <class S = float>
class LinearSpline : public LearnedTransform<LinearSplineTransform, S> {
 public:
  LinearSpline() = default;
  explicit LinearSpline(Index features, SplineOptions options = {})
      : LearnedTransform<LinearSplineTransform, S>(features, LinearSplineTransform(options)) {}
};

/// One trained piecewise-quadratic curve for each number of an event, the identity at first. x [.., d]. Throws
/// ValueError for a spline that cannot be, ShapeError.
template <class S = float>
class QuadraticSpline : public LearnedTransform<QuadraticSplineTransform, S> {
 public:
  QuadraticSpline() = default;
  explicit QuadraticSpline(Index features, SplineOptions options = {})
      : LearnedTransform<QuadraticSplineTransform, S>(features, QuadraticSplineTransform(options)) {}
};

/// One trained map of the circle to itself for each number of an event, the identity at first. x [.., d]. Throws
/// ValueError for a spline that cannot be, ShapeError.
template <class S = float>
class CircularSpline : public LearnedTransform<CircularSplineTransform, S> {
 public:
  CircularSpline() = default;
  explicit CircularSpline(Index features, SplineOptions options = {.bound = 3.14159265358979323846})
      : LearnedTransform<CircularSplineTransform, S>(features, CircularSplineTransform(options)) {}
};

}  // namespace pushforward
