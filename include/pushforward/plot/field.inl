// Bodies of field.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/field.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE void draw_arrow(Canvas& canvas, const Point& from, double dx, double dy, double width,
                                 const Color& color, double alpha) {
  const double length = std::hypot(dx, dy);
  if (!(length > 0)) return;
  const double head = std::min(0.45 * length, 4.5 * width), ux = dx / length, uy = dy / length;
  const Point tip{from.x + dx, from.y + dy}, neck{tip.x - head * ux, tip.y - head * uy};
  const Point triangle[] = {
      tip, {neck.x - 0.5 * head * uy, neck.y + 0.5 * head * ux}, {neck.x + 0.5 * head * uy, neck.y - 0.5 * head * ux}};
  canvas.line(from, neck, std::min(width, 0.5 * head), color, alpha);
  canvas.fill(triangle, color, alpha);
}

PUSHFORWARD_ONCE void draw_arrows(Figure& figure, const Rect& panel, const Series& from, const Series& vectors,
                                  const ArrowOptions& o) {
  const Axes axes = field_axes("arrows", figure, panel, o, from);
  check_series("arrows", {vectors});
  double longest = 0;
  for (const Point& v : vectors.points) longest = std::max(longest, std::hypot(v.x, v.y));
  const double em = figure.font_size(), pixels = o.length > 0 ? o.length : 1.4 * em;
  const double width = o.line_width > 0 ? o.line_width : std::max(1.2, 0.1 * em);
  draw_within(figure.canvas(), axes, o.over, [&](Canvas& canvas) {
    for (std::size_t i = 0; i < from.points.size() && longest > 0; ++i) {
      const Point v = vectors.points[i];
      const double part = std::hypot(v.x, v.y) / longest;
      const double scale = (o.even && part > 0 ? std::pow(part, -0.7) : 1.0) * pixels / longest;
      draw_arrow(canvas, axes.position(from.points[i]), v.x * scale, -v.y * scale, width, o.color, o.alpha);
    }
  });
}

PUSHFORWARD_ONCE void draw_trajectories(Figure& figure, const Rect& panel, const Series& states, std::size_t count,
                                        const TrajectoryOptions& o) {
  const Axes axes = field_axes("trajectories", figure, panel, o, states);
  const std::size_t times = states.points.size() / count;
  const double em = figure.font_size(), width = o.line_width > 0 ? o.line_width : std::max(1.0, 0.07 * em);
  const double alpha = o.alpha > 0 ? o.alpha : std::clamp(6 / std::sqrt(static_cast<double>(count)), 0.15, 0.8);
  const auto at = [&](std::size_t time, std::size_t i) { return axes.position(states.points[time * count + i]); };
  draw_within(figure.canvas(), axes, o.over, [&](Canvas& canvas) {
    for (std::size_t k = 0; k + 1 < times; ++k) {
      const Color color = color_of(o.colormap, 0.85 * static_cast<double>(k) / static_cast<double>(times - 1));
      for (std::size_t i = 0; i < count; ++i) canvas.line(at(k, i), at(k + 1, i), width, color, alpha);
    }
    for (std::size_t i = 0; i < count && o.ends; ++i)
      canvas.disc(at(times - 1, i), 1.8 * width, o.end_color, std::min(1.0, 2.5 * alpha));
  });
}

}  // namespace pushforward::plot::detail
