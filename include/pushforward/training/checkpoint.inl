// Bodies of checkpoint.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/training/checkpoint.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE std::string tensor_name(const Path& path) {
  std::string name = path.str();
  return name.empty() ? "value" : name;
}

PUSHFORWARD_ONCE std::string describe(const AnyTensor& value) {
  const Shape shape = std::visit([](const auto& t) { return t.shape(); }, value);
  return concatenate(tensor_types[value.index()].name, shape);
}

PUSHFORWARD_ONCE std::string listing(const std::vector<std::string>& items) {
  constexpr std::size_t most = 6;
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < most; ++i) text += (i ? ", " : "") + items[i];
  return items.size() > most ? concatenate(text, " and ", items.size() - most, " more") : text;
}

PUSHFORWARD_ONCE TrainingFile::TrainingFile(const std::string& path) : path_(path), content_(load_safetensors(path)) {
  if (!content_.metadata.contains("training_state"))
    fail<IoError>("load_training_state: ", path, " holds no state of a training; use load() for a model");
}

PUSHFORWARD_ONCE void TrainingFile::save(const std::string& path) {
  content_.metadata["format"] = "pushforward";
  content_.metadata["training_state"] = "1";
  save_safetensors(path, content_.tensors, content_.metadata);
}

PUSHFORWARD_ONCE std::uint64_t TrainingFile::integer(const std::string& name) const {
  const std::string text = this->text(name);
  const bool number = !text.empty() && text.size() <= 20 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!number) broken(name);
  return std::strtoull(text.c_str(), nullptr, 10);
}

PUSHFORWARD_ONCE const std::string& TrainingFile::text(const std::string& name) const {
  const auto at = content_.metadata.find(name);
  if (at == content_.metadata.end()) broken(name);
  return at->second;
}

PUSHFORWARD_ONCE double TrainingFile::number(const std::string& name) const {
  const Tensor<double> value = tensor<double>(name);
  if (value.size() != 1) broken(name);
  return value.item();
}

PUSHFORWARD_ONCE std::vector<NamedTensor> TrainingFile::model(const std::string& folder) const {
  const std::string start = prefix(folder);
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& t : content_.tensors)
    if (folder.empty() ? !t.name.starts_with(training_prefix) : t.name.starts_with(start))
      tensors.push_back({t.name.substr(start.size()), t.value});
  return tensors;
}

PUSHFORWARD_ONCE void put_optimizer(TrainingFile& file, const OptimizerState& state) {
  file.put("optimizer", state.kind);
  file.put("optimizer_skipped", static_cast<std::uint64_t>(state.skipped));
  file.put("optimizer_learning_rate", Tensor<double>::scalar(state.learning_rate));
  put_moments(file, "optimizer_f32", state.single);
  put_moments(file, "optimizer_f64", state.twice);
}

PUSHFORWARD_ONCE OptimizerState get_optimizer(const TrainingFile& file) {
  return {file.text("optimizer"), file.number("optimizer_learning_rate"), file.index("optimizer_skipped"),
          get_moments<float>(file, "optimizer_f32"), get_moments<double>(file, "optimizer_f64")};
}

PUSHFORWARD_ONCE void put_rng(TrainingFile& file, const std::string& name, const Rng::State& state) {
  file.put(name + "_key", state.key);
  file.put(name + "_stream", state.stream);
  file.put(name + "_position", state.position);
  file.put(name + "_splits", state.splits);
}

PUSHFORWARD_ONCE Rng::State get_rng(const TrainingFile& file, const std::string& name) {
  return {file.integer(name + "_key"), file.integer(name + "_stream"), file.integer(name + "_position"),
          file.integer(name + "_splits")};
}

PUSHFORWARD_ONCE void put_history(TrainingFile& file, const History& history) {
  std::vector<double> numbers;
  for (const EpochReport& e : history.epochs)
    for (double x : {static_cast<double>(e.epoch), static_cast<double>(e.epochs), static_cast<double>(e.steps),
                     e.train_loss, e.validation_loss, e.learning_rate, e.seconds})
      numbers.push_back(x);
  file.put("history", Tensor<double>({static_cast<Index>(history.epochs.size()), 7}, numbers));
  file.put("best_epoch", static_cast<std::uint64_t>(history.best_epoch));
  file.put("stopped_early", std::uint64_t{history.stopped_early});
}

PUSHFORWARD_ONCE History get_history(const TrainingFile& file) {
  const std::vector<double> numbers = file.tensor<double>("history").to_vector();
  History history;
  for (std::size_t i = 0; i + 7 <= numbers.size(); i += 7) {
    const double* n = numbers.data() + i;
    history.epochs.push_back(
        {static_cast<Index>(n[0]), static_cast<Index>(n[1]), static_cast<Index>(n[2]), n[3], n[4], n[5], n[6]});
  }
  history.best_epoch = file.index("best_epoch");
  history.stopped_early = file.integer("stopped_early") != 0;
  return history;
}

}  // namespace pushforward::detail
