#include <pushforward/objectives/importance_weighted.hpp>

#include "support/catch.hpp"
#include "support/linear_gaussian.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::BoundGradient;
using pf::Index;
using pf::Tensor;
using tests::LinearGaussian;

namespace {

LinearGaussian wrong(double shift, double log_widen) {
  LinearGaussian model;
  model.shift = Tensor<double>{shift};
  model.log_widen = Tensor<double>{log_widen};
  return model;
}

// Mean, standard error and variance of a stochastic loss' gradients, for (shift, log_widen) and for b.
struct Moments {
  static constexpr int numbers = 5;
  double mean[numbers] = {}, error[numbers] = {}, variance[numbers] = {};
};

template <class Loss>
Moments gradient_moments(const LinearGaussian& model, const Loss& loss, Index repeats, std::uint64_t seed) {
  pf::Rng rng(seed), data(77);
  const Tensor<double> x = pf::expand(pf::normal<double>({1, 3}, data), {50, 3});
  Moments m;
  std::vector<std::vector<double>> seen(Moments::numbers);
  for (Index r = 0; r < repeats; ++r) {
    const auto g = pf::gradient(loss(model, x, rng), model);
    const double values[] = {g[1].item(), g[2].item(), g[0](0), g[0](1), g[0](2)};
    for (std::size_t i = 0; i < Moments::numbers; ++i) seen[i].push_back(values[i]);
  }
  const auto n = static_cast<double>(repeats);
  for (std::size_t i = 0; i < Moments::numbers; ++i) {
    for (double v : seen[i]) m.mean[i] += v / n;
    for (double v : seen[i]) m.variance[i] += (v - m.mean[i]) * (v - m.mean[i]) / (n - 1);
    m.error[i] = std::sqrt(m.variance[i] / n);
  }
  return m;
}

// Five numbers each within 4.5 standard errors: a false alarm in 30000 runs.
void check_same_mean(const Moments& a, const Moments& b) {
  for (int i = 0; i < Moments::numbers; ++i) {
    INFO("number " << i);
    CHECK(std::fabs(a.mean[i] - b.mean[i]) < 4.5 * std::hypot(a.error[i], b.error[i]) + 1e-12);
  }
}

}  // namespace

TEST_CASE("all gradients of the evidence lower bound have the mean that the closed form has") {
  const LinearGaussian model = wrong(0.3, 0.4);
  Moments exact = gradient_moments(
      model, [](const auto& m, const auto& x, pf::Rng&) { return -pf::mean(m.elbo(x)); }, 2, 1);
  for (double& e : exact.error) e = 0;
  for (const BoundGradient g :
       {BoundGradient::standard, BoundGradient::sticking_the_landing, BoundGradient::doubly_reparameterized}) {
    check_same_mean(gradient_moments(model, pf::elbo({.analytic_kl = false, .gradient = g}), 2000, 2), exact);
    check_same_mean(gradient_moments(model, pf::iwae({.particles = 1, .gradient = g}), 2000, 3), exact);
  }
}

TEST_CASE("doubly reparameterized gradients of the importance-weighted bound are unbiased") {
  const LinearGaussian model = wrong(0.25, -0.3);
  const Moments standard = gradient_moments(model, pf::iwae({.particles = 5}), 4000, 4);
  const Moments double_path =
      gradient_moments(model, pf::iwae({.particles = 5, .gradient = BoundGradient::doubly_reparameterized}), 4000, 5);
  check_same_mean(standard, double_path);
}

TEST_CASE("near the true posterior path gradients have less noise than standard ones") {
  const LinearGaussian model = wrong(0.05, 0.05);
  const Moments standard = gradient_moments(model, pf::iwae({.particles = 5}), 500, 4);
  const Moments closed = gradient_moments(model, pf::elbo({.samples = 5}), 500, 4);
  for (const BoundGradient g : {BoundGradient::sticking_the_landing, BoundGradient::doubly_reparameterized}) {
    const Moments path = gradient_moments(model, pf::iwae({.particles = 5, .gradient = g}), 500, 5);
    const Moments elbo = gradient_moments(model, pf::elbo({.samples = 5, .gradient = g}), 500, 5);
    for (int i = 0; i < 2; ++i) {
      CHECK(path.variance[i] < 0.1 * standard.variance[i]);
      CHECK(elbo.variance[i] < 0.1 * closed.variance[i]);
    }
  }
}

TEST_CASE("sticking the landing is biased for several particles, as Tucker et al. show") {
  const LinearGaussian model = wrong(0.25, -0.3);
  const Moments standard = gradient_moments(model, pf::iwae({.particles = 5}), 4000, 4);
  const Moments path =
      gradient_moments(model, pf::iwae({.particles = 5, .gradient = BoundGradient::sticking_the_landing}), 4000, 5);
  CHECK(std::fabs(path.mean[0] - standard.mean[0]) > 10 * std::hypot(path.error[0], standard.error[0]));
}

TEST_CASE("at the true posterior path gradients of the encoder vanish for every draw, the standard ones do not") {
  const LinearGaussian model;
  for (const BoundGradient g : {BoundGradient::sticking_the_landing, BoundGradient::doubly_reparameterized}) {
    for (const Moments& m : {gradient_moments(model, pf::elbo({.gradient = g}), 5, 6),
                             gradient_moments(model, pf::iwae({.particles = 4, .gradient = g}), 5, 7)}) {
      CHECK(std::fabs(m.mean[0]) + std::fabs(m.mean[1]) < 1e-12);
      CHECK(m.variance[0] + m.variance[1] < 1e-24);
      CHECK(std::fabs(m.mean[2]) > 1e-3);  // the decoder still learns
    }
  }
  CHECK(gradient_moments(model, pf::elbo({.analytic_kl = false}), 50, 6).variance[0] > 1e-3);
}

TEST_CASE("the way of differentiating does not change the value, recorded or not") {
  const LinearGaussian model = wrong(0.4, 0.2);
  pf::Rng data(8);
  const Tensor<double> x = pf::normal<double>({6, 3}, data);
  auto value = [&](BoundGradient g) {
    pf::Rng rng(9);
    return pf::importance_weighted_bound(model, x, 3, rng, g).to_vector();
  };
  auto elbo_value = [&](BoundGradient g) {
    pf::Rng rng(9);
    return pf::evidence_lower_bound(model, x, {.samples = 3, .analytic_kl = false, .gradient = g}, rng).to_vector();
  };
  for (const BoundGradient g : {BoundGradient::sticking_the_landing, BoundGradient::doubly_reparameterized}) {
    const auto recorded = value(g), plain = value(BoundGradient::standard);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(recorded[i] == Approx(plain[i]).epsilon(1e-12));
    const auto elbo = elbo_value(g), plain_elbo = elbo_value(BoundGradient::standard);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(elbo[i] == Approx(plain_elbo[i]).epsilon(1e-12));
    const pf::NoGradient guard;
    const auto constant = value(g);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(constant[i] == Approx(plain[i]).epsilon(1e-12));
  }
}

TEST_CASE("bounds of grouped particles lie where their number of particles puts them") {
  const LinearGaussian model = wrong(0.4, 0.5);
  const pf::NoGradient guard;
  pf::Rng rng(10), data(11);
  const Tensor<double> one = pf::normal<double>({1, 3}, data), x = pf::expand(one, {20'000, 3});
  // Means over rows, with their standard errors.
  auto estimate = [](const Tensor<double>& bound) {
    return std::pair(bound.mean(), std::sqrt(pf::var(bound).item() / static_cast<double>(bound.size())));
  };
  auto same = [](const auto& a, const auto& b) {
    return std::fabs(a.first - b.first) < 4.5 * std::hypot(a.second, b.second);
  };
  const auto elbo = estimate(pf::importance_weighted_bound(model, x, 1, rng));
  const auto four = estimate(pf::importance_weighted_bound(model, x, 4, rng));
  const auto twelve = estimate(pf::importance_weighted_bound(model, x, 12, rng));
  const double exact = model.elbo(one).item(), truth = model.log_prob(one).item();
  CHECK(same(elbo, std::pair(exact, 0.0)));
  CHECK(elbo.first + 0.1 < four.first);
  CHECK(four.first + 0.01 < twelve.first);
  CHECK(twelve.first < truth);
  const auto miwae = estimate(pf::multiply_importance_weighted_bound(model, x, {.groups = 3, .particles = 4}, rng));
  CHECK(same(miwae, four));
  CHECK(miwae.second == Approx(four.second / std::sqrt(3.0)).epsilon(0.1));
  CHECK(same(estimate(pf::partially_importance_weighted_bound(model, x, {.groups = 3, .particles = 4}, rng)), twelve));
  const auto mixed = estimate(pf::combined_importance_weighted_bound(model, x, {.beta = 0.3, .particles = 4}, rng));
  CHECK(same(mixed, std::pair(0.3 * elbo.first + 0.7 * four.first, std::hypot(elbo.second, four.second))));
}

TEST_CASE("piwae's decoder learns as from iwae's, its encoder as from miwae's gradient, draw by draw") {
  const LinearGaussian model = wrong(0.4, 0.5);
  pf::Rng data(12), first(13), second(13), third(13);
  const Tensor<double> x = pf::normal<double>({7, 3}, data);
  const auto p = pf::gradient(pf::piwae({.groups = 3, .particles = 4})(model, x, first), model);
  const auto m = pf::gradient(pf::miwae({.groups = 3, .particles = 4})(model, x, second), model);
  const auto i = pf::gradient(pf::iwae({.particles = 12})(model, x, third), model);
  CHECK(pf::max(pf::abs(p[0] - i[0])).item() < 1e-12);
  CHECK(p[1].item() == Approx(m[1].item()).epsilon(1e-10));
  CHECK(p[2].item() == Approx(m[2].item()).epsilon(1e-10));
  CHECK(std::fabs(p[1].item() - i[1].item()) > 1e-4);
}

TEST_CASE("grouped bounds refuse numbers out of range") {
  const LinearGaussian model;
  pf::Rng rng(14);
  const Tensor<double> x = Tensor<double>::zeros({2, 3});
  CHECK_THROWS_AS(pf::miwae({.groups = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::piwae({.particles = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ciwae({.particles = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ciwae({.beta = 1.5})(model, x, rng), pf::ValueError);
}
