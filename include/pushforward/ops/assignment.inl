// Bodies of assignment.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/ops/assignment.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE void AssignmentSolver::reduce_columns() {
  std::vector<Index> cheapest(size(n_), 0);
  for (Index j = 0; j < n_; ++j) price_[size(j)] = infinity;
  for (Index i = 0; i < n_; ++i)
    for (Index j = 0; j < n_; ++j)
      if (costs(i)[j] < price_[size(j)]) price_[size(j)] = costs(i)[j], cheapest[size(j)] = i;
  for (Index j = n_; j-- > 0;)
    if (column_[size(cheapest[size(j)])] < 0) pair(cheapest[size(j)], j);
}

PUSHFORWARD_ONCE void AssignmentSolver::reduce_rows() {
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

PUSHFORWARD_ONCE AssignmentSolver::Bid AssignmentSolver::two_least(Index row) const {
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

PUSHFORWARD_ONCE void AssignmentSolver::augment(Index start) {
  Search search{std::vector<double>(size(stride_), infinity), price_, std::vector<std::int64_t>(size(stride_), start)};
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

PUSHFORWARD_ONCE Index AssignmentSolver::nearest(Search& search, Index row, double offset) const {
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

}  // namespace pushforward::detail
