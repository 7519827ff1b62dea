#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/data/toy_curves.hpp>
#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;

namespace {

constexpr double pi = 3.14159265358979323846;

// Calls check(density, cell) for every toy density; cells of that width integrate it over [-6, 6]^2. Midpoint sums of a
// function smoothed by a Gaussian no narrower than the cell are off by less than e^-19.
template <class Check>
void for_each_density(const Check& check) {
  check("TwoMoons", pf::data::TwoMoons(), 0.1);
  check("Circles", pf::data::Circles(), 0.1);
  check("Rings", pf::data::Rings(), 0.1);
  check("TwoSpirals", pf::data::TwoSpirals(), 0.08);
  check("SwissRoll", pf::data::SwissRoll(), 0.1);
  check("EightGaussians", pf::data::EightGaussians(), 0.1);
  check("GridGaussians", pf::data::GridGaussians(), 0.04);
  check("Pinwheel", pf::data::Pinwheel(), 0.05);
  check("Checkerboard", pf::data::Checkerboard(), 0.1);
}

struct Marginals {
  double total = 0, cell = 0;
  std::vector<double> x, y;  // masses of columns and rows of cells

  template <class Density>
  Marginals(const Density& density, double width) : cell(width) {
    const auto cells = static_cast<Index>(std::lround(12 / width));
    const auto centers = pf::Tensor<double>::generate({cells * cells, 2}, [&](Index i) {
      const Index at = i / 2;
      return -6 + width * (0.5 + static_cast<double>(i % 2 ? at % cells : at / cells));
    });
    const pf::Tensor<double> log_p = density.log_prob(centers);
    x.resize(static_cast<std::size_t>(cells));
    y = x;
    for (Index i = 0; i < cells * cells; ++i) {
      const double mass = std::exp(log_p.data()[i]) * width * width;
      total += mass;
      x[static_cast<std::size_t>(i / cells)] += mass;
      y[static_cast<std::size_t>(i % cells)] += mass;
    }
  }

  // The largest distance of the empirical distribution function from the true one, at the edges of the cells.
  double kolmogorov(const pf::Tensor<double>& samples, int axis) const {
    std::vector<double> values;
    for (Index i = 0; i < samples.size(0); ++i) values.push_back(samples(i, axis));
    std::sort(values.begin(), values.end());
    double distance = 0, cdf = 0, edge = -6;
    for (const double mass : axis ? y : x) {
      cdf += mass;
      edge += cell;
      const auto below = std::lower_bound(values.begin(), values.end(), edge) - values.begin();
      distance = std::max(distance, std::fabs(cdf - static_cast<double>(below) / static_cast<double>(values.size())));
    }
    return distance;
  }
};

// log p of points drawn on a curve with noise around them, by a plain sum over a million points of the curve.
template <class Curve>
double log_density_by_sum(double x, double y, double noise, const Curve& curve) {
  constexpr int count = 1000000;
  double largest = -1e300, total = 0;
  for (const bool summing : {false, true})
    for (int i = 0; i < count; ++i) {
      const auto [cx, cy] = curve((i + 0.5) / count);
      const double exponent = -((x - cx) * (x - cx) + (y - cy) * (y - cy)) / (2 * noise * noise);
      if (summing)
        total += std::exp(exponent - largest);
      else
        largest = std::max(largest, exponent);
    }
  return largest + std::log(total / count) - std::log(2 * pi * noise * noise);
}

}  // namespace

TEST_CASE("toy densities integrate to one, and their samples follow them") {
  for_each_density([](const char* name, const auto& density, double cell) {
    INFO(name);
    const Marginals marginals(density, cell);
    CHECK(marginals.total == Catch::Approx(1).margin(1e-6));
    pf::Rng rng(11);
    constexpr Index n = 20000;
    const pf::Tensor<double> samples = density.template sample<double>(n, rng);
    // Kolmogorov's bound at p = 1e-6, and what half a cell may shift.
    const double bound = 2.7 / std::sqrt(static_cast<double>(n)) + 0.002;
    CHECK(marginals.kolmogorov(samples, 0) < bound);
    CHECK(marginals.kolmogorov(samples, 1) < bound);
  });
}

TEST_CASE("the mean log-density of samples is minus the entropy") {
  for_each_density([](const char* name, const auto& density, double) {
    INFO(name);
    pf::Rng rng(5);
    constexpr Index n = 20000;
    const pf::Tensor<double> log_p = density.log_prob(density.template sample<double>(n, rng));
    const double deviation = std::sqrt(pf::var(log_p).item() / static_cast<double>(n));
    CHECK(log_p.mean() == Catch::Approx(-density.entropy()).margin(5 * deviation + 1e-9));
  });
}

TEST_CASE("log-densities of curves are the integral along the curve, near and far") {
  const double points[][2] = {{0, 0}, {-1, 1.5}, {2.9, -0.4}, {0.3, 3.1}, {-4, -4}, {7, 6}, {10, -8}};
  const pf::data::TwoMoons moons({.noise = 0.17});
  const pf::data::Circles circles;
  const pf::data::SwissRoll roll;
  for (const auto& [x, y] : points) {
    INFO(x << ", " << y);
    const pf::Tensor<double> point({1, 2}, {x, y});
    const double upper = log_density_by_sum(
        x, y, 0.17, [](double u) { return std::pair(2 * std::cos(pi * u) - 1, 2 * std::sin(pi * u) - 0.5); });
    const double lower = log_density_by_sum(
        x, y, 0.17, [](double u) { return std::pair(1 - 2 * std::cos(pi * u), 0.5 - 2 * std::sin(pi * u)); });
    const double most = std::max(upper, lower);
    CHECK(moons.log_prob(point).item() ==
          Catch::Approx(most + std::log(0.5 * std::exp(upper - most) + 0.5 * std::exp(lower - most))).margin(1e-6));
    const double swiss = log_density_by_sum(x, y, 0.15, [](double u) {
      const double t = 1.5 * pi * (1 + 2 * u), r = 3.5 * t / (4.5 * pi);
      return std::pair(r * std::cos(t), r * std::sin(t));
    });
    CHECK(roll.log_prob(point).item() == Catch::Approx(swiss).margin(1e-6));
  }
}

TEST_CASE("log-densities of Gaussians have the closed form") {
  const pf::Tensor<double> at({3, 2}, {0.4, -1.2, 3.1, 0.2, -2, 2});
  const pf::data::EightGaussians eight({.radius = 2, .noise = 0.7});
  const pf::Tensor<double> got = eight.log_prob(at);
  for (Index i = 0; i < 3; ++i) {
    double density = 0;
    for (int k = 0; k < 8; ++k) {
      const double dx = at(i, 0) - 2 * std::cos(k * pi / 4), dy = at(i, 1) - 2 * std::sin(k * pi / 4);
      density += std::exp(-(dx * dx + dy * dy) / (2 * 0.49)) / (8 * 2 * pi * 0.49);
    }
    CHECK(got(i) == Catch::Approx(std::log(density)).epsilon(1e-12));
  }
  // Far apart, a mixture's entropy is that of its parts and of the choice among them.
  const double apart = std::log(25.0) + std::log(2 * pi * std::exp(1.0) * 0.05 * 0.05);
  CHECK(pf::data::GridGaussians().entropy() == Catch::Approx(apart).margin(1e-9));
}

TEST_CASE("gradients of toy log-densities are exact to second order") {
  const pf::Tensor<double> x({4, 2}, {0.3, 0.2, -1.4, 1.1, 2.2, -0.9, 1.0, -2.0});
  const auto check = [&](const auto& density) {
    pf::testing::check_gradients([&](const pf::Tensor<double>& at) { return density.log_prob(at); }, x, {.order = 2});
    return true;
  };
  CHECK(check(pf::data::TwoMoons({.noise = 0.5})));
  CHECK(check(pf::data::EightGaussians({.noise = 0.8})));
  CHECK(check(pf::data::Pinwheel({.radial_noise = 0.6, .tangential_noise = 0.5})));

  const pf::data::TwoMoons moons;
  const auto v = pf::variable(x);
  const auto slope = pf::gradient(pf::sum(moons.log_prob(v)), v, {.create_graph = true});
  const auto bend = pf::gradient(pf::sum(pf::square(slope)), v, {.create_graph = true});
  CHECK_THROWS_AS(pf::gradient(pf::sum(bend), v), pf::GradientError);
}

TEST_CASE("the checkerboard is flat on its cells and nothing elsewhere") {
  const pf::data::Checkerboard board({.cells = 6, .extent = 0.3});
  pf::Rng rng(2);
  const pf::Tensor<> x = board.sample(50000, rng);
  CHECK(board.log_prob(x).min() == Catch::Approx(-std::log(0.18)).epsilon(1e-5));  // rounding never leaves a cell
  CHECK(board.log_prob(pf::Tensor<>({2, 2}, {-0.25f, -0.15f, 0.31f, 0.05f})).max() == -INFINITY);
  CHECK(board.entropy() == Catch::Approx(std::log(0.18)));
}

TEST_CASE("the events of toy densities are the last axis") {
  const pf::data::TwoMoons moons;
  pf::Rng rng(4);
  const pf::Tensor<> x = moons.sample(12, rng), flat = moons.log_prob(x);
  const pf::Tensor<> folded = moons.log_prob(pf::reshape(x, {3, 4, 2}));
  CHECK(folded.shape() == pf::Shape{3, 4});
  CHECK(folded.to_vector() == flat.to_vector());
  CHECK(std::isnan(moons.log_prob(pf::Tensor<>({1, 2}, {NAN, 0})).item()));
  CHECK_THROWS_WITH(moons.log_prob(pf::Tensor<>::zeros({4, 3})),
                    ContainsSubstring("TwoMoons") && ContainsSubstring("[4, 3]"));
  CHECK_THROWS_AS(pf::data::Pinwheel().log_prob(pf::Tensor<>::scalar(0)), pf::ShapeError);
}

TEST_CASE("toy samples depend on the seed and the position only") {
  const int threads = pf::num_threads();
  for_each_density([&](const char* name, const auto& density, double) {
    INFO(name);
    pf::Rng a(7), b(7), c(7);
    pf::set_num_threads(1);
    const std::vector<float> one = density.sample(3000, a).to_vector(), next = density.sample(3000, a).to_vector();
    const std::vector<float> scores = density.log_prob(pf::Tensor<>({3000, 2}, one)).to_vector();
    pf::set_num_threads(5);
    CHECK(density.sample(3000, b).to_vector() == one);
    CHECK(density.log_prob(pf::Tensor<>({3000, 2}, one)).to_vector() == scores);
    const std::vector<float> fewer = density.sample(1000, c).to_vector();
    CHECK(std::equal(fewer.begin(), fewer.end(), one.begin()));
    CHECK(next != one);
  });
  pf::set_num_threads(threads);
}

TEST_CASE("functions draw from the densities of the same name") {
  pf::Rng a(3), b(3);
  CHECK(pf::data::two_moons(20'000, a).shape() == pf::Shape{20'000, 2});
  pf::data::TwoMoons().sample(1, b);
  CHECK(pf::data::pinwheel(50, a).to_vector() == pf::data::Pinwheel().sample(50, b).to_vector());
  CHECK(pf::data::circles(50, a, {.noise = 0.3}).to_vector() ==
        pf::data::Circles({.noise = 0.3}).sample(50, b).to_vector());
  CHECK(pf::data::rings(50, a).to_vector() == pf::data::Rings().sample(50, b).to_vector());
  CHECK(pf::data::two_spirals(50, a).to_vector() == pf::data::TwoSpirals().sample(50, b).to_vector());
  CHECK(pf::data::swiss_roll(50, a).to_vector() == pf::data::SwissRoll().sample(50, b).to_vector());
  CHECK(pf::data::checkerboard(50, a).to_vector() == pf::data::Checkerboard().sample(50, b).to_vector());
  CHECK(pf::data::eight_gaussians(50, a).to_vector() == pf::data::EightGaussians().sample(50, b).to_vector());
  CHECK(pf::data::grid_gaussians(0, a).shape() == pf::Shape{0, 2});
  CHECK(pf::data::GridGaussians().centers().shape() == pf::Shape{25, 2});
  CHECK(pf::data::GridGaussians().centers().min() == -4);
}

TEST_CASE("options of toy densities that make no sense are refused") {
  pf::Rng rng(1);
  CHECK_THROWS_WITH(pf::data::two_moons(10, rng, {.noise = 0}),
                    ContainsSubstring("TwoMoons") && ContainsSubstring("noise"));
  CHECK_THROWS_AS(pf::data::two_moons(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::data::rings(10, rng, {.count = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::circles(10, rng, {.inner_radius = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::two_spirals(10, rng, {.turns = NAN}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::swiss_roll(10, rng, {.radius = INFINITY}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::pinwheel(10, rng, {.arms = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::checkerboard(10, rng, {.cells = 3}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::grid_gaussians(10, rng, {.side = 0}), pf::ValueError);
}
