// Bodies of toy_gaussians.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/data/toy_gaussians.hpp>

namespace pushforward::data {

PUSHFORWARD_ONCE std::vector<detail::Center> EightGaussians::means(const EightGaussiansOptions& options) {
  detail::check_positive("EightGaussians", "radius", options.radius);
  detail::check_positive("EightGaussians", "noise", options.noise);
  std::vector<detail::Center> all;
  for (int k = 0; k < 8; ++k)
    all.push_back(
        {options.radius * std::cos(k * detail::pi / 4), options.radius * std::sin(k * detail::pi / 4), 0.125});
  return all;
}

PUSHFORWARD_ONCE std::vector<detail::Center> GridGaussians::means(const GridGaussiansOptions& options) {
  if (options.side < 1) fail<ValueError>("GridGaussians: got side = ", options.side, ", expected at least 1");
  detail::check_positive("GridGaussians", "spacing", options.spacing);
  detail::check_positive("GridGaussians", "noise", options.noise);
  const Index count = options.side * options.side;
  const double middle = 0.5 * static_cast<double>(options.side - 1);
  std::vector<detail::Center> all;
  for (Index k = 0; k < count; ++k)
    all.push_back({options.spacing * (static_cast<double>(k / options.side) - middle),
                   options.spacing * (static_cast<double>(k % options.side) - middle), 1 / static_cast<double>(count)});
  return all;
}

PUSHFORWARD_ONCE Pinwheel::Pinwheel(const PinwheelOptions& options) : options_(options) {
  if (options.arms < 1) fail<ValueError>("Pinwheel: got arms = ", options.arms, ", expected at least 1");
  detail::check_positive("Pinwheel", "radial_noise", options.radial_noise);
  detail::check_positive("Pinwheel", "tangential_noise", options.tangential_noise);
  detail::check_positive("Pinwheel", "scale", options.scale);
  if (!std::isfinite(options.rate))
    fail<ValueError>("Pinwheel: got rate = ", options.rate, ", expected a finite number");
}

PUSHFORWARD_ONCE double Pinwheel::entropy() const {
  const double narrow = std::min(options_.radial_noise, options_.tangential_noise);
  const double reach = 1 + 9 * std::max(options_.radial_noise, options_.tangential_noise);
  const double shift = log_normalizer() + 2 * std::log(options_.scale);
  return detail::entropy_on_grid(
             {-reach, -reach}, {reach, reach}, narrow / 3,
             [&](double y, const auto& visit) { visit([&](double x) { return shift + std::log(unbent(x, y)); }); }) +
         2 * std::log(options_.scale);
}

PUSHFORWARD_ONCE double Pinwheel::log_normalizer() const {
  return -std::log(2 * detail::pi * options_.radial_noise * options_.tangential_noise * options_.scale *
                   options_.scale * static_cast<double>(options_.arms));
}

PUSHFORWARD_ONCE double Pinwheel::unbent(double x, double y) const {
  double total = 0;
  for (Index k = 0; k < options_.arms; ++k) {
    const double c = std::cos(arm_angle(k)), s = std::sin(arm_angle(k));
    const double radial = (c * x + s * y - 1) / options_.radial_noise;
    const double tangential = (c * y - s * x) / options_.tangential_noise;
    total += std::exp(-0.5 * (radial * radial + tangential * tangential));
  }
  return total;
}

PUSHFORWARD_ONCE Checkerboard::Checkerboard(const CheckerboardOptions& options) : options_(options) {
  if (options.cells < 2 || options.cells % 2)
    fail<ValueError>("Checkerboard: got cells = ", options.cells, ", expected an even number of at least 2");
  detail::check_positive("Checkerboard", "extent", options.extent);
}

}  // namespace pushforward::data
