// fit_factor_vae(): the training of an autoencoder and of the discriminator of its codes.
#pragma once

#include <pushforward/objectives/factor_vae.hpp>
#include <pushforward/training/fit.hpp>

namespace pushforward {

namespace detail {

// The objective of one step, before which the discriminator makes its own.
template <class Critic>
struct FactorVaeStep {
  Critic& discriminator;
  Optimizer& optimizer;
  FactorVaeOptions options;
  bool learns = true;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng) const {
    if (learns) {
      update_spectral_norms(discriminator);
      const Tensor<S> z = codes(model, batch, rng);
      const Tensor<S> loss = DensityRatioLoss{}.critic_loss(discriminator, z, permute_dimensions(z, rng), rng);
      optimizer.step(discriminator, gradient(loss, discriminator));
    }
    return factor_vae(discriminator, options)(model, batch, rng);
  }
  // Validation asks for the step at the end, in which nothing learns.
  FactorVaeStep at(Index step, Index total) const { return {discriminator, optimizer, options, step < total}; }

 private:
  template <class Model, class S>
  static Tensor<S> codes(const Model& model, const Tensor<S>& batch, Rng& rng) {
    const NoGradient guard;
    return select(model.encode(batch).rsample(1, rng), 0, 0);
  }
};

}  // namespace detail

/// Trains `model` and `discriminator` on the rows of `data` as a FactorVAE: for each batch a step of the discriminator
/// on fresh codes against permuted ones, then a step of the model on factor_vae (Kim and Mnih 2018, alg. 2, with both
/// steps on one batch). The discriminator maps codes [n, latent] to [n] or [n, 1].
///
///     Mlp discriminator({10, 256, 256, 1}, rng, {.activation = Activation::silu});
///     fit_factor_vae(vae, discriminator, images, {.gamma = 20}, {.epochs = 20}, rng);
///
/// `options` are those of fit, and so is what it returns and throws; but .checkpoint and .resume throw ValueError,
/// since such a file would not hold the discriminator: save both models with `save`.
template <class Model, class Critic, class S>
History fit_factor_vae(Model& model, Critic& discriminator, const Tensor<S>& data, const FactorVaeOptions& weights,
                       const FitOptions& options, Rng& rng,
                       Optimizer discriminator_optimizer = Adam({.learning_rate = 1e-4, .beta1 = 0.5, .beta2 = 0.9})) {
  if (!options.checkpoint.empty() || options.resume)
    fail<ValueError>(
        "fit_factor_vae: .checkpoint and .resume would lose the discriminator; save both models with save(model, "
        "file)");
  struct Training {
    Critic& critic;
    explicit Training(Critic& c) : critic(c) { train(critic); }
    ~Training() { evaluate(critic); }
  } guard(discriminator);
  History history =
      fit(model, data, detail::FactorVaeStep<Critic>{discriminator, discriminator_optimizer, weights}, options, rng);
  settle_spectral_norms(discriminator);
  return history;
}

}  // namespace pushforward
