// Autoregressive models: log p(x) = sum of log p(x_i | what comes before), from one masked network; MADE.
#pragma once

#include <concepts>
#include <vector>

#include <pushforward/bijectors/autoregressive_kernels.hpp>
#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/models/conditionals.hpp>
#include <pushforward/nn/masked_mlp.hpp>

namespace pushforward {

/// An autoregressive density: log p(x) = sum_i log p(x_i | x_j before i), exact, from one pass of one network.
///
/// `net` maps [.., d] to [.., P d]; number j d + i of its output is the j-th of the P parameters of feature i, and
/// depends only on features before i in the network's order (MaskedMlp). `conditional` says what distribution the
/// parameters stand for: see BernoulliConditional. Data is [.., d]. The network sees numbers clamped to 1e6, so that no
/// finite input overflows to NaN.
template <class Net, class Conditional>
class Autoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;
  static_assert(ConditionalDistribution<Conditional, S>,
                "pushforward: the conditional of an autoregressive model needs `Index parameters() const`, "
                "`log_prob(parameters [.., P, d], x [.., d]) const` -> [..] and `sample(parameters [n, P], rng) const` "
                "-> [n].");

  /// Throws ValueError if the network does not put out as many numbers for each feature as the conditional takes.
  explicit Autoregressive(Net net, Conditional conditional = {})
      : net_(std::move(net)), conditional_(std::move(conditional)), initialized_(Tensor<S>::zeros({1})) {
    if (net_.outputs() != conditional_.parameters())
      fail<ValueError>("Autoregressive: the network puts out ", net_.outputs(),
                       " numbers for each feature, but its conditional takes ", conditional_.parameters());
  }

  const Net& net() const { return net_; }
  const Conditional& conditional() const { return conditional_; }
  Index features() const { return net_.features(); }
  /// The feature in place `place` of the order in which they depend on each other.
  Index element(Index place) const { return net_.feature(place); }

  /// The parameters of every conditional at x: x [.., d] -> [.., P, d].
  Tensor<S> parameters(const Tensor<S>& x) const {
    detail::check_features("Autoregressive", x.shape(), features());
    const Tensor<S> y = net_(detail::network_input(x));
    return reshape(y, x.shape().with(-1, conditional_.parameters()).inserted(x.rank(), features()));
  }
  /// log p(x) in nats: x [.., d] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const { return conditional_.log_prob(parameters(x), x); }

  /// n draws, [n, d], as constants: one feature after the other, at the cost of about one pass of the network.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    const Tensor<S> nothing = Tensor<S>::zeros(detail::batched(n, Shape{features()}));
    return complete(nothing, nothing, rng, options);
  }
  /// x [n, d] with its unknown numbers drawn; `known` [n, d] or [d] is 1 where x is given and 0 where it is not.
  ///
  /// An unknown number is drawn given the known and drawn ones before it in the order. The result is an exact draw of
  /// p(unknown | known) where the known numbers come first in the order. The same bits as `full_completion` gives.
  /// Throws ShapeError, and ValueError for options that the conditional cannot follow, or known numbers that it cannot
  /// hold.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    if (x.rank() != 2) fail<ShapeError>("Autoregressive::complete: x of shape ", x.shape(), ", expected [n, d]");
    detail::check_features("Autoregressive::complete", x.shape(), features());
    NoGradient guard;
    const Tensor<S> given = expand(known, x.shape());
    detail::check_known("Autoregressive", conditional_, x, given);
    return Tensor<S>::build(x.shape(), [&](S* out) {
      std::copy_n(x.data(), x.size(), out);
      draw_unknown(x.size(0), given, out, rng, options);
    });
  }

  /// Starts the model at the marginal distributions of a batch [n, d], once, where the conditional knows them; `fit`
  /// calls it with the first batch.
  void initialize(const Tensor<S>& batch) {
    if constexpr (requires { net_.start_at(conditional_.marginals(batch)); }) {
      if (initialized_.item() != S(0) || batch.empty()) return;
      detail::check_features("Autoregressive::initialize", batch.shape(), features());
      NoGradient guard;
      net_.start_at(conditional_.marginals(reshape(batch, Shape{batch.size() / features(), features()})));
      initialized_ = Tensor<S>::ones({1});
    }
  }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net_);
    visit("initialized", self.initialized_);
  }

 private:
  void draw_unknown(Index n, const Tensor<S>& given, S* x, Rng& rng, const DrawOptions& options) const {
    constexpr S bound = static_cast<S>(detail::conditioner_bound);
    const Index d = features();
    std::vector<S> seen(static_cast<std::size_t>(n));
    for (auto steps = net_.steps(n); steps.more(); steps.set(seen.data(), 1)) {
      const Index i = steps.feature();
      const Tensor<S> drawn = detail::draw_conditional(conditional_, steps.outputs(), rng, options);
      for (Index r = 0; r < n; ++r) {
        S& value = x[r * d + i];
        if (given.data()[r * d + i] == S(0)) value = drawn.data()[r];
        seen[static_cast<std::size_t>(r)] = std::min(std::max(value, -bound), bound);
      }
    }
  }

  Net net_;
  Conditional conditional_;
  Buffer<S> initialized_;  // 0 or 1, saved with the weights
};

/// A MADE (Germain et al. 2015): an autoregressive model on a masked multilayer perceptron.
template <class Conditional, class S = float>
using Made = Autoregressive<MaskedMlp<S>, Conditional>;

/// How `made` builds a model.
struct MadeOptions {
  Index features = 0;                        ///< numbers per event
  std::vector<Index> hidden = {128, 128};    ///< hidden widths of the network
  Activation activation = Activation::relu;  ///< of the network
  FeatureOrder order = FeatureOrder::natural;
};

/// A MADE with conditionals of your own: `made(MyConditional{}, {.features = 784, .hidden = {500}}, rng)`.
/// Throws ValueError for fewer than one feature.
template <class S = float, class Conditional>
Made<Conditional, S> made(const Conditional& conditional, const MadeOptions& options, Rng& rng) {
  return Made<Conditional, S>(MaskedMlp<S>({.features = options.features,
                                            .outputs = conditional.parameters(),
                                            .hidden = options.hidden,
                                            .activation = options.activation,
                                            .order = options.order},
                                           rng),
                              conditional);
}

/// A MADE over binary numbers: `made_bernoulli({.features = 784, .hidden = {500}}, rng)`.
/// Throws ValueError for fewer than one feature.
template <class S = float>
Made<BernoulliConditional, S> made_bernoulli(const MadeOptions& options, Rng& rng) {
  return made<S>(BernoulliConditional{}, options, rng);
}

/// How `made_gaussian_mixture` builds a model.
struct MadeGaussianMixtureOptions {
  Index features = 0;                        ///< numbers per event
  Index components = 10;                     ///< normals in each conditional
  std::vector<Index> hidden = {128, 128};    ///< hidden widths of the network
  Activation activation = Activation::relu;  ///< of the network; `silu` and `tanh` give smooth densities
  FeatureOrder order = FeatureOrder::natural;
  double min_std = 1e-3;  ///< least standard deviation of a component, in the units of the data
};

/// A MADE over real numbers whose conditionals are mixtures of normals (as RNADE, Uria et al. 2013):
/// `made_gaussian_mixture({.features = 2, .components = 20, .hidden = {64, 64}}, rng)`.
/// Throws ValueError for fewer than one feature or component, or a `min_std` that is not positive.
template <class S = float>
Made<GaussianMixtureConditional, S> made_gaussian_mixture(const MadeGaussianMixtureOptions& options, Rng& rng) {
  return made<S>(GaussianMixtureConditional({.components = options.components, .min_std = options.min_std}),
                 {.features = options.features,
                  .hidden = options.hidden,
                  .activation = options.activation,
                  .order = options.order},
                 rng);
}

}  // namespace pushforward
