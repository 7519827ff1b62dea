// Convolutions on raw storage: implicit matrix products whose right factor, the taps around every position, is gathered
// panel by panel and never stored as a whole.
#pragma once

#include <cstring>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/ops/convolution_channels.hpp>

namespace pushforward::detail {

/// Positions are handled in chunks of about this many.
inline constexpr Index conv_chunk = 256;
/// Room that vectors may run over.
inline constexpr Index conv_slack = 64;

/// How the positions of a result are cut into chunks. Long rows and large images are cut by themselves, such that a
/// chunk touches few lines; small images share one.
struct ConvChunks {
  Index span, count, length;  // positions of what is cut, chunks of it, positions of a chunk

  template <class S>
  ConvChunks(const ConvSource<S>& s, Index width) {
    const bool apart = s.area() > conv_chunk || (s.is_image() && s.area() >= conv_chunk / 2);
    span = s.columns > conv_chunk ? s.columns : apart ? s.area() : s.positions();
    count = divide_up(span, conv_chunk);
    length = divide_up(divide_up(span, count), width) * width;
    count = divide_up(span, length);
    total = s.positions() / span * count;
  }
  Index begin(Index chunk) const { return chunk / count * span + chunk % count * length; }
  Index end(Index chunk) const { return std::min(begin(chunk) + length, (chunk / count + 1) * span); }

  Index total;
};

/// Whether an image of so many positions falls into panels that can be read where they lie: whole ones, or the last
/// vector overlaps the one before and costs little more.
template <class S>
bool conv_panels_fit(Index area) {
  const Index lanes = gemm_kernels<S>().lanes, over = divide_up(area, lanes) * lanes - area;
  return area % (2 * lanes) == 0 || (area >= conv_chunk / 2 && 12 * over <= area);
}

/// The taps around a chunk of positions: reads the lines of the images that they touch into a window with zeros around,
/// and gathers panels from there. In the window the columns lie by their remainder modulo the stride, so that
/// neighboring positions read neighboring numbers.
template <class S>
class ConvColumns {
 public:
  ConvColumns(const ConvSource<S>& source, Index begin, Index end) : s_(source), begin_(begin) {
    const Index area = s_.area(), columns = s_.columns;
    const Index last = end - 1, images = last / area - begin / area + 1;
    const Index row0 = begin % area / columns, row1 = last % area / columns;
    direct_ = s_.taps() == 1 && s_.stride_y == 1 && s_.stride_x == 1 && s_.taps_y[0] == 0 && s_.taps_x[0] == 0 &&
              s_.rows == s_.height && columns == s_.width &&
              s_.channels * area >= gemm_kernels<S>().lanes;  // a vector must fit into what lies before the end
    images_ = images;
    first_row_ = row0;
    const bool one_row = images == 1 && row0 == row1;
    first_column_ = one_row ? begin % columns : 0;
    const Index last_column = one_row ? last % columns : columns - 1;
    const Index rows = images == 1 ? row1 - row0 + 1 : images == 2 ? std::max(s_.rows - row0, row1 + 1) : s_.rows;
    const auto [top, bottom] = std::minmax_element(s_.taps_y.begin(), s_.taps_y.end());
    const auto [left, right] = std::minmax_element(s_.taps_x.begin(), s_.taps_x.end());
    top_ = *top;
    left_ = *left;
    height_ = (rows - 1) * s_.stride_y + *bottom - *top + 1;
    phase_ = divide_up((last_column - first_column_) * s_.stride_x + *right - *left + 1, s_.stride_x);
    phases_.assign(static_cast<std::size_t>(s_.stride_x), false);
    for (const Index y : s_.taps_y)
      for (const Index x : s_.taps_x) {
        const Index column = x - left_, remainder = column % s_.stride_x;
        phases_[static_cast<std::size_t>(remainder)] = true;
        taps_.push_back((y - top_) * line() + remainder * phase_ + column / s_.stride_x);
      }
  }

  /// How many numbers the window of some channels takes.
  Index window_size(Index channels) const { return direct_ ? 0 : images_ * channels * plane() + conv_slack; }

  /// Zeros all around: once, before windows of up to `channels` channels are read.
  void clear(Index channels, S* window) {
    room_ = channels;
    std::fill_n(window, window_size(channels), S{0});
  }

  /// Reads channels [c0, c0 + channels).
  void read(Index c0, Index channels, S* window) {
    channels_ = channels;
    if (direct_) {
      from_ = s_.x + c0 * s_.height * s_.width;
      return;
    }
    from_ = window;
    for (Index i = 0; i < images_; ++i) {
      const Index image = begin_ / s_.area() + i, y0 = (i == 0 ? first_row_ : 0) * s_.stride_y + top_;
      const Index r0 = std::max<Index>(0, -y0), r1 = std::min(height_, s_.height - y0);
      if (r0 >= r1) continue;  // only padding: the image may be empty
      const S* const from = s_.x + (image * s_.channels + c0) * s_.height * s_.width + (y0 + r0) * s_.width;
      for (Index c = 0; c < channels; ++c)
        read_lines(from + c * s_.height * s_.width, window + (i * room_ + c) * plane() + r0 * line(), r1 - r0);
    }
  }

  /// to[(c * taps + t) * width + j] = tap t of channel c around position begin + j, for all that have been read and
  /// begin + j < end. Overruns the last line by less than a vector.
  void gather(Index begin, Index end, S* to, Index width) const {
    GemmMove moves[conv_chunk + conv_slack];
    GemmGather<S> g{from_, channels_, direct_ ? s_.area() : plane(), taps_.data(), s_.taps(), moves, 0, {}, 0,
                    to,    width};
    for (Index p = begin, lanes = gemm_kernels<S>().lanes; p < end;) {
      const Index image = p / s_.area(), at = p % s_.area(), slot = image - begin_ / s_.area();
      const Index length = std::min(direct_ ? s_.area() - at : s_.columns - at % s_.columns, end - p);
      const Index row = at / s_.columns - (slot == 0 ? first_row_ : 0);
      const Index from = direct_
                             ? image * s_.channels * s_.area() + at
                             : slot * room_ * plane() + row * s_.stride_y * line() + at % s_.columns - first_column_;
      // Only at the very end of the images themselves a vector must not read on.
      const bool careful = direct_ && image + 1 == s_.images && at + divide_up(length, lanes) * lanes > s_.area();
      const Index whole = careful ? length / lanes * lanes : length;
      for (Index i = 0; i < whole; i += lanes) moves[g.move_count++] = {from + i, p - begin + i};
      if (careful) g.tail = {from + whole, p - begin + whole}, g.tail_count = length - whole;
      p += length;
    }
    gemm_kernels<S>().gather(g);
  }

  /// Where the numbers of positions [begin, end) lie as they are, channels an image apart; null if they have to be
  /// gathered.
  const S* in_place(Index begin, Index end) const {
    const Index image = begin / s_.area();
    if (!direct_ || (end - 1) / s_.area() != image) return nullptr;
    return from_ + image * s_.channels * s_.area() + begin % s_.area();
  }

 private:
  Index line() const { return phase_ * s_.stride_x; }
  Index plane() const { return height_ * line(); }

  /// Some lines of a channel.
  void read_lines(const S* from, S* to, Index rows) const {
    const Index x0 = first_column_ * s_.stride_x + left_;  // the column of the image at which the window begins
    for (Index phase = 0; phase < s_.stride_x; ++phase) {
      if (!phases_[static_cast<std::size_t>(phase)]) continue;
      const Index x = x0 + phase, begin = x < 0 ? divide_up(-x, s_.stride_x) : 0;
      const Index end = x < s_.width ? std::min(phase_, divide_up(s_.width - x, s_.stride_x)) : 0;
      if (begin < end) read_phase(from + x + begin * s_.stride_x, to + phase * phase_ + begin, rows, end - begin);
    }
  }

  /// Lines are short where images are small, and a call for each would cost more than the copy.
  static void copy_line(const S* from, Index count, S* to) {
    constexpr Index piece = 16 / Index{sizeof(S)};
    if (count < piece || count > 4 * piece) return void(std::copy_n(from, count, to));
    for (Index i = 0; i < count - piece; i += piece) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + count - piece, from + count - piece, 16);  // may overlap the one before
  }

  /// Every stride-th number of some lines.
  void read_phase(const S* from, S* to, Index rows, Index count) const {
    const Index width = s_.width, step = line(), stride = s_.stride_x;
    if (stride == 1) {
      for (Index r = 0; r < rows; ++r) copy_line(from + r * width, count, to + r * step);
      return;
    }
    vectorized_unless_double<S>([=] {
      for (Index r = 0; r < rows; ++r) {
        const S* const in = from + r * width;
        S* const out = to + r * step;
        if (stride == 2) {
          PUSHFORWARD_SIMD
          for (Index i = 0; i < count; ++i) out[i] = in[2 * i];
        } else {
          for (Index i = 0; i < count; ++i) out[i] = in[i * stride];
        }
      }
    });
  }

  const ConvSource<S>& s_;
  Index begin_, images_, first_row_, first_column_, top_, left_, height_, phase_;
  bool direct_;
  std::vector<bool> phases_;
  std::vector<Index> taps_;
  const S* from_ = nullptr;
  Index channels_ = 0, room_ = 0;
};

/// Calls the kernel of a tile. Narrow ones take half a strip at a time.
template <class S>
void conv_multiply(const GemmKernels<S>& kernels, GemmTile<S> tile, Index rows, Index log_vectors) {
  const Index most = log_vectors == 0   ? std::max<Index>(1, kernels.rows / 2)
                     : log_vectors == 2 ? kernels.wide_rows
                                        : kernels.rows;
  for (Index r = 0; r < rows; r += most) {
    kernels.tile[log_vectors][std::min(most, rows - r) - 1](tile);
    tile.a += most * tile.a_row;
    tile.c += most * tile.ldc;
    tile.start += most * tile.start_step;
  }
}

/// A convolution: y(channel o, position) = bias[o] + sum over channels and taps of weight[o, (channel, tap)] times what
/// the tap reads; output channels and input channels are cut into `groups` that do not mix.
template <class S>
struct ConvProblem {
  ConvSource<S> source;
  Index groups, out;  // output channels of a group
  const S* weight;    // [groups * out, channels * taps]
  const S* bias;      // [groups * out], or null
  bool relu;
  S* y;                         // position (v, u) of channel o: y[o * plane + v * step_y + u * step_x]
  Index plane, step_y, step_x;  // of the result, whose images have groups * out planes

  Index channels() const { return source.channels / groups; }
  double flops() const {
    return 2.0 * static_cast<double>(source.positions()) * static_cast<double>(out * groups) *
           static_cast<double>(channels() * source.taps());
  }
};

/// Computes a convolution in chunks of positions. Each sum runs over channels and taps in order, whatever the chunk.
template <class S>
class ConvForward {
 public:
  explicit ConvForward(const ConvProblem<S>& problem) : p_(problem), width_(panel_width()), chunks_(p_.source, width_) {
    strips_ = divide_up(p_.out, kernels_.rows);
    const Index channels = p_.channels(), blocks = divide_up(channels * p_.source.taps(), 2048 / Index{sizeof(S)});
    block_ = std::max<Index>(1, divide_up(channels, blocks));
    contiguous_ = p_.step_x == 1 && p_.step_y == p_.source.columns;
  }

  void run() const {
    const ConvSource<S>& s = p_.source;
    const bool whole = contiguous_ && p_.plane == s.area();
    const bool in_place = s.is_image() && conv_panels_fit<S>(s.area());
    const Index k = p_.channels() * s.taps();
    const bool short_sums = s.stride_x == 1 && k < 24;  // of which a gather is cheap
    if (!in_place && !short_sums && whole && ConvByChannels<S>::pays(p_.out, k, s.columns, s.positions()))
      return run_by_channels();
    run_by_positions();
  }

  /// With vectors along the positions, whatever the shape.
  void run_by_positions() const {
    const Index tasks = chunks_.total * p_.groups, threads = gemm_threads(p_.flops());
    parallel_for(tasks, divide_up(tasks, threads), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        chunk(i / chunks_.total, chunks_.begin(i % chunks_.total), chunks_.end(i % chunks_.total));
    });
  }

 private:
  Index panel_width() const {
    const Index lanes = kernels_.lanes;
    return p_.out <= kernels_.wide_rows ? 4 * lanes : 2 * lanes;
  }
  static Index log2_of(Index vectors) { return vectors == 4 ? 2 : vectors - 1; }
  Index first_row(Index strip) const { return p_.out / strips_ * strip + std::min(strip, p_.out % strips_); }

  void run_by_channels() const {
    const ConvPanels<S> panels{p_.out, p_.channels() * p_.source.taps()};
    S* const weight = GemmScratch::get<S>(1, p_.groups * panels.size());
    for (Index group = 0; group < p_.groups; ++group)
      panels.pack(p_.weight + group * p_.out * panels.k, weight + group * panels.size());
    ConvSource<S> s = p_.source;
    s.flatten();
    const ConvPart<S> part{0, 0, s.rows, s.columns, s.taps_y, s.taps_x, weight};
    ConvByChannels<S>({s, p_.groups, p_.out, p_.bias, p_.relu, p_.y, s.rows, s.columns, 1, 1, {part}})
        .run(gemm_threads(p_.flops()));
  }

  [[gnu::noinline]] void chunk(Index group, Index j0, Index j1) const {
    const Index channels = p_.channels(), taps = p_.source.taps(), panels = divide_up(j1 - j0, width_);
    ConvColumns<S> columns(p_.source, j0, j1);
    const Index window = columns.window_size(block_), packed = block_ * taps * panels * width_ + conv_slack;
    S* const scratch = GemmScratch::get<S>(0, window + packed + p_.out * panels * width_);
    columns.clear(block_, scratch);
    Work work{group, panels, j1, 0, 0, scratch + window, scratch + window + packed, panels * width_, {}};
    for (Index i = 0; i < panels; ++i) {
      Panel& panel = work.panels[i];
      panel.begin = j0 + i * width_;
      // The last panel may be narrower, and overlaps the one before unless sums are continued: what both write is the
      // same.
      panel.width = width_ == 2 * kernels_.lanes && j1 - panel.begin <= kernels_.lanes ? kernels_.lanes : width_;
      if (block_ == channels && j1 - panel.width >= j0) panel.begin = std::min(panel.begin, j1 - panel.width);
      panel.place = place(group, panel, j1);
    }
    for (Index c = 0; c < channels; c += block_) {
      work.first = c * taps;
      work.k = std::min(block_, channels - c) * taps;
      columns.read(group * channels + c, std::min(block_, channels - c), scratch);
      for (Index s = 0; s < strips_; ++s) strip(s, work, columns);
    }
    for (Index i = 0; i < panels; ++i)
      if (!work.panels[i].place) copy_out(work, i);
  }

  struct Panel {
    Index begin, width;  // positions
    S* place;            // where it belongs in the first channel of the group; null: beside, in `result`
  };

  /// A block of channels for a chunk.
  struct Work {
    Index group, count, j1, first, k;
    S *packed, *result;  // [panels, k, width], [out, panels * width]
    Index ld;
    Panel panels[conv_chunk / 4 + 1];
  };

  S* image(Index group, Index position) const {
    return p_.y + (position / p_.source.area() * p_.groups + group) * p_.out * p_.plane;
  }
  /// Where a panel belongs, if it can be computed there: it is complete, within one image, and in a result without
  /// gaps.
  S* place(Index group, const Panel& panel, Index j1) const {
    const Index area = p_.source.area(), j = panel.begin, last = j + panel.width - 1;
    if (!contiguous_ || last >= j1 || j / area != last / area) return nullptr;
    return image(group, j) + j % area;
  }

  void strip(Index s, const Work& w, const ConvColumns<S>& columns) const {
    const Index r0 = first_row(s), rows = first_row(s + 1) - r0, row = w.group * p_.out + r0;
    const Index length = p_.channels() * p_.source.taps();
    alignas(64) S start[16 * 64];
    if (w.first == 0)
      for (Index i = 0; i < rows; ++i) std::fill_n(start + i * width_, width_, p_.bias ? p_.bias[row + i] : S{0});
    for (Index i = 0; i < w.count; ++i) {
      const Panel& panel = w.panels[i];
      const Index end = panel.begin + panel.width, ldc = panel.place ? p_.plane : w.ld;
      S* const packed = w.packed + i * width_ * w.k;
      const S* const b = panel.place ? columns.in_place(panel.begin, end) : nullptr;
      if (s == 0 && !b) columns.gather(panel.begin, std::min(w.j1, end), packed, width_);
      S* const c = panel.place ? panel.place + r0 * p_.plane : w.result + r0 * w.ld + i * width_;
      const bool first = w.first == 0;
      conv_multiply(kernels_,
                    {w.k, p_.weight + row * length + w.first, length, 1, b ? b : packed, b ? p_.source.area() : width_,
                     c, ldc, first ? start : c, first ? width_ : ldc, p_.relu && w.first + w.k == length},
                    rows, log2_of(panel.width / kernels_.lanes));
    }
  }

  /// Moves a panel from beside to where it belongs.
  void copy_out(const Work& w, Index i) const {
    const Index area = p_.source.area(), columns = p_.source.columns;
    const Index begin = w.panels[i].begin, end = std::min(begin + w.panels[i].width, w.j1);
    for (Index p = begin; p < end;) {
      const Index at = p % area, column = at % columns;
      const Index length = std::min(contiguous_ ? area - at : columns - column, end - p);
      S* to = image(w.group, p) + at / columns * p_.step_y + column * p_.step_x;
      const S* from = w.result + i * width_ + p - begin;
      for (Index o = 0; o < p_.out; ++o, to += p_.plane, from += w.ld) {
        if (contiguous_)
          std::copy_n(from, length, to);
        else
          for (Index u = 0; u < length; ++u) to[u * p_.step_x] = from[u];
      }
      p += length;
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvProblem<S>& p_;
  Index width_;
  ConvChunks chunks_;
  Index strips_, block_;
  bool contiguous_;
};

/// Adds slices of n numbers to the first one, in order.
template <class S>
void conv_add_slices(S* sums, Index n, Index slices) {
  vectorized_unless_double<S>([=] {
    for (Index s = 1; s < slices; ++s) {
      const S* const from = sums + s * n;
      PUSHFORWARD_SIMD
      for (Index i = 0; i < n; ++i) sums[i] += from[i];
    }
  });
}

/// The gradient of a convolution by its weight: gw[o, (channel, tap)] = sum over positions of g(o, position) times what
/// the tap reads, as products [channels, positions] x [positions, out] for each tap. Positions are cut into slices that
/// depend on the shape alone, and whose sums are added in order.
template <class S>
class ConvWeight {
 public:
  ConvWeight(const ConvSource<S>& source, const S* g, Index groups, Index out)
      : s_(source),
        g_(g),
        groups_(groups),
        channels_(source.channels / groups),
        lines_(channels_ * source.taps()),
        spread_(source.taps() > 1 && channels_ <= kernels_.rows / 2),
        planes_(spread_ ? lines_ : channels_),
        panels_{out, 0} {
    s_.flatten();
    boxes_ = ConvBoxes(s_.images, s_.rows, s_.columns, 256);
    const Index plane = ConvWindow<S>(s_, boxes_[0], 1, spread_).size();
    block_ = std::clamp<Index>((Index{1} << 18) / Index{sizeof(S)} / std::max<Index>(1, plane), 1, planes_);
    const double flops = 2.0 * static_cast<double>(s_.positions()) * static_cast<double>(panels_.padded() * lines_);
    slices_ = std::clamp<Index>(static_cast<Index>(flops / 2e7), 1, 16);
    slices_ = std::clamp<Index>((Index{1} << 22) / (groups_ * lines_ * panels_.padded()), 1, slices_);
    slices_ = std::min(slices_, boxes_.count());
    threads_ = gemm_threads(flops * static_cast<double>(groups_));
  }
  ConvWeight(const ConvWeight&) = delete;
  ConvWeight& operator=(const ConvWeight&) = delete;

  /// How many numbers run() works on.
  Index workspace() const { return slices_ * slice_size(); }

  /// gw [groups * out, channels, taps].
  void run(S* gw, S* sums) const {
    const ConvWindow<S> window(s_, boxes_[0], block_, spread_);
    const Index tasks = groups_ * slices_, padded = panels_.padded(), out = panels_.out;
    parallel_for(tasks, divide_up(tasks, threads_), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        slice(window, i / slices_, i % slices_, sums + i % slices_ * slice_size() + i / slices_ * lines_ * padded);
    });
    conv_add_slices(sums, slice_size(), slices_);
    const Index lanes = kernels_.lanes, whole = lines_ - lines_ % lanes;
    for (Index group = 0; group < groups_; ++group, gw += out * lines_, sums += lines_ * padded) {
      for (Index i = 0; i < whole; i += lanes)
        kernels_.transpose(lanes, out, sums + i * padded, padded, gw + i, lines_);
      for (Index o = 0; o < out; ++o)
        for (Index i = whole; i < lines_; ++i) gw[o * lines_ + i] = sums[i * padded + o];
    }
  }

 private:
  Index slice_size() const { return groups_ * lines_ * panels_.padded(); }

  /// Adds up a slice of the positions in sums [lines, padded out].
  [[gnu::noinline]] void slice(const ConvWindow<S>& window, Index group, Index slice, S* sums) const {
    const Index first = boxes_.count() * slice / slices_, end = boxes_.count() * (slice + 1) / slices_;
    const Index most = boxes_[0].positions(), inside = divide_up(window.size(), 16) * 16;
    const Index places = divide_up(most * Index{sizeof(Index)}, 64) * 64 / Index{sizeof(S)};
    S* const scratch = GemmScratch::get<S>(0, places + inside + most * panels_.padded());
    Index* const place = reinterpret_cast<Index*>(scratch);
    S *const inner = scratch + places, *const g = inner + inside;
    for (Index i = first; i < end; ++i) {
      const ConvBox box = boxes_[i];
      Index p = 0;
      for (Index image = 0; image < box.images; ++image)
        for (Index v = 0; v < box.rows; ++v)
          for (Index u = 0; u < box.columns; ++u) place[p++] = window.position(image, v, u);
      transpose(group, box, g);
      for (Index c = 0; c < planes_; c += block_) {
        const Index count = std::min(block_, planes_ - c);
        const S* const from = window.read(box, group * planes_ + c, count, inner);
        multiply(window, count, from, place, p, g, i == first, sums + c * (lines_ / planes_) * panels_.padded());
      }
    }
  }

  /// to[panel][position][channel of the panel] = g(channel, position).
  void transpose(Index group, const ConvBox& box, S* to) const {
    const Index area = s_.area(), positions = box.positions(), out = panels_.out;
    const Index length = box.rows * box.columns;  // in one piece
    for (Index i = 0; i < box.images; ++i) {
      const S* const from = g_ + ((box.image + i) * groups_ + group) * out * area + box.row * s_.columns + box.column;
      for (Index o = 0; o < out; o += kernels_.lanes) {
        const Index wide = panels_.width(o / panels_.widest());
        kernels_.transpose(
            out - o, length, from + o * area, area,
            to + o / panels_.widest() * panels_.widest() * positions + o % panels_.widest() + i * length * wide, wide);
      }
    }
  }

  /// Adds the products of `count` planes with the positions of a box.
  void multiply(const ConvWindow<S>& window, Index count, const S* from, const Index* place, Index positions,
                const S* g, bool first, S* sums) const {
    alignas(64) static constexpr S zeros[64] = {};
    const Index padded = panels_.padded(), wide_taps = static_cast<Index>(s_.taps_x.size());
    const Index taps = lines_ / planes_;
    for (Index panel = 0; panel < panels_.count(); ++panel) {
      const Index wide = panels_.width(panel), log_vectors = wide > kernels_.lanes ? 1 : 0;
      const Index strips = divide_up(count, log_vectors ? kernels_.rows : kernels_.rows / 2);
      for (Index s = 0; s < strips; ++s) {
        const Index r0 = count * s / strips, rows = count * (s + 1) / strips - r0;
        for (Index t = 0; t < taps; ++t) {
          const Index tap = spread_ ? 0
                                    : window.tap(s_.taps_y[static_cast<std::size_t>(t / wide_taps)],
                                                 s_.taps_x[static_cast<std::size_t>(t % wide_taps)]);
          S* const c = sums + (r0 * taps + t) * padded + panel * panels_.widest();
          kernels_.placed[log_vectors][rows - 1]({positions, from + r0 * window.plane() + tap, window.plane(), 0, g,
                                                  wide, c, taps * padded, first ? zeros : c, first ? 0 : taps * padded,
                                                  false, place});
        }
      }
      g += positions * wide;
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  ConvSource<S> s_;
  const S* g_;
  Index groups_, channels_, lines_;
  bool spread_;
  Index planes_;
  ConvPanels<S> panels_;
  ConvBoxes boxes_{1, 1, 1, 1};
  Index block_, slices_, threads_;
};

}  // namespace pushforward::detail
