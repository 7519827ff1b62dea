// Scatter plots.
#pragma once

#include <string>
#include <vector>

#include <pushforward/plot/axes.hpp>

namespace pushforward::plot {

/// How a scatter plot looks. Zeros are chosen to suit.
struct ScatterOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Index width = 800, height = 0;  ///< Pixels, the height by the shape of the data; a panel of a Figure has its own.
  Range x_range = {}, y_range = {};
  double point_size = 0;  ///< Diameter in pixels; by the number of points.
  double alpha = 0;       ///< Opacity of a point in (0, 1]; by the number of points.
  bool equal_aspect = true;
  bool axes = true;  ///< Ticks and numbers; without, a bare frame.
  Legend legend = Legend::automatic;
  double font_size = 0;
};

namespace detail {

struct PointLook {
  double radius, alpha;
};

// Many points are drawn small and faint.
inline PointLook point_look(std::size_t count, double size, double alpha, double em) {
  const double n = std::max(1.0, static_cast<double>(count));
  const double diameter = size > 0 ? size : std::clamp(1.05 * em * std::pow(n, -0.19), 0.13 * em, 0.45 * em);
  return {diameter / 2, alpha > 0 ? std::min(alpha, 1.0) : std::clamp(30 / std::sqrt(n), 0.35, 0.9)};
}

inline void draw_scatter(Canvas& canvas, const Rect& cell, const std::vector<Series>& all,
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

// The height asked for, or one that leaves little room around the data, within reason.
template <class Options>
Index suited_height(const Options& options, const std::pair<Range, Range>& shown) {
  if (options.height != 0) return options.height;
  const double across = shown.first.high - shown.first.low, up = shown.second.high - shown.second.low;
  const double ratio = options.equal_aspect && across > 0 && up > 0 ? std::clamp(up / across, 0.5, 1.0) : 0.75;
  return std::lround(static_cast<double>(options.width) * (0.11 + 0.86 * ratio));
}

inline double font_size_of(double asked, double width, double height) {
  return asked > 0 ? asked : suited_font_size(width, height);
}

}  // namespace detail

/// Writes a scatter plot of several series of points as a PNG file.
///
/// Throws ValueError for no points or points that are not finite, ShapeError for shapes other than [n, 2], IoError.
inline void scatter(const std::string& path, const std::vector<Series>& series, const ScatterOptions& options = {}) {
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

/// Writes a scatter plot of points [n, 2] as a PNG file.
template <class S>
void scatter(const std::string& path, const Tensor<S>& points, const ScatterOptions& options = {}) {
  scatter(path, std::vector<Series>{Series("", points)}, options);
}

}  // namespace pushforward::plot
