// MadeEnsemble: one set of weights that serves several orders and masks, and the mean of their densities.
#pragma once

#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include <pushforward/models/autoregressive.hpp>
#include <pushforward/models/autoregressive/arranged_mlp.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/objectives/objective.hpp>

namespace pushforward {

/// How a MadeEnsemble is built.
struct MadeEnsembleOptions {
  Index features = 0;                         ///< numbers per event
  Index members = 8;                          ///< orders and masks
  std::vector<Index> hidden = {128};          ///< hidden widths of the network
  Activation activation = Activation::relu;   ///< of the network
  FeatureOrder order = FeatureOrder::random;  ///< natural: all members in the same order, each with masks of its own
};

/// A MADE that was trained in several orders with several masks (order-agnostic and connectivity-agnostic training,
/// Germain et al. 2015, section 4), whose density is the mean of its k members':
///
///     p(x) = 1/k sum_m p_m(x)
///
/// Each member is an exact autoregressive density of its own, `member(m)`, on the same weights. Train it with
/// `any_order_mle`, which takes another member for each batch. With random orders it can complete whatever is missing,
/// by the member that sees most of what is known. Throws ValueError for fewer than one feature, member or hidden unit.
template <class Conditional, class S = float>
class MadeEnsemble {
 public:
  using Scalar = S;
  /// A member: a density and a model of its own, whose gradients go to the ensemble's weights.
  using Member = Autoregressive<ArrangedMlp<S>, Conditional>;

  MadeEnsemble(const Conditional& conditional, const MadeEnsembleOptions& options, Rng& rng)
      : conditional_(conditional), activation_(options.activation), order_(options.order), hidden_(options.hidden) {
    const Index d = options.features;
    if (d < 1) fail<ValueError>("MadeEnsemble: .features is ", d, ", expected at least 1");
    if (options.members < 1) fail<ValueError>("MadeEnsemble: .members is ", options.members, ", expected at least 1");
    for (Index width : hidden_)
      if (width < 1) fail<ValueError>("MadeEnsemble: .hidden holds ", width, ", expected positive widths");
    std::vector<Index> widths{d};
    widths.insert(widths.end(), hidden_.begin(), hidden_.end());
    widths.push_back(conditional.parameters() * d);
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) layers_.emplace_back(widths[i], widths[i + 1], rng);
    store(d, options.members, rng);
    initialized_ = Tensor<S>::zeros({1});
  }

  Index features() const { return orders_.size(1); }
  /// How many members there are.
  Index size() const { return orders_.size(0); }
  const Conditional& conditional() const { return conditional_; }

  /// Member m: `parameters`, `log_prob`, `sample`, `complete`. Throws IndexError.
  Member member(Index m) const {
    if (m < 0 || m >= size()) fail<IndexError>("MadeEnsemble::member: got ", m, ", expected 0 .. ", size() - 1);
    Arrangement arrangement;
    const Index* const order = orders_.data() + m * features();
    arrangement.order.assign(order, order + features());
    const Index* degree = degrees_.data() + m * degrees_.size(1);
    for (const Index width : hidden_) {
      arrangement.degrees.emplace_back(degree, degree + width);
      degree += width;
    }
    return arranged(std::move(arrangement));
  }
  /// The same weights in an order of your own, a permutation of the features, with masks at random. Throws ValueError.
  Member in_order(const std::vector<Index>& order, Rng& rng) const {
    std::vector<Index> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (Index i = 0; i < features(); ++i)
      if (static_cast<Index>(sorted.size()) != features() || sorted[static_cast<std::size_t>(i)] != i)
        fail<ValueError>("MadeEnsemble::in_order: the order does not hold each of the ", features(), " features once");
    return arranged(Arrangement::random(order, hidden_, rng));
  }
  /// In a new order (where members have orders of their own) and with new masks.
  Member another(Rng& rng) const { return arranged(Arrangement::random(new_order(features(), rng), hidden_, rng)); }

  /// The parameters of all conditionals of every member at x: x [.., d] -> [.., k, P, d]. Which numbers come before a
  /// number is another matter for each of them: `member(m).element(place)`.
  Tensor<S> parameters(const Tensor<S>& x) const {
    std::vector<Tensor<S>> each;
    for (Index m = 0; m < size(); ++m) each.push_back(member(m).parameters(x));
    return stack(each, -3);
  }
  /// log p(x) in nats: x [.., d] -> [..]; a pass for each member.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    std::vector<Tensor<S>> each;
    for (Index m = 0; m < size(); ++m) each.push_back(member(m).log_prob(x));
    return logsumexp(stack(each, 0), 0) - std::log(static_cast<double>(size()));
  }

  /// n draws, [n, d], as constants: each from a member at random.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    std::map<Index, std::vector<Index>> rows;  // of each member
    const Shape shape = detail::batched(n, Shape{features()});
    for (Index r = 0; r < n; ++r) rows[rng.uniform_index(size())].push_back(r);
    return Tensor<S>::build(shape, [&](S* out) {
      for (const auto& [m, of_member] : rows)
        put(member(m).sample(static_cast<Index>(of_member.size()), rng, options), of_member, out);
    });
  }
  /// x [n, d] with its unknown numbers drawn; `known` [n, d] or [d] is 1 where x is given and 0 where it is not.
  ///
  /// By the member whose order has the known numbers before most of the unknown ones, one at random if there are more
  /// of them; what a member has later it does not see. A set of network passes for each pattern of what is known.
  ///
  /// `in_order` completes in any other order, as one in which the known numbers come first. That is worth it after
  /// training with `AnyOrderLikelihood{.fresh = true}` only, and then where what is known is scattered: the weights
  /// know no orders but those they were trained in. Throws ShapeError, and ValueError for known numbers that the
  /// conditional cannot hold.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    if (x.rank() != 2) fail<ShapeError>("MadeEnsemble::complete: x of shape ", x.shape(), ", expected [n, d]");
    detail::check_features("MadeEnsemble::complete", x.shape(), features());
    const NoGradient guard;
    const Index d = features();
    const Tensor<S> given = expand(known, x.shape());
    detail::check_known("MadeEnsemble", conditional_, x, given);
    std::map<std::vector<bool>, std::vector<Index>> patterns;
    for (Index r = 0; r < x.size(0); ++r) {
      std::vector<bool> pattern;
      for (Index i = 0; i < d; ++i) pattern.push_back(given.data()[r * d + i] != S(0));
      patterns[pattern].push_back(r);
    }
    return Tensor<S>::build(x.shape(), [&](S* out) {
      for (const auto& entry : patterns) {
        const std::vector<bool>& pattern = entry.first;
        const Tensor<Index> rows({static_cast<Index>(entry.second.size())}, entry.second);
        const Tensor<S> mask =
            Tensor<S>::generate({d}, [&](Index i) { return S(pattern[static_cast<std::size_t>(i)]); });
        const Tensor<S> given_rows = index_select(stop_gradient(x), 0, rows);
        put(member(completing(pattern, rng)).complete(given_rows, mask, rng, options), entry.second, out);
      }
    });
  }

  /// Starts the model at the marginal distributions of a batch [n, d], once, where the conditional knows them; `fit`
  /// calls it with the first batch.
  void initialize(const Tensor<S>& batch) {
    if constexpr (requires { conditional_.marginals(batch); }) {
      if (initialized_.item() != S(0) || batch.empty()) return;
      detail::check_features("MadeEnsemble::initialize", batch.shape(), features());
      const NoGradient guard;
      const Tensor<S> values = conditional_.marginals(reshape(batch, Shape{batch.size() / features(), features()}));
      layers_.back().bias = reshape(values, Shape{values.size()});
      initialized_ = Tensor<S>::ones({1});
    }
  }

  static void members(auto& self, auto&& visit) {
    visit("layers", self.layers_);
    visit("orders", self.orders_);
    if (!self.hidden_.empty()) visit("degrees", self.degrees_);
    visit("initialized", self.initialized_);
  }

 private:
  void store(Index d, Index members, Rng& rng) {
    std::vector<Index> orders, degrees;
    for (Index m = 0; m < members; ++m) {
      const Arrangement arrangement = Arrangement::random(new_order(d, rng), hidden_, rng);
      orders.insert(orders.end(), arrangement.order.begin(), arrangement.order.end());
      for (const auto& layer : arrangement.degrees) degrees.insert(degrees.end(), layer.begin(), layer.end());
    }
    orders_ = Tensor<Index>(Shape{members, d}, orders);
    degrees_ = Tensor<Index>(Shape{members, static_cast<Index>(degrees.size()) / members}, degrees);
  }
  std::vector<Index> new_order(Index d, Rng& rng) const {
    if (order_ == FeatureOrder::random) return permutation(d, rng).to_vector();
    std::vector<Index> order(static_cast<std::size_t>(d));
    std::iota(order.begin(), order.end(), Index{0});
    return order;
  }
  Member arranged(Arrangement arrangement) const {
    std::vector<Tensor<S>> weights, biases;
    for (const Linear<S>& layer : layers_) {
      weights.push_back(layer.weight.tensor());
      biases.push_back(layer.bias.tensor());
    }
    return Member(ArrangedMlp<S>(weights, biases, activation_, std::move(arrangement)), conditional_);
  }
  // A member in which the most pairs of a known and an unknown feature stand in this order.
  Index completing(const std::vector<bool>& pattern, Rng& rng) const {
    std::vector<Index> best;
    Index most = -1;
    for (Index m = 0; m < size(); ++m) {
      Index known = 0, pairs = 0;
      for (Index place = 0; place < features(); ++place) {
        const bool here = pattern[static_cast<std::size_t>(orders_.data()[m * features() + place])];
        (here ? known : pairs) += here ? 1 : known;
      }
      if (pairs > most) best.clear();
      if (pairs >= most) best.push_back(m);
      most = std::max(most, pairs);
    }
    return best[static_cast<std::size_t>(rng.uniform_index(static_cast<Index>(best.size())))];
  }
  void put(const Tensor<S>& from, const std::vector<Index>& rows, S* out) const {
    for (std::size_t r = 0; r < rows.size(); ++r)
      std::copy_n(from.data() + static_cast<Index>(r) * features(), features(), out + rows[r] * features());
  }

  Conditional conditional_;
  Activation activation_;
  FeatureOrder order_;
  std::vector<Index> hidden_;
  std::vector<Linear<S>> layers_;
  Buffer<Index> orders_, degrees_;  // [members, d], [members, hidden units]
  Buffer<S> initialized_;           // 0 or 1, saved with the weights
};

/// What `any_order_mle` is.
struct AnyOrderLikelihood {
  bool fresh = false;  ///< a new order and new masks for each batch instead of those of a member

  template <class Model, class S>
  Tensor<S> operator()(const Model& model, const Tensor<S>& batch, Rng& rng, const ExampleMean& over = {}) const {
    return -over((fresh ? model.another(rng) : model.member(rng.uniform_index(model.size()))).log_prob(batch));
  }
};

/// The objective that trains a MadeEnsemble: - mean of log p_m(x) of a member m at random for each batch, in nats per
/// example. Its mean over the members is an upper bound of `mle` (Jensen). `AnyOrderLikelihood{.fresh = true}` draws
/// new orders and masks for ever instead of going through those of the members: for `another` and `in_order`, at the
/// cost of the members.
inline constexpr AnyOrderLikelihood any_order_mle{};

/// A MadeEnsemble with conditionals of your own.
template <class S = float, class Conditional>
MadeEnsemble<Conditional, S> made_ensemble(const Conditional& conditional, const MadeEnsembleOptions& options,
                                           Rng& rng) {
  return MadeEnsemble<Conditional, S>(conditional, options, rng);
}
/// A MadeEnsemble over binary numbers: `made_ensemble({.features = 784, .members = 8, .hidden = {500}}, rng)`.
template <class S = float>
MadeEnsemble<BernoulliConditional, S> made_ensemble(const MadeEnsembleOptions& options, Rng& rng) {
  return MadeEnsemble<BernoulliConditional, S>(BernoulliConditional{}, options, rng);
}

}  // namespace pushforward
