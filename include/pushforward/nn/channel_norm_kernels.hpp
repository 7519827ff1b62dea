// The loops of normalization by channels, for statistics over the batch or over groups of channels.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/nn/layer_norm.hpp>
#include <pushforward/ops/fused.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward::detail {

// x [n, channels, run], a run being the positions of one channel of one row. Runs share statistics by group: those of a
// channel in all rows (groups = 0), or those of neighbouring channels in one row.
struct ChannelSizes {
  Index n, channels, run, groups;

  ChannelSizes(const Shape& shape, Index group_count)
      : n(shape[0]), channels(shape[1]), run(shape.product(2, shape.rank())), groups(group_count) {}
  Index runs() const { return n * channels; }
  Index all_groups() const { return groups ? n * groups : channels; }
  Index pieces() const { return groups ? channels / groups : n; }  // runs in a group
  Index count() const { return pieces() * run; }                   // numbers in a group
  // Piece i of group k: which run it is, and of which channel.
  Index run_of(Index k, Index i) const { return groups ? k * pieces() + i : i * channels + k; }
  Index channel_of(Index k, Index i) const { return groups ? k % groups * pieces() + i : k; }
};

// What the forward loops read and write: y = (x - mean) inverse_std weight + bias. Weight and bias may be null.
template <class S>
struct ChannelForward {
  const S *x, *weight, *bias;
  S *y, *mean, *inverse_std;  // the last two, and the variance, one number a group
  double *variance, eps;

  // Keeps the statistics of group k.
  PUSHFORWARD_INLINE void keep(Index k, double average, double spread) const {
    mean[k] = static_cast<S>(average);
    variance[k] = spread;
    inverse_std[k] = static_cast<S>(1 / std::sqrt(spread + eps));
  }
};

// What the backward loops read and write: the adjoint dx, and per run, or per channel where runs are single numbers of
// a batch, the sums of g and of g times the normalized x.
template <class S>
struct ChannelBackward {
  const S *g, *x, *weight, *mean, *inverse_std;
  S *dx, *sums, *along;
  bool keeps_sums;
};

// a[0] becomes the sum of `lanes` numbers, pairwise.
template <int lanes, class S>
PUSHFORWARD_INLINE void fold_lanes(S* a) {
  if constexpr (lanes > 1) {
    for (int lane = 0; lane < lanes / 2; ++lane) a[lane] += a[lane + lanes / 2];
    fold_lanes<lanes / 2>(a);
  }
}

// sum f(i) over i < n: many lanes, few, then one by one. The order is fixed, and the lanes stay in registers because
// they are never indexed by a variable.
template <class S, class F>
PUSHFORWARD_INLINE S lane_sum(Index n, const F& f) {
  constexpr int many = 32, few = 8;
  S a[many] = {}, b[few] = {}, rest = 0;
  Index i = 0;
  for (; i + many <= n; i += many)
    for (int lane = 0; lane < many; ++lane) a[lane] += f(i + lane);
  for (; i + few <= n; i += few)
    for (int lane = 0; lane < few; ++lane) b[lane] += f(i + lane);
  for (; i < n; ++i) rest += f(i);
  fold_lanes<few>(b);
  if (n >= many) fold_lanes<many>(a);
  return (a[0] + b[0]) + rest;
}

// lane_sum of f and of h in one pass.
template <class S>
struct TwoSums {
  S first, second;
};
template <class S, class F, class H>
PUSHFORWARD_INLINE TwoSums<S> sums_of(Index n, const F& f, const H& h) {
  constexpr int many = 32, few = 8;
  S a[many] = {}, a_few[few] = {}, a_rest = 0, b[many] = {}, b_few[few] = {}, b_rest = 0;
  Index i = 0;
  for (; i + many <= n; i += many) {
    for (int lane = 0; lane < many; ++lane) a[lane] += f(i + lane);
    for (int lane = 0; lane < many; ++lane) b[lane] += h(i + lane);
  }
  for (; i + few <= n; i += few) {
    for (int lane = 0; lane < few; ++lane) a_few[lane] += f(i + lane);
    for (int lane = 0; lane < few; ++lane) b_few[lane] += h(i + lane);
  }
  for (; i < n; ++i) {
    a_rest += f(i);
    b_rest += h(i);
  }
  fold_lanes<few>(a_few);
  fold_lanes<few>(b_few);
  if (n >= many) {
    fold_lanes<many>(a);
    fold_lanes<many>(b);
  }
  return {(a[0] + a_few[0]) + a_rest, (b[0] + b_few[0]) + b_rest};
}

// Groups begin .. end of runs of several numbers. `scratch` holds two numbers for each piece.
template <class S>
PUSHFORWARD_INLINE void normalize_runs(const ChannelSizes& sizes, const ChannelForward<S>& to, Index begin, Index end,
                                       S* scratch) {
  const Index n = sizes.run, pieces = sizes.pieces();
  S *const means = scratch, *const squares = scratch + pieces;
  for (Index k = begin; k < end; ++k) {
    for (Index i = 0; i < pieces; ++i) {
      const S* const in = to.x + sizes.run_of(k, i) * n;
      const S average = lane_sum<S>(n, [=](Index j) { return in[j]; }) / static_cast<S>(n);
      means[i] = average;
      squares[i] = lane_sum<S>(n, [=](Index j) { return (in[j] - average) * (in[j] - average); });
    }
    // Of the group from those of its runs (Chan et al. 1979, eq. 2.1).
    double middle = 0, spread = 0;
    for (Index i = 0; i < pieces; ++i) middle += static_cast<double>(means[i]);
    middle /= static_cast<double>(pieces);
    for (Index i = 0; i < pieces; ++i) {
      const double off = static_cast<double>(means[i]) - middle;
      spread += static_cast<double>(squares[i]) + static_cast<double>(n) * off * off;
    }
    to.keep(k, middle, spread / static_cast<double>(sizes.count()));
    const S center = to.mean[k], inverse = to.inverse_std[k];
    for (Index i = 0; i < pieces; ++i) {
      const Index channel = sizes.channel_of(k, i), at = sizes.run_of(k, i) * n;
      const S factor = to.weight ? inverse * to.weight[channel] : inverse, offset = to.weight ? to.bias[channel] : S(0);
      const S* __restrict in = to.x + at;
      S* __restrict out = to.y + at;
      for (Index j = 0; j < n; ++j) out[j] = (in[j] - center) * factor + offset;
    }
  }
}

// Groups begin .. end of neighbouring numbers: of rows [n, channels].
template <class S>
PUSHFORWARD_INLINE void normalize_neighbours(const ChannelSizes& sizes, const ChannelForward<S>& to, Index begin,
                                             Index end) {
  const Index n = sizes.pieces();
  for (Index k = begin; k < end; ++k) {
    const S* __restrict in = to.x + k * n;
    S* __restrict out = to.y + k * n;
    const S center = lane_sum<S>(n, [=](Index i) { return in[i]; }) / static_cast<S>(n);
    const S squares = lane_sum<S>(n, [=](Index i) { return (in[i] - center) * (in[i] - center); });
    to.keep(k, static_cast<double>(center), static_cast<double>(squares) / static_cast<double>(n));
    const S inverse = to.inverse_std[k];
    if (to.weight) {
      const S *const w = to.weight + k % sizes.groups * n, *const b = to.bias + k % sizes.groups * n;
      for (Index i = 0; i < n; ++i) out[i] = (in[i] - center) * inverse * w[i] + b[i];
    } else {
      for (Index i = 0; i < n; ++i) out[i] = (in[i] - center) * inverse;
    }
  }
}

// Columns that are read together.
inline constexpr Index strip_width = 64;

// sums[j] of f(position, j) over the rows of columns first .. first + width of [n, columns]: blocks of rows in S, their
// sums in double.
template <class S, class F>
PUSHFORWARD_INLINE void strip_sums(Index n, Index columns, Index first, Index width, const F& f, double* sums) {
  constexpr Index rows = 64;
  std::fill_n(sums, width, 0.0);
  for (Index block = 0; block < n; block += rows) {
    S part[strip_width] = {};
    for (Index row = block; row < std::min(n, block + rows); ++row)
      for (Index j = 0; j < width; ++j) part[j] += f(row * columns + first + j, j);
    for (Index j = 0; j < width; ++j) sums[j] += static_cast<double>(part[j]);
  }
}

// Channels first .. first + width of a batch of rows [n, channels].
template <class S>
PUSHFORWARD_INLINE void normalize_columns(const ChannelSizes& sizes, const ChannelForward<S>& to, Index first,
                                          Index width) {
  const double share = 1 / static_cast<double>(sizes.n);
  const S* const x = to.x;
  double totals[strip_width];
  S center[strip_width], factor[strip_width], offset[strip_width];
  strip_sums<S>(
      sizes.n, sizes.channels, first, width, [=](Index at, Index) { return x[at]; }, totals);
  for (Index j = 0; j < width; ++j) {
    to.mean[first + j] = static_cast<S>(totals[j] * share);
    center[j] = to.mean[first + j];
  }
  strip_sums<S>(
      sizes.n, sizes.channels, first, width,
      [=, c = &center[0]](Index at, Index j) { return (x[at] - c[j]) * (x[at] - c[j]); }, totals);
  for (Index j = 0; j < width; ++j) {
    const Index k = first + j;
    to.keep(k, static_cast<double>(center[j]), totals[j] * share);
    factor[j] = to.weight ? to.inverse_std[k] * to.weight[k] : to.inverse_std[k];
    offset[j] = to.weight ? to.bias[k] : S(0);
  }
  for (Index row = 0; row < sizes.n; ++row) {
    const S* __restrict in = x + row * sizes.channels + first;
    S* __restrict out = to.y + row * sizes.channels + first;
    for (Index j = 0; j < width; ++j) out[j] = (in[j] - center[j]) * factor[j] + offset[j];
  }
}

// dx = (w g - mean(w g) - h mean(w g h)) / std, h the normalized x and the means over a group of runs.
template <class S>
PUSHFORWARD_INLINE void pull_back_runs(const ChannelSizes& sizes, const ChannelBackward<S>& to, Index begin,
                                       Index end) {
  const Index n = sizes.run, pieces = sizes.pieces();
  for (Index k = begin; k < end; ++k) {
    const S center = to.mean[k], inverse = to.inverse_std[k];
    double total = 0, total_along = 0;
    for (Index i = 0; i < pieces; ++i) {
      const Index r = sizes.run_of(k, i);
      const S *const in = to.x + r * n, *const from = to.g + r * n;
      const auto sums = sums_of<S>(
          n, [=](Index j) { return from[j]; }, [=](Index j) { return from[j] * (in[j] - center); });
      to.sums[r] = sums.first;
      to.along[r] = inverse * sums.second;
      const double w = to.weight ? static_cast<double>(to.weight[sizes.channel_of(k, i)]) : 1;
      total += w * static_cast<double>(to.sums[r]);
      total_along += w * static_cast<double>(to.along[r]);
    }
    const double share = 1 / static_cast<double>(sizes.count());
    const S shift = inverse * static_cast<S>(total * share);
    const S tilt = inverse * inverse * static_cast<S>(total_along * share);
    for (Index i = 0; i < pieces; ++i) {
      const Index at = sizes.run_of(k, i) * n;
      const S slope = to.weight ? inverse * to.weight[sizes.channel_of(k, i)] : inverse;
      const S* __restrict in = to.x + at, * __restrict from = to.g + at;
      S* __restrict out = to.dx + at;
      for (Index j = 0; j < n; ++j) out[j] = from[j] * slope - shift - (in[j] - center) * tilt;
    }
  }
}

// The same for groups of neighbouring numbers, of rows [n, channels].
template <class S>
PUSHFORWARD_INLINE void pull_back_neighbours(const ChannelSizes& sizes, const ChannelBackward<S>& to, Index begin,
                                             Index end) {
  const Index n = sizes.pieces();
  for (Index k = begin; k < end; ++k) {
    const S center = to.mean[k], inverse = to.inverse_std[k];
    const S* __restrict in = to.x + k * n, * __restrict from = to.g + k * n;
    const S* const w = to.weight ? to.weight + k % sizes.groups * n : nullptr;
    S* __restrict out = to.dx + k * n;
    for (Index i = 0; i < n; ++i) out[i] = w ? from[i] * w[i] : from[i];
    const auto sums = sums_of<S>(
        n, [=](Index i) { return out[i]; }, [=](Index i) { return out[i] * (in[i] - center); });
    const S shift = inverse * sums.first / static_cast<S>(n);
    const S tilt = inverse * inverse * inverse * sums.second / static_cast<S>(n);
    for (Index i = 0; i < n; ++i) out[i] = out[i] * inverse - shift - (in[i] - center) * tilt;
    if (!to.keeps_sums) continue;
    S* __restrict along = to.along + k * n;
    for (Index i = 0; i < n; ++i) along[i] = from[i] * ((in[i] - center) * inverse);
  }
}

// The same for channels first .. first + width of a batch of rows [n, channels]; sums and along are one number each.
template <class S>
PUSHFORWARD_INLINE void pull_back_columns(const ChannelSizes& sizes, const ChannelBackward<S>& to, Index first,
                                          Index width) {
  const double share = 1 / static_cast<double>(sizes.n);
  double totals[strip_width], along[strip_width];
  S center[strip_width], slope[strip_width], shift[strip_width], tilt[strip_width];
  std::copy_n(to.mean + first, width, center);
  strip_sums<S>(
      sizes.n, sizes.channels, first, width, [g = to.g](Index at, Index) { return g[at]; }, totals);
  strip_sums<S>(
      sizes.n, sizes.channels, first, width,
      [g = to.g, x = to.x, c = &center[0]](Index at, Index j) { return g[at] * (x[at] - c[j]); }, along);
  for (Index j = 0; j < width; ++j) {
    const S inverse = to.inverse_std[first + j];
    to.sums[first + j] = static_cast<S>(totals[j]);
    to.along[first + j] = inverse * static_cast<S>(along[j]);
    slope[j] = to.weight ? inverse * to.weight[first + j] : inverse;
    shift[j] = slope[j] * static_cast<S>(totals[j] * share);
    tilt[j] = slope[j] * inverse * inverse * static_cast<S>(along[j] * share);
  }
  for (Index row = 0; row < sizes.n; ++row) {
    const Index at = row * sizes.channels + first;
    const S* __restrict in = to.x + at, * __restrict from = to.g + at;
    S* __restrict out = to.dx + at;
    for (Index j = 0; j < width; ++j) out[j] = from[j] * slope[j] - shift[j] - (in[j] - center[j]) * tilt[j];
  }
}

// body(first, width) for strips of the columns of [n, columns], compiled for the instruction set.
template <class Body>
void for_strips(Index n, Index columns, const Body& body) {
  parallel_for(
      (columns + strip_width - 1) / strip_width,
      std::max(Index{1}, elementwise_grain / std::max(Index{1}, n * strip_width)), [&](Index begin, Index end) {
        vectorized([=] {
          for (Index first = begin * strip_width; first < std::min(columns, end * strip_width); first += strip_width)
            body(first, std::min(strip_width, columns - first));
        });
      });
}

// body(begin, end) over ranges of groups.
template <class Body>
void for_channel_groups(const ChannelSizes& sizes, const Body& body) {
  parallel_for(sizes.all_groups(), std::max(Index{1}, elementwise_grain / std::max(Index{1}, sizes.count())), body);
}

template <class S>
void normalize_channels(const ChannelSizes& sizes, const ChannelForward<S>& to) {
  if (sizes.run == 1 && !sizes.groups)
    return for_strips(sizes.n, sizes.channels,
                      [=](Index first, Index width) { normalize_columns(sizes, to, first, width); });
  for_channel_groups(sizes, [&](Index begin, Index end) {
    if (sizes.run == 1) return vectorized([=] { normalize_neighbours(sizes, to, begin, end); });
    std::vector<S> scratch(static_cast<std::size_t>(2 * sizes.pieces()));
    vectorized([=, numbers = scratch.data()] { normalize_runs(sizes, to, begin, end, numbers); });
  });
}

template <class S>
void pull_back_channels(const ChannelSizes& sizes, const ChannelBackward<S>& to) {
  if (sizes.run == 1 && !sizes.groups)
    return for_strips(sizes.n, sizes.channels,
                      [=](Index first, Index width) { pull_back_columns(sizes, to, first, width); });
  for_channel_groups(sizes, [&](Index begin, Index end) {
    vectorized([=] {
      if (sizes.run == 1)
        pull_back_neighbours(sizes, to, begin, end);
      else
        pull_back_runs(sizes, to, begin, end);
    });
  });
}

// (x - mean) / std * weight + bias, the statistics being those of each group.
template <class S>
struct ChannelNorm {
  ChannelSizes sizes;
  double eps;
  Tensor<S> mean, inverse_std;  // of each group

  ChannelNorm(const ChannelSizes& shape, double epsilon)
      : sizes(shape),
        eps(epsilon),
        mean(Access::allocate<S>(Shape{shape.all_groups()})),
        inverse_std(Access::allocate<S>(Shape{shape.all_groups()})) {}

  // Computes the statistics, too.
  Tensor<S> values(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                   std::vector<double>& variance) const {
    Tensor<S> y = Access::allocate<S>(x.shape());
    variance.resize(static_cast<std::size_t>(sizes.all_groups()));
    normalize_channels<S>(sizes, {x.data(), data_or_null(weight), data_or_null(bias), Access::data(y),
                                  Access::data(mean), Access::data(inverse_std), variance.data(), eps});
    return y;
  }

  Tensor<S> plain(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) const {
    const Tensor<S> grouped = sizes.groups ? reshape(x, Shape{sizes.n, sizes.groups, sizes.count()})
                                           : reshape(x, Shape{sizes.n, sizes.channels, sizes.run});
    const std::vector<int> axes = sizes.groups ? std::vector<int>{2} : std::vector<int>{0, 2};
    const Tensor<S> h = (grouped - pushforward::mean(grouped, axes, true)) * rsqrt(var(grouped, axes, true) + eps);
    if (weight.empty()) return reshape(h, x.shape());
    const Shape per_channel{sizes.channels, 1};
    const Tensor<S> runs = reshape(h, Shape{sizes.n, sizes.channels, sizes.run});
    return reshape(runs * reshape(weight, per_channel) + reshape(bias, per_channel), x.shape());
  }

  std::array<Tensor<S>, 3> pull_back(const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& x, const Tensor<S>& weight,
                                     const Tensor<S>& bias) const {
    const bool columns = sizes.run == 1 && !sizes.groups;
    const Index kept = columns ? sizes.channels : sizes.runs();
    Tensor<S> dx = Access::allocate<S>(x.shape());
    const Tensor<S> sums = Access::allocate<S>(Shape{kept}), along = Access::allocate<S>(Shape{kept});
    pull_back_channels<S>(sizes, {g.data(), x.data(), data_or_null(weight), mean.data(), inverse_std.data(),
                                  Access::data(dx), Access::data(sums), Access::data(along), !weight.empty()});
    if (weight.empty()) return {std::move(dx), Tensor<S>::zeros(weight.shape()), Tensor<S>::zeros(bias.shape())};
    if (columns) return {std::move(dx), along, sums};
    return {std::move(dx), of_channels(along), of_channels(sizes.run == 1 ? g : sums)};
  }

 private:
  // The sums over rows of numbers [n, channels].
  Tensor<S> of_channels(const Tensor<S>& numbers) const {
    Tensor<S> total = Access::allocate<S>(Shape{sizes.channels});
    for_strips(sizes.n, sizes.channels,
               [n = sizes.n, channels = sizes.channels, in = numbers.data(), out = Access::data(total)](Index first,
                                                                                                        Index width) {
                 double sums[strip_width];
                 strip_sums<S>(
                     n, channels, first, width, [=](Index at, Index) { return in[at]; }, sums);
                 for (Index j = 0; j < width; ++j) out[first + j] = static_cast<S>(sums[j]);
               });
    return total;
  }
};

template <class S>
void check_channel_norm(const char* name, const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                        double eps) {
  if (x.rank() < 2) fail<ShapeError>(name, ": got shape ", x.shape(), ", expected [n, channels, ..]");
  const Shape channels{x.size(1)};
  const bool affine = !weight.empty() || !bias.empty();
  if (affine && !(weight.shape() == channels && bias.shape() == channels))
    fail<ShapeError>(name, ": weight ", weight.shape(), " and bias ", bias.shape(), " for input ", x.shape(),
                     ", expected both ", channels, " or both empty");
  if (!(eps > 0)) fail<ValueError>(name, ": eps is ", eps, ", expected a positive number");
}

}  // namespace pushforward::detail
