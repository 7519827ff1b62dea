// SpectralNorm: layers whose weight has spectral norm 1, for critics that are Lipschitz.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

template <class S>
struct ConvTranspose1d;
template <class S>
struct ConvTranspose2d;

/// How SpectralNorm normalizes.
struct SpectralNormOptions {
  double bound = 1;      ///< the spectral norm that the weight is given
  Index iterations = 1;  ///< of the power method in each call while training, and in each update
};

namespace detail {

// The axis of a layer's weight that counts its outputs; for another transposed layer, specialize it.
template <class Layer>
inline constexpr int weight_output_axis = 0;
template <class S>
inline constexpr int weight_output_axis<ConvTranspose1d<S>> = 1;
template <class S>
inline constexpr int weight_output_axis<ConvTranspose2d<S>> = 1;

template <class Layer, class... Arguments>
concept CalledWith = std::is_invocable_v<const Layer&, const Arguments&...>;

template <class Layer>
using layer_scalar = typename std::remove_cvref_t<decltype(std::declval<Layer>().weight)>::Scalar;

// A copy of a layer with the layer's own variables, so that gradients reach them: copying makes new ones.
template <class Layer>
Layer sharing_copy(const Layer& layer) {
  using S = layer_scalar<Layer>;
  struct Take final : Visitor {
    std::vector<Tensor<S>> variables;
    using Visitor::parameter;
    void parameter(const Path&, Parameter<S>& p) override { variables.push_back(p.tensor()); }
  } take;
  struct Give final : Visitor {
    const Tensor<S>* next;
    explicit Give(const std::vector<Tensor<S>>& variables) : next(variables.data()) {}
    using Visitor::parameter;
    void parameter(const Path&, Parameter<S>& p) override { static_cast<Tensor<S>&>(p) = *next++; }
  };
  walk(const_cast<Layer&>(layer), take);  // it only looks
  Layer copy = layer;
  Give give(take.variables);
  walk(copy, give);
  return copy;
}

// layer(how...) with another weight in place of its own.
template <class Layer, class S, class... How>
Tensor<S> call_with_weight(const Layer& layer, const Tensor<S>& weight, const How&... how) {
  Layer used = sharing_copy(layer);
  static_cast<Tensor<S>&>(used.weight) = weight;
  return used(how...);
}

// Shows the members of a layer, its weight under the name `weight_name`.
template <class Layer, class Visit>
void visit_with_weight(Layer& layer, std::string_view weight_name, Visit&& visit) {
  const void* const weight = &layer.weight;
  Layer::members(layer, [&](std::string_view name, auto& part) {
    visit(static_cast<const void*>(&part) == weight ? weight_name : name, part);
  });
}

// Singular vectors of a weight seen as a matrix [out, in].
template <class S>
struct SingularPair {
  Tensor<S> left, right;  // [out], [in]
};

// A weight whose axis `axis` counts outputs, as [out, in].
template <class S>
Tensor<S> as_matrix(const Tensor<S>& weight, int axis = 0) {
  if (axis != 0) return as_matrix(transpose(weight, 0, axis));
  return weight.rank() == 2 ? weight : reshape(weight, {weight.size(0), -1});
}

// The pair of the largest singular value of a matrix, some steps of the power method after `left`; constants.
template <class S>
SingularPair<S> power_method(const Tensor<S>& matrix, const Tensor<S>& left, Index iterations) {
  const NoGradient guard;
  const auto unit = [](const Tensor<S>& x) { return x / maximum(norm(x), S(1e-12)); };
  const Tensor<S> constant = stop_gradient(matrix);
  SingularPair<S> pair{stop_gradient(left), {}};
  for (Index i = 0; i < iterations; ++i) {
    pair.right = unit(matmul(pair.left, constant));
    pair.left = unit(matmul(constant, pair.right));
  }
  return pair;
}

// The largest singular value, left^T W right: differentiable in the matrix, with the vectors held constant.
template <class S>
Tensor<S> spectral_norm_of(const Tensor<S>& matrix, const SingularPair<S>& pair) {
  return matmul(pair.left, matmul(matrix, pair.right));
}

// A part of the root mean square of the singular values of a matrix, so less than the largest one: what a stale pair
// says below it is not believed.
template <class S>
S least_spectral_norm(const Tensor<S>& matrix) {
  const auto rank = static_cast<S>(std::min(matrix.size(0), matrix.size(1)));
  return std::max(matrix.matrix().stableNorm() / (4 * std::sqrt(rank)), S(1e-12));
}

// As many steps of the power method as the matrix takes: twice as many again until sigma grows by no more than a part
// in 1e5 by them, since its error falls at least as 1 / steps.
template <class S>
SingularPair<S> settled_pair(const Tensor<S>& matrix, const Tensor<S>& left) {
  const NoGradient guard;
  Rng rng(20180216);  // some noise, since the power method does not leave a smaller singular value by itself
  const Tensor<S> noise = normal<S>(left.shape(), rng) * (0.1 / std::sqrt(static_cast<double>(left.size())));
  SingularPair<S> pair = power_method<S>(matrix, left + noise, 16);
  S sigma = spectral_norm_of<S>(matrix, pair).item();
  for (Index steps = 16; steps <= 2048; steps *= 2) {
    pair = power_method<S>(matrix, pair.left, steps);
    const S grown = spectral_norm_of<S>(matrix, pair).item();
    if (!(grown > sigma * S(1.00001))) break;
    sigma = grown;
  }
  return pair;
}

// A SpectralNorm knows this visitor wherever a walk leads it, and follows its weight: some steps, or all the way.
struct SpectralUpdate final : Visitor {
  bool settles;
  Index updated = 0;
  explicit SpectralUpdate(bool all_the_way) : settles(all_the_way) {}
};

}  // namespace detail

/// A layer with its weight W divided by W's largest singular value, so that a dense layer stretches no distance by more
/// than `bound`: y = (bound W / sigma) x + b.
///
///     sigma = u^T W v,  v = W^T u / |W^T u|,  u = W v / |W v|
///
/// The layer has a `weight` [out, ..], seen as a matrix [out, in]: Linear, Embedding, convolutions and their transposes
/// [in, out, ..], or a module of your own. For a convolution that is the norm of its kernel as a matrix, which bounds
/// the layer's up to the number of taps.
///
/// In training u and v start from a stored pair, so that a call changes nothing, gives the same bits each time and may
/// run in several threads; in evaluation they are that pair. `update_spectral_norms(critic)` moves the stored pairs on:
/// call it before each step of an optimizer, so that they follow the weights, and `settle_spectral_norms(critic)` when
/// the weights are done (fit and fit_adversarial do both). A pair that has not followed divides by |sigma|, and by no
/// less than a quarter of the root mean square of the singular values. Gradients hold u and v constant.
///
/// In a file the members have the names of PyTorch's spectral_norm: `weight_orig`, `weight_u`, `weight_v`. Its call in
/// training is an update and a call here; its call in evaluation is the same. Throws ValueError for a bound that is not
/// positive or no iterations, ShapeError for a weight of fewer than two axes.
/// Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018, algorithm 1.
template <class Layer = Linear<float>>
struct SpectralNorm {
  using Scalar = detail::layer_scalar<Layer>;
  using S = Scalar;

  Layer layer;
  Buffer<S> direction, input_direction;  // u [out] and v [in], near the first singular vectors of the weight
  SpectralNormOptions options;
  Mode mode;

  SpectralNorm() = default;
  SpectralNorm(Layer normalized, Rng& rng, const SpectralNormOptions& how = {})
      : layer(std::move(normalized)), options(how) {
    if (!(how.bound > 0)) fail<ValueError>("SpectralNorm: .bound is ", how.bound, ", expected a positive number");
    if (how.iterations < 1) fail<ValueError>("SpectralNorm: .iterations is ", how.iterations, ", expected at least 1");
    if (layer.weight.rank() < 2)
      fail<ShapeError>("SpectralNorm: the weight has shape ", layer.weight.shape(), ", expected [out, in, ..]");
    const Tensor<S> seen = matrix(), start = normal<S>({seen.size(0)}, rng);
    direction = start / norm(start);
    input_direction = Tensor<S>::zeros({seen.size(1)});
    store(detail::power_method<S>(seen, start, 30));
  }

  /// The normalized weight, differentiable in the layer's.
  Tensor<S> weight() const {
    const Tensor<S> seen = matrix();
    const detail::SingularPair<S> pair = mode.training ? detail::power_method<S>(seen, direction, options.iterations)
                                                       : detail::SingularPair<S>{direction, input_direction};
    const Tensor<S> sigma = abs(detail::spectral_norm_of<S>(seen, pair));
    return layer.weight.tensor() *
           (static_cast<S>(options.bound) / maximum(sigma, detail::least_spectral_norm<S>(seen)));
  }
  /// layer(x) with the normalized weight.
  template <class T>
  requires detail::CalledWith<Layer, Tensor<T>> Tensor<S>
  operator()(const Tensor<T>& x) const { return detail::call_with_weight(layer, weight(), x); }
  /// layer(x, activation) with the normalized weight, fused.
  template <class T>
  requires detail::CalledWith<Layer, Tensor<T>, Activation> Tensor<S>
  operator()(const Tensor<T>& x, Activation activation) const {
    return detail::call_with_weight(layer, weight(), x, activation);
  }

  /// Moves the stored pair `options.iterations` steps of the power method on, for the weight as it is now.
  void update() { store(detail::power_method<S>(matrix(), direction, options.iterations)); }
  /// Moves the stored pair on until it is that of the weight as it is now, sigma to about a part in 1e5.
  void settle() { store(detail::settled_pair<S>(matrix(), direction)); }

  static void members(auto& self, auto&& visit) {
    detail::visit_with_weight(self.layer, "weight_orig", visit);
    visit("weight_u", self.direction);
    visit("weight_v", self.input_direction);
    visit("mode", self.mode);
  }
  void walk(const Path& path, Visitor& visitor) {
    if (auto* const following = dynamic_cast<detail::SpectralUpdate*>(&visitor)) {
      following->settles ? settle() : update();
      ++following->updated;
      return;
    }
    members(*this, [&](std::string_view name, auto& part) { detail::walk_member(Path{&path, name}, part, visitor); });
  }

 private:
  Tensor<S> matrix() const { return detail::as_matrix<S>(layer.weight.tensor(), detail::weight_output_axis<Layer>); }
  void store(const detail::SingularPair<S>& pair) {
    if (!(pair.left.max() > S(0) || pair.left.min() < S(0))) return;  // a weight of zeros has no direction
    direction = pair.left;
    input_direction = pair.right;
  }
};

/// Moves the stored vectors of every SpectralNorm in a model on, its `iterations` steps of the power method; returns
/// how many there are. Outputs change a little by it, as they follow the weights.
template <class M>
Index update_spectral_norms(M& model) {
  detail::SpectralUpdate visitor(false);
  walk(model, visitor);
  return visitor.updated;
}

/// Moves them on until they are those of the weights as they are now: after the last step of an optimizer, or of an
/// average of weights, before evaluation. Returns how many SpectralNorms there are.
template <class M>
Index settle_spectral_norms(M& model) {
  detail::SpectralUpdate visitor(true);
  walk(model, visitor);
  return visitor.updated;
}

/// A multilayer perceptron of spectrally normalized layers: with activations of slope at most 1 its Lipschitz constant
/// is at most bound^layers. The usual critic for the hinge loss: `SpectralMlp({2, 128, 128, 1}, rng)`.
///
/// Throws ValueError for fewer than two widths.
template <class S = float>
struct SpectralMlp {
  std::vector<SpectralNorm<Linear<S>>> layers;
  MlpOptions options;

  SpectralMlp() = default;
  SpectralMlp(const std::vector<Index>& widths, Rng& rng, const MlpOptions& how = {},
              const SpectralNormOptions& norm = {})
      : options(how) {
    if (widths.size() < 2)
      fail<ValueError>("SpectralMlp: got ", widths.size(), " widths, expected at least two: {in, .., out}");
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layers.emplace_back(Linear<S>(widths[i], widths[i + 1], rng), rng, norm);
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    Tensor<S> h = x;
    for (std::size_t i = 0; i < layers.size(); ++i)
      h = layers[i](h, i + 1 < layers.size() ? options.activation : options.output);
    return h;
  }

  static void members(auto& self, auto&& visit) { visit("layers", self.layers); }
};

}  // namespace pushforward
