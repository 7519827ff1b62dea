// A training step of an energy model by persistent contrastive divergence.
#include <vector>

#include <pushforward/models/energy.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

Workload ebm_sgld_train() {
  using pf::Index, pf::Tensor;
  constexpr Index n = 256;
  pf::Rng rng(0);
  pf::EnergyModel model(pf::Mlp<>({2, 128, 128, 1}, rng, {.activation = pf::Activation::silu}),
                        {.features = 2, .chains = n});
  const auto loss = pf::persistent_contrastive_divergence(
      {.langevin = {.steps = 20, .step_size = 0.005, .noise = 0.1}, .magnitude = 0.1, .reinitialize = 0});
  std::vector<Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::normal({n, 2}, rng));
  // 2 * rows * weights of each product: forward and backward to the chains twenty times, then data and chains forward,
  // to the weights and to all inputs but the first layer's.
  const double first = 2 * 128, rest = 128 * 128 + 128;
  const double flops = 20 * 2.0 * n * (first + 2 * rest) + 2 * 2.0 * n * (2 * first + 3 * rest);
  return {"ebm_sgld_train", "steps/s", 1, flops,
          [model, loss, batches, adam = pf::Adam(), noise = pf::Rng(1), at = std::size_t{0}]() mutable {
            adam.step(model, pf::gradient(loss(model, batches[++at % batches.size()], noise), model));
          }};
}

}  // namespace benchmark
