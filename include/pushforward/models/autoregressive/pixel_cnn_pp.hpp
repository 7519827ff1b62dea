// PixelCNN++: shifted convolutions in two streams, gated residual blocks, short cuts between scales, and mixtures of
// discretized logistics.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/discretized_logistic_conditional.hpp>
#include <pushforward/models/autoregressive/gated_residual.hpp>
#include <pushforward/models/autoregressive/image_model.hpp>

namespace pushforward {

/// How `pixel_cnn_pp` builds a model.
struct PixelCnnPpOptions {
  Index colors = 1, height = 28, width = 28;  ///< of the images; any sizes
  Index levels = 256;                         ///< of a color: data holds 0 .. levels - 1
  Index components = 10;                      ///< logistics in each mixture
  Index features = 64;                        ///< channels of a stream
  Index blocks = 2;                           ///< residual blocks of each stream, down and up, at each scale
  Index scales = 1;    ///< each but the first has half the rows and columns of the one before, rounded up
  double dropout = 0;  ///< in residual blocks: see ImageAutoregressive::log_prob(x, rng)
  Index classes = 0;   ///< of labels; 0: none
};

/// The network of PixelCNN++ (Salimans et al. 2017): images [n, c, h, w] from -1 to 1 -> [n, outputs, h, w], where a
/// pixel's outputs depend on the pixels before it only.
///
/// One stream sees the rows above, the other also the pixels to the left, and reads the first one. Both go down the
/// scales by strides of two and up again, and each block on the way up reads the one that it mirrors on the way down.
/// On the way up a pixel of a scale becomes four of the one below by a linear map.
template <class S = float>
class PixelCnnPpNet {
 public:
  using Scalar = S;
  static constexpr const char* name = "PixelCnnPp";

  /// Throws ValueError for options that build no network.
  PixelCnnPpNet(Index outputs, const PixelCnnPpOptions& o, Rng& rng)
      : images_{o.colors, o.height, o.width}, classes_(o.classes) {
    detail::check_image_network(name, images_, o.features, o.blocks, "blocks", o.dropout);
    if (o.scales < 1 || o.scales > 16 || o.classes < 0)
      fail<ValueError>(name, ": got ", o.scales, " scales and ", o.classes, " classes, expected 1 to 16 scales");
    above_ = ShiftedConv2d<S>(o.colors + 1, o.features, {2, 3}, rng, {.up = 2, .left = 1});
    row_above_ = ShiftedConv2d<S>(o.colors + 1, o.features, {1, 3}, rng, {.up = 1, .left = 1});
    left_ = ShiftedConv2d<S>(o.colors + 1, o.features, {2, 1}, rng, {.up = 1, .left = 1});
    for (Index s = 0; s < o.scales; ++s) scales_.push_back(Scale(o, s, rng));
    out_ = ShiftedConv2d<S>(o.features, outputs, 1, rng);
  }

  const PixelImages& images() const { return images_; }
  Index classes() const { return classes_; }

  /// For images [n, c, h, w] and labels [n] or none; with a generator, there is dropout while training.
  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}, Rng* rng = nullptr) const {
    detail::WholePass<S> pass(detail::with_ones(x), labels, count(), rng);
    return run_left(pass, run_above(pass));
  }

  /// Its outputs at one pixel after the other. The stream that looks above runs once a row.
  class Steps {
   public:
    Steps(const PixelCnnPpNet& net, Index n, const Tensor<Index>& labels)
        : net_(net),
          image_(detail::images_with_ones<S>(n, net.images())),
          rows_(image_, labels, net.count()),
          pixels_(image_, labels, net.count()) {}
    Steps(const Steps&) = delete;
    Steps& operator=(const Steps&) = delete;

    /// [n, outputs] at pixel p.
    Tensor<S> outputs(Index p) {
      const Index row = p / image_.width, column = p % image_.width;
      if (column == 0) {
        rows_.start_row(row);
        above_ = net_.run_above(rows_);
      }
      pixels_.start_pixel(row, column);
      return net_.run_left(pixels_, above_);
    }
    /// One color of that pixel, [n].
    void set(Index p, Index color, const Tensor<S>& values) { image_.set(p, color, values); }

   private:
    const PixelCnnPpNet& net_;
    detail::ImageBuffer<S> image_;
    detail::PixelPass<S> rows_, pixels_;
    std::vector<Tensor<S>> above_;
  };

  static void members(auto& self, auto&& visit) {
    visit("above", self.above_);
    visit("row_above", self.row_above_);
    visit("left", self.left_);
    visit("scales", self.scales_);
    visit("out", self.out_);
  }

 private:
  using Block = detail::GatedResidual<S>;

  // The blocks of a scale, those of the way up in the order in which they run, and the ways to and from the next one.
  struct Scale {
    std::vector<Block> above_down, left_down, above_up, left_up;
    std::vector<ShiftedConv2d<S>> halves, doubles;  // of both streams, but for the last scale

    Scale(const PixelCnnPpOptions& o, Index scale, Rng& rng) {
      const Index f = o.features;
      auto down = [&](Index in, Index out) { return ShiftedConv2d<S>::down(in, out, rng); };
      auto right = [&](Index in, Index out) { return ShiftedConv2d<S>::down_right(in, out, rng); };
      for (Index b = 0; b < o.blocks; ++b) {
        above_down.push_back(Block(f, 0, o.classes, o.dropout, rng, down));
        left_down.push_back(Block(f, f, o.classes, o.dropout, rng, right));
      }
      // What comes down to a scale starts its list, so that there is one more to mirror, except where the way turns.
      const bool last = scale + 1 == o.scales;
      for (Index b = 0; b < o.blocks + (last ? 0 : 1); ++b) {
        above_up.push_back(Block(f, f, o.classes, o.dropout, rng, down));
        left_up.push_back(Block(f, 2 * f, o.classes, o.dropout, rng, right));
      }
      if (last) return;
      halves = {ShiftedConv2d<S>::down(f, f, rng, 2), ShiftedConv2d<S>::down_right(f, f, rng, 2)};
      doubles = {ShiftedConv2d<S>(f, 4 * f, 1, rng), ShiftedConv2d<S>(f, 4 * f, 1, rng)};
    }
    static void members(auto& self, auto&& visit) {
      visit("above_down", self.above_down);
      visit("left_down", self.left_down);
      visit("above_up", self.above_up);
      visit("left_up", self.left_up);
      visit("halves", self.halves);
      visit("doubles", self.doubles);
    }
  };

  Index count() const { return static_cast<Index>(scales_.size()); }
  const Scale& scale(Index s) const { return scales_[static_cast<std::size_t>(s)]; }

  // The stream that sees the rows above: what each block of the other stream reads, in the order in which it does.
  template <class Pass>
  std::vector<Tensor<S>> run_above(Pass& pass) const {
    std::vector<Tensor<S>> results, passed{pass.look(above_)};
    for (Index s = 0; s < count(); ++s) {
      for (const Block& block : scale(s).above_down) {
        passed.push_back(block(pass, passed.back(), s));
        results.push_back(passed.back());
      }
      if (s + 1 < count()) passed.push_back(pass.conv(scale(s).halves[0], passed.back(), s));
    }
    Tensor<S> u = take(passed);
    for (Index s = count() - 1; s >= 0; --s) {
      for (const Block& block : scale(s).above_up) results.push_back(u = block(pass, u, take(passed), s));
      if (s > 0) u = pass.up(scale(s - 1).doubles[0], u, s - 1);
    }
    return results;
  }

  template <class Pass>
  Tensor<S> run_left(Pass& pass, const std::vector<Tensor<S>>& above) const {
    auto next = above.begin();
    std::vector<Tensor<S>> passed{pass.look(row_above_) + pass.look(left_)};
    for (Index s = 0; s < count(); ++s) {
      for (const Block& block : scale(s).left_down)
        passed.push_back(block(pass, passed.back(), pass.beside(*next++, s), s));
      if (s + 1 < count()) passed.push_back(pass.conv(scale(s).halves[1], passed.back(), s));
    }
    Tensor<S> u = take(passed);
    for (Index s = count() - 1; s >= 0; --s) {
      for (const Block& block : scale(s).left_up)
        u = block(pass, u, concat({pass.beside(*next++, s), take(passed)}, 1), s);
      if (s > 0) u = pass.up(scale(s - 1).doubles[1], u, s - 1);
    }
    return pass.conv(out_, elu(u), 0);
  }
  static Tensor<S> take(std::vector<Tensor<S>>& from) {
    const Tensor<S> last = from.back();
    from.pop_back();
    return last;
  }

  PixelImages images_;
  Index classes_;
  ShiftedConv2d<S> above_, row_above_, left_, out_;
  std::vector<Scale> scales_;
};

/// A PixelCNN++ (Salimans et al. 2017).
template <class S = float>
using PixelCnnPp = ImageAutoregressive<PixelCnnPpNet<S>, DiscretizedLogisticPixels>;

/// A PixelCNN++ over images of levels: `pixel_cnn_pp({.levels = 256, .features = 32}, rng)`. Throws ValueError.
template <class S = float>
PixelCnnPp<S> pixel_cnn_pp(const PixelCnnPpOptions& options, Rng& rng) {
  const DiscretizedLogisticPixels pixels(options.colors, options.levels, options.components);
  return PixelCnnPp<S>(PixelCnnPpNet<S>(pixels.outputs(), options, rng), pixels);
}

}  // namespace pushforward
