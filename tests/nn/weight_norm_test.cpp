// WeightNorm: for every layer with a weight, and started from data.
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/nn/activations.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/nn/weight_norm.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_gradients;
using pf::testing::check_module;

namespace {

double off(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return pf::abs(a - b).max();
}

// The mean and variance over the batch and all positions of each channel.
std::pair<Tensor<double>, Tensor<double>> moments(const Tensor<double>& y, int channel) {
  std::vector<int> others;
  for (int i = 0; i < y.rank(); ++i)
    if (i != channel) others.push_back(i);
  return {pf::mean(y, others), pf::var(y, others)};
}

// Nothing changes at first; the start from data gives each channel mean 0 and variance 1; lengths are those of outputs,
// directions have no length; gradients of order 2 in inputs, directions and lengths.
template <class L>
void check_layer(const L& plain, const Tensor<double>& x, const Shape& lengths, int channel = 1) {
  pf::WeightNorm<L> layer(plain);
  CHECK(layer.length.shape() == lengths);
  CHECK(off(layer(x), plain(x)) < 1e-13);
  const auto y = layer.initialize(x);
  CHECK(off(y, layer(x)) == 0);
  const auto [middle, variance] = moments(y, channel);
  CHECK(pf::abs(middle).max() < 1e-12);
  CHECK(pf::abs(variance - 1).max() < 1e-11);
  CHECK_NOTHROW(check_module(layer, x));
  CHECK_NOTHROW(check_gradients([&](const Tensor<double>& at) { return layer(at); }, x, {.order = 2}));
  const auto run = [&](const Tensor<double>& direction, const Tensor<double>& length) {
    pf::WeightNorm<L> used = layer;
    static_cast<Tensor<double>&>(used.layer.weight) = direction;
    static_cast<Tensor<double>&>(used.length) = length;
    return used(x);
  };
  CHECK_NOTHROW(check_gradients([&](const Tensor<double>& v) { return run(v, layer.length); },
                                layer.layer.weight.tensor(), {.order = 2}));
  CHECK_NOTHROW(check_gradients([&](const Tensor<double>& g) { return run(layer.layer.weight, g); },
                                layer.length.tensor(), {.order = 2}));
  CHECK(off(run(3 * layer.layer.weight.tensor(), layer.length), y) < 1e-12);
}

}  // namespace

TEST_CASE("WeightNorm keeps the layer at first, and starts from data with unit variance") {
  pf::Rng rng(48);
  const pf::Linear<double> linear(5, 3, rng);
  pf::WeightNorm layer(linear);
  const auto x = 2 * pf::normal<double>({40, 5}, rng) + 1;
  CHECK(off(layer(x), linear(x)) < 1e-14);
  CHECK(off(layer(x, pf::Activation::tanh), pf::tanh(linear(x))) < 1e-14);
  const auto y = layer.initialize(x);
  CHECK(off(y, layer(x)) == 0);
  CHECK(pf::abs(pf::mean(y, 0)).max() < 1e-13);
  CHECK(pf::abs(pf::var(y, 0) - 1).max() < 1e-12);
  CHECK(off(pf::norm(layer.weight(), 1, true), pf::abs(layer.length.tensor())) < 1e-14);
  CHECK(pf::count_parameters(layer) == 3 * 5 + 3 + 3);
  // The length of the direction has no influence: its gradient lies across it (Salimans and Kingma 2016, eq. 3).
  const auto slopes = pf::gradient(pf::sum(pf::square(layer(x))), layer.layer.weight);
  CHECK(pf::abs(pf::sum(slopes * layer.layer.weight.tensor(), 1)).max() < 1e-10);
}

TEST_CASE("weight norm takes every layer with a weight, and starts each from data") {
  pf::Rng rng(49);
  const auto rows = pf::normal<double>({4, 3}, rng) + 1;
  const auto series = pf::normal<double>({2, 4, 5}, rng) - 1, images = pf::normal<double>({2, 4, 3, 4}, rng) + 2;
  check_layer(pf::Linear<double>(3, 2, rng), rows, {2, 1});
  check_layer(pf::Linear<double>(5, 2, rng), series, {2, 1}, 2);
  check_layer(pf::Conv1d<double>(4, 3, 2, rng), series, {3, 1, 1});
  check_layer(pf::CausalConv1d<double>(4, 3, 2, rng), series, {3, 1, 1});
  check_layer(pf::Conv2d<double>(4, 2, 3, rng, {.padding = 1, .groups = 2}), images, {2, 1, 1, 1});
  check_layer(pf::ConvTranspose1d<double>(4, 3, 2, rng), series, {1, 3, 1});
  check_layer(pf::ConvTranspose2d<double>(4, 3, 2, rng, {.stride = 2}), images, {1, 3, 1, 1});
  check_layer(pf::ConvTranspose2d<double>(4, 6, 2, rng, {.groups = 2}), images, {2, 1, 3, 1, 1});

  const pf::Embedding<double> table(6, 3, rng);
  const Tensor<Index> codes({2}, {4, 0});
  CHECK(off(pf::WeightNorm(table)(codes), table(codes)) < 1e-14);
}

TEST_CASE("a masked convolution keeps its mask under weight norm") {
  pf::Rng rng(50);
  const pf::MaskedConv2d<double> masked(pf::MaskType::a, 1, 2, 3, rng);
  pf::WeightNorm layer(masked);
  const auto x = pf::normal<double>({2, 1, 4, 4}, rng);
  CHECK(off(layer(x), masked(x)) < 1e-14);
  const auto unseen = 1 - masked.mask();
  const auto slopes = pf::gradient(pf::sum(pf::square(layer(x))), layer.layer.weight);
  CHECK(pf::abs(slopes * unseen).max() == 0);
  layer.initialize(x);
  CHECK(pf::abs(pf::var(layer(x), {0, 2, 3}) - 1).max() < 1e-11);
}

TEST_CASE("a layer without biases is started by its lengths alone") {
  pf::Rng rng(51);
  pf::WeightNorm layer(pf::Conv2d<double>(3, 2, 2, rng, {.bias = false}));
  const auto y = layer.initialize(pf::normal<double>({5, 3, 4, 4}, rng));
  CHECK(pf::abs(pf::var(y, {0, 2, 3}) - 1).max() < 1e-11);
  CHECK(layer.layer.bias.tensor().empty());
}

TEST_CASE("weight norm refuses what has no rows and data that do not vary, and is unchanged then") {
  pf::Rng rng(52);
  CHECK_THROWS_WITH(pf::WeightNorm(pf::Linear<double>()), ContainsSubstring("WeightNorm: the weight has shape"));
  pf::WeightNorm layer(pf::Linear<double>(5, 3, rng));
  const auto length = layer.length.to_vector(), bias = layer.layer.bias.to_vector();
  for (const double value : {1.0, 0.1})
    CHECK_THROWS_WITH(layer.initialize(Tensor<double>::full({7, 5}, value)), ContainsSubstring("does not vary"));
  CHECK(layer.length.to_vector() == length);
  CHECK(layer.layer.bias.to_vector() == bias);
}

TEST_CASE("weight-normalized layers stand in containers, with the activation after them") {
  pf::Rng rng(53);
  const auto images = pf::normal({2, 3, 4, 4}, rng);
  const pf::Sequential net(pf::WeightNorm(pf::Conv2d<>(3, 4, 3, rng)), pf::Relu{},
                           pf::WeightNorm(pf::ConvTranspose2d<>(4, 1, 3, rng)));
  CHECK(net(images).shape() == Shape{2, 1, 4, 4});
  const auto& first = std::get<0>(net.layers);
  CHECK(pf::abs(first(images, pf::Activation::relu) - pf::relu(first(images))).max() == 0);
  static_assert(!std::is_invocable_v<const pf::WeightNorm<pf::Conv1d<>>&, const Tensor<>&, pf::Activation>);
}
