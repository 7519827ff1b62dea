// batches() covers data once, in an order of its generator.
#include <algorithm>
#include <tuple>
#include <vector>

#include <pushforward/ops/random.hpp>
#include <pushforward/training/batches.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;

namespace {

// Row i holds i, i + 0.5, ..
pf::Tensor<> numbered(pf::Index rows, pf::Index width) {
  return pf::Tensor<>::generate(
      {rows, width}, [=](pf::Index i) { return static_cast<float>(i / width) + 0.5f * static_cast<float>(i % width); });
}

std::vector<float> first_column(const pf::Tensor<>& data, pf::Index batch_size, pf::Rng& rng,
                                pf::BatchOptions options = {}) {
  std::vector<float> seen;
  for (const auto& batch : pf::batches(data, batch_size, rng, options))
    for (pf::Index r = 0; r < batch.size(0); ++r) {
      REQUIRE(batch.shape() == pf::Shape{batch.size(0), data.size(1)});
      for (pf::Index c = 0; c < data.size(1); ++c) REQUIRE(batch(r, c) == batch(r, 0) + 0.5f * static_cast<float>(c));
      seen.push_back(batch(r, 0));
    }
  return seen;
}

}  // namespace

TEST_CASE("every row comes exactly once, in an order that the seed decides") {
  for (pf::Index width : {1, 2, 8, 9, 100}) {
    const auto data = numbered(1003, width);
    pf::Rng a(7), b(7), c(8);
    const auto order = first_column(data, 64, a);
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(sorted.size() == 1003);
    for (std::size_t i = 0; i < sorted.size(); ++i) REQUIRE(sorted[i] == static_cast<float>(i));
    CHECK(order != sorted);
    CHECK(first_column(data, 100, b) == order);  // the size of batches does not change the order
    CHECK(first_column(data, 64, c) != order);
    CHECK(first_column(data, 64, a) != order);  // nor does a second pass repeat the first
  }
}

TEST_CASE("without shuffling rows come in order, and the last batch may be left out") {
  pf::Rng rng(0);
  const auto data = numbered(10, 3);
  const auto before = rng.state();
  const auto in_order = pf::batches(data, 4, rng, {.drop_last = true, .shuffle = false});
  CHECK(in_order.size() == 2);
  CHECK(rng.state() == before);
  CHECK(first_column(data, 4, rng, {.shuffle = false}) == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(first_column(data, 4, rng, {.drop_last = true}).size() == 8);
  CHECK(pf::batches(data, 4, rng).size() == 3);
  CHECK(pf::batches(data, 4, rng)[2].size(0) == 2);
}

TEST_CASE("the same range can be gone through again") {
  pf::Rng rng(0);
  const auto pieces = pf::batches(numbered(10, 1), 3, rng);
  std::vector<float> first, second;
  for (const auto& batch : pieces) first.insert(first.end(), batch.begin(), batch.end());
  for (const auto& batch : pieces) second.insert(second.end(), batch.begin(), batch.end());
  CHECK(first == second);
}

TEST_CASE("labels stay with their rows") {
  pf::Rng rng(0);
  const auto x = numbered(50, 20);
  const auto labels = pf::Tensor<pf::Index>::arange(0, 50);
  pf::Index rows = 0;
  for (const auto& [batch, label] : pf::batches(std::tuple(x, labels), 8, rng))
    for (pf::Index r = 0; r < batch.size(0); ++r, ++rows) REQUIRE(batch(r, 0) == static_cast<float>(label(r)));
  for (const auto& [batch, label] : pf::batches(std::pair(x, labels), 8, rng))
    for (pf::Index r = 0; r < batch.size(0); ++r, ++rows) REQUIRE(batch(r, 0) == static_cast<float>(label(r)));
  CHECK(rows == 100);
  CHECK_THROWS_AS(pf::batches(std::tuple(x, pf::Tensor<pf::Index>::arange(0, 49)), 8, rng), pf::ShapeError);
}

TEST_CASE("data without rows, batches without size and single numbers are refused") {
  pf::Rng rng(0);
  CHECK_THROWS_AS(pf::batches(pf::Tensor<>::zeros({0, 2}), 8, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::batches(pf::Tensor<>::zeros({3, 2}), 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::batches(pf::Tensor<>::zeros({3, 2}), 8, rng, {.drop_last = true}), pf::ValueError);
  CHECK_THROWS_AS(pf::batches(pf::Tensor<>::scalar(1), 8, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::batches(pf::Tensor<>::zeros({3, 2}), 2, rng)[2], pf::IndexError);
}
