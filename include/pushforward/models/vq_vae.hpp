// VqVae: an autoencoder whose codes are whole numbers, from an encoder, a decoder and any quantizer.
#pragma once

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/models/vq_networks.hpp>
#include <pushforward/nn/layer.hpp>
#include <pushforward/nn/vector_quantizer.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

namespace detail {

// A decoder gives the images themselves, or a distribution over images.
template <class Decoded, class S>
inline constexpr bool is_plain = std::is_same_v<std::remove_cvref_t<Decoded>, Tensor<S>>;

template <class S, class Decoded>
Tensor<S> decoded_mean(const Decoded& decoded) {
  if constexpr (is_plain<Decoded, S>)
    return decoded;
  else
    return decoded.mean();
}

template <class S, class Decoded>
void check_decoded(const Decoded& decoded, const Tensor<S>& x) {
  if constexpr (requires {
                  { decoded.shape() } -> std::convertible_to<const Shape&>;
                })
    if (!(decoded.shape() == x.shape()))
      fail<ShapeError>("VqVae: the decoder gives shape ", decoded.shape(), " for data of shape ", x.shape(),
                       "; sides must be multiples of the encoder's stride, and decoder and data have the same "
                       "channels: pad, crop or reshape the data");
}

// log p(x | z) of a decoder that is a distribution, nats: [n].
template <class S, class Decoded>
Tensor<S> decoded_log_prob(const Decoded& decoded, const Tensor<S>& x) {
  check_decoded(decoded, x);
  const Tensor<S> parts = decoded.log_prob(x);
  return sum(reshape(parts, Shape{x.size(0), parts.size() / x.size(0)}), 1);
}

// The squared error of each example, or minus its log-likelihood in nats, per number: [n].
template <class S, class Decoded>
Tensor<S> reconstruction_loss(const Decoded& decoded, const Tensor<S>& x) {
  if constexpr (is_plain<Decoded, S>) {
    check_decoded(decoded, x);
    return mean_of_examples(square(decoded - x));
  } else {
    return decoded_log_prob(decoded, x) * (-static_cast<double>(x.size(0)) / static_cast<double>(x.size()));
  }
}

template <class S>
void check_examples(const char* name, const Tensor<S>& x) {
  if (x.rank() < 2 || x.empty())
    fail<ShapeError>(name, ": got data of shape ", x.shape(), ", expected [n, channels, ..], at least one example");
}

// f(rows of x) for a few rows at a time, as constants, put together.
template <class S, class F>
auto by_chunks(const Tensor<S>& x, const F& f) {
  constexpr Index most = 256;
  const NoGradient guard;
  std::vector<decltype(f(x))> parts;
  for (Index i = 0; i < x.size(0); i += most) parts.push_back(f(slice(x, 0, i, std::min(i + most, x.size(0)))));
  return parts.size() == 1 ? parts[0] : concat(parts, 0);
}

}  // namespace detail

/// What the loss of a vector-quantized autoencoder is made of.
template <class S = float>
struct VqTerms {
  Tensor<S> reconstruction;  ///< [n]: squared error, or minus log-likelihood in nats, per number of x
  Tensor<S> quantization;    ///< [n]: what the quantizer asks for
};

/// A vector-quantized autoencoder (van den Oord et al. 2017): an encoder, a quantizer and a decoder.
///
/// The encoder maps x [n, ..] to vectors z [n, features, ..]; the quantizer is any `Quantizer`; the decoder maps
/// quantized vectors to x itself (trained by squared error) or to a distribution over x (trained by its likelihood).
///
///     VqVae vae(VqEncoder<>({.features = 16}, rng), VqDecoder<>({.features = 16}, rng), VectorQuantizer<>(128, 16,
///     rng)); fit(vae, images, vq_loss(), {.epochs = 20}, rng);
///
/// Networks that take a generator, `encoder(z, rng)` say, get that of the training: they may have dropout. With a prior
/// over its codes it becomes a generative model: VqGenerator.
template <class Encoder, class Decoder, class QuantizerType>
class VqVae {
 public:
  using Scalar = detail::scalar_of<Encoder>;
  using S = Scalar;
  static_assert(Quantizer<QuantizerType, S>,
                "pushforward: this is no quantizer of the encoder's scalar (float for a Sequential): it needs "
                "quantizer(z, rng) -> Quantized, "
                "encode(z), decode(codes), features() and levels(), see nn/quantizer.hpp.");

  VqVae(Encoder encoder, Decoder decoder, QuantizerType quantizer)
      : encoder_(std::move(encoder)), decoder_(std::move(decoder)), quantizer_(std::move(quantizer)) {}

  /// The vectors before they are quantized: x [n, ..] -> [n, features, ..].
  Tensor<S> encode(const Tensor<S>& x) const {
    detail::check_examples("VqVae", x);
    return encoder_(x);
  }
  /// x, or a distribution over x, for vectors [n, features, ..].
  auto decode(const Tensor<S>& vectors) const { return decoder_(vectors); }
  /// The codes of x [n, ..], a part of the examples at a time: [n, ..] or [n, depth, ..].
  Tensor<Index> codes(const Tensor<S>& x) const {
    detail::check_examples("VqVae", x);
    return detail::by_chunks(x, [&](const Tensor<S>& rows) { return quantizer_.encode(encoder_(rows)); });
  }
  /// x, or a distribution over x, for codes [n, ..]. Throws IndexError for codes outside.
  auto decode_codes(const Tensor<Index>& codes) const { return decode(quantizer_.decode(codes)); }
  /// x by way of its codes: x [n, ..] -> the same, the decoder's mean.
  Tensor<S> reconstruct(const Tensor<S>& x) const {
    detail::check_examples("VqVae", x);
    return detail::by_chunks(x, [&](const Tensor<S>& rows) {
      const Tensor<S> y = detail::decoded_mean<S>(decode_codes(quantizer_.encode(encoder_(rows))));
      detail::check_decoded(y, rows);
      return y;
    });
  }
  /// The shape of the codes of one example of shape `x` (without the axis of examples).
  Shape code_shape(const Shape& x) const { return codes(Tensor<S>::zeros(x.inserted(0, 1))).shape().without(0); }
  const QuantizerType& quantizer() const { return quantizer_; }

  /// The terms of the loss; in training the codebook learns, and dropout in the networks takes its numbers from `rng`.
  /// Throws ShapeError if the decoder's shape is not that of x.
  VqTerms<S> terms(const Tensor<S>& x, Rng& rng) const {
    const Quantized<S> quantized = quantizer_(vectors(x, rng), rng);
    return {detail::reconstruction_loss(detail::call_layer(decoder_, quantized.value, rng), x), quantized.loss};
  }
  /// Starts the quantizer from a batch, if it has such a start: `fit` does so.
  void initialize(const Tensor<S>& x, Rng& rng) {
    if constexpr (requires(const Tensor<S>& z) { quantizer_.initialize(z, rng); }) {
      const NoGradient guard;
      quantizer_.initialize(vectors(x, rng), rng);
    }
  }

  static void members(auto& self, auto&& visit) {
    visit("encoder", self.encoder_);
    visit("decoder", self.decoder_);
    visit("quantizer", self.quantizer_);
  }

 private:
  Tensor<S> vectors(const Tensor<S>& x, Rng& rng) const {
    detail::check_examples("VqVae", x);
    return detail::call_layer(encoder_, x, rng);
  }

  Encoder encoder_;
  Decoder decoder_;
  QuantizerType quantizer_;
};

/// What `vq_loss` gives: reconstruction + quantization, both per number.
struct VqLoss {
  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    const VqTerms<S> terms = model.terms(batch, rng);
    return over(terms.reconstruction + terms.quantization);
  }
};

/// The objective `fit(vae, images, vq_loss(), ...)` of a VqVae or VqVae2 (van den Oord et al. 2017, eq. 3): squared
/// error (or minus the log-likelihood of a decoder that is a distribution, in nats per number) + commitment + codebook
/// loss. Each call in training moves a codebook of moving averages.
///
/// In `weighted(vq_loss())` the weights are those of the loss: a codebook of moving averages counts every example that
/// has a weight once, however large it is.
inline VqLoss vq_loss() { return {}; }

/// How vq_vae is built.
struct VqVaeOptions {
  VqNetworkOptions network = {};
  Index codes = 128;
  VectorQuantizerOptions quantizer = {};
};

/// A VqVae of images [n, channels, h, w] with a VqEncoder, a VqDecoder and a VectorQuantizer, trained by squared error.
///
///     auto vae = vq_vae({.network = {.channels = 3, .hidden = 128, .blocks = 2, .features = 64}, .codes = 512}, rng);
template <class S = float>
VqVae<VqEncoder<S>, VqDecoder<S>, VectorQuantizer<S>> vq_vae(const VqVaeOptions& options, Rng& rng) {
  VqEncoder<S> encoder(options.network, rng);  // one after the other: their order decides the random numbers
  VqDecoder<S> decoder(options.network, rng);
  return {std::move(encoder), std::move(decoder),
          VectorQuantizer<S>(options.codes, options.network.features, rng, options.quantizer)};
}

}  // namespace pushforward
