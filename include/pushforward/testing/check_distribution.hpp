// check_distribution(): a density against numerical integration and against its own samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <pushforward/core/random.hpp>
#include <pushforward/ops/shape_ops.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// How `check_distribution` compares.
struct DistributionCheckOptions {
  Index samples = 20'000;
  bool discrete =
      false;  ///< masses on the integers, summed rather than integrated; sets itself for Tensor<Index> samples
  double tolerance = 5e-3;  ///< of the integral of the density
  double sigmas = 6;        ///< how many standard errors sample statistics may be off
};

namespace detail {

// The largest distance between the cdf of n draws and the true one, times sqrt(n), exceeds this with probability 1e-6
// (Kolmogorov 1933: 2 e^(-2 z^2)).
inline constexpr double kolmogorov_critical = 2.69;

// Knots between which a density is smooth enough for a simple rule: sample quantiles, ever closer ranks towards both
// ends (which follows heavy tails and poles), and a stretch beyond.
std::vector<double> quantile_knots(std::vector<double> draws, int middle);

// The integers from below the smallest draw to above the largest, each between two knots.
std::vector<double> integer_knots(const std::vector<double>& draws);

// Midpoints of `parts` equal parts of every interval, and their widths.
struct Rule {
  std::vector<double> points, weights;
  int parts = 1;

  Rule(const std::vector<double>& knots, int count, bool discrete);
  std::size_t size() const { return points.size(); }
  std::size_t interval(std::size_t point) const { return point / static_cast<std::size_t>(parts); }
};

// Draws and densities of one distribution, or of a batch of K: draws [n, K, E] of K densities over E numbers.
template <class D, class S>
struct Densities {
  const D& distribution;
  Tensor<S> draws;
  std::vector<double> log_probs;
  Index n = 0, count = 0, event = 0;

  Densities(const D& d, const Tensor<S>& samples) : distribution(d), draws(samples), n(samples.size(0)) {
    log_probs = evaluate(samples);
    count = static_cast<Index>(log_probs.size()) / n;
    if (count < 1 || static_cast<Index>(log_probs.size()) != n * count || samples.size() % (n * count) != 0)
      fail<CheckFailed>("check_distribution: log_prob gives ", log_probs.size(), " numbers for samples of shape ",
                        samples.shape(), ", expected one per row");
    event = samples.size() / (n * count);
  }

  double draw(Index i, Index k, Index e) const {
    return static_cast<double>(draws.data()[(i * count + k) * event + e]);
  }
  std::vector<double> column(Index k, Index e) const {
    std::vector<double> result;
    for (Index i = 0; i < n; ++i) result.push_back(draw(i, k, e));
    return result;
  }
  // The density of distribution k at points [m, event]; the others of the batch are asked about the same points.
  std::vector<double> density(Index k, const std::vector<double>& points) const {
    const Index m = static_cast<Index>(points.size()) / event;
    const Shape shape = draws.shape().with(0, m);
    const Tensor<S> at = Tensor<S>::generate(shape, [&](Index i) {
      return static_cast<S>(points[static_cast<std::size_t>(i / (count * event) * event + i % event)]);
    });
    const std::vector<double> all = evaluate(at);
    std::vector<double> result;
    for (Index i = 0; i < m; ++i) result.push_back(std::exp(all[static_cast<std::size_t>(i * count + k)]));
    return result;
  }

 private:
  std::vector<double> evaluate(const Tensor<S>& x) const {
    NoGradient guard;
    const auto values = distribution.log_prob(x);
    return std::vector<double>(values.begin(), values.end());
  }
};

void check_total(double total, Index k, double tolerance);

// Kolmogorov-Smirnov: the share of draws below each knot against the mass below it.
void check_cdf(const char* method, std::vector<double> draws, const std::vector<double>& knots,
               const std::vector<double>& masses, double tolerance);

// Calls check(method, draws, k) with the samples, and with those of rsample where it exists.
template <class D, class S, class Check>
void for_each_sampler(const Densities<D, S>& densities, Rng& rng, const Check& check) {
  check("sample", densities);
  if constexpr (requires { densities.distribution.rsample(Index{1}, rng); }) {
    const auto draws = stop_gradient(densities.distribution.rsample(densities.n, rng));
    if (!(draws.shape() == densities.draws.shape()))
      fail<CheckFailed>("check_distribution: rsample gives shape ", draws.shape(), ", but sample ",
                        densities.draws.shape());
    check("rsample", Densities<D, S>(densities.distribution, draws));
  }
}

template <class D, class S>
void check_line(const Densities<D, S>& densities, const DistributionCheckOptions& options, Rng& rng) {
  for (Index k = 0; k < densities.count; ++k) {
    const std::vector<double> draws = densities.column(k, 0);
    const std::vector<double> knots = options.discrete ? integer_knots(draws) : quantile_knots(draws, 128);
    const Rule rule(knots, 64, options.discrete);
    const std::vector<double> density = densities.density(k, rule.points);
    std::vector<double> masses(knots.size() - 1);
    for (std::size_t i = 0; i < rule.size(); ++i) masses[rule.interval(i)] += density[i] * rule.weights[i];
    check_total(std::accumulate(masses.begin(), masses.end(), 0.0), k, options.tolerance);
    for_each_sampler(densities, rng, [&](const char* method, const Densities<D, S>& drawn) {
      check_cdf(method, drawn.column(k, 0), knots, masses, options.tolerance);
    });
  }
}

// The masses of the cells of a product of two rules, row by row.
template <class D, class S>
std::vector<double> cell_masses(const Densities<D, S>& densities, Index k, const Rule& rule_x, const Rule& rule_y,
                                std::size_t columns) {
  std::vector<double> masses((rule_x.interval(rule_x.size() - 1) + 1) * columns);
  std::vector<double> points(2 * rule_y.size());
  for (std::size_t i = 0; i < rule_x.size(); ++i) {
    for (std::size_t j = 0; j < rule_y.size(); ++j)
      points[2 * j] = rule_x.points[i], points[2 * j + 1] = rule_y.points[j];
    const std::vector<double> density = densities.density(k, points);
    for (std::size_t j = 0; j < rule_y.size(); ++j)
      masses[rule_x.interval(i) * columns + rule_y.interval(j)] += density[j] * rule_x.weights[i] * rule_y.weights[j];
  }
  return masses;
}

// The share of draws with both coordinates below a knot pair against the mass there: sees a wrong dependence, which the
// two marginal distributions alone do not.
template <class D, class S>
void check_quadrants(const char* method, const Densities<D, S>& drawn, Index k, const std::vector<double>& x,
                     const std::vector<double>& y, const std::vector<double>& masses,
                     const DistributionCheckOptions& options) {
  const std::size_t columns = y.size() - 1, step_x = std::max<std::size_t>(1, x.size() / 6),
                    step_y = std::max<std::size_t>(1, y.size() / 6);
  for (std::size_t i = step_x; i < x.size(); i += step_x)
    for (std::size_t j = step_y; j < y.size(); j += step_y) {
      double mass = 0;
      for (std::size_t a = 0; a < i; ++a)
        for (std::size_t b = 0; b < j; ++b) mass += masses[a * columns + b];
      Index hits = 0;
      for (Index s = 0; s < drawn.n; ++s) hits += drawn.draw(s, k, 0) < x[i] && drawn.draw(s, k, 1) < y[j];
      const double n = static_cast<double>(drawn.n), share = static_cast<double>(hits) / n;
      const double allowed = options.sigmas * std::sqrt(std::max(mass * (1 - mass), 1 / n) / n) + options.tolerance;
      if (!(std::abs(share - mass) <= allowed))
        fail<CheckFailed>("check_distribution: of the draws of ", method, " a share of ", share, " has x < ", x[i],
                          " and y < ", y[j], ", but the density has a mass of ", mass,
                          " there; they differ by more than ", allowed);
    }
}

template <class D, class S>
void check_plane(const Densities<D, S>& densities, const DistributionCheckOptions& options, Rng& rng) {
  for (Index k = 0; k < densities.count; ++k) {
    std::vector<std::vector<double>> knots;
    for (Index e = 0; e < 2; ++e) {
      const std::vector<double> draws = densities.column(k, e);
      knots.push_back(options.discrete ? integer_knots(draws) : quantile_knots(draws, 48));
    }
    const Rule rule_x(knots[0], 6, options.discrete), rule_y(knots[1], 6, options.discrete);
    const std::size_t rows = knots[0].size() - 1, columns = knots[1].size() - 1;
    const std::vector<double> masses = cell_masses(densities, k, rule_x, rule_y, columns);
    check_total(std::accumulate(masses.begin(), masses.end(), 0.0), k, options.tolerance);
    std::vector<double> marginal_x(rows), marginal_y(columns);
    for (std::size_t i = 0; i < masses.size(); ++i)
      marginal_x[i / columns] += masses[i], marginal_y[i % columns] += masses[i];
    for_each_sampler(densities, rng, [&](const char* method, const Densities<D, S>& drawn) {
      check_cdf(method, drawn.column(k, 0), knots[0], marginal_x, options.tolerance);
      check_cdf(method, drawn.column(k, 1), knots[1], marginal_y, options.tolerance);
      check_quadrants(method, drawn, k, knots[0], knots[1], masses, options);
    });
  }
}

template <class T>
std::vector<double> numbers(const T& value) {
  if constexpr (std::is_arithmetic_v<T>)
    return {static_cast<double>(value)};
  else
    return std::vector<double>(value.begin(), value.end());
}

// `stated` numbers against the means of the columns of `observed`, whose standard errors say how far they may be off.
void check_average(const char* what, const std::vector<double>& stated,
                   const std::vector<std::vector<double>>& observed, double sigmas);

template <class D, class S>
void check_moments(const Densities<D, S>& densities, const DistributionCheckOptions& options) {
  std::vector<std::vector<double>> values, squares, surprise;
  for (Index k = 0; k < densities.count; ++k) {
    for (Index e = 0; e < densities.event; ++e) {
      values.push_back(densities.column(k, e));
      const double center =
          std::accumulate(values.back().begin(), values.back().end(), 0.0) / static_cast<double>(densities.n);
      squares.push_back(values.back());
      for (double& x : squares.back()) x = (x - center) * (x - center);
    }
    surprise.emplace_back();
    for (Index i = 0; i < densities.n; ++i)
      surprise.back().push_back(-densities.log_probs[static_cast<std::size_t>(i * densities.count + k)]);
  }
  const D& d = densities.distribution;
  if constexpr (requires { numbers(d.mean()); }) check_average("mean()", numbers(d.mean()), values, options.sigmas);
  if constexpr (requires { numbers(d.variance()); })
    check_average("variance()", numbers(d.variance()), squares, options.sigmas);
  if constexpr (requires { numbers(d.entropy()); })
    check_average("entropy()", numbers(d.entropy()), surprise, options.sigmas);
}

}  // namespace detail

/// Checks a distribution, or a batch of them, by its samples: d.log_prob(x) is finite at samples and gives one number
/// per row; over one or two numbers the density integrates to one (quadrature between sample quantiles) and draws of
/// sample and rsample follow it (Kolmogorov-Smirnov at level 1e-6 on each axis, shares of quadrants in 2-D); entropy(),
/// mean() and variance() agree with samples where they exist and are finite.
///
/// d.sample(n, rng) gives [n, ..], d.log_prob one number per row of it. Over more than two numbers only the members are
/// checked. Throws CheckFailed.
template <class D>
void check_distribution(const D& d, DistributionCheckOptions options, Rng& rng) {
  NoGradient guard;
  const auto draws = d.sample(options.samples, rng);
  using S = typename std::remove_cvref_t<decltype(draws)>::Scalar;
  options.discrete = options.discrete || std::is_same_v<S, Index>;
  const detail::Densities<D, S> densities(d, draws);
  for (std::size_t i = 0; i < densities.log_probs.size(); ++i)
    if (!std::isfinite(densities.log_probs[i]))
      fail<CheckFailed>("check_distribution: log_prob is ", densities.log_probs[i], " at sample ", i,
                        "; a draw must have a density");
  if (densities.event == 1) detail::check_line(densities, options, rng);
  if (densities.event == 2) detail::check_plane(densities, options, rng);
  detail::check_moments(densities, options);
}
template <class D>
void check_distribution(const D& d, Rng& rng) {
  check_distribution(d, DistributionCheckOptions{}, rng);
}

}  // namespace pushforward::testing

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/testing/check_distribution.inl>
#endif
