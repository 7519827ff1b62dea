// Lion.
#pragma once

#include <pushforward/training/optimizer.hpp>

namespace pushforward {

/// How Lion is set up.
struct LionOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9;       ///< weight of the average in the direction of a step
  double beta2 = 0.99;      ///< decay of the average
  double weight_decay = 0;  ///< the part of a parameter that a step takes away, times the learning rate
  NonFinite non_finite = NonFinite::raise;
};

namespace detail {

template <class S>
struct LionRule {
  static constexpr int slots = 1;
  S beta1, one_less_beta1, beta2, one_less_beta2, rate, keep;
  PUSHFORWARD_INLINE S operator()(S p, S g, S& m) const {
    const S direction = beta1 * m + one_less_beta1 * g;
    const S step =
        math::detail::select(direction > S(0), rate, S(0)) - math::detail::select(direction < S(0), rate, S(0));
    m = flush_subnormal(beta2 * m + one_less_beta2 * g);
    return keep * p - step;
  }
};

}  // namespace detail

/// Lion: steps of equal length along the sign of an average gradient,
///
///   p = (1 - rate * weight_decay) p - rate * sign(beta1 m + (1 - beta1) g),   m = beta2 m + (1 - beta2) g.
///
/// Throws ValueError for options outside of their range. Source: Chen et al., Symbolic discovery of optimization
/// algorithms, 2023, algorithm 2.
class Lion : public OptimizerBase<Lion> {
 public:
  explicit Lion(LionOptions options = {})
      : OptimizerBase("Lion", options.learning_rate, options.non_finite), options_(options) {
    detail::check_decay("Lion", "beta1", options.beta1);
    detail::check_decay("Lion", "beta2", options.beta2);
    detail::check_rate("Lion", "weight_decay", options.weight_decay, 0, 1e6);
  }

 private:
  friend OptimizerBase<Lion>;
  int slots() const { return 1; }
  template <class S, class Run>
  void apply(Index, const Run& run) const {
    run(detail::LionRule<S>{static_cast<S>(options_.beta1), static_cast<S>(1 - options_.beta1),
                            static_cast<S>(options_.beta2), static_cast<S>(1 - options_.beta2), static_cast<S>(rate()),
                            static_cast<S>(1 - rate() * options_.weight_decay)});
  }
  LionOptions options_;
};

}  // namespace pushforward
