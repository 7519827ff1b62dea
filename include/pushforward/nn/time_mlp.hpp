// TimeMlp: a multilayer perceptron of points and a time.
#pragma once

#include <numbers>
#include <vector>

#include <pushforward/nn/linear.hpp>

namespace pushforward {

/// How a TimeMlp is built.
struct TimeMlpOptions {
  Activation activation = Activation::silu;  ///< between the layers
  Index outputs = 0;                         ///< numbers per point that come out; 0 for as many as go in
  Index frequencies = 0;                     ///< 0: t itself goes in; else sin(pi k t), cos(pi k t), k = 1..frequencies
};

/// A multilayer perceptron of points x and a time: what flow matching, diffusion and continuous flows train.
///
/// `net(x, t)` takes x [n, d] and t [n], one time per row, or a plain number, the same time for all rows, which is the
/// faster way to draw. It gives [n, outputs]. Throws ValueError for sizes that are not positive, ShapeError for other
/// shapes.
template <class S = float>
struct TimeMlp {
  std::vector<Linear<S>> layers;
  Index features = 0;
  TimeMlpOptions options;

  TimeMlp() = default;
  TimeMlp(Index inputs, const std::vector<Index>& hidden, Rng& rng, TimeMlpOptions how = {})
      : features(inputs), options(how) {
    if (inputs < 1 || how.outputs < 0 || how.frequencies < 0)
      fail<ValueError>("TimeMlp: got ", inputs, " features, ", how.outputs, " outputs and ", how.frequencies,
                       " frequencies, expected at least 1, 0 and 0");
    Index width = inputs + time_features();
    for (const Index next : hidden) {
      layers.emplace_back(width, next, rng);
      width = next;
    }
    layers.emplace_back(width, how.outputs > 0 ? how.outputs : inputs, rng);
  }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& t) const {
    check(x);
    if (!(t.shape() == Shape{x.size(0)}))
      fail<ShapeError>("TimeMlp: got times of shape ", t.shape(), ", expected [", x.size(0), "], one for each row");
    return rest(layers.front()(concat({x, described(unsqueeze(t, 1))}, 1), activation_of(0)));
  }
  Tensor<S> operator()(const Tensor<S>& x, double t) const {
    check(x);
    // W (x, tau) + b = W_x x + (b + W_tau tau): the time moves the bias only.
    const Linear<S>& first = layers.front();
    const Tensor<S> tau = described(Tensor<S>::full({1, 1}, static_cast<S>(t)));
    const Tensor<S> by_point = slice(first.weight.tensor(), 1, 0, features);
    const Tensor<S> by_time = slice(first.weight.tensor(), 1, features, features + time_features());
    const Tensor<S> bias = first.bias.tensor() + sum(by_time * tau, 1);
    return rest(linear(x, by_point, bias, activation_of(0)));
  }

  /// How many numbers describe a time.
  Index time_features() const { return options.frequencies > 0 ? 2 * options.frequencies : 1; }
  /// What the first layer sees of times: t [n, 1] -> [n, time_features()].
  Tensor<S> described(const Tensor<S>& t) const {
    if (options.frequencies == 0) return t;
    const Tensor<S> angles = t * Tensor<S>::generate({options.frequencies}, [](Index k) {
                               return static_cast<S>(std::numbers::pi * static_cast<double>(k + 1));
                             });
    return concat({sin(angles), cos(angles)}, 1);
  }

  static void members(auto& self, auto&& visit) { visit("layers", self.layers); }

 private:
  Activation activation_of(std::size_t layer) const {
    return layer + 1 < layers.size() ? options.activation : Activation::none;
  }
  Tensor<S> rest(Tensor<S> h) const {
    for (std::size_t i = 1; i < layers.size(); ++i) h = layers[i](h, activation_of(i));
    return h;
  }
  void check(const Tensor<S>& x) const {
    if (layers.empty()) fail<ValueError>("TimeMlp: it has no layers; build it with TimeMlp(features, hidden, rng)");
    if (x.rank() != 2 || x.size(1) != features)
      fail<ShapeError>("TimeMlp: got points of shape ", x.shape(), ", expected [n, ", features, "]");
  }
};

}  // namespace pushforward
