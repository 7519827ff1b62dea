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
  detail::PixelConv<S> reduce, masked, expand;

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
      : images_{o.colors, o.height, o.width, o.levels, o.embedding}, outputs_(outputs), classes_(o.classes) {
    check(o);
    input_ = detail::PixelInput<S>(images_, rng);
    const detail::PixelMask seen{MaskType::b, o.colors};
    const auto kernel = [](Index side) { return detail::PixelKernel{{side / 2 + 1, side}, side / 2, side / 2}; };
    const detail::PixelKernel pixel{1, 0, 0};
    first_ = {o.colors * input_.features(), 2 * o.features, kernel(o.first_kernel), rng, {MaskType::a, o.colors}};
    for (Index i = 0; i < o.blocks; ++i)
      blocks_.push_back({{2 * o.features, o.features, pixel, rng, seen},
                         {o.features, o.features, kernel(o.kernel), rng, seen},
                         {o.features, 2 * o.features, pixel, rng, seen}});
    const Index head = o.head > 0 ? o.head : o.features;
    inner_ = {2 * o.features, head, pixel, rng, seen};
    outer_ = {head, o.colors * outputs, pixel, rng, seen};
    if (o.classes > 0) label_ = Tensor<S>::zeros(Shape{o.classes, 2 * o.features});
  }

  const PixelImages& images() const { return images_; }
  Index outputs() const { return outputs_; }
  Index classes() const { return classes_; }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    Tensor<S> y = first_(input_(x));  // [n, 2 features, h, w]
    if (classes_ > 0) y = y + reshape(of_labels(labels), Shape{x.size(0), y.size(1), 1, 1});
    for (const PixelBlock<S>& block : blocks_) y = block(y);
    return outer_(relu(inner_(relu(y))));
  }
  /// One element after the other, from what has been computed for those before.
  PixelSteps<S> steps(Index n, const Tensor<Index>& labels = {}) const { return PixelSteps<S>(*this, n, labels); }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input_);
    visit("first", self.first_);
    visit("blocks", self.blocks_);
    visit("inner", self.inner_);
    visit("outer", self.outer_);
    if (!self.label_.empty()) visit("label", self.label_);
  }

 private:
  friend class PixelSteps<S>;

  static void check(const PixelCnnOptions& o) {
    detail::check_pixel_images(name, {o.colors, o.height, o.width, o.levels, o.embedding});
    if (o.blocks < 1 || o.features < 1 || o.head < 0 || o.classes < 0)
      fail<ValueError>(name, ": ", o.blocks, " blocks, ", o.features, " features, .head ", o.head, " and ", o.classes,
                       " classes; expected at least 1, 1, 0 and 0");
    if (o.kernel < 1 || o.first_kernel < 3 || o.kernel % 2 == 0 || o.first_kernel % 2 == 0)
      fail<ValueError>(name, ": .first_kernel is ", o.first_kernel, " and .kernel ", o.kernel,
                       ", expected odd numbers from 3 and from 1 on");
    if (o.features % o.colors != 0 || o.head % o.colors != 0)
      fail<ValueError>(name, ": ", o.features, " features and .head ", o.head, " cannot be shared by ", o.colors,
                       " colors; expected multiples");
  }

  Tensor<S> of_labels(const Tensor<Index>& labels) const {
    return classes_ == 0 ? Tensor<S>() : index_select(label_.tensor(), 0, labels);
  }

  PixelImages images_;
  Index outputs_, classes_;
  detail::PixelInput<S> input_;
  detail::PixelConv<S> first_, inner_, outer_;
  std::vector<PixelBlock<S>> blocks_;
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
  static void make_positive(S* x, Index n) {
    for (Index i = 0; i < n; ++i) x[i] = std::max(x[i], S(0));
  }

  const PixelNet<S>& net_;
  Index n_;
  detail::PixelPlace place_;
  detail::PixelProduct<S> first_, inner_, outer_;
  detail::PixelLines<S> lines_;
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
  // Up to the pixel itself: what lies behind it is not seen.
  const auto lines = [&](const detail::PixelConv<S>& conv) {
    return detail::PixelLines<S>(n, conv.weight.size(1), width, conv.kernel, conv.kernel.past() + 1);
  };
  first_ = net.first_.product(net.first_.kernel.past() + 1);
  lines_ = lines(net.first_);
  inner_ = net.inner_.product(1);
  outer_ = net.outer_.product(1);
  label_ = net.of_labels(labels);
  flops_ = first_.flops() + inner_.flops() + outer_.flops();
  room_ = std::max(lines_.patch(), inner_.outputs());
  for (const PixelBlock<S>& block : net.blocks_) {
    blocks_.push_back({block.reduce.product(1), block.masked.product(block.masked.kernel.past() + 1),
                       block.expand.product(1), lines(block.masked)});
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
  const Index count = net_.outputs_, all = outer_.outputs();
  const Tensor<S> result = Tensor<S>::build(Shape{n_, all}, [&](S* to) {
    parallel_for(n_, detail::pixel_grain(flops_), [&](Index begin, Index end) { run(begin, end, to + begin * all); });
  });
  return slice(result, 1, place_.color * count, (place_.color + 1) * count);
}

// The network at the pixel at hand of some images.
template <class S>
void PixelSteps<S>::run(Index begin, Index end, S* result) {
  const Index n = end - begin, features = net_.blocks_[0].reduce.weight.size(0), wide = 2 * features;
  S *const y = scratch_.data() + begin * room_, *const part = y + n * wide, *const patch = part + n * wide;
  lines_.gather(begin, end, place_.column, patch);
  first_(n, patch, y);
  for (Index i = 0; i < n * wide && !label_.empty(); ++i) y[i] += label_.data()[begin * wide + i];
  for (Block& block : blocks_) {
    std::copy_n(y, n * wide, patch);
    make_positive(patch, n * wide);
    block.reduce(n, patch, part);
    make_positive(part, n * features);
    block.lines.put(begin, end, 0, features, place_.column, part);
    block.lines.gather(begin, end, place_.column, patch);
    block.masked(n, patch, part);
    make_positive(part, n * features);
    block.expand(n, part, patch);
    for (Index i = 0; i < n * wide; ++i) y[i] += patch[i];
  }
  make_positive(y, n * wide);
  inner_(n, y, patch);
  make_positive(patch, n * inner_.outputs());
  outer_(n, patch, result);
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
