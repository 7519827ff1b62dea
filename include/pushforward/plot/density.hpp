// Density plots: the heat map of a model under its data.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <pushforward/plot/scatter.hpp>

namespace pushforward::plot {

/// How a density plot looks. Zeros are chosen to suit.
struct DensityOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Index width = 800, height = 0;  ///< Pixels, the height by the shape of the data; a panel of a Figure has its own.
  Range x_range = {}, y_range = {};
  Colormap colormap = Colormap::lagoon;
  Index resolution = 200;    ///< Places along the longer side where the density is computed.
  Index batch_size = 4096;   ///< Places handed to the model at once.
  double contrast = 1;       ///< Exponent of the density before it is coloured: below 1 shows the faint parts.
  Index points = 1000;       ///< How many of the data to draw over it, evenly chosen; 0 draws none.
  double point_size = 0;     ///< Diameter in pixels.
  double point_alpha = 0.5;  ///< Opacity of a point.
  Color point_color = white;
  bool equal_aspect = true;
  bool axes = true;  ///< Ticks and numbers; without, a bare frame.
  double font_size = 0;
};

namespace detail {

// Log densities of points [n, 2], the type of the model erased.
using LogDensity = std::function<Tensor<double>(const std::vector<Point>&)>;

template <class S>
Tensor<S> to_tensor(const std::vector<Point>& points) {
  return Tensor<S>::build({static_cast<Index>(points.size()), 2}, [&](S* out) {
    for (const Point& p : points) {
      *out++ = static_cast<S>(p.x);
      *out++ = static_cast<S>(p.y);
    }
  });
}

template <class S>
Tensor<double> widened(const Tensor<S>& x) {
  return Tensor<double>::generate(x.shape(), [&](Index i) { return static_cast<double>(x.data()[i]); });
}

template <class Model, class S>
concept HasLogProb = requires(const Model& model, const Tensor<S>& x) {
  model.log_prob(x);
};

// Calls `log_prob`, or the model itself if it is a function, with floats if it takes them and doubles if not.
template <class Model>
LogDensity erased_density(const Model& model) {
  return [&model](const std::vector<Point>& points) {
    const NoGradient guard;
    if constexpr (HasLogProb<Model, float>)
      return widened(model.log_prob(to_tensor<float>(points)));
    else if constexpr (HasLogProb<Model, double>)
      return widened(model.log_prob(to_tensor<double>(points)));
    else if constexpr (std::invocable<const Model&, const Tensor<float>&>)
      return widened(model(to_tensor<float>(points)));
    else {
      static_assert(
          std::invocable<const Model&, const Tensor<double>&>,
          "plot::density needs a model with log_prob(Tensor [n, 2]) -> Tensor [n], or a function that does this");
      return widened(model(to_tensor<double>(points)));
    }
  };
}

// Densities at the middles of a grid of cells, rows from below, scaled so that nearly all are at most 1.
struct DensityGrid {
  Index columns, rows;
  std::vector<double> values;

  // Between the middles of cells, for (u, v) in [0, 1] x [0, 1].
  double at(double u, double v) const;
};

void scale_densities(std::vector<double>& values, double contrast);

DensityGrid evaluate_density(const LogDensity& log_density, const Axes& axes, const DensityOptions& options);

// `data` may be without points if both ranges are given.
void draw_density(Canvas& canvas, const Rect& cell, const LogDensity& log_density, const Series& data,
                  const DensityOptions& options, double em);

void write_density(const std::string& path, const LogDensity& log_density, const Series& data,
                   const DensityOptions& options);

}  // namespace detail

/// Writes the heat map of a model's density with some of the data [n, 2] over it as a PNG file.
///
/// The model is anything with `log_prob(Tensor [n, 2]) -> [n]` in nats (not necessarily normalized), or a function like
/// it; it is evaluated in batches and without gradients. Colours run from 0 to the 99.5th percentile of the density in
/// the picture. Throws ShapeError for other shapes, ValueError for data or log densities that are not finite, IoError.
template <class Model, class S>
void density(const std::string& path, const Model& model, const Tensor<S>& data, const DensityOptions& options = {}) {
  detail::write_density(path, detail::erased_density(model), Series("data", data), options);
}

/// Writes the heat map of a model's density over `options.x_range` and `options.y_range` as a PNG file.
template <class Model>
void density(const std::string& path, const Model& model, const DensityOptions& options) {
  detail::write_density(path, detail::erased_density(model), Series("data", Tensor<float>(Shape{0, 2}, {})), options);
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/density.inl>
#endif
