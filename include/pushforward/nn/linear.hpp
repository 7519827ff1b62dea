// Linear and Mlp: dense layers.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// The dense layer y = x W^T + b: [.., in] -> [.., out].
///
/// W [out, in] and b [out] start uniform in (-1/sqrt(in), 1/sqrt(in)), as LeCun et al. 1998 (and PyTorch) do.
template <class S = float>
struct Linear {
  Parameter<S> weight, bias;

  Linear() = default;
  Linear(Index in, Index out, Rng& rng) {
    if (in < 0 || out < 0)
      fail<ShapeError>("Linear: got ", in, " inputs and ", out, " outputs, expected no negative numbers");
    const S bound = in > 0 ? S(1) / std::sqrt(static_cast<S>(in)) : S(0);
    weight = uniform<S>({out, in}, rng, -bound, bound);
    bias = uniform<S>({out}, rng, -bound, bound);
  }

  Tensor<S> operator()(const Tensor<S>& x) const { return linear(x, weight, bias); }
  /// activation(x W^T + b), fused.
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const { return linear(x, weight, bias, activation); }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// How an Mlp is built.
struct MlpOptions {
  Activation activation = Activation::relu;  ///< between the layers
  Activation output = Activation::none;      ///< after the last
};

/// A multilayer perceptron: dense layers of the given widths with an activation between them.
/// `Mlp({784, 400, 40}, rng)` maps [.., 784] to [.., 40] through 400 hidden units. Throws ValueError for fewer than two
/// widths.
template <class S = float>
struct Mlp {
  std::vector<Linear<S>> layers;
  MlpOptions options;

  Mlp() = default;
  Mlp(const std::vector<Index>& widths, Rng& rng, MlpOptions how = {}) : options(how) {
    if (widths.size() < 2)
      fail<ValueError>("Mlp: got ", widths.size(), " widths, expected at least two: {in, .., out}");
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) layers.emplace_back(widths[i], widths[i + 1], rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    Tensor<S> h = x;
    for (std::size_t i = 0; i < layers.size(); ++i)
      h = layers[i](h, i + 1 < layers.size() ? options.activation : options.output);
    return h;
  }

  static void members(auto& self, auto&& visit) { visit("layers", self.layers); }
};

}  // namespace pushforward
