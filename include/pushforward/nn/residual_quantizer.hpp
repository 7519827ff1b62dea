// Several codebooks for each vector: ResidualQuantizer, one after the other, and ProductQuantizer, side by side.
#pragma once

#include <utility>
#include <vector>

#include <pushforward/nn/vector_quantizer.hpp>

namespace pushforward {

namespace detail {

template <class S>
std::vector<VectorQuantizer<S>> quantizer_stages(const char* name, Index depth, Index codes, Index features, Rng& rng,
                                                 const VectorQuantizerOptions& options) {
  if (depth < 1) fail<ValueError>(name, ": got ", depth, " codebooks, expected at least 1");
  std::vector<VectorQuantizer<S>> stages;
  for (Index i = 0; i < depth; ++i) stages.emplace_back(codes, features, rng, options);
  return stages;
}

template <class Stages>
void check_stages(const char* name, const Stages& stages) {
  if (stages.empty())
    fail<ValueError>(name, ": there are no codebooks yet; build it as ", name, "(depth, codes, features, rng)");
}

// Codes of one stage out of [n, depth, ..]: [n, ..].
inline Tensor<Index> stage_codes(const Tensor<Index>& codes, std::size_t stage) {
  return select(codes, 1, static_cast<Index>(stage));
}

}  // namespace detail

/// A vector as a sum of codes (Zeghidour et al. 2021, algorithm 1): each of `depth` codebooks quantizes what those
/// before have left; codes [n, depth, ..].
///
///     r_0 = z,  q_i = nearest code of r_i in codebook i,  r_{i+1} = r_i - q_i,  q = sum_i q_i
///
/// The loss is the sum of the codebooks'. The first few codes of each vector decode to a coarser one.
template <class S = float>
class ResidualQuantizer {
 public:
  using Scalar = S;

  /// Without codebooks, to be assigned to.
  ResidualQuantizer() = default;
  /// Throws ValueError for no codebooks, codes or features, and options out of range.
  ResidualQuantizer(Index depth, Index codes, Index features, Rng& rng, const VectorQuantizerOptions& options = {})
      : stages_(detail::quantizer_stages<S>("ResidualQuantizer", depth, codes, features, rng, options)) {}

  Index depth() const { return static_cast<Index>(stages_.size()); }
  /// The number of codes in each codebook.
  Index levels() const { return first().levels(); }
  Index features() const { return first().features(); }
  const std::vector<VectorQuantizer<S>>& stages() const { return stages_; }

  /// Quantizes z [n, features, ..]; in training the codebooks learn. Throws ShapeError, ValueError.
  Quantized<S> operator()(const Tensor<S>& z, Rng& rng) const {
    Quantized<S> result;
    const Tensor<S> sum = walk_stages(
        z, [&](const VectorQuantizer<S>& stage, const Tensor<S>& rest) { return stage(rest, rng); }, result);
    result.value = pass_gradient(sum, z, first().options().gradient);
    return result;
  }
  /// The codes of z [n, features, ..]: [n, depth, ..].
  Tensor<Index> encode(const Tensor<S>& z) const {
    const NoGradient guard;
    Quantized<S> result;
    walk_stages(
        z,
        [](const VectorQuantizer<S>& stage, const Tensor<S>& rest) {
          const Tensor<Index> codes = stage.encode(rest);
          return Quantized<S>{stage.decode(codes), codes, Tensor<S>::scalar(0)};
        },
        result);
    return result.codes;
  }
  /// The vectors of codes [n, k, ..] of the first k <= depth codebooks: [n, features, ..]. Throws ShapeError,
  /// IndexError.
  Tensor<S> decode(const Tensor<Index>& codes) const {
    detail::check_stages("ResidualQuantizer", stages_);
    if (codes.rank() < 2 || codes.size(1) < 1 || codes.size(1) > depth())
      fail<ShapeError>("ResidualQuantizer::decode: got codes of shape ", codes.shape(), ", expected [n, 1 to ", depth(),
                       ", ..]");
    Tensor<S> sum = stages_[0].decode(detail::stage_codes(codes, 0));
    for (std::size_t i = 1; static_cast<Index>(i) < codes.size(1); ++i)
      sum = sum + stages_[i].decode(detail::stage_codes(codes, i));
    return sum;
  }
  /// Starts each codebook from k-means on what those before leave of z.
  void initialize(const Tensor<S>& z, Rng& rng) {
    detail::check_stages("ResidualQuantizer", stages_);
    const NoGradient guard;
    Tensor<S> rest = z;
    for (VectorQuantizer<S>& stage : stages_) {
      stage.initialize(rest, rng);
      rest = rest - stage.decode(stage.encode(rest));
    }
  }

  static void members(auto& self, auto&& visit) { visit("stages", self.stages_); }

 private:
  const VectorQuantizer<S>& first() const {
    detail::check_stages("ResidualQuantizer", stages_);
    return stages_[0];
  }
  // Gathers the codes and losses of quantize(stage, rest); returns the sum of the codes' vectors, a constant.
  template <class Quantize>
  Tensor<S> walk_stages(const Tensor<S>& z, const Quantize& quantize, Quantized<S>& result) const {
    detail::check_vectors("ResidualQuantizer", z, features());
    std::vector<Tensor<Index>> codes;
    Tensor<S> sum;
    for (const VectorQuantizer<S>& stage : stages_) {
      const Quantized<S> part = quantize(stage, codes.empty() ? z : z - sum);
      sum = codes.empty() ? stop_gradient(part.value) : sum + stop_gradient(part.value);
      result.loss = codes.empty() ? part.loss : result.loss + part.loss;
      codes.push_back(part.codes);
    }
    result.codes = stack(codes, 1);
    return sum;
  }

  std::vector<VectorQuantizer<S>> stages_;
};

/// A vector as `groups` shorter ones, each with a codebook of its own (Jegou et al. 2011): features [0, d / groups)
/// have the first code, and so on; codes [n, groups, ..]. The loss is the mean of the codebooks'.
template <class S = float>
class ProductQuantizer {
 public:
  using Scalar = S;

  /// Without codebooks, to be assigned to.
  ProductQuantizer() = default;
  /// Throws ValueError unless `groups` divides `features`, for no codes, and options out of range.
  ProductQuantizer(Index groups, Index codes, Index features, Rng& rng, const VectorQuantizerOptions& options = {}) {
    if (groups < 1 || features % groups != 0)
      fail<ValueError>("ProductQuantizer: cannot split ", features, " features into ", groups,
                       " groups; expected a divisor");
    stages_ = detail::quantizer_stages<S>("ProductQuantizer", groups, codes, features / groups, rng, options);
  }

  Index groups() const { return static_cast<Index>(stages_.size()); }
  /// The number of codes in each codebook.
  Index levels() const { return first().levels(); }
  Index features() const { return groups() * first().features(); }
  const std::vector<VectorQuantizer<S>>& stages() const { return stages_; }

  /// Quantizes z [n, features, ..]; in training the codebooks learn. Throws ShapeError, ValueError.
  Quantized<S> operator()(const Tensor<S>& z, Rng& rng) const {
    detail::check_vectors("ProductQuantizer", z, features());
    std::vector<Tensor<S>> values;
    std::vector<Tensor<Index>> codes;
    Tensor<S> loss;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const Quantized<S> part = stages_[i](group(z, i), rng);
      values.push_back(part.value);
      codes.push_back(part.codes);
      loss = i == 0 ? part.loss : loss + part.loss;
    }
    return {concat(values, 1), stack(codes, 1), loss / static_cast<double>(groups())};
  }
  /// The codes of z [n, features, ..]: [n, groups, ..].
  Tensor<Index> encode(const Tensor<S>& z) const {
    detail::check_vectors("ProductQuantizer", z, features());
    std::vector<Tensor<Index>> codes;
    for (std::size_t i = 0; i < stages_.size(); ++i) codes.push_back(stages_[i].encode(group(z, i)));
    return stack(codes, 1);
  }
  /// The vectors of codes [n, groups, ..]: [n, features, ..]. Throws ShapeError, IndexError.
  Tensor<S> decode(const Tensor<Index>& codes) const {
    detail::check_stages("ProductQuantizer", stages_);
    if (codes.rank() < 2 || codes.size(1) != groups())
      fail<ShapeError>("ProductQuantizer::decode: got codes of shape ", codes.shape(), ", expected [n, ", groups(),
                       ", ..]");
    std::vector<Tensor<S>> values;
    for (std::size_t i = 0; i < stages_.size(); ++i) values.push_back(stages_[i].decode(detail::stage_codes(codes, i)));
    return concat(values, 1);
  }
  /// Starts each codebook from k-means on its features of z.
  void initialize(const Tensor<S>& z, Rng& rng) {
    detail::check_vectors("ProductQuantizer", z, features());
    for (std::size_t i = 0; i < stages_.size(); ++i) stages_[i].initialize(group(z, i), rng);
  }

  static void members(auto& self, auto&& visit) { visit("stages", self.stages_); }

 private:
  const VectorQuantizer<S>& first() const {
    detail::check_stages("ProductQuantizer", stages_);
    return stages_[0];
  }
  Tensor<S> group(const Tensor<S>& z, std::size_t i) const {
    const Index width = first().features(), begin = static_cast<Index>(i) * width;
    return slice(z, 1, begin, begin + width);
  }

  std::vector<VectorQuantizer<S>> stages_;
};

}  // namespace pushforward
