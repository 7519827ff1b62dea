// Parts of networks over pixels: how numbers enter, convolutions at one pixel after the other, and heads.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/models/autoregressive/pixel_images.hpp>
#include <pushforward/models/autoregressive/pixel_kernels.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/shifted_conv.hpp>

namespace pushforward::detail {

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

// The parameters [n, P] of the element at a place, by run(begin, end, to [end - begin, colors P]), a pixel of some of n
// images, which takes so many operations for each.
template <class S, class Run>
Tensor<S> at_element(Index n, const PixelPlace& place, Index count, double flops, const Run& run) {
  const Index all = place.images.colors * count, grain = 1 + static_cast<Index>(1e6 / flops);  // pays for a thread
  const Tensor<S> result = Tensor<S>::build(Shape{n, all}, [&](S* to) {
    parallel_for(n, grain, [&](Index begin, Index end) { run(begin, end, to + begin * all); });
  });
  return slice(result, 1, place.color * count, (place.color + 1) * count);
}

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

/// One row of the result of a convolution, [n, out, 1, w], from the rows [n, in, kh, w] under its kernel.
template <class S>
Tensor<S> conv_row(const ShiftedConv2d<S>& conv, const Tensor<S>& lines) {
  const Index left = conv.options.left;
  return shifted_conv<S>(lines, conv.used_weight(), conv.bias,
                         {.padding = {0, 0, left, conv.kernel().width - 1 - left}});
}
/// The taps of a kernel up to its pixel: those behind it are not seen.
template <class S>
Index taps_seen(const ShiftedConv2d<S>& conv) {
  const auto [h, w] = conv.kernel();
  return std::min(h * w, conv.options.up * w + conv.options.left + 1);
}
/// The sums of a convolution for single pixels, from the inputs under the taps that are seen.
template <class S>
PixelProduct<S> pixel_product(const ShiftedConv2d<S>& conv) {
  const Index out = conv.outputs(), in = conv.inputs(), taps = taps_seen(conv);
  const auto [h, w] = conv.kernel();
  const Tensor<S> all = reshape(stop_gradient(conv.used_weight()), Shape{out, in, h * w});
  return {transpose(reshape(slice(all, 2, 0, taps), Shape{out, in * taps})), stop_gradient(conv.bias.tensor())};
}

template <class S>
void make_positive(S* x, Index n) {
  for (Index i = 0; i < n; ++i) x[i] = std::max(x[i], S(0));
}

/// The end of a network: a convolution of single pixels, relu, and another one.
template <class S>
struct PixelHead {
  ShiftedConv2d<S> inner, outer;

  Tensor<S> operator()(const Tensor<S>& x) const { return outer(relu(inner(x))); }
};
/// The same for single pixels.
template <class S>
struct PixelHeadProduct {
  PixelProduct<S> inner, outer;

  PixelHeadProduct() = default;
  explicit PixelHeadProduct(const PixelHead<S>& head)
      : inner(pixel_product(head.inner)), outer(pixel_product(head.outer)) {}

  Index inputs() const { return inner.inputs(); }
  Index hidden() const { return inner.outputs(); }
  double flops() const { return inner.flops() + outer.flops(); }
  // x [n, inputs] -> y [n, outputs], by way of between [n, hidden].
  void operator()(Index n, const S* x, S* between, S* y) const {
    inner(n, x, between);
    make_positive(between, n * hidden());
    outer(n, between, y);
  }
};

/// What the options of networks over pixels have in common, and their head.
template <class Options>
PixelImages pixel_images(const Options& o) {
  return {o.colors, o.height, o.width, o.levels, o.embedding};
}
template <class S, class Options>
PixelHead<S> pixel_head(Index in, Index outputs, const Options& o, Rng& rng) {
  const Index between = o.head > 0 ? o.head : o.features;
  auto pixel = [&](Index from, Index to) {
    return ShiftedConv2d<S>::masked(MaskType::b, from, to, rng, {.colors = o.colors});
  };
  PixelHead<S> head;
  head.inner = pixel(in, between);
  head.outer = pixel(between, o.colors * outputs);
  return head;
}
template <class Options>
void check_pixel_network(const char* name, const Options& o, const char* parts, Index count, Index least_kernel) {
  check_pixel_images(name, pixel_images(o));
  if (count < 1 || o.features < 1 || o.head < 0 || o.classes < 0)
    fail<ValueError>(name, ": ", count, " ", parts, ", ", o.features, " features, .head ", o.head, " and ", o.classes,
                     " classes; expected at least 1, 1, 0 and 0");
  if (o.kernel < least_kernel || o.first_kernel < 3 || o.kernel % 2 == 0 || o.first_kernel % 2 == 0)
    fail<ValueError>(name, ": .first_kernel is ", o.first_kernel, " and .kernel ", o.kernel,
                     ", expected odd numbers from 3 and from ", least_kernel, " on");
  if (o.features % o.colors != 0 || o.head % o.colors != 0)
    fail<ValueError>(name, ": ", o.features, " features and .head ", o.head, " cannot be shared by ", o.colors,
                     " colors; expected multiples");
}

/// A row of a table for each label; nothing where there is no table.
template <class S>
Tensor<S> of_labels(const Tensor<S>& table, const Tensor<Index>& labels) {
  return table.empty() ? Tensor<S>() : index_select(table, 0, labels);
}

/// The last lines of some feature maps, as a convolution reads them around one pixel after the other.
template <class S>
class PixelLines {
 public:
  PixelLines() = default;
  PixelLines(const ShiftedConv2d<S>& conv, Index n, Index width)
      : channels_(conv.inputs()), rows_(conv.options.up + 1), left_(conv.options.left) {
    const Index side = conv.kernel().width;
    line_ = width + std::max(left_, side - 1);
    values_.resize(static_cast<std::size_t>(n * channels_ * rows_ * line_), S(0));
    for (Index t = 0; t < taps_seen(conv); ++t) taps_.push_back(t / side * line_ + t % side);
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

}  // namespace pushforward::detail
