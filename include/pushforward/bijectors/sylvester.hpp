// SylvesterFlow: a planar flow with several directions at once.
#pragma once

#include <vector>

#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/bijectors/planar.hpp>

namespace pushforward {

/// y = x + Q A tanh(B Q^T x + b) with Q [d, m] of orthonormal columns and upper triangular A and B [m, m]:
/// log det = sum log(1 + A_ii B_ii (1 - tanh^2)_i) (van den Berg et al. 2018, eq. 9 to 12).
///
/// Q is made of Householder reflections (their sec. 4.2). The diagonals are 0.999 tanh of trained numbers, so
/// A_ii B_ii > -1 makes the map invertible. The inverse solves m increasing equations per event, one after the other.
/// x [.., d]. Throws ValueError unless 1 <= m <= d, ShapeError.
template <class S = float>
struct SylvesterFlow {
  HouseholderRotation<S> rotation;
  Parameter<S> outer, inner, b;  // [m, m]: the triangles, raw numbers on their diagonals; and [m]

  SylvesterFlow() = default;
  SylvesterFlow(Index features, Index units, Rng& rng) {
    if (units < 1 || units > features)
      fail<ValueError>("SylvesterFlow: got ", units, " units for ", features, " features, expected 1 to ", features);
    rotation = HouseholderRotation<S>(features, units, rng);
    const double deviation = 1 / std::sqrt(static_cast<double>(units));
    outer = detail::small_normal<S>({units, units}, deviation, rng);
    inner = detail::small_normal<S>({units, units}, deviation, rng);
    b = Tensor<S>::zeros({units});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("SylvesterFlow", x.shape(), rotation.vectors.size(-1));
    const Tensor<S> rotated = rotation.forward(x).value;
    const Tensor<S> h = tanh(linear(slice(rotated, -1, 0, b.size()), bounded(inner), b));
    return {rotation.inverse(rotated + placed(linear(h, bounded(outer), Tensor<S>()))).value, log_slope(h)};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("SylvesterFlow", y.shape(), rotation.vectors.size(-1));
    const Tensor<S> rotated = rotation.forward(y).value;
    const Tensor<S> h = units_of(slice(rotated, -1, 0, b.size()));
    return {rotation.inverse(rotated - placed(linear(h, bounded(outer), Tensor<S>()))).value, -log_slope(h)};
  }

  static void members(auto& self, auto&& visit) {
    visit("rotation", self.rotation);
    visit("outer", self.outer);
    visit("inner", self.inner);
    visit("b", self.b);
  }

 private:
  // Strictly below 1, where the product of two diagonals could be -1.
  static constexpr double most_diagonal = 0.999;

  static Tensor<S> diagonal(const Tensor<S>& raw) {
    return most_diagonal * tanh(sum(raw * Tensor<S>::eye(raw.size(0)), -1));
  }
  static Tensor<S> bounded(const Tensor<S>& raw) { return detail::upper_triangle(raw, diagonal(raw)); }
  // The m numbers that move as the first of d numbers.
  Tensor<S> placed(const Tensor<S>& part) const { return pad(part, -1, 0, rotation.vectors.size(-1) - b.size()); }
  Tensor<S> log_slope(const Tensor<S>& h) const {
    return sum(log1p(diagonal(outer) * diagonal(inner) * (1 - square(h))), -1);
  }
  // h = tanh(B v + b) where v + A h = w [.., m]: row i of the triangles sees numbers i and later only.
  Tensor<S> units_of(const Tensor<S>& w) const {
    const Tensor<S> a = bounded(outer), in = bounded(inner);
    auto miss = [](const auto& v, const auto& rate, const auto& scale, const auto& offset, const auto& target) {
      return v + rate * tanh(scale * v + offset) - target;
    };
    const Index m = b.size();
    Tensor<S> v, h;  // of the numbers that are known: i + 1 .. m - 1
    for (Index i = m; i-- > 0;) {
      auto later = [&](const Tensor<S>& matrix, const Tensor<S>& known) {
        return sum(slice(select(matrix, 0, i), 0, i + 1, m) * known, -1, true);
      };
      const Tensor<S> rate = select(select(a, 0, i), 0, i), scale = select(select(in, 0, i), 0, i);
      Tensor<S> offset = expand(slice(b, 0, i, i + 1), w.shape().with(-1, 1)), target = slice(w, -1, i, i + 1);
      if (i + 1 < m) {
        offset = offset + later(in, v);
        target = target - later(a, h);
      }
      const Tensor<S> reach = abs(rate);
      const Tensor<S> root = solve_increasing(miss, target - reach, target + reach, rate, scale, offset, target);
      const Tensor<S> unit = tanh(scale * root + offset);
      v = i + 1 < m ? concat({root, v}, -1) : root;
      h = i + 1 < m ? concat({unit, h}, -1) : unit;
    }
    return h;
  }
};

}  // namespace pushforward
