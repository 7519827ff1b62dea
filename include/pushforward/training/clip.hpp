// Clipping of gradients.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/training/update.hpp>

namespace pushforward {

namespace detail {

// The sum of squares in double, in an order that depends on n only.
template <class S>
double sum_of_squares(const S* x, Index n) {
  constexpr Index lanes = 16;
  const auto add = [=] {
    double partial[lanes] = {};
    Index i = 0;
    for (; i + lanes <= n; i += lanes)
      for (Index j = 0; j < lanes; ++j) partial[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
    for (; i < n; ++i) partial[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    double total = 0;
    for (double part : partial) total += part;
    return total;
  };
  if constexpr (sizeof(S) == 8)
    return add();
  else
    return vectorized(add);
}

template <class S>
double squared_norm(const Tensor<S>& x) {
  constexpr Index tile = 32768;
  const Index tiles = (x.size() + tile - 1) / tile;
  if (tiles <= 1) return sum_of_squares(x.data(), x.size());
  std::vector<double> parts(static_cast<std::size_t>(tiles));
  parallel_for(tiles, 1, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t)
      parts[static_cast<std::size_t>(t)] = sum_of_squares(x.data() + t * tile, std::min(tile, x.size() - t * tile));
  });
  double total = 0;
  for (double part : parts) total += part;
  return total;
}

template <class S, class F>
Gradients<S> map_gradients(const Gradients<S>& gradients, const F& f) {
  std::vector<Tensor<S>> changed;
  changed.reserve(gradients.size());
  for (const Tensor<S>& g : gradients) {
    changed.push_back(Access::allocate<S>(g.shape()));
    map_parallel(f, g.size(), Access::data(changed.back()), g.data());
  }
  return Gradients<S>(std::move(changed));
}

}  // namespace detail

/// The Euclidean norm of all gradients as one vector.
template <class S>
double global_norm(const Gradients<S>& gradients) {
  double total = 0;
  for (const Tensor<S>& g : gradients) total += detail::squared_norm(g);
  return std::sqrt(total);
}

/// Clipped gradients, and the norm they had before.
template <class S>
struct ClippedGradients {
  Gradients<S> gradients;
  double global_norm = 0;
};

/// The gradients, all scaled by max_norm / norm if their global norm exceeds `max_norm`. Gradients that are not finite
/// come back as they are, so that an optimizer sees them. Throws ValueError unless max_norm > 0.
///
/// Source: Pascanu et al., On the difficulty of training recurrent neural networks, 2013, algorithm 1.
template <class S>
ClippedGradients<S> clip_by_norm(const Gradients<S>& gradients, double max_norm) {
  if (!(max_norm > 0)) fail<ValueError>("clip_by_norm: max_norm is ", max_norm, ", expected a positive number");
  const double norm = global_norm(gradients);
  if (norm <= max_norm || !std::isfinite(norm)) return {gradients, norm};
  const S factor = static_cast<S>(max_norm / norm);
  return {detail::map_gradients(gradients, [factor](S g) { return factor * g; }), norm};
}

/// The gradients with each number brought into [-limit, limit]; NaN stays. Throws ValueError unless limit > 0.
template <class S>
Gradients<S> clip_by_value(const Gradients<S>& gradients, double limit) {
  if (!(limit > 0)) fail<ValueError>("clip_by_value: limit is ", limit, ", expected a positive number");
  const S most = static_cast<S>(limit);
  return detail::map_gradients(gradients, [most](S g) {
    return math::detail::select(g > most, most, math::detail::select(g < -most, -most, g));
  });
}

}  // namespace pushforward
