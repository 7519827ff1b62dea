// Vae: the variational autoencoder, from an encoder, a decoder and any prior.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/models/heads.hpp>
#include <pushforward/objectives/elbo.hpp>

namespace pushforward {

/// How a likelihood is estimated by importance sampling.
struct ImportanceOptions {
  Index particles = 500;  ///< draws of z per example
  Index batch = 1000;     ///< rows (examples times particles) that are decoded at once: what memory and cache hold
};

/// A variational autoencoder (Kingma and Welling 2014): p(x) = E_{z ~ prior} p(x | z) with an encoder q(z | x).
///
/// The encoder maps x [.., d] to a distribution with rsample and log_prob, the decoder z [.., latent] to a distribution
/// over x, and the prior is any density with log_prob (and sample, to draw): N(0, I) of a given size, or a flow.
///
///     Vae(GaussianHead(Mlp({784, 400, 2 * 20}, rng)), BernoulliHead(Mlp({20, 400, 784}, rng)), 20)
template <class Encoder, class Decoder, class Prior>
class Vae {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;

  Vae(Encoder encoder, Decoder decoder, Prior prior)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)), prior_(std::move(prior)) {}
  /// With the prior N(0, I) over `latent` numbers.
  Vae(Encoder encoder, Decoder decoder, Index latent) requires std::same_as<Prior, Normal<Scalar>>
      : Vae(std::move(encoder), std::move(decoder), standard_normal<Scalar>(latent)) {
    if (latent < 1) fail<ValueError>("Vae: got ", latent, " latent numbers, expected at least 1");
  }

  /// q(z | x) for x [.., d].
  auto encode(const Tensor<S>& x) const { return encoder_(x); }
  /// p(x | z) for z [.., latent].
  auto decode(const Tensor<S>& z) const { return decoder_(z); }
  const Prior& prior() const { return prior_; }

  /// The evidence lower bound of log p(x) per example, in nats: x [n, d] -> [n].
  Tensor<S> elbo(const Tensor<S>& x, Rng& rng, const ElboOptions& options = {}) const {
    return evidence_lower_bound(*this, x, options, rng);
  }
  /// Lower bounds of log p(x) by importance sampling, close for many particles: x [n, d] -> [n], constants.
  /// See importance_log_likelihood.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const ImportanceOptions& options = {}) const {
    return {importance_log_likelihood(*this, x, options, rng), LikelihoodKind::lower_bound};
  }
  /// n draws of x, as constants: z from the prior, x from the decoder. For its mean use decode(z).mean().
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return decode(prior_.sample(n, rng)).sample(rng);
  }
  /// The decoder's mean at the encoder's mean: x [.., d] -> [.., d].
  Tensor<S> reconstruct(const Tensor<S>& x) const { return decode(encode(x).mean()).mean(); }

  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder_);
    visit("decoder", self.decoder_);
    visit("prior", self.prior_);
  }

 private:
  Encoder encoder_;
  Decoder decoder_;
  Prior prior_;
};

template <class Encoder, class Decoder, std::integral I>
Vae(Encoder, Decoder, I) -> Vae<Encoder, Decoder, Normal<detail::scalar_of<Encoder>>>;

namespace detail {

// log-weights of all particles for one batch of examples, `options.batch` rows at a time: [particles, n].
template <class S, class Model>
Tensor<S> chunked_log_weights(const Model& model, const Tensor<S>& x, const ImportanceOptions& options, Rng& rng) {
  const auto q = model.encode(x);
  const Index at_once = std::max(Index{1}, options.batch / std::max(Index{1}, x.size(0)));
  std::vector<Tensor<S>> chunks;
  for (Index done = 0; done < options.particles; done += at_once)
    chunks.push_back(log_weights(model, q, x, std::min(at_once, options.particles - done), rng));
  return concat(chunks, 0);
}

}  // namespace detail

/// An estimate of log p(x) per example, in nats, by importance sampling from the encoder: x [n, d] -> [n], a constant.
///
///     log 1/k sum_i p(x | z_i) p(z_i) / q(z_i | x),  z_i ~ q(z | x)
///
/// Its mean is a lower bound that is close for many particles (Burda et al. 2016, eq. 8; they report 5000). Throws
/// ValueError for fewer than one particle or row.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> importance_log_likelihood(const Model& model, const Tensor<S>& x,
                                                                           const ImportanceOptions& options, Rng& rng) {
  if (options.particles < 1)
    fail<ValueError>("importance_log_likelihood: .particles is ", options.particles, ", expected at least 1");
  if (options.batch < 1)
    fail<ValueError>("importance_log_likelihood: .batch is ", options.batch, ", expected at least 1");
  if (x.rank() != 2) fail<ShapeError>("importance_log_likelihood: x of shape ", x.shape(), ", expected [n, d]");
  NoGradient guard;
  constexpr Index most = 100;  // examples at once; each meets its particles in chunks
  std::vector<Tensor<S>> parts;
  for (Index i = 0; i < x.size(0); i += most) {
    const Tensor<S> rows = slice(x, 0, i, std::min(i + most, x.size(0)));
    parts.push_back(logsumexp(detail::chunked_log_weights(model, rows, options, rng), 0) -
                    std::log(static_cast<double>(options.particles)));
  }
  return parts.empty() ? Tensor<S>::zeros({0}) : concat(parts, 0);
}

}  // namespace pushforward
