// NormalHead: a network's output with noise of one learned size.
#pragma once

#include <cmath>
#include <utility>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/nn/layer.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

/// x -> Normal(net(x), s) with one learned standard deviation s for all numbers (Rybkin et al. 2021, sec. 4.1): what a
/// squared error is the negative log-likelihood of, with its scale.
///
/// log s is kept above -10, where it would no longer learn. Throws ValueError for a start that is not above.
template <class Net>
struct NormalHead {
  using Scalar = detail::scalar_of<Net>;
  Net net;
  Parameter<Scalar> log_std;  // [1]

  explicit NormalHead(Net network, double std = 1)
      : net(std::move(network)), log_std(Tensor<Scalar>::full({1}, static_cast<Scalar>(std::log(std)))) {
    if (!(std > 0 && std::isfinite(std) && std::log(std) > least))
      fail<ValueError>("NormalHead: the standard deviation starts from ", std,
                       ", expected a number above exp(-10), 4.6e-5; scale the data up");
  }

  Normal<Scalar> operator()(const Tensor<Scalar>& x) const { return around(net(x)); }
  /// The same with a generator for the network's dropout, if it has any.
  Normal<Scalar> operator()(const Tensor<Scalar>& x, Rng& rng) const { return around(detail::call_layer(net, x, rng)); }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net);
    visit("log_std", self.log_std);
  }

 private:
  static constexpr double least = -10;

  Normal<Scalar> around(const Tensor<Scalar>& mean) const {
    return Normal<Scalar>::from_log_std(mean, maximum(log_std.tensor(), least));
  }
};

}  // namespace pushforward
