// A diffusion model learns a pinwheel: how noise becomes data, by which samplers, and how good the result is.
#include "arguments.hpp"

namespace pf = pushforward;

// Where points x are at each of `times` while a sampler moves them: [times, n, 2].
template <class Step>
pf::Tensor<> states(pf::Tensor<> x, const std::vector<double>& times, const Step& step) {
  std::vector<pf::Tensor<>> seen{x};
  for (std::size_t i = 0; i + 1 < times.size(); ++i)
    seen.push_back(x = step(x, std::vector<double>{times[i], times[i + 1]}));
  return pf::stack(seen);
}

void toy_diffusion(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::data::Pinwheel pinwheel;
  const pf::Tensor<> train = pinwheel.sample(20'000, rng), test = pinwheel.sample(2'000, rng);  // [n, 2]

  auto model = pf::ddpm({.features = 2, .hidden = {128, 128, 128}}, rng);
  pf::fit(model, train, pf::denoising(),
          {.epochs = arguments.epochs,
           .batch_size = 256,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = 0.999},
          rng);

  const double nats = model.log_likelihood(test, rng).value.mean(), true_nats = pinwheel.log_prob(test).mean();
  std::printf("mean log-likelihood of %lld new points by the ODE: %.3f nats, under the true density %.3f\n",
              static_cast<long long>(test.size(0)), nats, true_nats);

  std::printf("distance of 2000 draws to the data (sliced Wasserstein; data to data: %.3f)\n%8s %10s %10s %10s %10s\n",
              pf::sliced_wasserstein(pinwheel.sample(2000, rng), test, {}, rng), "steps", "ancestral", "ddim", "heun",
              "dpm_solver");
  for (const pf::Index steps : {10, 30, 100}) {
    std::printf("%8lld", static_cast<long long>(steps));
    for (const auto sampler : {pf::Sampler::ancestral, pf::Sampler::ddim, pf::Sampler::heun, pf::Sampler::dpm_solver})
      std::printf(" %10.3f",
                  pf::sliced_wasserstein(model.sample(2000, rng, {.sampler = sampler, .steps = steps}), test, {}, rng));
    std::printf("\n");
  }

  // From noise to data: draws, their density, and the score that moves them.
  const std::vector<double> times = pf::times(model.path(), 100), shown = {1.0, 0.5, 0.3, 0.15, 0.01};
  const pf::plot::Range x{-4.2, 4.2}, y{-4.2, 4.2};
  pf::plot::Figure figure({.rows = 3,
                           .columns = 5,
                           .row_titles = {"draws", "density", "score"},
                           .column_titles = {"t = 1", "t = 0.5", "t = 0.3", "t = 0.15", "t = 0.01"},
                           .width = 1600,
                           .height = 1010});
  const pf::Tensor<> lattice = pf::plot::lattice(x, y, 17, 17);
  pf::Tensor<> drawn = pf::initial_noise(model.path(), {4000, 2}, rng);
  double now = 1;
  for (pf::Index i = 0; i < 5; ++i) {
    const double t = shown[static_cast<std::size_t>(i)];
    const auto log_density = [&](const pf::Tensor<>& at) {
      return model.log_likelihood(at, rng, {.solver = pf::DormandPrince{.relative = 1e-3, .absolute = 1e-3}, .time = t})
          .value;
    };
    for (; now > t + 0.005; now -= 0.01) drawn = pf::ancestral(model, drawn, {now, now - 0.01}, rng);
    figure.scatter(0, i, drawn, {.x_range = x, .y_range = y, .axes = false});
    figure.density(1, i, log_density, {.x_range = x, .y_range = y, .resolution = 90, .axes = false});
    figure.density(2, i, log_density,
                   {.x_range = x, .y_range = y, .colormap = pf::plot::Colormap::tide, .resolution = 90, .axes = false});
    pf::plot::arrows(figure, 2, i, lattice, model.score(lattice, t),
                     {.x_range = x, .y_range = y, .even = true, .over = true, .axes = false});
  }
  arguments.save(figure, "toy_diffusion.png");

  // The ways of points from noise to data: many by a deterministic sampler, a few by a random one.
  pf::plot::Figure ways(
      {.rows = 1, .columns = 3, .column_titles = {"data", "DDIM", "ancestral"}, .width = 1500, .height = 540});
  for (pf::Index i = 0; i < 3; ++i)
    ways.density(0, i, pinwheel, {.x_range = x, .y_range = y, .colormap = pf::plot::Colormap::tide, .axes = false});
  const auto by_ddim = [&](const auto& at, const std::vector<double>& step) { return pf::ddim(model, at, step); };
  const auto by_ancestral = [&](const auto& at, const std::vector<double>& step) {
    return pf::ancestral(model, at, step, rng);
  };
  const pf::plot::TrajectoryOptions look{.x_range = x, .y_range = y, .over = true, .axes = false};
  pf::plot::trajectories(ways, 0, 1, states(pf::initial_noise(model.path(), {400, 2}, rng), times, by_ddim), look);
  pf::plot::trajectories(
      ways, 0, 2, states(pf::initial_noise(model.path(), {5, 2}, rng), pf::times(model.path(), 400), by_ancestral),
      look);
  arguments.save(ways, "toy_diffusion_trajectories.png");
  arguments.result({{"nats", nats}, {"true_nats", true_nats}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "toy_diffusion",
       .text = "a diffusion model (DDPM) learns to turn noise into a pinwheel.\n\n"
               "It trains on 20000 points, scores new ones by the probability-flow ODE, and compares four\n"
               "samplers. The pictures show the draws, their density and the score from noise to data, and\n"
               "the ways that points take.",
       .epochs = 300},
      count, given, toy_diffusion);
}
