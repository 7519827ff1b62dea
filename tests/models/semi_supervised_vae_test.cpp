#include <pushforward/models/semi_supervised_vae.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr double shifts[] = {-1.0, 2.0}, w = 1.2, s = 0.7;

// x = w z + shift of the class + s noise: all posteriors are known, so that every bound is exact.
struct ExactEncoder {
  using Scalar = double;
  pf::Normal<double> operator()(const Tensor<double>& xy) const {
    const Tensor<double> x = pf::slice(xy, -1, 0, 1), y = pf::slice(xy, -1, 1, 3);
    const double precision = 1 + w * w / (s * s);
    const Tensor<double> rest = x - pf::sum(y * Tensor<double>{shifts[0], shifts[1]}, -1, true);
    return {rest * (w / (s * s) / precision), Tensor<double>{1 / std::sqrt(precision)}};
  }
  static void members(auto&, auto&&) {}
};
struct ExactDecoder {
  using Scalar = double;
  pf::Normal<double> operator()(const Tensor<double>& zy) const {
    const Tensor<double> z = pf::slice(zy, -1, 0, 1), y = pf::slice(zy, -1, 1, 3);
    return {z * w + pf::sum(y * Tensor<double>{shifts[0], shifts[1]}, -1, true), Tensor<double>{s}};
  }
  static void members(auto&, auto&&) {}
};
double log_joint(double x, int y) {
  const double variance = w * w + s * s, r = x - shifts[y];
  return -0.5 * (r * r / variance + std::log(2 * M_PI * variance)) - std::log(2.0);
}
struct ExactClassifier {
  using Scalar = double;
  Tensor<double> operator()(const Tensor<double>& x) const {
    const Tensor<double> a = x - shifts[0], b = x - shifts[1];
    return pf::concat({a * a, b * b}, -1) * (-0.5 / (w * w + s * s));
  }
  static void members(auto&, auto&&) {}
};

}  // namespace

TEST_CASE("with exact posteriors the labelled bound is log p(x, y), the unlabelled one log p(x)") {
  const pf::SemiSupervisedVae vae(ExactClassifier{}, ExactEncoder{}, ExactDecoder{}, 1, 2);
  pf::Rng rng(1);
  const Tensor<double> x({3, 1}, {-2.0, 0.4, 3.0});
  const Tensor<Index> y{0, 1, 1};
  const pf::ElboOptions drawn{.samples = 2, .analytic_kl = false};  // then nothing depends on the draws
  const Tensor<double> with = vae.labelled_bound(x, y, rng, drawn), without = vae.unlabelled_bound(x, rng, drawn);
  const auto likelihood = vae.log_likelihood(x, rng, {.particles = 3});
  CHECK(likelihood.kind == pf::LikelihoodKind::lower_bound);
  for (Index i = 0; i < 3; ++i) {
    const double a = log_joint(x(i, 0), 0), b = log_joint(x(i, 0), 1), exact = std::log(std::exp(a) + std::exp(b));
    CHECK(with(i) == Approx(y(i) == 0 ? a : b).epsilon(1e-12));
    CHECK(without(i) == Approx(exact).epsilon(1e-12));
    CHECK(likelihood.value(i) == Approx(exact).epsilon(1e-12));
    CHECK(vae.classify(x).probabilities()(i, 0) == Approx(std::exp(a - exact)).epsilon(1e-12));
  }
  // The objective puts both together, rows in any order, and weighs them.
  const Tensor<Index> some{-1, 1, -1};
  const double q = vae.classify(x).log_prob(y)(1);
  const pf::SemiSupervisedOptions options{.alpha = 5, .bound = drawn};
  CHECK(pf::semi_supervised(options)(vae, x, some, rng).item() ==
        Approx(-(without(0) + with(1) + 5 * q + without(2)) / 3).epsilon(1e-12));
  CHECK(pf::weighted(pf::semi_supervised(options))(vae, x, some, Tensor<double>{2.0, 1.0, 0.0}, rng).item() ==
        Approx(-(2 * without(0) + with(1) + 5 * q) / 3).epsilon(1e-12));
  CHECK(pf::semi_supervised(options)(vae, x, Tensor<Index>{0, 1, 1}, rng).item() ==
        Approx(-(pf::sum(with).item() + 5 * pf::sum(vae.classify(x).log_prob(y)).item()) / 3).epsilon(1e-12));
  // Draws of a class have its mean.
  CHECK(vae.sample(Tensor<Index>::full({20'000}, 1), rng).mean() == Approx(2).margin(0.05));
  CHECK(vae.sample(20'000, rng).mean() == Approx(0.5).margin(0.07));
}

TEST_CASE("a handful of labels name the clusters that the unlabelled examples make") {
  pf::Rng rng(2);
  const Index n = 600;
  const Tensor<Index> truth = Tensor<Index>::generate({n}, [](Index i) { return i % 3; });
  const Tensor<> centers({3, 2}, {0.0f, 2.0f, 1.8f, -1.0f, -1.8f, -1.0f});
  const Tensor<> x = pf::index_select(centers, 0, truth) + 0.45 * pf::normal({n, 2}, rng);
  const Tensor<Index> labels = Tensor<Index>::generate({n}, [](Index i) { return i < 6 ? i % 3 : -1; });
  pf::SemiSupervisedVae vae(pf::Mlp({2, 32, 3}, rng), pf::GaussianHead(pf::Mlp({2 + 3, 32, 2}, rng)),
                            pf::GaussianHead(pf::Mlp({1 + 3, 32, 4}, rng)), 1, 3);
  CHECK_NOTHROW(pf::testing::check_module(vae, [&](const auto& model) {
    pf::Rng noise(3);
    return pf::semi_supervised()(model, pf::slice(x, 0, 0, 12), pf::slice(labels, 0, 0, 12), noise);
  }));
  pf::fit(vae, std::tuple(x, labels), pf::semi_supervised({.alpha = 20}),
          {.epochs = 60,
           .batch_size = 100,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const Tensor<Index> guess = pf::argmax(vae.classify(x).logits(), -1);
  Index right = 0;
  for (Index i = 0; i < n; ++i) right += guess(i) == truth(i);
  CHECK(right > n * 95 / 100);
  const double bound = pf::mean(vae.unlabelled_bound(x, rng, {.samples = 10})).item();
  CHECK(bound < vae.log_likelihood(x, rng, {.particles = 100}).value.mean());
}

TEST_CASE("a semi-supervised autoencoder refuses what does not fit") {
  using Vae = pf::SemiSupervisedVae<ExactClassifier, ExactEncoder, ExactDecoder, pf::Normal<double>>;
  CHECK_THROWS_AS(Vae(ExactClassifier{}, ExactEncoder{}, ExactDecoder{}, 1, 1), pf::ValueError);
  const Vae vae(ExactClassifier{}, ExactEncoder{}, ExactDecoder{}, 1, 2), wrong({}, {}, {}, 1, 3);
  pf::Rng rng(4);
  const Tensor<double> x = Tensor<double>::zeros({2, 1});
  CHECK_THROWS_AS(pf::semi_supervised()(vae, x, Tensor<Index>{0, 2}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::semi_supervised()(vae, x, Tensor<Index>{0}, rng), pf::ShapeError);
  CHECK_THROWS_AS(wrong.classify(x), pf::ShapeError);
}

TEST_CASE("semi_supervised refuses negative weights and batches without examples") {
  pf::Rng rng(37);
  const auto model = pf::SemiSupervisedVae(ExactClassifier{}, ExactEncoder{}, ExactDecoder{}, 1, 2);
  const auto x = Tensor<double>({2, 1}, {0.3, -1});
  const Tensor<Index> labels{0, -1};
  CHECK_NOTHROW(pf::semi_supervised()(model, x, labels, rng));
  CHECK_THROWS_AS(pf::semi_supervised({.alpha = -1})(model, x, labels, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::semi_supervised()(model, Tensor<double>::zeros({0, 1}), Tensor<Index>::zeros({0}), rng),
                  pf::ShapeError);
}
