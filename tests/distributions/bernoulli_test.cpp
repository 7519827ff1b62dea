#include <pushforward/distributions/bernoulli.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("the log-mass of a Bernoulli is log p or log(1 - p), summed over the last axis") {
  const Tensor<double> p{{3}, {0.1, 0.5, 0.99}}, x{{2, 3}, {1, 0, 1, 0, 1, 0}};
  const Tensor<double> found = pf::Bernoulli<double>::from_probabilities(p).log_prob(x);
  REQUIRE(found.shape() == pf::Shape{2});
  CHECK(found(0) == Approx(std::log(0.1) + std::log(0.5) + std::log(0.99)));
  CHECK(found(1) == Approx(std::log(0.9) + std::log(0.5) + std::log(0.01)));
}

TEST_CASE("logits [k, b, d] score images [b, d], narrow or wide") {
  pf::Rng rng(1);
  for (const Index d : {5, 100, 1500}) {
    const Tensor<double> logits = pf::normal<double>({3, 2, d}, rng) * 3;
    const Tensor<double> x = pf::bernoulli(Tensor<double>::full({2, d}, 0.4), rng);
    const Tensor<double> found = pf::Bernoulli(logits).log_prob(x);
    REQUIRE(found.shape() == pf::Shape{3, 2});
    for (Index k = 0; k < 3; ++k)
      for (Index b = 0; b < 2; ++b) {
        double expected = 0;
        for (Index j = 0; j < d; ++j) {
          const double p = 1 / (1 + std::exp(-logits(k, b, j)));
          expected += x(b, j) == 1 ? std::log(p) : std::log1p(-p);
        }
        CHECK(found(k, b) == Approx(expected).epsilon(1e-10));
      }
  }
}

TEST_CASE("float and double agree on a Bernoulli, and so do vector and scalar code at every width") {
  pf::Rng rng(2);
  for (Index d = 1; d < 140; d += 7) {
    const Tensor<double> logits = pf::normal<double>({2, d}, rng) * 3;
    const Tensor<double> x = pf::bernoulli(Tensor<double>::full({2, d}, 0.4), rng);
    const Tensor<> narrow =
        Tensor<>::generate(logits.shape(), [&](Index i) { return static_cast<float>(logits.data()[i]); });
    const Tensor<> bits = Tensor<>::generate(x.shape(), [&](Index i) { return static_cast<float>(x.data()[i]); });
    const Tensor<double> expected = pf::Bernoulli(logits).log_prob(x);
    const Tensor<> found = pf::Bernoulli(narrow).log_prob(bits);
    for (Index i = 0; i < 2; ++i) CHECK(static_cast<double>(found(i)) == Approx(expected(i)).epsilon(1e-5));
  }
}

TEST_CASE("the log-mass of a Bernoulli has gradients of order 3 in logits and outcomes, narrow or wide") {
  pf::Rng rng(3);
  for (const Index d : {4, 66}) {
    auto f = [](const auto& logits, const auto& x) { return pf::Bernoulli<double>(logits).log_prob(x); };
    CHECK_NOTHROW(pf::testing::check_gradients(
        f, {pf::normal<double>({2, 2, d}, rng), pf::uniform<double>({2, d}, rng)}, {.order = 3}));
    CHECK_NOTHROW(pf::testing::check_gradients(f, {pf::normal<double>({d}, rng), pf::uniform<double>({3, d}, rng)},
                                               {.order = 2}));
  }
}

TEST_CASE("extreme logits give a Bernoulli neither NaN nor wrong limits") {
  for (const Index d : {1, 80}) {
    for (const float size : {90.0f, 1e4f, 1e30f, 3e38f}) {
      const Tensor<> logits = pf::variable(Tensor<>::full({1, d}, size)),
                     opposite = pf::variable(Tensor<>::full({1, d}, -size));
      const Tensor<> ones = Tensor<>::ones({1, d}), zeros = Tensor<>::zeros({1, d});
      CHECK(pf::Bernoulli(logits).log_prob(ones).item() == Approx(0.0).margin(1e-30));
      CHECK(pf::Bernoulli(opposite).log_prob(zeros).item() == Approx(0.0).margin(1e-30));
      CHECK(pf::Bernoulli(logits).log_prob(zeros).item() <= -0.99f * size);
      const Tensor<> g = pf::gradient(pf::sum(pf::Bernoulli(logits).log_prob(zeros)), logits);
      for (float value : g) CHECK(value == Approx(-1.0));
      CHECK(std::isfinite(pf::Bernoulli(logits).entropy().item()));
    }
  }
}

TEST_CASE("draws of a Bernoulli follow its masses and moments") {
  pf::Rng rng(4);
  const pf::Bernoulli<double> one(Tensor<double>{-0.8});
  CHECK(std::exp(one.log_prob(Tensor<double>{0.0}).item()) + std::exp(one.log_prob(Tensor<double>{1.0}).item()) ==
        Approx(1.0));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::Bernoulli(Tensor<double>{{3}, {-2.0, 0.0, 1.0}}), rng));
  CHECK(pf::Bernoulli(Tensor<>::zeros({4, 3})).sample(2, rng).shape() == pf::Shape{2, 4, 3});
}

TEST_CASE("certain probabilities are certain, and impossible ones refused") {
  pf::Rng rng(5);
  const auto certain = pf::Bernoulli<>::from_probabilities(Tensor<>{0.0f, 1.0f});
  CHECK(certain.mean().to_vector() == std::vector<float>{0.0f, 1.0f});
  CHECK(certain.sample(100, rng).sum() == 100.0);
  CHECK(certain.log_prob(Tensor<>{0.0f, 1.0f}).item() == Approx(0.0));
  CHECK_THROWS_AS(pf::Bernoulli<>::from_probabilities(Tensor<>{1.1f}), pf::ValueError);
  CHECK_THROWS_AS(pf::Bernoulli<>(Tensor<>{std::numeric_limits<float>::quiet_NaN()}), pf::ValueError);
  CHECK_THROWS_AS(pf::Bernoulli<>(Tensor<>::zeros({3})).log_prob(Tensor<>::zeros({2})), pf::ShapeError);
}
