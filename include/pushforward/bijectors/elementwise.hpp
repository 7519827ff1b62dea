// ExpBijector, SoftplusBijector, SigmoidBijector, LogitBijector, TanhBijector: fixed maps of every number on its own.
#pragma once

#include <limits>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

template <class S, class Value, class LogSlope>
WithLogDet<S> map_numbers(const char* name, const Tensor<S>& x, const Value& value, const LogSlope& log_slope) {
  log_det_shape(name, x.shape());
  return {value(x), sum(log_slope(x), -1)};
}

// The largest number below 1: what rounds to 1 counts as it.
template <class S>
inline constexpr double below_one = 1 - static_cast<double>(std::numeric_limits<S>::epsilon()) / 2;

// The same for a map that is defined between `low` and `high` only: a number at an end counts as the nearest one
// inside, since rounding puts numbers there; beyond an end nothing can come from, and the log-determinant is -inf.
template <class S, class Value, class LogSlope>
WithLogDet<S> map_numbers_within(const char* name, const Tensor<S>& y, double low, double high, const Value& value,
                                 const LogSlope& log_slope) {
  log_det_shape(name, y.shape());
  constexpr double least = static_cast<double>(std::numeric_limits<S>::min());
  const double first = low == 0 ? least : low * below_one<S>, last = high == 1 ? below_one<S> : high;
  const Tensor<S> at = clamp(y, first, last);
  const Tensor<S> possible = (y >= static_cast<S>(low)) * (y <= static_cast<S>(high));
  return {value(at), sum(where(possible, log_slope(at), -std::numeric_limits<S>::infinity()), -1)};
}

inline constexpr double log_two = 0.69314718055994530942;

// log(1 - e^-y) for y > 0.
template <class S>
Tensor<S> log_one_minus_exp_minus(const Tensor<S>& y) {
  return log(-expm1(-y));
}

}  // namespace detail

/// y = e^x: numbers to positive numbers; log det = sum of x.
///
/// As for every map of this file, the inverse takes an end of its range for the nearest number inside, and gives the
/// log-determinant -inf, so the density 0, beyond it. No finite input gives NaN.
struct ExpBijector {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::map_numbers(
        "ExpBijector", x, [](const Tensor<S>& at) { return exp(at); }, [](const Tensor<S>& at) { return at; });
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::map_numbers_within(
        "ExpBijector", y, 0, static_cast<double>(std::numeric_limits<S>::max()),
        [](const Tensor<S>& at) { return log(at); }, [](const Tensor<S>& at) { return -log(at); });
  }
};

/// y = log(1 + e^x): numbers to positive numbers, close to x where x is large; log det = sum of log sigmoid(x).
struct SoftplusBijector {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::map_numbers(
        "SoftplusBijector", x, [](const Tensor<S>& at) { return softplus(at); },
        [](const Tensor<S>& at) { return -softplus(-at); });
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::map_numbers_within(
        "SoftplusBijector", y, 0, static_cast<double>(std::numeric_limits<S>::max()),
        [](const Tensor<S>& at) { return at + detail::log_one_minus_exp_minus(at); },
        [](const Tensor<S>& at) { return -detail::log_one_minus_exp_minus(at); });
  }
};

/// y = 1 / (1 + e^-x): numbers to (0, 1); log det = sum of log y (1 - y), from x, so that it is exact where y rounds
/// to 0 or 1.
struct SigmoidBijector {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::map_numbers(
        "SigmoidBijector", x, [](const Tensor<S>& at) { return sigmoid(at); },
        [](const Tensor<S>& at) { return -softplus(at) - softplus(-at); });
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::map_numbers_within(
        "SigmoidBijector", y, 0, 1, [](const Tensor<S>& at) { return log(at) - log1p(-at); },
        [](const Tensor<S>& at) { return -log(at) - log1p(-at); });
  }
};

/// y = log(x / (1 - x)): (0, 1) to numbers, the inverse of SigmoidBijector.
struct LogitBijector {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return SigmoidBijector{}.inverse(x);
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return SigmoidBijector{}.forward(y);
  }
};

/// y = tanh(x): numbers to (-1, 1); log det = sum of log(1 - y^2) = 2 (log 2 - x - softplus(-2 x)), exact where y
/// rounds to 1.
struct TanhBijector {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::map_numbers(
        "TanhBijector", x, [](const Tensor<S>& at) { return tanh(at); },
        [](const Tensor<S>& at) { return 2 * (detail::log_two - at - softplus(-2 * at)); });
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::map_numbers_within(
        "TanhBijector", y, -1, 1, [](const Tensor<S>& at) { return 0.5 * (log1p(at) - log1p(-at)); },
        [](const Tensor<S>& at) { return -log1p(at) - log1p(-at); });
  }
};

}  // namespace pushforward
