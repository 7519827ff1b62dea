// PixelRNN: autoregressive models of images from LSTMs over rows or diagonals.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/image_model.hpp>
#include <pushforward/nn/diagonal_lstm.hpp>
#include <pushforward/nn/row_lstm.hpp>

namespace pushforward {

/// How a PixelRNN is built.
struct PixelRnnOptions {
  Index colors = 1, height = 28, width = 28;  ///< of the images; any sizes
  Index features = 32;                        ///< of each LSTM; a multiple of the colors
  Index layers = 3;                           ///< LSTMs
  Index hidden = 64;                          ///< channels of the two layers after them; a multiple of the colors
  Index classes = 0;                          ///< of labels; 0: none
};

namespace detail {

// A PixelPass with recurrent layers.
template <class S, class Layer>
class RecurrentPass : public PixelPass<S> {
 public:
  using PixelPass<S>::PixelPass;

  void start_pixel(Index row, Index column) {
    PixelPass<S>::start_pixel(row, column);
    next_ = 0;
  }
  Tensor<S> recur(const Layer& layer, const Tensor<S>& x) {
    return layer.step(x, this->place(),
                      this->remembered(caches_, next_++, layer, this->image().n, this->image().width));
  }

 private:
  std::size_t next_ = 0;
  std::vector<typename Layer::Cache> caches_;
};

template <class S, class Layer>
class WholeRecurrentPass : public WholePass<S> {
 public:
  using WholePass<S>::WholePass;
  Tensor<S> recur(const Layer& layer, const Tensor<S>& x) const { return layer(x); }
};

}  // namespace detail

/// The network of a PixelRNN (van den Oord et al. 2016, Pixel recurrent neural networks, table 1): images [n, c, h, w]
/// -> [n, outputs, h, w], where the outputs of a pixel's color depend on the pixels before, and its colors before.
///
///     x = conv7x7_a(image);   x = x + conv1x1_b(layer(x)) for each layer;   y = conv1x1_b(relu(conv1x1_b(relu(.. x))))
///
/// Layer is RowLSTM or DiagonalBiLSTM; x has twice its features.
template <class S, class Layer>
class PixelRnnNet {
 public:
  using Scalar = S;
  static constexpr const char* name = std::is_same_v<Layer, RowLSTM<S>> ? "RowPixelRnn" : "DiagonalPixelRnn";
  using Steps = detail::ImageSteps<PixelRnnNet, detail::RecurrentPass<S, Layer>>;

  /// Throws ValueError for options that build no network, ShapeError if the colors do not divide features, hidden
  /// channels or outputs.
  PixelRnnNet(Index outputs, const PixelRnnOptions& o, Rng& rng)
      : images_{o.colors, o.height, o.width}, classes_(o.classes) {
    detail::check_image_network(name, images_, o.features, o.layers, "layers", 0);
    if (o.hidden < 1 || o.classes < 0)
      fail<ValueError>(name, ": got ", o.hidden, " hidden channels and ", o.classes,
                       " classes, expected at least 1 hidden channel");
    const Index colors = o.colors, wide = 2 * o.features;
    auto pointwise = [&](Index in, Index out) {
      return ShiftedConv2d<S>::masked(MaskType::b, in, out, rng, {.colors = colors});
    };
    in_ = ShiftedConv2d<S>::masked(MaskType::a, colors, wide, rng, {.rows = 3, .reach = 3, .colors = colors});
    for (Index i = 0; i < o.layers; ++i) {
      blocks_.push_back({Layer(wide, o.features, rng, {.colors = colors}), pointwise(o.features, wide), {}});
      if (o.classes > 0) blocks_.back().classes = normal<S>({o.classes, wide}, rng) * 0.05;
    }
    hidden_ = {pointwise(wide, o.hidden), pointwise(o.hidden, o.hidden)};
    out_ = pointwise(o.hidden, outputs);
  }

  const PixelImages& images() const { return images_; }
  Index classes() const { return classes_; }

  /// For images [n, c, h, w] and labels [n] or none.
  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}, Rng* = nullptr) const {
    detail::WholeRecurrentPass<S, Layer> pass(x, labels, 1, nullptr);
    return run(pass);
  }

  static void members(auto& self, auto&& visit) {
    visit("in", self.in_);
    visit("blocks", self.blocks_);
    visit("hidden", self.hidden_);
    visit("out", self.out_);
  }

 private:
  friend Steps;

  struct Block {
    Layer layer;
    ShiftedConv2d<S> back;
    Parameter<S> classes;  // [classes, 2 features], or none
    static void members(auto& self, auto&& visit) {
      visit("layer", self.layer);
      visit("back", self.back);
      visit("classes", self.classes);
    }
  };

  template <class Pass>
  Tensor<S> run(Pass& pass) const {
    Tensor<S> x = pass.look(in_);
    for (const Block& block : blocks_) {
      x = x + pass.conv(block.back, pass.recur(block.layer, x), 0);
      if (!block.classes.empty()) x = x + pass.of_class(block.classes, 0);
    }
    for (const ShiftedConv2d<S>& layer : hidden_) x = pass.conv(layer, relu(x), 0);
    return pass.conv(out_, relu(x), 0);
  }
  detail::ImageBuffer<S> buffer(Index n) const {
    return detail::ImageBuffer<S>(n, images_.colors, images_.height, images_.width);
  }

  PixelImages images_;
  Index classes_;
  ShiftedConv2d<S> in_, out_;
  std::vector<Block> blocks_;
  std::vector<ShiftedConv2d<S>> hidden_;
};

/// A PixelRNN whose LSTMs go down the rows: a pixel sees a triangle above it.
template <class Conditional, class S = float>
using RowPixelRnn = ImageAutoregressive<PixelRnnNet<S, RowLSTM<S>>, ColorConditionals<Conditional>>;
/// A PixelRNN whose LSTMs go along the diagonals, from both sides: a pixel sees all before it, but for the last pixel
/// of the row above where that is more than three columns away.
template <class Conditional, class S = float>
using DiagonalPixelRnn = ImageAutoregressive<PixelRnnNet<S, DiagonalBiLSTM<S>>, ColorConditionals<Conditional>>;

/// `row_pixel_rnn(BernoulliConditional{}, {.features = 32}, rng)`; levels 0 .. 255 have a
/// CategoricalConditional(256). Throws ValueError, ShapeError as PixelRnnNet does.
template <class S = float, class Conditional>
RowPixelRnn<Conditional, S> row_pixel_rnn(const Conditional& conditional, const PixelRnnOptions& options, Rng& rng) {
  const ColorConditionals<Conditional> pixels(options.colors, conditional);
  return {PixelRnnNet<S, RowLSTM<S>>(pixels.outputs(), options, rng), pixels};
}
/// The same along the diagonals.
template <class S = float, class Conditional>
DiagonalPixelRnn<Conditional, S> diagonal_pixel_rnn(const Conditional& conditional, const PixelRnnOptions& options,
                                                    Rng& rng) {
  const ColorConditionals<Conditional> pixels(options.colors, conditional);
  return {PixelRnnNet<S, DiagonalBiLSTM<S>>(pixels.outputs(), options, rng), pixels};
}

}  // namespace pushforward
