// Samplers: plain functions that take noise to data along a list of times, for any Denoiser.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/dynamics/denoiser.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// How the times of a sampler are spread.
enum class Spacing {
  uniform,    ///< equal steps
  quadratic,  ///< steps that shrink linearly towards the data
  karras      ///< (sigma / alpha)^(1/rho) in equal steps (Karras et al. 2022, eq. 5); where alpha > 0 at the noise
};

/// How `times` chooses.
struct TimesOptions {
  Spacing spacing = Spacing::uniform;
  double cut = 0;           ///< ends this part of the way before the data: 1e-3 with DDPM's first level
  double rho = 7;           ///< of Karras et al.
  double min_ratio = 2e-3;  ///< their smallest sigma / alpha before the last step
};

namespace detail {

inline double noise_ratio(const GaussianPath& path, double t) {
  const PathPoint p = path.at(t);
  return p.sigma / p.alpha;
}

// The time between data and noise where sigma / alpha has a given value, by bisection.
inline double time_of_ratio(const GaussianPath& path, double ratio) {
  double low = path.data_time(), high = path.noise_time();
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (noise_ratio(path, middle) < ratio ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

inline std::vector<double> karras_times(const GaussianPath& path, Index steps, const TimesOptions& options) {
  const double end = path.data_time() + options.cut * (path.noise_time() - path.data_time());
  const double most = noise_ratio(path, path.noise_time()), last = noise_ratio(path, end);
  if (!std::isfinite(most))
    fail<ValueError>("times: Spacing::karras needs alpha > 0 at the noise, here it is ",
                     path.at(path.noise_time()).alpha, "; use Spacing::uniform");
  const double high = std::pow(most, 1 / options.rho),
               low = std::pow(std::max(last, options.min_ratio), 1 / options.rho);
  // The last step goes from min_ratio to the end, unless the end itself is at least as noisy.
  const Index levels = last < options.min_ratio ? steps - 1 : steps;
  std::vector<double> result{path.noise_time()};
  for (Index i = 1; i < steps; ++i) {
    const double u = static_cast<double>(i) / static_cast<double>(levels);
    result.push_back(time_of_ratio(path, std::pow(high + u * (low - high), options.rho)));
  }
  result.push_back(end);
  return result;
}

inline void check_times(const char* sampler, const std::vector<double>& times) {
  if (times.size() < 2)
    fail<ValueError>(sampler, ": got ", times.size(), " times, expected at least two; times(path, steps) makes them");
}

}  // namespace detail

/// steps + 1 times from the path's noise to its data.
///
/// Throws ValueError for fewer than one step, a cut outside of [0, 1), and Spacing::karras on a path whose alpha is 0
/// at the noise.
inline std::vector<double> times(const GaussianPath& path, Index steps, const TimesOptions& options = {}) {
  if (steps < 1) fail<ValueError>("times: got ", steps, " steps, expected at least 1");
  if (!(options.cut >= 0 && options.cut < 1))
    fail<ValueError>("times: .cut is ", options.cut, ", expected a part of the way, at least 0 and less than 1");
  if (!(options.rho > 0 && options.min_ratio > 0))
    fail<ValueError>("times: .rho is ", options.rho, " and .min_ratio ", options.min_ratio, ", expected both positive");
  if (options.spacing == Spacing::karras) return detail::karras_times(path, steps, options);
  std::vector<double> result;
  for (Index i = 0; i <= steps; ++i) {
    double left = static_cast<double>(steps - i) / static_cast<double>(steps);
    if (options.spacing == Spacing::quadratic) left *= left;
    left = options.cut + (1 - options.cut) * left;
    result.push_back(left == 1 ? path.noise_time() : path.data_time() + left * (path.noise_time() - path.data_time()));
  }
  return result;
}

/// Where samplers start: draws from N(0, sigma^2) at the noise time, of any shape [n, ..].
template <class S = float>
Tensor<S> initial_noise(const GaussianPath& path, const Shape& shape, Rng& rng) {
  return normal<S>(shape, rng) * path.at(path.noise_time()).sigma;
}

/// How `ddim` and `ancestral` step.
struct DdimOptions {
  double eta = 0;   ///< noise added anew: 0 none, 1 as much as the posterior has
  double clip = 0;  ///< keeps the estimated data within [-clip, clip], as for images; 0 does not
};

namespace detail {

// The standard deviation of q(x_to | x_from, x_data), for a less noisy time `to`.
inline double posterior_std(const PathPoint& from, const PathPoint& to) {
  if (!(to.sigma > 0)) return 0;
  const double ratio = from.alpha / to.alpha * (to.sigma / from.sigma);  // what is left of the signal-to-noise ratio
  return to.sigma * std::sqrt(std::max(0.0, 1 - ratio * ratio));
}

template <class D, class S>
Tensor<S> ddim_step(const D& denoiser, const Tensor<S>& x, double from, double to, const DdimOptions& options,
                    Rng* rng) {
  const PathPoint p = denoiser.path().at(from), q = denoiser.path().at(to);
  Parts<S> now = pushforward::parts(denoiser, x, from);
  if (options.clip > 0) {
    now.data = clamp(now.data, -options.clip, options.clip);
    now.noise = linear_combination({1 / p.sigma, -p.alpha / p.sigma}, {x, now.data});
  }
  const double fresh = options.eta > 0 ? options.eta * posterior_std(p, q) : 0.0;
  const double kept = std::sqrt(std::max(0.0, q.sigma * q.sigma - fresh * fresh));
  if (fresh == 0) return linear_combination({q.alpha, kept}, {now.data, now.noise});
  return linear_combination({q.alpha, kept, fresh}, {now.data, now.noise, normal<S>(x.shape(), *rng)});
}

template <class D, class S>
Tensor<S> run_ddim(const char* name, const D& denoiser, Tensor<S> x, const std::vector<double>& times,
                   const DdimOptions& options, Rng* rng) {
  check_times(name, times);
  if (!(options.eta >= 0 && options.clip >= 0))
    fail<ValueError>(name, ": .eta is ", options.eta, " and .clip ", options.clip, ", expected neither to be negative");
  NoGradient guard;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) x = ddim_step(denoiser, x, times[i], times[i + 1], options, rng);
  return x;
}

}  // namespace detail

/// DDIM (Song, Meng and Ermon 2021, eq. 12 and 16): x [n, ..] at times.front() -> the same shape at times.back(),
/// constants.
///
///     x_s = alpha_s data + sqrt(sigma_s^2 - v) noise + sqrt(v) z,  v = eta^2 Var[x_s | x_t, x_data]
///
/// with the parts of x_t as the denoiser sees them. Without noise (eta = 0) it is Euler's method for x / alpha as a
/// function of sigma / alpha: order 1. One evaluation a step. For a trajectory, give it two times at once. Throws
/// ValueError for fewer than two times.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> ddim(const D& denoiser, const Tensor<S>& x, const std::vector<double>& times,
                                       const DdimOptions& options, Rng& rng) {
  return detail::run_ddim("ddim", denoiser, x, times, options, &rng);
}
/// DDIM without noise: a deterministic map.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> ddim(const D& denoiser, const Tensor<S>& x, const std::vector<double>& times) {
  return detail::run_ddim("ddim", denoiser, x, times, {}, nullptr);
}

/// How `ancestral` steps.
struct AncestralOptions {
  double clip = 0;  ///< keeps the estimated data within [-clip, clip], as for images; 0 does not
};

/// Ancestral sampling (Ho et al. 2020, algorithm 2): each step draws from the posterior q(x_s | x_t, x_data =
/// denoised), x [n, ..] at times.front() -> the same shape at times.back(), constants.
///
///     mean = alpha_t/alpha_s sigma_s^2/sigma_t^2 x_t + alpha_s v / sigma_s^2 data,
///     v = sigma_s^2 (1 - alpha_t^2 sigma_s^2 / (alpha_s^2 sigma_t^2))
///
/// between any two times; on the times of DDPM it is DDPM (with the smaller of its two variances). One evaluation a
/// step. Throws ValueError for fewer than two times.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> ancestral(const D& denoiser, const Tensor<S>& x, const std::vector<double>& times,
                                            Rng& rng, const AncestralOptions& options = {}) {
  return detail::run_ddim("ancestral", denoiser, x, times, {.eta = 1, .clip = options.clip}, &rng);
}

/// Euler's method on the probability-flow ODE: x [n, ..] at times.front() -> the same shape at times.back(), constants.
/// Order 1, one evaluation a step. Throws ValueError for fewer than two times.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> euler(const D& denoiser, Tensor<S> x, const std::vector<double>& times) {
  detail::check_times("euler", times);
  NoGradient guard;
  for (std::size_t i = 0; i + 1 < times.size(); ++i)
    x = linear_combination({1.0, times[i + 1] - times[i]}, {x, denoiser.velocity(x, times[i])});
  return x;
}

/// Heun's method on the probability-flow ODE (Karras et al. 2022, algorithm 1): x [n, ..] at times.front() -> the same
/// shape at times.back(), constants.
///
/// Order 2, two evaluations a step. A last step to a time where sigma' is infinite is one of DDIM. Throws ValueError
/// for fewer than two times.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> heun(const D& denoiser, Tensor<S> x, const std::vector<double>& times) {
  detail::check_times("heun", times);
  NoGradient guard;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double t = times[i], h = times[i + 1] - t;
    if (!std::isfinite(denoiser.path().at(times[i + 1]).sigma_rate)) {
      x = detail::ddim_step(denoiser, x, t, times[i + 1], {}, nullptr);
      continue;
    }
    const Tensor<S> slope = denoiser.velocity(x, t);
    const Tensor<S> ahead = denoiser.velocity(linear_combination({1.0, h}, {x, slope}), times[i + 1]);
    x = linear_combination({1.0, 0.5 * h, 0.5 * h}, {x, slope, ahead});
  }
  return x;
}

/// DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): x [n, ..] at times.front() -> the same shape at times.back(),
/// constants.
///
///     x_t = sigma_t/sigma_s x_s + (alpha_t - alpha_s sigma_t/sigma_s) (data + (data - data before) h / (2 h before))
///
/// with h the steps of log alpha/sigma. Order 2 with one evaluation a step, by remembering the step before; the first
/// and a last step to sigma = 0 are of order 1. Throws ValueError for fewer than two times.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> dpm_solver(const D& denoiser, Tensor<S> x, const std::vector<double>& times) {
  detail::check_times("dpm_solver", times);
  NoGradient guard;
  Tensor<S> before;
  double step_before = 0;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const PathPoint p = denoiser.path().at(times[i]), q = denoiser.path().at(times[i + 1]);
    const double shrink = q.sigma / p.sigma, step = std::log(q.alpha / p.alpha / shrink);
    const Tensor<S> data = denoiser.denoised(x, times[i]);
    const double extra = std::isfinite(step) && std::isfinite(step_before) && i > 0 ? step / (2 * step_before) : 0.0;
    const double gain = q.alpha - p.alpha * shrink;
    x = extra == 0 ? linear_combination({shrink, gain}, {x, data})
                   : linear_combination({shrink, gain * (1 + extra), -gain * extra}, {x, data, before});
    before = data;
    step_before = step;
  }
  return x;
}

/// How `annealed_langevin` walks.
struct AnnealedLangevinOptions {
  Index steps = 20;        ///< at each time
  double step_size = 0.1;  ///< in units of sigma^2; Song and Ermon's epsilon is step_size sigma_min^2
  bool denoise = true;     ///< takes the noise off at the end (Jolicoeur-Martineau et al. 2021)
};

/// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): x [n, ..] -> the same shape, constants.
///
///     x += step/2 score(x, t) + sqrt(step) z,  step = step_size sigma(t)^2
///
/// some times at each of `times`, from noisy to clean; meant for a variance-exploding path, whose equally spaced times
/// are geometric levels of noise. Throws ValueError for no times, steps below 1 and a step size that is not positive.
template <class D, class S>
requires Denoiser<D, S> Tensor<S> annealed_langevin(const D& denoiser, Tensor<S> x, const std::vector<double>& times,
                                                    const AnnealedLangevinOptions& options, Rng& rng) {
  if (times.empty()) fail<ValueError>("annealed_langevin: got no times, expected at least one");
  if (options.steps < 1 || !(options.step_size > 0))
    fail<ValueError>("annealed_langevin: ", options.steps, " steps of size ", options.step_size,
                     ", expected at least 1 and a positive size");
  NoGradient guard;
  for (const double t : times) {
    const double sigma = denoiser.path().at(t).sigma;
    if (!(sigma > 0)) continue;  // clean: nothing to walk in
    const double step = options.step_size * sigma * sigma;
    for (Index i = 0; i < options.steps; ++i)
      x = linear_combination({1.0, 0.5 * step, std::sqrt(step)},
                             {x, pushforward::score(denoiser, x, t), normal<S>(x.shape(), rng)});
  }
  return options.denoise && denoiser.path().at(times.back()).sigma > 0 ? Tensor<S>(denoiser.denoised(x, times.back()))
                                                                       : x;
}

}  // namespace pushforward
