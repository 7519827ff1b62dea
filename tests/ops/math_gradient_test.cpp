#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

#include "support/expect_gradients.hpp"
#include "support/reference.hpp"

namespace pf = pushforward;
using support::expect_gradients;
using support::Index;
using support::Shape;
using Tensor = pf::Tensor<double>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

struct Entry {
  const char* name;
  Tensor (*f)(const Tensor&);
  std::vector<double> points;
  support::GradientCheck check = {.order = 3};
};

// Points lie farther than two steps from kinks and from the ends of domains.
const std::vector<double> line = {-3.7, -1.2, -0.4, 0.3, 1.1, 2.9}, positive = {0.07, 0.4, 1, 2.3, 11};

const Entry entries[] = {
    {"exp", pf::exp, line},
    {"log", pf::log, {0.4, 1, 2.3, 11}},
    {"log near 0", pf::log, {1e-3, 3e-3}, {.order = 3, .step = 1e-6, .within = 1e-6}},
    {"log1p", pf::log1p, {-0.6, -0.1, 0.2, 3}},
    {"expm1", pf::expm1, line},
    {"sqrt", pf::sqrt, {0.4, 1, 2.3, 11}},
    {"rsqrt", pf::rsqrt, {0.4, 1, 2.3, 11}},
    {"square", pf::square, line},
    {"reciprocal", pf::reciprocal, {-3, -0.6, 0.5, 2}},
    {"sin", pf::sin, line},
    {"cos", pf::cos, line},
    {"tanh", pf::tanh, line},
    {"sigmoid", pf::sigmoid, line},
    {"softplus", pf::softplus, line},
    {"silu", pf::silu, line},
    {"gelu", pf::gelu, line},
    {"relu", pf::relu, line},
    {"leaky_relu", [](const Tensor& x) { return pf::leaky_relu(x, 0.2); }, line},
    {"elu", [](const Tensor& x) { return pf::elu(x, 1.3); }, line},
    {"erf", pf::erf, line},
    {"erfinv", pf::erfinv, {-0.7, -0.2, 0.1, 0.5, 0.8}},
    {"lgamma", pf::lgamma, {0.4, 1, 2.3, 11, -1.4}},
    {"digamma", pf::digamma, {0.4, 1, 2.3, 11}},
    {"trigamma", [](const Tensor& x) { return pf::polygamma(1, x); }, {0.6, 1, 2.3, 11}},
    {"abs", pf::abs, line},
    {"sign", [](const Tensor& x) { return x * pf::sign(x); }, line},
    {"clamp", [](const Tensor& x) { return pf::clamp(x, -1, 2); }, line},
    {"pow 0", [](const Tensor& x) { return pf::pow(x, 0); }, line},
    {"pow 1", [](const Tensor& x) { return pf::pow(x, 1); }, line},
    {"pow 2", [](const Tensor& x) { return pf::pow(x, 2); }, line},
    {"pow 3", [](const Tensor& x) { return pf::pow(x, 3); }, line},
    {"pow -2", [](const Tensor& x) { return pf::pow(x, -2); }, {-3, -0.6, 0.5, 2}},
    {"pow 2.5", [](const Tensor& x) { return pf::pow(x, 2.5); }, positive},
    {"pow -0.5", [](const Tensor& x) { return pf::pow(x, -0.5); }, {0.4, 1, 2.3, 11}},
    {"x^x", [](const Tensor& x) { return pf::pow(x, x); }, {0.4, 1, 2.3, 3}},
    {"saturated tanh", pf::tanh, {-25, 25, -400, 400}},
    {"saturated sigmoid", pf::sigmoid, {-40, 40, -800, 800}},
    {"saturated softplus", pf::softplus, {-40, 40, -800, 800}},
    {"saturated silu", pf::silu, {-40, 40, -800, 800}},
    {"saturated gelu", pf::gelu, {-40, 40, -800, 800}},
    {"saturated erf", pf::erf, {-10, 10, -1e3, 1e3}},
    {"saturated elu", [](const Tensor& x) { return pf::elu(x); }, {-40, -800, 800}},
    {"exp far below", pf::exp, {-40, -800}},
    {"expm1 far below", pf::expm1, {-40, -800}},
    // At an even power of 0 and where a function has no kink at its seam.
    {"pow 2 at 0", [](const Tensor& x) { return pf::pow(x, 2); }, {0}},
    {"pow 4 at 0", [](const Tensor& x) { return pf::pow(x, 4); }, {0}},
    {"square at 0", pf::square, {0}},
    {"softplus, silu, gelu, erf at 0",
     [](const Tensor& x) { return pf::softplus(x) + pf::silu(x) * pf::gelu(x) + pf::erf(x); },
     {0}},
    {"erfinv at 0", pf::erfinv, {0}},
    {"elu without a kink at 0",
     [](const Tensor& x) { return pf::elu(x); },
     {0},
     {.order = 1, .step = 1e-5, .within = 1e-5}},
};

Tensor slope_at(Tensor (*f)(const Tensor&), const std::vector<double>& points) {
  const Tensor x(Shape{static_cast<Index>(points.size())}, points);
  return pf::vjp(f, x, Tensor::ones(x.shape())).product;
}

}  // namespace

TEST_CASE("every elementwise function has derivatives up to order 3") {
  for (const Entry& entry : entries) {
    INFO(entry.name);
    expect_gradients(entry.f, Tensor(Shape{static_cast<Index>(entry.points.size())}, entry.points), entry.check);
  }
}

TEST_CASE("elementwise functions keep shapes of every rank, empty ones too") {
  for (const Entry& entry : entries)
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1, 2}, Shape{2, 0, 3}, Shape{1, 2, 1, 1, 1, 1}}) {
      const Tensor x = Tensor::full(shape, entry.points.back());
      CHECK(entry.f(x).shape() == shape);
      CHECK(pf::vjp(entry.f, x, Tensor::ones(shape)).product.shape() == shape);
    }
}

TEST_CASE("powers with tensors for exponents are differentiable in both, to order 3, also at exponents 0 and 1") {
  expect_gradients([](const Tensor& x, const Tensor& y) { return pf::pow(x, y); }, Tensor{0.5, 1, 2, 3, 1.5},
                   Tensor{0, 1, 0, 2, -1.3}, {.order = 3});
  expect_gradients([](const Tensor& x, const Tensor& y) { return pf::pow(x, y); }, Tensor({2, 1}, {0.5, 2}),
                   Tensor{0, 1, 2.5}, {.order = 3});
}

TEST_CASE("powers of 0 have finite gradients: x^0 is 1, 0^y is 0 for positive y") {
  const Tensor x{0, 0, 0, 0, 2}, y{0, 1, 2, 3.5, 0};
  const Tensor vx = pf::variable(x), vy = pf::variable(y);
  const Tensor z = pf::pow(vx, vy);
  support::expect_equal(z, Tensor{1, 0, 0, 0, 1});
  const auto [gx, gy] = pf::vjp(z, {vx, vy}, Tensor::ones({5}));
  support::expect_equal(gx, Tensor{0, 1, 0, 0, 0});
  support::expect_equal(gy, Tensor{0, 0, 0, 0, std::log(2.0)}, 1e-15);
  support::expect_equal(slope_at([](const Tensor& t) { return pf::pow(t, 0); }, {0, -2, inf}), Tensor{0, 0, 0});
  support::expect_equal(slope_at([](const Tensor& t) { return pf::pow(t, 1); }, {0, -2}), Tensor{1, 1});
  support::expect_equal(slope_at([](const Tensor& t) { return pf::pow(t, 0.5); }, {0}), Tensor{inf});
}

TEST_CASE("slopes at kinks are as documented") {
  support::expect_equal(slope_at(pf::relu, {-0.0, 0}), Tensor{0, 0});
  support::expect_equal(slope_at(pf::abs, {-0.0, 0}), Tensor{0, 0});
  support::expect_equal(slope_at([](const Tensor& x) { return pf::leaky_relu(x, 0.1); }, {-1, 1}), Tensor{0.1, 1});
  // Within the bounds, both included, the slope is 1.
  support::expect_equal(slope_at([](const Tensor& x) { return pf::clamp(x, -1, 2); }, {-1.5, -1, 0, 2, 2.5}),
                        Tensor{0, 1, 1, 1, 0});
  CHECK(!pf::sign(pf::variable(Tensor{1, 2})).tracked());
}

TEST_CASE("at the ends of domains values are infinite or NaN as the mathematics says") {
  support::expect_equal(pf::log(Tensor{0, -1, inf}), Tensor{-inf, NAN, inf});
  support::expect_equal(pf::log1p(Tensor{-1, -2}), Tensor{-inf, NAN});
  support::expect_equal(pf::sqrt(Tensor{0, -1}), Tensor{0, NAN});
  support::expect_equal(pf::rsqrt(Tensor{0, inf}), Tensor{inf, 0});
  support::expect_equal(pf::reciprocal(Tensor{inf, -inf}), Tensor{0, 0});
  support::expect_equal(pf::erfinv(Tensor{1, -1, 1.5}), Tensor{inf, -inf, NAN});
  support::expect_equal(pf::lgamma(Tensor{0, 1, 2}), Tensor{inf, 0, 0}, 1e-15);
  support::expect_equal(pf::exp(Tensor{-inf, inf, 710}), Tensor{0, inf, inf});
  support::expect_equal(pf::tanh(Tensor{-inf, inf}), Tensor{-1, 1});
  support::expect_equal(pf::sigmoid(Tensor{-inf, inf}), Tensor{0, 1});
  support::expect_equal(pf::softplus(Tensor{-inf, inf}), Tensor{0, inf});
  support::expect_equal(pf::is_finite(Tensor{1, inf, -inf, NAN, 1e308}), Tensor{1, 0, 0, 0, 1});
}

TEST_CASE("NaN goes through every function") {
  for (const Entry& entry : entries) {
    if (std::string(entry.name) == "pow 0" || std::string(entry.name) == "sign") continue;  // x^0 = 1, sign(NaN) = 0
    INFO(entry.name);
    CHECK(std::isnan(entry.f(Tensor{NAN}).item()));
    CHECK(std::isnan(entry.f(Tensor::full({70}, NAN))(69)));
  }
}

TEST_CASE("bounds of clamp in the wrong order are refused") {
  CHECK_THROWS_AS(pf::clamp(Tensor{1}, 2, 1), pf::ValueError);
  CHECK(support::message_of<pf::ValueError>([] { pf::clamp(Tensor{1}, 2, 1); }) ==
        "clamp: the bounds are 2 and 1, expected low <= high");
  CHECK_THROWS_AS(pf::clamp(Tensor{1}, NAN, 1), pf::ValueError);
}

TEST_CASE("silu and gelu: slopes next to zero and far out, where the quotient that they come from loses its digits") {
  const auto slopes = [](auto f, const pf::Tensor<float>& x) {
    const pf::Tensor<float> point = pf::variable(x);
    return pf::cast<double>(pf::gradient(pf::sum(f(point)), point));
  };
  const pf::Tensor<float> near{0.0f, -0.0f, 1e-45f, -1e-45f, 3e-40f, -1e-38f, 1e-30f, 1e-20f, -1e-19f, 1e-10f};
  for (const auto& slope : {slopes([](const auto& x) { return pf::silu(x); }, near),
                            slopes([](const auto& x) { return pf::gelu(x); }, near)})
    for (Index i = 0; i < slope.size(); ++i) CHECK(slope(i) == Approx(0.5).epsilon(1e-6));
  const pf::Tensor<float> far{-200.0f, -88.0f, -20.0f, -5.0f, 5.0f, 20.0f, 88.0f, 1e30f};
  const Tensor silu = slopes([](const auto& x) { return pf::silu(x); }, far);
  const Tensor gelu = slopes([](const auto& x) { return pf::gelu(x); }, far);
  for (Index i = 0; i < far.size(); ++i) {
    const double x = static_cast<double>(far(i)), s = 1 / (1 + std::exp(-x)),
                 cdf = 0.5 * std::erfc(-x / std::sqrt(2.0));
    CHECK(silu(i) == Approx(s * (1 + x * (1 - s))).epsilon(2e-6).margin(1e-30));
    CHECK(gelu(i) ==
          Approx(cdf + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0))).epsilon(2e-6).margin(1e-6));
  }
}
