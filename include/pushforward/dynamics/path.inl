// Bodies of path.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/dynamics/path.hpp>

namespace pushforward {

PUSHFORWARD_ONCE GaussianPath::GaussianPath(std::function<PathPoint(double)> at, double data_time, double noise_time)
    : at_(std::move(at)), data_time_(data_time), noise_time_(noise_time) {
  if (!at_) fail<ValueError>("GaussianPath: got no function, expected one from a time to a PathPoint");
  if (!std::isfinite(data_time) || !std::isfinite(noise_time) || data_time == noise_time)
    fail<ValueError>("GaussianPath: data at time ", data_time, " and noise at ", noise_time,
                     ", expected two different times");
}

PUSHFORWARD_ONCE GaussianPath variance_preserving(const VariancePreservingOptions& options) {
  const double low = options.beta_min, high = options.beta_max;
  if (!(low > 0 && low <= high && std::isfinite(high)))
    fail<ValueError>("variance_preserving: beta from ", low, " to ", high, ", expected 0 < beta_min <= beta_max");
  return {[=](double t) {
            const double beta = low + t * (high - low), log_alpha = -0.5 * t * (low + 0.5 * t * (high - low));
            const double alpha = std::exp(log_alpha), sigma = std::sqrt(-std::expm1(2 * log_alpha));
            return PathPoint{alpha, sigma, -0.5 * beta * alpha, 0.5 * beta * alpha * alpha / sigma};
          },
          0, 1};
}

PUSHFORWARD_ONCE GaussianPath cosine_path(const CosinePathOptions& options) {
  if (!(options.offset >= 0 && options.min_alpha > 0 && options.min_alpha < 1))
    fail<ValueError>("cosine_path: offset ", options.offset, " and min_alpha ", options.min_alpha,
                     ", expected offset >= 0 and 0 < min_alpha < 1");
  const double rate = 0.5 * std::numbers::pi / (1 + options.offset), first = rate * options.offset;
  const double scale = 1 / std::cos(first), end = (std::acos(options.min_alpha / scale) - first) / rate;
  return {[=](double t) {
            const double u = first + rate * t, alpha = scale * std::cos(u);
            // 1 - alpha^2 without cancellation.
            const double sigma = scale * std::sqrt(std::sin(rate * t) * std::sin(u + first));
            const double alpha_rate = -scale * rate * std::sin(u);
            return PathPoint{alpha, sigma, alpha_rate, -alpha * alpha_rate / sigma};
          },
          0, end};
}

PUSHFORWARD_ONCE GaussianPath variance_exploding(const VarianceExplodingOptions& options) {
  const double low = options.sigma_min, high = options.sigma_max;
  if (!(low > 0 && low < high && std::isfinite(high)))
    fail<ValueError>("variance_exploding: sigma from ", low, " to ", high, ", expected 0 < sigma_min < sigma_max");
  const double rate = std::log(high / low);
  return {[=](double t) {
            const double sigma = low * std::exp(rate * t);
            return PathPoint{1, sigma, 0, rate * sigma};
          },
          0, 1};
}

}  // namespace pushforward
