// Two ways to run one causal network for images: over whole images, or pixel by pixel from what it remembers.
#pragma once

#include <utility>
#include <vector>

#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/shifted_conv.hpp>
#include <pushforward/ops/attention.hpp>
#include <pushforward/ops/images.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward::detail {

// Height and width of images at each scale: halved, rounded up.
inline std::vector<Size2> image_scales(Size2 size, Index scales) {
  std::vector<Size2> sizes{size};
  for (Index s = 1; s < scales; ++s) sizes.push_back({(sizes.back().height + 1) / 2, (sizes.back().width + 1) / 2});
  return sizes;
}

// [n, c, h, w] -> [n, heads, h w, c / heads], and back.
template <class S>
Tensor<S> pixels_to_heads(const Tensor<S>& x, Index heads) {
  return transpose(reshape(x, Shape{x.size(0), heads, x.size(1) / heads, x.size(2) * x.size(3)}));
}

// What a network is written against: an image goes in, values are tensors whose axis 1 is the channels, [n, c, h, w]
// here. PixelPass has the same functions for values [n * columns, c] at some pixels of a row.
template <class S>
class WholePass {
 public:
  // image [n, c, h, w]; labels [n] or empty; dropout where there is a generator.
  WholePass(const Tensor<S>& image, const Tensor<Index>& labels, Index scales, Rng* rng)
      : image_(image), labels_(labels), sizes_(image_scales({image.size(2), image.size(3)}, scales)), rng_(rng) {}

  Tensor<S> look(const ShiftedConv2d<S>& layer) const { return layer(image_); }
  Tensor<S> conv(const ShiftedConv2d<S>& layer, const Tensor<S>& x, Index) const { return layer(x); }
  // A layer to 4 c channels, which become the four pixels of the scale below.
  Tensor<S> up(const ShiftedConv2d<S>& layer, const Tensor<S>& x, Index scale) const {
    const Size2 size = sizes_[static_cast<std::size_t>(scale)];
    return slice(slice(pixel_shuffle(layer(x), 2), 2, 0, size.height), 3, 0, size.width);
  }
  // What another pass has computed for the whole row.
  Tensor<S> beside(const Tensor<S>& x, Index) const { return x; }
  // A row of a table for each image.
  Tensor<S> of_class(const Tensor<S>& table, Index) const {
    const Tensor<S> rows = index_select(table, 0, labels_);
    return reshape(rows, Shape{rows.size(0), rows.size(1), 1, 1});
  }
  Tensor<S> dropout(const Tensor<S>& x, const Dropout& layer) const { return rng_ ? layer(x, *rng_) : x; }
  // Values at the pixel before in row-major order, zeros at the first; and the image there.
  Tensor<S> previous(const Tensor<S>& x) const {
    const Index n = x.size(0), c = x.size(1), area = x.size(2) * x.size(3);
    return reshape(slice(pad(reshape(x, Shape{n, c, area}), 2, 1, 0), 2, 0, area), x.shape());
  }
  Tensor<S> previous_pixel() const { return previous(image_); }
  // Row and column from -1/2 to 1/2.
  Tensor<S> positions() const {
    const Index n = image_.size(0), h = image_.size(2), w = image_.size(3);
    return expand(image_positions({h, w}), Shape{n, 2, h, w});
  }
  // Attention of each pixel to itself and those before it: q, k [n, heads d, h, w], v [n, heads e, h, w].
  Tensor<S> attend(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v, Index heads) const {
    const Tensor<S> y = scaled_dot_product_attention(pixels_to_heads(q, heads), pixels_to_heads(k, heads),
                                                     pixels_to_heads(v, heads), {.causal = true});
    return reshape(transpose(y), v.shape());
  }

  static Tensor<S> image_positions(Size2 size) {
    return Tensor<S>::generate({1, 2, size.height, size.width}, [=](Index i) {
      const Index area = size.height * size.width, row = i % area / size.width, column = i % size.width;
      return i < area ? static_cast<S>(row) / static_cast<S>(size.height) - S(0.5)
                      : static_cast<S>(column) / static_cast<S>(size.width) - S(0.5);
    });
  }

 private:
  Tensor<S> image_;
  Tensor<Index> labels_;
  std::vector<Size2> sizes_;
  Rng* rng_;
};

// The keys and values of the pixels so far, and attention to them; see KeyValueCache.
template <class S>
class PixelAttention {
 public:
  PixelAttention(Index n, Index heads, Index d, Index e, Index capacity)
      : sizes_{n, heads, 1, 0, d, e, attention_scale({}, d), true},
        stride_(score_stride(capacity)),
        capacity_(capacity),
        keys_(static_cast<std::size_t>(n * heads * d * stride_)),
        values_(static_cast<std::size_t>(n * heads * e * capacity)) {}

  // q, k [n, heads d], v [n, heads e] of the next pixel -> [n, heads e].
  Tensor<S> step(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v) {
    append(k, v);
    Tensor<S> y = Access::allocate<S>(v.shape());
    const Index d = sizes_.features, e = sizes_.value_features, heads = sizes_.heads;
    sizes_.for_heads(1, [&](Index n, Index head) {
      S* const scores = GemmScratch::get<S>(1, stride_ + 1);
      const Index place = n * heads + head;
      attend_rows<S>(sizes_, score_rows(sizes_, 0, 1, scores, stride_), q.data() + place * d, d,
                     keys_.data() + place * d * stride_, stride_, values_.data() + place * e * capacity_, e,
                     Access::data(y) + place * e, e, scores + stride_, nullptr);
    });
    return y;
  }

 private:
  void append(const Tensor<S>& k, const Tensor<S>& v) {
    const Index d = sizes_.features, e = sizes_.value_features, t = sizes_.keys++;
    for (Index place = 0; place < sizes_.sequences * sizes_.heads; ++place) {
      for (Index i = 0; i < d; ++i)
        keys_[static_cast<std::size_t>((place * d + i) * stride_ + t)] = k.data()[place * d + i];
      std::copy_n(v.data() + place * e, e, values_.data() + (place * capacity_ + t) * e);
    }
  }

  AttentionSizes sizes_;
  Index stride_, capacity_;
  std::vector<S> keys_, values_;  // [n, heads, d, stride], [n, heads, capacity, e]
};

// The image that a PixelPass looks at: [n, channels, h, w], changed pixel by pixel.
template <class S>
struct ImageBuffer {
  Index n, channels, height, width;
  std::vector<S> values;

  ImageBuffer(Index count, Index c, Index h, Index w)
      : n(count), channels(c), height(h), width(w), values(static_cast<std::size_t>(n * c * h * w), S(0)) {}

  S& at(Index i, Index c, Index row, Index column) {
    return values[static_cast<std::size_t>(((i * channels + c) * height + row) * width + column)];
  }
  // One channel of pixel p, [n].
  void set(Index p, Index c, const Tensor<S>& x) {
    for (Index i = 0; i < n; ++i) at(i, c, p / width, p % width) = x.data()[i];
  }
  Tensor<S> pixels(const PixelRange& range) {
    return Tensor<S>::build({n * range.columns, channels}, [&](S* to) {
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < range.columns; ++j)
          for (Index c = 0; c < channels; ++c) *to++ = at(i, c, range.row, range.first + j);
    });
  }
};

// A network at one pixel after the other, or row after row: layers remember what later pixels need of their inputs, in
// the order in which the network calls them. A scale takes part where its pixels begin.
template <class S>
class PixelPass {
 public:
  PixelPass(ImageBuffer<S>& image, const Tensor<Index>& labels, Index scales)
      : image_(&image), labels_(labels), sizes_(image_scales({image.height, image.width}, scales)) {}

  // From here on: a whole row, or one pixel.
  void start_row(Index row) { start(row, 0, true); }
  void start_pixel(Index row, Index column) { start(row, column, false); }

  Tensor<S> look(const ShiftedConv2d<S>& layer) {
    ShiftedConvCache<S>& cache = remembered(convs_, conv_++, layer, image_->n, image_->width);
    const PixelRange here = places_[0];
    if (whole_rows_ && here.row > 0) write_image(cache, {here.row - 1, 0, here.columns});
    if (!whole_rows_ && (here.row > 0 || here.first > 0)) write_image(cache, before(here));
    if (!whole_rows_) write_image(cache, here);
    return cache.read(here);
  }
  Tensor<S> conv(const ShiftedConv2d<S>& layer, const Tensor<S>& x, Index scale) {
    const auto at = static_cast<std::size_t>(scale);
    ShiftedConvCache<S>& cache = remembered(convs_, conv_++, layer, image_->n, sizes_[at].width);
    cache.write(places_[at], x);
    return cache.read(places_[layer.options.stride > 1 ? at + 1 : at]);
  }
  Tensor<S> up(const ShiftedConv2d<S>& layer, const Tensor<S>& x, Index scale) {
    const auto at = static_cast<std::size_t>(scale);
    const Tensor<S> y = conv(layer, x, scale + 1);
    const Index width = sizes_[at + 1].width, channels = layer.outputs();
    if (up_ == ups_.size()) ups_.emplace_back(static_cast<std::size_t>(image_->n * width * channels));
    std::vector<S>& row = ups_[up_++];
    const PixelRange from = places_[at + 1], to = places_[at];
    for (Index i = 0; i < image_->n; ++i)
      std::copy_n(y.data() + i * from.columns * channels, from.columns * channels,
                  row.data() + (i * width + from.first) * channels);
    return Tensor<S>::generate({image_->n * to.columns, channels / 4}, [&](Index i) {
      const Index c = i % (channels / 4), p = i / (channels / 4), column = to.first + p % to.columns;
      const Index pixel = p / to.columns * width + column / 2;
      return row[static_cast<std::size_t>(pixel * channels + 4 * c + to.row % 2 * 2 + column % 2)];
    });
  }
  Tensor<S> beside(const Tensor<S>& x, Index scale) const {
    const auto at = static_cast<std::size_t>(scale);
    const Index channels = x.size(1), width = sizes_[at].width, first = places_[at].first;
    return Tensor<S>::generate({image_->n * places_[at].columns, channels}, [&](Index i) {
      return x.data()[(i / channels * width + first) * channels + i % channels];
    });
  }
  Tensor<S> of_class(const Tensor<S>& table, Index scale) const {
    const Index columns = places_[static_cast<std::size_t>(scale)].columns, c = table.size(1);
    return Tensor<S>::generate({image_->n * columns, c},
                               [&](Index i) { return table.data()[labels_.data()[i / c / columns] * c + i % c]; });
  }
  Tensor<S> dropout(const Tensor<S>& x, const Dropout&) const { return x; }
  Tensor<S> previous(const Tensor<S>& x) {
    if (previous_ == past_.size()) past_.push_back(Tensor<S>::zeros(x.shape()));
    return std::exchange(past_[previous_++], x);
  }
  Tensor<S> previous_pixel() {
    const PixelRange here = places_[0];
    if (here.row == 0 && here.first == 0) return Tensor<S>::zeros({image_->n, image_->channels});
    return image_->pixels(before(here));
  }
  Tensor<S> positions() const {
    const PixelRange here = places_[0];
    const Tensor<S> all = WholePass<S>::image_positions(sizes_[0]);
    return Tensor<S>::generate({image_->n, 2}, [&](Index i) { return all(0, i % 2, here.row, here.first); });
  }
  Tensor<S> attend(const Tensor<S>& q, const Tensor<S>& k, const Tensor<S>& v, Index heads) {
    if (attend_ == attentions_.size())
      attentions_.emplace_back(image_->n, heads, q.size(1) / heads, v.size(1) / heads, image_->height * image_->width);
    return attentions_[attend_++].step(q, k, v);
  }

 private:
  void start(Index row, Index first, bool whole_row) {
    whole_rows_ = whole_row;
    places_.clear();
    for (std::size_t s = 0; s < sizes_.size(); ++s) {
      const Index step = Index{1} << s;
      const bool begins = row % step == 0 && first % step == 0;
      places_.push_back({row / step, first / step, !begins ? 0 : whole_row ? sizes_[s].width : 1});
    }
    conv_ = up_ = previous_ = attend_ = 0;
  }
  PixelRange before(const PixelRange& here) const {
    return here.first > 0 ? PixelRange{here.row, here.first - 1, 1} : PixelRange{here.row - 1, image_->width - 1, 1};
  }
  void write_image(ShiftedConvCache<S>& cache, const PixelRange& range) { cache.write(range, image_->pixels(range)); }

 protected:
  // The i-th of the caches that layers have asked for.
  template <class Cache, class Layer>
  static Cache& remembered(std::vector<Cache>& caches, std::size_t i, const Layer& layer, Index n, Index width) {
    if (i == caches.size()) caches.emplace_back(layer, n, width);
    return caches[i];
  }
  const PixelRange& place() const { return places_[0]; }
  const ImageBuffer<S>& image() const { return *image_; }

 private:
  ImageBuffer<S>* image_;
  Tensor<Index> labels_;
  std::vector<Size2> sizes_;
  std::vector<PixelRange> places_;
  bool whole_rows_ = false;
  std::size_t conv_ = 0, up_ = 0, previous_ = 0, attend_ = 0;
  std::vector<ShiftedConvCache<S>> convs_;
  std::vector<std::vector<S>> ups_;
  std::vector<Tensor<S>> past_;
  std::vector<PixelAttention<S>> attentions_;
};

}  // namespace pushforward::detail
