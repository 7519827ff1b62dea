// Scalar functions that compilers vectorize: no branches, no calls, and no fast-math flags needed.
//
// The float versions are polynomials and selects between values that are computed anyway, so that a loop over them
// becomes vector code for whatever instruction set the loop is compiled for. They keep NaN and infinities, flush
// results below the smallest normal number (1.2e-38) to zero where noted, and do not set errno. Where the instruction
// set has fused multiply-adds the compiler uses them, so the last bit may differ between instruction sets.
// The double versions are the standard library's, in stable formulas.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <pushforward/core/isa.hpp>

// glibc's header says that sqrtf may set errno, which keeps compilers from vectorizing it.
#if defined(__GLIBC__) && defined(__GNUC__)
extern "C" float sqrtf(float) noexcept __attribute__((const));
#endif

namespace pushforward::math {

namespace detail {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();
inline constexpr std::uint32_t sign_bit = 0x80000000u;

PUSHFORWARD_INLINE std::uint32_t to_bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
PUSHFORWARD_INLINE std::uint64_t to_bits(double x) { return __builtin_bit_cast(std::uint64_t, x); }
PUSHFORWARD_INLINE float from_bits(std::uint32_t x) { return __builtin_bit_cast(float, x); }
PUSHFORWARD_INLINE double from_bits(std::uint64_t x) { return __builtin_bit_cast(double, x); }

// Selects on integers: GCC turns `?:` on floats into branches that it then cannot vectorize, as floats may trap.
PUSHFORWARD_INLINE float select(bool condition, float yes, float no) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return from_bits((to_bits(yes) & mask) | (to_bits(no) & ~mask));
}
PUSHFORWARD_INLINE double select(bool condition, double yes, double no) {
  const std::uint64_t mask = std::uint64_t{0} - static_cast<std::uint64_t>(condition);
  return from_bits((to_bits(yes) & mask) | (to_bits(no) & ~mask));
}
// x or +0.
PUSHFORWARD_INLINE float keep_if(bool condition, float x) {
  return from_bits(to_bits(x) & (0u - static_cast<std::uint32_t>(condition)));
}

// NaN stays NaN.
PUSHFORWARD_INLINE float at_least(float bound, float x) { return select(bound > x, bound, x); }
PUSHFORWARD_INLINE float at_most(float bound, float x) { return select(bound < x, bound, x); }

PUSHFORWARD_INLINE float magnitude(float x) { return from_bits(to_bits(x) & ~sign_bit); }

// x = n ln 2 + r with |r| <= ln(2) / 2; the low nine bits of `biased` hold n + Bias.
struct Reduced {
  float r;
  std::uint32_t biased;
};

template <int Bias>
PUSHFORWARD_INLINE Reduced reduce(float x) {
  constexpr float round = 12582912.0f + Bias;  // 1.5 * 2^23: adding it rounds to integers
  const float shifted = x * 1.44269504f + round;
#ifdef __FAST_MATH__
  const float n = static_cast<float>(static_cast<std::int32_t>(to_bits(shifted) - to_bits(round)));
#else
  const float n = shifted - round;
#endif
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // ln 2 in two parts, the first with 10 bits
  return {r, to_bits(shifted)};
}

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2: minimax, relative error of e^r - 1 below 1.4e-8.
PUSHFORWARD_INLINE float exp_tail(float r) {
  return (((1.38825212e-3f * r + 8.36652283e-3f) * r + 4.16671999e-2f) * r + 1.66665436e-1f) * r + 4.99999982e-1f;
}

// e^x for -87.33 <= x <= 88.02, and NaN.
PUSHFORWARD_INLINE float exp_inside(float x) {
  const Reduced e = reduce<127>(x);
  return (1.0f + e.r * (1.0f + e.r * exp_tail(e.r))) * from_bits(e.biased << 23);
}

// e^x for x <= 0; NaN gives anything.
PUSHFORWARD_INLINE float exp_of_negative(float x) { return keep_if(x >= -87.33654f, exp_inside(x)); }

// log(2^n (1 + f)) for sqrt(1/2) <= 1 + f < sqrt(2): minimax polynomial, relative error below 7e-9.
PUSHFORWARD_INLINE float log_reduced(float f, float n) {
  float p = -7.63545546e-2f * f + 1.27626806e-1f;
  p = p * f - 1.31603539e-1f;
  p = p * f + 1.42016235e-1f;
  p = p * f - 1.66233273e-1f;
  p = p * f + 2.00012314e-1f;
  p = p * f - 2.50008219e-1f;
  p = p * f + 3.33333317e-1f;
  const float square = f * f;
  const float tail = (square * f) * p + n * -2.12194440e-4f;
  return (f + (tail - 0.5f * square)) + n * 0.693359375f;
}

// log(1 + u) for 0 <= u <= 1.
PUSHFORWARD_INLINE float log1p_unit(float u) {
  const bool upper = u > 0.41421356f;
  return log_reduced(select(upper, 0.5f * (u - 1.0f), u), keep_if(upper, 1.0f));
}

inline constexpr std::uint32_t sqrt_half_bits = 0x3f3504f3u;

// log where `argument` is zero, negative, infinite or NaN; `value` elsewhere.
PUSHFORWARD_INLINE float log_edges(float argument, float value) {
  const float edge = select(argument < 0.0f, nan, select(argument == 0.0f, -infinity, argument));
  return select(to_bits(argument) - 1u < 0x7f7fffffu, value, edge);
}

// x = n pi/2 + r. Done in double: exact to a float's precision for |x| <= 1e6 also without fused multiply-adds.
struct Angle {
  float r;
  std::uint32_t quadrant;
};

PUSHFORWARD_INLINE Angle reduce_angle(float x) {
  constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  const double wide = static_cast<double>(x);
  const double shifted = wide * 0.636619772367581343 + round;
  const double n = shifted - round;
  const float r = static_cast<float>((wide - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11);
  return {at_least(-1.0f, at_most(1.0f, r)), static_cast<std::uint32_t>(to_bits(shifted))};
}

// sin(r + quadrant pi/2) for |r| <= pi/4.
PUSHFORWARD_INLINE float sin_reduced(float r, std::uint32_t quadrant) {
  const float z = r * r;
  const float s = r + (r * z) * ((-1.95152042e-4f * z + 8.33216019e-3f) * z - 1.66666546e-1f);
  const float c = 1.0f - 0.5f * z + (z * z) * ((2.44330668e-5f * z - 1.38873155e-3f) * z + 4.16666457e-2f);
  const std::uint32_t flip = (quadrant & 2u) << 30;
  return from_bits(to_bits(select((quadrant & 1u) != 0u, c, s)) ^ flip);
}

// log2 of a float's magnitude in double, relative error below 2e-11; zero and infinity give -+1e300.
PUSHFORWARD_INLINE double log2_wide(float x) {
  constexpr std::uint64_t sqrt_half = 0x3fe6a09e667f3bcdull, exponent_bias = 1024ull << 52, fraction = (1ull << 52) - 1;
  const std::uint64_t offset = to_bits(static_cast<double>(x)) - sqrt_half;
  const double n = from_bits(((offset + exponent_bias) >> 52) | to_bits(0x1p52)) - (0x1p52 + 1024.0);
  const double f = from_bits((offset & fraction) + sqrt_half) - 1.0;
  double p = 0.077383682590766764 * f - 0.14285770434076284;
  p = p * f + 0.1447529123500329;
  p = p * f - 0.14315338487824578;
  p = p * f + 0.15876855335089612;
  p = p * f - 0.18030075509726120;
  p = p * f + 0.20617545553402719;
  p = p * f - 0.24045316393700844;
  p = p * f + 0.28853729058579675;
  p = p * f - 0.36067367479264267;
  p = p * f + 0.48089836142534481;
  p = p * f - 0.72134752086913700;
  p = p * f + 1.4426950408686563;
  const double value = f * p + n;
  return select(x == 0.0f, -1e300, select(x == infinity, 1e300, value));
}

// 2^x in double rounded to float, relative error below 5e-11; |x| may be huge, not NaN.
PUSHFORWARD_INLINE float exp2_wide(double x) {
  constexpr double round = 6755399441055744.0 + 1023.0;
  const double inside = select(x > 200.0, 200.0, select(x < -200.0, -200.0, x));
  const double shifted = inside + round;
  const double f = inside - (shifted - round);
  double p = 1.5201901315523983e-05 * f + 1.5469317325933872e-4;
  p = p * f + 1.3333922854592796e-3;
  p = p * f + 9.6180271727022652e-3;
  p = p * f + 5.5504103528335062e-2;
  p = p * f + 2.4022651198755163e-1;
  p = p * f + 6.9314718072871595e-1;
  p = p * f + 9.9999999996162137e-1;
  return static_cast<float>(p * from_bits(to_bits(shifted) << 52));
}

}  // namespace detail

/// `yes` where the condition holds, else `no`; both are computed. Vectorizes where `?:` on floats does not.
using detail::select;

/// |x|.
PUSHFORWARD_INLINE float abs(float x) { return detail::magnitude(x); }
PUSHFORWARD_INLINE double abs(double x) { return std::fabs(x); }

/// Square root, correctly rounded.
PUSHFORWARD_INLINE float sqrt(float x) { return ::sqrtf(x); }
PUSHFORWARD_INLINE double sqrt(double x) { return std::sqrt(x); }

/// 1 / sqrt(x), to 2 ulp.
PUSHFORWARD_INLINE float rsqrt(float x) { return 1.0f / ::sqrtf(x); }
PUSHFORWARD_INLINE double rsqrt(double x) { return 1.0 / std::sqrt(x); }

/// e^x, to 1 ulp; below -87.3365 it is 0.
PUSHFORWARD_INLINE float exp(float x) {
  const detail::Reduced e = detail::reduce<0>(x);
  const float p = 1.0f + e.r * (1.0f + e.r * detail::exp_tail(e.r));
  const float value = detail::from_bits(detail::to_bits(p) + (e.biased << 23));
  return detail::select(x <= 88.7228317f, detail::keep_if(x >= -87.33654f, value), x + detail::infinity);
}
PUSHFORWARD_INLINE double exp(double x) { return std::exp(x); }

/// e^x - 1, to 2 ulp.
PUSHFORWARD_INLINE float expm1(float x) {
  const detail::Reduced e = detail::reduce<126>(detail::at_least(-18.0f, detail::at_most(88.8f, x)));
  const float half = detail::from_bits(e.biased << 23);  // 2^(n - 1): 2^128 is no float
  return 2.0f * (half * (e.r + (e.r * e.r) * detail::exp_tail(e.r)) + (half - 0.5f));
}
PUSHFORWARD_INLINE double expm1(double x) { return std::expm1(x); }

/// Natural logarithm, to 1 ulp: -inf at zero, NaN below.
PUSHFORWARD_INLINE float log(float x) {
  const bool tiny = x < std::numeric_limits<float>::min();
  const std::uint32_t offset = detail::to_bits(detail::select(tiny, x * 0x1p23f, x)) - detail::sqrt_half_bits;
  const float n = static_cast<float>(static_cast<std::int32_t>(offset) >> 23) - detail::keep_if(tiny, 23.0f);
  const float f = detail::from_bits((offset & 0x7fffffu) + detail::sqrt_half_bits) - 1.0f;
  return detail::log_edges(x, detail::log_reduced(f, n));
}
PUSHFORWARD_INLINE double log(double x) { return std::log(x); }

/// log(1 + x), to 2 ulp: -inf at -1, NaN below.
PUSHFORWARD_INLINE float log1p(float x) {
  const float u = 1.0f + x, back = u - 1.0f, lost = (1.0f - (u - back)) + (x - back);  // u + lost = 1 + x exactly
  const std::uint32_t offset = detail::to_bits(u) - detail::sqrt_half_bits;
  const std::uint32_t exponent = offset & 0xff800000u;
  const float n = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float f = detail::from_bits((offset & 0x7fffffu) + detail::sqrt_half_bits) - 1.0f;
  const float scale = detail::keep_if(u < 0x1p30f, detail::from_bits(0x3f800000u - exponent));  // 2^-n
  return detail::log_edges(u, detail::log_reduced(f + lost * scale, n));
}
PUSHFORWARD_INLINE double log1p(double x) { return std::log1p(x); }

/// Hyperbolic tangent, to 3 ulp.
PUSHFORWARD_INLINE float tanh(float x) {
  const detail::Reduced e = detail::reduce<127>(detail::at_least(-18.1f, -2.0f * detail::magnitude(x)));
  const float scale = detail::from_bits(e.biased << 23);
  const float decay = scale * (e.r + (e.r * e.r) * detail::exp_tail(e.r)) + (scale - 1.0f);  // e^(-2|x|) - 1
  const float value = decay / (2.0f + decay);
  return detail::from_bits((detail::to_bits(value) & ~detail::sign_bit) | (detail::to_bits(x) & detail::sign_bit));
}
PUSHFORWARD_INLINE double tanh(double x) { return std::tanh(x); }

namespace detail {

// e^-x, with |x| cut where the result would leave the normal numbers; NaN gives anything. On integers, which is cheaper
// than two comparisons of floats.
PUSHFORWARD_INLINE float exp_of_minus(float x) {
  constexpr std::uint32_t most = 0x42AEAC50u;  // 87.33654
  const std::uint32_t bits = to_bits(x), size = bits & ~sign_bit;
  return exp_inside(from_bits((size < most ? size : most) | (~bits & sign_bit)));
}

}  // namespace detail

/// 1 / (1 + e^-x), to 3 ulp; below -87.3365 it is 0.
PUSHFORWARD_INLINE float sigmoid(float x) {
  const float decay = detail::exp_inside(detail::at_least(-87.0f, detail::at_most(87.5f, -x)));
  return detail::keep_if(!(x < -87.33654f), 1.0f / (1.0f + decay));
}
PUSHFORWARD_INLINE double sigmoid(double x) {
  const double decay = std::exp(-std::fabs(x));
  return (x < 0.0 ? decay : 1.0) / (1.0 + decay);
}

/// x sigmoid(x), to 3 ulp; below -87.3365 it is 0.
PUSHFORWARD_INLINE float silu(float x) {
  return detail::keep_if(!(x < -87.33654f), x / (1.0f + detail::exp_of_minus(x)));
}
PUSHFORWARD_INLINE double silu(double x) { return x < -750.0 ? 0.0 : x / (1.0 + std::exp(-x)); }

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|), to 3 ulp; below -87.3365 it is 0.
PUSHFORWARD_INLINE float softplus(float x) {
  return detail::at_least(0.0f, x) + detail::log1p_unit(detail::exp_of_negative(-detail::magnitude(x)));
}
PUSHFORWARD_INLINE double softplus(double x) { return (x < 0.0 ? 0.0 : x) + std::log1p(std::exp(-std::fabs(x))); }

/// log(sigmoid(x)) = -softplus(-x), to 3 ulp.
PUSHFORWARD_INLINE float log_sigmoid(float x) {
  return detail::at_most(0.0f, x) - detail::log1p_unit(detail::exp_of_negative(-detail::magnitude(x)));
}
PUSHFORWARD_INLINE double log_sigmoid(double x) { return -softplus(-x); }

/// Sine, to 2 ulp for |x| <= 1e6; beyond, the angle is known to about 1e-16 |x|.
PUSHFORWARD_INLINE float sin(float x) {
  const detail::Angle angle = detail::reduce_angle(x);
  return detail::sin_reduced(angle.r, angle.quadrant);
}
PUSHFORWARD_INLINE double sin(double x) { return std::sin(x); }

/// Cosine, to 2 ulp for |x| <= 1e6; beyond, the angle is known to about 1e-16 |x|.
PUSHFORWARD_INLINE float cos(float x) {
  const detail::Angle angle = detail::reduce_angle(x);
  return detail::sin_reduced(angle.r, angle.quadrant + 1u);
}
PUSHFORWARD_INLINE double cos(double x) { return std::cos(x); }

/// Error function 2/sqrt(pi) int_0^x e^-t^2 dt, to 2 ulp: a polynomial for |x| <= 0.92, else 1 - e^P(|x|).
PUSHFORWARD_INLINE float erf(float x) {
  const float a = detail::at_most(4.0f, detail::magnitude(x)), z = a * a;
  float p = -5.99197568e-4f * z + 4.99339704e-3f;
  p = p * z - 2.67667614e-2f;
  p = p * z + 1.12818201e-1f;
  p = p * z - 3.76124941e-1f;
  p = p * z + 1.28379150e-1f;
  float q = 2.13987441e-4f * a - 3.21498164e-3f;
  q = q * a + 2.28900630e-2f;
  q = q * a - 1.05262019e-1f;
  q = q * a - 6.35718167e-1f;
  q = q * a - 1.28514410e-1f;
  const float value = detail::select(a > 0.92f, 1.0f - detail::exp_inside(q * a - a), p * a + a);
  return detail::from_bits(detail::to_bits(value) | (detail::to_bits(x) & detail::sign_bit));
}
PUSHFORWARD_INLINE double erf(double x) { return std::erf(x); }

/// x Phi(x) with the normal distribution function Phi (Hendrycks and Gimpel, 2016), as max(x, 0) - |x| Phi(-|x|).
/// Phi(-a) = e^(-a^2/2) y P(y) with y = 1 / (1 + 0.4 a) and a minimax P of degree 9. To a relative error of 6e-7 for
/// x >= 0 and 6e-7 + 1e-7 x^2 for x < 0, where it does not cancel; below -13.2 it is 0.
PUSHFORWARD_INLINE float gelu(float x) {
  const float a = detail::at_most(14.0f, detail::magnitude(x)), y = 1.0f / (1.0f + 0.4f * a);
  float p = 3.22081487e-2f * y - 1.76769177e-1f;
  p = p * y + 3.82164945e-1f;
  p = p * y - 3.73782232e-1f;
  p = p * y + 1.19218110e-1f;
  p = p * y - 2.66585062e-2f;
  p = p * y + 9.12594414e-2f;
  p = p * y + 1.33158176e-1f;
  p = p * y + 1.59625082e-1f;
  p = p * y + 1.59576021e-1f;
  return detail::at_least(0.0f, x) - (a * y) * (p * detail::exp_of_negative(-0.5f * (a * a)));
}
PUSHFORWARD_INLINE double gelu(double x) { return x < -40.0 ? 0.0 : 0.5 * x * std::erfc(-x * 0.70710678118654752440); }

/// x^y, to 1 ulp, with the special cases of C's pow.
PUSHFORWARD_INLINE float pow(float x, float y) {
  using namespace detail;
  const float exponent = at_least(-1e38f, at_most(1e38f, select(y == y, y, 0.0f)));
  const float size = exp2_wide(static_cast<double>(exponent) * log2_wide(select(x == x, magnitude(x), 1.0f)));
  const double even = static_cast<double>(at_least(-0x1p30f, at_most(0x1p30f, exponent)));  // floats past 2^24 are even
  const double shifted = even + 6755399441055744.0;
  const bool is_integer = shifted - 6755399441055744.0 == even;
  const std::uint32_t odd = static_cast<std::uint32_t>(is_integer) & static_cast<std::uint32_t>(to_bits(shifted));
  const float value = from_bits(to_bits(size) | (to_bits(x) & (odd << 31)));
  const bool invalid =
      ((x < 0.0f) & (x > -infinity) & !is_integer) | ((x != x) & (y != 0.0f)) | ((y != y) & (x != 1.0f));
  return select(invalid, nan, value);
}
PUSHFORWARD_INLINE double pow(double x, double y) { return std::pow(x, y); }

}  // namespace pushforward::math
