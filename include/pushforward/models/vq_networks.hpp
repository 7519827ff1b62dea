// The encoder and the decoder of vector-quantized autoencoders of images.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/nn/conv.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

/// How a VqEncoder and a VqDecoder are built.
struct VqNetworkOptions {
  Index channels = 1;   ///< of the images
  Index hidden = 64;    ///< channels inside
  Index residual = 32;  ///< channels inside a residual block
  Index blocks = 1;     ///< residual blocks
  Index halvings = 2;   ///< how often height and width are halved
  Index features = 16;  ///< channels of the vectors that are quantized
};

namespace detail {

inline void check_vq_network(const char* name, const VqNetworkOptions& o) {
  if (o.channels < 1 || o.hidden < 2 || o.residual < 1 || o.features < 1)
    fail<ValueError>(name, ": got ", o.channels, " channels, ", o.hidden, " hidden, ", o.residual, " residual, ",
                     o.features, " features, expected at least 1 (2 hidden)");
  if (o.blocks < 0 || o.halvings < 0 || o.halvings > 16)
    fail<ValueError>(name, ": got ", o.blocks, " blocks and ", o.halvings, " halvings, expected 0 or more (up to 16)");
}

// The channels around halving number i, counted from the image.
inline Index vq_width(const VqNetworkOptions& o, Index i) {
  return i == 0 ? o.channels : i == 1 && o.halvings > 1 ? o.hidden / 2 : o.hidden;
}

}  // namespace detail

/// x + conv1x1(relu(conv3x3(relu(x)))), the residual block of van den Oord et al. 2017, sec. 4.1.
template <class S = float>
struct VqResidualBlock {
  Conv2d<S> inner, outer;

  VqResidualBlock() = default;
  VqResidualBlock(Index channels, Index width, Rng& rng)
      : inner(channels, width, 3, rng, {.padding = 1}), outer(width, channels, 1, rng) {}

  Tensor<S> operator()(const Tensor<S>& x) const { return x + outer(inner(relu(x), Activation::relu)); }

  static void members(auto& self, auto&& visit) {
    visit("inner", self.inner);
    visit("outer", self.outer);
  }
};

/// Images to vectors (van den Oord et al. 2017, sec. 4.1): [n, channels, h, w] -> [n, features, h / 2^halvings, w /
/// 2^halvings] by strided 4 x 4 convolutions, residual blocks and a 1 x 1 convolution.
///
/// Throws ShapeError for other channels and for a height or width that is no multiple of 2^halvings.
template <class S = float>
struct VqEncoder {
  using Scalar = S;
  std::vector<Conv2d<S>> halvings;
  std::vector<VqResidualBlock<S>> blocks;
  Conv2d<S> last;

  VqEncoder() = default;
  explicit VqEncoder(const VqNetworkOptions& o, Rng& rng) {
    detail::check_vq_network("VqEncoder", o);
    for (Index i = 0; i < o.halvings; ++i)
      halvings.emplace_back(detail::vq_width(o, i), detail::vq_width(o, i + 1), Size2(4), rng,
                            Conv2dLayerOptions{.stride = 2, .padding = 1});
    if (o.halvings == 0) halvings.emplace_back(o.channels, o.hidden, Size2(3), rng, Conv2dLayerOptions{.padding = 1});
    for (Index i = 0; i < o.blocks; ++i) blocks.emplace_back(o.hidden, o.residual, rng);
    last = Conv2d<S>(o.hidden, o.features, 1, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    check(x);
    Tensor<S> h = x;
    for (const Conv2d<S>& halving : halvings) h = halving(h, Activation::relu);
    for (const VqResidualBlock<S>& block : blocks) h = block(h);
    return last(blocks.empty() ? h : relu(h));
  }

  static void members(auto& self, auto&& visit) {
    visit("halvings", self.halvings);
    visit("blocks", self.blocks);
    visit("last", self.last);
  }

 private:
  void check(const Tensor<S>& x) const {
    if (halvings.empty()) fail<ValueError>("VqEncoder: there are no layers yet; build it as VqEncoder(options, rng)");
    const Index channels = halvings[0].weight.size(1);
    if (x.rank() != 4 || x.size(1) != channels)
      fail<ShapeError>("VqEncoder: got images of shape ", x.shape(), ", expected [n, ", channels, ", h, w]");
    Index factor = 1;
    for (const Conv2d<S>& halving : halvings) factor *= halving.options.stride.height;
    if (x.size(2) < factor || x.size(3) < factor || x.size(2) % factor != 0 || x.size(3) % factor != 0)
      fail<ShapeError>("VqEncoder: got images of ", x.size(2), " x ", x.size(3), ", expected multiples of ", factor,
                       ", because each side is halved several times; pad or crop them");
  }
};

/// Vectors to images, the mirror of VqEncoder: [n, features, h, w] -> [n, channels, h 2^halvings, w 2^halvings] by a
/// 1 x 1 convolution, residual blocks and transposed 4 x 4 convolutions.
///
/// Throws ShapeError for other features.
template <class S = float>
struct VqDecoder {
  using Scalar = S;
  Conv2d<S> first;
  std::vector<VqResidualBlock<S>> blocks;
  std::vector<ConvTranspose2d<S>> doublings;
  Conv2d<S> last;  // where nothing is doubled

  VqDecoder() = default;
  explicit VqDecoder(const VqNetworkOptions& o, Rng& rng) {
    detail::check_vq_network("VqDecoder", o);
    first = Conv2d<S>(o.features, o.hidden, 1, rng);
    for (Index i = 0; i < o.blocks; ++i) blocks.emplace_back(o.hidden, o.residual, rng);
    for (Index i = o.halvings; i > 0; --i)
      doublings.emplace_back(detail::vq_width(o, i), detail::vq_width(o, i - 1), Size2(4), rng,
                             ConvTranspose2dLayerOptions{.stride = 2, .padding = 1});
    if (o.halvings == 0) last = Conv2d<S>(o.hidden, o.channels, 3, rng, {.padding = 1});
  }

  Tensor<S> operator()(const Tensor<S>& z) const {
    Tensor<S> h = first(z);
    for (const VqResidualBlock<S>& block : blocks) h = block(h);
    h = relu(h);
    if (doublings.empty()) return last(h);
    for (std::size_t i = 0; i + 1 < doublings.size(); ++i) h = doublings[i](h, Activation::relu);
    return doublings.back()(h);
  }

  static void members(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("blocks", self.blocks);
    visit("doublings", self.doublings);
    visit("last", self.last);
  }
};

}  // namespace pushforward
