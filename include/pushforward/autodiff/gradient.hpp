// gradient(): reverse-mode differentiation of recorded computations, of any order.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <vector>

#include <pushforward/autodiff/record.hpp>
#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/kernel.hpp>

namespace pushforward {

/// How `gradient` differentiates.
struct GradientOptions {
  bool create_graph = false;  ///< record the gradient itself, so that it can be differentiated again
};

namespace detail {

// a + b of equal shapes, in the memory of `a` when nobody else sees it.
template <class S>
Tensor<S> accumulate(Tensor<S> a, const Tensor<S>& b) {
  if (!Access::unique(a) || is_recorded(b)) {
    Tensor<S> sum = Access::allocate<S>(a.shape());
    map_parallel([](S x, S y) { return x + y; }, a.size(), Access::data(sum), a.data(), b.data());
    return record("add", std::move(sum), edge(a, [](const Tensor<S>& g) { return g; }),
                  edge(b, [](const Tensor<S>& g) { return g; }));
  }
  S* out = Access::data(a);
  parallel_for(a.size(), elementwise_grain, [out, in = b.data()](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) out[i] += in[i];
  });
  return a;
}

// Positions of nodes by address: open addressing, reused from call to call.
template <class S>
class NodeIndex {
 public:
  // The position of `node`, `fresh` (and remembered as such) if it is new.
  std::int32_t find_or_insert(const Node<S>* node, std::int32_t fresh) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    Slot& slot = probe(node);
    if (!slot.node) {
      slot = {node, fresh};
      ++used_;
    }
    return slot.position;
  }
  std::int32_t find(const Node<S>* node) const {
    if (slots_.empty()) return -1;
    const Slot& slot = const_cast<NodeIndex*>(this)->probe(node);
    return slot.node ? slot.position : -1;
  }

 private:
  struct Slot {
    const Node<S>* node = nullptr;
    std::int32_t position = -1;
  };
  Slot& probe(const Node<S>* node) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (reinterpret_cast<std::uintptr_t>(node) >> 6) * 0x9E3779B97F4A7C15u >> 20 & mask;
    while (slots_[at].node && slots_[at].node != node) at = (at + 1) & mask;
    return slots_[at];
  }
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(256, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.node) probe(slot.node) = slot;
  }
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

// One reverse sweep from `output` to `targets`; with `stop_at_targets` nothing beyond a target is looked at.
template <class S>
class Backward {
 public:
  Backward(const Tensor<S>& output, const std::vector<Node<S>*>& targets, bool stop_at_targets = false) {
    lowest_ = UINT32_MAX;
    for (Node<S>* target : targets) lowest_ = std::min(lowest_, target->level);
    if (!output.tracked()) return;
    if (stop_at_targets) stops_ = targets;
    discover(Access::node(output).get());
    for (Node<S>* target : targets)
      if (const std::int32_t at = index_.find(target); at >= 0) entry(at).needed = entry(at).target = true;
    order_by_level();
    for (auto at = order_.rbegin(); at != order_.rend(); ++at) mark_needed(found_[*at]);
  }

  bool reaches(Node<S>* target) const { return index_.find(target) >= 0; }

  // The cotangents of the targets for a cotangent of the output; zeros where no path leads.
  std::vector<Tensor<S>> run(const Tensor<S>& seed, const std::vector<Node<S>*>& targets,
                             const std::vector<Shape>& shapes) {
    if (!found_.empty()) found_[0].cotangent = seed, found_[0].reached = true;
    for (const std::uint32_t at : order_) {
      Entry& entry = found_[at];
      if (!entry.needed || !entry.reached) continue;
      propagate(entry);
      if (!entry.target) entry.cotangent = Tensor<S>();
    }
    std::vector<Tensor<S>> result;
    result.reserve(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const std::int32_t at = index_.find(targets[i]);
      result.push_back(at >= 0 && entry(at).reached ? entry(at).cotangent : Tensor<S>::zeros(shapes[i]));
    }
    return result;
  }

 private:
  struct Entry {
    Node<S>* node;
    Tensor<S> cotangent;
    bool needed = false, reached = false, target = false;
  };

  Entry& entry(std::int32_t at) { return found_[static_cast<std::size_t>(at)]; }
  bool is_stop(Node<S>* node) const { return std::find(stops_.begin(), stops_.end(), node) != stops_.end(); }

  // Finds every node that a target can lie behind, without recursion.
  void discover(Node<S>* root) {
    index_.find_or_insert(root, 0);
    found_.push_back({root, {}});
    for (std::size_t next = 0; next < found_.size(); ++next) {
      Node<S>* node = found_[next].node;
      if (!stops_.empty() && is_stop(node)) continue;
      for (int i = 0; i < node->inputs(); ++i) {
        Node<S>* input = node->input(i);
        if (!input || input->level < lowest_) continue;
        const auto fresh = static_cast<std::int32_t>(found_.size());
        if (index_.find_or_insert(input, fresh) == fresh) found_.push_back({input, {}});
      }
    }
  }
  // Outputs before inputs; ties stay in the order of discovery, so that sums are always taken in the same order.
  void order_by_level() {
    order_.resize(found_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
    std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::uint32_t x = found_[a].node->level, y = found_[b].node->level;
      return x != y ? x > y : a < b;
    });
  }
  void mark_needed(Entry& entry) {
    for (int i = 0; i < entry.node->inputs() && !entry.needed; ++i)
      if (Entry* input = entry_of(entry.node->input(i))) entry.needed = input->needed;
  }
  void propagate(Entry& entry) {
    if (entry.target && is_stop(entry.node)) return;
    Delivery delivery(*this, *entry.node);
    entry.node->pull_back(entry.cotangent, delivery);
  }
  Entry* entry_of(Node<S>* node) {
    if (!node || node->level < lowest_) return nullptr;
    const std::int32_t at = index_.find(node);
    return at < 0 ? nullptr : &entry(at);
  }

  class Delivery final : public Cotangents<S> {
   public:
    Delivery(Backward& sweep, Node<S>& node) : sweep_(sweep), node_(node) {}
    bool wants(int input) const override {
      const Entry* entry = sweep_.entry_of(node_.input(input));
      return entry && entry->needed;
    }
    void add(int input, Tensor<S> part) override {
      Entry& entry = *sweep_.entry_of(node_.input(input));
      entry.cotangent = entry.reached ? accumulate(std::move(entry.cotangent), part) : std::move(part);
      entry.reached = true;
    }

   private:
    Backward& sweep_;
    Node<S>& node_;
  };

  std::uint32_t lowest_;
  std::vector<Node<S>*> stops_;
  NodeIndex<S> index_;
  std::vector<Entry> found_;
  std::vector<std::uint32_t> order_;
};

// The nodes of `inputs`; throws GradientError for a constant.
template <class S, class Range>
std::vector<Node<S>*> target_nodes(const Range& inputs) {
  std::vector<Node<S>*> nodes;
  for (const Tensor<S>& input : inputs) {
    if (!input.tracked())
      fail<GradientError>(
          "gradient: input ", nodes.size(), " of shape ", input.shape(),
          " is a constant, so nothing was recorded for it; compute the loss from x = variable(x) instead");
    nodes.push_back(Access::node(input).get());
  }
  return nodes;
}

template <class S, class Range>
std::vector<Tensor<S>> pull_back_to(const Tensor<S>& output, const Tensor<S>& seed, const Range& inputs,
                                    GradientOptions options) {
  const std::vector<Node<S>*> nodes = target_nodes<S>(inputs);
  std::vector<Shape> shapes;
  for (const Tensor<S>& input : inputs) shapes.push_back(input.shape());
  // A first-order gradient is not recorded; one that is to be differentiated again is, even inside NoGradient.
  FlagGuard guard(recording_flag(), options.create_graph);
  Backward<S> backward(output, nodes);
  return backward.run(seed, nodes, shapes);
}

template <class S>
Tensor<S> loss_seed(const Tensor<S>& loss) {
  if (loss.size() != 1)
    fail<ShapeError>("gradient: the loss has shape ", loss.shape(),
                     ", expected one number; take its mean or sum first, or use vjp");
  if (!loss.tracked())
    fail<GradientError>(
        "gradient: the loss was not computed from any variable or parameter (or inside NoGradient), so it "
        "has no gradient; wrap its inputs in variable(x)");
  return Tensor<S>::ones(loss.shape());
}

}  // namespace detail

/// The gradient of a one-element `loss` with respect to each of `inputs`, which must be variables or computed from
/// some.
///
/// An input that the loss does not depend on gets zeros. With `create_graph` the gradients are differentiable in turn.
/// Throws ShapeError if the loss is not one number, GradientError if it or an input is a constant.
template <class S, std::size_t N>
std::array<Tensor<S>, N> gradient(const Tensor<S>& loss, const Tensor<S> (&inputs)[N], GradientOptions options = {}) {
  std::vector<Tensor<S>> result = detail::pull_back_to(loss, detail::loss_seed(loss), inputs, options);
  std::array<Tensor<S>, N> gradients;
  std::move(result.begin(), result.end(), gradients.begin());
  return gradients;
}
template <class S, std::same_as<std::vector<Tensor<S>>> Inputs>
Inputs gradient(const Tensor<S>& loss, const Inputs& inputs, GradientOptions options = {}) {
  return detail::pull_back_to(loss, detail::loss_seed(loss), inputs, options);
}
/// The gradient of a one-element `loss` with respect to `input`, of the shape of `input`.
template <class S, std::derived_from<Tensor<S>> Input>
Tensor<S> gradient(const Tensor<S>& loss, const Input& input, GradientOptions options = {}) {
  return gradient(loss, {input}, options)[0];
}

}  // namespace pushforward
