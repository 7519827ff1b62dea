// ImageAutoregressive: what autoregressive models of images share, whatever their network and their conditionals.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/discretized_logistic_conditional.hpp>
#include <pushforward/models/autoregressive/image_passes.hpp>
#include <pushforward/models/autoregressive/pixel_images.hpp>

namespace pushforward {

/// Conditionals for each color of each pixel by itself, for networks whose masks let a color see those before it.
///
/// A network puts out c P numbers a pixel, the P parameters of the first color, then of the second, .. It sees levels
/// (where the conditional has any) from -1 to 1, other numbers as they are.
template <class Conditional>
class ColorConditionals {
 public:
  /// The network has to run again for each color of a pixel.
  static constexpr bool colors_at_once = false;

  explicit ColorConditionals(Index colors = 1, Conditional conditional = Conditional())
      : colors_(colors), conditional_(std::move(conditional)) {}

  const Conditional& conditional() const { return conditional_; }
  Index outputs() const { return colors_ * conditional_.parameters(); }
  template <class S>
  Tensor<S> input(const Tensor<S>& x) const {
    if constexpr (requires { conditional_.levels(); })
      return x * (2 / static_cast<double>(conditional_.levels() - 1)) - 1;
    else
      return clamp(x, -1e6, 1e6);
  }
  /// outputs [n, c P, h, w] of a network, x [n, c, h, w] -> [n] nats.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& outputs, const Tensor<S>& x) const {
    const Tensor<S> all = parameters(outputs, x);
    const Index n = x.size(0), d = colors_ * x.size(2) * x.size(3);
    return conditional_.log_prob(reshape(all, Shape{n, all.size(1), d}), reshape(x, Shape{n, d}));
  }
  /// [n, P, c, h, w].
  template <class S>
  Tensor<S> parameters(const Tensor<S>& outputs, const Tensor<S>&) const {
    const Index n = outputs.size(0), h = outputs.size(2), w = outputs.size(3);
    const Tensor<S> colors = reshape(outputs, Shape{n, colors_, conditional_.parameters(), h, w});
    return colors_ == 1 ? reshape(outputs, Shape{n, conditional_.parameters(), 1, h, w}) : transpose(colors, 1, 2);
  }
  /// Those of one color: [n, P, h, w].
  template <class S>
  Tensor<S> parameters_of(const Tensor<S>& outputs, const Tensor<S>&, Index color) const {
    const Index count = conditional_.parameters();
    return slice(outputs, 1, color * count, (color + 1) * count);
  }

 private:
  Index colors_;
  Conditional conditional_;
};

/// An autoregressive density of images: log p(x) = sum over pixels, and the colors of each, of log p(x_i | those before
/// i), exact, from one pass of one network.
///
/// Pixels come row by row, the colors of a pixel one after the other. `pixels` says what a network's outputs mean
/// (DiscretizedLogisticPixels, ColorConditionals). Data is [n, colors, height, width] of the network's `images()`.
/// Labels [n], for a model with classes, are from 0 to classes - 1. Functions throw ShapeError for images, or a number
/// of labels, that do not fit, ValueError for labels that are missing, not asked for, or too large; `Net::name` is what
/// messages call the model.
template <class Net, class Pixels>
class ImageAutoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  ImageAutoregressive(Net net, Pixels pixels) : net_(std::move(net)), pixels_(std::move(pixels)) {}

  const Net& net() const { return net_; }
  const Pixels& pixels() const { return pixels_; }
  /// Of one color of a pixel.
  const auto& conditional() const { return pixels_.conditional(); }
  const PixelImages& images() const { return net_.images(); }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return net_.classes(); }
  /// The row-major position in an event of the element in place `place` of the order.
  Index element(Index place) const { return images().element(place); }

  /// log p(x) in nats: x [n, c, h, w] -> [n]. With a generator, there is dropout while the model trains.
  Tensor<S> log_prob(const Tensor<S>& x) const { return score(x, {}, nullptr); }
  Tensor<S> log_prob(const Tensor<S>& x, Rng& rng) const { return score(x, {}, &rng); }
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels) const { return score(x, labels, nullptr); }
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels, Rng& rng) const { return score(x, labels, &rng); }
  /// log p(x | y) of every class y in nats: x [n, c, h, w] -> [n, classes]. Throws ValueError for a model without.
  Tensor<S> log_prob_by_class(const Tensor<S>& x) const { return detail::log_prob_of_classes(Net::name, *this, x); }
  /// The P parameters of each element's conditional: x [n, c, h, w] -> [n, P, c, h, w].
  Tensor<S> parameters(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    return pixels_.parameters(outputs("parameters", x, labels, nullptr), x);
  }

  /// n draws, [n, c, h, w], as constants, pixel by pixel: a pixel computes only what no pixel before it has.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    if (n < 0) fail<ValueError>(Net::name, "::sample: got ", n, " draws, expected 0 or more");
    return draw_all(n, {}, rng, options);
  }
  /// One draw for each label.
  Tensor<S> sample(const Tensor<Index>& labels, Rng& rng, const DrawOptions& options = {}) const {
    return draw_all(detail::count_of_labels(Net::name, labels), labels, rng, options);
  }
  /// x [n, c, h, w] with its unknown numbers drawn; `known`, which broadcasts to it, is 1 where x is given.
  ///
  /// An unknown number is drawn given the known and drawn ones before it: an exact draw of p(unknown | known) where the
  /// known ones come first. The same bits as `full_completion`. Throws ValueError for known numbers that the
  /// conditional cannot hold.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    return complete(x, known, Tensor<Index>(), rng, options);
  }
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Tensor<Index>& labels, Rng& rng,
                     const DrawOptions& options = {}) const {
    check("complete", x, labels);
    options.check();
    const NoGradient guard;
    const Tensor<S> given = expand(known, x.shape());
    detail::check_known(Net::name, conditional(), x, given);
    return Tensor<S>::build(x.shape(), [&](S* out) {
      for (Index i = 0; i < x.size(); ++i) out[i] = given.data()[i] == S(0) ? S(0) : x.data()[i];
      draw_unknown(given, labels, out, rng, options);
    });
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  void check(const char* function, const Tensor<S>& x, const Tensor<Index>& labels) const {
    detail::check_images(Net::name, function, images(), x);
    detail::check_image_labels(Net::name, function, classes(), x.size(0), labels);
  }
  Tensor<S> draw_all(Index n, const Tensor<Index>& labels, Rng& rng, const DrawOptions& options) const {
    detail::check_image_labels(Net::name, "sample", classes(), n, labels);
    return complete(Tensor<S>::zeros(images().event().inserted(0, n)), Tensor<S>::scalar(S(0)), labels, rng, options);
  }
  Tensor<S> outputs(const char* function, const Tensor<S>& x, const Tensor<Index>& labels, Rng* rng) const {
    check(function, x, labels);
    return net_(pixels_.input(x), labels, rng);
  }
  Tensor<S> score(const Tensor<S>& x, const Tensor<Index>& labels, Rng* rng) const {
    return pixels_.log_prob(outputs("log_prob", x, labels, rng), x);
  }

  void draw_unknown(const Tensor<S>& given, const Tensor<Index>& labels, S* x, Rng& rng,
                    const DrawOptions& options) const {
    const PixelImages& s = images();
    const Index n = given.size(0), area = s.height * s.width;
    typename Net::Steps steps(net_, n, labels);
    for (Index p = 0; p < area; ++p) {
      Tensor<S> outputs;
      for (Index color = 0; color < s.colors; ++color) {
        if (color == 0 || !Pixels::colors_at_once) outputs = unsqueeze(unsqueeze(steps.outputs(p), 2), 3);
        const Tensor<S> pixel = Tensor<S>::generate({n, s.colors, 1, 1}, [&](Index i) { return x[i * area + p]; });
        const Tensor<S> parameters =
            reshape(pixels_.parameters_of(outputs, pixel, color), Shape{n, conditional().parameters()});
        const Tensor<S> drawn = detail::draw_conditional(conditional(), parameters, rng, options);
        for (Index i = 0; i < n; ++i) {
          const Index at = (i * s.colors + color) * area + p;
          if (given.data()[at] == S(0)) x[at] = drawn.data()[i];
        }
        steps.set(
            p, color,
            pixels_.input(Tensor<S>::generate({n}, [&](Index i) { return x[(i * s.colors + color) * area + p]; })));
      }
    }
  }

  Net net_;
  Pixels pixels_;
};

namespace detail {

// Images with a channel of ones, by which a network tells them from the zeros around.
template <class S>
Tensor<S> with_ones(const Tensor<S>& x) {
  return concat({x, Tensor<S>::ones(Shape{x.size(0), 1, x.size(2), x.size(3)})}, 1);
}
// The same for images to come.
template <class S>
ImageBuffer<S> images_with_ones(Index n, const PixelImages& images) {
  ImageBuffer<S> image(n, images.colors + 1, images.height, images.width);
  for (Index i = 0; i < n; ++i) std::fill_n(&image.at(i, images.colors, 0, 0), images.height * images.width, S(1));
  return image;
}

// The steps of a network whose `run(pass)` is all of it: its outputs at one pixel after the other.
template <class Net, class Pass>
class ImageSteps {
 public:
  using S = typename Net::Scalar;
  ImageSteps(const Net& net, Index n, const Tensor<Index>& labels)
      : net_(net), image_(net.buffer(n)), pass_(image_, labels, 1) {}
  ImageSteps(const ImageSteps&) = delete;
  ImageSteps& operator=(const ImageSteps&) = delete;

  // [n, outputs] at pixel p.
  Tensor<S> outputs(Index p) {
    pass_.start_pixel(p / image_.width, p % image_.width);
    return net_.run(pass_);
  }
  // One color of that pixel, [n].
  void set(Index p, Index color, const Tensor<S>& values) { image_.set(p, color, values); }

 private:
  const Net& net_;
  ImageBuffer<S> image_;
  Pass pass_;
};

inline void check_image_network(const char* name, const PixelImages& images, Index features, Index depth,
                                const char* parts, double dropout) {
  check_pixel_images(name, images);
  if (features < 1 || depth < 1)
    fail<ValueError>(name, ": got ", features, " features and ", depth, " ", parts, ", expected at least 1 of each");
  if (!(dropout >= 0 && dropout < 1))
    fail<ValueError>(name, ": .dropout is ", dropout, ", expected 0 or more and less than 1");
}

}  // namespace detail

}  // namespace pushforward
