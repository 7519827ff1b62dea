// What an objective is: a callable that turns a model and a batch into a loss.
#pragma once

#include <concepts>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>

namespace pushforward {

/// Calls `objective(model, batch, rng)`, or `objective(model, batch)` for one that needs no randomness: a loss of one
/// number.
template <class Objective, class Model, class Batch>
auto evaluate_objective(const Objective& objective, const Model& model, const Batch& batch, Rng& rng) {
  if constexpr (std::invocable<const Objective&, const Model&, const Batch&, Rng&>) {
    return objective(model, batch, rng);
  } else {
    static_assert(
        std::invocable<const Objective&, const Model&, const Batch&>,
        "pushforward: an objective is called as objective(model, batch, rng) or objective(model, batch) and gives "
        "a loss of one number; this one can be called in neither way with this model and batch.");
    return objective(model, batch);
  }
}

}  // namespace pushforward
