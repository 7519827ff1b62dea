// Conditionals: what distribution the numbers that an autoregressive network puts out stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <vector>

#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// The distribution of single numbers that are independent given P parameters each.
///
/// `parameters()` is P; `log_prob(parameters [.., P, d], x [.., d])` is the sum over the d numbers in nats, [..], and
/// differentiable; `sample(parameters [n, P], rng)` draws one number for each row, [n]. A conditional may also have
/// `marginals(x [n, d])`: parameters [P, d] at which it is like the columns of x, from which a model starts.
template <class C, class S = float>
concept ConditionalDistribution = requires(const C& c, const Tensor<S>& t, Rng& rng) {
  { c.parameters() } -> std::convertible_to<Index>;
  { c.log_prob(t, t) } -> std::convertible_to<Tensor<S>>;
  { c.sample(t, rng) } -> std::convertible_to<Tensor<S>>;
};

/// Binary numbers, P(x = 1) = sigmoid(logit): one parameter, the logit.
struct BernoulliConditional {
  Index parameters() const { return 1; }

  /// sum_i x_i l_i - log(1 + e^l_i) in nats. x may lie between 0 and 1: then it is minus the cross-entropy.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& parameters, const Tensor<S>& x) const {
    // Bounded, so that numbers that are far from binary give no difference of infinities.
    auto nats = [](auto l, auto u) { return clamp(u, -1e6, 1e6) * l - softplus(l); };
    return detail::event_sum(nats, reshape(parameters, x.shape()), x);
  }
  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng) const {
    return bernoulli(sigmoid(reshape(parameters, Shape{parameters.size(0)})), rng);
  }
  /// The logits of the means, a little towards one half.
  template <class S>
  Tensor<S> marginals(const Tensor<S>& x) const {
    const double n = static_cast<double>(x.size(0));
    const Tensor<S> p = clamp((sum(x, 0, true) + 0.5) / (n + 1), 1e-6, 1 - 1e-6);  // [1, d]
    return log(p) - log1p(-p);
  }
};

/// How a GaussianMixtureConditional is set up.
struct GaussianMixtureOptions {
  Index components = 10;
  double min_std = 1e-3;  ///< least standard deviation of a component, in the units of the data
};

/// Real numbers from a mixture of k normals: 3 k parameters, the k logits of the weights, the means, and the raw
/// logarithms r of the standard deviations.
///
///     p(x) = sum_j softmax(l)_j N(x; m_j, std_j),   log std = b + softplus(min(r, 30) - b),   b = log min_std
///
/// so that log std is r where r is well above b. Throws ValueError for fewer than one component, or a `min_std` that is
/// not positive.
class GaussianMixtureConditional {
 public:
  explicit GaussianMixtureConditional(GaussianMixtureOptions options = {})
      : components_(options.components), least_(std::log(options.min_std)) {
    if (components_ < 1)
      fail<ValueError>("GaussianMixtureConditional: .components is ", components_, ", expected at least 1");
    if (!(options.min_std > 0 && std::isfinite(options.min_std)))
      fail<ValueError>("GaussianMixtureConditional: .min_std is ", options.min_std, ", expected a positive number");
  }

  Index components() const { return components_; }
  Index parameters() const { return 3 * components_; }

  template <class S>
  Tensor<S> log_prob(const Tensor<S>& parameters, const Tensor<S>& x) const {
    const auto [logits, means, raw] = split<3>(parameters, -2);  // [.., k, d]
    // The distance is bounded, so that its square is finite.
    auto joint = [least = least_](auto l, auto m, auto r, auto u) {
      const auto log_std = softplus(clamp(r, -1e30, 30.0) - least) + least;
      const auto z = clamp((u - m) * exp(-log_std), -1e15, 1e15);
      return l - 0.5 * (z * z) - log_std - 0.91893853320467274178;
    };
    const Tensor<S> each = elementwise(joint, logits, means, raw, unsqueeze(x, -2));
    return sum(logsumexp(each, -2) - logsumexp(logits, -2), -1);
  }

  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng) const {
    const Index n = parameters.size(0), k = components_;
    const Tensor<Index> chosen = categorical(slice(parameters, -1, 0, k), rng);
    const Tensor<S> noise = normal<S>({n}, rng);
    return Tensor<S>::generate({n}, [&](Index i) {
      const S* row = parameters.data() + i * 3 * k + chosen.data()[i];
      const double r = std::min(static_cast<double>(row[2 * k]), 30.0) - least_;
      const double log_std = least_ + (r > 0 ? r + std::log1p(std::exp(-r)) : std::log1p(std::exp(r)));
      return static_cast<S>(static_cast<double>(row[k]) + std::exp(log_std) * static_cast<double>(noise.data()[i]));
    });
  }

  /// Equal weights; the means at quantiles of the columns of x, the standard deviations half their distances.
  template <class S>
  Tensor<S> marginals(const Tensor<S>& x) const {
    const Index n = x.size(0), d = x.size(1), k = components_;
    std::vector<S> result(static_cast<std::size_t>(3 * k * d), S(0));
    for (Index i = 0; i < d; ++i) {
      std::vector<double> column;
      for (Index r = 0; r < n; ++r) column.push_back(static_cast<double>(x.data()[r * d + i]));
      std::sort(column.begin(), column.end());
      auto quantile = [&](Index halves) { return column[static_cast<std::size_t>((n - 1) * halves / (2 * k))]; };
      const double narrow = (column.back() - column.front()) / static_cast<double>(8 * k);
      for (Index j = 0; j < k; ++j) {
        const double width = 0.5 * (quantile(2 * j + 2) - quantile(2 * j));
        const double std = std::max({width, narrow, std::exp(least_)});
        result[static_cast<std::size_t>((k + j) * d + i)] = static_cast<S>(quantile(2 * j + 1));
        result[static_cast<std::size_t>((2 * k + j) * d + i)] = static_cast<S>(std::log(std));
      }
    }
    return Tensor<S>(Shape{3 * k, d}, result);
  }

 private:
  Index components_;
  double least_;  // log min_std
};

}  // namespace pushforward
