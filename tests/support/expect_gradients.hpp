// expect_gradients(f, inputs): one line that tests every derivative of an operation, as Stan Math's expect_ad does.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <pushforward/autodiff/gradient.hpp>

#include "support/catch.hpp"

namespace support {

using pushforward::Index;
using pushforward::Shape;
using pushforward::Tensor;

using Inputs = std::vector<Tensor<double>>;
using Function = std::function<Tensor<double>(const Inputs&)>;

struct GradientCheck {
  int order = 2;         ///< derivatives of orders 1 to this one are compared
  double step = 1e-3;    ///< of the differences: smaller than the distance to the next kink
  double within = 1e-7;  ///< of the largest derivative, or of 1
};

/// Numbers in [-1, 1) that follow no pattern: the directions along which derivatives are taken.
inline double direction(Index i, int salt) {
  return 2 * std::fmod(0.5 + 0.754877666 * static_cast<double>(i + 1) + 0.569840291 * salt, 1.0) - 1;
}

namespace detail {

/// sum_i direction_i x_i, in a graph of its own so that no operation under test takes part.
inline Tensor<double> weighted_sum(const Tensor<double>& x, int salt) {
  using pushforward::detail::edge;
  double total = 0;
  for (Index i = 0; i < x.size(); ++i) total += direction(i, salt) * x.data()[i];
  return pushforward::detail::record(
      "weighted_sum", Tensor<double>::scalar(total), edge(x, [shape = x.shape(), salt](const Tensor<double>& g) {
        // Its own adjoint is weighted_sum again, so every order follows.
        Tensor<double> y = Tensor<double>::generate(shape, [&](Index i) { return g.data()[0] * direction(i, salt); });
        return pushforward::detail::record("weights", std::move(y),
                                           edge(g, [salt](const Tensor<double>& h) { return weighted_sum(h, salt); }));
      }));
}

inline Tensor<double> add(const Tensor<double>& a, const Tensor<double>& b) {
  using pushforward::detail::edge;
  auto same = [](const Tensor<double>& g) { return g; };
  return pushforward::detail::record("add", Tensor<double>::scalar(a.item() + b.item()), edge(a, same), edge(b, same));
}

/// s_1 = <w, f(x)>, s_k = sum over inputs of <v_k, gradient of s_(k-1)>.
inline Tensor<double> contraction(const Function& f, const Inputs& x, int order) {
  if (order == 1) return weighted_sum(f(x), 1);
  const Tensor<double> lower = contraction(f, x, order - 1);
  Tensor<double> total = Tensor<double>::scalar(0);
  if (!lower.tracked()) return total;
  const Inputs slopes = pushforward::gradient(lower, x, {.create_graph = true});
  for (std::size_t i = 0; i < slopes.size(); ++i)
    total = add(total, weighted_sum(slopes[i], order + 7 * static_cast<int>(i)));
  return total;
}

inline double value_at(const Function& f, Inputs x, int order, std::size_t input, Index element, double shift) {
  x[input] = Tensor<double>::generate(x[input].shape(),
                                      [&](Index i) { return x[input].data()[i] + (i == element ? shift : 0); });
  for (auto& each : x) each = pushforward::variable(each);
  return contraction(f, x, order).item();
}

}  // namespace detail

/// Compares the derivatives of f by every element of every input with central differences of fourth order, whose error
/// is about step^4 f^(5) / 30 + 1e-16 f / step: the derivative of order k against differences of the one of order k
/// - 1.
inline void expect_gradients_of_all(const Function& f, const Inputs& inputs, GradientCheck check = {}) {
  for (int order = 1; order <= check.order; ++order) {
    Inputs x;
    for (const auto& input : inputs) x.push_back(pushforward::variable(input));
    const Tensor<double> s = detail::contraction(f, x, order);
    Inputs slopes;
    for (const auto& input : inputs) slopes.push_back(Tensor<double>::zeros(input.shape()));
    if (s.tracked()) slopes = pushforward::gradient(s, x);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      INFO("order " << order << ", input " << k << " of shape " << inputs[k].shape().str() << ": " << inputs[k].str());
      REQUIRE(slopes[k].shape() == inputs[k].shape());
      double scale = 1, worst = 0;
      Index at = 0;
      bool finite = true;
      for (Index i = 0; i < inputs[k].size(); ++i) {
        auto s_at = [&](double steps) { return detail::value_at(f, inputs, order, k, i, steps * check.step); };
        const double difference = (8 * (s_at(1) - s_at(-1)) - (s_at(2) - s_at(-2))) / (12 * check.step);
        const double error = std::abs(slopes[k].data()[i] - difference);
        finite = finite && std::isfinite(error);
        scale = std::max(scale, std::abs(difference));
        if (error > worst) worst = error, at = i;
      }
      INFO("element " << at << ", gradient " << slopes[k].str());
      CHECK(finite);
      CHECK(worst <= check.within * scale);
    }
  }
}

/// The same for functions of one and of two tensors: expect_gradients(f, x), expect_gradients(f, x, y).
template <class F>
void expect_gradients(const F& f, const Tensor<double>& x, GradientCheck check = {}) {
  expect_gradients_of_all([&](const Inputs& in) { return f(in[0]); }, Inputs{x}, check);
}
template <class F>
void expect_gradients(const F& f, const Tensor<double>& x, const Tensor<double>& y, GradientCheck check = {}) {
  expect_gradients_of_all([&](const Inputs& in) { return f(in[0], in[1]); }, Inputs{x, y}, check);
}

}  // namespace support
