// What containers ask of a layer, and how they call one.
#pragma once

#include <vector>

#include <pushforward/core/random.hpp>
#include <pushforward/nn/module.hpp>

namespace pushforward::detail {

// A module, or a function without state: an empty function object, a lambda without captures, a function pointer.
template <class L>
inline constexpr bool is_layer = Module<L> || std::is_empty_v<L> || std::is_pointer_v<L>;

// layer(x), or layer(x, rng) for a layer that takes a generator; a vector of layers is called one after the other.
template <class L, class X, class... R>
auto call_layer(const L& layer, const X& x, R&... rng) {
  if constexpr (is_vector<L>) {
    X h = x;
    for (const auto& part : layer) h = call_layer(part, h, rng...);
    return h;
  } else if constexpr (sizeof...(R) > 0 && std::is_invocable_v<const L&, const X&, R&...>) {
    return layer(x, rng...);
  } else {
    return layer(x);
  }
}

}  // namespace pushforward::detail
