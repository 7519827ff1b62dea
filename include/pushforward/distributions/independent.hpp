// Independent: batch axes become part of the event.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// A distribution whose last `axes` axes of log-probabilities count as one event, too: their sum is what it scores.
///
/// Distributions here sum over the last axis of their parameters. Where an event has more axes than that, as an image
/// [h, w] of which every pixel has a mixture of its own, this sums over them:
///
///     Independent image(Mixture(logits, parts), 2);      // logits [h, w, k], parts [h, w, k, 1]: x [n, h, w, 1] ->
///     [n]
///
/// Throws ValueError for a negative number of axes.
template <class D>
class Independent {
 public:
  using Scalar = typename D::Scalar;
  using S = Scalar;

  Independent(D each, int axes) : each_(std::move(each)), axes_(axes) {
    if (axes < 0) fail<ValueError>("Independent: got ", axes, " axes, expected none or more");
  }

  const D& each() const { return each_; }
  int axes() const { return axes_; }
  auto shape() const { return each_.shape(); }
  auto mean() const requires requires(const D& d) { d.mean(); }
  { return each_.mean(); }
  auto variance() const requires requires(const D& d) { d.variance(); }
  { return each_.variance(); }

  /// The sum of each_.log_prob(x) over its last `axes` axes, in nats.
  template <class T>
  Tensor<S> log_prob(const Tensor<T>& x) const {
    return total(each_.log_prob(x));
  }
  Tensor<S> entropy() const requires requires(const D& d) { d.entropy(); }
  { return total(each_.entropy()); }
  /// The sum of values [.., axes] of the parts over their last `axes` axes. Throws ShapeError for fewer axes.
  Tensor<S> total(const Tensor<S>& values) const {
    if (values.rank() < axes_)
      fail<ShapeError>("Independent: log-probabilities of shape ", values.shape(), ", expected at least ", axes_,
                       " axes to sum over");
    std::vector<int> last;
    for (int axis = 1; axis <= axes_; ++axis) last.push_back(-axis);
    return axes_ == 0 ? values : sum(values, last);
  }

  auto sample(Index n, Rng& rng) const { return each_.sample(n, rng); }
  auto sample(Rng& rng) const { return each_.sample(rng); }
  auto rsample(Index n, Rng& rng) const requires requires(const D& d) { d.rsample(n, rng); }
  { return each_.rsample(n, rng); }
  auto rsample(Rng& rng) const requires requires(const D& d) { d.rsample(rng); }
  { return each_.rsample(rng); }

  static void members(auto& self, auto&& visit) { visit("each", self.each_); }

 private:
  D each_;
  int axes_;
};

}  // namespace pushforward
