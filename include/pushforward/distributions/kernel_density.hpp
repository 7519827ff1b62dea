// KernelDensity: a density estimate that puts a normal on every point of the data.
#pragma once

#include <algorithm>
#include <cmath>

#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/event.hpp>
#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// Rules for the bandwidth of d numbers from n points with standard deviations s.
enum class Bandwidth {
  scott,     ///< s n^(-1 / (d + 4)) (Scott 1992)
  silverman  ///< s (4 / ((d + 2) n))^(1 / (d + 4)) (Silverman 1986)
};

/// The kernel density estimate p(x) = mean over i of N(x; x_i, diag(bandwidth^2)).
///
/// Data [n, d] and a bandwidth per number of an event, [d]; both are constants. Scoring m points takes m n d steps and
/// memory for m numbers. Throws ShapeError for data of another rank, ValueError for no points, data that is not finite
/// or a bandwidth that is not positive: with a rule, for a number that is the same in all points, or for a single
/// point.
template <class S = float>
class KernelDensity {
 public:
  using Scalar = S;

  explicit KernelDensity(const Tensor<S>& data, Bandwidth rule = Bandwidth::scott)
      : KernelDensity(data, by_rule(data, rule)) {}
  KernelDensity(const Tensor<S>& data, const Tensor<S>& bandwidth) : data_(stop_gradient(data)) {
    check_data(data);
    detail::check_parameter(
        "KernelDensity", "the bandwidth", bandwidth, [](S x) { return x > S(0) && x - x == S(0); },
        "a positive number; a number that never varies has no bandwidth by rule, so give one");
    if (!(broadcast(bandwidth.shape(), Shape{data.size(1)}, "KernelDensity") == Shape{data.size(1)}))
      fail<ShapeError>("KernelDensity: a bandwidth of shape ", bandwidth.shape(), " for data ", data.shape(),
                       ", expected [d]");
    bandwidth_ = expand(stop_gradient(bandwidth), Shape{data.size(1)});
    scaled_ = data_ / bandwidth_;
    double constant =
        std::log(static_cast<double>(points())) + detail::half_log_two_pi * static_cast<double>(data.size(1));
    for (S h : bandwidth_) constant += std::log(static_cast<double>(h));
    constant_ = constant;
  }

  /// The shape of a draw, [d].
  Shape shape() const { return Shape{data_.size(1)}; }
  Index points() const { return data_.size(0); }
  const Tensor<S>& data() const { return data_; }
  /// [d].
  const Tensor<S>& bandwidth() const { return bandwidth_; }
  Tensor<S> mean() const { return pushforward::mean(data_, 0); }
  /// The variance of the data plus bandwidth^2.
  Tensor<S> variance() const { return var(data_, 0) + square(bandwidth_); }

  /// log p(x) in nats: x [.., d] -> [..], differentiable in x.
  Tensor<S> log_prob(const Tensor<S>& x) const {
    if (x.rank() == 0 || x.size(-1) != data_.size(1))
      fail<ShapeError>("KernelDensity::log_prob: got shape ", x.shape(), ", expected [.., ", data_.size(1), "]");
    const Tensor<S> data = scaled_, at = x / bandwidth_;
    auto value = [&](const Tensor<S>& z) { return log_sums(z, data); };
    auto rule = [data](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& z) {
      return std::array<Tensor<S>, 1>{slopes(g, y, z, data)};
    };
    auto reference = [data](const Tensor<S>& z) {
      return logsumexp(sum(square(unsqueeze(z, z.rank() - 1) - data), -1) * -0.5, -1);
    };
    return detail::fused(value, rule, reference, at) - constant_;
  }

  /// n draws, [n, d]: a point of the data, and normal noise times the bandwidth.
  Tensor<S> sample(Index n, Rng& rng) const {
    Rng choices = rng.split();
    const Shape shape = detail::batched(n, Shape{});
    const Tensor<Index> chosen = Tensor<Index>::generate(shape, [&](Index) { return choices.uniform_index(points()); });
    return index_select(data_, 0, chosen) + bandwidth_ * normal<S>({n, data_.size(1)}, rng);
  }
  /// One draw, [d].
  Tensor<S> sample(Rng& rng) const { return squeeze(sample(1, rng), 0); }

  static void members(auto&, auto&&) {}

 private:
  static void check_data(const Tensor<S>& data) {
    if (data.rank() != 2 || data.size(1) < 1)
      fail<ShapeError>("KernelDensity: data of shape ", data.shape(), ", expected rows of numbers [n, d]");
    if (data.size(0) < 1) fail<ValueError>("KernelDensity: got no points, expected at least one");
    if (!(is_finite(data).min() > S(0))) fail<ValueError>("KernelDensity: the data contains NaN or infinity");
  }
  static Tensor<S> by_rule(const Tensor<S>& data, Bandwidth rule) {
    check_data(data);
    const double n = static_cast<double>(data.size(0)), d = static_cast<double>(data.size(1));
    if (n < 2) fail<ValueError>("KernelDensity: a single point has no bandwidth by rule, expected two or a bandwidth");
    const double factor = rule == Bandwidth::scott ? 1.0 : std::pow(4 / (d + 2), 1 / (d + 4));
    return sqrt(var(stop_gradient(data), 0, false, 1)) * (factor * std::pow(n, -1 / (d + 4)));
  }
  static double squares(const S* a, const S* b, Index d) {
    double total = 0;
    for (Index j = 0; j < d; ++j) {
      const double v = static_cast<double>(a[j]) - static_cast<double>(b[j]);
      total += v * v;
    }
    return total;
  }
  // log sum_i e^(-|z - data_i|^2 / 2) of each row of z.
  static Tensor<S> log_sums(const Tensor<S>& z, const Tensor<S>& data) {
    const Index n = data.size(0), d = data.size(1), rows = z.size() / d;
    return Tensor<S>::build(z.shape().without(-1), [&](S* out) {
      parallel_for(rows, std::max(Index{1}, 4096 / n), [&](Index begin, Index end) {
        std::vector<double> apart(static_cast<std::size_t>(n));
        for (Index r = begin; r < end; ++r) {
          for (Index i = 0; i < n; ++i)
            apart[static_cast<std::size_t>(i)] = squares(z.data() + r * d, data.data() + i * d, d);
          const double least = *std::min_element(apart.begin(), apart.end());
          double total = 0;
          for (double a : apart) total += std::exp(0.5 * (least - a));
          out[r] = static_cast<S>(std::log(total) - 0.5 * least);
        }
      });
    });
  }
  // g times the gradient of log_sums, whose values are y: the mean of data_i - z by the shares of the points.
  static Tensor<S> slopes(const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& z, const Tensor<S>& data) {
    const Index n = data.size(0), d = data.size(1), rows = z.size() / d;
    return Tensor<S>::build(z.shape(), [&](S* out) {
      parallel_for(rows, std::max(Index{1}, 4096 / n), [&](Index begin, Index end) {
        std::vector<double> slope(static_cast<std::size_t>(d));
        for (Index r = begin; r < end; ++r) {
          std::fill(slope.begin(), slope.end(), 0.0);
          const S* at = z.data() + r * d;
          double total = 0;  // 1 but for the rounding of y
          for (Index i = 0; i < n; ++i) {
            const S* point = data.data() + i * d;
            const double share = std::exp(-0.5 * squares(at, point, d) - static_cast<double>(y.data()[r]));
            total += share;
            for (Index j = 0; j < d; ++j)
              slope[static_cast<std::size_t>(j)] +=
                  share * (static_cast<double>(point[j]) - static_cast<double>(at[j]));
          }
          for (Index j = 0; j < d; ++j)
            out[r * d + j] =
                static_cast<S>(static_cast<double>(g.data()[r]) * slope[static_cast<std::size_t>(j)] / total);
        }
      });
    });
  }

  Tensor<S> data_, bandwidth_, scaled_;
  double constant_ = 0;
};

}  // namespace pushforward
