#include "pushforward/ops/linalg.hpp"

#include "pushforward/ops/random.hpp"
#include "pushforward/testing/check_gradients.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_gradients;

namespace {

double distance(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : pf::abs(a - b).max();
}

Tensor<double> noise(const Shape& shape, std::uint64_t seed) {
  pf::Rng rng(seed);
  return pf::normal<double>(shape, rng);
}

// Well-conditioned matrices: noise with a strong diagonal.
Tensor<double> matrices(const Shape& shape, std::uint64_t seed) {
  return noise(shape, seed) + 3 * Tensor<double>::eye(shape[-1]);
}

Tensor<double> positive(const Shape& shape, std::uint64_t seed) {
  const Tensor<double> m = noise(shape, seed);
  return pf::matmul(m, m, {.transpose_b = true}) + Tensor<double>::eye(shape[-1]);
}

const std::vector<Shape> shapes{{0, 0}, {1, 1}, {4, 4}, {0, 3, 3}, {2, 3, 3}, {2, 1, 2, 2}};

}  // namespace

TEST_CASE("cholesky: L L^T is the matrix, L is lower triangular with a positive diagonal") {
  for (const Shape& shape : shapes) {
    const Tensor<double> a = positive(shape, 1), l = pf::cholesky(a);
    CHECK(distance(pf::matmul(l, l, {.transpose_b = true}), a) < 1e-13);
    CHECK(distance(pf::tril(l), l) == 0);
    for (Index i = 0; i < l.size(); ++i)
      if (i / shape[-1] % shape[-1] == i % shape[-1]) CHECK(l.data()[i] > 0);
  }
  CHECK(pf::cholesky(Tensor<>({2, 2}, {4, 2, 2, 5})).to_vector() == std::vector<float>{2, 0, 1, 2});
}

TEST_CASE("solutions, inverses and determinants satisfy their equations") {
  for (const Shape& shape : shapes) {
    const Tensor<double> a = matrices(shape, 2), b = noise(shape.with(-1, 3), 3), eye = Tensor<double>::eye(shape[-1]);
    CHECK(distance(pf::matmul(a, pf::solve(a, b)), b) < 1e-12);
    CHECK(distance(pf::matmul(a, pf::inverse(a)), pf::expand(eye, shape)) < 1e-12);
    for (bool upper : {false, true})
      for (bool transpose : {false, true})
        for (bool unit : {false, true}) {
          Tensor<double> t = upper ? pf::triu(a, unit) : pf::tril(a, unit ? -1 : 0);
          if (unit) t = t + eye;
          const Tensor<double> x =
              pf::solve_triangular(a, b, {.upper = upper, .transpose = transpose, .unit_diagonal = unit});
          // A unit triangle of noise can be badly conditioned: its solutions, and their errors, are larger.
          CHECK(distance(pf::matmul(t, x, {.transpose_a = transpose}), b) < 1e-11);
        }
  }
}

TEST_CASE("log_abs_det: products, permutations, signs, and the empty matrix") {
  const Tensor<double> a = matrices({2, 5, 5}, 4), b = matrices({2, 5, 5}, 5);
  CHECK(distance(pf::log_abs_det(pf::matmul(a, b)), pf::log_abs_det(a) + pf::log_abs_det(b)) < 1e-12);
  CHECK(pf::log_abs_det(Tensor<double>({3, 3}, {0, 2, 0, 0, 0, -3, 4, 0, 0})).item() == Catch::Approx(std::log(24.0)));
  CHECK(distance(pf::log_abs_det(Tensor<double>::zeros({3, 0, 0})), Tensor<double>::zeros({3})) == 0);
  const Tensor<double> l = pf::cholesky(positive({4, 4}, 6));
  CHECK(pf::log_abs_det(l).item() == Catch::Approx(std::log(l(0, 0) * l(1, 1) * l(2, 2) * l(3, 3))));
}

TEST_CASE("stacks broadcast against one matrix, and a vector is one column") {
  const Tensor<double> a = matrices({3, 3}, 7), b = noise({4, 3, 2}, 8);
  const Tensor<double> x = pf::solve(a, b), y = pf::solve_triangular(a, b);
  for (Index i = 0; i < 4; ++i) {
    CHECK(distance(pf::select(x, 0, i), pf::solve(a, pf::select(b, 0, i))) == 0);
    CHECK(distance(pf::select(y, 0, i), pf::solve_triangular(a, pf::select(b, 0, i))) == 0);
  }
  const Tensor<double> v = noise({3}, 9);
  CHECK(distance(pf::matmul(a, pf::solve(a, v)), v) < 1e-13);
  CHECK(distance(pf::matmul(pf::tril(a), pf::solve_triangular(a, v)), v) < 1e-13);
}

TEST_CASE("gradients agree with finite differences to order 2") {
  for (const Shape& shape : shapes) {
    const Tensor<double> a = matrices(shape, 10), b = noise(shape.with(-1, 2), 11);
    check_gradients([](auto m) { return pf::cholesky(m); }, positive(shape, 12), {.order = 2});
    check_gradients([](auto m) { return pf::inverse(m); }, a, {.order = 2});
    check_gradients([](auto m) { return pf::log_abs_det(m); }, a, {.order = 2});
    check_gradients([](auto m, auto r) { return pf::solve(m, r); }, {a, b}, {.order = 2});
    for (bool upper : {false, true})
      for (bool transpose : {false, true})
        for (bool unit : {false, true})
          check_gradients(
              [=](auto m, auto r) {
                return pf::solve_triangular(m, r, {.upper = upper, .transpose = transpose, .unit_diagonal = unit});
              },
              {a, b}, {.order = 2});
  }
  check_gradients([](auto m, auto r) { return pf::solve(m, r); }, {matrices({3, 3}, 13), noise({2, 3, 2}, 14)},
                  {.order = 2});
  check_gradients([](auto m, auto r) { return pf::solve_triangular(m, r); },
                  {matrices({2, 3, 3}, 15), noise({3, 2}, 16)}, {.order = 2});
  check_gradients([](auto m) { return pf::cholesky(m); }, positive({3, 3}, 17), {.order = 3});
  SUCCEED("every check above throws when it fails");
}

TEST_CASE("pivoting: a zero in the corner is no obstacle, and float keeps its precision beside tiny pivots") {
  CHECK(pf::inverse(Tensor<>({2, 2}, {0, 1, 2, 0})).to_vector() == std::vector<float>{0, 0.5, 1, 0});
  const Tensor<> x = pf::solve(Tensor<>({2, 2}, {1e-9f, 1, 1, 1}), Tensor<>{1, 2});
  CHECK(x(0) == Catch::Approx(1).epsilon(1e-6));
  CHECK(x(1) == Catch::Approx(1).epsilon(1e-6));
}

TEST_CASE("what has no answer is refused with the matrix and the pivot") {
  const Tensor<double> stack({2, 2, 2}, {2, 0, 0, 1, 1, 2, 2, 1}), singular({2, 2, 2}, {1, 0, 0, 1, 1, 2, 2, 4});
  CHECK_THROWS_WITH(pf::cholesky(stack), ContainsSubstring("matrix 1") && ContainsSubstring("pivot 1"));
  CHECK_THROWS_AS(pf::cholesky(Tensor<double>({1, 1}, {std::nan("")})), pf::ValueError);
  CHECK_THROWS_AS(pf::cholesky(Tensor<double>({1, 1}, {std::numeric_limits<double>::infinity()})), pf::ValueError);
  CHECK_THROWS_WITH(pf::inverse(singular), ContainsSubstring("inverse: matrix 1") && ContainsSubstring("column 1"));
  CHECK_THROWS_WITH(pf::solve(singular, Tensor<double>{1, 2}), ContainsSubstring("singular"));
  CHECK_THROWS_WITH(pf::solve_triangular(Tensor<double>({2, 2}, {1, 0, 5, 0}), Tensor<double>{1, 2}),
                    ContainsSubstring("element 1 of its diagonal"));
  CHECK_THROWS_AS(pf::inverse(Tensor<double>::zeros({2, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::log_abs_det(Tensor<double>::zeros({4})), pf::ShapeError);
  CHECK_THROWS_AS(pf::solve(Tensor<double>::eye(3), Tensor<double>::zeros({2, 3})), pf::ShapeError);
  const Tensor<double> x = pf::variable(singular), y = pf::log_abs_det(x);
  CHECK(y(0) == 0.0);
  CHECK(y(1) == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH(pf::gradient(pf::sum(y), x), ContainsSubstring("gradient of log_abs_det: matrix 1"));
}
