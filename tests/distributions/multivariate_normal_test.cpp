#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/multivariate_normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Full = pf::MultivariateNormal<double>;

namespace {

// k positive definite matrices [k, d, d].
Tensor<double> covariances(Index k, Index d, pf::Rng& rng) {
  const Tensor<double> a = pf::normal<double>({k, d, d}, rng);
  return pf::matmul(a, a, {.transpose_b = true}) + 0.5 * Tensor<double>::eye(d);
}

Tensor<double> symmetric(const Tensor<double>& a) { return 0.5 * (a + pf::transpose(a)); }

}  // namespace

TEST_CASE("a MultivariateNormal's density is the textbook formula with the inverse and the determinant") {
  pf::Rng rng(1);
  const Tensor<double> mean = pf::normal<double>({4, 3}, rng), cov = covariances(4, 3, rng);
  const Tensor<double> x = pf::normal<double>({5, 4, 3}, rng);
  const Tensor<double> v = x - mean;
  const Tensor<double> quadratic = pf::sum(v * pf::squeeze(pf::matmul(pf::inverse(cov), pf::unsqueeze(v, -1)), -1), -1);
  const Tensor<double> expected = -0.5 * (quadratic + pf::log_abs_det(cov) + 3 * std::log(2 * M_PI));
  const Tensor<double> found = Full(mean, cov).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{5, 4});
  for (Index i = 0; i < found.size(); ++i) CHECK(found.data()[i] == Approx(expected.data()[i]).epsilon(1e-11));
  const Full by_factor = Full::from_cholesky(mean, pf::cholesky(cov) + pf::triu(Tensor<double>::ones({3, 3}), 1));
  CHECK(pf::max(pf::abs(by_factor.log_prob(x) - found)).item() < 1e-11);
}

TEST_CASE("a diagonal covariance is a Normal, also when one distribution meets many shapes") {
  pf::Rng rng(2);
  const Tensor<double> mean{0.5, -1.0}, std{0.3, 2.0};
  const Full full(mean, pf::unsqueeze(pf::square(std), -1) * Tensor<double>::eye(2));
  const pf::Normal<double> diagonal(mean, std);
  for (const pf::Shape& shape : {pf::Shape{2}, pf::Shape{7, 2}, pf::Shape{3, 4, 2}}) {
    const Tensor<double> x = pf::normal<double>(shape, rng);
    CHECK(full.log_prob(x).shape() == shape.without(-1));
    CHECK(pf::max(pf::abs(full.log_prob(x) - diagonal.log_prob(x))).item() < 1e-12);
  }
  CHECK(full.entropy().item() == Approx(diagonal.entropy().item()));
  const Full standard(Tensor<double>::zeros({2}), Tensor<double>::eye(2));
  CHECK(pf::kl_divergence(full, standard).item() ==
        Approx(pf::sum(0.5 * (pf::square(mean) + pf::square(std) - 1) - pf::log(std)).item()));
}

TEST_CASE("draws of a MultivariateNormal follow its density and moments") {
  pf::Rng rng(3);
  const Full plane(Tensor<double>{1.0, -2.0}, Tensor<double>{{2, 2}, {1.0, 0.8, 0.8, 1.5}});
  CHECK_NOTHROW(pf::testing::check_distribution(plane, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(Full(pf::normal<double>({2, 2}, rng), covariances(2, 2, rng)), rng));
  const Full many(pf::normal<double>({3, 4}, rng), covariances(3, 4, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(many, rng));
}

TEST_CASE("a MultivariateNormal is twice differentiable in data and parameters") {
  pf::Rng rng(4);
  auto f = [](const auto& x, const auto& mean, const auto& cov) { return Full(mean, symmetric(cov)).log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(
      f, {pf::normal<double>({3, 2, 2}, rng), pf::normal<double>({2}, rng), covariances(2, 2, rng)}, {.order = 2}));
  auto draw = [](const auto& mean, const auto& cov) {
    pf::Rng repeated(5);
    return Full(mean, symmetric(cov)).rsample(3, repeated);
  };
  CHECK_NOTHROW(
      pf::testing::check_gradients(draw, {pf::normal<double>({2}, rng), covariances(1, 2, rng)}, {.order = 2}));
}

TEST_CASE("the divergence of two MultivariateNormals is the mean of the difference of their log-densities") {
  pf::Rng rng(6);
  const Full q(pf::normal<double>({3, 2}, rng), covariances(3, 2, rng)),
      p(Tensor<double>{0.5, 0.0}, covariances(3, 2, rng));
  const Index n = 40'000;
  const Tensor<double> x = q.sample(n, rng), gap = q.log_prob(x) - p.log_prob(x), exact = pf::kl_divergence(q, p);
  const Tensor<double> mean = pf::mean(gap, 0), error = pf::sqrt(pf::var(gap, 0) / static_cast<double>(n));
  for (Index i = 0; i < 3; ++i) CHECK(std::abs(mean(i) - exact(i)) < 5 * error(i));
  for (double zero : pf::kl_divergence(q, q)) CHECK(zero == Approx(0.0).margin(1e-12));
}

TEST_CASE("components of a Mixture may have full covariances") {
  pf::Rng rng(7);
  const pf::Mixture<Full> two(Tensor<double>{0.3, -0.3},
                              Full(Tensor<double>{{2, 2}, {-2, 0, 2, 1}}, covariances(2, 2, rng)));
  CHECK_NOTHROW(pf::testing::check_distribution(two, rng));
}

TEST_CASE("a MultivariateNormal refuses matrices that are no covariance") {
  const Tensor<> mean = Tensor<>::zeros({2});
  CHECK_THROWS_AS(pf::MultivariateNormal<>(mean, Tensor<>{{2, 2}, {1, 2, 2, 1}}), pf::ValueError);
  CHECK_THROWS_AS(pf::MultivariateNormal<>(mean, Tensor<>::eye(3)), pf::ShapeError);
  CHECK_THROWS_WITH(pf::MultivariateNormal<>(mean, Tensor<>{{2, 2}, {1, 0.5f, 0, 1}}), Catch::Contains("symmetric"));
  CHECK_THROWS_AS(Full(Tensor<double>::zeros({2}), Tensor<double>{{2, 2, 2}, {1, 0, 0, 1, 4, 1, 1 + 1e-6, 4}}),
                  pf::ValueError);
  CHECK_NOTHROW(Full(Tensor<double>::zeros({2}), Tensor<double>{{2, 2}, {4e8, 1, 1 + 1e-3, 4e8}}));
  CHECK_NOTHROW(pf::MultivariateNormal<>(mean, Tensor<>{{2, 2}, {1, 0.5f, 0.50001f, 1}}));
  CHECK_THROWS_AS(pf::MultivariateNormal<>::from_cholesky(mean, -Tensor<>::eye(2)), pf::ValueError);
  CHECK_THROWS_AS(pf::MultivariateNormal<>(mean, Tensor<>::full({2, 2}, std::nanf(""))), pf::ValueError);
  CHECK_THROWS_AS(pf::MultivariateNormal<>(mean, Tensor<>::eye(2)).log_prob(Tensor<>::scalar(1)), pf::ShapeError);
}
