#include <cmath>
#include <vector>

#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/metrics/samples.hpp>
#include <pushforward/ops/indexing.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

TEST_CASE("the sliced Wasserstein distance of a shift is its length over the root of the dimension") {
  pf::Rng rng(1);
  const pf::Tensor<double> a = pf::normal<double>({400, 3}, rng), b = a + pf::Tensor<double>({3}, {2, 0, -1});
  // W_2 along w is |w . shift|, whose mean square is |shift|^2 / d = 5/3, with a standard deviation below 5/3.
  const double squared = std::pow(pf::sliced_wasserstein(a, b, {.projections = 2000}, rng), 2);
  CHECK(squared == Catch::Approx(5.0 / 3).margin(5 * (5.0 / 3) / std::sqrt(2000.0)));
  CHECK(pf::sliced_wasserstein(a, a, rng) == 0);
  CHECK(pf::sliced_wasserstein(a, pf::index_select(a, 0, pf::permutation(400, rng)), rng) < 1e-7);
}

TEST_CASE("the Wasserstein distance on the line is exact for unequal numbers of samples") {
  pf::Rng rng(2);
  const pf::Tensor<double> a({2, 1}, {0, 1}), b({3, 1}, {3, 0, 1});
  // Quantiles: a is 0 up to 1/2 and then 1; b is 0 up to 1/3, 1 up to 2/3, then 3.
  CHECK(pf::sliced_wasserstein(a, b, {.order = 1}, rng) == Catch::Approx(1.0 / 6 + 2.0 / 3));
  CHECK(pf::sliced_wasserstein(a, b, {.order = 2}, rng) == Catch::Approx(std::sqrt(1.0 / 6 + 4.0 / 3)));
  const pf::Tensor<double> twice({4, 1}, {0, 0, 1, 1});
  CHECK(pf::sliced_wasserstein(a, twice, rng) == Catch::Approx(0).margin(1e-12));
  CHECK_THROWS_AS(pf::sliced_wasserstein(a, pf::Tensor<double>::zeros({2, 2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::sliced_wasserstein(a, pf::Tensor<double>::zeros({0, 1}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::sliced_wasserstein(a, b, {.projections = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::sliced_wasserstein(a, b, {.order = 0.5}, rng), pf::ValueError);
}

TEST_CASE("the discrepancy of a few points is the formula") {
  const pf::Tensor<double> a({2, 1}, {0, 1}), b({3, 1}, {2, 4, 5});
  const auto expected = [&](const auto& k) {
    double within_a = k(1), within_b = (k(2) + k(3) + k(1)) / 3, across = (k(2) + k(4) + k(5) + k(1) + k(3) + k(4)) / 6;
    return within_a + within_b - 2 * across;
  };
  CHECK(pf::mmd(a, b, {.bandwidth = 2}) == Catch::Approx(expected([](double d) { return std::exp(-d * d / 8); })));
  CHECK(pf::mmd(a, b, {.kernel = pf::MmdKernel::energy}) == Catch::Approx(expected([](double d) { return -d; })));
  // Ten distances: 1, 2, 4, 5, 1, 3, 4, 2, 3, 1, of which the sixth is 3.
  CHECK(pf::mmd(a, b) == Catch::Approx(expected([](double d) { return std::exp(-d * d / 18); })));
  const pf::Tensor<double> far = a + 1e6, further = b + 1e6;
  CHECK(pf::mmd(far, further, {.bandwidth = 2}) == Catch::Approx(pf::mmd(a, b, {.bandwidth = 2})).epsilon(1e-6));
  CHECK_THROWS_AS(pf::mmd(a, pf::Tensor<double>({1, 1}, {3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::mmd(a, b, {.bandwidth = -1}), pf::ValueError);
}

TEST_CASE("the discrepancy is unbiased, and has the closed form of two Gaussians") {
  pf::Rng rng(3);
  double same = 0, shifted = 0, squares = 0;
  constexpr int repeats = 60;
  for (int i = 0; i < repeats; ++i) {
    const auto a = pf::normal<double>({60, 1}, rng), b = pf::normal<double>({80, 1}, rng);
    const double at = pf::mmd(a, b, {.bandwidth = 1});
    same += at / repeats;
    squares += at * at / repeats;
    shifted += pf::mmd(a, b + 2, {.bandwidth = 1}) / repeats;
  }
  CHECK(std::fabs(same) < 5 * std::sqrt(squares / repeats));
  // E k(x, y) = exp(-m^2 / (2 (1 + 2))) / sqrt(3) for x - y ~ N(m, 2).
  const double exact = 2 / std::sqrt(3.0) * (1 - std::exp(-4.0 / 6));
  CHECK(shifted == Catch::Approx(exact).epsilon(0.1));
}

TEST_CASE("sample metrics do not depend on the number of threads") {
  const int threads = pf::num_threads();
  pf::Rng rng(4), a(5), b(5);
  const auto x = pf::normal({200, 5}, rng), y = pf::normal({150, 5}, rng);
  pf::set_num_threads(1);
  const double one = pf::mmd(x, y), sliced = pf::sliced_wasserstein(x, y, a);
  pf::set_num_threads(4);
  CHECK(pf::mmd(x, y) == one);
  CHECK(pf::sliced_wasserstein(x, y, b) == sliced);
  pf::set_num_threads(threads);
}

TEST_CASE("mode coverage counts modes, strays and imbalance") {
  const pf::Tensor<> centers({3, 2}, {0, 0, 10, 0, 0, 10});
  const pf::Tensor<> samples({5, 2}, {0.1f, 0, 0, -0.5f, 9.5f, 0, 5, 5, NAN, 0});
  const pf::ModeCoverage found = pf::mode_coverage(samples, centers, 1.0);
  CHECK(found.covered == 2);
  CHECK(found.near == Catch::Approx(0.6));
  CHECK(found.counts.to_vector() == std::vector<Index>{2, 1, 0});
  CHECK(found.kl == Catch::Approx(2.0 / 3 * std::log(2.0) + 1.0 / 3 * std::log(1.0)));
  CHECK(std::isinf(pf::mode_coverage(samples, centers, 1e-3).kl));
  CHECK_THROWS_AS(pf::mode_coverage(samples, centers, 0), pf::ValueError);
  CHECK_THROWS_AS(pf::mode_coverage(samples, pf::Tensor<>::zeros({3, 3}), 1), pf::ShapeError);

  pf::Rng rng(6);
  const pf::data::GridGaussians grid;
  const pf::ModeCoverage all = pf::mode_coverage(grid.sample(20000, rng), grid.centers(), 0.15);
  CHECK(all.covered == 25);
  CHECK(all.near == Catch::Approx(1 - std::exp(-4.5)).margin(0.004));  // within three standard deviations in the plane
  CHECK(all.kl < 0.003);                                               // about 24 / (2 n) for equal modes
}
