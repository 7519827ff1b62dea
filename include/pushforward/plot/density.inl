// Bodies of density.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/density.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE double DensityGrid::at(double u, double v) const {
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

PUSHFORWARD_ONCE void scale_densities(std::vector<double>& values, double contrast) {
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

PUSHFORWARD_ONCE DensityGrid evaluate_density(const LogDensity& log_density, const Axes& axes,
                                              const DensityOptions& options) {
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

PUSHFORWARD_ONCE void draw_density(Canvas& canvas, const Rect& cell, const LogDensity& log_density, const Series& data,
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

PUSHFORWARD_ONCE void write_density(const std::string& path, const LogDensity& log_density, const Series& data,
                                    const DensityOptions& options) {
  const auto shape = extent({data});
  Canvas canvas(options.width, suited_height(options, {options.x_range.automatic() ? shape.first : options.x_range,
                                                       options.y_range.automatic() ? shape.second : options.y_range}));
  const auto width = static_cast<double>(canvas.width()), height = static_cast<double>(canvas.height());
  draw_density(canvas, {0, 0, width, height}, log_density, data, options,
               font_size_of(options.font_size, width, height));
  write_png(path, canvas.image());
}

}  // namespace pushforward::plot::detail
