#include <pushforward/ops/images.hpp>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::expect_gradients;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

/// A pooling by its definition: the numbers of a window that are inside, handed to `reduce`.
template <class Reduce>
Tensor<double> naive_pool(const Tensor<double>& x, const pf::Pool2dOptions& o, const Reduce& reduce) {
  const Index sy = o.stride.height ? o.stride.height : o.size.height,
              sx = o.stride.width ? o.stride.width : o.size.width;
  const Index h = (x.size(2) + 2 * o.padding.height - o.size.height) / sy + 1,
              w = (x.size(3) + 2 * o.padding.width - o.size.width) / sx + 1;
  return support::from_positions(Shape{x.size(0), x.size(1), h, w}, [&](const Position& p) {
    std::vector<double> window;
    for (Index r = 0; r < o.size.height; ++r)
      for (Index s = 0; s < o.size.width; ++s) {
        const Index i = p[2] * sy + r - o.padding.height, j = p[3] * sx + s - o.padding.width;
        if (i >= 0 && j >= 0 && i < x.size(2) && j < x.size(3)) window.push_back(x(p[0], p[1], i, j));
      }
    return reduce(window);
  });
}

pf::Pool2dOptions random_pool(Dice& dice) {
  const pf::Size2 size{dice.integer(1, 4), dice.integer(1, 4)};
  return {.size = size,
          .stride = {dice.integer(0, 3), dice.integer(0, 3)},
          .padding = {dice.integer(0, size.height / 2), dice.integer(0, size.width / 2)}};
}

}  // namespace

TEST_CASE("max_pool2d and average_pool2d are their definitions, for any window, stride and padding") {
  Dice dice(1);
  for (int round = 0; round < 100; ++round) {
    const pf::Pool2dOptions o = random_pool(dice);
    const Tensor<double> x =
        dice.tensor({dice.integer(0, 3), dice.integer(0, 3), dice.integer(4, 9), dice.integer(4, 9)});
    expect_equal(pf::max_pool2d(x, o),
                 naive_pool(x, o, [](const auto& window) { return *std::max_element(window.begin(), window.end()); }));
    expect_equal(pf::average_pool2d(x, o),
                 naive_pool(x, o,
                            [&](const auto& window) {
                              double total = 0;
                              for (const double value : window) total += value;
                              return total / static_cast<double>(o.size.height * o.size.width);
                            }),
                 1e-14);
  }
}

TEST_CASE("pooling has derivatives to order 2; of equal numbers the first one counts") {
  Dice dice(2);
  for (int round = 0; round < 5; ++round) {
    const pf::Pool2dOptions o = random_pool(dice);
    // Numbers 0.01 apart in random order: differences of 0.002 change no maximum.
    Tensor<double> x = dice.tensor({1, 2, 4, 5});
    const Tensor<double> order = pf::sort(x.empty() ? x : pf::flatten(x)).values;
    x = Tensor<double>::generate(x.shape(), [&](Index i) {
      double rank = 0;
      for (const double other : order) rank += other < x.data()[i];
      return 0.05 * rank - 0.5;
    });
    expect_gradients([&](const auto& t) { return pf::square(pf::max_pool2d(t, o)); }, x, {.order = 2});
    expect_gradients([&](const auto& t) { return pf::square(pf::average_pool2d(t, o)); }, x, {.order = 2});
  }
  const Tensor<double> flat = pf::variable(Tensor<double>::ones({1, 1, 2, 4}));
  expect_equal(pf::gradient(pf::sum(pf::max_pool2d(flat)), flat),
               Tensor<double>({1, 1, 2, 4}, {1, 0, 1, 0, 0, 0, 0, 0}));
}

TEST_CASE("max_pool2d keeps NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor<double> y = pf::max_pool2d(Tensor<double>({1, 1, 2, 4}, {1, nan, 5, 2, 3, 9, 1, 4}));
  CHECK(std::isnan(y(0, 0, 0, 0)));
  CHECK(y(0, 0, 0, 1) == 5);
}

TEST_CASE("resize takes the nearest pixel, or interpolates between centers") {
  Dice dice(3);
  for (int round = 0; round < 60; ++round) {
    const Tensor<double> x = dice.tensor({2, dice.integer(1, 3), dice.integer(1, 8), dice.integer(1, 8)});
    const pf::Size2 size{dice.integer(1, 17), dice.integer(1, 17)};
    const auto scale = [](Index i, Index in, Index out) {
      return (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out);
    };
    const Tensor<double> nearest =
        support::from_positions(Shape{2, x.size(1), size.height, size.width}, [&](const Position& p) {
          return x(p[0], p[1], p[2] * x.size(2) / size.height, p[3] * x.size(3) / size.width);
        });
    expect_equal(pf::resize(x, size, pf::ResizeMode::nearest), nearest);
    // The interpolant of the centers, constant beyond the outermost ones, as a sum of tents.
    const Tensor<double> bilinear = support::from_positions(nearest.shape(), [&](const Position& p) {
      const double v = std::clamp(scale(p[2], x.size(2), size.height) - 0.5, 0.0, static_cast<double>(x.size(2) - 1));
      const double u = std::clamp(scale(p[3], x.size(3), size.width) - 0.5, 0.0, static_cast<double>(x.size(3) - 1));
      double total = 0;
      for (Index i = 0; i < x.size(2); ++i)
        for (Index j = 0; j < x.size(3); ++j)
          total += std::max(0.0, 1 - std::abs(v - static_cast<double>(i))) *
                   std::max(0.0, 1 - std::abs(u - static_cast<double>(j))) * x(p[0], p[1], i, j);
      return total;
    });
    expect_equal(pf::resize(x, size), bilinear, 1e-14);
  }
}

TEST_CASE("resize has derivatives to order 2") {
  Dice dice(4);
  for (const pf::Size2 size : {pf::Size2(6, 4), pf::Size2(2, 7), pf::Size2(1, 1), pf::Size2(3, 3)})
    for (const auto how : {pf::ResizeMode::nearest, pf::ResizeMode::bilinear})
      expect_gradients([&](const auto& t) { return pf::square(pf::resize(t, size, how)); }, dice.tensor({2, 1, 3, 4}),
                       {.order = 2});
}

TEST_CASE("pixel_shuffle puts channels where its equation says, and pixel_unshuffle undoes it") {
  Dice dice(5);
  for (const Index r : {1, 2, 3}) {
    const Tensor<double> x = dice.tensor({2, 3 * r * r, 2, 5});
    const Tensor<double> expected = support::from_positions(Shape{2, 3, 2 * r, 5 * r}, [&](const Position& p) {
      return x(p[0], (p[1] * r + p[2] % r) * r + p[3] % r, p[2] / r, p[3] / r);
    });
    expect_equal(pf::pixel_shuffle(x, r), expected);
    expect_equal(pf::pixel_unshuffle(expected, r), x);
  }
  expect_gradients([](const auto& t) { return pf::square(pf::pixel_unshuffle(pf::pixel_shuffle(t, 2) * 0.5, 2)); },
                   dice.tensor({1, 4, 2, 1}), {.order = 2});
}

TEST_CASE("resizing and pooling are PyTorch's") {
  const Tensor<double> x =
      Tensor<double>::generate({1, 2, 5, 7}, [](Index i) { return std::sin(0.37 * static_cast<double>(i)); });
  const auto squares = [](const Tensor<double>& y) { return pf::sum(y * y).item(); };
  CHECK(squares(pf::resize(x, {8, 3})) == Approx(12.449481584356));
  CHECK(squares(pf::resize(x, {8, 3}, pf::ResizeMode::nearest)) == Approx(22.6491725096006));
  CHECK(squares(pf::average_pool2d(x, {.size = 3, .stride = 2, .padding = 1})) == Approx(0.266844854268361));
  CHECK(squares(pf::max_pool2d(x, {.size = 3, .stride = 2, .padding = 1})) == Approx(16.479004849977));
}

TEST_CASE("operations on images give the same bits for any number of threads") {
  Dice dice(6);
  const Tensor<float> x = dice.tensor<float>({8, 33, 30, 31});
  const int before = pf::num_threads();
  std::vector<Tensor<float>> alone;
  for (const int threads : {1, 2, 5}) {
    pf::set_num_threads(threads);
    const Tensor<float> v = pf::variable(x);
    const Tensor<float> a = pf::max_pool2d(v, {.size = 3, .stride = 2, .padding = 1}), b = pf::resize(v, {17, 60}),
                        c = pf::average_pool2d(v);
    const Tensor<float> slope = pf::gradient(pf::sum(a * a) + pf::sum(b * b) + pf::sum(c * c), v);
    const std::vector<Tensor<float>> results{pf::stop_gradient(a), pf::stop_gradient(b), pf::stop_gradient(c), slope};
    if (threads == 1) alone = results;
    for (std::size_t i = 0; i < results.size(); ++i) expect_equal(results[i], alone[i]);
  }
  pf::set_num_threads(before);
}

TEST_CASE("operations on images refuse what does not fit, and say what to do") {
  const Tensor<> x = Tensor<>::ones({1, 3, 4, 5});
  CHECK(message_of<pf::ShapeError>([&] {
          pf::max_pool2d(Tensor<>::ones({4, 5}));
        }).find("[n, channels, height, width]") != std::string::npos);
  CHECK(message_of<pf::ShapeError>([&] { pf::average_pool2d(x, {.size = 6}); }).find("smaller window") !=
        std::string::npos);
  CHECK_THROWS_AS(pf::max_pool2d(x, {.size = 2, .padding = 2}), pf::ValueError);
  CHECK_THROWS_AS(pf::max_pool2d(x, {.size = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::resize(x, 0), pf::ShapeError);
  CHECK_THROWS_AS(pf::resize(Tensor<>::ones({1, 3, 0, 5}), 4), pf::ShapeError);
  CHECK(message_of<pf::ShapeError>([&] { pf::pixel_shuffle(x, 2); }).find("multiple of 4") != std::string::npos);
  CHECK(message_of<pf::ShapeError>([&] { pf::pixel_unshuffle(x, 2); }).find("pad the images") != std::string::npos);
  CHECK_THROWS_AS(pf::pixel_shuffle(x, 0), pf::ValueError);
}

TEST_CASE("images without pixels, and windows and factors of any size, give what is right or are refused") {
  const Tensor<> x = Tensor<>::generate({1, 4, 3, 5}, [](Index i) { return static_cast<float>(i % 15); });
  for (const Shape& shape : {Shape{1, 1, 0, 4}, Shape{1, 1, 4, 0}}) {
    CHECK_THROWS_AS(pf::max_pool2d(Tensor<>::zeros(shape), {.size = 2, .padding = 1}), pf::ShapeError);
    CHECK_THROWS_AS(pf::average_pool2d(Tensor<>::zeros(shape), {.size = 2, .padding = 1}), pf::ShapeError);
  }
  const Index most = std::numeric_limits<Index>::max(), half = most / 2;
  expect_equal(pf::max_pool2d(x, {.size = most - 1, .padding = half}), Tensor<>::full({1, 4, 1, 1}, 14));
  expect_equal(pf::max_pool2d(x, {.size = 3, .stride = most}), Tensor<>::full({1, 4, 1, 1}, 12));
  expect_equal(pf::average_pool2d(x, {.size = {3, 5}, .stride = most}), Tensor<>::full({1, 4, 1, 1}, 7));
  CHECK_THROWS_AS(pf::max_pool2d(x, {.size = most, .padding = most}), pf::ValueError);
  CHECK_THROWS_AS(pf::max_pool2d(x, {.size = most}), pf::ShapeError);
  CHECK_THROWS_AS(pf::resize(x, Index{1} << 40), pf::ShapeError);
  // 2^32 squared is 0 for those who do not watch.
  for (const Index factor : {Index{1} << 32, Index{1} << 33, most}) {
    CHECK_THROWS_AS(pf::pixel_shuffle(x, factor), pf::ShapeError);
    CHECK_THROWS_AS(pf::pixel_shuffle(Tensor<>::zeros({1, 0, 3, 5}), factor), pf::ShapeError);
    CHECK_THROWS_AS(pf::pixel_unshuffle(Tensor<>::zeros({1, 4, 0, 0}), factor), pf::ShapeError);
  }
  CHECK(pf::pixel_shuffle(Tensor<>::zeros({1, 0, 3, 5}), 2).shape() == Shape{1, 0, 6, 10});
  CHECK(pf::pixel_unshuffle(Tensor<>::zeros({1, 4, 0, 0}), 2).shape() == Shape{1, 16, 0, 0});
}
