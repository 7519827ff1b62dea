// fused(): operations in one pass with one-pass gradients; event_sum(): a formula summed over the event axis.
#pragma once

#include <pushforward/autodiff/dual.hpp>
#include <pushforward/autodiff/functional.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward::detail {

// `x` behind a node of its own, so that an operation that takes one tensor twice tells the two apart.
template <class S>
Tensor<S> alias(const Tensor<S>& x) {
  if (!x.tracked()) return variable(x);
  return record("alias", Access::view(x, x.shape()), edge(x, [](const Tensor<S>& g) { return g; }));
}

// The vector-Jacobian product of `reference`, recorded, with respect to each of `x`.
template <class Reference, class S, std::size_t N>
std::array<Tensor<S>, N> pull_back_recorded(const Reference& reference, const Tensor<S>& g,
                                            const std::array<Tensor<S>, N>& x) {
  std::array<Tensor<S>, N> at;
  std::vector<Node<S>*> targets;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < N; ++i) {
    at[i] = alias(x[i]);
    targets.push_back(Access::node(at[i]).get());
    shapes.push_back(x[i].shape());
  }
  const Tensor<S> y = std::apply(reference, at);
  std::vector<Tensor<S>> found = Backward<S>(y, targets, true).run(g, targets, shapes);
  std::array<Tensor<S>, N> result;
  std::move(found.begin(), found.end(), result.begin());
  return result;
}

// An operation with a fused value and a fused rule(g, y, x...) -> array of cotangents for gradients that are not
// differentiated again; those that are come from `reference`, the same function in differentiable operations. The rule
// may leave the cotangent of an untracked input empty.
template <class Value, class Rule, class Reference, class S, std::same_as<Tensor<S>>... More>
Tensor<S> fused(const Value& value, Rule rule, Reference reference, const Tensor<S>& first, const More&... more) {
  auto vjp = [rule = std::move(rule), reference = std::move(reference)](const Tensor<S>& g, const Tensor<S>& y,
                                                                        const auto&... x) {
    using Found = std::array<Tensor<S>, sizeof...(x)>;
    if (!recording_flag()) return Found(rule(g, y, x...));
    return pull_back_recorded(reference, g, Found{x...});
  };
  return primitive(value, std::move(vjp), first, more...);
}

// df/dx_Argument, from running f on dual numbers.
template <std::size_t Argument, class S, class F, std::size_t... I>
PUSHFORWARD_INLINE S slope_along(const F& f, std::index_sequence<I...>, decltype(static_cast<S>(I))... x) {
  using D = Dual<Lane<S>>;
  return D(f(D(Lane<S>(x), Lane<S>(I == Argument ? 1 : 0))...)).slope.value;
}

// Inputs of a kernel over rows of `width` numbers: row r of input i is data[i] + r % rows[i] * width.
template <class S, std::size_t N>
struct EventRows {
  static constexpr Index capacity = 1024;
  Index total, width;
  std::array<const S*, N> data;
  std::array<Index, N> rows;

  EventRows(const Shape& full, const std::array<Tensor<S>, N>& x) : total(full.size() / full[-1]), width(full[-1]) {
    for (std::size_t i = 0; i < N; ++i) {
      data[i] = x[i].data();
      rows[i] = x[i].size() / width;
    }
  }
  // Calls visit(row, rows, column, columns, x...) for tiles of at most `capacity` numbers that are contiguous in every
  // input.
  template <class Visit, std::size_t... I>
  void for_each_tile(const Visit& visit, std::index_sequence<I...>) const {
    const bool repeats = ((rows[I] != total) || ...);
    const Index height = repeats ? 1 : std::max(Index{1}, capacity / width);
    const Index grain = std::max(height, elementwise_grain / 4 / width / height * height);
    parallel_for(total, grain, [&](Index begin, Index end) {
      for (Index r = begin; r < end; r += height)
        for (Index c = 0; c < width; c += capacity)
          visit(r, std::min(height, end - r), c, std::min(capacity, width - c), (data[I] + r % rows[I] * width + c)...);
    });
  }
};

// Compiled for every instruction set, except for double: it is what oracles use.
template <class S, class Body>
void vectorized_for(const Body& body) {
  if constexpr (sizeof(S) == 8)
    body();
  else
    vectorized(body);
}

template <class F, class S, std::size_t N, std::size_t... I>
void sum_event_rows(const F& f, const EventRows<S, N>& in, S* out, std::index_sequence<I...> all) {
  auto element = [f](decltype(static_cast<S>(I))... lanes) { return Lane<S>(f(Lane<S>(lanes)...)).value; };
  auto tile = [element, out](Index row, Index rows, Index column, Index columns, decltype(in.data[I])... x) {
    vectorized_for<S>([=] {
      S values[EventRows<S, N>::capacity];
      map_loop(element, rows * columns, values, x...);
      for (Index r = 0; r < rows; ++r) {
        const S part = columns < 32 ? reduce_short<Plus>(values + r * columns, columns)
                                    : reduce_run<Plus>(values + r * columns, columns);
        out[row + r] = column == 0 ? part : out[row + r] + part;
      }
    });
  };
  in.for_each_tile(tile, all);
}

// out[r, j] = g[r] * df/dx_Argument at row r, element j.
template <std::size_t Argument, class F, class S, std::size_t N, std::size_t... I>
void event_slope_rows(const F& f, const EventRows<S, N>& in, const S* g, S* out, std::index_sequence<I...> all) {
  auto element = [f](S w, decltype(static_cast<S>(I))... lanes) {
    return w * slope_along<Argument, S>(f, std::index_sequence<I...>{}, lanes...);
  };
  auto tile = [element, g, out, width = in.width](Index row, Index rows, Index column, Index columns,
                                                  decltype(in.data[I])... x) {
    vectorized_for<S>([=] {
      S weights[EventRows<S, N>::capacity];
      for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < columns; ++c) weights[r * columns + c] = g[row + r];
      map_loop(element, rows * columns, out + row * width + column, weights, x...);
    });
  };
  in.for_each_tile(tile, all);
}

inline bool is_suffix(const Shape& part, const Shape& whole) {
  if (part.rank() > whole.rank() || part.rank() == 0) return false;
  for (int i = 1; i <= part.rank(); ++i)
    if (part[-i] != whole[-i]) return false;
  return true;
}

template <class F, class S, std::size_t... I>
Tensor<S> event_sum_rows(const F& f, const std::array<Tensor<S>, sizeof...(I)>& x, const Shape& full,
                         std::index_sequence<I...> all) {
  constexpr std::size_t count = sizeof...(I);
  auto value = [&](const auto&... inputs) {
    Tensor<S> y = Access::allocate<S>(full.without(-1));
    sum_event_rows(f, EventRows<S, count>(full, {inputs...}), Access::data(y), all);
    return y;
  };
  auto rule = [f, full, all](const Tensor<S>& g, const Tensor<S>&, const auto&... inputs) {
    const std::array<Tensor<S>, count> in{inputs...};
    const EventRows<S, count> rows(full, in);
    auto slope = [&]<std::size_t A>(std::integral_constant<std::size_t, A>) {
      if (!in[A].tracked()) return Tensor<S>();
      const Tensor<S> each = Access::allocate<S>(full);
      event_slope_rows<A>(f, rows, g.data(), Access::data(each), all);
      return sum_to(each, in[A].shape());
    };
    return std::array<Tensor<S>, count>{slope(std::integral_constant<std::size_t, I>{})...};
  };
  auto reference = [f, full](const auto&... inputs) { return sum(expand(f(inputs...), full), -1); };
  return fused(value, rule, reference, x[I]...);
}

// Inputs of events this wide are read repeatedly where they lack leading axes, not repeated in memory.
inline constexpr Index wide_event = 64;

// sum over the last axis of f(x, ...) in one pass, with broadcasting. `f` is called with Lanes and Duals, and with
// tensors for gradients that are differentiated again, so it uses only what all three have: arithmetic and functions,
// no choices.
template <class F, class S, std::same_as<Tensor<S>>... More>
Tensor<S> event_sum(const F& f, const Tensor<S>& first, const More&... more) {
  Shape full = first.shape();
  ((full = broadcast(full, more.shape(), "log_prob")), ...);
  if (full.rank() == 0) fail<ShapeError>("log_prob: got a scalar, expected events along a last axis, [.., d]");
  if (full.size() == 0) return sum(expand(f(first, more...), full), -1);
  auto fit = [&](const Tensor<S>& x) {
    return full[-1] >= wide_event && is_suffix(x.shape(), full) ? x : expand(x, full);
  };
  constexpr std::size_t count = 1 + sizeof...(More);
  return event_sum_rows(f, std::array<Tensor<S>, count>{fit(first), fit(more)...}, full,
                        std::make_index_sequence<count>{});
}

// The same for a distribution with parameters of `parameters`: a scalar parameter means that every number is an event.
template <class F, class S, std::same_as<Tensor<S>>... More>
Tensor<S> event_sum(const Shape& parameters, const F& f, const Tensor<S>& first, const More&... more) {
  return parameters.rank() == 0 ? event_sum(f, unsqueeze(first, -1), unsqueeze(more, -1)...)
                                : event_sum(f, first, more...);
}

// Whether any element of x satisfies `bad`, in one vector pass.
template <class S, class Bad>
bool any_of(const Tensor<S>& x, const Bad& bad) {
  return vectorized([bad, in = x.data(), n = x.size()] {
           int found = 0;
           for (Index i = 0; i < n; ++i) found |= bad(in[i]) ? 1 : 0;
           return found;
         }) != 0;
}

template <class S>
void check_not_nan(const char* distribution, const char* parameter, const Tensor<S>& x) {
  if (any_of(x, [](S u) { return u != u; }))
    fail<ValueError>(distribution, ": ", parameter,
                     " contains NaN, expected numbers; look for the operation that made it with NanCheck");
}

// [n] + shape.
inline Shape batched(Index n, const Shape& shape) {
  if (n < 0) fail<ValueError>("sample: got ", n, " draws, expected no negative number");
  return shape.inserted(0, n);
}

}  // namespace pushforward::detail
