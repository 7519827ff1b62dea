// GaussianPath: how data turns into noise, x_t = alpha(t) x_data + sigma(t) eps.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <utility>

#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// A path at one time: x_t = alpha x_data + sigma eps with eps ~ N(0, I), and the derivatives of both by t.
struct PathPoint {
  double alpha = 0, sigma = 0, alpha_rate = 0, sigma_rate = 0;
};

/// A path at many times, tensors of one shape.
template <class S = float>
struct PathPoints {
  Tensor<S> alpha, sigma, alpha_rate, sigma_rate;
};

/// A family of distributions between data and noise, x_t = alpha(t) x_data + sigma(t) eps with eps ~ N(0, I).
///
/// Time runs between `data_time`, where x_t is the data (or nearly), and `noise_time`, where it is noise; either may be
/// the larger one. Throws ValueError for a path without function or with equal times.
class GaussianPath {
 public:
  GaussianPath(std::function<PathPoint(double)> at, double data_time, double noise_time);

  double data_time() const { return data_time_; }
  double noise_time() const { return noise_time_; }

  /// alpha, sigma and their rates at one time. A rate may be infinite where sigma vanishes.
  PathPoint at(double t) const { return at_(t); }
  /// The same for each element of `t`, in its shape.
  template <class S>
  PathPoints<S> at(const Tensor<S>& t) const {
    const Index n = t.size();
    const Tensor<S> all = Tensor<S>::build(Shape{4, n}, [&](S* out) {
      for (Index i = 0; i < n; ++i) {
        const PathPoint p = at_(static_cast<double>(t.data()[i]));
        const double values[] = {p.alpha, p.sigma, p.alpha_rate, p.sigma_rate};
        for (Index k = 0; k < 4; ++k) out[k * n + i] = static_cast<S>(values[k]);
      }
    });
    const auto part = [&](Index k) { return reshape(select(all, 0, k), t.shape()); };
    return {part(0), part(1), part(2), part(3)};
  }

 private:
  std::function<PathPoint(double)> at_;
  double data_time_, noise_time_;
};

/// One number per row of `x`, [n] -> [n, 1, ..], so that it multiplies whole rows. Throws ShapeError.
template <class S>
Tensor<S> per_row(const Tensor<S>& numbers, const Tensor<S>& x) {
  if (x.rank() < 1 || !(numbers.shape() == Shape{x.size(0)}))
    fail<ShapeError>("per_row: got numbers of shape ", numbers.shape(), " for x of shape ", x.shape(),
                     ", expected one for each row");
  Shape shape = numbers.shape();
  while (shape.rank() < x.rank()) shape = shape.inserted(shape.rank(), 1);
  return reshape(numbers, shape);
}

/// The straight path of flow matching (Lipman et al. 2023; Liu et al. 2023): alpha = t, sigma = 1 - t. Noise is at 0,
/// data at 1.
inline GaussianPath linear_path() {
  return {[](double t) { return PathPoint{t, 1 - t, 1, -1}; }, 1, 0};
}

/// The rates of noise of `variance_preserving`.
struct VariancePreservingOptions {
  double beta_min = 0.1;  ///< at the data
  double beta_max = 20;   ///< at the noise
};

/// The variance-preserving path (Song et al. 2021, eq. 33), the limit of DDPM's linear schedule for many steps:
/// alpha = exp(-1/2 int_0^t beta), beta rising linearly, alpha^2 + sigma^2 = 1. Data is at 0, noise at 1.
///
/// DDPM's (Ho et al. 2020) 1000 levels, beta from 1e-4 to 0.02, are the times i / 1000 of the default. Throws
/// ValueError unless 0 < beta_min <= beta_max.
GaussianPath variance_preserving(const VariancePreservingOptions& options = {});

/// How `cosine_path` bends.
struct CosinePathOptions {
  double offset = 0.008;    ///< keeps the first steps from being too small
  double min_alpha = 1e-3;  ///< what is left of the data at the noise end; above 0, so that it can be divided by
};

/// The cosine path (Nichol and Dhariwal 2021, eq. 17): alpha = cos(u) / cos(u_0) with u = (t + offset) / (1 + offset)
/// pi / 2, alpha^2 + sigma^2 = 1. Data is at 0, noise just before 1, where alpha is `min_alpha`.
///
/// Throws ValueError unless offset >= 0 and 0 < min_alpha < 1.
GaussianPath cosine_path(const CosinePathOptions& options = {});

/// The range of noise of `variance_exploding`.
struct VarianceExplodingOptions {
  double sigma_min = 0.01;  ///< at the data: below what matters there
  double sigma_max = 50;    ///< at the noise: well above the spread of the data
};

/// The variance-exploding path (Song and Ermon 2019; Song et al. 2021, eq. 30): alpha = 1, sigma = sigma_min
/// (sigma_max / sigma_min)^t. Data is at 0, noise at 1.
///
/// Throws ValueError unless 0 < sigma_min < sigma_max.
GaussianPath variance_exploding(const VarianceExplodingOptions& options = {});

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/dynamics/path.inl>
#endif
