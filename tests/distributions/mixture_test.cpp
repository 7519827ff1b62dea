#include <pushforward/distributions/mixture.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

pf::Mixture<pf::Normal<double>> three_bumps() {
  return {Tensor<double>{0.0, 1.0, -0.5}, pf::Normal<double>(Tensor<double>{{3, 2}, {-2.0, 0.0, 1.0, 1.0, 3.0, -1.0}},
                                                             Tensor<double>{{3, 2}, {0.5, 1.0, 0.3, 0.7, 1.0, 0.4}})};
}

}  // namespace

TEST_CASE("a Mixture's density is the weighted sum of its components'") {
  const auto mixture = three_bumps();
  const Tensor<double> x{{1, 2}, {0.4, 0.8}};
  const Tensor<double> p = mixture.weights().probabilities();
  double expected = 0;
  for (Index k = 0; k < 3; ++k) {
    const pf::Normal<double> part(pf::select(mixture.components().mean(), 0, k),
                                  pf::select(mixture.components().std(), 0, k));
    expected += p(k) * std::exp(part.log_prob(x).item());
  }
  CHECK(mixture.log_prob(x).item() == Approx(std::log(expected)).epsilon(1e-12));
  CHECK(mixture.responsibilities(x).sum() == Approx(1.0));
}

TEST_CASE("draws of a Mixture follow its density and moments") {
  pf::Rng rng(1);
  CHECK_NOTHROW(pf::testing::check_distribution(three_bumps(), rng));
  const pf::Mixture<pf::Normal<double>> line(
      Tensor<double>{0.0, 0.0}, pf::Normal<double>(Tensor<double>{{2, 1}, {-3.0, 3.0}}, Tensor<double>::ones({2, 1})));
  CHECK_NOTHROW(pf::testing::check_distribution(line, rng));
}

TEST_CASE("one Mixture for each row of a batch, as a mixture density network puts out") {
  pf::Rng rng(2);
  const pf::Mixture<pf::Normal<double>> rows(
      pf::normal<double>({4, 3}, rng),
      pf::Normal<double>(pf::normal<double>({4, 3, 2}, rng), Tensor<double>::ones({4, 3, 2})));
  CHECK(rows.shape() == pf::Shape{4, 2});
  CHECK(rows.log_prob(pf::normal<double>({4, 2}, rng)).shape() == pf::Shape{4});
  CHECK(rows.sample(5, rng).shape() == pf::Shape{5, 4, 2});
}

TEST_CASE("a Mixture is twice differentiable in data and parameters") {
  pf::Rng rng(3);
  auto f = [](const auto& x, const auto& logits, const auto& mean) {
    return pf::Mixture<pf::Normal<double>>(logits, pf::Normal<double>(mean, Tensor<double>::ones({3, 2}))).log_prob(x);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(
      f, {pf::normal<double>({4, 2}, rng), pf::normal<double>({3}, rng), pf::normal<double>({3, 2}, rng)},
      {.order = 2}));
}

TEST_CASE("a point far from every component has a finite log-density") {
  const pf::Mixture<pf::Normal<float>> two(Tensor<>::zeros({2}),
                                           pf::Normal<>(Tensor<>::zeros({2, 1}), Tensor<>::ones({2, 1})));
  CHECK(two.log_prob(Tensor<>{{1, 1}, {1e4f}}).item() == Approx(-5e7));
}

TEST_CASE("a Mixture refuses weights that do not match its components") {
  const pf::Normal<> components(Tensor<>::zeros({3, 2}), Tensor<>::ones({3, 2}));
  CHECK_THROWS_AS(pf::Mixture<pf::Normal<>>(Tensor<>::zeros({2}), components), pf::ShapeError);
  CHECK_THROWS_AS(pf::Mixture<pf::Normal<>>(Tensor<>::zeros({3}), pf::standard_normal(3)), pf::ShapeError);
}

TEST_CASE("a LearnedMixture gives its parameters gradients") {
  pf::Rng rng(4);
  const pf::LearnedMixture<double> mixture(5, 2, rng);
  CHECK(pf::count_parameters(mixture) == 25);
  const auto gradients = pf::gradient(-pf::mean(mixture.log_prob(pf::normal<double>({8, 2}, rng))), mixture);
  for (const auto& g : gradients) CHECK(pf::sum(pf::abs(g)).item() > 0);
  CHECK(mixture.sample(3, rng).shape() == pf::Shape{3, 2});
}
