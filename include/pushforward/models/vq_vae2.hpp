// VqVae2: a vector-quantized autoencoder of two levels, coarse codes above and fine ones given them.
#pragma once

#include <utility>
#include <vector>

#include <pushforward/models/vq_vae_generator.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward {

/// The codes of two levels.
struct TwoLevelCodes {
  Tensor<Index> top;     ///< [n, h', w'], coarse: what is global
  Tensor<Index> bottom;  ///< [n, h, w], fine: details
};

/// A vector-quantized autoencoder of images with two levels of codes (Razavi et al. 2019, sec. 3.1 and fig. 2).
///
///     h = bottom_encoder(x),          z_top = top_encoder(h),           q_top = nearest codes of z_top
///     u = top_decoder(q_top),         z_bottom = joint([h, u]),         q_bottom = nearest codes of z_bottom
///     x' = decoder([u, q_bottom])
///
/// where [a, b] are the channels of both; h and u have the same height and width. The bottom codes are so conditioned
/// on the top ones. The decoder gives x or a distribution over x, as that of a VqVae. Both levels have a quantizer of
/// one type. Two priors complete the model: VqGenerator2.
template <class BottomEncoder, class TopEncoder, class TopDecoder, class Joint, class Decoder, class QuantizerType>
class VqVae2 {
 public:
  using Scalar = detail::scalar_of<BottomEncoder>;
  using S = Scalar;
  static_assert(Quantizer<QuantizerType, S>,
                "pushforward: this is no quantizer of the encoder's scalar (float for a Sequential): it needs "
                "quantizer(z, rng) -> Quantized, "
                "encode(z), decode(codes), features() and levels(), see nn/quantizer.hpp.");

  VqVae2(BottomEncoder bottom_encoder, TopEncoder top_encoder, TopDecoder top_decoder, Joint joint, Decoder decoder,
         QuantizerType top, QuantizerType bottom)
      : bottom_encoder_(std::move(bottom_encoder)),
        top_encoder_(std::move(top_encoder)),
        top_decoder_(std::move(top_decoder)),
        joint_(std::move(joint)),
        decoder_(std::move(decoder)),
        top_(std::move(top)),
        bottom_(std::move(bottom)) {}

  const QuantizerType& top_quantizer() const { return top_; }
  const QuantizerType& bottom_quantizer() const { return bottom_; }

  /// The codes of x [n, channels, h, w], a part of the examples at a time.
  TwoLevelCodes codes(const Tensor<S>& x) const {
    detail::check_examples("VqVae2", x);
    const NoGradient guard;
    std::vector<Tensor<Index>> bottoms;
    const Tensor<Index> top = detail::by_chunks(x, [&](const Tensor<S>& rows) {
      const TwoLevelCodes part = some_codes(rows);
      bottoms.push_back(part.bottom);
      return part.top;
    });
    return {top, concat(bottoms, 0)};
  }
  /// x, or a distribution over x, for codes of both levels. Throws IndexError for codes outside.
  auto decode_codes(const TwoLevelCodes& codes) const {
    return decode(top_decoder_(top_.decode(codes.top)), bottom_.decode(codes.bottom));
  }
  /// x by way of its codes: [n, channels, h, w] -> the same, the decoder's mean.
  Tensor<S> reconstruct(const Tensor<S>& x) const {
    detail::check_examples("VqVae2", x);
    return detail::by_chunks(x, [&](const Tensor<S>& rows) {
      const Tensor<S> y = detail::decoded_mean<S>(decode_codes(some_codes(rows)));
      detail::check_decoded(y, rows);
      return y;
    });
  }

  /// The terms of the loss, see vq_loss; the quantization is that of both levels. In training the codebooks learn, and
  /// dropout in the networks takes its numbers from `rng`. Throws ShapeError.
  VqTerms<S> terms(const Tensor<S>& x, Rng& rng) const {
    detail::check_examples("VqVae2", x);
    const Tensor<S> h = detail::call_layer(bottom_encoder_, x, rng);
    const Quantized<S> top = top_(detail::call_layer(top_encoder_, h, rng), rng);
    const Tensor<S> u = detail::call_layer(top_decoder_, top.value, rng);
    const Quantized<S> bottom = bottom_(together(h, u, rng), rng);
    return {detail::reconstruction_loss(decode(u, bottom.value, rng), x), top.loss + bottom.loss};
  }
  /// Starts both quantizers from a batch, if they have such a start: `fit` does so.
  void initialize(const Tensor<S>& x, Rng& rng) {
    if constexpr (requires(const Tensor<S>& z) { top_.initialize(z, rng); }) {
      const NoGradient guard;
      detail::check_examples("VqVae2", x);
      const Tensor<S> h = detail::call_layer(bottom_encoder_, x, rng), z = detail::call_layer(top_encoder_, h, rng);
      top_.initialize(z, rng);
      const Tensor<S> u = detail::call_layer(top_decoder_, top_.decode(top_.encode(z)), rng);
      bottom_.initialize(together(h, u, rng), rng);
    }
  }

  static void members(auto& self, auto&& visit) {
    visit("bottom_encoder", self.bottom_encoder_);
    visit("top_encoder", self.top_encoder_);
    visit("top_decoder", self.top_decoder_);
    visit("joint", self.joint_);
    visit("decoder", self.decoder_);
    visit("top", self.top_);
    visit("bottom", self.bottom_);
  }

 private:
  TwoLevelCodes some_codes(const Tensor<S>& x) const {
    const NoGradient guard;
    const Tensor<S> h = bottom_encoder_(x);
    const Tensor<Index> top = top_.encode(top_encoder_(h));
    return {top, bottom_.encode(together(h, top_decoder_(top_.decode(top))))};
  }
  // With a generator, there is dropout while the networks train.
  template <class... R>
  Tensor<S> together(const Tensor<S>& h, const Tensor<S>& u, R&... rng) const {
    check_sides("encoder", h, u);
    return detail::call_layer(joint_, concat({h, u}, 1), rng...);
  }
  template <class... R>
  auto decode(const Tensor<S>& u, const Tensor<S>& bottom, R&... rng) const {
    check_sides("codes", bottom, u);
    return detail::call_layer(decoder_, concat({u, bottom}, 1), rng...);
  }
  static void check_sides(const char* what, const Tensor<S>& fine, const Tensor<S>& coarse) {
    const auto same = [&](int axis) { return fine.size(axis) == coarse.size(axis); };
    if (fine.rank() != 4 || coarse.rank() != 4 || !same(0) || !same(2) || !same(3))
      fail<ShapeError>("VqVae2: the bottom ", what, " have shape ", fine.shape(), ", the decoded top codes ",
                       coarse.shape(), ", expected the same number, height and width");
  }

  BottomEncoder bottom_encoder_;
  TopEncoder top_encoder_;
  TopDecoder top_decoder_;
  Joint joint_;
  Decoder decoder_;
  QuantizerType top_, bottom_;
};

/// How vq_vae2 is built.
struct VqVae2Options {
  Index channels = 1;         ///< of the images
  Index hidden = 64;          ///< channels inside
  Index residual = 32;        ///< channels inside a residual block
  Index blocks = 1;           ///< residual blocks of each network
  Index bottom_halvings = 1;  ///< from the images to the bottom codes
  Index top_halvings = 1;     ///< from there to the top codes
  Index features = 16;        ///< of the vectors of both levels
  Index codes = 128;          ///< of each level
  VectorQuantizerOptions quantizer = {};
};

/// A VqVae2 of images [n, channels, h, w] with VqEncoders, VqDecoders and VectorQuantizers, trained by squared error:
/// bottom codes [n, h / 2^bottom_halvings, ..], top codes halved top_halvings times more.
template <class S = float>
VqVae2<VqEncoder<S>, VqEncoder<S>, VqDecoder<S>, Conv2d<S>, VqDecoder<S>, VectorQuantizer<S>> vq_vae2(
    const VqVae2Options& o, Rng& rng) {
  const auto network = [&](Index channels, Index halvings, Index features) {
    return VqNetworkOptions{.channels = channels,
                            .hidden = o.hidden,
                            .residual = o.residual,
                            .blocks = o.blocks,
                            .halvings = halvings,
                            .features = features};
  };
  VqEncoder<S> bottom_encoder(network(o.channels, o.bottom_halvings, o.hidden), rng);
  VqEncoder<S> top_encoder(network(o.hidden, o.top_halvings, o.features), rng);
  VqDecoder<S> top_decoder(network(o.hidden, o.top_halvings, o.features), rng);
  Conv2d<S> joint(2 * o.hidden, o.features, 1, rng);
  VqDecoder<S> decoder(network(o.channels, o.bottom_halvings, o.hidden + o.features), rng);
  VectorQuantizer<S> top(o.codes, o.features, rng, o.quantizer), bottom(o.codes, o.features, rng, o.quantizer);
  return {std::move(bottom_encoder), std::move(top_encoder), std::move(top_decoder), std::move(joint),
          std::move(decoder),        std::move(top),         std::move(bottom)};
}

/// A prior of bottom codes [n, h, w] given top codes [n, h', w'].
template <class P, class S = float>
concept BottomPrior = requires(const P& prior, const Tensor<Index>& bottom, const Tensor<Index>& top, Rng& rng) {
  { prior.log_prob(bottom, top) } -> std::convertible_to<Tensor<S>>;
  { prior.sample(top, rng) } -> std::convertible_to<Tensor<Index>>;
};

namespace detail {

// A model of sequences that scores them with labels or a generator, too.
template <class Model, class... Given>
concept ScoresTokens = requires(const Model& model, const Tensor<Index>& tokens, Given&... given) {
  model.log_prob(tokens, given...);
};

}  // namespace detail

/// A BottomPrior out of a model of sequences (a Gpt): the top codes, then the bottom codes, rows from above, as tokens
/// [n, h' w' + h w] of one vocabulary; p(bottom | top) is the product of the bottom tokens' conditionals.
///
///     fit(prior, std::tuple(codes.bottom, codes.top), bottom_given_top, ..)
///     fit(prior, std::tuple(codes.bottom, codes.top, labels), bottom_given_top, ..)    for a model with classes
///
/// One pass of a model with `logits(tokens)`, `logits(tokens, labels)`, `logits(tokens, rng)`, .. for what it is asked;
/// p(top, bottom) / p(top), two passes, of another one.
template <class Model>
class TopThenBottom {
 public:
  using Scalar = detail::scalar_of<Model>;
  using S = Scalar;

  /// `bottom_shape` is that of one example's bottom codes, {14, 14} say. Throws ValueError for a model whose context is
  /// too short for them, ShapeError for no codes.
  TopThenBottom(Model model, const Shape& bottom_shape) : model_(std::move(model)), shape_(bottom_shape) {
    if (bottom_shape.size() < 1 || bottom_shape.rank() > 3)
      fail<ShapeError>("TopThenBottom: bottom codes of shape ", bottom_shape, " for one example, expected [h, w]");
    check_top(1);
  }

  const Model& model() const { return model_; }
  /// Whether the model asks for labels.
  bool takes_labels() const {
    if constexpr (detail::ScoresTokens<Model, const Tensor<Index>>)
      return detail::wants_labels(model_);
    else
      return false;
  }
  /// Throws ValueError if so many top codes and the bottom codes are more than the context of the model.
  void check_top(Index top_codes) const {
    detail::check_context("TopThenBottom", model_, top_codes + shape_.size(), "top and bottom codes");
  }
  /// Top and bottom codes as tokens [n, t].
  static Tensor<Index> tokens(const Tensor<Index>& bottom, const Tensor<Index>& top) {
    if (bottom.rank() < 1 || top.rank() < 1 || bottom.size(0) != top.size(0))
      fail<ShapeError>("TopThenBottom: got bottom codes of shape ", bottom.shape(), " and top codes of shape ",
                       top.shape(), ", expected [n, ..] for both");
    return concat<Index>({detail::code_tokens(top), detail::code_tokens(bottom)}, 1);
  }
  /// log p(bottom | top) in nats: [n]; with labels [n] for a model with classes, and with dropout from `rng` while
  /// training.
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top) const { return score(bottom, top); }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top,
                     const Tensor<Index>& labels) const requires detail::ScoresTokens<Model, const Tensor<Index>> {
    return score(bottom, top, labels);
  }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top,
                     Rng& rng) const requires detail::ScoresTokens<Model, Rng> {
    return score(bottom, top, rng);
  }
  Tensor<S> log_prob(const Tensor<Index>& bottom, const Tensor<Index>& top, const Tensor<Index>& labels,
                     Rng& rng) const requires detail::ScoresTokens<Model, const Tensor<Index>, Rng> {
    return score(bottom, top, labels, rng);
  }
  /// One draw of bottom codes for each of the top codes [n, ..]: [n, ..]. `how` is handed to the model; labels [n] may
  /// stand before the generator. Throws ValueError for more top codes than the context has room for.
  template <class... How>
  Tensor<Index> sample(const Tensor<Index>& top, Rng& rng, const How&... how) const {
    return drawn(top, [&](const Tensor<Index>& seen) { return model_.generate(seen, shape_.size(), rng, how...); });
  }
  template <class... How>
  Tensor<Index> sample(const Tensor<Index>& top, const Tensor<Index>& labels, Rng& rng, const How&... how) const {
    return drawn(top,
                 [&](const Tensor<Index>& seen) { return model_.generate(seen, labels, shape_.size(), rng, how...); });
  }

  static void members(auto& self, auto&& visit) { visit("model", self.model_); }

 private:
  template <class... Given>
  Tensor<S> score(const Tensor<Index>& bottom, const Tensor<Index>& top, Given&... given) const {
    const Tensor<Index> all = tokens(bottom, top);
    if constexpr (requires { model_.logits(all, given...); }) {
      const Index t = all.size(1), first = t - detail::code_tokens(bottom).size(1);
      const Tensor<S> logits = slice(model_.logits(all, given...), 1, first, t);  // [n, h w, vocabulary]
      const Tensor<S> chosen = squeeze(gather(logits, -1, unsqueeze(slice(all, 1, first, t), -1)), -1);
      return sum(chosen - logsumexp(logits, -1), -1);
    } else {
      return model_.log_prob(all, given...) - model_.log_prob(detail::code_tokens(top), given...);
    }
  }
  template <class Draw>
  Tensor<Index> drawn(const Tensor<Index>& top, const Draw& draw) const {
    if (top.rank() < 1)
      fail<ShapeError>("TopThenBottom::sample: got top codes of shape ", top.shape(), ", expected [n, ..]");
    const Tensor<Index> seen = reshape(top, Shape{top.size(0), top.shape().product(1, top.rank())});
    check_top(seen.size(1));
    return reshape(slice(draw(seen), 1, seen.size(1), seen.size(1) + shape_.size()), shape_.inserted(0, top.size(0)));
  }

  Model model_;
  Shape shape_;
};

/// What `bottom_given_top` gives: a loss in nats per code.
struct BottomGivenTop {
  template <class Prior>
  auto operator()(const Prior& prior, const Tensor<Index>& bottom, const Tensor<Index>& top, Rng& rng,
                  const ExampleMean& over = {}) const {
    if constexpr (requires { prior.log_prob(bottom, top, rng); })
      return per_code(prior.log_prob(bottom, top, rng), bottom, over);
    else
      return per_code(prior.log_prob(bottom, top), bottom, over);
  }
  template <class Prior>
  auto operator()(const Prior& prior, const Tensor<Index>& bottom, const Tensor<Index>& top,
                  const Tensor<Index>& labels, Rng& rng, const ExampleMean& over = {}) const {
    if constexpr (requires { prior.log_prob(bottom, top, labels, rng); })
      return per_code(prior.log_prob(bottom, top, labels, rng), bottom, over);
    else
      return per_code(prior.log_prob(bottom, top, labels), bottom, over);
  }

 private:
  template <class S>
  static Tensor<S> per_code(const Tensor<S>& log_prob, const Tensor<Index>& bottom, const ExampleMean& over) {
    return over(log_prob) * (-static_cast<double>(bottom.size(0)) / static_cast<double>(bottom.size()));
  }
};
/// The objective of a BottomPrior on a tuple (bottom codes, top codes), or (bottom codes, top codes, labels): - mean
/// log p(bottom | top), nats per code. Dropout takes its numbers from fit's generator.
inline constexpr BottomGivenTop bottom_given_top{};

/// A VqVae2 with a prior over its top codes, as that of a VqGenerator, and a BottomPrior (Razavi et al. 2019,
/// sec. 3.2).
///
/// The top prior may have classes: then labels [n] stand in the place of n, or after x. A bottom prior that takes
/// labels gets them, too; one that does not is p(bottom | top) for all of them.
template <class Autoencoder, class TopPrior, class Bottom>
class VqGenerator2 {
 public:
  using Scalar = detail::scalar_of<Autoencoder>;
  using S = Scalar;
  static_assert(
      BottomPrior<Bottom, S>,
      "pushforward: this is no prior of bottom codes: it needs log_prob(bottom, top) and sample(top, rng); see "
      "TopThenBottom.");

  /// `top_shape` is that of one example's top codes, {7, 7} say. Throws ShapeError for no codes, ValueError
  /// for a prior whose context is too short for them.
  VqGenerator2(Autoencoder autoencoder, TopPrior top_prior, Bottom bottom_prior, const Shape& top_shape)
      : autoencoder_(std::move(autoencoder)),
        top_prior_(std::move(top_prior)),
        bottom_prior_(std::move(bottom_prior)),
        top_shape_(top_shape) {
    if (top_shape.size() < 1 || top_shape.rank() > 3)
      fail<ShapeError>("VqGenerator2: top codes of shape ", top_shape, " for one example, expected [h, w]");
    detail::check_context("VqGenerator2", top_prior_, top_shape.size(), "top codes");
    if constexpr (requires { bottom_prior_.check_top(top_shape.size()); }) bottom_prior_.check_top(top_shape.size());
  }

  const Autoencoder& autoencoder() const { return autoencoder_; }
  const TopPrior& top_prior() const { return top_prior_; }
  const Bottom& bottom_prior() const { return bottom_prior_; }

  /// n draws of the codes of both levels, the top ones first. `how` is handed to both priors; instead of n it may be
  /// labels [n].
  template <class Count, class... How>
  TwoLevelCodes sample_codes(const Count& n, Rng& rng, const How&... how) const {
    const NoGradient guard;
    const Tensor<Index> top =
        detail::codes_from(detail::draw_codes(top_prior_, n, top_shape_, rng, how...), top_shape_);
    if constexpr (requires { bottom_prior_.sample(top, n, rng, how...); })
      if (detail::wants_labels(bottom_prior_)) return {top, bottom_prior_.sample(top, n, rng, how...)};
    return {top, bottom_prior_.sample(top, rng, how...)};
  }
  /// n draws of x, or one for each label: the decoder's image for drawn codes, or a draw from a decoder that is a
  /// distribution.
  template <class Count, class... How>
  Tensor<S> sample(const Count& n, Rng& rng, const How&... how) const {
    const NoGradient guard;
    return detail::drawn_from<S>(autoencoder_.decode_codes(sample_codes(n, rng, how...)), rng);
  }
  /// log p(top codes of x) + log p(bottom codes of x | top) in nats, a constant: [n]. With labels [n]: given these.
  template <class... Condition>
  Tensor<S> code_log_prob(const Tensor<S>& x, const Condition&... condition) const {
    const NoGradient guard;
    return log_prob_of(autoencoder_.codes(x), condition...);
  }
  /// Lower bounds of log p(x) in nats, constants, for a decoder that is a distribution: x [n, ..] -> [n].
  ///
  ///     log p(x) >= log p(top) + log p(bottom | top) + log p(x | top, bottom)
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng&) const { return bound(x); }
  /// The same of log p(x | condition), for labels [n] say.
  template <class Condition>
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, const Condition& condition, Rng&) const {
    return bound(x, condition);
  }

  static void members(auto& self, auto&& visit) {
    visit("autoencoder", self.autoencoder_);
    visit("top_prior", self.top_prior_);
    visit("bottom_prior", self.bottom_prior_);
  }

 private:
  template <class... Condition>
  LogLikelihood<S> bound(const Tensor<S>& x, const Condition&... condition) const {
    static_assert(!detail::is_plain<decltype(autoencoder_.decode_codes(std::declval<const TwoLevelCodes&>())), S>,
                  "pushforward: this decoder gives images, not a distribution over them, so there is no likelihood; "
                  "give the VqVae2 a BernoulliHead or a NormalHead as its decoder.");
    const NoGradient guard;
    const TwoLevelCodes codes = autoencoder_.codes(x);
    return {log_prob_of(codes, condition...) + detail::decoded_log_prob(autoencoder_.decode_codes(codes), x),
            LikelihoodKind::lower_bound};
  }
  template <class... Condition>
  Tensor<S> log_prob_of(const TwoLevelCodes& codes, const Condition&... condition) const {
    return top_prior_.log_prob(prior_data<S>(top_prior_, codes.top), condition...) +
           log_prob_below(codes, condition...);
  }
  template <class... Condition>
  Tensor<S> log_prob_below(const TwoLevelCodes& codes, const Condition&... condition) const {
    if constexpr (sizeof...(Condition) > 0 &&
                  requires { bottom_prior_.log_prob(codes.bottom, codes.top, condition...); })
      if (detail::wants_labels(bottom_prior_)) return bottom_prior_.log_prob(codes.bottom, codes.top, condition...);
    return bottom_prior_.log_prob(codes.bottom, codes.top);
  }

  Autoencoder autoencoder_;
  TopPrior top_prior_;
  Bottom bottom_prior_;
  Shape top_shape_;
};

}  // namespace pushforward
