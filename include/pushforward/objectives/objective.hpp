// What an objective is: a callable that turns a model and a batch into a loss; and weights of examples.
#pragma once

#include <cmath>
#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// The mean over the examples of a batch that an objective takes of its losses: plain, or with weights.
///
///     sum_i w_i v_i / sum_i w_i
///
/// Objectives take one as their last argument, plain by default; `weighted` gives them another.
class ExampleMean {
 public:
  /// Every example counts the same.
  ExampleMean() = default;
  /// With positive weights [n].
  template <class S>
  explicit ExampleMean(const Tensor<S>& weights) : weights_(cast<double>(stop_gradient(weights))) {
    if (weights.rank() != 1) fail<ShapeError>("ExampleMean: weights of shape ", weights.shape(), ", expected [n]");
    for (const double w : weights_)
      if (!(w > 0 && std::isfinite(w))) fail<ValueError>("ExampleMean: got the weight ", w, ", expected w > 0");
  }

  bool plain() const { return weights_.empty(); }
  /// [n], empty for a plain mean.
  const Tensor<double>& weights() const { return weights_; }
  /// w / sum w, [n].
  template <class S>
  Tensor<S> shares() const {
    return cast<S>(weights_ / weights_.sum());
  }

  /// The mean of values [.., n] of n examples, plain over leading axes: one number. Throws ShapeError.
  template <class S>
  Tensor<S> operator()(const Tensor<S>& values) const {
    if (values.empty()) fail<ShapeError>("ExampleMean: got no examples (losses of shape ", values.shape(), ")");
    if (plain()) return mean(values);
    check(values.shape(), -1);
    return sum(values * shares<S>()) / (static_cast<double>(values.size()) / static_cast<double>(weights_.size()));
  }
  /// The mean of all numbers [n, ..] of n examples: one number. Throws ShapeError.
  template <class S>
  Tensor<S> of_numbers(const Tensor<S>& values) const {
    if (plain() || values.rank() == 0 || values.empty()) return (*this)(values);
    return (*this)(values.rank() == 1 ? values : mean(reshape(values, {values.size(0), -1}), 1));
  }
  /// The mean over the first axis of statistics [n, ..] of n examples: [..]. Throws ShapeError.
  template <class S>
  Tensor<S> of_rows(const Tensor<S>& values) const {
    if (plain()) return mean(values, 0);
    check(values.shape(), 0);
    Shape column = Shape{weights_.size()};
    for (int axis = 1; axis < values.rank(); ++axis) column = column.inserted(axis, 1);
    return sum(values * reshape(shares<S>(), column), 0);
  }

 private:
  void check(const Shape& values, int axis) const {
    if (values.rank() == 0 || values[axis] != weights_.size())
      fail<ShapeError>("ExampleMean: got losses of shape ", values, " for ", weights_.size(),
                       " weights, expected one loss for each");
  }

  Tensor<double> weights_;
};

/// Calls `objective(model, batch, rng)`, or `objective(model, batch)` for one that needs no randomness: a loss of one
/// number.
template <class Objective, class Model, class Batch>
auto evaluate_objective(const Objective& objective, Model&& model, const Batch& batch, Rng& rng) {
  if constexpr (std::invocable<const Objective&, Model&, const Batch&, Rng&>) {
    return objective(model, batch, rng);
  } else {
    static_assert(
        std::invocable<const Objective&, Model&, const Batch&>,
        "pushforward: an objective is called as objective(model, batch, rng) or objective(model, batch) and gives "
        "a loss of one number; this one can be called in neither way with this model and batch.");
    return objective(model, batch);
  }
}
/// The same with the mean to take over the examples, which becomes the objective's last argument unless it is plain.
template <class Objective, class Model, class Batch>
auto evaluate_objective(const Objective& objective, Model&& model, const Batch& batch, Rng& rng,
                        const ExampleMean& over) {
  if constexpr (std::invocable<const Objective&, Model&, const Batch&, Rng&, const ExampleMean&>) {
    return objective(model, batch, rng, over);
  } else {
    static_assert(
        std::invocable<const Objective&, Model&, const Batch&, const ExampleMean&>,
        "pushforward: an objective that is weighted is called as objective(model, batch, rng, over) or "
        "objective(model, batch, over) with an ExampleMean `over`, which it calls on its losses [n] in the place of "
        "mean(); this one cannot be called so with this model and batch.");
    return objective(model, batch, over);
  }
}

namespace detail {

// Which rows have a weight: empty if all have. Throws ShapeError, ValueError.
template <class S>
Tensor<Index> weighted_rows(const Tensor<S>& weights, Index rows) {
  if (weights.rank() != 1 || weights.size(0) != rows)
    fail<ShapeError>("weighted: got weights of shape ", weights.shape(), " for ", rows, " examples, expected [", rows,
                     "]");
  std::vector<Index> kept;
  for (Index i = 0; i < rows; ++i) {
    const S w = weights.data()[i];
    if (!(w >= S(0)) || !std::isfinite(w))
      fail<ValueError>("weighted: the weight of example ", i, " is ", w, ", expected a number of 0 or more");
    if (w > S(0)) kept.push_back(i);
  }
  if (kept.empty())
    fail<ValueError>("weighted: no example of the batch has a weight, expected one at least; make batches larger");
  const auto count = static_cast<Index>(kept.size());
  return count == rows ? Tensor<Index>() : Tensor<Index>({count}, kept);
}

template <class S>
Tensor<S> kept_rows(const Tensor<S>& x, const Tensor<Index>& rows) {
  return rows.empty() ? x : index_select(x, 0, rows);
}

// A model that is given what an objective of rows and conditions needs beside them.
template <class Objective, class Condition>
struct ObjectiveGiven {
  const Objective& objective;
  const Condition& y;

  template <class Model, class Batch>
  requires std::invocable<const Objective&, Model&, const Batch&, const Condition&, Rng&, const ExampleMean&>
  auto operator()(Model& model, const Batch& x, Rng& rng, const ExampleMean& over) const {
    return objective(model, x, y, rng, over);
  }
  template <class Model, class Batch>
  requires std::invocable<const Objective&, Model&, const Batch&, const Condition&, const ExampleMean&>
  auto operator()(Model& model, const Batch& x, const ExampleMean& over) const { return objective(model, x, y, over); }
};

}  // namespace detail

/// What `weighted` gives: a loss for rows with weights.
template <class Objective>
struct WeightedObjective {
  Objective objective;

  /// For rows x [n, ..] with weights [n].
  template <class Model, class S, std::floating_point W>
  auto operator()(Model& model, const Tensor<S>& x, const Tensor<W>& weights, Rng& rng) const {
    const Tensor<Index> kept = detail::weighted_rows(weights, rows_of(x));
    return evaluate_objective(objective, model, detail::kept_rows(x, kept), rng,
                              ExampleMean(detail::kept_rows(weights, kept)));
  }
  /// For rows x [n, ..] and conditions y [n, ..] with weights [n].
  template <class Model, class S, class C, std::floating_point W>
  auto operator()(Model& model, const Tensor<S>& x, const Tensor<C>& y, const Tensor<W>& weights, Rng& rng) const {
    const Tensor<Index> kept = detail::weighted_rows(weights, rows_of(x));
    const Tensor<C> conditions = detail::kept_rows(y, kept);
    return evaluate_objective(detail::ObjectiveGiven<Objective, Tensor<C>>{objective, conditions}, model,
                              detail::kept_rows(x, kept), rng, ExampleMean(detail::kept_rows(weights, kept)));
  }
  auto at(Index step, Index total) const requires requires(const Objective& o) { o.at(step, total); }
  {
    const auto now = objective.at(step, total);
    return WeightedObjective<std::remove_const_t<decltype(now)>>{now};
  }

 private:
  template <class S>
  static Index rows_of(const Tensor<S>& x) {
    if (x.rank() == 0) fail<ShapeError>("weighted: the batch is a single number, expected rows along axis 0");
    return x.size(0);
  }
};

/// An objective with a weight for each example, trained on tuples: `fit(vae, std::tuple(x, w), weighted(elbo()), ..)`,
/// or of x, conditions and w: `fit(vae, std::tuple(x, y, w), weighted(conditional(elbo())), ..)`.
///
/// Means over the batch become sum w v / sum w. An example of weight 2 counts as two of it, one of weight 0 is left out
/// before anything is computed. Objectives whose statistics of a batch make the former inexact say so. Weights are
/// relative within a batch: in one of a single example they change nothing. An objective of your own takes an
/// ExampleMean as its last argument and calls it on its losses. Throws ShapeError, ValueError.
template <class Objective>
WeightedObjective<Objective> weighted(Objective objective) {
  return {std::move(objective)};
}

namespace detail {

/// A batch of examples, and how their losses are to be averaged.
template <class S>
struct WeightedBatch {
  Tensor<S> x;
  ExampleMean over = {};
};

template <class S>
WeightedBatch<S> weighted_batch(const Tensor<S>& x) {
  return {x};
}
// Of rows and weights: without the rows that have none.
template <class S, std::floating_point W>
WeightedBatch<S> weighted_batch(const std::tuple<Tensor<S>, Tensor<W>>& batch) {
  const auto& [x, weights] = batch;
  const Tensor<Index> kept = weighted_rows(weights, x.size(0));
  return {kept_rows(x, kept), ExampleMean(kept_rows(weights, kept))};
}

}  // namespace detail

}  // namespace pushforward
