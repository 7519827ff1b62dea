// Codebooks: the nearest code of each vector, and k-means.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/ops/gemm.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

// The first of the largest of n numbers; 0 where none compares.
template <class S>
PUSHFORWARD_INLINE Index first_largest(const S* x, Index n) {
  using Place = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;  // as wide as S: one mask for both
  constexpr Index lanes = 64 / static_cast<Index>(sizeof(S));
  S best[lanes];
  Place at[lanes];
  for (Index l = 0; l < lanes; ++l) best[l] = -std::numeric_limits<S>::infinity(), at[l] = 0;
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    PUSHFORWARD_SIMD
    for (Index l = 0; l < lanes; ++l) {
      const bool more = x[i + l] > best[l];
      best[l] = more ? x[i + l] : best[l];
      at[l] = more ? static_cast<Place>(i + l) : at[l];
    }
  }
  S most = best[0];
  Place first = at[0];
  for (Index l = 1; l < lanes; ++l)
    if (best[l] > most || (best[l] == most && at[l] < first)) most = best[l], first = at[l];
  for (; i < n; ++i)
    if (x[i] > most) most = x[i], first = static_cast<Place>(i);
  return static_cast<Index>(first);
}

template <class S>
void check_rows(const char* name, const Tensor<S>& rows, const Tensor<S>& codebook) {
  if (codebook.rank() != 2 || codebook.empty())
    fail<ShapeError>(name, ": codebook of shape ", codebook.shape(), ", expected [codes, features], at least one code");
  if (rows.rank() != 2 || rows.size(1) != codebook.size(1))
    fail<ShapeError>(name, ": vectors of shape ", rows.shape(), ", expected [n, ", codebook.size(1),
                     "] for a codebook of shape ", codebook.shape());
}

}  // namespace detail

/// For each vector the nearest code by the Euclidean distance, the first one of several: rows [n, d], codebook [codes,
/// d] -> [n].
///
///     argmin_k |x - e_k|^2 = argmax_k x e_k - |e_k|^2 / 2
///
/// One matrix product; the scores of a block of rows are compared while they are in cache. Throws ShapeError.
template <class S>
Tensor<Index> nearest_codes(const Tensor<S>& rows, const Tensor<S>& codebook) {
  detail::check_rows("nearest_codes", rows, codebook);
  const Index n = rows.size(0), codes = codebook.size(0), d = codebook.size(1);
  const Tensor<S> half = Tensor<S>::generate(Shape{codes}, [&](Index k) {
    S squares = 0;
    for (Index j = 0; j < d; ++j) squares += codebook.data()[k * d + j] * codebook.data()[k * d + j];
    return squares * S(-0.5);
  });
  const Index block = std::clamp<Index>((Index{1} << 22) / codes, 1, std::max<Index>(n, 1));
  const Tensor<S> scores = detail::Access::allocate<S>(Shape{block, codes});
  return Tensor<Index>::build(Shape{n}, [&](Index* out) {
    for (Index first = 0; first < n; first += block) {
      S* score = detail::Access::data(scores);
      Index* to = out + first;
      detail::gemm_rows(std::min(block, n - first), codes, d, rows.data() + first * d, d, codebook.data(), d, score,
                        codes, detail::GemmOptions{.transpose_b = true}, half.data(), detail::Epilogue::none,
                        [=](Index r0, Index r1) {
                          detail::vectorized_unless_double<S>([=] {
                            for (Index r = r0; r < r1; ++r) to[r] = detail::first_largest(score + r * codes, codes);
                          });
                        });
    }
  });
}

/// What k_means finds.
template <class S = float>
struct Clusters {
  Tensor<S> centers;      ///< [k, d]
  Tensor<Index> members;  ///< [n]: the cluster of each point
  Tensor<Index> counts;   ///< [k]: how many points each cluster has
};

namespace detail {

// k rows that lie apart: each drawn with a chance proportional to its squared distance to those before. Where there are
// fewer than k different ones, the rest are drawn around them.
template <class S>
Tensor<S> spread_rows(const Tensor<S>& rows, Index k, Rng& rng) {
  const Index n = rows.size(0), d = rows.size(1);
  std::vector<double> nearest(static_cast<std::size_t>(n), std::numeric_limits<double>::infinity());
  Tensor<S> centers = Access::allocate<S>(Shape{k, d});
  for (Index c = 0; c < k; ++c) {
    double total = 0;
    for (const double apart : nearest) total += apart;
    Index chosen = c == 0 || !(total > 0) ? rng.uniform_index(n) : n - 1;
    if (c > 0 && total > 0) {
      double mark = rng.uniform() * total;
      for (Index i = 0; i < n; ++i)
        if ((mark -= nearest[static_cast<std::size_t>(i)]) < 0) {
          chosen = i;
          break;
        }
    }
    S* center = Access::data(centers) + c * d;
    std::copy_n(rows.data() + chosen * d, d, center);
    if (c > 0 && !(total > 0))
      for (Index j = 0; j < d; ++j) center[j] += static_cast<S>(0.01 * rng.normal()) * (S(1) + std::abs(center[j]));
    for (Index i = 0; i < n; ++i) {
      S apart = 0;
      for (Index j = 0; j < d; ++j)
        apart += (rows.data()[i * d + j] - center[j]) * (rows.data()[i * d + j] - center[j]);
      double& least = nearest[static_cast<std::size_t>(i)];
      least = std::min(least, static_cast<double>(apart));
    }
  }
  return centers;
}

// The sums of the rows [n, d] of each of `levels` codes [n], and how many each has, added in their order.
template <class S>
struct CodeSums {
  Tensor<S> sums;    // [levels, d]
  Tensor<S> counts;  // [levels]

  CodeSums(const Tensor<S>& rows, const Tensor<Index>& codes, Index levels)
      : sums(Tensor<S>::zeros(Shape{levels, rows.size(1)})), counts(Tensor<S>::zeros(Shape{levels})) {
    const Index d = rows.size(1);
    S *sum = Access::data(sums), *count = Access::data(counts);
    for (Index i = 0; i < codes.size(); ++i) {
      S* to = sum + codes.data()[i] * d;
      const S* from = rows.data() + i * d;
      for (Index j = 0; j < d; ++j) to[j] += from[j];
      count[codes.data()[i]] += S(1);
    }
  }
};

}  // namespace detail

/// `k` clusters of points [n, d] by Lloyd's algorithm from the k-means++ start (Arthur and Vassilvitskii 2007).
///
/// A cluster that loses its points keeps its center. Throws ShapeError, ValueError for k < 1 or no points.
template <class S>
Clusters<S> k_means(const Tensor<S>& points, Index k, Index iterations, Rng& rng) {
  if (points.rank() != 2 || points.empty())
    fail<ShapeError>("k_means: points of shape ", points.shape(), ", expected [n, d], at least one");
  if (k < 1 || iterations < 0)
    fail<ValueError>("k_means: got ", k, " clusters and ", iterations, " iterations, expected at least 1 and 0");
  const Index d = points.size(1);
  Tensor<S> centers = detail::spread_rows(points, k, rng);
  Tensor<Index> members = nearest_codes(points, centers);
  for (Index i = 0; i < iterations; ++i) {
    const detail::CodeSums<S> found(points, members, k);
    centers = Tensor<S>::generate(Shape{k, d}, [&](Index at) {
      const S count = found.counts.data()[at / d];
      return count > S(0) ? found.sums.data()[at] / count : centers.data()[at];
    });
    members = nearest_codes(points, centers);
  }
  const detail::CodeSums<S> last(points, members, k);
  return {centers, members,
          Tensor<Index>::generate(Shape{k}, [&](Index c) { return static_cast<Index>(last.counts.data()[c]); })};
}

}  // namespace pushforward
