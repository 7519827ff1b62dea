// Objectives that hold the divergence of the posterior at a level: capacity and free bits.
#pragma once

#include <pushforward/objectives/elbo.hpp>

namespace pushforward {

namespace detail {

// A diagonal normal over [.., d] as d normals of one number each, [.., d, 1].
template <class S>
Normal<S> componentwise(const Normal<S>& p) {
  if (p.is_standard()) return Normal<S>::standard(p.shape().inserted(p.shape().rank(), 1));
  const int last = p.shape().rank();
  return Normal<S>::from_log_std(unsqueeze(p.mean(), last), unsqueeze(p.log_std(), last));
}

// E_q[log p(x | z)] by draws, and KL(q || prior), exact where there is a closed form: [n] each.
template <class S>
struct BoundParts {
  Tensor<S> reconstruction, divergence;
};

template <class Model, class S>
BoundParts<S> bound_parts(const char* name, const Model& model, const Tensor<S>& x, Index samples, Rng& rng) {
  if (samples < 1) fail<ValueError>(name, ": .samples is ", samples, ", expected at least 1");
  const auto q = model.encode(x);
  const Draws<S> z = rdraw_with_log_prob<S>(q, samples, rng);
  const Tensor<S> reconstruction = mean(model.decode(z.value).log_prob(x), 0);
  if constexpr (HasClosedKl<posterior_of<Model, S>, prior_of<Model>>)
    return {reconstruction, kl_divergence(q, model.prior())};
  else
    return {reconstruction, mean(z.log_prob - model.prior().log_prob(z.value), 0)};
}

}  // namespace detail

/// KL(q || p) of diagonal normals for each component, in nats: [.., d], with kl_divergence(q, p) as its sum.
template <class S>
Tensor<S> kl_per_dimension(const Normal<S>& q, const Normal<S>& p) {
  return kl_divergence(detail::componentwise(q), detail::componentwise(p));
}

/// A level for the divergence.
struct CapacityOptions {
  double capacity = 0;  ///< C, nats that the code should carry, usually raised in training from 0 to some 25
  double gamma = 100;   ///< weight of the distance to it
  Index samples = 1;    ///< draws of z per example
};

/// What `capacity_elbo` gives: a loss in nats per example, up to the weight.
struct CapacityElbo {
  CapacityOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (!(options.gamma >= 0) || !(options.capacity >= 0))
      fail<ValueError>("capacity_elbo: .gamma is ", options.gamma, " and .capacity is ", options.capacity,
                       ", expected 0 or more each");
    const auto parts = detail::bound_parts("capacity_elbo", model, batch, options.samples, rng);
    return abs(over(parts.divergence) - options.capacity) * options.gamma - over(parts.reconstruction);
  }
};

/// The objective - E_q[log p(x | z)] + gamma |KL(q || prior) - C|, the divergence averaged over the batch (Burgess et
/// al. 2018, eq. 8). Raise C with `annealed`.
inline CapacityElbo capacity_elbo(const CapacityOptions& options = {}) { return {options}; }

/// What a dimension of the code may carry without cost.
struct FreeBitsOptions {
  double nats = 0.1;  ///< lambda, per dimension
  Index samples = 1;  ///< draws of z per example
};

/// What `free_bits` gives: a loss in nats per example.
struct FreeBits {
  FreeBitsOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    static_assert(
        std::is_same_v<detail::posterior_of<Model, S>, Normal<S>> && std::is_same_v<detail::prior_of<Model>, Normal<S>>,
        "pushforward: free_bits counts the divergence of each dimension of the code, so posterior and prior must be "
        "Normal.");
    if (options.samples < 1) fail<ValueError>("free_bits: .samples is ", options.samples, ", expected at least 1");
    if (!(options.nats >= 0)) fail<ValueError>("free_bits: .nats is ", options.nats, ", expected 0 or more");
    const Normal<S> q = model.encode(batch);
    const Tensor<S> reconstruction = model.decode(q.rsample(options.samples, rng)).log_prob(batch);
    const Tensor<S> divergence = over.of_rows(kl_per_dimension(q, model.prior()));  // [n, latent] -> [latent]
    return sum(maximum(divergence, static_cast<S>(options.nats))) - over(reconstruction);
  }
};

/// The objective - E_q[log p(x | z)] + sum_j max(lambda, KL_j), KL_j the divergence of dimension j averaged over the
/// batch (Kingma et al. 2016, eq. 15): below lambda nats a dimension is not pressed towards the prior.
inline FreeBits free_bits(const FreeBitsOptions& options = {}) { return {options}; }

}  // namespace pushforward
