// ConditionalFlow: a flow for every context; conditional_real_nvp and conditional_neural_spline_flow build one.
#pragma once

#include <vector>

#include <pushforward/bijectors/conditional.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// A density of x for every context c, p(x | c): couplings whose networks see c, on a standard normal base.
///
/// `given(context)` is the flow for a context [c], the same for all x, or [n, c], one for each of n rows: it scores and
/// draws n rows like any flow. It is a view: gradients reach the layers, and it must not outlive this. Training:
///     fit(flow, std::tuple(x, context), [](const auto& f, const auto& batch) {
///       return -mean(f.given(std::get<1>(batch)).log_prob(std::get<0>(batch)));
///     }, {.epochs = 20}, rng);
template <class Layer>
class ConditionalFlow {
 public:
  using Scalar = detail::scalar_of<Layer>;
  using S = Scalar;

  ConditionalFlow(Index features, std::vector<Layer> layers) : features_(features), layers_(std::move(layers)) {}

  Flow<Normal<S>, Chain<S>> given(const Tensor<S>& context) const& {
    Chain<S> chain;
    for (const Layer& layer : layers_) chain.append(layer.given(context));
    return {standard_normal<S>(features_), std::move(chain)};
  }
  void given(const Tensor<S>& context) const&& = delete;

  /// log p(x | context) in nats: x [n, features], context [n, c] or [c] -> [n].
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<S>& context) const { return given(context).log_prob(x); }
  /// One draw for each row of context [n, c]: [n, features], as constants.
  Tensor<S> sample(const Tensor<S>& context, Rng& rng) const {
    if (context.rank() != 2)
      fail<ShapeError>("ConditionalFlow: context of shape ", context.shape(), ", expected [n, c], a row for each draw");
    return given(context).sample(context.size(0), rng);
  }

  static void members(auto& self, auto&& visit) { visit("layers", self.layers_); }

 private:
  Index features_;
  std::vector<Layer> layers_;
};

namespace detail {

template <template <class> class Coupling, class S, class Options, class Make>
auto conditional_flow(const char* builder, Index features, Index context, Index layers, const Make& make) {
  check_flow(builder, features, layers);
  if (context < 1) fail<ValueError>(builder, ": the context has ", context, " numbers, expected at least 1");
  using Layer = ConditionalCoupling<Coupling, Mlp<S>, Options>;
  std::vector<Layer> all;
  for (Index i = 0; i < layers; ++i) all.push_back(make(std::type_identity<Layer>{}, keep_of_layer(i)));
  return ConditionalFlow<Layer>(features, std::move(all));
}

}  // namespace detail

/// A RealNVP for contexts of `context` numbers: `conditional_real_nvp({.features = 2, .layers = 6}, 3, rng)`.
/// Throws ValueError for fewer than two features, no layers, no context, or `.act_norm`, which knows no context.
template <class S = float>
auto conditional_real_nvp(const RealNvpOptions& options, Index context, Rng& rng) {
  constexpr const char* name = "conditional_real_nvp";
  if (options.act_norm) fail<ValueError>(name, ": .act_norm is set, expected false; standardize the data instead");
  auto make = [&]<class Layer>(std::type_identity<Layer>, Keep keep) {
    const Index kept = kept_features(options.features, keep), out = 2 * (options.features - kept);
    auto net = detail::coupling_network<S>(kept + context, options.hidden, out, options.activation, rng);
    return Layer(std::move(net), options.features, {.keep = keep, .max_log_scale = options.max_log_scale});
  };
  return detail::conditional_flow<AffineCoupling, S, CouplingOptions>(name, options.features, context, options.layers,
                                                                      make);
}

/// A neural spline flow for contexts of `context` numbers:
/// `conditional_neural_spline_flow({.features = 2, .layers = 4}, 3, rng)`. Throws ValueError as conditional_real_nvp.
template <class S = float>
auto conditional_neural_spline_flow(const NeuralSplineFlowOptions& options, Index context, Rng& rng) {
  constexpr const char* name = "conditional_neural_spline_flow";
  if (options.act_norm) fail<ValueError>(name, ": .act_norm is set, expected false; standardize the data instead");
  const SplineOptions spline{.bins = options.bins, .bound = options.bound};
  detail::spline_form<S>(name, spline);
  auto make = [&]<class Layer>(std::type_identity<Layer>, Keep keep) {
    const Index kept = kept_features(options.features, keep);
    const Index out = (options.features - kept) * spline_numbers(spline);
    auto net = detail::coupling_network<S>(kept + context, options.hidden, out, options.activation, rng);
    return Layer(std::move(net), options.features, {.keep = keep, .spline = spline});
  };
  return detail::conditional_flow<SplineCoupling, S, SplineCouplingOptions>(name, options.features, context,
                                                                            options.layers, make);
}

}  // namespace pushforward
