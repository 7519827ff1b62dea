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
  Canvas(Index width, Index height, const Color& background = white) : width_(width), height_(height) {
    constexpr Index most = Index{1} << 28;
    if (width < 1 || height < 1 || width > most || height > most / width)
      fail<ValueError>("Canvas: got ", width, " x ", height,
                       " pixels, expected at least 1 x 1 and at most 2^28 pixels");
    pixels_.assign(static_cast<std::size_t>(width * height), background);
    clear_clip();
  }

  Index width() const { return width_; }
  Index height() const { return height_; }
  const Color& pixel(Index x, Index y) const { return pixels_[static_cast<std::size_t>(y * width_ + x)]; }

  /// Draws only inside of `area` from now on.
  void clip(const Rect& area) {
    clip_ = {std::clamp<Index>(std::lround(area.x), 0, width_), std::clamp<Index>(std::lround(area.y), 0, height_),
             std::clamp<Index>(std::lround(area.right()), 0, width_),
             std::clamp<Index>(std::lround(area.bottom()), 0, height_)};
  }
  void clear_clip() { clip_ = {0, 0, width_, height_}; }

  /// A filled rectangle.
  void fill(const Rect& area, const Color& color, double alpha = 1) {
    const Box box = bounds(area.x, area.y, area.right(), area.bottom());
    for (Index y = box.top; y < box.bottom; ++y)
      for (Index x = box.left; x < box.right; ++x)
        blend(x, y, color, alpha * overlap(x, area.x, area.right()) * overlap(y, area.y, area.bottom()));
  }

  /// A filled disc.
  void disc(const Point& center, double radius, const Color& color, double alpha = 1) {
    // Less than a pixel wide, a disc keeps its area by growing faint.
    const double drawn = std::max(radius, 0.5), faint = alpha * std::min(1.0, 4 * radius * radius);
    const Box box = bounds(center.x - drawn - 1, center.y - drawn - 1, center.x + drawn + 1, center.y + drawn + 1);
    for (Index y = box.top; y < box.bottom; ++y)
      for (Index x = box.left; x < box.right; ++x) {
        const double dx = static_cast<double>(x) + 0.5 - center.x, dy = static_cast<double>(y) + 0.5 - center.y;
        blend(x, y, color, faint * std::clamp(drawn + 0.5 - std::sqrt(dx * dx + dy * dy), 0.0, 1.0));
      }
  }

  /// A line through all points with round ends; it covers every pixel once, also where it crosses itself.
  void line(std::span<const Point> points, double width, const Color& color, double alpha = 1) {
    if (points.empty()) return;
    const double half = std::max(width, 1.0) / 2, faint = alpha * std::min(1.0, width);
    Point low = points[0], high = points[0];
    for (const Point& p : points) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const Box box = bounds(low.x - half - 1, low.y - half - 1, high.x + half + 1, high.y + half + 1);
    if (box.right <= box.left || box.bottom <= box.top) return;
    coverage_.assign(static_cast<std::size_t>((box.right - box.left) * (box.bottom - box.top)), 0.0f);
    for (std::size_t i = 0; i + 1 < points.size() || i == 0; ++i)
      cover_segment(box, points[i], points[std::min(i + 1, points.size() - 1)], half);
    blend_coverage(box, color, faint);
  }
  void line(const Point& from, const Point& to, double width, const Color& color, double alpha = 1) {
    const Point points[] = {from, to};
    line(points, width, color, alpha);
  }

  /// The inside of a closed polygon, by the nonzero rule.
  void fill(std::span<const Point> points, const Color& color, double alpha = 1) {
    if (points.size() < 3) return;
    double top = points[0].y, bottom = top;
    for (const Point& p : points) top = std::min(top, p.y), bottom = std::max(bottom, p.y);
    const Box box = bounds(0, top, static_cast<double>(width_), bottom);
    constexpr int samples = 4;
    std::vector<std::pair<double, int>> crossings;
    for (Index y = box.top; y < box.bottom; ++y) {
      coverage_.assign(static_cast<std::size_t>(width_), 0.0f);
      for (int s = 0; s < samples; ++s) {
        const double at = static_cast<double>(y) + (s + 0.5) / samples;
        crossings.clear();
        for (std::size_t i = 0; i < points.size(); ++i) {
          const Point &a = points[i], &b = points[(i + 1) % points.size()];
          if ((a.y <= at) != (b.y <= at))
            crossings.emplace_back(a.x + (at - a.y) / (b.y - a.y) * (b.x - a.x), a.y < b.y ? 1 : -1);
        }
        std::sort(crossings.begin(), crossings.end());
        int winding = 0;
        for (std::size_t i = 0; i + 1 < crossings.size(); ++i) {
          winding += crossings[i].second;
          if (winding) cover_span(crossings[i].first, crossings[i + 1].first, 1.0f / samples);
        }
      }
      for (Index x = box.left; x < box.right; ++x)
        blend(x, y, color, alpha * static_cast<double>(coverage_[static_cast<std::size_t>(x)]));
    }
  }

  /// The outline of a rectangle, drawn inwards with whole pixels.
  void frame(const Rect& area, double width, const Color& color) {
    const double x = std::round(area.x), y = std::round(area.y), right = std::round(area.right()),
                 bottom = std::round(area.bottom());
    fill(Rect{x, y, right - x, width}, color);
    fill(Rect{x, bottom - width, right - x, width}, color);
    fill(Rect{x, y + width, width, bottom - y - 2 * width}, color);
    fill(Rect{right - width, y + width, width, bottom - y - 2 * width}, color);
  }

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
  void text(const Point& at, std::string_view words, const TextStyle& style = {}) {
    const double unit = style.size / 20, total = text_width(words, style.size);
    double along = style.align == Align::left ? 0 : style.align == Align::center ? -total / 2 : -total;
    // Baselines in the middle of a pixel and heights of whole pixels keep horizontal strokes sharp.
    const double baseline = std::floor(style.upward ? at.x : at.y) + 0.5;
    const double pen = std::max(1.05, unit * (style.bold ? 2.35 : 1.7));
    while (!words.empty()) {
      const detail::Glyph& glyph = detail::unicode_glyph(detail::next_code_point(words));
      for (detail::Stroke& stroke : detail::GlyphReader(glyph.path).read()) {
        for (Point& p : stroke) {
          const double x = along + p.x * unit, y = sharp_height(p.y, unit);
          p = style.upward ? Point{baseline - y, at.y - x} : Point{at.x + x, baseline - y};
        }
        line(stroke, pen, style.color);
      }
      along += (glyph.advance + tracking) * unit;
    }
  }

  /// How wide a line of text is, in pixels.
  static double text_width(std::string_view words, double size) {
    double width = 0;
    while (!words.empty()) width += detail::unicode_glyph(detail::next_code_point(words)).advance + tracking;
    return std::max(0.0, width - tracking) * size / 20;
  }

  /// What has been drawn, as 8-bit RGB.
  Image image() const {
    Image result{width_, height_, 3, std::vector<std::uint8_t>(pixels_.size() * 3)};
    const auto byte = [](float x) { return static_cast<std::uint8_t>(std::clamp(x, 0.0f, 1.0f) * 255.0f + 0.5f); };
    for (std::size_t i = 0; i < pixels_.size(); ++i) {
      result.pixels[3 * i] = byte(pixels_[i].red);
      result.pixels[3 * i + 1] = byte(pixels_[i].green);
      result.pixels[3 * i + 2] = byte(pixels_[i].blue);
    }
    return result;
  }

 private:
  // Added between letters, in units of the font.
  static constexpr double tracking = 0.35;

  struct Box {
    Index left = 0, top = 0, right = 0, bottom = 0;
  };

  // The pixels that a rectangle touches and that may be drawn on.
  Box bounds(double left, double top, double right, double bottom) const {
    const auto whole = [](double x, Index low, Index high) {
      return static_cast<Index>(std::clamp(x, static_cast<double>(low), static_cast<double>(high)));
    };
    return {whole(std::floor(left), clip_.left, clip_.right), whole(std::floor(top), clip_.top, clip_.bottom),
            whole(std::ceil(right), clip_.left, clip_.right), whole(std::ceil(bottom), clip_.top, clip_.bottom)};
  }
  static double overlap(Index cell, double low, double high) {
    return std::clamp(std::min(high, static_cast<double>(cell + 1)) - std::max(low, static_cast<double>(cell)), 0.0,
                      1.0);
  }
  void blend(Index x, Index y, const Color& color, double alpha) {
    Color& pixel = pixels_[static_cast<std::size_t>(y * width_ + x)];
    pixel = mix(pixel, color, static_cast<float>(alpha));
  }

  void cover_segment(const Box& box, const Point& a, const Point& b, double half) {
    const double dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy, reach = half + 1;
    const Box near = bounds(std::min(a.x, b.x) - reach, std::min(a.y, b.y) - reach, std::max(a.x, b.x) + reach,
                            std::max(a.y, b.y) + reach);
    const Index stride = box.right - box.left;
    for (Index y = near.top; y < near.bottom; ++y)
      for (Index x = near.left; x < near.right; ++x) {
        const double px = static_cast<double>(x) + 0.5 - a.x, py = static_cast<double>(y) + 0.5 - a.y;
        const double t = square > 0 ? std::clamp((px * dx + py * dy) / square, 0.0, 1.0) : 0.0;
        const double ex = px - t * dx, ey = py - t * dy, distance = std::sqrt(ex * ex + ey * ey);
        float& cover = coverage_[static_cast<std::size_t>((y - box.top) * stride + (x - box.left))];
        cover = std::max(cover, static_cast<float>(std::clamp(half + 0.5 - distance, 0.0, 1.0)));
      }
  }
  void blend_coverage(const Box& box, const Color& color, double alpha) {
    std::size_t i = 0;
    for (Index y = box.top; y < box.bottom; ++y)
      for (Index x = box.left; x < box.right; ++x, ++i)
        if (coverage_[i] > 0) blend(x, y, color, alpha * static_cast<double>(coverage_[i]));
  }
  void cover_span(double from, double to, float weight) {
    const auto begin = static_cast<Index>(std::clamp(std::floor(from), 0.0, static_cast<double>(width_)));
    const auto end = static_cast<Index>(std::clamp(std::ceil(to), 0.0, static_cast<double>(width_)));
    for (Index x = begin; x < end; ++x)
      coverage_[static_cast<std::size_t>(x)] += weight * static_cast<float>(overlap(x, from, to));
  }

  // Heights in pixels, with the heights of small letters and capitals rounded to whole pixels.
  static double sharp_height(double y, double unit) {
    constexpr double small = 10, capital = 14;
    const double low = std::round(small * unit), high = std::round(capital * unit);
    if (y <= 0) return y * unit;
    if (y <= small) return y / small * low;
    return low + (y - small) / (capital - small) * (high - low);
  }

  Index width_, height_;
  std::vector<Color> pixels_;
  Box clip_;
  std::vector<float> coverage_;
};

}  // namespace pushforward::plot
