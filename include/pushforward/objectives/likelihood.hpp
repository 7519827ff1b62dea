// mle and map: training by the likelihood itself.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <pushforward/nn/module.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// Maximum likelihood: - mean of log p(x) over a batch, in nats per example.
struct MaximumLikelihood {
  template <class Model, class Batch>
  requires requires(const Model& model, const Batch& batch) { model.log_prob(batch); }
  auto operator()(const Model& model, const Batch& batch, const ExampleMean& over = {}) const {
    return -over(model.log_prob(batch));
  }
  /// For a density that draws while it scores (dequantization noise, say): `log_prob(x, rng)`.
  template <class Model, class Batch>
  requires requires(const Model& model, const Batch& batch, Rng& rng) { model.log_prob(batch, rng); }
  auto operator()(const Model& model, const Batch& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over(model.log_prob(batch, rng));
  }
  /// For a conditional density, `log_prob(x, given)`: `fit(flow, std::tuple(x, labels), mle, ..)`.
  template <class Model, class S, class Given>
  requires requires(const Model& model, const Tensor<S>& x, const Tensor<Given>& given) { model.log_prob(x, given); }
  auto operator()(const Model& model, const Tensor<S>& x, const Tensor<Given>& given,
                  const ExampleMean& over = {}) const {
    return -over(model.log_prob(x, given));
  }
  /// For one that also draws while it scores (dropout, say): `log_prob(x, given, rng)`.
  template <class Model, class S, class Given>
  requires requires(const Model& model, const Tensor<S>& x, const Tensor<Given>& given, Rng& rng) {
    model.log_prob(x, given, rng);
  }
  auto operator()(const Model& model, const Tensor<S>& x, const Tensor<Given>& given, Rng& rng,
                  const ExampleMean& over = {}) const {
    return -over(model.log_prob(x, given, rng));
  }
};

/// The objective `fit(flow, data, mle, ...)`: - mean of log p(x), in nats per example.
inline constexpr MaximumLikelihood mle{};

/// A normal prior on every parameter.
struct MapOptions {
  double weight_std = 1.0;  ///< standard deviation of the prior
  Index examples = 1;       ///< size of the training set that shares the prior
};

/// The logarithm of a normal prior N(0, std^2) on every parameter of a model, up to a constant: - sum w^2 / (2 std^2).
struct NormalPrior {
  double std = 1.0;

  /// Over the parameters of scalar S: one number in nats.
  template <class S, class Model>
  Tensor<S> over(const Model& model) const {
    Tensor<S> total = Tensor<S>::scalar(S(0));
    for_each_parameter<S>(model, [&](const Path&, const Parameter<S>& p) { total = total + sum(square(p.tensor())); });
    return total * (-0.5 / (std * std));
  }
};

namespace detail {

// An objective of a batch with the mean to take, with or without randomness.
template <class Objective, class Model, class Batch>
concept Likelihood = std::invocable<const Objective&, const Model&, const Batch&, Rng&, const ExampleMean&> ||
    std::invocable<const Objective&, const Model&, const Batch&, const ExampleMean&>;

}  // namespace detail

/// What `map` gives: mle plus the prior's share of one example.
template <class LogPrior>
struct MaximumAPosteriori {
  LogPrior log_prior;
  Index examples = 1;

  template <class Model, class Batch>
  requires detail::Likelihood<MaximumLikelihood, Model, Batch>
  auto operator()(const Model& model, const Batch& batch, Rng& rng, const ExampleMean& over = {}) const {
    return with_prior(evaluate_objective(mle, model, batch, rng, over), model);
  }
  /// For a conditional density: `fit(flow, std::tuple(x, labels), map({..}), ..)`.
  template <class Model, class S, class Given>
  requires detail::Likelihood<detail::ObjectiveGiven<MaximumLikelihood, Tensor<Given>>, Model, Tensor<S>>
  auto operator()(const Model& model, const Tensor<S>& x, const Tensor<Given>& given, Rng& rng,
                  const ExampleMean& over = {}) const {
    const detail::ObjectiveGiven<MaximumLikelihood, Tensor<Given>> likelihood{mle, given};
    return with_prior(evaluate_objective(likelihood, model, x, rng, over), model);
  }

 private:
  template <class S, class Model>
  Tensor<S> with_prior(const Tensor<S>& loss, const Model& model) const {
    const double share = 1.0 / static_cast<double>(examples);
    if constexpr (std::is_same_v<LogPrior, NormalPrior>)
      return loss - log_prior.template over<S>(model) * share;
    else
      return loss - log_prior(model) * share;
  }
};

/// Maximum a posteriori with a normal prior on every parameter: - mean log p(x) + sum w^2 / (2 std^2 examples).
///
/// The loss is in nats per example, so the prior is divided by the size of the training set. Throws ValueError for a
/// standard deviation or number of examples that is not positive.
inline MaximumAPosteriori<NormalPrior> map(MapOptions options) {
  if (!(options.weight_std > 0))
    fail<ValueError>("map: .weight_std is ", options.weight_std, ", expected a positive number");
  if (options.examples < 1)
    fail<ValueError>("map: .examples is ", options.examples, ", expected the size of the training set");
  return {{options.weight_std}, options.examples};
}
/// Maximum a posteriori with a prior of your own: `log_prior(model)` gives one number in nats.
template <class LogPrior>
MaximumAPosteriori<LogPrior> map(LogPrior log_prior, Index examples) {
  if (examples < 1) fail<ValueError>("map: got ", examples, " examples, expected the size of the training set");
  return {std::move(log_prior), examples};
}

}  // namespace pushforward
