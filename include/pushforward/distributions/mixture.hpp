// Mixture: a weighted sum of densities.
#pragma once

#include <pushforward/distributions/categorical.hpp>
#include <pushforward/distributions/normal.hpp>

namespace pushforward {

/// A mixture, p(x) = sum_k w_k p_k(x) with w = softmax(logits).
///
/// Logits [.., k] and one distribution whose parameters are batched along the component axis, [.., k, d]: for eight
/// normals in the plane, logits [8] and Normal(mean [8, 2], std [8, 2]). Throws ShapeError if the two do not match.
template <class Component>
class Mixture {
 public:
  using Scalar = typename Component::Scalar;
  using S = Scalar;

  Mixture(const Tensor<S>& logits, Component components) : weights_(logits), components_(std::move(components)) {
    const Shape& shape = components_.shape();
    if (shape.rank() < 2 || !(shape.without(-1) == logits.shape()))
      fail<ShapeError>("Mixture: logits of shape ", logits.shape(), " and components of shape ", shape,
                       ", expected [.., k] and [.., k, d]");
  }

  /// The shape of a draw, [.., d].
  Shape shape() const { return components_.shape().without(-2); }
  const Categorical<S>& weights() const { return weights_; }
  const Component& components() const { return components_; }
  /// sum of w_k mean_k, [.., d].
  Tensor<S> mean() const { return averaged(components_.mean()); }
  /// The law of total variance, [.., d].
  Tensor<S> variance() const {
    return averaged(components_.variance() + square(components_.mean() - unsqueeze(mean(), -2)));
  }

  /// log sum_k w_k p_k(x) in nats: x [.., d] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const { return logsumexp(joint(x), -1); }
  /// The probability that x came from each component: x [.., d] -> [.., k].
  Tensor<S> responsibilities(const Tensor<S>& x) const { return softmax(joint(x), -1); }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return chosen(weights_.sample(n, rng), components_.sample(n, rng));
  }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const {
    NoGradient guard;
    return chosen(weights_.sample(rng), components_.sample(rng));
  }

  static void members(auto&, auto&&) {}

 private:
  // log w_k + log p_k(x), [.., k].
  Tensor<S> joint(const Tensor<S>& x) const {
    if (x.rank() == 0) fail<ShapeError>("Mixture::log_prob: got a scalar, expected events along a last axis, [.., d]");
    return weights_.log_probabilities() + components_.log_prob(unsqueeze(x, x.rank() - 1));
  }
  Tensor<S> averaged(const Tensor<S>& x) const { return sum(unsqueeze(weights_.probabilities(), -1) * x, -2); }
  // Of draws [.., k, d] from every component the one that was chosen, [.., d].
  static Tensor<S> chosen(const Tensor<Index>& choice, const Tensor<S>& draws) {
    const Index k = draws.size(-2), d = draws.size(-1);
    return Tensor<S>::build(draws.shape().without(-2), [&](S* out) {
      for (Index i = 0; i < choice.size(); ++i)
        std::copy_n(draws.data() + (i * k + choice.data()[i]) * d, d, out + i * d);
    });
  }

  Categorical<S> weights_;
  Component components_;
};

/// A mixture of k normals over `features` numbers with trained weights, means and standard deviations.
template <class S = float>
struct LearnedMixture {
  using Scalar = S;
  Parameter<S> logits, mean, log_std;

  LearnedMixture() = default;
  /// Means start normally distributed with standard deviation `spread`, the rest with equal weights and std 1.
  LearnedMixture(Index k, Index features, Rng& rng, double spread = 1.0)
      : logits(Tensor<S>::zeros({k})),
        mean(normal<S>({k, features}, rng) * spread),
        log_std(Tensor<S>::zeros({k, features})) {}

  /// The shape of a draw, [features].
  Shape shape() const { return mean.shape().without(0); }
  /// The distribution at the present parameters.
  Mixture<Normal<S>> operator()() const { return {logits, Normal<S>::from_log_std(mean, log_std)}; }
  Tensor<S> log_prob(const Tensor<S>& x) const { return (*this)().log_prob(x); }
  Tensor<S> sample(Index n, Rng& rng) const { return (*this)().sample(n, rng); }

  static void members(auto& self, auto&& visit) {
    visit("logits", self.logits);
    visit("mean", self.mean);
    visit("log_std", self.log_std);
  }
};

}  // namespace pushforward
