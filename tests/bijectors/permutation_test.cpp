#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/testing/check_bijector.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

TEST_CASE("permutations invert each other and keep volume") {
  pf::Rng rng(1);
  for (const Index d : {1, 2, 5}) {
    const Tensor<double> x = pf::normal<double>({3, d}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(pf::Permutation<double>(d, rng), x));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::Reverse{}, x));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::Permutation<double>(d, rng), pf::reshape(x, {3, 1, d})));
  }
}

TEST_CASE("a permutation takes numbers from where it says") {
  const pf::Permutation<> move(Tensor<Index>{2, 0, 1});
  CHECK(move.forward(Tensor<>{10.0f, 11.0f, 12.0f}).value.to_vector() == std::vector<float>{12.0f, 10.0f, 11.0f});
}

TEST_CASE("a permutation refuses an order that is none") {
  CHECK_THROWS_AS(pf::Permutation<>(Tensor<Index>{0, 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::Permutation<>(Tensor<Index>{0, 2}), pf::ValueError);
  CHECK_THROWS_AS(pf::Permutation<>(Tensor<Index>{-1, 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::Permutation<>(Tensor<Index>{1, 0}).forward(Tensor<>::ones({2, 3})), pf::ShapeError);
}
