// Saving and loading models, and trainings that are to be resumed with the same bits.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <pushforward/io/safetensors.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/training/history.hpp>
#include <pushforward/training/optimizer.hpp>

namespace pushforward {

namespace detail {

// What begins with this is not part of the model.
inline constexpr std::string_view training_prefix = "training_state/";

std::string tensor_name(const Path& path);

struct NameTensors final : Visitor {
  std::vector<NamedTensor> found;
  template <class S>
  void add(const Path& path, const Tensor<S>& value) {
    if (!value.empty()) found.push_back({tensor_name(path), stop_gradient(value)});
  }
  void parameter(const Path& path, Parameter<float>& p) override { add(path, p.tensor()); }
  void parameter(const Path& path, Parameter<double>& p) override { add(path, p.tensor()); }
  void buffer(const Path& path, Buffer<float>& b) override { add(path, b.tensor()); }
  void buffer(const Path& path, Buffer<double>& b) override { add(path, b.tensor()); }
  void buffer(const Path& path, Buffer<Index>& b) override { add(path, b.tensor()); }
};

// Gives the members of a module, in the order of its walk, the values that were found for them.
struct AssignTensors final : Visitor {
  const std::vector<const AnyTensor*>& values;
  std::size_t next = 0;
  explicit AssignTensors(const std::vector<const AnyTensor*>& found) : values(found) {}
  template <class Member, class S>
  void assign(Member& member, const Tensor<S>& value) {
    if (!value.empty()) member = std::get<Tensor<S>>(*values[next++]);
  }
  void parameter(const Path&, Parameter<float>& p) override { assign(p, p.tensor()); }
  void parameter(const Path&, Parameter<double>& p) override { assign(p, p.tensor()); }
  void buffer(const Path&, Buffer<float>& b) override { assign(b, b.tensor()); }
  void buffer(const Path&, Buffer<double>& b) override { assign(b, b.tensor()); }
  void buffer(const Path&, Buffer<Index>& b) override { assign(b, b.tensor()); }
};

std::string describe(const AnyTensor& value);

// A few of `items`, and how many more there are.
std::string listing(const std::vector<std::string>& items);

}  // namespace detail

/// The parameters and buffers of a model by name, "encoder.layers.0.weight". It shares the model's numbers, and keeps
/// them when the model is trained on.
template <class M>
std::vector<NamedTensor> named_tensors(const M& model) {
  detail::NameTensors visitor;
  walk(const_cast<M&>(model), visitor);  // the walk of a model that may not change is the same
  return std::move(visitor.found);
}

/// Gives every parameter and buffer of `model` the tensor of its name. Throws ValueError that lists what is missing,
/// left over, or of another shape or type; then nothing has been changed. `source` is named in the error.
template <class M>
void assign_tensors(M& model, const std::vector<NamedTensor>& tensors, const std::string& source = "assign_tensors") {
  std::map<std::string_view, const AnyTensor*> given;
  for (const NamedTensor& t : tensors) given[t.name] = &t.value;
  std::vector<std::string> missing, unexpected, different;
  std::vector<const AnyTensor*> values;
  for (const NamedTensor& own : named_tensors(model)) {
    const auto at = given.find(own.name);
    if (at == given.end()) {
      missing.push_back(own.name);
      continue;
    }
    const std::string expected = detail::describe(own.value), got = detail::describe(*at->second);
    if (expected != got) different.push_back(own.name + " (got " + got + ", expected " + expected + ")");
    values.push_back(at->second);
    given.erase(at);
  }
  for (const auto& [name, value] : given) unexpected.emplace_back(name);
  if (!missing.empty() || !unexpected.empty() || !different.empty())
    fail<ValueError>(source, ": the tensors do not fit the model",
                     missing.empty() ? "" : "; missing: ", detail::listing(missing),
                     unexpected.empty() ? "" : "; unexpected: ", detail::listing(unexpected),
                     different.empty() ? "" : "; different: ", detail::listing(different),
                     "; build the model with the options it was saved with");
  detail::AssignTensors visitor(values);
  walk(model, visitor);
}

/// Writes the parameters and buffers of `model` as a safetensors file, with text about it if wanted. Throws IoError.
template <class M>
void save(const M& model, const std::string& path, std::map<std::string, std::string> metadata = {}) {
  metadata.emplace("format", "pushforward");
  save_safetensors(path, named_tensors(model), metadata);
}

/// Reads what save() wrote into a model built alike, or the model of a training's checkpoint. Names, shapes and types
/// must match. Throws IoError for a file that cannot be read, ValueError for one that does not fit; then the model is
/// unchanged.
template <class M>
void load(M& model, const std::string& path) {
  SafeTensors file = load_safetensors(path);
  std::erase_if(file.tensors, [](const NamedTensor& t) { return t.name.starts_with(detail::training_prefix); });
  assign_tensors(model, file.tensors, "load: " + path);
}

namespace detail {

// A file with the state of a training beside the model: numbers are stored exactly.
class TrainingFile {
 public:
  TrainingFile() = default;
  explicit TrainingFile(const std::string& path);
  void save(const std::string& path);

  void put(const std::string& name, std::uint64_t value) { content_.metadata[name] = std::to_string(value); }
  std::uint64_t integer(const std::string& name) const;
  Index index(const std::string& name) const { return static_cast<Index>(integer(name)); }
  void put(const std::string& name, std::string value) { content_.metadata[name] = std::move(value); }
  const std::string& text(const std::string& name) const;

  template <class S>
  void put(const std::string& name, const Tensor<S>& value) {
    content_.tensors.push_back({std::string(training_prefix) + name, value});
  }
  // Empty if there is none.
  template <class S>
  Tensor<S> tensor(const std::string& name) const {
    const NamedTensor* found = content_.find(std::string(training_prefix) + name);
    if (!found) return {};
    if (!std::holds_alternative<Tensor<S>>(found->value)) broken(name);
    return std::get<Tensor<S>>(found->value);
  }
  double number(const std::string& name) const;

  // A model's tensors: under their own names, or in a folder beside them.
  void put_model(const std::vector<NamedTensor>& tensors, const std::string& folder = "") {
    for (const NamedTensor& t : tensors) content_.tensors.push_back({prefix(folder) + t.name, t.value});
  }
  std::vector<NamedTensor> model(const std::string& folder = "") const;
  const std::string& path() const { return path_; }

 private:
  static std::string prefix(const std::string& folder) {
    return folder.empty() ? "" : concatenate(training_prefix, folder, "/");
  }
  [[noreturn]] void broken(const std::string& name) const {
    fail<IoError>("load_training_state: '", name, "' in ", path_, " is missing or not what it should be");
  }
  std::string path_;
  SafeTensors content_;
};

template <class S>
void put_moments(TrainingFile& file, const std::string& name, const Moments<S>& moments) {
  file.put(name + "_steps", static_cast<std::uint64_t>(moments.steps));
  std::vector<Index> axes;  // of each shape: their number, then their lengths
  for (const Shape& shape : moments.shapes) {
    axes.push_back(shape.rank());
    axes.insert(axes.end(), shape.begin(), shape.end());
  }
  file.put(name + "_shapes", Tensor<Index>({static_cast<Index>(axes.size())}, axes));
  for (std::size_t k = 0; k < moments.slots.size(); ++k)
    if (!moments.slots[k].empty()) file.put(name + "_moments_" + std::to_string(k), moments.slots[k]);
}
template <class S>
Moments<S> get_moments(const TrainingFile& file, const std::string& name) {
  Moments<S> moments;
  moments.steps = file.index(name + "_steps");
  const std::vector<Index> axes = file.tensor<Index>(name + "_shapes").to_vector();
  for (std::size_t i = 0; i < axes.size();) {
    const auto rank = static_cast<std::size_t>(axes[i++]);
    if (rank > axes.size() - i) fail<IoError>("load_training_state: the shapes in ", file.path(), " are cut off");
    moments.shapes.emplace_back(std::span<const Index>(axes).subspan(i, rank));
    i += rank;
  }
  for (std::size_t k = 0; k < moments.slots.size(); ++k)
    moments.slots[k] = file.tensor<S>(name + "_moments_" + std::to_string(k));
  return moments;
}

void put_optimizer(TrainingFile& file, const OptimizerState& state);
OptimizerState get_optimizer(const TrainingFile& file);

void put_rng(TrainingFile& file, const std::string& name, const Rng::State& state);
Rng::State get_rng(const TrainingFile& file, const std::string& name);

void put_history(TrainingFile& file, const History& history);
History get_history(const TrainingFile& file);

}  // namespace detail

/// Where a training stood when it was saved.
struct TrainingProgress {
  Index epoch = 0;  ///< epochs completed
  History history;
};

/// Writes all that a training loop needs to go on with the same bits: the model, the optimizer (Adam, .., or
/// Optimizer), the generator, the number of epochs completed and their history. load() reads the model out of it.
/// Throws IoError.
template <class M, class O>
void save_training_state(const std::string& path, const M& model, const O& optimizer, const Rng& rng, Index epoch,
                         const History& history = {}) {
  detail::TrainingFile file;
  file.put_model(named_tensors(model));
  detail::put_optimizer(file, optimizer.state());
  detail::put_rng(file, "rng", rng.state());
  file.put("epoch", static_cast<std::uint64_t>(epoch));
  detail::put_history(file, history);
  file.save(path);
}

/// Reads what save_training_state wrote into a model and an optimizer built alike. Throws IoError for a file that
/// cannot be read, ValueError for one that does not fit; then nothing has been changed.
template <class M, class O>
TrainingProgress load_training_state(const std::string& path, M& model, O& optimizer, Rng& rng) {
  const detail::TrainingFile file(path);
  OptimizerState state = detail::get_optimizer(file);
  const Rng::State random = detail::get_rng(file, "rng");
  TrainingProgress progress{file.index("epoch"), detail::get_history(file)};
  O resumed = optimizer;
  resumed.set_state(std::move(state));
  assign_tensors(model, file.model(), "load_training_state: " + path);
  optimizer = std::move(resumed);
  rng = Rng::from_state(random);
  return progress;
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/training/checkpoint.inl>
#endif
