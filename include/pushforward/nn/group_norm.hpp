// Group and instance normalization: channels normalized within each row.
#pragma once

#include <pushforward/nn/channel_norm_kernels.hpp>
#include <pushforward/nn/module.hpp>

namespace pushforward {

/// Normalization of each row's groups of neighbouring channels by their mean and variance over channels and positions:
/// y = (x - mean) / sqrt(variance + eps) * weight + bias (Wu and He 2018, eq. 1-7).
///
/// x [n, channels, ..], weight and bias [channels], or both empty: none. Throws ShapeError if the shapes do not fit or
/// the groups do not divide the channels.
template <class S>
Tensor<S> group_norm(const Tensor<S>& x, Index groups, const Tensor<S>& weight, const Tensor<S>& bias,
                     double eps = 1e-5) {
  detail::check_channel_norm("group_norm", x, weight, bias, eps);
  if (groups < 1 || x.size(1) % groups != 0)
    fail<ShapeError>("group_norm: got ", x.size(1), " channels for ", groups,
                     " groups, expected a multiple of the number of groups");
  if (x.empty()) return x;
  const detail::ChannelNorm<S> norm(detail::ChannelSizes(x.shape(), groups), eps);
  std::vector<double> variance;
  return detail::record_fused("group_norm", norm, norm.values(x, weight, bias, variance), x, weight, bias);
}

/// How a GroupNorm or InstanceNorm is built.
struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< a weight (from 1) and a bias (from 0) per channel
};

/// Group normalization (Wu and He 2018): x [n, channels, ..] -> the same. The same while training and in evaluation.
///
/// Throws ShapeError if the groups do not divide the channels, or for an input with another number of channels.
template <class S = float>
struct GroupNorm {
  Parameter<S> weight, bias;
  Index groups = 1, channels = 0;
  double eps = 1e-5;

  GroupNorm() = default;
  GroupNorm(Index group_count, Index channel_count, const GroupNormOptions& options = {})
      : groups(group_count), channels(channel_count), eps(options.eps) {
    if (groups < 1 || channels < 0 || channels % groups != 0)
      fail<ShapeError>("GroupNorm: got ", channels, " channels for ", groups,
                       " groups, expected a multiple of the number of groups");
    if (!options.affine) return;
    weight = Tensor<S>::ones(Shape{channels});
    bias = Tensor<S>::zeros(Shape{channels});
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (x.rank() < 2 || x.size(1) != channels)
      fail<ShapeError>("GroupNorm: got input ", x.shape(), ", expected [n, ", channels, ", ..]");
    return group_norm<S>(x, groups, weight, bias, eps);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

/// Instance normalization (Ulyanov et al. 2016): each channel of each row by itself; group normalization with as many
/// groups as channels.
template <class S = float>
struct InstanceNorm : GroupNorm<S> {
  InstanceNorm() = default;
  explicit InstanceNorm(Index channel_count, const GroupNormOptions& options = {})
      : GroupNorm<S>(std::max(Index{1}, channel_count), channel_count, options) {}
};

}  // namespace pushforward
