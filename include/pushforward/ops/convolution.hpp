// Convolutions in one and two dimensions and their transposes, differentiable to every order.
#pragma once

#include <pushforward/ops/convolution_kernels.hpp>
#include <pushforward/ops/image_size.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/reductions.hpp>

namespace pushforward {

/// How a kernel moves over images.
struct Conv2dOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;  ///< parts of the channels that do not mix
};

/// The convolution that is transposed, and what it left out at the far end.
struct ConvTranspose2dOptions {
  Size2 stride = 1;
  Padding2 padding = 0;
  Size2 dilation = 1;
  Index groups = 1;
  Size2 output_padding = 0;  ///< lines more at the bottom and at the right
};

/// How a kernel moves over sequences.
struct Conv1dOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
};

/// The convolution that is transposed, and what it left out at the far end.
struct ConvTranspose1dOptions {
  Index stride = 1;
  Padding1 padding = 0;
  Index dilation = 1;
  Index groups = 1;
  Index output_padding = 0;
};

namespace detail {

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
  const bool covers = 2 * s.area() >= area;  // else most products would be for nothing
  return (thin || thinner) && covers && p.groups == 1 && s.taps() > 1 && s.stride_y == 1 && s.stride_x == 1;
}

// Adds the products z [taps, h, w] of one image and channel to the plane y.
template <class S>
void conv_add_taps(const ConvProblem<S>& p, const S* z, S bias, S* y) {
  const ConvSource<S>& s = p.source;
  const Tensor<S> sums = Access::allocate<S>({s.columns});
  S* const line = Access::data(sums);
  for (Index v = 0; v < s.rows; ++v) {
    std::fill_n(line, s.columns, bias);
    const S* from = z;
    for (const Index ty : s.taps_y)
      for (const Index tx : s.taps_x) {
        const Index row = v + ty, begin = std::max<Index>(0, -tx), end = std::min(s.columns, s.width - tx);
        if (row >= 0 && row < s.height && begin < end)
          vectorized_unless_double<S>([n = end - begin, to = line + begin, part = from + row * s.width + begin + tx] {
            PUSHFORWARD_SIMD
            for (Index k = 0; k < n; ++k) to[k] += part[k];
          });
        from += s.height * s.width;
      }
    S* const to = y + v * p.step_y;
    for (Index u = 0; u < s.columns; ++u) to[u * p.step_x] = p.relu && line[u] < S(0) ? S(0) : line[u];
  }
}

template <class S>
void conv_run_thin(const ConvProblem<S>& p) {
  const ConvSource<S>& s = p.source;
  const Index taps = s.taps(), area = s.height * s.width, planes = p.out * taps;
  const Tensor<S> weight = Tensor<S>::build({planes, s.channels}, [&](S* to) {
    for (Index i = 0; i < planes; ++i)
      for (Index c = 0; c < s.channels; ++c) *to++ = p.weight[(i / taps * s.channels + c) * taps + i % taps];
  });
  const Index grain = std::max<Index>(1, static_cast<Index>(1e6 * static_cast<double>(s.images) / p.flops()));
  parallel_for(s.images, grain, [&](Index begin, Index end) {
    const Tensor<S> z = Access::allocate<S>({planes, area});
    for (Index i = begin; i < end; ++i) {
      const ConvSource<S> image{
          s.x + i * s.channels * area, 1, s.channels, s.height, s.width, s.height, s.width, 1, 1, {0}, {0}};
      ConvForward<S>({image, 1, planes, weight.data(), nullptr, false, Access::data(z), area, s.width, 1}).run();
      for (Index o = 0; o < p.out; ++o)
        conv_add_taps(p, z.data() + o * taps * area, p.bias ? p.bias[o] : S(0), p.y + (i * p.out + o) * p.plane);
    }
  });
}

template <class S>
void conv_run(const ConvProblem<S>& p) {
  if (p.source.positions() == 0 || p.out * p.groups == 0) return;
  if (p.channels() * p.source.taps() == 0) return conv_fill(p);
  if (p.source.height * p.source.width > 0 && conv_is_thin(p)) return conv_run_thin(p);
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

// The transposed convolution: g [n, out, h', w'], w [out, c / groups, kh, kw] -> [n, c, h, w]. With a stride its result
// falls apart into phases that different taps reach, each a convolution without one.
template <class S>
Tensor<S> conv_transpose_values(const Tensor<S>& g, const Tensor<S>& w, const Tensor<S>& bias, const ConvGeometry& c,
                                bool relu) {
  const Index channels = w.size(1) * c.groups;
  Tensor<S> y = Access::allocate<S>({g.size(0), channels, c.y.in, c.x.in});
  if (y.empty()) return y;
  const ConvPhases<S> phases{g, w, bias, c, relu};
  for (Index v = 0; v < c.y.stride; ++v) {
    if (c.x.stride == 2) {
      phases.run_pair(v, Access::data(y));
      continue;
    }
    for (Index u = 0; u < c.x.stride; ++u)
      phases.run(ConvPhase(c.y, v), ConvPhase(c.x, u), Access::data(y) + v * c.x.in + u, c.y.in * c.x.in,
                 c.y.stride * c.x.in, c.x.stride);
  }
  return y;
}

template <class S>
Tensor<S> conv_weight_product(const ConvSource<S>& source, const Tensor<S>& g, Index groups, const Shape& shape) {
  Tensor<S> gw = Access::allocate<S>(shape);
  const ConvWeight<S> product(source, g.data(), groups, g.size(1) / groups);
  const Tensor<S> work = Access::allocate<S>({product.workspace()});
  product.run(Access::data(gw), Access::data(work));
  return gw;
}

// The gradient by the weight: x [n, c, h, w], g [n, out, h', w'] -> [out, c / groups, kh, kw].
template <class S>
Tensor<S> conv_weight_values(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c) {
  const Shape shape{g.size(1), x.size(1) / c.groups, c.y.kernel, c.x.kernel};
  if (shape.size() == 0 || g.empty() || x.empty()) return Tensor<S>::zeros(shape);
  ConvSource<S> source = conv_source(x, c);
  const bool thin = g.size(1) < x.size(1) && c.groups == 1 && c.y.stride == 1 && c.x.stride == 1 &&
                    2 * c.y.out * c.x.out >= c.y.in * c.x.in;
  if (!thin) return conv_weight_product(source, g, c.groups, shape);
  // With fewer outputs than inputs it is cheaper to shift them instead of the image: the parts are exchanged.
  for (std::vector<Index>* taps : {&source.taps_y, &source.taps_x})
    for (Index& tap : *taps) tap = -tap;
  const ConvSource<S> shifted{g.data(), g.size(0), g.size(1), c.y.out,       c.x.out,      c.y.in,
                              c.x.in,   1,         1,         source.taps_y, source.taps_x};
  return permute(conv_weight_product(shifted, x, 1, Shape{shape[1], shape[0], shape[2], shape[3]}), {1, 0, 2, 3});
}

// Three operations, each linear in two tensors, whose gradients are the other two.
template <class S>
Tensor<S> convolve(const Tensor<S>& x, const Tensor<S>& w, const ConvGeometry& c);
template <class S>
Tensor<S> convolve_transposed(const Tensor<S>& g, const Tensor<S>& w, const ConvGeometry& c);
template <class S>
Tensor<S> convolve_to_weight(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c);

template <class S>
Tensor<S> convolve(const Tensor<S>& x, const Tensor<S>& w, const ConvGeometry& c) {
  return record("conv2d", conv_values(x, w, Tensor<S>(), c, false),
                edge(x, [w, c](const Tensor<S>& g) { return convolve_transposed(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(x, g, c); }));
}

template <class S>
Tensor<S> convolve_transposed(const Tensor<S>& g, const Tensor<S>& w, const ConvGeometry& c) {
  return record("conv_transpose2d", conv_transpose_values(g, w, Tensor<S>(), c, false),
                edge(g, [w, c](const Tensor<S>& x) { return convolve(x, w, c); }),
                edge(w, [g, c](const Tensor<S>& x) { return convolve_to_weight(x, g, c); }));
}

template <class S>
Tensor<S> convolve_to_weight(const Tensor<S>& x, const Tensor<S>& g, const ConvGeometry& c) {
  return record("conv2d_weight", conv_weight_values(x, g, c),
                edge(x, [g, c](const Tensor<S>& w) { return convolve_transposed(g, w, c); }),
                edge(g, [x, c](const Tensor<S>& w) { return convolve(x, w, c); }));
}

// The gradient by the bias: everything summed but the channels.
template <class S>
Tensor<S> conv_to_bias(const Tensor<S>& g, const Shape& bias) {
  return bias.size() ? sum(g, {0, 2, 3}) : Tensor<S>::zeros(bias);
}

inline Index conv_checked_output(const char* name, const char* axis, Index in, Index kernel, Index stride,
                                 Index dilation, Index padding) {
  const Index reach = dilation * (kernel - 1) + 1, room = in + padding - reach;
  if (room < 0)
    fail<ShapeError>(name, ": the ", axis, " ", in, " with ", padding,
                     " of padding is smaller than the kernel, which spans ", reach,
                     "; pad more, or take a smaller kernel or dilation");
  return room / stride + 1;
}

inline void check_conv_options(const char* name, Size2 stride, Size2 dilation, Index groups) {
  if (stride.height < 1 || stride.width < 1 || dilation.height < 1 || dilation.width < 1 || groups < 1)
    fail<ValueError>(name, ": got stride ", stride.height, " x ", stride.width, ", dilation ", dilation.height, " x ",
                     dilation.width, " and ", groups, " groups, expected at least 1 each");
}

template <class S>
void check_conv(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias, Index groups,
                bool transposed) {
  const char* layout = transposed ? "[in, out / groups, height, width]" : "[out, in / groups, height, width]";
  if (x.rank() != 4) fail<ShapeError>(name, ": input of shape ", x.shape(), ", expected [n, channels, height, width]");
  if (w.rank() != 4 || w.size(2) < 1 || w.size(3) < 1)
    fail<ShapeError>(name, ": weight of shape ", w.shape(), ", expected ", layout, " with a kernel of at least 1 x 1");
  const Index in = transposed ? w.size(0) : w.size(1) * groups, out = transposed ? w.size(1) * groups : w.size(0);
  if (x.size(1) != in)
    fail<ShapeError>(name, ": input of shape ", x.shape(), " has ", x.size(1), " channels, expected ", in,
                     " for a weight ", layout, " of shape ", w.shape(), " and ", groups, " groups");
  if (w.size(0) % groups != 0)
    fail<ShapeError>(name, ": the first axis of a weight of shape ", w.shape(), " cannot be split into ", groups,
                     " groups; expected a multiple");
  if (bias.size() > 0 && !(bias.shape() == Shape{out}))
    fail<ShapeError>(name, ": bias of shape ", bias.shape(), ", expected [", out, "], or an empty one for none");
}

template <class S>
ConvGeometry conv_geometry(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                           const Conv2dOptions& o) {
  check_conv_options(name, o.stride, o.dilation, o.groups);
  check_conv(name, x, w, bias, o.groups, false);
  const Index h = x.size(2), width = x.size(3);
  return {{h,
           conv_checked_output(name, "height", h, w.size(2), o.stride.height, o.dilation.height,
                               o.padding.top + o.padding.bottom),
           w.size(2), o.stride.height, o.dilation.height, o.padding.top},
          {width,
           conv_checked_output(name, "width", width, w.size(3), o.stride.width, o.dilation.width,
                               o.padding.left + o.padding.right),
           w.size(3), o.stride.width, o.dilation.width, o.padding.left},
          o.groups};
}

inline ConvAxis conv_transposed_axis(const char* name, const char* axis, Index in, Index kernel, Index stride,
                                     Index dilation, Index before, Index after, Index more) {
  if (more < 0 || more >= std::max(stride, dilation))
    fail<ValueError>(name, ": output_padding ", more, " of the ", axis, ", expected 0 to less than the stride ", stride,
                     " or the dilation ", dilation);
  const Index out = in == 0 ? 0 : (in - 1) * stride + dilation * (kernel - 1) + 1 + more - before - after;
  if (out < 0)
    fail<ShapeError>(name, ": from a ", axis, " of ", in, " nothing is left with a padding of ", before, " and ", after,
                     "; pad less");
  return {out, in, kernel, stride, dilation, before};
}

template <class S>
ConvGeometry conv_transposed_geometry(const char* name, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                                      const ConvTranspose2dOptions& o) {
  check_conv_options(name, o.stride, o.dilation, o.groups);
  check_conv(name, x, w, bias, o.groups, true);
  return {conv_transposed_axis(name, "height", x.size(2), w.size(2), o.stride.height, o.dilation.height, o.padding.top,
                               o.padding.bottom, o.output_padding.height),
          conv_transposed_axis(name, "width", x.size(3), w.size(3), o.stride.width, o.dilation.width, o.padding.left,
                               o.padding.right, o.output_padding.width),
          o.groups};
}

// The values joined to the graph; they may be a shell when an activation keeps only its own result.
template <class S>
Tensor<S> record_conv(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                      const ConvGeometry& c) {
  return record("conv2d", std::move(values),
                edge(x, [w, c](const Tensor<S>& g) { return convolve_transposed(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(x, g, c); }),
                edge(bias, [shape = bias.shape()](const Tensor<S>& g) { return conv_to_bias(g, shape); }));
}

template <class S>
Tensor<S> record_conv_transposed(Tensor<S> values, const Tensor<S>& x, const Tensor<S>& w, const Tensor<S>& bias,
                                 const ConvGeometry& c) {
  return record("conv_transpose2d", std::move(values),
                edge(x, [w, c](const Tensor<S>& g) { return convolve(g, w, c); }),
                edge(w, [x, c](const Tensor<S>& g) { return convolve_to_weight(g, x, c); }),
                edge(bias, [shape = bias.shape()](const Tensor<S>& g) { return conv_to_bias(g, shape); }));
}

}  // namespace detail

/// The two-dimensional convolution (cross-correlation, as networks call it) with zeros around the image:
///     y[n, o, i, j] = bias[o] + sum over c, r, s of weight[o, c, r, s] x[n, c, i stride + r dilation - padding, ..]
///
/// x [n, in, h, w], weight [out, in / groups, kh, kw], bias [out] (or empty: none) -> [n, out, h', w'] with
/// h' = (h + top + bottom - dilation (kh - 1) - 1) / stride + 1, rounded down. With groups, part g of the output
/// channels sees part g of the input channels only. Throws ShapeError, ValueError.
template <class S>
Tensor<S> conv2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                 const Conv2dOptions& options = {}) {
  const detail::ConvGeometry c = detail::conv_geometry("conv2d", x, weight, bias, options);
  return detail::record_conv(detail::conv_values(x, weight, bias, c, false), x, weight, bias, c);
}
/// activation(conv2d(..)); relu is fused.
template <class S>
Tensor<S> conv2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, const Conv2dOptions& options,
                 Activation activation) {
  if (activation != Activation::relu) return activate(conv2d(x, weight, bias, options), activation);
  const detail::ConvGeometry c = detail::conv_geometry("conv2d", x, weight, bias, options);
  Tensor<S> y = detail::conv_values(x, weight, bias, c, true);
  if (detail::nan_check_flag()) detail::check_finite("conv2d", y);
  return detail::record_activation(detail::activation_loops<S>(activation),
                                   detail::record_conv(detail::Access::shell(y), x, weight, bias, c), std::move(y));
}

/// The transpose of conv2d as a linear map (its gradient by the input), with a bias: what upsamples where conv2d with
/// the same options downsamples.
///
/// x [n, in, h, w], weight [in, out / groups, kh, kw], bias [out] (or empty: none) -> [n, out, h', w'] with
/// h' = (h - 1) stride + dilation (kh - 1) + 1 + output_padding - top - bottom. Throws ShapeError, ValueError.
template <class S>
Tensor<S> conv_transpose2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose2dOptions& options = {}) {
  const detail::ConvGeometry c = detail::conv_transposed_geometry("conv_transpose2d", x, weight, bias, options);
  return detail::record_conv_transposed(detail::conv_transpose_values(x, weight, bias, c, false), x, weight, bias, c);
}
/// activation(conv_transpose2d(..)); relu is fused.
template <class S>
Tensor<S> conv_transpose2d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose2dOptions& options, Activation activation) {
  if (activation != Activation::relu) return activate(conv_transpose2d(x, weight, bias, options), activation);
  const detail::ConvGeometry c = detail::conv_transposed_geometry("conv_transpose2d", x, weight, bias, options);
  Tensor<S> y = detail::conv_transpose_values(x, weight, bias, c, true);
  if (detail::nan_check_flag()) detail::check_finite("conv_transpose2d", y);
  return detail::record_activation(detail::activation_loops<S>(activation),
                                   detail::record_conv_transposed(detail::Access::shell(y), x, weight, bias, c),
                                   std::move(y));
}

namespace detail {

template <class S>
void check_conv1d(const char* name, const Tensor<S>& x, const Tensor<S>& w) {
  if (x.rank() != 3 || w.rank() != 3)
    fail<ShapeError>(name, ": input of shape ", x.shape(), " and weight of shape ", w.shape(),
                     ", expected [n, channels, length] and a weight of three axes, the kernel last");
}

}  // namespace detail

/// The convolution of sequences: x [n, in, length], weight [out, in / groups, k], bias [out] (or empty: none) ->
/// [n, out, length']. `.padding = {dilation (k - 1), 0}` makes it causal: element t sees elements up to t. Throws
/// ShapeError, ValueError.
template <class S>
Tensor<S> conv1d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias, const Conv1dOptions& o = {}) {
  detail::check_conv1d("conv1d", x, weight);
  return squeeze(conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                        {.stride = {1, o.stride},
                         .padding = {0, 0, o.padding.before, o.padding.after},
                         .dilation = {1, o.dilation},
                         .groups = o.groups}),
                 2);
}

/// The transpose of conv1d, with a bias: x [n, in, length], weight [in, out / groups, k] -> [n, out, length']. Throws
/// ShapeError, ValueError.
template <class S>
Tensor<S> conv_transpose1d(const Tensor<S>& x, const Tensor<S>& weight, const Tensor<S>& bias,
                           const ConvTranspose1dOptions& o = {}) {
  detail::check_conv1d("conv_transpose1d", x, weight);
  return squeeze(conv_transpose2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                                  {.stride = {1, o.stride},
                                   .padding = {0, 0, o.padding.before, o.padding.after},
                                   .dilation = {1, o.dilation},
                                   .groups = o.groups,
                                   .output_padding = {0, o.output_padding}}),
                 2);
}

}  // namespace pushforward
