#include <pushforward/distributions/normal.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/ops/indexing.hpp>

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

// A density of classes that may draw while it scores: each class's mean, and noise where there is a generator.
struct Classes {
  pf::Parameter<double> means{Tensor<double>{0.5, -1.0}};
  Tensor<double> log_prob(const Tensor<double>& x, const Tensor<pf::Index>& labels) const {
    return -0.5 * pf::square(x - pf::index_select(means.tensor(), 0, labels));
  }
  Tensor<double> log_prob(const Tensor<double>& x, const Tensor<pf::Index>& labels, pf::Rng& rng) const {
    return log_prob(x + pf::normal<double>(x.shape(), rng), labels);
  }
  static void members(auto& self, auto&& visit) { visit("means", self.means); }
};
// One that scores without.
struct Quiet : Classes {
  Tensor<double> log_prob(const Tensor<double>& x, const Tensor<pf::Index>& labels) const {
    return Classes::log_prob(x, labels);
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

TEST_CASE("likelihoods with labels draw where the model does, plain and with weights") {
  pf::Rng rng(4);
  const Tensor<double> x = pf::normal<double>({4}, rng), weights{1, 3, 0, 2};
  const Tensor<pf::Index> labels{0, 1, 1, 0}, kept{0, 1, 3}, kept_labels{0, 1, 0};
  const Tensor<double> kept_x = pf::index_select(x, 0, kept);
  Classes noisy;
  Quiet quiet;
  const auto fresh = [] { return pf::Rng(5); };
  const auto expected = [&](const auto& loss) {
    pf::Rng own = fresh();
    return loss(own);
  };
  const double plain = expected([&](pf::Rng& r) { return -noisy.log_prob(x, labels, r).mean(); });
  const double weighted = expected([&](pf::Rng& r) {
    return -pf::sum(noisy.log_prob(kept_x, kept_labels, r) * Tensor<double>{1, 3, 2}).item() / 6;
  });
  const double prior = (0.25 + 1.0) / (2 * 0.25 * 10);
  const auto map = pf::map({.weight_std = 0.5, .examples = 10});
  pf::Rng a = fresh(), b = fresh(), c = fresh(), d = fresh();
  CHECK(pf::mle(noisy, x, labels, a).item() == Approx(plain));
  CHECK(pf::weighted(pf::mle)(noisy, x, labels, weights, b).item() == Approx(weighted));
  CHECK(map(noisy, x, labels, c).item() == Approx(plain + prior));
  CHECK(pf::weighted(map)(noisy, x, labels, weights, d).item() == Approx(weighted + prior));
  CHECK_FALSE(a.state() == fresh().state());

  const double without = -quiet.log_prob(x, labels).mean();
  CHECK(pf::mle(quiet, x, labels).item() == Approx(without));
  CHECK(pf::mle(noisy, x, labels).item() == Approx(without));
  CHECK(map(quiet, x, labels, a).item() == Approx(without + prior));
  CHECK(pf::weighted(map)(quiet, x, labels, weights, a).item() ==
        Approx(-pf::sum(quiet.log_prob(kept_x, kept_labels) * Tensor<double>{1, 3, 2}).item() / 6 + prior));
}

TEST_CASE("map finds the parameters of a float model") {
  pf::Rng rng(3);
  pf::LearnedNormal<> model(1);
  model.mean = Tensor<>{2.0f};
  const Tensor<> x{{1, 1}, {2.0f}};
  CHECK(pf::map({})(model, x, rng).item() == Approx(pf::mle(model, x).item() + 2.0f));
}
