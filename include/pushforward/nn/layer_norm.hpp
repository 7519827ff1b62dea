// Layer normalization, as one operation with one pass forward and one back.
#pragma once

#include <pushforward/core/kernel.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

template <class S>
Tensor<S> layer_norm(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, double eps = 1e-5);

namespace detail {

// The sum of f(i) over [0, n): side by side as vector registers want it, then pairwise.
template <class S, class F>
PUSHFORWARD_INLINE S sum_of(Index n, const F& f) {
  constexpr int lanes = 32;
  S part[lanes] = {};
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) part[lane] += f(i + lane);
  for (int lane = 0; i < n; ++i, ++lane) part[lane] += f(i);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) part[lane] += part[lane + width];
  return part[0];
}

// Rows of a normalization: x [rows, n], and per row its mean and the inverse of its standard deviation.
template <class S>
struct NormRows {
  Index rows, n;
  Tensor<S> mean, inverse_std;

  explicit NormRows(const Shape& shape)
      : rows(shape[-1] ? shape.size() / shape[-1] : 0),
        n(shape[-1]),
        mean(Access::allocate<S>(Shape{rows})),
        inverse_std(Access::allocate<S>(Shape{rows})) {}

  template <class Body>  // body(begin, end) over ranges of rows
  void for_rows(const Body& body) const {
    parallel_for(rows, std::max(Index{1}, elementwise_grain / std::max(Index{1}, n)),
                 [&](Index begin, Index end) { vectorized([=] { body(begin, end); }); });
  }
};

// y = (x - mean) / std * weight + bias; weight and bias are null where there is none.
template <class S>
void normalize_rows(const NormRows<S>& r, const S* x, const S* weight, const S* bias, S eps, S* y) {
  S *const means = Access::data(r.mean), *const inverses = Access::data(r.inverse_std);
  r.for_rows([=, n = r.n](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const S* __restrict in = x + row * n;
      S* __restrict out = y + row * n;
      const S mean = sum_of<S>(n, [=](Index i) { return in[i]; }) / static_cast<S>(n);
      const S variance = sum_of<S>(n, [=](Index i) { return (in[i] - mean) * (in[i] - mean); }) / static_cast<S>(n);
      const S inverse = S(1) / std::sqrt(variance + eps);
      means[row] = mean;
      inverses[row] = inverse;
      if (weight)
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - mean) * inverse * weight[i] + bias[i];
      else
        for (Index i = 0; i < n; ++i) out[i] = (in[i] - mean) * inverse;
    }
  });
}

// The adjoint of the normalization of x, without its weight: p = (v - mean(v) - h mean(v h)) / std with v = g * weight.
template <class S>
void normalize_rows_adjoint(const NormRows<S>& r, const S* g, const S* x, const S* weight, S* p) {
  const S *const means = r.mean.data(), *const inverses = r.inverse_std.data();
  r.for_rows([=, n = r.n](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const S* __restrict in = x + row * n, * __restrict from = g + row * n;
      S* __restrict out = p + row * n;
      const S mean = means[row], inverse = inverses[row];
      if (weight)
        for (Index i = 0; i < n; ++i) out[i] = from[i] * weight[i];
      else
        for (Index i = 0; i < n; ++i) out[i] = from[i];
      const S average = sum_of<S>(n, [=](Index i) { return out[i]; }) / static_cast<S>(n);
      const S along =
          sum_of<S>(n, [=](Index i) { return out[i] * (in[i] - mean); }) * inverse * inverse / static_cast<S>(n);
      for (Index i = 0; i < n; ++i) out[i] = (out[i] - average - (in[i] - mean) * along) * inverse;
    }
  });
}

// sum over rows of g * h, h the normalized x: blocks of rows that do not depend on the number of threads, then their
// sum.
template <class S>
void normalize_weight_adjoint(const NormRows<S>& r, const S* g, const S* x, S* out) {
  const Index n = r.n, rows = r.rows, blocks = std::max(Index{1}, (rows + column_rows - 1) / column_rows);
  const S *const means = r.mean.data(), *const inverses = r.inverse_std.data();
  std::vector<S> parts(static_cast<std::size_t>(blocks * n));
  S* const all = parts.data();
  parallel_for(blocks, std::max(Index{1}, elementwise_grain / std::max(Index{1}, column_rows * n)),
               [=](Index begin, Index end) {
                 for (Index block = begin; block < end; ++block)
                   vectorized([=] {
                     S* __restrict part = all + block * n;
                     for (Index row = block * column_rows; row < std::min(rows, (block + 1) * column_rows); ++row) {
                       const S* __restrict in = x + row * n, * __restrict from = g + row * n;
                       const S mean = means[row], inverse = inverses[row];
                       for (Index i = 0; i < n; ++i) part[i] += from[i] * ((in[i] - mean) * inverse);
                     }
                   });
               });
  reduce_columns<Plus>(all, blocks, n, out);
}

// P_x(g * weight), P_x the self-adjoint Jacobian of the normalization of x; `weight` may be empty: none.
template <class S>
Tensor<S> norm_adjoint(const Tensor<S>& g, const Tensor<S>& x, const Tensor<S>& weight, const NormRows<S>& r,
                       double eps) {
  Tensor<S> p = Access::allocate<S>(x.shape());
  const bool affine = !weight.empty();
  if (!p.empty()) normalize_rows_adjoint(r, g.data(), x.data(), affine ? weight.data() : nullptr, Access::data(p));
  const Tensor<S> none;
  auto dg = [=](const Tensor<S>& c) {
    const Tensor<S> back = norm_adjoint(c, x, none, r, eps);
    return affine ? back * weight : back;
  };
  auto dweight = [=](const Tensor<S>& c) { return sum_to(norm_adjoint(c, x, none, r, eps) * g, weight.shape()); };
  // With v = g weight, h the normalized x, s = 1 / std, and means over the row: <c, P v> = n s (mean(c v) - mean(c)
  // mean(v)
  // - mean(c h) mean(h v)), where ds/dx = -s^2 h / n and dh/dx = P.
  auto dx = [=](const Tensor<S>& c) {
    const Tensor<S> v = affine ? g * weight : g, h = layer_norm(x, none, none, eps);
    const Tensor<S> s = rsqrt(var(x, -1, true) + eps);
    const Tensor<S> c_h = mean(c * h, -1, true), h_v = mean(h * v, -1, true);
    const Tensor<S> q = mean(c * v, -1, true) - mean(c, -1, true) * mean(v, -1, true) - c_h * h_v;
    return -square(s) * q * h - s * norm_adjoint(Tensor<S>(c * h_v + v * c_h), x, none, r, eps);
  };
  return record("layer_norm_adjoint", std::move(p), edge(g, dg), edge(x, dx), edge(weight, dweight));
}

template <class S>
Tensor<S> norm_weight_adjoint(const Tensor<S>& g, const Tensor<S>& x, const NormRows<S>& r, double eps) {
  Tensor<S> y = Access::allocate<S>(Shape{r.n});
  if (!y.empty()) normalize_weight_adjoint(r, g.data(), x.data(), Access::data(y));
  const Tensor<S> none;
  auto dg = [=](const Tensor<S>& c) { return c * layer_norm(x, none, none, eps); };
  auto dx = [=](const Tensor<S>& c) { return norm_adjoint(g, x, c, r, eps); };
  return record("layer_norm_weight_adjoint", std::move(y), edge(g, dg), edge(x, dx));
}

}  // namespace detail

/// Normalization over the last axis: y = (x - mean) / sqrt(variance + eps) * weight + bias (Ba et al. 2016, eq. 3-4).
///
/// x [.., n], weight and bias [n], or both empty: none. The variance is that of the n numbers (divided by n). Throws
/// ShapeError if the shapes do not fit, ValueError unless eps > 0.
template <class S>
Tensor<S> layer_norm(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, double eps) {
  if (x.rank() == 0) fail<ShapeError>("layer_norm: got a scalar, expected [.., n]");
  const bool affine = !weight.empty() || !bias.empty();
  for (const Tensor<S>* part : {&weight, &bias})
    if (affine && !(part->shape() == Shape{x.size(-1)}))
      fail<ShapeError>("layer_norm: weight ", weight.shape(), " and bias ", bias.shape(), " for input ", x.shape(),
                       ", expected both [", x.size(-1), "] or both empty");
  if (!(eps > 0)) fail<ValueError>("layer_norm: eps is ", eps, ", expected a positive number");
  const detail::NormRows<S> r(x.shape());
  Tensor<S> y = detail::Access::allocate<S>(x.shape());
  if (!y.empty())
    detail::normalize_rows(r, x.data(), affine ? weight.data() : nullptr, affine ? bias.data() : nullptr,
                           static_cast<S>(eps), detail::Access::data(y));
  return detail::record(
      "layer_norm", std::move(y),
      detail::edge(x, [=](const Tensor<S>& g) { return detail::norm_adjoint(g, x, weight, r, eps); }),
      detail::edge(weight, [=](const Tensor<S>& g) { return detail::norm_weight_adjoint(g, x, r, eps); }),
      detail::edge(bias, [shape = bias.shape()](const Tensor<S>& g) { return sum_to(g, shape); }));
}

/// How a LayerNorm is built.
struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< a weight (from 1) and a bias (from 0) per feature
};

/// Layer normalization over the last axis, of `features` numbers: [.., features] -> the same.
template <class S = float>
struct LayerNorm {
  Parameter<S> weight, bias;
  double eps = 1e-5;
  Index features = 0;  ///< 0: any number

  LayerNorm() = default;
  explicit LayerNorm(Index count, LayerNormOptions options = {}) : eps(options.eps), features(count) {
    if (features < 1) fail<ValueError>("LayerNorm: got ", features, " features, expected at least 1");
    if (!options.affine) return;
    weight = Tensor<S>::ones(Shape{features});
    bias = Tensor<S>::zeros(Shape{features});
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (features > 0 && (x.rank() == 0 || x.size(-1) != features))
      fail<ShapeError>("LayerNorm: got input ", x.shape(), ", expected [.., ", features, "]");
    return layer_norm(x, weight.tensor(), bias.tensor(), eps);
  }

  static void members(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

}  // namespace pushforward
