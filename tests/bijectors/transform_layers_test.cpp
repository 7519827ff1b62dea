#include <pushforward/bijectors/bernstein.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/cubic_spline.hpp>
#include <pushforward/bijectors/sigmoidal.hpp>
#include <pushforward/bijectors/sum_of_squares.hpp>
#include <pushforward/bijectors/transform_autoregressive.hpp>
#include <pushforward/bijectors/transform_coupling.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr auto smooth = pf::Activation::tanh;

template <class S>
pf::MaskedMlp<S> masked(Index features, Index outputs, pf::Rng& rng,
                        pf::FeatureOrder order = pf::FeatureOrder::natural) {
  return pf::MaskedMlp<S>(
      {.features = features, .outputs = outputs, .hidden = {12}, .activation = smooth, .order = order}, rng);
}

// Calls visit(bijector) with a coupling and an autoregressive layer of 3 features of every transform; behind one type,
// so that what visits is compiled once.
template <class S, class Visit>
void for_each_layer(pf::Rng& rng, const Visit& visit) {
  auto layers = [&](const auto& transform) {
    INFO(transform.name);
    const Index n = transform.numbers();
    pf::Mlp<S> net({1, 8, 2 * n}, rng, {.activation = smooth});
    visit(pf::AnyBijector<S>(pf::TransformCoupling(net, 3, transform)));
    visit(pf::AnyBijector<S>(pf::TransformAutoregressive(masked<S>(3, n, rng), 3, transform)));
  };
  const pf::SplineOptions spline{.bins = 4, .bound = 4};
  layers(pf::LinearSplineTransform(spline));
  layers(pf::QuadraticSplineTransform(spline));
  layers(pf::CubicSplineTransform(spline));
  layers(pf::RationalQuadraticTransform(spline));
  layers(pf::CircularSplineTransform({.bins = 4, .bound = 20}));
  layers(pf::BernsteinTransform({.degree = 8, .bound = 4}));
  layers(pf::SumOfSquaresTransform());
  layers(pf::SigmoidalTransform({.units = 4}));
}

// A transform of a user, y = x exp(s) + t, with an inverse in closed form.
struct ScaleAndShift {
  static Index numbers() { return 2; }
  template <class S>
  pf::WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const Tensor<S> s = pf::select(raw, -1, 0);
    return {x * pf::exp(s) + pf::select(raw, -1, 1), s};
  }
  template <class S>
  pf::WithLogSlope<S> inverse(const Tensor<S>& y, const Tensor<S>& raw) const {
    const Tensor<S> s = pf::select(raw, -1, 0);
    return {(y - pf::select(raw, -1, 1)) * pf::exp(-s), -s};
  }
};

}  // namespace

TEST_CASE("couplings and autoregressive layers of every transform invert, with the log-determinant of the Jacobian") {
  pf::Rng rng(1);
  for_each_layer<double>(rng, [&](const pf::AnyBijector<double>& layer) {
    CHECK_NOTHROW(pf::testing::check_bijector(layer, pf::normal<double>({3, 3}, rng)));
    CHECK_NOTHROW(pf::testing::check_bijector(layer, pf::normal<double>({1, 2, 3}, rng) * 2));
  });
  for_each_layer<float>(rng, [&](const pf::AnyBijector<float>& layer) {
    CHECK_NOTHROW(pf::testing::check_bijector(layer, pf::normal({3, 3}, rng)));
  });
}

TEST_CASE("a coupling applies its transform from data to noise, to what it does not keep") {
  pf::Rng rng(2);
  const pf::Mlp<double> net({2, 8, 3 * 2}, rng, {.activation = smooth});
  const pf::TransformCoupling layer(net, 5, ScaleAndShift(), pf::Keep::odd);
  const Tensor<double> y = pf::normal<double>({4, 5}, rng), x = layer.inverse(y).value;
  for (Index i = 0; i < 4; ++i) {
    const Tensor<double> raw = net(Tensor<double>{y(i, 1), y(i, 3)});
    double total = 0;
    for (Index j = 0; j < 3; ++j) {
      CHECK(x(i, 2 * j) == Approx(y(i, 2 * j) * std::exp(raw(2 * j)) + raw(2 * j + 1)).epsilon(1e-12));
      total += raw(2 * j);
    }
    CHECK(x(i, 1) == y(i, 1));
    CHECK(x(i, 3) == y(i, 3));
    CHECK(layer.inverse(y).log_det(i) == Approx(total).margin(1e-12));
  }
  for (const auto keep : {pf::Keep::first_half, pf::Keep::second_half, pf::Keep::even, pf::Keep::odd}) {
    const Index kept = pf::kept_features(5, keep);
    const pf::TransformCoupling each(pf::Mlp<double>({kept, (5 - kept) * 2}, rng), 5, ScaleAndShift(), keep);
    CHECK_NOTHROW(pf::testing::check_bijector(each, y));
  }
}

TEST_CASE("an autoregressive layer applies its transform from data to noise, with numbers from the data before") {
  pf::Rng rng(3);
  const auto net = masked<double>(3, 2, rng);
  const pf::TransformAutoregressive layer(net, 3, ScaleAndShift());
  const Tensor<double> y = pf::normal<double>({4, 3}, rng), raw = net(y);
  const auto x = layer.inverse(y);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j) CHECK(x.value(i, j) == Approx(y(i, j) * std::exp(raw(i, j)) + raw(i, 3 + j)));
  // In the other direction the same numbers come out of the passes that are recorded as of the steps that are not.
  const pf::TransformAutoregressive shuffled(masked<double>(4, 9, rng, pf::FeatureOrder::random), 4,
                                             pf::SigmoidalTransform({.units = 3}));
  const Tensor<double> z = pf::normal<double>({5, 2, 4}, rng);
  const auto recorded = shuffled.forward(z);
  pf::NoGradient guard;
  const auto steps = shuffled.forward(z);
  CHECK(pf::max(pf::abs(steps.value - recorded.value)).item() < 1e-12);
  CHECK(pf::max(pf::abs(steps.log_det - recorded.log_det)).item() < 1e-12);
  CHECK(shuffled.forward(Tensor<double>::zeros({0, 4})).value.shape() == pf::Shape{0, 4});
}

TEST_CASE("layers have gradients of order 2 in both directions and gradients in their networks, solved ones too") {
  pf::Rng rng(4);
  auto check = [&](const auto& layer) {
    const Tensor<double> x = pf::normal<double>({2, 2}, rng);
    auto score = [](const auto& b, const Tensor<double>& y) {
      const auto z = b.inverse(y), back = b.forward(y);
      return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
    };
    CHECK_NOTHROW(
        pf::testing::check_gradients([&](const Tensor<double>& y) { return score(layer, y); }, x, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(layer, [&](const auto& b) { return score(b, x); }));
  };
  const pf::SigmoidalTransform sigmoidal({.units = 2});
  check(pf::TransformCoupling(pf::Mlp<double>({1, 4, 6}, rng, {.activation = smooth}), 2, sigmoidal));
  check(pf::TransformAutoregressive(masked<double>(2, 6, rng), 2, sigmoidal));
  const pf::CubicSplineTransform cubic({.bins = 3, .bound = 6});
  check(pf::TransformAutoregressive(masked<double>(2, 8, rng), 2, cubic));
}

TEST_CASE("layers with a context are bijectors for each context, one for all rows or one for each") {
  pf::Rng rng(5);
  const Tensor<double> x = pf::normal<double>({4, 3}, rng), contexts = pf::normal<double>({4, 2}, rng);
  auto check = [&](const auto& layer) {
    CHECK_NOTHROW(pf::testing::check_bijector(layer.given(Tensor<double>{0.3, -1}), x));
    CHECK_NOTHROW(
        pf::testing::check_module(layer, [&](const auto& b) { return b.given(contexts).inverse(x).log_det; }));
    const auto all = layer.given(contexts).inverse(x);
    for (Index i = 0; i < 4; ++i) {
      const auto one = layer.given(pf::select(contexts, 0, i)).inverse(pf::select(x, 0, i));
      CHECK(pf::max(pf::abs(one.value - pf::select(all.value, 0, i))).item() < 1e-12);
      CHECK(one.log_det.item() == Approx(all.log_det(i)).margin(1e-12));
    }
    const Tensor<double> moved = layer.given(contexts + 1).inverse(x).value;
    CHECK(pf::max(pf::abs(all.value - moved)).item() > 1e-3);  // the context matters
    CHECK_THROWS_AS(layer.given(Tensor<double>::ones({5, 2})).inverse(x), pf::ShapeError);
    CHECK_THROWS_AS(layer.given(Tensor<double>::scalar(1)), pf::ShapeError);
  };
  const pf::BernsteinTransform transform({.degree = 6});
  check(
      pf::ConditionalTransformCoupling(pf::Mlp<double>({1 + 2, 8, 2 * 4}, rng, {.activation = smooth}), 3, transform));
  check(pf::ConditionalTransformAutoregressive(masked<double>(2 + 3, 4, rng), 3, transform));
  // The first number of an autoregressive layer depends on nothing but the context.
  const pf::ConditionalTransformAutoregressive layer(masked<double>(2 + 3, 2, rng), 3, ScaleAndShift());
  const Tensor<double> y = layer.given(contexts).inverse(x).value, other = layer.given(contexts + 1).inverse(x).value;
  const Tensor<double> shifted = layer.given(contexts).inverse(x + Tensor<double>{0, 1, 1}).value;
  for (Index i = 0; i < 4; ++i) {
    CHECK(y(i, 0) != other(i, 0));
    CHECK(y(i, 0) == shifted(i, 0));
  }
}

TEST_CASE("no finite event makes a layer produce NaN") {
  pf::Rng rng(6);
  const Tensor<> x{{4, 3}, {3e38f, 0, 1, 1e20f, -1e20f, 1e6f, -3e38f, 3e38f, 0, 4, -4, 1e-30f}};
  for_each_layer<float>(rng, [&](const pf::AnyBijector<float>& layer) {
    const Tensor<> at = pf::variable(x);
    for (const auto& y : {layer.forward(at), layer.inverse(at)}) {
      for (float value : y.value) CHECK_FALSE(std::isnan(value));
      for (float value : y.log_det) CHECK(std::isfinite(value));
      for (float g : pf::gradient(pf::sum(y.log_det), at)) CHECK_FALSE(std::isnan(g));
    }
  });
}

TEST_CASE("layers refuse networks and events that do not fit") {
  pf::Rng rng(7);
  const Tensor<> x = Tensor<>::ones({4, 3});
  const pf::SigmoidalTransform transform({.units = 2});
  CHECK_THROWS_AS(pf::TransformCoupling(pf::Mlp({1, 12}, rng), 1, transform), pf::ValueError);
  CHECK_THROWS_AS(pf::TransformCoupling(pf::Mlp({1, 11}, rng), 3, transform).forward(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::TransformCoupling(pf::Mlp({1, 12}, rng), 3, transform).inverse(Tensor<>::ones({4, 2})),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::TransformAutoregressive(masked<float>(3, 6, rng), 0, transform), pf::ValueError);
  CHECK_THROWS_AS(pf::TransformAutoregressive(masked<float>(3, 5, rng), 3, transform).inverse(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::TransformAutoregressive(masked<float>(3, 6, rng), 3, transform).forward(Tensor<>::ones({4, 2})),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::ConditionalTransformCoupling(pf::Mlp({2, 12}, rng), 1, transform), pf::ValueError);
  CHECK_THROWS_AS(pf::ConditionalTransformAutoregressive(masked<float>(4, 6, rng), 0, transform), pf::ValueError);
}
