// Flow: a density made of a simple one and a bijector; real_nvp, nice and neural_spline_flow build classic ones.
#pragma once

#include <vector>

#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/nn/linear.hpp>

namespace pushforward {

/// A normalizing flow: x = f(z) with z ~ base and a bijector f.
///
///     log p(x) = log p_base(f^-1(x)) + log |det df^-1/dx|
///
/// Data and draws are [.., features]. The base is any density (with `sample` to draw), so a flow may stand on a mixture
/// or on another flow; a flow is a density itself.
template <class Base = Normal<float>, class B = Chain<detail::scalar_of<Base>>>
class Flow {
 public:
  using Scalar = detail::scalar_of<Base>;
  using S = Scalar;

  Flow() = default;
  Flow(Base base, B bijector) : base_(std::move(base)), bijector_(std::move(bijector)) {}

  const Base& base() const { return base_; }
  const B& bijector() const { return bijector_; }

  /// log p(x) in nats: x [.., features] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const WithLogDet<S> z = bijector_.inverse(x);
    return base_.log_prob(z.value) + z.log_det;
  }
  /// n draws, [n, features], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return bijector_.forward(base_.sample(n, rng)).value;
  }
  /// n draws that are differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    return bijector_.forward(base_.rsample(n, rng)).value;
  }
  /// n draws, as constants, and their log-density, without inverting anything.
  Draws<S> sample_and_log_prob(Index n, Rng& rng) const {
    const Draws<S> z = detail::draw_with_log_prob<S>(base_, n, rng);
    const WithLogDet<S> x = bijector_.forward(z.value);
    return {stop_gradient(x.value), z.log_prob - x.log_det};
  }
  /// n draws and their log-density, both differentiable: for variational inference.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    const Draws<S> z = detail::rdraw_with_log_prob<S>(base_, n, rng);
    const WithLogDet<S> x = bijector_.forward(z.value);
    return {x.value, z.log_prob - x.log_det};
  }

  // Templates, because clang++ 14 instantiates every other member of a class that is instantiated as a whole.
  /// log p(x | label) in nats: x [n, features], label [n] -> [n].
  template <LabelledDensity<Scalar> Labelled = Base>
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& label) const {
    const WithLogDet<S> z = bijector_.inverse(x);
    return base_.log_prob(z.value, label) + z.log_det;
  }
  /// One draw for each label [n], as constants: [n, features].
  template <LabelledDensity<Scalar> Labelled = Base>
  Tensor<S> sample(const Tensor<Index>& label, Rng& rng) const {
    NoGradient guard;
    return bijector_.forward(base_.sample(label, rng)).value;
  }
  /// P(label | x) by Bayes' rule: x [.., features] -> [.., labels].
  template <LabelledDensity<Scalar> Labelled = Base>
  Tensor<S> label_probabilities(const Tensor<S>& x) const {
    return base_.label_probabilities(bijector_.inverse(x).value);
  }

  /// Sets what is initialized from data (ActNorm), once, from a batch [n, features]; `fit` calls it with the first one.
  void initialize(const Tensor<S>& batch) { detail::initialize_bijector(bijector_, batch); }

  static void members(auto& self, auto&& visit) {
    visit("base", self.base_);
    visit("bijector", self.bijector_);
  }

 private:
  Base base_;
  B bijector_;
};

/// How `real_nvp` builds a flow.
struct RealNvpOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 8;                          ///< affine couplings
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each coupling's network
  Activation activation = Activation::relu;  ///< of the networks
  double max_log_scale = 1.0;                ///< bound of each coupling's |s|
  bool act_norm = false;                     ///< an ActNorm on the data side of each coupling
};

/// How `nice` builds a flow.
struct NiceOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 4;                          ///< additive couplings
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each coupling's network
  Activation activation = Activation::relu;  ///< of the networks
};

/// How `neural_spline_flow` builds a flow.
struct NeuralSplineFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 2
  Index layers = 4;                          ///< spline couplings
  Index bins = 8;                            ///< pieces of each spline
  double bound = 5;                          ///< splines act on [-bound, bound]: data should lie within
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each coupling's network
  Activation activation = Activation::relu;  ///< of the networks
  bool act_norm = false;                     ///< an ActNorm on the data side of each coupling
};

namespace detail {

template <class S>
Mlp<S> coupling_network(Index in, const std::vector<Index>& hidden, Index out, Activation activation, Rng& rng) {
  std::vector<Index> widths{in};
  widths.insert(widths.end(), hidden.begin(), hidden.end());
  widths.push_back(out);
  return Mlp<S>(widths, rng, {.activation = activation});
}

// Halves in turn, then every second number in turn, so that all numbers meet.
inline Keep keep_of_layer(Index layer) {
  constexpr Keep order[] = {Keep::first_half, Keep::second_half, Keep::even, Keep::odd};
  return order[layer % 4];
}

inline void check_flow(const char* builder, Index features, Index layers) {
  if (features < 2) fail<ValueError>(builder, ": .features is ", features, ", expected at least 2");
  if (layers < 1) fail<ValueError>(builder, ": .layers is ", layers, ", expected at least 1");
}

// A base of one number would broadcast over all of them.
template <class Base>
void check_base(const char* builder, const Base& base, Index features) {
  if constexpr (requires { Shape(base.shape()); }) {
    const Shape shape = base.shape();
    if (shape.rank() == 0 || shape[-1] != features)
      fail<ShapeError>(builder, ": got a base of shape ", shape, " for .features = ", features,
                       ", expected a last axis of ", features);
  }
}

}  // namespace detail

/// RealNVP (Dinh et al. 2017) on a base of your own: affine couplings that keep different numbers in turn.
/// Throws ValueError for fewer than two features or no layers, ShapeError for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> real_nvp(const RealNvpOptions& options, Base base, Rng& rng) {
  const Index d = options.features;
  detail::check_flow("real_nvp", d, options.layers);
  detail::check_base("real_nvp", base, d);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    const Keep keep = detail::keep_of_layer(i);
    const Index kept = kept_features(d, keep);
    auto net = detail::coupling_network<S>(kept, options.hidden, 2 * (d - kept), options.activation, rng);
    chain.append(AffineCoupling(std::move(net), d, {.keep = keep, .max_log_scale = options.max_log_scale}));
    if (options.act_norm) chain.append(ActNorm<S>(d));
  }
  return {std::move(base), std::move(chain)};
}
/// RealNVP on a standard normal base: `real_nvp({.features = 2, .layers = 8, .hidden = {64, 64}}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> real_nvp(const RealNvpOptions& options, Rng& rng) {
  detail::check_flow("real_nvp", options.features, options.layers);
  return real_nvp<S>(options, standard_normal<S>(options.features), rng);
}

/// NICE (Dinh et al. 2014): additive couplings and one trained scale per number, on a base of your own.
/// Throws ValueError for fewer than two features or no layers, ShapeError for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> nice(const NiceOptions& options, Base base, Rng& rng) {
  const Index d = options.features;
  detail::check_flow("nice", d, options.layers);
  detail::check_base("nice", base, d);
  Chain<S> chain;
  chain.append(LearnedAffine<S>(d));
  for (Index i = 0; i < options.layers; ++i) {
    const Keep keep = detail::keep_of_layer(i);
    const Index kept = kept_features(d, keep);
    chain.append(AdditiveCoupling(detail::coupling_network<S>(kept, options.hidden, d - kept, options.activation, rng),
                                  d, keep));
  }
  return {std::move(base), std::move(chain)};
}
/// NICE on a standard normal base.
template <class S = float>
Flow<Normal<S>, Chain<S>> nice(const NiceOptions& options, Rng& rng) {
  detail::check_flow("nice", options.features, options.layers);
  return nice<S>(options, standard_normal<S>(options.features), rng);
}

/// A neural spline flow with couplings (Durkan et al. 2019, RQ-NSF (C)) on a base of your own: rational-quadratic
/// splines that keep different numbers in turn, for densities with sharp edges and several modes. Throws ValueError for
/// fewer than two features, no layers, or a spline that cannot be, ShapeError for a base of other events.
template <class S = float, class Base>
Flow<Base, Chain<S>> neural_spline_flow(const NeuralSplineFlowOptions& options, Base base, Rng& rng) {
  const Index d = options.features;
  detail::check_flow("neural_spline_flow", d, options.layers);
  detail::check_base("neural_spline_flow", base, d);
  const SplineOptions spline{.bins = options.bins, .bound = options.bound};
  detail::spline_form<S>("neural_spline_flow", spline);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) {
    const Keep keep = detail::keep_of_layer(i);
    const Index kept = kept_features(d, keep), numbers = (d - kept) * spline_numbers(spline);
    auto net = detail::coupling_network<S>(kept, options.hidden, numbers, options.activation, rng);
    chain.append(SplineCoupling(std::move(net), d, {.keep = keep, .spline = spline}));
    if (options.act_norm) chain.append(ActNorm<S>(d));
  }
  return {std::move(base), std::move(chain)};
}
/// A neural spline flow on a standard normal base: `neural_spline_flow({.features = 2, .layers = 4}, rng)`.
template <class S = float>
Flow<Normal<S>, Chain<S>> neural_spline_flow(const NeuralSplineFlowOptions& options, Rng& rng) {
  detail::check_flow("neural_spline_flow", options.features, options.layers);
  return neural_spline_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
