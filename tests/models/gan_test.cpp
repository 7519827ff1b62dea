// Gan: it draws through its generator, from any prior.
#include <pushforward/distributions/uniform.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/gan.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Tensor;

TEST_CASE("draws are the generator's, of the prior's") {
  pf::Rng rng(0);
  const pf::Gan gan(pf::Mlp<double>({3, 8, 2}, rng), 3);
  pf::Rng a(1), b(1), c(1);
  const Tensor<double> drawn = gan.sample(5, a), differentiable = gan.rsample(5, b);
  REQUIRE(drawn.shape() == pf::Shape{5, 2});
  CHECK_FALSE(drawn.tracked());
  CHECK(differentiable.tracked());
  CHECK(drawn.to_vector() == differentiable.to_vector());
  CHECK(gan.generate(pf::normal<double>({5, 3}, c)).to_vector() == drawn.to_vector());
}

TEST_CASE("it is a module: every parameter counts, copies are independent") {
  pf::Rng rng(0);
  const pf::Gan gan(pf::Mlp<>({2, 8, 2}, rng), 2);
  CHECK(pf::count_parameters(gan) == 2 * 8 + 8 + 8 * 2 + 2);
  CHECK_NOTHROW(pf::testing::check_module(gan, [](const auto& model) {
    pf::Rng noise(1);
    return model.rsample(4, noise);
  }));
}

TEST_CASE("a flow as prior is trained along with the generator") {
  pf::Rng rng(0);
  const pf::Gan gan(pf::Mlp<>({2, 8, 5}, rng), pf::real_nvp({.features = 2, .layers = 2, .hidden = {8}}, rng));
  CHECK(gan.sample(3, rng).shape() == pf::Shape{3, 5});
  CHECK_NOTHROW(pf::testing::check_module(gan, [](const auto& model) {
    pf::Rng noise(1);
    return model.rsample(4, noise);
  }));
  // A prior with `sample` alone serves as well.
  const pf::Gan uniform(pf::Mlp<>({2, 8, 5}, rng), pf::Uniform<>(Tensor<>{-1, -1}, Tensor<>{1, 1}));
  CHECK(uniform.rsample(3, rng).tracked());
}
