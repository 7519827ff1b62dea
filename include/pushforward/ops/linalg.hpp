// Factorizations, determinants and linear systems of (stacks of) small matrices.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include <pushforward/ops/matmul.hpp>

namespace pushforward {

/// Which triangle of a matrix is read, and how.
struct TriangularOptions {
  bool upper = false;          ///< the upper triangle instead of the lower; the other one is not read
  bool transpose = false;      ///< solve with the transposed triangle
  bool unit_diagonal = false;  ///< the diagonal counts as 1 and is not read
};

template <class S>
Tensor<S> solve_triangular(const Tensor<S>& a, const Tensor<S>& b, TriangularOptions t = {});

namespace detail {

// The length of the square matrices in `a`.
template <class S>
Index square_length(const char* name, const Tensor<S>& a) {
  if (a.rank() < 2 || a.size(-1) != a.size(-2))
    fail<ShapeError>(name, ": got shape ", a.shape(), ", expected square matrices [.., n, n]");
  return a.size(-1);
}

inline constexpr Index no_pivot = -1;

// Runs kernel(i) for `count` matrices, about `work` multiplications each; it returns a pivot that is unfit, or
// no_pivot. The first unfit matrix, and its pivot, are given to `complain`.
template <class Kernel, class Complain>
void for_each_matrix(Index count, Index work, const Kernel& kernel, const Complain& complain) {
  std::vector<Index> unfit(static_cast<std::size_t>(count), no_pivot);
  parallel_for(count, std::max(Index{1}, elementwise_grain / std::max(Index{1}, work)), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) unfit[static_cast<std::size_t>(i)] = kernel(i);
  });
  for (Index i = 0; i < count; ++i)
    if (unfit[static_cast<std::size_t>(i)] != no_pivot) complain(i, unfit[static_cast<std::size_t>(i)]);
}

// L with L L^T = (A + A^T) / 2, row by row; returns the first pivot that is not positive.
template <class S>
Index cholesky_kernel(const S* a, S* l, Index n) {
  for (Index i = 0; i < n; ++i) {
    S* row = l + i * n;
    for (Index j = 0; j <= i; ++j) {
      S value = S(0.5) * (a[i * n + j] + a[j * n + i]);
      for (Index k = 0; k < j; ++k) value -= row[k] * l[j * n + k];
      if (j < i) {
        row[j] = value / l[j * n + j];
      } else {
        if (!(value > S(0)) || value > std::numeric_limits<S>::max()) return i;
        row[i] = std::sqrt(value);
      }
    }
    std::fill(row + i + 1, row + n, S(0));
  }
  return no_pivot;
}

// Solves in place for the k columns of x; returns the first zero on the diagonal.
template <class S>
Index triangular_kernel(const S* a, S* x, Index n, Index k, TriangularOptions t) {
  const bool forward = t.upper == t.transpose;
  for (Index step = 0; step < n; ++step) {
    const Index i = forward ? step : n - 1 - step;
    S* row = x + i * k;
    for (Index before = 0; before < step; ++before) {
      const Index j = forward ? before : n - 1 - before;
      const S factor = t.transpose ? a[j * n + i] : a[i * n + j];
      const S* other = x + j * k;
      for (Index c = 0; c < k; ++c) row[c] -= factor * other[c];
    }
    if (t.unit_diagonal) continue;
    const S pivot = a[i * n + i];
    if (pivot == S(0)) return i;
    for (Index c = 0; c < k; ++c) row[c] /= pivot;
  }
  return no_pivot;
}

// Gaussian elimination of m [n, n] with row pivoting, done to the k columns of x too; m becomes upper triangular.
// Returns the first column without a pivot.
template <class S>
Index eliminate(S* m, S* x, Index n, Index k) {
  for (Index column = 0; column < n; ++column) {
    Index pivot = column;
    for (Index i = column + 1; i < n; ++i)
      if (std::abs(m[i * n + column]) > std::abs(m[pivot * n + column])) pivot = i;
    if (m[pivot * n + column] == S(0)) return column;
    if (pivot != column) {
      std::swap_ranges(m + pivot * n, m + (pivot + 1) * n, m + column * n);
      std::swap_ranges(x + pivot * k, x + (pivot + 1) * k, x + column * k);
    }
    for (Index i = column + 1; i < n; ++i) {
      const S factor = m[i * n + column] / m[column * n + column];
      if (factor == S(0)) continue;
      for (Index j = column + 1; j < n; ++j) m[i * n + j] -= factor * m[column * n + j];
      for (Index c = 0; c < k; ++c) x[i * k + c] -= factor * x[column * k + c];
    }
  }
  return no_pivot;
}

// A^-1 b for stacks of equal count; b [.., n, k].
template <class S>
Tensor<S> solve_values(const char* name, const Tensor<S>& a, const Tensor<S>& b) {
  const Index n = a.size(-1), k = b.size(-1), count = n * k > 0 ? b.size() / (n * k) : 0;
  Tensor<S> x = Tensor<S>(b.shape(), std::span<const S>(b.data(), static_cast<std::size_t>(b.size())));
  S* out = Access::data(x);
  auto kernel = [=, from = a.data()](Index i) {
    std::vector<S> m(from + i * n * n, from + (i + 1) * n * n);
    const Index unfit = eliminate(m.data(), out + i * n * k, n, k);
    if (unfit != no_pivot) return unfit;
    return triangular_kernel(m.data(), out + i * n * k, n, k, {.upper = true});
  };
  for_each_matrix(count, n * n * (n + k), kernel, [&](Index i, Index column) {
    fail<ValueError>(name, ": matrix ", i, " of shape ", a.shape(), " is singular: no pivot in column ", column,
                     "; add a small multiple of the identity, or parametrize it so that it stays invertible");
  });
  return x;
}

template <class S>
Tensor<S> inverse_of(const char* name, const Tensor<S>& a) {
  const Index n = square_length(name, a);
  Tensor<S> y = solve_values(name, a, expand_values(Tensor<S>::eye(n), a.shape()));
  return record("inverse", std::move(y), edge(a, [](const Tensor<S>& g, const Tensor<S>& inv) {
                  return -matmul(matmul(inv, g, {.transpose_a = true}), inv, {.transpose_b = true});
                }));
}

// Ones below the diagonal and one half on it.
template <class S>
Tensor<S> halved_lower(Index n) {
  return Tensor<S>::generate(Shape{n, n}, [n](Index i) {
    return i % n < i / n ? S(1) : i % n == i / n ? S(0.5) : S(0);
  });
}

// b as a stack of matrices with as many leading axes as `a`, both expanded to what they broadcast to.
template <class S>
std::pair<Tensor<S>, Tensor<S>> aligned(const char* name, const Tensor<S>& a, const Tensor<S>& b) {
  const Index n = square_length(name, a);
  if (b.rank() < 2 || b.size(-2) != n)
    fail<ShapeError>(name, ": right side of shape ", b.shape(), " for matrices ", a.shape(), ", expected [.., ", n,
                     ", k] or [", n, "]");
  const Shape batch = broadcast(batch_axes(a.shape()), batch_axes(b.shape()), name);
  return {expand(a, with_matrix(batch, n, n)), expand(b, with_matrix(batch, n, b.size(-1)))};
}

}  // namespace detail

/// The lower triangular L with positive diagonal and L L^T = A: a [.., n, n] -> [.., n, n].
///
/// Only the symmetric part (a + a^T) / 2 counts, so gradients are symmetric: with P the lower triangle of L^T G, its
/// diagonal halved, dA = L^-T (P + P^T) L^-1 / 2 (Murray 2016, eq. 10). Throws ShapeError, and ValueError with the
/// matrix and the pivot where one is not positive definite.
template <class S>
Tensor<S> cholesky(const Tensor<S>& a) {
  const Index n = detail::square_length("cholesky", a), count = n ? a.size() / (n * n) : 0;
  Tensor<S> l = detail::Access::allocate<S>(a.shape());
  auto kernel = [=, from = a.data(), to = detail::Access::data(l)](Index i) {
    return detail::cholesky_kernel(from + i * n * n, to + i * n * n, n);
  };
  detail::for_each_matrix(count, n * n * n / 6, kernel, [&](Index i, Index pivot) {
    fail<ValueError>("cholesky: matrix ", i, " of shape ", a.shape(), " is not positive definite: pivot ", pivot,
                     " is not positive; add a small multiple of the identity");
  });
  return detail::record("cholesky", std::move(l), detail::edge(a, [n](const Tensor<S>& g, const Tensor<S>& root) {
                          const Tensor<S> p = matmul(root, tril(g), {.transpose_a = true}) * detail::halved_lower<S>(n);
                          const Tensor<S> half =
                              solve_triangular(root, Tensor<S>(p + transpose(p)), {.transpose = true});
                          return 0.5 * transpose(solve_triangular(root, transpose(half), {.transpose = true}));
                        }));
}

/// The solution x of A x = b for a triangular A: a [.., n, n], b [.., n, k] (or [n]) -> the shape of b. Leading axes
/// broadcast. Throws ShapeError, and ValueError with the matrix and the place of a zero on the diagonal.
template <class S>
Tensor<S> solve_triangular(const Tensor<S>& a, const Tensor<S>& b, TriangularOptions t) {
  if (b.rank() == 1) return squeeze(solve_triangular(a, unsqueeze(b, 1), t), -1);
  const auto [m, right] = detail::aligned("solve_triangular", a, b);
  const Index n = m.size(-1), k = right.size(-1), count = n * k > 0 ? right.size() / (n * k) : 0;
  Tensor<S> x = Tensor<S>(right.shape(), std::span<const S>(right.data(), static_cast<std::size_t>(right.size())));
  auto kernel = [=, from = m.data(), to = detail::Access::data(x)](Index i) {
    return detail::triangular_kernel(from + i * n * n, to + i * n * k, n, k, t);
  };
  detail::for_each_matrix(count, n * n * k / 2, kernel, [&](Index i, Index pivot) {
    fail<ValueError>("solve_triangular: matrix ", i, " is singular: element ", pivot, " of its diagonal is 0");
  });
  const TriangularOptions back{t.upper, !t.transpose, t.unit_diagonal};
  auto db = [=, m = m](const Tensor<S>& g) { return solve_triangular(m, g, back); };
  auto da = [=, m = m](const Tensor<S>& g, const Tensor<S>& y) {
    const Tensor<S> v = solve_triangular(m, g, back);
    const Tensor<S> full = t.transpose ? matmul(y, v, {.transpose_b = true}) : matmul(v, y, {.transpose_b = true});
    const Index beside = t.unit_diagonal ? 1 : 0;
    return -(t.upper ? triu(full, beside) : tril(full, -beside));
  };
  return detail::record("solve_triangular", std::move(x), detail::edge(m, da), detail::edge(right, db));
}

/// The solution x of A x = b: a [.., n, n], b [.., n, k] (or [n]) -> the shape of b, by elimination with row pivoting.
/// Leading axes broadcast. Throws ShapeError, and ValueError with the matrix that is singular.
template <class S>
Tensor<S> solve(const Tensor<S>& a, const Tensor<S>& b) {
  if (b.rank() == 1) return squeeze(solve(a, unsqueeze(b, 1)), -1);
  const auto [m, right] = detail::aligned("solve", a, b);
  auto db = [m = m](const Tensor<S>& g) { return solve(transpose(m), g); };
  auto da = [m = m](const Tensor<S>& g, const Tensor<S>& x) {
    return -matmul(solve(transpose(m), g), x, {.transpose_b = true});
  };
  return detail::record("solve", detail::solve_values("solve", m, right), detail::edge(m, da), detail::edge(right, db));
}

/// A^-1: a [.., n, n] -> [.., n, n]. Throws ShapeError, and ValueError with the matrix that is singular.
template <class S>
Tensor<S> inverse(const Tensor<S>& a) {
  return detail::inverse_of("inverse", a);
}

/// log |det A|: a [.., n, n] -> [..]; -inf for a singular matrix, whose gradient throws ValueError. Throws ShapeError.
template <class S>
Tensor<S> log_abs_det(const Tensor<S>& a) {
  const Index n = detail::square_length("log_abs_det", a);
  const Shape batch = detail::batch_axes(a.shape());
  Tensor<S> y = detail::Access::allocate<S>(batch);
  auto kernel = [=, from = a.data(), to = detail::Access::data(y)](Index i) {
    std::vector<S> m(from + i * n * n, from + (i + 1) * n * n);
    const bool singular = detail::eliminate(m.data(), m.data(), n, 0) != detail::no_pivot;
    S total = 0;
    for (Index k = 0; k < n && !singular; ++k) total += std::log(std::abs(m[static_cast<std::size_t>(k * n + k)]));
    to[i] = singular ? -std::numeric_limits<S>::infinity() : total;
    return detail::no_pivot;
  };
  detail::for_each_matrix(batch.size(), n * n * n / 3, kernel, [](Index, Index) {});
  return detail::record("log_abs_det", std::move(y), detail::edge(a, [a](const Tensor<S>& g) {
                          return unsqueeze(unsqueeze(g, -1), -1) *
                                 transpose(detail::inverse_of("gradient of log_abs_det", a));
                        }));
}

}  // namespace pushforward
