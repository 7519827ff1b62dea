// Squeeze: space becomes channels.
#pragma once

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/ops/images.hpp>

namespace pushforward {

/// Where the four pixels of a 2 x 2 block go.
enum class SqueezeOrder {
  rows,          ///< channel c becomes 4 c .. 4 c + 3: upper left, upper right, lower left, lower right
  checkerboard,  ///< the first half of the channels holds the black squares, upper left and lower right of channel 0,
                 ///< of channel 1, ..., the second half the white ones, so that a ChannelCoupling that keeps a half
                 ///< has the mask of a checkerboard (Dinh et al. 2017, sec. 3.4); even channels are upper pixels
};

namespace detail {

// Throws ShapeError unless x is [n, channels, height, width].
inline void check_channels(const char* bijector, const Shape& x, Index channels) {
  if (x.rank() != 4 || x[1] != channels)
    fail<ShapeError>(bijector, ": input of shape ", x, ", expected images of ", channels, " channels, [n, ", channels,
                     ", height, width]");
}

// sum over the pixels of an image of what is the same for each: [n].
template <class S>
Tensor<S> log_det_of_pixels(const Tensor<S>& per_pixel, const Shape& x) {
  return expand(per_pixel * static_cast<double>(x[2] * x[3]), Shape{x[0]});
}

}  // namespace detail

/// Each 2 x 2 block of pixels becomes one pixel of four times the channels: [n, c, h, w] -> [n, 4 c, h / 2, w / 2] and
/// back (Dinh et al. 2017, sec. 3.6). The volume is preserved.
///
/// `Inverse(Squeeze{})` is what a flow has, whose `forward` ends with the large image. Throws ShapeError for an odd
/// height or width, or channels that are no multiple of 4 in `inverse`.
struct Squeeze {
  SqueezeOrder order = SqueezeOrder::rows;

  template <class S>
  WithLogDet<S> forward(const Tensor<S>& x) const {
    if (x.rank() != 4 || x.size(2) % 2 != 0 || x.size(3) % 2 != 0)
      fail<ShapeError>("Squeeze: input of shape ", x.shape(),
                       ", expected images [n, channels, height, width] of an even height and width; pad them");
    const Tensor<S> y = pixel_unshuffle(x, 2);
    const bool rows = order == SqueezeOrder::rows;
    return {rows ? y : index_select(y, 1, source(y.size(1))), Tensor<S>::zeros({x.size(0)})};
  }
  template <class S>
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    if (y.rank() != 4 || y.size(1) % 4 != 0)
      fail<ShapeError>("Squeeze: input of shape ", y.shape(),
                       ", expected [n, channels, height, width] with a multiple of 4 channels");
    const bool rows = order == SqueezeOrder::rows;
    return {pixel_shuffle(rows ? y : index_select(y, 1, place(y.size(1))), 2), Tensor<S>::zeros({y.size(0)})};
  }

  static void members(auto&, auto&&) {}

 private:
  // Which channel in the order of rows becomes channel i of the checkerboard's.
  static Index row_channel(Index i, Index channels) {
    constexpr Index corner[] = {0, 3, 1, 2};  // black: upper left, lower right; white: upper right, lower left
    const Index half = channels / 2;
    return i % half / 2 * 4 + corner[i / half * 2 + i % half % 2];
  }
  static Tensor<Index> source(Index channels) {
    return Tensor<Index>::generate({channels}, [=](Index i) { return row_channel(i, channels); });
  }
  static Tensor<Index> place(Index channels) {
    return Tensor<Index>::build({channels}, [=](Index* to) {
      for (Index i = 0; i < channels; ++i) to[row_channel(i, channels)] = i;
    });
  }
};

}  // namespace pushforward
