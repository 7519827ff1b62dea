#include <pushforward/ops/convolution.hpp>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/ops/cast.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::expect_gradients_of_all;
using support::Index;
using support::message_of;
using support::Position;
using support::Shape;

namespace {

/// A convolution by its definition: seven loops, every tap asks whether it is inside.
Tensor<double> naive(const Tensor<double>& x, const Tensor<double>& w, const Tensor<double>& bias,
                     const pf::Conv2dOptions& o) {
  const auto length = [](Index in, Index padding, Index kernel, Index stride, Index dilation) {
    return (in + padding - dilation * (kernel - 1) - 1) / stride + 1;
  };
  const Index h = length(x.size(2), o.padding.top + o.padding.bottom, w.size(2), o.stride.height, o.dilation.height);
  const Index wide = length(x.size(3), o.padding.left + o.padding.right, w.size(3), o.stride.width, o.dilation.width);
  const Index per_group = w.size(0) / o.groups;
  return support::from_positions(Shape{x.size(0), w.size(0), h, wide}, [&](const Position& p) {
    double total = bias.empty() ? 0 : bias(p[1]);
    for (Index c = 0; c < w.size(1); ++c)
      for (Index r = 0; r < w.size(2); ++r)
        for (Index s = 0; s < w.size(3); ++s) {
          const Index i = p[2] * o.stride.height + r * o.dilation.height - o.padding.top;
          const Index j = p[3] * o.stride.width + s * o.dilation.width - o.padding.left;
          if (i < 0 || j < 0 || i >= x.size(2) || j >= x.size(3)) continue;
          total += w(p[1], c, r, s) * x(p[0], p[1] / per_group * w.size(1) + c, i, j);
        }
    return total;
  });
}

/// A convolution that fits together, at random.
struct Case {
  Tensor<double> x, w, bias;
  pf::Conv2dOptions options;

  Case(Dice& dice, Index largest, Index most_channels) {
    const Index groups = dice.integer(0, 3) == 0 ? dice.integer(2, 3) : 1;
    const Index kh = dice.integer(1, 4), kw = dice.integer(1, 4);
    options.stride = {dice.integer(1, 3), dice.integer(1, 3)};
    options.dilation = {dice.integer(1, 2), dice.integer(1, 2)};
    options.padding = {dice.integer(-1, 3), dice.integer(0, 3), dice.integer(0, 4), dice.integer(-1, 3)};
    options.groups = groups;
    const Index h = dice.integer(options.dilation.height * (kh - 1) + 2, largest);
    const Index width = dice.integer(options.dilation.width * (kw - 1) + 2, largest);
    x = dice.tensor({dice.integer(1, 4), groups * dice.integer(1, most_channels), h, width});
    w = dice.tensor({groups * dice.integer(1, most_channels), x.size(1) / groups, kh, kw});
    bias = dice.coin() ? dice.tensor({w.size(0)}) : Tensor<double>(Shape{0}, std::vector<double>{});
  }

  std::string str() const {
    const auto& o = options;
    return pf::detail::concatenate("x ", x.shape(), " w ", w.shape(), " stride ", o.stride.height, ",", o.stride.width,
                                   " dilation ", o.dilation.height, ",", o.dilation.width, " padding ", o.padding.top,
                                   ",", o.padding.bottom, ",", o.padding.left, ",", o.padding.right, " groups ",
                                   o.groups);
  }
};

/// sin(a i + b), which other programs can make too.
Tensor<double> wave(const Shape& shape, double a, double b = 0) {
  return Tensor<double>::generate(shape, [=](Index i) { return std::sin(a * static_cast<double>(i) + b); });
}

/// The first numbers and the sum of squares of a tensor are those of PyTorch 1.13 in double.
void expect_reference(const Tensor<double>& x, const std::vector<double>& first, double squares) {
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(x.data()[i] == Approx(first[i]).epsilon(1e-12).margin(1e-12));
  CHECK(pf::sum(x * x).item() == Approx(squares).epsilon(1e-12));
}

double inner(const Tensor<double>& a, const Tensor<double>& b) {
  double total = 0;
  for (Index i = 0; i < a.size(); ++i) total += a.data()[i] * b.data()[i];
  return total;
}

}  // namespace

TEST_CASE("conv2d is its definition, for any stride, padding, dilation and number of groups") {
  Dice dice(1);
  for (int round = 0; round < 150; ++round) {
    const Case c(dice, round % 3 == 0 ? 24 : 9, round % 5 == 0 ? 20 : 5);
    INFO(c.str());
    // Sums of up to 320 products below 1.
    expect_equal(pf::conv2d(c.x, c.w, c.bias, c.options), naive(c.x, c.w, c.bias, c.options), 1e-12);
  }
}

TEST_CASE("the gradients of conv2d are its transposes in the input, in the weight and in the bias") {
  // <g, conv(x, w)> is linear in x and in w: its gradient by x, times x, is the value itself, for every x; as for w.
  Dice dice(2);
  for (int round = 0; round < 150; ++round) {
    const Case c(dice, round % 3 == 0 ? 24 : 9, round % 5 == 0 ? 20 : 5);
    INFO(c.str());
    const Tensor<double> x = pf::variable(c.x), w = pf::variable(c.w), bias = pf::variable(c.bias);
    const Tensor<double> y = pf::conv2d(x, w, bias, c.options), g = dice.tensor(y.shape());
    const auto slopes = pf::gradient(pf::sum(y * g), {x, w, bias});
    const Tensor<double> other_x = dice.tensor(x.shape()), other_w = dice.tensor(w.shape());
    const Tensor<double> none;
    CHECK(inner(slopes[0], other_x) ==
          Approx(inner(g, naive(other_x, c.w, none, c.options))).epsilon(1e-9).margin(1e-9));
    CHECK(inner(slopes[1], other_w) ==
          Approx(inner(g, naive(c.x, other_w, none, c.options))).epsilon(1e-9).margin(1e-9));
    if (!c.bias.empty()) expect_equal(slopes[2], pf::sum(g, {0, 2, 3}), 1e-10);
  }
}

TEST_CASE("convolutions and their gradients are PyTorch's") {
  const Tensor<double> x = pf::variable(wave({2, 4, 7, 6}, 0.37)), w = pf::variable(wave({6, 2, 3, 2}, 0.71, 0.3)),
                       bias = pf::variable(wave({6}, 1.1));
  const Tensor<double> y =
      pf::conv2d(x, w, bias, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2});
  CHECK(y.shape() == Shape{2, 6, 4, 8});
  expect_reference(y, {-1.30964621201023, -0.821776749851162, -1.06796108642011, 0.232597705631884}, 1601.62520823151);
  const auto slopes = pf::gradient(pf::sum(y * y), {x, w, bias}, {.create_graph = true});
  expect_reference(slopes[0], {-5.73137013482001, 0.670346830407451, 7.52772395988483, 13.926699046945},
                   86437.0223001424);
  expect_reference(slopes[1], {41.8996640626061, 100.890121613894, 76.6428520123667, -13.7702873436296},
                   473931.078938305);
  expect_reference(slopes[2], {18.5949037981176, 78.7779268988991, 128.509382055966, -16.2162749179351},
                   48396.9956264902);
  const auto second = pf::gradient(pf::sum(slopes[0] * slopes[0]) + pf::sum(slopes[1] * slopes[1]), {x, w, bias});
  expect_reference(second[0], {-1210.77458904696, 2360.58929973803, 5979.5088173492, 9273.17959484637},
                   34659555402.0376);
  expect_reference(second[1], {9480.9075426703, 37173.3145195183, 37206.7140714574, 55.7237523160402},
                   103031762495.083);
  expect_reference(second[2], {470.520103656294, -2222.4424538181, 4886.74867313876, -20.2742911796136},
                   40445896.8105853);
}

TEST_CASE("transposed convolutions and their gradients are PyTorch's") {
  const Tensor<double> x = pf::variable(wave({2, 4, 3, 4}, 0.37)), w = pf::variable(wave({4, 3, 3, 4}, 0.71, 0.3));
  const Tensor<double> y = pf::conv_transpose2d(
      x, w, wave({6}, 1.1),
      {.stride = {2, 3}, .padding = {1, 0}, .dilation = {2, 1}, .groups = 2, .output_padding = {1, 2}});
  CHECK(y.shape() == Shape{2, 6, 8, 15});
  expect_reference(y, {0, 0, 0, 0}, 1084.01453342193);
  const auto slopes = pf::gradient(pf::sum(y * y), {x, w});
  expect_reference(slopes[0], {-25.3902881758869, -22.7764579208986, -19.8150837958287, -11.5774233658046},
                   47803.6191683445);
  expect_reference(slopes[1], {21.7772218734946, 20.6094555654692, 20.9555805607735, 21.0029025982681},
                   47764.4787141247);
}

TEST_CASE("conv_transpose2d is the transpose of conv2d") {
  Dice dice(3);
  for (int round = 0; round < 80; ++round) {
    const Case c(dice, 9, 5);
    INFO(c.str());
    const auto& o = c.options;
    const Tensor<double> none, y = naive(c.x, c.w, none, o), g = dice.tensor(y.shape());
    const auto left = [](Index in, Index out, Index kernel, Index stride, Index dilation, Index padding) {
      return in - ((out - 1) * stride + dilation * (kernel - 1) + 1 - padding);
    };
    const pf::Size2 more{
        left(c.x.size(2), y.size(2), c.w.size(2), o.stride.height, o.dilation.height, o.padding.top + o.padding.bottom),
        left(c.x.size(3), y.size(3), c.w.size(3), o.stride.width, o.dilation.width, o.padding.left + o.padding.right)};
    const Tensor<double> back = pf::conv_transpose2d(g, c.w, none, {o.stride, o.padding, o.dilation, o.groups, more});
    REQUIRE(back.shape() == c.x.shape());
    CHECK(inner(back, c.x) == Approx(inner(g, y)).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("convolutions have derivatives to order 3 in input, weight and bias") {
  Dice dice(4);
  const Tensor<double> x = dice.tensor({2, 2, 4, 3}), w = dice.tensor({2, 1, 2, 3}), bias = dice.tensor({2});
  const pf::Conv2dOptions o{.stride = {2, 1}, .padding = {1, 0, 1, 1}, .groups = 2};
  expect_gradients_of_all([&](const auto& in) { return pf::square(pf::conv2d(in[0], in[1], in[2], o)); }, {x, w, bias},
                          {.order = 3});
  const pf::ConvTranspose2dOptions t{.stride = 2, .padding = {0, 1}, .output_padding = {1, 0}};
  expect_gradients_of_all([&](const auto& in) { return pf::square(pf::conv_transpose2d(in[0], in[1], in[2], t)); },
                          {dice.tensor({1, 2, 2, 3}), dice.tensor({2, 1, 2, 2}), dice.tensor({1})}, {.order = 2});
}

TEST_CASE("an activation is applied to the convolution") {
  Dice dice(5);
  const Tensor<double> x = dice.tensor({2, 3, 6, 5}), w = dice.tensor({4, 3, 3, 3}), bias = dice.tensor({4});
  expect_equal(pf::conv2d(x, w, bias, {.padding = 1}, pf::Activation::relu),
               pf::relu(pf::conv2d(x, w, bias, {.padding = 1})));
  const Tensor<double> wt = dice.tensor({3, 4, 4, 4});
  for (const auto how : {pf::Activation::relu, pf::Activation::tanh})
    expect_equal(pf::conv_transpose2d(x, wt, bias, {.stride = 2}, how),
                 pf::activate(pf::conv_transpose2d(x, wt, bias, {.stride = 2}), how));
  expect_gradients_of_all(
      [](const auto& in) { return pf::square(pf::conv2d(in[0], in[1], in[2], {}, pf::Activation::relu)); },
      {dice.tensor({1, 1, 3, 3}), dice.tensor({1, 1, 2, 2}), Tensor<double>({1}, {5.0})}, {.order = 2});
}

TEST_CASE("conv1d is conv2d on one line, also a long one") {
  Dice dice(6);
  for (const Index length : {5, 300, 1000}) {
    const Tensor<double> x = dice.tensor({2, 3, length}), w = dice.tensor({4, 3, 3}), bias = dice.tensor({4});
    expect_equal(pf::unsqueeze(pf::conv1d(x, w, bias, {.stride = 2, .padding = {4, 0}, .dilation = 2}), 2),
                 naive(pf::unsqueeze(x, 2), pf::unsqueeze(w, 2), bias,
                       {.stride = {1, 2}, .padding = {0, 0, 4, 0}, .dilation = {1, 2}}),
                 1e-13);
    const Tensor<double> wt = dice.tensor({3, 4, 3});
    expect_equal(pf::conv_transpose1d(x, wt, bias, {.stride = 3, .padding = {1, 0}}),
                 pf::squeeze(pf::conv_transpose2d(pf::unsqueeze(x, 2), pf::unsqueeze(wt, 2), bias,
                                                  {.stride = {1, 3}, .padding = {0, 0, 1, 0}}),
                             2));
  }
}

TEST_CASE(
    "convolutions of many channels and pixels are right in float, and have the same bits for any number of threads") {
  Dice dice(7);
  struct Large {
    Index n, in, side, out, kernel, stride, padding;
  };
  for (const Large& l : {Large{3, 70, 20, 33, 3, 1, 1}, Large{9, 65, 7, 40, 3, 1, 1}, Large{5, 64, 14, 48, 1, 1, 0},
                         Large{4, 20, 29, 2, 4, 2, 1}, Large{33, 3, 5, 17, 5, 1, 2}}) {
    const Tensor<float> x = dice.tensor<float>({l.n, l.in, l.side, l.side}),
                        w = dice.tensor<float>({l.out, l.in, l.kernel, l.kernel}), bias = dice.tensor<float>({l.out});
    const pf::Conv2dOptions o{.stride = l.stride, .padding = l.padding};
    const auto results = [&](const auto& a, const auto& b, const auto& c) {
      const auto va = pf::variable(a), vb = pf::variable(b), vc = pf::variable(c);
      const auto y = pf::conv2d(va, vb, vc, o);
      const auto [ga, gb, gc] = pf::gradient(pf::sum(y * y), {va, vb, vc});
      return std::vector{pf::stop_gradient(y), ga, gb, gc};
    };
    const int before = pf::num_threads();
    std::vector<Tensor<float>> alone;
    for (const int threads : {1, 2, 3, 8}) {
      pf::set_num_threads(threads);
      const auto here = results(x, w, bias);
      if (threads == 1) alone = here;
      for (std::size_t i = 0; i < here.size(); ++i) expect_equal(here[i], alone[i]);
    }
    pf::set_num_threads(before);
    const auto exact = results(pf::cast<double>(x), pf::cast<double>(w), pf::cast<double>(bias));
    for (std::size_t i = 0; i < exact.size(); ++i) {
      // A sum of k terms t has an error of about sqrt(k) eps |t|, which is eps times the size of the largest results.
      double largest = 0, worst = 0;
      for (Index k = 0; k < exact[i].size(); ++k) {
        largest = std::max(largest, std::abs(exact[i].data()[k]));
        worst = std::max(worst, std::abs(exact[i].data()[k] - static_cast<double>(alone[i].data()[k])));
      }
      CHECK(worst <= 40 * std::numeric_limits<float>::epsilon() * largest);
    }
  }
}

TEST_CASE("images of fewer numbers than a vector holds are not read beyond their end") {
  Dice dice(17);
  for (const Index images : {1, 2, 3})
    for (const Index side : {1, 2, 3}) {
      const Index channels = 1 + (images + side) % 3;
      // A storage of its own, which nothing follows that may be read: the address sanitizer watches.
      const Tensor<float> x = dice.tensor<float>({images, channels, side, side}),
                          w = dice.tensor<float>({2, channels, 1, 1});
      const Tensor<float> y = pf::conv2d(x, w, Tensor<float>());
      const Index area = side * side;
      for (Index o = 0; o < 2 * images; ++o)
        for (Index i = 0; i < area; ++i) {
          double expected = 0;
          for (Index c = 0; c < channels; ++c)
            expected += double{w.data()[o % 2 * channels + c]} * double{x.data()[(o / 2 * channels + c) * area + i]};
          CHECK(std::abs(y.data()[o * area + i] - expected) < 1e-5);
        }
    }
}

TEST_CASE("empty batches and channels pass through convolutions") {
  Dice dice(8);
  const Tensor<double> w = dice.tensor({4, 3, 3, 3}), bias = dice.tensor({4}), none;
  const Tensor<double> x = pf::variable(Tensor<double>::zeros({0, 3, 5, 5})), v = pf::variable(w);
  const Tensor<double> y = pf::conv2d(x, v, bias);
  CHECK(y.shape() == Shape{0, 4, 3, 3});
  const auto slopes = pf::gradient(pf::sum(y), {x, v});
  CHECK(slopes[0].shape() == x.shape());
  expect_equal(slopes[1], Tensor<double>::zeros(w.shape()));
  // No input channels: the bias alone.
  expect_equal(pf::conv2d(Tensor<double>::zeros({2, 0, 5, 5}), Tensor<double>::zeros({4, 0, 3, 3}), bias),
               pf::expand(pf::reshape(bias, {1, 4, 1, 1}), Shape{2, 4, 3, 3}));
  CHECK(pf::conv2d(dice.tensor({2, 3, 5, 5}), Tensor<double>::zeros({0, 3, 3, 3}), none).shape() == Shape{2, 0, 3, 3});
}

TEST_CASE("images without lines are all padding to a convolution") {
  Dice dice(9);
  const Tensor<double> w = dice.tensor({3, 2, 2, 2}), bias = dice.tensor({3});
  for (const Shape& shape : {Shape{2, 2, 0, 4}, Shape{2, 2, 4, 0}, Shape{2, 2, 0, 0}}) {
    const pf::Conv2dOptions o{.stride = 2, .padding = 2};
    const Tensor<double> x = pf::variable(Tensor<double>::zeros(shape)), v = pf::variable(w);
    const Tensor<double> y = pf::conv2d(x, v, bias, o);
    expect_equal(y, naive(x, w, bias, o));
    const auto slopes = pf::gradient(pf::sum(y), {x, v});
    CHECK(slopes[0].shape() == shape);
    expect_equal(slopes[1], Tensor<double>::zeros(w.shape()));
    CHECK(pf::conv_transpose2d(x, pf::reshape(w, {2, 3, 2, 2}), bias).empty());
  }
}

TEST_CASE("strides and dilations without effect may have any size, and what cannot be counted is refused") {
  Dice dice(10);
  const Index huge = Index{1} << 62;
  const Tensor<double> x = dice.tensor({2, 2, 3, 4}), w = dice.tensor({2, 2, 2, 3}), none;
  const auto results = [&](const Tensor<double>& at, const Tensor<double>& weight, const auto& f) {
    const Tensor<double> vx = pf::variable(at), vw = pf::variable(weight), y = f(vx, vw);
    const auto slopes = pf::gradient(pf::sum(y * y), {vx, vw});
    return std::vector{pf::stop_gradient(y), slopes[0], slopes[1]};
  };
  const auto expect_same = [&](const auto& a, const auto& b) {
    for (std::size_t i = 0; i < a.size(); ++i) expect_equal(a[i], b[i], 1e-14);
  };
  const auto strided = [&](Index stride) {
    return [&, stride](const auto& a, const auto& b) { return pf::conv2d(a, b, none, {.stride = stride}); };
  };
  expect_same(results(x, w, strided(huge)), results(x, w, strided(3)));
  const Tensor<double> one = dice.tensor({2, 2, 1, 1}), dot = dice.tensor({2, 2, 1, 1});
  const auto spread = [&](Index stride) {
    return [&, stride](const auto& a, const auto& b) { return pf::conv_transpose2d(a, b, none, {.stride = stride}); };
  };
  expect_same(results(one, w, spread(huge)), results(one, w, spread(4)));
  const auto dilated = [&](Index dilation) {
    return [&, dilation](const auto& a, const auto& b) { return pf::conv2d(a, b, none, {.dilation = dilation}); };
  };
  expect_same(results(x, dot, dilated(huge)), results(x, dot, dilated(1)));

  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.dilation = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.padding = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.padding = {-huge, huge, 0, 0}}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.groups = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv_transpose2d(x, w, none, {.stride = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv_transpose2d(x, w, none, {.groups = huge}), pf::ShapeError);
  CHECK_THROWS_AS(pf::conv_transpose2d(x, w, none, {.stride = huge, .output_padding = huge - 1}), pf::ShapeError);
}

TEST_CASE("convolutions that do not fit are refused, and the message says what to do") {
  const Tensor<> x = Tensor<>::ones({2, 3, 8, 8}), w = Tensor<>::ones({4, 3, 3, 3}), none;
  const auto message = [](const auto& f) { return message_of<pf::ShapeError>(f); };
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  CHECK(has(message([&] { pf::conv2d(Tensor<>::ones({3, 8, 8}), w, none); }), "[n, channels, height, width]"));
  CHECK(has(message([&] { pf::conv2d(Tensor<>::ones({2, 4, 8, 8}), w, none); }), "4 channels, expected 3"));
  CHECK(has(message([&] { pf::conv2d(Tensor<>::ones({2, 3, 2, 8}), w, none); }), "pad more"));
  CHECK(has(message([&] { pf::conv2d(x, w, Tensor<>::ones({3})); }), "expected [4]"));
  CHECK(has(message([&] { pf::conv2d(Tensor<>::ones({2, 9, 8, 8}), w, none, {.groups = 3}); }), "3 groups"));
  CHECK(has(message([&] { pf::conv2d(x, Tensor<>::ones({4, 3, 0, 3}), none); }), "1 x 1"));
  CHECK(has(message([&] { pf::conv_transpose2d(x, Tensor<>::ones({3, 4, 2, 2}), none, {.padding = 9}); }), "pad less"));
  CHECK(has(message([&] { pf::conv1d(x, w, none); }), "[n, channels, length]"));
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.stride = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.dilation = {1, 0}}), pf::ValueError);
  CHECK_THROWS_AS(pf::conv2d(x, w, none, {.groups = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::conv_transpose2d(x, Tensor<>::ones({3, 4, 2, 2}), none, {.output_padding = 1}), pf::ValueError);
}
