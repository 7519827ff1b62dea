// What networks over pixels compute: gated activations, convolutions of single pixels, and large batches in parts.
#pragma once

#include <vector>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/ops/attention_kernels.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward::detail {

// The sums of a ShiftedConv2d for single positions: y [n, out] = x [n, k] columns [k, out] + bias.
template <class S>
struct PixelProduct {
  Tensor<S> columns, bias;

  Index inputs() const { return columns.size(0); }
  Index outputs() const { return columns.size(1); }
  double flops() const { return 2.0 * static_cast<double>(columns.size()); }
  void operator()(Index n, const S* x, S* y) const {
    multiply_in_order(n, outputs(), inputs(), x, inputs(), columns.data(), outputs(), y, outputs(), {},
                      data_or_null(bias));
  }
};

// body(i) for each image of `numbers` numbers.
template <class S, class Body>
void for_images(Index images, Index numbers, const Body& body) {
  const Index grain = std::max(Index{1}, elementwise_grain / 8 / std::max(Index{1}, numbers));
  parallel_for(images, grain, [&](Index begin, Index end) {
    vectorized_unless_double<S>([=] {
      for (Index i = begin; i < end; ++i) body(i);
    });
  });
}

// u = a number more than the sum of up to two lines.
template <bool second, class S>
PUSHFORWARD_INLINE void add_line(Index n, const S* __restrict p, const S* __restrict q, S more, S* __restrict u) {
  PUSHFORWARD_SIMD
  for (Index i = 0; i < n; ++i) u[i] = (second ? p[i] + q[i] : p[i]) + more;
}

// p + q + bias: p [n, c, h, w], q the same or empty, bias [n, c] or empty.
template <class S>
Tensor<S> pixel_sum(const Tensor<S>& p, const Tensor<S>& q, const Tensor<S>& bias) {
  if (q.empty() && bias.empty()) return p;
  const Index channels = p.size(1), area = p.size(2) * p.size(3);
  const Tensor<S> u = Access::allocate<S>(p.shape());
  for_images<S>(p.size(0), channels * area,
                [p0 = p.data(), q0 = data_or_null(q), b0 = data_or_null(bias), u0 = Access::data(u), channels,
                 area](Index image) {
                  for (Index c = image * channels; c < (image + 1) * channels; ++c) {
                    const S more = b0 ? b0[c] : S(0);
                    if (q0)
                      add_line<true>(area, p0 + c * area, q0 + c * area, more, u0 + c * area);
                    else
                      add_line<false>(area, p0 + c * area, p0, more, u0 + c * area);
                  }
                });
  const auto same = [](const Tensor<S>& g) { return g; };
  return record("pixel_sum", u, edge(p, same), edge(q, same), edge(bias, [](const Tensor<S>& g) {
                  return sum(g, {2, 3});
                }));
}

// The cotangent of u for a cotangent of tanh(first half of the channels) sigmoid(second half).
template <class S>
Tensor<S> gate_slope(const Tensor<S>& g, const Tensor<S>& u) {
  if (recording_flag()) {
    const auto [a, b] = split<2>(u, 1);
    const Tensor<S> t = tanh(a), s = sigmoid(b);
    return concat({g * s * (1 - square(t)), g * t * s * (1 - s)}, 1);
  }
  const Tensor<S> slope = Access::allocate<S>(u.shape());
  for_images<S>(
      u.size(0), u.size(0) ? g.size() / u.size(0) : 0,
      [g0 = g.data(), u0 = u.data(), to = Access::data(slope),
       half = u.size(0) ? g.size() / u.size(0) : 0](Index image) {
        const S* __restrict a = u0 + 2 * image * half, * __restrict b = a + half, * __restrict up = g0 + image * half;
        S* __restrict da = to + 2 * image * half, * __restrict db = da + half;
        PUSHFORWARD_SIMD
        for (Index i = 0; i < half; ++i) {
          const S t = math::tanh(a[i]), s = math::sigmoid(b[i]), gs = up[i] * s;
          da[i] = gs * (S(1) - t * t);
          db[i] = gs * t * (S(1) - s);
        }
      });
  return slope;
}

// tanh(first half of the channels) sigmoid(second half) of p + q + bias: p [n, 2 c, h, w], q the same or empty, bias
// [n, 2 c] or empty -> [n, c, h, w] (van den Oord et al. 2016b, equation 2). Of what it is given only the sum is kept.
template <class S>
Tensor<S> pixel_gate(const Tensor<S>& p, const Tensor<S>& q = {}, const Tensor<S>& bias = {}) {
  const Tensor<S> u = pixel_sum(p, q, bias);
  const Tensor<S> y = Access::allocate<S>(p.shape().with(1, p.size(1) / 2));
  const Index half = p.size(0) ? y.size() / p.size(0) : 0;
  for_images<S>(p.size(0), half, [u0 = u.data(), y0 = Access::data(y), half](Index image) {
    const S* __restrict a = u0 + 2 * image * half, * __restrict b = a + half;
    S* __restrict out = y0 + image * half;
    PUSHFORWARD_SIMD
    for (Index i = 0; i < half; ++i) out[i] = math::tanh(a[i]) * math::sigmoid(b[i]);
  });
  return record("pixel_gate", y, edge(u, [u](const Tensor<S>& g) { return gate_slope(g, u); }));
}

// The same for single positions: p, q and bias (or null) [n, 2 c] -> [n, c].
template <class S>
void gate_rows(Index n, Index channels, const S* p, const S* q, const S* bias, S* y) {
  vectorized_unless_double<S>([=] {
    for (Index i = 0; i < n; ++i) {
      const S* __restrict a = p + 2 * i * channels, * __restrict u = q + 2 * i * channels;
      S* __restrict out = y + i * channels;
      if (bias) {
        const S* __restrict third = bias + 2 * i * channels;
        PUSHFORWARD_SIMD
        for (Index c = 0; c < channels; ++c)
          out[c] = math::tanh(a[c] + u[c] + third[c]) *
                   math::sigmoid(a[channels + c] + u[channels + c] + third[channels + c]);
      } else {
        PUSHFORWARD_SIMD
        for (Index c = 0; c < channels; ++c)
          out[c] = math::tanh(a[c] + u[c]) * math::sigmoid(a[channels + c] + u[channels + c]);
      }
    }
  });
}

// Part of a batch with a graph of its own between the result and the parameters that it was computed from.
template <class S>
class PartNode final : public Node<S> {
 public:
  PartNode(const Tensor<S>& y, std::vector<Ref<Node<S>>> leaves) : y_(y), leaves_(std::move(leaves)) {
    for (const auto& leaf : leaves_) this->level = std::max(this->level, leaf->level + 1);
  }
  const char* name() const override { return "part"; }
  int inputs() const override { return static_cast<int>(leaves_.size()); }
  Node<S>* input(int i) const override { return leaves_[static_cast<std::size_t>(i)].get(); }

  void pull_back(const Tensor<S>& cotangent, Cotangents<S>& to) override {
    std::vector<Node<S>*> targets;
    for (const auto& leaf : leaves_) targets.push_back(leaf.get());
    std::vector<Tensor<S>> found =
        Backward<S>(y_, targets, true).run(cotangent, targets, std::vector<Shape>(targets.size()));
    for (int i = 0; i < inputs(); ++i)
      if (to.wants(i)) to.add(i, std::move(found[static_cast<std::size_t>(i)]));
  }

 private:
  Tensor<S> y_;
  std::vector<Ref<Node<S>>> leaves_;
};

// So many positions of images are computed together: a few of their feature maps stay in the cache.
inline constexpr Index positions_at_once = 8192;

// f(begin, end) [end - begin] of n images of `area` pixels, some images at a time, all the way there and all the way
// back: a graph that is walked layer by layer would fetch each map of a large batch from memory many times.
template <class S, class F>
Tensor<S> image_parts(Index n, Index area, const F& f) {
  const Index parts = std::max<Index>(1, std::min(n, divide_up(n * area, positions_at_once)));
  if (parts == 1) return f(Index{0}, n);
  std::vector<Tensor<S>> results;
  for (Index i = 0; i < parts; ++i) {
    const Tensor<S> y = f(n * i / parts, n * (i + 1) / parts);
    results.push_back(
        y.tracked() ? Access::with_node(stop_gradient(y), Ref<Node<S>>(new PartNode<S>(y, leaves_of<S>(y, nullptr))))
                    : y);
  }
  return concat(results);
}

}  // namespace pushforward::detail
