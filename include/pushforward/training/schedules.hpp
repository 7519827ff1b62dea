// Learning-rate schedules: callables that map a step to the factor of the learning rate at that step.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>
#include <utility>

#include <pushforward/core/error.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward {

namespace detail {

// Where `step` stands between 0 and 1 in a schedule over `own` steps, or all `total` of a training if it has none.
double progress_of(const char* schedule, Index step, Index own, Index total);

inline double cosine_between(double from, double to, double progress) {
  return to + (from - to) * 0.5 * (1 + std::cos(3.14159265358979323846 * progress));
}

}  // namespace detail

class Schedule;

namespace detail {

template <class F>
concept ScheduleFunction = !std::is_same_v<F, Schedule> && (std::is_invocable_r_v<double, const F&, Index, Index> ||
                                                            std::is_invocable_r_v<double, const F&, Index>);

}  // namespace detail

/// Any schedule: a callable (step) -> factor, or (step, total) -> factor where total is the number of steps of the
/// whole training. Steps count from 0.
class Schedule {
 public:
  /// The factor 1 throughout.
  Schedule() = default;
  template <detail::ScheduleFunction F>
  Schedule(F factor) {  // implicit: .schedule = cosine_decay()
    if constexpr (std::is_invocable_r_v<double, const F&, Index, Index>)
      factor_ = std::move(factor);
    else
      factor_ = [f = std::move(factor)](Index step, Index) { return static_cast<double>(f(step)); };
  }

  /// The factor at `step`, of `total` steps in all (0 if not known).
  double operator()(Index step, Index total = 0) const { return factor_ ? factor_(step, total) : 1.0; }

 private:
  std::function<double(Index, Index)> factor_;
};

/// factor(step) = `factor`.
inline Schedule constant_rate(double factor = 1) {
  return [factor](Index) { return factor; };
}

/// How step_decay goes.
struct StepDecayOptions {
  Index every = 1000;  ///< steps between two drops
  double factor = 0.1;
};

/// factor(step) = factor^floor(step / every). Throws ValueError unless every > 0 and factor > 0.
Schedule step_decay(StepDecayOptions options = {});

/// How cosine_decay goes.
struct CosineDecayOptions {
  Index steps = 0;  ///< until the end; 0 for all steps of the training, which fit() knows
  double final_factor = 0;
};

/// factor(step) = final + (1 - final) (1 + cos(pi step / steps)) / 2, and `final_factor` from then on.
///
/// Source: Loshchilov and Hutter, SGDR, 2017, equation 5.
Schedule cosine_decay(CosineDecayOptions options = {});

/// factor(step) = (step + 1) / (steps + 1) times what `then` begins with for the first `steps` steps, then `then`
/// counted from there. Throws ValueError for negative `steps`.
Schedule warm_up(Index steps, Schedule then = {});

/// How one_cycle goes.
struct OneCycleOptions {
  Index steps = 0;       ///< until the end; 0 for all steps of the training, which fit() knows
  double peak_at = 0.3;  ///< the part of the steps before the peak
  double first_factor = 1.0 / 25;
  double final_factor = 1e-4;
};

/// A factor that rises along a cosine from `first_factor` to 1 at `peak_at`, then falls to `final_factor`: the learning
/// rate of the optimizer is the peak. Throws ValueError unless 0 < peak_at < 1.
///
/// Source: Smith and Topin, Super-convergence, 2018.
Schedule one_cycle(OneCycleOptions options = {});

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/training/schedules.inl>
#endif
