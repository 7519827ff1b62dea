// Axes: from numbers to pixels, with ticks, labels, a title and a legend around.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <pushforward/plot/canvas.hpp>
#include <pushforward/plot/series.hpp>

namespace pushforward::plot {

/// Where the names of series stand: automatic picks the corner that hides least, or the right outside.
enum class Legend { automatic, top_right, top_left, bottom_right, bottom_left, outside, none };

namespace detail {

// The size of text that suits a picture or panel.
inline double suited_font_size(double width, double height) {
  return std::clamp(std::round(0.75 * std::sqrt(std::min(width, height))), 9.0, 26.0);
}

inline TextStyle centered(double size, const Color& color = ink, bool bold = false) {
  return {.size = size, .color = color, .align = Align::center, .bold = bold};
}

// Text made smaller until it fits a width.
void fitted_text(Canvas& canvas, const Point& at, const std::string& words, TextStyle style, double width);

struct Tick {
  double value;
  std::string label, exponent = {};
};

std::string number_label(double value, double step, double largest);

// About `count` ticks at multiples of 1, 2 or 5 times a power of ten.
std::vector<Tick> linear_ticks(const Range& range, double count);

// Ticks at powers of ten, and at 2 and 5 times them where there are few.
std::vector<Tick> log_ticks(const Range& range, double count);

struct AxesOptions {
  std::string title = {}, x_label = {}, y_label = {};
  Range x_range = {}, y_range = {};
  bool log_x = false, log_y = false;
  bool equal = false;     // One unit is as long across as up.
  bool decorated = true;  // Ticks and labels.
  double font_size = 16;
  double margin = 0.05;  // Around the data, as a part of its extent.
};

// A panel with a box for data, in which numbers have positions.
class Axes {
 public:
  // `data` are the intervals that the data fill; `right` is room to leave at the right.
  Axes(const char* operation, const Rect& cell, const AxesOptions& options, const std::pair<Range, Range>& data,
       double right = 0);

  const Rect& box() const { return box_; }
  const Range& x_range() const { return x_; }
  const Range& y_range() const { return y_; }
  double em() const { return em_; }

  Point position(const Point& p) const;

  // What lies behind the data.
  void draw_grid(Canvas& canvas) const;

  // What lies before and around the data.
  void draw_frame(Canvas& canvas) const;

 private:
  static double fraction(double value, const Range& range, bool log);
  double across(const Tick& tick) const { return position({tick.value, y_.low}).x; }
  double up(const Tick& tick) const { return position({x_.low, tick.value}).y; }
  double decorated_height() const { return options_.x_label.empty() ? 1.55 : 2.95; }

  // The interval to show: as asked for, or around the data.
  Range limits(const char* operation, const char* axis, Range asked, Range data, bool log) const;

  void lay_out(double labels, double right);

  // Automatic intervals grow, given ones make the box smaller.
  void equalize();

  double label_width(const Tick& tick) const;
  void draw_label(Canvas& canvas, const Tick& tick, const Point& at) const;

  Rect cell_, box_;
  AxesOptions options_;
  double em_, left_ = 0;
  Range x_, y_;
  std::vector<Tick> x_ticks_, y_ticks_;
};

// The names of series with their colors, as marks or lines.
class LegendBox {
 public:
  LegendBox(const std::vector<Series>& all, double em, bool lines);

  bool empty() const { return entries_.empty(); }
  std::size_t entries() const { return entries_.size(); }
  double width() const { return width_; }

  // The place for it in `box`: the corner asked for, or the one with the fewest of the positions; how many it hides.
  std::pair<Rect, std::size_t> place(Legend where, const Rect& box, const std::vector<Point>& positions) const;

  void draw(Canvas& canvas, const Rect& place) const;

 private:
  double em_;
  bool lines_;
  double width_ = 0;
  std::vector<std::pair<std::string, Color>> entries_;
};

}  // namespace detail
}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/axes.inl>
#endif
