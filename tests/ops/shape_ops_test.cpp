#include <pushforward/ops/shape_ops.hpp>

#include <limits>

#include <pushforward/ops/reductions.hpp>

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

constexpr Index largest = std::numeric_limits<Index>::max();

std::size_t z(int i) { return static_cast<std::size_t>(i); }

int some_axis(const Shape& shape, Dice& dice) { return static_cast<int>(dice.integer(0, shape.rank() - 1)); }

/// The position with the index of one axis changed by f.
template <class F>
Position moved(Position p, int axis, const F& f) {
  p[z(axis)] = f(p[z(axis)]);
  return p;
}

/// The positions that NumPy's start:stop:step means, with `stop` reached from `start` step by step.
std::vector<Index> walked(Index start, Index stop, Index step, Index n) {
  if (start < 0) start += n;
  if (stop < 0) stop += n;
  std::vector<Index> positions;
  if (step > 0)
    for (Index i = std::max(start, Index{0}); i < std::min(stop, n); i += step) positions.push_back(i);
  else
    for (Index i = std::min(start, n - 1); i > std::max(stop, Index{-1}); i += step) positions.push_back(i);
  return positions;
}

}  // namespace

TEST_CASE("reshape keeps the row-major order, costs nothing, and infers one length") {
  const Tensor<> x = Tensor<>::arange(0, 24);
  CHECK(pf::reshape(x, {2, 3, 4}).data() == x.data());
  CHECK(pf::reshape(x, {2, -1, 4}).shape() == Shape{2, 3, 4});
  CHECK(pf::reshape(x, {-1}).shape() == Shape{24});
  CHECK(pf::reshape(Tensor<>{5}, {}).shape() == Shape{});
  CHECK(pf::reshape(Tensor<>::zeros({0, 3}), {-1, 3}).shape() == Shape{0, 3});
  CHECK(pf::flatten(Tensor<>::zeros({2, 3})).shape() == Shape{6});
  CHECK(pf::unsqueeze(x, 0).shape() == Shape{1, 24});
  CHECK(pf::unsqueeze(x, -1).shape() == Shape{24, 1});
  CHECK(pf::squeeze(pf::unsqueeze(x, 1), -1).shape() == Shape{24});
  CHECK(message_of<pf::ShapeError>([&] {
          pf::reshape(x, {5, 5});
        }) == "reshape: shape [24] has 24 elements, [5, 5] has 25; they must be equal");
  CHECK_THROWS_AS(pf::reshape(x, {-1, -1}), pf::ShapeError);
  CHECK_THROWS_AS(pf::reshape(x, {-1, 5}), pf::ShapeError);
  CHECK_THROWS_AS(pf::reshape(x, {-1, 0}), pf::ShapeError);
  CHECK_THROWS_AS(pf::reshape(x, {-2, -1}), pf::ShapeError);
  CHECK_THROWS_AS(pf::reshape(x, {-2, -12}), pf::ShapeError);
  CHECK_THROWS_AS(pf::reshape(x, {largest, largest, -1}), pf::ShapeError);
  CHECK_THROWS_AS(pf::squeeze(x, 0), pf::ShapeError);
  CHECK_THROWS_AS(pf::unsqueeze(x, 3), pf::IndexError);
  CHECK_THROWS_AS(pf::unsqueeze(Tensor<>::zeros({1, 1, 1, 1, 1, 1}), 0), pf::ShapeError);
}

TEST_CASE("permute puts axis order[i] at i, for any order of up to 6 axes") {
  Dice dice(1);
  for (int i = 0; i < 300; ++i) {
    const Tensor<double> x = dice.tensor(i % 10 ? dice.shape(0, 6, 4) : Shape{2, 37, 53});
    std::vector<int> order;
    for (int axis = 0; axis < x.rank(); ++axis) order.insert(order.begin() + dice.integer(0, axis), axis);
    Position lengths;
    for (int axis : order) lengths.push_back(x.size(axis));
    const Tensor<double> expected = from_positions(support::shape_of(lengths), [&](const Position& p) {
      Position from(p.size());
      for (std::size_t k = 0; k < p.size(); ++k) from[z(order[k])] = p[k];
      return at(x, from);
    });
    for (int& axis : order)
      if (dice.coin()) axis -= x.rank();
    expect_equal(pf::permute(x, order), expected);
  }
  const Tensor<> x({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_equal(pf::transpose(x), Tensor<>({3, 2}, {1, 4, 2, 5, 3, 6}));
  CHECK(pf::transpose(Tensor<>::zeros({2, 3, 4}), 0, -1).shape() == Shape{4, 3, 2});
  CHECK_THROWS_AS(pf::permute(x, {0}), pf::ShapeError);
  CHECK_THROWS_AS(pf::permute(x, {0, 0}), pf::ValueError);
  CHECK(message_of<pf::IndexError>([&] { pf::permute(x, {0, 2}); }).rfind("permute: axis 2 does not exist", 0) == 0);
  CHECK_THROWS_AS(pf::transpose(Tensor<>{1, 2}), pf::IndexError);
}

TEST_CASE("slice walks from start to stop by any step, forwards or backwards, clipped to the axis") {
  Dice dice(2);
  for (int i = 0; i < 500; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 5, 6));
    const int axis = some_axis(x.shape(), dice);
    const Index n = x.size(axis), start = dice.integer(-n, n + 1), stop = dice.integer(-n, n + 2);
    Index step = dice.integer(-3, 3);
    if (step == 0) step = dice.coin() ? 7 : -7;
    const std::vector<Index> positions = walked(start, stop, step, n);
    INFO("start " << start << ", stop " << stop << ", step " << step << ", length " << n);
    expect_equal(pf::slice(x, dice.coin() ? axis : axis - x.rank(), start, stop, step),
                 from_positions(x.shape().with(axis, static_cast<Index>(positions.size())), [&](const Position& p) {
                   return at(x, moved(p, axis, [&](Index k) { return positions[static_cast<std::size_t>(k)]; }));
                 }));
  }
}

TEST_CASE("slices at the ends of what an Index can hold are clipped like others") {
  const Tensor<> x{0, 1, 2, 3, 4};
  expect_equal(pf::slice(x, 0, 1, largest), Tensor<>{1, 2, 3, 4});
  expect_equal(pf::slice(x, 0, -largest, largest, largest), Tensor<>{0});
  expect_equal(pf::slice(x, 0, largest, -largest, -2), Tensor<>{4, 2, 0});
  expect_equal(pf::slice(x, 0, 3, -largest, -largest - 1), Tensor<>{3});
  CHECK(pf::slice(x, 0, 4, 2).shape() == Shape{0});
  CHECK(pf::slice(Tensor<>::zeros({0, 2}), 0, 0, 5, -1).shape() == Shape{0, 2});
  CHECK_THROWS_AS(pf::slice(x, 0, 0, 2, 0), pf::ValueError);
  CHECK(message_of<pf::IndexError>([&] {
          pf::slice(x, 1, 0, 2);
        }).rfind("slice: axis 1 does not exist in shape [5]", 0) == 0);
}

TEST_CASE("leading rows are shared, not copied") {
  const Tensor<> x = Tensor<>::arange(0, 12), rows = pf::reshape(x, {4, 3});
  CHECK(pf::slice(rows, 0, 1, 3).data() == x.data() + 3);
  CHECK(pf::select(rows, 0, -1).data() == x.data() + 9);
  expect_equal(pf::select(rows, 1, 1), Tensor<>{1, 4, 7, 10});
  CHECK(message_of<pf::IndexError>([&] { pf::select(rows, 1, 3); }) ==
        "select: index 3 is out of range on axis 1 of shape [4, 3]");
}

TEST_CASE("flip reverses, roll rotates, pad surrounds one axis") {
  Dice dice(3);
  for (int i = 0; i < 200; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 5, 4));
    const int axis = some_axis(x.shape(), dice);
    const Index n = x.size(axis), shift = dice.integer(-9, 9), before = dice.integer(0, 3), after = dice.integer(0, 3);
    expect_equal(pf::flip(x, axis), from_positions(x.shape(), [&](const Position& p) {
                   return at(x, moved(p, axis, [&](Index k) { return n - 1 - k; }));
                 }));
    expect_equal(pf::roll(x, shift, axis), from_positions(x.shape(), [&](const Position& p) {
                   return at(x, moved(p, axis, [&](Index k) { return ((k - shift) % n + n) % n; }));
                 }));
    expect_equal(pf::pad(x, axis, before, after, 7),
                 from_positions(x.shape().with(axis, before + n + after), [&](const Position& p) {
                   const Index k = p[z(axis)] - before;
                   return k < 0 || k >= n ? 7 : at(x, moved(p, axis, [&](Index) { return k; }));
                 }));
  }
  CHECK_THROWS_AS(pf::pad(Tensor<>{1}, 0, -1, 0), pf::ValueError);
  CHECK_THROWS_AS(pf::pad(Tensor<>{1}, 0, largest, 1), pf::Error);
}

TEST_CASE("concat and split undo each other, stack makes a new axis") {
  Dice dice(4);
  for (int i = 0; i < 200; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 5, 6));
    const int axis = some_axis(x.shape(), dice);
    std::vector<Index> lengths;
    for (Index left = x.size(axis); left > 0;) {
      lengths.push_back(dice.integer(0, left));
      left -= lengths.back();
    }
    if (lengths.empty()) lengths.push_back(0);
    const auto parts = pf::split(x, lengths, dice.coin() ? axis : axis - x.rank());
    Index start = 0;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      expect_equal(parts[k], from_positions(x.shape().with(axis, lengths[k]), [&](const Position& p) {
                     return at(x, moved(p, axis, [&](Index j) { return j + start; }));
                   }));
      start += lengths[k];
    }
    expect_equal(pf::concat(parts, axis), x);
    if (x.rank() < 6) {
      const int where = static_cast<int>(dice.integer(0, x.rank()));
      const Tensor<double> both = pf::stack({x, x * 2}, dice.coin() ? where : where - x.rank() - 1);
      CHECK(both.shape() == x.shape().inserted(where, 2));
      expect_equal(pf::select(both, where, 0), x);
      expect_equal(pf::select(both, where, 1), x * 2);
    }
  }
  const auto [left, right] = pf::split<2>(Tensor<>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}));
  expect_equal(left, Tensor<>({2, 2}, {1, 2, 5, 6}));
  expect_equal(right, Tensor<>({2, 2}, {3, 4, 7, 8}));
}

TEST_CASE("parts that do not fit are refused") {
  const Tensor<> x = Tensor<>::zeros({2, 3});
  CHECK(message_of<pf::ShapeError>([&] {
          pf::concat({x, Tensor<>::zeros({2, 4})}, 0);
        }) == "concat: shapes [2, 3] and [2, 4] differ beyond axis 0; all other lengths must agree");
  CHECK_THROWS_AS(pf::concat({x, Tensor<>{1, 2, 3}}), pf::ShapeError);
  CHECK_THROWS_AS(pf::concat(std::vector<Tensor<>>{}), pf::ShapeError);
  CHECK_THROWS_AS(pf::concat({Tensor<>::scalar(1), Tensor<>::scalar(2)}), pf::IndexError);
  CHECK_THROWS_AS(pf::stack({x, pf::transpose(x)}), pf::ShapeError);
  CHECK_THROWS_AS(pf::stack(std::vector<Tensor<>>{}), pf::ShapeError);
  CHECK_THROWS_AS(pf::split(x, {1, 1}, 1), pf::ShapeError);
  CHECK_THROWS_AS(pf::split(x, {4, -1}, 1), pf::ShapeError);
  CHECK_THROWS_AS(pf::split(x, {-1, 4}, 1), pf::ShapeError);
  CHECK_THROWS_AS(pf::split(x, {largest, largest, 5}, 1), pf::ShapeError);
  CHECK_THROWS_AS(pf::split<2>(x, 1), pf::ShapeError);
}

TEST_CASE("tril and triu keep one side of any diagonal of stacked matrices") {
  Dice dice(5);
  for (int i = 0; i < 100; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(2, 4, 5));
    const Index diagonal = dice.integer(-5, 5);
    auto keep = [&](bool lower) {
      return from_positions(x.shape(), [&](const Position& p) {
        const Index r = p[p.size() - 2], c = p.back();
        return (lower ? c <= r + diagonal : c >= r + diagonal) ? at(x, p) : 0;
      });
    };
    expect_equal(pf::tril(x, diagonal), keep(true));
    expect_equal(pf::triu(x, diagonal), keep(false));
  }
  CHECK_THROWS_AS(pf::tril(Tensor<>{1, 2}), pf::ShapeError);
}
