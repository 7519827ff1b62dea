// LipschitzMlp: a multilayer perceptron whose Lipschitz constant has a bound that holds whatever its weights are.
#pragma once

#include <vector>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// An upper bound of the largest singular value of a matrix W [out, in], differentiable to any order in W:
///
///     sigma <= (sum_i sigma_i^p)^(1/p) = |(W^T W)^(p/4)|_F^(2/p),  p = 2^(squarings + 2)
///
/// by repeated squaring of the smaller Gram matrix of m rows. It is above sigma by a factor m^(1/p) at most (3% for 64
/// equal singular values and 5 squarings), where the power method comes from below and needs a vector that follows the
/// weights. Throws ShapeError unless W is a matrix, ValueError for fewer than 0 squarings.
/// Source: Delattre et al., Efficient bound of Lipschitz constant for convolutional layers by Gram iteration, 2023.
template <class S>
Tensor<S> spectral_norm_bound(const Tensor<S>& weight, Index squarings = 5) {
  if (weight.rank() != 2) fail<ShapeError>("spectral_norm_bound: got shape ", weight.shape(), ", expected [out, in]");
  if (squarings < 0) fail<ValueError>("spectral_norm_bound: got ", squarings, " squarings, expected 0 or more");
  // Constant factors are taken out before each product, so that powers neither vanish nor overflow.
  S factor = std::max(weight.empty() ? S(0) : weight.max(), weight.empty() ? S(0) : -weight.min());
  if (!(factor > S(0))) return Tensor<S>::scalar(S(0));
  const Tensor<S> w = weight * (S(1) / factor);
  const bool wide = weight.size(0) < weight.size(1);
  Tensor<S> power = matmul(w, w, {.transpose_a = !wide, .transpose_b = wide});
  S exponent = S(0.5);
  for (Index i = 0; i < squarings; ++i, exponent /= 2) {
    const S size = norm(stop_gradient(power)).item();
    factor *= std::pow(size, exponent);
    power = power * (S(1) / size);
    power = matmul(power, power);
  }
  return factor * exp(log(sum(square(power))) * (exponent / 2));
}

/// How a LipschitzMlp is built.
struct LipschitzMlpOptions {
  double coefficient = 0.9;                  ///< bound of the Lipschitz constant
  Activation activation = Activation::silu;  ///< silu (LipSwish), tanh or softplus
  double sharpness =
      6;                ///< b of the activations at first: weights of small norm give numbers that 1 would leave linear
  Index squarings = 5;  ///< of spectral_norm_bound
};

namespace detail {

// da/dz for z and a = activation(z), with derivatives of its own.
template <class S>
Tensor<S> smooth_slope(Activation activation, const Tensor<S>& z, const Tensor<S>& a) {
  if (activation == Activation::tanh) return 1 - square(a);
  if (activation == Activation::softplus) return sigmoid(z);
  return elementwise(
      [](auto u) {
        const auto s = sigmoid(u);
        return s + s * (u - u * s);
      },
      z);
}

// A network of given weights, its value at points and its slopes there.
template <class S>
struct DenseLayers {
  std::vector<Tensor<S>> weights, biases;
  Activation activation = Activation::silu;

  Tensor<S> operator()(const Tensor<S>& x) const {
    Tensor<S> h = x;
    for (std::size_t i = 0; i < weights.size(); ++i)
      h = linear(h, weights[i], biases[i], i + 1 < weights.size() ? activation : Activation::none);
    return h;
  }
  // The value at x [n, d], and the activations' slopes, [n, width] for each hidden layer.
  Tensor<S> with_slopes(const Tensor<S>& x, std::vector<Tensor<S>>& slopes) const {
    Tensor<S> h = x;
    for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
      const Tensor<S> z = linear(h, weights[i], biases[i]);
      h = activate(z, activation);
      slopes.push_back(smooth_slope(activation, z, h));
    }
    return linear(h, weights.back(), biases.back());
  }
  // Entry [i, j, k] is d value_k / d x_j at point i: [n, d, d].
  Tensor<S> jacobian(const std::vector<Tensor<S>>& slopes, Index n) const {
    Tensor<S> tangents = unsqueeze(transpose(weights[0]), 0);  // [1, d, width]
    for (std::size_t i = 0; i < slopes.size(); ++i) {
      tangents = tangents * unsqueeze(slopes[i], 1);  // [n, d, width]
      tangents = linear(tangents, weights[i + 1], Tensor<S>());
    }
    return slopes.empty() ? expand(tangents, tangents.shape().with(0, n)) : tangents;
  }
  // v^T d value / d x for v [n, d]: [n, d].
  Tensor<S> pull(const std::vector<Tensor<S>>& slopes, const Tensor<S>& v) const {
    Tensor<S> u = matmul(v, weights.back());
    for (std::size_t i = slopes.size(); i-- > 0;) u = matmul(u * slopes[i], weights[i]);
    return u;
  }

  // All numbers as one tensor, and a network of the same form with the numbers of such a tensor.
  Tensor<S> packed() const {
    std::vector<Tensor<S>> flat;
    for (std::size_t i = 0; i < weights.size(); ++i)
      for (const Tensor<S>& part : {weights[i], biases[i]}) flat.push_back(reshape(part, Shape{part.size()}));
    return concat(flat);
  }
  DenseLayers unpacked(const Tensor<S>& numbers) const {
    DenseLayers other{{}, {}, activation};
    Index at = 0;
    auto next = [&](const Shape& shape) {
      at += shape.size();
      return reshape(slice(numbers, 0, at - shape.size(), at), shape);
    };
    for (std::size_t i = 0; i < weights.size(); ++i) {
      other.weights.push_back(next(weights[i].shape()));
      other.biases.push_back(next(biases[i].shape()));
    }
    return other;
  }
};

}  // namespace detail

/// A multilayer perceptron with Lipschitz constant at most `coefficient`, in the Euclidean norm: [.., in] -> [.., out].
///
/// Each of its L weights is W min(1, b / bound(W)) with b = coefficient^(1/L) and the upper bound of the spectral norm
/// from `spectral_norm_bound` (Behrmann et al. 2019, sec. 2, whose estimate comes from below). It is computed in every
/// call, so the constant holds at every step of any optimizer, in an average of weights and in a file. Activations have
/// slope 1 at most: with a trained b > 0 for each layer
///
///     silu:     LipSwish, z sigmoid(b z) / 1.1 (Chen et al. 2019, sec. 3.3)
///     tanh:     tanh(b z) / b
///     softplus: log(1 + e^(b z)) / b
///
/// They are smooth, so that gradients through derivatives of the network are not zero. Throws ValueError for fewer than
/// two widths, another activation, or a coefficient that is not positive.
template <class S = float>
struct LipschitzMlp {
  std::vector<Linear<S>> layers;
  Parameter<S> sharpness;  // [layers - 1]: b before a softplus
  LipschitzMlpOptions options;

  LipschitzMlp() = default;
  LipschitzMlp(const std::vector<Index>& widths, Rng& rng, const LipschitzMlpOptions& how = {}) : options(how) {
    if (widths.size() < 2)
      fail<ValueError>("LipschitzMlp: got ", widths.size(), " widths, expected at least two: {in, .., out}");
    if (!(how.coefficient > 0 && std::isfinite(how.coefficient)))
      fail<ValueError>("LipschitzMlp: .coefficient is ", how.coefficient, ", expected a positive number");
    if (how.squarings < 0) fail<ValueError>("LipschitzMlp: .squarings is ", how.squarings, ", expected 0 or more");
    if (!(how.sharpness > 0 && std::isfinite(how.sharpness)))
      fail<ValueError>("LipschitzMlp: .sharpness is ", how.sharpness, ", expected a positive number");
    const Activation a = how.activation;
    if (a != Activation::silu && a != Activation::tanh && a != Activation::softplus)
      fail<ValueError>(
          "LipschitzMlp: .activation is not smooth with a slope that is known, expected silu, tanh or "
          "softplus");
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) layers.emplace_back(widths[i], widths[i + 1], rng);
    if (layers.size() > 1)
      sharpness = Tensor<S>::full({static_cast<Index>(layers.size()) - 1},
                                  static_cast<S>(how.sharpness + std::log(-std::expm1(-how.sharpness))));
  }

  Tensor<S> operator()(const Tensor<S>& x) const { return folded()(x); }

  /// The same function as plain dense layers: normalized weights, with the constants of the activations inside.
  detail::DenseLayers<S> folded() const {
    detail::DenseLayers<S> net{{}, {}, options.activation};
    const S bound = static_cast<S>(std::pow(options.coefficient, 1.0 / static_cast<double>(layers.size())));
    const S steepest = options.activation == Activation::silu ? S(1.1) : S(1);
    const Tensor<S> sharp = layers.size() > 1 ? softplus(sharpness.tensor()) : Tensor<S>();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto at = static_cast<Index>(i);
      const Tensor<S> size = spectral_norm_bound(layers[i].weight.tensor(), options.squarings);
      Tensor<S> factor = minimum(bound / maximum(size, std::numeric_limits<S>::min()), S(1));
      Tensor<S> bias = layers[i].bias;
      if (i > 0) factor = factor / (select(sharp, 0, at - 1) * steepest);
      if (i + 1 < layers.size()) {
        factor = factor * select(sharp, 0, at);
        bias = bias * select(sharp, 0, at);
      }
      net.weights.push_back(layers[i].weight * factor);
      net.biases.push_back(bias);
    }
    return net;
  }

  static void members(auto& self, auto&& visit) {
    visit("layers", self.layers);
    if (!self.sharpness.empty()) visit("sharpness", self.sharpness);
  }
};

}  // namespace pushforward
