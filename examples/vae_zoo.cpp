// A zoo of variational autoencoders on the same network: what does each objective, prior and posterior change?
#include <limits>

#include "images.hpp"

namespace pf = pushforward;

using Encoder = pf::GaussianHead<pf::Mlp<>>;
using Decoder = pf::BernoulliHead<pf::Mlp<>>;

constexpr pf::Index code_size = 40;
constexpr double none = std::numeric_limits<double>::quiet_NaN();
const pf::MlpOptions tanh_network{.activation = pf::Activation::tanh};

/// What every member of the zoo is trained on and scored by.
struct Setting {
  const examples::Arguments& arguments;
  examples::Images images;
  pf::Tensor<> test;   // [n, 784], black and white
  pf::Tensor<> codes;  // training images whose codes are compared with each other
};

/// What is known of a trained model, in nats per image; NaN where it has no such thing.
struct Report {
  double nats = none, error = none;  // importance weighting with 500 draws, a lower bound; its standard error
  double reconstruction = none, divergence = none;  // E[log p(x | z)] and KL(q(z | x) || p(z))
  double information = none;                        // of code and image
  pf::Tensor<> spread;                              // [latent], variance of the posterior's mean over images
  double seconds = 0;
  pf::Tensor<> draws;  // [25, 784]
  pf::Tensor<> walks;  // [2, rows, columns, 784]
  std::string name = {}, title = {};

  pf::Index active() const { return static_cast<pf::Index>((spread > 0.01f).sum()); }
};

/// What a member is called, and how it is made and trained.
struct Member {
  const char *name, *title;
  Report (*study)(const Setting&, pf::Rng&);
};

Encoder encoder(pf::Rng& rng) { return Encoder(pf::Mlp({784, 300, 300, 2 * code_size}, rng, tanh_network)); }
// It starts at the pixels' means (Burda et al. 2016, sec. 5): while they were learned, the code would fall out of use.
Decoder decoder(const Setting& setting, pf::Rng& rng) {
  pf::Mlp net({code_size, 300, 300, 784}, rng, tanh_network);
  const pf::Tensor<> p = pf::clamp(pf::mean(setting.images.train, 0), 0.001, 0.999);  // [784]
  net.layers.back().bias = pf::log(p) - pf::log1p(-p);
  return Decoder(std::move(net));
}
auto plain(const Setting& setting, pf::Rng& rng) {
  Encoder head = encoder(rng);
  return pf::Vae(std::move(head), decoder(setting, rng), code_size);
}

// The variance over images of the posterior's mean. Where the mean is not known, the covariance of two independent
// estimates of it: noise adds to a variance, not to that.
template <class Model>
pf::Tensor<> spread_of_codes(const Model& model, const pf::Tensor<>& x, pf::Rng& rng) {
  if constexpr (requires { model.encode(x).mean(); }) {
    return pf::active_units(model, x).variance;
  } else {
    const auto q = model.encode(x);
    const pf::Tensor<> a = pf::mean(q.rsample(20, rng), 0), b = pf::mean(q.rsample(20, rng), 0);  // [n, latent]
    return pf::mean((a - pf::mean(a, 0)) * (b - pf::mean(b, 0)), 0);
  }
}

template <class Model>
void score(Report& report, const Model& model, const Setting& setting, pf::Rng& rng) {
  const pf::Tensor<>& x = setting.test;
  const pf::LogLikelihood<> logs = model.log_likelihood(x, rng, {.particles = 500});
  report.nats = logs.value.mean();
  report.error = std::sqrt(pf::var(logs.value).item() / static_cast<double>(x.size(0)));
  report.divergence = pf::kl_divergence(model.encode(x), model.prior(), {.samples = 20}, rng).mean();
  report.reconstruction = model.elbo(x, rng, {.samples = 20, .analytic_kl = false}).mean() + report.divergence;
  // The density of a code under the posterior of every other image: for flows it takes many passes.
  if constexpr (requires { model.encode(x).mean(); })
    report.information = pf::elbo_surgery(model, setting.codes, rng, 1, 25).mutual_information;
}

// Codes of two test images with one of the units most in use from -3 to 3, decoded: [2, units, 11, 784].
template <class Model>
pf::Tensor<> walk(const Model& model, const Setting& setting, const pf::Tensor<>& spread) {
  const pf::Index units = 10;
  const pf::Tensor<pf::Index> order = pf::top_k(spread, units).indices;
  const pf::Tensor<> from = model.encode(pf::slice(setting.test, 0, 0, 2)).mean();
  std::vector<pf::Tensor<>> rows;
  for (const pf::Index unit : order) rows.push_back(pf::traverse(from, unit, pf::Tensor<>::linspace(-3, 3, 11)));
  return model.decode(pf::stack(rows, 1)).mean();
}

template <class Model, class Objective>
Report study(const Setting& setting, Model model, const Objective& objective, pf::Rng& rng) {
  Report report;
  const double before = setting.arguments.seconds();
  pf::fit(model, setting.images.train, examples::Binarized{objective},
          {.epochs = setting.arguments.epochs,
           .batch_size = 100,
           .optimizer = pf::Adam({.learning_rate = 1e-3}),
           .schedule = pf::cosine_decay(),
           .ema_decay = 0.999},
          rng);
  report.seconds = setting.arguments.seconds() - before;

  const pf::NoGradient guard;
  report.spread = spread_of_codes(model, setting.test, rng);
  report.draws = model.decode(model.prior().sample(25, rng)).mean();
  if constexpr (std::is_same_v<Objective, pf::WaeMmd>)  // it has no posterior: its codes are points
    report.reconstruction = model.decode(model.encode(setting.test).mean()).log_prob(setting.test).mean();
  else
    score(report, model, setting, rng);
  if constexpr (requires { model.encode(setting.test).mean(); }) report.walks = walk(model, setting, report.spread);
  return report;
}

// Beta rises from 0 to 1 in the first quarter of the training: the code is in use before the divergence counts. Learned
// priors need that, since a code that says nothing costs nothing under them from the first step on.
auto warm_elbo() {
  return pf::annealed([](pf::Index step, pf::Index total) { return pf::elbo({.beta = pf::ramp(step, total / 4)}); });
}

const std::vector<Member> zoo{
    {"vae", "VAE", [](const Setting& s, pf::Rng& rng) { return study(s, plain(s, rng), pf::elbo(), rng); }},
    {"beta", "beta-VAE, beta = 4",
     [](const Setting& s, pf::Rng& rng) { return study(s, plain(s, rng), pf::elbo({.beta = 4}), rng); }},
    {"annealed", "annealed KL",
     [](const Setting& s, pf::Rng& rng) { return study(s, plain(s, rng), warm_elbo(), rng); }},
    {"free_bits", "free bits, 0.1 nats",
     [](const Setting& s, pf::Rng& rng) { return study(s, plain(s, rng), pf::free_bits({.nats = 0.1}), rng); }},
    {"beta_tc", "beta-TC-VAE, beta = 4",
     [](const Setting& s, pf::Rng& rng) {
       return study(s, plain(s, rng), pf::total_correlation_elbo({.beta = 4, .dataset_size = s.images.train.size(0)}),
                    rng);
     }},
    {"info", "InfoVAE",
     [](const Setting& s, pf::Rng& rng) {
       return study(s, plain(s, rng), pf::info_vae({.alpha = 0.5, .lambda = 100}), rng);
     }},
    {"wae", "WAE-MMD",
     [](const Setting& s, pf::Rng& rng) { return study(s, plain(s, rng), pf::wae_mmd({.lambda = 1000}), rng); }},
    {"vamp", "VampPrior",
     [](const Setting& s, pf::Rng& rng) {
       const pf::Tensor<> start = pf::slice(s.images.train, 0, 0, std::min(pf::Index{200}, s.images.train.size(0)));
       Encoder head = encoder(rng);
       return study(s, pf::VampVae(std::move(head), decoder(s, rng), start), warm_elbo(), rng);
     }},
    {"iaf", "IAF posterior",
     [](const Setting& s, pf::Rng& rng) {
       const pf::Index context = 64;
       auto head = pf::iaf_posterior(pf::Mlp({784, 300, 300, 2 * code_size + context}, rng, tanh_network),
                                     {.latent = code_size, .context = context, .layers = 4, .hidden = {160}}, rng);
       return study(s, pf::Vae(std::move(head), decoder(s, rng), code_size), warm_elbo(), rng);
     }},
    {"flow", "flow prior",
     [](const Setting& s, pf::Rng& rng) {
       Encoder head = encoder(rng);
       Decoder tail = decoder(s, rng);
       auto prior = pf::real_nvp({.features = code_size, .layers = 6, .hidden = {128}}, rng);
       return study(s, pf::Vae(std::move(head), std::move(tail), std::move(prior)), warm_elbo(), rng);
     }},
};

std::string cell(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return std::isnan(value) ? "-" : text;
}

void print(const std::vector<Report>& reports, const Setting& setting) {
  std::printf(
      "\nnats per test image     log p(x) >=    +-  reconstruction      KL  information  active units  asleep  "
      "trained in\n");
  for (const Report& r : reports)
    std::printf("%-24s %10s %5s %15s %7s %12s %10lld/%lld %7lld %9.0f s\n", r.title.c_str(),
                cell("%.2f", r.nats).c_str(), cell("%.2f", r.error).c_str(), cell("%.2f", r.reconstruction).c_str(),
                cell("%.2f", r.divergence).c_str(), cell("%.2f", r.information).c_str(),
                static_cast<long long>(r.active()), static_cast<long long>(code_size),
                static_cast<long long>(code_size - r.active()), r.seconds);
  std::printf(
      "log p(x): a lower bound for all of them, importance weighting with 500 draws; a WAE has none.\n"
      "information: of image and code among %lld training images, so at most %.2f.\n",
      static_cast<long long>(setting.codes.size(0)), std::log(static_cast<double>(setting.codes.size(0))));
}

void draw(const examples::Arguments& arguments, const std::vector<Report>& reports) {
  const auto count = static_cast<pf::Index>(reports.size()), columns = std::min(pf::Index{5}, count);
  const pf::Index rows = (count + columns - 1) / columns;
  pf::plot::Figure figure({.rows = rows, .columns = columns, .width = 260 * columns, .height = 285 * rows});
  for (pf::Index i = 0; i < count; ++i) {
    const Report& r = reports[static_cast<std::size_t>(i)];
    figure.image_grid(i / columns, i % columns, r.draws, {.title = r.title, .columns = 5});
  }
  arguments.save(figure, "vae_zoo.png");

  for (const Report& r : reports) {
    if (r.name != "beta") continue;
    const pf::Index units = r.walks.size(1), values = r.walks.size(2);
    pf::plot::Figure pair({.columns = 2,
                           .title = "beta-VAE: its ten most active units, each from -3 to 3",
                           .width = 1180,
                           .height = 590});
    for (pf::Index i = 0; i < 2; ++i)
      pair.image_grid(0, i, pf::reshape(pf::select(r.walks, 0, i), {units * values, 784}), {.columns = values});
    arguments.save(pair, "vae_zoo_traversals.png");
  }
}

void vae_zoo(const examples::Arguments& arguments) {
  pf::Rng rng(arguments.seed);
  const examples::ImageCounts all{.digits = 8000}, few{.mnist = 1000, .digits = 1000, .test = 100};
  Setting setting{arguments, examples::load_images(arguments, arguments.quick ? few : all, rng), {}, {}};
  const pf::Tensor<>& train = setting.images.train;
  setting.test = pf::data::binarize(setting.images.test, rng);
  setting.codes = pf::data::binarize(pf::slice(train, 0, 0, std::min(pf::Index{4000}, train.size(0))), rng);
  std::printf("%lld images (%s), 784-300-300-%lld and back\n", static_cast<long long>(train.size(0)),
              setting.images.name, static_cast<long long>(code_size));

  std::vector<Report> reports;
  std::vector<std::pair<std::string, examples::Value>> values;
  for (const Member& member : arguments.chosen("--models", zoo)) {
    std::printf("%s\n", member.title);
    pf::Rng own(arguments.seed + 1);  // the same whichever are chosen
    Report report = member.study(setting, own);
    report.name = member.name, report.title = member.title;
    if (!std::isnan(report.nats)) values.emplace_back(std::string("nats_") + member.name, report.nats);
    values.emplace_back(std::string("active_") + member.name, static_cast<double>(report.active()));
    reports.push_back(std::move(report));
  }
  print(reports, setting);
  draw(arguments, reports);
  values.emplace_back("data", setting.images.name);
  arguments.result(values);
}

int main(int count, char** given) {
  std::string names = "which to train:";
  for (const Member& member : zoo) names += std::string(" ") + member.name;
  return examples::run(
      {.name = "vae_zoo",
       .text = "ten variational autoencoders with the same network.\n\n"
               "They differ in the objective, the prior or the posterior. A table tells how likely each\n"
               "finds test images (importance sampling, 500 draws an image), what its codes carry and how\n"
               "many units of them are in use. The pictures show draws of each, and what the units of the\n"
               "beta-VAE do.",
       .epochs = 30,
       .data = "folder with MNIST (default: $PUSHFORWARD_DATA; without, drawn digits)",
       .quick = "a thousand images",
       .extras = {{"--models", "A,B", names, "all"}}},
      count, given, vae_zoo);
}
