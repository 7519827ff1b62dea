// What an elementwise monotone transform is, its inverse where it has no closed form, and LearnedTransform.
#pragma once

#include <array>
#include <concepts>
#include <limits>

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/bijectors/solve.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// The values of an increasing map of single numbers and the logarithms of its slopes.
template <class S = float>
struct WithLogSlope {
  Tensor<S> value;      ///< of the shape of the argument
  Tensor<S> log_slope;  ///< log dy/dx in nats, of the same shape
};

/// An increasing map of single numbers, each with `numbers()` raw numbers of its own, which may be any.
///
/// `forward(x, raw)` takes x [..] and raw [.., numbers] to WithLogSlope. It has either `inverse(y, raw)`, of the same
/// form, or `bracket(y, raw)`, two tensors of the shape of y between which the x with forward(x, raw) = y lies; then
/// the inverse is solved for. TransformCoupling, TransformAutoregressive and LearnedTransform work with every one.
template <class T, class S = float>
concept MonotoneTransform = requires(const T& transform, const Tensor<S>& x, const Tensor<S>& raw) {
  { transform.numbers() } -> std::convertible_to<Index>;
  { transform.forward(x, raw) } -> std::convertible_to<WithLogSlope<S>>;
}
&&(
    requires(const T& transform, const Tensor<S>& y, const Tensor<S>& raw) {
      { transform.inverse(y, raw) } -> std::convertible_to<WithLogSlope<S>>;
    } ||
    requires(const T& transform, const Tensor<S>& y, const Tensor<S>& raw) {
      { transform.bracket(y, raw) } -> std::convertible_to<std::array<Tensor<S>, 2>>;
    });

/// The inverse of a monotone transform: y [..], raw [.., numbers] -> x and log dx/dy, both [..].
///
/// In closed form where the transform has one; else by Newton steps guarded by bisection, to rounding, with gradients
/// of every order in y and raw by the implicit function theorem.
template <class Transform, class S>
requires MonotoneTransform<Transform, S> WithLogSlope<S> inverse_transform(const Transform& transform,
                                                                           const Tensor<S>& y, const Tensor<S>& raw) {
  if constexpr (requires { transform.inverse(y, raw); }) {
    return transform.inverse(y, raw);
  } else {
    auto find = [&](const Tensor<S>& to, const Tensor<S>& rows) {
      auto evaluate = [&](const Tensor<S>& x) {
        const WithLogSlope<S> at = transform.forward(x, rows);
        return ValueAndGradient<S>{at.value - to, exp(at.log_slope)};
      };
      const std::array<Tensor<S>, 2> ends = transform.bracket(to, rows);
      return detail::bracketed_root(evaluate, ends[0], ends[1]);
    };
    auto miss = [transform](const Tensor<S>& x, const Tensor<S>& to, const Tensor<S>& rows) {
      return Tensor<S>(transform.forward(x, rows).value - to);
    };
    const Tensor<S> x = detail::implicit_root(find, miss, y, raw);
    return {x, -transform.forward(x, raw).log_slope};
  }
}

namespace detail {

// Raw numbers beyond this are cut off, so that no finite number overflows to NaN.
inline constexpr double most_raw_number = 1e6;

// raw, one row of `numbers` for each element of x.
template <class S>
Tensor<S> raw_rows(const char* name, const Tensor<S>& x, const Tensor<S>& raw, Index numbers) {
  const Shape expected = x.shape().inserted(x.rank(), numbers);
  if (!(broadcast(raw.shape(), expected, name) == expected))
    fail<ShapeError>(name, ": raw numbers of shape ", raw.shape(), " for input ", x.shape(), ", expected ", expected,
                     " or what broadcasts to it");
  return expand(raw, expected);
}

// Numbers `first` to `first + count` of every row, without those that would overflow.
template <class S>
Tensor<S> bounded_numbers(const Tensor<S>& rows, Index first, Index count, double most = most_raw_number) {
  return clamp(slice(rows, -1, first, first + count), -most, most);
}

template <class S>
Tensor<S> keep_finite(const Tensor<S>& x) {
  constexpr double most = static_cast<double>(std::numeric_limits<S>::max());
  return clamp(x, -most, most);
}

// `curve` on [-bound, bound], the identity outside.
template <class S, class F>
WithLogSlope<S> within_bound(const Tensor<S>& x, S bound, const F& curve) {
  const WithLogSlope<S> inner = curve(clamp(x, -bound, bound));
  const Tensor<S> inside = (x >= -bound) * (x <= bound);
  return {where(inside, inner.value, x), where(inside, inner.log_slope, S(0))};
}

// x limited to [-bound, bound]; no gradient comes through from outside, not even one that is not finite.
template <class S>
Tensor<S> limited(const Tensor<S>& x, S bound) {
  return where(x > bound, bound, where(x < -bound, -bound, x));
}

// Beyond this the slope of what goes on along its tangents is 1, lest it overflow.
inline constexpr double tangent_bound = 1e10;

// `curve` on [-bound, bound], its tangents outside as far as tangent_bound, slope 1 from there.
template <class S, class F>
WithLogSlope<S> with_tangents(const Tensor<S>& x, double bound, const F& curve) {
  const S near = static_cast<S>(bound), far = static_cast<S>(tangent_bound);
  if (!any_of(x, [near](S u) { return u < -near || u > near; })) return curve(x);
  const Tensor<S> at = limited(x, near), reached = limited(x, far);
  const WithLogSlope<S> inner = curve(at);
  return {keep_finite(inner.value + (reached - at) * exp(inner.log_slope) + (x - reached)),
          where(abs(x) <= far, inner.log_slope, S(0))};
}

// What a transform calls itself in its messages.
template <class Transform>
constexpr const char* transform_name() {
  if constexpr (requires { Transform::name; })
    return Transform::name;
  else
    return "transform";
}

template <class S>
WithLogDet<S> with_log_det(const WithLogSlope<S>& each) {
  return {each.value, sum(each.log_slope, -1)};
}

}  // namespace detail

/// One trained monotone transform for each number of an event, y = f(x; raw) elementwise, with raw = 0 at first.
///
/// `transform` is a MonotoneTransform. x [.., d]. Throws ValueError for fewer than one feature, ShapeError.
///     LearnedTransform<BernsteinTransform> curve(3, BernsteinTransform({.degree = 10}));
template <class Transform, class S = float>
class LearnedTransform {
 public:
  using Scalar = S;

  LearnedTransform() = default;
  explicit LearnedTransform(Index features, Transform transform = Transform()) : transform_(std::move(transform)) {
    if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
    raw_ = Tensor<S>::zeros({features, transform_.numbers()});
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features(name, x.shape(), raw_.size(0));
    return detail::with_log_det(transform_.forward(x, rows(x)));
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features(name, y.shape(), raw_.size(0));
    return detail::with_log_det(inverse_transform(transform_, y, rows(y)));
  }

  static void members(auto& self, auto&& visit) { visit("raw", self.raw_); }

 private:
  static constexpr const char* name = detail::transform_name<Transform>();

  Tensor<S> rows(const Tensor<S>& x) const { return detail::raw_rows(name, x, raw_.tensor(), transform_.numbers()); }

  Transform transform_;
  Parameter<S> raw_;
};

}  // namespace pushforward
