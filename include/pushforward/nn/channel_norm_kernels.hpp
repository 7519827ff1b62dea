// The loops of normalization by channels, for statistics over the batch or over groups of channels.
#pragma once

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
  Index count() const { return groups ? channels / groups * run : n * run; }  // numbers in a group
  // Calls f(run, its group, its channel) for all of them.
  template <class F>
  void for_each_run(const F& f) const {
    const Index blocks = groups ? groups : channels, length = channels ? channels / blocks : 0;
    std::size_t r = 0;
    for (Index row = 0; row < n; ++row)
      for (Index block = 0; block < blocks; ++block)
        for (Index i = 0; i < length; ++i)
          f(r++, static_cast<std::size_t>(groups ? row * groups + block : block),
            static_cast<std::size_t>(block * length + i));
  }
};

// body(begin, end) over ranges of runs, compiled for the instruction set.
template <class Body>
void for_channel_runs(const ChannelSizes& sizes, const Body& body) {
  parallel_for(sizes.runs(), std::max(Index{1}, elementwise_grain / std::max(Index{1}, sizes.run)),
               [&](Index begin, Index end) { vectorized([=] { body(begin, end); }); });
}

// Mean and squared deviations from it per group, from those of the runs (Chan et al. 1979, eq. 2.1).
template <class S>
struct GroupStatistics {
  std::vector<S> mean, inverse_std;
  std::vector<double> variance;

  GroupStatistics(const ChannelSizes& sizes, const S* x, double eps)
      : mean(static_cast<std::size_t>(sizes.all_groups())), inverse_std(mean.size()), variance(mean.size()) {
    const auto runs = static_cast<std::size_t>(sizes.runs());
    std::vector<S> means(runs), squares(runs);
    of_runs(sizes, x, means.data(), squares.data());
    std::vector<double> totals(mean.size());
    const auto length = static_cast<double>(sizes.run), count = static_cast<double>(sizes.count());
    sizes.for_each_run([&](std::size_t r, std::size_t group, std::size_t) {
      totals[group] += static_cast<double>(means[r]) * length;
    });
    for (double& total : totals) total /= count;
    sizes.for_each_run([&](std::size_t r, std::size_t group, std::size_t) {
      const double off = static_cast<double>(means[r]) - totals[group];
      variance[group] += static_cast<double>(squares[r]) + length * off * off;
    });
    for (std::size_t i = 0; i < mean.size(); ++i) {
      variance[i] /= count;
      mean[i] = static_cast<S>(totals[i]);
      inverse_std[i] = static_cast<S>(1 / std::sqrt(variance[i] + eps));
    }
  }

 private:
  static void of_runs(const ChannelSizes& sizes, const S* x, S* means, S* squares) {
    if (sizes.run == 1) {
      std::copy_n(x, sizes.runs(), means);
      std::fill_n(squares, sizes.runs(), S(0));
      return;
    }
    for_channel_runs(sizes, [=, n = sizes.run](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const S* __restrict in = x + r * n;
        const S average = sum_of<S>(n, [=](Index i) { return in[i]; }) / static_cast<S>(n);
        means[r] = average;
        squares[r] = sum_of<S>(n, [=](Index i) { return (in[i] - average) * (in[i] - average); });
      }
    });
  }
};

// y = (x - mean) * scale + shift with numbers of each run.
template <class S>
void shift_runs(const ChannelSizes& sizes, const S* x, const S* mean, const S* scale, const S* shift, S* y) {
  for_channel_runs(sizes, [=, n = sizes.run](Index begin, Index end) {
    if (n == 1) {
      PUSHFORWARD_SIMD
      for (Index r = begin; r < end; ++r) y[r] = (x[r] - mean[r]) * scale[r] + shift[r];
      return;
    }
    for (Index r = begin; r < end; ++r) {
      const S* __restrict in = x + r * n;
      S* __restrict out = y + r * n;
      const S center = mean[r], factor = scale[r], offset = shift[r];
      for (Index i = 0; i < n; ++i) out[i] = (in[i] - center) * factor + offset;
    }
  });
}

// (x - mean) / std * weight + bias, the statistics being those of each group.
template <class S>
struct ChannelNorm {
  ChannelSizes sizes;
  double eps;
  std::vector<S> mean, inverse_std;  // of each run

  ChannelNorm(const ChannelSizes& shape, const S* x, double epsilon, std::vector<double>* variance = nullptr,
              std::vector<S>* group_mean = nullptr)
      : sizes(shape), eps(epsilon), mean(static_cast<std::size_t>(shape.runs())), inverse_std(mean.size()) {
    GroupStatistics<S> of_groups(sizes, x, eps);
    sizes.for_each_run([&](std::size_t r, std::size_t group, std::size_t) {
      mean[r] = of_groups.mean[group];
      inverse_std[r] = of_groups.inverse_std[group];
    });
    if (variance) *variance = std::move(of_groups.variance);
    if (group_mean) *group_mean = std::move(of_groups.mean);
  }

  Tensor<S> values(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) const {
    std::vector<S> scale = inverse_std, shift(mean.size());
    if (!weight.empty())
      sizes.for_each_run([&, w = weight.data(), b = bias.data()](std::size_t r, std::size_t, std::size_t channel) {
        scale[r] *= w[channel];
        shift[r] = b[channel];
      });
    Tensor<S> y = Access::allocate<S>(x.shape());
    shift_runs(sizes, x.data(), mean.data(), scale.data(), shift.data(), Access::data(y));
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
    const auto runs = static_cast<std::size_t>(sizes.runs());
    std::vector<S> sums(runs), along(runs);  // of g, and of g times the normalized x
    sum_runs(g.data(), x.data(), sums.data(), along.data());
    std::vector<double> group_sum(static_cast<std::size_t>(sizes.all_groups())), group_along(group_sum.size());
    std::vector<double> weight_sum(static_cast<std::size_t>(sizes.channels)), bias_sum(weight_sum.size());
    sizes.for_each_run([&, w = data_or_null(weight)](std::size_t r, std::size_t group, std::size_t channel) {
      const double factor = w ? static_cast<double>(w[channel]) : 1;
      group_sum[group] += factor * static_cast<double>(sums[r]);
      group_along[group] += factor * static_cast<double>(along[r]);
      weight_sum[channel] += static_cast<double>(along[r]);
      bias_sum[channel] += static_cast<double>(sums[r]);
    });
    const auto of_channels = [&](const std::vector<double>& total, const Tensor<S>& like) {
      return Tensor<S>::generate(like.shape(),
                                 [&](Index i) { return static_cast<S>(total[static_cast<std::size_t>(i)]); });
    };
    return {input_adjoint(g, x, weight, group_sum, group_along), of_channels(weight_sum, weight),
            of_channels(bias_sum, bias)};
  }

 private:
  void sum_runs(const S* g, const S* x, S* sums, S* along) const {
    const S *const means = mean.data(), *const inverses = inverse_std.data();
    for_channel_runs(sizes, [=, n = sizes.run](Index begin, Index end) {
      if (n == 1) {
        PUSHFORWARD_SIMD
        for (Index r = begin; r < end; ++r) {
          sums[r] = g[r];
          along[r] = inverses[r] * g[r] * (x[r] - means[r]);
        }
        return;
      }
      for (Index r = begin; r < end; ++r) {
        const S* __restrict in = x + r * n, * __restrict from = g + r * n;
        const S center = means[r];
        sums[r] = sum_of<S>(n, [=](Index i) { return from[i]; });
        along[r] = inverses[r] * sum_of<S>(n, [=](Index i) { return from[i] * (in[i] - center); });
      }
    });
  }
  // (w g - mean(w g) - h mean(w g h)) / std with means over the group.
  Tensor<S> input_adjoint(const Tensor<S>& g, const Tensor<S>& x, const Tensor<S>& weight,
                          const std::vector<double>& group_sum, const std::vector<double>& group_along) const {
    std::vector<S> slope = inverse_std, center(mean.size()), tilt(mean.size());
    const double share = 1 / static_cast<double>(sizes.count());
    sizes.for_each_run([&, w = data_or_null(weight)](std::size_t r, std::size_t group, std::size_t channel) {
      const S inverse = inverse_std[r];
      if (w) slope[r] *= w[channel];
      center[r] = inverse * static_cast<S>(group_sum[group] * share);
      tilt[r] = inverse * inverse * static_cast<S>(group_along[group] * share);
    });
    Tensor<S> d = Access::allocate<S>(x.shape());
    for_channel_runs(sizes, [n = sizes.run, out = Access::data(d), from = g.data(), in = x.data(), s = slope.data(),
                             c = center.data(), t = tilt.data(), m = mean.data()](Index begin, Index end) {
      if (n == 1) {
        PUSHFORWARD_SIMD
        for (Index r = begin; r < end; ++r) out[r] = from[r] * s[r] - c[r] - (in[r] - m[r]) * t[r];
        return;
      }
      for (Index r = begin; r < end; ++r) {
        const S factor = s[r], offset = c[r], along = t[r], middle = m[r];
        PUSHFORWARD_SIMD
        for (Index i = r * n; i < r * n + n; ++i) out[i] = from[i] * factor - offset - (in[i] - middle) * along;
      }
    });
    return d;
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
