// Stochastic gradient descent.
#pragma once

#include <pushforward/training/optimizer.hpp>

namespace pushforward {

/// How Sgd is set up.
struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0;      ///< how much of the last step's direction is kept
  bool nesterov = false;    ///< looks ahead along the momentum
  double weight_decay = 0;  ///< added to the gradient, times the parameter (an L2 penalty)
  NonFinite non_finite = NonFinite::raise;
};

namespace detail {

template <class S>
struct SgdRule {
  static constexpr int slots = 0;
  S rate, penalty;
  PUSHFORWARD_INLINE S operator()(S p, S g) const { return p - rate * (g + penalty * p); }
};

// Nesterov: direction = g + momentum b, else direction = b.
template <class S>
struct MomentumRule {
  static constexpr int slots = 1;
  S rate, penalty, momentum, of_gradient, of_buffer;
  PUSHFORWARD_INLINE S operator()(S p, S g, S& b) const {
    g += penalty * p;
    b = flush_subnormal(momentum * b + g);
    return p - rate * (of_gradient * g + of_buffer * b);
  }
};

}  // namespace detail

/// Gradient descent p = p - rate * d with d = g, or with momentum b = momentum b + g and d = b, or d = g + momentum b
/// (nesterov).
///
/// Throws ValueError for options outside of their range. Source: Sutskever et al., On the importance of initialization
/// and momentum, 2013.
class Sgd : public OptimizerBase<Sgd> {
 public:
  explicit Sgd(SgdOptions options = {})
      : OptimizerBase("Sgd", options.learning_rate, options.non_finite), options_(options) {
    detail::check_decay("Sgd", "momentum", options.momentum);
    detail::check_rate("Sgd", "weight_decay", options.weight_decay, 0, 1e6);
    if (options.nesterov && options.momentum == 0) fail<ValueError>("Sgd: nesterov needs a momentum, got 0; try 0.9");
  }

 private:
  friend OptimizerBase<Sgd>;
  int slots() const { return options_.momentum > 0 ? 1 : 0; }
  template <class S, class Run>
  void apply(Index, const Run& run) const {
    const S speed = static_cast<S>(rate()), penalty = static_cast<S>(options_.weight_decay);
    const S momentum = static_cast<S>(options_.momentum);
    if (slots() == 0) return run(detail::SgdRule<S>{speed, penalty});
    run(detail::MomentumRule<S>{speed, penalty, momentum, S(options_.nesterov ? 1 : 0),
                                options_.nesterov ? momentum : S(1)});
  }
  SgdOptions options_;
};

}  // namespace pushforward
