// Normalizing flows: exact densities by changes of variables.
#include "gallery.hpp"

namespace gallery {

Panel real_nvp(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  auto flow = pf::real_nvp(
      {.features = 2, .layers = budget.pick(8, 16), .hidden = {64, 64}, .activation = pf::Activation::tanh}, rng);
  const double seconds = pf::timed([&] {
    pf::fit(flow, plane.train, pf::mle, budget.training(budget.epochs(60, 200), budget.quick ? 5e-3 : 1e-3), rng);
  });
  return show(std::move(flow), plane, budget, seconds, rng);
}

Panel spline_flow(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  auto flow = pf::neural_spline_flow(
      {.features = 2, .layers = budget.pick(4, 6), .bins = 16, .bound = 5, .hidden = {64, 64}}, rng);
  const double seconds = pf::timed([&] {
    pf::fit(flow, plane.train, pf::mle, budget.training(budget.epochs(80, 250), budget.quick ? 5e-3 : 3e-3), rng);
  });
  return show(std::move(flow), plane, budget, seconds, rng);
}

}  // namespace gallery
