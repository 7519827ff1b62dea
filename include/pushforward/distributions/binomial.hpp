// Binomial: how many of n independent trials succeed.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/count_functions.hpp>
#include <pushforward/distributions/fused.hpp>

namespace pushforward {

/// Independent binomial counts, P(x) = n! / (x! (n - x)!) p^x (1 - p)^(n - x) with p = sigmoid(logits).
///
/// Trials n, which are constants, and logits of shape [.., d], broadcast against each other: the last axis is the
/// event; scalars make a distribution of plain numbers. Throws ValueError for trials that are no counts or logits that
/// are not finite.
template <class S = float>
class Binomial {
 public:
  using Scalar = S;

  Binomial(const Tensor<S>& trials, const Tensor<S>& logits)
      : shape_(broadcast(trials.shape(), logits.shape(), "Binomial")),
        trials_(expand(stop_gradient(trials), shape_)),
        logits_(expand(logits, shape_)) {
    detail::check_parameter(
        "Binomial", "trials", trials, [](S x) { return detail::is_count(static_cast<double>(x)); }, "a count");
    detail::check_parameter(
        "Binomial", "logits", logits, [](S x) { return x - x == S(0); }, "a finite number");
  }
  /// With probabilities in (0, 1). Throws ValueError for others.
  static Binomial from_probabilities(const Tensor<S>& trials, const Tensor<S>& p) {
    detail::check_parameter(
        "Binomial", "p", p, [](S x) { return x > S(0) && x < S(1); }, "a probability between 0 and 1");
    return Binomial(trials, log(p) - log1p(-p));
  }

  const Shape& shape() const { return shape_; }
  const Tensor<S>& trials() const { return trials_; }
  const Tensor<S>& logits() const { return logits_; }
  Tensor<S> probabilities() const { return sigmoid(logits_); }
  Tensor<S> mean() const { return trials_ * sigmoid(logits_); }
  Tensor<S> variance() const { return trials_ * sigmoid(logits_) * sigmoid(-logits_); }

  /// The log-mass in nats, summed over the event: x [.., d] -> [..], -infinity at what is no count up to n.
  ///
  /// By Loader's saddle-point form (2000), in double: nothing cancels for large counts.
  Tensor<S> log_prob(const Tensor<S>& x) const { return detail::event_total(shape_, each_log_prob(x)); }

  /// P(X <= x) of each component: x [.., d] -> [.., d]; differentiable in the logits.
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> n = trials_, last = detail::last_count(x);
    auto value = [&](const Tensor<S>& l) { return detail::in_double("Binomial::cdf", detail::binomial_cdf, x, n, l); };
    auto rule = [n, last](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      const Tensor<S> mass = exp(Binomial(n, l).each_log_prob(last));
      return sum_to(-g * where(last < n, n - last, 0) * sigmoid(l) * mass, l.shape());
    };
    return primitive(value, rule, logits_);
  }
  /// The least count k of each component with P(X <= k) >= p: p [.., d] -> [.., d], NaN for a p outside of [0, 1]; a
  /// constant.
  Tensor<S> icdf(const Tensor<S>& p) const {
    return detail::in_double("Binomial::icdf", detail::binomial_quantile, stop_gradient(p), trials_,
                             stop_gradient(logits_));
  }

  /// The entropy in nats, summed over the event: [..]; differentiable once in the logits.
  Tensor<S> entropy() const {
    const Tensor<S> n = trials_;
    auto value = [](double trials, double l) { return detail::binomial_entropy(trials, l).value; };
    auto rule = [n](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      auto slope = [](double at, double trials) { return detail::binomial_entropy(trials, at).by_logit; };
      return g * detail::constant_slope("Binomial::entropy", slope, l, n);
    };
    auto each = [&](const Tensor<S>& l) { return detail::in_double("Binomial::entropy", value, n, l); };
    return detail::event_total(shape_, primitive(each, rule, logits_));
  }

  /// n draws, [n, .., d]: by inversion for small means, by transformed rejection above (Hoermann 1993).
  Tensor<S> sample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return drawn(shape_, rng); }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> each_log_prob(const Tensor<S>& x) const {
    const Tensor<S> n = trials_;
    auto value = [&](const Tensor<S>& l) {
      return detail::in_double("Binomial::log_prob", detail::log_binomial_mass, x, n, l);
    };
    auto rule = [x, n](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      return sum_to(g * (x * sigmoid(-l) - (n - x) * sigmoid(l)), l.shape());
    };
    return primitive(value, rule, logits_);
  }
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    auto draw = [n = trials_.data(), l = logits_.data(), count = shape_.size()](Index i, detail::ElementDraws& draws) {
      return detail::draw_binomial(static_cast<double>(n[i % count]), static_cast<double>(l[i % count]), draws);
    };
    return detail::draw_each<S>(shape, rng, draw);
  }

  Shape shape_;
  Tensor<S> trials_, logits_;
};

namespace detail {

// The divergence of Bernoulli(sigmoid(a)) from Bernoulli(sigmoid(b)); for close ones by deviances, of which nothing
// cancels.
inline double bernoulli_divergence(double a, double b) {
  const double p_a = math::sigmoid(a), q_a = math::sigmoid(-a), p_b = math::sigmoid(b), q_b = math::sigmoid(-b);
  if (std::abs(a - b) < 1 && std::min({p_a, q_a, p_b, q_b}) > 0)
    return math::deviance(p_a, p_b) + math::deviance(q_a, q_b);
  return p_a * (math::softplus(-b) - math::softplus(-a)) + q_a * (math::softplus(b) - math::softplus(a));
}

}  // namespace detail

/// For binomials of equally many trials n the sum over the event of n times the divergence of two Bernoullis. Throws
/// ValueError where the trials differ.
template <class S>
Tensor<S> kl_divergence(const Binomial<S>& q, const Binomial<S>& p) {
  if (not_equal(q.trials(), p.trials()).sum() > 0)
    fail<ValueError>("kl_divergence: binomials of different numbers of trials, expected the same");
  auto value = [](const Tensor<S>& a, const Tensor<S>& b) {
    return detail::in_double("kl_divergence", detail::bernoulli_divergence, a, b);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& a, const Tensor<S>& b) {
    return std::array<Tensor<S>, 2>{sum_to(g * (a - b) * sigmoid(a) * sigmoid(-a), a.shape()),
                                    sum_to(g * (sigmoid(b) - sigmoid(a)), b.shape())};
  };
  const Tensor<S> each = q.trials() * primitive(value, rule, q.logits(), p.logits());
  return detail::event_total(each.shape(), each);
}

}  // namespace pushforward
