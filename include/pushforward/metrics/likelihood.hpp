// Likelihood: how well a model that has a density predicts data it has not seen.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// How a likelihood is computed.
struct LikelihoodOptions {
  Index batch_size = 1000;  ///< Examples scored at once.
};

namespace detail {

// log p of examples, given what is known of each, by a model's log_prob or by a function.
template <class Model, class... Data>
auto log_densities(const Model& model, const Data&... data) {
  if constexpr (requires { model.log_prob(data...); })
    return model.log_prob(data...);
  else
    return model(data...);
}

inline void check_conditions(const char* name, const Shape& conditions, Index n) {
  if (conditions.rank() == 0 || conditions[0] != n)
    fail<ShapeError>(name, ": got conditions of shape ", conditions, " for ", n, " examples, expected one each");
}

template <class Model, class T, class... Given>
double mean_negative_log_density(const Model& model, const LikelihoodOptions& options, const Tensor<T>& x,
                                 const Tensor<Given>&... given) {
  constexpr const char* name = "negative_log_likelihood";
  if (x.rank() == 0 || x.size(0) == 0)
    fail<ShapeError>(name, ": got data of shape ", x.shape(), ", expected examples along the first axis");
  if (options.batch_size < 1)
    fail<ValueError>(name, ": got batch_size = ", options.batch_size, ", expected at least 1");
  const Index n = x.size(0);
  (check_conditions(name, given.shape(), n), ...);
  const NoGradient guard;
  double total = 0;
  for (Index start = 0; start < n; start += options.batch_size) {
    const Index end = std::min(n, start + options.batch_size);
    const auto scores = log_densities(model, slice(x, 0, start, end), slice(given, 0, start, end)...);
    if (scores.size() != end - start)
      fail<ShapeError>(name, ": the model gave log-densities of shape ", scores.shape(), " for ", end - start,
                       " examples, expected one each");
    total -= scores.sum();
  }
  return total / static_cast<double>(n);
}

}  // namespace detail

/// The mean of -log p(x) over the examples of x [n, ..], numbers or tokens, in nats per example; lower is better.
///
/// `model` is anything with `log_prob`, or a function of a batch that gives one log-density (or bound) per example.
/// Throws ShapeError for no examples or another number of log-densities than examples.
template <class Model, class T>
double negative_log_likelihood(const Model& model, const Tensor<T>& x, const LikelihoodOptions& options = {}) {
  return detail::mean_negative_log_density(model, options, x);
}
/// The mean of -log p(x | given), for labels [n] or conditions [n, ..] of the examples: `log_prob(x, given)`.
template <class Model, class T, class Given>
double negative_log_likelihood(const Model& model, const Tensor<T>& x, const Tensor<Given>& given,
                               const LikelihoodOptions& options = {}) {
  return detail::mean_negative_log_density(model, options, x, given);
}

/// Bits per dimension of data with whole values: nats / (dims log 2) + log2(levels), lower is better.
///
/// `nats` is the negative log-likelihood per example under a density of y = (k + u) / levels in [0, 1), as
/// data::dequantize makes it of k in 0, ..., levels - 1: the density of y is levels times the one of k + u, which
/// log2(levels) takes back. With levels = 1, for a model of k itself (a categorical or discretized one) or a density of
/// k + u, nothing is added. Forgetting this makes the result 8 bits too small for images. Further changes of variables
/// (logit_transform) belong into `nats`. Throws ValueError unless dims and levels are positive.
///
/// Theis et al., A note on the evaluation of generative models, 2016, section 3.1.
inline double bits_per_dim(double nats, Index dims, Index levels = 256) {
  if (dims < 1) fail<ValueError>("bits_per_dim: got dims = ", dims, ", expected the number of values of an example");
  if (levels < 1)
    fail<ValueError>("bits_per_dim: got levels = ", levels, ", expected 1 (nothing to add) or the number of values");
  return nats / (static_cast<double>(dims) * std::log(2.0)) + std::log2(static_cast<double>(levels));
}

}  // namespace pushforward
