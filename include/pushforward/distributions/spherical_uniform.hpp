// SphericalUniform: every direction alike.
#pragma once

#include <pushforward/core/special_functions.hpp>
#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

// log of the area of the unit sphere in d dimensions, 2 pi^(d/2) / Gamma(d/2).
inline double log_sphere_area(Index d) {
  const double half = 0.5 * static_cast<double>(d);
  return std::log(2.0) + half * std::log(math::detail::pi) - math::lgamma(half);
}

// x [.., d] scaled to length 1.
template <class S>
Tensor<S> on_sphere(const Tensor<S>& x) {
  return x * rsqrt(sum(square(x), -1, true) + std::numeric_limits<S>::min());
}

}  // namespace detail

/// The uniform distribution on the unit sphere in d dimensions, a density per area of the sphere: events are unit
/// vectors [.., d]. Throws ValueError for fewer than 2 dimensions.
///
/// The prior of a hyperspherical variational autoencoder (Davidson et al. 2018).
template <class S = float>
class SphericalUniform {
 public:
  using Scalar = S;

  explicit SphericalUniform(Index dimensions) : dimensions_(dimensions) {
    if (dimensions < 2) fail<ValueError>("SphericalUniform: got ", dimensions, " dimensions, expected at least 2");
  }

  /// [d]
  Shape shape() const { return {dimensions_}; }
  Tensor<S> mean() const { return Tensor<S>::zeros(shape()); }
  Tensor<S> variance() const {
    return Tensor<S>::full(shape(), static_cast<S>(1.0 / static_cast<double>(dimensions_)));
  }

  /// - log of the sphere's area, in nats: x [.., d] -> [..]; that x has length 1 is not checked. Throws ShapeError.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != dimensions_)
      fail<ShapeError>("SphericalUniform: got shape ", x.shape(), ", expected [.., ", dimensions_, "]");
    return Tensor<S>::full(x.shape().without(-1), static_cast<S>(-detail::log_sphere_area(dimensions_)));
  }
  /// n draws, [n, d].
  Tensor<S> sample(Index n, Rng& rng) const { return detail::on_sphere(normal<S>(detail::batched(n, shape()), rng)); }
  /// The differential entropy in nats: log of the sphere's area.
  Tensor<S> entropy() const { return Tensor<S>::scalar(static_cast<S>(detail::log_sphere_area(dimensions_))); }

  static void members(auto&, auto&&) {}

 private:
  Index dimensions_;
};

}  // namespace pushforward
