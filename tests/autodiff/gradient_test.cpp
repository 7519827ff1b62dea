#include <pushforward/autodiff/gradient.hpp>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::message_of;
using support::Shape;
using Tensor = pf::Tensor<double>;

namespace {

struct Tied {
  pf::Parameter<double> w;
  Tensor operator()(const Tensor& x) const { return pf::matmul(pf::matmul(x, w), w); }
  static void members(auto& self, auto&& visit) { visit("w", self.w); }
};

}  // namespace

TEST_CASE("a gradient has the shape of its input; an input on no path gets zeros") {
  const Tensor x = pf::variable(Tensor{1, 2}), y = pf::variable(Tensor({2, 2}, {1, 2, 3, 4})),
               unused = pf::variable(Tensor::ones({3, 0, 2}));
  const auto [gx, gy, gu] = pf::gradient(pf::sum(x * y), {x, y, unused});
  expect_equal(gx, Tensor{4, 6});
  expect_equal(gy, Tensor({2, 2}, {1, 2, 1, 2}));
  CHECK(gu.shape() == unused.shape());
  const std::vector<Tensor> inputs{unused, x};
  const std::vector<Tensor> found = pf::gradient(pf::sum(x), inputs);
  CHECK(found[0].shape() == unused.shape());
  expect_equal(found[1], Tensor{1, 1});
  CHECK(pf::gradient(pf::sum(x), std::vector<Tensor>{}).empty());
  // The same variable named twice gets the same gradient twice.
  const auto [a, b] = pf::gradient(pf::sum(x * x), {x, x});
  expect_equal(a, b);
}

TEST_CASE("gradients reach intermediate results, and the loss itself") {
  const Tensor x = pf::variable(Tensor{1, 2}), h = pf::exp(x), loss = pf::sum(h * h);
  const auto [gl, gh, gx] = pf::gradient(loss, {loss, h, x});
  expect_equal(gl, Tensor::scalar(1));
  expect_equal(gh, 2 * pf::stop_gradient(h));
  expect_equal(gx, 2 * pf::stop_gradient(h * h), 1e-15);
  CHECK(pf::gradient(loss, h).shape() == h.shape());
  // Later than the loss: on no path.
  const Tensor later = loss * 2;
  expect_equal(pf::gradient(loss, later), Tensor::scalar(0));
}

TEST_CASE("a loss of any shape with one element will do, others are refused") {
  const Tensor x = pf::variable(Tensor{3});
  expect_equal(pf::gradient(x * x, x), Tensor{6});
  expect_equal(pf::gradient(pf::reshape(x * x, {1, 1, 1}), x), Tensor{6});
  const Tensor y = pf::variable(Tensor{1, 2});
  CHECK(message_of<pf::ShapeError>([&] { pf::gradient(y * y, y); }) ==
        "gradient: the loss has shape [2], expected one number; take its mean or sum first, or use vjp");
  CHECK_THROWS_AS(pf::gradient(pf::slice(y, 0, 0, 0), y), pf::ShapeError);
}

TEST_CASE("constants have no gradient, and the error says what to do") {
  const Tensor x = pf::variable(Tensor{1, 2}), constant{1, 2};
  CHECK(message_of<pf::GradientError>([&] { pf::gradient(pf::sum(x), constant); }) ==
        "gradient: input 0 of shape [2] is a constant, so nothing was recorded for it; compute the loss from x = "
        "variable(x) instead");
  CHECK(message_of<pf::GradientError>([&] {
          pf::gradient(pf::sum(x), {x, pf::stop_gradient(x)});
        }).rfind("gradient: input 1", 0) == 0);
  CHECK(message_of<pf::GradientError>([&] {
          pf::gradient(pf::sum(constant), x);
        }).rfind("gradient: the loss was not computed from any variable", 0) == 0);
  CHECK_THROWS_AS(pf::gradient(pf::sum(pf::stop_gradient(x)), x), pf::GradientError);
}

TEST_CASE("NoGradient records nothing and ends with its scope; create_graph works inside it") {
  const Tensor x = pf::variable(Tensor{1, 2}), loss = pf::sum(x * x * x);
  {
    const pf::NoGradient guard;
    CHECK(!(x * x).tracked());
    { const pf::NoGradient inner; }
    CHECK(!(x * x).tracked());
    const Tensor slope = pf::gradient(loss, x, {.create_graph = true});
    CHECK(slope.tracked());
    expect_equal(slope, Tensor{3, 12});
    CHECK(!(slope * 2).tracked());
  }
  CHECK((x * x).tracked());
  CHECK(!pf::gradient(loss, x).tracked());
  const Tensor slope = pf::gradient(loss, x, {.create_graph = true});
  expect_equal(pf::gradient(pf::sum(slope), x), Tensor{6, 12});
}

TEST_CASE("an error inside a gradient leaves recording as it was") {
  const Tensor x = pf::variable(Tensor{1, 2});
  Tensor y = pf::elementwise([](auto a) { return exp(a); }, x);
  for (int i = 0; i < 3; ++i) y = pf::gradient(pf::sum(y), x, {.create_graph = true});
  CHECK_THROWS_AS(pf::gradient(pf::sum(y), x), pf::GradientError);
  CHECK((x * x).tracked());
  {
    const pf::NoGradient guard;
    CHECK_THROWS_AS(pf::gradient(pf::sum(y), x, {.create_graph = true}), pf::Error);
    CHECK(!(x * x).tracked());
  }
}

TEST_CASE("a graph can be differentiated again and again, and in part") {
  const Tensor x = pf::variable(Tensor{0.5, 2});
  const Tensor loss = pf::sum(pf::exp(x) * pf::sin(x));
  const Tensor first = pf::gradient(loss, x), again = pf::gradient(loss, x);
  expect_equal(first, again);
  // stop_gradient cuts one of two paths.
  expect_equal(pf::gradient(pf::sum(x * pf::stop_gradient(x)), x), Tensor{0.5, 2});
}

TEST_CASE("a Wasserstein gradient penalty has the gradient that differences of it say, in every weight") {
  // Gulrajani et al. 2017, eq. 3: the penalty holds a gradient, whose own gradient trains the critic (mlpack #2891).
  Dice dice(1);
  const Tensor x = dice.tensor({4, 3});
  auto penalty = [&](const support::Inputs& w) {
    const Tensor at = pf::variable(x);
    const Tensor score = pf::linear(pf::linear(at, w[0], w[1], pf::Activation::tanh), w[2], w[3]);
    const Tensor slope = pf::gradient(pf::sum(score), at, {.create_graph = true});
    return pf::mean(pf::square(pf::norm(slope, 1) - 1));
  };
  support::expect_gradients_of_all(
      penalty, {dice.tensor({5, 3}), dice.tensor({5}), dice.tensor({1, 5}), dice.tensor({1})}, {.order = 2});
}

TEST_CASE("gradients nest: a loss may hold first and second derivatives of a network") {
  // Score matching (Hyvarinen 2005, eq. 4): trace of the Hessian and squared gradient of an energy.
  Dice dice(2);
  const Tensor x = dice.tensor({3, 2});
  auto loss = [&](const support::Inputs& w) {
    const Tensor at = pf::variable(x);
    const Tensor energy = pf::sum(pf::matmul(pf::softplus(pf::matmul(at, w[0])), w[1]));
    const Tensor score = pf::gradient(energy, at, {.create_graph = true});
    Tensor total = 0.5 * pf::sum(pf::square(score));
    for (int i = 0; i < 2; ++i)
      total += pf::sum(pf::select(pf::gradient(pf::sum(pf::select(score, 1, i)), at, {.create_graph = true}), 1, i));
    return total;
  };
  support::expect_gradients_of_all(loss, {dice.tensor({2, 4}), dice.tensor({4, 1})}, {.order = 2});
}

TEST_CASE("float gradients agree with double ones, to order 2") {
  Dice dice(3);
  auto second = [&]<class S>(S, const pf::Tensor<double>& at) {
    const auto x =
        pf::variable(pf::Tensor<S>::generate(at.shape(), [&](Index i) { return static_cast<S>(at.data()[i]); }));
    const auto y = pf::sum(pf::softmax(x) * pf::tanh(x) + pf::logsumexp(x * x, -1, true));
    const auto slope = pf::gradient(y, x, {.create_graph = true});
    return pf::gradient(pf::sum(slope * slope), x);
  };
  const Tensor at = dice.tensor({4, 6});
  expect_equal(second(0.0f, at), second(0.0, at), 1e-5);
}

TEST_CASE("parameters of modules are variables, and tied weights add up") {
  pf::Rng rng(0);
  const Tied tied{pf::Parameter<double>(Tensor({2, 2}, {1, 2, 3, 4}))};
  const Tensor x = Tensor::ones({1, 2});
  support::expect_gradients([&](const Tensor& w) { return pf::matmul(pf::matmul(x, w), w); }, tied.w.tensor());
  const auto by_module = pf::gradient(pf::sum(tied(x)), tied);
  REQUIRE(by_module.size() == 1);
  expect_equal(by_module[0], pf::gradient(pf::sum(tied(x)), tied.w.tensor()));
  const pf::Linear<double> layer(3, 2, rng);
  const auto g = pf::gradient(pf::sum(pf::square(layer(Tensor::ones({4, 3})))), layer);
  CHECK(g[0].shape() == Shape{2, 3});
  CHECK(g[1].shape() == Shape{2});
}

TEST_CASE("NanCheck names the operation where a NaN or an infinity is born, forwards and backwards") {
  const Tensor x = pf::variable(Tensor{4, 0});
  {
    const pf::NanCheck check;
    CHECK(message_of<pf::ValueError>([&] { pf::exp(pf::log(x)); }) ==
          "NanCheck: log produced -inf at element 1 of its result of shape [2], expected finite numbers");
    CHECK(message_of<pf::ValueError>([&] { x / x; }).rfind("NanCheck: divide produced nan at element 1", 0) == 0);
    CHECK(message_of<pf::ValueError>([&] {
            pf::elementwise([](auto a) { return 1 / a; }, x);
          }).rfind("NanCheck: elementwise produced inf", 0) == 0);
    CHECK(message_of<pf::ValueError>([&] {
            pf::concat({x, Tensor{NAN}});
          }).rfind("NanCheck: concat produced nan at element 2", 0) == 0);
    // The forward pass is fine, the slope of sqrt at 0 is not.
    const Tensor loss = pf::sum(pf::sqrt(x));
    CHECK(message_of<pf::ValueError>([&] {
            pf::gradient(loss, x);
          }).rfind("NanCheck: sqrt produced inf at element 1", 0) == 0);
  }
  CHECK_NOTHROW(pf::log(x));
}
