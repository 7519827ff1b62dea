#include <pushforward/models/categorical_vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Two variables of three classes, data of four bits.
auto small_vae(pf::Rng& rng) {
  return pf::CategoricalVae(pf::Mlp<double>({4, 12, 6}, rng), pf::BernoulliHead(pf::Mlp<double>({6, 12, 4}, rng)), 2,
                            3);
}

// E_q[log p(x | z)] - KL(q || prior), by the sum over all codes: [n].
template <class Vae>
Tensor<double> enumerated_elbo(const Vae& vae, const Tensor<double>& x) {
  const Tensor<double> z = pf::unsqueeze(vae.all_codes(), 1);
  const Tensor<double> log_q = vae.encode(x).log_prob(z), fit = vae.decode(z).log_prob(x);
  return pf::sum(pf::exp(log_q) * (fit + vae.prior().log_prob(z) - log_q), 0);
}

}  // namespace

TEST_CASE("a code of choices is the product of its variables") {
  pf::Rng rng(1);
  const Tensor<double> logits = pf::normal<double>({2, 6}, rng);
  const pf::CategoricalCode<double> q(logits, 3), p = pf::CategoricalCode<double>::uniform(2, 3);
  const Tensor<double> z({6}, {0, 1, 0, 0, 0, 1});
  const Tensor<double> by_hand = pf::select(pf::log_softmax(pf::slice(logits, 1, 0, 3), 1), 1, 1) +
                                 pf::select(pf::log_softmax(pf::slice(logits, 1, 3, 6), 1), 1, 2);
  CHECK(pf::max(pf::abs(q.log_prob(z) - by_hand)).item() < 1e-12);
  CHECK(p.log_prob(z).item() == Approx(-2 * std::log(3.0)));
  CHECK(pf::max(pf::abs(pf::kl_divergence(q, p) - (2 * std::log(3.0) - q.entropy()))).item() < 1e-12);
  CHECK(pf::max(pf::abs(pf::kl_divergence(q.relaxed(0.5), p) - pf::kl_divergence(q, p))).item() < 1e-12);
  const Tensor<double> draws = q.sample(40'000, rng);
  REQUIRE(draws.shape() == pf::Shape{40'000, 2, 6});
  CHECK(pf::max(pf::abs(pf::mean(draws, 0) - q.mean())).item() < 5 * 0.5 / std::sqrt(40'000.0));
  // Cold relaxed draws are nearly one-hot; straight-through ones are, and have a gradient.
  const Tensor<double> cold = q.relaxed(0.01).rsample(200, rng);
  CHECK(pf::mean(pf::maximum(cold, 1 - cold)).item() > 0.99);
  const Tensor<double> at = pf::variable(logits);
  const auto hard = pf::CategoricalCode<double>(at, 3).relaxed(0.7, true).rsample(50, rng);
  CHECK(pf::max(hard * (1 - hard)).item() < 1e-12);
  CHECK(pf::max(pf::abs(pf::gradient(pf::sum(hard * pf::normal<double>({6}, rng)), at))).item() > 0.1);
  CHECK_THROWS_AS(pf::CategoricalCode<double>(logits, 4), pf::ShapeError);
  CHECK_THROWS_AS(pf::CategoricalCode<double>(logits, 1), pf::ValueError);
}

TEST_CASE("discrete codes: the bound lies below the sum over all codes, importance weighting comes up to it") {
  pf::Rng rng(2);
  const auto vae = small_vae(rng);
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({5, 4}, 0.5), rng);
  const Tensor<double> codes = vae.all_codes();
  REQUIRE(codes.shape() == pf::Shape{9, 6});
  const Tensor<double> exact = vae.enumerated_log_prob(x), bound = enumerated_elbo(vae, x);
  for (Index i = 0; i < 5; ++i) {
    double p = 0;
    for (Index c = 0; c < 9; ++c)
      p += std::exp(vae.decode(pf::slice(codes, 0, c, c + 1)).log_prob(pf::slice(x, 0, i, i + 1)).item()) / 9;
    CHECK(exact(i) == Approx(std::log(p)).epsilon(1e-12));
    CHECK(bound(i) < exact(i));
  }
  CHECK(pf::max(pf::abs(vae.elbo(x, rng, {.samples = 20'000}) - bound)).item() < 0.02);
  CHECK(pf::max(pf::abs(vae.elbo(x, rng, {.samples = 20'000, .analytic_kl = false}) - bound)).item() < 0.02);
  const auto tight = vae.log_likelihood(x, rng, {.particles = 20'000, .batch = 20'000});
  CHECK(tight.kind == pf::LikelihoodKind::lower_bound);
  CHECK(pf::max(pf::abs(tight.value - exact)).item() < 0.02);
  CHECK_THROWS_AS(pf::elbo()(vae, x, rng), pf::GradientError);  // it would not train the encoder
  // As the temperature falls, the relaxed objective comes to the bound.
  const pf::NoGradient guard;
  const double cold = -pf::relaxed_elbo({.temperature = 1e-3, .samples = 20'000})(vae, x, rng).item();
  CHECK(cold == Approx(bound.mean()).margin(0.02));
}

TEST_CASE("training with an annealed temperature raises the exact likelihood of a model with discrete codes") {
  pf::Rng rng(3);
  // Two hidden choices of three: bits 0, 1 show the first, bits 2, 3 the second, each bit wrong one time in twenty.
  const Index n = 600;
  const Tensor<double> clean = Tensor<double>::generate({n, 4}, [&](Index i) {
    const Index row = i / 4, choice = i % 4 < 2 ? row % 3 : row / 3 % 3;
    return choice == 2 ? 1.0 : choice == i % 2 ? 1.0 : 0.0;
  });
  const Tensor<double> x = pf::abs(clean - pf::bernoulli(Tensor<double>::full({n, 4}, 0.05), rng));
  auto vae = small_vae(rng);
  CHECK_NOTHROW(pf::testing::check_module(vae, [&](const auto& model) {
    pf::Rng noise(4);
    return pf::relaxed_elbo()(model, pf::slice(x, 0, 0, 20), noise);
  }));
  const double before = vae.enumerated_log_prob(x).mean();
  const auto cooling = pf::annealed([](Index step, Index total) {
    return pf::relaxed_elbo({.temperature = std::max(0.4, std::exp(-2.0 * pf::ramp(step, total)))});
  });
  pf::fit(vae, x, cooling,
          {.epochs = 150,
           .batch_size = 100,
           .optimizer = pf::Adam({.learning_rate = 0.01}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const double after = vae.enumerated_log_prob(x).mean(), bound = enumerated_elbo(vae, x).mean();
  // Minus the entropy of the data: of two pairs of bits, each 10, 01 or 11 before some are flipped.
  const double single = (0.95 * 0.95 + 0.05 * 0.05 + 0.95 * 0.05) / 3, both = (2 * 0.95 * 0.05 + 0.95 * 0.95) / 3;
  const double none = 1 - 2 * single - both;
  const double best = 2 * (2 * single * std::log(single) + both * std::log(both) + none * std::log(none));
  CAPTURE(before, after, bound, best);
  CHECK(bound < after);
  CHECK(after < best + 0.12);  // the data's own scatter, 0.03 and a few bits of overfitting
  CHECK(after > before + 0.1);
  CHECK(after > best - 0.1);
  CHECK(pf::mean(pf::abs(vae.reconstruct(x) - clean)).item() < 0.3);  // 0.44 by their mean
  CHECK(vae.sample(7, rng).shape() == pf::Shape{7, 4});
}

TEST_CASE("a model with discrete codes refuses what does not fit") {
  pf::Rng rng(5);
  const auto decoder = pf::BernoulliHead(pf::Mlp<double>({6, 4}, rng));
  CHECK_THROWS_AS(pf::CategoricalVae(pf::Mlp<double>({4, 6}, rng), decoder, 0, 3), pf::ValueError);
  CHECK_THROWS_AS(pf::CategoricalVae(pf::Mlp<double>({4, 6}, rng), decoder, 3, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::CategoricalVae(pf::Mlp<double>({4, 5}, rng), decoder, 2, 3).encode(Tensor<double>::zeros({1, 4})),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::CategoricalVae(pf::Mlp<double>({4, 60}, rng), decoder, 20, 3).all_codes(), pf::ValueError);
}
