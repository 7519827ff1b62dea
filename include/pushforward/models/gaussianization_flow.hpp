// gaussianization_flow: layers that make every number normal, and rotations between them.
#pragma once

#include <pushforward/bijectors/gaussianization.hpp>
#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `gaussianization_flow` builds a flow.
struct GaussianizationFlowOptions {
  Index features = 0;     ///< numbers per event, at least 2
  Index layers = 6;       ///< Gaussianizations, with a rotation between each two
  Index components = 16;  ///< of the mixture of each number
  Index reflections = 0;  ///< of each rotation; 0: as many as features
};

/// A Gaussianization flow (Meng et al. 2020) on a base of your own: marginal Gaussianizations, alternated with trained
/// rotations that start at random.
///
/// `initialize`, which `fit` calls with the first batch, fits layer after layer to the data as the earlier ones left
/// it (Chen and Gopinath 2000), so a flow is a density worth having before any gradient step. Scores take one pass;
/// draws solve one equation per number and layer. Throws ValueError for fewer than two features, no layers, no
/// components or a negative number of reflections, ShapeError for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> gaussianization_flow(const GaussianizationFlowOptions& options, Base base, Rng& rng) {
  const Index d = options.features;
  detail::check_flow("gaussianization_flow", d, options.layers);
  detail::check_base("gaussianization_flow", base, d);
  if (options.reflections < 0)
    fail<ValueError>("gaussianization_flow: .reflections is ", options.reflections, ", expected at least 0");
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    if (i > 0) chain.append(HouseholderRotation<S>(d, options.reflections > 0 ? options.reflections : d, rng));
    chain.append(Gaussianization<S>(d, {.components = options.components}));
  }
  return {std::move(base), std::move(chain)};
}
/// The same on a standard normal base: `gaussianization_flow({.features = 2, .layers = 8}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> gaussianization_flow(const GaussianizationFlowOptions& options, Rng& rng) {
  detail::check_flow("gaussianization_flow", options.features, options.layers);
  return gaussianization_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
