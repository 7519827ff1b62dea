// Laplace: the double exponential distribution.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

namespace detail {

struct StandardLaplace {
  static constexpr double mean = 0, variance = 2, entropy = 1.69314718055994530942;  // 1 + log 2

  static auto log_density(auto d, auto s) { return -(abs(d) / s) - log(s) - 0.69314718055994530942; }
  template <class S>
  static Tensor<S> noise(const Shape& shape, Rng& rng) {
    const Tensor<S> right = exponential<S>(shape, rng);
    return right - exponential<S>(shape, rng);
  }
  template <class S>
  static Tensor<S> cdf(const Tensor<S>& z) {
    constexpr double lowest = std::numeric_limits<S>::lowest();
    return where(z < 0, 0.5 * exp(clamp(z, lowest, 0)), 1 - 0.5 * exp(clamp(-z, lowest, 0)));
  }
  template <class S>
  static Tensor<S> icdf(const Tensor<S>& p) {
    return where(p < 0.5, log(2 * p), -log(2 * (1 - p)));
  }
};

}  // namespace detail

/// The Laplace distribution with independent components, p(x) = exp(-|x - location| / scale) / (2 scale).
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. The gradient of log_prob at its kink x = location is 0. Throws ValueError for a scale that is not
/// positive and finite or a NaN, ShapeError for shapes that do not broadcast.
template <class S = float>
class Laplace : public detail::LocationScale<S, detail::StandardLaplace> {
 public:
  Laplace(const Tensor<S>& location, const Tensor<S>& scale)
      : detail::LocationScale<S, detail::StandardLaplace>("Laplace", location, scale) {}
};

/// For Laplace distributions the sum over the event of r - 1 - log r + r (w - 1 + e^-w), with r = s_q / s_p and
/// w = |m_q - m_p| / s_q.
template <class S>
Tensor<S> kl_divergence(const Laplace<S>& q, const Laplace<S>& p) {
  auto each = [](auto m_q, auto s_q, auto m_p, auto s_p) {
    const auto r = s_q / s_p, w = abs(m_q - m_p) / s_q;
    return r - 1.0 - log(r) + r * (w + expm1(-w));
  };
  return detail::event_sum(q.shape().rank() > 0 ? q.shape() : p.shape(), each, q.location(), q.scale(), p.location(),
                           p.scale());
}

}  // namespace pushforward
