// Exponential: waiting times without memory.
#pragma once

#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

/// The exponential distribution with independent components, p(x) = rate e^(-rate x) for x >= 0.
///
/// Rates of shape [.., d]: the last axis is the event; a scalar makes a distribution of plain numbers. Throws
/// ValueError for a rate that is not positive and finite.
template <class S = float>
class Exponential {
 public:
  using Scalar = S;

  explicit Exponential(const Tensor<S>& rate) : rate_(rate) { detail::check_positive("Exponential", "rate", rate); }

  /// The shape of the rates, [.., d].
  const Shape& shape() const { return rate_.shape(); }
  const Tensor<S>& rate() const { return rate_; }
  Tensor<S> mean() const { return reciprocal(rate_); }
  Tensor<S> variance() const { return square(reciprocal(rate_)); }

  /// The log-density in nats, summed over the event, -infinity for x < 0: x [.., d] -> [..], broadcast against the
  /// rates.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto rate) {
      return where(u < 0.0, -std::numeric_limits<double>::infinity(), log(rate) - rate * u);
    };
    return detail::event_sum(shape(), density, x, rate_);
  }

  /// P(X <= x) of each component: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const { return where(x < 0, 0, -expm1(-rate_ * where(x < 0, 0, x))); }
  /// The quantile of each component, the inverse of cdf: p [.., d] -> [.., d], NaN for a p outside of [0, 1].
  Tensor<S> icdf(const Tensor<S>& p) const {
    return where(p < 0, std::numeric_limits<S>::quiet_NaN(), -log1p(-p)) / rate_;
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// n draws noise / rate, differentiable in the rates.
  Tensor<S> rsample(Index n, Rng& rng) const { return exponential<S>(detail::batched(n, shape()), rng) / rate_; }
  Tensor<S> rsample(Rng& rng) const { return exponential<S>(shape(), rng) / rate_; }

  /// The differential entropy in nats, sum of 1 - log rate: [..].
  Tensor<S> entropy() const { return detail::event_total(shape(), 1 - log(rate_)); }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> rate_;
};

/// For exponential distributions the sum over the event of r - 1 - log r, with r = rate_p / rate_q.
template <class S>
Tensor<S> kl_divergence(const Exponential<S>& q, const Exponential<S>& p) {
  auto each = [](auto rate_q, auto rate_p) {
    const auto r = rate_p / rate_q;
    return r - 1.0 - log(r);
  };
  return detail::event_sum(q.shape().rank() > 0 ? q.shape() : p.shape(), each, q.rate(), p.rate());
}

}  // namespace pushforward
