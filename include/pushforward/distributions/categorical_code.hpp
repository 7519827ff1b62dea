// CategoricalCode: several choices side by side, as one-hot vectors; RelaxedCategoricalCode: with gradients.
#pragma once

#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/one_hot_categorical.hpp>
#include <pushforward/distributions/relaxed.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

// [.., variables k] -> [.., variables, k]
template <class S>
Tensor<S> by_variable(const char* name, const Tensor<S>& x, Index classes) {
  if (classes < 2) fail<ValueError>(name, ": got ", classes, " classes, expected at least 2");
  if (x.rank() == 0 || x.size(-1) == 0 || x.size(-1) % classes != 0)
    fail<ShapeError>(name, ": got shape ", x.shape(), ", expected [.., variables times ", classes, " classes]");
  const Index variables = x.size(-1) / classes;
  return reshape(x, x.shape().with(-1, variables).inserted(x.rank(), classes));
}
// [.., variables, k] -> [.., variables k]
template <class S>
Tensor<S> side_by_side(const Tensor<S>& x) {
  return reshape(x, x.shape().without(-1).with(-1, x.size(-1) * x.size(-2)));
}

}  // namespace detail

/// A relaxed code: draws of GumbelSoftmax for each variable, side by side, in the place of one-hot vectors (Jang et al.
/// 2017; Maddison et al. 2017).
///
/// Its divergence from a CategoricalCode is that of the choices, in closed form. `straight_through` draws are one-hot
/// vectors with the gradient of the relaxed ones, which is biased.
template <class S = float>
class RelaxedCategoricalCode {
 public:
  using Scalar = S;

  RelaxedCategoricalCode(double temperature, const Tensor<S>& logits, Index classes, bool straight_through = false)
      : each_(temperature, detail::by_variable("RelaxedCategoricalCode", logits, classes)),
        straight_through_(straight_through) {}

  /// [.., variables k]
  Shape shape() const { return each_.shape().without(-1).with(-1, each_.shape()[-1] * each_.shape()[-2]); }
  Index classes() const { return each_.shape()[-1]; }
  /// [.., variables, k]
  const Tensor<S>& logits() const { return each_.logits(); }
  double temperature() const { return each_.temperature(); }

  /// The density of relaxed draws in nats: z [.., variables k] -> [..].
  Tensor<S> log_prob(const Tensor<S>& z) const {
    return sum(each_.log_prob(detail::by_variable("RelaxedCategoricalCode", z, classes())), -1);
  }
  /// n draws with gradients, [n, .., variables k].
  Tensor<S> rsample(Index n, Rng& rng) const {
    return detail::side_by_side(straight_through_ ? each_.rsample_one_hot(n, rng) : each_.rsample(n, rng));
  }
  Tensor<S> rsample(Rng& rng) const { return squeeze(rsample(1, rng), 0); }
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }

  static void members(auto&, auto&&) {}

 private:
  GumbelSoftmax<S> each_;
  bool straight_through_;
};

/// A code of independent choices, each of one among k classes, as one-hot vectors side by side: events [.., variables
/// k] of zeros and ones, from logits of that shape.
///
/// Draws have no gradient; `relaxed` ones do. Throws ShapeError unless the classes divide the logits, ValueError for
/// fewer than two classes.
template <class S = float>
class CategoricalCode {
 public:
  using Scalar = S;

  CategoricalCode(const Tensor<S>& logits, Index classes)
      : each_(detail::by_variable("CategoricalCode", logits, classes)) {}
  /// With every class as likely as any other.
  static CategoricalCode uniform(Index variables, Index classes) {
    return {Tensor<S>::zeros({variables * classes}), classes};
  }

  /// [.., variables k]
  Shape shape() const { return each_.shape().without(-1).with(-1, variables() * classes()); }
  Index variables() const { return each_.shape()[-2]; }
  Index classes() const { return each_.shape()[-1]; }
  /// Of each variable, batched along its axis: [.., variables, k].
  const OneHotCategorical<S>& each() const { return each_; }
  /// The probabilities, [.., variables k].
  Tensor<S> mean() const { return detail::side_by_side(each_.mean()); }
  Tensor<S> variance() const { return detail::side_by_side(each_.variance()); }
  /// The likeliest class of each variable, [.., variables k].
  Tensor<S> mode() const { return detail::side_by_side(one_hot<S>(argmax(each_.logits(), -1), classes())); }

  /// log P(z) in nats: one-hot vectors z [.., variables k] -> [..].
  Tensor<S> log_prob(const Tensor<S>& z) const {
    return sum(each_.log_prob(detail::by_variable("CategoricalCode", z, classes())), -1);
  }
  /// n draws, [n, .., variables k].
  Tensor<S> sample(Index n, Rng& rng) const { return detail::side_by_side(each_.sample(n, rng)); }
  Tensor<S> sample(Rng& rng) const { return detail::side_by_side(each_.sample(rng)); }
  /// The entropy in nats: [..].
  Tensor<S> entropy() const { return sum(each_.entropy(), -1); }
  /// The same choices with relaxed draws, closer to one-hot vectors the lower the temperature.
  RelaxedCategoricalCode<S> relaxed(double temperature, bool straight_through = false) const {
    return {temperature, detail::side_by_side(each_.logits()), classes(), straight_through};
  }

  static void members(auto&, auto&&) {}

 private:
  OneHotCategorical<S> each_;
};

/// The sum over the variables of the categoricals': [..].
template <class S>
Tensor<S> kl_divergence(const CategoricalCode<S>& q, const CategoricalCode<S>& p) {
  return sum(kl_divergence(q.each(), p.each()), -1);
}
/// That of the choices that the draws stand for, not of their relaxed density.
template <class S>
Tensor<S> kl_divergence(const RelaxedCategoricalCode<S>& q, const CategoricalCode<S>& p) {
  return sum(kl_divergence(Categorical<S>(q.logits()), p.each().categorical()), -1);
}

}  // namespace pushforward
