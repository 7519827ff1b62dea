// check_rsample(): gradients through samples against the score-function estimate.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/ops/shape_ops.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// How `check_rsample` compares.
struct RsampleCheckOptions {
  Index blocks = 64;     ///< independent estimates, whose spread is the standard error
  Index samples = 500;   ///< draws of each
  double sigmas = 6;     ///< how many standard errors the two gradients may differ by
  double frequency = 0;  ///< of the test functions; 0: a radian or so over the draws. Give an integer for angles
};

namespace detail {

/// Two bounded test functions of each event, [rows, e] -> [rows]: the sum of sin(w x_i + phi_i), and the sine of w
/// times a sum of the x_i with signs, which sees how they move together.
template <class S>
struct TestWaves {
  double frequency;
  Tensor<S> phases, signs;  // [e]

  TestWaves(double w, Index event, Rng& rng)
      : frequency(w),
        phases(uniform<S>({event}, rng) * S(6.28)),
        signs(Tensor<S>::generate({event}, [](Index i) { return i % 2 ? S(-1) : S(1); })) {}

  Tensor<S> operator()(const Tensor<S>& x, int which) const {
    const S w = static_cast<S>(frequency);
    if (which == 0) return sum(sin(x * w + phases), {-1});
    return sin(sum(x * signs, {-1}) * w + S(0.7));
  }
};

/// Where an element of a gradient was estimated twice by each block.
struct Disagreement {
  double mean = 0, error = 0;
};
Disagreement disagreement(const std::vector<double>& differences);

void check_parameter_gradient(int function, std::size_t parameter, const std::string& element,
                              const std::vector<double>& pathwise, const std::vector<double>& by_score, double sigmas);

// The mean distance of draws from their mean: what the test functions are scaled by.
template <class S>
double spread(const Tensor<S>& draws) {
  const double middle = static_cast<double>(draws.mean());
  std::vector<double> distances;
  for (S x : draws) distances.push_back(std::abs(static_cast<double>(x) - middle));
  const auto half = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), half, distances.end());
  return std::max(*half, 1e-12);
}

template <class Make, class S, std::size_t... I>
auto made_of(const Make& make, const std::vector<Tensor<S>>& parameters, std::index_sequence<I...>) {
  return make(parameters[I]...);
}

template <std::size_t N, class Make, class S>
void check_rsample_of(const Make& make, const std::vector<Tensor<S>>& given, const RsampleCheckOptions& options,
                      Rng& rng) {
  constexpr auto all = std::make_index_sequence<N>{};
  const auto pilot = made_of(make, given, all);
  const Tensor<S> first = stop_gradient(pilot.rsample(options.samples, rng));
  const Index rows = pilot.log_prob(first).size(), event = first.size() / std::max<Index>(1, rows);
  const double frequency = options.frequency > 0 ? options.frequency : 1 / spread(first);
  const TestWaves<S> waves(frequency, event, rng);
  for (int which = 0; which < 2; ++which) {
    // Whatever is taken from the function on average leaves the score-function estimate unbiased and calms it.
    const S baseline = static_cast<S>(waves(reshape(first, {rows, event}), which).mean());
    std::vector<std::vector<std::vector<double>>> pathwise(N), by_score(N);  // [parameter][element][block]
    for (std::size_t k = 0; k < N; ++k) {
      pathwise[k].resize(static_cast<std::size_t>(given[k].size()));
      by_score[k].resize(static_cast<std::size_t>(given[k].size()));
    }
    for (Index block = 0; block < options.blocks; ++block) {
      std::vector<Tensor<S>> parameters;
      for (const Tensor<S>& p : given) parameters.push_back(variable(stop_gradient(p)));
      const auto distribution = made_of(make, parameters, all);
      const Tensor<S> draws = distribution.rsample(options.samples, rng), fixed = stop_gradient(draws);
      const S scale = S(1) / static_cast<S>(options.samples);
      const Tensor<S> values = waves(reshape(draws, {rows, event}), which);
      const Tensor<S> scores = reshape(distribution.log_prob(fixed), {rows});
      if (!values.tracked())
        fail<CheckFailed>("check_rsample: the draws do not depend on any parameter; rsample must be differentiable");
      const auto a = gradient(sum(values) * scale, parameters);
      const auto b = gradient(sum((stop_gradient(values) - baseline) * scores) * scale, parameters);
      for (std::size_t k = 0; k < N; ++k) {
        for (std::size_t i = 0; i < pathwise[k].size(); ++i) {
          pathwise[k][i].push_back(static_cast<double>(a[k].data()[i]));
          by_score[k][i].push_back(static_cast<double>(b[k].data()[i]));
        }
      }
    }
    for (std::size_t k = 0; k < N; ++k)
      for (std::size_t i = 0; i < pathwise[k].size(); ++i)
        check_parameter_gradient(which, k, position(given[k].shape(), static_cast<Index>(i)), pathwise[k][i],
                                 by_score[k][i], options.sigmas);
  }
}

}  // namespace detail

/// Checks gradients through samples: for bounded test functions f, the gradient of E f(x) in every parameter, once
/// through rsample, d f(x) / d theta, and once by the score function, f(x) d log p(x; theta) / d theta (Williams 1992),
/// which agree on average whatever f is, if rsample and log_prob belong to the same density.
///
/// make(parameters..) gives the distribution; its support must not move with a parameter, for then the score function
/// misses a term (the bounds of a uniform distribution). Throws CheckFailed with the first parameter that disagrees by
/// more than options.sigmas standard errors.
///     check_rsample([](auto a, auto rate) { return Gamma<double>(a, rate); }, {a, rate}, rng);
template <class Make, class S, std::size_t N>
void check_rsample(const Make& make, const Tensor<S> (&parameters)[N], const RsampleCheckOptions& options, Rng& rng) {
  detail::check_rsample_of<N>(make, std::vector<Tensor<S>>(parameters, parameters + N), options, rng);
}
template <class Make, class S, std::size_t N>
void check_rsample(const Make& make, const Tensor<S> (&parameters)[N], Rng& rng) {
  check_rsample(make, parameters, RsampleCheckOptions{}, rng);
}

}  // namespace pushforward::testing

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/testing/check_rsample.inl>
#endif
