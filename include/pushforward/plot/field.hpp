// Vector fields and trajectories: arrows at points, and the lines that points draw as they move.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <pushforward/plot/figure.hpp>

namespace pushforward::plot {

/// How arrows look. Zeros are chosen to suit.
struct ArrowOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Range x_range = {}, y_range = {};
  double length = 0;      ///< Pixels of the longest arrow.
  double line_width = 0;  ///< Pixels.
  double alpha = 0.85;
  Color color = ink;
  bool even = false;  ///< Shortens long arrows, so that weak parts of a field show.
  bool over = false;  ///< Draws over what the panel shows already; give it the same ranges, title and axes.
  bool equal_aspect = true;
  bool axes = true;
};

/// How trajectories look. Zeros are chosen to suit.
struct TrajectoryOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Range x_range = {}, y_range = {};
  double line_width = 0;                 ///< Pixels.
  double alpha = 0;                      ///< Opacity of a line, by their number.
  Colormap colormap = Colormap::lagoon;  ///< From the first state to the last; its brightest end is left out.
  bool ends = true;                      ///< A dot where each trajectory ends.
  Color end_color = rgb(0xe8590c);
  bool over = false;  ///< Draws over what the panel shows already; give it the same ranges, title and axes.
  bool equal_aspect = true;
  bool axes = true;
};

/// A lattice of points in the middles of columns x rows cells, [columns rows, 2]: where to look at a field.
template <class S = float>
Tensor<S> lattice(Range x, Range y, Index columns, Index rows) {
  if (columns < 1 || rows < 1)
    fail<ValueError>("lattice: got ", columns, " x ", rows, " cells, expected at least 1 x 1");
  return Tensor<S>::generate({columns * rows, 2}, [&](Index i) {
    const Index cell = i / 2, at = i % 2 ? cell / columns : cell % columns;
    const Range range = i % 2 ? y : x;
    const double part = (static_cast<double>(at) + 0.5) / static_cast<double>(i % 2 ? rows : columns);
    return static_cast<S>(range.low + part * (range.high - range.low));
  });
}

namespace detail {

template <class Options>
Axes field_axes(const char* operation, const Figure& figure, const Rect& panel, const Options& o, const Series& seen) {
  check_series(operation, {seen});
  return {operation,
          panel,
          {.title = o.title,
           .x_label = o.x_label,
           .y_label = o.y_label,
           .x_range = o.x_range,
           .y_range = o.y_range,
           .equal = o.equal_aspect,
           .decorated = o.axes,
           .font_size = figure.font_size()},
          extent({seen})};
}

// Calls draw(canvas) within the box of the axes.
template <class Draw>
void draw_within(Canvas& canvas, const Axes& axes, bool over, const Draw& draw) {
  if (!over) axes.draw_grid(canvas);
  canvas.clip(axes.box());
  draw(canvas);
  canvas.clear_clip();
  if (!over) axes.draw_frame(canvas);
}

// An arrow of a length in pixels from a point, its head a third of it.
void draw_arrow(Canvas& canvas, const Point& from, double dx, double dy, double width, const Color& color,
                double alpha);

void draw_arrows(Figure& figure, const Rect& panel, const Series& from, const Series& vectors, const ArrowOptions& o);

// `states` holds the points of one time after the other, `count` of each.
void draw_trajectories(Figure& figure, const Rect& panel, const Series& states, std::size_t count,
                       const TrajectoryOptions& o);

}  // namespace detail

/// Arrows along `vectors` [n, 2] from the points `from` [n, 2], in a panel of a figure; the longest is `length` pixels.
///
/// Throws ShapeError for other shapes, ValueError for no points or points that are not finite, IndexError for a panel
/// that there is not.
template <class S>
void arrows(Figure& figure, Index row, Index column, const Tensor<S>& from, const Tensor<S>& vectors,
            const ArrowOptions& options = {}) {
  if (from.rank() != 2 || from.size(1) != 2 || !(from.shape() == vectors.shape()))
    fail<ShapeError>("arrows: got points of shape ", from.shape(), " and vectors of shape ", vectors.shape(),
                     ", expected [n, 2] for both");
  detail::draw_arrows(figure, figure.panel(row, column), Series("points", from), Series("vectors", vectors), options);
}

/// The lines of n points that move, `states` [times, n, 2], in a panel of a figure; colors run with time.
///
/// Throws ShapeError for other shapes, ValueError for fewer than two times, no points, or points that are not finite,
/// IndexError for a panel that there is not.
template <class S>
void trajectories(Figure& figure, Index row, Index column, const Tensor<S>& states,
                  const TrajectoryOptions& options = {}) {
  if (states.rank() != 3 || states.size(2) != 2)
    fail<ShapeError>("trajectories: got states of shape ", states.shape(), ", expected [times, n, 2]");
  if (states.size(0) < 2 || states.size(1) < 1)
    fail<ValueError>("trajectories: got ", states.size(0), " times of ", states.size(1),
                     " points, expected at least two times and one point");
  const Series all("states", Tensor<S>(Shape{states.size(0) * states.size(1), 2}, states.to_vector()));
  detail::draw_trajectories(figure, figure.panel(row, column), all, static_cast<std::size_t>(states.size(1)), options);
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/field.inl>
#endif
