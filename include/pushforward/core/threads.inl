// Bodies of threads.hpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <thread>

#include <pushforward/core/isa.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward::detail {

// One loop at a time, cut into shares that threads claim. The caller claims what no worker has begun, so that a worker
// that the system does not run delays nothing; and a worker without work soon sleeps, so that it keeps no one from the
// CPU.
class ThreadPool {
 public:
  static constexpr int most_threads = 256;

  // Never destroyed: workers may sleep in it until the process is gone.
  static ThreadPool& shared() {
    static ThreadPool& pool = *new ThreadPool;
    return pool;
  }

  std::atomic<int> asked{0};

  // False if a loop runs already, in this thread or another.
  bool run(Index n, Index grain, int shares, RangeBody body) {
    if (inside() || busy_.exchange(true, std::memory_order_acquire)) return false;
    add_workers(shares - 1);
    loop_ = {body, n, grain};
    finished_.store(0, std::memory_order_relaxed);
    const std::uint64_t generation = (claims_.load(std::memory_order_relaxed) >> 32) + 1;
    claims_.store(generation << 32 | static_cast<std::uint64_t>(shares) << 16, std::memory_order_release);
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_all();
    inside() = true;
    claim_shares();
    inside() = false;
    await(finished_, [=](std::uint32_t count) { return count == static_cast<std::uint32_t>(shares); });
    busy_.store(false, std::memory_order_release);
    return true;
  }

 private:
  struct Loop {
    RangeBody body{};
    Index n = 0, grain = 1;
  };

  ThreadPool() = default;

  static bool& inside() {
    static thread_local bool value = false;
    return value;
  }

  void add_workers(int count) {
    try {
      for (; workers_ < count; ++workers_) std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {  // the system gives no more: the caller does what is left
    }
  }

  void work() {
    inside() = true;
    std::uint32_t seen = 0;
    for (;;) {
      seen = await(calls_, [seen](std::uint32_t call) { return call != seen; });
      claim_shares();
    }
  }

  // A share is claimed by raising the last 16 bits of (generation, number of shares, next share). Who succeeds knows
  // that the loop is still that of this generation: it ends only after all of its shares.
  void claim_shares() {
    std::uint64_t claims = claims_.load(std::memory_order_acquire);
    for (;;) {
      const auto shares = static_cast<Index>(claims >> 16 & 0xffff), mine = static_cast<Index>(claims & 0xffff);
      if (mine >= shares) return;
      if (!claims_.compare_exchange_weak(claims, claims + 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      const Index chunks = (loop_.n + loop_.grain - 1) / loop_.grain;
      const Index begin = chunks * mine / shares * loop_.grain;
      const Index end = std::min(loop_.n, chunks * (mine + 1) / shares * loop_.grain);
      loop_.body(begin, end);
      if (finished_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(shares))
        finished_.notify_one();
      claims = claims_.load(std::memory_order_acquire);
    }
  }

  // Spins for about 0.1 ms, the time between two loops of a training step, then sleeps.
  template <class Done>
  static std::uint32_t await(const std::atomic<std::uint32_t>& value, const Done& done) {
    for (int spin = 0; spin < 2000; ++spin) {
      const std::uint32_t now = value.load(std::memory_order_acquire);
      if (done(now)) return now;
#if PUSHFORWARD_X86
      __builtin_ia32_pause();
#endif
    }
    for (;;) {
      const std::uint32_t now = value.load(std::memory_order_acquire);
      if (done(now)) return now;
      value.wait(now, std::memory_order_acquire);
    }
  }

  std::atomic<bool> busy_{false};
  int workers_ = 0;
  Loop loop_;
  alignas(64) std::atomic<std::uint64_t> claims_{0};
  alignas(64) std::atomic<std::uint32_t> calls_{0};
  alignas(64) std::atomic<std::uint32_t> finished_{0};
};

PUSHFORWARD_ONCE int threads_at_start() {
  for (const char* name : {"PUSHFORWARD_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const char* text = std::getenv(name))
      if (const int count = std::atoi(text); count > 0) return std::min(count, ThreadPool::most_threads);
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, ThreadPool::most_threads);
}

PUSHFORWARD_ONCE void run_ranges(Index n, Index grain, RangeBody body) {
  const Index shares = n > grain ? std::min<Index>(num_threads(), (n + grain - 1) / grain) : 1;
  if (shares <= 1 || !ThreadPool::shared().run(n, grain, static_cast<int>(shares), body)) body(Index{0}, n);
}

}  // namespace pushforward::detail

namespace pushforward {

PUSHFORWARD_ONCE int num_threads() {
  std::atomic<int>& asked = detail::ThreadPool::shared().asked;
  if (const int count = asked.load(std::memory_order_relaxed)) return count;
  const int count = detail::threads_at_start();
  int none = 0;
  return asked.compare_exchange_strong(none, count, std::memory_order_relaxed) ? count : none;
}

PUSHFORWARD_ONCE void set_num_threads(int count) {
  detail::ThreadPool::shared().asked.store(std::clamp(count, 1, detail::ThreadPool::most_threads),
                                           std::memory_order_relaxed);
}

}  // namespace pushforward
