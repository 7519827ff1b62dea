// Bodies of digits.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/data/digits.hpp>

namespace pushforward::data::detail {

PUSHFORWARD_ONCE Hand draw_hand(double variation, Rng& rng) {
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

PUSHFORWARD_ONCE void place_knots(std::span<const Knot> knots, const Hand& hand, Rng& rng, std::vector<Knot>& placed) {
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

PUSHFORWARD_ONCE void trace(const std::vector<Knot>& knots, const Hand& hand, std::vector<Ink>& path) {
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

PUSHFORWARD_ONCE void fit_to_image(std::vector<Ink>& path, const Hand& hand) {
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

PUSHFORWARD_ONCE void draw_segment(const Ink& a, const Ink& b, double* pixels) {
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

PUSHFORWARD_ONCE const Skeleton& choose_skeleton(Index digit, double u) {
  const auto& ways = skeletons[static_cast<std::size_t>(digit)];
  std::size_t way = 0;
  while (way + 1 < ways.size() && u >= ways[way].share) u -= ways[way++].share;
  return ways[way];
}

PUSHFORWARD_ONCE void DigitPainter::paint(Index digit, const Hand& hand, Rng& rng) {
  place_knots(choose_skeleton(digit, rng.uniform()).knots, hand, rng, placed);
  trace(placed, hand, path);
  fit_to_image(path, hand);
  draw();
  move_ink_to(image_middle + hand.x, image_middle + hand.y);
  draw();
}

PUSHFORWARD_ONCE void DigitPainter::draw() {
  std::fill(std::begin(pixels), std::end(pixels), 0.0);
  for (std::size_t i = 0; i + 1 < path.size(); ++i)
    if (!path[i].gap_after) draw_segment(path[i], path[i + 1], pixels);
}

PUSHFORWARD_ONCE void DigitPainter::move_ink_to(double x, double y) {
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

PUSHFORWARD_ONCE void check_digits(Index n, const DigitsOptions& options) {
  if (n < 0) fail<ValueError>("digits: got n = ", n, ", expected n >= 0");
  if (!(options.variation >= 0) || !std::isfinite(options.variation))
    fail<ValueError>("digits: got variation = ", options.variation, ", expected 0 or a positive number, usually 1");
  for (Index digit : options.classes)
    if (digit < 0 || digit > 9) fail<ValueError>("digits: got the class ", digit, ", expected digits 0 to 9");
}

}  // namespace pushforward::data::detail
