#include <pushforward/models/autoregressive.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::FeatureOrder;
using pf::Index;
using pf::Tensor;

namespace {

constexpr FeatureOrder orders[] = {FeatureOrder::natural, FeatureOrder::random};

auto binary(Index d, FeatureOrder order, pf::Rng& rng) {
  auto model = pf::made_bernoulli<double>({.features = d, .hidden = {11, 7}, .order = order}, rng);
  support::stir<double>(model, 2, 0.3, rng);
  return model;
}

auto mixture(Index d, FeatureOrder order, pf::Rng& rng) {
  auto model = pf::made_gaussian_mixture<double>(
      {.features = d, .components = 3, .hidden = {12}, .activation = pf::Activation::tanh, .order = order}, rng);
  support::stir<double>(model, 2, 0.3, rng);
  return model;
}

// Every binary vector of d numbers, [2^d, d].
Tensor<double> all_binary(Index d) {
  return Tensor<double>::generate({Index{1} << d, d},
                                  [&](Index i) { return static_cast<double>((i / d) >> (i % d) & 1); });
}

// Which of 2^d a binary vector is.
Index code(const double* x, Index d) {
  Index result = 0;
  for (Index i = 0; i < d; ++i) result += (x[i] != 0 ? Index{1} : Index{0}) << i;
  return result;
}

// Pearson's statistic of counts against probabilities, less its mean, in standard deviations.
double chi_square(const std::vector<double>& counts, const std::vector<double>& probabilities) {
  double n = 0, total = 0;
  for (double c : counts) n += c;
  for (std::size_t k = 0; k < counts.size(); ++k)
    total += std::pow(counts[k] - n * probabilities[k], 2) / (n * probabilities[k]);
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (total - freedom) / std::sqrt(2 * freedom);
}

// Masks and draws of models whose layers take every path of the matrix product.
template <class S>
void check_draws_of_mades(pf::Rng& rng) {
  for (const auto order : orders)
    for (const Index n : {1, 3, 40}) {
      auto bits = pf::made_bernoulli<S>({.features = 20, .hidden = {70, 33}, .order = order}, rng);
      support::stir<S>(bits, 2, 0.3, rng);
      CHECK_NOTHROW(pf::testing::check_autoregressive(bits, pf::bernoulli(Tensor<S>::full({n, 20}, S(0.5)), rng), rng));
      for (const auto activation : {pf::Activation::relu, pf::Activation::tanh, pf::Activation::silu}) {
        auto real = pf::made_gaussian_mixture<S>(
            {.features = 7, .components = 3, .hidden = {150}, .activation = activation, .order = order}, rng);
        support::stir<S>(real, 2, 0.3, rng);
        CHECK_NOTHROW(pf::testing::check_autoregressive(real, pf::normal<S>({n, 7}, rng), rng));
      }
    }
}

// Uniform numbers of a given width: a conditional that a user could write.
struct Box {
  Index parameters() const { return 1; }
  Tensor<double> log_prob(const Tensor<double>& parameters, const Tensor<double>& x) const {
    const Tensor<double> distance = pf::abs(x - pf::squeeze(parameters, -2));
    return pf::sum(pf::where(distance < 0.5, 0.0 * distance, -1e3), -1);
  }
  Tensor<double> sample(const Tensor<double>& parameters, pf::Rng& rng) const {
    return pf::squeeze(parameters, -1) + pf::uniform<double>({parameters.size(0)}, rng, -0.5, 0.5);
  }
};

}  // namespace

TEST_CASE("the probabilities of all binary vectors add up to one") {
  pf::Rng rng(1);
  for (const Index d : {1, 2, 5, 10})
    for (const auto order : orders)
      CHECK(pf::exp(binary(d, order, rng).log_prob(all_binary(d))).sum() == Approx(1.0).epsilon(1e-12));
}

TEST_CASE("the density of a mixture integrates to one on a grid") {
  pf::Rng rng(2);
  for (const auto order : orders) {
    // Few and tame weights: a grid must reach the widest component and resolve the narrowest.
    auto model = pf::made_gaussian_mixture<double>(
        {.features = 2, .components = 3, .hidden = {12}, .activation = pf::Activation::tanh, .order = order}, rng);
    constexpr Index n = 300;
    constexpr double reach = 15, step = 2 * reach / n;
    const Tensor<double> x = Tensor<double>::generate({n * n, 2}, [](Index i) {
      return -reach + (static_cast<double>(i % 2 == 0 ? i / 2 / n : i / 2 % n) + 0.5) * step;
    });
    pf::NoGradient guard;
    CHECK(pf::exp(model.log_prob(x)).sum() * step * step == Approx(1.0).margin(1e-4));
  }
}

TEST_CASE("the log-density is the sum of conditionals, each a function of earlier features only") {
  pf::Rng rng(3);
  for (const auto order : orders) {
    const auto model = mixture(5, order, rng);
    const Tensor<double> x = pf::normal<double>({5}, rng);
    const Tensor<double> jacobian = pf::jacobian([&](const Tensor<double>& at) { return model.parameters(at); }, x);
    REQUIRE(jacobian.shape() == pf::Shape{9, 5, 5});
    for (Index p = 0; p < 5; ++p)
      for (Index q = 0; q < 5; ++q) {
        double largest = 0;
        for (Index j = 0; j < 9; ++j)
          largest = std::max(largest, std::abs(jacobian(j, model.net().feature(p), model.net().feature(q))));
        CHECK((largest > 0) == (q < p));
      }
    double total = 0;
    const Tensor<double> parameters = model.parameters(x);
    for (Index i = 0; i < 5; ++i)
      total += model.conditional().log_prob(pf::slice(parameters, -1, i, i + 1), pf::slice(x, -1, i, i + 1)).item();
    CHECK(model.log_prob(x).item() == Approx(total).epsilon(1e-12));
  }
}

TEST_CASE("a mixture conditional is the mixture of normals that it says it is") {
  const pf::GaussianMixtureConditional conditional({.components = 2, .min_std = 0.01});
  const Tensor<double> parameters({6, 1}, {0.3, -0.4, 1.0, -2.0, -0.5, 0.2});
  auto softplus = [](double v) { return std::log1p(std::exp(v)); };
  const double b = std::log(0.01), w = std::exp(0.3) / (std::exp(0.3) + std::exp(-0.4));
  const double s1 = std::exp(b + softplus(-0.5 - b)), s2 = std::exp(b + softplus(0.2 - b));
  auto normal = [](double x, double m, double s) {
    return std::exp(-0.5 * (x - m) * (x - m) / s / s) / s / std::sqrt(8 * std::atan(1.0));
  };
  for (const double x : {-3.0, 0.0, 0.9, 5.0})
    CHECK(conditional.log_prob(parameters, Tensor<double>({1}, {x})).item() ==
          Approx(std::log(w * normal(x, 1, s1) + (1 - w) * normal(x, -2, s2))));
}

TEST_CASE("draws follow the density") {
  pf::Rng rng(4);
  for (const auto order : orders) {
    CHECK_NOTHROW(pf::testing::check_distribution(mixture(1, order, rng), rng));
    CHECK_NOTHROW(pf::testing::check_distribution(mixture(2, order, rng), rng));
    constexpr Index d = 5, n = 40'000;
    const auto model = binary(d, order, rng);
    const Tensor<double> x = model.sample(n, rng);
    std::vector<double> counts(1 << d), probabilities;
    for (Index i = 0; i < n; ++i) counts[static_cast<std::size_t>(code(x.data() + i * d, d))] += 1;
    for (double p : pf::exp(model.log_prob(all_binary(d)))) probabilities.push_back(p);
    CHECK(std::abs(chi_square(counts, probabilities)) < 6);
  }
}

TEST_CASE("completing draws from the conditional density where what is known comes first") {
  pf::Rng rng(5);
  constexpr Index d = 5, n = 40'000;
  const auto model = binary(d, FeatureOrder::natural, rng);
  const Tensor<double> start = pf::expand(Tensor<double>{1, 0, 0, 1, 1}, {n, d}), known{1, 1, 0, 0, 0};
  const Tensor<double> x = model.complete(start, known, rng);
  std::vector<double> counts(8), probabilities(8);
  for (Index i = 0; i < n; ++i) {
    REQUIRE(x(i, 0) == 1);
    REQUIRE(x(i, 1) == 0);
    counts[static_cast<std::size_t>(code(x.data() + i * d + 2, 3))] += 1;
  }
  const Tensor<double> all = all_binary(d), p = pf::exp(model.log_prob(all));
  double total = 0;
  for (Index i = 0; i < 32; ++i)
    if (all(i, 0) == 1 && all(i, 1) == 0) {
      probabilities[static_cast<std::size_t>(code(all.data() + i * d + 2, 3))] = p(i);
      total += p(i);
    }
  for (double& q : probabilities) q /= total;
  CHECK(std::abs(chi_square(counts, probabilities)) < 6);
  CHECK(model.complete(start, Tensor<double>::ones({d}), rng).to_vector() == start.to_vector());
}

TEST_CASE("draws feature by feature have the bits of whole passes, for any number of threads") {
  pf::Rng rng(13);
  const int threads = pf::num_threads();
  for (const int used : {1, 2}) {
    pf::set_num_threads(used);
    check_draws_of_mades<float>(rng);
    check_draws_of_mades<double>(rng);
  }
  pf::set_num_threads(threads);
}

TEST_CASE("draws follow the options") {
  pf::Rng rng(14);
  const auto model = binary(6, FeatureOrder::random, rng);
  const Tensor<double> likely = model.sample(3, rng, {.temperature = 0});
  CHECK(likely.to_vector() == model.sample(3, rng, {.top_k = 1}).to_vector());
  CHECK(pf::norm(likely - pf::slice(likely, 0, 0, 1)).item() == 0);
  CHECK(model.log_prob(model.sample(2000, rng, {.temperature = 0.5})).mean() >
        model.log_prob(model.sample(2000, rng)).mean() + 0.1);
  CHECK_THROWS_AS(model.sample(3, rng, {.temperature = -1}), pf::ValueError);
  const auto box = pf::made<double>(Box{}, {.features = 4, .hidden = {8}}, rng);
  CHECK_THROWS_AS(box.sample(3, rng, {.temperature = 0.5}), pf::ValueError);
}

TEST_CASE("autoregressive models have gradients of order 2 in the data and first-order ones in their parameters") {
  pf::Rng rng(6);
  for (const auto order : orders) {
    const auto real = mixture(3, order, rng);
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return real.log_prob(x); },
                                               pf::normal<double>({2, 3}, rng), {.order = 2}));
    auto bits = pf::made_bernoulli<double>(
        {.features = 3, .hidden = {9}, .activation = pf::Activation::silu, .order = order}, rng);
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& x) { return bits.log_prob(x); },
                                               pf::uniform<double>({2, 3}, rng), {.order = 2}));
    const Tensor<double> x = pf::normal<double>({4, 3}, rng);
    CHECK_NOTHROW(pf::testing::check_module(real, [&](const auto& model) { return model.log_prob(x); }));
  }
  const pf::GaussianMixtureConditional conditional({.components = 2, .min_std = 0.1});
  auto log_prob = [&](const Tensor<double>& parameters, const Tensor<double>& x) {
    return conditional.log_prob(parameters, x);
  };
  CHECK_NOTHROW(pf::testing::check_gradients(
      log_prob, {pf::normal<double>({2, 6, 3}, rng), pf::normal<double>({2, 3}, rng)}, {.order = 2}));
}

TEST_CASE("a model starts at the marginals of the first data, once") {
  pf::Rng rng(7);
  const Tensor<> two_humps = pf::concat({pf::normal({500, 2}, rng) + 40, pf::normal({500, 2}, rng) * 0.1 - 30});
  auto real = pf::made_gaussian_mixture({.features = 2, .components = 8, .hidden = {16}}, rng);
  const double before = real.log_prob(two_humps).mean();
  real.initialize(two_humps);
  const double after = real.log_prob(two_humps).mean();
  CHECK(after > before + 100);
  const Tensor<> once = real.log_prob(two_humps);
  real.initialize(two_humps * 3);
  CHECK(real.log_prob(two_humps).to_vector() == once.to_vector());

  auto bits = pf::made_bernoulli({.features = 3, .hidden = {}}, rng);
  const Tensor<> rare = pf::bernoulli(Tensor<>::full({2000, 3}, 0.02f), rng);
  bits.initialize(rare);
  // A share of 0.02 has an entropy of 0.098 nats; the weights that the first values meet are still random.
  CHECK(bits.log_prob(rare).mean() > -3 * 0.15);
}

TEST_CASE("training teaches a model its data") {
  pf::Rng rng(8);
  constexpr Index d = 6, n = 512;
  auto model = pf::made_bernoulli({.features = d, .hidden = {32}}, rng);
  // Number i repeats number 0 or is its opposite, by a coin for the whole row: log 4 = 1.386 nats.
  auto draw = [&] {
    const Tensor<> a = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng),
                   b = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng);
    const Tensor<> same = pf::abs(a - b);
    return pf::concat({a, same, a, same, a, same}, 1);
  };
  for (int step = 0; step < 400; ++step) {
    const auto gradients = pf::gradient(pf::mle(model, draw()), model);
    std::size_t i = 0;
    pf::for_each_parameter(
        model, [&](const pf::Path&, pf::Parameter<>& p) { p = pf::stop_gradient(p.tensor()) - 0.5 * gradients[i++]; });
  }
  const double nats = pf::mle(model, draw()).item();
  CHECK(nats < 1.45);
  CHECK(nats > 1.38);
}

TEST_CASE("a model takes conditionals of a user's own") {
  pf::Rng rng(9);
  const auto model = pf::made<double>(Box{}, {.features = 4, .hidden = {8}}, rng);
  const Tensor<double> x = model.sample(100, rng);
  CHECK(x.shape() == pf::Shape{100, 4});
  CHECK(model.log_prob(x).to_vector() == std::vector<double>(100, 0.0));
}

TEST_CASE("no finite input makes an autoregressive density NaN, and what comes out of a sampler is finite") {
  pf::Rng rng(10);
  auto real = pf::made_gaussian_mixture({.features = 2, .components = 4}, rng);
  for (int round = 0; round < 2; ++round) {
    for (const float size : {1e4f, 1e10f, 1e30f, 3e38f}) {
      const Tensor<> x{{4, 2}, {size, 0.0f, 0.0f, size, -size, size, size, size}};
      for (float value : real.log_prob(x)) CHECK(std::isfinite(value));
      for (const auto& g : pf::gradient(pf::mle(real, x), real))
        for (float value : g) REQUIRE_FALSE(std::isnan(value));
    }
    for (float value : real.sample(100, rng)) REQUIRE(std::isfinite(value));
    support::stir<double>(real, 2, 0.3, rng);
  }
}

TEST_CASE("the same seed gives the same draws, and an empty batch an empty result") {
  pf::Rng rng(11);
  const auto model = pf::made_gaussian_mixture({.features = 3, .components = 2}, rng);
  pf::Rng a(5), b(5);
  CHECK(model.sample(10, a).to_vector() == model.sample(10, b).to_vector());
  CHECK(model.sample(0, a).shape() == pf::Shape{0, 3});
  CHECK(model.log_prob(Tensor<>::zeros({0, 3})).shape() == pf::Shape{0});
  CHECK(model.log_prob(Tensor<>::zeros({2, 4, 3})).shape() == pf::Shape{2, 4});
}

TEST_CASE("autoregressive models refuse what does not fit") {
  pf::Rng rng(12);
  CHECK_THROWS_AS(pf::made_bernoulli({}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::made_bernoulli({.features = 3, .hidden = {0}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::made_gaussian_mixture({.features = 3, .components = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::made_gaussian_mixture({.features = 3, .min_std = 0}, rng), pf::ValueError);
  const auto model = pf::made_bernoulli({.features = 3}, rng);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 4})), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({3}), Tensor<>::zeros({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({2, 3}), Tensor<>::zeros({2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  using Model = pf::Made<pf::BernoulliConditional>;
  CHECK_THROWS_AS(Model(pf::MaskedMlp<>({.features = 3, .outputs = 2}, rng)), pf::ValueError);
}

TEST_CASE("a density over binary numbers refuses others, but for shares between 0 and 1") {
  pf::Rng rng(15);
  auto model = pf::made_bernoulli<double>({.features = 40}, rng);
  const Tensor<double> shares = pf::uniform<double>({3, 40}, rng);
  CHECK(std::isfinite(model.log_prob(shares).sum()));
  for (const double bad :
       {-1e-9, 1 + 1e-9, 255.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    for (const Index place : {0, 17, 40, 112, 119}) {  // in the blocks of sixteen, and behind them
      const auto x = Tensor<double>::generate({3, 40}, [&](Index i) { return i == place ? bad : shares.data()[i]; });
      CHECK_THROWS_AS(model.log_prob(x), pf::ValueError);
      CHECK_THROWS_WITH(model.log_prob(x), Catch::Matchers::ContainsSubstring("element " + std::to_string(place)));
    }
  const Tensor<double> grey = shares * 255;
  CHECK_THROWS_AS(model.initialize(grey), pf::ValueError);
  CHECK_THROWS_AS(pf::mle(model, grey), pf::ValueError);
}

TEST_CASE("completing refuses known numbers that a conditional cannot hold, and no others") {
  pf::Rng rng(16);
  const auto check = [&](const auto& model, std::vector<double> bad) {
    for (const double value : bad) {
      const Tensor<double> x({2, 3}, {0, 1, 0, 1, 0, value});
      CHECK_THROWS_AS(model.complete(x, Tensor<double>::ones({3}), rng), pf::ValueError);
      CHECK_THROWS_WITH(model.complete(x, Tensor<double>::ones({3}), rng),
                        Catch::Matchers::ContainsSubstring("known element 5"));
      CHECK_THROWS_AS(pf::full_completion(model, x, Tensor<double>::ones({3}), rng), pf::ValueError);
      CHECK_NOTHROW(model.complete(x, Tensor<double>{1, 1, 0}, rng));
    }
    CHECK_NOTHROW(model.complete(Tensor<double>({2, 3}, {0, 1, 0, 1, 0, 1}), Tensor<double>::ones({3}), rng));
  };
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  check(pf::made<double>(pf::CategoricalConditional(4), {.features = 3, .hidden = {8}}, rng),
        {9, 4, -1, 0.5, infinity, nan});
  check(pf::made_bernoulli<double>({.features = 3, .hidden = {8}}, rng), {9, -0.1, -infinity, nan});
  check(pf::made_gaussian_mixture<double>({.features = 3, .hidden = {8}}, rng), {infinity, -infinity, nan});
  check(pf::made<double>(Box{}, {.features = 3, .hidden = {8}}, rng), {infinity, nan});
}

TEST_CASE("whole passes for each element take any order of them, and refuse what is none") {
  pf::Rng rng(17);
  const auto model = binary(4, FeatureOrder::natural, rng);
  const auto parameters = [&](const Tensor<double>& x) { return model.parameters(x); };
  const Tensor<double> nothing = Tensor<double>::zeros({2, 4});
  const auto complete = [&](std::vector<Index> order) {
    return pf::full_completion(parameters, model.conditional(), nothing, nothing, rng, {}, std::move(order));
  };
  CHECK(complete({3, 1, 0, 2}).shape() == pf::Shape{2, 4});
  for (const auto& order : std::vector<std::vector<Index>>{
           {0, 1, 2}, {0, 1, 2, 3, 0}, {0, 1, 2, 4}, {0, 1, 2, -1}, {0, 1, 1, 3}, {Index{1} << 40, 1, 2, 3}})
    CHECK_THROWS_AS(complete(order), pf::ValueError);
}
