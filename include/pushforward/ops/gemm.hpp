// Matrix products on raw row-major storage: the kernel beneath matmul, linear and convolution.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>

#include <pushforward/core/isa.hpp>
#include <pushforward/core/threads.hpp>
#include <pushforward/ops/gemm_backends.hpp>

namespace pushforward::detail {

/// What happens to the elements of a product before they are stored.
enum class Epilogue { none, relu };

/// How a product reads its factors and whether it adds to what C holds.
struct GemmOptions {
  bool transpose_a = false;  ///< A is stored as [k, m]
  bool transpose_b = false;  ///< B is stored as [n, k]
  bool accumulate = false;   ///< C += instead of C =
};

/// The work of one kernel call: c = start + A B on a tile, then relu if asked.
template <class S>
struct GemmTile {
  Index k;
  const S* a;
  Index a_row, a_step;  // A[i, p] = a[i * a_row + p * a_step]
  const S* b;
  Index b_step;  // B[p, j] = b[p * b_step + j]
  S* c;
  Index ldc;
  const S* start;
  Index start_step;  // from row to row; zero for a bias
  bool relu;
  const Index* places = nullptr;  // if there are any: A[i, p] = a[i * a_row + places[p]]; few_terms: B by places
};

/// Where a number, and those after it, are read and stand in a line.
struct GemmMove {
  Index from, to;
};

/// Lines made of the same moves from shifted places, as a convolution reads its image: line (c, t) is read from
/// from[c * channel_step + taps[t]] on. Each move is a whole vector, in the order of `to`; what one writes too much the
/// next one overwrites. `tail` ends each line with `tail_count` numbers, and nothing past them is touched.
template <class S>
struct GemmGather {
  const S* from;
  Index channels, channel_step;
  const Index* taps;
  Index tap_count;
  const GemmMove* moves;
  Index move_count;
  GemmMove tail;
  Index tail_count;
  S* to;
  Index width;  // from line to line
};

/// The most terms of a sum that stay in registers.
inline constexpr int gemm_few_terms_most = 9;

/// The kernels of one instruction set; gemm_kernel.inl says what each does.
template <class S>
struct GemmKernels {
  Index lanes, rows, wide_rows;
  void (*tile[3][16])(const GemmTile<S>&);    // [log2 of the vectors][rows - 1]; one vector: up to rows / 2
  void (*placed[2][16])(const GemmTile<S>&);  // those that read A from `places`
  void (*few_terms[gemm_few_terms_most])(const GemmTile<S>&, Index rows);  // [terms - 1]
  Index product_rows, product_terms;
  void (*line_products)(Index vectors, const S* a, Index a_row, const S* b, const Index* places, S* sums);
  void (*transpose)(Index count, Index k, const S* from, Index ld, S* to, Index step);
  void (*copy)(Index count, Index k, const S* from, Index ld, S* to, Index step);
  void (*dots)(Index few, Index k, const S* x, Index ldx, const S* y, Index ldy, S* out);
  void (*gather)(const GemmGather<S>&);
};

}  // namespace pushforward::detail

// GCC loads a vector again for each of up to three uses unless it believes that the register has changed.
#if PUSHFORWARD_X86 && !defined(__clang__)
#define PUSHFORWARD_GEMM_HOLD(vector) asm("" : "+v"(vector))
#else
#define PUSHFORWARD_GEMM_HOLD(vector) static_cast<void>(vector)
#endif
#define PUSHFORWARD_GEMM_ISA gemm_baseline
#define PUSHFORWARD_GEMM_TARGET
#define PUSHFORWARD_GEMM_BYTES 16
#define PUSHFORWARD_GEMM_ROWS 6
#define PUSHFORWARD_GEMM_WIDE 2
#define PUSHFORWARD_GEMM_TERMS 3
#include <pushforward/ops/gemm_kernel.inl>
#if PUSHFORWARD_X86
#define PUSHFORWARD_GEMM_ISA gemm_avx2
#define PUSHFORWARD_GEMM_TARGET PUSHFORWARD_TARGET_AVX2
#define PUSHFORWARD_GEMM_BYTES 32
#define PUSHFORWARD_GEMM_ROWS 6
#define PUSHFORWARD_GEMM_WIDE 2
#define PUSHFORWARD_GEMM_TERMS 3
#include <pushforward/ops/gemm_kernel.inl>
#define PUSHFORWARD_GEMM_ISA gemm_avx512
#define PUSHFORWARD_GEMM_TARGET PUSHFORWARD_TARGET_AVX512
#define PUSHFORWARD_GEMM_BYTES 64
#define PUSHFORWARD_GEMM_ROWS 14
#define PUSHFORWARD_GEMM_WIDE 6
#define PUSHFORWARD_GEMM_TERMS 9
#include <pushforward/ops/gemm_kernel.inl>
#endif
#undef PUSHFORWARD_GEMM_HOLD

namespace pushforward::detail {

/// The kernels for this CPU.
template <class S>
const GemmKernels<S>& gemm_kernels() {
#if PUSHFORWARD_X86
  if (isa() == Isa::avx512) return gemm_avx512::gemm_kernels<S>;
  if (isa() == Isa::avx2) return gemm_avx2::gemm_kernels<S>;
#endif
  return gemm_baseline::gemm_kernels<S>;
}

/// Working memory that a thread keeps between products; it grows to the largest size asked for.
class GemmScratch {
 public:
  GemmScratch() = default;
  GemmScratch(const GemmScratch&) = delete;
  GemmScratch& operator=(const GemmScratch&) = delete;
  ~GemmScratch() { release(); }

  /// The thread's own memory for `count` numbers; a use that has to outlive another one takes another slot.
  template <class S>
  static S* get(int slot, Index count) {
    thread_local GemmScratch scratch[2];
    return static_cast<S*>(scratch[slot].reserve(static_cast<std::size_t>(count) * sizeof(S)));
  }

 private:
  static constexpr std::align_val_t alignment{64};

  void* reserve(std::size_t bytes) {
    if (bytes > bytes_) {
      release();
      data_ = nullptr;
      bytes_ = 0;
      data_ = ::operator new(bytes, alignment);
      bytes_ = bytes;
    }
    return data_;
  }
  void release() { ::operator delete(data_, alignment); }

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A callback for finished rows of C, without its type.
struct GemmRowsDone {
  void (*call)(const void* tile, Index begin, Index end) = nullptr;
  const void* tile = nullptr;
  void operator()(Index begin, Index end) const {
    if (call) call(tile, begin, end);
  }
};

/// Up to this many rows or columns are worth a path of their own.
inline constexpr Index gemm_few = 4;

/// The arguments of a product.
template <class S>
struct GemmProblem {
  Index m, n, k;
  const S* a;
  Index lda;
  const S* b;
  Index ldb;
  S* c;
  Index ldc;
  GemmOptions options;
  const S* bias;
  bool relu;
  GemmRowsDone done;

  Index a_row() const { return options.transpose_a ? 1 : lda; }
  Index a_step() const { return options.transpose_a ? lda : 1; }
  double flops() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }

  /// C[i0 + i, j0 + j] from the sums over k at sums[i * row + j * column], for the paths that do not hold C in a tile.
  [[gnu::noinline]] void store(Index i0, Index rows, Index j0, Index columns, const S* sums, Index row,
                               Index column) const {
    const S zero{0}, floor = relu ? zero : -std::numeric_limits<S>::infinity();
    const bool tall = rows > columns;  // then the inner loop runs down a column
    const Index inner = tall ? rows : columns, outer = tall ? columns : rows;
    const Index step = tall ? ldc : 1, sums_step = tall ? row : column, bias_step = bias && !tall ? 1 : 0;
    for (Index line = 0; line < outer; ++line) {
      S* const to = c + (tall ? i0 * ldc + j0 + line : (i0 + line) * ldc + j0);
      const S* const from = sums + line * (tall ? column : row);
      const S* const start = bias ? bias + j0 + (tall ? line : 0) : &zero;
      for (Index x = 0; x < inner; ++x) {
        const S value = from[x * sums_step] + start[x * bias_step] + (options.accumulate ? to[x * step] : zero);
        to[x * step] = value < floor ? floor : value;
      }
    }
  }
};

inline Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

/// Threads that pay for their fork: one per million operations.
inline Index gemm_threads(double flops) {
  return std::min<Index>(num_threads(), std::max<Index>(1, static_cast<Index>(flops * 1e-6)));
}

/// A product as tiles: C is cut into strips of rows and panels of columns, k into blocks.
/// A is read where it lies, each number broadcast. B is read as lines of vectors: where it lies, or from packed panels.
/// What is summed in which order depends on the shape alone.
template <class S>
class GemmTiling {
 public:
  explicit GemmTiling(const GemmProblem<S>& problem) : p_(problem) {
    const Index lanes = kernels_.lanes;
    strips_ = divide_up(p_.m, kernels_.rows);
    // Few rows leave registers for wider panels, and need them for enough independent sums.
    width_ = p_.m <= kernels_.wide_rows && p_.n > 2 * lanes ? 4 * lanes : p_.n > lanes ? 2 * lanes : lanes;
    // About equal blocks, such that a strip of A stays in the first-level cache.
    constexpr Index longest = 2048 / Index{sizeof(S)};
    k_block_ = divide_up(divide_up(p_.k, divide_up(p_.k, longest)), lanes) * lanes;
  }

  /// Computes C with up to `threads` threads: a grid of about equal parts.
  void run(Index threads) const {
    if (threads == 1) return part(0, strips_, 0, p_.n);
    const Index vectors = divide_up(p_.n, kernels_.lanes), most_rows = std::min(threads, strips_);
    Index rows = most_rows, columns = 1;
    // With a callback one thread has to finish a row, so only rows are cut.
    for (Index r = 1; r <= most_rows && !p_.done.call; ++r) {
      const Index c = std::min(threads / r, vectors);
      if (part_cost(r, c) < part_cost(rows, columns)) {
        rows = r;
        columns = c;
      }
    }
    parallel_for(rows * columns, 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index r = i / columns, c = i % columns;
        part(strips_ * r / rows, strips_ * (r + 1) / rows, vectors * c / columns * kernels_.lanes,
             std::min(p_.n, vectors * (c + 1) / columns * kernels_.lanes));
      }
    });
  }

 private:
  /// Strips differ by a row at most, so that none is too thin to be fast.
  Index first_row(Index strip) const { return p_.m / strips_ * strip + std::min(strip, p_.m % strips_); }

  /// About the time of the largest part of a grid: its products, and what it reads of A and packs of B for itself.
  double part_cost(Index grid_rows, Index grid_columns) const {
    const double m = static_cast<double>(divide_up(strips_, grid_rows) * divide_up(p_.m, strips_));
    const double n = static_cast<double>(divide_up(divide_up(p_.n, kernels_.lanes), grid_columns));
    return m * n / 2 + m / 4 + n * 4;
  }

  /// Computes strips [s0, s1) of columns [j0, j1) of C on this thread.
  [[gnu::noinline]] void part(Index s0, Index s1, Index j0, Index j1) const {
    // Packed panels stay in the second-level cache while the strips of A pass by.
    const Index block = std::max<Index>(1, 512 * 1024 / (k_block_ * width_ * Index{sizeof(S)})) * width_;
    S* const packed = GemmScratch::get<S>(0, k_block_ * divide_up(std::min(block, j1 - j0), width_) * width_);
    for (Index p = 0; p < p_.k; p += k_block_) {
      for (Index j = j0; j < j1; j += block) {
        for (Index s = s0; s < s1; ++s) {
          strip(s, j, std::min(j1, j + block), p, packed, s == s0);
          if (p + k_block_ >= p_.k && j + block >= j1) p_.done(first_row(s), first_row(s + 1));
        }
      }
    }
  }

  /// Adds the block of k from p on to columns [j0, j1) of a strip; packs B on the way if it is the first strip.
  void strip(Index s, Index j0, Index j1, Index p, S* packed, bool pack) const {
    const Index r0 = first_row(s), rows = first_row(s + 1) - r0;
    GemmTile<S> tile{};
    tile.k = std::min(k_block_, p_.k - p);
    tile.a_row = p_.a_row();
    tile.a_step = p_.a_step();
    tile.ldc = p_.ldc;
    tile.relu = p_.relu && p + tile.k == p_.k;
    for (; j0 < j1; j0 += width_, packed += k_block_ * width_) {
      const Index columns = std::min(width_, j1 - j0), vectors = divide_up(columns, kernels_.lanes);
      const Index log_vectors = vectors > 2 ? 2 : vectors - 1, width = kernels_.lanes << log_vectors;
      tile.a = p_.a + r0 * p_.a_row() + p * p_.a_step();
      tile.b = p_.b + p * p_.ldb + j0;
      tile.b_step = p_.ldb;
      if (p_.options.transpose_b || columns < width) {
        if (pack) pack_panel(j0, columns, p, tile.k, packed, width);
        tile.b = packed;
        tile.b_step = width;
      }
      tile.c = p_.c + r0 * p_.ldc + j0;
      const bool add = p > 0 || p_.options.accumulate, bias = p == 0 && p_.bias;
      if (columns < width || (add && bias)) {
        beside(tile, rows, columns, add, bias ? p_.bias + j0 : nullptr, log_vectors);
      } else {
        alignas(64) static constexpr S zeros[64] = {};
        tile.start = bias ? p_.bias + j0 : add ? tile.c : zeros;
        tile.start_step = add ? p_.ldc : 0;
        multiply(tile, rows, log_vectors);
      }
    }
  }

  /// Calls the kernel of a tile. Narrow ones are rare and take half a strip at a time: fewer kernels to compile.
  void multiply(GemmTile<S>& tile, Index rows, Index log_vectors) const {
    const Index first = log_vectors == 0 && rows > kernels_.rows / 2 ? divide_up(rows, 2) : rows;
    kernels_.tile[log_vectors][first - 1](tile);
    if (first == rows) return;
    tile.a += first * tile.a_row;
    tile.c += first * tile.ldc;
    tile.start += first * tile.start_step;
    kernels_.tile[log_vectors][rows - first - 1](tile);
  }

  /// Packs columns [j0, j0 + count) of a block of B as [k, width].
  void pack_panel(Index j0, Index count, Index p, Index k, S* to, Index width) const {
    if (count < width) std::fill_n(to, k * width, S{0});
    if (!p_.options.transpose_b) return kernels_.copy(count, k, p_.b + p * p_.ldb + j0, p_.ldb, to, width);
    for (Index j = 0; j < width; j += kernels_.lanes) {
      const Index first = std::min(j, count - 1);
      kernels_.transpose(count - first, k, p_.b + (j0 + first) * p_.ldb + p, p_.ldb, to + j, width);
    }
  }

  /// A tile that reaches over the last column of C, or starts from more than one thing: computed beside C.
  [[gnu::noinline]] void beside(GemmTile<S> tile, Index rows, Index columns, bool add, const S* bias,
                                Index log_vectors) const {
    alignas(64) S block[512], first[64] = {};  // the largest tiles are 14 x 32 and 6 x 64
    S* const c = tile.c;
    const Index ldc = tile.ldc, width = kernels_.lanes << log_vectors;
    if (bias) std::copy_n(bias, columns, first);
    if (add) {
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < width; ++j) {
          S& start = block[i * width + j];
          start = j < columns ? c[i * ldc + j] : S{0};
          if (bias) start += first[j];
        }
      }
    }
    tile.start = add ? block : first;
    tile.start_step = add ? width : 0;
    tile.c = block;
    tile.ldc = width;
    multiply(tile, rows, log_vectors);
    kernels_.copy(columns, rows, block, width, c, ldc);
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const GemmProblem<S>& p_;
  Index strips_, width_, k_block_;
};

/// A product with few columns, or few rows (`flipped`), and long sums, both factors stored along the sums: there the
/// vectors run along k, x holds the many lines and y the few.
template <class S>
void gemm_dots(const GemmProblem<S>& p, bool flipped) {
  const GemmKernels<S>& kernels = gemm_kernels<S>();
  const Index lanes = kernels.lanes, many = flipped ? p.n : p.m, few = flipped ? p.m : p.n;
  const S *x = flipped ? p.b : p.a, *y = flipped ? p.a : p.b;
  const Index ldx = flipped ? p.ldb : p.lda;
  Index ldy = flipped ? p.lda : p.ldb;
  if (flipped ? p.options.transpose_a : !p.options.transpose_b) {
    S* const packed = GemmScratch::get<S>(0, few * p.k);
    for (Index j = 0; j < few; ++j) {
      for (Index q = 0; q < p.k; ++q) packed[j * p.k + q] = y[q * ldy + j];
    }
    y = packed;
    ldy = p.k;
  }
  const Index blocks = divide_up(many, lanes);
  parallel_for(blocks, divide_up(blocks, gemm_threads(p.flops())), [&](Index begin, Index end) {
    alignas(64) S sums[gemm_few * 16];
    for (Index i = begin * lanes; i < std::min(many, end * lanes); i += lanes) {
      // The kernel always takes `lanes` lines: the last ones overlap lines before them.
      const Index count = std::min(lanes, many - i), from = i + count - lanes, skip = lanes - count;
      kernels.dots(few, p.k, x + from * ldx, ldx, y, ldy, sums);
      flipped ? p.store(0, few, i, count, sums + skip, lanes, 1) : p.store(i, count, 0, few, sums + skip, 1, lanes);
    }
    if (!flipped) p.done(begin * lanes, std::min(many, end * lanes));
  });
  if (flipped) p.done(0, p.m);
}

/// Picks the path for a shape.
template <class S>
[[gnu::noinline]] void gemm_run(const GemmProblem<S>& p) {
  if (p.m <= 0 || p.n <= 0) return;
  if (p.k <= 0) {
    const S zero{0};
    p.store(0, p.m, 0, p.n, &zero, 0, 0);
    return p.done(0, p.m);
  }
  if (run_elsewhere(p)) return;
  const Index lanes = gemm_kernels<S>().lanes;
  const bool long_sums = p.k >= 2 * lanes;
  if (long_sums && p.n <= gemm_few && p.m >= lanes && !p.options.transpose_a) return gemm_dots(p, false);
  if (long_sums && p.m <= gemm_few && p.n >= lanes && p.options.transpose_b) return gemm_dots(p, true);
  if (p.n <= gemm_few && p.m > gemm_few && p.options.transpose_a) {
    // Few columns from a transposed A: the transposed product has few rows instead, and vectors along them.
    S* const flipped = GemmScratch::get<S>(1, p.n * p.m);
    const GemmOptions options{.transpose_a = !p.options.transpose_b};
    gemm_run(GemmProblem<S>{p.n, p.m, p.k, p.b, p.ldb, p.a, p.lda, flipped, p.m, options, nullptr, false, {}});
    p.store(0, p.m, 0, p.n, flipped, 1, p.m);
    return p.done(0, p.m);
  }
  GemmTiling<S>(p).run(gemm_threads(p.flops()));
}

/// C = op(A) op(B), plus C if asked to accumulate, plus `bias` in every row if there is one, then the epilogue.
/// C is [m, n], op(A) [m, k], op(B) [k, n], bias [n]; row-major, with lda, ldb and ldc elements from row to row. C must
/// not overlap the rest. The same bits for any number of threads.
template <class S>
void gemm(Index m, Index n, Index k, const S* a, Index lda, const S* b, Index ldb, S* c, Index ldc, GemmOptions options,
          const S* bias = nullptr, Epilogue epilogue = Epilogue::none) {
  gemm_run(GemmProblem<S>{m, n, k, a, lda, b, ldb, c, ldc, options, bias, epilogue == Epilogue::relu, {}});
}

/// gemm that also calls `tile(r0, r1)`, on the thread that computed them, once rows [r0, r1) of C are final and still
/// in cache. Every row is in exactly one call; `tile` must not throw and must not call gemm.
template <class S, class Tile>
void gemm_rows(Index m, Index n, Index k, const S* a, Index lda, const S* b, Index ldb, S* c, Index ldc,
               GemmOptions options, const S* bias, Epilogue epilogue, const Tile& tile) {
  const GemmRowsDone done{[](const void* f, Index r0, Index r1) { (*static_cast<const Tile*>(f))(r0, r1); }, &tile};
  gemm_run(GemmProblem<S>{m, n, k, a, lda, b, ldb, c, ldc, options, bias, epilogue == Epilogue::relu, done});
}

/// `batch` products of one shape, whose matrices lie `stride_a`, `stride_b` and `stride_c` elements apart.
template <class S>
void gemm_batched(Index batch, Index m, Index n, Index k, const S* a, Index lda, Index stride_a, const S* b, Index ldb,
                  Index stride_b, S* c, Index ldc, Index stride_c, GemmOptions options, const S* bias = nullptr,
                  Epilogue epilogue = Epilogue::none) {
  const auto products = [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      gemm(m, n, k, a + i * stride_a, lda, b + i * stride_b, ldb, c + i * stride_c, ldc, options, bias, epilogue);
  };
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  // Fewer products than threads: each is cut instead.
  if (batch < num_threads()) return products(0, batch);
  parallel_for(batch, std::max<Index>(1, static_cast<Index>(1e6 / std::max(1.0, flops))), products);
}

}  // namespace pushforward::detail
