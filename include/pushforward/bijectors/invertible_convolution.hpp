// InvertibleConvolution: the channels of every pixel mixed by one trained matrix.
#pragma once

#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/bijectors/squeeze.hpp>
#include <pushforward/ops/convolution.hpp>

namespace pushforward {

namespace detail {

// matrix x + bias for the channels x of every pixel of images [n, c, h, w].
template <class S>
Tensor<S> mix_channels(const Tensor<S>& x, const Tensor<S>& matrix, const Tensor<S>& bias) {
  return conv2d(x, reshape(matrix, Shape{matrix.size(0), matrix.size(1), 1, 1}), bias);
}

}  // namespace detail

/// y[n, :, i, j] = W x[n, :, i, j] with W = P L (U + diag(s)), log det = h w sum log |s| (Glow, Kingma and Dhariwal
/// 2018, eq. 9 to 11): a 1 x 1 convolution.
///
/// `weight` is the same map of a single pixel, which see; W starts as a random rotation. x [n, c, h, w]. Throws
/// ValueError for fewer than one channel, ShapeError.
template <class S = float>
struct InvertibleConvolution {
  using Scalar = S;
  LuLinear<S> weight;

  InvertibleConvolution() = default;
  InvertibleConvolution(Index channels, Rng& rng) : weight(channels, rng) {}

  Index channels() const { return weight.sign.size(); }
  /// W [c, c].
  Tensor<S> matrix() const { return weight.matrix(); }
  /// W^-1 [c, c].
  Tensor<S> inverse_matrix() const { return transpose(weight.inverse(Tensor<S>::eye(channels())).value); }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_channels("InvertibleConvolution", x.shape(), channels());
    return {detail::mix_channels(x, matrix(), Tensor<S>()),
            detail::log_det_of_pixels(sum(weight.log_scale.tensor()), x.shape())};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_channels("InvertibleConvolution", y.shape(), channels());
    return {detail::mix_channels(y, inverse_matrix(), Tensor<S>()),
            detail::log_det_of_pixels(-sum(weight.log_scale.tensor()), y.shape())};
  }

  static void members(auto& self, auto&& visit) { visit("weight", self.weight); }
};

}  // namespace pushforward
