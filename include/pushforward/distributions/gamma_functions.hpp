// What gamma, beta and Student's t distributions need of the gamma function, without the cancellation of large terms.
#pragma once

#include <pushforward/core/special_functions.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward::math {

namespace detail {

// d^n/dx^n of 1 / x.
inline double reciprocal_derivative(int n, double x) {
  double value = 1.0 / x;
  for (int k = 1; k <= n; ++k) value *= -k / x;
  return value;
}

}  // namespace detail

/// d^n/dx^n of log Gamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2), what Stirling's formula lacks, for x > 0.
inline double stirling_remainder(int n, double x) {
  if (x < 16.0 + n) {
    if (n == 0) return lgamma(x) - ((x - 0.5) * std::log(x) - x + pushforward::detail::half_log_two_pi);
    const double leading = n == 1 ? std::log(x) : detail::reciprocal_derivative(n - 2, x);
    return polygamma(n - 1, x) - leading + 0.5 * detail::reciprocal_derivative(n - 1, x);
  }
  if (n == 0) {
    double series = 0.0;
    for (int j = 7; j >= 1; --j)
      series = series / (x * x) + detail::bernoulli[static_cast<std::size_t>(j - 1)] / (2.0 * j * (2.0 * j - 1.0));
    return series / x;
  }
  double sum = 0.0;  // of the derivatives of B_2j / (2j (2j - 1) x^(2j - 1))
  for (int j = 8; j >= 1; --j) {
    double term = detail::bernoulli[static_cast<std::size_t>(j - 1)] / (2.0 * j * (2.0 * j - 1.0));
    for (int k = 0; k < n; ++k) term *= -(2.0 * j - 1.0 + k) / x;
    sum += term * std::pow(x, -(2.0 * j - 1.0));
  }
  return sum;
}

/// d^n/dx^n of log(Gamma(x + 1/2) / Gamma(x)) - log(x) / 2, which vanishes as -1 / (8 x), for x > 0.
inline double gamma_half_step(int n, double x) {
  if (n == 0 && x > 16.0)
    return x * std::log1p(0.5 / x) - 0.5 + stirling_remainder(0, x + 0.5) - stirling_remainder(0, x);
  if (n == 0) return lgamma(x + 0.5) - lgamma(x) - 0.5 * std::log(x);
  if (n == 1 && x > 16.0)
    return std::log1p(0.5 / x) - 0.5 / (x + 0.5) + stirling_remainder(1, x + 0.5) - stirling_remainder(1, x);
  return polygamma(n - 1, x + 0.5) - polygamma(n - 1, x) - 0.5 * detail::reciprocal_derivative(n - 1, x);
}

/// d log z / d alpha of a Gamma(alpha, 1) quantile z at a fixed probability, from log z: -(dP/dalpha) / (z p(z)).
///
/// Implicit reparameterization (Figurnov, Mohamed and Mnih 2018, sec. 3), with P, the regularized incomplete gamma
/// function, differentiated term by term: in its power series for z < alpha + 1, else in its continued fraction; for
/// alpha > 1e4 from the expansion of Cornish and Fisher.
double log_gamma_quantile_slope(double alpha, double log_z);

/// The regularized incomplete gamma function P(a, x) = int_0^x t^(a - 1) e^-t dt / Gamma(a), for a > 0; 0 for x <= 0.
double gamma_p(double a, double x);
/// Its complement 1 - P(a, x), accurate where it is small.
double gamma_q(double a, double x);
/// x log(x / m) + m - x >= 0, without cancellation for x near m (Loader, Fast and accurate computation of binomial
/// probabilities, 2000).
double deviance(double x, double m);
/// The regularized incomplete beta function I_x(a, b), for a > 0 and b > 0; 0 for x <= 0, 1 for x >= 1.
double beta_p(double a, double b, double x);
/// The same from x and y = 1 - x, each accurate where it is small.
double beta_p(double a, double b, double x, double y);

}  // namespace pushforward::math

namespace pushforward::detail {

struct StirlingRemainder : OfInput {
  int order;
  template <class S>
  S value(S x) const {
    return static_cast<S>(math::stirling_remainder(order, static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(math::stirling_remainder(order + 1, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return apply_function("stirling_remainder", StirlingRemainder{{}, order + 2}, x);
  }
};

struct GammaHalfStep : OfInput {
  int order;
  template <class S>
  S value(S x) const {
    return static_cast<S>(math::gamma_half_step(order, static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(math::gamma_half_step(order + 1, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return apply_function("gamma_half_step", GammaHalfStep{{}, order + 2}, x);
  }
};

template <class S>
Tensor<S> stirling_remainder(const Tensor<S>& x, int order = 0) {
  return apply_function("stirling_remainder", StirlingRemainder{{}, order}, x);
}
template <class S>
Tensor<S> gamma_half_step(const Tensor<S>& x, int order = 0) {
  return apply_function("gamma_half_step", GammaHalfStep{{}, order}, x);
}

// The entropy of Gamma(alpha, 1), alpha + log Gamma(alpha) + (1 - alpha) psi(alpha), by Stirling's formula.
template <class S>
Tensor<S> gamma_entropy(const Tensor<S>& alpha) {
  return 0.5 * log(alpha) + (detail::half_log_two_pi + 0.5) - 0.5 / alpha + stirling_remainder(alpha) +
         (1 - alpha) * stirling_remainder(alpha, 1);
}

// math::deviance of positive tensors, in double.
template <class S>
Tensor<S> deviance(const Tensor<S>& x, const Tensor<S>& m) {
  auto value = [](const Tensor<S>& at, const Tensor<S>& mean) {
    return in_double("deviance", math::deviance, at, mean);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& at, const Tensor<S>& mean) {
    const Tensor<S> off = (at - mean) / mean, near = abs(stop_gradient(off)) < 0.5;
    const Tensor<S> log_ratio = where(near, log1p(where(near, off, 0)), log(at) - log(mean));
    return std::array<Tensor<S>, 2>{sum_to(g * log_ratio, at.shape()), sum_to(-g * off, mean.shape())};
  };
  return primitive(value, rule, x, m);
}

// log Gamma(p) - log Gamma(q) - (p - q) psi(q) - deviance(p, q), which stays small for large p and q.
template <class S>
Tensor<S> log_gamma_divergence_rest(const Tensor<S>& p, const Tensor<S>& q) {
  return 0.5 * deviance(q, p) / q + stirling_remainder(p) - stirling_remainder(q) - (p - q) * stirling_remainder(q, 1);
}

// log Gamma(p) - log Gamma(q) - (p - q) psi(q) >= 0, of which the divergences of beta and Dirichlet distributions
// consist; large terms cancel on paper.
template <class S>
Tensor<S> log_gamma_divergence(const Tensor<S>& p, const Tensor<S>& q) {
  return deviance(p, q) + log_gamma_divergence_rest(p, q);
}

// a log(1 + distance / a) - distance, where log_ratio = log(1 + distance / a). Near 0, where the two cancel to first
// order, by the series of log(1 + d) - d = -d r + 2 (r^3 / 3 + r^5 / 5 + ...) with r = d / (2 + d).
template <class T>
auto centered_log(const T& distance, const T& a, const T& log_ratio) {
  const T quarter = a * 0.25, d = maximum(minimum(distance, quarter), -quarter) / a;
  const T r = d / (d + 2.0), q = r * r;
  T series = q * (1.0 / 21) + 1.0 / 19;
  for (const double power : {17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0}) series = q * series + 1.0 / power;
  return where(abs(distance) <= quarter, a * (r * (q * series * 2.0 - d)), a * log_ratio - distance);
}

// log of x times the density of Gamma(a, rate) at x = u / rate, with `remainder` of Stirling's formula at a.
template <class T>
auto log_gamma_kernel(const T& u, const T& log_u, const T& a, const T& remainder) {
  const T log_a = log(a);
  return centered_log(u - a, a, log_u - log_a) + log_a * 0.5 - remainder - detail::half_log_two_pi;
}

// d log z / d alpha of gamma quantiles z = e^log_z; differentiated again it throws.
template <class S>
Tensor<S> log_gamma_quantile_slopes(const Tensor<S>& alpha, const Tensor<S>& log_z) {
  auto slopes = [](const Tensor<S>& at, const Tensor<S>& y) {
    return Tensor<S>::build(at.shape(), [&](S* out) {
      parallel_for(at.size(), 64, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
          out[i] = static_cast<S>(
              math::log_gamma_quantile_slope(static_cast<double>(at.data()[i]), static_cast<double>(y.data()[i])));
      });
    });
  };
  auto none = [](const Tensor<S>&, const Tensor<S>&, const Tensor<S>&, const Tensor<S>&) -> std::array<Tensor<S>, 2> {
    fail<GradientError>(
        "gamma distribution: draws and cdf are differentiable once in the concentration, and a second "
        "derivative was asked for; differentiate log_prob instead, or take them as constants");
  };
  return primitive(slopes, none, alpha, log_z);
}

// The logarithm of one draw from Gamma(alpha, 1) for each alpha, differentiable in alpha once.
template <class S>
Tensor<S> log_gamma_rsample(const Tensor<S>& alpha, Rng& rng) {
  return record(
      "gamma_draw", log_gamma_draw(stop_gradient(alpha), rng),
      edge(alpha, [=](const Tensor<S>& g, const Tensor<S>& y) { return g * log_gamma_quantile_slopes(alpha, y); }));
}

// P(a, t), or its complement, for a and t of one shape; differentiable in both, in a once.
template <class S>
Tensor<S> gamma_cdf(const Tensor<S>& a, const Tensor<S>& t, bool upper) {
  auto value = [upper](const Tensor<S>& at, const Tensor<S>& x) {
    return Tensor<S>::generate(at.shape(), [&](Index i) {
      const double alpha = static_cast<double>(at.data()[i]), z = static_cast<double>(x.data()[i]);
      return static_cast<S>(upper ? math::gamma_q(alpha, z) : math::gamma_p(alpha, z));
    });
  };
  auto vjp = [upper](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& at, const Tensor<S>& x) {
    const Tensor<S> z = clamp(x, std::numeric_limits<S>::min(), std::numeric_limits<S>::max()), log_z = log(z);
    const Tensor<S> mass = (upper ? -g : g) * exp(log_gamma_kernel(z, log_z, at, stirling_remainder(at)));
    return std::array<Tensor<S>, 2>{-mass * log_gamma_quantile_slopes(at, log_z), where(x <= 0, 0, mass / z)};
  };
  return primitive(value, vjp, a, t);
}

}  // namespace pushforward::detail

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/distributions/gamma_functions.inl>
#endif
