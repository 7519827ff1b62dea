#include <pushforward/bijectors/solve.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// x^3 + a x = y, increasing for a > 0.
const auto cubic = [](const auto& x, const auto& a, const auto& y) { return x * x * x + a * x - y; };

// Cardano's formula for the only real root.
double cardano(double a, double y) {
  const double root = std::sqrt(y * y / 4 + a * a * a / 27);
  return std::cbrt(y / 2 + root) + std::cbrt(y / 2 - root);
}

}  // namespace

TEST_CASE("roots are those of the closed form, to the last digits, whatever the brackets") {
  pf::Rng rng(1);
  const Tensor<double> a = pf::exp(pf::normal<double>({40}, rng)), y = pf::normal<double>({40}, rng) * 5;
  for (const double reach : {10.0, 1e3, 1e30}) {
    const Tensor<double> high = Tensor<double>::full({40}, reach);
    const Tensor<double> x = pf::solve_increasing(cubic, -high, high, a, y);
    for (Index i = 0; i < x.size(); ++i) CHECK(x(i) == Approx(cardano(a(i), y(i))).epsilon(1e-13).margin(1e-14));
  }
}

TEST_CASE("roots are found where Newton steps alone would run away") {
  // The slope of tanh(20 x) falls to nothing on both sides of its root.
  auto f = [](const auto& x, const auto& shift) { return pf::tanh(20 * (x - shift)); };
  const Tensor<double> shift{-3, 0.5, 1, 90};
  const Tensor<double> reach = Tensor<double>::full({4}, 100);
  const Tensor<double> x = pf::solve_increasing(f, -reach, reach, shift);
  for (Index i = 0; i < 4; ++i) CHECK(x(i) == Approx(shift(i)).epsilon(1e-13));
  const Tensor<> narrow{-3.0f, 0.5f, 1.0f, 90.0f}, bound = Tensor<>::full({4}, 100.0f);
  const Tensor<> found = pf::solve_increasing(f, -bound, bound, narrow);
  for (Index i = 0; i < 4; ++i) CHECK(found(i) == Approx(narrow(i)).epsilon(1e-6));
}

TEST_CASE("roots at an end of their brackets are found") {
  auto f = [](const auto& x, const auto& at) { return x - at; };
  const Tensor<double> at{2, 2};
  CHECK(pf::solve_increasing(f, at, at, at).to_vector() == at.to_vector());
  CHECK(pf::solve_increasing(f, at, at + 1, at)(0) == Approx(2).epsilon(1e-15));
  CHECK(pf::solve_increasing(f, at - 1, at, at)(0) == Approx(2).epsilon(1e-15));
}

TEST_CASE("roots have gradients of order 3 in the parameters") {
  pf::Rng rng(2);
  const Tensor<double> a = pf::exp(pf::normal<double>({3}, rng)), y = pf::normal<double>({2, 3}, rng);
  const Tensor<double> reach = Tensor<double>::full({2, 3}, 100);
  auto root = [&](const auto& at, const auto& target) {
    return pf::solve_increasing(cubic, -reach, reach, at, target);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(root, {a, y}, {.order = 3}));
  // dx/dy = 1 / (3 x^2 + a).
  const Tensor<double> target = pf::variable(y), x = root(a, target);
  const Tensor<double> slope = pf::gradient(pf::sum(x), target);
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j) CHECK(slope(i, j) == Approx(1 / (3 * x(i, j) * x(i, j) + a(j))).epsilon(1e-12));
}

TEST_CASE("a function that changes the shape is refused") {
  auto f = [](const auto& x, const auto& at) { return pf::sum(x * at, -1); };
  const Tensor<> at = Tensor<>::ones({2, 3});
  CHECK_THROWS_AS(pf::solve_increasing(f, -at, at, at), pf::ShapeError);
}
