// AdditiveCoupling and AffineCoupling: some numbers stay, and tell a network how to move the others.
#pragma once

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/bijectors/coupling_kernels.hpp>

namespace pushforward {

/// Which numbers of an event a coupling keeps; the others move.
enum class Keep {
  first_half,   ///< 0 .. d/2 - 1
  second_half,  ///< d/2 .. d - 1
  even,         ///< 0, 2, 4, ...
  odd,          ///< 1, 3, 5, ...
};

namespace detail {

struct CouplingColumns {
  Columns kept, moved;
};

inline CouplingColumns coupling_columns(Index features, Keep keep) {
  if (features < 2)
    fail<ValueError>("coupling: got ", features, " features, expected at least 2, one to keep and one to move");
  const Index half = features / 2;
  const Columns first{features, 0, 1, half}, second{features, half, 1, features - half};
  const Columns even{features, 0, 2, features - half}, odd{features, 1, 2, half};
  switch (keep) {
    case Keep::first_half:
      return {first, second};
    case Keep::second_half:
      return {second, first};
    case Keep::even:
      return {even, odd};
    case Keep::odd:
      break;
  }
  return {odd, even};
}

template <class S>
void check_conditioner(const char* name, const Tensor<S>& raw, const Tensor<S>& x, Index expected) {
  if (!(raw.shape() == x.shape().with(-1, expected)))
    fail<ShapeError>(name, ": the network gave shape ", raw.shape(), " for input ", x.shape(), ", expected ",
                     x.shape().with(-1, expected));
}

}  // namespace detail

/// How many of `features` numbers a coupling keeps, the input width of its network; it moves the rest.
inline Index kept_features(Index features, Keep keep) { return detail::coupling_columns(features, keep).kept.count; }

/// How an affine coupling works.
struct CouplingOptions {
  Keep keep = Keep::first_half;
  double max_log_scale = 1.0;  ///< bound of |s|: s = bound tanh(r / bound)
};

/// y_moved = x_moved + t(x_kept) (NICE, Dinh et al. 2014, eq. 16): volume is preserved.
///
/// `net` maps [.., kept] to [.., moved]. Throws ShapeError if it does not.
template <class Net>
class AdditiveCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  AdditiveCoupling(Net net, Index features, Keep keep = Keep::first_half)
      : net_(std::move(net)), columns_(detail::coupling_columns(features, keep)) {}

  WithLogDet<S> forward(const Tensor<S>& x) const { return {x + shift(x), Tensor<S>::zeros(x.shape().without(-1))}; }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return {y - shift(y), Tensor<S>::zeros(y.shape().without(-1))}; }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  // t in the moved columns, zero in the kept ones, which are the same on both sides.
  Tensor<S> shift(const Tensor<S>& x) const {
    detail::check_features("AdditiveCoupling", x.shape(), columns_.kept.width);
    const Tensor<S> t = net_(detail::conditioner_input(x, columns_.kept));
    detail::check_conditioner("AdditiveCoupling", t, x, columns_.moved.count);
    return columns_.moved.place(t);
  }

  Net net_;
  detail::CouplingColumns columns_;
};

/// y_moved = x_moved exp(s(x_kept)) + t(x_kept) (RealNVP, Dinh et al. 2017, eq. 7), log det = sum of s.
///
/// `net` maps [.., kept] to [.., 2 moved]: raw log-scales r, then shifts t. s = bound tanh(r / bound) is bounded, and
/// the network sees numbers clamped to 1e6, so that no finite input overflows to NaN. Throws ShapeError if the
/// network's output does not fit.
template <class Net>
class AffineCoupling {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  AffineCoupling(Net net, Index features, CouplingOptions options = {})
      : net_(std::move(net)),
        columns_(detail::coupling_columns(features, options.keep)),
        scale_(options.max_log_scale) {
    if (!(options.max_log_scale > 0))
      fail<ValueError>("AffineCoupling: max_log_scale is ", options.max_log_scale, ", expected a positive number");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    const Tensor<S> raw = conditioned(x);
    return {detail::affine_coupling<true>(x, raw, columns_.moved, scale_),
            detail::coupling_log_det(raw, columns_.moved.count, scale_, S(1))};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    const Tensor<S> raw = conditioned(y);
    return {detail::affine_coupling<false>(y, raw, columns_.moved, scale_),
            detail::coupling_log_det(raw, columns_.moved.count, scale_, S(-1))};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  // The kept columns are the same on both sides, so both directions can compute the network.
  Tensor<S> conditioned(const Tensor<S>& x) const {
    detail::check_features("AffineCoupling", x.shape(), columns_.kept.width);
    Tensor<S> raw = net_(detail::conditioner_input(x, columns_.kept));
    detail::check_conditioner("AffineCoupling", raw, x, 2 * columns_.moved.count);
    return raw;
  }

  Net net_;
  detail::CouplingColumns columns_;
  detail::BoundedScale<S> scale_;
};

}  // namespace pushforward
