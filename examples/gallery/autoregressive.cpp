// Autoregressive models: one number after the other, each given those before it.
#include "gallery.hpp"

namespace gallery {

Panel autoregressive(const Plane& plane, const Budget& budget, pf::Rng& rng) {
  auto model = pf::made_gaussian_mixture(
      {.features = 2, .components = 24, .hidden = {128, 128}, .activation = pf::Activation::silu}, rng);
  const double seconds =
      pf::timed([&] { pf::fit(model, plane.train, pf::mle, budget.training(budget.epochs(30, 150), 3e-3), rng); });
  return show(std::move(model), plane, budget, seconds, rng);
}

Panel autoregressive_digits(const Digits& digits, const Budget& budget, pf::Rng& rng) {
  auto model = pf::made_bernoulli({.features = 784, .hidden = {512}}, rng);
  const auto objective = [](const auto& made, const pf::Tensor<>& batch, pf::Rng& noise) {
    return pf::mle(made, pf::data::binarize(batch, noise));
  };
  const double seconds = pf::timed(
      [&] { pf::fit(model, digits.train, objective, budget.training(budget.epochs(30, 60), 2e-3, 128), rng); });
  return show(model, digits, seconds, rng);
}

}  // namespace gallery
