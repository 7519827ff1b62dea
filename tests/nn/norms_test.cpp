#include <cmath>

#include "pushforward/nn/batch_norm.hpp"
#include "pushforward/nn/group_norm.hpp"
#include "pushforward/nn/minibatch_deviation.hpp"
#include "pushforward/nn/rms_norm.hpp"
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

double off(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : pf::abs(a - b).max();
}

// Numbers that another program can compute: a sine of their place.
Tensor<double> waves(const Shape& shape, double phase, double size = 0.5) {
  return Tensor<double>::generate(shape, [=](Index i) {
    return size * std::sin(1.7 * static_cast<double>(i) * static_cast<double>(i + 1) + phase);
  });
}

// The definition: statistics over `axes` of x seen as `grouped`.
Tensor<double> plain_norm(const Tensor<double>& x, const Shape& grouped, const std::vector<int>& axes,
                          const Tensor<double>& weight, const Tensor<double>& bias, double eps) {
  const auto v = pf::reshape(x, grouped);
  const auto h = pf::reshape((v - pf::mean(v, axes, true)) / pf::sqrt(pf::var(v, axes, true) + eps),
                             Shape{x.size(0), x.size(1), x.size() / x.size(0) / x.size(1)});
  return pf::reshape(h * pf::reshape(weight, {-1, 1}) + pf::reshape(bias, {-1, 1}), x.shape());
}

bool same(const Tensor<>& a, const Tensor<>& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

}  // namespace

TEST_CASE("batch, group and instance norm give PyTorch's numbers") {
  const auto x = waves({2, 4, 2, 2}, 1, 2), weight = waves({4}, 0.5), bias = waves({4}, 0.6);
  const auto set = [&](auto& layer) {
    layer.weight = weight;
    layer.bias = bias;
  };
  pf::BatchNorm<double> batch(4);  // torch.nn.BatchNorm2d(4)
  set(batch);
  CHECK(off(batch(x),
            Tensor<double>(
                {2, 4, 2, 2},
                {0.702631399856048,  0.0787912063920811,  0.0691971733826761, 0.603768785033866,   -0.0557307503142975,
                 -0.788840757840358, -0.20356645529704,   -0.758531991672863, -0.0184895237545844, -0.701531190763276,
                 -0.302209345499577, -0.0723215873302109, 1.02253116124756,   0.903908685139925,   0.377857887384543,
                 0.889063147210548,  0.0619923334558537,  0.305598105321006,  0.0849265359850574,  0.351664354153553,
                 0.219273929878505,  -0.714138640556623,  -0.481108777243981, -0.244566538185055,  -0.778316845096862,
                 -0.914545177378928, -1.30230155206171,   0.165970301619182,  -0.0915757746127378, 0.258193707607533,
                 -0.233726086715233, 0.220369826882089})) < 1e-13);
  CHECK(off(batch.running_mean,
            Tensor<double>{-0.0733211518897144, 0.0389061748469909, -0.056106389366739, -0.0171363490314648}) < 1e-15);
  CHECK(off(batch.running_var, Tensor<double>{1.11701075349484, 1.10133959651266, 1.01220235928987, 1.0686075726601}) <
        1e-14);
  pf::evaluate(batch);
  CHECK(off(pf::select(pf::select(batch(x), 0, 0), 0, 0),
            Tensor<double>({2, 2}, {0.680657761465395, -0.132712948322291, -0.14522176952417, 0.551759437773096})) <
        1e-13);
  pf::GroupNorm<double> group(2, 4);  // torch.nn.GroupNorm(2, 4)
  set(group);
  CHECK(off(pf::select(group(x), 0, 1),
            Tensor<double>({4, 2, 2}, {0.00610796735581426, 0.272371756198599, 0.0311753030464227, 0.322722673001662,
                                       -0.00451125996955856, -0.987214159332301, -0.741878785062931, -0.49284555848382,
                                       -0.810034866572703, -0.93939552313685, -1.30760394480378, 0.0866479543793207,
                                       0.0333108407605075, 0.440459949976978, -0.132159207054945, 0.396431067735112})) <
        1e-13);
  pf::InstanceNorm<double> instance(4);  // torch.nn.InstanceNorm2d(4, affine=True)
  set(instance);
  CHECK(off(pf::select(instance(x), 0, 1),
            Tensor<double>({4, 2, 2}, {0.0236824849354332, 0.476789525511316, 0.0663401303451147, 0.562472805998207,
                                       0.143856714460292, -0.785727266676377, -0.553653224689866, -0.318081213709905,
                                       -0.553422173535498, -0.674181175143295, -1.01790609557173, 0.283636984117536,
                                       0.140775612228454, 0.888164943064067, -0.162971947352661, 0.807342669132251})) <
        1e-13);
}

TEST_CASE("batch_norm and group_norm are their definitions, for vectors, series and images") {
  Rng rng(41);
  for (const Shape& shape : {Shape{5, 6}, Shape{3, 6, 7}, Shape{2, 6, 5, 9}, Shape{1, 6, 33, 40}, Shape{130, 6}}) {
    const auto x = 3 * pf::normal<double>(shape, rng) + 2, w = pf::normal<double>({6}, rng),
               b = pf::normal<double>({6}, rng);
    const Index n = shape[0], run = shape.product(2, shape.rank());
    INFO(shape.str());
    CHECK(off(pf::batch_norm(x, w, b, 1e-3), plain_norm(x, {n, 6, run}, {0, 2}, w, b, 1e-3)) < 1e-12);
    for (const Index groups : {Index{1}, Index{2}, Index{6}})
      if (6 / groups * run > 1)
        CHECK(off(pf::group_norm(x, groups, w, b, 1e-3),
                  plain_norm(x, {n, groups, 6 / groups * run}, {2}, w, b, 1e-3)) < 1e-12);
  }
  const Tensor<> far = pf::normal({8, 3, 10, 10}, rng) + 1000;  // float: the mean must not eat the variance
  const Tensor<> y = pf::BatchNorm<>(3)(far);
  CHECK(pf::abs(pf::mean(y, {0, 2, 3})).max() < 1e-3);
  CHECK(pf::abs(pf::var(y, {0, 2, 3}) - 1).max() < 1e-3);
}

TEST_CASE("normalizations have right gradients to order 3") {
  Rng rng(42);
  for (const Shape& shape : {Shape{3, 4}, Shape{2, 4, 3}, Shape{2, 2, 2, 2}}) {
    const auto x = pf::normal<double>(shape, rng);
    const auto w = pf::normal<double>({shape[1]}, rng), b = pf::normal<double>({shape[1]}, rng);
    INFO(shape.str());
    CHECK_NOTHROW(
        check_gradients([](auto v, auto s, auto o) { return pf::batch_norm(v, s, o, 0.1); }, {x, w, b}, {.order = 3}));
    CHECK_NOTHROW(check_gradients([](auto v, auto s, auto o) { return pf::group_norm(v, 2, s, o, 0.1); }, {x, w, b},
                                  {.order = 3}));
  }
  const auto x = pf::normal<double>({3, 5}, rng), w = pf::normal<double>({5}, rng);
  CHECK_NOTHROW(check_gradients([](auto v, auto s) { return pf::rms_norm(v, s, 0.1); }, {x, w}, {.order = 3}));
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::rms_norm(v, {}, 0.1); }, x, {.order = 2}));
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::group_norm(v, 1, {}, {}, 0.1); }, x, {.order = 2}));
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::minibatch_deviation(v, 3); }, x, {.order = 2}));
}

TEST_CASE("the fused gradients of normalizations are those of plain operations, in blocks too") {
  Rng rng(43);
  const auto x = pf::variable(pf::normal<double>({70, 6, 90}, rng)), w = pf::variable(pf::normal<double>({6}, rng)),
             b = pf::variable(pf::normal<double>({6}, rng)), c = pf::normal<double>({70, 6, 90}, rng);
  const auto agree = [&](const Tensor<double>& y) {
    const auto loss = pf::sum(c * y);
    const auto fused = pf::gradient(loss, {x, w, b}), plain = pf::gradient(loss, {x, w, b}, {.create_graph = true});
    for (std::size_t i = 0; i < 3; ++i) CHECK(off(fused[i], plain[i]) < 1e-11);
  };
  agree(pf::batch_norm(x, w, b));
  agree(pf::group_norm(x, 3, w, b));
  // Strips and lanes that are not full, vectors and short runs.
  for (const Shape& shape : {Shape{70, 72}, Shape{3, 132}, Shape{130, 6}, Shape{5, 6, 2}, Shape{3, 6, 13}}) {
    INFO(shape.str());
    const auto v = pf::variable(pf::normal<double>(shape, rng)), cotangent = pf::normal<double>(shape, rng);
    const auto scale = pf::variable(pf::normal<double>({shape[1]}, rng)), shift = pf::variable(scale * 2.0);
    const auto compare = [&](const Tensor<double>& y) {
      const auto some = pf::sum(cotangent * y);
      const auto quick = pf::gradient(some, {v, scale, shift});
      const auto slow = pf::gradient(some, {v, scale, shift}, {.create_graph = true});
      for (std::size_t i = 0; i < 3; ++i) CHECK(off(quick[i], slow[i]) < 1e-11);
    };
    compare(pf::batch_norm(v, scale, shift));
    compare(pf::group_norm(v, 3, scale, shift));
    compare(pf::group_norm(v, 1, {}, {}) + pf::batch_norm(v, {}, {}) * 2.0);
  }
  const auto rows = pf::variable(pf::normal<double>({2100, 70}, rng)), s = pf::variable(pf::normal<double>({70}, rng));
  const auto loss = pf::sum(pf::normal<double>({2100, 70}, rng) * pf::rms_norm(rows, s));
  const auto fused = pf::gradient(loss, {rows, s}), plain = pf::gradient(loss, {rows, s}, {.create_graph = true});
  for (std::size_t i = 0; i < 2; ++i) CHECK(off(fused[i], plain[i]) < 1e-11);
}

TEST_CASE("rms_norm divides by the root mean square") {
  Rng rng(44);
  const auto x = pf::normal<double>({3, 2, 67}, rng), w = pf::normal<double>({67}, rng);
  const auto expected = x / pf::sqrt(pf::mean(x * x, -1, true) + 1e-3) * w;
  CHECK(off(pf::rms_norm(x, w, 1e-3), expected) < 1e-14);
  CHECK(off(pf::rms_norm(x, {}, 1e-3) * w, expected) < 1e-14);
  pf::RMSNorm<double> layer(67, {.eps = 1e-3});
  layer.weight = w;
  CHECK(off(layer(x), expected) < 1e-14);
  CHECK_NOTHROW(check_module(layer, x));
}

TEST_CASE("BatchNorm follows the statistics of its batches, and uses them in evaluation") {
  Rng rng(45);
  pf::BatchNorm<double> layer(2, {.momentum = 0.2});
  CHECK(layer.mode.training);
  const auto first = pf::normal<double>({4, 2}, rng), second = pf::normal<double>({6, 2}, rng) + 3;
  layer(first);
  layer(second);
  auto mean = Tensor<double>::zeros({2}), variance = Tensor<double>::ones({2});
  for (const auto& x : {first, second}) {
    mean = 0.8 * mean + 0.2 * pf::mean(x, 0);
    variance = 0.8 * variance + 0.2 * pf::var(x, 0, false, 1);
  }
  CHECK(off(layer.running_mean, mean) < 1e-15);
  CHECK(off(layer.running_var, variance) < 1e-14);
  pf::evaluate(layer);
  const auto y = layer(second);
  CHECK(off(y, (second - mean) / pf::sqrt(variance + 1e-5)) < 1e-14);
  CHECK(off(layer.running_mean, mean) == 0);  // evaluation leaves them
  CHECK(off(layer(pf::slice(second, 0, 2, 3)), pf::slice(y, 0, 2, 3)) == 0);
  CHECK_NOTHROW(check_gradients(layer, second, {.order = 2}));
  pf::train(layer);
  CHECK_NOTHROW(check_module(layer, first));
  CHECK_NOTHROW(check_module(pf::BatchNorm<double>(2, {.affine = false}), first));
  Index buffers = 0;
  pf::for_each_buffer<double>(layer, [&](const pf::Path& path, const pf::Buffer<double>&) {
    buffers += path.str() == "running_mean" || path.str() == "running_var";
  });
  CHECK(buffers == 2);
  const auto copy = layer;
  copy(first);
  CHECK(off(layer.running_mean, copy.running_mean) > 0);  // a copy has its own
}

TEST_CASE("GroupNorm and InstanceNorm are modules that treat each row by itself") {
  Rng rng(46);
  const pf::GroupNorm<double> group(2, 4);
  const pf::InstanceNorm<double> instance(4);
  const auto x = pf::normal<double>({3, 4, 5}, rng);
  CHECK_NOTHROW(check_module(group, x));
  CHECK_NOTHROW(check_module(instance, x));
  CHECK(off(pf::slice(group(x), 0, 1, 2), group(pf::slice(x, 0, 1, 2))) == 0);
  CHECK(off(instance(x), pf::group_norm(x, 4, {}, {})) == 0);
  CHECK(pf::count_parameters(pf::GroupNorm<double>(2, 4, {.affine = false})) == 0);
}

TEST_CASE("normalizations give the same bits for any number of threads") {
  Rng rng(47);
  for (const Shape& shape : {Shape{64, 8, 30, 30}, Shape{900, 200}}) {
    const Tensor<> x = pf::variable(pf::normal(shape, rng)), c = pf::normal(shape, rng);
    const Tensor<> w = pf::variable(pf::normal({shape[1]}, rng)), b = pf::variable(pf::normal({shape[1]}, rng));
    const auto run = [&](int threads) {
      const int before = pf::num_threads();
      pf::set_num_threads(threads);
      const Tensor<> y = pf::batch_norm(x, w, b) + pf::group_norm(x, 2, w, b);
      const auto g = pf::gradient(pf::sum(c * y), {x, w, b});
      pf::set_num_threads(before);
      const auto flat = [](const Tensor<>& t) { return pf::reshape(t, {-1}); };
      return pf::stop_gradient(pf::concat({flat(y), flat(g[0]), flat(g[1]), flat(g[2])}, 0));
    };
    CHECK(same(run(1), run(4)));
  }
}

TEST_CASE("minibatch_deviation appends how much each group of rows varies") {
  Rng rng(49);
  const auto x = pf::normal<double>({6, 2, 3}, rng);
  const auto y = pf::minibatch_deviation(x, 3);
  REQUIRE(y.shape() == Shape{6, 3, 3});
  CHECK(off(pf::slice(y, 1, 0, 2), x) == 0);
  for (Index row = 0; row < 6; ++row) {
    double total = 0;
    for (Index i = 0; i < 6; ++i) {
      double mean = 0, square = 0;
      for (Index member = row % 2; member < 6; member += 2) {
        mean += x.data()[member * 6 + i] / 3;
        square += x.data()[member * 6 + i] * x.data()[member * 6 + i] / 3;
      }
      total += std::sqrt(square - mean * mean + 1e-8) / 6;
    }
    for (Index i = 0; i < 3; ++i) CHECK(std::abs(y(row, 2, i) - total) < 1e-13);
  }
  CHECK(pf::MinibatchDeviation{2}(pf::normal({4, 5}, rng)).shape() == Shape{4, 6});
  CHECK(pf::minibatch_deviation(pf::slice(x, 0, 0, 2), 4).shape() == Shape{2, 3, 3});
}

TEST_CASE("normalizations say what is wrong with their arguments") {
  Rng rng(50);
  const Tensor<> x = pf::normal({2, 6, 3}, rng), w = pf::normal({5}, rng);
  CHECK_THROWS_WITH(pf::BatchNorm<>(5)(x), ContainsSubstring("expected [n, 5, ..]"));
  CHECK_THROWS_WITH(pf::BatchNorm<>(6)(pf::normal({1, 6}, rng)), ContainsSubstring("expected at least 2"));
  CHECK_THROWS_AS(pf::BatchNorm<>(6, {.momentum = 2}), pf::ValueError);
  CHECK_THROWS_AS(pf::batch_norm(x, w, w), pf::ShapeError);
  CHECK_THROWS_AS(pf::batch_norm(x, {}, {}, 0), pf::ValueError);
  CHECK_THROWS_WITH(pf::GroupNorm<>(4, 6), ContainsSubstring("6 channels for 4 groups"));
  CHECK_THROWS_WITH(pf::GroupNorm<>(2, 4)(x), ContainsSubstring("expected [n, 4, ..]"));
  CHECK_THROWS_AS(pf::InstanceNorm<>(4)(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::group_norm(x, 4, {}, {}), pf::ShapeError);
  CHECK_THROWS_AS(pf::RMSNorm<>(4)(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::rms_norm(x, w), pf::ShapeError);
  CHECK_THROWS_WITH(pf::minibatch_deviation(pf::normal({6, 2}, rng), 4), ContainsSubstring("6 rows for groups of 4"));
}
