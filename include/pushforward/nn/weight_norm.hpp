// WeightNorm: layers whose weights are a length times a direction for each output.
#pragma once

#include <utility>
#include <vector>

#include <pushforward/nn/spectral_norm.hpp>

namespace pushforward {

/// A layer whose weight is W_o = length_o v_o / |v_o| for each output o, v being the layer's own weight: y = W x + b
/// (Salimans and Kingma 2016, eq. 2).
///
/// At first length = |v|, so that nothing changes; `initialize(x)` sets lengths and biases from data. The layer has a
/// `weight` [out, ..] and a `bias`: Linear, convolutions.
template <class Layer = Linear<float>>
struct WeightNorm {
  using Scalar = typename std::remove_cvref_t<decltype(std::declval<Layer>().weight)>::Scalar;
  using S = Scalar;

  Layer layer;
  Parameter<S> length;  // [out]

  WeightNorm() = default;
  explicit WeightNorm(Layer normalized) : layer(std::move(normalized)) {
    if (layer.weight.rank() < 2)
      fail<ShapeError>("WeightNorm: the weight has shape ", layer.weight.shape(), ", expected [out, in, ..]");
    length = reshape(lengths(), Shape{layer.weight.size(0)});
  }

  /// The weight that the layer is called with, differentiable in direction and length.
  Tensor<S> weight() const {
    Shape per_output{layer.weight.size(0)};
    while (per_output.rank() < layer.weight.rank()) per_output = per_output.inserted(per_output.rank(), 1);
    return layer.weight.tensor() * (reshape(length.tensor(), per_output) / maximum(lengths(), S(1e-12)));
  }
  Tensor<S> operator()(const Tensor<S>& x) const { return detail::call_with_weight(layer, weight(), x); }
  /// activation(layer(x)), fused.
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    return detail::call_with_weight(layer, weight(), x, activation);
  }

  /// Sets lengths and biases such that each output has mean 0 and variance 1 over the batch x (Salimans and Kingma
  /// 2016, eq. 5-6), and returns these outputs: the input that initializes the next layer. Call it once, before
  /// training. Throws ValueError for an output that is constant over the batch.
  Tensor<S> initialize(const Tensor<S>& x) {
    const NoGradient guard;
    const Shape outputs{layer.weight.size(0)};
    length = Tensor<S>::ones(outputs);
    layer.bias = Tensor<S>::zeros(outputs);
    const Tensor<S> y = (*this)(x);
    const int channel = layer.weight.rank() == 2 ? y.rank() - 1 : 1;
    std::vector<int> others;
    for (int i = 0; i < y.rank(); ++i)
      if (i != channel) others.push_back(i);
    const Tensor<S> deviation = sqrt(var(y, others)), middle = mean(y, others);
    if (!(deviation.min() > S(0)))
      fail<ValueError>("WeightNorm::initialize: an output does not vary over the batch of shape ", x.shape(),
                       ", expected at least two different rows");
    length = S(1) / deviation;
    layer.bias = -middle / deviation;
    return (*this)(x);
  }

  static void members(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("length", self.length);
  }

 private:
  // |v_o|, with the axes of the weight kept.
  Tensor<S> lengths() const {
    std::vector<int> axes;
    for (int i = 1; i < layer.weight.rank(); ++i) axes.push_back(i);
    return norm(layer.weight.tensor(), axes, true);
  }
};

}  // namespace pushforward
