// ImageCouplingNet: the network of a coupling of channels.
#pragma once

#include <vector>

#include <pushforward/nn/conv.hpp>

namespace pushforward {

/// The network of a coupling of channels: 3 x 3 convolution, ReLU, 1 x 1 convolution, ReLU, ..., 3 x 3 convolution, all
/// of which keep height and width: [n, in, h, w] -> [n, out, h, w] (Kingma and Dhariwal 2018, sec. 5). The last one
/// starts as zero, so that the coupling starts without doing anything. Throws ValueError for channels that are not
/// positive or no hidden ones.
template <class S = float>
struct ImageCouplingNet {
  using Scalar = S;
  std::vector<Conv2d<S>> layers;

  ImageCouplingNet() = default;
  ImageCouplingNet(Index in, const std::vector<Index>& hidden, Index out, Rng& rng) {
    if (hidden.empty()) fail<ValueError>("ImageCouplingNet: got no hidden channels, expected at least one number");
    Index before = in;
    for (const Index width : hidden) {
      if (in < 1 || width < 1 || out < 1)
        fail<ValueError>("ImageCouplingNet: got ", in, " channels, ", width, " hidden and ", out,
                         " outputs, expected at least 1 each");
      const Index kernel = layers.empty() ? 3 : 1;
      layers.emplace_back(before, width, kernel, rng, Conv2dLayerOptions{.padding = same_padding(kernel)});
      before = width;
    }
    layers.emplace_back(before, out, 3, rng, Conv2dLayerOptions{.padding = same_padding(3)});
    layers.back().weight = Tensor<S>::zeros(layers.back().weight.shape());
    layers.back().bias = Tensor<S>::zeros({out});
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    Tensor<S> h = x;
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) h = layers[i](h, Activation::relu);
    return layers.back()(h);
  }

  static void members(auto& self, auto&& visit) { visit("layers", self.layers); }
};

}  // namespace pushforward
