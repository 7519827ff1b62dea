#include <pushforward/models/conditional_vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/importance_weighted.hpp>
#include <pushforward/objectives/latent_mmd.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/objectives/noise_contrastive.hpp>
#include <pushforward/objectives/score_matching.hpp>
#include <pushforward/objectives/total_correlation.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"
#include "support/linear_gaussian.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Rows 0 (twice), 1, 2 of x, which is x with the weights 2, 1, 1.
Tensor<double> first_row_twice(const Tensor<double>& x) { return pf::concat({pf::slice(x, 0, 0, 1), x}); }
const Tensor<double> first_counts_twice{2.0, 1.0, 1.0};

// A density up to a constant, N(m, 1) in three numbers, that has what every objective of densities asks for.
struct Shifted {
  using Scalar = double;
  pf::Parameter<double> m{Tensor<double>{0.3, -0.2, 0.1}}, log_z{Tensor<double>::scalar(0.4)};

  Tensor<double> unnormalized_log_prob(const Tensor<double>& x) const {
    return pf::sum(pf::square(x - m), -1) * -0.5 - 0.1 * pf::sum(pf::square(pf::square(x)), -1);
  }
  Tensor<double> log_prob(const Tensor<double>& x) const { return unnormalized_log_prob(x) - log_z; }
  Tensor<double> log_partition() const { return log_z; }
  bool normalized() const { return true; }
  void set_log_partition(double) {}
  static void members(auto& self, auto&& visit) {
    visit("m", self.m);
    visit("log_z", self.log_z);
  }
};

// The same numbers whatever is asked for: noise for contrast that does not vary with the number of draws.
struct Fixed {
  Tensor<double> sample(Index n, pf::Rng&) const { return Tensor<double>::full({n, 3}, 0.25); }
  Tensor<double> log_prob(const Tensor<double>& x) const { return pf::sum(x, -1) * 0.0 - 3.0; }
};

template <class Model, class Objective>
void check_left_out(const char* name, const Model& model, const Objective& objective, const Tensor<double>& x) {
  INFO(name);
  pf::Rng first(5), second(5);
  const Tensor<double> some = pf::slice(x, 0, 0, x.size(0) - 1);
  std::vector<double> w(static_cast<std::size_t>(x.size(0)), 3.0);
  w.back() = 0;
  const Tensor<double> weights({x.size(0)}, w);
  const auto a = pf::weighted(objective)(model, x, weights, first);
  const auto b = pf::evaluate_objective(objective, model, some, second);
  CHECK(a.item() == Approx(b.item()).epsilon(1e-12));
  const auto ga = pf::gradient(a, model), gb = pf::gradient(b, model);
  for (std::size_t i = 0; i < ga.size(); ++i)
    CHECK(pf::max(pf::abs(ga[i] - gb[i])).item() < 1e-12 * (1 + pf::max(pf::abs(gb[i])).item()));
}

template <class Model, class Objective>
void check_counts_twice(const char* name, const Model& model, const Objective& objective, const Tensor<double>& x) {
  INFO(name);
  pf::Rng first(6), second(6);
  const auto a = pf::weighted(objective)(model, x, first_counts_twice, first);
  const auto b = pf::evaluate_objective(objective, model, first_row_twice(x), second);
  CHECK(a.item() == Approx(b.item()).epsilon(1e-9));
}

}  // namespace

TEST_CASE("an example of weight 0 is left out, by every objective, with the same draws for the others") {
  tests::LinearGaussian model;
  model.shift = Tensor<double>{0.2};
  model.log_widen = Tensor<double>{0.1};
  pf::Rng rng(1);
  const Tensor<double> x = model.sample(5, rng);
  const pf::BoundGradient sticking = pf::BoundGradient::sticking_the_landing;
  check_left_out("elbo", model, pf::elbo({.beta = 0.7, .samples = 2}), x);
  check_left_out("elbo, sticking", model, pf::elbo({.samples = 2, .gradient = sticking}), x);
  check_left_out("iwae", model, pf::iwae({.particles = 3}), x);
  check_left_out("iwae, doubly", model,
                 pf::iwae({.particles = 3, .gradient = pf::BoundGradient::doubly_reparameterized}), x);
  check_left_out("miwae", model, pf::miwae({.groups = 2, .particles = 3}), x);
  check_left_out("piwae", model, pf::piwae({.groups = 2, .particles = 3}), x);
  check_left_out("ciwae", model, pf::ciwae({.particles = 3}), x);
  check_left_out("capacity_elbo", model, pf::capacity_elbo({.capacity = 1, .gamma = 2}), x);
  check_left_out("free_bits", model, pf::free_bits({.nats = 0.1}), x);
  check_left_out("info_vae", model, pf::info_vae({.alpha = 0.5, .lambda = 3}), x);
  check_left_out("wae_mmd", model, pf::wae_mmd({.lambda = 3}), x);
  for (const auto estimate : {pf::AggregateEstimate::stratified, pf::AggregateEstimate::weighted})
    check_left_out("total_correlation_elbo", model,
                   pf::total_correlation_elbo({.dataset_size = 50, .estimate = estimate}), x);
  check_left_out("total_correlation_elbo, all data", model,
                 pf::total_correlation_elbo({.estimate = pf::AggregateEstimate::stratified}), x);
}

TEST_CASE("an example of weight 0 is left out of objectives of densities") {
  Shifted model;
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({5, 3}, rng);
  check_left_out("mle", model, pf::mle, x);
  check_left_out("map", model, pf::map({.weight_std = 2, .examples = 9}), x);
  check_left_out("score_matching", model, pf::score_matching, x);
  check_left_out("sliced_score_matching", model, pf::sliced_score_matching({.projections = 2}), x);
  check_left_out("denoising_score_matching", model, pf::denoising_score_matching({.noise = 0.3}), x);
  check_left_out("noise_contrastive_estimation", model,
                 pf::noise_contrastive_estimation(pf::standard_normal<double>(3), {.ratio = 2}), x);
}

TEST_CASE("an example of weight 2 counts as two") {
  pf::Rng rng(3);
  // The encoder is the posterior, so every bound by importance weights is log p(x), whatever the draws.
  const tests::LinearGaussian exact;
  const Tensor<double> x = exact.sample(3, rng);
  check_counts_twice("elbo", exact, pf::elbo({.samples = 2, .analytic_kl = false}), x);
  check_counts_twice("iwae", exact, pf::iwae({.particles = 3}), x);
  check_counts_twice("miwae", exact, pf::miwae({.groups = 2, .particles = 3}), x);
  check_counts_twice("piwae", exact, pf::piwae({.groups = 2, .particles = 3}), x);
  check_counts_twice("ciwae", exact, pf::ciwae({.particles = 3}), x);
  // An encoder without noise: the reconstruction does not vary.
  tests::LinearGaussian sharp;
  sharp.log_widen = Tensor<double>{-30.0};
  check_counts_twice("capacity_elbo", sharp, pf::capacity_elbo({.capacity = 1, .gamma = 2}), x);
  check_counts_twice("free_bits", sharp, pf::free_bits({.nats = 0.1}), x);

  const Shifted model;
  check_counts_twice("mle", model, pf::mle, x);
  check_counts_twice("map", model, pf::map({.weight_std = 2, .examples = 9}), x);
  check_counts_twice("score_matching", model, pf::score_matching, x);
  check_counts_twice("noise_contrastive_estimation", model, pf::noise_contrastive_estimation(Fixed{}, {.ratio = 2}), x);
}

TEST_CASE("the parts of the divergence count an example of weight 2 as two where the batch is all the data") {
  pf::Rng rng(4);
  const pf::Normal<double> q(pf::normal<double>({3, 2}, rng), pf::exp(pf::normal<double>({3, 2}, rng)));
  const pf::Normal<double> twice(first_row_twice(q.mean()), first_row_twice(q.std()));
  const Tensor<double> z = q.sample(rng);
  const auto prior = pf::standard_normal<double>(2);
  for (const auto estimate : {pf::AggregateEstimate::stratified, pf::AggregateEstimate::weighted}) {
    const auto a = pf::divergence_parts(q, prior, z, 0, estimate, pf::ExampleMean(first_counts_twice));
    const auto b = pf::divergence_parts(twice, prior, first_row_twice(z), 0, estimate);
    CHECK(a.mutual_information.item() == Approx(b.mutual_information.item()).epsilon(1e-12));
    CHECK(a.total_correlation.item() == Approx(b.total_correlation.item()).epsilon(1e-12));
    CHECK(a.dimension_kl.item() == Approx(b.dimension_kl.item()).epsilon(1e-12));
  }
}

TEST_CASE("weights move losses as their weighted mean, draw by draw") {
  tests::LinearGaussian model;
  model.shift = Tensor<double>{0.5};
  pf::Rng rng(5);
  const Tensor<double> x = model.sample(4, rng), w{0.5, 2.0, 1.0, 0.25};
  auto weighted_mean = [&](const Tensor<double>& values) { return pf::sum(values * w).item() / w.sum(); };
  pf::Rng a(7), b(7), c(7), d(7);
  CHECK(pf::weighted(pf::elbo({.samples = 3}))(model, x, w, a).item() ==
        Approx(-weighted_mean(pf::evidence_lower_bound(model, x, {.samples = 3}, b))).epsilon(1e-12));
  CHECK(pf::weighted(pf::iwae({.particles = 5}))(model, x, w, c).item() ==
        Approx(-weighted_mean(pf::importance_weighted_bound(model, x, 5, d))).epsilon(1e-12));
  // The discrepancy is the double sum over pairs, by hand.
  const Tensor<double> u = pf::normal<double>({4, 2}, rng), v = pf::normal<double>({3, 2}, rng);
  auto k = [](const Tensor<double>& s, Index i, const Tensor<double>& t, Index j) {
    return std::exp(-(std::pow(s(i, 0) - t(j, 0), 2) + std::pow(s(i, 1) - t(j, 1), 2)) / 4.0);
  };
  double own = 0, pairs = 0, across = 0, other = 0;
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 4; ++j)
      if (i != j) own += w(i) * w(j) * k(u, i, u, j), pairs += w(i) * w(j);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j) across += w(i) / w.sum() / 3 * k(u, i, v, j);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 3; ++j) other += i == j ? 0 : k(v, i, v, j) / 6;
  CHECK(pf::latent_mmd(u, v, {.kernel = pf::LatentKernel::rbf}, pf::ExampleMean(w)).item() ==
        Approx(own / pairs + other - 2 * across).epsilon(1e-12));
}

TEST_CASE(
    "fit trains with weights: the mean of a normal goes to the weighted mean, conditions and schedules come along") {
  pf::Rng rng(8);
  const Tensor<> x({4, 1}, {0.0f, 1.0f, 2.0f, 9.0f}), w{1.0f, 1.0f, 2.0f, 0.0f};
  const pf::FitOptions options{.epochs = 400,
                               .batch_size = 4,
                               .optimizer = pf::Adam({.learning_rate = 0.05}),
                               .schedule = pf::cosine_decay(),
                               .progress = pf::Progress::off};
  pf::LearnedNormal<> density(1);
  pf::fit(density, std::tuple(x, w), pf::weighted(pf::mle), options, rng);
  CHECK(density.mean(0) == Approx(1.25).margin(1e-3));
  CHECK(std::exp(2.0f * density.log_std(0)) == Approx(0.6875).margin(2e-3));  // of 0, 1, 2, 2

  pf::ConditionalVae vae(pf::GaussianHead(pf::Mlp({1 + 2, 8, 4}, rng)), pf::GaussianHead(pf::Mlp({2 + 2, 8, 2}, rng)),
                         2);
  const Tensor<> y = pf::normal({4, 2}, rng);
  pf::Rng first(9), second(9);
  const auto loss = pf::weighted(pf::conditional(pf::elbo()))(vae, x, y, w, first);
  const Tensor<> three = pf::slice(x, 0, 0, 3), given = pf::slice(y, 0, 0, 3);
  const Tensor<> bound = pf::evidence_lower_bound(vae.given(given), three, {}, second);
  CHECK(loss.item() == Approx(-(bound(0) + bound(1) + 2 * bound(2)) / 4).epsilon(1e-5));
  const auto warm =
      pf::annealed([](Index step, Index total) { return pf::conditional(pf::elbo({.beta = pf::ramp(step, total)})); });
  pf::FitOptions few = options;
  few.epochs = 2;
  CHECK_NOTHROW(pf::fit(vae, std::tuple(x, y, w), pf::weighted(warm), few, rng));
}

TEST_CASE("weights that make no sense are refused") {
  const Shifted model;
  pf::Rng rng(10);
  const Tensor<double> x = pf::normal<double>({3, 3}, rng);
  const auto objective = pf::weighted(pf::mle);
  CHECK_THROWS_AS(objective(model, x, Tensor<double>{1.0, 2.0}, rng), pf::ShapeError);
  CHECK_THROWS_AS(objective(model, x, Tensor<double>::ones({3, 1}), rng), pf::ShapeError);
  CHECK_THROWS_AS(objective(model, x, Tensor<double>{1.0, -2.0, 1.0}, rng), pf::ValueError);
  CHECK_THROWS_AS(objective(model, x, Tensor<double>{1.0, std::nan(""), 1.0}, rng), pf::ValueError);
  CHECK_THROWS_AS(objective(model, x, Tensor<double>::zeros({3}), rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ExampleMean(Tensor<double>{1.0, 2.0})(Tensor<double>::zeros({3})), pf::ShapeError);
}
