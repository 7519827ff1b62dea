// InverseGamma: one over a gamma variable, the conjugate prior of a variance.
#pragma once

#include <pushforward/distributions/gamma.hpp>

namespace pushforward {

/// The inverse gamma distribution with independent components,
/// p(x) = scale^a x^(-a - 1) e^(-scale / x) / Gamma(a) for x > 0, with a the concentration.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for parameters that are not positive and finite, ShapeError for shapes that do
/// not broadcast.
template <class S = float>
class InverseGamma {
 public:
  using Scalar = S;

  InverseGamma(const Tensor<S>& concentration, const Tensor<S>& scale)
      : shape_(broadcast(concentration.shape(), scale.shape(), "InverseGamma")),
        concentration_(concentration),
        scale_(scale) {
    detail::check_positive("InverseGamma", "concentration", concentration);
    detail::check_positive("InverseGamma", "scale", scale);
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> concentration() const { return expand(concentration_, shape_); }
  Tensor<S> scale() const { return expand(scale_, shape_); }
  /// scale / (a - 1); infinite for a <= 1.
  Tensor<S> mean() const {
    const Tensor<S> a = concentration();
    return where(a > 1, scale() / where(a > 1, a - 1, 1), infinity);
  }
  /// scale^2 / ((a - 1)^2 (a - 2)); infinite for a <= 2.
  Tensor<S> variance() const {
    const Tensor<S> a = concentration(), safe = where(a > 2, a, 3);
    return where(a > 2, square(scale() / (safe - 1)) / (safe - 2), infinity);
  }

  /// The log-density in nats, summed over the event, -infinity for x <= 0 and at infinity: x [.., d] -> [..], broadcast
  /// against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto a, auto scale, auto remainder) {
      const auto inside = clamp(u, least, most), log_u = log(inside);
      const auto log_mass = detail::log_gamma_kernel(scale / inside, log(scale) - log_u, a, remainder);
      constexpr double none = -std::numeric_limits<double>::infinity();
      return where(u <= 0.0, none, where(u > most, none, log_mass - log_u));
    };
    return detail::event_sum(shape_, density, x, concentration_, scale_, detail::stirling_remainder(concentration_));
  }

  /// P(X <= x) of each component, the complement of the regularized incomplete gamma function: x [.., d] -> [.., d]; in
  /// the concentration it is differentiable once.
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> t = scale_ / maximum(x, least);
    const Shape shape = broadcast(t.shape(), shape_, "InverseGamma::cdf");
    return where(x <= 0, 0, detail::gamma_cdf(expand(concentration_, shape), expand(t, shape), true));
  }

  /// n draws, [n, .., d], as constants; neither 0 nor infinite.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// n draws scale / gamma, differentiable in the parameters: once in the concentration.
  Tensor<S> rsample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return drawn(shape_, rng); }

  /// The differential entropy in nats, sum of a + log scale + log Gamma(a) - (1 + a) psi(a): [..].
  Tensor<S> entropy() const {  // by Stirling's formula: large terms cancel on paper
    const Tensor<S> a = concentration();
    const Tensor<S> each = -1.5 * log(a) + (detail::half_log_two_pi + 0.5) + 0.5 / a + detail::stirling_remainder(a) -
                           (1 + a) * detail::stirling_remainder(a, 1);
    return detail::event_total(shape_, each + log(scale()));
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double least = std::numeric_limits<S>::min(), most = std::numeric_limits<S>::max();
  static constexpr double reach = sizeof(S) == 4 ? 87.0 : 708.0;  // exp(..) is a normal number within
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const Tensor<S> log_x = log(scale_) - detail::log_gamma_rsample(expand(concentration_, shape), rng);
    return exp(clamp(log_x, -reach, reach));
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return drawn(shape, rng);
  }

  Shape shape_;
  Tensor<S> concentration_, scale_;
};

/// For inverse gamma distributions that of the gamma distributions of 1 / x.
template <class S>
Tensor<S> kl_divergence(const InverseGamma<S>& q, const InverseGamma<S>& p) {
  return detail::gamma_kl(q.concentration(), q.scale(), p.concentration(), p.scale());
}

}  // namespace pushforward
