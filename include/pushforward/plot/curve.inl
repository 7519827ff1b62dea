// Bodies of curve.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/curve.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE std::vector<Point> along_curves(const Axes& axes, const std::vector<Series>& all) {
  std::vector<Point> positions;
  for (const Series& series : all)
    for (std::size_t i = 0; i < series.points.size(); ++i) {
      const Point b = axes.position(series.points[i]), a = i ? axes.position(series.points[i - 1]) : b;
      const int pieces = static_cast<int>(std::clamp(std::hypot(b.x - a.x, b.y - a.y) / 6, 1.0, 500.0));
      for (int k = 1; k <= pieces; ++k)
        positions.push_back({a.x + (b.x - a.x) * k / pieces, a.y + (b.y - a.y) * k / pieces});
    }
  return positions;
}

PUSHFORWARD_ONCE void draw_curve(Canvas& canvas, const Rect& cell, const std::vector<Series>& all,
                                 const CurveOptions& options, double em) {
  check_series("curve", all);
  const AxesOptions look{.title = options.title,
                         .x_label = options.x_label,
                         .y_label = options.y_label,
                         .x_range = options.x_range,
                         .y_range = options.y_range,
                         .log_x = options.log_x,
                         .log_y = options.log_y,
                         .decorated = options.axes,
                         .font_size = em};
  const auto data = extent(all);
  const LegendBox legend(all, em, true);
  const bool named = options.legend != Legend::none && !legend.empty();
  const Axes axes("curve", cell, look, data, named && options.legend == Legend::outside ? legend.width() : 0.0);
  axes.draw_grid(canvas);
  canvas.clip(axes.box());
  const double width = options.line_width > 0 ? options.line_width : std::max(1.5, 0.14 * em);
  for (std::size_t s = 0; s < all.size(); ++s) {
    std::vector<Point> points;
    for (const Point& p : all[s].points) points.push_back(axes.position(p));
    canvas.line(points, width, series_color(all, s));
    if (options.markers || points.size() == 1)
      for (const Point& p : points) canvas.disc(p, 1.6 * width, series_color(all, s));
  }
  canvas.clear_clip();
  axes.draw_frame(canvas);
  if (named) legend.draw(canvas, legend.place(options.legend, axes.box(), along_curves(axes, all)).first);
}

}  // namespace pushforward::plot::detail

namespace pushforward::plot {

PUSHFORWARD_ONCE void curve(const std::string& path, const std::vector<Series>& series, const CurveOptions& options) {
  Canvas canvas(options.width, options.height);
  const auto width = static_cast<double>(options.width), height = static_cast<double>(options.height);
  detail::draw_curve(canvas, {0, 0, width, height}, series, options,
                     detail::font_size_of(options.font_size, width, height));
  write_png(path, canvas.image());
}

}  // namespace pushforward::plot
