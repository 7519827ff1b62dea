// Energy-based models: a density up to a factor, from one number for each point.
#include "gallery.hpp"

namespace gallery {

namespace {

using Tilt = pf::EnergyModel<pf::Mlp<>, pf::Normal<>>;

/// Draws of an energy model over a base: each is chosen among 32 of the base, then Langevin steps spread them out.
struct Chosen {
  using Scalar = float;
  Tilt model;

  pf::Tensor<> sample(pf::Index n, pf::Rng& rng) const {
    return pf::langevin(model, model.resample(n, 32, rng), {.steps = 30, .step_size = 0.002}, rng);
  }
  pf::LogLikelihood<float> log_likelihood(const pf::Tensor<>& x, pf::Rng& rng) const {
    return model.log_likelihood(x, rng);
  }
};

}  // namespace

Panel energy(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  // The model tilts a wide normal distribution, and learns to tell data from its draws; log Z is learned on the way.
  const pf::Normal<> wide(pf::Tensor<>::zeros({2}), pf::Tensor<>::full({2}, 3.0f));
  Tilt model(pf::Mlp({2, 64, 64, 64, 64, 1}, rng, {.activation = pf::Activation::silu}), wide, {.features = 2});
  auto options = budget.training(budget.epochs(50, 250), 5e-3);
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, pf::noise_contrastive_estimation(wide, {.ratio = 4}), options, rng);
    model.set_log_partition(pf::log_partition_by_quadrature(model));
  });
  return show(Chosen{std::move(model)}, plane, budget, seconds, rng);
}

}  // namespace gallery
