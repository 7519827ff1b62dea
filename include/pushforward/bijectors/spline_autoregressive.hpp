// SplineAutoregressive: every number goes through a spline that a network makes of those before it.
#pragma once

#include <vector>

#include <pushforward/bijectors/autoregressive_kernels.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/nn/masked_mlp.hpp>

namespace pushforward {

/// What an autoregressive layer does with a number.
enum class AutoregressiveMap {
  affine,             ///< scales and shifts it
  rational_quadratic  ///< puts it through a spline
};

/// y_i = f_i(x_i) with a rational-quadratic spline f_i whose raw numbers are functions of y_0 .. y_(i-1) (Durkan et al.
/// 2019, RQ-NSF (AR)).
///
/// `net` maps [.., d] to [.., (3 bins - 1) d]: the first raw number of each spline, then the second, .., each of number
/// i from the numbers before it in some order, as MaskedMlp does with `.outputs = spline_numbers(options)`. The
/// inverse, the direction of densities, takes one pass. forward takes a pass for each number, or the cost of one where
/// nothing is recorded and the network has `steps`. The network sees numbers clamped to 1e6. Throws ShapeError if the
/// network's output does not fit, ValueError for a spline that cannot be.
template <class Net = MaskedMlp<float>>
class SplineAutoregressive {
 public:
  using Scalar = detail::scalar_of<Net>;
  using S = Scalar;

  SplineAutoregressive(Net net, Index features, SplineOptions options = {})
      : net_(std::move(net)), form_(detail::spline_form<S>("SplineAutoregressive", options)), features_(features) {
    if (features < 1) fail<ValueError>("SplineAutoregressive: got ", features, " features, expected at least 1");
  }

  WithLogDet<S> forward(const Tensor<S>& x) const {
    detail::check_features("SplineAutoregressive", x.shape(), features_);
    if constexpr (requires { net_.steps(Index{1}); })
      if (!detail::recording_flag()) return forward_in_steps(x);
    // In pass k the first k numbers are right already, whatever the others are.
    WithLogDet<S> y{Tensor<S>::zeros(x.shape()), {}};
    for (Index pass = 0; pass < features_; ++pass) y = mapped<true>(x, conditioned(y.value));
    return y;
  }
  WithLogDet<S> inverse(const Tensor<S>& y) const {
    detail::check_features("SplineAutoregressive", y.shape(), features_);
    return mapped<false>(y, conditioned(y));
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  // The raw numbers of one spline after the other: [.., d (3 bins - 1)].
  Tensor<S> conditioned(const Tensor<S>& y) const {
    const Tensor<S> raw = net_(detail::network_input(y));
    const Shape expected = y.shape().with(-1, form_.numbers() * features_);
    if (!(raw.shape() == expected))
      fail<ShapeError>("SplineAutoregressive: the network gave shape ", raw.shape(), " for input ", y.shape(),
                       ", expected ", expected);
    const Tensor<S> by_number = reshape(raw, Shape{y.size() / features_, form_.numbers(), features_});
    return reshape(transpose(by_number), expected);
  }
  template <bool Forward>
  WithLogDet<S> mapped(const Tensor<S>& x, const Tensor<S>& raw) const {
    return detail::unpacked_spline(
        detail::spline_packed<Forward>(x, raw, detail::Columns{features_, 0, 1, features_}, form_));
  }
  WithLogDet<S> forward_in_steps(const Tensor<S>& x) const {
    const Index d = features_, rows = x.size() / d;
    const S bound = static_cast<S>(detail::conditioner_bound);
    Tensor<S> y = detail::Access::allocate<S>(x.shape()), log_det = Tensor<S>::zeros(x.shape().without(-1));
    if (rows == 0) return {y, log_det};
    S* const total = detail::Access::data(log_det);
    std::vector<S> seen(static_cast<std::size_t>(rows));
    for (auto steps = net_.steps(rows); steps.more(); steps.set(seen.data(), 1)) {
      const Tensor<S> raw = steps.outputs();  // [rows, 3 bins - 1]
      if (raw.size(-1) != form_.numbers())
        fail<ShapeError>("SplineAutoregressive: the network gives ", raw.size(-1),
                         " numbers for each feature, expected ", form_.numbers());
      const Index i = steps.feature();
      const Tensor<S> one = Tensor<S>::generate({rows, 1}, [&](Index r) { return x.data()[r * d + i]; });
      const Tensor<S> packed = detail::spline_packed<true>(one, raw, detail::Columns{1, 0, 1, 1}, form_);  // [rows, 2]
      S* const to = detail::Access::data(y) + i;
      for (Index r = 0; r < rows; ++r) {
        const S value = packed.data()[2 * r];
        to[r * d] = value;
        total[r] += packed.data()[2 * r + 1];
        seen[static_cast<std::size_t>(r)] = std::min(std::max(value, -bound), bound);
      }
    }
    return {y, log_det};
  }

  Net net_;
  detail::SplineForm<S> form_;
  Index features_;
};

}  // namespace pushforward
