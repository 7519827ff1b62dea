// digits(): handwritten digits that the library draws itself, for programs without a data set at hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/autodiff/tensor.hpp>
#include <pushforward/core/random.hpp>
#include <pushforward/data/digit_skeletons.hpp>

namespace pushforward::data {

/// How digits are drawn.
struct DigitsOptions {
  double variation = 1;             ///< How much hands differ: 0 draws every way of writing a digit alike.
  std::vector<Index> classes = {};  ///< Which digits, equally often; none means 0 to 9.
};

/// Drawn digits, what they show, and how they were drawn.
template <class S = float>
struct Digits {
  Tensor<S> images;      ///< [n, 784], rows of 28 x 28 pixels, 0 (background) to 1 (ink)
  Tensor<Index> labels;  ///< [n]
  /// [n, 6]: slant (shift to the right for each unit upwards), thickness (pixels), size (pixels, the longer side), x
  /// and y (pixels, of the center of ink from the center of the image, right and down), rotation (radians, clockwise).
  Tensor<S> attributes;
};

namespace detail {

inline constexpr Index digit_side = 28, digit_attributes = 6;
inline constexpr double image_middle = 0.5 * static_cast<double>(digit_side - 1);

// The hand that writes one digit: the attributes, then what nobody asks for.
struct Hand {
  double slant, thickness, size, x, y, rotation;
  double aspect, tremor, wave_x, wave_y, phase_x, phase_y, swell, swell_phase;
};

inline Hand draw_hand(double variation, Rng& rng) {
  const auto varied = [&](double typical, double spread, double least, double most) {
    return std::clamp(typical + variation * spread * rng.normal(), least, most);
  };
  Hand hand;
  hand.slant = varied(0.22, 0.2, -0.4, 0.8);
  hand.thickness = std::exp(varied(0.95, 0.22, 0.35, 1.5));
  hand.size = varied(19.6, 0.7, 16, 22);
  hand.x = varied(0, 0.35, -2, 2);
  hand.y = varied(0, 0.35, -2, 2);
  hand.rotation = varied(0, 0.07, -0.3, 0.3);
  hand.aspect = std::exp(varied(0.05, 0.16, -0.5, 0.5));
  hand.tremor = varied(0.028, 0.009, 0, 0.06) * std::min(variation, 1.0);
  hand.wave_x = varied(0, 0.04, -0.1, 0.1);
  hand.wave_y = varied(0, 0.03, -0.08, 0.08);
  hand.phase_x = 6.283185307 * rng.uniform();
  hand.phase_y = 6.283185307 * rng.uniform();
  hand.swell = varied(0, 0.12, -0.3, 0.3);
  hand.swell_phase = 6.283185307 * rng.uniform();
  return hand;
}

// A point of the pen's path with half the width of the line there. A path of several strokes has gaps.
struct Ink {
  double x, y, half;
  bool gap_after;
};

// The Catmull-Rom spline through p1 and p2 with neighbors p0 and p3, at u in [0, 1].
inline double spline(double p0, double p1, double p2, double p3, double u) {
  return p1 + 0.5 * u * (p2 - p0 + u * (2 * p0 - 5 * p1 + 4 * p2 - p3 + u * (3 * (p1 - p2) + p3 - p0)));
}

// The knots as this hand places them: shaken, waved, sheared and turned, in units of the height.
inline void place_knots(std::span<const Knot> knots, const Hand& hand, Rng& rng, std::vector<Knot>& placed) {
  placed.clear();
  const double c = std::cos(hand.rotation), s = std::sin(hand.rotation);
  for (const Knot& knot : knots) {
    double x = knot.x + hand.tremor * rng.normal(), y = knot.y + hand.tremor * rng.normal();
    const double wave_x = hand.wave_x * std::sin(4.2 * y + hand.phase_x);
    y += hand.wave_y * std::sin(5.0 * x + hand.phase_y);
    x = (x + wave_x - 0.35) * hand.aspect + hand.slant * (0.5 - y);
    y -= 0.5;
    placed.push_back({c * x - s * y, s * x + c * y, knot.pen});
  }
}

// The path of the pen through the placed knots.
inline void trace(const std::vector<Knot>& knots, const Hand& hand, std::vector<Ink>& path) {
  constexpr int pieces = 4;
  path.clear();
  const auto ends = [&](std::size_t i) { return i + 1 == knots.size() || knots[i].pen != Pen::smooth; };
  for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
    if (knots[i].pen == Pen::lift) continue;
    const bool starts = i == 0 || knots[i - 1].pen == Pen::lift;
    const Knot &p1 = knots[i], &p2 = knots[i + 1];
    const Knot& p0 = starts || p1.pen == Pen::corner ? p1 : knots[i - 1];
    const Knot& p3 = ends(i + 1) ? p2 : knots[i + 2];
    for (int k = starts ? 0 : 1; k <= pieces; ++k) {
      const double u = static_cast<double>(k) / pieces, along = static_cast<double>(i) + u;
      const double pressure = 1 + hand.swell * std::sin(0.9 * along + hand.swell_phase);
      path.push_back({spline(p0.x, p1.x, p2.x, p3.x, u), spline(p0.y, p1.y, p2.y, p3.y, u),
                      0.5 * hand.thickness * pressure, k == pieces && p2.pen == Pen::lift});
    }
  }
}

// Scales the path to the hand's size, in the middle of the image.
inline void fit_to_image(std::vector<Ink>& path, const Hand& hand) {
  double left = path[0].x, right = left, top = path[0].y, bottom = top;
  for (const Ink& p : path) {
    left = std::min(left, p.x);
    right = std::max(right, p.x);
    top = std::min(top, p.y);
    bottom = std::max(bottom, p.y);
  }
  const double extent = std::max({right - left, bottom - top, 0.1}), scale = (hand.size - hand.thickness) / extent;
  for (Ink& p : path) {
    p.x = image_middle + scale * (p.x - 0.5 * (left + right));
    p.y = image_middle + scale * (p.y - 0.5 * (top + bottom));
  }
}

// Darkens the pixels around the segment from a to b, up to full ink, with edges about a pixel soft.
inline void draw_segment(const Ink& a, const Ink& b, double* pixels) {
  constexpr double softness = 1.25;
  const double reach = std::max(a.half, b.half) + 0.5 * softness;
  const auto clip = [](double at) {
    return static_cast<Index>(std::clamp(at, 0.0, static_cast<double>(digit_side - 1)));
  };
  const Index left = clip(std::ceil(std::min(a.x, b.x) - reach)), right = clip(std::floor(std::max(a.x, b.x) + reach));
  const Index top = clip(std::ceil(std::min(a.y, b.y) - reach)), bottom = clip(std::floor(std::max(a.y, b.y) + reach));
  const double dx = b.x - a.x, dy = b.y - a.y, inverse = 1 / std::max(dx * dx + dy * dy, 1e-12);
  for (Index row = top; row <= bottom; ++row) {
    for (Index column = left; column <= right; ++column) {
      const double x = static_cast<double>(column) - a.x, y = static_cast<double>(row) - a.y;
      const double u = std::clamp((x * dx + y * dy) * inverse, 0.0, 1.0);
      const double gap_x = x - u * dx, gap_y = y - u * dy, half = a.half + u * (b.half - a.half);
      const double ink = 0.5 + (half - std::sqrt(gap_x * gap_x + gap_y * gap_y)) / softness;
      double& pixel = pixels[row * digit_side + column];
      pixel = std::max(pixel, std::min(ink, 1.0));
    }
  }
}

inline const Skeleton& choose_skeleton(Index digit, double u) {
  const auto& ways = skeletons[static_cast<std::size_t>(digit)];
  std::size_t way = 0;
  while (way + 1 < ways.size() && u >= ways[way].share) u -= ways[way++].share;
  return ways[way];
}

// Buffers that one thread uses again for each digit.
struct DigitPainter {
  std::vector<Knot> placed;
  std::vector<Ink> path;
  double pixels[digit_side * digit_side];

  void paint(Index digit, const Hand& hand, Rng& rng) {
    place_knots(choose_skeleton(digit, rng.uniform()).knots, hand, rng, placed);
    trace(placed, hand, path);
    fit_to_image(path, hand);
    draw();
    move_ink_to(image_middle + hand.x, image_middle + hand.y);
    draw();
  }

 private:
  void draw() {
    std::fill(std::begin(pixels), std::end(pixels), 0.0);
    for (std::size_t i = 0; i + 1 < path.size(); ++i)
      if (!path[i].gap_after) draw_segment(path[i], path[i + 1], pixels);
  }
  // Moves the path so that the center of the ink now drawn comes to (x, y), as MNIST was centered.
  void move_ink_to(double x, double y) {
    double ink = 0, at_x = 0, at_y = 0;
    for (Index j = 0; j < digit_side * digit_side; ++j) {
      ink += pixels[j];
      at_x += pixels[j] * static_cast<double>(j % digit_side);
      at_y += pixels[j] * static_cast<double>(j / digit_side);
    }
    if (!(ink > 0)) return;
    for (Ink& p : path) {
      p.x += x - at_x / ink;
      p.y += y - at_y / ink;
    }
  }
};

inline void check_digits(Index n, const DigitsOptions& options) {
  if (n < 0) fail<ValueError>("digits: got n = ", n, ", expected n >= 0");
  if (!(options.variation >= 0) || !std::isfinite(options.variation))
    fail<ValueError>("digits: got variation = ", options.variation, ", expected 0 or a positive number, usually 1");
  for (Index digit : options.classes)
    if (digit < 0 || digit > 9) fail<ValueError>("digits: got the class ", digit, ", expected digits 0 to 9");
}

}  // namespace detail

/// n handwritten digits, drawn by the library: 28 x 28 pixels with labels and the attributes of each drawing.
///
/// Every digit has three ways of being written, as strokes along Catmull-Rom splines; slant, thickness, size, position,
/// rotation, proportions, tremor and the pressure of the pen vary from one to the next. Like those of MNIST they stand
/// in a box of about 20 pixels, centered by their ink, which is about 0.13 of the image. Digit i depends on the
/// generator and i only. Throws ValueError for a negative n or variation, or a class that is no digit.
template <class S = float>
Digits<S> digits(Index n, Rng& rng, const DigitsOptions& options = {}) {
  detail::check_digits(n, options);
  const Rng::State child = rng.split().state();
  constexpr Index pixels = detail::digit_side * detail::digit_side, k = detail::digit_attributes;
  const auto generator = [&](Index i) {
    return Rng::from_state({child.key, child.stream + static_cast<std::uint64_t>(i), 0, 0});
  };
  const auto draw_label = [&](Rng& item) {
    const auto count = static_cast<Index>(options.classes.size());
    return count ? options.classes[static_cast<std::size_t>(item.uniform_index(count))] : item.uniform_index(10);
  };
  Digits<S> made;
  made.labels = Tensor<Index>::generate({n}, [&](Index i) {
    Rng item = generator(i);
    return draw_label(item);
  });
  made.attributes = Tensor<S>::build({n, k}, [&](S* attributes) {
    made.images = Tensor<S>::build({n, pixels}, [&](S* images) {
      parallel_for(n, 4, [&](Index begin, Index end) {
        detail::DigitPainter painter;
        for (Index i = begin; i < end; ++i) {
          Rng item = generator(i);
          const Index label = draw_label(item);
          const detail::Hand hand = detail::draw_hand(options.variation, item);
          painter.paint(label, hand, item);
          for (Index j = 0; j < pixels; ++j) images[i * pixels + j] = static_cast<S>(painter.pixels[j]);
          const double row[] = {hand.slant, hand.thickness, hand.size, hand.x, hand.y, hand.rotation};
          for (Index j = 0; j < k; ++j) attributes[i * k + j] = static_cast<S>(row[j]);
        }
      });
    });
  });
  return made;
}

}  // namespace pushforward::data
