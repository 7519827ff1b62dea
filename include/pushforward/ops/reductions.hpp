// Sums, products, extremes and softmax over any axes.
#pragma once

#include <pushforward/ops/math.hpp>
#include <pushforward/ops/shape_ops.hpp>

namespace pushforward {

namespace detail {

// Which axes a reduction runs over: `axes` (negative from the end), or all if empty is not meant.
struct Reduction {
  bool reduced[Shape::max_rank] = {};
  Shape kept, dropped;  // the result with reduced axes of length 1, and without them
  Index count = 1;      // elements that one result covers

  Reduction(const Shape& shape, const std::vector<int>& axes, const char* name) {
    for (int axis : axes) {
      const int i = shape.axis(axis, name);
      if (reduced[i])
        fail<ValueError>(name, ": axis ", axis, " of shape ", shape, " is named twice, expected each axis once");
      reduced[i] = true;
    }
    finish(shape);
  }
  explicit Reduction(const Shape& shape) {
    std::fill_n(reduced, shape.rank(), true);
    finish(shape);
  }

 private:
  void finish(const Shape& shape) {
    kept = shape;
    for (int i = 0; i < shape.rank(); ++i) {
      if (reduced[i]) {
        kept = kept.with(i, 1);
        count *= shape[i];
      } else {
        dropped = dropped.inserted(dropped.rank(), shape[i]);
      }
    }
  }
};

// The values of a reduction with the reduced axes kept at length 1: runs of adjacent axes at once.
template <class Op, class S>
Tensor<S> reduce_values(const Tensor<S>& x, const Reduction& r) {
  Tensor<S> y = Access::view(x, x.shape());
  for (int i = 0; i < x.rank();) {
    int last = i;
    Shape shape = y.shape();
    while (last < x.rank() && r.reduced[last]) shape = shape.with(last++, 1);
    if (last > i) y = reduce_adjacent<Op>(y, i, last, shape);
    i = last + 1;
  }
  return y;
}

template <class S>
Tensor<S> sum_over(const Tensor<S>& x, const Reduction& r, bool keep_axes) {
  const Tensor<S> y = reduce_values<Plus>(x, r);
  return record(
      "sum", Access::view(y, keep_axes ? r.kept : r.dropped),
      edge(x, [from = x.shape(), kept = r.kept](const Tensor<S>& g) { return expand(reshape(g, kept), from); }));
}

template <class Op, class S>
Tensor<S> extremum_over(const char* name, const Tensor<S>& x, const Reduction& r, bool keep_axes) {
  if (r.count == 0)
    fail<ShapeError>(name, ": the reduced axes of shape ", x.shape(), " have no elements, expected at least one");
  const Tensor<S> y = reduce_values<Op>(x, r);
  auto rule = [x, y, r](const Tensor<S>& g) {
    const Tensor<S> hits = equal(stop_gradient(x), y);  // equal winners share the gradient
    return reshape(g, r.kept) * (hits / reduce_values<Plus>(hits, r));
  };
  return record(name, Access::view(y, keep_axes ? r.kept : r.dropped), edge(x, rule));
}

// The product by halving the axis: exact gradients of every order, at zeros too.
template <class S>
Tensor<S> product_last(const Tensor<S>& x) {
  const Index n = x.size(-1);
  if (n == 0) return sum_over(x, Reduction(x.shape(), {-1}, "prod"), true) + 1;
  if (n == 1) return x;
  const Index half = n / 2;
  Tensor<S> pairs = slice(x, -1, 0, half) * slice(x, -1, half, 2 * half);
  if (n % 2) pairs = concat({pairs, slice(x, -1, n - 1, n)}, -1);
  return product_last(pairs);
}

template <class S>
Tensor<S> product_over(const Tensor<S>& x, const Reduction& r, bool keep_axes) {
  std::vector<int> order;
  for (int i = 0; i < x.rank(); ++i)
    if (!r.reduced[i]) order.push_back(i);
  for (int i = 0; i < x.rank(); ++i)
    if (r.reduced[i]) order.push_back(i);
  const Tensor<S> rows = reshape(permute(x, order), Shape{r.dropped.size(), r.count});
  return reshape(product_last(rows), keep_axes ? r.kept : r.dropped);
}

template <class S>
Tensor<S> logsumexp_over(const Tensor<S>& x, const Reduction& r, bool keep_axes) {
  const Tensor<S> largest = reduce_values<Larger>(x, r);
  const Tensor<S> shift = where(is_finite(largest), largest, 0);  // all -inf: the result is -inf, not NaN
  Tensor<S> y;
  {
    NoGradient guard;
    y = log(reduce_values<Plus>(exp(stop_gradient(x) - shift), r)) + shift;
  }
  auto rule = [x, r](const Tensor<S>& g, const Tensor<S>& out) {
    const Tensor<S> total = reshape(out, r.kept);
    return reshape(g, r.kept) * exp(x - where(is_finite(total), total, 0));
  };
  return record("logsumexp", Access::view(y, keep_axes ? r.kept : r.dropped), edge(x, rule));
}

}  // namespace detail

/// The sum of all elements, of shape []; or over `axes` (negative from the end), which are dropped unless `keep_axes`.
template <class S>
Tensor<S> sum(const Tensor<S>& x) {
  return detail::sum_over(x, detail::Reduction(x.shape()), false);
}
template <class S>
Tensor<S> sum(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::sum_over(x, detail::Reduction(x.shape(), axes, "sum"), keep_axes);
}
template <class S>
Tensor<S> sum(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return sum(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> sum(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return sum(x, std::vector<int>(axes), keep_axes);
}

/// The mean of all elements or over `axes`. Over no elements it is NaN.
template <class S>
Tensor<S> mean(const Tensor<S>& x) {
  return sum(x) / static_cast<S>(x.size());
}
template <class S>
Tensor<S> mean(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  const Index count = detail::Reduction(x.shape(), axes, "mean").count;
  return sum(x, axes, keep_axes) / static_cast<S>(count);
}
template <class S>
Tensor<S> mean(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return mean(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> mean(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return mean(x, std::vector<int>(axes), keep_axes);
}

/// The product of all elements or over `axes`; its gradients are right where elements are 0, too.
template <class S>
Tensor<S> prod(const Tensor<S>& x) {
  return detail::product_over(x, detail::Reduction(x.shape()), false);
}
template <class S>
Tensor<S> prod(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::product_over(x, detail::Reduction(x.shape(), axes, "prod"), keep_axes);
}
template <class S>
Tensor<S> prod(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return prod(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> prod(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return prod(x, std::vector<int>(axes), keep_axes);
}

/// The largest element, of all or over `axes`; equal winners share the gradient. Throws ShapeError over no elements.
template <class S>
Tensor<S> max(const Tensor<S>& x) {
  return detail::extremum_over<detail::Larger>("max", x, detail::Reduction(x.shape()), false);
}
template <class S>
Tensor<S> max(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::extremum_over<detail::Larger>("max", x, detail::Reduction(x.shape(), axes, "max"), keep_axes);
}
template <class S>
Tensor<S> max(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return max(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> max(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return max(x, std::vector<int>(axes), keep_axes);
}

/// The smallest element, of all or over `axes`; equal winners share the gradient. Throws ShapeError over no elements.
template <class S>
Tensor<S> min(const Tensor<S>& x) {
  return detail::extremum_over<detail::Smaller>("min", x, detail::Reduction(x.shape()), false);
}
template <class S>
Tensor<S> min(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::extremum_over<detail::Smaller>("min", x, detail::Reduction(x.shape(), axes, "min"), keep_axes);
}
template <class S>
Tensor<S> min(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return min(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> min(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return min(x, std::vector<int>(axes), keep_axes);
}

/// The position of the largest element along one axis, which is dropped; the first of equal ones, or of NaN.
template <class S>
Tensor<Index> argmax(const Tensor<S>& x, int axis = -1) {
  axis = x.shape().axis(axis, "argmax");
  const Index n = x.size(axis), inner = x.shape().product(axis + 1, x.rank());
  if (n == 0)
    fail<ShapeError>("argmax: axis ", axis, " of shape ", x.shape(), " has no elements, expected at least one");
  return Tensor<Index>::generate(x.shape().without(axis), [&](Index at) {
    const S* line = x.data() + at / inner * n * inner + at % inner;
    Index best = 0;
    for (Index i = 1; i < n && line[best * inner] == line[best * inner]; ++i)
      if (!(line[i * inner] <= line[best * inner])) best = i;  // the first NaN wins, as in max
    return best;
  });
}

/// The mean squared deviation from the mean over `axes`, divided by count - `correction` (1: unbiased).
template <class S>
Tensor<S> var(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false, int correction = 0) {
  const Index count = detail::Reduction(x.shape(), axes, "var").count;
  if (count <= correction)
    fail<ShapeError>("var: ", count, " elements with correction ", correction,
                     "; expected more elements than the correction");
  return sum(square(x - mean(x, axes, true)), axes, keep_axes) / static_cast<S>(count - correction);
}
template <class S>
Tensor<S> var(const Tensor<S>& x, int axis, bool keep_axes = false, int correction = 0) {
  return var(x, std::vector<int>{axis}, keep_axes, correction);
}
template <class S>
Tensor<S> var(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false, int correction = 0) {
  return var(x, std::vector<int>(axes), keep_axes, correction);
}
template <class S>
Tensor<S> var(const Tensor<S>& x) {
  return mean(square(x - mean(x)));
}

namespace detail {

// sqrt with gradient 0 instead of infinity where the norm is 0.
template <class S>
Tensor<S> norm_of_squares(const Tensor<S>& squares) {
  const Tensor<S> zero = equal(stop_gradient(squares), 0);
  return where(zero, 0, sqrt(where(zero, 1, squares)));
}

}  // namespace detail

/// The Euclidean norm of all elements or over `axes`; its gradient at 0 is 0.
template <class S>
Tensor<S> norm(const Tensor<S>& x) {
  return detail::norm_of_squares(sum(square(x)));
}
template <class S>
Tensor<S> norm(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::norm_of_squares(sum(square(x), axes, keep_axes));
}
template <class S>
Tensor<S> norm(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return norm(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> norm(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return norm(x, std::vector<int>(axes), keep_axes);
}

/// log sum exp(x) of all elements or over `axes`, without overflow; -inf over nothing or over only -inf.
template <class S>
Tensor<S> logsumexp(const Tensor<S>& x) {
  return detail::logsumexp_over(x, detail::Reduction(x.shape()), false);
}
template <class S>
Tensor<S> logsumexp(const Tensor<S>& x, const std::vector<int>& axes, bool keep_axes = false) {
  return detail::logsumexp_over(x, detail::Reduction(x.shape(), axes, "logsumexp"), keep_axes);
}
template <class S>
Tensor<S> logsumexp(const Tensor<S>& x, int axis, bool keep_axes = false) {
  return logsumexp(x, std::vector<int>{axis}, keep_axes);
}
template <class S>
Tensor<S> logsumexp(const Tensor<S>& x, std::initializer_list<int> axes, bool keep_axes = false) {
  return logsumexp(x, std::vector<int>(axes), keep_axes);
}

/// x - logsumexp(x) along one axis: the logarithm of softmax, exact where softmax underflows.
template <class S>
Tensor<S> log_softmax(const Tensor<S>& x, int axis = -1) {
  return x - logsumexp(x, axis, true);
}
/// exp(x) / sum exp(x) along one axis.
template <class S>
Tensor<S> softmax(const Tensor<S>& x, int axis = -1) {
  return exp(log_softmax(x, axis));
}

namespace detail {

template <class S>
Tensor<S> cumulative_sum(const Tensor<S>& x, int axis, bool backwards) {
  const Index n = x.size(axis), inner = x.shape().product(axis + 1, x.rank()), outer = x.shape().product(0, axis);
  Tensor<S> y = Access::allocate<S>(x.shape());
  for (Index o = 0; o < outer && n > 0; ++o) {
    const S* in = x.data() + o * n * inner;
    S* out = Access::data(y) + o * n * inner;
    for (Index k = 0; k < n; ++k) {
      const Index i = backwards ? n - 1 - k : k, before = backwards ? i + 1 : i - 1;
      for (Index j = 0; j < inner; ++j) out[i * inner + j] = in[i * inner + j] + (k ? out[before * inner + j] : S(0));
    }
  }
  return record("cumsum", std::move(y),
                edge(x, [=](const Tensor<S>& g) { return cumulative_sum(g, axis, !backwards); }));
}

}  // namespace detail

/// Running sums along one axis: y[i] = x[0] + ... + x[i].
template <class S>
Tensor<S> cumsum(const Tensor<S>& x, int axis = -1) {
  return detail::cumulative_sum(x, x.shape().axis(axis, "cumsum"), false);
}

}  // namespace pushforward
