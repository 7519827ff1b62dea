// OneHotCategorical: one of k classes, as a vector with one 1.
#pragma once

#include <pushforward/distributions/categorical.hpp>
#include <pushforward/distributions/kl_divergence.hpp>

namespace pushforward {

/// One of k classes as a vector of zeros and one 1, P(x = e_i) = softmax(logits)[i].
///
/// Logits of shape [.., k]; the last axis is the event. Throws ShapeError for logits without classes, ValueError for a
/// NaN, +infinity, or a row without any finite number.
template <class S = float>
class OneHotCategorical {
 public:
  using Scalar = S;

  explicit OneHotCategorical(const Tensor<S>& logits) : classes_(logits) {}

  /// [.., k].
  const Shape& shape() const { return classes_.shape(); }
  /// The same distribution over the numbers of the classes.
  const Categorical<S>& categorical() const { return classes_; }
  const Tensor<S>& logits() const { return classes_.logits(); }
  /// softmax(logits), [.., k].
  Tensor<S> probabilities() const { return classes_.probabilities(); }
  Tensor<S> mean() const { return probabilities(); }
  Tensor<S> variance() const {
    const Tensor<S> p = probabilities();
    return p * (1 - p);
  }

  /// sum x log p in nats: x [.., k] -> [..].
  ///
  /// x may be probabilities, too: then it is minus the cross-entropy. Classes that neither x nor p allow count 0.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> scores = classes_.log_probabilities();
    const Tensor<S> asked = not_equal(stop_gradient(x), 0) + is_finite(scores);
    return sum(where(asked > 0, x * scores, 0), -1);
  }

  /// n draws of unit vectors, [n, .., k].
  Tensor<S> sample(Index n, Rng& rng) const { return one_hot<S>(classes_.sample(n, rng), classes_.classes()); }
  /// One draw, [.., k].
  Tensor<S> sample(Rng& rng) const { return one_hot<S>(classes_.sample(rng), classes_.classes()); }

  /// The entropy in nats, - sum p log p: [..].
  Tensor<S> entropy() const { return classes_.entropy(); }

  static void members(auto&, auto&&) {}

 private:
  Categorical<S> classes_;
};

/// For one-hot vectors that of the categoricals.
template <class S>
Tensor<S> kl_divergence(const OneHotCategorical<S>& q, const OneHotCategorical<S>& p) {
  return kl_divergence(q.categorical(), p.categorical());
}

}  // namespace pushforward
