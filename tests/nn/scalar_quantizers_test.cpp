// FiniteScalarQuantizer and LookupFreeQuantizer: every code, its borders, and entropies against sums over all codes.
#include <cmath>
#include <limits>

#include <pushforward/nn/finite_scalar_quantizer.hpp>
#include <pushforward/nn/lookup_free_quantizer.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;
using Fsq = pf::FiniteScalarQuantizer<double>;
using Lfq = pf::LookupFreeQuantizer<double>;

namespace {

template <class T>
bool equal_numbers(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && a.to_vector() == b.to_vector();
}

}  // namespace

TEST_CASE("a feature runs through all its levels from below to above") {
  for (const Index levels : {2, 3, 4, 5, 7, 8}) {
    const Fsq quantizer({levels});
    const auto z = pf::reshape(Tensor<double>::linspace(-8, 8, 3201), {3201, 1});
    const auto result = quantizer(z);
    CHECK(result.codes(0) == 0);
    CHECK(result.codes(3200) == levels - 1);
    for (Index i = 1; i < 3201; ++i) {
      const Index step = result.codes(i) - result.codes(i - 1);
      CHECK((step == 0 || step == 1));
      const double at = static_cast<double>(result.codes(i) - levels / 2) / static_cast<double>(levels / 2);
      CHECK(result.value(i, 0) == at);
    }
    // Zero lies in the middle: of the middle level, or between two.
    if (levels % 2 == 1)
      CHECK(result.codes(1600) == levels / 2);
    else
      CHECK(std::abs(2 * quantizer.encode(Tensor<double>({1, 1}, {1e-9}))(0) - levels) <= 1);
  }
}

TEST_CASE("codes of scalars decode to vectors whose codes they are") {
  const Fsq quantizer({8, 5, 3, 2});
  REQUIRE(quantizer.levels() == 240);
  REQUIRE(quantizer.features() == 4);
  const auto codes = pf::reshape(Tensor<Index>::arange(0, 240), {4, 6, 10});
  const auto q = quantizer.decode(codes);
  REQUIRE(q.shape() == pf::Shape{4, 4, 6, 10});
  CHECK(q(0, 0, 0, 0) == -1);
  CHECK(q(0, 0, 0, 1) == -0.75);  // the first feature runs fastest
  CHECK(q(0, 1, 0, 0) == q(0, 1, 0, 7));
  CHECK(q(0, 1, 0, 8) == -0.5);
  // Vectors that are bounded to these: z = artanh((q floor(L / 2) + o) / h) - s.
  const double lengths[] = {8, 5, 3, 2};
  const auto z = Tensor<double>::generate(q.shape(), [&](Index i) {
    const double length = lengths[i / 60 % 4], offset = std::fmod(length, 2) == 0 ? 0.5 : 0;
    const double half = length == 2 ? 0.5 : 0.999 * (length - 1) / 2,
                 shift = length == 2 ? 0 : std::atanh(offset / half);
    const double at = (q.data()[i] * std::floor(length / 2) + offset) / half;
    return std::atanh(std::min(0.999, std::max(-0.999, at))) - shift;
  });
  CHECK(equal_numbers(quantizer.encode(z), codes));
  CHECK(equal_numbers(quantizer(z).value, q));
}

TEST_CASE("gradients of scalar quantization are those without the rounding") {
  pf::Rng rng(1);
  const Fsq quantizer({8, 5, 2});
  const auto z = pf::variable(pf::normal<double>({3, 3, 2}, rng)), w = pf::normal<double>({3, 3, 2}, rng);
  const auto found = pf::gradient(pf::sum(quantizer(z).value * w), z);
  const double half[] = {0.999 * 3.5, 0.999 * 2, 0.5}, unit[] = {4, 2, 1}, shift[] = {std::atanh(0.5 / half[0]), 0, 0};
  for (Index i = 0; i < 18; ++i) {
    const Index c = i / 2 % 3;
    const double t = std::tanh(z.data()[i] + shift[c]);
    CHECK(found.data()[i] == Approx(w.data()[i] * half[c] * (1 - t * t) / unit[c]).epsilon(1e-10));
  }
  CHECK(quantizer(z).loss.sum() == 0);
}

TEST_CASE("bits make codes, and codes bits") {
  const Lfq quantizer(3);
  REQUIRE(quantizer.levels() == 8);
  const Tensor<double> z({3, 3}, {-0.1, 2, -3, 0.5, 0, 1e-3, -1, -1, -1});
  CHECK(quantizer.encode(z).to_vector() == std::vector<Index>{2, 7, 0});
  CHECK(quantizer.decode(Tensor<Index>({1}, {6})).to_vector() == std::vector<double>{-1, 1, 1});
  const auto codes = pf::reshape(Tensor<Index>::arange(0, 8), {2, 2, 2});
  REQUIRE(quantizer.decode(codes).shape() == pf::Shape{2, 3, 2, 2});
  CHECK(equal_numbers(quantizer.encode(quantizer.decode(codes)), codes));
  CHECK(equal_numbers(quantizer(z).value, quantizer.decode(quantizer.encode(z))));
}

TEST_CASE("the entropies of lookup-free quantization are those over all codes") {
  pf::Rng rng(2);
  const double temperature = 1.7;
  const auto z = pf::normal<double>({4, 3, 2}, rng);
  const auto loss = [&](double commitment, double entropy, double diversity, Index group) {
    return Lfq(3, {.commitment = commitment,
                   .entropy = entropy,
                   .diversity = diversity,
                   .temperature = temperature,
                   .group = group})(z)
        .loss;
  };
  // p(code | z) from distances to all 8 codes.
  const Lfq quantizer(3);
  const auto book = quantizer.decode(Tensor<Index>::arange(0, 8));                      // [8, 3]
  const auto rows = pf::reshape(pf::permute(z, {0, 2, 1}), {8, 1, 3});                  // [8, 1, 3]
  const auto p = pf::softmax(-pf::sum(pf::square(rows - book), -1) / temperature, -1);  // [8, 8]
  const auto each = pf::mean(pf::reshape(-pf::sum(p * pf::log(p), -1), {4, 2}), 1);     // [4]
  const auto shares = pf::mean(p, 0);
  const double codes = -pf::sum(shares * pf::log(shares)).item();
  const auto close = [](const Tensor<double>& a, const Tensor<double>& b) {
    return pf::max(pf::abs(a - b)).item() < 1e-12;
  };
  CHECK(close(loss(0, 1, 0, 8), each));
  CHECK(close(loss(0, 2, 1, 3), 2.0 * (each - codes)));
  // In groups of one bit each: the entropies of the bits.
  double bits = 0;
  for (Index b = 0; b < 3; ++b) {
    double on = 0;
    for (Index code = 0; code < 8; ++code)
      if (code >> b & 1) on += shares(code);
    bits -= on * std::log(on) + (1 - on) * std::log(1 - on);
  }
  CHECK(close(loss(0, 1, 1, 1), each - bits));
  const auto q = quantizer.decode(quantizer.encode(z));
  CHECK(close(loss(0.5, 0, 0, 8), 0.5 * pf::mean(pf::square(z - q), {1, 2})));
}

TEST_CASE("the loss of lookup-free quantization has its gradient, and the value passes it straight through") {
  pf::Rng rng(3);
  const Lfq quantizer(4, {.temperature = 2, .group = 3});
  // Away from zero, where the codes change.
  const auto z = pf::normal<double>({3, 4, 2}, rng);
  const auto apart = z + 0.1 * quantizer.decode(quantizer.encode(z));
  pf::testing::check_gradients([&](const Tensor<double>& x) { return pf::sum(quantizer(x).loss); }, apart);
  const auto x = pf::variable(apart), w = pf::normal<double>({3, 4, 2}, rng);
  CHECK(equal_numbers(pf::gradient(pf::sum(quantizer(x).value * w), x), w));
}

TEST_CASE("quantizers without a codebook say what they cannot do") {
  CHECK_THROWS_AS(pf::FiniteScalarQuantizer<>(std::vector<Index>{}), pf::ValueError);
  CHECK_THROWS_WITH(pf::FiniteScalarQuantizer<>({8, 1}), ContainsSubstring("1 levels"));
  // Products that do not fit an Index: they would come out negative, or as 0.
  CHECK_THROWS_WITH(pf::FiniteScalarQuantizer<>({2, Index{1} << 62}), ContainsSubstring("more than 2^31"));
  CHECK_THROWS_AS(pf::FiniteScalarQuantizer<>({4, Index{1} << 62}), pf::ValueError);
  CHECK(pf::FiniteScalarQuantizer<>({1 << 16, 1 << 15}).levels() == Index{1} << 31);
  CHECK_THROWS_AS(pf::FiniteScalarQuantizer<>(std::vector<Index>(40, 8)), pf::ValueError);
  CHECK_THROWS_AS(pf::LookupFreeQuantizer<>(0), pf::ValueError);
  CHECK_THROWS_AS(pf::LookupFreeQuantizer<>(32), pf::ValueError);
  CHECK_THROWS_AS(pf::LookupFreeQuantizer<>(4, {.temperature = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::LookupFreeQuantizer<>(4, {.entropy = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::LookupFreeQuantizer<>(4, {.group = 0}), pf::ValueError);
  const pf::FiniteScalarQuantizer<> finite({5, 5}), none;
  const pf::LookupFreeQuantizer<> bits(2), nothing;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(finite(Tensor<>::zeros({3, 3})), ContainsSubstring("expected [n, 2, ..]"));
  CHECK_THROWS_AS(finite(Tensor<>::full({3, 2}, nan)), pf::ValueError);
  CHECK_THROWS_AS(finite.decode(Tensor<Index>({1}, {25})), pf::IndexError);
  CHECK_THROWS_AS(bits(Tensor<>::zeros({3, 3})), pf::ShapeError);
  CHECK_THROWS_AS(bits.encode(Tensor<>::full({3, 2}, nan)), pf::ValueError);
  CHECK_THROWS_AS(bits.decode(Tensor<Index>({1}, {-1})), pf::IndexError);
  CHECK_THROWS_AS(none(Tensor<>::zeros({3, 3})), pf::ValueError);
  CHECK_THROWS_AS(nothing.encode(Tensor<>::zeros({3, 3})), pf::ValueError);
}
