// The logarithm of a normalizing constant: by quadrature in the plane, by annealed importance sampling anywhere.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/dynamics/langevin.hpp>

namespace pushforward {

/// The grid that a density of the plane is summed on. What lies outside is left out.
struct QuadratureOptions {
  std::array<double, 2> x = {-6, 6};  ///< from, to
  std::array<double, 2> y = {-6, 6};
  Index points = 400;  ///< along each axis
};

/// log of the integral of an unnormalized density over a rectangle, in nats, by the midpoint rule.
///
/// `density` is a model, a density, or a function of points [n, 2] that gives log-densities [n]. Throws ValueError for
/// an empty rectangle or fewer than two points.
template <class Density>
double log_partition_by_quadrature(const Density& density, const QuadratureOptions& options = {}) {
  constexpr const char* name = "log_partition_by_quadrature";
  using S = detail::scalar_of<Density>;
  if (options.points < 2) fail<ValueError>(name, ": .points is ", options.points, ", expected at least 2");
  for (const auto& range : {options.x, options.y})
    if (!(range[0] < range[1] && std::isfinite(range[1] - range[0])))
      fail<ValueError>(name, ": got the range [", range[0], ", ", range[1], "], expected it to be finite and rising");
  NoGradient guard;
  const Index n = options.points;
  const auto middle = [n](const std::array<double, 2>& range, Index i) {
    return range[0] + (range[1] - range[0]) * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
  };
  std::vector<double> logs;
  constexpr Index batch = 8192;
  for (Index begin = 0; begin < n * n; begin += batch) {
    const Tensor<S> grid = Tensor<S>::generate({std::min(batch, n * n - begin), 2}, [&](Index i) {
      const Index at = begin + i / 2;
      return static_cast<S>(i % 2 ? middle(options.y, at / n) : middle(options.x, at % n));
    });
    for (const S value : detail::log_density_at(density, grid)) logs.push_back(static_cast<double>(value));
  }
  const double cell = (options.x[1] - options.x[0]) * (options.y[1] - options.y[0]) / static_cast<double>(n * n);
  const auto count = static_cast<Index>(logs.size());
  return logsumexp(Tensor<double>({count}, logs)).item() + std::log(cell);
}

/// How annealed importance sampling goes from one density to the other.
struct AnnealingOptions {
  Index chains = 1000;
  Index temperatures = 200;  ///< densities between the two, equally spaced
  Index steps = 1;           ///< Metropolis-adjusted Langevin steps at each
  double step_size = 0.02;   ///< of those; watch the acceptance
};

/// An estimate of a log-partition, in nats.
struct LogPartition {
  double value;                  ///< log of the mean weight
  double standard_error;         ///< of `value`, from the spread of the weights
  double effective_sample_size;  ///< chains that would do as well if their weights were equal (Kong 1992)
  double acceptance;             ///< share of the Langevin steps that were accepted
};

namespace detail {

// Chains under two log-densities at once: any point between the two is a combination of theirs.
template <class S>
struct AnnealingPoint {
  LangevinPoint<S> base, model;

  LangevinPoint<S> between(double beta) const {
    const auto mix = [beta](const Tensor<S>& a, const Tensor<S>& b) { return (1 - beta) * a + beta * b; };
    return {base.x, mix(base.log_density, model.log_density), mix(base.slope, model.slope)};
  }
};

template <class S>
LangevinPoint<S> chosen(const Tensor<S>& yes, const LangevinPoint<S>& a, const LangevinPoint<S>& b) {
  const Tensor<S> rows = unsqueeze(yes, 1);
  return {where(rows, a.x, b.x), where(yes, a.log_density, b.log_density), where(rows, a.slope, b.slope)};
}

struct AnnealedWeights {
  std::vector<double> logs;
  double acceptance = 0;
};

// log-weights of chains that start at x, a draw of the density at inverse temperature `from`, and end at `to`.
template <class S, class Model, class Base>
AnnealedWeights anneal(const Model& model, const Base& base, const Tensor<S>& x, double from, double to,
                       const AnnealingOptions& options, Rng& rng) {
  const double h = options.step_size, levels = static_cast<double>(options.temperatures + 1);
  AnnealingPoint<S> at{langevin_point(base, x), langevin_point(model, x)};
  AnnealedWeights result{std::vector<double>(static_cast<std::size_t>(x.size(0)), 0.0)};
  for (Index k = 0; k <= options.temperatures; ++k) {
    for (std::size_t i = 0; i < result.logs.size(); ++i)
      result.logs[i] +=
          (to - from) / levels * (static_cast<double>(at.model.log_density.data()[i]) - at.base.log_density.data()[i]);
    const double beta = from + (to - from) * static_cast<double>(k + 1) / levels;
    for (Index j = 0; j < options.steps && k < options.temperatures; ++j) {
      const LangevinPoint<S> here = at.between(beta);
      const Tensor<S> next_x = langevin_step(here.x, here.slope, normal<S>(x.shape(), rng), h, std::sqrt(2 * h));
      const AnnealingPoint<S> next{langevin_point(base, next_x), langevin_point(model, next_x)};
      const Tensor<S> yes = accepted(here, next.between(beta), h, rng);
      at = {chosen(yes, next.base, at.base), chosen(yes, next.model, at.model)};
      result.acceptance += yes.mean() / static_cast<double>(options.temperatures * options.steps);
    }
  }
  return result;
}

inline LogPartition summarized(const AnnealedWeights& weights) {
  const auto n = static_cast<double>(weights.logs.size());
  const double most = *std::max_element(weights.logs.begin(), weights.logs.end());
  double sum = 0, squares = 0;
  for (double log_weight : weights.logs) {
    const double w = std::exp(log_weight - most);
    sum += w;
    squares += w * w;
  }
  const double effective = sum * sum / squares;
  return {most + std::log(sum / n), std::sqrt(std::max(0.0, 1 / effective - 1 / n)), effective, weights.acceptance};
}

inline void check_annealing(const char* name, const AnnealingOptions& options) {
  check_steps(name, options.steps, options.step_size);
  if (options.chains < 2 || options.temperatures < 0)
    fail<ValueError>(name, ": got .chains = ", options.chains, " and .temperatures = ", options.temperatures,
                     ", expected at least 2 and 0");
}

}  // namespace detail

/// log of the integral of exp(unnormalized_log_prob), in nats, by annealed importance sampling (Neal 2001).
///
/// Chains start as draws of `base`, a normalized density, and pass the densities base^(1 - b) model^b, b from 0 to 1,
/// by Metropolis-adjusted Langevin steps; the mean of their weights is unbiased for the partition, so its logarithm is
/// too small on average. `model` is as for log_partition_by_quadrature. Throws ValueError for options out of range.
template <class Model, class Base>
LogPartition log_partition_by_annealed_importance_sampling(const Model& model, const Base& base,
                                                           const AnnealingOptions& options, Rng& rng) {
  using S = detail::scalar_of<Base>;
  detail::check_annealing("log_partition_by_annealed_importance_sampling", options);
  NoGradient guard;
  const Tensor<S> x = base.sample(options.chains, rng);
  detail::check_chains("log_partition_by_annealed_importance_sampling", x);
  return detail::summarized(detail::anneal<S>(model, base, x, 0.0, 1.0, options, rng));
}

/// The same from the other side: chains start at draws of the model, `draws` [n, d], and end at `base` (Burda et al.
/// 2015). If the draws are the model's own, the result is too large on average: the truth lies between the two.
/// `.chains` is not used. Throws ValueError for options out of range, ShapeError for draws that are not [n, d].
template <class Model, class Base, class S>
LogPartition log_partition_by_reverse_annealing(const Model& model, const Base& base, const Tensor<S>& draws,
                                                const AnnealingOptions& options, Rng& rng) {
  detail::check_annealing("log_partition_by_reverse_annealing", options);
  detail::check_chains("log_partition_by_reverse_annealing", draws);
  NoGradient guard;
  LogPartition found = detail::summarized(detail::anneal<S>(model, base, stop_gradient(draws), 1.0, 0.0, options, rng));
  found.value = -found.value;
  return found;
}

}  // namespace pushforward
