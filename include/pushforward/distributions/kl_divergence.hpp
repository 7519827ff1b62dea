// kl_divergence(q, p): closed forms, and an estimate by draws for every other pair.
#pragma once

#include <pushforward/distributions/bernoulli.hpp>
#include <pushforward/distributions/categorical.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/distributions/uniform.hpp>

namespace pushforward {

namespace detail {

// Events must be of one size: entropies of q do not stretch to those of p.
template <class Q, class P>
void check_events(const Q& q, const P& p) {
  const Shape &a = q.shape(), &b = p.shape();
  if (a.rank() > 0 && b.rank() > 0 ? a[-1] != b[-1] : a.rank() != b.rank())
    fail<ShapeError>("kl_divergence: distributions of shapes ", a, " and ", b, ", expected events of the same size");
}

}  // namespace detail

/// KL(q || p) = E_q[log q - log p] in nats, in closed form: [..], the parameters broadcast against each other.
///
/// For normals the sum over the event of log(s_p / s_q) + (s_q^2 + (m_q - m_p)^2) / (2 s_p^2) - 1/2.
template <class S>
Tensor<S> kl_divergence(const Normal<S>& q, const Normal<S>& p) {
  const Shape& event = q.shape().rank() > 0 ? q.shape() : p.shape();
  if (p.is_standard() &&
      broadcast(q.shape(), p.shape(), "kl_divergence") == q.shape()) {  // Kingma and Welling 2014, appendix B
    auto each = [](auto mean, auto log_std) { return (mean * mean + exp(log_std * 2.0) - 1.0) * 0.5 - log_std; };
    return detail::event_sum(event, each, q.mean(), q.log_std());
  }
  auto each = [](auto mean_q, auto log_std_q, auto mean_p, auto log_std_p) {
    const auto z = (mean_q - mean_p) * exp(-log_std_p);
    const auto ratio = log_std_q - log_std_p;
    return (z * z + exp(ratio * 2.0) - 1.0) * 0.5 - ratio;
  };
  return detail::event_sum(event, each, q.mean(), q.log_std(), p.mean(), p.log_std());
}

/// For Bernoullis the sum over the event of sigmoid(a) (a - b) - softplus(a) + softplus(b), with logits a of q and b of
/// p.
template <class S>
Tensor<S> kl_divergence(const Bernoulli<S>& q, const Bernoulli<S>& p) {
  // Each outcome's probability times the difference of its log-probabilities: no cancellation for large logits.
  auto each = [](auto a, auto b) {
    return sigmoid(a) * (softplus(-b) - softplus(-a)) + sigmoid(-a) * (softplus(b) - softplus(a));
  };
  return detail::event_sum(q.shape().rank() > 0 ? q.shape() : p.shape(), each, q.logits(), p.logits());
}

/// For categoricals sum_i q_i (log q_i - log p_i); infinity where p excludes what q allows.
template <class S>
Tensor<S> kl_divergence(const Categorical<S>& q, const Categorical<S>& p) {
  if (q.classes() != p.classes())
    fail<ShapeError>("kl_divergence: categoricals of ", q.classes(), " and ", p.classes(),
                     " classes, expected equally many");
  const Tensor<S> log_q = q.log_probabilities(), log_p = p.log_probabilities();
  const Tensor<S> possible = is_finite(log_q);
  const Tensor<S> clean_q = where(possible, log_q, 0), clean_p = where(possible, log_p, 0);
  return sum(where(possible, exp(clean_q) * (clean_q - clean_p), 0), -1);
}

/// For boxes log of the ratio of their volumes; infinity unless p covers q.
template <class S>
Tensor<S> kl_divergence(const Uniform<S>& q, const Uniform<S>& p) {
  const Tensor<S> covered = (p.low() <= q.low()) * (p.high() >= q.high());
  const Tensor<S> each =
      where(covered, log((p.high() - p.low()) / (q.high() - q.low())), std::numeric_limits<S>::infinity());
  return each.rank() == 0 ? each : sum(each, -1);
}

/// A pair with a closed form for KL(q || p).
template <class Q, class P>
concept HasClosedKl = requires(const Q& q, const P& p) {
  kl_divergence(q, p);
};

/// How an estimated divergence is drawn.
struct KlOptions {
  Index samples = 1;  ///< draws from q that are averaged
};

/// An unbiased estimate of KL(q || p) in nats, the mean of log q(z) - log p(z) over draws z ~ q: [..].
///
/// For any q with rsample and log_prob and any density p; differentiable in the parameters of both. It is an estimate:
/// its error falls as 1 / sqrt(samples), and it may be negative. Throws ValueError for fewer than one draw.
template <class Q, class P>
requires Reparameterized<Q, typename Q::Scalar> && Density<P, typename Q::Scalar> Tensor<typename Q::Scalar>
kl_divergence(const Q& q, const P& p, KlOptions options, Rng& rng) {
  if (options.samples < 1) fail<ValueError>("kl_divergence: got ", options.samples, " samples, expected at least 1");
  const auto z = detail::rdraw_with_log_prob<typename Q::Scalar>(q, options.samples, rng);
  return mean(z.log_prob - p.log_prob(z.value), 0);
}

}  // namespace pushforward
