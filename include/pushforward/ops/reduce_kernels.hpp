// Loops that reduce: in an order that depends on the shape alone.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include <pushforward/core/kernel.hpp>

namespace pushforward::detail {

// How two partial results combine, and the result over nothing.
struct Plus {
  template <class S>
  static constexpr S identity = S(0);
  template <class S>
  static constexpr S combine(S a, S b) {
    return a + b;
  }
};
struct Larger {
  template <class S>
  static constexpr S identity = std::is_integral_v<S> ? std::numeric_limits<S>::lowest()
                                                      : -std::numeric_limits<S>::infinity();
  // NaN wins, as everywhere.
  template <class S>
  static constexpr S combine(S a, S b) {
    return a > b || a != a ? a : b;
  }
};
struct Smaller {
  template <class S>
  static constexpr S identity = std::is_integral_v<S> ? std::numeric_limits<S>::max()
                                                      : std::numeric_limits<S>::infinity();
  template <class S>
  static constexpr S combine(S a, S b) {
    return a < b || a != a ? a : b;
  }
};

// One contiguous run: 64 partial results side by side, as vector registers want it, then pairwise.
template <class Op, class S>
PUSHFORWARD_INLINE S reduce_run(const S* x, Index n) {
  constexpr int lanes = 64;
  S part[lanes];
  for (int lane = 0; lane < lanes; ++lane) part[lane] = Op::template identity<S>;
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) part[lane] = Op::combine(part[lane], x[i + lane]);
  for (int lane = 0; i < n; ++i, ++lane) part[lane] = Op::combine(part[lane], x[i]);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) part[lane] = Op::combine(part[lane], part[lane + width]);
  return part[0];
}

template <class Op, class S>
PUSHFORWARD_INLINE S reduce_short(const S* x, Index n) {
  S result = Op::template identity<S>;
  for (Index i = 0; i < n; ++i) result = Op::combine(result, x[i]);
  return result;
}

// The elements that one partial result of a long run covers, whatever the number of threads.
inline constexpr Index reduce_chunk = 8192;

template <class Op, class S>
S reduce_long(const S* x, Index n) {
  const Index chunks = (n + reduce_chunk - 1) / reduce_chunk;
  std::vector<S> part(static_cast<std::size_t>(chunks));
  parallel_for(chunks, 8, [&](Index begin, Index end) {
    for (Index c = begin; c < end; ++c)
      part[static_cast<std::size_t>(c)] =
          vectorized([run = x + c * reduce_chunk, m = std::min(reduce_chunk, n - c * reduce_chunk)] {
            return reduce_run<Op>(run, m);
          });
  });
  return vectorized([run = part.data(), chunks] { return reduce_run<Op>(run, chunks); });
}

// out[r] = reduction of x[r, :] for `rows` contiguous rows of n elements.
template <class Op, class S>
void reduce_rows(const S* x, Index rows, Index n, S* out) {
  if (n > 2 * reduce_chunk) {
    for (Index r = 0; r < rows; ++r) out[r] = reduce_long<Op>(x + r * n, n);
    return;
  }
  const Index grain = std::max(Index{1}, elementwise_grain / std::max(Index{1}, n));
  parallel_for(rows, grain, [=](Index begin, Index end) {
    vectorized([=] {
      if (n < 32)
        for (Index r = begin; r < end; ++r) out[r] = reduce_short<Op>(x + r * n, n);
      else
        for (Index r = begin; r < end; ++r) out[r] = reduce_run<Op>(x + r * n, n);
    });
  });
}

// out[j] = reduction over i of x[i, j] for columns [first, last) of `rows` rows of `stride` elements: eight rows at a
// time, so that the accumulators are read and written once for eight additions.
template <class Op, class S>
PUSHFORWARD_INLINE void reduce_columns_loop(const S* __restrict x, Index rows, Index stride, Index first, Index last,
                                            S* __restrict out) {
  for (Index j = first; j < last; ++j) out[j] = Op::template identity<S>;
  Index i = 0;
  for (; i + 8 <= rows; i += 8) {
    const S* __restrict row = x + i * stride;
    for (Index j = first; j < last; ++j) {
      const S low =
          Op::combine(Op::combine(row[j], row[j + stride]), Op::combine(row[j + 2 * stride], row[j + 3 * stride]));
      const S high = Op::combine(Op::combine(row[j + 4 * stride], row[j + 5 * stride]),
                                 Op::combine(row[j + 6 * stride], row[j + 7 * stride]));
      out[j] = Op::combine(out[j], Op::combine(low, high));
    }
  }
  for (; i < rows; ++i)
    for (Index j = first; j < last; ++j) out[j] = Op::combine(out[j], x[i * stride + j]);
}

// Rows that one partial result of a long column reduction covers.
inline constexpr Index column_rows = 1024;

// out[j] = reduction over i of x[i, j].
template <class Op, class S>
void reduce_columns(const S* x, Index rows, Index columns, S* out) {
  const Index blocks = std::max(Index{1}, (rows + column_rows - 1) / column_rows);
  if (blocks == 1) {
    const Index grain = std::max(Index{64}, elementwise_grain / std::max(Index{1}, rows) / 64 * 64);
    parallel_for(columns, grain, [=](Index first, Index last) {
      vectorized([=] { reduce_columns_loop<Op>(x, rows, columns, first, last, out); });
    });
    return;
  }
  std::vector<S> part(static_cast<std::size_t>(blocks * columns));
  S* parts = part.data();
  parallel_for(blocks, std::max(Index{1}, elementwise_grain / (column_rows * columns)), [=](Index begin, Index end) {
    for (Index b = begin; b < end; ++b)
      vectorized([=] {
        reduce_columns_loop<Op>(x + b * column_rows * columns, std::min(column_rows, rows - b * column_rows), columns,
                                0, columns, parts + b * columns);
      });
  });
  reduce_columns<Op>(parts, blocks, columns, out);
}

// out[o, j] = reduction over i of x[o, i, j].
template <class Op, class S>
void reduce_middle(const S* x, Index outer, Index n, Index inner, S* out) {
  if (inner == 1) return reduce_rows<Op>(x, outer, n, out);
  if (outer == 1) return reduce_columns<Op>(x, n, inner, out);
  const Index grain = std::max(Index{1}, elementwise_grain / std::max(Index{1}, n * inner));
  parallel_for(outer, grain, [=](Index begin, Index end) {
    vectorized([=] {
      for (Index o = begin; o < end; ++o)
        reduce_columns_loop<Op>(x + o * n * inner, n, inner, 0, inner, out + o * inner);
    });
  });
}

}  // namespace pushforward::detail
