// Masses and draws of counts, in double: Poisson, binomial and negative binomial are built on them.
#pragma once

#include <cmath>
#include <limits>

#include <pushforward/core/special_functions.hpp>
#include <pushforward/distributions/event.hpp>

namespace pushforward::detail {

inline constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

inline bool is_count(double x) { return x >= 0 && x == std::floor(x) && x <= std::numeric_limits<double>::max(); }

// log n! - log(sqrt(2 pi n) (n / e)^n), the error of Stirling's formula, for n > 0.
inline double stirling_error(double n) {
  if (n < 16) return math::lgamma(n + 1) - (n + 0.5) * std::log(n) + n - half_log_two_pi;
  const double z = 1 / (n * n);
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - z / 1188) * z) * z) * z) / n;
}

// x log(x / m) + m - x without cancellation for x near m (Loader, Fast and accurate computation of binomial
// probabilities, 2000).
inline double deviance(double x, double m) {
  if (std::abs(x - m) >= 0.1 * (x + m)) return x * std::log(x / m) + m - x;
  const double v = (x - m) / (x + m);
  double sum = (x - m) * v, power = 2 * x * v;
  for (int k = 3; k < 60; k += 2) {
    power *= v * v;
    const double next = sum + power / k;
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

// log(e^-rate rate^x / x!).
inline double log_poisson_mass(double x, double log_rate) {
  if (!is_count(x)) return minus_infinity;
  const double rate = std::exp(log_rate);
  if (x == 0) return -rate;
  if (rate == 0) return x * log_rate - math::lgamma(x + 1);
  return -stirling_error(x) - deviance(x, rate) - half_log_two_pi - 0.5 * std::log(x);
}

// log(n! / (x! (n - x)!) p^x (1 - p)^(n - x)) at p = sigmoid(logit), for any real 0 < x < n.
inline double log_binomial_inside(double x, double n, double logit) {
  const double rest = n - x;
  if (std::abs(logit) > 30)
    return math::lgamma(n + 1) - math::lgamma(x + 1) - math::lgamma(rest + 1) + x * logit - n * math::softplus(logit);
  return stirling_error(n) - stirling_error(x) - stirling_error(rest) - deviance(x, n * math::sigmoid(logit)) -
         deviance(rest, n * math::sigmoid(-logit)) - half_log_two_pi + 0.5 * std::log(n / (x * rest));
}
inline double log_binomial_mass(double x, double n, double logit) {
  if (!is_count(x) || x > n) return minus_infinity;
  if (x == 0) return -n * math::softplus(logit);
  if (x == n) return -n * math::softplus(-logit);
  return log_binomial_inside(x, n, logit);
}

// log(Gamma(r + x) / (x! Gamma(r)) (1 - p)^r p^x) at p = sigmoid(logit).
inline double log_negative_binomial_mass(double x, double r, double logit) {
  if (!is_count(x)) return minus_infinity;
  if (x == 0) return -r * math::softplus(logit);
  if (r < 1e-8 * x)  // Gamma(r + x) / Gamma(r) = r Gamma(x) (1 + r (psi(x) + 0.577..) + ..)
    return std::log(r / x) + r * (math::digamma(x) + 0.57721566490153286061) + x * -math::softplus(-logit) -
           r * math::softplus(logit);
  return log_binomial_inside(x, r + x, logit) + std::log(r / (r + x));
}

// How often u exceeds the cumulated masses of 0, 1, ..; ratio(k) is mass(k) / mass(k - 1).
template <class Ratio>
double draw_by_inversion(double first, const Ratio& ratio, double u) {
  double mass = first, k = 0;
  while (u > mass && mass > 0) {
    u -= mass;
    mass *= ratio(++k);
  }
  return mass > 0 ? k : k - 1;  // rounding must not lead past the last count
}

// Rejection from a transformed uniform pair, for unimodal masses (Hoermann, The transformed rejection method for
// generating Poisson random variables, 1993): b, a, center and the bound 1 / alpha of its table.
template <class LogMass>
double draw_transformed(double b, double a, double center, double squeeze, double inverse_alpha, double log_scale,
                        const LogMass& log_mass, ElementDraws& draws) {
  for (;;) {
    const double u = draws.uniform() - 0.5, v = draws.uniform(), us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + center);
    if (us >= 0.07 && v <= squeeze) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha / (a / (us * us) + b)) + log_scale <= log_mass(k)) return k;
  }
}

inline double draw_poisson(double rate, ElementDraws& draws) {
  if (!(rate < 1e100)) return rate;  // the deviation is far below the last digit
  if (rate < 10)
    return draw_by_inversion(
        std::exp(-rate), [=](double k) { return rate / k; }, draws.uniform());
  const double b = 0.931 + 2.53 * std::sqrt(rate), log_rate = std::log(rate);
  return draw_transformed(
      b, -0.059 + 0.02483 * b, rate + 0.43, 0.9277 - 3.6224 / (b - 2), 1.1239 + 1.1328 / (b - 3.4), 0.0,
      [=](double k) { return log_poisson_mass(k, log_rate); }, draws);
}

inline double draw_binomial(double n, double logit, ElementDraws& draws) {
  if (logit > 0) return n - draw_binomial(n, -logit, draws);
  const double p = math::sigmoid(logit), q = math::sigmoid(-logit), odds = std::exp(logit);
  if (n * p < 10)
    return draw_by_inversion(
        std::exp(-n * math::softplus(logit)), [=](double k) { return (n - k + 1) / k * odds; }, draws.uniform());
  const double spread = std::sqrt(n * p * q), b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double log_mode = log_binomial_mass(std::floor((n + 1) * p), n, logit);
  return draw_transformed(
      b, a, n * p + 0.5, 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread, log_mode,
      [=](double k) { return log_binomial_mass(k, n, logit); }, draws);
}

}  // namespace pushforward::detail
