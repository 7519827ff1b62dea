#include <pushforward/core/threads.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include <pushforward/core/isa.hpp>
#include <pushforward/core/kernel.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

namespace {

class Threads {
 public:
  explicit Threads(int count) : before_(pf::num_threads()) { pf::set_num_threads(count); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { pf::set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace

TEST_CASE("parallel_for visits every index once, in ranges that begin at multiples of the grain") {
  for (const int count : {1, 2, 3, 8}) {
    const Threads threads(count);
    for (const Index n : {0, 1, 2, 7, 64, 100, 1001})
      for (const Index grain : {1, 2, 7, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
        std::atomic<int> misplaced{0}, ranges{0};
        pf::parallel_for(n, grain, [&](Index begin, Index end) {
          ++ranges;
          if (begin >= end || begin % grain != 0 || (end != n && end % grain != 0)) ++misplaced;
          for (Index i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        INFO(count << " threads, n " << n << ", grain " << grain);
        int wrong = 0;
        for (const auto& visit : visits) wrong += visit != 1;
        CHECK(wrong == 0);
        CHECK(misplaced == 0);
        CHECK(ranges <= count);
        if (n <= grain) CHECK(ranges == (n > 0));
      }
  }
}

TEST_CASE("a parallel loop inside another runs on its thread") {
  const Threads threads(4);
  std::atomic<Index> total{0};
  pf::parallel_for(8, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) pf::parallel_for(10, 1, [&](Index b, Index e) { total += e - b; });
  });
  CHECK(total == 80);
}

TEST_CASE("loops of several threads run side by side") {
  std::atomic<Index> total{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) pf::parallel_for(100, 10, [&](Index begin, Index end) { total += end - begin; });
    });
  for (auto& thread : threads) thread.join();
  CHECK(total == 4 * 50 * 100);
}

TEST_CASE("many short loops from many threads: each ends with all of its indices visited") {
  const Threads threads(6);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      std::vector<int> visits(60);
      for (int k = 1; k <= 3000; ++k) {
        pf::parallel_for(60, 1, [&](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (const int visit : visits) wrong += visit != k;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a child process has the caller alone and still ends its loops") {
  const Threads threads(4);
  std::atomic<Index> total{0};
  pf::parallel_for(40, 1, [&](Index begin, Index end) { total += end - begin; });
  const pid_t child = fork();
  if (child == 0) {
    total = 0;
    pf::parallel_for(40, 1, [&](Index begin, Index end) { total += end - begin; });
    _exit(total == 40 ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("the number of threads is at least one") {
  const Threads threads(0);
  CHECK(pf::num_threads() == 1);
  pf::set_num_threads(-3);
  CHECK(pf::num_threads() == 1);
}

TEST_CASE("a vectorized loop gives what a plain one gives, on whichever instruction set") {
  std::vector<float> x(1003), y(1003);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.25f;
  pf::detail::map_parallel([](float v) { return v * 2 + 1; }, static_cast<Index>(x.size()), y.data(), x.data());
  int wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) wrong += y[i] != x[i] * 2 + 1;
  CHECK(wrong == 0);
  CHECK(pf::detail::vectorized([] { return 42; }) == 42);
  CHECK(pf::isa() <= pf::detail::detect_isa());
}
