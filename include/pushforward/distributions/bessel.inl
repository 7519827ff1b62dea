// Bodies of bessel.hpp.
#pragma once

#include <array>
#include <cmath>

#include <pushforward/distributions/bessel.hpp>

namespace pushforward::math {

namespace detail {

inline constexpr std::size_t debye_terms = 10, debye_degree = 3 * debye_terms;
using DebyePolynomial = std::array<double, debye_degree + 1>;

// u_0 .. u_10 by their recurrence (Abramowitz and Stegun 1964, 9.3.10): coefficients of t^0, t^1, ..
constexpr std::array<DebyePolynomial, debye_terms + 1> debye_polynomials() {
  std::array<DebyePolynomial, debye_terms + 1> u{};
  u[0][0] = 1;
  for (std::size_t k = 0; k < debye_terms; ++k)
    for (std::size_t j = 0; j <= 3 * k; ++j) {
      const double c = u[k][j], power = static_cast<double>(j);
      u[k + 1][j + 1] += c * (0.5 * power + 0.125 / (power + 1));
      u[k + 1][j + 3] -= c * (0.5 * power + 0.625 / (power + 3));
    }
  return u;
}

// The sum of u_k(v / r) / v^k for r = sqrt(v^2 + x^2).
inline double debye_sum(double v, double r) {
  static constexpr auto polynomials = debye_polynomials();
  const double t = v / r;
  double sum = 0;
  for (std::size_t k = debye_terms + 1; k-- > 0;) {
    double u = 0;
    for (std::size_t j = 3 * k + 1; j-- > k;) u = u * t + polynomials[k][j];  // u_k starts with t^k
    sum = sum * (t / v) + u;
  }
  return sum;
}

struct BesselPoint {
  double log_value, slope_ratio;  // log(I_v(x) e^-x x^-v), and I_(v+1)(x) / (x I_v(x))
};

// Both for v >= 30, without the cancellation of their large terms.
inline BesselPoint bessel_expansion(double v, double x) {
  const double r = std::hypot(v, x), next = std::hypot(v + 1, x), rise = (2 * v + 1) / (next + r);  // next - r
  const double sum = debye_sum(v, r);
  const double value = v * v / (r + x) - v * std::log(v + r) - 0.5 * std::log(2 * pi * r) + std::log(sum);
  const double fraction = ((2 * v + 1) * (r + x) - v * v * rise) / ((next + x) * (r + x));
  const double change = fraction - v * std::log1p((1 + rise) / (v + r)) - 0.5 * std::log1p(rise / r);
  return {value, std::exp(change) / (v + 1 + next) * (debye_sum(v + 1, next) / sum)};
}

inline BesselPoint bessel_point(double v, double x) {
  const int steps = v < 30 ? static_cast<int>(std::ceil(30 - v)) : 0;
  BesselPoint at = bessel_expansion(v + steps, x);
  for (int j = steps; j > 0; --j) {
    const double below = 2 * (v + j) + x * x * at.slope_ratio;
    at.log_value += std::log(below);
    at.slope_ratio = 1 / below;
  }
  return at;
}

// 1 - I_(v+1)(x) / I_v(x) for large x by Hankel's expansion, term by term (Abramowitz and Stegun 1964, 9.7.1).
inline double bessel_gap_far(double v, double x) {
  double a = 1, b = 1, sum = 1, difference = 0;  // terms for v and v + 1
  for (int k = 1; k < 40; ++k) {
    const double odd = (2.0 * k - 1) * (2.0 * k - 1);
    a *= -(4 * v * v - odd) / (8 * x * k);
    b *= -(4 * (v + 1) * (v + 1) - odd) / (8 * x * k);
    sum += a;
    difference += a - b;
    if (std::abs(a) + std::abs(b) < 1e-18) break;
  }
  return difference / sum;
}

}  // namespace detail

PUSHFORWARD_ONCE double log_bessel_i_scaled(double order, double x) { return detail::bessel_point(order, x).log_value; }

PUSHFORWARD_ONCE BesselRatio bessel_ratio(double order, double x) {
  if (x > 10 * (order * order + 3)) {
    const double gap = detail::bessel_gap_far(order, x);
    return {1 - gap, gap};
  }
  const double ratio = x * detail::bessel_point(order, x).slope_ratio;
  return {ratio, 1 - ratio};
}

PUSHFORWARD_ONCE double bessel_ratio_gap(int derivative, double order, double x) {
  const auto [a, gap] = bessel_ratio(order, x);
  if (derivative == 0) return gap;
  const double c = 2 * order + 1;
  if (x < 1e-3 * (c + 1)) {  // A = x / c1 - x^3 / (c1^2 c2) + 2 x^5 / (c1^3 c2 c3) - ..
    const double c1 = c + 1, third = 1 / (c1 * c1 * (c1 + 2)), fifth = 2 * third / (c1 * (c1 + 4)), x2 = x * x;
    if (derivative == 1) return x2 * (3 * third - 5 * x2 * fifth) - 1 / c1;
    return derivative == 2 ? x * (6 * third - 20 * x2 * fifth) : 6 * third - 60 * x2 * fifth;
  }
  const double first = gap * (2 - gap) - c * a / x;
  if (derivative == 1) return -first;
  const double second = c * (a / x - first) / x - 2 * a * first;
  if (derivative == 2) return -second;
  return 2 * first * first + 2 * a * second + c * (second - 2 * (first - a / x) / x) / x;
}

}  // namespace pushforward::math
