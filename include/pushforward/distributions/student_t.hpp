// StudentT: from Cauchy's tails to the normal distribution.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/gamma_functions.hpp>
#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

/// Student's t distribution with independent components of `freedom` degrees of freedom,
/// p(x) = Gamma((f + 1) / 2) / (Gamma(f / 2) sqrt(pi f) scale) (1 + z^2 / f)^(-(f + 1) / 2), z = (x - location) /
/// scale.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for a freedom or scale that is not positive and finite or a NaN, ShapeError for
/// shapes that do not broadcast.
template <class S = float>
class StudentT {
 public:
  using Scalar = S;

  StudentT(const Tensor<S>& freedom, const Tensor<S>& location, const Tensor<S>& scale)
      : shape_(broadcast(freedom.shape(), broadcast(location.shape(), scale.shape(), "StudentT"), "StudentT")),
        freedom_(freedom),
        location_(location),
        scale_(scale) {
    detail::check_positive("StudentT", "freedom", freedom);
    detail::check_not_nan("StudentT", "location", location);
    detail::check_positive("StudentT", "scale", scale);
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> freedom() const { return expand(freedom_, shape_); }
  Tensor<S> location() const { return expand(location_, shape_); }
  Tensor<S> scale() const { return expand(scale_, shape_); }
  /// The location; NaN for a freedom of at most 1, where there is no mean.
  Tensor<S> mean() const { return where(freedom() > 1, location(), std::numeric_limits<S>::quiet_NaN()); }
  /// scale^2 f / (f - 2); infinite for 1 < f <= 2, NaN for f <= 1.
  Tensor<S> variance() const {
    const Tensor<S> f = freedom(), finite = square(scale()) * (f / where(f > 2, f - 2, 1));
    return where(f > 2, finite, where(f > 1, std::numeric_limits<S>::infinity(), std::numeric_limits<S>::quiet_NaN()));
  }

  /// The log-density in nats, summed over the event: x [.., d] -> [..], broadcast against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto freedom, auto location, auto scale, auto step) {
      const auto tail = detail::log1p_squared_ratio(u - location, scale * sqrt(freedom));
      return step - log(scale) - detail::half_log_two_pi - (freedom + 1.0) * 0.5 * tail;
    };
    return detail::event_sum(shape_, density, x, freedom_, location_, scale_, detail::gamma_half_step(0.5 * freedom_));
  }

  /// P(X <= x) of each component: x [.., d] -> [.., d], as a constant.
  Tensor<S> cdf(const Tensor<S>& x) const {
    NoGradient guard;
    const Tensor<S> z = (x - location_) / scale_, f = expand(freedom_, broadcast(z.shape(), shape_, "StudentT::cdf"));
    const Tensor<S> at = expand(z, f.shape());
    return Tensor<S>::generate(f.shape(), [&](Index i) {
      const double n = static_cast<double>(f.data()[i]), t = static_cast<double>(at.data()[i]);
      if (std::isnan(t)) return at.data()[i];
      const double tail = 0.5 * both_tails(n, std::abs(t));
      return static_cast<S>(t < 0 ? tail : 1.0 - tail);
    });
  }

  /// n draws, [n, .., d], as constants; the heaviest tails are cut at about e^80 scales, or e^700 in double.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(drawn(detail::batched(n, shape_), rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(drawn(shape_, rng)); }
  /// n draws location + scale * normal / sqrt(gamma), differentiable in the parameters (in the freedom once).
  Tensor<S> rsample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return drawn(shape_, rng); }

  /// The differential entropy in nats, summed over the event: [..].
  Tensor<S> entropy() const {
    const Tensor<S> half = 0.5 * freedom();
    const Tensor<S> spread = (half + 0.5) * (detail::gamma_half_step(half, 1) + 0.5 / half);
    return detail::event_total(shape_, spread + log(scale()) + detail::half_log_two_pi - detail::gamma_half_step(half));
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double most = sizeof(S) == 4 ? 80.0 : 700.0;  // exp(..) stays finite

  // P(|T| > t), accurate where it is small; beyond 1e100 roots of n a power law whose square would underflow.
  static double both_tails(double n, double t) {
    constexpr double far = 1e-100;
    const double inverse = std::sqrt(n) / t, r = std::max(inverse, far), r2 = r * r, s2 = t * t / n;
    if (n > 1e8) return std::erfc(std::sqrt(0.5 * n * std::log1p(s2)) * (1.0 - 0.25 / n));  // Wallace 1959
    if (r > 1.0) return math::beta_p(0.5 * n, 0.5, 1.0 / (1.0 + s2), s2 / (1.0 + s2));
    return math::beta_p(0.5 * n, 0.5, r2 / (1.0 + r2), 1.0 / (1.0 + r2)) * std::pow(inverse / r, n);
  }

  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const Tensor<S> half = expand(0.5 * freedom_, shape), noise = normal<S>(shape, rng);
    const Tensor<S> log_spread = 0.5 * (log(half) - detail::log_gamma_rsample(half, rng));
    return location_ + scale_ * noise * exp(minimum(log_spread, most));
  }

  Shape shape_;
  Tensor<S> freedom_, location_, scale_;
};

}  // namespace pushforward
