// Sizes and paddings of images and sequences, as options give them.
#pragma once

#include <pushforward/core/threads.hpp>

namespace pushforward {

/// A height and a width; one number stands for both.
struct Size2 {
  Index height = 1, width = 1;
  constexpr Size2(Index both) : height(both), width(both) {}  // implicit: `.stride = 2`
  constexpr Size2(Index h, Index w) : height(h), width(w) {}
};

/// Zeros around an image: one number for all sides, {vertical, horizontal}, or {top, bottom, left, right}. Negative
/// ones cut lines off instead.
struct Padding2 {
  Index top = 0, bottom = 0, left = 0, right = 0;
  constexpr Padding2(Index all) : top(all), bottom(all), left(all), right(all) {}  // implicit: `.padding = 1`
  constexpr Padding2(Index vertical, Index horizontal)
      : top(vertical), bottom(vertical), left(horizontal), right(horizontal) {}
  constexpr Padding2(Index t, Index b, Index l, Index r) : top(t), bottom(b), left(l), right(r) {}
};

/// Zeros before and after a sequence; one number stands for both. Negative ones cut elements off instead.
struct Padding1 {
  Index before = 0, after = 0;
  constexpr Padding1(Index both) : before(both), after(both) {}  // implicit: `.padding = 1`
  constexpr Padding1(Index b, Index a) : before(b), after(a) {}
};

}  // namespace pushforward
