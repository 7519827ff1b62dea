// MaskedMlp: a multilayer perceptron whose outputs for a feature depend on earlier features only (MADE).
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/nn/masked_linear.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// In which order the features of an autoregressive network depend on each other.
enum class FeatureOrder {
  natural,  ///< 0, 1, 2, ...
  random,   ///< an order that is drawn once, and saved with the network
};

/// How a MaskedMlp is built.
struct MaskedMlpOptions {
  Index features = 0;                    ///< numbers per event
  Index outputs = 1;                     ///< numbers that come out for each feature
  std::vector<Index> hidden = {64, 64};  ///< hidden widths; none makes the outputs linear in the inputs
  Activation activation = Activation::relu;
  FeatureOrder order = FeatureOrder::natural;
};

template <class S>
class MaskedMlpSteps;

/// The masked autoencoder for distribution estimation, MADE (Germain et al. 2015): [.., d] -> [.., outputs * d].
///
/// Number j * d + i of the output is the j-th that belongs to feature i; it depends only on features that come before
/// i in the order. Unit k of h in a hidden layer has the degree floor(k (d - 1) / h), and sees inputs and units up to
/// its degree; the outputs of the feature in place p see degrees below p (their eq. 12 and 13, degrees from 0 and
/// evenly spread). Throws ValueError for fewer than one feature, output or hidden unit.
template <class S = float>
struct MaskedMlp {
  std::vector<MaskedLinear<S>> layers;  // over features in the order in which they depend on each other
  Buffer<Index> order;                  // order[p] is the feature in place p; empty: the natural order
  Activation activation = Activation::relu;

  MaskedMlp() = default;
  MaskedMlp(const MaskedMlpOptions& options, Rng& rng)
      : activation(options.activation), features_(options.features), outputs_(options.outputs) {
    check(options);
    std::vector<Index> widths{features_};
    widths.insert(widths.end(), options.hidden.begin(), options.hidden.end());
    widths.push_back(outputs_ * features_);
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layers.emplace_back(mask(widths[i], i == 0, widths[i + 1], i + 2 == widths.size()), rng);
    if (options.order == FeatureOrder::random) order = permutation(features_, rng);
  }

  Index features() const { return features_; }
  /// Numbers that come out for each feature.
  Index outputs() const { return outputs_; }
  /// The feature in place p of the order.
  Index feature(Index place) const { return order.empty() ? place : order.data()[place]; }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != features_)
      fail<ShapeError>("MaskedMlp: input of shape ", x.shape(), ", expected [.., ", features_, "]");
    Tensor<S> h = order.empty() ? x : index_select(x, -1, order.tensor());
    for (std::size_t i = 0; i < layers.size(); ++i)
      h = layers[i](h, i + 1 < layers.size() ? activation : Activation::none);
    return order.empty() ? h : index_select(h, -1, places_of_outputs());
  }

  /// The same network evaluated feature by feature for `rows` events: for sampling.
  MaskedMlpSteps<S> steps(Index rows) const { return MaskedMlpSteps<S>(*this, rows); }

  /// Makes the outputs `values` [outputs, d] where all the last layer's inputs are zero: sets its bias.
  void start_at(const Tensor<S>& values) {
    if (!(values.shape() == Shape{outputs_, features_}))
      fail<ShapeError>("MaskedMlp::start_at: got shape ", values.shape(), ", expected ", Shape{outputs_, features_});
    const Tensor<S> in_order = order.empty() ? values : index_select(values, -1, order.tensor());
    layers.back().bias = reshape(in_order, Shape{outputs_ * features_});
  }

  /// The degree of unit k of a hidden layer of `width` units.
  Index degree(Index k, Index width) const { return k * std::max(Index{1}, features_ - 1) / width; }
  /// How many units of a hidden layer of `width` units have a degree up to `most`: the first ones.
  Index units_up_to(Index most, Index width) const {
    const Index degrees = std::max(Index{1}, features_ - 1);
    return most < 0 ? 0 : std::min(width, detail::divide_up((most + 1) * width, degrees));
  }

  static void members(auto& self, auto&& visit) {
    visit("layers", self.layers);
    if (!self.order.empty()) visit("order", self.order);
  }

 private:
  void check(const MaskedMlpOptions& options) const {
    if (features_ < 1) fail<ValueError>("MaskedMlp: .features is ", features_, ", expected at least 1");
    if (outputs_ < 1) fail<ValueError>("MaskedMlp: .outputs is ", outputs_, ", expected at least 1");
    for (Index width : options.hidden)
      if (width < 1) fail<ValueError>("MaskedMlp: .hidden holds ", width, ", expected positive widths");
  }
  // 1 where the degree of an output reaches that of an input.
  Tensor<S> mask(Index in, bool from_features, Index out, bool to_outputs) const {
    return Tensor<S>::generate({out, in}, [&](Index i) {
      const Index row = i / in, column = i % in;
      const Index least = from_features ? column : degree(column, in);
      const Index most = to_outputs ? row % features_ - 1 : degree(row, out);
      return S(least <= most ? 1 : 0);
    });
  }
  // Where the last layer has the number that belongs at each place of the result.
  Tensor<Index> places_of_outputs() const {
    std::vector<Index> places(static_cast<std::size_t>(outputs_ * features_));
    for (Index j = 0; j < outputs_; ++j)
      for (Index p = 0; p < features_; ++p)
        places[static_cast<std::size_t>(j * features_ + order.data()[p])] = j * features_ + p;
    return Tensor<Index>(Shape{outputs_ * features_}, places);
  }

  Index features_ = 0, outputs_ = 0;
};

/// A MaskedMlp that is given its features one by one, in its order, and says what it puts out for the next.
///
/// Every hidden unit is computed once, when the features that it sees are known: all d steps together cost one pass
/// through the network, and give the bits of one. No gradients; the network must outlive it.
template <class S = float>
class MaskedMlpSteps {
 public:
  MaskedMlpSteps(const MaskedMlp<S>& net, Index rows) : net_(net), rows_(rows) {
    values_.push_back(Tensor<S>::zeros({net.features(), rows}));
    for (std::size_t i = 0; i + 1 < net.layers.size(); ++i)
      values_.push_back(Tensor<S>::zeros({net.layers[i].weight.size(0), rows}));
  }

  /// Whether there is a next feature.
  bool more() const { return place_ < net_.features(); }
  /// The next feature.
  Index feature() const { return net_.feature(place_); }
  /// What the network puts out for the next feature: [rows, outputs].
  Tensor<S> outputs() const {
    const Index d = net_.features();
    const Tensor<S> y = units(values_.size() - 1, place_, d, net_.outputs(), known(values_.size() - 1, place_ - 1));
    return transpose(y);
  }
  /// Gives the next feature its values, x[0], x[stride], ... for the rows, and goes on to the one after it.
  void set(const S* x, Index stride) {
    S* const inputs = detail::Access::data(values_[0]) + place_ * rows_;
    for (Index r = 0; r < rows_; ++r) inputs[r] = x[r * stride];
    for (std::size_t layer = 0; layer + 1 < values_.size(); ++layer) compute_hidden(layer);
    ++place_;
  }

 private:
  // How many of the values that go into a layer are known once the feature in place `place` is: the first ones.
  Index known(std::size_t layer, Index place) const {
    return layer == 0 ? place + 1 : net_.units_up_to(place, values_[layer].size(0));
  }
  // `count` units of a layer, from `first` on and `step` apart, from the first `seen` of what goes in: [count, rows].
  // Rows lie along the vectors, so that few units cost little; sums run in the order of the whole network's.
  Tensor<S> units(std::size_t layer, Index first, Index step, Index count, Index seen) const {
    const MaskedLinear<S>& dense = net_.layers[layer];
    const Index in = dense.weight.size(1);
    const Tensor<S> z = Tensor<S>::build({count, rows_}, [&](S* to) {
      for (Index k = 0; k < count; ++k) std::fill_n(to + k * rows_, rows_, dense.bias.data()[first + k * step]);
    });
    if (seen > 0 && !z.empty())
      detail::gemm_in_order(count, rows_, seen, dense.weight.data() + first * in, step * in, values_[layer].data(),
                            rows_, detail::Access::data(z), rows_, detail::GemmOptions{.accumulate = true});
    return z;
  }
  // The units of a hidden layer whose degree is the present place.
  void compute_hidden(std::size_t layer) {
    const Index first = known(layer + 1, place_ - 1), count = known(layer + 1, place_) - first;
    if (count == 0 || rows_ == 0) return;
    const Tensor<S> h = activate(units(layer, first, 1, count, known(layer, place_)), net_.activation);
    std::copy_n(h.data(), h.size(), detail::Access::data(values_[layer + 1]) + first * rows_);
  }

  const MaskedMlp<S>& net_;
  Index rows_, place_ = 0;
  std::vector<Tensor<S>> values_;  // the inputs in their order, then every hidden layer: [width, rows]
};

}  // namespace pushforward
