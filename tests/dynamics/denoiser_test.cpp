#include <pushforward/dynamics/denoiser.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/nn/time_mlp.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"
#include "support/expect_gradients.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Prediction;
using pf::Tensor;

namespace {

constexpr Prediction predictions[] = {Prediction::denoised, Prediction::noise, Prediction::velocity, Prediction::score,
                                      Prediction::v};

pf::Mixture<pf::Normal<double>> three_normals() {
  return {Tensor<double>({0.0, 0.7, -0.5}), pf::Normal<double>(Tensor<double>({3, 2}, {-2, 0, 1, 1.5, 1, -2}),
                                                               Tensor<double>({3, 2}, {0.5, 0.4, 0.3, 0.7, 0.2, 0.3}))};
}

std::vector<pf::GaussianPath> all_paths() {
  return {pf::linear_path(), pf::variance_preserving(), pf::cosine_path(),
          pf::variance_exploding({.sigma_min = 0.01, .sigma_max = 20})};
}
double between(const pf::GaussianPath& path, double part) {
  return path.data_time() + part * (path.noise_time() - path.data_time());
}
double distance(const Tensor<double>& a, const Tensor<double>& b) { return pf::max(pf::abs(a - b)).item(); }

// What a perfect network of each prediction would say.
struct Oracle {
  pf::GaussianMixtureDenoiser<double> exact;
  Prediction prediction;

  Tensor<double> operator()(const Tensor<double>& x, double t) const {
    const pf::PathPoint p = exact.path().at(t);
    const pf::Parts<double> parts = pf::parts(exact, x, t);
    switch (prediction) {
      case Prediction::denoised:
        return parts.data;
      case Prediction::noise:
        return parts.noise;
      case Prediction::velocity:
        return exact.velocity(x, t);
      case Prediction::score:
        return exact.score(x, t);
      case Prediction::v:
        return p.alpha * parts.noise - p.sigma * parts.data;
    }
    return {};
  }
};

}  // namespace

static_assert(pf::Denoiser<pf::GaussianMixtureDenoiser<double>, double>);
static_assert(pf::Denoiser<pf::Predictor<pf::TimeMlp<float>>, float>);
static_assert(!pf::Denoiser<pf::TimeMlp<float>, float>);

TEST_CASE("the score of a mixture's path is the gradient of its log-density, and the mean of the data integrates") {
  pf::Rng rng(1);
  for (const auto& path : all_paths()) {
    const pf::GaussianMixtureDenoiser<double> exact(three_normals(), path);
    for (const double part : {0.1, 0.5, 0.9}) {
      const double t = between(path, part);
      const pf::PathPoint p = path.at(t);
      const Tensor<double> x = exact.at(t).sample(20, rng);
      const auto [value, slope] =
          pf::value_and_gradient([&](const Tensor<double>& y) { return pf::sum(exact.log_prob(y, t)); }, x);
      CHECK(value.item() == Approx(pf::sum(exact.at(t).log_prob(x)).item()));
      const double size = 1 + pf::max(pf::abs(slope)).item();
      CHECK(distance(exact.score(x, t), slope) < 1e-9 * size);
      // Tweedie's formula, E[x_data | x] = (x + sigma^2 score) / alpha, where alpha does not vanish.
      CHECK(distance(exact.denoised(x, t), (x + p.sigma * p.sigma * slope) / p.alpha) <
            1e-8 * (1 + 1 / p.alpha) * size);
      // The ODE of Song et al. 2021, eq. 13: f x - g^2 / 2 score, f = alpha' / alpha, g^2 = (sigma^2)' - 2 f sigma^2.
      const double f = p.alpha_rate / p.alpha, g2 = 2 * p.sigma * p.sigma_rate - 2 * f * p.sigma * p.sigma;
      CHECK(distance(exact.velocity(x, t), f * x - 0.5 * g2 * slope) < 1e-8 * (1 + std::abs(f)) * size);
    }
  }
}

TEST_CASE("E[x_data | x_t] is the average of the data under Bayes' rule") {
  pf::Rng rng(2);
  const auto data = three_normals();
  const pf::GaussianMixtureDenoiser<double> exact(data, pf::variance_preserving());
  const double t = 0.3;
  const pf::PathPoint p = exact.path().at(t);
  const Tensor<double> x({1, 2}, {0.3, -0.4});
  // A grid over the data: weights p(y) N(x; alpha y, sigma^2).
  const Index n = 600;
  const Tensor<double> y = Tensor<double>::generate({n * n, 2}, [&](Index i) {
    return -6 + 12 * (static_cast<double>(i % 2 ? i / 2 % n : i / 2 / n) + 0.5) / static_cast<double>(n);
  });
  const Tensor<double> likelihood = pf::sum(pf::square((x - p.alpha * y) / p.sigma), 1) * -0.5;
  const Tensor<double> weight = pf::softmax(data.log_prob(y) + likelihood, 0);
  const Tensor<double> average = pf::sum(pf::unsqueeze(weight, 1) * y, 0, true);
  CHECK(distance(exact.denoised(x, t), average) < 1e-9);
}

TEST_CASE("a denoiser is the same whatever its network predicts") {
  pf::Rng rng(3);
  for (const auto& path : all_paths())
    for (const double part : {0.02, 0.3, 0.7, 0.98}) {
      const pf::GaussianMixtureDenoiser<double> exact(three_normals(), path);
      const double t = between(path, part), alpha = path.at(t).alpha, sigma = path.at(t).sigma;
      const Tensor<double> x = exact.at(t).sample(10, rng);
      const double tolerance = 1e-11 * (1 + sigma) * (1 + 1 / alpha) * (1 + 1 / sigma) * (1 + 1 / sigma);
      for (const Prediction prediction : predictions) {
        INFO("prediction " << static_cast<int>(prediction) << ", time " << t);
        const pf::Predictor adapted(Oracle{exact, prediction}, prediction, path);
        CHECK(distance(adapted.denoised(x, t), exact.denoised(x, t)) < tolerance);
        CHECK(distance(adapted.velocity(x, t), exact.velocity(x, t)) < 100 * tolerance);
        CHECK(distance(adapted.score(x, t), exact.score(x, t)) < tolerance);
        CHECK(distance(pf::noise(adapted, x, t), pf::noise(exact, x, t)) < tolerance);
        const pf::Parts<double> both = pf::parts(adapted, x, t);
        CHECK(distance(alpha * both.data + sigma * both.noise, x) < tolerance);
      }
    }
}

TEST_CASE("what a network predicts itself is handed through where its path ends") {
  const Tensor<double> x({2, 2}, {1, 2, 3, 4});
  const auto half = [](const Tensor<double>& y, double) { return y * 0.5; };
  const auto check = [&](Prediction prediction, const pf::GaussianPath& path, double t) {
    const pf::Predictor p(half, prediction, path);
    if (prediction == Prediction::velocity) CHECK(distance(p.velocity(x, t), half(x, t)) == 0);
    if (prediction == Prediction::denoised) CHECK(distance(p.denoised(x, t), half(x, t)) == 0);
    if (prediction == Prediction::noise) CHECK(distance(pf::noise(p, x, t), half(x, t)) == 0);
    if (prediction == Prediction::score) CHECK(distance(pf::score(p, x, t), half(x, t)) == 0);
  };
  for (const auto& path : all_paths())
    for (const Prediction prediction : predictions)
      for (const double t : {path.data_time(), path.noise_time()}) check(prediction, path, t);
  // Of a velocity on the straight path the data and the noise follow at both ends.
  const pf::Predictor flow(half, Prediction::velocity, pf::linear_path());
  CHECK(distance(flow.denoised(x, 0), x + half(x, 0)) == 0);
  CHECK(distance(flow.denoised(x, 1), x) == 0);
  CHECK(distance(pf::noise(flow, x, 0), x) == 0);
}

TEST_CASE("a network may take one time per row, a number, or both") {
  pf::Rng rng(4);
  const Tensor<double> x = pf::normal<double>({5, 3}, rng);
  const pf::TimeMlp<double> both(3, {8}, rng);
  const auto rows = [&](const Tensor<double>& y, const Tensor<double>& t) { return both(y, t); };
  const auto number = [&](const Tensor<double>& y, double t) { return both(y, t); };
  const auto path = pf::variance_preserving();
  const Tensor<double> expected = pf::Predictor(both, Prediction::noise, path).denoised(x, 0.3);
  CHECK(distance(pf::Predictor(rows, Prediction::noise, path).denoised(x, 0.3), expected) < 1e-12);
  CHECK(distance(pf::Predictor(number, Prediction::noise, path).denoised(x, 0.3), expected) == 0);
}

TEST_CASE("the loss of a prediction is least at the conditional mean") {
  pf::Rng rng(5);
  const Index n = 4000;
  for (const auto& path : all_paths())
    for (const Prediction prediction : predictions) {
      const pf::GaussianMixtureDenoiser<double> exact(three_normals(), path);
      const double time = between(path, 0.4);
      double shift = 0;
      const auto net = [&](const Tensor<double>& x, const Tensor<double>& t) {
        return Oracle{exact, prediction}(x, t.data()[0]) + shift;
      };
      const pf::Predictor predictor(net, prediction, path);
      const Tensor<double> data = exact.data().sample(n, rng), noise = pf::normal<double>({n, 2}, rng);
      const Tensor<double> t = Tensor<double>::full({n}, time);
      for (const pf::Weighting weighting : {pf::Weighting::simple, pf::Weighting::noise, pf::Weighting::denoised,
                                            pf::Weighting::likelihood, pf::Weighting::min_snr}) {
        const auto loss = [&](double by) {
          shift = by;
          return pf::prediction_loss(predictor, data, noise, t, weighting).item();
        };
        // loss(by) = loss(0) + weight by^2 - 2 by slope, the slope being 0 up to the noise of the draws.
        const double at_0 = loss(0), up = loss(0.1), down = loss(-0.1);
        const double weight = (up + down - 2 * at_0) / 0.02, slope = (up - down) / 0.4;
        CHECK(weight > 0);
        CHECK(std::abs(slope) < 5 * std::sqrt(weight * at_0 / static_cast<double>(2 * n)));
      }
    }
}

TEST_CASE("weightings measure the same error whatever is predicted") {
  for (const auto& path : all_paths()) {
    const pf::PathPoint p = path.at(between(path, 0.6));
    // An error of 1 in the noise is one of - sigma / alpha in the data.
    const double data_error = -p.sigma / p.alpha;
    for (const Prediction prediction : predictions) {
      const pf::detail::PredictedSum s = pf::detail::predicted_sum(prediction, p);
      const double error = s.data * data_error + s.noise;
      const auto seen = [&](pf::Weighting w) { return pf::detail::loss_weight(w, prediction, p) * error * error; };
      CHECK(seen(pf::Weighting::noise) == Approx(1.0));
      CHECK(seen(pf::Weighting::denoised) == Approx(data_error * data_error));
      CHECK(seen(pf::Weighting::min_snr) == Approx(std::min(1.0, 5 * data_error * data_error)));
      // Half of the decay of alpha^2 / sigma^2, by differences.
      const double t = between(path, 0.6), h = 1e-6;
      const auto signal = [&](double at) { return std::pow(path.at(at).alpha / path.at(at).sigma, 2); };
      const double decay = std::abs(signal(t + h) - signal(t - h)) / (2 * h);
      CHECK(seen(pf::Weighting::likelihood) == Approx(0.5 * decay * data_error * data_error).epsilon(1e-6));
    }
  }
}

TEST_CASE("the loss of a predictor has gradients for its network, for points of any rank") {
  pf::Rng rng(6);
  pf::Predictor predictor(pf::TimeMlp<double>(2, {8}, rng), Prediction::score, pf::variance_exploding());
  const Tensor<double> data = pf::normal<double>({6, 2}, rng), noise = pf::normal<double>({6, 2}, rng);
  const Tensor<double> t = pf::uniform<double>({6}, rng);
  const auto gradients = pf::gradient(pf::prediction_loss(predictor, data, noise, t), predictor);
  REQUIRE(gradients.size() == 4);
  CHECK(pf::max(pf::abs(gradients[0])).item() > 0);
  const pf::Predictor images([](const Tensor<double>& x, const Tensor<double>&) { return x * 0.1; }, Prediction::noise,
                             pf::variance_preserving());
  const Tensor<double> image = pf::normal<double>({6, 1, 4, 4}, rng);
  CHECK(pf::prediction_loss(images, image, image, t).item() > 0);
  CHECK(pf::perturb(images.path(), image, image, t).shape() == image.shape());
  CHECK_THROWS_AS(pf::prediction_loss(images, image, image, Tensor<double>::zeros({5})), pf::ShapeError);
}

TEST_CASE("a mixture of batched normals has no denoiser") {
  const pf::Mixture<pf::Normal<double>> batched(
      Tensor<double>::zeros({2, 3}), pf::Normal<double>(Tensor<double>::zeros({2, 3, 1}), Tensor<double>::ones({1})));
  CHECK_THROWS_AS(pf::GaussianMixtureDenoiser<double>(batched, pf::linear_path()), pf::ShapeError);
}
