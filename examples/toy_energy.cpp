// Energy-based models learn toy densities in three ways; log Z, which makes them densities, is found in two.
#include <functional>

#include "arguments.hpp"
#include "toys.hpp"

namespace pf = pushforward;

using Energy = pf::EnergyModel<pf::Mlp<>>;

/// A way to train an energy model.
struct Method {
  const char* name;
  std::function<void(Energy&, const pf::Tensor<>& data, const pf::Normal<>& wide, pf::FitOptions, pf::Rng&)> train;
};

const Method methods[] = {
    // Langevin chains draw from the model while it learns: few steps, so a quarter of the epochs take as long.
    {"contrastive divergence",
     [](Energy& model, const pf::Tensor<>& data, const pf::Normal<>&, pf::FitOptions options, pf::Rng& rng) {
       options.epochs = (options.epochs + 3) / 4;
       pf::fit(model, data,
               pf::persistent_contrastive_divergence(
                   {.langevin = {.steps = 20, .step_size = 0.005}, .magnitude = 0.03, .reinitialize = 0.02}),
               options, rng);
     }},
    {"score matching",
     [](Energy& model, const pf::Tensor<>& data, const pf::Normal<>&, pf::FitOptions options, pf::Rng& rng) {
       pf::fit(model, data, pf::denoising_score_matching({.noise = 0.1}), options, rng);
     }},
    {"noise contrast",
     [](Energy& model, const pf::Tensor<>& data, const pf::Normal<>& wide, pf::FitOptions options, pf::Rng& rng) {
       pf::fit(model, data, pf::noise_contrastive_estimation(wide, {.ratio = 4}), options, rng);
     }}};

void toy_energy(const examples::Arguments& arguments) {
  const std::vector<examples::Toy> toys{{"8 gaussians", 4.5, pf::data::EightGaussians()},
                                        {"pinwheel", 4, pf::data::Pinwheel()},
                                        {"rings", 4.5, pf::data::Rings()}};
  pf::plot::Figure figure({.rows = 3,
                           .columns = 4,
                           .row_titles = {"8 gaussians", "pinwheel", "rings"},
                           .column_titles = {"data", "contrastive divergence", "score matching", "noise contrast"}});
  double gap = 0, difference = 0;
  std::printf(
      "                                        nats per point      log Z\n"
      "                                       learned     true     grid   annealing\n");
  for (pf::Index row = 0; row < 3; ++row) {
    const examples::Toy& toy = toys[static_cast<std::size_t>(row)];
    const pf::plot::Range range{-toy.extent, toy.extent};
    pf::Rng rng(arguments.seed);
    const pf::Tensor<> train = toy.sample(20'000, rng), test = toy.sample(10'000, rng);  // [n, 2]
    const pf::Normal<> wide(pf::mean(train, {0}), 1.5f * pf::sqrt(pf::var(train, {0})));
    figure.scatter(row, 0, toy.sample(4000, rng), {.x_range = range, .y_range = range, .axes = false});
    for (pf::Index column = 1; column <= 3; ++column) {
      const Method& method = methods[column - 1];
      Energy model(pf::Mlp({2, 128, 128, 128, 1}, rng, {.activation = pf::Activation::silu}),
                   {.features = 2, .chains = 2048, .sampler = {.steps = 300, .step_size = 0.003}});
      method.train(model, train, wide,
                   {.epochs = arguments.epochs,
                    .batch_size = 256,
                    .optimizer = pf::Adam({.learning_rate = 3e-3}),
                    .schedule = pf::cosine_decay(),
                    .ema_decay = 0.99,
                    .progress = pf::Progress::off},
                   rng);
      const double log_z = pf::log_partition_by_quadrature(model);
      const pf::LogPartition annealed =
          pf::log_partition_by_annealed_importance_sampling(model, wide, {.chains = 500, .temperatures = 400}, rng);
      model.set_log_partition(log_z);

      const double nats = pf::log_likelihood(model, test, rng).value.mean(), true_nats = toy.log_prob(test).mean();
      std::printf("%-12s %-24s %8.4f %8.4f %8.4f %8.4f +- %.4f\n", toy.name.c_str(), method.name, nats, true_nats,
                  log_z, annealed.value, annealed.standard_error);
      gap = std::max(gap, true_nats - nats);
      difference = std::max(difference, std::abs(annealed.value - log_z));
      figure.density(row, column, [&](const pf::Tensor<>& x) { return model.unnormalized_log_prob(x); },
                     model.sample(400, rng), {.x_range = range, .y_range = range, .contrast = 0.7, .axes = false});
    }
  }
  arguments.save(figure, "toy_energy.png");
  arguments.result({{"largest_gap", gap}, {"log_z_difference", difference}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "toy_energy",
       .text = "energy-based models learn three toy densities.\n\n"
               "Each is trained by persistent contrastive divergence, denoising score matching and\n"
               "noise-contrastive estimation. The normalizing constant is found on a grid and by annealed\n"
               "importance sampling; with it the models are compared with the true densities. The picture\n"
               "shows the data, and what was learned with draws of it on top.",
       .epochs = 80},
      count, given, toy_energy);
}
