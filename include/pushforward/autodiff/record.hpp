// record(): how an operation joins the graph, with one rule per input.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <pushforward/autodiff/tensor.hpp>

namespace pushforward::detail {

// A vector-Jacobian product with its type erased: rules are many, and the graph around them is compiled once.
template <class S>
class Rule {
 public:
  Rule() = default;
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;
  virtual ~Rule() = default;
  virtual Tensor<S> operator()(const Tensor<S>& cotangent, const Tensor<S>& output) const = 0;

  static void* operator new(std::size_t bytes) { return BufferPool::allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) { BufferPool::release(memory, bytes); }
};

template <class S, class F>
inline constexpr bool takes_output = std::is_invocable_v<const F&, const Tensor<S>&, const Tensor<S>&>;

template <class S, class F>
class RuleOf final : public Rule<S> {
 public:
  explicit RuleOf(F&& f) : f_(std::move(f)) {}
  Tensor<S> operator()(const Tensor<S>& cotangent, [[maybe_unused]] const Tensor<S>& output) const override {
    if constexpr (takes_output<S, F>)
      return f_(cotangent, output);
    else
      return f_(cotangent);
  }

 private:
  F f_;
};

// An input of an operation and its rule; empty for a constant, and while nothing is recorded.
template <class S>
struct Edge {
  Ref<Node<S>> input;
  std::unique_ptr<Rule<S>> rule;
  bool takes_output = false;
};

// The edge to `input` whose vector-Jacobian product is rule(cotangent) or rule(cotangent, output), written in
// differentiable operations so that every order of gradient follows.
template <class S, class F>
Edge<S> edge(const Tensor<S>& input, F rule) {
  if (!is_recorded(input)) return {};
  return {Access::node(input), std::unique_ptr<Rule<S>>(new RuleOf<S, F>(std::move(rule))), takes_output<S, F>};
}

// The node of one operation. It holds the numbers of its output where a rule asks for them, but never the output
// itself: that would be a cycle.
template <class S>
class RuleNode final : public Node<S> {
 public:
  static constexpr int max_inputs = 4;

  RuleNode(const char* name, const Tensor<S>& output, Edge<S>* edges, int count) : name_(name), count_(count) {
    bool keep = false;
    for (int i = 0; i < count; ++i) {
      if (edges[i].input) this->level = std::max(this->level, edges[i].input->level + 1);
      keep |= edges[i].takes_output;
      edges_[i] = std::move(edges[i]);
    }
    output_ = keep ? output : Access::shell(output);
  }

  const char* name() const override { return name_; }
  int inputs() const override { return count_; }
  Node<S>* input(int i) const override { return edges_[i].input.get(); }
  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    const Tensor<S> output = Access::with_node(output_, Ref<Node<S>>(this));
    for (int i = 0; i < count_; ++i)
      if (to.wants(i)) to.add(i, (*edges_[i].rule)(cotangent, output));
  }

 private:
  const char* name_;
  int count_;
  Tensor<S> output_;
  Edge<S> edges_[max_inputs];
};

template <class S>
void check_finite(const char* name, const Tensor<S>& value) {
  if constexpr (std::is_floating_point_v<S>)
    for (Index i = 0; value.data() && i < value.size(); ++i)  // a shell has no numbers
      if (!std::isfinite(value.data()[i]))
        fail<ValueError>("NanCheck: ", name, " produced ", value.data()[i], " at element ", i,
                         " of its result of shape ", value.shape(), ", expected finite numbers");
}

template <class S>
[[gnu::noinline]] Tensor<S> record_edges(const char* name, Tensor<S> output, Edge<S>* edges, int count) {
  if (nan_check_flag()) check_finite(name, output);
  bool tracked = false;
  for (int i = 0; i < count; ++i) tracked |= static_cast<bool>(edges[i].input);
  if (!tracked) return output;
  Ref<Node<S>> node(new RuleNode<S>(name, output, edges, count));
  return Access::with_node(std::move(output), std::move(node));
}

// `output` of the operation `name`, joined to the graph if recording is on and an input is tracked.
template <class S, std::same_as<Edge<S>>... Edges>
Tensor<S> record(const char* name, Tensor<S> output, Edges... edges) {
  static_assert(sizeof...(Edges) <= RuleNode<S>::max_inputs);
  Edge<S> all[] = {std::move(edges)...};
  return record_edges(name, std::move(output), all, static_cast<int>(sizeof...(Edges)));
}

}  // namespace pushforward::detail
