// WaveNet: sequences of numbers, each conditioned on a long past by dilated causal convolutions.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <vector>

#include <pushforward/models/autoregressive/wave_net_steps.hpp>
#include <pushforward/models/conditionals.hpp>

namespace pushforward {

namespace detail {

// The options with what follows from others filled in. Throws ValueError.
inline WaveNetOptions checked_wave_net(WaveNetOptions o) {
  if (o.gates == 0) o.gates = o.channels;
  if (o.skip == 0) o.skip = 2 * o.channels;
  if (o.kernel < 2) fail<ValueError>("WaveNet: .kernel is ", o.kernel, ", expected at least 2 taps");
  if (o.layers < 1 || o.layers > 24)
    fail<ValueError>("WaveNet: .layers is ", o.layers, ", expected 1 to 24 in a stack: dilations double");
  if (o.stacks < 1) fail<ValueError>("WaveNet: .stacks is ", o.stacks, ", expected at least 1");
  if (o.channels < 1 || o.gates < 1 || o.skip < 1 || o.length < 1)
    fail<ValueError>("WaveNet: got .channels ", o.channels, ", .gates ", o.gates, ", .skip ", o.skip, " and .length ",
                     o.length, ", expected at least 1 each");
  if (o.classes < 0 || o.global < 0 || o.local < 0)
    fail<ValueError>("WaveNet: got .classes ", o.classes, ", .global ", o.global, " and .local ", o.local,
                     ", expected 0 (for none) or more");
  return o;
}

}  // namespace detail

/// WaveNet (van den Oord et al. 2016): log p(x) = sum over t of log p(x_t | x_1 .. x_t-1, conditions), exact.
///
/// Blocks of dilated causal convolutions pass on h + W z and give W' z to the head, with
///
///     z = tanh(F * h + V g + U c) sigmoid(F' * h + V' g + U' c)
///
/// where g is what the whole sequence is conditioned on (labels, a vector) and c a sequence beside it (their eq. 2 and
/// section 2.5). Data x is [n, t], of any length t: levels 0 .. K - 1 as numbers, such as `data::mu_law_encode` gives
/// (CategoricalConditional, the default), or real numbers with another conditional. Weights of layers are those of
/// CausalConv1d and Conv1d. Drawing costs one column of the layers for each number (WaveNetSteps).
template <class S = float, class Conditional = CategoricalConditional>
class WaveNet {
 public:
  using Scalar = S;
  using Condition = WaveNetCondition<S>;
  static constexpr bool categorical = std::is_same_v<Conditional, CategoricalConditional>;

  /// A model of levels. Throws ValueError for options out of range: fewer than 2 levels or taps, no layers ..
  WaveNet(const WaveNetOptions& options, Rng& rng) requires categorical
      : WaveNet(CategoricalConditional(options.levels), options, rng) {}
  /// A model with a conditional of your own; `.levels` is not used. Throws ValueError.
  WaveNet(Conditional conditional, const WaveNetOptions& options, Rng& rng)
      : conditional_(std::move(conditional)),
        options_(detail::checked_wave_net(options)),
        initialized_(Tensor<S>::zeros({1})) {
    options_.levels = categorical ? conditional_.parameters() : 0;
    layers_ = WaveNetLayers<S>(options_, conditional_.parameters(), rng);
  }

  const Conditional& conditional() const { return conditional_; }
  const WaveNetLayers<S>& layers() const { return layers_; }
  /// What it was built with, numbers that follow from others filled in.
  const WaveNetOptions& options() const { return options_; }
  /// How many classes a label can name; 0: the density has none.
  Index classes() const { return options_.classes; }
  /// How many numbers before it each one is conditioned on: 1 + stacks (kernel - 1) (2^layers - 1).
  Index receptive_field() const {
    return 1 + options_.stacks * (options_.kernel - 1) * ((Index{1} << options_.layers) - 1);
  }

  /// The parameters of every conditional: x [n, t] -> [n, P, t]. Throws ShapeError, and ValueError for no level.
  Tensor<S> parameters(const Tensor<S>& x, const Condition& condition = {}) const {
    check_data("WaveNet", x);
    check_condition("WaveNet", condition, x.size(0), x.size(1));
    check_levels(x);
    return layers_(x, whole(condition), condition.local);
  }
  Tensor<S> parameters(const Tensor<S>& x, const Tensor<Index>& labels) const {
    return parameters(x, Condition{.labels = labels});
  }
  template <std::same_as<S> T>
  Tensor<S> parameters(const Tensor<S>& x, const Tensor<T>& given) const {
    return parameters(x, numbers(given));
  }

  /// log p(x | condition) in nats: x [n, t] -> [n]. Throws ShapeError, ValueError.
  Tensor<S> log_prob(const Tensor<S>& x, const Condition& condition = {}) const {
    return conditional_.log_prob(parameters(x, condition), x);
  }
  /// The same for labels [n].
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<Index>& labels) const {
    return log_prob(x, Condition{.labels = labels});
  }
  /// The same for numbers: a sequence beside each, [n, local, t], or a vector, [n, global].
  template <std::same_as<S> T>
  Tensor<S> log_prob(const Tensor<S>& x, const Tensor<T>& given) const {
    return log_prob(x, numbers(given));
  }
  /// log p(x | y, condition) of every class y in nats: x [n, t] -> [n, classes], for a condition without labels. Throws
  /// ValueError for a model without classes.
  Tensor<S> log_prob_by_class(const Tensor<S>& x, const Condition& condition = {}) const {
    if (classes() == 0)
      fail<ValueError>("WaveNet::log_prob_by_class: the model has no classes; build it with .classes");
    if (!condition.labels.empty())
      fail<ValueError>("WaveNet::log_prob_by_class: got labels, expected a condition without; every class is scored");
    check_data("WaveNet::log_prob_by_class", x);
    std::vector<Tensor<S>> each;
    for (Index label = 0; label < classes(); ++label) {
      const Tensor<Index> labels = Tensor<Index>::full(Shape{x.size(0)}, label);
      each.push_back(log_prob(x, Condition{labels, condition.global, condition.local}));
    }
    return stack(each, 1);
  }

  /// n draws of `.length` numbers, [n, length], as constants. Throws ValueError for a model that needs a condition.
  Tensor<S> sample(Index n, Rng& rng, const DrawOptions& options = {}) const {
    if (n < 0) fail<ValueError>("WaveNet::sample: got ", n, " draws, expected 0 or more");
    return draw(n, options_.length, Condition{}, rng, options);
  }
  /// One draw for each label [n]: [n, length].
  Tensor<S> sample(const Tensor<Index>& labels, Rng& rng, const DrawOptions& options = {}) const {
    return sample(Condition{.labels = labels}, rng, options);
  }
  /// One draw for each vector [n, global], or for each sequence beside, [n, local, t].
  template <std::same_as<S> T>
  Tensor<S> sample(const Tensor<T>& given, Rng& rng, const DrawOptions& options = {}) const {
    return sample(numbers(given), rng, options);
  }
  /// One draw for each row of the condition, as long as its sequence, or `.length` numbers without one.
  Tensor<S> sample(const Condition& condition, Rng& rng, const DrawOptions& options = {}) const {
    const bool along = condition.local.rank() == 3;
    const Index n = along                       ? condition.local.size(0)
                    : !condition.global.empty() ? condition.global.size(0)
                                                : condition.labels.size();
    return draw(n, along ? condition.local.size(2) : options_.length, condition, rng, options);
  }

  /// x [n, t] with the numbers drawn where `known`, which broadcasts to it, is 0: a given beginning goes on.
  ///
  /// Each number is drawn given those before it. The same bits as `full_completion` gives. Throws ShapeError, and
  /// ValueError for what is known and no level, or not finite, before anything is drawn.
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, Rng& rng, const DrawOptions& options = {}) const {
    return complete(x, known, Condition{}, rng, options);
  }
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Tensor<Index>& labels, Rng& rng,
                     const DrawOptions& options = {}) const {
    return complete(x, known, Condition{.labels = labels}, rng, options);
  }
  template <std::same_as<S> T>
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Tensor<T>& given, Rng& rng,
                     const DrawOptions& options = {}) const {
    return complete(x, known, numbers(given), rng, options);
  }
  Tensor<S> complete(const Tensor<S>& x, const Tensor<S>& known, const Condition& condition, Rng& rng,
                     const DrawOptions& options = {}) const {
    check_data("WaveNet::complete", x);
    check_condition("WaveNet::complete", condition, x.size(0), x.size(1));
    const Index n = x.size(0), t = x.size(1);
    const NoGradient guard;
    options.check();
    const Tensor<S> given = expand(known, x.shape());
    detail::check_known("WaveNet", conditional_, x, given);
    return Tensor<S>::build(x.shape(), [&](S* out) {
      WaveNetSteps<S> steps(layers_, n, whole(condition), condition.local);
      std::vector<S> now(static_cast<std::size_t>(n));
      for (Index i = 0; n > 0 && i < t; ++i) {
        const Tensor<S> drawn = detail::draw_conditional(conditional_, steps.outputs(), rng, options);
        for (Index r = 0; r < n; ++r) {
          const Index at = r * t + i;
          now[static_cast<std::size_t>(r)] = out[at] = given.data()[at] == S(0) ? drawn.data()[r] : x.data()[at];
        }
        steps.set(now.data());
      }
    });
  }

  /// The model as a stream of n sequences, whose numbers are given or drawn one after the other: see WaveNetSteps. The
  /// length of a sequence in the condition is the most numbers. Throws ShapeError, ValueError.
  WaveNetSteps<S> steps(Index n, const Condition& condition = {}) const {
    if (n < 1) fail<ValueError>("WaveNet::steps: got ", n, " sequences, expected at least 1");
    check_condition("WaveNet::steps", condition, n, condition.local.rank() == 3 ? condition.local.size(2) : 0);
    return WaveNetSteps<S>(layers_, n, whole(condition), condition.local);
  }

  /// Starts the model at the marginal distribution of the numbers in a batch [n, t], once, and real numbers at zero
  /// mean and unit variance; `fit` calls it with the first batch.
  void initialize(const Tensor<S>& batch) {
    if (initialized_.item() != S(0) || batch.empty()) return;
    check_data("WaveNet::initialize", batch);
    const NoGradient guard;
    if constexpr (!categorical) {
      const double mean = batch.mean(), deviation = std::sqrt(square(batch - mean).mean());
      layers_.shift = Tensor<S>::full({1}, static_cast<S>(mean));
      layers_.factor = Tensor<S>::full({1}, static_cast<S>(deviation > 0 ? 1 / deviation : 1));
    }
    if constexpr (requires { conditional_.marginals(batch); }) {
      layers_.outputs.weight = Tensor<S>::zeros(layers_.outputs.weight.shape());
      layers_.outputs.bias =
          reshape(conditional_.marginals(reshape(batch, Shape{batch.size(), 1})), Shape{conditional_.parameters()});
    }
    initialized_ = Tensor<S>::ones({1});
  }

  static void members(auto& self, auto&& visit) {
    visit("layers", self.layers_);
    visit("initialized", self.initialized_);
  }

 private:
  static void check_data(const char* name, const Tensor<S>& x) {
    if (x.rank() != 2 || x.size(1) < 1)
      fail<ShapeError>(name, ": x of shape ", x.shape(), ", expected [n, t] with at least one number a sequence");
  }
  void check_levels(const Tensor<S>& x) const {
    for (Index i = 0; categorical && i < x.size(); ++i) {
      const S v = x.data()[i];
      if (!(v >= S(0) && v < static_cast<S>(options_.levels) && v == std::floor(v)))
        fail<ValueError>("WaveNet: number ", i % x.size(1), " of sequence ", i / x.size(1), " is ", v,
                         ", expected a level 0 to ", options_.levels - 1, "; data::mu_law_encode makes them of sound");
    }
  }

  void check_condition(const char* name, const Condition& c, Index n, Index t) const {
    const auto expect = [name](const char* part, const Shape& got, const Shape& expected, bool taken) {
      if (!taken && got.size() != 0)
        fail<ValueError>(name, ": got the condition ", part, " of shape ", got, ", but the model was built for none");
      if (taken && got.size() == 0 && expected.size() != 0)
        fail<ValueError>(name, ": the model was built for the condition ", part, ", but there is none; expected ",
                         expected);
      if (taken && !(got == expected))
        fail<ShapeError>(name, ": the condition ", part, " has shape ", got, ", expected ", expected);
    };
    expect("labels", c.labels.shape(), Shape{n}, options_.classes > 0);
    expect("global", c.global.shape(), Shape{n, options_.global}, options_.global > 0);
    expect("local", c.local.shape(), Shape{n, options_.local, t}, options_.local > 0);
    for (const Index label : c.labels)
      if (label < 0 || label >= options_.classes)
        fail<ValueError>(name, ": got the label ", label, ", expected 0 to ", options_.classes - 1);
  }

  // What a tensor of numbers conditions on, by its rank.
  static Condition numbers(const Tensor<S>& given) {
    return given.rank() == 3 ? Condition{.local = given} : Condition{.global = given};
  }
  // Labels, as one-hot vectors, and numbers: [n, classes + global], or empty for none.
  Tensor<S> whole(const Condition& c) const {
    if (options_.classes == 0) return c.global;
    const Tensor<S> labels = one_hot<S>(c.labels, options_.classes);
    return options_.global == 0 ? labels : concat({labels, c.global}, 1);
  }

  Tensor<S> draw(Index n, Index t, const Condition& condition, Rng& rng, const DrawOptions& options) const {
    const Tensor<S> nothing = Tensor<S>::zeros({n, t});
    return complete(nothing, Tensor<S>::zeros({1, 1}), condition, rng, options);
  }

  Conditional conditional_;
  WaveNetOptions options_;
  WaveNetLayers<S> layers_;
  Buffer<S> initialized_;  // 0 or 1, saved with the weights
};

/// A WaveNet over levels: `wave_net({.levels = 256, .channels = 32, .layers = 10}, rng)`. Throws ValueError.
template <class S = float>
WaveNet<S> wave_net(const WaveNetOptions& options, Rng& rng) {
  return WaveNet<S>(options, rng);
}
/// A WaveNet over real numbers: `wave_net(GaussianMixtureConditional({.components = 5}), {.layers = 8}, rng)`. Throws
/// ValueError.
template <class S = float, class Conditional>
WaveNet<S, Conditional> wave_net(const Conditional& conditional, const WaveNetOptions& options, Rng& rng) {
  return WaveNet<S, Conditional>(conditional, options, rng);
}

}  // namespace pushforward
