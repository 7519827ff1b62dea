#include <pushforward/distributions/continuous_bernoulli.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Continuous = pf::ContinuousBernoulli<double>;

TEST_CASE("a ContinuousBernoulli's density is lambda^x (1 - lambda)^(1 - x) times its constant") {
  for (double lambda : {0.05, 0.3, 0.7, 0.999}) {
    const double constant = 2 * std::atanh(1 - 2 * lambda) / (1 - 2 * lambda);  // eq. 6 of the paper
    const auto d = Continuous::from_lambda(Tensor<double>{lambda});
    for (double x : {0.0, 0.2, 1.0})
      CHECK(d.log_prob(Tensor<double>{x}).item() ==
            Approx(std::log(constant) + x * std::log(lambda) + (1 - x) * std::log(1 - lambda)));
    CHECK(d.mean().item() == Approx(lambda / (2 * lambda - 1) + 1 / (2 * std::atanh(1 - 2 * lambda))));
  }
  const Continuous half(Tensor<double>{0.0});
  CHECK(half.log_prob(Tensor<double>{0.3}).item() == 0.0);
  CHECK(half.mean().item() == 0.5);
  CHECK(half.variance().item() == Approx(1.0 / 12));
  CHECK(half.log_prob(Tensor<double>{1.1}).item() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("the constant is smooth where the series meets the closed form, in every derivative") {
  for (int order = 0; order <= 5; ++order)  // each order loses about a digit
    for (double l : {-1.0, 1.0}) {
      const double series = pf::detail::log_mean_exp_slope(order, l * (1 - 1e-15));
      CHECK(pf::detail::log_mean_exp_slope(order, l) == Approx(series).epsilon(1e-13 * std::pow(10.0, order)));
    }
  for (int order = 0; order < 5; ++order)
    for (double l : {-40.0, -3.0, -0.5, 0.0, 0.2, 2.0, 10.0}) {
      const double h = 1e-4, slope = (pf::detail::log_mean_exp_slope(order, l + h) -
                                      pf::detail::log_mean_exp_slope(order, l - h)) /
                                     (2 * h);
      CHECK(pf::detail::log_mean_exp_slope(order + 1, l) == Approx(slope).epsilon(1e-6).margin(1e-8));
    }
}

TEST_CASE("draws of a ContinuousBernoulli follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(Continuous(Tensor<double>{{5, 1}, {-8, -0.5, 0, 1e-7, 4}}), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::ContinuousBernoulli<float>(Tensor<>{-2.0f, 0.3f}), rng));
}

TEST_CASE("the quantile function of a ContinuousBernoulli inverts its distribution function") {
  const Tensor<double> u = Tensor<double>::linspace(0, 1, 21);
  for (double l : {-800.0, -30.0, -1.0, -1e-9, 0.0, 1e-4, 0.999, 1.001, 50.0}) {
    const Continuous d(Tensor<double>::scalar(l));
    const Tensor<double> x = d.icdf(u);
    CHECK(x.min() >= 0);
    CHECK(x.max() <= 1);
    CHECK(pf::max(pf::abs(d.cdf(x) - u)).item() < 1e-12 + 1e-15 * std::abs(l));
  }
}

TEST_CASE("a ContinuousBernoulli with large logits stays exact in floats") {
  const pf::ContinuousBernoulli<> sharp(Tensor<>{200.0f});
  CHECK(sharp.log_prob(Tensor<>{1.0f}).item() == Approx(std::log(200.0)));
  CHECK(sharp.log_prob(Tensor<>{0.0f}).item() == Approx(std::log(200.0) - 200));
  CHECK(pf::ContinuousBernoulli<>(Tensor<>{-200.0f}).log_prob(Tensor<>{0.0f}).item() == Approx(std::log(200.0)));
}

TEST_CASE("a ContinuousBernoulli is twice differentiable, through a probability of one half, too") {
  const Tensor<double> logits{-3.0, -0.4, 0.0, 1e-3, 2.0}, x{0.1, 0.9, 0.4, 0.7, 0.6};
  auto density = [](const auto& l, const auto& at) { return Continuous(l).log_prob(at); };
  auto members = [](const auto& l) {
    return Continuous(l).entropy() + pf::sum(Continuous(l).mean() * Continuous(l).variance());
  };
  auto cdf = [](const auto& l, const auto& at) { return Continuous(l).cdf(at); };
  auto quantile = [](const auto& l, const auto& at) { return Continuous(l).icdf(at); };
  auto divergence = [](const auto& a, const auto& b) { return pf::kl_divergence(Continuous(a), Continuous(b)); };
  CHECK_NOTHROW(pf::testing::check_gradients(density, {logits, x}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(members, logits, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(cdf, {logits, x}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(quantile, {logits, x}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(divergence, {logits, pf::flip(logits)}, {.order = 2}));
}

TEST_CASE("the divergence of two ContinuousBernoullis is the integral of its definition") {
  const Continuous q(Tensor<double>{1.5}), p(Tensor<double>{-2.0});
  double total = 0;
  const int n = 2000;
  for (int i = 0; i < n; ++i) {
    const Tensor<double> x{(i + 0.5) / n};
    total += std::exp(q.log_prob(x).item()) * (q.log_prob(x).item() - p.log_prob(x).item()) / n;
  }
  CHECK(pf::kl_divergence(q, p).item() == Approx(total).epsilon(1e-6));
}

TEST_CASE("a ContinuousBernoulli refuses bad parameters") {
  CHECK_THROWS_AS(pf::ContinuousBernoulli<>(Tensor<>{std::numeric_limits<float>::infinity()}), pf::ValueError);
  CHECK_THROWS_AS(pf::ContinuousBernoulli<>::from_lambda(Tensor<>{1.0f}), pf::ValueError);
  CHECK_THROWS_AS(Continuous(Tensor<double>{0.0}).icdf(Tensor<double>{1.5}), pf::ValueError);
}
