// ConditionalCoupling: a coupling whose network sees a context beside the numbers that it keeps.
#pragma once

#include <vector>

#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/bijectors/volume_preserving.hpp>
#include <pushforward/nn/linear.hpp>

namespace pushforward {

/// A network with part of its input given: h [.., k] -> net([h, context]) with context [c], or [.., c] that broadcasts
/// to the leading axes of h. It refers to `net`, so that gradients reach it, and must not outlive it. Throws ShapeError
/// for a context that does not fit.
template <class Net>
class GivenContext {
 public:
  using Scalar = detail::scalar_of<Net>;

  GivenContext(const Net& net, Tensor<Scalar> context) : net_(&net), context_(std::move(context)) {
    if (context_.rank() == 0) fail<ShapeError>("GivenContext: the context is a scalar, expected [.., c]");
  }
  GivenContext(Net&&, Tensor<Scalar>) = delete;

  Tensor<Scalar> operator()(const Tensor<Scalar>& h) const {
    const Shape expected = h.shape().with(-1, context_.size(-1));
    if (!(broadcast(context_.shape(), expected, "GivenContext") == expected))
      fail<ShapeError>("GivenContext: context of shape ", context_.shape(), " for input ", h.shape(), ", expected ",
                       expected, " or what broadcasts to it");
    if constexpr (std::same_as<Net, Mlp<Scalar>>) check_width(h.size(-1));
    return (*net_)(concat({h, expand(context_, expected)}, -1));
  }

  static void members(auto&, auto&&) {}  // the network belongs to whoever gave it

 private:
  // What an Mlp lacks is the context's fault: a coupling hands on as many numbers as it keeps.
  void check_width(Index kept) const {
    if (net_->layers.empty()) return;
    const Index expected = net_->layers.front().weight.shape()[1] - kept;
    if (expected > 0 && context_.size(-1) != expected)
      fail<ShapeError>("GivenContext: got a context of width ", context_.size(-1), ", expected ", expected);
  }

  const Net* net_;
  Tensor<Scalar> context_;
};

/// A coupling that is a bijector once a context is given: `given(context)` -> Coupling<GivenContext<Net>>.
///
/// `net` maps [.., kept + c] to what the coupling asks for. `given` is a view: gradients reach the network, and it must
/// not outlive this.
///     ConditionalAffineCoupling layer(Mlp({1 + 3, 32, 2}, rng), 2);
///     layer.given(context).forward(x);                              // context [n, 3] or [3], x [n, 2]
template <template <class> class Coupling, class Net, class Options>
class ConditionalCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;

  ConditionalCoupling(Net net, Index features, Options options = {})
      : net_(std::move(net)), features_(features), options_(options) {
    detail::coupling_columns(features, options.keep);
  }

  Coupling<GivenContext<Net>> given(const Tensor<Scalar>& context) const& {
    return {GivenContext<Net>(net_, context), features_, options_};
  }
  void given(const Tensor<Scalar>& context) const&& = delete;

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  Net net_;
  Index features_;
  Options options_;
};

/// An AffineCoupling, a SplineCoupling or a VolumePreservingCoupling with a context.
template <class Net>
using ConditionalAffineCoupling = ConditionalCoupling<AffineCoupling, Net, CouplingOptions>;
template <class Net>
using ConditionalSplineCoupling = ConditionalCoupling<SplineCoupling, Net, SplineCouplingOptions>;
template <class Net>
using ConditionalVolumePreservingCoupling = ConditionalCoupling<VolumePreservingCoupling, Net, CouplingOptions>;

}  // namespace pushforward
