// VqGenerator: a prior over the codes makes a vector-quantized autoencoder a generative model.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <utility>

#include <pushforward/models/vq_vae.hpp>
#include <pushforward/ops/cast.hpp>

namespace pushforward {

/// A model of sequences of whole numbers: `log_prob(tokens)` for tokens [n, t].
template <class P>
concept TokenPrior = requires(const P& prior, const Tensor<Index>& tokens) {
  { prior.log_prob(tokens).size() } -> std::convertible_to<Index>;
};

namespace detail {

// Codes [n, ..] as rows of tokens [n, t].
inline Tensor<Index> code_tokens(const Tensor<Index>& codes) {
  return reshape(codes, Shape{codes.size(0), codes.shape().product(1, codes.rank())});
}

// Codes [n, ..] as rows of tokens, or as images of numbers [n, depth, h, w].
template <class Prior, class S>
auto codes_for(const Tensor<Index>& codes) {
  if constexpr (TokenPrior<Prior>) {
    return code_tokens(codes);
  } else {
    Shape shape = codes.shape();
    while (shape.rank() < 4) shape = shape.inserted(1, 1);
    return cast<S>(reshape(codes, shape));
  }
}

// Whether a model that can be called with labels wants them: one with classes says how many it has, and it may be none.
template <class Model>
bool wants_labels(const Model& model) {
  if constexpr (requires { model.takes_labels(); })
    return model.takes_labels();
  else if constexpr (requires { model.classes(); })
    return model.classes() > 0;
  else
    return true;
}

// Throws ValueError for a model that would forget the first of so many codes when it comes to the last.
template <class Model>
void check_context(const char* name, const Model& model, Index codes, const char* what) {
  if constexpr (requires { model.context(); })
    if (model.context() < codes)
      fail<ValueError>(name, ": the prior looks at ", model.context(), " tokens (its .context), but there are ", codes,
                       " ", what, "; build it with at least that .context");
}

// n draws from a prior, or one for each label: of as many tokens as there are codes where it can stop there, else of
// its own size.
template <class Prior, class Count, class... How>
auto draw_codes(const Prior& prior, const Count& n, const Shape& shape, Rng& rng, const How&... how) {
  if constexpr (std::is_convertible_v<Count, Index>) {
    const auto count = static_cast<Index>(n);
    if (count < 0) fail<ValueError>("VqGenerator::sample: got ", count, " draws, expected 0 or more");
    if constexpr (requires(const Tensor<Index>& none) { prior.generate(none, shape.size(), rng, how...); })
      return prior.generate(Tensor<Index>::zeros({count, 0}), shape.size(), rng, how...);
    else
      return prior.sample(count, rng, how...);
  } else {
    if constexpr (requires(const Tensor<Index>& none) { prior.generate(none, n, shape.size(), rng, how...); })
      return prior.generate(Tensor<Index>::zeros({n.size(), 0}), n, shape.size(), rng, how...);
    else
      return prior.sample(n, rng, how...);
  }
}

// What a prior draws, as codes [n, shape ..].
template <class T>
Tensor<Index> codes_from(const Tensor<T>& drawn, const Shape& shape) {
  const Index n = drawn.rank() > 0 ? drawn.size(0) : 0;
  if (drawn.size() != n * shape.size())
    fail<ShapeError>("VqGenerator: the prior draws shape ", drawn.shape(),
                     ", which are no codes of shape [n, ..] with ", shape,
                     " for each example; give the prior that size");
  const Tensor<Index> codes = [&] {
    if constexpr (std::is_same_v<T, Index>)
      return drawn;
    else
      return Tensor<Index>::generate(drawn.shape(),
                                     [&](Index i) { return static_cast<Index>(std::lround(drawn.data()[i])); });
  }();
  return reshape(codes, shape.inserted(0, n));
}

// One draw of each from what a decoder gives.
template <class S, class Decoded>
Tensor<S> drawn_from(const Decoded& decoded, Rng& rng) {
  if constexpr (is_plain<Decoded, S>)
    return decoded;
  else
    return decoded.sample(rng);
}

}  // namespace detail

/// Codes [n, ..] in the form that a prior is trained on: a row of tokens [n, t] (Index) where it scores tokens, else
/// images of numbers [n, depth, h, w], depth 1 where each place has one code.
template <class S = float, class Prior>
auto prior_data(const Prior&, const Tensor<Index>& codes) {
  if (codes.rank() < 1 || codes.rank() > 4 || codes.empty())
    fail<ShapeError>("prior_data: got codes of shape ", codes.shape(), ", expected [n, ..], at least one");
  return detail::codes_for<Prior, S>(codes);
}

/// A vector-quantized autoencoder with a prior over its codes (van den Oord et al. 2017, sec. 3.3): x is drawn by
/// decoding codes drawn from the prior.
///
/// The prior has log_prob and sample over tokens [n, t] (a Gpt) or over images of numbers [n, depth, h, w] (a PixelCNN
/// with `levels` values), see prior_data. It is trained on the codes of a trained autoencoder.
///
///     VqGenerator model(vae, pixel_cnn, {7, 7});
///     model.sample(16, rng);
template <class Autoencoder, class Prior>
class VqGenerator {
 public:
  using Scalar = detail::scalar_of<Autoencoder>;
  using S = Scalar;

  /// `code_shape` is that of one example's codes, see VqVae::code_shape. Throws ShapeError for no codes, ValueError for
  /// a prior whose context is too short for them.
  VqGenerator(Autoencoder autoencoder, Prior prior, const Shape& code_shape)
      : autoencoder_(std::move(autoencoder)), prior_(std::move(prior)), code_shape_(code_shape) {
    if (code_shape.size() < 1 || code_shape.rank() > 3)
      fail<ShapeError>("VqGenerator: codes of shape ", code_shape,
                       " for one example, expected [h, w] or [depth, h, w]");
    detail::check_context("VqGenerator", prior_, code_shape.size(), "codes");
  }

  const Autoencoder& autoencoder() const { return autoencoder_; }
  const Prior& prior() const { return prior_; }

  /// n codes from the prior: [n, ..]. `how` is handed to it, DrawOptions say; instead of n it may be labels [n].
  template <class Count, class... How>
  Tensor<Index> sample_codes(const Count& n, Rng& rng, const How&... how) const {
    const NoGradient guard;
    return detail::codes_from(detail::draw_codes(prior_, n, code_shape_, rng, how...), code_shape_);
  }
  /// n draws of x: the decoder's image for codes from the prior, or a draw from a decoder that is a distribution.
  template <class Count, class... How>
  Tensor<S> sample(const Count& n, Rng& rng, const How&... how) const {
    const NoGradient guard;
    return detail::drawn_from<S>(autoencoder_.decode_codes(sample_codes(n, rng, how...)), rng);
  }
  /// n draws of the decoder's mean.
  template <class Count, class... How>
  Tensor<S> sample_mean(const Count& n, Rng& rng, const How&... how) const {
    const NoGradient guard;
    return detail::decoded_mean<S>(autoencoder_.decode_codes(sample_codes(n, rng, how...)));
  }
  /// log p(codes(x)) in nats, a constant: x [n, ..] -> [n]. `condition` is handed to the prior, labels [n] say.
  template <class... Condition>
  Tensor<S> code_log_prob(const Tensor<S>& x, const Condition&... condition) const {
    const NoGradient guard;
    return prior_.log_prob(prior_data<S>(prior_, autoencoder_.codes(x)), condition...);
  }
  /// Lower bounds of log p(x) in nats, constants: x [n, ..] -> [n].
  ///
  ///     log p(x) = log sum_codes p(codes) p(x | codes) >= log p(codes(x)) + log p(x | codes(x))
  ///
  /// Only for a decoder that is a distribution. Throws ShapeError.
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, Rng&) const { return bound(x); }
  /// The same of log p(x | condition), which is handed to the prior: labels [n] say.
  template <class Condition>
  LogLikelihood<S> log_likelihood(const Tensor<S>& x, const Condition& condition, Rng&) const {
    return bound(x, condition);
  }

  static void members(auto& self, auto&& visit) {
    visit("autoencoder", self.autoencoder_);
    visit("prior", self.prior_);
  }

 private:
  template <class... Condition>
  LogLikelihood<S> bound(const Tensor<S>& x, const Condition&... condition) const {
    static_assert(!detail::is_plain<decltype(autoencoder_.decode_codes(std::declval<const Tensor<Index>&>())), S>,
                  "pushforward: this decoder gives images, not a distribution over them, so there is no likelihood; "
                  "give the VqVae a BernoulliHead or a NormalHead as its decoder.");
    const NoGradient guard;
    const Tensor<Index> codes = autoencoder_.codes(x);
    return {prior_.log_prob(prior_data<S>(prior_, codes), condition...) +
                detail::decoded_log_prob(autoencoder_.decode_codes(codes), x),
            LikelihoodKind::lower_bound};
  }

  Autoencoder autoencoder_;
  Prior prior_;
  Shape code_shape_;
};

}  // namespace pushforward
