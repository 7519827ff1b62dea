// GRU and LSTM: recurrent layers over whole sequences, or step by step.
#pragma once

#include <cmath>

#include <pushforward/nn/linear_in_order.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/nn/recurrent_kernels.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

namespace detail {

// What GRU and LSTM share: weights, laid out and named as in PyTorch's GRUCell and LSTMCell.
template <class Cell, class S>
struct RecurrentLayer {
  Parameter<S> weight_ih, weight_hh, bias_ih, bias_hh;

  RecurrentLayer() = default;
  RecurrentLayer(const char* name, Index inputs, Index units, Rng& rng) {
    if (inputs < 1 || units < 1)
      fail<ShapeError>(name, ": got ", inputs, " inputs and ", units, " units, expected positive numbers");
    const S bound = S(1) / std::sqrt(static_cast<S>(units));
    weight_ih = uniform<S>({Cell::gates * units, inputs}, rng, -bound, bound);
    weight_hh = uniform<S>({Cell::gates * units, units}, rng, -bound, bound);
    bias_ih = uniform<S>({Cell::gates * units}, rng, -bound, bound);
    bias_hh = uniform<S>({Cell::gates * units}, rng, -bound, bound);
  }

  Index inputs() const { return weight_ih.size(1); }
  Index units() const { return weight_hh.size(1); }

  // The states [n, t, parts * units] after each step.
  Tensor<S> states(const Tensor<S>& x, const Tensor<S>& start) const {
    if (x.rank() != 3 || x.size(2) != inputs() || x.size(1) < 1)
      fail<ShapeError>(Cell::name, ": got input ", x.shape(), ", expected [n, t, ", inputs(), "] with t at least 1");
    if (!(start.shape() == Shape{x.size(0), Cell::parts * units()}))
      fail<ShapeError>(Cell::name, ": got a state for ", start.shape(), ", expected [", x.size(0), ", ",
                       Cell::parts * units(), "] for input ", x.shape());
    return recurrent<Cell, S>(linear_in_order<S>(x, weight_ih, bias_ih), weight_hh, bias_hh, start);
  }
  Tensor<S> zero_state(const Tensor<S>& x) const {
    return Tensor<S>::zeros(Shape{x.rank() > 0 ? x.size(0) : 0, Cell::parts * units()});
  }
  Tensor<S> one_step(const Tensor<S>& x, const Tensor<S>& start) const {
    if (x.rank() != 2) fail<ShapeError>(Cell::name, "::step: got input ", x.shape(), ", expected [n, ", inputs(), "]");
    return select(states(unsqueeze(x, 1), start), 1, 0);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
  }
};

}  // namespace detail

/// The outputs of a recurrent layer [n, t, units] and the state after the last step.
template <class S, class State>
struct RecurrentResult {
  Tensor<S> output;
  State state;
};

/// A gated recurrent unit (Cho et al. 2014): x [n, t, inputs] -> [n, t, units].
///
///     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr),  z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r (W_hn h + b_hn)),  h' = (1 - z) n + z h
///
/// Weights as in PyTorch, the rows of r, then z, then n: `weight_ih` [3 units, inputs], `weight_hh` [3 units, units],
/// `bias_ih`, `bias_hh` [3 units], uniform in +-1/sqrt(units) at first. Throws ShapeError for other shapes.
template <class S = float>
struct GRU : detail::RecurrentLayer<detail::GruCell, S> {
  GRU() = default;
  GRU(Index inputs, Index units, Rng& rng) : detail::RecurrentLayer<detail::GruCell, S>("GRU", inputs, units, rng) {}

  /// From a state of zeros.
  Tensor<S> operator()(const Tensor<S>& x) const { return this->states(x, this->zero_state(x)); }
  /// From a state [n, units]: the outputs, and the state after the last of them.
  RecurrentResult<S, Tensor<S>> run(const Tensor<S>& x, const Tensor<S>& state) const {
    const Tensor<S> all = this->states(x, state);
    return {all, select(all, 1, -1)};
  }
  /// The state [n, units] after x [n, inputs]; the same bits as in a whole sequence.
  Tensor<S> step(const Tensor<S>& x, const Tensor<S>& state) const { return this->one_step(x, state); }
};

/// The state of an LSTM: what it gives and what it remembers, both [n, units].
template <class S = float>
struct LSTMState {
  Tensor<S> hidden, cell;
};

/// A long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gates of Gers et al. 2000):
/// x [n, t, inputs] -> [n, t, units].
///
///     i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),  g = tanh(W_ig x + b_ig + W_hg h + b_hg)
///     c' = f c + i g,  h' = o tanh(c')
///
/// Weights as in PyTorch, the rows of i, f, g, then o: `weight_ih` [4 units, inputs], `weight_hh` [4 units, units],
/// `bias_ih`, `bias_hh` [4 units], uniform in +-1/sqrt(units) at first. Throws ShapeError for other shapes.
template <class S = float>
struct LSTM : detail::RecurrentLayer<detail::LstmCell, S> {
  LSTM() = default;
  LSTM(Index inputs, Index units, Rng& rng) : detail::RecurrentLayer<detail::LstmCell, S>("LSTM", inputs, units, rng) {}

  /// From a state of zeros.
  Tensor<S> operator()(const Tensor<S>& x) const {
    return slice(this->states(x, this->zero_state(x)), -1, 0, this->units());
  }
  /// From a state: the outputs, and the state after the last of them.
  RecurrentResult<S, LSTMState<S>> run(const Tensor<S>& x, const LSTMState<S>& state) const {
    const Tensor<S> all = this->states(x, whole(x, state));
    return {slice(all, -1, 0, this->units()), parts(select(all, 1, -1))};
  }
  /// The state after x [n, inputs]; the same bits as in a whole sequence.
  LSTMState<S> step(const Tensor<S>& x, const LSTMState<S>& state) const {
    return parts(this->one_step(x, whole(x, state)));
  }

 private:
  // Both halves [n, 2 units].
  Tensor<S> whole(const Tensor<S>& x, const LSTMState<S>& state) const {
    const Shape expected{x.rank() > 0 ? x.size(0) : 0, this->units()};
    if (!(state.hidden.shape() == expected && state.cell.shape() == expected))
      fail<ShapeError>("LSTM: got a hidden state of shape ", state.hidden.shape(), " and a cell of shape ",
                       state.cell.shape(), ", expected ", expected, " each for input ", x.shape());
    return concat({state.hidden, state.cell}, -1);
  }
  static LSTMState<S> parts(const Tensor<S>& both) {
    const auto half = split<2>(both, -1);
    return {half[0], half[1]};
  }
};

}  // namespace pushforward
