// Ordinary differential equations: integrate() and four Runge-Kutta solvers, one with adaptive steps.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <variant>
#include <vector>

#include <pushforward/ops/linear_combination.hpp>

namespace pushforward {

/// Euler's method in equal steps: order 1, one evaluation a step.
struct Euler {
  Index steps = 100;
};
/// Heun's method (the explicit trapezoidal rule) in equal steps: order 2, two evaluations a step.
struct Heun {
  Index steps = 50;
};
/// The classic Runge-Kutta method in equal steps: order 4, four evaluations a step.
struct RungeKutta4 {
  Index steps = 25;
};
/// The pair of Dormand and Prince 1980 with steps chosen by its error: order 5, six evaluations a step.
///
/// A step is accepted when in every row of the state, the entries along its first axis, the root mean square of
/// error / (absolute + relative |x|) is at most 1; so a row is as accurate in a large batch as alone.
struct DormandPrince {
  double relative = 1e-5, absolute = 1e-5;  ///< tolerances of one step
  Index max_steps = 10'000;                 ///< accepted and rejected ones
};

/// Any of the solvers.
using OdeSolver = std::variant<Euler, Heun, RungeKutta4, DormandPrince>;

/// What a solution cost.
struct OdeTrace {
  Index evaluations = 0;  ///< of the field
  Index accepted = 0, rejected = 0;
};

namespace detail {

// A state is a tensor or an array of tensors; this is how the solvers see both.
template <class S>
std::span<const Tensor<S>> state_parts(const Tensor<S>& x) {
  return {&x, 1};
}
template <class S>
std::span<Tensor<S>> state_parts(Tensor<S>& x) {
  return {&x, 1};
}
template <class S, std::size_t N>
std::span<const Tensor<S>> state_parts(const std::array<Tensor<S>, N>& x) {
  return x;
}
template <class S, std::size_t N>
std::span<Tensor<S>> state_parts(std::array<Tensor<S>, N>& x) {
  return x;
}

// A field with its type erased, so that the solvers are compiled once for each kind of state; it counts its calls.
template <class State>
class FieldView {
 public:
  template <class Field>
  FieldView(const Field& field, OdeTrace& trace)
      : field_(&field),
        trace_(trace),
        call_([](const void* f, const State& x, double t) -> State { return (*static_cast<const Field*>(f))(x, t); }) {}

  State operator()(const State& x, double t) const {
    ++trace_.evaluations;
    State slope = call_(field_, x, t);
    for (std::size_t i = 0; i < state_parts(x).size(); ++i)
      if (!(state_parts(slope)[i].shape() == state_parts(x)[i].shape()))
        fail<ShapeError>("integrate: the field gave a derivative of shape ", state_parts(slope)[i].shape(),
                         " for a state of shape ", state_parts(x)[i].shape(), ", expected the same shape");
    return slope;
  }
  OdeTrace& trace() const { return trace_; }

 private:
  const void* field_;
  OdeTrace& trace_;
  State (*call_)(const void*, const State&, double);
};

// x + h sum_i weights[i] slopes[i]; with `of_x` = 0 the sum alone.
template <class State>
State advance(const State& x, double h, std::initializer_list<double> weights, const State* slopes, double of_x = 1) {
  State y = x;
  for (std::size_t part = 0; part < state_parts(x).size(); ++part) {
    LinearTerms<typename std::remove_cvref_t<decltype(state_parts(x)[0])>::Scalar> terms;
    if (of_x != 0) terms.add(of_x, state_parts(x)[part]);
    const State* slope = slopes;
    for (const double weight : weights) {
      if (weight != 0) terms.add(h * weight, state_parts(*slope)[part]);
      ++slope;
    }
    state_parts(y)[part] = combine(terms);
  }
  return y;
}

template <class State>
State step(const Euler&, const FieldView<State>& f, const State& x, double t, double h) {
  const State slope = f(x, t);
  return advance(x, h, {1.0}, &slope);
}
template <class State>
State step(const Heun&, const FieldView<State>& f, const State& x, double t, double h) {
  std::array<State, 2> k;
  k[0] = f(x, t);
  k[1] = f(advance(x, h, {1.0}, k.data()), t + h);
  return advance(x, h, {0.5, 0.5}, k.data());
}
template <class State>
State step(const RungeKutta4&, const FieldView<State>& f, const State& x, double t, double h) {
  std::array<State, 4> k;
  k[0] = f(x, t);
  k[1] = f(advance(x, h, {0.5}, &k[0]), t + h / 2);
  k[2] = f(advance(x, h, {0.5}, &k[1]), t + h / 2);
  k[3] = f(advance(x, h, {1.0}, &k[2]), t + h);
  return advance(x, h, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}, k.data());
}

template <class Solver, class State>
State integrate_with(const Solver& solver, const FieldView<State>& f, State x, double from, double to) {
  if (solver.steps < 1) fail<ValueError>("integrate: .steps is ", solver.steps, ", expected at least 1");
  const double h = (to - from) / static_cast<double>(solver.steps);
  for (Index i = 0; i < solver.steps; ++i) {
    const double t = from + (to - from) * (static_cast<double>(i) / static_cast<double>(solver.steps));
    x = step(solver, f, x, t, h);
    ++f.trace().accepted;
  }
  return x;
}

// The largest root mean square of a row of e / (absolute + relative max(|x|, |y|)).
template <class S>
double worst_row(const Tensor<S>& e, const Tensor<S>& x, const Tensor<S>& y, const DormandPrince& tolerance) {
  const Index rows = e.rank() > 0 ? e.size(0) : 1, width = rows ? e.size() / rows : 0;
  double worst = 0;
  for (Index i = 0; i < rows; ++i) {
    double total = 0;
    for (Index j = i * width; j < (i + 1) * width; ++j) {
      const double size = std::max(std::abs(x.data()[j]), std::abs(y.data()[j]));
      const double share = e.data()[j] / (tolerance.absolute + tolerance.relative * size);
      total += share * share;
    }
    if (!(total <= worst)) worst = total;  // a NaN is the worst
    if (std::isnan(worst)) break;
  }
  return width ? std::sqrt(worst / static_cast<double>(width)) : 0.0;
}

template <class State>
double error_norm(const State& e, const State& x, const State& y, const DormandPrince& tolerance) {
  double worst = 0;
  for (std::size_t i = 0; i < state_parts(e).size(); ++i) {
    const double norm = worst_row(state_parts(e)[i], state_parts(x)[i], state_parts(y)[i], tolerance);
    if (!(norm <= worst)) worst = norm;
    if (std::isnan(worst)) break;
  }
  return worst;
}

// The first step (Hairer, Norsett and Wanner 1993, section II.4): one that Euler's method could take, too.
template <class State>
double first_step(const FieldView<State>& f, const State& x, const State& slope, double t, double span,
                  const DormandPrince& tolerance) {
  NoGradient guard;
  const double size = error_norm(x, x, x, tolerance), speed = error_norm(slope, x, x, tolerance);
  const double small = size < 1e-5 || speed < 1e-5 ? 1e-6 : 0.01 * size / speed;
  const double trial = std::min(small, std::abs(span));
  std::array<State, 2> k{slope, {}};
  k[1] = f(advance(x, std::copysign(trial, span), {1.0}, &slope), t + std::copysign(trial, span));
  const double bend = error_norm(advance(x, 1.0, {-1.0, 1.0}, k.data(), 0), x, x, tolerance) / trial;
  const double most = std::max(speed, bend);
  const double guess = most <= 1e-15 ? std::max(1e-6, small * 1e-3) : std::pow(0.01 / most, 0.2);
  return std::min(100 * small, guess);
}

// One step of the pair from x with slope k[0] (Dormand and Prince 1980, table 2); fills in the other slopes, of which
// k[6] is that of the result.
template <class State>
State attempt(const FieldView<State>& f, const State& x, double t, double h, std::array<State, 7>& k) {
  const State* const all = k.data();
  k[1] = f(advance(x, h, {1.0 / 5}, all), t + h / 5);
  k[2] = f(advance(x, h, {3.0 / 40, 9.0 / 40}, all), t + h * 3 / 10);
  k[3] = f(advance(x, h, {44.0 / 45, -56.0 / 15, 32.0 / 9}, all), t + h * 4 / 5);
  k[4] = f(advance(x, h, {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729}, all), t + h * 8 / 9);
  k[5] = f(advance(x, h, {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656}, all), t + h);
  State y = advance(x, h, {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}, all);
  k[6] = f(y, t + h);
  return y;
}

// The difference to the result of order 4, measured by the tolerances.
template <class State>
double step_error(const State& x, const State& y, double h, const std::array<State, 7>& k,
                  const DormandPrince& tolerance) {
  NoGradient guard;
  const auto weights = {71.0 / 57600, 0.0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
  return error_norm(advance(x, h, weights, k.data(), 0), x, y, tolerance);
}

inline void check_tolerances(const DormandPrince& o) {
  if (!(o.relative >= 0 && o.absolute >= 0 && o.relative + o.absolute > 0))
    fail<ValueError>("integrate: the tolerances are .relative = ", o.relative, " and .absolute = ", o.absolute,
                     ", expected no negative ones, and one above zero");
  if (o.max_steps < 1) fail<ValueError>("integrate: .max_steps is ", o.max_steps, ", expected at least 1");
}

template <class State>
State integrate_with(const DormandPrince& solver, const FieldView<State>& f, State x, double from, double to) {
  check_tolerances(solver);
  OdeTrace& trace = f.trace();
  std::array<State, 7> k;
  k[0] = f(x, from);
  double t = from, size = first_step(f, x, k[0], from, to - from, solver);
  while (t != to) {
    if (trace.accepted + trace.rejected >= solver.max_steps)
      fail<Error>("integrate: DormandPrince took ", solver.max_steps, " steps and came from time ", from, " to ", t,
                  " of ", to, "; raise .max_steps, loosen .relative and .absolute, or scale the field down");
    if (!(size > 16 * std::numeric_limits<double>::epsilon() * std::max(std::abs(t), std::abs(to))))
      fail<Error>("integrate: DormandPrince needs steps below ", size, " at time ", t,
                  ": the field is not finite or not smooth there, or the tolerances are finer than its numbers");
    const bool last = size * 1.001 >= std::abs(to - t);  // no sliver of a step at the end
    const double h = last ? to - t : std::copysign(size, to - from);
    State y = attempt(f, x, t, h, k);
    const double error = step_error(x, y, h, k, solver);
    const bool accept = error <= 1;
    const double most = accept ? 10.0 : 1.0, factor = std::isnan(error) ? 0.0 : 0.9 * std::pow(error, -0.2);
    size = std::abs(h) * std::clamp(factor, 0.2, most);
    ++(accept ? trace.accepted : trace.rejected);
    if (!accept) continue;
    t = last ? to : t + h;
    x = std::move(y);
    k[0] = std::move(k[6]);
  }
  return x;
}

template <class State, class Field>
State integrate_state(const Field& field, const State& x, double from, double to, const OdeSolver& solver,
                      OdeTrace* trace) {
  if (!std::isfinite(from) || !std::isfinite(to))
    fail<ValueError>("integrate: from time ", from, " to ", to, ", expected finite times");
  OdeTrace own;
  const FieldView<State> view(field, trace ? * trace = {} : own);
  if (from == to) return x;
  return std::visit([&](const auto& chosen) { return integrate_with(chosen, view, x, from, to); }, solver);
}

}  // namespace detail

/// The solution at time `to` of dx/dt = field(x, t) with x at time `from`; `to` may be the earlier one.
///
///     integrate([](const Tensor<>& x, double t) { return -t * x; }, x, 0, 1, RungeKutta4{.steps = 20})
///
/// The state is a tensor, or a std::array of tensors that the field takes and returns. The solution is differentiable
/// in x and in what the field uses, through the steps that were taken (discretize, then optimize). `trace` is filled
/// with what it cost.
///
/// Throws ShapeError for a derivative of another shape than its state, ValueError for solver options out of range,
/// Error where DormandPrince runs out of steps or its steps become too small to count.
template <class S, class Field>
Tensor<S> integrate(const Field& field, const Tensor<S>& x, double from, double to, const OdeSolver& solver,
                    OdeTrace* trace = nullptr) {
  return detail::integrate_state(field, x, from, to, solver, trace);
}
template <class S, std::size_t N, class Field>
std::array<Tensor<S>, N> integrate(const Field& field, const std::array<Tensor<S>, N>& x, double from, double to,
                                   const OdeSolver& solver, OdeTrace* trace = nullptr) {
  return detail::integrate_state(field, x, from, to, solver, trace);
}

/// The states at each of `times`, the first being x itself; the solver starts anew at each, so that equal steps are
/// steps between two times. Throws what `integrate` throws.
template <class State, class Field>
std::vector<State> trajectory(const Field& field, const State& x, const std::vector<double>& times,
                              const OdeSolver& solver) {
  std::vector<State> states;
  for (std::size_t i = 0; i < times.size(); ++i)
    states.push_back(i ? integrate(field, states.back(), times[i - 1], times[i], solver) : x);
  return states;
}

}  // namespace pushforward
