// LadderVae: a variational autoencoder with a stack of latent layers.
#pragma once

#include <vector>

#include <pushforward/models/vae.hpp>
#include <pushforward/nn/linear.hpp>

namespace pushforward {

/// How a LadderVae is built.
struct LadderVaeOptions {
  Index features = 0;                     ///< numbers per example
  std::vector<Index> latents = {16, 8};   ///< numbers of each layer's code, from the data upwards
  std::vector<Index> hidden = {128, 64};  ///< hidden units beside each layer, as many as layers
  Activation activation = Activation::silu;
};

namespace detail {

// The networks of a ladder but for the decoder of the data.
template <class S>
struct LadderNetworks {
  std::vector<Index> latents;
  std::vector<Mlp<S>> up;                      // d_l = up_l(d_(l-1)), d_0 = x
  std::vector<GaussianHead<Mlp<S>>> evidence;  // d_l -> what x says of z_l
  std::vector<GaussianHead<Mlp<S>>> down;      // z_(l+1) -> p(z_l | z_(l+1)), for all layers but the last

  LadderNetworks(const LadderVaeOptions& options, Rng& rng) : latents(options.latents) {
    const std::size_t layers = latents.size();
    if (layers < 1 || options.hidden.size() != layers || options.features < 1)
      fail<ValueError>("LadderVae: got .features = ", options.features, ", ", layers, " latents and ",
                       options.hidden.size(), " hidden widths, expected features and as many widths as latents");
    for (std::size_t l = 0; l < layers; ++l) {
      const Index width = options.hidden[l], latent = latents[l];
      if (width < 1 || latent < 1)
        fail<ValueError>("LadderVae: layer ", l, " has ", width, " hidden units and ", latent,
                         " latents, expected positive numbers");
      const MlpOptions all{.activation = options.activation, .output = options.activation};
      up.emplace_back(std::vector<Index>{l == 0 ? options.features : options.hidden[l - 1], width, width}, rng, all);
      evidence.emplace_back(Mlp<S>({width, 2 * latent}, rng));
      if (l + 1 < layers)
        down.emplace_back(Mlp<S>({latents[l + 1], width, 2 * latent}, rng, {.activation = options.activation}));
    }
  }
  std::size_t layers() const { return latents.size(); }
  Index total() const {
    Index sum = 0;
    for (const Index latent : latents) sum += latent;
    return sum;
  }
  // The layers' codes in z [.., total].
  std::vector<Tensor<S>> split_code(const Tensor<S>& z) const {
    if (z.rank() == 0 || z.size(-1) != total())
      fail<ShapeError>("LadderVae: codes of shape ", z.shape(), ", expected [.., ", total(), "], all layers'");
    std::vector<Tensor<S>> parts;
    Index at = 0;
    for (const Index latent : latents) parts.push_back(slice(z, -1, at, at + latent)), at += latent;
    return parts;
  }

  static void members(auto& self, auto&& visit) {
    visit("up", self.up);
    visit("evidence", self.evidence);
    visit("down", self.down);
  }
};

// The product of two normal densities, normalized: variances by their ratio, so that no precision overflows.
template <class S>
Normal<S> precision_weighted(const Normal<S>& a, const Normal<S>& b) {
  const Tensor<S> ratio = (b.log_std() - a.log_std()) * 2, share = sigmoid(ratio);  // of a's precision
  return Normal<S>::from_log_std(b.mean() + share * (a.mean() - b.mean()), a.log_std() - 0.5 * softplus(-ratio));
}

}  // namespace detail

/// p(z_1, .., z_L) of a LadderVae, all layers' codes side by side. A view of the model, which must outlive it.
template <class S>
class LadderPrior {
 public:
  using Scalar = S;
  explicit LadderPrior(const detail::LadderNetworks<S>& net) : net_(&net) {}

  /// log N(z_L; 0, I) + sum_l log p(z_l | z_(l+1)) in nats: z [.., total] -> [..].
  Tensor<S> log_prob(const Tensor<S>& z) const {
    const auto parts = net_->split_code(z);
    Tensor<S> total = standard_normal<S>(net_->latents.back()).log_prob(parts.back());
    for (std::size_t l = 0; l + 1 < parts.size(); ++l) total = total + net_->down[l](parts[l + 1]).log_prob(parts[l]);
    return total;
  }
  /// n draws from the top down, [n, total].
  Tensor<S> sample(Index n, Rng& rng) const {
    const NoGradient guard;
    std::vector<Tensor<S>> parts(net_->layers());
    parts.back() = standard_normal<S>(net_->latents.back()).sample(n, rng);
    for (std::size_t l = parts.size() - 1; l-- > 0;) parts[l] = net_->down[l](parts[l + 1]).sample(rng);
    return concat(parts, -1);
  }

  static void members(auto&, auto&&) {}

 private:
  const detail::LadderNetworks<S>* net_;
};

/// q(z_1, .., z_L | x) of a LadderVae: from the top down, each layer the product of what x says of it and of what the
/// layer above does. A view of the model, which must outlive it.
template <class S>
class LadderPosterior {
 public:
  using Scalar = S;
  LadderPosterior(const detail::LadderNetworks<S>& net, const Tensor<S>& x) : net_(&net) {
    Tensor<S> h = x;
    for (std::size_t l = 0; l < net.layers(); ++l) {
      h = net.up[l](h);
      evidence_.push_back(net.evidence[l](h));
    }
  }

  /// log q(z | x) in nats: z [.., n, total] -> [.., n].
  Tensor<S> log_prob(const Tensor<S>& z) const {
    const auto parts = net_->split_code(z);
    Tensor<S> total = evidence_.back().log_prob(parts.back());
    for (std::size_t l = 0; l + 1 < parts.size(); ++l) total = total + layer(l, parts[l + 1]).log_prob(parts[l]);
    return total;
  }
  /// k draws with gradients, and their log-density along the draw: [k, n, total] and [k, n].
  Draws<S> rsample_and_log_prob(Index k, Rng& rng) const {
    const std::size_t top = net_->layers() - 1;
    std::vector<Tensor<S>> parts(top + 1);
    const Draws<S> first = evidence_[top].rsample_and_log_prob(k, rng);
    parts[top] = first.value;
    Tensor<S> total = first.log_prob;
    for (std::size_t l = top; l-- > 0;) {
      const Draws<S> z = layer(l, parts[l + 1]).rsample_and_log_prob(1, rng);
      parts[l] = squeeze(z.value, 0);
      total = total + squeeze(z.log_prob, 0);
    }
    return {concat(parts, -1), total};
  }
  Tensor<S> rsample(Index k, Rng& rng) const { return rsample_and_log_prob(k, rng).value; }
  Tensor<S> rsample(Rng& rng) const { return squeeze(rsample(1, rng), 0); }
  Tensor<S> sample(Index k, Rng& rng) const { return stop_gradient(rsample(k, rng)); }
  /// Each layer's mean, given that of the layer above: [n, total].
  Tensor<S> mean() const {
    std::vector<Tensor<S>> parts(net_->layers());
    parts.back() = evidence_.back().mean();
    for (std::size_t l = parts.size() - 1; l-- > 0;) parts[l] = layer(l, parts[l + 1]).mean();
    return concat(parts, -1);
  }
  /// KL of each layer's posterior from its prior, both under the layer above in the codes z [.., n, total]: [L, .., n].
  Tensor<S> layer_divergences(const Tensor<S>& z) const {
    const auto parts = net_->split_code(z);
    std::vector<Tensor<S>> each;
    for (std::size_t l = 0; l + 1 < parts.size(); ++l)
      each.push_back(kl_divergence(layer(l, parts[l + 1]), net_->down[l](parts[l + 1])));
    const Tensor<S> top = kl_divergence(evidence_.back(), standard_normal<S>(net_->latents.back()));
    each.push_back(expand(top, z.shape().without(-1)));
    return stack(each, 0);
  }

  static void members(auto&, auto&&) {}

 private:
  Normal<S> layer(std::size_t l, const Tensor<S>& above) const {
    return detail::precision_weighted(evidence_[l], net_->down[l](above));
  }

  const detail::LadderNetworks<S>* net_;
  std::vector<Normal<S>> evidence_;
};

/// A variational autoencoder with layers z_1, .., z_L of codes, a ladder (Sonderby et al. 2016):
///
///     p(x, z) = p(x | z_1) p(z_1 | z_2) .. p(z_(L-1) | z_L) N(z_L; 0, I)
///     q(z | x) = q(z_L | x) prod_l q(z_l | x, z_(l+1)),  q(z_l | x, z_(l+1)) ~ N(m_l(x), s_l(x)^2) p(z_l | z_(l+1))
///
/// normalized: each layer is weighed by the precisions of what a deterministic pass upwards says of it and of its prior
/// (their sec. 2). It is a LatentVariableModel over all codes side by side, z_1 first, so every bound takes it:
///
///     LadderVae vae(BernoulliHead(Mlp({16, 128, 784}, rng)),
///                   {.features = 784, .latents = {16, 8}, .hidden = {256, 64}}, rng);
///     fit(vae, images, elbo(), {.epochs = 20}, rng);
///
/// Upper layers learn to say something only if the divergence is weighed up slowly: `annealed` (their warm-up).
/// Throws ValueError.
template <class Decoder>
class LadderVae {
 public:
  using Scalar = detail::scalar_of<Decoder>;
  using S = Scalar;

  /// With the decoder of z_1 [.., latents[0]] -> a distribution of x.
  LadderVae(Decoder decoder, const LadderVaeOptions& options, Rng& rng)
      : decoder_(std::move(decoder)), networks_(options, rng) {}

  /// q(z_1, .., z_L | x) for x [n, d].
  LadderPosterior<S> encode(const Tensor<S>& x) const { return {networks_, x}; }
  /// p(x | z_1) for z [.., sum of latents] or z_1 itself.
  auto decode(const Tensor<S>& z) const {
    const Index first = networks_.latents.front();
    if (z.rank() == 0 || (z.size(-1) != networks_.total() && z.size(-1) != first))
      fail<ShapeError>("LadderVae: codes of shape ", z.shape(), ", expected ", networks_.total(), " numbers or ",
                       first);
    return decoder_(slice(z, -1, 0, first));
  }
  LadderPrior<S> prior() const { return LadderPrior<S>(networks_); }
  /// Numbers of each layer's code.
  const std::vector<Index>& latents() const { return networks_.latents; }
  /// The networks but for the decoder of the data.
  detail::LadderNetworks<S>& networks() { return networks_; }

  /// The evidence lower bound of log p(x) per example, in nats: x [n, d] -> [n].
  Tensor<S> elbo(const Tensor<S>& x, Rng& rng, const ElboOptions& options = {}) const {
    return evidence_lower_bound(*this, x, options, rng);
  }
  /// Lower bounds of log p(x) by importance sampling: x [n, d] -> [n], constants.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const ImportanceOptions& options = {}) const {
    return {importance_log_likelihood(*this, x, options, rng), LikelihoodKind::lower_bound};
  }
  /// How much each layer says of x: the mean over examples and `draws` of its divergence from its prior, [L], nats.
  /// Layers near 0 are not used.
  Tensor<S> layer_divergences(const Tensor<S>& x, Rng& rng, Index draws = 1) const {
    const NoGradient guard;
    const auto q = encode(x);
    return mean(q.layer_divergences(q.sample(draws, rng)), {1, 2});
  }
  /// n draws of x, as constants, from the top down.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return decode(prior().sample(n, rng)).sample(rng);
  }
  /// The decoder's mean at the layers' means: x [n, d] -> [n, d].
  Tensor<S> reconstruct(const Tensor<S>& x) const { return decode(encode(x).mean()).mean(); }

  static void members(auto& self, auto&& visit) {
    visit("decoder", self.decoder_);
    visit("networks", self.networks_);
  }

 private:
  Decoder decoder_;
  detail::LadderNetworks<S> networks_;
};

}  // namespace pushforward
