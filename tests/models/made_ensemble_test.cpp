#include <pushforward/models/autoregressive/made_ensemble.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/binary_models.hpp"
#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::FeatureOrder;
using pf::Index;
using pf::Tensor;

namespace {

constexpr FeatureOrder orders[] = {FeatureOrder::natural, FeatureOrder::random};

template <class S = double>
auto ensemble(Index d, std::vector<Index> hidden, FeatureOrder order, pf::Rng& rng, Index members = 3) {
  auto model =
      pf::made_ensemble<S>({.features = d, .members = members, .hidden = std::move(hidden), .order = order}, rng);
  support::stir<S>(model, 3, 0.3, rng);
  return model;
}

template <class S>
void check_members(pf::Rng& rng) {
  for (const auto order : orders)
    for (const auto& hidden : {std::vector<Index>{}, std::vector<Index>{60}, std::vector<Index>{40, 33}})
      for (const Index n : {1, 3, 20}) {
        const auto model = ensemble<S>(9, hidden, order, rng, 2);
        const Tensor<S> x = pf::bernoulli(Tensor<S>::full({n, 9}, S(0.5)), rng);
        for (Index m = 0; m < 2; ++m) CHECK_NOTHROW(pf::testing::check_autoregressive(model.member(m), x, rng));
      }
}

}  // namespace

TEST_CASE("the density of a MADE ensemble is the mean of its members', each of which adds up to one") {
  pf::Rng rng(1);
  for (const auto order : orders)
    for (const Index d : {1, 2, 7}) {
      const auto model = ensemble(d, {30, 20}, order, rng);
      std::vector<double> mean(std::size_t{1} << d);
      for (Index m = 0; m < 3; ++m) {
        const std::vector<double> each = support::probabilities(model.member(m), d);
        CHECK(support::total(each) == Approx(1).epsilon(1e-12));
        for (std::size_t i = 0; i < each.size(); ++i) mean[i] += each[i] / 3;
      }
      const std::vector<double> found = support::probabilities(model, d);
      for (std::size_t i = 0; i < mean.size(); ++i) CHECK(found[i] == Approx(mean[i]).epsilon(1e-12));
    }
}

TEST_CASE("members differ in their orders and masks, none sees its future, and draws have the bits of whole passes") {
  pf::Rng rng(2);
  support::with_threads([&] {
    check_members<float>(rng);
    check_members<double>(rng);
  });
  const auto random = ensemble(12, {30}, FeatureOrder::random, rng),
             natural = ensemble(12, {30}, FeatureOrder::natural, rng);
  CHECK(random.member(0).net().arrangement().order != random.member(1).net().arrangement().order);
  CHECK(natural.member(0).net().arrangement().order == natural.member(1).net().arrangement().order);
  CHECK(natural.member(0).net().arrangement().degrees != natural.member(1).net().arrangement().degrees);
  CHECK(random.another(rng).net().arrangement().order != random.another(rng).net().arrangement().order);
}

TEST_CASE("draws of a MADE ensemble follow its density, with the options of each member") {
  pf::Rng rng(3);
  for (const auto order : orders) {
    const auto model = ensemble(5, {20}, order, rng);
    CHECK(std::abs(support::chi_square(model.sample(40'000, rng), support::probabilities(model, 5))) < 6);
    pf::Rng a(7), b(7);
    CHECK(model.sample(20, a).to_vector() == model.sample(20, b).to_vector());
    CHECK(model.log_prob(model.sample(2000, rng, {.temperature = 0.3})).mean() >
          model.log_prob(model.sample(2000, rng)).mean() + 0.1);
  }
}

TEST_CASE("a MADE ensemble in random orders completes whatever is missing, exactly in the order it takes") {
  pf::Rng rng(4);
  // One hidden unit for each degree would do; with none at all, order and weights are the whole model.
  const auto model = ensemble(5, {}, FeatureOrder::random, rng);
  const Tensor<double> known{0, 1, 0, 0, 1};  // 1 and 4 are known, in the middle and at the end
  constexpr Index n = 40'000;
  const Tensor<double> start = pf::expand(Tensor<double>{0, 1, 0, 0, 0}, {n, 5});
  pf::Rng draws(5), same(5);
  const Tensor<double> x = model.complete(start, known, draws);
  // The order that it takes: random, but for the known ones, which come first.
  std::vector<Index> order = pf::permutation(5, same).to_vector();
  std::stable_partition(order.begin(), order.end(), [](Index i) { return i == 1 || i == 4; });
  const auto taken = model.in_order(order, same);
  const Tensor<double> all = support::all_binary(5);
  const std::vector<double> joint = support::probabilities(taken, 5);
  std::vector<double> given;
  for (Index r = 0; r < 32; ++r)
    if (all(r, 1) == 1 && all(r, 4) == 0) given.push_back(joint[static_cast<std::size_t>(r)]);
  const double mass = support::total(given);
  for (double& p : given) p /= mass;
  CHECK(pf::slice(x, 1, 1, 2).min() == 1);
  CHECK(pf::slice(x, 1, 4, 5).max() == 0);
  const Tensor<double> drawn = pf::concat({pf::slice(x, 1, 0, 1), pf::slice(x, 1, 2, 4)}, 1);
  CHECK(std::abs(support::chi_square(drawn, given)) < 6);
  // Rows may know different things.
  const Tensor<double> each = pf::bernoulli(Tensor<double>::full({50, 5}, 0.5), rng),
                       ones = Tensor<double>::ones({50, 5});
  const Tensor<double> mixed = model.complete(ones, each, rng);
  CHECK((each * (mixed - ones)).min() == 0);
  CHECK(mixed.min() == 0);
  const auto natural = ensemble(5, {9}, FeatureOrder::natural, rng);
  CHECK(pf::slice(natural.complete(start, known, rng), 1, 1, 2).min() == 1);
}

TEST_CASE("gradients reach the weights of an ensemble through its members and its density") {
  pf::Rng rng(6);
  const auto model =
      pf::made_ensemble<double>(pf::GaussianMixtureConditional({.components = 2, .min_std = 0.1}),
                                {.features = 3, .members = 2, .hidden = {7}, .activation = pf::Activation::tanh}, rng);
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  CHECK_NOTHROW(pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x); }));
  CHECK_NOTHROW(pf::testing::check_module(model, [&](const auto& m) { return m.member(1).log_prob(x); }));
  CHECK_NOTHROW(pf::testing::check_gradients([&](const auto& at) { return model.log_prob(at); }, x, {.order = 2}));
  const Tensor<double> in{0, 1, 2}, out{0, 1};
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const auto& w) { return pf::square(pf::detail::masked_by_degree(w, out, in)); },
                                   pf::normal<double>({2, 3}, rng), {.order = 2}));
}

TEST_CASE("training in any order lowers the loss of every member and of new orders") {
  pf::Rng rng(7);
  constexpr Index d = 6, n = 256;
  auto draw = [&] {  // all numbers are the same but for one in ten
    const Tensor<> a = pf::bernoulli(Tensor<>::full({n, 1}, 0.3f), rng),
                   flip = pf::bernoulli(Tensor<>::full({n, d}, 0.1f), rng);
    return pf::abs(a - flip);
  };
  auto model = pf::made_ensemble({.features = d, .members = 4, .hidden = {64}}, rng);
  model.initialize(draw());
  const Tensor<> once = model.log_prob(draw());
  model.initialize(draw());
  for (int step = 0; step < 600; ++step) {
    const auto objective = pf::AnyOrderLikelihood{.fresh = step % 2 == 0};
    const auto gradients = pf::gradient(objective(model, draw(), rng), model);
    std::size_t i = 0;
    pf::for_each_parameter(
        model, [&](const pf::Path&, pf::Parameter<>& p) { p = pf::stop_gradient(p.tensor()) - 0.3 * gradients[i++]; });
  }
  // The density of the data by summing over the hidden number: what no model can beat.
  double entropy = 0;
  for (Index ones = 0; ones <= d; ++ones) {
    const double k = static_cast<double>(ones), m = static_cast<double>(d);
    const double p = 0.3 * std::pow(0.9, k) * std::pow(0.1, m - k) + 0.7 * std::pow(0.1, k) * std::pow(0.9, m - k);
    entropy -= std::exp(std::lgamma(m + 1) - std::lgamma(k + 1) - std::lgamma(m - k + 1)) * p * std::log(p);
  }
  const Tensor<> test = pf::concat({draw(), draw(), draw(), draw()});
  CHECK(pf::mle(model, test).item() < entropy + 0.15);
  for (Index m = 0; m < 4; ++m) CHECK(pf::mle(model.member(m), test).item() < entropy + 0.2);
  CHECK(pf::mle(model.another(rng), test).item() < entropy + 0.4);
  CHECK(pf::mle(model, test).item() > entropy - 0.2);
  CHECK(once.shape() == pf::Shape{n});
}

TEST_CASE("MADE ensembles refuse what does not fit") {
  pf::Rng rng(8);
  CHECK_THROWS_AS(pf::made_ensemble({}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::made_ensemble({.features = 3, .members = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::made_ensemble({.features = 3, .hidden = {0}}, rng), pf::ValueError);
  const auto model = pf::made_ensemble({.features = 3}, rng);
  CHECK_THROWS_AS(model.member(8), pf::IndexError);
  CHECK_THROWS_AS(model.in_order({0, 1, 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(model.in_order({0, 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 4})), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({3}), Tensor<>::zeros({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({2, 3}), Tensor<>::zeros({2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.sample(2, rng, {.top_p = 0}), pf::ValueError);
  CHECK(model.sample(0, rng).shape() == pf::Shape{0, 3});
}
