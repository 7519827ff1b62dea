// fit() for objectives that draw from the model instead of looking at data.
#pragma once

#include <pushforward/objectives/no_data.hpp>
#include <pushforward/training/fit.hpp>

namespace pushforward {

namespace detail {

// Calls an objective of NoData with the number of rows of batches that hold nothing of interest.
template <class Objective>
struct IgnoreRows {
  Objective objective;

  template <class Model>
  auto operator()(const Model& model, const Tensor<Index>& rows, Rng& rng) const {
    return objective(model, NoData{rows.size(0)}, rng);
  }
  auto at(Index step, Index total) const requires requires(const Objective& o) { o.at(Index{}, Index{}); }
  { return IgnoreRows<decltype(objective.at(step, total))>{objective.at(step, total)}; }
};

}  // namespace detail

/// Trains `model` without data, to make `objective(model, NoData, rng)` small: variational inference.
///
///     fit(flow, NoData{.draws = 25'600}, reverse_kl(log_density), {.epochs = 20, .batch_size = 256}, rng);
///
/// An epoch is `draws / batch_size` steps. The options are those of every fit(); `.validation = NoData{..}` estimates
/// the loss with that many draws, from the same noise each time. What starts from data (ActNorm) stays as it is. Throws
/// as fit() does.
template <class M, class Objective>
History fit(M& model, const NoData& none, const Objective& objective, const FitOptions& options, Rng& rng) {
  if (none.draws < 1) fail<ValueError>("fit: NoData has .draws = ", none.draws, ", expected at least 1");
  // Whole numbers: rows that no model is started from.
  FitOptions with_rows = options;
  with_rows.shuffle = false;
  if (const auto* held_out = std::any_cast<NoData>(&options.validation))
    with_rows.validation = Tensor<Index>::zeros({held_out->draws});
  return fit(model, Tensor<Index>::zeros({none.draws}), detail::IgnoreRows<Objective>{objective}, with_rows, rng);
}

}  // namespace pushforward
