// check_autoregressive(): no output of an autoregressive network sees its future, and cached draws are the same bits.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <pushforward/models/autoregressive/full_completion.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// How `check_autoregressive` looks.
struct AutoregressiveCheckOptions {
  std::vector<Index> order = {};  ///< the element in place p is order[p]; empty: the model's own, or 0, 1, ..
  bool gradients = true;          ///< also differentiate: one reverse sweep for each element of an event
  bool whole_past = false;        ///< also fail if an element does not see one that comes before it: a blind spot
  DrawOptions draw = {};          ///< how the draws that are compared are made
};

namespace detail {

// Elements in their order, what may depend on what, and what was seen to.
class Dependence {
 public:
  Dependence(Index elements, std::vector<Index> order, bool sees_itself, Shape event)
      : elements_(elements), sees_itself_(sees_itself), event_(event), places_(static_cast<std::size_t>(elements), -1) {
    for (Index i = order.empty() ? 0 : elements; i < elements; ++i) order.push_back(i);
    bool fits = static_cast<Index>(order.size()) == elements;
    for (Index place = 0; fits && place < elements; ++place) {
      const Index element = order[static_cast<std::size_t>(place)];
      fits = element >= 0 && element < elements && this->place(element) < 0;
      if (fits) places_[static_cast<std::size_t>(element)] = place;
    }
    if (!fits)
      fail<ValueError>("check_autoregressive: the order does not hold each of the ", elements,
                       " elements of an event once");
    seen_.assign(static_cast<std::size_t>(elements * elements), false);
  }

  /// Whether the output that belongs to one element may depend on another one.
  bool may_see(Index output, Index input) const {
    return place(input) < place(output) || (sees_itself_ && input == output);
  }
  /// Records that an output was found to depend on an input. Throws CheckFailed if it must not.
  void found(Index output, Index input, const std::string& how) {
    if (!may_see(output, input))
      fail<CheckFailed>("check_autoregressive: the output for element ", position(event_, output), ", in place ",
                        place(output), " of the order, depends on input ", position(event_, input), ", in place ",
                        place(input), ", which is ", input == output ? "the element itself" : "in its future", ": ",
                        how);
    seen_[static_cast<std::size_t>(output * elements_ + input)] = true;
  }
  /// Throws CheckFailed if some output was not found to depend on an input that it may see.
  void expect_whole_past() const {
    for (Index output = 0; output < elements_; ++output)
      for (Index input = 0; input < elements_; ++input)
        if (may_see(output, input) && !seen_[static_cast<std::size_t>(output * elements_ + input)])
          fail<CheckFailed>("check_autoregressive: the output for element ", position(event_, output),
                            " does not depend on input ", position(event_, input),
                            ", which comes before it: a blind spot");
  }

 private:
  Index place(Index element) const { return places_[static_cast<std::size_t>(element)]; }

  Index elements_;
  bool sees_itself_;
  Shape event_;
  std::vector<Index> places_;  // of each element in the order
  std::vector<bool> seen_;     // [output, input]
};

// How the outputs of a network belong to the elements of its input.
struct OutputLayout {
  Index rows, elements, each;  // [rows, each, elements], or [rows, elements, each] if `last`
  bool last;

  Index element(Index i) const { return last ? i / each % elements : i % elements; }
  Index row(Index i) const { return i / (each * elements); }
};

template <class T>
Shape event_of(const Tensor<T>& x) {
  if (x.rank() < 2 || x.size() == 0)
    fail<ShapeError>("check_autoregressive: x of shape ", x.shape(), ", expected [n, ..] with n > 0 events");
  return x.shape().without(0);
}

// Tokens have logits [n, t, k]; numbers [n, E..] have parameters [n, E..] or [n, P, E..].
template <class T>
OutputLayout layout_of(const Tensor<T>& x, const Shape& outputs) {
  const Index rows = x.size(0), elements = x.size() / rows;
  const bool last = std::is_same_v<T, Index>;
  const Index each = outputs.rank() == x.rank() + 1 ? outputs[last ? -1 : 1] : 1;
  const Shape expected = outputs.rank() == x.rank() ? x.shape() : x.shape().inserted(last ? x.rank() : 1, each);
  if (!(outputs == expected) || (last && outputs.rank() == x.rank()))
    fail<CheckFailed>("check_autoregressive: the output has shape ", outputs, " for x of shape ", x.shape(), ", ",
                      last ? "expected logits [n, t, vocabulary]" : "expected parameters [n, P, ..]");
  return {rows, elements, each, last};
}

// For each row another value of an element than it has: one that is there in the data, so that levels stay levels.
template <class T>
Tensor<T> with_other_values(const Tensor<T>& x, Index element) {
  const Index rows = x.size(0), elements = x.size() / rows;
  return Tensor<T>::generate(x.shape(), [&](Index i) {
    const T old = x.data()[i];
    if (element >= 0 && i % elements != element) return old;
    for (Index step = 1; step < x.size(); ++step) {
      const T other = x.data()[(i + step * elements + step / rows) % x.size()];
      if (other != old) return other;
    }
    fail<ValueError>("check_autoregressive: all numbers of x are ", old,
                     ", so that none can be changed for another one; give it random data");
  });
}

// Bits, where NaN is like NaN.
template <class S>
bool same_number(S a, S b) {
  return a == b || (a != a && b != b);
}

template <class S>
std::string number(S x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(x));
  return text;
}

template <class F, class T>
void check_perturbed(const F& f, const Tensor<T>& x, Dependence& dependence) {
  const auto before = stop_gradient(f(x));
  const OutputLayout layout = layout_of(x, before.shape());
  for (Index i = 0; i < before.size(); ++i)  // which would hide what it depends on
    if (before.data()[i] != before.data()[i])
      fail<CheckFailed>("check_autoregressive: output ", position(before.shape(), i), " is NaN");
  for (Index input = 0; input < layout.elements; ++input) {
    const auto after = stop_gradient(f(with_other_values(x, input)));
    for (Index i = 0; i < before.size(); ++i) {
      const auto a = before.data()[i], b = after.data()[i];
      if (!same_number(a, b))
        dependence.found(layout.element(i), input,
                         "changing it alone changes output " + position(before.shape(), i) + " from " + number(a) +
                             " to " + number(b));
    }
  }
  if (layout.rows == 1) return;
  const Tensor<T> others = with_other_values(x, -1);
  const auto after = stop_gradient(
      f(Tensor<T>::generate(x.shape(), [&](Index i) { return i < layout.elements ? x.data()[i] : others.data()[i]; })));
  for (Index i = 0; layout.row(i) == 0; ++i)
    if (!same_number(before.data()[i], after.data()[i]))
      fail<CheckFailed>("check_autoregressive: output ", position(before.shape(), i), " changes from ",
                        before.data()[i], " to ", after.data()[i], " when the other events of the batch change");
}

template <class F, class S>
void check_differentiated(const F& f, const Tensor<S>& x, Dependence& dependence) {
  const pushforward::detail::FlagGuard guard(pushforward::detail::recording_flag(), true);
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at);
  if (!y.tracked()) return;
  const OutputLayout layout = layout_of(x, y.shape());
  Rng rng(20240229);
  const Tensor<S> weights = normal<S>(y.shape(), rng);
  for (Index output = 0; output < layout.elements; ++output) {
    const Tensor<S> cotangent =
        Tensor<S>::generate(y.shape(), [&](Index i) { return layout.element(i) == output ? weights.data()[i] : S(0); });
    const Tensor<S> slopes = vjp(y, {at}, cotangent)[0];
    for (Index i = 0; i < slopes.size(); ++i)
      if (slopes.data()[i] != S(0))
        dependence.found(output, i % layout.elements,
                         "the gradient at input " + position(x.shape(), i) + " is " + number(slopes.data()[i]));
  }
}

// f(x) for a network or any other callable, parameters(x) or logits(x) for a model.
template <class F, class T>
auto outputs_of(const F& f, const Tensor<T>& x) {
  if constexpr (requires { f.parameters(x); })
    return f.parameters(x);
  else if constexpr (requires { f.logits(x); })
    return f.logits(x);
  else
    return f(x);
}

template <class S>
void expect_same_draws(const std::string& what, const Tensor<S>& cached, const Tensor<S>& full) {
  if (!(cached.shape() == full.shape()))
    fail<CheckFailed>("check_autoregressive: ", what, " has shape ", cached.shape(), ", expected ", full.shape());
  for (Index i = 0; i < full.size(); ++i)
    if (!same_number(cached.data()[i], full.data()[i]))
      fail<CheckFailed>("check_autoregressive: ", what, " gives ", cached.data()[i], " at element ",
                        position(full.shape(), i), ", but a whole pass for each element ", full.data()[i]);
}

template <class M, class S>
void check_draws(const M& model, const Tensor<S>& x, const Rng& rng, const DrawOptions& options) {
  const Index elements = x.size() / x.size(0);
  const std::vector<Index> order = pushforward::detail::order_of(model, elements);
  std::vector<S> first_half(static_cast<std::size_t>(elements), S(0));
  for (Index place = 0; place < elements / 2; ++place)
    first_half[static_cast<std::size_t>(order[static_cast<std::size_t>(place)])] = S(1);
  Rng coin = rng;
  const Tensor<S> half(x.shape().without(0), first_half),
      scattered = bernoulli(Tensor<S>::full(x.shape(), S(0.5)), coin);
  for (const Tensor<S>& known : {half, scattered}) {
    Rng a = rng, b = rng;
    expect_same_draws("complete", Tensor<S>(model.complete(x, known, a, options)),
                      full_completion(model, x, known, b, options));
    if (!(a.state() == b.state()))
      fail<CheckFailed>(
          "check_autoregressive: complete has taken other random numbers than one draw of the conditional "
          "for each element");
  }
  Rng a = rng, b = rng;
  const Tensor<S> nothing = Tensor<S>::zeros(x.shape());
  expect_same_draws("sample", Tensor<S>(model.sample(x.size(0), a, options)),
                    full_completion(model, nothing, nothing, b, options));
}

}  // namespace detail

/// Checks that no output of an autoregressive network sees its future.
///
/// `f` is a callable or a model with `parameters(x)` or `logits(tokens)`. It maps numbers x [n, E..] to parameters [n,
/// P, E..] (or [n, E..]), or tokens Tensor<Index> [n, t] to logits [n, t, vocabulary], where those of an element may
/// depend on elements before it only. A plain callable of tokens is a network whose logits are for the token after each
/// position: they may depend on tokens up to it. Every element is changed in turn, and no bit of an output may change
/// that must not see it; outputs of numbers are differentiated, too. The events of a batch must not influence each
/// other. Throws CheckFailed, which names the output and the input.
///
/// Costs a pass, and a reverse sweep, for each element of an event. x should be random: a few events of numbers that
/// differ.
template <class F, class T>
void check_autoregressive(const F& f, const Tensor<T>& given, const AutoregressiveCheckOptions& options = {}) {
  const Tensor<T> x = stop_gradient(given);
  const Shape event = detail::event_of(x);
  std::vector<Index> order = options.order;
  if (order.empty()) order = pushforward::detail::order_of(f, event.size());
  auto call = [&](const Tensor<T>& at) { return detail::outputs_of(f, at); };
  constexpr bool for_the_next = std::is_same_v<T, Index> && !requires { f.logits(x); };
  detail::Dependence dependence(event.size(), order, for_the_next, event);
  detail::check_perturbed(call, x, dependence);
  if constexpr (!std::is_same_v<T, Index>)
    if (options.gradients) detail::check_differentiated(call, x, dependence);
  if (options.whole_past) dependence.expect_whole_past();
}

/// The same for a model with `parameters`, `conditional`, `sample` and `complete`, whose draws must also have the same
/// bits as those by a whole pass for each element (`full_completion`) from the same random numbers: a sample, and
/// completions of x where the first half is known, and where each number is known or not by chance.
template <class Model, class S>
void check_autoregressive(const Model& model, const Tensor<S>& x, const Rng& rng,
                          const AutoregressiveCheckOptions& options = {}) {
  check_autoregressive(model, x, options);
  const NoGradient guard;
  detail::check_draws(model, stop_gradient(x), rng, options.draw);
}

}  // namespace pushforward::testing
