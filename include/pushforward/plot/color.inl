// Bodies of color.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/color.hpp>

namespace pushforward::plot {

PUSHFORWARD_ONCE Color palette(std::size_t i) {
  constexpr Color colors[] = {rgb(0x2f6fde), rgb(0xf2762e), rgb(0x17a07a), rgb(0xd6416b), rgb(0x8458d9),
                              rgb(0xe0a61b), rgb(0x22a3c7), rgb(0x8a5a44), rgb(0x6f9a1f), rgb(0x7b8494)};
  return mix(colors[i % 10], black, 0.25f * static_cast<float>(std::min<std::size_t>(i / 10, 2)));
}

}  // namespace pushforward::plot

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE std::array<double, 3> linear_rgb(const Lab& c) {
  const double l = std::pow(c.lightness + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
  const double m = std::pow(c.lightness - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
  const double s = std::pow(c.lightness - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

PUSHFORWARD_ONCE Color to_color(Lab c) {
  std::array<double, 3> channels = linear_rgb(c);
  const auto outside = [&] {
    return std::any_of(channels.begin(), channels.end(), [](double x) { return x < -1e-4 || x > 1.0001; });
  };
  for (int step = 0; step < 100 && outside(); ++step) {
    c.a *= 0.97;
    c.b *= 0.97;
    channels = linear_rgb(c);
  }
  const auto encode = [](double x) {
    x = std::clamp(x, 0.0, 1.0);
    return static_cast<float>(x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055);
  };
  return {encode(channels[0]), encode(channels[1]), encode(channels[2])};
}

PUSHFORWARD_ONCE const std::array<Color, 256>& colormap_table(Colormap map) {
  static const auto lagoon =
      make_colormap(0.27, 0.93, {{0.12, 302}, {0.13, 275}, {0.10, 230}, {0.12, 180}, {0.17, 145}, {0.19, 108}});
  static const auto ember = make_colormap(
      0.06, 0.97, {{0.03, 285}, {0.12, 292}, {0.18, 325}, {0.20, 15}, {0.16, 55}, {0.12, 80}, {0.05, 100}});
  static const auto tide =
      make_colormap(1.0, 0.32, {{0.0, 225}, {0.06, 222}, {0.12, 235}, {0.16, 255}, {0.16, 265}, {0.13, 272}});
  static const auto grey = make_colormap(0.0, 1.0, {{0, 0}, {0, 0}});
  switch (map) {
    case Colormap::lagoon:
      return lagoon;
    case Colormap::ember:
      return ember;
    case Colormap::tide:
      return tide;
    case Colormap::grey:
      break;
  }
  return grey;
}

}  // namespace pushforward::plot::detail

namespace pushforward::plot {

PUSHFORWARD_ONCE Color color_of(Colormap map, double amount) {
  const double at = std::clamp(amount, 0.0, 1.0) * 255;
  const auto k = std::min<std::size_t>(static_cast<std::size_t>(at), 254);
  const auto& table = detail::colormap_table(map);
  return mix(table[k], table[k + 1], static_cast<float>(at - static_cast<double>(k)));
}

}  // namespace pushforward::plot
