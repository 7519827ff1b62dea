// Dirichlet: probabilities of k classes.
#pragma once

#include <pushforward/distributions/gamma_functions.hpp>
#include <pushforward/distributions/location_scale.hpp>

namespace pushforward {

/// The Dirichlet distribution over k probabilities that sum to 1,
/// p(x) = Gamma(sum a) / prod Gamma(a_i) prod x_i^(a_i - 1), a density over the first k - 1 of them.
///
/// Concentrations a of shape [.., k]: the last axis is the event. Throws ValueError for a concentration that is not
/// positive and finite, ShapeError for fewer than two classes.
template <class S = float>
class Dirichlet {
 public:
  using Scalar = S;

  explicit Dirichlet(const Tensor<S>& concentration) : concentration_(concentration) {
    if (concentration.rank() == 0 || concentration.size(-1) < 2)
      fail<ShapeError>("Dirichlet: concentration has shape ", concentration.shape(),
                       ", expected [.., k] with k > 1 classes; for one probability use Beta");
    detail::check_positive("Dirichlet", "concentration", concentration);
  }

  /// The shape of the concentrations, [.., k].
  const Shape& shape() const { return concentration_.shape(); }
  Index classes() const { return concentration_.size(-1); }
  const Tensor<S>& concentration() const { return concentration_; }
  /// a_i / sum a, [.., k].
  Tensor<S> mean() const { return concentration_ / total(true); }
  Tensor<S> variance() const {
    const Tensor<S> share = mean();
    return share * (1 - share) / (total(true) + 1);
  }

  /// The log-density in nats, -infinity where an x_i <= 0: x [.., k] -> [..], broadcast against the parameters. That
  /// the x_i sum to 1 is not checked.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    auto density = [](auto u, auto a, auto n, auto remainder) {
      const auto inside = maximum(u, least);
      const auto each = a * log(inside * (n / a)) + log(a) * 0.5 - remainder - detail::half_log_two_pi;
      return where(u <= 0.0, -std::numeric_limits<double>::infinity(), each - log(inside));
    };
    const Tensor<S> n = total(false);
    return detail::event_sum(density, x, concentration_, unsqueeze(n, -1), detail::stirling_remainder(concentration_)) +
           (detail::stirling_remainder(n) - 0.5 * log(n) + detail::half_log_two_pi);
  }

  /// n draws, [n, .., k], as constants; never 0.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape()), rng); }
  /// One draw, [.., k], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape(), rng); }
  /// n draws, gamma draws over their sum, differentiable once in the parameters (Figurnov, Mohamed and Mnih 2018).
  Tensor<S> rsample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape()), rng); }
  Tensor<S> rsample(Rng& rng) const { return drawn(shape(), rng); }

  /// The differential entropy in nats, log B(a) + (n - k) psi(n) - sum (a_i - 1) psi(a_i) with n = sum a: [..].
  Tensor<S> entropy() const {  // by Stirling's formula: large terms cancel on paper
    const Tensor<S> n = total(false);
    const double k = static_cast<double>(classes());
    return sum(detail::gamma_entropy(concentration_), -1) + (0.5 - k) * log(n) - detail::half_log_two_pi -
           detail::stirling_remainder(n) + (n - k) * (detail::stirling_remainder(n, 1) - 0.5 / n);
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double least = std::numeric_limits<S>::min();

  Tensor<S> total(bool keep) const { return sum(concentration_, {-1}, keep); }
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    return maximum(softmax(detail::log_gamma_rsample(expand(concentration_, shape), rng), -1), least);
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return drawn(shape, rng);
  }

  Tensor<S> concentration_;
};

/// For Dirichlet distributions log B(p) - log B(q) + sum (q_i - p_i) (psi(q_i) - psi(sum q)). Throws ShapeError for
/// different numbers of classes.
template <class S>
Tensor<S> kl_divergence(const Dirichlet<S>& q, const Dirichlet<S>& p) {
  if (q.classes() != p.classes())
    fail<ShapeError>("kl_divergence: Dirichlet distributions of ", q.classes(), " and ", p.classes(),
                     " classes, expected equally many");
  return sum(detail::log_gamma_divergence(p.concentration(), q.concentration()), -1) -
         detail::log_gamma_divergence(sum(p.concentration(), -1), sum(q.concentration(), -1));
}

}  // namespace pushforward
