// check_autoregressive(): no output of an autoregressive network sees its future, and cached draws are the same bits.
#pragma once

#include <concepts>
#include <cstdio>
#include <string>
#include <type_traits>
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
  Tensor<Index> labels = {};      ///< [n], of the events, for a model of classes
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

template <class F, class... Data>
concept GivesOutputs = requires(const F& f, const Data&... data) {
  f.parameters(data...);
}
|| requires(const F& f, const Data&... data) { f.logits(data...); }
|| std::invocable<const F&, const Data&...>;

// f(x) for a network or any other callable, parameters(x) or logits(x) for a model.
template <class F, class... Data>
auto outputs_of(const F& f, const Data&... data) {
  if constexpr (requires { f.parameters(data...); })
    return f.parameters(data...);
  else if constexpr (requires { f.logits(data...); })
    return f.logits(data...);
  else
    return f(data...);
}

// The same with labels, if there are some.
template <class F, class T>
auto labelled_outputs_of(const F& f, const Tensor<T>& x, const Tensor<Index>& labels) {
  constexpr bool takes = GivesOutputs<F, Tensor<T>, Tensor<Index>>, can_do_without = GivesOutputs<F, Tensor<T>>;
  if constexpr (!takes) {
    if (!labels.empty()) fail<ValueError>("check_autoregressive: got .labels, but the network does not take any");
    return outputs_of(f, x);
  } else if constexpr (!can_do_without) {
    if (labels.empty()) fail<ValueError>("check_autoregressive: the network takes labels; give it .labels");
    return outputs_of(f, x, labels);
  } else {
    return labels.empty() ? outputs_of(f, x) : outputs_of(f, x, labels);
  }
}

// Another label for each event but the first, where the events have several.
inline Tensor<Index> with_other_labels(const Tensor<Index>& labels) {
  return Tensor<Index>::generate(labels.shape(), [&](Index i) {
    for (Index step = 1; i > 0 && step < labels.size(); ++step) {
      const Index other = labels.data()[(i + step) % labels.size()];
      if (other != labels.data()[i]) return other;
    }
    return labels.data()[i];
  });
}

// f maps events and their labels to outputs.
template <class F, class T>
void check_perturbed(const F& f, const Tensor<T>& x, const Tensor<Index>& labels, Dependence& dependence) {
  const auto before = stop_gradient(f(x, labels));
  const OutputLayout layout = layout_of(x, before.shape());
  for (Index i = 0; i < before.size(); ++i)  // which would hide what it depends on
    if (before.data()[i] != before.data()[i])
      fail<CheckFailed>("check_autoregressive: output ", position(before.shape(), i), " is NaN");
  for (Index input = 0; input < layout.elements; ++input) {
    const auto after = stop_gradient(f(with_other_values(x, input), labels));
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
      f(Tensor<T>::generate(x.shape(), [&](Index i) { return i < layout.elements ? x.data()[i] : others.data()[i]; }),
        with_other_labels(labels)));
  for (Index i = 0; layout.row(i) == 0; ++i)
    if (!same_number(before.data()[i], after.data()[i]))
      fail<CheckFailed>("check_autoregressive: output ", position(before.shape(), i), " changes from ",
                        before.data()[i], " to ", after.data()[i], " when the other events of the batch change");
}

template <class F, class S>
void check_differentiated(const F& f, const Tensor<S>& x, const Tensor<Index>& labels, Dependence& dependence) {
  const pushforward::detail::FlagGuard guard(pushforward::detail::recording_flag(), true);
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at, labels);
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

template <class S>
void expect_same_draws(const std::string& what, const Tensor<S>& cached, const Tensor<S>& full) {
  if (!(cached.shape() == full.shape()))
    fail<CheckFailed>("check_autoregressive: ", what, " has shape ", cached.shape(), ", expected ", full.shape());
  for (Index i = 0; i < full.size(); ++i)
    if (!same_number(cached.data()[i], full.data()[i]))
      fail<CheckFailed>("check_autoregressive: ", what, " gives ", cached.data()[i], " at element ",
                        position(full.shape(), i), ", but a whole pass for each element ", full.data()[i]);
}

// The model's own draws, for labels where there are some.
template <class M, class S>
Tensor<S> completed(const M& model, const Tensor<S>& x, const Tensor<S>& known, Rng& rng,
                    const AutoregressiveCheckOptions& o) {
  if constexpr (requires { model.complete(x, known, o.labels, rng, o.draw); })
    if (!o.labels.empty()) return model.complete(x, known, o.labels, rng, o.draw);
  if constexpr (requires { model.complete(x, known, rng, o.draw); })
    if (o.labels.empty()) return model.complete(x, known, rng, o.draw);
  fail<ValueError>("check_autoregressive: the model does not complete events ", o.labels.empty() ? "without" : "with",
                   " labels");
}
template <class S, class M>
Tensor<S> sampled(const M& model, Index n, Rng& rng, const AutoregressiveCheckOptions& o) {
  if constexpr (requires { model.sample(o.labels, rng, o.draw); })
    if (!o.labels.empty()) return model.sample(o.labels, rng, o.draw);
  if constexpr (requires { model.sample(n, rng, o.draw); })
    if (o.labels.empty()) return model.sample(n, rng, o.draw);
  fail<ValueError>("check_autoregressive: the model does not draw ", o.labels.empty() ? "without" : "with", " labels");
}

template <class M, class S>
void check_draws(const M& model, const Tensor<S>& x, const Rng& rng, const AutoregressiveCheckOptions& options) {
  const Index elements = x.size() / x.size(0);
  const std::vector<Index> order =
      options.order.empty() ? pushforward::detail::order_of(model, elements) : options.order;
  const auto whole_passes = [&](const Tensor<S>& given, const Tensor<S>& known, Rng& random) {
    const auto parameters = [&](const Tensor<S>& at) {
      return Tensor<S>(labelled_outputs_of(model, at, options.labels));
    };
    return full_completion(parameters, model.conditional(), given, known, random, options.draw, order);
  };
  std::vector<S> first_half(static_cast<std::size_t>(elements), S(0));
  for (Index place = 0; place < elements / 2; ++place)
    first_half[static_cast<std::size_t>(order[static_cast<std::size_t>(place)])] = S(1);
  Rng coin = rng;
  const Tensor<S> half(x.shape().without(0), first_half),
      scattered = bernoulli(Tensor<S>::full(x.shape(), S(0.5)), coin);
  for (const Tensor<S>& known : {half, scattered}) {
    Rng a = rng, b = rng;
    expect_same_draws("complete", completed(model, x, known, a, options), whole_passes(x, known, b));
    if (!(a.state() == b.state()))
      fail<CheckFailed>(
          "check_autoregressive: complete has taken other random numbers than one draw of the conditional "
          "for each element");
  }
  Rng a = rng, b = rng;
  const Tensor<S> nothing = Tensor<S>::zeros(x.shape());
  expect_same_draws("sample", sampled<S>(model, x.size(0), a, options), whole_passes(nothing, nothing, b));
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
/// A model of classes is asked with `.labels`: `parameters(x, labels)`, `logits(tokens, labels)` or f(x, labels). The
/// labels of other events must not matter either.
///
/// Costs a pass, and a reverse sweep, for each element of an event. x should be random: a few events of numbers that
/// differ.
template <class F, class T>
void check_autoregressive(const F& f, const Tensor<T>& given, const AutoregressiveCheckOptions& options = {}) {
  const Tensor<T> x = stop_gradient(given);
  const Shape event = detail::event_of(x);
  if (!options.labels.empty() && options.labels.shape() != Shape{x.size(0)})
    fail<ShapeError>("check_autoregressive: .labels has shape ", options.labels.shape(), " for ", x.size(0),
                     " events, expected [", x.size(0), "]");
  std::vector<Index> order = options.order;
  if (order.empty()) order = pushforward::detail::order_of(f, event.size());
  auto call = [&](const Tensor<T>& at, const Tensor<Index>& labels) {
    return detail::labelled_outputs_of(f, at, labels);
  };
  constexpr bool is_model = requires { f.logits(x); }
  || requires { f.logits(x, options.labels); };
  constexpr bool for_the_next = std::is_same_v<T, Index> && !is_model;
  detail::Dependence dependence(event.size(), order, for_the_next, event);
  detail::check_perturbed(call, x, options.labels, dependence);
  if constexpr (!std::is_same_v<T, Index>)
    if (options.gradients) detail::check_differentiated(call, x, options.labels, dependence);
  if (options.whole_past) dependence.expect_whole_past();
}

/// The same for a model with `parameters`, `conditional`, `sample` and `complete`, whose draws must also have the same
/// bits as those by a whole pass for each element (`full_completion`, in the same order and for the same labels) from
/// the same random numbers: a sample, and completions of x where the first half is known, and where each number is
/// known or not by chance. With `.labels` they are asked as `sample(labels, rng, options)` and `complete(x, known,
/// labels, rng, options)`.
template <class Model, class S>
void check_autoregressive(const Model& model, const Tensor<S>& x, const Rng& rng,
                          const AutoregressiveCheckOptions& options = {}) {
  check_autoregressive(model, x, options);
  const NoGradient guard;
  detail::check_draws(model, stop_gradient(x), rng, options);
}

}  // namespace pushforward::testing
