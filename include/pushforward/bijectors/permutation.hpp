// Permutation and Reverse: the numbers of an event in another order.
#pragma once

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// The numbers of an event in another order: y[.., i] = x[.., order[i]].
///
/// Throws ValueError unless `order` holds every position once.
template <class S = float>
struct Permutation {
  Buffer<Index> order, back;

  Permutation() = default;
  explicit Permutation(const Tensor<Index>& positions) : order(positions) {
    if (positions.rank() != 1) fail<ShapeError>("Permutation: order of shape ", positions.shape(), ", expected [d]");
    std::vector<Index> inverted(static_cast<std::size_t>(positions.size()), -1);
    for (Index i = 0; i < positions.size(); ++i) {
      const Index p = positions.data()[i];
      if (p < 0 || p >= positions.size() || inverted[static_cast<std::size_t>(p)] >= 0)
        fail<ValueError>("Permutation: position ", p, " at ", i, " is out of range or repeated, expected each of 0 .. ",
                         positions.size() - 1, " once");
      inverted[static_cast<std::size_t>(p)] = i;
    }
    back = Tensor<Index>(positions.shape(), inverted);
  }
  /// A random order of `features` positions.
  Permutation(Index features, Rng& rng) : Permutation(permutation(features, rng)) {}

  WithLogDet<S> forward(const Tensor<S>& x) const { return moved(x, order); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return moved(y, back); }

  static void members(auto& self, auto&& visit) {
    visit("order", self.order);
    visit("back", self.back);
  }

 private:
  static WithLogDet<S> moved(const Tensor<S>& x, const Tensor<Index>& to) {
    detail::check_features("Permutation", x.shape(), to.size());
    return {index_select(x, -1, to), Tensor<S>::zeros(x.shape().without(-1))};
  }
};

/// The numbers of an event in reverse order.
struct Reverse {
  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    const Shape shape = detail::log_det_shape("Reverse", x.shape());
    return {flip(x, -1), Tensor<S>::zeros(shape)};
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return forward(y);
  }
};

}  // namespace pushforward
