#include <pushforward/distributions/normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

double log_density(double x, double mean, double std) {
  const double z = (x - mean) / std;
  return -0.5 * z * z - std::log(std) - 0.5 * std::log(2 * 3.14159265358979323846);
}

}  // namespace

TEST_CASE("the log-density of a Normal is the closed form, summed over the last axis") {
  const Tensor<double> mean{{3}, {0.5, -1.0, 2.0}}, std{{3}, {1.0, 0.1, 3.0}};
  const Tensor<double> x{{2, 3}, {0.3, -1.2, 4.0, 1.5, -0.9, -2.0}};
  const Tensor<double> found = pf::Normal(mean, std).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{2});
  for (Index i = 0; i < 2; ++i) {
    double expected = 0;
    for (Index j = 0; j < 3; ++j) expected += log_density(x(i, j), mean(j), std(j));
    CHECK(found(i) == Approx(expected).epsilon(1e-13));
  }
}

TEST_CASE("events broadcast against a Normal's parameters whatever their width") {
  pf::Rng rng(1);
  for (const Index d : {1, 3, 63, 64, 70, 1030, 2100}) {
    const Tensor<double> mean = pf::normal<double>({2, d}, rng), std = pf::uniform<double>({d}, rng, 0.5, 2);
    const Tensor<double> x = pf::normal<double>({3, 1, d}, rng);
    const pf::Normal<double> normal(mean, std);
    REQUIRE(normal.shape() == pf::Shape{2, d});
    const Tensor<double> found = normal.log_prob(x);
    REQUIRE(found.shape() == pf::Shape{3, 2});
    for (Index k = 0; k < 3; ++k)
      for (Index b = 0; b < 2; ++b) {
        double expected = 0;
        for (Index j = 0; j < d; ++j) expected += log_density(x(k, 0, j), mean(b, j), std(j));
        CHECK(found(k, b) == Approx(expected).epsilon(1e-12));
      }
  }
}

TEST_CASE("a Normal with scalar parameters scores each number") {
  const pf::Normal<double> normal(Tensor<double>::scalar(1.0), Tensor<double>::scalar(2.0));
  const Tensor<double> x{0.0, 1.0, 5.0};
  const Tensor<double> found = normal.log_prob(x);
  REQUIRE(found.shape() == x.shape());
  for (Index i = 0; i < 3; ++i) CHECK(found(i) == Approx(log_density(x(i), 1, 2)));
  pf::Rng rng(0);
  CHECK(normal.sample(5, rng).shape() == pf::Shape{5});
  CHECK(normal.entropy().shape() == pf::Shape{});
}

TEST_CASE("draws of a Normal follow its density, mean, variance and entropy") {
  pf::Rng rng(2);
  const pf::Normal<double> line(Tensor<double>{1.5}, Tensor<double>{0.3});
  CHECK_NOTHROW(pf::testing::check_distribution(line, rng));
  const pf::Normal<double> plane(Tensor<double>{{2}, {-1.0, 4.0}}, Tensor<double>{{2}, {2.0, 0.5}});
  CHECK_NOTHROW(pf::testing::check_distribution(plane, rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::standard_normal<double>(2), rng));
  const auto learned = pf::Normal<double>::from_log_std(Tensor<double>{{3, 1}, {-1.0, 0.0, 4.0}}, Tensor<double>{-0.7});
  CHECK_NOTHROW(pf::testing::check_distribution(learned, rng));
}

TEST_CASE("the log-density of a Normal has gradients of order 3 in everything, narrow or wide") {
  pf::Rng rng(3);
  for (const Index d : {3, 66}) {
    auto f = [](const auto& x, const auto& mean, const auto& log_std) {
      return pf::Normal<double>::from_log_std(mean, log_std).log_prob(x);
    };
    const Tensor<double> x = pf::normal<double>({2, 2, d}, rng), mean = pf::normal<double>({2, d}, rng);
    const Tensor<double> log_std = pf::normal<double>({d}, rng) * 0.3;
    CHECK_NOTHROW(pf::testing::check_gradients(f, {x, mean, log_std}, {.order = 3}));
  }
  auto g = [](const auto& x, const auto& std) { return pf::Normal<double>(x * 0.5, std).log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(
      g, {pf::normal<double>({2, 3}, rng), pf::uniform<double>({2, 3}, rng, 0.5, 2)}, {.order = 2}));
}

TEST_CASE("reparameterized draws carry the gradient of an expectation to the parameters") {
  // E[x^2] = mean^2 + std^2.
  const Tensor<double> mean = pf::variable(Tensor<double>{0.7}), std = pf::variable(Tensor<double>{1.3});
  pf::Rng rng(4);
  const pf::Normal<double> normal(mean, std);
  const auto [by_mean, by_std] = pf::gradient(pf::mean(pf::square(normal.rsample(200'000, rng))), {mean, std});
  CHECK(by_mean.item() == Approx(1.4).margin(0.03));
  CHECK(by_std.item() == Approx(2.6).margin(0.03));
  CHECK_FALSE(normal.sample(3, rng).tracked());
  CHECK(normal.rsample(3, rng).tracked());
}

TEST_CASE("log-densities that come with draws are those of the draws") {
  pf::Rng rng(5);
  const auto normal =
      pf::Normal<double>::from_log_std(pf::normal<double>({4, 3}, rng), pf::normal<double>({4, 3}, rng));
  for (const auto& draws : {normal.sample_and_log_prob(6, rng), normal.rsample_and_log_prob(6, rng)}) {
    REQUIRE(draws.value.shape() == pf::Shape{6, 4, 3});
    CHECK(pf::max(pf::abs(draws.log_prob - normal.log_prob(draws.value))).item() < 1e-12);
  }
}

TEST_CASE("extreme arguments give a Normal no NaN, nor its gradients") {
  const Tensor<> huge{{2, 2}, {3e38f, -3e38f, 0.0f, 1e20f}};
  for (const float log_std : {-300.0f, -100.0f, 0.0f, 100.0f, 300.0f}) {
    const Tensor<> mean = pf::variable(Tensor<>::zeros({2})), spread = pf::variable(Tensor<>::full({2}, log_std));
    const Tensor<> found = pf::Normal<>::from_log_std(mean, spread).log_prob(huge);
    for (float value : found) CHECK_FALSE(std::isnan(value));
    const Tensor<> center = pf::Normal<>::from_log_std(mean, spread).log_prob(Tensor<>::zeros({2, 2}));
    for (float value : center) CHECK(std::isfinite(value));
    const auto [by_mean, by_spread] = pf::gradient(pf::sum(center), {mean, spread});
    for (float value : by_mean) CHECK(std::isfinite(value));
    for (float value : by_spread) CHECK(std::isfinite(value));
  }
}

TEST_CASE("a Normal refuses parameters that make no distribution") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor<> zeros = Tensor<>::zeros({2}), ones = Tensor<>::ones({2});
  CHECK_THROWS_AS(pf::Normal(zeros, zeros), pf::ValueError);
  CHECK_THROWS_AS(pf::Normal(zeros, -ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Normal(zeros, ones * nan), pf::ValueError);
  CHECK_THROWS_AS(pf::Normal(zeros * nan, ones), pf::ValueError);
  CHECK_THROWS_AS(pf::Normal<>::from_log_std(zeros, ones * nan), pf::ValueError);
  CHECK_THROWS_AS(pf::Normal(zeros, Tensor<>::ones({3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::Normal(zeros, ones).log_prob(Tensor<>::ones({4, 3})), pf::ShapeError);
  pf::Rng rng(0);
  CHECK_THROWS_AS(pf::Normal(zeros, ones).sample(-1, rng), pf::ValueError);
}

TEST_CASE("a LearnedNormal is a module whose gradient reaches its parameters") {
  const pf::LearnedNormal<double> normal(2);
  CHECK(pf::count_parameters(normal) == 4);
  const auto gradients = pf::gradient(-pf::mean(normal.log_prob(Tensor<double>{{1, 2}, {1.0, 2.0}})), normal);
  REQUIRE(gradients.size() == 2);
  CHECK(gradients[0].to_vector() == std::vector<double>{-1.0, -2.0});
  CHECK(gradients[1].to_vector() == std::vector<double>{0.0, -3.0});
}
