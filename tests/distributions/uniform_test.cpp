#include <pushforward/distributions/uniform.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

TEST_CASE("a Uniform has density one over the volume inside of its box, and none outside") {
  const pf::Uniform<double> box(Tensor<double>{0.0, -1.0}, Tensor<double>{2.0, 3.0});
  const Tensor<double> found = box.log_prob(Tensor<double>{{3, 2}, {1.0, 0.0, 0.0, 3.0, 1.0, 3.5}});
  REQUIRE(found.shape() == pf::Shape{3});
  CHECK(found(0) == Approx(-std::log(8.0)));
  CHECK(found(1) == Approx(-std::log(8.0)));
  CHECK(found(2) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("draws of a Uniform follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Uniform<double>(Tensor<double>{-1.0}, Tensor<double>{4.0}), rng));
  CHECK_NOTHROW(
      pf::testing::check_distribution(pf::Uniform<double>(Tensor<double>{-1.0, 10.0}, Tensor<double>{4.0, 10.5}), rng));
  const pf::Uniform<double> number(Tensor<double>::scalar(0), Tensor<double>::scalar(1));
  CHECK(number.log_prob(Tensor<double>{0.5, 2.0}).shape() == pf::Shape{2});
}

TEST_CASE("draws stay inside of a box that is narrow for its distance from zero") {
  pf::Rng rng(2);
  const pf::Uniform<> box(Tensor<>::full({1}, 1000.0f), Tensor<>::full({1}, 1000.0002f));
  CHECK(std::isfinite(box.log_prob(box.sample(10'000, rng)).sum()));
}

TEST_CASE("a Uniform is differentiable in its bounds") {
  auto f = [](const auto& low, const auto& high) {
    return pf::Uniform<double>(low, high).log_prob(Tensor<double>{{1, 2}, {0.1, 0.2}});
  };
  CHECK_NOTHROW(pf::testing::check_gradients(f, {Tensor<double>{-1.0, -2.0}, Tensor<double>{1.0, 0.5}}, {.order = 2}));
}

TEST_CASE("a Uniform refuses an empty or unbounded box") {
  const Tensor<> zero = Tensor<>::zeros({1});
  CHECK_THROWS_AS(pf::Uniform<>(zero, zero), pf::ValueError);
  CHECK_THROWS_AS(pf::Uniform<>(zero, zero - 1), pf::ValueError);
  CHECK_THROWS_AS(pf::Uniform<>(zero, zero + std::numeric_limits<float>::infinity()), pf::ValueError);
  CHECK_THROWS_AS(pf::Uniform<>(zero, zero + std::numeric_limits<float>::quiet_NaN()), pf::ValueError);
  CHECK_THROWS_AS(pf::Uniform<>(Tensor<>::zeros({2}), Tensor<>::ones({3})), pf::ShapeError);
}
