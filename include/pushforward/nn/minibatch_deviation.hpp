// Minibatch standard deviation: a feature by which a critic sees how much a batch varies.
#pragma once

#include <algorithm>

#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// x with one more channel, which holds how much x varies within a group of rows: the standard deviation of every
/// feature over the group, averaged over the features (Karras et al. 2018, section 3).
///
/// x [n, channels, ..] -> [n, channels + 1, ..]. Of n rows, those at distance n / group form a group; fewer rows than
/// `group` are one group. Throws ShapeError if the group does not divide the rows, ValueError unless group > 0.
template <class S>
Tensor<S> minibatch_deviation(const Tensor<S>& x, Index group = 4) {
  if (group < 1) fail<ValueError>("minibatch_deviation: got groups of ", group, " rows, expected at least 1");
  if (x.rank() < 2 || x.empty())
    fail<ShapeError>("minibatch_deviation: got shape ", x.shape(), ", expected [n, channels, ..] with elements");
  const Index n = x.size(0), members = std::min(group, n), groups = n / members;
  if (n % members != 0)
    fail<ShapeError>("minibatch_deviation: got ", n, " rows for groups of ", members,
                     ", expected a multiple; choose another batch size or group");
  const Tensor<S> rows = reshape(x, Shape{members, groups, x.size() / n});
  const Tensor<S> deviation = mean(sqrt(var(rows, 0) + 1e-8), -1);  // [groups]
  const Tensor<S> of_rows = reshape(expand(deviation, Shape{members, groups}), Shape{n});
  Shape single{n};
  for (int i = 1; i < x.rank(); ++i) single = single.inserted(i, 1);
  return concat({x, expand(reshape(of_rows, single), x.shape().with(1, 1))}, 1);
}

/// `minibatch_deviation` as a layer, for the end of a critic.
struct MinibatchDeviation {
  Index group = 4;

  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return minibatch_deviation(x, group);
  }
  static void members(auto&, auto&&) {}
};

}  // namespace pushforward
