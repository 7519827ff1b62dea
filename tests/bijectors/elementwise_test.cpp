#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/elementwise.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Calls visit(bijector, x) with numbers x in the domain of each map.
template <class S, class Visit>
void for_each_map(const Visit& visit) {
  pf::Rng rng(1);
  for (const pf::Shape& shape : {pf::Shape{4, 3}, pf::Shape{2, 2, 3}, pf::Shape{3}}) {
    const Tensor<S> x = pf::normal<S>(shape, rng);
    visit(pf::ExpBijector{}, x);
    visit(pf::SoftplusBijector{}, x);
    visit(pf::SigmoidBijector{}, x);
    visit(pf::TanhBijector{}, x);
    visit(pf::LogitBijector{}, pf::sigmoid(x));
    visit(pf::Inverse(pf::ExpBijector{}), pf::exp(x));
    visit(pf::Inverse(pf::SoftplusBijector{}), pf::exp(x));
    visit(pf::Inverse(pf::TanhBijector{}), pf::tanh(x));
  }
}

template <class B>
double forward_log_det(const B& bijector, double x) {
  return bijector.forward(Tensor<double>{x}).log_det.item();
}
template <class B>
float forward_log_det_in_float(const B& bijector, float x) {
  return bijector.forward(Tensor<>{x}).log_det.item();
}

}  // namespace

TEST_CASE("elementwise maps invert and their log-determinant is the Jacobian's") {
  for_each_map<double>([](const auto& b, const auto& x) { CHECK_NOTHROW(pf::testing::check_bijector(b, x)); });
  for_each_map<float>([](const auto& b, const auto& x) { CHECK_NOTHROW(pf::testing::check_bijector(b, x)); });
}

TEST_CASE("elementwise maps have gradients of order 3") {
  for_each_map<double>([](const auto& b, const auto& x) {
    if (x.rank() != 1) return;
    auto forward = [&](const auto& at) {
      const auto y = b.forward(at);
      return pf::sum(pf::square(y.value), -1) + y.log_det;
    };
    CHECK_NOTHROW(pf::testing::check_gradients(forward, x, {.order = 3}));
  });
}

TEST_CASE("log-determinants of elementwise maps are exact where their values have no digits left") {
  // log y (1 - y) and log(1 - y^2) for |x| so large that e^-|x| is below the precision.
  for (const double x : {-300.0, -60.0, 60.0, 300.0}) {
    CHECK(forward_log_det(pf::SigmoidBijector{}, x) == Approx(-std::abs(x)).epsilon(1e-15));
    CHECK(forward_log_det(pf::TanhBijector{}, x) == Approx(std::log(4.0) - 2 * std::abs(x)).epsilon(1e-15));
    CHECK(forward_log_det(pf::SoftplusBijector{}, x) == Approx(std::min(x, 0.0)).epsilon(1e-15).margin(1e-25));
    CHECK(forward_log_det(pf::ExpBijector{}, x) == x);
    const auto narrow = static_cast<float>(x);
    CHECK(forward_log_det_in_float(pf::SigmoidBijector{}, narrow) == Approx(-std::abs(x)).epsilon(1e-6));
    CHECK(forward_log_det_in_float(pf::TanhBijector{}, narrow) ==
          Approx(std::log(4.0) - 2 * std::abs(x)).epsilon(1e-6));
  }
  // Close to the ends of the range of the inverse: 1 - e^-y = y (1 - y / 2 + ...) for small y.
  const auto small = pf::SoftplusBijector{}.inverse(Tensor<double>{1e-200});
  CHECK(small.value.item() == Approx(std::log(1e-200)).epsilon(1e-14));
  CHECK(small.log_det.item() == Approx(-std::log(1e-200)).epsilon(1e-14));
  CHECK(pf::SoftplusBijector{}.inverse(Tensor<double>{800.0}).value.item() == 800.0);
  CHECK(pf::SigmoidBijector{}.inverse(Tensor<double>{1e-300}).value.item() == Approx(std::log(1e-300)).epsilon(1e-14));
}

TEST_CASE("no finite input makes an elementwise map produce NaN") {
  const Tensor<> x{0.0f, 1.0f, -1.0f, 1e-30f, -1e-30f, 1e-45f, 1e30f, -1e30f, 3e38f, -3e38f};
  auto check = [&](const auto& b) {
    for (Index i = 0; i < x.size(); ++i) {
      const Tensor<> at = pf::variable(pf::slice(x, 0, i, i + 1));
      for (const auto& result : {b.forward(at), b.inverse(at)}) {
        CHECK_FALSE(std::isnan(result.value.item()));
        CHECK_FALSE(std::isnan(result.log_det.item()));
        CHECK_FALSE(std::isnan(pf::gradient(result.log_det, at).item()));
      }
    }
  };
  check(pf::ExpBijector{});
  check(pf::SoftplusBijector{});
  check(pf::SigmoidBijector{});
  check(pf::LogitBijector{});
  check(pf::TanhBijector{});
}

TEST_CASE("beyond the range of an elementwise map the density is zero, at its ends it is that of the nearest number") {
  auto log_prob = [](const auto& bijector, float y) {
    const auto x = bijector.inverse(Tensor<>{y});
    return (pf::standard_normal(1).log_prob(x.value) + x.log_det).item();
  };
  constexpr float none = -std::numeric_limits<float>::infinity();
  CHECK(log_prob(pf::ExpBijector{}, -0.1f) == none);
  CHECK(log_prob(pf::SoftplusBijector{}, -1e30f) == none);
  CHECK(log_prob(pf::SigmoidBijector{}, 1.1f) == none);
  CHECK(log_prob(pf::SigmoidBijector{}, -0.1f) == none);
  CHECK(log_prob(pf::TanhBijector{}, -1.1f) == none);
  for (const float end : {0.0f, 1.0f}) CHECK(std::isfinite(log_prob(pf::SigmoidBijector{}, end)));
  for (const float end : {-1.0f, 1.0f}) CHECK(std::isfinite(log_prob(pf::TanhBijector{}, end)));
  CHECK(std::isfinite(log_prob(pf::ExpBijector{}, 0.0f)));
  // What saturates on the way forwards has a density on the way back.
  CHECK(std::isfinite(log_prob(pf::SigmoidBijector{}, pf::SigmoidBijector{}.forward(Tensor<>{90.0f}).value.item())));
}

TEST_CASE("elementwise maps refuse scalars") {
  const Tensor<> scalar = Tensor<>::scalar(0.5f);
  CHECK_THROWS_AS(pf::ExpBijector{}.forward(scalar), pf::ShapeError);
  CHECK_THROWS_AS(pf::SigmoidBijector{}.inverse(scalar), pf::ShapeError);
  CHECK_THROWS_AS(pf::TanhBijector{}.forward(scalar), pf::ShapeError);
}
