#include <pushforward/bijectors/planar.hpp>
#include <pushforward/bijectors/radial.hpp>
#include <pushforward/bijectors/sylvester.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Calls visit(bijector) with one of each kind.
template <class S, class Visit>
void for_each_flow(Index d, double size, pf::Rng& rng, const Visit& visit) {
  visit(support::stirred<S>(pf::PlanarFlow<S>(d, rng), 0, size, rng));
  visit(support::stirred<S>(pf::RadialFlow<S>(d, rng), 0, size, rng));
  for (const Index units : {Index{1}, (d + 1) / 2, d})
    visit(support::stirred<S>(pf::SylvesterFlow<S>(d, units, rng), 0, size, rng));
}

}  // namespace

TEST_CASE("planar, radial and Sylvester flows invert, and their log-determinant is the Jacobian's, in double") {
  pf::Rng rng(1);
  for (const Index d : {1, 2, 5})
    for (const double size : {0.5, 2.0, 5.0})
      for (const pf::Shape& shape : {pf::Shape{4, d}, pf::Shape{2, 2, d}, pf::Shape{d}}) {
        const Tensor<double> x = pf::normal<double>(shape, rng) * 2;
        for_each_flow<double>(d, size, rng, [&](const auto& b) { CHECK_NOTHROW(pf::testing::check_bijector(b, x)); });
      }
}

TEST_CASE("planar, radial and Sylvester flows as they start invert in float") {
  pf::Rng rng(2);
  for (const Index d : {1, 2, 5}) {
    const Tensor<> x = pf::normal({4, d}, rng);
    CHECK_NOTHROW(pf::testing::check_bijector(pf::PlanarFlow<>(d, rng), x));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::RadialFlow<>(d, rng), x));
    CHECK_NOTHROW(pf::testing::check_bijector(pf::SylvesterFlow<>(d, d, rng), x));
  }
}

TEST_CASE("a planar flow computes x + u tanh(w . x + b) with u . w = softplus(w . u) - 1 + 1e-3") {
  pf::Rng rng(3);
  const auto b = support::stirred<double>(pf::PlanarFlow<double>(3, rng), 0, 1, rng);
  const Tensor<double> x = pf::normal<double>({3}, rng), y = b.forward(x).value;
  double squared = 0, free = 0, at = b.b.item();
  for (Index j = 0; j < 3; ++j) squared += b.w(j) * b.w(j), free += b.w(j) * b.u(j), at += b.w(j) * x(j);
  const double rate = std::log1p(std::exp(free)) - 0.999;
  for (Index j = 0; j < 3; ++j)
    CHECK(y(j) == Approx(x(j) + (b.u(j) + (rate - free) * b.w(j) / squared) * std::tanh(at)).epsilon(1e-12));
}

TEST_CASE("a radial flow moves events along lines through its center, by their distance") {
  pf::Rng rng(4);
  const auto b = support::stirred<double>(pf::RadialFlow<double>(3, rng), 0, 1, rng);
  const Tensor<double> x = pf::normal<double>({3}, rng), y = b.forward(x).value;
  const double alpha = std::log1p(std::exp(b.raw_alpha.item())) + 1e-3;
  const double beta = std::log1p(std::exp(b.raw_beta.item())) + 1e-3 - alpha;
  const double r = pf::norm(x - b.center).item();
  for (Index j = 0; j < 3; ++j) CHECK(y(j) == Approx(x(j) + beta / (alpha + r) * (x(j) - b.center(j))).epsilon(1e-12));
  // The center is a fixed point, with a finite log-determinant and no NaN in its gradient.
  const Tensor<double> center = pf::variable(b.center.tensor());
  for (const auto& z : {b.forward(center), b.inverse(center)}) {
    CHECK(pf::max(pf::abs(z.value - center)).item() < 1e-15);
    CHECK(std::isfinite(z.log_det.item()));
    for (double g : pf::gradient(z.log_det + pf::sum(z.value), center)) CHECK(std::isfinite(g));
  }
  CHECK(b.forward(center).log_det.item() == Approx(3 * std::log(1 + beta / alpha)).epsilon(1e-12));
}

TEST_CASE("a Sylvester flow with one unit and one reflection pushes along one line only") {
  pf::Rng rng(5);
  const auto b = support::stirred<double>(pf::SylvesterFlow<double>(4, 1, rng), 0, 1, rng);
  const Tensor<double> x = pf::normal<double>({2, 4}, rng), push = b.forward(x).value - x;
  for (Index j = 1; j < 4; ++j) CHECK(push(0, j) * push(1, 0) == Approx(push(1, j) * push(0, 0)).epsilon(1e-9));
}

TEST_CASE("planar, radial and Sylvester flows have gradients of order 2 in the data and gradients in all parameters") {
  pf::Rng rng(6);
  const Tensor<double> x = pf::normal<double>({2, 3}, rng);
  for_each_flow<double>(3, 0.8, rng, [&](const auto& flow) {
    auto score = [&](const auto& b, const Tensor<double>& y) {
      const auto z = b.inverse(y), back = b.forward(y);
      return pf::sum(pf::square(z.value) + pf::square(back.value), -1) + z.log_det - 2 * back.log_det;
    };
    CHECK_NOTHROW(
        pf::testing::check_gradients([&](const Tensor<double>& y) { return score(flow, y); }, x, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(flow, [&](const auto& b) { return score(b, x); }));
  });
}

TEST_CASE("no finite input makes a planar, radial or Sylvester flow produce NaN") {
  pf::Rng rng(7);
  const Tensor<> x{{5, 2}, {1e30f, -1e30f, 0.0f, 1e30f, 0.0f, 0.0f, -1e30f, -1e30f, 1e-30f, 0.0f}};
  for (const double size : {0.5, 3.0, 100.0})
    for_each_flow<float>(2, size, rng, [&](const auto& b) {
      const Tensor<> at = pf::variable(x);
      for (const auto& result : {b.forward(at), b.inverse(at)}) {
        for (float value : result.value) CHECK(std::isfinite(value));
        for (float value : result.log_det) CHECK(std::isfinite(value));
        for (float g : pf::gradient(pf::sum(result.log_det), at)) CHECK(std::isfinite(g));
      }
    });
}

TEST_CASE("a planar flow without a direction is the identity") {
  pf::PlanarFlow<double> b;
  b.u = Tensor<double>{0, 0};
  b.w = Tensor<double>{0, 0};
  b.b = Tensor<double>::scalar(0);
  const Tensor<double> x{1, 2};
  for (const auto& y : {b.forward(x), b.inverse(x)}) {
    CHECK(y.value.to_vector() == x.to_vector());
    CHECK(y.log_det.item() == 0);
  }
}

TEST_CASE("planar, radial and Sylvester flows refuse events and sizes that do not fit") {
  pf::Rng rng(8);
  CHECK_THROWS_AS(pf::PlanarFlow<>(0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::RadialFlow<>(0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::SylvesterFlow<>(2, 3, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::SylvesterFlow<>(2, 0, rng), pf::ValueError);
  for_each_flow<float>(3, 1, rng, [&](const auto& b) {
    CHECK_THROWS_AS(b.forward(Tensor<>::ones({4, 2})), pf::ShapeError);
    CHECK_THROWS_AS(b.inverse(Tensor<>::scalar(1)), pf::ShapeError);
  });
}
