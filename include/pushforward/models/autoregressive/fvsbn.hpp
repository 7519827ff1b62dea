// FVSBN: the fully visible sigmoid belief network, binary numbers that each follow a logistic regression.
#pragma once

#include <pushforward/models/autoregressive.hpp>

namespace pushforward {

/// A fully visible sigmoid belief network (Frey et al. 1996): binary numbers x_1, .., x_d with
///
///     P(x_i = 1 | x_1, .., x_{i-1}) = sigmoid(b_i + sum_{j < i} w_ij x_j)
///
/// an Autoregressive model without hidden units: d (d + 1) / 2 parameters, and log p is concave in them.
template <class S = float>
using Fvsbn = Made<BernoulliConditional, S>;

/// How `fvsbn` builds a model.
struct FvsbnOptions {
  Index features = 0;  ///< numbers per event
  FeatureOrder order = FeatureOrder::natural;
};

/// A fully visible sigmoid belief network: `fvsbn({.features = 784}, rng)`. Throws ValueError for fewer than one
/// feature.
template <class S = float>
Fvsbn<S> fvsbn(const FvsbnOptions& options, Rng& rng) {
  return made_bernoulli<S>({.features = options.features, .hidden = {}, .order = options.order}, rng);
}

}  // namespace pushforward
