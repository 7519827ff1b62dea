// masked_autoregressive_flow: a flow of autoregressive layers.
#pragma once

#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `masked_autoregressive_flow` builds a flow.
struct MaskedAutoregressiveFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 5;                          ///< autoregressive bijectors
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  double max_log_scale = 3.0;                ///< bound of each layer's |s|
  bool act_norm = false;                     ///< an ActNorm on the data side of each layer
};

/// A masked autoregressive flow (MAF, Papamakarios et al. 2017) on a base of your own: autoregressive layers, the order
/// of the numbers reversed from one to the next. Scores take one pass, draws a pass in `features` steps.
/// Throws ValueError for fewer than two features or no layers.
template <class S = float, class Base>
Flow<Base, Chain<S>> masked_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Base base, Rng& rng) {
  const Index d = options.features;
  detail::check_flow("masked_autoregressive_flow", d, options.layers);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    if (i > 0) chain.append(Reverse());
    MaskedMlp<S> net({.features = d, .outputs = 2, .hidden = options.hidden, .activation = options.activation}, rng);
    chain.append(MaskedAutoregressive(std::move(net), d, {.max_log_scale = options.max_log_scale}));
    if (options.act_norm) chain.append(ActNorm<S>(d));
  }
  return {std::move(base), std::move(chain)};
}
/// The same on a standard normal base:
/// `masked_autoregressive_flow({.features = 16, .layers = 5, .hidden = {128, 128}}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> masked_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Rng& rng) {
  detail::check_flow("masked_autoregressive_flow", options.features, options.layers);
  return masked_autoregressive_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
