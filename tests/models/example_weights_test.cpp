#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/contrastive_divergence.hpp>
#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/models/continuous_flow.hpp>
#include <pushforward/models/diffusion.hpp>
#include <pushforward/models/energy.hpp>
#include <pushforward/models/flow_matching.hpp>
#include <pushforward/models/gan.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/training/adversarial.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

const Tensor<double> weights{0.5, 2.0, 1.0, 0.25};

// `loss(over, rng)` of four examples is sum w v / sum w of the v that come out where one example has all the weight.
template <class Loss>
void check_weighted_mean(const char* name, const Loss& loss) {
  INFO(name);
  auto value = [&](const pf::ExampleMean& over) {
    pf::Rng rng(3);
    return static_cast<double>(loss(over, rng).item());
  };
  double weighted = 0, plain = 0;
  for (Index i = 0; i < 4; ++i) {
    const Tensor<double> alone = Tensor<double>::generate({4}, [&](Index j) { return i == j ? 1.0 : 1e-13; });
    const double v = value(pf::ExampleMean(alone));
    weighted += v * weights(i) / weights.sum();
    plain += v / 4;
  }
  CHECK(value({}) == Approx(plain).epsilon(1e-9));
  CHECK(value(pf::ExampleMean(weights)) == Approx(weighted).epsilon(1e-9));
  CHECK(std::abs(plain - weighted) > 1e-6 * std::abs(plain));
}

}  // namespace

TEST_CASE("losses of flow matching, diffusion, energy and continuous flows are weighted means of their examples") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({4, 2}, rng);
  const pf::FlowMatching matching(pf::TimeMlp<double>(2, {8}, rng), pf::Shape{2});
  check_weighted_mean("flow_matching", [&](const pf::ExampleMean& over, pf::Rng& r) {
    return pf::flow_matching()(matching, x, r, over);
  });
  const pf::Diffusion diffusion(pf::TimeMlp<double>(2, {8}, rng), 2, pf::cosine_path());
  check_weighted_mean("denoising", [&](const pf::ExampleMean& over, pf::Rng& r) {
    return pf::denoising({.weighting = pf::Weighting::simple})(diffusion, x, r, over);
  });
  const auto continuous =
      pf::continuous_flow<double>({.features = 2, .hidden = {6}}, rng, {.solver = pf::RungeKutta4{4}});
  check_weighted_mean("regularized_mle", [&](const pf::ExampleMean& over, pf::Rng& r) {
    return pf::regularized_mle({.kinetic = 0.3, .jacobian = 0.2})(continuous, x, r, over);
  });
  pf::EnergyModel energy(pf::Mlp<double>({2, 8, 1}, rng), {.features = 2, .chains = 8});
  energy.initialize(x);
  check_weighted_mean("contrastive_divergence", [&](const pf::ExampleMean& over, pf::Rng& r) {
    return pf::contrastive_divergence({.langevin = {.steps = 2}})(energy, x, r, over);
  });
  check_weighted_mean("persistent_contrastive_divergence", [&](const pf::ExampleMean& over, pf::Rng& r) {
    auto untouched = energy;  // the chains move
    return pf::persistent_contrastive_divergence({.langevin = {.steps = 2}})(untouched, x, r, over);
  });
}

TEST_CASE("a critic's losses are weighted means over real rows, penalties too") {
  pf::Rng rng(2);
  const Tensor<double> real = pf::normal<double>({4, 2}, rng), fake = pf::normal<double>({4, 2}, rng) * 2.0;
  const pf::Mlp<double> critic({2, 8, 1}, rng, {.activation = pf::Activation::tanh});
  const auto check = [&](const char* name, const auto& loss) {
    check_weighted_mean(
        name, [&](const pf::ExampleMean& over, pf::Rng& r) { return loss.critic_loss(critic, real, fake, r, over); });
  };
  check("NonSaturating", pf::NonSaturating{.r1 = 0.7});
  check("WassersteinGp", pf::WassersteinGp{.penalty = 3});
  check("Hinge", pf::Hinge{.r1 = 0.3});
}

TEST_CASE("fit trains all families on tuples with weights") {
  pf::Rng rng(4);
  const Tensor<> x = pf::normal({16, 2}, rng), w = pf::uniform({16}, rng) + 0.1f;
  const pf::FitOptions options{.epochs = 1, .batch_size = 8, .progress = pf::Progress::off};
  pf::FlowMatching matching(pf::TimeMlp<>(2, {8}, rng), pf::Shape{2});
  CHECK_NOTHROW(pf::fit(matching, std::tuple(x, w), pf::weighted(pf::flow_matching()), options, rng));
  pf::Diffusion diffusion(pf::TimeMlp<>(2, {8}, rng), 2, pf::cosine_path());
  CHECK_NOTHROW(pf::fit(diffusion, std::tuple(x, w), pf::weighted(pf::denoising()), options, rng));
  pf::EnergyModel energy(pf::Mlp<>({2, 8, 1}, rng), {.features = 2, .chains = 8});
  CHECK_NOTHROW(pf::fit(energy, std::tuple(x, w), pf::weighted(pf::persistent_contrastive_divergence()), options, rng));
}

TEST_CASE("rows of weight 0 do not reach the critic, and negative ones are refused") {
  pf::Rng rng(5);
  // Half of the rows are far away from all others: they would show in the first loss.
  const Tensor<> x = Tensor<>::generate({64, 2}, [](Index i) { return i < 64 ? 1e8f : static_cast<float>(i % 2); });
  const Tensor<> w = Tensor<>::generate({64}, [](Index i) { return i < 32 ? 0.0f : 1.0f; });
  pf::AdversarialFitOptions options{.epochs = 2, .batch_size = 64, .progress = pf::Progress::off};
  pf::Gan gan(pf::Mlp<>({2, 8, 2}, rng), 2);
  pf::Mlp<> critic({2, 8, 1}, rng);
  auto history = pf::fit_adversarial(gan, critic, std::tuple(x, w), pf::NonSaturating{}, options, rng);
  CHECK(history.critic_losses()[0] < 10);
  CHECK_THROWS_AS(pf::fit_adversarial(gan, critic, std::tuple(x, w * -1.0f), pf::Hinge{}, options, rng),
                  pf::ValueError);
}

TEST_CASE("weighted(mle) takes conditional densities: rows, conditions and weights") {
  pf::Rng rng(6);
  auto flow = pf::conditional_real_nvp<double>({.features = 2, .layers = 2, .hidden = {8}}, 1, rng);
  const Tensor<double> x = pf::normal<double>({4, 2}, rng), y = pf::normal<double>({4, 1}, rng);
  const Tensor<double> each = flow.log_prob(x, y);
  CHECK(pf::weighted(pf::mle)(flow, x, y, weights, rng).item() ==
        Approx(-pf::sum(each * weights).item() / weights.sum()).epsilon(1e-12));
}
