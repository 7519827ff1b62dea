#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/dynamics/ode_likelihood.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

using Vector = Tensor<double>;

// Three normals in the plane, and the exact velocity that carries noise to them.
pf::GaussianMixtureDenoiser<double> three_normals(const pf::GaussianPath& path) {
  const Vector mean({3, 2}, {-2.0, 1.0, 0.5, 0.0, 2.5, -1.5}), std({3, 2}, {0.3, 0.8, 0.5, 0.2, 1.0, 0.4});
  return {pf::Mixture<pf::Normal<double>>(Vector{0.2, -0.3, 0.5}, pf::Normal<double>(mean, std)), path};
}

double worst_difference(const Vector& a, const Vector& b) { return pf::max(pf::abs(a - b)).item(); }

}  // namespace

TEST_CASE("the exact velocity of a mixture gives its exact density by the ODE") {
  pf::Rng rng(1);
  // Data at time 1 and noise at 0, and the other way round; the second path ends near N(0, I) only, with 0.7 % data.
  const auto straight = three_normals(pf::linear_path());
  const auto preserving = three_normals(pf::variance_preserving());
  const Vector drawn = straight.data().sample(200, rng), anywhere = pf::normal<double>({200, 2}, rng) * 3;
  const auto base = pf::standard_normal<double>(2);
  for (const auto* model : {&straight, &preserving}) {
    auto field = [&](const Vector& at, double t) { return model->velocity(at, t); };
    const bool is_straight = model == &straight;
    const double start = is_straight ? 1.0 : 1e-5;  // where the rate of sigma is finite
    pf::OdeLikelihoodOptions options{.data_time = start, .noise_time = is_straight ? 0.0 : 1.0};
    const Vector found = pf::ode_log_prob(field, base, drawn, options, rng);
    CHECK(worst_difference(found, model->log_prob(drawn, start)) < (is_straight ? 1e-3 : 0.1));
    // From the exact distribution at the noise end, both are exact; where there is hardly any density, too.
    const Vector exact = pf::ode_log_prob(field, model->at(options.noise_time), drawn, options, rng);
    CHECK(worst_difference(exact, model->log_prob(drawn, start)) < 1e-3);
    options.solver = pf::DormandPrince{.relative = 1e-8, .absolute = 1e-8};
    const Vector far = pf::ode_log_prob(field, model->at(options.noise_time), anywhere, options, rng);
    CHECK(worst_difference(far, model->log_prob(anywhere, start)) < 1e-5);
  }
}

TEST_CASE("the density by the ODE is exact in float, too") {
  pf::Rng rng(2);
  const pf::data::EightGaussians truth;
  const Tensor<> centers = truth.centers();
  const pf::Normal<> components(centers, Tensor<>::full(centers.shape(), 0.3f));
  const pf::GaussianMixtureDenoiser<> model({Tensor<>::zeros({8}), components}, pf::linear_path());
  auto field = [&](const Tensor<>& at, double t) { return model.velocity(at, t); };
  const Tensor<> x = truth.sample(500, rng);
  const Tensor<> found = pf::ode_log_prob(field, pf::standard_normal(2), x, {}, rng);
  CHECK(pf::max(pf::abs(found - truth.log_prob(x))).item() < 5e-3);
  CHECK(found.mean() == Approx(truth.log_prob(x).mean()).margin(2e-4));
}

TEST_CASE("the log-determinant of a linear field is its trace, and of the way back minus that") {
  const Vector a({2, 2}, {0.3, 1.0, -2.0, 0.4}), x({3, 2}, {1.0, 2.0, -1.0, 0.0, 0.5, 0.5});
  auto field = [&](const Vector& at, double t) { return pf::matmul(at, a) * (1 + t); };
  const auto there = pf::integrate_with_log_det(field, x, 0, 2, pf::DormandPrince{1e-9, 1e-9});
  support::expect_equal(there.log_det, Vector::full({3}, 0.7 * 4), 1e-7);
  const auto back = pf::integrate_with_log_det(field, there.value, 2, 0, pf::DormandPrince{1e-9, 1e-9});
  support::expect_equal(back.value, x, 1e-6);
  support::expect_equal(back.log_det, Vector::full({3}, -0.7 * 4), 1e-7);
}

TEST_CASE("Hutchinson's estimate of a density has no bias, and the least variance with signs") {
  pf::Rng rng(3);
  const auto model = three_normals(pf::linear_path());
  auto field = [&](const Vector& at, double t) { return model.velocity(at, t); };
  constexpr Index many = 4000;
  const Vector x = pf::expand(Vector({1, 2}, {-1.0, 0.7}), {many, 2});
  // One solution of many equal rows, each with a probe of its own.
  const pf::RungeKutta4 solver{.steps = 40};
  const auto base = pf::standard_normal<double>(2);
  const double exact = pf::ode_log_prob(field, base, pf::slice(x, 0, 0, 1), {.solver = solver}, rng).item();
  double variances[2];
  for (const pf::Probe probe : {pf::Probe::rademacher, pf::Probe::normal}) {
    const Vector found = pf::ode_log_prob(
        field, base, x, {.solver = solver, .divergence = pf::Divergence::hutchinson, .probe = probe}, rng);
    const double variance = pf::var(found).item();
    CHECK(std::abs(found.mean() - exact) < 4 * std::sqrt(variance / many));  // 1 of 16000 fails by chance
    variances[static_cast<int>(probe)] = variance;
  }
  CHECK(variances[0] < variances[1]);
  CHECK(variances[0] > 0);
}

TEST_CASE("probes have mean 0 and variance 1") {
  pf::Rng rng(4);
  const Tensor<> signs = pf::draw_probe(pf::Probe::rademacher, {100'000}, rng);
  CHECK(pf::square(signs).min() == 1);
  CHECK(pf::square(signs).max() == 1);
  CHECK(signs.mean() == Approx(0).margin(4 / std::sqrt(1e5)));
  const Tensor<> numbers = pf::draw_probe(pf::Probe::normal, {100'000}, rng);
  CHECK(numbers.mean() == Approx(0).margin(4 / std::sqrt(1e5)));
  CHECK(pf::square(numbers).mean() == Approx(1).margin(4 * std::sqrt(2 / 1e5)));
}

TEST_CASE("the density by the ODE has gradients in the data and in the field, with exact and estimated divergence") {
  const Vector x({2, 2}, {0.4, -0.2, 0.9, 0.3}), w({2, 2}, {0.3, -0.5, 0.7, 0.2});
  for (const pf::Divergence divergence : {pf::Divergence::exact, pf::Divergence::hutchinson})
    support::expect_gradients(
        [&](const Vector& at, const Vector& weight) {
          pf::Rng rng(5);  // the same probe each time
          auto field = [&](const Vector& z, double t) { return pf::tanh(pf::matmul(z, weight)) * (1 + t); };
          return pf::ode_log_prob(field, pf::standard_normal<double>(2), at,
                                  {.solver = pf::RungeKutta4{.steps = 2}, .divergence = divergence}, rng);
        },
        x, w, {.order = 1});
}

TEST_CASE("densities by an ODE refuse shapes that are not points") {
  pf::Rng rng(6);
  auto field = [](const Tensor<>& x, double) { return x; };
  const Tensor<> x = Tensor<>::ones({2, 3});
  CHECK_THROWS_AS(pf::integrate_with_log_det(field, Tensor<>::ones({3}), 0, 1, pf::Euler{}), pf::ShapeError);
  CHECK_THROWS_AS(pf::integrate_with_log_det(field, x, 0, 1, pf::Euler{}, Tensor<>::ones({3, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ode_log_prob(field, pf::standard_normal(2), x, {}, rng), pf::ShapeError);
}
