// Series: named points to draw, from tensors or plain vectors.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/plot/canvas.hpp>

namespace pushforward::plot {

/// An interval of an axis; the default {0, 0} stands for one that fits the data.
struct Range {
  double low = 0, high = 0;
  bool automatic() const { return low == 0 && high == 0; }
};

/// Named points in one color: `{"train", losses}`, `{"data", points}`, `{"fit", x, y, plot::palette(3)}`.
///
/// From a tensor of shape [n, 2] the points are its rows; from one of shape [n], or a vector, the heights at 0, 1, 2,
/// ... Throws ShapeError for other shapes. A series with an empty name stays out of the legend.
struct Series {
  std::string name;
  std::vector<Point> points;
  std::optional<Color> color;  ///< The palette's next without.
  bool counted = false;        ///< Whether x only counts: made from heights alone.

  template <class S>
  Series(std::string name_, const Tensor<S>& values, std::optional<Color> color_ = {})
      : name(std::move(name_)), color(color_), counted(values.rank() == 1) {
    if (values.rank() != 1 && !(values.rank() == 2 && values.size(1) == 2))
      fail<ShapeError>("Series: '", name, "' got shape ", values.shape(),
                       ", expected [n, 2] for points or [n] for heights");
    points.reserve(static_cast<std::size_t>(values.size(0)));
    const S* data = values.data();
    for (Index i = 0; i < values.size(0); ++i)
      points.push_back(counted ? Point{static_cast<double>(i), static_cast<double>(data[i])}
                               : Point{static_cast<double>(data[2 * i]), static_cast<double>(data[2 * i + 1])});
  }
  template <class S>
  Series(std::string name_, const std::vector<S>& heights, std::optional<Color> color_ = {})
      : name(std::move(name_)), color(color_), counted(true) {
    for (const S& height : heights) points.push_back({static_cast<double>(points.size()), static_cast<double>(height)});
  }
  template <class X, class Y>
  Series(std::string name_, const std::vector<X>& x, const std::vector<Y>& y, std::optional<Color> color_ = {})
      : name(std::move(name_)), color(color_) {
    if (x.size() != y.size())
      fail<ShapeError>("Series: '", name, "' got ", x.size(), " x and ", y.size(), " y, expected as many");
    for (std::size_t i = 0; i < x.size(); ++i) points.push_back({static_cast<double>(x[i]), static_cast<double>(y[i])});
  }
};

namespace detail {

// Throws unless there is something to draw and all of it is finite.
void check_series(const char* operation, const std::vector<Series>& all);

inline Color series_color(const std::vector<Series>& all, std::size_t i) { return all[i].color.value_or(palette(i)); }

// The intervals that all points lie in.
std::pair<Range, Range> extent(const std::vector<Series>& all);

}  // namespace detail
}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/series.inl>
#endif
