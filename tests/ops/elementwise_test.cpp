#include <pushforward/ops/elementwise.hpp>

#include <functional>

#include <pushforward/ops/math.hpp>
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
using support::Shape;

namespace {

using X = Tensor<double>;

/// The derivatives of order 1 to 3 of sum(f(x)) by x, each summed and differentiated again.
std::vector<X> derivatives(const std::function<X(const X&)>& f, const X& at, int order) {
  const X x = pf::variable(at);
  std::vector<X> found{f(x)};
  for (int k = 1; k <= order; ++k) {
    const X total = pf::sum(found.back());
    found.push_back(total.tracked() ? pf::gradient(total, x, {.create_graph = true}) : X::zeros(at.shape()));
  }
  return found;
}

void expect_same_derivatives(const char* name, const std::function<X(const X&)>& lambda,
                             const std::function<X(const X&)>& ops, const X& x) {
  const auto a = derivatives(lambda, x, 3), b = derivatives(ops, x, 3);
  for (std::size_t k = 0; k < a.size(); ++k) {
    INFO(name << ", order " << k);
    expect_equal(a[k], b[k], 1e-12);
  }
}

}  // namespace

// One lambda, two meanings: on lanes through elementwise, and on tensors through the operations.
#define EXPECT_SAME(expression, points) \
  expect_same_derivatives(              \
      #expression,                      \
      [](const X& t) {                  \
        return pf::elementwise(         \
            [](auto x) {                \
              using namespace pf;       \
              return expression;        \
            },                          \
            t);                         \
      },                                \
      [](const X& x) {                  \
        using namespace pf;             \
        return expression;              \
      },                                \
      points)

TEST_CASE("a lambda has the values and derivatives of the operations it names, to order 3") {
  const X line{-3.1, -1.2, -0.4, 0.3, 1.1, 2.9}, positive{0.3, 1, 2.2}, kinks{-1, 0, 0.5, 1};
  EXPECT_SAME(exp(x), line);
  EXPECT_SAME(log(x), positive);
  EXPECT_SAME(log1p(x), positive);
  EXPECT_SAME(expm1(x), line);
  EXPECT_SAME(sqrt(x), positive);
  EXPECT_SAME(sin(x) * cos(x), line);
  EXPECT_SAME(tanh(x), line);
  EXPECT_SAME(sigmoid(x), line);
  EXPECT_SAME(softplus(x), line);
  EXPECT_SAME(silu(x), line);
  EXPECT_SAME(gelu(x), line);
  EXPECT_SAME(erf(x), line);
  EXPECT_SAME(square(x) * x, line);
  EXPECT_SAME(pow(x, 3), line);
  EXPECT_SAME(pow(x, 0), line);
  EXPECT_SAME(pow(x, -1.5), positive);
  EXPECT_SAME((x + 2) * (2.5 - x) / (1 + x * x) - 3 * -x, line);
  EXPECT_SAME(2 / x - x / 3, line);
  EXPECT_SAME(relu(x) * x, line);
  EXPECT_SAME(abs(x) * x, line);
  EXPECT_SAME(clamp(x, -1, 1) * x, line);
  EXPECT_SAME(where(x > 0.5, x * x, 2 - x), line);
  EXPECT_SAME(where(x > 0.5, x * x, 0), line);
  EXPECT_SAME(where(x <= 0.5, 1.5, x * x), line);
  EXPECT_SAME(maximum(x, 0.5) * x + minimum(x * x, 1), line);
  // At kinks and ties, too.
  EXPECT_SAME(relu(x), kinks);
  EXPECT_SAME(abs(x), kinks);
  EXPECT_SAME(clamp(x, 0, 1), kinks);
  EXPECT_SAME(maximum(x, 0.5) + minimum(x, 0), kinks);
  EXPECT_SAME(maximum(x, x * x), kinks);
}

TEST_CASE("compound assignment and branches on plain conditions work inside a lambda") {
  auto f = [](auto x) {
    auto y = x;
    for (int i = 0; i < 3; ++i) y = y * x + 1;
    y += x;
    y -= 2;
    y *= x;
    y /= 4;
    return y;
  };
  const X x{-0.7, 0, 1.5};
  expect_same_derivatives(
      "loop", [&](const X& t) { return pf::elementwise(f, t); }, f, x);
}

TEST_CASE("several arguments broadcast, and every mixed derivative to order 3 is right") {
  Dice dice(1);
  auto f2 = [](auto x, auto y) { return x * sigmoid(y) + exp(x * y) / (2 + sin(y)); };
  auto f3 = [](auto x, auto y, auto z) { return x * y * z + tanh(x + y * y) * exp(-z * z); };
  for (int i = 0; i < 25; ++i) {
    const auto [a, b] = dice.broadcastable(4, 3);
    if (pf::broadcast(a, b).size() > 8) continue;
    INFO(a.str() << " and " << b.str());
    expect_gradients([&](const X& x, const X& y) { return pf::elementwise(f2, x, y); }, dice.tensor(a), dice.tensor(b),
                     {.order = 3});
  }
  support::expect_gradients_of_all([&](const support::Inputs& in) { return pf::elementwise(f3, in[0], in[1], in[2]); },
                                   {dice.tensor({2, 1}), dice.tensor({2}), dice.tensor({})}, {.order = 3});
  CHECK(pf::elementwise(f2, X::zeros({0, 3}), X::zeros({3})).shape() == Shape{0, 3});
  CHECK(message_of<pf::ShapeError>([&] {
          pf::elementwise(f2, X{1, 2}, X{1, 2, 3});
        }).rfind("elementwise: shapes [2] and [3] do not broadcast", 0) == 0);
}

TEST_CASE("values and gradients are those of the scalar formula over long tensors, in float and double") {
  Dice dice(2);
  auto f = [](auto x, auto y) { return x * sigmoid(y) - log(1 + x * x); };
  auto check = [&]<class S>(S, double within) {
    const Tensor<S> x = pf::variable(dice.tensor<S>({70'001}, -2, 2)),
                    y = pf::variable(dice.tensor<S>({70'001}, -2, 2));
    const Tensor<S> z = pf::elementwise(f, x, y);
    const auto [gx, gy] = pf::gradient(pf::sum(z), {x, y});
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i) {
      const double u = static_cast<double>(x.data()[i]), v = static_cast<double>(y.data()[i]),
                   s = 1 / (1 + std::exp(-v));
      worst = std::max({worst, std::abs(static_cast<double>(z.data()[i]) - (u * s - std::log(1 + u * u))),
                        std::abs(static_cast<double>(gx.data()[i]) - (s - 2 * u / (1 + u * u))),
                        std::abs(static_cast<double>(gy.data()[i]) - u * s * (1 - s))});
    }
    CHECK(worst <= within);
  };
  check(0.0, 1e-14);
  check(0.0f, 1e-6);
}

TEST_CASE("a fourth derivative is refused in a sentence, not computed wrong") {
  const X at{0.5, 1};
  auto f = [](const X& t) { return pf::elementwise([](auto x) { return exp(x); }, t); };
  CHECK(derivatives(f, at, 3).size() == 4);
  CHECK(
      message_of<pf::GradientError>([&] { derivatives(f, at, 4); }) ==
      "elementwise: derivatives exist up to order 3, and one more was asked for; use primitive() or plain operations");
}

TEST_CASE("a lambda may return a constant or one of its arguments, and capture numbers") {
  const double scale = 2.5;
  const X x = pf::variable(X{1, 2});
  expect_equal(pf::gradient(pf::sum(pf::elementwise([=](auto a) { return a * scale; }, x)), x), X{2.5, 2.5});
  expect_equal(pf::gradient(pf::sum(pf::elementwise([](auto) { return 3.0; }, x)), x), X{0, 0});
  expect_equal(pf::gradient(pf::sum(pf::elementwise([](auto a, auto) { return a; }, x, X{5, 6})), x), X{1, 1});
  // The same tensor for two arguments: both derivatives add up.
  expect_equal(pf::gradient(pf::sum(pf::elementwise([](auto a, auto b) { return a * b; }, x, x)), x), X{2, 4});
}

TEST_CASE("NaN passes through the selections of a lambda") {
  const X x{NAN, 1};
  expect_equal(pf::elementwise([](auto a) { return relu(a); }, x), X{NAN, 1});
  expect_equal(pf::elementwise([](auto a) { return abs(a); }, x), X{NAN, 1});
  expect_equal(pf::elementwise([](auto a) { return maximum(a, 0.5) + minimum(a, 2); }, x), X{NAN, 2});
  expect_equal(pf::elementwise([](auto a) { return clamp(a, 0, 1); }, x), X{NAN, 1});
}
