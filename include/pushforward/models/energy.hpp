// EnergyModel: a density known up to its normalizing constant, from any network, alone or on top of another density.
#pragma once

#include <type_traits>
#include <utility>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/dynamics/contrastive_divergence.hpp>
#include <pushforward/dynamics/log_partition.hpp>
#include <pushforward/nn/frozen.hpp>
#include <pushforward/nn/mlp_slope.hpp>
#include <pushforward/objectives/noise_contrastive.hpp>

namespace pushforward {

/// Stands for "no base density" in an EnergyModel.
struct NoBase {
  using Scalar = float;
  static void members(auto&, auto&&) {}
};

/// How an EnergyModel draws.
struct EnergyOptions {
  Index features = 0;                                           ///< numbers per event, at least 1
  Index chains = 0;                                             ///< kept for persistent contrastive divergence
  LangevinOptions sampler = {.steps = 200, .step_size = 0.01};  ///< what `sample` does
  bool metropolis = false;  ///< `sample` accepts and rejects: exact in the limit, but for .steps and .step_size only
};

/// An energy-based model: a network E gives every point one number, low where data is (LeCun et al. 2006).
///
///     p(x) = exp(-E(x)) / Z,  or with a base density:  p(x) = base(x) exp(-E(x)) / Z
///
/// The network maps x [n, d] to [n, 1] or [n]. The base is any density with `sample` (a fitted flow, say); training
/// leaves it as it is. Train it by persistent_contrastive_divergence, denoising_score_matching or
/// noise_contrastive_estimation.
///
///     EnergyModel model(Mlp({2, 128, 128, 1}, rng, {.activation = Activation::silu}), {.features = 2, .chains =
///     1024});
template <class Net, class Base = NoBase>
class EnergyModel {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;
  static constexpr bool has_base = !std::is_same_v<Base, NoBase>;

  /// Throws ValueError for fewer than one feature or a negative number of chains.
  EnergyModel(Net net, const EnergyOptions& options) requires std::is_same_v<Base, NoBase>
      : EnergyModel(std::move(net), NoBase{}, options) {}
  EnergyModel(Net net, Base base, const EnergyOptions& options)
      : net_(std::move(net)), base_(std::move(base)), options_(options) {
    if (options.features < 1)
      fail<ValueError>("EnergyModel: .features is ", options.features, ", expected the number of columns of the data");
    chains_ = ReplayBuffer<S>(options.chains, options.features);
    if constexpr (!has_base) {
      start_mean_ = Tensor<S>::zeros({options.features});
      start_std_ = Tensor<S>::ones({options.features});
    }
    log_partition_ = Tensor<S>::zeros({1});
    normalized_ = Tensor<Index>::zeros({1});
  }

  const Net& net() const { return net_; }
  const Base& base() const requires(!std::is_same_v<Base, NoBase>) { return *base_; }
  const EnergyOptions& options() const { return options_; }

  /// E(x), in nats: x [n, d] -> [n]. Throws ShapeError if the network gives more than one number per row.
  Tensor<S> energy(const Tensor<S>& x) const {
    const Tensor<S> e = raw_energy(x);
    return e.rank() == 1 ? e : reshape(e, {e.size(0)});
  }
  /// log base(x) - E(x), in nats: x [n, d] -> [n]; log p(x) but for log Z.
  Tensor<S> unnormalized_log_prob(const Tensor<S>& x) const {
    if constexpr (has_base)
      return base_->log_prob(x) - energy(x);
    else
      return -energy(x);
  }
  /// The score d log p(x) / dx: x [n, d] -> [n, d]; differentiable, but not inside NoGradient, where it is cheaper.
  Tensor<S> score(const Tensor<S>& x) const {
    if constexpr (!has_base && std::is_same_v<Net, Mlp<S>>)
      if (!detail::recording_flag() && detail::has_mlp_slope(net_, x)) return detail::mlp_slope(net_, x, S(-1));
    if constexpr (has_base)
      return detail::slope_of_rows([this](const Tensor<S>& at) { return unnormalized_log_prob(at); }, x);
    else
      return detail::slope_of_rows([this](const Tensor<S>& at) { return raw_energy(at); }, x, S(-1));
  }

  /// n draws, [n, d], as constants: chains from `start`, or from the persistent ones if there are, moved as the options
  /// say. Draws that begin at the same persistent chain (n above .chains) are close to each other.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    const Tensor<S> x = chains_.filled() ? spread_chains(n, rng) : start(n, rng);
    if (!options_.metropolis) return langevin(*this, x, options_.sampler, rng);
    const MetropolisOptions how{options_.sampler.steps, options_.sampler.step_size};
    return metropolis_langevin(*this, x, how, rng).value;
  }
  /// n draws, [n, d]: each one of `proposals` draws of the base, chosen by exp(-E) (sampling-importance-resampling,
  /// Rubin 1987). Close to p where the base covers it. Throws ValueError for fewer than one proposal.
  Tensor<S> resample(Index n, Index proposals, Rng& rng) const requires(!std::is_same_v<Base, NoBase>) {
    if (proposals < 1) fail<ValueError>("EnergyModel::resample: got ", proposals, " proposals, expected at least 1");
    NoGradient guard;
    const Tensor<S> x = base_->sample(n * proposals, rng);
    const Tensor<Index> chosen = categorical(reshape(-energy(x), {n, proposals}), rng);
    return index_select(x, 0, Tensor<Index>::generate({n}, [&](Index i) { return i * proposals + chosen.data()[i]; }));
  }
  /// Where n fresh chains start, [n, d]: draws of the base or, without one, of a normal that `initialize` fits.
  Tensor<S> start(Index n, Rng& rng) const {
    NoGradient guard;
    if constexpr (has_base)
      return base_->sample(n, rng);
    else
      return start_mean_.tensor() + start_std_.tensor() * normal<S>({n, options_.features}, rng);
  }
  /// Sets the normal that chains start from to the mean and standard deviation of a batch [n, d]; `fit` calls it.
  void initialize(const Tensor<S>& batch) {
    if (batch.rank() != 2 || batch.size(1) != options_.features)
      fail<ShapeError>("EnergyModel: data of shape ", batch.shape(), ", expected [n, ", options_.features,
                       "] as .features says");
    if constexpr (!has_base) {
      NoGradient guard;
      start_mean_ = mean(batch, {0});
      start_std_ = sqrt(mean(square(batch - start_mean_.tensor()), {0}) + 1e-6);
    }
  }

  /// The chains of persistent contrastive divergence, saved with the model.
  const ReplayBuffer<S>& chains() const { return chains_; }
  ReplayBuffer<S>& chains() { return chains_; }
  bool training() const { return mode_.training; }

  /// log Z in nats, [1]: what was set, or what noise_contrastive_estimation learned.
  const Tensor<S>& log_partition() const { return log_partition_.tensor(); }
  /// Whether log Z is known. Other training than by noise-contrastive estimation makes it stale: set it afterwards.
  bool normalized() const { return normalized_.data()[0] != 0; }
  void set_log_partition(double nats) {
    log_partition_ = Tensor<S>::full({1}, static_cast<S>(nats));
    normalized_ = Tensor<Index>::ones({1});
  }
  /// An estimate of log p(x) in nats, as good as log Z is: x [n, d] -> [n]. Throws Error while log Z is not known.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng&) const {
    if (!normalized())
      fail<Error>(
          "EnergyModel::log_likelihood: log Z is not known; give it to set_log_partition, from "
          "log_partition_by_quadrature or log_partition_by_annealed_importance_sampling");
    return {unnormalized_log_prob(x) - log_partition(), LikelihoodKind::estimate};
  }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net_);
    visit("base", self.base_);
    visit("log_partition", self.log_partition_);
    visit("normalized", self.normalized_);
    visit("start_mean", self.start_mean_);
    visit("start_std", self.start_std_);
    visit("chains", self.chains_);
    visit("mode", self.mode_);
  }

 private:
  // As the network gives it: [n] or [n, 1].
  Tensor<S> raw_energy(const Tensor<S>& x) const {
    const Tensor<S> e = net_(x);
    if (x.rank() != 2 || e.rank() < 1 || e.size() != x.size(0))
      fail<ShapeError>("EnergyModel: the network maps shape ", x.shape(), " to ", e.shape(),
                       ", expected [n, d] to [n, 1] or [n]");
    return e;
  }
  // All persistent chains in turn, from a random one on.
  Tensor<S> spread_chains(Index n, Rng& rng) const {
    const Index first = rng.uniform_index(chains_.capacity());
    return index_select(chains_.chains(), 0,
                        Tensor<Index>::generate({n}, [&](Index i) { return (first + i) % chains_.capacity(); }));
  }

  Net net_;
  Frozen<Base> base_;
  EnergyOptions options_;
  Parameter<S> log_partition_;
  Buffer<Index> normalized_;
  Buffer<S> start_mean_, start_std_;
  ReplayBuffer<S> chains_;
  Mode mode_;
};

template <class Net>
EnergyModel(Net, EnergyOptions) -> EnergyModel<Net, NoBase>;
template <class Net, class Base>
EnergyModel(Net, Base, EnergyOptions) -> EnergyModel<Net, Base>;

}  // namespace pushforward
