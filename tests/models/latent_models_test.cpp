#include <pushforward/bijectors/chain.hpp>
#include <pushforward/models/conditional_vae.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/flow_head.hpp>
#include <pushforward/models/latent_walks.hpp>
#include <pushforward/models/vamp_vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/importance_weighted.hpp>
#include <pushforward/objectives/latent_mmd.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

const pf::FitOptions quick{
    .epochs = 60, .batch_size = 64, .optimizer = pf::Adam({.learning_rate = 0.01}), .progress = pf::Progress::off};

// Two clusters in the plane, at (-2, 0) and (2, 0), std 0.3.
std::pair<Tensor<>, Tensor<>> clusters(Index n, pf::Rng& rng) {
  const Tensor<> which = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng);
  const Tensor<> x = pf::normal({n, 2}, rng) * 0.3 + (which * 4 - 2) * Tensor<>{1.0f, 0.0f};
  return {x, pf::concat({which, 1 - which}, 1)};
}

auto gaussian_vae_parts(Index in, Index latent_in, pf::Rng& rng) {
  return std::pair(pf::GaussianHead(pf::Mlp({in, 24, 2 * 2}, rng)), pf::GaussianHead(pf::Mlp({latent_in, 24, 4}, rng)));
}

}  // namespace

TEST_CASE("a VampPrior is the mean of the posteriors at its pseudo-inputs, and every parameter learns") {
  pf::Rng rng(1);
  const auto [x, y] = clusters(300, rng);
  auto [encoder, decoder] = gaussian_vae_parts(2, 2, rng);
  pf::VampVae vae(encoder, decoder, pf::slice(x, 0, 0, 5));
  const Tensor<> z = pf::normal({7, 2}, rng);
  const auto q = vae.encode(vae.pseudo_inputs());
  for (Index i = 0; i < 7; ++i) {
    double density = 0;
    const Tensor<> logs = q.log_prob(pf::slice(z, 0, i, i + 1));  // [5]
    for (const float l : logs) density += std::exp(static_cast<double>(l)) / 5;
    CHECK(vae.prior().log_prob(z)(i) == Approx(std::log(density)).epsilon(1e-4));
  }
  CHECK_NOTHROW(pf::testing::check_module(vae, [&, x = x](const auto& model) {
    pf::Rng noise(2);
    return pf::mean(model.elbo(x, noise));
  }));
  const double before = vae.elbo(x, rng).mean();
  pf::FitOptions longer = quick;
  longer.epochs = 200;
  // A weight of 1 from the start would make the decoder give up on the code.
  const auto warm = pf::annealed([](Index step, Index total) { return pf::elbo({.beta = pf::ramp(step, total / 2)}); });
  pf::fit(vae, x, warm, longer, rng);
  CHECK(vae.elbo(x, rng).mean() > before + 1);
  // log p(x) is -(log 2 + log(2 pi 0.09) + 1) = -1.12 on average; a bound cannot pass it.
  const auto scored = vae.log_likelihood(x, rng, {.particles = 100});
  CHECK(scored.kind == pf::LikelihoodKind::lower_bound);
  CHECK(scored.value.mean() > -1.6);
  CHECK(scored.value.mean() < -0.9);
  CHECK(vae.sample(9, rng).shape() == pf::Shape{9, 2});
  CHECK(vae.reconstruct(x).shape() == x.shape());
  static_assert(pf::LatentVariableModel<decltype(vae)>);
  CHECK_THROWS_AS(pf::VampVae(encoder, decoder, Tensor<>::zeros({2})), pf::ShapeError);
}

TEST_CASE("a ConditionalVae learns from tuples, and draws what it is told to draw") {
  pf::Rng rng(3);
  const auto [x, y] = clusters(600, rng);
  auto [encoder, decoder] = gaussian_vae_parts(4, 4, rng);
  pf::ConditionalVae vae(encoder, decoder, 2);
  pf::fit(vae, std::tuple(x, y), pf::conditional(pf::elbo()), quick, rng);
  const Tensor<> left = pf::expand(Tensor<>{0.0f, 1.0f}, {400, 2}), right = pf::expand(Tensor<>{1.0f, 0.0f}, {400, 2});
  const Tensor<> a = vae.sample(left, rng), b = vae.sample(right, rng);
  CHECK(pf::slice(a, 1, 0, 1).mean() == Approx(-2.0).margin(0.15));
  CHECK(pf::slice(b, 1, 0, 1).mean() == Approx(2.0).margin(0.15));
  // Knowing y saves the bit: log p(x | y) is -(log(2 pi 0.09) + 1) = -0.43 on average.
  const double told = vae.log_likelihood(x, y, rng, {.particles = 50}).value.mean();
  CHECK(told > -0.8);
  CHECK(told < -0.3);
  CHECK(vae.log_likelihood(x, 1 - y, rng, {.particles = 50}).value.mean() < told - 5);
  CHECK(vae.reconstruct(x, y).shape() == x.shape());
  CHECK_THROWS_AS(vae.elbo(x, pf::slice(y, 0, 0, 3), rng), pf::ShapeError);
  CHECK_THROWS_AS(vae.log_likelihood(x, pf::slice(y, 0, 0, 3), rng), pf::ShapeError);
}

TEST_CASE("every objective of a Vae trains a ConditionalVae, annealed ones too") {
  pf::Rng rng(4);
  const auto [x, y] = clusters(64, rng);
  auto [encoder, decoder] = gaussian_vae_parts(4, 4, rng);
  pf::ConditionalVae vae(encoder, decoder, 2);
  const auto given = vae.given(y);
  static_assert(pf::LatentVariableModel<decltype(given)>);
  pf::Rng first(5), second(5);
  CHECK(pf::conditional(pf::iwae({.particles = 3}))(vae, x, y, first).item() ==
        pf::iwae({.particles = 3})(given, x, second).item());
  const auto warm = pf::annealed([](Index step, Index total) { return pf::elbo({.beta = pf::ramp(step, total)}); });
  pf::FitOptions once = quick;
  once.epochs = 2;
  const auto history = pf::fit(vae, std::tuple(x, y), pf::conditional(warm), once, rng);
  CHECK(history.epochs.size() == 2);
  CHECK_NOTHROW(pf::fit(vae, std::tuple(x, y), pf::conditional(pf::wae_mmd()), once, rng));
}

TEST_CASE("a FlowHead's draws have the density they say, and its flow learns") {
  pf::Rng rng(6);
  const auto [x, y] = clusters(40, rng);
  auto [encoder, decoder] = gaussian_vae_parts(2, 2, rng);
  const auto flow = pf::real_nvp({.features = 2, .layers = 2, .hidden = {8}}, rng);
  pf::Vae vae(pf::FlowHead(encoder, flow.bijector()), decoder, 2);
  // Away from the identity that it starts as.
  pf::for_each_parameter(vae, [&](const pf::Path&, pf::Parameter<>& p) {
    p = pf::stop_gradient(p.tensor()) + 0.1 * pf::normal(p.tensor().shape(), rng);
  });
  const auto q = vae.encode(x);
  const auto z = q.rsample_and_log_prob(3, rng);
  CHECK(pf::max(pf::abs(q.log_prob(z.value) - z.log_prob)).item() < 1e-3f);
  for (const auto gradient : {pf::BoundGradient::standard, pf::BoundGradient::sticking_the_landing,
                              pf::BoundGradient::doubly_reparameterized})
    CHECK_NOTHROW(pf::testing::check_module(vae, [&, x = x](const auto& model) {
      pf::Rng noise(7);
      return pf::iwae({.particles = 2, .gradient = gradient})(model, x, noise);
    }));
  CHECK_NOTHROW(pf::fit(vae, x, pf::elbo(), {.epochs = 1, .progress = pf::Progress::off}, rng));
  CHECK(vae.log_likelihood(x, rng, {.particles = 4}).value.shape() == pf::Shape{40});
}

TEST_CASE("walks start and end where they should") {
  const Tensor<double> a({2, 2}, {1.0, 0.0, 2.0, 2.0}), b({2, 2}, {0.0, 2.0, 4.0, 4.0});
  const Tensor<double> straight = pf::interpolate(a, b, 5);
  REQUIRE(straight.shape() == pf::Shape{2, 5, 2});
  CHECK(straight(0, 2, 0) == Approx(0.5));
  CHECK(straight(0, 2, 1) == Approx(1.0));
  const Tensor<double> arc = pf::interpolate(a, b, 3, pf::Interpolation::spherical);
  CHECK(arc(0, 0, 0) == Approx(1.0));
  CHECK(arc(0, 2, 1) == Approx(2.0));
  CHECK(arc(0, 1, 0) == Approx(std::sqrt(0.5)));  // half of a right angle: sin 45 / sin 90 of each end
  CHECK(arc(0, 1, 1) == Approx(2 * std::sqrt(0.5)));
  CHECK(arc(1, 1, 0) == Approx(3.0));  // parallel codes: a straight line
  const Tensor<double> walk = pf::traverse(a, 1, Tensor<double>{-3.0, 0.0, 3.0});
  REQUIRE(walk.shape() == pf::Shape{2, 3, 2});
  CHECK(walk(1, 0, 0) == 2.0);
  CHECK(walk(1, 0, 1) == -3.0);
  CHECK(walk(0, 2, 1) == 3.0);
  CHECK_THROWS_AS(pf::interpolate(a, b, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::interpolate(a, Tensor<double>{1.0}, 3), pf::ShapeError);
  CHECK_THROWS_AS(pf::traverse(a, 2, Tensor<double>{1.0}), pf::IndexError);
}
