#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

template <class S>
pf::MaskedAutoregressive<pf::MaskedMlp<S>> bijector(Index d, pf::FeatureOrder order, pf::Rng& rng) {
  pf::MaskedMlp<S> net(
      {.features = d, .outputs = 2, .hidden = {13, 9}, .activation = pf::Activation::tanh, .order = order}, rng);
  return pf::MaskedAutoregressive(std::move(net), d, {.max_log_scale = 1.5});
}

constexpr pf::FeatureOrder orders[] = {pf::FeatureOrder::natural, pf::FeatureOrder::random};

// A network that ignores its input: shows the bijector's own arithmetic.
template <class S>
struct Given {
  using Scalar = S;
  Tensor<S> raw;
  Tensor<S> operator()(const Tensor<S>&) const { return raw; }
};

}  // namespace

TEST_CASE("an autoregressive bijector inverts, and its log-determinant is the Jacobian's, in any order") {
  pf::Rng rng(1);
  for (const Index d : {1, 2, 3, 8})
    for (const auto order : orders) {
      CHECK_NOTHROW(pf::testing::check_bijector(bijector<double>(d, order, rng), pf::normal<double>({3, d}, rng)));
      CHECK_NOTHROW(pf::testing::check_bijector(bijector<double>(d, order, rng), pf::normal<double>({2, 2, d}, rng)));
      CHECK_NOTHROW(pf::testing::check_bijector(bijector<float>(d, order, rng), pf::normal({3, d}, rng)));
    }
}

TEST_CASE("the Jacobian of an autoregressive bijector is triangular") {
  pf::Rng rng(2);
  const auto b = bijector<double>(6, pf::FeatureOrder::natural, rng);
  const Tensor<double> jacobian =
      pf::jacobian([&](const Tensor<double>& y) { return b.inverse(y).value; }, pf::normal<double>({6}, rng));
  for (Index i = 0; i < 6; ++i)
    for (Index j = 0; j < 6; ++j) CHECK((jacobian(i, j) != 0) == (j <= i));
}

TEST_CASE("forward computes the same with a graph and, number by number, without one") {
  pf::Rng rng(3);
  for (const auto order : orders) {
    const auto b = bijector<double>(7, order, rng);
    const Tensor<double> x = pf::normal<double>({5, 7}, rng);
    const auto recorded = b.forward(x);
    pf::NoGradient guard;
    const auto plain = b.forward(x);
    CHECK(pf::max(pf::abs(recorded.value - plain.value)).item() < 1e-12);
    CHECK(pf::max(pf::abs(recorded.log_det - plain.log_det)).item() < 1e-12);
    CHECK(b.forward(pf::normal<double>({0, 7}, rng)).value.shape() == pf::Shape{0, 7});
  }
}

TEST_CASE("an autoregressive bijector computes x exp(s) + t with s = bound tanh(r / bound), in events of any width") {
  pf::Rng rng(4);
  for (const Index d : {1, 3, 300, 1100}) {
    const Tensor<double> y = pf::normal<double>({3, d}, rng), raw = pf::normal<double>({3, 2 * d}, rng) * 3;
    const pf::MaskedAutoregressive b(Given<double>{raw}, d, {.max_log_scale = 2});
    const auto x = b.inverse(y);
    for (Index i = 0; i < 3; ++i) {
      double log_det = 0;
      bool same = true;
      for (Index j = 0; j < d; ++j) {
        const double s = 2 * std::tanh(raw(i, j) / 2);
        log_det -= s;
        same &= std::abs(x.value(i, j) - (y(i, j) - raw(i, d + j)) * std::exp(-s)) < 1e-12;
      }
      CHECK(same);
      CHECK(x.log_det(i) == Catch::Approx(log_det));
    }
  }
}

TEST_CASE("autoregressive bijectors have gradients of order 3 in the data and in what the network puts out") {
  pf::Rng rng(5);
  auto inverse = [](const auto& y, const auto& raw) {
    const auto x = pf::MaskedAutoregressive(Given<double>{raw}, 4, {.max_log_scale = 2}).inverse(y);
    return pf::sum(x.value * x.value * 0.5, -1) + x.log_det;
  };
  const Tensor<double> y = pf::normal<double>({2, 4}, rng), raw = pf::normal<double>({2, 8}, rng);
  CHECK_NOTHROW(pf::testing::check_gradients(inverse, {y, raw}, {.order = 3}));
  for (const auto order : orders) {
    const auto b = bijector<double>(4, order, rng);
    auto score = [&](const Tensor<double>& at) {
      const auto z = b.inverse(at);
      return pf::sum(z.value * z.value * -0.5, -1) + z.log_det;
    };
    auto draw = [&](const Tensor<double>& at) {
      const auto x = b.forward(at);
      return pf::sum(x.value * x.value * -0.5, -1) + x.log_det;
    };
    CHECK_NOTHROW(pf::testing::check_gradients(score, y, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_gradients(draw, y, {.order = 2}));
  }
}

TEST_CASE("gradients of float bijectors agree with double ones") {
  pf::Rng rng(6);
  for (const Index d : {2, 7, 40}) {
    const Tensor<double> x = pf::normal<double>({37, d}, rng), raw = pf::normal<double>({37, 2 * d}, rng);
    auto to_float = [](const Tensor<double>& t) {
      return Tensor<>::generate(t.shape(), [&](Index i) { return static_cast<float>(t.data()[i]); });
    };
    auto gradients = [d](const auto& at, const auto& by) {
      using S = typename std::remove_cvref_t<decltype(at)>::Scalar;
      const auto a = pf::variable(at), b = pf::variable(by);
      const auto z = pf::MaskedAutoregressive(Given<S>{b}, d).inverse(a);
      return pf::gradient(pf::sum(pf::square(z.value)) + pf::sum(z.log_det), {a, b});
    };
    const auto exact = gradients(x, raw);
    const auto fast = gradients(to_float(x), to_float(raw));
    for (std::size_t k = 0; k < 2; ++k) {
      double worst = 0;
      for (Index i = 0; i < exact[k].size(); ++i) {
        const double difference = static_cast<double>(fast[k].data()[i]) - exact[k].data()[i];
        worst = std::max(worst, std::abs(difference) / std::max(1.0, std::abs(exact[k].data()[i])));
      }
      CHECK(worst < 1e-4);
    }
  }
}

TEST_CASE("an autoregressive bijector is a module whose copies are independent") {
  pf::Rng rng(7);
  const Tensor<double> y = pf::normal<double>({4, 5}, rng);
  CHECK_NOTHROW(pf::testing::check_module(bijector<double>(5, pf::FeatureOrder::natural, rng), [&](const auto& b) {
    const auto x = b.inverse(y);
    return pf::sum(x.value, -1) + x.log_det;
  }));
}

TEST_CASE("no finite input makes an autoregressive bijector produce NaN") {
  pf::Rng rng(8);
  const auto b = bijector<float>(2, pf::FeatureOrder::natural, rng);
  for (const float size : {1e10f, 1e30f, 3e38f}) {
    const Tensor<> x{{4, 2}, {size, 0.0f, 0.0f, size, -size, size, size, size}};
    pf::NoGradient guard;
    for (const auto& result : {b.forward(x), b.inverse(x)}) {
      for (float value : result.value) CHECK_FALSE(std::isnan(value));
      for (float value : result.log_det) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("autoregressive bijectors refuse networks and events that do not fit") {
  pf::Rng rng(9);
  const pf::MaskedMlp<> net({.features = 3, .outputs = 1}, rng);
  CHECK_THROWS_AS(pf::MaskedAutoregressive(net, 3).inverse(Tensor<>::ones({4, 3})), pf::ShapeError);
  {
    pf::NoGradient guard;  // then draws go feature by feature
    CHECK_THROWS_AS(pf::MaskedAutoregressive(net, 3).forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  }
  CHECK_THROWS_AS(bijector<float>(3, pf::FeatureOrder::natural, rng).inverse(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(bijector<float>(3, pf::FeatureOrder::natural, rng).forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedAutoregressive(net, 0), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedAutoregressive(net, 3, {.max_log_scale = 0}), pf::ValueError);
}
