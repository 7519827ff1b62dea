// Continuous normalizing flows: an ordinary differential equation, trained by the likelihood of what it solves.
#include "gallery.hpp"

namespace gallery {

Panel continuous_flow(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  // Steps of a fixed length would let training find equations that they solve wrongly, to their advantage.
  auto flow = pf::continuous_flow({.features = 2, .hidden = {64, 64}}, rng,
                                  {.solver = pf::DormandPrince{.relative = 1e-3, .absolute = 1e-3}});
  auto options = budget.training(budget.epochs(15, 150), budget.quick ? 1e-2 : 5e-3, budget.pick(256, 512));
  options.clip_norm = 1;  // a step too far makes the equation stiff
  const double seconds = pf::timed([&] { pf::fit(flow, plane.train, pf::mle, options, rng); });
  flow.set_solver(pf::DormandPrince{.relative = 1e-5, .absolute = 1e-5});
  return show(std::move(flow), plane, budget, seconds, rng);
}

}  // namespace gallery
