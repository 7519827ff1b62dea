// Modules are plain values: structs with parameters, a call operator, and one function that names their members.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/core/random.hpp>

namespace pushforward {

/// A tensor that training changes. It can be used wherever a tensor can; gradients flow to it.
///
/// Copying copies the weights (the numbers are shared until one of the two is assigned), and the copy is a variable of
/// its own: gradients of one do not reach the other. One Parameter used twice is a tied weight.
template <class S = float>
class Parameter : public Tensor<S> {
 public:
  Parameter() = default;
  explicit Parameter(const Tensor<S>& value) : Tensor<S>(variable(value)) {}
  Parameter(const Parameter& other) : Parameter(other.tensor()) {}
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other) {
    if (this != &other) *this = other.tensor();
    return *this;
  }
  Parameter& operator=(Parameter&&) noexcept = default;
  /// Replaces the value; graphs recorded before keep the old one.
  Parameter& operator=(const Tensor<S>& value) {
    Tensor<S>::operator=(variable(value));
    return *this;
  }
  const Tensor<S>& tensor() const { return *this; }
};

/// A tensor that belongs to a module and is saved with it, but not trained: running statistics, permutations.
template <class S = float>
class Buffer : public Tensor<S> {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor<S>& value) : Tensor<S>(stop_gradient(value)) {}
  Buffer& operator=(const Tensor<S>& value) {
    Tensor<S>::operator=(stop_gradient(value));
    return *this;
  }
  const Tensor<S>& tensor() const { return *this; }
};

/// Whether a layer that behaves differently in training (dropout, say) is being trained. `train(model)` and
/// `evaluate(model)` set it everywhere.
struct Mode {
  bool training = true;
};

/// The place of a member in its module: names joined by dots when asked for, "encoder.layers.0.weight".
struct Path {
  const Path* parent = nullptr;
  std::string_view name = {};
  Index position = -1;  // in a container, where there is no name

  std::string str() const {
    std::string own = position >= 0 ? std::to_string(position) : std::string(name);
    if (!parent || (!parent->parent && parent->name.empty())) return own;
    return parent->str() + "." + own;
  }
};

/// What a walk over a module's members calls; override what is of interest.
class Visitor {
 public:
  virtual void parameter(const Path&, Parameter<float>&) {}
  virtual void parameter(const Path&, Parameter<double>&) {}
  virtual void buffer(const Path&, Buffer<float>&) {}
  virtual void buffer(const Path&, Buffer<double>&) {}
  virtual void buffer(const Path&, Buffer<Index>&) {}
  virtual void mode(const Path&, Mode&) {}

 protected:
  ~Visitor() = default;
};

namespace detail {

struct IgnoreMember {
  void operator()(std::string_view, auto&) const {}
};

template <class M>
concept NamesMembers = requires(M& module, IgnoreMember visit) {
  M::members(module, visit);
};
// A type-erased module walks its content itself.
template <class M>
concept WalksItself = requires(M& module, const Path& path, Visitor& visitor) {
  module.walk(path, visitor);
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T, std::size_t N>
inline constexpr bool is_vector<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class T>
inline constexpr bool always_false = false;

template <class M>
void walk_member(const Path& path, M& member, Visitor& visitor) {
  if constexpr (requires { visitor.parameter(path, member); }) {
    visitor.parameter(path, member);
  } else if constexpr (requires { visitor.buffer(path, member); }) {
    visitor.buffer(path, member);
  } else if constexpr (std::is_same_v<M, Mode>) {
    visitor.mode(path, member);
  } else if constexpr (WalksItself<M>) {
    member.walk(path, visitor);
  } else if constexpr (NamesMembers<M>) {
    M::members(member, [&](std::string_view name, auto& part) { walk_member(Path{&path, name}, part, visitor); });
  } else if constexpr (is_vector<M>) {
    Index i = 0;
    for (auto& part : member) walk_member(Path{&path, {}, i++}, part, visitor);
  } else if constexpr (is_optional<M>) {
    if (member) walk_member(path, *member, visitor);
  } else if constexpr (is_tuple<M>) {
    std::apply(
        [&](auto&... parts) {
          Index i = 0;
          (walk_member(Path{&path, {}, i++}, parts, visitor), ...);
        },
        member);
  } else {
    static_assert(
        std::is_empty_v<M> || std::is_pointer_v<M> || always_false<M>,
        "pushforward: this type is not a module, so its parameters would be missed in silence. Give it "
        "`static void members(auto& self, auto&& visit) { visit(\"name\", self.name); ... }` that names every "
        "Parameter, Buffer and sub-module (an empty body if it has none).");
  }
}

}  // namespace detail

/// Calls `visitor` for every parameter, buffer and mode of a module, in the order in which `members` names them.
template <class M>
void walk(M& module, Visitor& visitor) {
  detail::walk_member(Path{}, module, visitor);
}

/// A type whose parameters can be walked: a struct with `members`, a container of modules, or something without state.
template <class M>
concept Module = detail::NamesMembers<M> || detail::WalksItself<M> || detail::is_vector<M> || detail::is_tuple<M> ||
    detail::is_optional<M> || std::is_base_of_v<Tensor<float>, M> || std::is_base_of_v<Tensor<double>, M>;

/// Calls f(path, parameter) for every Parameter<S> of a module that has elements.
template <class S = float, class M, class F>
void for_each_parameter(M& module, const F& f) {
  struct Each final : Visitor {
    const F& call;
    explicit Each(const F& callee) : call(callee) {}
    using Visitor::parameter;
    void parameter(const Path& path, Parameter<S>& p) override {
      if (!p.empty()) call(path, p);
    }
  } each(f);
  walk(module, each);
}
template <class S = float, class M, class F>
void for_each_parameter(const M& module, const F& f) {
  // The walk is the same for a module that may not change; only constant references leave this function.
  for_each_parameter<S>(const_cast<M&>(module), [&](const Path& path, const Parameter<S>& p) { f(path, p); });
}

/// Calls f(path, buffer) for every Buffer<S> of a module.
template <class S = float, class M, class F>
void for_each_buffer(M& module, const F& f) {
  struct Each final : Visitor {
    const F& call;
    explicit Each(const F& callee) : call(callee) {}
    using Visitor::buffer;
    void buffer(const Path& path, Buffer<S>& b) override { call(path, b); }
  } each(f);
  walk(module, each);
}
template <class S = float, class M, class F>
void for_each_buffer(const M& module, const F& f) {
  for_each_buffer<S>(const_cast<M&>(module), [&](const Path& path, const Buffer<S>& b) { f(path, b); });
}

/// The number of trained numbers in a module.
template <class M>
Index count_parameters(const M& module) {
  Index count = 0;
  for_each_parameter<float>(module, [&](const Path&, const Parameter<float>& p) { count += p.size(); });
  for_each_parameter<double>(module, [&](const Path&, const Parameter<double>& p) { count += p.size(); });
  return count;
}

namespace detail {

template <class M>
void set_mode(M& module, bool training) {
  struct Set final : Visitor {
    bool on;
    explicit Set(bool value) : on(value) {}
    void mode(const Path&, Mode& m) override { m.training = on; }
  } set(training);
  walk(module, set);
}

}  // namespace detail

/// Puts every layer of a module into training mode.
template <class M>
void train(M& module) {
  detail::set_mode(module, true);
}
/// Puts every layer of a module into evaluation mode: dropout off, running statistics used.
template <class M>
void evaluate(M& module) {
  detail::set_mode(module, false);
}

/// One gradient per parameter of a module, in the order of its walk.
template <class S = float>
class Gradients {
 public:
  Gradients() = default;
  explicit Gradients(std::vector<Tensor<S>> values) : values_(std::move(values)) {}

  std::size_t size() const { return values_.size(); }
  const Tensor<S>& operator[](std::size_t i) const { return values_[i]; }
  Tensor<S>& operator[](std::size_t i) { return values_[i]; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }

 private:
  std::vector<Tensor<S>> values_;
};

/// The gradient of a one-element `loss` with respect to every parameter of `module`; zeros where the loss does not
/// depend on one. Throws ShapeError if the loss is not one number, GradientError if it is a constant.
template <class S, class M>
requires Module<M> &&(!std::is_base_of_v<Tensor<S>, M>)&&(!std::is_same_v<std::vector<Tensor<S>>, M>)
    Gradients<S> gradient(const Tensor<S>& loss, const M& module, GradientOptions options = {}) {
  std::vector<Tensor<S>> inputs;
  for_each_parameter<S>(module, [&](const Path&, const Parameter<S>& p) { inputs.push_back(p.tensor()); });
  return Gradients<S>(detail::pull_back_to(loss, detail::loss_seed(loss), inputs, options));
}

}  // namespace pushforward
