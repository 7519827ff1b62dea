// full_completion(): draws from an autoregressive model by a whole pass of its network for each element.
#pragma once

#include <algorithm>
#include <concepts>
#include <vector>

#include <pushforward/models/conditionals.hpp>

namespace pushforward {

namespace detail {

template <class F, class S>
concept ParameterFunction = requires(const F& parameters, const Tensor<S>& x) {
  parameters(x);
};

template <class M, class S>
concept ParameterModel = requires(const M& model, const Tensor<S>& x) {
  model.parameters(x);
  model.conditional();
};

// The order in which a model's elements depend on each other, for events of `count` elements: element(0), element(1),
// .. if it says so, else 0, 1, ..
template <class M>
std::vector<Index> order_of(const M& model, Index count) {
  std::vector<Index> order;
  for (Index place = 0; place < count; ++place) {
    if constexpr (requires {
                    { model.element(place) } -> std::convertible_to<Index>;
                  })
      order.push_back(model.element(place));
    else
      order.push_back(place);
  }
  return order;
}

// The order in which `count` elements are drawn: as given, where it names each of them once, or 0, 1, .., if it is
// empty.
inline std::vector<Index> checked_order(std::vector<Index> order, Index count) {
  for (Index i = order.empty() ? 0 : count; i < count; ++i) order.push_back(i);
  std::vector<Index> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  bool each_once = static_cast<Index>(order.size()) == count;
  for (Index i = 0; each_once && i < count; ++i) each_once = sorted[static_cast<std::size_t>(i)] == i;
  if (!each_once)
    fail<ValueError>("full_completion: the order names ", order.size(), " elements, expected each of 0 .. ", count - 1,
                     " once");
  return order;
}

// The parameters of one element: all [n, P, E..] -> [n, P].
template <class S>
Tensor<S> parameters_of(const Tensor<S>& all, Index count, Index element, Index elements) {
  return Tensor<S>::generate({all.size(0), count}, [&](Index i) { return all.data()[i * elements + element]; });
}

}  // namespace detail

/// x [n, E..] with the elements drawn where `known`, which broadcasts to it, is 0: by a whole pass of
/// `parameters(x [n, E..])` -> [n, P, E..] for each element, in the order given (elements by their row-major position
/// in an event; empty: 0, 1, ..).
///
/// It knows nothing of caches, and costs as many passes as an event has elements: what models do faster is measured
/// and tested against it. For each element in order the conditional draws for all n rows, also where they are known, so
/// that it uses the same random numbers. Throws ShapeError, and ValueError for an order that does not name each element
/// once, or known numbers that the conditional cannot hold.
template <class S, detail::ParameterFunction<S> F, class Conditional>
Tensor<S> full_completion(const F& parameters, const Conditional& conditional, const Tensor<S>& x,
                          const Tensor<S>& known, Rng& rng, const DrawOptions& options = {},
                          std::vector<Index> order = {}) {
  if (x.rank() < 2) fail<ShapeError>("full_completion: x of shape ", x.shape(), ", expected [n, ..]");
  const NoGradient guard;
  const Index n = x.size(0), count = conditional.parameters(), d = x.shape().product(1, x.rank());
  order = detail::checked_order(std::move(order), d);
  const Tensor<S> given = expand(known, x.shape());
  detail::check_known("full_completion", conditional, x, given);
  Tensor<S> y = Tensor<S>::generate(x.shape(), [&](Index i) { return given.data()[i] == S(0) ? S(0) : x.data()[i]; });
  for (const Index element : order) {
    const Tensor<S> all = parameters(y);
    if (all.size() != n * count * d)
      fail<ShapeError>("full_completion: the parameters have shape ", all.shape(), " for x of shape ", x.shape(),
                       " and a conditional of ", count, ", expected ", x.shape().inserted(1, count));
    const Tensor<S> drawn =
        detail::draw_conditional(conditional, detail::parameters_of(all, count, element, d), rng, options);
    y = Tensor<S>::generate(x.shape(), [&](Index i) {
      return i % d == element && given.data()[i] == S(0) ? drawn.data()[i / d] : y.data()[i];
    });
  }
  return y;
}

/// The same for a model with `parameters(x)` and `conditional()`; its order is element(0), element(1), .. where it has
/// such a member.
template <class S, detail::ParameterModel<S> Model>
Tensor<S> full_completion(const Model& model, const Tensor<S>& x, const Tensor<S>& known, Rng& rng,
                          const DrawOptions& options = {}) {
  return full_completion([&](const Tensor<S>& at) { return Tensor<S>(model.parameters(at)); }, model.conditional(), x,
                         known, rng, options, detail::order_of(model, x.shape().product(1, x.rank())));
}

}  // namespace pushforward
