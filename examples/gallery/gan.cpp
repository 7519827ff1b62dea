// Generative adversarial networks: a generator that learns from a critic. It draws, and has no density.
#include "gallery.hpp"

namespace gallery {

namespace {

pf::AdversarialFitOptions training(pf::Index epochs, double learning_rate, pf::Index batch_size, pf::Index critic_steps,
                                   double ema_decay) {
  const pf::Adam adam({.learning_rate = learning_rate, .beta1 = 0.5, .beta2 = 0.9});
  return {.epochs = epochs,
          .batch_size = batch_size,
          .critic_steps = critic_steps,
          .generator_optimizer = adam,
          .critic_optimizer = adam,
          .schedule = pf::cosine_decay(),
          .ema_decay = ema_decay,
          .progress = pf::Progress::off};
}

}  // namespace

Panel gan(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  pf::Gan model(pf::Mlp({4, 128, 128, 2}, rng), 4);
  pf::Mlp critic({2, 128, 128, 1}, rng);
  const pf::AdversarialFitOptions options = budget.quick ? training(budget.epochs(100, 0), 1e-3, 256, 1, 0.999)
                                                         : training(budget.epochs(0, 600), 5e-4, 256, 1, 0.9995);
  const double seconds =
      pf::timed([&] { pf::fit_adversarial(model, critic, plane.train, pf::NonSaturating{.r1 = 0.02}, options, rng); });
  return show(std::move(model), plane, budget, seconds, rng);
}

/// Grey levels from a network's outputs.
struct Grey {
  pf::Mlp<> net;
  pf::Tensor<> operator()(const pf::Tensor<>& z) const { return pf::sigmoid(net(z)); }
  static void members(auto& self, auto&& visit) { visit("net", self.net); }
};

Panel gan_digits(const Digits& digits, const Budget& budget, pf::Rng& rng) {
  pf::Gan model(Grey{pf::Mlp({64, 256, 256, 784}, rng)}, 64);
  pf::Mlp critic({784, 256, 256, 1}, rng);
  const double seconds = pf::timed([&] {
    pf::fit_adversarial(model, critic, digits.train, pf::WassersteinGp{},
                        training(budget.epochs(36, 150), 5e-4, 128, 4, budget.quick ? 0.99 : 0.999), rng);
  });
  return show(model, digits, seconds, rng);
}

}  // namespace gallery
