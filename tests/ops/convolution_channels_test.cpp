#include <pushforward/ops/convolution.hpp>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/ops/cast.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Dice;
using support::expect_equal;
using support::Index;

namespace {

/// Enough channels for vectors to run along them: of every kind of box, of panels with one and with two vectors, and of
/// channels in one and in several blocks; sums of few terms, in images of one and of several stretches; panels that
/// overlap or are narrower; few outputs.
struct Wide {
  Index n, in, height, width, out, kernel_y, kernel_x;
  pf::Conv2dOptions options;
};

const Wide wides[] = {{3, 24, 9, 9, 32, 3, 3, {.padding = 1}},
                      {2, 70, 20, 23, 48, 3, 3, {.padding = 1}},
                      {7, 40, 7, 7, 64, 3, 3, {.padding = {1, 0, 0, 1}}},
                      {5, 64, 7, 7, 80, 1, 1, {}},
                      {2, 33, 14, 14, 32, 3, 3, {.stride = 2, .padding = 1}},
                      {2, 32, 13, 17, 31, 4, 4, {.stride = {3, 2}, .padding = 2}},
                      {2, 16, 31, 12, 16, 5, 2, {.padding = {2, 2, 1, 0}, .dilation = {1, 2}}},
                      {1, 16, 2, 700, 32, 1, 3, {.padding = {0, 0, 2, 0}}},
                      {1, 12, 3, 900, 16, 2, 4, {.stride = {1, 3}, .padding = {1, 0, 2, 3}}},
                      {2, 48, 8, 8, 96, 3, 3, {.padding = 1, .groups = 3}},
                      {3, 64, 10, 10, 32, 3, 3, {.stride = 2, .padding = 1, .groups = 2}},
                      {2, 16, 12, 12, 16, 1, 1, {.stride = 2}},
                      {1, 340, 8, 8, 16, 1, 1, {}},
                      {2, 1, 28, 28, 32, 3, 3, {.padding = 1}},
                      {2, 32, 28, 28, 1, 3, 3, {.padding = 1}},
                      {3, 32, 9, 21, 2, 3, 5, {.padding = {0, 1, 3, 1}}},
                      {2, 3, 11, 11, 24, 3, 3, {.stride = 2, .padding = 1}},
                      {3, 2, 16, 16, 24, 3, 3, {.padding = 1}},
                      {2, 1, 47, 45, 7, 4, 3, {.padding = {3, 2, 0, 1}}},
                      {2, 3, 40, 9, 15, 3, 3, {.stride = {2, 1}, .padding = {1, 1, 6, 5}, .groups = 3}},
                      {2, 4, 11, 9, 10, 2, 2, {.padding = {0, 3}, .dilation = {3, 2}, .groups = 2}},
                      {1, 2, 1, 1500, 6, 1, 7, {.padding = {0, 0, 6, 0}}},
                      {2, 1, 4, 700, 6, 3, 3, {.padding = 1}},
                      {1, 2, 90, 1, 5, 5, 1, {.padding = {2, 2, 0, 0}}},
                      {2, 1, 3, 11, 9, 5, 3, {.padding = {4, 4, 1, 1}}},
                      {2, 9, 20, 20, 33, 1, 1, {}},
                      {2, 32, 14, 14, 64, 1, 1, {}},
                      {1, 600, 15, 13, 17, 1, 1, {}},
                      {2, 40, 21, 23, 48, 1, 1, {}},
                      {2, 24, 12, 11, 4, 3, 3, {.padding = 1}},
                      {2, 9, 4, 7, 3, 3, 3, {.padding = 1}}};

/// The result of conv2d, and its gradients by the input, by the weight and by the bias.
template <class S>
std::vector<Tensor<S>> results(const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias, const Tensor<S>& g,
                               const pf::Conv2dOptions& options) {
  const Tensor<S> vx = pf::variable(x), vw = pf::variable(w), vb = pf::variable(bias);
  const Tensor<S> y = pf::conv2d(vx, vw, vb, options);
  std::vector<Tensor<S>> all{pf::stop_gradient(y)};
  for (const Tensor<S>& slope : pf::gradient(pf::sum(y * g), {vx, vw, vb})) all.push_back(slope);
  return all;
}

/// Calls f(x, w, bias, g) for each shape.
template <class S, class F>
void for_wides(const F& f) {
  Dice dice(23);
  for (const Wide& l : wides) {
    INFO(l.in << " channels of " << l.height << " x " << l.width << " to " << l.out);
    const Tensor<S> x = dice.tensor<S>({l.n, l.in, l.height, l.width}), bias = dice.tensor<S>({l.out});
    const Tensor<S> w = dice.tensor<S>({l.out, l.in / l.options.groups, l.kernel_y, l.kernel_x});
    f(x, w, bias, dice.tensor<S>(pf::conv2d(x, w, bias, l.options).shape()), l.options);
  }
}

template <class S>
void expect_same_bits_along_channels_and_positions() {
  namespace inner = pf::detail;
  for_wides<S>([](const auto& x, const auto& w, const auto& bias, const auto& g, const pf::Conv2dOptions& options) {
    for (const bool relu : {false, true}) {
      const inner::ConvGeometry c = inner::conv_geometry("test", x, w, bias, options);
      const auto values = [&](const auto& run) {
        return Tensor<S>::build(g.shape(), [&](S* y) {
          run(inner::ConvProblem<S>{inner::conv_source(x, c), c.groups, w.size(0) / c.groups, w.data(), bias.data(),
                                    relu, y, c.y.out * c.x.out, c.x.out, 1});
        });
      };
      const Tensor<S> by_positions = values([](const auto& p) { inner::ConvForward<S>(p).run_by_positions(); });
      expect_equal(values([](const auto& p) { inner::ConvForward<S>(p).run(); }), by_positions);
      // Few outputs are summed up tap by tap, all else as here.
      if (w.size(0) > 4 * c.groups) expect_equal(inner::conv_values(x, w, bias, c, relu), by_positions);
    }
  });
}

}  // namespace

TEST_CASE("convolutions along channels and along positions have the same bits") {
  expect_same_bits_along_channels_and_positions<float>();
  expect_same_bits_along_channels_and_positions<double>();
}

TEST_CASE("convolutions of every kind of box are right, and the same for any number of threads") {
  for_wides<float>([](const auto& x, const auto& w, const auto& bias, const auto& g, const pf::Conv2dOptions& options) {
    const int before = pf::num_threads();
    pf::set_num_threads(3);
    const auto shared = results(x, w, bias, g, options);
    pf::set_num_threads(1);
    const auto alone = results(x, w, bias, g, options);
    pf::set_num_threads(before);
    // In double the vectors are shorter, so that other shapes take other paths.
    const auto exact =
        results(pf::cast<double>(x), pf::cast<double>(w), pf::cast<double>(bias), pf::cast<double>(g), options);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      expect_equal(alone[i], shared[i]);
      // A sum of k terms t has an error of about sqrt(k) eps |t|, which is eps times the size of the largest results.
      const double largest = pf::abs(exact[i]).max();
      const double worst = pf::abs(exact[i] - pf::cast<double>(alone[i])).max();
      CHECK(worst <= 40 * double{std::numeric_limits<float>::epsilon()} * largest);
    }
    // y is linear in x, and in w: <g, y - bias> is the slope by each times itself.
    const double product = (exact[0] * pf::cast<double>(g)).sum() - (exact[3] * pf::cast<double>(bias)).sum();
    CHECK((exact[1] * pf::cast<double>(x)).sum() == Approx(product).epsilon(1e-9).margin(1e-9));
    CHECK((exact[2] * pf::cast<double>(w)).sum() == Approx(product).epsilon(1e-9).margin(1e-9));
  });
}
