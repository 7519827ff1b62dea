// ResidualFlow: a density made of a simple one and residual blocks; residual_flow builds one.
#pragma once

#include <vector>

#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/residual.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/models/flow.hpp>

namespace pushforward {

/// How `residual_flow` builds a flow.
struct ResidualFlowOptions {
  Index features = 0;                        ///< numbers per event, at least 1
  Index layers = 8;                          ///< residual blocks
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each block's network
  Activation activation = Activation::silu;  ///< silu (LipSwish), tanh or softplus
  double coefficient = 0.9;                  ///< bound of each network's Lipschitz constant, below 1
  double tolerance = 0;                      ///< of draws, as in ContractionOptions
  ResidualLogDetOptions log_det = {};        ///< in training
  bool act_norm = false;                     ///< an ActNorm on the data side of each block
};

/// A residual flow (Behrmann et al. 2019; Chen et al. 2019): z = (id + g_1) o .. o (id + g_L) (x) with z ~ base and
/// contractions g.
///
///     log p(x) = log p_base(z) + sum_i log det(I + J_i)
///
/// `log_prob(x)` is exact: for events of d numbers about d times the work of z itself. `log_prob(x, rng)`, which `mle`
/// trains with, has the log-determinants of the options: exact for few numbers, estimates for many.
/// `log_likelihood(x, rng)` is the same and says which. Draws invert each block by a fixed-point iteration. Data and
/// draws are [.., features]; the base is any density.
template <class Base = Normal<float>>
class ResidualFlow {
 public:
  using Scalar = detail::scalar_of<Base>;
  using S = Scalar;

  ResidualFlow() = default;
  /// `norms` has one ActNorm for each block, or none.
  ResidualFlow(Base base, std::vector<ResidualBlock<S>> blocks, std::vector<ActNorm<S>> norms = {})
      : base_(std::move(base)), blocks_(std::move(blocks)), norms_(std::move(norms)) {
    if (blocks_.empty()) fail<ValueError>("ResidualFlow: got no blocks, expected at least one");
    if (!norms_.empty() && norms_.size() != blocks_.size())
      fail<ValueError>("ResidualFlow: got ", norms_.size(), " ActNorms for ", blocks_.size(),
                       " blocks, expected one each or none");
  }

  const Base& base() const { return base_; }
  const std::vector<ResidualBlock<S>>& blocks() const { return blocks_; }

  /// log p(x) in nats, exact: x [.., features] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const { return scored(inverse(x)); }
  /// log p(x) with the log-determinants of the options: as in training.
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const { return scored(to_noise(x, &rng)); }
  /// The same, and what it is: exact, or an estimate (unbiased with roulette).
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng) const {
    LikelihoodKind kind = LikelihoodKind::exact;
    for (const ResidualBlock<S>& block : blocks_)
      if (block.log_det_kind() != LikelihoodKind::exact) kind = LikelihoodKind::estimate;
    return {log_prob(x, rng), kind};
  }

  /// From noise to data, as a bijector: z [.., features] -> value [.., features], log_det [..], exact.
  WithLogDet<S> forward(const Tensor<S>& z) const {
    WithLogDet<S> x{z, {}};
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      join(x, blocks_[i].inverse(x.value));
      if (!norms_.empty()) join(x, norms_[i].forward(x.value));
    }
    return x;
  }
  /// From data to noise.
  WithLogDet<S> inverse(const Tensor<S>& x) const { return to_noise(x, nullptr); }

  /// n draws, [n, features], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return from_noise(base_.sample(n, rng));
  }
  /// n draws that are differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const requires Reparameterized<Base, S> {
    return from_noise(base_.rsample(n, rng));
  }
  /// n draws, as constants, and their log-density, exact.
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
  /// Starts every ActNorm, once, from a batch [n, features]; `fit` calls it with the first one.
  void initialize(const Tensor<S>& batch) {
    NoGradient guard;
    Tensor<S> at = batch;
    for (std::size_t i = norms_.size(); i-- > 0;) {
      norms_[i].initialize(at);
      at = blocks_[i].moved(norms_[i].inverse(at).value);
    }
  }

  static void members(auto& self, auto&& visit) {
    visit("base", self.base_);
    visit("blocks", self.blocks_);
    visit("norms", self.norms_);
  }

 private:
  static void join(WithLogDet<S>& x, const WithLogDet<S>& next) {
    x.value = next.value;
    x.log_det = x.log_det.empty() ? next.log_det : x.log_det + next.log_det;
  }
  WithLogDet<S> to_noise(const Tensor<S>& x, Rng* rng) const {
    WithLogDet<S> z{x, {}};
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      if (!norms_.empty()) join(z, norms_[i].inverse(z.value));
      join(z, rng ? blocks_[i].forward(z.value, *rng) : blocks_[i].forward(z.value));
    }
    return z;
  }
  Tensor<S> from_noise(Tensor<S> x) const {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      x = blocks_[i].moved_back(x);
      if (!norms_.empty()) x = norms_[i].forward(x).value;
    }
    return x;
  }
  Tensor<S> scored(const WithLogDet<S>& z) const { return base_.log_prob(z.value) + z.log_det; }

  Base base_;
  std::vector<ResidualBlock<S>> blocks_;
  std::vector<ActNorm<S>> norms_;
};

/// A residual flow on a base of your own. Throws ValueError for fewer than one feature, no layers, or options of a
/// ResidualBlock that are out of range, ShapeError for a base of other events.
template <class S = float, class Base>
ResidualFlow<Base> residual_flow(const ResidualFlowOptions& options, Base base, Rng& rng) {
  if (options.layers < 1) fail<ValueError>("residual_flow: .layers is ", options.layers, ", expected at least 1");
  const ResidualBlockOptions block{.hidden = options.hidden,
                                   .activation = options.activation,
                                   .coefficient = options.coefficient,
                                   .tolerance = options.tolerance,
                                   .log_det = options.log_det};
  detail::check_residual_options("residual_flow", options.features, block);
  detail::check_base("residual_flow", base, options.features);
  std::vector<ResidualBlock<S>> blocks;
  for (Index i = 0; i < options.layers; ++i) blocks.emplace_back(options.features, rng, block);
  std::vector<ActNorm<S>> norms;
  if (options.act_norm) norms.assign(blocks.size(), ActNorm<S>(options.features));
  return {std::move(base), std::move(blocks), std::move(norms)};
}
/// A residual flow on a standard normal base: `residual_flow({.features = 2, .layers = 8, .hidden = {64, 64}}, rng)`.
template <class S = float>
ResidualFlow<Normal<S>> residual_flow(const ResidualFlowOptions& options, Rng& rng) {
  if (options.features < 1) fail<ValueError>("residual_flow: .features is ", options.features, ", expected at least 1");
  return residual_flow<S>(options, standard_normal<S>(options.features), rng);
}

}  // namespace pushforward
