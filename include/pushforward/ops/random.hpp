// Random tensors. Randomness is an argument: the same generator state gives the same bits for any number of threads.
#pragma once

#include <pushforward/core/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// Uniform draws in [low, high). Throws ValueError unless low <= high.
template <class S = float>
Tensor<S> uniform(const Shape& shape, Rng& rng, double low = 0, double high = 1) {
  if (!(low <= high)) fail<ValueError>("uniform: the bounds are ", low, " and ", high, ", expected low <= high");
  return Tensor<S>::build(
      shape, [&](S* out) { detail::fill_uniform(out, shape.size(), static_cast<S>(low), static_cast<S>(high), rng); });
}

/// Normal draws with mean 0 and variance 1.
template <class S = float>
Tensor<S> normal(const Shape& shape, Rng& rng) {
  return Tensor<S>::build(shape, [&](S* out) { detail::fill_normal(out, shape.size(), rng); });
}

/// Exponential draws with mean 1.
template <class S = float>
Tensor<S> exponential(const Shape& shape, Rng& rng) {
  return Tensor<S>::build(shape, [&](S* out) { detail::fill_exponential(out, shape.size(), rng); });
}

/// Standard Gumbel draws, -log(-log(u)).
template <class S = float>
Tensor<S> gumbel(const Shape& shape, Rng& rng) {
  return Tensor<S>::build(shape, [&](S* out) { detail::fill_gumbel(out, shape.size(), rng); });
}

namespace detail {

template <class S, class Valid>
void check_each(const char* operation, const Tensor<S>& x, const Valid& valid, const char* expected) {
  for (Index i = 0; i < x.size(); ++i)
    if (!valid(x.data()[i])) fail<ValueError>(operation, ": element ", i, " is ", x.data()[i], ", expected ", expected);
}

}  // namespace detail

/// 1 with probability p, else 0, for each p. Throws ValueError for a p outside of [0, 1].
template <class S>
Tensor<S> bernoulli(const Tensor<S>& p, Rng& rng) {
  detail::check_each(
      "bernoulli", p, [](S x) { return x >= S(0) && x <= S(1); }, "a probability between 0 and 1");
  return Tensor<S>::build(p.shape(), [&](S* out) { detail::fill_bernoulli(out, p.data(), p.size(), rng); });
}

/// One category per row of `logits` [.., k] (unnormalized log-probabilities), by the Gumbel-max trick; k becomes
/// dropped.
template <class S>
Tensor<Index> categorical(const Tensor<S>& logits, Rng& rng) {
  detail::check_each(
      "categorical", logits, [](S x) { return x == x && x != std::numeric_limits<S>::infinity(); },
      "a log-probability below infinity");
  return argmax(stop_gradient(logits) + gumbel<S>(logits.shape(), rng), -1);
}

/// Gamma draws of shape parameter `alpha` and rate 1 (Marsaglia and Tsang 2000). Throws ValueError unless alpha > 0.
template <class S>
Tensor<S> gamma(const Tensor<S>& alpha, Rng& rng) {
  detail::check_each(
      "gamma", alpha, [](S x) { return x > S(0) && x <= std::numeric_limits<S>::max(); },
      "a positive finite shape parameter");
  return Tensor<S>::build(alpha.shape(), [&](S* out) { detail::fill_gamma(out, alpha.data(), alpha.size(), rng); });
}

/// The logarithm of gamma draws, finite also where a small `alpha` makes the draw itself vanish.
template <class S>
Tensor<S> log_gamma_draw(const Tensor<S>& alpha, Rng& rng) {
  detail::check_each(
      "gamma", alpha, [](S x) { return x > S(0) && x <= std::numeric_limits<S>::max(); },
      "a positive finite shape parameter");
  return Tensor<S>::build(alpha.shape(), [&](S* out) { detail::fill_log_gamma(out, alpha.data(), alpha.size(), rng); });
}

/// Beta draws, as a / (a + b) of two gamma draws; `alpha` and `beta` broadcast. Throws ValueError unless both > 0.
template <class S>
Tensor<S> beta(const Tensor<S>& alpha, const Tensor<S>& beta, Rng& rng) {
  NoGradient guard;
  const Shape shape = broadcast(alpha.shape(), beta.shape(), "beta");
  const Tensor<S> log_a = log_gamma_draw(expand(alpha, shape), rng), log_b = log_gamma_draw(expand(beta, shape), rng);
  return sigmoid(log_a - log_b);
}

/// A random order of 0, ..., n - 1, all orders equally likely.
inline Tensor<Index> permutation(Index n, Rng& rng) {
  return Tensor<Index>::build(Shape{n}, [&](Index* out) { detail::fill_permutation(out, n, rng); });
}

}  // namespace pushforward
