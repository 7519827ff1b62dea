#include <pushforward/distributions/relaxed.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("draws of a RelaxedBernoulli follow its density") {
  pf::Rng rng(1);
  for (double temperature : {0.7, 2.0})
    CHECK_NOTHROW(pf::testing::check_distribution(
        pf::RelaxedBernoulli<double>(temperature, Tensor<double>{{3, 1}, {-1.0, 0.0, 0.8}}), rng));
  const pf::RelaxedBernoulli<double> one(0.4, Tensor<double>::scalar(0.6));
  const Tensor<double> u{0.01, 0.3, 0.99};
  CHECK(pf::max(pf::abs(one.cdf(one.icdf(u)) - u)).item() < 1e-13);
  CHECK(one.cdf(Tensor<double>{-1.0, 2.0}).to_vector() == std::vector<double>{0, 1});
}

TEST_CASE("cold draws are rounded to 0 and 1 as often as a Bernoulli's") {
  pf::Rng rng(2);
  const Index n = 50'000;
  const pf::RelaxedBernoulli<> cold(1e-3, Tensor<>{0.4f});
  const auto draws = cold.rsample_and_log_prob(n, rng);
  const double p = 1 / (1 + std::exp(-0.4)), deviation = std::sqrt(p * (1 - p) / static_cast<double>(n));
  CHECK(std::abs(draws.value.mean() - p) < 5 * deviation + 1e-3);
  CHECK(std::isfinite(draws.log_prob.min()));
  CHECK(draws.value.min() > 0);
  CHECK(draws.value.max() < 1);
}

TEST_CASE("the log-density of relaxed draws is that of the draws") {
  pf::Rng rng(3);
  const pf::RelaxedBernoulli<double> binary(0.6, Tensor<double>{0.3, -2.0});
  const auto b = binary.rsample_and_log_prob(200, rng);
  CHECK(pf::max(pf::abs(binary.log_prob(b.value) - b.log_prob)).item() < 1e-6);
  const pf::GumbelSoftmax<double> soft(0.6, Tensor<double>{0.3, -2.0, 1.0});
  const auto g = soft.rsample_and_log_prob(200, rng);
  CHECK(pf::max(pf::abs(soft.log_prob(g.value) - g.log_prob)).item() < 1e-9);
}

TEST_CASE("a GumbelSoftmax over two classes is a RelaxedBernoulli") {
  const double temperature = 0.8;
  const pf::GumbelSoftmax<double> two(temperature, Tensor<double>{0.9, -0.4});
  const pf::RelaxedBernoulli<double> one(temperature, Tensor<double>{1.3});
  for (double x : {0.01, 0.4, 0.97})
    CHECK(two.log_prob(Tensor<double>{x, 1 - x}).item() == Approx(one.log_prob(Tensor<double>{x}).item()));
}

TEST_CASE("the density of a GumbelSoftmax integrates to one over the simplex") {
  const pf::GumbelSoftmax<double> soft(1.5, Tensor<double>{0.5, -0.5, 0.2});
  const Index n = 400;
  std::vector<double> points;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; i + j < n; ++j) {  // centers of the n^2 equal triangles
      const double m = 3.0 * static_cast<double>(n), a = static_cast<double>(3 * i), b = static_cast<double>(3 * j);
      points.insert(points.end(), {(a + 1) / m, (b + 1) / m, 1 - (a + b + 2) / m});
      if (i + j + 1 < n) points.insert(points.end(), {(a + 2) / m, (b + 2) / m, 1 - (a + b + 4) / m});
    }
  const Tensor<double> x(pf::Shape{static_cast<Index>(points.size()) / 3, 3}, points);
  CHECK(pf::exp(soft.log_prob(x)).sum() / static_cast<double>(2 * n * n) == Approx(1.0).epsilon(5e-3));
}

TEST_CASE("the largest number of a GumbelSoftmax draw has the odds of the classes") {
  pf::Rng rng(4);
  const Index n = 50'000;
  const Tensor<double> logits{1.0, 0.0, -1.0};
  const pf::GumbelSoftmax<double> soft(0.5, logits);
  const Tensor<double> hard = soft.rsample_one_hot(n, rng), p = pf::softmax(logits, -1), share = pf::mean(hard, 0);
  for (Index k = 0; k < 3; ++k)
    CHECK(std::abs(share(k) - p(k)) < 5 * std::sqrt(p(k) * (1 - p(k)) / static_cast<double>(n)));
}

TEST_CASE("relaxed distributions are twice differentiable, along draws too") {
  const Tensor<double> logits{0.4, -1.0, 0.2}, x{0.2, 0.5, 0.3};
  auto binary = [](const auto& l, const auto& at) { return pf::RelaxedBernoulli<double>(0.7, l).log_prob(at); };
  auto soft = [](const auto& l, const auto& at) { return pf::GumbelSoftmax<double>(0.7, l).log_prob(at); };
  auto draw = [](const auto& l) {
    pf::Rng a(5), b(5);
    return pf::RelaxedBernoulli<double>(0.7, l).rsample(2, a) + pf::GumbelSoftmax<double>(0.7, l).rsample(2, b);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(binary, {logits, x}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(soft, {logits, x}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(draw, logits, {.order = 2}));
}

TEST_CASE("the straight-through draw has the gradient of the relaxed one") {
  const Tensor<double> logits = pf::variable(Tensor<double>{0.4, -1.0, 0.2}), weights{1.0, 2.0, -1.0};
  auto slope = [&](bool hard) {
    pf::Rng rng(6);
    const pf::GumbelSoftmax<double> soft(0.7, logits);
    const Tensor<double> x = hard ? soft.rsample_one_hot(4, rng) : soft.rsample(4, rng);
    return pf::gradient(pf::sum(x * weights), logits).to_vector();
  };
  CHECK(slope(true) == slope(false));
}

TEST_CASE("relaxed distributions refuse bad parameters, and score what is outside as impossible") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(pf::RelaxedBernoulli<>(0.0, Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::GumbelSoftmax<>(-1.0, Tensor<>{0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::GumbelSoftmax<>(1.0, Tensor<>::scalar(0.0f)), pf::ShapeError);
  CHECK_THROWS_AS(pf::RelaxedBernoulli<>(1.0, Tensor<>{std::nanf("")}), pf::ValueError);
  CHECK(pf::RelaxedBernoulli<double>(1.0, Tensor<double>{0.0}).log_prob(Tensor<double>{1.0}).item() == -infinity);
  CHECK(pf::GumbelSoftmax<double>(1.0, Tensor<double>{0.0, 0.0}).log_prob(Tensor<double>{1.0, 0.0}).item() ==
        -infinity);
}
