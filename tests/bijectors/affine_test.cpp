#include <pushforward/bijectors/affine.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("affine maps invert each other and their log-determinant is the Jacobian's") {
  pf::Rng rng(1);
  for (const pf::Shape& shape : {pf::Shape{4, 3}, pf::Shape{2, 2, 3}, pf::Shape{3}}) {
    const Tensor<double> x = pf::normal<double>(shape, rng);
    CHECK_NOTHROW(
        pf::testing::check_bijector(pf::Affine(Tensor<double>{1.0, 2.0, 3.0}, Tensor<double>{0.5, -2.0, 7.0}), x));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::Affine(Tensor<double>::scalar(1), Tensor<double>::scalar(-3)), x));
    pf::LearnedAffine<double> learned(3);
    learned.shift = pf::normal<double>({3}, rng);
    learned.log_scale = pf::normal<double>({3}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(learned, x));
  }
}

TEST_CASE("ActNorm normalizes the data it was initialized with, once") {
  pf::Rng rng(2);
  pf::ActNorm<double> norm(3);
  const Tensor<double> data =
      pf::normal<double>({500, 3}, rng) * Tensor<double>{0.1, 3.0, 1.0} + Tensor<double>{5.0, -1.0, 0.0};
  norm.initialize(data);
  const Tensor<double> z = norm.inverse(data).value;
  for (Index j = 0; j < 3; ++j) {
    CHECK(pf::mean(z, 0)(j) == Approx(0.0).margin(1e-9));
    CHECK(pf::var(z, 0)(j) == Approx(1.0).epsilon(1e-3));
  }
  CHECK_NOTHROW(pf::testing::check_bijector(norm, data.size(0) ? pf::slice(data, 0, 0, 3) : data));
  const Tensor<double> before = norm.shift;
  norm.initialize(data * 7.0);
  CHECK(norm.shift.to_vector() == before.to_vector());
}

TEST_CASE("ActNorm starts as the identity and survives a feature that never changes") {
  pf::ActNorm<float> norm(2);
  const Tensor<> x{{2, 2}, {1, 2, 3, 2}};
  CHECK(norm.inverse(x).value.to_vector() == x.to_vector());
  norm.initialize(x);
  for (float value : norm.inverse(x).value) CHECK(std::isfinite(value));
}

TEST_CASE("the parameters of an affine map have gradients of order 2") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({4, 2}, rng);
  auto f = [&](const auto& shift, const auto& log_scale) {
    const auto y = pf::detail::shift_and_scale_back("affine", x, shift, log_scale);
    return pf::sum(pf::square(y.value), -1) + y.log_det;
  };
  CHECK_NOTHROW(
      pf::testing::check_gradients(f, {pf::normal<double>({2}, rng), pf::normal<double>({2}, rng)}, {.order = 2}));
}

TEST_CASE("an ActNorm refuses data that are not finite, and stays as it was") {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    pf::ActNorm<> norm(2);
    CHECK_THROWS_AS(norm.initialize(Tensor<>{{2, 2}, {1, 2, bad, 4}}), pf::ValueError);
    CHECK(norm.initialized.item() == 0.0f);
    CHECK(norm.shift.tensor().to_vector() == std::vector<float>{0, 0});
    CHECK(norm.log_scale.tensor().to_vector() == std::vector<float>{0, 0});
    norm.initialize(Tensor<>{{2, 2}, {1, 2, 3, 4}});
    CHECK(norm.shift.tensor().to_vector() == std::vector<float>{2, 3});
  }
}

TEST_CASE("affine maps refuse scales that cannot be inverted and events of the wrong size") {
  const Tensor<> one = Tensor<>::ones({2});
  CHECK_THROWS_AS(pf::Affine(one, one * 0), pf::ValueError);
  CHECK_THROWS_AS(pf::Affine(one, one * std::numeric_limits<float>::infinity()), pf::ValueError);
  CHECK_THROWS_AS(pf::Affine(Tensor<>::ones({2, 2}), one), pf::ShapeError);
  CHECK_THROWS_AS(pf::Affine(one, one).forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::LearnedAffine<>(2).forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::LearnedAffine<>(2).inverse(Tensor<>::scalar(1)), pf::ShapeError);
}
