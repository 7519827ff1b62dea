// NegativeBinomial: counts that vary more than a Poisson's.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/count_functions.hpp>
#include <pushforward/distributions/fused.hpp>

namespace pushforward {

/// Independent counts of successes before failure number r, P(x) = Gamma(r + x) / (x! Gamma(r)) (1 - p)^r p^x with
/// p = sigmoid(logits) the probability of a success: a Poisson whose rate is a Gamma(r) variable times e^logits.
///
/// r > 0, any real number, and logits of shape [.., d], broadcast against each other: the last axis is the event;
/// scalars make a distribution of plain numbers. Throws ValueError for an r that is not positive or logits that are not
/// finite.
template <class S = float>
class NegativeBinomial {
 public:
  using Scalar = S;

  NegativeBinomial(const Tensor<S>& failures, const Tensor<S>& logits)
      : shape_(broadcast(failures.shape(), logits.shape(), "NegativeBinomial")),
        failures_(expand(failures, shape_)),
        logits_(expand(logits, shape_)) {
    detail::check_parameter(
        "NegativeBinomial", "failures", failures, [](S x) { return x > S(0) && x - x == S(0); },
        "a positive finite number");
    detail::check_parameter(
        "NegativeBinomial", "logits", logits, [](S x) { return x - x == S(0); }, "a finite number");
  }
  /// With the mean and the dispersion r: the variance is mean + mean^2 / r. Throws ValueError unless both are positive.
  static NegativeBinomial from_mean(const Tensor<S>& mean, const Tensor<S>& failures) {
    detail::check_parameter(
        "NegativeBinomial", "mean", mean, [](S x) { return x > S(0); }, "a positive number");
    return NegativeBinomial(failures, log(mean) - log(failures));
  }

  const Shape& shape() const { return shape_; }
  /// r.
  const Tensor<S>& failures() const { return failures_; }
  const Tensor<S>& logits() const { return logits_; }
  Tensor<S> mean() const { return failures_ * exp(logits_); }
  Tensor<S> variance() const { return mean() * (1 + exp(logits_)); }

  /// The log-mass in nats, summed over the event: x [.., d] -> [..], -infinity at what is no count. Computed in double.
  Tensor<S> log_prob(const Tensor<S>& x) const { return detail::event_total(shape_, each_log_prob(x)); }

  /// P(X <= x) of each component: x [.., d] -> [.., d]; differentiable in the logits, a constant in the failures.
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> r = stop_gradient(failures_), last = detail::last_count(x);
    auto value = [&](const Tensor<S>& l) {
      return detail::in_double("NegativeBinomial::cdf", detail::negative_binomial_cdf, x, r, l);
    };
    auto rule = [r, last](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      const Tensor<S> mass = exp(NegativeBinomial(r, l).each_log_prob(last));
      return sum_to(-g * (r + where(is_finite(last), last, 0)) * sigmoid(l) * mass, l.shape());
    };
    return primitive(value, rule, logits_);
  }
  /// The least count k of each component with P(X <= k) >= p: p [.., d] -> [.., d], NaN for a p outside of [0, 1]; a
  /// constant.
  Tensor<S> icdf(const Tensor<S>& p) const {
    return detail::in_double("NegativeBinomial::icdf", detail::negative_binomial_quantile, stop_gradient(p),
                             stop_gradient(failures_), stop_gradient(logits_));
  }

  /// The entropy in nats, summed over the event: [..]; differentiable once.
  Tensor<S> entropy() const {
    auto value = [](const Tensor<S>& r, const Tensor<S>& l) {
      auto each = [](double failures, double at) { return detail::negative_binomial_entropy(failures, at).value; };
      return detail::in_double("NegativeBinomial::entropy", each, r, l);
    };
    auto rule = [](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& r, const Tensor<S>& l) {
      auto by_r = [](double failures, double at) {
        return detail::negative_binomial_entropy(failures, at).by_failures;
      };
      auto by_l = [](double failures, double at) { return detail::negative_binomial_entropy(failures, at).by_logit; };
      return std::array<Tensor<S>, 2>{g * detail::constant_slope("NegativeBinomial::entropy", by_r, r, l),
                                      g * detail::constant_slope("NegativeBinomial::entropy", by_l, r, l)};
    };
    return detail::event_total(shape_, primitive(value, rule, failures_, logits_));
  }

  /// n draws, [n, .., d].
  Tensor<S> sample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return drawn(shape_, rng); }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> each_log_prob(const Tensor<S>& x) const {
    auto value = [&](const Tensor<S>& r, const Tensor<S>& l) {
      return detail::in_double("NegativeBinomial::log_prob", detail::log_negative_binomial_mass, x, r, l);
    };
    auto rule = [x](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& r, const Tensor<S>& l) {
      const Tensor<S> to_r = digamma(r + x) - digamma(r) - softplus(l), to_l = x * sigmoid(-l) - r * sigmoid(l);
      return std::array<Tensor<S>, 2>{sum_to(g * to_r, r.shape()), sum_to(g * to_l, l.shape())};
    };
    return primitive(value, rule, failures_, logits_);
  }
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const Rng::State rates = rng.split().state();
    auto draw = [=, r = failures_.data(), l = logits_.data(), count = shape_.size()](Index i,
                                                                                     detail::ElementDraws& draws) {
      const detail::GammaDraw gamma = detail::draw_gamma(static_cast<double>(r[i % count]), rates, i);
      const double log_rate = std::log(gamma.value) + gamma.log_factor + static_cast<double>(l[i % count]);
      return detail::draw_poisson(std::exp(log_rate), draws);
    };
    return detail::draw_each<S>(shape, rng, draw);
  }

  Shape shape_;
  Tensor<S> failures_, logits_;
};

}  // namespace pushforward
