// Threads: how many, and loops over index ranges whose result does not depend on it.
#pragma once

#include <cstddef>

namespace pushforward {

/// Sizes, axes and positions: signed, 64 bits on 64-bit machines (the same type as Eigen::Index).
using Index = std::ptrdiff_t;

/// The number of threads that one operation may use: at first what the environment variable `PUSHFORWARD_NUM_THREADS`
/// says, or `OMP_NUM_THREADS`, or else as many as this process may run at once.
int num_threads();

/// Sets the number of threads that one operation may use, at least 1 and at most 256. Results do not depend on it, to
/// the last bit.
void set_num_threads(int count);

namespace detail {

// A body with its type erased, so that the fork is compiled once.
struct RangeBody {
  void (*call)(const void* body, Index begin, Index end);
  const void* body;
  void operator()(Index begin, Index end) const { call(body, begin, end); }
};

void run_ranges(Index n, Index grain, RangeBody body);

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

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/core/threads.inl>
#endif
