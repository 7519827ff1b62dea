// Training steps of autoregressive models.
#include <pushforward/models/masked_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

Workload maf_tabular_train() {
  constexpr pf::Index n = 256;
  pf::Rng rng(0);
  auto flow = pf::masked_autoregressive_flow({.features = 16, .layers = 5, .hidden = {128, 128}}, rng);
  std::vector<pf::Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::normal({n, 16}, rng));
  // Forward, to the weights, and to the inputs of all but the first layer that data meets.
  const double dense = 2.0 * n * (16 * 128 + 128 * 128 + 128 * 32);
  const double flops = 15 * dense - 2.0 * n * 16 * 128;
  return {"maf_tabular_train", "steps/s", 1, flops, [flow, adam = pf::Adam(), batches, at = std::size_t{0}]() mutable {
            const auto gradients = pf::gradient(pf::mle(flow, batches[++at % batches.size()]), flow);
            adam.step(flow, gradients);
          }};
}

}  // namespace benchmark
