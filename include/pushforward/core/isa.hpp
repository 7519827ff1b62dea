// Instruction sets: kernels are compiled for several and the best one is picked at run time.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define PUSHFORWARD_X86 1
#if defined(__clang__)
#define PUSHFORWARD_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), min_vector_width(512)))
#else
#define PUSHFORWARD_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")))
#endif
#define PUSHFORWARD_TARGET_AVX2 __attribute__((target("avx2,fma")))
#else
#define PUSHFORWARD_X86 0
#define PUSHFORWARD_TARGET_AVX512
#define PUSHFORWARD_TARGET_AVX2
#endif

// The weakest instruction set that the compiler flags promise: kernels for weaker ones are not compiled at all.
#if PUSHFORWARD_X86 && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define PUSHFORWARD_LEAST_ISA 2
#elif PUSHFORWARD_X86 && defined(__AVX2__) && defined(__FMA__)
#define PUSHFORWARD_LEAST_ISA 1
#else
#define PUSHFORWARD_LEAST_ISA 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PUSHFORWARD_INLINE inline __attribute__((always_inline))
#define PUSHFORWARD_FLATTEN __attribute__((flatten))
#else
#define PUSHFORWARD_INLINE inline
#define PUSHFORWARD_FLATTEN
#endif

// Before the body of a function that a program need not compile itself: one that links the compiled library (CMake
// target `pushforward::compiled`, which sets PUSHFORWARD_COMPILED) finds it there.
#ifdef PUSHFORWARD_COMPILING
#define PUSHFORWARD_ONCE
#else
#define PUSHFORWARD_ONCE inline
#endif

// Before a loop whose arrays do not overlap: with it g++ vectorizes loops of unknown length at -O2, too, and compiles
// them faster. clang++ needs no such word, and would warn where it cannot obey.
#if defined(__clang__)
#define PUSHFORWARD_SIMD
#elif defined(_OPENMP) || defined(PUSHFORWARD_HAS_OPENMP_SIMD)
#define PUSHFORWARD_SIMD _Pragma("omp simd")
#elif defined(__GNUC__)
#define PUSHFORWARD_SIMD _Pragma("GCC ivdep")
#else
#define PUSHFORWARD_SIMD
#endif

namespace pushforward {

/// Instruction sets that kernels are compiled for, weakest first.
enum class Isa { baseline, avx2, avx512 };

namespace detail {

inline Isa detect_isa() {
#if PUSHFORWARD_X86
  Isa best = Isa::baseline;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::avx2;
  if (best == Isa::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    best = Isa::avx512;
  Isa limit = best;
  if (const char* name = std::getenv("PUSHFORWARD_ISA")) {
    if (std::strcmp(name, "baseline") == 0) limit = Isa::baseline;
    if (std::strcmp(name, "avx2") == 0) limit = Isa::avx2;
  }
  constexpr Isa least = static_cast<Isa>(PUSHFORWARD_LEAST_ISA);
  return std::max(std::min(best, limit), least);
#else
  return Isa::baseline;
#endif
}

}  // namespace detail

/// The instruction set that kernels run with: the best one of this CPU, or a weaker one named by the environment
/// variable `PUSHFORWARD_ISA` (`baseline`, `avx2`; not weaker than what the compiler flags promise).
inline Isa isa() {
  static const Isa best = detail::detect_isa();
  return best;
}

}  // namespace pushforward
