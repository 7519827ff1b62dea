// Bodies of von_mises_fisher.hpp.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/von_mises_fisher.hpp>

namespace pushforward::detail {

PUSHFORWARD_ONCE double draw_von_mises_fisher_angle(Index d, double concentration, ElementDraws& draws) {
  const double m = static_cast<double>(d - 1), root = std::hypot(2 * concentration, m);
  const double b = m / (2 * concentration + root), a = 0.25 * (m + 2 * concentration + root);
  const double offset = 4 * a * b / (1 + b) - m * std::log(m);
  for (;;) {
    // A coordinate of a uniform direction, as the cosine of an angle in the plane of two of them.
    const double radius = d == 2 ? 1 : std::sqrt(-std::expm1(2 / (m - 1) * std::log(draws.uniform())));
    const double e = 0.5 * (1 + radius * std::cos(2 * math::detail::pi * draws.uniform()));  // Beta(m / 2, m / 2)
    const double below = 1 - (1 - b) * e, t = 2 * a * b / below;
    if (m * std::log(t) - t + offset < std::log(draws.uniform())) continue;
    return 2 * std::asin(std::sqrt(std::clamp(b * e / below, 0.0, 1.0)));  // 1 - cos = 2 b e / below
  }
}

PUSHFORWARD_ONCE double von_mises_fisher_angle_slope(Index d, double concentration, double angle) {
  constexpr double nodes[] = {0.14887433898163121, 0.43339539412924719, 0.67940956829902441, 0.86506336668898451,
                              0.97390652851717172};
  constexpr double shares[] = {0.29552422471475287, 0.26926671930999636, 0.21908636251598204, 0.14945134915058059,
                               0.06667134430868814};
  constexpr double pi = math::detail::pi;
  if (!(angle > 0 && angle < pi)) return 0;
  const double power = static_cast<double>(d - 2), gap = math::bessel_ratio(0.5 * power, concentration).gap;
  // cos t - A has one sign from the draw to the end of the half line on which this integral runs.
  auto excess = [gap](double t) { return gap - 2 * std::sin(0.5 * t) * std::sin(0.5 * t); };
  auto log_relative = [=](double t) {  // log of p(t) / p(angle)
    const double across = 2 * std::sin(0.5 * (angle + t)) * std::sin(0.5 * (angle - t));
    return power * std::log(std::sin(t) / std::sin(angle)) + concentration * across;
  };
  const bool inner = excess(angle) > 0;
  double far = inner ? 0 : pi, near = angle;  // the part beyond `far` is negligible
  for (int i = 0; i < 40; ++i) {
    const double middle = 0.5 * (far + near);
    (log_relative(middle) < -45 ? far : near) = middle;
  }
  far = near;
  constexpr int parts = 12;
  double total = 0;
  for (int part = 0; part < parts; ++part)
    for (int i = 0; i < 10; ++i) {
      const double node = i < 5 ? nodes[i] : -nodes[i - 5],
                   t = angle + (far - angle) / (2 * parts) * (2 * part + 1 + node);
      total += shares[i % 5] * std::abs(excess(t)) * std::exp(log_relative(t));
    }
  return -total * std::abs(far - angle) / (2 * parts);
}

}  // namespace pushforward::detail
