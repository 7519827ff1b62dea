// ShiftedConv2d: convolutions that look up and to the left, over whole images or pixel by pixel with the same bits.
#pragma once

#include <vector>

#include <pushforward/nn/conv.hpp>
#include <pushforward/ops/attention_kernels.hpp>

namespace pushforward {

namespace detail {

// conv2d whose sums run over channels and taps in order, whatever the sizes.
template <class S>
Tensor<S> shifted_conv(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, const Conv2dOptions& o) {
  const ConvGeometry c = conv_geometry("ShiftedConv2d", x, weight, bias, o);
  Tensor<S> y = Access::allocate<S>({x.size(0), weight.size(0), c.y.out, c.x.out});
  if (!y.empty()) {
    const ConvProblem<S> problem{conv_source(x, c),
                                 1,
                                 weight.size(0),
                                 weight.data(),
                                 data_or_null(bias),
                                 false,
                                 Access::data(y),
                                 c.y.out * c.x.out,
                                 c.x.out,
                                 1};
    ConvForward<S>(problem).run();
  }
  return record_conv(std::move(y), x, weight, bias, c);
}

}  // namespace detail

/// Where the kernel of a ShiftedConv2d lies, and how it moves.
struct ShiftedConv2dOptions {
  Index up = 0;      ///< rows from the kernel's first down to the pixel that it stands on
  Index left = 0;    ///< columns from the kernel's first to the pixel that it stands on
  Index stride = 1;  ///< the result has height / stride rows and width / stride columns, rounded up
  bool bias = true;
};

/// What a masked ShiftedConv2d sees.
struct ShiftedMaskOptions {
  Index rows = 0;    ///< above the pixel
  Index reach = 0;   ///< columns to each side of the pixel; to its left only in its own row
  Index colors = 1;  ///< of a pixel, one after the other: equal parts of the channels belong to each
  Index parts = 1;   ///< of the output channels, each of which is divided among the colors: the gates of an LSTM
};

/// A convolution whose kernel of h x w reads rows i - up .. i - up + h - 1 and columns j - left .. j - left + w - 1 for
/// the pixel (i, j): [n, in, h, w] -> [n, out, h, w].
///
/// With rows and columns that end at the pixel or before, it looks back only: the shifted convolutions of PixelCNN++
/// (Salimans et al. 2017, section 2.3). `masked` hides colors of the pixel itself, and what is to the right of it. The
/// same bits come from `ShiftedConvCache`, pixel by pixel. Weights [out, in, h, w] and bias [out] start as those of
/// Conv2d. Throws ShapeError, ValueError.
template <class S = float>
struct ShiftedConv2d {
  Parameter<S> weight, bias;
  ShiftedConv2dOptions options;

  ShiftedConv2d() = default;
  ShiftedConv2d(Index in, Index out, Size2 kernel, Rng& rng, const ShiftedConv2dOptions& o = {}) : options(o) {
    if (in < 1 || out < 1)
      fail<ValueError>("ShiftedConv2d: got ", in, " channels in and ", out, " out, expected at least 1 each");
    if (kernel.height < 1 || kernel.width < 1 || o.up < 0 || o.left < 0 || o.stride < 1)
      fail<ValueError>("ShiftedConv2d: got a kernel of ", kernel.height, " x ", kernel.width, ", .up ", o.up,
                       ", .left ", o.left, " and .stride ", o.stride, ", expected no negative numbers");
    detail::start_conv("ShiftedConv2d", weight, bias, Shape{out, in, kernel.height, kernel.width}, out, 1, o.bias, rng);
  }
  /// The rows above the pixel and its own: two rows of three columns, or those to the left, two of two.
  static ShiftedConv2d down(Index in, Index out, Rng& rng, Index stride = 1) {
    return ShiftedConv2d(in, out, {2, 3}, rng, {.up = 1, .left = 1, .stride = stride});
  }
  static ShiftedConv2d down_right(Index in, Index out, Rng& rng, Index stride = 1) {
    return ShiftedConv2d(in, out, {2, 2}, rng, {.up = 1, .left = 1, .stride = stride});
  }
  /// A MaskedConv2d without the rows below its center.
  static ShiftedConv2d masked(MaskType type, Index in, Index out, Rng& rng, const ShiftedMaskOptions& o = {}) {
    return masked(type, in, out, {o.rows + 1, 2 * o.reach + 1}, rng, {.up = o.rows, .left = o.reach}, o.colors,
                  o.parts);
  }
  /// The same for a kernel that lies anywhere.
  static ShiftedConv2d masked(MaskType type, Index in, Index out, Size2 kernel, Rng& rng,
                              const ShiftedConv2dOptions& at, Index colors = 1, Index parts = 1) {
    detail::channels_per_group("ShiftedConv2d", in, colors);
    detail::channels_per_group("ShiftedConv2d", out, colors * parts);
    ShiftedConv2d layer(in, out, kernel, rng, at);
    const Index taps = kernel.height * kernel.width;
    const Tensor<S> mask = Tensor<S>::generate(layer.weight.shape(), [&](Index i) {
      const Index row = i % taps / kernel.width - at.up, column = i % kernel.width - at.left;
      if (row != 0 || column != 0) return row < 0 || (row == 0 && column < 0) ? S(1) : S(0);
      const Index to = i / (taps * in) % (out / parts) * colors / (out / parts), from = i / taps % in * colors / in;
      return (type == MaskType::a ? from < to : from <= to) ? S(1) : S(0);
    });
    if (mask.min() == S(1)) return layer;
    layer.mask_ = mask;
    layer.weight = layer.weight.tensor() * mask;
    return layer;
  }

  Index inputs() const { return weight.size(1); }
  Index outputs() const { return weight.size(0); }
  Size2 kernel() const { return {weight.size(2), weight.size(3)}; }
  /// The weight as it is used: zero where the mask is.
  Tensor<S> used_weight() const { return mask_.empty() ? weight.tensor() : weight.tensor() * mask_; }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (weight.rank() != 4)
      fail<ValueError>("ShiftedConv2d: it is empty; build it from numbers of channels before use");
    const auto [h, w] = kernel();
    return detail::shifted_conv<S>(
        x, used_weight(), bias,
        {.stride = options.stride, .padding = {options.up, h - 1 - options.up, options.left, w - 1 - options.left}});
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }

 private:
  Tensor<S> mask_;
};

/// A range of columns of one row; rows of tensors [n * columns, channels] stand for its pixels, image by image.
struct PixelRange {
  Index row = 0, first = 0, columns = 0;
};

namespace detail {

// That x [n * columns, channels] stands for pixels of images that are so wide.
template <class S>
void check_pixels(const char* name, const PixelRange& at, const Tensor<S>& x, Index n, Index channels, Index width) {
  if (at.row < 0 || at.first < 0 || at.columns < 0 || at.first + at.columns > width)
    fail<ShapeError>(name, ": got ", at.columns, " columns from (", at.row, ", ", at.first,
                     ") on, expected pixels of images with ", width, " columns");
  if (!(x.shape() == Shape{n * at.columns, channels}))
    fail<ShapeError>(name, ": got values ", x.shape(), " for ", at.columns, " columns, expected [", n * at.columns,
                     ", ", channels, "]");
}

}  // namespace detail

/// The last rows of what a ShiftedConv2d reads, for n images: what comes pixel by pixel is written, and the result at
/// pixels whose surroundings have been written is computed, with the bits of the whole convolution.
template <class S = float>
class ShiftedConvCache {
 public:
  ShiftedConvCache(const ShiftedConv2d<S>& layer, Index n, Index width)
      : n_(n),
        channels_(layer.inputs()),
        rows_(std::max(layer.options.up + 1, layer.weight.size(2))),
        image_width_(width),
        width_(width + std::max(layer.options.left, layer.weight.size(3) - 1)),
        options_(layer.options),
        kernel_(layer.kernel()),
        bias_(stop_gradient(layer.bias.tensor())) {
    const Index k = channels_ * kernel_.height * kernel_.width;
    columns_ = transpose(reshape(stop_gradient(layer.used_weight()), Shape{layer.outputs(), k}));
    map_.assign(static_cast<std::size_t>(n_ * channels_ * rows_ * width_), S(0));
  }

  /// x [n * columns, in], at these pixels of the layer's input.
  void write(const PixelRange& at, const Tensor<S>& x) {
    detail::check_pixels("ShiftedConvCache", at, x, n_, channels_, image_width_);
    const Index slot = at.row % rows_;
    const S* from = x.data();
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < at.columns; ++j) {
        S* to = map_.data() + (i * channels_ * rows_ + slot) * width_ + options_.left + at.first + j;
        for (Index c = 0; c < channels_; ++c, to += rows_ * width_) *to = *from++;
      }
  }
  /// The layer's result at these of its pixels, [n * columns, out].
  Tensor<S> read(const PixelRange& at) const {
    const Index width = (image_width_ + options_.stride - 1) / options_.stride;
    if (at.row < 0 || at.first < 0 || at.columns < 0 || at.first + at.columns > width)
      fail<ShapeError>("ShiftedConvCache: asked for ", at.columns, " columns from (", at.row, ", ", at.first,
                       ") on, expected pixels of a result with ", width, " columns");
    const Index k = columns_.size(0), out = columns_.size(1), positions = n_ * at.columns;
    Tensor<S> y = detail::Access::allocate<S>({positions, out});
    if (y.empty()) return y;
    const Tensor<S> patches = Tensor<S>::build({positions, k}, [&](S* to) { gather(at, to); });
    detail::multiply_in_order(positions, out, k, patches.data(), k, columns_.data(), out, detail::Access::data(y), out,
                              {}, detail::data_or_null(bias_), num_threads());
    return y;
  }

 private:
  void gather(const PixelRange& at, S* to) const {
    // Rows above the image are slots that nothing has been written to.
    std::vector<Index> slots;
    for (Index r = 0; r < kernel_.height; ++r)
      slots.push_back((at.row * options_.stride - options_.up + r + rows_) % rows_ * width_);
    for (Index i = 0; i < n_; ++i)
      for (Index j = at.first; j < at.first + at.columns; ++j)
        for (Index c = 0; c < channels_; ++c) {
          const S* const from = map_.data() + (i * channels_ + c) * rows_ * width_ + j * options_.stride;
          for (const Index slot : slots) to = std::copy_n(from + slot, kernel_.width, to);
        }
  }

  Index n_, channels_, rows_, image_width_, width_;
  ShiftedConv2dOptions options_;
  Size2 kernel_;
  Tensor<S> columns_, bias_;  // [in * taps, out], [out]
  std::vector<S> map_;        // [n, in, rows, width]
};

}  // namespace pushforward
