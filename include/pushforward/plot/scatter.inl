// Bodies of scatter.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/scatter.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE PointLook point_look(std::size_t count, double size, double alpha, double em) {
  const double n = std::max(1.0, static_cast<double>(count));
  const double diameter = size > 0 ? size : std::clamp(1.05 * em * std::pow(n, -0.19), 0.13 * em, 0.45 * em);
  return {diameter / 2, alpha > 0 ? std::min(alpha, 1.0) : std::clamp(30 / std::sqrt(n), 0.35, 0.9)};
}

PUSHFORWARD_ONCE void draw_scatter(Canvas& canvas, const Rect& cell, const std::vector<Series>& all,
                                   const ScatterOptions& options, double em) {
  check_series("scatter", all);
  std::size_t total = 0, longest = 0;
  for (const Series& series : all) {
    if (series.counted)
      fail<ShapeError>("scatter: series '", series.name, "' got heights of shape [", series.points.size(),
                       "], expected points [n, 2]");
    total += series.points.size();
    longest = std::max(longest, series.points.size());
  }
  const AxesOptions look{.title = options.title,
                         .x_label = options.x_label,
                         .y_label = options.y_label,
                         .x_range = options.x_range,
                         .y_range = options.y_range,
                         .equal = options.equal_aspect,
                         .decorated = options.axes,
                         .font_size = em};
  const auto data = extent(all);
  Axes axes("scatter", cell, look, data);
  const LegendBox legend(all, em, false);
  const bool named = options.legend != Legend::none && !legend.empty();
  std::pair<Rect, std::size_t> place;
  if (named) {
    std::vector<Point> positions;
    for (const Series& series : all)
      for (const Point& p : series.points) positions.push_back(axes.position(p));
    place = legend.place(options.legend, axes.box(), positions);
    const bool hides = place.second > total / 250 || legend.entries() > 6;
    if (options.legend == Legend::outside || (options.legend == Legend::automatic && hides)) {
      axes = Axes("scatter", cell, look, data, legend.width());
      place = legend.place(Legend::outside, axes.box(), {});
    }
  }
  axes.draw_grid(canvas);
  canvas.clip(axes.box());
  const PointLook dots = point_look(total, options.point_size, options.alpha, em);
  // Series take turns, so that none covers the others.
  for (std::size_t i = 0; i < longest; ++i)
    for (std::size_t s = 0; s < all.size(); ++s)
      if (i < all[s].points.size())
        canvas.disc(axes.position(all[s].points[i]), dots.radius, series_color(all, s), dots.alpha);
  canvas.clear_clip();
  axes.draw_frame(canvas);
  if (named) legend.draw(canvas, place.first);
}

}  // namespace pushforward::plot::detail

namespace pushforward::plot {

PUSHFORWARD_ONCE void scatter(const std::string& path, const std::vector<Series>& series,
                              const ScatterOptions& options) {
  detail::check_series("scatter", series);
  const auto shape = detail::extent(series);
  Canvas canvas(options.width,
                detail::suited_height(options, {options.x_range.automatic() ? shape.first : options.x_range,
                                                options.y_range.automatic() ? shape.second : options.y_range}));
  const auto width = static_cast<double>(canvas.width()), height = static_cast<double>(canvas.height());
  detail::draw_scatter(canvas, {0, 0, width, height}, series, options,
                       detail::font_size_of(options.font_size, width, height));
  write_png(path, canvas.image());
}

}  // namespace pushforward::plot
