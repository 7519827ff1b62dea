// One flow, several toy densities: how close does it come to each?
#include <functional>

#include "arguments.hpp"

namespace pf = pushforward;

/// A density of the plane that is known exactly, its type erased.
struct Toy {
  const char* name;
  double extent;  // of the picture
  std::function<pf::Tensor<>(pf::Index, pf::Rng&)> sample;
  std::function<pf::Tensor<>(const pf::Tensor<>&)> log_prob;

  template <class Density>
  Toy(const char* title, double half_width, const Density& density)
      : name(title),
        extent(half_width),
        sample([=](pf::Index n, pf::Rng& rng) { return density.sample(n, rng); }),
        log_prob([=](const pf::Tensor<>& x) { return density.log_prob(x); }) {}
};

void density_zoo(const examples::Arguments& arguments) {
  namespace data = pf::data;
  const std::vector<Toy> zoo{{"two moons", 4, data::TwoMoons()},  {"8 gaussians", 4.5, data::EightGaussians()},
                             {"pinwheel", 4, data::Pinwheel()},   {"two spirals", 4, data::TwoSpirals()},
                             {"two circles", 4, data::Circles()}, {"checkerboard", 4.5, data::Checkerboard()}};
  std::vector<std::string> titles;
  for (const Toy& toy : zoo) titles.push_back(toy.name);
  pf::plot::Figure figure({.rows = 3,
                           .columns = static_cast<pf::Index>(zoo.size()),
                           .row_titles = {"data", "draws", "learned density"},
                           .column_titles = titles});

  double gap = 0, total = 0;
  std::printf("nats per point  learned     true      gap\n");
  for (std::size_t i = 0; i < zoo.size(); ++i) {
    const Toy& toy = zoo[i];
    pf::Rng rng(arguments.seed);
    const pf::Tensor<> train = toy.sample(20'000, rng), test = toy.sample(10'000, rng);  // [n, 2]
    auto flow =
        pf::real_nvp({.features = 2, .layers = 16, .hidden = {64, 64}, .activation = pf::Activation::tanh}, rng);
    pf::fit(flow, train, pf::mle,
            {.epochs = arguments.epochs,
             .batch_size = 256,
             .optimizer = pf::Adam({.learning_rate = 3e-3}),
             .schedule = pf::cosine_decay(),
             .ema_decay = 0.999},
            rng);
    const double nats = -pf::negative_log_likelihood(flow, test), true_nats = toy.log_prob(test).mean();
    std::printf("%-14s %8.4f %8.4f %8.4f\n", toy.name, nats, true_nats, true_nats - nats);
    total += nats / static_cast<double>(zoo.size());
    gap = std::max(gap, true_nats - nats);

    const pf::plot::Range range{-toy.extent, toy.extent};
    const auto column = static_cast<pf::Index>(i);
    figure.scatter(0, column, toy.sample(4000, rng), {.x_range = range, .y_range = range, .axes = false});
    figure.scatter(1, column, flow.sample(4000, rng), {.x_range = range, .y_range = range, .axes = false});
    figure.density(2, column, flow, {.x_range = range, .y_range = range, .axes = false});
  }
  arguments.save(figure, "density_zoo.png");
  arguments.result({{"nats", total}, {"largest_gap", gap}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "density_zoo",
       .text = "one flow (RealNVP) on six toy densities.\n\n"
               "Each has an exact log-density, so a table tells how many nats the flow falls short of it.\n"
               "The picture shows data, draws, and the learned density of each.",
       .epochs = 150},
      count, given, density_zoo);
}
