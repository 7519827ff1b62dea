// check_gradients(): analytic gradients of any order against central finite differences.
#pragma once

#include <array>
#include <type_traits>
#include <vector>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// How `check_gradients` compares; zeros stand for the defaults that follow from the scalar's precision eps.
struct GradientCheckOptions {
  int order = 1;         ///< orders 1 to this one are checked
  double step = 0;       ///< of the differences, times max(1, |x|); default eps^(1/3): 6e-6 for double, 5e-3 for float
  double tolerance = 0;  ///< times max(1, |gradient|); default eps^(1/3), room for functions exact to eps^(2/3)
};

namespace detail {

template <class S>
using Tensors = std::vector<Tensor<S>>;

// f, and its repeated directional derivatives: each level is a function of the same inputs, and the next level is the
// gradient of its product with a fixed random cotangent.
template <class F, class S, std::size_t N>
class DerivativeLevels {
 public:
  DerivativeLevels(const F& f, const Tensors<S>& inputs, int order)
      : f_(f), rng_(20240229), cotangents_(static_cast<std::size_t>(order)) {
    for (int level = 0; level < order; ++level)
      for (const Tensor<S>& y : values(level, inputs)) cotangent(level).push_back(cotangent_like(y, level));
  }

  const Tensors<S>& cotangent(int level) const { return cotangents_[static_cast<std::size_t>(level)]; }
  Tensors<S>& cotangent(int level) { return cotangents_[static_cast<std::size_t>(level)]; }

  // The outputs of derivative `level` (0: of f itself) without a graph.
  Tensors<S> values(int level, const Tensors<S>& inputs) const {
    if (level == 0) {
      NoGradient guard;
      return recorded(0, inputs);
    }
    Tensors<S> at;
    for (const Tensor<S>& x : inputs) at.push_back(variable(x));
    return derivative(level, at, false);
  }

 private:
  Tensor<S> cotangent_like(const Tensor<S>& y, int level) {
    return level == 0 && y.size() == 1 ? Tensor<S>::ones(y.shape()) : normal<S>(y.shape(), rng_);
  }
  Tensors<S> recorded(int level, const Tensors<S>& at) const {
    if (level > 0) return derivative(level, at, true);
    return call(at, std::make_index_sequence<N>{});
  }
  Tensors<S> derivative(int level, const Tensors<S>& at, bool create_graph) const {
    pushforward::detail::FlagGuard guard(pushforward::detail::recording_flag(), true);
    const Tensors<S> y = recorded(level - 1, at);
    Tensor<S> total = Tensor<S>::scalar(S(0));
    for (std::size_t i = 0; i < y.size(); ++i) total = total + sum(y[i] * cotangent(level - 1)[i]);
    if (total.tracked()) return gradient(total, at, {.create_graph = create_graph});
    Tensors<S> zeros;
    for (const Tensor<S>& x : at) zeros.push_back(Tensor<S>::zeros(x.shape()));
    return zeros;
  }
  template <std::size_t... I>
  Tensors<S> call(const Tensors<S>& at, std::index_sequence<I...>) const {
    return {Tensor<S>(f_(at[I]...))};
  }

  const F& f_;
  Rng rng_;
  std::vector<Tensors<S>> cotangents_;
};

// Central difference of <v, y> from y at both sides, and a bound of its rounding error: only outputs that moved count.
struct Difference {
  double slope = 0, rounding = 0;
};

template <class S>
Difference central_difference(const Tensors<S>& above, const Tensors<S>& below, const Tensors<S>& v, double width) {
  double total = 0, squares = 0;
  for (std::size_t k = 0; k < v.size(); ++k)
    for (Index i = 0; i < v[k].size(); ++i) {
      const double a = static_cast<double>(above[k].data()[i]), b = static_cast<double>(below[k].data()[i]);
      if (a == b) continue;
      const auto weight = static_cast<double>(v[k].data()[i]);
      total += weight * (a - b);
      squares += weight * weight * (a * a + b * b);
    }
  return {total / width, 4 * static_cast<double>(std::numeric_limits<S>::epsilon()) * std::sqrt(squares) / width};
}

template <class S>
Tensor<S> with_element(const Tensor<S>& x, Index at, S value) {
  return Tensor<S>::generate(x.shape(), [&](Index i) { return i == at ? value : x.data()[i]; });
}

template <class Levels, class S>
void check_order(const Levels& levels, const Tensors<S>& inputs, int order, const GradientCheckOptions& options) {
  const Tensors<S> found = levels.values(order, inputs);
  Tensors<S> moved = inputs;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    for (Index i = 0; i < inputs[k].size(); ++i) {
      const S x = inputs[k].data()[i], step = static_cast<S>(options.step) * std::max(S(1), std::abs(x));
      const S above = x + step, below = x - step;
      moved[k] = with_element<S>(inputs[k], i, above);
      const Tensors<S> y_above = levels.values(order - 1, moved);
      moved[k] = with_element<S>(inputs[k], i, below);
      const Tensors<S> y_below = levels.values(order - 1, moved);
      const double width = static_cast<double>(above) - static_cast<double>(below);
      const Difference expected = central_difference(y_above, y_below, levels.cotangent(order - 1), width);
      const auto got = static_cast<double>(found[k].data()[i]);
      const double allowed = options.tolerance * std::max(1.0, std::abs(expected.slope)) + expected.rounding;
      if (!(std::abs(got - expected.slope) <= allowed))
        fail<CheckFailed>("check_gradients: order ", order, ", input ", k, ", element ", position(inputs[k].shape(), i),
                          " at x = ", x, ": the gradient is ", got, ", but central differences with step ", step,
                          " give ", expected.slope, "; they differ by ", std::abs(got - expected.slope), ", allowed ",
                          allowed);
    }
    moved[k] = inputs[k];
  }
}

template <class S, std::size_t N, class F>
void check_all_orders(const F& f, const Tensors<S>& given, GradientCheckOptions options) {
  if (options.order < 1) fail<ValueError>("check_gradients: order is ", options.order, ", expected 1, 2 or 3");
  const double precision = std::cbrt(static_cast<double>(std::numeric_limits<S>::epsilon()));
  if (options.step == 0) options.step = precision;
  if (options.tolerance == 0) options.tolerance = precision;
  Tensors<S> inputs;
  for (const Tensor<S>& x : given) inputs.push_back(stop_gradient(x));
  const DerivativeLevels<F, S, N> levels(f, inputs, options.order);
  const Tensor<S> first = levels.values(0, inputs)[0], second = levels.values(0, inputs)[0];
  for (Index i = 0; i < first.size(); ++i)
    if (first.data()[i] != second.data()[i])
      fail<CheckFailed>("check_gradients: two calls with the same input give ", first.data()[i], " and ",
                        second.data()[i], " at element ", position(first.shape(), i),
                        "; the function must be finite and repeatable, so give it a copy of its Rng");
  for (int order = 1; order <= options.order; ++order) check_order(levels, inputs, order, options);
}

template <class F, class S, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, decltype(static_cast<void>(I), std::declval<const Tensor<S>&>())...>;
}

template <std::size_t N, class F, class S>
void check_gradients_of(const F& f, const Tensors<S>& inputs, const GradientCheckOptions& options) {
  if constexpr (takes<F, S>(std::make_index_sequence<N>{})) {
    check_all_orders<S, N>(f, inputs, options);
  } else {
    Tensors<double> promoted;
    for (const Tensor<S>& x : inputs) promoted.push_back(as_double(x));
    check_all_orders<double, N>(f, promoted, options);
  }
}

}  // namespace detail

/// Checks the gradients of f at x, up to `order`, against central finite differences; throws CheckFailed with the first
/// element that disagrees.
///
/// f maps a tensor to a tensor; what is not one number is multiplied by a fixed random cotangent and summed. Order 2
/// differentiates the product of the gradient with a random vector, against differences of first-order gradients, and
/// so on: no Hessian is formed. The allowed error is tolerance * max(1, |gradient|) plus the rounding error of the
/// differences. Doubles check to about six digits, floats to about two (a function of Tensor<double> alone is given
/// doubles). Keep x further than a step from kinks.
///     check_gradients([](auto x) { return sum(my_op(x)); }, x, {.order = 2});
template <class F, class S>
void check_gradients(const F& f, const Tensor<S>& x, const GradientCheckOptions& options = {}) {
  detail::check_gradients_of<1>(f, detail::Tensors<S>{x}, options);
}
/// The same for a function of several tensors: check_gradients(f, {x, y}).
template <class F, class S, std::size_t N>
void check_gradients(const F& f, const Tensor<S> (&inputs)[N], const GradientCheckOptions& options = {}) {
  detail::check_gradients_of<N>(f, detail::Tensors<S>(inputs, inputs + N), options);
}

}  // namespace pushforward::testing
