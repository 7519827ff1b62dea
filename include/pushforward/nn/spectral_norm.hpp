// SpectralNorm: layers whose weight has spectral norm 1, for critics that are Lipschitz.
#pragma once

#include <string_view>
#include <vector>

#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// How SpectralNorm normalizes.
struct SpectralNormOptions {
  double bound = 1;      ///< the spectral norm that the weight is given
  Index iterations = 1;  ///< of the power method in each call
};

namespace detail {

/// Singular vectors of a weight [out, ..], seen as a matrix [out, in].
template <class S>
struct SingularPair {
  Tensor<S> left, right;  // [out], [in]
};

template <class S>
Tensor<S> as_matrix(const Tensor<S>& weight) {
  return weight.rank() == 2 ? weight : reshape(weight, {weight.size(0), -1});
}

// The pair of the largest singular value after some steps of the power method; constants.
template <class S>
SingularPair<S> power_method(const Tensor<S>& weight, const Tensor<S>& start, Index iterations) {
  const NoGradient guard;
  const auto unit = [](const Tensor<S>& x) { return x / (norm(x) + S(1e-12)); };
  const Tensor<S> matrix = as_matrix(stop_gradient(weight));
  SingularPair<S> pair{stop_gradient(start), {}};
  for (Index i = 0; i < iterations; ++i) {
    pair.right = unit(matmul(pair.left, matrix));
    pair.left = unit(matmul(matrix, pair.right));
  }
  return pair;
}

// The largest singular value, left^T W right: differentiable in the weight, with the vectors held constant.
template <class S>
Tensor<S> spectral_norm_of(const Tensor<S>& weight, const SingularPair<S>& pair) {
  return matmul(pair.left, matmul(as_matrix(weight), pair.right));
}

// How a layer is called with another weight in place of its own. A layer that SpectralNorm is to take has an overload.
template <class S, class... How>
Tensor<S> call_with_weight(const Linear<S>& layer, const Tensor<S>& weight, const Tensor<S>& x, How... how) {
  return linear(x, weight, layer.bias.tensor(), how...);
}

inline constexpr std::string_view spectral_direction = "spectral_direction";

// A SpectralNorm shows its layer, then its direction: that is how a walk finds both, also behind an AnyLayer.
struct SpectralUpdate final : Visitor {
  Parameter<float>* single = nullptr;
  Parameter<double>* twice = nullptr;
  Index updated = 0;

  void parameter(const Path& path, Parameter<float>& p) override {
    if (path.name == "weight") single = &p;
  }
  void parameter(const Path& path, Parameter<double>& p) override {
    if (path.name == "weight") twice = &p;
  }
  void buffer(const Path& path, Buffer<float>& b) override { update(path, single, b); }
  void buffer(const Path& path, Buffer<double>& b) override { update(path, twice, b); }

  template <class S>
  void update(const Path& path, const Parameter<S>* weight, Buffer<S>& direction) {
    if (path.name != spectral_direction || !weight) return;
    const Tensor<S> found = power_method<S>(*weight, direction, 1).left;
    if (found.max() > S(0) || found.min() < S(0)) direction = found;  // a weight of zeros has no direction
    ++updated;
  }
};

}  // namespace detail

/// A layer with its weight W divided by W's largest singular value, so that it stretches no distance by more than
/// `bound`: y = (bound W / sigma) x + b.
///
///     sigma = u^T W v,  v = W^T u / |W^T u|,  u = W v / |W v|
///
/// u starts from a stored vector, so that a call changes nothing, gives the same bits each time and may run in several
/// threads. `update_spectral_norms(critic)` moves the stored vectors one step of the power method on: call it before
/// each step of an optimizer (fit_adversarial does), so that they follow the weights. Gradients hold u and v constant.
///
/// The layer has a `weight` [out, ..]: Linear. Throws ValueError for a bound that is not positive or no iterations.
/// Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018, algorithm 1.
template <class Layer = Linear<float>>
struct SpectralNorm {
  using Scalar = typename std::remove_cvref_t<decltype(std::declval<Layer>().weight)>::Scalar;
  using S = Scalar;

  Layer layer;
  Buffer<S> direction;  // u, near the first left singular vector of the weight
  SpectralNormOptions options;

  SpectralNorm() = default;
  SpectralNorm(Layer normalized, Rng& rng, const SpectralNormOptions& how = {})
      : layer(std::move(normalized)), options(how) {
    if (!(how.bound > 0)) fail<ValueError>("SpectralNorm: .bound is ", how.bound, ", expected a positive number");
    if (how.iterations < 1) fail<ValueError>("SpectralNorm: .iterations is ", how.iterations, ", expected at least 1");
    if (layer.weight.rank() < 2)
      fail<ShapeError>("SpectralNorm: the weight has shape ", layer.weight.shape(), ", expected [out, in, ..]");
    const Tensor<S> start = normal<S>({layer.weight.size(0)}, rng);
    direction = detail::power_method<S>(layer.weight, start, 30).left;
  }

  /// The normalized weight, differentiable in the layer's.
  Tensor<S> weight() const {
    const Tensor<S> norm =
        detail::spectral_norm_of<S>(layer.weight, detail::power_method<S>(layer.weight, direction, options.iterations));
    return layer.weight.tensor() * (static_cast<S>(options.bound) / maximum(norm, S(1e-12)));
  }
  Tensor<S> operator()(const Tensor<S>& x) const { return detail::call_with_weight(layer, weight(), x); }
  /// activation(layer(x)), fused.
  Tensor<S> operator()(const Tensor<S>& x, Activation activation) const {
    return detail::call_with_weight(layer, weight(), x, activation);
  }

  static void members(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit(detail::spectral_direction, self.direction);
  }
};

/// Moves the stored vectors of every SpectralNorm in a model one step of the power method on; returns how many there
/// are. Outputs change a little by it, as they follow the weights.
template <class M>
Index update_spectral_norms(M& model) {
  detail::SpectralUpdate visitor;
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
