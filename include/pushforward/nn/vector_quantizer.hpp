// VectorQuantizer: vectors to the nearest entry of a codebook, which learns with them.
#pragma once

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include <pushforward/nn/codebook.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/nn/quantizer.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// How a codebook learns.
enum class CodebookUpdate {
  moving_average,  ///< each code is a moving average of its vectors (van den Oord et al. 2017, appendix A.1)
  gradient         ///< codes are parameters, drawn to their vectors by a loss (eq. 3)
};

/// How a VectorQuantizer is built.
struct VectorQuantizerOptions {
  CodebookUpdate update = CodebookUpdate::moving_average;
  QuantizerGradient gradient = QuantizerGradient::straight_through;
  double commitment = 0.25;   ///< beta, what vectors pay for their distance to their codes
  double decay = 0.99;        ///< of the moving averages
  double smoothing = 1e-5;    ///< added to the counts of all codes (Laplace)
  double revive_below = 0.1;  ///< a code used less than this share of the average is moved to a vector; 0: never
  Index k_means = 10;         ///< iterations of k-means from which `initialize` starts the codebook
};

namespace detail {

inline void check_vector_quantizer(Index codes, Index features, const VectorQuantizerOptions& o) {
  if (codes < 1 || features < 1)
    fail<ValueError>("VectorQuantizer: got ", codes, " codes of ", features, " features, expected at least 1 of 1");
  if (!(o.decay >= 0 && o.decay < 1))
    fail<ValueError>("VectorQuantizer: .decay is ", o.decay, ", expected 0 <= decay < 1");
  if (!(o.commitment >= 0) || !(o.smoothing > 0))
    fail<ValueError>("VectorQuantizer: .commitment is ", o.commitment, " and .smoothing ", o.smoothing,
                     ", expected 0 or more, and a positive number");
  if (!(o.revive_below >= 0 && o.revive_below < 1))
    fail<ValueError>("VectorQuantizer: .revive_below is ", o.revive_below, ", expected a share from 0 to below 1");
  if (o.k_means < 0) fail<ValueError>("VectorQuantizer: .k_means is ", o.k_means, ", expected 0 or more iterations");
}

}  // namespace detail

/// A codebook of `codes` vectors (van den Oord et al. 2017): each vector of z [n, features, ..] becomes its nearest
/// code, the first one of several; codes [n, ..].
///
///     loss = beta mean (z - sg(q))^2  [+ mean (sg(z) - q)^2 for a codebook that learns by gradient]
///
/// As moving averages, with the counts n_k and sums m_k of a training batch's vectors,
///
///     counts = decay counts + (1 - decay) n,  sums = decay sums + (1 - decay) m,  N = sum counts,
///     code_k = sums_k / ((counts_k + eps) / (N + codes eps) N).
///
/// The codebook starts from N(0, 1), or, by `initialize`, which `fit` calls through a VqVae, from k-means on the
/// vectors of a batch. In training each call moves buffers (as BatchNorm's does), so call one from one thread at a
/// time; codes that are hardly used any more are moved to vectors of the batch first, each to another one while there
/// are enough. In evaluation nothing changes.
template <class S = float>
class VectorQuantizer {
 public:
  using Scalar = S;

  /// Without a codebook, to be assigned to.
  VectorQuantizer() = default;
  /// Throws ValueError for fewer than one code or feature, and options out of range.
  VectorQuantizer(Index codes, Index features, Rng& rng, const VectorQuantizerOptions& options = {})
      : options_(options) {
    detail::check_vector_quantizer(codes, features, options);
    set_codebook(normal<S>({codes, features}, rng), Tensor<S>::ones({codes}));
    initialized_ = Tensor<S>::zeros({1});
  }

  /// The number of codes.
  Index levels() const { return table().size(0); }
  Index features() const { return table().size(1); }
  const VectorQuantizerOptions& options() const { return options_; }
  /// [codes, features]
  const Tensor<S>& codebook() const { return table(); }
  /// The moving average of how many vectors of a batch each code gets: [codes].
  const Tensor<S>& counts() const { return counts_; }

  /// Quantizes z [n, features, ..]; in training the codebook learns. `rng` picks the vectors that dead codes move to.
  /// Throws ShapeError, ValueError for numbers that are not finite.
  Quantized<S> operator()(const Tensor<S>& z, Rng& rng) const {
    check(z);
    const Tensor<S> rows = detail::vector_rows(stop_gradient(z));
    if (mode_.training) revive(rows, rng);
    const Tensor<Index> codes = nearest(rows, z.shape());
    const Tensor<S> q = detail::place_vectors(table(), codes), fixed = stop_gradient(q);
    Tensor<S> loss = detail::mean_of_examples(square(z - fixed)) * options_.commitment;
    if (options_.update == CodebookUpdate::gradient)
      loss = loss + detail::mean_of_examples(square(stop_gradient(z) - q));
    if (mode_.training) learn(rows, codes);
    return {pass_gradient(fixed, z, options_.gradient), codes, loss};
  }
  /// The codes of z [n, features, ..]: [n, ..].
  Tensor<Index> encode(const Tensor<S>& z) const {
    check(z);
    return nearest(detail::vector_rows(stop_gradient(z)), z.shape());
  }
  /// The vectors of codes [n, ..]: [n, features, ..]. Throws IndexError for codes outside.
  Tensor<S> decode(const Tensor<Index>& codes) const {
    detail::check_codes("VectorQuantizer::decode", codes, levels());
    return detail::place_vectors(table(), codes);
  }

  /// Starts the codebook from k-means on the vectors of z [n, features, ..], at most 64 a code; once: nothing happens
  /// where it has already begun to learn.
  void initialize(const Tensor<S>& z, Rng& rng) {
    check(z);
    if (initialized_.item() != S(0)) return;
    initialized_ = Tensor<S>::ones({1});
    const Tensor<S> all = detail::vector_rows(stop_gradient(z));
    const Index most = 64 * levels(), n = std::min(all.size(0), most);
    const Tensor<S> rows =
        index_select(all, 0, Tensor<Index>::generate(Shape{n}, [&](Index i) { return i * all.size(0) / n; }));
    const Clusters<S> found = k_means(rows, levels(), options_.k_means, rng);
    // Not the clusters' own counts: small ones let the averages follow the encoder's first steps.
    set_codebook(found.centers, Tensor<S>::ones({levels()}));
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight_);
    visit("codebook", self.codebook_);
    visit("counts", self.counts_);
    visit("sums", self.sums_);
    visit("initialized", self.initialized_);
    visit("mode", self.mode_);
  }

 private:
  const Tensor<S>& table() const {
    const Tensor<S>& found = options_.update == CodebookUpdate::gradient ? weight_.tensor() : codebook_.tensor();
    if (found.rank() != 2)
      fail<ValueError>(
          "VectorQuantizer: there is no codebook yet; build it as VectorQuantizer(codes, features, rng, options)");
    return found;
  }
  void check(const Tensor<S>& z) const { detail::check_vectors("VectorQuantizer", z, features()); }
  Tensor<Index> nearest(const Tensor<S>& rows, const Shape& z) const {
    return reshape(nearest_codes(rows, stop_gradient(table())), detail::without_features(z));
  }

  void set_codebook(const Tensor<S>& codebook, const Tensor<S>& counts) const {
    counts_ = counts;
    if (options_.update == CodebookUpdate::gradient) {
      weight_ = codebook;
      return;
    }
    codebook_ = codebook;
    sums_ = codebook * unsqueeze(counts, 1);
  }

  // Before the codes are looked up, so that a graph holds the parameter that a gradient is then asked for.
  void revive(const Tensor<S>& rows, Rng& rng) const {
    const double least = options_.revive_below * counts_.mean();
    if (std::none_of(counts_.begin(), counts_.end(), [&](S count) { return count < least; })) return;
    const NoGradient guard;
    const Index d = features();
    std::vector<S> counts = counts_.to_vector(), codes = table().to_vector();
    std::vector<Index> order(static_cast<std::size_t>(rows.size(0)));
    std::iota(order.begin(), order.end(), Index{0});
    std::size_t taken = 0;  // no vector twice, unless there are fewer of them than dead codes
    const auto fresh = static_cast<S>(counts_.mean());
    for (std::size_t k = 0; k < counts.size(); ++k) {
      if (!(counts[k] < least)) continue;
      if (taken == order.size()) taken = 0;
      std::swap(order[taken],
                order[taken + static_cast<std::size_t>(rng.uniform_index(rows.size(0) - static_cast<Index>(taken)))]);
      counts[k] = fresh;
      std::copy_n(rows.data() + order[taken++] * d, d, codes.data() + static_cast<Index>(k) * d);
    }
    set_revived(Tensor<S>(table().shape(), codes), Tensor<S>(counts_.shape(), counts), least);
  }
  void set_revived(const Tensor<S>& codebook, const Tensor<S>& counts, double least) const {
    if (options_.update == CodebookUpdate::gradient) return set_codebook(codebook, counts);
    const Tensor<S> dead = unsqueeze(counts_.tensor() < least, 1);
    sums_ = where(dead, codebook * unsqueeze(counts, 1), sums_.tensor());
    codebook_ = codebook;
    counts_ = counts;
  }

  void learn(const Tensor<S>& rows, const Tensor<Index>& codes) const {
    const NoGradient guard;
    const detail::CodeSums<S> batch(rows, codes, levels());
    const double keep = options_.decay, take = 1 - keep;
    if (initialized_.item() == S(0)) initialized_ = Tensor<S>::ones({1});
    counts_ = keep * counts_.tensor() + cast<S>(take * cast<double>(batch.counts));
    if (options_.update == CodebookUpdate::gradient) return;
    sums_ = keep * sums_.tensor() + cast<S>(take * batch.sums);
    const double total = counts_.sum(), eps = options_.smoothing;
    const Tensor<S> share = (counts_.tensor() + eps) * (total / (total + static_cast<double>(levels()) * eps));
    codebook_ = sums_.tensor() / unsqueeze(share, 1);
  }

  mutable Parameter<S> weight_;  // one of the two is empty
  mutable Buffer<S> codebook_, counts_, sums_, initialized_;
  VectorQuantizerOptions options_;
  Mode mode_;
};

}  // namespace pushforward
