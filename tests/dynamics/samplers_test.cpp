#include <pushforward/dynamics/samplers.hpp>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <pushforward/core/threads.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/dynamics/ode.hpp>
#include <pushforward/nn/time_mlp.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

using Exact = pf::GaussianMixtureDenoiser<double>;
using Sampler = std::function<Tensor<double>(const Exact&, const Tensor<double>&, const std::vector<double>&)>;

pf::Mixture<pf::Normal<double>> three_normals() {
  return {Tensor<double>({0.0, 0.7, -0.5}), pf::Normal<double>(Tensor<double>({3, 2}, {-2, 0, 1, 1.5, 1, -2}),
                                                               Tensor<double>({3, 2}, {0.5, 0.6, 0.5, 0.7, 0.6, 0.8}))};
}
pf::Mixture<pf::Normal<double>> one_normal(double mean, double std) {
  return {Tensor<double>::zeros({1}),
          pf::Normal<double>(Tensor<double>({1, 1}, {mean}), Tensor<double>({1, 1}, {std}))};
}
double distance(const Tensor<double>& a, const Tensor<double>& b) { return pf::max(pf::abs(a - b)).item(); }
double average_distance(const Tensor<double>& a, const Tensor<double>& b) { return pf::abs(a - b).mean(); }

// The order at which a deterministic sampler nears the solution of the ODE as steps are halved.
double measured_order(const Exact& exact, const Sampler& sampler, const std::vector<double>& span, Index steps) {
  pf::Rng rng(7);
  const double from = span.front(), to = span.back();
  const Tensor<double> x = exact.at(from).sample(50, rng);
  const auto grid = [&](Index n) {
    std::vector<double> times;
    for (Index i = 0; i <= n; ++i)
      times.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(n));
    return times;
  };
  const pf::NoGradient guard;
  const auto field = [&](const Tensor<double>& at, double t) { return exact.velocity(at, t); };
  // Of the fourth order, so exact to 1e-8, where the samplers are off by 1e-5 and more.
  const Tensor<double> solution = pf::integrate(field, x, from, to, pf::RungeKutta4{.steps = 300});
  const double coarse = average_distance(sampler(exact, x, grid(steps)), solution);
  const double fine = average_distance(sampler(exact, x, grid(2 * steps)), solution);
  return std::log2(coarse / fine);
}

const Sampler by_euler = [](const Exact& d, const auto& x, const auto& t) { return pf::euler(d, x, t); };
const Sampler by_heun = [](const Exact& d, const auto& x, const auto& t) { return pf::heun(d, x, t); };
const Sampler by_ddim = [](const Exact& d, const auto& x, const auto& t) { return pf::ddim(d, x, t); };
const Sampler by_dpm = [](const Exact& d, const auto& x, const auto& t) { return pf::dpm_solver(d, x, t); };

// Compares weights, means and variances of the components with those of draws, by identities that hold exactly:
// E[r_k] = w_k, E[r_k x] = w_k m_k, E[r_k (x - m_k)^2] = w_k c_k^2, E[r_k (x - m_k)_1 (x - m_k)_2] = 0.
void check_moments(const pf::Mixture<pf::Normal<double>>& p, const Tensor<double>& x, double bias) {
  const auto check = [&](const Tensor<double>& each, const Tensor<double>& expected) {
    const double n = static_cast<double>(each.size(0));
    const Tensor<double> found = pf::mean(each, 0);
    const Tensor<double> error = pf::sqrt(pf::mean(pf::square(each - found), 0) / n);
    for (Index i = 0; i < found.size(); ++i) {
      INFO("component and axis " << i << ": " << found.data()[i] << ", expected " << expected.data()[i]);
      CHECK(std::abs(found.data()[i] - expected.data()[i]) < 4.5 * error.data()[i] + bias);
    }
  };
  const Tensor<double> r = pf::unsqueeze(p.responsibilities(x), 2), w = pf::unsqueeze(p.weights().probabilities(), 1);
  const Tensor<double> offset = pf::unsqueeze(x, 1) - p.components().mean();  // [n, k, 2]
  check(r, w);
  check(r * pf::unsqueeze(x, 1), w * p.components().mean());
  check(r * pf::square(offset), w * p.components().variance());
  check(r * pf::prod(offset, {2}, true), Tensor<double>::zeros(w.shape()));
}

}  // namespace

TEST_CASE("times run from noise to data") {
  for (const auto& path : {pf::linear_path(), pf::variance_preserving()})
    for (const auto spacing : {pf::Spacing::uniform, pf::Spacing::quadratic}) {
      const std::vector<double> t = pf::times(path, 10, {.spacing = spacing});
      REQUIRE(t.size() == 11);
      CHECK(t.front() == path.noise_time());
      CHECK(t.back() == path.data_time());
    }
  CHECK(pf::times(pf::linear_path(), 4)[1] == 0.25);
  CHECK(pf::times(pf::variance_preserving(), 4, {.spacing = pf::Spacing::quadratic})[2] == 0.25);
  CHECK(pf::times(pf::variance_preserving(), 4, {.cut = 0.1}).back() == Approx(0.1));
}

TEST_CASE("Karras's times are even in a root of sigma / alpha") {
  const auto path = pf::variance_exploding({.sigma_min = 1e-4, .sigma_max = 80});
  const std::vector<double> t = pf::times(path, 18, {.spacing = pf::Spacing::karras});
  REQUIRE(t.size() == 19);
  for (std::size_t i = 0; i < 18; ++i) {  // Karras et al. 2022, eq. 5, N = 18
    const double root =
        std::pow(80, 1 / 7.0) + static_cast<double>(i) / 17 * (std::pow(0.002, 1 / 7.0) - std::pow(80, 1 / 7.0));
    CHECK(path.at(t[i]).sigma == Approx(std::pow(root, 7)).epsilon(1e-9));
  }
  CHECK(t.back() == 0);
  // A path that ends above the smallest level ends there.
  const auto loud = pf::variance_exploding({.sigma_min = 0.1, .sigma_max = 80});
  const std::vector<double> few = pf::times(loud, 5, {.spacing = pf::Spacing::karras});
  CHECK(few.back() == 0);
  CHECK(loud.at(few[4]).sigma > 0.11);
  CHECK_THROWS_AS(pf::times(pf::linear_path(), 5, {.spacing = pf::Spacing::karras}), pf::ValueError);
}

TEST_CASE("samplers converge at their order") {
  const Exact flow(three_normals(), pf::linear_path()), diffusion(three_normals(), pf::variance_preserving()),
      score(three_normals(), pf::variance_exploding({.sigma_min = 0.02, .sigma_max = 10}));
  CHECK(measured_order(flow, by_euler, {0, 1}, 200) == Approx(1).margin(0.15));
  CHECK(measured_order(flow, by_heun, {0, 1}, 100) == Approx(2).margin(0.15));
  CHECK(measured_order(flow, by_ddim, {0, 1}, 200) == Approx(1).margin(0.15));
  CHECK(measured_order(diffusion, by_euler, {1, 0.02}, 200) == Approx(1).margin(0.15));
  CHECK(measured_order(diffusion, by_heun, {1, 0.02}, 200) == Approx(2).margin(0.15));
  CHECK(measured_order(diffusion, by_ddim, {1, 0.02}, 200) == Approx(1).margin(0.15));
  CHECK(measured_order(diffusion, by_dpm, {1, 0.02}, 200) == Approx(2).margin(0.2));
  CHECK(measured_order(score, by_euler, {1, 0}, 800) == Approx(1).margin(0.15));
  CHECK(measured_order(score, by_heun, {1, 0}, 200) == Approx(2).margin(0.15));
  CHECK(measured_order(score, by_ddim, {1, 0}, 200) == Approx(1).margin(0.15));
  CHECK(measured_order(score, by_dpm, {1, 0}, 200) == Approx(2).margin(0.2));
}

TEST_CASE("on the straight path DDIM without noise is Euler's method") {
  pf::Rng rng(8);
  const Exact flow(three_normals(), pf::linear_path());
  const Tensor<double> x = pf::normal<double>({10, 2}, rng);
  const std::vector<double> t = pf::times(flow.path(), 9);
  CHECK(distance(pf::ddim(flow, x, t), pf::euler(flow, x, t)) < 1e-12);
}

TEST_CASE("every sampler reaches the weights, means and covariances of a mixture") {
  const Index n = 6000;
  std::uint64_t seed = 100;
  for (const auto& path : {pf::linear_path(), pf::variance_preserving(), pf::cosine_path(),
                           pf::variance_exploding({.sigma_min = 0.01, .sigma_max = 40})}) {
    const Exact exact(three_normals(), path);
    const std::vector<double> t = pf::times(path, 100);
    for (const auto& [name, sampler, bias] : std::vector<std::tuple<std::string, Sampler, double>>{
             {"ddim", by_ddim, 0.04}, {"heun", by_heun, 0.01}, {"dpm_solver", by_dpm, 0.01}}) {
      INFO(name << ", path " << (seed - 100) / 5);
      pf::Rng rng(seed++);
      check_moments(exact.data(), sampler(exact, pf::initial_noise<double>(path, {n, 2}, rng), t), bias);
    }
    pf::Rng rng(seed++);
    INFO("noisy, path " << (seed - 100) / 5);
    const Tensor<double> x = pf::initial_noise<double>(path, {n, 2}, rng);
    check_moments(exact.data(), pf::ancestral(exact, x, t, rng), 0.04);
    check_moments(exact.data(), pf::ddim(exact, x, t, {.eta = 0.5}, rng), 0.04);
    ++seed;
  }
}

TEST_CASE("on normal data ancestral sampling and DDIM have the variances of DDPM's and DDIM's formulas, step by step") {
  const double m = 0.8, c = 0.6;
  const Index n = 50'000;
  const auto path = pf::variance_preserving();
  const Exact exact(one_normal(m, c), path);
  for (const Index steps : {3, 10})
    for (const double eta : {0.0, 0.5, 1.0}) {
      const std::vector<double> t = pf::times(path, steps, {.cut = 1e-3});
      double mean = 0, variance = std::pow(path.at(1).sigma, 2);
      for (std::size_t i = 0; i + 1 < t.size(); ++i) {
        // With alpha_bar as in the papers, and E[x_0 | x] = a + b x for normal data.
        const double bar = std::pow(path.at(t[i]).alpha, 2), next = std::pow(path.at(t[i + 1]).alpha, 2);
        const double b = std::sqrt(bar) * c * c / (bar * c * c + 1 - bar), a = m * (1 - b * std::sqrt(bar));
        double of_x, of_data, fresh;
        if (eta == 1) {  // Ho et al. 2020, eq. 7
          const double beta = 1 - bar / next;
          of_data = std::sqrt(next) * beta / (1 - bar);
          of_x = std::sqrt(1 - beta) * (1 - next) / (1 - bar);
          fresh = (1 - next) / (1 - bar) * beta;
        } else {  // Song, Meng and Ermon 2021, eq. 12 and 16
          fresh = eta * eta * (1 - next) / (1 - bar) * (1 - bar / next);
          of_x = std::sqrt((1 - next - fresh) / (1 - bar));
          of_data = std::sqrt(next) - of_x * std::sqrt(bar);
        }
        mean = (of_x + of_data * b) * mean + of_data * a;
        variance = std::pow(of_x + of_data * b, 2) * variance + fresh;
      }
      pf::Rng rng(static_cast<std::uint64_t>(10 * steps) + static_cast<std::uint64_t>(4 * eta));
      const Tensor<double> start = pf::initial_noise<double>(path, {n, 1}, rng);
      const Tensor<double> x =
          eta == 1 ? pf::ancestral(exact, start, t, rng) : pf::ddim(exact, start, t, {.eta = eta}, rng);
      INFO("steps " << steps << ", eta " << eta);
      CHECK(std::abs(x.mean() - mean) < 4.5 * std::sqrt(variance / n));
      CHECK(std::abs(pf::var(x).item() - variance) < 4.5 * variance * std::sqrt(2.0 / n));
    }
}

TEST_CASE("annealed Langevin dynamics has the variance of its recursion on normal data, and its limit") {
  const double c = 0.5;
  const Index n = 50'000;
  const auto path = pf::variance_exploding({.sigma_min = 0.05, .sigma_max = 5});
  const Exact exact(one_normal(0, c), path);
  const std::vector<double> t = pf::times(path, 9);
  const pf::AnnealedLangevinOptions options{.steps = 20, .step_size = 0.2, .denoise = false};
  double variance = 25;
  for (const double time : t) {
    const double s2 = std::pow(path.at(time).sigma, 2), step = 0.2 * s2;
    for (int i = 0; i < 20; ++i) variance = std::pow(1 - 0.5 * step / (c * c + s2), 2) * variance + step;
  }
  pf::Rng rng(9);
  const Tensor<double> start = pf::initial_noise<double>(path, {n, 1}, rng);
  const Tensor<double> x = pf::annealed_langevin(exact, start, t, options, rng);
  CHECK(std::abs(x.mean()) < 4.5 * std::sqrt(variance / n));
  CHECK(std::abs(pf::var(x).item() - variance) < 4.5 * variance * std::sqrt(2.0 / n));
}

TEST_CASE("annealed Langevin dynamics reaches a mixture") {
  const auto path = pf::variance_exploding({.sigma_min = 0.05, .sigma_max = 10});
  const Exact exact(three_normals(), path);
  pf::Rng rng(10);
  const Tensor<double> start = pf::initial_noise<double>(path, {6000, 2}, rng);
  const Tensor<double> x =
      pf::annealed_langevin(exact, start, pf::times(path, 15), {.steps = 40, .step_size = 0.1, .denoise = false}, rng);
  check_moments(exact.at(path.data_time()), x, 0.04);
}

TEST_CASE("estimates of the data stay within the clip") {
  const pf::Predictor wild([](const Tensor<double>& x, double) { return x * 5; }, pf::Prediction::denoised,
                           pf::variance_preserving());
  pf::Rng rng(11);
  const Tensor<double> x = pf::normal<double>({100, 1, 2, 2}, rng);
  const std::vector<double> t = pf::times(wild.path(), 5);
  CHECK(pf::abs(pf::ancestral(wild, x, t, rng)).max() > 1);
  CHECK(pf::abs(pf::ancestral(wild, x, t, rng, {.clip = 1})).max() <= 1);
  CHECK(pf::abs(pf::ddim(wild, x, t, {.clip = 1}, rng)).max() <= 1);
}

TEST_CASE("samplers give the same bits for any number of threads, and others for another seed") {
  const int before = pf::num_threads();
  pf::Rng init(12);
  const auto draw = [](const auto& denoiser, std::uint64_t seed) {
    pf::Rng rng(seed);
    const auto& path = denoiser.path();
    const std::vector<double> t = pf::times(path, 7);
    const Tensor<> x = pf::initial_noise(path, {3000, 2}, rng);
    return pf::concat({pf::ancestral(denoiser, x, t, rng), pf::ddim(denoiser, x, t, {.eta = 0.3}, rng),
                       pf::euler(denoiser, x, {t.begin(), t.end() - 1}), pf::heun(denoiser, x, t),
                       pf::dpm_solver(denoiser, x, t), pf::annealed_langevin(denoiser, x, t, {.steps = 2}, rng)});
  };
  const pf::Predictor net(pf::TimeMlp<>(2, {32, 32}, init), pf::Prediction::noise, pf::variance_preserving());
  pf::set_num_threads(1);
  const std::vector<float> serial = draw(net, 1).to_vector();
  for (const int threads : {2, 3}) {
    pf::set_num_threads(threads);
    CHECK(draw(net, 1).to_vector() == serial);
  }
  CHECK(draw(net, 2).to_vector() != serial);
  pf::set_num_threads(before);
}

TEST_CASE("draws are constants") {
  pf::Rng rng(13);
  const pf::Predictor net(pf::TimeMlp<>(2, {8}, rng), pf::Prediction::noise, pf::variance_preserving());
  const Tensor<> x = pf::normal({4, 2}, rng);
  const std::vector<double> t = pf::times(net.path(), 3, {.cut = 1e-3});
  CHECK_FALSE(pf::ancestral(net, x, t, rng).tracked());
  CHECK_FALSE(pf::heun(net, x, t).tracked());
  CHECK(pf::is_finite(pf::heun(net, x, t)).min() == 1);
}

TEST_CASE("samplers refuse what they cannot use") {
  pf::Rng rng(14);
  const Exact exact(one_normal(0, 1), pf::variance_preserving());
  const Tensor<double> x = pf::normal<double>({4, 1}, rng);
  const std::vector<double> one{1.0}, two{1.0, 0.5};
  CHECK_THROWS_AS(pf::ddim(exact, x, one), pf::ValueError);
  CHECK_THROWS_AS(pf::ancestral(exact, x, one, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::euler(exact, x, one), pf::ValueError);
  CHECK_THROWS_AS(pf::heun(exact, x, one), pf::ValueError);
  CHECK_THROWS_AS(pf::dpm_solver(exact, x, one), pf::ValueError);
  CHECK_THROWS_AS(pf::annealed_langevin(exact, x, {}, {}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::annealed_langevin(exact, x, two, {.steps = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::annealed_langevin(exact, x, two, {.step_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ddim(exact, x, two, {.eta = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ddim(exact, x, two, {.clip = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::times(exact.path(), 0), pf::ValueError);
  CHECK_THROWS_AS(pf::times(exact.path(), 3, {.cut = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::times(exact.path(), 3, {.rho = 0}), pf::ValueError);
}
