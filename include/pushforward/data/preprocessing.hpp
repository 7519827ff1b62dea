// From raw numbers to what models are trained on: noise for whole numbers, logits, standardization, held-out parts.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/core/kernel.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward::data {

/// Spreads whole numbers over the intervals between them: y = (k + u) / levels, k = x (levels - 1), u uniform in [0,
/// 1).
///
/// x of any shape holds k / (levels - 1) as image loaders give it, and is rounded to such a value; y lies in [0, 1).
/// The mean log-density of y is then a lower bound of the log-probability of k, less log(levels) a number: see
/// bits_per_dim (Theis et al., A note on the evaluation of generative models, 2016, section 3.1). Throws ValueError for
/// an x outside of [0, 1] or fewer than 2 levels.
template <class S>
Tensor<S> dequantize(const Tensor<S>& x, Rng& rng, Index levels = 256) {
  if (levels < 2) fail<ValueError>("dequantize: got levels = ", levels, ", expected at least 2");
  const auto in_range = [](S value) { return value >= S(0) && value <= S(1); };
  pushforward::detail::check_each("dequantize", x, in_range, "a number between 0 and 1; divide pixels by levels - 1");
  const S steps = static_cast<S>(levels - 1), most = std::nextafter(S(1), S(0));
  const Tensor<S> noise = uniform<S>(x.shape(), rng);
  return Tensor<S>::build(x.shape(), [&](S* out) {
    const auto spread = [=](S value, S u) { return std::min(most, (std::round(value * steps) + u) / (steps + S(1))); };
    pushforward::detail::map_parallel(spread, x.size(), out, x.data(), noise.data());
  });
}

/// 1 with the probability that x gives, else 0: dynamic binarization of images with values in [0, 1] (Salakhutdinov and
/// Murray, On the quantitative analysis of deep belief networks, 2008). Throws ValueError for an x outside of [0, 1].
template <class S>
Tensor<S> binarize(const Tensor<S>& x, Rng& rng) {
  return bernoulli(x, rng);
}

namespace detail {

inline void check_margin(double alpha) {
  if (!(alpha > 0 && alpha < 0.5))
    fail<ValueError>("logit_transform: got alpha = ", alpha, ", expected 0 < alpha < 0.5");
}

}  // namespace detail

/// y = logit(alpha + (1 - 2 alpha) x): numbers in [0, 1] onto the whole line, with log |det dy/dx|, x [.., d] -> [..].
///
/// Papamakarios et al., Masked autoregressive flow for density estimation, 2017, appendix D, who take alpha = 1e-6 for
/// MNIST and 0.05 for color images. Throws ValueError for an x outside of [0, 1] or an alpha outside of (0, 1/2).
template <class S>
WithLogDet<S> logit_transform(const Tensor<S>& x, double alpha = 1e-6) {
  detail::check_margin(alpha);
  const auto in_range = [](S value) { return value >= S(0) && value <= S(1); };
  pushforward::detail::check_each("logit_transform", x, in_range, "a number between 0 and 1");
  const double slope = 1 - 2 * alpha;
  // log(1 - p) from 1 - x, which keeps its digits where p is close to 1.
  const Tensor<S> log_p = log(alpha + slope * x), log_q = log(alpha + slope * (1 - x));
  return {log_p - log_q, sum(std::log(slope) - log_p - log_q, -1)};
}

/// The inverse of logit_transform: x = (sigmoid(y) - alpha) / (1 - 2 alpha), with log |det dx/dy|, y [.., d] -> [..].
///
/// A model's y beyond the logits of alpha and 1 - alpha gives an x slightly outside of [0, 1]. Throws ValueError for an
/// alpha outside of (0, 1/2).
template <class S>
WithLogDet<S> inverse_logit_transform(const Tensor<S>& y, double alpha = 1e-6) {
  detail::check_margin(alpha);
  const double slope = 1 - 2 * alpha;
  return {(sigmoid(y) - alpha) / slope, sum(-softplus(y) - softplus(-y) - std::log(slope), -1)};
}

/// Shifts and scales the columns of data to mean 0 and variance 1: y = (x - mean) / std.
///
/// `Standardize<> standardize(train);` learns mean and std from the rows of `train` [n, d]; apply the same to test
/// data. Constant columns are only shifted.
template <class S = float>
class Standardize {
 public:
  /// Throws ShapeError unless x is [n, d] with n > 0.
  explicit Standardize(const Tensor<S>& x) {
    if (x.rank() != 2 || x.size(0) == 0)
      fail<ShapeError>("Standardize: got shape ", x.shape(), ", expected [n, d] with n > 0");
    const Index n = x.size(0), d = x.size(1);
    std::vector<double> mean(static_cast<std::size_t>(d)), square(mean);
    const auto each = [&](const auto& visit) {
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < d; ++j) visit(static_cast<std::size_t>(j), static_cast<double>(x.data()[i * d + j]));
    };
    each([&](std::size_t j, double value) { mean[j] += value / static_cast<double>(n); });
    each([&](std::size_t j, double value) {
      square[j] += (value - mean[j]) * (value - mean[j]) / static_cast<double>(n);
    });
    mean_ = Tensor<S>::generate({d}, [&](Index j) { return static_cast<S>(mean[static_cast<std::size_t>(j)]); });
    std_ = Tensor<S>::generate({d}, [&](Index j) {
      // What rounding leaves of a constant column is no spread.
      const double spread = std::sqrt(square[static_cast<std::size_t>(j)]),
                   size = std::fabs(mean[static_cast<std::size_t>(j)]);
      return spread > size * std::numeric_limits<S>::epsilon() ? static_cast<S>(spread) : S(1);
    });
  }

  const Tensor<S>& mean() const { return mean_; }  ///< [d]
  const Tensor<S>& std() const { return std_; }    ///< [d], divided by n

  /// (x - mean) / std, with log |det dy/dx| = -sum log std, x [.., d] -> [..].
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return {(x - mean_) / std_, expand(-sum(log(std_)), x.shape().without(-1))};
  }
  /// y std + mean, with log |det dx/dy| = sum log std, y [.., d] -> [..].
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return {y * std_ + mean_, expand(sum(log(std_)), y.shape().without(-1))};
  }

  static void members(auto& self, auto&& visit) {
    visit("mean", self.mean_);
    visit("std", self.std_);
  }

 private:
  Buffer<S> mean_, std_;
};

/// Data divided in two.
template <class T>
struct Parts {
  T train, validation;
};

/// The positions 0, ..., n - 1 in random order, `fraction` of them (rounded down) for validation: for data in several
/// tensors, with index_select(x, 0, positions). Throws ValueError unless 0 <= fraction <= 1 and n >= 0.
inline Parts<Tensor<Index>> train_validation_split(Index n, double fraction, Rng& rng) {
  if (n < 0) fail<ValueError>("train_validation_split: got n = ", n, ", expected n >= 0");
  if (!(fraction >= 0 && fraction <= 1))
    fail<ValueError>("train_validation_split: got fraction = ", fraction, ", expected 0 to 1");
  const Tensor<Index> order = permutation(n, rng);
  const auto held_out = static_cast<Index>(fraction * static_cast<double>(n));
  return {slice(order, 0, held_out, n), slice(order, 0, 0, held_out)};
}
/// The rows of x [n, ..] in random order, `fraction` of them (rounded down) for validation. Throws ValueError unless
/// 0 <= fraction <= 1.
template <class S>
Parts<Tensor<S>> train_validation_split(const Tensor<S>& x, double fraction, Rng& rng) {
  const Parts<Tensor<Index>> positions = train_validation_split(x.size(0), fraction, rng);
  return {index_select(x, 0, positions.train), index_select(x, 0, positions.validation)};
}

}  // namespace pushforward::data
