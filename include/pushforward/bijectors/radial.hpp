// RadialFlow: events drawn to a point or pushed away from it.
#pragma once

#include <pushforward/bijectors/planar.hpp>

namespace pushforward {

/// y = c + (x - c) (1 + beta / (alpha + r)) with r = |x - c| (Rezende and Mohamed 2015, eq. 13 and 14).
///
///     log det = (d - 1) log(1 + beta h) + log(1 + beta h + beta h' r), h = 1 / (alpha + r)
/// alpha > 0 and beta > -alpha (their appendix A.2) through softplus, both away from their bounds by 1e-3. The inverse
/// is a closed form: r solves r^2 + (alpha + beta - |y - c|) r = alpha |y - c|. x [.., d]. Throws ValueError for fewer
/// than one feature, ShapeError.
template <class S = float>
struct RadialFlow {
  Parameter<S> center, raw_alpha, raw_beta;  // [d], [], []

  RadialFlow() = default;
  RadialFlow(Index features, Rng& rng) {
    detail::check_residual_size("RadialFlow", features);
    center = normal<S>({features}, rng);
    raw_alpha = detail::small_normal<S>({}, 0.1, rng) + start;
    raw_beta = detail::small_normal<S>({}, 0.1, rng) + start;
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("RadialFlow", x.shape(), center.size());
    const Shift at = shift();
    const Tensor<S> offset = x - center, r = length(offset);
    return {center + offset * at.stretch(r), at.log_det(r, center.size())};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("RadialFlow", y.shape(), center.size());
    const Shift at = shift();
    const Tensor<S> offset = y - center, r = at.radius_of(length(offset));
    return {center + offset / at.stretch(r), -at.log_det(r, center.size())};
  }

  static void members(auto& self, auto&& visit) {
    visit("center", self.center);
    visit("raw_alpha", self.raw_alpha);
    visit("raw_beta", self.raw_beta);
  }

 private:
  static constexpr double start = 0.54132485461292;  // softplus(start) = 1: with alpha and alpha + beta alike, y = x

  // Everything as quotients of positive numbers, so that nothing cancels or overflows.
  struct Shift {
    Tensor<S> alpha, total;  // total = alpha + beta > 0

    Tensor<S> stretch(const Tensor<S>& r) const { return (r + total) / (r + alpha); }
    Tensor<S> log_det(const Tensor<S>& r, Index features) const {
      const Tensor<S> whole = r + alpha;
      const Tensor<S> slope = r / whole * ((r + 2 * alpha) / whole) + total / whole * (alpha / whole);
      return squeeze(static_cast<S>(features - 1) * log(stretch(r)) + log(slope), -1);
    }
    // The positive root of r^2 - excess r = alpha reached, in units that keep the squares small.
    Tensor<S> radius_of(const Tensor<S>& reached) const {
      const Tensor<S> excess = reached - total;
      const Tensor<S> unit = stop_gradient(maximum(maximum(abs(excess), reached), alpha));
      const Tensor<S> root = unit * sqrt(square(excess / unit) + 4 * (alpha / unit) * (reached / unit));
      return where(excess >= 0, 0.5 * (excess + root), 2 * alpha * reached / (root + abs(excess)));
    }
  };
  Shift shift() const {
    return {softplus(raw_alpha.tensor()) + detail::least_residual_slope,
            softplus(raw_beta.tensor()) + detail::least_residual_slope};
  }
  // |offset| [.., 1] without overflow, and with gradient 0 at 0.
  static Tensor<S> length(const Tensor<S>& offset) {
    const Tensor<S> unit = stop_gradient(maximum(max(abs(offset), -1, true), std::numeric_limits<S>::min()));
    return unit * norm(offset / unit, -1, true);
  }
};

}  // namespace pushforward
