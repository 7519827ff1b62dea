#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_equal;
using support::expect_gradients;
using support::Index;
using support::Shape;
using Tensor = pf::Tensor<double>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

using Axes = std::vector<int>;

struct Reduction {
  const char* name;
  Tensor (*f)(const Tensor&, const Axes&, bool);
  bool nothing;  // defined over no elements
};

const Reduction reductions[] = {
    {"sum", [](const Tensor& x, const Axes& axes, bool keep) { return pf::square(pf::sum(x, axes, keep)); }, true},
    {"mean", [](const Tensor& x, const Axes& axes, bool keep) { return pf::square(pf::mean(x, axes, keep)); }, false},
    {"prod", [](const Tensor& x, const Axes& axes, bool keep) { return pf::prod(x, axes, keep); }, true},
    {"max", [](const Tensor& x, const Axes& axes, bool keep) { return pf::max(x * x * x, axes, keep); }, false},
    {"min", [](const Tensor& x, const Axes& axes, bool keep) { return pf::min(x * x * x, axes, keep); }, false},
    {"var", [](const Tensor& x, const Axes& axes, bool keep) { return pf::var(x * x, axes, keep); }, false},
    {"norm", [](const Tensor& x, const Axes& axes, bool keep) { return pf::norm(x, axes, keep); }, false},
    {"logsumexp", [](const Tensor& x, const Axes& axes, bool keep) { return pf::logsumexp(x, axes, keep); }, false},
};

/// Numbers of which no two are closer than 0.1, in an order without pattern: no ties of max within a step.
Tensor distinct(const Shape& shape, Dice& dice) {
  std::vector<double> values;
  for (Index i = 0; i < shape.size(); ++i)
    values.insert(values.begin() + dice.integer(0, i),
                  0.3 + 1.2 * static_cast<double>(i) / static_cast<double>(shape.size()));
  for (double& value : values) value *= dice.coin() ? 1 : -1;
  return Tensor(shape, values);
}

}  // namespace

TEST_CASE("reductions over any axes have derivatives up to order 3") {
  Dice dice(1);
  for (const Reduction& reduction : reductions)
    for (int i = 0; i < 25; ++i) {
      const Shape shape = dice.shape(0, i % 5 == 0 ? 6 : 3, 3);
      if (shape.size() > 10) continue;
      const Axes axes = dice.axes(shape.rank());
      Index count = 1;
      for (int axis : axes) count *= shape[axis];
      if (count == 0 && !reduction.nothing) continue;
      const bool keep = dice.coin();
      INFO(reduction.name << " over " << axes.size() << " axes" << (keep ? " kept" : ""));
      expect_gradients([&](const Tensor& x) { return reduction.f(x, axes, keep); }, distinct(shape, dice),
                       {.order = shape.size() <= 6 ? 3 : 2});
    }
}

TEST_CASE("softmax, log_softmax and cumsum have derivatives up to order 3 along any axis") {
  Dice dice(2);
  for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{2, 2, 2}, Shape{1, 1}, Shape{0, 2}, Shape{2, 0}})
    for (int axis = -shape.rank(); axis < shape.rank(); ++axis) {
      const Tensor x = dice.tensor(shape, -2, 2);
      INFO(shape.str() << " along " << axis);
      expect_gradients([&](const Tensor& t) { return pf::softmax(t, axis); }, x, {.order = 3});
      expect_gradients([&](const Tensor& t) { return pf::log_softmax(t, axis); }, x, {.order = 3});
      expect_gradients([&](const Tensor& t) { return pf::square(pf::cumsum(t, axis)); }, x, {.order = 3});
    }
}

TEST_CASE("a product has exact derivatives where factors are 0") {
  for (const Tensor& x : {Tensor{0}, Tensor{0, 2}, Tensor{0, 0, 3}, Tensor{1, 0, 3, 0, 2}, Tensor{0, 0, 0, 0},
                          Tensor{2, 3, 0, 5, 7, 11, 13}})
    expect_gradients([](const Tensor& t) { return pf::prod(t); }, x, {.order = 3, .within = 1e-6});
  expect_gradients([](const Tensor& t) { return pf::prod(t, 0); }, Tensor({3, 2}, {0, 1, 2, 0, 3, 0}), {.order = 3});
}

TEST_CASE("equal winners share the gradient of max and min") {
  const Tensor x({2, 3}, {1, 3, 3, 2, 2, 2});
  expect_equal(pf::vjp([](const Tensor& t) { return pf::max(t, 1); }, x, Tensor{6, 6}).product,
               Tensor({2, 3}, {0, 3, 3, 2, 2, 2}));
  expect_equal(pf::vjp([](const Tensor& t) { return pf::min(t, 0); }, x, Tensor{1, 1, 1}).product,
               Tensor({2, 3}, {1, 0, 0, 0, 1, 1}));
  expect_equal(pf::vjp([](const Tensor& t) { return pf::max(t); }, Tensor::full({2, 2}, 5), Tensor::scalar(1)).product,
               Tensor::full({2, 2}, 0.25));
}

TEST_CASE("a norm has gradient 0 at 0, to order 2") {
  const Tensor zero({2, 2}, {0, 0, 3, 4});
  expect_equal(pf::vjp([](const Tensor& t) { return pf::norm(t, 1); }, zero, Tensor{1, 1}).product,
               Tensor({2, 2}, {0, 0, 0.6, 0.8}), 1e-15);
  const Tensor x = pf::variable(zero);
  const Tensor slope = pf::gradient(pf::sum(pf::norm(x, 1)), x, {.create_graph = true});
  // d^2 |x| = (I - x x^T / |x|^2) / |x|, here for the direction of ones.
  expect_equal(pf::gradient(pf::sum(slope), x), Tensor({2, 2}, {0, 0, (1 - 0.6 * 1.4) / 5, (1 - 0.8 * 1.4) / 5}),
               1e-15);
}

TEST_CASE("rows of -inf have gradients of 0 in logsumexp, not NaN") {
  const Tensor x({3, 2}, {-inf, -inf, -inf, 1, 0, 0});
  expect_equal(pf::vjp([](const Tensor& t) { return pf::logsumexp(t, 1); }, x, Tensor{1, 1, 1}).product,
               Tensor({3, 2}, {0, 0, 0, 1, 0.5, 0.5}), 1e-15);
  const Tensor v = pf::variable(x);
  const Tensor slope = pf::gradient(pf::sum(pf::logsumexp(v, 1)), v, {.create_graph = true});
  expect_equal(pf::gradient(pf::sum(pf::square(slope)), v), Tensor::zeros({3, 2}), 1e-15);
  // A masked logit: softmax and its gradient are those of the others.
  expect_equal(pf::jacobian([](const Tensor& t) { return pf::softmax(t); }, Tensor{0, 0, -inf}),
               Tensor({3, 3}, {0.25, -0.25, 0, -0.25, 0.25, 0, 0, 0, 0}), 1e-15);
}

TEST_CASE("reductions over nothing have gradients of the right shape") {
  const Tensor x = pf::variable(Tensor::zeros({2, 0, 3}));
  for (const Reduction& reduction : reductions) {
    if (!reduction.nothing) continue;
    INFO(reduction.name);
    CHECK(pf::gradient(pf::sum(reduction.f(x, {1}, false)), x).shape() == x.shape());
    CHECK(pf::gradient(pf::sum(reduction.f(x, {0, 1, 2}, true)), x).shape() == x.shape());
  }
}

TEST_CASE("long reductions have the gradients of their definitions") {
  Dice dice(3);
  for (const Shape& shape : {Shape{20000}, Shape{1500, 3}, Shape{3, 400}}) {
    const Tensor x = pf::variable(dice.tensor(shape, 0.5, 1.5));
    expect_equal(pf::gradient(pf::sum(pf::sum(x, 0)), x), Tensor::ones(shape));
    expect_equal(pf::gradient(pf::sum(pf::square(pf::sum(x, 0))), x),
                 pf::expand(2 * pf::sum(pf::stop_gradient(x), 0, true), shape));
    expect_equal(pf::gradient(pf::norm(x), x), pf::stop_gradient(x) / pf::norm(pf::stop_gradient(x)), 1e-14);
    expect_equal(pf::gradient(pf::logsumexp(x), x), pf::exp(pf::stop_gradient(x) - pf::logsumexp(pf::stop_gradient(x))),
                 1e-14);
  }
}
