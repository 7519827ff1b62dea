// The loops of recurrent layers: a whole sequence as one operation.
#pragma once

#include <array>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/ops/attention_kernels.hpp>
#include <pushforward/ops/fused.hpp>
#include <pushforward/ops/matmul.hpp>

namespace pushforward::detail {

// One row of one step. `from_input` and `from_state` are the products of input and state with the weights, [gates * h];
// `kept` takes four numbers a unit for the way back.
template <class S>
struct RecurrentRow {
  Index units;
  const S *from_input, *from_state, *before;
  S *after, *kept;
};

template <class S>
struct RecurrentRowAdjoint {
  Index units;
  const S *kept, *before, *after;
  S* slope;  // of the state after; becomes that of the state before, but for what flows through from_state
  S *from_input, *from_state;  // cotangents
};

// Cho et al. 2014 in PyTorch's form: gates r, z, n; the state is h.
struct GruCell {
  static constexpr const char* name = "gru";
  static constexpr Index gates = 3, parts = 1;

  template <class S>
  PUSHFORWARD_INLINE static void step(const RecurrentRow<S>& row) {
    const Index h = row.units;
    const S* __restrict x = row.from_input, * __restrict u = row.from_state, * __restrict before = row.before;
    S* __restrict after = row.after, * __restrict kept = row.kept;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < h; ++i) {
      const S r = math::sigmoid(x[i] + u[i]), z = math::sigmoid(x[h + i] + u[h + i]);
      const S n = math::tanh(x[2 * h + i] + r * u[2 * h + i]);
      kept[i] = r;
      kept[h + i] = z;
      kept[2 * h + i] = n;
      kept[3 * h + i] = u[2 * h + i];
      after[i] = (S(1) - z) * n + z * before[i];
    }
  }
  template <class S>
  PUSHFORWARD_INLINE static void step_back(const RecurrentRowAdjoint<S>& row) {
    const Index h = row.units;
    const S* __restrict kept = row.kept, * __restrict before = row.before;
    S* __restrict slope = row.slope, * __restrict x = row.from_input, * __restrict u = row.from_state;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < h; ++i) {
      const S r = kept[i], z = kept[h + i], n = kept[2 * h + i], g = slope[i];
      const S dn = g * (S(1) - z) * (S(1) - n * n), dr = dn * kept[3 * h + i] * r * (S(1) - r);
      const S dz = g * (before[i] - n) * z * (S(1) - z);
      x[i] = u[i] = dr;
      x[h + i] = u[h + i] = dz;
      x[2 * h + i] = dn;
      u[2 * h + i] = dn * r;
      slope[i] = g * z;
    }
  }
  template <class S>
  static Tensor<S> plain(const Tensor<S>& from_input, const Tensor<S>& from_state, const Tensor<S>& before) {
    const auto x = split<3>(from_input, -1), u = split<3>(from_state, -1);
    const Tensor<S> r = sigmoid(x[0] + u[0]), z = sigmoid(x[1] + u[1]), n = tanh(x[2] + r * u[2]);
    return (1 - z) * n + z * before;
  }
};

// Hochreiter and Schmidhuber 1997 with forget gates: gates i, f, g, o; the state is h, then c.
struct LstmCell {
  static constexpr const char* name = "lstm";
  static constexpr Index gates = 4, parts = 2;

  template <class S>
  PUSHFORWARD_INLINE static void step(const RecurrentRow<S>& row) {
    const Index h = row.units;
    const S* __restrict x = row.from_input, * __restrict u = row.from_state, * __restrict before = row.before;
    S* __restrict after = row.after, * __restrict kept = row.kept;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < h; ++i) {
      const S in = math::sigmoid(x[i] + u[i]), forget = math::sigmoid(x[h + i] + u[h + i]);
      const S g = math::tanh(x[2 * h + i] + u[2 * h + i]), out = math::sigmoid(x[3 * h + i] + u[3 * h + i]);
      const S c = forget * before[h + i] + in * g;
      kept[i] = in;
      kept[h + i] = forget;
      kept[2 * h + i] = g;
      kept[3 * h + i] = out;
      after[i] = out * math::tanh(c);
      after[h + i] = c;
    }
  }
  template <class S>
  PUSHFORWARD_INLINE static void step_back(const RecurrentRowAdjoint<S>& row) {
    const Index h = row.units;
    const S* __restrict kept = row.kept, * __restrict before = row.before, * __restrict after = row.after;
    S* __restrict slope = row.slope, * __restrict x = row.from_input, * __restrict u = row.from_state;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < h; ++i) {
      const S in = kept[i], forget = kept[h + i], g = kept[2 * h + i], out = kept[3 * h + i];
      const S t = math::tanh(after[h + i]), dc = slope[h + i] + slope[i] * out * (S(1) - t * t);
      x[i] = u[i] = dc * g * in * (S(1) - in);
      x[h + i] = u[h + i] = dc * before[h + i] * forget * (S(1) - forget);
      x[2 * h + i] = u[2 * h + i] = dc * in * (S(1) - g * g);
      x[3 * h + i] = u[3 * h + i] = slope[i] * t * out * (S(1) - out);
      slope[i] = S(0);
      slope[h + i] = dc * forget;
    }
  }
  template <class S>
  static Tensor<S> plain(const Tensor<S>& from_input, const Tensor<S>& from_state, const Tensor<S>& before) {
    const auto gate = split<4>(from_input + from_state, -1);
    const Tensor<S> c = sigmoid(gate[1]) * split<2>(before, -1)[1] + sigmoid(gate[0]) * tanh(gate[2]);
    return concat({sigmoid(gate[3]) * tanh(c), c}, -1);
  }
};

// The states [n, t, parts * h] after each of t steps, from products of the inputs with the weights [n, t, gates * h],
// the weight [gates * h, h] and bias [gates * h] (or none) of the state, and the first state [n, parts * h].
template <class Cell, class S>
struct Recurrent {
  Index n, steps, units;
  Tensor<S> kept;  // [n, t, 4 h]

  Index gates() const { return Cell::gates * units; }
  Index width() const { return Cell::parts * units; }
  // body(begin, end) over ranges of rows.
  template <class Body>
  void for_rows(const Body& body) const {
    parallel_for(n, std::max(Index{1}, elementwise_grain / 16 / std::max(Index{1}, gates())),
                 [&](Index begin, Index end) { vectorized([=] { body(begin, end); }); });
  }

  Tensor<S> values(const Tensor<S>& inputs, const Tensor<S>& weight, const Tensor<S>& bias,
                   const Tensor<S>& start) const {
    Tensor<S> y = Access::allocate<S>(Shape{n, steps, width()});
    const Tensor<S> columns = transpose(stop_gradient(weight));
    std::vector<S> products(static_cast<std::size_t>(n * gates()));
    for (Index t = 0; t < steps && n > 0; ++t) {
      const S* const before = t ? y.data() + (t - 1) * width() : start.data();
      const Index stride = t ? steps * width() : width();
      multiply_in_order(n, gates(), units, before, stride, columns.data(), gates(), products.data(), gates(), {},
                        data_or_null(bias), num_threads());
      const RecurrentRow<S> first{units,  inputs.data() + t * gates(),   products.data(),
                                  before, Access::data(y) + t * width(), Access::data(kept) + t * 4 * units};
      for_rows([first, stride, count = steps, h = units](Index begin, Index end) {
        constexpr Index gates = Cell::gates, parts = Cell::parts;
        for (Index i = begin; i < end; ++i)
          Cell::template step<S>({h, first.from_input + i * count * gates * h, first.from_state + i * gates * h,
                                  first.before + i * stride, first.after + i * count * parts * h,
                                  first.kept + i * count * 4 * h});
      });
    }
    return y;
  }

  Tensor<S> plain(const Tensor<S>& inputs, const Tensor<S>& weight, const Tensor<S>& bias,
                  const Tensor<S>& start) const {
    std::vector<Tensor<S>> states;
    Tensor<S> state = start;
    for (Index t = 0; t < steps; ++t) {
      const Tensor<S> hidden = Cell::parts == 1 ? state : slice(state, 1, 0, units);
      state = Cell::plain(select(inputs, 1, t), linear(hidden, weight, bias), state);
      states.push_back(state);
    }
    return stack(states, 1);
  }

  std::array<Tensor<S>, 4> pull_back(const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& inputs,
                                     const Tensor<S>& weight, const Tensor<S>& bias, const Tensor<S>& start) const {
    const Tensor<S> d_inputs = Access::allocate<S>(inputs.shape()), d_weight = Tensor<S>::zeros(weight.shape()),
                    d_bias = Tensor<S>::zeros(bias.shape()), d_start = Tensor<S>::zeros(start.shape());
    std::vector<S> products(static_cast<std::size_t>(n * gates()));
    for (Index t = steps - 1; t >= 0 && n > 0; --t) {
      const S* const before = t ? y.data() + (t - 1) * width() : start.data();
      const Index stride = t ? steps * width() : width();
      const RecurrentRowAdjoint<S> first{units,
                                         kept.data() + t * 4 * units,
                                         before,
                                         y.data() + t * width(),
                                         Access::data(d_start),
                                         Access::data(d_inputs) + t * gates(),
                                         products.data()};
      for_rows([first, stride, count = steps, h = units, from = g.data() + t * width()](Index begin, Index end) {
        constexpr Index gates = Cell::gates, parts = Cell::parts;
        for (Index i = begin; i < end; ++i) {
          S* const slope = first.slope + i * parts * h;
          for (Index j = 0; j < parts * h; ++j) slope[j] += from[i * count * parts * h + j];
          Cell::template step_back<S>({h, first.kept + i * count * 4 * h, first.before + i * stride,
                                       first.after + i * count * parts * h, slope,
                                       first.from_input + i * count * gates * h, first.from_state + i * gates * h});
        }
      });
      gemm(n, units, gates(), products.data(), gates(), weight.data(), units, Access::data(d_start), width(),
           {.accumulate = true});
      gemm(gates(), units, n, products.data(), gates(), before, stride, Access::data(d_weight), units,
           {.transpose_a = true, .accumulate = true});
      for (Index i = 0; i < n && !bias.empty(); ++i)
        for (Index j = 0; j < gates(); ++j)
          Access::data(d_bias)[j] += products[static_cast<std::size_t>(i * gates() + j)];
    }
    return {d_inputs, d_weight, d_bias, d_start};
  }
};

template <class Cell, class S>
Tensor<S> recurrent(const Tensor<S>& inputs, const Tensor<S>& weight, const Tensor<S>& bias, const Tensor<S>& start) {
  const Index units = weight.size(1), n = inputs.size(0), steps = inputs.size(1);
  const Recurrent<Cell, S> op{n, steps, units, Access::allocate<S>(Shape{n, steps, 4 * units})};
  return record_fused(Cell::name, op, op.values(inputs, weight, bias, start), inputs, weight, bias, start);
}

}  // namespace pushforward::detail
