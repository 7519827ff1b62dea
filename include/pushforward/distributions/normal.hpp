// Normal: the diagonal normal distribution.
#pragma once

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// The normal distribution with independent components, N(mean, diag(std^2)).
///
/// Parameters of shape [.., d], broadcast against each other: the last axis is the event. Scalars (shape []) make a
/// distribution of plain numbers. Throws ValueError for a std that is not positive or a NaN, ShapeError for shapes that
/// do not broadcast.
template <class S = float>
class Normal {
 public:
  using Scalar = S;

  /// The standard normal distribution of one number.
  Normal() : Normal(Tensor<S>::scalar(S(0)), Tensor<S>::scalar(S(1))) {}
  Normal(const Tensor<S>& mean, const Tensor<S>& std)
      : shape_(broadcast(mean.shape(), std.shape(), "Normal")), mean_(mean), std_(std) {
    if (detail::any_of(std, [](S s) { return !(s > S(0)); }))
      fail<ValueError>("Normal: std has an element that is not positive, expected std > 0");
    detail::check_not_nan("Normal", "mean", mean);
    log_std_ = log(std);
  }
  /// With the logarithm of the standard deviation: what networks put out.
  static Normal from_log_std(const Tensor<S>& mean, const Tensor<S>& log_std) {
    detail::check_not_nan("Normal", "mean", mean);
    detail::check_not_nan("Normal", "log_std", log_std);
    Normal made(Given{}, broadcast(mean.shape(), log_std.shape(), "Normal"));
    made.mean_ = mean;
    made.log_std_ = log_std;
    return made;
  }
  /// N(0, 1) in each component of `shape`.
  static Normal standard(const Shape& shape) {
    Normal made(Given{}, shape);
    made.mean_ = made.log_std_ = Tensor<S>::zeros(shape);
    made.std_ = Tensor<S>::ones(shape);
    made.standard_ = true;
    return made;
  }

  /// The shape of the parameters, [.., d].
  const Shape& shape() const { return shape_; }
  Tensor<S> mean() const { return expand(mean_, shape_); }
  Tensor<S> std() const { return expand(std_.rank() == 0 || !std_.empty() ? std_ : exp(log_std_), shape_); }
  Tensor<S> log_std() const { return expand(log_std_, shape_); }
  Tensor<S> variance() const { return square(std()); }
  /// Whether it was made as N(0, 1).
  bool is_standard() const { return standard_; }

  /// log N(x; mean, std) in nats, summed over the event: x [.., d] -> [..], broadcast against the parameters.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    if (standard_ && x.rank() >= shape_.rank() && broadcast(x.shape(), shape_, "Normal::log_prob") == x.shape())
      return detail::event_sum(
          shape_, [](auto u) { return u * u * -0.5 - detail::half_log_two_pi; }, x);
    auto density = [limit = exponent_limit](auto u, auto mean, auto log_std) {
      const auto z = (u - mean) * exp(clamp(-log_std, -limit, limit));
      return z * z * -0.5 - log_std - detail::half_log_two_pi;
    };
    return detail::event_sum(shape_, density, x, mean_, log_std_);
  }

  /// n draws, [n, .., d], as constants.
  Tensor<S> sample(Index n, Rng& rng) const { return constant_draw(detail::batched(n, shape_), rng); }
  /// One draw, [.., d], as a constant.
  Tensor<S> sample(Rng& rng) const { return constant_draw(shape_, rng); }
  /// n draws mean + std * noise, differentiable in the parameters (Kingma and Welling 2014, sec. 2.4).
  Tensor<S> rsample(Index n, Rng& rng) const { return placed(normal<S>(detail::batched(n, shape_), rng)); }
  Tensor<S> rsample(Rng& rng) const { return placed(normal<S>(shape_, rng)); }

  /// Constant draws and their log-density.
  Draws<S> sample_and_log_prob(Index n, Rng& rng) const {
    const Tensor<S> noise = normal<S>(detail::batched(n, shape_), rng);
    return {stop_gradient(placed(noise)), log_prob_of_noise(noise)};
  }
  /// Differentiable draws and their log-density, as a function of the parameters along the draw.
  Draws<S> rsample_and_log_prob(Index n, Rng& rng) const {
    const Tensor<S> noise = normal<S>(detail::batched(n, shape_), rng);
    return {placed(noise), log_prob_of_noise(noise)};
  }

  /// The differential entropy in nats, sum of log std + log(2 pi e) / 2: [..].
  Tensor<S> entropy() const {
    return detail::event_sum(
        shape_, [](auto log_std) { return log_std + (detail::half_log_two_pi + 0.5); }, log_std());
  }

  static void members(auto&, auto&&) {}

 private:
  static constexpr double exponent_limit = sizeof(S) == 4 ? 80.0 : 700.0;  // 0 * exp(..) stays a number within

  struct Given {};
  Normal(Given, const Shape& shape) : shape_(shape) {}

  Tensor<S> placed(const Tensor<S>& noise) const { return standard_ ? noise : mean_ + std() * noise; }
  Tensor<S> constant_draw(const Shape& shape, Rng& rng) const {
    NoGradient guard;
    return placed(normal<S>(shape, rng));
  }
  // log N(mean + std * noise), exact where the difference to the mean would be rounded away.
  Tensor<S> log_prob_of_noise(const Tensor<S>& noise) const {
    if (standard_) return log_prob(noise);
    auto density = [](auto z, auto log_std) { return z * z * -0.5 - log_std - detail::half_log_two_pi; };
    return detail::event_sum(shape_, density, noise, log_std());
  }

  Shape shape_;
  Tensor<S> mean_, std_, log_std_;
  bool standard_ = false;
};

/// N(0, I) over `features` numbers: the usual base of a flow and prior of an autoencoder.
template <class S = float>
Normal<S> standard_normal(Index features) {
  return Normal<S>::standard({features});
}

/// A normal distribution over `features` numbers whose mean and standard deviation are trained; it starts as N(0, I).
template <class S = float>
struct LearnedNormal {
  using Scalar = S;
  Parameter<S> mean, log_std;

  LearnedNormal() = default;
  explicit LearnedNormal(Index features) : mean(Tensor<S>::zeros({features})), log_std(Tensor<S>::zeros({features})) {}

  /// The shape of a draw, [features].
  Shape shape() const { return mean.shape(); }
  /// The distribution at the present parameters.
  Normal<S> operator()() const { return Normal<S>::from_log_std(mean, log_std); }
  Tensor<S> log_prob(const Tensor<S>& x) const { return (*this)().log_prob(x); }
  Tensor<S> sample(Index n, Rng& rng) const { return (*this)().sample(n, rng); }
  Tensor<S> rsample(Index n, Rng& rng) const { return (*this)().rsample(n, rng); }

  static void members(auto& self, auto&& visit) {
    visit("mean", self.mean);
    visit("log_std", self.log_std);
  }
};

}  // namespace pushforward
