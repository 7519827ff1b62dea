#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_bijector.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

// A bijector as a user would write it.
struct Leaky {
  double slope = 0.1;
  pf::WithLogDet<double> forward(const Tensor<double>& x) const {
    const Tensor<double> scale = pf::where(x > 0, Tensor<double>::scalar(1), slope);
    return {x * scale, pf::sum(pf::log(scale), -1)};
  }
  pf::WithLogDet<double> inverse(const Tensor<double>& y) const {
    const Tensor<double> scale = pf::where(y > 0, Tensor<double>::scalar(1), slope);
    return {y / scale, -pf::sum(pf::log(scale), -1)};
  }
  static void members(auto&, auto&&) {}
};

pf::Chain<double> mixed_chain(pf::Rng& rng) {
  pf::Chain<double> chain;
  chain.append(pf::AffineCoupling(pf::Mlp<double>({1, 8, 4}, rng), 3));
  chain.append(Leaky{});
  chain.append(pf::Permutation<double>(3, rng));
  chain.append(pf::ActNorm<double>(3));
  chain.append(pf::AffineCoupling(pf::Mlp<double>({2, 8, 2}, rng), 3, {.keep = pf::Keep::second_half}));
  return chain;
}

}  // namespace

TEST_CASE("a chain of all kinds is a bijector") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  CHECK_NOTHROW(pf::testing::check_bijector(mixed_chain(rng), x));
  CHECK_NOTHROW(pf::testing::check_bijector(pf::Inverse(mixed_chain(rng)), x));
  CHECK_NOTHROW(pf::testing::check_bijector(pf::Chain<double>(), x));
  CHECK_NOTHROW(pf::testing::check_bijector(Leaky{}, x));
}

TEST_CASE("bijectors of known types compose in the order in which they are named") {
  pf::Rng rng(2);
  const pf::Affine twice(Tensor<double>::scalar(0), Tensor<double>::scalar(2)),
      plus(Tensor<double>{1.0, 2.0, 3.0}, Tensor<double>::scalar(1));
  const pf::Compose both(twice, pf::Reverse{}, plus);
  CHECK(both.forward(Tensor<double>{1.0, 2.0, 3.0}).value.to_vector() == std::vector<double>{7.0, 6.0, 5.0});
  CHECK_NOTHROW(pf::testing::check_bijector(both, pf::normal<double>({4, 3}, rng)));
}

TEST_CASE("copying an AnyBijector copies its weights") {
  pf::LearnedAffine<double> affine(2);
  pf::AnyBijector<double> one(affine), other = one;
  int visited = 0;
  pf::for_each_parameter<double>(one,
                                 [&](const pf::Path&, pf::Parameter<double>& p) { p = p.tensor() + 1.0, ++visited; });
  CHECK(visited == 2);
  const Tensor<double> x{1.0, 1.0};
  CHECK(other.forward(x).value.to_vector() == std::vector<double>{1.0, 1.0});
  CHECK(one.forward(x).value(0) == Catch::Approx(std::exp(1.0) + 1));
  CHECK_THROWS_AS(pf::AnyBijector<double>().forward(x), pf::ValueError);
}

TEST_CASE("a chain names the parameters of its parts") {
  pf::Rng rng(3);
  pf::Chain<double> chain = mixed_chain(rng);
  std::vector<std::string> names;
  pf::for_each_parameter<double>(
      chain, [&](const pf::Path& path, const pf::Parameter<double>&) { names.push_back(path.str()); });
  REQUIRE(names.size() == 10);
  CHECK(names.front() == "bijectors.0.net.layers.0.weight");
  CHECK(names.back() == "bijectors.4.net.layers.1.bias");
}

TEST_CASE("initializing a chain normalizes what reaches each ActNorm") {
  pf::Rng rng(4);
  pf::Chain<double> chain;
  chain.append(pf::ActNorm<double>(2));
  chain.append(pf::AffineCoupling(pf::Mlp<double>({1, 8, 2}, rng), 2));
  const Tensor<double> data = pf::normal<double>({400, 2}, rng) * 5.0 + 2.0;
  chain.initialize(data);
  const Tensor<double> z = chain.inverse(data).value;
  CHECK(pf::max(pf::abs(pf::mean(z, 0))).item() < 1e-9);
  CHECK(pf::max(pf::abs(pf::var(z, 0) - 1.0)).item() < 1e-3);
}
