#include <pushforward/distributions/normal.hpp>
#include <pushforward/objectives/likelihood.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Tensor;

namespace {

// A density that needs randomness to score.
struct Noisy {
  Tensor<double> log_prob(const Tensor<double>& x, pf::Rng& rng) const {
    return pf::standard_normal<double>(2).log_prob(x + pf::normal<double>(x.shape(), rng));
  }
};

}  // namespace

TEST_CASE("mle is minus the mean log-density") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({5, 2}, rng);
  const pf::LearnedNormal<double> model(2);
  CHECK(pf::mle(model, x).item() == Approx(-model.log_prob(x).mean()));
  CHECK(pf::evaluate_objective(pf::mle, model, x, rng).item() == Approx(-model.log_prob(x).mean()));
  CHECK(std::isfinite(pf::evaluate_objective(pf::mle, Noisy{}, x, rng).item()));
}

TEST_CASE("map adds the prior's share of one example") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({5, 2}, rng);
  pf::LearnedNormal<double> model(2);
  model.mean = Tensor<double>{3.0, 4.0};
  const auto objective = pf::map({.weight_std = 0.5, .examples = 10});
  CHECK(objective(model, x, rng).item() == Approx(pf::mle(model, x).item() + 25.0 / (2 * 0.25 * 10)));
  const auto own = pf::map([](const auto& m) { return -pf::sum(pf::abs(m.mean.tensor())); }, 7);
  CHECK(own(model, x, rng).item() == Approx(pf::mle(model, x).item() + 1.0));
  const auto gradients = pf::gradient(objective(model, x, rng) - pf::mle(model, x), model);
  CHECK(gradients[0](1) == Approx(4.0 / (0.25 * 10)));
  CHECK_THROWS_AS(pf::map({.weight_std = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::map({.examples = 0}), pf::ValueError);
}

TEST_CASE("map finds the parameters of a float model") {
  pf::Rng rng(3);
  pf::LearnedNormal<> model(1);
  model.mean = Tensor<>{2.0f};
  const Tensor<> x{{1, 1}, {2.0f}};
  CHECK(pf::map({})(model, x, rng).item() == Approx(pf::mle(model, x).item() + 2.0f));
}
