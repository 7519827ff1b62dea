// DiagonalLSTM, DiagonalBiLSTM: LSTMs that go over images along their diagonals.
#pragma once

#include <vector>

#include <pushforward/nn/row_lstm.hpp>

namespace pushforward {

/// [.., h, w] with row i moved i places to the right: the columns of the result [.., h, w + h - 1] are the diagonals.
template <class S>
Tensor<S> skew(const Tensor<S>& x) {
  const Index h = x.size(-2), w = x.size(-1);
  const Shape flat = x.shape().without(-1).with(-1, h * (w + h));
  const Tensor<S> lines = reshape(pad(x, -1, 0, h), flat);
  return reshape(slice(lines, -1, 0, h * (w + h - 1)), x.shape().with(-1, w + h - 1));
}
/// The inverse of skew: [.., h, w + h - 1] -> [.., h, w].
template <class S>
Tensor<S> unskew(const Tensor<S>& x) {
  const Index h = x.size(-2), w = x.size(-1) - h + 1;
  const Shape flat = x.shape().without(-1).with(-1, h * (w + h - 1));
  return slice(reshape(pad(reshape(x, flat), -1, 0, h), x.shape().with(-1, w + h)), -1, 0, w);
}

/// An LSTM from the upper left corner of images (van den Oord et al. 2016, Pixel recurrent neural networks, section
/// 3.2): x [n, in, h, w] -> [n, units, h, w], where a pixel sees all that are not below or to the right of it.
///
///     (i, f, g, o) = K_is x + b + K_ss (h above, h to the left),   c = sigmoid(f) c_left + sigmoid(i) tanh(g)
///     h = sigmoid(o) tanh(c)
///
/// All pixels of a diagonal are computed at once. `input` holds K_is and b, a 1 x 1 convolution (MaskType::b for
/// colors); `state_weight` is K_ss [4 units, units, 2], the pixel above, then the one to the left. Outside of the
/// image states are zero. Throws ShapeError if the colors do not divide the channels.
template <class S = float>
struct DiagonalLSTM {
  ShiftedConv2d<S> input;
  Parameter<S> state_weight;

  DiagonalLSTM() = default;
  DiagonalLSTM(Index inputs, Index units, Rng& rng, const ImageLSTMOptions& o = {})
      : input(ShiftedConv2d<S>::masked(MaskType::b, inputs, 4 * units, rng, {.colors = o.colors, .parts = 4})) {
    const double bound = 1 / std::sqrt(2.0 * static_cast<double>(units));
    state_weight = uniform<S>({4 * units, units, 2}, rng, -bound, bound);
  }

  Index inputs() const { return input.inputs(); }
  Index units() const { return state_weight.size(1); }

  Tensor<S> operator()(const Tensor<S>& x) const {
    const Tensor<S> from_input = permute(skew(input(x)), {3, 0, 1, 2});  // [h + w - 1, n, 4 units, h]
    const Index n = x.size(0), h = x.size(2);
    const Tensor<S> weight = reshape(state_weight.tensor(), Shape{4 * units(), units(), 1, 2});
    const Tensor<S> before = Tensor<S>::zeros(Shape{n, units(), h});
    std::vector<Tensor<S>> diagonals;
    detail::LstmPair<S> now{before, before};
    for (Index d = 0; d < from_input.size(0); ++d) {
      const Tensor<S> states =
          detail::shifted_conv(unsqueeze(now.hidden, 2), weight, Tensor<S>(), {.padding = {0, 0, 1, 0}});
      now = detail::lstm_step(select(from_input, 0, d) + squeeze(states, 2), now.cell);
      if (d + 1 < h) {  // rows below the diagonal's first column are outside
        const Tensor<S> inside = Tensor<S>::generate({h}, [d](Index i) { return i <= d ? S(1) : S(0); });
        now = {now.hidden * inside, now.cell * inside};
      }
      diagonals.push_back(now.hidden);
    }
    return unskew(stack(diagonals, 3));
  }

  /// What later pixels need of those that have been computed.
  class Cache {
   public:
    Cache(const DiagonalLSTM& layer, Index n, Index width)
        : input_(layer.input, n, width),
          hidden_(n, width, layer.units()),
          cell_(n, width, layer.units()),
          columns_(transpose(
              reshape(stop_gradient(layer.state_weight.tensor()), Shape{4 * layer.units(), 2 * layer.units()}))) {}

   private:
    friend struct DiagonalLSTM;
    ShiftedConvCache<S> input_;
    detail::TwoRows<S> hidden_, cell_;
    Tensor<S> columns_;  // [2 units, 4 units]
  };
  /// The result at the pixel `at`, all before which have been computed: x [n, in] -> [n, units], with the bits of the
  /// whole images. Throws ValueError for more than one pixel.
  Tensor<S> step(const Tensor<S>& x, const PixelRange& at, Cache& cache) const {
    if (at.columns != 1) fail<ValueError>("DiagonalLSTM::step: got ", at.columns, " pixels, expected one at a time");
    const NoGradient guard;
    cache.input_.write(at, x);
    const PixelRange above{at.row - 1, at.first, 1}, left{at.row, at.first - 1, 1};
    const Tensor<S> states = stack({cache.hidden_.read(above), cache.hidden_.read(left)}, 2);  // [n, units, 2]
    Tensor<S> gates = detail::Access::allocate<S>({x.size(0), 4 * units()});
    if (!gates.empty())
      detail::multiply_in_order(x.size(0), 4 * units(), 2 * units(), states.data(), 2 * units(), cache.columns_.data(),
                                4 * units(), detail::Access::data(gates), 4 * units());
    const auto now = detail::lstm_step(cache.input_.read(at) + gates, cache.cell_.read(left));
    cache.hidden_.write(at, now.hidden);
    cache.cell_.write(at, now.cell);
    return now.hidden;
  }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input);
    visit("state_weight", self.state_weight);
  }
};

/// Two DiagonalLSTMs, from the upper left and from the upper right corner, the second one moved down by a row, so that
/// a pixel sees itself and all pixels before it in row-major order, and none after (van den Oord et al. 2016, section
/// 3.2): x [n, in, h, w] -> [n, units, h, w], their sum. Throws ShapeError if the colors do not divide the channels.
template <class S = float>
struct DiagonalBiLSTM {
  DiagonalLSTM<S> left, right;

  DiagonalBiLSTM() = default;
  DiagonalBiLSTM(Index inputs, Index units, Rng& rng, const ImageLSTMOptions& o = {})
      : left(inputs, units, rng, o), right(inputs, units, rng) {}

  Index inputs() const { return left.inputs(); }
  Index units() const { return left.units(); }

  Tensor<S> operator()(const Tensor<S>& x) const {
    const Tensor<S> from_left = left(x), from_right = flip(right(flip(x, 3)), 3);
    return from_left + pad(slice(from_right, 2, 0, x.size(2) - 1), 2, 1, 0);
  }

  /// What later pixels need of those that have been computed.
  class Cache {
   public:
    Cache(const DiagonalBiLSTM& layer, Index n, Index width)
        : left_(layer.left, n, width),
          right_(layer.right, n, width),
          inputs_(n, width, layer.inputs()),
          from_right_(n, width, layer.units()),
          width_(width) {}

   private:
    friend struct DiagonalBiLSTM;
    typename DiagonalLSTM<S>::Cache left_, right_;
    detail::TwoRows<S> inputs_, from_right_;
    Index width_, rows_ = 0;  // rows that have come from the right
  };
  /// The result at the pixel `at`, all before which have been computed: x [n, in] -> [n, units], with the bits of the
  /// whole images. Throws ValueError for more than one pixel.
  Tensor<S> step(const Tensor<S>& x, const PixelRange& at, Cache& cache) const {
    const NoGradient guard;
    cache.inputs_.write(at, x);
    for (; cache.rows_ < at.row; ++cache.rows_)
      for (Index j = cache.width_ - 1; j >= 0; --j) {
        const PixelRange pixel{cache.rows_, j, 1}, mirrored{cache.rows_, cache.width_ - 1 - j, 1};
        cache.from_right_.write(pixel, right.step(cache.inputs_.read(pixel), mirrored, cache.right_));
      }
    return left.step(x, at, cache.left_) + cache.from_right_.read({at.row - 1, at.first, 1});
  }

  static void members(auto& self, auto&& visit) {
    visit("left", self.left);
    visit("right", self.right);
  }
};

}  // namespace pushforward
