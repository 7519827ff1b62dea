// A normalizing flow learns the density of two moons, and is compared with the true one.
#include "arguments.hpp"

namespace pf = pushforward;

void two_moons_flow(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const pf::data::TwoMoons moons;
  const pf::Tensor<> train = moons.sample(20'000, rng), test = moons.sample(10'000, rng);  // [n, 2]

  auto flow = pf::real_nvp({.features = 2, .layers = 8, .hidden = {64, 64}, .activation = pf::Activation::tanh}, rng);
  std::printf("RealNVP with %lld parameters on %lld points\n", static_cast<long long>(pf::count_parameters(flow)),
              static_cast<long long>(train.size(0)));
  pf::fit(flow, train, pf::mle,
          {.epochs = arguments.epochs,
           .batch_size = 256,
           .optimizer = pf::Adam({.learning_rate = 2e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = 0.999},
          rng);

  const double nats = -pf::negative_log_likelihood(flow, test);
  const double true_nats = -pf::negative_log_likelihood(moons, test);
  std::printf("mean log-likelihood of %lld new points: %.4f nats, under the true density %.4f\n",
              static_cast<long long>(test.size(0)), nats, true_nats);

  const pf::plot::Range x{-4, 4}, y{-3, 3};
  pf::plot::Figure figure({.rows = 2,
                           .columns = 2,
                           .row_titles = {"draws", "density"},
                           .column_titles = {"two moons", "RealNVP"},
                           .width = 1200,
                           .height = 960});
  figure.scatter(0, 0, moons.sample(4000, rng), {.x_range = x, .y_range = y});
  figure.scatter(0, 1, flow.sample(4000, rng), {.x_range = x, .y_range = y});
  figure.density(1, 0, moons, {.x_range = x, .y_range = y});
  figure.density(1, 1, flow, {.x_range = x, .y_range = y});
  arguments.save(figure, "two_moons_flow.png");
  arguments.result({{"nats", nats}, {"true_nats", true_nats}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "two_moons_flow",
       .text = "a normalizing flow (RealNVP) learns the density of two moons.\n\n"
               "It trains by maximum likelihood on 20000 points, scores new ones, and draws some. The\n"
               "true density is known, so the picture and the last line show how close it came.",
       .epochs = 100},
      count, given, two_moons_flow);
}
