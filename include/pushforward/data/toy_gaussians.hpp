// Toy densities made of separate pieces: Gaussians on a circle and on a grid, the pinwheel, the checkerboard.
#pragma once

#include <pushforward/data/toy.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward::data {

/// Equally heavy Gaussians: what EightGaussians and GridGaussians share.
class SeparateGaussians : public NoisyDensity {
 public:
  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    const std::vector<detail::Center>& all = mixture_->centers();
    return detail::draw_points<S>(name_, n, rng, [&](Rng& item) {
      const detail::Center& c = all[static_cast<std::size_t>(item.uniform_index(static_cast<Index>(all.size())))];
      return detail::with_noise({c.x, c.y}, mixture_->noise(), item);
    });
  }

  /// The means of the Gaussians, [k, 2].
  template <class S = float>
  Tensor<S> centers() const {
    const std::vector<detail::Center>& all = mixture_->centers();
    return Tensor<S>::generate({static_cast<Index>(all.size()), 2}, [&](Index i) {
      const detail::Center& c = all[static_cast<std::size_t>(i / 2)];
      return static_cast<S>(i % 2 ? c.y : c.x);
    });
  }

 protected:
  using NoisyDensity::NoisyDensity;
};

/// What the eight Gaussians look like.
struct EightGaussiansOptions {
  double radius = 3;
  double noise = 0.3;  ///< Standard deviation of each Gaussian.
};

/// Eight equal Gaussians evenly on a circle.
class EightGaussians : public SeparateGaussians {
 public:
  explicit EightGaussians(const EightGaussiansOptions& options = {})
      : SeparateGaussians("EightGaussians", means(options), options.noise) {}

 private:
  static std::vector<detail::Center> means(const EightGaussiansOptions& options);
};

/// What the grid of Gaussians looks like.
struct GridGaussiansOptions {
  Index side = 5;       ///< Gaussians along each axis.
  double spacing = 2;   ///< Distance between neighbors.
  double noise = 0.05;  ///< Standard deviation of each Gaussian.
};

/// Equal Gaussians on a square grid around the origin, 25 by default: the usual test of whether a GAN forgets modes
/// (Srivastava et al., VEEGAN, 2017).
class GridGaussians : public SeparateGaussians {
 public:
  explicit GridGaussians(const GridGaussiansOptions& options = {})
      : SeparateGaussians("GridGaussians", means(options), options.noise) {}

 private:
  static std::vector<detail::Center> means(const GridGaussiansOptions& options);
};

/// What the pinwheel looks like.
struct PinwheelOptions {
  Index arms = 5;
  double radial_noise = 0.3, tangential_noise = 0.1;  ///< Standard deviations along and across an arm of length 1.
  double rate = 0.25;                                 ///< How strongly the arms are bent.
  double scale = 2;
};

/// Gaussian arms like those of a star, bent into a pinwheel (Johnson et al., Composing graphical models with neural
/// networks, 2016).
///
/// f = (1 + radial_noise z1, tangential_noise z2) is turned by 2 pi k / arms for an arm k and then by rate exp(|f|),
/// and multiplied by `scale`. The turn depends on the radius only, so it preserves areas and the density is exact.
class Pinwheel {
 public:
  using Scalar = float;  ///< What models that hold this density compute in.

  explicit Pinwheel(const PinwheelOptions& options = {});

  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    return detail::draw_points<S>("Pinwheel", n, rng, [this](Rng& item) {
      const Index arm = item.uniform_index(options_.arms);
      const detail::Point z = detail::normal_point(item);
      const double x = 1 + options_.radial_noise * z.x, y = options_.tangential_noise * z.y;
      const double turn = arm_angle(arm) + options_.rate * std::exp(std::min(std::hypot(x, y), most_bent));
      const double c = options_.scale * std::cos(turn), s = options_.scale * std::sin(turn);
      return detail::Point{c * x - s * y, s * x + c * y};
    });
  }

  /// log p(x) in nats, x [.., 2] -> [..]; differentiable to any order. Throws ShapeError.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& points) const {
    detail::check_points("Pinwheel", points);
    const Tensor<S> at = points / options_.scale, x = slice(at, -1, 0, 1), y = slice(at, -1, 1, 2);  // [.., 1]
    const Tensor<S> arms =
        Tensor<S>::generate({options_.arms}, [this](Index k) { return static_cast<S>(arm_angle(k)); });
    const Tensor<S> turn = options_.rate * exp(minimum(norm(at, -1, true), most_bent)) + arms;  // [.., arms]
    const Tensor<S> c = cos(turn), s = sin(turn);
    const Tensor<S> radial = (c * x + s * y - 1) / options_.radial_noise;
    const Tensor<S> tangential = (c * y - s * x) / options_.tangential_noise;
    return logsumexp(-0.5 * (square(radial) + square(tangential)), -1) + log_normalizer();
  }

  /// The entropy -E[log p(x)] in nats, by quadrature of the unbent arms, to about 1e-9.
  double entropy() const;

 private:
  static constexpr double most_bent = 20;  // a radius that no point reaches, where e^radius is still a number

  double arm_angle(Index k) const {
    return 2 * detail::pi * static_cast<double>(k) / static_cast<double>(options_.arms);
  }
  double log_normalizer() const;
  double unbent(double x, double y) const;

  PinwheelOptions options_;
};

/// What the checkerboard looks like.
struct CheckerboardOptions {
  Index cells = 4;    ///< Along each axis; even.
  double extent = 4;  ///< The board covers [-extent, extent) on both axes.
};

/// Uniform on every other cell of a square board: cells (i, j) from the lower left with i + j even.
class Checkerboard {
 public:
  using Scalar = float;  ///< What models that hold this density compute in.

  explicit Checkerboard(const CheckerboardOptions& options = {});

  /// n points, [n, 2]. Throws ValueError for a negative n.
  template <class S = float>
  Tensor<S> sample(Index n, Rng& rng) const {
    return detail::draw_points<S>("Checkerboard", n, rng, [this](Rng& item) {
      const Index i = item.uniform_index(options_.cells), half = item.uniform_index(options_.cells / 2);
      const double x = item.uniform(), y = item.uniform();
      return detail::Point{inside<S>(i, x), inside<S>(2 * half + i % 2, y)};
    });
  }

  /// log p(x) in nats, x [.., 2] -> [..]: the same on all filled cells, minus infinity elsewhere. Its gradient is zero.
  /// Throws ShapeError.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& x) const {
    detail::check_points("Checkerboard", x);
    Tensor<S> value = Tensor<S>::generate(x.shape().without(-1), [&](Index i) {
      const double a = position(x.data()[2 * i]), b = position(x.data()[2 * i + 1]);
      if (std::isnan(a + b)) return std::numeric_limits<S>::quiet_NaN();
      const auto cells = static_cast<double>(options_.cells);
      const bool on_board = a >= 0 && a < cells && b >= 0 && b < cells;
      return on_board && std::fmod(a + b, 2) == 0 ? static_cast<S>(-entropy()) : -std::numeric_limits<S>::infinity();
    });
    return pushforward::detail::record(
        "checkerboard", std::move(value),
        pushforward::detail::edge(x, [shape = x.shape()](const Tensor<S>&) { return Tensor<S>::zeros(shape); }));
  }

  /// The entropy in nats: the logarithm of the filled area.
  double entropy() const { return std::log(2 * options_.extent * options_.extent); }

 private:
  double width() const { return 2 * options_.extent / static_cast<double>(options_.cells); }
  // The cell along one axis, as a whole number; edges count for the cell above.
  template <class S>
  double position(S x) const {
    return std::floor((static_cast<double>(x) + options_.extent) / width());
  }
  // A coordinate inside of the cell, also after it was rounded to S.
  template <class S>
  double inside(Index cell, double u) const {
    const double low = width() * static_cast<double>(cell) - options_.extent;
    const S middle = static_cast<S>(low + 0.5 * width());
    S x = static_cast<S>(low + u * width());
    while (position(x) != static_cast<double>(cell) && x != middle) x = std::nextafter(x, middle);
    return static_cast<double>(x);
  }

  CheckerboardOptions options_;
};

/// n points of EightGaussians, [n, 2].
template <class S = float>
Tensor<S> eight_gaussians(Index n, Rng& rng, const EightGaussiansOptions& options = {}) {
  return EightGaussians(options).sample<S>(n, rng);
}
/// n points of GridGaussians, [n, 2].
template <class S = float>
Tensor<S> grid_gaussians(Index n, Rng& rng, const GridGaussiansOptions& options = {}) {
  return GridGaussians(options).sample<S>(n, rng);
}
/// n points of Pinwheel, [n, 2].
template <class S = float>
Tensor<S> pinwheel(Index n, Rng& rng, const PinwheelOptions& options = {}) {
  return Pinwheel(options).sample<S>(n, rng);
}
/// n points of Checkerboard, [n, 2].
template <class S = float>
Tensor<S> checkerboard(Index n, Rng& rng, const CheckerboardOptions& options = {}) {
  return Checkerboard(options).sample<S>(n, rng);
}

}  // namespace pushforward::data

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/toy_gaussians.inl>
#endif
