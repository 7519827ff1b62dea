// Features of low-dimensional inputs: sines and cosines of many frequencies.
#pragma once

#include <cmath>
#include <numbers>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// How SinusoidalFeatures spreads its frequencies.
struct SinusoidalOptions {
  double longest = 10'000;  ///< the smallest frequency is near 1 / longest radians per unit of time
  double scale = 1;         ///< times are multiplied by it first: 1000 for times in [0, 1]
};

/// Sines and cosines of a time: t [..] -> [.., features], sin(w_k t) for k < features / 2, then cos(w_k t), with
/// w_k = longest^(-k / (features / 2)) (Vaswani et al. 2017, section 3.5).
///
/// Throws ValueError unless `features` is even and positive.
template <class S = float>
struct SinusoidalFeatures {
  Tensor<S> frequencies;  // [features / 2], fixed by the options

  SinusoidalFeatures() = default;
  explicit SinusoidalFeatures(Index features, SinusoidalOptions options = {}) {
    if (features <= 0 || features % 2)
      fail<ValueError>("SinusoidalFeatures: got ", features, " features, expected a positive even number");
    if (!(options.longest > 0))
      fail<ValueError>("SinusoidalFeatures: longest is ", options.longest, ", expected a positive number");
    const Index half = features / 2;
    frequencies = Tensor<S>::generate(Shape{half}, [&](Index k) {
      return static_cast<S>(options.scale *
                            std::pow(options.longest, -static_cast<double>(k) / static_cast<double>(half)));
    });
  }

  Tensor<S> operator()(const Tensor<S>& t) const {
    const Tensor<S> angles = unsqueeze(t, -1) * frequencies;  // [.., features / 2]
    return concat({sin(angles), cos(angles)}, -1);
  }

  static void members(auto&, auto&&) {}
};

/// Random Fourier features: x [.., in] -> [.., features], sin(2 pi x B), then cos(2 pi x B), with B [in, features / 2]
/// drawn once from a normal of standard deviation `scale` and kept as a buffer (Tancik et al. 2020, section 5).
///
/// Throws ValueError unless `features` is even and positive.
template <class S = float>
struct FourierFeatures {
  Buffer<S> frequencies;

  FourierFeatures() = default;
  FourierFeatures(Index in, Index features, double scale, Rng& rng) {
    if (features <= 0 || features % 2)
      fail<ValueError>("FourierFeatures: got ", features, " features, expected a positive even number");
    frequencies = normal<S>(Shape{in, features / 2}, rng) * scale;
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    const Tensor<S> angles = 2 * std::numbers::pi * matmul(x, frequencies.tensor());  // [.., features / 2]
    return concat({sin(angles), cos(angles)}, -1);
  }

  static void members(auto& self, auto&& visit) { visit("frequencies", self.frequencies); }
};

}  // namespace pushforward
