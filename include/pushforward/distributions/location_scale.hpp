// LocationScale: what distributions of location + scale * noise share.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward::detail {

inline constexpr double euler_gamma = 0.57721566490153286061;

// A parameter that must be positive and finite.
template <class S>
void check_positive(const char* distribution, const char* parameter, const Tensor<S>& x) {
  if (any_of(x, [](S s) { return !(s > S(0) && s <= std::numeric_limits<S>::max()); }))
    fail<ValueError>(distribution, ": ", parameter, " has an element that is not positive and finite, expected ",
                     parameter, " > 0; exp or softplus of a network's output is");
}

// log(1 + (d / s)^2) for any finite d and s > 0, where the quotient and its square may overflow.
template <class T>
auto log1p_squared_ratio(const T& d, const T& s) {
  constexpr double far = 1e9;  // 1 is nothing beside its square
  const T limit = s * far, z = maximum(minimum(d, limit), -limit) / s;
  const T size = abs(d);
  return where(size <= limit, log1p(z * z), (log(maximum(size, limit)) - log(s)) * 2.0);
}

// x = location + scale * z with independent z of the density `Standard`, which has
//   log_density(d, s)   of x = location + d, a formula that event_sum takes
//   noise<S>(shape, rng), cdf(z), icdf(p)
//   mean, variance, entropy   of z
template <class S, class Standard>
class LocationScale {
 public:
  using Scalar = S;

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> location() const { return expand(location_, shape_); }
  Tensor<S> scale() const { return expand(scale_, shape_); }
  /// NaN where it does not exist.
  Tensor<S> mean() const { return location() + scale() * Standard::mean; }
  /// NaN where it does not exist.
  Tensor<S> variance() const { return square(scale()) * Standard::variance; }

  /// The log-density in nats, summed over the event: x [.., d] -> [..], broadcast against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto location, auto scale) { return Standard::log_density(u - location, scale); };
    return event_sum(shape_, density, x, location_, scale_);
  }

  /// P(X <= x) of each component: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const { return Standard::cdf((x - location_) / scale_); }
  /// The quantile of each component, the inverse of cdf: p [.., d] -> [.., d], NaN for a p outside of [0, 1].
  Tensor<S> icdf(const Tensor<S>& p) const { return location_ + scale_ * Standard::icdf(p); }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// n draws location + scale * noise, differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(Standard::template noise<S>(batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(Standard::template noise<S>(shape_, rng)); }

  /// The differential entropy in nats, summed over the event: [..].
  Tensor<S> entropy() const {
    return event_sum(
        shape_, [](auto s) { return log(s) + Standard::entropy; }, scale());
  }

  static void members(auto&, auto&&) {}

 protected:
  LocationScale(const char* name, const Tensor<S>& location, const Tensor<S>& scale)
      : shape_(broadcast(location.shape(), scale.shape(), name)), location_(location), scale_(scale) {
    check_not_nan(name, "location", location);
    check_positive(name, "scale", scale);
  }

 private:
  Tensor<S> placed(const Tensor<S>& noise) const { return location_ + scale_ * noise; }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return placed(Standard::template noise<S>(shape, rng));
  }

  Shape shape_;
  Tensor<S> location_, scale_;
};

}  // namespace pushforward::detail
