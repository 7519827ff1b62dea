// GatedPixelCnn: images pixel by pixel, from two stacks of gated convolutions without a blind spot.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/pixel_model.hpp>

namespace pushforward {

/// How a GatedPixelCnn is built. The defaults are the network of 7 layers with 32 features for images of 28 x 28.
struct GatedPixelCnnOptions {
  Index colors = 1, height = 28, width = 28;  ///< of the images
  Index levels = 0;     ///< numbers are 0 .. levels - 1, scaled for the network; 0: as they are (see PixelImages)
  Index embedding = 0;  ///< each level enters as so many trained numbers instead; 0: as one
  Index features = 32;  ///< of each stack
  Index layers = 7;
  Index first_kernel = 7;  ///< side of the first kernel, odd; of it the rows above are used, and the pixels to the left
  Index kernel = 3;        ///< side of the others, odd
  Index head = 0;          ///< units of the hidden layer of the head; 0: as many as features
  Index classes = 0;       ///< of labels that the images are conditioned on; 0: none
  bool location_bias = false;  ///< a trained bias for each pixel, so that the network knows where in the image it is
};

/// A layer of a GatedPixelCnn (van den Oord et al. 2016b, figure 2): the vertical stack v sees all rows above, the
/// horizontal stack h those and the pixels to the left.
///
///     v' = gate(V v + a_y),   h' = h + R gate(H h + L V v + b_y),   gate(p, q) = tanh(p) sigmoid(q)
///
/// with convolutions V, H, and L, R of a single pixel, and biases a, b for each class y. The first layer sees neither
/// the pixel's own row in V, nor the pixel itself in H, and does not add h. With `.location_bias` its V v has a bias
/// for each place more: images centered in a frame take fewer nats by it (van den Oord et al. 2016b, section 2.3, where
/// it comes from what the images are conditioned on).
template <class S = float>
struct GatedPixelLayer {
  ShiftedConv2d<S> vertical, horizontal, link, residual;
  Parameter<S> vertical_label, horizontal_label;  // [classes, 2 features], or empty

  static void members(auto& self, auto&& visit) {
    visit("vertical", self.vertical);
    visit("horizontal", self.horizontal);
    visit("link", self.link);
    visit("residual", self.residual);
    if (!self.vertical_label.empty()) visit("vertical_label", self.vertical_label);
    if (!self.horizontal_label.empty()) visit("horizontal_label", self.horizontal_label);
  }
};

template <class S>
class GatedPixelSteps;

/// The network of a GatedPixelCnn: x [n, colors, h, w], labels [n] or none -> [n, colors outputs, h, w], what belongs
/// to a number sees only the numbers before it, and all of those that its kernels reach.
///
/// The head is a convolution of single pixels, relu, and another one.
template <class S = float>
class GatedPixelNet {
 public:
  static constexpr const char* name = "GatedPixelCnn";

  /// Throws ValueError for sizes, layers or features below 1, even kernels, or colors that do not divide the features.
  GatedPixelNet(Index outputs, const GatedPixelCnnOptions& o, Rng& rng)
      : images_(detail::pixel_images(o)), outputs_(outputs), classes_(o.classes) {
    detail::check_pixel_network(name, o, "layers", o.layers, 3);
    input_ = detail::PixelInput<S>(images_, rng);
    for (Index l = 0; l < o.layers; ++l) layers_.push_back(layer(o, l, rng));
    if (o.location_bias) location_bias_ = Tensor<S>::zeros(Shape{2 * o.features, o.height, o.width});
    head_ = detail::pixel_head<S>(o.features, outputs, o, rng);
  }

  const PixelImages& images() const { return images_; }
  Index outputs() const { return outputs_; }
  Index classes() const { return classes_; }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    Tensor<S> v = input_(x), h = v;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const GatedPixelLayer<S>& layer = layers_[l];
      Tensor<S> p = layer.vertical(v);  // [n, 2 features, h, w]
      if (l == 0 && !location_bias_.empty()) p = p + location_bias_;
      if (l + 1 < layers_.size()) v = detail::pixel_gate(p, {}, detail::of_labels<S>(layer.vertical_label, labels));
      const Tensor<S> gated =
          detail::pixel_gate(layer.horizontal(h), layer.link(p), detail::of_labels<S>(layer.horizontal_label, labels));
      h = l == 0 ? layer.residual(gated) : h + layer.residual(gated);
    }
    return head_(h);
  }
  /// One element after the other, from what has been computed for those before.
  GatedPixelSteps<S> steps(Index n, const Tensor<Index>& labels = {}) const {
    return GatedPixelSteps<S>(*this, n, labels);
  }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input_);
    visit("layers", self.layers_);
    if (!self.location_bias_.empty()) visit("location_bias", self.location_bias_);
    visit("inner", self.head_.inner);
    visit("outer", self.head_.outer);
  }

 private:
  friend class GatedPixelSteps<S>;

  GatedPixelLayer<S> layer(const GatedPixelCnnOptions& o, Index l, Rng& rng) const {
    using Conv = ShiftedConv2d<S>;
    const bool first = l == 0, last = l + 1 == o.layers;
    const Index in = first ? o.colors * input_.features() : o.features, out = 2 * o.features;
    const Index side = first ? o.first_kernel : o.kernel, half = side / 2;
    // With colors the first layer has to see those of the pixel itself that come before.
    const bool strict = first && o.colors == 1;
    GatedPixelLayer<S> made;
    made.vertical = Conv(in, out, {first ? half : half + 1, side}, rng, {.up = half, .left = half});
    made.horizontal = Conv::masked(first ? MaskType::a : MaskType::b, in, out, {1, strict ? half : half + 1}, rng,
                                   {.left = half}, o.colors, 2);
    made.link = Conv(out, out, 1, rng);
    made.residual = Conv::masked(MaskType::b, o.features, o.features, rng, {.colors = o.colors});
    const Tensor<S> none = Tensor<S>::zeros(Shape{o.classes, out});
    if (o.classes > 0 && !last) made.vertical_label = none;
    if (o.classes > 0) made.horizontal_label = none;
    return made;
  }

  PixelImages images_;
  Index outputs_, classes_;
  detail::PixelInput<S> input_;
  std::vector<GatedPixelLayer<S>> layers_;
  Parameter<S> location_bias_;  // [2 features, h, w], or empty
  detail::PixelHead<S> head_;
};

/// The network of a GatedPixelCnn, one element after the other: the vertical stack once for each row, the horizontal
/// stack for one pixel at a time. The same bits as a pass over whole images.
///
///     for (auto steps = net.steps(n); ..; steps.set(values)) draw(steps.outputs());
template <class S>
class GatedPixelSteps {
 public:
  GatedPixelSteps(const GatedPixelNet<S>& net, Index n, const Tensor<Index>& labels);

  /// The parameters of the element at hand, [n, P].
  Tensor<S> outputs();
  /// Gives that element its value, [n], and moves on to the next one.
  void set(const Tensor<S>& values);

 private:
  struct Layer {
    detail::PixelProduct<S> horizontal, residual;
    detail::PixelLines<S> lines;
    Tensor<S> seen;      // rows under the vertical kernel, [n, in, kh, w]
    Tensor<S> vertical;  // the link's part of the row, [w, n, 2 features]
    Tensor<S> label;     // [n, 2 features], or empty
  };

  void start_row();
  void run(Index begin, Index end, S* result);

  const GatedPixelNet<S>& net_;
  Index n_;
  detail::PixelPlace place_;
  std::vector<Layer> layers_;
  detail::PixelHeadProduct<S> head_;
  Tensor<Index> labels_;
  std::vector<S> line_;     // the row at hand, as it enters the network: [n, in, w]
  std::vector<S> scratch_;  // [n, room_]
  Index room_ = 0;
  double flops_ = 0;  // for a pixel of an image
};

template <class S>
GatedPixelSteps<S>::GatedPixelSteps(const GatedPixelNet<S>& net, Index n, const Tensor<Index>& labels)
    : net_(net), n_(n), place_{net.images_}, labels_(labels) {
  const NoGradient guard;
  const Index width = net.images_.width;
  for (const GatedPixelLayer<S>& layer : net.layers_) {
    const Index in = layer.horizontal.inputs();
    layers_.push_back({detail::pixel_product(layer.horizontal),
                       detail::pixel_product(layer.residual),
                       {layer.horizontal, n, width},
                       Tensor<S>::zeros(Shape{n, in, layer.vertical.kernel().height, width}),
                       {},
                       detail::of_labels<S>(layer.horizontal_label, labels)});
    flops_ += layers_.back().horizontal.flops() + layers_.back().residual.flops();
    room_ = std::max(room_, layers_.back().lines.patch() + 2 * layer.horizontal.outputs());
  }
  head_ = detail::PixelHeadProduct<S>(net.head_);
  flops_ += head_.flops();
  room_ = 2 * head_.inputs() + std::max(room_, head_.hidden());
  scratch_.resize(static_cast<std::size_t>(n * room_));
  line_.resize(static_cast<std::size_t>(layers_[0].seen.size() / std::max<Index>(1, layers_[0].seen.size(2))));
}

// The vertical stack at the row at hand.
template <class S>
void GatedPixelSteps<S>::start_row() {
  const auto move_on = [](Tensor<S>& seen, const Tensor<S>& last) {
    seen = seen.size(2) == 1 ? last : concat({slice(seen, 2, 1, seen.size(2)), last}, 2);
  };
  const Index width = net_.images_.width;
  if (place_.row > 0) move_on(layers_[0].seen, Tensor<S>(Shape{n_, layers_[0].seen.size(1), 1, width}, line_));
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const GatedPixelLayer<S>& layer = net_.layers_[l];
    Tensor<S> p = detail::conv_row(layer.vertical, layers_[l].seen);  // [n, 2 features, 1, w]
    if (l == 0 && !net_.location_bias_.empty()) p = p + slice(net_.location_bias_, 1, place_.row, place_.row + 1);
    layers_[l].vertical = permute(squeeze(layer.link(p), 2), {2, 0, 1});
    if (l + 1 < layers_.size())
      move_on(layers_[l + 1].seen, detail::pixel_gate(p, {}, detail::of_labels<S>(layer.vertical_label, labels_)));
  }
}

template <class S>
Tensor<S> GatedPixelSteps<S>::outputs() {
  const NoGradient guard;
  if (place_.starts_row()) start_row();
  return detail::at_element<S>(n_, place_, net_.outputs_, flops_,
                               [&](Index begin, Index end, S* to) { run(begin, end, to); });
}

// The horizontal stack and the head at the pixel at hand of some images.
template <class S>
void GatedPixelSteps<S>::run(Index begin, Index end, S* result) {
  const Index n = end - begin, features = head_.inputs(), wide = 2 * features, size = n * features;
  S *const h = scratch_.data() + begin * room_, *const gated = h + size, *const patch = gated + size;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    S* const sums = patch + n * layer.lines.patch();
    if (l > 0) layer.lines.put(begin, end, 0, features, place_.column, h);
    layer.lines.gather(begin, end, place_.column, patch);
    layer.horizontal(n, patch, sums);
    detail::gate_rows(n, features, sums, layer.vertical.data() + (place_.column * n_ + begin) * wide,
                      layer.label.empty() ? nullptr : layer.label.data() + begin * wide, gated);
    layer.residual(n, gated, sums);
    for (Index i = 0; i < size; ++i) h[i] = l == 0 ? sums[i] : h[i] + sums[i];
  }
  head_(n, h, patch, result);
}

template <class S>
void GatedPixelSteps<S>::set(const Tensor<S>& values) {
  const NoGradient guard;
  const PixelImages& images = net_.images_;
  const Tensor<S> entered = net_.input_(reshape(values, Shape{n_, 1, 1, 1}));
  const Index features = net_.input_.features(), first = place_.color * features;
  layers_[0].lines.put(0, n_, first, features, place_.column, entered.data());
  for (Index i = 0; i < n_; ++i)
    for (Index f = 0; f < features; ++f)
      line_[static_cast<std::size_t>((i * images.colors * features + first + f) * images.width + place_.column)] =
          entered.data()[i * features + f];
  place_.advance();
}

/// A density of images [n, c, h, w] from a gated PixelCNN (van den Oord et al. 2016b, Conditional image generation with
/// PixelCNN decoders): see PixelModel.
template <class Conditional, class S = float>
using GatedPixelCnn = PixelModel<GatedPixelNet<S>, Conditional>;

/// A gated PixelCNN with conditionals of your own. Throws ValueError for options that make no network.
template <class S = float, class Conditional>
GatedPixelCnn<Conditional, S> gated_pixel_cnn(const Conditional& conditional, const GatedPixelCnnOptions& options,
                                              Rng& rng) {
  return GatedPixelCnn<Conditional, S>(GatedPixelNet<S>(conditional.parameters(), options, rng), conditional);
}
/// A gated PixelCNN over binary images: `gated_pixel_cnn_bernoulli({.height = 28, .width = 28}, rng)`.
template <class S = float>
GatedPixelCnn<BernoulliConditional, S> gated_pixel_cnn_bernoulli(const GatedPixelCnnOptions& options, Rng& rng) {
  return gated_pixel_cnn<S>(BernoulliConditional{}, options, rng);
}
/// A gated PixelCNN over levels 0 .. K - 1, stored as numbers: grey values or codes,
/// `gated_pixel_cnn_categorical({.height = 7, .width = 7, .levels = 128, .embedding = 32}, rng)`.
template <class S = float>
GatedPixelCnn<CategoricalConditional, S> gated_pixel_cnn_categorical(const GatedPixelCnnOptions& options, Rng& rng) {
  return gated_pixel_cnn<S>(CategoricalConditional(options.levels), options, rng);
}

}  // namespace pushforward
