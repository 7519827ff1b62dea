// The denoiser contract: what every sampler asks of a model, and the adapters that answer it.
#pragma once

#include <algorithm>
#include <concepts>
#include <utility>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/dynamics/path.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/linear_combination.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// The contract of all samplers: a path, the mean of the data given x_t = x, and the velocity of the probability-flow
/// ODE dx/dt, both at one time for all rows.
template <class D, class S = float>
concept Denoiser = requires(const D& denoiser, const Tensor<S>& x, double t) {
  { denoiser.path() } -> std::convertible_to<const GaussianPath&>;
  { denoiser.denoised(x, t) } -> std::convertible_to<Tensor<S>>;
  { denoiser.velocity(x, t) } -> std::convertible_to<Tensor<S>>;
};

/// x_t = alpha data + sigma noise, taken apart: E[x_data | x_t] and E[eps | x_t].
template <class S = float>
struct Parts {
  Tensor<S> data, noise;
};

/// Both parts of x at time t, by one call of the network: `d.parts(x, t)` where a denoiser has it.
template <class D, class S>
requires Denoiser<D, S> Parts<S> parts(const D& denoiser, const Tensor<S>& x, double t) {
  if constexpr (requires { denoiser.parts(x, t); }) {
    return denoiser.parts(x, t);
  } else {
    const PathPoint p = denoiser.path().at(t);
    const Tensor<S> data = denoiser.denoised(x, t);
    return {data, (x - data * p.alpha) * (1 / p.sigma)};
  }
}
/// E[eps | x_t = x], the noise in x.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> noise(const D& denoiser, const Tensor<S>& x, double t) {
  return parts(denoiser, x, t).noise;
}
/// The gradient of log p_t at x, - E[eps | x_t = x] / sigma.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> score(const D& denoiser, const Tensor<S>& x, double t) {
  if constexpr (requires { denoiser.score(x, t); })
    return denoiser.score(x, t);
  else
    return noise(denoiser, x, t) * (-1 / denoiser.path().at(t).sigma);
}

/// What a network says about x_t = alpha x_data + sigma eps.
enum class Prediction {
  denoised,  ///< the data x_data
  noise,     ///< the noise eps (Ho et al. 2020)
  velocity,  ///< dx/dt = alpha' x_data + sigma' eps (Lipman et al. 2023)
  score,     ///< the gradient of log p_t, - eps / sigma (Song and Ermon 2019)
  v          ///< alpha eps - sigma x_data (Salimans and Ho 2022)
};

namespace detail {

// What is predicted, as a sum of the two parts.
struct PredictedSum {
  double data, noise;
};
inline PredictedSum predicted_sum(Prediction prediction, const PathPoint& p) {
  switch (prediction) {
    case Prediction::denoised:
      return {1, 0};
    case Prediction::noise:
      return {0, 1};
    case Prediction::velocity:
      return {p.alpha_rate, p.sigma_rate};
    case Prediction::score:
      return {0, -1 / p.sigma};
    case Prediction::v:
      return {-p.sigma, p.alpha};
  }
  fail<ValueError>("Prediction: got a value that is none of its names");
}

// x_scale * x + y_scale * y.
template <class S>
Tensor<S> blend(double x_scale, const Tensor<S>& x, double y_scale, const Tensor<S>& y) {
  if (x_scale == 0) return y_scale == 1 ? y : y * y_scale;
  if (y_scale == 0) return x_scale == 1 ? x : x * x_scale;
  return linear_combination({x_scale, y_scale}, {x, y});
}

// net(x, t), or net(x, [t, t, ..]) for a network that takes one time per row only.
template <class Net, class S>
Tensor<S> call_at(const Net& net, const Tensor<S>& x, double t) {
  if constexpr (std::is_invocable_v<const Net&, const Tensor<S>&, double>)
    return net(x, t);
  else
    return net(x, Tensor<S>::full(Shape{x.size(0)}, static_cast<S>(t)));
}

}  // namespace detail

/// A network of any prediction as a denoiser.
///
/// With x = alpha data + sigma noise and prediction = a data + b noise, both linear,
///
///     data = (b x - sigma prediction) / (alpha b - sigma a),  noise = (alpha prediction - a x) / (alpha b - sigma a)
///
/// and what the network predicts itself is handed through. The network is any callable net(x, t) with a time per row
/// t [n], or with a plain number t, or both. Parts that do not follow from a prediction are infinite: the data from the
/// noise where alpha = 0, the noise from the data where sigma = 0.
template <class Net>
class Predictor {
 public:
  using Scalar = detail::scalar_of<Net>;

  Predictor(Net net, Prediction prediction, GaussianPath path)
      : net_(std::move(net)), prediction_(prediction), path_(std::move(path)) {}

  const GaussianPath& path() const { return path_; }
  Prediction prediction() const { return prediction_; }
  const Net& net() const { return net_; }
  Net& net() { return net_; }

  /// Weights of a sum of x and of what the network says.
  struct Combination {
    double of_point, of_prediction;
  };
  /// The velocity at time t as such a sum.
  Combination velocity_combination(double t) const {
    const PathPoint p = path_.at(t);
    return combination(p, {p.alpha_rate, p.sigma_rate}, Prediction::velocity);
  }

  /// What the network itself says.
  template <class S>
  Tensor<S> predict(const Tensor<S>& x, double t) const {
    return detail::call_at(net_, x, t);
  }
  template <class S>
  Tensor<S> predict(const Tensor<S>& x, const Tensor<S>& t) const {
    return net_(x, t);
  }

  /// E[x_data | x_t = x]: x [n, ..] -> [n, ..].
  template <class S>
  Tensor<S> denoised(const Tensor<S>& x, double t) const {
    return from(x, t, {1, 0}, Prediction::denoised);
  }
  /// dx/dt of the probability-flow ODE (Song et al. 2021, eq. 13), alpha' E[x_data | x_t] + sigma' E[eps | x_t].
  template <class S>
  Tensor<S> velocity(const Tensor<S>& x, double t) const {
    const Combination c = velocity_combination(t);
    return detail::blend(c.of_point, x, c.of_prediction, predict(x, t));
  }
  template <class S>
  Tensor<S> score(const Tensor<S>& x, double t) const {
    return from(x, t, {0, -1 / path_.at(t).sigma}, Prediction::score);
  }
  template <class S>
  Parts<S> parts(const Tensor<S>& x, double t) const {
    const PathPoint p = path_.at(t);
    const Tensor<S> y = predict(x, t);
    return {wanted(x, y, p, {1, 0}, Prediction::denoised), wanted(x, y, p, {0, 1}, Prediction::noise)};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  template <class S>
  Tensor<S> from(const Tensor<S>& x, double t, detail::PredictedSum want, Prediction name) const {
    return wanted(x, predict(x, t), path_.at(t), want, name);
  }
  template <class S>
  Tensor<S> wanted(const Tensor<S>& x, const Tensor<S>& y, const PathPoint& p, detail::PredictedSum want,
                   Prediction name) const {
    const Combination c = combination(p, want, name);
    return detail::blend(c.of_point, x, c.of_prediction, y);
  }
  // The sum `want` of the parts of x, from x and what the network says of it.
  Combination combination(const PathPoint& p, detail::PredictedSum want, Prediction name) const {
    if (name == prediction_) return {0, 1};
    if (prediction_ == Prediction::score && want.data == 0) return {0, -p.sigma * want.noise};
    const detail::PredictedSum have = detail::predicted_sum(prediction_, p);
    const double scale = 1 / (p.alpha * have.noise - p.sigma * have.data);
    return {(want.data * have.noise - want.noise * have.data) * scale,
            (want.noise * p.alpha - want.data * p.sigma) * scale};
  }

  Net net_;
  Prediction prediction_;
  GaussianPath path_;
};

/// How the squared error of a prediction is weighted over the times.
enum class Weighting {
  simple,      ///< 1 on the network's own prediction; sigma^2 on a score (Song and Ermon 2019, eq. 6)
  noise,       ///< as an error of the noise, whatever is predicted: DDPM's (Ho et al. 2020, eq. 14)
  denoised,    ///< as an error of the data
  likelihood,  ///< as in the variational bound: half the decay of alpha^2 / sigma^2 on the data (Kingma et al. 2021)
  min_snr      ///< min(alpha^2 / sigma^2, 5) on the data (Hang et al. 2023)
};

namespace detail {

// The weight of the squared error of a prediction.
inline double loss_weight(Weighting weighting, Prediction prediction, const PathPoint& p) {
  if (weighting == Weighting::simple) return prediction == Prediction::score ? p.sigma * p.sigma : 1.0;
  const PredictedSum have = predicted_sum(prediction, p);
  const double scale = p.alpha * have.noise - p.sigma * have.data;
  const double of_noise = p.alpha / scale, of_data = p.sigma / scale;  // their errors for an error of the prediction
  const double ratio = p.alpha / p.sigma, signal = ratio * ratio;
  switch (weighting) {
    case Weighting::simple:
      break;
    case Weighting::noise:
      return of_noise * of_noise;
    case Weighting::denoised:
      return of_data * of_data;
    case Weighting::likelihood:
      return std::abs(ratio * (p.alpha_rate - ratio * p.sigma_rate) / p.sigma) * of_data * of_data;
    case Weighting::min_snr:
      return std::min(signal, 5.0) * of_data * of_data;
  }
  return 1.0;
}

}  // namespace detail

/// x_t = alpha(t) data + sigma(t) noise with one time per row: data and noise [n, ..], t [n] -> [n, ..].
template <class S>
Tensor<S> perturb(const GaussianPath& path, const Tensor<S>& data, const Tensor<S>& noise, const Tensor<S>& t) {
  const PathPoints<S> p = path.at(t);
  return per_row(p.alpha, data) * data + per_row(p.sigma, data) * noise;
}

/// The mean over all elements of weight(t) (prediction - target)^2, one number, for pairs of data and noise and a time
/// per row: data and noise [n, ..], t [n].
///
/// The target is what the network should say of x_t = alpha data + sigma noise. Its minimum over all functions is the
/// conditional mean, which is what `Denoiser` asks for (Vincent 2011; Ho et al. 2020, eq. 14; Lipman et al. 2023, eq.
/// 9).
template <class Net, class S>
Tensor<S> prediction_loss(const Predictor<Net>& predictor, const Tensor<S>& data, const Tensor<S>& noise,
                          const Tensor<S>& t, Weighting weighting = Weighting::simple, const ExampleMean& over = {}) {
  const Index n = t.size();
  bool weighted = false;
  const Tensor<S> c = Tensor<S>::build({5, n}, [&](S* out) {
    for (Index i = 0; i < n; ++i) {
      const PathPoint p = predictor.path().at(static_cast<double>(t.data()[i]));
      const detail::PredictedSum target = detail::predicted_sum(predictor.prediction(), p);
      const double weight = detail::loss_weight(weighting, predictor.prediction(), p);
      weighted = weighted || weight != 1;
      const double values[] = {p.alpha, p.sigma, target.data, target.noise, weight};
      for (Index k = 0; k < 5; ++k) out[k * n + i] = static_cast<S>(values[k]);
    }
  });
  const auto row = [&](Index k) { return per_row(select(c, 0, k), data); };
  const Tensor<S> x = row(0) * data + row(1) * noise;
  const Tensor<S> error = square(predictor.predict(x, t) - (row(2) * data + row(3) * noise));
  return over.of_numbers(weighted ? row(4) * error : error);
}

}  // namespace pushforward
