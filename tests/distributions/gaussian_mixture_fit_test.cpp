#include <pushforward/distributions/gaussian_mixture_fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

pf::Mixture<pf::Normal<double>> truth() {
  return {
      Tensor<double>{std::log(0.2), std::log(0.3), std::log(0.5)},
      pf::Normal<double>(Tensor<double>{{3, 2}, {-4, 0, 4, 1, 0, 5}}, Tensor<double>{{3, 2}, {1, 0.5, 0.3, 1, 1, 1}})};
}

// The row of `means` nearest to (x, y).
Index nearest(const Tensor<double>& means, double x, double y) {
  Index best = 0;
  auto apart = [&](Index i) { return std::hypot(means(i, 0) - x, means(i, 1) - y); };
  for (Index i = 1; i < means.size(0); ++i)
    if (apart(i) < apart(best)) best = i;
  return best;
}

void check_monotone(const std::vector<double>& log_likelihood) {
  for (std::size_t i = 1; i < log_likelihood.size(); ++i) CHECK(log_likelihood[i] >= log_likelihood[i - 1] - 1e-12);
}

}  // namespace

TEST_CASE("fit_gaussian_mixture finds the mixture that made the data") {
  pf::Rng rng(1);
  const Index n = 20'000;
  const Tensor<double> x = truth().sample(n, rng);
  const auto fit = pf::fit_gaussian_mixture(x, {.components = 3, .starts = 3}, rng);
  CHECK(fit.converged);
  check_monotone(fit.log_likelihood);
  CHECK(fit.log_likelihood.back() == Approx(fit.mixture.log_prob(x).mean()).epsilon(1e-12));
  CHECK(fit.log_likelihood.back() >= truth().log_prob(x).mean());  // the maximum is above the truth
  const Tensor<double> means = fit.mixture.components().mean(), p = fit.mixture.weights().probabilities();
  for (Index k = 0; k < 3; ++k) {
    const Tensor<double> true_mean = truth().components().mean(), true_std = truth().components().std();
    const Index i = nearest(means, true_mean(k, 0), true_mean(k, 1));
    const double share = truth().weights().probabilities()(k), count = share * static_cast<double>(n);
    CHECK(std::abs(p(i) - share) < 5 * std::sqrt(share / static_cast<double>(n)));
    for (Index j = 0; j < 2; ++j) {
      CHECK(std::abs(means(i, j) - true_mean(k, j)) < 5 * true_std(k, j) / std::sqrt(count));
      CHECK(std::abs(fit.mixture.components().std()(i, j) - true_std(k, j)) <
            5 * true_std(k, j) / std::sqrt(2 * count));
    }
  }
}

TEST_CASE("one component is the sample's mean and covariance") {
  pf::Rng rng(2);
  const Tensor<double> x =
      pf::matmul(pf::normal<double>({500, 2}, rng), Tensor<double>{{2, 2}, {1.0, 0.7, 0.0, 0.4}}) + 3.0;
  const auto thin = pf::fit_gaussian_mixture(x, {.components = 1}, rng).mixture.components();
  const auto full = pf::fit_full_gaussian_mixture(x, {.components = 1}, rng).mixture.components();
  const Tensor<double> mean = pf::mean(x, 0), v = x - mean, cov = pf::matmul(v, v, {.transpose_a = true}) / 500.0;
  CHECK(pf::max(pf::abs(thin.mean() - mean)).item() < 1e-12);
  CHECK(pf::max(pf::abs(thin.variance() - pf::var(x, 0))).item() < 1e-12);
  CHECK(pf::max(pf::abs(full.covariance() - cov)).item() < 1e-12);
}

TEST_CASE("full covariances fit tilted clusters better, and as steadily") {
  pf::Rng rng(3);
  const Tensor<double> turn{{2, 2}, {2.0, 1.9, 0.0, 0.3}};
  const Tensor<double> x = pf::concat({pf::matmul(pf::normal<double>({400, 2}, rng), turn),
                                       pf::matmul(pf::normal<double>({400, 2}, rng), pf::flip(turn, 1)) + 6.0});
  const auto thin = pf::fit_gaussian_mixture(x, {.components = 2}, rng);
  const auto full = pf::fit_full_gaussian_mixture(x, {.components = 2}, rng);
  check_monotone(full.log_likelihood);
  CHECK(full.log_likelihood.back() > thin.log_likelihood.back() + 0.3);
  CHECK(full.log_likelihood.back() == Approx(full.mixture.log_prob(x).mean()).epsilon(1e-10));
}

TEST_CASE("more components than distinct points, or data in a plane, still give finite densities") {
  pf::Rng rng(4);
  const Tensor<double> three{{6, 2}, {0, 0, 0, 0, 1, 1, 1, 1, 5, 5, 5, 5}};
  for (bool full : {false, true}) {
    std::vector<double> scores;
    if (full)
      scores = pf::fit_full_gaussian_mixture(three, {.components = 5}, rng).mixture.log_prob(three).to_vector();
    else
      scores = pf::fit_gaussian_mixture(three, {.components = 5}, rng).mixture.log_prob(three).to_vector();
    for (double score : scores) CHECK(std::isfinite(score));
  }
  const Tensor<double> t = pf::normal<double>({100, 1}, rng), flat = pf::concat({t, 2.0 * t, -t}, 1);
  const auto fit = pf::fit_full_gaussian_mixture(flat, {.components = 2}, rng);
  check_monotone(fit.log_likelihood);
  CHECK(std::isfinite(fit.mixture.log_prob(flat).mean()));
  CHECK(pf::fit_gaussian_mixture(Tensor<double>::ones({5, 2}), {.components = 2}, rng)
            .mixture.log_prob(Tensor<double>::ones({5, 2}))
            .min() > 0);
}

TEST_CASE("a component that lost its data comes back to life") {
  // All responsibility given to the first of two components; the second must move to the outlier.
  const std::vector<double> points{0.0, 0.1, -0.1, 0.05, 9.0};
  pf::detail::MixtureEm em(points, 1, 2, false, 1e-6);
  em.weights = {1.0, 1e-300};
  em.means = {0.0, -1e6};
  em.expect();
  em.maximize();
  CHECK(em.means[1] == 9.0);
  CHECK(em.weights[1] > 0.1);
  for (int i = 0; i < 50; ++i) em.expect(), em.maximize();
  CHECK(em.weights[1] == Approx(0.2));
  CHECK(em.means[0] == Approx(0.0125));
}

TEST_CASE("a fitted mixture is the same for the same seed, and works in floats") {
  pf::Rng a(5), b(5), data(6);
  const Tensor<> x = pf::normal({300, 2}, data);
  const auto one = pf::fit_gaussian_mixture(x, {.components = 4}, a),
             two = pf::fit_gaussian_mixture(x, {.components = 4}, b);
  CHECK(one.mixture.components().mean().to_vector() == two.mixture.components().mean().to_vector());
  CHECK(one.mixture.sample(10, a).shape() == pf::Shape{10, 2});
}

TEST_CASE("fit_gaussian_mixture refuses bad data and options") {
  pf::Rng rng(7);
  const Tensor<> x = pf::normal({10, 2}, rng);
  CHECK_THROWS_AS(pf::fit_gaussian_mixture(x, {.components = 11}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit_gaussian_mixture(x, {.components = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit_gaussian_mixture(x, {.components = 2, .floor = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit_gaussian_mixture(pf::flatten(x), {.components = 2}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::fit_gaussian_mixture(x * std::nanf(""), {.components = 2}, rng), pf::ValueError);
}
