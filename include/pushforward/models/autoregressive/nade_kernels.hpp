// The loops of NADE: hidden units that take in one number after the other.
#pragma once

#include <array>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/ops/fused.hpp>
#include <pushforward/ops/gemm.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward::detail {

// The weights of a NADE with `units` hidden units: in [d, units], start [units], out [P d, units], bias [P d].
template <class S>
struct NadeWeights {
  Index features, outputs, units;
  const S *in, *start, *out, *bias;

  // Sets the hidden units of a row that has seen nothing.
  void begin(S* sums, S* hidden) const {
    vectorized_unless_double<S>([=, from = start, n = units] {
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) {
        sums[k] = from[k];
        hidden[k] = math::sigmoid(from[k]);
      }
    });
  }
  // Takes in the value x of feature i. One function for all callers, so that all get the same bits.
  [[gnu::noinline]] void take(Index i, S x, S* sums, S* hidden) const {
    if (x == S(0)) return;
    vectorized_unless_double<S>([=, w = in + i * units, n = units, a = sums, h = hidden] {
      const S* const __restrict weight = w;
      S* const __restrict total = a, * const __restrict to = h;
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) {
        total[k] += weight[k] * x;
        to[k] = math::sigmoid(total[k]);
      }
    });
  }
  // The P numbers of feature i from the hidden units: to[0], to[step], ..
  [[gnu::noinline]] void put_out(Index i, const S* hidden, S* to, Index step) const {
    for (Index j = 0; j < outputs; ++j) {
      const Index line = j * features + i;
      to[j * step] = bias[line] + dot(out + line * units, hidden, units);
    }
  }

 private:
  static S dot(const S* a, const S* b, Index n) {
    auto sum = [=] {
      constexpr int lanes = 64;
      S part[lanes];
      for (int lane = 0; lane < lanes; ++lane) part[lane] = S(0);
      Index k = 0;
      for (; k + lanes <= n; k += lanes)
        for (int lane = 0; lane < lanes; ++lane) part[lane] += a[k + lane] * b[k + lane];
      for (int lane = 0; k < n; ++k, ++lane) part[lane] += a[k] * b[k];
      for (int width = lanes / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
      return part[0];
    };
    if constexpr (sizeof(S) == 8)
      return sum();
    else
      return vectorized(sum);
  }
};

// The way back for a slice of the hidden units and all rows, so that no two threads add to the same number.
template <class S>
struct NadeSlice {
  static constexpr Index most = 64;

  const NadeWeights<S>& weights;
  const Index* order;
  Index first, count;  // of the hidden units
  S *d_in, *d_start, *d_out;
  S* d_x;  // [rows, d], or null

  void run(Index rows, const S* x, const S* g) const {
    std::vector<S> kept(static_cast<std::size_t>((weights.features + 1) * most));
    std::vector<Index> state(static_cast<std::size_t>(weights.features));
    for (Index r = 0; r < rows; ++r) {
      const Index at = r * weights.features;
      forward(x + at, kept.data(), state.data());
      backward(x + at, g + at * weights.outputs, kept.data(), state.data(), d_x ? d_x + at : nullptr);
    }
  }

 private:
  // What the hidden units were when each feature was put out: number state[place] of `kept`.
  void forward(const S* x, S* kept, Index* state) const {
    S sums[most];
    Index last = 0;
    std::copy_n(weights.start + first, count, sums);
    hidden(sums, kept);
    for (Index place = 0; place < weights.features; ++place) {
      const Index i = order ? order[place] : place;
      state[place] = last;
      if (x[i] == S(0)) continue;
      add(x[i], weights.in + i * weights.units + first, sums);
      hidden(sums, kept + ++last * most);
    }
  }
  void hidden(const S* sums, S* to) const {
    vectorized_unless_double<S>([=, n = count] {
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) to[k] = math::sigmoid(sums[k]);
    });
  }
  void add(S factor, const S* from, S* to) const {
    vectorized_unless_double<S>([=, n = count] {
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) to[k] += factor * from[k];
    });
  }
  void backward(const S* x, const S* g, const S* kept, const Index* state, S* dx) const {
    vectorized_unless_double<S>([=, this, w = weights, n = count] {
      S slope[most] = {};  // of the sums, over what was put out later
      for (Index place = w.features - 1; place >= 0; --place) {
        const Index i = order ? order[place] : place;
        const S value = x[i];
        const S* const __restrict in = w.in + i * w.units + first;
        S* const __restrict to_in = d_in + i * w.units + first;
        if (value != S(0))
          for (Index k = 0; k < n; ++k) to_in[k] += value * slope[k];
        if (dx) {
          S total = 0;
          for (Index k = 0; k < n; ++k) total += in[k] * slope[k];
          dx[i] = total;
        }
        const S* const __restrict h = kept + state[place] * most;
        for (Index j = 0; j < w.outputs; ++j) {
          const Index line = (j * w.features + i) * w.units + first;
          const S* const __restrict out = w.out + line;
          S* const __restrict to_out = d_out + line;
          const S c = g[j * w.features + i];
          for (Index k = 0; k < n; ++k) {
            to_out[k] += c * h[k];
            slope[k] += c * out[k] * h[k] * (S(1) - h[k]);
          }
        }
      }
      for (Index k = 0; k < n; ++k) d_start[first + k] += slope[k];
    });
  }
};

// All conditionals' parameters of rows of numbers in one pass: x [.., d] -> [.., P d].
template <class S>
struct NadePass {
  Tensor<Index> order;  // empty: 0, 1, ..
  Index outputs;

  using Tensors = std::array<Tensor<S>, 5>;

  NadeWeights<S> weights(const Tensor<S>& in, const Tensor<S>& start, const Tensor<S>& out,
                         const Tensor<S>& bias) const {
    return {in.size(0), outputs, in.size(1), in.data(), start.data(), out.data(), bias.data()};
  }
  Index feature(Index place) const { return order.empty() ? place : order.data()[place]; }

  Tensor<S> value(const Tensor<S>& x, const Tensor<S>& in, const Tensor<S>& start, const Tensor<S>& out,
                  const Tensor<S>& bias) const {
    const NadeWeights<S> w = weights(in, start, out, bias);
    const Index rows = x.size() / w.features;
    Tensor<S> y = Access::allocate<S>(x.shape().with(-1, outputs * w.features));
    constexpr Index block = 8;  // rows that use a line of the weights while it is near
    parallel_for(divide_up(rows, block), 1, [&](Index begin, Index end) {
      std::vector<S> sums(static_cast<std::size_t>(block * w.units)), hidden(sums.size());
      for (Index r0 = begin * block; r0 < std::min(rows, end * block); r0 += block) {
        const Index count = std::min(block, rows - r0);
        for (Index r = 0; r < count; ++r) w.begin(sums.data() + r * w.units, hidden.data() + r * w.units);
        for (Index place = 0; place < w.features; ++place)
          for (Index r = 0; r < count; ++r) {
            const Index i = feature(place), at = (r0 + r) * w.features;
            w.put_out(i, hidden.data() + r * w.units, Access::data(y) + at * outputs + i, w.features);
            w.take(i, x.data()[at + i], sums.data() + r * w.units, hidden.data() + r * w.units);
          }
      }
    });
    return y;
  }

  Tensors pull_back(const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& x, const Tensor<S>& in,
                    const Tensor<S>& start, const Tensor<S>& out, const Tensor<S>& bias) const {
    const NadeWeights<S> w = weights(in, start, out, bias);
    const Index rows = x.size() / w.features, slices = divide_up(w.units, NadeSlice<S>::most);
    const Index parts = x.tracked() ? slices : 0;
    const Tensor<S> d_in = Tensor<S>::zeros(in.shape()), d_start = Tensor<S>::zeros(start.shape());
    const Tensor<S> d_out = Tensor<S>::zeros(out.shape()), d_x = Tensor<S>::zeros({parts, rows * w.features});
    parallel_for(slices, 1, [&](Index begin, Index end) {
      for (Index slice = begin; slice < end; ++slice) {
        const Index first = slice * NadeSlice<S>::most;
        NadeSlice<S>{w,
                     order.empty() ? nullptr : order.data(),
                     first,
                     std::min(NadeSlice<S>::most, w.units - first),
                     Access::data(d_in),
                     Access::data(d_start),
                     Access::data(d_out),
                     parts ? Access::data(d_x) + slice * x.size() : nullptr}
            .run(rows, x.data(), g.data());
      }
    });
    const Tensor<S> to_x = parts ? reshape(sum(d_x, 0), x.shape()) : Tensor<S>::zeros(x.shape());
    return {to_x, d_in, d_start, d_out, sum_to(g, bias.shape())};
  }

  Tensor<S> plain(const Tensor<S>& x, const Tensor<S>& in, const Tensor<S>& start, const Tensor<S>& out,
                  const Tensor<S>& bias) const {
    const Index d = in.size(0), units = in.size(1), rows = x.size() / d;
    const Tensor<S> flat = reshape(x, Shape{rows, d}), lines = reshape(out, Shape{outputs, d, units});
    const Tensor<S> seen = unsqueeze(order.empty() ? flat : index_select(flat, -1, order), -1) *
                           (order.empty() ? in : index_select(in, 0, order));  // [rows, d, units]
    const Tensor<S> before = concat({Tensor<S>::zeros({rows, 1, units}), slice(seen, 1, 0, d - 1)}, 1);
    const Tensor<S> hidden = unsqueeze(sigmoid(cumsum(before, 1) + start), 1);  // [rows, 1, d, units]
    Tensor<S> y = sum(hidden * (order.empty() ? lines : index_select(lines, 1, order)), -1);
    if (!order.empty()) {
      std::vector<Index> places(static_cast<std::size_t>(d));
      for (Index place = 0; place < d; ++place) places[static_cast<std::size_t>(order.data()[place])] = place;
      y = index_select(y, -1, Tensor<Index>({d}, places));
    }
    return reshape(reshape(y, Shape{rows, outputs * d}) + bias, x.shape().with(-1, outputs * d));
  }
};

}  // namespace pushforward::detail
