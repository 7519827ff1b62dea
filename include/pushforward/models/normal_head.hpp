// NormalHead: a network's output with noise of one learned size.
#pragma once

#include <cmath>
#include <utility>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

/// x -> Normal(net(x), s) with one learned standard deviation s for all numbers (Rybkin et al. 2021, sec. 4.1): what a
/// squared error is the negative log-likelihood of, with its scale.
///
/// log s is kept above -10.
template <class Net>
struct NormalHead {
  using Scalar = detail::scalar_of<Net>;
  Net net;
  Parameter<Scalar> log_std;  // [1]

  explicit NormalHead(Net network, double std = 1)
      : net(std::move(network)), log_std(Tensor<Scalar>::full({1}, static_cast<Scalar>(std::log(std)))) {
    if (!(std > 0)) fail<ValueError>("NormalHead: the standard deviation starts from ", std, ", expected std > 0");
  }

  Normal<Scalar> operator()(const Tensor<Scalar>& x) const {
    return Normal<Scalar>::from_log_std(net(x), maximum(log_std.tensor(), -10.0));
  }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net);
    visit("log_std", self.log_std);
  }
};

}  // namespace pushforward
