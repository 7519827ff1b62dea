// ReplayBuffer: the chains that persistent contrastive divergence carries on from step to step.
#pragma once

#include <algorithm>

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// Chains [capacity, features] that live on between training steps (Du and Mordatch 2019, sec. 3.2).
///
/// It is a module of buffers, so a checkpoint of the model that holds it holds the chains, and a resumed training goes
/// on with the same bits. Empty until filled.
template <class S = float>
class ReplayBuffer {
 public:
  using Scalar = S;

  ReplayBuffer() = default;
  /// Throws ValueError for a negative capacity or fewer than one feature.
  ReplayBuffer(Index capacity, Index features) {
    if (capacity < 0 || features < 1)
      fail<ValueError>("ReplayBuffer: got capacity ", capacity, " for ", features,
                       " features, expected 0 or more chains of at least one feature");
    if (capacity > 0) chains_ = Tensor<S>::zeros({capacity, features});
    filled_ = Tensor<Index>::zeros({1});
  }

  Index capacity() const { return chains_.size(0); }
  /// Whether there are chains to go on with.
  bool filled() const { return !chains_.empty() && filled_.data()[0] != 0; }
  /// All chains, [capacity, features].
  const Tensor<S>& chains() const { return chains_.tensor(); }

  /// Sets all chains. Throws ShapeError unless x is [capacity, features].
  void fill(const Tensor<S>& x) {
    if (!(x.shape() == chains_.shape()))
      fail<ShapeError>("ReplayBuffer::fill: got shape ", x.shape(), ", expected ", chains_.shape());
    chains_ = x;
    filled_ = Tensor<Index>::ones({1});
  }

  /// Some of the chains, and where they are kept.
  struct Taken {
    Index first;      ///< position of the first; they are neighbours, the last one being followed by the first
    Tensor<S> value;  ///< [n, features]
  };
  /// n neighbouring chains from a random position on. Throws ValueError for more than there are, or when not filled.
  Taken take(Index n, Rng& rng) const {
    if (!filled()) fail<ValueError>("ReplayBuffer::take: there are no chains yet; call fill() first");
    if (n < 0 || n > capacity())
      fail<ValueError>("ReplayBuffer::take: asked for ", n, " chains, expected at most the capacity, ", capacity());
    const Index first = n == capacity() ? 0 : rng.uniform_index(capacity());
    const Index tail = std::min(n, capacity() - first);
    const Tensor<S> head = slice(chains(), 0, first, first + tail);
    return {first, tail == n ? head : concat({head, slice(chains(), 0, 0, n - tail)})};
  }
  /// Puts chains back where they were taken from. Throws ShapeError for another number of features.
  void put_back(const Taken& taken) {
    const Tensor<S>& x = taken.value;
    if (x.rank() != 2 || x.size(0) > capacity() || x.size(1) != chains_.size(1))
      fail<ShapeError>("ReplayBuffer::put_back: got chains of shape ", x.shape(), ", expected at most ",
                       chains_.shape());
    if (x.size(0) == capacity()) return void(chains_ = x);
    const Index tail = std::min(x.size(0), capacity() - taken.first), width = x.size(1);
    Tensor<S> next = chains_.tensor();
    chains_ = Tensor<S>();
    if (!detail::Access::unique(next))  // somebody else looks at the old ones
      next = Tensor<S>(next.shape(), std::span<const S>(next.data(), static_cast<std::size_t>(next.size())));
    S* const to = detail::Access::data(next);
    std::copy_n(x.data(), tail * width, to + taken.first * width);
    std::copy_n(x.data() + tail * width, (x.size(0) - tail) * width, to);
    chains_ = next;
  }

  static void members(auto& self, auto&& visit) {
    visit("chains", self.chains_);
    visit("filled", self.filled_);
  }

 private:
  Buffer<S> chains_;
  Buffer<Index> filled_;
};

}  // namespace pushforward
