// Bernoulli: independent binary components.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// Independent binary components, P(x = 1) = sigmoid(logits).
///
/// Logits of shape [.., d]: the last axis is the event; a scalar makes a distribution of plain numbers. Throws
/// ValueError for logits that are not finite.
template <class S = float>
class Bernoulli {
 public:
  using Scalar = S;

  explicit Bernoulli(const Tensor<S>& logits) : logits_(logits) {
    if (detail::any_of(logits, [](S l) { return l - l != S(0); }))
      fail<ValueError>(
          "Bernoulli: logits contain NaN or infinity, expected finite numbers; find where they arose with NanCheck");
  }
  /// With probabilities in [0, 1]; 0 and 1 become e^-200 (double: e^-700) and its complement. Throws ValueError for
  /// others.
  static Bernoulli from_probabilities(const Tensor<S>& p) {
    if (detail::any_of(p, [](S x) { return !(x >= S(0) && x <= S(1)); }))
      fail<ValueError>("Bernoulli: a probability lies outside of [0, 1]; to give logits use the constructor");
    constexpr double bound = sizeof(S) == 4 ? 200.0 : 700.0;
    return Bernoulli(clamp(log(p) - log1p(-p), -bound, bound));
  }

  const Shape& shape() const { return logits_.shape(); }
  const Tensor<S>& logits() const { return logits_; }
  /// The probabilities of 1, [.., d].
  Tensor<S> mean() const { return sigmoid(logits_); }
  Tensor<S> variance() const {
    const Tensor<S> p = mean();
    return p * sigmoid(-logits_);
  }

  /// sum over the event of x l - log(1 + e^l) in nats: x [.., d] -> [..], broadcast against the logits.
  ///
  /// x may lie between 0 and 1: then it is minus the cross-entropy. Stable for logits of any size.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    return detail::event_sum(
        shape(), [](auto l, auto u) { return u * l - softplus(l); }, logits_, x);
  }

  /// n draws of zeros and ones, [n, .., d].
  Tensor<S> sample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape()), rng); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return drawn(shape(), rng); }

  /// The entropy in nats, sum of softplus(l) - l sigmoid(l): [..].
  Tensor<S> entropy() const {
    return detail::event_sum(
        shape(), [](auto l) { return softplus(l) - l * sigmoid(l); }, logits_);
  }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return bernoulli(expand(mean(), shape), rng);
  }

  Tensor<S> logits_;
};

}  // namespace pushforward
