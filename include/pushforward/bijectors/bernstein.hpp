// BernsteinTransform: monotone polynomials of any degree, in the basis that keeps them monotone.
#pragma once

#include <vector>

#include <pushforward/bijectors/monotone_transform.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

/// What a Bernstein polynomial looks like.
struct BernsteinOptions {
  Index degree = 16;       ///< of the polynomial, 4 to 64; it has degree - 2 raw numbers
  double bound = 5;        ///< it maps [-bound, bound] to itself, and goes on as the identity outside
  double min_size = 1e-3;  ///< least step from coefficient to coefficient, as a share of 2 bound
};

/// A monotone polynomial on [-bound, bound] as a MonotoneTransform,
///
///     f(x) = sum_j c_j binom(n, j) u^j (1 - u)^(n - j),   u = (x + bound) / (2 bound),
///
/// with increasing coefficients c_0 = -bound, .., c_n = bound (Ramasinghe et al. 2021; Sick et al. 2021, eq. 5).
///
/// The first and last steps of c are such that the slope is 1 at both ends, where the identity goes on; the others are
/// a softmax of degree - 2 raw numbers, and raw = 0 is the identity. The density is continuous, and within the bound
/// smooth to every order. The inverse is solved for. Throws ValueError for a polynomial that cannot be.
class BernsteinTransform {
 public:
  static constexpr const char* name = "BernsteinTransform";

  explicit BernsteinTransform(BernsteinOptions options = {}) : options_(options) {
    if (options.degree < 4 || options.degree > 64)
      fail<ValueError>(name, ": .degree is ", options.degree, ", expected 4 to 64");
    if (!(options.bound > 0 && std::isfinite(options.bound)))
      fail<ValueError>(name, ": .bound is ", options.bound, ", expected a positive number");
    if (!(options.min_size > 0 && options.min_size * static_cast<double>(options.degree) < 1))
      fail<ValueError>(name, ": .min_size is ", options.min_size, ", expected a number between 0 and 1 / degree");
    double count = 1;
    for (Index j = 0; j < options.degree; ++j) {
      binomials_.push_back(count);  // of degree - 1, over j
      count = count * static_cast<double>(options.degree - 1 - j) / static_cast<double>(j + 1);
    }
  }

  Index numbers() const { return options_.degree - 2; }
  template <class S>
  WithLogSlope<S> forward(const Tensor<S>& x, const Tensor<S>& raw) const {
    const Tensor<S> rows = detail::raw_rows(name, x, raw, numbers());
    return detail::within_bound(x, static_cast<S>(options_.bound),
                                [&](const Tensor<S>& at) { return curve(at, steps(rows)); });
  }
  /// Where x with forward(x, raw) = y lies.
  template <class S>
  std::array<Tensor<S>, 2> bracket(const Tensor<S>& y, const Tensor<S>&) const {
    const double bound = options_.bound;
    return {minimum(y, -bound), maximum(y, bound)};
  }

 private:
  // The steps of the coefficients [.., degree].
  template <class S>
  Tensor<S> steps(const Tensor<S>& rows) const {
    const double reach = 2 * options_.bound, even = reach / static_cast<double>(options_.degree);
    const double inner = static_cast<double>(numbers()), least = reach * options_.min_size;
    return pad(least + (inner * even - inner * least) * softmax(rows, -1), -1, 1, 1, even);
  }
  // The slope is a mean of steps, the value one of coefficients: nothing cancels.
  template <class S>
  WithLogSlope<S> curve(const Tensor<S>& at, const Tensor<S>& rise) const {
    const double bound = options_.bound, rate = static_cast<double>(options_.degree) / (2 * bound);
    const Tensor<S> u = (at + bound) / (2 * bound), weights = basis(u);
    const Tensor<S> low = cumsum(rise, -1) - rise - bound;
    return {sum(weights * (low + unsqueeze(u, -1) * rise), -1), log(rate * sum(weights * rise, -1))};
  }
  // The basis polynomials of degree - 1 at u: [.., degree].
  template <class S>
  Tensor<S> basis(const Tensor<S>& u) const {
    const Tensor<S> v = 1 - u;
    std::vector<Tensor<S>> up{Tensor<S>::ones(u.shape())}, down{Tensor<S>::ones(u.shape())};
    for (Index j = 1; j < options_.degree; ++j) {
      up.push_back(up.back() * u);
      down.push_back(down.back() * v);
    }
    std::vector<Tensor<S>> all;
    for (std::size_t j = 0; j < up.size(); ++j)
      all.push_back(up[j] * down[up.size() - 1 - j] * static_cast<S>(binomials_[j]));
    return stack(all, -1);
  }

  BernsteinOptions options_;
  std::vector<double> binomials_;
};

}  // namespace pushforward
