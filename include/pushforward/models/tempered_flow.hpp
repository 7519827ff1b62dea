// tempered(flow, temperature): a flow drawn from at less, or more, than its own spread.
#pragma once

#include <pushforward/distributions/tempered.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// The flow on its tempered base: x = f(z), where the standard deviations of z are multiplied by `temperature`.
///
///     Tensor<> typical = tempered(flow, 0.7).sample(64, rng);
///
/// Its log_prob is that of these draws. For a normal base and a bijector of constant volume change the density is
/// p^(1 / T^2), normalized; otherwise f carries the tempered normal wherever it does (Kingma and Dhariwal 2018, sec. 6,
/// reduce the temperature so). The weights are a copy. Throws ValueError for a temperature that is not positive.
template <class Base, class B>
auto tempered(const Flow<Base, B>& flow, double temperature) {
  static_assert(
      requires { tempered(flow.base(), temperature); },
      "pushforward: this flow stands on a base without a temperature; those of normals have one, and another needs a "
      "function tempered(const Base&, double) that returns the distribution to draw from.");
  auto base = tempered(flow.base(), temperature);
  return Flow<decltype(base), B>(std::move(base), flow.bijector());
}

}  // namespace pushforward
