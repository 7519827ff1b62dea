// Heads: networks whose output parametrizes a distribution.
#pragma once

#include <pushforward/distributions/bernoulli.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/nn/layer.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// x -> Normal(mean, exp(log_var / 2)): the network's output [.., 2 d] is split into mean and log-variance.
///
/// The log-variance is kept within -60 and 60, far beyond what data asks for, so that no variance overflows.
/// Throws ShapeError if the output has an odd number of columns.
template <class Net>
struct GaussianHead {
  using Scalar = detail::scalar_of<Net>;
  Net net;

  explicit GaussianHead(Net network) : net(std::move(network)) {}

  Normal<Scalar> operator()(const Tensor<Scalar>& x) const {
    const Tensor<Scalar> numbers = net(x);
    if (numbers.rank() == 0 || numbers.size(-1) % 2 != 0)
      fail<ShapeError>("GaussianHead: the network gave shape ", numbers.shape(),
                       ", expected [.., 2 d]: d means, then d log-variances");
    const auto [mean, log_var] = split<2>(numbers);
    return Normal<Scalar>::from_log_std(mean, clamp(log_var, -60.0, 60.0) * 0.5);
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net); }
};

/// x -> Bernoulli(logits = net(x)), [.., d].
template <class Net>
struct BernoulliHead {
  using Scalar = detail::scalar_of<Net>;
  Net net;

  explicit BernoulliHead(Net network) : net(std::move(network)) {}

  Bernoulli<Scalar> operator()(const Tensor<Scalar>& x) const { return Bernoulli<Scalar>(net(x)); }
  /// The same with a generator for the network's dropout, if it has any.
  Bernoulli<Scalar> operator()(const Tensor<Scalar>& x, Rng& rng) const {
    return Bernoulli<Scalar>(detail::call_layer(net, x, rng));
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net); }
};

}  // namespace pushforward
