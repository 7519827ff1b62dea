#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/gaussianization.hpp>
#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

template <class S>
pf::Gaussianization<S> stirred(Index d, double size, pf::Rng& rng) {
  pf::Gaussianization<S> layer(d, {.components = 4});
  pf::for_each_parameter<S>(layer,
                            [&](const pf::Path&, pf::Parameter<S>& p) { p = pf::normal<S>(p.shape(), rng) * size; });
  return layer;
}

// log sigmoid(y), for any y.
double log_sigmoid(double y) { return y > 0 ? -std::log1p(std::exp(-y)) : y - std::log1p(std::exp(y)); }

}  // namespace

TEST_CASE("normal scores are the quantiles of logits, far into both tails") {
  using pf::detail::normal_score;
  CHECK(normal_score(0).value == Approx(0).margin(1e-15));
  CHECK(normal_score(std::log(0.975 / 0.025)).value == Approx(1.959963984540054).epsilon(1e-14));
  CHECK(normal_score(std::log(0.001 / 0.999)).value == Approx(-3.090232306167813).epsilon(1e-14));
  for (double y = -1e6; y < -1e-3; y *= 0.7) {
    const double z = normal_score(y).value;
    CHECK(pf::math::log_ndtr(z) == Approx(log_sigmoid(y)).epsilon(1e-13));
    CHECK(normal_score(-y).value == -z);
    CHECK(pf::detail::logit_of_score(z) == Approx(y).epsilon(1e-12));
    // The slope by central differences, whose error is h^2 and rounding / h.
    const double h = 1e-5 * std::max(1.0, -y), slope = normal_score(y).slope;
    CHECK((normal_score(y + h).value - normal_score(y - h).value) / (2 * h) == Approx(slope).epsilon(1e-7));
  }
  for (const double y : {1e30, 1e100, 1e300}) {
    CHECK(normal_score(y).value == Approx(std::sqrt(2) * std::sqrt(y)).epsilon(1e-12));
    CHECK(normal_score(-y).slope == Approx(1 / (std::sqrt(2) * std::sqrt(y))).epsilon(1e-12));
  }
}

TEST_CASE("normal scores, their slopes and the way back have gradients of order 3") {
  const Tensor<double> y{-30, -4, -0.7, 1e-3, 0.5, 2.9, 12};
  using Map = Tensor<double>(const Tensor<double>&);
  for (Map* f : {&pf::detail::score_of_logit<double>, &pf::detail::log_score_slope<double>})
    CHECK_NOTHROW(pf::testing::check_gradients([f](const Tensor<double>& at) { return f(at); }, y, {.order = 3}));
  const Tensor<double> z{-6, -2, -0.3, 0.1, 1, 4};
  CHECK_NOTHROW(pf::testing::check_gradients([](const Tensor<double>& at) { return pf::detail::logit_of_score(at); }, z,
                                             {.order = 3}));
}

TEST_CASE("a Gaussianization gives data the density of its mixture") {
  pf::Rng rng(1);
  const pf::GaussianizationTransform transform({.components = 3});
  const Tensor<double> raw = pf::normal<double>({9}, rng);
  const double places[] = {raw(6) - 1, raw(7), raw(8) + 1};
  double total = 0;
  for (Index j = 0; j < 3; ++j) total += std::exp(raw(j));
  for (const double x : {-8.0, -1.0, 0.2, 3.0, 9.0}) {
    double density = 0;
    for (Index j = 0; j < 3; ++j) {
      const double a = std::exp(raw(3 + j)), s = 1 / (1 + std::exp(-a * (x - places[j])));
      density += std::exp(raw(j)) / total * a * s * (1 - s);
    }
    const auto z = transform.forward(Tensor<double>::scalar(x), raw);
    const double found = -0.5 * z.value.item() * z.value.item() - 0.918938533204672742 + z.log_slope.item();
    CHECK(found == Approx(std::log(density)).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("a Gaussianization inverts, and its log-determinant is the Jacobian's") {
  pf::Rng rng(2);
  for (const pf::Shape& shape : {pf::Shape{5, 3}, pf::Shape{2, 2, 3}, pf::Shape{3}}) {
    CHECK_NOTHROW(pf::testing::check_bijector(stirred<double>(3, 0.8, rng), pf::normal<double>(shape, rng) * 2));
    CHECK_NOTHROW(pf::testing::check_bijector(stirred<float>(3, 0.3, rng), pf::normal(shape, rng)));
  }
  // Where the cdf rounds to 0 or 1 in double, too.
  const auto layer = stirred<double>(1, 0.5, rng);
  const Tensor<double> far{{4, 1}, {-500, 300, -30, 80}};
  const auto z = layer.inverse(far);
  CHECK(pf::max(pf::abs(layer.forward(z.value).value - far)).item() < 1e-9);
}

TEST_CASE("a Gaussianization has gradients of order 2 in both directions and in all parameters") {
  pf::Rng rng(3);
  const auto layer = stirred<double>(2, 0.5, rng);
  const Tensor<double> x = pf::normal<double>({2, 2}, rng);
  auto score = [](const auto& b, const Tensor<double>& y) {
    const auto z = b.inverse(y), back = b.forward(y);
    return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
  };
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& y) { return score(layer, y); }, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_module(layer, [&](const auto& b) { return score(b, x); }));
}

TEST_CASE("a Gaussianization starts from data: two peaks and a heavy tail become normal") {
  pf::Rng rng(4);
  constexpr Index n = 4000;
  const Tensor<double> sign = 2 * (pf::uniform<double>({n, 1}, rng) < 0.3) - 1;
  const Tensor<double> peaks = 100 + 3 * sign + 0.5 * pf::normal<double>({n, 1}, rng);
  const Tensor<double> tail = 1e-2 * pf::exp(1.5 * pf::normal<double>({n, 1}, rng));
  const Tensor<double> data = pf::concat({peaks, tail}, 1);
  pf::Gaussianization<double> layer(2);
  layer.initialize(data);
  const auto z = layer.inverse(data);
  for (Index j = 0; j < 2; ++j) {
    const Tensor<double> column = pf::select(z.value, 1, j);
    CHECK(column.mean() == Approx(0).margin(0.1));
    CHECK(pf::var(column, {0}).item() == Approx(1).margin(0.15));
    CHECK(pf::mean(pf::square(pf::square(column))).item() == Approx(3).margin(0.7));  // the normal kurtosis
  }
  // Nats: a normal of std 0.5 twice, with 0.3 log 0.3 + 0.7 log 0.7; a log-normal.
  const double truth = 1.4189385 + std::log(0.5) + 0.6108643 + 1.4189385 + std::log(1.5) + std::log(1e-2);
  const Tensor<double> log_prob = pf::sum(-0.5 * pf::square(z.value) - 0.9189385332046727, -1) + z.log_det;
  // Logistic tails are lighter than that of the log-normal: that costs most of the difference.
  CHECK(-log_prob.mean() < truth + 0.25);
  CHECK(-log_prob.mean() > truth - 0.1);
  // Only the first call counts.
  const Tensor<double> before = layer.inverse(data).value;
  layer.initialize(data * 2);
  CHECK(pf::max(pf::abs(layer.inverse(data).value - before)).item() == 0);
}

TEST_CASE("Gaussianizations with rotations between them reduce what data lacks to a normal, layer by layer") {
  pf::Rng rng(5);
  const Tensor<> x = pf::normal({2000, 1}, rng);
  const Tensor<> data = pf::concat({x, 0.5 * pf::square(x) + 0.2 * pf::normal({2000, 1}, rng)}, 1);
  pf::Chain<> chain;
  double last = 1e9;
  for (const Index layers : {1, 3, 6}) {
    pf::Chain<> deep;
    pf::Rng same(6);
    for (Index i = 0; i < layers; ++i) {
      deep.append(pf::HouseholderRotation<>(2, 2, same));
      deep.append(pf::Gaussianization<>(2));
    }
    deep.initialize(data);
    const auto z = deep.inverse(data);
    const double nats = -(pf::sum(-0.5 * pf::square(z.value) - 0.91894, -1) + z.log_det).mean();
    CHECK(nats < last - 0.02);
    last = nats;
  }
  CHECK(last < 1.75);  // the entropy is 1.23, the best normal has 1.9
}

TEST_CASE("no finite number or parameter makes a Gaussianization produce NaN") {
  pf::Rng rng(7);
  const Tensor<> x{{5, 2}, {1e30f, -1e30f, 0.0f, 3e38f, 20.0f, 2.0f, -2.0f, -3e38f, 1e-30f, 1e5f}};
  const Tensor<double> wide{{3, 2}, {1e300, -1e300, 1.7e308, 40, -1e-300, -1e30}};
  auto check = [&](const auto& layer, const auto& given) {
    const auto at = pf::variable(given);
    for (const auto& y : {layer.inverse(at), layer.forward(at)}) {
      for (auto value : y.value) CHECK(std::isfinite(value));
      for (auto value : y.log_det) CHECK(std::isfinite(value));
      for (auto g : pf::gradient(pf::sum(y.log_det) + pf::sum(y.value / 1e20), at)) CHECK_FALSE(std::isnan(g));
    }
  };
  for (const double size : {1.0, 100.0, 1e30}) {
    check(stirred<float>(2, size, rng), x);
    check(stirred<double>(2, size, rng), wide);
  }
  // Data that are all the same, or that hold few different numbers.
  pf::Gaussianization<> flat(2);
  flat.initialize(Tensor<>::generate({20, 2}, [](Index i) { return i % 2 ? 5.0f : static_cast<float>(i % 3); }));
  check(flat, x);
}

TEST_CASE("a Gaussianization refuses events and options that do not fit") {
  CHECK_THROWS_AS(pf::Gaussianization<>(2, {.components = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::Gaussianization<>(0), pf::ValueError);
  pf::Gaussianization<> layer(3);
  CHECK_THROWS_AS(layer.forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(layer.inverse(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(layer.initialize(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(layer.initialize(Tensor<>::zeros({0, 3})), pf::ValueError);
  const Tensor<> x{{1, 3}, {0.5f, -1.0f, 2.0f}}, before = layer.inverse(x).value;
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    CHECK_THROWS_AS(layer.initialize(Tensor<>{{2, 3}, {1, 2, 3, 4, bad, 6}}), pf::ValueError);
    CHECK(layer.inverse(x).value.to_vector() == before.to_vector());
  }
  layer.initialize(Tensor<>{{2, 3}, {1, 2, 3, 4, 5, 6}});
  CHECK_FALSE(layer.inverse(x).value.to_vector() == before.to_vector());
}
