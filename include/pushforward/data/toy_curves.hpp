// Toy densities along curves: moons, circles, rings, spirals and the swiss roll, all with Gaussian noise.
#pragma once

#include <pushforward/data/toy.hpp>

namespace pushforward::data {

/// What two moons look like.
struct TwoMoonsOptions {
  double noise = 0.2;  ///< Standard deviation around the arcs.
};

/// Two interleaving half circles of radius 2 with Gaussian noise, half of the points on each.
///
/// x = (2 cos t - 1, 2 sin t - 1/2) or (1 - 2 cos t, 1/2 - 2 sin t), t uniform in [0, pi], plus noise: the well-known
/// moons, centered and twice as large, within about [-3.6, 3.6] x [-2.1, 2.1].
class TwoMoons : public NoisyDensity {
 public:
  explicit TwoMoons(const TwoMoonsOptions& options = {})
      : NoisyDensity("TwoMoons", centers(options.noise), options.noise) {}

  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    return detail::draw_points<S>(name_, n, rng, [noise = mixture_->noise()](Rng& item) {
      const double side = item.uniform() < 0.5 ? 1 : -1;
      return detail::with_noise(arc(side, detail::pi * item.uniform()), noise, item);
    });
  }

 private:
  static detail::Point arc(double side, double t) {
    return {side * (2 * std::cos(t) - 1), side * (2 * std::sin(t) - 0.5)};
  }
  static std::vector<detail::Center> centers(double noise);
};

/// Concentric circles with Gaussian noise: what Circles and Rings share.
class ConcentricCircles : public NoisyDensity {
 public:
  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    const auto count = static_cast<Index>(radii_.size());
    return detail::draw_points<S>(name_, n, rng, [&](Rng& item) {
      const double radius = radii_[static_cast<std::size_t>(item.uniform_index(count))];
      const double t = 2 * detail::pi * item.uniform();
      return detail::with_noise({radius * std::cos(t), radius * std::sin(t)}, mixture_->noise(), item);
    });
  }

 protected:
  ConcentricCircles(const char* name, const std::vector<double>& radii, double noise)
      : NoisyDensity(name, centers(name, radii, noise), noise), radii_(radii) {}

 private:
  static std::vector<detail::Center> centers(const char* name, const std::vector<double>& radii, double noise);

  std::vector<double> radii_;
};

/// What two circles look like.
struct CirclesOptions {
  double outer_radius = 3, inner_radius = 1.5;
  double noise = 0.15;  ///< Standard deviation around the circles.
};

/// Two concentric circles with Gaussian noise, half of the points on each.
class Circles : public ConcentricCircles {
 public:
  explicit Circles(const CirclesOptions& options = {})
      : ConcentricCircles("Circles", {options.inner_radius, options.outer_radius}, options.noise) {}
};

/// What rings look like.
struct RingsOptions {
  Index count = 4;
  double radius = 3.6;  ///< Of the outermost ring; the others divide it evenly.
  double noise = 0.1;   ///< Standard deviation around the rings.
};

/// Several concentric rings at even distances, with Gaussian noise and equally many points on each.
class Rings : public ConcentricCircles {
 public:
  explicit Rings(const RingsOptions& options = {}) : ConcentricCircles("Rings", radii(options), options.noise) {}

 private:
  static std::vector<double> radii(const RingsOptions& options);
};

/// What two spirals look like.
struct TwoSpiralsOptions {
  double turns = 1.5;
  double radius = 3.2;  ///< Of the outer end.
  double noise = 0.1;   ///< Standard deviation around the arms.
};

/// Two Archimedean spirals, each the other turned by half a turn, with Gaussian noise.
///
/// x = +-(radius / T) t (-cos t, sin t), t = T sqrt(u), u uniform in [0, 1], T = 2 pi turns, plus noise.
class TwoSpirals : public NoisyDensity {
 public:
  explicit TwoSpirals(const TwoSpiralsOptions& options = {})
      : NoisyDensity("TwoSpirals", centers(options), options.noise), options_(options) {}

  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    const double last = 2 * detail::pi * options_.turns, scale = options_.radius / last;
    return detail::draw_points<S>(name_, n, rng, [&](Rng& item) {
      const double side = item.uniform() < 0.5 ? 1 : -1;
      return detail::with_noise(arm(side * scale, last * std::sqrt(item.uniform())), options_.noise, item);
    });
  }

 private:
  static detail::Point arm(double scale, double t) { return {-scale * t * std::cos(t), scale * t * std::sin(t)}; }
  static std::vector<detail::Center> centers(const TwoSpiralsOptions& options);

  TwoSpiralsOptions options_;
};

/// What a swiss roll looks like.
struct SwissRollOptions {
  double radius = 3.5;  ///< Of the outer end.
  double noise = 0.15;  ///< Standard deviation around the roll.
};

/// The swiss roll in the plane: one spiral with Gaussian noise.
///
/// x = radius / (4.5 pi) t (cos t, sin t), t uniform in [1.5 pi, 4.5 pi], plus noise.
class SwissRoll : public NoisyDensity {
 public:
  explicit SwissRoll(const SwissRollOptions& options = {})
      : NoisyDensity("SwissRoll", centers(options), options.noise), options_(options) {}

  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    return detail::draw_points<S>(name_, n, rng, [&](Rng& item) {
      return detail::with_noise(roll(options_.radius, 3 * detail::pi * (0.5 + item.uniform())), options_.noise, item);
    });
  }

 private:
  static detail::Point roll(double radius, double t);
  static std::vector<detail::Center> centers(const SwissRollOptions& options);

  SwissRollOptions options_;
};

/// n points of TwoMoons, [n, 2].
template <class S = float>
Tensor<S> two_moons(Index n, Rng& rng, const TwoMoonsOptions& options = {}) {
  return TwoMoons(options).sample<S>(n, rng);
}
/// n points of Circles, [n, 2].
template <class S = float>
Tensor<S> circles(Index n, Rng& rng, const CirclesOptions& options = {}) {
  return Circles(options).sample<S>(n, rng);
}
/// n points of Rings, [n, 2].
template <class S = float>
Tensor<S> rings(Index n, Rng& rng, const RingsOptions& options = {}) {
  return Rings(options).sample<S>(n, rng);
}
/// n points of TwoSpirals, [n, 2].
template <class S = float>
Tensor<S> two_spirals(Index n, Rng& rng, const TwoSpiralsOptions& options = {}) {
  return TwoSpirals(options).sample<S>(n, rng);
}
/// n points of SwissRoll, [n, 2].
template <class S = float>
Tensor<S> swiss_roll(Index n, Rng& rng, const SwissRollOptions& options = {}) {
  return SwissRoll(options).sample<S>(n, rng);
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/toy_curves.inl>
#endif
