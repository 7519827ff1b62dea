// Curves: losses over epochs and the like.
#pragma once

#include <string>
#include <vector>

#include <pushforward/plot/scatter.hpp>

namespace pushforward::plot {

/// How a plot of curves looks. Zeros are chosen to suit.
struct CurveOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Index width = 900, height = 600;  ///< Pixels; a panel of a Figure has its own.
  Range x_range = {}, y_range = {};
  bool log_x = false, log_y = false;
  double line_width = 0;  ///< Pixels.
  bool markers = false;   ///< A dot at every point.
  bool axes = true;       ///< Ticks and numbers; without, a bare frame.
  Legend legend = Legend::automatic;
  double font_size = 0;
};

namespace detail {

// Positions along all curves, close enough that no part of one hides between them.
std::vector<Point> along_curves(const Axes& axes, const std::vector<Series>& all);

void draw_curve(Canvas& canvas, const Rect& cell, const std::vector<Series>& all, const CurveOptions& options,
                double em);

}  // namespace detail

/// Writes curves through the points of one or more series as a PNG file.
///
/// Throws ValueError for no points, points that are not finite, or numbers that are not positive on a logarithmic axis;
/// IoError.
void curve(const std::string& path, const std::vector<Series>& series, const CurveOptions& options = {});

/// Writes the curve of heights [n] over 0, 1, 2, ..., or through points [n, 2], as a PNG file.
template <class S>
void curve(const std::string& path, const Tensor<S>& values, const CurveOptions& options = {}) {
  curve(path, std::vector<Series>{Series("", values)}, options);
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/curve.inl>
#endif
