// LuLinear, HouseholderRotation and QrLinear: trained invertible matrices whose determinants cost nothing.
#pragma once

#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/linalg.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// A matrix of d x d numbers in double, row by row.
using SquareNumbers = std::vector<double>;

// A random rotation: normal numbers, each row made orthogonal to those before it, twice, against rounding.
inline SquareNumbers random_rotation(Index d, Rng& rng) {
  SquareNumbers q = normal<double>({d, d}, rng).to_vector();
  for (Index i = 0; i < d; ++i) {
    double* const row = q.data() + i * d;
    for (Index k = 0; k < 2 * i; ++k) {
      const double* const other = q.data() + k % i * d;
      const double along = std::inner_product(row, row + d, other, 0.0);
      for (Index j = 0; j < d; ++j) row[j] -= along * other[j];
    }
    const double length = std::sqrt(std::inner_product(row, row + d, row, 0.0));
    for (Index j = 0; j < d; ++j) row[j] /= length;
  }
  return q;
}

// m becomes L - I + U with rows order[0], order[1], ... of m equal to those of L U, by elimination with row pivoting.
inline std::vector<Index> factorize_lu(SquareNumbers& m, Index d) {
  std::vector<Index> order(static_cast<std::size_t>(d));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index k = 0; k < d; ++k) {
    auto at = [&](Index i, Index j) -> double& { return m[static_cast<std::size_t>(i * d + j)]; };
    Index pivot = k;
    for (Index i = k + 1; i < d; ++i)
      if (std::abs(at(i, k)) > std::abs(at(pivot, k))) pivot = i;
    std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(pivot)]);
    for (Index j = 0; j < d && pivot != k; ++j) std::swap(at(k, j), at(pivot, j));
    for (Index i = k + 1; i < d; ++i) {
      at(i, k) /= at(k, k);
      for (Index j = k + 1; j < d; ++j) at(i, j) -= at(i, k) * at(k, j);
    }
  }
  return order;
}

// The upper triangular matrix with `above` over its diagonal and `diagonal` [d] on it.
template <class S>
Tensor<S> upper_triangle(const Tensor<S>& above, const Tensor<S>& diagonal) {
  return triu(above, 1) + Tensor<S>::eye(diagonal.size()) * diagonal;
}

// T^-1 applied to every event of y [.., d].
template <class S>
Tensor<S> solve_events(const Tensor<S>& triangle, const Tensor<S>& y, TriangularOptions options) {
  const Index d = y.size(-1);
  const Tensor<S> columns = transpose(reshape(y, Shape{y.size() / d, d}));
  return reshape(transpose(solve_triangular(triangle, columns, options)), y.shape());
}

inline void check_matrix_size(const char* name, Index features) {
  if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
}

}  // namespace detail

/// y = W x with W = P L (U + diag(s)), log det = sum log |s| (Glow, Kingma and Dhariwal 2018, eq. 10 and 11).
///
/// P is a fixed permutation, L lower triangular with ones on its diagonal, U upper triangular with zeros on it; L, U
/// and log |s| are trained, the signs of s stay. W starts as a random rotation. x [.., d]; forward costs a product with
/// W, inverse two triangular solutions. Throws ValueError for fewer than one feature, ShapeError.
template <class S = float>
struct LuLinear {
  Parameter<S> lower, upper, log_scale;  // the triangles of [d, d] without diagonals, and [d]
  Buffer<S> sign;
  Buffer<Index> order;  // row order[i] of L U is row i of W

  LuLinear() = default;
  LuLinear(Index features, Rng& rng) {
    detail::check_matrix_size("LuLinear", features);
    const Index d = features;
    detail::SquareNumbers m = detail::random_rotation(d, rng);
    const std::vector<Index> rows = detail::factorize_lu(m, d);
    std::vector<Index> back(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) back[static_cast<std::size_t>(rows[i])] = static_cast<Index>(i);
    order = Tensor<Index>(Shape{d}, back);
    auto number = [&](Index i) { return m[static_cast<std::size_t>(i)]; };
    const Tensor<S> all = Tensor<S>::generate({d, d}, [&](Index i) { return static_cast<S>(number(i)); });
    lower = tril(all, -1);
    upper = triu(all, 1);
    log_scale =
        Tensor<S>::generate({d}, [&](Index i) { return static_cast<S>(std::log(std::abs(number(i * d + i)))); });
    sign = Tensor<S>::generate({d}, [&](Index i) { return number(i * d + i) < 0 ? S(-1) : S(1); });
  }

  /// W [d, d].
  Tensor<S> matrix() const {
    const Tensor<S> unit = tril(lower.tensor(), -1) + Tensor<S>::eye(sign.size());
    return index_select(matmul(unit, upper_factor()), 0, order.tensor());
  }
  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("LuLinear", x.shape(), sign.size());
    return {linear(x, matrix(), Tensor<S>()), expand(sum(log_scale.tensor()), x.shape().without(-1))};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("LuLinear", y.shape(), sign.size());
    const Tensor<S> permuted = index_select(y, -1, places());
    const Tensor<S> half = detail::solve_events(lower.tensor(), permuted, {.unit_diagonal = true});
    return {detail::solve_events(upper_factor(), half, {.upper = true}),
            expand(-sum(log_scale.tensor()), y.shape().without(-1))};
  }

  static void members(auto& self, auto&& visit) {
    visit("lower", self.lower);
    visit("upper", self.upper);
    visit("log_scale", self.log_scale);
    visit("sign", self.sign);
    visit("order", self.order);
  }

 private:
  Tensor<S> upper_factor() const { return detail::upper_triangle(upper.tensor(), sign * exp(log_scale.tensor())); }
  // Row i of L U is row places[i] of W.
  Tensor<Index> places() const {
    std::vector<Index> back(static_cast<std::size_t>(order.size()));
    for (Index i = 0; i < order.size(); ++i) back[static_cast<std::size_t>(order.data()[i])] = i;
    return Tensor<Index>(order.shape(), back);
  }
};

/// y = H_1 H_2 .. H_k x with reflections H_i x = x - 2 v_i (v_i . x) / |v_i|^2 (Tomczak and Welling 2016, eq. 9): a
/// trained rotation or reflection; volume is preserved.
///
/// k = d reflections reach every orthogonal matrix of size d, up to a sign. x [.., d]; a reflection costs O(d) per
/// event, and the inverse is the same in the opposite order. Throws ValueError for fewer than one feature or
/// reflection, ShapeError.
template <class S = float>
struct HouseholderRotation {
  Parameter<S> vectors;  // [k, d]

  HouseholderRotation() = default;
  HouseholderRotation(Index features, Index reflections, Rng& rng) {
    detail::check_matrix_size("HouseholderRotation", features);
    if (reflections < 1)
      fail<ValueError>("HouseholderRotation: got ", reflections, " reflections, expected at least 1");
    vectors = normal<S>({reflections, features}, rng);
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("HouseholderRotation", x.shape(), vectors.size(-1));
    Tensor<S> y = x;
    for (Index i = vectors.size(0); i-- > 0;) y = reflected(y, i);
    return {y, Tensor<S>::zeros(x.shape().without(-1))};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("HouseholderRotation", y.shape(), vectors.size(-1));
    Tensor<S> x = y;
    for (Index i = 0; i < vectors.size(0); ++i) x = reflected(x, i);
    return {x, Tensor<S>::zeros(y.shape().without(-1))};
  }

  static void members(auto& self, auto&& visit) { visit("vectors", self.vectors); }

 private:
  // A vector of length 0 reflects nothing.
  Tensor<S> reflected(const Tensor<S>& x, Index i) const {
    const Tensor<S> v = select(vectors.tensor(), 0, i);
    const Tensor<S> squared = maximum(sum(square(v)), std::numeric_limits<S>::min());
    return x - sum(x * v, -1, true) * (2 * v / squared);
  }
};

/// y = Q R x with a HouseholderRotation Q and an upper triangular R of positive diagonal s: log det = sum log s
/// (Hoogeboom et al. 2019, sec. 3.2, with reflections for Q).
///
/// R starts as the identity, Q at random. x [.., d]. Throws ValueError for fewer than one feature, ShapeError.
template <class S = float>
struct QrLinear {
  HouseholderRotation<S> rotation;
  Parameter<S> upper, log_scale;  // the triangle of [d, d] above the diagonal, and [d]

  QrLinear() = default;
  QrLinear(Index features, Rng& rng)
      : rotation(features, features, rng),
        upper(Tensor<S>::zeros({features, features})),
        log_scale(Tensor<S>::zeros({features})) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("QrLinear", x.shape(), log_scale.size());
    return {rotation.forward(linear(x, triangle(), Tensor<S>())).value,
            expand(sum(log_scale.tensor()), x.shape().without(-1))};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("QrLinear", y.shape(), log_scale.size());
    return {detail::solve_events(triangle(), rotation.inverse(y).value, {.upper = true}),
            expand(-sum(log_scale.tensor()), y.shape().without(-1))};
  }

  static void members(auto& self, auto&& visit) {
    visit("rotation", self.rotation);
    visit("upper", self.upper);
    visit("log_scale", self.log_scale);
  }

 private:
  Tensor<S> triangle() const { return detail::upper_triangle(upper.tensor(), exp(log_scale.tensor())); }
};

}  // namespace pushforward
