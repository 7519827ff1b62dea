// What a bijector is, and AnyBijector: one of a kind that is chosen at run time.
#pragma once

#include <concepts>
#include <memory>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

/// The value of an invertible map and the logarithm of its volume change.
template <class S = float>
struct WithLogDet {
  Tensor<S> value;    ///< of the shape of the argument, [.., d]
  Tensor<S> log_det;  ///< log |det J| in nats, one number per event: [..]
};

/// An invertible map of events [.., d]: `forward(x)` and `inverse(y)`, each with its own log-determinant.
///
/// In a flow `forward` goes from noise to data.
template <class B, class S = float>
concept Bijector = requires(const B& bijector, const Tensor<S>& x) {
  { bijector.forward(x) } -> std::convertible_to<WithLogDet<S>>;
  { bijector.inverse(x) } -> std::convertible_to<WithLogDet<S>>;
};

namespace detail {

// The shape [..] of the log-determinants of events [.., d].
inline Shape log_det_shape(const char* bijector, const Shape& x) {
  if (x.rank() == 0) fail<ShapeError>(bijector, ": got a scalar, expected events along a last axis, [.., d]");
  return x.without(-1);
}

inline void check_features(const char* bijector, const Shape& x, Index features) {
  if (x.rank() == 0 || x[-1] != features)
    fail<ShapeError>(bijector, ": input of shape ", x, ", expected events of ", features, " numbers, [.., ", features,
                     "]");
}

// Throws before anything is set from data that says nothing.
template <class S>
void check_initial_data(const char* bijector, const Tensor<S>& y) {
  if (y.empty()) fail<ValueError>(bijector, ": cannot initialize from no data");
  if (any_of(y, [](S u) { return u - u != S(0); }))
    fail<ValueError>(bijector, ": cannot initialize from data with NaN or infinity, expected finite numbers");
}

// What depends on data before training: does it where a bijector has it, from what is to come out of `forward`.
template <class B, class S>
void initialize_bijector(B& bijector, const Tensor<S>& y) {
  if constexpr (requires { bijector.initialize(y); }) bijector.initialize(y);
}

}  // namespace detail

/// A bijector whose type is erased, for chains that are put together at run time. A value: copying copies the weights.
template <class S = float>
class AnyBijector {
 public:
  using Scalar = S;

  AnyBijector() = default;
  template <class B>
  requires(!std::same_as<B, AnyBijector>) && Bijector<B, S> AnyBijector(B bijector)
      : content_(std::make_unique<Model<B>>(std::move(bijector))) {}
  AnyBijector(const AnyBijector& other) : content_(other.content_ ? other.content_->clone() : nullptr) {}
  AnyBijector(AnyBijector&&) noexcept = default;
  AnyBijector& operator=(const AnyBijector& other) { return *this = AnyBijector(other); }
  AnyBijector& operator=(AnyBijector&&) noexcept = default;

  WithLogDet<S> forward(const Tensor<S>& x) const { return content().forward(x); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return content().inverse(y); }
  void initialize(const Tensor<S>& y) { content().initialize(y); }
  void walk(const Path& path, Visitor& visitor) {
    if (content_) content_->walk(path, visitor);
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::unique_ptr<Interface> clone() const = 0;
    virtual WithLogDet<S> forward(const Tensor<S>& x) const = 0;
    virtual WithLogDet<S> inverse(const Tensor<S>& y) const = 0;
    virtual void initialize(const Tensor<S>& y) = 0;
    virtual void walk(const Path& path, Visitor& visitor) = 0;
  };
  template <class B>
  struct Model final : Interface {
    B bijector;
    explicit Model(B b) : bijector(std::move(b)) {}
    std::unique_ptr<Interface> clone() const override { return std::make_unique<Model>(bijector); }
    WithLogDet<S> forward(const Tensor<S>& x) const override { return bijector.forward(x); }
    WithLogDet<S> inverse(const Tensor<S>& y) const override { return bijector.inverse(y); }
    void initialize(const Tensor<S>& y) override { detail::initialize_bijector(bijector, y); }
    void walk(const Path& path, Visitor& visitor) override { detail::walk_member(path, bijector, visitor); }
  };

  Interface& content() const {
    if (!content_) fail<ValueError>("AnyBijector: it is empty; assign a bijector before use");
    return *content_;
  }

  std::unique_ptr<Interface> content_;
};

}  // namespace pushforward
