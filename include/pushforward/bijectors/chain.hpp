// Chain: bijectors one after the other; Inverse: one with its directions exchanged.
#pragma once

#include <tuple>
#include <vector>

#include <pushforward/bijectors/bijector.hpp>

namespace pushforward {

namespace detail {

// log_det + more, where the first sum has nothing on its left.
template <class S>
void add_log_det(Tensor<S>& total, const Tensor<S>& more, bool first) {
  total = first ? more : total + more;
}

}  // namespace detail

/// Bijectors applied in order by `forward`, in reverse order by `inverse`.
template <class S = float>
class Chain {
 public:
  using Scalar = S;

  Chain() = default;
  explicit Chain(std::vector<AnyBijector<S>> bijectors) : bijectors_(std::move(bijectors)) {}

  void append(AnyBijector<S> bijector) { bijectors_.push_back(std::move(bijector)); }
  std::size_t size() const { return bijectors_.size(); }
  const AnyBijector<S>& operator[](std::size_t i) const { return bijectors_[i]; }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    if (bijectors_.empty()) return {x, Tensor<S>::zeros(detail::log_det_shape("Chain", x.shape()))};
    WithLogDet<S> y{x, {}};
    for (std::size_t i = 0; i < size(); ++i) {
      const WithLogDet<S> next = bijectors_[i].forward(y.value);
      y.value = next.value;
      detail::add_log_det(y.log_det, next.log_det, i == 0);
    }
    return y;
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    if (bijectors_.empty()) return {y, Tensor<S>::zeros(detail::log_det_shape("Chain", y.shape()))};
    WithLogDet<S> x{y, {}};
    for (std::size_t i = size(); i-- > 0;) {
      const WithLogDet<S> next = bijectors_[i].inverse(x.value);
      x.value = next.value;
      detail::add_log_det(x.log_det, next.log_det, i + 1 == size());
    }
    return x;
  }
  /// Initializes what depends on data (ActNorm) from data y that `forward` is to produce, last bijector first.
  void initialize(const Tensor<S>& y) {
    NoGradient guard;
    Tensor<S> at = y;
    for (std::size_t i = size(); i-- > 0;) {
      bijectors_[i].initialize(at);
      if (i > 0) at = bijectors_[i].inverse(at).value;
    }
  }

  static void members(auto& self, auto&& visit) { visit("bijectors", self.bijectors_); }

 private:
  std::vector<AnyBijector<S>> bijectors_;
};

template <class S>
Chain(std::vector<AnyBijector<S>>) -> Chain<S>;

/// Bijectors of types that are known, applied in order by `forward`, in reverse order by `inverse`:
/// `Compose(Affine(shift, scale), Reverse())`.
template <class... B>
class Compose {
 public:
  static_assert(sizeof...(B) > 0, "pushforward: Compose needs at least one bijector");

  explicit Compose(B... bijectors) : bijectors_(std::move(bijectors)...) {}

  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    WithLogDet<S> y{x, {}};
    bool first = true;
    auto step = [&](const auto& bijector) {
      const WithLogDet<S> next = bijector.forward(y.value);
      y.value = next.value;
      detail::add_log_det(y.log_det, next.log_det, std::exchange(first, false));
    };
    std::apply([&](const auto&... each) { (step(each), ...); }, bijectors_);
    return y;
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    WithLogDet<S> x{y, {}};
    bool first = true;
    backwards(*this, [&](const auto& bijector) {
      const WithLogDet<S> next = bijector.inverse(x.value);
      x.value = next.value;
      detail::add_log_det(x.log_det, next.log_det, std::exchange(first, false));
    });
    return x;
  }
  template <class S>
  void initialize(const Tensor<S>& y) {
    NoGradient guard;
    Tensor<S> at = y;
    backwards(*this, [&](auto& bijector) {
      detail::initialize_bijector(bijector, at);
      at = bijector.inverse(at).value;
    });
  }

  static void members(auto& self, auto&& visit) { visit("bijectors", self.bijectors_); }

 private:
  static void backwards(auto& self, const auto& visit) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (visit(std::get<sizeof...(B) - 1 - I>(self.bijectors_)), ...); }
    (std::index_sequence_for<B...>{});
  }

  std::tuple<B...> bijectors_;
};

/// A bijector with its directions exchanged.
template <class B>
struct Inverse {
  B bijector;

  explicit Inverse(B b) : bijector(std::move(b)) {}

  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    return bijector.inverse(x);
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return bijector.forward(y);
  }

  static void members(auto& self, auto&& visit) { visit("bijector", self.bijector); }
};

}  // namespace pushforward
