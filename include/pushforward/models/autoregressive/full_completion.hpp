// full_completion(): draws from an autoregressive model by a whole pass of its network for each element.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <pushforward/models/conditionals.hpp>

namespace pushforward {

namespace detail {

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
/// that it uses the same random numbers. Throws ShapeError.
template <class F, class Conditional, class S>
requires std::invocable < const F&, const Tensor<S>
& > Tensor<S> full_completion(const F& parameters, const Conditional& conditional, const Tensor<S>& x,
                              const Tensor<S>& known, Rng& rng, const DrawOptions& options = {},
                              std::vector<Index> order = {}) {
  if (x.rank() < 2) fail<ShapeError>("full_completion: x of shape ", x.shape(), ", expected [n, ..]");
  const NoGradient guard;
  const Index n = x.size(0), count = conditional.parameters(), d = x.shape().product(1, x.rank());
  for (Index i = order.empty() ? 0 : d; i < d; ++i) order.push_back(i);
  const Tensor<S> given = expand(known, x.shape());
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
template <class Model, class S>
requires requires(const Model& m, const Tensor<S>& t) {
  m.parameters(t);
  m.conditional();
}
Tensor<S> full_completion(const Model& model, const Tensor<S>& x, const Tensor<S>& known, Rng& rng,
                          const DrawOptions& options = {}) {
  return full_completion([&](const Tensor<S>& at) { return Tensor<S>(model.parameters(at)); }, model.conditional(), x,
                         known, rng, options, detail::order_of(model, x.shape().product(1, x.rank())));
}

}  // namespace pushforward
