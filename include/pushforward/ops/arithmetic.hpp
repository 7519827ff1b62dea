// Arithmetic, comparison and selection, with broadcasting.
#pragma once

#include <concepts>

#include <pushforward/ops/broadcast.hpp>
#include <pushforward/ops/reduce_kernels.hpp>

namespace pushforward {

/// A plain number that may stand beside a tensor.
template <class T>
concept Number = std::is_arithmetic_v<T>;

template <class S>
Tensor<S> operator*(const Tensor<S>& a, const Tensor<S>& b);

namespace detail {

// Merges the axes of x into [outer, reduced, inner] where the reduced ones are adjacent, and reduces the middle.
template <class Op, class S>
Tensor<S> reduce_adjacent(const Tensor<S>& x, int first, int last, const Shape& result_shape) {
  Tensor<S> result = Access::allocate<S>(result_shape);
  const Shape& s = x.shape();
  if (!result.empty())
    reduce_middle<Op>(x.data(), s.product(0, first), s.product(first, last), s.product(last, s.rank()),
                      Access::data(result));
  return result;
}

}  // namespace detail

/// The sum of `x` over the axes that broadcasting repeated, so that it gets `shape`: the adjoint of `expand`.
template <class S>
Tensor<S> sum_to(const Tensor<S>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!(broadcast(shape, x.shape(), "sum_to") == x.shape()))
    fail<ShapeError>("sum_to: shape ", shape, " does not broadcast to ", x.shape(), ", expected one that does");
  Tensor<S> y = detail::Access::view(x, x.shape());
  const int extra = x.rank() - shape.rank();
  for (int i = 0; i < x.rank();) {  // each run of adjacent repeated axes at once; lengths become 1
    auto repeated = [&](int axis) { return axis < extra || (shape[axis - extra] == 1 && y.size(axis) != 1); };
    int last = i;
    Shape reduced = y.shape();
    while (last < x.rank() && repeated(last)) reduced = reduced.with(last++, 1);
    if (last > i) y = detail::reduce_adjacent<detail::Plus>(y, i, last, reduced);
    i = last + 1;
  }
  return detail::record("sum_to", detail::Access::view(y, shape),
                        detail::edge(x, [from = x.shape()](const Tensor<S>& g) { return expand(g, from); }));
}

template <class S>
Tensor<S> operator+(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::record("add",
                        detail::map_broadcast(
                            "add", [](S x, S y) { return x + y; }, a, b),
                        detail::edge(a, [shape = a.shape()](const Tensor<S>& g) { return sum_to(g, shape); }),
                        detail::edge(b, [shape = b.shape()](const Tensor<S>& g) { return sum_to(g, shape); }));
}

template <class S>
Tensor<S> operator-(const Tensor<S>& x) {
  Tensor<S> y = detail::Access::allocate<S>(x.shape());
  detail::map_parallel([](S u) { return -u; }, x.size(), detail::Access::data(y), x.data());
  return detail::record("negate", std::move(y), detail::edge(x, [](const Tensor<S>& g) { return -g; }));
}

template <class S>
Tensor<S> operator-(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::record("subtract",
                        detail::map_broadcast(
                            "subtract", [](S x, S y) { return x - y; }, a, b),
                        detail::edge(a, [shape = a.shape()](const Tensor<S>& g) { return sum_to(g, shape); }),
                        detail::edge(b, [shape = b.shape()](const Tensor<S>& g) { return -sum_to(g, shape); }));
}

template <class S>
Tensor<S> operator*(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::record("multiply",
                        detail::map_broadcast(
                            "multiply", [](S x, S y) { return x * y; }, a, b),
                        detail::edge(a, [b, shape = a.shape()](const Tensor<S>& g) { return sum_to(g * b, shape); }),
                        detail::edge(b, [a, shape = b.shape()](const Tensor<S>& g) { return sum_to(g * a, shape); }));
}

template <class S>
Tensor<S> operator/(const Tensor<S>& a, const Tensor<S>& b) {
  if constexpr (std::is_integral_v<S>)
    if (std::find(b.begin(), b.end(), S(0)) != b.end())
      fail<ValueError>("divide: an integer divisor is 0, expected none");
  return detail::record("divide",
                        detail::map_broadcast(
                            "divide", [](S x, S y) { return x / y; }, a, b),
                        detail::edge(a, [b, shape = a.shape()](const Tensor<S>& g) { return sum_to(g / b, shape); }),
                        detail::edge(b, [b, shape = b.shape()](const Tensor<S>& g, const Tensor<S>& y) {
                          return -sum_to(g * y / b, shape);
                        }));
}

namespace detail {

// slope * x + offset with plain numbers.
template <class S>
Tensor<S> affine_number(const char* name, const Tensor<S>& x, S slope, S offset) {
  Tensor<S> y = Access::allocate<S>(x.shape());
  map_parallel([=](S u) { return slope * u + offset; }, x.size(), Access::data(y), x.data());
  return record(name, std::move(y), edge(x, [slope](const Tensor<S>& g) {
                  return slope == S(1) ? g : affine_number("multiply", g, slope, S(0));
                }));
}

}  // namespace detail

template <class S, Number N>
Tensor<S> operator+(const Tensor<S>& x, N number) {
  return detail::affine_number("add", x, S(1), static_cast<S>(number));
}
template <class S, Number N>
Tensor<S> operator+(N number, const Tensor<S>& x) {
  return x + number;
}
template <class S, Number N>
Tensor<S> operator-(const Tensor<S>& x, N number) {
  return detail::affine_number("subtract", x, S(1), static_cast<S>(-static_cast<S>(number)));
}
template <class S, Number N>
Tensor<S> operator-(N number, const Tensor<S>& x) {
  return detail::affine_number("subtract", x, S(-1), static_cast<S>(number));
}
template <class S, Number N>
Tensor<S> operator*(const Tensor<S>& x, N number) {
  return detail::affine_number("multiply", x, static_cast<S>(number), S(0));
}
template <class S, Number N>
Tensor<S> operator*(N number, const Tensor<S>& x) {
  return x * number;
}
template <class S, Number N>
Tensor<S> operator/(const Tensor<S>& x, N number) {
  return x / Tensor<S>::scalar(static_cast<S>(number));
}
template <class S, Number N>
Tensor<S> operator/(N number, const Tensor<S>& x) {
  return Tensor<S>::scalar(static_cast<S>(number)) / x;
}

/// x += y and its kin replace the handle; other handles to the old value keep it.
template <class S, class T>
Tensor<S>& operator+=(Tensor<S>& x, const T& y) {
  return x = x + y;
}
template <class S, class T>
Tensor<S>& operator-=(Tensor<S>& x, const T& y) {
  return x = x - y;
}
template <class S, class T>
Tensor<S>& operator*=(Tensor<S>& x, const T& y) {
  return x = x * y;
}
template <class S, class T>
Tensor<S>& operator/=(Tensor<S>& x, const T& y) {
  return x = x / y;
}

// Comparisons: 1 where true, 0 where false, with broadcasting; constants, since they have no gradient.

template <class S>
Tensor<S> operator>(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::map_broadcast(
      "greater", [](S x, S y) { return x > y ? S(1) : S(0); }, a, b);
}
template <class S>
Tensor<S> operator>=(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::map_broadcast(
      "greater_equal", [](S x, S y) { return x >= y ? S(1) : S(0); }, a, b);
}
template <class S>
Tensor<S> operator<(const Tensor<S>& a, const Tensor<S>& b) {
  return b > a;
}
template <class S>
Tensor<S> operator<=(const Tensor<S>& a, const Tensor<S>& b) {
  return b >= a;
}
/// 1 where a and b are equal, 0 elsewhere.
template <class S>
Tensor<S> equal(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::map_broadcast(
      "equal", [](S x, S y) { return x == y ? S(1) : S(0); }, a, b);
}
/// 1 where a and b differ, 0 elsewhere.
template <class S>
Tensor<S> not_equal(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::map_broadcast(
      "not_equal", [](S x, S y) { return x != y ? S(1) : S(0); }, a, b);
}
template <class S, Number N>
Tensor<S> operator>(const Tensor<S>& a, N b) {
  return a > Tensor<S>::scalar(static_cast<S>(b));
}
template <class S, Number N>
Tensor<S> operator>=(const Tensor<S>& a, N b) {
  return a >= Tensor<S>::scalar(static_cast<S>(b));
}
template <class S, Number N>
Tensor<S> operator<(const Tensor<S>& a, N b) {
  return a < Tensor<S>::scalar(static_cast<S>(b));
}
template <class S, Number N>
Tensor<S> operator<=(const Tensor<S>& a, N b) {
  return a <= Tensor<S>::scalar(static_cast<S>(b));
}
template <class S, Number N>
Tensor<S> equal(const Tensor<S>& a, N b) {
  return equal(a, Tensor<S>::scalar(static_cast<S>(b)));
}
template <class S, Number N>
Tensor<S> not_equal(const Tensor<S>& a, N b) {
  return not_equal(a, Tensor<S>::scalar(static_cast<S>(b)));
}

/// `a` where `mask` is not zero, else `b`, with broadcasting; no gradient flows to what was not chosen.
template <class S>
Tensor<S> where(const Tensor<S>& mask, const Tensor<S>& a, const Tensor<S>& b) {
  const Shape shape = broadcast(mask.shape(), broadcast(a.shape(), b.shape(), "where"), "where");
  const Tensor<S> m = detail::expand_values(mask, shape);
  const Tensor<S> x = detail::expand_values(a, shape), y = detail::expand_values(b, shape);
  Tensor<S> result = detail::Access::allocate<S>(shape);
  detail::map_parallel([](S c, S u, S v) { return c != S(0) ? u : v; }, shape.size(), detail::Access::data(result),
                       m.data(), x.data(), y.data());
  return detail::record(
      "where", std::move(result),
      detail::edge(
          a, [m, to = a.shape()](const Tensor<S>& g) { return sum_to(where(m, g, Tensor<S>::scalar(S(0))), to); }),
      detail::edge(
          b, [m, to = b.shape()](const Tensor<S>& g) { return sum_to(where(m, Tensor<S>::scalar(S(0)), g), to); }));
}
template <class S, Number N>
Tensor<S> where(const Tensor<S>& mask, const Tensor<S>& a, N b) {
  return where(mask, a, Tensor<S>::scalar(static_cast<S>(b)));
}
template <class S, Number N>
Tensor<S> where(const Tensor<S>& mask, N a, const Tensor<S>& b) {
  return where(mask, Tensor<S>::scalar(static_cast<S>(a)), b);
}

template <class S, Number A, Number B>
Tensor<S> where(const Tensor<S>& mask, A a, B b) {
  return where(mask, Tensor<S>::scalar(static_cast<S>(a)), Tensor<S>::scalar(static_cast<S>(b)));
}

namespace detail {

// The share of the cotangent that the winner of a minimum or maximum gets: all, or half where both are equal.
template <class S>
Tensor<S> winner(const Tensor<S>& x, const Tensor<S>& other, bool largest) {
  const S sign = largest ? S(1) : S(-1);
  return map_broadcast(
      "maximum", [sign](S u, S v) { return sign * u > sign * v ? S(1)
                                           : u == v            ? S(0.5)
                                                               : S(0); }, x, other);
}

template <class S>
Tensor<S> extremum(const char* name, const Tensor<S>& a, const Tensor<S>& b, bool largest) {
  const S sign = largest ? S(1) : S(-1);
  auto pick = [sign](S x, S y) { return sign * x > sign * y || x != x ? x : y; };  // NaN wins
  return record(name, map_broadcast(name, pick, a, b),
                edge(a, [a, b, largest](const Tensor<S>& g) { return sum_to(g * winner(a, b, largest), a.shape()); }),
                edge(b, [a, b, largest](const Tensor<S>& g) { return sum_to(g * winner(b, a, largest), b.shape()); }));
}

}  // namespace detail

/// The larger of a and b elementwise, with broadcasting; where they are equal each gets half of the gradient.
template <class S>
Tensor<S> maximum(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::extremum("maximum", a, b, true);
}
/// The smaller of a and b elementwise, with broadcasting; where they are equal each gets half of the gradient.
template <class S>
Tensor<S> minimum(const Tensor<S>& a, const Tensor<S>& b) {
  return detail::extremum("minimum", a, b, false);
}
template <class S, Number N>
Tensor<S> maximum(const Tensor<S>& a, N b) {
  return maximum(a, Tensor<S>::scalar(static_cast<S>(b)));
}
template <class S, Number N>
Tensor<S> minimum(const Tensor<S>& a, N b) {
  return minimum(a, Tensor<S>::scalar(static_cast<S>(b)));
}

}  // namespace pushforward
