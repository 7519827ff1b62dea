// linear_combination: a weighted sum of tensors of one shape in one pass.
#pragma once

#include <array>

#include <pushforward/ops/arithmetic.hpp>

namespace pushforward {

/// A linear combination has up to this many terms.
inline constexpr int max_linear_terms = 8;

namespace detail {

template <class S>
struct LinearTerms {
  int count = 0;
  std::array<S, max_linear_terms> weights = {};
  std::array<Tensor<S>, max_linear_terms> x = {};

  void add(double weight, const Tensor<S>& term) {
    const auto at = static_cast<std::size_t>(count++);
    weights[at] = static_cast<S>(weight);
    x[at] = term;
  }
};

// out = sum_i w[i] x[i] over [begin, end), two terms at a time so that few passes meet the strip in the cache.
template <class S>
void combine_strip(int count, const S* w, const S* const* x, Index begin, Index n, S* out) {
  const S w0 = w[0];
  if (count == 1) return map_serial([=](S a) { return w0 * a; }, n, out, x[0] + begin);
  const S w1 = w[1];
  map_serial([=](S a, S b) { return w0 * a + w1 * b; }, n, out, x[0] + begin, x[1] + begin);
  for (int i = 2; i < count; ++i) {
    const S weight = w[i];
    const S* const term = x[i] + begin;
    vectorized_unless_double<S>([=] {
      PUSHFORWARD_SIMD
      for (Index j = 0; j < n; ++j) out[j] += weight * term[j];
    });
  }
}

template <class S>
Tensor<S> combine_values(const LinearTerms<S>& terms) {
  Tensor<S> y = Access::allocate<S>(terms.x[0].shape());
  const S* data[max_linear_terms];
  for (int i = 0; i < terms.count; ++i) data[i] = terms.x[static_cast<std::size_t>(i)].data();
  parallel_for(y.size(), elementwise_grain, [&, out = Access::data(y)](Index begin, Index end) {
    constexpr Index strip = 4096;
    for (Index i = begin; i < end; i += strip)
      combine_strip(terms.count, terms.weights.data(), data, i, std::min(strip, end - i), out + i);
  });
  return y;
}

template <class S>
class LinearCombinationNode final : public Node<S> {
 public:
  explicit LinearCombinationNode(const LinearTerms<S>& terms) : count_(terms.count), weights_(terms.weights) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(count_); ++i) {
      inputs_[i] = Access::node(terms.x[i]);
      if (inputs_[i]) this->level = std::max(this->level, inputs_[i]->level + 1);
    }
  }
  const char* name() const override { return "linear_combination"; }
  int inputs() const override { return count_; }
  Node<S>* input(int i) const override { return inputs_[static_cast<std::size_t>(i)].get(); }
  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    for (int i = 0; i < count_; ++i) {
      if (!to.wants(i)) continue;
      const S weight = weights_[static_cast<std::size_t>(i)];
      to.add(i, weight == S(1) ? cotangent : cotangent * static_cast<double>(weight));
    }
  }

 private:
  int count_;
  std::array<S, max_linear_terms> weights_;
  std::array<Ref<Node<S>>, max_linear_terms> inputs_;
};

template <class S>
Tensor<S> combine(const LinearTerms<S>& terms) {
  bool tracked = false;
  for (int i = 0; i < terms.count; ++i) {
    const Tensor<S>& x = terms.x[static_cast<std::size_t>(i)];
    tracked |= x.tracked();
    if (!(x.shape() == terms.x[0].shape()))
      fail<ShapeError>("linear_combination: term ", i, " has shape ", x.shape(),
                       ", expected the shape of the first term, ", terms.x[0].shape());
  }
  Tensor<S> y = combine_values(terms);
  if (nan_check_flag()) check_finite("linear_combination", y);
  if (!tracked || !recording_flag()) return y;
  return Access::with_node(std::move(y), Ref<Node<S>>(new LinearCombinationNode<S>(terms)));
}

}  // namespace detail

/// sum_i weights[i] x[i] in one pass, for tensors of one shape: what the steps of solvers and samplers are made of.
///
///     linear_combination({1.0, 0.01}, {x, velocity})
///
/// Differentiable to any order. Throws ShapeError for different shapes.
template <class S, std::size_t N>
Tensor<S> linear_combination(const double (&weights)[N], const Tensor<S> (&x)[N]) {
  static_assert(N <= max_linear_terms, "pushforward: linear_combination takes at most eight terms");
  detail::LinearTerms<S> terms;
  for (std::size_t i = 0; i < N; ++i) terms.add(weights[i], x[i]);
  return detail::combine(terms);
}

}  // namespace pushforward
