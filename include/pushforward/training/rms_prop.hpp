// RMSProp.
#pragma once

#include <pushforward/training/optimizer.hpp>

namespace pushforward {

/// How RmsProp is set up.
struct RmsPropOptions {
  double learning_rate = 1e-2;
  double decay = 0.99;      ///< of the average squared gradient
  double epsilon = 1e-8;    ///< added to its root
  double momentum = 0;      ///< how much of the last step's direction is kept
  double weight_decay = 0;  ///< added to the gradient, times the parameter (an L2 penalty)
  NonFinite non_finite = NonFinite::raise;
};

namespace detail {

template <class S>
struct RmsPropRule {
  static constexpr int slots = 1;
  S rate, decay, one_less_decay, epsilon, penalty;
  PUSHFORWARD_INLINE S operator()(S p, S g, S& v) const {
    g += penalty * p;
    v = flush_subnormal(decay * v + one_less_decay * (g * g));
    return p - rate * g / (math::sqrt(v) + epsilon);
  }
};

template <class S>
struct RmsPropMomentumRule {
  static constexpr int slots = 2;
  RmsPropRule<S> plain;
  S momentum;
  PUSHFORWARD_INLINE S operator()(S p, S g, S& v, S& b) const {
    g += plain.penalty * p;
    v = flush_subnormal(plain.decay * v + plain.one_less_decay * (g * g));
    b = flush_subnormal(momentum * b + g / (math::sqrt(v) + plain.epsilon));
    return p - plain.rate * b;
  }
};

}  // namespace detail

/// RMSProp: gradient descent, each parameter in units of its own root mean square gradient,
///
///   v = decay v + (1 - decay) g^2,   p = p - rate * g / (sqrt(v) + epsilon),
///
/// with momentum b = momentum b + g / (sqrt(v) + epsilon) and p = p - rate * b.
///
/// Throws ValueError for options outside of their range. Source: Tieleman and Hinton, Neural networks for machine
/// learning, lecture 6.5, 2012.
class RmsProp : public OptimizerBase<RmsProp> {
 public:
  explicit RmsProp(RmsPropOptions options = {})
      : OptimizerBase("RmsProp", options.learning_rate, options.non_finite), options_(options) {
    detail::check_decay("RmsProp", "decay", options.decay);
    detail::check_decay("RmsProp", "momentum", options.momentum);
    detail::check_rate("RmsProp", "epsilon", options.epsilon, 0, 1);
    detail::check_rate("RmsProp", "weight_decay", options.weight_decay, 0, 1e6);
  }

 private:
  friend OptimizerBase<RmsProp>;
  int slots() const { return options_.momentum > 0 ? 2 : 1; }
  template <class S, class Run>
  void apply(Index, const Run& run) const {
    const detail::RmsPropRule<S> plain{static_cast<S>(rate()), static_cast<S>(options_.decay),
                                       static_cast<S>(1 - options_.decay), static_cast<S>(options_.epsilon),
                                       static_cast<S>(options_.weight_decay)};
    if (slots() == 1) return run(plain);
    run(detail::RmsPropMomentumRule<S>{plain, static_cast<S>(options_.momentum)});
  }
  RmsPropOptions options_;
};

}  // namespace pushforward
