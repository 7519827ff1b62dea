// SpectralNorm against the singular value decomposition.
#include <cmath>
#include <vector>

#include <Eigen/SVD>

#include <pushforward/nn/activations.hpp>
#include <pushforward/nn/any_layer.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/frozen.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/nn/spectral_norm.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

Eigen::JacobiSVD<Eigen::MatrixXd> decomposition(const Tensor<double>& weight) {
  return Eigen::JacobiSVD<Eigen::MatrixXd>(weight.matrix(), Eigen::ComputeThinU | Eigen::ComputeThinV);
}
double largest_singular_value(const Tensor<double>& weight) { return decomposition(weight).singularValues()(0); }

using Layer = pf::SpectralNorm<pf::Linear<double>>;

// With many iterations the power method is exact to rounding for weights whose singular values are apart.
Layer some_layer(Index in, Index out, double bound = 1, Index iterations = 400) {
  pf::Rng rng(4);
  return Layer(pf::Linear<double>(in, out, rng), rng, {.bound = bound, .iterations = iterations});
}

// A layer of one's own: its weight has another name, and beside it stands a buffer with an unlucky one.
struct Scaled {
  pf::Parameter<double> weight, gain;
  pf::Buffer<double> offset;
  explicit Scaled(pf::Rng& rng)
      : weight(pf::normal<double>({3, 4}, rng)),
        gain(pf::normal<double>({3}, rng)),
        offset(Tensor<double>::ones({3})) {}
  Tensor<double> operator()(const Tensor<double>& x) const {
    return pf::matmul(x, weight.tensor(), {.transpose_b = true}) * gain.tensor() + offset.tensor();
  }
  static void members(auto& self, auto&& visit) {
    visit("gain", self.gain);
    visit("kernel", self.weight);
    visit("spectral_direction", self.offset);
  }
};

// The weight as [out, in], whichever axis counts outputs.
Tensor<double> rows_of(const Tensor<double>& weight, int axis) {
  const auto first = axis == 0 ? weight : pf::transpose(weight, 0, axis);
  return pf::reshape(first, {first.size(0), -1});
}

// A layer's weight is divided by the decomposition's sigma, its outputs are those of a layer with that weight, and
// gradients reach all its parameters to order 2.
template <class L>
void check_layer(const L& plain, const Tensor<double>& x, int axis) {
  pf::Rng rng(21);
  pf::SpectralNorm<L> layer(plain, rng, {.iterations = 800});
  layer.update();
  layer.options.iterations = 1;  // of a pair that has converged: the gradients below are taken many times
  const double sigma = largest_singular_value(rows_of(plain.weight, axis));
  CHECK(pf::max(pf::abs(layer.weight() - plain.weight.tensor() / sigma)).item() < 1e-9);
  L divided = plain;
  divided.weight = plain.weight.tensor() / sigma;
  CHECK(pf::max(pf::abs(layer(x) - divided(x))).item() < 1e-9);
  CHECK_NOTHROW(pf::testing::check_module(layer, x));
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& at) { return layer(at); }, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(
      [&](const Tensor<double>& w) {
        const auto seen = pf::detail::as_matrix(w, axis);
        const auto pair = pf::detail::SingularPair<double>{layer.direction, layer.input_direction};
        return pf::detail::call_with_weight(plain, w / pf::detail::spectral_norm_of(seen, pair), x);
      },
      plain.weight.tensor(), {.order = 2}));
}

}  // namespace

TEST_CASE("the normalized weight is W / sigma with the sigma of the decomposition") {
  for (const auto& [in, out] : {std::pair<Index, Index>{3, 3}, {2, 9}, {9, 2}, {1, 4}, {4, 1}}) {
    const Layer layer = some_layer(in, out);
    const double sigma = largest_singular_value(layer.layer.weight);
    const Tensor<double> expected = layer.layer.weight.tensor() / sigma;
    CHECK(pf::max(pf::abs(layer.weight() - expected)).item() < 1e-10);
    CHECK(largest_singular_value(layer.weight()) == Approx(1.0).epsilon(1e-10));
    CHECK(largest_singular_value(some_layer(in, out, 2.5).weight()) == Approx(2.5).epsilon(1e-10));
    pf::Rng rng(1);
    const auto x = pf::normal<double>({5, in}, rng);
    CHECK(pf::max(pf::abs(layer(x) - pf::linear(x, expected, layer.layer.bias.tensor()))).item() < 1e-10);
    CHECK(pf::max(pf::abs(layer(x, pf::Activation::tanh) - pf::tanh(layer(x)))).item() < 1e-12);
  }
}

TEST_CASE("the gradient of the normalized weight is that of W / sigma, with d sigma = u v^T of the decomposition") {
  const Layer layer = some_layer(4, 3);
  pf::Rng rng(2);
  const auto c = pf::normal<double>({3, 4}, rng);  // loss = <c, W / sigma>
  const auto found = pf::gradient(pf::sum(layer.weight() * c), layer)[0];
  const auto svd = decomposition(layer.layer.weight);
  const double sigma = svd.singularValues()(0);
  const Eigen::MatrixXd w = layer.layer.weight.matrix(),
                        outer = svd.matrixU().col(0) * svd.matrixV().col(0).transpose();
  // Miyato et al. 2018, eq. 12.
  const Eigen::MatrixXd expected =
      c.matrix() / sigma - (c.matrix().array() * w.array()).sum() / (sigma * sigma) * outer;
  CHECK((found.matrix() - expected).cwiseAbs().maxCoeff() < 1e-9);

  // sigma is stationary in u and v, so that the total derivative is the same: against finite differences.
  const double h = 1e-6;
  for (Index i = 0; i < 12; ++i) {
    const auto at = [&](double by) {
      Layer moved = layer;
      moved.layer.weight = Tensor<double>::generate(
          {3, 4}, [&](Index k) { return layer.layer.weight.tensor().data()[k] + (k == i ? by : 0); });
      return pf::sum(moved.weight() * c).item();
    };
    CHECK(found.data()[i] == Approx((at(h) - at(-h)) / (2 * h)).margin(1e-7));
  }
}

TEST_CASE("with its vectors held, the normalized layer has gradients of order 2 in its input and weight") {
  pf::Rng rng(3);
  pf::SpectralMlp<double> critic({2, 5, 1}, rng, {.activation = pf::Activation::tanh});
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return critic(x); },
                                             pf::normal<double>({3, 2}, rng), {.order = 2}));
  const auto pair = pf::detail::power_method<double>(critic.layers[0].layer.weight, critic.layers[0].direction, 1);
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& w) { return w / pf::detail::spectral_norm_of(w, pair); },
                                   critic.layers[0].layer.weight.tensor(), {.order = 2}));
}

TEST_CASE("calls repeat and change nothing; updates follow a changed weight to its singular vector") {
  pf::Rng rng(5);
  Layer layer(pf::Linear<double>(20, 30, rng), rng);
  const auto x = pf::normal<double>({4, 20}, rng);
  CHECK(layer(x).to_vector() == layer(x).to_vector());
  const auto before = layer.direction.to_vector(), before_right = layer.input_direction.to_vector();

  layer.layer.weight = pf::normal<double>({30, 20}, rng);
  const double sigma = largest_singular_value(layer.layer.weight);
  const auto error = [&] { return std::abs(largest_singular_value(layer.weight()) - 1); };
  const double stale = error();
  CHECK(layer.direction.to_vector() == before);
  CHECK(layer.input_direction.to_vector() == before_right);
  double last = stale;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 50; ++i) CHECK(pf::update_spectral_norms(layer) == 1);
    CHECK(error() <= last + 1e-12);
    last = error();
  }
  CHECK(stale > 0.02);
  CHECK(last < 1e-6);
  const auto svd = decomposition(layer.layer.weight);
  CHECK(std::abs(layer.direction.matrix().cwiseProduct(svd.matrixU().col(0)).sum()) == Approx(1.0));
  CHECK(std::abs(layer.input_direction.matrix().cwiseProduct(svd.matrixV().col(0)).sum()) == Approx(1.0));
  CHECK(svd.singularValues()(0) == sigma);
}

TEST_CASE("a pair of other weights never makes the normalized weight explode, whatever the sign of sigma") {
  pf::Rng rng(12);
  const auto check = [](auto layer) {
    using S = typename decltype(layer)::Scalar;
    pf::evaluate(layer);
    const auto norm_of = [](const Tensor<S>& w) {
      return largest_singular_value(pf::cast<double>(pf::stop_gradient(w)));
    };
    const auto before = layer.weight();
    layer.layer.weight = -layer.layer.weight.tensor();
    CHECK(layer.weight().to_vector() == (-before).to_vector());
    // sigma = 0 for the pair of another weight: no largest singular value is below the root mean square of them.
    layer.direction = Tensor<S>{1, 0, 0};
    layer.input_direction = Tensor<S>{1, 0, 0};
    layer.layer.weight = Tensor<S>({3, 3}, {0, 2, 0, 3, 0, 0, 0, 0, 1});
    CHECK(norm_of(layer.weight()) <= 4 * std::sqrt(3.0) + 1e-4);
    CHECK(norm_of(layer.weight()) > 1);
    const auto gradients = pf::gradient(pf::sum(pf::square(layer.weight())), layer);
    for (const S g : gradients[0]) CHECK(std::isfinite(g));
    const Tensor<S> modest = layer.layer.weight.tensor();
    layer.layer.weight = modest * S(1e20);  // whose squares are no floats
    CHECK(norm_of(layer.weight()) <= 4 * std::sqrt(3.0) + 1e-4);
    CHECK(norm_of(layer.weight()) > 1);
    layer.layer.weight = modest;
    CHECK(pf::settle_spectral_norms(layer) == 1);
    CHECK(norm_of(layer.weight()) == Approx(1.0).epsilon(1e-5));
  };
  check(pf::SpectralNorm(pf::Linear<double>(3, 3, rng), rng));
  check(pf::SpectralNorm(pf::Linear<float>(3, 3, rng), rng));
}

TEST_CASE("settled pairs are those of the weights, from wherever they start") {
  pf::Rng rng(13);
  Layer layer(pf::Linear<double>(40, 30, rng), rng);
  pf::evaluate(layer);
  for (int i = 0; i < 20; ++i) {
    layer.layer.weight = pf::normal<double>({30, 40}, rng);
    layer.settle();
    CHECK(largest_singular_value(layer.weight()) == Approx(1.0).epsilon(2e-4));
    CHECK(largest_singular_value(layer.weight()) >= 1 - 1e-12);
  }
  // From exactly the vectors of a smaller singular value, which the power method would stay at.
  Layer stuck(pf::Linear<double>(2, 2, rng), rng);
  pf::evaluate(stuck);
  stuck.direction = stuck.input_direction = Tensor<double>{1, 0};
  stuck.layer.weight = Tensor<double>({2, 2}, {1, 0, 0, 1.1});
  CHECK(pf::update_spectral_norms(stuck) == 1);
  CHECK(largest_singular_value(stuck.weight()) == Approx(1.1));
  const auto bits = [&] { return stuck.direction.to_vector(); };
  Layer again = stuck;
  stuck.settle(), again.settle();
  CHECK(largest_singular_value(stuck.weight()) == Approx(1.0).epsilon(1e-4));
  CHECK(again.direction.to_vector() == bits());
}

TEST_CASE("a spectrally normalized network is Lipschitz, and its layers are found wherever they stand") {
  pf::Rng rng(6);
  pf::SpectralMlp<> critic({2, 64, 64, 1}, rng);
  for (int i = 0; i < 200; ++i) pf::update_spectral_norms(critic);
  const auto x = pf::normal({500, 2}, rng), y = pf::normal({500, 2}, rng);
  const auto gap = pf::abs(critic(x) - critic(y)) / pf::norm(x - y, 1, true);
  CHECK(gap.max() <= 1.0f + 1e-3f);
  CHECK(pf::update_spectral_norms(critic) == 3);

  std::vector<pf::AnyLayer<>> stack;
  stack.push_back(pf::SpectralNorm<>(pf::Linear<>(2, 8, rng), rng));
  stack.push_back(pf::Linear<>(8, 8, rng));
  stack.push_back(pf::SpectralNorm<>(pf::Linear<>(8, 1, rng), rng));
  pf::Sequential mixed(stack, pf::Relu{}, pf::SpectralNorm(pf::Linear<double>(3, 3, rng), rng));
  CHECK(pf::update_spectral_norms(mixed) == 3);
  pf::Mlp<> plain({2, 4, 1}, rng);
  CHECK(pf::update_spectral_norms(plain) == 0);
}

TEST_CASE("it is a module: members are named, copies are independent, an activation after it is fused") {
  pf::Rng rng(7);
  const auto x = pf::normal({3, 4}, rng);
  CHECK_NOTHROW(pf::testing::check_module(pf::SpectralMlp<>({4, 8, 8, 2}, rng), x));
  const pf::Sequential net(pf::SpectralNorm(pf::Linear<>(4, 8, rng), rng), pf::Relu{},
                           pf::SpectralNorm(pf::Linear<>(8, 2, rng), rng));
  CHECK_NOTHROW(pf::testing::check_module(net, x));
  CHECK(pf::count_parameters(net) == 4 * 8 + 8 + 8 * 2 + 2);
  Index buffers = 0;
  pf::for_each_buffer(net, [&](const pf::Path&, const pf::Buffer<>&) { ++buffers; });
  CHECK(buffers == 4);
}

TEST_CASE("a weight of zeros stays zero, and what cannot be normalized is refused") {
  pf::Rng rng(8);
  Layer layer(pf::Linear<double>(3, 2, rng), rng);
  const auto direction = layer.direction.to_vector();
  layer.layer.weight = Tensor<double>::zeros({2, 3});
  pf::update_spectral_norms(layer);
  CHECK(layer.direction.to_vector() == direction);
  CHECK(layer.weight().to_vector() == std::vector<double>(6, 0.0));
  const auto slopes = pf::gradient(pf::sum(layer.weight()), layer);
  for (double g : slopes[0]) CHECK(std::isfinite(g));
  pf::Linear<double> nothing(3, 2, rng);
  nothing.weight = Tensor<double>::zeros({2, 3});
  Layer from_zero(nothing, rng);
  CHECK(from_zero.weight().to_vector() == std::vector<double>(6, 0.0));
  from_zero.layer.weight = pf::normal<double>({2, 3}, rng);
  for (int i = 0; i < 100; ++i) from_zero.update();
  CHECK(largest_singular_value(from_zero.weight()) == Approx(1.0).epsilon(1e-6));
  CHECK_THROWS_AS(Layer(pf::Linear<double>(3, 2, rng), rng, {.bound = 0}), pf::ValueError);
  CHECK_THROWS_AS(Layer(pf::Linear<double>(3, 2, rng), rng, {.iterations = 0}), pf::ValueError);
  CHECK_THROWS_AS(Layer(pf::Linear<double>(), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::SpectralMlp<>({2}, rng), pf::ValueError);
}

TEST_CASE(
    "spectral norm takes every layer with a weight: convolutions, their transposes, embeddings, a module of one's "
    "own") {
  pf::Rng rng(9);
  const auto series = pf::normal<double>({2, 4, 5}, rng), images = pf::normal<double>({2, 4, 3, 4}, rng);
  check_layer(pf::Linear<double>(5, 3, rng), series, 0);
  check_layer(pf::Conv1d<double>(4, 3, 2, rng, {.stride = 2}), series, 0);
  check_layer(pf::Conv2d<double>(4, 6, 2, rng, {.padding = 1, .groups = 2}), images, 0);
  check_layer(pf::ConvTranspose1d<double>(4, 3, 2, rng), series, 1);
  check_layer(pf::ConvTranspose2d<double>(4, 2, 2, rng, {.stride = 2}), images, 1);
  check_layer(Scaled(rng), pf::normal<double>({2, 4}, rng), 0);

  const pf::Embedding<double> table(6, 3, rng);
  const pf::SpectralNorm rows(table, rng, {.iterations = 400});
  const Tensor<Index> codes({2}, {4, 0});
  const double sigma = largest_singular_value(table.weight);
  CHECK(pf::max(pf::abs(rows(codes) - table(codes) / sigma)).item() < 1e-9);
  const pf::SpectralNorm filter(pf::Conv2d<double>(4, 3, 2, rng), rng);
  CHECK(pf::max(pf::abs(filter(images, pf::Activation::relu) - pf::relu(filter(images)))).item() == 0);
  static_assert(!std::is_invocable_v<const pf::SpectralNorm<pf::Conv1d<>>&, const Tensor<>&, pf::Activation>);
}

TEST_CASE("an update finds normalized layers by what they are, not by the names of members") {
  pf::Rng rng(10);
  Scaled plain(rng);
  CHECK(pf::update_spectral_norms(plain) == 0);
  CHECK(plain.offset.to_vector() == std::vector<double>(3, 1.0));
  pf::SpectralNorm<Scaled> layer(plain, rng);
  layer.layer.weight = pf::normal<double>({3, 4}, rng);
  pf::Sequential net(std::vector<pf::AnyLayer<double>>{pf::AnyLayer<double>(layer), pf::AnyLayer<double>(plain)});
  for (int i = 0; i < 300; ++i) {
    pf::update_spectral_norms(layer);
    CHECK(pf::update_spectral_norms(net) == 1);
  }
  CHECK(layer.layer.offset.to_vector() == std::vector<double>(3, 1.0));
  CHECK(largest_singular_value(layer.weight()) == Approx(1.0).epsilon(1e-9));
  pf::Frozen still(layer);
  CHECK(pf::update_spectral_norms(still) == 0);
}

TEST_CASE("in evaluation a normalized layer takes the stored pair as it is, in training a step from it") {
  pf::Rng rng(11);
  Layer layer(pf::Linear<double>(6, 5, rng), rng);
  layer.layer.weight = pf::normal<double>({5, 6}, rng);
  const auto w = layer.layer.weight.matrix();
  const Eigen::VectorXd left = layer.direction.matrix(), right = layer.input_direction.matrix();
  const Eigen::VectorXd next_right = (w.transpose() * left).normalized(), next_left = (w * next_right).normalized();
  const auto ratio = [&] { return layer.layer.weight(0, 0) / layer.weight()(0, 0); };
  CHECK(ratio() == Approx(next_left.dot(w * next_right)));
  pf::evaluate(layer);
  CHECK(ratio() == Approx(left.dot(w * right)));
  CHECK(pf::update_spectral_norms(layer) == 1);
  CHECK(ratio() == Approx(next_left.dot(w * next_right)));
}
