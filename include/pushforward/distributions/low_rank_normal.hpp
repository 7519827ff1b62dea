// LowRankNormal: the normal distribution with a covariance that is diagonal but for a few directions.
#pragma once

#include <pushforward/distributions/multivariate_normal.hpp>

namespace pushforward {

/// The normal distribution N(mean, W W^T + diag(noise)): factor analysis.
///
/// Mean [.., d], directions W [.., d, r], noise variances [.., d]. By the Woodbury identity and the matrix determinant
/// lemma only r x r matrices are factored, with C = I + W^T diag(noise)^-1 W:
///
///     (x - mean)^T covariance^-1 (x - mean) = |x - mean - W z|^2_noise + |z|^2,   z = C^-1 W^T diag(noise)^-1 (x -
///     mean) log det covariance                    = log det C + sum_i log noise_i
///
/// The quadratic form is a sum of squares, so nothing cancels where W is large. Throws ValueError for a noise that is
/// not positive or a NaN, ShapeError for shapes that do not fit.
template <class S = float>
class LowRankNormal {
 public:
  using Scalar = S;

  LowRankNormal(const Tensor<S>& mean, const Tensor<S>& directions, const Tensor<S>& noise)
      : shape_(checked(mean, directions, noise)),
        mean_(expand(mean, shape_)),
        noise_(expand(noise, shape_)),
        directions_(expand(directions, shape_.inserted(shape_.rank(), directions.size(-1)))) {
    detail::check_not_nan("LowRankNormal", "mean", mean);
    detail::check_not_nan("LowRankNormal", "directions", directions);
    detail::check_parameter(
        "LowRankNormal", "noise", noise, [](S x) { return x > S(0); }, "a positive variance");
    weighted_ = directions_ / unsqueeze(noise_, -1);
    inner_ = cholesky(matmul(directions_, weighted_, {.transpose_a = true}) + Tensor<S>::eye(rank()));
  }

  /// [.., d].
  const Shape& shape() const { return shape_; }
  /// The number r of directions.
  Index rank() const { return directions_.size(-1); }
  const Tensor<S>& mean() const { return mean_; }
  /// W, [.., d, r].
  const Tensor<S>& directions() const { return directions_; }
  /// The variances on the diagonal beside W W^T, [.., d].
  const Tensor<S>& noise() const { return noise_; }
  /// The diagonal of the covariance, [.., d].
  Tensor<S> variance() const { return noise_ + sum(square(directions_), -1); }
  /// W W^T + diag(noise), [.., d, d].
  Tensor<S> covariance() const {
    return matmul(directions_, directions_, {.transpose_b = true}) + unsqueeze(noise_, -1) * Tensor<S>::eye(shape_[-1]);
  }

  /// log p(x) in nats: x [.., d] -> [..], broadcast against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> from_mean = detail::difference("LowRankNormal::log_prob", x, mean_, shape_);
    return squared_distance(from_mean) * -0.5 - half_log_det() - constant();
  }

  /// log det of the covariance / 2, [..].
  Tensor<S> half_log_det() const { return sum(log(detail::diagonal_of(inner_)), -1) + 0.5 * sum(log(noise_), -1); }
  /// v^T covariance^-1 v for vectors v [.., d]: [..].
  Tensor<S> squared_distance(const Tensor<S>& v) const {
    const int batch = shape_.rank() - 1;
    auto along = [&](const Tensor<S>& matrix) { return detail::along_batch(matrix, v.shape(), batch); };
    const Tensor<S> columns = detail::as_columns(v, batch), inner = along(inner_);
    const Tensor<S> projected = matmul(along(weighted_), columns, {.transpose_a = true});
    const Tensor<S> z = solve_triangular(inner, solve_triangular(inner, projected), {.transpose = true});
    const Tensor<S> rest = detail::from_columns(columns - matmul(along(directions_), z), v.shape());
    const Tensor<S> squares = detail::from_columns(sum(square(z), -2, true), v.shape().with(v.rank() - 1, 1));
    return sum(square(rest) / noise_, -1) + squeeze(squares, -1);
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// Draws mean + W z + sqrt(noise) e with normal z [r] and e [d], differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return placed(shape_, rng); }

  /// The differential entropy in nats, log det(2 pi e covariance) / 2: [..].
  Tensor<S> entropy() const { return half_log_det() + (constant() + 0.5 * static_cast<double>(shape_[-1])); }

  static void members(auto&, auto&&) {}

 private:
  static Shape checked(const Tensor<S>& mean, const Tensor<S>& directions, const Tensor<S>& noise) {
    if (mean.rank() < 1 || noise.rank() < 1 || directions.rank() < 2 || directions.size(-2) != mean.size(-1) ||
        noise.size(-1) != mean.size(-1) || directions.size(-1) < 1)
      fail<ShapeError>("LowRankNormal: mean of shape ", mean.shape(), ", directions ", directions.shape(),
                       " and noise ", noise.shape(), ", expected [.., d], [.., d, r] and [.., d] with r > 0");
    const Shape both = broadcast(mean.shape(), noise.shape(), "LowRankNormal");
    return broadcast(both, directions.shape().without(-1), "LowRankNormal");
  }

  double constant() const { return detail::half_log_two_pi * static_cast<double>(shape_[-1]); }
  Tensor<S> placed(const Shape& shape, Rng& rng) const {
    const int batch = shape_.rank() - 1;
    const Tensor<S> z = normal<S>(shape.with(shape.rank() - 1, rank()), rng), e = normal<S>(shape, rng);
    const Tensor<S> along = detail::from_columns(matmul(directions_, detail::as_columns(z, batch)), shape);
    return mean_ + along + sqrt(noise_) * e;
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return stop_gradient(placed(shape, rng));
  }

  Shape shape_;
  Tensor<S> mean_, noise_, directions_, weighted_, inner_;
};

namespace detail {

template <class S>
struct NormalParts<LowRankNormal<S>> {
  using Q = LowRankNormal<S>;
  static Tensor<S> roots(const Q& q, const Shape& full) {
    return concat({matrix_roots(q.directions(), full), diagonal_roots(sqrt(q.noise()), full)}, 0);
  }
  static Tensor<S> half_log_det(const Q& q, const Shape&) { return q.half_log_det(); }
};

}  // namespace detail

}  // namespace pushforward
