#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/elementwise.hpp>
#include <pushforward/distributions/kl_pairs.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/negative_binomial.hpp>
#include <pushforward/distributions/poisson.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

Tensor<double> number(double x) { return Tensor<double>::scalar(x); }

// E_q[log q - log p] of distributions of plain numbers, between the bounds of q.
template <class Q, class P>
double integral(const Q& q, const P& p, double low, double high) {
  auto density = [&](double x) {
    const double log_q = q.log_prob(number(x)).item();
    return std::isfinite(log_q) ? std::exp(log_q) * (log_q - p.log_prob(number(x)).item()) : 0;
  };
  return support::integrate(density, low, high);
}

// The same over all numbers, in halves from `center` on.
template <class Q, class P>
double integral_from(double center, const Q& q, const P& p) {
  auto density = [&](double x) {
    const double log_q = q.log_prob(number(x)).item();
    return log_q > -700 ? std::exp(log_q) * (log_q - p.log_prob(number(x)).item()) : 0;
  };
  return support::integrate_line(density, center);
}

// A symmetric positive definite matrix per batch.
Tensor<double> covariance(const pf::Shape& batch, Index d, pf::Rng& rng) {
  pf::Shape shape = batch.inserted(batch.rank(), d);
  shape = shape.inserted(shape.rank(), d);
  const Tensor<double> root = pf::normal<double>(shape, rng);
  return pf::matmul(root, root, {.transpose_b = true}) + 0.5 * Tensor<double>::eye(d);
}

// A bijector whose parameter shows in ==.
struct Scaled {
  double by;
  bool operator==(const Scaled&) const = default;
  pf::WithLogDet<double> forward(const Tensor<double>& x) const {
    return {x * by, Tensor<double>::full(x.shape().without(-1), std::log(by) * static_cast<double>(x.size(-1)))};
  }
  pf::WithLogDet<double> inverse(const Tensor<double>& x) const { return Scaled{1 / by}.forward(x); }
};

}  // namespace

TEST_CASE("divergences between kinds of normals are those of the full covariances") {
  pf::Rng rng(1);
  const Index d = 4;
  const pf::Normal<double> diagonal(pf::normal<double>({3, d}, rng), pf::exp(pf::normal<double>({3, d}, rng)));
  const pf::MultivariateNormal<double> full(pf::normal<double>({d}, rng), covariance({}, d, rng));
  const pf::LowRankNormal<double> thin(pf::normal<double>({5, 1, d}, rng), pf::normal<double>({5, 1, d, 2}, rng),
                                       pf::exp(pf::normal<double>({d}, rng)));
  const pf::LowRankNormal<double> other(pf::normal<double>({d}, rng), pf::normal<double>({d, 1}, rng),
                                        pf::exp(pf::normal<double>({d}, rng)));
  auto widened = [](const auto& q) {
    if constexpr (requires { q.covariance(); })
      return pf::MultivariateNormal<double>(q.mean(), q.covariance());
    else
      return pf::MultivariateNormal<double>(q.mean(), pf::unsqueeze(q.variance(), -1) * Tensor<double>::eye(4));
  };
  auto check = [&](const auto& q, const auto& p, const pf::Shape& batch) {
    const Tensor<double> found = pf::kl_divergence(q, p);
    REQUIRE(found.shape() == batch);
    const auto wide_q = widened(q), wide_p = widened(p);
    // The textbook's formula, with an inverse instead of factors.
    const Tensor<double> inverse = pf::inverse(wide_p.covariance());
    const Tensor<double> apart = pf::unsqueeze(wide_p.mean() - wide_q.mean(), -1);
    const Tensor<double> product = pf::matmul(inverse, wide_q.covariance());
    const Tensor<double> square = pf::sum(apart * pf::matmul(inverse, apart), {-1, -2});
    const Tensor<double> expected = 0.5 * (pf::sum(product * Tensor<double>::eye(4), {-1, -2}) + square - 4.0 +
                                           pf::log_abs_det(wide_p.covariance()) - pf::log_abs_det(wide_q.covariance()));
    CHECK(pf::max(pf::abs(found - expected) / (1 + expected)).item() < 1e-10);
  };
  check(diagonal, full, {3});
  check(full, diagonal, {3});
  check(diagonal, thin, {5, 3});
  check(thin, diagonal, {5, 3});
  check(full, thin, {5, 1});
  check(thin, full, {5, 1});
  check(thin, other, {5, 1});
  check(other, thin, {5, 1});
  CHECK(pf::kl_divergence(other, other).item() == Approx(0).margin(1e-13));
  CHECK_THROWS_AS(pf::kl_divergence(pf::standard_normal<double>(3), full), pf::ShapeError);
}

TEST_CASE("the divergence of low-rank normals keeps its digits where the directions are large") {
  // Along a direction of length 1e4 both are equal, and beside it the noise differs: d - 1 normals of their own.
  const Tensor<double> zero = Tensor<double>::zeros({6}), along = 1e4 * Tensor<double>::ones({6, 1});
  const pf::LowRankNormal<double> q(zero, along, Tensor<double>::full({6}, 1)),
      p(zero, along, Tensor<double>::full({6}, 2));
  const double each = 0.5 * (0.5 - 1 + std::log(2.0));
  CHECK(pf::kl_divergence(q, p).item() == Approx(5 * each).epsilon(1e-7));
}

TEST_CASE("divergences to a normal are integrals, and infinite without a variance") {
  const pf::Normal<double> p(number(0.4), number(1.7));
  auto check = [&](const auto& q, double low, double high) {
    CHECK(pf::kl_divergence(q, p).item() == Approx(integral(q, p, low, high)).epsilon(1e-7));
  };
  check(pf::Uniform<double>(number(-1), number(3)), -1, 3);
  auto check_line = [&](const auto& q) {
    CHECK(pf::kl_divergence(q, p).item() == Approx(integral_from(q.location().item(), q, p)).epsilon(1e-8));
  };
  check_line(pf::Laplace<double>(number(-1), number(0.8)));
  check_line(pf::Logistic<double>(number(-1), number(0.8)));
  check_line(pf::Gumbel<double>(number(0.2), number(0.6)));
  check_line(pf::StudentT<double>(number(9), number(0.2), number(0.7)));
  check(pf::LogNormal<double>(number(0.2), number(0.4)), 0, 60);
  check(pf::Exponential<double>(number(1.4)), 0, 40);
  check(pf::Gamma<double>(number(2.3), number(1.4)), 0, 60);
  check(pf::Beta<double>(number(2.3), number(1.4)), 0, 1);
  check(pf::ContinuousBernoulli<double>(number(1.2)), 0, 1);
  check(pf::TruncatedNormal<double>(number(0.2), number(1), number(-0.5), number(2)), -0.5, 2);
  CHECK(pf::kl_divergence(pf::StudentT<double>(number(1.5), number(0), number(1)), p).item() == INFINITY);
}

TEST_CASE("divergences to an exponential, to a gamma and to a Laplace distribution are integrals") {
  const pf::Exponential<double> p(number(1.3));
  CHECK(pf::kl_divergence(pf::Uniform<double>(number(0.5), number(3)), p).item() ==
        Approx(integral(pf::Uniform<double>(number(0.5), number(3)), p, 0.5, 3)).epsilon(1e-8));
  CHECK(pf::kl_divergence(pf::Uniform<double>(number(-0.5), number(3)), p).item() == INFINITY);
  const pf::Gamma<double> gamma(number(2.6), number(1.9));
  CHECK(pf::kl_divergence(gamma, p).item() == Approx(integral(gamma, p, 0, 50)).epsilon(1e-8));
  CHECK(pf::kl_divergence(p, gamma).item() == Approx(integral(p, gamma, 0, 60)).epsilon(1e-8));
  CHECK(pf::kl_divergence(pf::Gamma<double>(number(1), number(1.3)), p).item() == Approx(0).margin(1e-14));
  const pf::LogNormal<double> skewed(number(0.1), number(0.5));
  CHECK(pf::kl_divergence(skewed, p).item() == Approx(integral(skewed, p, 0, 80)).epsilon(1e-8));
  const pf::Beta<double> share(number(3.0), number(1.5));
  CHECK(pf::kl_divergence(share, p).item() == Approx(integral(share, p, 0, 1)).epsilon(1e-8));
  const pf::ContinuousBernoulli<double> grey(number(-0.7));
  CHECK(pf::kl_divergence(grey, p).item() == Approx(integral(grey, p, 0, 1)).epsilon(1e-8));

  const pf::Normal<double> q(number(0.4), number(1.7));
  const pf::Laplace<double> kink(number(-0.6), number(0.9));
  CHECK(pf::kl_divergence(q, kink).item() == Approx(integral_from(-0.6, q, kink)).epsilon(1e-9));
}

TEST_CASE("divergences between kinds sum over the event, keep the batch and refuse events that do not fit") {
  const pf::Uniform<double> q(Tensor<double>{{2, 3}, {0, 1, 2, 3, 4, 5}}, Tensor<double>{7});
  const Tensor<double> found = pf::kl_divergence(q, pf::standard_normal<double>(3));
  REQUIRE(found.shape() == pf::Shape{2});
  double expected = 0;
  for (double low : {0, 1, 2})
    expected +=
        pf::kl_divergence(pf::Uniform<double>(number(low), number(7)), pf::Normal<double>(number(0), number(1))).item();
  CHECK(found(0) == Approx(expected).epsilon(1e-13));
  CHECK_THROWS_AS(pf::kl_divergence(q, pf::standard_normal<double>(2)), pf::ShapeError);
  CHECK_THROWS_AS(pf::kl_divergence(q, pf::Normal<double>(number(0), number(1))), pf::ShapeError);
}

TEST_CASE("divergences between kinds have the gradients of finite differences") {
  pf::Rng rng(2);
  auto draw = [&](const pf::Shape& shape) { return pf::normal<double>(shape, rng) * 0.5; };
  auto thin = [](const auto& m, const auto& w, const auto& s) { return pf::LowRankNormal<double>(m, w, pf::exp(s)); };
  auto to_thin = [&](const auto& a, const auto& b, const auto& m, const auto& w, const auto& s) {
    return pf::kl_divergence(pf::Normal<double>::from_log_std(a, b), thin(m, w, s));
  };
  auto from_thin = [&](const auto& m, const auto& w, const auto& s) {
    return pf::kl_divergence(thin(m, w, s), pf::standard_normal<double>(3));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(to_thin, {draw({2, 3}), draw({2, 3}), draw({3}), draw({3, 2}), draw({3})},
                                             {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(from_thin, {draw({3}), draw({3, 2}), draw({3})}, {.order = 2}));
  auto to_kink = [](const auto& m, const auto& s, const auto& l, const auto& b) {
    return pf::kl_divergence(pf::Normal<double>(m, pf::exp(s)), pf::Laplace<double>(l, pf::exp(b)));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(to_kink, {draw({3}), draw({3}), draw({3}), draw({3})}, {.order = 2}));
}

TEST_CASE("the divergence of Independent parts is their sum") {
  pf::Rng rng(3);
  const pf::Normal<double> q(pf::normal<double>({4, 2, 3}, rng), Tensor<double>::ones({3})),
      p = pf::standard_normal<double>(3);
  const Tensor<double> sums = pf::kl_divergence(
      pf::Independent(q, 1),
      pf::Independent(pf::Normal<double>(Tensor<double>::zeros({2, 3}), Tensor<double>::ones({3})), 1));
  CHECK(pf::max(pf::abs(sums - pf::sum(pf::kl_divergence(q, p), -1))).item() < 1e-13);
  CHECK_THROWS_AS(pf::kl_divergence(pf::Independent(q, 1), pf::Independent(q, 2)), pf::ShapeError);
}

TEST_CASE("a bijector moves no divergence") {
  const pf::Normal<double> q(Tensor<double>{0.3}, Tensor<double>{0.6}), p(Tensor<double>{-0.2}, Tensor<double>{1.1});
  // exp(normal) is log-normal.
  CHECK(pf::kl_divergence(pf::Transformed(q, pf::ExpBijector()), pf::Transformed(p, pf::ExpBijector())).item() ==
        Approx(pf::kl_divergence(pf::LogNormal<double>(q.mean(), q.std()), pf::LogNormal<double>(p.mean(), p.std()))
                   .item()));
  CHECK(pf::kl_divergence(pf::Transformed(q, Scaled{2}), pf::Transformed(p, Scaled{2})).item() ==
        Approx(pf::kl_divergence(q, p).item()));
  CHECK_THROWS_AS(pf::kl_divergence(pf::Transformed(q, Scaled{2}), pf::Transformed(p, Scaled{3})), pf::ValueError);
  using Moved = pf::Transformed<pf::Normal<double>, pf::Affine<double>>;
  static_assert(!pf::HasClosedKl<Moved, Moved>);  // nothing tells whether two of them are the same
}

TEST_CASE("a divergence says whether it is closed or a Monte Carlo estimate, and how far off that is") {
  pf::Rng rng(4);
  const pf::Normal<double> q(number(0.5), number(0.7)), p(number(-0.4), number(1.9));
  const pf::KlDivergence<double> closed = pf::kl_divergence_or_estimate(q, p, {.samples = 3}, rng);
  CHECK(closed.kind == pf::KlKind::closed_form);
  CHECK(closed.value.item() == pf::kl_divergence(q, p).item());
  CHECK(closed.standard_error.item() == 0);

  const pf::Logistic<double> heavy(number(0.1), number(1));
  const pf::KlDivergence<double> drawn = pf::kl_divergence_or_estimate(q, heavy, {.samples = 100'000}, rng);
  REQUIRE(drawn.kind == pf::KlKind::monte_carlo);
  CHECK(drawn.standard_error.item() < 0.01);
  CHECK(std::abs(drawn.value.item() - integral(q, heavy, -8, 9)) < 5 * drawn.standard_error.item());

  // Counts have no rsample: constants in q.
  const pf::Poisson<double> counts(number(3));
  const pf::NegativeBinomial<double> wide(number(4), number(0));
  double sum = 0;
  for (int k = 0; k < 60; ++k) {
    const double log_q = counts.log_prob(number(k)).item();
    sum += std::exp(log_q) * (log_q - wide.log_prob(number(k)).item());
  }
  const pf::KlDivergence<double> discrete = pf::kl_divergence_or_estimate(counts, wide, {.samples = 100'000}, rng);
  REQUIRE(discrete.kind == pf::KlKind::monte_carlo);
  CHECK(std::abs(discrete.value.item() - sum) < 5 * discrete.standard_error.item());
  CHECK_THROWS_AS(pf::kl_divergence_or_estimate(counts, wide, {.samples = 0}, rng), pf::ValueError);
}
