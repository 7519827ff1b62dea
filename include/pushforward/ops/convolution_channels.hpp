// Convolutions whose vectors run along the channels of the result: each number of the images is read where it lies in a
// window and broadcast, so nothing is gathered, whatever the stride.
#pragma once

#include <vector>

#include <pushforward/ops/convolution_windows.hpp>

namespace pushforward::detail {

/// Weights packed for products whose vectors run along `out` channels: panels of two vectors (the last one may have a
/// single one), each [k, width].
template <class S>
struct ConvPanels {
  Index out, k;

  static Index widest() { return 2 * gemm_kernels<S>().lanes; }
  Index padded() const { return divide_up(out, gemm_kernels<S>().lanes) * gemm_kernels<S>().lanes; }
  Index count() const { return divide_up(out, widest()); }
  Index width(Index panel) const { return std::min(widest(), padded() - panel * widest()); }
  Index size() const { return padded() * k; }
  /// Where vectors of channel o (a multiple of the lanes) begin.
  Index place(Index o) const { return o / widest() * widest() * k + o % widest(); }

  /// From weight [out, k].
  void pack(const S* weight, S* to) const {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    for (Index o = 0; o < out; o += kernels.lanes)
      kernels.transpose(out - o, k, weight + o * k, k, to + place(o), width(o / widest()));
  }
  /// From weight [k / taps, out, taps], behind which `lanes` more numbers may be read; writes up to `lanes` lines more.
  void pack_transposed(const S* weight, Index taps, S* to) const {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    const Index lanes = kernels.lanes;
    for (Index o = 0; o < out; o += lanes) {
      const Index wide = width(o / widest());
      S* const lines = to + place(o);
      if (taps == 1 && o + lanes <= out) {
        kernels.copy(lanes, k, weight + o, out, lines, wide);
        continue;
      }
      // What is written past the taps of a channel is overwritten by the next one.
      for (Index c = 0; c < k / taps; ++c)
        kernels.transpose(out - o, std::max(taps, lanes), weight + (c * out + o) * taps, taps, lines + c * taps * wide,
                          wide);
    }
  }
  /// Some of the taps of `groups` packed weights, packed by themselves at `to`; returns where they end.
  S* pick(Index groups, const S* packed, Index taps, const std::vector<Index>& numbers, S* to) const {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    const Index part = static_cast<Index>(numbers.size());
    for (Index i = 0; i < groups * count(); ++i) {
      const Index wide = width(i % count()), lines = k / taps;
      for (Index j = 0; j < part; ++j)
        kernels.copy(wide, lines, packed + numbers[static_cast<std::size_t>(j)] * wide, taps * wide, to + j * wide,
                     part * wide);
      packed += k * wide;
      to += lines * part * wide;
    }
    return to;
  }
};

/// The positions of a result that see the same taps: (row + v * step_y, column + u * step_x).
template <class S>
struct ConvPart {
  Index row, column, rows, columns;
  std::vector<Index> taps_y, taps_x;
  const S* weight;  // for each group, as ConvPanels [out, (channel, tap)]

  Index taps() const { return static_cast<Index>(taps_y.size() * taps_x.size()); }
};

/// A convolution, or the parts of a transposed one with a stride, which read the same images.
template <class S>
struct ConvParts {
  ConvSource<S> source;  // the taps of all parts
  Index groups, out;     // output channels of a group
  const S* bias;         // [groups * out], or null
  bool relu;
  S* y;  // [images, groups * out, height, width]
  Index height, width, step_y, step_x;
  std::vector<ConvPart<S>> parts;

  Index channels() const { return source.channels / groups; }
};

/// Computes a convolution box by box. Each sum runs over channels and taps in order, whatever the box.
template <class S>
class ConvByChannels {
 public:
  explicit ConvByChannels(const ConvParts<S>& problem)
      : p_(problem), panels_{p_.out, 0}, boxes_(p_.source.images, p_.source.rows, p_.source.columns, most_positions()) {
    for (const ConvPart<S>& part : p_.parts) taps_ = std::max(taps_, part.taps());
    const Index blocks = divide_up(p_.channels() * std::max<Index>(1, taps_), longest);
    block_ = divide_up(p_.channels(), blocks);
    ld_ = panels_.padded();
    bias_.assign(static_cast<std::size_t>(p_.groups * ld_), S{0});
    for (Index group = 0; group < p_.groups && p_.bias; ++group)
      std::copy_n(p_.bias + group * p_.out, p_.out, bias_.data() + group * ld_);
  }

  /// Whether vectors of channels would be well filled, and worth the packing of the weights.
  static bool pays(Index out, Index k, Index columns, Index positions) {
    const Index padded = ConvPanels<S>{out, k}.padded();
    return 4 * out >= 3 * padded && k >= 12 && columns >= 4 && positions >= 48;
  }

  void run(Index threads) const {
    const ConvWindow<S> window(p_.source, boxes_[0], block_);
    std::vector<Index> places;  // in the window, of each part: block_ channels and their taps
    for (const ConvPart<S>& part : p_.parts)
      for (Index i = 0; i < block_; ++i)
        for (const Index y : part.taps_y)
          for (const Index x : part.taps_x) places.push_back(i * window.plane() + window.tap(y, x));
    const Index tasks = boxes_.count() * p_.groups;
    parallel_for(tasks, divide_up(tasks, threads), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) box(window, places.data(), i / boxes_.count(), boxes_[i % boxes_.count()]);
    });
  }

 private:
  /// Lines of a panel that stay in the first-level cache.
  static constexpr Index longest = 1280 / Index{sizeof(S)};

  Index most_positions() const {
    return std::max<Index>(1, (p_.parts.size() > 1 ? 512 : 256) / (p_.step_y * p_.step_x));
  }

  /// A box of the result, computed as [positions, out].
  struct Work {
    Index group, rows, columns;  // elements of each image, a multiple of the positions of parts
    S *window, *result, *corner;
  };

  [[gnu::noinline]] void box(const ConvWindow<S>& window, const Index* places, Index group, const ConvBox& b) const {
    const Index rows = std::min(b.rows * p_.step_y, p_.height - b.row * p_.step_y);
    const Index columns = std::min(b.columns * p_.step_x, p_.width - b.column * p_.step_x);
    const Index inside = divide_up(window.size(), 16) * 16, results = b.images * rows * columns * ld_;
    S* const scratch = GemmScratch::get<S>(0, inside + results + kernels_.lanes * ld_);
    const Work work{group, rows, columns, scratch, scratch + inside, scratch + inside + results};
    for (Index c = 0; c < p_.channels(); c += block_) {
      const Index count = std::min(block_, p_.channels() - c);
      const S* const from = window.read(b, group * p_.channels() + c, count, work.window);
      const Index* place = places;
      for (const ConvPart<S>& part : p_.parts) {
        add(work, window, b, part, from, place, c, count);
        place += block_ * part.taps();
      }
    }
    for (Index i = 0; i < b.images; ++i) copy_out(work, b, i);
  }

  /// Adds what a part sees of channels [c, c + count).
  void add(const Work& w, const ConvWindow<S>& window, const ConvBox& b, const ConvPart<S>& part, const S* from,
           const Index* places, Index c, Index count) const {
    const Index rows = std::min(b.rows, part.rows - b.row), columns = std::min(b.columns, part.columns - b.column);
    if (columns <= 0) return;
    const Index length = p_.channels() * part.taps();
    for (Index panel = 0; panel < panels_.count(); ++panel) {
      const Index wide = panels_.width(panel), o = panel * panels_.widest();
      const S* const weight = part.weight + w.group * length * ld_ + o * length + c * part.taps() * wide;
      const S* const bias = bias_.data() + w.group * ld_ + o;
      GemmTile<S> tile{count * part.taps(),
                       from,
                       p_.source.stride_x,
                       0,
                       weight,
                       wide,
                       nullptr,
                       p_.step_x * ld_,
                       bias,
                       0,
                       p_.relu && c + count == p_.channels(),
                       places};
      for (Index i = 0; i < b.images; ++i)
        for (Index v = 0; v < rows; ++v) {
          tile.a = from + window.position(i, v, 0);
          tile.c = w.result + ((i * w.rows + v * p_.step_y + part.row) * w.columns + part.column) * ld_ + o;
          line(tile, columns, wide, c == 0);
        }
    }
  }

  /// Some positions of a line, in tiles of about equal height.
  void line(GemmTile<S>& tile, Index columns, Index wide, bool first) const {
    const Index log_vectors = wide > kernels_.lanes ? 1 : 0, most = log_vectors ? kernels_.rows : kernels_.rows / 2;
    for (Index tiles = divide_up(columns, most); tiles > 0; --tiles) {
      const Index height = divide_up(columns, tiles);
      if (!first) {
        tile.start = tile.c;
        tile.start_step = tile.ldc;
      }
      kernels_.placed[log_vectors][height - 1](tile);
      tile.a += height * tile.a_row;
      tile.c += height * tile.ldc;
      columns -= height;
    }
  }

  /// Image i of a box to where it belongs.
  void copy_out(const Work& w, const ConvBox& b, Index i) const {
    const bool whole = w.columns == p_.width;
    const Index runs = whole ? 1 : w.rows, length = whole ? w.rows * w.columns : w.columns, lanes = kernels_.lanes;
    const Index plane = p_.height * p_.width;
    for (Index run = 0; run < runs; ++run) {
      S* const to = p_.y + ((b.image + i) * p_.groups + w.group) * p_.out * plane +
                    (b.row * p_.step_y + run) * p_.width + b.column * p_.step_x;
      const S* const from = w.result + (i * w.rows * w.columns + run * length) * ld_;
      if (length < lanes) {
        kernels_.transpose(length, p_.out, from, ld_, w.corner, lanes);
        kernels_.copy(length, p_.out, w.corner, lanes, to, plane);
        continue;
      }
      for (Index p = 0; p < length; p += lanes) {
        p = std::min(p, length - lanes);  // the last block may overlap the one before
        kernels_.transpose(lanes, p_.out, from + p * ld_, ld_, to + p, plane);
      }
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvParts<S>& p_;
  ConvPanels<S> panels_;
  ConvBoxes boxes_;
  Index taps_ = 0, block_, ld_;
  std::vector<S> bias_;
};

}  // namespace pushforward::detail
