// Uniform: constant density in a box.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// The uniform distribution in the box [low, high].
///
/// Bounds of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution of
/// plain numbers. Throws ValueError unless low < high everywhere, ShapeError for shapes that do not broadcast.
template <class S = float>
class Uniform {
 public:
  using Scalar = S;

  Uniform(const Tensor<S>& low, const Tensor<S>& high)
      : shape_(broadcast(low.shape(), high.shape(), "Uniform")),
        low_(expand(low, shape_)),
        high_(expand(high, shape_)) {
    if (detail::any_of(stop_gradient(high_) - stop_gradient(low_),
                       [](S width) { return !(width > S(0) && width - width == S(0)); }))
      fail<ValueError>("Uniform: a bound low is not below its high (or not finite), expected low < high");
  }

  const Shape& shape() const { return shape_; }
  const Tensor<S>& low() const { return low_; }
  const Tensor<S>& high() const { return high_; }
  Tensor<S> mean() const { return (low_ + high_) * 0.5; }
  Tensor<S> variance() const { return square(high_ - low_) / 12.0; }

  /// - sum of log(high - low) in nats inside of the box, -infinity outside: x [.., d] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> inside = (x >= stop_gradient(low_)) * (x <= stop_gradient(high_));
    const Tensor<S> each = where(inside, -log(high_ - low_), -std::numeric_limits<S>::infinity());
    return shape_.rank() == 0 ? each : sum(each, -1);
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws low + (high - low) * noise, differentiable in the bounds.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(uniform<S>(detail::batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(uniform<S>(shape_, rng)); }

  /// The differential entropy in nats, sum of log(high - low): [..].
  Tensor<S> entropy() const {
    const Tensor<S> each = log(high_ - low_);
    return shape_.rank() == 0 ? each : sum(each, -1);
  }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> placed(const Tensor<S>& noise) const {
    return minimum(low_ + (high_ - low_) * noise, stop_gradient(high_));
  }

  Shape shape_;
  Tensor<S> low_, high_;
};

}  // namespace pushforward
