// Convolutions in one and two dimensions and their transposes, differentiable to every order.
#pragma once

#include <pushforward/ops/convolution_values.hpp>
#include <pushforward/ops/image_size.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// How a kernel moves over images.
struct Conv2dOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;  ///< parts of the channels that do not mix
};

/// The convolution that is transposed, and what it left out at the far end.
struct ConvTranspose2dOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;
  Size2 output_padding = 0;  ///< lines more at the bottom and at the right
};

/// How a kernel moves over sequences.
struct Conv1dOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
};

/// The convolution that is transposed, and what it left out at the far end.
struct ConvTranspose1dOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
  Index output_padding = 0;
};

namespace detail {

// Three operations, each linear in two tensors, whose gradients are the other two.
template <class S>
Tensor<S> convolve(const Tensor<S>& x, const Tensor<S>& w, const ConvGeometry& c);
template <class S>
Tensor<S> convolve_transposed(const Tensor<S>& g, const Tensor<S>& w, const ConvGeometry& c);
template <class S>
Tensor<S> convolve_to_weight(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c);

template <class S>
Tensor<S> convolve(const Tensor<S>& x, const Tensor<S>& w, const ConvGeometry& c) {
  return record("conv2d", conv_values(x, w, Tensor<S>(), c, false),
                edge(x, [w, c](const Tensor<S>& g) { return convolve_transposed(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(x, g, c); }));
}

template <class S>
Tensor<S> convolve_transposed(const Tensor<S>& g, const Tensor<S>& w, const ConvGeometry& c) {
  return record("conv_transpose2d", conv_transpose_values(g, w, Tensor<S>(), c, false),
                edge(g, [w, c](const Tensor<S>& x) { return convolve(x, w, c); }),
                edge(w, [g, c](const Tensor<S>& x) { return convolve_to_weight(x, g, c); }));
}

template <class S>
Tensor<S> convolve_to_weight(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c) {
  return record("conv2d_weight", conv_weight_values(x, g, c),
                edge(x, [g, c](const Tensor<S>& w) { return convolve_transposed(g, w, c); }),
                edge(g, [x, c](const Tensor<S>& w) { return convolve(x, w, c); }));
}

// The gradient by the bias: everything summed but the channels.
template <class S>
Tensor<S> conv_to_bias(const Tensor<S>& g, const Shape& bias) {
  return bias.size() ? sum(g, {0, 2, 3}) : Tensor<S>::zeros(bias);
}

// Sides, paddings and spans are below this, so that sums and products of two of them can be counted.
inline constexpr Index conv_most = Index{1} << 31;

// How far a kernel spans.
constexpr Index conv_reach(const char* name, Index kernel, Index dilation) {
  if (kernel == 1) return 1;
  if (kernel < 1 || dilation < 1 || kernel > conv_most || dilation > conv_most / (kernel - 1))
    fail<ShapeError>(name, ": a kernel of ", kernel, " with a dilation of ", dilation,
                     ", expected a span of at least 1 and ", "less than 2^31");
  return dilation * (kernel - 1) + 1;
}

inline void check_conv_side(const char* name, const char* axis, Index in, Index before, Index after, Index more = 0) {
  for (const Index part : {in, before, after, more})
    if (part > conv_most || part < -conv_most)
      fail<ShapeError>(name, ": the ", axis, " ", in, " with a padding of ", before, ", ", after, " and ", more,
                       " is too long, expected less than 2^31 each");
}

inline ConvAxis conv_axis(const char* name, const char* axis, Index in, Index kernel, Index stride, Index dilation,
                          Index before, Index after) {
  check_conv_side(name, axis, in, before, after);
  const Index reach = conv_reach(name, kernel, dilation), room = in + before + after - reach;
  if (room < 0)
    fail<ShapeError>(name, ": the ", axis, " ", in, " with ", before + after,
                     " of padding is smaller than the kernel, which spans ", reach,
                     "; pad more, or take a smaller kernel or dilation");
  // Where there is one element, any stride that leaves no room for a second is the same; windows would grow with it.
  const Index step = std::min(stride, std::max(room + 1, reach));
  return {in, room / step + 1, kernel, step, kernel == 1 ? 1 : dilation, before};
}

inline void check_conv_options(const char* name, Size2 stride, Size2 dilation, Index groups) {
  if (stride.height < 1 || stride.width < 1 || dilation.height < 1 || dilation.width < 1 || groups < 1)
    fail<ValueError>(name, ": got stride ", stride.height, " x ", stride.width, ", dilation ", dilation.height, " x ",
                     dilation.width, " and ", groups, " groups, expected at least 1 each");
}

template <class S>
void check_conv(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias, Index groups,
                bool transposed) {
  const char* layout = transposed ? "[in, out / groups, height, width]" : "[out, in / groups, height, width]";
  if (x.rank() != 4) fail<ShapeError>(name, ": input of shape ", x.shape(), ", expected [n, channels, height, width]");
  if (w.rank() != 4 || w.size(2) < 1 || w.size(3) < 1)
    fail<ShapeError>(name, ": weight of shape ", w.shape(), ", expected ", layout, " with a kernel of at least 1 x 1");
  Index all = 0;  // what the groups have together
  if (__builtin_mul_overflow(w.size(1), groups, &all))
    fail<ShapeError>(name, ": a weight of shape ", w.shape(), " for ", groups, " groups, expected fewer");
  const Index in = transposed ? w.size(0) : all, out = transposed ? all : w.size(0);
  if (x.size(1) != in)
    fail<ShapeError>(name, ": input of shape ", x.shape(), " has ", x.size(1), " channels, expected ", in,
                     " for a weight ", layout, " of shape ", w.shape(), " and ", groups, " groups");
  if (w.size(0) % groups != 0)
    fail<ShapeError>(name, ": the first axis of a weight of shape ", w.shape(), " cannot be split into ", groups,
                     " groups; expected a multiple");
  if (bias.size() > 0 && !(bias.shape() == Shape{out}))
    fail<ShapeError>(name, ": bias of shape ", bias.shape(), ", expected [", out, "], or an empty one for none");
}

template <class S>
ConvGeometry conv_geometry(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                           const Conv2dOptions& o) {
  check_conv_options(name, o.stride, o.dilation, o.groups);
  check_conv(name, x, w, bias, o.groups, false);
  return {
      conv_axis(name, "height", x.size(2), w.size(2), o.stride.height, o.dilation.height, o.padding.top,
                o.padding.bottom),
      conv_axis(name, "width", x.size(3), w.size(3), o.stride.width, o.dilation.width, o.padding.left, o.padding.right),
      o.groups};
}

inline ConvAxis conv_transposed_axis(const char* name, const char* axis, Index in, Index kernel, Index stride,
                                     Index dilation, Index before, Index after, Index more) {
  if (more < 0 || more >= std::max(stride, dilation))
    fail<ValueError>(name, ": output_padding ", more, " of the ", axis, ", expected 0 to less than the stride ", stride,
                     " or the dilation ", dilation);
  check_conv_side(name, axis, in, before, after, more);
  const Index reach = conv_reach(name, kernel, dilation), step = in > 1 ? stride : std::min(stride, reach + more);
  if (in > 1 && step > conv_most / (in - 1))
    fail<ShapeError>(name, ": a ", axis, " of ", in, " with a stride of ", stride, " becomes longer than 2^31");
  const Index out = in == 0 ? 0 : (in - 1) * step + reach + more - before - after;
  if (out < 0)
    fail<ShapeError>(name, ": from a ", axis, " of ", in, " nothing is left with a padding of ", before, " and ", after,
                     "; pad less");
  return {out, in, kernel, step, kernel == 1 ? 1 : dilation, before};
}

template <class S>
ConvGeometry conv_transposed_geometry(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                                      const ConvTranspose2dOptions& o) {
  check_conv_options(name, o.stride, o.dilation, o.groups);
  check_conv(name, x, w, bias, o.groups, true);
  return {conv_transposed_axis(name, "height", x.size(2), w.size(2), o.stride.height, o.dilation.height, o.padding.top,
                               o.padding.bottom, o.output_padding.height),
          conv_transposed_axis(name, "width", x.size(3), w.size(3), o.stride.width, o.dilation.width, o.padding.left,
                               o.padding.right, o.output_padding.width),
          o.groups};
}

// The values joined to the graph; they may be a shell when an activation keeps only its own result.
template <class S>
Tensor<S> record_conv(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                      const ConvGeometry& c) {
  return record("conv2d", std::move(values),
                edge(x, [w, c](const Tensor<S>& g) { return convolve_transposed(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(x, g, c); }),
                edge(bias, [shape = bias.shape()](const Tensor<S>& g) { return conv_to_bias(g, shape); }));
}

template <class S>
Tensor<S> record_conv_transposed(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                                 const ConvGeometry& c) {
  return record("conv_transpose2d", std::move(values),
                edge(x, [w, c](const Tensor<S>& g) { return convolve(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(g, x, c); }),
                edge(bias, [shape = bias.shape()](const Tensor<S>& g) { return conv_to_bias(g, shape); }));
}

}  // namespace detail

/// The two-dimensional convolution (cross-correlation, as networks call it) with zeros around the image:
///     y[n, o, i, j] = bias[o] + sum over c, r, s of weight[o, c, r, s] x[n, c, i stride + r dilation - padding, ..]
///
/// x [n, in, h, w], weight [out, in / groups, kh, kw], bias [out] (or empty: none) -> [n, out, h', w'] with
/// h' = (h + top + bottom - dilation (kh - 1) - 1) / stride + 1, rounded down. With groups, part g of the output
/// channels sees part g of the input channels only. Throws ShapeError, ValueError.
template <class S>
Tensor<S> conv2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                 const Conv2dOptions& options = {}) {
  const detail::ConvGeometry c = detail::conv_geometry("conv2d", x, weight, bias, options);
  return detail::record_conv(detail::conv_values(x, weight, bias, c, false), x, weight, bias, c);
}
/// activation(conv2d(..)); relu is fused.
template <class S>
Tensor<S> conv2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, const Conv2dOptions& options,
                 Activation activation) {
  if (activation != Activation::relu) return activate(conv2d(x, weight, bias, options), activation);
  const detail::ConvGeometry c = detail::conv_geometry("conv2d", x, weight, bias, options);
  Tensor<S> y = detail::conv_values(x, weight, bias, c, true);
  if (detail::nan_check_flag()) detail::check_finite("conv2d", y);
  return detail::record_activation(detail::activation_loops<S>(activation),
                                   detail::record_conv(detail::Access::shell(y), x, weight, bias, c), std::move(y));
}

/// The transpose of conv2d as a linear map (its gradient by the input), with a bias: what upsamples where conv2d with
/// the same options downsamples.
///
/// x [n, in, h, w], weight [in, out / groups, kh, kw], bias [out] (or empty: none) -> [n, out, h', w'] with
/// h' = (h - 1) stride + dilation (kh - 1) + 1 + output_padding - top - bottom. Throws ShapeError, ValueError.
template <class S>
Tensor<S> conv_transpose2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose2dOptions& options = {}) {
  const detail::ConvGeometry c = detail::conv_transposed_geometry("conv_transpose2d", x, weight, bias, options);
  return detail::record_conv_transposed(detail::conv_transpose_values(x, weight, bias, c, false), x, weight, bias, c);
}
/// activation(conv_transpose2d(..)); relu is fused.
template <class S>
Tensor<S> conv_transpose2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose2dOptions& options, Activation activation) {
  if (activation != Activation::relu) return activate(conv_transpose2d(x, weight, bias, options), activation);
  const detail::ConvGeometry c = detail::conv_transposed_geometry("conv_transpose2d", x, weight, bias, options);
  Tensor<S> y = detail::conv_transpose_values(x, weight, bias, c, true);
  if (detail::nan_check_flag()) detail::check_finite("conv_transpose2d", y);
  return detail::record_activation(detail::activation_loops<S>(activation),
                                   detail::record_conv_transposed(detail::Access::shell(y), x, weight, bias, c),
                                   std::move(y));
}

namespace detail {

template <class S>
void check_conv1d(const char* name, const Tensor<S>& x, const Tensor<S>& w) {
  if (x.rank() != 3 || w.rank() != 3)
    fail<ShapeError>(name, ": input of shape ", x.shape(), " and weight of shape ", w.shape(),
                     ", expected [n, channels, length] and a weight of three axes, the kernel last");
}

}  // namespace detail

/// The convolution of sequences: x [n, in, length], weight [out, in / groups, k], bias [out] (or empty: none) ->
/// [n, out, length']. `.padding = {dilation (k - 1), 0}` makes it causal: element t sees elements up to t. Throws
/// ShapeError, ValueError.
template <class S>
Tensor<S> conv1d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, const Conv1dOptions& o = {}) {
  detail::check_conv1d("conv1d", x, weight);
  return squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                        {.stride = {1, o.stride},
                         .padding = {0, 0, o.padding.before, o.padding.after},
                         .dilation = {1, o.dilation},
                         .groups = o.groups}),
                 2);
}

/// The transpose of conv1d, with a bias: x [n, in, length], weight [in, out / groups, k] -> [n, out, length']. Throws
/// ShapeError, ValueError.
template <class S>
Tensor<S> conv_transpose1d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose1dOptions& o = {}) {
  detail::check_conv1d("conv_transpose1d", x, weight);
  return squeeze(conv_transpose2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                                  {.stride = {1, o.stride},
                                   .padding = {0, 0, o.padding.before, o.padding.after},
                                   .dilation = {1, o.dilation},
                                   .groups = o.groups,
                                   .output_padding = {0, o.output_padding}}),
                 2);
}

}  // namespace pushforward
