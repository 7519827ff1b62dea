// Images [n, channels, height, width]: pooling, resizing, and channels traded for space.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <pushforward/ops/image_size.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

namespace detail {

template <class S>
void check_images(const char* name, const Tensor<S>& x) {
  if (x.rank() != 4) fail<ShapeError>(name, ": input of shape ", x.shape(), ", expected [n, channels, height, width]");
}

// The sides of images are counted in 32 bits.
inline void check_side(const char* name, Index length) {
  if (length > std::numeric_limits<std::int32_t>::max())
    fail<ShapeError>(name, ": images with a side of ", length, " pixels, expected fewer than 2^31");
}

// A source and its weight.
using AxisTerm = std::pair<Index, double>;

// One axis of a separable linear map: element i of the result is the sum over t of weight[t, i] x[source[t, i]].
// Elements with fewer terms than others have weights of zero.
template <class S>
struct AxisMap {
  Index in = 0, out = 0, terms = 0;
  std::vector<std::int32_t> source;  // [terms, out]
  std::vector<S> weight;

  // From lists of (source, weight), one for each element of the result.
  AxisMap(Index length, const std::vector<std::vector<AxisTerm>>& lists)
      : in(length), out(static_cast<Index>(lists.size())) {
    for (const auto& list : lists) terms = std::max(terms, static_cast<Index>(list.size()));
    source.assign(static_cast<std::size_t>(terms * out), 0);
    weight.assign(source.size(), 0);
    for (Index i = 0; i < out; ++i) {
      const auto& list = lists[static_cast<std::size_t>(i)];
      for (Index t = 0; t < terms && !list.empty(); ++t) {
        const bool real = t < static_cast<Index>(list.size());
        const AxisTerm& term = list[static_cast<std::size_t>(real ? t : 0)];
        source[static_cast<std::size_t>(t * out + i)] = static_cast<std::int32_t>(term.first);
        weight[static_cast<std::size_t>(t * out + i)] = real ? static_cast<S>(term.second) : S(0);
      }
    }
  }

  std::vector<std::vector<AxisTerm>> transposed() const {
    std::vector<std::vector<AxisTerm>> lists(static_cast<std::size_t>(in));
    for (Index i = 0; i < out; ++i)
      for (Index t = 0; t < terms; ++t) {
        const auto at = static_cast<std::size_t>(t * out + i);
        if (weight[at] != 0)
          lists[static_cast<std::size_t>(source[at])].push_back({i, static_cast<double>(weight[at])});
      }
    return lists;
  }
};

template <class S>
struct PlaneMap {
  AxisMap<S> y, x;
  PlaneMap transposed() const { return {AxisMap<S>(y.out, y.transposed()), AxisMap<S>(x.out, x.transposed())}; }
};

// to[i] = sum over t of weight[t, i] from[source[t, i]].
template <class S>
void map_columns(const AxisMap<S>& map, const S* from, S* to) {
  vectorized_unless_double<S>([n = map.out, terms = map.terms, s = map.source.data(), w = map.weight.data(), from, to] {
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) to[i] = from[s[i]] * w[i];
    for (Index t = 1; t < terms; ++t) {
      PUSHFORWARD_SIMD
      for (Index i = 0; i < n; ++i) to[i] += from[s[t * n + i]] * w[t * n + i];
    }
  });
}

// Row i of the result of the vertical map.
template <class S>
void map_row(const AxisMap<S>& map, Index i, const S* plane, Index n, S* to) {
  vectorized_unless_double<S>(
      [out = map.out, terms = map.terms, s = map.source.data() + i, w = map.weight.data() + i, plane, n, to] {
        for (Index t = 0; t < terms; ++t) {
          const S weight = w[t * out];
          const S* const from = plane + s[t * out] * n;
          PUSHFORWARD_SIMD
          for (Index j = 0; j < n; ++j) to[j] = t == 0 ? from[j] * weight : to[j] + from[j] * weight;
        }
      });
}

template <class S>
Tensor<S> map_planes_values(const Tensor<S>& x, const PlaneMap<S>& map) {
  Tensor<S> y = Access::allocate<S>({x.size(0), x.size(1), map.y.out, map.x.out});
  if (y.empty()) return y;
  if (x.empty() || map.y.terms == 0 || map.x.terms == 0) return Tensor<S>::zeros(y.shape());
  const Index in = map.y.in * map.x.in, out = map.y.out * map.x.out, columns = map.x.in;
  const auto same_row = [&m = map.y](Index i) {  // as the row before
    for (Index t = 0; t < m.terms; ++t) {
      const auto at = static_cast<std::size_t>(t * m.out + i);
      if (m.source[at] != m.source[at - 1] || m.weight[at] != m.weight[at - 1]) return false;
    }
    return true;
  };
  S* const to = Access::data(y);
  parallel_for(x.size(0) * x.size(1), std::max<Index>(1, elementwise_grain / (in + out)), [&](Index begin, Index end) {
    const Tensor<S> row = Access::allocate<S>({columns});
    for (Index p = begin; p < end; ++p)
      for (Index i = 0; i < map.y.out; ++i) {
        S* const line = to + p * out + i * map.x.out;
        if (i > 0 && same_row(i)) {
          std::copy_n(line - map.x.out, map.x.out, line);
          continue;
        }
        map_row(map.y, i, x.data() + p * in, columns, const_cast<S*>(row.data()));
        map_columns(map.x, row.data(), line);
      }
  });
  return y;
}

// A separable linear map of each plane; its gradient is the transposed map.
template <class S>
Tensor<S> map_planes(const char* name, const Tensor<S>& x, const std::shared_ptr<const PlaneMap<S>>& map) {
  return record(name, map_planes_values(x, *map), edge(x, [name, map](const Tensor<S>& g) {
                  return map_planes(name, g, std::make_shared<const PlaneMap<S>>(map->transposed()));
                }));
}

}  // namespace detail

/// The windows of a pooling.
struct Pool2dOptions {
  Size2 size = 2;
  Size2 stride = 0;   ///< 0: the size, so that windows lie side by side
  Size2 padding = 0;  ///< on either side, at most half the size
};

namespace detail {

// The windows of one axis: element i of the result covers [i stride - padding, + size).
struct PoolAxis {
  Index in, size, stride, padding, out;

  PoolAxis(const char* name, Index length, Index window, Index step, Index pad)
      : in(length), size(window), stride(step == 0 ? window : step), padding(pad) {
    check_side(name, length);
    if (size < 1 || stride < 1 || padding < 0 || padding > size / 2)
      fail<ValueError>(name, ": got windows of ", size, " with stride ", stride, " and padding ", padding,
                       ", expected at least 1, at least 1, and at most half the window");
    if (in < size - 2 * padding || in == 0)
      fail<ShapeError>(name, ": a window of ", size, " does not fit into ", in, " with a padding of ", padding,
                       "; take a smaller window");
    const Index room = in - (size - 2 * padding);
    stride = std::min(stride, room + 1);
    out = room / stride + 1;
  }
  Index begin(Index i) const { return std::max<Index>(0, i * stride - padding); }
  Index end(Index i) const { return std::min(in, i * stride - padding + size); }
};

// The largest element of every window, and its position in its plane: the first of equal ones, or the first NaN.
template <class S>
struct LargestOfWindows {
  Tensor<S> values;         // [planes, windows]
  Tensor<Index> positions;  // [planes, windows]
};

// Row `row` of the windows of a plane: tap by tap for all columns, so that the loops become vector code.
template <class S>
PUSHFORWARD_INLINE void largest_of_row(const PoolAxis& y, const PoolAxis& x, Index row, const S* plane, S* best,
                                       std::int32_t* at) {
  const Index top = y.begin(row);
  for (Index j = 0; j < x.out; ++j) {
    at[j] = static_cast<std::int32_t>(top * x.in + x.begin(j));
    best[j] = plane[at[j]];
  }
  for (Index v = top; v < y.end(row); ++v)
    // The taps that see the plane, and the columns whose tap u lies inside of it.
    for (Index u = std::max<Index>(0, x.padding - (x.out - 1) * x.stride); u < std::min(x.size, x.in + x.padding);
         ++u) {
      const Index reach = x.in - 1 + x.padding - u, base = v * x.in + u - x.padding;
      const Index first = u < x.padding ? (x.padding - u + x.stride - 1) / x.stride : 0;
      const Index last = reach < 0 ? 0 : std::min(x.out, reach / x.stride + 1);
      for (Index j = first; j < last; ++j) {
        const S here = plane[base + j * x.stride];
        const bool takes = here > best[j] || (here != here && best[j] == best[j]);
        best[j] = takes ? here : best[j];
        at[j] = takes ? static_cast<std::int32_t>(base + j * x.stride) : at[j];
      }
    }
}

template <class S>
LargestOfWindows<S> largest_of_windows(const Tensor<S>& x, const PoolAxis& y_axis, const PoolAxis& x_axis) {
  const Index planes = x.size(0) * x.size(1), out = y_axis.out * x_axis.out, pixels = y_axis.in * x_axis.in;
  LargestOfWindows<S> found{Access::allocate<S>({planes, out}), Access::allocate<Index>({planes, out})};
  if (pixels > std::numeric_limits<std::int32_t>::max())
    fail<ShapeError>("max_pool2d: got images of shape ", x.shape(), ", expected fewer than 2^31 pixels");
  parallel_for(planes, std::max<Index>(1, elementwise_grain / (pixels + 1)), [&](Index begin, Index end) {
    std::vector<std::int32_t> scratch(static_cast<std::size_t>(x_axis.out));
    vectorized([=, in = x.data(), values = Access::data(found.values), positions = Access::data(found.positions),
                at = scratch.data()] {
      for (Index p = begin; p < end; ++p)
        for (Index i = 0; i < y_axis.out; ++i) {
          const Index to = p * out + i * x_axis.out;
          largest_of_row(y_axis, x_axis, i, in + p * pixels, values + to, at);
          for (Index j = 0; j < x_axis.out; ++j) positions[to + j] = at[j];
        }
    });
  });
  return found;
}

template <class S>
AxisMap<S> average_map(const PoolAxis& axis) {
  std::vector<std::vector<AxisTerm>> lists(static_cast<std::size_t>(axis.out));
  for (Index i = 0; i < axis.out; ++i)
    for (Index k = axis.begin(i); k < axis.end(i); ++k) lists[static_cast<std::size_t>(i)].push_back({k, 1.0});
  return AxisMap<S>(axis.in, lists);
}

}  // namespace detail

/// The largest number of every window: x [n, c, h, w] -> [n, c, h', w'], h' = (h + 2 padding - size) / stride + 1,
/// rounded down. What is padded never wins. Gradients flow to the first of equal numbers. Throws ShapeError,
/// ValueError.
template <class S>
Tensor<S> max_pool2d(const Tensor<S>& x, const Pool2dOptions& o = {}) {
  detail::check_images("max_pool2d", x);
  const detail::PoolAxis y("max_pool2d", x.size(2), o.size.height, o.stride.height, o.padding.height),
      columns("max_pool2d", x.size(3), o.size.width, o.stride.width, o.padding.width);
  auto found = detail::largest_of_windows(x, y, columns);
  const Shape planes{x.size(0) * x.size(1), x.size(2) * x.size(3)};
  const Tensor<S> values = reshape(found.values, Shape{x.size(0), x.size(1), y.out, columns.out});
  return detail::record("max_pool2d", values,
                        detail::edge(x, [positions = found.positions, planes, shape = x.shape()](const Tensor<S>& g) {
                          const Tensor<S> rows = reshape(g, positions.shape());
                          return reshape(scatter_add(Tensor<S>::zeros(planes), 1, positions, rows), shape);
                        }));
}

/// The mean of every window, zeros of the padding included: shapes as max_pool2d. The mean of whole images is
/// `mean(x, {2, 3})`. Throws ShapeError, ValueError.
template <class S>
Tensor<S> average_pool2d(const Tensor<S>& x, const Pool2dOptions& o = {}) {
  detail::check_images("average_pool2d", x);
  const detail::PoolAxis y("average_pool2d", x.size(2), o.size.height, o.stride.height, o.padding.height),
      columns("average_pool2d", x.size(3), o.size.width, o.stride.width, o.padding.width);
  return detail::map_planes("average_pool2d", x,
                            std::make_shared<const detail::PlaneMap<S>>(
                                detail::PlaneMap<S>{detail::average_map<S>(y), detail::average_map<S>(columns)})) /
         (static_cast<double>(y.size) * static_cast<double>(columns.size));
}

/// How pixels between pixels are found.
enum class ResizeMode { nearest, bilinear };

namespace detail {

// Pixels are squares: the centers of n of them lie at (i + 1/2) / n.
template <class S>
AxisMap<S> resize_map(Index in, Index out, ResizeMode how) {
  std::vector<std::vector<AxisTerm>> lists(static_cast<std::size_t>(out));
  for (Index i = 0; i < out; ++i) {
    auto& list = lists[static_cast<std::size_t>(i)];
    if (how == ResizeMode::nearest) {
      list = {{i * in / out, 1.0}};
      continue;
    }
    const double at =
        std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
    const Index low = std::min(in - 1, static_cast<Index>(at)), high = std::min(in - 1, low + 1);
    const double share = at - static_cast<double>(low);
    list = {{low, 1 - share}, {high, share}};
    if (high == low) list = {{low, 1.0}};
  }
  return AxisMap<S>(in, lists);
}

}  // namespace detail

/// Images of another size: x [n, c, h, w] -> [n, c, size.height, size.width].
///
/// Pixels are squares that fill the image (PyTorch's align_corners = false). `nearest` takes pixel floor(i h / h'),
/// `bilinear` interpolates between centers, without smoothing before it shrinks. Throws ShapeError.
template <class S>
Tensor<S> resize(const Tensor<S>& x, Size2 size, ResizeMode how = ResizeMode::bilinear) {
  detail::check_images("resize", x);
  if (x.size(2) < 1 || x.size(3) < 1 || size.height < 1 || size.width < 1)
    fail<ShapeError>("resize: from shape ", x.shape(), " to ", size.height, " x ", size.width,
                     ", expected at least one pixel on both sides");
  for (const Index side : {x.size(2), x.size(3), size.height, size.width}) detail::check_side("resize", side);
  return detail::map_planes(
      "resize", x,
      std::make_shared<const detail::PlaneMap<S>>(detail::PlaneMap<S>{
          detail::resize_map<S>(x.size(2), size.height, how), detail::resize_map<S>(x.size(3), size.width, how)}));
}

namespace detail {

// length * factor; images without pixels or channels would let any factor pass.
inline Index times_factor(const char* name, Index length, Index factor) {
  Index product = 0;
  if (__builtin_mul_overflow(length, factor, &product))
    fail<ShapeError>(name, ": a factor of ", factor, " makes more of a side or of the channels than can be counted");
  return product;
}

}  // namespace detail

/// Channels become space: x [n, c r^2, h, w] -> [n, c, h r, w r], y[n, c, i r + a, j r + b] = x[n, (c r + a) r + b, i,
/// j] for r = `factor` (Shi et al. 2016, eq. 4). Throws ShapeError, ValueError.
template <class S>
Tensor<S> pixel_shuffle(const Tensor<S>& x, Index factor) {
  detail::check_images("pixel_shuffle", x);
  if (factor < 1) fail<ValueError>("pixel_shuffle: got a factor of ", factor, ", expected at least 1");
  const auto times = [](Index length, Index by) { return detail::times_factor("pixel_shuffle", length, by); };
  const Index square = times(factor, factor);
  if (x.size(1) % square != 0)
    fail<ShapeError>("pixel_shuffle: input of shape ", x.shape(), " has ", x.size(1),
                     " channels, expected a multiple of ", square, " for a factor of ", factor);
  const Index c = x.size(1) / square, h = x.size(2), w = x.size(3);
  return reshape(permute(reshape(x, Shape{x.size(0), c, factor, factor, h, w}), {0, 1, 4, 2, 5, 3}),
                 Shape{x.size(0), c, times(h, factor), times(w, factor)});
}

/// Space becomes channels: x [n, c, h r, w r] -> [n, c r^2, h, w], the inverse of pixel_shuffle (the squeeze of flows
/// on images). Throws ShapeError, ValueError.
template <class S>
Tensor<S> pixel_unshuffle(const Tensor<S>& x, Index factor) {
  detail::check_images("pixel_unshuffle", x);
  if (factor < 1) fail<ValueError>("pixel_unshuffle: got a factor of ", factor, ", expected at least 1");
  if (x.size(2) % factor != 0 || x.size(3) % factor != 0)
    fail<ShapeError>("pixel_unshuffle: input of shape ", x.shape(), ", expected a height and a width that ", factor,
                     " divides; pad the images");
  const auto times = [](Index length, Index by) { return detail::times_factor("pixel_unshuffle", length, by); };
  const Index c = x.size(1), h = x.size(2) / factor, w = x.size(3) / factor, channels = times(times(c, factor), factor);
  return reshape(permute(reshape(x, Shape{x.size(0), c, h, factor, w, factor}), {0, 1, 3, 5, 2, 4}),
                 Shape{x.size(0), channels, h, w});
}

}  // namespace pushforward
