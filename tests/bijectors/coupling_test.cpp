#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Keep;
using pf::Tensor;

namespace {

constexpr Keep keeps[] = {Keep::first_half, Keep::second_half, Keep::even, Keep::odd};

pf::Mlp<double> network(Index in, Index out, pf::Rng& rng) {
  return pf::Mlp<double>({in, 16, out}, rng, {.activation = pf::Activation::tanh});
}

// A network that ignores its input: shows the coupling's own arithmetic.
template <class S>
struct Given {
  using Scalar = S;
  Tensor<S> raw;
  Tensor<S> operator()(const Tensor<S>&) const { return raw; }
};

}  // namespace

TEST_CASE("couplings invert each other and their log-determinant is the Jacobian's, whatever they keep") {
  pf::Rng rng(1);
  for (const Index d : {2, 3, 5, 8})
    for (const Keep keep : keeps) {
      const Index kept = pf::kept_features(d, keep), moved = d - kept;
      const Tensor<double> x = pf::normal<double>({3, d}, rng);
      CHECK_NOTHROW(pf::testing::check_bijector(
          pf::AffineCoupling(network(kept, 2 * moved, rng), d, {.keep = keep, .max_log_scale = 2}), x));
      CHECK_NOTHROW(pf::testing::check_bijector(pf::AdditiveCoupling(network(kept, moved, rng), d, keep), x));
      const Tensor<double> stacked = pf::normal<double>({2, 2, d}, rng);
      CHECK_NOTHROW(
          pf::testing::check_bijector(pf::AffineCoupling(network(kept, 2 * moved, rng), d, {.keep = keep}), stacked));
    }
}

TEST_CASE("a coupling leaves what it keeps untouched") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({4, 5}, rng);
  const Tensor<double> y = pf::AffineCoupling(network(3, 4, rng), 5, {.keep = Keep::even}).forward(x).value;
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 5; ++j) CHECK((y(i, j) == x(i, j)) == (j % 2 == 0));
}

TEST_CASE("an affine coupling computes b exp(s) + t with s = bound tanh(r / bound), in events of any width") {
  pf::Rng rng(3);
  for (const Index d : {2, 6, 300, 1100}) {
    const Index m = d / 2;
    const Tensor<double> x = pf::normal<double>({3, d}, rng), raw = pf::normal<double>({3, 2 * m}, rng);
    const pf::AffineCoupling coupling(Given<double>{raw}, d, {.max_log_scale = 1.5});
    const auto y = coupling.forward(x);
    for (Index i = 0; i < 3; ++i) {
      double log_det = 0;
      bool same = true;
      for (Index j = 0; j < m; ++j) {
        const double s = 1.5 * std::tanh(raw(i, j) / 1.5);
        log_det += s;
        same &= std::abs(y.value(i, m + j) - (x(i, m + j) * std::exp(s) + raw(i, m + j))) < 1e-12;
      }
      CHECK(same);
      CHECK(y.log_det(i) == Catch::Approx(log_det));
    }
    CHECK(pf::max(pf::abs(coupling.inverse(y.value).value - x)).item() < 1e-12);
  }
}

TEST_CASE("couplings have gradients of order 3 in the data and in what the network puts out") {
  pf::Rng rng(4);
  auto forward = [](const auto& x, const auto& raw) {
    const auto y = pf::AffineCoupling(Given<double>{raw}, 5, {.keep = Keep::odd}).forward(x);
    return pf::sum(y.value * y.value * 0.5, -1) + y.log_det;
  };
  auto inverse = [](const auto& y, const auto& raw) {
    const auto x = pf::AffineCoupling(Given<double>{raw}, 5, {.keep = Keep::odd, .max_log_scale = 2}).inverse(y);
    return pf::sum(x.value * x.value * 0.5, -1) + x.log_det;
  };
  const Tensor<double> x = pf::normal<double>({2, 5}, rng), raw = pf::normal<double>({2, 6}, rng);
  CHECK_NOTHROW(pf::testing::check_gradients(forward, {x, raw}, {.order = 3}));
  CHECK_NOTHROW(pf::testing::check_gradients(inverse, {x, raw}, {.order = 3}));
  const pf::AffineCoupling whole(network(2, 6, rng), 5, {.keep = Keep::odd});
  auto density = [&](const Tensor<double>& at) {
    const auto z = whole.inverse(at);
    return pf::sum(z.value * z.value * -0.5, -1) + z.log_det;
  };
  CHECK_NOTHROW(pf::testing::check_gradients(density, x, {.order = 2}));
}

TEST_CASE("gradients of float couplings agree with double ones, and vector code with scalar code") {
  pf::Rng rng(5);
  for (const Index d : {2, 7, 40}) {
    const Index m = d - d / 2, rows = 37;
    const Tensor<double> x = pf::normal<double>({rows, d}, rng), raw = pf::normal<double>({rows, 2 * m}, rng);
    auto to_float = [](const Tensor<double>& t) {
      return Tensor<>::generate(t.shape(), [&](Index i) { return static_cast<float>(t.data()[i]); });
    };
    auto gradients = [d](const auto& at, const auto& by) {
      using S = typename std::remove_cvref_t<decltype(at)>::Scalar;
      const auto a = pf::variable(at), b = pf::variable(by);
      const auto z = pf::AffineCoupling(Given<S>{b}, d).inverse(a);
      return pf::gradient(pf::sum(pf::square(z.value)) + pf::sum(z.log_det), {a, b});
    };
    const auto exact = gradients(x, raw);
    const auto fast = gradients(to_float(x), to_float(raw));
    for (std::size_t k = 0; k < 2; ++k)
      for (Index i = 0; i < exact[k].size(); ++i)
        REQUIRE(static_cast<double>(fast[k].data()[i]) == Catch::Approx(exact[k].data()[i]).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("no finite input makes a coupling produce NaN") {
  pf::Rng rng(6);
  pf::Mlp<> net({1, 8, 2}, rng);
  for (const float size : {1e10f, 1e30f, 3e38f}) {
    const Tensor<> x{{4, 2}, {size, 0.0f, 0.0f, size, -size, size, size, size}};
    for (const Keep keep : keeps) {
      const pf::AffineCoupling<pf::Mlp<>> coupling(net, 2, {.keep = keep});
      for (const auto& result : {coupling.forward(x), coupling.inverse(x)}) {
        for (float value : result.value) CHECK_FALSE(std::isnan(value));
        for (float value : result.log_det) CHECK(std::isfinite(value));
      }
    }
  }
  const pf::AffineCoupling steep(Given<float>{Tensor<>{{1, 2}, {3e38f, 1.0f}}}, 2);
  CHECK(steep.forward(Tensor<>{{1, 2}, {1.0f, 1.0f}}).value(0, 1) == Catch::Approx(std::exp(1.0f) + 1.0f));
}

TEST_CASE("couplings refuse networks and events that do not fit") {
  pf::Rng rng(7);
  CHECK_THROWS_AS(pf::AffineCoupling(pf::Mlp<>({1, 4, 2}, rng), 1), pf::ValueError);
  CHECK_THROWS_AS(pf::AffineCoupling(pf::Mlp<>({1, 4, 2}, rng), 2, {.max_log_scale = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::AffineCoupling(pf::Mlp<>({1, 4, 3}, rng), 2).forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::AffineCoupling(pf::Mlp<>({1, 4, 2}, rng), 2).forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::AdditiveCoupling(pf::Mlp<>({1, 4, 2}, rng), 2).inverse(Tensor<>::ones({4, 2})), pf::ShapeError);
}
