// What the codes of a latent-variable model carry: active units, divergences, mutual information, a linear probe.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <Eigen/Cholesky>

#include <pushforward/objectives/total_correlation.hpp>

namespace pushforward {

/// How active units are counted.
struct ActiveUnitsOptions {
  double threshold = 0.01;  ///< of the variance, Burda et al. 2016
  Index batch = 1000;       ///< rows encoded at once
};

/// Which dimensions of a code depend on the data.
template <class S = float>
struct ActiveUnits {
  Tensor<S> variance;  ///< [latent], of the posterior's mean over the data
  Index count = 0;     ///< dimensions whose variance exceeds the threshold
};

namespace detail {

template <class S>
void check_latent(const char* name, const Tensor<S>& x, Index least, Index batch) {
  if (x.rank() != 2 || x.size(0) < least)
    fail<ShapeError>(name, ": data of shape ", x.shape(), ", expected [n, d] with at least ", least, " rows");
  if (batch < 1) fail<ValueError>(name, ": .batch is ", batch, ", expected at least 1");
}

// f(rows) for pieces of x of at most `batch` rows, joined: constants.
template <class S, class F>
Tensor<S> in_batches(const Tensor<S>& x, Index batch, const F& f) {
  const NoGradient guard;
  std::vector<Tensor<S>> parts;
  for (Index i = 0; i < x.size(0); i += batch) parts.push_back(f(slice(x, 0, i, std::min(i + batch, x.size(0)))));
  return concat(parts, 0);
}

}  // namespace detail

/// The dimensions of the code that are in use: those where the posterior's mean varies with x [n, d], Var_x(E_q[z]) >
/// threshold (Burda et al. 2016, sec. 5.2). Throws ShapeError for fewer than 2 rows.
template <class Model, class S>
requires LatentVariableModel<Model, S> ActiveUnits<S> active_units(const Model& model, const Tensor<S>& x,
                                                                   const ActiveUnitsOptions& options = {}) {
  detail::check_latent("active_units", x, 2, options.batch);
  const Tensor<S> means =
      detail::in_batches(x, options.batch, [&](const Tensor<S>& rows) { return model.encode(rows).mean(); });
  const NoGradient guard;
  ActiveUnits<S> units{var(means, {0}, false, 1), 0};
  for (const S v : units.variance) units.count += static_cast<double>(v) > options.threshold;
  return units;
}

/// KL(q(z | x) || p(z)) of each dimension of the code, averaged over x [n, d], in nats: [latent]. For normal posterior
/// and prior.
template <class Model, class S>
requires LatentVariableModel<Model, S> Tensor<S> kl_per_dimension(const Model& model, const Tensor<S>& x,
                                                                  Index batch = 1000) {
  detail::check_latent("kl_per_dimension", x, 1, batch);
  return mean(detail::in_batches(
                  x, batch, [&](const Tensor<S>& rows) { return kl_per_dimension(model.encode(rows), model.prior()); }),
              0);
}

/// The evidence lower bound taken apart, in nats per example (Hoffman and Johnson 2016, eq. 9):
/// ELBO = reconstruction - mutual_information - marginal_kl.
struct ElboSurgery {
  double reconstruction = 0;      ///< E[log p(x | z)]
  double mutual_information = 0;  ///< of example and code, E[log q(z | x) - log q(z)]; at most log n for n examples
  double marginal_kl = 0;         ///< KL(q(z) || p(z)), E[log q(z) - log p(z)]

  double divergence() const { return mutual_information + marginal_kl; }
  double elbo() const { return reconstruction - divergence(); }
};

/// Takes the bound apart over the examples x [n, d], with q(z) the mean of their n posteriors, at `samples` draws of
/// each. Time grows with n^2; memory with batch n latent. An estimate from draws. Throws ShapeError, ValueError.
///
/// The mutual information is that between code and index, so never above log n: with few examples it says little.
template <class Model, class S>
requires LatentVariableModel<Model, S> ElboSurgery elbo_surgery(const Model& model, const Tensor<S>& x, Rng& rng,
                                                                Index samples = 1, Index batch = 100) {
  detail::check_latent("elbo_surgery", x, 1, batch);
  if (samples < 1) fail<ValueError>("elbo_surgery: got ", samples, " samples, expected at least 1");
  const NoGradient guard;
  const auto q = model.encode(x);
  const Index n = x.size(0);
  const double each = 1 / static_cast<double>(n * samples);
  ElboSurgery parts;
  for (Index k = 0; k < samples; ++k) {
    const Draws<S> z = detail::rdraw_with_log_prob<S>(q, 1, rng);  // [1, n, latent]
    const Tensor<S> codes = select(z.value, 0, 0), own = select(z.log_prob, 0, 0);
    for (Index i = 0; i < n; i += batch) {
      const Index end = std::min(i + batch, n);
      const Tensor<S> rows = slice(codes, 0, i, end);
      const Tensor<S> aggregate = logsumexp(q.log_prob(unsqueeze(rows, 1)), 1) - std::log(static_cast<double>(n));
      parts.mutual_information += sum(slice(own, 0, i, end) - aggregate).item() * each;
      parts.marginal_kl += sum(aggregate - model.prior().log_prob(rows)).item() * each;
    }
    parts.reconstruction += sum(model.decode(z.value).log_prob(x)).item() * each;
  }
  return parts;
}

/// How a linear probe is fitted.
struct LinearProbeOptions {
  double ridge = 1e-3;  ///< weight of the squared coefficients per example, for codes of variance 1
};

/// The share of examples whose label a linear map of the code tells: least squares onto one-hot labels, fitted on
/// codes [n, d] and scored on other codes [m, d]. Columns are brought to variance 1 first. Labels are 0 to classes - 1.
/// Throws ShapeError, IndexError.
template <class S>
double linear_probe(const Tensor<S>& codes, const Tensor<Index>& labels, const Tensor<S>& test_codes,
                    const Tensor<Index>& test_labels, const LinearProbeOptions& options = {}) {
  if (codes.rank() != 2 || test_codes.rank() != 2 || codes.size(1) != test_codes.size(1) || codes.size(0) < 1 ||
      test_codes.size(0) < 1 || labels.size() != codes.size(0) || test_labels.size() != test_codes.size(0))
    fail<ShapeError>("linear_probe: codes of shapes ", codes.shape(), " and ", test_codes.shape(), " with labels ",
                     labels.shape(), " and ", test_labels.shape(), ", expected [n, d] with [n] and [m, d] with [m]");
  if (!(options.ridge > 0)) fail<ValueError>("linear_probe: .ridge is ", options.ridge, ", expected a positive number");
  const Index n = codes.size(0), d = codes.size(1), classes = 1 + labels.max();
  if (labels.min() < 0) fail<IndexError>("linear_probe: got label ", labels.min(), ", expected 0 or more");
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
  Matrix x = codes.matrix().template cast<double>(), test = test_codes.matrix().template cast<double>();
  const Eigen::RowVectorXd center = x.colwise().mean();
  x.rowwise() -= center;
  Eigen::RowVectorXd scale = (x.colwise().squaredNorm() / static_cast<double>(n)).cwiseSqrt();
  for (double& s : scale) s = s > 0 ? 1 / s : 0;
  x = x * scale.asDiagonal();
  test = (test.rowwise() - center) * scale.asDiagonal();
  Matrix targets = Matrix::Zero(n, classes);
  for (Index i = 0; i < n; ++i) targets(i, labels.data()[i]) = 1;
  const Eigen::RowVectorXd share = targets.colwise().mean();
  const Matrix normal_matrix = x.transpose() * x + options.ridge * static_cast<double>(n) * Matrix::Identity(d, d);
  const Matrix scores =
      (test * normal_matrix.ldlt().solve(x.transpose() * (targets.rowwise() - share))).rowwise() + share;
  Index right = 0;
  for (Index i = 0; i < test.rows(); ++i) {
    Index best = 0;
    scores.row(i).maxCoeff(&best);
    right += best == test_labels.data()[i];
  }
  return static_cast<double>(right) / static_cast<double>(test.rows());
}

}  // namespace pushforward
