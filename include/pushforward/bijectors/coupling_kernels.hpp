// The arithmetic of couplings: which columns stay, and the rest shifted and scaled in one pass.
#pragma once

#include <pushforward/distributions/fused.hpp>
#include <pushforward/ops/math.hpp>

namespace pushforward::detail {

// `count` columns start, start + step, ... of events of `width` numbers.
struct Columns {
  Index width, start, step, count;

  template <class S>
  Tensor<S> of(const Tensor<S>& x) const {
    return take_range(x, {x.rank() - 1, start, count, step});
  }
  // Zeros with `part` in these columns.
  template <class S>
  Tensor<S> place(const Tensor<S>& part) const {
    return place_range(part, part.shape().with(-1, width), {part.rank() - 1, start, count, step});
  }
};

// Elements [row, row + rows) x [first, first + n) of some columns, from or to contiguous memory: what vector loops
// want.
struct CouplingTile {
  static constexpr Index capacity = 256;
  Index row, rows, first, n;

  Index size() const { return rows * n; }
  template <class S>
  PUSHFORWARD_INLINE void load(const S* __restrict from, Columns c, S* __restrict to) const {
    if (n == 1) {  // an inner loop of one step would cost a call of memcpy
      for (Index r = 0; r < rows; ++r) to[r] = from[(row + r) * c.width + c.start + first * c.step];
      return;
    }
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < n; ++j) to[r * n + j] = from[(row + r) * c.width + c.start + (first + j) * c.step];
  }
  template <class S>
  PUSHFORWARD_INLINE void store(const S* __restrict from, Columns c, S* __restrict to) const {
    if (n == 1) {
      for (Index r = 0; r < rows; ++r) to[(row + r) * c.width + c.start + first * c.step] = from[r];
      return;
    }
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < n; ++j) to[(row + r) * c.width + c.start + (first + j) * c.step] = from[r * n + j];
  }
};

// Calls visit(tile) over rows x columns, compiled for the best instruction set.
template <class Visit>
void for_each_tile(Index rows, Index columns, const Visit& visit) {
  const Index n = std::min(columns, CouplingTile::capacity);
  if (n == 0) return;
  const Index height = CouplingTile::capacity / n;
  parallel_for(rows, std::max(height, 8192 / n), [&](Index begin, Index end) {
    vectorized([=] {
      for (Index row = begin; row < end; row += height)
        for (Index first = 0; first < columns; first += n)
          visit(CouplingTile{row, std::min(height, end - row), first, std::min(n, columns - first)});
    });
  });
}

// What a conditioner sees is kept within these bounds, so that an outlier gives a low density instead of NaN.
inline constexpr double conditioner_bound = 1e6;

// The columns c of x, clamped: [.., c.count].
template <class S>
Tensor<S> conditioner_input(const Tensor<S>& x, const Columns& c) {
  auto value = [c](const Tensor<S>& in) {
    Tensor<S> y = Access::allocate<S>(in.shape().with(-1, c.count));
    for_each_tile(y.size() / std::max(Index{1}, c.count), c.count,
                  [=, from = in.data(), out = Access::data(y)](const CouplingTile& t) {
                    S u[CouplingTile::capacity];
                    t.load(from, c, u);
                    for (Index i = 0; i < t.size(); ++i) {
                      const S high = static_cast<S>(conditioner_bound), v = u[i] < high ? u[i] : high;
                      u[i] = v > -high ? v : -high;
                    }
                    t.store(u, {c.count, 0, 1, c.count}, out);
                  });
    return y;
  };
  auto rule = [c](const Tensor<S>& g, const Tensor<S>& y, const Tensor<S>&) {
    const S high = static_cast<S>(conditioner_bound);
    const bool inside = !any_of(y, [high](S u) { return !(u < high && u > -high); });
    return std::array<Tensor<S>, 1>{c.place(inside ? g : g * (abs(y) < high))};
  };
  auto reference = [c](const Tensor<S>& in) { return clamp(c.of(in), -conditioner_bound, conditioner_bound); };
  return fused(value, rule, reference, x);
}

// The scale of an affine coupling for raw network output r: s = bound * tanh(r / bound).
template <class S>
struct BoundedScale {
  S bound, slope;  // slope = 1 / bound
  explicit BoundedScale(double b) : bound(static_cast<S>(b)), slope(static_cast<S>(1.0 / b)) {}
};

// Forward y = b exp(s) + t, else y = (b - t) exp(-s), in the moved columns; the others are copied.
// `raw` [.., 2 m] holds r for the m moved columns, then t.
template <bool Forward, class S>
Tensor<S> affine_coupling_values(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved,
                                 BoundedScale<S> scale) {
  Tensor<S> y = Access::allocate<S>(x.shape());
  std::copy_n(x.data(), x.size(), Access::data(y));
  const Index m = moved.count;
  const Columns scales{2 * m, 0, 1, m}, shifts{2 * m, m, 1, m};
  for_each_tile(x.size() / moved.width, m,
                [=, b_in = x.data(), p = raw.data(), out = Access::data(y)](const CouplingTile& tile) {
                  S b[CouplingTile::capacity], r[CouplingTile::capacity], t[CouplingTile::capacity];
                  tile.load(b_in, moved, b);
                  tile.load(p, scales, r);
                  tile.load(p, shifts, t);
                  for (Index i = 0; i < tile.size(); ++i) {
                    const S s = scale.bound * math::tanh(r[i] * scale.slope);
                    b[i] = Forward ? b[i] * math::exp(s) + t[i] : (b[i] - t[i]) * math::exp(-s);
                  }
                  tile.store(b, moved, out);
                });
  return y;
}

// The cotangents of x and raw.
template <bool Forward, class S>
std::array<Tensor<S>, 2> affine_coupling_rule(const Tensor<S>& g, const Tensor<S>& x, const Tensor<S>& raw,
                                              const Columns& moved, BoundedScale<S> scale) {
  Tensor<S> gx = Access::allocate<S>(x.shape()), graw = Access::allocate<S>(raw.shape());
  std::copy_n(g.data(), g.size(), Access::data(gx));
  const Index m = moved.count;
  const Columns scales{2 * m, 0, 1, m}, shifts{2 * m, m, 1, m};
  for_each_tile(x.size() / moved.width, m,
                [=, g_in = g.data(), b_in = x.data(), p = raw.data(), to_x = Access::data(gx),
                 to_raw = Access::data(graw)](const CouplingTile& tile) {
                  S d[CouplingTile::capacity], b[CouplingTile::capacity], r[CouplingTile::capacity],
                      t[CouplingTile::capacity];
                  tile.load(g_in, moved, d);
                  tile.load(b_in, moved, b);
                  tile.load(p, scales, r);
                  tile.load(p, shifts, t);
                  for (Index i = 0; i < tile.size(); ++i) {
                    const S tanh_r = math::tanh(r[i] * scale.slope), s = scale.bound * tanh_r;
                    const S factor = math::exp(Forward ? s : -s), through = d[i] * factor;
                    const S scaled = Forward ? b[i] : t[i] - b[i];  // dy/ds = scaled * factor
                    r[i] = through * scaled * (S(1) - tanh_r * tanh_r);
                    t[i] = Forward ? d[i] : -through;
                    d[i] = through;
                  }
                  tile.store(d, moved, to_x);
                  tile.store(r, scales, to_raw);
                  tile.store(t, shifts, to_raw);
                });
  return {gx, graw};
}

// The same as affine_coupling_values in differentiable operations.
template <bool Forward, class S>
Tensor<S> affine_coupling_reference(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved,
                                    BoundedScale<S> scale) {
  const auto [r, t] = split<2>(raw);
  const Tensor<S> b = moved.of(x);
  const Tensor<S> factor = exp(tanh(r * scale.slope) * (Forward ? scale.bound : -scale.bound));
  return x + moved.place((Forward ? b * factor + t : (b - t) * factor) - b);
}

template <bool Forward, class S>
Tensor<S> affine_coupling(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved, BoundedScale<S> scale) {
  auto value = [=](const Tensor<S>& in, const Tensor<S>& p) {
    return affine_coupling_values<Forward>(in, p, moved, scale);
  };
  auto rule = [=](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& in, const Tensor<S>& p) {
    return affine_coupling_rule<Forward>(g, in, p, moved, scale);
  };
  auto reference = [=](const Tensor<S>& in, const Tensor<S>& p) {
    return affine_coupling_reference<Forward>(in, p, moved, scale);
  };
  return fused(value, rule, reference, x, raw);
}

// sign * sum of s over the moved columns: [..].
template <class S>
Tensor<S> coupling_log_det(const Tensor<S>& raw, Index m, BoundedScale<S> scale, S sign) {
  const Columns scales{2 * m, 0, 1, m};
  const Index rows = raw.size() / std::max(Index{1}, 2 * m);
  auto value = [=](const Tensor<S>& p) {
    Tensor<S> s = Access::allocate<S>(p.shape().with(-1, m));
    for_each_tile(rows, m, [=, in = p.data(), out = Access::data(s)](const CouplingTile& tile) {
      S r[CouplingTile::capacity];
      tile.load(in, scales, r);
      for (Index i = 0; i < tile.size(); ++i) r[i] = sign * scale.bound * math::tanh(r[i] * scale.slope);
      tile.store(r, {m, 0, 1, m}, out);
    });
    return m == 1 ? Access::view(s, p.shape().without(-1)) : sum(s, -1);
  };
  auto rule = [=](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& p) {
    const Tensor<S> gp = Tensor<S>::zeros(p.shape());
    for_each_tile(rows, m, [=, in = p.data(), from = g.data(), out = Access::data(gp)](const CouplingTile& tile) {
      S r[CouplingTile::capacity];
      tile.load(in, scales, r);
      for (Index i = 0; i < tile.size(); ++i) {
        const S tanh_r = math::tanh(r[i] * scale.slope);
        r[i] = sign * (S(1) - tanh_r * tanh_r);
      }
      const S* const row = from + tile.row;
      if (tile.n == 1)
        for (Index i = 0; i < tile.rows; ++i) r[i] *= row[i];
      else
        for (Index i = 0; i < tile.rows; ++i)
          for (Index j = 0; j < tile.n; ++j) r[i * tile.n + j] *= row[i];
      tile.store(r, scales, out);
    });
    return std::array<Tensor<S>, 1>{gp};
  };
  auto reference = [=](const Tensor<S>& p) {
    return sum(tanh(slice(p, -1, 0, m) * scale.slope), -1) * (scale.bound * sign);
  };
  return fused(value, rule, reference, raw);
}

}  // namespace pushforward::detail
