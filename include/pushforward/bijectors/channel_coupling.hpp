// ChannelCoupling: some channels of an image stay, and tell a network how to move the others.
#pragma once

#include <pushforward/bijectors/channel_coupling_kernels.hpp>
#include <pushforward/bijectors/squeeze.hpp>

namespace pushforward {

/// How a ChannelCoupling works.
struct ChannelCouplingOptions {
  Keep keep = Keep::first_half;                ///< which channels stay
  ChannelScale scale = ChannelScale::sigmoid;  ///< what multiplies the others
  double max_log_scale = 1.0;                  ///< bound of |log s| for ChannelScale::exponential
};

/// A coupling of channels of images [n, c, h, w]. From data to noise (`inverse`)
///
///     x_moved = (y_moved + t(y_kept)) s(y_kept),    log det = sum log s,
///
/// as Glow computes it (Kingma and Dhariwal 2018, table 1), and back in `forward`. `net` maps the kept channels [n, k,
/// h, w] to [n, 2 m, h, w] for the m moved ones: what makes the scales s, then the shifts t; to [n, m, h, w], shifts
/// alone, with ChannelScale::none. It sees numbers clamped to 1e6. With a network that gives zeros at first the
/// coupling starts almost as the identity.
///
/// Throws ValueError for fewer than two channels or a bound that is not positive, ShapeError for other images or a
/// network that does not fit.
template <class Net>
class ChannelCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  ChannelCoupling(Net net, Index channels, ChannelCouplingOptions options = {})
      : net_(std::move(net)), options_(options), columns_(checked_columns(channels, options)) {}

  const Net& net() const { return net_; }
  const ChannelCouplingOptions& options() const { return options_; }

  WithLogDet<S> forward(const Tensor<S>& x) const { return moved<false>(x); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return moved<true>(y); }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  static detail::CouplingColumns checked_columns(Index channels, const ChannelCouplingOptions& options) {
    if (channels < 2)
      fail<ValueError>("ChannelCoupling: got ", channels,
                       " channels, expected at least 2, one to keep and one to move; squeeze the images first");
    if (!(options.max_log_scale > 0))
      fail<ValueError>("ChannelCoupling: max_log_scale is ", options.max_log_scale, ", expected a positive number");
    return detail::coupling_columns(channels, options.keep);
  }

  // The kept channels are the same on both sides, so both directions can compute the network.
  template <bool Inverse>
  WithLogDet<S> moved(const Tensor<S>& x) const {
    detail::check_channels("ChannelCoupling", x.shape(), columns_.kept.width);
    const detail::Columns& m = columns_.moved;
    const Tensor<S> raw = net_(detail::channel_conditioner_input(x, columns_.kept));
    const Index outputs = options_.scale == ChannelScale::none ? m.count : 2 * m.count;
    if (!(raw.shape() == x.shape().with(1, outputs)))
      fail<ShapeError>("ChannelCoupling: the network gave shape ", raw.shape(), " for images ", x.shape(),
                       ", expected ", x.shape().with(1, outputs));
    switch (options_.scale) {
      case ChannelScale::none:
        break;
      case ChannelScale::sigmoid:
        return scaled<Inverse, ChannelScale::sigmoid>(x, raw);
      case ChannelScale::exponential:
        return scaled<Inverse, ChannelScale::exponential>(x, raw);
    }
    const Tensor<S> shift = detail::place_range(raw, x.shape(), {1, m.start, m.count, m.step});
    return {Inverse ? x + shift : x - shift, Tensor<S>::zeros({x.size(0)})};
  }
  template <bool Inverse, ChannelScale Kind>
  WithLogDet<S> scaled(const Tensor<S>& x, const Tensor<S>& raw) const {
    return detail::channel_coupling<Inverse>(x, raw, columns_.moved, detail::ScaleOf<Kind, S>(options_.max_log_scale));
  }

  Net net_;
  ChannelCouplingOptions options_;
  detail::CouplingColumns columns_;
};

}  // namespace pushforward
