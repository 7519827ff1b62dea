// ContinuousFlow: a density made of a simple one by an ordinary differential equation, trained through the solver.
#pragma once

#include <vector>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/ode_likelihood.hpp>
#include <pushforward/nn/time_mlp.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// How a ContinuousFlow is solved.
struct ContinuousFlowOptions {
  OdeSolver solver = RungeKutta4{.steps = 20};
  Divergence divergence = Divergence::exact;  ///< in training: hutchinson for many dimensions
  Probe probe = Probe::rademacher;            ///< of hutchinson
  double data_time = 0, noise_time = 1;
};

/// A score and what the way of each point to the noise costs.
template <class S = float>
struct PathCosts {
  Tensor<S> log_prob;  ///< [n], nats
  Tensor<S> kinetic;   ///< [n], int |net(x(t), t)|^2 dt
  Tensor<S> jacobian;  ///< [n], int |e^T dnet/dx|^2 dt for a probe e: on average the squared norm of the Jacobian
};

/// A continuous normalizing flow (Chen et al. 2018; Grathwohl et al. 2019): dx/dt = net(x, t) carries data x to noise
/// z.
///
///     log p(x) = log p_base(z) + int div net(x(t), t) dt,   x(data_time) = x, z = x(noise_time)
///
/// Data and draws are [.., features]. The score is exact up to the solver's error, which more steps or finer tolerances
/// make as small as wanted; so are gradients, which go back through the steps of the solver. `net(x, t)` takes points
/// [n, features] and a plain time; a TimeMlp with two hidden layers is the fastest. The base is any density.
template <class Net, class Base = Normal<detail::scalar_of<Net>>>
class ContinuousFlow {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  ContinuousFlow() = default;
  ContinuousFlow(Net net, Base base, ContinuousFlowOptions options = {})
      : net_(std::move(net)), base_(std::move(base)), options_(std::move(options)) {}

  const Net& net() const { return net_; }
  const Base& base() const { return base_; }
  const ContinuousFlowOptions& options() const { return options_; }
  /// Another solver for the same flow: a coarse one in training, a fine one for scores, say.
  void set_solver(const OdeSolver& solver) { options_.solver = solver; }

  /// log p(x) in nats, with the exact divergence: x [.., features] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const WithLogDet<S> z = inverse(x);
    return base_.log_prob(z.value) + z.log_det;
  }
  /// log p(x) with the divergence that the options ask for, which is what `fit` trains with: exact, or an unbiased
  /// estimate from one probe per point.
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const {
    if (options_.divergence == Divergence::exact) return log_prob(x);
    const Tensor<S> flat = flattened(x);
    const WithLogDet<S> z =
        solve(flat, options_.data_time, options_.noise_time, draw_probe<S>(options_.probe, flat.shape(), rng));
    return reshape(base_.log_prob(z.value) + z.log_det, x.shape().without(-1));
  }

  /// The score of x [n, features] as in training, and the costs of Finlay et al. 2020, eqs. 9 and 10, along one
  /// solution.
  PathCosts<S> path_costs(const Tensor<S>& x, Rng& rng) const {
    const Index d = x.size(-1);
    const Tensor<S> probe = draw_probe<S>(options_.probe, x.shape(), rng), nothing = Tensor<S>::zeros({x.size(0), 1});
    const auto exact = with_divergence(net_);
    auto field = [&](const Tensor<S>& state, double t) {
      const Tensor<S> at = slice(state, 1, 0, d);
      const detail::PulledField<S> pulled = detail::pull_through(net_, at, t, probe);
      const Tensor<S> divergence =
          options_.divergence == Divergence::exact ? exact(at, t).divergence : sum(pulled.pulled * probe, 1);
      return concat({pulled.velocity, unsqueeze(divergence, 1), sum(square(pulled.velocity), {1}, true),
                     sum(square(pulled.pulled), {1}, true)},
                    1);
    };
    const Tensor<S> end = integrate(field, concat({x, nothing, nothing, nothing}, 1), options_.data_time,
                                    options_.noise_time, options_.solver);
    auto column = [&](Index i) { return squeeze(slice(end, 1, d + i, d + i + 1), 1); };
    // The log-determinant changes its sign with the direction of time, what a way costs does not.
    const double direction = options_.noise_time < options_.data_time ? -1 : 1;
    return {base_.log_prob(slice(end, 1, 0, d)) + column(0), column(1) * direction, column(2) * direction};
  }

  /// From noise to data, as a bijector: z [.., features] -> value [.., features], log_det [..].
  WithLogDet<S> forward(const Tensor<S>& z) const { return shaped(z, options_.noise_time, options_.data_time); }
  /// From data to noise.
  WithLogDet<S> inverse(const Tensor<S>& x) const { return shaped(x, options_.data_time, options_.noise_time); }

  /// n draws, [n, features], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return carry(base_.sample(n, rng));
  }
  /// n draws that are differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const requires Reparameterized<Base, S> { return carry(base_.rsample(n, rng)); }
  /// n draws, as constants, and their log-density, from one solution.
  Draws<S> sample_and_log_prob(Index n, Rng& rng) const {
    const Draws<S> z = detail::draw_with_log_prob<S>(base_, n, rng);
    const WithLogDet<S> x = forward(z.value);
    return {stop_gradient(x.value), z.log_prob - x.log_det};
  }
  /// n draws and their log-density, both differentiable: for variational inference.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    const Draws<S> z = detail::rdraw_with_log_prob<S>(base_, n, rng);
    const WithLogDet<S> x = forward(z.value);
    return {x.value, z.log_prob - x.log_det};
  }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net_);
    visit("base", self.base_);
  }

 private:
  static Tensor<S> flattened(const Tensor<S>& x) {
    if (x.rank() < 1) fail<ShapeError>("ContinuousFlow: got points of shape ", x.shape(), ", expected [.., features]");
    return x.rank() == 2 ? x : reshape(x, Shape{x.shape().product(0, x.rank() - 1), x.size(-1)});
  }
  WithLogDet<S> solve(const Tensor<S>& x, double from, double to, const Tensor<S>& probe) const {
    return integrate_with_log_det(net_, x, from, to, options_.solver, probe);
  }
  WithLogDet<S> shaped(const Tensor<S>& x, double from, double to) const {
    const WithLogDet<S> y = solve(flattened(x), from, to, {});
    if (x.rank() == 2) return y;
    return {reshape(y.value, x.shape()), reshape(y.log_det, x.shape().without(-1))};
  }
  Tensor<S> carry(const Tensor<S>& z) const {
    return integrate([&](const Tensor<S>& x, double t) { return Tensor<S>(net_(x, t)); }, z, options_.noise_time,
                     options_.data_time, options_.solver);
  }

  Net net_;
  Base base_;
  ContinuousFlowOptions options_;
};

/// How much `regularized_mle` asks of the way from data to noise.
struct PathPenalties {
  double kinetic = 0.01;   ///< weight of the kinetic energy
  double jacobian = 0.01;  ///< weight of the Jacobian's squared norm
};

/// What `regularized_mle` gives: a loss in nats per example, and the penalties.
struct RegularizedLikelihood {
  PathPenalties penalties;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    const PathCosts<S> costs = model.path_costs(batch, rng);
    return over(costs.kinetic * penalties.kinetic + costs.jacobian * penalties.jacobian - costs.log_prob);
  }
};

/// The objective `fit(flow, data, regularized_mle({.kinetic = 0.01}), ...)` for continuous flows: mle, plus weighted
/// costs of the way, so that ways stay straight and few steps of a solver follow them (Finlay et al. 2020).
inline RegularizedLikelihood regularized_mle(const PathPenalties& penalties = {}) { return {penalties}; }

/// The network that `continuous_flow` builds.
struct ContinuousFlowNetwork {
  Index features = 0;                        ///< numbers per event, at least 1
  std::vector<Index> hidden = {64, 64};      ///< hidden widths; two are the fastest
  Activation activation = Activation::tanh;  ///< smooth, as a solver wants it
  Index frequencies = 0;                     ///< of the time, as in TimeMlpOptions
};

/// A continuous flow of a TimeMlp on a base of your own. It starts as the identity: the last layer is zero. Throws
/// ValueError for sizes that are not positive.
template <class S = float, class Base>
ContinuousFlow<TimeMlp<S>, Base> continuous_flow(const ContinuousFlowNetwork& network, Base base, Rng& rng,
                                                 const ContinuousFlowOptions& options = {}) {
  if (network.features < 1)
    fail<ValueError>("continuous_flow: .features is ", network.features, ", expected at least 1");
  TimeMlp<S> net(network.features, network.hidden, rng,
                 {.activation = network.activation, .frequencies = network.frequencies});
  Linear<S>& last = net.layers.back();
  last.weight = Tensor<S>::zeros(last.weight.shape());
  last.bias = Tensor<S>::zeros(last.bias.shape());
  return {std::move(net), std::move(base), options};
}
/// A continuous flow on a standard normal base: `continuous_flow({.features = 2, .hidden = {64, 64}}, rng)`.
template <class S = float>
ContinuousFlow<TimeMlp<S>> continuous_flow(const ContinuousFlowNetwork& network, Rng& rng,
                                           const ContinuousFlowOptions& options = {}) {
  if (network.features < 1)
    fail<ValueError>("continuous_flow: .features is ", network.features, ", expected at least 1");
  return continuous_flow<S>(network, standard_normal<S>(network.features), rng, options);
}

}  // namespace pushforward
