// PixelCnn: images pixel by pixel, from one stack of masked convolutions.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/pixel_model.hpp>

namespace pushforward {

/// How a PixelCnn is built.
struct PixelCnnOptions {
  Index colors = 1, height = 28, width = 28;  ///< of the images
  Index levels = 0;     ///< numbers are 0 .. levels - 1, scaled for the network; 0: as they are (see PixelImages)
  Index embedding = 0;  ///< each level enters as so many trained numbers instead; 0: as one
  Index features = 32;  ///< inside of a block; twice as many run between the blocks
  Index blocks = 7;
  Index first_kernel = 7;  ///< side of the first kernel, odd
  Index kernel = 3;        ///< side of the others, odd
  Index head = 0;          ///< units of the hidden layer of the head; 0: as many as features
  Index classes = 0;       ///< of labels that the images are conditioned on; 0: none
};

/// A residual block of a PixelCnn (van den Oord et al. 2016a, figure 5): [n, 2 c, h, w] -> the same,
///
///     x + E relu(M relu(R relu(x)))
///
/// with a masked convolution M between c channels, and convolutions R to c channels and E back to 2 c of a single
/// pixel.
template <class S = float>
struct PixelBlock {
  ShiftedConv2d<S> reduce, masked, expand;

  Tensor<S> operator()(const Tensor<S>& x) const { return x + expand(relu(masked(relu(reduce(relu(x)))))); }

  static void members(auto& self, auto&& visit) {
    visit("reduce", self.reduce);
    visit("masked", self.masked);
    visit("expand", self.expand);
  }
};

template <class S>
class PixelSteps;

/// The network of a PixelCnn: x [n, colors, h, w], labels [n] or none -> [n, colors outputs, h, w], what belongs to a
/// number sees only numbers before it.
///
/// Stacked kernels 3 wide reach one pixel to the right for each row up, so some earlier pixels to the right above are
/// not seen: the blind spot that GatedPixelCnn does away with. A first kernel of side 7 makes it smaller.
template <class S = float>
class PixelNet {
 public:
  static constexpr const char* name = "PixelCnn";

  /// Throws ValueError for sizes, blocks or features below 1, even kernels, or colors that do not divide the features.
  PixelNet(Index outputs, const PixelCnnOptions& o, Rng& rng)
      : images_(detail::pixel_images(o)), outputs_(outputs), classes_(o.classes) {
    detail::check_pixel_network(name, o, "blocks", o.blocks, 1);
    input_ = detail::PixelInput<S>(images_, rng);
    auto conv = [&](MaskType type, Index in, Index out, Index side) {
      return ShiftedConv2d<S>::masked(type, in, out, rng, {.rows = side / 2, .reach = side / 2, .colors = o.colors});
    };
    first_ = conv(MaskType::a, o.colors * input_.features(), 2 * o.features, o.first_kernel);
    for (Index i = 0; i < o.blocks; ++i)
      blocks_.push_back({conv(MaskType::b, 2 * o.features, o.features, 1),
                         conv(MaskType::b, o.features, o.features, o.kernel),
                         conv(MaskType::b, o.features, 2 * o.features, 1)});
    head_ = detail::pixel_head<S>(2 * o.features, outputs, o, rng);
    if (o.classes > 0) label_ = Tensor<S>::zeros(Shape{o.classes, 2 * o.features});
  }

  const PixelImages& images() const { return images_; }
  Index outputs() const { return outputs_; }
  Index classes() const { return classes_; }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    Tensor<S> y = first_(input_(x));  // [n, 2 features, h, w]
    if (classes_ > 0) y = y + reshape(detail::of_labels<S>(label_, labels), Shape{x.size(0), y.size(1), 1, 1});
    for (const PixelBlock<S>& block : blocks_) y = block(y);
    return head_(relu(y));
  }
  /// One element after the other, from what has been computed for those before.
  PixelSteps<S> steps(Index n, const Tensor<Index>& labels = {}) const { return PixelSteps<S>(*this, n, labels); }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input_);
    visit("first", self.first_);
    visit("blocks", self.blocks_);
    visit("inner", self.head_.inner);
    visit("outer", self.head_.outer);
    if (!self.label_.empty()) visit("label", self.label_);
  }

 private:
  friend class PixelSteps<S>;

  PixelImages images_;
  Index outputs_, classes_;
  detail::PixelInput<S> input_;
  ShiftedConv2d<S> first_;
  std::vector<PixelBlock<S>> blocks_;
  detail::PixelHead<S> head_;
  Parameter<S> label_;  // [classes, 2 features], or empty
};

/// The network of a PixelCnn, one element after the other: only the pixel at hand is computed, what lies around it has
/// been kept. The same bits as a pass over whole images.
template <class S>
class PixelSteps {
 public:
  PixelSteps(const PixelNet<S>& net, Index n, const Tensor<Index>& labels);

  /// The parameters of the element at hand, [n, P].
  Tensor<S> outputs();
  /// Gives that element its value, [n], and moves on to the next one.
  void set(const Tensor<S>& values);

 private:
  struct Block {
    detail::PixelProduct<S> reduce, masked, expand;
    detail::PixelLines<S> lines;
  };

  void run(Index begin, Index end, S* result);

  const PixelNet<S>& net_;
  Index n_;
  detail::PixelPlace place_;
  detail::PixelProduct<S> first_;
  detail::PixelLines<S> lines_;
  detail::PixelHeadProduct<S> head_;
  std::vector<Block> blocks_;
  Tensor<S> label_;         // [n, 2 features], or empty
  std::vector<S> scratch_;  // [n, room_]
  Index room_ = 0;
  double flops_ = 0;  // for a pixel of an image
};

template <class S>
PixelSteps<S>::PixelSteps(const PixelNet<S>& net, Index n, const Tensor<Index>& labels)
    : net_(net), n_(n), place_{net.images_} {
  const NoGradient guard;
  const Index width = net.images_.width;
  first_ = detail::pixel_product(net.first_);
  lines_ = {net.first_, n, width};
  head_ = detail::PixelHeadProduct<S>(net.head_);
  label_ = detail::of_labels<S>(net.label_, labels);
  flops_ = first_.flops() + head_.flops();
  room_ = std::max(lines_.patch(), head_.hidden());
  for (const PixelBlock<S>& block : net.blocks_) {
    blocks_.push_back({detail::pixel_product(block.reduce),
                       detail::pixel_product(block.masked),
                       detail::pixel_product(block.expand),
                       {block.masked, n, width}});
    const Block& made = blocks_.back();
    flops_ += made.reduce.flops() + made.masked.flops() + made.expand.flops();
    room_ = std::max({room_, made.lines.patch(), made.expand.outputs()});
  }
  room_ += 2 * first_.outputs();
  scratch_.resize(static_cast<std::size_t>(n * room_));
}

template <class S>
Tensor<S> PixelSteps<S>::outputs() {
  const NoGradient guard;
  if (place_.starts_row() && place_.row > 0) {
    lines_.advance();
    for (Block& block : blocks_) block.lines.advance();
  }
  return detail::at_element<S>(n_, place_, net_.outputs_, flops_,
                               [&](Index begin, Index end, S* to) { run(begin, end, to); });
}

// The network at the pixel at hand of some images.
template <class S>
void PixelSteps<S>::run(Index begin, Index end, S* result) {
  const Index n = end - begin, features = net_.blocks_[0].reduce.outputs(), wide = 2 * features;
  S *const y = scratch_.data() + begin * room_, *const part = y + n * wide, *const patch = part + n * wide;
  lines_.gather(begin, end, place_.column, patch);
  first_(n, patch, y);
  for (Index i = 0; i < n * wide && !label_.empty(); ++i) y[i] += label_.data()[begin * wide + i];
  for (Block& block : blocks_) {
    std::copy_n(y, n * wide, patch);
    detail::make_positive(patch, n * wide);
    block.reduce(n, patch, part);
    detail::make_positive(part, n * features);
    block.lines.put(begin, end, 0, features, place_.column, part);
    block.lines.gather(begin, end, place_.column, patch);
    block.masked(n, patch, part);
    detail::make_positive(part, n * features);
    block.expand(n, part, patch);
    for (Index i = 0; i < n * wide; ++i) y[i] += patch[i];
  }
  detail::make_positive(y, n * wide);
  head_(n, y, patch, result);
}

template <class S>
void PixelSteps<S>::set(const Tensor<S>& values) {
  const NoGradient guard;
  const Tensor<S> entered = net_.input_(reshape(values, Shape{n_, 1, 1, 1}));
  const Index features = net_.input_.features();
  lines_.put(0, n_, place_.color * features, features, place_.column, entered.data());
  place_.advance();
}

/// A density of images [n, c, h, w] from a PixelCNN (van den Oord et al. 2016a, Pixel recurrent neural networks): see
/// PixelModel.
template <class Conditional, class S = float>
using PixelCnn = PixelModel<PixelNet<S>, Conditional>;

/// A PixelCNN with conditionals of your own. Throws ValueError for options that make no network.
template <class S = float, class Conditional>
PixelCnn<Conditional, S> pixel_cnn(const Conditional& conditional, const PixelCnnOptions& options, Rng& rng) {
  return PixelCnn<Conditional, S>(PixelNet<S>(conditional.parameters(), options, rng), conditional);
}
/// A PixelCNN over binary images: `pixel_cnn_bernoulli({.height = 28, .width = 28}, rng)`.
template <class S = float>
PixelCnn<BernoulliConditional, S> pixel_cnn_bernoulli(const PixelCnnOptions& options, Rng& rng) {
  return pixel_cnn<S>(BernoulliConditional{}, options, rng);
}
/// A PixelCNN over levels 0 .. K - 1, stored as numbers: colors, grey values or codes,
/// `pixel_cnn_categorical({.colors = 3, .height = 8, .width = 8, .levels = 16, .features = 48}, rng)`.
template <class S = float>
PixelCnn<CategoricalConditional, S> pixel_cnn_categorical(const PixelCnnOptions& options, Rng& rng) {
  return pixel_cnn<S>(CategoricalConditional(options.levels), options, rng);
}

}  // namespace pushforward
