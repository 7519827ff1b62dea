#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

template <class S>
double largest(const Tensor<S>& x) {
  return static_cast<double>(pf::abs(x).max());
}

// W^T W - I for the map x -> W x.
template <class B>
Tensor<double> departure_from_rotation(const B& b, Index d) {
  const Tensor<double> w = b.forward(Tensor<double>::eye(d)).value;
  return pf::matmul(w, w, {.transpose_b = true}) - Tensor<double>::eye(d);
}

}  // namespace

TEST_CASE("linear maps invert and their log-determinant is the Jacobian's") {
  pf::Rng rng(1);
  for (const Index d : {1, 2, 3, 6}) {
    for (const pf::Shape& shape : {pf::Shape{4, d}, pf::Shape{2, 2, d}, pf::Shape{d}}) {
      const Tensor<double> x = pf::normal<double>(shape, rng);
      CHECK_NOTHROW(
          pf::testing::check_bijector(support::stirred<double>(pf::LuLinear<double>(d, rng), 1, 0.3, rng), x));
      CHECK_NOTHROW(pf::testing::check_bijector(pf::HouseholderRotation<double>(d, 3, rng), x));
      CHECK_NOTHROW(
          pf::testing::check_bijector(support::stirred<double>(pf::QrLinear<double>(d, rng), 1, 0.3, rng), x));
    }
    const Tensor<> narrow = pf::normal({3, d}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(pf::LuLinear<>(d, rng), narrow));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::HouseholderRotation<>(d, 3, rng), narrow));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::QrLinear<>(d, rng), narrow));
  }
}

TEST_CASE("linear maps start as rotations, and Householder reflections stay one") {
  pf::Rng rng(2);
  for (const Index d : {1, 2, 7, 30}) {
    CHECK(largest(departure_from_rotation(pf::LuLinear<double>(d, rng), d)) < 1e-12);
    CHECK(largest(departure_from_rotation(pf::QrLinear<double>(d, rng), d)) < 1e-12);
    const auto trained = support::stirred<double>(pf::HouseholderRotation<double>(d, 4, rng), 1, 0.3, rng);
    CHECK(largest(departure_from_rotation(trained, d)) < 1e-12);
    CHECK(pf::LuLinear<double>(d, rng).forward(Tensor<double>::ones({d})).log_det.item() == Approx(0).margin(1e-12));
  }
}

TEST_CASE("forward of LuLinear is the product with its matrix") {
  pf::Rng rng(3);
  const auto b = support::stirred<double>(pf::LuLinear<double>(4, rng), 1, 0.3, rng);
  const Tensor<double> x = pf::normal<double>({4}, rng), y = b.forward(x).value, w = b.matrix();
  for (Index i = 0; i < 4; ++i) {
    double expected = 0;
    for (Index j = 0; j < 4; ++j) expected += w(i, j) * x(j);
    CHECK(y(i) == Approx(expected).epsilon(1e-12));
  }
  CHECK(pf::log_abs_det(w).item() == Approx(b.forward(x).log_det.item()).epsilon(1e-12));
}

TEST_CASE("linear maps have gradients of order 2 in the data and in their parameters") {
  pf::Rng rng(4);
  const Tensor<double> x = pf::normal<double>({2, 3}, rng);
  auto check = [&](const auto& start) {
    auto score = [&](const auto& b, const Tensor<double>& y) {
      const auto z = b.inverse(y), back = b.forward(y);
      return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
    };
    CHECK_NOTHROW(
        pf::testing::check_gradients([&](const Tensor<double>& y) { return score(start, y); }, x, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(start, [&](const auto& b) { return score(b, x); }));
  };
  check(support::stirred<double>(pf::LuLinear<double>(3, rng), 1, 0.3, rng));
  check(pf::HouseholderRotation<double>(3, 2, rng));
  check(support::stirred<double>(pf::QrLinear<double>(3, rng), 1, 0.3, rng));

  auto triangles = [&](const Tensor<double>& lower, const Tensor<double>& upper, const Tensor<double>& log_scale) {
    const Tensor<double> full = pf::detail::upper_triangle(upper, Tensor<double>{1, -1, 1} * pf::exp(log_scale));
    const Tensor<double> half = pf::detail::solve_events(lower, x, {.unit_diagonal = true});
    return pf::sum(pf::square(pf::detail::solve_events(full, half, {.upper = true})), -1);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(
      triangles, {pf::normal<double>({3, 3}, rng), pf::normal<double>({3, 3}, rng), pf::normal<double>({3}, rng)},
      {.order = 2}));
}

TEST_CASE("no finite input makes a linear map produce NaN, nor does a reflection without a direction") {
  pf::Rng rng(5);
  const pf::LuLinear<> lu(2, rng);
  const pf::QrLinear<> qr(2, rng);
  pf::HouseholderRotation<> rotation(2, 2, rng);
  rotation.vectors = Tensor<>{{2, 2}, {0, 0, 1, 2}};
  const Tensor<> x{{4, 2}, {1e30f, -1e30f, 0.0f, 1e30f, 0.0f, 0.0f, -1e30f, -1e30f}};
  auto check = [&](const auto& b) {
    for (const auto& result : {b.forward(x), b.inverse(x)}) {
      for (float value : result.value) CHECK(std::isfinite(value));
      for (float value : result.log_det) CHECK(std::isfinite(value));
    }
  };
  check(lu);
  check(qr);
  check(rotation);
  CHECK_NOTHROW(pf::testing::check_bijector(rotation, pf::normal({3, 2}, rng)));
}

TEST_CASE("linear maps refuse events and sizes that do not fit") {
  pf::Rng rng(6);
  CHECK_THROWS_AS(pf::LuLinear<>(0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::HouseholderRotation<>(0, 1, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::HouseholderRotation<>(2, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::QrLinear<>(0, rng), pf::ValueError);
  const Tensor<> wrong = Tensor<>::ones({4, 2});
  CHECK_THROWS_AS(pf::LuLinear<>(3, rng).forward(wrong), pf::ShapeError);
  CHECK_THROWS_AS(pf::LuLinear<>(3, rng).inverse(wrong), pf::ShapeError);
  CHECK_THROWS_AS(pf::HouseholderRotation<>(3, 2, rng).forward(wrong), pf::ShapeError);
  CHECK_THROWS_AS(pf::HouseholderRotation<>(3, 2, rng).inverse(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::QrLinear<>(3, rng).forward(wrong), pf::ShapeError);
  CHECK_THROWS_AS(pf::QrLinear<>(3, rng).inverse(wrong), pf::ShapeError);
}
