// TransformCoupling: a coupling with any elementwise monotone transform, with or without a context.
#pragma once

#include <pushforward/bijectors/conditional.hpp>
#include <pushforward/bijectors/monotone_transform.hpp>

namespace pushforward {

/// x_moved = f(y_moved; net(y_kept)) with a MonotoneTransform f: `inverse`, the direction of densities, evaluates f and
/// solves nothing; `forward` inverts f. Inverse(...) of it exchanges the two.
///
/// `net` maps [.., kept] to [.., moved * transform.numbers()], the raw numbers of one number after the other, and sees
/// numbers clamped to 1e6. Throws ShapeError if it does not.
///     TransformCoupling layer(Mlp({1, 32, transform.numbers()}, rng), 2, transform, Keep::odd);
template <class Net, class Transform>
class TransformCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  TransformCoupling(Net net, Index features, Transform transform, Keep keep = Keep::first_half)
      : net_(std::move(net)), transform_(std::move(transform)), columns_(detail::coupling_columns(features, keep)) {}

  WithLogDet<S> forward(const Tensor<S>& x) const {
    const Tensor<S> raw = conditioned(x);
    return merged(x, inverse_transform(transform_, columns_.moved.of(x), raw));
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    const Tensor<S> raw = conditioned(y);
    return merged(y, transform_.forward(columns_.moved.of(y), raw));
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  // The raw numbers of the moved numbers: [.., moved, numbers].
  Tensor<S> conditioned(const Tensor<S>& x) const {
    constexpr const char* name = "TransformCoupling";
    detail::check_features(name, x.shape(), columns_.kept.width);
    const Index moved = columns_.moved.count, numbers = transform_.numbers();
    const Tensor<S> raw = net_(detail::conditioner_input(x, columns_.kept));
    detail::check_conditioner(name, raw, x, moved * numbers);
    return reshape(raw, x.shape().with(-1, moved).inserted(x.rank(), numbers));
  }
  WithLogDet<S> merged(const Tensor<S>& x, const WithLogSlope<S>& moved) const {
    const Tensor<S> kept = columns_.kept.place(columns_.kept.of(x));
    return {kept + columns_.moved.place(moved.value), sum(moved.log_slope, -1)};
  }

  Net net_;
  Transform transform_;
  detail::CouplingColumns columns_;
};

/// A TransformCoupling once a context is given: `given(context)`, context [c], or [.., c] that broadcasts to the
/// events.
///
/// `net` maps [.., kept + c] to what the coupling asks for. `given` is a view: gradients reach the network, and it must
/// not outlive this.
template <class Net, class Transform>
class ConditionalTransformCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;

  ConditionalTransformCoupling(Net net, Index features, Transform transform, Keep keep = Keep::first_half)
      : net_(std::move(net)), features_(features), transform_(std::move(transform)), keep_(keep) {
    detail::coupling_columns(features, keep);
  }

  TransformCoupling<GivenContext<Net>, Transform> given(const Tensor<Scalar>& context) const& {
    return {GivenContext<Net>(net_, context), features_, transform_, keep_};
  }
  void given(const Tensor<Scalar>& context) const&& = delete;

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  Net net_;
  Index features_;
  Transform transform_;
  Keep keep_;
};

}  // namespace pushforward
