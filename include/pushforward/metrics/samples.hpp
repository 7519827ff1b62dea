// How far two sets of samples are apart, and which modes they cover.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>

namespace pushforward {

namespace detail {

template <class S>
void check_samples(const char* name, const Tensor<S>& a, const Tensor<S>& b, Index least) {
  if (a.rank() != 2 || b.rank() != 2 || a.size(1) != b.size(1) || a.size(0) < least || b.size(0) < least)
    fail<ShapeError>(name, ": got samples of shapes ", a.shape(), " and ", b.shape(),
                     ", expected [n, d] and [m, d] with at least ", least, " rows; flatten examples with reshape");
}

// integral over u in [0, 1] of |F_a^-1(u) - F_b^-1(u)|^order for sorted samples.
inline double quantile_distance(const std::vector<double>& a, const std::vector<double>& b, double order) {
  const double step_a = 1 / static_cast<double>(a.size()), step_b = 1 / static_cast<double>(b.size());
  double total = 0, at = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const double end_a = static_cast<double>(i + 1) * step_a, end_b = static_cast<double>(j + 1) * step_b;
    const double end = std::min(end_a, end_b), gap = std::fabs(a[i] - b[j]);
    total += (end - at) * (order == 2 ? gap * gap : std::pow(gap, order));
    at = end;
    // Both end together where the sizes divide each other, up to rounding.
    const bool next_a = end_a <= end_b + 0.5e-9 * step_a, next_b = end_b <= end_a + 0.5e-9 * step_b;
    i += next_a;
    j += next_b;
  }
  return total;
}

template <class S>
std::vector<double> sorted_projection(const Tensor<S>& x, const Eigen::VectorXd& direction) {
  std::vector<double> values(static_cast<std::size_t>(x.size(0)));
  Eigen::Map<Eigen::VectorXd>(values.data(), x.size(0)) = x.matrix().template cast<double>() * direction;
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace detail

/// How a sliced Wasserstein distance is computed.
struct SlicedWassersteinOptions {
  Index projections = 128;  ///< Random directions; the error shrinks with the root of their number.
  double order = 2;         ///< p >= 1.
};

/// The sliced Wasserstein distance of two sets of samples [n, d] and [m, d], in units of the data; 0 if they are equal.
///
/// (mean over random directions w of W_p(a w, b w)^p)^(1/p), where the distance on the line is exact: that of the
/// sorted values (Bonneel et al., Sliced and Radon Wasserstein barycenters of measures, 2015). Throws ShapeError,
/// ValueError.
template <class S>
double sliced_wasserstein(const Tensor<S>& a, const Tensor<S>& b, const SlicedWassersteinOptions& options, Rng& rng) {
  detail::check_samples("sliced_wasserstein", a, b, 1);
  if (options.projections < 1 || !(options.order >= 1) || !std::isfinite(options.order))
    fail<ValueError>("sliced_wasserstein: got projections = ", options.projections, " and order = ", options.order,
                     ", expected at least 1 each");
  const Rng::State child = rng.split().state();
  std::vector<double> powers(static_cast<std::size_t>(options.projections));
  parallel_for(options.projections, 1, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      Rng own = Rng::from_state({child.key, child.stream + static_cast<std::uint64_t>(k), 0, 0});
      Eigen::VectorXd direction(a.size(1));
      for (double& coordinate : direction) coordinate = own.normal();
      direction.normalize();
      powers[static_cast<std::size_t>(k)] = detail::quantile_distance(
          detail::sorted_projection(a, direction), detail::sorted_projection(b, direction), options.order);
    }
  });
  double total = 0;
  for (double power : powers) total += power;
  return std::pow(total / static_cast<double>(options.projections), 1 / options.order);
}
template <class S>
double sliced_wasserstein(const Tensor<S>& a, const Tensor<S>& b, Rng& rng) {
  return sliced_wasserstein(a, b, {}, rng);
}

/// The kernel of a maximum mean discrepancy.
enum class MmdKernel {
  rbf,    ///< exp(-|x - y|^2 / (2 bandwidth^2))
  energy  ///< -|x - y|: the squared discrepancy is the energy distance, and there is no bandwidth
};

/// How a maximum mean discrepancy is computed.
struct MmdOptions {
  MmdKernel kernel = MmdKernel::rbf;
  double bandwidth = 0;  ///< Of the rbf kernel; 0: the median distance among the first 500 samples of each set.
};

namespace detail {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Mean of k(|x_i - y_j|^2) over all pairs, or over i != j for x against itself. Rows are summed one by one, so threads
// change nothing.
template <class Kernel>
double mean_kernel(const Rows& x, const Rows& y, bool itself, const Kernel& kernel) {
  const Index n = x.rows(), m = y.rows();
  const Eigen::VectorXd norms = y.rowwise().squaredNorm();
  std::vector<double> sums(static_cast<std::size_t>(n));
  parallel_for(n, 8, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Eigen::VectorXd products = y * x.row(i).transpose();
      const double norm = x.row(i).squaredNorm();
      double sum = 0;
      for (Index j = 0; j < m; ++j)
        if (!itself || i != j) sum += kernel(std::max(0.0, norm + norms[j] - 2 * products[j]));
      sums[static_cast<std::size_t>(i)] = sum;
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total / (static_cast<double>(n) * static_cast<double>(itself ? m - 1 : m));
}

inline double median_distance(const Rows& x, const Rows& y) {
  constexpr Index most = 500;
  const Index n = std::min(most, x.rows()), m = std::min(most, y.rows());
  Rows all(n + m, x.cols());
  all << x.topRows(n), y.topRows(m);
  std::vector<double> distances;
  for (Index i = 0; i < n + m; ++i)
    for (Index j = 0; j < i; ++j) distances.push_back((all.row(i) - all.row(j)).norm());
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *middle > 0 ? *middle : 1;
}

}  // namespace detail

/// The squared maximum mean discrepancy of two sets of samples [n, d] and [m, d], by its unbiased estimator: 0 on
/// average if they have the same distribution (and then often below 0).
///
/// mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j) (Gretton et al., A kernel
/// two-sample test, 2012, eq. 3). Time grows with (n + m)^2 d. Throws ShapeError for fewer than 2 samples, ValueError
/// for a negative bandwidth.
template <class S>
double mmd(const Tensor<S>& a, const Tensor<S>& b, const MmdOptions& options = {}) {
  detail::check_samples("mmd", a, b, 2);
  if (!(options.bandwidth >= 0))
    fail<ValueError>("mmd: got bandwidth = ", options.bandwidth,
                     ", expected a positive number, or 0 for the median distance");
  detail::Rows x = a.matrix().template cast<double>(), y = b.matrix().template cast<double>();
  const Eigen::RowVectorXd center = x.colwise().mean();  // Distances from products lose digits far from the origin.
  x.rowwise() -= center;
  y.rowwise() -= center;
  const auto discrepancy = [&](const auto& kernel) {
    return detail::mean_kernel(x, x, true, kernel) + detail::mean_kernel(y, y, true, kernel) -
           2 * detail::mean_kernel(x, y, false, kernel);
  };
  if (options.kernel == MmdKernel::energy) return discrepancy([](double square) { return -std::sqrt(square); });
  const double bandwidth = options.bandwidth > 0 ? options.bandwidth : detail::median_distance(x, y);
  return discrepancy([scale = -0.5 / (bandwidth * bandwidth)](double square) { return std::exp(scale * square); });
}

/// Which modes samples reach.
struct ModeCoverage {
  Index covered = 0;       ///< Modes with at least one sample within the radius.
  double near = 0;         ///< Fraction of the samples within the radius of a mode.
  double kl = 0;           ///< KL divergence in nats of the shares of the modes among those from equal shares.
  Tensor<Index> counts{};  ///< [k], samples within the radius by their nearest mode.
};

/// Which of the modes `centers` [k, d] the `samples` [n, d] reach, for mixtures of equal, separate modes such as
/// data::GridGaussians; three standard deviations are the usual `radius` (Srivastava et al., VEEGAN, 2017).
///
/// Without a sample near any mode, `kl` is infinite. Throws ShapeError, ValueError for a radius that is not positive.
template <class S>
ModeCoverage mode_coverage(const Tensor<S>& samples, const Tensor<S>& centers, double radius) {
  detail::check_samples("mode_coverage", samples, centers, 1);
  if (!(radius > 0)) fail<ValueError>("mode_coverage: got radius = ", radius, ", expected a positive number");
  const Index n = samples.size(0), k = centers.size(0), d = samples.size(1);
  std::vector<Index> counts(static_cast<std::size_t>(k));
  Index near = 0;
  for (Index i = 0; i < n; ++i) {
    Index best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index c = 0; c < k; ++c) {
      double square = 0;
      for (Index j = 0; j < d; ++j) {
        const double gap =
            static_cast<double>(samples.data()[i * d + j]) - static_cast<double>(centers.data()[c * d + j]);
        square += gap * gap;
      }
      if (square < least) std::tie(least, best) = std::pair(square, c);
    }
    if (least > radius * radius) continue;
    ++counts[static_cast<std::size_t>(best)];
    ++near;
  }
  ModeCoverage result;
  result.near = static_cast<double>(near) / static_cast<double>(n);
  for (Index count : counts) {
    if (count == 0) continue;
    ++result.covered;
    const double share = static_cast<double>(count) / static_cast<double>(near);
    result.kl += share * std::log(share * static_cast<double>(k));
  }
  if (near == 0) result.kl = std::numeric_limits<double>::infinity();
  result.counts = Tensor<Index>({k}, counts);
  return result;
}

}  // namespace pushforward
