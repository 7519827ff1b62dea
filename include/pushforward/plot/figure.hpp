// Figures: plots side by side in rows and columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pushforward/plot/curve.hpp>
#include <pushforward/plot/density.hpp>
#include <pushforward/plot/image_grid.hpp>
#include <pushforward/plot/scatter.hpp>

namespace pushforward::plot {

/// How a figure is divided. Zeros are chosen to suit.
struct FigureOptions {
  Index rows = 1, columns = 1;
  std::string title = {};
  std::vector<std::string> row_titles = {}, column_titles = {};  ///< One for each, or none.
  Index width = 0, height = 0;                                   ///< Pixels.
  double font_size = 0;
  double gap = 0.6;  ///< Between panels, in font sizes.
};

/// Plots in rows and columns on one picture: `figure.scatter(0, 1, points, {.title = "samples"});
/// figure.save("all.png");`
///
/// A panel is drawn when it is asked for; drawing twice in one draws over it. The `width` and `height` of a panel's
/// options are not used. Row and column count from 0; beyond the figure they throw IndexError.
class Figure {
 public:
  /// Throws ValueError for less than one panel, or headings that are not one for each.
  explicit Figure(const FigureOptions& options);

  /// Points, as `plot::scatter` draws them.
  void scatter(Index row, Index column, const std::vector<Series>& series, const ScatterOptions& options = {}) {
    detail::draw_scatter(canvas_, panel(row, column), series, options, size_of(options.font_size));
  }
  template <class S>
  void scatter(Index row, Index column, const Tensor<S>& points, const ScatterOptions& options = {}) {
    scatter(row, column, std::vector<Series>{Series("", points)}, options);
  }

  /// Curves, as `plot::curve` draws them.
  void curve(Index row, Index column, const std::vector<Series>& series, const CurveOptions& options = {}) {
    detail::draw_curve(canvas_, panel(row, column), series, options, size_of(options.font_size));
  }
  template <class S>
  void curve(Index row, Index column, const Tensor<S>& values, const CurveOptions& options = {}) {
    curve(row, column, std::vector<Series>{Series("", values)}, options);
  }

  /// The density of a model, as `plot::density` draws it.
  template <class Model, class S>
  void density(Index row, Index column, const Model& model, const Tensor<S>& data, const DensityOptions& options = {}) {
    detail::draw_density(canvas_, panel(row, column), detail::erased_density(model), Series("data", data), options,
                         size_of(options.font_size));
  }
  template <class Model>
  void density(Index row, Index column, const Model& model, const DensityOptions& options) {
    density(row, column, model, Tensor<float>(Shape{0, 2}, {}), options);
  }

  /// Images, as `plot::image_grid` draws them, as large as the panel allows.
  template <class S>
  void image_grid(Index row, Index column, const Tensor<S>& images, const ImageGridOptions& options = {}) {
    detail::draw_image_grid(canvas_, panel(row, column), detail::to_tiles(images), options, size_of(options.font_size));
  }

  /// Lines of text in the middle of a panel.
  void text(Index row, Index column, std::string_view words,
            const TextStyle& style = {.size = 0, .align = Align::center});

  /// The rectangle of a panel, for drawing on `canvas()` by hand. Throws IndexError.
  Rect panel(Index row, Index column) const;
  Canvas& canvas() { return canvas_; }
  /// The size of its text, in pixels.
  double font_size() const { return em_; }

  /// Writes the figure as a PNG file. Throws IoError.
  void save(const std::string& path) const { write_png(path, canvas_.image()); }

 private:
  static const FigureOptions& checked(const FigureOptions& o);
  // Panels of 420 pixels or, if there are many, what keeps the picture near 2000.
  static Index side(Index panels) { return std::clamp<Index>(2000 / panels, 220, 460) * panels; }
  static Index width(const FigureOptions& o) {
    return o.width > 0 ? o.width : side(o.columns) + (o.row_titles.empty() ? 0 : 30);
  }
  static Index height(const FigureOptions& o);
  double size_of(double asked) const { return asked > 0 ? asked : em_; }

  FigureOptions options_;
  Canvas canvas_;
  Rect area_;
  double em_ = 16;
};

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/figure.inl>
#endif
