#include <pushforward/distributions/categorical.hpp>
#include <pushforward/distributions/one_hot_categorical.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("the log-mass of a Categorical is the logarithm of softmax") {
  const Tensor<double> logits{{3}, {std::log(0.2), std::log(0.3), std::log(0.5)}};
  const pf::Categorical<double> one(logits + 7.0);
  const Tensor<double> found = one.log_prob(Tensor<Index>{{2, 2}, {0, 1, 2, 2}});
  REQUIRE(found.shape() == pf::Shape{2, 2});
  CHECK(found(0, 0) == Approx(std::log(0.2)));
  CHECK(found(0, 1) == Approx(std::log(0.3)));
  CHECK(found(1, 1) == Approx(std::log(0.5)));
  CHECK(one.entropy().item() == Approx(-0.2 * std::log(0.2) - 0.3 * std::log(0.3) - 0.5 * std::log(0.5)));
}

TEST_CASE("classes broadcast against rows of logits") {
  pf::Rng rng(1);
  const pf::Categorical<double> rows(pf::normal<double>({2, 4}, rng));
  const Tensor<double> scores = rows.log_probabilities();
  const Tensor<double> found = rows.log_prob(Tensor<Index>{{3, 1}, {0, 3, 1}});
  REQUIRE(found.shape() == pf::Shape{3, 2});
  CHECK(found(1, 0) == scores(0, 3));
  CHECK(found(2, 1) == scores(1, 1));
  CHECK(rows.log_prob(Tensor<Index>{3, 0}).to_vector() == std::vector<double>{scores(0, 3), scores(1, 0)});
}

TEST_CASE("draws of a Categorical have the frequencies of its probabilities") {
  pf::Rng rng(2);
  const Index n = 100'000;
  const pf::Categorical<double> rows(Tensor<double>{{2, 3}, {0.0, 1.0, -1.0, 2.0, -3.0, 0.5}});
  const Tensor<Index> draws = rows.sample(n, rng);
  REQUIRE(draws.shape() == pf::Shape{n, 2});
  const Tensor<double> p = rows.probabilities();
  for (Index row = 0; row < 2; ++row)
    for (Index k = 0; k < 3; ++k) {
      double share = 0;
      for (Index i = 0; i < n; ++i) share += draws(i, row) == k ? 1.0 / static_cast<double>(n) : 0.0;
      const double deviation = std::sqrt(p(row, k) * (1 - p(row, k)) / static_cast<double>(n));
      CHECK(std::abs(share - p(row, k)) < 5 * deviation);
    }
}

TEST_CASE("the log-mass of a Categorical is twice differentiable in the logits") {
  pf::Rng rng(3);
  const Tensor<Index> x{2, 0};
  auto f = [&](const Tensor<double>& logits) { return pf::Categorical<double>(logits).log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, pf::normal<double>({2, 3}, rng), {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(f, pf::normal<double>({3}, rng), {.order = 2}));
}

TEST_CASE("classes without probability and classes that do not exist") {
  const float infinity = std::numeric_limits<float>::infinity();
  const pf::Categorical<> excluded(Tensor<>{0.0f, -infinity});
  CHECK(excluded.log_prob(Tensor<Index>{0, 1}).to_vector() == std::vector<float>{0.0f, -infinity});
  CHECK(excluded.entropy().item() == Approx(0.0).margin(1e-6));
  CHECK_THROWS_AS(excluded.log_prob(Tensor<Index>{2}), pf::IndexError);
  CHECK_THROWS_AS(pf::Categorical<>(Tensor<>::scalar(1.0f)), pf::ShapeError);
  CHECK_THROWS_AS(pf::Categorical<>(Tensor<>::zeros({2, 0})), pf::ShapeError);
  CHECK_THROWS_AS(pf::Categorical<>(Tensor<>{std::numeric_limits<float>::quiet_NaN(), 0.0f}), pf::ValueError);
  CHECK_THROWS_WITH(pf::Categorical<>(Tensor<>{{2, 2}, {0.0f, -infinity, -infinity, -infinity}}),
                    Catch::Contains("row 1"));
  CHECK_THROWS_AS(pf::Categorical<>(Tensor<>{-infinity, -infinity}), pf::ValueError);
  CHECK_THROWS_AS(pf::Categorical<>(Tensor<>{infinity, 0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::OneHotCategorical<>(Tensor<>{-infinity, -infinity}), pf::ValueError);
  CHECK_THROWS_AS(pf::OneHotCategorical<>(Tensor<>{infinity, 0.0f}), pf::ValueError);
}
