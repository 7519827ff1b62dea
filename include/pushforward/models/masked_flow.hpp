// masked_autoregressive_flow: a flow of autoregressive layers.
#pragma once

#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/bijectors/spline_autoregressive.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `masked_autoregressive_flow` builds a flow.
struct MaskedAutoregressiveFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 5;                          ///< autoregressive bijectors
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  AutoregressiveMap map = AutoregressiveMap::affine;
  double max_log_scale = 3.0;  ///< affine: bound of each layer's |s|
  SplineOptions spline = {};   ///< rational_quadratic: acts on [-bound, bound], where data should lie
  bool act_norm = false;       ///< an ActNorm on the data side of each layer
};

namespace detail {

// The chain of both kinds of autoregressive flow: layer(b) is what becomes of each layer's bijector b.
template <class S, class Layer>
Chain<S> autoregressive_chain(const char* name, const MaskedAutoregressiveFlowOptions& options, const Layer& layer,
                              Rng& rng) {
  const Index d = options.features;
  check_flow(name, d, options.layers);
  const bool spline = options.map == AutoregressiveMap::rational_quadratic;
  if (spline) spline_form<S>(name, options.spline);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    if (i > 0) chain.append(Reverse());
    MaskedMlp<S> net({.features = d,
                      .outputs = spline ? spline_numbers(options.spline) : 2,
                      .hidden = options.hidden,
                      .activation = options.activation},
                     rng);
    if (spline)
      chain.append(layer(SplineAutoregressive(std::move(net), d, options.spline)));
    else
      chain.append(layer(MaskedAutoregressive(std::move(net), d, {.max_log_scale = options.max_log_scale})));
    if (options.act_norm) chain.append(ActNorm<S>(d));
  }
  return chain;
}

}  // namespace detail

/// A masked autoregressive flow (MAF, Papamakarios et al. 2017; with splines RQ-NSF (AR), Durkan et al. 2019) on a base
/// of your own: autoregressive layers, the order of the numbers reversed from one to the next. Scores take one pass,
/// draws a pass in `features` steps. Throws ValueError for fewer than two features, no layers or a spline that cannot
/// be, ShapeError for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> masked_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Base base, Rng& rng) {
  detail::check_flow("masked_autoregressive_flow", options.features, options.layers);
  detail::check_base("masked_autoregressive_flow", base, options.features);
  const auto as_it_is = [](auto bijector) { return bijector; };
  return {std::move(base), detail::autoregressive_chain<S>("masked_autoregressive_flow", options, as_it_is, rng)};
}
/// The same on a standard normal base:
/// `masked_autoregressive_flow({.features = 16, .layers = 5, .hidden = {128, 128}}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> masked_autoregressive_flow(const MaskedAutoregressiveFlowOptions& options, Rng& rng) {
  detail::check_flow("masked_autoregressive_flow", options.features, options.layers);
  return masked_autoregressive_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
