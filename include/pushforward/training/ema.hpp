// Ema: a moving average of a model's parameters.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/training/update.hpp>

namespace pushforward {

/// How Ema averages.
struct EmaOptions {
  double decay = 0.999;
  bool debias = false;  ///< forgets the initial parameters: the average is over the updates only
};

namespace detail {

template <class S>
struct AverageRule {
  static constexpr int slots = 0;
  S weight;
  PUSHFORWARD_INLINE S operator()(S average, S p) const { return average + weight * (p - average); }
};

inline void check_ema(const EmaOptions& options) {
  if (!(options.decay >= 0 && options.decay < 1))
    fail<ValueError>("Ema: decay is ", options.decay, ", expected 0 <= decay < 1");
}

// The weight of update number `count`, counted from 1. Debiased, as a bias-corrected average that began at zero.
inline double ema_weight(const EmaOptions& options, Index count) {
  const double weight = 1 - options.decay;
  return options.debias ? weight / (1 - std::pow(options.decay, static_cast<double>(count))) : weight;
}

template <class S, class M>
void average_parameters(M& average, const M& model, double weight) {
  Sweep<S> sweep("Ema.update", average);
  if (sweep.count() == 0) return;
  std::vector<const Tensor<S>*> sources;
  for_each_parameter<S>(model, [&](const Path&, const Parameter<S>& p) { sources.push_back(&p); });
  if (sources.size() != sweep.count())
    fail<ShapeError>("Ema.update: the model has ", sources.size(), " parameters, the average ", sweep.count(),
                     "; update with the same model");
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (!(sources[i]->shape() == sweep.shape(i)))
      fail<ShapeError>("Ema.update: '", sweep.name(i), "' has shape ", sources[i]->shape(), ", its average ",
                       sweep.shape(i), "; update with the same model");
  sweep.set_sources(std::move(sources));
  sweep.run(AverageRule<S>{static_cast<S>(weight)});
}

template <class S, class M>
void copy_buffers(M& to, const M& from) {
  std::vector<const Buffer<S>*> sources;
  for_each_buffer<S>(from, [&](const Path&, const Buffer<S>& b) { sources.push_back(&b); });
  std::size_t i = 0;
  for_each_buffer<S>(to, [&](const Path&, Buffer<S>& b) {
    if (i < sources.size()) b = sources[i++]->tensor();
  });
}

}  // namespace detail

/// An exponential moving average of a model's parameters, kept as a copy of the model,
///
///   average = decay average + (1 - decay) p,
///
/// which begins at the parameters that `model` has. Buffers are copied as they are. Throws ValueError unless
/// 0 <= decay < 1. Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
template <class M>
class Ema {
 public:
  explicit Ema(const M& model, EmaOptions options = {}) : average_(model), options_(options) {
    detail::check_ema(options);
  }

  /// Takes in the present parameters, after a step. Throws ShapeError if the model has changed its parameters' shapes.
  void update(const M& model) {
    const double weight = detail::ema_weight(options_, ++count_);
    detail::average_parameters<float>(average_, model, weight);
    detail::average_parameters<double>(average_, model, weight);
    detail::copy_buffers<float>(average_, model);
    detail::copy_buffers<double>(average_, model);
    detail::copy_buffers<Index>(average_, model);
  }

  /// The model with averaged parameters.
  const M& model() const { return average_; }
  M& model() { return average_; }
  Index updates() const { return count_; }

  // Continues from a saved count of updates.
  void set_updates(Index count) { count_ = count; }

 private:
  M average_;
  EmaOptions options_;
  Index count_ = 0;
};

}  // namespace pushforward
