// Beta: one probability.
#pragma once

#include <pushforward/distributions/gamma_functions.hpp>
#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

/// The beta distribution with independent components, p(x) = x^(a - 1) (1 - x)^(b - 1) / B(a, b) for 0 < x < 1.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Throws ValueError for parameters that are not positive and finite, ShapeError for shapes that do
/// not broadcast.
template <class S = float>
class Beta {
 public:
  using Scalar = S;

  Beta(const Tensor<S>& a, const Tensor<S>& b) : shape_(broadcast(a.shape(), b.shape(), "Beta")), a_(a), b_(b) {
    detail::check_positive("Beta", "a", a);
    detail::check_positive("Beta", "b", b);
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> a() const { return expand(a_, shape_); }
  Tensor<S> b() const { return expand(b_, shape_); }
  Tensor<S> mean() const { return a_ / (a_ + b_); }
  Tensor<S> variance() const {
    const Tensor<S> n = a_ + b_;
    return (a_ / n) * (b_ / n) / (n + 1);
  }

  /// The log-density in nats, summed over the event, -infinity outside of (0, 1): x [.., d] -> [..], broadcast against
  /// the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    // By Stirling's formula: large terms cancel on paper.
    auto density = [](auto u, auto a, auto b, auto remainder) {
      const auto inside = clamp(u, least, most), log_u = log(inside), log_v = log1p(-inside);
      const auto n = a + b, distance = n * inside - a, log_n = log(n), log_a = log(a), log_b = log(b);
      const auto to_a = detail::centered_log(distance, a, log_u + log_n - log_a);
      const auto to_b = detail::centered_log(-distance, b, log_v + log_n - log_b);
      const auto each = to_a + to_b + (log_a + log_b - log_n) * 0.5 + remainder - detail::half_log_two_pi;
      const auto at_least = where(u <= 0.0, -std::numeric_limits<double>::infinity(), each - log_u - log_v);
      return where(u >= 1.0, -std::numeric_limits<double>::infinity(), at_least);
    };
    const Tensor<S> remainder =
        detail::stirling_remainder(a_ + b_) - detail::stirling_remainder(a_) - detail::stirling_remainder(b_);
    return detail::event_sum(shape_, density, x, a_, b_, remainder);
  }

  /// P(X <= x) of each component, the regularized incomplete beta function: x [.., d] -> [.., d], as a constant.
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Shape shape = broadcast(x.shape(), shape_, "Beta::cdf");
    NoGradient guard;
    const Tensor<S> a = expand(a_, shape), b = expand(b_, shape), at = expand(x, shape);
    return Tensor<S>::generate(shape, [&](Index i) {
      return static_cast<S>(math::beta_p(static_cast<double>(a.data()[i]), static_cast<double>(b.data()[i]),
                                         static_cast<double>(at.data()[i])));
    });
  }

  /// n draws, [n, .., d], as constants; inside of (0, 1).
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// n draws, a gamma draw over the sum of two, differentiable once in the parameters (Figurnov, Mohamed and Mnih
  /// 2018).
  Tensor<S> rsample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return drawn(shape_, rng); }

  /// The differential entropy in nats, sum of log B(a, b) - (a - 1) psi(a) - (b - 1) psi(b) + (n - 2) psi(n) with
  /// n = a + b: [..].
  Tensor<S> entropy() const {
    const Tensor<S> n = a_ + b_;
    const Tensor<S> rest = -1.5 * log(n) - detail::half_log_two_pi - detail::stirling_remainder(n) +
                           (n - 2) * (detail::stirling_remainder(n, 1) - 0.5 / n);
    return detail::event_total(shape_, detail::gamma_entropy(a_) + detail::gamma_entropy(b_) + rest);
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double least = std::numeric_limits<S>::min(), most = 1 - std::numeric_limits<S>::epsilon() / 2;

  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    const Tensor<S> log_a = detail::log_gamma_rsample(expand(a_, shape), rng);
    return clamp(sigmoid(log_a - detail::log_gamma_rsample(expand(b_, shape), rng)), least, most);
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return drawn(shape, rng);
  }

  Shape shape_;
  Tensor<S> a_, b_;
};

/// For beta distributions the sum over the event of log B(p) - log B(q) + (a_q - a_p) (psi(a_q) - psi(n_q)) +
/// (b_q - b_p) (psi(b_q) - psi(n_q)), with n = a + b.
template <class S>
Tensor<S> kl_divergence(const Beta<S>& q, const Beta<S>& p) {
  const Tensor<S> each = detail::log_gamma_divergence(p.a(), q.a()) + detail::log_gamma_divergence(p.b(), q.b()) -
                         detail::log_gamma_divergence(p.a() + p.b(), q.a() + q.b());
  return detail::event_total(each.shape(), each);
}

}  // namespace pushforward
