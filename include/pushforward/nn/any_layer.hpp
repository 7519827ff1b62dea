// AnyLayer: a layer whose type is known at run time only.
#pragma once

#include <memory>
#include <utility>

#include <pushforward/nn/layer.hpp>

namespace pushforward {

/// Any layer from Tensor<S> to Tensor<S>, as a value: copying copies the weights. For stacks built at run time:
///     std::vector<AnyLayer<>> stack;
///     for (Index i = 0; i < depth; ++i) stack.push_back(Residual(Linear<>(width, width, rng)));
///     Sequential model(stack);
/// Its parameters are named as those of the layer inside. Calling an empty one throws ValueError.
template <class S = float>
class AnyLayer {
 public:
  AnyLayer() = default;
  template <class L>
  requires(!std::is_same_v<L, AnyLayer>) &&
      (std::is_invocable_r_v<Tensor<S>, const L&, const Tensor<S>&> ||
       std::is_invocable_r_v<Tensor<S>, const L&, const Tensor<S>&, Rng&>)AnyLayer(L layer)
      : content_(std::make_unique<Holder<L>>(std::move(layer))) {
    static_assert(detail::is_layer<L>,
                  "pushforward: the layer given to AnyLayer holds state but is not a module, so its parameters would "
                  "be missed in silence. "
                  "A lambda must not capture; write a struct with a call operator and `static void members(auto& self, "
                  "auto&& visit)` instead.");
  }
  AnyLayer(const AnyLayer& other) : content_(other.content_ ? other.content_->clone() : nullptr) {}
  AnyLayer(AnyLayer&&) noexcept = default;
  AnyLayer& operator=(const AnyLayer& other) { return *this = AnyLayer(other); }
  AnyLayer& operator=(AnyLayer&&) noexcept = default;
  ~AnyLayer() = default;

  Tensor<S> operator()(const Tensor<S>& x) const { return content().call(x, nullptr); }
  Tensor<S> operator()(const Tensor<S>& x, Rng& rng) const { return content().call(x, &rng); }

  bool empty() const { return !content_; }
  void walk(const Path& path, Visitor& visitor) {
    if (content_) content_->walk(path, visitor);
  }

 private:
  struct Concept {
    Concept() = default;
    Concept(const Concept&) = default;
    Concept& operator=(const Concept&) = delete;
    virtual ~Concept() = default;
    virtual Tensor<S> call(const Tensor<S>& x, Rng* rng) const = 0;
    virtual void walk(const Path& path, Visitor& visitor) = 0;
    virtual std::unique_ptr<Concept> clone() const = 0;
  };
  template <class L>
  struct Holder final : Concept {
    L layer;
    explicit Holder(L content) : layer(std::move(content)) {}
    Tensor<S> call(const Tensor<S>& x, Rng* rng) const override {
      if (rng) return detail::call_layer(layer, x, *rng);
      if constexpr (std::is_invocable_v<const L&, const Tensor<S>&>)
        return layer(x);
      else
        fail<ValueError>("AnyLayer: this layer takes a generator; call it as layer(x, rng)");
    }
    void walk(const Path& path, Visitor& visitor) override { detail::walk_member(path, layer, visitor); }
    std::unique_ptr<Concept> clone() const override { return std::make_unique<Holder>(layer); }
  };

  const Concept& content() const {
    if (!content_) fail<ValueError>("AnyLayer: there is no layer inside; assign one before the call");
    return *content_;
  }

  std::unique_ptr<Concept> content_;
};

}  // namespace pushforward
