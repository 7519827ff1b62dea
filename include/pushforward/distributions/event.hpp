// What distributions over numbers share: sums over the event, formulas in double, one stream of draws per element.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <pushforward/core/random.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward::detail {

inline constexpr double half_log_two_pi = 0.91893853320467274178;

// The sum over the last axis, the event; a scalar shape of parameters means that every number is an event.
template <class S>
Tensor<S> event_total(const Shape& parameters, const Tensor<S>& each) {
  return parameters.rank() == 0 ? each : sum(each, -1);
}

// Throws ValueError for the first element that is not `valid`.
template <class S, class Valid>
void check_parameter(const char* distribution, const char* parameter, const Tensor<S>& x, const Valid& valid,
                     const char* expected) {
  for (Index i = 0; i < x.size(); ++i)
    if (!valid(x.data()[i]))
      fail<ValueError>(distribution, ": element ", i, " of ", parameter, " is ", x.data()[i], ", expected ", expected);
}

// f of each element, with broadcasting, in double and rounded once: for formulas whose terms cancel.
template <class F, class S, std::same_as<Tensor<S>>... More>
Tensor<S> in_double([[maybe_unused]] const char* name, const F& f, const Tensor<S>& first, const More&... more) {
  Shape shape = first.shape();
  ((shape = broadcast(shape, more.shape(), name)), ...);
  const std::array<Tensor<S>, 1 + sizeof...(More)> x{expand_values(first, shape), expand_values(more, shape)...};
  return Tensor<S>::build(shape, [&](S* out) {
    parallel_for(shape.size(), 1024, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        out[i] = static_cast<S>(
            std::apply([&](const auto&... each) { return f(static_cast<double>(each.data()[i])...); }, x));
    });
  });
}

// Uniform numbers of one element of a tensor: draw k of element i is a pure function of the state, i and k.
class ElementDraws {
 public:
  ElementDraws(const Rng::State& state, Index element)
      : key_(state.key), stream_(state.stream), element_(static_cast<std::uint64_t>(element)) {}

  /// Uniform in (0, 1).
  double uniform() { return unit_from(philox_block(key_, stream_++, element_)[0]) + 0x1p-54; }

 private:
  std::uint64_t key_, stream_, element_;
};

// out[i] = draw(i, ElementDraws&), in parallel; each call takes streams of its own from `rng`.
template <class S, class Draw>
Tensor<S> draw_each(const Shape& shape, Rng& rng, const Draw& draw) {
  const Rng::State state = rng.split().state();
  return Tensor<S>::build(shape, [&](S* out) {
    parallel_for(shape.size(), 256, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        ElementDraws draws(state, i);
        out[i] = static_cast<S>(draw(i, draws));
      }
    });
  });
}

}  // namespace pushforward::detail
