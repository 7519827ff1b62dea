// Variational autoencoders: a bound of the density, from a latent variable for each point.
#include "gallery.hpp"

namespace gallery {

Panel vae(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  const pf::MlpOptions tanh{.activation = pf::Activation::tanh};
  const pf::Index width = budget.pick(64, 128);
  pf::Vae model(pf::GaussianHead(pf::Mlp({2, width, width, 4}, rng, tanh)),  // x -> q(z | x)
                pf::GaussianHead(pf::Mlp({2, width, width, 4}, rng, tanh)),  // z -> p(x | z)
                2);
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, pf::iwae({.particles = 8}),
            budget.training(budget.epochs(60, 120), budget.quick ? 5e-3 : 3e-3), rng);
  });
  return show(std::move(model), plane, budget, seconds, rng);
}

Panel vae_digits(const Digits& digits, const Budget& budget, pf::Rng& rng) {
  const pf::Index latent = 20;
  pf::Vae model(pf::GaussianHead(pf::Mlp({784, 256, 2 * latent}, rng)),
                pf::BernoulliHead(pf::Mlp({latent, 256, 784}, rng)), latent);
  const double seconds = pf::timed(
      [&] { pf::fit(model, digits.train, pf::elbo(), budget.training(budget.epochs(40, 100), 2e-3, 128), rng); });
  const pf::NoGradient guard;
  return show(model, digits, seconds, rng, model.decode(model.prior().sample(16, rng)).mean());
}

}  // namespace gallery
