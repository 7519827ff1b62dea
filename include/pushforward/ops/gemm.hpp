// Matrix products on raw row-major storage: the kernel beneath matmul, linear and convolution.
#pragma once

#include <algorithm>
#include <new>
#include <utility>

#include "pushforward/core/isa.hpp"
#include "pushforward/core/threads.hpp"

namespace pushforward::detail {

/// What happens to the elements of a product before they are stored.
enum class Epilogue { none, relu };

/// How a product reads its factors and whether it adds to what C holds.
struct GemmOptions {
  bool transpose_a = false;  ///< A is stored as [k, m]
  bool transpose_b = false;  ///< B is stored as [n, k]
  bool accumulate = false;   ///< C += instead of C =
};

/// The work of one kernel call: c = relu?(bias? + c? + A B) on a tile.
template <class S>
struct GemmTile {
  Index k;
  const S* a;
  Index a_row, a_step;  // A[i, p] = a[i * a_row + p * a_step]
  const S* b;
  Index b_step;  // B[p, j] = b[p * b_step + j]
  S* c;
  Index ldc;
  const S* bias;  // null: none
  bool add, relu;
};

/// The kernels of one instruction set; gemm_kernel.inl says what each does.
template <class S>
struct GemmKernels {
  Index lanes, rows, wide_rows;
  void (*tile[3][16])(const GemmTile<S>&);  // [log2 of the vectors][rows - 1]
  void (*transpose)(Index count, Index k, const S* from, Index ld, S* to, Index step);
  void (*copy)(Index count, Index k, const S* from, Index ld, S* to, Index step);
  void (*dot)(Index count, Index k, const S* x, Index ldx, const S* y, S* out);
};

}  // namespace pushforward::detail

#define PUSHFORWARD_GEMM_ISA gemm_baseline
#define PUSHFORWARD_GEMM_TARGET
#define PUSHFORWARD_GEMM_BYTES 16
#define PUSHFORWARD_GEMM_ROWS 6
#define PUSHFORWARD_GEMM_WIDE 2
#include "pushforward/ops/gemm_kernel.inl"
#if PUSHFORWARD_X86
#define PUSHFORWARD_GEMM_ISA gemm_avx2
#define PUSHFORWARD_GEMM_TARGET PUSHFORWARD_TARGET_AVX2
#define PUSHFORWARD_GEMM_BYTES 32
#define PUSHFORWARD_GEMM_ROWS 6
#define PUSHFORWARD_GEMM_WIDE 2
#include "pushforward/ops/gemm_kernel.inl"
#define PUSHFORWARD_GEMM_ISA gemm_avx512
#define PUSHFORWARD_GEMM_TARGET PUSHFORWARD_TARGET_AVX512
#define PUSHFORWARD_GEMM_BYTES 64
#define PUSHFORWARD_GEMM_ROWS 14
#define PUSHFORWARD_GEMM_WIDE 6
#include "pushforward/ops/gemm_kernel.inl"
#endif

namespace pushforward::detail {

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
  /// C[i, j] from the sum over k, for the paths that do not hold C in a tile.
  void store(Index i, Index j, S sum) const {
    S& out = c[i * ldc + j];
    if (bias) sum += bias[j];
    if (options.accumulate) sum += out;
    out = relu && sum < 0 ? S{0} : sum;
  }
};

inline Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

/// Threads that pay for their fork: one per million operations.
inline Index gemm_threads(double flops) {
  return std::min<Index>(num_threads(), std::max<Index>(1, static_cast<Index>(flops * 1e-6)));
}

/// C cut into strips of rows and panels of columns, k into blocks. The cuts depend on the shape only, not on threads.
template <class S>
struct GemmPlan {
  const GemmKernels<S>& kernels = gemm_kernels<S>();
  const GemmProblem<S>& problem;
  Index strips, width, panels, k_block;
  bool pack_a, pack_b;

  explicit GemmPlan(const GemmProblem<S>& p) : problem(p) {
    const Index lanes = kernels.lanes;
    strips = divide_up(p.m, kernels.rows);
    // Few rows leave registers for wider panels, and need them to have enough independent sums.
    width = p.m <= kernels.wide_rows && p.n > 2 * lanes ? 4 * lanes : p.n > lanes ? 2 * lanes : lanes;
    panels = divide_up(p.n, width);
    // Blocks of k: a strip of A and a panel of B have to share the first-level cache. At least one, all about equal.
    const Index limit = 256 * 4 / Index{sizeof(S)};
    k_block = divide_up(divide_up(p.k, divide_up(p.k, limit)), 16) * 16;
    // Rows a multiple of a page apart fall into the same few places of the first-level cache.
    const bool aliasing = p.lda * Index{sizeof(S)} % 2048 == 0;
    pack_a = panels > 3 && (aliasing || (p.options.transpose_a && p.n >= 256));
    pack_b = p.options.transpose_b || strips > 5;
  }

  Index row(Index strip) const { return problem.m / strips * strip + std::min(strip, problem.m % strips); }
  Index a_width() const { return divide_up(kernels.rows, kernels.lanes) * kernels.lanes; }

  /// Packs rows [r0, r1) of A as [k, a_width].
  void copy_a(Index r0, Index r1, Index p0, Index k, S* to) const {
    const S* from = problem.a + r0 * problem.a_row() + p0 * problem.a_step();
    if (problem.options.transpose_a) return kernels.copy(r1 - r0, k, from, problem.lda, to, a_width());
    for (Index i = 0; i < r1 - r0; i += kernels.lanes)
      kernels.transpose(r1 - r0 - i, k, from + i * problem.lda, problem.lda, to + i, a_width());
  }

  /// Packs the columns [j0, j0 + count) of B as [k, width], width >= count.
  void copy_b(Index j0, Index count, Index p0, Index k, S* to, Index to_width) const {
    const Index ldb = problem.ldb;
    if (!problem.options.transpose_b) return kernels.copy(count, k, problem.b + p0 * ldb + j0, ldb, to, to_width);
    for (Index j = 0; j < to_width; j += kernels.lanes) {
      const Index first = std::min(j, count - 1);
      kernels.transpose(count - first, k, problem.b + (j0 + first) * ldb + p0, ldb, to + j, to_width);
    }
  }

  /// A tile that C does not have all columns of: computed beside it.
  void ragged_tile(GemmTile<S> t, Index rows, Index columns, Index log_vectors) const {
    alignas(64) S block[1024];
    S* const c = t.c;
    const Index ldc = t.ldc, ld = kernels.lanes << log_vectors;
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < ld; ++j) block[i * ld + j] = j < columns && t.bias ? t.bias[j] : S{0};
      for (Index j = 0; t.add && j < columns; ++j) block[i * ld + j] += c[i * ldc + j];
    }
    t.bias = nullptr;
    t.add = true;
    t.c = block;
    t.ldc = ld;
    kernels.tile[log_vectors][rows - 1](t);
    for (Index i = 0; i < rows; ++i) std::copy_n(block + i * ld, columns, c + i * ldc);
  }

  /// Computes strips [s0, s1) of panels [q0, q1) of C, on the calling thread.
  void run(Index s0, Index s1, Index q0, Index q1) const {
    const GemmProblem<S>& p = problem;
    // Packed B stays in half of the second-level cache while the strips of A pass by.
    const Index block = std::max<Index>(1, 512 * 1024 / (k_block * width * Index{sizeof(S)}));
    S* const packed_a =
        GemmScratch::get<S>(0, (pack_a ? k_block * a_width() : 0) + std::min(block, q1 - q0) * k_block * width);
    S* const packed_b = packed_a + (pack_a ? k_block * a_width() : 0);
    for (Index p0 = 0; p0 < p.k; p0 += k_block) {
      const Index k = std::min(k_block, p.k - p0);
      const bool first = p0 == 0, last = p0 + k == p.k;
      for (Index q = q0; q < q1; q += block) {
        for (Index s = s0; s < s1; ++s) {
          const Index r0 = row(s), r1 = row(s + 1);
          GemmTile<S> t{};
          t.k = k;
          t.a = p.a + r0 * p.a_row() + p0 * p.a_step();
          t.a_row = p.a_row();
          t.a_step = p.a_step();
          if (pack_a) {
            copy_a(r0, r1, p0, k, packed_a);
            t.a = packed_a;
            t.a_row = 1;
            t.a_step = a_width();
          }
          t.ldc = p.ldc;
          t.add = !first || p.options.accumulate;
          t.relu = last && p.relu;
          for (Index j = q; j < std::min(q + block, q1); ++j) {
            const Index j0 = j * width, columns = std::min(width, p.n - j0);
            const Index log_vectors = columns > 2 * kernels.lanes ? 2 : columns > kernels.lanes ? 1 : 0;
            const Index tile_width = kernels.lanes << log_vectors;
            t.b = p.b + p0 * p.ldb + j0;
            t.b_step = p.ldb;
            if (pack_b || columns < tile_width) {
              S* const to = packed_b + (j - q) * k_block * width;
              if (s == s0) copy_b(j0, columns, p0, k, to, tile_width);
              t.b = to;
              t.b_step = tile_width;
            }
            t.c = p.c + r0 * p.ldc + j0;
            t.bias = first && p.bias ? p.bias + j0 : nullptr;
            if (columns < tile_width)
              ragged_tile(t, r1 - r0, columns, log_vectors);
            else
              kernels.tile[log_vectors][r1 - r0 - 1](t);
          }
          if (last && q + block >= q1) p.done(r0, r1);
        }
      }
    }
  }

  /// Cuts C into a grid of about equal parts, one per thread.
  void run_parallel(Index threads) const {
    Index rows = 1, columns = 1;
    double best = 0;
    for (Index r = 1; r <= std::min(threads, strips); ++r) {
      if (problem.done.call && r < std::min(threads, strips)) continue;  // rows have to be finished by one thread
      const Index c = problem.done.call ? 1 : std::min(threads / r, panels);
      const double m = static_cast<double>(divide_up(strips, r) * divide_up(problem.m, strips));
      const double n = static_cast<double>(divide_up(panels, c) * width);
      // Per step of k: the sums, and the share of A and B that every thread reads (and B packs) for itself.
      const double cost = m * n / static_cast<double>(2 * kernels.lanes) + (m + n) / 4;
      if (best == 0 || cost < best) {
        best = cost;
        rows = r;
        columns = c;
      }
    }
    parallel_for(rows * columns, 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index r = i / columns, c = i % columns;
        run(strips * r / rows, strips * (r + 1) / rows, panels * c / columns, panels * (c + 1) / columns);
      }
    });
  }
};

/// Products with few columns (or few rows, `flipped`) and long sums: sums of `long_side` rows of x with each of y.
template <class S>
void gemm_dots(const GemmProblem<S>& p, bool flipped) {
  const GemmKernels<S>& kernels = gemm_kernels<S>();
  const Index lanes = kernels.lanes, many = flipped ? p.n : p.m, few = flipped ? p.m : p.n;
  const S* const x = flipped ? p.b : p.a;
  const Index ldx = flipped ? p.ldb : p.lda;
  const S* y = flipped ? p.a : p.b;
  Index ldy = flipped ? p.lda : p.ldb;
  if (flipped ? p.options.transpose_a : !p.options.transpose_b) {
    S* const packed = GemmScratch::get<S>(0, few * p.k);
    for (Index j = 0; j < few; ++j) {
      for (Index q = 0; q < p.k; ++q) packed[j * p.k + q] = y[q * ldy + j];
    }
    y = packed;
    ldy = p.k;
  }
  const Index blocks = divide_up(many, lanes), threads = gemm_threads(p.flops());
  parallel_for(blocks, divide_up(blocks, threads), [&](Index begin, Index end) {
    alignas(64) S sums[16];
    for (Index block = begin; block < end; ++block) {
      const Index i0 = block * lanes, count = std::min(lanes, many - i0);
      for (Index j = 0; j < few; ++j) {
        kernels.dot(count, p.k, x + i0 * ldx, ldx, y + j * ldy, sums);
        for (Index i = 0; i < count; ++i) flipped ? p.store(j, i0 + i, sums[i]) : p.store(i0 + i, j, sums[i]);
      }
    }
    if (!flipped) p.done(begin * lanes, std::min(p.m, end * lanes));
  });
  if (flipped) p.done(0, p.m);
}

template <class S>
void gemm_run(const GemmProblem<S>& p);

/// Few columns out of a transposed A: the transposed product has few rows, and vectors along them.
template <class S>
void gemm_flipped(const GemmProblem<S>& p) {
  S* const flipped = GemmScratch::get<S>(1, p.n * p.m);
  gemm_run(GemmProblem<S>{p.n,
                          p.m,
                          p.k,
                          p.b,
                          p.ldb,
                          p.a,
                          p.lda,
                          flipped,
                          p.m,
                          {.transpose_a = !p.options.transpose_b},
                          nullptr,
                          false,
                          {}});
  for (Index i = 0; i < p.m; ++i) {
    for (Index j = 0; j < p.n; ++j) p.store(i, j, flipped[j * p.m + i]);
  }
  p.done(0, p.m);
}

template <class S>
void gemm_run(const GemmProblem<S>& p) {
  constexpr Index few = 4;
  if (p.m <= 0 || p.n <= 0) return;
  if (p.k <= 0) {
    for (Index i = 0; i < p.m; ++i) {
      for (Index j = 0; j < p.n; ++j) p.store(i, j, S{0});
    }
    return p.done(0, p.m);
  }
  const bool long_sums = p.k >= 2 * gemm_kernels<S>().lanes;
  if (p.n <= few && !p.options.transpose_a && long_sums) return gemm_dots(p, false);
  if (p.m <= few && p.options.transpose_b && long_sums) return gemm_dots(p, true);
  if (p.n <= few && p.m > few && p.options.transpose_a) return gemm_flipped(p);
  const GemmPlan<S> plan(p);
  const Index threads = gemm_threads(p.flops());
  if (threads > 1) return plan.run_parallel(threads);
  plan.run(0, plan.strips, 0, plan.panels);
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
