// Times a command from start to exit, as often as fits: the clock of benchmarks/run.sh for whole processes.
#include <spawn.h>
#include <sys/wait.h>

#include <cstring>

#include "harness.hpp"

extern char** environ;

// time_command NAME THREADS SECONDS COMMAND [ARGUMENT ...]
int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: time_command NAME THREADS SECONDS COMMAND [ARGUMENT ...]\n");
    return 2;
  }
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1, 0);
  rusage usage{};
  const auto once = [&] {
    pid_t child = 0;
    int status = 0;
    if (posix_spawn(&child, argv[4], &quiet, nullptr, argv + 4, environ) != 0 ||
        wait4(child, &status, 0, &usage) != child || status != 0) {
      std::fprintf(stderr, "time_command: %s failed\n", argv[4]);
      std::exit(1);
    }
  };
  const benchmark::Timing t = benchmark::measure(once, std::atof(argv[3]));
  std::printf(
      "{\"workload\": \"%s\", \"impl\": \"pushforward (%s)\", \"threads\": %s, \"unit\": \"s\", \"value\": %.6g, "
      "\"median_ms\": %.4f, "
      "\"p10_ms\": %.4f, \"p90_ms\": %.4f, \"steps\": %zu, \"peak_rss_mb\": %.1f}\n",
      argv[1], benchmark::isa_name(), argv[2], t.median, t.median * 1e3, t.p10 * 1e3, t.p90 * 1e3, t.steps,
      static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}
