// Affine, LearnedAffine and ActNorm: shift and scale of each number.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

// y = x exp(log_scale) + shift, and back, for events [.., d].
template <class S>
WithLogDet<S> scale_and_shift(const char* name, const Tensor<S>& x, const Tensor<S>& shift,
                              const Tensor<S>& log_scale) {
  check_features(name, x.shape(), shift.size());
  return {x * exp(log_scale) + shift, expand(sum(log_scale), x.shape().without(-1))};
}
template <class S>
WithLogDet<S> shift_and_scale_back(const char* name, const Tensor<S>& y, const Tensor<S>& shift,
                                   const Tensor<S>& log_scale) {
  check_features(name, y.shape(), shift.size());
  return {(y - shift) * exp(-log_scale), expand(-sum(log_scale), y.shape().without(-1))};
}

// The mean and log sqrt(variance + 1e-6) of each channel of y [outer, channels, inner]; the small number, so that a
// constant channel does not blow up. In double: the squares of large floats overflow.
template <class S>
struct ChannelMoments {
  Tensor<S> mean, log_std;

  ChannelMoments(const Tensor<S>& y, Index channels, Index inner) {
    std::vector<double> means(static_cast<std::size_t>(channels)), squares(means);
    const double count = static_cast<double>(y.size() / channels);
    const auto add = [&](std::vector<double>& sums, const auto& term) {
      for (Index i = 0; i < y.size(); i += inner) {
        const auto c = static_cast<std::size_t>(i / inner % channels);
        for (Index j = i; j < i + inner; ++j) sums[c] += term(static_cast<double>(y.data()[j]), means[c]) / count;
      }
    };
    std::vector<double> sums(means.size());
    add(sums, [](double x, double) { return x; });
    means = sums;
    add(squares, [](double x, double m) { return (x - m) * (x - m); });
    mean = Tensor<S>::generate({channels}, [&](Index c) { return static_cast<S>(means[static_cast<std::size_t>(c)]); });
    log_std = Tensor<S>::generate({channels}, [&](Index c) {
      return static_cast<S>(0.5 * std::log(squares[static_cast<std::size_t>(c)] + 1e-6));
    });
  }
};

}  // namespace detail

/// y = x * scale + shift with given numbers of shape [d] or []: a fixed change of units.
///
/// Throws ValueError for a scale of zero or not finite, ShapeError for shapes that do not broadcast to events.
template <class S = float>
struct Affine {
  Buffer<S> shift, scale;

  Affine() = default;
  Affine(const Tensor<S>& by, const Tensor<S>& times) : shift(by), scale(times) {
    if (by.rank() > 1 || times.rank() > 1)
      fail<ShapeError>("Affine: shift ", by.shape(), " and scale ", times.shape(), ", expected [d] or []");
    for (S s : times)
      if (!(std::abs(s) > S(0) && std::isfinite(s)))
        fail<ValueError>("Affine: scale ", s, " cannot be inverted, expected finite numbers that are not 0");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const { return {x * scale.tensor() + shift.tensor(), log_det(x, S(1))}; }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return {(y - shift.tensor()) / scale.tensor(), log_det(y, S(-1))}; }

  static void members(auto& self, auto&& visit) {
    visit("shift", self.shift);
    visit("scale", self.scale);
  }

 private:
  Tensor<S> log_det(const Tensor<S>& x, S sign) const {
    const Shape shape = detail::log_det_shape("Affine", x.shape());
    if (!(broadcast(x.shape(), broadcast(shift.shape(), scale.shape()), "Affine") == x.shape()))
      fail<ShapeError>("Affine: input of shape ", x.shape(), " for shift ", shift.shape(), " and scale ", scale.shape(),
                       ", expected [.., d]");
    double total = 0;
    for (S s : scale) total += std::log(std::abs(static_cast<double>(s)));
    if (scale.size() != x.size(-1)) total *= static_cast<double>(x.size(-1));  // one scale for all
    return Tensor<S>::full(shape, sign * static_cast<S>(total));
  }
};

/// y = x exp(log_scale) + shift with trained numbers, the identity at first.
template <class S = float>
struct LearnedAffine {
  Parameter<S> shift, log_scale;

  LearnedAffine() = default;
  explicit LearnedAffine(Index features)
      : shift(Tensor<S>::zeros({features})), log_scale(Tensor<S>::zeros({features})) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::scale_and_shift("LearnedAffine", x, shift.tensor(), log_scale.tensor());
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::shift_and_scale_back("LearnedAffine", y, shift.tensor(), log_scale.tensor());
  }

  static void members(auto& self, auto&& visit) {
    visit("shift", self.shift);
    visit("log_scale", self.log_scale);
  }
};

/// A LearnedAffine that starts from data, so that its inverse gives mean 0 and variance 1 (Kingma and Dhariwal 2018,
/// sec. 3.1).
///
/// `initialize(y)` sets it from a batch y of what `forward` is to produce; the first call counts, later ones do
/// nothing. It is explicit, so that `forward` and `inverse` stay constant and may run in several threads; `fit` calls
/// it through the model with the first batch. Without it the layer starts as the identity. Throws ValueError for no
/// data, a NaN or infinity, and changes nothing then.
template <class S = float>
struct ActNorm {
  Parameter<S> shift, log_scale;
  Buffer<S> initialized;  // 0 or 1, saved with the weights

  ActNorm() = default;
  explicit ActNorm(Index features)
      : shift(Tensor<S>::zeros({features})),
        log_scale(Tensor<S>::zeros({features})),
        initialized(Tensor<S>::zeros({1})) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    return detail::scale_and_shift("ActNorm", x, shift.tensor(), log_scale.tensor());
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    return detail::shift_and_scale_back("ActNorm", y, shift.tensor(), log_scale.tensor());
  }

  void initialize(const Tensor<S>& y) {
    if (initialized.item() != S(0)) return;
    detail::check_features("ActNorm", y.shape(), shift.size());
    detail::check_initial_data("ActNorm", y);
    const detail::ChannelMoments<S> start(y, shift.size(), 1);
    shift = start.mean;
    log_scale = start.log_std;
    initialized = Tensor<S>::ones({1});
  }

  static void members(auto& self, auto&& visit) {
    visit("shift", self.shift);
    visit("log_scale", self.log_scale);
    visit("initialized", self.initialized);
  }
};

}  // namespace pushforward
