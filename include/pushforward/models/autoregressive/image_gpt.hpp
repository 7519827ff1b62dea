// ImageGpt: a Gpt over the pixels of images, row by row, each one of a few levels of grey.
#pragma once

#include <cmath>

#include <pushforward/models/autoregressive/gpt.hpp>
#include <pushforward/models/conditionals.hpp>

namespace pushforward {

/// How an ImageGpt is built; what is not said here is as in GptOptions.
struct ImageGptOptions {
  Index height = 0, width = 0;  ///< of the images
  Index levels = 2;             ///< of grey
  Index features = 128;
  Index layers = 4;
  Index heads = 4;
  Index hidden = 0;  ///< 0: 4 features
  Activation activation = Activation::gelu;
  Index classes = 0;  ///< images have a label each; 0: none
  double dropout = 0;
};

/// A transformer over the pixels of an image from left to right and from top to bottom (Chen et al. 2020):
///
///     p(x) = prod_i softmax(logits_i)[x_i],   logits_i = f(start, x_0, .., x_{i-1})
///
/// Images are [n, 1, height, width] of the levels 0, 1, .., K - 1 as numbers (see data::quantize). Each pixel attends
/// to all before it, and has a learned position of its own. With labels the start says the class. With dropout,
/// training needs a generator: `mle`, `next_token` and `log_prob(x, rng)` hand it in.
template <class S = float>
class ImageGpt {
 public:
  using Scalar = S;

  /// Throws ValueError for sizes that are not positive or fewer than two levels, ShapeError if the heads do not divide
  /// the features.
  ImageGpt(const ImageGptOptions& options, Rng& rng)
      : options_(checked(options)),
        gpt_({.vocabulary = options.levels,
              .context = options.height * options.width,
              .features = options.features,
              .layers = options.layers,
              .heads = options.heads,
              .hidden = options.hidden,
              .activation = options.activation,
              .classes = options.classes,
              .dropout = options.dropout},
             rng) {}

  const ImageGptOptions& options() const { return options_; }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return options_.classes; }
  /// The transformer over sequences of pixels [n, height width].
  const Gpt<S>& gpt() const { return gpt_; }
  CategoricalConditional conditional() const { return CategoricalConditional(options_.levels); }

  /// log p(x) in nats: x [n, 1, height, width] -> [n]; with labels [n] if the model has classes; with dropout from
  /// `rng` while training. Throws ShapeError for images of another size, ValueError for numbers that are no levels.
  Tensor<S> log_prob(const Tensor<S>& x) const { return gpt_.log_prob(pixels(x)); }
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels) const { return gpt_.log_prob(pixels(x), labels); }
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const { return gpt_.log_prob(pixels(x), rng); }
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels, Rng& rng) const {
    return gpt_.log_prob(pixels(x), labels, rng);
  }
  /// log p(x | y) of every class y in nats: x [n, 1, height, width] -> [n, classes]. Throws ValueError for a model
  /// without.
  Tensor<S> log_prob_by_class(const Tensor<S>& x) const { return gpt_.log_prob_by_class(pixels(x)); }

  /// The logits of every pixel given those before it: x [n, 1, height, width] -> [n, levels, 1, height, width].
  Tensor<S> parameters(const Tensor<S>& x) const { return as_parameters(gpt_.logits(pixels(x))); }
  Tensor<S> parameters(const Tensor<S>& x, const Tensor<Index>& labels) const {
    return as_parameters(gpt_.logits(pixels(x), labels));
  }

  /// n draws [n, 1, height, width], or one for each label [n]: pixel by pixel from a cache.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    return images(gpt_.sample(n, rng, options));
  }
  Tensor<S> sample(const Tensor<Index>& labels, Rng& rng, const DrawOptions& options = {}) const {
    return images(gpt_.sample(labels, rng, options));
  }

  /// x [n, 1, height, width] with its unknown pixels drawn; `known` is 1 where x is given and 0 where not, and
  /// broadcasts to x.
  ///
  /// An unknown pixel is drawn given those before it: an exact draw of p(unknown | known) where the known come first,
  /// as the upper half of an image does. What x holds at unknown places does not matter.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    const Tensor<S> given = flat(expand(known, checked(x).shape()));
    return images(gpt_.complete(pixels(x, given), given, rng, options));
  }
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Tensor<Index>& labels, Rng& rng,
                     const DrawOptions& options = {}) const {
    const Tensor<S> given = flat(expand(known, checked(x).shape()));
    return images(gpt_.complete(pixels(x, given), given, labels, rng, options));
  }

  static void members(auto& self, auto&& visit) { visit("gpt", self.gpt_); }

 private:
  static const ImageGptOptions& checked(const ImageGptOptions& options) {
    if (options.height < 1 || options.width < 1)
      fail<ValueError>("ImageGpt: .height is ", options.height, " and .width ", options.width,
                       ", expected positive numbers");
    if (options.levels < 2) fail<ValueError>("ImageGpt: .levels is ", options.levels, ", expected at least 2");
    return options;
  }
  const Tensor<S>& checked(const Tensor<S>& x) const {
    if (x.rank() != 4 || x.size(1) != 1 || x.size(2) != options_.height || x.size(3) != options_.width)
      fail<ShapeError>("ImageGpt: got images ", x.shape(), ", expected [n, 1, ", options_.height, ", ", options_.width,
                       "]");
    return x;
  }

  Tensor<S> flat(const Tensor<S>& x) const { return reshape(x, Shape{x.size(0), gpt_.context()}); }
  // The tokens of images [n, height width]; where not all is known, of those that are.
  Tensor<Index> pixels(const Tensor<S>& x, const Tensor<S>& known = {}) const {
    checked(x);
    const Index levels = options_.levels;
    return Tensor<Index>::generate(Shape{x.size(0), gpt_.context()}, [&](Index i) {
      if (!known.empty() && known.data()[i] == S(0)) return Index{0};
      const S value = x.data()[i];
      if (!(value >= S(0) && value < static_cast<S>(levels)) || value != std::floor(value))
        fail<ValueError>("ImageGpt: pixel ", i % gpt_.context(), " of image ", i / gpt_.context(), " is ", value,
                         ", expected one of the levels 0, 1, .., ", levels - 1, "; data::quantize makes them");
      return static_cast<Index>(value);
    });
  }
  Tensor<S> images(const Tensor<Index>& tokens) const {
    return Tensor<S>::generate(Shape{tokens.size(0), 1, options_.height, options_.width},
                               [&](Index i) { return static_cast<S>(tokens.data()[i]); });
  }
  Tensor<S> as_parameters(const Tensor<S>& logits) const {
    return reshape(permute(logits, {0, 2, 1}),
                   Shape{logits.size(0), options_.levels, 1, options_.height, options_.width});
  }

  ImageGptOptions options_;
  Gpt<S> gpt_;
};

}  // namespace pushforward
