// Bodies of canvas.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/canvas.hpp>

namespace pushforward::plot {

PUSHFORWARD_ONCE Canvas::Canvas(Index width, Index height, const Color& background) : width_(width), height_(height) {
  constexpr Index most = Index{1} << 28;
  if (width < 1 || height < 1 || width > most || height > most / width)
    fail<ValueError>("Canvas: got ", width, " x ", height, " pixels, expected at least 1 x 1 and at most 2^28 pixels");
  pixels_.assign(static_cast<std::size_t>(width * height), background);
  clear_clip();
}

PUSHFORWARD_ONCE void Canvas::clip(const Rect& area) {
  clip_ = {std::clamp<Index>(std::lround(area.x), 0, width_), std::clamp<Index>(std::lround(area.y), 0, height_),
           std::clamp<Index>(std::lround(area.right()), 0, width_),
           std::clamp<Index>(std::lround(area.bottom()), 0, height_)};
}

PUSHFORWARD_ONCE void Canvas::fill(const Rect& area, const Color& color, double alpha) {
  const Box box = bounds(area.x, area.y, area.right(), area.bottom());
  for (Index y = box.top; y < box.bottom; ++y)
    for (Index x = box.left; x < box.right; ++x)
      blend(x, y, color, alpha * overlap(x, area.x, area.right()) * overlap(y, area.y, area.bottom()));
}

PUSHFORWARD_ONCE void Canvas::disc(const Point& center, double radius, const Color& color, double alpha) {
  // Less than a pixel wide, a disc keeps its area by growing faint.
  const double drawn = std::max(radius, 0.5), faint = alpha * std::min(1.0, 4 * radius * radius);
  const Box box = bounds(center.x - drawn - 1, center.y - drawn - 1, center.x + drawn + 1, center.y + drawn + 1);
  for (Index y = box.top; y < box.bottom; ++y)
    for (Index x = box.left; x < box.right; ++x) {
      const double dx = static_cast<double>(x) + 0.5 - center.x, dy = static_cast<double>(y) + 0.5 - center.y;
      blend(x, y, color, faint * std::clamp(drawn + 0.5 - std::sqrt(dx * dx + dy * dy), 0.0, 1.0));
    }
}

PUSHFORWARD_ONCE void Canvas::line(std::span<const Point> points, double width, const Color& color, double alpha) {
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

PUSHFORWARD_ONCE void Canvas::line(const Point& from, const Point& to, double width, const Color& color, double alpha) {
  const Point points[] = {from, to};
  line(points, width, color, alpha);
}

PUSHFORWARD_ONCE void Canvas::fill(std::span<const Point> points, const Color& color, double alpha) {
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

PUSHFORWARD_ONCE void Canvas::frame(const Rect& area, double width, const Color& color) {
  const double x = std::round(area.x), y = std::round(area.y), right = std::round(area.right()),
               bottom = std::round(area.bottom());
  fill(Rect{x, y, right - x, width}, color);
  fill(Rect{x, bottom - width, right - x, width}, color);
  fill(Rect{x, y + width, width, bottom - y - 2 * width}, color);
  fill(Rect{right - width, y + width, width, bottom - y - 2 * width}, color);
}

PUSHFORWARD_ONCE void Canvas::text(const Point& at, std::string_view words, const TextStyle& style) {
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

PUSHFORWARD_ONCE double Canvas::text_width(std::string_view words, double size) {
  double width = 0;
  while (!words.empty()) width += detail::unicode_glyph(detail::next_code_point(words)).advance + tracking;
  return std::max(0.0, width - tracking) * size / 20;
}

PUSHFORWARD_ONCE Image Canvas::image() const {
  Image result{width_, height_, 3, std::vector<std::uint8_t>(pixels_.size() * 3)};
  const auto byte = [](float x) { return static_cast<std::uint8_t>(std::clamp(x, 0.0f, 1.0f) * 255.0f + 0.5f); };
  for (std::size_t i = 0; i < pixels_.size(); ++i) {
    result.pixels[3 * i] = byte(pixels_[i].red);
    result.pixels[3 * i + 1] = byte(pixels_[i].green);
    result.pixels[3 * i + 2] = byte(pixels_[i].blue);
  }
  return result;
}

PUSHFORWARD_ONCE Canvas::Box Canvas::bounds(double left, double top, double right, double bottom) const {
  const auto whole = [](double x, Index low, Index high) {
    return static_cast<Index>(std::clamp(x, static_cast<double>(low), static_cast<double>(high)));
  };
  return {whole(std::floor(left), clip_.left, clip_.right), whole(std::floor(top), clip_.top, clip_.bottom),
          whole(std::ceil(right), clip_.left, clip_.right), whole(std::ceil(bottom), clip_.top, clip_.bottom)};
}

PUSHFORWARD_ONCE double Canvas::overlap(Index cell, double low, double high) {
  return std::clamp(std::min(high, static_cast<double>(cell + 1)) - std::max(low, static_cast<double>(cell)), 0.0, 1.0);
}

PUSHFORWARD_ONCE void Canvas::blend(Index x, Index y, const Color& color, double alpha) {
  Color& pixel = pixels_[static_cast<std::size_t>(y * width_ + x)];
  pixel = mix(pixel, color, static_cast<float>(alpha));
}

PUSHFORWARD_ONCE void Canvas::cover_segment(const Box& box, const Point& a, const Point& b, double half) {
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

PUSHFORWARD_ONCE void Canvas::blend_coverage(const Box& box, const Color& color, double alpha) {
  std::size_t i = 0;
  for (Index y = box.top; y < box.bottom; ++y)
    for (Index x = box.left; x < box.right; ++x, ++i)
      if (coverage_[i] > 0) blend(x, y, color, alpha * static_cast<double>(coverage_[i]));
}

PUSHFORWARD_ONCE void Canvas::cover_span(double from, double to, float weight) {
  const auto begin = static_cast<Index>(std::clamp(std::floor(from), 0.0, static_cast<double>(width_)));
  const auto end = static_cast<Index>(std::clamp(std::ceil(to), 0.0, static_cast<double>(width_)));
  for (Index x = begin; x < end; ++x)
    coverage_[static_cast<std::size_t>(x)] += weight * static_cast<float>(overlap(x, from, to));
}

PUSHFORWARD_ONCE double Canvas::sharp_height(double y, double unit) {
  constexpr double small = 10, capital = 14;
  const double low = std::round(small * unit), high = std::round(capital * unit);
  if (y <= 0) return y * unit;
  if (y <= small) return y / small * low;
  return low + (y - small) / (capital - small) * (high - low);
}

}  // namespace pushforward::plot
