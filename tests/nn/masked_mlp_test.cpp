#include <pushforward/autodiff/functional.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/masked_mlp.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Activation;
using pf::FeatureOrder;
using pf::Index;
using pf::Tensor;

namespace {

constexpr Activation activations[] = {Activation::none,     Activation::relu, Activation::tanh, Activation::sigmoid,
                                      Activation::softplus, Activation::silu, Activation::gelu};

// Which outputs a network reacts to when an input changes a lot: [outputs, inputs], over several points.
Tensor<double> influence(const pf::MaskedMlp<double>& net, pf::Rng& rng) {
  const Index d = net.features(), out = net.outputs() * d;
  Tensor<double> total = Tensor<double>::zeros({out, d});
  for (int i = 0; i < 5; ++i)
    total =
        total + pf::abs(pf::jacobian([&](const Tensor<double>& x) { return net(x); }, pf::normal<double>({d}, rng)));
  return total;
}

template <class S>
double difference(const Tensor<S>& a, const Tensor<S>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (Index i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return worst;
}

}  // namespace

TEST_CASE("a masked layer is a dense layer with masked weights, in value and gradients, for masks of any kind") {
  pf::Rng rng(1);
  const std::pair<Index, Index> sizes[] = {{1, 1}, {3, 5}, {40, 70}, {130, 100}, {65, 33}};
  for (const auto& [out, in] : sizes)
    for (int kind = 0; kind < 5; ++kind) {
      const Tensor<double> coin = pf::bernoulli(Tensor<double>::full({out, in}, 0.3), rng);
      const Tensor<double> mask = Tensor<double>::generate({out, in}, [&, rows = out, columns = in](Index i) {
        const Index o = i / columns * columns, c = i % columns * rows;  // in the same units
        return kind == 0   ? 0.0
               : kind == 1 ? 1.0
               : kind == 2 ? coin.data()[i]
               : kind == 3 ? static_cast<double>(o >= c)
                           : static_cast<double>(o < c);
      });
      pf::MaskedLinear<double> layer(mask, rng);
      layer.weight = layer.weight.tensor() + pf::normal<double>({out, in}, rng);  // also where the mask is zero
      for (const Activation activation : activations) {
        const Tensor<double> x = pf::variable(pf::normal<double>({2, 9, in}, rng));
        const Tensor<double> g = pf::normal<double>({2, 9, out}, rng);
        const Tensor<double> y = layer(x, activation);
        const Tensor<double> expected = pf::linear(x, layer.weight * mask, layer.bias.tensor(), activation);
        CHECK(difference(y, expected) < 1e-12);
        const auto found = pf::gradient(pf::sum(y * g), {x, layer.weight.tensor(), layer.bias.tensor()});
        const auto wanted = pf::gradient(pf::sum(expected * g), {x, layer.weight.tensor(), layer.bias.tensor()});
        for (std::size_t k = 0; k < 3; ++k) CHECK(difference(found[k], wanted[k]) < 1e-11);
      }
    }
}

TEST_CASE("a masked layer takes a batch without rows") {
  pf::Rng rng(10);
  const pf::MaskedLinear<> layer(pf::tril(Tensor<>::ones({70, 70})), rng);
  const Tensor<> x = pf::variable(Tensor<>::zeros({0, 70})), y = layer(x, Activation::relu);
  CHECK(y.shape() == pf::Shape{0, 70});
  const auto g = pf::gradient(pf::sum(y), {x, layer.weight.tensor(), layer.bias.tensor()});
  CHECK(g[0].shape() == pf::Shape{0, 70});
  for (std::size_t k = 1; k < 3; ++k) CHECK(pf::abs(g[k]).sum() == 0);
}

TEST_CASE("masked layers have gradients of every order in inputs and weights") {
  pf::Rng rng(2);
  const Tensor<double> mask({3, 4}, {1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1});
  const pf::MaskedLinear<double> made(mask, rng);
  for (const Activation activation : {Activation::none, Activation::tanh, Activation::silu}) {
    auto f = [&](const Tensor<double>& x, const Tensor<double>& weight, const Tensor<double>& bias) {
      pf::MaskedLinear<double> layer = made;
      static_cast<Tensor<double>&>(layer.weight) = weight;
      static_cast<Tensor<double>&>(layer.bias) = bias;
      return layer(x, activation);
    };
    CHECK_NOTHROW(pf::testing::check_gradients(
        f, {pf::normal<double>({2, 4}, rng), pf::normal<double>({3, 4}, rng), pf::normal<double>({3}, rng)},
        {.order = 3}));
  }
}

TEST_CASE("masked weights start as zero, get no gradient, and do not count whatever they hold") {
  pf::Rng rng(3);
  const Tensor<> mask = pf::tril(Tensor<>::ones({40, 40}), -1);
  pf::MaskedLinear<> layer(mask, rng);
  const Tensor<> x = pf::normal({7, 40}, rng), before = layer(x);
  const auto g = pf::gradient(pf::sum(pf::square(before)), layer);
  for (Index i = 0; i < mask.size(); ++i) {
    CHECK((layer.weight.data()[i] != 0) == (mask.data()[i] != 0));
    CHECK((g[0].data()[i] != 0) == (mask.data()[i] != 0));
  }
  const float infinity = std::numeric_limits<float>::infinity();
  layer.weight = pf::where(mask, layer.weight.tensor(), infinity);
  CHECK(layer(x).to_vector() == before.to_vector());
}

TEST_CASE("outputs depend on exactly the features before theirs, for all widths, depths and orders") {
  pf::Rng rng(4);
  const std::vector<std::vector<Index>> hiddens = {{}, {17}, {40, 33}, {5, 64, 9}};
  for (const Index d : {1, 2, 3, 6})
    for (const Index outputs : {1, 3})
      for (const auto& hidden : hiddens)
        for (const FeatureOrder order : {FeatureOrder::natural, FeatureOrder::random}) {
          const pf::MaskedMlp<double> net(
              {.features = d, .outputs = outputs, .hidden = hidden, .activation = Activation::tanh, .order = order},
              rng);
          const Tensor<double> found = influence(net, rng);
          bool right = true;
          for (Index j = 0; j < outputs; ++j)
            for (Index p = 0; p < d; ++p)
              for (Index q = 0; q < d; ++q) right &= (found(j * d + net.feature(p), net.feature(q)) > 0) == (q < p);
          CHECK(right);
        }
}

TEST_CASE(
    "with fewer hidden units than features no output looks ahead, and the last one sees early and late features") {
  pf::Rng rng(5);
  const pf::MaskedMlp<double> net({.features = 9, .hidden = {4, 4}, .activation = Activation::tanh}, rng);
  const Tensor<double> found = influence(net, rng);
  for (Index p = 0; p < 9; ++p)
    for (Index q = p; q < 9; ++q) CHECK(found(p, q) == 0);
  CHECK(found(8, 0) > 0);
  CHECK(found(8, 6) > 0);
}

TEST_CASE("feature by feature, a network puts out what it does in one pass") {
  pf::Rng rng(6);
  const std::vector<std::vector<Index>> hiddens = {{}, {17}, {3}, {40, 33}, {5, 64, 9}};
  for (const Index d : {1, 2, 7})
    for (const auto& hidden : hiddens)
      for (const FeatureOrder order : {FeatureOrder::natural, FeatureOrder::random})
        for (const Activation activation : activations) {
          const pf::MaskedMlp<double> net(
              {.features = d, .outputs = 2, .hidden = hidden, .activation = activation, .order = order}, rng);
          const Tensor<double> x = pf::normal<double>({5, d}, rng), whole = net(x);
          auto steps = net.steps(5);
          double worst = 0;
          for (Index place = 0; place < d; ++place) {
            REQUIRE(steps.more());
            const Index i = steps.feature();
            const Tensor<double> y = steps.outputs();
            for (Index r = 0; r < 5; ++r)
              for (Index j = 0; j < 2; ++j) worst = std::max(worst, std::abs(y(r, j) - whole(r, j * d + i)));
            steps.set(x.data() + i, d);
          }
          CHECK_FALSE(steps.more());
          CHECK(worst < 1e-12);
        }
}

TEST_CASE("a masked network is a module; its order is saved, and its copies are independent") {
  pf::Rng rng(7);
  const pf::MaskedMlp<> net({.features = 5, .outputs = 2, .hidden = {16, 16}, .order = FeatureOrder::random}, rng);
  CHECK_NOTHROW(pf::testing::check_module(net, pf::normal({3, 5}, rng)));
  int orders = 0;
  pf::for_each_buffer<Index>(net, [&](const pf::Path& path, const pf::Buffer<Index>&) {
    CHECK(path.str() == "order");
    ++orders;
  });
  CHECK(orders == 1);
}

TEST_CASE("start_at sets what the network puts out before it has learned anything") {
  pf::Rng rng(8);
  for (const FeatureOrder order : {FeatureOrder::natural, FeatureOrder::random}) {
    pf::MaskedMlp<double> net({.features = 4, .outputs = 2, .hidden = {6}, .order = order}, rng);
    const Tensor<double> values = pf::normal<double>({2, 4}, rng);
    net.start_at(values);
    net.layers.back().weight = Tensor<double>::zeros(net.layers.back().weight.shape());
    CHECK(difference(net(pf::normal<double>({1, 4}, rng)), pf::reshape(values, {1, 8})) == 0);
    CHECK_THROWS_AS(net.start_at(Tensor<double>::zeros({4, 2})), pf::ShapeError);
  }
}

TEST_CASE("masked layers refuse what does not fit") {
  pf::Rng rng(9);
  CHECK_THROWS_AS(pf::MaskedLinear<>(Tensor<>::ones({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedLinear<>(Tensor<>::full({3, 2}, 0.5f), rng), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedLinear<>()(Tensor<>::ones({3, 2})), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedLinear<>(Tensor<>::ones({3, 2}), rng)(Tensor<>::ones({3, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::MaskedMlp<>({.features = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedMlp<>({.features = 2, .outputs = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedMlp<>({.features = 2, .hidden = {4, -1}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::MaskedMlp<>({.features = 2}, rng)(Tensor<>::ones({3, 3})), pf::ShapeError);
}
