// Colors: a palette for categories and maps for amounts.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace pushforward::plot {

/// A color, its channels in [0, 1] as sRGB.
struct Color {
  float red = 0, green = 0, blue = 0;
};

/// The color of three bytes: `rgb(0x1f6fb4)`.
constexpr Color rgb(unsigned hex) {
  return {static_cast<float>(hex >> 16 & 255) / 255, static_cast<float>(hex >> 8 & 255) / 255,
          static_cast<float>(hex & 255) / 255};
}

inline constexpr Color white = rgb(0xffffff), black = rgb(0x000000), ink = rgb(0x22262e), muted = rgb(0x6b7280),
                       grid_line = rgb(0xe8eaee), frame_line = rgb(0x9aa1ad);

/// `a` and `b` blended: `a` at t = 0, `b` at t = 1.
inline Color mix(const Color& a, const Color& b, float t) {
  return {a.red + (b.red - a.red) * t, a.green + (b.green - a.green) * t, a.blue + (b.blue - a.blue) * t};
}

/// The color of category `i`: ten that are told apart easily, then the same again, darker.
inline Color palette(std::size_t i) {
  constexpr Color colors[] = {rgb(0x2f6fde), rgb(0xf2762e), rgb(0x17a07a), rgb(0xd6416b), rgb(0x8458d9),
                              rgb(0xe0a61b), rgb(0x22a3c7), rgb(0x8a5a44), rgb(0x6f9a1f), rgb(0x7b8494)};
  return mix(colors[i % 10], black, 0.25f * static_cast<float>(std::min<std::size_t>(i / 10, 2)));
}

/// Maps from an amount in [0, 1] to a color. In all of them equal steps look equally large.
enum class Colormap {
  lagoon,  ///< Deep violet over teal to yellow.
  ember,   ///< Black over purple and orange to cream.
  tide,    ///< White to deep blue: no ink where there is nothing.
  grey     ///< Black to white.
};

namespace detail {

// Oklab (B. Ottosson, "A perceptual color space for image processing", 2020): equal distances look equal.
struct Lab {
  double lightness, a, b;
};

inline std::array<double, 3> linear_rgb(const Lab& c) {
  const double l = std::pow(c.lightness + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
  const double m = std::pow(c.lightness - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
  const double s = std::pow(c.lightness - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

// The sRGB color of `c`, its chroma reduced until screens can show it.
inline Color to_color(Lab c) {
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

// Lightness runs straight from the first stop to the last; hue and chroma pass smoothly through the stops.
struct Stop {
  double chroma, hue;  // Hue in degrees.
};

template <std::size_t N>
std::array<Color, 256> make_colormap(double first, double last, const Stop (&stops)[N]) {
  std::array<Color, 256> table;
  for (std::size_t i = 0; i < 256; ++i) {
    const double t = static_cast<double>(i) / 255, at = t * (N - 1);
    const auto k = std::min<std::size_t>(static_cast<std::size_t>(at), N - 2);
    const double s = at - static_cast<double>(k);
    // Catmull-Rom through the stops, as points of the a-b plane.
    const auto point = [&](std::size_t j) {
      const Stop& stop = stops[std::min(j, N - 1)];
      return std::array<double, 2>{stop.chroma * std::cos(stop.hue * 0.017453292519943295),
                                   stop.chroma * std::sin(stop.hue * 0.017453292519943295)};
    };
    const auto p0 = point(k ? k - 1 : 0), p1 = point(k), p2 = point(k + 1), p3 = point(k + 2);
    std::array<double, 2> ab{};
    for (std::size_t d = 0; d < 2; ++d)
      ab[d] = p1[d] + 0.5 * s *
                          (p2[d] - p0[d] +
                           s * (2 * p0[d] - 5 * p1[d] + 4 * p2[d] - p3[d] + s * (3 * (p1[d] - p2[d]) + p3[d] - p0[d])));
    table[i] = to_color({first + (last - first) * t, ab[0], ab[1]});
  }
  return table;
}

inline const std::array<Color, 256>& colormap_table(Colormap map) {
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

}  // namespace detail

/// The color of `amount` (clamped to [0, 1]) in a map.
inline Color color_of(Colormap map, double amount) {
  const double at = std::clamp(amount, 0.0, 1.0) * 255;
  const auto k = std::min<std::size_t>(static_cast<std::size_t>(at), 254);
  const auto& table = detail::colormap_table(map);
  return mix(table[k], table[k + 1], static_cast<float>(at - static_cast<double>(k)));
}

}  // namespace pushforward::plot
