// What convolutions read: images with zeros around them, laid out such that a tap is at the same distance from every
// position.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/ops/gemm.hpp>

namespace pushforward::detail {

/// What a convolution reads. Position (v, u) of the result is fed by the elements (v * stride_y + taps_y[r], u *
/// stride_x + taps_x[s]) of each channel, zero outside of the image.
template <class S>
struct ConvSource {
  const S* x;  // [images, channels, height, width]
  Index images, channels, height, width;
  Index rows, columns;  // positions of the result
  Index stride_y, stride_x;
  std::vector<Index> taps_y, taps_x;

  Index taps() const { return static_cast<Index>(taps_y.size() * taps_x.size()); }
  Index area() const { return rows * columns; }
  Index positions() const { return images * area(); }
  /// Whether each position reads one element: its own.
  bool is_image() const {
    return taps() == 1 && taps_y[0] == 0 && taps_x[0] == 0 && stride_y == 1 && stride_x == 1 && rows == height &&
           columns == width;
  }
  /// Such an image as one long line.
  void flatten() {
    if (!is_image()) return;
    columns = width = area();
    rows = height = 1;
  }
};

/// Some positions: a part of a line, lines of an image, or whole images.
struct ConvBox {
  Index image, images, row, rows, column, columns;
  Index positions() const { return images * rows * columns; }
};

/// Positions cut into boxes of about `most`, by their shape alone.
class ConvBoxes {
 public:
  ConvBoxes(Index images, Index rows, Index columns, Index most) : all_{0, images, 0, rows, 0, columns} {
    columns_ = balanced(columns, most);
    rows_ = columns_ < columns ? 1 : balanced(rows, most / columns);
    images_ = rows_ < rows || columns_ < columns ? 1 : balanced(images, most / (rows * columns));
    across_ = divide_up(columns, columns_);
    down_ = divide_up(rows, rows_);
    count_ = divide_up(images, images_) * down_ * across_;
  }
  Index count() const { return count_; }
  ConvBox operator[](Index i) const {
    const Index image = i / across_ / down_ * images_, row = i / across_ % down_ * rows_,
                column = i % across_ * columns_;
    return {image,  std::min(images_, all_.images - image),   row, std::min(rows_, all_.rows - row),
            column, std::min(columns_, all_.columns - column)};
  }

 private:
  static Index balanced(Index n, Index most) { return divide_up(n, divide_up(n, std::max<Index>(1, most))); }

  ConvBox all_;
  Index columns_, rows_, images_, across_, down_, count_;
};

/// The elements around boxes of positions, some planes at a time: read where they lie if no tap leaves the image, else
/// copied into a window with zeros around. A plane is a channel, or, if `spread`, what one tap sees of a channel.
template <class S>
class ConvWindow {
 public:
  /// For boxes up to the size of `largest`, and up to `planes` planes at once.
  ConvWindow(const ConvSource<S>& source, const ConvBox& largest, Index planes, bool spread = false)
      : s_(source), spread_(spread) {
    const auto [top, bottom] = std::minmax_element(s_.taps_y.begin(), s_.taps_y.end());
    const auto [left, right] = std::minmax_element(s_.taps_x.begin(), s_.taps_x.end());
    top_ = *top;
    left_ = *left;
    reach_y_ = spread ? 1 : *bottom - top_ + 1;
    reach_x_ = spread ? 1 : *right - left_ + 1;
    in_place_ = !spread && top_ >= 0 && left_ >= 0 && (s_.rows - 1) * s_.stride_y + *bottom < s_.height &&
                (s_.columns - 1) * s_.stride_x + *right < s_.width;
    line_ = in_place_ ? s_.width : width(largest);
    plane_ = in_place_ ? s_.height * s_.width : height(largest) * line_;
    image_ = in_place_ ? s_.channels * plane_ : planes * plane_;
    size_ = in_place_ ? 0 : largest.images * image_;
  }

  Index size() const { return size_; }
  Index plane() const { return plane_; }
  /// How far position (v, u) of image i of a box is from its first one.
  Index position(Index i, Index v, Index u) const { return i * image_ + v * s_.stride_y * line_ + u * s_.stride_x; }
  /// How far an element (y, x) of `taps_y` and `taps_x` is from the first one of a plane that is not spread.
  Index tap(Index y, Index x) const { return in_place_ ? y * line_ + x : (y - top_) * line_ + x - left_; }

  /// Reads planes [first, first + count): of all channels, or of all channels and taps. Returns where they begin.
  const S* read(const ConvBox& box, Index first, Index count, S* window) const {
    if (in_place_)
      return s_.x + (box.image * s_.channels + first) * plane_ + box.row * s_.stride_y * line_ +
             box.column * s_.stride_x;
    std::fill_n(window, box.images * image_, S{0});
    const Index taps = s_.taps(), wide = static_cast<Index>(s_.taps_x.size());
    for (Index i = 0; i < box.images; ++i)
      for (Index plane = first; plane < first + count; ++plane) {
        const Index channel = spread_ ? plane / taps : plane, tap = plane % taps;
        const Index y = spread_ ? s_.taps_y[static_cast<std::size_t>(tap / wide)] : top_;
        const Index x = spread_ ? s_.taps_x[static_cast<std::size_t>(tap % wide)] : left_;
        read_plane(box, (box.image + i) * s_.channels + channel, y, x, window + i * image_ + (plane - first) * plane_);
      }
    return window;
  }

 private:
  Index height(const ConvBox& box) const { return (box.rows - 1) * s_.stride_y + reach_y_; }
  Index width(const ConvBox& box) const { return (box.columns - 1) * s_.stride_x + reach_x_; }

  /// What lies within the image, which the window of a box enters at (y, x) if the box is its first.
  void read_plane(const ConvBox& box, Index plane, Index y, Index x, S* to) const {
    y += box.row * s_.stride_y;
    x += box.column * s_.stride_x;
    const Index y0 = std::max<Index>(0, -y), y1 = std::min(height(box), s_.height - y);
    const Index x0 = std::max<Index>(0, -x), x1 = std::min(width(box), s_.width - x);
    if (y0 >= y1 || x0 >= x1) return;
    const S* const from = s_.x + (plane * s_.height + y + y0) * s_.width + x + x0;
    kernels_.copy(x1 - x0, y1 - y0, from, s_.width, to + y0 * line_ + x0, line_);
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvSource<S>& s_;
  bool spread_, in_place_;
  Index top_, left_, reach_y_, reach_x_, line_, plane_, image_, size_;
};

}  // namespace pushforward::detail
