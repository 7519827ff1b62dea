// Codebooks: the nearest code of each vector, and k-means.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
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

// A point in the middle of the codes [d]; empty where they lie around the origin anyway. Along each axis it is a
// multiple of a power of two that is as large as their spread: subtracting it from a number close to them is exact, so
// that equal distances stay equal.
template <class S>
Tensor<S> codebook_center(const Tensor<S>& codebook) {
  const Index codes = codebook.size(0), d = codebook.size(1);
  const auto features = static_cast<std::size_t>(d);
  std::vector<double> middle(features, 0.0), spread(features, 0.0);
  const auto for_each_number = [&](const auto& body) {
    const S* x = codebook.data();
    for (Index k = 0; k < codes; ++k)
      for (std::size_t j = 0; j < features; ++j) body(j, static_cast<double>(*x++));
  };
  for_each_number([&](std::size_t j, double x) { middle[j] += x; });
  for (double& sum : middle) sum /= static_cast<double>(codes);
  for_each_number([&](std::size_t j, double x) { spread[j] = std::max(spread[j], std::abs(x - middle[j])); });
  bool moved = false;
  const Tensor<S> center = Tensor<S>::generate(Shape{d}, [&](Index at) {
    const auto j = static_cast<std::size_t>(at);
    const double step = std::exp2(std::ceil(std::log2(spread[j])));
    const double nearby = step > 0 ? std::round(middle[j] / step) * step : static_cast<double>(codebook.data()[at]);
    moved |= nearby != 0 && std::isfinite(nearby);
    return std::isfinite(nearby) ? static_cast<S>(nearby) : S(0);
  });
  return moved ? center : Tensor<S>();
}

// Rows [n, d] without a center, which may be empty.
template <class S>
Tensor<S> centered(const Tensor<S>& rows, const Tensor<S>& center) {
  if (center.empty()) return rows;
  return Tensor<S>::build(rows.shape(), [&](S* out) {
    const S *from = rows.data(), *middle = center.data();
    const Index d = center.size();
    parallel_for(rows.size(0), std::max<Index>(1, elementwise_grain / d), [=](Index begin, Index end) {
      vectorized_unless_double<S>([=] {
        for (Index i = begin; i < end; ++i)
          for (Index j = 0; j < d; ++j) out[i * d + j] = from[i * d + j] - middle[j];
      });
    });
  });
}

}  // namespace detail

/// For each vector the nearest code by the Euclidean distance, the first one of several: rows [n, d], codebook [codes,
/// d] -> [n].
///
///     argmin_k |x - e_k|^2 = argmax_k (x - c) (e_k - c) - |e_k - c|^2 / 2
///
/// with c in the middle of the codes, so that nothing is lost where all of it lies far from the origin. One matrix
/// product; the scores of a block of rows are compared while they are in cache. Throws ShapeError.
template <class S>
Tensor<Index> nearest_codes(const Tensor<S>& rows, const Tensor<S>& codebook) {
  detail::check_rows("nearest_codes", rows, codebook);
  const Index n = rows.size(0), codes = codebook.size(0), d = codebook.size(1);
  const Tensor<S> center = detail::codebook_center(codebook);
  const Tensor<S> x = detail::centered(rows, center), e = detail::centered(codebook, center);
  const Tensor<S> half = Tensor<S>::generate(Shape{codes}, [&](Index k) {
    S squares = 0;
    for (Index j = 0; j < d; ++j) squares += e.data()[k * d + j] * e.data()[k * d + j];
    return squares * S(-0.5);
  });
  const Index block = std::clamp<Index>((Index{1} << 22) / codes, 1, std::max<Index>(n, 1));
  const Tensor<S> scores = detail::Access::allocate<S>(Shape{block, codes});
  return Tensor<Index>::build(Shape{n}, [&](Index* out) {
    for (Index first = 0; first < n; first += block) {
      S* score = detail::Access::data(scores);
      Index* to = out + first;
      detail::gemm_rows(std::min(block, n - first), codes, d, x.data() + first * d, d, e.data(), d, score, codes,
                        detail::GemmOptions{.transpose_b = true}, half.data(), detail::Epilogue::none,
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

// The squared distance of every row [n, d] to the nearest of the points given so far. Rows stand in groups, feature by
// feature, so that many of them are computed at a time.
template <class S>
class NearestSquares {
 public:
  explicit NearestSquares(const Tensor<S>& rows)
      : d_(rows.size(1)),
        groups_((rows.size(0) + lanes - 1) / lanes),
        rows_(static_cast<std::size_t>(groups_ * d_ * lanes), S(0)),
        nearest_(static_cast<std::size_t>(groups_ * lanes), S(0)),  // stays 0 for rows that only fill the last group
        sums_(static_cast<std::size_t>(groups_), 0.0) {
    const Index n = rows.size(0);
    std::fill_n(nearest_.begin(), n, std::numeric_limits<S>::infinity());
    const S* const from = rows.data();
    S* const to = rows_.data();
    parallel_for(groups_, grain(), [=, d = d_](Index begin, Index end) {
      for (Index i = begin * lanes; i < std::min(n, end * lanes); ++i)
        for (Index j = 0; j < d; ++j) to[(i / lanes * d + j) * lanes + i % lanes] = from[i * d + j];
    });
  }

  void add(const S* point) {
    const S* const rows = rows_.data();
    S* const nearest = nearest_.data();
    double* const sums = sums_.data();
    parallel_for(groups_, grain(), [=, d = d_](Index begin, Index end) {
      vectorized_unless_double<S>([=] {
        for (Index g = begin; g < end; ++g) sums[g] = come_closer(rows + g * d * lanes, d, point, nearest + g * lanes);
      });
    });
  }
  double total() const { return std::accumulate(sums_.begin(), sums_.end(), 0.0); }
  // The row at which the running sum of the squares passes `mark`; the last one that has any where none does.
  Index row_at(double mark) const {
    std::size_t group = 0;
    for (std::size_t g = 0; g < sums_.size(); ++g) {
      if (!(sums_[g] > 0)) continue;
      group = g;
      if (mark < sums_[g]) break;
      mark -= sums_[g];
    }
    const Index first = static_cast<Index>(group) * lanes;
    Index row = first;
    for (Index l = 0; l < lanes; ++l) {
      const auto square = static_cast<double>(nearest_[static_cast<std::size_t>(first + l)]);
      if (!(square > 0)) continue;
      row = first + l;
      if ((mark -= square) < 0) break;
    }
    return row;
  }

 private:
  static constexpr Index lanes = 256 / static_cast<Index>(sizeof(S));

  Index grain() const { return std::max<Index>(1, elementwise_grain / (d_ * lanes)); }

  // One group: the squares become those to the point where that is nearer. Returns their sum.
  PUSHFORWARD_INLINE static double come_closer(const S* rows, Index d, const S* point, S* nearest) {
    S apart[lanes] = {};
    for (Index j = 0; j < d; ++j, rows += lanes) {
      const S at = point[j];
      PUSHFORWARD_SIMD
      for (Index l = 0; l < lanes; ++l) apart[l] += (rows[l] - at) * (rows[l] - at);
    }
    double part[8] = {};
    for (Index l = 0; l < lanes; l += 8)
      for (Index u = 0; u < 8; ++u) {
        nearest[l + u] = std::min(nearest[l + u], apart[l + u]);
        part[u] += static_cast<double>(nearest[l + u]);
      }
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }

  Index d_, groups_;
  std::vector<S> rows_;     // [groups, d, lanes]
  std::vector<S> nearest_;  // [groups, lanes]
  std::vector<double> sums_;
};

// k rows that lie apart: each drawn with a chance proportional to its squared distance to those before. Where there are
// fewer than k different ones, the rest are drawn around them.
template <class S>
Tensor<S> spread_rows(const Tensor<S>& rows, Index k, Rng& rng) {
  const Index n = rows.size(0), d = rows.size(1);
  NearestSquares<S> squares(rows);
  Tensor<S> centers = Access::allocate<S>(Shape{k, d});
  for (Index c = 0; c < k; ++c) {
    const double total = c > 0 ? squares.total() : 0;
    const bool apart = total > 0;
    const Index chosen = apart ? squares.row_at(rng.uniform() * total) : rng.uniform_index(n);
    S* center = Access::data(centers) + c * d;
    std::copy_n(rows.data() + chosen * d, d, center);
    if (c > 0 && !apart)
      for (Index j = 0; j < d; ++j) center[j] += static_cast<S>(0.01 * rng.normal()) * (S(1) + std::abs(center[j]));
    squares.add(center);
  }
  return centers;
}

// The sums of the rows [n, d] of each of `levels` codes [n], and how many each has: in double, as a sum of many floats
// stops growing. The rows of a code are added in their order, whatever thread does it.
template <class S>
struct CodeSums {
  Tensor<double> sums;   // [levels, d]
  Tensor<Index> counts;  // [levels]

  CodeSums(const Tensor<S>& rows, const Tensor<Index>& codes, Index levels) : counts(Tensor<Index>::zeros({levels})) {
    const Index n = codes.size(), d = rows.size(1);
    Index* const count = Access::data(counts);
    for (const Index code : codes) ++count[code];
    std::vector<Index> next(static_cast<std::size_t>(levels), 0), order(static_cast<std::size_t>(n));
    for (std::size_t k = 1; k < next.size(); ++k) next[k] = next[k - 1] + count[k - 1];
    for (Index i = 0; i < n; ++i)
      order[static_cast<std::size_t>(next[static_cast<std::size_t>(codes.data()[i])]++)] = i;
    sums = Tensor<double>::build(Shape{levels, d}, [&](double* out) {
      const Index *ends = next.data(), *rows_of = order.data();
      const S* x = rows.data();
      parallel_for(levels, std::max<Index>(1, 16384 * levels / (n * d + 1)), [=](Index begin, Index end) {
        vectorized([=] {
          for (Index k = begin; k < end; ++k) {
            double* const to = out + k * d;
            for (Index j = 0; j < d; ++j) to[j] = 0;
            for (Index at = ends[k] - count[k]; at < ends[k]; ++at)
              for (Index j = 0; j < d; ++j) to[j] += static_cast<double>(x[rows_of[at] * d + j]);
          }
        });
      });
    });
  }
};

}  // namespace detail

/// `k` clusters of points [n, d] by Lloyd's algorithm from the k-means++ start (Arthur and Vassilvitskii 2007).
///
/// A cluster that loses its points keeps its center. Throws ShapeError for no points, ValueError for k < 1 and numbers
/// that are not finite.
template <class S>
Clusters<S> k_means(const Tensor<S>& points, Index k, Index iterations, Rng& rng) {
  if (points.rank() != 2 || points.empty())
    fail<ShapeError>("k_means: points of shape ", points.shape(), ", expected [n, d], at least one");
  if (k < 1 || iterations < 0)
    fail<ValueError>("k_means: got ", k, " clusters and ", iterations, " iterations, expected at least 1 and 0");
  for (const S value : points)
    if (!std::isfinite(value)) fail<ValueError>("k_means: the points hold ", value, ", expected finite numbers");
  const Index d = points.size(1);
  Tensor<S> centers = detail::spread_rows(points, k, rng);
  Tensor<Index> members = nearest_codes(points, centers);
  for (Index i = 0; i < iterations; ++i) {
    const detail::CodeSums<S> found(points, members, k);
    centers = Tensor<S>::generate(Shape{k, d}, [&](Index at) {
      const Index count = found.counts.data()[at / d];
      return count > 0 ? static_cast<S>(found.sums.data()[at] / static_cast<double>(count)) : centers.data()[at];
    });
    members = nearest_codes(points, centers);
  }
  return {centers, members, detail::CodeSums<S>(points, members, k).counts};
}

}  // namespace pushforward
