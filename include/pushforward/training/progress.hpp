// Progress of a training on the terminal.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include <pushforward/training/history.hpp>

namespace pushforward {

/// How a training shows its progress on stderr.
enum class Progress {
  automatic,  ///< a bar on a terminal, else lines
  bar,        ///< one line, redrawn
  lines,      ///< a line for each epoch, at most about one a second
  off,
};

namespace detail {

bool stderr_is_terminal();

std::string duration_text(double seconds);

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class ProgressPrinter {
 public:
  ProgressPrinter(Progress mode, Index first_epoch, Index epochs, Index rows)
      : mode_(mode == Progress::automatic ? (stderr_is_terminal() ? Progress::bar : Progress::lines) : mode),
        first_(first_epoch),
        epochs_(epochs),
        rows_(rows) {}
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  ~ProgressPrinter() {
    if (drawn_) std::fputc('\n', stderr);
  }

  // After a batch of epoch `epoch` (from 1), of which `done` rows are done.
  void batch(Index epoch, Index done, double mean_loss);
  void epoch(const EpochReport& report);

 private:
  std::string numbers(Index epoch, Index done, double loss) const;
  void draw(Index epoch, Index done, double loss);

  Progress mode_;
  Index first_, epochs_, rows_;
  Stopwatch clock_;
  double last_ = 0, validation_ = std::nan("");
  bool drawn_ = false;
};

}  // namespace detail

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/training/progress.inl>
#endif
