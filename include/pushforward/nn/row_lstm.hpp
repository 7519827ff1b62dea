// RowLSTM: an LSTM that goes down an image row by row, with convolutions along the rows.
#pragma once

#include <vector>

#include <pushforward/nn/shifted_conv.hpp>
#include <pushforward/ops/elementwise.hpp>

namespace pushforward {

namespace detail {

template <class S>
struct LstmPair {
  Tensor<S> hidden, cell;
};

// One step of an LSTM: gates [n, 4 units, ..] before their activations, in the order i, f, g, o; cell [n, units, ..].
template <class S>
LstmPair<S> lstm_step(const Tensor<S>& gates, const Tensor<S>& cell) {
  const auto [in, forget, g, out] = split<4>(gates, 1);
  const Tensor<S> next = sigmoid(forget) * cell + sigmoid(in) * tanh(g);
  return {sigmoid(out) * tanh(next), next};
}

// Numbers of the last two rows of an image, [2, n, width, units], zeros before they are written.
template <class S>
class TwoRows {
 public:
  TwoRows(Index n, Index width, Index units)
      : n_(n), width_(width), units_(units), values_(static_cast<std::size_t>(2 * n * width * units), S(0)) {}

  void write(const PixelRange& at, const Tensor<S>& x) {
    check_pixels("step", at, x, n_, units_, width_);
    for (Index i = 0; i < n_; ++i)
      std::copy_n(x.data() + i * at.columns * units_, at.columns * units_, place(at.row, i, at.first));
  }
  // At these pixels, [n * columns, units]; zeros above and to the left of the image.
  Tensor<S> read(const PixelRange& at) {
    Tensor<S> y = Tensor<S>::zeros({n_ * at.columns, units_});
    for (Index i = 0; i < n_ && at.row >= 0 && at.first >= 0; ++i)
      std::copy_n(place(at.row, i, at.first), at.columns * units_, Access::data(y) + i * at.columns * units_);
    return y;
  }

 private:
  S* place(Index row, Index i, Index column) {
    return values_.data() + ((row % 2 * n_ + i) * width_ + column) * units_;
  }

  Index n_, width_, units_;
  std::vector<S> values_;
};

}  // namespace detail

/// How recurrent layers over images are built.
struct ImageLSTMOptions {
  Index colors = 1;  ///< of a pixel: equal parts of the inputs and of the units belong to each (see MaskedConv2d)
};

/// An LSTM down the rows of images (van den Oord et al. 2016, Pixel recurrent neural networks, section 3.1): x [n, in,
/// h, w] -> [n, units, h, w].
///
///     (i, f, g, o) = K_is * x_row + K_ss * h_(row above) + b
///     c = sigmoid(f) c_(row above) + sigmoid(i) tanh(g),   h = sigmoid(o) tanh(c)
///
/// `input` holds K_is and b: a convolution along the row of width three, masked (MaskType::b), so that a pixel sees its
/// own input and that of the one before it. `state` holds K_ss, of width three: [4 units, units, 1, 3]. A pixel sees a
/// triangle above it. Throws ShapeError if the colors do not divide the channels.
template <class S = float>
struct RowLSTM {
  ShiftedConv2d<S> input, state;

  RowLSTM() = default;
  RowLSTM(Index inputs, Index units, Rng& rng, const ImageLSTMOptions& o = {})
      : input(ShiftedConv2d<S>::masked(MaskType::b, inputs, 4 * units, rng,
                                       {.reach = 1, .colors = o.colors, .parts = 4})),
        state(units, 4 * units, {1, 3}, rng, {.up = 1, .left = 1, .bias = false}) {}

  Index inputs() const { return input.inputs(); }
  Index units() const { return state.inputs(); }

  Tensor<S> operator()(const Tensor<S>& x) const {
    const Tensor<S> from_input = input(x);  // [n, 4 units, h, w]
    std::vector<Tensor<S>> rows;
    detail::LstmPair<S> now{{}, Tensor<S>::zeros(Shape{x.size(0), units(), x.size(3)})};
    for (Index row = 0; row < x.size(2); ++row) {
      Tensor<S> gates = select(from_input, 2, row);
      if (row > 0) gates = gates + from_state(now.hidden);
      now = detail::lstm_step(gates, now.cell);
      rows.push_back(now.hidden);
    }
    return rows.empty() ? Tensor<S>::zeros(x.shape().with(1, units())) : stack(rows, 2);
  }

  /// What later pixels need of those that have been computed.
  class Cache {
   public:
    Cache(const RowLSTM& layer, Index n, Index width)
        : input_(layer.input, n, width), state_(layer.state, n, width), cells_(n, width, layer.units()) {}

   private:
    friend struct RowLSTM;
    ShiftedConvCache<S> input_, state_;
    detail::TwoRows<S> cells_;
  };
  /// The result at some pixels of a row, all before which have been computed: x [n * columns, in] -> [n * columns,
  /// units], with the bits of the whole images.
  Tensor<S> step(const Tensor<S>& x, const PixelRange& at, Cache& cache) const {
    const NoGradient guard;
    cache.input_.write(at, x);
    const Tensor<S> gates = cache.input_.read(at) + cache.state_.read(at);
    const auto now = detail::lstm_step(gates, cache.cells_.read({at.row - 1, at.first, at.columns}));
    cache.state_.write(at, now.hidden);
    cache.cells_.write(at, now.cell);
    return now.hidden;
  }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input);
    visit("state", self.state);
  }

 private:
  // h [n, units, w] -> [n, 4 units, w].
  Tensor<S> from_state(const Tensor<S>& h) const {
    return squeeze(detail::shifted_conv(unsqueeze(h, 2), state.weight.tensor(), Tensor<S>(), {.padding = {0, 0, 1, 1}}),
                   2);
  }
};

}  // namespace pushforward
