// Gated PixelCNN: a training step, and drawing images pixel by pixel.
#include <pushforward/models/autoregressive/gated_pixel_cnn.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

namespace {

constexpr double pixels = 28 * 28, layers = 7, features = 32;

// Products at a pixel: the vertical stack, of which the first layer meets one channel, and the horizontal one.
constexpr double vertical = 21 * 64 + (layers - 1) * features * 6 * 64 + layers * 64 * 64;
constexpr double horizontal =
    3 * 64 + (layers - 1) * features * 2 * 64 + layers * features * features + features * features + features;

}  // namespace

Workload pixelcnn_train() {
  constexpr pf::Index n = 32;
  pf::Rng rng(0);
  auto model = pf::gated_pixel_cnn_bernoulli({}, rng);
  std::vector<pf::Tensor<>> batches;
  for (int i = 0; i < 16; ++i) batches.push_back(pf::bernoulli(pf::Tensor<>::full({n, 1, 28, 28}, 0.3f), rng));
  // Forward, to the weights, and to the inputs of all but the first layer.
  const double flops = 2 * n * pixels * (3 * (vertical + horizontal) - (21 + 3) * 64);
  return {"pixelcnn_train", "steps/s", 1, flops, [model, adam = pf::Adam(), batches, at = std::size_t{0}]() mutable {
            const pf::Tensor<> loss = pf::mean(model.log_prob(batches[++at % batches.size()])) * (-1 / pixels);
            adam.step(model, pf::gradient(loss, model));
          }};
}

Workload pixelcnn_sample() {
  constexpr pf::Index n = 16;
  pf::Rng rng(0);
  const auto model = pf::gated_pixel_cnn_bernoulli({}, rng);
  return {"pixelcnn_sample", "samples/s", static_cast<double>(n), 2 * n * pixels * (vertical + horizontal),
          [model, noise = pf::Rng(1)]() mutable { model.sample(n, noise); }};
}

}  // namespace benchmark
