// Noise-contrastive estimation: fits a density and its normalizing constant by telling data from noise.
#pragma once

#include <cmath>
#include <type_traits>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// A model known up to a constant that it learns: log p(x) = unnormalized_log_prob(x) - log_partition().
template <class M, class S = float>
concept SelfNormalized = requires(const M& model, const Tensor<S>& x) {
  { model.unnormalized_log_prob(x) } -> std::convertible_to<Tensor<S>>;
  { model.log_partition() } -> std::convertible_to<Tensor<S>>;
};

/// How much noise the data is told from.
struct NoiseContrastiveOptions {
  Index ratio = 1;  ///< draws of noise per example; more make a better estimate
};

/// What `noise_contrastive_estimation` gives.
template <class Noise>
struct NoiseContrastiveEstimation {
  Noise noise;
  NoiseContrastiveOptions options;

  template <class Model, class S>
  requires SelfNormalized<Model, S> Tensor<S>
  operator()(Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (options.ratio < 1)
      fail<ValueError>("noise_contrastive_estimation: .ratio is ", options.ratio, ", expected at least 1");
    if constexpr (!std::is_const_v<Model>)
      if (!model.normalized()) model.set_log_partition(0);  // from here on it is learned
    const Index n = batch.size(0);
    Tensor<S> x, log_noise;
    {
      NoGradient guard;
      x = concat({batch, Tensor<S>(noise.sample(options.ratio * n, rng))});
      log_noise = noise.log_prob(x) + std::log(static_cast<double>(options.ratio));
    }
    const Tensor<S> logit = model.unnormalized_log_prob(x) - model.log_partition() - log_noise;
    // -log sigmoid(u) = softplus(-u) for data, -log(1 - sigmoid(u)) = softplus(u) for noise
    const Tensor<S> sign = Tensor<S>::generate({x.size(0)}, [&](Index i) { return i < n ? S(-1) : S(1); });
    const Tensor<S> each = softplus(sign * logit);
    return over(slice(each, 0, 0, n)) + sum(slice(each, 0, n, each.size())) / static_cast<double>(n);
  }
};

/// The objective `fit(model, data, noise_contrastive_estimation(noise), ...)` (Gutmann and Hyvarinen 2010, eq. 3): the
/// logistic regression that tells examples from `ratio` times as many draws of a known density, per example.
///
///     - E_data log sigmoid(u(x)) - ratio E_noise log(1 - sigmoid(u(x))),  u = log p(x) - log noise(x) - log ratio
///
/// The model's log-partition is trained along. `noise` is any density with `sample`: the closer to the data, the better
/// the estimate; a flow that was fitted to the data before is best. Throws ValueError for a ratio below 1.
template <class Noise>
NoiseContrastiveEstimation<Noise> noise_contrastive_estimation(Noise noise,
                                                               const NoiseContrastiveOptions& options = {}) {
  return {std::move(noise), options};
}

}  // namespace pushforward
