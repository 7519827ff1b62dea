// fit_adversarial(): it is the loop that it replaces, it covers modes, and it refuses what cannot be trained.
#include <cmath>
#include <csignal>
#include <vector>

#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/metrics/samples.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/gan.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/training/adversarial.hpp>
#include <pushforward/training/factor_vae.hpp>

#include "support/catch.hpp"
#include "support/spectral_norms.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

using Generator = pf::Gan<pf::Mlp<>, pf::Normal<>>;

Tensor<> samples(Index n) {
  pf::Rng rng(5);
  return pf::data::eight_gaussians(n, rng);
}

pf::AdversarialFitOptions quiet(pf::AdversarialFitOptions options) {
  options.progress = pf::Progress::off;
  return options;
}

template <class M>
std::vector<float> numbers(const M& model) {
  std::vector<float> all;
  pf::for_each_parameter(model,
                         [&](const pf::Path&, const pf::Parameter<>& p) { all.insert(all.end(), p.begin(), p.end()); });
  return all;
}

// A loss of one's own: least squares (Mao et al. 2017).
struct LeastSquares {
  template <class C>
  Tensor<> critic_loss(const C& critic, const Tensor<>& real, const Tensor<>& fake, pf::Rng&) const {
    return pf::mean(pf::square(critic(real) - 1)) + pf::mean(pf::square(critic(fake)));
  }
  template <class C>
  Tensor<> generator_loss(const C& critic, const Tensor<>& fake) const {
    return pf::mean(pf::square(critic(fake) - 1));
  }
};

// A loss that is no number from its third call on.
struct Exploding : LeastSquares {
  mutable int calls = 0;
  template <class C>
  Tensor<> critic_loss(const C& critic, const Tensor<>& real, const Tensor<>& fake, pf::Rng& rng) const {
    const auto loss = LeastSquares::critic_loss(critic, real, fake, rng);
    return ++calls == 3 ? loss * std::nanf("") : loss;
  }
};

struct PerRow : LeastSquares {
  template <class C>
  Tensor<> generator_loss(const C& critic, const Tensor<>& fake) const {
    return critic(fake);
  }
};

}  // namespace

TEST_CASE("fit_adversarial gives the bits of the loop that it replaces") {
  const auto data = samples(500);
  const pf::AdamOptions how{.learning_rate = 1e-3, .beta1 = 0.5, .beta2 = 0.9};
  const pf::WassersteinGp loss;
  pf::Rng a(1), b(1);
  Generator fitted(pf::Mlp<>({2, 16, 2}, a), 2);
  pf::Mlp<> fitted_critic({2, 16, 1}, a);
  pf::fit_adversarial(fitted, fitted_critic, data, loss,
                      quiet({.epochs = 3,
                             .batch_size = 64,
                             .critic_steps = 3,
                             .generator_optimizer = pf::Adam(how),
                             .critic_optimizer = pf::Adam(how)}),
                      a);

  Generator gan(pf::Mlp<>({2, 16, 2}, b), 2);
  pf::Mlp<> critic({2, 16, 1}, b);
  pf::Adam gan_adam(how), critic_adam(how);
  for (int epoch = 0; epoch < 3; ++epoch)
    for (const auto& real : pf::batches(data, 64, b)) {
      const auto fake = gan.sample(real.size(0), b);
      critic_adam.step(critic, pf::gradient(loss.critic_loss(critic, real, fake, b), critic));
      if (critic_adam.steps() % 3 == 0)
        gan_adam.step(gan, pf::gradient(loss.generator_loss(critic, gan.rsample(real.size(0), b)), gan));
    }
  CHECK(gan_adam.steps() == 8);
  CHECK(numbers(fitted) == numbers(gan));
  CHECK(numbers(fitted_critic) == numbers(critic));
}

TEST_CASE("with a spectrally normalized critic, an average and a schedule it is this loop") {
  const auto data = samples(300);
  const pf::Hinge loss;
  const pf::Schedule schedule = pf::cosine_decay({.steps = 10});
  pf::Rng a(2), b(2);
  Generator fitted(pf::Mlp<>({2, 16, 2}, a), 2);
  pf::SpectralMlp<> fitted_critic({2, 16, 1}, a);
  std::vector<float> seen;
  pf::fit_adversarial(fitted, fitted_critic, data, loss,
                      quiet({.epochs = 2,
                             .batch_size = 64,
                             .schedule = pf::cosine_decay(),
                             .ema_decay = 0.5,
                             .callbacks = {[&](const auto&) { seen = numbers(fitted); }}}),
                      a);

  Generator gan(pf::Mlp<>({2, 16, 2}, b), 2);
  pf::SpectralMlp<> critic({2, 16, 1}, b);
  pf::Adam gan_adam({.learning_rate = 2e-4, .beta1 = 0.5}), critic_adam = gan_adam;
  pf::Ema average(gan, {.decay = 0.5});
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const auto& real : pf::batches(data, 64, b)) {
      critic_adam.set_learning_rate(2e-4 * schedule(critic_adam.steps()));
      gan_adam.set_learning_rate(2e-4 * schedule(gan_adam.steps()));
      pf::update_spectral_norms(critic);
      const auto fake = gan.sample(real.size(0), b);
      critic_adam.step(critic, pf::gradient(loss.critic_loss(critic, real, fake, b), critic));
      gan_adam.step(gan, pf::gradient(loss.generator_loss(critic, gan.rsample(real.size(0), b)), gan));
      average.update(gan);
    }
    pf::settle_spectral_norms(critic);
  }
  CHECK(numbers(fitted) == numbers(average.model()));
  CHECK(numbers(fitted) != numbers(gan));
  CHECK(seen == numbers(fitted));
  CHECK(numbers(fitted_critic) == numbers(critic));
  CHECK(fitted_critic.layers[1].direction.to_vector() == critic.layers[1].direction.to_vector());
}

TEST_CASE("after adversarial trainings spectral norms are those of the weights: critics, averages, discriminators") {
  pf::Rng rng(6);
  const auto data = samples(300);
  pf::Gan gan(pf::SpectralMlp<>({2, 16, 2}, rng), 2);
  pf::SpectralMlp<> critic({2, 16, 1}, rng);
  const pf::Optimizer fast = pf::Adam({.learning_rate = 0.1});
  const auto see = [&](const auto&) {
    support::expect_spectral_norms_of_one(gan.generator());
    support::expect_spectral_norms_of_one(critic);
  };
  int calls = 0;
  const auto stop = [&](const auto&) {
    if (++calls == 3) std::raise(SIGINT);
  };
  for (const double ema_decay : {0.0, 0.9}) {
    pf::fit_adversarial(gan, critic, data, pf::Hinge{},
                        quiet({.epochs = 3,
                               .batch_size = 20,
                               .generator_optimizer = fast,
                               .critic_optimizer = fast,
                               .ema_decay = ema_decay,
                               .callbacks = {see, stop}}),
                        rng);
    see(0);
  }

  pf::Vae vae(pf::GaussianHead(pf::Mlp<>({2, 8, 4}, rng)), pf::GaussianHead(pf::Mlp<>({2, 8, 4}, rng)), 2);
  pf::SpectralMlp<> discriminator({2, 16, 1}, rng);
  const auto before = discriminator.layers[0].layer.weight.to_vector();
  pf::fit_factor_vae(vae, discriminator, data, {.gamma = 1},
                     {.epochs = 2, .batch_size = 20, .progress = pf::Progress::off}, rng, fast);
  CHECK(discriminator.layers[0].layer.weight.to_vector() != before);
  support::expect_spectral_norms_of_one(discriminator);
}

TEST_CASE("fit_adversarial: the same seed gives the same bits for any number of threads") {
  const int threads = pf::num_threads();
  const auto data = samples(4000);
  const auto train = [&](int count) {
    pf::set_num_threads(count);
    pf::Rng rng(3);
    Generator gan(pf::Mlp<>({2, 128, 128, 2}, rng), 2);
    pf::SpectralMlp<> critic({2, 128, 128, 1}, rng);
    pf::fit_adversarial(gan, critic, data, pf::WassersteinGp{},
                        quiet({.epochs = 2, .batch_size = 500, .critic_steps = 2, .ema_decay = 0.9}), rng);
    return numbers(gan);
  };
  const auto one = train(1);
  CHECK(train(2) == one);
  CHECK(train(3) == one);
  pf::set_num_threads(threads);
}

TEST_CASE("reports count steps and rows, and callbacks end the training") {
  const auto data = samples(200);
  pf::Rng rng(0);
  Generator gan(pf::Mlp<>({2, 8, 2}, rng), 2);
  pf::Mlp<> critic({2, 8, 1}, rng);
  std::vector<Index> steps;
  const auto history = pf::fit_adversarial(gan, critic, data, LeastSquares{},
                                           quiet({.epochs = 9,
                                                  .batch_size = 64,  // 4 batches, the last of 8 rows
                                                  .critic_steps = 6,
                                                  .callbacks = {[&](const pf::AdversarialReport& report) {
                                                    steps.push_back(report.steps);
                                                    return report.epoch == 3 ? pf::Continue::no : pf::Continue::yes;
                                                  }}}),
                                           rng);
  CHECK(steps == std::vector<Index>{0, 1, 2});
  REQUIRE(history.epochs.size() == 3);
  CHECK(history.epochs[2].critic_steps == 12);
  CHECK(std::isnan(history.epochs[0].generator_loss));
  CHECK(std::isfinite(history.generator_losses()[1]));
  CHECK(history.critic_losses()[2] > 0);
  CHECK(history.stopped_early);
  const auto interrupted = pf::fit_adversarial(
      gan, critic, data, LeastSquares{},
      quiet({.epochs = 9, .callbacks = {[](const pf::AdversarialReport&) { std::raise(SIGINT); }}}), rng);
  CHECK(interrupted.interrupted);
  CHECK(interrupted.epochs.size() == 1);
}

TEST_CASE("a flow serves as the generator, and comes close to the data") {
  pf::Rng rng(4);
  auto flow = pf::real_nvp({.features = 2, .layers = 4, .hidden = {32}}, rng);
  pf::Mlp<> critic({2, 32, 1}, rng);
  const Tensor<> data = pf::normal({2000, 2}, rng) * Tensor<>{0.5f, 1.0f} + Tensor<>{1.0f, -1.0f};
  const auto distance = [&] {
    pf::Rng same(9);
    return pf::sliced_wasserstein(flow.sample(2000, same), data, same);
  };
  const double before = distance();
  pf::fit_adversarial(flow, critic, data, pf::NonSaturating{.r1 = 0.5},
                      quiet({.epochs = 40,
                             .generator_optimizer = pf::Adam({.learning_rate = 1e-3, .beta1 = 0.5}),
                             .critic_optimizer = pf::Adam({.learning_rate = 1e-3, .beta1 = 0.5}),
                             .schedule = pf::cosine_decay(),
                             .ema_decay = 0.98}),
                      rng);
  CHECK(before > 0.9);
  CHECK(distance() < 0.35);
}

TEST_CASE("a small network covers all of eight modes") {
  const pf::data::EightGaussians target;
  pf::Rng rng(0);
  const auto data = target.sample(10'000, rng);
  Generator gan(pf::Mlp<>({2, 64, 64, 2}, rng), 2);
  pf::Mlp<> critic({2, 64, 64, 1}, rng);
  const auto near_before = pf::mode_coverage(gan.sample(2000, rng), target.centers(), 0.9).near;
  pf::fit_adversarial(gan, critic, data, pf::NonSaturating{.r1 = 0.1},
                      quiet({.epochs = 20,
                             .batch_size = 128,
                             .generator_optimizer = pf::Adam({.learning_rate = 1e-3, .beta1 = 0.5}),
                             .critic_optimizer = pf::Adam({.learning_rate = 1e-3, .beta1 = 0.5}),
                             .ema_decay = 0.99}),
                      rng);
  const auto found = pf::mode_coverage(gan.sample(2000, rng), target.centers(), 0.9);
  CHECK(found.covered == 8);
  CHECK(found.near > 0.7);
  CHECK(near_before < 0.2);
  CHECK(found.kl < 0.3);
}

TEST_CASE("a loss that blows up names the player, and leaves it as it was before the step") {
  pf::Rng rng(0);
  Generator gan(pf::Mlp<>({2, 8, 2}, rng), 2);
  pf::Mlp<> critic({2, 8, 1}, rng);
  CHECK_THROWS_WITH(pf::fit_adversarial(gan, critic, samples(100), Exploding{}, quiet({.batch_size = 50}), rng),
                    ContainsSubstring("epoch 2, batch 1, the critic") && ContainsSubstring("nan"));
  for (float x : numbers(critic)) CHECK(std::isfinite(x));
  CHECK_THROWS_WITH(pf::fit_adversarial(gan, critic, samples(100), PerRow{}, quiet({}), rng),
                    ContainsSubstring("the generator's loss has shape [100, 1]"));
}

TEST_CASE("fit_adversarial refuses what cannot be trained") {
  pf::Rng rng(0);
  const auto data = samples(10);
  Generator gan(pf::Mlp<>({2, 8, 2}, rng), 2);
  pf::Mlp<> critic({2, 8, 1}, rng);
  const pf::Hinge loss;
  const auto fit = [&](const Tensor<>& rows, const pf::AdversarialFitOptions& options) {
    pf::fit_adversarial(gan, critic, rows, loss, quiet(options), rng);
  };
  CHECK_THROWS_AS(fit(Tensor<>::zeros({0, 2}), {}), pf::ValueError);
  CHECK_THROWS_AS(fit(Tensor<>::zeros({10}), {}), pf::ShapeError);
  CHECK_THROWS_AS(fit(Tensor<>::zeros({10, 3}), {}), pf::ShapeError);
  CHECK_THROWS_AS(fit(Tensor<>::full({10, 2}, std::nanf("")), {}), pf::ValueError);
  CHECK_THROWS_AS(fit(data, {.epochs = -1}), pf::ValueError);
  CHECK_THROWS_AS(fit(data, {.batch_size = 0}), pf::ValueError);
  CHECK_THROWS_AS(fit(data, {.critic_steps = 0}), pf::ValueError);
  CHECK_THROWS_AS(fit(data, {.ema_decay = 1.0}), pf::ValueError);
  pf::Mlp<> nothing;
  CHECK_THROWS_WITH(pf::fit_adversarial(gan, nothing, data, loss, quiet({}), rng),
                    ContainsSubstring("the critic has no parameters"));
}
