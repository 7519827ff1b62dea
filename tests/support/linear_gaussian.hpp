// A latent-variable model in which everything is known in closed form: probabilistic principal components of one latent
// number, with an encoder that may be wrong and whose errors can be trained.
#pragma once

#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/nn/module.hpp>

namespace tests {

// z ~ N(0, 1), x = w z + b + s noise:
//     x ~ N(b, w w^T + s^2 I),   z | x ~ N(w . (x - b) / (w . w + s^2), s^2 / (w . w + s^2))
struct LinearGaussian {
  using T = pushforward::Tensor<double>;
  using Scalar = double;

  T w{1.0, -0.5, 2.0};
  double s = 0.8;
  pushforward::Parameter<double> b{T{0.3, 0.0, -1.0}};
  pushforward::Parameter<double> shift{T{0.0}}, log_widen{T{0.0}};  // how wrong the encoder is

  double total() const { return pushforward::sum(w * w).item() + s * s; }
  pushforward::Normal<double> posterior(const T& x) const {
    return {pushforward::sum(w * (x - b), -1, true) / total(), T{s / std::sqrt(total())}};
  }
  // The encoder knows w and the first b; the decoder's b does not move it.
  pushforward::Normal<double> encode(const T& x) const {
    const T mean = pushforward::sum(w * (x - pushforward::stop_gradient(b.tensor())), -1, true) / total() + shift;
    return pushforward::Normal<double>::from_log_std(mean, log_widen + std::log(s / std::sqrt(total())));
  }
  pushforward::Normal<double> decode(const T& z) const { return {z * w + b, T{s}}; }
  pushforward::Normal<double> prior() const { return pushforward::standard_normal<double>(1); }
  T sample(pushforward::Index n, pushforward::Rng& rng) const { return decode(prior().sample(n, rng)).sample(rng); }

  // log p(x) by the determinant lemma and Sherman-Morrison, [n].
  T log_prob(const T& x) const {
    const T r = x - b, along = pushforward::sum(w * r, -1);
    const double log_det = std::log(total()) + 2 * std::log(s * s);
    const T quadratic = (pushforward::sum(r * r, -1) - along * along / total()) / (s * s);
    return -0.5 * (quadratic + (log_det + 3 * std::log(2 * 3.14159265358979323846)));
  }
  // log p(x) - KL(encoder || posterior), [n]: what the evidence lower bound is on average.
  T elbo(const T& x) const { return log_prob(x) - pushforward::kl_divergence(encode(x), posterior(x)); }

  static void members(auto& self, auto&& visit) {
    visit("b", self.b);
    visit("shift", self.shift);
    visit("log_widen", self.log_widen);
  }
};

}  // namespace tests
