// The divergence of a velocity field: exact for any field, estimated, or in closed form for multilayer perceptrons.
#pragma once

#include <pushforward/distributions/fused.hpp>
#include <pushforward/dynamics/mlp_divergence.hpp>

namespace pushforward {

/// How a divergence is computed.
enum class Divergence {
  exact,      ///< the trace of the Jacobian: for n points of d numbers as much work as d gradients
  hutchinson  ///< an unbiased estimate from one random probe (Hutchinson 1989)
};

namespace detail {

template <class Field, class S>
concept KnowsItsDivergence = requires(const Field& field, const Tensor<S>& x, double t) {
  { field.velocity_and_divergence(x, t) } -> std::convertible_to<VelocityAndDivergence<S>>;
};

// field(x, t) recorded, and a function of what its vector-Jacobian products give.
template <class S, class Field, class Use>
auto with_products(const Field& field, const Tensor<S>& x, double t, const Use& use) {
  if (x.rank() != 2) fail<ShapeError>("velocity_and_divergence: got points of shape ", x.shape(), ", expected [n, d]");
  const bool recorded = recording_flag();
  const FlagGuard guard(recording_flag(), true);  // inside NoGradient, too
  const Tensor<S> at = recorded ? alias(x) : variable(x);
  const Tensor<S> y = field(at, t);
  if (!(y.shape() == x.shape()))
    fail<ShapeError>("velocity_and_divergence: the field gave shape ", y.shape(), " for points of shape ", x.shape(),
                     ", expected the same shape");
  auto product = [&](const Tensor<S>& v) {
    return y.tracked() ? vjp(y, {at}, v, {.create_graph = recorded})[0] : Tensor<S>::zeros(x.shape());
  };
  const FlagGuard after(recording_flag(), recorded);
  return use(recorded ? y : stop_gradient(y), product);
}

// field(x, t) and e^T (d field / dx): [n, d] each.
template <class S>
struct PulledField {
  Tensor<S> velocity, pulled;
};

template <class S, class Field>
PulledField<S> pull_through(const Field& field, const Tensor<S>& x, double t, const Tensor<S>& probe) {
  if (!(probe.shape() == x.shape()))
    fail<ShapeError>("velocity_and_divergence: got a probe of shape ", probe.shape(), ", expected the shape of x, ",
                     x.shape());
  return with_products(field, x, t, [&](const Tensor<S>& velocity, const auto& product) {
    return PulledField<S>{velocity, product(probe)};
  });
}

// Ones in column i.
template <class S>
Tensor<S> unit_columns(const Shape& shape, Index i) {
  return Tensor<S>::build(shape, [&](S* out) {
    std::fill_n(out, shape.size(), S(0));
    for (Index row = 0; row < shape[0]; ++row) out[row * shape[1] + i] = S(1);
  });
}

}  // namespace detail

/// field(x, t) and its exact divergence sum_i d field_i / d x_i: x [n, d] -> velocity [n, d], divergence [n].
///
/// `field(x, t)` maps points [n, d] and a plain time to velocities [n, d], each row by itself. The divergence takes d
/// vector-Jacobian products; multilayer perceptrons (TimeMlp) and fields with a member `velocity_and_divergence(x, t)`
/// have a faster way. Both results are differentiable in x and in what the field uses. Throws ShapeError.
template <class S, class Field>
VelocityAndDivergence<S> velocity_and_divergence(const Field& field, const Tensor<S>& x, double t) {
  if constexpr (detail::KnowsItsDivergence<Field, S>) {
    return field.velocity_and_divergence(x, t);
  } else {
    return detail::with_products(field, x, t, [&](const Tensor<S>& velocity, const auto& product) {
      Tensor<S> total = Tensor<S>::zeros({x.size(0)});
      for (Index i = 0; i < x.size(1); ++i) {
        const Tensor<S> row = slice(product(detail::unit_columns<S>(x.shape(), i)), 1, i, i + 1);
        total = i ? total + squeeze(row, 1) : squeeze(row, 1);
      }
      return VelocityAndDivergence<S>{velocity, total};
    });
  }
}
template <class S>
VelocityAndDivergence<S> velocity_and_divergence(const TimeMlp<S>& net, const Tensor<S>& x, double t) {
  return MlpDivergence<S>(net)(x, t);
}

/// field(x, t) and an unbiased estimate e^T (d field / dx) e of its divergence, for a `probe` e [n, d] of independent
/// numbers with mean 0 and variance 1 (Grathwohl et al. 2019, eq. 7): one vector-Jacobian product for any d.
///
/// A solver has to see the same probe in all of its steps. Throws ShapeError.
template <class S, class Field>
VelocityAndDivergence<S> velocity_and_divergence(const Field& field, const Tensor<S>& x, double t,
                                                 const Tensor<S>& probe) {
  const detail::PulledField<S> found = detail::pull_through(field, x, t, probe);
  return {found.velocity, sum(found.pulled * probe, 1)};
}

namespace detail {

// (x, l) [n, d + 1] -> (velocity, divergence) [n, d + 1].
template <class Evaluate, class S>
Tensor<S> augmented_by(const Evaluate& evaluate, const Tensor<S>& state, double t) {
  const VelocityAndDivergence<S> found = evaluate(slice(state, 1, 0, state.size(1) - 1), t);
  return concat({found.velocity, unsqueeze(found.divergence, 1)}, 1);
}

}  // namespace detail

/// A field with its divergence, as a solver needs it: call it with (x, t), or let `augmented` carry x and the integral
/// of the divergence as one state. It refers to the field, which has to outlive it.
template <class Field>
class DivergenceField {
 public:
  explicit DivergenceField(const Field& field) : field_(field) {}

  template <class S>
  VelocityAndDivergence<S> operator()(const Tensor<S>& x, double t) const {
    return velocity_and_divergence(field_, x, t);
  }
  /// The state (x, l), [n, d + 1], to its derivative (velocity, divergence), [n, d + 1].
  template <class S>
  Tensor<S> augmented(const Tensor<S>& state, double t) const {
    return detail::augmented_by(*this, state, t);
  }

 private:
  const Field& field_;
};

/// A field with Hutchinson's estimate of its divergence along one probe. It refers to the field.
template <class Field, class S>
class ProbedField {
 public:
  ProbedField(const Field& field, Tensor<S> probe) : field_(field), probe_(std::move(probe)) {}

  VelocityAndDivergence<S> operator()(const Tensor<S>& x, double t) const {
    return velocity_and_divergence(field_, x, t, probe_);
  }
  /// The state (x, l), [n, d + 1], to its derivative (velocity, divergence), [n, d + 1].
  Tensor<S> augmented(const Tensor<S>& state, double t) const { return detail::augmented_by(*this, state, t); }

 private:
  const Field& field_;
  Tensor<S> probe_;
};

/// `field` with its exact divergence, prepared for many evaluations with the same weights: make it once for a solution.
///
///     const auto f = with_divergence(net);
///     const auto [velocity, divergence] = f(x, t);                  // [n, d], [n]
///     const Tensor<> derivative = f.augmented(state, t);            // (x, l) -> (velocity, divergence): [n, d + 1]
template <class Field>
DivergenceField<Field> with_divergence(const Field& field) {
  return DivergenceField<Field>(field);
}
/// For multilayer perceptrons: the trace in closed form, for two hidden layers one fused pass.
template <class S>
MlpDivergence<S> with_divergence(const TimeMlp<S>& net) {
  return MlpDivergence<S>(net);
}
/// `field` with Hutchinson's estimate of its divergence along `probe` [n, d].
template <class Field, class S>
ProbedField<Field, S> with_divergence(const Field& field, const Tensor<S>& probe) {
  return ProbedField<Field, S>(field, probe);
}

}  // namespace pushforward
