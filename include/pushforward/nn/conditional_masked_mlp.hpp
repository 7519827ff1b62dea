// ConditionalMaskedMlp: a MaskedMlp whose outputs also depend on a context, without restriction.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/nn/masked_linear.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// How a ConditionalMaskedMlp is built.
struct ConditionalMaskedMlpOptions {
  Index features = 0;                    ///< numbers per event
  Index context = 0;                     ///< numbers per context
  Index outputs = 1;                     ///< numbers that come out for each feature
  std::vector<Index> hidden = {64, 64};  ///< hidden widths; none makes the outputs linear in the inputs
  Activation activation = Activation::relu;
  std::vector<Index> order = {};  ///< order[p] is the feature in place p, as a permutation has it; empty: 0, 1, 2, ...
};

template <class S>
class ConditionalMaskedMlpSteps;

/// The masked autoencoder for distribution estimation, MADE (Germain et al. 2015), of a conditional density: x [.., d]
/// and a context [c], or [.., c] that broadcasts to the leading axes of x -> [.., outputs * d].
///
/// Number j * d + i of the output is the j-th that belongs to feature i; it depends on the context and on features that
/// come before i in the order. The context comes before them all: unit k of h in a hidden layer has the degree
/// floor(k d / h), sees the whole context, that many features and units up to its degree; the outputs of the feature in
/// place p see degrees up to p. So the first feature, too, is a nonlinear function of the context. Throws ValueError
/// for fewer than one feature, number of context, output or hidden unit, and for an order that is no permutation.
template <class S = float>
struct ConditionalMaskedMlp {
  std::vector<MaskedLinear<S>> layers;  // over the context, then the features in their order
  Buffer<Index> order, places;          // of the features, and of the outputs; empty: the natural order
  Activation activation = Activation::relu;

  ConditionalMaskedMlp() = default;
  ConditionalMaskedMlp(const ConditionalMaskedMlpOptions& options, Rng& rng)
      : activation(options.activation),
        features_(options.features),
        context_(options.context),
        outputs_(options.outputs) {
    check(options);
    std::vector<Index> widths{context_ + features_};
    widths.insert(widths.end(), options.hidden.begin(), options.hidden.end());
    widths.push_back(outputs_ * features_);
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layers.emplace_back(mask(widths[i], i == 0, widths[i + 1], i + 2 == widths.size()), rng);
    if (!options.order.empty()) set_order(options.order);
  }

  Index features() const { return features_; }
  /// Numbers per context.
  Index context() const { return context_; }
  /// Numbers that come out for each feature.
  Index outputs() const { return outputs_; }
  /// The feature in place p of the order.
  Index feature(Index place) const { return order.empty() ? place : order.data()[place]; }

  Tensor<S> operator()(const Tensor<S>& x, const Tensor<S>& given) const {
    if (x.rank() == 0 || x.size(-1) != features_)
      fail<ShapeError>("ConditionalMaskedMlp: input of shape ", x.shape(), ", expected [.., ", features_, "]");
    const Shape expected = x.shape().with(-1, context_);
    if (given.rank() == 0 || !(broadcast(given.shape(), expected, "ConditionalMaskedMlp") == expected))
      fail<ShapeError>("ConditionalMaskedMlp: context of shape ", given.shape(), " for input ", x.shape(),
                       ", expected ", expected, " or what broadcasts to it");
    Tensor<S> h = concat({expand(given, expected), order.empty() ? x : index_select(x, -1, order.tensor())}, -1);
    for (std::size_t i = 0; i < layers.size(); ++i)
      h = layers[i](h, i + 1 < layers.size() ? activation : Activation::none);
    return order.empty() ? h : index_select(h, -1, places.tensor());
  }

  /// The same network evaluated feature by feature for events with contexts [rows, c]: for sampling.
  ConditionalMaskedMlpSteps<S> steps(const Tensor<S>& contexts) const {
    return ConditionalMaskedMlpSteps<S>(*this, contexts);
  }

  /// How many units of a hidden layer of `width` units have a degree up to `most`: the first ones.
  Index units_up_to(Index most, Index width) const {
    return most < 0 ? 0 : std::min(width, detail::divide_up((most + 1) * width, features_));
  }

  static void members(auto& self, auto&& visit) {
    visit("layers", self.layers);
    if (!self.order.empty()) {
      visit("order", self.order);
      visit("places", self.places);
    }
  }

 private:
  void check(const ConditionalMaskedMlpOptions& options) const {
    const auto positive = [](const char* name, Index value) {
      if (value < 1) fail<ValueError>("ConditionalMaskedMlp: ", name, " is ", value, ", expected at least 1");
    };
    positive(".features", features_);
    positive(".context", context_);
    positive(".outputs", outputs_);
    for (Index width : options.hidden) positive("a width of .hidden", width);
  }
  void set_order(const std::vector<Index>& wanted) {
    std::vector<Index> sorted = wanted, at(static_cast<std::size_t>(outputs_ * features_));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t p = 0; p < sorted.size(); ++p)
      if (sorted[p] != static_cast<Index>(p) || static_cast<Index>(sorted.size()) != features_)
        fail<ValueError>("ConditionalMaskedMlp: .order does not hold each of ", features_, " features once");
    for (Index j = 0; j < outputs_; ++j)
      for (Index p = 0; p < features_; ++p)
        at[static_cast<std::size_t>(j * features_ + wanted[static_cast<std::size_t>(p)])] = j * features_ + p;
    order = Tensor<Index>({features_}, wanted);
    places = Tensor<Index>({outputs_ * features_}, at);
  }
  Index degree(Index k, Index width) const { return k * features_ / width; }
  // 1 where an output may see an input: the context has degree 0, the feature in place p the degree p + 1.
  Tensor<S> mask(Index in, bool from_inputs, Index out, bool to_outputs) const {
    return Tensor<S>::generate({out, in}, [&](Index i) {
      const Index row = i / in, column = i % in;
      const Index least = from_inputs ? std::max(Index{0}, column - context_ + 1) : degree(column, in);
      const Index most = to_outputs ? row % features_ : degree(row, out);
      return S(least <= most ? 1 : 0);
    });
  }

  Index features_ = 0, context_ = 0, outputs_ = 0;
};

/// A ConditionalMaskedMlp that is given its features one by one, in its order, and says what it puts out for the next.
///
/// Every hidden unit is computed once, when the features that it sees are known: all d steps together cost one pass
/// through the network. No gradients; the network must outlive it.
template <class S = float>
class ConditionalMaskedMlpSteps {
 public:
  ConditionalMaskedMlpSteps(const ConditionalMaskedMlp<S>& net, const Tensor<S>& contexts) : net_(net) {
    if (contexts.rank() != 2 || contexts.size(1) != net.context())
      fail<ShapeError>("ConditionalMaskedMlpSteps: contexts of shape ", contexts.shape(), ", expected [rows, ",
                       net.context(), "]");
    rows_ = contexts.size(0);
    values_.push_back(concat({stop_gradient(contexts), Tensor<S>::zeros({rows_, net.features()})}, 1));
    for (std::size_t i = 0; i + 1 < net.layers.size(); ++i)
      values_.push_back(Tensor<S>::zeros({rows_, net.layers[i].weight.size(0)}));
    compute_units();
  }

  /// Whether there is a next feature.
  bool more() const { return place_ < net_.features(); }
  /// The next feature.
  Index feature() const { return net_.feature(place_); }
  /// What the network puts out for the next feature: [rows, outputs].
  Tensor<S> outputs() const {
    const Index d = net_.features();
    const MaskedLinear<S>& last = net_.layers.back();
    const Index in = last.weight.size(1);
    const Tensor<S> bias =
        Tensor<S>::generate({net_.outputs()}, [&](Index j) { return last.bias.data()[j * d + place_]; });
    Tensor<S> y = detail::Access::allocate<S>({rows_, net_.outputs()});
    if (rows_ == 0) return y;
    detail::gemm(rows_, net_.outputs(), known(values_.size() - 1, place_), values_.back().data(), in,
                 last.weight.data() + place_ * in, d * in, detail::Access::data(y), net_.outputs(),
                 detail::GemmOptions{.transpose_b = true}, bias.data());
    return y;
  }
  /// Gives the next feature its values, x[0], x[stride], ... for the rows, and goes on to the one after it.
  void set(const S* x, Index stride) {
    S* const inputs = detail::Access::data(values_[0]);
    const Index width = net_.context() + net_.features();
    for (Index r = 0; r < rows_; ++r) inputs[r * width + net_.context() + place_] = x[r * stride];
    ++place_;
    if (more()) compute_units();
  }

 private:
  // How many of the values that go into a layer have a degree up to `degree`: the first ones.
  Index known(std::size_t layer, Index degree) const {
    return layer == 0 ? net_.context() + degree : net_.units_up_to(degree, values_[layer].size(1));
  }
  // The units of all hidden layers whose degree is the present place.
  void compute_units() {
    for (std::size_t layer = 0; layer + 1 < values_.size() && rows_ > 0; ++layer) {
      const Index width = values_[layer + 1].size(1), first = net_.units_up_to(place_ - 1, width);
      const Index count = known(layer + 1, place_) - first;
      if (count == 0) continue;
      const MaskedLinear<S>& dense = net_.layers[layer];
      const Index in = dense.weight.size(1);
      Tensor<S> z = detail::Access::allocate<S>({rows_, count});
      detail::gemm(rows_, count, known(layer, place_), values_[layer].data(), in, dense.weight.data() + first * in, in,
                   detail::Access::data(z), count, detail::GemmOptions{.transpose_b = true}, dense.bias.data() + first);
      const Tensor<S> h = activate(z, net_.activation);
      S* const to = detail::Access::data(values_[layer + 1]) + first;
      for (Index r = 0; r < rows_; ++r) std::copy_n(h.data() + r * count, count, to + r * width);
    }
  }

  const ConditionalMaskedMlp<S>& net_;
  Index rows_ = 0, place_ = 0;
  std::vector<Tensor<S>> values_;  // the context and the features in their order, then every hidden layer
};

}  // namespace pushforward
