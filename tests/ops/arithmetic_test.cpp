#include <pushforward/ops/arithmetic.hpp>

#include <cmath>
#include <limits>

#include <pushforward/ops/math.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

template <class S>
struct Operation {
  const char* name;
  Tensor<S> (*f)(const Tensor<S>&, const Tensor<S>&);
  S (*reference)(S, S);
};

template <class S>
std::vector<Operation<S>> operations() {
  using T = const Tensor<S>&;
  return {
      {"add", [](T a, T b) { return a + b; }, [](S x, S y) { return x + y; }},
      {"subtract", [](T a, T b) { return a - b; }, [](S x, S y) { return x - y; }},
      {"multiply", [](T a, T b) { return a * b; }, [](S x, S y) { return x * y; }},
      {"divide", [](T a, T b) { return a / b; }, [](S x, S y) { return x / y; }},
      {"maximum", [](T a, T b) { return pf::maximum(a, b); }, [](S x, S y) { return x > y ? x : y; }},
      {"minimum", [](T a, T b) { return pf::minimum(a, b); }, [](S x, S y) { return x < y ? x : y; }},
      {"greater", [](T a, T b) { return a > b; }, [](S x, S y) { return S(x > y); }},
      {"less", [](T a, T b) { return a < b; }, [](S x, S y) { return S(x < y); }},
      {"greater_equal", [](T a, T b) { return a >= b; }, [](S x, S y) { return S(x >= y); }},
      {"less_equal", [](T a, T b) { return a <= b; }, [](S x, S y) { return S(x <= y); }},
      {"equal", [](T a, T b) { return pf::equal(a, b); }, [](S x, S y) { return S(x == y); }},
      {"not_equal", [](T a, T b) { return pf::not_equal(a, b); }, [](S x, S y) { return S(x != y); }},
  };
}

/// Halves between -2 and 2, so that ties are frequent and sums and products exact; never 0, by which one divides.
template <class S>
Tensor<S> halves(const Shape& shape, Dice& dice) {
  return Tensor<S>::generate(shape, [&](Index) {
    return static_cast<S>((dice.coin() ? 1 : -1) * static_cast<double>(dice.integer(1, 4)) / 2);
  });
}

template <class S>
void check_against_reference(const Shape& a, const Shape& b, Dice& dice) {
  const Tensor<S> x = halves<S>(a, dice), y = halves<S>(b, dice);
  const Shape shape = support::broadcast_shape(a, b);
  CHECK(pf::broadcast(a, b) == shape);
  for (const Operation<S>& operation : operations<S>()) {
    INFO(operation.name << " of " << a.str() << " and " << b.str());
    expect_equal(operation.f(x, y), support::from_positions<S>(shape, [&](const Position& i) {
                   return operation.reference(support::broadcast_at(x, i), support::broadcast_at(y, i));
                 }));
  }
}

}  // namespace

TEST_CASE("arithmetic and comparisons broadcast as the definition says, for hundreds of pairs of shapes") {
  Dice dice(1);
  for (int i = 0; i < 300; ++i) {
    const auto [a, b] = dice.broadcastable(i % 2 ? 6 : 3, i % 2 ? 3 : 6);
    check_against_reference<double>(a, b, dice);
    check_against_reference<float>(a, b, dice);
  }
}

TEST_CASE("long runs take other loops and give the same numbers") {
  Dice dice(2);
  const std::pair<Shape, Shape> pairs[] = {
      {{3, 40}, {40}},          {{3, 40}, {3, 1}},       {{40}, {3, 40}},          {{2, 3, 20}, {3, 20}},
      {{2, 3, 20}, {2, 1, 20}}, {{2, 3, 20}, {1, 3, 1}}, {{2, 1, 20}, {1, 3, 20}}, {{33}, {}},
      {{33}, {1, 1}},           {{1, 100}, {7, 1}},      {{200, 300}, {300}},      {{200, 300}, {200, 1}},
      {{70000}, {70000}}};
  for (const auto& [a, b] : pairs) {
    check_against_reference<double>(a, b, dice);
    check_against_reference<float>(a, b, dice);
    check_against_reference<float>(b, a, dice);
  }
}

TEST_CASE("selection broadcasts its mask, too") {
  Dice dice(3);
  for (int i = 0; i < 200; ++i) {
    const auto [a, b] = dice.broadcastable(5, 3);
    const Shape shape = support::broadcast_shape(a, b);
    const Tensor<double> x = dice.tensor(a), y = dice.tensor(b);
    Position mask_shape = support::lengths_of(shape);
    for (Index& length : mask_shape)
      if (dice.coin()) length = 1;
    const Tensor<double> mask = dice.tensor(support::shape_of(mask_shape)) > 0;
    expect_equal(pf::where(mask, x, y), support::from_positions(shape, [&](const Position& p) {
                   return support::broadcast_at(mask, p) != 0 ? support::broadcast_at(x, p)
                                                              : support::broadcast_at(y, p);
                 }));
  }
}

TEST_CASE("plain numbers stand on either side") {
  const Tensor<> x{1, -2, 4};
  expect_equal(x + 1, Tensor<>{2, -1, 5});
  expect_equal(1 + x, Tensor<>{2, -1, 5});
  expect_equal(x - 1.5, Tensor<>{-0.5, -3.5, 2.5});
  expect_equal(1 - x, Tensor<>{0, 3, -3});
  expect_equal(x * 2u, Tensor<>{2, -4, 8});
  expect_equal(2.0 * x, Tensor<>{2, -4, 8});
  expect_equal(x / 2, Tensor<>{0.5, -1, 2});
  expect_equal(4 / x, Tensor<>{4, -2, 1});
  expect_equal(-x, Tensor<>{-1, 2, -4});
  expect_equal(x > 0, Tensor<>{1, 0, 1});
  expect_equal(x >= 1, Tensor<>{1, 0, 1});
  expect_equal(x < 1, Tensor<>{0, 1, 0});
  expect_equal(x <= 1, Tensor<>{1, 1, 0});
  expect_equal(pf::equal(x, 4), Tensor<>{0, 0, 1});
  expect_equal(pf::not_equal(x, 4), Tensor<>{1, 1, 0});
  expect_equal(pf::where(x > 0, 7, x), Tensor<>{7, -2, 7});
}

TEST_CASE("positions add, compare and divide as integers") {
  const Tensor<Index> x{7, -8, 9};
  expect_equal(x / 2, Tensor<Index>{3, -4, 4});
  expect_equal(x / Tensor<Index>{2, 3, -4}, Tensor<Index>{3, -2, -2});
  expect_equal(x * 2 + 1, Tensor<Index>{15, -15, 19});
  expect_equal(pf::maximum(x, Tensor<Index>{8, 8, 8}), Tensor<Index>{8, 8, 9});
  CHECK_THROWS_AS(x / 0, pf::ValueError);
  CHECK_THROWS_AS(x / (x - 7), pf::ValueError);
}

TEST_CASE("NaN wins a maximum and a minimum from either side") {
  const Tensor<> x{NAN, 1}, y{1, NAN};
  expect_equal(pf::maximum(x, y), Tensor<>{NAN, NAN});
  expect_equal(pf::minimum(x, y), Tensor<>{NAN, NAN});
  expect_equal(x > y, Tensor<>{0, 0});
  expect_equal(pf::equal(x, x), Tensor<>{0, 1});
}

TEST_CASE("comparisons are constants") {
  const Tensor<> x = pf::variable(Tensor<>{1, 2});
  CHECK(!(x > 1).tracked());
  CHECK(!pf::equal(x, x).tracked());
  CHECK(!(x <= x).tracked());
}

TEST_CASE("shapes that do not broadcast are refused in a sentence that names the operation and both shapes") {
  const Tensor<> a = Tensor<>::zeros({2, 3}), b = Tensor<>::zeros({2, 4});
  CHECK(message_of<pf::ShapeError>([&] { return a + b; }) ==
        "add: shapes [2, 3] and [2, 4] do not broadcast: matched from the last axis, lengths must be equal or 1, but 3 "
        "meets 4");
  for (const auto& operation : operations<float>()) {
    const std::string message = message_of<pf::ShapeError>([&] { operation.f(a, b); });
    INFO(operation.name << ": " << message);
    const bool swapped = message.find("[2, 4] and [2, 3]") != std::string::npos;  // a < b is b > a
    CHECK((swapped || message.find("[2, 3] and [2, 4]") != std::string::npos));
    if (!swapped) CHECK(message.rfind(operation.name, 0) == 0);
  }
  CHECK_THROWS_AS(a / b, pf::ShapeError);
  CHECK_THROWS_AS(pf::pow(a, b), pf::ShapeError);
  CHECK_THROWS_AS(pf::where(a, a, b), pf::ShapeError);
  CHECK_THROWS_AS(pf::where(b, a, a), pf::ShapeError);
  CHECK_THROWS_AS(a + Tensor<>::zeros({0}), pf::ShapeError);
}

TEST_CASE("expand repeats exactly to a shape, and sum_to undoes it") {
  Dice dice(4);
  for (int i = 0; i < 200; ++i) {
    const auto [a, b] = dice.broadcastable(6, 3);
    const Shape shape = support::broadcast_shape(a, b);
    const Tensor<double> x = dice.tensor(a);
    expect_equal(pf::expand(x, shape),
                 support::from_positions(shape, [&](const Position& p) { return support::broadcast_at(x, p); }));
    // The sum of what expand put there is the element times the number of its copies.
    const double copies = a.size() ? static_cast<double>(shape.size()) / static_cast<double>(a.size()) : 0;
    expect_equal(pf::sum_to(pf::expand(x, shape), a), x * copies, 1e-13);
  }
  CHECK_THROWS_AS(pf::expand(Tensor<>{1, 2}, {3}), pf::ShapeError);
  CHECK_THROWS_AS(pf::expand(Tensor<>::zeros({2, 1}), {2}), pf::ShapeError);
  CHECK(message_of<pf::ShapeError>([] {
          pf::expand(Tensor<>::zeros({3, 2}), {1, 2});
        }) == "expand: cannot repeat shape [3, 2] to [1, 2]; only axes of length 1 repeat");
  CHECK_THROWS_AS(pf::sum_to(Tensor<>{1, 2}, {3}), pf::ShapeError);
  CHECK_THROWS_AS(pf::sum_to(Tensor<>{1, 2}, {1, 2}), pf::ShapeError);
}

TEST_CASE("an axis of length 0 meets 1 and gives 0") {
  const Tensor<> none = Tensor<>::zeros({0, 3}), row = Tensor<>::ones({1, 3});
  CHECK((none + row).shape() == Shape{0, 3});
  CHECK((row * none).shape() == Shape{0, 3});
  CHECK(pf::expand(row, {0, 3}).shape() == Shape{0, 3});
  expect_equal(pf::sum_to(none, {1, 3}), Tensor<>::zeros({1, 3}));
  expect_equal(pf::sum_to(none, {}), Tensor<>::scalar(0));
}

TEST_CASE("plain numbers stand on both sides of where and below a power") {
  const pushforward::Tensor<double> x{-1.0, 2.0};
  CHECK(pushforward::where(x > 0, 1, 0).to_vector() == std::vector<double>{0, 1});
  CHECK(pushforward::pow(2, x).to_vector() == std::vector<double>{0.5, 4});
}
