// FlowMatching: a velocity field that carries noise to data along nearly straight lines.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/denoiser.hpp>
#include <pushforward/dynamics/ode_likelihood.hpp>
#include <pushforward/nn/time_mlp.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/assignment.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// How a flow-matching model draws.
struct FlowMatchingSampling {
  OdeSolver solver = Heun{.steps = 50};
  Index batch = 500;  ///< draws that are moved at once: few enough to stay in the cache
};

/// How a flow-matching model scores.
struct FlowMatchingLikelihood {
  OdeSolver solver = DormandPrince{};
  Divergence divergence = Divergence::exact;  ///< hutchinson for events of many numbers
  Probe probe = Probe::rademacher;
  Index batch = 1000;  ///< examples that are scored at once
};

/// A flow-matching model (Lipman et al. 2023; Liu et al. 2023): the ODE dx/dt = net(x, t) carries N(0, I) at time 0 to
/// the data at time 1.
///
/// The network is any callable net(x, t) with x [n, ..event] and one time per row t [n], or a plain number, or both.
/// Train it with the objective `flow_matching()`. It is a Denoiser on `linear_path()`, so every sampler of diffusion
/// models works on it as well.
///
///     FlowMatching model(TimeMlp(2, {128, 128}, rng), 2);
template <class Net>
class FlowMatching {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  /// For events of `event`'s shape, {channels, height, width} for images.
  FlowMatching(Net net, const Shape& event)
      : predictor_(std::move(net), Prediction::velocity, linear_path()), event_(event) {
    if (event.size() < 1 || event.rank() >= Shape::max_rank)
      fail<ValueError>("FlowMatching: events of shape ", event, ", expected at least one number and five axes at most");
  }
  /// For vectors of `features` numbers.
  FlowMatching(Net net, Index features) : FlowMatching(std::move(net), Shape{features}) {}

  const Net& net() const { return predictor_.net(); }
  /// The shape of one example.
  const Shape& event() const { return event_; }

  /// The straight path, noise at 0 and data at 1.
  const GaussianPath& path() const { return predictor_.path(); }
  /// E[x_data | x_t = x] = x + (1 - t) velocity: x [n, ..event] -> [n, ..event].
  Tensor<S> denoised(const Tensor<S>& x, double t) const { return predictor_.denoised(x, t); }
  /// dx/dt, what the network says: x [n, ..event] -> [n, ..event], with one time for all rows or one per row, t [n].
  Tensor<S> velocity(const Tensor<S>& x, double t) const { return predictor_.predict(x, t); }
  Tensor<S> velocity(const Tensor<S>& x, const Tensor<S>& t) const { return predictor_.predict(x, t); }
  /// The data and the noise in x.
  Parts<S> parts(const Tensor<S>& x, double t) const { return predictor_.parts(x, t); }

  /// n draws, [n, ..event], as constants: noise, carried along the ODE. Throws ValueError for a negative n, and what
  /// `integrate` throws.
  Tensor<S> sample(Index n, Rng& rng, const FlowMatchingSampling& options = {}) const {
    if (n < 0) fail<ValueError>("FlowMatching::sample: n is ", n, ", expected no negative number");
    check_batch("sample", options.batch);
    NoGradient guard;
    std::vector<Tensor<S>> drawn;
    for (Index done = 0; done < n; done += options.batch)
      drawn.push_back(to_data(normal<S>(batched(std::min(options.batch, n - done)), rng), options.solver));
    return drawn.empty() ? Tensor<S>::zeros(batched(0)) : drawn.size() == 1 ? drawn[0] : concat(drawn, 0);
  }
  /// Where noise z ends: z [n, ..event] -> [n, ..event], differentiable.
  Tensor<S> to_data(const Tensor<S>& z, const OdeSolver& solver = DormandPrince{}) const {
    return carried("to_data", z, 0, 1, solver);
  }
  /// The noise that ends at x, the inverse of `to_data`: x [n, ..event] -> [n, ..event], differentiable.
  Tensor<S> to_noise(const Tensor<S>& x, const OdeSolver& solver = DormandPrince{}) const {
    return carried("to_noise", x, 1, 0, solver);
  }

  /// The log-density of the ODE's draws at x, in nats: x [n, ..event] -> [n], as constants. Exact up to the solver's
  /// error (and the estimate of the divergence where that is asked for); `rng` draws the probes of that.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const FlowMatchingLikelihood& options = {}) const {
    check_points("log_likelihood", x);
    check_batch("log_likelihood", options.batch);
    NoGradient guard;
    std::vector<Tensor<S>> parts{Tensor<S>::zeros({0})};
    for (Index i = 0; i < x.size(0); i += options.batch)
      parts.push_back(score_rows(slice(x, 0, i, std::min(i + options.batch, x.size(0))), options, rng));
    return {concat(parts, 0), LikelihoodKind::estimate};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.predictor_.net()); }

 private:
  Shape batched(Index n) const { return event_.inserted(0, n); }
  void check_points(const char* operation, const Tensor<S>& x) const {
    if (x.rank() != event_.rank() + 1 || !(x.shape() == batched(x.size(0))))
      fail<ShapeError>("FlowMatching::", operation, ": got shape ", x.shape(), ", expected [n, ..] with events ",
                       event_);
  }
  static void check_batch(const char* operation, Index batch) {
    if (batch < 1) fail<ValueError>("FlowMatching::", operation, ": .batch is ", batch, ", expected at least 1");
  }
  Tensor<S> carried(const char* operation, const Tensor<S>& x, double from, double to, const OdeSolver& solver) const {
    check_points(operation, x);
    return integrate([&](const Tensor<S>& at, double t) { return velocity(at, t); }, x, from, to, solver);
  }

  Tensor<S> score_rows(const Tensor<S>& x, const FlowMatchingLikelihood& options, Rng& rng) const {
    const OdeLikelihoodOptions ode{.solver = options.solver, .divergence = options.divergence, .probe = options.probe};
    const Tensor<S> rows = reshape(x, Shape{x.size(0), event_.size()});
    const Normal<S> base = standard_normal<S>(event_.size());
    if constexpr (std::is_invocable_v<const Net&, const Tensor<S>&, double>)
      if (event_.rank() == 1) return ode_log_prob(net(), base, rows, ode, rng);  // whose divergence may be known
    auto flat = [&](const Tensor<S>& at, double t) {
      return reshape(velocity(reshape(at, batched(at.size(0))), t), at.shape());
    };
    return ode_log_prob(flat, base, rows, ode, rng);
  }

  Predictor<Net> predictor_;
  Shape event_;
};

/// Which noise is paired with which example in training.
enum class Coupling {
  independent,       ///< any with any
  optimal_transport  ///< within a batch, so that the total squared distance is least: straighter paths (Tong et al.
                     ///< 2024)
};

/// How `flow_matching` trains.
struct FlowMatchingOptions {
  Coupling coupling = Coupling::independent;
};

/// Orders the rows of `noise` so that the sum of squared distances to the rows of `data` is least, exactly: both
/// [n, ..] -> [n, ..], as constants (Tong et al. 2024, section 3.2). O(n^3) at worst. Throws ShapeError.
template <class S>
Tensor<S> optimal_transport_pairs(const Tensor<S>& noise, const Tensor<S>& data) {
  if (noise.rank() < 1 || !(noise.shape() == data.shape()))
    fail<ShapeError>("optimal_transport_pairs: noise of shape ", noise.shape(), " and data of shape ", data.shape(),
                     ", expected one shape [n, ..]");
  NoGradient guard;
  const Index n = data.size(0);
  const Shape rows{n, n ? data.size() / n : 0};
  // |x - z|^2 = |x|^2 + |z|^2 - 2 x z, of which only the last depends on the pairs.
  const Tensor<S> cost = matmul(reshape(data, rows), reshape(noise, rows), {.transpose_b = true}) * -1;
  return index_select(noise, 0, assignment(cost));
}

/// What `flow_matching` gives: a loss per number.
struct FlowMatchingLoss {
  FlowMatchingOptions options;

  template <class Net, class S>
  Tensor<S> operator()(const FlowMatching<Net>& model, const Tensor<S>& batch, Rng& rng,
                       const ExampleMean& over = {}) const {
    const Index n = batch.rank() > 0 ? batch.size(0) : 0;
    if (n < 1 || !(batch.shape() == model.event().inserted(0, n)))
      fail<ShapeError>("flow_matching: got a batch of shape ", batch.shape(), ", expected [n, ..] with events ",
                       model.event());
    Tensor<S> noise = normal<S>(batch.shape(), rng);
    const Tensor<S> t = uniform<S>({n}, rng);
    if (options.coupling == Coupling::optimal_transport) noise = optimal_transport_pairs(noise, batch);
    const Tensor<S> target = batch - noise;
    return over.of_numbers(square(model.velocity(noise + per_row(t, batch) * target, t) - target));
  }
};

/// The objective `fit(model, data, flow_matching(), ...)`: the mean squared error of the velocity, per number.
///
///     E |net(x_t, t) - (x_1 - x_0)|^2 / d,  x_t = x_0 + t (x_1 - x_0),  x_0 ~ N(0, I),  x_1 ~ data,  t ~ U(0, 1)
///
/// (Lipman et al. 2023, eq. 23; Liu et al. 2023, eq. 1.) Its least value is not 0 but the spread of the targets.
inline FlowMatchingLoss flow_matching(const FlowMatchingOptions& options = {}) { return {options}; }

/// How `flow_matching_model` builds a network.
struct FlowMatchingModelOptions {
  Index features = 0;  ///< numbers per event
  std::vector<Index> hidden = {128, 128, 128};
  Activation activation = Activation::silu;
  Index frequencies = 0;  ///< of the time, as for TimeMlp
};

/// A flow-matching model of vectors with a multilayer perceptron:
/// `flow_matching_model({.features = 2, .hidden = {128, 128, 128}}, rng)`. Throws ValueError for sizes that are not
/// positive.
template <class S = float>
FlowMatching<TimeMlp<S>> flow_matching_model(const FlowMatchingModelOptions& options, Rng& rng) {
  return {TimeMlp<S>(options.features, options.hidden, rng,
                     {.activation = options.activation, .frequencies = options.frequencies}),
          options.features};
}

}  // namespace pushforward
