// neural_autoregressive_flow, bernstein_flow and sum_of_squares_flow: autoregressive flows of monotone transforms.
#pragma once

#include <vector>

#include <pushforward/bijectors/bernstein.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/bijectors/sigmoidal.hpp>
#include <pushforward/bijectors/sum_of_squares.hpp>
#include <pushforward/bijectors/transform_autoregressive.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `neural_autoregressive_flow` builds a flow.
struct NeuralAutoregressiveFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 3;                          ///< autoregressive bijectors
  Index units = 8;                           ///< sigmoids of each transform
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  bool act_norm = false;                     ///< an ActNorm on the data side of each layer
};

/// How `bernstein_flow` builds a flow.
struct BernsteinFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 3;                          ///< autoregressive bijectors
  Index degree = 16;                         ///< of each polynomial
  double bound = 5;                          ///< polynomials act on [-bound, bound]: data should lie within
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  bool act_norm = false;                     ///< an ActNorm on the data side of each layer
};

/// How `sum_of_squares_flow` builds a flow.
struct SumOfSquaresFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 3;                          ///< autoregressive bijectors
  Index squares = 2;                         ///< polynomials that are squared
  Index degree = 3;                          ///< of each
  double bound = 5;                          ///< the transform is linear outside of [-bound, bound]
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  bool act_norm = false;                     ///< an ActNorm on the data side of each layer
};

namespace detail {

// Autoregressive layers with one transform, the order of the numbers reversed from one to the next. Throws ShapeError
// for a base of other events.
template <class S, class Options, class Transform, class Base>
Flow<Base, Chain<S>> transform_flow(const char* name, const Options& options, const Transform& transform, Base base,
                                    Rng& rng) {
  const Index d = options.features;
  check_flow(name, d, options.layers);
  check_base(name, base, d);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    if (i > 0) chain.append(Reverse());
    MaskedMlp<S> net(
        {.features = d, .outputs = transform.numbers(), .hidden = options.hidden, .activation = options.activation},
        rng);
    chain.append(TransformAutoregressive(std::move(net), d, transform));
    if (options.act_norm) chain.append(ActNorm<S>(d));
  }
  return {std::move(base), std::move(chain)};
}

}  // namespace detail

/// A neural autoregressive flow (NAF, Huang et al. 2018) on a base of your own: autoregressive layers of sigmoidal
/// transforms, which tear modes apart anywhere. Scores take one pass; draws solve one equation per number and layer.
/// Throws ValueError for fewer than two features, no layers or no units.
template <class S = float, class Base>
Flow<Base, Chain<S>> neural_autoregressive_flow(const NeuralAutoregressiveFlowOptions& options, Base base, Rng& rng) {
  const SigmoidalTransform transform({.units = options.units});
  return detail::transform_flow<S>("neural_autoregressive_flow", options, transform, std::move(base), rng);
}
/// The same on a standard normal base: `neural_autoregressive_flow({.features = 2, .units = 16}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> neural_autoregressive_flow(const NeuralAutoregressiveFlowOptions& options, Rng& rng) {
  detail::check_flow("neural_autoregressive_flow", options.features, options.layers);
  return neural_autoregressive_flow<S>(options, standard_normal<S>(options.features), rng);
}

/// A flow of Bernstein polynomials (Ramasinghe et al. 2021) on a base of your own: autoregressive layers whose
/// densities are smooth. Scores take one pass; draws solve one equation per number and layer. Throws ValueError for
/// fewer than two features, no layers or a polynomial that cannot be.
template <class S = float, class Base>
Flow<Base, Chain<S>> bernstein_flow(const BernsteinFlowOptions& options, Base base, Rng& rng) {
  const BernsteinTransform transform({.degree = options.degree, .bound = options.bound});
  return detail::transform_flow<S>("bernstein_flow", options, transform, std::move(base), rng);
}
/// The same on a standard normal base: `bernstein_flow({.features = 2, .degree = 20}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> bernstein_flow(const BernsteinFlowOptions& options, Rng& rng) {
  detail::check_flow("bernstein_flow", options.features, options.layers);
  return bernstein_flow<S>(options, standard_normal<S>(options.features), rng);
}

/// A sum-of-squares polynomial flow (Jaini et al. 2019) on a base of your own. Scores take one pass; draws solve one
/// equation per number and layer. Throws ValueError for fewer than two features, no layers or a polynomial that cannot
/// be.
template <class S = float, class Base>
Flow<Base, Chain<S>> sum_of_squares_flow(const SumOfSquaresFlowOptions& options, Base base, Rng& rng) {
  const SumOfSquaresTransform transform({.squares = options.squares, .degree = options.degree, .bound = options.bound});
  return detail::transform_flow<S>("sum_of_squares_flow", options, transform, std::move(base), rng);
}
/// The same on a standard normal base: `sum_of_squares_flow({.features = 2, .degree = 4}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> sum_of_squares_flow(const SumOfSquaresFlowOptions& options, Rng& rng) {
  detail::check_flow("sum_of_squares_flow", options.features, options.layers);
  return sum_of_squares_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
