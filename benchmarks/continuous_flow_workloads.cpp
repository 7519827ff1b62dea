// A training step of a continuous normalizing flow, backwards through its solver.
#include <pushforward/models/continuous_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace pf = pushforward;
using pf::Tensor;

// 3-64-64-2 with tanh, exact trace, twenty classic Runge-Kutta steps on 512 points.
benchmark::Workload benchmark::ffjord2d_train() {
  constexpr double n = 512, evaluations = 80;
  pf::Rng rng(0);
  pf::TimeMlp<> net(2, {64, 64}, rng, {.activation = pf::Activation::tanh});
  std::vector<Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::normal({512, 2}, rng));
  // The products of the network and one more of the trace, each forward, to the weights and to the input.
  const double flops = evaluations * 3 * 2 * n * (3 * 64 + 2 * 64 * 64 + 64 * 2);
  return {"ffjord2d_train", "steps/s", 1, flops,
          [flow = pf::ContinuousFlow(std::move(net), pf::standard_normal(2), {.solver = pf::RungeKutta4{.steps = 20}}),
           batches, adam = pf::Adam(), at = std::size_t{0}]() mutable {
            adam.step(flow, pf::gradient(pf::mle(flow, batches[++at % batches.size()]), flow));
          }};
}
