#include <pushforward/models/autoregressive/wave_net.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/checkpoint.hpp>
#include <pushforward/training/fit.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

template <class S>
Tensor<S> random_levels(const pf::Shape& shape, Index levels, pf::Rng& rng) {
  return Tensor<S>::generate(shape, [&](Index) { return static_cast<S>(rng.uniform_index(levels)); });
}

// Every sequence of t levels, [levels^t, t].
Tensor<double> all_sequences(Index levels, Index t) {
  Index count = 1;
  for (Index i = 0; i < t; ++i) count *= levels;
  return Tensor<double>::generate({count, t}, [=](Index i) {
    Index rest = i / t;
    for (Index place = 0; place < i % t; ++place) rest /= levels;
    return static_cast<double>(rest % levels);
  });
}

// Sizes that are no multiples of vectors, thin convolutions (few outputs for many inputs), more taps, one stack and
// more, and one that is worth two threads.
const pf::WaveNetOptions sizes[] = {
    {.levels = 5, .length = 9, .channels = 3, .gates = 5, .skip = 7, .layers = 3},
    {.levels = 4, .length = 12, .channels = 8, .gates = 2, .skip = 3, .layers = 2, .stacks = 2},
    {.levels = 3, .length = 11, .channels = 17, .layers = 2, .stacks = 2, .kernel = 3},
    {.levels = 16, .length = 10, .channels = 32, .layers = 6},
};

template <class S>
void expect_cached_bits(int threads) {
  const int before = pf::num_threads();
  pf::set_num_threads(threads);
  for (const pf::WaveNetOptions& options : sizes)
    for (const Index n : {Index{1}, Index{3}, options.channels == 32 ? Index{25} : Index{8}}) {
      pf::Rng rng(3);
      const auto model = support::stirred<S>(pf::wave_net<S>(options, rng), 1.5, 0.2, rng);
      const Tensor<S> x = random_levels<S>({n, options.length}, options.levels, rng);
      CHECK_NOTHROW(pf::testing::check_autoregressive(model, x, rng, {.gradients = false}));
    }
  pf::set_num_threads(before);
}

// All conditions at once.
const pf::WaveNetOptions conditioned{
    .levels = 6, .length = 9, .channels = 6, .gates = 5, .layers = 3, .classes = 3, .global = 2, .local = 4};

template <class S>
pf::WaveNetCondition<S> some_condition(Index n, Index t, pf::Rng& rng) {
  return {.labels = Tensor<Index>::generate({n}, [](Index i) { return i % 3; }),
          .global = pf::normal<S>({n, 2}, rng),
          .local = pf::normal<S>({n, 4, t}, rng)};
}

template <class S>
void expect_conditioned_bits() {
  pf::Rng rng(5);
  const auto model = support::stirred<S>(pf::wave_net<S>(conditioned, rng), 1.5, 0.2, rng);
  const pf::WaveNetCondition<S> condition = some_condition<S>(3, 9, rng);
  const Tensor<S> x = random_levels<S>({3, 9}, 6, rng), known = pf::bernoulli(Tensor<S>::full({3, 9}, S(0.5)), rng);
  const auto parameters = [&](const Tensor<S>& at) { return model.parameters(at, condition); };
  pf::Rng a(9), b(9);
  const Tensor<S> full = pf::full_completion(parameters, model.conditional(), x, known, a, {.temperature = 0.7});
  CHECK(model.complete(x, known, condition, b, {.temperature = 0.7}).to_vector() == full.to_vector());
  CHECK(a.state() == b.state());
  pf::testing::check_autoregressive(parameters, x, {.gradients = false});
}

// The formula, number by number: W h_(t - k d), tanh and sigmoid, sums of skips.
struct Reference {
  const pf::WaveNet<double>& model;
  const pf::WaveNetCondition<double>& condition;
  Index row;

  // (weight [out, in, 1] x + bias)_o.
  static double product(const pf::Conv1d<double>& layer, Index o, const std::vector<double>& x) {
    double sum = layer.bias.empty() ? 0.0 : layer.bias(o);
    for (std::size_t i = 0; i < x.size(); ++i) sum += layer.weight(o, static_cast<Index>(i), Index{0}) * x[i];
    return sum;
  }
  static std::vector<double> apply(const pf::Conv1d<double>& layer, const std::vector<double>& x) {
    std::vector<double> y;
    for (Index o = 0; o < layer.weight.size(0); ++o) y.push_back(product(layer, o, x));
    return y;
  }

  double filter(const pf::WaveNetBlock<double>& block, const std::vector<std::vector<double>>& h, Index t,
                Index o) const {
    double z = block.dilated.bias(o);
    const Index k = block.dilated.weight.size(2), d = block.dilated.options.dilation;
    for (Index tap = 0; tap < k; ++tap)
      for (Index c = 0, at = t - (k - 1 - tap) * d; at >= 0 && c < block.dilated.weight.size(1); ++c)
        z += block.dilated.weight(o, c, tap) * h[static_cast<std::size_t>(at)][static_cast<std::size_t>(c)];
    z += block.global(o, condition.labels(row));
    for (Index i = 0; i < 2; ++i) z += block.global(o, 3 + i) * condition.global(row, i);
    for (Index c = 0; c < 4; ++c) z += block.local(o, c, Index{0}) * condition.local(row, c, t);
    return z;
  }

  // [t][parameters].
  std::vector<std::vector<double>> operator()(const Tensor<double>& x) const {
    const auto& layers = model.layers();
    std::vector<std::vector<double>> h, total, result;
    for (Index t = 0; t < x.size(1); ++t) {
      const Index level = t == 0 ? layers.levels.weight.size(0) - 1 : static_cast<Index>(x(row, t - 1));
      h.emplace_back();
      for (Index c = 0; c < layers.levels.weight.size(1); ++c) h.back().push_back(layers.levels.weight(level, c));
    }
    total.assign(h.size(), std::vector<double>(static_cast<std::size_t>(layers.head.weight.size(1)), 0.0));
    for (const auto& block : layers.blocks) {
      auto next = h;
      for (std::size_t t = 0; t < h.size(); ++t) {
        std::vector<double> z;
        const Index gates = block.skip.weight.size(1);
        for (Index o = 0; o < gates; ++o)
          z.push_back(std::tanh(filter(block, h, static_cast<Index>(t), o)) /
                      (1 + std::exp(-filter(block, h, static_cast<Index>(t), gates + o))));
        const std::vector<double> skip = apply(block.skip, z);
        for (std::size_t i = 0; i < skip.size(); ++i) total[t][i] += skip[i];
        if (block.residual.weight.empty()) continue;
        const std::vector<double> more = apply(block.residual, z);
        for (std::size_t i = 0; i < more.size(); ++i) next[t][i] += more[i];
      }
      h = next;
    }
    for (std::vector<double>& now : total) {
      for (double& v : now) v = std::max(v, 0.0);
      std::vector<double> head = apply(layers.head, now);
      for (double& v : head) v = std::max(v, 0.0);
      result.push_back(apply(layers.outputs, head));
    }
    return result;
  }
};

}  // namespace

TEST_CASE("a WaveNet draws the same bits from its rings as by whole passes, in float and double, on 1 and 2 threads") {
  expect_cached_bits<float>(1);
  expect_cached_bits<float>(2);
  expect_cached_bits<double>(1);
  expect_cached_bits<double>(2);
}

TEST_CASE("so does a WaveNet with labels, a vector and a sequence to condition on") {
  expect_conditioned_bits<float>();
  expect_conditioned_bits<double>();
}

TEST_CASE("a WaveNet over real numbers is an autoregressive model, too, and sees all of its past") {
  pf::Rng rng(7);
  auto model = support::stirred<double>(pf::wave_net<double>(pf::GaussianMixtureConditional({.components = 2}),
                                                             {.length = 7, .channels = 4, .layers = 3}, rng),
                                        1.5, 0.2, rng);
  const Tensor<double> x = pf::normal<double>({3, 7}, rng) * 3.0 + 1.0;
  model.initialize(x);
  support::stir<double>(model, 1, 0.2, rng);
  pf::testing::check_autoregressive(model, x, rng, {.whole_past = true});
  const auto single = support::stirred<float>(
      pf::wave_net(pf::GaussianMixtureConditional({.components = 2}), {.length = 7, .channels = 4, .layers = 3}, rng),
      1.5, 0.2, rng);
  pf::testing::check_autoregressive(single, pf::normal({2, 7}, rng), rng, {.draw = {.temperature = 0.5}});
}

TEST_CASE("the parameters of a WaveNet are those of its formula") {
  pf::Rng rng(11);
  const auto model = support::stirred<double>(pf::wave_net<double>(conditioned, rng), 1, 0.3, rng);
  const pf::WaveNetCondition<double> condition = some_condition<double>(2, 9, rng);
  const Tensor<double> x = random_levels<double>({2, 9}, 6, rng), p = model.parameters(x, condition);
  REQUIRE(p.shape() == pf::Shape{2, 6, 9});
  for (Index row = 0; row < 2; ++row) {
    const auto expected = Reference{model, condition, row}(x);
    for (Index t = 0; t < 9; ++t)
      for (Index k = 0; k < 6; ++k)
        CHECK(p(row, k, t) == Approx(expected[static_cast<std::size_t>(t)][static_cast<std::size_t>(k)]).margin(1e-12));
  }
}

TEST_CASE("the probabilities that a WaveNet gives to all sequences add up to one, for each label") {
  pf::Rng rng(13);
  const auto model = support::stirred<double>(
      pf::wave_net<double>({.levels = 3, .channels = 4, .layers = 2, .classes = 2}, rng), 1.5, 0.3, rng);
  const Tensor<double> x = all_sequences(3, 4);
  std::vector<double> first;
  for (Index label = 0; label < 2; ++label) {
    const Tensor<double> p = pf::exp(model.log_prob(x, Tensor<Index>::full({x.size(0)}, label)));
    CHECK(p.sum() == Approx(1).epsilon(1e-12));
    first.push_back(p(Index{0}));
  }
  CHECK(std::abs(first[0] - first[1]) > 1e-3 * first[0]);
}

TEST_CASE("draws of a WaveNet have the frequencies that it gives to sequences") {
  pf::Rng rng(17);
  const auto model = support::stirred<double>(
      pf::wave_net<double>({.levels = 2, .length = 3, .channels = 4, .layers = 2}, rng), 1.5, 0.3, rng);
  const Tensor<double> p = pf::exp(model.log_prob(all_sequences(2, 3)));
  constexpr Index n = 4000;
  const Tensor<double> drawn = model.sample(n, rng);
  std::vector<double> counts(8, 0.0);
  for (Index i = 0; i < n; ++i) counts[static_cast<std::size_t>(drawn(i, 0) + 2 * drawn(i, 1) + 4 * drawn(i, 2))] += 1;
  for (Index k = 0; k < 8; ++k) {  // each a binomial number: five standard deviations
    const double mean = n * p(k), deviation = std::sqrt(mean * (1 - p(k)));
    CHECK(std::abs(counts[static_cast<std::size_t>(k)] - mean) < 5 * deviation);
  }
}

TEST_CASE("a WaveNet sees as far back as its receptive field says, and no further") {
  pf::Rng rng(19);
  for (const auto& [layers, stacks, kernel] : {std::array<Index, 3>{3, 1, 2}, {2, 2, 2}, {2, 1, 3}}) {
    const auto model = support::stirred<double>(
        pf::wave_net<double>({.levels = 4, .channels = 4, .layers = layers, .stacks = stacks, .kernel = kernel}, rng),
        1.5, 0.3, rng);
    const Index field = model.receptive_field(), t = field + 3;
    CHECK(field == 1 + stacks * (kernel - 1) * ((Index{1} << layers) - 1));
    const Tensor<double> x = random_levels<double>({1, t}, 4, rng), before = model.parameters(x);
    const auto last_changes = [&](Index place) {
      const Tensor<double> other =
          Tensor<double>::generate(x.shape(), [&](Index i) { return i == place ? 3 - x.data()[i] : x.data()[i]; });
      return !(model.parameters(other)(0, 0, t - 1) == before(0, 0, t - 1));
    };
    CHECK(last_changes(t - 1 - field));
    CHECK_FALSE(last_changes(t - 2 - field));
  }
}

TEST_CASE("a given beginning goes on: what is known stays, and nothing before it changes") {
  pf::Rng rng(23);
  const auto model =
      support::stirred<float>(pf::wave_net({.levels = 8, .channels = 8, .layers = 3}, rng), 1.5, 0.2, rng);
  const Tensor<> x = random_levels<float>({2, 20}, 8, rng);
  const Tensor<> known = Tensor<>::generate({20}, [](Index i) { return i < 12 ? 1.0f : 0.0f; });
  const Tensor<> y = model.complete(x, known, rng);
  CHECK(pf::slice(y, 1, 0, 12).to_vector() == pf::slice(x, 1, 0, 12).to_vector());
  CHECK(pf::slice(y, 1, 12, 20).to_vector() != pf::slice(x, 1, 12, 20).to_vector());
  CHECK(y.max() < 8);
}

TEST_CASE("steps give the parameters of one number after the other") {
  pf::Rng rng(29);
  const auto model =
      support::stirred<float>(pf::wave_net({.levels = 8, .channels = 8, .layers = 3}, rng), 1.5, 0.2, rng);
  const Tensor<> x = random_levels<float>({2, 10}, 8, rng), all = model.parameters(x);
  auto steps = model.steps(2);
  for (Index t = 0; t < 10; ++t) {
    CHECK(steps.time() == t);
    const std::vector<float> expected = pf::squeeze(pf::slice(all, 2, t, t + 1), 2).to_vector();
    if (t != 4) CHECK(steps.outputs().to_vector() == expected);  // they need not be asked for
    if (t == 5) CHECK(steps.outputs().to_vector() == expected);  // and may be asked for twice
    const float now[] = {x(0, t), x(1, t)};
    steps.set(now);
  }
  const float wrong[] = {0, 8};
  CHECK_THROWS_AS(steps.set(wrong), pf::ValueError);
}

TEST_CASE("gradients of the gate and of a WaveNet are those of differences, to second order") {
  pf::Rng rng(31);
  pf::testing::check_gradients([](const Tensor<double>& z) { return pf::sum(pf::detail::gated(z)); },
                               pf::normal<double>({2, 6, 3}, rng), {.order = 2});
  const auto model = support::stirred<double>(
      pf::wave_net<double>(pf::GaussianMixtureConditional({.components = 2}), {.channels = 3, .layers = 2}, rng), 1.5,
      0.2, rng);
  pf::testing::check_gradients([&](const Tensor<double>& x) { return pf::mean(model.log_prob(x)); },
                               pf::normal<double>({2, 4}, rng), {.order = 2});
  const auto levels = support::stirred<double>(pf::wave_net<double>(conditioned, rng), 1, 0.2, rng);
  pf::testing::check_module(
      levels, [&, condition = some_condition<double>(2, 5, rng), x = random_levels<double>({2, 5}, 6, rng)](
                  const auto& m) { return pf::mean(m.log_prob(x, condition)); });
}

TEST_CASE("a WaveNet starts at the marginal distribution and learns what follows what") {
  pf::Rng rng(37);
  // Each level follows the one before it, or with probability 0.1 any: the entropy rate is known.
  constexpr Index levels = 8, t = 32;
  const Tensor<> x = Tensor<>::build({256, t}, [&](float* out) {
    for (Index i = 0; i < 256 * t; ++i)
      out[i] = i % t == 0 || rng.uniform() < 0.1 ? static_cast<float>(rng.uniform_index(levels))
                                                 : static_cast<float>((static_cast<Index>(out[i - 1]) + 1) % levels);
  });
  auto model = pf::wave_net({.levels = levels, .channels = 12, .layers = 3}, rng);
  model.initialize(x);
  CHECK(-pf::mean(model.log_prob(x)).item() / t == Approx(std::log(levels)).epsilon(0.01));
  pf::fit(
      model, x, pf::mle,
      {.epochs = 12, .batch_size = 32, .optimizer = pf::Adam({.learning_rate = 1e-2}), .progress = pf::Progress::off},
      rng);
  const double stay = 0.9 + 0.1 / levels;
  const double rate = -stay * std::log(stay) - (1 - stay) * std::log(0.1 / levels);
  const double nats = -static_cast<double>(pf::mean(model.log_prob(x)).item()) / t;
  CHECK(nats < rate + 0.15);
  CHECK(nats > rate - 0.1);
}

TEST_CASE("a WaveNet comes back from a file, and a copy of it is its own") {
  pf::Rng rng(43);
  const Scratch scratch;
  const auto model = support::stirred<float>(pf::wave_net(conditioned, rng), 1, 0.2, rng);
  const pf::WaveNetCondition<> condition = some_condition<float>(2, 9, rng);
  const Tensor<> x = random_levels<float>({2, 9}, 6, rng);
  pf::save(model, scratch / "model.safetensors");
  auto other = pf::wave_net(conditioned, rng);
  CHECK(other.log_prob(x, condition).to_vector() != model.log_prob(x, condition).to_vector());
  pf::load(other, scratch / "model.safetensors");
  CHECK(other.log_prob(x, condition).to_vector() == model.log_prob(x, condition).to_vector());
  auto copy = model;
  support::stir<float>(copy, 1, 0.2, rng);
  CHECK(other.log_prob(x, condition).to_vector() == model.log_prob(x, condition).to_vector());
}

TEST_CASE("a WaveNet trains on sequences with a sequence beside each, and says how likely each class is") {
  pf::Rng rng(47);
  auto follower = pf::wave_net({.levels = 4, .length = 6, .channels = 6, .layers = 2, .local = 2}, rng);
  const Tensor<> x = random_levels<float>({8, 6}, 4, rng), beside = pf::normal({8, 2, 6}, rng);
  const auto scores = [&] { return follower.log_prob(x, {.local = beside}).to_vector(); };
  CHECK(follower.log_prob(x, beside).to_vector() == scores());
  CHECK(follower.parameters(x, beside).to_vector() == follower.parameters(x, {.local = beside}).to_vector());
  const double before = pf::mle(follower, x, beside).item();
  pf::fit(
      follower, std::tuple(x, beside), pf::mle,
      {.epochs = 20, .batch_size = 4, .optimizer = pf::Adam({.learning_rate = 1e-2}), .progress = pf::Progress::off},
      rng);
  CHECK(pf::mle(follower, x, beside).item() < before);
  pf::Rng a(1), b(1);
  CHECK(follower.sample(beside, a).to_vector() == follower.sample({.local = beside}, b).to_vector());
  const Tensor<> known = Tensor<>::full({1}, 0.0f);
  CHECK(follower.complete(x, known, beside, a).to_vector() ==
        follower.complete(x, known, {.local = beside}, b).to_vector());
  const auto one = pf::wave_net({.levels = 4, .channels = 4, .layers = 1, .global = 3}, rng);
  const Tensor<> vector = pf::normal({8, 3}, rng);
  CHECK(one.log_prob(x, vector).to_vector() == one.log_prob(x, {.global = vector}).to_vector());

  const auto classes = support::stirred<double>(
      pf::wave_net<double>({.levels = 4, .channels = 4, .layers = 2, .classes = 3, .local = 2}, rng), 1.5, 0.3, rng);
  const Tensor<double> y = pf::cast<double>(x), along = pf::cast<double>(beside);
  CHECK(classes.classes() == 3);
  const Tensor<double> each = classes.log_prob_by_class(y, {.local = along});
  REQUIRE(each.shape() == pf::Shape{8, 3});
  for (Index label = 0; label < 3; ++label)
    CHECK(pf::squeeze(pf::slice(each, 1, label, label + 1), 1).to_vector() ==
          classes.log_prob(y, {.labels = Tensor<Index>::full({8}, label), .local = along}).to_vector());
}

TEST_CASE("a WaveNet refuses known numbers that are none before it draws") {
  pf::Rng rng(53);
  const float nan = std::nanf("");
  const auto levels = pf::wave_net({.levels = 4, .channels = 2, .layers = 1}, rng);
  const auto numbers =
      pf::wave_net(pf::GaussianMixtureConditional({.components = 2}), {.channels = 2, .layers = 1}, rng);
  const auto refuse = [&](const auto& model, float last) {
    const auto before = rng.state();
    CHECK_THROWS_AS(model.complete(Tensor<>({1, 3}, {0, 1, last}), Tensor<>{0, 0, 1}, rng), pf::ValueError);
    CHECK(rng.state() == before);
    CHECK_NOTHROW(model.complete(Tensor<>({1, 3}, {0, 1, last}), Tensor<>{0, 1, 0}, rng));
  };
  refuse(levels, 4);
  refuse(levels, nan);
  refuse(numbers, nan);
  // Numbers beyond all whole ones are no levels, and are seen as large ones.
  CHECK_NOTHROW(numbers.complete(Tensor<>({1, 3}, {1e30f, -1e30f, 0}), Tensor<>{1, 1, 0}, rng));
  auto steps = numbers.steps(1);
  CHECK_THROWS_AS(steps.set(&nan), pf::ValueError);
  CHECK(steps.time() == 0);
  CHECK(levels.log_prob(Tensor<>::zeros({0, 3})).shape() == pf::Shape{0});
}

TEST_CASE("a WaveNet says what is wrong with options, levels and conditions") {
  pf::Rng rng(41);
  const auto build = [&](const pf::WaveNetOptions& options) { return pf::wave_net(options, rng); };
  CHECK_THROWS_AS(build({.levels = 1}), pf::ValueError);
  CHECK_THROWS_AS(build({.channels = 0}), pf::ValueError);
  CHECK_THROWS_AS(build({.layers = 0}), pf::ValueError);
  CHECK_THROWS_AS(build({.layers = 40}), pf::ValueError);
  CHECK_THROWS_AS(build({.stacks = 0}), pf::ValueError);
  CHECK_THROWS_AS(build({.kernel = 1}), pf::ValueError);
  CHECK_THROWS_AS(build({.classes = -1}), pf::ValueError);

  const auto plain = build({.levels = 4, .channels = 2, .layers = 1});
  CHECK_THROWS_AS(plain.log_prob(Tensor<>({1, 2}, {0, 4})), pf::ValueError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>({1, 2}, {-1, 0})), pf::ValueError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>({1, 2}, {0.5f, 0})), pf::ValueError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>({1, 2}, {std::nanf(""), 0})), pf::ValueError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>::zeros({1, 1, 2})), pf::ShapeError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>::zeros({1, 0})), pf::ShapeError);
  CHECK_THROWS_AS(plain.log_prob(Tensor<>::zeros({2, 3}), Tensor<Index>{0, 0}), pf::ValueError);
  CHECK_THROWS_AS(plain.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(plain.complete(Tensor<>({1, 2}, {9, 0}), Tensor<>::ones({1, 2}), rng), pf::ValueError);
  CHECK(plain.sample(0, rng).shape() == pf::Shape{0, 1000});

  const auto given = build({.levels = 4, .channels = 2, .layers = 1, .classes = 2, .local = 3});
  const Tensor<> x = Tensor<>::zeros({2, 5}), local = Tensor<>::zeros({2, 3, 5});
  CHECK_NOTHROW(given.log_prob(x, {.labels = {0, 1}, .local = local}));
  CHECK_THROWS_AS(given.log_prob(x), pf::ValueError);
  CHECK_THROWS_AS(given.sample(2, rng), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob(x, Tensor<Index>{0, 1}), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob(x, local), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob_by_class(x), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob_by_class(x, {.labels = {0, 1}, .local = local}), pf::ValueError);
  CHECK_THROWS_AS(plain.log_prob_by_class(x), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob(x, {.labels = {0, 2}, .local = local}), pf::ValueError);
  CHECK_THROWS_AS(given.log_prob(x, {.labels = {0}, .local = local}), pf::ShapeError);
  CHECK_THROWS_AS(given.log_prob(x, {.labels = {0, 1}, .local = Tensor<>::zeros({2, 3, 4})}), pf::ShapeError);
  CHECK_THROWS_AS(given.log_prob(x, {.labels = {0, 1}, .global = Tensor<>::zeros({2, 1}), .local = local}),
                  pf::ValueError);
  CHECK(given.sample({.labels = {0, 1}, .local = local}, rng).shape() == pf::Shape{2, 5});
  auto steps = given.steps(2, {.labels = {0, 1}, .local = Tensor<>::zeros({2, 3, 1})});
  const float now[] = {0, 1};
  steps.set(now);
  CHECK_THROWS_AS(steps.outputs(), pf::IndexError);
}
