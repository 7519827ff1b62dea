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

inline bool stderr_is_terminal() {
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return isatty(2) != 0;
#endif
}

inline std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::min(seconds, 3.5e6)));
  char text[40];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

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
  void batch(Index epoch, Index done, double mean_loss) {
    if (mode_ != Progress::bar || (drawn_ && clock_.seconds() - last_ < 0.1)) return;
    draw(epoch, done, mean_loss);
  }
  void epoch(const EpochReport& report) {
    validation_ = report.validation_loss;
    if (mode_ == Progress::bar) draw(report.epoch, rows_, report.train_loss);
    if (mode_ != Progress::lines || (report.epoch < epochs_ && last_ > 0 && clock_.seconds() - last_ < 1)) return;
    last_ = clock_.seconds();
    std::fprintf(stderr, "epoch %ld/%ld  %s\n", static_cast<long>(report.epoch), static_cast<long>(epochs_),
                 numbers(report.epoch, rows_, report.train_loss).c_str());
  }

 private:
  std::string numbers(Index epoch, Index done, double loss) const {
    const double all = static_cast<double>((epoch - 1 - first_) * rows_ + done), elapsed = clock_.seconds();
    const double left = static_cast<double>((epochs_ - first_) * rows_) - all;
    char text[160], validation[48] = "";
    if (!std::isnan(validation_)) std::snprintf(validation, sizeof validation, "  validation %.5g", validation_);
    std::snprintf(text, sizeof text, "loss %.5g%s  %.3g items/s  ETA %s", loss, validation,
                  all / std::max(elapsed, 1e-9), duration_text(all > 0 ? elapsed * left / all : 0).c_str());
    return text;
  }
  void draw(Index epoch, Index done, double loss) {
    constexpr int width = 20;
    const int filled = static_cast<int>(width * done / std::max<Index>(rows_, 1));
    std::string bar(static_cast<std::size_t>(filled), '=');
    bar.resize(width, ' ');
    std::fprintf(stderr, "\repoch %ld/%ld [%s] %s\033[K", static_cast<long>(epoch), static_cast<long>(epochs_),
                 bar.c_str(), numbers(epoch, done, loss).c_str());
    std::fflush(stderr);
    drawn_ = true;
    last_ = clock_.seconds();
  }

  Progress mode_;
  Index first_, epochs_, rows_;
  Stopwatch clock_;
  double last_ = 0, validation_ = std::nan("");
  bool drawn_ = false;
};

}  // namespace detail

}  // namespace pushforward
