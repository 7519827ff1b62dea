#include <pushforward/models/autoregressive/made_ensemble.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/adam.hpp>

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

namespace {

// The orders of an ensemble's members, and how many pairs of a known and an unknown feature each has in this order.
template <class Model>
std::vector<Index> known_first(const Model& model, const Tensor<double>& known) {
  std::vector<Index> pairs;
  for (Index m = 0; m < model.size(); ++m) {
    const std::vector<Index> order = model.member(m).net().arrangement().order;
    Index count = 0;
    for (std::size_t p = 0; p < order.size(); ++p)
      for (std::size_t q = p + 1; q < order.size(); ++q) count += known(order[p]) == 1 && known(order[q]) == 0;
    pairs.push_back(count);
  }
  return pairs;
}

}  // namespace

TEST_CASE("a MADE ensemble completes what is missing by the member that sees most of what is known") {
  pf::Rng rng(4);
  const auto model = ensemble(7, {12}, FeatureOrder::random, rng, 5);
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({40, 7}, 0.5), rng);
  for (const Tensor<double>& known : {Tensor<double>{0, 1, 0, 0, 1, 0, 1}, Tensor<double>{1, 1, 1, 0, 0, 0, 0},
                                      Tensor<double>{0, 0, 0, 0, 1, 1, 1}}) {
    const std::vector<Index> pairs = known_first(model, known);
    std::vector<Index> best;
    for (Index m = 0; m < 5; ++m)
      if (pairs[static_cast<std::size_t>(m)] == *std::max_element(pairs.begin(), pairs.end())) best.push_back(m);
    CHECK(best.size() < 5);
    pf::Rng a(5), b(5);
    const Index m = best[static_cast<std::size_t>(b.uniform_index(static_cast<Index>(best.size())))];
    CHECK(model.complete(x, known, a).to_vector() == model.member(m).complete(x, known, b).to_vector());
  }
  // With nothing known any member will do, as in natural order.
  const Tensor<double> nothing = Tensor<double>::zeros({7});
  const auto natural = ensemble(7, {12}, FeatureOrder::natural, rng, 5);
  for (const auto* of : {&model, &natural})
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      pf::Rng c(seed), d(seed);
      const auto member = of->member(d.uniform_index(5));
      CHECK(of->complete(x, nothing, c).to_vector() == member.complete(x, nothing, d).to_vector());
    }
}

TEST_CASE("completions of a MADE ensemble are exact draws given what its member sees") {
  pf::Rng rng(14);
  const auto model = ensemble(5, {20}, FeatureOrder::random, rng, 1);
  const std::vector<Index> order = model.member(0).net().arrangement().order;
  // The first two features of the only order are known.
  const Tensor<double> known =
      Tensor<double>::generate({5}, [&](Index i) { return i == order[0] || i == order[1] ? 1.0 : 0.0; });
  const Tensor<double> start =
      Tensor<double>::generate({40'000, 5}, [&](Index i) { return i % 5 == order[0] ? 1 : 0; });
  const Tensor<double> x = model.complete(start, known, rng), all = support::all_binary(5);
  const std::vector<double> joint = support::probabilities(model, 5);
  std::vector<double> given;
  std::vector<Tensor<double>> drawn;
  for (Index i = 0; i < 5; ++i)
    if (known(i) == 0) drawn.push_back(pf::slice(x, 1, i, i + 1));
  for (Index r = 0; r < 32; ++r)
    if (all(r, order[0]) == 1 && all(r, order[1]) == 0) given.push_back(joint[static_cast<std::size_t>(r)]);
  const double mass = support::total(given);
  for (double& p : given) p /= mass;
  CHECK(std::abs(support::chi_square(pf::concat(drawn, 1), given)) < 6);
  CHECK(pf::abs((x - start) * known).max() == 0);

  const Tensor<double> each = pf::bernoulli(Tensor<double>::full({50, 5}, 0.5), rng),
                       ones = Tensor<double>::ones({50, 5});
  const auto several = ensemble(5, {20}, FeatureOrder::random, rng);
  const Tensor<double> mixed = several.complete(ones, each, rng);
  CHECK((each * (mixed - ones)).min() == 0);
  CHECK(mixed.min() == 0);
}

TEST_CASE("the parameters of a MADE ensemble are those of its members") {
  pf::Rng rng(24);
  const auto model = pf::made_ensemble<double>(pf::GaussianMixtureConditional({.components = 2}),
                                               {.features = 4, .members = 3, .hidden = {9}}, rng);
  const Tensor<double> x = pf::normal<double>({2, 5, 4}, rng), all = model.parameters(x);
  REQUIRE(all.shape() == pf::Shape{2, 5, 3, 6, 4});
  Tensor<double> densities = Tensor<double>::zeros({2, 5});
  for (Index m = 0; m < 3; ++m) {
    const Tensor<double> of_member = pf::select(all, 2, m);
    CHECK(of_member.to_vector() == model.member(m).parameters(x).to_vector());
    densities = densities + pf::exp(model.conditional().log_prob(of_member, x)) / 3.0;
  }
  CHECK(pf::abs(pf::log(densities) - model.log_prob(x)).max() < 1e-12);
  CHECK(model.parameters(Tensor<double>::zeros({4})).shape() == pf::Shape{3, 6, 4});
  CHECK_THROWS_AS(model.parameters(Tensor<double>::zeros({2, 3})), pf::ShapeError);
}

TEST_CASE("a MADE ensemble that was trained in the orders of its members completes well") {
  pf::Rng rng(34);
  constexpr Index d = 40, half = d / 2;
  // A number is that before it, but for one in twenty; the first half is known.
  auto draw = [&](Index n) {
    const Tensor<> flip = pf::bernoulli(Tensor<>::full({n, d}, 0.05f), rng);
    return Tensor<>::build({n, d}, [&](float* x) {
      for (Index i = 0; i < n * d; ++i)
        x[i] = i % d == 0 ? static_cast<float>(i / d % 2) : std::abs(x[i - 1] - flip.data()[i]);
    });
  };
  auto model = pf::made_ensemble({.features = d, .members = 3, .hidden = {60}}, rng);
  pf::Adam adam({.learning_rate = 0.01});
  for (int step = 0; step < 1000; ++step)
    adam.step(model, pf::gradient(pf::any_order_mle(model, draw(64), rng), model));
  const Tensor<> known = Tensor<>::generate({d}, [](Index i) { return i < half ? 1.0f : 0.0f; });
  // How often neighbors differ in the half that is drawn: once in twenty in the data.
  const Tensor<> x = model.complete(draw(500), known, rng);
  const Tensor<> differ = pf::abs(pf::slice(x, 1, half + 1, d) - pf::slice(x, 1, half, d - 1));
  CHECK(differ.mean() < 0.1);
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
  CHECK_THROWS_AS(model.complete(Tensor<>::full({2, 3}, 9.0f), Tensor<>::ones({3}), rng), pf::ValueError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 3}, 255.0f)), pf::ValueError);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.sample(2, rng, {.top_p = 0}), pf::ValueError);
  CHECK(model.sample(0, rng).shape() == pf::Shape{0, 3});
}
