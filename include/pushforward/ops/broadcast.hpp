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
  // The number of innermost runs.
  Index runs() const {
    Index count = 1;
    for (int i = 1; i < rank; ++i) count *= length[i];
    return count;
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

// Calls run(offset_out, offset_a, offset_b) for the innermost runs [first, last), outer axes in row-major order.
template <class Run>
void for_each_run(const Strided& axes, Index first, Index last, const Run& run) {
  Index at[Shape::max_rank] = {}, a = 0, b = 0;
  for (Index i = 1, rest = first; i < axes.rank; rest /= axes.length[i++]) {
    at[i] = rest % axes.length[i];
    a += at[i] * axes.stride_a[i];
    b += at[i] * axes.stride_b[i];
  }
  for (Index r = first; r < last; ++r) {
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
[[gnu::noinline]] Tensor<S> expand_values(const Tensor<S>& x, const Shape& shape) {
  if (x.shape() == shape) return Access::view(x, shape);
  Tensor<S> result = Access::allocate<S>(shape);
  if (result.empty()) return result;
  S* out = Access::data(result);
  const S* in = x.data();
  const Strided axes(shape, x.shape(), x.shape());
  const Index n = axes.length[0], stride = axes.stride_a[0];
  for_each_run(axes, 0, axes.runs(), [&](Index o, Index a, Index) {
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

// Which operand of a run stays at one element.
enum class Fixed { neither, first, second };

// A function of two numbers seen as a loop over one run, so that broadcasting is compiled once.
template <class S>
struct BinaryLoop {
  void (*call)(const void* f, Fixed fixed, Index n, S* out, const S* a, const S* b);
  const void* f;
  void operator()(Fixed fixed, Index n, S* out, const S* a, const S* b) const { call(f, fixed, n, out, a, b); }
};

template <class F, class S>
void binary_loop(const void* function, Fixed fixed, Index n, S* out, const S* a, const S* b) {
  const F f = *static_cast<const F*>(function);
  vectorized_unless_double<S>([=] {
    if (fixed == Fixed::neither)
      map_loop(f, n, out, a, b);
    else if (fixed == Fixed::first)
      map_loop([f, u = *a](S v) { return f(u, v); }, n, out, b);
    else
      map_loop([f, v = *b](S u) { return f(u, v); }, n, out, a);
  });
}

template <class S>
[[gnu::noinline]] Tensor<S> broadcast_loop(const char* name, const BinaryLoop<S>& loop, const Tensor<S>& a,
                                           const Tensor<S>& b) {
  const Shape shape = broadcast(a.shape(), b.shape(), name);
  const Index n = shape.size();
  if (n > 0 && a.size() < n && b.size() < n)
    return a.size() <= b.size() ? broadcast_loop(name, loop, expand_values(a, shape), b)
                                : broadcast_loop(name, loop, a, expand_values(b, shape));
  Tensor<S> result = Access::allocate<S>(shape);
  if (n == 0) return result;
  S* out = Access::data(result);
  const S *x = a.data(), *y = b.data();
  const Strided axes(shape, a.shape(), b.shape());
  const Fixed fixed = axes.stride_a[0] == 0 ? Fixed::first : axes.stride_b[0] == 0 ? Fixed::second : Fixed::neither;
  const Index run = axes.length[0];
  if (run == n && n > 1) {  // equal shapes, or a scalar beside a tensor
    parallel_for(n, elementwise_grain, [&](Index begin, Index end) {
      loop(fixed, end - begin, out + begin, x + (fixed == Fixed::first ? 0 : begin),
           y + (fixed == Fixed::second ? 0 : begin));
    });
    return result;
  }
  if (run < shortest_run && n > 1)
    return a.size() < n ? broadcast_loop(name, loop, expand_values(a, shape), b)
                        : broadcast_loop(name, loop, a, expand_values(b, shape));
  parallel_for(axes.runs(), std::max(Index{1}, elementwise_grain / run), [&](Index first, Index last) {
    for_each_run(axes, first, last, [&](Index o, Index ia, Index ib) { loop(fixed, run, out + o, x + ia, y + ib); });
  });
  return result;
}

// f(a, b) with broadcasting.
template <class S, class F>
Tensor<S> map_broadcast(const char* name, const F& f, const Tensor<S>& a, const Tensor<S>& b) {
  return broadcast_loop<S>(name, {binary_loop<F, S>, &f}, a, b);
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
