// Threads: how many, and loops over index ranges whose result does not depend on it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace pushforward {

/// Sizes, axes and positions: signed, 64 bits on 64-bit machines (the same type as Eigen::Index).
using Index = std::ptrdiff_t;

namespace detail {

inline std::atomic<int>& thread_count() {
#ifdef _OPENMP
  static std::atomic<int> count{std::max(1, omp_get_max_threads())};
#else
  static std::atomic<int> count{1};
#endif
  return count;
}

}  // namespace detail

/// The number of threads that one operation may use.
inline int num_threads() { return detail::thread_count().load(std::memory_order_relaxed); }

/// Sets the number of threads that one operation may use (at least 1; without OpenMP it stays 1). Results do not
/// depend on it, to the last bit.
inline void set_num_threads([[maybe_unused]] int count) {
#ifdef _OPENMP
  detail::thread_count().store(std::max(1, count), std::memory_order_relaxed);
#endif
}

namespace detail {

// A body with its type erased, so that the fork is compiled once.
struct RangeBody {
  void (*call)(const void* body, Index begin, Index end);
  const void* body;
  void operator()(Index begin, Index end) const { call(body, begin, end); }
};

inline void run_ranges(Index n, [[maybe_unused]] Index grain, RangeBody body) {
#ifdef _OPENMP
  const Index chunks = (n + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<Index>(num_threads(), chunks));
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
    {
      const Index team = omp_get_num_threads(), me = omp_get_thread_num();
      const Index begin = chunks * me / team * grain, end = std::min(n, chunks * (me + 1) / team * grain);
      if (begin < end) body(begin, end);
    }
    return;
  }
#endif
  body(Index{0}, n);
}

}  // namespace detail

/// Calls `body(begin, end)` over disjoint ranges that cover [0, n). Ranges begin at multiples of `grain` (the last may
/// be short) and one thread handles at least `grain` indices, so a grain of about 20 us of work pays for the fork.
/// `body` must not throw, and must give the same result for an index whatever range it comes in.
template <class Body>
void parallel_for(Index n, Index grain, const Body& body) {
  if (n <= 0) return;
  detail::run_ranges(
      n, grain, {[](const void* f, Index begin, Index end) { (*static_cast<const Body*>(f))(begin, end); }, &body});
}

}  // namespace pushforward
