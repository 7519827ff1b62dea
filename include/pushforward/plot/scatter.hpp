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
PointLook point_look(std::size_t count, double size, double alpha, double em);

void draw_scatter(Canvas& canvas, const Rect& cell, const std::vector<Series>& all, const ScatterOptions& options,
                  double em);

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
void scatter(const std::string& path, const std::vector<Series>& series, const ScatterOptions& options = {});

/// Writes a scatter plot of points [n, 2] as a PNG file.
template <class S>
void scatter(const std::string& path, const Tensor<S>& points, const ScatterOptions& options = {}) {
  scatter(path, std::vector<Series>{Series("", points)}, options);
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/scatter.inl>
#endif
