// The network of WaveNet: gated blocks of dilated causal convolutions whose sums run in order.
#pragma once

#include <vector>

#include <pushforward/bijectors/autoregressive_kernels.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/ops/elementwise.hpp>

namespace pushforward {

/// How a WaveNet is built.
struct WaveNetOptions {
  Index levels = 256;   ///< of each number, where it is categorical
  Index length = 1000;  ///< numbers of a drawn sequence; any other length can be scored and completed
  Index channels = 32;  ///< of the way from block to block
  Index gates = 0;      ///< gated units of a block; 0: as many as channels
  Index skip = 0;       ///< channels of what the blocks pass to the head; 0: twice the channels
  Index layers = 8;     ///< blocks of a stack, with dilations 1, 2, 4, ..
  Index stacks = 1;     ///< stacks, one after the other
  Index kernel = 2;     ///< taps of each convolution
  Index classes = 0;    ///< labels to condition on; 0: none
  Index global = 0;     ///< numbers of a vector to condition on
  Index local = 0;      ///< channels of a sequence to condition on
};

/// What the sequences of a batch are conditioned on; what the model does not take stays empty.
template <class S = float>
struct WaveNetCondition {
  Tensor<Index> labels = {};  ///< [n]
  Tensor<S> global = {};      ///< [n, global]
  Tensor<S> local = {};       ///< [n, local, t]: number t of a sequence sees column t, and columns before it
};

namespace detail {

// The convolution of CausalConv1d with every sum in the order of channels and taps, whatever the sizes: the order in
// which WaveNetSteps adds.
template <class S>
Tensor<S> causal_in_order(const Tensor<S>& x, const CausalConv1d<S>& layer) {
  const Tensor<S> image = unsqueeze(x, 2), weight = unsqueeze(layer.weight.tensor(), 2), bias = layer.bias.tensor();
  const Conv1dOptions& o = layer.options;
  const ConvGeometry c =
      conv_geometry("WaveNet", image, weight, bias,
                    {.padding = {0, 0, o.padding.before, o.padding.after}, .dilation = {1, o.dilation}});
  Tensor<S> y = Access::allocate<S>({x.size(0), weight.size(0), 1, c.x.out});
  if (!y.empty()) {
    const ConvProblem<S> problem{conv_source(image, c),
                                 1,
                                 weight.size(0),
                                 weight.data(),
                                 data_or_null(bias),
                                 false,
                                 Access::data(y),
                                 c.x.out,
                                 c.x.out,
                                 1};
    ConvForward<S>(problem).run();
  }
  return squeeze(record_conv(std::move(y), image, weight, bias, c), 2);
}

// y = tanh(u) sigmoid(v).
template <class S>
void gate_values(Index n, const S* u, const S* v, S* y) {
  map_serial([](S a, S b) { return Tanh{}.value(a) * Sigmoid{}.value(b); }, n, y, u, v);
}

// tanh of the first half of the channels times the sigmoid of the second: [n, 2 c, t] -> [n, c, t].
template <class S>
Tensor<S> gated(const Tensor<S>& z) {
  const Index n = z.size(0), c = z.size(1) / 2, area = c * z.size(2);
  Tensor<S> y = Access::allocate<S>({n, c, z.size(2)});
  parallel_for(n * area, elementwise_grain / 4, [in = z.data(), out = Access::data(y), area](Index begin, Index end) {
    while (begin < end) {
      const Index row = begin / area, stop = std::min(end, (row + 1) * area);
      gate_values(stop - begin, in + begin + row * area, in + begin + (row + 1) * area, out + begin);
      begin = stop;
    }
  });
  return record("gated", std::move(y), edge(z, [z, c](const Tensor<S>& g) {
                  const Tensor<S> u = slice(z, 1, 0, c), v = slice(z, 1, c, 2 * c);
                  auto by_u = [](auto h, auto a, auto b) {
                    const auto s = tanh(a);
                    return h * sigmoid(b) * (1.0 - s * s);
                  };
                  auto by_v = [](auto h, auto a, auto b) { return h * tanh(a) * sigmoid(b) * sigmoid(-b); };
                  return concat({elementwise(by_u, g, u, v), elementwise(by_v, g, u, v)}, 1);
                }));
}

}  // namespace detail

/// A residual block of WaveNet: a gated, dilated causal convolution, and what it passes on and to the head.
template <class S = float>
struct WaveNetBlock {
  CausalConv1d<S> dilated;   // channels -> 2 gates
  Parameter<S> global;       // [2 gates, classes + global], or empty
  Parameter<S> local;        // [2 gates, local, 1], or empty
  Conv1d<S> residual, skip;  // gates -> channels (empty in the last block), gates -> skip

  WaveNetBlock() = default;
  WaveNetBlock(const WaveNetOptions& o, Index dilation, bool last, Rng& rng)
      : dilated(o.channels, 2 * o.gates, o.kernel, rng, {.dilation = dilation}), skip(o.gates, o.skip, 1, rng) {
    const auto start = [&](const Shape& shape) {
      const double bound = 1 / std::sqrt(static_cast<double>(shape[1]));
      return uniform<S>(shape, rng, -bound, bound);
    };
    if (o.classes + o.global > 0) global = start({2 * o.gates, o.classes + o.global});
    if (o.local > 0) local = start({2 * o.gates, o.local, 1});
    if (!last) residual = Conv1d<S>(o.gates, o.channels, 1, rng);
  }

  /// What is gated: h [n, channels, t], global condition [n, ..] and local condition [n, local, t] or empty ones ->
  /// [n, 2 gates, t].
  Tensor<S> filters(const Tensor<S>& h, const Tensor<S>& whole, const Tensor<S>& along) const {
    Tensor<S> z = detail::causal_in_order(h, dilated);
    if (!whole.empty()) z = z + unsqueeze(linear(whole, global.tensor(), Tensor<S>()), 2);
    return along.empty() ? z : z + conv1d(along, local.tensor(), Tensor<S>());
  }

  static void members(auto& self, auto&& visit) {
    visit("dilated", self.dilated);
    visit("global", self.global);
    visit("local", self.local);
    visit("residual", self.residual);
    visit("skip", self.skip);
  }
};

/// All layers of a WaveNet: what each number is conditioned on becomes the numbers that stand for its distribution.
template <class S = float>
struct WaveNetLayers {
  Embedding<S> levels;      // a row for each level, and one for what is before the first number; empty for real numbers
  Conv1d<S> input;          // 1 -> channels, for real numbers
  Buffer<S> shift, factor;  // real numbers go in as (x - shift) factor
  std::vector<WaveNetBlock<S>> blocks;
  Conv1d<S> head, outputs;  // skip -> skip, skip -> parameters

  WaveNetLayers() = default;
  /// `o` without zeros that stand for something else, but for levels: 0 for real numbers.
  WaveNetLayers(const WaveNetOptions& o, Index parameters, Rng& rng)
      : shift(Tensor<S>::zeros({1})), factor(Tensor<S>::ones({1})) {
    if (o.levels > 0)
      levels.weight = neighborly_rows(o.levels, o.channels, rng);
    else
      input = Conv1d<S>(1, o.channels, 1, rng);
    for (Index stack = 0; stack < o.stacks; ++stack)
      for (Index layer = 0; layer < o.layers; ++layer)
        blocks.emplace_back(o, Index{1} << layer, stack + 1 == o.stacks && layer + 1 == o.layers, rng);
    head = Conv1d<S>(o.skip, o.skip, 1, rng);
    outputs = Conv1d<S>(o.skip, parameters, 1, rng);
  }

  bool categorical() const { return !levels.weight.empty(); }

  /// x [n, t], conditions as in WaveNetBlock -> [n, parameters, t]: column t follows from the numbers before t.
  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& whole, const Tensor<S>& along) const {
    Tensor<S> h = before(x), total;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const WaveNetBlock<S>& block = blocks[i];
      const Tensor<S> a = detail::gated(block.filters(h, whole, along)), part = block.skip(a);
      total = i == 0 ? part : total + part;
      if (i + 1 < blocks.size()) h = h + block.residual(a);
    }
    return outputs(relu(head(relu(total))));
  }

  static void members(auto& self, auto&& visit) {
    visit("levels", self.levels);
    visit("input", self.input);
    visit("shift", self.shift);
    visit("factor", self.factor);
    visit("blocks", self.blocks);
    visit("head", self.head);
    visit("outputs", self.outputs);
  }

 private:
  /// Rows in which near levels start alike: waves of random lengths along the levels, [count + 1, channels], of mean
  /// square 1. What is before the first number lies beyond the last level.
  static Tensor<S> neighborly_rows(Index count, Index channels, Rng& rng) {
    const Tensor<double> waves = normal<double>({channels}, rng) * 4.0,
                         phases = uniform<double>({channels}, rng, 0.0, 6.283185307179586);
    return Tensor<S>::generate({count + 1, channels}, [&](Index i) {
      const double at = static_cast<double>(i / channels) / static_cast<double>(count - 1);
      return static_cast<S>(1.4142135623730951 *
                            std::cos(6.283185307179586 * waves(i % channels) * at + phases(i % channels)));
    });
  }

  /// The channels that stand for the number before each: [n, t] -> [n, channels, t].
  Tensor<S> before(const Tensor<S>& x) const {
    const Index t = x.size(1);
    if (!categorical()) {
      const Tensor<S> u = (detail::network_input(x) - shift.tensor()) * factor.tensor();
      return input(unsqueeze(pad(slice(u, 1, 0, t - 1), 1, 1, 0), 1));
    }
    const Index start = levels.weight.size(0) - 1;
    const auto previous = [&](Index i) { return i % t == 0 ? start : static_cast<Index>(x.data()[i - 1]); };
    return permute(levels(Tensor<Index>::generate(x.shape(), previous)), {0, 2, 1});
  }
};

}  // namespace pushforward
