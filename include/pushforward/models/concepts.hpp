// The questions that every model family answers, and log_likelihood(), which asks the one with several answers.
#pragma once

#include <concepts>
#include <type_traits>

#include <pushforward/distributions/concepts.hpp>

namespace pushforward {

/// Something that draws: `sample(n, rng)` gives n draws along the first axis, [n, d] for vectors.
///
/// Every family does: flows, autoregressive models, variational autoencoders, GANs, diffusion, flow matching and
/// energy-based models, and so do distributions and the toy densities of data::.
template <class M, class S = float>
concept GenerativeModel = requires(const M& model, Index n, Rng& rng) {
  { model.sample(n, rng) } -> std::convertible_to<Tensor<S>>;
};

/// A generative model whose density is known exactly: `log_prob(x)` in nats. It may stand wherever a density is asked
/// for: as the prior of a variational autoencoder, as the base of a flow.
template <class M, class S = float>
concept ExactDensity = GenerativeModel<M, S> && Density<M, S>;

/// A model that bounds or estimates log p(x): `log_likelihood(x, rng)` says which.
template <class M, class S = float>
concept ApproximateDensity = requires(const M& model, const Tensor<S>& x, Rng& rng) {
  { model.log_likelihood(x, rng) } -> std::convertible_to<LogLikelihood<S>>;
};

/// A model that scores data, exactly or not. GANs do not.
template <class M, class S = float>
concept HasLikelihood = Density<M, S> || ApproximateDensity<M, S>;

namespace detail {

// What the scores of data of T are made of: tokens are scored in the model's own scalar.
template <class M, class T>
using score_of = std::conditional_t<std::is_floating_point_v<T>, T, scalar_of<M>>;

template <class M, class T, class... Given>
concept ScoresExactly = requires(const M& model, const Tensor<T>& x, const Tensor<Given>&... given) {
  { model.log_prob(x, given...) } -> std::convertible_to<Tensor<score_of<M, T>>>;
};
template <class M, class T, class... Given>
concept ScoresSomehow = requires(const M& model, const Tensor<T>& x, const Tensor<Given>&... given, Rng& rng) {
  { model.log_likelihood(x, given..., rng) } -> std::convertible_to<LogLikelihood<score_of<M, T>>>;
};

template <class M, class T, class... Given>
LogLikelihood<score_of<M, T>> score_data(const M& model, Rng& rng, const Tensor<T>& x, const Tensor<Given>&... given) {
  static_assert(ScoresExactly<M, T, Given...> || ScoresSomehow<M, T, Given...>,
                "pushforward: this model has neither log_prob(x) nor log_likelihood(x, rng), so it does not score data "
                "of this scalar (a GAN never does); compare draws instead, with sliced_wasserstein or mmd.");
  if constexpr (ScoresExactly<M, T, Given...>)
    return {model.log_prob(x, given...), LikelihoodKind::exact};
  else
    return model.log_likelihood(x, given..., rng);
}

}  // namespace detail

/// log p(x) in nats by what the model has, and which kind it is: x [n, ..], numbers or tokens -> [n].
///
/// The model's `log_prob(x)` where it has one (exact; `rng` is not used), else its `log_likelihood(x, rng)`.
template <class M, class T>
LogLikelihood<detail::score_of<M, T>> log_likelihood(const M& model, const Tensor<T>& x, Rng& rng) {
  return detail::score_data(model, rng, x);
}
/// log p(x | given) for labels [n] or conditions [n, ..] of a model that takes them: by `log_prob(x, given)` or
/// `log_likelihood(x, given, rng)`.
template <class M, class T, class Given>
LogLikelihood<detail::score_of<M, T>> log_likelihood(const M& model, const Tensor<T>& x, const Tensor<Given>& given,
                                                     Rng& rng) {
  return detail::score_data(model, rng, x, given);
}

}  // namespace pushforward
