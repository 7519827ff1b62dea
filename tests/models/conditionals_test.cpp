#include <pushforward/models/conditionals.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr Index draws = 20'000;

template <class C>
Tensor<double> drawn(const C& conditional, const Tensor<double>& parameters, const pf::DrawOptions& options,
                     pf::Rng& rng) {
  return conditional.sample(pf::expand(parameters, {draws, parameters.size(0)}), rng, options);
}

// Draws from the model as it is, and takes no options.
struct Plain {
  Index parameters() const { return 1; }
  Tensor<double> log_prob(const Tensor<double>& parameters, const Tensor<double>&) const { return parameters; }
  Tensor<double> sample(const Tensor<double>& parameters, pf::Rng&) const { return pf::squeeze(parameters, -1); }
};

}  // namespace

TEST_CASE("a categorical conditional is a softmax over its levels") {
  pf::Rng rng(1);
  const pf::CategoricalConditional conditional(4);
  CHECK(conditional.parameters() == 4);
  const Tensor<double> logits = pf::normal<double>({3, 4, 2}, rng);
  const Tensor<double> x({3, 2}, {0, 1, 2, 3, 3, 0});
  const Tensor<double> nats = conditional.log_prob(logits, x);
  REQUIRE(nats.shape() == pf::Shape{3});
  for (Index n = 0; n < 3; ++n) {
    double expected = 0;
    for (Index i = 0; i < 2; ++i) {
      double total = 0;
      for (Index k = 0; k < 4; ++k) total += std::exp(logits(n, k, i));
      expected += logits(n, static_cast<Index>(x(n, i)), i) - std::log(total);
    }
    CHECK(nats(n) == Approx(expected).epsilon(1e-12));
  }
  CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& l) { return conditional.log_prob(l, x); },
                                             logits, {.order = 2}));
}

TEST_CASE("categorical levels are drawn as the options say, and start at their frequencies") {
  pf::Rng rng(2);
  const pf::CategoricalConditional conditional(3);
  const Tensor<double> logits = pf::log(Tensor<double>{0.2, 0.5, 0.3});
  auto share = [&](double level, const pf::DrawOptions& options) {
    const Tensor<double> x = drawn(conditional, logits, options, rng);
    return pf::equal(x, Tensor<double>::full(x.shape(), level)).mean();
  };
  CHECK(share(0, {}) == Approx(0.2).margin(0.015));
  CHECK(share(2, {.top_k = 2}) == Approx(0.375).margin(0.018));
  CHECK(share(1, {.temperature = 0}) == 1);
  const Tensor<double> x({4, 2}, {0, 2, 0, 2, 1, 2, 0, 2});
  const Tensor<double> p = pf::softmax(conditional.marginals(x), 0);
  CHECK(p(0, 0) == Approx(4.0 / 7));
  CHECK(p(1, 1) == Approx(1.0 / 7));
  CHECK(p(2, 1) == Approx(5.0 / 7));
}

TEST_CASE("categorical levels that are none are refused") {
  CHECK_THROWS_AS(pf::CategoricalConditional(1), pf::ValueError);
  const pf::CategoricalConditional conditional(4);
  for (const double wrong : {-1.0, 4.0, 0.5, std::nan("")})
    CHECK_THROWS_AS(conditional.log_prob(Tensor<double>::zeros({1, 4, 1}), Tensor<double>({1, 1}, {wrong})),
                    pf::ValueError);
}

TEST_CASE("binary draws follow the options") {
  pf::Rng rng(3);
  const pf::BernoulliConditional conditional;
  const Tensor<double> logit{1.2};
  auto share = [&](const pf::DrawOptions& options) { return drawn(conditional, logit, options, rng).mean(); };
  auto sigmoid = [](double l) { return 1 / (1 + std::exp(-l)); };
  CHECK(share({}) == Approx(sigmoid(1.2)).margin(0.018));
  CHECK(share({.temperature = 0.5}) == Approx(sigmoid(2.4)).margin(0.018));
  CHECK(share({.temperature = 0}) == 1);
  CHECK(share({.top_k = 1}) == 1);
  CHECK(share({.top_k = 2}) == Approx(sigmoid(1.2)).margin(0.018));
  CHECK(share({.top_p = 0.7}) == 1);
  CHECK(share({.top_p = 0.8}) == Approx(sigmoid(1.2)).margin(0.018));
  CHECK(drawn(conditional, -logit, {.temperature = 0}, rng).sum() == 0);
  // The options use the random numbers that plain draws use.
  pf::Rng a(4), b(4);
  conditional.sample(Tensor<double>::zeros({5, 1}), a),
      conditional.sample(Tensor<double>::zeros({5, 1}), b, {.top_k = 1});
  CHECK(a.state() == b.state());
}

TEST_CASE("mixtures of normals follow the options") {
  pf::Rng rng(5);
  const pf::GaussianMixtureConditional conditional({.components = 2, .min_std = 1e-3});
  const Tensor<double> parameters{std::log(0.7), std::log(0.3), 2.0, -2.0, std::log(0.1), std::log(0.1)};
  auto share = [&](const pf::DrawOptions& options) {
    return (drawn(conditional, parameters, options, rng) > 0).mean();
  };
  CHECK(share({}) == Approx(0.7).margin(0.017));
  CHECK(share({.top_k = 1}) == 1);
  CHECK(share({.temperature = 2}) == Approx(1 / (1 + std::sqrt(3.0 / 7))).margin(0.017));
  const Tensor<double> most_likely = drawn(conditional, parameters, {.temperature = 0}, rng);
  CHECK(most_likely.min() == 2);
  CHECK(most_likely.max() == 2);
  const Tensor<double> hot = drawn(conditional, parameters, {.temperature = 4, .top_k = 1}, rng);
  // The standard deviation of a variance of 0.04 from 20000 draws is 0.0004; log std = r is exact to 1 %.
  CHECK(pf::mean(pf::square(hot - 2)).item() == Approx(0.04).margin(0.003));
}

TEST_CASE("a temperature takes mixtures of normals that lie apart to a power, and 0 finds their mode") {
  pf::Rng rng(7);
  const pf::GaussianMixtureConditional conditional({.components = 2, .min_std = 1e-6});
  // The component with the larger weight is wide, the other one has the higher peak.
  const double w = 0.6, v = 0.4, wide = 1, narrow = 0.5;
  const Tensor<double> parameters{std::log(w), std::log(v), 100.0, -100.0, std::log(wide), std::log(narrow)};
  for (const double t : {0.5, 0.8, 2.0}) {
    // The integrals of (w N)^(1 / t) over each component, w^(1 / t) std^(1 - 1 / t) up to a common factor.
    const double a = std::pow(w, 1 / t) * std::pow(wide, 1 - 1 / t),
                 b = std::pow(v, 1 / t) * std::pow(narrow, 1 - 1 / t);
    const Tensor<double> x = drawn(conditional, parameters, {.temperature = t}, rng);
    CHECK((x > 0).mean() == Approx(a / (a + b)).margin(0.018));  // 5 standard deviations of a share
  }
  for (const double cold : {0.0, 1e-310}) {
    const Tensor<double> mode = drawn(conditional, parameters, {.temperature = cold}, rng);
    CHECK(mode.min() == -100);
    CHECK(mode.max() == -100);
  }
  CHECK((drawn(conditional, parameters, {.top_k = 1}, rng) > 0).mean() == 1);  // by the weights
}

TEST_CASE("a conditional that knows no options draws as it is, and refuses others") {
  pf::Rng rng(6);
  const Tensor<double> parameters({2, 1}, {3, 4});
  CHECK(pf::detail::draw_conditional(Plain{}, parameters, rng, {}).to_vector() == std::vector<double>{3, 4});
  CHECK_THROWS_AS(pf::detail::draw_conditional(Plain{}, parameters, rng, {.top_k = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::BernoulliConditional{}.sample(parameters, rng, {.temperature = -1}), pf::ValueError);
}
