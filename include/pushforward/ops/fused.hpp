// fused(): an operation with kernels of its own for its values and its first gradients, and a definition in plain
// operations for the gradients of those.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include <pushforward/autodiff/functional.hpp>

namespace pushforward::detail {

// The cotangents of `inputs` for a cotangent of f(inputs), recorded: f is run in plain operations.
template <class S, std::size_t N, class F>
std::array<Tensor<S>, N> pull_back_plain(const F& f, const Tensor<S>& cotangent,
                                         const std::array<Tensor<S>, N>& inputs) {
  const auto same = [](const Tensor<S>& g) { return g; };
  std::array<Tensor<S>, N> at;
  std::vector<Node<S>*> targets;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < N; ++i) {
    // Nodes of their own: one input may have been computed from another.
    at[i] = inputs[i].tracked() ? record("input", inputs[i], edge(inputs[i], same)) : variable(inputs[i]);
    targets.push_back(Access::node(at[i]).get());
    shapes.push_back(at[i].shape());
  }
  const Tensor<S> y = std::apply(f, at);
  std::vector<Tensor<S>> found = Backward<S>(y, targets, true).run(cotangent, targets, shapes);
  std::array<Tensor<S>, N> result;
  std::move(found.begin(), found.end(), result.begin());
  return result;
}

// `y`, the values of `operation` at `inputs`, joined to the graph. operation.pull_back(cotangent, y, inputs...) gives
// one cotangent per input and runs unrecorded; operation.plain(inputs...) is its definition in plain operations.
template <class Operation, class S, std::same_as<Tensor<S>>... Inputs>
Tensor<S> record_fused(const char* name, const Operation& operation, Tensor<S> y, const Inputs&... inputs) {
  if (nan_check_flag()) check_finite(name, y);
  if (!(is_recorded(inputs) || ...)) return y;
  constexpr std::size_t count = sizeof...(Inputs);
  const auto rule = [operation](const Tensor<S>& g, const Tensor<S>& out, const Inputs&... x) {
    if (!recording_flag()) return operation.pull_back(g, out, x...);
    return pull_back_plain<S, count>([&](const Inputs&... at) { return operation.plain(at...); }, g, {x...});
  };
  Ref<Node<S>> node(new PrimitiveNode<S, std::remove_const_t<decltype(rule)>, count>(rule, y, {inputs...}));
  return Access::with_node(std::move(y), std::move(node));
}

}  // namespace pushforward::detail
