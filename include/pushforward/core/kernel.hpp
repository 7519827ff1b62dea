// vectorized(): one loop compiled for several instruction sets, and the elementwise loops that stand on it.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward::detail {

// `flatten` inlines the whole body into these functions, so that it is compiled, and vectorized by the compiler, for
// their instruction set. They are not inlined themselves: a caller that is built for the same CPU, but tuned for
// narrower vectors, would make theirs as narrow.
template <class Body>
PUSHFORWARD_FLATTEN auto run_baseline(const Body& body) {
  return body();
}
#if PUSHFORWARD_X86
template <class Body>
PUSHFORWARD_FLATTEN PUSHFORWARD_TARGET_AVX2 __attribute__((noinline)) auto run_avx2(const Body& body) {
  return body();
}
template <class Body>
PUSHFORWARD_FLATTEN PUSHFORWARD_TARGET_AVX512 __attribute__((noinline)) auto run_avx512(const Body& body) {
  return body();
}
#endif

// Runs `body()` compiled for the best instruction set of this CPU. It should capture by value (so that the compiler
// sees plain local pointers) and call only what can be inlined.
template <class Body>
auto vectorized(const Body& body) {
#if PUSHFORWARD_LEAST_ISA == 2
  return run_avx512(body);
#elif PUSHFORWARD_X86
  if (isa() == Isa::avx512) return run_avx512(body);
#if PUSHFORWARD_LEAST_ISA == 1
  return run_avx2(body);
#else
  if (isa() == Isa::avx2) return run_avx2(body);
#endif
#endif
#if PUSHFORWARD_LEAST_ISA == 0
  return run_baseline(body);
#endif
}

template <class F, class Out, class... In>
PUSHFORWARD_INLINE void map_loop(const F& f, Index n, Out* __restrict out, const In* __restrict... in) {
  PUSHFORWARD_SIMD
  for (Index i = 0; i < n; ++i) out[i] = f(in[i]...);
}

// Double is what oracles use and its functions are not vectorized: one instruction set will do.
template <class S, class Body>
void vectorized_unless_double(const Body& body) {
  if constexpr (sizeof(S) == 8)
    body();
  else
    vectorized(body);
}

// out[i] = f(in[i]...) for i in [0, n), on this thread.
template <class F, class Out, class... In>
void map_serial(const F& f, Index n, Out* out, const In*... in) {
  vectorized_unless_double<Out>([=] { map_loop(f, n, out, in...); });
}

// How many elements one thread takes at least: about 20 us of a cheap loop.
inline constexpr Index elementwise_grain = 32768;

// out[i] = f(in[i]...) for i in [0, n).
template <class F, class Out, class... In>
void map_parallel(const F& f, Index n, Out* out, const In*... in) {
  if (n <= elementwise_grain) return map_serial(f, n, out, in...);
  parallel_for(n, elementwise_grain,
               [&](Index begin, Index end) { map_serial(f, end - begin, out + begin, (in + begin)...); });
}

}  // namespace pushforward::detail
