// Bodies of history.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/training/history.hpp>

namespace pushforward {

PUSHFORWARD_ONCE void History::save_csv(const std::string& path) const {
  std::string text = "epoch,steps,train_loss,validation_loss,learning_rate,seconds\n";
  for (const EpochReport& e : epochs)
    text += std::to_string(e.epoch) + "," + std::to_string(e.steps) + "," + number(e.train_loss, "") + "," +
            number(e.validation_loss, "") + "," + number(e.learning_rate, "") + "," + number(e.seconds, "") + "\n";
  write_file(path, text.data(), text.size());
}

PUSHFORWARD_ONCE void History::save_jsonl(const std::string& path) const {
  std::string text;
  for (const EpochReport& e : epochs)
    text += "{\"epoch\": " + std::to_string(e.epoch) + ", \"steps\": " + std::to_string(e.steps) +
            ", \"train_loss\": " + number(e.train_loss, "null") +
            ", \"validation_loss\": " + number(e.validation_loss, "null") +
            ", \"learning_rate\": " + number(e.learning_rate, "null") + ", \"seconds\": " + number(e.seconds, "null") +
            "}\n";
  write_file(path, text.data(), text.size());
}

PUSHFORWARD_ONCE std::vector<double> History::column(double EpochReport::*field) const {
  std::vector<double> values;
  for (const EpochReport& e : epochs) values.push_back(e.*field);
  return values;
}

PUSHFORWARD_ONCE std::string History::number(double x, const char* unknown) {
  if (!std::isfinite(x)) return unknown;
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", x);
  return text;
}

}  // namespace pushforward
