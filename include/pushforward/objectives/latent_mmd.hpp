// info_vae and wae_mmd: codes that match the prior as a whole, by the maximum mean discrepancy.
#pragma once

#include <pushforward/objectives/latent_divergence.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward {

/// The kernel that compares codes with draws from the prior.
enum class LatentKernel {
  rbf,                    ///< exp(-|a - b|^2 / scale)
  inverse_multiquadratic  ///< sum over c of c / (c + |a - b|^2), c = scale times 0.1, 0.2, 0.5, 1, 2, 5, 10
};

/// How codes are compared.
struct LatentMmdOptions {
  LatentKernel kernel = LatentKernel::inverse_multiquadratic;
  double scale = 0;  ///< a squared distance; 0: 2 latent, the mean one between two draws from N(0, I)
};

namespace detail {

// |a_i - b_j|^2 of rows, [n, m].
template <class S>
Tensor<S> squared_distances(const Tensor<S>& a, const Tensor<S>& b) {
  const Tensor<S> products = matmul(a, b, {.transpose_b = true});
  return maximum(sum(square(a), 1, true) + unsqueeze(sum(square(b), 1), 0) - products * 2, S(0));
}

template <class S>
Tensor<S> kernel_values(const Tensor<S>& squares, LatentKernel kernel, double scale) {
  if (kernel == LatentKernel::rbf) return exp(squares * (-1 / scale));
  Tensor<S> total;
  for (const double factor : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) {
    const Tensor<S> one = factor * scale / (squares + factor * scale);
    total = total.empty() ? one : total + one;
  }
  return total;
}

// The mean over pairs i != j, of weight w_i w_j.
template <class S>
Tensor<S> mean_of_pairs(const Tensor<S>& values, const ExampleMean& over = {}) {
  const Index n = values.size(0);
  if (!over.plain()) {
    const Tensor<S> w = over.shares<S>(), pairs = unsqueeze(w, 1) * w * (1 - Tensor<S>::eye(n));
    return sum(values * pairs) / sum(pairs);
  }
  const auto pairs = static_cast<double>(n * (n - 1));
  return sum(values * (1 - Tensor<S>::eye(n))) / pairs;
}

}  // namespace detail

/// The squared maximum mean discrepancy of rows a [n, d] and b [m, d] by its unbiased estimator, differentiable: one
/// number, around 0 (and then often below) for equal distributions (Gretton et al. 2012, eq. 3). `over` may hold
/// weights of the rows of a; a pair of rows has the weight w_i w_j.
///
/// `mmd` of the metrics is the one for reports. Throws ShapeError for fewer than 2 rows, ValueError.
template <class S>
Tensor<S> latent_mmd(const Tensor<S>& a, const Tensor<S>& b, const LatentMmdOptions& options = {},
                     const ExampleMean& over = {}) {
  if (a.rank() != 2 || b.rank() != 2 || a.size(1) != b.size(1) || a.size(0) < 2 || b.size(0) < 2)
    fail<ShapeError>("latent_mmd: got rows of shapes ", a.shape(), " and ", b.shape(),
                     ", expected [n, d] and [m, d] with at least 2 rows; a last batch of one needs .drop_last");
  if (!(options.scale >= 0))
    fail<ValueError>("latent_mmd: .scale is ", options.scale, ", expected a positive number, or 0 for 2 d");
  const double scale = options.scale > 0 ? options.scale : 2.0 * static_cast<double>(a.size(1));
  auto kernel = [&](const Tensor<S>& u, const Tensor<S>& v) {
    return detail::kernel_values(detail::squared_distances(u, v), options.kernel, scale);
  };
  const Tensor<S> across = kernel(a, b);
  return detail::mean_of_pairs(kernel(a, a), over) + detail::mean_of_pairs(kernel(b, b)) -
         (over.plain() ? mean(across) : over(mean(across, 1))) * 2;
}

/// Weights of the InfoVAE.
struct InfoVaeOptions {
  double alpha = 0;    ///< how much of the mutual information of example and code is wanted: 1 - alpha weighs the KL
  double lambda = 10;  ///< alpha + lambda - 1 weighs the discrepancy of all codes from the prior
  Index samples = 1;   ///< draws of z per example, of which the first enters the discrepancy
  LatentMmdOptions mmd = {};  ///< how codes are compared
};

/// What `info_vae` gives: a loss in nats per example.
struct InfoVae {
  InfoVaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (options.samples < 1) fail<ValueError>("info_vae: .samples is ", options.samples, ", expected at least 1");
    const double weight = options.alpha + options.lambda - 1;
    if (!(weight >= 0) || !(options.alpha <= 1))
      fail<ValueError>("info_vae: .alpha is ", options.alpha, " and .lambda is ", options.lambda,
                       ", expected alpha <= 1 and alpha + lambda >= 1");
    const auto q = model.encode(batch);
    const Draws<S> z = detail::rdraw_with_log_prob<S>(q, options.samples, rng);
    const Tensor<S> codes = select(z.value, 0, 0);
    Tensor<S> loss = latent_mmd(codes, model.prior().sample(codes.size(0), rng), options.mmd, over) * weight -
                     over(model.decode(z.value).log_prob(batch));
    if (options.alpha == 1) return loss;
    if constexpr (HasClosedKl<detail::posterior_of<Model, S>, detail::prior_of<Model>>)
      return loss + over(kl_divergence(q, model.prior())) * (1 - options.alpha);
    else
      return loss + over(z.log_prob - model.prior().log_prob(z.value)) * (1 - options.alpha);
  }
};

/// The objective of the InfoVAE (Zhao et al. 2017, eq. 6), its divergence of all codes an MMD: - E_q[log p(x | z)] +
/// (1 - alpha) KL(q(z | x) || p(z)) + (alpha + lambda - 1) MMD(q(z), p(z)). With alpha = 1 the MMD-VAE.
/// Under `weighted` the discrepancy is that of pairs i != j with weights w_i w_j: an example of weight 2 is not quite
/// two of it, which would pair with each other.
inline InfoVae info_vae(const InfoVaeOptions& options = {}) { return {options}; }

/// Weight of the Wasserstein autoencoder.
struct WaeOptions {
  double lambda = 10;         ///< weight of the discrepancy
  bool deterministic = true;  ///< codes are the encoder's means, not draws
  LatentMmdOptions mmd = {};  ///< how codes are compared
};

/// What `wae_mmd` gives: a loss per example, in units of the decoder's -log p(x | z).
struct WaeMmd {
  WaeOptions options;

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    if (!(options.lambda >= 0)) fail<ValueError>("wae_mmd: .lambda is ", options.lambda, ", expected 0 or more");
    const auto q = model.encode(batch);
    const Tensor<S> codes = options.deterministic ? q.mean() : select(q.rsample(1, rng), 0, 0);
    return latent_mmd(codes, model.prior().sample(codes.size(0), rng), options.mmd, over) * options.lambda -
           over(model.decode(codes).log_prob(batch));
  }
};

/// The objective of the Wasserstein autoencoder with MMD penalty (Tolstikhin et al. 2018, alg. 2); the cost of a
/// reconstruction is -log p(x | z), for a Normal of fixed std the squared distance up to scale and a constant.
/// Under `weighted` see info_vae.
inline WaeMmd wae_mmd(const WaeOptions& options = {}) { return {options}; }

}  // namespace pushforward
