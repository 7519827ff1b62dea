// Score matching: fits the slope of a log-density to data, so that no normalizing constant is needed.
#pragma once

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

// log p(x) up to a constant by what `model` has, or the model itself if it is a function: [n, d] -> [n].
template <class Model, class S>
Tensor<S> log_density_at(const Model& model, const Tensor<S>& x) {
  if constexpr (requires { model.unnormalized_log_prob(x); })
    return model.unnormalized_log_prob(x);
  else if constexpr (requires { model.log_prob(x); })
    return model.log_prob(x);
  else
    return model(x);
}

// The slope of f(x) [n] (or [n, 1]) in each row of x [n, d], times `factor`: recorded if recording is on.
template <class F, class S>
Tensor<S> slope_of_rows(const F& f, const Tensor<S>& x, S factor = S(1)) {
  const bool create_graph = recording_flag();
  const FlagGuard guard(recording_flag(), true);
  const Tensor<S> at = x.tracked() ? x : variable(x);
  const Tensor<S> y = f(at);
  if (!y.tracked()) return Tensor<S>::zeros(x.shape());
  const Tensor<S> slope = vjp(y, {at}, Tensor<S>::full(y.shape(), factor), {.create_graph = create_graph})[0];
  return create_graph ? slope : stop_gradient(slope);
}

// A loss that differentiates inside itself: f() is recorded in any case, its result only if recording is on.
template <class F>
auto recorded_loss(const F& f) {
  const bool keep = recording_flag();
  const FlagGuard guard(recording_flag(), true);
  auto loss = f();
  return keep ? loss : stop_gradient(loss);
}

}  // namespace detail

/// The score d log p(x) / dx of a model, a density or a function that gives log-densities: x [n, d] -> [n, d].
///
/// The model's own `score(x)` where it has one, else the gradient of `unnormalized_log_prob(x)`, `log_prob(x)` or of
/// the function. It is differentiable, but not inside NoGradient, where it is cheaper.
template <class Model, class S>
Tensor<S> score(const Model& model, const Tensor<S>& x) {
  if constexpr (requires {
                  { model.score(x) } -> std::convertible_to<Tensor<S>>;
                })
    return model.score(x);
  else
    return detail::slope_of_rows([&](const Tensor<S>& at) { return detail::log_density_at(model, at); }, x);
}

/// Denoising score matching: how much noise.
struct DenoisingScoreMatchingOptions {
  double noise = 0.1;  ///< standard deviation sigma, in units of the data
};

/// What `denoising_score_matching` gives.
struct DenoisingScoreMatching {
  DenoisingScoreMatchingOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (!(options.noise > 0))
      fail<ValueError>("denoising_score_matching: .noise is ", options.noise, ", expected a positive number");
    const Tensor<S> noise = normal<S>(batch.shape(), rng);
    const Tensor<S> slope = score(model, batch + options.noise * noise);
    return 0.5 * over(sum(square(options.noise * slope + noise), -1));
  }
};

/// The objective `fit(model, data, denoising_score_matching({.noise = 0.1}), ...)` (Vincent 2011, eq. 9, times
/// sigma^2):
///
///     E |sigma s(x + sigma e) + e|^2 / 2,  e ~ N(0, I)
///
/// Its least value is reached where s is the score of the data blurred by N(0, sigma^2 I). For any model with a score.
/// Throws ValueError unless the noise is positive.
inline DenoisingScoreMatching denoising_score_matching(const DenoisingScoreMatchingOptions& options = {}) {
  return {options};
}

/// What `score_matching` is.
struct ScoreMatching {
  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, const ExampleMean& over = {}) const {
    if (batch.rank() != 2) fail<ShapeError>("score_matching: batch of shape ", batch.shape(), ", expected [n, d]");
    return detail::recorded_loss([&] {
      const Tensor<S> x = variable(batch), slope = score(model, x);
      Tensor<S> total = 0.5 * sum(square(slope), 1);
      for (Index i = 0; i < x.size(1); ++i) {
        const Tensor<S> unit = Tensor<S>::generate(x.shape(), [&](Index j) { return S(j % x.size(1) == i); });
        total = total + sum(unit * vjp(slope, {x}, unit, {.create_graph = true})[0], 1);
      }
      return over(total);
    });
  }
};

/// The objective `fit(model, data, score_matching, ...)` (Hyvarinen 2005, theorem 1), for few dimensions d: it takes d
/// second derivatives.
///
///     E [ |s(x)|^2 / 2 + sum_i ds_i / dx_i ]
///
/// It is E |s(x) - d log p_data / dx|^2 / 2 up to a constant. Throws ShapeError unless the batch is [n, d].
inline constexpr ScoreMatching score_matching{};

/// Sliced score matching: how many directions.
struct SlicedScoreMatchingOptions {
  Index projections = 1;  ///< random directions per example
};

/// What `sliced_score_matching` gives.
struct SlicedScoreMatching {
  SlicedScoreMatchingOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (options.projections < 1)
      fail<ValueError>("sliced_score_matching: .projections is ", options.projections, ", expected at least 1");
    return detail::recorded_loss([&] {
      const Tensor<S> x = variable(batch), slope = score(model, x);
      Tensor<S> total = 0.5 * over(sum(square(slope), -1));
      for (Index i = 0; i < options.projections; ++i) {
        const Tensor<S> v = normal<S>(x.shape(), rng);
        const Tensor<S> along = sum(v * vjp(slope, {x}, v, {.create_graph = true})[0], -1);
        total = total + over(along) / static_cast<double>(options.projections);
      }
      return total;
    });
  }
};

/// The objective `fit(model, data, sliced_score_matching(), ...)` (Song et al. 2019, eq. 8): `score_matching` with the
/// trace estimated in random directions v ~ N(0, I).
///
///     E [ |s(x)|^2 / 2 + v^T (ds / dx) v ]
///
/// Throws ValueError for fewer than one direction.
inline SlicedScoreMatching sliced_score_matching(const SlicedScoreMatchingOptions& options = {}) { return {options}; }

}  // namespace pushforward
