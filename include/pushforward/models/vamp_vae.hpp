// VampVae: a variational autoencoder whose prior is a mixture of its own posteriors.
#pragma once

#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/vae.hpp>

namespace pushforward {

/// A variational autoencoder with the VampPrior (Tomczak and Welling 2018, eq. 9):
///
///     p(z) = 1/K sum_k q(z | u_k)
///
/// with trained pseudo-inputs u [K, d], examples that nobody has seen. The encoder must return a Normal.
///
///     VampVae(GaussianHead(Mlp({784, 400, 2 * 20}, rng)), BernoulliHead(Mlp({20, 400, 784}, rng)), slice(x, 0, 0, 50))
template <class Encoder, class Decoder>
class VampVae {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;

  /// With pseudo-inputs that start at `pseudo_inputs` [K, d]: rows of the data, or noise of its mean and variance.
  /// Throws ShapeError.
  VampVae(Encoder encoder, Decoder decoder, const Tensor<S>& pseudo_inputs)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)), pseudo_inputs_(pseudo_inputs) {
    if (pseudo_inputs.rank() != 2 || pseudo_inputs.size(0) < 1)
      fail<ShapeError>("VampVae: pseudo-inputs of shape ", pseudo_inputs.shape(), ", expected [k, d]");
  }

  /// q(z | x) for x [.., d].
  Normal<S> encode(const Tensor<S>& x) const { return encoder_(x); }
  /// p(x | z) for z [.., latent].
  auto decode(const Tensor<S>& z) const { return decoder_(z); }
  /// The mixture of the pseudo-inputs' posteriors at the present parameters.
  Mixture<Normal<S>> prior() const {
    return {Tensor<S>::zeros({pseudo_inputs_.size(0)}), encode(pseudo_inputs_.tensor())};
  }
  /// [K, d]
  const Tensor<S>& pseudo_inputs() const { return pseudo_inputs_.tensor(); }

  /// The evidence lower bound of log p(x) per example, in nats: x [n, d] -> [n].
  Tensor<S> elbo(const Tensor<S>& x, Rng& rng, const ElboOptions& options = {}) const {
    return evidence_lower_bound(*this, x, options, rng);
  }
  /// Lower bounds of log p(x) by importance sampling: x [n, d] -> [n], constants.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const ImportanceOptions& options = {}) const {
    return {importance_log_likelihood(*this, x, options, rng), LikelihoodKind::lower_bound};
  }
  /// n draws of x, as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return decode(prior().sample(n, rng)).sample(rng);
  }
  /// The decoder's mean at the encoder's mean: x [.., d] -> [.., d].
  Tensor<S> reconstruct(const Tensor<S>& x) const { return decode(encode(x).mean()).mean(); }

  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder_);
    visit("decoder", self.decoder_);
    visit("pseudo_inputs", self.pseudo_inputs_);
  }

 private:
  Encoder encoder_;
  Decoder decoder_;
  Parameter<S> pseudo_inputs_;
};

}  // namespace pushforward
