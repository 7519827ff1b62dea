// Frozen: a module whose parameters are saved, but not trained.
#pragma once

#include <utility>

#include <pushforward/nn/module.hpp>

namespace pushforward {

/// A module that training leaves as it is: its parameters appear as buffers, so they are saved and copied but are not
/// counted, and no optimizer sees them. Gradients still flow through it to its inputs.
///
///     Frozen prior(flow);  prior->log_prob(z);
template <class M>
class Frozen {
 public:
  Frozen() = default;
  explicit Frozen(M module) : module_(std::move(module)) {}

  const M& operator*() const { return module_; }
  const M* operator->() const { return &module_; }

  void walk(const Path& path, Visitor& visitor) {
    AsBuffers inner(visitor);
    detail::walk_member(path, module_, inner);
  }

 private:
  struct AsBuffers final : Visitor {
    Visitor& outer;
    explicit AsBuffers(Visitor& visitor) : outer(visitor) {}
    template <class S>
    void show(const Path& path, Parameter<S>& p) {
      Buffer<S> seen(p.tensor());
      outer.buffer(path, seen);
      if (seen.data() != p.data()) p = seen.tensor();
    }
    void parameter(const Path& path, Parameter<float>& p) override { show(path, p); }
    void parameter(const Path& path, Parameter<double>& p) override { show(path, p); }
    void buffer(const Path& path, Buffer<float>& b) override { outer.buffer(path, b); }
    void buffer(const Path& path, Buffer<double>& b) override { outer.buffer(path, b); }
    void buffer(const Path& path, Buffer<Index>& b) override { outer.buffer(path, b); }
    // Layers of a frozen module stay in evaluation mode.
    void mode(const Path& path, Mode& m) override {
      outer.mode(path, m);
      m.training = false;
    }
  };

  M module_;
};

template <class M>
Frozen(M) -> Frozen<M>;

}  // namespace pushforward
