// Bodies of image_grid.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/plot/image_grid.hpp>

namespace pushforward::plot::detail {

PUSHFORWARD_ONCE Color Tiles::color(Index image, Index x, Index y, bool inverted) const {
  const float* at = values.data() + ((image * height + y) * width + x) * channels;
  const Color c = channels == 3 ? Color{at[0], at[1], at[2]} : Color{at[0], at[0], at[0]};
  return inverted ? Color{1 - c.red, 1 - c.green, 1 - c.blue} : c;
}

PUSHFORWARD_ONCE double GridLayout::height(const Tiles& tiles) const {
  return static_cast<double>(rows) * (static_cast<double>(tiles.height) * scale + label + padding) - padding +
         2 * margin + title;
}

PUSHFORWARD_ONCE GridLayout grid_layout(const Tiles& tiles, const ImageGridOptions& options, double em) {
  if (options.columns < 0 || options.scale < 0 || options.padding < 0)
    fail<ValueError>("image_grid: got columns ", options.columns, ", scale ", options.scale, " and padding ",
                     options.padding, ", expected none negative");
  if (!options.labels.empty() && static_cast<Index>(options.labels.size()) != tiles.count)
    fail<ValueError>("image_grid: got ", options.labels.size(), " labels for ", tiles.count,
                     " images, expected one for each or none");
  const auto square = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(tiles.count))));
  const Index columns = std::min(tiles.count, options.columns > 0 ? options.columns : square);
  const double scale = options.scale > 0 ? static_cast<double>(options.scale)
                                         : std::max(1.0, std::floor(64 / static_cast<double>(tiles.width)));
  const auto padding = static_cast<double>(options.padding);
  return {columns,
          (tiles.count + columns - 1) / columns,
          scale,
          padding,
          std::max(padding, 2.0),
          options.labels.empty() ? 0.0 : std::round(1.5 * em),
          options.title.empty() ? 0.0 : std::round(2.0 * em)};
}

PUSHFORWARD_ONCE void draw_tiles(Canvas& canvas, const Point& corner, const Tiles& tiles, const GridLayout& layout,
                                 const ImageGridOptions& options, double em) {
  const double width = static_cast<double>(tiles.width) * layout.scale,
               height = static_cast<double>(tiles.height) * layout.scale;
  if (!options.title.empty())
    fitted_text(canvas, {corner.x + layout.width(tiles) / 2, corner.y + 1.45 * em}, options.title,
                centered(1.12 * em, ink, true), layout.width(tiles));
  for (Index i = 0; i < tiles.count; ++i) {
    const double x = corner.x + layout.margin + static_cast<double>(i % layout.columns) * (width + layout.padding);
    const double y = corner.y + layout.margin + layout.title +
                     static_cast<double>(i / layout.columns) * (height + layout.label + layout.padding);
    canvas.picture({x, y, width, height}, tiles.width, tiles.height,
                   [&](Index u, Index v) { return tiles.color(i, u, v, options.inverted); });
    if (!options.labels.empty())
      fitted_text(canvas, {x + width / 2, y + height + 1.05 * em}, options.labels[static_cast<std::size_t>(i)],
                  centered(0.9 * em), width);
  }
}

PUSHFORWARD_ONCE void draw_image_grid(Canvas& canvas, const Rect& cell, const Tiles& tiles,
                                      const ImageGridOptions& options, double em) {
  GridLayout layout = grid_layout(tiles, options, em);
  const double across = static_cast<double>(layout.columns * tiles.width),
               down = static_cast<double>(layout.rows * tiles.height);
  const double spare_width = cell.width - layout.width(tiles) + across * layout.scale,
               spare_height = cell.height - layout.height(tiles) + down * layout.scale;
  layout.scale = std::max(0.02, std::min(spare_width / across, spare_height / down));
  if (layout.scale >= 2) layout.scale = std::floor(layout.scale);
  const Point corner{std::round(cell.x + (cell.width - layout.width(tiles)) / 2),
                     std::round(cell.y + (cell.height - layout.height(tiles)) / 2)};
  draw_tiles(canvas, corner, tiles, layout, options, em);
}

}  // namespace pushforward::plot::detail
