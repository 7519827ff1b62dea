// total_correlation: the evidence lower bound with its divergence in three parts, weighted apart (beta-TC-VAE).
#pragma once

#include <pushforward/objectives/latent_divergence.hpp>

namespace pushforward {

/// How the aggregate posterior q(z) = mean over the data of q(z | x) is estimated from a batch.
enum class AggregateEstimate {
  weighted,   ///< 1/(N M) sum over the batch (Chen et al. 2018, eq. 5): off by a constant that no gradient sees
  stratified  ///< the own example weighs 1/N, the others share the rest: unbiased, exact for a batch of all the data
};

/// Weights of the parts, and what is known of the data.
struct TotalCorrelationOptions {
  double alpha = 1;        ///< of the mutual information of example and code
  double beta = 6;         ///< of the total correlation
  double gamma = 1;        ///< of the dimensions' own divergence from the prior
  Index dataset_size = 0;  ///< N; 0: the batch is all the data
  AggregateEstimate estimate = AggregateEstimate::weighted;
};

/// The parts of the divergence, in nats, averaged over a batch; their sum is the estimated KL(q(z | x) || p(z)).
template <class S = float>
struct DivergenceParts {
  Tensor<S> mutual_information;  ///< E[log q(z | x) - log q(z)], one number
  Tensor<S> total_correlation;   ///< E[log q(z) - sum_j log q(z_j)]
  Tensor<S> dimension_kl;        ///< E[sum_j log q(z_j) - log p(z)]
};

namespace detail {

// log of the weight of example j in q(z_i), [m, m]; without a dataset size the batch is all the data.
template <class S>
Tensor<S> aggregate_log_weights(Index m, Index dataset, AggregateEstimate estimate, const ExampleMean& over = {}) {
  const double known = static_cast<double>(dataset), total = over.plain() ? 0 : over.weights().sum();
  if (!over.plain())
    return Tensor<S>::generate({m, m}, [=, w = over.weights().data()](Index i) {
      const double one = w[i % m] / total, share = w[i % m] / (total - w[i / m]);
      if (estimate == AggregateEstimate::weighted) return static_cast<S>(std::log(one / (dataset ? known : total)));
      if (dataset == 0) return static_cast<S>(std::log(one));
      return static_cast<S>(std::log(i / m == i % m ? 1 / known : share * (known - 1) / known));
    });
  if (dataset == 0) dataset = m;
  const auto n = static_cast<double>(dataset), rows = static_cast<double>(m);
  const bool weighted = estimate == AggregateEstimate::weighted;
  const double own = weighted ? -std::log(n * rows) : -std::log(n);
  const double other = weighted || m == 1 ? own : std::log((n - 1) / (n * (rows - 1)));
  return Tensor<S>::generate({m, m}, [=](Index i) { return static_cast<S>(i / m == i % m ? own : other); });
}

}  // namespace detail

/// Splits the divergence of the posteriors q [m, latent] of a batch from the prior, at one draw z [m, latent] of each
/// (Chen et al. 2018, eq. 2). Time and memory grow with m^2 latent. `over` may hold weights of the examples, which then
/// weigh in q(z), too. Throws ShapeError, ValueError.
template <class S>
DivergenceParts<S> divergence_parts(const Normal<S>& q, const Normal<S>& prior, const Tensor<S>& z,
                                    Index dataset_size = 0, AggregateEstimate estimate = AggregateEstimate::stratified,
                                    const ExampleMean& over = {}) {
  if (q.shape().rank() != 2 || !(z.shape() == q.shape()))
    fail<ShapeError>("divergence_parts: posterior of shape ", q.shape(), " and draws of shape ", z.shape(),
                     ", expected [m, latent] for both");
  const Index m = q.shape()[0];
  if (dataset_size != 0 && dataset_size < m)
    fail<ValueError>("divergence_parts: the data has ", dataset_size, " rows and the batch ", m,
                     ", expected no more than the data; 0 means that the batch is all the data");
  const Tensor<S> each = detail::componentwise(q).log_prob(unsqueeze(unsqueeze(z, 1), 3));  // [m of z, m of q, latent]
  const Tensor<S> weights = detail::aggregate_log_weights<S>(m, dataset_size, estimate, over);
  const Tensor<S> joint = logsumexp(sum(each, 2) + weights, 1);                  // log q(z), [m]
  const Tensor<S> product = sum(logsumexp(each + unsqueeze(weights, 2), 1), 1);  // sum_j log q(z_j), [m]
  return {over(q.log_prob(z) - joint), over(joint - product), over(product - prior.log_prob(z))};
}

/// What `total_correlation_elbo` gives: a loss in nats per example.
struct TotalCorrelationElbo {
  TotalCorrelationOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    static_assert(
        std::is_same_v<detail::posterior_of<Model, S>, Normal<S>> && std::is_same_v<detail::prior_of<Model>, Normal<S>>,
        "pushforward: total_correlation_elbo needs the density of each dimension of the code, so posterior and prior "
        "must be Normal.");
    const Normal<S> q = model.encode(batch);
    const Tensor<S> z = q.rsample(rng);
    const DivergenceParts<S> parts =
        divergence_parts(q, model.prior(), z, options.dataset_size, options.estimate, over);
    return parts.mutual_information * options.alpha + parts.total_correlation * options.beta +
           parts.dimension_kl * options.gamma - over(model.decode(z).log_prob(batch));
  }
};

/// The objective of the beta-TC-VAE (Chen et al. 2018, eq. 4): - E_q[log p(x | z)] + alpha MI + beta TC + gamma KL of
/// the dimensions. Give it the number of training examples: `{.beta = 6, .dataset_size = images.size(0)}`.
///
/// Under `weighted` an example of weight 2 is two of it, but for stratified weights with `.dataset_size`: there it
/// counts once as the own example of its code, whatever its weight.
inline TotalCorrelationElbo total_correlation_elbo(const TotalCorrelationOptions& options = {}) { return {options}; }

}  // namespace pushforward
