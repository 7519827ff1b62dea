// Diffusion: models that learn to take noise off, and the objective that trains them.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <pushforward/distributions/normal.hpp>
#include <pushforward/dynamics/ode_likelihood.hpp>
#include <pushforward/dynamics/samplers.hpp>
#include <pushforward/nn/time_mlp.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// Which sampler draws.
enum class Sampler { ancestral, ddim, euler, heun, dpm_solver, annealed_langevin };

/// How a diffusion model draws.
struct DiffusionSampling {
  Sampler sampler = Sampler::ancestral;
  Index steps = 100;                      ///< along the path
  TimesOptions times = {};                ///< how they are spread
  double eta = 0;                         ///< of ddim: the share of noise added anew
  double clip = 0;                        ///< of ancestral and ddim: limit of the data's |numbers|; 0 for none
  AnnealedLangevinOptions langevin = {};  ///< of annealed_langevin: its steps at each time
  Index batch = 500;                      ///< draws that are moved at once: few enough to stay in the cache
};

/// How a diffusion model scores.
struct DiffusionLikelihood {
  OdeSolver solver = DormandPrince{};
  Divergence divergence = Divergence::exact;  ///< hutchinson for events of many numbers
  Probe probe = Probe::rademacher;
  Index batch = 1000;               ///< examples that are scored at once
  std::optional<double> time = {};  ///< scores x as noisy data of that time; clean data, up to the cut, if left out
};

/// What a diffusion model consists of besides its network and path.
struct DiffusionOptions {
  Prediction prediction = Prediction::noise;  ///< what the network says
  double cut = 1e-3;                          ///< part of the path next to the data that is neither trained nor scored
  DiffusionSampling sampling = {};            ///< how sample(n, rng) draws
};

namespace detail {

// The probability-flow ODE of vectors, with the divergence of the network where that has a fast way.
template <class Net>
struct VectorFlow {
  const Predictor<Net>& predictor;

  template <class S>
  Tensor<S> operator()(const Tensor<S>& x, double t) const {
    return predictor.velocity(x, t);
  }
  template <class S>
  VelocityAndDivergence<S> velocity_and_divergence(const Tensor<S>& x, double t) const {
    const auto c = predictor.velocity_combination(t);
    const auto [value, divergence] = pushforward::velocity_and_divergence(predictor.net(), x, t);
    return {blend(c.of_point, x, c.of_prediction, value),
            divergence * c.of_prediction + c.of_point * static_cast<double>(x.size(1))};
  }
};

}  // namespace detail

/// A diffusion or score model (Ho et al. 2020; Song et al. 2021): a network that knows the clean data in noisy data.
///
/// The network is any callable net(x, t) with x [n, ..event] and one time per row t [n], or a plain number, or both; it
/// says what `prediction` names. Train it with the objective `denoising()`. The model is a Denoiser, so every sampler
/// works on it.
///
///     Diffusion model(TimeMlp(2, {128, 128, 128}, rng), 2, variance_preserving());
///
/// Throws ValueError for an event without numbers and a cut outside of [0, 1).
template <class Net>
class Diffusion {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  /// For events of `event`'s shape, {channels, height, width} for images.
  Diffusion(Net net, const Shape& event, GaussianPath path, const DiffusionOptions& options = {})
      : predictor_(std::move(net), options.prediction, std::move(path)), event_(event), options_(options) {
    if (event.size() < 1 || event.rank() >= Shape::max_rank)
      fail<ValueError>("Diffusion: events of shape ", event, ", expected at least one number and five axes at most");
    if (!(options.cut >= 0 && options.cut < 1))
      fail<ValueError>("Diffusion: .cut is ", options.cut, ", expected a part of the path, from 0 to less than 1");
  }
  /// For vectors of `features` numbers.
  Diffusion(Net net, Index features, GaussianPath path, const DiffusionOptions& options = {})
      : Diffusion(std::move(net), Shape{features}, std::move(path), options) {}

  const Net& net() const { return predictor_.net(); }
  const Predictor<Net>& predictor() const { return predictor_; }
  const Shape& event() const { return event_; }
  const DiffusionOptions& options() const { return options_; }

  const GaussianPath& path() const { return predictor_.path(); }
  /// E[x_data | x_t = x]: x [n, ..event] -> [n, ..event].
  Tensor<S> denoised(const Tensor<S>& x, double t) const { return predictor_.denoised(x, t); }
  /// dx/dt of the probability-flow ODE.
  Tensor<S> velocity(const Tensor<S>& x, double t) const { return predictor_.velocity(x, t); }
  /// The gradient of log p_t at x.
  Tensor<S> score(const Tensor<S>& x, double t) const { return predictor_.score(x, t); }
  /// The data and the noise in x.
  Parts<S> parts(const Tensor<S>& x, double t) const { return predictor_.parts(x, t); }

  /// n draws, [n, ..event], as constants. Throws ValueError for a negative n and options out of range.
  Tensor<S> sample(Index n, Rng& rng) const { return sample(n, rng, options_.sampling); }
  Tensor<S> sample(Index n, Rng& rng, const DiffusionSampling& options) const {
    if (n < 0) fail<ValueError>("Diffusion::sample: n is ", n, ", expected no negative number");
    check_batch("sample", options.batch);
    const std::vector<double> at = times(path(), options.steps, options.times);
    std::vector<Tensor<S>> drawn{Tensor<S>::zeros(batched(0))};
    for (Index done = 0; done < n; done += options.batch) {
      const Tensor<S> noise = initial_noise<S>(path(), batched(std::min(options.batch, n - done)), rng);
      drawn.push_back(draw(noise, at, options, rng));
    }
    return concat(drawn, 0);
  }

  /// An estimate of log p(x) in nats by the probability-flow ODE (Song et al. 2021, eq. 39): x [n, ..event] -> [n], as
  /// constants.
  ///
  /// It is the density of the draws of the ODE's samplers, up to the solver's error and the part of the path that is
  /// cut; `rng` draws the probes where the divergence is estimated.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng, const DiffusionLikelihood& options = {}) const {
    if (x.rank() != event_.rank() + 1 || !(x.shape() == batched(x.size(0))))
      fail<ShapeError>("Diffusion::log_likelihood: got shape ", x.shape(), ", expected [n, ..] with events ", event_);
    check_batch("log_likelihood", options.batch);
    NoGradient guard;
    std::vector<Tensor<S>> found{Tensor<S>::zeros({0})};
    for (Index i = 0; i < x.size(0); i += options.batch)
      found.push_back(score_rows(slice(x, 0, i, std::min(i + options.batch, x.size(0))), options, rng));
    return {concat(found, 0), LikelihoodKind::estimate};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.predictor_.net()); }

 private:
  Shape batched(Index n) const { return event_.inserted(0, n); }
  static void check_batch(const char* operation, Index batch) {
    if (batch < 1) fail<ValueError>("Diffusion::", operation, ": .batch is ", batch, ", expected at least 1");
  }

  Tensor<S> draw(const Tensor<S>& noise, const std::vector<double>& at, const DiffusionSampling& how, Rng& rng) const {
    switch (how.sampler) {
      case Sampler::ancestral:
        return ancestral(predictor_, noise, at, rng, {.clip = how.clip});
      case Sampler::ddim:
        return ddim(predictor_, noise, at, {.eta = how.eta, .clip = how.clip}, rng);
      case Sampler::euler:
        return euler(predictor_, noise, at);
      case Sampler::heun:
        return heun(predictor_, noise, at);
      case Sampler::dpm_solver:
        return dpm_solver(predictor_, noise, at);
      case Sampler::annealed_langevin:
        return annealed_langevin(predictor_, noise, at, how.langevin, rng);
    }
    fail<ValueError>("Diffusion::sample: .sampler is none of its names");
  }

  Tensor<S> score_rows(const Tensor<S>& x, const DiffusionLikelihood& how, Rng& rng) const {
    const double data = path().data_time(), noise = path().noise_time();
    const OdeLikelihoodOptions ode{.data_time = how.time.value_or(data + options_.cut * (noise - data)),
                                   .noise_time = noise,
                                   .solver = how.solver,
                                   .divergence = how.divergence,
                                   .probe = how.probe};
    const Shape rows{x.size(0), event_.size()};
    const Normal<S> base(Tensor<S>::zeros({rows[1]}),
                         Tensor<S>::full({rows[1]}, static_cast<S>(path().at(noise).sigma)));
    if constexpr (std::is_invocable_v<const Net&, const Tensor<S>&, double>)
      if (event_.rank() == 1) return ode_log_prob(detail::VectorFlow<Net>{predictor_}, base, x, ode, rng);
    const auto flat = [&](const Tensor<S>& at, double t) {
      return reshape(velocity(reshape(at, batched(at.size(0))), t), at.shape());
    };
    return ode_log_prob(flat, base, reshape(x, rows), ode, rng);
  }

  Predictor<Net> predictor_;
  Shape event_;
  DiffusionOptions options_;
};

/// How `denoising` trains.
struct DenoisingOptions {
  Weighting weighting = Weighting::simple;  ///< of the times
  bool stratified = true;  ///< times spread evenly over a batch: a loss with less noise (Kingma et al. 2021)
};

/// What `denoising` gives: a loss per number.
struct DenoisingLoss {
  DenoisingOptions options;

  template <class Net, class S>
  Tensor<S> operator()(const Diffusion<Net>& model, const Tensor<S>& batch, Rng& rng,
                       const ExampleMean& over = {}) const {
    const Index n = batch.rank() > 0 ? batch.size(0) : 0;
    if (n < 1 || !(batch.shape() == model.event().inserted(0, n)))
      fail<ShapeError>("denoising: got a batch of shape ", batch.shape(), ", expected [n, ..] with events ",
                       model.event());
    const double data = model.path().data_time(), way = model.path().noise_time() - data, cut = model.options().cut;
    const Tensor<S> noise = normal<S>(batch.shape(), rng), u = uniform<S>({options.stratified ? 1 : n}, rng);
    const Tensor<S> t = Tensor<S>::generate({n}, [&](Index i) {
      double part = static_cast<double>(u.data()[options.stratified ? 0 : i]);
      if (options.stratified) part = std::fmod(part + static_cast<double>(i) / static_cast<double>(n), 1.0);
      return static_cast<S>(data + way * (cut + (1 - cut) * part));
    });
    return prediction_loss(model.predictor(), batch, noise, t, options.weighting, over);
  }
};

/// The objective `fit(model, data, denoising(), ...)`: the mean squared error of what the network predicts, per number.
///
///     E |net(alpha_t x + sigma_t eps, t) - target|^2 / d,  eps ~ N(0, I),  t uniform over the path
///
/// For a network that predicts noise it is DDPM's simple loss (Ho et al. 2020, eq. 14), for one that predicts the score
/// and so is weighted with sigma^2, denoising score matching (Vincent 2011; Song and Ermon 2019, eq. 5 and 6). Its
/// least value is not 0 but what is unknown about the noise.
inline DenoisingLoss denoising(const DenoisingOptions& options = {}) { return {options}; }

/// A network of unit outputs as a score, for a path of any range of noise: net(x / scale, t) / sigma with scale^2 =
/// alpha^2 data_std^2 + sigma^2 (Song and Ermon 2020, technique 3).
template <class Net>
struct ScoreNetwork {
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  Net net;
  GaussianPath path;
  double data_std = 1;

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& t) const {
    const PathPoints<S> p = path.at(t);
    const Tensor<S> shrink = rsqrt(square(p.alpha * data_std) + square(p.sigma));
    return net(x * per_row(shrink, x), t) / per_row(p.sigma, x);
  }
  Tensor<S> operator()(const Tensor<S>& x, double t) const {
    return detail::call_at(net, x * shrink(t), t) * (1 / path.at(t).sigma);
  }
  /// The score and its divergence, by those of the network.
  VelocityAndDivergence<S> velocity_and_divergence(const Tensor<S>&x,
                                                   double t) const requires std::is_invocable_v < const Net &,
      const Tensor<S>
  &, double > {
    const auto [value, divergence] = pushforward::velocity_and_divergence(net, x * shrink(t), t);
    const double scale = 1 / path.at(t).sigma;
    return {value * scale, divergence * (scale * shrink(t))};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net); }

 private:
  double shrink(double t) const {
    const PathPoint p = path.at(t);
    return 1 / std::hypot(p.alpha * data_std, p.sigma);
  }
};

/// How `ddpm` builds a model.
struct DdpmOptions {
  Index features = 0;  ///< numbers per event
  std::vector<Index> hidden = {128, 128, 128};
  Activation activation = Activation::silu;
  Index frequencies = 0;  ///< of the time, as for TimeMlp
  GaussianPath path = variance_preserving();
  Prediction prediction = Prediction::noise;
  double cut = 1e-3;  ///< as in DiffusionOptions
  DiffusionSampling sampling = {};
};

/// A diffusion model of vectors with a multilayer perceptron (Ho et al. 2020):
/// `ddpm({.features = 2, .hidden = {128, 128, 128}}, rng)`. Throws ValueError for sizes that are not positive.
template <class S = float>
Diffusion<TimeMlp<S>> ddpm(const DdpmOptions& options, Rng& rng) {
  return {TimeMlp<S>(options.features, options.hidden, rng,
                     {.activation = options.activation, .frequencies = options.frequencies}),
          options.features,
          options.path,
          {.prediction = options.prediction, .cut = options.cut, .sampling = options.sampling}};
}

/// How `noise_conditional_score` builds a model.
struct NoiseConditionalScoreOptions {
  Index features = 0;  ///< numbers per event
  std::vector<Index> hidden = {128, 128, 128};
  Activation activation = Activation::silu;
  Index frequencies = 0;    ///< of the time, as for TimeMlp
  double sigma_min = 0.01;  ///< noise at the data: below what matters there
  double sigma_max = 20;    ///< noise where draws start: well above the spread of the data
  double data_std = 1;      ///< about the standard deviation of the data
  DiffusionSampling sampling = {.sampler = Sampler::annealed_langevin, .steps = 30};
};

/// A noise-conditional score model of vectors (Song and Ermon 2019): a multilayer perceptron that predicts the score on
/// a variance-exploding path, and annealed Langevin dynamics to draw. Throws ValueError for sizes that are not
/// positive.
template <class S = float>
Diffusion<ScoreNetwork<TimeMlp<S>>> noise_conditional_score(const NoiseConditionalScoreOptions& options, Rng& rng) {
  const GaussianPath path = variance_exploding({.sigma_min = options.sigma_min, .sigma_max = options.sigma_max});
  if (!(options.data_std > 0))
    fail<ValueError>("noise_conditional_score: .data_std is ", options.data_std, ", expected a positive number");
  TimeMlp<S> net(options.features, options.hidden, rng,
                 {.activation = options.activation, .frequencies = options.frequencies});
  return {ScoreNetwork<TimeMlp<S>>{std::move(net), path, options.data_std},
          options.features,
          path,
          {.prediction = Prediction::score, .cut = 0, .sampling = options.sampling}};
}

}  // namespace pushforward
