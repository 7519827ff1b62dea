// SemiSupervisedVae: a variational autoencoder of examples of which some have labels.
#pragma once

#include <pushforward/distributions/categorical.hpp>
#include <pushforward/models/conditional_vae.hpp>

namespace pushforward {

namespace detail {

// Row numbers with and without a label (those below 0), and where each row of the batch is among the former and then
// the latter.
struct LabelledRows {
  std::vector<Index> with, without, places;

  LabelledRows(const Tensor<Index>& labels, Index classes) : places(static_cast<std::size_t>(labels.size())) {
    for (Index i = 0; i < labels.size(); ++i) {
      const Index label = labels.data()[i];
      if (label >= classes)
        fail<ValueError>("semi_supervised: the label of row ", i, " is ", label, ", expected one below ", classes,
                         ", or a negative number for none");
      (label < 0 ? without : with).push_back(i);
    }
    Index place = 0;
    for (const auto* rows : {&with, &without})
      for (const Index row : *rows) places[static_cast<std::size_t>(row)] = place++;
  }
  static Tensor<Index> numbers(const std::vector<Index>& rows) {
    return Tensor<Index>({static_cast<Index>(rows.size())}, rows);
  }
};

}  // namespace detail

/// A variational autoencoder of x and its class y, where few classes are known (Kingma et al. 2014, the model M2):
///
///     p(x) = sum_y p(y) E_{z ~ prior} p(x | y, z),  q(y, z | x) = q(y | x) q(z | x, y)
///
/// with classes equally likely a priori. `classifier` maps x [.., d] to logits [.., classes]; the encoder takes rows of
/// x and one-hot y side by side, [.., d + classes], the decoder rows of z and y.
///
///     SemiSupervisedVae vae(Mlp({784, 256, 10}, rng), GaussianHead(Mlp({784 + 10, 256, 2 * 20}, rng)),
///                           BernoulliHead(Mlp({20 + 10, 256, 784}, rng)), 20, 10);
///     fit(vae, std::tuple(images, labels), semi_supervised({.alpha = 50}), {}, rng);      // label -1: unknown
template <class Classifier, class Encoder, class Decoder, class Prior>
class SemiSupervisedVae {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;

  SemiSupervisedVae(Classifier classifier, Encoder encoder, Decoder decoder, Prior prior, Index classes)
      : classifier_(std::move(classifier)),
        vae_(std::move(encoder), std::move(decoder), std::move(prior)),
        classes_(classes) {
    if (classes < 2) fail<ValueError>("SemiSupervisedVae: got ", classes, " classes, expected at least 2");
  }
  /// With the prior N(0, I) over `latent` numbers.
  SemiSupervisedVae(Classifier classifier, Encoder encoder, Decoder decoder, Index latent,
                    Index classes) requires std::same_as<Prior, Normal<Scalar>>
      : SemiSupervisedVae(std::move(classifier), std::move(encoder), std::move(decoder), standard_normal<S>(latent),
                          classes) {}

  Index classes() const { return classes_; }
  /// q(y | x): x [.., d] -> a distribution over [..]. Throws ShapeError if the network's output does not fit.
  Categorical<S> classify(const Tensor<S>& x) const {
    const Tensor<S> logits = classifier_(x);
    if (logits.rank() == 0 || logits.size(-1) != classes_)
      fail<ShapeError>("SemiSupervisedVae: the classifier gave shape ", logits.shape(), ", expected [.., ", classes_,
                       "]");
    return Categorical<S>(logits);
  }
  /// The autoencoder of x given one-hot y.
  const ConditionalVae<Encoder, Decoder, Prior>& conditional() const { return vae_; }

  /// A bound of log p(x, y) per example, in nats: x [n, d], y [n] -> [n] (their eq. 6).
  Tensor<S> labelled_bound(const Tensor<S>& x, const Tensor<Index>& y, Rng& rng,
                           const ElboOptions& options = {}) const {
    return vae_.elbo(x, one_hot<S>(y, classes_), rng, options) - log_classes();
  }
  /// A bound of log p(x) per example, in nats: x [n, d] -> [n] (their eq. 7).
  ///
  ///     sum_y q(y | x) (labelled bound of x and y - log q(y | x))
  Tensor<S> unlabelled_bound(const Tensor<S>& x, Rng& rng, const ElboOptions& options = {}) const {
    const Tensor<S> log_q = classify(x).log_probabilities();  // [n, classes]
    const Tensor<S> bounds =
        reshape(labelled_bound(repeated(x), every_class(x.size(0)), rng, options), {classes_, x.size(0)});
    return sum(exp(log_q) * (transpose(bounds) - log_q), -1);
  }
  /// Lower bounds of log p(x) by importance sampling under each class: x [n, d] -> [n], constants.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const ImportanceOptions& options = {}) const {
    const Tensor<S> y = one_hot<S>(every_class(x.size(0)), classes_);
    const Tensor<S> each = vae_.log_likelihood(repeated(x), y, rng, options).value;
    return {logsumexp(reshape(each, {classes_, x.size(0)}), 0) - log_classes(), LikelihoodKind::lower_bound};
  }
  /// n draws of x of any class, as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return sample(categorical(Tensor<S>::zeros({n, classes_}), rng), rng); }
  /// A draw of x for each class y [n], as constants: [n, d].
  Tensor<S> sample(const Tensor<Index>& y, Rng& rng) const { return vae_.sample(one_hot<S>(y, classes_), rng); }

  static void members(auto& self, auto&& visit) {
    visit("classifier", self.classifier_);
    visit("vae", self.vae_);
  }

 private:
  double log_classes() const { return std::log(static_cast<double>(classes_)); }
  // Rows x [n, d] once for each class, [classes n, d], and their classes.
  Tensor<S> repeated(const Tensor<S>& x) const {
    if (x.rank() != 2) fail<ShapeError>("SemiSupervisedVae: x of shape ", x.shape(), ", expected [n, d]");
    return reshape(expand(unsqueeze(x, 0), {classes_, x.size(0), x.size(1)}), {classes_ * x.size(0), x.size(1)});
  }
  Tensor<Index> every_class(Index n) const {
    return Tensor<Index>::generate({classes_ * n}, [n](Index i) { return i / n; });
  }

  Classifier classifier_;
  ConditionalVae<Encoder, Decoder, Prior> vae_;
  Index classes_;
};

template <class Classifier, class Encoder, class Decoder, std::integral I>
SemiSupervisedVae(Classifier, Encoder, Decoder, I, Index)
    -> SemiSupervisedVae<Classifier, Encoder, Decoder, Normal<detail::scalar_of<Encoder>>>;

/// How examples with and without a label are weighed.
struct SemiSupervisedOptions {
  double alpha =
      1;  ///< weight of the classifier's - log q(y | x) of labelled examples; 0.1 N / N_labelled in the paper
  ElboOptions bound = {};
};

/// What `semi_supervised` gives: a loss in nats per example.
struct SemiSupervised {
  SemiSupervisedOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& x, const Tensor<Index>& labels, Rng& rng,
                       const ExampleMean& over = {}) const {
    if (x.rank() != 2 || labels.rank() != 1 || labels.size(0) != x.size(0))
      fail<ShapeError>("semi_supervised: got rows ", x.shape(), " with labels ", labels.shape(),
                       ", expected [n, d] and [n]");
    if (!(options.alpha >= 0)) fail<ValueError>("semi_supervised: .alpha is ", options.alpha, ", expected 0 or more");
    if (x.empty()) fail<ShapeError>("semi_supervised: got no examples");
    const detail::LabelledRows rows(labels, model.classes());
    std::vector<Tensor<S>> losses;
    if (!rows.with.empty()) {
      const Tensor<Index> which = detail::LabelledRows::numbers(rows.with), y = index_select(labels, 0, which);
      const Tensor<S> known = index_select(x, 0, which);
      losses.push_back(model.classify(known).log_prob(y) * -options.alpha -
                       model.labelled_bound(known, y, rng, options.bound));
    }
    if (!rows.without.empty()) {
      const Tensor<Index> which = detail::LabelledRows::numbers(rows.without);
      losses.push_back(-model.unlabelled_bound(index_select(x, 0, which), rng, options.bound));
    }
    const Tensor<S> all = losses.size() == 1 ? losses[0] : concat(losses, 0);
    return over(index_select(all, 0, detail::LabelledRows::numbers(rows.places)));
  }
};

/// The objective of a SemiSupervisedVae on tuples of x [n, d] and labels [n], negative where there is none (Kingma et
/// al. 2014, eq. 8 and 9): minus the labelled or the unlabelled bound, and alpha times the classifier's loss.
inline SemiSupervised semi_supervised(const SemiSupervisedOptions& options = {}) { return {options}; }

}  // namespace pushforward
