// Parts of networks over pixels: what an image is, how its numbers enter, and convolutions that see only the past.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include <pushforward/models/autoregressive/pixel_kernels.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/ops/cast.hpp>

namespace pushforward {

/// The images [n, colors, height, width] of a model, and how their numbers enter its network.
///
/// Their elements come one after the other: rows from above, pixels from the left, then the colors of a pixel.
struct PixelImages {
  Index colors = 1, height = 28, width = 28;
  Index levels = 0;  ///< numbers are 0 .. levels - 1, scaled to [-1, 1] for the network; 0: it takes them as they are
  Index embedding = 0;  ///< each level enters as so many trained numbers instead; 0: as one

  Shape event() const { return {colors, height, width}; }
  /// The row-major position of the element in some place of the order.
  Index element(Index place) const { return place % colors * height * width + place / colors; }
};

namespace detail {

inline void check_pixel_images(const char* name, const PixelImages& images) {
  if (images.colors < 1 || images.height < 1 || images.width < 1)
    fail<ValueError>(name, ": images of ", images.colors, " colors, height ", images.height, " and width ",
                     images.width, ", expected at least 1 each");
  if (images.levels < 0 || images.levels == 1)
    fail<ValueError>(name, ": .levels is ", images.levels, ", expected at least 2, or 0 for numbers as they are");
  if (images.embedding < 0 || (images.embedding > 0 && images.levels == 0))
    fail<ValueError>(name, ": .embedding is ", images.embedding, " with .levels ", images.levels,
                     "; expected 0, or so many numbers for each of at least 2 levels");
}

// Where a walk over the elements of images stands.
struct PixelPlace {
  PixelImages images;
  Index row = 0, column = 0, color = 0;

  bool starts_row() const { return column == 0 && color == 0; }
  void advance() {
    if (++color < images.colors) return;
    color = 0;
    if (++column < images.width) return;
    column = 0;
    ++row;
  }
};

// So many images at a pixel pay for a thread.
inline Index pixel_grain(double flops_of_each) { return 1 + static_cast<Index>(1e6 / flops_of_each); }

/// How the numbers of images enter a network: x [n, colors, h, w] -> [n, colors features, h, w].
template <class S>
struct PixelInput {
  Index levels = 0;
  Embedding<S> embedding;  // [levels, features] or empty

  PixelInput() = default;
  PixelInput(const PixelImages& images, Rng& rng) : levels(images.levels) {
    if (images.embedding > 0) embedding = Embedding<S>(images.levels, images.embedding, rng);
  }

  Index features() const { return embedding.weight.empty() ? 1 : embedding.weight.size(1); }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (levels == 0) return x;
    if (embedding.weight.empty()) return x * (2 / static_cast<double>(levels - 1)) - 1;
    const Tensor<S> each = permute(embedding(codes(x)), {0, 1, 4, 2, 3});  // [n, colors, features, h, w]
    return reshape(each, Shape{x.size(0), x.size(1) * features(), x.size(2), x.size(3)});
  }

  static void members(auto& self, auto&& visit) {
    if (!self.embedding.weight.empty()) visit("embedding", self.embedding);
  }

 private:
  Tensor<Index> codes(const Tensor<S>& x) const {
    return Tensor<Index>::generate(x.shape(), [&](Index i) {
      const S value = x.data()[i];
      if (!(value >= S(0) && value < static_cast<S>(levels)) || value != std::floor(value))
        fail<ValueError>("parameters: element ", i, " of the images is ", value, ", expected one of the ", levels,
                         " levels 0, 1, .., ", levels - 1);
      return static_cast<Index>(value);
    });
  }
};

/// A kernel around a pixel: row r and column s of it lie r - row and s - column away.
struct PixelKernel {
  Size2 size;
  Index row, column;

  // The lines that are missing for results of the images' size; fewer than none are cut off.
  Padding2 padding() const { return {row, size.height - 1 - row, column, size.width - 1 - column}; }
  Index taps() const { return size.height * size.width; }
  /// Taps before the pixel in the order, and at it.
  Index past() const { return row * size.width + column; }
};

/// Which channels see which at the pixel itself: colors are equal parts of the input, and of each of `parts` equal
/// parts of the output. Without a type everything under the kernel is seen.
struct PixelMask {
  std::optional<MaskType> type = {};
  Index colors = 1, parts = 1;

  Tensor<double> operator()(const Shape& weight, const PixelKernel& kernel) const {
    const Index out = weight[0] / parts, in = weight[1], taps = kernel.taps();
    return Tensor<double>::generate(weight, [&](Index i) {
      const Index tap = i % taps, to = i / (taps * in) % out * colors / out, from = i / taps % in * colors / in;
      if (tap != kernel.past()) return tap < kernel.past() ? 1.0 : 0.0;
      return (type == MaskType::a ? from < to : from <= to) ? 1.0 : 0.0;
    });
  }
};

/// A convolution whose kernel lies anywhere around a pixel, masked: [n, in, h, w] -> [n, out, h, w].
///
/// It adds up in the same order for a whole image, a row and a pixel.
template <class S>
struct PixelConv {
  Parameter<S> weight, bias;
  PixelKernel kernel{1, 0, 0};

  PixelConv() = default;
  PixelConv(Index in, Index out, const PixelKernel& at, Rng& rng, const PixelMask& mask = {}) : kernel(at) {
    start_conv("PixelConv", weight, bias, Shape{out, in, kernel.size.height, kernel.size.width}, out, 1, true, rng);
    if (!mask.type) return;
    const Tensor<S> seen = cast<S>(mask(weight.shape(), kernel));
    if (seen.min() == S(1)) return;
    mask_ = seen;
    weight = weight.tensor() * mask_;
  }

  Tensor<S> masked_weight() const { return mask_.empty() ? weight.tensor() : weight.tensor() * mask_; }
  Tensor<S> operator()(const Tensor<S>& x) const {
    return conv_in_order<S>(x, masked_weight(), bias, {.padding = kernel.padding()});
  }
  /// One row of the result, [n, out, 1, w], from the rows [n, in, kh, w] under the kernel.
  Tensor<S> row(const Tensor<S>& lines) const {
    const Padding2 padding = kernel.padding();
    return conv_in_order<S>(lines, masked_weight(), bias, {.padding = {0, 0, padding.left, padding.right}});
  }
  /// Its sums for single pixels, from the inputs under the first `taps` taps of the kernel.
  PixelProduct<S> product(Index taps) const {
    const Index out = weight.size(0), in = weight.size(1);
    const Tensor<S> seen = slice(reshape(stop_gradient(masked_weight()), Shape{out, in, kernel.taps()}), 2, 0, taps);
    return {transpose(reshape(seen, Shape{out, in * taps})), stop_gradient(bias.tensor())};
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }

 private:
  Tensor<S> mask_;  // [out, in, kh, kw], or empty
};

/// The last lines of some feature maps, as a convolution reads them around one pixel after the other.
template <class S>
class PixelLines {
 public:
  PixelLines() = default;
  PixelLines(Index n, Index channels, Index width, const PixelKernel& kernel, Index taps)
      : channels_(channels),
        rows_(kernel.row + 1),
        left_(kernel.column),
        line_(kernel.column + width + std::max<Index>(0, kernel.size.width - 1 - kernel.column)),
        values_(static_cast<std::size_t>(n * channels * rows_ * line_), S(0)) {
    for (Index t = 0; t < taps; ++t) taps_.push_back(t / kernel.size.width * line_ + t % kernel.size.width);
  }

  /// Numbers for one pixel.
  Index patch() const { return channels_ * static_cast<Index>(taps_.size()); }

  /// Moves on by a line.
  void advance() {
    for (S* plane = values_.data(); plane != values_.data() + values_.size(); plane += rows_ * line_) {
      std::copy_n(plane + line_, (rows_ - 1) * line_, plane);
      std::fill_n(plane + (rows_ - 1) * line_, line_, S(0));
    }
  }
  /// values [end - begin, count]: channels [first, first + count) of images [begin, end) at a column of the last line.
  void put(Index begin, Index end, Index first, Index count, Index column, const S* values) {
    const Index plane = rows_ * line_, at = plane - line_ + left_ + column;
    for (Index i = begin; i < end; ++i)
      for (Index c = first; c < first + count; ++c)
        values_[static_cast<std::size_t>((i * channels_ + c) * plane + at)] = *values++;
  }
  /// What is seen around a column of the last line: [end - begin, channels taps].
  void gather(Index begin, Index end, Index column, S* to) const {
    const Index plane = rows_ * line_, count = static_cast<Index>(taps_.size());
    const S* from = values_.data() + begin * channels_ * plane + column;
    if (count == 2 && taps_[1] == 1) {
      for (Index c = (end - begin) * channels_; c > 0; --c, from += plane, to += 2) to[0] = from[0], to[1] = from[1];
      return;
    }
    for (Index c = (end - begin) * channels_; c > 0; --c, from += plane)
      for (const Index tap : taps_) *to++ = from[tap];
  }

 private:
  Index channels_ = 0, rows_ = 1, left_ = 0, line_ = 0;
  std::vector<Index> taps_;
  std::vector<S> values_;  // [n, channels, rows, line]: zeros to the left and to the right
};

}  // namespace detail
}  // namespace pushforward
