#include <pushforward/ops/linear_combination.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;

TEST_CASE("a linear combination is the sum of its weighted terms, for any number and size of them") {
  support::Dice dice(1);
  for (const pf::Index n : {0, 1, 7, 4096, 40'000}) {
    const auto a = dice.tensor({n}), b = dice.tensor({n}), c = dice.tensor({n});
    support::expect_equal(pf::linear_combination({2.0}, {a}), a * 2);
    support::expect_equal(pf::linear_combination({2.0, -0.5}, {a, b}), a * 2 - b * 0.5, 1e-15);
    support::expect_equal(pf::linear_combination({1.0, 3.0, -0.5, 0.25}, {a, b, c, a}), a * 1.25 + b * 3 - c * 0.5,
                          1e-14);
  }
}

TEST_CASE("a linear combination has gradients of any order") {
  support::Dice dice(2);
  support::expect_gradients(
      [](const Tensor<double>& x, const Tensor<double>& y) {
        return pf::linear_combination({1.0, -2.0, 0.5}, {x * y, y, x * x});
      },
      dice.tensor({3, 2}), dice.tensor({3, 2}));
}

TEST_CASE("a linear combination refuses different shapes, and leaves constants untracked") {
  const Tensor<> a = Tensor<>::ones({2, 3}), b = Tensor<>::ones({3, 2});
  CHECK_THROWS_AS(pf::linear_combination({1.0, 1.0}, {a, b}), pf::ShapeError);
  CHECK_FALSE(pf::linear_combination({1.0, 1.0}, {a, a}).tracked());
  CHECK(pf::linear_combination({1.0, 1.0}, {a, pf::variable(a)}).tracked());
}
