// NoData: what stands for data where an objective draws its own.
#pragma once

#include <pushforward/core/shape.hpp>

namespace pushforward {

/// In the place of data, for objectives that draw from the model instead: reverse_kl, renyi.
///
///     fit(flow, NoData{.draws = 25'600}, reverse_kl(log_density), {.epochs = 20, .batch_size = 256}, rng);
///
/// For fit() it is how many draws make an epoch, and `batch_size` how many of them a step makes; the objective is
/// called with the number for its step.
struct NoData {
  Index draws = 25'600;
};

}  // namespace pushforward
