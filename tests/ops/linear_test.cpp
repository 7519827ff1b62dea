#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/matmul.hpp>

#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Activation;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::Inputs;
using support::message_of;
using support::Shape;

namespace {

constexpr Activation activations[] = {Activation::none,     Activation::relu, Activation::tanh, Activation::sigmoid,
                                      Activation::softplus, Activation::silu, Activation::gelu};

struct Case {
  Shape x;
  Index out;
};

const Case cases[] = {
    {{3}, 2},    {{4, 3}, 2}, {{2, 2, 3}, 2},         {{1, 1}, 1}, {{0, 3}, 2}, {{4, 0}, 2}, {{4, 3}, 0}, {{0}, 2},
    {{0, 0}, 0}, {{3}, 0},    {{2, 1, 1, 1, 1, 2}, 3}};

/// The layer from separate operations, which have tests of their own.
template <class S>
Tensor<S> plain(const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& b, Activation activation) {
  const Tensor<S> z = pf::matmul(x, w, {.transpose_b = true});
  return pf::activate(b.empty() ? z : z + b, activation);
}

/// Numbers for x, W and b that put no element of x W^T + b near the kink of relu.
Inputs away_from_kinks(const Case& c, Dice& dice) {
  while (true) {
    Inputs in{dice.tensor(c.x), dice.tensor({c.out, c.x[-1]}), dice.tensor({c.out})};
    const Tensor<double> z = pf::abs(pf::linear(in[0], in[1], in[2]));
    if (z.empty() || z.min() > 0.02) return in;
  }
}

}  // namespace

TEST_CASE("linear is activation(x W^T + b) for any rank of x, empty batches, no inputs and no outputs") {
  Dice dice(1);
  for (const Case& c : cases)
    for (const Activation activation : activations)
      for (const bool biased : {true, false}) {
        INFO(c.x.str() << " to " << c.out << ", activation " << static_cast<int>(activation)
                       << (biased ? "" : ", no bias"));
        const Index in = c.x[-1];
        auto check = [&]<class S>(S, double within) {
          const Tensor<S> x = dice.tensor<S>(c.x, -2, 2), w = dice.tensor<S>({c.out, in}),
                          b = biased ? dice.tensor<S>({c.out}) : Tensor<S>();
          expect_equal(pf::linear(x, w, b, activation), plain(x, w, b, activation), within);
        };
        check(0.0, 1e-14);
        check(0.0f, 2e-6);
      }
}

TEST_CASE("a wide layer, whose rows are finished in blocks, agrees with separate operations") {
  Dice dice(2);
  for (const Activation activation : activations)
    for (const Shape& shape : {Shape{257, 65}, Shape{3, 65}, Shape{1, 65}}) {
      INFO("activation " << static_cast<int>(activation) << " of " << shape.str());
      const Tensor<> x = dice.tensor<float>(shape), w = dice.tensor<float>({131, 65}), b = dice.tensor<float>({131});
      expect_equal(pf::linear(x, w, b, activation), plain(x, w, b, activation), 1e-5);
      const Tensor<> vx = pf::variable(x), vw = pf::variable(w), vb = pf::variable(b);
      // Recorded, a layer keeps more than its result; the numbers stay the same.
      expect_equal(pf::linear(vx, vw, vb, activation), pf::linear(x, w, b, activation));
      const auto fused = pf::gradient(pf::sum(pf::linear(vx, vw, vb, activation)), {vx, vw, vb});
      const auto apart = pf::gradient(pf::sum(plain(vx, vw, vb, activation)), {vx, vw, vb});
      for (std::size_t i = 0; i < 3; ++i) expect_equal(fused[i], apart[i], 2e-4);
    }
}

TEST_CASE("linear has derivatives in x, W and b up to order 3 with every activation") {
  Dice dice(3);
  for (const Case& c : cases)
    for (const Activation activation : activations) {
      INFO(c.x.str() << " to " << c.out << ", activation " << static_cast<int>(activation));
      const bool small = c.x.rank() == 1;
      support::expect_gradients_of_all([&](const Inputs& in) { return pf::linear(in[0], in[1], in[2], activation); },
                                       away_from_kinks(c, dice), {.order = small ? 3 : 2});
      if (small)
        support::expect_gradients_of_all(
            [&](const Inputs& in) { return pf::linear(in[0], in[1], Tensor<double>(), activation); },
            {dice.tensor(c.x, 0.1, 1), dice.tensor({c.out, c.x[-1]}, 0.1, 1)}, {.order = 2});
    }
}

TEST_CASE("any one of x, W and b may be the only variable") {
  Dice dice(4);
  const Inputs in = away_from_kinks({{2, 3}, 4}, dice);
  const Tensor<double>&x = in[0], &w = in[1], &b = in[2];
  for (const Activation activation : activations) {
    support::expect_gradients([&](const Tensor<double>& t) { return pf::linear(t, w, b, activation); }, x);
    support::expect_gradients([&](const Tensor<double>& t) { return pf::linear(x, t, b, activation); }, w);
    support::expect_gradients([&](const Tensor<double>& t) { return pf::linear(x, w, t, activation); }, b);
  }
}

TEST_CASE("an empty bias that is a variable has an empty gradient") {
  const Tensor<double> x = Tensor<double>::ones({2, 3}), w = pf::variable(Tensor<double>::ones({4, 3})),
                       b = pf::variable(Tensor<double>());
  const auto [gw, gb] = pf::gradient(pf::sum(pf::linear(x, w, b)), {w, b});
  CHECK(gw.shape() == w.shape());
  CHECK(gb.shape() == Shape{0});
}

TEST_CASE("under NanCheck a layer names itself, and good numbers pass in every mode") {
  Dice dice(5);
  const Tensor<> x = dice.tensor<float>({2, 3}), w = pf::variable(dice.tensor<float>({4, 3})),
                 b = pf::variable(dice.tensor<float>({4}));
  const pf::NanCheck check;
  for (const Activation activation : activations) {
    const Tensor<> y = pf::linear(x, w, b, activation);
    CHECK(pf::gradient(pf::sum(y), w).shape() == w.shape());
    INFO("activation " << static_cast<int>(activation));
    CHECK(message_of<pf::ValueError>([&] {
            pf::linear(Tensor<>({1, 3}, {1, NAN, 1}), w, b, activation);
          }) == "NanCheck: linear produced nan at element 0 of its result of shape [1, 4], expected finite numbers");
  }
}

TEST_CASE("layers that do not fit are refused") {
  const Tensor<> x = Tensor<>::zeros({2, 3}), w = Tensor<>::zeros({4, 3}), b = Tensor<>::zeros({4});
  CHECK(message_of<pf::ShapeError>([&] {
          pf::linear(Tensor<>::zeros({2, 5}), w, b);
        }) == "linear: input of shape [2, 5], expected [.., 3] for a weight of shape [4, 3]");
  CHECK(message_of<pf::ShapeError>([&] { pf::linear(x, w, Tensor<>::zeros({3})); }) ==
        "linear: bias of shape [3], expected [4]");
  CHECK(message_of<pf::ShapeError>([&] { pf::linear(x, b, b); }) == "linear: weight of shape [4], expected [out, in]");
  CHECK_THROWS_AS(pf::linear(Tensor<>::scalar(1), w, b, Activation::relu), pf::ShapeError);
  CHECK_THROWS_AS(pf::linear(x, w, Tensor<>::zeros({1, 4}), Activation::gelu), pf::ShapeError);
}
