#include <pushforward/core/random.hpp>
#include <pushforward/core/threads.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "support/catch.hpp"

namespace pf = pushforward;
namespace detail = pushforward::detail;
using pf::Index;
using pf::Rng;

namespace {

// Every seed is fixed, so nothing here is flaky; bounds are those that a correct generator passes for all but about one
// seed in a million.
constexpr double sigmas = 5.0;  // P(|z| > 5) = 5.7e-7

template <class S>
using Fill = void (*)(S*, Index, Rng&);

template <class S>
void fill_unit(S* out, Index n, Rng& rng) {
  detail::fill_uniform(out, n, S{0}, S{1}, rng);
}

template <class S>
std::vector<S> draw(Fill<S> fill, Index n, Rng& rng) {
  std::vector<S> out(static_cast<std::size_t>(n));
  fill(out.data(), n, rng);
  return out;
}

template <class S>
double moment(const std::vector<S>& x, double center, int power) {
  double sum = 0.0;
  for (const S value : x) sum += std::pow(static_cast<double>(value) - center, power);
  return sum / static_cast<double>(x.size());
}

struct Theory {
  double mean, variance, fourth;  // fourth central moment
};

// The mean of n draws has the standard error sqrt(variance / n), their second moment sqrt((fourth - variance^2) / n).
template <class S>
void check_moments(const std::vector<S>& x, Theory theory) {
  const double n = static_cast<double>(x.size());
  CHECK(std::fabs(moment(x, 0.0, 1) - theory.mean) <= sigmas * std::sqrt(theory.variance / n));
  CHECK(std::fabs(moment(x, theory.mean, 2) - theory.variance) <=
        sigmas * std::sqrt((theory.fourth - theory.variance * theory.variance) / n));
}

// Kolmogorov-Smirnov: P(sup |F_n - F| > d) <= 2 exp(-2 n d^2) (Dvoretzky, Kiefer, Wolfowitz; Massart, 1990).
template <class S, class Cdf>
void check_distribution(std::vector<S> x, const Cdf& cdf) {
  std::sort(x.begin(), x.end());
  const double n = static_cast<double>(x.size());
  double distance = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(static_cast<double>(x[i])), rank = static_cast<double>(i);
    distance = std::max({distance, f - rank / n, (rank + 1) / n - f});
  }
  CHECK(distance <= std::sqrt(std::log(2e6) / (2 * n)));
}

// The correlation of n independent pairs has the standard error 1 / sqrt(n).
template <class S>
void check_uncorrelated(const S* x, const S* y, std::size_t n) {
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
    sx += a, sy += b, sxx += a * a, syy += b * b, sxy += a * b;
  }
  const double m = static_cast<double>(n);
  const double correlation = (sxy - sx * sy / m) / std::sqrt((sxx - sx * sx / m) * (syy - sy * sy / m));
  CHECK(std::fabs(correlation) <= sigmas / std::sqrt(m));
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }

// P(Gamma(a, 1) < e^l) from the series of the lower incomplete gamma function; its terms are positive.
double gamma_cdf_of_log(double a, double l) {
  const double x = std::exp(l);
  double term = 1.0, sum = 1.0;
  for (double k = 1.0; term > 1e-17 * sum; k += 1.0) sum += term *= x / (a + k);
  return std::min(1.0, std::exp(a * l - x - std::lgamma(a + 1.0) + std::log(sum)));
}

template <class S>
bool same_bits(const std::vector<S>& x, const std::vector<S>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(S)) == 0;
}

// Everything that fills, as bytes, for n values from a fixed state.
std::vector<std::vector<std::uint32_t>> everything(Index n) {
  std::vector<std::vector<std::uint32_t>> all;
  const auto add = [&](auto scalar, const auto& fill) {
    std::vector<decltype(scalar)> out(static_cast<std::size_t>(n));
    Rng rng(77);
    fill(out.data(), rng);
    std::vector<std::uint32_t> bytes(out.size() * sizeof scalar / 4);
    std::memcpy(bytes.data(), out.data(), bytes.size() * 4);
    all.push_back(bytes);
  };
  const auto add_floats = [&](auto scalar) {
    using S = decltype(scalar);
    const std::vector<S> parameter(static_cast<std::size_t>(n), S(0.4));
    add(scalar, [&](S* out, Rng& rng) { detail::fill_uniform(out, n, S(-1), S(3), rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_normal(out, n, rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_exponential(out, n, rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_gumbel(out, n, rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_bernoulli(out, parameter.data(), n, rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_gamma(out, parameter.data(), n, rng); });
    add(scalar, [&](S* out, Rng& rng) { detail::fill_log_gamma(out, parameter.data(), n, rng); });
  };
  add(std::uint32_t{}, [&](std::uint32_t* out, Rng& rng) { detail::fill_bits(out, n, rng); });
  add_floats(float{});
  add_floats(double{});
  return all;
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the published vectors of Random123") {
  using Block = std::array<std::uint32_t, 4>;
  CHECK(detail::philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(detail::philox({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(detail::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("tiles hold the blocks of Philox, on every instruction set") {
  const std::uint64_t key = 0x123456789abcdef0, stream = 0xfedcba9876543210;
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{0xfffffff8}, ~std::uint64_t{0} - 3}) {
    std::array<std::uint32_t, detail::tile_words> words{};
    const auto check = [&] {
      for (std::uint64_t i = 0; i < std::uint64_t{detail::tile_blocks}; ++i) {
        const auto [a, b] = detail::philox_block(key, stream, first + i);
        constexpr auto n = static_cast<std::size_t>(detail::tile_blocks);
        CHECK((words[i] | std::uint64_t{words[i + n]} << 32) == a);
        CHECK((words[i + 2 * n] | std::uint64_t{words[i + 3 * n]} << 32) == b);
      }
    };
    detail::PhiloxLoop{}(key, stream, first, words.data());
    check();
#if PUSHFORWARD_X86
    if (pf::isa() >= pf::Isa::avx2) {
      words = {};
      detail::PhiloxAvx2{}(key, stream, first, words.data());
      check();
    }
#endif
  }
}

#if PUSHFORWARD_X86
namespace {

template <class To>
std::vector<std::vector<typename To::Value>> on_every_isa(const To& to, Index n) {
  using Out = std::vector<typename To::Value>;
  const detail::Tiles tiles{11, 22, 33};
  const Index count = (n + detail::tile_values<To> - 1) / detail::tile_values<To>;
  std::vector<Out> results(1, Out(static_cast<std::size_t>(n)));
  detail::fill_tiles_baseline(to, tiles, 0, count, n, results.back().data());
  if (pf::isa() >= pf::Isa::avx2) {
    results.emplace_back(static_cast<std::size_t>(n));
    detail::fill_tiles_avx2(to, tiles, 0, count, n, results.back().data());
  }
  if (pf::isa() >= pf::Isa::avx512) {
    results.emplace_back(static_cast<std::size_t>(n));
    detail::fill_tiles_avx512(to, tiles, 0, count, n, results.back().data());
  }
  return results;
}

}  // namespace

TEST_CASE("all instruction sets give the same integers and uniforms, and the same normals but for rounding") {
  const Index n = 10007;
  for (const auto& out : on_every_isa(detail::ToBits{}, n)) CHECK(out == on_every_isa(detail::ToBits{}, n).front());
  const detail::ToUniform<float> uniform{-0.3, 1.1f, 0.8f};
  for (const auto& out : on_every_isa(uniform, n)) CHECK(same_bits(out, on_every_isa(uniform, n).front()));
  const auto normals = on_every_isa(detail::ToNormal<float>{}, n);
  const auto gumbels = on_every_isa(detail::ToGumbel<float>{}, n);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    for (std::size_t isa = 1; isa < normals.size(); ++isa) {
      REQUIRE(std::fabs(normals[isa][i] - normals[0][i]) <= 4e-7f * std::fabs(normals[0][i]));
      REQUIRE(std::fabs(gumbels[isa][i] - gumbels[0][i]) <= 4e-7f * (1.0f + std::fabs(gumbels[0][i])));
    }
  }
}
#endif

TEST_CASE("uniform draws are uniform in [low, high)") {
  const Index n = 200000;
  Rng rng(1);
  std::vector<float> x(static_cast<std::size_t>(n));
  detail::fill_uniform(x.data(), n, -2.0f, 3.0f, rng);
  // Width w: the variance is w^2 / 12, the fourth central moment w^4 / 80.
  check_moments(x, {0.5, 25.0 / 12, 625.0 / 80});
  check_distribution(x, [](double v) { return (v + 2) / 5; });
  const std::vector<double> y = draw<double>(fill_unit<double>, n, rng);
  check_moments(y, {0.5, 1.0 / 12, 1.0 / 80});
  check_distribution(y, [](double v) { return v; });
  CHECK(*std::min_element(y.begin(), y.end()) >= 0.0);
}

TEST_CASE("a uniform draw never reaches its upper end, and a transformed one is always finite") {
  std::array<std::uint32_t, detail::tile_words> words;
  std::array<float, detail::tile_words> out;
  const auto extremes = [&](const auto& to, const auto& holds) {
    for (const std::uint32_t word : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      words.fill(word);
      to(words.data(), out.data());
      INFO("word " << word << " gives " << out[0]);
      CHECK(holds(out[0]));
    }
  };
  // 1 + u rounds to 2 for the largest u.
  extremes(detail::ToUniform<float>{1.0, 1.0, std::nextafter(2.0f, 1.0f)}, [](float v) { return v >= 1 && v < 2; });
  extremes(detail::ToOpenUnit<float>{}, [](float v) { return v > 0 && v < 1; });
  extremes(detail::ToExponential<float>{}, [](float v) { return v > 0 && v < 23; });
  extremes(detail::ToGumbel<float>{}, [](float v) { return std::fabs(v) < 23; });
  extremes(detail::ToNormal<float>{}, [](float v) { return std::fabs(v) < 6.8f; });
  for (const std::uint64_t bits :
       {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0} >> 1}) {
    CHECK(detail::exponential_from(bits) > 0.0);
    CHECK(detail::exponential_from(bits) < 38.0);
    CHECK(detail::unit_from(bits) < 1.0);
  }
}

TEST_CASE("uniform with unusable ends throws") {
  Rng rng(0);
  float x = 0;
  CHECK_THROWS_AS(detail::fill_uniform(&x, 1, 1.0f, 0.0f, rng), pf::ValueError);
  CHECK_THROWS_AS(detail::fill_uniform(&x, 1, 0.0f, std::numeric_limits<float>::infinity(), rng), pf::ValueError);
  CHECK_THROWS_AS(detail::fill_uniform(&x, 1, std::nanf(""), 1.0f, rng), pf::ValueError);
  detail::fill_uniform(&x, 1, 1.5f, 1.5f, rng);
  CHECK(x == 1.5f);
}

TEST_CASE("normal draws are normal, and their pairs independent") {
  const Index n = 400000;
  Rng rng(2);
  const std::vector<float> x = draw<float>(detail::fill_normal<float>, n, rng);
  const std::vector<double> y = draw<double>(detail::fill_normal<double>, n, rng);
  check_moments(x, {0, 1, 3});
  check_moments(y, {0, 1, 3});
  check_distribution(x, normal_cdf);
  check_distribution(y, normal_cdf);
  CHECK(std::fabs(moment(x, 0, 3)) <= sigmas * std::sqrt(15.0 / static_cast<double>(n)));
  CHECK(std::fabs(moment(x, 0, 4) - 3) <= sigmas * std::sqrt((105.0 - 9) / static_cast<double>(n)));
  // A radius and an angle make two values, half a tile apart.
  std::vector<float> first, second, first_squared, second_squared;
  const auto half = static_cast<std::size_t>(detail::tile_words / 2);
  for (std::size_t i = 0; i + half < x.size(); ++i) {
    if (i / half % 2 == 1) continue;
    first.push_back(x[i]), first_squared.push_back(x[i] * x[i]);
    second.push_back(x[i + half]), second_squared.push_back(x[i + half] * x[i + half]);
  }
  check_uncorrelated(first.data(), second.data(), first.size());
  check_uncorrelated(first_squared.data(), second_squared.data(), first.size());
  check_uncorrelated(x.data(), x.data() + 1, x.size() - 1);
}

TEST_CASE("the tails of float normals have the right weight") {
  const Index n = 20000000;
  Rng rng(3);
  std::array<double, 2> beyond{};
  std::vector<float> x(1000000);
  for (Index done = 0; done < n; done += 1000000) {
    detail::fill_normal(x.data(), 1000000, rng);
    for (const float v : x) beyond[0] += std::fabs(v) > 4, beyond[1] += std::fabs(v) > 5;
  }
  // Counts are Poisson; 5.3 standard deviations of a mean of 11 are one in a million on its upper side.
  const double expected4 = 2 * static_cast<double>(n) * normal_cdf(-4),
               expected5 = 2 * static_cast<double>(n) * normal_cdf(-5);
  CHECK(std::fabs(beyond[0] - expected4) <= sigmas * std::sqrt(expected4));
  CHECK(beyond[1] >= 1);  // none: probability e^-11.5
  CHECK(beyond[1] <= expected5 + 6 * std::sqrt(expected5));
}

TEST_CASE("exponential and Gumbel draws follow their laws") {
  const Index n = 200000;
  const double pi = 3.14159265358979323846, euler = 0.57721566490153286061;
  const auto check = [&](auto scalar) {
    using S = decltype(scalar);
    Rng rng(4);
    const std::vector<S> x = draw<S>(detail::fill_exponential<S>, n, rng);
    check_moments(x, {1, 1, 9});
    check_distribution(x, [](double v) { return -std::expm1(-v); });
    check_uncorrelated(x.data(), x.data() + 1, x.size() - 1);
    const std::vector<S> g = draw<S>(detail::fill_gumbel<S>, n, rng);
    const double variance = pi * pi / 6;
    check_moments(g, {euler, variance, (3 + 12.0 / 5) * variance * variance});
    check_distribution(g, [](double v) { return std::exp(-std::exp(-v)); });
  };
  check(float{});
  check(double{});
}

TEST_CASE("Bernoulli draws come with their probability, certain ones always") {
  const Index n = 1000000;
  const auto check = [&](auto scalar) {
    using S = decltype(scalar);
    Rng rng(5);
    for (const double p : {0.0, 1e-4, 0.3, 0.999, 1.0, -0.5, 1.5}) {
      const std::vector<S> probability(static_cast<std::size_t>(n), static_cast<S>(p));
      std::vector<S> x(static_cast<std::size_t>(n));
      detail::fill_bernoulli(x.data(), probability.data(), n, rng);
      const double q = std::clamp(p, 0.0, 1.0), mean = moment(x, 0.0, 1);
      INFO("p = " << p);
      CHECK(std::fabs(mean - q) <= sigmas * std::sqrt(q * (1 - q) / static_cast<double>(n)));
      CHECK(moment(x, 0.0, 2) == mean);  // zeros and ones only
    }
  };
  check(float{});
  check(double{});
}

TEST_CASE("gamma draws follow their law, for small shapes in the logarithm") {
  const std::size_t n = 100000;
  Rng rng(6);
  for (const double alpha : {0.01, 0.3, 0.999, 1.0, 2.5, 80.0}) {
    INFO("alpha = " << alpha);
    const std::vector<double> shape(n, alpha);
    std::vector<double> x(n), logs(n);
    detail::fill_gamma(x.data(), shape.data(), static_cast<Index>(n), rng);
    // The fourth central moment of Gamma(a, 1) is 3 a^2 + 6 a.
    if (alpha >= 0.3) check_moments(x, {alpha, alpha, 3 * alpha * alpha + 6 * alpha});
    detail::fill_log_gamma(logs.data(), shape.data(), static_cast<Index>(n), rng);
    check_distribution(logs, [&](double l) { return gamma_cdf_of_log(alpha, l); });
    check_uncorrelated(logs.data(), logs.data() + 1, n - 1);
  }
}

TEST_CASE("gamma draws do not vanish, and shapes that make no sense throw") {
  Rng rng(7);
  const std::vector<float> tiny(1000, 1e-4f);
  std::vector<float> x(tiny.size());
  detail::fill_gamma(x.data(), tiny.data(), 1000, rng);
  CHECK(*std::min_element(x.begin(), x.end()) == std::numeric_limits<float>::min());
  detail::fill_log_gamma(x.data(), tiny.data(), 1000, rng);
  CHECK(*std::min_element(x.begin(), x.end()) < -1000.0f);
  for (const float v : x) REQUIRE(std::isfinite(v));
  for (const float bad : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()})
    CHECK_THROWS_AS(detail::fill_gamma(x.data(), &bad, 1, rng), pf::ValueError);
}

TEST_CASE("permutations are permutations, and all equally likely") {
  Rng rng(8);
  std::vector<Index> order(3001);
  detail::fill_permutation(order.data(), 3001, rng);
  std::vector<Index> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  Index fixed = 0;
  for (Index i = 0; i < 3001; ++i) {
    REQUIRE(sorted[static_cast<std::size_t>(i)] == i);
    fixed += order[static_cast<std::size_t>(i)] == i;
  }
  CHECK(fixed <= 10);  // Poisson with mean 1: P(> 10) = 1e-8
  std::map<std::array<Index, 4>, double> counts;
  const double rounds = 48000;
  for (double round = 0; round < rounds; ++round) {
    std::array<Index, 4> four{};
    detail::fill_permutation(four.data(), 4, rng);
    ++counts[four];
  }
  REQUIRE(counts.size() == 24);
  double chi_square = 0.0;
  for (const auto& [four, count] : counts) chi_square += std::pow(count - rounds / 24, 2) / (rounds / 24);
  CHECK(chi_square < 71.3);  // 23 degrees of freedom, p = 1e-6
  Index nothing = -1;
  detail::fill_permutation(&nothing, 0, rng);
  CHECK(nothing == -1);
  detail::fill_permutation(&nothing, 1, rng);
  CHECK(nothing == 0);
}

TEST_CASE("uniform_index is unbiased also where the range does not divide 2^64") {
  Rng rng(9);
  std::array<double, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[static_cast<std::size_t>(rng.uniform_index(7))];
  double chi_square = 0.0;
  for (const double count : counts) chi_square += std::pow(count - 10000, 2) / 10000;
  CHECK(chi_square < 38.3);  // 6 degrees of freedom, p = 1e-6
  // Without rejection the lower two thirds of this range would come up with probability 3/4.
  const Index range = Index{3} << 61;
  double low = 0;
  const double n = 20000;
  for (double i = 0; i < n; ++i) low += rng.uniform_index(range) < (Index{1} << 62);
  CHECK(std::fabs(low / n - 2.0 / 3) <= sigmas * std::sqrt(2.0 / 9 / n));
  CHECK(rng.uniform_index(1) == 0);
  CHECK_THROWS_AS(rng.uniform_index(0), pf::ValueError);
  CHECK_THROWS_AS(rng.uniform_index(-3), pf::ValueError);
}

TEST_CASE("scalar draws follow their laws, each from a block of its own") {
  Rng rng(10);
  CHECK(Rng(0).next_u32() == 0x6627e8d5);
  std::vector<double> uniform(100000), normal(100000);
  for (double& v : uniform) v = rng.uniform();
  for (double& v : normal) v = rng.normal();
  CHECK(rng.state().position == 200000);
  check_distribution(uniform, [](double v) { return v; });
  check_distribution(normal, normal_cdf);
  check_uncorrelated(uniform.data(), uniform.data() + 1, uniform.size() - 1);
}

TEST_CASE("split streams are independent of each other and of their parent") {
  const Index n = 100000;
  Rng parent(11);
  auto [a, b] = parent.split<2>();
  Rng grandchild = a.split();
  std::vector<Rng> streams = {parent, a, b, grandchild, Rng(12)};
  for (Rng& rng : parent.split(3)) streams.push_back(rng);
  std::vector<std::vector<float>> draws;
  for (Rng& rng : streams) draws.push_back(draw<float>(fill_unit<float>, n, rng));
  for (std::size_t i = 0; i < draws.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      check_uncorrelated(draws[i].data(), draws[j].data(), static_cast<std::size_t>(n));
}

TEST_CASE("split depends on the key and the number of splits only") {
  Rng one(13), two(13);
  two.next_u32();
  CHECK(one.split().state() == two.split().state());
  CHECK(!(one.split().state() == Rng(13).split().state()));
  CHECK(Rng(13).split(2)[1].state() == Rng(13).split<2>()[1].state());
  CHECK(!(Rng(14).split().state() == Rng(13).split().state()));
}

TEST_CASE("a generator resumes from its state with the same bits") {
  Rng rng(15);
  rng = rng.split();
  draw<float>(detail::fill_normal<float>, 1001, rng);
  rng.split();
  Rng resumed = Rng::from_state(rng.state());
  CHECK(resumed.state() == rng.state());
  CHECK(same_bits(draw<float>(detail::fill_normal<float>, 777, rng),
                  draw<float>(detail::fill_normal<float>, 777, resumed)));
  CHECK(rng.split().state() == resumed.split().state());
  CHECK(rng.next_u32() == resumed.next_u32());
}

TEST_CASE("consecutive fills read different blocks") {
  Rng rng(16);
  std::vector<std::uint32_t> words;
  for (const Index n : {Index{1}, Index{63}, Index{64}, Index{65}, Index{1000}}) {
    std::vector<std::uint32_t> next(static_cast<std::size_t>(n));
    detail::fill_bits(next.data(), n, rng);
    words.insert(words.end(), next.begin(), next.end());
  }
  std::sort(words.begin(), words.end());
  // 1193 words have a pair in common with probability 1.7e-4; a block read twice would give many.
  CHECK(std::adjacent_find(words.begin(), words.end()) == words.end());
}

TEST_CASE("the number of threads does not change a bit, nor does the number of values") {
  const Index n = 150001;
  const int before = pf::num_threads();
  pf::set_num_threads(1);
  const auto alone = everything(n);
  pf::set_num_threads(4);
  const auto together = everything(n);
  pf::set_num_threads(before);
  const auto fewer = everything(1234);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    INFO("fill number " << i);
    CHECK(same_bits(alone[i], together[i]));
    CHECK(std::equal(fewer[i].begin(), fewer[i].end(), alone[i].begin()));
  }
}
