// The stopwatch that all benchmarks share, and the floating-point peak that they are held against.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <pushforward/core/isa.hpp>
#include <pushforward/core/memory.hpp>
#include <pushforward/core/threads.hpp>

namespace benchmark {

namespace pf = pushforward;

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// How long the timed part of each benchmark runs.
struct Settings {
  int threads = 1;
  double seconds = 3;
};

/// Something to time: one call of `step` handles `items` items and takes `flops` floating-point operations (matrix
/// products only, those that cannot be avoided).
struct Workload {
  std::string name, unit;
  double items, flops;
  std::function<void()> step;
};

struct Timing {
  double median, p10, p90;  // seconds
  std::size_t steps;
  double allocations;  // from the system, per step
};

/// Warms up for at least 4 steps and a second, then times single steps.
inline Timing measure(const std::function<void()>& step, double duration) {
  const double warm = seconds() + std::min(1.0, duration / 2);
  for (int i = 0; i < 4 || seconds() < warm; ++i) step();
  std::vector<double> times;
  const std::uint64_t before = pf::memory_stats().system_allocations;
  const double end = seconds() + duration;
  for (double now = seconds(); now < end || times.size() < 3;) {
    step();
    const double after = seconds();
    times.push_back(after - now);
    now = after;
  }
  const auto allocations = static_cast<double>(pf::memory_stats().system_allocations - before);
  std::sort(times.begin(), times.end());
  auto quantile = [&](double q) {
    return times[std::min(times.size() - 1, static_cast<std::size_t>(q * static_cast<double>(times.size())))];
  };
  return {quantile(0.5), quantile(0.1), quantile(0.9), times.size(), allocations / static_cast<double>(times.size())};
}

// Sixteen independent chains of fused multiply-adds on whole vector registers: what no program can exceed.
#define BENCHMARK_CHAINS(name, target, bytes)                             \
  target inline float name(long rounds) {                                 \
    typedef float Vector __attribute__((vector_size(bytes)));             \
    Vector x[16];                                                         \
    for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(i) - Vector{}; \
    for (long k = 0; k < rounds; ++k)                                     \
      for (int i = 0; i < 16; ++i) x[i] = x[i] * 0.999f + 1e-3f;          \
    for (int i = 1; i < 16; ++i) x[0] += x[i];                            \
    return x[0][0];                                                       \
  }
BENCHMARK_CHAINS(chains_baseline, , 16)
BENCHMARK_CHAINS(chains_avx2, PUSHFORWARD_TARGET_AVX2, 32)
BENCHMARK_CHAINS(chains_avx512, PUSHFORWARD_TARGET_AVX512, 64)
#undef BENCHMARK_CHAINS

/// The peak of fused multiply-adds in FLOP/s of one core, measured.
inline double peak_flops() {
  constexpr long rounds = 400'000;
  const auto chains = pf::isa() == pf::Isa::avx512 ? chains_avx512
                      : pf::isa() == pf::Isa::avx2 ? chains_avx2
                                                   : chains_baseline;
  const double lanes = pf::isa() == pf::Isa::avx512 ? 16 : pf::isa() == pf::Isa::avx2 ? 8 : 4;
  volatile float sink = chains(rounds);
  double best = 0;
  for (int i = 0; i < 7; ++i) {
    const double start = seconds();
    sink = chains(rounds);
    best = std::max(best, 2.0 * 16 * lanes * rounds / (seconds() - start));
  }
  (void)sink;
  return best;
}

inline double peak_resident_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

inline const char* isa_name() {
  return pf::isa() == pf::Isa::avx512 ? "avx512" : pf::isa() == pf::Isa::avx2 ? "avx2" : "baseline";
}

/// One line of JSON.
inline void report(const Workload& workload, const Timing& t, const Settings& settings, double peak) {
  std::printf(
      "{\"workload\": \"%s\", \"impl\": \"pushforward (%s)\", \"threads\": %d, \"unit\": \"%s\", \"value\": %.6g, "
      "\"median_ms\": %.4f, "
      "\"p10_ms\": %.4f, \"p90_ms\": %.4f, \"steps\": %zu, \"system_allocations_per_step\": %.4g, \"gflops\": %.1f, "
      "\"fma_peak_gflops\": %.1f, \"share_of_peak\": %.3f, \"peak_rss_mb\": %.1f}\n",
      workload.name.c_str(), isa_name(), settings.threads, workload.unit.c_str(), workload.items / t.median,
      t.median * 1e3, t.p10 * 1e3, t.p90 * 1e3, t.steps, t.allocations, workload.flops / t.median / 1e9,
      peak * settings.threads / 1e9, workload.flops / t.median / (peak * settings.threads), peak_resident_mb());
  std::fflush(stdout);
}

}  // namespace benchmark
