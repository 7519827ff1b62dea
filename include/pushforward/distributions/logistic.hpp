// Logistic: the distribution whose cdf is a sigmoid.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

namespace detail {

struct StandardLogistic {
  static constexpr double mean = 0, variance = 3.28986813369645287295, entropy = 2;  // pi^2 / 3

  static auto log_density(auto d, auto s) {
    const auto z = d / s;
    return -softplus(z) - softplus(-z) - log(s);
  }
  template <class S>
  static Tensor<S> noise(const Shape& shape, Rng& rng) {  // two Gumbel variables differ by a logistic one
    const Tensor<S> high = gumbel<S>(shape, rng);
    return high - gumbel<S>(shape, rng);
  }
  template <class S>
  static Tensor<S> cdf(const Tensor<S>& z) {
    return sigmoid(z);
  }
  template <class S>
  static Tensor<S> icdf(const Tensor<S>& p) {
    return log(p) - log1p(-p);
  }
};

}  // namespace detail

/// The logistic distribution with independent components, P(X <= x) = sigmoid((x - location) / scale).
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for a scale that is not positive and finite or a NaN, ShapeError for shapes that
/// do not broadcast.
template <class S = float>
class Logistic : public detail::LocationScale<S, detail::StandardLogistic> {
 public:
  Logistic(const Tensor<S>& location, const Tensor<S>& scale)
      : detail::LocationScale<S, detail::StandardLogistic>("Logistic", location, scale) {}
};

}  // namespace pushforward
