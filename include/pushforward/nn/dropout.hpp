// Dropout: random zeros while training.
#pragma once

#include <pushforward/core/kernel.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// Uniform numbers become `scale` below `keep` and 0 above.
template <class S>
void uniform_to_mask(S* values, Index n, S keep, S scale) {
  parallel_for(n, elementwise_grain, [=](Index begin, Index end) {
    vectorized([=] {
      for (Index i = begin; i < end; ++i) values[i] = values[i] < keep ? scale : S(0);
    });
  });
}

}  // namespace detail

/// x with every element zeroed with probability p, the others divided by 1 - p (Srivastava et al. 2014). p in [0, 1);
/// throws ValueError for others.
template <class S>
Tensor<S> dropout(const Tensor<S>& x, double p, Rng& rng) {
  if (!(p >= 0 && p < 1)) fail<ValueError>("dropout: p is ", p, ", expected a probability in [0, 1)");
  if (p == 0) return x;
  const S keep = static_cast<S>(1 - p), scale = S(1) / keep;
  const Tensor<S> mask = Tensor<S>::build(x.shape(), [&](S* out) {
    detail::fill_uniform(out, x.size(), S(0), S(1), rng);
    detail::uniform_to_mask(out, x.size(), keep, scale);
  });
  return x * mask;
}

/// Dropout as a layer: while training it must be called with a generator; in evaluation it is the identity.
struct Dropout {
  double p = 0.5;
  Mode mode = {};

  template <class S>
  Tensor<S> operator()(const Tensor<S>& x, Rng& rng) const {
    return mode.training ? dropout(x, p, rng) : x;
  }
  /// Throws ValueError while training.
  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    if (mode.training && p != 0)
      fail<ValueError>(
          "Dropout: called without a generator while training; call model(x, rng), or evaluate(model) first to switch "
          "it off");
    return x;
  }

  static void members(auto& self, auto&& visit) { visit("mode", self.mode); }
};

}  // namespace pushforward
