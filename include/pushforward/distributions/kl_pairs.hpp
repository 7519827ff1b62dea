// kl_divergence(q, p) between distributions of different kinds, of wrapped ones, and of any: closed, or by draws.
#pragma once

#include <concepts>
#include <type_traits>

#include <pushforward/distributions/beta.hpp>
#include <pushforward/distributions/continuous_bernoulli.hpp>
#include <pushforward/distributions/exponential.hpp>
#include <pushforward/distributions/gamma.hpp>
#include <pushforward/distributions/gumbel.hpp>
#include <pushforward/distributions/independent.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/laplace.hpp>
#include <pushforward/distributions/log_normal.hpp>
#include <pushforward/distributions/logistic.hpp>
#include <pushforward/distributions/low_rank_normal.hpp>
#include <pushforward/distributions/student_t.hpp>
#include <pushforward/distributions/transformed.hpp>
#include <pushforward/distributions/truncated_normal.hpp>

namespace pushforward {

namespace detail {

// One of several class templates.
template <class T, template <class> class... Kinds>
inline constexpr bool is_one_of = (std::same_as<T, Kinds<scalar_of<T>>> || ...);
template <class T>
inline constexpr bool has_component_moments = is_one_of<T, Uniform, Laplace, Logistic, Gumbel, LogNormal, Exponential,
                                                        Gamma, Beta, ContinuousBernoulli, TruncatedNormal, StudentT>;
template <class T>
inline constexpr bool is_positive = is_one_of<T, Uniform, LogNormal, Beta, ContinuousBernoulli>;

}  // namespace detail

/// To a normal from independent components of another kind, from their entropy and moments: the sum over the event of
/// log s + log(2 pi) / 2 + (v_q + (m_q - m)^2) / (2 s^2), less the entropy; infinity where q has no variance.
///
/// For Uniform, Laplace, Logistic, Gumbel, LogNormal, Exponential, Gamma, Beta, ContinuousBernoulli, TruncatedNormal
/// and StudentT. Throws ShapeError for events of different sizes.
template <class Q>
requires detail::has_component_moments<Q> Tensor<typename Q::Scalar> kl_divergence(
    const Q& q, const Normal<typename Q::Scalar>& p) {
  using S = typename Q::Scalar;
  detail::check_events(q, p);
  const Tensor<S> each =
      p.log_std() + detail::half_log_two_pi + (q.variance() + square(q.mean() - p.mean())) * 0.5 / square(p.std());
  return detail::event_total(p.shape(), where(is_finite(each), each, std::numeric_limits<S>::infinity())) - q.entropy();
}

/// To an exponential from independent components of another kind: the sum over the event of rate m_q - log rate, less
/// the entropy; infinity where q is not positive.
///
/// For Uniform, LogNormal, Beta and ContinuousBernoulli. Throws ShapeError for events of different sizes.
template <class Q>
requires detail::is_positive<Q> Tensor<typename Q::Scalar> kl_divergence(const Q& q,
                                                                         const Exponential<typename Q::Scalar>& p) {
  using S = typename Q::Scalar;
  detail::check_events(q, p);
  Tensor<S> each = p.rate() * q.mean() - log(p.rate());
  if constexpr (detail::is_one_of<Q, Uniform>) each = where(q.low() >= 0, each, std::numeric_limits<S>::infinity());
  return detail::event_total(p.shape(), each) - q.entropy();
}

/// An exponential is a gamma distribution of concentration 1.
template <class S>
Tensor<S> kl_divergence(const Exponential<S>& q, const Gamma<S>& p) {
  return kl_divergence(Gamma<S>(Tensor<S>::scalar(1), q.rate()), p);
}
template <class S>
Tensor<S> kl_divergence(const Gamma<S>& q, const Exponential<S>& p) {
  return kl_divergence(q, Gamma<S>(Tensor<S>::scalar(1), p.rate()));
}

/// From a normal to a Laplace distribution: the sum over the event of log(2 b / s) - (1 + log 2 pi) / 2 + E|x - m_p| /
/// b, with E|x - m_p| = s (2 / pi)^(1/2) e^(-t^2) + (m_q - m_p) erf(t), t = (m_q - m_p) / (2^(1/2) s).
template <class S>
Tensor<S> kl_divergence(const Normal<S>& q, const Laplace<S>& p) {
  detail::check_events(q, p);
  const Tensor<S> apart = q.mean() - p.location(), t = apart * 0.70710678118654752440 / q.std();
  const Tensor<S> distance = q.std() * 0.79788456080286535588 * exp(-square(t)) + apart * erf(t);
  const Tensor<S> each = log(2 * p.scale()) - q.log_std() - (detail::half_log_two_pi + 0.5) + distance / p.scale();
  return detail::event_total(p.shape(), each);
}

/// The sum of the divergences of the parts. Throws ShapeError for different numbers of axes.
template <class Q, class P>
requires HasClosedKl<Q, P> Tensor<typename Q::Scalar> kl_divergence(const Independent<Q>& q, const Independent<P>& p) {
  if (q.axes() != p.axes())
    fail<ShapeError>("kl_divergence: got Independent with ", q.axes(), " and ", p.axes(), " axes, expected the same");
  return q.total(kl_divergence(q.each(), p.each()));
}

/// A bijector moves no divergence: that of the bases, for bijectors that are the same. Bijectors without members are;
/// others need an `==`. Throws ValueError for bijectors that differ.
template <class Q, class P, class B>
requires HasClosedKl<Q, P> &&(std::is_empty_v<B> || std::equality_comparable<B>)
    Tensor<typename Q::Scalar> kl_divergence(const Transformed<Q, B>& q, const Transformed<P, B>& p) {
  if constexpr (!std::is_empty_v<B>)
    if (!(q.bijector() == p.bijector()))
      fail<ValueError>("kl_divergence: distributions transformed by different bijectors; estimate it by draws");
  return kl_divergence(q.base(), p.base());
}

/// Where a divergence comes from.
enum class KlKind {
  closed_form,
  monte_carlo  ///< a mean over draws: off by about its standard error, and it may be negative
};

/// A divergence that says what it is.
template <class S = float>
struct KlDivergence {
  Tensor<S> value;           ///< [..], nats
  Tensor<S> standard_error;  ///< [..], 0 for a closed form; NaN for a single draw
  KlKind kind;
};

/// KL(q || p) in closed form if there is one, else the mean of log q(z) - log p(z) over draws z ~ q, and which.
///
/// For any q that can be drawn from and any density p of the same events. By draws it is differentiable in q only if q
/// has `rsample`. Throws ValueError for fewer than one draw.
template <class Q, class P>
KlDivergence<typename Q::Scalar> kl_divergence_or_estimate(const Q& q, const P& p, KlOptions options, Rng& rng) {
  using S = typename Q::Scalar;
  if constexpr (HasClosedKl<Q, P>) {
    const Tensor<S> value = kl_divergence(q, p);
    return {value, Tensor<S>::zeros(value.shape()), KlKind::closed_form};
  } else {
    if (options.samples < 1)
      fail<ValueError>("kl_divergence_or_estimate: got ", options.samples, " samples, expected at least 1");
    const Tensor<S> logs = [&] {
      if constexpr (Reparameterized<Q, S>) {
        const Draws<S> z = detail::rdraw_with_log_prob<S>(q, options.samples, rng);
        return z.log_prob - p.log_prob(z.value);
      } else {
        const auto z = q.sample(options.samples, rng);
        return q.log_prob(z) - p.log_prob(z);
      }
    }();
    const Tensor<S> value = mean(logs, 0);
    const double count = static_cast<double>(options.samples);
    const Tensor<S> error = sqrt(sum(square(stop_gradient(logs - value)), 0) / (count * (count - 1)));
    return {value, error, KlKind::monte_carlo};
  }
}

}  // namespace pushforward
