// record(): how an operation joins the graph, with one rule per input.
#pragma once

#include <array>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <pushforward/autodiff/tensor.hpp>

namespace pushforward::detail {

// An input of an operation and its vector-Jacobian product: rule(cotangent) or rule(cotangent, output) gives the
// cotangent of the input, written in differentiable operations so that every order of gradient follows.
template <class S, class Rule>
struct Edge {
  const Tensor<S>& input;
  Rule rule;
};

template <class S, class Rule>
Edge<S, Rule> edge(const Tensor<S>& input, Rule rule) {
  return {input, std::move(rule)};
}

template <class S, class Rule>
inline constexpr bool takes_output = std::is_invocable_v<const Rule&, const Tensor<S>&, const Tensor<S>&>;

// The node of one operation. It holds the numbers of its output where a rule asks for them, but never the output
// itself: that would be a cycle.
template <class S, class... Rules>
class RuleNode final : public Node<S> {
 public:
  RuleNode(const char* name, const Tensor<S>& output, Edge<S, Rules>&&... edges)
      : name_(name),
        output_(((takes_output<S, Rules> && edges.input.tracked()) || ...) ? output : Access::shell(output)),
        inputs_{Access::node(edges.input)...},
        rules_(edges.input.tracked() ? std::optional<Rules>(std::move(edges.rule)) : std::nullopt...) {
    for (const auto& input : inputs_)
      if (input) this->level = std::max(this->level, input->level + 1);
  }

  const char* name() const override { return name_; }
  int inputs() const override { return sizeof...(Rules); }
  Node<S>* input(int i) const override { return inputs_[static_cast<std::size_t>(i)].get(); }
  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    pull_back_each(cotangent, to, std::index_sequence_for<Rules...>{});
  }

 private:
  template <std::size_t... I>
  void pull_back_each(const Tensor<S>& cotangent, Cotangents<S>& to, std::index_sequence<I...>) {
    ((to.wants(I) ? to.add(I, apply(*std::get<I>(rules_), cotangent)) : void()), ...);
  }
  template <class Rule>
  Tensor<S> apply(const Rule& rule, const Tensor<S>& cotangent) {
    if constexpr (takes_output<S, Rule>)
      return rule(cotangent, Access::with_node(output_, Ref<Node<S>>(this)));
    else
      return rule(cotangent);
  }

  const char* name_;
  Tensor<S> output_;
  std::array<Ref<Node<S>>, sizeof...(Rules)> inputs_;
  std::tuple<std::optional<Rules>...> rules_;
};

template <class S>
void check_finite(const char* name, const Tensor<S>& value) {
  if constexpr (std::is_floating_point_v<S>)
    for (Index i = 0; value.data() && i < value.size(); ++i)  // a shell has no numbers
      if (!std::isfinite(value.data()[i]))
        fail<ValueError>("NanCheck: ", name, " produced ", value.data()[i], " at element ", i, " of its result of shape ",
                         value.shape(), ", expected finite numbers");
}

// `output` of the operation `name`, joined to the graph if recording is on and an input is tracked.
template <class S, class... Rules>
Tensor<S> record(const char* name, Tensor<S> output, Edge<S, Rules>... edges) {
  if (nan_check_flag()) check_finite(name, output);
  if (!recording_flag() || !(edges.input.tracked() || ...)) return output;
  Ref<Node<S>> node(new RuleNode<S, Rules...>(name, output, std::move(edges)...));
  return Access::with_node(std::move(output), std::move(node));
}

}  // namespace pushforward::detail
