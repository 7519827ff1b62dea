// annealed: an objective that changes in the course of training.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// What `annealed` gives: fit() asks it for the objective of each step.
template <class Make>
struct Annealed {
  Make make;

  /// The objective at `step` of `total`; at step = total the one that validation uses throughout.
  auto at(Index step, Index total) const { return make(step, total); }
};

/// An objective made anew for each step of fit(): `make(step, total)` returns it, with steps counted from 0.
///
///     fit(vae, x, annealed([](Index step, Index total) { return elbo({.beta = ramp(step, total / 2)}); }), ...)
///
/// Validation uses make(total, total), so that its losses can be compared. A resumed training goes on at its step.
template <class Make>
requires std::invocable<const Make&, Index, Index> Annealed<Make> annealed(Make make) { return {std::move(make)}; }

/// A straight line from `from` at step 0 to `to` at step `steps`, constant from there on.
inline double ramp(Index step, Index steps, double from = 0, double to = 1) {
  if (steps <= 0) return to;
  return from + (to - from) * std::min(1.0, static_cast<double>(step) / static_cast<double>(steps));
}

/// `cycles` ramps from 0 to 1 over `total` steps, each rising for the first `rising` of its length and 1 for the rest
/// (Fu et al. 2019, eq. 6). Throws ValueError.
inline double cyclical_ramp(Index step, Index total, Index cycles = 4, double rising = 0.5) {
  if (cycles < 1 || !(rising > 0 && rising <= 1))
    fail<ValueError>("cyclical_ramp: got ", cycles, " cycles that rise for ", rising,
                     " of their length, expected at least 1 and a number in (0, 1]");
  if (step >= total) return 1;
  const double period = static_cast<double>(total) / static_cast<double>(cycles), at = static_cast<double>(step);
  return std::min(1.0, (at / period - std::floor(at / period)) / rising);
}

}  // namespace pushforward
