// elementwise(): a fused operation from one lambda, its derivatives from the same lambda on dual numbers.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <pushforward/autodiff/dual.hpp>
#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

/// Derivatives of an elementwise lambda exist up to this order.
inline constexpr int max_elementwise_order = 3;
/// An elementwise lambda has up to this many arguments.
inline constexpr int max_elementwise_arguments = 8;

namespace detail {

// Which arguments a lambda is differentiated in, one after the other.
using Directions = std::array<int, max_elementwise_order>;

// A lambda seen as loops: all that the graph needs to know of it, so that the graph's part is compiled once.
template <class S>
struct ElementwiseLoops {
  virtual ~ElementwiseLoops() = default;
  // out = f(x...)
  virtual void value(Index n, S* out, const S* const* x) const = 0;
  // out = weight * (the derivative of f of `order` in `directions`)
  virtual void derivative(int order, const Directions& directions, Index n, S* out, const S* weight,
                          const S* const* x) const = 0;
};

// x as an argument of a lambda that is differentiated `Order` times: a dual number of that depth, seeded where a
// direction is this argument.
template <int Order, class S>
PUSHFORWARD_INLINE auto seeded(S x, const int* directions, int argument) {
  if constexpr (Order == 0) {
    return Lane<S>(x);
  } else {
    using Inner = decltype(seeded<Order - 1>(x, directions, argument));
    return Dual<Inner>(seeded<Order - 1>(x, directions + 1, argument), Inner(directions[0] == argument ? 1 : 0));
  }
}

// The mixed derivative that a result of depth `Order` carries: the slope of the slope of ...
template <int Order, class T>
PUSHFORWARD_INLINE auto innermost_slope(const T& y) {
  if constexpr (Order == 0)
    return y.value;
  else
    return innermost_slope<Order - 1>(y.slope);
}

template <class S, class F, std::size_t... I>
class LambdaLoops final : public ElementwiseLoops<S> {
 public:
  explicit LambdaLoops(F f) : f_(std::move(f)) {}

  void value(Index n, S* out, const S* const* x) const override {
    map_parallel([f = f_](Arg<I>... lanes) { return Lane<S>(f(Lane<S>(lanes)...)).value; }, n, out, x[I]...);
  }
  // First derivatives, which every training step takes, are compiled for each argument and instruction set; higher ones
  // once, with directions known at run time.
  void derivative(int order, const Directions& directions, Index n, S* out, const S* weight,
                  const S* const* x) const override {
    if (order == 2) return higher<2>(directions, n, out, weight, x);
    if (order == 3) return higher<3>(directions, n, out, weight, x);
    ((directions[0] == static_cast<int>(I) ? first<static_cast<int>(I)>(n, out, weight, x) : void()), ...);
  }

 private:
  template <std::size_t>
  using Arg = S;

  template <int Order>
  PUSHFORWARD_INLINE static S mixed(const F& f, const Directions& d, Arg<I>... x) {
    using Argument = decltype(seeded<Order>(S(0), d.data(), 0));
    return innermost_slope<Order>(Argument(f(seeded<Order>(x, d.data(), static_cast<int>(I))...)));
  }
  template <int Direction>
  void first(Index n, S* out, const S* weight, const S* const* x) const {
    map_parallel([f = f_](S w, Arg<I>... lanes) { return w * mixed<1>(f, {Direction}, lanes...); }, n, out, weight,
                 x[I]...);
  }
  template <int Order>
  void higher(const Directions& directions, Index n, S* out, const S* weight, const S* const* x) const {
    parallel_for(n, elementwise_grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) out[i] = weight[i] * mixed<Order>(f_, directions, x[I][i]...);
    });
  }

  F f_;
};

// weight * (the derivative of f of some order in some directions): every gradient of a lambda has this form, the lambda
// itself being of order 0 without a weight.
template <class S>
struct ElementwiseTerm {
  std::shared_ptr<const ElementwiseLoops<S>> loops;
  int order = 0;
  Directions directions = {};
  std::vector<Tensor<S>> x;
  Tensor<S> weight = {};
};

template <class S>
Tensor<S> evaluate_term(const ElementwiseTerm<S>& term);

template <class S>
class ElementwiseNode final : public Node<S> {
 public:
  explicit ElementwiseNode(const ElementwiseTerm<S>& term) : term_(term) {
    for (int i = 0; i < inputs(); ++i)
      if (input(i)) this->level = std::max(this->level, input(i)->level + 1);
  }
  const char* name() const override { return "elementwise"; }
  int inputs() const override { return static_cast<int>(term_.x.size()) + 1; }
  Node<S>* input(int i) const override { return Access::node(operand(i)).get(); }

  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    const int last = inputs() - 1;
    for (int i = 0; i < last; ++i)
      if (to.wants(i)) to.add(i, sum_to(evaluate_term(differentiated(i, cotangent)), operand(i).shape()));
    if (to.wants(last)) {
      ElementwiseTerm<S> linear = term_;
      linear.weight = cotangent;
      to.add(last, sum_to(evaluate_term(linear), term_.weight.shape()));
    }
  }

 private:
  const Tensor<S>& operand(int i) const {
    return i < static_cast<int>(term_.x.size()) ? term_.x[static_cast<std::size_t>(i)] : term_.weight;
  }
  ElementwiseTerm<S> differentiated(int argument, const Tensor<S>& cotangent) const {
    if (term_.order >= max_elementwise_order)
      fail<GradientError>("elementwise: derivatives exist up to order ", max_elementwise_order,
                          ", and one more was asked for; use primitive() or plain operations");
    ElementwiseTerm<S> next = term_;
    next.directions[static_cast<std::size_t>(next.order++)] = argument;
    next.weight = term_.order == 0 ? cotangent : cotangent * term_.weight;
    return next;
  }

  ElementwiseTerm<S> term_;
};

template <class S>
Tensor<S> evaluate_term(const ElementwiseTerm<S>& term) {
  Shape shape = term.order == 0 ? term.x[0].shape() : term.weight.shape();
  for (const Tensor<S>& x : term.x) shape = broadcast(shape, x.shape(), "elementwise");
  std::array<Tensor<S>, max_elementwise_arguments> expanded;
  const S* data[max_elementwise_arguments];
  for (std::size_t i = 0; i < term.x.size(); ++i) {
    expanded[i] = expand_values(term.x[i], shape);
    data[i] = expanded[i].data();
  }
  Tensor<S> y = Access::allocate<S>(shape);
  if (term.order == 0)
    term.loops->value(shape.size(), Access::data(y), data);
  else
    term.loops->derivative(term.order, term.directions, shape.size(), Access::data(y),
                           expand_values(term.weight, shape).data(), data);
  if (nan_check_flag()) check_finite("elementwise", y);
  bool tracked = term.weight.tracked();
  for (const Tensor<S>& x : term.x) tracked |= x.tracked();
  if (!tracked || !recording_flag()) return y;
  return Access::with_node(std::move(y), Ref<Node<S>>(new ElementwiseNode<S>(term)));
}

template <class F, class S, std::size_t... I>
std::shared_ptr<const ElementwiseLoops<S>> make_loops(const F& f, std::index_sequence<I...>) {
  return std::make_shared<LambdaLoops<S, F, I...>>(f);
}

}  // namespace detail

/// y[i] = f(x[i], ...) in one fused, vectorized pass, with broadcasting and gradients up to order 3.
///
/// `f` is a lambda with `auto` parameters that uses arithmetic, comparisons, `where`, and the functions of
/// autodiff/dual.hpp:
///     elementwise([](auto x, auto y) { return x * sigmoid(y); }, x, y)
/// Its derivatives come from running it on dual numbers. Throws ShapeError if the shapes do not broadcast,
/// GradientError past order 3.
template <class F, class S, std::derived_from<Tensor<S>>... More>
Tensor<S> elementwise(const F& f, const Tensor<S>& x, const More&... more) {
  static_assert(sizeof...(More) < max_elementwise_arguments, "pushforward: elementwise takes at most eight tensors");
  return detail::evaluate_term<S>(
      {detail::make_loops<F, S>(f, std::make_index_sequence<1 + sizeof...(More)>{}), 0, {}, {x, more...}});
}

}  // namespace pushforward
