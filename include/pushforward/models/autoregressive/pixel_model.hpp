// PixelModel: a density of images, one pixel after the other, on any network that sees only the past.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/models/autoregressive/pixel_layers.hpp>
#include <pushforward/models/conditionals.hpp>

namespace pushforward {

/// An autoregressive density of images [n, c, h, w]: log p(x) = sum of log p(x_i | the pixels before it), rows from
/// above, pixels from the left, the colors of a pixel in turn. Exact, from one pass of the network.
///
/// `net(x, labels)` gives the P parameters of each number, [n, c P, h, w] (those of the first color first), `net.steps(
/// n, labels)` one element after the other from what it has kept (see GatedPixelSteps), `net.images()` what images it
/// is for and `net.classes()` how many classes. With classes the density is conditional: every function takes labels
/// [n], and `log_prob(x, labels)` is log p(x | label).
template <class Net, class Conditional>
class PixelModel {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;
  static_assert(ConditionalDistribution<Conditional, S>,
                "pushforward: the conditional of an autoregressive model needs `Index parameters() const`, "
                "`log_prob(parameters [.., P, d], x [.., d]) const` -> [..] and `sample(parameters [n, P], rng) const` "
                "-> [n].");

  /// Throws ValueError if the network does not put out as many numbers for each color as the conditional takes.
  explicit PixelModel(Net net, Conditional conditional = {})
      : net_(std::move(net)), conditional_(std::move(conditional)) {
    if (net_.outputs() != conditional_.parameters())
      fail<ValueError>(Net::name, ": the network puts out ", net_.outputs(),
                       " numbers for each color of a pixel, but its conditional takes ", conditional_.parameters());
  }

  const Net& net() const { return net_; }
  const Conditional& conditional() const { return conditional_; }
  const PixelImages& images() const { return net_.images(); }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return net_.classes(); }
  /// The row-major position in an event of the element in place `place` of the order.
  Index element(Index place) const { return images().element(place); }

  /// The parameters of every conditional at x: x [n, c, h, w] -> [n, P, c, h, w]. Throws ShapeError, ValueError.
  Tensor<S> parameters(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    check("parameters", x, labels);
    const PixelImages& e = images();
    const Tensor<S> y = net_(x, labels);
    const Index n = x.size(0), count = conditional_.parameters();
    if (e.colors == 1) return reshape(y, Shape{n, count, 1, e.height, e.width});
    return permute(reshape(y, Shape{n, e.colors, count, e.height, e.width}), {0, 2, 1, 3, 4});
  }
  /// log p(x), or log p(x | label), in nats: x [n, c, h, w] -> [n]. Throws ShapeError, ValueError.
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels = {}) const {
    check("log_prob", x, labels);
    if (x.tracked()) return log_prob_of(x, labels);
    return detail::image_parts<S>(x.size(0), images().height * images().width, [&](Index begin, Index end) {
      return log_prob_of(slice(x, 0, begin, end), labels.empty() ? labels : slice(labels, 0, begin, end));
    });
  }
  /// log p(x | y) of every class y in nats: x [n, c, h, w] -> [n, classes]. With log p(y) added, the largest is the
  /// class by Bayes' rule.
  Tensor<S> log_prob_by_class(const Tensor<S>& x) const { return detail::log_prob_of_classes(Net::name, *this, x); }

  /// n draws, [n, c, h, w], as constants; what the network has computed for earlier pixels is kept.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    if (n < 0) fail<ValueError>(Net::name, "::sample: got ", n, " draws, expected 0 or more");
    return draw_all(n, {}, rng, options);
  }
  /// One draw for each label [n]: [n, c, h, w].
  Tensor<S> sample(const Tensor<Index>& labels, Rng& rng, const DrawOptions& options = {}) const {
    return draw_all(detail::count_of_labels(Net::name, labels), labels, rng, options);
  }
  /// x [n, c, h, w] with its unknown numbers drawn; `known`, which broadcasts to it, is 1 where x is given and 0 where
  /// it is not.
  ///
  /// An unknown number is drawn given the known and drawn ones before it in the order. The same bits as
  /// `full_completion` gives. Throws ShapeError, and ValueError, also for known numbers that the conditional cannot
  /// hold.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    return complete(x, known, Tensor<Index>(), rng, options);
  }
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Tensor<Index>& labels, Rng& rng,
                     const DrawOptions& options = {}) const {
    check("complete", x, labels);
    const NoGradient guard;
    const Tensor<S> given = expand(known, x.shape());
    detail::check_known(Net::name, conditional_, x, given);
    const Index d = images().event().size(), n = x.size(0);
    return Tensor<S>::build(x.shape(), [&](S* out) {
      std::copy_n(x.data(), x.size(), out);
      std::vector<S> now(static_cast<std::size_t>(n));
      Index place = 0;
      for (auto steps = net_.steps(n, labels); place < d; steps.set(Tensor<S>(Shape{n}, now)), ++place) {
        const Index at = element(place);
        const Tensor<S> drawn = detail::draw_conditional(conditional_, steps.outputs(), rng, options);
        for (Index i = 0; i < n; ++i) {
          if (given.data()[i * d + at] == S(0)) out[i * d + at] = drawn.data()[i];
          now[static_cast<std::size_t>(i)] = out[i * d + at];
        }
      }
    });
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  Tensor<S> log_prob_of(const Tensor<S>& x, const Tensor<Index>& labels) const {
    const Index n = x.size(0), d = images().event().size();
    return conditional_.log_prob(reshape(parameters(x, labels), Shape{n, conditional_.parameters(), d}),
                                 reshape(x, Shape{n, d}));
  }
  Tensor<S> draw_all(Index n, const Tensor<Index>& labels, Rng& rng, const DrawOptions& options) const {
    detail::check_image_labels(Net::name, "sample", classes(), n, labels);
    return complete(Tensor<S>::zeros(images().event().inserted(0, n)), Tensor<S>::scalar(S(0)), labels, rng, options);
  }
  void check(const char* function, const Tensor<S>& x, const Tensor<Index>& labels) const {
    detail::check_images(Net::name, function, images(), x);
    detail::check_image_labels(Net::name, function, classes(), x.size(0), labels);
  }

  Net net_;
  Conditional conditional_;
};

}  // namespace pushforward
