// Dequantized: a density of real numbers as a model of whole ones.
#pragma once

#include <cmath>
#include <limits>

#include <pushforward/bijectors/elementwise.hpp>
#include <pushforward/distributions/concepts.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// Noise that is uniform in [0, 1)^d, whatever the x it is added to (Theis et al. 2016, sec. 3.1).
struct UniformNoise {
  /// One draw for each row of x [n, d], with its log-density, 0: {[n, d], [n]}.
  template <class S>
  Draws<S> operator()(const Tensor<S>& x, Rng& rng) const {
    return {uniform<S>(x.shape(), rng), Tensor<S>::zeros(x.shape().without(-1))};
  }
  static void members(auto&, auto&&) {}
};

/// Whole numbers 0 .. levels - 1 brought to [-1, 1]: what a network likes to see of them.
struct ScaleLevels {
  Index levels = 256;

  template <class S>
  Tensor<S> operator()(const Tensor<S>& x) const {
    return x * (2.0 / static_cast<double>(std::max<Index>(1, levels - 1))) - 1;
  }
  static void members(auto&, auto&&) {}
};

/// Noise in (0, 1)^d that is drawn from a conditional flow which sees x: u = sigmoid(v), v ~ flow.given(encode(x))
/// (Flow++, Ho et al. 2019, sec. 3.1).
///
///     VariationalNoise(conditional_real_nvp({.features = d, .layers = 4}, d, rng), ScaleLevels{256})
///
/// `flow` is a ConditionalFlow, `encode` any module x [n, d] -> context [n, c]. Both are trained.
template <class Conditional, class Encoder = ScaleLevels>
struct VariationalNoise {
  using Scalar = detail::scalar_of<Conditional>;
  using S = Scalar;
  Conditional flow;
  Encoder encode;

  VariationalNoise(Conditional conditional, Encoder encoder)
      : flow(std::move(conditional)), encode(std::move(encoder)) {}

  /// One draw for each row of x [n, d], differentiable, with its log-density in nats: {[n, d], [n]}.
  Draws<S> operator()(const Tensor<S>& x, Rng& rng) const {
    const Draws<S> v = flow.given(encode(x)).rsample_and_log_prob(x.size(0), rng);
    const WithLogDet<S> u = SigmoidBijector{}.forward(v.value);
    return {u.value, v.log_prob - u.log_det};
  }
  static void members(auto& self, auto&& visit) {
    visit("flow", self.flow);
    visit("encode", self.encode);
  }
};

/// What a density p(x | y) may be given, for `log_prob(x, y)` and `sample(y, rng)`: Index for labels Tensor<Index> [n]
/// (a flow on a LabelledNormal), S for contexts Tensor<S> [n, c] (a ConditionalFlow).
template <class Given, class D, class S>
concept ConditionOf = requires(const D& density, const Tensor<S>& x, const Tensor<Given>& y, Rng& rng) {
  { density.log_prob(x, y) } -> std::convertible_to<Tensor<S>>;
  { density.sample(y, rng) } -> std::convertible_to<Tensor<S>>;
};

/// How a density is asked about whole numbers.
struct DequantizedOptions {
  Index levels = 0;     ///< numbers are 0 .. levels - 1; 0 for counts without a limit
  Index particles = 1;  ///< draws of the noise per example in log_likelihood
};

/// A model of whole numbers x in {0, 1, ..}^d made of a density p of real ones, P(x) = integral of p over x + [0, 1)^d,
/// trained and scored by lower bounds:
///
///     log P(x) >= E[log p(x + u) - log q(u | x)],  u ~ q(u | x)
///
/// Ho et al. 2019 (Flow++), eq. 11; with UniformNoise q = 1 (Theis et al. 2016). The density sees x + u in [0, levels),
/// so let a bijector bring it there: Compose(couplings, SigmoidBijector(), Affine(0, levels)); what lies outside is
/// lost to the bound. `bits_per_dim(nats, d, 1)` turns scores into bits.
///
///     Dequantized model(flow, VariationalNoise(conditional_real_nvp({.features = d}, d, rng), ScaleLevels{256}),
///                       {.levels = 256});
///     fit(model, pixels, mle, {.epochs = 20}, rng);
///
/// Of a density p(x | y) of something given, labels Tensor<Index> [n] or contexts [n, c], it makes a conditional model:
/// each question takes y after x, and the noise does not see it.
template <class Model, class Noise = UniformNoise>
class Dequantized {
 public:
  using Scalar = detail::scalar_of<Model>;
  using S = Scalar;

  explicit Dequantized(Model density, Noise noise = {}, DequantizedOptions options = {})
      : density_(std::move(density)), noise_(std::move(noise)), options_(options) {
    if (options.levels < 0 || options.particles < 1)
      fail<ValueError>("Dequantized: got .levels = ", options.levels, " and .particles = ", options.particles,
                       ", expected 0 (no limit) or more, and at least 1");
  }

  const Model& density() const { return density_; }
  const Noise& noise() const { return noise_; }

  /// A lower bound of log P(x) with k draws of the noise, in nats: x [n, d] of whole numbers -> [n]. It rises with k
  /// (Burda et al. 2016). Throws ValueError for numbers that are not whole or not below `levels`, ShapeError.
  Tensor<S> bound(const Tensor<S>& x, Index k, Rng& rng) const {
    return bound_by([this](const Tensor<S>& y) { return density_.log_prob(y); }, x, k, rng);
  }
  /// The same of log P(x | given): one row of `given` for each x.
  template <ConditionOf<Model, S> Given>
  Tensor<S> bound(const Tensor<S>& x, const Tensor<Given>& given, Index k, Rng& rng) const {
    if (x.rank() != 2 || given.rank() == 0 || given.size(0) != x.size(0))
      fail<ShapeError>("Dequantized: x of shape ", x.shape(), " given something of shape ", given.shape(),
                       ", expected [n, d], and [n] labels or [n, c]");
    return bound_by([&](const Tensor<S>& y) { return density_.log_prob(y, repeated(given, k)); }, x, k, rng);
  }
  /// The bound with one draw, for `mle`.
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const { return bound(x, 1, rng); }
  template <ConditionOf<Model, S> Given>
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Given>& given, Rng& rng) const {
    return bound(x, given, 1, rng);
  }
  /// The bound with `.particles` draws.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng) const {
    const NoGradient guard;
    return {bound(x, options_.particles, rng), LikelihoodKind::lower_bound};
  }
  template <ConditionOf<Model, S> Given>
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, const Tensor<Given>& given, Rng& rng) const {
    const NoGradient guard;
    return {bound(x, given, options_.particles, rng), LikelihoodKind::lower_bound};
  }
  /// n draws of whole numbers, [n, d]: those of the density rounded down, into 0 .. levels - 1.
  Tensor<S> sample(Index n, Rng& rng) const { return whole(density_.sample(n, rng)); }
  /// One draw for each row of `given`.
  template <ConditionOf<Model, S> Given>
  Tensor<S> sample(const Tensor<Given>& given, Rng& rng) const {
    return whole(density_.sample(given, rng));
  }
  /// Starts the density from a batch of whole numbers with uniform noise.
  void initialize(const Tensor<S>& batch, Rng& rng) {
    if constexpr (requires { density_.initialize(batch); }) density_.initialize(batch + uniform<S>(batch.shape(), rng));
  }

  static void members(auto& self, auto&& visit) {
    visit("density", self.density_);
    visit("noise", self.noise_);
  }

 private:
  template <class LogDensity>
  Tensor<S> bound_by(const LogDensity& log_density, const Tensor<S>& x, Index k, Rng& rng) const {
    check(x);
    if (k < 1) fail<ValueError>("Dequantized::bound: got ", k, " particles, expected at least 1");
    const Tensor<S> rows = repeated(x, k);
    const Draws<S> u = noise_(rows, rng);
    // Rounding must not put x + u into the next cell.
    const Tensor<S> y = minimum(rows + u.value, (rows + 1) * detail::below_one<S>), ratio = log_density(y) - u.log_prob;
    return k == 1 ? ratio : logsumexp(reshape(ratio, {k, x.size(0)}), 0) - std::log(static_cast<double>(k));
  }
  // All rows k times, one copy after the other.
  template <class T>
  static Tensor<T> repeated(const Tensor<T>& rows, Index k) {
    if (k == 1) return rows;
    return reshape(expand(unsqueeze(rows, 0), rows.shape().inserted(0, k)), rows.shape().with(0, k * rows.size(0)));
  }
  Tensor<S> whole(const Tensor<S>& y) const {
    const S most = options_.levels > 0 ? static_cast<S>(options_.levels - 1) : std::numeric_limits<S>::max();
    return Tensor<S>::generate(y.shape(),
                               [&](Index i) { return std::min(std::max(std::floor(y.data()[i]), S(0)), most); });
  }
  void check(const Tensor<S>& x) const {
    if (x.rank() != 2) fail<ShapeError>("Dequantized: x of shape ", x.shape(), ", expected [n, d]");
    const S end = options_.levels > 0 ? static_cast<S>(options_.levels) : std::numeric_limits<S>::infinity();
    detail::check_each(
        "Dequantized", x, [=](S v) { return v >= S(0) && v < end && v == std::floor(v); },
        "whole numbers from 0 on and below .levels; multiply pixels in [0, 1] by levels - 1 and round them");
  }

  Model density_;
  Noise noise_;
  DequantizedOptions options_;
};

}  // namespace pushforward
