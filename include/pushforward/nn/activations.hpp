// Activations as layers: function objects for Sequential and AnyLayer.
#pragma once

#include <pushforward/ops/matmul.hpp>

namespace pushforward {

// `fused` names the activation that a dense layer before it can apply itself.

/// max(x, 0).
struct Relu {
  static constexpr Activation fused = Activation::relu;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return relu(x);
  }
};
/// x sigmoid(x).
struct Silu {
  static constexpr Activation fused = Activation::silu;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return silu(x);
  }
};
/// tanh(x).
struct Tanh {
  static constexpr Activation fused = Activation::tanh;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return tanh(x);
  }
};
/// 1 / (1 + e^-x).
struct Sigmoid {
  static constexpr Activation fused = Activation::sigmoid;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return sigmoid(x);
  }
};
/// x Phi(x), Phi the exact normal distribution function.
struct Gelu {
  static constexpr Activation fused = Activation::gelu;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return gelu(x);
  }
};
/// log(1 + e^x).
struct Softplus {
  static constexpr Activation fused = Activation::softplus;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return softplus(x);
  }
};
/// x above 0, slope * x below.
struct LeakyRelu {
  double slope = 0.01;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return leaky_relu(x, slope);
  }
  static void members(auto&, auto&&) {}
};
/// x above 0, alpha (e^x - 1) below.
struct Elu {
  double alpha = 1.0;
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return elu(x, alpha);
  }
  static void members(auto&, auto&&) {}
};

}  // namespace pushforward
