// DiscretizedLogistic: a logistic distribution cut into the levels of a pixel.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// The levels of a DiscretizedLogistic; the defaults are those of a byte, pixel / 127.5 - 1.
struct LevelOptions {
  Index levels = 256;
  double low = -1;  ///< the first level
  double high = 1;  ///< the last level
};

/// A logistic variable rounded to the nearest of equally spaced levels, what lies beyond to the first and last
/// (Salimans et al., PixelCNN++, 2017, eq. 2).
///
/// With half a step h, the level x has the mass sigmoid((x + h - mean) / s) - sigmoid((x - h - mean) / s); the first
/// counts all below, the last all above. Mean and log_scale of shape [.., d], broadcast against each other: the last
/// axis is the event; scalars make a distribution of plain numbers. A mixture for each pixel is Mixture(logits [.., k],
/// DiscretizedLogistic [.., k, 1]). Throws ValueError for a NaN or fewer than two levels, ShapeError for shapes that do
/// not broadcast.
template <class S = float>
class DiscretizedLogistic {
 public:
  using Scalar = S;

  DiscretizedLogistic(const Tensor<S>& location, const Tensor<S>& log_scale, LevelOptions options = {})
      : options_(options),
        shape_(broadcast(location.shape(), log_scale.shape(), "DiscretizedLogistic")),
        location_(expand(location, shape_)),
        log_scale_(expand(log_scale, shape_)) {
    detail::check_not_nan("DiscretizedLogistic", "location", location);
    detail::check_not_nan("DiscretizedLogistic", "log_scale", log_scale);
    if (options.levels < 2 || !(options.low < options.high))
      fail<ValueError>("DiscretizedLogistic: got ", options.levels, " levels from ", options.low, " to ", options.high,
                       ", expected at least two and low < high");
  }

  const Shape& shape() const { return shape_; }
  const LevelOptions& options() const { return options_; }
  /// Of the logistic variable, [.., d].
  const Tensor<S>& location() const { return location_; }
  const Tensor<S>& log_scale() const { return log_scale_; }
  /// The distance between two levels.
  double step() const { return (options_.high - options_.low) / static_cast<double>(options_.levels - 1); }
  /// All levels, [levels].
  Tensor<S> levels() const {
    return Tensor<S>::linspace(static_cast<S>(options_.low), static_cast<S>(options_.high), options_.levels);
  }

  /// The log-mass of the level nearest to x in nats, summed over the event: x [.., d] -> [..].
  ///
  /// The difference of two sigmoids is sigmoid(a) sigmoid(-b) (1 - e^(b - a)), which neither underflows nor cancels.
  Tensor<S> log_prob(const Tensor<S>& x) const { return detail::event_total(shape_, each_log_prob(nearest(x))); }

  /// P(X <= x) for each number: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> at = stop_gradient(x);
    const Tensor<S> below = Tensor<S>::generate(at.shape(), [&](Index i) {
      return static_cast<S>(options_.low +
                            step() * std::floor((static_cast<double>(at.data()[i]) - options_.low) / step() + 1e-6));
    });
    const Tensor<S> inside = sigmoid((below + 0.5 * step() - location_) * inverse_scale());
    return where(at >= last_edge(), 1, where(at < first_edge(), 0, inside));
  }

  /// n draws of levels, [n, .., d].
  Tensor<S> sample(Index n, Rng& rng) const { return drawn(detail::batched(n, shape_), rng); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return drawn(shape_, rng); }

  /// Of the levels, not of the logistic variable: sums over all of them, [.., d].
  Tensor<S> mean() const { return sum(exp(all_log_probs()) * levels(), -1); }
  Tensor<S> variance() const { return sum(exp(all_log_probs()) * square(levels() - unsqueeze(mean(), -1)), -1); }
  /// The entropy in nats: [..].
  Tensor<S> entropy() const {
    const Tensor<S> scores = all_log_probs();
    return detail::event_total(shape_, -sum(exp(scores) * scores, -1));
  }

  static void members(auto&, auto&&) {}

 private:
  S first_edge() const { return static_cast<S>(options_.low - 1e-6 * step()); }
  S last_edge() const { return static_cast<S>(options_.high - 1e-6 * step()); }
  Tensor<S> inverse_scale() const {
    constexpr double limit = sizeof(S) == 4 ? 40.0 : 300.0;  // a product with a number stays a number
    return exp(clamp(-log_scale_, -limit, limit));
  }
  Tensor<S> nearest(const Tensor<S>& x) const {
    const double most = static_cast<double>(options_.levels - 1);
    return Tensor<S>::generate(x.shape(), [&](Index i) {
      const double level = std::round((static_cast<double>(x.data()[i]) - options_.low) / step());
      return static_cast<S>(options_.low + step() * (level < 0 ? 0 : level > most ? most : level));
    });
  }
  // For levels x that broadcast against the parameters.
  Tensor<S> each_log_prob(const Tensor<S>& x) const { return mass(x, location_, inverse_scale()); }
  Tensor<S> mass(const Tensor<S>& x, const Tensor<S>& location, const Tensor<S>& inverse) const {
    const double half = 0.5 * step();
    const Tensor<S> above = (x + half - location) * inverse, below = (x - half - location) * inverse;
    const Tensor<S> inside = log(-expm1(inverse * -step())) - softplus(-above) - softplus(below);
    const S first = static_cast<S>(options_.low + 0.5 * half), last = static_cast<S>(options_.high - 0.5 * half);
    return where(x < first, -softplus(-above), where(x > last, -softplus(below), inside));
  }
  // [.., d, levels].
  Tensor<S> all_log_probs() const { return mass(levels(), unsqueeze(location_, -1), unsqueeze(inverse_scale(), -1)); }
  Tensor<S> drawn(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    const Tensor<S> a = gumbel<S>(shape, rng);  // the difference of two Gumbels is logistic
    return nearest(location_ + exp(log_scale_) * (a - gumbel<S>(shape, rng)));
  }

  LevelOptions options_;
  Shape shape_;
  Tensor<S> location_, log_scale_;
};

}  // namespace pushforward
