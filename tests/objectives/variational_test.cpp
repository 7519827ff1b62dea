#include <pushforward/distributions/normal.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/variational.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/training/fit_without_data.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::BoundGradient;
using pf::Index;
using pf::Tensor;

namespace {

// Normal densities in the plane times Z = e^1.5, and a model near it.
const double log_z = 1.5;
const pf::Normal<double> truth(Tensor<double>{1, -0.5}, Tensor<double>{0.8, 1.5});
const auto target = [](const Tensor<double>& x) { return truth.log_prob(x) + log_z; };

pf::LearnedNormal<double> near_truth(double shift) {
  pf::LearnedNormal<double> q(2);
  q.mean = truth.mean() + shift;
  q.log_std = truth.log_std();
  return q;
}

struct Moments {
  double mean = 0, error = 0, std = 0;
};
Moments moments(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (double v : values) sum += v;
  for (double v : values) squares += (v - sum / n) * (v - sum / n);
  const double std = std::sqrt(squares / (n - 1));
  return {sum / n, std / std::sqrt(n), std};
}

// The derivative of a loss in the first mean, over many estimates.
template <class Objective>
Moments slopes(const pf::LearnedNormal<double>& q, const Objective& objective, Index draws) {
  pf::Rng rng(5);
  std::vector<double> found;
  for (int i = 0; i < 400; ++i)
    found.push_back(pf::gradient(objective(q, pf::NoData{draws}, rng), q.mean.tensor()).data()[0]);
  return moments(found);
}

// A banana of known normalizer: x ~ N(0, 1), y = x^2 / 2 + N(0, 0.5^2).
const auto banana = [](const Tensor<>& at) {
  const Tensor<> x = pf::slice(at, -1, 0, 1), y = pf::slice(at, -1, 1, 2);
  return pf::squeeze(pf::square(x) * -0.5 - pf::square(y - 0.5 * pf::square(x)) * 2.0, -1);
};
const double banana_log_z = std::log(2 * 3.14159265358979 * 0.5);

}  // namespace

TEST_CASE("the variational bound of a normal target is log Z less the divergence in closed form") {
  pf::Rng rng(1);
  pf::LearnedNormal<double> q(2);
  const double divergence = pf::kl_divergence(q(), truth).item();
  const Moments bound = moments(pf::variational_bound(q, target, 20'000, {}, rng).to_vector());
  CHECK(bound.mean == Approx(log_z - divergence).margin(5 * bound.error));
  CHECK(bound.error < 0.02);
  // The weight of the target: beta E log p~ + entropy.
  const Moments half = moments(pf::variational_bound(q, target, 20'000, {.beta = 0.5}, rng).to_vector());
  const double entropy = q().entropy().item();
  CHECK(half.mean == Approx(0.5 * (log_z - divergence - entropy) + entropy).margin(5 * half.error));
}

TEST_CASE("every gradient of the reverse divergence has the mean of the closed form") {
  const auto q = near_truth(0.4);
  const double exact = pf::gradient(pf::kl_divergence(q(), truth), q.mean.tensor()).data()[0];
  CHECK(exact == Approx(0.4 / 0.64).epsilon(1e-9));
  for (const auto gradient :
       {BoundGradient::standard, BoundGradient::sticking_the_landing, BoundGradient::doubly_reparameterized}) {
    const Moments slope = slopes(q, pf::reverse_kl(target, {.gradient = gradient}), 32);
    CHECK(slope.mean == Approx(exact).margin(5 * slope.error + 1e-12));
    CHECK(slope.error < 0.02);
  }
}

TEST_CASE("sticking the landing: where the model matches, its gradient is zero without noise") {
  pf::Rng rng(2);
  const auto q = near_truth(0);
  pf::LearnedNormal<double> moved = near_truth(0);
  auto gradients = [&](BoundGradient gradient) {
    return pf::gradient(pf::reverse_kl(target, {.gradient = gradient})(q, pf::NoData{64}, rng), q);
  };
  for (const auto& g : gradients(BoundGradient::sticking_the_landing)) CHECK(pf::max(pf::abs(g)).item() < 1e-12);
  double noise = 0;
  for (const auto& g : gradients(BoundGradient::standard)) noise += pf::max(pf::abs(g)).item();
  CHECK(noise > 0.05);
  // The same through a flow, whose score is that of an inverse: the target is the flow itself.
  auto flow = pf::real_nvp<double>({.features = 2, .layers = 3, .hidden = {8}}, rng);
  const auto copy = flow;
  const auto loss = pf::reverse_kl(copy, {.gradient = BoundGradient::sticking_the_landing});
  for (const auto& g : pf::gradient(loss(flow, pf::NoData{16}, rng), flow)) CHECK(pf::max(pf::abs(g)).item() < 1e-9);
}

TEST_CASE("the Renyi bound falls with alpha, from the importance-weighted to the evidence lower bound") {
  const auto q = near_truth(0.7);
  auto at = [&](double alpha, Index n = 50, Index k = 16) {
    pf::Rng rng(3);
    return pf::renyi_bound(q, target, n, {.alpha = alpha, .particles = k}, rng);
  };
  pf::Rng rng(3);
  const Tensor<double> logs = pf::reshape(pf::variational_bound(q, target, 800, {}, rng), {16, 50});
  CHECK(pf::max(pf::abs(at(1) - pf::mean(logs, 0))).item() < 1e-12);
  CHECK(pf::max(pf::abs(at(0) - (pf::logsumexp(logs, 0) - std::log(16)))).item() < 1e-12);
  // Power means of the same weights rise with their power, 1 - alpha: for every bound.
  double before = 1e9;
  for (const double alpha : {-1.0, 0.0, 0.3, 0.7, 0.99, 1.0, 1.01, 2.0}) {
    CHECK(pf::max(at(alpha)).item() < before);
    before = pf::max(at(alpha)).item();
  }
  CHECK(pf::max(pf::abs(at(1 - 2e-3) - at(1))).item() < 0.02);
  // With many draws log Z - D_alpha(q || p), in closed form alpha |shift / std|^2 / 2 for normals of one covariance.
  const double squared = 0.49 / 0.64 + 0.49 / 2.25;
  for (const double alpha : {0.0, 0.5, 2.0}) {
    const double many = pf::mean(at(alpha, 4, 100'000)).item();
    CHECK(many == Approx(log_z - alpha * squared / 2).margin(0.03));
  }
  for (const double alpha : {0.0, 0.5, 1.0})
    for (double exact : pf::renyi_bound(near_truth(0), target, 5, {.alpha = alpha}, rng))
      CHECK(exact == Approx(log_z).epsilon(1e-12));
}

TEST_CASE("gradients of the Renyi bound: finite differences, and less noise when doubly reparameterized") {
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const pf::RenyiOptions options{.alpha = alpha, .particles = 4};
    auto loss = [&](const Tensor<double>& mean) {
      pf::Rng rng(7);
      const auto q = pf::Normal<double>::from_log_std(mean, Tensor<double>{0.1, -0.2});
      return pf::mean(pf::renyi_bound(q, target, 8, options, rng));
    };
    CHECK_NOTHROW(pf::testing::check_gradients(loss, Tensor<double>{0.3, 0.1}, {.order = 1}));

    const auto q = near_truth(0.4);
    auto slope = [&](BoundGradient gradient) {
      return slopes(q, pf::renyi(target, {.alpha = alpha, .particles = 8, .gradient = gradient}), 4);
    };
    const Moments plain = slope(BoundGradient::standard), twice = slope(BoundGradient::doubly_reparameterized);
    CHECK(plain.mean == Approx(twice.mean).margin(5 * (plain.error + twice.error)));
    CHECK(twice.std < 0.8 * plain.std);
    CHECK(plain.mean > 5 * plain.error);
  }
}

TEST_CASE("importance weights give log Z, means, and the effective sample size in closed form") {
  pf::Rng rng(4);
  const auto q = near_truth(0.4);
  const auto draws = pf::importance_sample(q, target, {.draws = 50'000, .batch_size = 7000}, rng);
  REQUIRE(draws.value.shape() == pf::Shape{50'000, 2});
  CHECK(draws.log_normalizer() == Approx(log_z).margin(5 * draws.log_normalizer_error()));
  CHECK(draws.log_normalizer_error() < 0.01);
  const double squared = 0.16 / 0.64 + 0.16 / 2.25;
  CHECK(draws.lower_bound() == Approx(log_z - squared / 2).margin(0.02));
  CHECK(draws.effective_sample_size() / 50'000 == Approx(std::exp(-squared)).margin(0.02));  // E w^2 = e^squared
  CHECK(pf::sum(draws.weights()).item() == Approx(1).epsilon(1e-9));
  const auto resampled = pf::mean(draws.resample(20'000, rng), 0);
  for (Index i = 0; i < 2; ++i) {
    CHECK(draws.mean()(i) == Approx(truth.mean()(i)).margin(0.05));
    CHECK(resampled(i) == Approx(truth.mean()(i)).margin(0.08));
  }
  CHECK(draws.mean_of(pf::square(draws.value)).shape() == pf::Shape{2});
  CHECK_THROWS_AS(draws.mean_of(Tensor<double>::ones({3})), pf::ShapeError);

  // A target that most draws miss, and one that all do.
  auto within = [](double reach) {
    return [=](const Tensor<double>& x) {
      const Tensor<double> inside = pf::max(pf::abs(x), -1) < reach;
      return pf::where(inside, Tensor<double>::zeros(inside.shape()), -std::numeric_limits<double>::infinity());
    };
  };
  const auto some = pf::importance_sample(pf::standard_normal<double>(2), within(0.5), {.draws = 20'000}, rng);
  CHECK(some.log_normalizer() == Approx(0).margin(5 * some.log_normalizer_error()));
  CHECK(some.log_normalizer_error() < 0.05);
  const auto none = pf::importance_sample(pf::standard_normal<double>(2), within(1e-9), {.draws = 100}, rng);
  CHECK_THROWS_AS(none.log_normalizer(), pf::ValueError);
}

TEST_CASE("fit without data: a flow comes to a banana that is known up to its normalizer") {
  auto fitted = [](auto objective, double decay) {
    pf::Rng rng(6);
    auto flow = pf::real_nvp({.features = 2, .layers = 4, .hidden = {32}, .activation = pf::Activation::tanh}, rng);
    const auto history = pf::fit(flow, pf::NoData{.draws = 6400}, objective,
                                 {.epochs = 8,
                                  .batch_size = 128,
                                  .optimizer = pf::Adam({.learning_rate = 1e-2}),
                                  .schedule = pf::cosine_decay(),
                                  .ema_decay = decay,
                                  .validation = pf::NoData{512},
                                  .progress = pf::Progress::off},
                                 rng);
    CHECK(history.epochs.size() == 8);
    CHECK(history.epochs.back().steps == 400);
    CHECK(history.epochs.back().validation_loss < history.epochs.front().validation_loss);
    return flow;
  };
  auto check = [&](const auto& flow) {
    pf::Rng rng(7);
    const auto draws = pf::importance_sample(flow, banana, {.draws = 4000}, rng);
    CHECK(draws.log_normalizer() == Approx(banana_log_z).margin(0.02));
    CHECK(draws.lower_bound() > banana_log_z - 0.06);
    CHECK(draws.effective_sample_size() > 0.75 * 4000);
  };
  const auto landing = pf::reverse_kl(banana, {.gradient = BoundGradient::sticking_the_landing});
  const auto flow = fitted(landing, 0), again = fitted(landing, 0);
  check(flow);
  const Tensor<> x{{2, 2}, {0.1f, 0.2f, -1.0f, 0.5f}};
  CHECK(flow.log_prob(x).to_vector() == again.log_prob(x).to_vector());
  check(fitted(pf::renyi(banana, {.alpha = 0.5, .particles = 4}), 0.9));
  check(fitted(pf::annealed([](Index step, Index total) {
                 return pf::reverse_kl(banana, {.beta = pf::ramp(step, total / 4, 0.1)});
               }),
               0));
}

TEST_CASE("variational objectives refuse what they cannot use") {
  pf::Rng rng(8);
  auto q = near_truth(0);
  const auto matrix = [](const Tensor<double>& x) { return x; };
  CHECK_THROWS_AS(pf::reverse_kl(matrix)(q, pf::NoData{4}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::reverse_kl(target)(q, pf::NoData{0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::renyi(target, {.particles = 0})(q, pf::NoData{4}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::renyi(target, {.alpha = NAN})(q, pf::NoData{4}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::importance_sample(q, target, {.draws = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(q, pf::NoData{.draws = 0}, pf::reverse_kl(target), {}, rng), pf::ValueError);
  const auto nan = [](const Tensor<double>& x) { return pf::sum(x, -1) * std::nan(""); };
  CHECK_THROWS_AS(pf::importance_sample(q, nan, {.draws = 5}, rng), pf::ValueError);
}
