// PixelLogit: pixels of a bounded range spread over all numbers.
#pragma once

#include <limits>

#include <pushforward/bijectors/squeeze.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// Pixels x in [-1/2, 1/2] from unbounded numbers: y = logit(a + (1 - 2 a) (x + 1/2)) from data to noise (`inverse`), x
/// from y in `forward` (Dinh et al. 2017, sec. 4.1). It spreads the many pixels that are all black, or all white.
///
/// Any shape [n, ..] of images; log_det is one number each, [n]. Numbers beyond the range, to which nothing is mapped,
/// have the log-determinant -inf. Throws ValueError unless 0 < a < 1/2.
template <class S = float>
class PixelLogit {
 public:
  using Scalar = S;

  explicit PixelLogit(double margin = 1e-6) : margin_(margin) {
    if (!(margin > 0 && margin < 0.5))
      fail<ValueError>("PixelLogit: got a margin of ", margin, ", expected more than 0 and less than 1/2");
  }

  WithLogDet<S> forward(const Tensor<S>& y) const {
    const double inner = 1 - 2 * margin_;
    return {(0.5 / inner) * tanh(0.5 * y), total(-softplus(y) - softplus(-y) - std::log(inner))};
  }
  WithLogDet<S> inverse(const Tensor<S>& x) const {
    // 1/2 - x and x + 1/2 are exact where they are small; products of the margin are not.
    const double inner = 1 - 2 * margin_, least = static_cast<double>(std::numeric_limits<S>::min());
    const Tensor<S> low = log(maximum((x + 0.5) * inner + margin_, least));
    const Tensor<S> high = log(maximum((0.5 - x) * inner + margin_, least));
    const Tensor<S> log_slope =
        where(abs(x) < static_cast<S>(0.5 / inner), std::log(inner) - low - high, -std::numeric_limits<S>::infinity());
    return {low - high, total(log_slope)};
  }

  static void members(auto&, auto&&) {}

 private:
  static Tensor<S> total(const Tensor<S>& each) {
    if (each.rank() == 0) fail<ShapeError>("PixelLogit: got a scalar, expected images [n, ..]");
    return sum(reshape(each, Shape{each.size(0), each.shape().product(1, each.rank())}), 1);
  }

  double margin_;
};

}  // namespace pushforward
