// History: what a training reported, epoch by epoch.
#pragma once

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include <pushforward/core/threads.hpp>
#include <pushforward/io/file.hpp>

namespace pushforward {

/// What is known at the end of an epoch.
struct EpochReport {
  Index epoch = 0;        ///< from 1
  Index epochs = 0;       ///< how many there will be at most
  Index steps = 0;        ///< of the optimizer, since the training began
  double train_loss = 0;  ///< mean over the rows of the epoch, while they were trained
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN without validation data
  double learning_rate = 0;                                           ///< of the last step
  double seconds = 0;                                                 ///< the epoch took
};

/// The epochs of a training, and how it ended.
struct History {
  std::vector<EpochReport> epochs;
  Index best_epoch = 0;        ///< of the lowest validation loss; 0 without validation data
  bool stopped_early = false;  ///< by patience, or by a callback
  bool interrupted = false;    ///< by Ctrl-C

  std::vector<double> train_losses() const { return column(&EpochReport::train_loss); }
  std::vector<double> validation_losses() const { return column(&EpochReport::validation_loss); }

  /// Writes a table with a header line: epoch, steps, train_loss, validation_loss, learning_rate, seconds; what is not
  /// known stays empty. Throws IoError.
  void save_csv(const std::string& path) const;
  /// Writes one JSON object a line with the same fields; what is not known is null. Throws IoError.
  void save_jsonl(const std::string& path) const;

 private:
  std::vector<double> column(double EpochReport::*field) const;
  static std::string number(double x, const char* unknown);
};

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/training/history.inl>
#endif
