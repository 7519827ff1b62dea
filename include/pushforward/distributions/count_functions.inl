// Bodies of count_functions.hpp.
#pragma once

#include <algorithm>

#include <pushforward/core/isa.hpp>
#include <pushforward/distributions/count_functions.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE double poisson_cdf(double x, double log_rate) {
  if (std::isnan(x) || x < 0) return std::isnan(x) ? x : 0.0;
  return std::isinf(x) ? 1.0 : math::gamma_q(std::floor(x) + 1, std::exp(log_rate));
}

PUSHFORWARD_ONCE double binomial_cdf(double x, double n, double logit) {
  if (std::isnan(x) || x < 0) return std::isnan(x) ? x : 0.0;
  if (x >= n) return 1.0;
  const double k = std::floor(x);
  return math::beta_p(n - k, k + 1, math::sigmoid(-logit), math::sigmoid(logit));
}

PUSHFORWARD_ONCE double negative_binomial_cdf(double x, double r, double logit) {
  if (std::isnan(x) || x < 0) return std::isnan(x) ? x : 0.0;
  return std::isinf(x) ? 1.0 : math::beta_p(r, std::floor(x) + 1, math::sigmoid(-logit), math::sigmoid(logit));
}

// The least k from 0 to `most` with cdf(k) >= p, looked for around the quantile of a normal of these moments.
template <class Cdf>
double least_count(const Cdf& cdf, double p, double mean, double deviation, double most) {
  if (!(p >= 0.0 && p <= 1.0)) return std::numeric_limits<double>::quiet_NaN();
  if (p == 1.0) return most;
  if (cdf(0.0) >= p) return 0.0;
  const double z = std::clamp(1.41421356237309504880 * math::erfinv(2.0 * p - 1.0), -40.0, 40.0);
  double step = 1.0 + 0.1 * deviation, below = 0.0;
  double above = std::clamp(std::floor(mean + z * deviation), 1.0, most);
  if (cdf(above) >= p) {
    for (double next = above - step; next > 0.0; next -= step *= 2.0) {
      const double at = std::floor(next);
      if (cdf(at) < p) {
        below = at;
        break;
      }
      above = at;
    }
  } else {
    do {
      below = above;
      above = std::min(std::floor(above + step), most);
      step *= 2.0;
    } while (above < most && cdf(above) < p);
  }
  while (above - below > 1.0) {
    const double middle = std::floor(below + 0.5 * (above - below));
    if (middle <= below || middle >= above) break;  // beyond 2^53 not every count is a double
    (cdf(middle) >= p ? above : below) = middle;
  }
  return above;
}

PUSHFORWARD_ONCE double poisson_quantile(double p, double log_rate) {
  const double rate = std::exp(log_rate);
  return least_count([=](double k) { return poisson_cdf(k, log_rate); }, p, rate, std::sqrt(rate),
                     std::numeric_limits<double>::infinity());
}
PUSHFORWARD_ONCE double binomial_quantile(double p, double n, double logit) {
  const double mean = n * math::sigmoid(logit);
  if (n == 0.0) return p >= 0.0 && p <= 1.0 ? 0.0 : std::numeric_limits<double>::quiet_NaN();
  return least_count([=](double k) { return binomial_cdf(k, n, logit); }, p, mean,
                     std::sqrt(mean * math::sigmoid(-logit)), n);
}
PUSHFORWARD_ONCE double negative_binomial_quantile(double p, double r, double logit) {
  const double mean = r * std::exp(logit);
  return least_count([=](double k) { return negative_binomial_cdf(k, r, logit); }, p, mean,
                     std::sqrt(mean * (1 + std::exp(logit))), std::numeric_limits<double>::infinity());
}

// What is left of a normal's entropy, log(2 pi e variance) / 2, for small squared skewness and excess kurtosis, and its
// derivative from theirs.
inline double negentropy(double skew, double excess) {
  return skew / 12 + (excess * excess + 7 * skew * skew) / 48 - skew * excess / 8;
}
inline double negentropy_slope(double skew, double excess, double skew_slope, double excess_slope) {
  return skew_slope / 12 + (excess * excess_slope + 7 * skew * skew_slope) / 24 -
         (skew_slope * excess + skew * excess_slope) / 8;
}
inline constexpr double small_skew = 1e-4;  // squared: its third power is lost

// Adds what count k, with this weight, contributes to an entropy. Scores are d log mass / d parameter.
inline void add_mass(CountEntropy& sum, double log_mass, double score, double score_by_failures, double weight = 1) {
  const double mass = weight * std::exp(log_mass);
  if (mass == 0) return;
  sum.value -= mass * log_mass;
  sum.by_logit -= mass * score * log_mass;
  sum.by_failures -= mass * score_by_failures * log_mass;
}

PUSHFORWARD_ONCE CountEntropy poisson_entropy(double log_rate) {
  const double rate = std::exp(log_rate), skew = std::exp(-log_rate);
  if (skew < small_skew)
    return {half_log_two_pi + 0.5 + 0.5 * log_rate - negentropy(skew, skew),
            0.5 - negentropy_slope(skew, skew, -skew, -skew)};
  CountEntropy sum{0};
  const double reach = 12 * std::sqrt(rate), last = rate + reach + 30;
  for (double k = std::max(0.0, std::floor(rate - reach)); k <= last; ++k)
    add_mass(sum, log_poisson_mass(k, log_rate), k - rate, 0);
  return sum;
}

PUSHFORWARD_ONCE CountEntropy binomial_entropy(double n, double logit) {
  if (logit > 0) {
    const CountEntropy mirrored = binomial_entropy(n, -logit);
    return {mirrored.value, -mirrored.by_logit};
  }
  const double p = math::sigmoid(logit), q = math::sigmoid(-logit), mean = n * p, variance = mean * q;
  if (variance > 1 / small_skew) {
    const double inverse = 1 / variance, skew = inverse - 4 / n, excess = inverse - 6 / n, slope = -inverse * (q - p);
    return {half_log_two_pi + 0.5 + 0.5 * std::log(variance) - negentropy(skew, excess),
            0.5 * (q - p) - negentropy_slope(skew, excess, slope, slope)};
  }
  CountEntropy sum{0};
  const double reach = 12 * std::sqrt(variance), last = std::min(n, mean + reach + 30);
  for (double k = std::max(0.0, std::floor(mean - reach)); k <= last; ++k)
    add_mass(sum, log_binomial_mass(k, n, logit), k - mean, 0);
  return sum;
}

// The counts above `first` by panels of Gauss and Legendre's 5-point rule that grow up to `widest`; where the masses
// are that smooth, their sum is an integral and a correction at the first end (Euler and Maclaurin).
template <class Add>
void add_panels(double first, double last, double widest, const Add& add) {
  constexpr double nodes[] = {0.0, 0.53846931010568309104, 0.90617984593866399280};
  constexpr double weights[] = {0.56888888888888888889, 0.47862867049936646804, 0.23692688505618908751};
  add(first, 1.0 / 24);
  add(first - 1, -1.0 / 24);
  for (double begin = first - 0.5, width = 50; begin < last; begin += width, width = std::min(1.2 * width, widest))
    for (int i = -2; i <= 2; ++i) {
      const double node = i < 0 ? -nodes[-i] : nodes[i];
      add(begin + 0.5 * width * (1 + node), 0.5 * width * weights[std::abs(i)]);
    }
}

PUSHFORWARD_ONCE CountEntropy negative_binomial_entropy(double r, double logit) {
  const double p = math::sigmoid(logit), q = math::sigmoid(-logit), log_q = -math::softplus(logit);
  const double fat = q * q / (p * r), skew = (1 + p) * (1 + p) / (p * r), excess = 6 / r + fat;
  if (skew < small_skew) {
    const double skew_slope = skew * (2 * p * q / (1 + p) - q), excess_slope = -fat * (q + 2 * p);
    const double log_variance = std::log(r) - math::softplus(-logit) - 2 * log_q;
    return {half_log_two_pi + 0.5 + 0.5 * log_variance - negentropy(skew, excess),
            0.5 * (1 + p) - negentropy_slope(skew, excess, skew_slope, excess_slope),
            (0.5 + negentropy_slope(skew, excess, skew, excess)) / r};
  }
  const double scale = 1 / math::softplus(-logit), mean = r * std::exp(logit), spread = std::sqrt(mean / q);
  const double first = std::max(0.0, std::floor(mean - 12 * spread)), last = mean + 12 * spread + 45 * scale + 30;
  constexpr double longest = 3000;
  const double digamma_r = math::digamma(r);
  CountEntropy sum{0};
  auto add = [&](double k, double weight) {
    const double log_mass = k == 0 ? r * log_q : log_negative_binomial_inside(k, r, logit);
    add_mass(sum, log_mass, q * k - r * p, math::digamma(r + k) - digamma_r + log_q, weight);
  };
  for (double k = first; k <= std::min(last, first + longest); ++k) add(k, 1);
  if (last > first + longest)
    add_panels(std::floor(first + longest) + 1, last, 0.5 * std::min(std::max(spread, 100.0), scale), add);
  return sum;
}

}  // namespace pushforward::detail
