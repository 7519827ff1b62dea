// fit_gaussian_mixture(): mixtures of normals by expectation maximization.
#pragma once

#include <vector>

#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/multivariate_normal.hpp>
#include <pushforward/ops/cast.hpp>

namespace pushforward {

/// How a Gaussian mixture is fitted.
struct MixtureFitOptions {
  Index components = 8;
  Index iterations = 200;   ///< at most
  double tolerance = 1e-7;  ///< ends when the mean log-likelihood gains less, in nats
  Index starts = 1;         ///< of these the best fit is kept
  double floor = 1e-6;      ///< no variance falls below this share of the data's mean variance
};

/// A fitted mixture and how it came about.
template <class Component>
struct GaussianMixtureFit {
  Mixture<Component> mixture;
  std::vector<double> log_likelihood;  ///< the mean over the data after each step, in nats
  bool converged = false;              ///< whether it ended by the tolerance
};

namespace detail {

// Expectation maximization in double on rows of data. Covariances [k, d] are variances, [k, d, d] matrices.
struct MixtureEm {
  const std::vector<double>& data;
  Index n, d, k;
  bool full;
  double floor = 0;
  std::vector<double> weights, means, covariances, factors, log_scale, responsibilities, scores;

  MixtureEm(const std::vector<double>& points, Index features, Index components, bool full_covariance, double share);
  Index entries() const { return full ? d * d : d; }

  /// Centers by k-means++ (Arthur and Vassilvitskii 2007), equal weights, the data's variance.
  void start(Rng& rng);
  /// Responsibilities and scores at the present parameters; returns the mean log-likelihood.
  double expect();
  /// Parameters from responsibilities; components that lost all data move to the points that fit worst.
  void maximize();

 private:
  void factor(Index component);
  double log_density(const double* x, Index component) const;
  void moments(Index component, double mass);
  void revive(Index component, std::vector<Index>& taken);
};

// The best of `options.starts` runs, in `best`.
struct EmRun {
  std::vector<double> weights, means, covariances, log_likelihood;
  bool converged = false;
};
EmRun run_mixture_em(const std::vector<double>& data, Index features, bool full, const MixtureFitOptions& options,
                     Rng& rng);

template <class S>
EmRun fit_mixture_values(const char* name, const Tensor<S>& data, bool full, const MixtureFitOptions& o, Rng& rng) {
  if (data.rank() != 2 || data.size(-1) < 1)
    fail<ShapeError>(name, ": data of shape ", data.shape(), ", expected rows of numbers [n, d]");
  if (o.components < 1 || data.size(0) < o.components || o.iterations < 1 || o.starts < 1 || !(o.floor > 0))
    fail<ValueError>(name, ": got ", o.components, " components for ", data.size(0), " rows, ", o.iterations,
                     " iterations, ", o.starts, " starts and a floor of ", o.floor,
                     ", expected positive numbers and no more components than rows");
  for (S x : data)
    if (!(x - x == S(0))) fail<ValueError>(name, ": the data contains NaN or infinity, expected finite numbers");
  return run_mixture_em(std::vector<double>(data.begin(), data.end()), data.size(-1), full, o, rng);
}

template <class S>
Tensor<S> rounded(const Shape& shape, const std::vector<double>& x) {
  return Tensor<S>::generate(shape, [&](Index i) { return static_cast<S>(x[static_cast<std::size_t>(i)]); });
}

}  // namespace detail

/// A mixture of normals with independent components of each, fitted to data [n, d] by expectation maximization
/// (Dempster et al. 1977) from a k-means++ start (Arthur and Vassilvitskii 2007).
///
/// The log-likelihood never falls, since variances are the maximizers above the floor, but by 1 / n at most where a
/// component that lost its data moves to the point that is explained worst. Throws ShapeError unless the data has rank
/// 2, ValueError for options out of range, fewer rows than components, or data that is not finite.
template <class S>
GaussianMixtureFit<Normal<S>> fit_gaussian_mixture(const Tensor<S>& data, const MixtureFitOptions& options, Rng& rng) {
  const detail::EmRun run = detail::fit_mixture_values("fit_gaussian_mixture", data, false, options, rng);
  const Index k = options.components, d = data.size(1);
  return {Mixture<Normal<S>>(
              log(detail::rounded<S>({k}, run.weights)),
              Normal<S>(detail::rounded<S>({k, d}, run.means), sqrt(detail::rounded<S>({k, d}, run.covariances)))),
          run.log_likelihood, run.converged};
}

/// The same with full covariance matrices, whose eigenvalues stay above the floor.
template <class S>
GaussianMixtureFit<MultivariateNormal<S>> fit_full_gaussian_mixture(const Tensor<S>& data,
                                                                    const MixtureFitOptions& options, Rng& rng) {
  const detail::EmRun run = detail::fit_mixture_values("fit_full_gaussian_mixture", data, true, options, rng);
  const Index k = options.components, d = data.size(1);
  const Tensor<double> factors = cholesky(detail::rounded<double>({k, d, d}, run.covariances));
  return {Mixture<MultivariateNormal<S>>(
              log(detail::rounded<S>({k}, run.weights)),
              MultivariateNormal<S>::from_cholesky(detail::rounded<S>({k, d}, run.means), cast<S>(factors))),
          run.log_likelihood, run.converged};
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/distributions/gaussian_mixture_fit.inl>
#endif
