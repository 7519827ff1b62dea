#include <pushforward/models/ladder_vae.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/importance_weighted.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// x | z ~ N(w z, s^2) in one number.
struct LineDecoder {
  using Scalar = double;
  double w, s;
  pf::Normal<double> operator()(const Tensor<double>& z) const { return {z * w, Tensor<double>{s}}; }
  static void members(auto&, auto&&) {}
};

void set(pf::Linear<double>& layer, std::vector<double> weight, std::vector<double> bias) {
  layer.weight = Tensor<double>(layer.weight.shape(), weight);
  layer.bias = Tensor<double>(layer.bias.shape(), bias);
}

// z_2 ~ N(0, 1), z_1 | z_2 ~ N(a z_2, r^2), x | z_1 ~ N(w z_1, s^2): all is normal, and the ladder's family holds the
// posterior, which its networks are set to.
struct Line {
  static constexpr double a = 0.7, r = 0.6, w = 1.5, s = 0.5;
  static double log_evidence(double x) {
    const double variance = w * w * (a * a + r * r) + s * s;
    return -0.5 * (x * x / variance + std::log(2 * M_PI * variance));
  }
  static pf::LadderVae<LineDecoder> ladder(pf::Rng& rng) {
    pf::LadderVae<LineDecoder> vae(
        {w, s}, {.features = 1, .latents = {1, 1}, .hidden = {1, 1}, .activation = pf::Activation::none}, rng);
    auto& net = vae.networks();
    for (auto& mlp : net.up)
      for (auto& layer : mlp.layers) set(layer, {1}, {0});
    set(net.evidence[0].net.layers[0], {1 / w, 0}, {0, 2 * std::log(s / w)});  // what x alone says of z_1
    // z_2 | x by Bayes: x | z_2 ~ N(w a z_2, w^2 r^2 + s^2).
    const double noise = w * w * r * r + s * s, precision = 1 + w * w * a * a / noise;
    set(net.evidence[1].net.layers[0], {w * a / noise / precision, 0}, {0, -std::log(precision)});
    set(net.down[0].net.layers[0], {1}, {0});
    set(net.down[0].net.layers[1], {a, 0}, {0, 2 * std::log(r)});
    return vae;
  }
};

// Two clusters, each of two: a hierarchy.
Tensor<> nested(Index n, pf::Rng& rng) {
  const Tensor<> outer = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng) * 6 - 3;
  const Tensor<> inner = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng) * 2 - 1;
  return pf::concat({outer + 0.2 * pf::normal({n, 1}, rng), inner + 0.2 * pf::normal({n, 1}, rng)}, 1);
}

}  // namespace

TEST_CASE("a ladder whose posterior is exact gives log p(x) in every bound, whatever the draws") {
  pf::Rng rng(1);
  const auto vae = Line::ladder(rng);
  const Tensor<double> x({4, 1}, {-2.0, 0.1, 1.0, 5.0});
  const Tensor<double> elbo = vae.elbo(x, rng, {.samples = 3});
  const Tensor<double> iwae = pf::importance_weighted_bound(vae, x, 4, rng);
  const auto likelihood = vae.log_likelihood(x, rng, {.particles = 5});
  CHECK(likelihood.kind == pf::LikelihoodKind::lower_bound);
  for (Index i = 0; i < 4; ++i) {
    const double exact = Line::log_evidence(x(i, 0));
    CHECK(elbo(i) == Approx(exact).epsilon(1e-12));
    CHECK(iwae(i) == Approx(exact).epsilon(1e-12));
    CHECK(likelihood.value(i) == Approx(exact).epsilon(1e-12));
  }
  const auto z = vae.encode(x).rsample_and_log_prob(6, rng);
  REQUIRE(z.value.shape() == pf::Shape{6, 4, 2});
  CHECK(pf::max(pf::abs(vae.encode(x).log_prob(z.value) - z.log_prob)).item() < 1e-12);
  // The layers' divergences add up to that of the codes: E_q[log p(x | z)] - log p(x), here over many draws.
  const double together = pf::sum(vae.layer_divergences(x, rng, 20'000)).item();
  double expected = 0;
  const auto many = vae.encode(x).sample(20'000, rng);
  for (Index i = 0; i < 4; ++i) expected -= Line::log_evidence(x(i, 0)) / 4;
  expected += pf::mean(vae.decode(many).log_prob(x)).item();
  CHECK(together == Approx(expected).margin(0.03));
}

TEST_CASE("draws of a ladder come from the top down") {
  pf::Rng rng(2);
  const auto vae = Line::ladder(rng);
  const Tensor<double> z = vae.prior().sample(40'000, rng), x = vae.sample(40'000, rng);
  REQUIRE(z.shape() == pf::Shape{40'000, 2});
  const double first = Line::a * Line::a + Line::r * Line::r;  // variance of z_1
  CHECK(pf::var(z, 0)(0) == Approx(first).epsilon(0.03));
  CHECK(pf::var(z, 0)(1) == Approx(1).epsilon(0.03));
  CHECK(pf::mean(pf::select(z, 1, 0) * pf::select(z, 1, 1)).item() == Approx(Line::a).margin(0.02));
  CHECK(pf::var(x, 0)(0) == Approx(Line::w * Line::w * first + Line::s * Line::s).epsilon(0.03));
  const Tensor<double> at{0.3, -0.8};
  const double expected =
      -0.5 * (0.8 * 0.8 + std::pow((0.3 + 0.8 * Line::a) / Line::r, 2)) - std::log(2 * M_PI * Line::r);
  CHECK(vae.prior().log_prob(at).item() == Approx(expected).epsilon(1e-12));
}

TEST_CASE("a ladder learns, all of its parameters, and its importance-weighted bounds rise with the particles") {
  pf::Rng rng(3);
  const Tensor<> x = nested(512, rng);
  pf::LadderVae vae(pf::GaussianHead(pf::Mlp({2, 24, 4}, rng)), {.features = 2, .latents = {2, 1}, .hidden = {24, 16}},
                    rng);
  CHECK_NOTHROW(pf::testing::check_module(vae, [&](const auto& model) {
    pf::Rng noise(4);
    return pf::mean(model.elbo(pf::slice(x, 0, 0, 16), noise));
  }));
  const auto warm =
      pf::annealed([](Index step, Index total) { return pf::elbo({.beta = pf::ramp(step, total / 2, 0.1, 1)}); });
  pf::fit(vae, x, warm,
          {.epochs = 400,
           .batch_size = 128,
           .optimizer = pf::Adam({.learning_rate = 0.01}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const double one = vae.elbo(x, rng, {.samples = 20}).mean();
  const double five = pf::mean(pf::importance_weighted_bound(vae, x, 5, rng)).item();
  const double many = vae.log_likelihood(x, rng, {.particles = 200}).value.mean();
  // Minus the entropy of the data, four equally likely clusters of std 0.2; and the best of one normal distribution.
  const double best = -std::log(4.0) - std::log(2 * M_PI * 0.04) - 1;
  const double normal = -std::log(2 * M_PI) - 1 - 0.5 * std::log(9.04 * 1.04);
  CAPTURE(one, five, many, best, normal);
  CHECK(one < five);
  CHECK(five < many);
  CHECK(many < best + 0.1);
  CHECK(many > normal + 1);
  CHECK(vae.reconstruct(x).shape() == x.shape());
  CHECK(vae.layer_divergences(x, rng).shape() == pf::Shape{2});
}

TEST_CASE("a ladder refuses what does not fit") {
  pf::Rng rng(5);
  auto decoder = pf::GaussianHead(pf::Mlp({2, 4}, rng));
  using Vae = pf::LadderVae<decltype(decoder)>;
  CHECK_THROWS_AS(Vae(decoder, {.features = 2, .latents = {2, 1}, .hidden = {8}}, rng), pf::ValueError);
  CHECK_THROWS_AS(Vae(decoder, {.features = 2, .latents = {2, 0}, .hidden = {8, 8}}, rng), pf::ValueError);
  CHECK_THROWS_AS(Vae(decoder, {.features = 0, .latents = {2}, .hidden = {8}}, rng), pf::ValueError);
  const Vae vae(decoder, {.features = 2, .latents = {2, 1}, .hidden = {8, 8}}, rng);
  CHECK_THROWS_AS(vae.decode(Tensor<>::zeros({3, 4})), pf::ShapeError);
  CHECK_THROWS_AS(vae.prior().log_prob(Tensor<>::zeros({3, 2})), pf::ShapeError);
}
