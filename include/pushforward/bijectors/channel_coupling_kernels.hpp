// The arithmetic of couplings of channels: halves of images read in place, scale, shift and log-determinant in one
// pass.
#pragma once

#include <pushforward/bijectors/coupling.hpp>

namespace pushforward {

/// What a ChannelCoupling multiplies by on the way from data to noise, where its network says r.
enum class ChannelScale {
  none,         ///< 1: an additive coupling, whose network gives shifts only
  sigmoid,      ///< s = sigmoid(r + 2) (Kingma and Dhariwal 2018, in their code), r + 2 not below -20
  exponential,  ///< s = exp(bound tanh(r / bound)) with bound = max_log_scale (Dinh et al. 2017)
};

}  // namespace pushforward

namespace pushforward::detail {

// s, log s and the derivative of log s by r.
template <class S>
struct ScaleParts {
  S scale, log_scale, slope;
};

template <ChannelScale Kind, class S>
struct ScaleOf;

template <class S>
struct ScaleOf<ChannelScale::sigmoid, S> {
  static constexpr double shift = 2, least = -20;  // sampling divides by no less than 2e-9
  explicit ScaleOf(double) {}

  PUSHFORWARD_INLINE ScaleParts<S> operator()(S r) const {
    const S given = r + static_cast<S>(shift);
    const bool below = given < static_cast<S>(least);
    const S v = math::select(below, static_cast<S>(least), given), e = math::exp(-math::abs(v));
    const bool upper = v >= S(0);
    const S near = S(1) / (S(1) + e), far = e * near;
    return {math::select(upper, near, far), math::select(upper, S(0), v) - math::log1p(e),
            math::select(below, S(0), math::select(upper, far, near))};
  }
  Tensor<S> log_scale(const Tensor<S>& r) const { return -softplus(-maximum(r + shift, least)); }
};

template <class S>
struct ScaleOf<ChannelScale::exponential, S> {
  S bound, by;
  explicit ScaleOf(double most) : bound(static_cast<S>(most)), by(static_cast<S>(1 / most)) {}

  PUSHFORWARD_INLINE ScaleParts<S> operator()(S r) const {
    const S t = math::tanh(r * by), log_scale = bound * t;
    return {math::exp(log_scale), log_scale, S(1) - t * t};
  }
  Tensor<S> log_scale(const Tensor<S>& r) const { return tanh(r * by) * bound; }
};

// Which channels of images [images, channels, area] move, and where the network's answer [images, 2 moved, area]
// (scales before shifts) has its numbers for them.
struct MovedChannels {
  Index images, area;
  Columns moved;

  MovedChannels(const Shape& x, const Columns& columns) : images(x[0]), area(x[2] * x[3]), moved(columns) {}

  static constexpr Index capacity = 1024;
  // Calls visit(image, x, r, t, n) for stretches of up to `capacity` numbers: their places in the images, among the
  // scales, and among the shifts. Stretches of an image come in order, on one thread.
  template <class Visit>
  void for_each(const Visit& visit) const {
    const bool adjacent = moved.step == 1;
    const Index runs = adjacent ? 1 : moved.count, length = adjacent ? moved.count * area : area;
    const Index half = moved.count * area, grain = std::max<Index>(1, 8192 / std::max<Index>(1, half));
    parallel_for(images, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        for (Index run = 0; run < runs; ++run)
          for (Index at = 0; at < length; at += capacity) {
            const Index x = (i * moved.width + moved.start + run * moved.step) * area + at;
            const Index r = 2 * i * half + run * length + at;
            visit(i, x, r, r + half, std::min(capacity, length - at));
          }
    });
  }
};

// Data to noise (Inverse): x = (y + t) s, else y = x / s - t, in the moved channels; the others are copied. `log_dets`
// [n] gets the sums of log s, negative towards the data.
template <bool Inverse, ChannelScale Kind, class S>
Tensor<S> channel_coupling_values(const Tensor<S>& x, const Tensor<S>& raw, const MovedChannels& m,
                                  ScaleOf<Kind, S> scale, S* log_dets) {
  Tensor<S> y = Access::allocate<S>(x.shape());
  std::copy_n(x.data(), x.size(), Access::data(y));
  std::fill_n(log_dets, m.images, S(0));
  m.for_each([=, from = x.data(), p = raw.data(), out = Access::data(y)](Index i, Index at, Index r, Index t, Index n) {
    vectorized_unless_double<S>([=] {
      S log_scales[MovedChannels::capacity];
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) {
        const ScaleParts<S> s = scale(p[r + k]);
        log_scales[k] = Inverse ? s.log_scale : -s.log_scale;
        out[at + k] = Inverse ? (from[at + k] + p[t + k]) * s.scale : from[at + k] / s.scale - p[t + k];
      }
      log_dets[i] += reduce_run<Plus>(log_scales, n);
    });
  });
  return y;
}

// The cotangents of x and raw, from the one of the values.
template <bool Inverse, ChannelScale Kind, class S>
std::array<Tensor<S>, 2> channel_coupling_rule(const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& x,
                                               const Tensor<S>& raw, const MovedChannels& m, ScaleOf<Kind, S> scale) {
  Tensor<S> gx = Access::allocate<S>(x.shape()), graw = Access::allocate<S>(raw.shape());
  std::copy_n(g.data(), g.size(), Access::data(gx));
  m.for_each([=, d = g.data(), to_x = Access::data(gx), to_raw = Access::data(graw), p = raw.data(), in = x.data(),
              out = y.data()](Index, Index at, Index r, Index t, Index n) {
    vectorized_unless_double<S>([=] {
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) {
        const ScaleParts<S> s = scale(p[r + k]);
        const S through = Inverse ? d[at + k] * s.scale : d[at + k] / s.scale;
        to_x[at + k] = through;
        to_raw[t + k] = Inverse ? through : -d[at + k];
        to_raw[r + k] = s.slope * (Inverse ? d[at + k] * out[at + k] : -through * in[at + k]);
      }
    });
  });
  return {gx, graw};
}

// The same as channel_coupling_values in differentiable operations.
template <bool Inverse, ChannelScale Kind, class S>
Tensor<S> channel_coupling_reference(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved,
                                     ScaleOf<Kind, S> scale) {
  const AxisRange range{1, moved.start, moved.count, moved.step};
  const auto [r, t] = split<2>(raw, 1);
  const Tensor<S> part = take_range(x, range), log_scale = scale.log_scale(r);
  const Tensor<S> result = Inverse ? (part + t) * exp(log_scale) : part * exp(-log_scale) - t;
  return x + place_range(result - part, x.shape(), range);
}

// The cotangent of raw from the one of the log-determinants, g [n].
template <bool Inverse, ChannelScale Kind, class S>
Tensor<S> channel_log_det_rule(const Tensor<S>& g, const Tensor<S>& raw, const MovedChannels& m,
                               ScaleOf<Kind, S> scale) {
  Tensor<S> graw = Access::allocate<S>(raw.shape());
  m.for_each([=, d = g.data(), p = raw.data(), to = Access::data(graw)](Index i, Index, Index r, Index t, Index n) {
    std::fill_n(to + t, n, S(0));
    vectorized_unless_double<S>([=, weight = Inverse ? d[i] : -d[i]] {
      PUSHFORWARD_SIMD
      for (Index k = 0; k < n; ++k) to[r + k] = weight * scale(p[r + k]).slope;
    });
  });
  return graw;
}

template <bool Inverse, ChannelScale Kind, class S>
WithLogDet<S> channel_coupling(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved, ScaleOf<Kind, S> scale) {
  const MovedChannels m(x.shape(), moved);
  Tensor<S> log_dets = Access::allocate<S>({m.images});
  const Tensor<S> values = channel_coupling_values<Inverse>(x, raw, m, scale, Access::data(log_dets));
  auto rule = [=](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>& in, const Tensor<S>& p) {
    return channel_coupling_rule<Inverse>(g, y, in, p, m, scale);
  };
  auto reference = [=](const Tensor<S>& in, const Tensor<S>& p) {
    return channel_coupling_reference<Inverse>(in, p, moved, scale);
  };
  auto log_det_rule = [=](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& p) {
    return std::array<Tensor<S>, 1>{channel_log_det_rule<Inverse>(g, p, m, scale)};
  };
  auto log_det_reference = [=](const Tensor<S>& p) {
    const Tensor<S> total = sum(scale.log_scale(slice(p, 1, 0, moved.count)), {1, 2, 3});
    return Inverse ? total : -total;
  };
  // Both are computed in one pass; each is an operation of its own for the graph.
  return {fused([&](const Tensor<S>&, const Tensor<S>&) { return values; }, rule, reference, x, raw),
          fused([&](const Tensor<S>&) { return log_dets; }, log_det_rule, log_det_reference, raw)};
}

// Channels of images [n, c, h, w] that a network sees, clamped.
template <class S>
Tensor<S> channel_conditioner_input(const Tensor<S>& x, const Columns& kept) {
  const Index n = x.size(0), h = x.size(2), w = x.size(3), area = h * w;
  if (kept.step != 1)
    return clamp(take_range(x, {1, kept.start, kept.count, kept.step}), -conditioner_bound, conditioner_bound);
  const Tensor<S> rows = reshape(x, Shape{n, kept.width * area});
  return reshape(conditioner_input(rows, {kept.width * area, kept.start * area, 1, kept.count * area}),
                 Shape{n, kept.count, h, w});
}

}  // namespace pushforward::detail
