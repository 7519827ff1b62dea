// Three adversarial objectives learn two mixtures whose modes are known: which do they cover, and when?
#include <algorithm>
#include <array>

#include "arguments.hpp"

namespace pf = pushforward;
using pf::Index;

// A mixture to learn, and the picture of how: one row for each objective, one column for each look.
template <class Mixture>
struct Study {
  Mixture target;
  double noise;  // standard deviation of a mode
  pf::plot::Figure figure;
  std::array<Index, 4> looks;  // epochs
};

// Trains a generator against `critic` and draws row `row` of the picture: what it makes of noise, over the true
// density. Returns which modes it covers in the end.
template <class Mixture, class Critic, class Loss>
pf::ModeCoverage learn(Study<Mixture>& study, const char* name, Index row, Critic critic, const Loss& loss,
                       Index critic_steps, const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::Tensor<> data = study.target.sample(20'000, rng);  // [20000, 2]
  pf::Gan gan(pf::Mlp({2, 64, 64, 64, 2}, rng), 2);            // x = generator(z), z ~ N(0, I) over 2 numbers
  pf::ModeCoverage modes;

  const auto look = [&](const pf::AdversarialReport& report) {
    if (std::find(study.looks.begin(), study.looks.end(), report.epoch) == study.looks.end()) return;
    pf::Rng noise(1);
    const pf::Tensor<> drawn = gan.sample(2000, noise);
    modes = pf::mode_coverage(drawn, study.target.centers(), 3 * study.noise);
    std::printf("%-14s %5lld steps: %2lld of %lld modes, %2.0f%% of the samples near one\n", name,
                static_cast<long long>(report.steps), static_cast<long long>(modes.covered),
                static_cast<long long>(modes.counts.size()), 100 * modes.near);
    for (std::size_t i = 0; i < study.looks.size(); ++i)
      if (study.looks[i] == report.epoch)
        study.figure.density(row, static_cast<Index>(i), study.target, drawn,
                             {.x_range = {-5, 5}, .y_range = {-5, 5}, .points = 2000, .axes = false});
  };
  const pf::Adam adam({.learning_rate = 1e-3, .beta1 = 0.5, .beta2 = 0.9});
  pf::fit_adversarial(gan, critic, data, loss,
                      {.epochs = arguments.epochs,
                       .batch_size = 256,
                       .critic_steps = critic_steps,
                       .generator_optimizer = adam,
                       .critic_optimizer = adam,
                       .schedule = pf::cosine_decay({.final_factor = 0.05}),
                       .ema_decay = 0.99,
                       .callbacks = {look},
                       .progress = pf::Progress::off},
                      rng);
  return modes;
}

// All three objectives on one mixture: the modes that each covers.
template <class Mixture>
std::array<pf::ModeCoverage, 3> compare(const Mixture& target, double noise, const char* file,
                                        const examples::Arguments& arguments) {
  const Index epochs = arguments.epochs;
  const std::array<Index, 4> looks{1, std::max<Index>(1, epochs / 20), std::max<Index>(1, epochs / 5), epochs};
  pf::plot::FigureOptions layout{
      .rows = 3, .columns = 4, .row_titles = {"non-saturating", "Wasserstein", "hinge"}, .width = 1400};
  for (const Index epoch : looks)
    layout.column_titles.push_back(std::to_string(epoch) + (epoch == 1 ? " epoch" : " epochs"));
  Study<Mixture> study{target, noise, pf::plot::Figure(layout), looks};

  pf::Rng rng(arguments.seed);
  const pf::Mlp critic({2, 64, 64, 64, 1}, rng);
  const pf::SpectralMlp lipschitz({2, 64, 64, 64, 1}, rng, {}, {.bound = 2});
  const std::array<pf::ModeCoverage, 3> covered{
      learn(study, "non-saturating", 0, critic, pf::NonSaturating{.r1 = 0.1}, 1, arguments),
      learn(study, "Wasserstein", 1, critic, pf::WassersteinGp{.penalty = 1}, 2, arguments),
      learn(study, "hinge", 2, lipschitz, pf::Hinge{}, 1, arguments)};
  arguments.save(study.figure, file);
  return covered;
}

void toy_gan(const examples::Arguments& arguments) {
  const auto circle = compare(pf::data::EightGaussians(), 0.3, "toy_gan_circle.png", arguments);
  const auto grid = compare(pf::data::GridGaussians({.noise = 0.1}), 0.1, "toy_gan_grid.png", arguments);
  const auto covered = [](const pf::ModeCoverage& modes) { return static_cast<double>(modes.covered); };
  arguments.result({{"circle_non_saturating", covered(circle[0])},
                    {"circle_wasserstein", covered(circle[1])},
                    {"circle_hinge", covered(circle[2])},
                    {"grid_non_saturating", covered(grid[0])},
                    {"grid_wasserstein", covered(grid[1])},
                    {"grid_hinge", covered(grid[2])},
                    {"grid_near_non_saturating", grid[0].near},
                    {"grid_near_wasserstein", grid[1].near},
                    {"grid_near_hinge", grid[2].near}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "toy_gan",
       .text = "generative adversarial networks learn eight Gaussians on a circle, then 25 on a grid.\n\n"
               "Three objectives train the same generator: the non-saturating loss with an R1 penalty, the\n"
               "Wasserstein loss with a gradient penalty, and the hinge loss with a spectrally normalized\n"
               "critic. The pictures show samples over the true density as the training goes on, the last\n"
               "line how many of the 8 and 25 modes each covers, and the share of samples near a mode.",
       .epochs = 100},
      count, given, toy_gan);
}
