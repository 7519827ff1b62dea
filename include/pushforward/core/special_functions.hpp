// Special functions of one number, in double; the float versions compute in double and round.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include <pushforward/core/error.hpp>

namespace pushforward::math {

namespace detail {

inline constexpr double pi = 3.14159265358979323846;

// Bernoulli numbers B_2, B_4, ..., B_20.
inline constexpr std::array<double, 10> bernoulli = {1.0 / 6.0,       -1.0 / 30.0,      1.0 / 42.0, -1.0 / 30.0,
                                                     5.0 / 66.0,      -691.0 / 2730.0,  7.0 / 6.0,  -3617.0 / 510.0,
                                                     43867.0 / 798.0, -174611.0 / 330.0};

// Hurwitz zeta function sum_k (x + k)^-s for an integer s >= 2 and x > 0, by Euler and Maclaurin's formula from x
// >= 12.
inline double hurwitz_zeta(int s, double x) {
  double sum = 0.0;
  for (; x < 12.0 + s; x += 1.0) sum += std::pow(x, -s);
  const double power = std::pow(x, -s);
  sum += power * (x / (s - 1) + 0.5);
  double term = power * s / (2.0 * x);
  for (std::size_t j = 0; j < bernoulli.size(); ++j) {
    sum += bernoulli[j] * term;
    const double k = 2.0 * static_cast<double>(j);
    term *= (s + k + 1) * (s + k + 2) / ((k + 3) * (k + 4) * x * x);
  }
  return sum;
}

// d^n/dx^n of pi cot(pi x), as a polynomial in c = cot(pi x): c' = -pi (1 + c^2).
inline double cotangent_derivative(int n, double x) {
  std::array<double, 34> p{};  // coefficients
  p[1] = pi;
  for (int order = 0; order < n; ++order) {
    std::array<double, 34> next{};
    for (std::size_t k = 1; k + 1 < p.size(); ++k) {
      next[k - 1] -= pi * static_cast<double>(k) * p[k];
      next[k + 1] -= pi * static_cast<double>(k) * p[k];
    }
    p = next;
  }
  const double c = 1.0 / std::tan(pi * (x - std::round(x)));
  double value = 0.0;
  for (std::size_t k = p.size(); k-- > 0;) value = value * c + p[k];
  return value;
}

inline bool is_pole(double x) { return x <= 0.0 && x == std::floor(x); }

}  // namespace detail

/// log |Gamma(x)|. Unlike std::lgamma it may run in several threads at once.
inline double lgamma(double x) {
#ifdef _WIN32
  return std::lgamma(x);
#else
  int sign;
  return ::lgamma_r(x, &sign);
#endif
}

/// psi(x) = d/dx log Gamma(x), to an absolute error of 1e-15 near its zero at 1.46 and a relative one elsewhere; NaN at
/// 0, -1, -2, ...
inline double digamma(double x) {
  if (detail::is_pole(x)) return std::numeric_limits<double>::quiet_NaN();
  if (x < 0.0) return digamma(1.0 - x) - detail::cotangent_derivative(0, x);
  double shift = 0.0;
  for (; x < 12.0; x += 1.0) shift += 1.0 / x;
  const double z = 1.0 / (x * x);
  double series = 0.0;  // sum_j B_2j / (2j x^2j)
  for (std::size_t j = 8; j-- > 0;) series = (series + detail::bernoulli[j] / (2.0 * static_cast<double>(j + 1))) * z;
  return std::log(x) - 0.5 / x - series - shift;
}

/// psi^(n)(x) = d^n/dx^n psi(x) for 0 <= n <= 30, NaN at 0, -1, -2, ... Throws ValueError for other n.
///
/// psi^(n)(x) = (-1)^(n+1) n! zeta(n + 1, x) for x > 0; below, psi(x) = psi(1 - x) - pi cot(pi x) is differentiated.
inline double polygamma(int n, double x) {
  if (n < 0 || n > 30) fail<ValueError>("polygamma: got order ", n, ", expected 0 to 30");
  if (n == 0) return digamma(x);
  if (std::isnan(x) || detail::is_pole(x)) return std::numeric_limits<double>::quiet_NaN();
  const double parity = n % 2 == 0 ? 1.0 : -1.0;
  if (x < 0.0) return parity * polygamma(n, 1.0 - x) - detail::cotangent_derivative(n, x);
  if (std::isinf(x)) return 0.0;
  return -parity * std::tgamma(n + 1.0) * detail::hurwitz_zeta(n + 1, x);
}

/// psi'(x), the variance of the logarithm of a Gamma(x, 1) variable.
inline double trigamma(double x) { return polygamma(1, x); }

/// Inverse of the error function: infinite at -1 and 1, NaN beyond.
///
/// Giles' approximation (Approximating the erfinv function, 2010), refined by two Halley steps on erf or, for |y| >
/// 1/2, on erfc.
inline double erfinv(double y) {
  const double a = std::fabs(y);
  if (!(a < 1.0))
    return a == 1.0 ? y * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  constexpr double central[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                -0.00125372503, -0.00417768164, 0.246640727,    1.50140941};
  constexpr double tail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                             -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
  const double w = -std::log((1.0 - a) * (1.0 + a)), t = w < 5.0 ? w - 2.5 : std::sqrt(w) - 3.0;
  double x = 0.0;
  for (const double coefficient : w < 5.0 ? central : tail) x = x * t + coefficient;
  x *= a;
  if (w > 16.0) {  // past the range of the polynomials: erfc(x) = e^(-x^2) / (x sqrt(pi)) to first order
    const double rest = -std::log((1.0 - a) * 1.77245385090551602730);
    x = std::sqrt(rest - 0.5 * std::log(rest - 0.5 * std::log(rest)));
  }
  for (int step = 0; step < 2; ++step) {
    const double error = a > 0.5 ? (1.0 - a) - std::erfc(x) : std::erf(x) - a;
    const double newton = error * std::exp(x * x) * 0.88622692545275801365;  // sqrt(pi) / 2
    x -= newton / (1.0 + x * newton);
  }
  return std::copysign(x, y);
}

/// Scaled complementary error function e^(x^2) erfc(x), which does not underflow for large x.
inline double erfcx(double x) {
  if (x < 0.0) return 2.0 * std::exp(x * x) - erfcx(-x);
  if (x > 12.0) {  // 1 / (x sqrt(pi)) sum_k (-1)^k (2k - 1)!! / (2 x^2)^k
    const double z = 0.5 / (x * x);
    double series = 1.0;
    for (int k = 9; k > 0; --k) series = 1.0 - (2 * k - 1) * z * series;
    return series / (x * 1.77245385090551602730);
  }
  const double head = static_cast<double>(static_cast<float>(x));  // its square is exact
  return std::exp(head * head) * std::exp((x - head) * (x + head)) * std::erfc(x);
}

/// log Phi(x), the logarithm of the normal distribution function, accurate in both tails.
inline double log_ndtr(double x) {
  constexpr double sqrt_half = 0.70710678118654752440;
  if (x > 0.0) return std::log1p(-0.5 * std::erfc(x * sqrt_half));
  if (x > -1.0) return std::log(0.5 * std::erfc(-x * sqrt_half));
  return -0.5 * x * x + std::log(0.5 * erfcx(-x * sqrt_half));
}

inline float lgamma(float x) { return static_cast<float>(lgamma(static_cast<double>(x))); }
inline float digamma(float x) { return static_cast<float>(digamma(static_cast<double>(x))); }
inline float trigamma(float x) { return static_cast<float>(trigamma(static_cast<double>(x))); }
inline float polygamma(int n, float x) { return static_cast<float>(polygamma(n, static_cast<double>(x))); }
inline float erfinv(float y) { return static_cast<float>(erfinv(static_cast<double>(y))); }
inline float erfcx(float x) { return static_cast<float>(erfcx(static_cast<double>(x))); }
inline float log_ndtr(float x) { return static_cast<float>(log_ndtr(static_cast<double>(x))); }

}  // namespace pushforward::math
