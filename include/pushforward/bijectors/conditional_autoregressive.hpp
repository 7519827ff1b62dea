// ConditionalAutoregressive: an autoregressive bijector whose network sees a context beside the numbers before.
#pragma once

#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/bijectors/spline_autoregressive.hpp>
#include <pushforward/nn/conditional_masked_mlp.hpp>

namespace pushforward {

namespace detail {

// A ConditionalMaskedMlp with its contexts [rows, c] given: what an autoregressive bijector asks of a network.
template <class S>
class GivenContexts {
 public:
  using Scalar = S;

  GivenContexts(const ConditionalMaskedMlp<S>& net, Tensor<S> contexts) : net_(&net), contexts_(std::move(contexts)) {}

  Tensor<S> operator()(const Tensor<S>& x) const { return (*net_)(x, contexts_); }
  ConditionalMaskedMlpSteps<S> steps(Index) const { return net_->steps(contexts_); }
  static void members(auto&, auto&&) {}  // the network belongs to whoever gave it

 private:
  const ConditionalMaskedMlp<S>* net_;
  Tensor<S> contexts_;
};

inline Index numbers_per_feature(const MaskedAutoregressiveOptions&) { return 2; }
inline Index numbers_per_feature(const SplineOptions& options) { return spline_numbers(options); }

}  // namespace detail

/// An autoregressive bijector of a given context: what `ConditionalAutoregressive::given` returns. It refers to the
/// network, so that gradients reach it, and must not outlive it.
template <template <class> class Layer, class Options, class S>
class GivenAutoregressive {
 public:
  using Scalar = S;

  GivenAutoregressive(const ConditionalMaskedMlp<S>& net, Tensor<S> context, const Options& options)
      : net_(&net), context_(std::move(context)), options_(options) {
    if (context_.rank() == 0) fail<ShapeError>("GivenAutoregressive: the context is a scalar, expected [.., c]");
  }
  GivenAutoregressive(ConditionalMaskedMlp<S>&&, Tensor<S>, const Options&) = delete;

  WithLogDet<S> forward(const Tensor<S>& x) const {
    return mapped(x, [](const auto& layer, const Tensor<S>& rows) { return layer.forward(rows); });
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return mapped(y, [](const auto& layer, const Tensor<S>& rows) { return layer.inverse(rows); });
  }

  static void members(auto&, auto&&) {}

 private:
  // Events and contexts as rows that belong together.
  template <class Map>
  WithLogDet<S> mapped(const Tensor<S>& x, const Map& map) const {
    const Index d = net_->features(), c = net_->context();
    detail::check_features("GivenAutoregressive", x.shape(), d);
    const Shape expected = x.shape().with(-1, c);
    if (!(broadcast(context_.shape(), expected, "GivenAutoregressive") == expected))
      fail<ShapeError>("GivenAutoregressive: context of shape ", context_.shape(), " for events ", x.shape(),
                       ", expected ", expected, " or what broadcasts to it");
    const Index rows = x.size() / d;
    const Tensor<S> contexts = reshape(expand(context_, expected), Shape{rows, c});
    const Layer<detail::GivenContexts<S>> layer({*net_, contexts}, d, options_);
    const WithLogDet<S> y = map(layer, reshape(x, Shape{rows, d}));
    return {reshape(y.value, x.shape()), reshape(y.log_det, x.shape().without(-1))};
  }

  const ConditionalMaskedMlp<S>* net_;
  Tensor<S> context_;
  Options options_;
};

/// An autoregressive bijector once a context is given: `given(context)` with a context [c], or [.., c] that broadcasts
/// to the leading axes of the events. `given` is a view: gradients reach the network, and it must not outlive this.
///     ConditionalMaskedAutoregressive<> layer(ConditionalMaskedMlp<>({.features = 4, .context = 3, .outputs = 2},
///     rng)); layer.given(context).inverse(x);                              // context [n, 3] or [3], x [n, 4]
/// Throws ValueError if the network has another number of outputs for each feature than the layer asks for.
template <template <class> class Layer, class Options, class S>
class ConditionalAutoregressive {
 public:
  using Scalar = S;

  explicit ConditionalAutoregressive(ConditionalMaskedMlp<S> net, const Options& options = {})
      : net_(std::move(net)), options_(options) {
    const Index numbers = detail::numbers_per_feature(options);
    if (net_.outputs() != numbers)
      fail<ValueError>("ConditionalAutoregressive: the network has ", net_.outputs(),
                       " outputs for each feature, expected ", numbers);
    Layer<detail::GivenContexts<S>>({net_, Tensor<S>::zeros({1, net_.context()})}, net_.features(), options);  // checks
  }

  GivenAutoregressive<Layer, Options, S> given(const Tensor<S>& context) const& { return {net_, context, options_}; }
  void given(const Tensor<S>& context) const&& = delete;

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  ConditionalMaskedMlp<S> net_;
  Options options_;
};

/// MaskedAutoregressive and SplineAutoregressive with a context. For the network: `.outputs = 2`, and
/// `.outputs = spline_numbers(options)`.
template <class S = float>
using ConditionalMaskedAutoregressive = ConditionalAutoregressive<MaskedAutoregressive, MaskedAutoregressiveOptions, S>;
template <class S = float>
using ConditionalSplineAutoregressive = ConditionalAutoregressive<SplineAutoregressive, SplineOptions, S>;

/// A conditional layer with its directions exchanged: of an autoregressive one, the inverse autoregressive layer.
template <class Layer>
struct ConditionalInverse {
  using Scalar = detail::scalar_of<Layer>;
  Layer layer;

  explicit ConditionalInverse(Layer l) : layer(std::move(l)) {}

  auto given(const Tensor<Scalar>& context) const& { return Inverse(layer.given(context)); }
  void given(const Tensor<Scalar>& context) const&& = delete;

  static void members(auto& self, auto&& visit) { visit("layer", self.layer); }
};

}  // namespace pushforward
