// Annealed importance sampling: the decoder's log p(x), without the help of an encoder.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/objectives/elbo.hpp>

namespace pushforward {

/// How chains go from the prior to the posterior.
struct DecoderAnnealingOptions {
  Index chains = 16;        ///< per example
  Index steps = 500;        ///< distributions between prior and posterior
  Index leapfrogs = 10;     ///< steps of one Hamiltonian move
  double step_size = 0.05;  ///< of a leapfrog, in units of z: best where about two of three moves are accepted
};

/// An estimate by annealing, and how well the chains moved.
template <class S = float>
struct AnnealedLikelihood {
  Tensor<S> value;        ///< [n], nats
  double acceptance = 0;  ///< share of the moves that were accepted
};

namespace detail {

// Temperatures 0 = b_0 < ... < b_steps = 1 along a sigmoid, slow at both ends (Wu et al. 2017, sec. 4.1).
inline double annealing_temperature(Index step, Index steps) {
  auto sigmoid_at = [](double u) { return 1 / (1 + std::exp(-4 * (2 * u - 1))); };
  const double low = sigmoid_at(0), u = static_cast<double>(step) / static_cast<double>(steps);
  return (sigmoid_at(u) - low) / (1 - 2 * low);
}

// Where chains stand: z [c, n, latent], log p(z) and log p(x | z) [c, n], and the slopes of both.
template <class S>
struct DecoderPoint {
  Tensor<S> z, log_prior, log_fit, prior_slope, fit_slope;

  Tensor<S> log_density(double temperature) const { return log_prior + log_fit * temperature; }
  Tensor<S> slope(double temperature) const { return prior_slope + fit_slope * temperature; }
};

template <class S, class Model>
DecoderPoint<S> decoder_point(const Model& model, const Tensor<S>& x, const Tensor<S>& z) {
  const RowValues<S> prior = values_and_slope([&](const Tensor<S>& u) { return model.prior().log_prob(u); }, z);
  const RowValues<S> fit = values_and_slope([&](const Tensor<S>& u) { return model.decode(u).log_prob(x); }, z);
  return {z, prior.value, fit.value, prior.slope, fit.slope};
}

// A Hamiltonian move that leaves p(z) p(x | z)^temperature as it is (Neal 2011, fig. 2). Adds to `accepted` the share
// of the chains that moved.
template <class S, class Model>
DecoderPoint<S> hamiltonian_move(const Model& model, const Tensor<S>& x, const DecoderPoint<S>& from,
                                 double temperature, const DecoderAnnealingOptions& options, double& accepted,
                                 Rng& rng) {
  const double step = options.step_size;
  const Tensor<S> start = normal<S>(from.z.shape(), rng);
  Tensor<S> momentum = start + from.slope(temperature) * (0.5 * step);
  DecoderPoint<S> to = from;
  for (Index i = 0; i < options.leapfrogs; ++i) {
    to = decoder_point(model, x, to.z + momentum * step);
    const bool last = i + 1 == options.leapfrogs;
    momentum = momentum + to.slope(temperature) * (last ? 0.5 * step : step);
  }
  const Tensor<S> gain =
      to.log_density(temperature) - from.log_density(temperature) + sum(square(start) - square(momentum), -1) * 0.5;
  const Tensor<S> yes = log(uniform<S>(gain.shape(), rng)) < gain;  // a gain of NaN is refused
  const Tensor<S> rows = unsqueeze(yes, 2);
  accepted += yes.mean();
  return {where(rows, to.z, from.z), where(yes, to.log_prior, from.log_prior), where(yes, to.log_fit, from.log_fit),
          where(rows, to.prior_slope, from.prior_slope), where(rows, to.fit_slope, from.fit_slope)};
}

template <class S>
void check_decoder_annealing(const char* name, const Tensor<S>& x, const DecoderAnnealingOptions& options) {
  if (x.rank() != 2) fail<ShapeError>(name, ": x of shape ", x.shape(), ", expected [n, d]");
  if (options.chains < 1 || options.steps < 1 || options.leapfrogs < 1 || !(options.step_size > 0))
    fail<ValueError>(name, ": got .chains = ", options.chains, ", .steps = ", options.steps,
                     ", .leapfrogs = ", options.leapfrogs, " and .step_size = ", options.step_size,
                     ", expected at least 1 of each and a positive step");
}

}  // namespace detail

/// An estimate of log p(x) per example by annealed importance sampling from the prior (Neal 2001; for decoders Wu et
/// al. 2017): x [n, d] -> [n], nats. Its mean is a lower bound that rises to log p(x) with steps and chains.
///
/// Chains start at draws from the prior and move, by Hamiltonian Monte Carlo, through p(z) p(x | z)^b, b from 0 to 1.
/// The encoder is not used. Costs steps x leapfrogs gradients of the decoder for chains x n rows. Throws ShapeError,
/// ValueError.
template <class Model, class S>
requires LatentVariableModel<Model, S> AnnealedLikelihood<S> annealed_log_likelihood(
    const Model& model, const Tensor<S>& x, const DecoderAnnealingOptions& options, Rng& rng) {
  detail::check_decoder_annealing("annealed_log_likelihood", x, options);
  const NoGradient guard;
  const Index n = x.size(0), c = options.chains;
  const Tensor<S> start = model.prior().sample(c * n, rng);  // [c n, latent]
  auto at = detail::decoder_point(model, x, reshape(start, {c, n, start.size(1)}));
  Tensor<S> logs = Tensor<S>::zeros({c, n});
  double accepted = 0, before = 0;
  for (Index i = 1; i <= options.steps; ++i) {
    const double now = detail::annealing_temperature(i, options.steps);
    logs = logs + at.log_fit * (now - before);
    if (i < options.steps) at = detail::hamiltonian_move(model, x, at, now, options, accepted, rng);
    before = now;
  }
  return {logsumexp(logs, 0) - std::log(static_cast<double>(c)),
          accepted / static_cast<double>(std::max(Index{1}, options.steps - 1))};
}

/// An estimate of log p(x) per example from above, for x that the model itself drew from the codes z: the same chains,
/// backwards from z (bidirectional Monte Carlo, Grosse et al. 2015): x [n, d], z [n, latent] -> [n], nats.
///
/// Its mean is an upper bound that falls to log p(x). On the model's own draws it shows how far
/// annealed_log_likelihood is from the truth. Throws ShapeError, ValueError.
template <class Model, class S>
requires LatentVariableModel<Model, S> AnnealedLikelihood<S> annealed_upper_bound(
    const Model& model, const Tensor<S>& x, const Tensor<S>& z, const DecoderAnnealingOptions& options, Rng& rng) {
  detail::check_decoder_annealing("annealed_upper_bound", x, options);
  if (z.rank() != 2 || z.size(0) != x.size(0))
    fail<ShapeError>("annealed_upper_bound: x of shape ", x.shape(), " and z of shape ", z.shape(),
                     ", expected [n, d] and [n, latent]");
  const NoGradient guard;
  const Index n = x.size(0), c = options.chains;
  auto at = detail::decoder_point(model, x, expand(unsqueeze(z, 0), {c, n, z.size(1)}));
  Tensor<S> logs = Tensor<S>::zeros({c, n});
  double accepted = 0, before = 1;
  for (Index i = options.steps - 1; i >= 0; --i) {
    const double now = detail::annealing_temperature(i, options.steps);
    logs = logs - at.log_fit * (before - now);
    if (i > 0) at = detail::hamiltonian_move(model, x, at, now, options, accepted, rng);
    before = now;
  }
  return {std::log(static_cast<double>(c)) - logsumexp(logs, 0),
          accepted / static_cast<double>(std::max(Index{1}, options.steps - 1))};
}

}  // namespace pushforward
