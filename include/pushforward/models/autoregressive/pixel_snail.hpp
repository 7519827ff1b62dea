// PixelSNAIL: gated residual blocks of shifted convolutions, interleaved with attention to all earlier pixels.
#pragma once

#include <vector>

#include <pushforward/models/autoregressive/discretized_logistic_conditional.hpp>
#include <pushforward/models/autoregressive/gated_residual.hpp>
#include <pushforward/models/autoregressive/image_model.hpp>

namespace pushforward {

/// How `pixel_snail` builds a model.
struct PixelSnailOptions {
  Index colors = 1, height = 28, width = 28;  ///< of the images; any sizes
  Index levels = 256;                         ///< of a color: data holds 0 .. levels - 1
  Index components = 10;                      ///< logistics in each mixture
  Index features = 64;                        ///< channels
  Index blocks = 2;                           ///< each of them ends with attention
  Index residuals = 2;                        ///< gated residual blocks in each block
  Index heads = 1;                            ///< of the attention
  Index keys = 16;                            ///< features of a key, in all heads together
  Index values = 32;                          ///< features of a value, in all heads together
  double dropout = 0;                         ///< in residual blocks: see ImageAutoregressive::log_prob(x, rng)
  Index classes = 0;                          ///< of labels; 0: none
};

/// A block of PixelSNAIL (Chen et al. 2018, section 2.3): residual blocks that see up and to the left, then attention.
///
///     u = residual(.. residual(u))
///     y_i = sum over j < i of softmax_j(q_i k_j) v_j,   q_i = query(u_i, p_i),   (k_j, v_j) = content(x_j, u_j, p_j)
///     result = residual1x1(u, y)
///
/// x is the image, p_i row and column of pixel i. The first pixel attends to a start that is made of zeros.
template <class S = float>
class PixelSnailBlock {
 public:
  PixelSnailBlock(const PixelSnailOptions& o, Rng& rng) : heads_(o.heads), keys_(o.keys) {
    const Index f = o.features, seen = f + 2, all = seen + o.colors + 1;
    auto shifted = [&](Index in, Index out) { return ShiftedConv2d<S>::down_right(in, out, rng); };
    auto pointwise = [&](Index in, Index out) { return ShiftedConv2d<S>(in, out, 1, rng); };
    for (Index i = 0; i < o.residuals; ++i) residuals_.push_back(Block(f, 0, o.classes, o.dropout, rng, shifted));
    content_ = Block(all, 0, 0, o.dropout, rng, pointwise);
    query_ = Block(seen, 0, 0, o.dropout, rng, pointwise);
    join_ = Block(f, o.values, 0, o.dropout, rng, pointwise);
    to_content_ = pointwise(all, o.keys + o.values);
    to_query_ = pointwise(seen, o.keys);
  }

  /// u at all pixels, or at those of the pass, [.., features, ..] -> the same.
  template <class Pass>
  Tensor<S> operator()(Pass& pass, const Tensor<S>& x) const {
    Tensor<S> u = x;
    for (const Block& block : residuals_) u = block(pass, u, 0);
    const Tensor<S> seen = concat({u, pass.positions()}, 1);
    const Tensor<S> content = content_(pass, concat({pass.previous_pixel(), pass.previous(seen)}, 1), 0);
    const Tensor<S> both = pass.conv(to_content_, content, 0);
    const Tensor<S> query = pass.conv(to_query_, query_(pass, seen, 0), 0);
    const Tensor<S> read = pass.attend(query, slice(both, 1, 0, keys_), slice(both, 1, keys_, both.size(1)), heads_);
    return join_(pass, u, read, 0);
  }

  static void members(auto& self, auto&& visit) {
    visit("residuals", self.residuals_);
    visit("content", self.content_);
    visit("query", self.query_);
    visit("join", self.join_);
    visit("to_content", self.to_content_);
    visit("to_query", self.to_query_);
  }

 private:
  using Block = detail::GatedResidual<S>;

  Index heads_, keys_;
  std::vector<Block> residuals_;
  Block content_, query_, join_;
  ShiftedConv2d<S> to_content_, to_query_;
};

/// The network of PixelSNAIL: images [n, c, h, w] from -1 to 1 -> [n, outputs, h, w], where a pixel's outputs depend on
/// the pixels before it only, and on all of them.
template <class S = float>
class PixelSnailNet {
 public:
  using Scalar = S;
  static constexpr const char* name = "PixelSnail";
  using Steps = detail::ImageSteps<PixelSnailNet, detail::PixelPass<S>>;

  /// Throws ValueError for options that build no network.
  PixelSnailNet(Index outputs, const PixelSnailOptions& o, Rng& rng)
      : images_{o.colors, o.height, o.width}, classes_(o.classes) {
    detail::check_image_network(name, images_, o.features, o.blocks, "blocks", o.dropout);
    if (o.residuals < 0 || o.classes < 0)
      fail<ValueError>(name, ": got ", o.residuals, " residual blocks and ", o.classes,
                       " classes, expected no negative numbers");
    if (o.heads < 1 || o.keys < 1 || o.values < 1 || o.keys % o.heads != 0 || o.values % o.heads != 0)
      fail<ValueError>(name, ": got ", o.keys, " features of keys and ", o.values, " of values for ", o.heads,
                       " heads, expected multiples of the number of heads");
    row_above_ = ShiftedConv2d<S>(o.colors + 1, o.features, {1, 3}, rng, {.up = 1, .left = 1});
    left_ = ShiftedConv2d<S>(o.colors + 1, o.features, {2, 1}, rng, {.up = 1, .left = 1});
    for (Index i = 0; i < o.blocks; ++i) blocks_.push_back(PixelSnailBlock<S>(o, rng));
    out_ = ShiftedConv2d<S>(o.features, outputs, 1, rng);
  }

  const PixelImages& images() const { return images_; }
  Index classes() const { return classes_; }

  /// For images [n, c, h, w] and labels [n] or none; with a generator, there is dropout while training.
  Tensor<S> operator()(const Tensor<S>& x, const Tensor<Index>& labels = {}, Rng* rng = nullptr) const {
    detail::WholePass<S> pass(detail::with_ones(x), labels, 1, rng);
    return run(pass);
  }

  static void members(auto& self, auto&& visit) {
    visit("row_above", self.row_above_);
    visit("left", self.left_);
    visit("blocks", self.blocks_);
    visit("out", self.out_);
  }

 private:
  friend Steps;

  template <class Pass>
  Tensor<S> run(Pass& pass) const {
    Tensor<S> u = pass.look(row_above_) + pass.look(left_);
    for (const PixelSnailBlock<S>& block : blocks_) u = block(pass, u);
    return pass.conv(out_, elu(u), 0);
  }
  detail::ImageBuffer<S> buffer(Index n) const { return detail::images_with_ones<S>(n, images_); }

  PixelImages images_;
  Index classes_;
  ShiftedConv2d<S> row_above_, left_, out_;
  std::vector<PixelSnailBlock<S>> blocks_;
};

/// A PixelSNAIL (Chen et al. 2018), with the conditionals of PixelCNN++.
template <class S = float>
using PixelSnail = ImageAutoregressive<PixelSnailNet<S>, DiscretizedLogisticPixels>;

/// A PixelSNAIL over images of levels: `pixel_snail({.levels = 256, .features = 32}, rng)`. Throws ValueError.
template <class S = float>
PixelSnail<S> pixel_snail(const PixelSnailOptions& options, Rng& rng) {
  const DiscretizedLogisticPixels pixels(options.colors, options.levels, options.components);
  return PixelSnail<S>(PixelSnailNet<S>(pixels.outputs(), options, rng), pixels);
}

}  // namespace pushforward
