// Matrix products and the dense layer: the one seam between the graph and the product kernels.
#pragma once

#include <pushforward/ops/gemm.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// Which factors of a product are read transposed, without a copy.
struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

namespace detail {

// Products of stacks of matrices that share one shape of leading axes (or b without any, merged into one product).
template <class S>
Tensor<S> matmul_values(const Tensor<S>& a, const Tensor<S>& b, MatmulOptions t, const Shape& result) {
  const Index m = result[-2], n = result[-1], k = a.size(t.transpose_a ? -2 : -1);
  Tensor<S> c = Access::allocate<S>(result);
  const GemmOptions options{t.transpose_a, t.transpose_b, false};
  const Index lda = a.size(-1), ldb = b.size(-1);
  if (c.empty()) return c;
  if (b.rank() == 2 && (a.rank() == 2 || !t.transpose_a))
    gemm(c.size() / n, n, k, a.data(), lda, b.data(), ldb, Access::data(c), n, options);
  else
    gemm_batched(c.size() / (m * n), m, n, k, a.data(), lda, m * k, b.data(), ldb, b.rank() == 2 ? Index{0} : n * k,
                 Access::data(c), n, m * n, options);
  return c;
}

inline Shape batch_axes(const Shape& shape) {
  return Shape(std::span<const Index>(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
}

inline Shape with_matrix(const Shape& batch, Index rows, Index columns) {
  return batch.inserted(batch.rank(), rows).inserted(batch.rank() + 1, columns);
}

}  // namespace detail

/// The matrix product a b over the last two axes: [.., m, k] x [.., k, n] -> [.., m, n].
///
/// Leading axes broadcast; a vector stands for one row on the left, one column on the right, and that axis is dropped.
/// `transpose_a`, `transpose_b` read a factor as [.., k, m] or [.., n, k]. Throws ShapeError.
template <class S>
Tensor<S> matmul(const Tensor<S>& a, const Tensor<S>& b, MatmulOptions t = {}) {
  if (a.rank() == 0 || b.rank() == 0)
    fail<ShapeError>("matmul: got shapes ", a.shape(), " and ", b.shape(),
                     ", expected vectors or matrices; use * for scalars");
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b, {false, t.transpose_b}), b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1), {t.transpose_a, false}), -1);
  const Index m = a.size(t.transpose_a ? -1 : -2), k = a.size(t.transpose_a ? -2 : -1);
  const Index n = b.size(t.transpose_b ? -2 : -1), inner = b.size(t.transpose_b ? -1 : -2);
  if (k != inner)
    fail<ShapeError>("matmul: shapes ", a.shape(), t.transpose_a ? " (transposed)" : "", " and ", b.shape(),
                     t.transpose_b ? " (transposed)" : "", " do not fit: the inner lengths ", k, " and ", inner,
                     " must be equal");
  const Shape batch_a = detail::batch_axes(a.shape()), batch_b = detail::batch_axes(b.shape());
  const Shape batch = broadcast(batch_a, batch_b, "matmul");
  const Shape full_a = detail::with_matrix(batch, a.size(-2), a.size(-1)),
              full_b = detail::with_matrix(batch, b.size(-2), b.size(-1));
  if (!(a.shape() == full_a) || (batch_b.rank() > 0 && !(b.shape() == full_b)))
    return matmul(expand(a, full_a), expand(b, full_b), t);
  auto da = [=](const Tensor<S>& g) {
    return t.transpose_a ? matmul(b, g, {t.transpose_b, true}) : matmul(g, b, {false, !t.transpose_b});
  };
  auto db = [=](const Tensor<S>& g) {
    const bool merge = b.rank() == 2 && a.rank() > 2 && !t.transpose_a;  // one tall product instead of a sum of many
    const Shape tall = merge ? Shape{g.shape().product(0, g.rank() - 1), k} : a.shape();
    const Tensor<S> x = reshape(a, tall), y = merge ? reshape(g, tall.with(1, n)) : g;
    return sum_to(t.transpose_b ? matmul(y, x, {true, t.transpose_a}) : matmul(x, y, {!t.transpose_a, false}),
                  b.shape());
  };
  return detail::record("matmul", detail::matmul_values(a, b, t, detail::with_matrix(batch, m, n)), detail::edge(a, da),
                        detail::edge(b, db));
}

/// The activations that a dense layer can apply while its rows are still in the cache.
enum class Activation { none, relu, tanh, sigmoid, softplus, silu, gelu };

namespace detail {

template <class S>
void check_linear(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) {
  if (weight.rank() != 2) fail<ShapeError>("linear: weight of shape ", weight.shape(), ", expected [out, in]");
  if (x.rank() < 1 || x.size(-1) != weight.size(1))
    fail<ShapeError>("linear: input of shape ", x.shape(), ", expected [.., ", weight.size(1),
                     "] for a weight of shape ", weight.shape());
  if (bias.size() > 0 && !(bias.shape() == Shape{weight.size(0)}))
    fail<ShapeError>("linear: bias of shape ", bias.shape(), ", expected [", weight.size(0), "]");
}

// x W^T + b joined to the graph; `values` may be a shell when an activation keeps only its own result.
template <class S>
Tensor<S> record_linear(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) {
  if (!recording_flag() || !(x.tracked() || weight.tracked() || bias.tracked())) return values;
  auto dx = [weight](const Tensor<S>& g) { return matmul(g, weight); };
  auto dw = [x, out = weight.size(0), in = weight.size(1)](const Tensor<S>& g) {
    const Index rows = x.shape().product(0, x.rank() - 1);
    return matmul(reshape(g, Shape{rows, out}), reshape(x, Shape{rows, in}), {.transpose_a = true});
  };
  auto db = [shape = bias.shape()](const Tensor<S>& g) {
    return shape.size() ? sum_to(g, shape) : Tensor<S>::zeros(shape);
  };
  return record("linear", std::move(values), edge(x, dx), edge(weight, dw), edge(bias, db));
}

template <class S>
const S* data_or_null(const Tensor<S>& x) {
  return x.empty() ? nullptr : x.data();
}

// An activation seen as functions, so that the fused layer is compiled once for all of them.
template <class S>
struct ActivationLoops {
  const char* name;
  bool from_output;                              // the slope follows from the output alone
  bool from_both;                                // it follows best from input and output
  void (*values)(Index n, S* out, const S* in);  // may run in place
  Tensor<S> (*slope)(const Tensor<S>& cotangent, const Tensor<S>& v, const Tensor<S>& y);
};

template <class F, class S>
void activation_values(Index n, S* out, const S* in) {
  const auto f = [](S x) { return F{}.value(x); };
  if (in != out) return map_serial(f, n, out, in);
  vectorized_unless_double<S>([=] {
    for (Index i = 0; i < n; ++i) out[i] = f(out[i]);
  });
}

template <class F, class S>
ActivationLoops<S> activation_loops(const char* name) {
  return {name, F::from_output, has_slope_of_both<F>, activation_values<F, S>,
          [](const Tensor<S>& g, const Tensor<S>& v, const Tensor<S>& y) {
            return times_slope("activation", F{}, g, v, y);
          }};
}

// The activation of z joined to the graph, with its values y.
template <class S>
Tensor<S> record_activation(const ActivationLoops<S>& f, const Tensor<S>& z, Tensor<S> y) {
  if (f.from_output)
    return record(f.name, std::move(y),
                  edge(z, [slope = f.slope](const Tensor<S>& g, const Tensor<S>& v) { return slope(g, v, {}); }));
  if (f.from_both)
    return record(f.name, std::move(y), edge(z, [slope = f.slope, z](const Tensor<S>& g, const Tensor<S>& out) {
                    return slope(g, z, stop_gradient(out));
                  }));
  return record(f.name, std::move(y), edge(z, [slope = f.slope, z](const Tensor<S>& g) { return slope(g, z, {}); }));
}

template <class S>
ActivationLoops<S> activation_loops(Activation activation) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return activation_loops<Relu, S>("relu");
    case Activation::tanh:
      return activation_loops<Tanh, S>("tanh");
    case Activation::sigmoid:
      return activation_loops<Sigmoid, S>("sigmoid");
    case Activation::softplus:
      return activation_loops<Softplus, S>("softplus");
    case Activation::silu:
      return activation_loops<Silu, S>("silu");
    case Activation::gelu:
      return activation_loops<Gelu, S>("gelu");
  }
  return {};
}

template <class S>
Tensor<S> linear_activated(Activation activation, const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) {
  const ActivationLoops<S> f = activation_loops<S>(activation);
  const Index out = weight.size(0), in = weight.size(1);
  const Shape shape = x.shape().with(-1, out);
  const Index rows = out ? shape.size() / out : 0;
  Tensor<S> y = Access::allocate<S>(shape), z = y;
  const bool keep_z = !f.from_output && (is_recorded(x) || is_recorded(weight) || is_recorded(bias));
  if (keep_z) z = Access::allocate<S>(shape);
  if (!y.empty()) {
    S *const to = Access::data(y), *const from = Access::data(z);
    const GemmOptions options{.transpose_b = true};
    if (activation == Activation::relu)
      gemm(rows, out, in, data_or_null(x), in, data_or_null(weight), in, to, out, options, data_or_null(bias),
           Epilogue::relu);
    else
      gemm_rows(rows, out, in, data_or_null(x), in, data_or_null(weight), in, from, out, options, data_or_null(bias),
                Epilogue::none,
                [=](Index first, Index last) { f.values((last - first) * out, to + first * out, from + first * out); });
  }
  if (nan_check_flag()) check_finite("linear", y);
  return record_activation(f, record_linear(f.from_output ? Access::shell(z) : z, x, weight, bias), std::move(y));
}

}  // namespace detail

/// The dense layer x W^T + b: x [.., in], weight [out, in], bias [out] (or empty: none) -> [.., out]. Throws
/// ShapeError.
template <class S>
Tensor<S> linear(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias) {
  detail::check_linear(x, weight, bias);
  const Index out = weight.size(0), in = weight.size(1);
  const Shape shape = x.shape().with(-1, out);
  Tensor<S> y = detail::Access::allocate<S>(shape);
  if (!y.empty())
    detail::gemm(y.size() / out, out, in, detail::data_or_null(x), in, detail::data_or_null(weight), in,
                 detail::Access::data(y), out, detail::GemmOptions{.transpose_b = true}, detail::data_or_null(bias));
  if (detail::nan_check_flag()) detail::check_finite("linear", y);
  return detail::record_linear(std::move(y), x, weight, bias);
}

/// activation(x W^T + b) in one pass over the result.
template <class S>
Tensor<S> linear(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, Activation activation) {
  detail::check_linear(x, weight, bias);
  if (activation != Activation::none) return detail::linear_activated(activation, x, weight, bias);
  return linear(x, weight, bias);
}

/// `activation` applied elementwise.
template <class S>
Tensor<S> activate(const Tensor<S>& x, Activation activation) {
  if (activation == Activation::none) return x;
  const detail::ActivationLoops<S> f = detail::activation_loops<S>(activation);
  Tensor<S> y = detail::Access::allocate<S>(x.shape());
  parallel_for(x.size(), detail::elementwise_grain, [&](Index begin, Index end) {
    f.values(end - begin, detail::Access::data(y) + begin, x.data() + begin);
  });
  return detail::record_activation(f, x, std::move(y));
}

}  // namespace pushforward
