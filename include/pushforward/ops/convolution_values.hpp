// The numbers of convolutions, of their transposes and of their gradients: geometry, and which kernel runs.
#pragma once

#include <cstdlib>

#include <pushforward/ops/convolution_few_terms.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward::detail {

// One axis of a convolution from `in` to `out` elements: element i of the result reads i * stride + t * dilation -
// before for each tap t.
struct ConvAxis {
  Index in, out, kernel, stride, dilation, before;
};

struct ConvGeometry {
  ConvAxis y, x;
  Index groups;
};

// The taps of an axis that reach elements phase, phase + stride, ... of its input, in the transposed convolution:
// element number i of those reads element i + offset of the output.
struct ConvPhase {
  Index count;  // elements
  std::vector<Index> offsets, taps;

  ConvPhase(const ConvAxis& axis, Index phase) : count(divide_up(std::max<Index>(0, axis.in - phase), axis.stride)) {
    for (Index t = axis.kernel - 1; t >= 0; --t) {
      const Index at = phase + axis.before - t * axis.dilation;
      if (at % axis.stride != 0) continue;
      offsets.push_back(at / axis.stride);
      taps.push_back(t);
    }
  }
};

inline std::vector<Index> conv_taps(const ConvAxis& axis) {
  std::vector<Index> taps;
  for (Index t = 0; t < axis.kernel; ++t) taps.push_back(t * axis.dilation - axis.before);
  return taps;
}

template <class S>
ConvSource<S> conv_source(const Tensor<S>& x, const ConvGeometry& c) {
  return {x.data(), x.size(0),  x.size(1),  c.y.in,         c.x.in,        c.y.out,
          c.x.out,  c.y.stride, c.x.stride, conv_taps(c.y), conv_taps(c.x)};
}

// y [n, planes, ..] = bias, where no tap reaches.
template <class S>
void conv_fill(const ConvProblem<S>& p) {
  const ConvSource<S>& s = p.source;
  for (Index i = 0; i < s.images * p.groups * p.out; ++i) {
    const S bias = p.bias ? p.bias[i % (p.groups * p.out)] : S(0), value = p.relu && bias < S(0) ? S(0) : bias;
    for (Index v = 0; v < s.rows; ++v)
      for (Index u = 0; u < s.columns; ++u) p.y[i * p.plane + v * p.step_y + u * p.step_x] = value;
  }
}

// Whether the products of all taps with the image itself, added up where they belong, are faster: with few output
// channels each gathered number would be used too little. The products of an image should stay in the cache.
template <class S>
bool conv_is_thin(const ConvProblem<S>& p) {
  const ConvSource<S>& s = p.source;
  const Index area = s.height * s.width, bytes = p.out * s.taps() * area * Index{sizeof(S)};
  const bool thin = p.out <= gemm_few && p.out * s.taps() <= 64;
  const bool thinner = p.out <= 16 && 2 * p.out <= s.channels && bytes <= 512 * 1024;
  // Not larger, such that lines have room for zeros; nor much smaller, or most products would be for nothing.
  const bool covers =
      s.rows <= s.height && s.columns <= s.width && 2 * s.area() >= area && area >= 2 * gemm_kernels<S>().lanes;
  return (thin || thinner) && covers && p.groups == 1 && s.taps() > 1 && s.stride_y == 1 && s.stride_x == 1;
}

// Convolutions by the products of all taps with the image itself.
template <class S>
class ConvThin {
 public:
  explicit ConvThin(const ConvProblem<S>& problem) : p_(problem), s_(p_.source) {
    // In a plane of products the element (y, x) is y * width + x from the first one, also where it leaves the image.
    for (const Index y : s_.taps_y)
      for (const Index x : s_.taps_x) {
        at_.push_back(y * s_.width + x);
        margin_ = std::max(margin_, std::abs(at_.back()));
      }
    margin_ = divide_up(margin_, kernels_.lanes) * kernels_.lanes;
    step_ = divide_up(s_.height * s_.width, kernels_.lanes) * kernels_.lanes + 2 * margin_;
    weight_ = Tensor<S>::build({p_.out * s_.taps(), s_.channels}, [&](S* to) {
      for (Index i = 0, taps = s_.taps(); i < p_.out * taps; ++i)
        for (Index c = 0; c < s_.channels; ++c) *to++ = p_.weight[(i / taps * s_.channels + c) * taps + i % taps];
    });
  }

  void run() const {
    const Index grain = std::max<Index>(1, static_cast<Index>(1e6 * static_cast<double>(s_.images) / p_.flops()));
    parallel_for(s_.images, grain, [&](Index begin, Index end) {
      const Tensor<S> z = Tensor<S>::zeros({p_.out * s_.taps(), step_}), line = Access::allocate<S>({s_.columns});
      for (Index i = begin; i < end; ++i) {
        multiply(i, Access::data(z) + margin_);
        for (Index o = 0; o < p_.out; ++o)
          add(z.data() + o * s_.taps() * step_ + margin_, p_.bias ? p_.bias[o] : S(0), Access::data(line),
              p_.y + (i * p_.out + o) * p_.plane);
      }
    });
  }

 private:
  // The products of image i with all taps, zero at the far side of each line where a tap would read beyond the near
  // one.
  void multiply(Index i, S* z) const {
    alignas(64) static constexpr S zeros[64] = {};
    const Index area = s_.height * s_.width, width = s_.width, across = static_cast<Index>(s_.taps_x.size());
    const Index products = weight_.size(0), lanes = kernels_.lanes;
    const S* const image = s_.x + i * s_.channels * area;
    for (Index at = 0, panel; at < area; at += panel) {
      const bool wide = area - at >= 4 * lanes;
      panel = (wide ? 4 : 2) * lanes;
      at = std::min(at, area - panel);  // the last panel overlaps the one before
      const Index strips = divide_up(products, wide ? kernels_.wide_rows : kernels_.rows);
      for (Index strip = 0; strip < strips; ++strip) {
        const Index row = products * strip / strips, rows = products * (strip + 1) / strips - row;
        kernels_.tile[wide ? 2 : 1][rows - 1]({s_.channels, weight_.data() + row * s_.channels, s_.channels, 1,
                                               image + at, area, z + row * step_ + at, step_, zeros, 0, false});
      }
    }
    for (Index t = 0; t < products; ++t, z += step_) {
      const Index x = s_.taps_x[static_cast<std::size_t>(t % across)];
      const Index from = x < 0 ? std::max<Index>(0, width + x) : 0, to = x < 0 ? width : std::min(width, x);
      for (Index u = from; u < to; ++u)
        for (Index r = 0; r < s_.height; ++r) z[r * width + u] = S{0};
    }
  }

  // Adds the products z [taps, h, w] of one image and channel to the plane y.
  void add(const S* z, S bias, S* line, S* y) const {
    const bool whole = p_.step_x == 1 && p_.step_y == s_.columns && s_.columns == s_.width;
    const Index rows = whole ? 1 : s_.rows, length = whole ? s_.area() : s_.columns;
    for (Index v = 0; v < rows; ++v) {
      S* const to = p_.step_x == 1 ? y + v * p_.step_y : line;
      vectorized_unless_double<S>(
          [to, bias, length, from = z + v * s_.width, step = step_, at = at_.data(), taps = s_.taps(), relu = p_.relu] {
            for (Index k = 0; k < length; ++k) to[k] = bias;
            Index t = 0;
            for (; t + 3 <= taps; t += 3) {
              const S *const a = from + t * step + at[t], *const b = from + (t + 1) * step + at[t + 1],
                             *const c = from + (t + 2) * step + at[t + 2];
              PUSHFORWARD_SIMD
              for (Index k = 0; k < length; ++k) to[k] = to[k] + a[k] + b[k] + c[k];
            }
            for (; t < taps; ++t) {
              const S* const part = from + t * step + at[t];
              PUSHFORWARD_SIMD
              for (Index k = 0; k < length; ++k) to[k] += part[k];
            }
            for (Index k = 0; relu && k < length; ++k) to[k] = to[k] < S(0) ? S(0) : to[k];
          });
      for (Index u = 0; p_.step_x != 1 && u < s_.columns; ++u) y[v * p_.step_y + u * p_.step_x] = line[u];
    }
  }

  const GemmKernels<S>& kernels_ = gemm_kernels<S>();
  const ConvProblem<S>& p_;
  const ConvSource<S>& s_;
  std::vector<Index> at_;
  Index margin_ = 0, step_;
  Tensor<S> weight_;
};

template <class S>
void conv_run(const ConvProblem<S>& p) {
  if (p.source.positions() == 0 || p.out * p.groups == 0) return;
  if (p.channels() * p.source.taps() == 0) return conv_fill(p);
  if (p.source.height * p.source.width > 0 && conv_is_thin(p)) return ConvThin<S>(p).run();
  if (ConvFewTerms<S>::pays(p)) return ConvFewTerms<S>(p).run();
  ConvForward<S>(p).run();
}

// x [n, c, h, w], w [out, c / groups, kh, kw] -> [n, out, h', w'].
template <class S>
Tensor<S> conv_values(const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias, const ConvGeometry& c, bool relu) {
  Tensor<S> y = Access::allocate<S>({x.size(0), w.size(0), c.y.out, c.x.out});
  if (y.empty()) return y;
  conv_run(ConvProblem<S>{conv_source(x, c), c.groups, w.size(0) / c.groups, w.data(), data_or_null(bias), relu,
                          Access::data(y), c.y.out * c.x.out, c.x.out, 1});
  return y;
}

// The places of the taps of two axes in a kernel.
inline std::vector<Index> conv_tap_numbers(const ConvPhase& y, const ConvPhase& x, Index width) {
  std::vector<Index> numbers;
  for (const Index r : y.taps)
    for (const Index s : x.taps) numbers.push_back(r * width + s);
  return numbers;
}

// The weights [groups * in, out * taps] with which one phase of the transposed convolution is a convolution.
template <class S>
Tensor<S> conv_phase_weight(const Tensor<S>& w, Index groups, const ConvPhase& y, const ConvPhase& x) {
  const Index out = w.size(0) / groups, in = w.size(1), kh = w.size(2), kw = w.size(3);
  const Index taps = static_cast<Index>(y.taps.size() * x.taps.size());
  return Tensor<S>::build({groups * in, out * taps}, [&](S* to) {
    for (Index row = 0; row < groups * in; ++row)
      for (Index o = 0; o < out; ++o) {
        const S* const from = w.data() + ((row / in * out + o) * in + row % in) * kh * kw;
        for (const Index r : y.taps)
          for (const Index s : x.taps) *to++ = from[r * kw + s];
      }
  });
}

// Every second column of `rows` lines from each of two parts, as they lie in memory, to lines `step` apart.
template <class S>
void conv_interleave(const S* even, Index even_count, const S* odd, Index odd_count, Index rows, S* to, Index step) {
  vectorized_unless_double<S>([=] {
    for (Index r = 0; r < rows; ++r) {
      const S *const a = even + r * even_count, *const b = odd + r * odd_count;
      S* const line = to + r * step;
      PUSHFORWARD_SIMD
      for (Index i = 0; i < odd_count; ++i) {
        line[2 * i] = a[i];
        line[2 * i + 1] = b[i];
      }
      if (even_count > odd_count) line[2 * odd_count] = a[odd_count];
    }
  });
}

// The phases of the transposed convolution: elements (v, u), (v + stride, u), .. of the result.
template <class S>
struct ConvPhases {
  const Tensor<S>&g, &w, &bias;
  const ConvGeometry& c;
  bool relu;

  // Into the planes of y, whose lines and columns are `step_y` and `step_x` apart.
  void run(const ConvPhase& py, const ConvPhase& px, S* y, Index plane, Index step_y, Index step_x) const {
    const Tensor<S> part = conv_phase_weight(w, c.groups, py, px);
    conv_run(ConvProblem<S>{
        {g.data(), g.size(0), g.size(1), c.y.out, c.x.out, py.count, px.count, 1, 1, py.offsets, px.offsets},
        c.groups,
        w.size(1),
        part.data(),
        data_or_null(bias),
        relu,
        y,
        plane,
        step_y,
        step_x});
  }
  // Lines v, v + stride, .. of the planes of y [n, c, h, w] for a horizontal stride of 2: both phases apart, where they
  // are written in whole vectors, and together.
  void run_pair(Index v, S* y) const {
    const ConvPhase py(c.y, v), even(c.x, 0), odd(c.x, 1);
    const Index planes = g.size(0) * w.size(1) * c.groups, height = c.y.in, width = c.x.in, rows = py.count;
    const Tensor<S> a = Access::allocate<S>({planes, rows, even.count}),
                    b = Access::allocate<S>({planes, rows, odd.count});
    run(py, even, Access::data(a), rows * even.count, even.count, 1);
    run(py, odd, Access::data(b), rows * odd.count, odd.count, 1);
    parallel_for(planes, std::max<Index>(1, 32768 / std::max<Index>(1, rows * width)), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        conv_interleave(a.data() + i * rows * even.count, even.count, b.data() + i * rows * odd.count, odd.count, rows,
                        y + i * height * width + v * width, c.y.stride * width);
    });
  }
};

// Whether each element of the result reads its own alone.
inline bool conv_is_pointwise(const ConvGeometry& c) {
  for (const ConvAxis& a : {c.y, c.x})
    if (a.kernel != 1 || a.stride != 1 || a.before != 0 || a.in != a.out) return false;
  return true;
}

// The same convolution along one long line, if it is pointwise.
inline ConvGeometry conv_flat(const ConvGeometry& c) {
  if (!conv_is_pointwise(c)) return c;
  const Index area = c.y.in * c.x.in;
  return {{1, 1, 1, 1, 1, 0}, {area, area, 1, 1, 1, 0}, c.groups};
}

// The transposed convolution with vectors along the channels of the result: all phases from the same window.
template <class S>
void conv_transpose_by_channels(const Tensor<S>& g, const Tensor<S>& w, const Tensor<S>& bias, const ConvGeometry& c,
                                bool relu, S* y) {
  const Index taps = c.y.kernel * c.x.kernel, lanes = gemm_kernels<S>().lanes, in = w.size(0) / c.groups;
  const ConvPanels<S> panels{w.size(1), in * taps};
  const Index size = c.groups * panels.size() + lanes * panels.widest();
  S* const copy = GemmScratch::get<S>(1, w.size() + lanes + 2 * size);
  S *const packed = copy + w.size() + lanes, *sorted = packed + size;
  std::copy_n(w.data(), w.size(), copy);
  std::fill_n(copy + w.size(), lanes, S(0));
  for (Index group = 0; group < c.groups; ++group)
    panels.pack_transposed(copy + group * in * w.size(1) * taps, taps, packed + group * panels.size());
  const Index rows = divide_up(c.y.in, c.y.stride), columns = divide_up(c.x.in, c.x.stride);
  ConvParts<S> all{{g.data(), g.size(0), g.size(1), c.y.out, c.x.out, rows, columns, 1, 1, {}, {}},
                   c.groups,
                   w.size(1),
                   data_or_null(bias),
                   relu,
                   y,
                   c.y.in,
                   c.x.in,
                   c.y.stride,
                   c.x.stride,
                   {}};
  for (Index v = 0; v < std::min(c.y.stride, c.y.in); ++v)
    for (Index u = 0; u < std::min(c.x.stride, c.x.in); ++u) {
      const ConvPhase py(c.y, v), px(c.x, u);
      all.parts.push_back({v, u, py.count, px.count, py.offsets, px.offsets, sorted});
      sorted = panels.pick(c.groups, packed, taps, conv_tap_numbers(py, px, c.x.kernel), sorted);
      all.source.taps_y.insert(all.source.taps_y.end(), py.offsets.begin(), py.offsets.end());
      all.source.taps_x.insert(all.source.taps_x.end(), px.offsets.begin(), px.offsets.end());
    }
  ConvByChannels<S>(all).run(gemm_threads(2.0 * static_cast<double>(g.size()) * static_cast<double>(panels.size())));
}

// The transposed convolution: g [n, out, h', w'], w [out, c / groups, kh, kw] -> [n, c, h, w]. With a stride its result
// falls apart into phases that different taps reach, each a convolution without one.
template <class S>
Tensor<S> conv_transpose_values(const Tensor<S>& g, const Tensor<S>& w, const Tensor<S>& bias, const ConvGeometry& c,
                                bool relu) {
  const Index channels = w.size(1) * c.groups;
  Tensor<S> y = Access::allocate<S>({g.size(0), channels, c.y.in, c.x.in});
  if (y.empty()) return y;
  const bool in_place = conv_is_pointwise(c) && conv_panels_fit<S>(c.y.in * c.x.in);
  if (!in_place && ConvByChannels<S>::pays(w.size(1), w.size(0) / c.groups * c.y.kernel * c.x.kernel,
                                           c.x.in / c.x.stride, g.size(0) * c.y.out * c.x.out)) {
    conv_transpose_by_channels(g, w, bias, conv_flat(c), relu, Access::data(y));
    return y;
  }
  const ConvPhases<S> phases{g, w, bias, c, relu};
  for (Index v = 0; v < std::min(c.y.stride, c.y.in); ++v) {
    if (c.x.stride == 2) {
      phases.run_pair(v, Access::data(y));
      continue;
    }
    for (Index u = 0; u < std::min(c.x.stride, c.x.in); ++u)
      phases.run(ConvPhase(c.y, v), ConvPhase(c.x, u), Access::data(y) + v * c.x.in + u, c.y.in * c.x.in,
                 c.y.stride * c.x.in, c.x.stride);
  }
  return y;
}

template <class S>
Tensor<S> conv_weight_product(const ConvSource<S>& source, const Tensor<S>& g, Index groups, const Shape& shape) {
  Tensor<S> gw = Access::allocate<S>(shape);
  const auto run = [&](const auto& product) {
    const Tensor<S> work = Access::allocate<S>({product.workspace()});
    product.run(Access::data(gw), Access::data(work));
  };
  const Index out = g.size(1) / groups;
  if (ConvWeightOfFewTerms<S>::pays(source, groups, out))
    run(ConvWeightOfFewTerms<S>(source, g.data(), groups, out));
  else
    run(ConvWeight<S>(source, g.data(), groups, out));
  return gw;
}

// The gradient by the weight: x [n, c, h, w], g [n, out, h', w'] -> [out, c / groups, kh, kw].
template <class S>
Tensor<S> conv_weight_values(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c) {
  const Shape shape{g.size(1), x.size(1) / c.groups, c.y.kernel, c.x.kernel};
  if (shape.size() == 0 || g.empty() || x.empty()) return Tensor<S>::zeros(shape);
  ConvSource<S> source = conv_source(x, c);
  // With fewer outputs than inputs vectors along the inputs may be filled better.
  const ConvPanels<S> along_g{g.size(1), 1}, along_x{x.size(1), 1};
  const bool thin = along_g.padded() * x.size(1) > along_x.padded() * g.size(1) && c.groups == 1 && c.y.stride == 1 &&
                    c.x.stride == 1 && 2 * c.y.out * c.x.out >= c.y.in * c.x.in;
  if (!thin) return conv_weight_product(source, g, c.groups, shape);
  // Then the outputs are shifted instead of the image: the parts are exchanged.
  for (std::vector<Index>* taps : {&source.taps_y, &source.taps_x})
    for (Index& tap : *taps) tap = -tap;
  const ConvSource<S> shifted{g.data(), g.size(0), g.size(1), c.y.out,       c.x.out,      c.y.in,
                              c.x.in,   1,         1,         source.taps_y, source.taps_x};
  return permute(conv_weight_product(shifted, x, 1, Shape{shape[1], shape[0], shape[2], shape[3]}), {1, 0, 2, 3});
}

}  // namespace pushforward::detail
