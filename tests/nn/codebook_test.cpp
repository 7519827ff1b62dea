// Codebooks: nearest codes far from the origin, sums of many vectors, and where k-means starts.
#include <cmath>
#include <limits>
#include <vector>

#include <pushforward/nn/vector_quantizer.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

double squared_distance(const Tensor<>& rows, Index i, const Tensor<>& codebook, Index k) {
  double apart = 0;
  for (Index j = 0; j < rows.size(1); ++j) apart += std::pow(double(rows(i, j)) - double(codebook(k, j)), 2);
  return apart;
}

// Calls f with one thread, then with three.
template <class F>
auto on_threads(const F& f) {
  const int before = pf::num_threads();
  pf::set_num_threads(1);
  const auto one = f();
  pf::set_num_threads(3);
  const auto three = f();
  pf::set_num_threads(before);
  return std::pair(one, three);
}

}  // namespace

TEST_CASE("far from the origin the nearest code is still the nearest") {
  pf::Rng rng(1);
  // Apart by about 1, at 1e4 along some axes and -3e3 along others: squares are near 1e8, where floats are 8 apart.
  const Tensor<> place({5}, {1e4f, 1e4f, -3e3f, 0, 1e4f});
  const auto rows = pf::normal({2000, 5}, rng) + place, codebook = pf::normal({64, 5}, rng) + place;
  const Tensor<Index> found = pf::nearest_codes(rows, codebook);
  Index missed = 0;
  for (Index i = 0; i < rows.size(0); ++i) {
    Index best = 0;
    for (Index k = 1; k < 64; ++k)
      if (squared_distance(rows, i, codebook, k) < squared_distance(rows, i, codebook, best)) best = k;
    missed += found(i) != best;
    CHECK(squared_distance(rows, i, codebook, found(i)) <= squared_distance(rows, i, codebook, best) + 1e-5);
  }
  CHECK(missed <= 1);  // but for distances that are equal to float
}

TEST_CASE("equally near codes far from the origin are told apart by their order") {
  // Whole numbers around 20 000: distances are exact, and many are equal.
  pf::Rng rng(2);
  const auto draw = [&](Index n) {
    return Tensor<>::generate({n, 3}, [&](Index) { return static_cast<float>(20'000 + rng.uniform_index(3)); });
  };
  const auto rows = draw(200), codebook = draw(20);
  const Tensor<Index> found = pf::nearest_codes(rows, codebook);
  for (Index i = 0; i < 200; ++i)
    for (Index k = 0; k < 20; ++k) {
      CHECK(squared_distance(rows, i, codebook, found(i)) <= squared_distance(rows, i, codebook, k));
      if (k < found(i)) CHECK(squared_distance(rows, i, codebook, k) > squared_distance(rows, i, codebook, found(i)));
    }
}

TEST_CASE("a quantizer learns vectors that lie far from the origin") {
  pf::Rng rng(3);
  const auto z = pf::normal({1000, 2}, rng) + 1e4;
  pf::VectorQuantizer<> quantizer(16, 2, rng, {.commitment = 1});
  quantizer.initialize(z, rng);
  const auto result = quantizer(z, rng);
  CHECK(pf::code_usage(result.codes, 16) == 1);
  CHECK(result.loss.mean() < 0.2);  // 16 cells for a variance of 1; one code for all has 1
}

TEST_CASE("the mean of a million vectors is their mean") {
  const Index n = 1'000'000;
  const auto points = Tensor<>::generate({n, 1}, [](Index i) { return 999.5f + static_cast<float>(i % 2); });
  pf::Rng rng(4);
  const auto found = pf::k_means(points, 1, 2, rng);
  CHECK(found.centers(0, 0) == 1000.0f);  // a sum of floats has an error of 1 %
  CHECK(found.counts(0) == n);

  pf::VectorQuantizer<> quantizer(1, 1, rng, {.decay = 0, .smoothing = 1e-9});
  quantizer(points, rng);
  CHECK(quantizer.codebook()(0, 0) == Approx(1000).epsilon(1e-6));
}

TEST_CASE("sums of the vectors of codes are those of a loop, on any number of threads") {
  pf::Rng rng(5);
  for (const Index levels : {1, 7, 300}) {
    const auto rows = pf::normal({20'000, 9}, rng);
    const auto codes = Tensor<Index>::generate({20'000}, [&](Index) { return rng.uniform_index(levels); });
    const auto [one, three] = on_threads([&] { return pf::detail::CodeSums<float>(rows, codes, levels); });
    std::vector<double> sums(static_cast<std::size_t>(levels * 9), 0.0);
    for (Index i = 0; i < 20'000; ++i)
      for (Index j = 0; j < 9; ++j) sums[static_cast<std::size_t>(codes(i) * 9 + j)] += double(rows(i, j));
    CHECK(one.sums.to_vector() == sums);
    CHECK(three.sums.to_vector() == sums);
    CHECK(one.counts.to_vector() == pf::code_counts(codes, levels).to_vector());
  }
}

TEST_CASE("k-means is the same on any number of threads") {
  pf::Rng data(6);
  const auto points = pf::normal({7001, 37}, data);
  const auto [one, three] = on_threads([&] {
    pf::Rng rng(7);
    return pf::k_means(points, 50, 3, rng);
  });
  CHECK(one.centers.to_vector() == three.centers.to_vector());
  CHECK(one.members.to_vector() == three.members.to_vector());
}

TEST_CASE("k-means starts from points that are drawn by their squared distance to those before") {
  // 300 points at 0, one at 1 and one at 3: after a first one at 0, the second is at 3 nine times out of ten.
  const auto points = Tensor<double>::generate({302, 1}, [](Index i) { return i == 70 ? 1.0 : i == 301 ? 3.0 : 0.0; });
  pf::Rng rng(8);
  Index first_at_zero = 0, second_at_three = 0, third_left = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    const auto centers = pf::detail::spread_rows(points, 3, rng);
    CHECK(centers(1, 0) != centers(0, 0));
    third_left += centers.sum() == 4;  // each place once
    if (centers(0, 0) != 0) continue;
    ++first_at_zero;
    second_at_three += centers(1, 0) == 3;
  }
  CHECK(third_left == 2000);
  const double expected = 0.9 * static_cast<double>(first_at_zero);
  CHECK(std::abs(static_cast<double>(second_at_three) - expected) < 5 * std::sqrt(0.1 * expected));
}

TEST_CASE("k-means says which points it cannot cluster") {
  pf::Rng rng(9);
  CHECK_THROWS_WITH(pf::k_means(Tensor<>({2, 1}, {1, std::numeric_limits<float>::infinity()}), 1, 1, rng),
                    ContainsSubstring("the points hold inf"));
  CHECK_THROWS_AS(pf::k_means(Tensor<>::zeros({0, 2}), 1, 1, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::k_means(Tensor<>::zeros({3}), 1, 1, rng), pf::ShapeError);
}
