#include <pushforward/models/diffusion.hpp>

#include <cmath>
#include <vector>

#include <pushforward/core/threads.hpp>
#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

constexpr pf::Sampler samplers[] = {pf::Sampler::ancestral, pf::Sampler::ddim,       pf::Sampler::euler,
                                    pf::Sampler::heun,      pf::Sampler::dpm_solver, pf::Sampler::annealed_langevin};

pf::Mixture<pf::Normal<double>> two_normals() {
  return {Tensor<double>({0.3, -0.4}),
          pf::Normal<double>(Tensor<double>({2, 2}, {-1.5, 0, 1, 1}), Tensor<double>({2, 2}, {0.5, 0.8, 0.6, 0.4}))};
}

// A network that is perfect: it says the exact score.
struct ExactScore {
  using Scalar = double;
  pf::GaussianMixtureDenoiser<double> exact;

  Tensor<double> operator()(const Tensor<double>& x, double t) const { return exact.score(x, t); }
  Tensor<double> operator()(const Tensor<double>& x, const Tensor<double>& t) const {
    std::vector<Tensor<double>> rows;
    for (Index i = 0; i < x.size(0); ++i) rows.push_back(exact.score(pf::slice(x, 0, i, i + 1), t.data()[i]));
    return pf::concat(rows);
  }
  static void members(auto&, auto&&) {}
};
pf::Diffusion<ExactScore> perfect(const pf::GaussianPath& path, double cut = 1e-4) {
  return {ExactScore{{two_normals(), path}}, 2, path, {.prediction = pf::Prediction::score, .cut = cut}};
}

}  // namespace

static_assert(pf::GenerativeModel<pf::Diffusion<pf::TimeMlp<float>>>);
static_assert(pf::ApproximateDensity<pf::Diffusion<pf::TimeMlp<float>>>);
static_assert(!pf::Density<pf::Diffusion<pf::TimeMlp<float>>>);
static_assert(pf::Denoiser<pf::Diffusion<pf::TimeMlp<float>>>);

TEST_CASE("the likelihood of a perfect diffusion model is that of its data") {
  pf::Rng rng(1);
  const auto data = two_normals();
  const Tensor<double> x = data.sample(50, rng);
  const Tensor<double> truth = data.log_prob(x);
  const pf::OdeSolver accurate = pf::DormandPrince{.relative = 1e-8, .absolute = 1e-8};
  // What is left: the data's trace in the noise (alpha = 0.007, or a standard deviation against 1000), and the cut.
  const auto vp = perfect(pf::variance_preserving()).log_likelihood(x, rng, {.solver = accurate});
  CHECK(vp.kind == pf::LikelihoodKind::estimate);
  CHECK(pf::max(pf::abs(vp.value - truth)).item() < 0.04);
  CHECK(std::abs(pf::mean(vp.value - truth).item()) < 2e-3);
  const auto ve = perfect(pf::variance_exploding({.sigma_min = 1e-3, .sigma_max = 1000}), 0)
                      .log_likelihood(x, rng, {.solver = accurate});
  CHECK(pf::max(pf::abs(ve.value - truth)).item() < 5e-3);
  // In closed form the ODE from t on starts from the density of x_t.
  const auto later = perfect(pf::variance_preserving()).log_likelihood(x, rng, {.solver = accurate, .time = 0.4});
  const pf::GaussianMixtureDenoiser<double> exact(data, pf::variance_preserving());
  CHECK(pf::max(pf::abs(later.value - exact.log_prob(x, 0.4))).item() < 0.04);
}

TEST_CASE("Hutchinson's estimate of the likelihood is unbiased") {
  pf::Rng rng(2);
  const auto model = perfect(pf::variance_preserving());
  const Tensor<double> one = Tensor<double>({1, 2}, {0.4, 0.3}), many = pf::expand(one, pf::Shape{400, 2});
  const double exact = model.log_likelihood(one, rng).value.item();
  const Tensor<double> probed = model.log_likelihood(many, rng, {.divergence = pf::Divergence::hutchinson}).value;
  const double error = std::sqrt(pf::var(probed).item() / 400);
  CHECK(error > 1e-4);
  CHECK(std::abs(probed.mean() - exact) < 4.5 * error + 1e-3);
}

TEST_CASE("a likelihood by the network's own divergence is that of the general one") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({20, 2}, rng);
  const auto check = [&](const auto& net, pf::Prediction prediction, const pf::GaussianPath& path) {
    const pf::DiffusionOptions options{.prediction = prediction};
    const auto general = [net](const Tensor<double>& y, double t) { return net(y, t); };
    const pf::Diffusion fast(net, 2, path, options);
    const pf::Predictor slow(general, prediction, path);
    for (const double t : {0.1, 0.7}) {
      const auto field = [&](const Tensor<double>& y, double at) { return slow.velocity(y, at); };
      const auto [v, div] = pf::velocity_and_divergence(field, x, t);
      const auto [w, closed] = pf::velocity_and_divergence(
          pf::detail::VectorFlow<std::remove_cvref_t<decltype(net)>>{fast.predictor()}, x, t);
      CHECK(pf::max(pf::abs(v - w)).item() < 1e-10);
      CHECK(pf::max(pf::abs(div - closed)).item() < 1e-9);
      CHECK(pf::max(pf::abs(net(x, Tensor<double>::full({20}, t)) - net(x, t))).item() < 1e-10);
    }
  };
  const pf::TimeMlp<double> mlp(2, {16, 16}, rng);
  check(mlp, pf::Prediction::noise, pf::variance_preserving());
  check(mlp, pf::Prediction::v, pf::cosine_path());
  const auto ve = pf::variance_exploding();
  check(pf::ScoreNetwork<pf::TimeMlp<double>>{mlp, ve, 0.7}, pf::Prediction::score, ve);
}

TEST_CASE("all samplers draw from a perfect model") {
  const Index n = 4000;
  for (const pf::Sampler sampler : samplers) {
    INFO("sampler " << static_cast<int>(sampler));
    const bool langevin = sampler == pf::Sampler::annealed_langevin;
    const auto path =
        langevin ? pf::variance_exploding({.sigma_min = 0.02, .sigma_max = 10}) : pf::variance_preserving();
    const auto model = perfect(path);
    pf::Rng rng(4);
    const pf::TimesOptions spread{.cut = sampler == pf::Sampler::euler ? 1e-3 : 0.0};
    const Tensor<double> x = model.sample(
        n, rng, {.sampler = sampler, .steps = langevin ? 20 : 150, .times = spread, .langevin = {.steps = 40}});
    REQUIRE(x.shape() == pf::Shape{n, 2});
    const auto data = two_normals();
    const Tensor<double> mean = pf::mean(x, 0), variance = pf::var(x, 0);
    for (Index i = 0; i < 2; ++i) {
      const double expected = data.variance().data()[i];
      CHECK(std::abs(mean.data()[i] - data.mean().data()[i]) < 4.5 * std::sqrt(expected / n) + 0.03);
      CHECK(variance.data()[i] == Approx(expected).epsilon(4.5 * std::sqrt(3.0 / n) + 0.03));
    }
  }
}

TEST_CASE("training finds the score of normal data") {
  // E[eps | x_t] = sigma x / (alpha^2 c^2 + sigma^2) for data N(0, c^2).
  const double c = 0.7;
  for (const auto prediction : {pf::Prediction::noise, pf::Prediction::velocity, pf::Prediction::score}) {
    pf::Rng rng(5);
    const Tensor<> data = pf::normal({4000, 1}, rng) * c;
    auto model = pf::ddpm({.features = 1, .hidden = {32, 32}, .prediction = prediction, .cut = 0.01}, rng);
    pf::fit(model, data, pf::denoising(),
            {.epochs = 25,
             .batch_size = 128,
             .optimizer = pf::Adam({.learning_rate = 5e-3}),
             .schedule = pf::cosine_decay(),
             .ema_decay = 0.99,
             .progress = pf::Progress::off},
            rng);
    for (const double t : {0.2, 0.5, 0.9}) {
      const pf::PathPoint p = model.path().at(t);
      const double variance = p.alpha * p.alpha * c * c + p.sigma * p.sigma;
      const Tensor<> x = Tensor<>({3, 1}, {-1, 0.2f, 0.8f});
      const Tensor<> error = pf::noise(model, x, t) - x * (p.sigma / variance);
      CHECK(pf::max(pf::abs(error)).item() < 0.15f);
    }
  }
}

TEST_CASE("a model built for scores learns eight Gaussians well enough to draw all of them") {
  pf::Rng rng(6);
  const pf::data::EightGaussians data;
  auto model = pf::noise_conditional_score(
      {.features = 2, .hidden = {64, 64}, .sigma_min = 0.05, .sigma_max = 10, .data_std = 2}, rng);
  pf::fit(model, data.sample(8000, rng), pf::denoising(),
          {.epochs = 60,
           .batch_size = 128,
           .optimizer = pf::Adam({.learning_rate = 5e-3}),
           .schedule = pf::cosine_decay(),
           .progress = pf::Progress::off},
          rng);
  const Tensor<> x = model.sample(800, rng), centers = data.centers();
  std::vector<int> found(8);
  int near = 0;
  for (Index i = 0; i < 800; ++i) {
    const Tensor<> squares = pf::sum(pf::square(centers - pf::slice(x, 0, i, i + 1)), 1);
    ++found[static_cast<std::size_t>(pf::argmax(squares * -1, 0).item())];
    near += squares.min() < 1.2f * 1.2f;  // four standard deviations
  }
  for (const int count : found) CHECK(std::abs(count - 100) < 50);
  CHECK(near > 720);
}

TEST_CASE("models of images are called with images") {
  pf::Rng rng(7);
  const auto net = [](const Tensor<>& x, const Tensor<>& t) { return x * pf::per_row(t, x); };
  const pf::Diffusion model(net, {1, 4, 4}, pf::variance_preserving());
  CHECK(model.sample(3, rng, {.steps = 4, .clip = 1}).shape() == pf::Shape{3, 1, 4, 4});
  CHECK(model.sample(0, rng).shape() == pf::Shape{0, 1, 4, 4});
  const Tensor<> x = pf::normal({3, 1, 4, 4}, rng);
  CHECK(pf::denoising()(model, x, rng).item() > 0);
  CHECK(model.log_likelihood(x, rng, {.solver = pf::Heun{.steps = 5}, .divergence = pf::Divergence::hutchinson})
            .value.shape() == pf::Shape{3});
}

TEST_CASE("stratified times give the loss less noise, and the same mean") {
  pf::Rng rng(8);
  const auto model = perfect(pf::variance_preserving(), 1e-2);
  const Tensor<double> x = two_normals().sample(32, rng);
  const auto losses = [&](bool stratified) {
    return Tensor<double>::generate(
        {300}, [&](Index) { return pf::denoising({.stratified = stratified})(model, x, rng).item(); });
  };
  const Tensor<double> even = losses(true), free = losses(false);
  const double error = std::sqrt((pf::var(even).item() + pf::var(free).item()) / 300);
  CHECK(pf::var(even).item() < 0.9 * pf::var(free).item());
  CHECK(std::abs(even.mean() - free.mean()) < 4.5 * error);
}

TEST_CASE("a diffusion model is a module, and draws the same bits for any number of threads") {
  pf::Rng rng(9);
  auto model = pf::ddpm({.features = 2, .hidden = {16, 16}}, rng);
  CHECK(pf::count_parameters(model) == 3 * 16 + 16 + 16 * 16 + 16 + 2 * 16 + 2);
  const int before = pf::num_threads();
  std::vector<std::vector<float>> drawn;
  for (const int threads : {1, 2, 3}) {
    pf::set_num_threads(threads);
    pf::Rng again(10);
    const Tensor<> x = model.sample(1200, again, {.steps = 10});
    drawn.push_back(pf::concat({pf::sum(x, 1), model.log_likelihood(x, again).value}).to_vector());
  }
  pf::set_num_threads(before);
  CHECK(drawn[0] == drawn[1]);
  CHECK(drawn[0] == drawn[2]);
}

TEST_CASE("diffusion models refuse what they cannot use") {
  pf::Rng rng(11);
  const auto model = pf::ddpm({.features = 2, .hidden = {4}}, rng);
  CHECK_THROWS_AS(model.sample(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(model.sample(2, rng, {.steps = 0}), pf::ValueError);
  CHECK_THROWS_AS(model.sample(2, rng, {.batch = 0}), pf::ValueError);
  CHECK_THROWS_AS(model.log_likelihood(Tensor<>::zeros({3, 3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.log_likelihood(Tensor<>::zeros({3, 2}), rng, {.batch = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::denoising()(model, Tensor<>::zeros({3, 3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::denoising()(model, Tensor<>::zeros({0, 2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::ddpm({.features = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ddpm({.features = 2, .cut = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::noise_conditional_score({.features = 2, .data_std = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::noise_conditional_score({.features = 2, .sigma_min = 2, .sigma_max = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::Diffusion(pf::TimeMlp<>(2, {4}, rng), pf::Shape{0}, pf::variance_preserving()), pf::ValueError);
}
