// solve_increasing(): roots by guarded bisection, with gradients by the implicit function theorem.
#pragma once

#include <array>
#include <limits>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

namespace detail {

// A function's values at x, and their slopes: df_i/dx_i, where f_i depends on x_i alone.
template <class F, class S>
ValueAndGradient<S> values_and_slopes(const F& f, const Tensor<S>& x) {
  const FlagGuard guard(recording_flag(), true);
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at);
  if (!(y.shape() == x.shape()))
    fail<ShapeError>("solve_increasing: the function gave shape ", y.shape(), " for x of shape ", x.shape(),
                     ", expected the same");
  return {stop_gradient(y), vjp(y, {at}, Tensor<S>::ones(y.shape()))[0]};
}

// Where an increasing function passes 0, from `evaluate(x)`, its values and slopes: Newton steps where they stay inside
// brackets, which shrink with every value, and are at most half as long as the step before; the brackets are halved
// elsewhere, so that x converges whatever the function looks like. All elements take as many steps.
template <class Evaluate, class S>
Tensor<S> bracketed_root(const Evaluate& evaluate, Tensor<S> low, Tensor<S> high) {
  constexpr int most_steps = 300;
  constexpr S precision = 2 * std::numeric_limits<S>::epsilon();
  Tensor<S> x = S(0.5) * low + S(0.5) * high, last = high - low;
  for (int step = 0; step < most_steps; ++step) {
    const ValueAndGradient<S> y = evaluate(x);
    low = where(y.value <= 0, x, low);
    high = where(y.value >= 0, x, high);
    const Tensor<S> newton = x - y.value / y.gradient, length = abs(newton - x);
    const Tensor<S> rounding = precision * maximum(abs(x), S(1));
    const Tensor<S> most = maximum(S(0.5) * last, rounding);                      // what is done stays until all are
    const Tensor<S> fit = (newton >= low) * (newton <= high) * (length <= most);  // 0 for NaN as well
    const Tensor<S> next = where(fit, newton, S(0.5) * low + S(0.5) * high);
    const Tensor<S> open = minimum(where(fit, length, high - low), high - low) - rounding;
    last = abs(next - x);
    x = next;
    if (!any_of(open, [](S u) { return !(u <= S(0)); })) break;
  }
  return x;
}

// x = find(p...), which solves f(x, p...) = 0 for a function f that is increasing in x, with gradients in p of every
// order by the implicit function theorem.
template <class Find, class F, class S, std::derived_from<Tensor<S>>... More>
Tensor<S> implicit_root(const Find& find, const F& f, const Tensor<S>& parameter, const More&... more) {
  auto rule = [f](const Tensor<S>& g, const Tensor<S>& root, const auto&... p) {
    constexpr std::size_t count = sizeof...(p);
    const bool again = recording_flag();  // whether the gradient will be differentiated
    const FlagGuard guard(recording_flag(), true);
    const std::array<Tensor<S>, 1 + count> at{again ? root : stop_gradient(root), (again ? p : stop_gradient(p))...};
    const Tensor<S> slope = pull_back_recorded(f, Tensor<S>::ones(root.shape()), at)[0];
    const auto found = pull_back_recorded(f, Tensor<S>(-g / slope), at);
    std::array<Tensor<S>, count> result;
    for (std::size_t i = 0; i < count; ++i) result[i] = again ? found[i + 1] : stop_gradient(found[i + 1]);
    return result;
  };
  return primitive(find, std::move(rule), parameter, static_cast<const Tensor<S>&>(more)...);
}

}  // namespace detail

/// The roots x of f(x, p...) = 0, elementwise, where f is strictly increasing in x: [..] -> [..].
///
/// Element i of f depends on element i of x only; `low` and `high` have the shape of x, with f(low) <= 0 <= f(high).
/// Bisection guarded Newton steps find x to the precision of S or, where |x| < 1, of S at 1. Gradients of every order
/// flow to the parameters p by dx = -(df/dx)^-1 df; what f uses besides gets none, and `low` and `high` get none.
/// Throws ShapeError if f changes the shape.
///     solve_increasing([](const auto& x, const auto& y) { return x + tanh(x) - y; }, y - 1, y + 1, y)
template <class F, class S, std::derived_from<Tensor<S>>... More>
Tensor<S> solve_increasing(const F& f, const Tensor<S>& low, const Tensor<S>& high, const Tensor<S>& parameter,
                           const More&... more) {
  auto find = [&](const auto&... p) {
    auto evaluate = [&](const Tensor<S>& x) {
      return detail::values_and_slopes([&](const Tensor<S>& at) { return Tensor<S>(f(at, p...)); }, x);
    };
    return detail::bracketed_root(evaluate, stop_gradient(low), stop_gradient(high));
  };
  return detail::implicit_root(find, f, parameter, more...);
}

}  // namespace pushforward
