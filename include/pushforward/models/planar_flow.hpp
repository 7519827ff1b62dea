// planar_flow: a flow of planar layers.
#pragma once

#include <pushforward/bijectors/planar.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `planar_flow` builds a flow.
struct PlanarFlowOptions {
  Index features = 0;     ///< numbers per event, at least 2
  Index layers = 16;      ///< planar layers, each of 2 features + 1 parameters
  bool act_norm = false;  ///< an ActNorm on the data side of the last layer
};

/// A planar flow (Rezende and Mohamed 2015, sec. 4.1) on a base of your own: layers that push along one direction each.
/// Draws, and their log-densities with `sample_and_log_prob`, take one pass; scores of other data solve one equation
/// per event and layer. Throws ValueError for fewer than two features or no layers, ShapeError for a base of other
/// events.
template <class S = float, class Base>
Flow<Base, Chain<S>> planar_flow(const PlanarFlowOptions& options, Base base, Rng& rng) {
  detail::check_flow("planar_flow", options.features, options.layers);
  detail::check_base("planar_flow", base, options.features);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) chain.append(PlanarFlow<S>(options.features, rng));
  if (options.act_norm) chain.append(ActNorm<S>(options.features));
  return {std::move(base), std::move(chain)};
}
/// A planar flow on a standard normal base: `planar_flow({.features = 2, .layers = 16}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> planar_flow(const PlanarFlowOptions& options, Rng& rng) {
  detail::check_flow("planar_flow", options.features, options.layers);
  return planar_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
