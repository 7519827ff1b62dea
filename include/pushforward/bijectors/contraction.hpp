// solve_contraction(): the inverse of x + g(x) for a contraction g, with gradients by the implicit function theorem.
#pragma once

#include <functional>
#include <limits>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// A map g(x, p) of points x [n, d] to [n, d], each row by itself, with numbers p that gradients flow to.
template <class S>
using ContractionMap = std::function<Tensor<S>(const Tensor<S>& x, const Tensor<S>& parameters)>;

/// How `solve_contraction` works.
struct ContractionOptions {
  double coefficient = 0.9;  ///< Lipschitz constant of g in the Euclidean norm, below 1
  double tolerance = 0;      ///< error of each row, as a share of max(1, |y|); 0: a few roundings
};

namespace detail {

// How far the points moved: the largest |next - x| / max(1, |y|) of all rows.
template <class S>
double largest_step(const Tensor<S>& x, const Tensor<S>& next, const Tensor<S>& y) {
  const Index d = x.size(-1);
  double largest = 0;
  for (Index row = 0; row < x.size(0); ++row) {
    double step = 0, size = 0;  // squares of floats do not overflow
    for (Index i = row * d; i < (row + 1) * d; ++i) {
      const double change = static_cast<double>(next.data()[i]) - x.data()[i], at = y.data()[i];
      step += change * change;
      size += at * at;
    }
    largest = std::max(largest, std::sqrt(step / std::max(1.0, size)));  // max passes over NaN
  }
  return largest;
}

// The fixed point of x = y - g(x), from x = y on: a step of length s leaves an error of s c / (1 - c) at most.
template <class F, class S>
Tensor<S> fixed_point(const F& g, const Tensor<S>& y, const ContractionOptions& options) {
  const double c = options.coefficient, eps = std::numeric_limits<S>::epsilon();
  const double enough = std::max(options.tolerance * (1 - c) / c, 16 * eps);
  const auto most = static_cast<Index>(std::log(eps * (1 - c)) / std::log(c)) + 20;
  Tensor<S> x = y;
  double step = 0;
  for (Index i = 0; i < most; ++i) {
    const Tensor<S> next = y - g(x);
    if (!(next.shape() == y.shape()))
      fail<ShapeError>("solve_contraction: the map gave shape ", next.shape(), " for points of shape ", y.shape(),
                       ", expected the same");
    step = largest_step(x, next, y);
    x = next;
    if (step <= enough) return x;
  }
  if (step > std::sqrt(eps))
    fail<Error>("solve_contraction: after ", most, " iterations points still move by ", step,
                "; the map is no contraction with .coefficient = ", c);
  return x;
}

// w with w + J^T w = v, J = dg/dx, from one recorded evaluation of g; a constant.
template <class S>
Tensor<S> solve_transposed(const ContractionMap<S>& g, const Tensor<S>& v, const Tensor<S>& root, const Tensor<S>& p,
                           const ContractionOptions& options) {
  const FlagGuard guard(recording_flag(), true);
  const Tensor<S> at = variable(root), y = g(at, stop_gradient(p));
  if (!y.tracked()) return v;
  return fixed_point([&](const Tensor<S>& w) { return vjp(y, {at}, w)[0]; }, stop_gradient(v), options);
}

}  // namespace detail

/// The points x with x + g(x, p) = y: y [n, d], p [m] -> [n, d]. g is a contraction in each row of x.
///
/// Fixed-point iteration x <- y - g(x, p), whose error shrinks by `coefficient` in each step at least (Behrmann et al.
/// 2019, algorithm 1). Gradients of every order flow to y and p by the implicit function theorem,
/// dx = (I + dg/dx)^-1 (dy - dg/dp dp), where the transposed system is solved by the same iteration; what g uses
/// besides gets none. Throws ValueError unless 0 < coefficient < 1, ShapeError, Error if g is no such contraction.
///     solve_contraction<double>([](const auto& x, const auto& p) { return 0.5 * tanh(p * x); }, y, p)
template <class S>
Tensor<S> solve_contraction(const ContractionMap<S>& g, const Tensor<S>& y, const Tensor<S>& parameters,
                            const ContractionOptions& options = {}) {
  if (!(options.coefficient > 0 && options.coefficient < 1))
    fail<ValueError>("solve_contraction: .coefficient is ", options.coefficient, ", expected between 0 and 1");
  if (!(options.tolerance >= 0))
    fail<ValueError>("solve_contraction: .tolerance is ", options.tolerance, ", expected 0 or more");
  if (y.rank() != 2) fail<ShapeError>("solve_contraction: got points of shape ", y.shape(), ", expected [n, d]");
  auto value = [&](const Tensor<S>& to, const Tensor<S>& p) {
    return detail::fixed_point([&](const Tensor<S>& x) { return g(x, p); }, to, options);
  };
  auto rule = [g, options](const Tensor<S>& v, const Tensor<S>& x, const Tensor<S>&, const Tensor<S>& p) {
    using Pair = std::array<Tensor<S>, 2>;
    const bool again = detail::recording_flag();  // whether the gradient will be differentiated
    const detail::FlagGuard guard(detail::recording_flag(), true);
    if (!again) {
      const Pair at{stop_gradient(x), stop_gradient(p)};
      const Tensor<S> w = detail::solve_transposed(g, v, at[0], at[1], options);
      return Pair{w, stop_gradient(-detail::pull_back_recorded(g, w, at)[1])};
    }
    // The system's solution is the inverse of another such map: v + J(x, p)^T v, with x and p as its numbers.
    const Shape points = x.shape(), numbers = p.shape();
    const ContractionMap<S> transposed = [=](const Tensor<S>& w, const Tensor<S>& both) {
      const detail::FlagGuard on(detail::recording_flag(), true);
      const Pair at{reshape(slice(both, 0, 0, points.size()), points),
                    reshape(slice(both, 0, points.size(), both.size()), numbers)};
      return detail::pull_back_recorded(g, w, at)[0];
    };
    const Tensor<S> both = concat({reshape(x, Shape{x.size()}), reshape(p, Shape{p.size()})});
    const Tensor<S> w = solve_contraction<S>(transposed, v, both, options);
    return Pair{w, -detail::pull_back_recorded(g, w, Pair{x, p})[1]};
  };
  return primitive(value, std::move(rule), y, parameters);
}

}  // namespace pushforward
