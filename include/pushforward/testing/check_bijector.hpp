// check_bijector(): round trips, and log-determinants against the full Jacobian.
#pragma once

#include <vector>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/shape_ops.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// How `check_bijector` compares.
struct BijectorCheckOptions {
  int event_rank = 1;  ///< how many trailing axes one event has; log_det has the axes before them
  double tolerance =
      0;  ///< default sqrt(eps): 1.5e-8 for double, 3.5e-4 for float, room for a condition number 1/sqrt(eps)
  bool inverse_jacobian = true;  ///< also differentiate inverse(); off for an inverse that has no gradient
};

namespace detail {

// log |det| of a row-major n x n matrix, by elimination with row pivoting.
inline double log_abs_determinant(std::vector<double> m, Index n) {
  double total = 0;
  auto at = [&](Index i, Index j) -> double& { return m[static_cast<std::size_t>(i * n + j)]; };
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < n; ++i)
      if (std::abs(at(i, k)) > std::abs(at(pivot, k))) pivot = i;
    for (Index j = 0; j < n && pivot != k; ++j) std::swap(at(k, j), at(pivot, j));
    if (at(k, k) == 0) return -std::numeric_limits<double>::infinity();
    total += std::log(std::abs(at(k, k)));
    for (Index i = k + 1; i < n; ++i) {
      const double factor = at(i, k) / at(k, k);
      for (Index j = k; j < n; ++j) at(i, j) -= factor * at(k, j);
    }
  }
  return total;
}

// One row of a batch, with all its axes, the leading ones of length 1.
template <class S>
Tensor<S> row_of(const Tensor<S>& x, int batch_rank, Index row) {
  Shape one = x.shape();
  for (int i = 0; i < batch_rank; ++i) one = one.with(i, 1);
  const Index n = one.size();
  return Tensor<S>::generate(one, [&](Index i) { return x.data()[row * n + i]; });
}

// The log_det of `map` against the Jacobian of every row of x on its own.
template <class Map, class S>
void check_log_det(const char* direction, const Map& map, const Tensor<S>& x, int batch_rank, double tolerance) {
  const auto whole = map(x);
  const Index rows = x.shape().product(0, batch_rank), n = rows ? x.size() / rows : 0;
  for (Index row = 0; row < rows; ++row) {
    const Tensor<S> one = row_of(x, batch_rank, row);
    // Both events as vectors: images would need more axes than there are.
    const auto flat = [&](const Tensor<S>& at) {
      const Tensor<S> value = map(reshape(at, one.shape())).value;
      return reshape(value, Shape{value.size()});
    };
    const Tensor<S> jacobian = pushforward::jacobian(flat, reshape(one, Shape{n}));
    if (jacobian.size() != n * n)
      fail<CheckFailed>("check_bijector: ", direction, " maps an event of ", n, " numbers to ",
                        n ? jacobian.size() / n : 0, "; a bijection keeps their number");
    expect_close("check_bijector: a row alone against the same row in its batch", Tensor<S>(map(one).value),
                 row_of(Tensor<S>(whole.value), batch_rank, row), tolerance);
    const double expected = log_abs_determinant(std::vector<double>(jacobian.begin(), jacobian.end()), n);
    const auto found = static_cast<double>(whole.log_det.data()[row]);
    const double allowed = tolerance * (static_cast<double>(n) + std::abs(expected));
    if (!(std::abs(found - expected) <= allowed))
      fail<CheckFailed>("check_bijector: log_det of ", direction, " in row ", row, " is ", found,
                        ", but the Jacobian has log|det| = ", expected, "; they differ by ", std::abs(found - expected),
                        ", allowed ", allowed);
  }
}

}  // namespace detail

/// Checks a bijector on a batch x [.., event]: inverse(forward(x)) = x and forward(inverse(y)) = y; each log_det, one
/// per row, is log|det| of the full Jacobian in its direction; the two log_dets are opposite; rows do not influence
/// each other.
///
/// b.forward(x) and b.inverse(y) return {value, log_det}. Throws CheckFailed. Costs one reverse sweep per event element
/// and row, so a few rows are enough.
template <class B, class S>
void check_bijector(const B& b, const Tensor<S>& given, BijectorCheckOptions options = {}) {
  if (options.tolerance == 0) options.tolerance = std::sqrt(static_cast<double>(std::numeric_limits<S>::epsilon()));
  const Tensor<S> x = stop_gradient(given);
  const int batch_rank = x.rank() - options.event_rank;
  if (batch_rank < 0)
    fail<ShapeError>("check_bijector: x of shape ", x.shape(), " has fewer than ", options.event_rank, " event axes");
  Shape batch = x.shape();
  while (batch.rank() > batch_rank) batch = batch.without(-1);

  const auto forward = b.forward(x);
  const Tensor<S> y = stop_gradient(Tensor<S>(forward.value));
  const auto inverse = b.inverse(y);
  for (const Shape& shape : {forward.log_det.shape(), inverse.log_det.shape()})
    if (!(shape == batch))
      fail<CheckFailed>("check_bijector: log_det has shape ", shape, ", expected one number per row, ", batch,
                        ", for x of shape ", x.shape());
  detail::expect_close("check_bijector: inverse(forward(x)) against x", Tensor<S>(inverse.value), x, options.tolerance);
  detail::expect_close("check_bijector: forward(inverse(y)) against y",
                       Tensor<S>(b.forward(Tensor<S>(inverse.value)).value), y, options.tolerance);
  const auto n = static_cast<double>(std::max<Index>(1, x.size() / std::max<Index>(1, batch.size())));
  detail::expect_close("check_bijector: log_det of inverse against minus that of forward", Tensor<S>(inverse.log_det),
                       Tensor<S>(-forward.log_det), n * options.tolerance);
  detail::check_log_det(
      "forward", [&](const Tensor<S>& at) { return b.forward(at); }, x, batch_rank, options.tolerance);
  if (options.inverse_jacobian)
    detail::check_log_det(
        "inverse", [&](const Tensor<S>& at) { return b.inverse(at); }, y, batch_rank, options.tolerance);
}

}  // namespace pushforward::testing
