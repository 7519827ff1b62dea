// A training step of Glow.
#include <pushforward/models/image_flow.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

// Two levels of four steps on 28 x 28 images of 8 bits in 32 x 32, batches of 16, in bits per dimension.
Workload glow_train() {
  using pf::Index, pf::Tensor;
  constexpr Index n = 16, size = 32, border = 2, dims = size * size;
  pf::Rng rng(0);
  auto flow =
      pf::glow({.channels = 1, .height = size, .width = size, .levels = 2, .steps = 4, .hidden = {64, 64}}, rng);
  std::vector<Tensor<>> batches;
  for (int i = 0; i < 16; ++i) {
    const Tensor<> units = pf::uniform({n, 1, 28, 28}, rng);
    const Tensor<> pixels =
        Tensor<>::generate(units.shape(), [&](Index k) { return std::floor(256 * units.data()[k]); });
    batches.push_back(pf::pad(pf::pad(pixels, 2, border, border), 3, border, border));
  }
  // Weights of the networks, and of the 1 x 1 convolutions, at each position; forward, to the weights, to the inputs.
  const double fine = 4 * (9.0 * 2 * 64 + 64 * 64 + 9.0 * 64 * 4 + 4 * 4);
  const double coarse = 4 * (9.0 * 4 * 64 + 64 * 64 + 9.0 * 64 * 8 + 8 * 8);
  const double flops = 2.0 * n * (3 * (256 * fine + 64 * coarse) - 256 * 4 * 4);
  const double bits = 1 / (static_cast<double>(dims) * std::log(2.0));
  return {"glow_train", "steps/s", 1, flops,
          [flow, batches, bits, adam = pf::Adam(), noise = pf::Rng(1), at = std::size_t{0}]() mutable {
            const Tensor<>& batch = batches[++at % batches.size()];
            const Tensor<> x = (batch + pf::uniform(batch.shape(), noise)) * (1.0 / 256) - 0.5;
            adam.step(flow, pf::gradient(8 - pf::mean(flow.log_prob(x)) * bits, flow));
          }};
}

}  // namespace benchmark
