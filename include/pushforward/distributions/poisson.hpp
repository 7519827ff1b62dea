// Poisson: counts of rare independent events.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/count_functions.hpp>
#include <pushforward/distributions/fused.hpp>

namespace pushforward {

/// Independent Poisson counts, P(x) = e^-rate rate^x / x!.
///
/// Rates of shape [.., d]: the last axis is the event; a scalar makes a distribution of plain numbers. A float holds
/// counts up to 2^24 exactly. Throws ValueError for rates that are not positive or not finite.
template <class S = float>
class Poisson {
 public:
  using Scalar = S;

  explicit Poisson(const Tensor<S>& rate) {
    detail::check_parameter(
        "Poisson", "rate", rate, [](S x) { return x > S(0) && x <= std::numeric_limits<S>::max(); },
        "a positive finite number");
    log_rate_ = log(rate);
  }
  /// With the logarithm of the rate: what networks put out.
  static Poisson from_log_rate(const Tensor<S>& log_rate) {
    detail::check_parameter(
        "Poisson", "log_rate", log_rate, [](S x) { return x - x == S(0); }, "a finite number");
    Poisson made;
    made.log_rate_ = log_rate;
    return made;
  }

  const Shape& shape() const { return log_rate_.shape(); }
  const Tensor<S>& log_rate() const { return log_rate_; }
  Tensor<S> rate() const { return exp(log_rate_); }
  Tensor<S> mean() const { return rate(); }
  Tensor<S> variance() const { return rate(); }

  /// sum over the event of x log rate - rate - log x! in nats: x [.., d] -> [..], -infinity at what is no count.
  ///
  /// By Loader's saddle-point form (2000), in double: nothing cancels for large counts.
  Tensor<S> log_prob(const Tensor<S>& x) const { return detail::event_total(shape(), each_log_prob(x)); }

  /// P(X <= x) of each component: x [.., d] -> [.., d]; differentiable in the rate.
  Tensor<S> cdf(const Tensor<S>& x) const {
    auto value = [&](const Tensor<S>& l) { return detail::in_double("Poisson::cdf", detail::poisson_cdf, x, l); };
    const Tensor<S> last = detail::last_count(x);  // counts beside which the cdf moves
    auto rule = [last](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      const Poisson at = from_log_rate(l);
      return sum_to(-g * exp(at.each_log_prob(last) + l), l.shape());
    };
    return primitive(value, rule, log_rate_);
  }
  /// The least count k of each component with P(X <= k) >= p: p [.., d] -> [.., d], NaN for a p outside of [0, 1]; a
  /// constant.
  Tensor<S> icdf(const Tensor<S>& p) const {
    return detail::in_double("Poisson::icdf", detail::poisson_quantile, stop_gradient(p), stop_gradient(log_rate_));
  }

  /// The entropy in nats, summed over the event: [..]; differentiable once in the rate.
  Tensor<S> entropy() const {
    auto value = [](double l) { return detail::poisson_entropy(l).value; };
    auto rule = [](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      auto slope = [](double at) { return detail::poisson_entropy(at).by_logit; };
      return g * detail::constant_slope("Poisson::entropy", slope, l);
    };
    auto each = [&](const Tensor<S>& l) { return detail::in_double("Poisson::entropy", value, l); };
    return detail::event_total(shape(), primitive(each, rule, log_rate_));
  }

  /// n draws, [n, .., d]: by inversion below a rate of 10, by transformed rejection above (Hoermann 1993).
  Tensor<S> sample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape()), rng); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return drawn(shape(), rng); }

  static void members(auto&, auto&&) {}

 private:
  Poisson() = default;
  Tensor<S> each_log_prob(const Tensor<S>& x) const {
    auto value = [&](const Tensor<S>& l) {
      return detail::in_double("Poisson::log_prob", detail::log_poisson_mass, x, l);
    };
    auto rule = [x](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& l) {
      return sum_to(g * (x - exp(l)), l.shape());
    };
    return primitive(value, rule, log_rate_);
  }
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const S* log_rate = log_rate_.data();
    return detail::draw_each<S>(shape, rng, [log_rate, n = log_rate_.size()](Index i, detail::ElementDraws& draws) {
      return detail::draw_poisson(std::exp(static_cast<double>(log_rate[i % n])), draws);
    });
  }

  Tensor<S> log_rate_;
};

/// For Poissons the sum over the event of r_q log(r_q / r_p) - r_q + r_p.
template <class S>
Tensor<S> kl_divergence(const Poisson<S>& q, const Poisson<S>& p) {
  const Tensor<S> ratio = p.log_rate() - q.log_rate();
  const Tensor<S> each = q.rate() * (expm1(ratio) - ratio);
  return detail::event_total(each.shape(), each);
}

}  // namespace pushforward
