// Training steps of generative adversarial networks, through the library's models and losses.
#include <array>

#include <pushforward/models/gan.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/training/adam.hpp>

#include "workloads.hpp"

namespace benchmark {

Workload wgan_gp2d_train() {
  using pf::Index, pf::Mlp, pf::Rng, pf::Tensor;
  constexpr Index n = 256;
  Rng rng(0);
  pf::Gan gan(Mlp<>({2, 128, 128, 2}, rng), 2);
  Mlp<> critic({2, 128, 128, 1}, rng);
  std::array<Tensor<>, 16> data;
  for (Tensor<>& batch : data) batch = pf::normal({n, 2}, rng);
  const pf::AdamOptions options{.learning_rate = 1e-4, .beta1 = 0.5, .beta2 = 0.9};
  // 2 * rows * weights of each product. Critic: the generator's pass; two passes with weight gradients; the penalty's
  // forward, backward, and backward of that. The first layer's input needs no gradient, but for the penalty's.
  const double rows = 2.0 * n, first = 2 * 128, middle = 128 * 128, generator_last = 128 * 2, critic_last = 128;
  const double critic_flops = rows * ((first + middle + generator_last) + 2 * (2 * first + 3 * (middle + critic_last)) +
                                      (3 * first + 4 * (middle + critic_last)));
  const double generator_flops =
      rows * (2 * first + 3 * (middle + generator_last) + 2 * (first + middle + critic_last));
  return {"wgan_gp2d_train", "steps/s", 1, 5 * critic_flops + generator_flops,
          [=, gan_adam = pf::Adam(options), critic_adam = pf::Adam(options), noise = Rng(1), loss = pf::WassersteinGp{},
           at = std::size_t{0}]() mutable {
            for (int i = 0; i < 5; ++i) {
              const Tensor<> fake = gan.sample(n, noise);
              critic_adam.step(critic, pf::gradient(loss.critic_loss(critic, data[++at % 16], fake, noise), critic));
            }
            gan_adam.step(gan, pf::gradient(loss.generator_loss(critic, gan.rsample(n, noise)), gan));
          }};
}

}  // namespace benchmark
