// ResidualQuantizer and ProductQuantizer: sums and groups of codes.
#include <pushforward/nn/residual_quantizer.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

template <class T>
bool same_numbers(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && a.to_vector() == b.to_vector();
}
double error(const Tensor<double>& a, const Tensor<double>& b) { return pf::mean(pf::square(a - b)).item(); }

}  // namespace

TEST_CASE("a residual quantizer's vector is the sum of its codes, each the nearest to what is left") {
  pf::Rng rng(1);
  pf::ResidualQuantizer<double> quantizer(3, 8, 4, rng);
  const auto z = pf::normal<double>({5, 4, 2, 3}, rng);
  quantizer.initialize(z, rng);
  pf::evaluate(quantizer);
  const auto result = quantizer(z, rng);
  REQUIRE(result.codes.shape() == pf::Shape{5, 3, 2, 3});
  CHECK(same_numbers(result.codes, quantizer.encode(z)));
  Tensor<double> rest = z, sum = Tensor<double>::zeros(z.shape());
  double loss = 0;
  for (Index i = 0; i < 3; ++i) {
    const auto& stage = quantizer.stages()[static_cast<std::size_t>(i)];
    CHECK(same_numbers(stage.encode(rest), pf::select(result.codes, 1, i)));
    const auto q = stage.decode(stage.encode(rest));
    loss += 0.25 * error(rest, q);
    sum = sum + q;
    rest = z - sum;
    CHECK(error(quantizer.decode(pf::slice(result.codes, 1, 0, i + 1)), sum) < 1e-28);
  }
  CHECK(error(result.value, sum) < 1e-28);
  CHECK(result.loss.mean() == Approx(loss).epsilon(1e-12));
}

TEST_CASE("more residual codebooks leave less") {
  pf::Rng rng(2);
  pf::ResidualQuantizer<double> quantizer(6, 16, 4, rng, {.revive_below = 0});
  const auto z = pf::normal<double>({2000, 4}, rng);
  quantizer.initialize(z, rng);
  const Tensor<Index> codes = quantizer.encode(z);
  double before = pf::mean(pf::square(z)).item();
  for (Index depth = 1; depth <= 6; ++depth) {
    const double now = error(quantizer.decode(pf::slice(codes, 1, 0, depth)), z);
    CHECK(now < 0.75 * before);
    before = now;
  }
  CHECK(before < 0.02);  // 24 bits for 4 numbers: the best possible is 2^-12
}

TEST_CASE("gradients pass residual and product quantizers") {
  pf::Rng rng(3);
  const auto z = pf::variable(pf::normal<double>({4, 6, 2}, rng)), w = pf::normal<double>({4, 6, 2}, rng);
  const pf::ResidualQuantizer<double> residual(3, 8, 6, rng);
  const pf::ProductQuantizer<double> product(3, 8, 6, rng);
  CHECK(error(pf::gradient(pf::sum(residual(z, rng).value * w), z), w) == 0);
  CHECK(error(pf::gradient(pf::sum(product(z, rng).value * w), z), w) == 0);
  CHECK(pf::max(pf::abs(pf::gradient(pf::sum(residual(z, rng).loss), z))).item() > 0);
  CHECK(pf::count_parameters(pf::ResidualQuantizer<double>(3, 8, 6, rng, {.update = pf::CodebookUpdate::gradient})) ==
        3 * 8 * 6);
}

TEST_CASE("a product quantizer is one quantizer for each group of features") {
  pf::Rng rng(4);
  pf::ProductQuantizer<double> quantizer(2, 8, 6, rng);
  const auto z = pf::normal<double>({300, 6}, rng);
  pf::evaluate(quantizer);
  const auto before = quantizer(z, rng).loss.mean();
  quantizer.initialize(z, rng);
  const auto result = quantizer(z, rng);
  REQUIRE(result.codes.shape() == pf::Shape{300, 2});
  CHECK(result.loss.mean() < before);
  CHECK(same_numbers(quantizer.encode(z), result.codes));
  CHECK(same_numbers(quantizer.decode(result.codes), result.value));
  for (Index g = 0; g < 2; ++g) {
    const auto part = pf::slice(z, 1, 3 * g, 3 * g + 3);
    CHECK(same_numbers(quantizer.stages()[static_cast<std::size_t>(g)].encode(part), pf::select(result.codes, 1, g)));
  }
}

TEST_CASE("quantizers of several codebooks say what they cannot do") {
  pf::Rng rng(5);
  CHECK_THROWS_WITH(pf::ResidualQuantizer<>(0, 8, 4, rng), ContainsSubstring("0 codebooks"));
  CHECK_THROWS_WITH(pf::ProductQuantizer<>(3, 8, 4, rng), ContainsSubstring("expected a divisor"));
  const pf::ResidualQuantizer<> residual(2, 8, 4, rng), none;
  const pf::ProductQuantizer<> product(2, 8, 4, rng), nothing;
  CHECK_THROWS_AS(residual.encode(Tensor<>::zeros({3, 5})), pf::ShapeError);
  CHECK_THROWS_AS(product.encode(Tensor<>::zeros({3, 5})), pf::ShapeError);
  CHECK_THROWS_WITH(residual.decode(Tensor<Index>::zeros({3, 3})), ContainsSubstring("1 to 2"));
  CHECK_THROWS_AS(residual.decode(Tensor<Index>::full({3, 2}, 8)), pf::IndexError);
  CHECK_THROWS_AS(product.decode(Tensor<Index>::zeros({3, 1})), pf::ShapeError);
  CHECK_THROWS_WITH(none.encode(Tensor<>::zeros({3, 5})), ContainsSubstring("no codebooks yet"));
  CHECK_THROWS_AS(none.decode(Tensor<Index>::zeros({3, 1})), pf::ValueError);
  CHECK_THROWS_AS(nothing.encode(Tensor<>::zeros({3, 5})), pf::ValueError);
  CHECK_THROWS_AS(nothing.levels(), pf::ValueError);
}
