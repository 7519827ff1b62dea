#include <pushforward/core/isa.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/core/special_functions.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace pf = pushforward;
namespace math = pushforward::math;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();
constexpr float smallest = std::numeric_limits<float>::min();

// Loops as the library runs them: compiled for each instruction set.
template <class F>
void loop_baseline(F f, std::size_t n, const float* in, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = f(in[i]);
}
#if PUSHFORWARD_X86
template <class F>
PUSHFORWARD_FLATTEN PUSHFORWARD_TARGET_AVX2 void loop_avx2(F f, std::size_t n, const float* in, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = f(in[i]);
}
template <class F>
PUSHFORWARD_FLATTEN PUSHFORWARD_TARGET_AVX512 void loop_avx512(F f, std::size_t n, const float* in, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = f(in[i]);
}
#endif

template <class F, class Check>
void on_every_isa(F f, const std::vector<float>& in, const Check& check) {
  std::vector<float> out(in.size());
  loop_baseline(f, in.size(), in.data(), out.data());
  check("baseline", out);
#if PUSHFORWARD_X86
  if (pf::isa() >= pf::Isa::avx2) {
    loop_avx2(f, in.size(), in.data(), out.data());
    check("avx2", out);
  }
  if (pf::isa() >= pf::Isa::avx512) {
    loop_avx512(f, in.size(), in.data(), out.data());
    check("avx512", out);
  }
#endif
}

// Floats of every magnitude in [low, high], a denser grid in [-20, 20], and the neighbours of where cases change.
std::vector<float> sweep(float low, float high) {
  std::vector<float> points = {low, high, 0.0f, -0.0f, 1.0f, -1.0f, 1e-45f, -1e-45f, smallest, -smallest};
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 9973)
    points.push_back(math::detail::from_bits(static_cast<std::uint32_t>(bits)));
  for (int i = -200000; i <= 200000; ++i) points.push_back(static_cast<float>(i) * 1e-4f);
  for (const float edge :
       {-87.33654f, 88.7228317f, 0.41421356f, 0.70710677f, 1.41421356f, -1.0f, 0.92f, 4.0f, -18.0f}) {
    points.push_back(edge);
    points.push_back(std::nextafter(edge, infinity));
    points.push_back(std::nextafter(edge, -infinity));
  }
  std::erase_if(points, [&](float x) { return !(x >= low && x <= high); });
  return points;
}

// |got - want| in units of the last place of want. Below `flush` a zero will do as well.
double ulps(float got, double want, double flush) {
  constexpr double wrong = 1e9;
  if (std::isnan(want)) return std::isnan(got) ? 0.0 : wrong;
  if (std::fabs(want) < flush && std::fabs(static_cast<double>(got)) <= flush) return 0.0;
  const auto rounded = static_cast<float>(want);
  if (std::isinf(rounded)) return got == rounded || std::nextafter(rounded, 0.0f) == got ? 0.0 : wrong;
  if (!std::isfinite(got)) return wrong;
  const int exponent = std::max(std::ilogb(std::max(std::fabs(want), 1e-300)), -126);
  return std::fabs(got - want) / std::ldexp(1.0, exponent - 23);
}

template <class F, class Reference>
void check_ulps(const std::string& name, F f, Reference reference, double tolerance, float low = -infinity,
                float high = infinity, double flush = 0.0) {
  const std::vector<float> in = sweep(low, high);
  on_every_isa(f, in, [&](const char* isa, const std::vector<float>& out) {
    double worst = 0.0;
    float where = 0.0f;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const double error = ulps(out[i], reference(static_cast<double>(in[i])), flush);
      if (error > worst) worst = error, where = in[i];
    }
    INFO(name << " on " << isa << ", worst at x = " << where);
    CHECK(worst <= tolerance);
  });
}

#define FLOAT_FUNCTION(name) [](float x) PUSHFORWARD_LAMBDA_INLINE { return math::name(x); }
#if defined(__GNUC__)
#define PUSHFORWARD_LAMBDA_INLINE __attribute__((always_inline))
#else
#define PUSHFORWARD_LAMBDA_INLINE
#endif

}  // namespace

TEST_CASE("float functions are within their stated ulps of double precision everywhere, on every instruction set") {
  const double flush = smallest * 1.0001;
  check_ulps(
      "exp", FLOAT_FUNCTION(exp), [](double x) { return std::exp(x); }, 1.2, -infinity, infinity, flush);
  check_ulps(
      "expm1", FLOAT_FUNCTION(expm1), [](double x) { return std::expm1(x); }, 2, -infinity, infinity, flush);
  check_ulps(
      "log", FLOAT_FUNCTION(log), [](double x) { return std::log(x); }, 1, -infinity, infinity);
  check_ulps(
      "log1p", FLOAT_FUNCTION(log1p), [](double x) { return std::log1p(x); }, 2, -infinity, infinity, flush);
  check_ulps(
      "tanh", FLOAT_FUNCTION(tanh), [](double x) { return std::tanh(x); }, 3, -infinity, infinity, flush);
  check_ulps(
      "erf", FLOAT_FUNCTION(erf), [](double x) { return std::erf(x); }, 2, -infinity, infinity, flush);
  check_ulps(
      "sqrt", FLOAT_FUNCTION(sqrt), [](double x) { return std::sqrt(x); }, 0.5);
  check_ulps(
      "rsqrt", FLOAT_FUNCTION(rsqrt), [](double x) { return 1 / std::sqrt(x); }, 2);
  check_ulps(
      "abs", FLOAT_FUNCTION(abs), [](double x) { return std::fabs(x); }, 0);
}

TEST_CASE("float sin and cos are within 2 ulp up to a million and stay bounded beyond") {
  check_ulps(
      "sin", FLOAT_FUNCTION(sin), [](double x) { return std::sin(x); }, 2, -1e6f, 1e6f, smallest * 1.0001);
  check_ulps(
      "cos", FLOAT_FUNCTION(cos), [](double x) { return std::cos(x); }, 2, -1e6f, 1e6f);
  for (const float x : {3e6f, 1e8f, -1e9f}) CHECK(math::sin(x) == Catch::Approx(std::sin(double{x})).margin(1e-6));
  for (const float x : {1e20f, -3e38f}) CHECK(std::fabs(math::sin(x)) <= 1.0f);
  CHECK(std::isnan(math::sin(infinity)));
  CHECK(std::isnan(math::cos(quiet_nan)));
}

TEST_CASE("float activations are within their stated ulps of stable double formulas") {
  const double flush = smallest * 1.0001;
  const auto sigmoid = [](double x) { return math::sigmoid(x); };
  const auto softplus = [](double x) { return math::softplus(x); };
  check_ulps("sigmoid", FLOAT_FUNCTION(sigmoid), sigmoid, 3, -infinity, infinity, flush);
  check_ulps("softplus", FLOAT_FUNCTION(softplus), softplus, 3, -infinity, infinity, flush);
  check_ulps(
      "log_sigmoid", FLOAT_FUNCTION(log_sigmoid), [&](double x) { return -softplus(-x); }, 3, -infinity, infinity,
      flush);
  // Where sigmoid is flushed to zero, silu is up to 87 times larger than the smallest normal number.
  check_ulps(
      "silu", FLOAT_FUNCTION(silu), [](double x) { return math::silu(x); }, 3, -infinity, infinity, 1.1e-36);
  const auto gelu = [](double x) { return math::gelu(x); };
  check_ulps("gelu", FLOAT_FUNCTION(gelu), gelu, 10, -2.0f, infinity, flush);  // 6e-7 is 10 ulp at worst
  check_ulps("gelu", FLOAT_FUNCTION(gelu), gelu, (6e-7 + 1e-7 * 13.2 * 13.2) * 0x1p24, -infinity, -2.0f, 1e-36);
}

TEST_CASE("double activations keep their digits in both tails") {
  CHECK(math::sigmoid(-700.0) == Catch::Approx(std::exp(-700.0)).epsilon(1e-14));
  CHECK(math::sigmoid(40.0) == 1.0);
  CHECK(math::softplus(-40.0) == Catch::Approx(std::exp(-40.0)).epsilon(1e-14));
  CHECK(math::softplus(1000.0) == 1000.0);
  CHECK(math::log_sigmoid(-1000.0) == -1000.0);
  CHECK(math::silu(-std::numeric_limits<double>::infinity()) == 0.0);
  CHECK(math::gelu(-10.0) == Catch::Approx(-10.0 * 7.619853024160526e-24).epsilon(1e-12));
  CHECK(math::gelu(-std::numeric_limits<double>::infinity()) == 0.0);
}

TEST_CASE("float functions keep NaN and take infinities to their limits") {
  const std::vector<float> in(32, quiet_nan);
  const auto is_nan = [](const char* isa, const std::vector<float>& out) {
    INFO(isa);
    for (const float y : out) CHECK(std::isnan(y));
  };
  on_every_isa(FLOAT_FUNCTION(exp), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(expm1), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(log), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(log1p), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(tanh), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(sigmoid), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(silu), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(softplus), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(log_sigmoid), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(erf), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(gelu), in, is_nan);
  on_every_isa(FLOAT_FUNCTION(sin), in, is_nan);
  CHECK(math::exp(-infinity) == 0.0f);
  CHECK(math::exp(infinity) == infinity);
  CHECK(math::log(0.0f) == -infinity);
  CHECK(math::log(-0.0f) == -infinity);
  CHECK(std::isnan(math::log(-1.0f)));
  CHECK(std::isnan(math::log(-1e-45f)));
  CHECK(math::log1p(-1.0f) == -infinity);
  CHECK(std::isnan(math::log1p(-1.5f)));
  CHECK(math::tanh(infinity) == 1.0f);
  CHECK(math::tanh(-infinity) == -1.0f);
  CHECK(std::signbit(math::tanh(-0.0f)));
  CHECK(math::sigmoid(-infinity) == 0.0f);
  CHECK(math::silu(-infinity) == 0.0f);
  CHECK(math::silu(infinity) == infinity);
  CHECK(math::softplus(-infinity) == 0.0f);
  CHECK(math::softplus(infinity) == infinity);
  CHECK(math::log_sigmoid(-infinity) == -infinity);
  CHECK(math::log_sigmoid(infinity) == 0.0f);
  CHECK(math::erf(-infinity) == -1.0f);
  CHECK(math::gelu(-infinity) == 0.0f);
  CHECK(math::gelu(infinity) == infinity);
  CHECK(std::isnan(math::sqrt(-1.0f)));
}

TEST_CASE("float pow is within 1 ulp of double pow") {
  for (const float y : {0.5f, 1.7f, -2.25f, 3.0f, -1.0f, 33.3f, 1e-3f})
    check_ulps(
        "pow", [y](float x) PUSHFORWARD_LAMBDA_INLINE { return math::pow(x, y); },
        [y](double x) { return std::pow(x, static_cast<double>(y)); }, 1.01);
}

TEST_CASE("float pow has the special cases of C's pow") {
  const float values[] = {0.0f,  -0.0f,  1.0f,     -1.0f,     2.0f,        -2.0f, 0.5f,
                          -0.5f, 3.0f,   -3.0f,    1e-45f,    -1e-45f,     2.5f,  1e9f,
                          3e38f, -3e38f, infinity, -infinity, 16777217.0f, 1e-3f, quiet_nan};
  for (const float x : values) {
    for (const float y : values) {
      const float got = math::pow(x, y), want = std::pow(x, y);
      INFO("pow(" << x << ", " << y << ") = " << got << ", expected " << want);
      const bool same_kind = std::isnan(want) == std::isnan(got) && (std::isnan(want) || ulps(got, want, 0.0) <= 1.01);
      CHECK(same_kind);
      if (!std::isnan(want)) CHECK(std::signbit(got) == std::signbit(want));
    }
  }
}

TEST_CASE("select returns either argument, bit for bit") {
  CHECK(math::select(true, 1.5f, quiet_nan) == 1.5f);
  CHECK(math::select(false, quiet_nan, -0.25f) == -0.25f);
  CHECK(math::select(true, -2.5, 3.0) == -2.5);
  CHECK(std::isnan(math::select(false, 1.0, std::numeric_limits<double>::quiet_NaN())));
}

namespace {

constexpr double pi = 3.14159265358979323846, euler = 0.57721566490153286061, zeta3 = 1.20205690315959428540;

}  // namespace

TEST_CASE("polygamma functions take their closed forms") {
  const auto close = [](double want) { return Catch::Approx(want).epsilon(4e-15); };
  CHECK(math::lgamma(0.5) == close(0.5 * std::log(pi)));
  CHECK(math::lgamma(-0.5) == close(std::log(2.0 * std::sqrt(pi))));
  CHECK(math::lgamma(10.0) == close(std::log(362880.0)));
  CHECK(math::digamma(1.0) == close(-euler));
  CHECK(math::digamma(0.25) == close(-euler - pi / 2 - 3 * std::log(2.0)));
  CHECK(math::digamma(-0.5) == Catch::Approx(-euler - 2 * std::log(2.0) + 2).margin(2e-15));  // near a zero
  CHECK(std::fabs(math::digamma(1.46163214496836234126)) < 2e-15);
  CHECK(math::trigamma(1.0) == close(pi * pi / 6));
  CHECK(math::trigamma(0.5) == close(pi * pi / 2));
  CHECK(math::polygamma(2, 1.0) == close(-2 * zeta3));
  CHECK(math::polygamma(2, 0.5) == close(-14 * zeta3));
  CHECK(math::polygamma(3, 1.0) == close(std::pow(pi, 4) / 15));
  CHECK(math::digamma(2.5f) == static_cast<float>(math::digamma(2.5)));
}

TEST_CASE("polygamma functions obey the recurrence in x, also below zero") {
  for (int n = 0; n <= 6; ++n) {
    for (double x = -7.37; x < 40.0; x += 0.61) {
      // psi^(n)(x + 1) = psi^(n)(x) + (-1)^n n! x^-(n + 1)
      const double step = (n % 2 == 0 ? 1 : -1) * std::tgamma(n + 1.0) * std::pow(x, -n - 1);
      const double here = math::polygamma(n, x), next = math::polygamma(n, x + 1.0);
      INFO("order " << n << " at " << x);
      CHECK(std::fabs(next - here - step) <= 1e-13 * (std::fabs(here) + std::fabs(next) + std::fabs(step)));
    }
  }
}

TEST_CASE("every polygamma function is the derivative of the one below") {
  const double h = 1e-4;  // the central difference errs by h^2 f''' / 6 + 1e-16 f / h
  for (int n = 1; n <= 4; ++n) {
    for (const double x : {-2.3, -0.45, 0.6, 1.5, 7.0, 60.0}) {
      const double difference = (math::polygamma(n - 1, x + h) - math::polygamma(n - 1, x - h)) / (2 * h);
      INFO("order " << n << " at " << x);
      CHECK(math::polygamma(n, x) == Catch::Approx(difference).epsilon(2e-6).margin(1e-11));
    }
  }
}

TEST_CASE("polygamma functions have poles at 0, -1, ... and reject orders they do not know") {
  for (const double pole : {0.0, -1.0, -5.0}) {
    CHECK(std::isnan(math::digamma(pole)));
    CHECK(std::isnan(math::trigamma(pole)));
  }
  CHECK(std::isnan(math::digamma(std::numeric_limits<double>::quiet_NaN())));
  CHECK(math::trigamma(std::numeric_limits<double>::infinity()) == 0.0);
  CHECK_THROWS_AS(math::polygamma(-1, 1.0), pf::ValueError);
  CHECK_THROWS_AS(math::polygamma(31, 1.0), pf::ValueError);
}

TEST_CASE("erfinv inverts erf to double precision, in the tails too") {
  for (double y = -0.995; y < 1.0; y += 0.01) {
    INFO("y = " << y);
    const double slope = 2 / std::sqrt(pi) * std::exp(-std::pow(math::erfinv(y), 2));
    // Half an ulp of x and one of erf.
    CHECK(std::fabs(std::erf(math::erfinv(y)) - y) <= 3e-16 * (std::fabs(math::erfinv(y)) * slope + std::fabs(y)));
  }
  for (int k = 1; k <= 52; ++k) {
    const double rest = std::ldexp(1.0, -k), x = math::erfinv(1.0 - rest);  // exact argument
    INFO("1 - 2^-" << k);
    // d log erfc / dx = -2x to first order: one ulp of x is 2 x^2 ulps of erfc.
    CHECK(std::erfc(x) == Catch::Approx(rest).epsilon(3e-16 * (4 + 2 * x * x)));
    CHECK(math::erfinv(rest - 1.0) == -x);
  }
  CHECK(math::erfinv(1e-300) == Catch::Approx(1e-300 * std::sqrt(pi) / 2).epsilon(1e-15).margin(0));
  CHECK(math::erfinv(0.5) == Catch::Approx(0.47693627620446987338).epsilon(3e-16));
  CHECK(math::erfinv(1.0) == std::numeric_limits<double>::infinity());
  CHECK(math::erfinv(-1.0f) == -infinity);
  CHECK(std::isnan(math::erfinv(1.0001)));
  CHECK(std::isnan(math::erfinv(quiet_nan)));
}

TEST_CASE("erfcx and log_ndtr agree with extended precision where that does not underflow") {
  for (double x = -5.0; x < 100.0; x += 0.0937) {
    const long double wide = x;
    INFO("x = " << x);
    CHECK(math::erfcx(x) == Catch::Approx(static_cast<double>(std::exp(wide * wide) * std::erfc(wide))).epsilon(2e-14));
  }
  for (double x = -100.0; x < 8.0; x += 0.0937) {
    const long double root = std::sqrt(0.5L), half_erfc = 0.5L * std::erfc(-x * root);
    const auto want = x > 0 ? std::log1p(-0.5L * std::erfc(x * root)) : std::log(half_erfc);
    INFO("x = " << x);
    CHECK(math::log_ndtr(x) == Catch::Approx(static_cast<double>(want)).epsilon(2e-14).margin(0));
  }
  CHECK(math::log_ndtr(-1e8) == Catch::Approx(-0.5e16));
  CHECK(math::log_ndtr(-3.0f) == static_cast<float>(math::log_ndtr(-3.0)));
}
