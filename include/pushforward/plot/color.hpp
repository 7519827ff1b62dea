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
Color palette(std::size_t i);

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

std::array<double, 3> linear_rgb(const Lab& c);

// The sRGB color of `c`, its chroma reduced until screens can show it.
Color to_color(Lab c);

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

const std::array<Color, 256>& colormap_table(Colormap map);

}  // namespace detail

/// The color of `amount` (clamped to [0, 1]) in a map.
Color color_of(Colormap map, double amount);

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/color.inl>
#endif
