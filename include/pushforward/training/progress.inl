// Bodies of progress.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/training/progress.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE bool stderr_is_terminal() {
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return isatty(2) != 0;
#endif
}

PUSHFORWARD_ONCE std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::min(seconds, 3.5e6)));
  char text[40];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

PUSHFORWARD_ONCE void ProgressPrinter::batch(Index epoch, Index done, double mean_loss) {
  if (mode_ != Progress::bar || (drawn_ && clock_.seconds() - last_ < 0.1)) return;
  draw(epoch, done, mean_loss);
}

PUSHFORWARD_ONCE void ProgressPrinter::epoch(const EpochReport& report) {
  validation_ = report.validation_loss;
  if (mode_ == Progress::bar) draw(report.epoch, rows_, report.train_loss);
  if (mode_ != Progress::lines || (report.epoch < epochs_ && last_ > 0 && clock_.seconds() - last_ < 1)) return;
  last_ = clock_.seconds();
  std::fprintf(stderr, "epoch %ld/%ld  %s\n", static_cast<long>(report.epoch), static_cast<long>(epochs_),
               numbers(report.epoch, rows_, report.train_loss).c_str());
}

PUSHFORWARD_ONCE std::string ProgressPrinter::numbers(Index epoch, Index done, double loss) const {
  const double all = static_cast<double>((epoch - 1 - first_) * rows_ + done), elapsed = clock_.seconds();
  const double left = static_cast<double>((epochs_ - first_) * rows_) - all;
  char text[160], validation[48] = "";
  if (!std::isnan(validation_)) std::snprintf(validation, sizeof validation, "  validation %.5g", validation_);
  std::snprintf(text, sizeof text, "loss %.5g%s  %.3g items/s  ETA %s", loss, validation, all / std::max(elapsed, 1e-9),
                duration_text(all > 0 ? elapsed * left / all : 0).c_str());
  return text;
}

PUSHFORWARD_ONCE void ProgressPrinter::draw(Index epoch, Index done, double loss) {
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

}  // namespace pushforward::detail
