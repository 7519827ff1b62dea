// What a density and a distribution are: the questions that every model family answers.
#pragma once

#include <concepts>
#include <type_traits>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>

namespace pushforward {

/// Something that scores data: `log_prob(x)` gives log p(x) in nats, one number per event.
///
/// The event is the last axis: x [n, d] -> [n], x [k, n, d] -> [k, n].
template <class D, class S = float>
concept Density = requires(const D& density, const Tensor<S>& x) {
  { density.log_prob(x) } -> std::convertible_to<Tensor<S>>;
};

/// A density that can be drawn from: `sample(n, rng)` gives n independent draws along a new first axis.
template <class D, class S = float>
concept Distribution = Density<D, S> && requires(const D& distribution, Index n, Rng& rng) {
  { distribution.sample(n, rng) } -> std::convertible_to<Tensor<S>>;
};

/// A distribution whose draws are a differentiable function of its parameters and of noise: `rsample(n, rng)`.
template <class D, class S = float>
concept Reparameterized = Density<D, S> && requires(const D& distribution, Index n, Rng& rng) {
  { distribution.rsample(n, rng) } -> std::convertible_to<Tensor<S>>;
};

/// A density for each of some labels: `log_prob(x, label)`, `sample(label, rng)`, and `label_probabilities(x)` by
/// Bayes' rule, with labels Tensor<Index> [n], one for each row. A flow that stands on one has the same.
template <class D, class S = float>
concept LabelledDensity = requires(const D& density, const Tensor<S>& x, const Tensor<Index>& label, Rng& rng) {
  { density.log_prob(x, label) } -> std::convertible_to<Tensor<S>>;
  { density.sample(label, rng) } -> std::convertible_to<Tensor<S>>;
  { density.label_probabilities(x) } -> std::convertible_to<Tensor<S>>;
};

/// Draws, and the logarithm of their density in nats.
template <class S = float>
struct Draws {
  Tensor<S> value;     ///< [n, ...]
  Tensor<S> log_prob;  ///< [n, ...] without the event axis
};

/// How log-likelihoods relate to the model's log p(x).
enum class LikelihoodKind {
  exact,        ///< log p(x) itself, up to rounding
  lower_bound,  ///< at most log p(x) on average: a variational autoencoder's
  estimate      ///< near log p(x), on either side: by an ODE solver, or with an estimated normalizing constant
};

/// Log-likelihoods that say what they are.
template <class S = float>
struct LogLikelihood {
  Tensor<S> value;  ///< nats, one per event
  LikelihoodKind kind = LikelihoodKind::exact;
};

namespace detail {

template <class T>
struct ScalarArgument {
  using type = float;
};
template <template <class> class M, std::floating_point S>
struct ScalarArgument<M<S>> {
  using type = S;
};
template <class T>
struct ScalarOf : ScalarArgument<T> {};
template <class T>
requires requires { typename T::Scalar; }
struct ScalarOf<T> {
  using type = typename T::Scalar;
};
// The scalar that a part computes in: its Scalar, or its only template argument, or float.
template <class T>
using scalar_of = typename ScalarOf<T>::type;

// Draws of `distribution` and their log-density, by the way that the distribution has for it.
template <class S, class D>
Draws<S> draw_with_log_prob(const D& distribution, Index n, Rng& rng) {
  if constexpr (requires { distribution.sample_and_log_prob(n, rng); }) {
    return distribution.sample_and_log_prob(n, rng);
  } else {
    const Tensor<S> x = distribution.sample(n, rng);
    return {x, distribution.log_prob(x)};
  }
}
template <class S, class D>
Draws<S> rdraw_with_log_prob(const D& distribution, Index n, Rng& rng) {
  if constexpr (requires { distribution.rsample_and_log_prob(n, rng); }) {
    return distribution.rsample_and_log_prob(n, rng);
  } else {
    const Tensor<S> x = distribution.rsample(n, rng);
    return {x, distribution.log_prob(x)};
  }
}

}  // namespace detail

}  // namespace pushforward
