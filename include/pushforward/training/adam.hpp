// Adam and AdamW.
#pragma once

#include <pushforward/training/optimizer.hpp>

namespace pushforward {

/// How Adam is set up.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;       ///< decay of the average gradient
  double beta2 = 0.999;     ///< decay of the average squared gradient
  double epsilon = 1e-8;    ///< added to the root of the average squared gradient
  double weight_decay = 0;  ///< added to the gradient, times the parameter (an L2 penalty)
  NonFinite non_finite = NonFinite::raise;
};

/// How AdamW is set up.
struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;          ///< decay of the average gradient
  double beta2 = 0.999;        ///< decay of the average squared gradient
  double epsilon = 1e-8;       ///< added to the root of the average squared gradient
  double weight_decay = 1e-2;  ///< the part of a parameter that a step takes away, times the learning rate
  NonFinite non_finite = NonFinite::raise;
};

namespace detail {

template <class S>
struct AdamRule {
  static constexpr int slots = 2;
  S beta1, one_less_beta1, beta2, one_less_beta2, rate, root_scale, epsilon, penalty, keep;

  PUSHFORWARD_INLINE S operator()(S p, S g, S& m, S& v) const {
    g += penalty * p;
    m = flush_subnormal(beta1 * m + one_less_beta1 * g);
    v = flush_subnormal(beta2 * v + one_less_beta2 * (g * g));
    return keep * p - rate * m / (math::sqrt(v) * root_scale + epsilon);
  }
};

// What Adam and AdamW share: the bias corrections are taken out of the loop.
template <class Options>
void check_adam(const char* kind, const Options& o) {
  check_decay(kind, "beta1", o.beta1);
  check_decay(kind, "beta2", o.beta2);
  check_rate(kind, "epsilon", o.epsilon, 0, 1);
  check_rate(kind, "weight_decay", o.weight_decay, 0, 1e6);
}
template <class S, class Options>
AdamRule<S> adam_rule(const Options& o, double rate, Index step, double penalty, double keep) {
  const auto t = static_cast<double>(step);
  const double first = 1 - std::pow(o.beta1, t), second = 1 - std::pow(o.beta2, t);
  return {static_cast<S>(o.beta1),     static_cast<S>(1 - o.beta1),  static_cast<S>(o.beta2),
          static_cast<S>(1 - o.beta2), static_cast<S>(rate / first), static_cast<S>(1 / std::sqrt(second)),
          static_cast<S>(o.epsilon),   static_cast<S>(penalty),      static_cast<S>(keep)};
}

}  // namespace detail

/// Adam: steps along the average gradient m, each parameter in units of its own root mean square gradient,
///
///   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
///   p = p - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon).
///
/// Throws ValueError for options outside of their range. Source: Kingma and Ba, Adam, 2015, algorithm 1.
class Adam : public OptimizerBase<Adam> {
 public:
  explicit Adam(AdamOptions options = {})
      : OptimizerBase("Adam", options.learning_rate, options.non_finite), options_(options) {
    detail::check_adam("Adam", options);
  }

 private:
  friend OptimizerBase<Adam>;
  int slots() const { return 2; }
  template <class S, class Run>
  void apply(Index step, const Run& run) const {
    run(detail::adam_rule<S>(options_, rate(), step, options_.weight_decay, 1));
  }
  AdamOptions options_;
};

/// Adam with decoupled weight decay: p = (1 - rate * weight_decay) p, then Adam's step.
///
/// Throws ValueError for options outside of their range. Source: Loshchilov and Hutter, Decoupled weight decay
/// regularization, 2019, algorithm 2.
class AdamW : public OptimizerBase<AdamW> {
 public:
  explicit AdamW(AdamWOptions options = {})
      : OptimizerBase("AdamW", options.learning_rate, options.non_finite), options_(options) {
    detail::check_adam("AdamW", options);
  }

 private:
  friend OptimizerBase<AdamW>;
  int slots() const { return 2; }
  template <class S, class Run>
  void apply(Index step, const Run& run) const {
    run(detail::adam_rule<S>(options_, rate(), step, 0, 1 - rate() * options_.weight_decay));
  }
  AdamWOptions options_;
};

}  // namespace pushforward
