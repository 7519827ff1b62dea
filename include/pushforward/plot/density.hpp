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
  double at(double u, double v) const {
    const double x = std::clamp(u * static_cast<double>(columns) - 0.5, 0.0, static_cast<double>(columns - 1));
    const double y = std::clamp(v * static_cast<double>(rows) - 0.5, 0.0, static_cast<double>(rows - 1));
    const auto i = static_cast<Index>(x), j = static_cast<Index>(y);
    const double s = x - static_cast<double>(i), t = y - static_cast<double>(j);
    const auto value = [&](Index column, Index row) {
      return values[static_cast<std::size_t>(std::min(row, rows - 1) * columns + std::min(column, columns - 1))];
    };
    return (1 - t) * ((1 - s) * value(i, j) + s * value(i + 1, j)) +
           t * ((1 - s) * value(i, j + 1) + s * value(i + 1, j + 1));
  }
};

inline void scale_densities(std::vector<double>& values, double contrast) {
  std::size_t bad = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (double x : values) {
    bad += std::isnan(x) || x == std::numeric_limits<double>::infinity();
    most = std::max(most, x);
  }
  if (bad)
    fail<ValueError>("density: log_prob is NaN or +infinity at ", bad, " of ", values.size(),
                     " places; find where with NanCheck");
  if (!std::isfinite(most))
    fail<ValueError>("density: the density is zero everywhere in the picture; choose other ranges");
  for (double& x : values) x = std::exp(x - most);
  // A few spikes must not leave the rest in the dark: the top half percent saturates.
  std::vector<double> sorted = values;
  const auto top = sorted.begin() + static_cast<std::ptrdiff_t>(0.995 * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), top, sorted.end());
  const double unit = *top > 1e-6 ? *top : 1.0;
  for (double& x : values) x = std::pow(std::min(1.0, x / unit), contrast);
}

inline DensityGrid evaluate_density(const LogDensity& log_density, const Axes& axes, const DensityOptions& options) {
  if (options.resolution < 2 || options.resolution > 4096 || options.batch_size < 1 || !(options.contrast > 0))
    fail<ValueError>("density: got resolution ", options.resolution, ", batch_size ", options.batch_size,
                     " and contrast ", options.contrast, ", expected 2 to 4096, at least 1 and above 0");
  const Range x = axes.x_range(), y = axes.y_range();
  const double longer = std::max(axes.box().width, axes.box().height);
  const auto cells = [&](double pixels) {
    return std::max<Index>(2, std::lround(static_cast<double>(options.resolution) * pixels / longer));
  };
  DensityGrid grid{cells(axes.box().width), cells(axes.box().height), {}};
  const Index total = grid.columns * grid.rows;
  std::vector<Point> batch;
  for (Index begin = 0; begin < total; begin += options.batch_size) {
    batch.clear();
    for (Index i = begin; i < std::min(total, begin + options.batch_size); ++i)
      batch.push_back(
          {x.low + (x.high - x.low) * (static_cast<double>(i % grid.columns) + 0.5) / static_cast<double>(grid.columns),
           y.low + (y.high - y.low) * (static_cast<double>(i / grid.columns) + 0.5) / static_cast<double>(grid.rows)});
    const Tensor<double> values = log_density(batch);
    const auto count = static_cast<Index>(batch.size());
    if (!(values.shape() == Shape{count}))
      fail<ShapeError>("density: log_prob of points [", count, ", 2] has shape ", values.shape(), ", expected [", count,
                       "]");
    grid.values.insert(grid.values.end(), values.begin(), values.end());
  }
  scale_densities(grid.values, options.contrast);
  return grid;
}

// `data` may be without points if both ranges are given.
inline void draw_density(Canvas& canvas, const Rect& cell, const LogDensity& log_density, const Series& data,
                         const DensityOptions& options, double em) {
  std::pair<Range, Range> shown{options.x_range, options.y_range};
  if (data.counted) fail<ShapeError>("density: got data of shape [", data.points.size(), "], expected [n, 2]");
  if (!data.points.empty()) {
    check_series("density", {data});
    shown = extent({data});
  } else if (options.x_range.automatic() || options.y_range.automatic()) {
    fail<ValueError>("density: there are no data points to choose ranges from; give some, or set x_range and y_range");
  }
  const Axes axes("density", cell,
                  {.title = options.title,
                   .x_label = options.x_label,
                   .y_label = options.y_label,
                   .x_range = options.x_range,
                   .y_range = options.y_range,
                   .equal = options.equal_aspect,
                   .decorated = options.axes,
                   .font_size = em,
                   .margin = 0.12},
                  shown);
  const DensityGrid grid = evaluate_density(log_density, axes, options);
  const Rect box = axes.box();
  canvas.shade(box, [&](double x, double y) {
    return color_of(options.colormap, grid.at((x - box.x) / box.width, (box.bottom() - y) / box.height));
  });
  canvas.clip(box);
  const std::size_t count = std::min(data.points.size(), static_cast<std::size_t>(std::max<Index>(0, options.points)));
  const PointLook dots = point_look(count, options.point_size, options.point_alpha, em);
  // Spread by the golden ratio: even steps would only meet every other class of data that take turns.
  for (std::size_t i = 0; i < count; ++i) {
    const double turn = (static_cast<double>(i) + 0.5) * 0.6180339887498949;
    const auto k = static_cast<std::size_t>((turn - std::floor(turn)) * static_cast<double>(data.points.size()));
    canvas.disc(axes.position(data.points[count < data.points.size() ? k : i]), 0.75 * dots.radius, options.point_color,
                dots.alpha);
  }
  canvas.clear_clip();
  axes.draw_frame(canvas);
}

inline void write_density(const std::string& path, const LogDensity& log_density, const Series& data,
                          const DensityOptions& options) {
  const auto shape = extent({data});
  Canvas canvas(options.width, suited_height(options, {options.x_range.automatic() ? shape.first : options.x_range,
                                                       options.y_range.automatic() ? shape.second : options.y_range}));
  const auto width = static_cast<double>(canvas.width()), height = static_cast<double>(canvas.height());
  draw_density(canvas, {0, 0, width, height}, log_density, data, options,
               font_size_of(options.font_size, width, height));
  write_png(path, canvas.image());
}

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
