// quantize(): pixels as one of a few levels of grey.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/ops/random.hpp>

namespace pushforward::data {

/// The nearest of `levels` levels of grey: k = round(x (levels - 1)), the numbers 0, 1, .., levels - 1 that models of
/// levels take; k / (levels - 1) is grey again.
///
/// x of any shape. Throws ValueError for numbers outside of [0, 1] or fewer than two levels.
template <class S>
Tensor<S> quantize(const Tensor<S>& x, Index levels) {
  if (levels < 2) fail<ValueError>("quantize: got levels = ", levels, ", expected at least 2");
  pushforward::detail::check_each(
      "quantize", x, [](S value) { return value >= S(0) && value <= S(1); },
      "a number between 0 and 1; divide pixels by 255");
  const S most = static_cast<S>(levels - 1);
  return Tensor<S>::generate(x.shape(), [&](Index i) { return std::floor(x.data()[i] * most + S(0.5)); });
}

}  // namespace pushforward::data
