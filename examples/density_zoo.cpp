// Every kind of flow on every toy density: how close does each come to each?
#include <functional>
#include <memory>

#include "arguments.hpp"
#include "toys.hpp"

namespace pf = pushforward;

/// What a flow learned.
struct Learned {
  std::function<pf::Tensor<>(const pf::Tensor<>&)> log_prob;
};

/// A way to build a flow, and how it learns.
struct Kind {
  std::string name;
  const char* title;  // in the picture
  std::function<Learned(const pf::Tensor<>&, pf::FitOptions, pf::Rng&)> learn;

  int width() const { return std::max(8, static_cast<int>(name.size())); }  // of its column in the table
};

/// `make(rng)` gives the flow; it trains for `share` of the epochs: expensive ones have fewer.
template <class Make>
Kind kind(const char* name, const char* title, double share, Make make, double learning_rate = 3e-3) {
  return {name, title, [=](const pf::Tensor<>& train, pf::FitOptions options, pf::Rng& rng) {
            auto flow = std::make_shared<decltype(make(rng))>(make(rng));
            options.epochs = std::max<pf::Index>(1, std::lround(share * static_cast<double>(options.epochs)));
            options.optimizer = pf::Adam({.learning_rate = learning_rate});
            const pf::Index steps = options.epochs * ((train.size(0) + options.batch_size - 1) / options.batch_size);
            options.ema_decay = std::max(0.0, 1 - 12 / static_cast<double>(steps));  // over the last twelfth
            pf::fit(*flow, train, pf::mle, options, rng);
            return Learned{[flow](const pf::Tensor<>& x) { return flow->log_prob(x); }};
          }};
}

constexpr auto smooth = pf::Activation::tanh;

const std::vector<Kind> kinds{
    kind("planar", "planar", 0.15, [](pf::Rng& rng) { return pf::planar_flow({.features = 2, .layers = 16}, rng); }),
    kind("nice", "NICE", 0.3,
         [](pf::Rng& rng) { return pf::nice({.features = 2, .layers = 12, .activation = smooth}, rng); }),
    kind("real_nvp", "RealNVP", 0.3,
         [](pf::Rng& rng) { return pf::real_nvp({.features = 2, .layers = 16, .activation = smooth}, rng); }),
    kind("iaf", "IAF", 0.3,
         [](pf::Rng& rng) {
           return pf::inverse_autoregressive_flow(
               {.features = 2, .layers = 8, .activation = smooth, .max_log_scale = 1}, rng);
         }),
    kind("maf", "MAF", 0.3,
         [](pf::Rng& rng) {
           return pf::masked_autoregressive_flow(
               {.features = 2, .layers = 12, .activation = smooth, .max_log_scale = 1}, rng);
         }),
    kind("residual", "residual", 0.12,
         [](pf::Rng& rng) { return pf::residual_flow({.features = 2, .layers = 8}, rng); }),
    kind("gaussianization", "Gaussianization", 0.06,
         [](pf::Rng& rng) { return pf::gaussianization_flow({.features = 2, .layers = 6}, rng); }),
    kind("sum_of_squares", "sums of squares", 0.3,
         [](pf::Rng& rng) { return pf::sum_of_squares_flow({.features = 2}, rng); }),
    kind("bernstein", "Bernstein", 0.3,
         [](pf::Rng& rng) { return pf::bernstein_flow({.features = 2, .degree = 24}, rng); }),
    kind("naf", "NAF", 0.3,
         [](pf::Rng& rng) { return pf::neural_autoregressive_flow({.features = 2, .units = 16}, rng); }),
    kind("spline", "spline couplings", 1,
         [](pf::Rng& rng) { return pf::neural_spline_flow({.features = 2, .layers = 4, .bins = 24}, rng); }),
    kind(
        "spline_maf", "spline MAF", 1,
        [](pf::Rng& rng) {
          return pf::masked_autoregressive_flow(
              {.features = 2, .layers = 3, .map = pf::AutoregressiveMap::rational_quadratic, .spline = {.bins = 24}},
              rng);
        },
        6e-3),
};

template <class Thing>
std::vector<std::string> names(const std::vector<Thing>& things) {
  std::vector<std::string> all;
  for (const Thing& thing : things) all.push_back(thing.name);
  return all;
}
std::string listed(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : ",") + word;
  return line;
}

void density_zoo(const examples::Arguments& arguments) {
  const std::vector<examples::Toy> toys = arguments.chosen("--densities", examples::toys());
  const std::vector<Kind> flows = arguments.chosen("--models", kinds);
  std::vector<std::string> rows{"truth"};
  for (const Kind& kind : flows) rows.push_back(kind.title);
  pf::plot::Figure figure({.rows = static_cast<pf::Index>(rows.size()),
                           .columns = static_cast<pf::Index>(toys.size()),
                           .row_titles = rows,
                           .column_titles = names(toys)});
  const pf::Index points = arguments.quick ? 10'000 : 50'000, tests = arguments.quick ? 5'000 : 20'000;

  std::printf("nats per point above the truth\n%-14s %8s", "", "truth");
  for (const Kind& kind : flows) std::printf(" %8s", kind.name.c_str());
  std::vector<double> seconds(flows.size());
  double largest_best = 0;
  for (std::size_t i = 0; i < toys.size(); ++i) {
    const examples::Toy& toy = toys[i];
    pf::Rng rng(arguments.seed);
    const pf::Tensor<> train = toy.sample(points, rng), test = toy.sample(tests, rng);  // [n, 2]
    const double truth = -toy.log_prob(test).mean();
    const pf::plot::Range range{-toy.extent, toy.extent};
    const pf::plot::DensityOptions look{
        .x_range = range, .y_range = range, .resolution = arguments.quick ? 60 : 150, .contrast = 0.7, .axes = false};
    const auto column = static_cast<pf::Index>(i);
    figure.density(0, column, toy, look);
    std::printf("\n%-14s %8.4f", toy.name.c_str(), truth);

    double best = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < flows.size(); ++k) {
      pf::Rng own(arguments.seed + 1);  // the same whichever flows are chosen
      const double before = arguments.seconds();
      const Learned flow = flows[k].learn(train,
                                          {.epochs = arguments.epochs,
                                           .batch_size = 256,
                                           .schedule = pf::cosine_decay(),
                                           .progress = pf::Progress::off},
                                          own);
      seconds[k] += arguments.seconds() - before;
      const double gap = [&] {
        const pf::NoGradient guard;
        return -flow.log_prob(test).mean() - truth;
      }();
      best = std::min(best, gap);
      std::printf(" %*.4f", flows[k].width(), gap);
      std::fflush(stdout);
      figure.density(static_cast<pf::Index>(k) + 1, column, flow, look);
    }
    largest_best = std::max(largest_best, best);
  }
  std::printf("\n%-14s %8s", "seconds", "");
  for (std::size_t k = 0; k < flows.size(); ++k) std::printf(" %*.1f", flows[k].width(), seconds[k]);
  std::printf("\n");
  arguments.save(figure, "density_zoo.png");
  arguments.result({{"largest_gap_of_the_best", largest_best}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "density_zoo",
       .text = "every kind of flow on every toy density.\n\n"
               "Each density is known exactly, so a table tells how many nats each flow falls short of it.\n"
               "The picture shows the true densities in its first row and the learned ones below.",
       .epochs = 60,
       .quick = "trains on a fifth of the data, so in a fifth of the time",
       .extras = {{"--models", "A,B", listed(names(kinds)), "all"},
                  {"--densities", "A,B", listed(names(examples::toys())), "all"}}},
      count, given, density_zoo);
}
