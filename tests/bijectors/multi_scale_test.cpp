#include <pushforward/bijectors/glow_step.hpp>
#include <pushforward/bijectors/multi_scale.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/testing/check_bijector.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

// Levels of one step each, with a prior of what leaves.
template <class S>
pf::MultiScale<S> scales(Index channels, Index height, Index width, Index count, pf::Rng& rng) {
  std::vector<pf::ScaleLevel<S>> levels;
  for (Index i = 0, c = 4 * channels; i < count; ++i, c *= 2) {
    pf::Chain<S> steps;
    auto net = [&](Index out) { return pf::Conv2d<S>(c / 2, out, 3, rng, {.padding = pf::same_padding(3)}); };
    if (i + 1 < count) steps.append(pf::ChannelCoupling(net(c), c, {.scale = pf::ChannelScale::exponential}));
    steps.append(pf::GlowStep(net(c), c, rng));
    levels.push_back({{i % 2 == 0 ? pf::SqueezeOrder::rows : pf::SqueezeOrder::checkerboard}, std::move(steps)});
  }
  return {channels, height, width, std::move(levels)};
}

}  // namespace

TEST_CASE("a multi-scale bijector keeps every latent: noise to images and back, with the Jacobian's log-determinant") {
  pf::Rng rng(1);
  const pf::testing::BijectorCheckOptions of_images{.event_rank = 3};
  for (const Index levels : {1, 2, 3}) {
    pf::MultiScale<double> bijector = scales<double>(1, 8, 8, levels, rng);
    const Tensor<double> z = pf::normal<double>({2, 64}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(bijector, z));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::Inverse(bijector), pf::normal<double>({2, 1, 8, 8}, rng), of_images));
  }
  CHECK_NOTHROW(pf::testing::check_bijector(scales<float>(2, 4, 8, 2, rng), pf::normal({2, 64}, rng)));
}

TEST_CASE("latents of the levels have halving sizes, and make the flat vector again") {
  pf::Rng rng(2);
  const pf::MultiScale<double> bijector = scales<double>(3, 8, 16, 3, rng);
  CHECK(bijector.latent_shapes() == std::vector<pf::Shape>{{6, 4, 8}, {12, 2, 4}, {48, 1, 2}});
  const Tensor<double> z = pf::normal<double>({2, 3 * 8 * 16}, rng);
  const std::vector<Tensor<double>> parts = bijector.latents(z);
  REQUIRE(parts.size() == 3);
  CHECK(parts[1].shape() == pf::Shape{2, 12, 2, 4});
  CHECK(parts[1](1, 0, 0, 0) == z(1, 6 * 4 * 8));
  CHECK(pf::sum(pf::abs(bijector.flat(parts) - z)).item() == 0);
}

TEST_CASE("what leaves at the first level is not touched by later ones") {
  pf::Rng rng(3);
  const pf::MultiScale<double> bijector = scales<double>(1, 8, 8, 2, rng);
  const Tensor<double> x = pf::normal<double>({2, 1, 8, 8}, rng);
  const pf::ScaleLevel<double>& first = bijector.levels()[0];
  const Tensor<double> level = first.steps.inverse(first.squeeze.forward(x).value).value;
  const Tensor<double> left = bijector.latents(bijector.inverse(x).value)[0];
  CHECK(pf::sum(pf::abs(pf::slice(level, 1, 2, 4) - left)).item() == 0);
}

TEST_CASE("data-dependent starts reach every level") {
  pf::Rng rng(4);
  pf::MultiScale<double> bijector = scales<double>(1, 8, 8, 3, rng);
  const Tensor<double> images = pf::normal<double>({64, 1, 8, 8}, rng) * 20 + 7;
  bijector.initialize(images);
  // Random networks move what the normalizations left at 0 and 1, but no further than they can.
  for (const Tensor<double>& z : bijector.latents(bijector.inverse(images).value)) {
    CHECK(std::abs(z.mean()) < 1);
    CHECK(pf::mean(pf::square(z)).item() < 4);
  }
  const Tensor<double> once = bijector.inverse(images).value;
  bijector.initialize(images * 2);
  CHECK(pf::sum(pf::abs(bijector.inverse(images).value - once)).item() == 0);
}

TEST_CASE("multi-scale bijectors refuse sizes that cannot be halved and images that are not theirs") {
  pf::Rng rng(5);
  CHECK_THROWS_AS((pf::MultiScale<>(1, 8, 8, {})), pf::ValueError);
  CHECK_THROWS_AS(scales<float>(1, 27, 29, 1, rng), pf::ShapeError);
  CHECK_THROWS_AS(scales<float>(1, 28, 28, 3, rng), pf::ShapeError);
  CHECK_THROWS_AS(scales<float>(1, 0, 8, 1, rng), pf::ShapeError);
  const pf::MultiScale<> bijector = scales<float>(1, 8, 8, 2, rng);
  CHECK_THROWS_AS(bijector.inverse(Tensor<>::ones({2, 1, 8, 4})), pf::ShapeError);
  CHECK_THROWS_AS(bijector.inverse(Tensor<>::ones({2, 3, 8, 8})), pf::ShapeError);
  CHECK_THROWS_AS(bijector.inverse(Tensor<>::ones({2, 64})), pf::ShapeError);
  CHECK_THROWS_AS(bijector.forward(Tensor<>::ones({2, 63})), pf::ShapeError);
  CHECK_THROWS_AS(bijector.flat({Tensor<>::ones({2, 64})}), pf::ShapeError);
  CHECK_THROWS_AS(bijector.flat({Tensor<>::ones({2, 2, 4, 4}), Tensor<>::ones({2, 4, 2, 2})}), pf::ShapeError);
}
