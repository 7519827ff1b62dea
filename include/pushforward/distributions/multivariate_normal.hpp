// MultivariateNormal: the normal distribution with a full covariance matrix.
#pragma once

#include <cmath>
#include <numeric>
#include <vector>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/ops/linalg.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// Vectors x [lead.., batch.., d] as columns [batch.., d, n], n the product of `lead`: one product or solve per matrix.
template <class S>
Tensor<S> as_columns(const Tensor<S>& x, int batch_rank) {
  const Shape& shape = x.shape();
  const int lead = shape.rank() - 1 - batch_rank;
  std::vector<int> order(static_cast<std::size_t>(batch_rank) + 2);
  std::iota(order.begin(), order.end() - 1, 1);
  Shape merged{shape.product(0, lead)};
  for (int i = lead; i < shape.rank(); ++i) merged = merged.inserted(merged.rank(), shape[i]);
  return permute(reshape(x, merged), order);
}
// The way back, to `shape`.
template <class S>
Tensor<S> from_columns(const Tensor<S>& columns, const Shape& shape) {
  std::vector<int> order(static_cast<std::size_t>(columns.rank()));
  std::iota(order.begin() + 1, order.end(), 0);
  order[0] = columns.rank() - 1;
  return reshape(permute(columns, order), shape);
}

// Only the lower triangle of a covariance is read: the upper one must say the same.
template <class S>
void check_symmetric(const char* distribution, const Tensor<S>& matrix) {
  constexpr double tolerance = sizeof(S) == 4 ? 1e-4 : 1e-8;
  const Index d = matrix.size(-1);
  for (Index first = 0; first < matrix.size(); first += d * d) {
    const S* a = matrix.data() + first;
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < i; ++j) {
        const double lower = a[i * d + j], upper = a[j * d + i];
        const double size = std::sqrt(std::abs(double{a[i * d + i]} * double{a[j * d + j]}));
        if (std::abs(lower - upper) > tolerance * size)
          fail<ValueError>(distribution, ": the covariance is not symmetric, ", lower, " at (", i, ", ", j, ") and ",
                           upper, " at (", j, ", ", i, "); take the mean of it and its transpose");
      }
  }
}

// The diagonals of matrices [.., d, d].
template <class S>
Tensor<S> diagonal_of(const Tensor<S>& a) {
  return sum(a * Tensor<S>::eye(a.size(-1)), -1);
}

// `x` less `mean`, with the leading axes that both broadcast to.
template <class S>
Tensor<S> difference(const char* name, const Tensor<S>& x, const Tensor<S>& mean, const Shape& shape) {
  if (x.rank() == 0) fail<ShapeError>(name, ": got a scalar, expected events along a last axis, [.., d]");
  return expand(x - mean, broadcast(x.shape(), shape, name));
}

// A matrix per distribution, repeated along the batch axes that `full` [.., d] has in place of those of `shape`.
template <class S>
Tensor<S> along_batch(const Tensor<S>& matrix, const Shape& full, int batch_rank) {
  Shape shape = matrix.shape();
  for (int i = 0; i < batch_rank; ++i) shape = shape.with(i, full[full.rank() - 1 - batch_rank + i]);
  return expand(matrix, shape);
}

}  // namespace detail

/// The normal distribution N(mean, covariance), by the Cholesky factor L of the covariance, L L^T.
///
///     log p(x) = - |L^-1 (x - mean)|^2 / 2 - sum_i log L_ii - d log(2 pi) / 2
///
/// Mean [.., d] and covariance [.., d, d], the leading axes broadcast against each other. Throws ValueError for a
/// covariance that is not symmetric or not positive definite or a NaN, ShapeError for shapes that do not fit.
template <class S = float>
class MultivariateNormal {
 public:
  using Scalar = S;

  MultivariateNormal(const Tensor<S>& mean, const Tensor<S>& covariance)
      : MultivariateNormal(Given{}, mean, covariance, cholesky(symmetric(checked(mean, covariance)))) {}
  /// With the Cholesky factor, of which only the lower triangle counts: what networks put out. Throws ValueError unless
  /// its diagonal is positive.
  static MultivariateNormal from_cholesky(const Tensor<S>& mean, const Tensor<S>& factor) {
    checked(mean, factor);
    detail::check_parameter(
        "MultivariateNormal", "the factor's diagonal", detail::diagonal_of(stop_gradient(factor)),
        [](S x) { return x > S(0); }, "a positive number");
    return MultivariateNormal(Given{}, mean, factor, tril(factor));
  }

  /// [.., d].
  const Shape& shape() const { return shape_; }
  const Tensor<S>& mean() const { return mean_; }
  /// The lower triangular factor L, [.., d, d].
  const Tensor<S>& cholesky_factor() const { return factor_; }
  /// L L^T, [.., d, d].
  Tensor<S> covariance() const { return matmul(factor_, factor_, {.transpose_b = true}); }
  /// The diagonal of the covariance, [.., d].
  Tensor<S> variance() const { return sum(square(factor_), -1); }
  /// log det of the covariance / 2, [..].
  Tensor<S> half_log_det() const { return sum(log(detail::diagonal_of(factor_)), -1); }

  /// log p(x) in nats: x [.., d] -> [..], broadcast against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> from_mean = detail::difference("MultivariateNormal::log_prob", x, mean_, shape_);
    return squared_distance(from_mean) * -0.5 - half_log_det() - constant();
  }
  /// L^-1 v for vectors v [.., d].
  Tensor<S> whitened(const Tensor<S>& v) const {
    const int batch = shape_.rank() - 1;
    const Tensor<S> columns = detail::as_columns(v, batch);
    return detail::from_columns(solve_triangular(detail::along_batch(factor_, v.shape(), batch), columns), v.shape());
  }
  /// v^T covariance^-1 v for vectors v [.., d]: [..].
  Tensor<S> squared_distance(const Tensor<S>& v) const { return sum(square(whitened(v)), -1); }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// Draws mean + L noise, differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(normal<S>(detail::batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(normal<S>(shape_, rng)); }

  /// The differential entropy in nats, log det(2 pi e covariance) / 2: [..].
  Tensor<S> entropy() const { return half_log_det() + (constant() + 0.5 * static_cast<double>(shape_[-1])); }

  static void members(auto&, auto&&) {}

 private:
  struct Given {};
  // `given` lends its shape, `factor` is what counts.
  MultivariateNormal(Given, const Tensor<S>& mean, const Tensor<S>& given, const Tensor<S>& factor)
      : shape_(broadcast(mean.shape(), given.shape().without(-1), "MultivariateNormal")),
        mean_(expand(mean, shape_)),
        factor_(expand(factor, shape_.inserted(shape_.rank(), shape_[-1]))) {}

  static const Tensor<S>& checked(const Tensor<S>& mean, const Tensor<S>& matrix) {
    if (mean.rank() < 1 || matrix.rank() < 2 || matrix.size(-1) != matrix.size(-2) || mean.size(-1) != matrix.size(-1))
      fail<ShapeError>("MultivariateNormal: mean of shape ", mean.shape(), " and matrix of shape ", matrix.shape(),
                       ", expected [.., d] and [.., d, d]");
    detail::check_not_nan("MultivariateNormal", "mean", mean);
    detail::check_not_nan("MultivariateNormal", "the matrix", matrix);
    return matrix;
  }

  static const Tensor<S>& symmetric(const Tensor<S>& matrix) {
    detail::check_symmetric("MultivariateNormal", matrix);
    return matrix;
  }

  double constant() const { return detail::half_log_two_pi * static_cast<double>(shape_[-1]); }
  Tensor<S> placed(const Tensor<S>& noise) const {
    const int batch = shape_.rank() - 1;
    return mean_ + detail::from_columns(matmul(factor_, detail::as_columns(noise, batch)), noise.shape());
  }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return stop_gradient(placed(normal<S>(shape, rng)));
  }

  Shape shape_;
  Tensor<S> mean_, factor_;
};

namespace detail {

// What divergences ask of a kind of normal, for `full` [.., d] that its shape broadcasts to:
//   roots(q, full)          vectors v [m, .., d] with sum_m v v^T = covariance
//   half_log_det(q, full)   [..]
template <class T>
struct NormalParts;

template <class S>
Tensor<S> diagonal_roots(const Tensor<S>& std, const Shape& full) {
  Shape basis = full;
  for (int axis = 0; axis + 1 < full.rank(); ++axis) basis = basis.with(axis, 1);
  return expand(std, full) * reshape(Tensor<S>::eye(full[-1]), basis.inserted(0, full[-1]));
}
template <class S>
Tensor<S> matrix_roots(const Tensor<S>& columns, const Shape& full) {
  std::vector<int> order(static_cast<std::size_t>(full.rank()) + 1);
  std::iota(order.begin() + 1, order.end(), 0);
  order[0] = full.rank();
  return permute(expand(columns, full.inserted(full.rank(), columns.size(-1))), order);
}

template <class S>
struct NormalParts<Normal<S>> {
  static Tensor<S> roots(const Normal<S>& q, const Shape& full) { return diagonal_roots(q.std(), full); }
  static Tensor<S> half_log_det(const Normal<S>& q, const Shape& full) { return sum(expand(q.log_std(), full), -1); }
};
template <class S>
struct NormalParts<MultivariateNormal<S>> {
  using Q = MultivariateNormal<S>;
  static Tensor<S> roots(const Q& q, const Shape& full) { return matrix_roots(q.cholesky_factor(), full); }
  static Tensor<S> half_log_det(const Q& q, const Shape&) { return q.half_log_det(); }
};

template <class T>
concept AnyNormal = requires(const T& q, const Shape& full) {
  NormalParts<T>::roots(q, full);
};

}  // namespace detail

/// Between normals of different kinds, with covariances C:
/// (tr C_p^-1 C_q + (m_q - m_p)^T C_p^-1 (m_q - m_p) - d + log det C_p - log det C_q) / 2.
///
/// Of a LowRankNormal no d x d matrix is factored. Throws ShapeError for events of different sizes.
template <detail::AnyNormal Q, detail::AnyNormal P>
requires std::same_as<typename Q::Scalar, typename P::Scalar> Tensor<typename Q::Scalar> kl_divergence(const Q& q,
                                                                                                       const P& p) {
  using S = typename Q::Scalar;
  detail::check_events(q, p);
  const Shape full = broadcast(q.shape(), p.shape(), "kl_divergence");
  const Tensor<S> apart = expand(q.mean() - p.mean(), full);
  Tensor<S> squares;
  if constexpr (std::same_as<P, Normal<S>>)
    squares = sum((q.variance() + square(apart)) / square(p.std()), -1);
  else
    squares = sum(p.squared_distance(detail::NormalParts<Q>::roots(q, full)), 0) + p.squared_distance(apart);
  return (squares - static_cast<double>(full[-1])) * 0.5 + detail::NormalParts<P>::half_log_det(p, full) -
         detail::NormalParts<Q>::half_log_det(q, full);
}

/// For full covariances (|L_p^-1 L_q|^2 + |L_p^-1 (m_q - m_p)|^2 - d) / 2 + log det L_p - log det L_q.
template <class S>
Tensor<S> kl_divergence(const MultivariateNormal<S>& q, const MultivariateNormal<S>& p) {
  const Tensor<S> ratio = solve_triangular(p.cholesky_factor(), q.cholesky_factor());
  const Tensor<S> apart = solve_triangular(p.cholesky_factor(), unsqueeze(q.mean() - p.mean(), -1));
  const Tensor<S> traces = sum(square(ratio), {-1, -2}) + sum(square(apart), {-1, -2});
  return (traces - static_cast<S>(q.shape()[-1])) * 0.5 + p.half_log_det() - q.half_log_det();
}

}  // namespace pushforward
