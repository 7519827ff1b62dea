#include <pushforward/bijectors/volume_preserving.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Keep;
using pf::Tensor;

namespace {

constexpr Keep keeps[] = {Keep::first_half, Keep::second_half, Keep::even, Keep::odd};

template <class S>
auto coupling(Index d, Keep keep, pf::Rng& rng) {
  const Index kept = pf::kept_features(d, keep);
  return pf::VolumePreservingCoupling(pf::Mlp<S>({kept, 16, 2 * (d - kept)}, rng, {.activation = pf::Activation::tanh}),
                                      d, {.keep = keep, .max_log_scale = 2});
}

}  // namespace

TEST_CASE("a volume-preserving coupling inverts, and the Jacobian's determinant is one, whatever it keeps") {
  pf::Rng rng(1);
  for (const Index d : {2, 3, 5, 8})
    for (const Keep keep : keeps) {
      CHECK_NOTHROW(pf::testing::check_bijector(coupling<double>(d, keep, rng), pf::normal<double>({3, d}, rng)));
      CHECK_NOTHROW(pf::testing::check_bijector(coupling<double>(d, keep, rng), pf::normal<double>({2, 2, d}, rng)));
      CHECK_NOTHROW(pf::testing::check_bijector(coupling<float>(d, keep, rng), pf::normal({3, d}, rng)));
    }
}

TEST_CASE("a volume-preserving coupling stretches some numbers and presses others, and keeps the rest") {
  pf::Rng rng(2);
  const auto b = coupling<double>(6, Keep::first_half, rng);
  const Tensor<double> x = pf::normal<double>({6}, rng);
  const Tensor<double> jacobian = pf::jacobian([&](const Tensor<double>& at) { return b.forward(at).value; }, x);
  double product = 1, largest = 0;
  for (Index i = 3; i < 6; ++i) product *= jacobian(i, i), largest = std::max(largest, jacobian(i, i));
  CHECK(product == Catch::Approx(1).epsilon(1e-12));
  CHECK(largest > 1.01);
  const Tensor<double> y = b.forward(x).value;
  for (Index i = 0; i < 3; ++i) CHECK(y(i) == x(i));
}

TEST_CASE("a volume-preserving coupling has gradients of order 2 in the data and gradients in its network") {
  pf::Rng rng(3);
  const auto b = coupling<double>(5, Keep::odd, rng);
  const Tensor<double> x = pf::normal<double>({2, 5}, rng);
  auto score = [](const auto& c, const Tensor<double>& at) {
    return pf::sum(pf::square(c.inverse(at).value) + pf::square(c.forward(at).value), -1);
  };
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& at) { return score(b, at); }, x, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_module(b, [&](const auto& c) { return score(c, x); }));
}

TEST_CASE("no finite input makes a volume-preserving coupling produce NaN") {
  pf::Rng rng(4);
  for (const float size : {1e10f, 1e30f, 3e38f}) {
    const Tensor<> x{{4, 4}, {size, 0, 0, 0, 0, size, -size, size, -size, size, size, size, 0, 0, 0, 0}};
    for (const Keep keep : keeps) {
      const auto b = coupling<float>(4, keep, rng);
      for (const auto& result : {b.forward(x), b.inverse(x)}) {
        for (float value : result.value) CHECK_FALSE(std::isnan(value));
        for (float value : result.log_det) CHECK(value == 0.0f);
      }
    }
  }
}

TEST_CASE("volume-preserving couplings refuse networks and events that do not fit") {
  pf::Rng rng(5);
  const pf::Mlp<> net({1, 4, 2}, rng), wide({1, 4, 3}, rng);
  CHECK_THROWS_AS(pf::VolumePreservingCoupling(net, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::VolumePreservingCoupling(net, 2, {.max_log_scale = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::VolumePreservingCoupling(wide, 2).forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::VolumePreservingCoupling(net, 2).inverse(Tensor<>::ones({4, 3})), pf::ShapeError);
}
