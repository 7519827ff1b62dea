// The graph of a computation: one node per tensor operation, owned by the values that need it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <pushforward/core/memory.hpp>

namespace pushforward {

template <class Scalar = float>
class Tensor;

namespace detail {

// Where a node delivers the cotangents of its inputs during a reverse sweep.
template <class S>
class Cotangents {
 public:
  virtual bool wants(int input) const = 0;
  virtual void add(int input, Tensor<S> cotangent) = 0;

 protected:
  ~Cotangents() = default;
};

// How one tensor came to be. `level` is one more than the highest level of its inputs, so that levels order a graph
// without any global counter; leaves (variables and parameters) have level 0 and no inputs.
template <class S>
class Node {
 public:
  std::atomic<std::uint32_t> references{0};
  std::uint32_t level = 0;

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  virtual const char* name() const { return "variable"; }
  virtual int inputs() const { return 0; }
  // The node of input `i`, null if that input is a constant.
  virtual Node* input(int) const { return nullptr; }
  // The vector-Jacobian product: for the cotangent of the output, delivers those of the inputs that are wanted.
  virtual void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) = 0;

  static void* operator new(std::size_t bytes) { return BufferPool::allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) { BufferPool::release(memory, bytes); }

  // Iterative: the inputs of a dying node are queued, so that a chain of a million nodes does not overflow the stack.
  static void destroy(Node* node) {
    static thread_local std::vector<Node*>* queue = nullptr;
    if (queue) {
      queue->push_back(node);
      return;
    }
    std::vector<Node*> pending;
    queue = &pending;
    delete node;
    while (!pending.empty()) {
      Node* next = pending.back();
      pending.pop_back();
      delete next;
    }
    queue = nullptr;
  }
};

template <class S>
class Leaf final : public Node<S> {
 public:
  void pull_back(const Tensor<S>&, Cotangents<S>&) override {}
};

inline bool& recording_flag() {
  static thread_local bool on = true;
  return on;
}

inline bool& nan_check_flag() {
  static thread_local bool on = false;
  return on;
}

// Sets a flag of this thread for a scope.
class FlagGuard {
 public:
  FlagGuard(bool& flag, bool value) : flag_(flag), before_(flag) { flag = value; }
  FlagGuard(const FlagGuard&) = delete;
  FlagGuard& operator=(const FlagGuard&) = delete;
  ~FlagGuard() { flag_ = before_; }

 private:
  bool& flag_;
  bool before_;
};

}  // namespace detail

/// While it lives, operations of this thread record no graph: results are constants, and cost no memory.
class [[nodiscard]] NoGradient {
 public:
  NoGradient() : guard_(detail::recording_flag(), false) {}

 private:
  detail::FlagGuard guard_;
};

/// While it lives, every operation of this thread checks its result: the first NaN or infinity throws a ValueError that
/// names the operation and the element, where the number was born rather than where it was noticed.
class [[nodiscard]] NanCheck {
 public:
  NanCheck() : guard_(detail::nan_check_flag(), true) {}

 private:
  detail::FlagGuard guard_;
};

}  // namespace pushforward
