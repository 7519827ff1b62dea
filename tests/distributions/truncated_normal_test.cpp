#include <pushforward/distributions/truncated_normal.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using Truncated = pf::TruncatedNormal<double>;

namespace {

const double infinity = std::numeric_limits<double>::infinity();

Truncated standard(double low, double high) {
  return {Tensor<double>{0.0}, Tensor<double>{1.0}, Tensor<double>{low}, Tensor<double>{high}};
}
double log_density(const Truncated& d, double x) { return d.log_prob(Tensor<double>{x}).item(); }

}  // namespace

TEST_CASE("a TruncatedNormal's density is the normal's over the mass of the interval") {
  const double c = 0.5 * std::log(2 * M_PI);
  auto cdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  for (auto [a, b] : {std::pair{-1.0, 2.0}, {0.5, 1.5}, {-3.0, -1.0}, {-0.2, 0.1}})
    CHECK(log_density(standard(a, b), 0.5 * (a + b)) ==
          Approx(-0.125 * (a + b) * (a + b) - c - std::log(cdf(b) - cdf(a))));
  CHECK(log_density(standard(-1, 2), 2.1) == -infinity);
  CHECK(log_density(standard(-infinity, infinity), 0.7) == Approx(-0.245 - c));
  CHECK(log_density(standard(0, infinity), 0.7) == Approx(-0.245 - c + std::log(2.0)));
}

TEST_CASE("densities of intervals far in a tail, or very narrow, integrate to one") {
  for (auto [a, b] : {std::pair{8.0, 9.0},
                      {30.0, 30.1},
                      {-500.0, -499.99},
                      {1e4, 1e4 + 1e-3},
                      {2.0, 2.0 + 1e-9},
                      {0.0, 1e-12},
                      {-1e-3, 2e-3},
                      {-1.0, 6.0}}) {
    const Truncated d = standard(a, b);
    const int n = 20'000;
    double total = 0;
    for (int i = 0; i < n; ++i) {
      // The mass sits at the bound nearest to 0, and falls off over 1 / |bound|.
      total += std::exp(log_density(d, a + (b - a) * (i + 0.5) / n)) * (b - a) / n;
    }
    CHECK(total == Approx(1.0).epsilon(1e-4));
  }
  const pf::TruncatedNormal<float> tail(Tensor<>{0.0f}, Tensor<>{1.0f}, Tensor<>{100.0f},
                                        Tensor<>{std::numeric_limits<float>::infinity()});
  CHECK(tail.log_prob(Tensor<>{100.0f}).item() == Approx(std::log(100.01)).epsilon(1e-5));  // nearly an exponential
  CHECK(tail.mean().item() == Approx(100.01).epsilon(1e-6));
  CHECK(tail.variance().item() == Approx(1e-4).epsilon(1e-3));
}

TEST_CASE("moments of narrow intervals in floats lie inside, and gradients stay finite with infinite bounds") {
  const pf::TruncatedNormal<float> narrow(Tensor<>{0.0f}, Tensor<>{1.0f}, Tensor<>{1.0f}, Tensor<>{1.0001f});
  CHECK(narrow.mean().item() == Approx(1.00005).epsilon(1e-6));
  CHECK(narrow.variance().item() == Approx(1e-8 / 12).epsilon(5e-3));  // the width has three digits in a float
  const Tensor<> location = pf::variable(Tensor<>{-3e5f});
  const pf::TruncatedNormal<float> far(location, Tensor<>{1.0f}, Tensor<>{0.0f},
                                       Tensor<>{std::numeric_limits<float>::infinity()});
  const Tensor<> all = far.log_prob(Tensor<>{1e-6f}) + pf::sum(far.mean() + far.variance()) + far.entropy();
  CHECK(std::isfinite(all.item()));
  CHECK(std::isfinite(pf::gradient(all, location).item()));
}

TEST_CASE("draws of a TruncatedNormal follow its density and moments") {
  pf::Rng rng(1);
  const Truncated batch(
      Tensor<double>{{5, 1}, {0.0, 1.0, 0.0, -3.0, 2.0}}, Tensor<double>{{5, 1}, {1.0, 0.5, 1.0, 2.0, 1.0}},
      Tensor<double>{{5, 1}, {-1.0, 1.2, 6.0, 0.0, -infinity}}, Tensor<double>{{5, 1}, {2.0, 4.0, 7.0, 1.0, 1.0}});
  CHECK_NOTHROW(pf::testing::check_distribution(batch, rng));
  const pf::TruncatedNormal<float> narrow(Tensor<>{0.0f, 0.0f}, Tensor<>{1.0f}, Tensor<>{-0.5f, 3.0f},
                                          Tensor<>{0.5f, 4.0f});
  CHECK_NOTHROW(pf::testing::check_distribution(narrow, rng));
  const Tensor<double> x = standard(50, infinity).sample(100, rng);
  CHECK(x.min() >= 50);
  CHECK(x.max() < 51);
}

TEST_CASE("the quantile function of a TruncatedNormal inverts its distribution function") {
  const Tensor<double> u{{7, 1}, {0.0, 1e-10, 0.01, 0.4, 0.5, 0.9, 1.0}};
  for (auto [a, b] : {std::pair{-1.0, 2.0},
                      {-infinity, 1.0},
                      {-2.0, infinity},
                      {5.0, 9.0},
                      {-31.0, -30.0},
                      {20.0, infinity},
                      {-8.0, 8.0}}) {
    const Truncated d = standard(a, b);
    const Tensor<double> x = d.icdf(u);
    CHECK(x(0, 0) == a);
    CHECK(x(6, 0) == b);
    for (Index i = 1; i < 6; ++i) CHECK(d.cdf(x)(i, 0) == Approx(u(i, 0)).epsilon(1e-9).margin(1e-13));
  }
  CHECK(standard(-1, 2).cdf(Tensor<double>{{2, 1}, {-5.0, 5.0}}).to_vector() == std::vector<double>{0.0, 1.0});
}

TEST_CASE("a TruncatedNormal is twice differentiable in data, parameters and bounds") {
  const Tensor<double> location{0.2, 0.1, -0.3}, scale{1.0, 0.6, 0.8}, low{-1.0, 1.0, -3.0}, high{0.9, 2.0, -1.5},
      x{0.3, 1.4, -2.0}, u{0.2, 0.6, 0.7};
  auto density = [](const auto& at, const auto& m, const auto& s, const auto& a, const auto& b) {
    return Truncated(m, s, a, b).log_prob(at);
  };
  auto quantile = [](const auto& p, const auto& m, const auto& s, const auto& a, const auto& b) {
    return Truncated(m, s, a, b).icdf(p);
  };
  auto members = [](const auto& m, const auto& s, const auto& a, const auto& b) {
    const Truncated d(m, s, a, b);
    return d.entropy() + pf::sum(d.mean() - d.variance()) + pf::sum(d.cdf(Tensor<double>{0.3, 1.4, -2.0}));
  };
  CHECK_NOTHROW(pf::testing::check_gradients(density, {x, location, scale, low, high}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(quantile, {u, location, scale, low, high}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(members, {location, scale, low, high}, {.order = 2}));
  auto half_line = [](const auto& at, const auto& m, const auto& s) {
    return Truncated(m, s, Tensor<double>{0.0}, Tensor<double>{infinity}).log_prob(at);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(
      half_line, {Tensor<double>{0.5}, Tensor<double>{-1.0}, Tensor<double>{0.8}}, {.order = 2}));
}

TEST_CASE("a TruncatedNormal refuses bad parameters") {
  const Tensor<> zero{0.0f}, one{1.0f};
  CHECK_THROWS_AS(pf::TruncatedNormal<>(zero, zero, zero, one), pf::ValueError);
  CHECK_THROWS_AS(pf::TruncatedNormal<>(zero, one, one, one), pf::ValueError);
  CHECK_THROWS_AS(pf::TruncatedNormal<>(zero, one, Tensor<>{std::nanf("")}, one), pf::ValueError);
  CHECK_THROWS_AS(pf::TruncatedNormal<>(Tensor<>{std::nanf("")}, one, zero, one), pf::ValueError);
  CHECK_THROWS_AS(pf::TruncatedNormal<>(Tensor<>::zeros({2}), Tensor<>::ones({3}), zero, one), pf::ShapeError);
  CHECK_THROWS_AS(pf::TruncatedNormal<>(zero, one, zero, one).icdf(Tensor<>{-0.1f}), pf::ValueError);
}

TEST_CASE("the entropy of a TruncatedNormal far in a tail is the exponential's, in float too") {
  // 1 - log a - 2 / a^2 + ... for [a, infinity)
  for (const double a : {1e3, 1e4, 1e6}) {
    const double expected = 1 - std::log(a) - 2 / (a * a);
    CHECK(standard(a, infinity).entropy().item() == Approx(expected).epsilon(1e-11));
    CHECK(standard(-infinity, -a).entropy().item() == Approx(expected).epsilon(1e-11));
    const auto low = static_cast<float>(a);
    const pf::TruncatedNormal<> cut(Tensor<>{0.0F}, Tensor<>{1.0F}, Tensor<>{low},
                                    Tensor<>{std::numeric_limits<float>::infinity()});
    CHECK(cut.entropy().item() == Approx(expected).epsilon(1e-6));
    CHECK(standard(a, infinity).variance().item() * a * a == Approx(1 - 6 / (a * a)).epsilon(1e-9));
  }
}

TEST_CASE("the entropy of a TruncatedNormal is differentiable in its bounds") {
  const Tensor<double> low{-0.5, 0.5, -3.0}, high{1.0, 4.0, -1.0};
  pf::testing::check_gradients(
      [](const Tensor<double>& a, const Tensor<double>& b) {
        return Truncated(Tensor<double>{0.0}, Tensor<double>{1.0}, a, b).entropy();
      },
      {low, high}, {.order = 2});
  const Tensor<> far = pf::variable(Tensor<>{1e4F});
  const pf::TruncatedNormal<> cut(Tensor<>{0.0F}, Tensor<>{1.0F}, far,
                                  Tensor<>{std::numeric_limits<float>::infinity()});
  CHECK(std::abs(pf::gradient(pf::sum(cut.variance()), far).item()) < 1e-10F);  // -2e-12
}
