// Monotone rational-quadratic splines: as a function of raw numbers, as a trained bijector, and as a coupling.
#pragma once

#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/spline_kernels.hpp>

namespace pushforward {

/// What a rational-quadratic spline looks like.
struct SplineOptions {
  Index bins = 8;          ///< pieces, 2 to 64; a spline has 3 bins - 1 raw numbers
  double bound = 5;        ///< the spline maps [-bound, bound] to itself, and is the identity outside
  double min_size = 1e-3;  ///< least width and height of a bin, as a share of 2 bound
  double min_slope = 1e-3;
};

/// How many raw numbers a spline has: `bins` widths, `bins` heights, `bins - 1` slopes.
inline Index spline_numbers(const SplineOptions& options) { return 3 * options.bins - 1; }

namespace detail {

template <class S>
SplineForm<S> spline_form(const char* name, const SplineOptions& options) {
  if (options.bins < 2 || options.bins > most_spline_bins)
    fail<ValueError>(name, ": .bins is ", options.bins, ", expected 2 to ", most_spline_bins);
  if (!(options.bound > 0 && std::isfinite(options.bound)))
    fail<ValueError>(name, ": .bound is ", options.bound, ", expected a positive number");
  if (!(options.min_size > 0 && options.min_size * static_cast<double>(options.bins) < 1))
    fail<ValueError>(name, ": .min_size is ", options.min_size, ", expected a number between 0 and 1 / bins");
  if (!(options.min_slope > 0 && options.min_slope < 1))
    fail<ValueError>(name, ": .min_slope is ", options.min_slope, ", expected a number between 0 and 1");
  return {options.bins, options.bound, options.min_size, options.min_slope};
}

// The packed result of a spline operation taken apart.
template <class S>
WithLogDet<S> unpacked_spline(const Tensor<S>& packed) {
  const Index d = packed.size(-1) - 1;
  return {slice(packed, -1, 0, d), select(packed, -1, d)};
}

template <bool Forward, class S>
WithLogDet<S> spline_of(const char* name, const Tensor<S>& x, const Tensor<S>& raw, const SplineOptions& options) {
  const SplineForm<S> form = spline_form<S>(name, options);
  log_det_shape(name, x.shape());
  const Shape expected = x.shape().inserted(x.rank(), form.numbers());
  if (!(broadcast(raw.shape(), expected, name) == expected))
    fail<ShapeError>(name, ": raw numbers of shape ", raw.shape(), " for input ", x.shape(), ", expected ", expected,
                     " or what broadcasts to it");
  const Index d = x.size(-1);
  const Tensor<S> flat = reshape(expand(raw, expected), x.shape().with(-1, d * form.numbers()));
  return unpacked_spline(spline_packed<Forward>(x, flat, Columns{d, 0, 1, d}, form));
}

}  // namespace detail

/// The monotone rational-quadratic spline with given raw numbers, y = f(x) elementwise, and its log-determinant.
///
/// In a bin with relative position u, mean slope s and end slopes d0, d1
///     f = y_k + h_k (s u^2 + d0 u (1-u)) / (s + (d0 + d1 - 2 s) u (1-u))
/// (Gregory and Delbourgo 1982; Durkan et al. 2019, eq. 4 to 8). x [.., d], raw [.., d, 3 bins - 1] or what broadcasts
/// to it: `bins` widths and `bins` heights, each through a softmax, and the slopes at the inner knots through a
/// softplus that is shifted so that raw = 0 is the identity. Outside of [-bound, bound] f is the identity. No finite x
/// or raw gives NaN. Gradients of every order (the second jumps at knots). Throws ShapeError, ValueError.
template <class S>
WithLogDet<S> rational_quadratic(const Tensor<S>& x, const Tensor<S>& raw, const SplineOptions& options = {}) {
  return detail::spline_of<true>("rational_quadratic", x, raw, options);
}
/// The inverse of `rational_quadratic` in closed form (Durkan et al. 2019, eq. 6 to 8): y [.., d] -> x, log |det
/// dx/dy|.
template <class S>
WithLogDet<S> rational_quadratic_inverse(const Tensor<S>& y, const Tensor<S>& raw, const SplineOptions& options = {}) {
  return detail::spline_of<false>("rational_quadratic_inverse", y, raw, options);
}

/// One trained rational-quadratic spline for each number of an event, the identity at first.
template <class S = float>
class RationalQuadratic {
 public:
  using Scalar = S;

  RationalQuadratic() = default;
  explicit RationalQuadratic(Index features, SplineOptions options = {}) : options_(options) {
    detail::spline_form<S>("RationalQuadratic", options);
    raw_ = Tensor<S>::zeros({features, spline_numbers(options)});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("RationalQuadratic", x.shape(), raw_.size(0));
    return rational_quadratic(x, raw_.tensor(), options_);
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("RationalQuadratic", y.shape(), raw_.size(0));
    return rational_quadratic_inverse(y, raw_.tensor(), options_);
  }

  static void members(auto& self, auto&& visit) { visit("raw", self.raw_); }

 private:
  Parameter<S> raw_;
  SplineOptions options_;
};

/// How a spline coupling works.
struct SplineCouplingOptions {
  Keep keep = Keep::first_half;
  SplineOptions spline = {};
};

/// y_moved = f(x_moved; net(x_kept)) with a rational-quadratic spline f for each moved number (neural spline flows,
/// Durkan et al. 2019): both directions are exact and cost the same.
///
/// `net` maps [.., kept] to [.., moved (3 bins - 1)], the raw numbers of one spline after the other, and sees numbers
/// clamped to 1e6. Throws ShapeError if it does not.
template <class Net>
class SplineCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  SplineCoupling(Net net, Index features, SplineCouplingOptions options = {})
      : net_(std::move(net)),
        columns_(detail::coupling_columns(features, options.keep)),
        form_(detail::spline_form<S>("SplineCoupling", options.spline)) {}

  WithLogDet<S> forward(const Tensor<S>& x) const { return mapped<true>(x); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return mapped<false>(y); }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  template <bool Forward>
  WithLogDet<S> mapped(const Tensor<S>& x) const {
    detail::check_features("SplineCoupling", x.shape(), columns_.kept.width);
    const Tensor<S> raw = net_(detail::conditioner_input(x, columns_.kept));
    detail::check_conditioner("SplineCoupling", raw, x, columns_.moved.count * form_.numbers());
    return detail::unpacked_spline(detail::spline_packed<Forward>(x, raw, columns_.moved, form_));
  }

  Net net_;
  detail::CouplingColumns columns_;
  detail::SplineForm<S> form_;
};

}  // namespace pushforward
