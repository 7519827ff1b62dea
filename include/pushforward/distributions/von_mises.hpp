// VonMises: the normal distribution's counterpart on the circle.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>

namespace pushforward {

namespace detail {

// log(I_0(x) e^-x) for x >= 0: the power series, whose terms are positive, and beyond 25 the asymptotic one.
inline double log_bessel_i0_scaled(double x) {
  double term = 1, sum = 1;
  if (x < 25) {
    for (int k = 1; term > 1e-17 * sum; ++k) sum += term *= 0.25 * x * x / (static_cast<double>(k) * k);
    return std::log(sum) - x;
  }
  for (int k = 1; k < 30 && term > 1e-17; ++k) sum += term *= (2.0 * k - 1) * (2.0 * k - 1) / (8.0 * k * x);
  return std::log(sum) - 0.5 * std::log(2 * math::detail::pi * x);
}

// 1 - I_1(x) / I_0(x), and its derivatives up to order 3, by the equation A' = 1 - A / x - A^2 of the ratio A.
inline double bessel_gap(int order, double x) {
  if (x > 100) {  // 1 - A = sum c_k / x^k
    constexpr double c[] = {1.0 / 2, 1.0 / 8, 1.0 / 8, 25.0 / 128, 13.0 / 32, 1073.0 / 1024, 103.0 / 32};
    double sum = 0;
    for (int k = 7; k >= 1; --k) {
      double term = c[k - 1] * std::pow(x, -(k + order));
      for (int i = 0; i < order; ++i) term *= -(k + i);
      sum += term;
    }
    return sum;
  }
  if (x < 1e-2) {  // A = x / 2 - x^3 / 16 + x^5 / 96 - ..
    const double x2 = x * x;
    const double slopes[] = {1 - x * (0.5 - x2 * (1.0 / 16 - x2 * (1.0 / 96 - x2 * 11 / 6144))),
                             -0.5 + x2 * (3.0 / 16 - x2 * (5.0 / 96 - x2 * 77 / 6144)),
                             x * (3.0 / 8 - x2 * (5.0 / 24 - x2 * 77 / 1024)),
                             3.0 / 8 - x2 * (5.0 / 8 - x2 * 385 / 1024)};
    return slopes[order];
  }
  double even = 1, odd = 0.5 * x, i0 = even, i1 = odd;
  if (x < 25) {
    for (int k = 1; odd > 1e-18 * i1 || even > 1e-18 * i0; ++k) {
      i0 += even *= 0.25 * x * x / (static_cast<double>(k) * k);
      i1 += odd *= 0.25 * x * x / (static_cast<double>(k) * (k + 1));
    }
  } else {
    even = odd = i0 = i1 = 1;
    for (int k = 1; k < 30 && std::abs(even) > 1e-18; ++k) {
      i0 += even *= (2.0 * k - 1) * (2.0 * k - 1) / (8.0 * k * x);
      i1 += odd *= ((2.0 * k - 1) * (2.0 * k - 1) - 4) / (8.0 * k * x);
    }
  }
  const double a = i1 / i0, first = 1 - a / x - a * a;
  if (order == 0) return 1 - a;
  if (order == 1) return -first;
  const double second = (a / x - first) / x - 2 * a * first;
  if (order == 2) return -second;
  return -((2 * (first - a / x) / x - second) / x - 2 * first * first - 2 * a * second);
}

// 1 - I_1 / I_0 as a differentiable function.
struct BesselGap : OfInput {
  int order = 0;
  template <class S>
  S value(S x) const {
    return static_cast<S>(bessel_gap(order, static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(bessel_gap(order + 1, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    if (order > 0) fail<GradientError>("bessel_gap: derivatives exist up to order 3, and one more was asked for");
    return apply_function("bessel_gap", BesselGap{{}, 2}, x);
  }
};
struct LogBesselI0Scaled : OfInput {
  template <class S>
  S value(S x) const {
    return static_cast<S>(log_bessel_i0_scaled(static_cast<double>(x)));
  }
  template <class S>
  S slope(S x) const {
    return static_cast<S>(-bessel_gap(0, static_cast<double>(x)));
  }
  template <class S>
  Tensor<S> curvature(const Tensor<S>& x) const {
    return -apply_function("bessel_gap", BesselGap{{}, 1}, x);
  }
};

// An angle in [-pi, pi).
inline double wrapped(double x) {
  constexpr double pi = math::detail::pi;
  const double y = x - 2 * pi * std::floor((x + pi) / (2 * pi));
  return y >= pi ? -pi : y < -pi ? -pi : y;
}

// A draw around 0 (Best and Fisher, Efficient simulation of the von Mises distribution, 1979).
inline double draw_von_mises(double concentration, ElementDraws& draws) {
  constexpr double pi = math::detail::pi;
  if (concentration < 1e-8) return pi * (2 * draws.uniform() - 1);
  if (concentration > 1e8) {  // a normal up to a relative error of 1e-8
    const double u = draws.uniform(), turn = draws.uniform();
    return std::sqrt(-2 * std::log(u) / concentration) * std::cos(2 * pi * turn);
  }
  // Their rho = (tau - sqrt(2 tau)) / (2 k) without its cancellation, and r - 1 rather than r, which nears 1.
  const double root = std::sqrt(1 + 4 * concentration * concentration), sqrt_tau = std::sqrt(1 + root);
  const double rho = sqrt_tau * 2 * concentration / ((root + 1) * (sqrt_tau + std::sqrt(2.0)));
  const double excess = (1 - rho) * (1 - rho) / (2 * rho);
  for (;;) {
    const double t = std::tan(0.5 * pi * draws.uniform()), t2 = t * t;  // tan^2(theta / 2)
    const double gap = 2 * t2 * excess / (2 + excess * (1 + t2));       // 1 - cos of the draw, over 1
    const double c = concentration * (excess + gap), u = draws.uniform();
    if (std::log(c / u) + 1 - c < 0 && c * (2 - c) - u <= 0) continue;
    const double angle = 2 * std::asin(std::sqrt(std::min(1.0, 0.5 * gap)));
    return draws.uniform() < 0.5 ? -angle : angle;
  }
}

// dx / d concentration along draws at angle x from the location, - (dF / d concentration) / p, by Gauss and Legendre's
// rule on the integral of (cos t - A) p(t) from 0 to x.
inline double von_mises_drift(double x, double concentration) {
  constexpr double nodes[] = {0.14887433898163121, 0.43339539412924719, 0.67940956829902441, 0.86506336668898451,
                              0.97390652851717172};
  constexpr double shares[] = {0.29552422471475287, 0.26926671930999636, 0.21908636251598204, 0.14945134915058059,
                               0.06667134430868814};
  const double gap = bessel_gap(0, concentration), half_sine = std::sin(0.5 * x);
  constexpr int parts = 8;
  double total = 0;
  for (int part = 0; part < parts; ++part)
    for (int i = 0; i < 10; ++i) {
      const double node = i < 5 ? nodes[i] : -nodes[i - 5], t = x / (2 * parts) * (2 * part + 1 + node);
      const double s = std::sin(0.5 * t), exponent = 2 * concentration * (half_sine - s) * (half_sine + s);
      total += shares[i % 5] * (gap - 2 * s * s) * std::exp(exponent);
    }
  return -total * x / (2 * parts);
}

}  // namespace detail

/// The von Mises distribution on the circle, p(x) = e^(k cos(x - location)) / (2 pi I_0(k)) with concentration k.
///
/// Angles in radians; a density per radian, with period 2 pi: any representative of an angle may be given. Parameters
/// of shape [.., d], broadcast against each other: the last axis is the event; scalars make a distribution of plain
/// numbers. Throws ValueError for a concentration that is not positive or not finite, or a NaN; ShapeError for shapes
/// that do not broadcast.
template <class S = float>
class VonMises {
 public:
  using Scalar = S;

  VonMises(const Tensor<S>& location, const Tensor<S>& concentration)
      : shape_(broadcast(location.shape(), concentration.shape(), "VonMises")),
        location_(expand(location, shape_)),
        concentration_(expand(concentration, shape_)) {
    detail::check_parameter(
        "VonMises", "location", location, [](S x) { return x - x == S(0); }, "a finite number");
    detail::check_parameter(
        "VonMises", "concentration", concentration, [](S x) { return x > S(0) && x - x == S(0); },
        "a positive finite number");
  }

  const Shape& shape() const { return shape_; }
  /// The mean direction, [.., d].
  const Tensor<S>& location() const { return location_; }
  const Tensor<S>& concentration() const { return concentration_; }
  /// 1 - I_1(k) / I_0(k), one less the mean of cos(x - location): [.., d].
  Tensor<S> circular_variance() const {
    return detail::apply_function("bessel_gap", detail::BesselGap{}, concentration_);
  }

  /// -2 k sin^2((x - location) / 2) - log(2 pi I_0(k) e^-k) in nats, summed over the event: x [.., d] -> [..].
  Tensor<S> log_prob(const Tensor<S>& x) const {
    const Tensor<S> each = concentration_ * square(sin((x - location_) * 0.5)) * -2.0 - log_constant();
    return detail::event_total(shape_, each);
  }

  /// n draws in [-pi, pi), [n, .., d] (Best and Fisher 1979).
  Tensor<S> sample(Index n, Rng& rng) const { return stop_gradient(rsample(n, rng)); }
  /// One draw, [.., d].
  Tensor<S> sample(Rng& rng) const { return stop_gradient(rsample(rng)); }
  /// Draws with gradients by implicit reparameterization (Figurnov et al. 2018), of first order: a second derivative
  /// throws GradientError.
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(detail::batched(n, shape_), rng); }
  Tensor<S> rsample(Rng& rng) const { return placed(shape_, rng); }

  /// The differential entropy in nats, sum of k (1 - I_1(k) / I_0(k)) + log(2 pi I_0(k) e^-k): [..].
  Tensor<S> entropy() const {
    return detail::event_total(shape_, concentration_ * circular_variance() + log_constant());
  }

  static void members(auto&, auto&&) {}

 private:
  Tensor<S> log_constant() const {
    return detail::apply_function("log_bessel_i0", detail::LogBesselI0Scaled{}, concentration_) +
           2 * detail::half_log_two_pi;
  }
  Tensor<S> placed(const Shape& shape, Rng& rng) const {
    auto draw = [k = concentration_.data(), count = shape_.size()](Index i, detail::ElementDraws& draws) {
      return detail::draw_von_mises(static_cast<double>(k[i % count]), draws);
    };
    const Tensor<S> around = detail::draw_each<S>(shape, rng, draw);
    auto value = [&](const Tensor<S>& m, const Tensor<S>&) {
      return detail::in_double(
          "VonMises::rsample", [](double y, double at) { return detail::wrapped(y + at); }, around, m);
    };
    auto rule = [around](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& m, const Tensor<S>& k) {
      if (detail::recording_flag())
        fail<GradientError>("VonMises::rsample: draws are differentiable once, expected no gradient of a gradient");
      const Tensor<S> drift = detail::in_double("VonMises::rsample", detail::von_mises_drift, around, k);
      return std::array<Tensor<S>, 2>{sum_to(g, m.shape()), sum_to(g * drift, k.shape())};
    };
    return primitive(value, rule, location_, concentration_);
  }

  Shape shape_;
  Tensor<S> location_, concentration_;
};

/// For von Mises distributions the sum over the event of k_q A(k_q) - k_p A(k_q) cos(m_q - m_p) - log I_0(k_q) + log
/// I_0(k_p), A = I_1 / I_0.
template <class S>
Tensor<S> kl_divergence(const VonMises<S>& q, const VonMises<S>& p) {
  const Tensor<S>&a = q.concentration(), &b = p.concentration();
  auto log_i0 = [](const Tensor<S>& k) {
    return detail::apply_function("log_bessel_i0", detail::LogBesselI0Scaled{}, k);
  };
  const Tensor<S> gap = q.circular_variance(), apart = square(sin((q.location() - p.location()) * 0.5)) * 2;
  const Tensor<S> each = (b - a) * gap + b * (1 - gap) * apart - log_i0(a) + log_i0(b);
  return detail::event_total(each.shape(), each);
}

}  // namespace pushforward
