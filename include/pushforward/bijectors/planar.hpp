// PlanarFlow: an event pushed along one direction by a function of its place along another.
#pragma once

#include <pushforward/bijectors/solve.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

namespace detail {

// The least slope of a map that is invertible by constraint: its inverse stays well conditioned.
inline constexpr double least_residual_slope = 1e-3;

// The vector or matrix of numbers that are normal with this standard deviation.
template <class S>
Tensor<S> small_normal(const Shape& shape, double deviation, Rng& rng) {
  return normal<S>(shape, rng) * deviation;
}

inline void check_residual_size(const char* name, Index features) {
  if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
}

}  // namespace detail

/// y = x + u tanh(w . x + b), log det = log(1 + u . w (1 - tanh^2)) (Rezende and Mohamed 2015, eq. 10 to 12).
///
/// Of the trained u the part along w is replaced so that u . w = softplus(w . u) - 1 + 1e-3 > -1 (their appendix A.1),
/// which makes the map invertible. The inverse solves one increasing equation in w . x per event, with gradients by the
/// implicit function theorem. x [.., d]. Throws ValueError for fewer than one feature, ShapeError.
template <class S = float>
struct PlanarFlow {
  Parameter<S> u, w, b;  // [d], [d], []

  PlanarFlow() = default;
  PlanarFlow(Index features, Rng& rng) {
    detail::check_residual_size("PlanarFlow", features);
    const double deviation = 1 / std::sqrt(static_cast<double>(features));
    u = detail::small_normal<S>({features}, deviation, rng);
    w = detail::small_normal<S>({features}, deviation, rng);
    b = Tensor<S>::scalar(S(0));
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("PlanarFlow", x.shape(), w.size());
    const Push push = constrained();
    const Tensor<S> h = tanh(sum(x * w, -1, true) + b.tensor());
    return {x + push.along * h, log_slope(push, h)};
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("PlanarFlow", y.shape(), w.size());
    const Push push = constrained();
    const Tensor<S> to = sum(y * w, -1, true), reach = abs(push.rate);
    auto miss = [](const auto& t, const auto& rate, const auto& offset, const auto& target) {
      return t + rate * tanh(t + offset) - target;
    };
    const Tensor<S> h = tanh(solve_increasing(miss, to - reach, to + reach, push.rate, b, to) + b.tensor());
    return {y - push.along * h, -log_slope(push, h)};
  }

  static void members(auto& self, auto&& visit) {
    visit("u", self.u);
    visit("w", self.w);
    visit("b", self.b);
  }

 private:
  struct Push {
    Tensor<S> along, rate;  // the constrained u [d], and u . w []
  };
  Push constrained() const {
    const Tensor<S> free = sum(w * u), squared = sum(square(w.tensor()));
    const Tensor<S> change = softplus(free) - (1 - detail::least_residual_slope) - free;
    const Tensor<S> share = w / (squared + std::numeric_limits<S>::min());  // w = 0 moves nothing along itself
    return {u + change * share, free + change * sum(w * share)};
  }
  static Tensor<S> log_slope(const Push& push, const Tensor<S>& h) {
    return squeeze(log1p(push.rate * (1 - square(h))), -1);
  }
};

}  // namespace pushforward
