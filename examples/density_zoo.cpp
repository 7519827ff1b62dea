// Two kinds of flow, several toy densities: how close does each come to each?
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

using Flow = pf::Flow<pf::Normal<>>;

/// A way to build a flow.
struct Kind {
  const char* name;
  Flow (*make)(pf::Rng&);
};

Flow affine_flow(pf::Rng& rng) {
  return pf::real_nvp({.features = 2, .layers = 16, .hidden = {64, 64}, .activation = pf::Activation::tanh}, rng);
}
Flow spline_flow(pf::Rng& rng) {
  return pf::neural_spline_flow({.features = 2, .layers = 4, .bins = 16, .hidden = {64, 64}}, rng);
}

void density_zoo(const examples::Arguments& arguments) {
  namespace data = pf::data;
  const std::vector<Toy> zoo{{"two moons", 4, data::TwoMoons()},  {"8 gaussians", 4.5, data::EightGaussians()},
                             {"pinwheel", 4, data::Pinwheel()},   {"two spirals", 4, data::TwoSpirals()},
                             {"two circles", 4, data::Circles()}, {"checkerboard", 4.5, data::Checkerboard()}};
  constexpr Kind kinds[] = {{"RealNVP", affine_flow}, {"spline flow", spline_flow}};
  std::vector<std::string> titles;
  for (const Toy& toy : zoo) titles.push_back(toy.name);
  pf::plot::Figure figure({.rows = 5,
                           .columns = static_cast<pf::Index>(zoo.size()),
                           .row_titles = {"data", "RealNVP: draws", "its density", "spline flow: draws", "its density"},
                           .column_titles = titles});

  double largest[] = {0, 0}, seconds[] = {0, 0};
  std::printf("nats per point      true   RealNVP     gap    spline     gap\n");
  for (std::size_t i = 0; i < zoo.size(); ++i) {
    const Toy& toy = zoo[i];
    pf::Rng rng(arguments.seed);
    const pf::Tensor<> train = toy.sample(50'000, rng), test = toy.sample(20'000, rng);  // [n, 2]
    const double true_nats = -toy.log_prob(test).mean();
    const pf::plot::Range range{-toy.extent, toy.extent};
    const auto column = static_cast<pf::Index>(i);
    figure.scatter(0, column, toy.sample(4000, rng), {.x_range = range, .y_range = range, .axes = false});

    double gaps[2];
    for (pf::Index k = 0; k < 2; ++k) {
      Flow flow = kinds[k].make(rng);
      const double before = arguments.seconds();
      pf::fit(flow, train, pf::mle,
              {.epochs = arguments.epochs,
               .batch_size = 256,
               .optimizer = pf::Adam({.learning_rate = 3e-3}),
               .schedule = pf::cosine_decay(),
               .ema_decay = 0.999},
              rng);
      seconds[k] += arguments.seconds() - before;
      gaps[k] = pf::negative_log_likelihood(flow, test) - true_nats;
      largest[k] = std::max(largest[k], gaps[k]);
      figure.scatter(1 + 2 * k, column, flow.sample(4000, rng), {.x_range = range, .y_range = range, .axes = false});
      figure.density(2 + 2 * k, column, flow, {.x_range = range, .y_range = range, .axes = false});
    }
    std::printf("%-14s %9.4f %9.4f %7.4f %9.4f %7.4f\n", toy.name, true_nats, true_nats + gaps[0], gaps[0],
                true_nats + gaps[1], gaps[1]);
  }
  std::printf("trained in %18.1f s %13.1f s\n", seconds[0], seconds[1]);
  arguments.save(figure, "density_zoo.png");
  arguments.result({{"largest_gap_real_nvp", largest[0]}, {"largest_gap_spline_flow", largest[1]}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "density_zoo",
       .text = "two kinds of flow (RealNVP and spline couplings) on six toy densities.\n\n"
               "Each has an exact log-density, so a table tells how many nats each flow falls short of it.\n"
               "The picture shows data, and draws and the learned density of each flow.",
       .epochs = 60},
      count, given, density_zoo);
}
