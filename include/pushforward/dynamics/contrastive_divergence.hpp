// Contrastive divergence: fits an energy model by lowering the energy of data and raising that of the model's draws.
#pragma once

#include <algorithm>

#include <pushforward/dynamics/langevin.hpp>
#include <pushforward/dynamics/replay_buffer.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// How contrastive divergence trains.
struct ContrastiveDivergenceOptions {
  LangevinOptions langevin = {.steps = 20};  ///< how the chains move in each training step
  double magnitude = 0.1;  ///< weight of the mean squared energies, which keeps them near 0; they have no other anchor
  double reinitialize = 0.05;  ///< share of the persistent chains that start anew in each training step
};

/// The loss of an energy model for a batch of data and draws of the model, [n, d] each (Hinton 2002; the second term is
/// that of Du and Mordatch 2019, sec. 3.3): one number.
///
///     mean E(data) - mean E(draws) + magnitude (mean E(data)^2 + mean E(draws)^2)
///
/// The gradient of the first part is that of - log p(data) if the draws are the model's own.
template <class Model, class S>
Tensor<S> contrastive_loss(const Model& model, const Tensor<S>& data, const Tensor<S>& draws, double magnitude,
                           const ExampleMean& over = {}) {
  const Tensor<S> energy = model.energy(concat({data, draws}));
  const Tensor<S> low = slice(energy, 0, 0, data.size(0)), high = slice(energy, 0, data.size(0), energy.size(0));
  const Tensor<S> difference = over(low) - mean(high);
  return magnitude == 0 ? difference : difference + magnitude * (over(square(low)) + mean(square(high)));
}

namespace detail {

inline void check_contrastive(const char* name, const ContrastiveDivergenceOptions& options) {
  check_langevin(options.langevin);
  if (!(options.magnitude >= 0)) fail<ValueError>(name, ": .magnitude is ", options.magnitude, ", expected 0 or more");
  if (!(options.reinitialize >= 0 && options.reinitialize <= 1))
    fail<ValueError>(name, ": .reinitialize is ", options.reinitialize, ", expected a share between 0 and 1");
}

}  // namespace detail

/// What `contrastive_divergence` gives.
struct ContrastiveDivergence {
  ContrastiveDivergenceOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    detail::check_contrastive("contrastive_divergence", options);
    return contrastive_loss(model, batch, langevin(model, batch, options.langevin, rng), options.magnitude, over);
  }
};

/// The objective `fit(model, data, contrastive_divergence({...}), ...)` (Hinton 2002): chains start at the data.
inline ContrastiveDivergence contrastive_divergence(const ContrastiveDivergenceOptions& options = {}) {
  return {options};
}

/// What `persistent_contrastive_divergence` gives.
struct PersistentContrastiveDivergence {
  ContrastiveDivergenceOptions options;

  /// Moves as many of the model's chains as the batch has rows (while the model is trained; else they stand still).
  template <class Model, class S>
  Tensor<S> operator()(Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    detail::check_contrastive("persistent_contrastive_divergence", options);
    ReplayBuffer<S>& buffer = model.chains();
    if (buffer.capacity() == 0)
      fail<ValueError>(
          "persistent_contrastive_divergence: the model keeps no chains; build it with .chains = 1024, or train with "
          "contrastive_divergence");
    if (!buffer.filled()) buffer.fill(model.start(buffer.capacity(), rng));
    auto taken = buffer.take(std::min(batch.size(0), buffer.capacity()), rng);
    if (model.training()) {
      taken.value = langevin(model, renewed(model, taken.value, rng), options.langevin, rng);
      buffer.put_back(taken);
    }
    return contrastive_loss(model, batch, taken.value, options.magnitude, over);
  }

 private:
  template <class Model, class S>
  Tensor<S> renewed(const Model& model, const Tensor<S>& x, Rng& rng) const {
    if (options.reinitialize == 0) return x;
    const Tensor<S> anew = uniform<S>({x.size(0), 1}, rng) < options.reinitialize;
    return where(anew, model.start(x.size(0), rng), x);
  }
};

/// The objective `fit(model, data, persistent_contrastive_divergence({...}), ...)` (Tieleman 2008): chains go on from
/// where they were, a few Langevin steps per training step, so that they follow the model.
///
/// The model holds the chains (`chains()`, made by .chains of its options), starts them (`start(n, rng)`), and a
/// checkpoint saves them. Throws ValueError for a model without chains and for options out of range.
inline PersistentContrastiveDivergence persistent_contrastive_divergence(
    const ContrastiveDivergenceOptions& options = {}) {
  return {options};
}

}  // namespace pushforward
