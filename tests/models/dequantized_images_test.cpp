#include <pushforward/distributions/labelled_normal.hpp>
#include <pushforward/metrics/likelihood.hpp>
#include <pushforward/models/dequantized_images.hpp>
#include <pushforward/models/image_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

Tensor<> whole_pixels(const pf::Shape& shape, Index levels, pf::Rng& rng) {
  const Tensor<> u = pf::uniform(shape, rng);
  return Tensor<>::generate(shape, [&](Index i) { return std::floor(u.data()[i] * static_cast<float>(levels)); });
}

template <class Model>
void shake(Model& model, double by, pf::Rng& rng) {
  pf::for_each_parameter<float>(
      model, [&](const pf::Path&, pf::Parameter<float>& p) { p = p.tensor() + by * pf::normal(p.shape(), rng); });
}

// An image density with a known integral over every cell: uniform on [-1/2, 1/2).
struct UniformImages {
  pf::Shape image;
  Tensor<> log_prob(const Tensor<>& x) const { return Tensor<>::zeros({x.size(0)}); }
  Tensor<> sample(Index n, pf::Rng& rng) const { return pf::uniform(image.inserted(0, n), rng) - 0.5; }
  static void members(auto&, auto&&) {}
};

}  // namespace

TEST_CASE("a uniform density of images costs exactly log2(levels) bits for each pixel") {
  pf::Rng rng(1);
  for (const Index levels : {2, 32, 256}) {
    const pf::DequantizedImages model(UniformImages{{3, 4, 2}}, {3, 4, 2}, pf::UniformNoise{}, {.levels = levels});
    const Tensor<> x = whole_pixels({5, 3, 4, 2}, levels, rng);
    const double bits = pf::bits_per_dim(-model.log_prob(x, rng).mean(), 24, 1);
    CHECK(bits == Approx(std::log2(static_cast<double>(levels))));
    const auto score = model.log_likelihood(x, rng);
    CHECK(score.kind == pf::LikelihoodKind::lower_bound);
    CHECK(score.value.shape() == pf::Shape{5});
  }
}

TEST_CASE("the bound is the flow's log-density of the noisy, centered pixels, less the change of scale") {
  pf::Rng rng(2);
  auto flow = pf::glow({.height = 4, .width = 6, .levels = 1, .steps = 2, .hidden = {8}}, rng);
  shake(flow, 0.1, rng);
  const pf::DequantizedImages model(flow, {1, 4, 6});
  const Tensor<> x = whole_pixels({3, 1, 4, 6}, 256, rng);
  pf::Rng noise(5), same(5);
  const Tensor<> u = pf::reshape(pf::uniform({3, 24}, same), x.shape());
  const Tensor<> expected = flow.log_prob((x + u) / 256.0 - 0.5) - 24 * std::log(256.0);
  CHECK(pf::max(pf::abs(model.log_prob(x, noise) - expected)).item() < 1e-2);  // of about -130 nats, in float
  // The same through the usual route: nats of a density in [0, 1)^d and bits_per_dim's own 8 bits.
  const double usual = pf::bits_per_dim(-flow.log_prob((x + u) / 256.0 - 0.5).mean(), 24, 256);
  CHECK(pf::bits_per_dim(-expected.mean(), 24, 1) == Approx(usual));
}

TEST_CASE("a border makes room for more levels, and is cut off again") {
  pf::Rng rng(3);
  auto flow = pf::glow({.height = 8, .width = 8, .levels = 3, .steps = 1, .hidden = {8}}, rng);
  shake(flow, 0.1, rng);
  const pf::DequantizedImages small(flow, {1, 6, 6}, pf::UniformNoise{}, {.border = 1});
  const pf::DequantizedImages large(flow, {1, 8, 8});
  const Tensor<> x = whole_pixels({3, 1, 6, 6}, 256, rng);
  pf::Rng a(1), b(1);
  const Tensor<> padded = pf::pad(pf::pad(x, 2, 1, 1), 3, 1, 1);
  CHECK(pf::sum(pf::abs(small.log_prob(x, a) - large.log_prob(padded, b))).item() == 0);
  const Tensor<> drawn = small.sample(4, rng);
  REQUIRE(drawn.shape() == pf::Shape{4, 1, 6, 6});
  for (const float v : drawn) CHECK((v >= 0 && v <= 255 && v == std::floor(v)));
  CHECK(small.quantized(flow.sample(2, rng)).shape() == pf::Shape{2, 1, 6, 6});
  CHECK(small.quantized(Tensor<>::full({1, 1, 8, 8}, 0.25f))(0, 0, 3, 3) == 192);
}

TEST_CASE("image noise is uniform at first, and a density whatever its weights") {
  pf::Rng rng(4);
  pf::ImageNoise<> noise({.height = 2, .width = 2, .levels = 4, .steps = 4, .hidden = {8}}, rng);
  const Tensor<> x = pf::expand(Tensor<>{{1, 4}, {0, 3, 1, 2}}, {16'000, 4});
  const auto start = noise(x, rng);
  CHECK(pf::max(pf::abs(start.log_prob)).item() < 1e-3);
  CHECK(pf::mean(start.value).item() == Approx(0.5).margin(0.006));  // 5 standard errors of 1 / sqrt(12 * 64000)
  CHECK(pf::mean(pf::square(start.value)).item() == Approx(1.0 / 3).margin(0.006));
  shake(noise, 0.15, rng);
  const auto u = noise(x, rng);
  for (const float v : {u.value.min(), u.value.max()}) CHECK((v >= 0 && v <= 1));
  CHECK(pf::max(pf::abs(u.log_prob)).item() > 0.1);
  // The volume of the cube, 1, as the mean of 1 / q over draws from q.
  const Tensor<> ratio = pf::exp(-u.log_prob);
  const double error = std::sqrt(static_cast<double>(pf::var(ratio, 0).item()) / 16'000);
  CHECK(error < 0.03);
  CHECK(ratio.mean() == Approx(1).margin(4 * error));
}

TEST_CASE("Glow of 8-bit images is trained through uniform and variational noise") {
  pf::Rng rng(5);
  // Images with one random brightness each: 8 bits for 16 pixels.
  const Tensor<> x = pf::expand(whole_pixels({256, 1, 1, 1}, 256, rng), {256, 1, 4, 4});
  auto bits_after = [&](const auto& noise) {
    pf::Rng run(6);
    pf::DequantizedImages model(pf::glow({.height = 4, .width = 4, .steps = 2, .hidden = {16, 16}}, run), {1, 4, 4},
                                noise, {.particles = 4});
    CHECK_NOTHROW(pf::testing::check_module(model, [&](const auto& m) {
      pf::Rng fixed(3);
      return -pf::mean(m.log_prob(pf::slice(x, 0, 0, 4), fixed));
    }));
    pf::fit(
        model, x, pf::mle,
        {.epochs = 15, .batch_size = 16, .optimizer = pf::Adam({.learning_rate = 2e-3}), .progress = pf::Progress::off},
        run);
    return pf::bits_per_dim(-model.log_likelihood(x, run).value.mean(), 16, 1);
  };
  const double uniform = bits_after(pf::UniformNoise{});
  CHECK(uniform > 0.5);  // the entropy
  CHECK(uniform < 5.5);
  const double variational = bits_after(pf::ImageNoise<>({.height = 4, .width = 4}, rng));
  CHECK(variational > 0.5);
  CHECK(variational < 5.5);
}

TEST_CASE("given labels the bound is that of the flow of each class, and images are drawn for each") {
  pf::Rng rng(7);
  auto flow = pf::glow({.height = 4, .width = 4, .levels = 1, .steps = 2, .hidden = {8}},
                       pf::LabelledNormal<>(3, 16, rng, 0.5), rng);
  shake(flow, 0.1, rng);
  const pf::DequantizedImages model(flow, {1, 4, 4}, pf::UniformNoise{}, {.particles = 3});
  const Tensor<> x = whole_pixels({4, 1, 4, 4}, 256, rng);
  const Tensor<Index> labels{2, 0, 1, 2};
  const auto noisy = [&](pf::Rng& same, Index k) {
    const Tensor<> u = pf::reshape(pf::uniform({4 * k, 16}, same), {4 * k, 1, 4, 4});
    return (pf::concat(std::vector<Tensor<>>(static_cast<std::size_t>(k), x)) + u) / 256.0 - 0.5;
  };
  pf::Rng noise(5), same(5);
  const Tensor<> expected = flow.log_prob(noisy(same, 1), labels) - 16 * std::log(256.0);
  CHECK(pf::max(pf::abs(model.log_prob(x, labels, noise) - expected)).item() < 1e-2);  // of about -90 nats, in float
  const Tensor<> three = flow.log_prob(noisy(same, 3), pf::concat({labels, labels, labels})) - 16 * std::log(256.0);
  const Tensor<> mean = pf::logsumexp(pf::reshape(three, {3, 4}), 0) - std::log(3.0);
  const auto score = model.log_likelihood(x, labels, noise);
  CHECK(score.kind == pf::LikelihoodKind::lower_bound);
  CHECK(pf::max(pf::abs(score.value - mean)).item() < 1e-2);
  pf::Rng a(1), b(1);
  CHECK(model.sample(labels, a).to_vector() == model.quantized(flow.sample(labels, b)).to_vector());
  CHECK_THROWS_AS(model.log_prob(x, Tensor<Index>{0, 1}, rng), pf::ShapeError);
  CHECK_THROWS_AS(model.log_prob(x, Tensor<Index>{0, 1, 2, 3}, rng), pf::ValueError);
}

TEST_CASE("fit teaches a model of 8-bit images what belongs to each label") {
  pf::Rng rng(8);
  const Index n = 128;
  const Tensor<Index> labels = Tensor<Index>::generate({n}, [](Index i) { return i % 2; });
  // Dark images and bright ones.
  const Tensor<> x = whole_pixels({n, 1, 2, 2}, 64, rng) +
                     Tensor<>::generate({n, 1, 1, 1}, [](Index i) { return i % 2 == 0 ? 0.0f : 192.0f; });
  pf::DequantizedImages model(pf::glow({.height = 2, .width = 2, .levels = 1, .steps = 2, .hidden = {8}},
                                       pf::LabelledNormal<>(2, 4, rng, 0.1), rng),
                              {1, 2, 2});
  pf::fit(
      model, std::tuple(x, labels), pf::mle,
      {.epochs = 20, .batch_size = 32, .optimizer = pf::Adam({.learning_rate = 2e-2}), .progress = pf::Progress::off},
      rng);
  const auto bits = [&](const Tensor<Index>& given) {
    return pf::bits_per_dim(-model.log_likelihood(x, given, rng).value.mean(), 4, 1);
  };
  CHECK(bits(labels) > 6);  // the entropy, log2(64)
  CHECK(bits(labels) < 7);
  CHECK(bits(Tensor<Index>::generate({n}, [](Index i) { return 1 - i % 2; })) > 9);
  CHECK(model.sample(Tensor<Index>::full({50}, 0), rng).mean() < 80);
  CHECK(model.sample(Tensor<Index>::full({50}, 1), rng).mean() > 175);
}

TEST_CASE("dequantized images refuse what are not their images") {
  pf::Rng rng(6);
  pf::DequantizedImages model(UniformImages{{1, 4, 4}}, {1, 4, 4});
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 1, 4, 5}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 16}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 1, 4, 4}, 0.5f), rng), pf::ValueError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 1, 4, 4}, 256), rng), pf::ValueError);
  CHECK_THROWS_AS(pf::DequantizedImages(UniformImages{{1, 4, 4}}, {4, 4}), pf::ShapeError);
  CHECK_THROWS_AS(pf::DequantizedImages(UniformImages{{1, 4, 4}}, {1, 4, 4}, pf::UniformNoise{}, {.border = -1}),
                  pf::ValueError);
  // As many numbers do not make the same images.
  const auto flow = pf::glow({.height = 4, .width = 4}, rng);
  CHECK_THROWS_AS(pf::DequantizedImages(flow, {1, 2, 8}), pf::ShapeError);
  CHECK_THROWS_AS(pf::DequantizedImages(flow, {4, 2, 2}), pf::ShapeError);
  CHECK_THROWS_AS(pf::DequantizedImages(flow, {1, 4, 4}, pf::UniformNoise{}, {.border = 1}), pf::ShapeError);
  CHECK_NOTHROW(pf::DequantizedImages(flow, {1, 2, 2}, pf::UniformNoise{}, {.border = 1}));
  CHECK_THROWS_AS(pf::DequantizedImages(flow, {1, 4, 4}, pf::ImageNoise<>({.height = 2, .width = 8}, rng)),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::ImageNoise<>({.height = 3, .width = 4}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::ImageNoise<>({.height = 4, .width = 4, .steps = 0}, rng), pf::ValueError);
  const pf::ImageNoise<> noise({.height = 4, .width = 4}, rng);
  CHECK_THROWS_AS(noise(Tensor<>::zeros({2, 15}), rng), pf::ShapeError);
}
