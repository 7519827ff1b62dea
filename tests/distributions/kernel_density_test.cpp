#include <pushforward/distributions/kernel_density.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

TEST_CASE("a KernelDensity is the mixture of normals at the points") {
  pf::Rng rng(1);
  const Tensor<double> data = pf::normal<double>({30, 2}, rng), h{0.3, 0.7};
  const pf::KernelDensity<double> kde(data, h);
  const pf::Mixture<pf::Normal<double>> mixture(Tensor<double>::zeros({30}), pf::Normal<double>(data, h));
  const Tensor<double> x = 3.0 * pf::normal<double>({4, 5, 2}, rng);
  REQUIRE(kde.log_prob(x).shape() == pf::Shape{4, 5});
  CHECK(pf::max(pf::abs(kde.log_prob(x) - mixture.log_prob(x))).item() < 1e-12);
  CHECK(pf::max(pf::abs(kde.mean() - mixture.mean())).item() < 1e-12);
  CHECK(pf::max(pf::abs(kde.variance() - mixture.variance())).item() < 1e-12);
  CHECK(kde.log_prob(Tensor<double>{1e3, 0.0}).item() == Approx(mixture.log_prob(Tensor<double>{1e3, 0.0}).item()));
}

TEST_CASE("bandwidths follow the rules of Scott and Silverman") {
  pf::Rng rng(2);
  const Tensor<double> data = pf::normal<double>({50, 2}, rng) * Tensor<double>{1.0, 4.0};
  const Tensor<double> s = pf::sqrt(pf::var(data, 0) * (50.0 / 49.0));
  for (Index j = 0; j < 2; ++j) {
    CHECK(pf::KernelDensity<double>(data).bandwidth()(j) == Approx(s(j) * std::pow(50.0, -1.0 / 6)));
    // In two dimensions the factor (4 / (d + 2)) is 1 and both rules agree.
    CHECK(pf::KernelDensity<double>(data, pf::Bandwidth::silverman).bandwidth()(j) ==
          Approx(s(j) * std::pow(50.0, -1.0 / 6)));
  }
  const Tensor<double> line = pf::normal<double>({40, 1}, rng);
  CHECK(pf::KernelDensity<double>(line, pf::Bandwidth::silverman).bandwidth()(0) ==
        Approx(std::pow(4.0 / 3 / 40, 0.2) * std::sqrt(pf::var(line).item() * 40 / 39)));
}

TEST_CASE("draws of a KernelDensity follow its density and moments") {
  pf::Rng rng(3);
  CHECK_NOTHROW(pf::testing::check_distribution(pf::KernelDensity<double>(pf::normal<double>({20, 1}, rng)), rng));
  CHECK_NOTHROW(pf::testing::check_distribution(pf::KernelDensity<double>(pf::normal<double>({10, 2}, rng)), rng));
  CHECK(pf::KernelDensity<>(pf::normal({10, 2}, rng)).sample(rng).shape() == pf::Shape{2});
}

TEST_CASE("the estimate nears the density that made the data") {
  pf::Rng rng(4);
  const Tensor<double> data = pf::normal<double>({20'000, 1}, rng), x{{5, 1}, {-2, -1, 0, 0.5, 1.5}};
  const Tensor<double> gap =
      pf::KernelDensity<double>(data).log_prob(x) - pf::Normal<double>().log_prob(pf::squeeze(x, -1));
  // Scott's rule: bias h^2 p'' / 2 and deviation sqrt(p / (2 sqrt(pi) n h)), with h = 0.138, both below 3 % here.
  CHECK(pf::max(pf::abs(gap)).item() < 0.1);
}

TEST_CASE("a KernelDensity is twice differentiable in x") {
  pf::Rng rng(5);
  const pf::KernelDensity<double> kde(pf::normal<double>({12, 2}, rng));
  auto f = [&](const auto& x) { return kde.log_prob(x); };
  CHECK_NOTHROW(pf::testing::check_gradients(f, pf::normal<double>({3, 2}, rng), {.order = 2}));
}

TEST_CASE("a KernelDensity refuses bad data and bandwidths") {
  pf::Rng rng(6);
  const Tensor<> data = pf::normal({10, 2}, rng);
  CHECK_THROWS_AS(pf::KernelDensity<>(pf::flatten(data)), pf::ShapeError);
  CHECK_THROWS_AS(pf::KernelDensity<>(Tensor<>::ones({10, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::KernelDensity<>(Tensor<>::ones({1, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::KernelDensity<>(data * std::nanf("")), pf::ValueError);
  CHECK_THROWS_AS(pf::KernelDensity<>(data, Tensor<>{0.0f, 1.0f}), pf::ValueError);
  CHECK_THROWS_AS(pf::KernelDensity<>(data, Tensor<>::ones({3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::KernelDensity<>(data).log_prob(Tensor<>::ones({3})), pf::ShapeError);
}
