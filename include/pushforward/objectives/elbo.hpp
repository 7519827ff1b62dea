// elbo and iwae: lower bounds of the likelihood of latent-variable models.
#pragma once

#include <cmath>

#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// A model with latent variables z: `encode(x)` gives q(z | x), `decode(z)` gives p(x | z), `prior()` is p(z).
template <class M, class S = float>
concept LatentVariableModel = requires(const M& model, const Tensor<S>& x) {
  model.encode(x);
  model.decode(x);
  model.prior();
};

/// How a bound is differentiated with respect to the posterior's parameters. The value is the same, the gradient's
/// noise is not. All but `standard` are of first order: their gradients cannot be differentiated again.
enum class BoundGradient {
  standard,              ///< the derivative of the estimate as it stands
  sticking_the_landing,  ///< without the posterior's score (Roeder et al. 2017): unbiased for the evidence lower bound,
                         ///< biased for several importance-weighted particles (Tucker et al. 2018, sec. 3)
  doubly_reparameterized  ///< Tucker et al. 2018, eq. 6: unbiased; with one particle the same as sticking the landing
};

/// How the evidence lower bound is estimated.
struct ElboOptions {
  double beta = 1.0;        ///< weight of the divergence (Higgins et al. 2017); 1 gives a bound
  Index samples = 1;        ///< draws of z per example
  bool analytic_kl = true;  ///< use the closed form of KL(q || prior) where there is one
  BoundGradient gradient = BoundGradient::standard;  ///< any other sets analytic_kl aside
};

namespace detail {

// Values of a function of rows, and its slope along the rows, a constant.
template <class S>
struct RowValues {
  Tensor<S> value, slope;
};

// f at rows z [.., d], as constants: values [..] and slope [.., d].
template <class S, class F>
RowValues<S> values_and_slope(const F& f, const Tensor<S>& z) {
  const FlagGuard guard(recording_flag(), true);
  const Tensor<S> at = variable(z), value = f(at);
  if (!value.tracked()) return {value, Tensor<S>::zeros(z.shape())};
  return {stop_gradient(value), stop_gradient(vjp(value, {at}, Tensor<S>::ones(value.shape()))[0])};
}

// `value`, a constant, with the gradient of `surrogate`, which must be finite.
template <class S>
Tensor<S> with_gradient_of(const Tensor<S>& surrogate, const Tensor<S>& value) {
  return stop_gradient(value) + (surrogate - stop_gradient(surrogate));
}

// log q(z) with a gradient that reaches the draws z, but not the parameters of q otherwise.
template <class S, class Q>
Tensor<S> path_log_prob(const Q& q, const Tensor<S>& z) {
  if (!recording_flag()) return q.log_prob(z);
  const RowValues<S> at = values_and_slope([&](const Tensor<S>& u) { return q.log_prob(u); }, z);
  return with_gradient_of(sum(at.slope * z, -1), at.value);
}

// A posterior that is drawn without gradients, such as one of discrete codes, bounds but does not train.
inline void check_not_trained() {
  if (recording_flag())
    fail<GradientError>(
        "posterior draws: this posterior has no rsample, so gradients would miss it; take the bound under NoGradient, "
        "and train with an objective that relaxes the codes");
}

// Draws z ~ q, [k, n, latent], with the log-density whose gradient is asked for.
template <class S, class Q>
Draws<S> posterior_draws(const Q& q, Index k, BoundGradient, Rng& rng) requires(!Reparameterized<Q, S>) {
  check_not_trained();
  return draw_with_log_prob<S>(q, k, rng);
}
template <class S, class Q>
Draws<S> posterior_draws(const Q& q, Index k, BoundGradient gradient, Rng& rng) {
  Draws<S> z = rdraw_with_log_prob<S>(q, k, rng);
  if (gradient != BoundGradient::standard) z.log_prob = path_log_prob(q, z.value);
  return z;
}

// Draws z ~ q, [k, n, latent], or [n, latent] for one.
template <class S, class Q>
Tensor<S> posterior_values(const Q& q, Index k, Rng& rng) {
  if constexpr (Reparameterized<Q, S>) {
    return k == 1 ? q.rsample(rng) : q.rsample(k, rng);
  } else {
    check_not_trained();
    return k == 1 ? q.sample(rng) : q.sample(k, rng);
  }
}

// A normal prior of one number would serve codes of any size.
template <class S, class Prior>
void check_prior(const Prior& prior, const Tensor<S>& z) {
  if constexpr (std::is_same_v<Prior, Normal<S>>)
    if (prior.shape().rank() > 0 && z.size(-1) != prior.shape()[-1])
      fail<ShapeError>("Vae: the encoder gives codes of ", z.size(-1), " numbers, but the prior is over ",
                       prior.shape()[-1]);
}

// log p(x, z) - log q(z | x) for k draws z ~ q(z | x): [k, n].
template <class S, class Model, class Posterior>
Tensor<S> log_weights(const Model& model, const Posterior& q, const Tensor<S>& x, Index k, Rng& rng,
                      BoundGradient gradient = BoundGradient::standard) {
  const Draws<S> z = posterior_draws<S>(q, k, gradient, rng);
  check_prior<S>(model.prior(), z.value);
  return model.decode(z.value).log_prob(x) + (model.prior().log_prob(z.value) - z.log_prob);
}

// log p(x, z), recorded, and its slope along z, a constant.
template <class S, class Model>
RowValues<S> joint_and_slope(const Model& model, const Tensor<S>& x, const Tensor<S>& z) {
  const Tensor<S> value = model.decode(z).log_prob(x) + model.prior().log_prob(z);
  if (!z.tracked()) return {value, Tensor<S>::zeros(z.shape())};
  return {value, stop_gradient(vjp(value, {z}, Tensor<S>::ones(value.shape()))[0])};
}

// The importance-weighted bound with doubly reparameterized gradients: the particles' weights w for the model, w^2
// along the paths z for the encoder.
template <class S, class Model>
Tensor<S> doubly_reparameterized_bound(const Model& model, const Tensor<S>& x, Index k, Rng& rng) {
  const auto q = model.encode(x);
  const Tensor<S> z = rdraw_with_log_prob<S>(q, k, rng).value;
  const RowValues<S> joint = joint_and_slope(model, x, z);
  const RowValues<S> log_q = values_and_slope([&](const Tensor<S>& u) { return q.log_prob(u); }, z);
  const Tensor<S> logs = stop_gradient(joint.value - log_q.value), weights = softmax(logs, 0);  // [k, n]
  const Tensor<S> w = unsqueeze(weights, weights.rank());
  const Tensor<S> slope = (w * w - w) * joint.slope - w * w * log_q.slope;  // the joint's value brings w already
  return with_gradient_of(sum(weights * joint.value, 0) + sum(slope * z, {0, -1}),
                          logsumexp(logs, 0) - std::log(static_cast<double>(k)));
}

template <class Model, class S>
using posterior_of =
    std::remove_cvref_t<decltype(std::declval<const Model&>().encode(std::declval<const Tensor<S>&>()))>;
template <class Model>
using prior_of = std::remove_cvref_t<decltype(std::declval<const Model&>().prior())>;

}  // namespace detail

/// The evidence lower bound of log p(x) per example, in nats (Kingma and Welling 2014, eq. 3): x [n, d] -> [n].
///
///     E_q[log p(x | z)] - beta KL(q(z | x) || p(z))
///
/// The divergence is exact where the pair has a closed form (normal posterior and normal prior) and `analytic_kl` is
/// set, else the mean over the draws of log q - log p. Throws ValueError for fewer than one draw.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> evidence_lower_bound(const Model& model, const Tensor<S>& x,
                                                                      const ElboOptions& options, Rng& rng) {
  if (options.samples < 1) fail<ValueError>("elbo: .samples is ", options.samples, ", expected at least 1");
  if (!(options.beta >= 0)) fail<ValueError>("elbo: .beta is ", options.beta, ", expected 0 or more");
  const auto q = model.encode(x);
  if constexpr (HasClosedKl<detail::posterior_of<Model, S>, detail::prior_of<Model>>) {
    if (options.analytic_kl && options.gradient == BoundGradient::standard) {
      const bool one = options.samples == 1;
      const Tensor<S> z = detail::posterior_values<S>(q, options.samples, rng);
      detail::check_prior<S>(model.prior(), z);
      const Tensor<S> fit = model.decode(z).log_prob(x);
      const Tensor<S> divergence = kl_divergence(q, model.prior());
      return (one ? fit : mean(fit, 0)) - (options.beta == 1.0 ? divergence : divergence * options.beta);
    }
  }
  const Draws<S> z = detail::posterior_draws<S>(q, options.samples, options.gradient, rng);
  detail::check_prior<S>(model.prior(), z.value);
  const Tensor<S> divergence = z.log_prob - model.prior().log_prob(z.value);
  return mean(model.decode(z.value).log_prob(x) - divergence * options.beta, 0);
}

/// The importance-weighted bound of log p(x) per example, in nats (Burda et al. 2016, eq. 8): x [n, d] -> [n].
///
///     log 1/k sum_i p(x, z_i) / q(z_i | x),  z_i ~ q(z | x)
///
/// It rises towards log p(x) with the number of particles k. Throws ValueError for fewer than one.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> importance_weighted_bound(
    const Model& model, const Tensor<S>& x, Index particles, Rng& rng,
    BoundGradient gradient = BoundGradient::standard) {
  if (particles < 1) fail<ValueError>("iwae: .particles is ", particles, ", expected at least 1");
  if (gradient == BoundGradient::doubly_reparameterized && detail::recording_flag())
    return detail::doubly_reparameterized_bound(model, x, particles, rng);
  return logsumexp(detail::log_weights(model, model.encode(x), x, particles, rng, gradient), 0) -
         std::log(static_cast<double>(particles));
}

/// What `elbo` gives: a loss in nats per example.
struct EvidenceLowerBound {
  ElboOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(evidence_lower_bound(model, batch, options, rng));
  }
};

/// The objective `fit(vae, images, elbo({.beta = 1.0}), ...)`: minus the evidence lower bound, in nats per example.
inline EvidenceLowerBound elbo(const ElboOptions& options = {}) { return {options}; }

/// How the importance-weighted bound is estimated.
struct IwaeOptions {
  Index particles = 50;  ///< draws of z per example
  BoundGradient gradient = BoundGradient::standard;
};

/// What `iwae` gives: a loss in nats per example.
struct ImportanceWeightedBound {
  IwaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(importance_weighted_bound(model, batch, options.particles, rng, options.gradient));
  }
};

/// The objective `fit(vae, images, iwae({.particles = 50}), ...)`: minus the importance-weighted bound, in nats per
/// example.
inline ImportanceWeightedBound iwae(const IwaeOptions& options = {}) { return {options}; }

}  // namespace pushforward
