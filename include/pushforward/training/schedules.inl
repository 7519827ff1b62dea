// Bodies of schedules.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/training/schedules.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE double progress_of(const char* schedule, Index step, Index own, Index total) {
  const Index steps = own > 0 ? own : total;
  if (steps <= 0) fail<ValueError>(schedule, ": the number of steps is not known outside of fit(); set .steps");
  return std::clamp(static_cast<double>(step) / static_cast<double>(steps), 0.0, 1.0);
}

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE Schedule step_decay(StepDecayOptions options) {
  if (options.every <= 0)
    fail<ValueError>("step_decay: every is ", options.every, ", expected a positive number of steps");
  if (!(options.factor > 0)) fail<ValueError>("step_decay: factor is ", options.factor, ", expected a positive number");
  return [options](Index step) { return std::pow(options.factor, static_cast<double>(step / options.every)); };
}

PUSHFORWARD_ONCE Schedule cosine_decay(CosineDecayOptions options) {
  return [options](Index step, Index total) {
    return detail::cosine_between(1, options.final_factor,
                                  detail::progress_of("cosine_decay", step, options.steps, total));
  };
}

PUSHFORWARD_ONCE Schedule warm_up(Index steps, Schedule then) {
  if (steps < 0) fail<ValueError>("warm_up: steps is ", steps, ", expected 0 or more");
  return [steps, then = std::move(then)](Index step, Index total) {
    const Index rest = total > 0 ? std::max<Index>(total - steps, 1) : 0;
    if (step >= steps) return then(step - steps, rest);
    return then(0, rest) * static_cast<double>(step + 1) / static_cast<double>(steps + 1);
  };
}

PUSHFORWARD_ONCE Schedule one_cycle(OneCycleOptions options) {
  if (!(options.peak_at > 0 && options.peak_at < 1))
    fail<ValueError>("one_cycle: peak_at is ", options.peak_at, ", expected a number between 0 and 1");
  return [options](Index step, Index total) {
    const double at = detail::progress_of("one_cycle", step, options.steps, total);
    if (at < options.peak_at) return detail::cosine_between(options.first_factor, 1, at / options.peak_at);
    return detail::cosine_between(1, options.final_factor, (at - options.peak_at) / (1 - options.peak_at));
  };
}

}  // namespace pushforward
