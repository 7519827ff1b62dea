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

Hand draw_hand(double variation, Rng& rng);

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
void place_knots(std::span<const Knot> knots, const Hand& hand, Rng& rng, std::vector<Knot>& placed);

// The path of the pen through the placed knots.
void trace(const std::vector<Knot>& knots, const Hand& hand, std::vector<Ink>& path);

// Scales the path to the hand's size, in the middle of the image.
void fit_to_image(std::vector<Ink>& path, const Hand& hand);

// Darkens the pixels around the segment from a to b, up to full ink, with edges about a pixel soft.
void draw_segment(const Ink& a, const Ink& b, double* pixels);

const Skeleton& choose_skeleton(Index digit, double u);

// Buffers that one thread uses again for each digit.
struct DigitPainter {
  std::vector<Knot> placed;
  std::vector<Ink> path;
  double pixels[digit_side * digit_side];

  void paint(Index digit, const Hand& hand, Rng& rng);

 private:
  void draw();
  // Moves the path so that the center of the ink now drawn comes to (x, y), as MNIST was centered.
  void move_ink_to(double x, double y);
};

void check_digits(Index n, const DigitsOptions& options);

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

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/data/digits.inl>
#endif
