// Cauchy: tails so heavy that there is no mean.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

namespace detail {

// 1/2 + atan(z) / pi, without cancellation for z < 0.
struct CauchyCdf : OfInput {
  template <class S>
  S value(S z) const {
    return std::atan2(S(1), -z) * S(0.31830988618379067154);
  }
  template <class S>
  S slope(S z) const {
    return S(0.31830988618379067154) / (S(1) + z * z);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& z) const {
    return -0.63661977236758134308 * z / square(1 + square(z));
  }
};

struct StandardCauchy {
  static constexpr double mean = std::numeric_limits<double>::quiet_NaN(), variance = mean;
  static constexpr double entropy = 2.53102424696929079297;  // log(4 pi)

  static auto log_density(auto d, auto s) { return -log1p_squared_ratio(d, s) - log(s) - 1.14472988584940017414; }
  template <class S>
  static Tensor<S> noise(const Shape& shape, Rng& rng) {
    const Tensor<S> over = normal<S>(shape, rng);
    return over / normal<S>(shape, rng);
  }
  template <class S>
  static Tensor<S> cdf(const Tensor<S>& z) {
    return apply_function("cauchy_cdf", CauchyCdf{}, z);
  }
  template <class S>
  static Tensor<S> icdf(const Tensor<S>& p) {
    const Tensor<S> angle = math::detail::pi * where(p < 0.5, p, 1 - p);
    const Tensor<S> cotangent = where(angle < 0, std::numeric_limits<S>::quiet_NaN(), cos(angle) / sin(angle));
    return where(p < 0.5, -cotangent, cotangent);
  }
};

}  // namespace detail

/// The Cauchy distribution with independent components, p(x) = 1 / (pi scale (1 + ((x - location) / scale)^2)).
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. It has neither mean nor variance: both are NaN. Throws ValueError for a scale that is not positive
/// and finite or a NaN, ShapeError for shapes that do not broadcast.
template <class S = float>
class Cauchy : public detail::LocationScale<S, detail::StandardCauchy> {
 public:
  Cauchy(const Tensor<S>& location, const Tensor<S>& scale)
      : detail::LocationScale<S, detail::StandardCauchy>("Cauchy", location, scale) {}
};

/// For Cauchy distributions the sum over the event of log(((s_q + s_p)^2 + (m_q - m_p)^2) / (4 s_q s_p)) (Chyzak and
/// Nielsen 2019).
template <class S>
Tensor<S> kl_divergence(const Cauchy<S>& q, const Cauchy<S>& p) {
  auto each = [](auto m_q, auto s_q, auto m_p, auto s_p) {
    // In two factors: the first is (s_q + s_p)^2 / (4 s_q s_p).
    return detail::log1p_squared_ratio(s_q - s_p, sqrt(s_q) * sqrt(s_p) * 2.0) +
           detail::log1p_squared_ratio(m_q - m_p, s_q + s_p);
  };
  return detail::event_sum(q.shape().rank() > 0 ? q.shape() : p.shape(), each, q.location(), q.scale(), p.location(),
                           p.scale());
}

}  // namespace pushforward
