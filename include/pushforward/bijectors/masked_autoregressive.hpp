// MaskedAutoregressive: every number is moved by what a network makes of those before it.
#pragma once

#include <pushforward/bijectors/autoregressive_kernels.hpp>
#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/nn/masked_mlp.hpp>

namespace pushforward {

/// How a masked autoregressive bijector works.
struct MaskedAutoregressiveOptions {
  double max_log_scale = 3.0;  ///< bound of |s|: s = bound tanh(r / bound)
};

/// y_i = x_i exp(s_i) + t_i with s_i and t_i functions of y_0 .. y_(i-1) (MAF, Papamakarios et al. 2017, eq. 3 and 4).
///
/// `net` maps [.., d] to [.., 2 d]: raw log-scales r, then shifts t, both of number i from the numbers before it in
/// some order, as MaskedMlp does with `.outputs = 2`. The inverse, the direction of densities, takes one pass.
/// forward takes a pass for each number, or the cost of one where nothing is recorded and the network has `steps`.
/// s = bound tanh(r / bound) is bounded, and the network sees numbers clamped to 1e6, so that no finite input overflows
/// to NaN. Throws ShapeError if the network's output does not fit.
template <class Net = MaskedMlp<float>>
class MaskedAutoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  MaskedAutoregressive(Net net, Index features, MaskedAutoregressiveOptions options = {})
      : net_(std::move(net)), columns_{features, 0, 1, features}, scale_(options.max_log_scale) {
    if (features < 1) fail<ValueError>("MaskedAutoregressive: got ", features, " features, expected at least 1");
    if (!(options.max_log_scale > 0))
      fail<ValueError>("MaskedAutoregressive: max_log_scale is ", options.max_log_scale,
                       ", expected a positive number");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("MaskedAutoregressive", x.shape(), columns_.width);
    if constexpr (requires { net_.steps(Index{1}); })
      if (!detail::recording_flag()) return forward_in_steps(x);
    // In pass k the first k numbers are right already, whatever the others are.
    WithLogDet<S> y{Tensor<S>::zeros(x.shape()), {}};
    for (Index pass = 0; pass < columns_.width; ++pass) {
      const Tensor<S> raw = conditioned(y.value);
      y.value = detail::affine_coupling<true>(x, raw, columns_, scale_);
      if (pass + 1 == columns_.width) y.log_det = detail::coupling_log_det(raw, columns_.count, scale_, S(1));
    }
    return y;
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("MaskedAutoregressive", y.shape(), columns_.width);
    const auto x = detail::recorded_autoregressive_inverse(y, conditioned(y), scale_);
    return {x.value, x.log_det};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  Tensor<S> conditioned(const Tensor<S>& y) const {
    Tensor<S> raw = net_(detail::network_input(y));
    if (!(raw.shape() == y.shape().with(-1, 2 * columns_.width)))
      fail<ShapeError>("MaskedAutoregressive: the network gave shape ", raw.shape(), " for input ", y.shape(),
                       ", expected ", y.shape().with(-1, 2 * columns_.width));
    return raw;
  }
  WithLogDet<S> forward_in_steps(const Tensor<S>& x) const {
    const Index d = columns_.width, rows = x.size() / d;
    const S bound = static_cast<S>(detail::conditioner_bound);
    Tensor<S> y = detail::Access::allocate<S>(x.shape());
    Tensor<S> log_det = Tensor<S>::zeros(x.shape().without(-1));
    if (rows == 0) return {y, log_det};
    S* const total = detail::Access::data(log_det);
    std::vector<S> seen(static_cast<std::size_t>(rows));
    for (auto steps = net_.steps(rows); steps.more(); steps.set(seen.data(), 1)) {
      const Tensor<S> raw = steps.outputs();
      if (!(raw.shape() == Shape{rows, 2}))
        fail<ShapeError>("MaskedAutoregressive: the network gave shape ", raw.shape(), " for one feature of ", rows,
                         " rows, expected ", Shape{rows, 2}, "; build it with .outputs = 2");
      const S* const from = x.data() + steps.feature();
      S* const to = detail::Access::data(y) + steps.feature();
      for (Index r = 0; r < rows; ++r) {
        const S s = scale_.bound * math::tanh(raw.data()[2 * r] * scale_.slope);
        const S value = from[r * d] * math::exp(s) + raw.data()[2 * r + 1];
        to[r * d] = value;
        total[r] += s;
        seen[static_cast<std::size_t>(r)] = std::min(std::max(value, -bound), bound);
      }
    }
    return {y, log_det};
  }

  Net net_;
  detail::Columns columns_;
  detail::BoundedScale<S> scale_;
};

}  // namespace pushforward
