// Convolutions whose sums have few terms, as those of images with one or two channels: there is little to multiply for
// each number of the larger side, which therefore is read or written once, where it lies.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/ops/convolution_kernels.hpp>

namespace pushforward::detail {

/// A part of the positions of an image.
struct ConvStretch {
  Index image, begin, end;
};

/// The positions of each image cut into about equal stretches, by their number alone.
class ConvStretches {
 public:
  static constexpr Index longest = 1024;

  ConvStretches(Index images, Index area) : area_(area), each_(divide_up(area, longest)), count_(images * each_) {}
  Index count() const { return count_; }
  /// The length of the longest one.
  Index most() const { return divide_up(area_, each_); }
  ConvStretch operator[](Index i) const {
    const Index part = i % each_;
    return {i / each_, area_ * part / each_, area_ * (part + 1) / each_};
  }

 private:
  Index area_, each_, count_;
};

/// What the taps see of a stretch without a stride, in lines: the term (channel, tap) of position `begin + i` is
/// places()[term] + i after what read() returns. Taps above each other share a line.
template <class S>
class ConvLines {
 public:
  ConvLines(const ConvSource<S>& source, Index channels, Index most) : s_(source), channels_(channels) {
    const auto [top, bottom] = std::minmax_element(s_.taps_y.begin(), s_.taps_y.end());
    top_ = *top;
    reach_ = *bottom - top_;
    length_ = (std::min(s_.rows, (most - 1) / s_.columns + 2) + reach_) * s_.columns;
    for (Index c = 0, wide = static_cast<Index>(s_.taps_x.size()); c < channels; ++c)
      for (const Index y : s_.taps_y)
        for (Index x = 0; x < wide; ++x) places_.push_back((c * wide + x) * length_ + (y - top_) * s_.columns);
  }

  /// Whether there are few terms, and lines without holes that are not much longer than a stretch.
  static bool pays(const ConvSource<S>& s, Index channels) {
    return channels * s.taps() <= 2 * gemm_few_terms_most && s.stride_y == 1 && s.stride_x == 1 &&
           s.columns <= ConvStretches::longest;
  }

  /// How many numbers all lines take.
  Index size() const { return channels_ * static_cast<Index>(s_.taps_x.size()) * length_; }
  const Index* places() const { return places_.data(); }

  /// Reads the lines of channels c0, c0 + 1, ..
  const S* read(const ConvStretch& stretch, Index c0, S* to) const {
    const Index row = stretch.begin / s_.columns, rows = (stretch.end - 1) / s_.columns - row + 1 + reach_;
    const S* const from = to + stretch.begin % s_.columns;
    for (Index c = c0; c < c0 + channels_; ++c)
      for (const Index x : s_.taps_x) {
        read_line(s_.x + (stretch.image * s_.channels + c) * s_.height * s_.width, row + top_, x, rows, to);
        to += length_;
      }
    return from;
  }

 private:
  /// Some rows from y on, moved by x; zero outside of the image.
  void read_line(const S* image, Index y, Index x, Index rows, S* to) const {
    const Index columns = s_.columns;
    const Index left = std::clamp<Index>(-x, 0, columns), right = std::clamp(s_.width - x, left, columns);
    const Index above = std::clamp<Index>(-y, 0, rows), below = std::clamp(s_.height - y, above, rows);
    if (left == right || above == below) return void(std::fill_n(to, rows * columns, S{0}));
    std::fill_n(to, above * columns, S{0});
    std::fill_n(to + below * columns, (rows - below) * columns, S{0});
    kernels_.copy(right - left, below - above, image + (y + above) * s_.width + x + left, s_.width,
                  to + above * columns + left, columns);
    for (Index r = above; r < below; ++r) {
      for (Index i = 0; i < left; ++i) to[r * columns + i] = S{0};
      for (Index i = right; i < columns; ++i) to[r * columns + i] = S{0};
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvSource<S>& s_;
  Index channels_, top_, reach_, length_;
  std::vector<Index> places_;
};

/// Computes such a convolution: the terms of two vectors of positions stay in registers while all outputs pass by. Each
/// sum runs over channels and taps in order.
template <class S>
class ConvFewTerms {
 public:
  explicit ConvFewTerms(const ConvProblem<S>& problem) : p_(problem) {}

  static bool pays(const ConvProblem<S>& p) {
    return ConvLines<S>::pays(p.source, p.channels()) && p.out > gemm_few && p.source.area() >= panel() &&
           p.step_x == 1 && p.step_y == p.source.columns;
  }

  void run() const {
    const ConvStretches stretches(p_.source.images, p_.source.area());
    const ConvLines<S> lines(p_.source, p_.channels(), stretches.most());
    const Index tasks = stretches.count() * p_.groups;
    parallel_for(tasks, divide_up(tasks, gemm_threads(p_.flops())), [&](Index begin, Index end) {
      S* const scratch = GemmScratch::get<S>(0, lines.size());
      for (Index i = begin; i < end; ++i) {
        const Index group = i % p_.groups;
        const ConvStretch stretch = stretches[i / p_.groups];
        multiply(group, stretch, lines.places(), lines.read(stretch, group * p_.channels(), scratch));
      }
    });
  }

 private:
  static Index panel() { return 2 * gemm_kernels<S>().lanes; }

  void multiply(Index group, const ConvStretch& stretch, const Index* places, const S* lines) const {
    static constexpr S zero{0};
    const Index k = p_.channels() * p_.source.taps(), blocks = divide_up(k, Index{gemm_few_terms_most});
    const Index first_out = group * p_.out, count = stretch.end - stretch.begin;
    S* const y = p_.y + (stretch.image * p_.groups * p_.out + first_out) * p_.plane + stretch.begin;
    GemmTile<S> tile{};
    tile.a_row = k;
    tile.ldc = p_.plane;
    tile.start_step = p_.bias ? 1 : 0;
    for (Index at = 0; at < count; at += panel()) {
      // The last panel overlaps the one before: what both write is the same.
      const Index from = std::min(at, count - panel());
      tile.b = lines + from;
      tile.c = y + from;
      for (Index i = 0; i < blocks; ++i) {
        const Index first = k * i / blocks, terms = k * (i + 1) / blocks - first;
        tile.a = p_.weight + first_out * k + first;
        tile.places = places + first;
        tile.start = i > 0 ? nullptr : p_.bias ? p_.bias + first_out : &zero;
        tile.relu = p_.relu && i + 1 == blocks;
        kernels_.few_terms[terms - 1](tile, p_.out);
      }
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvProblem<S>& p_;
};

/// The gradient of a convolution by its weight: gw[o, term] = sum over positions of g(o, position) times what the term
/// sees, with vectors along the positions, whose lanes are added up at the end. Stretches are cut into slices that
/// depend on the shape alone, and whose sums are added in order.
template <class S>
class ConvWeightOfFewTerms {
 public:
  ConvWeightOfFewTerms(const ConvSource<S>& source, const S* g, Index groups, Index out)
      : s_(source),
        g_(g),
        groups_(groups),
        out_(out),
        channels_(source.channels / groups),
        terms_(channels_ * source.taps()),
        strips_(divide_up(out, kernels_.product_rows)),
        blocks_(divide_up(terms_, kernels_.product_terms)),
        stretches_(source.images, source.area()) {
    const double flops = 2.0 * static_cast<double>(s_.positions()) * static_cast<double>(groups * out * terms_);
    slices_ = std::clamp<Index>(static_cast<Index>(flops / 2e6), 1, std::min<Index>(16, stretches_.count()));
    threads_ = gemm_threads(flops);
  }
  ConvWeightOfFewTerms(const ConvWeightOfFewTerms&) = delete;
  ConvWeightOfFewTerms& operator=(const ConvWeightOfFewTerms&) = delete;

  static bool pays(const ConvSource<S>& s, Index groups, Index out) {
    const GemmKernels<S>& kernels = gemm_kernels<S>();
    const Index channels = s.channels / groups;
    return ConvLines<S>::pays(s, channels) && 2 * channels * s.taps() > kernels.product_terms &&
           out >= kernels.product_rows && s.area() >= 2 * kernels.lanes;
  }

  /// How many numbers run() works on.
  Index workspace() const { return slices_ * slice_size(); }

  /// gw [groups * out, channels, taps].
  void run(S* gw, S* sums) const {
    const ConvLines<S> lines(s_, channels_, stretches_.most());
    std::vector<Index> places(lines.places(), lines.places() + terms_);
    places.resize(static_cast<std::size_t>(blocks_ * kernels_.product_terms), places.back());
    parallel_for(slices_, divide_up(slices_, threads_), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) slice(lines, places, i, sums + i * slice_size());
    });
    conv_add_slices(sums, slice_size(), slices_);
    for (Index group = 0; group < groups_; ++group)
      for (Index o = 0; o < out_; ++o) {
        const Index strip = std::min(o / kernels_.product_rows, strips_ - 1);
        for (Index t = 0; t < terms_; ++t) {
          const S* const lanes =
              sums + group * group_size() + (strip * blocks_ + t / kernels_.product_terms) * tile_size() +
              ((o - first_row(strip)) * kernels_.product_terms + t % kernels_.product_terms) * kernels_.lanes;
          S sum{0};
          for (Index i = 0; i < kernels_.lanes; ++i) sum += lanes[i];
          *gw++ = sum;
        }
      }
  }

 private:
  Index tile_size() const { return kernels_.product_rows * kernels_.product_terms * kernels_.lanes; }
  Index group_size() const { return strips_ * blocks_ * tile_size(); }
  Index slice_size() const { return groups_ * group_size(); }
  /// The last strip overlaps the one before.
  Index first_row(Index strip) const { return std::min(strip * kernels_.product_rows, out_ - kernels_.product_rows); }

  /// Adds up a slice of the positions in sums [groups, strips, blocks, rows, terms, lanes].
  [[gnu::noinline]] void slice(const ConvLines<S>& lines, const std::vector<Index>& places, Index slice,
                               S* sums) const {
    const Index lanes = kernels_.lanes, rows = kernels_.product_rows, area = s_.area(),
                padded = static_cast<Index>(places.size());
    S* const scratch = GemmScratch::get<S>(0, lines.size() + (padded + rows) * lanes);
    S *const ends = scratch + lines.size(), *const ends_g = ends + padded * lanes;
    std::vector<Index> ends_places(places.size());
    for (Index t = 0; t < padded; ++t) ends_places[static_cast<std::size_t>(t)] = t * lanes;
    std::fill_n(sums, slice_size(), S{0});
    const Index first = stretches_.count() * slice / slices_, end = stretches_.count() * (slice + 1) / slices_;
    for (Index i = first; i < end; ++i) {
      const ConvStretch stretch = stretches_[i];
      const Index count = stretch.end - stretch.begin, whole = count / lanes, rest = count % lanes;
      std::fill_n(ends, (padded + rows) * lanes, S{0});
      for (Index group = 0; group < groups_; ++group) {
        const S* const from = lines.read(stretch, group * channels_, scratch);
        for (Index t = 0; t < padded && rest; ++t)
          std::copy_n(from + places[static_cast<std::size_t>(t)] + whole * lanes, rest, ends + t * lanes);
        for (Index strip = 0; strip < strips_; ++strip) {
          const S* const g = g_ + ((stretch.image * groups_ + group) * out_ + first_row(strip)) * area + stretch.begin;
          for (Index o = 0; o < rows && rest; ++o) std::copy_n(g + o * area + whole * lanes, rest, ends_g + o * lanes);
          for (Index block = 0; block < blocks_; ++block) {
            S* const to = sums + group * group_size() + (strip * blocks_ + block) * tile_size();
            const Index* const block_places = places.data() + block * kernels_.product_terms;
            kernels_.line_products(whole, g, area, from, block_places, to);
            if (rest)
              kernels_.line_products(1, ends_g, lanes, ends, ends_places.data() + block * kernels_.product_terms, to);
          }
        }
      }
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvSource<S>& s_;
  const S* g_;
  Index groups_, out_, channels_, terms_, strips_, blocks_;
  ConvStretches stretches_;
  Index slices_ = 1, threads_ = 1;
};

}  // namespace pushforward::detail
