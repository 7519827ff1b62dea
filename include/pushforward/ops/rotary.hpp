// Rotary position embedding: pairs of features turned by an angle that grows with the position.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

/// How rotary_embedding turns.
struct RotaryOptions {
  double base = 10'000;  ///< pair i of d / 2 turns by base^(-2i/d) a position
  Index first = 0;       ///< the position of the first row
};

namespace detail {

// [outer, positions, heads, features] of which the first `turned` heads turn.
struct RotarySizes {
  Index outer, positions, heads, turned, features;
  RotaryOptions options;
};

// Cosines, then sines, of the angles of each position: [positions, 2, features / 2].
template <class S>
std::vector<S> rotary_table(const RotarySizes& sizes) {
  const Index pairs = sizes.features / 2;
  std::vector<S> table(static_cast<std::size_t>(sizes.positions * 2 * pairs));
  for (Index i = 0; i < pairs; ++i) {
    const double rate = std::pow(sizes.options.base, -2 * static_cast<double>(i) / static_cast<double>(sizes.features));
    for (Index t = 0; t < sizes.positions; ++t) {
      const double angle = static_cast<double>(sizes.options.first + t) * rate;
      table[static_cast<std::size_t>(2 * t * pairs + i)] = static_cast<S>(std::cos(angle));
      table[static_cast<std::size_t>((2 * t + 1) * pairs + i)] = static_cast<S>(std::sin(angle));
    }
  }
  return table;
}

// direction 1 turns, -1 turns back: the adjoint.
template <class S>
Tensor<S> rotate(const Tensor<S>& x, const RotarySizes& sizes, S direction) {
  Tensor<S> y = Access::allocate<S>(x.shape());
  const std::vector<S> table = rotary_table<S>(sizes);
  const Index rows = x.empty() ? 0 : sizes.outer * sizes.positions, width = sizes.heads * sizes.features;
  const S *const from = x.data(), *const angles = table.data();
  S* const to = Access::data(y);
  const auto turn = [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const S* const cosines = angles + row % sizes.positions * sizes.features;
      const S* const sines = cosines + sizes.features / 2;
      for (Index head = 0; head < sizes.heads; ++head) {
        const S* __restrict in = from + row * width + head * sizes.features;
        S* __restrict out = to + row * width + head * sizes.features;
        if (head >= sizes.turned)
          for (Index i = 0; i < sizes.features; ++i) out[i] = in[i];
        else
          for (Index i = 0; i < sizes.features / 2; ++i) {
            const S sine = direction * sines[i];
            out[2 * i] = in[2 * i] * cosines[i] - in[2 * i + 1] * sine;
            out[2 * i + 1] = in[2 * i] * sine + in[2 * i + 1] * cosines[i];
          }
      }
    }
  };
  parallel_for(rows, std::max(Index{1}, elementwise_grain / std::max(Index{1}, width)),
               [&](Index begin, Index end) { vectorized([=] { turn(begin, end); }); });
  return record("rotary_embedding", std::move(y),
                edge(x, [=](const Tensor<S>& g) { return rotate(g, sizes, -direction); }));
}

}  // namespace detail

/// Rotary position embedding: at position m the features (2i, 2i + 1) are turned by the angle m base^(-2i/d), so that
/// products of queries and keys depend on the distance of their positions alone (Su et al. 2021, eq. 34).
///
/// x [.., t, d], row r being at position first + r. Throws ShapeError for an odd d, ValueError unless base > 0.
template <class S>
Tensor<S> rotary_embedding(const Tensor<S>& x, const RotaryOptions& options = {}) {
  if (x.rank() < 2 || x.size(-1) % 2 != 0)
    fail<ShapeError>("rotary_embedding: got shape ", x.shape(), ", expected [.., t, d] with an even d");
  if (!(options.base > 0))
    fail<ValueError>("rotary_embedding: .base is ", options.base, ", expected a positive number");
  return detail::rotate(x, {x.shape().product(0, x.rank() - 2), x.size(-2), 1, 1, x.size(-1), options}, S(1));
}

}  // namespace pushforward
