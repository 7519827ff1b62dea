// The arithmetic of autoregressive bijectors: all numbers shifted and scaled, and their log-determinants, in one pass.
#pragma once

#include <pushforward/bijectors/coupling_kernels.hpp>

namespace pushforward::detail {

// x within the bounds of what a network sees.
template <class S>
Tensor<S> network_input(const Tensor<S>& x) {
  constexpr S high = static_cast<S>(conditioner_bound);
  auto value = [](const Tensor<S>& in) {
    Tensor<S> y = Access::allocate<S>(in.shape());
    auto bounded = [](S u) {
      const S v = u < high ? u : high;
      return v > -high ? v : -high;
    };
    map_parallel(bounded, in.size(), Access::data(y), in.data());
    return y;
  };
  auto rule = [](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>&) {
    const bool inside = !any_of(y, [](S u) { return !(u < high && u > -high); });
    return std::array<Tensor<S>, 1>{inside ? g : g * (abs(y) < high)};
  };
  auto reference = [](const Tensor<S>& in) { return clamp(in, -conditioner_bound, conditioner_bound); };
  return fused(value, rule, reference, x);
}

// What the inverse of an autoregressive map gives, and what its gradients need again.
template <class S>
struct AutoregressiveInverse {
  Tensor<S> value, log_det;  // [.., d] and [..]
  Tensor<S> kept;            // [.., 2 d]: exp(-s), then ds/dr; empty if nothing is recorded
};

// value = (y - t) exp(-s) and log_det = -sum of s, for raw [.., 2 d]: r of all numbers, then t.
template <class S>
AutoregressiveInverse<S> autoregressive_inverse(const Tensor<S>& y, const Tensor<S>& raw, BoundedScale<S> scale) {
  const Index d = y.size(-1);
  AutoregressiveInverse<S> result{Access::allocate<S>(y.shape()), Access::allocate<S>(y.shape().without(-1)), {}};
  if (is_recorded(y) || is_recorded(raw)) result.kept = Access::allocate<S>(raw.shape());
  const Columns whole{d, 0, 1, d}, first{2 * d, 0, 1, d}, second{2 * d, d, 1, d};
  for_each_tile(d ? y.size() / d : 0, d,
                [=, in = y.data(), p = raw.data(), out = Access::data(result.value),
                 total = Access::data(result.log_det), kept = Access::data(result.kept)](const CouplingTile& tile) {
                  S b[CouplingTile::capacity], r[CouplingTile::capacity], t[CouplingTile::capacity],
                      factor[CouplingTile::capacity];
                  tile.load(in, whole, b);
                  tile.load(p, first, r);
                  tile.load(p, second, t);
                  for (Index i = 0; i < tile.size(); ++i) {
                    const S tanh_r = math::tanh(r[i] * scale.slope);
                    r[i] = -scale.bound * tanh_r;
                    factor[i] = math::exp(r[i]);
                    b[i] = (b[i] - t[i]) * factor[i];
                    t[i] = S(1) - tanh_r * tanh_r;
                  }
                  tile.store(b, whole, out);
                  if (kept) {
                    tile.store(factor, first, kept);
                    tile.store(t, second, kept);
                  }
                  for (Index row = 0; row < tile.rows; ++row) {
                    const S* const line = r + row * tile.n;
                    const S part = tile.n < 32 ? reduce_short<Plus>(line, tile.n) : reduce_run<Plus>(line, tile.n);
                    S& sum = total[tile.row + row];
                    sum = tile.first == 0 ? part : sum + part;
                  }
                });
  return result;
}

// The cotangents of y and raw for the cotangent g of the value.
template <class S>
std::array<Tensor<S>, 2> autoregressive_value_rule(const Tensor<S>& g, const Tensor<S>& value, const Tensor<S>& kept) {
  const Index d = g.size(-1);
  Tensor<S> gy = Access::allocate<S>(g.shape()), graw = Access::allocate<S>(kept.shape());
  const Columns whole{d, 0, 1, d}, first{2 * d, 0, 1, d}, second{2 * d, d, 1, d};
  for_each_tile(g.size() / d, d,
                [=, g_in = g.data(), z_in = value.data(), k = kept.data(), to_y = Access::data(gy),
                 to_raw = Access::data(graw)](const CouplingTile& tile) {
                  S c[CouplingTile::capacity], z[CouplingTile::capacity], factor[CouplingTile::capacity],
                      slope[CouplingTile::capacity];
                  tile.load(g_in, whole, c);
                  tile.load(z_in, whole, z);
                  tile.load(k, first, factor);
                  tile.load(k, second, slope);
                  for (Index i = 0; i < tile.size(); ++i) {
                    z[i] *= -c[i] * slope[i];  // dz/ds = -z
                    c[i] *= factor[i];
                    factor[i] = -c[i];
                  }
                  tile.store(c, whole, to_y);
                  tile.store(z, first, to_raw);
                  tile.store(factor, second, to_raw);
                });
  return {gy, graw};
}

// The cotangent of raw for the cotangent g of the log-determinant: -g ds/dr, and zero for the shifts.
template <class S>
Tensor<S> autoregressive_log_det_rule(const Tensor<S>& g, const Tensor<S>& kept) {
  const Index width = kept.size(-1), d = width / 2;
  Tensor<S> graw = Access::allocate<S>(kept.shape());
  parallel_for(g.size(), std::max(Index{1}, 16384 / width), [&](Index begin, Index end) {
    vectorized_unless_double<S>([=, from = g.data(), k = kept.data(), to = Access::data(graw)] {
      for (Index row = begin; row < end; ++row) {
        const S c = -from[row];
        const S* const __restrict slope = k + row * width + d;
        S* const __restrict out = to + row * width;
        for (Index i = 0; i < d; ++i) out[i] = c * slope[i];
        for (Index i = d; i < width; ++i) out[i] = S(0);
      }
    });
  });
  return graw;
}

// The inverse joined to the graph.
template <class S>
AutoregressiveInverse<S> recorded_autoregressive_inverse(const Tensor<S>& y, const Tensor<S>& raw,
                                                         BoundedScale<S> scale) {
  const Index d = y.size(-1);
  AutoregressiveInverse<S> x = autoregressive_inverse(y, raw, scale);
  if (!is_recorded(y) && !is_recorded(raw)) return x;
  auto value_rule = [kept = x.kept](const Tensor<S>& g, const Tensor<S>& z, const Tensor<S>&, const Tensor<S>&) {
    return autoregressive_value_rule(g, z, kept);
  };
  auto value_reference = [scale](const Tensor<S>& at, const Tensor<S>& p) {
    const auto [r, t] = split<2>(p);
    return (at - t) * exp(tanh(r * scale.slope) * -scale.bound);
  };
  auto log_det_rule = [kept = x.kept](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>&) {
    return std::array<Tensor<S>, 1>{autoregressive_log_det_rule(g, kept)};
  };
  auto log_det_reference = [scale, d](const Tensor<S>& p) {
    return sum(tanh(slice(p, -1, 0, d) * scale.slope), -1) * -scale.bound;
  };
  const Tensor<S> value = x.value, log_det = x.log_det;
  x.value = fused([&](const Tensor<S>&, const Tensor<S>&) { return value; }, value_rule, value_reference, y, raw);
  x.log_det = fused([&](const Tensor<S>&) { return log_det; }, log_det_rule, log_det_reference, raw);
  return x;
}

}  // namespace pushforward::detail
