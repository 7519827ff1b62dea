// RegularizedAutoencoder: deterministic codes, a smooth decoder, and a density of the codes that is fitted afterwards.
#pragma once

#include <optional>

#include <pushforward/distributions/gaussian_mixture_fit.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// An autoencoder whose decoder is kept smooth by a penalty instead of by noise in the codes (Ghosh et al. 2020).
///
/// The encoder is a network x [.., d] -> z [.., latent], the decoder returns a distribution of x. It draws through a
/// mixture of normals that `fit_codes` fits to the codes when training is over (their sec. 4, "ex-post density
/// estimation"):
///
///     RegularizedAutoencoder model(Mlp({784, 256, 16}, rng), BernoulliHead(Mlp({16, 256, 784}, rng)));
///     fit(model, images, rae({.beta = 1e-3, .lambda = 1e-5}), {.epochs = 20}, rng);
///     model.fit_codes(images, {.components = 10}, rng);
///     Tensor<> drawn = model.sample(16, rng);
///
/// The mixture is no parameter: it is not saved with the model, so fit it anew after loading.
template <class Encoder, class Decoder>
class RegularizedAutoencoder {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;

  RegularizedAutoencoder(Encoder encoder, Decoder decoder)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)) {}

  /// The code of x [.., d]: [.., latent].
  Tensor<S> encode(const Tensor<S>& x) const { return encoder_(x); }
  /// p(x | z) for z [.., latent].
  auto decode(const Tensor<S>& z) const { return decoder_(z); }
  const Decoder& decoder() const { return decoder_; }
  /// The decoder's mean at the code: x [.., d] -> [.., d].
  Tensor<S> reconstruct(const Tensor<S>& x) const { return decode(encode(x)).mean(); }

  /// Fits the density of the codes to those of x [n, d]; see fit_full_gaussian_mixture for what it throws. Returns the
  /// mean log-likelihood of the codes after each step.
  std::vector<double> fit_codes(const Tensor<S>& x, const MixtureFitOptions& options, Rng& rng) {
    const NoGradient guard;
    auto fitted = fit_full_gaussian_mixture(encode(x), options, rng);
    codes_ = std::move(fitted.mixture);
    fitted_to_.clear();
    for_each_parameter<S>(std::as_const(encoder_),
                          [&](const Path&, const Parameter<S>& p) { fitted_to_.push_back(stop_gradient(p.tensor())); });
    return std::move(fitted.log_likelihood);
  }
  /// The density of the codes. Throws ValueError before fit_codes, and where the encoder has changed since.
  const Mixture<MultivariateNormal<S>>& codes() const {
    if (!codes_)
      fail<ValueError>("RegularizedAutoencoder: codes have no density yet; call fit_codes(x, options, rng) first");
    std::size_t i = 0;
    for_each_parameter<S>(encoder_, [&](const Path&, const Parameter<S>& p) {
      if (i >= fitted_to_.size() || p.tensor().data() != fitted_to_[i++].data())
        fail<ValueError>(
            "RegularizedAutoencoder: the encoder has changed since the density of its codes was fitted; call "
            "fit_codes(x, options, rng) again");
    });
    return *codes_;
  }
  /// The decoder's mean at n draws from the density of the codes, as constants: the model's own draws have no noise.
  /// Throws ValueError before fit_codes.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return decode(codes().sample(n, rng)).mean();
  }

  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder_);
    visit("decoder", self.decoder_);
  }

 private:
  Encoder encoder_;
  Decoder decoder_;
  std::optional<Mixture<MultivariateNormal<S>>> codes_;
  std::vector<Tensor<S>> fitted_to_;  // the encoder's parameters then; held, so that no other tensor has their place
};

/// What keeps a decoder smooth.
enum class DecoderPenalty {
  weights,  ///< |parameters|^2 / 2 (RAE-L2)
  slope     ///< |d mean / dz|^2 / 2 at the codes, by one random direction each (RAE-GP)
};

/// Weights of a regularized autoencoder.
struct RaeOptions {
  double beta = 1e-4;    ///< of |z|^2 / 2
  double lambda = 1e-6;  ///< of the decoder's penalty
  DecoderPenalty penalty = DecoderPenalty::weights;
};

/// What `rae` gives: a loss per example, in units of the decoder's - log p(x | z).
struct RegularizedReconstruction {
  RaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (!(options.beta >= 0) || !(options.lambda >= 0))
      fail<ValueError>("rae: .beta is ", options.beta, " and .lambda is ", options.lambda, ", expected 0 or more each");
    const Tensor<S> z = model.encode(batch);
    const Tensor<S> loss = over(sum(square(z), -1)) * (0.5 * options.beta) - over(model.decode(z).log_prob(batch));
    if (options.lambda == 0) return loss;
    if (options.penalty == DecoderPenalty::weights)
      return loss - NormalPrior{}.over<S>(model.decoder()) * options.lambda;
    return loss + over(squared_slope(model, z, rng)) * (0.5 * options.lambda);
  }

 private:
  // E |J^T v|^2 = |J|^2 for the Jacobian J of the decoder's mean and v ~ N(0, I): [n].
  template <class Model, class S>
  static Tensor<S> squared_slope(const Model& model, const Tensor<S>& z, Rng& rng) {
    const detail::FlagGuard guard(detail::recording_flag(), true);
    const Tensor<S> at = z.tracked() ? z : variable(z), mean = model.decode(at).mean();
    return sum(square(vjp(mean, {at}, normal<S>(mean.shape(), rng), {.create_graph = true})[0]), -1);
  }
};

/// The objective of a RegularizedAutoencoder (Ghosh et al. 2020, sec. 3): - log p(x | z) + beta |z|^2 / 2 + lambda
/// times a penalty of the decoder.
inline RegularizedReconstruction rae(const RaeOptions& options = {}) { return {options}; }

}  // namespace pushforward
