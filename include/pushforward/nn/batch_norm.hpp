// Batch normalization: channels normalized over the batch while training, by running statistics afterwards.
#pragma once

#include <pushforward/nn/channel_norm_kernels.hpp>
#include <pushforward/nn/module.hpp>

namespace pushforward {

namespace detail {

/// The statistics of a batch, one number a channel.
template <class S>
struct BatchStatistics {
  Tensor<S> mean, variance;  // divided by count - 1
};

template <class S>
Tensor<S> batch_norm_values(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, double eps,
                            BatchStatistics<S>* statistics) {
  check_channel_norm("batch_norm", x, weight, bias, eps);
  const ChannelSizes sizes(x.shape(), 0);
  if (sizes.count() < 2)
    fail<ShapeError>("batch_norm: got ", sizes.count(), " numbers a channel in ", x.shape(),
                     ", expected at least 2: one has no variance; use evaluate(model) or a larger batch");
  std::vector<double> variance;
  const ChannelNorm<S> norm(sizes, eps);
  const Tensor<S> y = norm.values(x, weight, bias, variance);
  if (statistics) {
    const double unbiased = static_cast<double>(sizes.count()) / static_cast<double>(sizes.count() - 1);
    statistics->mean = norm.mean;
    statistics->variance = Tensor<S>::generate(Shape{sizes.channels}, [&](Index i) {
      return static_cast<S>(variance[static_cast<std::size_t>(i)] * unbiased);
    });
  }
  return record_fused("batch_norm", norm, y, x, weight, bias);
}

}  // namespace detail

/// Normalization of each channel by its mean and variance over the batch and all positions: y = (x - mean) /
/// sqrt(variance + eps) * weight + bias (Ioffe and Szegedy 2015, algorithm 1).
///
/// x [n, channels, ..], weight and bias [channels], or both empty: none. The variance is that of the numbers (divided
/// by their count). Throws ShapeError if the shapes do not fit or there are fewer than two numbers a channel.
template <class S>
Tensor<S> batch_norm(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, double eps = 1e-5) {
  return detail::batch_norm_values<S>(x, weight, bias, eps, nullptr);
}

/// How a BatchNorm is built.
struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< share of a new batch in the running statistics
  bool affine = true;     ///< a weight (from 1) and a bias (from 0) per channel
};

/// Batch normalization (Ioffe and Szegedy 2015): x [n, channels, ..] -> the same, for vectors, series and images.
///
/// While training it is `batch_norm`, and each call moves the running statistics, running = (1 - momentum) running +
/// momentum batch (the variance divided by count - 1, as in PyTorch, whose names they have): a layer whose call
/// changes it, so call one from one thread at a time. In evaluation they take the place of the batch's, and rows do not
/// depend on each other. Throws ShapeError for another number of channels.
template <class S = float>
struct BatchNorm {
  Parameter<S> weight, bias;
  mutable Buffer<S> running_mean, running_var;
  mutable Buffer<Index> num_batches_tracked;  // calls in training, one number
  BatchNormOptions options;
  Mode mode;

  BatchNorm() = default;
  explicit BatchNorm(Index channels, const BatchNormOptions& how = {}) : options(how) {
    if (!(how.momentum >= 0 && how.momentum <= 1))
      fail<ValueError>("BatchNorm: .momentum is ", how.momentum, ", expected a share between 0 and 1");
    running_mean = Tensor<S>::zeros(Shape{channels});
    running_var = Tensor<S>::ones(Shape{channels});
    num_batches_tracked = Tensor<Index>::scalar(0);
    if (!how.affine) return;
    weight = Tensor<S>::ones(Shape{channels});
    bias = Tensor<S>::zeros(Shape{channels});
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (x.rank() < 2 || x.size(1) != running_mean.size())
      fail<ShapeError>("BatchNorm: got input ", x.shape(), ", expected [n, ", running_mean.size(), ", ..]");
    if (!mode.training) return by_running_statistics(x);
    detail::BatchStatistics<S> batch;
    const Tensor<S> y = detail::batch_norm_values<S>(x, weight, bias, options.eps, &batch);
    const NoGradient guard;
    running_mean = (1 - options.momentum) * running_mean.tensor() + options.momentum * batch.mean;
    running_var = (1 - options.momentum) * running_var.tensor() + options.momentum * batch.variance;
    num_batches_tracked = Tensor<Index>::scalar(num_batches_tracked.item() + 1);
    return y;
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
    visit("running_mean", self.running_mean);
    visit("running_var", self.running_var);
    visit("num_batches_tracked", self.num_batches_tracked);
    visit("mode", self.mode);
  }

 private:
  Tensor<S> by_running_statistics(const Tensor<S>& x) const {
    Shape channels{running_mean.size()};
    for (int i = 2; i < x.rank(); ++i) channels = channels.inserted(channels.rank(), 1);
    const Tensor<S> inverse = rsqrt(running_var.tensor() + options.eps);
    const Tensor<S> scale = weight.empty() ? inverse : inverse * weight.tensor();
    const Tensor<S> centered = (x - reshape(running_mean.tensor(), channels)) * reshape(scale, channels);
    return bias.empty() ? centered : centered + reshape(bias.tensor(), channels);
  }
};

}  // namespace pushforward
