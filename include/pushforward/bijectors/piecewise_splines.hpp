// LinearSpline, QuadraticSpline and CircularSpline: trained monotone curves, one for each number.
#pragma once

#include <pushforward/bijectors/rational_quadratic.hpp>

namespace pushforward {

namespace detail {

// Values of a monotone curve and the logarithms of its slopes, of one shape.
template <class S>
struct Curve {
  Tensor<S> value, log_slope;
};

// `curve` on [-bound, bound], the identity outside.
template <class S, class F>
WithLogDet<S> within_bound(const Tensor<S>& x, S bound, const F& curve) {
  const Curve<S> inner = curve(clamp(x, -bound, bound));
  const Tensor<S> inside = (x >= -bound) * (x <= bound);
  return {where(inside, inner.value, x), sum(where(inside, inner.log_slope, S(0)), -1)};
}

// raw, one row of `numbers` for each element of x.
template <class S>
Tensor<S> spline_rows(const char* name, const Tensor<S>& x, const Tensor<S>& raw, Index numbers) {
  log_det_shape(name, x.shape());
  const Shape expected = x.shape().inserted(x.rank(), numbers);
  if (!(broadcast(raw.shape(), expected, name) == expected))
    fail<ShapeError>(name, ": raw numbers of shape ", raw.shape(), " for input ", x.shape(), ", expected ", expected,
                     " or what broadcasts to it");
  return expand(raw, expected);
}

// Element [.., bin] of `from` [.., bins].
template <class S>
Tensor<S> at_bin(const Tensor<S>& from, const Tensor<Index>& bin) {
  return squeeze(gather(from, -1, bin), -1);
}

template <class S>
Tensor<S> spline_slopes(const Tensor<S>& raw, const SplineForm<S>& form) {
  return form.least_slope + softplus(minimum(raw, static_cast<S>(most_raw_slope)) + form.slope_offset);
}

template <bool Forward, class S>
Curve<S> linear_curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
  const S width = 2 * form.bound / static_cast<S>(form.bins);
  const Tensor<S> heights = form.least_size + form.free_size * softmax(rows, -1);
  const Tensor<S> lows = cumsum(heights, -1) - heights - form.bound;
  const Tensor<S> lefts = expand(Tensor<S>::arange(S(0), static_cast<S>(form.bins)) * width - form.bound, lows.shape());
  const Tensor<Index> bin = find_bins(at, Forward ? lefts : lows);
  const Tensor<S> slope = at_bin(heights, bin) / width, left = at_bin(lefts, bin), low = at_bin(lows, bin);
  if constexpr (Forward) return {low + (at - left) * slope, log(slope)};
  return {left + (at - low) / slope, -log(slope)};
}

template <bool Forward, class S>
Curve<S> quadratic_curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
  const Index k = form.bins;
  const Tensor<S> widths = form.least_size + form.free_size * softmax(slice(rows, -1, 0, k), -1);
  const Tensor<S> free = spline_slopes(slice(rows, -1, k, 2 * k + 1), form);
  const Tensor<S> free_heights = 0.5 * widths * (slice(free, -1, 0, k) + slice(free, -1, 1, k + 1));
  const Tensor<S> rate = 2 * form.bound / sum(free_heights, -1, true);  // the curve ends at the bound
  const Tensor<S> slopes = free * rate, heights = free_heights * rate;
  const Tensor<S> lefts = cumsum(widths, -1) - widths - form.bound, lows = cumsum(heights, -1) - heights - form.bound;
  const Tensor<Index> bin = find_bins(at, Forward ? lefts : lows);
  const Tensor<S> width = at_bin(widths, bin), left = at_bin(lefts, bin), low = at_bin(lows, bin);
  const Tensor<S> first = at_bin(slopes, bin), rise = at_bin(slice(slopes, -1, 1, k + 1), bin) - first;
  if constexpr (Forward) {
    const Tensor<S> u = minimum((at - left) / width, S(1));
    return {low + width * u * (first + 0.5 * rise * u), log(first + rise * u)};
  } else {
    // slope^2 = first^2 + 2 rise (y - low) / width: the quadratic formula with nothing that cancels.
    const Tensor<S> height = (at - low) / width;
    const Tensor<S> least = square(minimum(first, first + rise));
    const Tensor<S> slope = sqrt(maximum(square(first) + 2 * rise * height, least));
    return {left + width * minimum(2 * height / (first + slope), S(1)), -log(slope)};
  }
}

// A rational-quadratic spline whose slope at both ends is one trained number: rows hold bins widths, bins heights and
// the slopes at the first `bins` knots.
template <bool Forward, class S>
Curve<S> circular_curve(const Tensor<S>& at, const Tensor<S>& rows, const SplineForm<S>& form) {
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

/// One trained piecewise-linear curve for each number of an event (Mueller et al. 2019, sec. 4.1), the identity at
/// first and outside of [-bound, bound].
///
/// Pieces are of equal width; their heights are a softmax of `bins` raw numbers. The density is a step function, so the
/// log-determinant has no gradient in x. Takes `.bins`, `.bound` and `.min_size` of its options. x [.., d]. Throws
/// ValueError for a spline that cannot be, ShapeError.
template <class S = float>
class LinearSpline {
 public:
  using Scalar = S;

  LinearSpline() = default;
  explicit LinearSpline(Index features, SplineOptions options = {}) : options_(options) {
    detail::spline_form<S>("LinearSpline", options);
    raw_ = Tensor<S>::zeros({features, options.bins});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const { return mapped<true>(x); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return mapped<false>(y); }

  static void members(auto& self, auto&& visit) { visit("raw", self.raw_); }

 private:
  template <bool Forward>
  WithLogDet<S> mapped(const Tensor<S>& x) const {
    detail::check_features("LinearSpline", x.shape(), raw_.size(0));
    const auto form = detail::spline_form<S>("LinearSpline", options_);
    const Tensor<S> rows = detail::spline_rows("LinearSpline", x, raw_.tensor(), form.bins);
    return detail::within_bound(x, form.bound,
                                [&](const Tensor<S>& at) { return detail::linear_curve<Forward>(at, rows, form); });
  }

  Parameter<S> raw_;
  SplineOptions options_;
};

/// One trained piecewise-quadratic curve for each number of an event (Mueller et al. 2019, sec. 4.2), the identity at
/// first and outside of [-bound, bound].
///
/// `bins` raw widths through a softmax and `bins` + 1 raw slopes at knots through a softplus, scaled so that the curve
/// ends at the bound; the density is piecewise linear. x [.., d]. Throws ValueError for a spline that cannot be,
/// ShapeError.
template <class S = float>
class QuadraticSpline {
 public:
  using Scalar = S;

  QuadraticSpline() = default;
  explicit QuadraticSpline(Index features, SplineOptions options = {}) : options_(options) {
    detail::spline_form<S>("QuadraticSpline", options);
    raw_ = Tensor<S>::zeros({features, 2 * options.bins + 1});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const { return mapped<true>(x); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return mapped<false>(y); }

  static void members(auto& self, auto&& visit) { visit("raw", self.raw_); }

 private:
  template <bool Forward>
  WithLogDet<S> mapped(const Tensor<S>& x) const {
    detail::check_features("QuadraticSpline", x.shape(), raw_.size(0));
    const auto form = detail::spline_form<S>("QuadraticSpline", options_);
    const Tensor<S> rows = detail::spline_rows("QuadraticSpline", x, raw_.tensor(), 2 * form.bins + 1);
    return detail::within_bound(x, form.bound,
                                [&](const Tensor<S>& at) { return detail::quadratic_curve<Forward>(at, rows, form); });
  }

  Parameter<S> raw_;
  SplineOptions options_;
};

/// One trained map of the circle to itself for each number of an event: a rational-quadratic spline with one slope at
/// both ends, then a turn by a trained phase (Rezende et al. 2020, sec. 2.2). The identity at first.
///
/// Numbers are angles with the period 2 bound, pi by default: x is wrapped to [-bound, bound] first, and so is y. x
/// [.., d]. Throws ValueError for a spline that cannot be, ShapeError.
template <class S = float>
class CircularSpline {
 public:
  using Scalar = S;

  CircularSpline() = default;
  explicit CircularSpline(Index features, SplineOptions options = {.bound = 3.14159265358979323846})
      : options_(options) {
    detail::spline_form<S>("CircularSpline", options);
    raw_ = Tensor<S>::zeros({features, 3 * options.bins});
    phase_ = Tensor<S>::zeros({features});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    const auto form = checked_form(x);
    const auto y = detail::circular_curve<true>(detail::wrapped_angle(x, form.bound), rows(x, form), form);
    return {detail::wrapped_angle(y.value + phase_, form.bound), sum(y.log_slope, -1)};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    const auto form = checked_form(y);
    const Tensor<S> at = detail::wrapped_angle(detail::wrapped_angle(y, form.bound) - phase_, form.bound);
    const auto x = detail::circular_curve<false>(at, rows(y, form), form);
    return {x.value, sum(x.log_slope, -1)};
  }

  static void members(auto& self, auto&& visit) {
    visit("raw", self.raw_);
    visit("phase", self.phase_);
  }

 private:
  detail::SplineForm<S> checked_form(const Tensor<S>& x) const {
    detail::check_features("CircularSpline", x.shape(), raw_.size(0));
    return detail::spline_form<S>("CircularSpline", options_);
  }
  Tensor<S> rows(const Tensor<S>& x, const detail::SplineForm<S>& form) const {
    return detail::spline_rows("CircularSpline", x, raw_.tensor(), 3 * form.bins);
  }

  Parameter<S> raw_, phase_;
  SplineOptions options_;
};

}  // namespace pushforward
