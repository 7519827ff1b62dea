// ArrangedMlp: a masked network whose order and connections are chosen for each use of the same weights.
#pragma once

#include <algorithm>
#include <vector>

#include <pushforward/nn/linear_in_order.hpp>
#include <pushforward/nn/masked_linear.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward {

/// In which order a masked network takes its features, and which of them its hidden units see.
struct Arrangement {
  std::vector<Index> order;                 ///< order[p] is the feature in place p
  std::vector<std::vector<Index>> degrees;  ///< of the units of each hidden layer: they see places up to their degree

  /// Degrees at random: each uniform from the least one of the layer before to the last place but one (Germain et al.
  /// 2015, section 4).
  static Arrangement random(std::vector<Index> order, const std::vector<Index>& hidden, Rng& rng) {
    Arrangement result{std::move(order), {}};
    const Index most = std::max(Index{0}, static_cast<Index>(result.order.size()) - 2);
    Index least = 0;
    for (const Index width : hidden) {
      std::vector<Index> layer;
      for (Index k = 0; k < width; ++k) layer.push_back(least + rng.uniform_index(most - least + 1));
      least = *std::min_element(layer.begin(), layer.end());
      result.degrees.push_back(std::move(layer));
    }
    return result;
  }
};

namespace detail {

// The weights [out, in] where the degree of an input is at most that of the output, zero elsewhere; degrees as numbers,
// so that the loop is vectorized.
template <class S>
Tensor<S> masked_by_degree(const Tensor<S>& weight, const Tensor<S>& outputs, const Tensor<S>& inputs) {
  const Index out = outputs.size(), in = inputs.size();
  Tensor<S> w = Access::allocate<S>(weight.shape());
  parallel_for(out, std::max(Index{1}, elementwise_grain / std::max(Index{1}, in)), [&](Index begin, Index end) {
    for (Index o = begin; o < end; ++o)
      map_serial([most = outputs.data()[o]](S x, S degree) { return degree <= most ? x : S(0); }, in,
                 Access::data(w) + o * in, weight.data() + o * in, inputs.data());
  });
  return record("masked_by_degree", std::move(w),
                edge(weight, [outputs, inputs](const Tensor<S>& g) { return masked_by_degree(g, outputs, inputs); }));
}

// The units of a layer in the order in which they are computed, with their weights; those of step p are numbers
// [begin[p], begin[p + 1]).
template <class S>
struct ArrangedLayer {
  Tensor<S> weight, bias;  // [units, in], [units]
  std::vector<Index> units, begin;

  ArrangedLayer(const Tensor<S>& w, const Tensor<S>& b, const std::vector<Index>& step_of_unit, Index steps)
      : begin(static_cast<std::size_t>(steps + 1)) {
    for (Index k = 0; k < b.size(); ++k) units.push_back(k);
    auto step = [&](Index k) { return step_of_unit[static_cast<std::size_t>(k)]; };
    std::stable_sort(units.begin(), units.end(), [&](Index i, Index j) { return step(i) < step(j); });
    for (Index k : units) ++begin[static_cast<std::size_t>(step(k) + 1)];
    for (std::size_t p = 1; p < begin.size(); ++p) begin[p] += begin[p - 1];
    const Tensor<Index> rows({b.size()}, units);
    weight = index_select(stop_gradient(w), 0, rows);
    bias = index_select(stop_gradient(b), 0, rows);
  }

  // The units of step p for values [in, rows]: [count, rows]. Sums run over all inputs in the order of a whole pass;
  // what is not known yet is zero, as are its weights.
  Tensor<S> compute(Index p, const Tensor<S>& values) const {
    const Index first = begin[static_cast<std::size_t>(p)], count = begin[static_cast<std::size_t>(p + 1)] - first;
    const Index in = weight.size(1), rows = values.size(1);
    const Tensor<S> z = Tensor<S>::build({count, rows}, [&](S* to) {
      for (Index k = 0; k < count; ++k) std::fill_n(to + k * rows, rows, bias.data()[first + k]);
    });
    if (!z.empty())
      gemm_in_order(count, rows, in, weight.data() + first * in, in, values.data(), rows, Access::data(z), rows,
                    GemmOptions{.accumulate = true});
    return z;
  }
};

}  // namespace detail

template <class S>
class ArrangedMlpSteps;

/// A masked multilayer perceptron [.., d] -> [.., outputs * d] in one arrangement of the weights that it is given:
/// number j * d + i of its output depends only on features before i in the order.
///
/// It holds tensors, not parameters: gradients go to where the weights came from. Weights are [out, in], the last layer
/// has outputs * d rows.
template <class S = float>
class ArrangedMlp {
 public:
  using Scalar = S;

  ArrangedMlp(const std::vector<Tensor<S>>& weights, std::vector<Tensor<S>> biases, Activation activation,
              Arrangement arrangement)
      : biases_(std::move(biases)), activation_(activation), arrangement_(std::move(arrangement)) {
    for (std::size_t layer = 0; layer < weights.size(); ++layer) {
      std::vector<Index> seen = layer == 0 ? places() : arrangement_.degrees[layer - 1], sees;
      if (layer + 1 < weights.size()) {
        sees = arrangement_.degrees[layer];
      } else {
        const std::vector<Index> place = places();
        for (Index i = 0; i < biases_.back().size(); ++i)
          sees.push_back(place[static_cast<std::size_t>(i % features())] - 1);
      }
      weights_.push_back(detail::masked_by_degree(weights[layer], as_numbers(sees), as_numbers(seen)));
    }
  }

  Index features() const { return static_cast<Index>(arrangement_.order.size()); }
  /// Numbers that come out for each feature.
  Index outputs() const { return biases_.back().size() / features(); }
  /// The feature in place p of the order.
  Index feature(Index place) const { return arrangement_.order[static_cast<std::size_t>(place)]; }
  const Arrangement& arrangement() const { return arrangement_; }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != features())
      fail<ShapeError>("ArrangedMlp: input of shape ", x.shape(), ", expected [.., ", features(), "]");
    Tensor<S> h = x;
    for (std::size_t layer = 0; layer < weights_.size(); ++layer)
      h = detail::linear_in_order(h, weights_[layer], biases_[layer],
                                  layer + 1 < weights_.size() ? activation_ : Activation::none);
    return h;
  }
  /// The same network evaluated feature by feature for `rows` events: for sampling.
  ArrangedMlpSteps<S> steps(Index rows) const { return ArrangedMlpSteps<S>(*this, rows); }

  static void members(auto&, auto&&) {}

 private:
  friend class ArrangedMlpSteps<S>;

  // The place of each feature in the order.
  std::vector<Index> places() const {
    std::vector<Index> result(arrangement_.order.size());
    for (Index place = 0; place < features(); ++place) result[static_cast<std::size_t>(feature(place))] = place;
    return result;
  }
  static Tensor<S> as_numbers(const std::vector<Index>& degrees) {
    return Tensor<S>::generate({static_cast<Index>(degrees.size())},
                               [&](Index i) { return static_cast<S>(degrees[static_cast<std::size_t>(i)]); });
  }

  std::vector<Tensor<S>> weights_, biases_;
  Activation activation_;
  Arrangement arrangement_;
};

/// An ArrangedMlp that is given its features one by one, in its order, and says what it puts out for the next: the bits
/// of a whole pass, at the cost of about one for all features together.
template <class S = float>
class ArrangedMlpSteps {
 public:
  ArrangedMlpSteps(const ArrangedMlp<S>& net, Index rows) : net_(net) {
    const Index d = net.features();
    for (std::size_t layer = 0; layer < net.weights_.size(); ++layer) {
      const bool last = layer + 1 == net.weights_.size();
      std::vector<Index> steps = last ? net.places() : net.arrangement_.degrees[layer];
      for (Index i = d; last && i < d * net.outputs(); ++i) steps.push_back(steps[static_cast<std::size_t>(i % d)]);
      layers_.emplace_back(net.weights_[layer], net.biases_[layer], steps, d);
      values_.push_back(Tensor<S>::zeros({net.weights_[layer].size(1), rows}));
    }
  }

  /// Whether there is a next feature.
  bool more() const { return place_ < net_.features(); }
  /// The next feature.
  Index feature() const { return net_.feature(place_); }
  /// What the network puts out for the next feature: [rows, outputs].
  Tensor<S> outputs() const { return transpose(layers_.back().compute(place_, values_.back())); }
  /// Gives the next feature its values, x[0], x[stride], ... for the rows, and goes on to the one after it.
  void set(const S* x, Index stride) {
    const Index rows = values_[0].size(1);
    S* const inputs = detail::Access::data(values_[0]) + feature() * rows;
    for (Index r = 0; r < rows; ++r) inputs[r] = x[r * stride];
    for (std::size_t layer = 0; layer + 1 < layers_.size(); ++layer) {
      const Tensor<S> h = activate(layers_[layer].compute(place_, values_[layer]), net_.activation_);
      const Index first = layers_[layer].begin[static_cast<std::size_t>(place_)];
      for (Index k = 0; k < h.size(0); ++k)
        std::copy_n(h.data() + k * rows, rows,
                    detail::Access::data(values_[layer + 1]) +
                        layers_[layer].units[static_cast<std::size_t>(first + k)] * rows);
    }
    ++place_;
  }

 private:
  const ArrangedMlp<S>& net_;
  Index place_ = 0;
  std::vector<detail::ArrangedLayer<S>> layers_;
  std::vector<Tensor<S>> values_;  // the inputs, then every hidden layer: [width, rows]
};

}  // namespace pushforward
