// Bodies of gamma_functions.hpp.
#pragma once

#include <pushforward/autodiff/dual.hpp>
#include <pushforward/core/isa.hpp>
#include <pushforward/distributions/gamma_functions.hpp>

namespace pushforward::math {

namespace detail {

inline constexpr double negligible = 1e-17;
inline constexpr int longest_expansion = 1'000'000;

// Gamma(a + 1) e^x x^-a P(a, x) = sum_k x^k / ((a + 1) .. (a + k)), and its derivative in a.
PUSHFORWARD_ONCE Dual<double> gamma_series(double a, double x) {
  double term = 1.0, term_slope = 0.0, sum = 1.0, sum_slope = 0.0;
  for (int k = 1; k < longest_expansion; ++k) {
    const double below = a + k, ratio = x / below;
    term_slope = ratio * (term_slope - term / below);
    term *= ratio;
    sum += term;
    sum_slope += term_slope;
    if (term <= negligible * sum && -term_slope <= negligible * -sum_slope) break;
  }
  return {sum, sum_slope};
}

// Gamma(a) e^x x^-a Q(a, x), and its derivative in a: the continued fraction of Press et al. 2007, eq. 6.2.7, by the
// modified method of Lentz.
PUSHFORWARD_ONCE Dual<double> gamma_fraction(double a, double x) {
  using D = Dual<double>;
  constexpr double tiny = 1e-300;
  D b(x + 1.0 - a, -1.0), c(1.0 / tiny), d = D(1.0) / b, h = d;
  for (int i = 1; i < longest_expansion; ++i) {
    const D numerator(-i * (i - a), static_cast<double>(i));
    b = b + D(2.0);
    d = numerator * d + b;
    c = b + numerator / c;
    d = D(1.0) / d;
    const D factor = d * c;
    h = h * factor;
    if (std::fabs(factor.value - 1.0) <= 1e-15 && std::fabs(factor.slope) <= 1e-15) break;
  }
  return h;
}

// x^a e^-x / Gamma(a), from log x.
PUSHFORWARD_ONCE double gamma_prefix(double a, double x, double log_x) {
  const double distance = x - a;
  const double log_ratio = std::fabs(distance) < 0.5 * a ? std::log1p(distance / a) : log_x - std::log(a);
  return std::exp(a * log_ratio - distance + 0.5 * std::log(a) - stirling_remainder(0, a) -
                  pushforward::detail::half_log_two_pi);
}

// Q(a, x) for a large a, or P(a, x) if `lower`: a normal tail and what it lacks, in powers of 1 / a (Temme 1979; DLMF
// 8.12.3 to 8.12.7), up to 1e-11 of the value.
PUSHFORWARD_ONCE double gamma_tail_of_large(double a, double x, bool lower) {
  const double half_square = deviance(a, x), side = x < a ? -1.0 : 1.0;  // a eta^2 / 2
  const double eta = side * std::sqrt(2.0 * half_square / a);
  if (half_square > 800.0) return (side > 0) == lower ? 1.0 : 0.0;
  constexpr double c0[] = {-1.0 / 3,   1.0 / 12,        -2.0 / 135,  1.0 / 864,
                           1.0 / 2835, -139.0 / 777600, 1.0 / 25515, -571.0 / 261273600};
  constexpr double c1[] = {-1.0 / 540, -1.0 / 288, 1.0 / 378, -77.0 / 77760};
  double first = 0.0, second = 0.0;
  for (int k = 7; k >= 0; --k) first = first * eta + c0[k];
  for (int k = 3; k >= 0; --k) second = second * eta + c1[k];
  const double rest = std::exp(-half_square) / std::sqrt(2.0 * 3.14159265358979323846 * a) * (first + second / a);
  return lower ? 0.5 * std::erfc(-side * std::sqrt(half_square)) - rest
               : 0.5 * std::erfc(side * std::sqrt(half_square)) + rest;
}
inline constexpr double large_concentration = 1e5;

// I_x(a, b) a B(a, b) x^-a (1 - x)^-b as a continued fraction (Press et al. 2007, eq. 6.4.5), for x below its mean.
PUSHFORWARD_ONCE double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  auto kept = [](double v) { return std::fabs(v) < tiny ? tiny : v; };
  double c = 1.0, d = 1.0 / kept(1.0 - (a + b) * x / (a + 1.0)), h = d;
  for (int m = 1; m < longest_expansion; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1.0 / kept(1.0 + even * d);
    c = kept(1.0 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1.0 / kept(1.0 + odd * d);
    c = kept(1.0 + odd / c);
    h *= d * c;
    if (std::fabs(d * c - 1.0) <= 1e-15) break;
  }
  return h;
}

// The same for a > 1 and b > 1 from distance = a y - b x >= 0, which cancels for large numbers (Didonato and Morris,
// Algorithm 708, 1992, bfrac).
PUSHFORWARD_ONCE double beta_fraction_of_large(double a, double b, double x, double y, double distance) {
  const double c = 1.0 + distance, c1 = 1.0 + 1.0 / a;
  double p = 1.0, s = a + 1.0, before = 0.0, below = 1.0, now = 1.0, under = c / c1, ratio = c1 / c;
  for (int n = 1; n < longest_expansion; ++n) {
    const double t = n / a, w = n * (b - n) * x, e = a / s, f = (t + 1.0) / (c1 + t + t);
    const double alpha = p * (p + b / a) * e * e * w * x, beta = n + w / s + f * (c + n * (y + 1.0));
    p = t + 1.0;
    s += 2.0;
    const double next = alpha * before + beta * now, next_under = alpha * below + beta * under;
    const double last = ratio;
    ratio = next / next_under;
    before = now / next_under;
    below = under / next_under;
    now = ratio;
    under = 1.0;
    if (std::fabs(ratio - last) <= 1e-15 * ratio) break;
  }
  return ratio;
}

// x^a y^b / B(a, b) at y = 1 - x.
PUSHFORWARD_ONCE double beta_prefix(double a, double b, double x, double y) {
  const double n = a + b, distance = b * x - a * y;
  auto log_ratio = [](double part, double far_by, double log_far) {
    return std::fabs(far_by) < 0.5 * part ? std::log1p(far_by / part) : log_far - std::log(part);
  };
  const double exponent =
      a * log_ratio(a, distance, std::log(n) + std::log(x)) + b * log_ratio(b, -distance, std::log(n) + std::log(y));
  return std::exp(exponent + 0.5 * (std::log(a) + std::log(b) - std::log(n)) - pushforward::detail::half_log_two_pi +
                  stirling_remainder(0, n) - stirling_remainder(0, a) - stirling_remainder(0, b));
}

// The slope for a large alpha: z = a + sqrt(a) u + (u^2 - 1) / 3 + (u^3 - 7 u) / (36 sqrt(a)) - ... for the normal
// quantile u (Cornish and Fisher 1938), which is solved for u and differentiated in a.
PUSHFORWARD_ONCE double cornish_fisher_slope(double a, double z) {
  const double root = std::sqrt(a);
  double u = (z - a) / root;
  for (int step = 0; step < 6; ++step) {
    const double value = root * u + (u * u - 1.0) / 3.0 + u * (u * u - 7.0) / (36.0 * root) -
                         ((3.0 * u * u + 7.0) * u * u - 16.0) / (810.0 * a) - (z - a);
    u -= value / (root + 2.0 * u / 3.0 + (3.0 * u * u - 7.0) / (36.0 * root));
  }
  return 1.0 + u / (2.0 * root) - u * (u * u - 7.0) / (72.0 * a * root) +
         ((3.0 * u * u + 7.0) * u * u - 16.0) / (810.0 * a * a);
}

}  // namespace detail

PUSHFORWARD_ONCE double log_gamma_quantile_slope(double alpha, double log_z) {
  const double z = std::exp(log_z);
  if (alpha > 1e4) return detail::cornish_fisher_slope(alpha, z) / z;
  if (z < alpha + 1.0) {  // P = (x^a e^-x / Gamma(a + 1)) series, x p(x) = x^a e^-x / Gamma(a)
    const auto series = detail::gamma_series(alpha, z);
    return -((log_z - digamma(alpha + 1.0)) * series.value + series.slope) / alpha;
  }
  const auto fraction = detail::gamma_fraction(alpha, z);
  return (log_z - digamma(alpha)) * fraction.value + fraction.slope;
}

PUSHFORWARD_ONCE double gamma_p(double a, double x) {
  if (x <= 0.0) return 0.0;
  if (std::isinf(x)) return 1.0;
  if (a > detail::large_concentration) return detail::gamma_tail_of_large(a, x, true);
  const double prefix = detail::gamma_prefix(a, x, std::log(x));
  return x < a + 1.0 ? prefix / a * detail::gamma_series(a, x).value
                     : 1.0 - prefix * detail::gamma_fraction(a, x).value;
}

PUSHFORWARD_ONCE double gamma_q(double a, double x) {
  if (x <= 0.0) return 1.0;
  if (std::isinf(x)) return 0.0;
  if (a > detail::large_concentration) return detail::gamma_tail_of_large(a, x, false);
  const double prefix = detail::gamma_prefix(a, x, std::log(x));
  return x < a + 1.0 ? 1.0 - prefix / a * detail::gamma_series(a, x).value
                     : prefix * detail::gamma_fraction(a, x).value;
}

PUSHFORWARD_ONCE double beta_p(double a, double b, double x) { return beta_p(a, b, x, 1.0 - x); }
PUSHFORWARD_ONCE double beta_p(double a, double b, double x, double y) {
  if (x <= 0.0) return 0.0;
  if (y <= 0.0) return 1.0;
  const double prefix = detail::beta_prefix(a, b, x, y);
  if (a > 1.0 && b > 1.0) {
    const double distance = a * y - b * x;
    return distance >= 0.0 ? prefix * detail::beta_fraction_of_large(a, b, x, y, distance)
                           : 1.0 - prefix * detail::beta_fraction_of_large(b, a, y, x, -distance);
  }
  if (x < (a + 1.0) / (a + b + 2.0)) return prefix * detail::beta_fraction(a, b, x) / a;
  return 1.0 - prefix * detail::beta_fraction(b, a, y) / b;
}

PUSHFORWARD_ONCE double deviance(double x, double m) {
  if (std::fabs(x - m) >= 0.1 * (x + m)) return x * std::log(x / m) + m - x;
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

}  // namespace pushforward::math
