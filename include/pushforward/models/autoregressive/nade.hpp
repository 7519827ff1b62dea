// NADE: the neural autoregressive distribution estimator, one hidden layer that takes in one number after the other.
#pragma once

#include <cmath>
#include <tuple>

#include <pushforward/models/autoregressive.hpp>
#include <pushforward/models/autoregressive/nade_kernels.hpp>

namespace pushforward {

/// How a NadeNetwork is built.
struct NadeNetworkOptions {
  Index features = 0;  ///< numbers per event
  Index outputs = 1;   ///< numbers that come out for each feature
  Index hidden = 500;  ///< hidden units
  FeatureOrder order = FeatureOrder::natural;
};

template <class S>
class NadeSteps;

/// The network of NADE (Larochelle and Murray 2011, eq. 7 and 8): [.., d] -> [.., outputs * d].
///
///     h_i = sigmoid(c + sum_{j before i} w_j x_j),   y_i = b_i + V_i h_i
///
/// Number j * d + i of the output is the j-th that belongs to feature i. Hidden units h_i are updated from feature to
/// feature, so that a pass costs O(d h), as does a draw. Weights start uniform within 1 / sqrt(d) and 1 / sqrt(h).
/// Throws ValueError for fewer than one feature, output or hidden unit.
template <class S = float>
struct NadeNetwork {
  Parameter<S> input, hidden_bias;  // w [d, h], c [h]
  Parameter<S> output, bias;        // V [outputs * d, h], b [outputs * d]
  Buffer<Index> order;              // order[p] is the feature in place p; empty: the natural order

  NadeNetwork() = default;
  NadeNetwork(const NadeNetworkOptions& options, Rng& rng) : features_(options.features), outputs_(options.outputs) {
    const Index d = features_, h = options.hidden;
    if (d < 1) fail<ValueError>("NadeNetwork: .features is ", d, ", expected at least 1");
    if (outputs_ < 1) fail<ValueError>("NadeNetwork: .outputs is ", outputs_, ", expected at least 1");
    if (h < 1) fail<ValueError>("NadeNetwork: .hidden is ", h, ", expected at least 1");
    const double in = 1 / std::sqrt(static_cast<double>(d)), out = 1 / std::sqrt(static_cast<double>(h));
    input = uniform<S>({d, h}, rng, -in, in);
    hidden_bias = Tensor<S>::zeros({h});
    output = uniform<S>({outputs_ * d, h}, rng, -out, out);
    bias = Tensor<S>::zeros({outputs_ * d});
    if (options.order == FeatureOrder::random) order = permutation(d, rng);
  }

  Index features() const { return features_; }
  /// Numbers that come out for each feature.
  Index outputs() const { return outputs_; }
  /// The feature in place p of the order.
  Index feature(Index place) const { return order.empty() ? place : order.data()[place]; }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (features_ == 0 || x.rank() == 0 || x.size(-1) != features_)
      fail<ShapeError>("NadeNetwork: input of shape ", x.shape(), ", expected [.., ", features_, "]");
    const detail::NadePass<S> pass{order.tensor(), outputs_};
    const auto& [in, start, out, b] = std::tie(input.tensor(), hidden_bias.tensor(), output.tensor(), bias.tensor());
    return detail::record_fused("nade", pass, pass.value(x, in, start, out, b), x, in, start, out, b);
  }

  /// The same network evaluated feature by feature for `rows` events: for sampling.
  NadeSteps<S> steps(Index rows) const { return NadeSteps<S>(*this, rows); }

  /// Makes `values` [outputs, d] what comes out where all hidden units are zero: sets the bias of the output.
  void start_at(const Tensor<S>& values) {
    if (!(values.shape() == Shape{outputs_, features_}))
      fail<ShapeError>("NadeNetwork::start_at: got shape ", values.shape(), ", expected ", Shape{outputs_, features_});
    bias = reshape(values, Shape{outputs_ * features_});
  }

  static void members(auto& self, auto&& visit) {
    visit("input", self.input);
    visit("hidden_bias", self.hidden_bias);
    visit("output", self.output);
    visit("bias", self.bias);
    if (!self.order.empty()) visit("order", self.order);
  }

 private:
  Index features_ = 0, outputs_ = 0;
};

/// A NadeNetwork that is given its features one by one, in its order, and says what it puts out for the next: the bits
/// of a whole pass, at its cost for all features together. No gradients; the network must outlive it.
template <class S = float>
class NadeSteps {
 public:
  NadeSteps(const NadeNetwork<S>& net, Index rows)
      : net_(net),
        weights_{net.features(),
                 net.outputs(),
                 net.input.shape()[1],
                 net.input.tensor().data(),
                 net.hidden_bias.tensor().data(),
                 net.output.tensor().data(),
                 net.bias.tensor().data()},
        rows_(rows),
        sums_(Tensor<S>::zeros({rows, weights_.units})),
        hidden_(Tensor<S>::zeros({rows, weights_.units})) {
    for_rows([this](Index r) { weights_.begin(row(sums_, r), row(hidden_, r)); });
  }

  /// Whether there is a next feature.
  bool more() const { return place_ < weights_.features; }
  /// The next feature.
  Index feature() const { return net_.feature(place_); }
  /// What the network puts out for the next feature: [rows, outputs].
  Tensor<S> outputs() const {
    return Tensor<S>::build({rows_, weights_.outputs}, [this](S* y) {
      for_rows([=, this](Index r) { weights_.put_out(feature(), row(hidden_, r), y + r * weights_.outputs, 1); });
    });
  }
  /// Gives the next feature its values, x[0], x[stride], ... for the rows, and goes on to the one after it.
  void set(const S* x, Index stride) {
    for_rows([=, this](Index r) { weights_.take(feature(), x[r * stride], row(sums_, r), row(hidden_, r)); });
    ++place_;
  }

 private:
  S* row(const Tensor<S>& of, Index r) const { return detail::Access::data(of) + r * weights_.units; }
  template <class Body>
  void for_rows(const Body& body) const {
    parallel_for(rows_, detail::elementwise_grain / (weights_.units * weights_.outputs + 1) + 1,
                 [&](Index begin, Index end) {
                   for (Index r = begin; r < end; ++r) body(r);
                 });
  }

  const NadeNetwork<S>& net_;
  detail::NadeWeights<S> weights_;
  Index rows_, place_ = 0;
  Tensor<S> sums_, hidden_;  // [rows, h]
};

/// A NADE (Larochelle and Murray 2011): an autoregressive model on a NadeNetwork.
template <class Conditional, class S = float>
using Nade = Autoregressive<NadeNetwork<S>, Conditional>;

/// How `nade` builds a model.
struct NadeOptions {
  Index features = 0;  ///< numbers per event
  Index hidden = 500;  ///< hidden units
  FeatureOrder order = FeatureOrder::natural;
};

/// A NADE with conditionals of your own: `nade(GaussianMixtureConditional({.components = 5}), {.features = 8}, rng)` is
/// one over real numbers (RNADE, Uria et al. 2013). Throws ValueError for fewer than one feature or hidden unit.
template <class S = float, class Conditional>
Nade<Conditional, S> nade(const Conditional& conditional, const NadeOptions& options, Rng& rng) {
  return Nade<Conditional, S>(NadeNetwork<S>({.features = options.features,
                                              .outputs = conditional.parameters(),
                                              .hidden = options.hidden,
                                              .order = options.order},
                                             rng),
                              conditional);
}

/// A NADE over binary numbers: `nade({.features = 784, .hidden = 500}, rng)`. Throws ValueError for fewer than one
/// feature or hidden unit.
template <class S = float>
Nade<BernoulliConditional, S> nade(const NadeOptions& options, Rng& rng) {
  return nade<S>(BernoulliConditional{}, options, rng);
}

}  // namespace pushforward
