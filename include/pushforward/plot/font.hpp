// A stroke font: printable ASCII and a few Greek letters as paths, drawn sharp at any size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pushforward::plot {

/// A position on a canvas: pixels from the left and from the top.
struct Point {
  double x = 0, y = 0;
};

namespace detail {

// A letter: how far the next one is, and its path. Heights: baseline 0, small letters 10, capitals 14, depth -4.4.
// M x y starts a stroke, L (lines) and C (cubic curves) continue it;
// A x y rx ry from to is an arc around (x, y) in degrees, counterclockwise, joined to the stroke if one is open.
struct Glyph {
  double advance;
  const char* path;
};

const Glyph& ascii_glyph(std::size_t index);

// Letters beyond ASCII by code point; an open box for the rest.
const Glyph& unicode_glyph(unsigned code);

// The next code point of UTF-8 text; bytes that are not UTF-8 count as one unknown letter each.
unsigned next_code_point(std::string_view& text);

using Stroke = std::vector<Point>;

// Turns the path of a glyph into strokes of short straight lines.
class GlyphReader {
 public:
  explicit GlyphReader(const char* path) : at_(path) {}

  std::vector<Stroke> read();

 private:
  double number();
  Point point();
  void cubic();
  // A superellipse, a little squarer than an ellipse: rounder letters look small.
  void arc();

  const char* at_;
  std::vector<Stroke> strokes_;
  bool open_ = false;
};

}  // namespace detail
}  // namespace pushforward::plot

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/plot/font.inl>
#endif
