// Lane and Dual: the numbers that a lambda of elementwise() is run on.
#pragma once

#include <type_traits>

#include <pushforward/core/isa.hpp>
#include <pushforward/core/scalar_math.hpp>

namespace pushforward {

// Everything here is inlined into the loop that calls it, or the loop would not be vectorized.

/// One element of the tensors that `elementwise` walks over. It behaves like the plain number; being a type of the
/// library, `exp(x)` and its kin are found without a namespace.
template <class S>
struct Lane {
  S value;

  Lane() = default;
  template <class N>
  requires std::is_arithmetic_v<N> PUSHFORWARD_INLINE Lane(N number) : value(static_cast<S>(number)) {}

  PUSHFORWARD_INLINE friend Lane operator+(Lane a, Lane b) { return a.value + b.value; }
  PUSHFORWARD_INLINE friend Lane operator-(Lane a, Lane b) { return a.value - b.value; }
  PUSHFORWARD_INLINE friend Lane operator*(Lane a, Lane b) { return a.value * b.value; }
  PUSHFORWARD_INLINE friend Lane operator/(Lane a, Lane b) { return a.value / b.value; }
  PUSHFORWARD_INLINE friend Lane operator-(Lane a) { return -a.value; }
  PUSHFORWARD_INLINE friend bool operator<(Lane a, Lane b) { return a.value < b.value; }
  PUSHFORWARD_INLINE friend bool operator>(Lane a, Lane b) { return a.value > b.value; }
  PUSHFORWARD_INLINE friend bool operator<=(Lane a, Lane b) { return a.value <= b.value; }
  PUSHFORWARD_INLINE friend bool operator>=(Lane a, Lane b) { return a.value >= b.value; }
  PUSHFORWARD_INLINE friend bool operator==(Lane a, Lane b) { return a.value == b.value; }
};

/// A number and its derivative in one direction: forward-mode differentiation. Duals of duals give higher orders.
template <class T>
struct Dual {
  T value, slope;

  Dual() = default;
  PUSHFORWARD_INLINE Dual(T v, T s) : value(v), slope(s) {}
  template <class N>
  requires std::is_arithmetic_v<N> PUSHFORWARD_INLINE Dual(N number) : value(number), slope(0) {}

  PUSHFORWARD_INLINE friend Dual operator+(const Dual& a, const Dual& b) {
    return {a.value + b.value, a.slope + b.slope};
  }
  PUSHFORWARD_INLINE friend Dual operator-(const Dual& a, const Dual& b) {
    return {a.value - b.value, a.slope - b.slope};
  }
  PUSHFORWARD_INLINE friend Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value, a.slope * b.value + a.value * b.slope};
  }
  PUSHFORWARD_INLINE friend Dual operator/(const Dual& a, const Dual& b) {
    const T quotient = a.value / b.value;
    return {quotient, (a.slope - quotient * b.slope) / b.value};
  }
  PUSHFORWARD_INLINE friend Dual operator-(const Dual& a) { return {-a.value, -a.slope}; }
  PUSHFORWARD_INLINE friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  PUSHFORWARD_INLINE friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  PUSHFORWARD_INLINE friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  PUSHFORWARD_INLINE friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
  PUSHFORWARD_INLINE friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
};

namespace detail {
template <class T>
inline constexpr bool is_lane = false;
template <class S>
inline constexpr bool is_lane<Lane<S>> = true;
template <class T>
inline constexpr bool is_lane<Dual<T>> = true;
}  // namespace detail

/// A Lane or a Dual.
template <class T>
concept LaneLike = detail::is_lane<T>;

template <LaneLike T>
PUSHFORWARD_INLINE T& operator+=(T& a, const std::type_identity_t<T>& b) {
  return a = a + b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T& operator-=(T& a, const std::type_identity_t<T>& b) {
  return a = a - b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T& operator*=(T& a, const std::type_identity_t<T>& b) {
  return a = a * b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T& operator/=(T& a, const std::type_identity_t<T>& b) {
  return a = a / b;
}

template <class S>
PUSHFORWARD_INLINE Lane<S> exp(Lane<S> x) {
  return math::exp(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> log(Lane<S> x) {
  return math::log(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> log1p(Lane<S> x) {
  return math::log1p(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> expm1(Lane<S> x) {
  return math::expm1(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> sqrt(Lane<S> x) {
  return math::sqrt(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> sin(Lane<S> x) {
  return math::sin(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> cos(Lane<S> x) {
  return math::cos(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> tanh(Lane<S> x) {
  return math::tanh(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> sigmoid(Lane<S> x) {
  return math::sigmoid(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> softplus(Lane<S> x) {
  return math::softplus(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> erf(Lane<S> x) {
  return math::erf(x.value);
}
template <class S>
PUSHFORWARD_INLINE Lane<S> pow(Lane<S> x, double exponent) {
  return math::pow(x.value, static_cast<S>(exponent));
}

template <class T>
PUSHFORWARD_INLINE Dual<T> exp(const Dual<T>& x) {
  const T y = exp(x.value);
  return {y, x.slope * y};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> log(const Dual<T>& x) {
  return {log(x.value), x.slope / x.value};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> log1p(const Dual<T>& x) {
  return {log1p(x.value), x.slope / (x.value + T(1))};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> expm1(const Dual<T>& x) {
  return {expm1(x.value), x.slope * exp(x.value)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> sqrt(const Dual<T>& x) {
  const T y = sqrt(x.value);
  return {y, x.slope * T(0.5) / y};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> sin(const Dual<T>& x) {
  return {sin(x.value), x.slope * cos(x.value)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> cos(const Dual<T>& x) {
  return {cos(x.value), -x.slope * sin(x.value)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> tanh(const Dual<T>& x) {
  const T y = tanh(x.value);
  return {y, x.slope * (T(1) - y * y)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> sigmoid(const Dual<T>& x) {
  const T y = sigmoid(x.value);
  return {y, x.slope * y * (T(1) - y)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> softplus(const Dual<T>& x) {
  return {softplus(x.value), x.slope * sigmoid(x.value)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> erf(const Dual<T>& x) {
  return {erf(x.value), x.slope * T(1.1283791670955125739) * exp(-x.value * x.value)};
}
template <class T>
PUSHFORWARD_INLINE Dual<T> pow(const Dual<T>& x, double exponent) {
  return {pow(x.value, exponent), exponent == 0 ? T(0) : x.slope * T(exponent) * pow(x.value, exponent - 1)};
}

template <LaneLike T>
PUSHFORWARD_INLINE T square(const T& x) {
  return x * x;
}
/// `a` if the condition holds, else `b`.
template <LaneLike T>
PUSHFORWARD_INLINE T where(bool condition, const T& a, const T& b) {
  return condition ? a : b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T where(bool condition, const T& a, double b) {
  return condition ? a : T(b);
}
template <LaneLike T>
PUSHFORWARD_INLINE T where(bool condition, double a, const T& b) {
  return condition ? T(a) : b;
}
// As in ops: NaN stays NaN, the slope at a kink is 0, and equal arguments share it.
template <LaneLike T>
PUSHFORWARD_INLINE T relu(const T& x) {
  return x <= T(0) ? T(0) : x;
}
template <LaneLike T>
PUSHFORWARD_INLINE T silu(const T& x) {
  return x * sigmoid(x);
}
template <LaneLike T>
PUSHFORWARD_INLINE T gelu(const T& x) {
  return x * (T(0.5) + T(0.5) * erf(x * T(0.70710678118654752440)));
}
template <LaneLike T>
PUSHFORWARD_INLINE T abs(const T& x) {
  return x < T(0) ? -x : x == T(0) ? T(0) : x;
}
template <LaneLike T>
PUSHFORWARD_INLINE T maximum(const T& a, const T& b) {
  return a > b || !(a == a) ? a : a == b ? T(0.5) * a + T(0.5) * b : b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T minimum(const T& a, const T& b) {
  return a < b || !(a == a) ? a : a == b ? T(0.5) * a + T(0.5) * b : b;
}
template <LaneLike T>
PUSHFORWARD_INLINE T maximum(const T& a, double b) {
  return maximum(a, T(b));
}
template <LaneLike T>
PUSHFORWARD_INLINE T minimum(const T& a, double b) {
  return minimum(a, T(b));
}
// Choices between plain numbers: loops over lanes turn them into vector code, those between lanes into branches.
namespace detail {
template <class S>
PUSHFORWARD_INLINE Lane<S> kept_if(bool condition, const Lane<S>& x) {
  return condition ? x.value : S(0);
}
template <class T>
PUSHFORWARD_INLINE Dual<T> kept_if(bool condition, const Dual<T>& x) {
  return {kept_if(condition, x.value), kept_if(condition, x.slope)};
}
}  // namespace detail
template <class S>
PUSHFORWARD_INLINE Lane<S> clamp(const Lane<S>& x, double low, double high) {
  const S least = static_cast<S>(low), most = static_cast<S>(high), raised = x.value < least ? least : x.value;
  return raised > most ? most : raised;
}
template <class T>
PUSHFORWARD_INLINE Dual<T> clamp(const Dual<T>& x, double low, double high) {
  const bool outside = x < Dual<T>(low) || x > Dual<T>(high);
  return {clamp(x.value, low, high), detail::kept_if(!outside, x.slope)};
}

}  // namespace pushforward
