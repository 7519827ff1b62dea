// Masses and draws of counts, in double: Poisson, binomial and negative binomial are built on them.
#pragma once

#include <cmath>
#include <limits>

#include <pushforward/core/special_functions.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/gamma_functions.hpp>

namespace pushforward::detail {

inline constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

inline bool is_count(double x) { return x >= 0 && x == std::floor(x) && x <= std::numeric_limits<double>::max(); }

// log(e^-rate rate^x / x!).
inline double log_poisson_mass(double x, double log_rate) {
  if (!is_count(x)) return minus_infinity;
  const double rate = std::exp(log_rate);
  if (x == 0) return -rate;
  if (rate == 0) return x * log_rate - math::lgamma(x + 1);
  return -math::stirling_remainder(0, x) - math::deviance(x, rate) - half_log_two_pi - 0.5 * std::log(x);
}

// log(n! / (x! rest!) p^x (1 - p)^rest) with n = x + rest at p = sigmoid(logit), for any real x > 0 and rest > 0.
inline double log_binomial_inside(double x, double rest, double logit) {
  const double n = x + rest;
  if (std::abs(logit) > 700)
    return math::lgamma(n + 1) - math::lgamma(x + 1) - math::lgamma(rest + 1) + x * logit - n * math::softplus(logit);
  return math::stirling_remainder(0, n) - math::stirling_remainder(0, x) - math::stirling_remainder(0, rest) -
         math::deviance(x, n * math::sigmoid(logit)) - math::deviance(rest, n * math::sigmoid(-logit)) -
         half_log_two_pi + 0.5 * std::log(n / (x * rest));
}
inline double log_binomial_mass(double x, double n, double logit) {
  if (!is_count(x) || x > n) return minus_infinity;
  if (x == 0) return -n * math::softplus(logit);
  if (x == n) return -n * math::softplus(-logit);
  return log_binomial_inside(x, n - x, logit);
}

// log(Gamma(r + x) / (x! Gamma(r)) (1 - p)^r p^x) at p = sigmoid(logit), for any real x > 0.
inline double log_negative_binomial_inside(double x, double r, double logit) {
  if (r < 1e-8 * x)  // log(Gamma(r + x) / Gamma(x)) = r psi(x) + r^2 / (2 x) + ..
    return std::log(r / x) - math::lgamma(1 + r) + r * (math::digamma(x) + 0.5 * r / x) - x * math::softplus(-logit) -
           r * math::softplus(logit);
  return log_binomial_inside(x, r, logit) + std::log(r / (r + x));
}
inline double log_negative_binomial_mass(double x, double r, double logit) {
  if (!is_count(x)) return minus_infinity;
  return x == 0 ? -r * math::softplus(logit) : log_negative_binomial_inside(x, r, logit);
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
