// LabelledNormal: a trained normal distribution for each label.
#pragma once

#include <pushforward/distributions/mixture.hpp>

namespace pushforward {

/// A normal distribution over `features` numbers for each of k labels, with trained means and standard deviations: as
/// the base of a flow it makes a class-conditional density and a classifier (FlowGMM, Izmailov et al. 2020, eq. 2).
///
/// Given a label it is N(mean[label], diag(std[label]^2)); without one the mixture over labels with the weights
/// softmax(logits), equal at first. `logits` are not trained: assign the logarithms of the labels' frequencies.
template <class S = float>
struct LabelledNormal {
  using Scalar = S;
  Parameter<S> mean, log_std;  ///< [k, features]
  Buffer<S> logits;            ///< [k]

  LabelledNormal() = default;
  /// Means start normally distributed with standard deviation `spread`, standard deviations at 1. Throws ValueError for
  /// no labels or features.
  LabelledNormal(Index labels, Index features, Rng& rng, double spread = 2.0) {
    if (labels < 1 || features < 1)
      fail<ValueError>("LabelledNormal: got ", labels, " labels and ", features, " features, expected at least 1 each");
    mean = normal<S>({labels, features}, rng) * spread;
    log_std = Tensor<S>::zeros({labels, features});
    logits = Tensor<S>::zeros({labels});
  }

  /// The shape of a draw, [features].
  Shape shape() const { return mean.shape().without(0); }
  /// The distributions of rows with the given labels [n], their shape [n, features]. Throws ValueError for a label that
  /// there is not.
  Normal<S> given(const Tensor<Index>& label) const {
    for (const Index each : label)
      if (each < 0 || each >= mean.size(0))
        fail<ValueError>("LabelledNormal: label ", each, " is outside of 0 to ", mean.size(0) - 1);
    return Normal<S>::from_log_std(index_select(mean, 0, label), index_select(log_std, 0, label));
  }
  /// The distribution of rows whose label is not known.
  Mixture<Normal<S>> operator()() const { return {logits, Normal<S>::from_log_std(mean, log_std)}; }

  /// log p(x | label) in nats: x [n, features], label [n] -> [n].
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& label) const {
    check(x);
    if (!(x.shape().without(-1) == label.shape()))
      fail<ShapeError>("LabelledNormal: labels of shape ", label.shape(), " for x of shape ", x.shape(),
                       ", expected one for each row of [n, features]");
    return given(label).log_prob(x);
  }
  /// One draw for each label [n]: [n, features].
  Tensor<S> sample(const Tensor<Index>& label, Rng& rng) const { return given(label).sample(rng); }
  /// P(label | x): x [.., features] -> [.., k].
  Tensor<S> label_probabilities(const Tensor<S>& x) const {
    check(x);
    return (*this)().responsibilities(x);
  }

  /// log p(x), the sum over labels, in nats.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    check(x);
    return (*this)().log_prob(x);
  }
  Tensor<S> sample(Index n, Rng& rng) const { return (*this)().sample(n, rng); }

  static void members(auto& self, auto&& visit) {
    visit("mean", self.mean);
    visit("log_std", self.log_std);
    visit("logits", self.logits);
  }

 private:
  // Events of one number would be broadcast.
  void check(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != mean.size(1))
      fail<ShapeError>("LabelledNormal: x of shape ", x.shape(), ", expected [.., ", mean.size(1), "]");
  }
};

}  // namespace pushforward
