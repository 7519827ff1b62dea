#include <pushforward/data/toy.hpp>
#include <pushforward/models/spherical_head.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/total_correlation.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/factor_vae.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

pf::FitOptions quick(Index epochs, double rate) {
  return {.epochs = epochs,
          .batch_size = 128,
          .optimizer = pf::Adam({.learning_rate = rate}),
          .schedule = pf::cosine_decay(),
          .progress = pf::Progress::off};
}

// Points of a circle, lifted to three dimensions, with noise.
Tensor<> ring(Index n, pf::Rng& rng) {
  const Tensor<> angle = pf::uniform({n, 1}, rng, 0, 6.2831853f);
  const Tensor<> x = pf::concat({pf::cos(angle), pf::sin(angle), 0.5f * pf::cos(angle) - pf::sin(angle)}, 1);
  return x + 0.1 * pf::normal({n, 3}, rng);
}

template <class Prior, class Encoder>
auto ring_vae(Encoder encoder, Prior prior, pf::Rng& rng) {
  return pf::Vae(std::move(encoder), pf::GaussianHead(pf::Mlp({2, 32, 6}, rng)), std::move(prior));
}

}  // namespace

TEST_CASE("codes on a circle suit data on a circle: the bound is exact in its divergence, tighter with particles") {
  pf::Rng rng(1);
  const Tensor<> x = ring(768, rng);
  auto vae = ring_vae(pf::VonMisesFisherHead(pf::Mlp({3, 32, 3}, rng)), pf::SphericalUniform<>(2), rng);
  CHECK_NOTHROW(pf::testing::check_module(vae, [&](const auto& model) {
    pf::Rng noise(2);
    return pf::mean(model.elbo(pf::slice(x, 0, 0, 20), noise));
  }));
  const double before = vae.elbo(x, rng).mean();
  pf::fit(vae, x, pf::elbo(), quick(60, 0.01), rng);
  const double exact = vae.elbo(x, rng, {.samples = 50}).mean();
  const double drawn = vae.elbo(x, rng, {.samples = 50, .analytic_kl = false}).mean();
  const double tight = pf::importance_log_likelihood(vae, x, {.particles = 200}, rng).mean();
  CHECK(exact > before + 1);
  CHECK(exact == Approx(drawn).margin(0.02));
  CHECK(tight > exact);
  // One of the codes' two numbers turns with the data around the circle, at full length.
  const Tensor<> z = vae.encode(x).direction();
  CHECK(pf::max(pf::abs(pf::sum(pf::square(z), 1) - 1)).item() < 1e-4f);
  CHECK(pf::max(pf::abs(pf::mean(z, 0))).item() < 0.3f);
  CHECK(vae.sample(5, rng).shape() == pf::Shape{5, 3});
  CHECK_THROWS_AS(pf::VonMisesFisherHead(pf::Mlp({3, 2}, rng))(x), pf::ShapeError);
}

TEST_CASE("a discriminator of permuted codes estimates the total correlation of a normal distribution") {
  pf::Rng rng(3);
  for (const double c : {0.0, 0.8}) {
    pf::Mlp discriminator({2, 32, 32, 1}, rng, {.activation = pf::Activation::silu});
    pf::Adam adam({.learning_rate = 5e-3});
    auto codes = [&](Index n) {
      const Tensor<> e = pf::normal({n, 2}, rng), u = pf::slice(e, 1, 0, 1), v = pf::slice(e, 1, 1, 2);
      return pf::concat({u, c * u + std::sqrt(1 - c * c) * v}, 1);
    };
    for (int step = 0; step < 600; ++step) {
      const Tensor<> z = codes(512);
      adam.set_learning_rate(5e-3 * (1 - step / 600.0));
      const auto loss = pf::DensityRatioLoss{}.critic_loss(discriminator, z, pf::permute_dimensions(z, rng), rng);
      adam.step(discriminator, pf::gradient(loss, discriminator));
    }
    const double exact = -0.5 * std::log(1 - c * c);  // 0 and 0.51
    CHECK(pf::estimate_total_correlation(discriminator, codes(20'000)) == Approx(exact).margin(0.04));
  }
}

TEST_CASE("permuted dimensions keep each column's numbers and break their pairs") {
  pf::Rng rng(4);
  const Tensor<> z = pf::concat({Tensor<>::linspace(0, 99, 100), Tensor<>::linspace(0, 99, 100)});
  const Tensor<> pairs = pf::transpose(pf::reshape(z, {2, 100}));  // [100, 2], equal columns
  const Tensor<> moved = pf::permute_dimensions(pairs, rng);
  for (int j = 0; j < 2; ++j) {
    std::vector<float> column = pf::select(moved, 1, j).to_vector();
    std::sort(column.begin(), column.end());
    for (std::size_t i = 0; i < 100; ++i) CHECK(column[i] == static_cast<float>(i));
  }
  CHECK(pf::equal(pf::select(moved, 1, 0), pf::select(moved, 1, 1)).sum() < 10);
  CHECK_THROWS_AS(pf::permute_dimensions(Tensor<>::zeros({4}), rng), pf::ShapeError);
}

TEST_CASE("factor_vae is the evidence lower bound and gamma times the logits, and presses on the total correlation") {
  pf::Rng rng(5);
  const Tensor<> x = ring(512, rng);
  auto vae = ring_vae(pf::GaussianHead(pf::Mlp({3, 32, 4}, rng)), pf::standard_normal(2), rng);
  pf::Mlp discriminator({2, 32, 32, 1}, rng, {.activation = pf::Activation::silu});
  pf::Rng first(6), second(6), third(6);
  const double plain = pf::factor_vae(discriminator, {.gamma = 0})(vae, x, first).item();
  const double pressed = pf::factor_vae(discriminator, {.gamma = 3})(vae, x, second).item();
  const Tensor<> z = pf::select(vae.encode(x).rsample(1, third), 0, 0);
  CHECK(pressed - plain == Approx(3 * pf::estimate_total_correlation(discriminator, z)).margin(1e-4));
  CHECK(plain == Approx(-vae.elbo(x, rng, {.samples = 100}).mean()).margin(0.2));
  CHECK_THROWS_AS(pf::factor_vae(discriminator, {.gamma = -1})(vae, x, rng), pf::ValueError);

  auto correlation = [&](const auto& model) {
    const auto q = model.encode(x);
    return pf::divergence_parts(q, model.prior(), q.rsample(rng)).total_correlation.item();
  };
  auto free = vae;
  auto other = discriminator;
  const auto fast = pf::Adam({.learning_rate = 3e-3});
  pf::fit_factor_vae(free, other, x, {.gamma = 0}, quick(60, 5e-3), rng, fast);
  pf::FitOptions options = quick(60, 5e-3);
  options.validation = pf::slice(x, 0, 0, 50);  // leaves the discriminator alone
  const auto history = pf::fit_factor_vae(vae, discriminator, x, {.gamma = 8}, options, rng, fast);
  CHECK(history.epochs.size() == 60);
  CAPTURE(correlation(free), correlation(vae));
  CHECK(correlation(free) > 0.1);  // codes on a ring
  CHECK(correlation(vae) < 0.6 * correlation(free));
}

TEST_CASE("fit_factor_vae refuses checkpoints, which would lose the discriminator") {
  pf::Rng rng(32);
  auto vae = pf::Vae(pf::GaussianHead(pf::Mlp({3, 8, 4}, rng)), pf::GaussianHead(pf::Mlp({2, 8, 6}, rng)), 2);
  pf::Mlp discriminator({2, 8, 1}, rng);
  const Tensor<> x = pf::normal({20, 3}, rng);
  CHECK_THROWS_AS(pf::fit_factor_vae(vae, discriminator, x, {}, {.epochs = 1, .checkpoint = "x.safetensors"}, rng),
                  pf::ValueError);
}
