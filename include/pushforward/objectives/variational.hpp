// reverse_kl and renyi: a model fitted to an unnormalized density, without data.
#pragma once

#include <cmath>

#include <pushforward/objectives/elbo.hpp>
#include <pushforward/objectives/importance_sampling.hpp>
#include <pushforward/objectives/no_data.hpp>

namespace pushforward {

/// How the reverse divergence is estimated.
struct ReverseKlOptions {
  BoundGradient gradient = BoundGradient::standard;  ///< the other two are the same here: without the model's score
  double beta = 1;                                   ///< weight of the target's log-density; below 1 to warm up
};

/// How the Renyi bound is estimated.
struct RenyiOptions {
  double alpha = 0.5;   ///< order of the divergence: 1 is reverse_kl, 0 the importance-weighted bound
  Index particles = 8;  ///< draws per bound
  BoundGradient gradient = BoundGradient::standard;
};

namespace detail {

template <class S, class Q>
Draws<S> variational_draws(const char* name, const Q& q, Index n, Rng& rng) {
  static_assert(Reparameterized<Q, S>,
                "pushforward: this objective needs draws that are differentiable in the model's parameters, rsample(n, "
                "rng), and their log_prob. A flow has them where its base has: a mixture as base has not.");
  if (n < 1) fail<ValueError>(name, ": got ", n, " draws, expected at least 1");
  return rdraw_with_log_prob<S>(q, n, rng);
}

// beta log p~(x) - log q(x) as constants, and the slope along x.
template <class Q, class Target, class S>
RowValues<S> weight_and_slope(const char* name, const Q& q, const Target& target, double beta, const Tensor<S>& x) {
  return values_and_slope([&](const Tensor<S>& at) { return log_density_at(name, target, at) * beta - q.log_prob(at); },
                          x);
}

inline bool is_one(double alpha) { return std::abs(1 - alpha) < 1e-3; }

// 1 / (1 - alpha) log 1/k sum w^(1 - alpha) over the first axis of log-weights [k, n]: [n].
template <class S>
Tensor<S> renyi_mean(const Tensor<S>& logs, double alpha) {
  if (is_one(alpha)) return mean(logs, 0);
  const double power = 1 - alpha;
  return (logsumexp(logs * power, 0) - std::log(static_cast<double>(logs.size(0)))) / power;
}

}  // namespace detail

/// The evidence lower bound of log Z for a density p = p~ / Z, one estimate per draw x ~ q, in nats: [n].
///
///     beta log p~(x) - log q(x),   mean: log Z - KL(q || p)  for beta = 1
///
/// `log_density` is a callable [n, d] -> [n], or anything with log_prob. With `.gradient` other than standard the score
/// of q, whose mean is zero, is left out ("sticking the landing", Roeder et al. 2017, eq. 6): the gradient's noise
/// vanishes where q comes to match p, for the price of scoring the draws, an inverse of a flow. That gradient is of
/// first order. Throws ValueError for no draws, ShapeError for a log-density of another shape.
template <class Q, class Target>
Tensor<detail::scalar_of<Q>> variational_bound(const Q& q, const Target& log_density, Index n,
                                               const ReverseKlOptions& options, Rng& rng) {
  using S = detail::scalar_of<Q>;
  constexpr const char* name = "reverse_kl";
  const Draws<S> x = detail::variational_draws<S>(name, q, n, rng);
  if (options.gradient == BoundGradient::standard || !detail::recording_flag())
    return detail::log_density_at(name, log_density, x.value) * options.beta - x.log_prob;
  const detail::RowValues<S> at = detail::weight_and_slope(name, q, log_density, options.beta, x.value);
  return detail::with_gradient_of(sum(at.slope * x.value, -1), at.value);
}

/// The variational Renyi bound of log Z with k particles, in nats: [n] estimates of k draws each.
///
///     1 / (1 - alpha) log 1/k sum_i w_i^(1 - alpha),  w_i = p~(x_i) / q(x_i),  x_i ~ q
///
/// Li and Turner 2016, eq. 10 and 11. alpha = 0 is the importance-weighted bound, alpha -> 1 the evidence lower bound;
/// alpha in [0, 1) covers mass that the latter leaves out, alpha > 1 seeks the mode. Within 1e-3 of 1 alpha counts
/// as 1. Gradients along the draws with `.gradient`: sticking_the_landing leaves the score out (biased unless alpha =
/// 1); doubly_reparameterized has the weights alpha v + (1 - alpha) v^2 with v = w^(1 - alpha) / sum, unbiased (by the
/// argument of Tucker et al. 2018, eq. 6). Both are of first order. Throws ValueError, ShapeError.
template <class Q, class Target>
Tensor<detail::scalar_of<Q>> renyi_bound(const Q& q, const Target& log_density, Index n, const RenyiOptions& options,
                                         Rng& rng) {
  using S = detail::scalar_of<Q>;
  constexpr const char* name = "renyi";
  const Index k = options.particles;
  if (k < 1) fail<ValueError>(name, ": .particles is ", k, ", expected at least 1");
  if (!std::isfinite(options.alpha)) fail<ValueError>(name, ": .alpha is ", options.alpha, ", expected a number");
  const Draws<S> x = detail::variational_draws<S>(name, q, n * k, rng);
  if (options.gradient == BoundGradient::standard || !detail::recording_flag())
    return detail::renyi_mean(reshape(detail::log_density_at(name, log_density, x.value) - x.log_prob, {k, n}),
                              options.alpha);
  const detail::RowValues<S> at = detail::weight_and_slope(name, q, log_density, 1.0, x.value);
  const Tensor<S> logs = reshape(at.value, {k, n});
  const double alpha = detail::is_one(options.alpha) ? 1 : options.alpha;
  const Tensor<S> v = softmax(logs * (1 - alpha), 0);
  const bool twice = options.gradient == BoundGradient::doubly_reparameterized;
  const Tensor<S> along = reshape(sum(at.slope * x.value, -1), {k, n});
  return detail::with_gradient_of(sum((twice ? v * (alpha + (1 - alpha) * v) : v) * along, 0),
                                  detail::renyi_mean(logs, alpha));
}

/// What `reverse_kl` gives: a loss in nats.
template <class Target>
struct ReverseKl {
  Target log_density;
  ReverseKlOptions options;

  template <class Model>
  auto operator()(const Model& model, const NoData& batch, Rng& rng) const {
    return -mean(variational_bound(model, log_density, batch.draws, options, rng));
  }
};

/// The objective of variational inference, KL(q || p) - log Z in nats, for a density p = p~ / Z that is known up to Z:
///
///     fit(flow, NoData{}, reverse_kl(log_density, {.gradient = BoundGradient::sticking_the_landing}), {...}, rng);
///
/// `log_density` is a callable x [n, d] -> [n] in differentiable operations, or anything with log_prob; the model any
/// with rsample and log_prob. The divergence avoids regions where p is small, so q may leave modes out.
template <class Target>
ReverseKl<Target> reverse_kl(Target log_density, const ReverseKlOptions& options = {}) {
  return {std::move(log_density), options};
}

/// What `renyi` gives: a loss in nats.
template <class Target>
struct RenyiDivergence {
  Target log_density;
  RenyiOptions options;

  template <class Model>
  auto operator()(const Model& model, const NoData& batch, Rng& rng) const {
    return -mean(renyi_bound(model, log_density, batch.draws, options, rng));
  }
};

/// The objective that maximizes the Renyi bound of `.alpha`, to be used like reverse_kl; a step makes `particles` draws
/// for each of its bounds.
template <class Target>
RenyiDivergence<Target> renyi(Target log_density, const RenyiOptions& options = {}) {
  return {std::move(log_density), options};
}

}  // namespace pushforward
