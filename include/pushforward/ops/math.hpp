// Elementwise functions. Each is a small struct: its value, its slope, and the slope of its slope.
#pragma once

#include <pushforward/core/scalar_math.hpp>
#include <pushforward/core/special_functions.hpp>
#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

namespace detail {

// A function F has
//   value(x), and slope(v), plain numbers, where v is the input x or, if F::from_output, the output y: whichever
//   makes the slope cheap;
//   slope_of_both(x, y) beside slope(x), where knowing both makes the slope much cheaper;
//   curvature(v), d slope / d v as a differentiable tensor, or nothing if it is zero wherever it exists.
// First-order gradients are one fused pass; higher orders follow from `curvature`.
template <class F, class S>
inline constexpr bool has_curvature = requires(const F& f, const Tensor<S>& v) {
  f.curvature(v);
};
template <class F>
inline constexpr bool has_slope_of_both = requires(const F& f) {
  f.slope_of_both(0.0f, 0.0f);
};

// cotangent * F.slope(v); `y` holds the numbers of F(v) where F has slope_of_both, and is unused elsewhere.
template <class F, class S>
Tensor<S> times_slope(const char* name, const F& f, const Tensor<S>& cotangent, const Tensor<S>& v,
                      const Tensor<S>& y = {}) {
  Tensor<S> result = Access::allocate<S>(v.shape());
  if constexpr (has_slope_of_both<F>)
    map_parallel([f](S g, S u, S w) { return g * f.slope_of_both(u, w); }, v.size(), Access::data(result),
                 cotangent.data(), v.data(), y.data());
  else
    map_parallel([f](S g, S u) { return g * f.slope(u); }, v.size(), Access::data(result), cotangent.data(), v.data());
  if constexpr (has_curvature<F, S>) {
    return record(name, std::move(result),
                  edge(cotangent, [=](const Tensor<S>& g) { return times_slope(name, f, g, v, y); }),
                  edge(v, [=](const Tensor<S>& g) { return g * cotangent * f.curvature(v); }));
  } else {
    return record(name, std::move(result),
                  edge(cotangent, [=](const Tensor<S>& g) { return times_slope(name, f, g, v, y); }));
  }
}

template <class F, class S>
Tensor<S> apply_function(const char* name, const F& f, const Tensor<S>& x) {
  Tensor<S> y = Access::allocate<S>(x.shape());
  map_parallel([f](S u) { return f.value(u); }, x.size(), Access::data(y), x.data());
  if constexpr (F::from_output)
    return record(name, std::move(y),
                  edge(x, [=](const Tensor<S>& g, const Tensor<S>& out) { return times_slope(name, f, g, out); }));
  else if constexpr (has_slope_of_both<F>)
    return record(name, std::move(y), edge(x, [=](const Tensor<S>& g, const Tensor<S>& out) {
                    return times_slope(name, f, g, x, stop_gradient(out));
                  }));
  else
    return record(name, std::move(y), edge(x, [=](const Tensor<S>& g) { return times_slope(name, f, g, x); }));
}

// y / x, where y = x f(x) and f(0) = 1/2; next to 0 the quotient of subnormal numbers would be wrong.
template <class S>
PUSHFORWARD_INLINE S mean_slope(S x, S y) {
  const bool tiny = x < S(1e-20) && x > S(-1e-20);
  return tiny ? S(0.5) : y / (tiny ? S(1) : x);
}

struct OfInput {
  static constexpr bool from_output = false;
};
struct OfOutput {
  static constexpr bool from_output = true;
};

}  // namespace detail

template <class S>
Tensor<S> exp(const Tensor<S>& x);
template <class S>
Tensor<S> sigmoid(const Tensor<S>& x);
template <class S>
Tensor<S> sin(const Tensor<S>& x);
template <class S>
Tensor<S> cos(const Tensor<S>& x);
template <class S>
Tensor<S> square(const Tensor<S>& x);
template <class S>
Tensor<S> reciprocal(const Tensor<S>& x);
template <class S, Number N>
Tensor<S> pow(const Tensor<S>& x, N exponent);
template <class S>
Tensor<S> polygamma(int order, const Tensor<S>& x);

namespace detail {

inline constexpr double inverse_sqrt_2pi = 0.39894228040143267794, two_over_sqrt_pi = 1.1283791670955125739;
inline constexpr double sqrt_pi = 1.7724538509055160273;

struct Exp : OfOutput {
  auto value(auto x) const { return math::exp(x); }
  auto slope(auto y) const { return y; }
  template <class S>
  Tensor<S> curvature(const Tensor<S>&) const {
    return Tensor<S>::scalar(S(1));
  }
};
struct Log : OfInput {
  auto value(auto x) const { return math::log(x); }
  template <class S>
  S slope(S x) const {
    return S(1) / x;
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -square(reciprocal(x));
  }
};
struct Log1p : OfInput {
  auto value(auto x) const { return math::log1p(x); }
  template <class S>
  S slope(S x) const {
    return S(1) / (S(1) + x);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -square(reciprocal(x + 1));
  }
};
struct Expm1 : OfOutput {
  auto value(auto x) const { return math::expm1(x); }
  template <class S>
  S slope(S y) const {
    return y + S(1);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>&) const {
    return Tensor<S>::scalar(S(1));
  }
};
struct Sqrt : OfOutput {
  auto value(auto x) const { return math::sqrt(x); }
  template <class S>
  S slope(S y) const {
    return S(0.5) / y;
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return -0.5 * square(reciprocal(y));
  }
};
struct Rsqrt : OfOutput {
  auto value(auto x) const { return math::rsqrt(x); }
  template <class S>
  S slope(S y) const {
    return S(-0.5) * y * y * y;
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return -1.5 * square(y);
  }
};
struct Square : OfInput {
  auto value(auto x) const { return x * x; }
  auto slope(auto x) const { return x + x; }
  template <class S>
  Tensor<S> curvature(const Tensor<S>&) const {
    return Tensor<S>::scalar(S(2));
  }
};
struct Reciprocal : OfOutput {
  template <class S>
  S value(S x) const {
    return S(1) / x;
  }
  auto slope(auto y) const { return -y * y; }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return -2 * y;
  }
};
struct Sin : OfInput {
  auto value(auto x) const { return math::sin(x); }
  auto slope(auto x) const { return math::cos(x); }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -pushforward::sin(x);
  }
};
struct Cos : OfInput {
  auto value(auto x) const { return math::cos(x); }
  auto slope(auto x) const { return -math::sin(x); }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -pushforward::cos(x);
  }
};
struct Tanh : OfOutput {
  auto value(auto x) const { return math::tanh(x); }
  template <class S>
  S slope(S y) const {
    return S(1) - y * y;
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return -2 * y;
  }
};
struct Sigmoid : OfOutput {
  auto value(auto x) const { return math::sigmoid(x); }
  template <class S>
  S slope(S y) const {
    return y * (S(1) - y);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return 1 - 2 * y;
  }
};
struct Softplus : OfInput {
  auto value(auto x) const { return math::softplus(x); }
  auto slope(auto x) const { return math::sigmoid(x); }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const Tensor<S> s = pushforward::sigmoid(x);
    return s * (1 - s);
  }
};
struct Silu : OfInput {
  auto value(auto x) const { return math::silu(x); }
  template <class S>
  S slope(S x) const {
    const S s = math::sigmoid(x);
    return s + s * (x - x * s);
  }
  template <class S>
  S slope_of_both(S x, S y) const {
    const S s = mean_slope(x, y);
    return s + y * (S(1) - s);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const Tensor<S> s = pushforward::sigmoid(x);
    return s * (1 - s) * (2 + x * (1 - 2 * s));
  }
};
// x Phi(x), with the exact normal cdf: Hendrycks and Gimpel 2016, eq. 1.
struct Gelu : OfInput {
  auto value(auto x) const { return math::gelu(x); }
  template <class S>
  S slope(S x) const {
    const S cdf = S(0.5) + S(0.5) * math::erf(x * S(0.70710678118654752440));
    return cdf + x * S(inverse_sqrt_2pi) * math::exp(S(-0.5) * x * x);
  }
  template <class S>
  S slope_of_both(S x, S y) const {
    return mean_slope(x, y) + x * S(inverse_sqrt_2pi) * math::exp(S(-0.5) * x * x);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const Tensor<S> x2 = square(x);
    return inverse_sqrt_2pi * pushforward::exp(-0.5 * x2) * (2 - x2);
  }
};
struct Relu : OfOutput {
  template <class S>
  S value(S x) const {
    return x > S(0) || x != x ? x : S(0);
  }
  template <class S>
  S slope(S y) const {
    return y > S(0) ? S(1) : S(0);
  }
};
struct LeakyRelu : OfInput {
  double below;
  template <class S>
  S value(S x) const {
    return x > S(0) ? x : static_cast<S>(below) * x;
  }
  template <class S>
  S slope(S x) const {
    return x > S(0) ? S(1) : static_cast<S>(below);
  }
};
struct Elu : OfInput {
  double alpha;
  template <class S>
  S value(S x) const {
    const S below = static_cast<S>(alpha) * math::expm1(x > S(0) ? S(0) : x);
    return x > S(0) ? x : below;
  }
  template <class S>
  S slope(S x) const {
    const S below = static_cast<S>(alpha) * math::exp(x > S(0) ? S(0) : x);
    return x > S(0) ? S(1) : below;
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return where(x > 0, Tensor<S>::scalar(S(0)), alpha * pushforward::exp(minimum(x, 0)));
  }
};
struct Erf : OfInput {
  auto value(auto x) const { return math::erf(x); }
  template <class S>
  S slope(S x) const {
    return S(two_over_sqrt_pi) * math::exp(-x * x);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -2 * two_over_sqrt_pi * x * pushforward::exp(-square(x));
  }
};
struct Erfinv : OfOutput {
  auto value(auto x) const { return math::erfinv(x); }
  template <class S>
  S slope(S y) const {
    return S(0.5 * sqrt_pi) * math::exp(y * y);
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& y) const {
    return sqrt_pi * y * pushforward::exp(square(y));
  }
};
struct Lgamma : OfInput {
  auto value(auto x) const { return math::lgamma(x); }
  auto slope(auto x) const { return math::digamma(x); }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return pushforward::polygamma(1, x);
  }
};
struct Polygamma : OfInput {
  int order;
  auto value(auto x) const { return math::polygamma(order, x); }
  auto slope(auto x) const { return math::polygamma(order + 1, x); }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return pushforward::polygamma(order + 2, x);
  }
};
struct Abs : OfInput {
  template <class S>
  S value(S x) const {
    return x < S(0) ? -x : x;
  }
  template <class S>
  S slope(S x) const {
    return x > S(0) ? S(1) : x < S(0) ? S(-1) : S(0);
  }
};
struct Clamp : OfInput {
  double low, high;
  template <class S>
  S value(S x) const {
    const S a = static_cast<S>(low), b = static_cast<S>(high);
    return x < a ? a : x > b ? b : x;
  }
  template <class S>
  S slope(S x) const {
    return x >= static_cast<S>(low) && x <= static_cast<S>(high) ? S(1) : S(0);
  }
};
struct Power : OfInput {
  double exponent;
  auto value(auto x) const { return math::pow(x, static_cast<decltype(x)>(exponent)); }
  template <class S>
  S slope(S x) const {
    return exponent == 0 ? S(0) : static_cast<S>(exponent) * math::pow(x, static_cast<S>(exponent - 1));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    const double factor = exponent * (exponent - 1);  // 0 * x^-1 at 0 would be NaN
    return factor == 0 ? Tensor<S>::scalar(S(0)) : factor * pushforward::pow(x, exponent - 2);
  }
};

}  // namespace detail

/// e^x.
template <class S>
Tensor<S> exp(const Tensor<S>& x) {
  return detail::apply_function("exp", detail::Exp{}, x);
}
/// The natural logarithm: -inf at 0, NaN below.
template <class S>
Tensor<S> log(const Tensor<S>& x) {
  return detail::apply_function("log", detail::Log{}, x);
}
/// log(1 + x), exact near 0.
template <class S>
Tensor<S> log1p(const Tensor<S>& x) {
  return detail::apply_function("log1p", detail::Log1p{}, x);
}
/// e^x - 1, exact near 0.
template <class S>
Tensor<S> expm1(const Tensor<S>& x) {
  return detail::apply_function("expm1", detail::Expm1{}, x);
}
template <class S>
Tensor<S> sqrt(const Tensor<S>& x) {
  return detail::apply_function("sqrt", detail::Sqrt{}, x);
}
/// 1 / sqrt(x).
template <class S>
Tensor<S> rsqrt(const Tensor<S>& x) {
  return detail::apply_function("rsqrt", detail::Rsqrt{}, x);
}
template <class S>
Tensor<S> square(const Tensor<S>& x) {
  return detail::apply_function("square", detail::Square{}, x);
}
/// 1 / x.
template <class S>
Tensor<S> reciprocal(const Tensor<S>& x) {
  return detail::apply_function("reciprocal", detail::Reciprocal{}, x);
}
template <class S>
Tensor<S> sin(const Tensor<S>& x) {
  return detail::apply_function("sin", detail::Sin{}, x);
}
template <class S>
Tensor<S> cos(const Tensor<S>& x) {
  return detail::apply_function("cos", detail::Cos{}, x);
}
template <class S>
Tensor<S> tanh(const Tensor<S>& x) {
  return detail::apply_function("tanh", detail::Tanh{}, x);
}
/// The logistic function 1 / (1 + e^-x).
template <class S>
Tensor<S> sigmoid(const Tensor<S>& x) {
  return detail::apply_function("sigmoid", detail::Sigmoid{}, x);
}
/// log(1 + e^x), without overflow.
template <class S>
Tensor<S> softplus(const Tensor<S>& x) {
  return detail::apply_function("softplus", detail::Softplus{}, x);
}
/// x sigmoid(x).
template <class S>
Tensor<S> silu(const Tensor<S>& x) {
  return detail::apply_function("silu", detail::Silu{}, x);
}
/// x Phi(x), Phi the exact normal distribution function (Hendrycks and Gimpel 2016, eq. 1).
template <class S>
Tensor<S> gelu(const Tensor<S>& x) {
  return detail::apply_function("gelu", detail::Gelu{}, x);
}
/// max(x, 0); its gradient at 0 is 0.
template <class S>
Tensor<S> relu(const Tensor<S>& x) {
  return detail::apply_function("relu", detail::Relu{}, x);
}
/// x above 0, slope * x below.
template <class S>
Tensor<S> leaky_relu(const Tensor<S>& x, double slope = 0.01) {
  return detail::apply_function("leaky_relu", detail::LeakyRelu{{}, slope}, x);
}
/// x above 0, alpha (e^x - 1) below.
template <class S>
Tensor<S> elu(const Tensor<S>& x, double alpha = 1.0) {
  return detail::apply_function("elu", detail::Elu{{}, alpha}, x);
}
/// The error function 2 / sqrt(pi) int_0^x e^(-t^2) dt.
template <class S>
Tensor<S> erf(const Tensor<S>& x) {
  return detail::apply_function("erf", detail::Erf{}, x);
}
/// The inverse of erf on (-1, 1): infinite at the ends, NaN beyond.
template <class S>
Tensor<S> erfinv(const Tensor<S>& x) {
  return detail::apply_function("erfinv", detail::Erfinv{}, x);
}
/// log |Gamma(x)|.
template <class S>
Tensor<S> lgamma(const Tensor<S>& x) {
  return detail::apply_function("lgamma", detail::Lgamma{}, x);
}
/// The derivative of order + 1 of log Gamma; order 0 is digamma, 1 trigamma.
template <class S>
Tensor<S> polygamma(int order, const Tensor<S>& x) {
  return detail::apply_function("polygamma", detail::Polygamma{{}, order}, x);
}
/// The logarithmic derivative of the gamma function.
template <class S>
Tensor<S> digamma(const Tensor<S>& x) {
  return polygamma(0, x);
}
/// |x|; its gradient at 0 is 0.
template <class S>
Tensor<S> abs(const Tensor<S>& x) {
  return detail::apply_function("abs", detail::Abs{}, x);
}
/// -1, 0 or 1; a constant, since its gradient is 0.
template <class S>
Tensor<S> sign(const Tensor<S>& x) {
  return (x > 0) - (x < 0);
}
/// x limited to [low, high]; the gradient is 0 outside.
template <class S>
Tensor<S> clamp(const Tensor<S>& x, double low, double high) {
  if (!(low <= high)) fail<ValueError>("clamp: the bounds are ", low, " and ", high, ", expected low <= high");
  return detail::apply_function("clamp", detail::Clamp{{}, low, high}, x);
}
/// x^exponent for a plain number.
template <class S, Number N>
Tensor<S> pow(const Tensor<S>& x, N exponent) {
  return detail::apply_function("pow", detail::Power{{}, static_cast<double>(exponent)}, x);
}

/// x^y elementwise, with broadcasting. The gradient in y is 0 where x is 0 and y is not negative.
template <class S>
Tensor<S> pow(const Tensor<S>& x, const Tensor<S>& y) {
  auto dx = [x, y](const Tensor<S>& g) {
    const Tensor<S> base = where(equal(x, 0) * equal(y, 0), 1, x);  // 0^0: slope 0, not 0 * 0^-1
    return sum_to(g * y * pow(base, y - 1), x.shape());
  };
  auto dy = [x, y](const Tensor<S>& g, const Tensor<S>& out) {
    const Tensor<S> at_zero = equal(x, 0) * (y >= 0);
    return sum_to(g * out * log(where(at_zero, 1, x)), y.shape());
  };
  return detail::record("pow",
                        detail::map_broadcast(
                            "pow", [](S u, S v) { return math::pow(u, v); }, x, y),
                        detail::edge(x, dx), detail::edge(y, dy));
}

/// base^x for a plain number.
template <class S, Number N>
Tensor<S> pow(N base, const Tensor<S>& x) {
  return pow(Tensor<S>::scalar(static_cast<S>(base)), x);
}

/// 1 where x is neither NaN nor infinite, 0 elsewhere.
template <class S>
Tensor<S> is_finite(const Tensor<S>& x) {
  return abs(stop_gradient(x)) <= std::numeric_limits<S>::max();
}

}  // namespace pushforward
