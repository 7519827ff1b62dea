// factor_vae: the evidence lower bound with a total correlation that a discriminator estimates.
#pragma once

#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/objectives/elbo.hpp>

namespace pushforward {

/// Rows z [n, d] with each column in a random order of its own, as constants: draws from the product of the columns'
/// distributions (Kim and Mnih 2018, alg. 1). Throws ShapeError.
template <class S>
Tensor<S> permute_dimensions(const Tensor<S>& z, Rng& rng) {
  if (z.rank() != 2) fail<ShapeError>("permute_dimensions: got shape ", z.shape(), ", expected [n, d]");
  const Index n = z.size(0), d = z.size(1);
  return Tensor<S>::build(z.shape(), [&](S* out) {
    for (Index j = 0; j < d; ++j) {
      const Tensor<Index> order = permutation(n, rng);
      for (Index i = 0; i < n; ++i) out[i * d + j] = z.data()[order.data()[i] * d + j];
    }
  });
}

/// The two sides of a FactorVAE. The discriminator D gives the logit that a code comes from q(z) and not from the
/// product of its dimensions, which at its best is log q(z) - sum_j log q(z_j).
///
///     discriminator:  (mean softplus(-D(z)) + mean softplus(D(permuted z))) / 2
///     encoder:        mean D(z), the total correlation
///
/// (Kim and Mnih 2018, eq. 3 and alg. 2, with one logit in the place of two.)
struct DensityRatioLoss {
  template <class Critic, class S>
  Tensor<S> critic_loss(const Critic& critic, const Tensor<S>& codes, const Tensor<S>& permuted, Rng& rng) const {
    return NonSaturating{}.critic_loss(critic, codes, permuted, rng) * 0.5;
  }
  template <class Critic, class S, class... R>
  Tensor<S> generator_loss(const Critic& critic, const Tensor<S>& codes, R&... rng) const {
    return mean(detail::scores("DensityRatioLoss", critic, codes, rng...));
  }
};

/// The discriminator's estimate of the total correlation of codes z [n, d] ~ q, in nats: the mean of its logits.
template <class Critic, class S>
double estimate_total_correlation(const Critic& discriminator, const Tensor<S>& z) {
  const NoGradient guard;
  return static_cast<double>(DensityRatioLoss{}.generator_loss(discriminator, z).item());
}

/// Weight of the total correlation.
struct FactorVaeOptions {
  double gamma = 10;  ///< the paper's range is 10 to 40
};

/// What `factor_vae` gives: a loss in nats per example.
template <class Critic>
struct FactorVae {
  const Critic* discriminator;
  FactorVaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (!(options.gamma >= 0)) fail<ValueError>("factor_vae: .gamma is ", options.gamma, ", expected 0 or more");
    const auto q = model.encode(batch);
    const Draws<S> draws = detail::rdraw_with_log_prob<S>(q, 1, rng);
    const Tensor<S> z = select(draws.value, 0, 0), fit = model.decode(z).log_prob(batch);
    const Tensor<S> logits = reshape(detail::scores("factor_vae", *discriminator, z, rng), {z.size(0)});
    const Tensor<S> cost = over(logits) * options.gamma - over(fit);
    if constexpr (HasClosedKl<detail::posterior_of<Model, S>, detail::prior_of<Model>>)
      return cost + over(kl_divergence(q, model.prior()));
    else
      return cost + over(select(draws.log_prob, 0, 0) - model.prior().log_prob(z));
  }
};

/// The objective of the FactorVAE (Kim and Mnih 2018, eq. 2), - ELBO + gamma mean D(z), for a discriminator that is
/// trained along: by `fit_factor_vae`, or in a loop of your own. It refers to the discriminator, whose parameters it
/// does not train.
template <class Critic>
FactorVae<Critic> factor_vae(const Critic& discriminator, const FactorVaeOptions& options = {}) {
  return {&discriminator, options};
}

}  // namespace pushforward
