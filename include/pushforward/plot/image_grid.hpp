// Grids of images: samples and reconstructions at a glance.
#pragma once

#include <string>
#include <vector>

#include <pushforward/plot/axes.hpp>

namespace pushforward::plot {

/// How a grid of images looks. Zeros are chosen to suit.
struct ImageGridOptions {
  std::string title = {};
  Index columns = 0;                     ///< Images in a row; about as many as rows.
  Index scale = 0;                       ///< Pixels on the picture for a pixel of an image.
  Index padding = 2;                     ///< Pixels between images.
  std::vector<std::string> labels = {};  ///< Words under the images, one for each; none without.
  bool inverted = false;                 ///< Show 0 white and 1 black: ink on paper.
  double font_size = 0;
};

namespace detail {

// Images with channels innermost, values in [0, 1].
struct Tiles {
  Index count = 0, height = 0, width = 0, channels = 1;
  std::vector<float> values;

  Color color(Index image, Index x, Index y, bool inverted) const;
};

template <class S>
Tiles to_tiles(const Tensor<S>& images) {
  const int rank = images.rank();
  const auto side = static_cast<Index>(std::lround(std::sqrt(rank == 2 ? static_cast<double>(images.size(1)) : 0.0)));
  const bool fits = (rank == 2 && side * side == images.size(1)) || rank == 3 ||
                    (rank == 4 && (images.size(1) == 1 || images.size(1) == 3));
  if (!fits)
    fail<ShapeError>("image_grid: got shape ", images.shape(),
                     ", expected [n, h, w], [n, 1 or 3, h, w], or [n, d * d] for square images; ", "reshape it");
  if (images.empty()) fail<ValueError>("image_grid: there are no images in shape ", images.shape());
  Tiles tiles{images.size(0),
              rank == 2 ? side : images.size(-2),
              rank == 2 ? side : images.size(-1),
              rank == 4 ? images.size(1) : 1,
              {}};
  tiles.values.resize(static_cast<std::size_t>(images.size()));
  const Index area = tiles.height * tiles.width;
  Index bad = 0;
  for (Index i = 0; i < images.size(); ++i) {
    const auto value = static_cast<float>(images.data()[i]);
    bad += !std::isfinite(value);
    const Index image = i / (area * tiles.channels), channel = i / area % tiles.channels;
    tiles.values[static_cast<std::size_t>((image * area + i % area) * tiles.channels + channel)] =
        std::clamp(value, 0.0f, 1.0f);
  }
  if (bad)
    fail<ValueError>("image_grid: ", bad, " of ", images.size(),
                     " values are not finite; find where they come from with NanCheck");
  return tiles;
}

struct GridLayout {
  Index columns, rows;
  double scale, padding, margin, label, title;  // In pixels.

  double width(const Tiles& tiles) const {
    return static_cast<double>(columns) * (static_cast<double>(tiles.width) * scale + padding) - padding + 2 * margin;
  }
  double height(const Tiles& tiles) const;
};

GridLayout grid_layout(const Tiles& tiles, const ImageGridOptions& options, double em);

void draw_tiles(Canvas& canvas, const Point& corner, const Tiles& tiles, const GridLayout& layout,
                const ImageGridOptions& options, double em);

// The grid as large as fits the middle of a panel.
void draw_image_grid(Canvas& canvas, const Rect& cell, const Tiles& tiles, const ImageGridOptions& options, double em);

}  // namespace detail

/// Writes images [n, h, w], [n, 1, h, w], [n, 3, h, w] (RGB) or [n, d * d] with values in [0, 1] (clamped) side by side
/// as a PNG file.
///
/// Throws ShapeError for other shapes, ValueError for no images, values that are not finite or as many labels as images
/// are not, IoError.
template <class S>
void image_grid(const std::string& path, const Tensor<S>& images, const ImageGridOptions& options = {}) {
  const detail::Tiles tiles = detail::to_tiles(images);
  const double em = options.font_size > 0 ? options.font_size : 15;
  const detail::GridLayout layout = detail::grid_layout(tiles, options, em);
  Canvas canvas(std::lround(layout.width(tiles)), std::lround(layout.height(tiles)));
  detail::draw_tiles(canvas, {0, 0}, tiles, layout, options, em);
  write_png(path, canvas.image());
}

}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/image_grid.inl>
#endif
