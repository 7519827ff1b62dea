// Distribution functions, quantiles and entropies of counts, in double: Poisson, binomial, negative binomial.
#pragma once

#include <array>

#include <pushforward/distributions/counting.hpp>

namespace pushforward::detail {

// P(X <= x); NaN for a NaN.
double poisson_cdf(double x, double log_rate);
double binomial_cdf(double x, double n, double logit);
double negative_binomial_cdf(double x, double r, double logit);

// The least count k with P(X <= k) >= p; NaN unless 0 <= p <= 1.
double poisson_quantile(double p, double log_rate);
double binomial_quantile(double p, double n, double logit);
double negative_binomial_quantile(double p, double r, double logit);

// An entropy in nats and its derivatives, by the sum over the masses, and for distributions of many counts that are
// nearly normal by the expansion in their cumulants (Comon, Independent component analysis, a new concept?, 1994).
struct CountEntropy {
  double value, by_logit = 0, by_failures = 0;
};
CountEntropy poisson_entropy(double log_rate);  // by_logit is by log_rate
CountEntropy binomial_entropy(double n, double logit);
CountEntropy negative_binomial_entropy(double r, double logit);

// The last count up to x: beside it P(X <= x) moves with the parameters.
template <class S>
Tensor<S> last_count(const Tensor<S>& x) {
  return in_double(
      "last_count", [](double u) { return std::floor(u); }, stop_gradient(x));
}

// A derivative without one of its own.
template <class S, class... T>
Tensor<S> constant_slope(const char* name, const auto& slope, const Tensor<S>& first, const T&... more) {
  auto none = [name](const Tensor<S>&, const Tensor<S>&, const Tensor<S>&, const T&...) {
    fail<GradientError>(name, ": it is differentiable once, and a second derivative was asked for; differentiate ",
                        "log_prob instead, or take it as a constant");
    return std::array<Tensor<S>, 1 + sizeof...(T)>{};
  };
  return primitive([&](const auto&... at) { return in_double(name, slope, at...); }, none, first, more...);
}

}  // namespace pushforward::detail

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/distributions/count_functions.inl>
#endif
