// Training steps of vector-quantized autoencoders, through the library's models and losses.
#include <array>

#include <pushforward/models/vq_vae.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

Workload vqvae_train() {
  using pf::Rng, pf::Tensor;
  constexpr double n = 64;
  Rng rng(0);
  auto vae = pf::vq_vae({.codes = 128, .quantizer = {.revive_below = 0}}, rng);
  std::array<Tensor<>, 16> data;
  for (Tensor<>& batch : data) batch = pf::uniform({64, 1, 28, 28}, rng);
  // Products of one image, weights times positions; all but the first layer's are taken three times, for the gradients.
  const double coarse = 7 * 7, middle = 14 * 14;
  const double first = 1 * 32 * 16 * middle, second = 32 * 64 * 16 * coarse;
  const double block = (64 * 32 * 9 + 32 * 64) * coarse, narrow = 64 * 16 * coarse;
  const double flops = 2 * n *
                       (2 * first + 3 * (second + block + narrow) + 128 * 16 * coarse +  // encoder, codes
                        3 * (narrow + block + second + first));                          // decoder
  return {"vqvae_train", "steps/s", 1, flops,
          [=, adam = pf::Adam({.learning_rate = 1e-3}), noise = Rng(1), loss = pf::vq_loss(),
           at = std::size_t{0}]() mutable { adam.step(vae, pf::gradient(loss(vae, data[++at % 16], noise), vae)); }};
}

}  // namespace benchmark
