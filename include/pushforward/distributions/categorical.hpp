// Categorical: one of k classes.
#pragma once

#include <algorithm>
#include <limits>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// Rows of logits [.., k] make probabilities where their maximum is finite; -infinity excludes a class.
template <class S>
void check_logits(const char* distribution, const Tensor<S>& logits) {
  if (!any_of(logits, [](S l) { return l - l != S(0); })) return;
  check_not_nan(distribution, "logits", logits);
  const Index k = logits.size(-1);
  for (Index row = 0; row < logits.size() / k; ++row) {
    S most = -std::numeric_limits<S>::infinity();
    for (Index i = 0; i < k; ++i) most = std::max(most, logits.data()[row * k + i]);
    if (most - most != S(0))
      fail<ValueError>(distribution, ": the largest of row ", row, " of the logits is ", most,
                       ", expected a finite number; -infinity excludes a class, but not all");
  }
}

}  // namespace detail

/// One of k classes, P(x = i) = softmax(logits)[i].
///
/// Logits of shape [.., k]; an event is the number of a class, so draws and data are Tensor<Index> without the axis k.
/// Throws ShapeError for logits without classes, ValueError for a NaN,
/// +infinity, or a row without any finite number. -infinity excludes a class.
template <class S = float>
class Categorical {
 public:
  using Scalar = S;

  explicit Categorical(const Tensor<S>& logits) : logits_(logits) {
    if (logits.rank() == 0 || logits.size(-1) == 0)
      fail<ShapeError>("Categorical: logits of shape ", logits.shape(), ", expected [.., k] with k > 0 classes");
    detail::check_logits("Categorical", logits);
  }

  /// The shape of the logits, [.., k].
  const Shape& shape() const { return logits_.shape(); }
  Index classes() const { return logits_.size(-1); }
  const Tensor<S>& logits() const { return logits_; }
  /// softmax(logits), [.., k].
  Tensor<S> probabilities() const { return softmax(logits_, -1); }
  /// log softmax(logits), [.., k].
  Tensor<S> log_probabilities() const { return log_softmax(logits_, -1); }

  /// log P(x) in nats: classes x [..], broadcast against the logits' leading axes. Throws IndexError for a class
  /// outside.
  Tensor<S> log_prob(const Tensor<Index>& x) const {
    const Tensor<S> scores = log_probabilities();
    if (scores.rank() == 1) return reshape(index_select(scores, 0, reshape(x, Shape{x.size()})), x.shape());
    const Shape batch = broadcast(x.shape(), shape().without(-1), "Categorical::log_prob");
    const Tensor<S> rows = expand(scores, batch.inserted(batch.rank(), classes()));
    return squeeze(gather(rows, -1, unsqueeze(expand(x, batch), -1)), -1);
  }

  /// n draws, [n, ..].
  Tensor<Index> sample(Index n, Rng& rng) const {
    return categorical(detail::expand_values(logits_, detail::batched(n, shape())), rng);
  }
  /// One draw, [..].
  Tensor<Index> sample(Rng& rng) const { return categorical(logits_, rng); }

  /// The entropy in nats, - sum p log p: [..].
  Tensor<S> entropy() const {
    const Tensor<S> scores = log_probabilities();
    return -sum(exp(scores) * maximum(scores, static_cast<S>(std::numeric_limits<S>::lowest())), -1);
  }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> logits_;
};

}  // namespace pushforward
