// conditional_masked_autoregressive_flow and its inverse: autoregressive flows for every context.
#pragma once

#include <numeric>
#include <variant>
#include <vector>

#include <pushforward/bijectors/conditional_autoregressive.hpp>
#include <pushforward/models/conditional_flow.hpp>

namespace pushforward {

/// How `conditional_masked_autoregressive_flow` builds a flow.
struct ConditionalMaskedAutoregressiveFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 1
  Index layers = 5;                          ///< autoregressive bijectors
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the networks
  AutoregressiveMap map = AutoregressiveMap::affine;
  double max_log_scale = 3.0;  ///< affine: bound of each layer's |s|
  SplineOptions spline = {};   ///< rational_quadratic: acts on [-bound, bound], where data should lie
};

/// An autoregressive layer for every context, of a kind that is chosen at run time.
template <class S = float>
class AnyConditionalAutoregressive {
 public:
  using Scalar = S;
  using Layer = std::variant<ConditionalMaskedAutoregressive<S>, ConditionalSplineAutoregressive<S>>;

  explicit AnyConditionalAutoregressive(Layer layer) : layer_(std::move(layer)) {}

  /// The bijector of a context [c] or [.., c]; it must not outlive this.
  AnyBijector<S> given(const Tensor<S>& context) const& {
    return std::visit([&](const auto& layer) { return AnyBijector<S>(layer.given(context)); }, layer_);
  }
  void given(const Tensor<S>& context) const&& = delete;
  void walk(const Path& path, Visitor& visitor) {
    std::visit([&](auto& layer) { detail::walk_member(path, layer, visitor); }, layer_);
  }

 private:
  Layer layer_;
};

namespace detail {

// Layers whose orders are reversed from one to the next.
template <class S, class Layer>
ConditionalFlow<Layer> conditional_autoregressive_flow(const char* name,
                                                       const ConditionalMaskedAutoregressiveFlowOptions& options,
                                                       Index context, Rng& rng) {
  if (options.features < 1) fail<ValueError>(name, ": .features is ", options.features, ", expected at least 1");
  if (options.layers < 1) fail<ValueError>(name, ": .layers is ", options.layers, ", expected at least 1");
  if (context < 1) fail<ValueError>(name, ": the context has ", context, " numbers, expected at least 1");
  const bool spline = options.map == AutoregressiveMap::rational_quadratic;
  if (spline) spline_form<S>(name, options.spline);
  std::vector<Index> backwards(static_cast<std::size_t>(options.features));
  std::iota(backwards.rbegin(), backwards.rend(), Index{0});
  std::vector<Layer> layers;
  for (Index i = 0; i < options.layers; ++i) {
    ConditionalMaskedMlp<S> net({.features = options.features,
                                 .context = context,
                                 .outputs = spline ? spline_numbers(options.spline) : 2,
                                 .hidden = options.hidden,
                                 .activation = options.activation,
                                 .order = i % 2 ? backwards : std::vector<Index>{}},
                                rng);
    using Any = AnyConditionalAutoregressive<S>;
    layers.emplace_back(
        spline ? Any(ConditionalSplineAutoregressive<S>(std::move(net), options.spline))
               : Any(ConditionalMaskedAutoregressive<S>(std::move(net), {.max_log_scale = options.max_log_scale})));
  }
  return {options.features, std::move(layers)};
}

}  // namespace detail

/// A masked autoregressive flow for contexts of `context` numbers, on a standard normal base: affine (Papamakarios et
/// al. 2017, sec. 3.4) or of rational-quadratic splines (Durkan et al. 2019). Scores take one pass, draws a pass in
/// `features` steps:
///     conditional_masked_autoregressive_flow({.features = 4, .map = AutoregressiveMap::rational_quadratic}, 3, rng)
/// Throws ValueError for fewer than one feature, no layers, no context, or a spline that cannot be.
template <class S = float>
ConditionalFlow<AnyConditionalAutoregressive<S>> conditional_masked_autoregressive_flow(
    const ConditionalMaskedAutoregressiveFlowOptions& options, Index context, Rng& rng) {
  return detail::conditional_autoregressive_flow<S, AnyConditionalAutoregressive<S>>(
      "conditional_masked_autoregressive_flow", options, context, rng);
}

/// The same layers the other way around (Kingma et al. 2016): draws, and their log-densities with
/// `sample_and_log_prob`, take one pass per layer, scores of other data a pass in `features` steps.
template <class S = float>
ConditionalFlow<ConditionalInverse<AnyConditionalAutoregressive<S>>> conditional_inverse_autoregressive_flow(
    const ConditionalMaskedAutoregressiveFlowOptions& options, Index context, Rng& rng) {
  return detail::conditional_autoregressive_flow<S, ConditionalInverse<AnyConditionalAutoregressive<S>>>(
      "conditional_inverse_autoregressive_flow", options, context, rng);
}

}  // namespace pushforward
