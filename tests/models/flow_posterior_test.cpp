#include <pushforward/autodiff/functional.hpp>
#include <pushforward/models/flow_posterior.hpp>
#include <pushforward/models/inverse_masked_flow.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/ops/linalg.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// z ~ N(0, I) of two numbers, x | z ~ N((z_0 + z_1^2 - 1, .., ..), 0.5^2) in one number: the posterior is a banana.
struct Banana {
  using Scalar = float;
  pf::Normal<> operator()(const Tensor<>& z) const {
    const auto [a, b] = pf::split<2>(z);
    return {a + b * b - 1, Tensor<>{0.4f}};
  }
  static void members(auto&, auto&&) {}
};

// log p(x) by the midpoint rule over [-6, 6]^2.
double log_evidence(float x) {
  double total = 0;
  constexpr double step = 0.02;
  for (double a = -6 + step / 2; a < 6; a += step)
    for (double b = -6 + step / 2; b < 6; b += step) {
      const double r = (static_cast<double>(x) - a - b * b + 1) / 0.4;
      total += std::exp(-0.5 * (a * a + b * b + r * r));
    }
  return std::log(total * step * step / (0.4 * std::pow(2 * 3.14159265358979, 1.5)));
}

template <class Encoder>
double trained_bound(Encoder encoder, const Tensor<>& x, pf::Rng& rng) {
  pf::Vae vae(std::move(encoder), Banana{}, 2);
  pf::fit(vae, x, pf::elbo({.samples = 16, .analytic_kl = false}),
          {.epochs = 300,
           .batch_size = x.size(0),
           .optimizer = pf::Adam({.learning_rate = 0.01}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  return vae.elbo(x, rng, {.samples = 2000, .analytic_kl = false}).mean();
}

}  // namespace

TEST_CASE("flow posteriors come closer to a curved posterior than a normal one, and stay below the evidence") {
  const Tensor<> x({6, 1}, {-2.0f, -1.0f, 0.0f, 1.0f, 2.0f, 3.0f});
  double evidence = 0;
  for (const float v : x) evidence += log_evidence(v) / 6;
  pf::Rng rng(1);
  const double normal = trained_bound(pf::GaussianHead(pf::Mlp({1, 24, 4}, rng)), x, rng);
  const double iaf = trained_bound(
      pf::iaf_posterior(pf::Mlp({1, 24, 4 + 8}, rng), {.latent = 2, .context = 8, .layers = 3, .hidden = {16}}, rng), x,
      rng);
  const double planar =
      trained_bound(pf::planar_posterior(pf::Mlp({1, 24, 4}, rng), {.latent = 2, .layers = 6}, rng), x, rng);
  CAPTURE(evidence, normal, iaf, planar);
  CHECK(normal < evidence);
  CHECK(iaf < evidence + 0.02);  // the noise of 12000 draws
  CHECK(planar < evidence + 0.02);
  CHECK(evidence - iaf < 0.5 * (evidence - normal));
  CHECK(evidence - planar < 0.8 * (evidence - normal));
}

TEST_CASE("the log-density along a draw is that of the draw, and that of the full Jacobian") {
  pf::Rng rng(2);
  const auto head = pf::iaf_posterior(pf::Mlp<double>({3, 8, 2 * 4 + 5}, rng),
                                      {.latent = 4, .context = 5, .layers = 3, .hidden = {12}}, rng);
  const Tensor<double> x = pf::normal<double>({7, 3}, rng);
  const auto q = head(x);
  const auto z = q.rsample_and_log_prob(2, rng);
  REQUIRE(z.value.shape() == pf::Shape{2, 7, 4});
  CHECK(pf::max(pf::abs(q.log_prob(z.value) - z.log_prob)).item() < 1e-9);
  const Tensor<double> row = pf::slice(x, 0, 0, 1), u = pf::normal<double>({1, 4}, rng);
  const auto at = head(row).bijector().forward(u);
  const Tensor<double> jacobian = pf::reshape(
      pf::jacobian([&](const Tensor<double>& v) { return head(row).bijector().forward(v).value; }, u), {4, 4});
  CHECK(pf::log_abs_det(jacobian).item() == Approx(at.log_det(0)).epsilon(1e-10));
}

TEST_CASE("every parameter of a flow posterior learns, the context's too") {
  pf::Rng rng(3);
  const Tensor<> x = pf::normal({9, 3}, rng);
  auto bound = [&](const auto& model) {
    pf::Rng noise(1);
    return pf::mean(model.elbo(x, noise, {.samples = 2}));
  };
  const auto decoder = pf::GaussianHead(pf::Mlp({4, 8, 6}, rng));
  const pf::Vae iaf(pf::iaf_posterior(pf::Mlp({3, 8, 2 * 4 + 5}, rng), {.latent = 4, .context = 5, .layers = 2}, rng),
                    decoder, 4);
  const pf::Vae plain(pf::FlowHead(pf::GaussianHead(pf::Mlp({3, 8, 2 * 4}, rng)),
                                   pf::inverse_autoregressive_flow({.features = 4, .layers = 2}, rng).bijector()),
                      decoder, 4);
  const pf::Vae planar(pf::planar_posterior(pf::Mlp({3, 8, 2 * 4}, rng), {.latent = 4, .layers = 3}, rng), decoder, 4);
  CHECK_NOTHROW(pf::testing::check_module(iaf, bound));
  CHECK_NOTHROW(pf::testing::check_module(plain, bound));
  CHECK_NOTHROW(pf::testing::check_module(planar, bound));
  // The context reaches the first number of the code, which sees no other: by more than mean and variance.
  const auto chain = iaf.encode(x).bijector();
  const Tensor<> moved = chain.forward(Tensor<>::zeros({9, 4})).value;
  CHECK(pf::var(pf::select(moved, 1, 0), 0).item() > 0);
}

TEST_CASE("flow posteriors refuse what does not fit") {
  pf::Rng rng(4);
  CHECK_THROWS_AS(pf::iaf_posterior(pf::Mlp({3, 4}, rng), {.latent = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::iaf_posterior(pf::Mlp({3, 4}, rng), {.latent = 2, .context = 1, .layers = 0}, rng),
                  pf::ValueError);
  CHECK_THROWS_AS(pf::iaf_posterior(pf::Mlp({3, 4}, rng), {.latent = 2, .context = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::planar_posterior(pf::Mlp({3, 4}, rng), {.latent = 2, .layers = 0}, rng), pf::ValueError);
  const auto head = pf::iaf_posterior(pf::Mlp({3, 4}, rng), {.latent = 2, .context = 1}, rng);
  CHECK_THROWS_AS(head(Tensor<>::zeros({5, 3})), pf::ShapeError);
}
