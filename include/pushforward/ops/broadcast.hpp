// expand, sum_to and the broadcasting elementwise loop that arithmetic stands on.
#pragma once

#include <pushforward/autodiff/record.hpp>
#include <pushforward/core/kernel.hpp>

namespace pushforward {

template <class S>
Tensor<S> sum_to(const Tensor<S>& x, const Shape& shape);

namespace detail {

// Axes of an output and the strides (0 where it repeats) with which an operand is read, adjacent axes merged.
struct Strided {
  int rank = 0;
  Index length[Shape::max_rank] = {}, stride_a[Shape::max_rank] = {}, stride_b[Shape::max_rank] = {};

  Strided(const Shape& out, const Shape& a, const Shape& b) {
    Index step_a = 1, step_b = 1;
    for (int i = out.rank() - 1; i >= 0; --i) {  // innermost axis first
      const int ia = i - out.rank() + a.rank(), ib = i - out.rank() + b.rank();
      const Index na = ia >= 0 ? a[ia] : 1, nb = ib >= 0 ? b[ib] : 1;
      push(out[i], na == 1 ? 0 : step_a, nb == 1 ? 0 : step_b);
      step_a *= na;
      step_b *= nb;
    }
    if (rank == 0) push_new(1, 0, 0);
  }

 private:
  void push(Index n, Index sa, Index sb) {
    if (n == 1) return;
    if (rank > 0) {
      const int last = rank - 1;
      if (sa == stride_a[last] * length[last] && sb == stride_b[last] * length[last]) {
        length[last] *= n;
        return;
      }
    }
    push_new(n, sa, sb);
  }
  void push_new(Index n, Index sa, Index sb) {
    length[rank] = n;
    stride_a[rank] = sa;
    stride_b[rank] = sb;
    ++rank;
  }
};

// Calls run(offset_out, offset_a, offset_b) for every innermost run, outer axes in row-major order.
template <class Run>
void for_each_run(const Strided& axes, const Run& run) {
  Index runs = 1;
  for (int i = 1; i < axes.rank; ++i) runs *= axes.length[i];
  Index at[Shape::max_rank] = {}, a = 0, b = 0;
  for (Index r = 0; r < runs; ++r) {
    run(r * axes.length[0], a, b);
    for (int i = 1; i < axes.rank; ++i) {
      a += axes.stride_a[i];
      b += axes.stride_b[i];
      if (++at[i] < axes.length[i]) break;
      a -= axes.stride_a[i] * at[i];
      b -= axes.stride_b[i] * at[i];
      at[i] = 0;
    }
  }
}

template <class S>
Tensor<S> expand_values(const Tensor<S>& x, const Shape& shape) {
  if (x.shape() == shape) return Access::view(x, shape);
  Tensor<S> result = Access::allocate<S>(shape);
  if (result.empty()) return result;
  S* out = Access::data(result);
  const S* in = x.data();
  const Strided axes(shape, x.shape(), x.shape());
  const Index n = axes.length[0], stride = axes.stride_a[0];
  for_each_run(axes, [&](Index o, Index a, Index) {
    if (stride == 0)
      std::fill_n(out + o, n, in[a]);
    else if (stride == 1)
      std::copy_n(in + a, n, out + o);
    else
      for (Index i = 0; i < n; ++i) out[o + i] = in[a + i * stride];
  });
  return result;
}

// Runs shorter than this are not worth a call of a vector loop: the operand is expanded first.
inline constexpr Index shortest_run = 16;

// f(a, b) with broadcasting. Rows against columns, scalars and equal shapes take direct loops.
template <class S, class F>
Tensor<S> map_broadcast(const char* name, const F& f, const Tensor<S>& a, const Tensor<S>& b) {
  const Shape shape = broadcast(a.shape(), b.shape(), name);
  const Index n = shape.size();
  if (n > 0 && a.size() < n && b.size() < n) {
    const bool expand_a = a.size() <= b.size();
    return expand_a ? map_broadcast(name, f, expand_values(a, shape), b) : map_broadcast(name, f, a, expand_values(b, shape));
  }
  Tensor<S> result = Access::allocate<S>(shape);
  if (n == 0) return result;
  S* out = Access::data(result);
  const S *x = a.data(), *y = b.data();
  if (a.size() == n && b.size() == n) {
    map_parallel(f, n, out, x, y);
  } else if (b.size() == 1) {
    map_parallel([f, v = *y](S u) { return f(u, v); }, n, out, x);
  } else if (a.size() == 1) {
    map_parallel([f, u = *x](S v) { return f(u, v); }, n, out, y);
  } else {
    const Strided axes(shape, a.shape(), b.shape());
    const Index run = axes.length[0];
    if (run < shortest_run) {
      return a.size() < n ? map_broadcast(name, f, expand_values(a, shape), b) : map_broadcast(name, f, a, expand_values(b, shape));
    }
    for_each_run(axes, [&](Index o, Index ia, Index ib) {
      if (axes.stride_a[0] == 0)
        map_serial([f, u = x[ia]](S v) { return f(u, v); }, run, out + o, y + ib);
      else if (axes.stride_b[0] == 0)
        map_serial([f, v = y[ib]](S u) { return f(u, v); }, run, out + o, x + ia);
      else
        map_serial(f, run, out + o, x + ia, y + ib);
    });
  }
  return result;
}

}  // namespace detail

/// `x` repeated along axes of length 1 (and new leading axes) to `shape`, by the rules of broadcasting.
/// Throws ShapeError if `x` does not broadcast to exactly `shape`.
template <class S>
Tensor<S> expand(const Tensor<S>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!(broadcast(x.shape(), shape, "expand") == shape))
    fail<ShapeError>("expand: cannot repeat shape ", x.shape(), " to ", shape, "; only axes of length 1 repeat");
  return detail::record("expand", detail::expand_values(x, shape),
                        detail::edge(x, [from = x.shape()](const Tensor<S>& g) { return sum_to(g, from); }));
}

}  // namespace pushforward
