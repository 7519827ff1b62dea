// The arithmetic of monotone rational-quadratic splines: knots, bins and slopes of 64 numbers at a time.
#pragma once

#include <pushforward/bijectors/coupling_kernels.hpp>
#include <pushforward/ops/indexing.hpp>

namespace pushforward::detail {

// A spline of `bins` bins on [-bound, bound]^2, from 3 bins - 1 raw numbers r:
//     width_k = least_size + free_size softmax(r[0 .. bins))_k, height_k likewise from r[bins .. 2 bins),
//     slope_k = least_slope + softplus(r[2 bins + k - 1] + slope_offset) at inner knot k, 1 at both ends.
// The offset makes it the identity for r = 0.
template <class S>
struct SplineForm {
  Index bins;
  S bound, least_size, free_size, least_slope, slope_offset;

  SplineForm(Index count, double reach, double min_size, double min_slope)
      : bins(count),
        bound(static_cast<S>(reach)),
        least_size(static_cast<S>(2 * reach * min_size)),
        free_size(static_cast<S>(2 * reach * (1 - static_cast<double>(count) * min_size))),
        least_slope(static_cast<S>(min_slope)),
        slope_offset(static_cast<S>(std::log(std::expm1(1 - min_slope)))) {}
  Index numbers() const { return 3 * bins - 1; }
};

// Raw slopes beyond this are cut off, so that no finite number overflows to NaN.
inline constexpr double most_raw_slope = 1e6;
inline constexpr Index most_spline_bins = 64;

// The map of one bin onto the unit square, (u, 1 - u) -> n / (n + m), with end slopes a and b (Gregory and Delbourgo
// 1982; Durkan et al. 2019, eq. 4 and 5, divided by the mean slope). Sums of positive terms only: nothing cancels.
template <class S>
struct UnitBin {
  S a, b, u, v, n, m, q, e;

  PUSHFORWARD_INLINE UnitBin(S left, S right, S position, S rest) : a(left), b(right), u(position), v(rest) {
    const S uv = u * v;
    n = u * u + a * uv;
    m = v * v + b * uv;
    q = n + m;
    e = a * v * v + S(2) * uv + b * u * u;
  }
  PUSHFORWARD_INLINE S value() const { return n / q; }
  PUSHFORWARD_INLINE S slope() const { return e / (q * q); }
  // d log slope() / d u, d a, d b.
  PUSHFORWARD_INLINE S log_slope_u() const {
    return S(2) * ((b - S(1)) * u - (a - S(1)) * v) / e - S(2) * (v - u) * (a + b - S(2)) / q;
  }
  PUSHFORWARD_INLINE S log_slope_a() const { return v * v / e - S(2) * u * v / q; }
  PUSHFORWARD_INLINE S log_slope_b() const { return u * u / e - S(2) * u * v / q; }

  // The u that is mapped to `value`, by the quadratic formula with its discriminant as a sum of squares.
  PUSHFORWARD_INLINE static UnitBin at_value(S left, S right, S value) {
    const S rest = S(1) - value, product = S(4) * value * rest, p = left * rest - right * value;
    const S size = math::abs(p), root = math::sqrt(p * p + product);
    const S t = math::select(p > S(0), size + root, product / math::select(p > S(0), S(1), size + root));
    const S total = S(1) / (S(2) * value + t);
    return {left, right, S(2) * value * total, t * total};
  }
};

// 64 numbers with their raw spline numbers, transposed so that every loop over numbers is a vector loop.
template <class S>
class SplineTile {
 public:
  static constexpr Index lanes = 64;

  PUSHFORWARD_INLINE SplineTile(const SplineForm<S>& form, Index n) : form_(form), n_(n) {}

  // Element i of the tile stands at x[i]; its raw numbers follow each other.
  PUSHFORWARD_INLINE void load(const S* raw) {
    const Index count = form_.numbers();
    for (Index q = 0; q < count; ++q) {
      for (Index i = 0; i < n_; ++i) row_[q][i] = raw[i * count + q];
      for (Index i = n_; i < lanes; ++i) row_[q][i] = S(0);
    }
    for (Index i = n_; i < lanes; ++i) x[i] = S(0);
    softmax(0);
    softmax(form_.bins);
  }

  // Finds the bin of each x, which is an argument of the spline (Forward) or a value of it.
  template <bool Forward>
  PUSHFORWARD_INLINE void find() {
    const Index bins = form_.bins;
    const S bound = form_.bound, least = form_.least_size, free = form_.free_size;
    S below_x[lanes], below_y[lanes];
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) {
      below_x[i] = below_y[i] = bin[i] = left_raw[i] = S(0);
      left[i] = low[i] = -bound;
      width[i] = row_[0][i];
      height[i] = row_[bins][i];
      right_raw[i] = row_[2 * bins][i];
      const S high = math::select(x[i] < bound, x[i], bound);
      at_[i] = math::select(high > -bound, high, -bound);
    }
    const S none[lanes] = {};
    for (Index k = 1; k < bins; ++k) {
      const S *before_x = row_[k - 1], *before_y = row_[bins + k - 1], *next_x = row_[k], *next_y = row_[bins + k];
      const S *slope = row_[2 * bins + k - 1], *next_slope = k + 1 < bins ? row_[2 * bins + k] : none;
      const S start = static_cast<S>(k) * least - bound, count = static_cast<S>(k);
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i) {
        below_x[i] += before_x[i];
        below_y[i] += before_y[i];
        const S knot_x = start + free * below_x[i], knot_y = start + free * below_y[i];
        const bool past = at_[i] >= (Forward ? knot_x : knot_y);
        bin[i] = math::select(past, count, bin[i]);
        left[i] = math::select(past, knot_x, left[i]);
        low[i] = math::select(past, knot_y, low[i]);
        width[i] = math::select(past, next_x[i], width[i]);
        height[i] = math::select(past, next_y[i], height[i]);
        left_raw[i] = math::select(past, slope[i], left_raw[i]);
        right_raw[i] = math::select(past, next_slope[i], right_raw[i]);
      }
    }
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) {
      width[i] = least + free * width[i];
      height[i] = least + free * height[i];
    }
  }

  // The place of number i in its bin.
  template <bool Forward>
  PUSHFORWARD_INLINE UnitBin<S> place(Index i) const {
    const S per_slope = width[i] / height[i], a = slope(left_raw[i]) * per_slope, b = slope(right_raw[i]) * per_slope;
    const S offset = (at_[i] - (Forward ? left[i] : low[i])) / (Forward ? width[i] : height[i]);
    const S position = math::select(offset < S(1), offset, S(1));
    if constexpr (Forward)
      return {a, b, position, S(1) - position};
    else
      return UnitBin<S>::at_value(a, b, position);
  }
  PUSHFORWARD_INLINE bool inside(Index i) const { return (x[i] >= -form_.bound) & (x[i] <= form_.bound); }

  // x becomes the spline's value there, or that of its inverse, and `log_slope` the logarithm of its slope.
  template <bool Forward>
  PUSHFORWARD_INLINE void evaluate(S* log_slope) {
    find<Forward>();
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) {
      const UnitBin<S> unit = place<Forward>(i);
      const S y = Forward ? low[i] + height[i] * unit.value() : left[i] + width[i] * unit.u;
      const S log_rise = math::log(height[i] / width[i] * unit.slope());
      log_slope[i] = math::select(inside(i), Forward ? log_rise : -log_rise, S(0));
      x[i] = math::select(inside(i), y, x[i]);
    }
  }

  // From the cotangents of the value and of its log-slope those of x, which replaces x, and of the raw numbers.
  template <bool Forward>
  PUSHFORWARD_INLINE void pull_back(const S* g_value, const S* g_log_slope, S* g_raw) {
    find<Forward>();
    S g_left[lanes], g_width[lanes], g_low[lanes], g_height[lanes], g_a[lanes], g_b[lanes];
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) {
      const UnitBin<S> unit = place<Forward>(i);
      const S s = height[i] / width[i], rise = s * unit.slope();
      const S gv = math::select(inside(i), g_value[i], S(0)), gl = math::select(inside(i), g_log_slope[i], S(0));
      // The inverse x of y has dx = (dy - df) / f' and the log-slope -log f'(x): what reaches x goes on to f.
      const S curve = unit.log_slope_u() / width[i];
      const S back = Forward ? gv : (gv - gl * curve) / rise;
      const S gy = Forward ? gv : -back, gs = Forward ? gl : -gl;
      const S g_at = Forward ? gv * rise + gl * curve : -gv;  // of x at fixed bin, forwards
      const S rising = gy * height[i] * unit.u * unit.v / (unit.q * unit.q);
      const S ga = rising * unit.m + gs * unit.log_slope_a(), gb = gs * unit.log_slope_b() - rising * unit.n;
      const S g_scale = gs - ga * unit.a - gb * unit.b;  // s times the cotangent of s
      g_left[i] = -g_at;
      g_width[i] = -g_at * unit.u - g_scale / width[i];
      g_low[i] = gy;
      g_height[i] = gy * unit.value() + g_scale / height[i];
      g_a[i] = ga / s * slope_rate(left_raw[i]);
      g_b[i] = gb / s * slope_rate(right_raw[i]);
      x[i] = math::select(inside(i), Forward ? g_at : back, g_value[i]);
    }
    pull_back_softmax(0, left, g_left, g_width);
    pull_back_softmax(form_.bins, low, g_low, g_height);
    pull_back_slopes(g_a, g_b);
    const Index count = form_.numbers();
    for (Index i = 0; i < n_; ++i)
      for (Index q = 0; q < count; ++q) g_raw[i * count + q] = row_[q][i];
  }

  S x[lanes];

 private:
  // Rows start .. start + bins become their softmax.
  PUSHFORWARD_INLINE void softmax(Index start) {
    S top[lanes], total[lanes];
    for (Index i = 0; i < lanes; ++i) top[i] = row_[start][i], total[i] = S(0);
    for (Index k = 1; k < form_.bins; ++k) {
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i) top[i] = math::select(row_[start + k][i] > top[i], row_[start + k][i], top[i]);
    }
    for (Index k = 0; k < form_.bins; ++k) {
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i) {
        row_[start + k][i] = math::exp(row_[start + k][i] - top[i]);
        total[i] += row_[start + k][i];
      }
    }
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) total[i] = S(1) / total[i];
    for (Index k = 0; k < form_.bins; ++k) {
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i) row_[start + k][i] *= total[i];
    }
  }
  // Rows start .. start + bins, a softmax, become the cotangents of what it was taken of: sizes of bins before `bin`
  // move its `start_of_bin`, with cotangent g_start, and its own size has the cotangent g_size.
  PUSHFORWARD_INLINE void pull_back_softmax(Index start, const S* start_of_bin, const S* g_start, const S* g_size) {
    const S bound = form_.bound, least = form_.least_size, free = form_.free_size;
    S mean[lanes];
    PUSHFORWARD_SIMD
    for (Index i = 0; i < lanes; ++i) {
      const S size = (start == 0 ? width[i] : height[i]) - least;
      mean[i] = (start_of_bin[i] + bound - bin[i] * least) * g_start[i] + size * g_size[i];
      mean[i] /= free;
    }
    for (Index k = 0; k < form_.bins; ++k) {
      const S count = static_cast<S>(k);
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i) {
        const S g = math::select(count < bin[i], g_start[i], math::select(count == bin[i], g_size[i], S(0)));
        row_[start + k][i] *= free * (g - mean[i]);
      }
    }
  }
  PUSHFORWARD_INLINE void pull_back_slopes(const S* g_left, const S* g_right) {
    for (Index k = 1; k < form_.bins; ++k) {
      const S count = static_cast<S>(k);
      PUSHFORWARD_SIMD
      for (Index i = 0; i < lanes; ++i)
        row_[2 * form_.bins + k - 1][i] =
            math::select(count == bin[i], g_left[i], math::select(count == bin[i] + S(1), g_right[i], S(0)));
    }
  }
  PUSHFORWARD_INLINE S slope(S raw) const {
    const S most = static_cast<S>(most_raw_slope);
    return form_.least_slope + math::softplus(math::select(raw < most, raw, most) + form_.slope_offset);
  }
  PUSHFORWARD_INLINE S slope_rate(S raw) const {
    return math::select(raw < static_cast<S>(most_raw_slope), math::sigmoid(raw + form_.slope_offset), S(0));
  }

  SplineForm<S> form_;
  Index n_;
  S at_[lanes];                                                        // x within the bounds
  S bin[lanes], left[lanes], width[lanes], low[lanes], height[lanes];  // which bin, and where: [left, left + width]
  S left_raw[lanes], right_raw[lanes];                                 // the raw slopes at its ends
  S row_[3 * most_spline_bins][lanes];
};

// Calls visit(first, n) for runs of at most 64 of `count` moved numbers, compiled for the best instruction set.
template <class S, class Visit>
void for_each_spline_tile(Index count, const Visit& visit) {
  constexpr Index lanes = SplineTile<S>::lanes;
  parallel_for(count, 8 * lanes, [&](Index begin, Index end) {
    vectorized_unless_double<S>([=] {
      for (Index first = begin; first < end; first += lanes) visit(first, std::min(lanes, end - first));
    });
  });
}

// The positions of moved numbers first .. first + n in rows of `pitch` numbers: visit(i, position, row).
template <class Visit>
PUSHFORWARD_INLINE void for_each_moved(const Columns& moved, Index pitch, Index first, Index n, const Visit& visit) {
  Index row = first / moved.count, column = first % moved.count;
  for (Index i = 0; i < n; ++i) {
    visit(i, row * pitch + moved.start + column * moved.step, row);
    if (++column == moved.count) ++row, column = 0;
  }
}

// Events [.., d] with the moved columns mapped by their splines, and behind them the sum of the log-slopes:
// [.., d + 1]. `raw` is [.., m (3 bins - 1)] for the m moved columns.
template <bool Forward, class S>
Tensor<S> spline_values(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved, const SplineForm<S>& form) {
  const Index d = moved.width, m = moved.count, rows = d ? x.size() / d : 0;
  Tensor<S> packed = Access::allocate<S>(x.shape().with(-1, d + 1)), slopes = Access::allocate<S>({rows, m});
  S *out = Access::data(packed), *log_slopes = Access::data(slopes);
  for (Index r = 0; r < rows; ++r) std::copy_n(x.data() + r * d, d, out + r * (d + 1));
  for_each_spline_tile<S>(rows * m, [=, p = raw.data()](Index first, Index n) {
    SplineTile<S> tile(form, n);
    for_each_moved(moved, d + 1, first, n, [&](Index i, Index at, Index) { tile.x[i] = out[at]; });
    tile.load(p + first * form.numbers());
    S log_slope[SplineTile<S>::lanes];
    tile.template evaluate<Forward>(log_slope);
    for_each_moved(moved, d + 1, first, n, [&](Index i, Index at, Index) { out[at] = tile.x[i]; });
    std::copy_n(log_slope, n, log_slopes + first);
  });
  for (Index r = 0; r < rows; ++r) {
    S total = S(0);
    for (Index j = 0; j < m; ++j) total += log_slopes[r * m + j];
    out[r * (d + 1) + d] = total;
  }
  return packed;
}

// The cotangents of x and raw.
template <bool Forward, class S>
std::array<Tensor<S>, 2> spline_rule(const Tensor<S>& g, const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved,
                                     const SplineForm<S>& form) {
  constexpr Index lanes = SplineTile<S>::lanes;
  const Index d = moved.width, rows = d ? x.size() / d : 0;
  Tensor<S> gx = Access::allocate<S>(x.shape()), graw = Access::allocate<S>(raw.shape());
  for (Index r = 0; r < rows; ++r) std::copy_n(g.data() + r * (d + 1), d, Access::data(gx) + r * d);
  for_each_spline_tile<S>(rows * moved.count,
                          [=, in = x.data(), p = raw.data(), from = g.data(), to_x = Access::data(gx),
                           to_raw = Access::data(graw)](Index first, Index n) {
                            SplineTile<S> tile(form, n);
                            S g_value[lanes] = {}, g_log_slope[lanes] = {};
                            for_each_moved(moved, d, first, n, [&](Index i, Index at, Index row) {
                              tile.x[i] = in[at];
                              g_value[i] = to_x[at];
                              g_log_slope[i] = from[row * (d + 1) + d];
                            });
                            tile.load(p + first * form.numbers());
                            tile.template pull_back<Forward>(g_value, g_log_slope, to_raw + first * form.numbers());
                            for_each_moved(moved, d, first, n, [&](Index i, Index at, Index) { to_x[at] = tile.x[i]; });
                          });
  return {gx, graw};
}

// Knots and slopes of splines in differentiable operations.
template <class S>
struct SplineKnots {
  Tensor<S> width, height, left, low, slopes;  // [.., bins], slopes [.., bins + 1]

  SplineKnots(const Tensor<S>& raw, const SplineForm<S>& form) {
    const Index k = form.bins;
    width = form.least_size + form.free_size * softmax(slice(raw, -1, 0, k), -1);
    height = form.least_size + form.free_size * softmax(slice(raw, -1, k, 2 * k), -1);
    left = cumsum(width, -1) - width - form.bound;
    low = cumsum(height, -1) - height - form.bound;
    const Tensor<S> inner = pad(slice(raw, -1, 2 * k, 3 * k - 1), -1, 1, 1);
    slopes = form.least_slope + softplus(minimum(inner, static_cast<S>(most_raw_slope)) + form.slope_offset);
  }
};

// For each element of `at` [..] the last of the ascending `knots` [.., bins] that it is not below: [.., 1].
template <class S>
Tensor<Index> find_bins(const Tensor<S>& at, const Tensor<S>& knots) {
  const Index bins = knots.size(-1);
  return Tensor<Index>::generate(at.shape().inserted(at.rank(), 1), [&](Index i) {
    Index bin = 0;
    for (Index k = 1; k < bins; ++k) bin += at.data()[i] >= knots.data()[i * bins + k] ? 1 : 0;
    return bin;
  });
}

// The same as spline_values in differentiable operations.
template <bool Forward, class S>
Tensor<S> spline_reference(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved, const SplineForm<S>& form) {
  const Tensor<S> given = moved.of(x), at = clamp(given, -form.bound, form.bound);
  const SplineKnots<S> knots(reshape(raw, given.shape().inserted(given.rank(), form.numbers())), form);
  const Tensor<Index> bin = find_bins(at, Forward ? knots.left : knots.low);
  auto pick = [&](const Tensor<S>& from) { return squeeze(gather(from, -1, bin), -1); };
  const Tensor<S> width = pick(knots.width), height = pick(knots.height), left = pick(knots.left),
                  low = pick(knots.low), mean_slope = height / width;
  const Tensor<S> a = pick(knots.slopes) / mean_slope, b = pick(slice(knots.slopes, -1, 1, form.bins + 1)) / mean_slope;
  auto unit = [](const Tensor<S>& value) { return minimum(value, S(1)); };
  Tensor<S> u, v, value;
  if constexpr (Forward) {
    u = unit((at - left) / width);
    v = S(1) - u;
  } else {
    const Tensor<S> rise = unit((at - low) / height), rest = S(1) - rise, product = S(4) * rise * rest,
                    p = a * rest - b * rise, root = sqrt(square(p) + product);
    const Tensor<S> t = where(p > S(0), abs(p) + root, product / (abs(p) + root));
    u = S(2) * rise / (S(2) * rise + t);
    v = t / (S(2) * rise + t);
  }
  const Tensor<S> n = square(u) + a * u * v, q = n + square(v) + b * u * v;
  const Tensor<S> slope = (a * square(v) + S(2) * u * v + b * square(u)) / square(q);
  const Tensor<S> inside = Tensor<S>(given >= -form.bound) * Tensor<S>(given <= form.bound);
  const Tensor<S> log_slope = log(mean_slope * slope) * (Forward ? S(1) : S(-1));
  const Tensor<S> mapped = where(inside, Forward ? low + height * n / q : left + width * u, given);
  const Tensor<S> total = sum(where(inside, log_slope, Tensor<S>::zeros(given.shape())), -1, true);
  return concat({x + moved.place(mapped - given), total}, -1);
}

template <bool Forward, class S>
Tensor<S> spline_packed(const Tensor<S>& x, const Tensor<S>& raw, const Columns& moved, const SplineForm<S>& form) {
  auto value = [=](const Tensor<S>& in, const Tensor<S>& p) { return spline_values<Forward>(in, p, moved, form); };
  auto rule = [=](const Tensor<S>& g, const Tensor<S>&, const Tensor<S>& in, const Tensor<S>& p) {
    return spline_rule<Forward>(g, in, p, moved, form);
  };
  auto reference = [=](const Tensor<S>& in, const Tensor<S>& p) {
    return spline_reference<Forward>(in, p, moved, form);
  };
  return fused(value, rule, reference, x, raw);
}

}  // namespace pushforward::detail
