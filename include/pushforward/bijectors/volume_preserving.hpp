// VolumePreservingCoupling: an affine coupling whose scales multiply to one.
#pragma once

#include <pushforward/bijectors/coupling.hpp>

namespace pushforward {

/// y_moved = x_moved exp(s(x_kept)) + t(x_kept) with scales that sum to zero, so that volume is preserved: log det = 0
/// (general incompressible flow, GIN, Sorrenson et al. 2020, sec. 3.2).
///
/// Where the paper makes the last s minus the sum of the others, here the mean is taken off all of them:
/// s = r' - mean(r') with r' = bound tanh(r / bound), which treats the numbers alike. `net` maps [.., kept] to
/// [.., 2 moved], raw r, then t, and sees numbers clamped to 1e6. With one number to move it is an AdditiveCoupling.
/// Throws ShapeError if the network's output does not fit.
template <class Net>
class VolumePreservingCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  VolumePreservingCoupling(Net net, Index features, CouplingOptions options = {})
      : net_(std::move(net)),
        columns_(detail::coupling_columns(features, options.keep)),
        scale_(options.max_log_scale) {
    if (!(options.max_log_scale > 0))
      fail<ValueError>("VolumePreservingCoupling: max_log_scale is ", options.max_log_scale,
                       ", expected a positive number");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    const auto [s, t] = scale_and_shift(x);
    return with_moved(x, columns_.moved.of(x) * exp(s) + t);
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    const auto [s, t] = scale_and_shift(y);
    return with_moved(y, (columns_.moved.of(y) - t) * exp(-s));
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  struct ScaleAndShift {
    Tensor<S> s, t;  // [.., moved]
  };
  ScaleAndShift scale_and_shift(const Tensor<S>& x) const {
    detail::check_features("VolumePreservingCoupling", x.shape(), columns_.kept.width);
    const Tensor<S> raw = net_(detail::conditioner_input(x, columns_.kept));
    detail::check_conditioner("VolumePreservingCoupling", raw, x, 2 * columns_.moved.count);
    const auto [r, t] = split<2>(raw);
    const Tensor<S> bounded = scale_.bound * tanh(r * scale_.slope);
    return {bounded - mean(bounded, -1, true), t};
  }
  WithLogDet<S> with_moved(const Tensor<S>& x, const Tensor<S>& moved) const {
    return {columns_.kept.place(columns_.kept.of(x)) + columns_.moved.place(moved),
            Tensor<S>::zeros(x.shape().without(-1))};
  }

  Net net_;
  detail::CouplingColumns columns_;
  detail::BoundedScale<S> scale_;
};

}  // namespace pushforward
