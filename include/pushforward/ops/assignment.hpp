// assignment: pairs rows with columns at the least total cost.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/kernel.hpp>

namespace pushforward {

namespace detail {

// The linear assignment problem by shortest augmenting paths (Jonker and Volgenant 1987): cost[i, j] - u_i - v_j is
// never negative for the prices v (u is implied), and zero on the pairs.
class AssignmentSolver {
 public:
  template <class S>
  AssignmentSolver(const S* cost, Index n)
      : n_(n),
        stride_((n + lanes - 1) / lanes * lanes),
        cost_(size(n * stride_), infinity),
        price_(size(stride_), 0.0),
        column_(size(n), -1),
        row_(size(n), -1) {
    for (Index i = 0; i < n; ++i) std::copy_n(cost + i * n, n, cost_.data() + i * stride_);
    reduce_columns();
    for (int round = 0; round < 2; ++round) reduce_rows();
    for (Index i = 0; i < n_; ++i)
      if (column_[size(i)] < 0) augment(i);
  }
  // The column of each row.
  const std::vector<Index>& columns() const { return column_; }

 private:
  static constexpr int lanes = 8;
  // Named wherever they are used: `auto` would forget that they need no alignment.
  typedef double Numbers __attribute__((vector_size(64), aligned(8), may_alias));
  typedef std::int64_t Places __attribute__((vector_size(64), aligned(8), may_alias));
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  static std::size_t size(Index i) { return static_cast<std::size_t>(i); }
  const double* costs(Index row) const { return cost_.data() + row * stride_; }
  void pair(Index row, Index column) { column_[size(row)] = column, row_[size(column)] = row; }

  // Each column takes the cheapest row that is still free.
  void reduce_columns();

  // Free rows bid for their best column what it is worth more to them than the second best, and may displace a row.
  void reduce_rows();
  struct Bid {
    Index column;
    double least, second;
  };
  Bid two_least(Index row) const;

  // Dijkstra's algorithm from a free row to the nearest free column; then the pairs along the path are exchanged.
  void augment(Index start);
  struct Search {
    std::vector<double> distance, price;
    std::vector<std::int64_t> before;
  };
  // Shortens the distances by the paths through `row`, and finds the nearest column.
  Index nearest(Search& search, Index row, double offset) const;

  Index n_, stride_;          // rows are padded with infinite costs to whole vectors
  std::vector<double> cost_;  // [n, stride]
  std::vector<double> price_;
  std::vector<Index> column_, row_;
};

}  // namespace detail

/// The one-to-one assignment of rows to columns of least total cost, exactly: cost [n, n] -> [n], the column of each
/// row.
///
///     assignment = argmin over permutations p of sum_i cost[i, p_i]
///
/// O(n^3) at worst, by shortest augmenting paths (Jonker and Volgenant 1987). Throws ShapeError unless the matrix is
/// square, ValueError for a cost that is not finite.
template <class S>
Tensor<Index> assignment(const Tensor<S>& cost) {
  if (cost.rank() != 2 || cost.size(0) != cost.size(1))
    fail<ShapeError>("assignment: got costs of shape ", cost.shape(), ", expected a square matrix [n, n]");
  for (const S c : cost)
    if (!std::isfinite(c)) fail<ValueError>("assignment: got a cost of ", c, ", expected finite numbers");
  const detail::AssignmentSolver solver(cost.data(), cost.size(0));
  return Tensor<Index>({cost.size(0)}, solver.columns());
}

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/ops/assignment.inl>
#endif
