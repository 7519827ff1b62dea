// Root-mean-square normalization, as one operation.
#pragma once

#include <array>

#include <pushforward/nn/layer_norm.hpp>
#include <pushforward/ops/fused.hpp>

namespace pushforward {

namespace detail {

// x [rows, n] divided by the root mean square of each row, times weight.
template <class S>
struct RmsNorm {
  NormRows<S> rows;  // its means stay unused
  double eps;

  Tensor<S> values(const Tensor<S>& x, const Tensor<S>& weight) const {
    Tensor<S> y = Access::allocate<S>(x.shape());
    S* const inverses = Access::data(rows.inverse_std);
    rows.for_rows([n = rows.n, from = x.data(), w = weight.empty() ? nullptr : weight.data(), to = Access::data(y),
                   inverses, e = static_cast<S>(eps)](Index begin, Index end) {
      for (Index row = begin; row < end; ++row) {
        const S* __restrict in = from + row * n;
        S* __restrict out = to + row * n;
        const S inverse =
            S(1) / std::sqrt(sum_of<S>(n, [=](Index i) { return in[i] * in[i]; }) / static_cast<S>(n) + e);
        inverses[row] = inverse;
        if (w)
          for (Index i = 0; i < n; ++i) out[i] = in[i] * inverse * w[i];
        else
          for (Index i = 0; i < n; ++i) out[i] = in[i] * inverse;
      }
    });
    return y;
  }

  Tensor<S> plain(const Tensor<S>& x, const Tensor<S>& weight) const {
    const Tensor<S> h = x * rsqrt(mean(square(x), -1, true) + eps);
    return weight.empty() ? h : h * weight;
  }

  // With v = g weight: (v - h mean(v h)) / rms, and the sum over rows of g h.
  std::array<Tensor<S>, 2> pull_back(const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& x,
                                     const Tensor<S>& weight) const {
    Tensor<S> dx = Access::allocate<S>(x.shape()), dw = Tensor<S>::zeros(weight.shape());
    rows.for_rows([n = rows.n, from = x.data(), slopes = g.data(), w = weight.empty() ? nullptr : weight.data(),
                   to = Access::data(dx), inverses = rows.inverse_std.data()](Index begin, Index end) {
      for (Index row = begin; row < end; ++row) {
        const S* __restrict in = from + row * n, * __restrict slope = slopes + row * n;
        S* __restrict out = to + row * n;
        const S inverse = inverses[row];
        if (w)
          for (Index i = 0; i < n; ++i) out[i] = slope[i] * w[i];
        else
          for (Index i = 0; i < n; ++i) out[i] = slope[i];
        const S along = sum_of<S>(n, [=](Index i) { return out[i] * in[i]; }) * inverse * inverse / static_cast<S>(n);
        for (Index i = 0; i < n; ++i) out[i] = (out[i] - in[i] * along) * inverse;
      }
    });
    if (!weight.empty() && !x.empty()) {
      std::fill_n(Access::data(rows.mean), rows.rows, S(0));
      normalize_weight_adjoint(rows, g.data(), x.data(), Access::data(dw));
    }
    return {dx, dw};
  }
};

}  // namespace detail

/// Normalization of the last axis by its root mean square: y = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich
/// 2019, eq. 4).
///
/// x [.., n], weight [n], or empty: none. Throws ShapeError if the shapes do not fit, ValueError unless eps > 0.
template <class S>
Tensor<S> rms_norm(const Tensor<S>& x, const Tensor<S>& weight, double eps = 1e-6) {
  if (x.rank() == 0 || (!weight.empty() && !(weight.shape() == Shape{x.size(-1)})))
    fail<ShapeError>("rms_norm: got input ", x.shape(), " and weight ", weight.shape(),
                     ", expected [.., n] and [n], or no weight");
  if (!(eps > 0)) fail<ValueError>("rms_norm: eps is ", eps, ", expected a positive number");
  const detail::RmsNorm<S> norm{detail::NormRows<S>(x.shape()), eps};
  return detail::record_fused("rms_norm", norm, norm.values(x, weight), x, weight);
}

/// How an RMSNorm is built.
struct RMSNormOptions {
  double eps = 1e-6;
  bool affine = true;  ///< a weight (from 1) per feature
};

/// Root-mean-square normalization over the last axis, of `features` numbers: [.., features] -> the same.
template <class S = float>
struct RMSNorm {
  Parameter<S> weight;
  Index features = 0;
  double eps = 1e-6;

  RMSNorm() = default;
  explicit RMSNorm(Index feature_count, const RMSNormOptions& options = {})
      : features(feature_count), eps(options.eps) {
    if (options.affine) weight = Tensor<S>::ones(Shape{feature_count});
  }

  Tensor<S> operator()(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != features)
      fail<ShapeError>("RMSNorm: got input ", x.shape(), ", expected [.., ", features, "]");
    return rms_norm<S>(x, weight, eps);
  }

  static void members(auto& self, auto&& visit) { visit("weight", self.weight); }
};

}  // namespace pushforward
