// Gumbel: the distribution of maxima.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

namespace detail {

struct StandardGumbel {
  static constexpr double mean = euler_gamma, variance = 1.64493406684822643647;  // pi^2 / 6
  static constexpr double entropy = 1 + euler_gamma;

  static auto log_density(auto d, auto s) {
    const auto z = maximum(d / s, -2000.0);  // below, e^-z is infinite and the density 0
    return -(z + exp(-z)) - log(s);
  }
  template <class S>
  static Tensor<S> noise(const Shape& shape, Rng& rng) {
    return gumbel<S>(shape, rng);
  }
  template <class S>
  static Tensor<S> cdf(const Tensor<S>& z) {
    return exp(-exp(-maximum(z, -80)));  // e^80 is finite, and the cdf 0 long before
  }
  template <class S>
  static Tensor<S> icdf(const Tensor<S>& p) {
    return -log(-log(p));
  }
};

}  // namespace detail

/// The Gumbel distribution with independent components, P(X <= x) = exp(-e^-z) with z = (x - location) / scale.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for a scale that is not positive and finite or a NaN, ShapeError for shapes that
/// do not broadcast.
template <class S = float>
class Gumbel : public detail::LocationScale<S, detail::StandardGumbel> {
 public:
  Gumbel(const Tensor<S>& location, const Tensor<S>& scale)
      : detail::LocationScale<S, detail::StandardGumbel>("Gumbel", location, scale) {}
};

/// For Gumbel distributions the sum over the event of w + e^-w Gamma(1 + r) - 1 - log r + gamma (r - 1), with
/// r = s_q / s_p, w = (m_q - m_p) / s_p and Euler's gamma.
template <class S>
Tensor<S> kl_divergence(const Gumbel<S>& q, const Gumbel<S>& p) {
  const Tensor<S> r = q.scale() / p.scale(), w = (q.location() - p.location()) / p.scale();
  return detail::event_total(broadcast(q.shape(), p.shape(), "kl_divergence"),
                             w + expm1(lgamma(1 + r) - w) - log(r) + detail::euler_gamma * (r - 1));
}

}  // namespace pushforward
