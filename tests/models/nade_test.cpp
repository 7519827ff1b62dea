#include <pushforward/models/autoregressive/fvsbn.hpp>
#include <pushforward/models/autoregressive/nade.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_distribution.hpp>
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
auto binary_nade(Index d, Index hidden, FeatureOrder order, pf::Rng& rng) {
  auto model = pf::nade<S>({.features = d, .hidden = hidden, .order = order}, rng);
  support::stir<S>(model, 3, 0.3, rng);
  return model;
}
template <class S = double>
auto belief_network(Index d, FeatureOrder order, pf::Rng& rng) {
  auto model = pf::fvsbn<S>({.features = d, .order = order}, rng);
  support::stir<S>(model, 3, 0.3, rng);
  return model;
}
auto real_nade(Index d, FeatureOrder order, pf::Rng& rng, Index hidden = 70) {
  auto model = pf::nade<double>(pf::GaussianMixtureConditional({.components = 2, .min_std = 0.05}),
                                {.features = d, .hidden = hidden, .order = order}, rng);
  support::stir<double>(model, 2, 0.1, rng);
  return model;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// log p(x) of one event, as the papers write it.
double log_bernoulli(double logit, double x) { return std::log(x != 0 ? sigmoid(logit) : sigmoid(-logit)); }
double log_nade(const pf::Nade<pf::BernoulliConditional, double>& model, const double* x) {
  const auto& net = model.net();
  const Index d = net.features(), h = net.input.shape()[1];
  std::vector<double> sums(net.hidden_bias.tensor().begin(), net.hidden_bias.tensor().end());
  double nats = 0;
  for (Index place = 0; place < d; ++place) {
    const Index i = net.feature(place);
    double logit = net.bias.tensor()(i);
    for (Index k = 0; k < h; ++k) logit += net.output.tensor()(i, k) * sigmoid(sums[static_cast<std::size_t>(k)]);
    nats += log_bernoulli(logit, x[i]);
    for (Index k = 0; k < h; ++k) sums[static_cast<std::size_t>(k)] += net.input.tensor()(i, k) * x[i];
  }
  return nats;
}

template <class S>
void check_draws(pf::Rng& rng) {
  for (const auto order : orders)
    for (const Index n : {1, 3, 20}) {
      const Tensor<S> x = pf::bernoulli(Tensor<S>::full({n, 12}, S(0.5)), rng);
      CHECK_NOTHROW(
          pf::testing::check_autoregressive(binary_nade<S>(12, 75, order, rng), x, rng, {.whole_past = true}));
      CHECK_NOTHROW(pf::testing::check_autoregressive(belief_network<S>(12, order, rng), x, rng, {.whole_past = true}));
    }
}

}  // namespace

TEST_CASE("a NADE is the network of the paper") {
  pf::Rng rng(1);
  for (const auto order : orders) {
    const auto model = binary_nade(6, 11, order, rng);
    const Tensor<double> x = support::all_binary(6), nats = model.log_prob(x);
    for (Index r = 0; r < x.size(0); ++r) CHECK(nats(r) == Approx(log_nade(model, x.data() + 6 * r)).epsilon(1e-12));
  }
}

TEST_CASE("a fully visible sigmoid belief network is a chain of logistic regressions") {
  pf::Rng rng(2);
  const auto model = belief_network(5, FeatureOrder::natural, rng);
  CHECK(model.net().layers.size() == 1);
  const Tensor<double> w = model.net().layers[0].weight.tensor(), b = model.net().layers[0].bias.tensor();
  const Tensor<double> x = support::all_binary(5), nats = model.log_prob(x);
  for (Index r = 0; r < x.size(0); ++r) {
    double expected = 0;
    for (Index i = 0; i < 5; ++i) {
      double logit = b(i);
      for (Index j = 0; j < i; ++j) logit += w(i, j) * x(r, j);
      expected += log_bernoulli(logit, x(r, i));
    }
    CHECK(nats(r) == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("the probabilities of all binary vectors add up to one in NADE and FVSBN") {
  pf::Rng rng(3);
  for (const auto order : orders)
    for (const Index d : {1, 2, 9}) {
      CHECK(support::total(support::probabilities(binary_nade(d, 70, order, rng), d)) == Approx(1).epsilon(1e-12));
      CHECK(support::total(support::probabilities(belief_network(d, order, rng), d)) == Approx(1).epsilon(1e-12));
      CHECK(support::total(support::probabilities(binary_nade<float>(d, 70, order, rng), d)) ==
            Approx(1).epsilon(1e-4));
    }
}

TEST_CASE("draws from NADE and FVSBN follow their probabilities") {
  pf::Rng rng(4);
  for (const auto order : orders) {
    const auto nade = binary_nade(5, 8, order, rng);
    CHECK(std::abs(support::chi_square(nade.sample(40'000, rng), support::probabilities(nade, 5))) < 6);
    const auto fvsbn = belief_network(5, order, rng);
    CHECK(std::abs(support::chi_square(fvsbn.sample(40'000, rng), support::probabilities(fvsbn, 5))) < 6);
    CHECK_NOTHROW(pf::testing::check_distribution(real_nade(2, order, rng, 8), rng));
  }
}

TEST_CASE("draws from NADE and FVSBN have the bits of whole passes, for any number of threads") {
  pf::Rng rng(5);
  support::with_threads([&] {
    check_draws<float>(rng);
    check_draws<double>(rng);
    CHECK_NOTHROW(pf::testing::check_autoregressive(real_nade(6, FeatureOrder::random, rng),
                                                    pf::normal<double>({9, 6}, rng), rng, {.whole_past = true}));
  });
}

TEST_CASE("NADE has gradients of order 2 in everything, and its own rule is that of its definition") {
  pf::Rng rng(6);
  for (const auto order : orders) {
    const pf::NadeNetwork<double> net({.features = 4, .outputs = 2, .hidden = 70, .order = order}, rng);
    const pf::detail::NadePass<double> pass{net.order.tensor(), 2};
    auto call = [&](const auto& x, const auto& in, const auto& start, const auto& out, const auto& bias) {
      return pf::detail::record_fused("nade", pass, pass.value(x, in, start, out, bias), x, in, start, out, bias);
    };
    Tensor<double> x = pf::normal<double>({3, 4}, rng);
    x = x * Tensor<double>{1, 0, 1, 1};  // zeros take another way
    CHECK_NOTHROW(pf::testing::check_gradients(
        call, {x, net.input.tensor(), net.hidden_bias.tensor(), net.output.tensor(), net.bias.tensor()}, {.order = 2}));
    const Tensor<double> plain =
        pass.plain(x, net.input.tensor(), net.hidden_bias.tensor(), net.output.tensor(), net.bias.tensor());
    CHECK((net(x) - plain).max() < 1e-12);
    CHECK((plain - net(x)).max() < 1e-12);
  }
  const auto model = real_nade(3, FeatureOrder::random, rng);
  const Tensor<double> x = pf::normal<double>({4, 3}, rng);
  CHECK_NOTHROW(pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x); }));
}

TEST_CASE("gradients of NADE have the same bits for any number of threads, in any batch shape") {
  pf::Rng rng(7);
  const auto model = binary_nade<float>(20, 200, FeatureOrder::natural, rng);
  const Tensor<> x = pf::bernoulli(Tensor<>::full({37, 20}, 0.3f), rng);
  std::vector<std::vector<float>> found;
  support::with_threads([&] {
    found.push_back({});
    for (const auto& g : pf::gradient(pf::mle(model, x), model))
      found.back().insert(found.back().end(), g.begin(), g.end());
  });
  CHECK(found[0] == found[1]);
  CHECK(model.log_prob(pf::reshape(x, {1, 37, 20})).shape() == pf::Shape{1, 37});
  CHECK(model.log_prob(Tensor<>::zeros({0, 20})).shape() == pf::Shape{0});
  CHECK(model.sample(0, rng).shape() == pf::Shape{0, 20});
}

TEST_CASE("a NADE starts at the frequencies of the data and learns from there") {
  pf::Rng rng(8);
  constexpr Index d = 6;
  auto draw =
      [&](Index n) {  // number i repeats number 0 or is its opposite, by a coin for the whole row: log 4 = 1.386 nats
        const Tensor<> a = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng),
                       same = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng), b = pf::abs(a - same);
        return pf::concat({a, b, a, b, a, b}, 1);
      };
  auto model = pf::nade({.features = d, .hidden = 32}, rng);
  model.initialize(draw(512));
  for (int step = 0; step < 1000; ++step) {
    const auto gradients = pf::gradient(pf::mle(model, draw(64)), model);
    std::size_t i = 0;
    pf::for_each_parameter(
        model, [&](const pf::Path&, pf::Parameter<>& p) { p = pf::stop_gradient(p.tensor()) - 1.0 * gradients[i++]; });
  }
  const double nats = pf::mle(model, draw(512)).item();
  CHECK(nats < 1.45);
  CHECK(nats > 1.38);
}

TEST_CASE("NADE and FVSBN refuse what does not fit, and an RNADE stays finite for numbers that are far out") {
  pf::Rng rng(9);
  CHECK_THROWS_AS(pf::nade({}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::nade({.features = 3, .hidden = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fvsbn({}, rng), pf::ValueError);
  const auto model = pf::nade({.features = 3, .hidden = 5}, rng);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 4})), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({2, 3}), Tensor<>::zeros({2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::NadeNetwork<>{}(Tensor<>::zeros({2, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::NadeNetwork<>({.features = 2}, rng).start_at(Tensor<>::zeros({3})), pf::ShapeError);
  for (const float size : {-0.01f, 1.01f, 255.0f, 3e38f, std::numeric_limits<float>::quiet_NaN()}) {
    const Tensor<> x({2, 3}, {1, 0, 0.5f, 1, 0, size});
    CHECK_THROWS_AS(model.log_prob(x), pf::ValueError);
    CHECK_THROWS_AS(pf::fvsbn({.features = 3}, rng).log_prob(x), pf::ValueError);
    CHECK_THROWS_AS(pf::nade({.features = 3}, rng).initialize(x), pf::ValueError);
    CHECK_THROWS_AS(model.complete(x, Tensor<>::ones({3}), rng), pf::ValueError);
    CHECK_NOTHROW(model.complete(x, Tensor<>{1, 1, 0}, rng));
  }
  const auto real = pf::nade(pf::GaussianMixtureConditional({.components = 2}), {.features = 3, .hidden = 5}, rng);
  for (const float size : {1e4f, 3e38f})
    for (float value : real.log_prob(Tensor<>({2, 3}, {size, -size, 0, 0, size, size}))) CHECK(std::isfinite(value));
}
