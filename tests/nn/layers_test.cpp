#include <numbers>

#include "pushforward/nn.hpp"
#include "pushforward/testing.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_gradients;
using pf::testing::check_module;

namespace {

double distance(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : pf::abs(a - b).max();
}

// The definition, in plain operations.
Tensor<double> plain_layer_norm(const Tensor<double>& x, const Tensor<double>& weight, const Tensor<double>& bias,
                                double eps) {
  return (x - pf::mean(x, -1, true)) / pf::sqrt(pf::var(x, -1, true) + eps) * weight + bias;
}

}  // namespace

TEST_CASE("activation layers are the functions they are named after") {
  const Tensor<double> x({5}, {-2.0, -0.5, 0.0, 0.3, 4.0});
  CHECK(distance(pf::Relu{}(x), Tensor<double>{0, 0, 0, 0.3, 4.0}) == 0);
  CHECK(distance(pf::Silu{}(x), x / (1 + pf::exp(-x))) < 1e-15);
  CHECK(distance(pf::Tanh{}(x), (pf::exp(2 * x) - 1) / (pf::exp(2 * x) + 1)) < 1e-15);
  CHECK(distance(pf::Sigmoid{}(x), 1 / (1 + pf::exp(-x))) < 1e-15);
  CHECK(distance(pf::Gelu{}(x), 0.5 * x * (1 + pf::erf(x / std::numbers::sqrt2))) < 1e-15);
  CHECK(distance(pf::Softplus{}(x), pf::log(1 + pf::exp(x))) < 1e-15);
  CHECK(distance(pf::LeakyRelu{0.1}(x), Tensor<double>{-0.2, -0.05, 0, 0.3, 4.0}) < 1e-16);
  CHECK(distance(pf::Elu{2}(x), Tensor<double>{2 * std::expm1(-2.0), 2 * std::expm1(-0.5), 0, 0.3, 4.0}) < 1e-15);
}

TEST_CASE("layer_norm is its definition, for any number of features and rows") {
  Rng rng(1);
  for (const Shape& shape :
       {Shape{3, 5}, Shape{2, 3, 64}, Shape{4, 1}, Shape{7}, Shape{0, 5}, Shape{3, 0}, Shape{5, 131}}) {
    const Tensor<double> x = 3 * pf::normal<double>(shape, rng) + 2;
    const Tensor<double> w = pf::normal<double>(Shape{shape[-1]}, rng), b = pf::normal<double>(Shape{shape[-1]}, rng),
                         none;
    const Tensor<double> expected = shape[-1] ? plain_layer_norm(x, w, b, 1e-3) : x;
    CHECK(distance(pf::layer_norm(x, w, b, 1e-3), expected) < 1e-13);
    if (shape[-1])
      CHECK(distance(pf::layer_norm(x, none, none, 1e-3),
                     plain_layer_norm(x, Tensor<double>::scalar(1), Tensor<double>::scalar(0), 1e-3)) < 1e-13);
  }
  const Tensor<> far = pf::normal({2, 300}, rng) + 1000;  // float: the mean must not eat the variance
  const Tensor<> y = pf::LayerNorm<>(300)(far);
  CHECK(pf::abs(pf::mean(y, -1)).max() < 1e-3);
  CHECK(pf::abs(pf::var(y, -1) - 1).max() < 1e-3);
}

TEST_CASE("layer_norm has right gradients to order 3, many rows and threads included") {
  Rng rng(2);
  auto affine = [](auto x, auto w, auto b) { return pf::layer_norm(x, w, b, 1e-2); };
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 2, 3}, Shape{1, 1}, Shape{0, 3}}) {
    const Tensor<double> x = pf::normal<double>(shape, rng), w = pf::normal<double>(Shape{shape[-1]}, rng),
                         b = pf::normal<double>(Shape{shape[-1]}, rng);
    CHECK_NOTHROW(check_gradients(affine, {x, w, b}, {.order = 3}));
    CHECK_NOTHROW(check_gradients([](auto v) { return pf::layer_norm(v, {}, {}, 1e-2); }, x, {.order = 3}));
  }
  // Sizes that run in blocks, against the definition in plain operations.
  const Tensor<double> x = pf::variable(pf::normal<double>({2500, 70}, rng)), c = pf::normal<double>({2500, 70}, rng);
  const Tensor<double> w = pf::variable(pf::normal<double>({70}, rng)), b = pf::variable(pf::normal<double>({70}, rng));
  const auto fused = pf::gradient(pf::sum(c * pf::layer_norm(x, w, b, 1e-5)), {x, w, b});
  const auto plain = pf::gradient(pf::sum(c * plain_layer_norm(x, w, b, 1e-5)), {x, w, b});
  for (std::size_t i = 0; i < 3; ++i) CHECK(distance(fused[i], plain[i]) < 1e-11);
}

TEST_CASE("layer_norm gives the same bits for any number of threads") {
  Rng rng(3);
  const Tensor<> x = pf::variable(pf::normal({3000, 96}, rng)), w = pf::variable(pf::normal({96}, rng)),
                 b = pf::variable(pf::normal({96}, rng));
  const int before = pf::num_threads();
  std::vector<std::vector<float>> results;
  for (int threads : {1, 2, 5}) {
    pf::set_num_threads(threads);
    const auto g = pf::gradient(pf::sum(pf::square(pf::layer_norm(x, w, b) - 0.5)), {x, w});
    results.push_back(g[0].to_vector());
    for (float v : g[1]) results.back().push_back(v);
  }
  pf::set_num_threads(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("layer_norm refuses shapes that do not fit") {
  const Tensor<> x = Tensor<>::ones({2, 3}), two = Tensor<>::ones({2}), three = Tensor<>::ones({3}), none;
  CHECK_THROWS_AS(pf::layer_norm(x, two, two), pf::ShapeError);
  CHECK_THROWS_AS(pf::layer_norm(x, three, none), pf::ShapeError);
  CHECK_THROWS_AS(pf::layer_norm(Tensor<>::scalar(1), none, none), pf::ShapeError);
  CHECK_THROWS_AS(pf::layer_norm(x, three, three, 0.0), pf::ValueError);
  CHECK(pf::count_parameters(pf::LayerNorm<>(8)) == 16);
  CHECK(pf::count_parameters(pf::LayerNorm<>(8, {.affine = false})) == 0);
}

TEST_CASE("a LayerNorm refuses other numbers of features than its own") {
  pf::Rng rng(36);
  CHECK_THROWS_AS(pf::LayerNorm<>(0), pf::ValueError);
  CHECK_THROWS_AS(pf::LayerNorm<>(8, {.affine = false})(pf::normal({3, 5}, rng)), pf::ShapeError);
  CHECK(pf::LayerNorm<>()(pf::normal({3, 5}, rng)).shape() == pf::Shape{3, 5});
}

TEST_CASE("dropout zeroes a share p and keeps the mean; evaluation is the identity") {
  Rng rng(4);
  const Tensor<> x = Tensor<>::ones({200, 500});
  const Tensor<> y = pf::dropout(x, 0.3, rng);
  Index zeros = 0, others = 0;
  for (float v : y) (v == 0 ? zeros : others) += v == 0 || std::abs(v - 1 / 0.7f) < 1e-6f;
  CHECK(zeros + others == y.size());
  // Share of 1e5 draws: 5 standard errors.
  CHECK(std::abs(static_cast<double>(zeros) / 1e5 - 0.3) < 5 * std::sqrt(0.21 / 1e5));
  CHECK_THROWS_AS(pf::dropout(x, 1.0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::dropout(x, -0.1, rng), pf::ValueError);

  pf::Dropout layer{.p = 0.5};
  CHECK_THROWS_WITH(layer(x), ContainsSubstring("evaluate(model)"));
  CHECK(layer(x, rng).min() == 0);
  pf::evaluate(layer);
  CHECK(layer(x).min() == 1);
  CHECK(layer(x, rng).min() == 1);
  pf::train(layer);
  CHECK_THROWS_AS(layer(x), pf::ValueError);
  CHECK(pf::Dropout{.p = 0}(x).min() == 1);
  check_gradients(
      [](auto v) {
        Rng fixed(9);
        return pf::dropout(pf::square(v), 0.5, fixed);
      },
      pf::normal<double>({4, 3}, rng), {.order = 2});
}

TEST_CASE("embedding looks rows up, and adds up the gradient of repeated codes") {
  Rng rng(5);
  const pf::Embedding<double> embedding(4, 3, rng);
  const Tensor<Index> codes({2, 2}, {3, 0, 3, -1});
  const Tensor<double> y = embedding(codes);
  CHECK(y.shape() == Shape{2, 2, 3});
  for (Index j = 0; j < 3; ++j) {
    CHECK(y(0, 0, j) == embedding.weight(3, j));
    CHECK(y(0, 1, j) == embedding.weight(0, j));
    CHECK(y(1, 1, j) == embedding.weight(3, j));
  }
  const Tensor<double> g = pf::gradient(pf::sum(y), embedding)[0];
  CHECK(g.to_vector() == std::vector<double>{1, 1, 1, 0, 0, 0, 0, 0, 0, 3, 3, 3});
  CHECK_THROWS_AS(embedding(Tensor<Index>{4}), pf::IndexError);
  CHECK(embedding(Tensor<Index>::zeros({0})).shape() == Shape{0, 3});
  check_module(embedding, [&](const auto& m) { return m(codes); });
}

TEST_CASE("sinusoidal features are sines and cosines of geometric frequencies") {
  const pf::SinusoidalFeatures<double> features(6, {.longest = 1000, .scale = 2});
  const Tensor<double> t{0.0, 0.7}, y = features(t);
  CHECK(y.shape() == Shape{2, 6});
  for (Index i = 0; i < 2; ++i)
    for (Index k = 0; k < 3; ++k) {
      const double angle = 2 * t(i) * std::pow(10.0, -static_cast<double>(k));  // 1000^(-k/3)
      CHECK(y(i, k) == Catch::Approx(std::sin(angle)).margin(1e-12));
      CHECK(y(i, k + 3) == Catch::Approx(std::cos(angle)).margin(1e-12));
    }
  check_gradients(features, t, {.order = 2});
  CHECK_THROWS_AS(pf::SinusoidalFeatures<>(5), pf::ValueError);
}

TEST_CASE("Fourier features approximate a Gaussian kernel, and their frequencies are a buffer") {
  Rng rng(6);
  const pf::FourierFeatures<double> features(2, 40'000, 0.3, rng);
  const Tensor<double> x({2, 2}, {0.2, -0.1, 0.5, 0.3}), y = features(x);
  const double kernel = pf::sum(pf::select(y, 0, 0) * pf::select(y, 0, 1)).item() / 20'000;
  // E cos(2 pi b.(x - y)) = exp(-2 pi^2 scale^2 |x - y|^2) (Rahimi and Recht 2007); 5 standard errors of 2e4 cosines.
  CHECK(std::abs(kernel - std::exp(-2 * std::pow(std::numbers::pi * 0.3, 2) * 0.25)) < 5 * std::sqrt(0.5 / 20'000));
  CHECK(pf::count_parameters(features) == 0);
  int buffers = 0;
  pf::for_each_buffer<double>(features,
                              [&](const pf::Path& path, const auto&) { buffers += path.str() == "frequencies"; });
  CHECK(buffers == 1);
}
