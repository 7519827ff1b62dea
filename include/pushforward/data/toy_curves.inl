// Bodies of toy_curves.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/data/toy_curves.hpp>

namespace pushforward::data {

PUSHFORWARD_ONCE std::vector<detail::Center> TwoMoons::centers(double noise) {
  detail::check_positive("TwoMoons", "noise", noise);
  std::vector<detail::Center> all;
  for (const double side : {1.0, -1.0})
    detail::add_curve(
        all, noise, 0, detail::pi, [&](double t) { return arc(side, t); }, [](double) { return 0.5 / detail::pi; },
        [](double) { return 2.0; });
  return all;
}

PUSHFORWARD_ONCE std::vector<detail::Center> ConcentricCircles::centers(const char* name,
                                                                        const std::vector<double>& radii,
                                                                        double noise) {
  detail::check_positive(name, "noise", noise);
  if (radii.empty()) fail<ValueError>(name, ": got no circle, expected at least one");
  std::vector<detail::Center> all;
  for (const double radius : radii) {
    detail::check_positive(name, "radius", radius);
    detail::add_curve(
        all, noise, 0, 2 * detail::pi,
        [&](double t) {
          return detail::Point{radius * std::cos(t), radius * std::sin(t)};
        },
        [&](double) { return 0.5 / (detail::pi * static_cast<double>(radii.size())); }, [&](double) { return radius; });
  }
  return all;
}

PUSHFORWARD_ONCE std::vector<double> Rings::radii(const RingsOptions& options) {
  std::vector<double> all;
  for (Index i = 1; i <= options.count; ++i)
    all.push_back(options.radius * static_cast<double>(i) / static_cast<double>(options.count));
  return all;
}

PUSHFORWARD_ONCE std::vector<detail::Center> TwoSpirals::centers(const TwoSpiralsOptions& options) {
  detail::check_positive("TwoSpirals", "turns", options.turns);
  detail::check_positive("TwoSpirals", "radius", options.radius);
  detail::check_positive("TwoSpirals", "noise", options.noise);
  const double last = 2 * detail::pi * options.turns, scale = options.radius / last;
  std::vector<detail::Center> all;
  for (const double side : {1.0, -1.0})
    detail::add_curve(
        all, options.noise, 0, last, [&](double t) { return arm(side * scale, t); },
        [&](double t) { return t / (last * last); }, [&](double t) { return scale * std::sqrt(1 + t * t); });
  return all;
}

PUSHFORWARD_ONCE detail::Point SwissRoll::roll(double radius, double t) {
  const double r = radius * t / (4.5 * detail::pi);
  return {r * std::cos(t), r * std::sin(t)};
}

PUSHFORWARD_ONCE std::vector<detail::Center> SwissRoll::centers(const SwissRollOptions& options) {
  detail::check_positive("SwissRoll", "radius", options.radius);
  detail::check_positive("SwissRoll", "noise", options.noise);
  std::vector<detail::Center> all;
  detail::add_curve(
      all, options.noise, 1.5 * detail::pi, 4.5 * detail::pi, [&](double t) { return roll(options.radius, t); },
      [](double) { return 1 / (3 * detail::pi); },
      [&](double t) { return options.radius / (4.5 * detail::pi) * std::sqrt(1 + t * t); });
  return all;
}

}  // namespace pushforward::data
