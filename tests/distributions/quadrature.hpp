// Numerical integration for oracles.
#pragma once

#include <cmath>

namespace support {

/// int_a^b f by tanh-sinh quadrature (Takahasi and Mori 1974), which bears singular ends; about twelve digits.
template <class F>
double integrate(const F& f, double a, double b) {
  const double step = 1.0 / 128, half_pi = 1.57079632679489661923;
  double total = 0;
  for (int i = -6 * 128; i <= 6 * 128; ++i) {
    const double t = i * step, u = half_pi * std::sinh(t), near = 1 / (1 + std::exp(2 * std::fabs(u)));
    const double x = t < 0 ? a + (b - a) * near : b - (b - a) * near;
    if (!(x > a && x < b)) continue;
    const double weight = half_pi * std::cosh(t) / (std::cosh(u) * std::cosh(u));
    if (weight > 0) total += 0.5 * (b - a) * weight * f(x);
  }
  return total * step;
}

/// int of f over all numbers, in pieces around `center`: f(x) may fall as 1 / x^2 and slower than a power of it.
template <class F>
double integrate_line(const F& f, double center = 0) {
  auto folded = [&](double u) {  // x = center +- u / (1 - u)
    const double x = u / (1 - u), jacobian = 1 / ((1 - u) * (1 - u));
    return (f(center + x) + f(center - x)) * jacobian;
  };
  return integrate(folded, 0, 1);
}

}  // namespace support
