#include <pushforward/nn/conv.hpp>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/nn/activations.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::message_of;
using support::Shape;

namespace {

/// d sum_c y[0, c, at] / d x: what the outputs of one position see.
template <class Layer>
Tensor<double> seen_from(const Layer& layer, const Tensor<double>& x, Index channel, Index at) {
  const Tensor<double> v = pf::variable(x), y = layer(v);
  const Index area = y.size() / y.size(1);
  const Tensor<double> pick =
      Tensor<double>::generate(y.shape(), [&](Index i) { return i / area == channel && i % area == at ? 1.0 : 0.0; });
  return pf::gradient(pf::sum(y * pick), v);
}

}  // namespace

TEST_CASE("convolutional layers are their functions, with the shapes that options give") {
  pf::Rng rng(0);
  Dice dice(0);
  const Tensor<> images = dice.tensor<float>({2, 4, 9, 8}), sequences = dice.tensor<float>({2, 4, 9}), none;
  const pf::Conv2d<> down(4, 6, 4, rng, {.stride = 2, .padding = 1, .groups = 2});
  expect_equal(down(images),
               pf::conv2d(images, down.weight.tensor(), down.bias.tensor(), {.stride = 2, .padding = 1, .groups = 2}));
  CHECK(down(images).shape() == Shape{2, 6, 4, 4});
  expect_equal(down(images, pf::Activation::relu), pf::relu(down(images)));
  const pf::ConvTranspose2d<> up(4, 6, 4, rng, {.stride = 2, .padding = 1});
  CHECK(up(images).shape() == Shape{2, 6, 18, 16});
  CHECK(up.weight.shape() == Shape{4, 6, 4, 4});
  expect_equal(up(images, pf::Activation::silu), pf::silu(up(images)));
  const pf::Conv1d<> line(4, 3, 3, rng, {.stride = 2, .padding = 1, .bias = false});
  CHECK(line(sequences).shape() == Shape{2, 3, 5});
  CHECK(line.bias.tensor().empty());
  const pf::ConvTranspose1d<> longer(4, 3, 4, rng, {.stride = 2, .padding = 1});
  CHECK(longer(sequences).shape() == Shape{2, 3, 18});
  const pf::Conv2d<> same(4, 4, {5, 2}, rng, {.padding = pf::same_padding({5, 2})});
  CHECK(same(images).shape() == images.shape());
  // An activation after a convolution in a Sequential is fused into it.
  const pf::Sequential net(down, pf::Relu{});
  expect_equal(net(images), pf::relu(down(images)));
}

TEST_CASE("the weights of convolutions start uniform in 1/sqrt(fan)") {
  pf::Rng rng(1);
  const pf::Conv2d<double> layer(8, 40, {3, 5}, rng, {.groups = 2});
  const double bound = 1 / std::sqrt(4.0 * 15);
  CHECK(layer.weight.shape() == Shape{40, 4, 3, 5});
  CHECK(layer.weight.tensor().max() <= bound);
  CHECK(layer.weight.tensor().min() >= -bound);
  // The largest of 2400 uniform numbers is below 0.99 of the bound with probability 0.995^2400 = 6e-6.
  CHECK(layer.weight.tensor().max() > 0.99 * bound);
  CHECK(layer.bias.tensor().max() <= bound);
  const pf::ConvTranspose2d<double> transposed(7, 40, 3, rng);
  CHECK(transposed.weight.tensor().max() <= 1 / std::sqrt(360.0));
  CHECK(transposed.weight.tensor().max() > 0.99 / std::sqrt(360.0));
}

TEST_CASE("members of convolutional layers are their weight and bias") {
  pf::Rng rng(2);
  pf::MaskedConv2d<> masked(pf::MaskType::b, 2, 4, 3, rng);
  std::vector<std::string> names;
  pf::for_each_parameter<float>(masked,
                                [&](const pf::Path& path, pf::Parameter<float>&) { names.push_back(path.str()); });
  CHECK(names == std::vector<std::string>{"weight", "bias"});
}

TEST_CASE("a causal convolution sees the past only, and itself unless strict") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({1, 2, 12}, rng);
  for (const bool strict : {false, true})
    for (const Index dilation : {1, 2, 3}) {
      const pf::CausalConv1d<double> layer(2, 3, 3, rng, {.dilation = dilation, .strict = strict});
      CHECK(layer(x).shape() == Shape{1, 3, 12});
      for (const Index at : {0, 1, 5, 11}) {
        const Tensor<double> slope = seen_from(layer, x, 1, at);
        for (Index i = 0; i < 12; ++i) {
          const Index back = at - i - (strict ? 1 : 0);
          const bool seen = back >= 0 && back % dilation == 0 && back / dilation < 3;
          CHECK((slope(0, 0, i) != 0) == seen);
        }
      }
    }
}

TEST_CASE("a masked convolution sees the pixels before its own, and those colors of its own that the type allows") {
  pf::Rng rng(4);
  const Tensor<double> x = pf::normal<double>({1, 6, 5, 6}, rng);
  for (const auto type : {pf::MaskType::a, pf::MaskType::b})
    for (const Index colors : {1, 3}) {
      const pf::MaskedConv2d<double> layer(type, 6, 3, {3, 5}, rng, {.colors = colors});
      CHECK(layer(x).shape() == Shape{1, 3, 5, 6});
      for (const Index channel : {0, 1, 2}) {
        const Tensor<double> slope = seen_from(layer, x, channel, 2 * 6 + 3);
        for (Index c = 0; c < 6; ++c)
          for (Index i = 0; i < 5; ++i)
            for (Index j = 0; j < 6; ++j) {
              const Index from = c * colors / 6, to = channel * colors / 3;
              const bool inside = i >= 1 && i <= 3 && j >= 1 && j <= 5;
              const bool before = i < 2 || (i == 2 && j < 3), here = i == 2 && j == 3;
              const bool seen = inside && (before || (here && (type == pf::MaskType::a ? from < to : from <= to)));
              CHECK((slope(0, c, i, j) != 0) == seen);
            }
      }
    }
}

TEST_CASE("the mask holds when weights change, and masked weights get no gradient") {
  pf::Rng rng(5);
  pf::MaskedConv2d<> layer(pf::MaskType::a, 1, 2, 3, rng);
  const Tensor<> x = pf::normal({2, 1, 6, 6}, rng);
  const Tensor<> before = layer(x);
  layer.weight = layer.weight.tensor() + (1.0f - layer.mask()) * 7.0f;
  expect_equal(layer(x), before);
  const Tensor<> slope = pf::gradient(pf::sum(pf::square(layer(x))), layer.weight.tensor());
  for (Index i = 0; i < slope.size(); ++i) CHECK((slope.data()[i] != 0) == (layer.mask().data()[i] == 1));
}

TEST_CASE("convolutional layers refuse what does not fit") {
  pf::Rng rng(6);
  CHECK_THROWS_AS(pf::Conv2d<>(3, 4, 3, rng, {.groups = 2}), pf::ShapeError);
  CHECK_THROWS_AS(pf::Conv2d<>(4, 3, 3, rng, {.groups = 2}), pf::ShapeError);
  CHECK_THROWS_AS(pf::Conv2d<>(-1, 3, 3, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedConv2d<>(pf::MaskType::a, 1, 1, 4, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedConv2d<>(pf::MaskType::a, 1, 4, 3, rng, {.colors = 3}), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedConv2d<>()(Tensor<>::ones({1, 1, 3, 3})), pf::Error);
  const Index huge = Index{1} << 62;
  CHECK_THROWS_AS(pf::CausalConv1d<>(1, 1, 5, rng, {.dilation = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::CausalConv1d<>(1, 1, 0, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedConv2d<>(pf::MaskType::a, 1, 1, 5, rng, {.dilation = huge}), pf::ShapeError);
  const pf::Conv2d<> layer(3, 4, 5, rng);
  CHECK(message_of<pf::ShapeError>([&] { layer(Tensor<>::ones({1, 3, 4, 9})); }).find("pad more") != std::string::npos);
  CHECK(message_of<pf::ShapeError>([&] {
          layer(Tensor<>::ones({1, 2, 9, 9}));
        }).find("expected 3") != std::string::npos);
}
