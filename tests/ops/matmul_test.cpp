#include <pushforward/ops/matmul.hpp>

#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::expect_gradients;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

template <class S>
Tensor<double> product(const Tensor<S>& a, const Tensor<S>& b, pf::MatmulOptions t) {
  const Index m = a.size(t.transpose_a ? -1 : -2), k = a.size(t.transpose_a ? -2 : -1),
              n = b.size(t.transpose_b ? -2 : -1);
  auto leading = [](const Shape& s) { return Position(s.begin(), s.end() - 2); };
  Position lengths = support::lengths_of(
      support::broadcast_shape(support::shape_of(leading(a.shape())), support::shape_of(leading(b.shape()))));
  lengths.push_back(m);
  lengths.push_back(n);
  auto element = [](const Tensor<S>& x, Position p, Index i, Index j) {
    p[p.size() - 2] = i;
    p[p.size() - 1] = j;
    Position own(p.end() - x.rank(), p.end());
    for (std::size_t axis = 0; axis + 2 < own.size(); ++axis)
      if (x.size(static_cast<int>(axis)) == 1) own[axis] = 0;
    return static_cast<double>(support::at(x, own));
  };
  return support::from_positions(support::shape_of(lengths), [&](const Position& p) {
    const Index i = p[p.size() - 2], j = p.back();
    double total = 0;
    for (Index q = 0; q < k; ++q)
      total += (t.transpose_a ? element(a, p, q, i) : element(a, p, i, q)) *
               (t.transpose_b ? element(b, p, j, q) : element(b, p, q, j));
    return total;
  });
}

/// The shapes of two factors with leading axes that broadcast, and how they are read.
struct Factors {
  Shape a, b;
  pf::MatmulOptions t;

  Factors(Dice& dice, int most_leading, Index longest) {
    const auto [leading_a, leading_b] = dice.broadcastable(most_leading, 3);
    const Index m = dice.integer(0, longest), k = dice.integer(0, longest), n = dice.integer(0, longest);
    t = {dice.coin(), dice.coin()};
    auto with = [](const Shape& leading, Index rows, Index columns) {
      Position lengths = support::lengths_of(leading);
      lengths.push_back(rows);
      lengths.push_back(columns);
      return support::shape_of(lengths);
    };
    a = t.transpose_a ? with(leading_a, k, m) : with(leading_a, m, k);
    b = t.transpose_b ? with(leading_b, n, k) : with(leading_b, k, n);
  }
  std::string str() const {
    return a.str() + (t.transpose_a ? "^T" : "") + " x " + b.str() + (t.transpose_b ? "^T" : "");
  }
};

}  // namespace

TEST_CASE("matmul is a sum of products for all transposes and leading axes that broadcast, and over nothing 0") {
  Dice dice(1);
  for (int i = 0; i < 400; ++i) {
    const Factors f(dice, 4, i % 4 ? 5 : 20);
    INFO(f.str());
    const Tensor<double> x = dice.tensor(f.a), y = dice.tensor(f.b);
    expect_equal(pf::matmul(x, y, f.t), product(x, y, f.t), 1e-13);
    const Tensor<float> u = dice.tensor<float>(f.a), v = dice.tensor<float>(f.b);
    expect_equal(pf::matmul(u, v, f.t), product(u, v, f.t), 1e-5);
  }
}

TEST_CASE("a vector is a row on the left and a column on the right") {
  Dice dice(2);
  const Tensor<double> v = dice.tensor({3}), m = dice.tensor({3, 4}), w = dice.tensor({4}),
                       stack = dice.tensor({2, 5, 4});
  expect_equal(pf::matmul(v, m), pf::reshape(pf::matmul(pf::reshape(v, {1, 3}), m), {4}));
  expect_equal(pf::matmul(m, w), pf::reshape(pf::matmul(m, pf::reshape(w, {4, 1})), {3}));
  expect_equal(pf::matmul(v, v), Tensor<double>::scalar(pf::square(v).sum()), 1e-15);
  CHECK(pf::matmul(stack, w).shape() == Shape{2, 5});
  CHECK(pf::matmul(w, stack, {.transpose_b = true}).shape() == Shape{2, 5});
  expect_equal(pf::matmul(w, stack, {.transpose_b = true}), pf::matmul(stack, w), 1e-15);
  using X = Tensor<double>;
  expect_gradients([](const X& a, const X& b) { return pf::matmul(a, b); }, v, m);
  expect_gradients([](const X& a, const X& b) { return pf::matmul(a, b); }, m, w);
  expect_gradients([](const X& a, const X& b) { return pf::matmul(a, b); }, v, v);
}

TEST_CASE("matmul has derivatives up to order 2, third ones through other operations") {
  Dice dice(3);
  for (int i = 0; i < 60; ++i) {
    const Factors f(dice, 2, 3);
    if (f.a.size() > 24 || f.b.size() > 24) continue;
    INFO(f.str());
    expect_gradients([&](const Tensor<double>& a, const Tensor<double>& b) { return pf::matmul(a, b, f.t); },
                     dice.tensor(f.a), dice.tensor(f.b));
  }
  expect_gradients([](const Tensor<double>& a, const Tensor<double>& b) { return pf::tanh(pf::matmul(a, b)); },
                   dice.tensor({2, 2}), dice.tensor({2, 2}), {.order = 3});
}

TEST_CASE("one matrix against a stack of them has the gradient of one tall product") {
  Dice dice(4);
  for (const bool transposed : {false, true}) {
    const Tensor<double> x = dice.tensor({2, 3, 4}),
                         w = pf::variable(transposed ? dice.tensor({5, 4}) : dice.tensor({4, 5}));
    const Tensor<double> slope = pf::gradient(pf::sum(pf::matmul(x, w, {.transpose_b = transposed})), w);
    const Tensor<double> columns = pf::sum(x, {0, 1});
    expect_equal(slope, transposed ? pf::expand(columns, {5, 4}) : pf::expand(pf::reshape(columns, {4, 1}), {4, 5}),
                 1e-14);
  }
}

TEST_CASE("inner lengths of 0 have gradients of 0") {
  for (const Shape& leading : {Shape{3, 0}, Shape{2, 3, 0}}) {
    const Tensor<double> a = pf::variable(Tensor<double>::zeros(leading)),
                         b = pf::variable(Tensor<double>::zeros({0, 4}));
    const auto [ga, gb] = pf::gradient(pf::sum(pf::matmul(a, b)), {a, b});
    CHECK(ga.shape() == a.shape());
    CHECK(gb.shape() == b.shape());
  }
}

TEST_CASE("factors that do not fit are refused") {
  const Tensor<> a = Tensor<>::zeros({2, 3}), b = Tensor<>::zeros({4, 5});
  CHECK(message_of<pf::ShapeError>([&] { pf::matmul(a, b); }) ==
        "matmul: shapes [2, 3] and [4, 5] do not fit: the inner lengths 3 and 4 must be equal");
  CHECK(message_of<pf::ShapeError>([&] { pf::matmul(a, b, {.transpose_a = true}); }).find("[2, 3] (transposed) and") !=
        std::string::npos);
  CHECK_THROWS_AS(pf::matmul(a, Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::matmul(Tensor<>{1, 2}, Tensor<>{1, 2, 3}), pf::ShapeError);
  CHECK_THROWS_AS(pf::matmul(Tensor<>::zeros({2, 2, 3}), Tensor<>::zeros({3, 3, 2})), pf::ShapeError);
}
