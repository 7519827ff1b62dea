// Maps between logits and normal scores of probabilities, without the probabilities, which would round to 0 and 1.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward::detail {

struct NormalScore {
  double value, slope;
};

// z = Phi^-1(sigmoid(y)) and dz/dy, for any finite y: Halley steps on log Phi from below 1/2, in logarithms.
inline NormalScore normal_score(double y) {
  constexpr double sqrt_half = 0.70710678118654752440, sqrt_half_pi = 1.25331413731550025121;
  constexpr double log_two_pi = 1.83787706640934548356, log_half = -0.69314718055994530942;
  const double size = std::min(std::abs(y), 1e300), log_p = -size - std::log1p(std::exp(-size));
  double z = (0.02 * size - 0.6267) * size;
  if (size > 3) {  // Phi(z) = phi(z) / |z| to first order
    const double rest = -2 * log_p - log_two_pi;
    z = -std::sqrt(rest - std::log(rest));
  }
  double mills = 1;  // Phi / phi
  for (int step = 0; step < 3; ++step) {
    const double scaled = math::erfcx(-z * sqrt_half);
    mills = sqrt_half_pi * scaled;
    if (step == 2) break;
    const double miss = std::log(scaled) + log_half - 0.5 * z * z - log_p;
    z -= miss * mills / (1 + 0.5 * miss * (1 + z * mills));
  }
  return {std::copysign(z, y), mills / (1 + std::exp(-size))};
}

// y = log Phi(z) / Phi(-z): the inverse.
inline double logit_of_score(double z) { return math::log_ndtr(z) - math::log_ndtr(-z); }

template <class S>
S to_finite(double x) {
  constexpr double most = static_cast<double>(std::numeric_limits<S>::max());
  return static_cast<S>(std::min(std::max(x, -most), most));
}

template <class S>
Tensor<S> score_of_logit(const Tensor<S>& y);
template <class S>
Tensor<S> log_score_slope(const Tensor<S>& y);
template <class S>
Tensor<S> logit_of_score(const Tensor<S>& z);

// d/dy log dz/dy = z dz/dy - tanh(y / 2).
template <class S>
Tensor<S> log_score_curvature(const Tensor<S>& y) {
  return score_of_logit(y) * exp(log_score_slope(y)) - tanh(0.5 * y);
}

struct ScoreOfLogit : OfInput {
  template <class S>
  S value(S y) const {
    return static_cast<S>(normal_score(static_cast<double>(y)).value);
  }
  template <class S>
  S slope(S y) const {
    return static_cast<S>(normal_score(static_cast<double>(y)).slope);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return exp(log_score_slope(y)) * log_score_curvature(y);
  }
};
struct LogScoreSlope : OfInput {
  template <class S>
  S value(S y) const {
    return static_cast<S>(std::log(normal_score(static_cast<double>(y)).slope));
  }
  template <class S>
  S slope(S y) const {
    const NormalScore z = normal_score(static_cast<double>(y));
    return static_cast<S>(z.value * z.slope - std::tanh(0.5 * static_cast<double>(y)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    const Tensor<S> s = exp(log_score_slope(y)), c = log_score_curvature(y), t = tanh(0.5 * y);
    return square(s) + score_of_logit(y) * s * c - 0.5 * (1 - square(t));
  }
};
struct LogitOfScore : OfInput {
  template <class S>
  S value(S z) const {
    return to_finite<S>(detail::logit_of_score(static_cast<double>(z)));
  }
  template <class S>
  S slope(S z) const {
    return to_finite<S>(1 / normal_score(static_cast<double>(value(z))).slope);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& z) const {
    const Tensor<S> y = logit_of_score(z);
    return -log_score_curvature(y) * exp(-2 * log_score_slope(y));
  }
};

/// The normal scores z = Phi^-1(sigmoid(y)) of logits y, for all finite y.
template <class S>
Tensor<S> score_of_logit(const Tensor<S>& y) {
  return apply_function("score_of_logit", ScoreOfLogit{}, y);
}
/// log dz/dy of the same.
template <class S>
Tensor<S> log_score_slope(const Tensor<S>& y) {
  return apply_function("log_score_slope", LogScoreSlope{}, y);
}
/// The logits of normal scores.
template <class S>
Tensor<S> logit_of_score(const Tensor<S>& z) {
  return apply_function("logit_of_score", LogitOfScore{}, z);
}

/// Normal scores and log dz/dy at once, [.., 2].
template <class S>
Tensor<S> scores_with_slopes(const Tensor<S>& y) {
  auto value = [](const Tensor<S>& at) {
    Tensor<S> both = Access::allocate<S>(at.shape().inserted(at.rank(), 2));
    parallel_for(at.size(), 256, [from = at.data(), to = Access::data(both)](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const NormalScore z = normal_score(static_cast<double>(from[i]));
        to[2 * i] = static_cast<S>(z.value);
        to[2 * i + 1] = static_cast<S>(std::log(z.slope));
      }
    });
    return both;
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& both, const Tensor<S>& at) {
    Tensor<S> gy = Access::allocate<S>(at.shape());
    for (Index i = 0; i < at.size(); ++i) {
      const S slope = math::exp(both.data()[2 * i + 1]);
      const S curvature = both.data()[2 * i] * slope - math::tanh(S(0.5) * at.data()[i]);
      Access::data(gy)[i] = g.data()[2 * i] * slope + g.data()[2 * i + 1] * curvature;
    }
    return std::array<Tensor<S>, 1>{gy};
  };
  auto reference = [](const Tensor<S>& at) { return stack({score_of_logit(at), log_score_slope(at)}, -1); };
  return fused(value, rule, reference, y);
}

}  // namespace pushforward::detail
