#include <pushforward/autodiff/functional.hpp>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_equal;
using support::expect_gradients;
using support::Index;
using support::message_of;
using support::Shape;
using Tensor = pf::Tensor<double>;

namespace {

/// A map from [2, 3] to [4] with full Jacobian and Hessians.
Tensor map(const Tensor& x) {
  const Tensor flat = pf::flatten(x);
  return pf::concat({pf::exp(pf::select(x, 0, 0)) * pf::sum(pf::sin(flat)),
                     pf::reshape(pf::prod(flat) * pf::tanh(flat.size() * pf::mean(flat)), {1})});
}

const Tensor point({2, 3}, {0.3, -0.7, 1.2, 0.9, -0.4, 0.5});

/// Central differences of fourth order along v.
template <class F>
Tensor along(const F& f, const Tensor& x, const Tensor& v) {
  const double h = 1e-3;
  return (8 * (f(x + h * v) - f(x - h * v)) - (f(x + 2 * h * v) - f(x - 2 * h * v))) / (12 * h);
}

}  // namespace

TEST_CASE("jvp is the difference along its tangent, and vjp its adjoint") {
  Dice dice(1);
  for (int i = 0; i < 5; ++i) {
    const Tensor v = dice.tensor({2, 3}), u = dice.tensor({4});
    const auto [value, forward] = pf::jvp(map, point, v);
    expect_equal(value, map(point));
    expect_equal(forward, along(map, point, v), 1e-9);
    const auto [same, backward] = pf::vjp(map, point, u);
    expect_equal(same, map(point));
    CHECK(!backward.tracked());
    CHECK((u * forward).sum() == Approx((backward * v).sum()).epsilon(1e-12));
  }
}

TEST_CASE("a Jacobian has one row per output, of the shapes of both") {
  const Tensor j = pf::jacobian(map, point);
  REQUIRE(j.shape() == Shape{4, 2, 3});
  for (Index k = 0; k < 6; ++k) {
    const Tensor unit = Tensor::generate({2, 3}, [&](Index i) { return i == k ? 1.0 : 0.0; });
    expect_equal(pf::select(pf::reshape(j, {4, 6}), 1, k), along(map, point, unit), 1e-9);
  }
  CHECK(pf::jacobian([](const Tensor& x) { return pf::sum(x); }, point).shape() == Shape{2, 3});
  expect_equal(pf::jacobian([](const Tensor&) { return Tensor{1, 2}; }, Tensor{5}), Tensor::zeros({2, 1}));
  CHECK(pf::jacobian([](const Tensor& x) { return x; }, Tensor::zeros({0})).shape() == Shape{0, 0});
  CHECK_THROWS_AS(pf::jacobian([](const Tensor& x) { return x; }, Tensor::zeros({1, 1, 1, 1})), pf::ShapeError);
}

TEST_CASE("a Hessian-vector product is the difference of gradients along the vector") {
  Dice dice(2);
  auto f = [](const Tensor& x) { return pf::sum(pf::square(map(x))); };
  auto slope = [&](const Tensor& x) { return pf::value_and_gradient(f, x).gradient; };
  const Tensor v = dice.tensor({2, 3});
  expect_equal(pf::hessian_vector_product(f, point, v), along(slope, point, v), 1e-8);
  expect_equal(slope(point), pf::vjp(f, point, Tensor::scalar(1)).product);
  // Linear functions have none.
  expect_equal(pf::hessian_vector_product([](const Tensor& x) { return pf::sum(3 * x); }, point, v),
               Tensor::zeros({2, 3}));
}

TEST_CASE("products with functions that ignore their argument are zeros") {
  const Tensor w = pf::variable(Tensor{1, 2});
  const Tensor x{5, 6, 7};
  for (const Tensor& y : {Tensor{1, 2}, w}) {
    auto constant = [&](const Tensor&) { return y * 2; };
    expect_equal(pf::jvp(constant, x, x).product, Tensor{0, 0});
    expect_equal(pf::vjp(constant, x, Tensor{1, 1}).product, Tensor{0, 0, 0});
    expect_equal(pf::jacobian(constant, x), Tensor::zeros({2, 3}));
  }
}

TEST_CASE("derivatives of functions are the same inside NoGradient") {
  auto f = [](const Tensor& x) { return pf::sum(pf::square(map(x))); };
  const Tensor v = Tensor::ones({2, 3});
  const auto value = pf::value_and_gradient(f, point);
  const Tensor forward = pf::jvp(map, point, v).product, backward = pf::vjp(map, point, Tensor::ones({4})).product;
  const Tensor jacobian = pf::jacobian(map, point), hessian = pf::hessian_vector_product(f, point, v);
  const pf::NoGradient guard;
  expect_equal(pf::value_and_gradient(f, point).gradient, value.gradient);
  expect_equal(pf::jvp(map, point, v).product, forward);
  expect_equal(pf::vjp(map, point, Tensor::ones({4})).product, backward);
  expect_equal(pf::jacobian(map, point), jacobian);
  expect_equal(pf::hessian_vector_product(f, point, v), hessian);
  CHECK(!(pf::variable(point) * 2).tracked());
}

TEST_CASE("directions of the wrong shape are refused") {
  const Tensor v{1, 2};
  CHECK(message_of<pf::ShapeError>([&] { pf::jvp(map, point, v); }) ==
        "jvp: tangent of shape [2], expected the shape of x, [2, 3]");
  CHECK(message_of<pf::ShapeError>([&] { pf::vjp(map, point, v); }) ==
        "vjp: cotangent of shape [2], expected the shape of the output, [4]");
  CHECK_THROWS_AS(pf::hessian_vector_product([](const Tensor& x) { return pf::sum(x * x); }, point, v), pf::ShapeError);
  CHECK_THROWS_AS(pf::value_and_gradient([](const Tensor& x) { return x; }, point), pf::ShapeError);
}

TEST_CASE("a primitive takes part in gradients of every order through its rule") {
  auto cube = [](const Tensor& x) {
    return pf::primitive([](const Tensor& t) { return t * t * t; },
                         [](const Tensor& g, const Tensor&, const Tensor& t) { return g * 3 * t * t; }, x);
  };
  expect_gradients(cube, Tensor{0.5, -1, 2}, {.order = 3});
  // A rule that is written with the output, one that returns several cotangents, and a pair for two inputs.
  expect_gradients(
      [](const Tensor& x) {
        return pf::primitive([](const Tensor& t) { return pf::exp(t); },
                             [](const Tensor& g, const Tensor& y, const Tensor&) { return g * y; }, x);
      },
      Tensor{0.5, -1}, {.order = 3});
  auto product = [](const Tensor& x, const Tensor& y) {
    return pf::primitive([](const Tensor& a, const Tensor& b) { return a * b; },
                         [](const Tensor& g, const Tensor&, const Tensor& a, const Tensor& b) {
                           return std::array{g * b, g * a};
                         },
                         x, y);
  };
  expect_gradients(product, Tensor{0.5, -1}, Tensor{2, 3}, {.order = 3});
  expect_gradients([&](const Tensor& x) { return product(x, product(x, x)); }, Tensor{0.5, -1}, {.order = 3});
  // Parameters stand where tensors do.
  const pf::Parameter<double> w(Tensor{2, 3});
  const Tensor x = pf::variable(Tensor{5, 7});
  const Tensor y = pf::primitive(
      [](const Tensor& a, const Tensor& b) { return a * b; },
      [](const Tensor& g, const Tensor&, const Tensor& a, const Tensor& b) { return std::tuple(g * b, g * a); }, x, w);
  expect_equal(pf::gradient(pf::sum(y), w.tensor()), Tensor{5, 7});
}

TEST_CASE("a primitive is a constant without variables, and its rule must return the shapes of its inputs") {
  auto wrong = [](const Tensor& x) {
    return pf::primitive([](const Tensor& t) { return pf::sum(t); },
                         [](const Tensor& g, const Tensor&, const Tensor&) { return g; }, x);
  };
  CHECK(!wrong(Tensor{1, 2}).tracked());
  const Tensor x = pf::variable(Tensor{1, 2});
  const Tensor y = wrong(x);
  CHECK(y.tracked());
  CHECK(message_of<pf::ShapeError>([&] { pf::gradient(y, x); }) ==
        "primitive: the cotangent of input 0 has shape [], expected the shape of the input, [2]");
  const pf::NanCheck check;
  CHECK(message_of<pf::ValueError>([&] {
          pf::primitive([](const Tensor&) { return Tensor{NAN}; },
                        [](const Tensor& g, const Tensor&, const Tensor&) { return g; }, x);
        }).rfind("NanCheck: primitive produced nan", 0) == 0);
}

TEST_CASE("checkpoint gives the plain gradients, of x and of parameters, to order 3") {
  Dice dice(3);
  auto f = [](const support::Inputs& in) { return pf::tanh(pf::matmul(in[0], in[1])) * pf::sum(in[0]); };
  auto checked = [&](const support::Inputs& in) {
    return pf::checkpoint([&f, w = in[1]](const Tensor& t) { return f({t, w}); }, in[0]);
  };
  const support::Inputs inputs{dice.tensor({2, 3}), dice.tensor({3, 2})};
  support::expect_gradients_of_all(checked, inputs, {.order = 3});
  // Nested, and with a constant argument.
  support::expect_gradients_of_all(
      [&](const support::Inputs& in) {
        return pf::checkpoint([&checked, w = in[1]](const Tensor& t) { return checked({pf::exp(t), w}); }, in[0]);
      },
      inputs, {.order = 2});
  support::expect_gradients_of_all(
      [&](const support::Inputs& in) {
        return checked({Tensor::ones({2, 3}), in[0]});
      },
      {inputs[1]}, {.order = 2});

  pf::Rng rng(0);
  const pf::Linear<double> layer(3, 3, rng);
  const Tensor x = pf::variable(dice.tensor({4, 3}));
  const Tensor plain = pf::sum(pf::square(pf::tanh(layer(x)))),
               saved = pf::sum(pf::square(pf::checkpoint([&](const Tensor&t) { return pf::tanh(layer(t)); }, x)));
  expect_equal(saved, plain);
  expect_equal(pf::gradient(saved, x), pf::gradient(plain, x));
  const auto a = pf::gradient(saved, layer), b = pf::gradient(plain, layer);
  expect_equal(a[0], b[0]);
  expect_equal(a[1], b[1]);
}

TEST_CASE("a checkpointed function may hold its own argument, or what the argument was computed from") {
  const Tensor w = pf::variable(Tensor{0.5, 2});
  auto slopes = [&](const Tensor& y) {
    const Tensor first = pf::gradient(pf::sum(y), w, {.create_graph = true});
    return std::array{pf::stop_gradient(first), pf::gradient(pf::sum(first), w)};
  };
  const Tensor h = pf::exp(w);
  const std::array<Tensor, 3> checked{pf::checkpoint([w](const Tensor& t) { return t * w; }, w),
                                      pf::checkpoint([w](const Tensor& t) { return t * w; }, h),
                                      pf::checkpoint([h](const Tensor& t) { return t * h; }, h)};
  const std::array<Tensor, 3> plain{w * w, h * w, h * h};
  for (std::size_t i = 0; i < 3; ++i) {
    INFO("case " << i);
    const auto a = slopes(checked[i]), b = slopes(plain[i]);
    expect_equal(a[0], b[0], 1e-15);
    expect_equal(a[1], b[1], 1e-15);
    expect_equal(pf::gradient(pf::sum(checked[i]), w), b[0], 1e-15);
  }
}

TEST_CASE("checkpoint is constant for constants and inside NoGradient, and finds replaced parameters") {
  CHECK(!pf::checkpoint([](const Tensor& t) { return t * 2; }, Tensor{1}).tracked());
  const Tensor x = pf::variable(Tensor{1, 2});
  {
    const pf::NoGradient guard;
    CHECK(!pf::checkpoint([](const Tensor& t) { return t * 2; }, x).tracked());
  }
  pf::Parameter<double> w(Tensor{1, 2});
  const Tensor y = pf::sum(pf::checkpoint([&](const Tensor& t) { return t * w; }, x));
  w = Tensor{3, 4};
  CHECK(message_of<pf::GradientError>([&] {
          pf::gradient(y, x);
        }).rfind("checkpoint: a parameter that the function used has been replaced", 0) == 0);
}
