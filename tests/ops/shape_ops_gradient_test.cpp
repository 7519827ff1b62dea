#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/shape_ops.hpp>

#include <functional>

#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_gradients;
using support::Index;
using support::Shape;
using Tensor = pf::Tensor<double>;
using Positions = pf::Tensor<Index>;

namespace {

/// Linear operations have no curvature of their own: their results are multiplied by themselves.
void expect_linear_operation(const char* name, const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  INFO(name << " of " << x.shape().str());
  expect_gradients([&](const Tensor& t) { return pf::square(f(t)) * f(t); }, x, {.order = 3});
}

}  // namespace

TEST_CASE("operations on shapes have derivatives up to order 3") {
  Dice dice(1);
  for (const Shape& shape :
       {Shape{2, 3}, Shape{3, 2, 1}, Shape{0, 2}, Shape{2, 0}, Shape{1, 1}, Shape{2, 1, 1, 1, 3, 1}}) {
    const Tensor x = dice.tensor(shape, 0.5, 1.5);
    const Index n = shape.size();
    expect_linear_operation(
        "reshape",
        [&](const Tensor& t) {
          return pf::reshape(t, {1, n});
        },
        x);
    expect_linear_operation(
        "flatten", [](const Tensor& t) { return pf::flatten(t); }, x);
    expect_linear_operation(
        "transpose", [](const Tensor& t) { return pf::transpose(t); }, x);
    expect_linear_operation(
        "transpose of outer axes", [](const Tensor& t) { return pf::transpose(t, 0, -1); }, x);
    expect_linear_operation(
        "slice", [](const Tensor& t) { return pf::slice(t, 1, 0, 2); }, x);
    expect_linear_operation(
        "slice of rows", [](const Tensor& t) { return pf::slice(t, 0, 1, 3); }, x);
    expect_linear_operation(
        "slice backwards", [](const Tensor& t) { return pf::slice(t, 1, -1, 0, -2); }, x);
    expect_linear_operation(
        "flip", [](const Tensor& t) { return pf::flip(t, 1); }, x);
    expect_linear_operation(
        "roll", [](const Tensor& t) { return pf::roll(t, 1, 0); }, x);
    expect_linear_operation(
        "pad", [](const Tensor& t) { return pf::pad(t, 1, 1, 2, 0.7); }, x);
    expect_linear_operation(
        "tril", [](const Tensor& t) { return pf::tril(t); }, x);
    expect_linear_operation(
        "triu", [](const Tensor& t) { return pf::triu(t, -1); }, x);
    expect_linear_operation(
        "concat",
        [](const Tensor& t) {
          return pf::concat({t, 2 * t, Tensor::ones(t.shape()), t}, 1);
        },
        x);
    if (shape.rank() < 6)
      expect_linear_operation(
          "stack",
          [](const Tensor& t) {
            return pf::stack({t, t * 3}, 1);
          },
          x);
    if (n > 0)
      expect_linear_operation(
          "select", [](const Tensor& t) { return pf::select(t, 1, -1); }, x);
  }
}

TEST_CASE("parts of a split have gradients that do not mix") {
  Dice dice(2);
  const Tensor x = dice.tensor({2, 4}, 0.5, 1.5);
  expect_linear_operation(
      "split",
      [](const Tensor& t) {
        const auto [a, b] = pf::split<2>(t);
        return a / b;
      },
      x);
  expect_linear_operation(
      "uneven split",
      [](const Tensor& t) {
        const auto parts = pf::split(t, {1, 0, 3}, 1);
        return parts[0] * parts[2];
      },
      x);
  // One part alone: the rest of the axis gets zeros.
  const Tensor v = pf::variable(x);
  support::expect_equal(pf::gradient(pf::sum(pf::split<2>(v)[1]), v), Tensor({2, 4}, {0, 0, 1, 1, 0, 0, 1, 1}));
}

TEST_CASE("concat differentiates each of its inputs, and a constant among them is none") {
  Dice dice(3);
  for (int axis : {0, 1})
    expect_gradients(
        [&](const Tensor& a, const Tensor& b) {
          return pf::square(pf::concat({a * b, b, Tensor::ones({2, 2}), a}, axis));
        },
        dice.tensor({2, 2}), dice.tensor({2, 2}), {.order = 3});
  expect_gradients(
      [](const Tensor& a, const Tensor& b) {
        return pf::square(pf::concat({a, b}, 1));
      },
      dice.tensor({2, 0}), dice.tensor({2, 3}));
}

TEST_CASE("indexing has derivatives up to order 3, positions named twice or negative too") {
  Dice dice(4);
  const Tensor x = dice.tensor({3, 2}, 0.5, 1.5);
  const Positions rows({2, 2}, {0, -1, 2, 2}), columns({3, 1}, {1, 0, -1}), twice{2, 0, 2, -3}, none(Shape{0}, {});
  expect_linear_operation(
      "gather", [&](const Tensor& t) { return pf::gather(t, 0, rows); }, x);
  expect_linear_operation(
      "gather on the last axis", [&](const Tensor& t) { return pf::gather(t, -1, columns); }, x);
  expect_linear_operation(
      "index_select", [&](const Tensor& t) { return pf::index_select(t, 0, twice); }, x);
  expect_linear_operation(
      "index_select on the last axis",
      [&](const Tensor& t) {
        return pf::index_select(t, 1, Positions{1, 1, 0});
      },
      x);
  expect_linear_operation(
      "index_select of nothing", [&](const Tensor& t) { return pf::index_select(t, 0, none); }, x);
  expect_gradients([&](const Tensor& t, const Tensor& u) { return pf::square(pf::scatter_add(t, 0, rows, u)) * t; }, x,
                   dice.tensor({2, 2}), {.order = 3});
  expect_linear_operation(
      "sort",
      [](const Tensor& t) {
        return pf::sort(t).values * Tensor{1, 2};
      },
      x);
  expect_linear_operation(
      "top_k", [](const Tensor& t) { return pf::top_k(t, 1).values; }, x);
}
