// elementwise(): a fused operation from one lambda, its derivatives from the same lambda on dual numbers.
#pragma once

#include <array>
#include <utility>

#include <pushforward/autodiff/dual.hpp>
#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

/// Derivatives of an elementwise lambda exist up to this order.
inline constexpr int max_elementwise_order = 3;

namespace detail {

// How often a lambda is differentiated in each of its arguments.
template <int... Times>
struct Orders {
  static constexpr int total = (Times + ... + 0);
  template <int Argument, int... I>
  static auto raised(std::integer_sequence<int, I...>) -> Orders<(Times + (I == Argument))...>;
  template <int Argument>
  using raise = decltype(raised<Argument>(std::make_integer_sequence<int, sizeof...(Times)>{}));
};

// d f / d x_Argument at (x...), by seeding that argument.
template <int Argument, class F, class T, int... I>
PUSHFORWARD_INLINE T slope_along(const F& f, const std::array<T, sizeof...(I)>& x, std::integer_sequence<int, I...>) {
  return Dual<T>(f(Dual<T>(x[I], T(I == Argument ? 1 : 0))...)).slope;
}

template <int Argument, class F, class T, std::size_t N>
PUSHFORWARD_INLINE T derivative(const F& f, const std::array<T, N>& x, Orders<>) {
  return std::apply(f, x);
}

// The mixed derivative of f of the given orders: peels off one argument after the other.
template <int Argument, class F, class T, std::size_t N, int First, int... Rest>
PUSHFORWARD_INLINE T derivative(const F& f, const std::array<T, N>& x, Orders<First, Rest...>) {
  if constexpr (First == 0) {
    return derivative<Argument + 1>(f, x, Orders<Rest...>{});
  } else {
    auto slope = [&f](auto... args) {
      using U = std::common_type_t<decltype(args)...>;
      return slope_along<Argument>(f, std::array<U, N>{args...}, std::make_integer_sequence<int, N>{});
    };
    return derivative<Argument>(slope, x, Orders<First - 1, Rest...>{});
  }
}

// weight * (mixed derivative of f of the orders `O`) at x: every gradient of an elementwise lambda has this form.
template <class O, class F, class S, std::size_t... I>
Tensor<S> weighted_derivative(const F& f, const Tensor<S>& weight, const std::array<Tensor<S>, sizeof...(I)>& x, std::index_sequence<I...> all) {
  constexpr std::size_t count = sizeof...(I);
  Shape shape = weight.shape();
  ((shape = broadcast(shape, x[I].shape(), "elementwise")), ...);
  const Tensor<S> w = expand_values(weight, shape);
  const std::array<Tensor<S>, count> values{expand_values(x[I], shape)...};
  Tensor<S> y = Access::allocate<S>(shape);
  auto element = [f](S scale, decltype(static_cast<S>(I))... lanes) {
    return scale * derivative<0>(f, std::array<Lane<S>, count>{Lane<S>(lanes)...}, O{}).value;
  };
  map_parallel(element, shape.size(), Access::data(y), w.data(), values[I].data()...);
  return record(
      "elementwise", std::move(y),
      edge(weight, [=](const Tensor<S>& g) { return sum_to(weighted_derivative<O>(f, g, x, all), weight.shape()); }),
      edge(x[I], [=](const Tensor<S>& g) {
        if constexpr (O::total >= max_elementwise_order) {
          fail<GradientError>("elementwise: derivatives exist up to order ", max_elementwise_order, ", and one more was asked for; use primitive() or plain operations");
          return g;
        } else {
          return sum_to(weighted_derivative<typename O::template raise<static_cast<int>(I)>>(f, g * weight, x, all), x[I].shape());
        }
      })...);
}

template <class F, class S, std::size_t... I>
Tensor<S> elementwise_of(const F& f, const std::array<Tensor<S>, sizeof...(I)>& x, std::index_sequence<I...> all) {
  constexpr std::size_t count = sizeof...(I);
  Shape shape = x[0].shape();
  ((shape = broadcast(shape, x[I].shape(), "elementwise")), ...);
  const std::array<Tensor<S>, count> values{expand_values(x[I], shape)...};
  Tensor<S> y = Access::allocate<S>(shape);
  auto element = [f](decltype(static_cast<S>(I))... lanes) { return Lane<S>(f(Lane<S>(lanes)...)).value; };
  map_parallel(element, shape.size(), Access::data(y), values[I].data()...);
  return record("elementwise", std::move(y), edge(x[I], [=](const Tensor<S>& g) {
                  using FirstOrder = typename Orders<(static_cast<void>(I), 0)...>::template raise<static_cast<int>(I)>;
                  return sum_to(weighted_derivative<FirstOrder>(f, g, x, all), x[I].shape());
                })...);
}

}  // namespace detail

/// y[i] = f(x[i], ...) in one fused, vectorized pass, with broadcasting and gradients up to order 3.
///
/// `f` is a lambda with `auto` parameters that uses arithmetic, comparisons, `where`, and the functions of autodiff/dual.hpp:
///     elementwise([](auto x, auto y) { return x * sigmoid(y); }, x, y)
/// Its derivatives come from running it on dual numbers. Throws ShapeError if the shapes do not broadcast, GradientError
/// past order 3.
template <class F, class S, std::same_as<Tensor<S>>... More>
Tensor<S> elementwise(const F& f, const Tensor<S>& x, const More&... more) {
  return detail::elementwise_of(f, std::array<Tensor<S>, 1 + sizeof...(More)>{x, more...}, std::make_index_sequence<1 + sizeof...(More)>{});
}

}  // namespace pushforward
