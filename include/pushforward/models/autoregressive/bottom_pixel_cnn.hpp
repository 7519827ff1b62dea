// BottomPixelCnn: a map of codes, place by place, given a coarser map of codes above it.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/models/autoregressive/gated_residual.hpp>
#include <pushforward/models/autoregressive/image_model.hpp>
#include <pushforward/models/autoregressive/pixel_images.hpp>
#include <pushforward/models/draw_options.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/quantizer.hpp>

namespace pushforward {

/// How a BottomPixelCnn is built.
struct BottomPixelCnnOptions {
  Index levels = 0;                     ///< bottom codes are 0 .. levels - 1
  Index height = 14, width = 14;        ///< of the map of bottom codes
  Index top_levels = 0;                 ///< top codes are 0 .. top_levels - 1; 0: as many as `levels`
  Index top_height = 7, top_width = 7;  ///< of the map of top codes; the bottom one is a whole number of times as large
  Index embedding = 32;                 ///< trained numbers for each code
  Index features = 64;
  Index top_blocks = 2;  ///< residual blocks over the top codes
  Index blocks = 4;      ///< gated residual blocks of each stream over the bottom codes
  double dropout = 0;    ///< in the gated residual blocks, while training
  Index classes = 0;     ///< of labels that the bottom codes are conditioned on; 0: none
};

/// A density of bottom codes [n, h, w] given top codes [n, h', w'] (Razavi et al. 2019, sec. 3.2), a BottomPrior:
///
///     log p(bottom | top) = sum of log p(code i | the codes before i, all top codes)
///
/// The top codes pass residual blocks of plain convolutions, which see to all sides, and grow to the size of the bottom
/// codes (by pixel_shuffle). Each gated residual block reads the result: those of a stream that sees the rows above,
/// and those of one that sees these and the codes to the left, as in PixelCNN++ (Salimans et al. 2017, sec. 2.4),
/// without a blind spot. Rows come from above, codes from the left.
///
///     auto prior = BottomPixelCnn<>({.levels = 128}, rng);
///     fit(prior, std::tuple(codes.bottom, codes.top), bottom_given_top, ..);
///
/// Functions throw ShapeError for codes of another shape or another number of labels, IndexError for codes outside,
/// ValueError for labels that are missing, not asked for, or too large.
template <class S = float>
class BottomPixelCnn {
 public:
  using Scalar = S;

  /// Throws ValueError for options that build no network.
  BottomPixelCnn(const BottomPixelCnnOptions& options, Rng& rng) : options_(options) {
    if (options_.top_levels == 0) options_.top_levels = options_.levels;
    check_options();
    const BottomPixelCnnOptions& o = options_;
    const Index f = o.features, in = o.embedding + 1;
    codes_ = Embedding<S>(o.levels, o.embedding, rng);
    top_codes_ = Embedding<S>(o.top_levels, o.embedding, rng);
    top_first_ = Conv2d<S>(o.embedding, f, 3, rng, {.padding = 1});
    for (Index i = 0; i < o.top_blocks; ++i) {
      top_inner_.emplace_back(f, f, Size2(3), rng, Conv2dLayerOptions{.padding = 1});
      top_outer_.emplace_back(f, f, Size2(1), rng);
    }
    top_last_ = Conv2d<S>(f, f * scale() * scale(), 1, rng);
    above_ = ShiftedConv2d<S>(in, f, {2, 3}, rng, {.up = 2, .left = 1});
    row_above_ = ShiftedConv2d<S>(in, f, {1, 3}, rng, {.up = 1, .left = 1});
    left_ = ShiftedConv2d<S>(in, f, {2, 1}, rng, {.up = 1, .left = 1});
    const auto down = [&](Index from, Index to) { return ShiftedConv2d<S>::down(from, to, rng); };
    const auto right = [&](Index from, Index to) { return ShiftedConv2d<S>::down_right(from, to, rng); };
    for (Index i = 0; i < o.blocks; ++i) {
      above_blocks_.push_back(Block(f, f, o.classes, o.dropout, rng, down));
      left_blocks_.push_back(Block(f, 2 * f, o.classes, o.dropout, rng, right));
    }
    out_ = ShiftedConv2d<S>(f, o.levels, 1, rng);
  }

  const BottomPixelCnnOptions& options() const { return options_; }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return options_.classes; }

  /// The logits of every bottom code given those before it and the top codes: [n, h, w], [n, h', w'] -> [n, levels, h,
  /// w]. With a generator, there is dropout while training.
  Tensor<S> logits(const Tensor<Index>& bottom, const Tensor<Index>& top, const Tensor<Index>& labels = {},
                   Rng* rng = nullptr) const {
    check("logits", bottom.rank() > 0 ? bottom.size(0) : 0, top, labels);
    check_map("bottom", bottom, {options_.height, options_.width}, options_.levels);
    const Tensor<S> image = permute(codes_(bottom), {0, 3, 1, 2});
    detail::WholePass<S> pass(detail::with_ones(image), labels, 1, rng);
    const Tensor<S> seen = condition(top);
    return run_left(pass, run_above(pass, seen), seen);
  }
  /// log p(bottom | top), or log p(bottom | top, label), in nats: [n].
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top) const { return score(bottom, top, {}); }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top, const Tensor<Index>& labels) const {
    return score(bottom, top, labels);
  }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top, Rng& rng) const {
    return score(bottom, top, {}, &rng);
  }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top, const Tensor<Index>& labels,
                     Rng& rng) const {
    return score(bottom, top, labels, &rng);
  }

  /// A draw of bottom codes for each of the top codes [n, h', w']: [n, h, w], constants. A place computes only what no
  /// place before it has; `logits` gives the same bits there.
  Tensor<Index> sample(const Tensor<Index>& top, Rng& rng, const DrawOptions& options = {}) const {
    return sample(top, Tensor<Index>(), rng, options);
  }
  Tensor<Index> sample(const Tensor<Index>& top, const Tensor<Index>& labels, Rng& rng,
                       const DrawOptions& options = {}) const {
    check("sample", top.rank() > 0 ? top.size(0) : 0, top, labels);
    options.check();
    const NoGradient guard;
    Steps steps(*this, top, labels);
    const Index n = top.size(0), area = options_.height * options_.width;
    return Tensor<Index>::build(Shape{n, options_.height, options_.width}, [&](Index* out) {
      for (Index p = 0; p < area; ++p) {
        const Tensor<Index> drawn = draw(steps.logits(p), rng, options);
        for (Index i = 0; i < n; ++i) out[i * area + p] = drawn.data()[i];
        steps.set(p, drawn);
      }
    });
  }

  static void members(auto& self, auto&& visit) {
    visit("codes", self.codes_);
    visit("top_codes", self.top_codes_);
    visit("top_first", self.top_first_);
    visit("top_inner", self.top_inner_);
    visit("top_outer", self.top_outer_);
    visit("top_last", self.top_last_);
    visit("above", self.above_);
    visit("row_above", self.row_above_);
    visit("left", self.left_);
    visit("above_blocks", self.above_blocks_);
    visit("left_blocks", self.left_blocks_);
    visit("out", self.out_);
  }

 private:
  using Block = detail::GatedResidual<S>;

  // The logits at one place after the other. The stream that looks above runs once a row.
  class Steps {
   public:
    Steps(const BottomPixelCnn& model, const Tensor<Index>& top, const Tensor<Index>& labels)
        : model_(model),
          image_(top.size(0), model.options_.embedding + 1, model.options_.height, model.options_.width),
          rows_(image_, labels, 1),
          pixels_(image_, labels, 1),
          condition_(permute(model.condition(top), {2, 0, 3, 1})) {  // [h, n, w, features]
      const Index area = image_.height * image_.width;
      for (Index i = 0; i < image_.n; ++i) std::fill_n(&image_.at(i, image_.channels - 1, 0, 0), area, S(1));
    }
    Steps(const Steps&) = delete;
    Steps& operator=(const Steps&) = delete;

    // [n, levels].
    Tensor<S> logits(Index p) {
      const Index row = p / image_.width, column = p % image_.width;
      if (column == 0) {
        seen_ = reshape(select(condition_, 0, row), Shape{image_.n * image_.width, model_.options_.features});
        rows_.start_row(row);
        above_ = model_.run_above(rows_, seen_);
      }
      pixels_.start_pixel(row, column);
      return model_.run_left(pixels_, above_, seen_);
    }
    void set(Index p, const Tensor<Index>& codes) {
      const Index width = model_.options_.embedding;
      const S* const table = model_.codes_.weight.tensor().data();
      for (Index i = 0; i < image_.n; ++i)
        for (Index c = 0; c < width; ++c)
          image_.at(i, c, p / image_.width, p % image_.width) = table[codes.data()[i] * width + c];
    }

   private:
    const BottomPixelCnn& model_;
    detail::ImageBuffer<S> image_;
    detail::PixelPass<S> rows_, pixels_;
    Tensor<S> condition_, seen_;  // seen_: [n w, features], of the row
    std::vector<Tensor<S>> above_;
  };

  Index scale() const { return options_.height / options_.top_height; }

  void check_options() const {
    constexpr const char* name = "BottomPixelCnn";
    const BottomPixelCnnOptions& o = options_;
    if (o.levels < 2 || o.top_levels < 1)
      fail<ValueError>(name, ": .levels is ", o.levels, " and .top_levels ", o.top_levels,
                       ", expected at least 2, and 1 (or 0 for as many)");
    if (o.height < 1 || o.width < 1 || o.top_height < 1 || o.top_width < 1 || o.height % o.top_height != 0 ||
        o.width != o.top_width * (o.height / o.top_height))
      fail<ValueError>(name, ": bottom codes of ", o.height, " x ", o.width, " and top codes of ", o.top_height, " x ",
                       o.top_width, ", expected both sides of the bottom ones to be the same multiple");
    if (o.embedding < 1 || o.features < 1 || o.blocks < 1 || o.top_blocks < 0 || o.classes < 0)
      fail<ValueError>(name, ": got .embedding ", o.embedding, ", .features ", o.features, ", .blocks ", o.blocks,
                       ", .top_blocks ", o.top_blocks, " and .classes ", o.classes,
                       ", expected at least 1, 1, 1, 0 and 0");
    if (!(o.dropout >= 0 && o.dropout < 1))
      fail<ValueError>(name, ": .dropout is ", o.dropout, ", expected 0 or more and less than 1");
  }
  static void check_map(const char* which, const Tensor<Index>& codes, Size2 size, Index levels) {
    if (codes.rank() != 3 || codes.size(1) != size.height || codes.size(2) != size.width)
      fail<ShapeError>("BottomPixelCnn: got ", which, " codes of shape ", codes.shape(), ", expected [n, ", size.height,
                       ", ", size.width, "]");
    detail::check_codes("BottomPixelCnn", codes, levels);
  }
  void check(const char* function, Index n, const Tensor<Index>& top, const Tensor<Index>& labels) const {
    check_map("top", top, {options_.top_height, options_.top_width}, options_.top_levels);
    if (top.size(0) != n)
      fail<ShapeError>("BottomPixelCnn: got bottom codes of ", n, " examples and top codes of ", top.size(0));
    detail::check_image_labels("BottomPixelCnn", function, classes(), n, labels);
  }

  Tensor<S> score(const Tensor<Index>& bottom, const Tensor<Index>& top, const Tensor<Index>& labels,
                  Rng* rng = nullptr) const {
    const Tensor<S> all = logits(bottom, top, labels, rng);
    return sum(squeeze(gather(all, 1, unsqueeze(bottom, 1)), 1) - logsumexp(all, 1), {1, 2});
  }

  // What the bottom codes see of the top ones [n, h', w']: [n, features, h, w].
  Tensor<S> condition(const Tensor<Index>& top) const {
    Tensor<S> u = top_first_(permute(top_codes_(top), {0, 3, 1, 2}));
    for (std::size_t i = 0; i < top_inner_.size(); ++i) u = u + top_outer_[i](top_inner_[i](relu(u), Activation::relu));
    return pixel_shuffle(top_last_(relu(u)), scale());
  }
  // The stream that sees the rows above, whole images or rows: what each block of the other one reads.
  template <class Pass>
  std::vector<Tensor<S>> run_above(Pass& pass, const Tensor<S>& seen) const {
    std::vector<Tensor<S>> results;
    Tensor<S> u = pass.look(above_);
    for (const Block& block : above_blocks_) results.push_back(u = block(pass, u, seen, 0));
    return results;
  }
  template <class Pass>
  Tensor<S> run_left(Pass& pass, const std::vector<Tensor<S>>& above, const Tensor<S>& seen) const {
    Tensor<S> u = pass.look(row_above_) + pass.look(left_);
    for (std::size_t i = 0; i < left_blocks_.size(); ++i)
      u = left_blocks_[i](pass, u, concat({pass.beside(above[i], 0), pass.beside(seen, 0)}, 1), 0);
    return pass.conv(out_, elu(u), 0);
  }

  BottomPixelCnnOptions options_;
  Embedding<S> codes_, top_codes_;
  Conv2d<S> top_first_, top_last_;
  std::vector<Conv2d<S>> top_inner_, top_outer_;
  ShiftedConv2d<S> above_, row_above_, left_, out_;
  std::vector<Block> above_blocks_, left_blocks_;
};

}  // namespace pushforward
