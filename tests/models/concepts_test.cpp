#include <cmath>

#include <pushforward/data/toy_curves.hpp>
#include <pushforward/distributions/bernoulli.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/vae.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

namespace {

// Draws, and nothing else: what a GAN is.
struct Sampler {
  pf::Tensor<> sample(Index n, pf::Rng& rng) const { return pf::normal({n, 2}, rng); }
};

// A density that is off by a known amount.
struct Estimator : Sampler {
  pf::LogLikelihood<> log_likelihood(const pf::Tensor<>& x, pf::Rng& rng) const {
    return {pf::sum(x, -1) + rng.uniform(), pf::LikelihoodKind::estimate};
  }
};

struct OnlyScores {
  pf::Tensor<double> log_prob(const pf::Tensor<double>& x) const { return pf::sum(x, -1); }
};

using Flow = pf::Flow<>;
using Vae = pf::Vae<pf::GaussianHead<pf::Mlp<>>, pf::GaussianHead<pf::Mlp<>>, pf::Normal<>>;

// p(x) = N(0, 1 + 1/4) in one dimension: z ~ N(0, 1), x | z ~ N(z, 1/4); q(z | x) is its posterior, wider by `width`.
struct LinearGaussian {
  double width = 1;
  pf::Normal<> encode(const pf::Tensor<>& x) const {
    return pf::Normal<>(x * 0.8, pf::Tensor<>::full(x.shape(), static_cast<float>(std::sqrt(0.2) * width)));
  }
};
struct Encoder {
  using Scalar = float;
  LinearGaussian model;
  pf::Normal<> operator()(const pf::Tensor<>& x) const { return model.encode(x); }
  static void members(auto&, auto&&) {}
};
struct Decoder {
  using Scalar = float;
  pf::Normal<> operator()(const pf::Tensor<>& z) const { return pf::Normal<>(z, pf::Tensor<>::full(z.shape(), 0.5f)); }
  static void members(auto&, auto&&) {}
};

double normal_log_density(double x, double variance) {
  return -0.5 * (x * x / variance + std::log(2 * 3.14159265358979323846 * variance));
}

}  // namespace

TEST_CASE("the concepts tell exact, approximate and no densities apart") {
  STATIC_REQUIRE(pf::GenerativeModel<Flow>);
  STATIC_REQUIRE(pf::ExactDensity<Flow>);
  STATIC_REQUIRE_FALSE(pf::ApproximateDensity<Flow>);

  STATIC_REQUIRE(pf::GenerativeModel<Vae>);
  STATIC_REQUIRE_FALSE(pf::ExactDensity<Vae>);
  STATIC_REQUIRE(pf::ApproximateDensity<Vae>);
  STATIC_REQUIRE(pf::HasLikelihood<Vae>);

  STATIC_REQUIRE(pf::GenerativeModel<Sampler>);
  STATIC_REQUIRE_FALSE(pf::HasLikelihood<Sampler>);

  STATIC_REQUIRE(pf::HasLikelihood<OnlyScores, double>);
  STATIC_REQUIRE_FALSE(pf::ExactDensity<OnlyScores, double>);
  STATIC_REQUIRE_FALSE(pf::HasLikelihood<OnlyScores, float>);

  STATIC_REQUIRE(pf::ExactDensity<pf::data::TwoMoons>);
  CHECK(pf::ExactDensity<pf::Normal<>>);
}

TEST_CASE("log_likelihood asks an exact density without touching the generator") {
  pf::Rng rng(0);
  const pf::Tensor<> x = pf::normal({5, 2}, rng);
  const pf::Normal<> normal = pf::standard_normal(2);
  pf::Rng before = rng, other(1);
  const pf::LogLikelihood<> scores = pf::log_likelihood(normal, x, rng);
  CHECK(scores.kind == pf::LikelihoodKind::exact);
  CHECK(scores.value.to_vector() == normal.log_prob(x).to_vector());
  CHECK(rng.uniform() == before.uniform());
}

TEST_CASE("log_likelihood asks other models by their own, and hands on what kind it is") {
  pf::Rng rng(3), same(3);
  const auto x = pf::Tensor<>({2, 2}, {1, 2, 3, 4});
  const pf::LogLikelihood<> scores = pf::log_likelihood(Estimator{}, x, rng);
  const double added = same.uniform();
  CHECK(scores.kind == pf::LikelihoodKind::estimate);
  CHECK(scores.value(0) == Catch::Approx(3 + added));
  CHECK(scores.value(1) == Catch::Approx(7 + added));
}

TEST_CASE("the likelihood of a variational autoencoder is a bound, tight where its posterior is") {
  pf::Rng rng(0);
  const auto x = pf::Tensor<>({5, 1}, {-2, -0.5, 0, 1, 3});
  double truth = 0;
  for (const float value : x) truth += normal_log_density(static_cast<double>(value), 1.25) / 5;

  const pf::Vae exact(Encoder{{1.0}}, Decoder{}, 1), wide(Encoder{{1.6}}, Decoder{}, 1);
  const pf::LogLikelihood<> tight = exact.log_likelihood(x, rng, {.particles = 10});
  CHECK(tight.kind == pf::LikelihoodKind::lower_bound);
  CHECK(tight.value.shape() == pf::Shape{5});
  CHECK(tight.value.mean() == Catch::Approx(truth).margin(1e-5));  // every particle has the weight p(x)

  // A wider posterior costs an elbo, which is the bound of one particle, KL(q || p) = w^2/2 - 1/2 - log w.
  double one = 0;
  constexpr int repeats = 2000;
  for (int i = 0; i < repeats; ++i) one += wide.log_likelihood(x, rng, {.particles = 1}).value.mean() / repeats;
  const double kl = 0.5 * 1.6 * 1.6 - 0.5 - std::log(1.6);
  // log w varies like (w^2 - 1)/2 (chi^2_1 - 1): its standard error over 10'000 draws is 1.56 / sqrt(2) / 100.
  CHECK(one == Catch::Approx(truth - kl).margin(4 * 0.0111));
  const double many = wide.log_likelihood(x, rng, {.particles = 20'000}).value.mean();
  CHECK(many == Catch::Approx(truth).margin(0.02));
  CHECK(pf::log_likelihood(wide, x, rng).kind == pf::LikelihoodKind::lower_bound);
}
