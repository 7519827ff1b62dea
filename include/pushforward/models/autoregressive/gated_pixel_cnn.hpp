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
};

/// A layer of a GatedPixelCnn (van den Oord et al. 2016b, figure 2): the vertical stack v sees all rows above, the
/// horizontal stack h those and the pixels to the left.
///
///     v' = gate(V v + a_y),   h' = h + R gate(H h + L V v + b_y),   gate(p, q) = tanh(p) sigmoid(q)
///
/// with convolutions V, H, and L, R of a single pixel, and biases a, b for each class y. The first layer sees neither
/// the pixel's own row in V, nor the pixel itself in H, and does not add h.
template <class S = float>
struct GatedPixelLayer {
  detail::PixelConv<S> vertical, horizontal, link, residual;
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
      : images_{o.colors, o.height, o.width, o.levels, o.embedding}, outputs_(outputs), classes_(o.classes) {
    check(o);
    input_ = detail::PixelInput<S>(images_, rng);
    for (Index l = 0; l < o.layers; ++l) layers_.push_back(layer(o, l, rng));
    const Index head = o.head > 0 ? o.head : o.features;
    const detail::PixelMask mask{MaskType::b, o.colors};
    inner_ = detail::PixelConv<S>(o.features, head, {1, 0, 0}, rng, mask);
    outer_ = detail::PixelConv<S>(head, o.colors * outputs, {1, 0, 0}, rng, mask);
  }

  const PixelImages& images() const { return images_; }
  Index outputs() const { return outputs_; }
  Index classes() const { return classes_; }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    Tensor<S> v = input_(x), h = v;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const GatedPixelLayer<S>& layer = layers_[l];
      const Tensor<S> p = layer.vertical(v);  // [n, 2 features, h, w]
      if (l + 1 < layers_.size()) v = detail::pixel_gate(p, {}, of_labels(layer.vertical_label, labels));
      const Tensor<S> gated =
          detail::pixel_gate(layer.horizontal(h), layer.link(p), of_labels(layer.horizontal_label, labels));
      h = l == 0 ? layer.residual(gated) : h + layer.residual(gated);
    }
    return outer_(relu(inner_(h)));
  }
  /// One element after the other, from what has been computed for those before.
  GatedPixelSteps<S> steps(Index n, const Tensor<Index>& labels = {}) const {
    return GatedPixelSteps<S>(*this, n, labels);
  }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input_);
    visit("layers", self.layers_);
    visit("inner", self.inner_);
    visit("outer", self.outer_);
  }

 private:
  friend class GatedPixelSteps<S>;

  static void check(const GatedPixelCnnOptions& o) {
    detail::check_pixel_images(name, {o.colors, o.height, o.width, o.levels, o.embedding});
    if (o.layers < 1 || o.features < 1 || o.head < 0 || o.classes < 0)
      fail<ValueError>(name, ": ", o.layers, " layers, ", o.features, " features, .head ", o.head, " and ", o.classes,
                       " classes; expected at least 1, 1, 0 and 0");
    if (o.kernel < 3 || o.first_kernel < 3 || o.kernel % 2 == 0 || o.first_kernel % 2 == 0)
      fail<ValueError>(name, ": .first_kernel is ", o.first_kernel, " and .kernel ", o.kernel,
                       ", expected odd numbers from 3 on");
    if (o.features % o.colors != 0 || o.head % o.colors != 0)
      fail<ValueError>(name, ": ", o.features, " features and .head ", o.head, " cannot be shared by ", o.colors,
                       " colors; expected multiples");
  }

  GatedPixelLayer<S> layer(const GatedPixelCnnOptions& o, Index l, Rng& rng) const {
    const bool first = l == 0, last = l + 1 == o.layers;
    const Index in = first ? o.colors * input_.features() : o.features, out = 2 * o.features;
    const Index side = first ? o.first_kernel : o.kernel, half = side / 2;
    // With colors the first layer has to see those of the pixel itself that come before.
    const bool strict = first && o.colors == 1;
    const detail::PixelMask across{first ? MaskType::a : MaskType::b, o.colors, 2};
    GatedPixelLayer<S> made{{in, out, {{first ? half : half + 1, side}, half, half}, rng},
                            {in, out, {{1, strict ? half : half + 1}, 0, half}, rng, across},
                            {out, out, {1, 0, 0}, rng},
                            {o.features, o.features, {1, 0, 0}, rng, {MaskType::b, o.colors}},
                            {},
                            {}};
    const Tensor<S> none = Tensor<S>::zeros(Shape{o.classes, out});
    if (o.classes > 0 && !last) made.vertical_label = none;
    if (o.classes > 0) made.horizontal_label = none;
    return made;
  }

  static Tensor<S> of_labels(const Tensor<S>& table, const Tensor<Index>& labels) {
    return table.empty() ? Tensor<S>() : index_select(table, 0, labels);
  }

  PixelImages images_;
  Index outputs_, classes_;
  detail::PixelInput<S> input_;
  std::vector<GatedPixelLayer<S>> layers_;
  detail::PixelConv<S> inner_, outer_;
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
  detail::PixelProduct<S> inner_, outer_;
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
    const detail::PixelKernel &above = layer.vertical.kernel, &left = layer.horizontal.kernel;
    const Index in = layer.horizontal.weight.size(1), out = layer.horizontal.weight.size(0);
    layers_.push_back({layer.horizontal.product(left.taps()),
                       layer.residual.product(1),
                       {n, in, width, left, left.taps()},
                       Tensor<S>::zeros(Shape{n, in, above.size.height, width}),
                       {},
                       net.of_labels(layer.horizontal_label, labels)});
    flops_ += layers_.back().horizontal.flops() + layers_.back().residual.flops();
    room_ = std::max(room_, layers_.back().lines.patch() + 2 * out);
  }
  inner_ = net.inner_.product(1);
  outer_ = net.outer_.product(1);
  flops_ += inner_.flops() + outer_.flops();
  room_ = 2 * inner_.inputs() + std::max(room_, inner_.outputs());
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
    const Tensor<S> p = layer.vertical.row(layers_[l].seen);  // [n, 2 features, 1, w]
    layers_[l].vertical = permute(squeeze(layer.link(p), 2), {2, 0, 1});
    if (l + 1 < layers_.size())
      move_on(layers_[l + 1].seen, detail::pixel_gate(p, {}, net_.of_labels(layer.vertical_label, labels_)));
  }
}

template <class S>
Tensor<S> GatedPixelSteps<S>::outputs() {
  const NoGradient guard;
  if (place_.starts_row()) start_row();
  const Index count = net_.outputs_, all = outer_.outputs();
  const Tensor<S> result = Tensor<S>::build(Shape{n_, all}, [&](S* to) {
    parallel_for(n_, detail::pixel_grain(flops_), [&](Index begin, Index end) { run(begin, end, to + begin * all); });
  });
  return slice(result, 1, place_.color * count, (place_.color + 1) * count);
}

// The horizontal stack and the head at the pixel at hand of some images.
template <class S>
void GatedPixelSteps<S>::run(Index begin, Index end, S* result) {
  const Index n = end - begin, features = inner_.inputs(), wide = 2 * features, size = n * features;
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
  inner_(n, h, patch);
  for (Index i = 0; i < n * inner_.outputs(); ++i) patch[i] = std::max(patch[i], S(0));
  outer_(n, patch, result);
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
