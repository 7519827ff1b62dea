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

inline const Glyph& ascii_glyph(std::size_t index) {
  static constexpr Glyph glyphs[95] = {
      {5.2, ""},                                                           // space
      {5.2, "M2.6 14L2.6 4.6M2.6 .1L2.6 0"},                               // !
      {7.4, "M2.4 14L2.4 10.2M5 14L5 10.2"},                               // "
      {12, "M4.8 13.6L3 .4M9 13.6L7.2 .4M1.4 9.4L11 9.4M1 4.6L10.6 4.6"},  // #
      {11,
       "M9 10.2C8.4 11.4 7.2 12.1 5.5 12.1C3.4 12.1 2 11 2 9.5C2 7.8 3.4 7.4 5.5 6.9C7.8 6.4 9.2 5.7 9.2 4.1C9.2 2.4 "
       "7.8 1.3 5.5 1.3C3.6 1.3 2.2 2.1 1.6 3.4M5.5 15L5.5 -1.6"},           // $
      {16, "A4.3 10.6 2.8 3.4 0 360A11.7 3.4 2.8 3.4 0 360M12.6 14L3.4 0"},  // %
      {13,
       "M11.8 0L4.1 9C3.2 10 2.9 10.7 2.9 11.5C2.9 13 3.9 14 5.4 14C6.9 14 7.9 13 7.9 11.6C7.9 9.9 6.6 9 4.9 7.9C2.9 "
       "6.6 1.6 5.6 1.6 3.6C1.6 1.4 3.1 0 5.3 0C8.4 0 10.5 2.7 10.7 6.6"},                                  // &
      {4.8, "M2.4 14L2.4 10.2"},                                                                            // '
      {6, "M4.6 15.6C2.8 13.2 1.9 10.2 1.9 6.2C1.9 2.2 2.8 -.8 4.6 -3.2"},                                  // (
      {6, "M1.4 15.6C3.2 13.2 4.1 10.2 4.1 6.2C4.1 2.2 3.2 -.8 1.4 -3.2"},                                  // )
      {8.6, "M4.3 14L4.3 7.4M1.4 12.4L7.2 9M7.2 12.4L1.4 9"},                                               // *
      {11, "M5.5 10.6L5.5 1.4M.9 6L10.1 6"},                                                                // +
      {4.8, "M2.6 .2L2.5 -.4L1.5 -2.8"},                                                                    // ,
      {7.6, "M1.4 5.6L6.2 5.6"},                                                                            // -
      {4.8, "M2.4 .1L2.4 0"},                                                                               // .
      {7.6, "M6.6 15L1 -1.8"},                                                                              // /
      {11, "A5.5 7 3.9 7 0 360"},                                                                           // 0
      {11, "M2.2 11L6.2 14L6.2 0"},                                                                         // 1
      {11, "M1.8 10.4C2 12.7 3.4 14 5.5 14C7.7 14 9.2 12.6 9.2 10.6C9.2 8.9 8.3 7.5 6.6 5.7L1.5 0L9.5 0"},  // 2
      {11,
       "M1.9 11.2C2.4 13 3.7 14 5.5 14C7.7 14 9.1 12.8 9.1 10.9C9.1 9 7.8 7.6 5.6 7.6L4.4 7.6M5.6 7.6C8 7.6 9.5 6.2 "
       "9.5 3.9C9.5 1.6 7.9 0 5.5 0C3.4 0 1.9 1.1 1.4 3.2"},  // 3
      {11, "M7.3 0L7.3 14L1.1 3.9L9.9 3.9"},                  // 4
      {11,
       "M8.8 14L2.8 14L2.2 7.5C3 8.5 4.1 9 5.5 9C7.9 9 9.4 7.2 9.4 4.6C9.4 1.8 7.8 0 5.4 0C3.4 0 2 1.1 1.5 2.9"},  // 5
      {11, "M8.8 11.9C8.2 13.3 7.1 14 5.7 14C3 14 1.6 11.3 1.6 6.4L1.6 4.5A5.5 4.5 3.9 4.5 180 540"},              // 6
      {11, "M1.5 14L9.5 14L4.1 0"},                                                                                // 7
      {11, "A5.5 10.65 3.4 3.35 270 630A5.5 3.65 3.95 3.65 90 450"},                                               // 8
      {11, "M2.2 2.1C2.8 .7 3.9 0 5.3 0C8 0 9.4 2.7 9.4 7.6L9.4 9.5A5.5 9.5 3.9 4.5 0 360"},                       // 9
      {4.8, "M2.4 9.6L2.4 9.5M2.4 .1L2.4 0"},                                                                      // :
      {4.8, "M2.4 9.6L2.4 9.5M2.6 .2L2.5 -.4L1.5 -2.8"},                                                           // ;
      {11, "M9.6 10.6L1.4 6L9.6 1.4"},                                                                             // <
      {11, "M1 8.2L10 8.2M1 3.8L10 3.8"},                                                                          // =
      {11, "M1.4 10.6L9.6 6L1.4 1.4"},                                                                             // >
      {9.6, "M1.4 11C1.7 12.9 3 14 4.9 14C6.9 14 8.2 12.7 8.2 10.9C8.2 8.2 4.9 8 4.9 4.6M4.9 .1L4.9 0"},           // ?
      {17,
       "A8.4 5.7 3.1 3.9 0 360M11.8 9.5L11.5 3.6C11.3 1.9 12.2 1.1 13.3 1.1C15 1.1 15.8 3.2 15.8 5.9C15.8 10.9 12.9 14 "
       "8.6 14C4.3 14 1.4 10.6 1.4 5.7C1.4 .6 4.4 -2.6 8.8 -2.6C10.4 -2.6 11.8 -2.3 13 -1.7"},  // @
      {12, "M.8 0L6 14L11.2 0M2.6 4.7L9.4 4.7"},                                                // A
      {12.4,
       "M2.4 0L2.4 14L6.4 14C8.9 14 10.2 12.8 10.2 10.8C10.2 8.7 8.9 7.5 6.4 7.5L2.4 7.5M6.4 7.5C9.4 7.5 10.8 6.1 10.8 "
       "3.8C10.8 1.4 9.4 0 6.4 0L2.4 0"},                                                                       // B
      {13, "A7.2 7 5.6 7 44 316"},                                                                              // C
      {13.4, "M2.4 0L2.4 14L5.8 14C9.8 14 11.7 11.4 11.7 7C11.7 2.6 9.8 0 5.8 0L2.4 0"},                        // D
      {11.2, "M9.8 14L2.4 14L2.4 0L9.9 0M2.4 7.4L9 7.4"},                                                       // E
      {10.4, "M9.6 14L2.4 14L2.4 0M2.4 7L8.7 7"},                                                               // F
      {14, "A7.2 7 5.6 7 46 344L12.3 6.4L7.9 6.4"},                                                             // G
      {13.4, "M2.4 0L2.4 14M11 0L11 14M2.4 7.3L11 7.3"},                                                        // H
      {4.8, "M2.4 0L2.4 14"},                                                                                   // I
      {9.4, "M7.1 14L7.1 4.2C7.1 1.5 6 0 4.1 0C2.2 0 1.1 1.2 1 3.4"},                                           // J
      {12, "M2.4 0L2.4 14M10.6 14L2.4 5.4M5.3 8.5L11 0"},                                                       // K
      {9.8, "M2.4 14L2.4 0L9.2 0"},                                                                             // L
      {15.6, "M2.4 0L2.4 14L7.8 2.6L13.2 14L13.2 0"},                                                           // M
      {13.4, "M2.4 0L2.4 14L11 0L11 14"},                                                                       // N
      {14.6, "A7.3 7 5.8 7 0 360"},                                                                             // O
      {11.8, "M2.4 0L2.4 14L6.5 14C9.2 14 10.5 12.4 10.5 10.2C10.5 8 9.2 6.4 6.5 6.4L2.4 6.4"},                 // P
      {14.6, "A7.3 7 5.8 7 0 360M8.8 3.4L12.8 -.9"},                                                            // Q
      {12.2, "M2.4 0L2.4 14L6.5 14C9.2 14 10.5 12.4 10.5 10.3C10.5 8.2 9.2 6.6 6.5 6.6L2.4 6.6M6.9 6.6L11 0"},  // R
      {12,
       "M10.1 11.3C9.3 13.1 7.9 14 6 14C3.6 14 2 12.7 2 10.7C2 8.5 3.7 7.9 6.1 7.3C8.7 6.7 10.5 5.9 10.5 3.7C10.5 1.4 "
       "8.7 0 6.1 0C3.9 0 2.2 1 1.4 3"},                                          // S
      {11.4, "M.9 14L10.5 14M5.7 14L5.7 0"},                                      // T
      {13.2, "M2.3 14L2.3 5C2.3 1.8 3.8 0 6.6 0C9.4 0 10.9 1.8 10.9 5L10.9 14"},  // U
      {11.8, "M.8 14L5.9 0L11 14"},                                               // V
      {17.4, "M1 14L4.8 0L8.7 14L12.6 0L16.4 14"},                                // W
      {11.6, "M1.2 14L10.4 0M10.4 14L1.2 0"},                                     // X
      {11.4, "M.8 14L5.7 6.4L10.6 14M5.7 6.4L5.7 0"},                             // Y
      {11.6, "M1.4 14L10.2 14L1.3 0L10.3 0"},                                     // Z
      {6.4, "M5 15.4L2.2 15.4L2.2 -3L5 -3"},                                      // [
      {7.6, "M1 15L6.6 -1.8"},                                                    // backslash
      {6.4, "M1.4 15.4L4.2 15.4L4.2 -3L1.4 -3"},                                  // ]
      {10, "M1.6 8.6L5 14L8.4 8.6"},                                              // ^
      {10, "M.6 -2.4L9.4 -2.4"},                                                  // _
      {6, "M1.6 15L4 12.4"},                                                      // `
      {10.6,
       "M2.2 7.9C2.8 9.3 3.9 10 5.3 10C7.3 10 8.4 8.9 8.4 7L8.4 0M8.4 5.8L5.2 5.6C3 5.5 1.7 4.5 1.7 2.8C1.7 1.1 2.9 0 "
       "4.7 0C6.8 0 8.4 1.5 8.4 3.6"},                                                                // a
      {11.2, "M2.2 15L2.2 0M2.2 5A5.9 5 3.7 5 180 540"},                                              // b
      {9.8, "A5.5 5 3.9 5 46 314"},                                                                   // c
      {11.2, "M9 15L9 0M9 5A5.3 5 3.7 5 0 360"},                                                      // d
      {10.8, "M1.7 5.2L9.1 5.2A5.4 5 3.75 5 3 318"},                                                  // e
      {6.4, "M6.4 14.8C5.9 15 5.4 15 5 15C3.6 15 2.9 14.1 2.9 12.3L2.9 0M.8 10L6 10"},                // f
      {11.2, "M9 10L9 -.6C9 -3 7.7 -4.4 5.3 -4.4C3.7 -4.4 2.6 -3.9 1.9 -2.9M9 5A5.3 5 3.7 5 0 360"},  // g
      {11, "M2.2 15L2.2 0M2.2 6C2.2 8.6 3.6 10 5.7 10C7.8 10 8.8 8.7 8.8 6.4L8.8 0"},                 // h
      {4.4, "M2.2 10L2.2 0M2.2 14.1L2.2 14"},                                                         // i
      {4.6, "M2.4 10L2.4 -1.8C2.4 -3.6 1.7 -4.4 .2 -4.4M2.4 14.1L2.4 14"},                            // j
      {9.8, "M2.2 15L2.2 0M8.4 10L2.2 3.9M4.5 6.2L8.8 0"},                                            // k
      {4.4, "M2.2 15L2.2 0"},                                                                         // l
      {16.2,
       "M2.2 10L2.2 0M2.2 6.2C2.2 8.6 3.4 10 5.3 10C7.2 10 8.1 8.8 8.1 6.6L8.1 0M8.1 6.2C8.1 8.6 9.3 10 11.2 10C13.1 "
       "10 14 8.8 14 6.6L14 0"},                                                       // m
      {11, "M2.2 10L2.2 0M2.2 6C2.2 8.6 3.6 10 5.7 10C7.8 10 8.8 8.7 8.8 6.4L8.8 0"},  // n
      {11, "A5.5 5 3.9 5 0 360"},                                                      // o
      {11.2, "M2.2 10L2.2 -4.4M2.2 5A5.9 5 3.7 5 180 540"},                            // p
      {11.2, "M9 10L9 -4.4M9 5A5.3 5 3.7 5 0 360"},                                    // q
      {6.8, "M2.2 10L2.2 0M2.2 5.8C2.2 8.6 3.5 10 6.2 10"},                            // r
      {9.6,
       "M7.9 8C7.3 9.3 6.2 10 4.8 10C3 10 1.9 9 1.9 7.5C1.9 5.9 3.2 5.5 4.9 5.1C6.8 4.7 8 4.2 8 2.6C8 1 6.8 0 4.9 "
       "0C3.2 0 2 .7 1.5 2.1"},                                                      // s
      {6.8, "M3 13L3 2.8C3 .9 3.8 0 5.3 0C5.7 0 6 .1 6.3 .2M.8 10L6 10"},            // t
      {11, "M2.2 10L2.2 3.6C2.2 1.3 3.2 0 5.3 0C7.4 0 8.8 1.4 8.8 4M8.8 10L8.8 0"},  // u
      {9.8, "M.9 10L4.9 0L8.9 10"},                                                  // v
      {14.2, "M1 10L4.1 0L7.1 10L10.1 0L13.2 10"},                                   // w
      {9.6, "M1.2 10L8.4 0M8.4 10L1.2 0"},                                           // x
      {9.8, "M.9 10L4.9 .2M8.9 10L4.6 -1.4C3.8 -3.5 3 -4.4 1.2 -4.4"},               // y
      {9.4, "M1.4 10L8 10L1.3 0L8.2 0"},                                             // z
      {6.6,
       "M5.2 15.4C3.8 15.4 3.2 14.6 3.2 13L3.2 8.6C3.2 7.1 2.6 6.3 1.2 6.2C2.6 6.1 3.2 5.3 3.2 3.8L3.2 -.6C3.2 -2.2 "
       "3.8 -3 5.2 -3"},        // {
      {5, "M2.5 15.4L2.5 -3"},  // |
      {6.6,
       "M1.4 15.4C2.8 15.4 3.4 14.6 3.4 13L3.4 8.6C3.4 7.1 4 6.3 5.4 6.2C4 6.1 3.4 5.3 3.4 3.8L3.4 -.6C3.4 -2.2 2.8 -3 "
       "1.4 -3"},                                                                              // }
      {11, "M1.2 5C1.6 6.9 2.5 7.7 3.6 7.7C5.6 7.7 5.6 4.9 7.5 4.9C8.6 4.9 9.5 5.7 9.8 7.4"},  // ~
  };
  return glyphs[index];
}

// Letters beyond ASCII by code point; an open box for the rest.
inline const Glyph& unicode_glyph(unsigned code) {
  static constexpr struct {
    unsigned code;
    Glyph glyph;
  } glyphs[] = {
      {0xb1, {11, "M5.5 11.4L5.5 3.4M1 7.4L10 7.4M1 .6L10 .6"}},  // plus-minus
      {0xb7, {4.8, "M2.4 5.1L2.4 5"}},                            // middle dot
      {0xd7, {11, "M2 9.5L9 2.5M9 9.5L2 2.5"}},                   // times
      {0x3b1,
       {11.4,
        "M9.6 10C8.8 5.2 7.6 0 5 0C2.9 0 1.6 2 1.6 5C1.6 8 2.9 10 5 10C7.4 10 8.2 5.4 8.7 2.4C9 .8 9.4 0 10.6 "
        "0"}},  // alpha
      {0x3b2,
       {11.2,
        "M2.2 -4.4L2.2 11.2C2.2 13.6 3.5 15 5.5 15C7.5 15 8.7 13.8 8.7 12C8.7 10 7.4 8.8 5.2 8.8C7.9 8.8 9.4 7.2 9.4 "
        "4.6C9.4 1.7 7.9 0 5.7 0C3.6 0 2.2 1.4 2.2 4"}},  // beta
      {0x3b5,
       {9.4,
        "M8 8.2C7.4 9.4 6.3 10 5 10C3.2 10 2.1 9 2.1 7.6C2.1 6.1 3.2 5.2 5 5.2L6 5.2M5 5.2C2.9 5.2 1.6 4.2 1.6 2.6C1.6 "
        "1 2.9 0 5 0C6.6 0 7.8 .7 8.4 2"}},                                                              // epsilon
      {0x3b8, {11, "A5.5 7.5 3.8 7.5 0 360M1.7 7.5L9.3 7.5"}},                                           // theta
      {0x3bb, {10, "M1.6 15C3.4 15 3.8 13.8 4.4 12L8.8 0M5.3 9.2L1.2 0"}},                               // lambda
      {0x3bc, {11.4, "M2.2 10L2.2 -4.4M2.2 3.6C2.2 1.3 3.2 0 5.3 0C7.4 0 8.8 1.4 8.8 4M8.8 10L8.8 0"}},  // mu
      {0x3c0, {11.4, "M1 10L10.4 10M3.4 10L3.4 0M8 10L8 2.2C8 .6 8.7 0 9.9 0"}},                         // pi
      {0x3c3, {11.2, "A5.5 5 3.9 5 0 360M5.5 10L10.4 10"}},                                              // sigma
      {0x3c6, {13, "A6.5 5 5 5 90 450M6.5 13.4L6.5 -4.4"}},                                              // phi
      {0x2013, {11, "M1 5.6L10 5.6"}},                                                                   // en dash
      {0x2192, {14.6, "M1.4 5.6L13 5.6M9.2 9.4L13 5.6L9.2 1.8"}},                                        // right arrow
      {0x2212, {11, "M1.2 6L9.8 6"}},                                                                    // minus
  };
  static constexpr Glyph box{11, "M2 0L9 0L9 13L2 13L2 0"};
  if (code >= 32 && code < 127) return ascii_glyph(code - 32);
  if (code == 0xb5) code = 0x3bc;  // The micro sign is a mu.
  for (const auto& entry : glyphs)
    if (entry.code == code) return entry.glyph;
  return box;
}

// The next code point of UTF-8 text; bytes that are not UTF-8 count as one unknown letter each.
inline unsigned next_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 1;
  unsigned code = length == 1 ? (first < 0x80 ? first : 0xfffd) : first & (0x7fu >> length);
  std::size_t used = 1;
  for (; used < length && used < text.size() && (byte(used) & 0xc0) == 0x80; ++used)
    code = code << 6 | (byte(used) & 0x3f);
  if (used < length) code = 0xfffd;
  text.remove_prefix(used);
  return code;
}

using Stroke = std::vector<Point>;

// Turns the path of a glyph into strokes of short straight lines.
class GlyphReader {
 public:
  explicit GlyphReader(const char* path) : at_(path) {}

  std::vector<Stroke> read() {
    while (*at_) {
      const char command = *at_++;
      if (command == 'A') {
        arc();
        continue;
      }
      do {
        if (command == 'M') strokes_.push_back({point()}), open_ = true;
        if (command == 'L') strokes_.back().push_back(point());
        if (command == 'C') cubic();
      } while (*at_ && (*at_ < 'A' || *at_ > 'Z'));
    }
    return std::move(strokes_);
  }

 private:
  double number() {
    while (*at_ == ' ') ++at_;
    const bool negative = *at_ == '-';
    at_ += negative;
    double value = 0, place = 0;
    for (; (*at_ >= '0' && *at_ <= '9') || *at_ == '.'; ++at_) {
      if (*at_ == '.') {
        place = 1;
      } else {
        value = 10 * value + (*at_ - '0');
        place *= 10;
      }
    }
    if (place > 0) value /= place;
    return negative ? -value : value;
  }
  Point point() {
    const double x = number();
    return {x, number()};
  }
  void cubic() {
    const Point a = strokes_.back().back(), b = point(), c = point(), d = point();
    constexpr int pieces = 10;
    for (int i = 1; i <= pieces; ++i) {
      const double t = static_cast<double>(i) / pieces, s = 1 - t;
      const double wa = s * s * s, wb = 3 * s * s * t, wc = 3 * s * t * t, wd = t * t * t;
      strokes_.back().push_back({wa * a.x + wb * b.x + wc * c.x + wd * d.x, wa * a.y + wb * b.y + wc * c.y + wd * d.y});
    }
  }
  // A superellipse, a little squarer than an ellipse: rounder letters look small.
  void arc() {
    constexpr double squareness = 2 / 2.25, degree = 0.017453292519943295, step = 9;
    const Point center = point(), radius = point();
    const double from = number(), to = number();
    if (!open_) strokes_.emplace_back();
    const int pieces = std::max(1, static_cast<int>(std::lround((to - from) / step)));
    for (int i = 0; i <= pieces; ++i) {
      const double angle = (from + (to - from) * i / pieces) * degree, c = std::cos(angle), s = std::sin(angle);
      strokes_.back().push_back({center.x + radius.x * std::copysign(std::pow(std::abs(c), squareness), c),
                                 center.y + radius.y * std::copysign(std::pow(std::abs(s), squareness), s)});
    }
    open_ = false;
  }

  const char* at_;
  std::vector<Stroke> strokes_;
  bool open_ = false;
};

}  // namespace detail
}  // namespace pushforward::plot
