#include <pushforward/distributions/low_rank_normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("a LowRankNormal is the MultivariateNormal with its covariance") {
  pf::Rng rng(1);
  const Tensor<double> mean = pf::normal<double>({3, 5}, rng), w = pf::normal<double>({3, 5, 2}, rng);
  const pf::LowRankNormal<double> thin(mean, w, pf::exp(pf::normal<double>({5}, rng)));
  const pf::MultivariateNormal<double> full(mean, thin.covariance());
  const Tensor<double> x = 3.0 * pf::normal<double>({4, 3, 5}, rng);
  const Tensor<double> a = thin.log_prob(x), b = full.log_prob(x);
  REQUIRE(a.shape() == pf::Shape{4, 3});
  for (Index i = 0; i < a.size(); ++i) CHECK(a.data()[i] == Approx(b.data()[i]).epsilon(1e-11));
  CHECK(pf::max(pf::abs(thin.entropy() - full.entropy())).item() < 1e-11);
  CHECK(pf::max(pf::abs(thin.variance() - full.variance())).item() < 1e-11);
  CHECK(thin.log_prob(x(0, 0, 0) * Tensor<double>::ones({5})).shape() == pf::Shape{3});
}

TEST_CASE("draws of a LowRankNormal follow its density and moments") {
  pf::Rng rng(2);
  const pf::LowRankNormal<double> plane(Tensor<double>{1.0, 0.0}, Tensor<double>{{2, 1}, {1.0, -0.5}},
                                        Tensor<double>{0.3, 0.2});
  CHECK_NOTHROW(pf::testing::check_distribution(plane, rng));
  const pf::LowRankNormal<double> batch(pf::normal<double>({2, 4}, rng), pf::normal<double>({4, 2}, rng),
                                        Tensor<double>::ones({4}));
  CHECK_NOTHROW(pf::testing::check_distribution(batch, rng));
}

TEST_CASE("a LowRankNormal keeps its digits where the directions dwarf the noise") {
  // In one dimension W W^T + noise is a plain variance; the two terms of the usual formula are 1e8 each here.
  const pf::LowRankNormal<float> line(Tensor<>{0.0f}, Tensor<>{{1, 1}, {1e4f}}, Tensor<>{1e-4f});
  const double z = 1.0, expected = -0.5 * z * z - std::log(1e4) - 0.91893853320467274;
  CHECK(line.log_prob(Tensor<>{1e4f}).item() == Approx(expected).epsilon(1e-5));
}

TEST_CASE("a LowRankNormal is twice differentiable in data and parameters") {
  pf::Rng rng(3);
  auto f = [](const auto& x, const auto& mean, const auto& w, const auto& noise) {
    return pf::LowRankNormal<double>(mean, w, noise).log_prob(x);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(f,
                                             {pf::normal<double>({2, 3}, rng), pf::normal<double>({3}, rng),
                                              pf::normal<double>({3, 2}, rng), Tensor<double>{0.5, 1.0, 1.5}},
                                             {.order = 2}));
}

TEST_CASE("a LowRankNormal refuses noise that is no variance and shapes that do not fit") {
  const Tensor<> mean = Tensor<>::zeros({2}), w = Tensor<>::ones({2, 1});
  CHECK_THROWS_AS(pf::LowRankNormal<>(mean, w, Tensor<>{1.0f, 0.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::LowRankNormal<>(mean, Tensor<>::ones({3, 1}), Tensor<>::ones({2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::LowRankNormal<>(mean, w, Tensor<>::ones({3})), pf::ShapeError);
}
