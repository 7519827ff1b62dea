// tempered: a base distribution drawn closer to its centers, or further out.
#pragma once

#include <cmath>

#include <pushforward/distributions/labelled_normal.hpp>

namespace pushforward {

namespace detail {

inline void check_temperature(double temperature) {
  if (!(temperature > 0 && std::isfinite(temperature)))
    fail<ValueError>("tempered: got temperature ", temperature, ", expected a positive number; 1 changes nothing");
}

}  // namespace detail

/// A normal distribution with its standard deviation times `temperature`, N(mean, diag(T^2 std^2)): the density
/// p^(1 / T^2), normalized. Throws ValueError for a temperature that is not positive.
///
/// A mixture of normals keeps its weights and means, and each component is tempered alike; that is not p^(1 / T^2).
/// What is returned is a constant distribution with log_prob of its own. For a base of your own write
/// `tempered(const Base&, double)` beside it.
template <class S>
Normal<S> tempered(const Normal<S>& base, double temperature) {
  detail::check_temperature(temperature);
  const NoGradient guard;
  return Normal<S>::from_log_std(base.mean(), base.log_std() + std::log(temperature));
}
template <class S>
Normal<S> tempered(const LearnedNormal<S>& base, double temperature) {
  return tempered(base(), temperature);
}
template <class S>
Mixture<Normal<S>> tempered(const Mixture<Normal<S>>& base, double temperature) {
  const NoGradient guard;
  return {base.weights().logits(), tempered(base.components(), temperature)};
}
template <class S>
Mixture<Normal<S>> tempered(const LearnedMixture<S>& base, double temperature) {
  return tempered(base(), temperature);
}
template <class S>
LabelledNormal<S> tempered(const LabelledNormal<S>& base, double temperature) {
  detail::check_temperature(temperature);
  LabelledNormal<S> result = base;
  result.log_std = stop_gradient(base.log_std.tensor()) + std::log(temperature);
  return result;
}

}  // namespace pushforward
