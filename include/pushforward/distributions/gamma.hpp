// Gamma: positive numbers with a power of their own at zero.
#pragma once

#include <pushforward/distributions/gamma_functions.hpp>
#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

/// The gamma distribution with independent components,
/// p(x) = rate^a x^(a - 1) e^(-rate x) / Gamma(a) for x > 0, with a the concentration.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for parameters that are not positive and finite, ShapeError for shapes that do
/// not broadcast.
template <class S = float>
class Gamma {
 public:
  using Scalar = S;

  Gamma(const Tensor<S>& concentration, const Tensor<S>& rate)
      : shape_(broadcast(concentration.shape(), rate.shape(), "Gamma")), concentration_(concentration), rate_(rate) {
    detail::check_positive("Gamma", "concentration", concentration);
    detail::check_positive("Gamma", "rate", rate);
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> concentration() const { return expand(concentration_, shape_); }
  Tensor<S> rate() const { return expand(rate_, shape_); }
  Tensor<S> mean() const { return concentration_ / rate_; }
  Tensor<S> variance() const { return concentration_ / square(rate_); }

  /// The log-density in nats, summed over the event, -infinity for x <= 0 and at infinity: x [.., d] -> [..], broadcast
  /// against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto a, auto rate, auto remainder) {
      const auto inside = clamp(u, least, most), log_u = log(inside);
      const auto log_mass = detail::log_gamma_kernel(inside * rate, log_u + log(rate), a, remainder);
      constexpr double none = -std::numeric_limits<double>::infinity();
      return where(u <= 0.0, none, where(u > most, none, log_mass - log_u));
    };
    return detail::event_sum(shape_, density, x, concentration_, rate_, detail::stirling_remainder(concentration_));
  }

  /// P(X <= x) of each component, the regularized incomplete gamma function: x [.., d] -> [.., d]; in the concentration
  /// it is differentiable once.
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> t = x * rate_;
    const Shape shape = broadcast(t.shape(), shape_, "Gamma::cdf");
    return detail::gamma_cdf(expand(concentration_, shape), expand(t, shape), false);
  }

  /// n draws, [n, .., d], as constants; neither 0 nor infinite.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// n draws, differentiable in the parameters: once in the concentration, by implicit reparameterization (Figurnov,
  /// Mohamed and Mnih 2018).
  Tensor<S> rsample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return drawn(shape_, rng); }

  /// The differential entropy in nats, sum of a - log rate + log Gamma(a) + (1 - a) psi(a): [..].
  Tensor<S> entropy() const {
    return detail::event_total(shape_, detail::gamma_entropy(concentration()) - log(rate()));
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double least = std::numeric_limits<S>::min(), most = std::numeric_limits<S>::max();
  static constexpr double reach = sizeof(S) == 4 ? 87.0 : 708.0;  // exp(..) is a normal number within

  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const Tensor<S> log_x = detail::log_gamma_rsample(expand(concentration_, shape), rng) - log(rate_);
    return exp(clamp(log_x, -reach, reach));
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return drawn(shape, rng);
  }

  Shape shape_;
  Tensor<S> concentration_, rate_;
};

namespace detail {

// The divergence of Gamma(a_q, rate_q) from Gamma(a_p, rate_p), which that of their reciprocals shares.
template <class S>
Tensor<S> gamma_kl(const Tensor<S>& a_q, const Tensor<S>& rate_q, const Tensor<S>& a_p, const Tensor<S>& rate_p) {
  // The terms of the rates are those that move the deviance from a_q to a_q r.
  const Tensor<S> each = deviance(a_p, a_q * (rate_p / rate_q)) + log_gamma_divergence_rest(a_p, a_q);
  return event_total(each.shape(), each);
}

}  // namespace detail

/// For gamma distributions the sum over the event of log Gamma(a_p) - log Gamma(a_q) + (a_q - a_p) psi(a_q) +
/// a_q (r - 1) - a_p log r, with r = rate_p / rate_q.
template <class S>
Tensor<S> kl_divergence(const Gamma<S>& q, const Gamma<S>& p) {
  return detail::gamma_kl(q.concentration(), q.rate(), p.concentration(), p.rate());
}

}  // namespace pushforward
