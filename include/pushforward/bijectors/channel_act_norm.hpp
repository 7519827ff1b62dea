// ChannelActNorm: shift and scale of each channel of images.
#pragma once

#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/squeeze.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// y[n, c, i, j] = x[n, c, i, j] exp(log_scale[c]) + shift[c], log det = h w sum of log_scale, started from data so
/// that its inverse gives each channel mean 0 and variance 1 (Kingma and Dhariwal 2018, sec. 3.1).
///
/// As in ActNorm, `initialize(y)` sets it from images y [n, c, h, w] that `forward` is to produce; the first call
/// counts, later ones do nothing, and without it the layer starts as the identity. Throws ValueError for fewer than one
/// channel, ValueError for no data, a NaN or infinity (and changes nothing then), ShapeError.
template <class S = float>
struct ChannelActNorm {
  using Scalar = S;
  Parameter<S> shift, log_scale;  ///< [c]
  Buffer<S> initialized;          ///< 0 or 1, saved with the weights

  ChannelActNorm() = default;
  explicit ChannelActNorm(Index channels)
      : shift(Tensor<S>::zeros({at_least_one(channels)})),
        log_scale(Tensor<S>::zeros({channels})),
        initialized(Tensor<S>::zeros({1})) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_channels("ChannelActNorm", x.shape(), shift.size());
    return {x * of_channels(exp(log_scale.tensor())) + of_channels(shift.tensor()),
            detail::log_det_of_pixels(sum(log_scale.tensor()), x.shape())};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_channels("ChannelActNorm", y.shape(), shift.size());
    return {(y - of_channels(shift.tensor())) * of_channels(exp(-log_scale.tensor())),
            detail::log_det_of_pixels(-sum(log_scale.tensor()), y.shape())};
  }

  void initialize(const Tensor<S>& y) {
    if (initialized.item() != S(0)) return;
    detail::check_channels("ChannelActNorm", y.shape(), shift.size());
    detail::check_initial_data("ChannelActNorm", y);
    const detail::ChannelMoments<S> start(y, shift.size(), y.size(2) * y.size(3));
    shift = start.mean;
    log_scale = start.log_std;
    initialized = Tensor<S>::ones({1});
  }

  static void members(auto& self, auto&& visit) {
    visit("shift", self.shift);
    visit("log_scale", self.log_scale);
    visit("initialized", self.initialized);
  }

 private:
  static Index at_least_one(Index channels) {
    if (channels < 1) fail<ValueError>("ChannelActNorm: got ", channels, " channels, expected at least 1");
    return channels;
  }
  static Tensor<S> of_channels(const Tensor<S>& each) { return reshape(each, Shape{each.size(), 1, 1}); }
};

}  // namespace pushforward
