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

// Which arguments a lambda is differentiated in, one after the other.
template <int Order>
using Directions = std::array<int, static_cast<std::size_t>(Order)>;

// x as an argument of a lambda that is differentiated `Order` times: a dual number of that depth, seeded where a
// direction is this argument. Directions are known at run time, so that each order is compiled once.
template <int Order, class S>
PUSHFORWARD_INLINE auto seeded(S x, const int* directions, int argument) {
  if constexpr (Order == 0) {
    return Lane<S>(x);
  } else {
    using Inner = decltype(seeded<Order - 1>(x, directions, argument));
    return Dual<Inner>(seeded<Order - 1>(x, directions + 1, argument), Inner(directions[0] == argument ? 1 : 0));
  }
}

// The mixed derivative that a result of depth `Order` carries: the slope of the slope of ...
template <int Order, class T>
PUSHFORWARD_INLINE auto innermost_slope(const T& y) {
  if constexpr (Order == 0)
    return y.value;
  else
    return innermost_slope<Order - 1>(y.slope);
}

template <int Order, class F, class S, std::size_t... I>
PUSHFORWARD_INLINE S mixed_derivative(const F& f, const Directions<Order>& d, std::index_sequence<I...>, decltype(static_cast<S>(I))... x) {
  using Argument = decltype(seeded<Order>(S(0), d.data(), 0));
  return innermost_slope<Order>(Argument(f(seeded<Order>(x, d.data(), static_cast<int>(I))...)));
}

// out = weight * (the derivative of f in `directions`). First derivatives, which every training step takes, are compiled
// for each argument and instruction set; higher ones once.
template <int Order, class F, class S, std::size_t... I>
void derivative_loop(const F& f, const Directions<Order>& directions, Index n, S* out, const S* weight,
                     const std::array<const S*, sizeof...(I)>& x, std::index_sequence<I...> all) {
  if constexpr (Order == 1) {
    auto along = [&](auto argument) {
      constexpr int direction = decltype(argument)::value;
      auto element = [f](S w, decltype(static_cast<S>(I))... lanes) { return w * mixed_derivative<1, F, S>(f, {direction}, std::index_sequence<I...>{}, lanes...); };
      map_parallel(element, n, out, weight, x[I]...);
    };
    ((directions[0] == static_cast<int>(I) ? along(std::integral_constant<int, static_cast<int>(I)>{}) : void()), ...);
  } else {
    parallel_for(n, elementwise_grain, [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) out[i] = weight[i] * mixed_derivative<Order, F, S>(f, directions, all, x[I][i]...);
    });
  }
}

// weight * (the derivative of f in `directions`) at x: every gradient of an elementwise lambda has this form.
template <int Order, class F, class S, std::size_t... I>
Tensor<S> weighted_derivative(const F& f, const Directions<Order>& directions, const Tensor<S>& weight, const std::array<Tensor<S>, sizeof...(I)>& x,
                              std::index_sequence<I...> all) {
  Shape shape = weight.shape();
  ((shape = broadcast(shape, x[I].shape(), "elementwise")), ...);
  const Tensor<S> w = expand_values(weight, shape);
  const std::array<Tensor<S>, sizeof...(I)> values{expand_values(x[I], shape)...};
  Tensor<S> y = Access::allocate<S>(shape);
  derivative_loop<Order>(f, directions, shape.size(), Access::data(y), w.data(), {values[I].data()...}, all);
  return record(
      "elementwise", std::move(y),
      edge(weight, [=](const Tensor<S>& g) { return sum_to(weighted_derivative<Order>(f, directions, g, x, all), weight.shape()); }),
      edge(x[I], [=](const Tensor<S>& g) {
        if constexpr (Order >= max_elementwise_order) {
          fail<GradientError>("elementwise: derivatives exist up to order ", max_elementwise_order, ", and one more was asked for; use primitive() or plain operations");
          return g;
        } else {
          Directions<Order + 1> more{static_cast<int>(I)};
          std::copy(directions.begin(), directions.end(), more.begin() + 1);
          return sum_to(weighted_derivative<Order + 1>(f, more, g * weight, x, all), x[I].shape());
        }
      })...);
}

template <class F, class S, std::size_t... I>
Tensor<S> elementwise_of(const F& f, const std::array<Tensor<S>, sizeof...(I)>& x, std::index_sequence<I...> all) {
  Shape shape = x[0].shape();
  ((shape = broadcast(shape, x[I].shape(), "elementwise")), ...);
  const std::array<Tensor<S>, sizeof...(I)> values{expand_values(x[I], shape)...};
  Tensor<S> y = Access::allocate<S>(shape);
  auto element = [f](decltype(static_cast<S>(I))... lanes) { return Lane<S>(f(Lane<S>(lanes)...)).value; };
  map_parallel(element, shape.size(), Access::data(y), values[I].data()...);
  return record("elementwise", std::move(y), edge(x[I], [=](const Tensor<S>& g) {
                  return sum_to(weighted_derivative<1>(f, {static_cast<int>(I)}, g, x, all), x[I].shape());
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
