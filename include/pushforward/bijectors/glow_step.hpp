// GlowStep: activation normalization, invertible convolution and coupling; the first two run as one convolution.
#pragma once

#include <pushforward/bijectors/channel_act_norm.hpp>
#include <pushforward/bijectors/channel_coupling.hpp>
#include <pushforward/bijectors/invertible_convolution.hpp>

namespace pushforward {

/// One step of Glow (Kingma and Dhariwal 2018, figure 2a): from data to noise (`inverse`) a ChannelActNorm, an
/// InvertibleConvolution, which mixes the channels, and a ChannelCoupling; `forward` goes back.
///
/// x [n, c, h, w]. The normalization and the convolution are one 1 x 1 convolution with matrix W diag(exp(-log_scale)).
/// Throws ShapeError.
template <class Net>
struct GlowStep {
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;
  ChannelActNorm<S> norm;
  InvertibleConvolution<S> mix;
  ChannelCoupling<Net> coupling;

  /// `net` as ChannelCoupling wants it.
  GlowStep(Net net, Index channels, Rng& rng, ChannelCouplingOptions options = {})
      : norm(channels), mix(channels, rng), coupling(std::move(net), channels, options) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    const WithLogDet<S> y = coupling.forward(x);
    const Tensor<S> scale = exp(norm.log_scale.tensor());
    const Tensor<S> z = detail::mix_channels(y.value, unsqueeze(scale, 1) * mix.inverse_matrix(), norm.shift.tensor());
    return {z, y.log_det + detail::log_det_of_pixels(log_volume(), x.shape())};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_channels("GlowStep", y.shape(), mix.channels());
    const Tensor<S> matrix = mix.matrix() * exp(-norm.log_scale.tensor());
    const Tensor<S> bias = -sum(matrix * norm.shift.tensor(), 1);
    const WithLogDet<S> x = coupling.inverse(detail::mix_channels(y, matrix, bias));
    return {x.value, x.log_det - detail::log_det_of_pixels(log_volume(), y.shape())};
  }
  void initialize(const Tensor<S>& y) { norm.initialize(y); }

  static void members(auto& self, auto&& visit) {
    visit("norm", self.norm);
    visit("mix", self.mix);
    visit("coupling", self.coupling);
  }

 private:
  // Of the linear part, for each pixel, from noise to data.
  Tensor<S> log_volume() const { return sum(norm.log_scale - mix.weight.log_scale); }
};

}  // namespace pushforward
