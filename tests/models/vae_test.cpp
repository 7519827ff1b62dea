#include <pushforward/models/flow.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

auto small_vae(pf::Rng& rng) {
  return pf::Vae(pf::GaussianHead(pf::Mlp({12, 16, 2 * 2}, rng)), pf::BernoulliHead(pf::Mlp({2, 16, 12}, rng)), 2);
}

}  // namespace

TEST_CASE("a Vae encodes, decodes, draws and reconstructs in the shapes of its data") {
  pf::Rng rng(1);
  const auto vae = small_vae(rng);
  const Tensor<> x = pf::bernoulli(Tensor<>::full({5, 12}, 0.3f), rng);
  CHECK(vae.encode(x).shape() == pf::Shape{5, 2});
  CHECK(vae.decode(Tensor<>::zeros({7, 5, 2})).shape() == pf::Shape{7, 5, 12});
  CHECK(vae.elbo(x, rng).shape() == pf::Shape{5});
  const Tensor<> drawn = vae.sample(4, rng);
  REQUIRE(drawn.shape() == pf::Shape{4, 12});
  for (float value : drawn) CHECK((value == 0.0f || value == 1.0f));
  CHECK(vae.reconstruct(x).shape() == x.shape());
  static_assert(pf::LatentVariableModel<decltype(vae)>);
}

TEST_CASE("the gradient of the bound reaches every parameter of encoder, decoder and prior") {
  pf::Rng rng(2);
  const auto vae = pf::Vae(pf::GaussianHead(pf::Mlp({12, 16, 8}, rng)), pf::BernoulliHead(pf::Mlp({4, 16, 12}, rng)),
                           pf::real_nvp({.features = 4, .layers = 2, .hidden = {8}}, rng));
  const Tensor<> x = pf::bernoulli(Tensor<>::full({5, 12}, 0.3f), rng);
  for (const Tensor<>& loss : {pf::elbo()(vae, x, rng), pf::iwae({.particles = 3})(vae, x, rng)}) {
    const auto gradients = pf::gradient(loss, vae);
    CHECK(gradients.size() == 4 + 4 + 2 * 4);
    for (const auto& g : gradients) CHECK(pf::sum(pf::abs(g)).item() > 0.0f);
  }
}

TEST_CASE("gradient steps on the bound teach a Vae which bits go together") {
  pf::Rng rng(3);
  auto vae = small_vae(rng);
  // Two patterns, one bit of information: log-likelihood -log 2 at best, -12 log 2 for independent bits.
  auto draw = [&](Index n) {
    const Tensor<> which = pf::bernoulli(Tensor<>::full({n, 1}, 0.5f), rng);
    return pf::concat({pf::expand(which, {n, 6}), pf::expand(1 - which, {n, 6})}, 1);
  };
  for (int step = 0; step < 1500; ++step) {
    const auto gradients = pf::gradient(pf::elbo()(vae, draw(64), rng), vae);
    std::size_t i = 0;
    pf::for_each_parameter(
        vae, [&](const pf::Path&, pf::Parameter<>& p) { p = pf::stop_gradient(p.tensor()) - 0.05 * gradients[i++]; });
  }
  const Tensor<> test = draw(64);
  const double bound = vae.elbo(test, rng).mean(),
               nats = pf::importance_log_likelihood(vae, test, {.particles = 200}, rng).mean();
  CHECK(bound > -2.0);
  CHECK(nats >= bound - 0.02);
  CHECK(nats < -std::log(2.0) + 0.05);
}

TEST_CASE("the importance estimate does not depend on how many images come at once") {
  pf::Rng rng(4);
  const auto vae = small_vae(rng);
  const Tensor<> x = pf::bernoulli(Tensor<>::full({230, 12}, 0.3f), rng);
  const Tensor<> whole = pf::importance_log_likelihood(vae, x, {.particles = 400}, rng);
  const Tensor<> part =
      pf::importance_log_likelihood(vae, pf::slice(x, 0, 200, 230), {.particles = 400, .batch = 64}, rng);
  REQUIRE(whole.shape() == pf::Shape{230});
  CHECK_FALSE(whole.tracked());
  CHECK(pf::slice(whole, 0, 200, 230).mean() == Approx(part.mean()).margin(0.05));
  CHECK(pf::importance_log_likelihood(vae, Tensor<>::zeros({0, 12}), {.particles = 3}, rng).shape() == pf::Shape{0});
  CHECK_THROWS_AS(pf::importance_log_likelihood(vae, Tensor<>::zeros({12}), {.particles = 3}, rng), pf::ShapeError);
}

TEST_CASE("the heads split and bound what a network puts out") {
  pf::Rng rng(5);
  pf::Mlp<> net({1, 4}, rng);
  net.layers[0].weight = Tensor<>::zeros({4, 1});
  net.layers[0].bias = Tensor<>{1.0f, 2.0f, std::log(4.0f), 1e30f};
  const pf::Normal<> q = pf::GaussianHead(net)(Tensor<>::zeros({3, 1}));
  CHECK(q.mean()(0, 1) == 2.0f);
  CHECK(q.std()(0, 0) == Approx(2.0));
  CHECK(std::isfinite(q.std()(0, 1)));
  CHECK_THROWS_AS(pf::GaussianHead(pf::Mlp<>({1, 3}, rng))(Tensor<>::zeros({3, 1})), pf::ShapeError);
}

TEST_CASE("a Vae of doubles, with a Gaussian decoder") {
  pf::Rng rng(6);
  const auto vae =
      pf::Vae(pf::GaussianHead(pf::Mlp<double>({3, 8, 4}, rng)), pf::GaussianHead(pf::Mlp<double>({2, 8, 6}, rng)), 2);
  CHECK(vae.elbo(pf::normal<double>({4, 3}, rng), rng, {.samples = 2}).shape() == pf::Shape{4});
  CHECK(vae.sample(5, rng).shape() == pf::Shape{5, 3});
}

TEST_CASE("codes, priors and networks of different sizes are refused") {
  pf::Rng rng(33);
  const Tensor<> x = pf::normal({5, 3}, rng);
  const pf::GaussianHead encoder(pf::Linear<>(3, 8, rng)), decoder(pf::Linear<>(4, 6, rng));  // codes of four numbers
  CHECK_THROWS_AS(pf::Vae(encoder, decoder, 0), pf::ValueError);
  const auto narrow = pf::Vae(encoder, decoder, 1);  // a prior of one number would serve all four
  CHECK_THROWS_AS(pf::elbo()(narrow, x, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::elbo({.analytic_kl = false})(narrow, x, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::iwae({.particles = 3})(narrow, x, rng), pf::ShapeError);
  const auto good = pf::Vae(encoder, decoder, 4);
  CHECK_NOTHROW(pf::elbo()(good, x, rng));
  CHECK_THROWS_AS(pf::elbo({.beta = -1})(good, x, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::elbo()(good, Tensor<>::zeros({0, 3}), rng), pf::ShapeError);
  const pf::GaussianHead odd(pf::Linear<>(3, 5, rng));
  CHECK_THROWS_AS(odd(x), pf::ShapeError);
}
