// elbo and iwae: lower bounds of the likelihood of latent-variable models.
#pragma once

#include <cmath>

#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// A model with latent variables z: `encode(x)` gives q(z | x), `decode(z)` gives p(x | z), `prior()` is p(z).
template <class M, class S = float>
concept LatentVariableModel = requires(const M& model, const Tensor<S>& x) {
  model.encode(x);
  model.decode(x);
  model.prior();
};

/// How the evidence lower bound is estimated.
struct ElboOptions {
  double beta = 1.0;        ///< weight of the divergence (Higgins et al. 2017); 1 gives a bound
  Index samples = 1;        ///< draws of z per example
  bool analytic_kl = true;  ///< use the closed form of KL(q || prior) where there is one
};

namespace detail {

// log p(x | z), log p(z) and log q(z | x) for k draws z ~ q(z | x): [k, n] each.
template <class S, class Model, class Posterior>
Tensor<S> log_weights(const Model& model, const Posterior& q, const Tensor<S>& x, Index k, Rng& rng) {
  const Draws<S> z = rdraw_with_log_prob<S>(q, k, rng);
  return model.decode(z.value).log_prob(x) + (model.prior().log_prob(z.value) - z.log_prob);
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
  const auto q = model.encode(x);
  if constexpr (HasClosedKl<detail::posterior_of<Model, S>, detail::prior_of<Model>>) {
    if (options.analytic_kl) {
      const bool one = options.samples == 1;
      const Tensor<S> z = one ? q.rsample(rng) : q.rsample(options.samples, rng);
      const Tensor<S> fit = model.decode(z).log_prob(x);
      const Tensor<S> divergence = kl_divergence(q, model.prior());
      return (one ? fit : mean(fit, 0)) - (options.beta == 1.0 ? divergence : divergence * options.beta);
    }
  }
  const Draws<S> z = detail::rdraw_with_log_prob<S>(q, options.samples, rng);
  const Tensor<S> divergence = z.log_prob - model.prior().log_prob(z.value);
  return mean(model.decode(z.value).log_prob(x) - divergence * options.beta, 0);
}

/// The importance-weighted bound of log p(x) per example, in nats (Burda et al. 2016, eq. 8): x [n, d] -> [n].
///
///     log 1/k sum_i p(x, z_i) / q(z_i | x),  z_i ~ q(z | x)
///
/// It rises towards log p(x) with the number of particles k. Throws ValueError for fewer than one.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> importance_weighted_bound(const Model& model, const Tensor<S>& x,
                                                                           Index particles, Rng& rng) {
  if (particles < 1) fail<ValueError>("iwae: .particles is ", particles, ", expected at least 1");
  return logsumexp(detail::log_weights(model, model.encode(x), x, particles, rng), 0) -
         std::log(static_cast<double>(particles));
}

/// What `elbo` gives: a loss in nats per example.
struct EvidenceLowerBound {
  ElboOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng) const {
    return -mean(evidence_lower_bound(model, batch, options, rng));
  }
};

/// The objective `fit(vae, images, elbo({.beta = 1.0}), ...)`: minus the evidence lower bound, in nats per example.
inline EvidenceLowerBound elbo(const ElboOptions& options = {}) { return {options}; }

/// How the importance-weighted bound is estimated.
struct IwaeOptions {
  Index particles = 50;  ///< draws of z per example
};

/// What `iwae` gives: a loss in nats per example.
struct ImportanceWeightedBound {
  IwaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng) const {
    return -mean(importance_weighted_bound(model, batch, options.particles, rng));
  }
};

/// The objective `fit(vae, images, iwae({.particles = 50}), ...)`: minus the importance-weighted bound, in nats per
/// example.
inline ImportanceWeightedBound iwae(const IwaeOptions& options = {}) { return {options}; }

}  // namespace pushforward
