// ode_log_prob: the density that an ordinary differential equation makes of a simple one.
#pragma once

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/distributions/concepts.hpp>
#include <pushforward/dynamics/divergence.hpp>
#include <pushforward/dynamics/ode.hpp>

namespace pushforward {

/// Directions along which Hutchinson's estimator measures a divergence: independent, with mean 0 and variance 1.
enum class Probe { rademacher, normal };

/// A probe of `shape`: signs, whose estimates vary least, or normal numbers.
template <class S = float>
Tensor<S> draw_probe(Probe kind, const Shape& shape, Rng& rng) {
  if (kind == Probe::normal) return normal<S>(shape, rng);
  return bernoulli(Tensor<S>::full(shape, S(0.5)), rng) * 2 - 1;
}

/// The solution of dx/dt = field(x, t) at time `to`, and the log-determinant of its Jacobian in the x at time `from`:
/// x [n, d] -> value [n, d], log_det [n].
///
///     log |det dx(to) / dx(from)| = int div field(x(t), t) dt   (Chen et al. 2018, eq. 8)
///
/// An empty `probe` takes the divergence exactly; a probe e [n, d], fixed during the solution, estimates it without
/// bias as e^T (dfield/dx) e (Grathwohl et al. 2019, eq. 8). Throws what `integrate` throws.
template <class S, class Field>
WithLogDet<S> integrate_with_log_det(const Field& field, const Tensor<S>& x, double from, double to,
                                     const OdeSolver& solver, const Tensor<S>& probe = {}, OdeTrace* trace = nullptr) {
  if (x.rank() != 2) fail<ShapeError>("integrate_with_log_det: x of shape ", x.shape(), ", expected [n, d]");
  if (!probe.empty() && !(probe.shape() == x.shape()))
    fail<ShapeError>("integrate_with_log_det: probe of shape ", probe.shape(), ", expected the shape of x, ",
                     x.shape());
  const Index d = x.size(1);
  const Tensor<S> start = concat({x, Tensor<S>::zeros({x.size(0), 1})}, 1);  // [n, d + 1]
  auto solve = [&](const auto& f) {
    auto augmented = [&](const Tensor<S>& state, double t) { return f.augmented(state, t); };
    const Tensor<S> end = integrate(augmented, start, from, to, solver, trace);
    return WithLogDet<S>{slice(end, 1, 0, d), squeeze(slice(end, 1, d, d + 1), 1)};
  };
  return probe.empty() ? solve(with_divergence(field)) : solve(with_divergence(field, probe));
}

/// How ode_log_prob solves and where data and noise are.
struct OdeLikelihoodOptions {
  double data_time = 1, noise_time = 0;
  OdeSolver solver = DormandPrince{};
  Divergence divergence = Divergence::exact;  ///< hutchinson for many dimensions: one evaluation instead of d
  Probe probe = Probe::rademacher;
};

/// log p(x) in nats under the flow of a field that takes `base` at the noise time to the data: x [n, d] -> [n].
///
///     log p(x) = log p_base(x(noise_time)) + int_data^noise div field(x(t), t) dt,   x(data_time) = x
///
/// (Chen et al. 2018, eq. 8; Song et al. 2021, eq. 39.) Exact up to the solver's error; with `Divergence::hutchinson`
/// an unbiased estimate of that. Differentiable. Throws ShapeError unless x is [n, d], and what `integrate` throws.
template <class S, class Field, class Base>
requires Density<Base, S> Tensor<S> ode_log_prob(const Field& field, const Base& base, const Tensor<S>& x,
                                                 const OdeLikelihoodOptions& options, Rng& rng) {
  const bool exact = options.divergence == Divergence::exact;
  const Tensor<S> probe = exact ? Tensor<S>() : draw_probe<S>(options.probe, x.shape(), rng);
  const WithLogDet<S> noise =
      integrate_with_log_det(field, x, options.data_time, options.noise_time, options.solver, probe);
  return base.log_prob(noise.value) + noise.log_det;
}

}  // namespace pushforward
