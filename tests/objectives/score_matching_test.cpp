#include <cmath>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/objectives/score_matching.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// log p(x) = - sum_i w_i x_i^4 + v_i x_i: no normal, so that the second derivative varies.
struct Quartic {
  Tensor<double> w, v;
  Tensor<double> unnormalized_log_prob(const Tensor<double>& x) const {
    return pf::sum(v * x - w * pf::square(pf::square(x)), 1);
  }
};

}  // namespace

TEST_CASE("score matching has the closed form of a normal, exactly and in slices") {
  const pf::Normal<double> model(Tensor<double>{0.5, -1.0}, Tensor<double>{0.8, 1.5});
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({2000, 2}, rng);
  double expected = 0;
  for (Index j = 0; j < 2; ++j) {
    const double variance = model.variance()(j);
    for (Index i = 0; i < 2000; ++i)
      expected += (std::pow((x(i, j) - model.mean()(j)) / variance, 2) / 2 - 1 / variance) / 2000;
  }
  CHECK(pf::score_matching(model, x).item() == Approx(expected).epsilon(1e-12));
  {
    pf::NoGradient guard;  // it differentiates inside all the same
    CHECK(pf::score_matching(model, x).item() == Approx(expected).epsilon(1e-12));
  }
  // v^T (ds/dx) v has mean -sum 1/variance and variance 2 sum 1/variance^2.
  const double error = std::sqrt(2 * (1 / std::pow(0.64, 2) + 1 / std::pow(2.25, 2)) / (2000 * 50));
  const auto sliced = pf::sliced_score_matching({.projections = 50});
  CHECK(sliced(model, x, rng).item() == Approx(expected).margin(5 * error));
}

TEST_CASE("denoising score matching has the closed form of a normal") {
  constexpr double noise = 0.3, variance = 0.64, shift = 0.5;
  const pf::Normal<double> model(Tensor<double>{shift}, Tensor<double>{std::sqrt(variance)});
  pf::Rng rng(2);
  constexpr Index n = 200'000;
  const double found =
      pf::denoising_score_matching({.noise = noise})(model, pf::normal<double>({n, 1}, rng), rng).item();
  // sigma s + e with s = -(x + sigma e - shift) / variance and x ~ N(0, 1).
  const double r = noise / variance, expected = (r * r * (1 + shift * shift) + std::pow(1 - noise * r, 2)) / 2;
  CHECK(found == Approx(expected).margin(5 * std::sqrt(2.0) * expected / std::sqrt(n)));
}

TEST_CASE("score-matching losses have gradients in the model's parameters") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({6, 3}, rng), w = pf::uniform<double>({3}, rng) + 0.5,
                       v = pf::normal<double>({3}, rng);
  const auto check = [&](const auto& objective) {
    CHECK_NOTHROW(pf::testing::check_gradients(
        [&](const Tensor<double>& a, const Tensor<double>& b) {
          pf::Rng same(4);
          return pf::evaluate_objective(objective, Quartic{a, b}, x, same);
        },
        {w, v}));
  };
  check(pf::score_matching);
  check(pf::sliced_score_matching({.projections = 2}));
  check(pf::denoising_score_matching({.noise = 0.5}));
}

TEST_CASE("score matching refuses what it cannot do") {
  pf::Rng rng(5);
  const auto model = pf::standard_normal<double>(2);
  const Tensor<double> x = Tensor<double>::zeros({3, 2});
  CHECK_THROWS_AS(pf::denoising_score_matching({.noise = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::sliced_score_matching({.projections = 0})(model, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::score_matching(model, Tensor<double>::zeros({2})), pf::ShapeError);
}
