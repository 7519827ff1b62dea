// ContinuousBernoulli: the density on [0, 1] that a Bernoulli's cross-entropy is the logarithm of, normalized.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// The derivatives of order 0 to 5 of A(l) = log((e^l - 1) / l) = l / 2 + h(l), h(l) = log(sinh(l / 2) / (l / 2)). Near
// 0 the closed forms cancel, and the series h(l) = sum_k B_2k l^2k / (2k (2k)!) takes over.
inline double log_mean_exp_slope(int order, double l) {
  const double linear = order == 0 ? 0.5 * l : order == 1 ? 0.5 : 0.0, a = std::abs(l);
  if (a < 1) {
    double sum = 0, factorial = 1;
    for (int k = 1; k <= 10; ++k) {
      factorial *= (2.0 * k - 1) * (2.0 * k);
      if (2 * k < order) continue;
      double term = math::detail::bernoulli[static_cast<std::size_t>(k - 1)] / (2.0 * k * factorial);
      for (int i = 0; i < order; ++i) term *= 2.0 * k - i;
      sum += term * std::pow(l, 2 * k - order);
    }
    return linear + sum;
  }
  const double rest = -std::expm1(-a);  // 1 - e^-|l|
  if (order == 0) return (l > 0 ? l : 0.0) + std::log(rest / a);
  if (order == 1) return (l > 0 ? 1 / rest : -std::exp(-a) / rest) - 1 / l;
  const double inverse = std::exp(-a) / (rest * rest), sign = l > 0 ? 1 : -1;  // 1 / (4 sinh^2(l / 2))
  if (order == 2) return 1 / (l * l) - inverse;
  const double tanh = rest / (1 + std::exp(-a));
  if (order == 3) return sign * (inverse / tanh - 2 / (a * a * a));
  if (order == 4) return 6 / std::pow(a, 4) - inverse - 6 * inverse * inverse;
  return sign * (inverse * (1 + 12 * inverse) / tanh - 24 / std::pow(a, 5));
}

struct LogMeanExp : OfInput {
  int order = 0;
  template <class S>
  S value(S l) const {
    return static_cast<S>(log_mean_exp_slope(order, static_cast<double>(l)));
  }
  template <class S>
  S slope(S l) const {
    return static_cast<S>(log_mean_exp_slope(order + 1, static_cast<double>(l)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& l) const {
    if (order > 2) fail<GradientError>("log_mean_exp: derivatives exist up to order 5, and one more was asked for");
    return apply_function("log_mean_exp", LogMeanExp{{}, order + 2}, l);
  }
};

// d^order/dl^order of log of the integral of e^(l x) over [0, 1].
template <class S>
Tensor<S> log_mean_exp(const Tensor<S>& l, int order = 0) {
  return apply_function("log_mean_exp", LogMeanExp{{}, order}, l);
}

// The share u of the mass e^(l x) on [0, 1] lies below this x.
inline double exponential_quantile(double u, double l) {
  if (l == 0) return u;
  if (l > 1) return std::max(0.0, 1 + std::log(u + (1 - u) * std::exp(-l)) / l);
  return std::min(1.0, std::log1p(u * std::expm1(l)) / l);
}

}  // namespace detail

/// The continuous Bernoulli, p(x) = C(l) e^(l x) on [0, 1] with logits l (Loaiza-Ganem and Cunningham 2019): the
/// likelihood for data between 0 and 1, such as gray pixels, where a Bernoulli is not normalized.
///
/// Logits of shape [.., d]: the last axis is the event; a scalar makes a distribution of plain numbers. In logits the
/// constant is C(l) = l / (e^l - 1), smooth through l = 0 (a probability of 1/2), where a series takes over. Throws
/// ValueError for logits that are not finite.
template <class S = float>
class ContinuousBernoulli {
 public:
  using Scalar = S;

  explicit ContinuousBernoulli(const Tensor<S>& logits) : logits_(logits) {
    detail::check_parameter(
        "ContinuousBernoulli", "logits", logits, [](S x) { return x - x == S(0); }, "a finite number");
  }
  /// With the parameter lambda = sigmoid(logits) in (0, 1), which is not the mean. Throws ValueError for others.
  static ContinuousBernoulli from_lambda(const Tensor<S>& lambda) {
    detail::check_parameter(
        "ContinuousBernoulli", "lambda", lambda, [](S x) { return x > S(0) && x < S(1); }, "a number between 0 and 1");
    return ContinuousBernoulli(log(lambda) - log1p(-lambda));
  }

  const Shape& shape() const { return logits_.shape(); }
  const Tensor<S>& logits() const { return logits_; }
  /// sigmoid(logits), [.., d].
  Tensor<S> lambda() const { return sigmoid(logits_); }
  Tensor<S> mean() const { return detail::log_mean_exp(logits_, 1); }
  Tensor<S> variance() const { return detail::log_mean_exp(logits_, 2); }

  /// sum over the event of l x - log((e^l - 1) / l) in nats: x [.., d] -> [..], -infinity outside of [0, 1].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> at = stop_gradient(x), inside = (at >= 0) * (at <= 1);
    // With l > 0 counted from 1, where the mass is: l x and log(e^l - 1) would cancel.
    const Tensor<S> from_mode = where(logits_ > 0, logits_ * (x - 1), logits_ * x);
    const Tensor<S> each = from_mode - detail::log_mean_exp(downward());
    return detail::event_total(shape(), where(inside, each, -std::numeric_limits<S>::infinity()));
  }

  /// P(X <= x) for each number, (e^(l x) - 1) / (e^l - 1): x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> in = clamp(x, 0, 1);
    return in * exp(detail::log_mean_exp(logits_ * in) - detail::log_mean_exp(logits_));
  }
  /// The x with cdf(x) = u, differentiable in u and the logits. Throws ValueError for u outside of [0, 1].
  Tensor<S> icdf(const Tensor<S>& u) const {
    detail::check_parameter(
        "ContinuousBernoulli::icdf", "u", u, [](S x) { return x >= S(0) && x <= S(1); }, "a probability");
    auto value = [](const Tensor<S>& p, const Tensor<S>& l) {
      return detail::in_double("ContinuousBernoulli::icdf", detail::exponential_quantile, p, l);
    };
    // The implicit function theorem on cdf(x; l) = u.
    auto rule = [](const Tensor<S>& g, const Tensor<S>& x, const Tensor<S>& p, const Tensor<S>& l) {
      const Tensor<S> to_u = g * exp(detail::log_mean_exp(l) - l * x);
      const Tensor<S> to_l = to_u * p * (detail::log_mean_exp(l, 1) - x * detail::log_mean_exp(l * x, 1));
      return std::array<Tensor<S>, 2>{sum_to(to_u, p.shape()), sum_to(to_l, l.shape())};
    };
    return primitive(value, rule, u, logits_);
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws icdf(noise), differentiable in the logits.
  Tensor<S> rsample(Index n, Rng& rng) const { return icdf(uniform<S>(detail::batched(n, shape()), rng)); }
  Tensor<S> rsample(Rng& rng) const { return icdf(uniform<S>(shape(), rng)); }

  /// The differential entropy in nats, sum of log((e^l - 1) / l) - l mean: [..].
  Tensor<S> entropy() const {
    const Tensor<S> l = downward();
    return detail::event_total(shape(), detail::log_mean_exp(l) - l * detail::log_mean_exp(l, 1));
  }

  static void members(auto&, auto&&) {}

 private:
  // -|l|, with a slope at 0: the distribution or its mirror image.
  Tensor<S> downward() const { return where(logits_ > 0, -logits_, logits_); }

  Tensor<S> logits_;
};

/// For continuous Bernoullis the sum over the event of (a - b) mean_q - A(a) + A(b), A(l) = log((e^l - 1) / l).
template <class S>
Tensor<S> kl_divergence(const ContinuousBernoulli<S>& q, const ContinuousBernoulli<S>& p) {
  const Tensor<S>&a = q.logits(), &b = p.logits();
  const Tensor<S> each = (a - b) * q.mean() - detail::log_mean_exp(a) + detail::log_mean_exp(b);
  return detail::event_total(each.shape(), each);
}

}  // namespace pushforward
