// Adversarial losses: what a critic and a generator make small, and the penalties that keep a critic smooth.
#pragma once

#include <concepts>

#include <pushforward/nn/layer.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// A critic's and a generator's objective: `critic_loss(critic, real, fake, rng)` and `generator_loss(critic, fake)`
/// are tensors of one number. NonSaturating, WassersteinGp and Hinge are such; a struct of your own may be, too.
template <class L, class Critic, class S = float>
concept AdversarialLoss = requires(const L& loss, const Critic& critic, const Tensor<S>& x, Rng& rng) {
  { loss.critic_loss(critic, x, x, rng) } -> std::convertible_to<Tensor<S>>;
  { loss.generator_loss(critic, x) } -> std::convertible_to<Tensor<S>>;
};

/// How a gradient penalty is taken.
struct GradientPenaltyOptions {
  double target = 1;       ///< the length that the critic's gradients are drawn to
  bool one_sided = false;  ///< lets shorter gradients be
};

namespace detail {

// A critic's scores of x [n, ..], one for each row: [n] or [n, 1].
template <class Critic, class S, class... R>
Tensor<S> scores(const char* name, const Critic& critic, const Tensor<S>& x, R&... rng) {
  Tensor<S> score = call_layer(critic, x, rng...);
  if (score.rank() < 1 || score.size(0) != x.size(0) || score.size() != x.size(0))
    fail<ShapeError>(name, ": the critic maps ", x.shape(), " to ", score.shape(),
                     ", expected one score for each row, [", x.size(0), "] or [", x.size(0), ", 1]");
  return score;
}

template <class S>
void check_rows(const char* name, const Tensor<S>& real, const Tensor<S>& fake, bool as_many) {
  const bool rows = real.rank() >= 2 && fake.rank() >= 2 && real.size(0) > 0 && fake.size(0) > 0;
  if (!rows || !(real.shape().with(0, 1) == fake.shape().with(0, 1)) || (as_many && real.size(0) != fake.size(0)))
    fail<ShapeError>(name, ": got real rows of shape ", real.shape(), " and fake rows of shape ", fake.shape(),
                     as_many ? ", expected the same shape [n, ..]" : ", expected [n, ..] and [m, ..], alike but for n");
}

template <class S>
struct RealAndFake {
  Tensor<S> real, fake;
};

// The scores of both, from one pass through the critic.
template <class Critic, class S>
RealAndFake<S> score_both(const char* name, const Critic& critic, const Tensor<S>& real, const Tensor<S>& fake,
                          Rng& rng) {
  check_rows(name, real, fake, false);
  const Tensor<S> score = scores(name, critic, concat({fake, real}), rng);
  return {slice(score, 0, fake.size(0), score.size(0)), slice(score, 0, 0, fake.size(0))};
}

// |grad_x critic(x)|^2 for each row, [n], to be differentiated again.
template <class Critic, class S, class... R>
Tensor<S> squared_slopes(const char* name, const Critic& critic, const Tensor<S>& at, R&... rng) {
  const FlagGuard guard(recording_flag(), true);  // inside NoGradient, too
  const Tensor<S> x = variable(at);
  const Tensor<S> total = sum(scores(name, critic, x, rng...));
  if (!total.tracked()) return Tensor<S>::zeros({x.size(0)});  // the critic does not look at x
  const Tensor<S> slope = gradient(total, x, {.create_graph = true});
  return sum(square(slope.rank() == 2 ? slope : reshape(slope, {x.size(0), -1})), 1);
}

}  // namespace detail

/// How far a critic's gradients are from length 1 on lines between real and fake rows: one number.
///
///     mean of (|grad D(u)| - 1)^2,  u = fake + a (real - fake),  a ~ U[0, 1] for each row
///
/// real, fake [n, ..]. Rows are taken in pairs. It is differentiable in the critic's parameters, by differentiating
/// twice; not in real and fake. Multiply it by the weight of your choice, usually 10. Throws ShapeError.
///
/// Source: Gulrajani et al., Improved training of Wasserstein GANs, 2017, eq. 3.
template <class Critic, class S>
Tensor<S> gradient_penalty(const Critic& critic, const Tensor<S>& real, const Tensor<S>& fake,
                           const GradientPenaltyOptions& options, Rng& rng, const ExampleMean& over = {}) {
  detail::check_rows("gradient_penalty", real, fake, true);
  Shape one_each = Shape{real.size(0)};
  for (int axis = 1; axis < real.rank(); ++axis) one_each = one_each.inserted(axis, 1);
  const Tensor<S> a = uniform<S>(one_each, rng);
  const Tensor<S> x = stop_gradient(fake), y = stop_gradient(real);
  const Tensor<S> squares = detail::squared_slopes("gradient_penalty", critic, x + a * (y - x), rng);
  const Tensor<S> excess = sqrt(squares + S(1e-12)) - static_cast<S>(options.target);
  return over(square(options.one_sided ? relu(excess) : excess));
}

/// Half the mean of |grad D(x)|^2 over the rows of x [n, ..]: one number, differentiable in the critic's parameters.
///
/// Over real rows it is the penalty R1, over fake ones R2; multiply it by a weight gamma of your choice. Throws
/// ShapeError. Source: Mescheder et al., Which training methods for GANs do actually converge?, 2018, eq. 9.
template <class Critic, class S, class... R>
requires(std::same_as<R, Rng>&&...) Tensor<S> r1_penalty(const Critic& critic, const Tensor<S>& x, R&... rng) {
  return S(0.5) * mean(detail::squared_slopes("r1_penalty", critic, x, rng...));
}
/// The same with weights of the rows.
template <class Critic, class S>
Tensor<S> r1_penalty(const Critic& critic, const Tensor<S>& x, Rng& rng, const ExampleMean& over) {
  return S(0.5) * over(detail::squared_slopes("r1_penalty", critic, x, rng));
}

/// The non-saturating loss: the critic is a classifier with logits D, the generator raises the logits of what it makes.
///
///     critic:     mean softplus(-D(real)) + mean softplus(D(fake)) + r1 / 2 mean |grad D(real)|^2
///     generator:  mean softplus(-D(fake))
///
/// Without the penalty the two need not come to rest; `r1` near 0.1 to 10 makes them (the scale of the data counts).
/// Sources: Goodfellow et al., Generative adversarial nets, 2014, sec. 3; Mescheder et al. 2018, eq. 9.
struct NonSaturating {
  double r1 = 0;  ///< weight of the penalty on real data; 0 for none

  template <class Critic, class S>
  Tensor<S> critic_loss(const Critic& critic, const Tensor<S>& real, const Tensor<S>& fake, Rng& rng,
                        const ExampleMean& over = {}) const {
    const auto [on_real, on_fake] = detail::score_both("critic_loss", critic, real, fake, rng);
    const Tensor<S> loss = over.of_numbers(softplus(-on_real)) + mean(softplus(on_fake));
    return r1 == 0 ? loss : loss + static_cast<S>(r1) * r1_penalty(critic, real, rng, over);
  }
  template <class Critic, class S, class... R>
  Tensor<S> generator_loss(const Critic& critic, const Tensor<S>& fake, R&... rng) const {
    return mean(softplus(-detail::scores("generator_loss", critic, fake, rng...)));
  }
};

/// The Wasserstein loss: the critic estimates the earth mover's distance, kept smooth by a gradient penalty.
///
///     critic:     mean D(fake) - mean D(real) + penalty mean (|grad D| - 1)^2
///     generator:  - mean D(fake)
///
/// It wants several critic steps for each of the generator (5 in the paper). Source: Gulrajani et al. 2017,
/// algorithm 1.
struct WassersteinGp {
  double penalty = 10;                   ///< weight of the gradient penalty
  GradientPenaltyOptions gradient = {};  ///< its target length, and whether shorter is as good

  template <class Critic, class S>
  Tensor<S> critic_loss(const Critic& critic, const Tensor<S>& real, const Tensor<S>& fake, Rng& rng,
                        const ExampleMean& over = {}) const {
    const auto [on_real, on_fake] = detail::score_both("critic_loss", critic, real, fake, rng);
    const Tensor<S> loss = mean(on_fake) - over.of_numbers(on_real);
    return penalty == 0 ? loss
                        : loss + static_cast<S>(penalty) * gradient_penalty(critic, real, fake, gradient, rng, over);
  }
  template <class Critic, class S, class... R>
  Tensor<S> generator_loss(const Critic& critic, const Tensor<S>& fake, R&... rng) const {
    return -mean(detail::scores("generator_loss", critic, fake, rng...));
  }
};

/// The hinge loss: the critic is to be above 1 on real rows and below -1 on fake ones, and no more.
///
///     critic:     mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake))
///     generator:  - mean D(fake)
///
/// Usually with a spectrally normalized critic (SpectralMlp), or with `r1`. Sources: Lim and Ye, Geometric GAN, 2017;
/// Miyato et al., Spectral normalization for GANs, 2018, eq. 16 and 17.
struct Hinge {
  double r1 = 0;  ///< weight of the penalty of NonSaturating; 0 for none

  template <class Critic, class S>
  Tensor<S> critic_loss(const Critic& critic, const Tensor<S>& real, const Tensor<S>& fake, Rng& rng,
                        const ExampleMean& over = {}) const {
    const auto [on_real, on_fake] = detail::score_both("critic_loss", critic, real, fake, rng);
    const Tensor<S> loss = over.of_numbers(relu(S(1) - on_real)) + mean(relu(S(1) + on_fake));
    return r1 == 0 ? loss : loss + static_cast<S>(r1) * r1_penalty(critic, real, rng, over);
  }
  template <class Critic, class S, class... R>
  Tensor<S> generator_loss(const Critic& critic, const Tensor<S>& fake, R&... rng) const {
    return -mean(detail::scores("generator_loss", critic, fake, rng...));
  }
};

}  // namespace pushforward
