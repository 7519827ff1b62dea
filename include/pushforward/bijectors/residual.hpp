// ResidualBlock: an event moved by a network that is a contraction, and three ways to the log-determinant.
#pragma once

#include <vector>

#include <pushforward/bijectors/contraction.hpp>
#include <pushforward/nn/lipschitz_mlp.hpp>
#include <pushforward/ops/linalg.hpp>
#include <pushforward/ops/random.hpp>

namespace pushforward {

/// How the log-determinant log det(I + J) of a residual block is computed where an Rng is given.
enum class ResidualLogDet {
  automatic,     ///< exact for up to 8 numbers per event, else roulette
  exact,         ///< of the whole Jacobian: for events of d numbers about d times the work of the value
  power_series,  ///< a fixed number of terms with Hutchinson's trace: biased, by d c^(K+1) / ((K+1)(1-c)) at most
  roulette       ///< a random number of terms, weighted so that the estimate is unbiased
};

/// How the gradient of an estimated log-determinant is computed.
enum class SeriesGradient {
  neumann,  ///< another series for the gradient itself, one evaluation to differentiate however many terms; order 1
  terms     ///< the terms are differentiated: memory for each, gradients of every order
};

/// Which log-determinant a residual block gives where an Rng is given.
struct ResidualLogDetOptions {
  ResidualLogDet method = ResidualLogDet::automatic;
  Index terms = 10;               ///< of power_series
  Index certain_terms = 2;        ///< of roulette: computed always
  double stop_probability = 0.5;  ///< of roulette: after each term more. Finite variance is certain for c^2 < 1 - it
  SeriesGradient gradient = SeriesGradient::neumann;
};

/// How a ResidualBlock is built.
struct ResidualBlockOptions {
  std::vector<Index> hidden = {64, 64};      ///< hidden widths of its network
  Activation activation = Activation::silu;  ///< silu (LipSwish), tanh or softplus
  double coefficient = 0.9;                  ///< bound c of the network's Lipschitz constant, below 1
  double tolerance = 0;                      ///< of the inverse, as in ContractionOptions
  ResidualLogDetOptions log_det = {};
};

namespace detail {

inline void check_residual_options(const char* name, Index features, const ResidualBlockOptions& options) {
  if (features < 1) fail<ValueError>(name, ": got ", features, " features, expected at least 1");
  if (!(options.coefficient > 0 && options.coefficient < 1))
    fail<ValueError>(name, ": .coefficient is ", options.coefficient, ", expected a number between 0 and 1");
  if (!(options.tolerance >= 0)) fail<ValueError>(name, ": .tolerance is ", options.tolerance, ", expected 0 or more");
  for (Index width : options.hidden)
    if (width < 1) fail<ValueError>(name, ": .hidden holds ", width, ", expected positive widths");
  const ResidualLogDetOptions& how = options.log_det;
  if (how.terms < 1) fail<ValueError>(name, ": .log_det.terms is ", how.terms, ", expected at least 1");
  if (how.certain_terms < 0)
    fail<ValueError>(name, ": .log_det.certain_terms is ", how.certain_terms, ", expected 0 or more");
  if (!(how.stop_probability > 0 && how.stop_probability <= 1))
    fail<ValueError>(name, ": .log_det.stop_probability is ", how.stop_probability, ", expected above 0, 1 at most");
}

// log det(I + J) for J [n, d, d] or its transpose.
template <class S>
Tensor<S> log_det_of_residual(const Tensor<S>& j) {
  auto entry = [&](Index row, Index column) { return select(select(j, 2, column), 1, row); };
  if (j.size(-1) == 1) return log1p(entry(0, 0));
  if (j.size(-1) == 2)
    return elementwise([](auto a, auto b, auto c, auto d) { return log1p(a + d + (a * d - b * c)); }, entry(0, 0),
                       entry(0, 1), entry(1, 0), entry(1, 1));
  return log_abs_det(j + Tensor<S>::eye(j.size(-1)));
}

// The weights of the terms of a series, 1 / P(term k is computed).
inline std::vector<double> series_weights(const ResidualLogDetOptions& how, bool roulette, Rng& rng) {
  if (!roulette) return std::vector<double>(static_cast<std::size_t>(how.terms), 1.0);
  std::vector<double> weights(static_cast<std::size_t>(how.certain_terms), 1.0);
  double certainty = 1;
  do {
    weights.push_back(1 / certainty);
    certainty *= 1 - how.stop_probability;
  } while (rng.uniform() >= how.stop_probability);
  return weights;
}

}  // namespace detail

/// y = x + g(x) with a network g of Lipschitz constant c < 1 (i-ResNet, Behrmann et al. 2019; Residual Flows, Chen et
/// al. 2019): no coupling, no order, every number moves by all of them.
///
/// g is a LipschitzMlp, so the map is invertible whatever its weights are. x [.., d]. forward(x) takes one pass;
/// inverse(y) a fixed-point iteration to `tolerance`, with gradients of every order by the implicit function theorem.
/// Both give the exact log-determinant. In a density the forward direction should face the data: Inverse(block).
///
/// forward(x, rng) and inverse(y, rng) give the log-determinant that `options.log_det` asks for. With a probe v of
/// random signs for each event
///
///     log det(I + J) = sum_k (-1)^(k+1) / k tr J^k
///     power_series:  sum_{k <= K} (-1)^(k+1) / k v^T J^k v                        (Behrmann et al. 2019, sec. 3)
///     roulette:      sum_{k <= N} (-1)^(k+1) / k v^T J^k v / P(N >= k), N random   (Chen et al. 2019, eq. 6)
///
/// with the gradient of eq. 8 there, or of the terms. Throws ValueError for options out of range, ShapeError.
template <class S = float>
class ResidualBlock {
 public:
  using Scalar = S;

  ResidualBlock() = default;
  ResidualBlock(Index features, Rng& rng, ResidualBlockOptions options = {}) : options_(std::move(options)) {
    detail::check_residual_options("ResidualBlock", features, options_);
    std::vector<Index> widths{features};
    widths.insert(widths.end(), options_.hidden.begin(), options_.hidden.end());
    widths.push_back(features);
    net_ = LipschitzMlp<S>(widths, rng, {.coefficient = options_.coefficient, .activation = options_.activation});
  }

  const LipschitzMlp<S>& net() const { return net_; }
  const ResidualBlockOptions& options() const { return options_; }
  /// What the log-determinants of forward(x, rng) and inverse(y, rng) are: exact, or an estimate.
  LikelihoodKind log_det_kind() const {
    return method() == ResidualLogDet::exact ? LikelihoodKind::exact : LikelihoodKind::estimate;
  }

  /// x + g(x), and the x of a y, without log-determinants.
  Tensor<S> moved(const Tensor<S>& x) const { return x + reshape(net_(flattened(x)), x.shape()); }
  Tensor<S> moved_back(const Tensor<S>& y) const { return reshape(solved(net_.folded(), flattened(y)), y.shape()); }
  WithLogDet<S> forward(const Tensor<S>& x) const { return pushed(x, nullptr); }
  WithLogDet<S> inverse(const Tensor<S>& y) const { return pulled_back(y, nullptr); }
  /// The same with the log-determinant of the options.
  WithLogDet<S> forward(const Tensor<S>& x, Rng& rng) const { return pushed(x, &rng); }
  WithLogDet<S> inverse(const Tensor<S>& y, Rng& rng) const { return pulled_back(y, &rng); }

  static void members(auto& self, auto&& visit) { visit("net", self.net_); }

 private:
  using Layers = detail::DenseLayers<S>;
  static constexpr Index most_exact = 8;

  Index features() const { return net_.layers.empty() ? 0 : net_.layers[0].weight.size(1); }
  ResidualLogDet method() const {
    if (options_.log_det.method != ResidualLogDet::automatic) return options_.log_det.method;
    return features() <= most_exact ? ResidualLogDet::exact : ResidualLogDet::roulette;
  }
  Tensor<S> flattened(const Tensor<S>& x) const {
    detail::check_features("ResidualBlock", x.shape(), features());
    return reshape(x, Shape{x.shape().product(0, x.rank() - 1), features()});
  }

  WithLogDet<S> pushed(const Tensor<S>& x, Rng* rng) const {
    const Tensor<S> flat = flattened(x);
    const WithLogDet<S> move = push(net_.folded(), flat, rng);
    return {x + reshape(move.value, x.shape()), reshape(move.log_det, x.shape().without(-1))};
  }
  WithLogDet<S> pulled_back(const Tensor<S>& y, Rng* rng) const {
    const Tensor<S> flat = flattened(y);
    const Layers net = net_.folded();
    const Tensor<S> x = solved(net, flat);
    return {reshape(x, y.shape()), reshape(-push(net, x, rng).log_det, y.shape().without(-1))};
  }
  // The x with x + g(x) = y, [n, d].
  Tensor<S> solved(const Layers& net, const Tensor<S>& y) const {
    const ContractionMap<S> g = [net](const Tensor<S>& x, const Tensor<S>& p) { return net.unpacked(p)(x); };
    return solve_contraction<S>(g, y, net.packed(),
                                {.coefficient = options_.coefficient, .tolerance = options_.tolerance});
  }

  // g(x) and log det(I + dg/dx): [n, d] and [n].
  WithLogDet<S> push(const Layers& net, const Tensor<S>& x, Rng* rng) const {
    std::vector<Tensor<S>> slopes;
    const Tensor<S> value = net.with_slopes(x, slopes);
    if (!rng || method() == ResidualLogDet::exact)
      return {value, detail::log_det_of_residual(net.jacobian(slopes, x.size(0)))};
    const std::vector<double> weights =
        detail::series_weights(options_.log_det, method() == ResidualLogDet::roulette, *rng);
    const Tensor<S> u = uniform<S>(x.shape(), *rng);
    const Tensor<S> v = Tensor<S>::generate(u.shape(), [&](Index i) { return u.data()[i] < S(0.5) ? S(-1) : S(1); });
    return {value, estimate(net, slopes, v, weights)};
  }
  Tensor<S> estimate(const Layers& net, const std::vector<Tensor<S>>& slopes, const Tensor<S>& v,
                     const std::vector<double>& weights) const {
    if (options_.log_det.gradient == SeriesGradient::terms) return series(net, slopes, v, weights).first;
    std::pair<Tensor<S>, Tensor<S>> terms;
    {
      NoGradient guard;
      terms = series(net, slopes, v, weights);
    }
    if (!detail::recording_flag()) return terms.first;
    // What has the gradient sum_k (-1)^k w_k v^T J^k dJ v is moved to the value of the series.
    const Tensor<S> pulled = sum(net.pull(slopes, terms.second) * v, -1);
    return pulled + (terms.first - stop_gradient(pulled));
  }
  // The sum of the terms (-1)^(k+1) w_k / k v^T J^k v, and of the vectors (-1)^k w_(k+1) v^T J^k.
  static std::pair<Tensor<S>, Tensor<S>> series(const Layers& net, const std::vector<Tensor<S>>& slopes,
                                                const Tensor<S>& v, const std::vector<double>& weights) {
    Tensor<S> power = v, total, vectors;
    double sign = 1;
    for (std::size_t k = 0; k < weights.size(); ++k, sign = -sign) {
      const Tensor<S> vector = power * (sign * weights[k]);
      power = net.pull(slopes, power);
      const Tensor<S> term = sum(power * v, -1) * (sign * weights[k] / static_cast<double>(k + 1));
      total = k ? total + term : term;
      vectors = k ? vectors + vector : vector;
    }
    return {total, vectors};
  }

  LipschitzMlp<S> net_;
  ResidualBlockOptions options_;
};

}  // namespace pushforward
