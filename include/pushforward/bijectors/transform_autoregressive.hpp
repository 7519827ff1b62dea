// TransformAutoregressive: an autoregressive bijector with any elementwise monotone transform, with or without a
// context.
#pragma once

#include <vector>

#include <pushforward/bijectors/coupling_kernels.hpp>
#include <pushforward/bijectors/monotone_transform.hpp>
#include <pushforward/nn/masked_mlp.hpp>

namespace pushforward {

/// x_i = f(y_i; r_i) with a MonotoneTransform f whose raw numbers r_i are functions of y_0 .. y_(i-1) (Huang et al.
/// 2018, eq. 5; Jaini et al. 2019, eq. 3).
///
/// `net` maps [.., d] to [.., numbers * d], number j * d + i being the j-th of r_i, as MaskedMlp does with `.outputs =
/// transform.numbers()`. `inverse`, the direction of densities, takes one pass and solves nothing. `forward` inverts f
/// for one number after the other: a pass for each, or the cost of one where nothing is recorded and the network has
/// `steps`. The network sees numbers clamped to 1e6. Throws ShapeError if its output does not fit.
template <class Net, class Transform>
class TransformAutoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  TransformAutoregressive(Net net, Index features, Transform transform)
      : net_(std::move(net)), features_(features), transform_(std::move(transform)) {
    if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features(name, x.shape(), features_);
    if constexpr (requires { net_.steps(x.size()); })
      if (!detail::recording_flag()) return forward_in_steps(x);
    // In pass k the first k numbers are right already, whatever the others are.
    WithLogSlope<S> y{Tensor<S>::zeros(x.shape()), {}};
    for (Index pass = 0; pass < features_; ++pass) y = inverse_transform(transform_, x, conditioned(y.value));
    return detail::with_log_det(y);
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features(name, y.shape(), features_);
    return detail::with_log_det(transform_.forward(y, conditioned(y)));
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  static constexpr const char* name = "TransformAutoregressive";

  // The raw numbers of all numbers: [.., d, numbers].
  Tensor<S> conditioned(const Tensor<S>& y) const {
    const Index numbers = transform_.numbers();
    const Tensor<S> raw = net_(detail::conditioner_input(y, detail::Columns{features_, 0, 1, features_}));
    if (!(raw.shape() == y.shape().with(-1, numbers * features_)))
      fail<ShapeError>(name, ": the network gave shape ", raw.shape(), " for input ", y.shape(), ", expected ",
                       y.shape().with(-1, numbers * features_));
    return transpose(reshape(raw, y.shape().with(-1, numbers).inserted(y.rank(), features_)));
  }
  WithLogDet<S> forward_in_steps(const Tensor<S>& x) const {
    const Index rows = x.size() / features_;
    const Tensor<S> flat = reshape(x, Shape{rows, features_});
    const S bound = static_cast<S>(detail::conditioner_bound);
    std::vector<Tensor<S>> columns(static_cast<std::size_t>(features_));
    Tensor<S> log_det = Tensor<S>::zeros({rows});
    for (auto steps = net_.steps(rows); steps.more();) {
      const Index feature = steps.feature();
      const WithLogSlope<S> y = inverse_transform(transform_, select(flat, -1, feature), steps.outputs());
      columns[static_cast<std::size_t>(feature)] = y.value;
      log_det = log_det + y.log_slope;
      steps.set(clamp(y.value, -bound, bound).data(), 1);
    }
    return {reshape(stack(columns, -1), x.shape()), reshape(log_det, x.shape().without(-1))};
  }

  Net net_;
  Index features_;
  Transform transform_;
};

/// A masked network with a context: what it makes of [context, y] for the numbers of y, with context [c], or [.., c]
/// that broadcasts to the leading axes of y.
///
/// `net` maps c + d features; in its order the context comes first, as in a MaskedMlp of natural order, so that every
/// number of y may depend on all of it. It refers to `net`, so that gradients reach it, and must not outlive it.
template <class Net>
class GivenContextFirst {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  GivenContextFirst(const Net& net, Tensor<S> context) : net_(&net), context_(std::move(context)) {
    if (context_.rank() == 0) fail<ShapeError>("GivenContextFirst: the context is a scalar, expected [.., c]");
  }
  GivenContextFirst(Net&&, Tensor<S>) = delete;

  Tensor<S> operator()(const Tensor<S>& y) const {
    const Index c = context_.size(-1), d = y.size(-1);
    const Shape expected = y.shape().with(-1, c);
    if (!(broadcast(context_.shape(), expected, "GivenContextFirst") == expected))
      fail<ShapeError>("GivenContextFirst: context of shape ", context_.shape(), " for input ", y.shape(),
                       ", expected ", expected, " or what broadcasts to it");
    const Tensor<S> out = (*net_)(concat({expand(context_, expected), y}, -1));
    const Index numbers = out.size(-1) / (c + d);
    const Tensor<S> all = reshape(out, y.shape().with(-1, numbers).inserted(y.rank(), c + d));
    return reshape(slice(all, -1, c, c + d), y.shape().with(-1, numbers * d));
  }

  static void members(auto&, auto&&) {}  // the network belongs to whoever gave it

 private:
  const Net* net_;
  Tensor<S> context_;
};

/// A TransformAutoregressive once a context is given: `given(context)`, context [c], or [.., c] that broadcasts to the
/// events.
///
/// `net` is what GivenContextFirst asks for, a MaskedMlp of c + d features and `transform.numbers()` outputs. `given`
/// is a view: gradients reach the network, and it must not outlive this. Its `forward` takes a pass for each number.
template <class Net, class Transform>
class ConditionalTransformAutoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;

  ConditionalTransformAutoregressive(Net net, Index features, Transform transform)
      : net_(std::move(net)), features_(features), transform_(std::move(transform)) {
    if (features < 1)
      fail<ValueError>("ConditionalTransformAutoregressive: got ", features, " features, expected at least 1");
  }

  TransformAutoregressive<GivenContextFirst<Net>, Transform> given(const Tensor<Scalar>& context) const& {
    return {GivenContextFirst<Net>(net_, context), features_, transform_};
  }
  void given(const Tensor<Scalar>& context) const&& = delete;

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  Net net_;
  Index features_;
  Transform transform_;
};

}  // namespace pushforward
