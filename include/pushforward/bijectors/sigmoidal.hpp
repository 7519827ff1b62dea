// SigmoidalTransform: what a small network of sigmoids with positive weights makes of a number.
#pragma once

#include <pushforward/bijectors/monotone_transform.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// What a sigmoidal transform looks like.
struct SigmoidalOptions {
  Index units = 8;  ///< sigmoids, at least 1; it has 3 units raw numbers
};

/// The deep sigmoidal flow with one hidden layer as a MonotoneTransform (Huang et al. 2018, eq. 8),
///
///     f(x) = sigmoid^-1(sum_j w_j sigmoid(a_j (x - m_j))),   w_j > 0, sum_j w_j = 1, a_j > 0:
///
/// sigmoid(f(x)) is the cdf of a mixture of logistic distributions with places m_j and scales 1 / a_j.
///
/// Raw numbers are `units` logits of w, `units` log a, cut off at 15, and `units` places, which have an even spread
/// over [-1, 1] added, so that raw = 0 is close to the identity and the units differ. Everything is computed from the
/// logarithms of both tails of the mixture, so no finite number gives NaN, or rounds to a slope of 0 or infinity.
/// Beyond 1e10 the slope is 1. The inverse is solved for. Throws ValueError for fewer than one unit.
class SigmoidalTransform {
 public:
  static constexpr const char* name = "SigmoidalTransform";
  static constexpr double most_log_slope = 15;  ///< of one unit

  explicit SigmoidalTransform(SigmoidalOptions options = {}) : units_(options.units) {
    if (units_ < 1) fail<ValueError>(name, ": .units is ", units_, ", expected at least 1");
  }

  Index numbers() const { return 3 * units_; }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const Units<S> units(*this, detail::raw_rows(name, x, raw, numbers()));
    return detail::with_tangents(x, detail::tangent_bound, [&](const Tensor<S>& at) { return curve(at, units); });
  }
  /// Where x with forward(x, raw) = y lies: between the places where one unit alone would give y.
  template <class S>
  std::array<Tensor<S>, 2> bracket(const Tensor<S>& y, const Tensor<S>& raw) const {
    const Units<S> units(*this, detail::raw_rows(name, y, raw, numbers()));
    const Tensor<S> alone = detail::keep_finite(units.places + unsqueeze(y, -1) * exp(-units.log_slopes));
    const Tensor<S> low = min(alone, {-1}), high = max(alone, {-1}), size = abs(y);
    // y that is reached beyond 1e10, where the slope is 1, is at least e^-15 1e10.
    const Tensor<S> reach = where(size > 1e3, size + detail::tangent_bound, S(0));
    return {detail::keep_finite(minimum(low - 1e-3 * (1 + abs(low)), -reach)),
            detail::keep_finite(maximum(high + 1e-3 * (1 + abs(high)), reach))};
  }
  /// The places that raw places of 0 stand for: [units].
  template <class S>
  Tensor<S> start() const {
    const auto last = static_cast<double>(units_ - 1);
    return Tensor<S>::generate(
        {units_}, [&](Index j) { return units_ == 1 ? S(0) : static_cast<S>(2 * static_cast<double>(j) / last - 1); });
  }

 private:
  template <class S>
  struct Units {
    Tensor<S> log_weights, log_slopes, places;  // [.., units]

    Units(const SigmoidalTransform& of, const Tensor<S>& rows) {
      const Index n = of.units_;
      log_weights = log_softmax(detail::bounded_numbers(rows, 0, n), -1);
      log_slopes = detail::bounded_numbers(rows, n, n, most_log_slope);
      places = detail::bounded_numbers(rows, 2 * n, n) + of.template start<S>();
    }
  };

  // With below_j = log w_j sigmoid(z_j) and above_j = log w_j sigmoid(-z_j), the slope is the sum of
  // a_j e^below_j e^above_j / w_j over the sums of e^below_j and of e^above_j. Each is divided before they are
  // multiplied: for large |z| the sums cancel what is large.
  template <class S>
  static WithLogSlope<S> curve(const Tensor<S>& x, const Units<S>& units) {
    const Tensor<S> z = (unsqueeze(x, -1) - units.places) * exp(units.log_slopes);
    const Tensor<S> below = units.log_weights - softplus(-z), above = units.log_weights - softplus(z);
    const Tensor<S> log_cdf = logsumexp(below, {-1}, true), log_tail = logsumexp(above, {-1}, true);
    const Tensor<S> parts = (below - log_cdf) + (above - log_tail) - units.log_weights + units.log_slopes;
    return {squeeze(log_cdf - log_tail, -1), logsumexp(parts, {-1})};
  }

  Index units_;
};

}  // namespace pushforward
