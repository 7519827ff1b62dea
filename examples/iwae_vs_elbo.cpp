// One network, trained by the evidence lower bound and by importance-weighted bounds: which makes the better model?
#include <functional>

#include "images.hpp"

namespace pf = pushforward;

using Model = pf::Vae<pf::GaussianHead<pf::Mlp<>>, pf::BernoulliHead<pf::Mlp<>>, pf::Normal<>>;

/// A way to train the model.
struct Way {
  std::string name, title;
  std::function<pf::Tensor<>(const Model&, const pf::Tensor<>&, pf::Rng&)> loss;
};

/// Those that --models names.
std::vector<Way> chosen_ways(const examples::Arguments& arguments) {
  const pf::Index k = arguments.number("--particles");
  const std::string iwae = "IWAE-" + std::to_string(k);
  constexpr auto dreg = pf::BoundGradient::doubly_reparameterized;
  return arguments.chosen("--models",
                          std::vector<Way>{{"elbo", "VAE", pf::elbo()},
                                           {"iwae", iwae, pf::iwae({.particles = k})},
                                           {"dreg", iwae + ", DReG", pf::iwae({.particles = k, .gradient = dreg})}});
}

// The architecture of Burda et al. 2016 with one stochastic layer.
Model make_model(pf::Rng& rng) {
  const pf::Index latent = 50;
  const pf::MlpOptions tanh{.activation = pf::Activation::tanh};
  return Model(pf::GaussianHead(pf::Mlp({784, 200, 200, 2 * latent}, rng, tanh)),
               pf::BernoulliHead(pf::Mlp({latent, 200, 200, 784}, rng, tanh)), latent);
}

/// Bounds of log p(x), means over some images, in nats.
struct Bounds {
  double elbo, iwae, annealed, reverse = 0;
};

struct Result {
  Way way;
  Model model;
  double nats, error, elbo, seconds;  // of the test images by importance weighting: the mean and its standard error
  pf::ActiveUnits<> units;
  Bounds of_test, of_draws;

  // Up to the noise of the estimates.
  bool bounds_agree() const {
    constexpr double noise = 0.3;
    const auto rising = [](const Bounds& b) { return b.elbo < b.iwae + noise && b.iwae < b.annealed + noise; };
    return rising(of_test) && rising(of_draws) && of_draws.annealed < of_draws.reverse + noise;
  }
};

// Bounds without the one from above, which needs the code that x came from.
Bounds bounds_of(const Model& model, const pf::Tensor<>& x, pf::Index particles,
                 const pf::DecoderAnnealingOptions& annealing, pf::Rng& rng) {
  const pf::NoGradient guard;
  return {model.elbo(x, rng, {.samples = 200}).mean(),
          pf::multiply_importance_weighted_bound(model, x, {.groups = 20, .particles = particles}, rng).mean(),
          pf::annealed_log_likelihood(model, x, annealing, rng).value.mean()};
}

Result train(const examples::Arguments& arguments, const Way& way, const examples::Images& images,
             const pf::Tensor<>& test) {
  std::printf("training the %s ...\n", way.title.c_str());
  pf::Rng rng(arguments.seed);
  Result result{way, make_model(rng), 0, 0, 0, 0, {}, {}, {}};
  Model& model = result.model;
  const double before = arguments.seconds();
  pf::fit(model, images.train, examples::Binarized{way.loss},
          {.epochs = arguments.epochs,
           .batch_size = 20,
           .optimizer = pf::Adam({.learning_rate = 1e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = 0.999},
          rng);
  result.seconds = arguments.seconds() - before;

  const pf::NoGradient guard;
  const pf::Tensor<> logs = pf::importance_log_likelihood(model, test, {.particles = 500}, rng);
  result.nats = logs.mean();
  result.error = std::sqrt(pf::var(logs).item() / static_cast<double>(logs.size()));
  result.elbo = model.elbo(test, rng, {.samples = 10}).mean();
  result.units = pf::active_units(model, test);

  const pf::DecoderAnnealingOptions annealing{.chains = 10, .steps = arguments.quick ? 50 : 500, .leapfrogs = 10};
  const pf::Index few = 10, k = arguments.number("--particles");
  result.of_test = bounds_of(model, pf::slice(test, 0, 0, few), k, annealing, rng);
  const pf::Tensor<> z = model.prior().sample(few, rng), drawn = model.decode(z).sample(rng);
  result.of_draws = bounds_of(model, drawn, k, annealing, rng);
  result.of_draws.reverse = pf::annealed_upper_bound(model, drawn, z, annealing, rng).value.mean();
  return result;
}

void print(const std::vector<Result>& results, const std::string& k) {
  std::printf("\n%zu models, nats per test image       ELBO    log p(x) >=      +-   active units   trained in\n",
              results.size());
  for (const Result& r : results)
    std::printf("%-32s %9.2f %14.2f %7.2f %11lld/%lld %10.0f s\n", r.way.title.c_str(), r.elbo, r.nats, r.error,
                static_cast<long long>(r.units.count), static_cast<long long>(r.units.variance.size()), r.seconds);
  std::printf("\nbounds of log p(x) for ten images       ELBO    IWAE-%-4s  annealing up   annealing down\n",
              k.c_str());
  for (const Result& r : results) {
    std::printf("%-32s %11.2f %12.2f %13.2f\n", (r.way.title + ", test images").c_str(), r.of_test.elbo, r.of_test.iwae,
                r.of_test.annealed);
    std::printf("%-32s %11.2f %12.2f %13.2f %16.2f\n", (r.way.title + ", its own draws").c_str(), r.of_draws.elbo,
                r.of_draws.iwae, r.of_draws.annealed, r.of_draws.reverse);
  }
}

void draw(const examples::Arguments& arguments, const std::vector<Result>& results, const pf::Tensor<>& test) {
  const pf::NoGradient guard;
  pf::plot::Figure figure({.rows = 1,
                           .columns = static_cast<pf::Index>(results.size()) + 2,
                           .width = 460 * (static_cast<pf::Index>(results.size()) + 2),
                           .height = 500});
  const std::vector<double> counts{1, 2, 5, 10, 20, 50, 100, 200, 500};
  std::vector<pf::plot::Series> bounds, variances;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    pf::Rng rng(arguments.seed + 1);
    figure.image_grid(0, static_cast<pf::Index>(i), r.model.decode(r.model.prior().sample(64, rng)).mean(),
                      {.title = r.way.title + ": draws", .columns = 8});
    std::vector<double> heights, units, ranks;
    for (const double count : counts)
      heights.push_back(pf::importance_log_likelihood(r.model, pf::slice(test, 0, 0, 100),
                                                      {.particles = static_cast<pf::Index>(count)}, rng)
                            .mean());
    for (const float v : r.units.variance) units.push_back(std::max(1e-5, static_cast<double>(v)));
    std::sort(units.rbegin(), units.rend());
    for (std::size_t j = 0; j < units.size(); ++j) ranks.push_back(static_cast<double>(j + 1));
    bounds.emplace_back(r.way.title, counts, heights);
    variances.emplace_back(r.way.title, ranks, units);
  }
  const auto column = static_cast<pf::Index>(results.size());
  figure.curve(0, column, bounds,
               {.title = "the bound on 100 test images", .x_label = "particles", .y_label = "nats", .log_x = true});
  figure.curve(0, column + 1, variances,
               {.title = "units of the code", .x_label = "rank", .y_label = "variance of the mean", .log_y = true});
  arguments.save(figure, "iwae_vs_elbo.png");
}

void iwae_vs_elbo(const examples::Arguments& arguments) {
  const std::vector<Way> ways = chosen_ways(arguments);
  pf::Rng rng(arguments.seed);
  const examples::ImageCounts all{}, few{.mnist = 1000, .digits = 1000, .test = 100};
  const examples::Images images = examples::load_images(arguments, arguments.quick ? few : all, rng);
  const pf::Tensor<> test = pf::data::binarize(images.test, rng);
  std::printf("%lld images (%s), 784-200-200-50 and back, %lld parameters\n",
              static_cast<long long>(images.train.size(0)), images.name,
              static_cast<long long>(pf::count_parameters(make_model(rng))));
  std::vector<Result> results;
  for (const Way& way : ways) results.push_back(train(arguments, way, images, test));
  print(results, arguments.word("--particles"));
  draw(arguments, results, test);

  bool agree = true;
  std::vector<std::pair<std::string, examples::Value>> values;
  for (const Result& r : results) {
    agree = agree && r.bounds_agree();
    values.emplace_back("nats_" + r.way.name, r.nats);
    values.emplace_back("active_" + r.way.name, static_cast<double>(r.units.count));
  }
  values.emplace_back("bounds_agree", agree ? "yes" : "no");
  values.emplace_back("data", images.name);
  arguments.result(values);
}

int main(int count, char** given) {
  return examples::run(
      {.name = "iwae_vs_elbo",
       .text = "one network, trained by the evidence lower bound and by importance weighting.\n\n"
               "All are scored by importance sampling (500 draws an image). On ten images the bounds are\n"
               "compared with annealed importance sampling, which does not use the encoder, and for the\n"
               "model's own draws with its reverse, an upper bound. The picture shows draws, how the bound\n"
               "rises with the number of particles, and the units of the code that are in use.",
       .epochs = 30,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "a thousand images, and coarse annealing",
       .extras = {{"--particles", "K", "draws of the code for each image", "50"},
                  {"--models", "A,B", "ways to train: elbo iwae dreg (iwae with a less noisy gradient)", "all"}}},
      count, given, iwae_vs_elbo);
}
