// GaussianMixtureDenoiser: the exact denoiser where the data is a mixture of normals.
#pragma once

#include <utility>

#include <pushforward/distributions/mixture.hpp>
#include <pushforward/dynamics/denoiser.hpp>

namespace pushforward {

/// The optimal denoiser of a mixture of normals, on any path, in closed form: what a network would learn.
///
/// With components N(m_k, diag(c_k^2)), x_t is a mixture of N(alpha m_k, alpha^2 c_k^2 + sigma^2), and
///
///     E[x_data | x_t = x] = sum_k r_k(x) (m_k + alpha c_k^2 / (alpha^2 c_k^2 + sigma^2) (x - alpha m_k))
///
/// with the responsibilities r_k of that mixture. Good to test samplers with, and to see what they do. Logits [k] and
/// normals [k, d]. Throws ShapeError for a mixture that is batched.
template <class S = float>
class GaussianMixtureDenoiser {
 public:
  using Scalar = S;

  GaussianMixtureDenoiser(Mixture<Normal<S>> data, GaussianPath path) : data_(std::move(data)), path_(std::move(path)) {
    if (data_.components().shape().rank() != 2)
      fail<ShapeError>("GaussianMixtureDenoiser: components of shape ", data_.components().shape(),
                       ", expected [k, d]");
  }

  const GaussianPath& path() const { return path_; }
  const Mixture<Normal<S>>& data() const { return data_; }

  /// The distribution of x_t, whose log_prob and sample are exact.
  Mixture<Normal<S>> at(double t) const {
    const PathPoint p = path_.at(t);
    const Normal<S>& c = data_.components();
    return {data_.weights().logits(),
            Normal<S>(c.mean() * p.alpha, sqrt(c.variance() * (p.alpha * p.alpha) + p.sigma * p.sigma))};
  }
  /// log p_t(x) in nats: x [n, d] -> [n].
  Tensor<S> log_prob(const Tensor<S>& x, double t) const { return at(t).log_prob(x); }

  /// E[x_data | x_t = x]: x [n, d] -> [n, d].
  Tensor<S> denoised(const Tensor<S>& x, double t) const {
    const PathPoint p = path_.at(t);
    return averaged(x, t, data_.components().variance() * p.alpha, 1);
  }
  /// dx/dt of the probability-flow ODE.
  Tensor<S> velocity(const Tensor<S>& x, double t) const {
    const PathPoint p = path_.at(t);
    return averaged(x, t, data_.components().variance() * (p.alpha * p.alpha_rate) + p.sigma * p.sigma_rate,
                    p.alpha_rate);
  }
  /// The gradient of log p_t at x.
  Tensor<S> score(const Tensor<S>& x, double t) const {
    return averaged(x, t, Tensor<S>::full(data_.components().shape(), S(-1)), 0);
  }

  static void members(auto&, auto&&) {}

 private:
  // sum_k r_k (mean_scale m_k + covariance_k / Var_k[x_t] (x - alpha m_k)), what regression on x_t gives.
  Tensor<S> averaged(const Tensor<S>& x, double t, const Tensor<S>& covariance, double mean_scale) const {
    const Mixture<Normal<S>> noisy = at(t);
    const Tensor<S> offset = unsqueeze(x, 1) - noisy.components().mean();  // [n, k, d]
    const Tensor<S> each = data_.components().mean() * mean_scale + covariance / noisy.components().variance() * offset;
    return sum(unsqueeze(noisy.responsibilities(x), 2) * each, 1);
  }

  Mixture<Normal<S>> data_;
  GaussianPath path_;
};

}  // namespace pushforward
