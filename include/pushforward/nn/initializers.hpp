// Initial values of parameters.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace init {

/// How many numbers feed one output of a weight [out, in, kernel ..], and how many outputs one input feeds.
struct Fans {
  double in = 1, out = 1;

  /// Throws ShapeError for fewer than two axes.
  explicit Fans(const Shape& shape) {
    if (shape.rank() < 2)
      fail<ShapeError>("init: got shape ", shape,
                       ", expected [out, in, kernel ..]; use init::zeros or init::normal for vectors");
    const auto kernel = static_cast<double>(shape.product(2, shape.rank()));
    in = static_cast<double>(shape[1]) * kernel;
    out = static_cast<double>(shape[0]) * kernel;
  }
};

template <class S = float>
Tensor<S> zeros(const Shape& shape) {
  return Tensor<S>::zeros(shape);
}

/// Normal with mean 0 and the given standard deviation.
template <class S = float>
Tensor<S> normal(const Shape& shape, Rng& rng, double deviation = 1) {
  return pushforward::normal<S>(shape, rng) * deviation;
}

namespace detail {

template <class S>
Tensor<S> uniform_of_variance(const Shape& shape, Rng& rng, double variance) {
  const double bound = std::sqrt(3 * variance);
  return uniform<S>(shape, rng, -bound, bound);
}

}  // namespace detail

/// Uniform with variance gain^2 2 / (in + out), which keeps the size of values and gradients through linear layers
/// (Glorot and Bengio 2010, eq. 16). Weights are [out, in, kernel ..].
template <class S = float>
Tensor<S> xavier_uniform(const Shape& shape, Rng& rng, double gain = 1) {
  const Fans fan(shape);
  return detail::uniform_of_variance<S>(shape, rng, gain * gain * 2 / std::max(1.0, fan.in + fan.out));
}
/// Normal with variance gain^2 2 / (in + out) (Glorot and Bengio 2010, eq. 12).
template <class S = float>
Tensor<S> xavier_normal(const Shape& shape, Rng& rng, double gain = 1) {
  const Fans fan(shape);
  return init::normal<S>(shape, rng, gain * std::sqrt(2 / std::max(1.0, fan.in + fan.out)));
}
/// Uniform with variance gain^2 / in; the default gain, sqrt(2), keeps the size of values through relu layers (He et
/// al. 2015, eq. 10). Weights are [out, in, kernel ..].
template <class S = float>
Tensor<S> kaiming_uniform(const Shape& shape, Rng& rng, double gain = 1.4142135623730951) {
  return detail::uniform_of_variance<S>(shape, rng, gain * gain / std::max(1.0, Fans(shape).in));
}
/// Normal with variance gain^2 / in (He et al. 2015, eq. 10).
template <class S = float>
Tensor<S> kaiming_normal(const Shape& shape, Rng& rng, double gain = 1.4142135623730951) {
  return init::normal<S>(shape, rng, gain / std::sqrt(std::max(1.0, Fans(shape).in)));
}

namespace detail {

// Makes `count` vectors of n numbers orthonormal, each against those before it; twice, for full accuracy (Gram and
// Schmidt; Kahan's "twice is enough").
inline void orthonormalize(std::vector<double>& vectors, Index count, Index n) {
  auto dot = [n](const double* a, const double* b) {
    double total = 0;
    for (Index i = 0; i < n; ++i) total += a[i] * b[i];
    return total;
  };
  for (Index k = 0; k < count; ++k) {
    double* v = vectors.data() + k * n;
    for (int round = 0; round < 2; ++round)
      for (Index j = 0; j < k; ++j) {
        const double* u = vectors.data() + j * n;
        const double along = dot(u, v);
        for (Index i = 0; i < n; ++i) v[i] -= along * u[i];
      }
    const double scale = 1 / std::sqrt(dot(v, v));
    for (Index i = 0; i < n; ++i) v[i] *= scale;
  }
}

}  // namespace detail

/// A random matrix [out, in * kernel ..] with orthonormal rows (or columns, if there are more rows), times `gain` (Saxe
/// et al. 2014). Throws ShapeError for fewer than two axes.
template <class S = float>
Tensor<S> orthogonal(const Shape& shape, Rng& rng, double gain = 1) {
  if (shape.rank() < 2) fail<ShapeError>("init::orthogonal: got shape ", shape, ", expected at least two axes");
  const Index rows = shape[0], columns = shape.product(1, shape.rank());
  const Index count = std::min(rows, columns), n = std::max(rows, columns);
  std::vector<double> vectors = pushforward::normal<double>(Shape{count, n}, rng).to_vector();
  detail::orthonormalize(vectors, count, n);
  return Tensor<S>::generate(shape, [&](Index i) {
    const Index row = i / columns, column = i % columns;
    return static_cast<S>(gain *
                          vectors[static_cast<std::size_t>(rows <= columns ? row * n + column : column * n + row)]);
  });
}

}  // namespace init

/// Sets every parameter of a model to f(path, current value), of the same shape:
///     initialize(model, [&](const std::string& path, const Tensor<>& current) {
///       return path.ends_with("weight") ? init::kaiming_normal(current.shape(), rng) : init::zeros(current.shape());
///     });
/// Throws ShapeError if f returns another shape.
template <class S = float, class M, class F>
void initialize(M& model, const F& f) {
  for_each_parameter<S>(model, [&](const Path& path, Parameter<S>& p) {
    const std::string name = path.str();
    const Tensor<S> value = f(name, p.tensor());
    if (!(value.shape() == p.shape()))
      fail<ShapeError>("initialize: got shape ", value.shape(), " for '", name, "', expected ", p.shape());
    p = value;
  });
}

}  // namespace pushforward
