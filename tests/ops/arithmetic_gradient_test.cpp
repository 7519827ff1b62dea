#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/math.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_gradients;
using support::Index;
using support::Shape;
using support::Tensor;

namespace {

using Binary = Tensor<double> (*)(const Tensor<double>&, const Tensor<double>&);

struct Operation {
  const char* name;
  Binary f;
  double low, high;  // of its second operand
};

// A product makes each linear operation part of something that has a curvature.
const Operation operations[] = {
    {"add", [](const Tensor<double>& a, const Tensor<double>& b) { return (a + b) * a; }, -1, 1},
    {"subtract", [](const Tensor<double>& a, const Tensor<double>& b) { return (a - b) * b; }, -1, 1},
    {"multiply", [](const Tensor<double>& a, const Tensor<double>& b) { return a * b; }, -1, 1},
    {"divide", [](const Tensor<double>& a, const Tensor<double>& b) { return a / b; }, 0.5, 2},
    {"maximum", [](const Tensor<double>& a, const Tensor<double>& b) { return pf::maximum(a * a * a, b) * b; }, 1.1, 2},
    {"minimum", [](const Tensor<double>& a, const Tensor<double>& b) { return pf::minimum(a * a * a, b) * b; }, 1.1, 2},
    {"where", [](const Tensor<double>& a, const Tensor<double>& b) { return pf::where(a > 0, a * a * b, b * b * b); },
     -1, 1},
    {"pow", [](const Tensor<double>& a, const Tensor<double>& b) { return pf::pow(b, a); }, 0.5, 2},
};

}  // namespace

TEST_CASE("arithmetic has derivatives up to order 3 for every way in which two shapes broadcast") {
  const Shape shapes[] = {{}, {1}, {2}, {0}, {2, 1}, {3, 2}, {1, 2}, {3, 1, 2}, {1, 3, 1}, {2, 1, 1, 1, 1, 2}};
  Dice dice(1);
  for (const Operation& operation : operations)
    for (const Shape& a : shapes)
      for (const Shape& b : shapes) {
        bool fits = true;
        try {
          pf::broadcast(a, b);
        } catch (const pf::ShapeError&) {
          fits = false;
        }
        if (!fits || pf::broadcast(a, b).size() > 6) continue;
        INFO(operation.name << " of " << a.str() << " and " << b.str());
        // Away from the kink of `where` at 0 and of maximum at a^3 = b.
        const Tensor<double> x =
            Tensor<double>::generate(a, [&](Index) { return (dice.coin() ? 1 : -1) * dice.uniform(0.2, 0.9); });
        expect_gradients(operation.f, x, dice.tensor(b, operation.low, operation.high),
                         {.order = a.size() * b.size() <= 6 ? 3 : 2});
      }
}

TEST_CASE("gradients of a loop over long runs are those of short ones") {
  // 40 columns take the row-by-row loop of broadcasting; its result is summed over rows by the column reduction.
  Dice dice(2);
  const Tensor<double> x = dice.tensor({3, 40}), row = dice.tensor({40}, 0.5, 2), column = dice.tensor({3, 1}, 0.5, 2);
  for (const Operation& operation : operations) {
    INFO(operation.name);
    expect_gradients(operation.f, x, row + column, {.order = 1});
    expect_gradients([&](const Tensor<double>& r) { return pf::square(operation.f(x * x + 0.1, r)); }, row + 1.1,
                     {.order = 1});
    expect_gradients([&](const Tensor<double>& c) { return pf::square(operation.f(x * x + 0.1, c)); }, column + 1.1,
                     {.order = 1});
  }
}

TEST_CASE("arithmetic with plain numbers has derivatives up to order 3") {
  using X = Tensor<double>;
  const X at({2, 2}, {0.3, -0.7, 1.2, 2.1});
  expect_gradients([](const X& x) { return (x + 2) * (2.5 + x) * (x - 1) * (3 - x); }, at, {.order = 3});
  expect_gradients([](const X& x) { return (x * 3) * (-2 * x) * (x / 4); }, at, {.order = 3});
  expect_gradients([](const X& x) { return 2 / x - -x * x; }, at, {.order = 3});
  expect_gradients([](const X& x) { return pf::maximum(x, 1) * x + pf::minimum(x, 0.5) * x * x; }, at, {.order = 3});
  expect_gradients([](const X& x) { return pf::where(x > 0.5, x * x * x, 2) + pf::where(x <= 0.5, 3, x * x); }, at,
                   {.order = 3});
}

TEST_CASE("compound assignment is differentiable and leaves other handles alone") {
  expect_gradients(
      [](Tensor<double> x) {
        const Tensor<double> before = x;
        x += before * x;
        x -= 2;
        x *= before;
        x /= 3 + before * before;
        return x;
      },
      Tensor<double>({3}, {0.3, -0.7, 1.2}), {.order = 3});
}

TEST_CASE("expand and sum_to are adjoint to every order") {
  Dice dice(3);
  for (int i = 0; i < 40; ++i) {
    const std::pair<Shape, Shape> pair = dice.broadcastable(4, 3);
    const Shape &a = pair.first, full = pf::broadcast(a, pair.second);
    INFO(a.str() << " to " << full.str());
    const Tensor<double> x = dice.tensor(a), y = dice.tensor(full);
    if (full.size() <= 24) {
      expect_gradients([&](const Tensor<double>& t) { return pf::square(pf::expand(t, full)) * y; }, x, {.order = 2});
      expect_gradients([&](const Tensor<double>& t) { return pf::square(pf::sum_to(t, a)); }, y, {.order = 2});
    }
    // <expand(x), y> = <x, sum_to(y)>
    CHECK((pf::expand(x, full) * y).sum() == Approx((x * pf::sum_to(y, a)).sum()).margin(1e-12));
  }
}

TEST_CASE("at a tie of maximum and minimum each side gets half") {
  const Tensor<double> x = pf::variable(Tensor<double>{1, 2, 3}), y = pf::variable(Tensor<double>{1, 3, 2});
  for (auto* f : {static_cast<Binary>(pf::maximum<double>), static_cast<Binary>(pf::minimum<double>)}) {
    const Tensor<double> z = f(x, y);
    const auto [gx, gy] = pf::vjp(z, {x, y}, Tensor<double>::ones({3}));
    CHECK(gx(0) == 0.5);
    CHECK(gy(0) == 0.5);
    support::expect_equal(gx + gy, Tensor<double>::ones({3}));
  }
}

TEST_CASE("where lets no gradient, and no NaN, through from what was not chosen") {
  const Tensor<double> x = pf::variable(Tensor<double>{-1, 0, 4});
  const Tensor<double> safe = pf::where(x > 0, x, 1.0);
  const Tensor<double> y = pf::where(x > 0, pf::sqrt(safe), 0);
  support::expect_equal(pf::vjp(y, {x}, Tensor<double>::ones({3}))[0], Tensor<double>{0, 0, 0.25});
  // The unchosen side is NaN, its cotangent must be 0.
  const Tensor<double> u = pf::variable(Tensor<double>{1, 2}), v = pf::variable(Tensor<double>{NAN, NAN});
  const Tensor<double> w = pf::where(Tensor<double>{1, 1}, u, v);
  const auto [gu, gv] = pf::vjp(w, {u, v}, Tensor<double>::ones({2}));
  support::expect_equal(gu, Tensor<double>{1, 1});
  support::expect_equal(gv, Tensor<double>{0, 0});
}
