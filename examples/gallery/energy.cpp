// Energy-based models: a density up to a factor, from one number for each point, drawn from by Langevin dynamics.
#include "gallery.hpp"

namespace gallery {

Panel energy(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  pf::EnergyModel model(pf::Mlp({2, 128, 128, 1}, rng, {.activation = pf::Activation::silu}),
                        {.features = 2, .chains = 10'000, .sampler = {.steps = 100, .step_size = 0.008}});
  const auto objective = pf::persistent_contrastive_divergence(
      {.langevin = {.steps = 20, .step_size = 0.008}, .magnitude = 0, .reinitialize = 0.02});
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, objective, budget.training(budget.epochs(25, 120), 3e-3), rng);
    model.set_log_partition(pf::log_partition_by_quadrature(model));
  });
  return show(std::move(model), plane, budget, seconds, rng);
}

}  // namespace gallery
