// The vector code of the matrix product, included by gemm.hpp once per instruction set, with these macros defined:
//   PUSHFORWARD_GEMM_ISA      the namespace of this copy
//   PUSHFORWARD_GEMM_TARGET   the function attribute that selects the instruction set
//   PUSHFORWARD_GEMM_BYTES    the width of a vector register
//   PUSHFORWARD_GEMM_ROWS     the most rows of a tile two vectors wide: its sums have to stay in registers
//   PUSHFORWARD_GEMM_WIDE     the most rows of a tile four vectors wide
//   PUSHFORWARD_GEMM_TERMS    the lines that three others are multiplied with at once, for the same reason
// Compilers lower vector types before they inline, so each function holds all of its vector code and carries the
// attribute itself; hence a file that is included several times, where one would expect a template.

namespace pushforward::detail::PUSHFORWARD_GEMM_ISA {

template <class S>
struct Simd {
  static constexpr int lanes = PUSHFORWARD_GEMM_BYTES / int{sizeof(S)};
  typedef S Vector __attribute__((vector_size(PUSHFORWARD_GEMM_BYTES), aligned(alignof(S)), may_alias));
};

/// One tile of C, `rows` x `vectors * lanes`, kept in registers over the whole of k; `placed` if A has `places`.
/// Each sum runs over k in order, so its bits do not depend on the shape of the tile that it falls into.
template <class S, int rows, int vectors, bool placed = false>
PUSHFORWARD_GEMM_TARGET void gemm_tile(const GemmTile<S>& t) {
  using V = typename Simd<S>::Vector;
  constexpr int lanes = Simd<S>::lanes;
  V sum[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sum[i][v] = *reinterpret_cast<const V*>(t.start + i * t.start_step + v * lanes);
  }

  // A pointer for every fifth row: the others lie at multiples of the stride that few registers can express.
  const Index a_row = t.a_row, a_step = t.a_step, b_step = t.b_step;
  const S *a0 = t.a, *a1 = rows > 5 ? a0 + 5 * a_row : a0, *a2 = rows > 10 ? a0 + 10 * a_row : a0, *b = t.b;
  const Index* place = t.places;
  for (Index p = t.k; p > 0; --p) {
    const Index at = placed ? *place++ : 0;
    V line[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      line[v] = *reinterpret_cast<const V*>(b + v * lanes);
      PUSHFORWARD_GEMM_HOLD(line[v]);
      // One row uses each line of b once: they come from afar.
      if constexpr (rows == 1 && vectors == 4) __builtin_prefetch(b + 16 * b_step + v * lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const S* const near = (i < 5 ? a0 : i < 10 ? a1 : a2) + at;
      const S x = near[i % 5 * a_row];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[i][v] += line[v] * x;
    }
    if constexpr (!placed) {
      a0 += a_step;
      a1 += a_step;
      a2 += a_step;
    }
    b += b_step;
  }

  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[i][v] = sum[i][v] < 0 ? V{} : sum[i][v];
    }
  }
  S* const c = t.c;
  const Index ldc = t.ldc;
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) *reinterpret_cast<V*>(c + i * ldc + v * lanes) = sum[i][v];
  }
}

/// `rows` lines of C, two vectors wide, as sums of few terms, which stay in registers while the lines of A pass by: C =
/// start + A B with a number of `start` for each line, or added to C where there is none; B[p, j] = b[places[p] + j].
template <class S, int terms>
PUSHFORWARD_GEMM_TARGET void gemm_few_terms(const GemmTile<S>& t, Index rows) {
  using V = typename Simd<S>::Vector;
  constexpr int lanes = Simd<S>::lanes, vectors = PUSHFORWARD_GEMM_ROWS > terms + 4 ? 2 : 1;
  for (int j = 0; j < 2 * lanes; j += vectors * lanes) {
    V x[terms][vectors];
#pragma GCC unroll 16
    for (int p = 0; p < terms; ++p) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        x[p][v] = *reinterpret_cast<const V*>(t.b + t.places[p] + j + v * lanes);
        PUSHFORWARD_GEMM_HOLD(x[p][v]);
      }
    }
    const Index a_row = t.a_row, ldc = t.ldc, start_step = t.start_step;
    const bool relu = t.relu;
    const S *a = t.a, *start = t.start;
    S* c = t.c + j;
    for (Index i = rows; i > 0; --i, a += a_row, c += ldc) {
      V sum[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sum[v] = start ? V{} + *start : *reinterpret_cast<const V*>(c + v * lanes);
      if (start) start += start_step;
#pragma GCC unroll 16
      for (int p = 0; p < terms; ++p) {
        const S factor = a[p];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[v] += x[p][v] * factor;
      }
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        if (relu) sum[v] = sum[v] < 0 ? V{} : sum[v];
        *reinterpret_cast<V*>(c + v * lanes) = sum[v];
      }
    }
  }
}

/// sums[i, p] += the products of line a + i * a_row with line b + places[p], vector by vector, for `rows` lines and
/// `terms` places: what is left to add up are the lanes of a sum.
template <class S, int rows, int terms>
PUSHFORWARD_GEMM_TARGET void gemm_line_products(Index vectors, const S* a, Index a_row, const S* b, const Index* places,
                                                S* sums) {
  using V = typename Simd<S>::Vector;
  constexpr int lanes = Simd<S>::lanes;
  V sum[rows][terms];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
    for (int p = 0; p < terms; ++p) sum[i][p] = *reinterpret_cast<const V*>(sums + (i * terms + p) * lanes);
  }
  for (; vectors > 0; --vectors, a += lanes, b += lanes) {
    V line[rows];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      line[i] = *reinterpret_cast<const V*>(a + i * a_row);
      PUSHFORWARD_GEMM_HOLD(line[i]);
      __builtin_prefetch(a + (rows + i) * a_row);
    }
#pragma GCC unroll 16
    for (int p = 0; p < terms; ++p) {
      V x = *reinterpret_cast<const V*>(b + places[p]);
      PUSHFORWARD_GEMM_HOLD(x);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sum[i][p] += line[i] * x;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
    for (int p = 0; p < terms; ++p) *reinterpret_cast<V*>(sums + (i * terms + p) * lanes) = sum[i][p];
  }
}

/// low, high = the first and the second half of a[0] b[0] a[1] b[1] ...
#define PUSHFORWARD_GEMM_INTERLEAVE(a, b, low, high)                                                    \
  if constexpr (lanes == 2) {                                                                           \
    low = __builtin_shufflevector(a, b, 0, 2);                                                          \
    high = __builtin_shufflevector(a, b, 1, 3);                                                         \
  } else if constexpr (lanes == 4) {                                                                    \
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);                                                    \
    high = __builtin_shufflevector(a, b, 2, 6, 3, 7);                                                   \
  } else if constexpr (lanes == 8) {                                                                    \
    low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);                                      \
    high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);                                   \
  } else {                                                                                              \
    low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);        \
    high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); \
  }

/// to[p * step + i] = from[i * ld + p] for p < k and i < lanes; lines past `count` repeat the last one.
template <class S>
PUSHFORWARD_GEMM_TARGET void gemm_transpose(Index count, Index k, const S* from, Index ld, S* to, Index step) {
  using V = typename Simd<S>::Vector;
  constexpr int lanes = Simd<S>::lanes;
  const S* line[lanes];
  for (int i = 0; i < lanes; ++i) line[i] = from + (i < count ? i : count - 1) * ld;
  for (Index p = 0; k >= lanes && p < k; p += lanes) {
    p = p + lanes <= k ? p : k - lanes;  // the last lines once more, where they do not fill a block
    V x[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      x[i] = *reinterpret_cast<const V*>(line[i] + p);
      __builtin_prefetch(line[i] + p + 4 * lanes);
    }
    // A perfect shuffle moves the top bit of the line number to the bottom of the position: log2(lanes) of them
    // exchange the two.
#pragma GCC unroll 4
    for (int done = 1; done < lanes; done *= 2) {
      V y[lanes];
#pragma GCC unroll 8
      for (int i = 0; i < lanes / 2; ++i) {
        PUSHFORWARD_GEMM_INTERLEAVE(x[i], x[i + lanes / 2], y[2 * i], y[2 * i + 1])
      }
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) x[i] = y[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) *reinterpret_cast<V*>(to + (p + i) * step) = x[i];
  }
  for (Index p = 0; k < lanes && p < k; ++p) {
    for (int i = 0; i < lanes; ++i) to[p * step + i] = line[i][p];
  }
}

/// to[p * step + i] = from[p * ld + i] for p < k and i < count. The last piece of a line may overlap the one before.
template <class S>
PUSHFORWARD_GEMM_TARGET void gemm_copy(Index count, Index k, const S* from, Index ld, S* to, Index step) {
  constexpr Index lanes = Simd<S>::lanes, half = lanes / 2, quarter = lanes / 4;
  if (count >= lanes) {
    for (; k > 0; --k, from += ld, to += step) {
      for (Index i = 0; i < count - lanes; i += lanes) __builtin_memcpy(to + i, from + i, lanes * sizeof(S));
      __builtin_memcpy(to + count - lanes, from + count - lanes, lanes * sizeof(S));
    }
  } else if (count >= half) {
    for (; k > 0; --k, from += ld, to += step) {
      __builtin_memcpy(to, from, half * sizeof(S));
      __builtin_memcpy(to + count - half, from + count - half, half * sizeof(S));
    }
  } else if (quarter > 1 && count >= quarter) {
    for (; k > 0; --k, from += ld, to += step) {
      __builtin_memcpy(to, from, quarter * sizeof(S));
      __builtin_memcpy(to + count - quarter, from + count - quarter, quarter * sizeof(S));
    }
  } else {
    for (; k > 0; --k, from += ld, to += step)
      for (Index i = 0; i < count; ++i) to[i] = from[i];
  }
}

/// out[j * lanes + i] = sum over p of x[i * ldx + p] y[j * ldy + p] for i < lanes and j < few; k >= lanes.
template <class S>
PUSHFORWARD_GEMM_TARGET void gemm_dots(Index few, Index k, const S* x, Index ldx, const S* y, Index ldy, S* out) {
  using V = typename Simd<S>::Vector;
  constexpr int lanes = Simd<S>::lanes;
  for (; few > 0; --few, y += ldy, out += lanes) {
    V sum[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) sum[i] = V{};
    Index p = 0;
    do {
      const V factor = *reinterpret_cast<const V*>(y + p);
      const S* row = x + p;
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i, row += ldx) sum[i] += *reinterpret_cast<const V*>(row) * factor;
      p += lanes;
    } while (p + lanes <= k);
    // The shuffles of the transposition, adding the two halves that each tells apart: sums end up in row order.
#pragma GCC unroll 4
    for (int half = lanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < lanes / 2; ++i) {  // a fixed count, so that the arrays dissolve into registers
        if (i >= half) continue;
        V low, high;
        PUSHFORWARD_GEMM_INTERLEAVE(sum[i], sum[i + half], low, high)
        sum[i] = low + high;
      }
    }
    *reinterpret_cast<V*>(out) = sum[0];
    for (; p < k; ++p) {
      for (int i = 0; i < lanes; ++i) out[i] += x[i * ldx + p] * y[p];
    }
  }
}

#undef PUSHFORWARD_GEMM_INTERLEAVE

/// gemm_gather with a fixed number of moves to each line, whose places stay in registers; 0: any number.
template <class S, int fixed>
PUSHFORWARD_GEMM_TARGET void gemm_gather_lines(const GemmGather<S>& g) {
  using V = typename Simd<S>::Vector;
  GemmMove near[fixed > 0 ? fixed : 1];
  for (int m = 0; m < fixed; ++m) near[m] = g.moves[m];
  const GemmMove* const moves = g.moves;
  const Index count = g.move_count, tail = g.tail_count, taps = g.tap_count, width = g.width;
  const S* channel = g.from;
  S* to = g.to;
  for (Index c = g.channels; c > 0; --c, channel += g.channel_step) {
    for (Index t = 0; t < taps; ++t, to += width) {
      const S* const from = channel + g.taps[t];
      if constexpr (fixed > 0) {
#pragma GCC unroll 6
        for (int m = 0; m < fixed; ++m)
          *reinterpret_cast<V*>(to + near[m].to) = *reinterpret_cast<const V*>(from + near[m].from);
      } else {
        for (Index m = 0; m < count; ++m)
          *reinterpret_cast<V*>(to + moves[m].to) = *reinterpret_cast<const V*>(from + moves[m].from);
      }
      for (Index i = 0; i < tail; ++i) to[g.tail.to + i] = from[g.tail.from + i];
    }
  }
}

/// Gathers lines, see GemmGather.
template <class S>
void gemm_gather(const GemmGather<S>& g) {
  if (g.move_count == 2) return gemm_gather_lines<S, 2>(g);
  if (g.move_count == 3) return gemm_gather_lines<S, 3>(g);
  if (g.move_count == 4) return gemm_gather_lines<S, 4>(g);
  if (g.move_count == 5) return gemm_gather_lines<S, 5>(g);
  if (g.move_count == 6) return gemm_gather_lines<S, 6>(g);
  gemm_gather_lines<S, 0>(g);
}

template <class S, int... i, int... j, int... l, int... f>
constexpr GemmKernels<S> gemm_kernel_table(std::integer_sequence<int, i...>, std::integer_sequence<int, j...>,
                                           std::integer_sequence<int, l...>, std::integer_sequence<int, f...>) {
  return {Simd<S>::lanes,
          PUSHFORWARD_GEMM_ROWS,
          PUSHFORWARD_GEMM_WIDE,
          {{gemm_tile<S, i + 1, 1>...}, {gemm_tile<S, j + 1, 2>...}, {gemm_tile<S, l + 1, 4>...}},
          {{gemm_tile<S, i + 1, 1, true>...}, {gemm_tile<S, j + 1, 2, true>...}},
          {gemm_few_terms<S, f + 1>...},
          3,
          PUSHFORWARD_GEMM_TERMS,
          gemm_line_products<S, 3, PUSHFORWARD_GEMM_TERMS>,
          gemm_transpose<S>,
          gemm_copy<S>,
          gemm_dots<S>,
          gemm_gather<S>};
}

template <class S>
inline constexpr GemmKernels<S> gemm_kernels = gemm_kernel_table<S>(
    std::make_integer_sequence<int, PUSHFORWARD_GEMM_ROWS / 2>{},
    std::make_integer_sequence<int, PUSHFORWARD_GEMM_ROWS>{}, std::make_integer_sequence<int, PUSHFORWARD_GEMM_WIDE>{},
    std::make_integer_sequence<int, gemm_few_terms_most>{});

}  // namespace pushforward::detail::PUSHFORWARD_GEMM_ISA

#undef PUSHFORWARD_GEMM_ISA
#undef PUSHFORWARD_GEMM_TARGET
#undef PUSHFORWARD_GEMM_BYTES
#undef PUSHFORWARD_GEMM_ROWS
#undef PUSHFORWARD_GEMM_WIDE
#undef PUSHFORWARD_GEMM_TERMS
