// miwae, piwae and ciwae: importance-weighted bounds whose encoder learns from more than one ratio of signal to noise.
#pragma once

#include <pushforward/objectives/elbo.hpp>

namespace pushforward {

/// How groups of particles are drawn.
struct GroupedOptions {
  Index groups = 8;     ///< M: bounds that are averaged
  Index particles = 8;  ///< K: draws of z per bound, M K in all
};

namespace detail {

inline void check_groups(const char* name, const GroupedOptions& options) {
  if (options.groups < 1 || options.particles < 1)
    fail<ValueError>(name, ": .groups is ", options.groups, " and .particles is ", options.particles,
                     ", expected at least 1 each");
}

// log-weights [M K, n] in groups: [M, K, n].
template <class S>
Tensor<S> grouped(const Tensor<S>& logs, const GroupedOptions& options) {
  return reshape(logs, logs.shape().with(0, options.particles).inserted(0, options.groups));
}

}  // namespace detail

/// The mean of M importance-weighted bounds of K particles, in nats (Rainforth et al. 2018, eq. 13): x [n, d] -> [n].
///
/// A lower bound that is as loose as that of K particles and has a variance M times smaller. Throws ValueError.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> multiply_importance_weighted_bound(const Model& model,
                                                                                    const Tensor<S>& x,
                                                                                    const GroupedOptions& options,
                                                                                    Rng& rng) {
  detail::check_groups("miwae", options);
  const Tensor<S> logs =
      detail::log_weights(model, model.encode(x), x, options.groups * options.particles, rng);  // [M K, n]
  return mean(logsumexp(detail::grouped(logs, options), 1), 0) - std::log(static_cast<double>(options.particles));
}

/// The importance-weighted bound of all M K particles, in nats, whose gradient reaches the encoder as that of
/// `multiply_importance_weighted_bound` does (Rainforth et al. 2018, sec. 4.3): x [n, d] -> [n].
///
/// Decoder and prior learn from the tight bound, the encoder from the one whose gradient has less noise. The gradient
/// is of first order. Throws ValueError.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> partially_importance_weighted_bound(const Model& model,
                                                                                     const Tensor<S>& x,
                                                                                     const GroupedOptions& options,
                                                                                     Rng& rng) {
  detail::check_groups("piwae", options);
  const Index k = options.groups * options.particles;
  if (!detail::recording_flag()) return importance_weighted_bound(model, x, k, rng);
  const Draws<S> z = detail::rdraw_with_log_prob<S>(model.encode(x), k, rng);
  const detail::RowValues<S> joint = detail::joint_and_slope(model, x, z.value);
  const Tensor<S> logs = stop_gradient(joint.value - z.log_prob);  // [M K, n]
  const Tensor<S> of_model = softmax(logs, 0);
  const Tensor<S> of_encoder =
      reshape(softmax(detail::grouped(logs, options), 1), logs.shape()) * (1.0 / static_cast<double>(options.groups));
  // Along the draws the joint's value brings the model's weights; the encoder's take their place.
  const Tensor<S> along_path = (of_encoder - of_model) * sum(joint.slope * z.value, -1) - of_encoder * z.log_prob;
  return detail::with_gradient_of(sum(of_model * joint.value + along_path, 0),
                                  logsumexp(logs, 0) - std::log(static_cast<double>(k)));
}

/// How the two bounds are combined.
struct CiwaeOptions {
  double beta = 0.5;     ///< weight of the evidence lower bound, in [0, 1]; the importance-weighted one has the rest
  Index particles = 50;  ///< draws of z per example, for both
};

/// beta ELBO + (1 - beta) IWAE from the same draws, in nats (Rainforth et al. 2018, eq. 14): x [n, d] -> [n], a lower
/// bound. Throws ValueError.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> combined_importance_weighted_bound(const Model& model,
                                                                                    const Tensor<S>& x,
                                                                                    const CiwaeOptions& options,
                                                                                    Rng& rng) {
  if (options.particles < 1) fail<ValueError>("ciwae: .particles is ", options.particles, ", expected at least 1");
  if (!(options.beta >= 0 && options.beta <= 1))
    fail<ValueError>("ciwae: .beta is ", options.beta, ", expected a number in [0, 1]");
  const Tensor<S> logs = detail::log_weights(model, model.encode(x), x, options.particles, rng);
  const Tensor<S> tight = logsumexp(logs, 0) - std::log(static_cast<double>(options.particles));
  return mean(logs, 0) * options.beta + tight * (1 - options.beta);
}

/// What `miwae` gives: a loss in nats per example.
struct MultiplyImportanceWeightedBound {
  GroupedOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(multiply_importance_weighted_bound(model, batch, options, rng));
  }
};

/// The objective `fit(vae, images, miwae({.groups = 8, .particles = 8}), ...)`.
inline MultiplyImportanceWeightedBound miwae(const GroupedOptions& options = {}) { return {options}; }

/// What `piwae` gives: a loss in nats per example.
struct PartiallyImportanceWeightedBound {
  GroupedOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(partially_importance_weighted_bound(model, batch, options, rng));
  }
};

/// The objective `fit(vae, images, piwae({.groups = 8, .particles = 8}), ...)`.
inline PartiallyImportanceWeightedBound piwae(const GroupedOptions& options = {}) { return {options}; }

/// What `ciwae` gives: a loss in nats per example.
struct CombinedImportanceWeightedBound {
  CiwaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(combined_importance_weighted_bound(model, batch, options, rng));
  }
};

/// The objective `fit(vae, images, ciwae({.beta = 0.5, .particles = 50}), ...)`.
inline CombinedImportanceWeightedBound ciwae(const CiwaeOptions& options = {}) { return {options}; }

}  // namespace pushforward
