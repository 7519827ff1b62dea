// RelaxedBernoulli and GumbelSoftmax: continuous stand-ins for discrete choices, with gradients along their draws.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

inline void check_temperature(const char* distribution, double temperature) {
  if (!(temperature > 0 && temperature <= std::numeric_limits<float>::max()))
    fail<ValueError>(distribution, ": got a temperature of ", temperature, ", expected a positive number");
}

// Inside of (0, 1), where densities of relaxed draws are finite.
template <class S>
Tensor<S> inside_unit(const Tensor<S>& x) {
  return clamp(x, static_cast<double>(std::numeric_limits<S>::min()),
               1 - static_cast<double>(std::numeric_limits<S>::epsilon()) / 2);
}

}  // namespace detail

/// The relaxed Bernoulli, or binary concrete, distribution on (0, 1): x = sigmoid((l + log u - log(1 - u)) / T) with u
/// uniform (Maddison et al. 2017, sec. 3.1 and appendix B; Jang et al. 2017).
///
/// Logits l of shape [.., d]: the last axis is the event; a scalar makes a distribution of plain numbers. As the
/// temperature T falls to 0, draws become those of Bernoulli(l). Throws ValueError for a temperature that is not
/// positive or logits that are not finite.
template <class S = float>
class RelaxedBernoulli {
 public:
  using Scalar = S;

  RelaxedBernoulli(double temperature, const Tensor<S>& logits) : temperature_(temperature), logits_(logits) {
    detail::check_temperature("RelaxedBernoulli", temperature);
    detail::check_parameter(
        "RelaxedBernoulli", "logits", logits, [](S x) { return x - x == S(0); }, "a finite number");
  }

  const Shape& shape() const { return logits_.shape(); }
  double temperature() const { return temperature_; }
  const Tensor<S>& logits() const { return logits_; }

  /// The density in nats, summed over the event: x in (0, 1), [.., d] -> [..]; -infinity elsewhere.
  ///
  /// With y = log x - log(1 - x) and z = l - T y it is log T + z - 2 log(1 + e^z) - log x - log(1 - x).
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> at = stop_gradient(x), inside = (at > 0) * (at < 1), safe = where(inside, x, 0.5);
    const Tensor<S> log_x = log(safe), log_rest = log1p(-safe);
    const Tensor<S> each = logistic(logits_ - temperature_ * (log_x - log_rest)) - log_x - log_rest;
    return detail::event_total(shape(), where(inside, each, -std::numeric_limits<S>::infinity()));
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws that are differentiable in the logits.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(rdraw_logits(detail::batched(n, shape()), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(rdraw_logits(shape(), rng)); }
  /// Draws and their log-density, exact also where a draw is rounded to 0 or 1.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const {
    const Tensor<S> y = rdraw_logits(detail::batched(n, shape()), rng);
    const Tensor<S> each = logistic(logits_ - temperature_ * y) + softplus(y) + softplus(-y);
    return {placed(y), detail::event_total(shape(), each)};
  }

  /// P(X <= x) for each number: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> in = detail::inside_unit(x);
    return where(x >= 1, 1, where(x <= 0, 0, sigmoid(temperature_ * (log(in) - log1p(-in)) - logits_)));
  }
  /// The x with cdf(x) = u.
  Tensor<S> icdf(const Tensor<S>& u) const { return sigmoid((logits_ + log(u) - log1p(-u)) / temperature_); }

  static void members(auto&, auto&&) {}

 private:
  // The log-density of y = (l + logistic noise) / T, at z = l - T y.
  Tensor<S> logistic(const Tensor<S>& z) const { return std::log(temperature_) - softplus(z) - softplus(-z); }
  Tensor<S> rdraw_logits(const Shape& shape, Rng& rng) const {
    const Tensor<S> a = gumbel<S>(shape, rng);  // the difference of two Gumbels is logistic
    return (logits_ + a - gumbel<S>(shape, rng)) / temperature_;
  }
  static Tensor<S> placed(const Tensor<S>& y) { return detail::inside_unit(sigmoid(y)); }

  double temperature_;
  Tensor<S> logits_;
};

/// The Gumbel-softmax, or concrete, distribution on the simplex: x = softmax((l + g) / T) with Gumbel noise g (Jang et
/// al. 2017, eq. 2; Maddison et al. 2017, eq. 10).
///
/// Logits l of shape [.., k]; the last axis is the event. As the temperature T falls to 0, draws become those of
/// OneHotCategorical(l). Throws ValueError for a temperature that is not positive or logits that are not finite,
/// ShapeError for logits without classes.
template <class S = float>
class GumbelSoftmax {
 public:
  using Scalar = S;

  GumbelSoftmax(double temperature, const Tensor<S>& logits) : temperature_(temperature), logits_(logits) {
    detail::check_temperature("GumbelSoftmax", temperature);
    if (logits.rank() == 0 || logits.size(-1) == 0)
      fail<ShapeError>("GumbelSoftmax: logits of shape ", logits.shape(), ", expected [.., k] with k > 0 classes");
    detail::check_parameter(
        "GumbelSoftmax", "logits", logits, [](S x) { return x - x == S(0); }, "a finite number");
  }

  /// [.., k].
  const Shape& shape() const { return logits_.shape(); }
  double temperature() const { return temperature_; }
  const Tensor<S>& logits() const { return logits_; }

  /// The density in nats over the first k - 1 numbers of x on the simplex: x [.., k] -> [..].
  ///
  ///     log Gamma(k) + (k - 1) log T + sum_i (l_i - (T + 1) log x_i) - k log sum_i e^(l_i - T log x_i)
  ///
  /// -infinity where a number of x is not positive; that they sum to 1 is not checked.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> inside = min(where(stop_gradient(x) > 0, 1, Tensor<S>::zeros(x.shape())), -1);
    return where(inside, density(log(where(stop_gradient(x) > 0, x, 1))), -std::numeric_limits<S>::infinity());
  }

  /// n draws, [n, .., k], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., k], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws that are differentiable in the logits.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(rdraw_logs(detail::batched(n, shape()), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(rdraw_logs(shape(), rng)); }
  /// Draws and their log-density, exact also where a number of a draw is rounded to 0.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const {
    const Tensor<S> logs = rdraw_logs(detail::batched(n, shape()), rng);
    return {placed(logs), density(logs)};
  }
  /// Unit vectors with the gradient of the relaxed draw: the straight-through estimator (Jang et al. 2017, sec. 2.2),
  /// which is biased. [n, .., k].
  Tensor<S> rsample_one_hot(Index n, Rng& rng) const {
    const Tensor<S> x = rsample(n, rng);
    return one_hot<S>(argmax(x, -1), shape()[-1]) - stop_gradient(x) + x;
  }

  static void members(auto&, auto&&) {}

 private:
  // The density at x = e^logs.
  Tensor<S> density(const Tensor<S>& logs) const {
    const double k = static_cast<double>(shape()[-1]);
    const Tensor<S> z = log_softmax(logits_ - temperature_ * logs, -1);  // sum z = sum (l - T log x) - k logsumexp
    return sum(z - logs, -1) + (math::lgamma(k) + (k - 1) * std::log(temperature_));
  }
  Tensor<S> rdraw_logs(const Shape& shape, Rng& rng) const {
    return log_softmax((logits_ + gumbel<S>(shape, rng)) / temperature_, -1);
  }
  static Tensor<S> placed(const Tensor<S>& logs) {
    return maximum(exp(logs), Tensor<S>::scalar(std::numeric_limits<S>::min()));
  }

  double temperature_;
  Tensor<S> logits_;
};

}  // namespace pushforward
