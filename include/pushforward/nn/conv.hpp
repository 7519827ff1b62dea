// Convolutional layers: Conv1d, Conv2d, their transposes, and the masked and causal ones of autoregressive models.
#pragma once

#include <cmath>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/convolution.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// How a Conv2d is built.
struct Conv2dLayerOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;
  bool bias = true;
};

/// How a ConvTranspose2d is built.
struct ConvTranspose2dLayerOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;
  Size2 output_padding = 0;
  bool bias = true;
};

/// How a Conv1d is built.
struct Conv1dLayerOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
  bool bias = true;
};

/// How a ConvTranspose1d is built.
struct ConvTranspose1dLayerOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
  Index output_padding = 0;
  bool bias = true;
};

/// The padding with which a convolution without stride keeps the size of images; what cannot be halved goes to the
/// bottom and to the right.
constexpr Padding2 same_padding(Size2 kernel, Size2 dilation = 1) {
  const Index y = detail::conv_reach("same_padding", kernel.height, dilation.height) - 1,
              x = detail::conv_reach("same_padding", kernel.width, dilation.width) - 1;
  return {y / 2, y - y / 2, x / 2, x - x / 2};
}

namespace detail {

// A weight [a, b, kernel ..] and a bias, uniform in (-1/sqrt(b kernel), 1/sqrt(b kernel)).
template <class S>
void start_conv(const char* name, Parameter<S>& weight, Parameter<S>& bias, const Shape& shape, Index out, Index groups,
                bool with_bias, Rng& rng) {
  for (const Index length : shape)
    if (length < 0) fail<ShapeError>(name, ": weights of shape ", shape, ", expected no negative numbers");
  if (groups < 1 || shape[0] % groups != 0 || out % groups != 0)
    fail<ShapeError>(name, ": cannot split the channels of weights of shape ", shape, " into ", groups,
                     " groups; expected a divisor of the inputs and of the outputs");
  const Index fan = shape.product(1, shape.rank());
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  weight = uniform<S>(shape, rng, -bound, bound);
  bias = with_bias ? uniform<S>({out}, rng, -bound, bound) : Tensor<S>(Shape{0}, std::vector<S>{});
}

// in / groups, where that is a whole number.
inline Index channels_per_group(const char* name, Index channels, Index groups) {
  if (groups < 1 || channels % groups != 0)
    fail<ShapeError>(name, ": cannot split ", channels, " channels into ", groups, " groups; expected a divisor");
  return channels / groups;
}

}  // namespace detail

/// The layer conv2d: [n, in, h, w] -> [n, out, h', w'].
///
/// The weight [out, in / groups, kh, kw] and the bias [out] start uniform in (-1/sqrt(f), 1/sqrt(f)), f = in / groups
/// kh kw, as in PyTorch. `Conv2d<>(3, 64, 4, rng, {.stride = 2, .padding = 1})`.
template <class S = float>
struct Conv2d {
  Parameter<S> weight, bias;
  Conv2dOptions options;

  Conv2d() = default;
  Conv2d(Index in, Index out, Size2 kernel, Rng& rng, const Conv2dLayerOptions& o = {})
      : options{o.stride, o.padding, o.dilation, o.groups} {
    const Index per_group = detail::channels_per_group("Conv2d", in, o.groups);
    detail::start_conv("Conv2d", weight, bias, Shape{out, per_group, kernel.height, kernel.width}, out, o.groups,
                       o.bias, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const { return conv2d(x, weight.tensor(), bias.tensor(), options); }
  /// activation(conv2d(..)).
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    return conv2d(x, weight.tensor(), bias.tensor(), options, activation);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// The layer conv_transpose2d: [n, in, h, w] -> [n, out, h', w'].
///
/// The weight [in, out / groups, kh, kw] and the bias [out] start uniform in (-1/sqrt(f), 1/sqrt(f)), f = out / groups
/// kh kw, as in PyTorch. `ConvTranspose2d<>(64, 3, 4, rng, {.stride = 2, .padding = 1})` doubles height and width.
template <class S = float>
struct ConvTranspose2d {
  Parameter<S> weight, bias;
  ConvTranspose2dOptions options;

  ConvTranspose2d() = default;
  ConvTranspose2d(Index in, Index out, Size2 kernel, Rng& rng, const ConvTranspose2dLayerOptions& o = {})
      : options{o.stride, o.padding, o.dilation, o.groups, o.output_padding} {
    const Index per_group = detail::channels_per_group("ConvTranspose2d", out, o.groups);
    detail::start_conv("ConvTranspose2d", weight, bias, Shape{in, per_group, kernel.height, kernel.width}, out,
                       o.groups, o.bias, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    return conv_transpose2d(x, weight.tensor(), bias.tensor(), options);
  }
  /// activation(conv_transpose2d(..)).
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    return conv_transpose2d(x, weight.tensor(), bias.tensor(), options, activation);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// The layer conv1d: [n, in, length] -> [n, out, length'].
///
/// The weight [out, in / groups, k] and the bias [out] start uniform in (-1/sqrt(f), 1/sqrt(f)), f = in / groups k.
template <class S = float>
struct Conv1d {
  Parameter<S> weight, bias;
  Conv1dOptions options;

  Conv1d() = default;
  Conv1d(Index in, Index out, Index kernel, Rng& rng, const Conv1dLayerOptions& o = {})
      : options{o.stride, o.padding, o.dilation, o.groups} {
    const Index per_group = detail::channels_per_group("Conv1d", in, o.groups);
    detail::start_conv("Conv1d", weight, bias, Shape{out, per_group, kernel}, out, o.groups, o.bias, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const { return conv1d(x, weight.tensor(), bias.tensor(), options); }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// The layer conv_transpose1d: [n, in, length] -> [n, out, length']. Weight [in, out / groups, k].
template <class S = float>
struct ConvTranspose1d {
  Parameter<S> weight, bias;
  ConvTranspose1dOptions options;

  ConvTranspose1d() = default;
  ConvTranspose1d(Index in, Index out, Index kernel, Rng& rng, const ConvTranspose1dLayerOptions& o = {})
      : options{o.stride, o.padding, o.dilation, o.groups, o.output_padding} {
    const Index per_group = detail::channels_per_group("ConvTranspose1d", out, o.groups);
    detail::start_conv("ConvTranspose1d", weight, bias, Shape{in, per_group, kernel}, out, o.groups, o.bias, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    return conv_transpose1d(x, weight.tensor(), bias.tensor(), options);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// How a CausalConv1d is built.
struct CausalConv1dOptions {
  Index dilation = 1;
  Index groups = 1;
  bool strict = false;  ///< element t does not see itself, only those before it
  bool bias = true;
};

/// A convolution of sequences that looks back only: [n, in, length] -> [n, out, length], element t sees elements t, t -
/// dilation, ..., t - (k - 1) dilation (one less each if strict), zeros before the first (van den Oord et al. 2016,
/// WaveNet, section 2.1).
template <class S = float>
struct CausalConv1d {
  Parameter<S> weight, bias;
  Conv1dOptions options;

  CausalConv1d() = default;
  CausalConv1d(Index in, Index out, Index kernel, Rng& rng, const CausalConv1dOptions& o = {}) {
    const Index shift = o.strict ? 1 : 0, reach = detail::conv_reach("CausalConv1d", kernel, o.dilation);
    options = {.padding = {reach - 1 + shift, -shift}, .dilation = o.dilation, .groups = o.groups};
    const Index per_group = detail::channels_per_group("CausalConv1d", in, o.groups);
    detail::start_conv("CausalConv1d", weight, bias, Shape{out, per_group, kernel}, out, o.groups, o.bias, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const { return conv1d(x, weight.tensor(), bias.tensor(), options); }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// What a masked convolution sees of the pixel that it stands on: nothing (the first layer), or what has been computed
/// from the pixels before it (all others).
enum class MaskType { a, b };

/// How a MaskedConv2d is built.
struct MaskedConv2dOptions {
  Size2 dilation = 1;
  Index colors = 1;  ///< of a pixel, one after the other: equal parts of the channels belong to each
  bool bias = true;
};

/// A convolution that sees only pixels above, and to the left in its own row: [n, in, h, w] -> [n, out, h, w] (van den
/// Oord et al. 2016, Pixel recurrent neural networks, section 3.4).
///
/// The kernel has odd sides. At its center, channels of color i see those of colors before i, and with MaskType::b
/// those of color i too. The mask is applied in every pass, so it holds whatever changes the weights. They start as
/// those of Conv2d, zero where the mask is. Throws ShapeError, ValueError.
template <class S = float>
struct MaskedConv2d {
  Parameter<S> weight, bias;
  Conv2dOptions options;

  MaskedConv2d() = default;
  MaskedConv2d(MaskType type, Index in, Index out, Size2 kernel, Rng& rng, const MaskedConv2dOptions& o = {}) {
    if (kernel.height % 2 != 1 || kernel.width % 2 != 1)
      fail<ValueError>("MaskedConv2d: got a kernel of ", kernel.height, " x ", kernel.width, ", expected odd sides");
    detail::channels_per_group("MaskedConv2d", in, o.colors);
    detail::channels_per_group("MaskedConv2d", out, o.colors);
    options = {.padding = same_padding(kernel, o.dilation), .dilation = o.dilation};
    detail::start_conv("MaskedConv2d", weight, bias, Shape{out, in, kernel.height, kernel.width}, out, 1, o.bias, rng);
    mask_ = make_mask(type, weight.shape(), o.colors);
    weight = weight.tensor() * mask_;
  }

  /// Zeros and ones, [out, in, kh, kw].
  const Tensor<S>& mask() const { return mask_; }

  Tensor<S> operator()(const Tensor<S>& x) const { return conv2d(x, masked(), bias.tensor(), options); }
  /// activation(conv2d(..)).
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    return conv2d(x, masked(), bias.tensor(), options, activation);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }

 private:
  static Tensor<S> make_mask(MaskType type, const Shape& shape, Index colors) {
    const Index out = shape[0], in = shape[1], h = shape[2], w = shape[3], center = h / 2 * w + w / 2;
    return Tensor<S>::generate(shape, [=](Index i) {
      const Index tap = i % (h * w), to = i / (h * w * in) * colors / out, from = i / (h * w) % in * colors / in;
      const bool seen = tap < center || (tap == center && (type == MaskType::a ? from < to : from <= to));
      return seen ? S(1) : S(0);
    });
  }
  Tensor<S> masked() const {
    if (mask_.empty() && !weight.tensor().empty())
      fail<ValueError>("MaskedConv2d: it is empty; build it from numbers of channels before use");
    return weight.tensor() * mask_;
  }

  Tensor<S> mask_;
};

}  // namespace pushforward
