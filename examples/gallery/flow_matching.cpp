// Flow matching: a velocity field that carries noise to data, learned without solving anything.
#include "gallery.hpp"

namespace gallery {

Panel flow_matching(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  const pf::Index width = budget.pick(64, 128);
  auto model = pf::flow_matching_model({.features = 2, .hidden = {width, width, width}}, rng);
  const double seconds = pf::timed([&] {
    pf::fit(model, plane.train, pf::flow_matching(),
            budget.training(budget.epochs(300, 800), budget.quick ? 8e-3 : 4e-3, 512), rng);
  });
  return show(std::move(model), plane, budget, seconds, rng);
}

}  // namespace gallery
