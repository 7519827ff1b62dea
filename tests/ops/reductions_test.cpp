#include <pushforward/ops/reductions.hpp>

#include <cmath>
#include <limits>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::for_each_position;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

/// For every position of the result, the elements of x (in double) that are reduced to it; then f of them.
template <class S, class F>
Tensor<double> by_definition(const Tensor<S>& x, const std::vector<int>& axes, bool keep, const F& f) {
  std::vector<bool> reduced(static_cast<std::size_t>(x.rank()));
  for (int axis : axes) reduced[static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
  Position kept = support::lengths_of(x.shape()), dropped;
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (reduced[i])
      kept[i] = 1;
    else
      dropped.push_back(kept[i]);
  const Shape kept_shape = support::shape_of(kept);
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(kept_shape.size()));
  for_each_position(x.shape(), [&](const Position& at) {
    Index offset = 0;
    for (std::size_t i = 0; i < at.size(); ++i) offset = offset * kept[i] + (reduced[i] ? 0 : at[i]);
    groups[static_cast<std::size_t>(offset)].push_back(static_cast<double>(support::at(x, at)));
  });
  std::vector<double> values;
  for (const auto& group : groups) values.push_back(f(group));
  return Tensor<double>(keep ? kept_shape : support::shape_of(dropped), values);
}

using Group = const std::vector<double>&;

double sum_of(Group g) {
  double total = 0;
  for (double x : g) total += x;
  return total;
}
double mean_of(Group g) { return sum_of(g) / static_cast<double>(g.size()); }
double product_of(Group g) {
  double product = 1;
  for (double x : g) product *= x;
  return product;
}
double variance_of(Group g) {
  double total = 0;
  for (double x : g) total += (x - mean_of(g)) * (x - mean_of(g));
  return total / static_cast<double>(g.size());
}
double norm_of(Group g) {
  double total = 0;
  for (double x : g) total += x * x;
  return std::sqrt(total);
}
double logsumexp_of(Group g) {
  double total = 0;
  for (double x : g) total += std::exp(x);
  return std::log(total);
}

template <class S>
void check_reductions(const Tensor<S>& x, const std::vector<int>& axes, bool keep, double within) {
  std::string names;
  for (int axis : axes) names += std::to_string(axis) + " ";
  INFO("shape " << x.shape().str() << ", axes " << names << (keep ? "kept" : "dropped"));
  expect_equal(pf::sum(x, axes, keep), by_definition(x, axes, keep, sum_of), within);
  expect_equal(pf::mean(x, axes, keep), by_definition(x, axes, keep, mean_of), within);
  expect_equal(pf::prod(x, axes, keep), by_definition(x, axes, keep, product_of), within);
  expect_equal(pf::norm(x, axes, keep), by_definition(x, axes, keep, norm_of), within);
  expect_equal(pf::logsumexp(x, axes, keep), by_definition(x, axes, keep, logsumexp_of), within);
  Index count = 1;
  for (int axis : axes) count *= x.size(axis);
  if (count == 0) {
    CHECK_THROWS_AS(pf::max(x, axes, keep), pf::ShapeError);
    CHECK_THROWS_AS(pf::min(x, axes, keep), pf::ShapeError);
    CHECK_THROWS_AS(pf::var(x, axes, keep), pf::ShapeError);
    return;
  }
  expect_equal(pf::max(x, axes, keep),
               by_definition(x, axes, keep, [](Group g) { return *std::max_element(g.begin(), g.end()); }));
  expect_equal(pf::min(x, axes, keep),
               by_definition(x, axes, keep, [](Group g) { return *std::min_element(g.begin(), g.end()); }));
  expect_equal(pf::var(x, axes, keep), by_definition(x, axes, keep, variance_of), within);
}

}  // namespace

TEST_CASE("reductions over any subset of axes are what their definitions say") {
  Dice dice(1);
  for (int i = 0; i < 300; ++i) {
    const Shape shape = dice.shape(0, 6, 4);
    const std::vector<int> axes = dice.axes(shape.rank());
    check_reductions(dice.tensor(shape), axes, dice.coin(), 1e-13);
    check_reductions(dice.tensor<float>(shape), axes, dice.coin(), 1e-5);
  }
}

TEST_CASE("long rows, columns and middles take other loops and give the same sums") {
  Dice dice(2);
  const Shape shapes[] = {{31},    {32},       {63},      {64},       {65},        {1000},       {16384}, {16385},
                          {40000}, {3, 20000}, {2000, 3}, {3000, 70}, {3, 50, 70}, {2, 1500, 3}, {7, 33}, {33, 7}};
  for (const Shape& shape : shapes) {
    const Tensor<double> x = dice.tensor(shape);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      INFO(shape.str() << " over " << axis);
      expect_equal(pf::sum(x, axis), by_definition(x, {axis}, false, sum_of), 1e-12);
      expect_equal(pf::max(x, axis),
                   by_definition(x, {axis}, false, [](Group g) { return *std::max_element(g.begin(), g.end()); }));
      expect_equal(pf::min(x, axis),
                   by_definition(x, {axis}, false, [](Group g) { return *std::min_element(g.begin(), g.end()); }));
    }
    CHECK(pf::sum(x).item() == Approx(x.sum()).margin(1e-11));
    CHECK(pf::max(x).item() == x.max());
    CHECK(pf::min(x).item() == x.min());
  }
}

TEST_CASE("without axes everything is reduced to a scalar") {
  Dice dice(3);
  for (int i = 0; i < 50; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(0, 6, 3));
    std::vector<int> all;
    for (int axis = 0; axis < x.rank(); ++axis) all.push_back(axis);
    expect_equal(pf::sum(x), by_definition(x, all, false, sum_of), 1e-13);
    expect_equal(pf::mean(x), by_definition(x, all, false, mean_of), 1e-13);
    expect_equal(pf::prod(x), by_definition(x, all, false, product_of), 1e-13);
    expect_equal(pf::norm(x), by_definition(x, all, false, norm_of), 1e-13);
    expect_equal(pf::logsumexp(x), by_definition(x, all, false, logsumexp_of), 1e-13);
    if (!x.empty()) expect_equal(pf::var(x), by_definition(x, all, false, variance_of), 1e-13);
  }
}

TEST_CASE("a float sum of a million terms errs by rounding of a tree, not of a chain") {
  // A chain of n additions errs by up to n eps; 64 lanes of 128 additions and pairwise sums by about 200 eps.
  const Tensor<float> x = Tensor<float>::full({1'000'000}, 0.1f);
  const double exact = 1e6 * static_cast<double>(0.1f);
  CHECK(std::abs(static_cast<double>(pf::sum(x).item()) - exact) <= 200 * 6e-8 * exact);
}

TEST_CASE("a variance may be unbiased") {
  const Tensor<double> x({2, 3}, {1, 2, 6, 0, 0, 3});
  expect_equal(pf::var(x, 1, false, 1), Tensor<double>{7, 3}, 1e-15);
  expect_equal(pf::var(x, -1, true), Tensor<double>({2, 1}, {14.0 / 3, 2}), 1e-15);
  CHECK_THROWS_AS(pf::var(Tensor<double>({2, 1}, {1, 2}), 1, false, 1), pf::ShapeError);
  // A large mean must not swallow the deviations.
  CHECK(pf::var(Tensor<double>{1e9, 1e9 + 1, 1e9 + 2}).item() == Approx(2.0 / 3));
}

TEST_CASE("over nothing a sum is 0, a product 1, a mean NaN, a logsumexp -inf") {
  const Tensor<double> none = Tensor<double>::zeros({2, 0});
  expect_equal(pf::sum(none, 1), Tensor<double>{0, 0});
  expect_equal(pf::prod(none, 1), Tensor<double>{1, 1});
  expect_equal(pf::mean(none, 1), Tensor<double>{NAN, NAN});
  expect_equal(pf::logsumexp(none, 1), Tensor<double>{-inf, -inf});
  expect_equal(pf::norm(none, 1), Tensor<double>{0, 0});
  CHECK(pf::max(none, 0).shape() == Shape{0});
  CHECK(message_of<pf::ShapeError>([&] { pf::max(none, 1); }) ==
        "max: the reduced axes of shape [2, 0] have no elements, expected at least one");
}

TEST_CASE("logsumexp neither overflows nor underflows") {
  expect_equal(pf::logsumexp(Tensor<double>({4, 2}, {1000, 1000, -1000, -1001, -inf, 3, -inf, -inf}), 1),
               Tensor<double>{1000 + std::log(2.0), -1000 + std::log1p(std::exp(-1)), 3, -inf}, 1e-15);
  expect_equal(pf::logsumexp(Tensor<double>{inf, 1}), Tensor<double>::scalar(inf));
  CHECK(std::isnan(pf::logsumexp(Tensor<double>{NAN, 1}).item()));
  CHECK(pf::logsumexp(Tensor<float>{500, 500}).item() == Approx(500 + std::log(2.0)));
}

TEST_CASE("softmax is exp over its sum along any axis, and log_softmax its exact logarithm") {
  Dice dice(4);
  for (int i = 0; i < 100; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 4, 5), -3, 3);
    const int axis = static_cast<int>(dice.integer(-x.rank(), x.rank() - 1));
    const Tensor<double> e = pf::exp(x), expected = e / pf::sum(e, axis, true);
    expect_equal(pf::softmax(x, axis), expected, 1e-14);
    expect_equal(pf::log_softmax(x, axis), pf::log(expected), 1e-13);
  }
  expect_equal(pf::log_softmax(Tensor<double>{0, -2000}), Tensor<double>{0, -2000});
  expect_equal(pf::softmax(Tensor<double>{-inf, 7, -inf}), Tensor<double>{0, 1, 0});
  CHECK_THROWS_AS(pf::softmax(Tensor<double>::scalar(1)), pf::IndexError);
}

TEST_CASE("argmax names the first of the largest along an axis") {
  Dice dice(5);
  for (int i = 0; i < 100; ++i) {
    const Shape shape = dice.shape(1, 4, 4);
    // Integers, so that ties are frequent.
    const Tensor<double> x =
        Tensor<double>::generate(shape, [&](Index) { return static_cast<double>(dice.integer(0, 2)); });
    const int axis = static_cast<int>(dice.integer(-x.rank(), x.rank() - 1));
    if (x.size(axis) == 0) {
      CHECK_THROWS_AS(pf::argmax(x, axis), pf::ShapeError);
      continue;
    }
    expect_equal(pf::argmax(x, axis), by_definition(x, {axis}, false, [](Group g) {
                   return static_cast<double>(std::max_element(g.begin(), g.end()) - g.begin());
                 }));
  }
  // NaN is the largest, as for max.
  expect_equal(pf::argmax(Tensor<double>({3, 3}, {1, NAN, 2, NAN, 1, NAN, 0, 2, NAN})), Tensor<Index>{1, 0, 2});
}

TEST_CASE("cumsum adds up along any axis") {
  Dice dice(6);
  for (int i = 0; i < 100; ++i) {
    const Tensor<double> x = dice.tensor(dice.shape(1, 4, 5));
    const int axis = static_cast<int>(dice.integer(0, x.rank() - 1));
    expect_equal(pf::cumsum(x, dice.coin() ? axis : axis - x.rank()),
                 support::from_positions(x.shape(),
                                         [&](Position p) {
                                           double total = 0;
                                           for (Index last = p[static_cast<std::size_t>(axis)], k = 0; k <= last; ++k) {
                                             p[static_cast<std::size_t>(axis)] = k;
                                             total += support::at(x, p);
                                           }
                                           return total;
                                         }),
                 1e-14);
  }
}

TEST_CASE("extremes keep NaN wherever it stands, and hold for positions") {
  for (Index n : {3, 40, 200, 20000})
    for (Index place : {Index{0}, n / 2, n - 1}) {
      const Tensor<float> x =
          Tensor<float>::generate({n}, [&](Index i) { return i == place ? NAN : static_cast<float>(i); });
      CHECK(std::isnan(pf::max(x).item()));
      CHECK(std::isnan(pf::min(x).item()));
      CHECK(std::isnan(pf::sum(x).item()));
      const Tensor<float> columns = pf::max(pf::reshape(x, {n, 1}) * Tensor<float>::ones({1, 3}), 0);
      CHECK(std::isnan(columns(2)));
    }
  const Tensor<Index> negative = Tensor<Index>::generate({100}, [](Index i) { return -1 - i; });
  CHECK(pf::max(negative).item() == -1);
  CHECK(pf::min(negative).item() == -100);
  CHECK(pf::max(-negative).item() == 100);
  CHECK(pf::min(-negative).item() == 1);
  CHECK(pf::sum(negative).item() == -5050);
}

TEST_CASE("axes that do not exist or come twice are refused by name") {
  const Tensor<> x = Tensor<>::zeros({2, 3});
  CHECK(message_of<pf::IndexError>([&] { pf::sum(x, 2); }) ==
        "sum: axis 2 does not exist in shape [2, 3], expected -2 to 1");
  CHECK(message_of<pf::ValueError>([&] {
          pf::mean(x, {0, -2});
        }) == "mean: axis -2 of shape [2, 3] is named twice, expected each axis once");
  CHECK(message_of<pf::IndexError>([&] { pf::max(x, -3); }).rfind("max: axis -3", 0) == 0);
  CHECK(message_of<pf::IndexError>([&] { pf::argmax(x, 5); }).rfind("argmax: axis 5", 0) == 0);
  CHECK(message_of<pf::IndexError>([&] { pf::cumsum(x, 5); }).rfind("cumsum: axis 5", 0) == 0);
  CHECK(message_of<pf::IndexError>([&] { pf::logsumexp(x, 5); }).rfind("logsumexp: axis 5", 0) == 0);
  CHECK(message_of<pf::IndexError>([&] { pf::sum(Tensor<>::scalar(1), 0); }) ==
        "sum: axis 0 does not exist in shape [], expected a shape with axes");
}
