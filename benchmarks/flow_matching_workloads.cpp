// Flow matching in the plane, through the model of the library: training steps, and drawing by Euler's method.
#include <pushforward/models/flow_matching.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace pf = pushforward;
using pf::Index, pf::Tensor;

namespace {

// Multiply-adds of all layers for one row: 3 -> 128 -> 128 -> 128 -> 2.
constexpr double first_layer = 3 * 128, other_layers = 2 * 128 * 128 + 128 * 2;

pf::FlowMatching<pf::TimeMlp<>> plane_model() {
  pf::Rng rng(0);
  return pf::flow_matching_model({.features = 2, .hidden = {128, 128, 128}}, rng);
}

}  // namespace

namespace benchmark {

Workload flow_matching2d_train() {
  constexpr Index n = 256;
  pf::Rng rng(1);
  std::vector<Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::normal({n, 2}, rng));
  // Forward, to the weights, and (but for the first layer) to the inputs.
  return {"flow_matching2d_train", "steps/s", 1, 2.0 * n * (2 * first_layer + 3 * other_layers),
          [=, model = plane_model(), adam = pf::Adam(), at = std::size_t{0}]() mutable {
            const Tensor<> loss = pf::flow_matching()(model, batches[++at % batches.size()], rng);
            adam.step(model, pf::gradient(loss, model));
          }};
}

Workload flow_matching2d_sample() {
  constexpr Index n = 10'000;
  return {"flow_matching2d_sample", "samples/s", n, 100 * 2.0 * n * (first_layer + other_layers),
          [model = plane_model(), rng = pf::Rng(1)]() mutable {
            model.sample(n, rng, {.solver = pf::Euler{.steps = 100}});
          }};
}

}  // namespace benchmark
