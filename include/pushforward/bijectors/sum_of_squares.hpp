// SumOfSquaresTransform: polynomials whose slope is a sum of squares of polynomials.
#pragma once

#include <cmath>
#include <vector>

#include <pushforward/bijectors/monotone_transform.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

// Nodes and weights of the Gauss-Legendre rule with n points, moved to [0, 1]: exact for polynomials up to degree
// 2 n - 1.
struct UnitQuadrature {
  std::vector<double> nodes, weights;

  explicit UnitQuadrature(Index n) {
    const auto count = static_cast<double>(n);
    for (Index i = 0; i < n; ++i) {
      double x = std::cos(3.14159265358979323846 * (static_cast<double>(i) + 0.75) / (count + 0.5)), slope = 1;
      for (int step = 0; step < 8; ++step) {  // Newton steps to a root of the Legendre polynomial
        double p = 1, before = 0;
        for (Index j = 1; j <= n; ++j) {
          const auto k = static_cast<double>(j);
          const double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;
          before = std::exchange(p, next);
        }
        slope = count * (x * p - before) / (x * x - 1);
        x -= p / slope;
      }
      nodes.push_back(0.5 * (1 + x));
      weights.push_back(1 / ((1 - x * x) * slope * slope));
    }
  }
};

}  // namespace detail

/// What a sum-of-squares polynomial looks like.
struct SumOfSquaresOptions {
  Index squares = 2;        ///< polynomials that are squared, at least 1; two reach every positive polynomial
  Index degree = 3;         ///< of each, 1 to 16: the transform has degree 2 degree + 1
  double bound = 5;         ///< it goes on along its tangents outside of [-bound, bound]
  double min_slope = 1e-3;  ///< least slope
};

/// The integral of a sum of squares of polynomials as a MonotoneTransform (Jaini et al. 2019, eq. 11),
///
///     f(x) = c + int_0^x (min_slope + sum_k p_k(u)^2) du,
///
/// and beyond the bound its tangents, beyond 1e10 with slope 1, so that no number overflows.
///
/// Raw numbers are c, then `degree` + 1 of each p_k, number j over j + 1 being the coefficient of the Chebyshev
/// polynomial T_j(u / bound); p_k has a constant added so that raw = 0 is the identity. The integral is a
/// Gauss-Legendre sum, which is exact and in which nothing cancels. The inverse is solved for. Throws ValueError for a
/// polynomial that cannot be.
class SumOfSquaresTransform {
 public:
  static constexpr const char* name = "SumOfSquaresTransform";

  explicit SumOfSquaresTransform(SumOfSquaresOptions options = {})
      : options_(options), quadrature_(std::max(Index{1}, options.degree + 1)) {
    if (options.squares < 1) fail<ValueError>(name, ": .squares is ", options.squares, ", expected at least 1");
    if (options.degree < 1 || options.degree > 16)
      fail<ValueError>(name, ": .degree is ", options.degree, ", expected 1 to 16");
    if (!(options.bound > 0 && options.bound <= 1e6))
      fail<ValueError>(name, ": .bound is ", options.bound, ", expected a positive number up to 1e6");
    if (!(options.min_slope > 0 && options.min_slope < 1))
      fail<ValueError>(name, ": .min_slope is ", options.min_slope, ", expected a number between 0 and 1");
    quadrature_.nodes.push_back(1);  // where the slope itself is wanted
    quadrature_.weights.push_back(0);
  }

  Index numbers() const { return 1 + options_.squares * (options_.degree + 1); }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const Tensor<S> rows = detail::raw_rows(name, x, raw, numbers());
    return detail::with_tangents(x, options_.bound, [&](const Tensor<S>& at) { return curve(at, rows); });
  }
  /// Where x with forward(x, raw) = y lies.
  template <class S>
  std::array<Tensor<S>, 2> bracket(const Tensor<S>& y, const Tensor<S>& raw) const {
    const Tensor<S> shift = squeeze(detail::bounded_numbers(detail::raw_rows(name, y, raw, numbers()), 0, 1), -1);
    const Tensor<S> reach = detail::keep_finite((y - shift) * (1.01 / options_.min_slope));
    return {minimum(reach, S(0)), maximum(reach, S(0))};
  }

 private:
  template <class S>
  WithLogSlope<S> curve(const Tensor<S>& x, const Tensor<S>& rows) const {
    const Index count = x.size(), points = static_cast<Index>(quadrature_.nodes.size()), terms = options_.degree + 1;
    const Tensor<S> flat = reshape(x, Shape{count});
    const Tensor<S> nodes = numbers_of<S>(quadrature_.nodes), weights = numbers_of<S>(quadrature_.weights);
    const Tensor<S> basis = chebyshev(unsqueeze(flat / options_.bound, -1) * nodes);  // [count, points, terms]
    const Tensor<S> given =
        reshape(detail::bounded_numbers(rows, 1, numbers() - 1), Shape{count, options_.squares, terms});
    const Tensor<S> coefficients = given / Tensor<S>::arange(S(1), static_cast<S>(terms + 1)) + start<S>();
    const Tensor<S> p = sum(reshape(basis, Shape{count, 1, points, terms}) * unsqueeze(coefficients, 2), -1);
    const Tensor<S> slopes = sum(square(p), 1) + options_.min_slope;  // [count, points]
    const Tensor<S> shift = reshape(detail::bounded_numbers(rows, 0, 1), x.shape());
    return {shift + x * reshape(sum(slopes * weights, -1), x.shape()),
            reshape(log(select(slopes, -1, points - 1)), x.shape())};
  }
  // T_0 .. T_degree at u: [.., terms].
  template <class S>
  Tensor<S> chebyshev(const Tensor<S>& u) const {
    std::vector<Tensor<S>> all{Tensor<S>::ones(u.shape()), u};
    while (static_cast<Index>(all.size()) <= options_.degree) all.push_back(2 * u * all.back() - all[all.size() - 2]);
    return stack(all, -1);
  }
  // Constants whose squares add up to 1 - min_slope, all different, lest the polynomials stay alike: [squares, terms].
  template <class S>
  Tensor<S> start() const {
    const Index squares = options_.squares, terms = options_.degree + 1;
    const double share = (1 - options_.min_slope) * 2 / static_cast<double>(squares * (squares + 1));
    return Tensor<S>::generate({squares, terms}, [&](Index i) {
      return i % terms == 0 ? static_cast<S>(std::sqrt(share * static_cast<double>(i / terms + 1))) : S(0);
    });
  }
  template <class S>
  static Tensor<S> numbers_of(const std::vector<double>& all) {
    return Tensor<S>::generate({static_cast<Index>(all.size())},
                               [&](Index i) { return static_cast<S>(all[static_cast<std::size_t>(i)]); });
  }

  SumOfSquaresOptions options_;
  detail::UnitQuadrature quadrature_;
};

}  // namespace pushforward
