// Models as parts of one another: each whole is a density again, and can be trained.
#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Three normals in a triangle.
pf::Mixture<pf::Normal<double>> triangle() {
  return {Tensor<double>{0.0, 0.5, -0.5}, pf::Normal<double>(Tensor<double>{{3, 2}, {-2.0, -1.0, 2.0, -1.0, 0.0, 2.0}},
                                                             Tensor<double>::full({3, 2}, 0.6))};
}

pf::FitOptions training(Index epochs, double rate) {
  return {.epochs = epochs,
          .batch_size = 256,
          .optimizer = pf::Adam({.learning_rate = rate}),
          .schedule = pf::cosine_decay(),
          .progress = pf::Progress::off};
}

}  // namespace

TEST_CASE("a flow on a fixed mixture of normals is a density, and leaves the mixture alone in training") {
  pf::Rng rng(1);
  auto flow = pf::neural_spline_flow<double>({.features = 2, .layers = 2, .bins = 4, .hidden = {8}}, triangle(), rng);
  static_assert(pf::ExactDensity<decltype(flow), double>);
  support::stir<double>(flow, 1.5, 0.1, rng);
  CHECK(support::mass_on_grid(flow, 8, 400) == Approx(1.0).margin(1e-3));
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  CHECK(pf::gradient(pf::mle(flow, flow.sample(16, rng)), flow).size() == 2 * 4);  // the networks' layers only
}

TEST_CASE("a flow on a learned mixture of normals trains both, and gains what a single normal cannot give it") {
  pf::Rng rng(2);
  const pf::data::EightGaussians target;
  const Tensor<> train = target.sample(4096, rng), test = target.sample(2000, rng);
  auto nats = [&](auto base) {
    pf::Rng own(3);
    auto flow = pf::nice({.features = 2, .layers = 2, .hidden = {16}}, std::move(base), own);
    pf::fit(flow, train, pf::mle, training(40, 0.02), own);
    return std::pair{pf::mle(flow, test).item() + target.log_prob(test).mean(), flow};
  };
  const auto [gap, flow] = nats(pf::LearnedMixture<>(16, 2, rng, 3.0));

  CHECK(gap < 0.1);
  CHECK(gap > -0.02);  // below would be a density above the truth
  CHECK(nats(pf::standard_normal(2)).first > gap + 0.5);
  CHECK(pf::max(pf::abs(flow.base().log_std.tensor())).item() > 0.2f);  // it started at 0
}

TEST_CASE("the density of a flow on a learned mixture integrates to one and its draws follow it") {
  pf::Rng rng(4);
  auto flow = pf::real_nvp<double>({.features = 2, .layers = 2, .hidden = {8}, .activation = pf::Activation::tanh},
                                   pf::LearnedMixture<double>(4, 2, rng, 2.0), rng);
  support::stir<double>(flow, 1.5, 0.1, rng);
  CHECK(support::mass_on_grid(flow, 24, 600) == Approx(1.0).margin(1e-3));
  CHECK_NOTHROW(pf::testing::check_distribution(flow, rng));
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return flow.log_prob(x); },
                                             pf::normal<double>({3, 2}, rng), {.order = 2}));
}

TEST_CASE("a flow on a flow has the density of both changes of variables, and trains through both") {
  pf::Rng rng(5);
  auto inner =
      pf::real_nvp<double>({.features = 2, .layers = 2, .hidden = {8}, .activation = pf::Activation::tanh}, rng);
  support::stir<double>(inner, 1.5, 0.1, rng);
  auto outer = pf::neural_spline_flow<double>({.features = 2, .layers = 2, .bins = 4, .hidden = {8}}, inner, rng);
  static_assert(pf::ExactDensity<decltype(outer), double>);
  CHECK(support::mass_on_grid(outer, 16, 600) == Approx(1.0).margin(2e-3));
  CHECK_NOTHROW(pf::testing::check_distribution(outer, rng));

  const Tensor<double> x = pf::normal<double>({6, 2}, rng);
  const auto once = outer.bijector().inverse(x), twice = inner.bijector().inverse(once.value);
  const Tensor<double> expected = pf::standard_normal<double>(2).log_prob(twice.value) + once.log_det + twice.log_det;
  CHECK(pf::max(pf::abs(outer.log_prob(x) - expected)).item() < 1e-12);
  const auto draws = outer.rsample_and_log_prob(50, rng);
  CHECK(pf::max(pf::abs(draws.log_prob - outer.log_prob(draws.value))).item() < 1e-9);

  const auto gradients = pf::gradient(pf::mle(outer, x), outer);
  CHECK(gradients.size() == 2 * 4 + 2 * 4);
  for (const auto& g : gradients) CHECK(pf::sum(pf::abs(g)).item() > 0);
}

TEST_CASE("a VAE with a flow as its prior: the bound rises, and stays below a likelihood that numbers confirm") {
  pf::Rng rng(6);
  // Points near a curve with two thick ends, in three dimensions.
  auto draw = [&](Index n) {
    const Tensor<double> side = 2 * pf::bernoulli(Tensor<double>::full({n, 1}, 0.5), rng) - 1;
    const Tensor<double> t = side + 0.3 * pf::normal<double>({n, 1}, rng);
    return pf::concat({t, pf::square(t) - 1, pf::sin(2 * t)}, 1) + 0.1 * pf::normal<double>({n, 3}, rng);
  };
  auto vae = pf::Vae(pf::GaussianHead(pf::Mlp<double>({3, 24, 4}, rng, {.activation = pf::Activation::tanh})),
                     pf::GaussianHead(pf::Mlp<double>({2, 24, 6}, rng, {.activation = pf::Activation::tanh})),
                     pf::neural_spline_flow<double>({.features = 2, .layers = 2, .bins = 6, .hidden = {16}}, rng));
  const Tensor<double> test = draw(50);
  const double before = vae.elbo(test, rng).mean();
  pf::fit(vae, draw(2048), pf::elbo(), training(15, 0.01), rng);
  const double bound = vae.elbo(test, rng, {.samples = 20}).mean();
  CHECK(bound > before + 1);

  // The prior is a density still, so p(x) = int p(x | z) p(z) dz can be had on a grid.
  constexpr Index n = 300;
  constexpr double reach = 6, step = 2 * reach / n;
  CHECK(support::mass_on_grid(vae.prior(), reach, n) == Approx(1.0).margin(5e-3));
  pf::NoGradient guard;
  const Tensor<double> z = support::grid(reach, n), log_prior = vae.prior().log_prob(z);
  const auto likelihood = vae.decode(z);
  double exact = 0;
  for (Index i = 0; i < test.size(0); ++i) {
    const Tensor<double> x = pf::slice(test, 0, i, i + 1);
    exact += (pf::logsumexp(likelihood.log_prob(x) + log_prior, 0).item() + 2 * std::log(step)) / 50;
  }
  CHECK(bound < exact);
  CHECK(pf::importance_log_likelihood(vae, test, {.particles = 2000}, rng).mean() == Approx(exact).margin(0.05));
}
