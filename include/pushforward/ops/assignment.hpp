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
  void reduce_columns() {
    std::vector<Index> cheapest(size(n_), 0);
    for (Index j = 0; j < n_; ++j) price_[size(j)] = infinity;
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < n_; ++j)
        if (costs(i)[j] < price_[size(j)]) price_[size(j)] = costs(i)[j], cheapest[size(j)] = i;
    for (Index j = n_; j-- > 0;)
      if (column_[size(cheapest[size(j)])] < 0) pair(cheapest[size(j)], j);
  }

  // Free rows bid for their best column what it is worth more to them than the second best, and may displace a row.
  void reduce_rows() {
    std::vector<Index> free;
    for (Index i = n_; i-- > 0;)
      if (column_[size(i)] < 0) free.push_back(i);
    // Each bid lowers a price, yet rounding could make bids endless: what is left over is augmented.
    for (Index bids = 4 * n_; !free.empty() && bids > 0; --bids) {
      const Index i = free.back();
      free.pop_back();
      const auto [best, least, second] = two_least(i);
      price_[size(best)] -= second - least;
      const Index displaced = row_[size(best)];
      if (displaced >= 0 && !(second > least)) continue;  // a tie: left to the augmentation
      if (displaced >= 0) column_[size(displaced)] = -1, free.push_back(displaced);
      pair(i, best);
    }
  }
  struct Bid {
    Index column;
    double least, second;
  };
  Bid two_least(Index row) const {
    Bid found{0, infinity, infinity};
    for (Index j = 0; j < n_; ++j) {
      const double reduced = costs(row)[j] - price_[size(j)];
      if (reduced >= found.second) continue;
      if (reduced < found.least)
        found = {j, reduced, found.least};
      else
        found.second = reduced;
    }
    if (found.second == infinity) found.second = found.least;  // the only column
    return found;
  }

  // Dijkstra's algorithm from a free row to the nearest free column; then the pairs along the path are exchanged.
  void augment(Index start) {
    Search search{std::vector<double>(size(stride_), infinity), price_,
                  std::vector<std::int64_t>(size(stride_), start)};
    std::vector<std::pair<Index, double>> done;  // columns and their distances
    Index row = start, column = -1;
    double reached = 0;
    while (row >= 0) {
      const double level = column < 0 ? 0.0 : costs(row)[column] - price_[size(column)];
      column = nearest(search, row, reached - level);
      reached = search.distance[size(column)];
      done.emplace_back(column, reached);
      search.distance[size(column)] = infinity;
      search.price[size(column)] = -infinity;  // out of the search
      row = row_[size(column)];
    }
    for (const auto& [j, distance] : done) price_[size(j)] += distance - reached;
    for (Index i = -1; i != start;) {
      i = static_cast<Index>(search.before[size(column)]);
      const Index next = column_[size(i)];
      pair(i, column);
      column = next;
    }
  }
  struct Search {
    std::vector<double> distance, price;
    std::vector<std::int64_t> before;
  };
  // Shortens the distances by the paths through `row`, and finds the nearest column.
  Index nearest(Search& search, Index row, double offset) const {
    const double *cost = costs(row), *price = search.price.data();
    double* distance = search.distance.data();
    std::int64_t* before = search.before.data();
    const Index stride = stride_;
    return vectorized([=] {
      Numbers least = Numbers{} + infinity;
      Places at{}, here{0, 1, 2, 3, 4, 5, 6, 7};
      for (Index j = 0; j < stride; j += lanes, here += lanes) {
        Numbers& best = reinterpret_cast<Numbers&>(distance[j]);
        Places& from = reinterpret_cast<Places&>(before[j]);
        const Numbers& of_row = reinterpret_cast<const Numbers&>(cost[j]);
        const Numbers& paid = reinterpret_cast<const Numbers&>(price[j]);
        const Numbers through = offset + (of_row - paid);
        const Places shorter = through < best;
        from = shorter ? Places{} + std::int64_t{row} : from;
        best = shorter ? through : best;
        at = best < least ? here : at;
        least = best < least ? best : least;
      }
      int lane = 0;
      for (int l = 1; l < lanes; ++l)
        if (least[l] < least[lane]) lane = l;
      return static_cast<Index>(at[lane]);
    });
  }

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
