// Transformed: a distribution pushed forward by a bijector.
#pragma once

#include <pushforward/autodiff/node.hpp>
#include <pushforward/distributions/concepts.hpp>

namespace pushforward {

/// The distribution of x = f(z) for z ~ base and a bijector f: log p(x) = log p_base(f^-1(x)) + log |det df^-1/dx|.
///
/// The bijector is anything with `forward` and `inverse` that return {value, log_det}. `Flow` is the same as a module.
template <class Base, class Bijector>
class Transformed {
 public:
  using Scalar = typename Base::Scalar;
  using S = Scalar;

  Transformed(Base base, Bijector bijector) : base_(std::move(base)), bijector_(std::move(bijector)) {}

  const Base& base() const { return base_; }
  const Bijector& bijector() const { return bijector_; }

  /// log p(x) in nats: x [.., d] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const auto z = bijector_.inverse(x);
    return base_.log_prob(z.value) + z.log_det;
  }
  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return bijector_.forward(base_.sample(n, rng)).value;
  }
  /// Differentiable draws.
  Tensor<S> rsample(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    return bijector_.forward(base_.rsample(n, rng)).value;
  }
  /// Draws and their log-density, without an inverse.
  Draws<S> sample_and_log_prob(Index n, Rng& rng) const {
    const Draws<S> z = detail::draw_with_log_prob<S>(base_, n, rng);
    const auto x = bijector_.forward(z.value);
    return {stop_gradient(x.value), z.log_prob - x.log_det};
  }
  /// Differentiable draws and their log-density along the draw.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    const Draws<S> z = detail::rdraw_with_log_prob<S>(base_, n, rng);
    const auto x = bijector_.forward(z.value);
    return {x.value, z.log_prob - x.log_det};
  }

  static void members(auto& self, auto&& visit) {
    visit("base", self.base_);
    visit("bijector", self.bijector_);
  }

 private:
  Base base_;
  Bijector bijector_;
};

}  // namespace pushforward
