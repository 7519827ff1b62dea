// Conditionals: what distribution the numbers that an autoregressive network puts out stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <vector>

#include <pushforward/distributions/fused.hpp>
#include <pushforward/models/draw_options.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// The numbers that a conditional is a distribution of.
struct NumberRange {
  double least = std::numeric_limits<double>::lowest(), most = std::numeric_limits<double>::max();
  bool whole = false;  ///< whole numbers only
};

/// The distribution of single numbers that are independent given P parameters each.
///
/// `parameters()` is P; `log_prob(parameters [.., P, d], x [.., d])` is the sum over the d numbers in nats, [..], and
/// differentiable; `sample(parameters [n, P], rng)` draws one number for each row, [n], and with DrawOptions as a third
/// argument as these say (without it the model takes no others than the defaults). A conditional may also have
/// `marginals(x [n, d])`: parameters [P, d] at which it is like the columns of x, from which a model starts; and
/// `range()`, a NumberRange, or `levels()`, by which `complete` refuses what is known and cannot be.
template <class C, class S = float>
concept ConditionalDistribution = requires(const C& c, const Tensor<S>& t, Rng& rng) {
  { c.parameters() } -> std::convertible_to<Index>;
  { c.log_prob(t, t) } -> std::convertible_to<Tensor<S>>;
  { c.sample(t, rng) } -> std::convertible_to<Tensor<S>>;
};

namespace detail {

// One draw for each row of parameters [n, P], as the options say: [n].
template <class C, class S>
Tensor<S> draw_conditional(const C& conditional, const Tensor<S>& parameters, Rng& rng, const DrawOptions& options) {
  if constexpr (requires { conditional.sample(parameters, rng, options); })
    return conditional.sample(parameters, rng, options);
  else {
    if (!options.plain())
      fail<ValueError>(
          "sample: this conditional draws from the model as it is; for other DrawOptions give it "
          "`sample(parameters, rng, const DrawOptions&) const`");
    return conditional.sample(parameters, rng);
  }
}

// The numbers that a conditional says it is for; else all that are finite.
template <class C>
NumberRange range_of(const C& conditional) {
  if constexpr (requires { conditional.range(); })
    return conditional.range();
  else if constexpr (requires { conditional.levels(); })
    return {0, static_cast<double>(conditional.levels() - 1), true};
  else
    return {};
}

template <class S>
bool in_range(const NumberRange& range, S x) {
  const double value = static_cast<double>(x);
  return value >= range.least && value <= range.most && (!range.whole || value == std::floor(value));
}

template <class S>
[[noreturn]] void fail_out_of_range(const char* name, const char* what, Index i, S value, const NumberRange& range) {
  if (range.most == NumberRange{}.most) fail<ValueError>(name, what, i, " is ", value, ", expected a finite number");
  fail<ValueError>(name, what, i, " is ", value, ", expected a ", range.whole ? "whole number" : "number", " from ",
                   range.least, " to ", range.most);
}

// Whether one of n numbers is not from least to most. With sixteen flags compilers vectorize it at -O2, too.
template <class S>
bool any_outside(Index n, const S* x, S least, S most) {
  return vectorized([=] {
    constexpr int lanes = 16;
    int found[lanes] = {}, any = 0;
    for (Index i = 0; i + lanes <= n; i += lanes) {
      PUSHFORWARD_SIMD
      for (int j = 0; j < lanes; ++j) found[j] |= !(x[i + j] >= least) | !(x[i + j] <= most);
    }
    for (Index i = n - n % lanes; i < n; ++i) any |= !(x[i] >= least) | !(x[i] <= most);
    for (const int f : found) any |= f;
    return any != 0;
  });
}

// Throws ValueError for a number of x that is not in the range.
template <class S>
void check_range(const char* name, const Tensor<S>& x, const NumberRange& range) {
  using Limits = std::numeric_limits<S>;
  const S least = static_cast<S>(std::max(range.least, static_cast<double>(Limits::lowest())));
  const S most = static_cast<S>(std::min(range.most, static_cast<double>(Limits::max())));
  if (!range.whole && !any_outside(x.size(), x.data(), least, most)) return;
  for (Index i = 0; i < x.size(); ++i)
    if (!in_range(range, x.data()[i])) fail_out_of_range(name, ": element ", i, x.data()[i], range);
}

// The same for what is given to be completed: where `given` is not 0.
template <class C, class S>
void check_known(const char* name, const C& conditional, const Tensor<S>& x, const Tensor<S>& given) {
  const NumberRange range = range_of(conditional);
  for (Index i = 0; i < x.size(); ++i)
    if (given.data()[i] != S(0) && !in_range(range, x.data()[i]))
      fail_out_of_range(name, "::complete: known element ", i, x.data()[i], range);
}

}  // namespace detail

/// Binary numbers, P(x = 1) = sigmoid(logit): one parameter, the logit.
struct BernoulliConditional {
  Index parameters() const { return 1; }
  NumberRange range() const { return {0, 1}; }

  /// sum_i x_i l_i - log(1 + e^l_i) in nats. x may lie between 0 and 1: then it is minus the cross-entropy. Throws
  /// ValueError for other numbers.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& parameters, const Tensor<S>& x) const {
    detail::check_range("BernoulliConditional", x, range());
    auto nats = [](auto l, auto u) { return u * l - softplus(l); };
    return detail::event_sum(nats, reshape(parameters, x.shape()), x);
  }
  /// parameters [n, 1] -> [n] zeros and ones.
  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng, const DrawOptions& options = {}) const {
    options.check();
    const Tensor<S> logits = stop_gradient(reshape(parameters, Shape{parameters.size(0)}));
    if (options.plain()) return bernoulli(sigmoid(logits), rng);
    return bernoulli(Tensor<S>::generate(logits.shape(), [&](Index i) { return shaped(logits.data()[i], options); }),
                     rng);
  }
  /// The logits of the means, a little towards one half.
  template <class S>
  Tensor<S> marginals(const Tensor<S>& x) const {
    detail::check_range("BernoulliConditional", x, range());
    const double n = static_cast<double>(x.size(0));
    const Tensor<S> p = clamp((sum(x, 0, true) + 0.5) / (n + 1), 1e-6, 1 - 1e-6);  // [1, d]
    return log(p) - log1p(-p);
  }

 private:
  // P(x = 1) as the options make it: of two classes they leave both or the likelier.
  template <class S>
  static S shaped(S logit, const DrawOptions& options) {
    const double l = static_cast<double>(logit) / (options.temperature == 0 ? 1 : options.temperature);
    const double p = 1 / (1 + std::exp(-l));
    const bool most_likely = options.temperature == 0 || options.top_k == 1 || std::max(p, 1 - p) >= options.top_p;
    return static_cast<S>(most_likely && p == p ? (l > 0 ? 1 : 0) : p);
  }
};

/// Levels 0, 1, .., K - 1, stored as numbers, each with a probability of its own: K parameters, their logits.
///
///     P(x = i) = softmax(l)_i
///
/// Throws ValueError for fewer than two levels, and for data that is no level.
class CategoricalConditional {
 public:
  explicit CategoricalConditional(Index levels = 256) : levels_(levels) {
    if (levels_ < 2) fail<ValueError>("CategoricalConditional: got ", levels_, " levels, expected at least 2");
  }

  Index levels() const { return levels_; }
  Index parameters() const { return levels_; }

  template <class S>
  Tensor<S> log_prob(const Tensor<S>& parameters, const Tensor<S>& x) const {
    const Tensor<S> chosen = squeeze(gather(parameters, -2, unsqueeze(indices(x), -2)), -2);  // [.., d]
    return sum(chosen - logsumexp(parameters, -2), -1);
  }
  /// parameters [n, K] -> [n] levels.
  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng, const DrawOptions& options = {}) const {
    const Tensor<Index> drawn = draw(parameters, rng, options);
    return Tensor<S>::generate(drawn.shape(), [&](Index i) { return static_cast<S>(drawn.data()[i]); });
  }
  /// The logarithms of how often each level is there, one added to each count: x [n, d] -> [K, d].
  template <class S>
  Tensor<S> marginals(const Tensor<S>& x) const {
    const Index n = x.size(0), d = x.size(1);
    const Tensor<Index> level = indices(x);
    std::vector<S> counts(static_cast<std::size_t>(levels_ * d), S(1));
    for (Index i = 0; i < n * d; ++i) counts[static_cast<std::size_t>(level.data()[i] * d + i % d)] += S(1);
    return log(Tensor<S>(Shape{levels_, d}, counts) / static_cast<double>(n + levels_));
  }

 private:
  template <class S>
  Tensor<Index> indices(const Tensor<S>& x) const {
    return Tensor<Index>::generate(x.shape(), [&](Index i) {
      const S value = x.data()[i];
      if (!(value >= S(0) && value < static_cast<S>(levels_)) || value != std::floor(value))
        fail<ValueError>("CategoricalConditional: element ", i, " of the data is ", value, ", expected one of the ",
                         levels_, " levels 0, 1, .., ", levels_ - 1);
      return static_cast<Index>(value);
    });
  }

  Index levels_;
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

  /// parameters [n, 3 k] -> [n]. `top_k` and `top_p` choose among components; a temperature T takes the density of each
  /// component to the power 1 / T: a variance is multiplied by T, a weight w becomes (w std^(T - 1))^(1 / T).
  ///
  /// T = 0 gives the mean of the component with the highest peak. Where components lie apart, that is the mode, and
  /// draws at other T are from p to the power 1 / T; where they overlap both are near it only.
  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng, const DrawOptions& options = {}) const {
    const Index n = parameters.size(0), k = components_;
    const Tensor<Index> chosen = draw(weights(parameters, options.temperature), rng, options);
    const Tensor<S> noise = normal<S>({n}, rng);
    const double wide = std::sqrt(options.temperature);
    return Tensor<S>::generate({n}, [&](Index i) {
      const S* row = parameters.data() + i * 3 * k + chosen.data()[i];
      return static_cast<S>(static_cast<double>(row[k]) +
                            wide * std::exp(log_std(row[2 * k])) * static_cast<double>(noise.data()[i]));
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
  template <class S>
  double log_std(S raw) const {
    const double r = std::min(static_cast<double>(raw), 30.0) - least_;
    return least_ + (r > 0 ? r + std::log1p(std::exp(-r)) : std::log1p(std::exp(r)));
  }
  // The logits of the components, of which draw() takes the share of the temperature: l + (T - 1) log std.
  template <class S>
  Tensor<S> weights(const Tensor<S>& parameters, double temperature) const {
    const Tensor<S> logits = slice(parameters, -1, 0, components_);
    if (temperature == 1) return logits;
    return Tensor<S>::generate(logits.shape(), [&](Index i) {
      const Index row = i / components_, j = i % components_;
      const double s = log_std(parameters.data()[(3 * row + 2) * components_ + j]);
      return static_cast<S>(static_cast<double>(logits.data()[i]) + (temperature - 1) * s);
    });
  }

  Index components_;
  double least_;  // log min_std
};

}  // namespace pushforward
