// Embedding: one row of numbers per code.
#pragma once

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// One trained row of `features` numbers for each of `count` codes: codes [..] -> [.., features].
///
/// Rows start normal with mean 0 and variance 1. Negative codes count from the end; throws IndexError for others
/// outside.
template <class S = float>
struct Embedding {
  Parameter<S> weight;  // [count, features]

  Embedding() = default;
  Embedding(Index count, Index features, Rng& rng) : weight(normal<S>(Shape{count, features}, rng)) {}

  Tensor<S> operator()(const Tensor<Index>& codes) const {
    const Tensor<S> rows = index_select(weight.tensor(), 0, reshape(codes, Shape{codes.size()}));
    return reshape(rows, codes.shape().inserted(codes.rank(), weight.size(1)));
  }

  static void members(auto& self, auto&& visit) { visit("weight", self.weight); }
};

}  // namespace pushforward
