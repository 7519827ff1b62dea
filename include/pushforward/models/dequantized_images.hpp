// DequantizedImages: a density of images as a model of 8-bit ones; ImageNoise: noise drawn by a flow that sees the
// image.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/bijectors/channel_coupling.hpp>
#include <pushforward/models/dequantization.hpp>
#include <pushforward/nn/image_coupling_net.hpp>

namespace pushforward {

namespace detail {

// Zeros around images [n, c, h, w].
template <class S>
Tensor<S> with_border(const Tensor<S>& x, Index border) {
  return border == 0 ? x : pad(pad(x, 2, border, border), 3, border, border);
}
template <class S>
Tensor<S> without_border(const Tensor<S>& x, Index border) {
  if (border == 0) return x;
  return slice(slice(x, 2, border, x.size(2) - border), 3, border, x.size(3) - border);
}

// A density of images in [-1/2, 1/2) as one of flat pixels in [0, levels): x = levels (y + 1/2).
template <class Model>
struct PixelDensity {
  using Scalar = scalar_of<Model>;
  using S = Scalar;
  Model images;
  Shape image;  // [c, h, w]
  double levels;

  /// log p(x) in nats: x [n, c h w] -> [n].
  Tensor<S> log_prob(const Tensor<S>& x) const { return images.log_prob(centered(x)) - change_of_scale(); }
  template <ConditionOf<Model, S> Given>
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Given>& given) const {
    return images.log_prob(centered(x), given) - change_of_scale();
  }
  Tensor<S> sample(Index n, Rng& rng) const { return flat(images.sample(n, rng)); }
  template <ConditionOf<Model, S> Given>
  Tensor<S> sample(const Tensor<Given>& given, Rng& rng) const {
    return flat(images.sample(given, rng));
  }
  void initialize(const Tensor<S>& batch) {
    if constexpr (requires { images.initialize(batch); }) images.initialize(centered(batch));
  }
  static void members(auto& self, auto&& visit) { visit("images", self.images); }

 private:
  Tensor<S> centered(const Tensor<S>& x) const { return reshape(x * (1 / levels) - 0.5, image.inserted(0, x.size(0))); }
  Tensor<S> flat(const Tensor<S>& y) const { return reshape((y + 0.5) * levels, Shape{y.size(0), image.size()}); }
  double change_of_scale() const { return static_cast<double>(image.size()) * std::log(levels); }
};

// Throws ShapeError if a part (a flow on images, noise) says that it is one of images of another shape.
template <class Part>
void check_image_shape(const char* what, const Part& part, const Shape& image) {
  if constexpr (requires { Shape(part.image_shape()); }) {
    if (!(Shape(part.image_shape()) == image))
      fail<ShapeError>("DequantizedImages: ", what, " is one of images of shape ", part.image_shape(),
                       ", but the images have ", image, " with their border");
  } else if constexpr (requires { Shape(part.bijector().image_shape()); }) {
    check_image_shape(what, part.bijector(), image);
  }
}

}  // namespace detail

/// How DequantizedImages treats its images.
struct DequantizedImagesOptions {
  Index levels = 256;   ///< pixels are 0 .. levels - 1
  Index particles = 1;  ///< draws of the noise per image in log_likelihood
  Index border = 0;     ///< black pixels put around the images: 2 makes 32 x 32 of 28 x 28
};

/// A model of images of whole numbers x in {0, .., levels - 1}^(c h w), made of a density p of images in [-1/2, 1/2),
/// as Dequantized, which see, makes one of vectors:
///
///     log P(x) >= E[log p((x + u) / levels - 1/2) - log q(u | x)] - c h w log levels,  u ~ q(u | x)
///
/// It is a model of x itself: `bits_per_dim(nats, c * h * w, 1)` are bits per pixel. With a border the images and its
/// black pixels are modelled together, which bounds log P(x) from below once more; the noise has the size of both.
///
///     DequantizedImages model(glow({.height = 28, .width = 28}, rng), {1, 28, 28});
///     fit(model, pixels, mle, {.epochs = 10}, rng);                     // pixels [n, 1, 28, 28]
///
/// Of a density of images given labels or contexts it makes a conditional model, as Dequantized does:
///
///     auto classes = LabelledNormal<>(10, 784, rng, 0.1);
///     DequantizedImages model(glow({.height = 28, .width = 28}, classes, rng), {1, 28, 28});
///     fit(model, std::tuple(pixels, labels), mle, {.epochs = 10}, rng);
///     model.sample(Tensor<Index>::full({9}, 3), rng);                   // nine threes
///
/// Throws ValueError for numbers that are not whole or not below `levels`, ShapeError for other images, also than those
/// of a flow or noise that knows its own.
template <class Model, class Noise = UniformNoise>
class DequantizedImages {
 public:
  using Scalar = detail::scalar_of<Model>;
  using S = Scalar;

  /// `image` is the shape of an image, [c, h, w], without border.
  DequantizedImages(Model density, const Shape& image, Noise noise = {}, DequantizedImagesOptions options = {})
      : image_(image),
        border_(options.border),
        flat_(detail::PixelDensity<Model>{std::move(density), bordered(image, options),
                                          static_cast<double>(options.levels)},
              std::move(noise), {.levels = options.levels, .particles = options.particles}) {
    detail::check_image_shape("the density", this->density(), flat_.density().image);
    detail::check_image_shape("the noise", this->noise(), flat_.density().image);
  }

  const Model& density() const { return flat_.density().images; }
  const Noise& noise() const { return flat_.noise(); }

  /// A lower bound of log P(x) with k draws of the noise, in nats: x [n, c, h, w] -> [n].
  Tensor<S> bound(const Tensor<S>& x, Index k, Rng& rng) const { return flat_.bound(rows(x), k, rng); }
  /// The same of log P(x | given): labels Tensor<Index> [n], or contexts [n, c].
  template <ConditionOf<Model, S> Given>
  Tensor<S> bound(const Tensor<S>& x, const Tensor<Given>& given, Index k, Rng& rng) const {
    return flat_.bound(rows(x), given, k, rng);
  }
  /// The bound with one draw, for `mle`.
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const { return flat_.log_prob(rows(x), rng); }
  template <ConditionOf<Model, S> Given>
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Given>& given, Rng& rng) const {
    return flat_.log_prob(rows(x), given, rng);
  }
  /// The bound with `.particles` draws.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng& rng) const { return flat_.log_likelihood(rows(x), rng); }
  template <ConditionOf<Model, S> Given>
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, const Tensor<Given>& given, Rng& rng) const {
    return flat_.log_likelihood(rows(x), given, rng);
  }
  /// n images of whole numbers, [n, c, h, w], with the border cut off.
  Tensor<S> sample(Index n, Rng& rng) const { return images(flat_.sample(n, rng)); }
  /// One image for each of what is given.
  template <ConditionOf<Model, S> Given>
  Tensor<S> sample(const Tensor<Given>& given, Rng& rng) const {
    return images(flat_.sample(given, rng));
  }
  /// What images [n, c, H, W] of the density, with border, look like in whole numbers: [n, c, h, w].
  Tensor<S> quantized(const Tensor<S>& y) const {
    const auto levels = static_cast<S>(flat_.density().levels);
    return detail::without_border(Tensor<S>::generate(y.shape(),
                                                      [&](Index i) {
                                                        const S v = std::floor((y.data()[i] + S(0.5)) * levels);
                                                        return std::min(std::max(v, S(0)), levels - S(1));
                                                      }),
                                  border_);
  }
  /// Starts the density from a batch of images.
  void initialize(const Tensor<S>& batch, Rng& rng) { flat_.initialize(rows(batch), rng); }

  static void members(auto& self, auto&& visit) { visit("flat", self.flat_); }

 private:
  static Shape bordered(const Shape& image, const DequantizedImagesOptions& o) {
    if (image.rank() != 3) fail<ShapeError>("DequantizedImages: image of shape ", image, ", expected [c, h, w]");
    if (o.levels < 2 || o.border < 0)
      fail<ValueError>("DequantizedImages: got .levels = ", o.levels, " and .border = ", o.border,
                       ", expected at least 2, and 0 or more");
    return {image[0], image[1] + 2 * o.border, image[2] + 2 * o.border};
  }
  Tensor<S> rows(const Tensor<S>& x) const {
    if (x.rank() != 4 || !(x.shape().without(0) == image_))
      fail<ShapeError>("DequantizedImages: images of shape ", x.shape(), ", expected [n, ", image_[0], ", ", image_[1],
                       ", ", image_[2], "]");
    return reshape(detail::with_border(x, border_), Shape{x.size(0), flat_.density().image.size()});
  }
  Tensor<S> images(const Tensor<S>& flat) const {
    return detail::without_border(reshape(flat, flat_.density().image.inserted(0, flat.size(0))), border_);
  }

  Shape image_;
  Index border_;
  Dequantized<detail::PixelDensity<Model>, Noise> flat_;
};

/// How an ImageNoise is built.
struct ImageNoiseOptions {
  Index channels = 1;  ///< of the images, with their border if they have one
  Index height = 0, width = 0;
  Index levels = 256;                    ///< pixels are 0 .. levels - 1
  Index steps = 4;                       ///< couplings
  std::vector<Index> hidden = {32, 32};  ///< channels in each coupling's network
};

/// Noise in (0, 1)^d for images x, drawn from a flow whose networks see x (Flow++, Ho et al. 2019, sec. 3.1): u =
/// sigmoid(f(v; x)) with v logistic and couplings f of the squeezed images in turn with the masks of a checkerboard and
/// of the upper and lower pixels. At first u is uniform, so the bound never starts below uniform noise's.
///
///     DequantizedImages(flow, {1, 28, 28}, ImageNoise({.height = 28, .width = 28}, rng))
///
/// Throws ValueError for no couplings, ShapeError for an odd height or width and other images.
template <class S = float>
class ImageNoise {
 public:
  using Scalar = S;

  ImageNoise(const ImageNoiseOptions& options, Rng& rng)
      : image_{options.channels, options.height, options.width}, levels_(options.levels) {
    if (options.steps < 1 || options.levels < 2)
      fail<ValueError>("ImageNoise: got .steps = ", options.steps, " and .levels = ", options.levels,
                       ", expected at least 1 and 2");
    if (options.height < 2 || options.width < 2 || options.height % 2 != 0 || options.width % 2 != 0)
      fail<ShapeError>("ImageNoise: images of ", options.height, " x ", options.width,
                       " pixels, expected an even height and width; add a border");
    const Index channels = 4 * options.channels, half = channels / 2;
    for (Index i = 0; i < options.steps; ++i) nets_.emplace_back(half + channels, options.hidden, 2 * half, rng);
  }

  /// [c, h, w].
  const Shape& image_shape() const { return image_; }

  /// One draw for each row of x [n, c h w], differentiable, with its log-density in nats: {[n, c h w], [n]}.
  Draws<S> operator()(const Tensor<S>& x, Rng& rng) const {
    if (x.rank() != 2 || x.size(1) != image_.size())
      fail<ShapeError>("ImageNoise: images of shape ", x.shape(), ", expected [n, ", image_.size(), "]");
    const Index n = x.size(0);
    const Squeeze squeeze{SqueezeOrder::checkerboard};
    const Tensor<S> seen = squeeze.forward(reshape(ScaleLevels{levels_}(x), image_.inserted(0, n))).value;
    const Tensor<S> start = uniform<S>(seen.shape(), rng, epsilon, 1 - epsilon);
    Tensor<S> v = log(start) - log1p(-start);
    Tensor<S> log_density = sum(log(start) + log1p(-start), {1, 2, 3});  // of the logistic distribution
    for (std::size_t i = 0; i < nets_.size(); ++i) {
      const Seeing net{&nets_[i], seen};
      const WithLogDet<S> moved =
          ChannelCoupling<Seeing>(net, seen.size(1),
                                  {.keep = keeps[i % 4], .scale = ChannelScale::exponential, .max_log_scale = 2})
              .forward(v);
      v = moved.value;
      log_density = log_density - moved.log_det;
    }
    const WithLogDet<S> u = SigmoidBijector{}.forward(reshape(squeeze.inverse(v).value, x.shape()));
    return {u.value, log_density - u.log_det};
  }

  static void members(auto& self, auto&& visit) { visit("nets", self.nets_); }

 private:
  static constexpr double epsilon = 1e-6;
  static constexpr Keep keeps[] = {Keep::first_half, Keep::second_half, Keep::even, Keep::odd};

  // A network that sees the image beside its input.
  struct Seeing {
    using Scalar = S;
    const ImageCouplingNet<S>* net;
    Tensor<S> image;
    Tensor<S> operator()(const Tensor<S>& h) const { return (*net)(concat({h, image}, 1)); }
  };

  Shape image_;
  Index levels_;
  std::vector<ImageCouplingNet<S>> nets_;
};

}  // namespace pushforward
