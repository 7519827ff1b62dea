// ConditionalVae: a variational autoencoder of x given y.
#pragma once

#include <pushforward/models/vae.hpp>

namespace pushforward {

namespace detail {

// x [.., n, d] and conditions y [n, c] side by side, [.., n, d + c].
template <class S>
Tensor<S> beside(const Tensor<S>& x, const Tensor<S>& y) {
  if (x.rank() < 2 || y.rank() != 2 || x.size(-2) != y.size(0))
    fail<ShapeError>("ConditionalVae: got rows ", x.shape(), " with conditions ", y.shape(),
                     ", expected [.., n, d] and [n, c]");
  return concat({x, expand(y, x.shape().with(-1, y.size(1)))}, -1);
}

}  // namespace detail

/// A variational autoencoder of x given y (Sohn et al. 2015, with a prior that does not know y): p(x | y) = E over
/// z ~ prior of p(x | z, y).
///
/// The encoder takes rows of x and y side by side, [n, d + c], the decoder rows of z and y, [n, latent + c]. Conditions
/// are numbers [n, c], labels as one_hot(labels, classes). `given(y)` is a latent-variable model like any other, and
/// `conditional(objective)` trains one on tuples of x and y.
///
///     ConditionalVae vae(GaussianHead(Mlp({784 + 10, 400, 2 * 20}, rng)),
///                        BernoulliHead(Mlp({20 + 10, 400, 784}, rng)), 20);
///     fit(vae, std::tuple(images, one_hot(labels, 10)), conditional(elbo()), {}, rng);
template <class Encoder, class Decoder, class Prior>
class ConditionalVae {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;

  ConditionalVae(Encoder encoder, Decoder decoder, Prior prior)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)), prior_(std::move(prior)) {}
  /// With the prior N(0, I) over `latent` numbers.
  ConditionalVae(Encoder encoder, Decoder decoder, Index latent) requires std::same_as<Prior, Normal<Scalar>>
      : ConditionalVae(std::move(encoder), std::move(decoder), standard_normal<Scalar>(latent)) {}

  /// The model of n rows under their conditions. It refers to the ConditionalVae, which must outlive it.
  class Given {
   public:
    using Scalar = S;
    Given(const ConditionalVae* vae, const Tensor<S>& y) : vae_(vae), y_(y) {}
    auto encode(const Tensor<S>& x) const { return vae_->encoder_(detail::beside(x, y_)); }
    auto decode(const Tensor<S>& z) const { return vae_->decoder_(detail::beside(z, y_)); }
    const Prior& prior() const { return vae_->prior_; }

   private:
    const ConditionalVae* vae_;
    Tensor<S> y_;
  };

  /// The model under the conditions y [n, c], for n rows of x or z.
  Given given(const Tensor<S>& y) const& { return {this, y}; }
  Given given(const Tensor<S>& y) && = delete;
  const Prior& prior() const { return prior_; }

  /// The evidence lower bound of log p(x | y) per example, in nats: x [n, d], y [n, c] -> [n].
  Tensor<S> elbo(const Tensor<S>& x, const Tensor<S>& y, Rng& rng, const ElboOptions& options = {}) const {
    return evidence_lower_bound(given(y), x, options, rng);
  }
  /// Lower bounds of log p(x | y) by importance sampling: x [n, d], y [n, c] -> [n], constants. Throws ShapeError.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, const Tensor<S>& y, Rng& rng,
                                  const ImportanceOptions& options = {}) const {
    if (x.rank() != 2 || y.rank() != 2 || x.size(0) != y.size(0))
      fail<ShapeError>("ConditionalVae::log_likelihood: x of shape ", x.shape(), " and y of shape ", y.shape(),
                       ", expected [n, d] and [n, c]");
    constexpr Index most = 100;  // what importance_log_likelihood takes at once
    std::vector<Tensor<S>> parts;
    for (Index i = 0; i < x.size(0); i += most) {
      const Index end = std::min(i + most, x.size(0));
      parts.push_back(importance_log_likelihood(given(slice(y, 0, i, end)), slice(x, 0, i, end), options, rng));
    }
    return {parts.empty() ? Tensor<S>::zeros({0}) : concat(parts, 0), LikelihoodKind::lower_bound};
  }
  /// A draw of x for each row of y [n, c], as constants: [n, d].
  Tensor<S> sample(const Tensor<S>& y, Rng& rng) const {
    NoGradient guard;
    return given(y).decode(prior_.sample(y.size(0), rng)).sample(rng);
  }
  /// The decoder's mean at the encoder's mean: x [n, d], y [n, c] -> [n, d].
  Tensor<S> reconstruct(const Tensor<S>& x, const Tensor<S>& y) const {
    const Given model = given(y);
    return model.decode(model.encode(x).mean()).mean();
  }

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
ConditionalVae(Encoder, Decoder, I) -> ConditionalVae<Encoder, Decoder, Normal<detail::scalar_of<Encoder>>>;

/// What `conditional` gives: a loss for rows x with conditions y.
template <class Objective>
struct ConditionalObjective {
  Objective objective;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& x, const Tensor<S>& y, Rng& rng,
                       const ExampleMean& over = {}) const {
    if (over.plain()) return evaluate_objective(objective, model.given(y), x, rng);
    return evaluate_objective(objective, model.given(y), x, rng, over);
  }
  auto at(Index step, Index total) const requires requires(const Objective& o) { o.at(step, total); }
  {
    const auto now = objective.at(step, total);
    return ConditionalObjective<std::remove_const_t<decltype(now)>>{now};
  }
};

/// The objective of a ConditionalVae from that of a Vae: `fit(vae, std::tuple(x, y), conditional(elbo()), ...)`.
template <class Objective>
ConditionalObjective<Objective> conditional(Objective objective) {
  return {std::move(objective)};
}

}  // namespace pushforward
