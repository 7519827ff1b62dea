// WeightNorm: layers whose weights are a length times a direction for each output.
#pragma once

#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/nn/spectral_norm.hpp>

namespace pushforward {

namespace detail {

// How the weight of a layer is seen by WeightNorm: as a tensor with the outputs on one axis, or on two for the groups
// of a transposed convolution [groups, in / groups, out / groups, ..].
struct WeightRows {
  Shape seen;
  std::vector<int> inputs;  // the axes summed over in a length

  WeightRows(const Shape& weight, int output_axis, Index groups) : seen(weight) {
    if (output_axis == 1 && groups > 1) seen = weight.with(0, weight[0] / groups).inserted(0, groups);
    for (int i = 0; i < seen.rank(); ++i) {
      const bool output = seen.rank() > weight.rank() ? i == 0 || i == 2 : i == output_axis;
      if (!output) inputs.push_back(i);
    }
  }
};

}  // namespace detail

/// A layer whose weight is W_o = length_o v_o / |v_o| for each output o, v being the layer's own weight: y = W x + b
/// (Salimans and Kingma 2016, eq. 2).
///
/// At first length = |v|, so that nothing changes; `initialize(x)` sets lengths and biases from data. The layer has a
/// `weight` [out, ..]: Linear, Embedding, convolutions and their transposes [in, out, ..], or a module of your own.
///
/// In a file the members have the names and shapes of PyTorch's weight_norm: `weight_g` [out, 1, ..] and `weight_v`;
/// for a transposed convolution those of weight_norm(.., dim=1), [1, out, 1, ..], because its default there has a
/// length for each input. Throws ShapeError for a weight of fewer than two axes.
template <class Layer = Linear<float>>
struct WeightNorm {
  using Scalar = detail::layer_scalar<Layer>;
  using S = Scalar;

  Layer layer;
  Parameter<S> length;  // the weight's shape with 1 for all axes but that of the outputs

  WeightNorm() = default;
  explicit WeightNorm(Layer normalized) : layer(std::move(normalized)) {
    if (layer.weight.rank() < 2)
      fail<ShapeError>("WeightNorm: the weight has shape ", layer.weight.shape(), ", expected [out, in, ..]");
    length = lengths(rows());
  }

  /// The weight that the layer is called with, differentiable in direction and length.
  Tensor<S> weight() const {
    const detail::WeightRows how = rows();
    const Tensor<S> direction = reshape(layer.weight.tensor(), how.seen);
    return reshape(direction * (length.tensor() / maximum(lengths(how), S(1e-12))), layer.weight.shape());
  }
  /// layer(x) with that weight.
  template <class T>
  requires detail::CalledWith<Layer, Tensor<T>> Tensor<S>
  operator()(const Tensor<T>& x) const { return detail::call_with_weight(layer, weight(), x); }
  /// layer(x, activation) with that weight, fused.
  template <class T>
  requires detail::CalledWith<Layer, Tensor<T>, Activation> Tensor<S>
  operator()(const Tensor<T>& x, Activation activation) const {
    return detail::call_with_weight(layer, weight(), x, activation);
  }

  /// Sets lengths and biases such that each output has mean 0 and variance 1 over the batch x (Salimans and Kingma
  /// 2016, eq. 5-6), and returns these outputs: the input that initializes the next layer. Call it once, before
  /// training. A layer without biases gets its lengths only, so that its means stay. Throws ValueError for an output
  /// that is constant over the batch; then nothing has been changed.
  Tensor<S> initialize(const Tensor<S>& x) {
    const NoGradient guard;
    WeightNorm plain = *this;  // of length 1, without biases
    plain.length = Tensor<S>::ones(length.shape());
    const bool biased = !layer.bias.tensor().empty();
    if (biased) plain.layer.bias = Tensor<S>::zeros(layer.bias.shape());
    const Tensor<S> y = plain(x);
    const int channel = layer.weight.rank() == 2 ? y.rank() - 1 : 1;
    std::vector<int> others;
    for (int i = 0; i < y.rank(); ++i)
      if (i != channel) others.push_back(i);
    const Tensor<S> deviation = sqrt(var(y, others)), middle = mean(y, others);
    const Tensor<S> rounding = 16 * std::numeric_limits<S>::epsilon() * abs(middle);
    if (!((deviation - rounding).min() > S(0)))
      fail<ValueError>("WeightNorm::initialize: an output does not vary over the batch of shape ", x.shape(),
                       ", expected at least two different rows");
    length = reshape(S(1) / deviation, length.shape());
    if (biased) layer.bias = -middle / deviation;
    return (*this)(x);
  }

  static void members(auto& self, auto&& visit) {
    detail::visit_with_weight(self.layer, "weight_v", visit);
    visit("weight_g", self.length);
  }

 private:
  detail::WeightRows rows() const {
    constexpr int axis = detail::weight_output_axis<Layer>;
    if constexpr (axis == 1 && requires { layer.options.groups; })
      return {layer.weight.shape(), axis, layer.options.groups};
    else
      return {layer.weight.shape(), axis, 1};
  }
  // |v_o|, with the axes of the weight kept.
  Tensor<S> lengths(const detail::WeightRows& how) const {
    return norm(reshape(layer.weight.tensor(), how.seen), how.inputs, true);
  }
};

}  // namespace pushforward
