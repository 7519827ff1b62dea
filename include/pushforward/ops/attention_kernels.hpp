// The loops of attention: softmax(scale q k^T) v for one head after the other, in blocks of queries.
//
// Every number of a row is summed in an order that its own row fixes: scores over the features, their exponentials in
// lanes over the keys, the result over the keys one by one. A row therefore gets the same bits alone, in a block, and
// with keys after it that it does not see.
#pragma once

#include <cmath>

#include <pushforward/core/kernel.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/ops/gemm.hpp>

namespace pushforward::detail {

// Where the rows of the heads lie: numbers from one sequence, head or row to the next.
template <class S>
struct HeadRows {
  S* data;
  Index sequence, head, row;

  S* at(Index sequence_index, Index head_index) const { return data + sequence_index * sequence + head_index * head; }
};

struct AttentionSizes {
  Index sequences, heads, queries, keys, features, value_features;
  double scale;
  bool causal;  // query i sees the keys up to keys - queries + i

  double flops_of_head() const {
    return 2.0 * static_cast<double>(queries) * static_cast<double>(keys) *
           static_cast<double>(features + value_features);
  }
  // Calls body(sequence, head) for all of them, side by side where that pays.
  template <class Body>
  void for_heads(double work, const Body& body) const {
    const auto grain = static_cast<Index>(1e6 / (1.0 + work * flops_of_head()));
    parallel_for(sequences * heads, std::max(Index{1}, grain), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) body(i / heads, i % heads);
    });
  }
};

inline constexpr Index score_lanes = 32;
inline Index whole_lanes(Index n) { return divide_up(n, score_lanes) * score_lanes; }
// Rows of scores lie a cache line off powers of two, which would all fall into the same few places of a cache.
inline Index score_stride(Index keys) { return whole_lanes(keys) + 16; }

// Queries that are computed together: a few strips of the matrix product.
template <class S>
Index attention_rows() {
  const Index strip = gemm_kernels<S>().rows;
  return strip >= 12 ? 2 * strip : 4 * strip;
}

// A product by our own kernels in tiles, whose sums run in order whatever its shape.
template <class S>
void multiply_in_order(Index m, Index n, Index k, const S* a, Index lda, const S* b, Index ldb, S* c, Index ldc,
                       GemmOptions options = {}, const S* bias = nullptr, Index threads = 1) {
  const GemmProblem<S> problem{m, n, k, a, lda, b, ldb, c, ldc, options, bias, false, {}};
  GemmTiling<S>(problem).run(std::min(threads, gemm_threads(problem.flops())));
}

// to[p, i] = from[i, p] for `count` rows of `features` numbers; zeros from there to the next whole lanes.
template <class S>
void transpose_rows(Index count, Index features, const S* from, Index row, S* to, Index stride) {
  const GemmKernels<S>& kernels = gemm_kernels<S>();
  for (Index i = 0; i < count; i += kernels.lanes)
    kernels.transpose(count - i, features, from + i * row, row, to + i, stride);
  for (Index p = 0; p < features; ++p) std::fill(to + p * stride + count, to + p * stride + whole_lanes(count), S(0));
}

// The scores of some consecutive queries.
template <class S>
struct ScoreRows {
  Index rows, first_seen, growth;  // row i sees first_seen + growth * i keys
  S* values;
  Index stride;

  Index seen(Index row) const { return first_seen + growth * row; }
  Index most_seen() const { return seen(rows - 1); }
};

// Scores become e^(scale (s - the largest)), zero where a key is not seen; `sums` takes their sums, `logarithms` (or
// null) what turns scores into probabilities: p = e^(scale s - logarithm).
template <class S>
void exponentiate_rows(const ScoreRows<S>& block, S scale, S* sums, S* logarithms) {
  vectorized([=, end = whole_lanes(block.most_seen())] {
    for (Index row = 0; row < block.rows; ++row) {
      S* __restrict x = block.values + row * block.stride;
      const Index seen = block.seen(row), whole = (seen + score_lanes - 1) / score_lanes * score_lanes;
      constexpr S none = -std::numeric_limits<S>::infinity();
      S part[score_lanes];
      for (Index lane = 0; lane < score_lanes; ++lane) part[lane] = none;
      for (Index j = 0; j < whole; j += score_lanes) {
        const int left = static_cast<int>(seen - j < score_lanes ? seen - j : score_lanes);
        for (int lane = 0; lane < static_cast<int>(score_lanes); ++lane) {
          const S score = math::select(lane < left, x[j + lane] * scale, none);
          x[j + lane] = score;
          part[lane] = math::select(part[lane] > score, part[lane], score);
        }
      }
      for (Index width = score_lanes / 2; width > 0; width /= 2)
        for (Index lane = 0; lane < width; ++lane)
          part[lane] = math::select(part[lane] > part[lane + width], part[lane], part[lane + width]);
      const S largest = part[0];
      for (Index lane = 0; lane < score_lanes; ++lane) part[lane] = S(0);
      for (Index j = 0; j < whole; j += score_lanes)
        for (Index lane = 0; lane < score_lanes; ++lane) {
          x[j + lane] = math::exp(x[j + lane] - largest);
          part[lane] += x[j + lane];
        }
      for (Index width = score_lanes / 2; width > 0; width /= 2)
        for (Index lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
      for (Index j = whole; j < end; ++j) x[j] = S(0);
      sums[row] = part[0];
      if (logarithms) logarithms[row] = largest + math::log(part[0]);
    }
  });
}

// c [n] = a [k] b [k, n] for one row: what the tiles of a product come to, without their search for the best cut.
// False, and nothing done, unless n is a multiple of two vectors.
template <class S>
bool multiply_row(Index n, Index k, const S* a, const S* b, Index ldb, S* c) {
  const GemmKernels<S>& kernels = gemm_kernels<S>();
  const Index two = 2 * kernels.lanes;
  if (n % two != 0) return false;
  alignas(64) static constexpr S zeros[64] = {};
  for (Index j = 0; j < n;) {
    const bool four = n - j >= 2 * two;
    kernels.tile[four ? 2 : 1][0]({k, a, k, 1, b + j, ldb, c + j, n, zeros, 0, false});
    j += four ? 2 * two : two;
  }
  return true;
}

// out = softmax(scale q k^T) v for the queries of a block; `transposed` holds k as [features, keys], to whole lanes.
template <class S>
void attend_rows(const AttentionSizes& sizes, const ScoreRows<S>& block, const S* q, Index q_row, const S* transposed,
                 Index stride, const S* v, Index v_row, S* out, Index out_row, S* sums, S* logarithms) {
  const Index seen = block.most_seen(), n = sizes.value_features;
  if (block.rows > 1 || !multiply_row(whole_lanes(seen), sizes.features, q, transposed, stride, block.values))
    multiply_in_order(block.rows, whole_lanes(seen), sizes.features, q, q_row, transposed, stride, block.values,
                      block.stride);
  exponentiate_rows(block, static_cast<S>(sizes.scale), sums, logarithms);
  if (block.rows > 1 || !multiply_row(n, seen, block.values, v, v_row, out))
    multiply_in_order(block.rows, n, seen, block.values, block.stride, v, v_row, out, out_row);
  vectorized([=, rows = block.rows] {
    for (Index row = 0; row < rows; ++row) {
      S* __restrict y = out + row * out_row;
      const S scale = S(1) / sums[row];
      for (Index i = 0; i < n; ++i) y[i] *= scale;
    }
  });
}

// The queries [first, first + rows) as a block of scores.
template <class S>
ScoreRows<S> score_rows(const AttentionSizes& sizes, Index first, Index rows, S* values, Index stride) {
  if (!sizes.causal) return {rows, sizes.keys, 0, values, stride};
  return {rows, sizes.keys - sizes.queries + first + 1, 1, values, stride};
}

// out = softmax(scale q k^T) v; `logarithms` [sequences, heads, queries] or null. There is at least one key.
template <class S>
void attention_values(const AttentionSizes& sizes, const HeadRows<const S>& q, const HeadRows<const S>& k,
                      const HeadRows<const S>& v, const HeadRows<S>& out, S* logarithms) {
  const Index stride = score_stride(sizes.keys), most_rows = attention_rows<S>();
  sizes.for_heads(1, [&](Index sequence, Index head) {
    S* const transposed = GemmScratch::get<S>(1, (sizes.features + most_rows) * stride + most_rows);
    S *const scores = transposed + sizes.features * stride, *const sums = scores + most_rows * stride;
    transpose_rows(sizes.keys, sizes.features, k.at(sequence, head), k.row, transposed, stride);
    for (Index first = 0; first < sizes.queries; first += most_rows) {
      const Index rows = std::min(most_rows, sizes.queries - first);
      attend_rows(sizes, score_rows(sizes, first, rows, scores, stride), q.at(sequence, head) + first * q.row, q.row,
                  transposed, stride, v.at(sequence, head), v.row, out.at(sequence, head) + first * out.row, out.row,
                  sums, logarithms ? logarithms + (sequence * sizes.heads + head) * sizes.queries + first : nullptr);
    }
  });
}

// Scores become probabilities p, and dp = g v^T becomes the cotangent of the scores, scale p (dp - sum of g out).
template <class S>
void score_cotangents(const ScoreRows<S>& block, S scale, const S* logarithms, S* slopes, Index n, const S* g,
                      Index g_row, const S* out, Index out_row) {
  vectorized([=, end = whole_lanes(block.most_seen())] {
    for (Index row = 0; row < block.rows; ++row) {
      S* __restrict x = block.values + row * block.stride;
      S* __restrict slope = slopes + row * block.stride;
      const S *const from = g + row * g_row, *const y = out + row * out_row;
      S part[score_lanes] = {};
      for (Index i = 0; i < n / score_lanes * score_lanes; i += score_lanes)
        for (Index lane = 0; lane < score_lanes; ++lane) part[lane] += from[i + lane] * y[i + lane];
      for (Index i = n / score_lanes * score_lanes, lane = 0; i < n; ++i, ++lane) part[lane] += from[i] * y[i];
      for (Index width = score_lanes / 2; width > 0; width /= 2)
        for (Index lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
      const S along = part[0];
      const Index seen = block.seen(row);
      const S logarithm = logarithms[row];
      PUSHFORWARD_SIMD
      for (Index j = 0; j < seen; ++j) {
        x[j] = math::exp(scale * x[j] - logarithm);
        slope[j] = scale * x[j] * (slope[j] - along);
      }
      for (Index j = seen; j < end; ++j) x[j] = slope[j] = S(0);
    }
  });
}

// The cotangents of q, k and v for one of the result, from the result and its logarithms.
template <class S>
struct AttentionAdjoint {
  AttentionSizes sizes;
  HeadRows<const S> q, k, v, out, g;
  const S* logarithms;
  HeadRows<S> dq, dk, dv;

  void run() const {
    sizes.for_heads(2.5, [&](Index sequence, Index head) { run_head(sequence, head); });
  }

 private:
  void run_head(Index sequence, Index head) const {
    const Index stride = score_stride(sizes.keys), most_rows = attention_rows<S>();
    const Index d = sizes.features, n = sizes.value_features;
    S* const k_columns = GemmScratch::get<S>(1, (d + n + 2 * most_rows) * stride);
    S *const v_columns = k_columns + d * stride, *const scores = v_columns + n * stride;
    S* const slopes = scores + most_rows * stride;
    transpose_rows(sizes.keys, d, k.at(sequence, head), k.row, k_columns, stride);
    transpose_rows(sizes.keys, n, v.at(sequence, head), v.row, v_columns, stride);
    // The last block first: it sees all keys, so that it can write where the others add.
    for (Index first = (sizes.queries - 1) / most_rows * most_rows; first >= 0; first -= most_rows) {
      const Index rows = std::min(most_rows, sizes.queries - first);
      const ScoreRows<S> block = score_rows(sizes, first, rows, scores, stride);
      const Index seen = block.most_seen();
      const S *const from = g.at(sequence, head) + first * g.row, *const q_rows = q.at(sequence, head) + first * q.row;
      multiply_in_order(rows, whole_lanes(seen), d, q_rows, q.row, k_columns, stride, scores, stride);
      multiply_in_order(rows, whole_lanes(seen), n, from, g.row, v_columns, stride, slopes, stride);
      score_cotangents(block, static_cast<S>(sizes.scale),
                       logarithms + (sequence * sizes.heads + head) * sizes.queries + first, slopes, n, from, g.row,
                       out.at(sequence, head) + first * out.row, out.row);
      const GemmOptions sum_over_rows{.transpose_a = true, .accumulate = first + most_rows < sizes.queries};
      multiply_in_order(rows, d, seen, slopes, stride, k.at(sequence, head), k.row,
                        dq.at(sequence, head) + first * dq.row, dq.row);
      multiply_in_order(seen, d, rows, slopes, stride, q_rows, q.row, dk.at(sequence, head), dk.row, sum_over_rows);
      multiply_in_order(seen, n, rows, scores, stride, from, g.row, dv.at(sequence, head), dv.row, sum_over_rows);
    }
  }
};

}  // namespace pushforward::detail
