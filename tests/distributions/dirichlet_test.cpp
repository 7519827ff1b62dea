#include <pushforward/distributions/beta.hpp>
#include <pushforward/distributions/dirichlet.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "distributions/quadrature.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// E f(x, log p) for three classes, by integration over the first two probabilities.
template <class F>
double expect(const pf::Dirichlet<double>& d, const F& f) {
  auto row = [&](double x) {
    auto cell = [&](double y) {
      const Tensor<double> at{x, y * (1 - x), (1 - y) * (1 - x)};
      const double log_p = d.log_prob(at).item();
      return std::exp(log_p) * (1 - x) * f(at, log_p);
    };
    double total = 0;  // the midpoint rule: the densities here vanish at the edges with their slopes
    for (int i = 0; i < 400; ++i) total += cell((i + 0.5) / 400) / 400;
    return total;
  };
  double total = 0;
  for (int i = 0; i < 400; ++i) total += row((i + 0.5) / 400) / 400;
  return total;
}

}  // namespace

TEST_CASE("the log-density of a Dirichlet is the closed form") {
  const Tensor<double> a{{2, 3}, {0.3, 1.0, 20.0, 5.0, 6.0, 0.1}}, x{{2, 3}, {0.3, 0.2, 0.5, 1e-9, 0.4, 0.6 - 1e-9}};
  const Tensor<double> found = pf::Dirichlet<double>(a).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{2});
  for (Index i = 0; i < 2; ++i) {
    double expected = 0, n = 0;
    for (Index j = 0; j < 3; ++j) {
      n += a(i, j);
      expected += (a(i, j) - 1) * std::log(x(i, j)) - std::lgamma(a(i, j));
    }
    CHECK(found(i) == Approx(expected + std::lgamma(n)).epsilon(1e-12));
  }
  const pf::Dirichlet<double> wide(Tensor<double>{2.0, 3.0, 4.0});
  CHECK(wide.log_prob(Tensor<double>{0.0, 0.5, 0.5}).item() == -std::numeric_limits<double>::infinity());
  CHECK(wide.log_prob(Tensor<double>::full({4, 5, 3}, 1.0 / 3)).shape() == pf::Shape{4, 5});
}

TEST_CASE("a Dirichlet of two classes is a Beta") {
  const Tensor<double> a{{3}, {0.3, 4.0, 100.0}}, b{{3}, {2.0, 0.7, 50.0}}, x{{3}, {0.1, 0.9, 0.7}};
  const pf::Dirichlet<double> both(pf::stack({a, b}, 1)), other(pf::stack({b, a}, 1));
  const Tensor<double> log_prob = both.log_prob(pf::stack({x, 1 - x}, 1)), entropy = both.entropy();
  const Tensor<double> divergence = pf::kl_divergence(both, other);
  for (Index i = 0; i < 3; ++i) {
    auto number = [&](const Tensor<double>& of) { return Tensor<double>::scalar(of(i)); };
    const pf::Beta<double> beta(number(a), number(b)), reverse(number(b), number(a));
    CHECK(log_prob(i) == Approx(beta.log_prob(number(x)).item()).epsilon(1e-11));
    CHECK(entropy(i) == Approx(beta.entropy().item()).epsilon(1e-11));
    CHECK(divergence(i) == Approx(pf::kl_divergence(beta, reverse).item()).epsilon(1e-11));
    CHECK(both.mean()(i, 0) == Approx(beta.mean().item()));
    CHECK(both.variance()(i, 1) == Approx(beta.variance().item()));
  }
}

TEST_CASE("the density of a Dirichlet integrates to one, entropy and divergence to theirs") {
  const pf::Dirichlet<double> q(Tensor<double>{3.5, 4.0, 6.0}), p(Tensor<double>{2.0, 5.0, 1.5});
  CHECK(expect(q, [](auto&, double) { return 1.0; }) == Approx(1).epsilon(1e-5));
  CHECK(expect(q, [](auto&, double l) { return -l; }) == Approx(q.entropy().item()).epsilon(1e-4));
  CHECK(expect(q, [&](auto& x, double l) { return l - p.log_prob(x).item(); }) ==
        Approx(pf::kl_divergence(q, p).item()).epsilon(1e-4));
  CHECK(pf::kl_divergence(q, q).item() == Approx(0).margin(1e-13));
}

TEST_CASE("draws of a Dirichlet have its moments, and their parts are beta variables") {
  pf::Rng rng(1);
  const pf::Dirichlet<double> d(Tensor<double>{{2, 4}, {0.5, 1.0, 2.0, 3.0, 20.0, 10.0, 5.0, 0.2}});
  CHECK_NOTHROW(pf::testing::check_distribution(d, rng));
  const Tensor<double> x = d.sample(50'000, rng);
  CHECK(pf::max(pf::abs(pf::sum(x, -1) - 1)).item() < 1e-12);
  // P(x_3 < 0.4) of the first: Beta(3, 3.5).
  const double expected = pf::math::beta_p(3.0, 3.5, 0.4);
  Index below = 0;
  for (Index i = 0; i < 50'000; ++i) below += x(i, 0, 3) < 0.4;
  CHECK(static_cast<double>(below) / 50'000 == Approx(expected).margin(6 * std::sqrt(0.25 / 50'000)));
}

TEST_CASE("draws of a Dirichlet of tiny concentration stay inside") {
  pf::Rng rng(2);
  const pf::Dirichlet<> d(Tensor<>{0.01f, 0.001f, 0.02f});
  for (const float value : d.log_prob(d.sample(1000, rng))) CHECK(std::isfinite(value));
}

TEST_CASE("a Dirichlet is differentiable twice") {
  auto f = [](const auto& x, const auto& a, const auto& b) {
    const pf::Dirichlet<double> d(a);
    return pf::sum(d.log_prob(x)) + pf::sum(d.entropy()) + pf::sum(pf::kl_divergence(d, pf::Dirichlet<double>(b)));
  };
  const Tensor<double> x{{2, 3}, {0.3, 0.2, 0.5, 0.04, 0.9, 0.06}}, a{0.7, 30.0, 2.0}, b{0.8, 21.0, 1.0};
  CHECK_NOTHROW(pf::testing::check_gradients(f, {x, a, b}, {.order = 2}));
}

TEST_CASE("Dirichlet draws carry the gradient of expectations, known in closed form") {
  const Tensor<double> a = pf::variable(Tensor<double>{0.5, 2.0, 4.0});
  pf::Rng rng(4);
  const Tensor<double> x = pf::Dirichlet<double>(a).rsample(200'000, rng);
  // E sum c_i log x_i = sum c_i (psi(a_i) - psi(n)).
  const Tensor<double> c{1.0, 2.0, -1.0}, found = pf::gradient(pf::mean(pf::sum(c * pf::log(x), -1)), a);
  for (Index i = 0; i < 3; ++i)
    CHECK(found(i) == Approx(c(i) * pf::math::trigamma(a(i)) - 2 * pf::math::trigamma(6.5)).margin(0.03));
}

TEST_CASE("a Dirichlet refuses bad concentrations") {
  CHECK_THROWS_AS(pf::Dirichlet<>(Tensor<>{1.0f, 0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Dirichlet<>(Tensor<>{1.0f, std::numeric_limits<float>::quiet_NaN()}), pf::ValueError);
  CHECK_THROWS_AS(pf::Dirichlet<>(Tensor<>{1.0f}), pf::ShapeError);
  CHECK_THROWS_AS(pf::Dirichlet<>(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::kl_divergence(pf::Dirichlet<>(Tensor<>::ones({2})), pf::Dirichlet<>(Tensor<>::ones({3}))),
                  pf::ShapeError);
}
