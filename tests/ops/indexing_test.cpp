#include <pushforward/ops/indexing.hpp>

#include <algorithm>
#include <numeric>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::at;
using support::Dice;
using support::expect_equal;
using support::from_positions;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

/// An index tensor whose axes other than `axis` are no longer than those of `full`, about half of it negative.
Tensor<Index> positions(const Shape& full, int axis, Dice& dice) {
  Position lengths = support::lengths_of(full);
  for (std::size_t i = 0; i < lengths.size(); ++i)
    lengths[i] = static_cast<int>(i) == axis ? dice.integer(0, 6) : dice.integer(lengths[i] > 1, lengths[i]);
  const Index n = full[axis];
  if (n == 0) lengths[static_cast<std::size_t>(axis)] = 0;
  return Tensor<Index>::generate(support::shape_of(lengths), [&](Index) { return dice.integer(-n, n - 1); });
}

Position replaced(Position p, int axis, Index index, Index n) {
  p[static_cast<std::size_t>(axis)] = index < 0 ? index + n : index;
  return p;
}

}  // namespace

TEST_CASE("gather reads and scatter_add writes at one position per element") {
  Dice dice(1);
  for (int i = 0; i < 300; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 5, 4));
    const int axis = static_cast<int>(dice.integer(0, x.rank() - 1));
    const Index n = x.size(axis);
    const Tensor<Index> index = positions(x.shape(), axis, dice);
    INFO(x.shape().str() << " at " << index.shape().str() << " on axis " << axis);
    expect_equal(
        pf::gather(x, axis - (dice.coin() ? x.rank() : 0), index),
        from_positions(index.shape(), [&](const Position& p) { return at(x, replaced(p, axis, at(index, p), n)); }));
    const Tensor<double> source = dice.tensor(index.shape());
    expect_equal(pf::scatter_add(x, axis, index, source),
                 from_positions(x.shape(),
                                [&](const Position& to) {
                                  double total = at(x, to);
                                  support::for_each_position(index.shape(), [&](const Position& p) {
                                    if (replaced(p, axis, at(index, p), n) == to) total += at(source, p);
                                  });
                                  return total;
                                }),
                 1e-14);
  }
}

TEST_CASE("index_select takes whole slices in any order") {
  Dice dice(2);
  for (int i = 0; i < 200; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 5, 4));
    const int axis = static_cast<int>(dice.integer(0, x.rank() - 1));
    const Index n = x.size(axis);
    const Tensor<Index> index =
        Tensor<Index>::generate({n ? dice.integer(0, 6) : 0}, [&](Index) { return dice.integer(-n, n - 1); });
    expect_equal(pf::index_select(x, axis, index),
                 from_positions(x.shape().with(axis, index.size()), [&](const Position& p) {
                   return at(x, replaced(p, axis, index.data()[p[static_cast<std::size_t>(axis)]], n));
                 }));
  }
}

TEST_CASE("positions outside and shapes that do not fit are refused") {
  const Tensor<> x = Tensor<>::zeros({2, 3});
  CHECK(message_of<pf::IndexError>([&] {
          pf::gather(x, 1, Tensor<Index>({2, 1}, {0, 3}));
        }) == "gather: index 3 is out of range for an axis of length 3");
  CHECK(message_of<pf::IndexError>([&] { pf::index_select(x, 0, Tensor<Index>{-3}); }) ==
        "index_select: index -3 is out of range for an axis of length 2");
  CHECK_THROWS_AS(pf::gather(x, 0, Tensor<Index>({1, 4}, {0, 0, 0, 0})), pf::ShapeError);
  CHECK_THROWS_AS(pf::gather(x, 0, Tensor<Index>{0}), pf::ShapeError);
  CHECK_THROWS_AS(pf::scatter_add(x, 0, Tensor<Index>({1, 3}, {0, 0, 0}), Tensor<>::zeros({1, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::scatter_add(x, 0, Tensor<Index>({1, 3}, {0, 2, 0}), Tensor<>::zeros({1, 3})), pf::IndexError);
  CHECK_THROWS_AS(pf::index_select(x, 0, Tensor<Index>({1, 1}, {0})), pf::ShapeError);
  CHECK(message_of<pf::IndexError>([&] {
          pf::gather(x, 2, Tensor<Index>({1, 1}, {0}));
        }).rfind("gather: axis 2 does not exist", 0) == 0);
}

TEST_CASE("one_hot codes labels of any shape") {
  expect_equal(pf::one_hot(Tensor<Index>{2, 0}, 3), Tensor<>({2, 3}, {0, 0, 1, 1, 0, 0}));
  expect_equal(pf::one_hot<double>(Tensor<Index>({1, 2}, {1, 1}), 2), Tensor<double>({1, 2, 2}, {0, 1, 0, 1}));
  CHECK(pf::one_hot(Tensor<Index>::zeros({0}), 4).shape() == Shape{0, 4});
  CHECK(message_of<pf::IndexError>([] { pf::one_hot(Tensor<Index>{3}, 3); }) ==
        "one_hot: label 3 is outside of 0 to 2");
  CHECK_THROWS_AS(pf::one_hot(Tensor<Index>{-1}, 3), pf::IndexError);
}

TEST_CASE("sort orders rows and keeps ties in their order; top_k is its beginning") {
  Dice dice(3);
  for (int i = 0; i < 200; ++i) {
    const Shape shape = dice.shape(1, 4, 6);
    const Tensor<double> x =
        Tensor<double>::generate(shape, [&](Index) { return static_cast<double>(dice.integer(0, 4)); });
    const Index n = shape[-1], k = dice.integer(0, n);
    const bool descending = dice.coin();
    const auto sorted = pf::sort(x, descending);
    const auto top = pf::top_k(x, k);
    CHECK(sorted.values.shape() == shape);
    CHECK(top.indices.shape() == shape.with(-1, k));
    for (Index r = 0; n > 0 && r < x.size() / n; ++r) {
      const double* row = x.data() + r * n;
      std::vector<Index> order(static_cast<std::size_t>(n)), down = order;
      std::iota(order.begin(), order.end(), Index{0});
      std::iota(down.begin(), down.end(), Index{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](Index a, Index b) { return descending ? row[a] > row[b] : row[a] < row[b]; });
      std::stable_sort(down.begin(), down.end(), [&](Index a, Index b) { return row[a] > row[b]; });
      for (Index j = 0; j < n; ++j) {
        REQUIRE(sorted.indices.data()[r * n + j] == order[static_cast<std::size_t>(j)]);
        REQUIRE(sorted.values.data()[r * n + j] == row[order[static_cast<std::size_t>(j)]]);
      }
      for (Index j = 0; j < k; ++j) REQUIRE(top.indices.data()[r * k + j] == down[static_cast<std::size_t>(j)]);
    }
  }
  expect_equal(pf::sort(Tensor<>{NAN, 2, NAN, 1}).values, Tensor<>{1, 2, NAN, NAN});
  expect_equal(pf::sort(Tensor<>{NAN, 2, NAN, 1}, true).values, Tensor<>{2, 1, NAN, NAN});
  CHECK(message_of<pf::ValueError>([] {
          pf::top_k(Tensor<>{1, 2}, 3);
        }) == "top_k: k is 3, but the last axis of shape [2] has length 2");
  CHECK_THROWS_AS(pf::sort(Tensor<>::scalar(1)), pf::IndexError);
}
