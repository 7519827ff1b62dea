// Mixtures of discretized logistics as conditionals of pixels, grey or with colors that depend on each other.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <pushforward/models/conditionals.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

// The log-mass of level x = 0 .. levels - 1 under a logistic that is cut into levels, in the units of u = 2 x / (levels
// - 1) - 1: with half a step h, a = (u + h - mean) / s and b = (u - h - mean) / s the difference of sigmoids is
// sigmoid(a) sigmoid(-b) (1 - e^(b - a)), which neither underflows nor cancels (see DiscretizedLogistic).
template <class S>
Tensor<S> level_log_mass(const Tensor<S>& mean, const Tensor<S>& log_scale, const Tensor<S>& x, Index levels) {
  const double step = 2 / static_cast<double>(levels - 1), last = static_cast<double>(levels) - 1.5;
  auto mass = [=](auto m, auto r, auto level) {
    const auto inverse = exp(-clamp(r, -7.0, 30.0));
    const auto from = level * step - 1.0 - clamp(m, -1e6, 1e6);
    const auto above = (from + 0.5 * step) * inverse, below = (from - 0.5 * step) * inverse;
    const auto inside = log(-expm1(inverse * -step)) - softplus(-above) - softplus(below);
    return where(level < 0.5, -softplus(-above), where(level > last, -softplus(below), inside));
  };
  return elementwise(mass, mean, log_scale, x);
}

template <class S>
void check_levels(const char* name, const Tensor<S>& x, Index levels) {
  for (Index i = 0; i < x.size(); ++i) {
    const S value = x.data()[i];
    if (!(value >= S(0) && value < static_cast<S>(levels)) || value != std::floor(value))
      fail<ValueError>(name, ": element ", i, " of the data is ", value, ", expected one of the ", levels,
                       " levels 0, 1, .., ", levels - 1);
  }
}

}  // namespace detail

/// Levels 0, 1, .., L - 1, stored as numbers, from a mixture of k discretized logistics (Salimans et al. 2017,
/// PixelCNN++, eq. 2): 3 k parameters, the k logits of the weights, the means, and the logarithms of the scales.
///
///     P(x) = sum_j softmax(l)_j (sigmoid((u + h - m_j) / s_j) - sigmoid((u - h - m_j) / s_j)),  u = 2 x / (L - 1) - 1
///
/// with h half the distance of two levels; the first level counts all below, the last all above. Means are in the units
/// of u; log s is cut to [-7, 30]. Throws ValueError for fewer than two levels or one component, and for data that is
/// no level.
class DiscretizedLogisticMixtureConditional {
 public:
  explicit DiscretizedLogisticMixtureConditional(Index levels = 256, Index components = 10)
      : levels_(levels), components_(components) {
    if (levels_ < 2)
      fail<ValueError>("DiscretizedLogisticMixtureConditional: got ", levels_, " levels, expected at least 2");
    if (components_ < 1)
      fail<ValueError>("DiscretizedLogisticMixtureConditional: got ", components_, " components, expected at least 1");
  }

  Index levels() const { return levels_; }
  Index components() const { return components_; }
  Index parameters() const { return 3 * components_; }

  /// parameters [.., 3 k, d], x [.., d] -> [..] nats.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& parameters, const Tensor<S>& x) const {
    detail::check_levels("DiscretizedLogisticMixtureConditional", x, levels_);
    return sum(mixed(parameters, unsqueeze(x, -2)), -1);
  }
  /// parameters [n, 3 k] -> [n] levels. Options other than the defaults act on the probabilities of the levels.
  template <class S>
  Tensor<S> sample(const Tensor<S>& parameters, Rng& rng, const DrawOptions& options = {}) const {
    const NoGradient guard;
    options.check();
    if (options.plain()) return rounded(parameters, rng);
    const Tensor<Index> drawn = draw(level_log_probs(parameters), rng, options);
    return Tensor<S>::generate(drawn.shape(), [&](Index i) { return static_cast<S>(drawn.data()[i]); });
  }
  /// log P of every level: parameters [n, 3 k] -> [n, L].
  template <class S>
  Tensor<S> level_log_probs(const Tensor<S>& parameters) const {
    const Tensor<S> all = Tensor<S>::generate({1, 1, levels_}, [](Index i) { return static_cast<S>(i); });
    return mixed(unsqueeze(parameters, -1), all);
  }

 private:
  // parameters [.., 3 k, d], x [.., 1, d] -> [.., d].
  template <class S>
  Tensor<S> mixed(const Tensor<S>& parameters, const Tensor<S>& x) const {
    const auto [logits, means, scales] = split<3>(parameters, -2);
    return logsumexp(logits + detail::level_log_mass(means, scales, x, levels_), -2) - logsumexp(logits, -2);
  }
  // A logistic draw of one component, rounded to the nearest level.
  template <class S>
  Tensor<S> rounded(const Tensor<S>& parameters, Rng& rng) const {
    const Index n = parameters.size(0), k = components_;
    const Tensor<Index> chosen = draw(slice(parameters, -1, 0, k), rng);
    const Tensor<double> u = uniform<double>({n}, rng);
    const double most = static_cast<double>(levels_ - 1);
    return Tensor<S>::generate({n}, [&](Index i) {
      const S* const row = parameters.data() + i * 3 * k + chosen.data()[i];
      const double scale = std::exp(std::clamp(static_cast<double>(row[2 * k]), -7.0, 30.0));
      const double value = static_cast<double>(row[k]) + scale * (std::log(u.data()[i]) - std::log1p(-u.data()[i]));
      const double level = std::round((value + 1) * 0.5 * most);
      return static_cast<S>(level > 0 ? (level < most ? level : most) : 0.0);
    });
  }

  Index levels_, components_;
};

/// The conditional of PixelCNN++ for pixels of c colors (Salimans et al. 2017, section 2.2): one mixture for all of
/// them, in which the means of later colors depend linearly on the colors before.
///
///     P(x_1, .., x_c) = sum_j softmax(l)_j prod_i P(x_i; m_ji + sum_{e < i} tanh(a_jie) u_e, s_ji)
///
/// A network puts out k (1 + 2 c + c (c - 1) / 2) numbers a pixel: the k logits, then for each color its k means, then
/// for each color its k logarithms of scales, then k coefficients for each pair (2, 1), (3, 1), (3, 2), ..: 3 k for one
/// color, 10 k for three. By the chain rule each color is then a DiscretizedLogisticMixtureConditional given those
/// before, whose logits count what these say of the component.
class DiscretizedLogisticPixels {
 public:
  /// The network has to run once for a pixel, not once for each color.
  static constexpr bool colors_at_once = true;

  explicit DiscretizedLogisticPixels(Index colors = 1, Index levels = 256, Index components = 10)
      : colors_(colors), conditional_(levels, components) {
    if (colors < 1) fail<ValueError>("DiscretizedLogisticPixels: got ", colors, " colors, expected at least 1");
  }

  Index colors() const { return colors_; }
  /// Of one color, given those before it.
  const DiscretizedLogisticMixtureConditional& conditional() const { return conditional_; }
  /// Numbers of a network for a pixel.
  Index outputs() const { return conditional_.components() * (1 + 2 * colors_ + colors_ * (colors_ - 1) / 2); }
  /// Levels as a network sees them, from -1 to 1.
  template <class S>
  Tensor<S> input(const Tensor<S>& x) const {
    return x * (2 / static_cast<double>(conditional_.levels() - 1)) - 1;
  }

  /// Throws ValueError for what is no level.
  template <class S>
  void check(const Tensor<S>& x) const {
    detail::check_levels("DiscretizedLogisticPixels", x, conditional_.levels());
  }
  /// outputs [n, k (..), h, w] of a network, x [n, c, h, w] -> [n] nats.
  template <class S>
  Tensor<S> log_prob(const Tensor<S>& outputs, const Tensor<S>& x) const {
    check(x);
    Tensor<S> joint = logits(outputs);
    for (Index i = 0; i < colors_; ++i) joint = joint + log_mass(outputs, x, i);
    return sum(logsumexp(joint, 1) - logsumexp(logits(outputs), 1), {1, 2});
  }
  /// The parameters of `conditional()` for every color: [n, 3 k, c, h, w].
  template <class S>
  Tensor<S> parameters(const Tensor<S>& outputs, const Tensor<S>& x) const {
    std::vector<Tensor<S>> all;
    for (Index i = 0; i < colors_; ++i) all.push_back(parameters_of(outputs, x, i));
    return stack(all, 2);
  }
  /// Those of one color, from the colors before it: [n, 3 k, h, w].
  template <class S>
  Tensor<S> parameters_of(const Tensor<S>& outputs, const Tensor<S>& x, Index color) const {
    Tensor<S> weights = logits(outputs);
    for (Index i = 0; i < color; ++i) weights = weights + log_mass(outputs, x, i);
    return concat({weights, mean(outputs, x, color), part(outputs, 1 + colors_ + color)}, 1);
  }

 private:
  template <class S>
  Tensor<S> part(const Tensor<S>& outputs, Index i) const {
    const Index k = conditional_.components();
    return slice(outputs, 1, i * k, (i + 1) * k);
  }
  template <class S>
  Tensor<S> logits(const Tensor<S>& outputs) const {
    return part(outputs, 0);
  }
  template <class S>
  Tensor<S> mean(const Tensor<S>& outputs, const Tensor<S>& x, Index color) const {
    Tensor<S> total = part(outputs, 1 + color);
    for (Index e = 0; e < color; ++e) {
      const Tensor<S> slope = tanh(part(outputs, 1 + 2 * colors_ + color * (color - 1) / 2 + e));
      total = total + slope * input(slice(x, 1, e, e + 1));
    }
    return total;
  }
  template <class S>
  Tensor<S> log_mass(const Tensor<S>& outputs, const Tensor<S>& x, Index color) const {
    return detail::level_log_mass(mean(outputs, x, color), part(outputs, 1 + colors_ + color),
                                  slice(x, 1, color, color + 1), conditional_.levels());
  }

  Index colors_;
  DiscretizedLogisticMixtureConditional conditional_;
};

}  // namespace pushforward
