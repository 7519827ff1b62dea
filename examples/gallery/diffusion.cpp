// Diffusion and score models: networks that learn to take noise off.
#include "gallery.hpp"

namespace gallery {

Panel diffusion(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  const pf::Index width = budget.pick(64, 128);
  auto model = pf::ddpm({.features = 2,
                         .hidden = {width, width, width},
                         .prediction = pf::Prediction::velocity,
                         .sampling = {.sampler = pf::Sampler::dpm_solver, .steps = 40}},
                        rng);
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, pf::denoising(),
            budget.training(budget.epochs(300, 800), budget.quick ? 8e-3 : 4e-3, 512), rng);
  });
  return show(std::move(model), plane, budget, seconds, rng);
}

Panel diffusion_digits(const Digits& digits, const Budget& budget, pf::Rng& rng) {
  const pf::Index width = budget.pick(256, 512);
  auto model = pf::ddpm({.features = 784,
                         .hidden = {width, width, width},
                         .frequencies = 16,
                         .path = pf::cosine_path(),
                         .prediction = pf::Prediction::denoised,  // images are smoother than noise
                         .sampling = {.sampler = pf::Sampler::ancestral, .steps = 100, .clip = 1}},
                        rng);
  const double seconds = pf::timed([&] {
    const auto options = budget.training(budget.epochs(50, 80), budget.quick ? 2e-3 : 1e-3, 128);
    pf::fit(model, 2 * digits.train - 1, pf::denoising(), options, rng);
  });
  struct Grey {  // from [-1, 1] back to [0, 1]
    const decltype(model)& diffusion;
    pf::Tensor<> sample(pf::Index n, pf::Rng& random) const { return 0.5 * diffusion.sample(n, random) + 0.5; }
  };
  return show(Grey{model}, digits, seconds, rng);
}

Panel annealed_score(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  const pf::Index width = budget.pick(64, 128);
  auto model = pf::noise_conditional_score({.features = 2,
                                            .hidden = {width, width, width},
                                            .sigma_min = 0.03,
                                            .sigma_max = 6,
                                            .data_std = 2,
                                            .sampling = {.sampler = pf::Sampler::annealed_langevin,
                                                         .steps = 20,
                                                         .langevin = {.steps = 20, .step_size = 0.3}}},
                                           rng);
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, pf::denoising(),
            budget.training(budget.epochs(300, 800), budget.quick ? 8e-3 : 4e-3, 512), rng);
  });
  return show(std::move(model), plane, budget, seconds, rng);
}

}  // namespace gallery
