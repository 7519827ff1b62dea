// inverse_autoregressive_flow: the layers of a masked flow the other way around, fast to draw from.
#pragma once

#include <pushforward/models/masked_flow.hpp>

namespace pushforward {

/// An inverse autoregressive flow (IAF, Kingma et al. 2016, eq. 9 and 10) on a base of your own: draws, and their
/// log-densities with `sample_and_log_prob`, take one pass per layer; scores of other data take a pass in `features`
/// steps. It is the flow to draw from in variational inference.
///
/// Each layer is an Inverse of a MaskedAutoregressive or SplineAutoregressive, the order of the numbers reversed from
/// one to the next. Throws ValueError for fewer than two features or no layers, ShapeError
/// for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> inverse_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Base base, Rng& rng) {
  detail::check_flow("inverse_autoregressive_flow", options.features, options.layers);
  detail::check_base("inverse_autoregressive_flow", base, options.features);
  const auto inverted = [](auto bijector) { return Inverse(std::move(bijector)); };
  return {std::move(base), detail::autoregressive_chain<S>("inverse_autoregressive_flow", options, inverted, rng)};
}
/// The same on a standard normal base:
/// `inverse_autoregressive_flow({.features = 16, .layers = 5, .hidden = {128, 128}}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> inverse_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Rng& rng) {
  detail::check_flow("inverse_autoregressive_flow", options.features, options.layers);
  return inverse_autoregressive_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
