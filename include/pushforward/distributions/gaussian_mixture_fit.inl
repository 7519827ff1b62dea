// Bodies of gaussian_mixture_fit.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include <pushforward/core/isa.hpp>
#include <pushforward/distributions/gaussian_mixture_fit.hpp>

namespace pushforward::detail {

// A symmetric matrix with every eigenvalue below `floor` raised to it, by Jacobi's rotations.
PUSHFORWARD_ONCE void raise_eigenvalues(double* a, Index d, double floor) {
  std::vector<double> shifted(a, a + d * d), root(shifted.size()), v(shifted.size(), 0.0);
  for (Index i = 0; i < d; ++i) shifted[static_cast<std::size_t>(i * d + i)] -= floor;
  if (cholesky_kernel(shifted.data(), root.data(), d) == no_pivot) return;
  for (Index i = 0; i < d; ++i) v[static_cast<std::size_t>(i * d + i)] = 1;
  for (int sweep = 0; sweep < 50; ++sweep) {
    double outside = 0, inside = 0;
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) (i == j ? inside : outside) += a[i * d + j] * a[i * d + j];
    if (outside <= 1e-30 * inside) break;
    for (Index p = 0; p < d; ++p)
      for (Index q = p + 1; q < d; ++q) {
        if (a[p * d + q] == 0) continue;
        const double t = 0.5 * std::atan2(2 * a[p * d + q], a[q * d + q] - a[p * d + p]), c = std::cos(t),
                     s = std::sin(t);
        auto rotate = [c, s](double& x, double& y) {
          const double old = x;
          x = c * old - s * y, y = s * old + c * y;
        };
        for (Index i = 0; i < d; ++i) rotate(a[i * d + p], a[i * d + q]);
        for (Index i = 0; i < d; ++i) rotate(a[p * d + i], a[q * d + i]);
        for (Index i = 0; i < d; ++i)
          rotate(v[static_cast<std::size_t>(i * d + p)], v[static_cast<std::size_t>(i * d + q)]);
      }
  }
  std::vector<double> values;
  for (Index i = 0; i < d; ++i) values.push_back(std::max(a[i * d + i], floor));
  std::fill_n(a, d * d, 0.0);
  for (Index e = 0; e < d; ++e)
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j)
        a[i * d + j] += values[static_cast<std::size_t>(e)] * v[static_cast<std::size_t>(i * d + e)] *
                        v[static_cast<std::size_t>(j * d + e)];
}

PUSHFORWARD_ONCE MixtureEm::MixtureEm(const std::vector<double>& points, Index features, Index components,
                                      bool full_covariance, double share)
    : data(points),
      n(static_cast<Index>(points.size()) / features),
      d(features),
      k(components),
      full(full_covariance),
      weights(static_cast<std::size_t>(k), 1 / static_cast<double>(k)),
      means(static_cast<std::size_t>(k * d)),
      covariances(static_cast<std::size_t>(k * entries())),
      factors(covariances.size()),
      log_scale(static_cast<std::size_t>(k)),
      responsibilities(static_cast<std::size_t>(n * k)),
      scores(static_cast<std::size_t>(n)) {
  std::vector<double> center(static_cast<std::size_t>(d));
  for (std::size_t i = 0; i < data.size(); ++i) center[i % center.size()] += data[i] / static_cast<double>(n);
  double total = 0;
  for (std::size_t i = 0; i < data.size(); ++i) total += std::pow(data[i] - center[i % center.size()], 2);
  const double variance = total > 0 ? total / static_cast<double>(data.size()) : 1.0;
  floor = share * variance;
  for (Index c = 0; c < k; ++c)
    for (Index i = 0; i < d; ++i)
      covariances[static_cast<std::size_t>(c * entries() + (full ? i * d + i : i))] = std::max(variance, floor);
}

PUSHFORWARD_ONCE void MixtureEm::start(Rng& rng) {
  std::vector<double> nearest(static_cast<std::size_t>(n), std::numeric_limits<double>::infinity());
  Index chosen = rng.uniform_index(n);
  for (Index c = 0; c < k; ++c) {
    std::copy_n(data.data() + chosen * d, d, means.data() + c * d);
    double total = 0;
    for (Index i = 0; i < n; ++i) {
      double apart = 0;
      for (Index j = 0; j < d; ++j)
        apart += std::pow(data[static_cast<std::size_t>(i * d + j)] - means[static_cast<std::size_t>(c * d + j)], 2);
      double& least = nearest[static_cast<std::size_t>(i)];
      total += least = std::min(least, apart);
    }
    double mark = rng.uniform() * total;
    chosen = total > 0 ? n - 1 : rng.uniform_index(n);
    for (Index i = 0; i < n && total > 0; ++i) {
      mark -= nearest[static_cast<std::size_t>(i)];
      if (mark >= 0) continue;
      chosen = i;
      break;
    }
  }
  // Each point to its nearest center: what the first step of the parameters starts from.
  for (Index i = 0; i < n; ++i) {
    Index best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index c = 0; c < k; ++c) {
      double apart = 0;
      for (Index j = 0; j < d; ++j)
        apart += std::pow(data[static_cast<std::size_t>(i * d + j)] - means[static_cast<std::size_t>(c * d + j)], 2);
      if (apart < least) least = apart, best = c;
    }
    for (Index c = 0; c < k; ++c) responsibilities[static_cast<std::size_t>(i * k + c)] = c == best ? 1.0 : 0.0;
    scores[static_cast<std::size_t>(i)] = -least;
  }
  maximize();
}

PUSHFORWARD_ONCE void MixtureEm::factor(Index component) {
  const double* a = covariances.data() + component * entries();
  double* l = factors.data() + component * entries();
  double half_log_det = 0;
  if (full) cholesky_kernel(a, l, d);
  for (Index i = 0; i < d; ++i) {
    if (!full) l[i] = std::sqrt(a[i]);
    half_log_det += std::log(full ? l[i * d + i] : l[i]);
  }
  log_scale[static_cast<std::size_t>(component)] =
      std::log(weights[static_cast<std::size_t>(component)]) - half_log_det - half_log_two_pi * static_cast<double>(d);
}

PUSHFORWARD_ONCE double MixtureEm::log_density(const double* x, Index component) const {
  const double* l = factors.data() + component * entries();
  const double* mean = means.data() + component * d;
  std::vector<double> z(static_cast<std::size_t>(d));
  for (Index i = 0; i < d; ++i) z[static_cast<std::size_t>(i)] = full ? x[i] - mean[i] : (x[i] - mean[i]) / l[i];
  if (full) triangular_kernel(l, z.data(), d, Index{1}, {});
  return log_scale[static_cast<std::size_t>(component)] - 0.5 * std::inner_product(z.begin(), z.end(), z.begin(), 0.0);
}

PUSHFORWARD_ONCE double MixtureEm::expect() {
  for (Index c = 0; c < k; ++c) factor(c);
  parallel_for(n, 256, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      double* r = responsibilities.data() + i * k;
      for (Index c = 0; c < k; ++c) r[c] = log_density(data.data() + i * d, c);
      const double largest = *std::max_element(r, r + k);
      double total = 0;
      for (Index c = 0; c < k; ++c) total += r[c] = std::exp(r[c] - largest);
      for (Index c = 0; c < k; ++c) r[c] /= total;
      scores[static_cast<std::size_t>(i)] = largest + std::log(total);
    }
  });
  return std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(n);
}

PUSHFORWARD_ONCE void MixtureEm::moments(Index component, double mass) {
  double* mean = means.data() + component * d;
  double* a = covariances.data() + component * entries();
  std::fill_n(mean, d, 0.0);
  std::fill_n(a, entries(), 0.0);
  for (Index i = 0; i < n; ++i) {
    const double r = responsibilities[static_cast<std::size_t>(i * k + component)] / mass;
    for (Index j = 0; j < d; ++j) mean[j] += r * data[static_cast<std::size_t>(i * d + j)];
  }
  for (Index i = 0; i < n; ++i) {
    const double r = responsibilities[static_cast<std::size_t>(i * k + component)] / mass;
    const double* x = data.data() + i * d;
    for (Index j = 0; j < d; ++j)
      for (Index m = full ? 0 : j; m <= j; ++m) a[full ? j * d + m : j] += r * (x[j] - mean[j]) * (x[m] - mean[m]);
  }
  if (!full) return std::for_each(a, a + d, [this](double& v) { v = std::max(v, floor); }), void();
  for (Index j = 0; j < d; ++j)
    for (Index m = 0; m < j; ++m) a[m * d + j] = a[j * d + m];
  raise_eigenvalues(a, d, floor);
}

PUSHFORWARD_ONCE void MixtureEm::revive(Index component, std::vector<Index>& taken) {
  Index worst = 0;
  double least = std::numeric_limits<double>::infinity();
  for (Index i = 0; i < n; ++i)
    if (scores[static_cast<std::size_t>(i)] < least && std::find(taken.begin(), taken.end(), i) == taken.end())
      least = scores[static_cast<std::size_t>(i)], worst = i;
  taken.push_back(worst);
  std::copy_n(data.data() + worst * d, d, means.data() + component * d);
  double* a = covariances.data() + component * entries();
  std::fill_n(a, entries(), 0.0);
  for (Index i = 0; i < d; ++i) a[full ? i * d + i : i] = floor * 1e3;
  weights[static_cast<std::size_t>(component)] = 1 / static_cast<double>(n);
}

PUSHFORWARD_ONCE void MixtureEm::maximize() {
  std::vector<double> mass(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < responsibilities.size(); ++i) mass[i % mass.size()] += responsibilities[i];
  std::vector<Index> taken;
  parallel_for(k, 1, [&](Index begin, Index end) {
    for (Index c = begin; c < end; ++c)
      if (mass[static_cast<std::size_t>(c)] >= 1e-2) moments(c, mass[static_cast<std::size_t>(c)]);
  });
  for (Index c = 0; c < k; ++c) {
    weights[static_cast<std::size_t>(c)] = mass[static_cast<std::size_t>(c)] / static_cast<double>(n);
    if (mass[static_cast<std::size_t>(c)] < 1e-2) revive(c, taken);
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& w : weights) w /= total;
}

PUSHFORWARD_ONCE EmRun run_mixture_em(const std::vector<double>& data, Index features, bool full,
                                      const MixtureFitOptions& options, Rng& rng) {
  EmRun best;
  for (Index attempt = 0; attempt < options.starts; ++attempt) {
    Rng draws = rng.split();
    MixtureEm em(data, features, options.components, full, options.floor);
    em.start(draws);
    EmRun run;
    run.log_likelihood.push_back(em.expect());
    for (Index step = 0; step < options.iterations && !run.converged; ++step) {
      em.maximize();
      run.log_likelihood.push_back(em.expect());
      const double gain = run.log_likelihood.back() - *(run.log_likelihood.end() - 2);
      run.converged = gain >= 0 ? gain < options.tolerance : gain > -1e-12;
    }
    if (attempt > 0 && run.log_likelihood.back() <= best.log_likelihood.back()) continue;
    run.weights = em.weights, run.means = em.means, run.covariances = em.covariances;
    best = std::move(run);
  }
  return best;
}

}  // namespace pushforward::detail
