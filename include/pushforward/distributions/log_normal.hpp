// LogNormal: positive numbers whose logarithm is normal.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

namespace detail {

// Phi(z), exact in the lower tail.
struct NormalCdf : OfInput {
  template <class S>
  S value(S z) const {
    return static_cast<S>(0.5 * std::erfc(-0.70710678118654752440 * static_cast<double>(z)));
  }
  template <class S>
  S slope(S z) const {
    return S(inverse_sqrt_2pi) * math::exp(S(-0.5) * z * z);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& z) const {
    return -inverse_sqrt_2pi * z * pushforward::exp(-0.5 * square(z));
  }
};

// The inverse of Phi, exact in the lower tail, where 2 p - 1 has forgotten p: by Newton's steps on log Phi, which is
// concave.
inline double normal_quantile(double p) {
  if (!(p > 0.0 && p < 1e-3)) return 1.41421356237309504880 * math::erfinv(2.0 * p - 1.0);
  const double log_p = std::log(p), square = -2.0 * log_p - 1.83787706640934548356;  // log(2 pi)
  double z = -std::sqrt(square - std::log(square));
  for (int step = 0; step < 5; ++step) {
    const double log_cdf = math::log_ndtr(z);
    z -= (log_cdf - log_p) * std::exp(log_cdf + 0.5 * z * z + half_log_two_pi);
  }
  return z;
}

struct NormalQuantile : OfOutput {
  template <class S>
  S value(S p) const {
    return static_cast<S>(normal_quantile(static_cast<double>(p)));
  }
  template <class S>
  S slope(S z) const {
    return math::exp(S(0.5) * z * z) / S(inverse_sqrt_2pi);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& z) const {
    return z * pushforward::exp(0.5 * square(z)) / inverse_sqrt_2pi;
  }
};

}  // namespace detail

/// The distribution with independent components of x = e^z with z normal,
/// p(x) = N(log x; log_mean, log_std^2) / x for x > 0.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for a log_std that is not positive and finite or a NaN, ShapeError for shapes
/// that do not broadcast.
template <class S = float>
class LogNormal {
 public:
  using Scalar = S;

  LogNormal(const Tensor<S>& log_mean, const Tensor<S>& log_std)
      : shape_(broadcast(log_mean.shape(), log_std.shape(), "LogNormal")), log_mean_(log_mean), log_std_(log_std) {
    detail::check_not_nan("LogNormal", "log_mean", log_mean);
    detail::check_positive("LogNormal", "log_std", log_std);
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  /// Mean and standard deviation of log x.
  Tensor<S> log_mean() const { return expand(log_mean_, shape_); }
  Tensor<S> log_std() const { return expand(log_std_, shape_); }
  Tensor<S> mean() const { return exp(log_mean() + 0.5 * square(log_std())); }
  Tensor<S> variance() const { return expm1(square(log_std())) * square(mean()); }

  /// The log-density in nats, summed over the event, -infinity for x <= 0: x [.., d] -> [..], broadcast against the
  /// parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto log_mean, auto log_std) {
      const auto log_u = log(maximum(u, least)), z = (log_u - log_mean) / log_std;
      return where(u <= 0.0, -infinity, z * z * -0.5 - log_u - log(log_std) - detail::half_log_two_pi);
    };
    return detail::event_sum(shape_, density, x, log_mean_, log_std_);
  }

  /// P(X <= x) of each component: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> z = (log(maximum(x, least)) - log_mean_) / log_std_;
    return where(x <= 0, 0, detail::apply_function("normal_cdf", detail::NormalCdf{}, z));
  }
  /// The quantile of each component, the inverse of cdf: p [.., d] -> [.., d], NaN for a p outside of [0, 1].
  Tensor<S> icdf(const Tensor<S>& p) const {
    return exp(log_mean_ + log_std_ * detail::apply_function("normal_quantile", detail::NormalQuantile{}, p));
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// n draws exp(log_mean + log_std * noise), differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(normal<S>(detail::batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(normal<S>(shape_, rng)); }

  /// The differential entropy in nats, sum of log_mean + log log_std + log(2 pi e) / 2: [..].
  Tensor<S> entropy() const {
    return detail::event_total(shape_, log_mean() + log(log_std()) + (detail::half_log_two_pi + 0.5));
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr S least = std::numeric_limits<S>::min();
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  Tensor<S> placed(const Tensor<S>& noise) const { return exp(log_mean_ + log_std_ * noise); }

  Shape shape_;
  Tensor<S> log_mean_, log_std_;
};

/// For log-normals the divergence of the normals of log x: the sum over the event of
/// ((s_q / s_p)^2 + ((m_q - m_p) / s_p)^2 - 1) / 2 - log(s_q / s_p).
template <class S>
Tensor<S> kl_divergence(const LogNormal<S>& q, const LogNormal<S>& p) {
  auto each = [](auto m_q, auto s_q, auto m_p, auto s_p) {
    const auto z = (m_q - m_p) / s_p, ratio = s_q / s_p;
    return (z * z + ratio * ratio - 1.0) * 0.5 - log(ratio);
  };
  return detail::event_sum(q.shape().rank() > 0 ? q.shape() : p.shape(), each, q.log_mean(), q.log_std(), p.log_mean(),
                           p.log_std());
}

}  // namespace pushforward
