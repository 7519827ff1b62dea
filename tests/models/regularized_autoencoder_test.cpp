#include <pushforward/models/heads.hpp>
#include <pushforward/models/regularized_autoencoder.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// A decoder of fixed standard deviation 0.1.
template <class Net>
struct Sharp {
  using Scalar = pf::detail::scalar_of<Net>;
  Net net;
  pf::Normal<Scalar> operator()(const Tensor<Scalar>& z) const { return {net(z), Tensor<Scalar>{Scalar(0.1)}}; }
  static void members(auto& self, auto&& visit) { visit("net", self.net); }
};
template <class Net>
Sharp<Net> sharp(Net net) {
  return {std::move(net)};
}

}  // namespace

TEST_CASE("rae is the reconstruction, the codes' length and the decoder's penalty") {
  pf::Rng rng(1);
  const pf::RegularizedAutoencoder model(pf::Mlp<double>({3, 2}, rng), sharp(pf::Mlp<double>({2, 3}, rng)));
  const Tensor<double> x = pf::normal<double>({6, 3}, rng), z = model.encode(x);
  const double plain = -pf::mean(model.decode(z).log_prob(x)).item();
  CHECK(pf::rae({.beta = 0, .lambda = 0})(model, x, rng).item() == Approx(plain).epsilon(1e-12));
  CHECK(pf::rae({.beta = 2, .lambda = 0})(model, x, rng).item() ==
        Approx(plain + pf::mean(pf::sum(pf::square(z), 1)).item()).epsilon(1e-12));
  const auto& layer = model.decoder().net.layers[0];
  const double weight = pf::sum(pf::square(layer.weight)).item(), bias = pf::sum(pf::square(layer.bias)).item();
  CHECK(pf::rae({.beta = 0, .lambda = 3})(model, x, rng).item() ==
        Approx(plain + 1.5 * (weight + bias)).epsilon(1e-12));
  // The slope of a linear decoder is its weight; |W^T v|^2 has that mean, here of 2000 times 6 directions.
  double total = 0;
  const pf::RaeOptions slope{.beta = 0, .lambda = 1, .penalty = pf::DecoderPenalty::slope};
  for (int i = 0; i < 2000; ++i) total += (pf::rae(slope)(model, x, rng).item() - plain) / 2000;
  CHECK(total == Approx(0.5 * weight).epsilon(0.05));
  CHECK_THROWS_AS(pf::rae({.beta = -1})(model, x, rng), pf::ValueError);
  // The penalty of the slope is differentiated with the rest.
  CHECK_NOTHROW(pf::testing::check_module(model, [&](const auto& m) {
    pf::Rng noise(2);
    return pf::rae(slope)(m, x, noise);
  }));
}

TEST_CASE("a regularized autoencoder draws through the density of its codes, close to the data") {
  pf::Rng rng(3);
  const Index n = 800;
  const Tensor<> centers({4, 3}, {2.0f, 0, 1.0f, -2.0f, 0, 1.0f, 0, 2.0f, -1.0f, 0, -2.0f, -1.0f});
  const Tensor<Index> which = Tensor<Index>::generate({n}, [](Index i) { return i % 4; });
  const Tensor<> x = pf::index_select(centers, 0, which) + 0.15 * pf::normal({n, 3}, rng);
  pf::RegularizedAutoencoder model(pf::Mlp({3, 32, 2}, rng), sharp(pf::Mlp({2, 32, 3}, rng)));
  CHECK_THROWS_AS(model.sample(3, rng), pf::ValueError);
  pf::fit(model, x, pf::rae({.beta = 1e-2, .lambda = 1e-4}),
          {.epochs = 100,
           .batch_size = 100,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  CHECK(pf::sqrt(pf::mean(pf::square(model.reconstruct(x) - x))).item() < 0.15f);  // two of three numbers are kept
  const auto steps = model.fit_codes(x, {.components = 4, .starts = 3}, rng);
  CHECK(steps.size() > 1);
  const Tensor<> drawn = model.sample(1000, rng);
  REQUIRE(drawn.shape() == pf::Shape{1000, 3});
  auto share_near = [&](const Tensor<>& points) {  // of points within 4 standard deviations of a center
    const Tensor<> apart = pf::unsqueeze(points, 1) - centers;
    return pf::mean(pf::min(pf::sum(pf::square(apart), 2), 1) < 0.6 * 0.6).item();
  };
  const Tensor<> by_chance =
      model.decode(pf::mean(model.encode(x), 0) + pf::sqrt(pf::var(model.encode(x), 0)) * pf::normal({1000, 2}, rng))
          .mean();
  CHECK(share_near(drawn) > 0.95f);
  CHECK(share_near(by_chance) < 0.8f);  // one normal over all codes
  for (Index c = 0; c < 4; ++c) {       // every cluster is drawn as often as it occurs
    const Tensor<> apart = drawn - pf::select(centers, 0, c);
    CHECK(pf::mean(pf::sum(pf::square(apart), 1) < 0.36).item() == Approx(0.25).margin(0.07));
  }
}

TEST_CASE("a density of codes does not outlive the encoder that it was fitted to") {
  pf::Rng rng(31);
  pf::RegularizedAutoencoder model(pf::Linear<>(3, 2, rng), pf::BernoulliHead(pf::Linear<>(2, 3, rng)));
  const Tensor<> x = pf::normal({60, 3}, rng);
  model.fit_codes(x, {.components = 2}, rng);
  const auto copy = model;
  pf::for_each_parameter(model, [&](const pf::Path&, pf::Parameter<>& p) { p = p.tensor() * 2; });
  CHECK_THROWS_AS(model.sample(2, rng), pf::ValueError);
  CHECK(copy.sample(2, rng).shape() == pf::Shape{2, 3});
  model.fit_codes(x, {.components = 2}, rng);
  CHECK_NOTHROW(model.sample(2, rng));
}
