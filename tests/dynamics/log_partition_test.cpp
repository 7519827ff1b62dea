#include <cmath>

#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/log_partition.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr double log_2pi = 1.83787706640934548356;

// exp(-|x - center|^2 / (2 std^2)) over d numbers: log Z = d / 2 log(2 pi) + d log std.
struct Bump {
  using Scalar = double;
  double center, std;
  Tensor<double> unnormalized_log_prob(const Tensor<double>& x) const {
    return pf::sum(pf::square(x - center), 1) * (-0.5 / (std * std));
  }
  double log_partition(double d) const { return d * (0.5 * log_2pi + std::log(std)); }
};

}  // namespace

TEST_CASE("quadrature finds the closed form, and zero for a density that is normalized") {
  const Bump bump{0.5, 0.7};
  CHECK(pf::log_partition_by_quadrature(bump) == Approx(bump.log_partition(2)).margin(1e-10));
  pf::Rng rng(1);
  const pf::LearnedMixture<double> mixture(4, 2, rng, 2.0);
  CHECK(pf::log_partition_by_quadrature(mixture, {.x = {-15, 15}, .y = {-15, 15}}) == Approx(0.0).margin(1e-6));
  // Half of the mass is right of the center, where the rectangle is.
  CHECK(pf::log_partition_by_quadrature(bump, {.x = {0.5, 6.5}, .y = {-6, 7}}) ==
        Approx(bump.log_partition(2) - std::log(2.0)).margin(1e-6));
}

TEST_CASE("annealed importance sampling finds the closed form in two and in twenty dimensions, from both sides") {
  for (const Index d : {2, 20}) {
    const Bump bump{0.6, 0.5};
    const double truth = bump.log_partition(static_cast<double>(d));
    const auto base = pf::standard_normal<double>(d);
    const pf::AnnealingOptions options{.chains = 500, .temperatures = 100, .step_size = 0.05};
    pf::Rng rng(2);
    const pf::LogPartition forward = pf::log_partition_by_annealed_importance_sampling(bump, base, options, rng);
    const Tensor<double> draws = 0.6 + 0.5 * pf::normal<double>({500, d}, rng);
    const pf::LogPartition reverse = pf::log_partition_by_reverse_annealing(bump, base, draws, options, rng);
    CHECK(forward.value == Approx(truth).margin(5 * forward.standard_error));
    CHECK(reverse.value == Approx(truth).margin(5 * reverse.standard_error));
    CHECK(forward.standard_error < 0.2);
    CHECK(forward.effective_sample_size > 20);
    CHECK(forward.effective_sample_size <= 500);
    CHECK(forward.acceptance > 0.5);
  }
}

TEST_CASE("without temperatures between, annealing is importance sampling, on average too low in the logarithm") {
  const Bump bump{0.0, 0.5};
  const auto base = pf::standard_normal<double>(8);
  double mean = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    pf::Rng rng(seed);
    mean +=
        pf::log_partition_by_annealed_importance_sampling(bump, base, {.chains = 20, .temperatures = 0}, rng).value /
        20;
  }
  CHECK(mean < bump.log_partition(8));
  CHECK(mean > bump.log_partition(8) - 3);
}

TEST_CASE("log-partitions refuse options out of range") {
  const Bump bump{0, 1};
  pf::Rng rng(3);
  const auto base = pf::standard_normal<double>(2);
  CHECK_THROWS_AS(pf::log_partition_by_quadrature(bump, {.points = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::log_partition_by_quadrature(bump, {.x = {1, 1}}), pf::ValueError);
  CHECK_THROWS_AS(pf::log_partition_by_annealed_importance_sampling(bump, base, {.chains = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::log_partition_by_annealed_importance_sampling(bump, base, {.step_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::log_partition_by_reverse_annealing(bump, base, Tensor<double>::zeros({4}), {}, rng),
                  pf::ShapeError);
}
