#include "pushforward/testing/check_gradients.hpp"

#include "pushforward/ops/elementwise.hpp"
#include "pushforward/ops/matmul.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Tensor;
using pf::testing::check_gradients;
using pf::testing::CheckFailed;

namespace {

// x^3 whose rule claims `factor` x^2: right for 3.
auto cube(double factor) {
  return [factor](const auto& x) {
    using T = std::remove_cvref_t<decltype(x)>;
    return pf::primitive([](const T& v) { return v * v * v; },
                         [factor](const T& g, const T&, const T& v) { return T(factor * g * v * v); }, x);
  };
}

// x^3 with a right gradient that is not differentiable itself.
auto once(const Tensor<double>& x) {
  return pf::primitive([](const Tensor<double>& v) { return v * v * v; },
                       [](const Tensor<double>& g, const Tensor<double>&, const Tensor<double>& v) {
                         return g * pf::stop_gradient(3 * v * v);
                       },
                       x);
}

Tensor<> float_only(const Tensor<>& x) { return x * pf::exp(x); }

}  // namespace

TEST_CASE("right gradients pass at every order") {
  const Tensor<double> x({2, 3}, {0.3, -1.2, 2.0, 0.7, -0.4, 1.1});
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::sum(pf::exp(v) * pf::sin(v)); }, x, {.order = 3}));
  CHECK_NOTHROW(check_gradients(cube(3), x, {.order = 3}));
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::matmul(v, v, {.transpose_b = true}); }, x, {.order = 2}));
}

TEST_CASE("a wrong factor in a gradient is found, and named with its place") {
  const Tensor<double> x({2}, {0.0, 2.0});
  CHECK_THROWS_AS(check_gradients(cube(3.0001), x), CheckFailed);
  CHECK_THROWS_WITH(check_gradients(cube(2), x),
                    Catch::Matchers::ContainsSubstring("order 1, input 0, element [1] at x = 2"));
}

TEST_CASE("a gradient that is not differentiable is found at order 2 only") {
  const Tensor<double> x({2}, {0.5, 2.0});
  CHECK_NOTHROW(check_gradients(once, x));
  CHECK_THROWS_WITH(check_gradients(once, x, {.order = 2}), Catch::Matchers::ContainsSubstring("order 2"));
}

TEST_CASE("a forgotten dependence is found though the result is no longer tracked") {
  CHECK_THROWS_AS(check_gradients([](const Tensor<double>& x) { return pf::stop_gradient(x); }, Tensor<double>{1.0}),
                  CheckFailed);
}

TEST_CASE("several inputs, one of which has the wrong gradient") {
  const Tensor<double> x({2}, {0.5, 2.0}), y({2, 1}, {1.5, -1.0});
  CHECK_NOTHROW(check_gradients([](auto a, auto b) { return a * b / (1 + a * a); }, {x, y}, {.order = 2}));
  CHECK_THROWS_WITH(check_gradients([](auto a, auto b) { return a * cube(1)(b); }, {x, y}),
                    Catch::Matchers::ContainsSubstring("input 1"));
}

TEST_CASE("floats are checked too, and functions of floats alone") {
  const Tensor<> x({3}, {0.3f, -1.2f, 2.0f});
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::sum(float_only(v)); }, x, {.order = 2}));
  CHECK_NOTHROW(check_gradients(float_only, x, {.order = 2}));
  CHECK_THROWS_AS(check_gradients(cube(3.05), x), CheckFailed);
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::elementwise([](auto u) { return u * sigmoid(u); }, v); }, x,
                                {.order = 2}));
}

TEST_CASE("floats are promoted for a function of doubles alone") {
  CHECK_NOTHROW(check_gradients(once, Tensor<>{0.5f, 2.0f}));
  CHECK_THROWS_AS(check_gradients([](const Tensor<double>& v) { return cube(3.0001)(v); }, Tensor<>{2.0f}),
                  CheckFailed);
}

TEST_CASE("constants, nothing at all, and large numbers have right gradients") {
  CHECK_NOTHROW(check_gradients([](auto x) { return 0 * x; }, Tensor<double>{1.0, 2.0}, {.order = 3}));
  CHECK_NOTHROW(check_gradients([](auto x) { return pf::exp(x); }, Tensor<double>::zeros({0, 3}), {.order = 2}));
  CHECK_NOTHROW(check_gradients([](auto x) { return pf::square(x); }, Tensor<>{1e4f, -3e5f}));
}

TEST_CASE("a function that does not repeat, or is not finite, is refused") {
  pf::Rng rng(1);
  CHECK_THROWS_WITH(check_gradients([&](auto x) { return x * rng.uniform(); }, Tensor<double>{1.0}),
                    Catch::Matchers::ContainsSubstring("copy of its Rng"));
  CHECK_THROWS_AS(check_gradients([](auto x) { return pf::log(x); }, Tensor<double>{-1.0}), CheckFailed);
  CHECK_THROWS_AS(check_gradients([](auto x) { return x; }, Tensor<double>{1.0}, {.order = 0}), pf::ValueError);
}
