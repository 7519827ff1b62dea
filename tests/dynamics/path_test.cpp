#include <pushforward/dynamics/path.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

struct Named {
  const char* name;
  pf::GaussianPath path;
};
std::vector<Named> all_paths() {
  return {{"linear", pf::linear_path()},
          {"variance preserving", pf::variance_preserving()},
          {"cosine", pf::cosine_path()},
          {"variance exploding", pf::variance_exploding()}};
}

}  // namespace

TEST_CASE("the rates of every path are its derivatives") {
  for (const auto& [name, path] : all_paths()) {
    INFO(name);
    for (const double part : {0.03, 0.2, 0.5, 0.77, 0.97}) {
      const double t = path.data_time() + part * (path.noise_time() - path.data_time()), h = 1e-6;
      const pf::PathPoint p = path.at(t), before = path.at(t - h), after = path.at(t + h);
      CHECK(p.alpha_rate == Approx((after.alpha - before.alpha) / (2 * h)).epsilon(1e-6).margin(1e-8));
      CHECK(p.sigma_rate == Approx((after.sigma - before.sigma) / (2 * h)).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("variance-preserving paths keep alpha^2 + sigma^2 = 1, also next to the data") {
  for (const auto& path : {pf::variance_preserving(), pf::cosine_path()})
    for (const double t : {1e-9, 1e-6, 1e-3, 0.1, 0.5, 0.9, path.noise_time()}) {
      const pf::PathPoint p = path.at(t);
      CHECK(p.alpha * p.alpha + p.sigma * p.sigma == Approx(1.0).epsilon(1e-12));
      CHECK(p.sigma > 0);
    }
}

TEST_CASE("paths begin at the data and end in noise") {
  for (const auto& [name, path] : all_paths()) {
    INFO(name);
    const pf::PathPoint data = path.at(path.data_time()), noise = path.at(path.noise_time());
    CHECK(data.alpha == Approx(1.0).epsilon(1e-14));
    CHECK(data.sigma <= 0.01);
    CHECK(noise.alpha / noise.sigma <= 0.02);
  }
}

TEST_CASE("the variance-preserving path is DDPM's schedule") {
  // Ho et al. 2020, section 4: beta linear from 1e-4 to 0.02 in 1000 steps, alpha_bar its cumulative product of 1 -
  // beta.
  const pf::GaussianPath path = pf::variance_preserving();
  double alpha_bar = 1;
  for (int i = 1; i <= 1000; ++i) {
    alpha_bar *= 1 - (1e-4 + (0.02 - 1e-4) * (i - 1) / 999.0);
    const pf::PathPoint p = path.at(i / 1000.0);
    if (i % 100 == 0) CHECK(std::log(p.alpha * p.alpha) == Approx(std::log(alpha_bar)).epsilon(0.011));
  }
}

TEST_CASE("the cosine path is that of Nichol and Dhariwal") {
  const double half_pi = 1.57079632679489661923;
  const auto f = [&](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * half_pi), 2); };
  const pf::GaussianPath path = pf::cosine_path();
  for (const double t : {0.1, 0.5, 0.9})
    CHECK(path.at(t).alpha * path.at(t).alpha == Approx(f(t) / f(0)).epsilon(1e-12));
  CHECK(path.at(path.noise_time()).alpha == Approx(1e-3).epsilon(1e-9));
  CHECK(path.noise_time() > 0.99);
}

TEST_CASE("the variance-exploding path is geometric") {
  const pf::GaussianPath path = pf::variance_exploding({.sigma_min = 0.1, .sigma_max = 10});
  CHECK(path.at(0).sigma == Approx(0.1));
  CHECK(path.at(0.5).sigma == Approx(1.0));
  CHECK(path.at(1).sigma == Approx(10.0));
  CHECK(path.at(0.5).alpha == 1.0);
}

TEST_CASE("a path at many times is the path at each") {
  const pf::GaussianPath path = pf::variance_preserving();
  const Tensor<double> t({2, 2}, {0.1, 0.4, 0.7, 1.0});
  const pf::PathPoints<double> all = path.at(t);
  REQUIRE(all.sigma_rate.shape() == t.shape());
  for (pf::Index i = 0; i < 4; ++i) {
    const pf::PathPoint p = path.at(t.data()[i]);
    CHECK(all.alpha.data()[i] == p.alpha);
    CHECK(all.sigma.data()[i] == p.sigma);
    CHECK(all.alpha_rate.data()[i] == p.alpha_rate);
    CHECK(all.sigma_rate.data()[i] == p.sigma_rate);
  }
  CHECK(pf::per_row(Tensor<>({1, 2}), Tensor<>::zeros({2, 3, 4})).shape() == pf::Shape{2, 1, 1});
  CHECK_THROWS_AS(pf::per_row(Tensor<>({1, 2}), Tensor<>::zeros({3, 2})), pf::ShapeError);
}

TEST_CASE("paths that cannot be are refused") {
  CHECK_THROWS_AS(pf::variance_preserving({.beta_min = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::variance_preserving({.beta_min = 2, .beta_max = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::variance_exploding({.sigma_min = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::variance_exploding({.sigma_min = 1, .sigma_max = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::cosine_path({.offset = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::cosine_path({.min_alpha = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::GaussianPath({}, 0, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::GaussianPath([](double) { return pf::PathPoint{}; }, 1, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::GaussianPath([](double) { return pf::PathPoint{}; }, 0, std::numeric_limits<double>::infinity()),
                  pf::ValueError);
}
