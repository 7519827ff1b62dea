// Canvas: anti-aliased lines, discs, areas, pictures and text on pixels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pushforward/io/png.hpp>
#include <pushforward/plot/color.hpp>
#include <pushforward/plot/font.hpp>

namespace pushforward::plot {

/// A rectangle: left top corner and size, in pixels.
struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
  /// This rectangle without margins.
  Rect inset(double left, double top, double right, double bottom) const {
    return {x + left, y + top, std::max(1.0, width - left - right), std::max(1.0, height - top - bottom)};
  }
};

/// Where text stands relative to its position.
enum class Align { left, center, right };

/// How text is drawn.
struct TextStyle {
  double size = 16;  ///< Pixels from line to line, about; capitals are 0.7 of it.
  Color color = ink;
  Align align = Align::left;
  bool bold = false;
  bool upward = false;  ///< Turned by a quarter: reads from below to above.
};

/// Pixels to draw on, blended in floating point so that thousands of faint marks add up.
///
/// Positions are pixels from the left top corner; whole numbers lie between pixels. What lies outside is cut off.
class Canvas {
 public:
  /// A canvas of one color. Throws ValueError for less than a pixel or more than 2^28.
  Canvas(Index width, Index height, const Color& background = white);

  Index width() const { return width_; }
  Index height() const { return height_; }
  const Color& pixel(Index x, Index y) const { return pixels_[static_cast<std::size_t>(y * width_ + x)]; }

  /// Draws only inside of `area` from now on.
  void clip(const Rect& area);
  void clear_clip() { clip_ = {0, 0, width_, height_}; }

  /// A filled rectangle.
  void fill(const Rect& area, const Color& color, double alpha = 1);

  /// A filled disc.
  void disc(const Point& center, double radius, const Color& color, double alpha = 1);

  /// A line through all points with round ends; it covers every pixel once, also where it crosses itself.
  void line(std::span<const Point> points, double width, const Color& color, double alpha = 1);
  void line(const Point& from, const Point& to, double width, const Color& color, double alpha = 1);

  /// The inside of a closed polygon, by the nonzero rule.
  void fill(std::span<const Point> points, const Color& color, double alpha = 1);

  /// The outline of a rectangle, drawn inwards with whole pixels.
  void frame(const Rect& area, double width, const Color& color);

  /// A picture of `columns` x `rows` colors, `color(column, row)`, over `area`: every pixel gets the average of what it
  /// covers, so large cells have sharp edges and small ones do not flicker.
  template <class Pick>
  void picture(const Rect& area, Index columns, Index rows, const Pick& color) {
    const Box box = bounds(area.x, area.y, area.right(), area.bottom());
    const double across = static_cast<double>(columns) / area.width, down = static_cast<double>(rows) / area.height;
    for (Index y = box.top; y < box.bottom; ++y)
      for (Index x = box.left; x < box.right; ++x) {
        const double left = std::max(0.0, (static_cast<double>(x) - area.x) * across),
                     right = std::min(static_cast<double>(columns), left + across);
        const double top = std::max(0.0, (static_cast<double>(y) - area.y) * down),
                     bottom = std::min(static_cast<double>(rows), top + down);
        double red = 0, green = 0, blue = 0, total = 0;
        for (auto j = static_cast<Index>(top); j < rows && static_cast<double>(j) < bottom; ++j)
          for (auto i = static_cast<Index>(left); i < columns && static_cast<double>(i) < right; ++i) {
            const double weight = overlap(i, left, right) * overlap(j, top, bottom);
            const Color c = color(i, j);
            red += weight * static_cast<double>(c.red);
            green += weight * static_cast<double>(c.green);
            blue += weight * static_cast<double>(c.blue);
            total += weight;
          }
        if (total <= 0) continue;
        const Color average{static_cast<float>(red / total), static_cast<float>(green / total),
                            static_cast<float>(blue / total)};
        blend(x, y, average, overlap(x, area.x, area.right()) * overlap(y, area.y, area.bottom()));
      }
  }

  /// Sets every pixel of `area` to `color(x, y)` of its center.
  template <class Pick>
  void shade(const Rect& area, const Pick& color) {
    const Box box = bounds(area.x, area.y, area.right(), area.bottom());
    for (Index y = box.top; y < box.bottom; ++y)
      for (Index x = box.left; x < box.right; ++x)
        blend(x, y, color(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5), 1);
  }

  /// One line of UTF-8 text whose baseline begins (ends, has its middle) at `at`.
  void text(const Point& at, std::string_view words, const TextStyle& style = {});

  /// How wide a line of text is, in pixels.
  static double text_width(std::string_view words, double size);

  /// What has been drawn, as 8-bit RGB.
  Image image() const;

 private:
  // Added between letters, in units of the font.
  static constexpr double tracking = 0.35;

  struct Box {
    Index left = 0, top = 0, right = 0, bottom = 0;
  };

  // The pixels that a rectangle touches and that may be drawn on.
  Box bounds(double left, double top, double right, double bottom) const;
  static double overlap(Index cell, double low, double high);
  void blend(Index x, Index y, const Color& color, double alpha);

  void cover_segment(const Box& box, const Point& a, const Point& b, double half);
  void blend_coverage(const Box& box, const Color& color, double alpha);
  void cover_span(double from, double to, float weight);

  // Heights in pixels, with the heights of small letters and capitals rounded to whole pixels.
  static double sharp_height(double y, double unit);

  Index width_, height_;
  std::vector<Color> pixels_;
  Box clip_;
  std::vector<float> coverage_;
};

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/canvas.inl>
#endif
