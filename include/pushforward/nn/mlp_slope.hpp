// The gradient of a one-number Mlp in its input, without a graph: what Langevin dynamics spends its time on.
#pragma once

#include <vector>

#include <pushforward/nn/linear.hpp>

namespace pushforward::detail {

// An activation's loops over rows of pre-activations z, on this thread.
template <class S>
struct SlopeLoops {
  void (*value_and_slope)(Index n, S* value, S* z);                        // z becomes the slope
  void (*weighted_slope)(Index rows, Index width, const S* weight, S* z);  // z becomes weight * slope
};

template <class F, class S>
struct ValueAndSlope {
  PUSHFORWARD_INLINE static S slope(S z, S& value) {
    value = F{}.value(z);
    return F{}.slope(F::from_output ? value : z);
  }
};
// One exponential and one division for both.
PUSHFORWARD_INLINE float silu_gate(float z) {
  return math::detail::keep_if(!(z < -87.33654f), 1.0f / (1.0f + math::detail::exp_of_minus(z)));
}
PUSHFORWARD_INLINE double silu_gate(double z) { return math::sigmoid(z); }
template <class S>
struct ValueAndSlope<Silu, S> {
  PUSHFORWARD_INLINE static S slope(S z, S& value) {
    const S s = silu_gate(z);
    value = z * s;
    return s + (value - value * s);
  }
};

template <class F, class S>
SlopeLoops<S> slope_loops() {
  return {[](Index n, S* value, S* z) {
            vectorized_unless_double<S>([=] {
              S* __restrict const to = value;
              S* __restrict const from = z;
              PUSHFORWARD_SIMD
              for (Index i = 0; i < n; ++i) {
                S y;
                from[i] = ValueAndSlope<F, S>::slope(from[i], y);
                to[i] = y;
              }
            });
          },
          [](Index rows, Index width, const S* weight, S* z) {
            vectorized_unless_double<S>([=] {
              for (Index r = 0; r < rows; ++r) {
                const S* __restrict const factor = weight;
                S* __restrict const to = z + r * width;
                PUSHFORWARD_SIMD
                for (Index i = 0; i < width; ++i) {
                  S y;
                  to[i] = factor[i] * ValueAndSlope<F, S>::slope(to[i], y);
                }
              }
            });
          }};
}

template <class S>
SlopeLoops<S> slope_loops(Activation activation) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return slope_loops<Relu, S>();
    case Activation::tanh:
      return slope_loops<Tanh, S>();
    case Activation::sigmoid:
      return slope_loops<Sigmoid, S>();
    case Activation::softplus:
      return slope_loops<Softplus, S>();
    case Activation::silu:
      return slope_loops<Silu, S>();
    case Activation::gelu:
      return slope_loops<Gelu, S>();
  }
  return {};
}

template <class S>
void multiply_in_place(Index n, S* x, const S* factor) {
  vectorized_unless_double<S>([=] {
    S* __restrict const to = x;
    const S* __restrict const from = factor;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < n; ++i) to[i] *= from[i];
  });
}

// Whether mlp_slope takes this network: it ends in one number without an activation.
template <class S>
bool has_mlp_slope(const Mlp<S>& net, const Tensor<S>& x) {
  return net.layers.size() >= 2 && net.options.activation != Activation::none &&
         net.options.output == Activation::none && net.layers.back().weight.size(0) == 1 && x.rank() == 2 &&
         x.size(1) == net.layers[0].weight.size(1) && !x.empty() && !nan_check_flag();
}

// factor * d net(x) / dx, as a constant: x [n, d] -> [n, d]. Where the graph would store values and go over them again,
// the slopes are computed while the rows of each product are in the cache.
template <class S>
Tensor<S> mlp_slope(const Mlp<S>& net, const Tensor<S>& x, S factor) {
  const SlopeLoops<S> f = slope_loops<S>(net.options.activation);
  const std::size_t hidden = net.layers.size() - 1;
  const Index n = x.size(0);
  const auto weight = [&](std::size_t i) -> const Tensor<S>& { return net.layers[i].weight.tensor(); };
  const Tensor<S> last =
      Tensor<S>::generate({weight(hidden).size(1)}, [&](Index j) { return factor * weight(hidden).data()[j]; });
  std::vector<Tensor<S>> slopes(hidden);
  Tensor<S> h = x;
  for (std::size_t i = 0; i < hidden; ++i) {
    const Index out = weight(i).size(0), in = weight(i).size(1);
    Tensor<S> value = i + 1 < hidden ? Access::allocate<S>({n, out}) : Tensor<S>();
    slopes[i] = Access::allocate<S>({n, out});
    S *const y = Access::data(value), *const z = Access::data(slopes[i]);
    gemm_rows(n, out, in, h.data(), in, weight(i).data(), in, z, out, GemmOptions{.transpose_b = true},
              data_or_null(net.layers[i].bias.tensor()), Epilogue::none, [&, out](Index begin, Index end) {
                if (y)
                  f.value_and_slope((end - begin) * out, y + begin * out, z + begin * out);
                else
                  f.weighted_slope(end - begin, out, last.data(), z + begin * out);
              });
    h = value;
  }
  Tensor<S> g = slopes[hidden - 1];
  for (std::size_t i = hidden; i-- > 0;) {
    const Index out = weight(i).size(0), in = weight(i).size(1);
    Tensor<S> down = Access::allocate<S>({n, in});
    S* const to = Access::data(down);
    gemm_rows(n, in, out, g.data(), out, weight(i).data(), in, to, in, GemmOptions{}, static_cast<const S*>(nullptr),
              Epilogue::none, [&, in](Index begin, Index end) {
                if (i > 0) multiply_in_place((end - begin) * in, to + begin * in, slopes[i - 1].data() + begin * in);
              });
    g = down;
  }
  return g;
}

}  // namespace pushforward::detail
