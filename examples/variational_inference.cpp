// Variational inference: flows fitted to unnormalized posteriors, against the exact answer by quadrature.
#include <cmath>
#include <functional>

#include "arguments.hpp"

namespace pf = pushforward;

/// A posterior in the plane, known up to its normalizer.
struct Posterior {
  const char* name;
  pf::plot::Range x, y;  // where all of its mass is
  std::function<pf::Tensor<>(const pf::Tensor<>&)> log_density;
};

pf::Tensor<> column(const pf::Tensor<>& w, pf::Index j) { return pf::squeeze(pf::slice(w, -1, j, j + 1), -1); }

/// log of a normal density without its normalizer.
pf::Tensor<> bump(const pf::Tensor<>& x, double mean, double std) { return pf::square((x - mean) / std) * -0.5; }

/// Logistic regression with two weights on a dozen points, most of them on the right side: p(labels | w) p(w) with
/// w ~ N(0, 4^2 I). Its normalizer is the evidence of the labels.
Posterior logistic_regression() {
  pf::Rng rng(4);
  const pf::Tensor<> inputs = pf::normal({12, 2}, rng) * 1.2;                                       // [12, 2]
  const pf::Tensor<> score = pf::matmul(inputs, pf::Tensor<>({2, 1}, {1.0f, 2.0f}));                // [12, 1]
  const pf::Tensor<> sign = pf::where(score + 0.8 * pf::normal({12, 1}, rng) > 0.0f, 1.0f, -1.0f);  // [12, 1]
  const pf::Tensor<> signed_inputs = inputs * sign;
  const pf::Normal<> prior(pf::Tensor<>::zeros({2}), pf::Tensor<>::full({2}, 4));
  return {"logistic regression", {-4, 14}, {-3, 15}, [=](const pf::Tensor<>& w) {
            const pf::Tensor<> margins = pf::matmul(w, signed_inputs, {.transpose_b = true});  // [n, 12]
            return prior.log_prob(w) - pf::sum(pf::softplus(-margins), -1);
          }};
}
Posterior banana() {
  return {"banana", {-4, 4}, {-3, 5}, [](const pf::Tensor<>& w) {
            const pf::Tensor<> x = column(w, 0);
            return bump(x, 0, 1) + bump(column(w, 1) - 0.6 * pf::square(x), -0.6, 0.3);
          }};
}
/// A ring, brighter at two sides (Rezende and Mohamed 2015, table 1, the first).
Posterior ring() {
  return {"ring", {-4, 4}, {-4, 4}, [](const pf::Tensor<>& w) {
            const pf::Tensor<> x = column(w, 0), radius = pf::norm(w, -1);
            const pf::Tensor<> sides = pf::stack({bump(x, 2, 0.8), bump(x, -2, 0.8)}, 0);
            return bump(radius, 2, 0.4) + pf::logsumexp(sides, 0);
          }};
}
/// A wave that forks (the third of the same table, within an envelope).
Posterior forking_wave() {
  return {"forking wave", {-4, 4}, {-4, 4}, [](const pf::Tensor<>& w) {
            const pf::Tensor<> x = column(w, 0), y = column(w, 1);
            const pf::Tensor<> wave = pf::sin(x * 1.5707963), gap = 3.0 * pf::exp(bump(x, 1, 0.6));
            const pf::Tensor<> ways = pf::stack({bump(y - wave, 0, 0.35), bump(y - wave + gap, 0, 0.35)}, 0);
            return bump(x, 0, 1.3) + pf::logsumexp(ways, 0);
          }};
}

/// Sums over a fine grid, which in the plane are exact to many digits.
struct Quadrature {
  pf::Tensor<> points;  // [n, 2]
  std::vector<double> log_p;
  double cell, log_z = 0, mean[2] = {0, 0}, std[2] = {0, 0};

  explicit Quadrature(const Posterior& posterior)
      : points(pf::plot::lattice<float>(posterior.x, posterior.y, 400, 400)),
        log_p(in_doubles(posterior.log_density)),
        cell((posterior.x.high - posterior.x.low) * (posterior.y.high - posterior.y.low) / 160'000) {
    double total = 0;
    for (double l : log_p) total += std::exp(l) * cell;
    log_z = std::log(total);
    for (double& l : log_p) l -= log_z;
    each([&](std::size_t i, double x, double y) {
      const double p = std::exp(log_p[i]) * cell;
      mean[0] += p * x, mean[1] += p * y, std[0] += p * x * x, std[1] += p * y * y;
    });
    for (int j = 0; j < 2; ++j) std[j] = std::sqrt(std[j] - mean[j] * mean[j]);
  }
  /// KL(q || p) of a density.
  template <class Density>
  double divergence(const Density& q) const {
    const std::vector<double> log_q = in_doubles([&](const pf::Tensor<>& w) { return q.log_prob(w); });
    double total = 0;
    for (std::size_t i = 0; i < log_q.size(); ++i) total += std::exp(log_q[i]) * (log_q[i] - log_p[i]) * cell;
    return total;
  }

 private:
  template <class LogDensity>
  std::vector<double> in_doubles(const LogDensity& log_density) const {
    const pf::NoGradient guard;
    std::vector<double> values;
    pf::Rng unused(0);
    for (const pf::Tensor<>& batch : pf::batches(points, 8000, unused, {.shuffle = false}))
      for (float l : log_density(batch)) values.push_back(l);
    return values;
  }
  template <class Visit>
  void each(const Visit& visit) const {
    for (std::size_t i = 0; i < log_p.size(); ++i) visit(i, points.data()[2 * i], points.data()[2 * i + 1]);
  }
};

/// Reverse KL without data: a spline flow draws, the posterior scores, the weight of its score rises at first.
auto fitted(const Posterior& posterior, const examples::Arguments& arguments, pf::Rng& rng) {
  const auto middle = [](const pf::plot::Range& r) { return static_cast<float>((r.low + r.high) / 2); };
  const auto extent = [](const pf::plot::Range& r) { return static_cast<float>((r.high - r.low) / 10); };
  auto splines = pf::neural_spline_flow({.features = 2, .layers = 8, .bins = 8, .hidden = {64, 64}}, rng).bijector();
  pf::Flow flow(pf::standard_normal(2),
                pf::Compose(std::move(splines), pf::Affine<>({middle(posterior.x), middle(posterior.y)},
                                                             {extent(posterior.x), extent(posterior.y)})));
  const auto objective = pf::annealed([&](pf::Index step, pf::Index total) {
    return pf::reverse_kl(posterior.log_density, {.gradient = pf::BoundGradient::sticking_the_landing,
                                                  .beta = pf::ramp(step, total / 2, 0.1)});
  });
  pf::fit(flow, pf::NoData{.draws = 51'200}, objective,
          {.epochs = arguments.epochs,
           .batch_size = 512,
           .optimizer = pf::Adam({.learning_rate = 3e-3}),
           .schedule = pf::cosine_decay(),
           .clip_norm = 10,
           .ema_decay = 0.998},
          rng);
  return flow;
}

void variational_inference(const examples::Arguments& arguments) {
  const std::vector<Posterior> posteriors{logistic_regression(), banana(), ring(), forking_wave()};
  std::vector<std::string> names;
  for (const Posterior& posterior : posteriors) names.push_back(posterior.name);
  pf::plot::Figure figure({.rows = 3,
                           .columns = static_cast<pf::Index>(posteriors.size()),
                           .row_titles = {"exact posterior", "flow: density", "flow: draws"},
                           .column_titles = names});
  double worst_divergence = 0, worst_log_z = 0, least_share = 1;
  std::printf(
      "posterior            log Z    by the flow      KL(q||p)   ESS    mean: exact / flow          std: exact / "
      "flow\n");
  for (std::size_t i = 0; i < posteriors.size(); ++i) {
    const Posterior& posterior = posteriors[i];
    pf::Rng rng(arguments.seed);
    const Quadrature exact(posterior);
    const auto flow = fitted(posterior, arguments, rng);

    const pf::Index draws = 20'000;
    const auto weighted = pf::importance_sample(flow, posterior.log_density, {.draws = draws}, rng);
    const double divergence = exact.divergence(flow), log_z = weighted.log_normalizer(),
                 share = weighted.effective_sample_size() / static_cast<double>(draws);
    const pf::Tensor<> mean = pf::mean(weighted.value, 0), std = pf::sqrt(pf::var(weighted.value, 0));
    std::printf("%-18s %7.4f %8.4f +-%.4f %8.4f %5.1f%%  %5.2f %5.2f / %5.2f %5.2f  %5.2f %5.2f / %5.2f %5.2f\n",
                posterior.name, exact.log_z, log_z, weighted.log_normalizer_error(), divergence, 100 * share,
                exact.mean[0], exact.mean[1], mean(0), mean(1), exact.std[0], exact.std[1], std(0), std(1));
    worst_divergence = std::max(worst_divergence, divergence);
    worst_log_z = std::max(worst_log_z, std::abs(log_z - exact.log_z));
    least_share = std::min(least_share, share);

    const auto at = static_cast<pf::Index>(i);
    figure.density(0, at, posterior.log_density, {.x_range = posterior.x, .y_range = posterior.y, .axes = false});
    figure.density(1, at, flow, {.x_range = posterior.x, .y_range = posterior.y, .axes = false});
    figure.scatter(2, at, pf::slice(weighted.value, 0, 0, 4000),
                   {.x_range = posterior.x, .y_range = posterior.y, .axes = false});
  }
  arguments.save(figure, "variational_inference.png");
  arguments.result(
      {{"largest_kl", worst_divergence}, {"largest_log_z_error", worst_log_z}, {"smallest_ess_share", least_share}});
}

int main(int count, char** given) {
  return examples::run(
      {.name = "variational_inference",
       .text = "flows fitted to posteriors that are known up to a constant.\n\n"
               "There is no data to train on: a spline flow draws, the posterior scores its draws, and the\n"
               "reverse divergence becomes small. In the plane sums over a grid give the exact answer: the\n"
               "table compares normalizer, divergence and moments, the picture densities. An epoch is 100\n"
               "steps of 512 draws.",
       .epochs = 40},
      count, given, variational_inference);
}
