// importance_sample: weighted draws from one density for an unnormalized other, and what follows from the weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// A log-density that need not be normalized: a callable x [n, d] -> [n] in nats, or anything with `log_prob`.
template <class F, class S = float>
concept LogDensity = Density<F, S> || requires(const F& f, const Tensor<S>& x) {
  { f(x) } -> std::convertible_to<Tensor<S>>;
};

namespace detail {

// The log-density of rows x [n, d]: [n].
template <class F, class S>
Tensor<S> log_density_at(const char* name, const F& f, const Tensor<S>& x) {
  static_assert(LogDensity<F, S>,
                "pushforward: the target must be a callable Tensor<S> [n, d] -> Tensor<S> [n] that gives a log-density "
                "in nats, normalized or not, or have log_prob; S is the scalar of the model.");
  Tensor<S> value;
  if constexpr (Density<F, S>)
    value = f.log_prob(x);
  else
    value = f(x);
  if (!(value.shape() == x.shape().without(-1)))
    fail<ShapeError>(name, ": the log-density gave shape ", value.shape(), " for points of shape ", x.shape(),
                     ", expected one number per point, ", x.shape().without(-1));
  return value;
}

}  // namespace detail

/// Draws x ~ q with the logarithm of the weights w = p~(x) / q(x) that make them stand for p = p~ / Z.
template <class S = float>
struct WeightedDraws {
  Tensor<S> value;            ///< [n, d]
  Tensor<double> log_weight;  ///< log p~(x) - log q(x), nats, [n]

  /// log Z, estimated by the logarithm of the mean weight: on average a lower bound that rises with n.
  double log_normalizer() const { return peak() + std::log(moment(1)); }
  /// The standard error of log_normalizer(), sqrt(1 / ESS - 1 / n), by the delta method.
  double log_normalizer_error() const {
    return std::sqrt(std::max(0.0, 1 / effective_sample_size() - 1 / static_cast<double>(log_weight.size())));
  }
  /// The mean log-weight, the evidence lower bound of log Z: below it by KL(q || p).
  double lower_bound() const { return log_weight.mean(); }
  /// (sum w)^2 / sum w^2, from 1 to n: as many draws from p itself would be worth as much (Kong 1992).
  double effective_sample_size() const {
    return static_cast<double>(log_weight.size()) * moment(1) * moment(1) / moment(2);
  }
  /// w / sum w, [n].
  Tensor<double> weights() const {
    const double high = peak(), total = moment(1) * static_cast<double>(log_weight.size());
    return Tensor<double>::generate(log_weight.shape(),
                                    [&](Index i) { return std::exp(log_weight.data()[i] - high) / total; });
  }
  /// The mean of f(x) under p for the values f [n, ..] at the draws: [..]. Throws ShapeError for another number of
  /// rows.
  Tensor<double> mean_of(const Tensor<S>& f) const {
    const Index n = log_weight.size();
    if (f.rank() == 0 || f.size(0) != n)
      fail<ShapeError>("WeightedDraws::mean_of: values of shape ", f.shape(), ", expected one row for each of ", n,
                       " draws");
    const Tensor<double> w = weights();
    const Index width = n > 0 ? f.size() / n : 0;
    std::vector<double> total(static_cast<std::size_t>(width));
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < width; ++j)
        total[static_cast<std::size_t>(j)] += w.data()[i] * static_cast<double>(f.data()[i * width + j]);
    return Tensor<double>(f.shape().without(0), total);
  }
  /// The mean of p, [d].
  Tensor<double> mean() const { return mean_of(value); }
  /// n of the draws, [n, d], each chosen with the probability of its weight: nearly draws from p where the effective
  /// sample size is well above n.
  Tensor<S> resample(Index n, Rng& rng) const {
    std::vector<double> below = weights().to_vector();
    std::partial_sum(below.begin(), below.end(), below.begin());
    const Tensor<double> at = uniform<double>({n}, rng, 0, below.back());
    return index_select(value, 0, Tensor<Index>::generate({n}, [&](Index i) {
                          const auto found = std::upper_bound(below.begin(), below.end(), at.data()[i]);
                          return std::min<Index>(found - below.begin(), log_weight.size() - 1);
                        }));
  }

 private:
  // The largest log-weight, which the others are taken relative to. Throws where no draw has a weight.
  double peak() const {
    const double high = log_weight.empty() ? -std::numeric_limits<double>::infinity() : log_weight.max();
    if (!std::isfinite(high))
      fail<ValueError>("WeightedDraws: no draw has a positive weight; q and the target share no mass");
    return high;
  }
  // The mean of (w / largest w)^power.
  double moment(double power) const {
    const double high = peak();
    double total = 0;
    for (double l : log_weight) total += std::exp(power * (l - high));
    return total / static_cast<double>(log_weight.size());
  }
};

/// How many weighted draws are made.
struct ImportanceSampleOptions {
  Index draws = 10'000;
  Index batch_size = 1000;  ///< drawn at once
};

/// Weighted draws from q for an unnormalized log-density, x [n, d] -> [n] in nats: estimates of log Z and of means
/// under p, and the effective sample size, which says how near q is to p.
///
///     auto draws = importance_sample(flow, log_density, {.draws = 20'000}, rng);
///     double log_z = draws.log_normalizer(), share = draws.effective_sample_size() / 20'000;
///
/// The draws are constants. Throws ValueError for no draws and for a log-weight that is NaN or +inf, ShapeError for a
/// log-density of another shape.
template <class Q, class Target>
WeightedDraws<detail::scalar_of<Q>> importance_sample(const Q& q, const Target& log_density,
                                                      const ImportanceSampleOptions& options, Rng& rng) {
  using S = detail::scalar_of<Q>;
  constexpr const char* name = "importance_sample";
  if (options.draws < 1 || options.batch_size < 1)
    fail<ValueError>(name, ": got .draws = ", options.draws, " and .batch_size = ", options.batch_size,
                     ", expected at least 1 of each");
  const NoGradient guard;
  std::vector<Tensor<S>> values;
  std::vector<double> logs;
  for (Index done = 0; done < options.draws; done += options.batch_size) {
    const Draws<S> x = detail::draw_with_log_prob<S>(q, std::min(options.batch_size, options.draws - done), rng);
    const Tensor<S> target = detail::log_density_at(name, log_density, x.value);
    for (Index i = 0; i < target.size(); ++i) {
      const double log = static_cast<double>(target.data()[i]) - static_cast<double>(x.log_prob.data()[i]);
      if (!(log < std::numeric_limits<double>::infinity()))
        fail<ValueError>(name, ": a draw has the log-density ", target.data()[i], " under the target and ",
                         x.log_prob.data()[i], " under q, expected a target below +inf and numbers from q");
      logs.push_back(log);
    }
    values.push_back(x.value);
  }
  return {concat(values, 0), Tensor<double>({options.draws}, logs)};
}

}  // namespace pushforward
