#include <pushforward/nn/time_mlp.hpp>

#include <cmath>

#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

TEST_CASE("a TimeMlp gives the same for a number as for one time per row") {
  pf::Rng rng(1);
  for (const Index frequencies : {0, 3}) {
    const pf::TimeMlp<double> net(2, {8, 8}, rng, {.outputs = 3, .frequencies = frequencies});
    const Tensor<double> x = pf::normal<double>({5, 2}, rng);
    const Tensor<double> rows = net(x, Tensor<double>::full({5}, 0.37)), number = net(x, 0.37);
    REQUIRE(rows.shape() == pf::Shape{5, 3});
    CHECK(pf::max(pf::abs(rows - number)).item() < 1e-13);
    CHECK(pf::max(pf::abs(net(x, 0.5) - number)).item() > 1e-3);
  }
}

TEST_CASE("a TimeMlp is a multilayer perceptron of (x, t)") {
  pf::Rng rng(2);
  const pf::TimeMlp<double> net(2, {4}, rng, {.activation = pf::Activation::tanh});
  const Tensor<double> x({1, 2}, {0.3, -1.2}), w = net.layers[0].weight, b = net.layers[0].bias;
  Tensor<double> h = Tensor<double>::generate(
      {1, 4}, [&](Index j) { return std::tanh(w(j, 0) * 0.3 + w(j, 1) * -1.2 + w(j, 2) * 0.8 + b(j)); });
  CHECK(pf::max(pf::abs(net(x, 0.8) - net.layers[1](h))).item() < 1e-13);
  CHECK(net.layers[1].weight.shape() == pf::Shape{2, 4});
}

TEST_CASE("a TimeMlp is a module with gradients in the points and the times") {
  pf::Rng rng(3);
  for (const Index frequencies : {0, 2}) {
    pf::TimeMlp<double> net(2, {5}, rng, {.activation = pf::Activation::tanh, .frequencies = frequencies});
    CHECK(pf::count_parameters(net) == (frequencies ? 2 + 2 * frequencies : 3) * 5 + 5 + 2 * 5 + 2);
    CHECK_NOTHROW(
        pf::testing::check_gradients([&](const Tensor<double>& x, const Tensor<double>& t) { return net(x, t); },
                                     {pf::normal<double>({3, 2}, rng), pf::uniform<double>({3}, rng)}));
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return net(x, 0.4); },
                                               pf::normal<double>({3, 2}, rng), {.order = 2}));
    const Tensor<double> x = pf::normal<double>({4, 2}, rng);
    const auto by_rows = pf::gradient(pf::sum(net(x, Tensor<double>::full({4}, 0.2))), net);
    const auto by_number = pf::gradient(pf::sum(net(x, 0.2)), net);
    for (std::size_t i = 0; i < by_rows.size(); ++i) CHECK(pf::max(pf::abs(by_rows[i] - by_number[i])).item() < 1e-12);
  }
}

TEST_CASE("a TimeMlp refuses other sizes and shapes") {
  pf::Rng rng(4);
  CHECK_THROWS_AS(pf::TimeMlp<>(0, {4}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::TimeMlp<>(2, {4}, rng, {.outputs = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::TimeMlp<>(2, {4}, rng, {.frequencies = -1}), pf::ValueError);
  const pf::TimeMlp<> net(2, {4}, rng);
  CHECK_THROWS_AS(net(Tensor<>::zeros({3, 3}), 0.5), pf::ShapeError);
  CHECK_THROWS_AS(net(Tensor<>::zeros({2}), 0.5), pf::ShapeError);
  CHECK_THROWS_AS(net(Tensor<>::zeros({3, 2}), Tensor<>::zeros({2})), pf::ShapeError);
  CHECK_THROWS_AS(net(Tensor<>::zeros({3, 2}), Tensor<>::zeros({3, 1})), pf::ShapeError);
  CHECK_THROWS_AS(pf::TimeMlp<>()(Tensor<>::zeros({3, 2}), 0.5), pf::ValueError);
}
