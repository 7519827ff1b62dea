// What all optimizers share, and Optimizer: any of them as one type.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pushforward/training/update.hpp>

namespace pushforward {

/// What an optimizer does with a gradient that holds a NaN or an infinity.
enum class NonFinite {
  raise,  ///< throws a ValueError that names the parameter, before anything is changed
  skip,   ///< leaves the model and its own memory as they are, and counts the step as skipped
  apply,  ///< does not look
};

/// What an optimizer remembers of the parameters of one scalar type: two numbers for each at most, laid out one after
/// the other.
template <class S>
struct Moments {
  Index steps = 0;
  std::vector<Shape> shapes;  ///< of the parameters it has seen
  std::array<Tensor<S>, 2> slots;
};

/// All that an optimizer remembers: save it to resume with the same bits.
struct OptimizerState {
  std::string kind;
  double learning_rate = 0;
  Index skipped = 0;
  Moments<float> single;
  Moments<double> twice;

  template <class S>
  Moments<S>& moments() {
    if constexpr (std::is_same_v<S, float>)
      return single;
    else
      return twice;
  }
};

namespace detail {

inline void check_rate(const char* operation, const char* what, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail<ValueError>(operation, ": ", what, " is ", value, ", expected a number from ", low, " to ", high);
}
inline void check_decay(const char* operation, const char* what, double value) {
  if (!(value >= 0 && value < 1))
    fail<ValueError>(operation, ": ", what, " is ", value, ", expected 0 <= ", what, " < 1");
}

// The scalar of gradients: a tensor, or a range of tensors.
template <class G>
auto gradient_scalar(const G& gradients) {
  if constexpr (requires { typename G::Scalar; })
    return typename G::Scalar{};
  else
    return typename std::decay_t<decltype(*gradients.begin())>::Scalar{};
}

// The parameters of a model and one gradient of equal shape for each, else an error that says which is wrong.
template <class M, class G>
auto sweep_of(std::string operation, M& model, const G& gradients) {
  static_assert(!std::is_const_v<M>, "pushforward: step() changes the model, which is const here");
  using S = decltype(gradient_scalar(gradients));
  Sweep<S> sweep(std::move(operation), model);
  std::vector<const Tensor<S>*> sources;
  sources.reserve(sweep.count());
  if constexpr (requires { typename G::Scalar; })
    sources.push_back(&gradients);
  else
    for (const Tensor<S>& g : gradients) sources.push_back(&g);
  if (sweep.count() == 0)
    fail<ValueError>(sweep.operation,
                     ": the model has no parameters of the gradients' type, so there is nothing to train; ",
                     "check that its `members` names them all");
  if (sources.size() != sweep.count())
    fail<ShapeError>(sweep.operation, ": got ", sources.size(), " gradients for ", sweep.count(),
                     " parameters, the first of them '", sweep.name(0),
                     "'; pass gradient(loss, model) of the same model");
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (!(sources[i]->shape() == sweep.shape(i)))
      fail<ShapeError>(sweep.operation, ": the gradient of '", sweep.name(i), "' has shape ", sources[i]->shape(),
                       ", expected ", sweep.shape(i), "; pass gradient(loss, model) of the same model");
  sweep.set_sources(std::move(sources));
  return sweep;
}

// Slots of the right size that nobody else sees: zeros the first time.
template <class S>
void prepare_moments(Moments<S>& moments, int slots, const Sweep<S>& sweep) {
  const bool first = moments.shapes.empty();
  bool same = moments.shapes.size() == sweep.count();
  for (std::size_t i = 0; same && i < sweep.count(); ++i) same = moments.shapes[i] == sweep.shape(i);
  if (!first && !same)
    fail<ShapeError>(sweep.operation, ": this optimizer has been used with another model (", moments.shapes.size(),
                     " parameters, now ", sweep.count(), " from '", sweep.name(0),
                     "' on); use one optimizer for each model");
  if (first)
    for (std::size_t i = 0; i < sweep.count(); ++i) moments.shapes.push_back(sweep.shape(i));
  for (int k = 0; k < slots; ++k) {
    Tensor<S>& slot = moments.slots[static_cast<std::size_t>(k)];
    if (slot.empty()) slot = Tensor<S>::zeros({sweep.length()});
    if (slot.size() != sweep.length())
      fail<ShapeError>(sweep.operation, ": the saved state holds ", slot.size(), " numbers, expected ", sweep.length());
    if (!Access::unique(slot))
      slot = Tensor<S>(slot.shape(), std::span<const S>(slot.data(), static_cast<std::size_t>(slot.size())));
  }
}

}  // namespace detail

/// The part that all optimizers share. `Derived` has `slots()`, how many numbers it remembers for each parameter, and
/// `apply<S>(step, run)`, which calls run(rule): the rule maps a parameter, its gradient and those numbers to the new
/// value.
template <class Derived>
class OptimizerBase {
 public:
  /// Changes the parameters of `model` by one step. `gradients` come from gradient(loss, model), or are any range of
  /// tensors of which each fits a parameter; `model` may also be a list of parameters, `std::tie(a, b)`.
  ///
  /// Throws ValueError for a model without parameters or a gradient that is not finite (see NonFinite), ShapeError if
  /// the gradients do not fit the parameters; then nothing has been changed.
  template <class M, class G>
  void step(M&& model, const G& gradients) {
    auto sweep = detail::sweep_of(state_.kind + ".step", model, gradients);
    update(sweep);
  }

  double learning_rate() const { return state_.learning_rate; }
  /// Throws ValueError unless `rate` is finite and not negative.
  void set_learning_rate(double rate) {
    detail::check_rate(state_.kind.c_str(), "learning_rate", rate, 0, std::numeric_limits<double>::max());
    state_.learning_rate = rate;
  }
  /// The number of steps made so far.
  Index steps() const { return std::max(state_.single.steps, state_.twice.steps); }
  /// The number of steps not made since a gradient was not finite.
  Index skipped_steps() const { return state_.skipped; }

  const OptimizerState& state() const { return state_; }
  /// Continues from a saved state. Throws ValueError if it is of another kind of optimizer.
  void set_state(OptimizerState state) {
    if (state.kind != state_.kind)
      fail<ValueError>(state_.kind, ": the state is of another optimizer, ", state.kind,
                       "; resume with the one that was used");
    state_ = std::move(state);
  }

  // What step() does once parameters and gradients are found.
  template <class S>
  void update(detail::Sweep<S>& sweep) {
    if (policy_ != NonFinite::apply) {
      if (const std::size_t bad = sweep.first_non_finite(); bad < sweep.count()) {
        if (policy_ == NonFinite::skip) return void(++state_.skipped);
        fail<ValueError>(
            sweep.operation, ": the gradient of '", sweep.name(bad),
            "' is not finite; lower the learning rate, clip gradients, or find where it was born with NanCheck");
      }
    }
    Moments<S>& moments = state_.moments<S>();
    auto& self = static_cast<Derived&>(*this);
    detail::prepare_moments(moments, self.slots(), sweep);
    ++moments.steps;
    self.template apply<S>(moments.steps, [&](const auto& rule) {
      sweep.run(rule, detail::Access::data(moments.slots[0]), detail::Access::data(moments.slots[1]));
    });
  }

 protected:
  OptimizerBase(const char* kind, double learning_rate, NonFinite policy) : policy_(policy) {
    state_.kind = kind;
    set_learning_rate(learning_rate);
  }
  double rate() const { return state_.learning_rate; }

 private:
  OptimizerState state_;
  NonFinite policy_;
};

namespace detail {

template <class O>
concept SomeOptimizer = std::is_base_of_v<OptimizerBase<O>, O>;

}  // namespace detail

/// Any optimizer as one type: a value that holds a copy of it.
class Optimizer {
 public:
  template <detail::SomeOptimizer O>
  Optimizer(O optimizer) : held_(std::make_unique<Holder<O>>(std::move(optimizer))) {}  // implicit: .optimizer = Adam()
  Optimizer(const Optimizer& other) : held_(other.held_->clone()) {}
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer other) noexcept {
    held_.swap(other.held_);
    return *this;
  }

  /// As OptimizerBase::step.
  template <class M, class G>
  void step(M&& model, const G& gradients) {
    auto sweep = detail::sweep_of(state().kind + ".step", model, gradients);
    held_->update(sweep);
  }
  double learning_rate() const { return state().learning_rate; }
  void set_learning_rate(double rate) { held_->set_learning_rate(rate); }
  Index steps() const { return std::max(state().single.steps, state().twice.steps); }
  Index skipped_steps() const { return state().skipped; }
  const OptimizerState& state() const { return held_->state(); }
  void set_state(OptimizerState state) { held_->set_state(std::move(state)); }

 private:
  struct Held {
    virtual ~Held() = default;
    virtual std::unique_ptr<Held> clone() const = 0;
    virtual void update(detail::Sweep<float>&) = 0;
    virtual void update(detail::Sweep<double>&) = 0;
    virtual const OptimizerState& state() const = 0;
    virtual void set_state(OptimizerState) = 0;
    virtual void set_learning_rate(double) = 0;
  };
  template <class O>
  struct Holder final : Held {
    O optimizer;
    explicit Holder(O o) : optimizer(std::move(o)) {}
    std::unique_ptr<Held> clone() const override { return std::make_unique<Holder>(optimizer); }
    void update(detail::Sweep<float>& sweep) override { optimizer.update(sweep); }
    void update(detail::Sweep<double>& sweep) override { optimizer.update(sweep); }
    const OptimizerState& state() const override { return optimizer.state(); }
    void set_state(OptimizerState state) override { optimizer.set_state(std::move(state)); }
    void set_learning_rate(double rate) override { optimizer.set_learning_rate(rate); }
  };
  std::unique_ptr<Held> held_;
};

}  // namespace pushforward
