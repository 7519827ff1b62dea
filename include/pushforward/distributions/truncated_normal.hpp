// TruncatedNormal: a normal distribution of which only an interval is kept.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

inline constexpr double sqrt_one_half = 0.70710678118654752440;

// The number of [a, b] nearest to 0.
inline double nearest_to_zero(double a, double b) { return a > 0 ? a : b < 0 ? b : 0.0; }

// log(Phi(b) - Phi(a)) + r^2 / 2 with r = nearest_to_zero(a, b): what is left once the tail's own decay is taken out.
inline double log_normal_mass(double a, double b) {
  if (b < 0) return log_normal_mass(-b, -a);
  const double r = nearest_to_zero(a, b), width = b - a, middle = a + 0.5 * width;
  if (width * (1 + std::abs(middle)) < 1e-3)  // density in the middle times width, and the next term of the series
    return std::log(width) - half_log_two_pi - 0.5 * (middle - r) * (middle + r) +
           std::log1p((middle * middle - 1) * width * width / 24);
  if (a <= 0) return std::log(0.5 * (std::erf(b * sqrt_one_half) - std::erf(a * sqrt_one_half)));
  return std::log(0.5 *
                  (math::erfcx(a * sqrt_one_half) - std::exp(-0.5 * width * (a + b)) * math::erfcx(b * sqrt_one_half)));
}

// The z <= 0 with log Phi(z) = t, by Newton's steps on the concave log Phi.
inline double normal_quantile_of_log(double t) {
  double z = t > -3 ? math::erfinv(2 * std::exp(t) - 1) / sqrt_one_half
                    : -std::sqrt(-2 * (t + half_log_two_pi + 0.5 * std::log(-2 * t)));
  for (int step = 0; step < 8; ++step) {
    const double value = math::log_ndtr(z), move = (value - t) * std::exp(value + 0.5 * z * z + half_log_two_pi);
    z -= move;
    if (std::abs(move) <= 1e-15 * std::abs(z)) break;
  }
  return z;
}

// The share u of the normal mass in [a, b] lies below this z.
inline double truncated_quantile(double u, double a, double b) {
  if (u <= 0) return a;
  if (u >= 1) return b;
  if (a + b > 0) return -truncated_quantile(1 - u, -b, -a);  // the tail to the left keeps its digits
  const double r = nearest_to_zero(a, b), log_mass = log_normal_mass(a, b) - 0.5 * r * r;
  const double below = math::log_ndtr(a), part = std::log(u) + log_mass;
  const double largest = std::max(below, part), t = largest + std::log1p(std::exp(std::min(below, part) - largest));
  if (t < -0.7) return std::clamp(normal_quantile_of_log(t), a, b);
  // Beyond the median: from above.
  return std::clamp(-normal_quantile_of_log(std::log1p(-std::exp(t))), a, b);
}

struct TruncatedMoments {
  double mean, variance, excess;  // of the mean over nearest_to_zero(a, b)
};

// Of the standard normal in [a, b], by quadrature: closed forms cancel in narrow intervals and far tails.
inline TruncatedMoments truncated_moments(double a, double b) {
  if (b < 0 || (a <= 0 && -a > b)) {
    const TruncatedMoments mirrored = truncated_moments(-b, -a);
    return {-mirrored.mean, mirrored.variance, -mirrored.excess};
  }
  // Gauss and Legendre's rule of 5 points on parts of the interval in which the density does not underflow.
  constexpr double nodes[] = {0.0, 0.53846931010568309104, 0.90617984593866399280};
  constexpr double shares[] = {0.56888888888888888889, 0.47862867049936646804, 0.23692688505618908751};
  const double low = std::max(a, -40.0), width = std::min(b - low, low > 0 ? std::min(40.0, 40.0 / low) : 40.0 - low);
  constexpr int parts = 200;
  double mass = 0, first = 0, second = 0;
  for (int part = 0; part < parts; ++part)
    for (int i = -2; i <= 2; ++i) {
      const double half = 0.5 * width / parts, from_low = half * (2 * part + 1 + (i < 0 ? -nodes[-i] : nodes[i]));
      const double z = low + from_low, square = low > 0 ? from_low * (from_low + 2 * low) : z * z;
      const double w = shares[std::abs(i)] * std::exp(-0.5 * square);
      mass += w, first += w * from_low, second += w * from_low * from_low;
    }
  const double mean = first / mass;
  return {low + mean, second / mass - mean * mean, low > 0 ? mean : low + mean};
}

// log_normal_mass of tensors: its slopes are -+ density / mass plus r dr.
template <class S>
Tensor<S> log_mass_between(const Tensor<S>& a, const Tensor<S>& b) {
  auto value = [](const Tensor<S>& low, const Tensor<S>& high) {
    return in_double("TruncatedNormal", log_normal_mass, low, high);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& low, const Tensor<S>& high) {
    const Tensor<S> right = stop_gradient(low) > 0, left = stop_gradient(high) < 0;
    const Tensor<S> r = where(right, low, where(left, high, 0));
    auto ratio = [&](const Tensor<S>& z) { return exp((r - z) * (r + z) * 0.5 - half_log_two_pi - y); };
    return std::array<Tensor<S>, 2>{sum_to(g * (where(right, low, 0) - ratio(low)), low.shape()),
                                    sum_to(g * (where(left, high, 0) + ratio(high)), high.shape())};
  };
  return primitive(value, rule, a, b);
}

// phi(z) / (Phi(b) - Phi(a)) at a bound z.
template <class S>
Tensor<S> bound_density(const Tensor<S>& z, const Tensor<S>& a, const Tensor<S>& b) {
  const Tensor<S> r = where(stop_gradient(a) > 0, a, where(stop_gradient(b) < 0, b, 0));
  return exp((r - z) * (r + z) * 0.5 - half_log_two_pi - log_mass_between(a, b));
}

// d E[f] / da = density(a) (E[f] - f(a)), d E[f] / db = density(b) (f(b) - E[f]).
template <class S>
Tensor<S> truncated_mean(const Tensor<S>& a, const Tensor<S>& b) {
  auto value = [](const Tensor<S>& low, const Tensor<S>& high) {
    return in_double(
        "TruncatedNormal", [](double x, double y) { return truncated_moments(x, y).mean; }, low, high);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& low, const Tensor<S>& high) {
    return std::array<Tensor<S>, 2>{sum_to(g * bound_density(low, low, high) * (y - low), low.shape()),
                                    sum_to(g * bound_density(high, low, high) * (high - y), high.shape())};
  };
  return primitive(value, rule, a, b);
}
template <class S>
Tensor<S> truncated_variance(const Tensor<S>& a, const Tensor<S>& b);
// The mean's distance from the bound nearest to 0, or from 0 between the bounds.
template <class S>
Tensor<S> truncated_excess(const Tensor<S>& a, const Tensor<S>& b) {
  auto value = [](const Tensor<S>& low, const Tensor<S>& high) {
    return in_double(
        "TruncatedNormal", [](double x, double y) { return truncated_moments(x, y).excess; }, low, high);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& low, const Tensor<S>& high) {
    const Tensor<S> right = stop_gradient(low) > 0, left = stop_gradient(high) < 0;
    const Tensor<S> r = where(right, low, where(left, high, 0)), v = truncated_variance(low, high);
    const Tensor<S> by_low = bound_density(low, low, high) * (y + (r - low));
    const Tensor<S> by_high = bound_density(high, low, high) * ((high - r) - y);
    // By both bounds the mean moves 1 - variance, which spares a difference to 1.
    return std::array<Tensor<S>, 2>{sum_to(g * where(right, -v - by_high, by_low), low.shape()),
                                    sum_to(g * where(left, -v - by_low, by_high), high.shape())};
  };
  return primitive(value, rule, a, b);
}
template <class S>
Tensor<S> truncated_variance(const Tensor<S>& a, const Tensor<S>& b) {
  auto value = [](const Tensor<S>& low, const Tensor<S>& high) {
    return in_double(
        "TruncatedNormal", [](double x, double y) { return truncated_moments(x, y).variance; }, low, high);
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& low, const Tensor<S>& high) {
    const Tensor<S> r = where(stop_gradient(low) > 0, low, where(stop_gradient(high) < 0, high, 0));
    const Tensor<S> e = truncated_excess(low, high), below = e + (r - low), above = (high - r) - e;
    return std::array<Tensor<S>, 2>{sum_to(g * bound_density(low, low, high) * (y - square(below)), low.shape()),
                                    sum_to(g * bound_density(high, low, high) * (square(above) - y), high.shape())};
  };
  return primitive(value, rule, a, b);
}

}  // namespace detail

/// The normal distribution N(location, scale^2) given that low <= x <= high.
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution
/// of plain numbers. Bounds may be infinite. All is computed relative to the bound nearest to the location, so that
/// intervals far in a tail keep their digits. Throws ValueError for a scale that is not positive, unless low < high,
/// and for a NaN; ShapeError for shapes that do not broadcast.
template <class S = float>
class TruncatedNormal {
 public:
  using Scalar = S;

  TruncatedNormal(const Tensor<S>& location, const Tensor<S>& scale, const Tensor<S>& low, const Tensor<S>& high)
      : shape_(broadcast(broadcast(location.shape(), scale.shape(), "TruncatedNormal"),
                         broadcast(low.shape(), high.shape(), "TruncatedNormal"), "TruncatedNormal")),
        location_(expand(location, shape_)),
        scale_(expand(scale, shape_)),
        low_(expand(low, shape_)),
        high_(expand(high, shape_)) {
    detail::check_not_nan("TruncatedNormal", "location", location);
    detail::check_parameter(
        "TruncatedNormal", "scale", scale, [](S x) { return x > S(0) && x - x == S(0); }, "a positive number");
    if (!((stop_gradient(low_) < stop_gradient(high_)).min() > S(0)))
      fail<ValueError>("TruncatedNormal: a bound low is not below its high, expected low < high");
    a_ = standardized(low_);
    b_ = standardized(high_);
    log_mass_ = detail::log_mass_between(a_, b_);
  }

  const Shape& shape() const { return shape_; }
  /// Of the normal distribution before the cut, [.., d].
  const Tensor<S>& location() const { return location_; }
  const Tensor<S>& scale() const { return scale_; }
  const Tensor<S>& low() const { return low_; }
  const Tensor<S>& high() const { return high_; }

  /// log N(x; location, scale) - log(Phi(b) - Phi(a)) in nats, summed over the event, with a and b the bounds in units
  /// of the scale: x [.., d] -> [..]; -infinity outside.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> inside = within(x), safe = where(inside, x, stop_gradient(middle()));
    // The difference to the bound itself is exact, that of two large multiples of the scale is not.
    const Tensor<S> bound = where(stop_gradient(a_) > 0, low_, where(stop_gradient(b_) < 0, high_, location_));
    const Tensor<S> each = (bound - safe) / scale_ * (origin() + (safe - location_) / scale_) * 0.5 - log_mass_ -
                           log(scale_) - detail::half_log_two_pi;
    return detail::event_total(shape_, where(inside, each, -std::numeric_limits<S>::infinity()));
  }

  /// P(X <= x) for each number: x [.., d] -> [.., d].
  Tensor<S> cdf(const Tensor<S>& x) const {
    const Tensor<S> at = stop_gradient(x), above = at > stop_gradient(low_),
                    inside = above * (at < stop_gradient(high_));
    const Tensor<S> z = (where(inside, x, stop_gradient(middle())) - location_) / scale_;
    const Tensor<S> r = origin(), nearest = where(stop_gradient(a_) > 0, a_, where(stop_gradient(z) < 0, z, 0));
    const Tensor<S> share = exp(detail::log_mass_between(a_, z) - log_mass_ + (r - nearest) * (r + nearest) * 0.5);
    return where(inside, minimum(share, 1), above);
  }
  /// The x with cdf(x) = u, differentiable in u and the parameters. Throws ValueError for u outside of [0, 1].
  Tensor<S> icdf(const Tensor<S>& u) const {
    detail::check_parameter(
        "TruncatedNormal::icdf", "u", u, [](S x) { return x >= S(0) && x <= S(1); }, "a probability");
    auto value = [](const Tensor<S>& p, const Tensor<S>& a, const Tensor<S>& b) {
      return detail::in_double("TruncatedNormal::icdf", detail::truncated_quantile, p, a, b);
    };
    // The implicit function theorem on cdf(z; a, b) = u.
    auto rule = [](const Tensor<S>& g, const Tensor<S>& z, const Tensor<S>& p, const Tensor<S>& a, const Tensor<S>& b) {
      const double limit = sizeof(S) == 4 ? 80 : 700;
      auto density_ratio = [&](const Tensor<S>& at) { return exp(clamp((z - at) * (z + at) * 0.5, -1e30, limit)); };
      const Tensor<S> r = where(stop_gradient(a) > 0, a, where(stop_gradient(b) < 0, b, 0));
      const Tensor<S> to_u = density_ratio(r) * exp(detail::log_mass_between(a, b) + detail::half_log_two_pi);
      return std::array<Tensor<S>, 3>{sum_to(g * to_u, p.shape()), sum_to(g * (1 - p) * density_ratio(a), a.shape()),
                                      sum_to(g * p * density_ratio(b), b.shape())};
    };
    const Tensor<S> x = location_ + scale_ * primitive(value, rule, u, a_, b_);
    const Tensor<S> inside = minimum(maximum(x, stop_gradient(low_)), stop_gradient(high_));
    return where(equal(stop_gradient(u), 0), low_, where(equal(stop_gradient(u), 1), high_, inside));
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws icdf(noise), differentiable in the parameters.
  Tensor<S> rsample(Index n, Rng& rng) const { return icdf(noise(detail::batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return icdf(noise(shape_, rng)); }

  /// location + scale (phi(a) - phi(b)) / (Phi(b) - Phi(a)), [.., d]; like the variance by quadrature, as the closed
  /// form cancels in narrow intervals and far tails.
  Tensor<S> mean() const { return location_ + scale_ * detail::truncated_mean(a_, b_); }
  Tensor<S> variance() const { return square(scale_) * detail::truncated_variance(a_, b_); }
  /// The differential entropy in nats: [..].
  Tensor<S> entropy() const {
    // log(Phi(b) - Phi(a)) is log_mass - r^2 / 2, and E z^2 - r^2 = variance + (mean - r) (mean + r).
    const Tensor<S> excess = detail::truncated_excess(a_, b_);
    const Tensor<S> second = detail::truncated_variance(a_, b_) + excess * (excess + 2 * origin());
    const Tensor<S> each = log(scale_) + log_mass_ + detail::half_log_two_pi + second * 0.5;
    return detail::event_total(shape_, each);
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double infinite =
      1e15;  // standard deviations: beyond, the density is 0, and a float's square is finite

  // Not 0, whose quantile may be infinite.
  static Tensor<S> noise(const Shape& shape, Rng& rng) {
    return maximum(uniform<S>(shape, rng), Tensor<S>::scalar(std::numeric_limits<S>::epsilon() / 4));
  }
  // Infinite bounds as constants, whose gradient is 0 rather than infinity * 0.
  Tensor<S> standardized(const Tensor<S>& bound) const {
    const Tensor<S> finite = is_finite(bound);
    return where(finite, (where(finite, bound, 0) - location_) / scale_, infinite * sign(stop_gradient(bound)));
  }
  Tensor<S> within(const Tensor<S>& x) const {
    const Tensor<S> at = stop_gradient(x);
    return (at >= stop_gradient(low_)) * (at <= stop_gradient(high_));
  }
  // A number inside, to stand in for those outside.
  Tensor<S> middle() const { return minimum(maximum(location_, low_), high_); }
  // The bound nearest to the location, or the location, in units of the scale.
  Tensor<S> origin() const { return where(stop_gradient(a_) > 0, a_, where(stop_gradient(b_) < 0, b_, 0)); }
  Shape shape_;
  Tensor<S> location_, scale_, low_, high_, a_, b_, log_mass_;
};

}  // namespace pushforward
