// Gaussianization: every number through the cdf of a trained mixture and the quantiles of the normal distribution.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/bijectors/normal_scores.hpp>
#include <pushforward/bijectors/sigmoidal.hpp>

namespace pushforward {

/// What the mixture of a Gaussianization looks like.
struct GaussianizationOptions {
  Index components = 16;  ///< logistic distributions, at least 1; there are 3 raw numbers to each
};

/// z = Phi^-1(F(x)) as a MonotoneTransform, F the cdf of a mixture of logistic distributions and Phi that of the
/// standard normal distribution (Chen and Gopinath 2000; Meng et al. 2020, sec. 3.2): if x has the cdf F, then z is
/// standard normal.
///
/// Raw numbers are those of SigmoidalTransform. Both tails are kept as logarithms, so no finite number gives NaN, and
/// z grows as the square root of |x|. The inverse is solved for. Throws ValueError for fewer than one component.
class GaussianizationTransform {
 public:
  static constexpr const char* name = "GaussianizationTransform";

  explicit GaussianizationTransform(GaussianizationOptions options = {}) : mixture_(checked(options)) {}

  Index numbers() const { return mixture_.numbers(); }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const WithLogSlope<S> logit = mixture_.forward(x, raw);
    const Tensor<S> scores = detail::scores_with_slopes(logit.value);
    return {select(scores, -1, 0), logit.log_slope + select(scores, -1, 1)};
  }
  template <class S>
  WithLogSlope<S> inverse(const Tensor<S>& z, const Tensor<S>& raw) const {
    const Tensor<S> logit = detail::logit_of_score(z);
    const WithLogSlope<S> x = inverse_transform(mixture_, logit, raw);
    return {x.value, x.log_slope - detail::log_score_slope(logit)};
  }

  /// Raw numbers of mixtures that follow the columns of rows [n, d]: [d, numbers].
  ///
  /// The components have equal weights and stand in the middle of parts of equal probability, with scales of a quarter
  /// of their widths, so that adjacent ones overlap to a smooth density; in the tails the mean distance counts.
  template <class S>
  Tensor<S> fitted(const Tensor<S>& rows) const {
    const Index n = rows.size(0), d = rows.size(1);
    const Tensor<S> start = mixture_.template start<S>();
    std::vector<S> raw(static_cast<std::size_t>(d * numbers()));
    for (Index j = 0; j < d; ++j) {
      std::vector<double> x;
      for (Index i = 0; i < n; ++i) x.push_back(static_cast<double>(rows.data()[i * d + j]));
      std::sort(x.begin(), x.end());
      fit_column(x, start, raw.data() + j * numbers());
    }
    return Tensor<S>(Shape{d, numbers()}, raw);
  }

 private:
  static SigmoidalOptions checked(const GaussianizationOptions& options) {
    if (options.components < 1)
      fail<ValueError>(name, ": .components is ", options.components, ", expected at least 1");
    return {.units = options.components};
  }
  // The quantile of part / parts of sorted numbers, linear between them.
  static double quantile(const std::vector<double>& x, Index part, Index parts) {
    const double at = static_cast<double>(part) / static_cast<double>(parts) * static_cast<double>(x.size() - 1);
    const auto below = static_cast<std::size_t>(at), above = std::min(below + 1, x.size() - 1);
    return x[below] + (at - static_cast<double>(below)) * (x[above] - x[below]);
  }
  // The mean distance from `place` of the sorted numbers in one of `count` parts.
  static double mean_distance(const std::vector<double>& x, Index part, Index count, double place) {
    const auto n = static_cast<Index>(x.size());
    const Index first = part * n / count, last = std::max(first + 1, (part + 1) * n / count);
    double total = 0;
    for (Index i = first; i < last; ++i) total += std::abs(x[static_cast<std::size_t>(i)] - place);
    return total / static_cast<double>(last - first);
  }
  // The raw numbers of one mixture, weights of 0 being there already.
  template <class S>
  void fit_column(const std::vector<double>& x, const Tensor<S>& start, S* raw) const {
    const Index count = numbers() / 3;
    const double least = 1e-3 * (x.back() - x.front()) + 1e-6;  // parts of equal numbers have no width
    const double most = SigmoidalTransform::most_log_slope;
    for (Index k = 0; k < count; ++k) {
      const double place = quantile(x, 2 * k + 1, 2 * count);
      const double width = quantile(x, k + 1, count) - quantile(x, k, count);
      const double scale = k == 0 || k + 1 == count ? mean_distance(x, k, count, place) : 0.25 * width;
      raw[count + k] = static_cast<S>(std::clamp(-std::log(std::max(scale, least)), -most, most));
      raw[2 * count + k] = static_cast<S>(place) - start.data()[k];
    }
  }

  SigmoidalTransform mixture_;
};

/// One trained Gaussianization for each number of an event: `inverse`, from data to noise, is
/// GaussianizationTransform; `forward` solves for its inverse.
///
/// `initialize(y)` fits the mixtures to a batch y of what `forward` is to produce; the first call counts. Alternated
/// with rotations it makes any data normal in the end (Chen and Gopinath 2000): `gaussianization_flow`. Data should
/// have a scale between 1e-6 and 1e6. y [.., d]. Throws ValueError for fewer than one feature or component, or for
/// data with NaN or infinity, ShapeError.
template <class S = float>
class Gaussianization {
 public:
  using Scalar = S;

  Gaussianization() = default;
  explicit Gaussianization(Index features, GaussianizationOptions options = {}) : transform_(options) {
    if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
    raw_ = Tensor<S>::zeros({features, transform_.numbers()});
    initialized_ = Tensor<S>::zeros({1});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features(name, x.shape(), raw_.size(0));
    return detail::with_log_det(transform_.inverse(x, raw_.tensor()));
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features(name, y.shape(), raw_.size(0));
    return detail::with_log_det(transform_.forward(y, raw_.tensor()));
  }

  void initialize(const Tensor<S>& y) {
    if (initialized_.item() != S(0)) return;
    detail::check_features(name, y.shape(), raw_.size(0));
    detail::check_initial_data(name, y);
    raw_ = transform_.fitted(reshape(y, Shape{y.size() / raw_.size(0), raw_.size(0)}));
    initialized_ = Tensor<S>::ones({1});
  }

  static void members(auto& self, auto&& visit) {
    visit("raw", self.raw_);
    visit("initialized", self.initialized_);
  }

 private:
  static constexpr const char* name = "Gaussianization";

  GaussianizationTransform transform_;
  Parameter<S> raw_;
  Buffer<S> initialized_;  // 0 or 1, saved with the weights
};

}  // namespace pushforward
