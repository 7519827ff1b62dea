// Walks in the space of codes: from one example to another, and along one dimension.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// The way from a code to another.
enum class Interpolation {
  linear,    ///< (1 - t) a + t b
  spherical  ///< along the great circle, the lengths between those of both ends: it stays where N(0, I) has its mass
};

/// `steps` points from codes a [n, latent] to codes b, both ends among them: [n, steps, latent] (White 2016 for
/// spherical ones). Throws ShapeError, ValueError for fewer than 2 steps.
template <class S>
Tensor<S> interpolate(const Tensor<S>& a, const Tensor<S>& b, Index steps, Interpolation how = Interpolation::linear) {
  if (a.rank() != 2 || !(a.shape() == b.shape()))
    fail<ShapeError>("interpolate: codes of shapes ", a.shape(), " and ", b.shape(), ", expected [n, latent] for both");
  if (steps < 2) fail<ValueError>("interpolate: got ", steps, " steps, expected at least 2, the ends");
  const Tensor<S> t = reshape(Tensor<S>::linspace(0, 1, steps), {1, steps, 1});
  const Tensor<S> from = unsqueeze(a, 1), to = unsqueeze(b, 1);  // [n, 1, latent]
  const Tensor<S> straight = (1 - t) * from + t * to;
  if (how == Interpolation::linear) return straight;
  return Tensor<S>::build(straight.shape(), [&](S* out) {
    const Index n = a.size(0), d = a.size(1);
    for (Index i = 0; i < n; ++i) {
      double aa = 0, bb = 0, ab = 0;
      for (Index j = 0; j < d; ++j) {
        const double u = static_cast<double>(a.data()[i * d + j]), v = static_cast<double>(b.data()[i * d + j]);
        aa += u * u, bb += v * v, ab += u * v;
      }
      const double cosine = aa > 0 && bb > 0 ? std::clamp(ab / std::sqrt(aa * bb), -1.0, 1.0) : 1.0;
      const double angle = std::acos(cosine), sine = std::sin(angle);
      for (Index k = 0; k < steps; ++k) {
        const double at = static_cast<double>(k) / static_cast<double>(steps - 1);
        // Parallel codes: the straight line is the limit.
        const double u = sine > 1e-6 ? std::sin((1 - at) * angle) / sine : 1 - at;
        const double v = sine > 1e-6 ? std::sin(at * angle) / sine : at;
        for (Index j = 0; j < d; ++j)
          out[(i * steps + k) * d + j] = static_cast<S>(u * static_cast<double>(a.data()[i * d + j]) +
                                                        v * static_cast<double>(b.data()[i * d + j]));
      }
    }
  });
}

/// Codes z [n, latent] with dimension `dimension` set to each of `values` [k]: [n, k, latent]. Throws ShapeError,
/// IndexError.
template <class S>
Tensor<S> traverse(const Tensor<S>& z, Index dimension, const Tensor<S>& values) {
  if (z.rank() != 2 || values.rank() != 1)
    fail<ShapeError>("traverse: codes of shape ", z.shape(), " and values of shape ", values.shape(),
                     ", expected [n, latent] and [k]");
  const Index n = z.size(0), d = z.size(1), k = values.size();
  if (dimension < 0 || dimension >= d)
    fail<IndexError>("traverse: dimension ", dimension, " does not exist, codes have ", d);
  return Tensor<S>::generate({n, k, d}, [&](Index i) {
    return i % d == dimension ? values.data()[i / d % k] : z.data()[i / (k * d) * d + i % d];
  });
}

}  // namespace pushforward
