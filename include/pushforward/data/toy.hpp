// What the toy densities stand on: points drawn by index, and densities of points with Gaussian noise around them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <pushforward/autodiff/record.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward::data {

namespace detail {

inline constexpr double pi = 3.14159265358979323846;

struct Point {
  double x, y;
};

// The generator of item `index`: its own stream of a child of the caller's generator, so any thread may draw any item.
inline Rng item_generator(const Rng::State& child, Index index) {
  return Rng::from_state({child.key, child.stream + static_cast<std::uint64_t>(index), 0, 0});
}

inline Point normal_point(Rng& rng) {
  const std::uint64_t position = rng.reserve(1);
  const auto [a, b] = pushforward::detail::philox_block(rng.state().key, rng.state().stream, position);
  const auto [x, y] = pushforward::detail::normals_from(a, b);
  return {x, y};
}

inline Point with_noise(Point p, double noise, Rng& rng) {
  const Point z = normal_point(rng);
  return {p.x + noise * z.x, p.y + noise * z.y};
}

inline void check_count(const char* name, Index n) {
  if (n < 0) fail<ValueError>(name, ": got n = ", n, ", expected n >= 0");
}

inline void check_positive(const char* name, const char* option, double value) {
  if (!(value > 0) || !std::isfinite(value))
    fail<ValueError>(name, ": got ", option, " = ", value, ", expected a positive finite number");
}

template <class S>
void check_points(const char* name, const Tensor<S>& x) {
  if (x.rank() < 1 || x.size(-1) != 2)
    fail<ShapeError>(name, "::log_prob: got shape ", x.shape(), ", expected points of shape [n, 2]");
}

// [n, 2] points, point i from draw(its own generator).
template <class S, class Draw>
Tensor<S> draw_points(const char* name, Index n, Rng& rng, const Draw& draw) {
  check_count(name, n);
  const Rng::State child = rng.split().state();
  return Tensor<S>::build({n, 2}, [&](S* out) {
    parallel_for(n, 256, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        Rng item = item_generator(child, i);
        const Point p = draw(item);
        out[2 * i] = static_cast<S>(p.x);
        out[2 * i + 1] = static_cast<S>(p.y);
      }
    });
  });
}

// The entropy -sum p log p h^2 of a density of the plane on a square grid, by rows. For densities no sharper than a
// Gaussian of width 3 h the trapezoidal rule is exact to about 1e-12.
template <class RowLogDensity>
double entropy_on_grid(Point low, Point high, double step, const RowLogDensity& row) {
  const auto columns = static_cast<Index>(std::ceil((high.x - low.x) / step)) + 1;
  const auto rows = static_cast<Index>(std::ceil((high.y - low.y) / step)) + 1;
  std::vector<double> totals(static_cast<std::size_t>(rows));
  parallel_for(rows, 4, [&](Index begin, Index end) {
    for (Index j = begin; j < end; ++j) {
      double total = 0;
      row(low.y + static_cast<double>(j) * step, [&](const auto& log_density) {
        for (Index i = 0; i < columns; ++i) {
          const double log_p = log_density(low.x + static_cast<double>(i) * step);
          if (log_p > -60) total -= std::exp(log_p) * log_p;
        }
      });
      totals[static_cast<std::size_t>(j)] = total;
    }
  });
  double entropy = 0;
  for (double total : totals) entropy += total;
  return entropy * step * step;
}

// A point that noise is put around, and its share of the whole.
struct Center {
  double x, y, weight;
};

// Nodes and weights of the 16-point Gauss-Legendre rule, one side of zero.
inline constexpr std::array<std::array<double, 2>, 8> gauss_legendre = {{{0.0950125098376374, 0.1894506104550685},
                                                                         {0.2816035507792589, 0.1826034150449236},
                                                                         {0.4580167776572274, 0.1691565193950025},
                                                                         {0.6178762444026438, 0.1495959888165767},
                                                                         {0.7554044083550030, 0.1246289712555339},
                                                                         {0.8656312023878318, 0.0951585116824928},
                                                                         {0.9445750230732326, 0.0622535239386479},
                                                                         {0.9894009349916499, 0.0271524594117541}}};

// Adds centers for the curve `at(t)`, t in [first, last], which is drawn with density `density(t)` and passes with
// `speed(t)`: Gauss-Legendre panels 4 noise widths long, so that the sum over centers replaces the integral along the
// curve to about 1e-12 nearby and 1e-6 eight radii of curvature away.
template <class At, class Density, class Speed>
void add_curve(std::vector<Center>& centers, double noise, double first, double last, const At& at,
               const Density& density, const Speed& speed) {
  for (double t = first; t < last;) {
    const double guess = std::min(4 * noise / speed(t), last - t),
                 half = 0.5 * std::min(4 * noise / speed(t + guess), guess);
    for (const auto& [node, weight] : gauss_legendre) {
      for (const double side : {-1.0, 1.0}) {
        const double s = t + half * (1 + side * node);
        const Point p = at(s);
        centers.push_back({p.x, p.y, weight * half * density(s)});
      }
    }
    t = half < 1e-9 * (last - first) ? last : t + 2 * half;
  }
}

// p(x) = sum_k w_k N(x; c_k, noise^2 I).
class CenterMixture {
 public:
  // What is known of the center that x came from: log p(x), and mean and covariance of c - x.
  struct Posterior {
    double log_density, mean_x, mean_y, xx, xy, yy;
  };

  CenterMixture(std::vector<Center> centers, double noise) : centers_(std::move(centers)), noise_(noise) {
    for (Center& c : centers_) c.weight = std::log(c.weight);
  }

  double noise() const { return noise_; }
  const std::vector<Center>& centers() const { return centers_; }

  Posterior posterior(Point p) const {
    const double largest = largest_exponent(p, centers_);
    double total = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
    for (const Center& c : centers_) {
      const double e = exponent(p, c) - largest;
      if (!(e > negligible)) continue;
      const double w = std::exp(e), dx = c.x - p.x, dy = c.y - p.y;
      total += w;
      x += w * dx;
      y += w * dy;
      xx += w * dx * dx;
      xy += w * dx * dy;
      yy += w * dy * dy;
    }
    x /= total;
    y /= total;
    return {
        largest + std::log(total) + log_normalizer(), x, y, xx / total - x * x, xy / total - x * y, yy / total - y * y};
  }

  double log_density(Point p) const { return log_density(p, centers_); }

  double entropy() const {
    Point low{centers_[0].x, centers_[0].y}, high = low;
    for (const Center& c : centers_) {
      low = {std::min(low.x, c.x), std::min(low.y, c.y)};
      high = {std::max(high.x, c.x), std::max(high.y, c.y)};
    }
    const double reach = 9 * noise_;
    return entropy_on_grid({low.x - reach, low.y - reach}, {high.x + reach, high.y + reach}, noise_ / 3,
                           [&](double y, const auto& visit) {
                             std::vector<Center> near;
                             for (const Center& c : centers_)
                               if (std::fabs(c.y - y) <= reach) near.push_back(c);
                             if (!near.empty()) visit([&](double x) { return log_density({x, y}, near); });
                           });
  }

 private:
  static constexpr double negligible = -45;  // e^-45 of the largest term is lost in its last bit anyway

  double log_normalizer() const { return -std::log(2 * pi * noise_ * noise_); }
  double exponent(Point p, const Center& c) const {
    const double dx = c.x - p.x, dy = c.y - p.y;
    return c.weight - (dx * dx + dy * dy) / (2 * noise_ * noise_);
  }
  double largest_exponent(Point p, const std::vector<Center>& centers) const {
    double largest = -std::numeric_limits<double>::infinity();
    for (const Center& c : centers) largest = std::max(largest, exponent(p, c));
    return largest;
  }
  double log_density(Point p, const std::vector<Center>& centers) const {
    if (std::isnan(p.x + p.y)) return p.x + p.y;
    const double largest = largest_exponent(p, centers);
    double total = 0;
    for (const Center& c : centers) {
      const double e = exponent(p, c) - largest;
      if (e > negligible) total += std::exp(e);
    }
    return total > 0 ? largest + std::log(total) + log_normalizer() : largest;
  }

  std::vector<Center> centers_;  // weights as logarithms
  double noise_;
};

using SharedMixture = std::shared_ptr<const CenterMixture>;

template <class S, class Visit>
Tensor<S> for_each_point(const Tensor<S>& x, const Shape& shape, const Visit& visit) {
  return Tensor<S>::build(shape, [&](S* out) {
    parallel_for(x.size() / 2, 64, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        visit(i, Point{static_cast<double>(x.data()[2 * i]), static_cast<double>(x.data()[2 * i + 1])}, out);
    });
  });
}

// H(x) g for each row, where H is the Hessian of log p: (Cov[c | x] / noise^2 - I) / noise^2.
template <class S>
Tensor<S> hessian_product(const SharedMixture& mixture, const Tensor<S>& x, const Tensor<S>& g) {
  const double precision = 1 / (mixture->noise() * mixture->noise());
  Tensor<S> product = for_each_point(x, x.shape(), [&](Index i, Point p, S* out) {
    const CenterMixture::Posterior c = mixture->posterior(p);
    const double gx = static_cast<double>(g.data()[2 * i]), gy = static_cast<double>(g.data()[2 * i + 1]);
    out[2 * i] = static_cast<S>(precision * ((c.xx * gx + c.xy * gy) * precision - gx));
    out[2 * i + 1] = static_cast<S>(precision * ((c.xy * gx + c.yy * gy) * precision - gy));
  });
  const auto third = [](const Tensor<S>&) -> Tensor<S> {
    fail<GradientError>("log_prob: third derivatives of this toy density do not exist; two orders do");
  };
  return pushforward::detail::record(
      "toy_hessian", std::move(product), pushforward::detail::edge(x, third),
      pushforward::detail::edge(g, [mixture, x](const Tensor<S>& h) { return hessian_product(mixture, x, h); }));
}

// The gradient of log p in each row: E[c - x | x] / noise^2.
template <class S>
Tensor<S> score(const SharedMixture& mixture, const Tensor<S>& x) {
  const double precision = 1 / (mixture->noise() * mixture->noise());
  Tensor<S> slope = for_each_point(x, x.shape(), [&](Index i, Point p, S* out) {
    const CenterMixture::Posterior c = mixture->posterior(p);
    out[2 * i] = static_cast<S>(precision * c.mean_x);
    out[2 * i + 1] = static_cast<S>(precision * c.mean_y);
  });
  return pushforward::detail::record(
      "toy_score", std::move(slope),
      pushforward::detail::edge(x, [mixture, x](const Tensor<S>& g) { return hessian_product(mixture, x, g); }));
}

}  // namespace detail

/// What the toy densities that are points or curves with Gaussian noise around them share.
class NoisyDensity {
 public:
  using Scalar = float;  ///< What models that hold this density compute in.

  /// log p(x) in nats, x [.., 2] -> [..]; twice differentiable. Throws ShapeError.
  ///
  /// Points: the closed form of a Gaussian mixture. Curves: the integral of the noise along the curve, by
  /// Gauss-Legendre quadrature in double, accurate to 1e-6 within 15 units of the origin.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& x) const {
    detail::check_points(name_, x);
    Tensor<S> value = detail::for_each_point(x, x.shape().without(-1), [&](Index i, detail::Point p, S* out) {
      out[i] = static_cast<S>(mixture_->log_density(p));
    });
    return pushforward::detail::record("toy_log_prob", std::move(value),
                                       pushforward::detail::edge(x, [mixture = mixture_, x](const Tensor<S>& g) {
                                         return unsqueeze(g, -1) * detail::score(mixture, x);
                                       }));
  }

  /// The entropy -E[log p(x)] in nats, by quadrature to about 1e-9; it takes longer for less noise: a
  /// fifth of a second at most with the defaults.
  double entropy() const { return mixture_->entropy(); }

 protected:
  NoisyDensity(const char* name, std::vector<detail::Center> centers, double noise)
      : name_(name), mixture_(std::make_shared<detail::CenterMixture>(std::move(centers), noise)) {}

  const char* name_;
  detail::SharedMixture mixture_;
};

}  // namespace pushforward::data
