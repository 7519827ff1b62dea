// iaf_posterior and planar_posterior: encoders whose posterior is a normal distribution carried through a flow.
#pragma once

#include <vector>

#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/conditional_autoregressive.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/bijectors/planar.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/models/flow_head.hpp>

namespace pushforward {

namespace detail {

inline void check_posterior(const char* builder, Index latent, Index layers) {
  if (latent < 1) fail<ValueError>(builder, ": .latent is ", latent, ", expected at least 1");
  if (layers < 1) fail<ValueError>(builder, ": .layers is ", layers, ", expected at least 1");
}

}  // namespace detail

/// How `iaf_posterior` is built.
struct IafPosteriorOptions {
  Index latent = 0;                          ///< numbers of the code
  Index context = 0;                         ///< numbers of the encoder that every layer sees, at least 1
  Index layers = 4;                          ///< autoregressive layers, the order of the numbers reversed in between
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of each layer's network
  Activation activation = Activation::relu;  ///< of the layers' networks
  double max_log_scale = 3.0;                ///< bound of each layer's |s|
};

/// x -> the distribution of z_L, z_0 ~ N(m(x), diag s(x)^2), z_i = (z_(i-1) - t_i) / sigma_i with shifts and scales
/// from networks of the earlier numbers of z_(i-1) and of the context h(x): an inverse autoregressive flow (Kingma et
/// al. 2016, eq. 9 to 11).
///
/// `net` maps [.., d] to [.., 2 latent + context]: mean, log-variance, h. Draws and their log-density take one pass;
/// `log_prob` of other codes goes number by number. The distribution refers to the head, which must outlive it. Layers
/// start near the identity. Throws ValueError, and ShapeError if the network's output does not fit.
template <class Net>
class IafHead {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  IafHead(Net net, const IafPosteriorOptions& options, Rng& rng)
      : net_(std::move(net)), latent_(options.latent), context_(options.context) {
    detail::check_posterior("iaf_posterior", options.latent, options.layers);
    for (Index i = 0; i < options.layers; ++i) {
      ConditionalMaskedMlp<S> layer({.features = latent_,
                                     .context = context_,
                                     .outputs = 2,
                                     .hidden = options.hidden,
                                     .activation = options.activation},
                                    rng);
      MaskedLinear<S>& last = layer.layers.back();
      last.weight = last.weight * 0.1;
      last.bias = Tensor<S>::zeros(last.bias.shape());
      layers_.emplace_back(std::move(layer), MaskedAutoregressiveOptions{.max_log_scale = options.max_log_scale});
    }
  }

  Transformed<Normal<S>, Chain<S>> operator()(const Tensor<S>& x) const {
    const Tensor<S> h = net_(x);
    if (h.rank() == 0 || h.size(-1) != 2 * latent_ + context_)
      fail<ShapeError>("iaf_posterior: the network gave shape ", h.shape(), ", expected ", 2 * latent_ + context_,
                       " numbers for each example: 2 latent + context");
    const Tensor<S> context = elu(slice(h, -1, 2 * latent_, h.size(-1)));
    Chain<S> chain;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (i > 0) chain.append(Reverse());
      chain.append(Inverse(layers_[i].given(context)));
    }
    const Tensor<S> log_var = clamp(slice(h, -1, latent_, 2 * latent_), -60.0, 60.0);
    return {Normal<S>::from_log_std(slice(h, -1, 0, latent_), log_var * 0.5), std::move(chain)};
  }

  static void members(auto& self, auto&& visit) {
    visit("net", self.net_);
    visit("layers", self.layers_);
  }

 private:
  Net net_;
  Index latent_, context_;
  std::vector<ConditionalMaskedAutoregressive<S>> layers_;
};

/// An encoder with an inverse autoregressive posterior, for the first place of a Vae:
///
///     Vae(iaf_posterior(Mlp({784, 400, 2 * 20 + 64}, rng), {.latent = 20, .context = 64, .layers = 4}, rng), decoder,
///         20)
///
/// Layers that see nothing of x are a FlowHead over the bijector of an inverse_autoregressive_flow.
template <class Net>
IafHead<Net> iaf_posterior(Net net, const IafPosteriorOptions& options, Rng& rng) {
  return {std::move(net), options, rng};
}

/// How `planar_posterior` is built.
struct PlanarPosteriorOptions {
  Index latent = 0;   ///< numbers of the code
  Index layers = 10;  ///< planar layers, the same for every example
};

/// An encoder whose normal posterior goes through planar layers (Rezende and Mohamed 2015, with layers that do not
/// depend on x). `net` maps [.., d] to [.., 2 latent]: mean and log-variance. Throws ValueError.
///
///     Vae(planar_posterior(Mlp({784, 400, 2 * 20}, rng), {.latent = 20, .layers = 10}, rng), decoder, 20)
template <class Net>
auto planar_posterior(Net net, const PlanarPosteriorOptions& options, Rng& rng) {
  using S = detail::scalar_of<Net>;
  detail::check_posterior("planar_posterior", options.latent, options.layers);
  Chain<S> chain;
  for (Index i = 0; i < options.layers; ++i) chain.append(PlanarFlow<S>(options.latent, rng));
  return FlowHead(GaussianHead(std::move(net)), std::move(chain));
}

}  // namespace pushforward
