// Derivatives of functions: value_and_gradient, vjp, jvp, jacobian, hessian_vector_product, checkpoint, primitive.
#pragma once

#include <functional>

#include <pushforward/autodiff/gradient.hpp>

namespace pushforward {

/// A function's value and its gradient there.
template <class S>
struct ValueAndGradient {
  Tensor<S> value;
  Tensor<S> gradient;
};

/// f(x) and its gradient: f maps a tensor to one number.
template <class F, class S>
ValueAndGradient<S> value_and_gradient(const F& f, const Tensor<S>& x) {
  const detail::FlagGuard guard(detail::recording_flag(), true);  // f is recorded inside NoGradient, too
  const Tensor<S> at = variable(x);
  const Tensor<S> value = f(at);
  return {stop_gradient(value), gradient(value, at)};
}

/// The vector-Jacobian product v^T dy/dx of a recorded result y for each of `inputs`; `cotangent` v has the shape of y.
template <class S, std::size_t N>
std::array<Tensor<S>, N> vjp(const Tensor<S>& y, const Tensor<S> (&inputs)[N], const Tensor<S>& cotangent,
                             GradientOptions options = {}) {
  if (!(cotangent.shape() == y.shape()))
    fail<ShapeError>("vjp: cotangent of shape ", cotangent.shape(), ", expected the shape of the output, ", y.shape());
  std::vector<Tensor<S>> found = detail::pull_back_to(y, cotangent, inputs, options);
  std::array<Tensor<S>, N> result;
  std::move(found.begin(), found.end(), result.begin());
  return result;
}

/// A function's value and a derivative of it in one direction.
template <class S>
struct ValueAndProduct {
  Tensor<S> value;
  Tensor<S> product;
};

/// f(x) and the vector-Jacobian product v^T df/dx, of the shape of x; `cotangent` v has the shape of f(x).
template <class F, class S>
requires std::invocable < const F&, const Tensor<S>
& > ValueAndProduct<S> vjp(const F& f, const Tensor<S>& x, const Tensor<S>& cotangent) {
  const detail::FlagGuard guard(detail::recording_flag(), true);  // f is recorded inside NoGradient, too
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at);
  return {stop_gradient(y), vjp(y, {at}, cotangent)[0]};
}

namespace detail {

// Multiplication is an operation of a higher floor; this one serves the derivatives of linear maps below.
template <class S>
Tensor<S> inner_product(const Tensor<S>& a, const Tensor<S>& b) {
  S total = 0;
  for (Index i = 0; i < a.size(); ++i) total += a.data()[i] * b.data()[i];
  auto scaled = [](const Tensor<S>& v) {
    return [v](const Tensor<S>& g) {
      return Tensor<S>::generate(v.shape(), [&](Index i) { return g.data()[0] * v.data()[i]; });
    };
  };
  return record("inner_product", Tensor<S>::scalar(total), edge(a, scaled(b)), edge(b, scaled(a)));
}

}  // namespace detail

/// f(x) and the Jacobian-vector product df/dx v, of the shape of f(x); `tangent` v has the shape of x.
///
/// It is the derivative of the vector-Jacobian product, which is linear in its cotangent, so f must be twice
/// differentiable by the library's rules (all built-in operations are).
template <class F, class S>
ValueAndProduct<S> jvp(const F& f, const Tensor<S>& x, const Tensor<S>& tangent) {
  if (!(tangent.shape() == x.shape()))
    fail<ShapeError>("jvp: tangent of shape ", tangent.shape(), ", expected the shape of x, ", x.shape());
  const detail::FlagGuard guard(detail::recording_flag(), true);  // f is recorded inside NoGradient, too
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at);
  const Tensor<S> u = variable(Tensor<S>::zeros(y.shape()));
  if (!y.tracked()) return {y, Tensor<S>::zeros(y.shape())};
  const Tensor<S> pulled = vjp(y, {at}, u, {.create_graph = true})[0];
  const Tensor<S> product = detail::inner_product(pulled, tangent);
  return {stop_gradient(y), product.tracked() ? gradient(product, u) : Tensor<S>::zeros(y.shape())};
}

/// The Jacobian df/dx, of shape f(x).shape + x.shape: entry [i.., j..] is df_i / dx_j. One reverse sweep per output.
template <class F, class S>
Tensor<S> jacobian(const F& f, const Tensor<S>& x) {
  const detail::FlagGuard guard(detail::recording_flag(), true);  // f is recorded inside NoGradient, too
  const Tensor<S> at = variable(x);
  const Tensor<S> y = f(at);
  std::vector<Index> axes(y.shape().begin(), y.shape().end());
  axes.insert(axes.end(), x.shape().begin(), x.shape().end());
  return Tensor<S>::build(Shape(std::span<const Index>(axes)), [&](S* out) {
    for (Index i = 0; i < y.size(); ++i) {
      const Tensor<S> seed = Tensor<S>::generate(y.shape(), [&](Index j) { return i == j ? S(1) : S(0); });
      const Tensor<S> row = vjp(y, {at}, seed)[0];
      std::copy_n(row.data(), x.size(), out + i * x.size());
    }
  });
}

/// The product of the Hessian of f at x with `v`, of the shape of x: f maps a tensor to one number.
template <class F, class S>
Tensor<S> hessian_vector_product(const F& f, const Tensor<S>& x, const Tensor<S>& v) {
  if (!(v.shape() == x.shape()))
    fail<ShapeError>("hessian_vector_product: v of shape ", v.shape(), ", expected the shape of x, ", x.shape());
  const detail::FlagGuard guard(detail::recording_flag(), true);  // f is recorded inside NoGradient, too
  const Tensor<S> at = variable(x);
  const Tensor<S> slope = gradient(f(at), at, {.create_graph = true});
  const Tensor<S> along = detail::inner_product(slope, v);
  return along.tracked() ? gradient(along, at) : Tensor<S>::zeros(x.shape());
}

namespace detail {

// Recomputes f when its cotangent arrives. Besides x, its inputs are the variables and parameters that f used.
template <class S, class F>
class CheckpointNode final : public Node<S> {
 public:
  CheckpointNode(F f, const Tensor<S>& x, std::vector<Ref<Node<S>>> leaves)
      : f_(std::move(f)), x_(x), leaves_(std::move(leaves)) {
    this->level = 1 + (x.tracked() ? Access::node(x)->level : 0);
  }
  const char* name() const override { return "checkpoint"; }
  int inputs() const override { return 1 + static_cast<int>(leaves_.size()); }
  Node<S>* input(int i) const override {
    return i == 0 ? Access::node(x_).get() : leaves_[static_cast<std::size_t>(i) - 1].get();
  }

  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    const bool create_graph = recording_flag();
    // A node of its own even where x's history matters: f may hold x, or what x was computed from, as well.
    const Tensor<S> x = x_.tracked() && create_graph
                            ? record("checkpoint", x_, edge(x_, [](const Tensor<S>& g) { return g; }))
                            : variable(x_);
    Tensor<S> y;
    {
      FlagGuard guard(recording_flag(), true);
      y = f_(x);
    }
    std::vector<Node<S>*> targets{Access::node(x).get()};
    for (const auto& leaf : leaves_) targets.push_back(leaf.get());
    std::vector<Shape> shapes(targets.size());
    shapes[0] = x.shape();
    Backward<S> sweep(y, targets, true);
    for (const auto& leaf : leaves_)
      if (!sweep.reaches(leaf.get()))
        fail<GradientError>(
            "checkpoint: a parameter that the function used has been replaced since; take gradients before the update");
    std::vector<Tensor<S>> found = sweep.run(cotangent, targets, shapes);
    for (int i = 0; i < inputs(); ++i)
      if (to.wants(i)) to.add(i, std::move(found[static_cast<std::size_t>(i)]));
  }

 private:
  F f_;
  Tensor<S> x_;
  std::vector<Ref<Node<S>>> leaves_;
};

// The variables that `y` was computed from, other than `except`.
template <class S>
std::vector<Ref<Node<S>>> leaves_of(const Tensor<S>& y, const Node<S>* except) {
  std::vector<Ref<Node<S>>> leaves;
  if (!y.tracked()) return leaves;
  NodeIndex<S> seen;
  std::vector<Node<S>*> queue{Access::node(y).get()};
  for (std::size_t next = 0; next < queue.size(); ++next) {
    Node<S>* node = queue[next];
    if (node->inputs() == 0 && node != except) leaves.push_back(Ref<Node<S>>(node));
    for (int i = 0; i < node->inputs(); ++i) {
      Node<S>* input = node->input(i);
      const auto fresh = static_cast<std::int32_t>(queue.size());
      if (input && seen.find_or_insert(input, fresh) == fresh) queue.push_back(input);
    }
  }
  return leaves;
}

}  // namespace detail

/// f(x) without keeping what its gradient needs: f runs once more when the gradient arrives (Chen et al. 2016). f takes
/// and returns a tensor, may use parameters, and must give the same result both times.
template <class F, class S>
Tensor<S> checkpoint(F f, const Tensor<S>& x) {
  if (!detail::recording_flag()) return f(x);
  const Tensor<S> at = variable(x);
  Tensor<S> y = f(at);
  std::vector<detail::Ref<detail::Node<S>>> leaves = detail::leaves_of(y, detail::Access::node(at).get());
  if (!x.tracked() && leaves.empty()) return stop_gradient(y);
  detail::Ref<detail::Node<S>> node(new detail::CheckpointNode<S, F>(std::move(f), x, std::move(leaves)));
  return detail::Access::with_node(std::move(y), std::move(node));
}

namespace detail {

template <class S, class Vjp, std::size_t N>
class PrimitiveNode final : public Node<S> {
 public:
  PrimitiveNode(Vjp vjp, const Tensor<S>& output, std::array<Tensor<S>, N> inputs)
      : vjp_(std::move(vjp)), output_(output), inputs_(std::move(inputs)) {
    for (const Tensor<S>& input : inputs_)
      if (input.tracked()) this->level = std::max(this->level, Access::node(input)->level + 1);
  }
  const char* name() const override { return "primitive"; }
  int inputs() const override { return static_cast<int>(N); }
  Node<S>* input(int i) const override { return Access::node(inputs_[static_cast<std::size_t>(i)]).get(); }
  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    const Tensor<S> output = Access::with_node(output_, Ref<Node<S>>(this));
    const std::array<Tensor<S>, N> found =
        std::apply([&](const auto&... x) { return as_array(vjp_(cotangent, output, x...)); }, inputs_);
    for (std::size_t i = 0; i < N; ++i) {
      if (!to.wants(static_cast<int>(i))) continue;
      if (!(found[i].shape() == inputs_[i].shape()))
        fail<ShapeError>("primitive: the cotangent of input ", i, " has shape ", found[i].shape(),
                         ", expected the shape of the input, ", inputs_[i].shape());
      to.add(static_cast<int>(i), found[i]);
    }
  }

 private:
  static std::array<Tensor<S>, N> as_array(const Tensor<S>& one) { return {one}; }
  template <class Several>
  static std::array<Tensor<S>, N> as_array(const Several& several) {
    return std::apply([](const auto&... each) { return std::array<Tensor<S>, N>{each...}; }, several);
  }

  Vjp vjp_;
  Tensor<S> output_;
  std::array<Tensor<S>, N> inputs_;
};

}  // namespace detail

/// A custom operation: y = forward(inputs...), whose vector-Jacobian product is vjp(cotangent, y, inputs...).
///
/// `forward` runs unrecorded and may compute however it likes. `vjp` returns one tensor per input (a tensor for one
/// input, else a std::array or std::tuple) of the input's shape; written in differentiable operations it gives
/// gradients of every order. Throws ShapeError when a cotangent has the wrong shape.
template <class Forward, class Vjp, class S, std::derived_from<Tensor<S>>... More>
Tensor<S> primitive(const Forward& forward, Vjp vjp, const Tensor<S>& first, const More&... more) {
  Tensor<S> y;
  {
    NoGradient guard;
    y = stop_gradient(Tensor<S>(forward(first, more...)));
  }
  if (detail::nan_check_flag()) detail::check_finite("primitive", y);
  if (!detail::recording_flag() || !(first.tracked() || (more.tracked() || ...))) return y;
  constexpr std::size_t count = 1 + sizeof...(More);
  detail::Ref<detail::Node<S>> node(new detail::PrimitiveNode<S, Vjp, count>(std::move(vjp), y, {first, more...}));
  return detail::Access::with_node(std::move(y), std::move(node));
}

}  // namespace pushforward
