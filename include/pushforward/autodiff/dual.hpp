// Lane and Dual: the numbers that a lambda of elementwise() is run on.
#pragma once

#include <type_traits>

#include <pushforward/core/scalar_math.hpp>

namespace pushforward {

/// One element of the tensors that `elementwise` walks over. It behaves like the plain number; being a type of the
/// library, `exp(x)` and its kin are found without a namespace.
template <class S>
struct Lane {
  S value;

  Lane() = default;
  template <class N>
    requires std::is_arithmetic_v<N>
  Lane(N number) : value(static_cast<S>(number)) {}

  friend Lane operator+(Lane a, Lane b) { return a.value + b.value; }
  friend Lane operator-(Lane a, Lane b) { return a.value - b.value; }
  friend Lane operator*(Lane a, Lane b) { return a.value * b.value; }
  friend Lane operator/(Lane a, Lane b) { return a.value / b.value; }
  friend Lane operator-(Lane a) { return -a.value; }
  friend bool operator<(Lane a, Lane b) { return a.value < b.value; }
  friend bool operator>(Lane a, Lane b) { return a.value > b.value; }
  friend bool operator<=(Lane a, Lane b) { return a.value <= b.value; }
  friend bool operator>=(Lane a, Lane b) { return a.value >= b.value; }
  friend bool operator==(Lane a, Lane b) { return a.value == b.value; }
};

/// A number and its derivative in one direction: forward-mode differentiation. Duals of duals give higher orders.
template <class T>
struct Dual {
  T value, slope;

  Dual() = default;
  Dual(T v, T s) : value(v), slope(s) {}
  template <class N>
    requires std::is_arithmetic_v<N>
  Dual(N number) : value(number), slope(0) {}

  friend Dual operator+(const Dual& a, const Dual& b) { return {a.value + b.value, a.slope + b.slope}; }
  friend Dual operator-(const Dual& a, const Dual& b) { return {a.value - b.value, a.slope - b.slope}; }
  friend Dual operator*(const Dual& a, const Dual& b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
  friend Dual operator/(const Dual& a, const Dual& b) {
    const T quotient = a.value / b.value;
    return {quotient, (a.slope - quotient * b.slope) / b.value};
  }
  friend Dual operator-(const Dual& a) { return {-a.value, -a.slope}; }
  friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
  friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
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
T& operator+=(T& a, const T& b) { return a = a + b; }
template <LaneLike T>
T& operator-=(T& a, const T& b) { return a = a - b; }
template <LaneLike T>
T& operator*=(T& a, const T& b) { return a = a * b; }
template <LaneLike T>
T& operator/=(T& a, const T& b) { return a = a / b; }

template <class S>
Lane<S> exp(Lane<S> x) { return math::exp(x.value); }
template <class S>
Lane<S> log(Lane<S> x) { return math::log(x.value); }
template <class S>
Lane<S> log1p(Lane<S> x) { return math::log1p(x.value); }
template <class S>
Lane<S> expm1(Lane<S> x) { return math::expm1(x.value); }
template <class S>
Lane<S> sqrt(Lane<S> x) { return math::sqrt(x.value); }
template <class S>
Lane<S> sin(Lane<S> x) { return math::sin(x.value); }
template <class S>
Lane<S> cos(Lane<S> x) { return math::cos(x.value); }
template <class S>
Lane<S> tanh(Lane<S> x) { return math::tanh(x.value); }
template <class S>
Lane<S> sigmoid(Lane<S> x) { return math::sigmoid(x.value); }
template <class S>
Lane<S> softplus(Lane<S> x) { return math::softplus(x.value); }
template <class S>
Lane<S> erf(Lane<S> x) { return math::erf(x.value); }
template <class S>
Lane<S> pow(Lane<S> x, double exponent) { return math::pow(x.value, static_cast<S>(exponent)); }

template <class T>
Dual<T> exp(const Dual<T>& x) {
  const T y = exp(x.value);
  return {y, x.slope * y};
}
template <class T>
Dual<T> log(const Dual<T>& x) { return {log(x.value), x.slope / x.value}; }
template <class T>
Dual<T> log1p(const Dual<T>& x) { return {log1p(x.value), x.slope / (x.value + T(1))}; }
template <class T>
Dual<T> expm1(const Dual<T>& x) { return {expm1(x.value), x.slope * exp(x.value)}; }
template <class T>
Dual<T> sqrt(const Dual<T>& x) {
  const T y = sqrt(x.value);
  return {y, x.slope * T(0.5) / y};
}
template <class T>
Dual<T> sin(const Dual<T>& x) { return {sin(x.value), x.slope * cos(x.value)}; }
template <class T>
Dual<T> cos(const Dual<T>& x) { return {cos(x.value), -x.slope * sin(x.value)}; }
template <class T>
Dual<T> tanh(const Dual<T>& x) {
  const T y = tanh(x.value);
  return {y, x.slope * (T(1) - y * y)};
}
template <class T>
Dual<T> sigmoid(const Dual<T>& x) {
  const T y = sigmoid(x.value);
  return {y, x.slope * y * (T(1) - y)};
}
template <class T>
Dual<T> softplus(const Dual<T>& x) { return {softplus(x.value), x.slope * sigmoid(x.value)}; }
template <class T>
Dual<T> erf(const Dual<T>& x) { return {erf(x.value), x.slope * T(1.1283791670955125739) * exp(-x.value * x.value)}; }
template <class T>
Dual<T> pow(const Dual<T>& x, double exponent) {
  return {pow(x.value, exponent), exponent == 0 ? T(0) : x.slope * T(exponent) * pow(x.value, exponent - 1)};
}

template <LaneLike T>
T square(const T& x) { return x * x; }
/// `a` if the condition holds, else `b`.
template <LaneLike T>
T where(bool condition, const T& a, const T& b) { return condition ? a : b; }
template <LaneLike T>
T relu(const T& x) { return x > T(0) ? x : T(0); }
template <LaneLike T>
T silu(const T& x) { return x * sigmoid(x); }
template <LaneLike T>
T gelu(const T& x) { return x * (T(0.5) + T(0.5) * erf(x * T(0.70710678118654752440))); }
template <LaneLike T>
T abs(const T& x) { return x < T(0) ? -x : x; }
template <LaneLike T>
T maximum(const T& a, const T& b) { return a > b ? a : b; }
template <LaneLike T>
T minimum(const T& a, const T& b) { return a < b ? a : b; }
template <LaneLike T>
T clamp(const T& x, double low, double high) { return x < T(low) ? T(low) : x > T(high) ? T(high) : x; }

}  // namespace pushforward
