// CategoricalVae: a variational autoencoder whose codes are choices among classes.
#pragma once

#include <pushforward/distributions/categorical_code.hpp>
#include <pushforward/models/vae.hpp>

namespace pushforward {

/// A variational autoencoder with discrete codes (Jang et al. 2017; Maddison et al. 2017): `variables` choices of one
/// among `classes` each, uniform a priori, as one-hot vectors side by side.
///
///     CategoricalVae vae(Mlp({784, 256, 20 * 10}, rng), BernoulliHead(Mlp({20 * 10, 256, 784}, rng)), 20, 10);
///     fit(vae, images, relaxed_elbo({.temperature = 0.7}), {.epochs = 20}, rng);
///
/// The network maps [.., d] to logits [.., variables classes]. Bounds are those of the discrete model; `relaxed` is the
/// one that trains.
template <class Net, class Decoder>
class CategoricalVae {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  /// Throws ValueError for no variables or fewer than two classes.
  CategoricalVae(Net encoder, Decoder decoder, Index variables, Index classes)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)), variables_(variables), classes_(classes) {
    if (variables < 1 || classes < 2)
      fail<ValueError>("CategoricalVae: got ", variables, " variables of ", classes,
                       " classes, expected at least 1 of at least 2");
  }

  /// q(z | x) for x [.., d]. Throws ShapeError if the network's output does not fit.
  CategoricalCode<S> encode(const Tensor<S>& x) const { return {logits(x), classes_}; }
  /// p(x | z) for z [.., variables classes].
  auto decode(const Tensor<S>& z) const { return decoder_(z); }
  CategoricalCode<S> prior() const { return CategoricalCode<S>::uniform(variables_, classes_); }

  /// The model with relaxed codes, for training. A view, which must not outlive the model.
  class Relaxed {
   public:
    using Scalar = S;
    Relaxed(const CategoricalVae* vae, double temperature, bool straight_through)
        : vae_(vae), temperature_(temperature), straight_through_(straight_through) {}
    RelaxedCategoricalCode<S> encode(const Tensor<S>& x) const {
      return {temperature_, vae_->logits(x), vae_->classes_, straight_through_};
    }
    auto decode(const Tensor<S>& z) const { return vae_->decode(z); }
    CategoricalCode<S> prior() const { return vae_->prior(); }

   private:
    const CategoricalVae* vae_;
    double temperature_;
    bool straight_through_;
  };
  Relaxed relaxed(double temperature, bool straight_through = false) const& {
    return {this, temperature, straight_through};
  }
  Relaxed relaxed(double temperature, bool straight_through = false) && = delete;

  /// The evidence lower bound of log p(x) per example with discrete codes, in nats, a constant: x [n, d] -> [n].
  Tensor<S> elbo(const Tensor<S>& x, Rng& rng, const ElboOptions& options = {}) const {
    const NoGradient guard;
    return evidence_lower_bound(*this, x, options, rng);
  }
  /// Lower bounds of log p(x) by importance sampling of discrete codes: x [n, d] -> [n], constants.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const ImportanceOptions& options = {}) const {
    return {importance_log_likelihood(*this, x, options, rng), LikelihoodKind::lower_bound};
  }
  /// log p(x) itself, the sum over all codes, in nats and differentiable: x [n, d] -> [n].
  ///
  /// Decodes classes^variables codes for each example. Throws ValueError for more than 2^20 of them.
  Tensor<S> enumerated_log_prob(const Tensor<S>& x) const {
    const Tensor<S> codes = all_codes();
    return logsumexp(decode(unsqueeze(codes, 1)).log_prob(x), 0) - std::log(static_cast<double>(codes.size(0)));
  }
  /// Every code, [classes^variables, variables classes]. Throws ValueError for more than 2^20.
  Tensor<S> all_codes() const {
    Index count = 1;
    for (Index v = 0; v < variables_; ++v)
      if ((count *= classes_) > (Index{1} << 20))
        fail<ValueError>("CategoricalVae: ", classes_, "^", variables_,
                         " codes are too many to enumerate, expected at most 2^20; use log_likelihood");
    const Index width = variables_ * classes_;
    std::vector<Index> place(static_cast<std::size_t>(variables_), 1);  // of a variable in the number of a code
    for (std::size_t v = place.size() - 1; v-- > 0;) place[v] = place[v + 1] * classes_;
    return Tensor<S>::generate({count, width}, [&](Index i) {
      const Index code = i / width, variable = i % width / classes_;
      return S(code / place[static_cast<std::size_t>(variable)] % classes_ == i % classes_ ? 1 : 0);
    });
  }
  /// n draws of x, as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return decode(prior().sample(n, rng)).sample(rng);
  }
  /// The decoder's mean at the likeliest code: x [.., d] -> [.., d].
  Tensor<S> reconstruct(const Tensor<S>& x) const { return decode(encode(x).mode()).mean(); }

  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder_);
    visit("decoder", self.decoder_);
  }

 private:
  Tensor<S> logits(const Tensor<S>& x) const {
    const Tensor<S> h = encoder_(x);
    if (h.rank() == 0 || h.size(-1) != variables_ * classes_)
      fail<ShapeError>("CategoricalVae: the encoder gave shape ", h.shape(), ", expected [.., ", variables_, " times ",
                       classes_, "]");
    return h;
  }

  Net encoder_;
  Decoder decoder_;
  Index variables_, classes_;
};

/// How discrete codes are relaxed in training.
struct RelaxedElboOptions {
  double temperature = 1;         ///< lowered in training from about 1 to 0.5 or less, see `annealed`
  double beta = 1;                ///< weight of the divergence
  Index samples = 1;              ///< draws of z per example
  bool straight_through = false;  ///< the decoder sees one-hot vectors, with the gradient of relaxed ones
};

/// What `relaxed_elbo` gives: a loss in nats per example.
struct RelaxedElbo {
  RelaxedElboOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    const ElboOptions bound{.beta = options.beta, .samples = options.samples};
    return -over(evidence_lower_bound(model.relaxed(options.temperature, options.straight_through), batch, bound, rng));
  }
};

/// The objective of a CategoricalVae: - E[log p(x | z)] over relaxed codes z + beta KL of the choices, in closed form
/// (Jang et al. 2017, sec. 4.2). It is no bound itself; that of the model is `vae.elbo(x, rng)`.
///
///     annealed([](Index step, Index) { return relaxed_elbo({.temperature = std::max(0.5, std::exp(-1e-4 * step))}); })
inline RelaxedElbo relaxed_elbo(const RelaxedElboOptions& options = {}) { return {options}; }

}  // namespace pushforward
