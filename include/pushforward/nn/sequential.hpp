// Sequential: layers one after the other, composed when the program is compiled.
#pragma once

#include <tuple>
#include <utility>

#include <pushforward/nn/layer.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward {

/// Layers called one after the other: `Sequential(Linear<>(2, 64, rng), Silu{}, Linear<>(64, 1, rng))`.
///
/// A layer is a module with a call operator, a function object or lambda without captures, or a vector of layers (of
/// AnyLayer, say). Called with a generator, it hands it to the layers that take one. A dense layer and the activation
/// after it run as one operation. The parameters of layer i are called "i. ..".
template <class... Layers>
struct Sequential {
  static_assert((detail::is_layer<Layers> && ...),
                "pushforward: a layer of Sequential holds state but is not a module, so its parameters would be missed "
                "in silence. "
                "A lambda must not capture; write a struct with a call operator and "
                "`static void members(auto& self, auto&& visit)` instead.");

  std::tuple<Layers...> layers;

  Sequential() = default;
  explicit Sequential(Layers... parts) requires(sizeof...(Layers) > 0) : layers(std::move(parts)...) {}

  template <class S>
  auto operator()(const Tensor<S>& x) const {
    return run<0>(x);
  }
  template <class S>
  auto operator()(const Tensor<S>& x, Rng& rng) const {
    return run<0>(x, rng);
  }

  void walk(const Path& path, Visitor& visitor) { detail::walk_member(path, layers, visitor); }

 private:
  template <std::size_t I>
  using Layer = std::tuple_element_t<I, std::tuple<Layers...>>;

  // Whether layer I can apply layer I + 1 itself.
  template <std::size_t I, class S>
  static constexpr bool fuses() {
    if constexpr (I + 1 < sizeof...(Layers)) return requires(const Layer<I>& layer, const Tensor<S>& x) {
        layer(x, Layer<I + 1>::fused);
      };
    else
      return false;
  }

  template <std::size_t I, class S, class... R>
  auto run(const Tensor<S>& x, R&... rng) const {
    if constexpr (I == sizeof...(Layers))
      return x;
    else if constexpr (fuses<I, S>())
      return run<I + 2>(std::get<I>(layers)(x, Layer<I + 1>::fused), rng...);
    else
      return run<I + 1>(detail::call_layer(std::get<I>(layers), x, rng...), rng...);
  }
};

/// x + inner(x), where inner keeps the shape (He et al. 2016, eq. 1). Throws ShapeError if it does not.
template <class Inner>
struct Residual {
  static_assert(detail::is_layer<Inner>,
                "pushforward: the layer of Residual holds state but is not a module; give it `static void "
                "members(auto& self, auto&& visit)`.");

  Inner inner;

  Residual() = default;
  explicit Residual(Inner layer) : inner(std::move(layer)) {}

  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return add(x, detail::call_layer(inner, x));
  }
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x, Rng& rng) const {
    return add(x, detail::call_layer(inner, x, rng));
  }

  static void members(auto& self, auto&& visit) { visit("inner", self.inner); }

 private:
  template <class S>
  static Tensor<S> add(const Tensor<S>& x, const Tensor<S>& change) {
    if (!(x.shape() == change.shape()))
      fail<ShapeError>("Residual: the inner layer maps shape ", x.shape(), " to ", change.shape(),
                       ", expected the same shape");
    return x + change;
  }
};

}  // namespace pushforward
