// MlpDivergence: velocity and divergence of a multilayer perceptron of points and a time, in closed form.
#pragma once

#include <vector>

#include <pushforward/distributions/fused.hpp>
#include <pushforward/dynamics/mlp_divergence_kernel.hpp>
#include <pushforward/nn/time_mlp.hpp>

namespace pushforward {

/// A velocity and its divergence.
template <class S = float>
struct VelocityAndDivergence {
  Tensor<S> velocity;    ///< [n, d]
  Tensor<S> divergence;  ///< [n]
};

/// A TimeMlp with its divergence, prepared for many evaluations with the same weights.
///
/// One pass forwards carries the values and, after the first layer, their d derivatives; with two hidden layers
/// a(W1 x), b(W2 a) the trace of the Jacobian needs one product more than the value alone:
///
///     tr J = sum_kl b'_k (W2_kl sum_i W3_ik W1_li) a'_l
///
/// For smooth activations (tanh, sigmoid, softplus, silu) that is one fused operation with a fused gradient. It refers
/// to the network, which has to outlive it. Throws ShapeError for a network that does not map d numbers to d,
/// ValueError for one without layers.
template <class S = float>
class MlpDivergence {
 public:
  explicit MlpDivergence(const TimeMlp<S>& net) : net_(net.layers.empty() ? nullptr : &net) {
    if (!net_) fail<ValueError>("MlpDivergence: the network has no layers; build it first");
    if (net.layers.back().weight.size(0) != net.features)
      fail<ShapeError>("MlpDivergence: the network maps ", net.features, " numbers to ",
                       net.layers.back().weight.size(0), ", a divergence needs as many out as in");
    if (net.layers.size() == 3 && detail::two_layer_loops<S>(net.options.activation).first) prepare(net);
  }

  /// x [n, d] -> velocity [n, d], divergence [n].
  VelocityAndDivergence<S> operator()(const Tensor<S>& x, double t) const {
    check(x, net_->features);
    if (packed_.empty()) return by_tangents(x, t);
    const Tensor<S> both = evaluate(x, t);
    return {slice(both, 1, 0, net_->features), squeeze(slice(both, 1, net_->features, net_->features + 1), 1)};
  }
  /// The state (x, l), [n, d + 1], to its derivative (velocity, divergence), [n, d + 1].
  Tensor<S> augmented(const Tensor<S>& state, double t) const {
    check(state, net_->features + 1);
    if (!packed_.empty()) return evaluate(state, t);
    const auto [velocity, divergence] = by_tangents(slice(state, 1, 0, net_->features), t);
    return concat({velocity, unsqueeze(divergence, 1)}, 1);
  }

 private:
  void check(const Tensor<S>& x, Index width) const {
    if (x.rank() != 2 || x.size(1) != width)
      fail<ShapeError>("MlpDivergence: got shape ", x.shape(), ", expected [n, ", width, "]");
  }

  // All weights as one tensor in the order of TwoLayers, so that each evaluation has one gradient for them.
  void prepare(const TimeMlp<S>& net) {
    const Tensor<S>&w1 = net.layers[0].weight, &w2 = net.layers[1].weight, &w3 = net.layers[2].weight;
    const Index d = net.features, h1 = w1.size(0), h2 = w2.size(0);
    kernel_ = {{d, h1, h2, w1.size(1) - d + 1}, detail::two_layer_loops<S>(net.options.activation)};
    if (!kernel_.shape.fits()) return;
    const Tensor<S> hidden = transpose(w2), mixed = hidden * matmul(slice(w1, 1, 0, d), w3);
    std::vector<Tensor<S>> flat;
    for (const Tensor<S>& part : {transpose(w1), net.layers[0].bias.tensor(), hidden, mixed,
                                  net.layers[1].bias.tensor(), w3, net.layers[2].bias.tensor()})
      flat.push_back(reshape(part, Shape{part.size()}));
    packed_ = concat(flat);
    NoGradient guard;
    kernel_.hidden_rows = stop_gradient(w2);
    kernel_.mixed_rows = transpose(stop_gradient(mixed));
  }
  Tensor<S> evaluate(const Tensor<S>& state, double t) const {
    return detail::two_layer_field(kernel_, state, packed_, time_features(t), net_->options.activation);
  }
  // What the first layer sees of the time, and the 1 of its bias.
  Tensor<S> time_features(double t) const {
    NoGradient guard;
    const Tensor<S> tau = net_->described(Tensor<S>::full({1, 1}, static_cast<S>(t)));
    return concat({reshape(tau, Shape{tau.size()}), Tensor<S>::ones({1})});
  }

  // Values, and their derivatives along each coordinate as [d, n, width].
  VelocityAndDivergence<S> by_tangents(const Tensor<S>& x, double t) const {
    const auto& layers = net_->layers;
    const Index d = net_->features, n = x.size(0);
    const Tensor<S> tau = net_->described(Tensor<S>::full({1, 1}, static_cast<S>(t)));
    Tensor<S> h = concat({x, expand(tau, Shape{n, tau.size()})}, 1);
    Tensor<S> tangents = unsqueeze(transpose(slice(layers[0].weight, 1, 0, d)), 1);  // [d, 1, width]
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
      if (i > 0) tangents = matmul(tangents, layers[i].weight, {.transpose_b = true});
      const Tensor<S> z = linear(h, layers[i].weight, layers[i].bias);
      h = activate(z, net_->options.activation);
      tangents = tangents * detail::activation_slope(net_->options.activation, z, h);
    }
    const Linear<S>& last = layers.back();
    if (layers.size() == 1) {
      const Tensor<S> diagonal = squeeze(tangents, 1) * Tensor<S>::eye(d);
      return {linear(h, last.weight, last.bias), expand(sum(diagonal), Shape{n})};
    }
    // Of the last product only the diagonal is wanted.
    return {linear(h, last.weight, last.bias), sum(tangents * unsqueeze(last.weight, 1), {0, 2})};
  }

  const TimeMlp<S>* net_;
  Tensor<S> packed_;
  detail::TwoLayerKernel<S> kernel_;
};

}  // namespace pushforward
