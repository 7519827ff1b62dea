#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// E_q[log q - log p] on a line by the midpoint rule.
template <class Q, class P>
double divergence_by_quadrature(const Q& q, const P& p, double low, double high) {
  const Index n = 200'000;
  const double step = (high - low) / static_cast<double>(n);
  const Tensor<double> x =
      Tensor<double>::generate({n, 1}, [&](Index i) { return low + (static_cast<double>(i) + 0.5) * step; });
  const Tensor<double> log_q = q.log_prob(x), log_p = p.log_prob(x);
  double total = 0;
  for (Index i = 0; i < n; ++i)
    if (std::isfinite(log_q(i))) total += std::exp(log_q(i)) * (log_q(i) - log_p(i)) * step;
  return total;
}

}  // namespace

TEST_CASE("the divergence of normals is its integral") {
  const pf::Normal<double> q(Tensor<double>{0.5}, Tensor<double>{0.7}), p(Tensor<double>{-0.4}, Tensor<double>{1.9});
  CHECK(pf::kl_divergence(q, p).item() == Approx(divergence_by_quadrature(q, p, -12, 12)).epsilon(1e-8));
  CHECK(pf::kl_divergence(p, q).item() == Approx(divergence_by_quadrature(p, q, -20, 20)).epsilon(1e-8));
  const auto standard = pf::standard_normal<double>(1);
  CHECK(pf::kl_divergence(q, standard).item() == Approx(divergence_by_quadrature(q, standard, -12, 12)).epsilon(1e-8));
  CHECK(pf::kl_divergence(q, q).item() == Approx(0.0).margin(1e-15));
}

TEST_CASE("the divergence of normals sums over the event and keeps the batch") {
  pf::Rng rng(1);
  const auto q = pf::Normal<double>::from_log_std(pf::normal<double>({4, 3}, rng), pf::normal<double>({4, 3}, rng));
  const pf::Normal<double> written(Tensor<double>::zeros({3}), Tensor<double>::ones({3}));
  const Tensor<double> fast = pf::kl_divergence(q, pf::standard_normal<double>(3)),
                       general = pf::kl_divergence(q, written);
  REQUIRE(fast.shape() == pf::Shape{4});
  CHECK(pf::max(pf::abs(fast - general)).item() < 1e-12);
}

TEST_CASE("the divergence of Bernoullis and categoricals is the sum over outcomes") {
  const Tensor<double> a{-1.0, 0.3}, b{2.0, 0.1};
  double expected = 0;
  for (Index j = 0; j < 2; ++j) {
    const double q = 1 / (1 + std::exp(-a(j))), p = 1 / (1 + std::exp(-b(j)));
    expected += q * std::log(q / p) + (1 - q) * std::log((1 - q) / (1 - p));
  }
  CHECK(pf::kl_divergence(pf::Bernoulli(a), pf::Bernoulli(b)).item() == Approx(expected).epsilon(1e-12));

  const pf::Categorical<double> q(Tensor<double>{0.2, -1.0, 0.7}), p(Tensor<double>{1.0, 1.0, -2.0});
  const Tensor<double> qs = q.probabilities(), ps = p.probabilities();
  expected = 0;
  for (Index k = 0; k < 3; ++k) expected += qs(k) * std::log(qs(k) / ps(k));
  CHECK(pf::kl_divergence(q, p).item() == Approx(expected).epsilon(1e-12));
}

TEST_CASE("the divergence of boxes is the logarithm of their volumes' ratio, infinite unless covered") {
  const pf::Uniform<double> small(Tensor<double>{0.0, 0.0}, Tensor<double>{1.0, 2.0}),
      large(Tensor<double>{-1.0, 0.0}, Tensor<double>{3.0, 4.0});
  CHECK(pf::kl_divergence(small, large).item() == Approx(std::log(8.0)));
  CHECK(pf::kl_divergence(large, small).item() == std::numeric_limits<double>::infinity());
}

TEST_CASE("a category that q excludes adds nothing, one that only p excludes gives infinity, and no gradient is NaN") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor<double> logits = pf::variable(Tensor<double>{0.0, -infinity});
  const pf::Categorical<double> some(logits), all(Tensor<double>{0.0, 0.0});
  const Tensor<double> divergence = pf::kl_divergence(some, all);
  CHECK(divergence.item() == Approx(std::log(2.0)));
  CHECK(pf::kl_divergence(all, some).item() == infinity);
}

TEST_CASE("extreme logits give divergences that are finite and not negative") {
  for (const float a : {-1e4f, -100.0f, 0.0f, 100.0f, 1e4f})
    for (const float b : {-1e4f, -100.0f, 0.0f, 100.0f, 1e4f}) {
      const float found = pf::kl_divergence(pf::Bernoulli(Tensor<>{a}), pf::Bernoulli(Tensor<>{b})).item();
      CHECK(std::isfinite(found));
      CHECK(found >= 0.0f);
    }
}

TEST_CASE("closed divergences are twice differentiable in the parameters of both") {
  pf::Rng rng(2);
  auto normals = [](const auto& m, const auto& s, const auto& n, const auto& t) {
    return pf::kl_divergence(pf::Normal<double>::from_log_std(m, s), pf::Normal<double>::from_log_std(n, t));
  };
  const auto draw = [&] { return pf::normal<double>({2, 3}, rng) * 0.5; };
  CHECK_NOTHROW(pf::testing::check_gradients(normals, {draw(), draw(), draw(), draw()}, {.order = 2}));
  auto to_standard = [](const auto& m, const auto& s) {
    return pf::kl_divergence(pf::Normal<double>::from_log_std(m, s), pf::standard_normal<double>(3));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(to_standard, {draw(), draw()}, {.order = 2}));
  auto bernoullis = [](const auto& a, const auto& b) {
    return pf::kl_divergence(pf::Bernoulli<double>(a), pf::Bernoulli<double>(b));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(bernoullis, {draw(), draw()}, {.order = 2}));
  auto categoricals = [](const auto& a, const auto& b) {
    return pf::kl_divergence(pf::Categorical<double>(a), pf::Categorical<double>(b));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(categoricals, {draw(), draw()}, {.order = 2}));
}

TEST_CASE("the estimated divergence agrees with the closed form, and with quadrature where there is none") {
  pf::Rng rng(3);
  const pf::Normal<double> q(Tensor<double>{0.5}, Tensor<double>{0.7}), p(Tensor<double>{-0.4}, Tensor<double>{1.9});
  const double closed = pf::kl_divergence(q, p).item();
  CHECK(pf::kl_divergence(q, p, {.samples = 200'000}, rng).item() == Approx(closed).margin(0.01));
  const pf::Mixture<pf::Normal<double>> bumps(
      Tensor<double>{0.0, 0.0}, pf::Normal<double>(Tensor<double>{{2, 1}, {-1.0, 1.0}}, Tensor<double>::ones({2, 1})));
  const double integral = divergence_by_quadrature(q, bumps, -12, 12);
  CHECK(pf::kl_divergence(q, bumps, {.samples = 200'000}, rng).item() == Approx(integral).margin(0.01));
  CHECK_THROWS_AS(pf::kl_divergence(q, p, {.samples = 0}, rng), pf::ValueError);
  static_assert(pf::HasClosedKl<pf::Normal<>, pf::Normal<>> &&
                !pf::HasClosedKl<pf::Normal<>, pf::Mixture<pf::Normal<>>>);
}
