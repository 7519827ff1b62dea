// Langevin dynamics: draws from a density that is known by its score.
#pragma once

#include <cmath>
#include <limits>
#include <optional>

#include <pushforward/objectives/score_matching.hpp>
#include <pushforward/ops/elementwise.hpp>

namespace pushforward {

/// How unadjusted Langevin dynamics moves.
struct LangevinOptions {
  Index steps = 100;
  double step_size = 0.01;                                ///< what the score is multiplied by
  std::optional<double> noise = {};                       ///< its standard deviation; sqrt(2 step_size) if left out
  double max_score = 0;                                   ///< limit of each |component| of the score; 0 for none
  double low = -std::numeric_limits<double>::infinity();  ///< chains are kept in the box
  double high = std::numeric_limits<double>::infinity();  ///< [low, high] in every coordinate
};

/// How Metropolis-adjusted Langevin dynamics moves.
struct MetropolisOptions {
  Index steps = 100;
  double step_size = 0.01;  ///< what the score is multiplied by; the noise is sqrt(2 step_size)
};

/// Where chains ended, and how they came there.
template <class S = float>
struct MetropolisDraws {
  Tensor<S> value;        ///< [n, d]
  Tensor<S> log_density;  ///< [n], up to the constant that is not known
  double acceptance = 0;  ///< share of the proposals that were accepted; about 0.57 is best in many dimensions
};

namespace detail {

inline void check_steps(const char* name, Index steps, double step_size) {
  if (steps < 0) fail<ValueError>(name, ": .steps is ", steps, ", expected 0 or more");
  if (!(step_size > 0 && step_size < std::numeric_limits<double>::infinity()))
    fail<ValueError>(name, ": .step_size is ", step_size, ", expected a positive number");
}

inline void check_langevin(const LangevinOptions& options) {
  check_steps("langevin", options.steps, options.step_size);
  if (options.noise && !(*options.noise >= 0))
    fail<ValueError>("langevin: .noise is ", *options.noise, ", expected 0 or more");
  if (!(options.max_score >= 0))
    fail<ValueError>("langevin: .max_score is ", options.max_score, ", expected 0 (no limit) or more");
  if (!(options.low < options.high))
    fail<ValueError>("langevin: the box is [", options.low, ", ", options.high, "], expected .low < .high");
}

template <class S>
void check_chains(const char* name, const Tensor<S>& x) {
  if (x.rank() != 2) fail<ShapeError>(name, ": chains of shape ", x.shape(), ", expected [n, d]");
}

template <class S>
Tensor<S> checked_score(const char* name, Tensor<S> slope, const Tensor<S>& x) {
  if (!(slope.shape() == x.shape()))
    fail<ShapeError>(name, ": the score has shape ", slope.shape(), " at chains of shape ", x.shape(),
                     ", expected the same shape");
  return slope;
}

// x + step * slope + noise * e
template <class S>
Tensor<S> langevin_step(const Tensor<S>& x, const Tensor<S>& slope, const Tensor<S>& e, double step, double noise) {
  return elementwise([=](auto u, auto s, auto r) { return u + step * s + noise * r; }, x, slope, e);
}

// log q(to | from) of a Langevin proposal, up to a constant: [n].
template <class S>
Tensor<S> log_proposal(const Tensor<S>& to, const Tensor<S>& from, const Tensor<S>& slope, double step) {
  return sum(elementwise(
                 [=](auto b, auto a, auto s) {
                   const auto u = b - a - step * s;
                   return u * u * (-0.25 / step);
                 },
                 to, from, slope),
             1);
}

// A place of chains, with what moving on from it needs.
template <class S>
struct LangevinPoint {
  Tensor<S> x, log_density, slope;
};

template <class F, class S>
LangevinPoint<S> langevin_point(const F& density, const Tensor<S>& x) {
  const FlagGuard guard(recording_flag(), true);
  const Tensor<S> at = variable(x), y = log_density_at(density, at);
  if (!(y.shape() == Shape{x.size(0)}))
    fail<ShapeError>("metropolis_langevin: the log-density of chains ", x.shape(), " has shape ", y.shape(),
                     ", expected [", x.size(0), "]");
  const Tensor<S> slope = y.tracked() ? vjp(y, {at}, Tensor<S>::ones(y.shape()))[0] : Tensor<S>::zeros(x.shape());
  return {x, stop_gradient(y), stop_gradient(slope)};
}

// 1 for the rows whose proposal is accepted: [n].
template <class S>
Tensor<S> accepted(const LangevinPoint<S>& from, const LangevinPoint<S>& to, double step, Rng& rng) {
  const Tensor<S> ratio = to.log_density - from.log_density + log_proposal(from.x, to.x, to.slope, step) -
                          log_proposal(to.x, from.x, from.slope, step);
  return log(uniform<S>(ratio.shape(), rng)) < ratio;  // a proposal of density NaN is refused
}

}  // namespace detail

/// Unadjusted Langevin dynamics from x [n, d] (Welling and Teh 2011, eq. 4, with all data): the chains' last places,
///
///     x <- x + step_size score(x) + noise e,  e ~ N(0, I).
///
/// `density` is anything that pushforward::score takes: a model, a density, or a function that gives log-densities.
/// With noise = sqrt(2 step_size) chains settle on p up to an error that vanishes with the step; energy models are
/// often trained with less noise. Throws ValueError for options out of range, ShapeError.
template <class Density, class S>
Tensor<S> langevin(const Density& density, Tensor<S> x, const LangevinOptions& options, Rng& rng) {
  detail::check_langevin(options);
  detail::check_chains("langevin", x);
  NoGradient guard;
  const double noise = options.noise.value_or(std::sqrt(2 * options.step_size));
  const bool box = std::isfinite(options.low) || std::isfinite(options.high);
  for (Index i = 0; i < options.steps; ++i) {
    Tensor<S> slope = detail::checked_score("langevin", score(density, x), x);
    if (options.max_score > 0) slope = clamp(slope, -options.max_score, options.max_score);
    x = detail::langevin_step(x, slope, normal<S>(x.shape(), rng), options.step_size, noise);
    if (box) x = clamp(x, options.low, options.high);
  }
  return stop_gradient(x);
}

/// Metropolis-adjusted Langevin dynamics from x [n, d] (Roberts and Tweedie 1996, sec. 1.4.1): each Langevin step is a
/// proposal that is accepted with the probability that makes p itself the stationary density.
///
/// `density` is a model, a density, or a function that gives log-densities [n], up to a constant. Throws ValueError for
/// options out of range, ShapeError.
template <class Density, class S>
MetropolisDraws<S> metropolis_langevin(const Density& density, const Tensor<S>& x, const MetropolisOptions& options,
                                       Rng& rng) {
  detail::check_steps("metropolis_langevin", options.steps, options.step_size);
  detail::check_chains("metropolis_langevin", x);
  NoGradient guard;
  detail::LangevinPoint<S> at = detail::langevin_point(density, stop_gradient(x));
  double share = 0;
  for (Index i = 0; i < options.steps; ++i) {
    const Tensor<S> e = normal<S>(x.shape(), rng);
    const detail::LangevinPoint<S> next = detail::langevin_point(
        density, detail::langevin_step(at.x, at.slope, e, options.step_size, std::sqrt(2 * options.step_size)));
    const Tensor<S> yes = detail::accepted(at, next, options.step_size, rng), rows = unsqueeze(yes, 1);
    at = {where(rows, next.x, at.x), where(yes, next.log_density, at.log_density), where(rows, next.slope, at.slope)};
    share += yes.mean() / static_cast<double>(options.steps);
  }
  return {at.x, at.log_density, share};
}

}  // namespace pushforward
