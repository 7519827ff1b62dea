#include <pushforward/models/heads.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/elbo.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// z ~ N(0, 1), x = w z + b + s noise: the model whose likelihood and posterior are known.
//     x ~ N(b, w w^T + s^2 I),   z | x ~ N(w . (x - b) / (w . w + s^2), s^2 / (w . w + s^2))
struct LinearGaussian {
  Tensor<double> w{1.0, -0.5, 2.0}, b{0.3, 0.0, -1.0};
  double s = 0.8;
  double shift = 0.0, widen = 1.0;  // how wrong the encoder is

  double norm() const { return pf::sum(w * w).item(); }
  pf::Normal<double> encode(const Tensor<double>& x) const {
    const double precision = norm() + s * s;
    const Tensor<double> mean = pf::sum(w * (x - b), -1, true) / precision + shift;
    return {mean, Tensor<double>{widen * s / std::sqrt(precision)}};
  }
  pf::Normal<double> decode(const Tensor<double>& z) const { return {z * w + b, Tensor<double>{s}}; }
  pf::Normal<double> prior() const { return pf::standard_normal<double>(1); }

  Tensor<double> log_likelihood(const Tensor<double>& x) const {
    const Tensor<double> r = x - b, along = pf::sum(w * r, -1);
    const double s2 = s * s, total = norm() + s2;
    // Determinant lemma and Sherman-Morrison.
    const double log_det = std::log(total) + 2 * std::log(s2);
    const Tensor<double> quadratic = (pf::sum(r * r, -1) - along * along / total) / s2;
    return -0.5 * (quadratic + (log_det + 3 * std::log(2 * 3.14159265358979323846)));
  }
};

}  // namespace

TEST_CASE("with the true posterior every bound is the log-likelihood, for every draw") {
  pf::Rng rng(1);
  const LinearGaussian model;
  const Tensor<double> x = pf::normal<double>({6, 3}, rng) * 2.0, truth = model.log_likelihood(x);
  auto off = [&](const Tensor<double>& bound) { return pf::max(pf::abs(bound - truth)).item(); };
  CHECK(off(pf::evidence_lower_bound(model, x, {.analytic_kl = false}, rng)) < 1e-10);
  CHECK(off(pf::evidence_lower_bound(model, x, {.samples = 3, .analytic_kl = false}, rng)) < 1e-10);
  CHECK(off(pf::importance_weighted_bound(model, x, 7, rng)) < 1e-10);
  CHECK(off(pf::importance_log_likelihood(model, x, {.particles = 11, .batch = 13}, rng)) < 1e-10);
  // With the closed divergence the fit term still varies from draw to draw.
  CHECK(off(pf::evidence_lower_bound(model, x, {.samples = 200'000}, rng)) < 0.03);
}

TEST_CASE("with a wrong encoder ELBO <= IWAE <= log-likelihood, and many particles close the gap") {
  pf::Rng rng(2);
  const LinearGaussian model{.shift = 0.3, .widen = 1.5};
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  const double truth = model.log_likelihood(x).mean();
  const double elbo = pf::evidence_lower_bound(model, x, {.samples = 100'000}, rng).mean();
  const double gap = pf::kl_divergence(model.encode(x), LinearGaussian{}.encode(x)).mean();
  CHECK(elbo == Approx(truth - gap).margin(0.02));
  double tighter = 0;  // E of the bound with 5 particles
  for (int i = 0; i < 4000; ++i) tighter += pf::importance_weighted_bound(model, x, 5, rng).mean() / 4000;
  CHECK(tighter > elbo + 0.05);
  CHECK(tighter < truth - 0.005);
  CHECK(pf::importance_log_likelihood(model, x, {.particles = 100'000}, rng).mean() == Approx(truth).margin(0.005));
}

TEST_CASE("the closed and the estimated divergence give one bound on average, also weighted by beta") {
  pf::Rng rng(3);
  const LinearGaussian model{.shift = -0.2, .widen = 0.7};
  const Tensor<double> x = pf::normal<double>({2, 3}, rng);
  for (const double beta : {1.0, 0.0, 2.5}) {
    const double closed = pf::evidence_lower_bound(model, x, {.beta = beta, .samples = 200'000}, rng).mean();
    const double estimated =
        pf::evidence_lower_bound(model, x, {.beta = beta, .samples = 200'000, .analytic_kl = false}, rng).mean();
    CHECK(closed == Approx(estimated).margin(0.03));
  }
}

TEST_CASE("objectives are minus the mean bound, and refuse to draw nothing") {
  const LinearGaussian model;
  pf::Rng rng(4), same(4), third(4), fourth(4);
  const Tensor<double> x = pf::normal<double>({6, 3}, rng);
  pf::normal<double>({6, 3}, same);
  CHECK(pf::elbo()(model, x, rng).item() == Approx(-pf::evidence_lower_bound(model, x, {}, same).mean()));
  CHECK(pf::iwae({.particles = 3})(model, x, third).item() ==
        Approx(-pf::importance_weighted_bound(model, x, 3, fourth).mean()));
  CHECK_THROWS_AS(pf::elbo({.samples = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::iwae({.particles = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::importance_log_likelihood(model, x, {.particles = 0}, rng), pf::ValueError);
}

TEST_CASE("bounds of a network model have the gradients of finite differences with the noise held fixed") {
  pf::Rng rng(5);
  const pf::MlpOptions smooth{.activation = pf::Activation::tanh};
  const pf::Vae vae(pf::GaussianHead(pf::Mlp<double>({70, 6, 4}, rng, smooth)),
                    pf::BernoulliHead(pf::Mlp<double>({2, 6, 70}, rng, smooth)), 2);
  const Tensor<double> x = pf::uniform<double>({3, 70}, rng);
  auto elbo = [&](const Tensor<double>& at) {
    pf::Rng fixed(9);
    return pf::elbo()(vae, at, fixed);
  };
  auto iwae = [&](const Tensor<double>& at) {
    pf::Rng fixed(9);
    return pf::iwae({.particles = 4})(vae, at, fixed);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(elbo, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(iwae, x, {.order = 2}));
}
