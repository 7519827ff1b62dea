// VonMisesFisher: the normal distribution's counterpart on the sphere.
#pragma once

#include <cmath>

#include <pushforward/distributions/bessel.hpp>
#include <pushforward/distributions/spherical_uniform.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

/// The angle from the mean direction of a draw in d dimensions (Wood 1994; Davidson et al. 2018, alg. 1).
double draw_von_mises_fisher_angle(Index d, double concentration, ElementDraws& draws);

/// d angle / d concentration along a draw: minus (dF / d concentration) / p, F the angle's distribution function.
double von_mises_fisher_angle_slope(Index d, double concentration, double angle);

}  // namespace detail

/// The von Mises-Fisher distribution on the unit sphere in d dimensions, a density per area of the sphere:
///
///     log p(x) = k m . x + (d/2 - 1) log k - (d/2) log 2 pi - log I_(d/2-1)(k)
///
/// with mean direction m [.., d] of length 1 and concentration k [..], one for each direction, broadcast against each
/// other. In two dimensions it is VonMises, in three k e^(k m . x) / (4 pi sinh k). Throws ValueError for a direction
/// that has not length 1 or a concentration that is not positive and finite; ShapeError.
template <class S = float>
class VonMisesFisher {
 public:
  using Scalar = S;

  VonMisesFisher(const Tensor<S>& direction, const Tensor<S>& concentration)
      : direction_(direction), concentration_(concentration) {
    if (direction.rank() == 0 || direction.size(-1) < 2)
      fail<ShapeError>("VonMisesFisher: directions of shape ", direction.shape(), ", expected [.., d] with d > 1");
    const Shape batch = broadcast(direction.shape().without(-1), concentration.shape(), "VonMisesFisher");
    shape_ = batch.inserted(batch.rank(), direction.size(-1));
    detail::check_parameter(
        "VonMisesFisher", "the directions' squared length", sum(square(stop_gradient(direction)), -1),
        [](S x) { return std::abs(x - S(1)) < S(1e-3); }, "1");
    detail::check_parameter(
        "VonMisesFisher", "concentration", concentration, [](S x) { return x > S(0) && x - x == S(0); },
        "a positive finite number");
  }

  /// [.., d]
  const Shape& shape() const { return shape_; }
  Index dimensions() const { return shape_[-1]; }
  /// [.., d], of length 1.
  const Tensor<S>& direction() const { return direction_; }
  const Tensor<S>& concentration() const { return concentration_; }
  /// One less the length of the mean, 1 - I_(d/2)(k) / I_(d/2-1)(k): [..].
  Tensor<S> spread() const {
    return detail::apply_function("bessel_ratio_gap", detail::BesselRatioGap{{}, order(), 0}, concentration_);
  }
  /// E[x] = I_(d/2)(k) / I_(d/2-1)(k) m, inside of the sphere: [.., d].
  Tensor<S> mean() const { return expand(direction_ * column(1 - spread()), shape_); }

  /// log p(x) in nats: x [.., d] of length 1, which is not checked -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != dimensions())
      fail<ShapeError>("VonMisesFisher: got shape ", x.shape(), ", expected [.., ", dimensions(), "]");
    // m . x = 1 - |x - m|^2 / 2: nothing cancels for large concentrations.
    return concentration_ * sum(square(x - direction_), -1) * -0.5 - log_constant();
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws with gradients, of first order in the concentration: a second derivative throws GradientError.
  ///
  /// Angles from the mean direction by Wood's rejection, as in Davidson et al. 2018, alg. 1. Their gradients are those
  /// of implicit reparameterization (Figurnov et al. 2018), which need no term for what was rejected, as theirs do.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(detail::batched(n, shape_), rng).value; }
  Tensor<S> rsample(Rng& rng) const { return placed(shape_, rng).value; }
  /// Draws and their log-density along the draw.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const { return placed(detail::batched(n, shape_), rng); }
  Draws<S> sample_and_log_prob(Index n, Rng& rng) const {
    const Draws<S> x = rsample_and_log_prob(n, rng);
    return {stop_gradient(x.value), x.log_prob};
  }

  /// The differential entropy in nats, k (1 - A) + log(I_(d/2-1)(k) e^-k k^(1-d/2)) + (d/2) log 2 pi: [..].
  Tensor<S> entropy() const { return expand(concentration_ * spread() + log_constant(), shape_.without(-1)); }
  /// - log p(m), [..].
  Tensor<S> log_constant() const {
    return detail::apply_function("log_bessel_i", detail::LogBesselScaled{{}, order()}, concentration_) +
           static_cast<double>(dimensions()) * detail::half_log_two_pi;
  }

  static void members(auto&, auto&&) {}

 private:
  double order() const { return 0.5 * static_cast<double>(dimensions()) - 1; }
  static Tensor<S> column(const Tensor<S>& x) { return unsqueeze(x, x.rank()); }

  // The angle from the mean direction, [..].
  Tensor<S> angles(const Shape& shape, Rng& rng) const {
    const Tensor<S> each = expand(concentration_, shape_.without(-1));
    auto value = [&](const Tensor<S>& k) {
      auto draw = [d = dimensions(), at = k.data(), count = k.size()](Index i, detail::ElementDraws& draws) {
        return detail::draw_von_mises_fisher_angle(d, static_cast<double>(at[i % count]), draws);
      };
      return detail::draw_each<S>(shape, rng, draw);
    };
    auto rule = [d = dimensions()](const Tensor<S>& g, const Tensor<S>& angle, const Tensor<S>& k) {
      if (detail::recording_flag())
        fail<GradientError>(
            "VonMisesFisher::rsample: draws are differentiable once, expected no gradient of a gradient");
      auto slope = [d](double x, double at) { return detail::von_mises_fisher_angle_slope(d, at, x); };
      const Tensor<S> slopes = detail::in_double("VonMisesFisher::rsample", slope, angle, k);
      return std::array<Tensor<S>, 1>{sum_to(g * slopes, k.shape())};
    };
    return primitive(value, rule, each);
  }
  // At that angle in a uniform direction orthogonal to the mean direction.
  Draws<S> placed(const Shape& shape, Rng& rng) const {
    const Tensor<S> angle = angles(shape.without(-1), rng), noise = normal<S>(shape, rng);
    auto across = [&](const Tensor<S>& v) { return detail::on_sphere(v - sum(v * direction_, -1, true) * direction_); };
    const Tensor<S> aside = across(across(noise));  // twice, or noise near the mean direction leaves it with few digits
    const Tensor<S> loss = concentration_ * square(sin(angle * 0.5)) * -2.0;  // k (cos - 1)
    return {direction_ * column(cos(angle)) + aside * column(sin(angle)), loss - log_constant()};
  }

  Shape shape_;
  Tensor<S> direction_, concentration_;
};

/// From the uniform distribution: log of the sphere's area - entropy, whatever the direction (Davidson et al. 2018,
/// sec. 3.2). [..]
template <class S>
Tensor<S> kl_divergence(const VonMisesFisher<S>& q, const SphericalUniform<S>& p) {
  if (p.shape()[0] != q.dimensions())
    fail<ShapeError>("kl_divergence: spheres in ", q.dimensions(), " and ", p.shape()[0], " dimensions, expected one");
  return detail::log_sphere_area(q.dimensions()) - q.entropy();
}

/// Of two von Mises-Fisher distributions: k_p (1 - A(k_q) m_q . m_p) - k_q (1 - A(k_q)) and the difference of their
/// constants. [..]
template <class S>
Tensor<S> kl_divergence(const VonMisesFisher<S>& q, const VonMisesFisher<S>& p) {
  if (p.dimensions() != q.dimensions())
    fail<ShapeError>("kl_divergence: spheres in ", q.dimensions(), " and ", p.dimensions(),
                     " dimensions, expected one");
  const Tensor<S> gap = q.spread(), apart = sum(square(q.direction() - p.direction()), -1) * 0.5;
  return p.concentration() * (gap + (1 - gap) * apart) - q.concentration() * gap + p.log_constant() - q.log_constant();
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/distributions/von_mises_fisher.inl>
#endif
