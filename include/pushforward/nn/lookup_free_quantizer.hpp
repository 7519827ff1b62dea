// LookupFreeQuantizer (LFQ): every feature becomes a bit.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include <pushforward/nn/module.hpp>
#include <pushforward/nn/quantizer.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward {

/// How a LookupFreeQuantizer is built.
struct LookupFreeQuantizerOptions {
  double commitment = 0.25;  ///< what vectors pay for their distance to their codes
  double entropy = 0.1;      ///< weight of the entropy terms
  double diversity = 1;      ///< weight of the codes' entropy over the batch within them
  double temperature = 1;    ///< of the soft choice of a code that the entropies are of
  Index group = 8;           ///< bits whose 2^group codes are counted together
};

/// Lookup-free quantization (Yu et al. 2023, sec. 3.1): feature i of z [n, features, ..] becomes its sign, -1 or 1, and
/// the codes [n, ..] are the numbers that these bits make, the first feature's the lowest.
///
///     loss = beta mean (z - sg(q))^2 + entropy (E H[p(code | z)] - diversity H[E p(code | z)])
///
/// with p(code | z) the softmax of -|z - code|^2 / temperature, in nats: each vector's choice shall be clear, and all
/// codes used. Of more than `group` bits, each group has entropies of its own, which are added. There is nothing to
/// learn; gradients pass the sign as they are.
template <class S = float>
class LookupFreeQuantizer {
 public:
  using Scalar = S;

  LookupFreeQuantizer() = default;
  /// `bits` features and 2^bits codes. Throws ValueError unless 1 <= bits <= 31, and for options out of range.
  explicit LookupFreeQuantizer(Index bits, const LookupFreeQuantizerOptions& options = {})
      : bits_(bits), options_(options) {
    if (bits < 1 || bits > 31) fail<ValueError>("LookupFreeQuantizer: got ", bits, " bits, expected 1 to 31");
    if (!(options.temperature > 0))
      fail<ValueError>("LookupFreeQuantizer: .temperature is ", options.temperature, ", expected a positive number");
    if (!(options.commitment >= 0 && options.entropy >= 0 && options.diversity >= 0))
      fail<ValueError>("LookupFreeQuantizer: the weights are ", options.commitment, ", ", options.entropy, " and ",
                       options.diversity, ", expected 0 or more");
    if (options.group < 1 || options.group > 16)
      fail<ValueError>("LookupFreeQuantizer: .group is ", options.group, ", expected 1 to 16");
  }

  /// The number of codes, 2^features.
  Index levels() const { return Index{1} << bits_; }
  Index features() const { return bits_; }

  /// Quantizes z [n, features, ..]. Throws ShapeError, ValueError for numbers that are not finite.
  Quantized<S> operator()(const Tensor<S>& z) const {
    const Tensor<Index> codes = encode(z);
    const Tensor<S> q = decode(codes);
    Tensor<S> loss = detail::mean_of_examples(square(z - q)) * options_.commitment;
    if (options_.entropy > 0)
      loss = loss + (choice_entropy(z) - codes_entropy(z) * options_.diversity) * options_.entropy;
    return {pass_gradient(q, z), codes, loss};
  }
  Quantized<S> operator()(const Tensor<S>& z, Rng&) const { return (*this)(z); }
  /// The codes of z [n, features, ..]: [n, ..]. A feature of 0 counts as 1.
  Tensor<Index> encode(const Tensor<S>& z) const {
    check_built();
    detail::check_vectors("LookupFreeQuantizer", z, features());
    const detail::VectorLayout at(z.shape());
    return Tensor<Index>::generate(detail::without_features(z.shape()), [&](Index v) {
      const S* first = z.data() + v / at.positions * at.features * at.positions + v % at.positions;
      Index code = 0;
      for (Index c = at.features; c-- > 0;) code = 2 * code + (first[c * at.positions] >= S(0));
      return code;
    });
  }
  /// The vectors of codes [n, ..]: [n, features, ..]. Throws IndexError for codes outside.
  Tensor<S> decode(const Tensor<Index>& codes) const {
    check_built();
    detail::check_codes("LookupFreeQuantizer::decode", codes, levels());
    const detail::VectorLayout at(codes.shape().inserted(1, features()));
    return Tensor<S>::generate(codes.shape().inserted(1, features()), [&](Index i) {
      const Index code = codes.data()[i / (at.features * at.positions) * at.positions + i % at.positions];
      return S((code >> (i / at.positions % at.features)) & 1 ? 1 : -1);
    });
  }

  static void members(auto&, auto&&) {}

 private:
  void check_built() const {
    if (bits_ == 0) fail<ValueError>("LookupFreeQuantizer: there are no bits yet; build it as LookupFreeQuantizer(10)");
  }
  // E H[p(code | z)] over the positions of each example, nats: [n]. The bits are independent, so entropies add up.
  Tensor<S> choice_entropy(const Tensor<S>& z) const {
    const Tensor<S> logits = z * (4 / options_.temperature);  // |z + 1|^2 - |z - 1|^2 = 4 z
    return detail::mean_of_examples(softplus(logits) - logits * sigmoid(logits)) * static_cast<double>(features());
  }
  // H[E p(code | z)] over the batch, nats, the sum over groups of bits: one number.
  Tensor<S> codes_entropy(const Tensor<S>& z) const {
    std::vector<int> order{0};
    for (int axis = 2; axis < z.rank(); ++axis) order.push_back(axis);
    order.push_back(1);
    const Tensor<S> rows = reshape(permute(z, order), Shape{z.size() / features(), features()});
    Tensor<S> total = Tensor<S>::scalar(0);
    for (Index begin = 0; begin < features(); begin += options_.group) {
      const Index width = std::min(options_.group, features() - begin);
      const Tensor<S> signs = Tensor<S>::generate({Index{1} << width, width},
                                                  [&](Index i) { return S((i / width) >> (i % width) & 1 ? 1 : -1); });
      const Tensor<S> logits =
          matmul(slice(rows, 1, begin, begin + width), signs, {.transpose_b = true}) * (2 / options_.temperature);
      const Tensor<S> shares = mean(softmax(logits, -1), 0);
      total = total - sum(shares * log(shares + std::numeric_limits<S>::min()));
    }
    return total;
  }

  Index bits_ = 0;
  LookupFreeQuantizerOptions options_;
};

}  // namespace pushforward
