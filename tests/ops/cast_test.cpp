#include "pushforward/ops/cast.hpp"

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Tensor;

TEST_CASE("cast keeps numbers and shape") {
  const Tensor<> x({2, 2}, {1.5f, -2.0f, 0.0f, 3.75f});
  CHECK(pf::cast<double>(x).to_vector() == std::vector<double>{1.5, -2, 0, 3.75});
  CHECK(pf::cast<double>(x).shape() == x.shape());
  CHECK(pf::cast<pf::Index>(x).to_vector() == std::vector<pf::Index>{1, -2, 0, 3});
}

TEST_CASE("cast does not lose a gradient in silence") {
  const Tensor<> x = pf::variable(Tensor<>{1.0f});
  CHECK_THROWS_AS(pf::cast<double>(x), pf::GradientError);
  CHECK(pf::cast<float>(x).tracked());
  pf::NoGradient guard;
  CHECK(pf::cast<double>(x).item() == 1.0);
}
